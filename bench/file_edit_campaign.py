"""The long campaign of edited files: every change of what verify covers must be found, at its place.

    python -m bench.file_edit_campaign --edits 100000 --seed 1 --jobs 2

What an edit is, and how the oracle knows what verify must say, stands in tests/simulation: random_edits and edit_oracle. An edit
that was missed, misplaced, or took the program down is printed with the command that makes it again.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from bench.counts import at_least_one

TESTS = Path(__file__).parents[1] / "tests"
sys.path[:0] = [str(TESTS), str(TESTS / "simulation")]

if TYPE_CHECKING:
    from random_edits import Base

AT_A_TIME = 500
SCHEDULES = range(12)
MEMORY = Path("/dev/shm")
"""Where there is one, a folder in memory: the edits are many and small."""

Told = tuple[str, str]
"""Kind of edit and verdict."""


def bases_in(folder: Path) -> list[Base]:
    """Make the sound files. The same on every machine."""
    from random_edits import make_bases  # noqa: PLC0415 - the path to it is set above

    return make_bases(folder, SCHEDULES)


_made: list[Base] = []


def edit_many(first: int, count: int) -> tuple[Counter[Told], list[str]]:
    """Make and judge the edits of some seeds. Returns the tally, and what is to be said of those that went wrong."""
    from edit_oracle import judge  # noqa: PLC0415 - the path to it is set above
    from random_edits import GOOD, draw  # noqa: PLC0415 - the path to it is set above

    tally: Counter[Told] = Counter()
    wrong: list[str] = []
    with tempfile.TemporaryDirectory(prefix="dee-edits-", dir=MEMORY if MEMORY.is_dir() else None) as folder:
        if not _made:
            _made.extend(bases_in(Path(folder)))
        for seed in range(first, first + count):
            path = Path(folder) / "edited.db"
            edit, base = draw(seed, _made, path)
            found = judge(edit, base, path)
            tally[edit.kind, found.verdict] += 1
            if found.verdict not in GOOD:
                tip = "with its tip" if edit.tip else "without a tip"
                wrong.append(f"{found.verdict}: {edit.base}, {tip}: {edit.told}: {found.why}\n  again: {_again(seed)}")
    return tally, wrong


def _again(seed: int) -> str:
    return f"python -m bench.file_edit_campaign --edits 1 --seed {seed}"


def campaign(edits: int, seed: int, jobs: int) -> int:
    """Judge as many edits as asked for. Returns how many went wrong."""
    tally: Counter[Told] = Counter()
    failed, began = 0, time.monotonic()
    parts = [(first, min(AT_A_TIME, seed + edits - first)) for first in range(seed, seed + edits, AT_A_TIME)]
    with ProcessPoolExecutor(jobs, mp_context=multiprocessing.get_context("spawn")) as pool:
        told = [pool.submit(edit_many, *part) for part in parts]
        for number, future in enumerate(told, 1):
            found, wrong = future.result()
            tally += found
            failed += len(wrong)
            for one in wrong[:5]:
                print(one, flush=True)
            if number % 20 == 0 or number == len(parts):
                print(
                    f"{tally.total():,}/{edits:,} edits, {failed} wrong, {time.monotonic() - began:.0f} s", flush=True
                )
    show(tally)
    return failed


def show(tally: Counter[Told]) -> None:
    """Print a table: kinds of edits by what became of them."""
    verdicts = sorted({verdict for _, verdict in tally})
    print(f"\n{'edit':16}" + "".join(f"{one:>16}" for one in verdicts))
    for kind in sorted({kind for kind, _ in tally}):
        print(f"{kind:16}" + "".join(f"{tally[kind, one]:>16,}" for one in verdicts))
    print(f"{'all':16}" + "".join(f"{sum(n for (_, v), n in tally.items() if v == one):>16,}" for one in verdicts))


def main() -> None:
    """Read the command line and go."""
    parser = argparse.ArgumentParser(
        description="Edit recorded files at random and see whether verify finds each change."
    )
    parser.add_argument("--edits", type=at_least_one, default=100_000)
    parser.add_argument("--seed", type=int, default=1, help="the first seed; every edit has its own")
    parser.add_argument("--jobs", type=at_least_one, default=1)
    options = parser.parse_args()
    os.umask(0o077)
    sys.exit(1 if campaign(options.edits, options.seed, options.jobs) else 0)


if __name__ == "__main__":
    main()
