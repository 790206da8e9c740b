"""Deaths, failing disks, clocks and copies, by the ten thousand: what the stories of tests/crash tell, told often.

    python -m bench.death_campaign --all --seed 1 --jobs 2
    python -m bench.death_campaign --power 27000 --signal 10000 --seed 1
    python -m bench.death_campaign --act --fault 1000 --clock 10000 --copy 100

    power    power cuts and kills in one process, several a file (death_story.py)
    signal   real SIGKILLs of forked processes, half before a drawn act, half at a drawn instant (death_story.py)
    act      death before every act of a short run, as a kill and with four losses of a power cut (every_act.py)
    fault    points at which the disk is full or fails (fault_story.py)
    clock    histories under clocks that cannot be trusted (clock_history.py)
    copy     files copied, moved, put back, robbed of their memory (copy_story.py)

Story n of a kind has seed + n; only the instants of `signal` are not repeated by it. A story that breaks a rule is printed with
the command that tells it again, and its folder is kept. Folders lie in memory where the system has such a place: what a disk
keeps is simulated above it. `python -m bench.crash_campaign` kills a real `dee serve` against a real mail server.
"""

from __future__ import annotations

import argparse
import multiprocessing
import random
import resource
import shutil
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from bench.counts import at_least_one

TESTS = Path(__file__).parents[1] / "tests"
sys.path[:0] = [str(TESTS), str(TESTS / "crash")]

from clock_history import ClockHistory  # noqa: E402 - the path to it is set above
from copy_story import CopyStory  # noqa: E402
from death_story import DeathStory, Way  # noqa: E402
from every_act import WAYS, EveryAct  # noqa: E402
from fault_story import FaultStory  # noqa: E402

MEMORY = Path("/dev/shm")
DEATHS_PER_STORY = 20
WANTED = {"power": 27_000, "signal": 10_000, "act": 1, "fault": 1_000, "clock": 10_000, "copy": 100}
"""What --all tells. One of four deaths of `power` is a kill: that makes 20,000 power cuts."""
SHARE = {"power": 200, "signal": 200, "act": 20, "fault": 25, "clock": 200, "copy": 10}
"""How much of it one task tells: deaths, acts, points, histories, stories."""


@dataclass
class Told:
    """What a task has told."""

    kind: str
    figures: Counter[str] = field(default_factory=Counter)
    broken: list[tuple[int, str]] = field(default_factory=list)
    """Seeds of the stories that broke a rule, and what was said."""
    cpu_s: float = 0.0


def tell(kind: str, first: int, count: int) -> Told:
    """Tell that many stories of a kind, the first with that seed. For `act`: the acts from `first` on."""
    told = Told(kind)
    folder = Path(tempfile.mkdtemp(prefix="dee-deaths-", dir=MEMORY if MEMORY.is_dir() else None))
    began = _cpu_s()
    TELLERS[kind](told, folder, first, count)
    told.cpu_s = _cpu_s() - began
    if not told.broken:
        shutil.rmtree(folder)
    return told


def _tell_task(task: tuple[str, int, int]) -> Told:
    return tell(*task)


def _cpu_s() -> float:
    return sum(
        use.ru_utime + use.ru_stime for use in map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    )


def _attempt(told: Told, folder: Path, seed: int, story: Callable[[], Counter[str]]) -> None:
    """Tell one story, and keep its folder aside when it breaks a rule."""
    try:
        told.figures += story()
    except Exception:  # noqa: BLE001 - whatever went wrong, the other stories are told all the same
        kept = folder.with_name(f"{folder.name}-{told.kind}-{seed}")
        shutil.copytree(folder, kept, symlinks=True)
        told.broken.append((seed, f"{traceback.format_exc()}\nkept: {kept}"))


def _figures(of: object) -> Counter[str]:
    return Counter({name: getattr(of, name) for name in getattr(of, "__struct_fields__", ())})


def _tell_deaths(way: Way) -> Callable[[Told, Path, int, int], None]:
    def told_by(told: Told, folder: Path, first: int, count: int) -> None:
        for seed in range(first, first + max(count // DEATHS_PER_STORY, 1)):

            def story(seed: int = seed) -> Counter[str]:
                story = DeathStory(folder, seed, way)
                figures = _figures(story.tell(min(count, DEATHS_PER_STORY))) + _figures(story.deaths)
                return figures + Counter(files=1)

            _attempt(told, folder, seed, story)

    return told_by


def _tell_acts(told: Told, folder: Path, first: int, count: int) -> None:
    run = EveryAct(folder)
    for at in range(first, min(first + count, run.acts + 1)):
        for way in WAYS:
            _attempt(told, folder, at, lambda at=at, way=way: _figures(run.die(at, way)))  # type: ignore[misc]


def _tell_faults(told: Told, folder: Path, first: int, count: int) -> None:
    run = FaultStory(folder)

    def story(seed: int) -> Counter[str]:
        point = run.tell(run.draw(seed), seed)
        return Counter(
            {
                "points": 1,
                "not reached": not point.met,
                "processes ended with an error": bool(point.ended),
                "only the text of the lock": bool(point.met) and not point.ended,
            }
        )

    for seed in range(first, first + count):
        _attempt(told, folder, seed, lambda seed=seed: story(seed))  # type: ignore[misc]


def _tell_clocks(told: Told, folder: Path, first: int, count: int) -> None:
    for seed in range(first, first + count):
        _attempt(told, folder, seed, lambda seed=seed: _figures(ClockHistory(folder, seed).tell()))  # type: ignore[misc]


def _tell_copies(told: Told, folder: Path, first: int, count: int) -> None:
    for seed in range(first, first + count):
        _attempt(told, folder, seed, lambda seed=seed: _figures(CopyStory(folder, seed).tell()))  # type: ignore[misc]


TELLERS: dict[str, Callable[[Told, Path, int, int], None]] = {
    "power": _tell_deaths("power"),
    "signal": _tell_deaths("signal"),
    "act": _tell_acts,
    "fault": _tell_faults,
    "clock": _tell_clocks,
    "copy": _tell_copies,
}


def tasks(kind: str, wanted: int, seed: int) -> list[tuple[str, int, int]]:
    """Cut what is wanted of a kind into tasks: kind, first seed, how many."""
    share = SHARE[kind]
    if kind == "act":
        folder = Path(tempfile.mkdtemp(prefix="dee-deaths-"))
        acts = EveryAct(folder).acts
        shutil.rmtree(folder)
        return [(kind, first, share) for first in range(1, acts + 1, share)]
    per_seed = DEATHS_PER_STORY if kind in {"power", "signal"} else 1
    return [(kind, seed + start // per_seed, min(share, wanted - start)) for start in range(0, wanted, share)]


def campaign(wanted: dict[str, int], seed: int, jobs: int) -> int:
    """Tell it all and print the tables. Returns how many stories broke a rule."""
    work = [task for kind, count in wanted.items() if count for task in tasks(kind, count, seed)]
    totals = {kind: Told(kind) for kind, count in wanted.items() if count}
    began = time.monotonic()
    context = multiprocessing.get_context("spawn")
    # Not concurrent.futures: its pool stops for good when a process has done as many tasks as it may (Python 3.11).
    with context.Pool(jobs, maxtasksperchild=20) as pool:
        for number, told in enumerate(pool.imap_unordered(_tell_task, work), 1):
            total = totals[told.kind]
            total.figures += told.figures
            total.cpu_s += told.cpu_s
            total.broken += told.broken
            for broken, said in told.broken:
                print(
                    f"{told.kind}, seed {broken}, broke a rule:\n{said}\nagain: {again(told.kind, broken)}", flush=True
                )
            if number % 20 == 0 or number == len(work):
                print(f"{number}/{len(work)} tasks, {time.monotonic() - began:.0f} s", flush=True)
    for total in totals.values():
        show(total, seed)
    return sum(len(total.broken) for total in totals.values())


def again(kind: str, seed: int) -> str:
    """Return the command that tells one story again."""
    if kind == "act":
        return "python -m bench.death_campaign --act"
    count = DEATHS_PER_STORY if kind in {"power", "signal"} else 1
    return f"python -m bench.death_campaign --{kind} {count} --seed {seed} --jobs 1"


def show(total: Told, seed: int) -> None:
    """Print the table of a kind."""
    print(f"\n{total.kind}, seed {seed}")
    for name, figure in total.figures.items():
        print(f"{name:36}{figure:>12,}")
    print(f"{'rules broken':36}{len(total.broken):>12,}")
    print(f"{'seconds of CPU':36}{total.cpu_s:>12,.0f}")
    deaths = total.figures["kills"]
    if deaths:
        print(f"{'deaths a second of CPU':36}{deaths / max(total.cpu_s, 0.001):>12,.1f}")


def main() -> None:
    """Read the command line and go."""
    parser = argparse.ArgumentParser(description="Deaths, failing disks, clocks and copies, by the ten thousand.")
    for kind, count in WANTED.items():
        if kind == "act":
            parser.add_argument("--act", action="store_const", const=1, default=0, help="every act of a short run")
        else:
            parser.add_argument(f"--{kind}", type=int, default=0, metavar="N", help=f"with --all: {count}")
    parser.add_argument("--all", action="store_true")
    parser.add_argument("--seed", type=int, default=None, help="default: drawn, and printed")
    parser.add_argument("--jobs", type=at_least_one, default=2, help="stories at the same time")
    options = parser.parse_args()
    seed = random.SystemRandom().randrange(1, 2**31) if options.seed is None else options.seed
    wanted = WANTED if options.all else {kind: getattr(options, kind) for kind in WANTED}
    print(f"seed {seed}", flush=True)
    sys.exit(1 if campaign(wanted, seed, options.jobs) else 0)


if __name__ == "__main__":
    main()
