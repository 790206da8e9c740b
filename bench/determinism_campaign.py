"""The long determinism campaign: many thousand random histories, each run in two processes with different surroundings.

    python -m bench.determinism_campaign --seeds 20000 --first 100000
    python -m bench.determinism_campaign --seeds 2500 --first 200000 --steps 25 --branches 400

It runs the histories of tests/simulation (what they are, and in what the two processes differ, is said in schedules and
schedule_compare) over more seeds than the suite does. A seed that differs, or that stops with an error, is run again with ever
fewer steps and printed with the two commands that show it. With `--branches` each history is gone on with in many ways, three
happenings each, and every one of them is compared by itself: a cheap way to a million schedules. At the end: how often each thing
happened that the suite counts.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from bench.counts import at_least_one

SIMULATION = Path(__file__).parents[1] / "tests" / "simulation"
sys.path.insert(0, str(SIMULATION))

SEEDS_AT_A_TIME = 500
EXPLAINED = 3
"""How many failing seeds are made short; the others are only named."""


def campaign(first: int, seeds: int, steps: int, branches: int) -> int:
    """Run all seeds on both sides. Returns how many of them failed."""
    from schedule_compare import both_sides, compare, explain  # noqa: PLC0415 - the path to it is set above

    failing: list[int] = []
    tally: Counter[str] = Counter()
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="dee-determinism-") as elsewhere:
        sides = both_sides(Path(elsewhere))
        for start in range(first, first + seeds, SEEDS_AT_A_TIME):
            found = compare(sides, start, min(SEEDS_AT_A_TIME, first + seeds - start), steps=steps, branches=branches)
            fresh = sorted({*found.differing, *found.errors})
            for seed in fresh[: max(0, EXPLAINED - len(failing))]:
                print(explain(sides, seed, steps=steps, branches=branches), flush=True)
            failing += fresh
            tally += found.tally
            done = start + found.seeds - first
            ways = f", {done * branches:,} ways to go on" if branches else ""
            print(
                f"{done}/{seeds} histories{ways}, {len(failing)} failed, {time.monotonic() - began:.0f} s", flush=True
            )
    show(tally, failing)
    return len(failing)


def show(tally: Counter[str], failing: list[int]) -> None:
    """Print what happened, and which seeds failed."""
    from schedule_tally import LEAST  # noqa: PLC0415 - the path to it is set above

    print(f"\nwhat happened: {tally.total():,} things of {len(tally)} kinds")
    for name in LEAST:
        print(f"  {name:44}{tally[name]:>12,}")
    print(f"\nhistories that differ or stop: {len(failing)} {failing[:50] if failing else ''}")


def main() -> None:
    """Read the command line and go."""
    parser = argparse.ArgumentParser(description="Run random histories twice and compare every byte they leave.")
    parser.add_argument("--seeds", type=at_least_one, default=20_000)
    parser.add_argument("--first", type=int, default=100_000, help="the first seed")
    parser.add_argument(
        "--branches", type=int, default=0, help="compare this many ways to go on from the end of each history"
    )
    parser.add_argument("--steps", type=int, default=0, help="happenings in a history (default: as in the suite)")
    options = parser.parse_args()
    from schedules import STEPS  # noqa: PLC0415 - the path to it is set above

    os.umask(0o077)
    sys.exit(1 if campaign(options.first, options.seeds, options.steps or STEPS, options.branches) else 0)


if __name__ == "__main__":
    main()
