"""Replay of a file: the same workflows as engine_workflows, executed again from the file and compared entry by entry."""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from bench.measure import Figures, Stopwatch, parse_size
from bench.workload import Bench, contact_ids
from dee_appliance.replay.replay import replay


def measure(name: str, n: int) -> Figures:
    """Make a file with `n` workflows, then replay it."""
    with tempfile.TemporaryDirectory(prefix="dee-bench-") as folder:
        path = Path(folder) / "bench.db"
        bench = Bench(path)
        bench.add_contacts(contact_ids(0, n))
        bench.stage(contact_ids(0, n))
        bench.run()
        bench.close()
        with Stopwatch() as stopwatch:
            report = replay(path)
        if not report.same:
            raise RuntimeError(f"the replay differs: {report.divergence}")
    return stopwatch.figures(name, n)


def main() -> None:
    """Measure and print."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--name", default="replay")
    parse_size(arguments, unit="workflow", default=2_000)
    given = arguments.parse_args()
    measure(given.name, given.n).print()


if __name__ == "__main__":
    main()
