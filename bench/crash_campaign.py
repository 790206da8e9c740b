"""The long crash campaign: kill a real `dee serve` thousands of times, against a provider that survives.

    python -m bench.crash_campaign --kills 10000 --seed 1 --jobs 2

It tells the stories of tests/crash (what they are and which rules they hold is said there), each with a file of its own and a
seed of its own: story n has seed + n, and everything about it follows from that. A story that breaks a rule is printed with the
command that tells it again; its folder is kept. Death before every single act on the disk is a campaign of its own:

    DEE_CRASH_SAMPLE=0 python -m pytest tests/crash/test_crash_points.py
"""

from __future__ import annotations

import argparse
import multiprocessing
import random
import shutil
import sys
import tempfile
import time
import traceback
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import TYPE_CHECKING

from bench.counts import at_least_one

TESTS = Path(__file__).parents[1] / "tests"
sys.path[:0] = [str(TESTS), str(TESTS / "crash")]

if TYPE_CHECKING:
    from crash_checks import Summary

KILLS_PER_STORY = 25
CONTACTS = 900


def tell_one(seed: int, kills: int) -> tuple[int, Summary | None, str]:
    """Tell the story of a seed. Returns the seed, what it showed (None if a rule was broken), and what was said."""
    from crash_story import tell  # noqa: PLC0415 - the path to it is set above

    dice = random.Random(seed)
    others, worst_ms = dice.random() < 0.5, dice.choice((5, 30, 60, 60, 150))
    folder = Path(tempfile.mkdtemp(prefix=f"dee-crash-{seed}-"))
    try:
        summary = tell(folder, seed, kills=kills, contacts=CONTACTS, others=others, worst_ms=worst_ms)
    except Exception:  # noqa: BLE001 - whatever went wrong, the other stories are told all the same
        return seed, None, f"{traceback.format_exc()}\nkept: {folder}"
    shutil.rmtree(folder)
    return seed, summary, ""


def campaign(kills: int, seed: int, jobs: int) -> int:
    """Tell as many stories as it takes. Returns how many of them broke a rule."""
    from crash_checks import Summary  # noqa: PLC0415 - the path to it is set above

    total, broken, began = Summary(), 0, time.monotonic()
    stories = [
        (seed + number, min(KILLS_PER_STORY, kills - start))
        for number, start in enumerate(range(0, kills, KILLS_PER_STORY))
    ]
    with ProcessPoolExecutor(jobs, mp_context=multiprocessing.get_context("spawn")) as pool:
        told = [pool.submit(tell_one, *story) for story in stories]
        for number, future in enumerate(as_completed(told), 1):
            own, summary, said = future.result()
            if summary is None:
                broken += 1
                print(f"seed {own} broke a rule:\n{said}")
                print(f"again: python -m bench.crash_campaign --kills {KILLS_PER_STORY} --seed {own}", flush=True)
            else:
                total.add(summary)
            if number % 20 == 0 or number == len(stories):
                print(
                    f"{number}/{len(stories)} stories, {total.kills} kills, {broken} broken, {time.monotonic() - began:.0f} s",
                    flush=True,
                )
    show(total, len(stories), broken, seed, time.monotonic() - began)
    return broken


def show(total: Summary, stories: int, broken: int, seed: int, took_s: float) -> None:
    """Print the table."""
    figures = {
        "stories (one file each)": stories,
        "stories that broke a rule": broken,
        "kills of `dee serve`": total.kills,
        "messages the provider has": total.sends,
        "attempts marked for dispatch": total.attempts,
        "attempts of unknown outcome": total.unknown,
        "runs": total.runs,
        "log entries": total.entries,
        "things acknowledged to others": total.acknowledged,
        "seconds": round(took_s),
    }
    print(f"\ncrash campaign, seed {seed}")
    for name, figure in figures.items():
        print(f"{name:32}{figure:>12,}")
    if not broken:
        print(
            "duplicate sends, lost sends, sends without a mark, lost or changed entries, lost acknowledgements, unlike replays: 0"
        )


def main() -> None:
    """Read the command line and go."""
    parser = argparse.ArgumentParser(description="Kill a real `dee serve` thousands of times and check what must hold.")
    parser.add_argument("--kills", type=at_least_one, default=10_000)
    parser.add_argument("--seed", type=int, default=None, help="default: drawn, and printed")
    parser.add_argument("--jobs", type=at_least_one, default=2, help="stories at the same time")
    options = parser.parse_args()
    seed = random.SystemRandom().randrange(1, 2**31) if options.seed is None else options.seed
    print(f"python -m bench.crash_campaign --kills {options.kills} --seed {seed}", flush=True)
    sys.exit(1 if campaign(options.kills, seed, options.jobs) else 0)


if __name__ == "__main__":
    main()
