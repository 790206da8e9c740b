"""The rows that were not taken, and the file that says so.

Lives here: Reject, the rejects file, and making a cell harmless in a spreadsheet. Does not live here: why a row is rejected.
Rules a change must keep: the rejects file can be corrected and imported again as it is, so every original column comes back under
its own name and escaping is undone by `unescape_cell`; it holds personal data, so only its owner may read it.
"""

from __future__ import annotations

import csv
import os
import re
from typing import TYPE_CHECKING, Final

import msgspec

from dee_appliance.errors import Refused

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType
    from typing import Self, TextIO

REPORT_COLUMNS: Final = ("reject_line", "reject_code", "reject_reason")


class Reject(msgspec.Struct, frozen=True, kw_only=True):
    """A row that was not taken: where it starts, a code of REJECT_CODES, a sentence, and its cells as they stood.

    `column` is the header of the offending column, if one is to blame; `first_line` that of the earlier row, for duplicates.
    """

    line: int
    code: str
    reason: str
    cells: tuple[str, ...]
    column: str | None = None
    first_line: int | None = None


# A spreadsheet runs a cell that starts so as a formula, also after an apostrophe that it swallowed once (OWASP, "CSV Injection").
_FORMULA: Final = re.compile(r"'*[=+\-@\t\r\n＝＋－＠]")


def escape_cell(text: str) -> str:
    """Return the text with an apostrophe before it if a spreadsheet could take it for a formula."""
    return f"'{text}" if _FORMULA.match(text) else text


def unescape_cell(text: str) -> str:
    """Undo escape_cell. A cell that was never escaped and starts with an apostrophe and one of = + - @ loses the apostrophe."""
    return text[1:] if text.startswith("'") and _FORMULA.match(text) else text


class RejectsFile:
    """A CSV of rejects, made with the first of them: line, code and reason, then the original columns.

    With a UTF-8 byte order mark, without which Excel misreads accents. An existing file is replaced. When a rejects file was
    imported, its first three columns are not repeated.
    """

    def __init__(self, path: Path, header: tuple[str, ...]) -> None:
        self.path = path
        self.written = 0
        self._header = header
        self._kept = [at for at, name in enumerate(header) if name not in REPORT_COLUMNS]
        self._stream: TextIO | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def write(self, reject: Reject) -> None:
        """Append one reject. Raises Refused when the file cannot be made."""
        if self._stream is None:
            self._stream = self._made()
            self._row((*REPORT_COLUMNS, *self._original(self._header)))
        self._row((str(reject.line), reject.code, reject.reason, *self._original(reject.cells)))
        self.written += 1

    def close(self) -> None:
        """Close the file; without a reject there is none."""
        if self._stream is not None:
            self._stream.close()
            self._stream = None

    def _original(self, cells: tuple[str, ...]) -> tuple[str, ...]:
        """Return the cells of original columns; those beyond the header, in a row that was too long, stay at the end."""
        return (*(cells[at] for at in self._kept if at < len(cells)), *cells[len(self._header) :])

    def _made(self) -> TextIO:
        try:
            descriptor = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        except OSError as problem:
            raise Refused(
                f"the rejects file cannot be written: {problem.strerror}",
                where=str(self.path),
                hint="name another file",
            ) from None
        return os.fdopen(descriptor, "w", encoding="utf-8-sig", newline="", errors="replace")

    def _row(self, cells: tuple[str, ...]) -> None:
        """Write cells escaped once, also those that came escaped because a rejects file was imported."""
        if self._stream is None:
            raise AssertionError("the rejects file is not open")
        csv.writer(self._stream, lineterminator="\r\n").writerow([escape_cell(unescape_cell(cell)) for cell in cells])
