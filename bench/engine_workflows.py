"""Our engine's side of the comparison: workflows through the loop. See workload."""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from bench.measure import Figures, Stopwatch, parse_size
from bench.workload import Bench, contact_ids
from dee_appliance.runtime.service import settle_memory

WARM_UP = 64


def measure(name: str, n: int) -> Figures:
    """Run `n` workflows to their end."""
    with tempfile.TemporaryDirectory(prefix="dee-bench-") as folder:
        bench = Bench(Path(folder) / "bench.db")
        bench.add_contacts(contact_ids(0, n + WARM_UP))
        bench.stage(contact_ids(0, WARM_UP))
        bench.run()
        bench.stage(contact_ids(WARM_UP, n))
        settle_memory()  # as the service does
        with Stopwatch() as stopwatch:
            bench.run()
        if bench.ended() != n + WARM_UP:
            raise RuntimeError(f"{bench.ended()} of {n + WARM_UP} workflows ended")
        bench.close()
    return stopwatch.figures(name, n)


def main() -> None:
    """Measure and print."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--name", default="engine")
    parse_size(arguments, unit="workflow", default=2_000)
    given = arguments.parse_args()
    measure(given.name, given.n).print()


if __name__ == "__main__":
    main()
