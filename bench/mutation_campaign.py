"""The mutation campaign: ten thousand recorded histories with one change in each, and whether a replay finds it, where and why.

    python -m bench.mutation_campaign --mutations 10000 --seed 1 --jobs 2

tests/simulation says what is mutated and what must be found (mutations), how that is worked out without the code that replays
(mutation_oracle), and of what (mutation_histories). Mutation n has seed + n, and everything about it follows from that; each miss
is printed with the command that repeats it. Exit code 1 unless all are detected with entry and field right, the cause in 99 %.
"""

from __future__ import annotations

import argparse
import multiprocessing
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from bench.counts import at_least_one

TESTS = Path(__file__).parents[1] / "tests"
sys.path[:0] = [str(TESTS), str(TESTS / "simulation")]

if TYPE_CHECKING:
    from mutation_trial import Trial

AT_A_TIME = 250
MISSES_SHOWN = 50


def try_some(seeds: range) -> list[Trial]:
    """Try the mutations of these seeds."""
    from mutation_trial import try_one  # noqa: PLC0415 - the path to it is set above

    with tempfile.TemporaryDirectory(prefix="dee-mutation-") as folder:
        return [try_one(seed, Path(folder)) for seed in seeds]


def campaign(mutations: int, seed: int, jobs: int) -> bool:
    """Try them all and print the table. Tells whether what must hold does."""
    from mutation_trial import Tally  # noqa: PLC0415 - the path to it is set above

    tally, began = Tally(), time.monotonic()
    end = seed + mutations
    parts = [range(first, min(first + AT_A_TIME, end)) for first in range(seed, end, AT_A_TIME)]
    with ProcessPoolExecutor(jobs, mp_context=multiprocessing.get_context("spawn")) as pool:
        for number, trials in enumerate(pool.map(try_some, parts), 1):
            for trial in trials:
                tally.add(trial)
            print(
                f"{number}/{len(parts)} parts, {len(tally.misses)} misses, {time.monotonic() - began:.0f} s", flush=True
            )
    print(f"\nmutation campaign, seed {seed}")
    for trial in tally.misses[:MISSES_SHOWN]:
        print(f"miss: {trial.kind}, {'forged' if trial.forged else 'raw'}: {trial.what}")
        print(f"      expected {trial.expected}, found {trial.found}")
        print(f"again: python -m bench.mutation_campaign --mutations 1 --seed {trial.seed}")
    for line in tally.lines():
        print(line)
    print(f"\ntried besides, without any effect, and replayed as the same: {tally.without_effect:,}")
    print(f"processor time: {tally.cpu_s:.0f} s, {1000 * tally.cpu_s / mutations:.0f} ms a mutation")
    exact = all(tally.total(column) == mutations for column in ("detected", "entry", "field"))
    return exact and tally.total("cause") * 100 >= mutations * 99


def main() -> None:
    """Read the command line and go."""
    parser = argparse.ArgumentParser(description="Change recorded histories in one place each, and replay them.")
    parser.add_argument("--mutations", type=at_least_one, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=at_least_one, default=1, help="mutations at the same time")
    given = parser.parse_args()
    sys.exit(0 if campaign(given.mutations, given.seed, given.jobs) else 1)


if __name__ == "__main__":
    main()
