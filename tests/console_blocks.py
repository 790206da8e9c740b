"""Console blocks of the documents: commands with the output that a reader is shown, and a shell that tries them.

In a ```console block a line `$ …` is a command (a here-document goes on until its END); what follows is its output, shortened: a
line `…` stands for any lines, `…` in a line for any text. A block without any output shows only what to type.
"""

from __future__ import annotations

import re
import subprocess
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Self

import msgspec

BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
HERE_DOCUMENT = re.compile(r"<<'?(\w+)'?$")
ID = re.compile(r"\b(?:run|c)_[a-z2-7]{20,26}\b")
DAY, UTC = r"\d{4}-\d\d-\d\d", r"\d\d:\d\d:\d\dZ"
MOMENT = re.compile(rf"{DAY}(?:[ T]\d\d:\d\d(?::\d\d)?)?(?: [+-]\d\d:\d\d)?(?: \((?:{DAY} )?{UTC}\))?Z?")
PATIENCE_S = 100


class Step(msgspec.Struct, frozen=True):
    """One command, and the lines of output that the document shows for it."""

    command: str
    shown: tuple[str, ...]


def blocks(text: str, kind: str) -> list[str]:
    """Return the fenced blocks of one kind, "" for those that say none."""
    return [body for found, body in BLOCK.findall(text) if found == kind]


def steps(text: str) -> list[Step]:
    """Return every command of the console blocks of a text, in order."""
    return [step for block in blocks(text, "console") for step in _steps(block)]


def _steps(block: str) -> Iterator[Step]:
    lines = iter(block.splitlines())
    command, shown = "", list[str]()
    for line in lines:
        if not line.startswith("$ "):
            shown.append(line)
            continue
        if command:
            yield Step(command, tuple(shown))
        command, shown = line.removeprefix("$ "), []
        if (here := HERE_DOCUMENT.search(command)) is not None:
            for more in lines:
                command += f"\n{more}"
                if more == here.group(1):
                    break
    if command:
        yield Step(command, tuple(shown))


class Names:
    """Ids that differ from run to run: what a document calls one, and what it is called here."""

    def __init__(self) -> None:
        self._here: dict[str, str] = {}

    def told(self, text: str) -> str:
        """Return a command with the ids of here."""
        return ID.sub(lambda found: self._here.get(found.group(), found.group()), text)

    def missing(self, shown: tuple[str, ...], printed: list[str]) -> str | None:
        """Return the first shown line that was not printed in its place, None when all were; learn the ids on the way."""
        at, anywhere = 0, False
        for line in shown:
            if line == "…":
                anywhere = True
                continue
            end = len(printed) if anywhere else at + 1
            found = next(
                (place for place in range(at, min(end, len(printed))) if self._fits(line, printed[place])), None
            )
            if found is None:
                return line
            at, anywhere = found + 1, False
        return None if anywhere or at == len(printed) else f"(the end, before) {printed[at]}"

    def _fits(self, line: str, printed: str) -> bool:
        names: list[str] = []
        pattern = ""
        for part in re.split(f"({ID.pattern}|{MOMENT.pattern}|…)", line):
            if part == "…":
                pattern += ".*"
            elif ID.fullmatch(part):
                names.append(part)
                pattern += re.escape(self._here[part]) if part in self._here else f"({ID.pattern})"
            elif MOMENT.fullmatch(part):
                pattern += MOMENT.pattern
            else:
                pattern += re.escape(part)
        found = re.fullmatch(pattern, printed.rstrip())
        if found is None:
            return False
        unknown = [name for name in names if name not in self._here]
        self._here.update(zip(unknown, found.groups(), strict=True))
        return True


class Shell:
    """One `sh` that keeps its folder and variables from command to command, as a reader's does."""

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        self._process = subprocess.Popen(
            ["sh"],
            cwd=folder,
            env=dict(environment),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
        )
        self._timer = threading.Timer(PATIENCE_S, self._process.kill)
        self._timer.start()

    def run(self, command: str) -> tuple[int, list[str]]:
        """Run one command; return its exit code and what it printed, errors included."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{command}\nprintf '\\n<%s>\\n' $?\n")
        self._process.stdin.flush()
        printed: list[str] = []
        for line in self._process.stdout:
            if (end := re.fullmatch(r"<(\d+)>\n", line)) is not None:
                while printed and not printed[-1]:
                    printed.pop()
                return int(end.group(1)), printed
            printed.append(line.rstrip("\n"))
        raise AssertionError(f"the shell died at: {command}\n" + "\n".join(printed))

    def close(self) -> None:
        """End the shell."""
        self._timer.cancel()
        self._process.communicate()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()
