"""The simulator: whole appliances under simulated time, providers, recipients, operators and faults, one from each seed.

    python -m bench.simulator --seeds 1000 --first 1 --jobs 2 --days 30
    python -m bench.simulator --seed 17 --verbose

A story whose invariant breaks is printed with the command that tells it again, then made small, and the small one is told step by
step. Same seed, same story: the digest says so.
"""

from __future__ import annotations

import argparse
import multiprocessing
import sys
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec.structs import replace

from bench.counts import at_least_one, numbers

TESTS = Path(__file__).parents[1] / "tests"
sys.path[:0] = [str(TESTS), str(TESTS / "simulation")]

if TYPE_CHECKING:
    from sim_case import Case
    from sim_story import Told


OF_ONE_STORY = ("verbose", "shrink", "until", "only", "people", "calm")
"""Options that say how one story is told."""


def tell_one(seed: int, days: int) -> Told:
    """Tell the story of a seed."""
    from sim_case import draw  # noqa: PLC0415 - the path to it is set above
    from sim_story import tell  # noqa: PLC0415

    return tell(draw(seed, days))


def tell_again(options: argparse.Namespace) -> int:
    """Tell one story, perhaps a smaller one, step by step if that is wanted."""
    from sim_case import CALM, draw, only  # noqa: PLC0415 - the path to it is set above
    from sim_story import tell  # noqa: PLC0415

    case = draw(options.seed, options.days)
    if options.only is not None:
        case = only(case, options.only)
    if options.people is not None:
        case = replace(case, people=options.people)
    if options.calm:
        case = replace(case, temper=CALM)
    case = replace(case, until=options.until or case.until)
    told = tell(case, verbose=options.verbose)
    print("\n".join(told.story))
    print(f"seed {case.seed}: {told.days} days, digest {told.digest}")
    if not told.invariant:
        print("every invariant holds")
        return 0
    print(f"{told.fault}")
    if options.shrink:
        show_small(case, told)
    return 1


def show_small(case: Case, told: Told) -> None:
    """Make a failing case small and tell it."""
    from sim_case import command  # noqa: PLC0415 - the path to it is set above
    from sim_shrink import shrink  # noqa: PLC0415
    from sim_story import tell  # noqa: PLC0415

    small, _ = shrink(case, told)
    print(f"\nmade small: {len(small.happenings)} of {len(case.happenings)} happenings, until day {small.until}")
    print("\n".join(tell(small, verbose=True).story[-60:]))
    print(f"again: {command(small)}", flush=True)


def campaign(options: argparse.Namespace) -> int:
    """Tell the stories of many seeds. Returns how many have a fault."""
    from sim_case import command, draw  # noqa: PLC0415 - the path to it is set above

    seeds, began, failures = range(options.first, options.first + options.seeds), time.monotonic(), []
    total, seen = Counter[str](), Counter[str]()
    checks: Counter[str] = Counter()
    with ProcessPoolExecutor(options.jobs, mp_context=multiprocessing.get_context("spawn")) as pool:
        told = [pool.submit(tell_one, seed, options.days) for seed in seeds]
        for number, future in enumerate(as_completed(told), 1):
            one = future.result()
            total.update(days=one.days, sends=one.sends, inputs=one.inputs, entries=one.entries)
            seen += one.tally
            checks += one.checks
            if one.invariant:
                failures.append(one)
                print(f"\nseed {one.seed}: {one.fault}\nagain: {command(draw(one.seed, options.days))}", flush=True)
            if number % 100 == 0:
                print(f"{number}/{len(seeds)} seeds, {len(failures)} with a fault", flush=True)
    show(options, total, seen, checks, (len(failures), time.monotonic() - began))
    for one in failures[: options.shrink_first]:
        show_small(draw(one.seed, options.days), one)
    return len(failures)


def show(
    options: argparse.Namespace, total: Counter[str], seen: Counter[str], checks: Counter[str], ended: tuple[int, float]
) -> None:
    """Print the table."""
    failures, took_s = ended
    unknown = sum(seen[f"entry {name} unknown"] for name in ("send_email", "send_sms", "call"))
    figures = {
        "seeds": options.seeds,
        "simulated days": total["days"],
        "simulated days a minute": round(total["days"] / max(took_s, 1) * 60),
        "inputs": total["inputs"],
        "log entries": total["entries"],
        "messages at the provider": total["sends"],
        "outcomes unknown at some time": unknown,
        "webhooks repeated": seen["webhook repeated"],
        "turns of the loop": seen["turns"],
        **{name: count for name, count in sorted(seen.items()) if name.startswith("death")},
        "storage faults met": seen["storage fault"],
        "second loops refused": seen["second loop refused"],
        "copies served": seen["copy served"] + seen["older backup refused"],
        "invariants checked": sum(checks.values()),
        "stories with a fault": failures,
        "seconds": round(took_s),
    }
    print(
        f"\nsimulator, seeds {options.first} to {options.first + options.seeds - 1}, {options.days} days each and a calm end"
    )
    for name, figure in figures.items():
        print(f"{name:40}{figure:>14,}")
    print("\ninvariant                                        checked")
    for name, count in sorted(checks.items()):
        print(f"{name:40}{count:>14,}")
    if options.tally:
        print("\n".join(f"{name}={count}" for name, count in sorted(seen.items())))


def command_line(words: list[str] | None = None) -> argparse.Namespace:
    """Read the command line; what makes no sense is refused in words."""
    parser = argparse.ArgumentParser(
        description="Simulate whole appliances, and check every invariant after each step."
    )
    parser.add_argument("--seeds", type=at_least_one, default=100, help="how many stories")
    parser.add_argument("--first", type=int, default=1, help="the first seed")
    parser.add_argument("--jobs", type=at_least_one, default=1, help="stories at the same time")
    parser.add_argument("--days", type=at_least_one, default=30, help="for so many days things happen")
    parser.add_argument("--tally", action="store_true", help="print how often everything happened")
    parser.add_argument("--shrink-first", type=int, default=3, help="make so many failing stories small")
    parser.add_argument("--seed", type=int, help="tell this story alone")
    parser.add_argument("--verbose", action="store_true", help="step by step")
    parser.add_argument("--shrink", action="store_true", help="and make it small, if it fails")
    parser.add_argument("--until", type=at_least_one, help="nothing happens after this day")
    parser.add_argument("--only", type=numbers, help="only the happenings of these numbers")
    parser.add_argument("--people", type=numbers, help="only these first people")
    parser.add_argument("--calm", action="store_true", help="provider and recipients do nothing surprising")
    options = parser.parse_args(words)
    idle = [f"--{name}" for name in OF_ONE_STORY if getattr(options, name) not in {None, False}]
    if options.seed is None and idle:
        parser.error(f"{', '.join(idle)} is about one story: say which, with --seed")
    return options


def main() -> None:
    """Read the command line and go."""
    options = command_line()
    sys.exit(1 if (tell_again(options) if options.seed is not None else campaign(options)) else 0)


if __name__ == "__main__":
    main()
