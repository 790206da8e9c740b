"""The long operations campaign of the gate: a million random operations, each verdict asked a second time by an auditor.

    python -m bench.gate_campaign --operations 1000000 --seed 1 --jobs 1

It tells the stories of tests/simulation (gate_operations says what can happen, gate_audit what is looked at): story n has
seed + n, and everything about it follows from that. A story with a fault is named with the command that tells it again. Every
fifth file is also verified and replayed on the disk; all are applied again from their inputs.
"""

from __future__ import annotations

import argparse
import multiprocessing
import random
import sys
import tempfile
import time
import traceback
from collections import Counter
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import TYPE_CHECKING

from bench.counts import at_least_one

TESTS = Path(__file__).parents[1] / "tests"
sys.path[:0] = [str(TESTS), str(TESTS / "simulation")]

if TYPE_CHECKING:
    from gate_stories import Told

ON_DISK_EVERY = 5


def tell_one(seed: int, operations: int) -> Told:
    """Tell the story of a seed."""
    from gate_stories import Told, tell  # noqa: PLC0415 - the path to it is set above

    try:
        with tempfile.TemporaryDirectory(prefix="dee-gate-") as folder:
            return tell(seed, operations, folder=Path(folder) if seed % ON_DISK_EVERY == 0 else None)
    except Exception:  # noqa: BLE001 - whatever went wrong, the other stories are told all the same
        return Told(seed=seed, faults=[traceback.format_exc()])


def campaign(operations: int, seed: int, jobs: int) -> int:
    """Tell as many stories as it takes. Returns how many of them have faults."""
    from gate_stories import OPERATIONS_A_STORY, Told  # noqa: PLC0415 - the path to it is set above

    starts = range(0, operations, OPERATIONS_A_STORY)
    stories = [(seed + number, min(OPERATIONS_A_STORY, operations - at)) for number, at in enumerate(starts)]
    total, faulty, began = Told(seed=seed), 0, time.monotonic()
    with ProcessPoolExecutor(jobs, mp_context=multiprocessing.get_context("spawn")) as pool:
        told = [pool.submit(tell_one, *story) for story in stories]
        for number, future in enumerate(as_completed(told), 1):
            one = future.result()
            _add(total, one)
            if one.faults:
                faulty += 1
                print(f"seed {one.seed}: {one.faults[:5]}")
                print(
                    f"again: python -m bench.gate_campaign --operations {OPERATIONS_A_STORY} --seed {one.seed}",
                    flush=True,
                )
            if number % 25 == 0 or number == len(stories):
                print(
                    f"{number}/{len(stories)} stories, {faulty} with faults, {time.monotonic() - began:.0f} s",
                    flush=True,
                )
    show(total, len(stories), faulty, time.monotonic() - began)
    return faulty


def _add(total: Told, one: Told) -> None:
    total.operations += one.operations
    total.deaths += one.deaths
    total.inputs += one.inputs
    total.entries += one.entries
    total.permits += one.permits
    total.seen += one.seen


def show(total: Told, stories: int, faulty: int, took_s: float) -> None:
    """Print the table."""
    seen = total.seen
    figures = {
        "stories (one file each, replayed)": stories,
        "operations": total.operations,
        "deaths of the process": total.deaths,
        "inputs": total.inputs,
        "log entries": total.entries,
        "permits": total.permits,
        "denials": _sum(seen, "send_email denied", "send_sms denied", "call denied"),
        "holds of one send": _sum(seen, "held for"),
        "holds of a queue": _sum(seen, "queue held"),
        "attempts of unknown outcome": _sum(seen, "send_email unknown", "send_sms unknown", "call unknown"),
        "changes of policy, packs, facts, lists, zones": _sum(
            seen, "policy set", "pack used", "pack retired", "fact recorded", "list used", "zones used"
        ),
        "stories with a fault": faulty,
        "seconds": round(took_s),
    }
    print(f"\ngate campaign, seed {total.seed}")
    for name, figure in figures.items():
        print(f"{name:48}{figure:>12,}")
    print("\nrule kind                passed   did not pass")
    for kind in sorted({one.partition(" ")[0] for one in seen if one.endswith((" pass", " no"))}):
        print(f"{kind:16}{seen[f'{kind} pass']:>15,}{seen[f'{kind} no']:>15,}")
    if not faulty:
        print("\nsends that a rule stood against, verdicts that cannot be had from what they cite, unlike replays: 0")


def _sum(seen: Counter[str], *begins: str) -> int:
    return sum(count for name, count in seen.items() if name.startswith(begins))


def main() -> None:
    """Read the command line and go."""
    parser = argparse.ArgumentParser(
        description="Let a million random things happen and audit every verdict of the gate."
    )
    parser.add_argument("--operations", type=at_least_one, default=1_000_000)
    parser.add_argument("--seed", type=int, default=None, help="default: drawn, and printed")
    parser.add_argument("--jobs", type=at_least_one, default=1, help="stories at the same time")
    options = parser.parse_args()
    seed = random.SystemRandom().randrange(1, 2**31) if options.seed is None else options.seed
    print(f"python -m bench.gate_campaign --operations {options.operations} --seed {seed}", flush=True)
    sys.exit(1 if campaign(options.operations, seed, options.jobs) else 0)


if __name__ == "__main__":
    main()
