"""Bugs that are kept as patches: each is put into a copy of the program, and the campaigns look for it.

    python -m bench.seeded_bugs
    python -m bench.seeded_bugs --only 04 --only 15 --minutes 5
    python -m bench.seeded_bugs --sound

The patches lie in tests/seeded_bugs: a sentence that says what is wrong, a line `Found by:` with the campaigns that should
notice, the likeliest first, and the change. A campaign goes through seeds from 1 on until one shows a fault; it is told neither
where the bug is nor that there is one, and looks at no golden file and no unit test. `--sound` runs the first seeds of each
campaign without a bug: what is then found is no bug of ours.
"""

from __future__ import annotations

import argparse
import dataclasses
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parent.parent
PATCHES: Final = ROOT / "tests" / "seeded_bugs"
COPIED: Final = ("bench", "dee_appliance", "examples", "sql", "tests", "pyproject.toml")
MOST_SEEDS: Final = 10_000


@dataclasses.dataclass(frozen=True)
class Campaign:
    """How a campaign is asked to go through some seeds, and how it names the one that shows a fault."""

    module: str
    arguments: tuple[str, ...]
    """With {first} and {seeds}, {scale} times which is what the campaign counts in."""
    found: str
    """A pattern with the seed as its group."""
    scale: int = 1
    chunks: tuple[int, ...] = (1, 4, 15, 80, 400)
    """How many seeds it is given at a time; the last number again and again."""

    def command(self, first: int, seeds: int) -> list[str]:
        """The words of the command."""
        words = [word.format(first=first, seeds=seeds * self.scale) for word in self.arguments]
        return [sys.executable, "-m", self.module, *words]

    def ranges(self) -> Iterator[tuple[int, int]]:
        """First seed and number of seeds, up to the last."""
        first, chunks = 1, list(self.chunks)
        while first <= MOST_SEEDS:
            seeds = min(chunks[0], MOST_SEEDS + 1 - first)
            yield first, seeds
            first += seeds
            chunks = chunks[1:] or chunks


CAMPAIGNS: Final = {
    "determinism": Campaign(
        module="bench.determinism_campaign",
        arguments=("--first", "{first}", "--seeds", "{seeds}"),
        found=r"differ or stop: \d+ \[(\d+)",
        chunks=(20, 80, 400, 500),
    ),
    "gate": Campaign(
        module="bench.gate_campaign",
        arguments=("--seed", "{first}", "--operations", "{seeds}", "--jobs", "1"),
        found=r"seed (\d+): \[",
        scale=2_000,
    ),
    "crash": Campaign(
        module="bench.crash_campaign",
        arguments=("--seed", "{first}", "--kills", "{seeds}", "--jobs", "1"),
        found=r"seed (\d+) broke a rule",
        scale=25,
        chunks=(1, 3, 8, 20),
    ),
    "simulator": Campaign(
        module="bench.simulator",
        arguments=("--first", "{first}", "--seeds", "{seeds}", "--jobs", "1", "--shrink-first", "0"),
        found=r"(?m)^seed (\d+): ",
    ),
}


@dataclasses.dataclass(frozen=True)
class Bug:
    """A patch."""

    path: Path
    what: str
    campaigns: tuple[str, ...]

    @property
    def name(self) -> str:
        """Number and name."""
        return self.path.stem


@dataclasses.dataclass(frozen=True)
class Found:
    """Who has found a bug."""

    campaign: str
    seed: int
    seconds: float
    said: str
    """The line with the seed."""


def bugs() -> list[Bug]:
    """Every patch that is kept, in order."""
    kept = []
    for path in sorted(PATCHES.glob("*.patch")):
        what, campaigns, *_ = path.read_text(encoding="utf-8").split("\n")
        kept.append(Bug(path=path, what=what, campaigns=tuple(campaigns.removeprefix("Found by: ").split())))
    return kept


def copy_to(folder: Path) -> None:
    """Copy the program, its tests and campaigns."""
    for name in COPIED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy2(source, folder / name)


def put_in(bug: Bug, folder: Path) -> None:
    """Apply the patch. Raises CalledProcessError if it does not fit."""
    ceiling = {"GIT_CEILING_DIRECTORIES": str(folder.parent)}  # the copy is nobody's repository
    subprocess.run(["git", "apply", str(bug.path)], cwd=folder, check=True, env={**os.environ, **ceiling})


def look(campaign: str, folder: Path, seconds: float, *, most: int = MOST_SEEDS) -> Found | None:
    """Let a campaign go through seeds from 1 on until one shows a fault, the seeds or the time are used up."""
    how, began = CAMPAIGNS[campaign], time.monotonic()
    for first, seeds in how.ranges():
        left = seconds - (time.monotonic() - began)
        if left <= 0 or first > most:
            return None
        said, status = _run(how.command(first, min(seeds, most + 1 - first)), folder, left)
        if status is None:
            return None
        named = [(int(match[1]), match) for match in re.finditer(how.found, said)]
        if status and not named:
            raise SystemExit(f"{campaign} does not run here:\n{said[-3000:]}")
        if status:
            seed, match = min(named, key=lambda one: one[0])
            line = said[match.start() :].splitlines()[0]
            return Found(campaign, seed, time.monotonic() - began, line)
    return None


def _run(command: list[str], folder: Path, seconds: float) -> tuple[str, int | None]:
    """Run a campaign in a copy. Returns what it said and its exit status; None if it took too long and was ended."""
    environment = {**os.environ, "PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1"}
    process = subprocess.Popen(
        command,
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        start_new_session=True,
    )
    try:
        said, _ = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)  # with the processes that it has started itself
        process.communicate()
        return "", None
    return said, process.returncode


def find(bug: Bug, seconds: float, campaigns: Sequence[str] = ()) -> Found | None:
    """Put a bug into a copy and let its campaigns look, one after the other."""
    with tempfile.TemporaryDirectory(prefix="dee-bug-") as folder:
        copy_to(Path(folder))
        put_in(bug, Path(folder))
        for campaign in bug.campaigns:
            if (not campaigns or campaign in campaigns) and (found := look(campaign, Path(folder), seconds)):
                return found
    return None


def sound(seconds: float) -> int:
    """Let each campaign look at the program as it is. Returns how many found something."""
    with tempfile.TemporaryDirectory(prefix="dee-no-bug-") as folder:
        copy_to(Path(folder))
        told = {campaign: look(campaign, Path(folder), seconds) for campaign in CAMPAIGNS}
    for campaign, found in told.items():
        print(f"{campaign}: {'nothing found, as it should be' if found is None else found}")
    return sum(found is not None for found in told.values())


def main() -> int:
    """Read the command line and go."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", action="append", help="only bugs whose name begins so")
    parser.add_argument("--campaign", action="append", default=[], help="only these campaigns")
    parser.add_argument("--minutes", type=float, default=10, help="how long a campaign may look for one bug")
    parser.add_argument("--show", action="store_true", help="show what the campaign said")
    parser.add_argument("--sound", action="store_true", help="look for bugs where none was put")
    options = parser.parse_args()
    if options.sound:
        return sound(options.minutes * 60)
    missed = 0
    print("| bug | found by | seed | s |\n|---|---|--:|--:|")
    for bug in bugs():
        if options.only and not bug.name.startswith(tuple(options.only)):
            continue
        found = find(bug, options.minutes * 60, options.campaign)
        missed += found is None
        row = ("nobody", "", "") if found is None else (found.campaign, str(found.seed), f"{found.seconds:.0f}")
        print(f"| {bug.name.partition('-')[0]} {bug.what} | {' | '.join(row)} |", flush=True)
        if options.show and found is not None:
            print(f"    {found.said[:300]}", flush=True)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
