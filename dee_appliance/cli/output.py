"""Text, JSON lines and progress: everything a command prints goes through here.

What comes from data (names, reasons, provider texts, file names) may hold terminal control codes; they are made visible, never
obeyed. JSON is ASCII with every other character escaped, one object a line.
"""

from __future__ import annotations

import json
import sys
import time
import unicodedata
from typing import TYPE_CHECKING, Any, Self, TextIO

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from types import TracebackType

HIDDEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
"""Unicode categories that a terminal may obey or hide: control, format (bidirectional overrides), line separators, unassigned."""
PROGRESS_PAUSE_S = 0.1
CELL_CHARACTERS = 300
"""A table cuts longer cells; lines and JSON are never cut."""


def clean(text: object) -> str:
    """Return data as one safe line: no control codes, no line breaks."""
    told = str(text)
    if told.isascii() and told.isprintable():
        return told
    return "".join(
        _visible(character) if unicodedata.category(character) in HIDDEN else character for character in told
    )


def _visible(character: str) -> str:
    if character in "\t\n\r":
        return " "
    number = ord(character)
    return f"\\x{number:02x}" if number < 0x100 else f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"


def json_line(record: Mapping[str, Any]) -> str:
    """Return one JSON object as an ASCII line; field order is the record's own."""
    return json.dumps(record, ensure_ascii=True, separators=(",", ":"), default=_plain)


def _plain(value: object) -> object:
    if isinstance(value, bytes):
        return value.hex()
    import msgspec

    return msgspec.to_builtins(value)


class Output:
    """Where a command prints. With `as_json` text is left out and records are printed, else the other way round."""

    def __init__(self, *, as_json: bool) -> None:
        self.as_json = as_json

    def line(self, text: str = "") -> None:
        """Print one line of text for people; nothing with --json."""
        if not self.as_json:
            print(clean(text))

    def lines(self, text: str) -> None:
        """Print text of several lines for people, each of them made safe; nothing with --json."""
        for one in text.splitlines():
            self.line(one)

    def record(self, record: Mapping[str, Any]) -> None:
        """Print one JSON object with --json; nothing without."""
        if self.as_json:
            print(json_line(record))

    def note(self, text: str) -> None:
        """Say something beside the result, on standard error; nothing with --json."""
        if not self.as_json:
            print(clean(text), file=sys.stderr)

    def table(
        self, heads: Sequence[str], rows: Iterable[Sequence[object]], *, right: frozenset[int] = frozenset()
    ) -> None:
        """Print columns for people, as wide as their widest cell; `right` names columns of numbers. Nothing with --json."""
        if self.as_json:
            return
        cells = [tuple(heads), *(tuple(clean(cell)[:CELL_CHARACTERS] for cell in row) for row in rows)]
        widths = [max(len(row[column]) for row in cells) for column in range(len(heads))]
        for row in cells:
            padded = [
                cell.rjust(width) if column in right else cell.ljust(width)
                for column, (cell, width) in enumerate(zip(row, widths, strict=True))
            ]
            print("  ".join(padded).rstrip())


BAR_CELLS = 24
PACE_KNOWN_S = 3.0


def _bar(done: int, whole: int) -> str:
    full = min(BAR_CELLS, BAR_CELLS * done // whole)
    return f"{'█' * full}{'░' * (BAR_CELLS - full)} {min(100, 100 * done // whole)} %"


class Progress:
    """A bar on standard error that says how far long work has come; silent unless that is a terminal."""

    def __init__(self, label: str, total: int | None = None, stream: TextIO | None = None) -> None:
        self._label = label
        self._total = total
        self._stream = stream or sys.stderr
        self._shown = self._stream.isatty()
        self._began = time.monotonic()
        self._next = 0.0
        self._drawn = False

    def __call__(self, done: int, total: int | None = None) -> None:
        """Say that `done` of `total` are done."""
        if not self._shown or time.monotonic() < self._next:
            return
        self._next = time.monotonic() + PROGRESS_PAUSE_S
        self._drawn = True
        whole = self._total if total is None else total
        said = f" {done:,}" if not whole else f" {_bar(done, whole)} of {whole:,}{self._rest(done, whole)}"
        self._stream.write(f"\r\x1b[K{clean(self._label)}{said}")
        self._stream.flush()

    def _rest(self, done: int, whole: int) -> str:
        """How long the rest takes at the pace so far; nothing in the first seconds, which say little."""
        passed = time.monotonic() - self._began
        if passed < PACE_KNOWN_S or not 0 < done < whole:
            return ""
        left = int(passed * (whole - done) / done)
        return f", {left // 60}:{left % 60:02} left"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._drawn:
            self._stream.write("\r\x1b[K")
            self._stream.flush()
