"""From the bytes of a CSV file to records with line numbers.

Lives here: what files look like in the wild (byte order mark, encodings, line ends, delimiters, quoting) and the limits on size.
Does not live here: what columns mean (column_mapping.py), which rows are taken (csv_import.py).
Rules a change must keep: the bytes are read as a stream, memory is bounded by MAX_RECORD_BYTES whatever the file holds; a line
number is that of the physical line on which the record starts (CR, LF and CR LF each end one); nothing is decoded by guess; where
quoting is broken, what is a row is not known any more, so the whole file is refused and nothing after that line is believed.
"""

from __future__ import annotations

import csv
import re
from typing import TYPE_CHECKING, Final, NamedTuple

from dee_appliance.errors import HostError, Refused

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO

DELIMITERS: Final = {",": "comma", ";": "semicolon", "\t": "tab"}
MAX_RECORD_BYTES: Final = 1_048_576
_CHUNK_BYTES: Final = 262_144

_AS_UTF8: Final = "save it again as “CSV UTF-8”"
# The first bytes that mean "not UTF-8 text", and what to say. A UTF-32 mark begins with the UTF-16 one.
_FOREIGN: Final = (
    (b"\xff\xfe", "is UTF-16 text", _AS_UTF8),
    (b"\xfe\xff", "is UTF-16 text", _AS_UTF8),
    (b"PK\x03\x04", "is a workbook or a zip archive", "open it in the spreadsheet and save the sheet as “CSV UTF-8”"),
    (b"\xd0\xcf\x11\xe0", "is an old Excel workbook", "open it in the spreadsheet and save the sheet as “CSV UTF-8”"),
    (b"%PDF", "is a PDF", "export the contacts as CSV"),
    (b"\x1f\x8b", "is compressed", "unpack it first"),
)
_SEPARATOR_LINE: Final = re.compile(r"sep=(.)\r?\n?", re.IGNORECASE)


class Record(NamedTuple):
    """One record: the physical line it starts on (from 1) and its cells as they stand, quotes resolved."""

    line: int
    cells: list[str]


class CsvRecords:
    """The records of one stream, the header first. Blank lines are counted in `blank` and left out."""

    def __init__(self, stream: BinaryIO, *, name: str, delimiter: str | None) -> None:
        """Look at the beginning and settle the delimiter. Raises Refused for what is not UTF-8 CSV."""
        self.blank = 0
        self._name = name
        self._lines = _Lines(stream, name)
        first, named = self._first_line()
        self.delimiter = delimiter or named or find_delimiter(first, where=f"{name}:{self._lines.number}")
        self._pushed_back: str | None = first

    def __iter__(self) -> Iterator[Record]:
        """Yield the records. Raises Refused for bytes that are not UTF-8, broken quoting, and records beyond the limits."""
        line_before = self._lines.number - 1
        reader = csv.reader(
            self._with_first(), delimiter=self.delimiter, strict=True, skipinitialspace=self.delimiter != "\t"
        )
        while True:
            start = line_before + 1
            try:
                cells = next(reader, None)
            except csv.Error as problem:
                raise self._broken(start, str(problem)) from None
            if cells is None:
                return
            line_before = self._lines.number
            self._lines.pending_bytes = 0
            if any(map(str.strip, cells)):
                yield Record(start, cells)
            else:
                self.blank += 1

    def _first_line(self) -> tuple[str, str | None]:
        """Return the first line that is not blank, and the delimiter if a line “sep=;” before it names one, as Excel has it."""
        named: str | None = None
        for line in self._lines:
            if named is None and (found := _SEPARATOR_LINE.fullmatch(line)):
                named = found[1]
                if named not in DELIMITERS:
                    raise Refused(f"“sep={named}” names a delimiter we do not read", where=self._name, hint=_choose())
            elif line.strip():
                return line, named
        raise Refused("the file is empty", where=self._name, hint="the first line must name the columns")

    def _with_first(self) -> Iterator[str]:
        if self._pushed_back is not None:
            first, self._pushed_back = self._pushed_back, None
            yield first
        yield from self._lines

    def _broken(self, start: int, problem: str) -> Refused:
        if "field limit" in problem or "end of data" in problem:
            what = "a quote opened in the record that starts here is never closed"
        else:
            what = "after a closing quote there is something other than the delimiter or the end of the line"
        return Refused(
            what,
            where=f"{self._name}:{start}",
            hint='a quote inside a quoted value is written twice: "O\'Brien, ""Jr"""',
        )


def find_delimiter(header_line: str, *, where: str) -> str:
    """Return the one of comma, semicolon and tab that separates the header's names; comma if there is none of them.

    Raises Refused when two of them occur equally often: then a guess could shift every value.
    """
    outside = re.sub(r'"[^"]*"?', "", header_line)
    counts = {delimiter: outside.count(delimiter) for delimiter in DELIMITERS}
    most = max(counts.values())
    candidates = [delimiter for delimiter, count in counts.items() if count == most]
    if most and len(candidates) > 1:
        names = " and ".join(DELIMITERS[delimiter] for delimiter in candidates)
        raise Refused(f"the header has as many of {names}", where=where, hint=_choose())
    return candidates[0]


def _choose() -> str:
    return "say which one separates the columns: comma, semicolon or tab"


class _Lines:
    """Physical lines as text. `number` is that of the last line given; `pending_bytes` is set to 0 at each end of a record."""

    def __init__(self, stream: BinaryIO, name: str) -> None:
        self.number = 0
        self.pending_bytes = 0
        self._name = name
        self._text = self._decoded(stream)

    def __iter__(self) -> Iterator[str]:
        return self._text

    def _decoded(self, stream: BinaryIO) -> Iterator[str]:
        for raw in self._raw(stream):
            self.number += 1
            self.pending_bytes += len(raw)
            if self.pending_bytes > MAX_RECORD_BYTES:
                raise self._too_long()
            try:
                yield raw.decode()
            except UnicodeDecodeError as problem:
                raise self._not_utf8(raw, problem.start) from None

    def _raw(self, stream: BinaryIO) -> Iterator[bytes]:
        rest = self._beginning(stream)
        while chunk := self._read(stream, _CHUNK_BYTES):
            lines = (rest + chunk).splitlines(keepends=True)
            rest = lines.pop()  # it may go on in the next chunk, and a final CR may be half of CR LF
            yield from lines
            if len(rest) > MAX_RECORD_BYTES:
                self.number += 1
                raise self._too_long()
        yield from rest.splitlines(keepends=True)

    def _read(self, stream: BinaryIO, size: int) -> bytes:
        try:
            return stream.read(size)
        except OSError as problem:
            raise HostError(f"the file cannot be read to its end: {problem.strerror}", where=self._name) from None

    def _beginning(self, stream: BinaryIO) -> bytes:
        start = self._read(stream, 1024)
        for mark, what, hint in _FOREIGN:
            if start.startswith(mark):
                raise Refused(f"the file {what}, not CSV in UTF-8", where=self._name, hint=hint)
        if start.count(0) * 4 > len(start):
            raise Refused("the file is not text in UTF-8 (every other byte is NUL)", where=self._name, hint=_AS_UTF8)
        return start.removeprefix(b"\xef\xbb\xbf")

    def _not_utf8(self, raw: bytes, at: int) -> Refused:
        byte = raw[at : at + 1]
        guess = byte.decode("cp1252", errors="replace")
        meant = "" if guess == "\ufffd" else f" (in Windows-1252 it would be “{guess}”)"
        return Refused(
            f"byte 0x{byte.hex().upper()} is not UTF-8{meant}", where=f"{self._name}:{self.number}", hint=_AS_UTF8
        )

    def _too_long(self) -> Refused:
        return Refused(
            f"the record around this line is longer than {MAX_RECORD_BYTES:,} bytes",
            where=f"{self._name}:{self.number}",
            hint="look for a quote that is never closed",
        )
