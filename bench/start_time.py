"""How long `dee --version` takes, from start to end of the process."""

from __future__ import annotations

import argparse
import subprocess
import sys

from bench.measure import Figures, Stopwatch, parse_size


def measure(name: str, n: int) -> Figures:
    """Run the program `n` times."""
    with Stopwatch() as stopwatch:
        for _ in range(n):
            subprocess.run([sys.executable, "-m", "dee_appliance", "--version"], check=True, capture_output=True)
    return stopwatch.figures(name, n)


def main() -> None:
    """Measure and print."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--name", default="start_time")
    parse_size(arguments, unit="start", default=10)
    given = arguments.parse_args()
    measure(given.name, given.n).print()


if __name__ == "__main__":
    main()
