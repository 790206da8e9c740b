"""Importing contacts from a CSV file: which rows are taken, which are not and why.

Lives here: the import plan, row checks, duplicates within the file, counts. Does not live here: bytes and quoting (csv_text.py),
columns (column_mapping.py), values (contacts.py), comparing with the file's contacts and all-or-nothing (the caller, by
`compare_contact` and `refuse_unless`).
Rules a change must keep: a row is taken whole or not at all, and never shifted; every row is in exactly one count; the same bytes
and the same metadata give the same outcome; memory does not grow with the file, except by what knowing its duplicates takes.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO, Final, TypeAlias

import msgspec

from dee_appliance.errors import Refused
from dee_appliance.intake.addresses import fold_email, supported_regions
from dee_appliance.intake.column_mapping import ColumnMapping, ResolvedColumns, resolve_columns
from dee_appliance.intake.contacts import PreparedContact, clean_text, new_contact_id, prepare_contact
from dee_appliance.intake.csv_text import DELIMITERS, CsvRecords, Record
from dee_appliance.intake.first_lines import FirstLines, identity_of
from dee_appliance.intake.invalid import InvalidValue
from dee_appliance.intake.rejects import Reject, unescape_cell

DUPLICATE_CODES: Final = frozenset({"duplicate_key", "duplicate_email", "duplicate_phone"})


class ImportOptions(msgspec.Struct, frozen=True, kw_only=True):
    """How to read.

    `known_zones`: the ids of the file's zone table. `delimiter`: comma, semicolon or tab, None to find it in the header.
    `default_country`: reads phone numbers without "+" in rows without a country. `shared_phones`: several rows may have one phone
    number (a switchboard) as long as each has an e-mail address of its own. `max_rows`: a file with more is refused.
    """

    known_zones: frozenset[str]
    delimiter: str | None = None
    default_country: str | None = None
    shared_phones: bool = False
    max_rows: int = 5_000_000


class ImportCounts(msgspec.Struct, frozen=True, kw_only=True):
    """rows = prepared + rejected + duplicate. Blank lines are not rows."""

    rows: int = 0
    prepared: int = 0
    rejected: int = 0
    duplicate: int = 0
    blank: int = 0


class PreparedRow(msgspec.Struct, frozen=True, kw_only=True):
    """A row that was taken, and the line it starts on."""

    line: int
    contact: PreparedContact


Outcome: TypeAlias = PreparedRow | Reject


def read_contacts(
    source: Path | bytes,
    *,
    options: ImportOptions,
    mapping: ColumnMapping | None = None,
    draw_id: Callable[[], str] = new_contact_id,
) -> ImportPlan:
    """Read the header of a CSV file and return the plan of its import; rows are read when the plan is iterated.

    Raises Refused when the file cannot be read, is not CSV in UTF-8, or its header does not fit the mapping.
    """
    if options.delimiter is not None and options.delimiter not in DELIMITERS:
        raise Refused(f"{options.delimiter!r} is not a delimiter we read", hint="use comma, semicolon or tab")
    if options.default_country is not None and options.default_country not in supported_regions():
        raise Refused(f"{options.default_country!r} is not a country code", hint="use two capital letters such as US")
    return ImportPlan(source, options=options, mapping=mapping or ColumnMapping(), draw_id=draw_id)


class ImportPlan:
    """One CSV file about to be imported.

    `outcomes()` and `rows()` make one pass each and may be called again; `counts` are those of the last pass.
    """

    def __init__(
        self, source: Path | bytes, *, options: ImportOptions, mapping: ColumnMapping, draw_id: Callable[[], str]
    ) -> None:
        """Read the header; see read_contacts."""
        self.name = "contacts" if isinstance(source, bytes) else source.name
        self.counts = ImportCounts()
        self._source = source
        self._options = options
        self._draw_id = draw_id
        self._complete = False
        with self._open() as stream:
            records = CsvRecords(stream, name=self.name, delimiter=options.delimiter)
            line, self.header = self._read_header(iter(records))
        self.delimiter = records.delimiter
        self.columns: ResolvedColumns = resolve_columns(self.header, mapping, where=f"{self.name}:{line}")

    def outcomes(self) -> Iterator[Outcome]:
        """Yield a PreparedRow or a Reject for every row, in the order of the file.

        Raises Refused when the rest of the file cannot be read: then nothing of it should be kept.
        """
        self._complete = False
        tally = {"prepared": 0, "rejected": 0, "duplicate": 0}
        seen = FirstLines()
        with self._open() as stream:
            records = CsvRecords(stream, name=self.name, delimiter=self.delimiter)
            iterator = iter(records)
            if self._read_header(iterator)[1] != self.header:
                raise Refused("the file has changed while it was read", where=self.name, hint="import it again")
            for number, record in enumerate(iterator, start=1):
                if number > self._options.max_rows:
                    raise self._too_many(record.line)
                outcome = self._outcome(record, seen)
                tally[_count_of(outcome)] += 1
                yield outcome
        self.counts = ImportCounts(rows=sum(tally.values()), blank=records.blank, **tally)
        self._complete = True

    def rows(self, on_reject: Callable[[Reject], None] | None = None) -> Iterator[PreparedRow]:
        """Yield the rows that are taken, handing the others to `on_reject`."""
        for outcome in self.outcomes():
            if isinstance(outcome, PreparedRow):
                yield outcome
            elif on_reject is not None:
                on_reject(outcome)

    def scan(self, on_reject: Callable[[Reject], None] | None = None) -> ImportCounts:
        """Make a pass that keeps nothing and return its counts: a dry run."""
        for _row in self.rows(on_reject):
            pass
        return self.counts

    def refuse_unless(self, *, allow_rejects: bool) -> None:
        """Raise Refused if rows were rejected and that is not allowed; makes a pass first if none was completed.

        Rows that repeat an earlier row do not count: the person they name is imported.
        """
        counts = self.counts if self._complete else self.scan()
        if counts.rejected and not allow_rejects:
            raise Refused(
                f"{counts.rejected} of {counts.rows} rows were rejected; nothing was imported",
                where=self.name,
                hint="correct them in the rejects file, or allow the import to leave them out",
            )

    def _open(self) -> BinaryIO:
        if isinstance(self._source, bytes):
            return io.BytesIO(self._source)
        try:
            return self._source.open("rb")
        except OSError as problem:
            raise Refused(
                f"the file cannot be read: {problem.strerror}",
                where=str(self._source),
                hint="check its name and rights",
            ) from None

    def _read_header(self, records: Iterator[Record]) -> tuple[int, tuple[str, ...]]:
        record = next(records, None)
        if record is None:
            raise Refused("there is no header", where=self.name, hint="the first line must name the columns")
        try:
            return record.line, tuple(clean_text(unescape_cell(cell)) for cell in record.cells)
        except InvalidValue as problem:
            raise Refused(
                f"a column name cannot be read: {problem.reason}", where=f"{self.name}:{record.line}"
            ) from None

    def _outcome(self, record: Record, seen: FirstLines) -> Outcome:
        if len(record.cells) != len(self.header):
            return self._wrong_length(record)
        fields = {column.field: unescape_cell(record.cells[at].strip()) for at, column in self.columns.used}
        try:
            contact = prepare_contact(
                fields,
                attribute_types=self.columns.attribute_types,
                known_zones=self._options.known_zones,
                draw_id=self._draw_id,
                default_country=self._options.default_country,
            )
        except InvalidValue as problem:
            return self._reject(record, problem.code, problem.reason, field=problem.field)
        identities = self._identities(contact)
        for field, identity in identities.items():
            if (first_line := seen.line_of(identity)) is not None:
                reason = f"the same {_SPOKEN[field]} stands in line {first_line}"
                return self._reject(record, f"duplicate_{field}", reason, field=field, first_line=first_line)
        for identity in identities.values():
            seen.add(identity, record.line)
        return PreparedRow(line=record.line, contact=contact)

    def _wrong_length(self, record: Record) -> Reject:
        """A row is never padded or cut: with one cell missing in the middle, every value after it would be someone else's."""
        short = len(record.cells) < len(self.header)
        reason = f"{len(record.cells)} cells where the header has {len(self.header)}"
        return self._reject(record, "short_row" if short else "long_row", reason)

    def _reject(
        self, record: Record, code: str, reason: str, *, field: str | None = None, first_line: int | None = None
    ) -> Reject:
        name = (field or "").removeprefix("attribute.")
        column = next((column.column for _, column in self.columns.used if column.field == name), None)
        spoken = reason if column is None or first_line else f"{column}: {reason}"
        return Reject(
            line=record.line, code=code, reason=spoken, cells=tuple(record.cells), column=column, first_line=first_line
        )

    def _identities(self, contact: PreparedContact) -> dict[str, bytes]:
        """What makes a row the same person as another, in the order in which it is reported."""
        email, phone = contact.profile.get("email"), contact.profile.get("phone")
        if self._options.shared_phones and email:
            phone = None
        given = {"key": contact.key, "email": fold_email(email) if email else None, "phone": phone}
        return {field: identity_of(field, text) for field, text in given.items() if text}

    def _too_many(self, line: int) -> Refused:
        return Refused(
            f"the file has more than {self._options.max_rows:,} rows", where=f"{self.name}:{line}", hint="split it"
        )


_SPOKEN: Final = {"key": "customer key", "email": "e-mail address", "phone": "phone number"}


def _count_of(outcome: Outcome) -> str:
    if isinstance(outcome, PreparedRow):
        return "prepared"
    return "duplicate" if outcome.code in DUPLICATE_CODES else "rejected"
