"""Runs the same schedules in two processes with different surroundings, and compares what they print.

The plain process has everything as it should be; the perturbed one has another hash seed, time zone, locale and folder, rows
without an ORDER BY the other way round, many happenings to a transaction, transactions that are rolled back and done again, a
journal that is opened again in between, and caches that hold next to nothing. A seed that differs is run again with ever fewer
steps, and its commands are given.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import msgspec
from schedules import STEPS

WORKER = Path(__file__).with_name("schedule_worker.py")
FOREIGN_LOCALES = ("tr_TR.UTF-8", "tr_TR.utf8", "de_DE.UTF-8", "de_DE.utf8")
KEPT_VARIABLES = ("PATH", "HOME", "TMPDIR", "VIRTUAL_ENV", "LD_LIBRARY_PATH")


class Side(msgspec.Struct, frozen=True, kw_only=True):
    """One of the two processes: its environment, its folder, its arguments."""

    variables: dict[str, str]
    folder: Path
    arguments: tuple[str, ...] = ()

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, str(WORKER), *self.arguments, *arguments]

    def shown(self, *arguments: str) -> str:
        """The command as one would type it."""
        variables = [f"{name}={shlex.quote(value)}" for name, value in sorted(self.variables.items())]
        command = [shlex.quote(word) for word in self.command(*arguments)]
        return f"cd {shlex.quote(str(self.folder))} && {' '.join([*variables, *command])}"

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        kept = {name: os.environ[name] for name in KEPT_VARIABLES if name in os.environ}
        return subprocess.Popen(
            self.command(*arguments),
            env={**kept, **self.variables},
            cwd=self.folder,
            stdout=subprocess.PIPE,
            encoding="utf-8",
        )


class Compared(msgspec.Struct, kw_only=True):
    """What came out of both processes."""

    seeds: int
    differing: list[int]
    errors: dict[int, str]
    worlds: tuple[dict[str, str], dict[str, str]]
    tally: Counter[str]


def foreign_locale(folder: Path) -> dict[str, str]:
    """Return the variables of a locale in which letters, numbers and order differ from C; made here if the machine has none."""
    known = subprocess.run(["locale", "-a"], capture_output=True, text=True, check=False).stdout.split()
    for name in FOREIGN_LOCALES:
        if name in known:
            return {"LC_ALL": name}
    if shutil.which("localedef") is not None:
        made = folder / "tr_TR.UTF-8"
        command = ["localedef", "--no-archive", "-i", "tr_TR", "-f", "UTF-8", str(made)]
        if subprocess.run(command, capture_output=True, check=False).returncode == 0:
            return {"LC_ALL": "tr_TR.UTF-8", "LOCPATH": str(folder)}
    return {"LC_ALL": "POSIX"}


def both_sides(folder: Path) -> tuple[Side, Side]:
    """Return the plain and the perturbed side; `folder` is the other working folder."""
    plain = Side(variables={"PYTHONHASHSEED": "0", "TZ": "UTC", "LC_ALL": "C"}, folder=WORKER.parents[2])
    foreign = {"PYTHONHASHSEED": "4242", "TZ": "Pacific/Chatham", **foreign_locale(folder)}
    return plain, Side(variables=foreign, folder=folder, arguments=("--perturbed",))


def compare(sides: tuple[Side, Side], first: int, count: int, *, steps: int = STEPS, branches: int = 0) -> Compared:
    """Run these seeds on both sides at once; with `branches` each goes on in that many ways, and those are compared."""
    arguments = ("--first", str(first), "--count", str(count), "--steps", str(steps), "--branches", str(branches))
    processes = [side.start(*arguments) for side in sides]
    outputs = [process.communicate()[0] for process in processes]
    for process, side in zip(processes, sides, strict=True):
        if process.returncode != 0:
            raise AssertionError(f"exit code {process.returncode}: {side.shown(*arguments)}")
    (plain_world, plain, tally), (other_world, other, _) = [_read(output) for output in outputs]
    seeds = range(first, first + count)
    errors = {seed: plain.get(seed, "missing") for seed in seeds if plain.get(seed, "error").startswith("error")}
    return Compared(
        seeds=count,
        differing=[seed for seed in seeds if plain.get(seed) != other.get(seed)],
        errors=errors,
        worlds=(plain_world, other_world),
        tally=tally,
    )


def _read(output: str) -> tuple[dict[str, str], dict[int, str], Counter[str]]:
    """Read what a worker printed: its world, the line of each seed, its tally."""
    world: dict[str, str] = {}
    seeds: dict[int, str] = {}
    tally: Counter[str] = Counter()
    for line in output.splitlines():
        word, _, rest = line.partition(" ")
        if word == "world":
            world = msgspec.json.decode(rest, type=dict[str, str])
        elif word == "tally":
            tally.update(msgspec.json.decode(rest, type=dict[str, int]))
        else:
            seeds[int(word)] = rest
    return world, seeds, tally


def explain(sides: tuple[Side, Side], seed: int, *, steps: int = STEPS, branches: int = 0) -> str:
    """Say how to see a failing seed again, with as few steps as still fail, and which tables or branches differ then."""
    fewest, fails = 0, steps
    while fewest < fails:
        middle = (fewest + fails) // 2
        found = compare(sides, seed, 1, steps=middle, branches=branches)
        if found.differing or found.errors:
            fails = middle
        else:
            fewest = middle + 1
    arguments = ("--first", str(seed), "--steps", str(fails), "--branches", str(branches), "--tables")
    outputs = [_read(side.start(*arguments).communicate()[0])[1].get(seed, "nothing") for side in sides]
    lines = [f"seed {seed} fails after {fails} of {steps} steps: {_tables(*outputs)}"]
    lines += [f"  {side.shown(*arguments)}" for side in sides]
    return "\n".join(lines)


def _tables(one: str, other: str) -> str:
    """Name the tables that differ, or the error."""
    if not (one.startswith("{") and other.startswith("{")):
        return f"{one} / {other}"
    left, right = (msgspec.json.decode(text, type=dict[str, str]) for text in (one, other))
    return ", ".join(table for table in left if left[table] != right[table])
