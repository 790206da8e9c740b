"""CSV files with a fixed set of columns: consents, opt-outs, suppression lists. Each row is taken whole or rejected.

Lives here: the header, the cells of a row by column, which rows are rejects and why, counts. Does not live here: what a row means
(the reader that the caller passes, which raises InvalidValue), bytes and quoting (csv_text.py), all-or-nothing (`finish`).
Rules a change must keep: a column with an unknown name is refused where columns are `strict`, because a misspelt `expires` would
make a consent last for ever; one pass over the file; the columns of a rejects file are read over, so that it can come in again.
"""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Final, Generic, Self, TypeVar

import msgspec

from dee_appliance.errors import Refused
from dee_appliance.intake.column_mapping import RECOGNISED, plain_name
from dee_appliance.intake.contacts import clean_text
from dee_appliance.intake.csv_text import CsvRecords, Record
from dee_appliance.intake.invalid import InvalidValue
from dee_appliance.intake.rejects import REPORT_COLUMNS, Reject, RejectsFile, unescape_cell

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path
    from typing import BinaryIO

Row = TypeVar("Row")

SUBJECTS: Final[dict[str, tuple[str, ...]]] = {
    "contact": ("contact", "dee_contact"),
    **{field: RECOGNISED[field] for field in ("key", "email", "phone")},
}
"""Columns that say whom a row is about, with the names that mean them."""


class Columns(msgspec.Struct, frozen=True, kw_only=True):
    """What a file may have: fields with the plain names that mean them; one of `needed` must be there.

    `strict`: no other column. `headless`: the field of a file of one column that has no header.
    """

    names: dict[str, tuple[str, ...]]
    needed: tuple[str, ...]
    strict: bool = True
    headless: Callable[[str], str] | None = None


class RowCounts(msgspec.Struct, kw_only=True):
    """rows = taken + repeated + rejected. Blank lines are not rows."""

    rows: int = 0
    taken: int = 0
    repeated: int = 0
    rejected: int = 0


class Repeated(Exception):
    """The row adds nothing to an earlier one."""


class RowFile(Generic[Row]):
    """One file being read. `rejects` and `on_reject` take the rows that are left out."""

    def __init__(
        self,
        source: Path,
        columns: Columns,
        read: Callable[[Mapping[str, str], int], Row],
        *,
        delimiter: str | None = None,
        rejects: Path | None = None,
        on_reject: Callable[[Reject], None] | None = None,
    ) -> None:
        """Take a file and its reader; nothing is opened yet."""
        self.counts = RowCounts()
        self.name = source.name
        self._source = source
        self._columns = columns
        self._read = read
        self._delimiter = delimiter
        self._rejects = rejects
        self._on_reject = on_reject
        self.rejects_file: Path | None = None

    def rows(self) -> Iterator[Row]:
        """Give the rows that are taken, in the order of the file.

        Raises Refused when the file cannot be read to its end: then nothing of it should be kept.
        """
        with self._open() as stream:
            records = CsvRecords(stream, name=self.name, delimiter=self._delimiter)
            iterator = iter(records)
            first = next(iterator, None)
            if first is None:
                raise Refused("there is no header", where=self.name, hint="the first line must name the columns")
            header, places, ahead = self._header(first)
            with _Rejects(self._rejects, header) as rejects:
                for record in (record for part in (ahead, iterator) for record in part):
                    self.counts.rows += 1
                    taken = self._outcome(record, places, header)
                    if isinstance(taken, Reject):
                        self.counts.rejected += 1
                        rejects.write(taken)
                        if self._on_reject is not None:
                            self._on_reject(taken)
                    elif taken is not None:
                        self.counts.taken += 1
                        yield taken.row
                self.rejects_file = rejects.written

    def finish(self, *, allow_rejects: bool) -> None:
        """After the last row: raise Refused if rows were rejected and that is not allowed."""
        if self.counts.rejected and not allow_rejects:
            raise Refused(
                f"{self.counts.rejected:,} of {self.counts.rows:,} rows were rejected; nothing was imported",
                where=self.name,
                hint="correct them in the rejects file, or allow the import to leave them out",
            )

    # ---- the header ----

    def _header(self, first: Record) -> tuple[tuple[str, ...], dict[str, int], tuple[Record, ...]]:
        """Return the header, the position of each field, and the first row if there is no header."""
        header = tuple(unescape_cell(cell.strip()) for cell in first.cells)
        where = f"{self.name}:{first.line}"
        places: dict[str, int] = {}
        for at, name in enumerate(header):
            if name in REPORT_COLUMNS:
                continue
            field = self._field(name, where)
            if field is not None and field in places:
                hint = "take one of them out"
                raise Refused(f"“{header[places[field]]}” and “{name}” are both {field}", where=where, hint=hint)
            if field is not None:
                places[field] = at
        if not any(field in places for field in self._columns.needed):
            headless = self._columns.headless
            if headless is not None and len(header) == 1:
                field = headless(header[0])
                return (field,), {field: 0}, (first,)
            needed = " or ".join(self._columns.needed)
            raise Refused(f"no column is {needed}", where=where, hint=f"the columns are {', '.join(header[:20])}")
        return header, places, ()

    def _field(self, name: str, where: str) -> str | None:
        plain = plain_name(name)
        field = next((field for field, names in self._columns.names.items() if plain in (field, *names)), None)
        if field is None and self._columns.strict:
            near = difflib.get_close_matches(plain, self._columns.names, n=1)
            known = ", ".join(self._columns.names)
            hint = f"did you mean {near[0]}?" if near else f"take it out; the columns are {known}"
            raise Refused(f"the column “{name}” says nothing to us", where=where, hint=hint)
        return field

    # ---- one row ----

    def _outcome(self, record: Record, places: dict[str, int], header: tuple[str, ...]) -> Reject | _Taken[Row] | None:
        if len(record.cells) != len(header):
            short = len(record.cells) < len(header)
            reason = f"{len(record.cells)} cells where the header has {len(header)}"
            return Reject(
                line=record.line, code="short_row" if short else "long_row", reason=reason, cells=tuple(record.cells)
            )
        try:
            fields = {
                field: clean_text(unescape_cell(record.cells[at].strip()), field=field) for field, at in places.items()
            }
            return _Taken(self._read(fields, record.line))
        except Repeated:
            self.counts.repeated += 1
            return None
        except InvalidValue as problem:
            column = header[places[problem.field]] if problem.field in places else None
            reason = problem.reason if column is None else f"{column}: {problem.reason}"
            return Reject(line=record.line, code=problem.code, reason=reason, cells=tuple(record.cells), column=column)

    def _open(self) -> BinaryIO:
        try:
            return self._source.open("rb")
        except OSError as problem:
            hint = "check its name and rights"
            raise Refused(f"the file cannot be read: {problem.strerror}", where=str(self._source), hint=hint) from None


class _Taken(Generic[Row]):
    """A row that was taken: what the reader made of it may be anything, None too."""

    __slots__ = ("row",)

    def __init__(self, row: Row) -> None:
        self.row = row


class _Rejects:
    """The rejects file, if there is to be one."""

    def __init__(self, path: Path | None, header: tuple[str, ...]) -> None:
        self._path = path
        self._file = None if path is None else RejectsFile(path, header)

    @property
    def written(self) -> Path | None:
        """Where rejects went; None when there are none."""
        return self._path if self._file is not None and self._file.written else None

    def write(self, reject: Reject) -> None:
        """Write one reject."""
        if self._file is not None:
            self._file.write(reject)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            self._file.close()
