"""The cost of a step with many runs in one file: `--live` runs wait in the file while `--n` workflows are measured."""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from bench.measure import Figures, Stopwatch, parse_size
from bench.workload import Bench, contact_ids
from dee_appliance.runtime.service import settle_memory

BATCH = 1_000


def measure(name: str, n: int, live: int) -> Figures:
    """Run `n` workflows while `live` others wait in the file for a timer far away."""
    with tempfile.TemporaryDirectory(prefix="dee-bench-") as folder:
        bench = Bench(Path(folder) / "bench.db")
        bench.add_waiting(live)
        bench.add_contacts(contact_ids(live, n))
        bench.stage(contact_ids(live, n))
        settle_memory()  # as the service does
        with Stopwatch() as stopwatch:
            bench.run_until_ended(n)
        bench.close()
    return stopwatch.figures(name, n)


def main() -> None:
    """Measure and print."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--name", default="steps")
    arguments.add_argument("--live", type=int, default=1_000)
    parse_size(arguments, unit="workflow", default=1_000)
    given = arguments.parse_args()
    measure(given.name, given.n, given.live).print()


if __name__ == "__main__":
    main()
