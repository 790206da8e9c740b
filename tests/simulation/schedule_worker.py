"""Runs random schedules in a process of its own and prints one digest for each seed.

    python tests/simulation/schedule_worker.py --first 0 --count 100 --perturbed

Lines: `world JSON` (what surrounds this process), `SEED DIGEST` or `SEED error TEXT`, and at the end `tally JSON`. The comparison
of two such processes in different surroundings is schedule_compare.
"""

from __future__ import annotations

import argparse
import hashlib
import locale
import os
import sys
import time
import traceback
from collections import Counter
from pathlib import Path

import msgspec

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(Path(__file__).parent)]

from schedule_history import HashedShell, History, LeakyShell  # noqa: E402
from schedule_tally import tally_of  # noqa: E402 - found through the path set above
from schedules import BRANCH_STEPS, PLAIN, STEPS, digest_of, perturbed, run_branches, run_schedule  # noqa: E402


def world() -> dict[str, str]:
    """What surrounds this process and must not matter."""
    return {
        "hash": str(hash("a")),
        "zone": str(time.tzname),
        "locale": locale.setlocale(locale.LC_ALL),
        "folder": str(Path.cwd()),
        "order": "".join({"a", "b", "c", "d", "e", "f", "g"}),
    }


def say(word: object, rest: str) -> None:
    """Print one line at once: whoever waits for this process sees how far it is."""
    sys.stdout.write(f"{word} {rest}\n")
    sys.stdout.flush()


def digests_of(history: History, given: argparse.Namespace, seed: int) -> dict[str, str]:
    """Return a digest of each table, or of each branch."""
    if not given.branches:
        return digest_of(history.journal.database)
    way = perturbed(seed) if given.perturbed else PLAIN
    branches = run_branches(history, seed, given.branches, steps=BRANCH_STEPS, way=way)
    return {f"branch {number}": digest for number, digest in enumerate(branches)}


def main() -> None:
    """Run the seeds and print what came out."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--first", type=int, required=True)
    parser.add_argument("--count", type=int, default=1)
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--perturbed", action="store_true")
    parser.add_argument("--tables", action="store_true", help="print the digest of each table")
    parser.add_argument("--branches", type=int, default=0, help="from where each history ends, this many ways to go on")
    parser.add_argument("--leaky", action="store_true", help="let something of this process into the file")
    given = parser.parse_args()
    shell = LeakyShell() if given.leaky else HashedShell()
    locale.setlocale(locale.LC_ALL, "")
    say("world", msgspec.json.encode(world()).decode())
    tally: Counter[str] = Counter()
    for seed in range(given.first, given.first + given.count):
        try:
            with run_schedule(
                seed, steps=given.steps, way=perturbed(seed) if given.perturbed else PLAIN, shell=shell
            ) as history:
                found = digests_of(history, given, seed)
                if not given.perturbed:
                    tally += tally_of(history)
        except Exception as error:  # noqa: BLE001 - whatever stops a schedule is what the caller wants to know
            where = traceback.extract_tb(error.__traceback__)[-1]
            say(seed, f"error {type(error).__name__}: {error} in {where.name}")
            continue
        whole = hashlib.sha256(msgspec.json.encode(found, order="sorted")).hexdigest()
        say(seed, msgspec.json.encode(found).decode() if given.tables else whole)
    say("tally", msgspec.json.encode(tally, order="sorted").decode())


if __name__ == "__main__":
    os.umask(0o077)
    main()
