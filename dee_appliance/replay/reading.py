"""Reading a recorded file as evidence: how it is opened, and its rows as values that may be wrong in any way.

A file that is busy (rows in its WAL, or a loop that holds it) is read from a private copy, an untrusted one always;
any other is read in one read transaction. What comes out of the rows is checked for its type only: a text that is not
UTF-8, a number that is no number become values that cannot agree with anything, so that the checks above report them
at their place.

Rules a change must keep: replay reads `genesis`, `input`, `document` and `given`, nothing else of the file;
connections opened here cannot read the vault. Nothing is held in memory that grows with the file.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import msgspec

from dee_appliance.errors import EvidenceError
from dee_appliance.store.database import open_reader, open_scratch
from dee_appliance.store.header import require_ours, size_or_zero, wal_of
from dee_appliance.store.journal import Genesis, InputRow, JournalQueries
from dee_appliance.store.lock import holder
from dee_appliance.store.queries import load_queries
from dee_appliance.store.row_copy import copy_rows
from dee_appliance.store.untrusted import open_untrusted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dee_appliance.store.database import Database, Row

Progress = Callable[[int, int], None]
"""Told how many entries (or inputs) are done, and how many there are."""

ReadFrom = Literal["the file", "a private copy", "a private copy with its write-ahead log"]

PROGRESS_EVERY = 2_000
ATTEMPTS_TO_SKIP = 40
"""A damaged page hides its rows; reading goes on behind it, at distances that double."""

_NO_NUMBER = -(2**60)


class ReplayQueries(msgspec.Struct, frozen=True, kw_only=True):
    """sql/queries/replay.sql."""

    select_inputs: str
    select_epoch_uses: str
    select_plans_of_schemas: str
    select_input_end: str
    select_entries: str
    select_entry_end: str
    select_entry: str
    select_entries_holding: str
    select_all_given: str
    select_documents: str
    select_document_named: str
    select_marks: str
    select_mark_count: str
    select_accepted_without_mark: str
    select_run_counts: str
    select_enrolment_sum: str
    select_run_bodies: str
    select_runs_by_name: str
    select_head: str
    select_any_head: str
    insert_head: str
    delete_head: str


class EntryRow(msgspec.Struct, frozen=True):
    """One row of the log with its bytes as they are stored."""

    seq: int
    body: bytes
    leaf: bytes


class GivenRow(msgspec.Struct, frozen=True):
    """What the shell computed for one candidate of one input."""

    seq: int
    ordinal: int
    body: bytes


class DocumentRow(msgspec.Struct, frozen=True):
    """One document; `seq` is the input that brought it."""

    digest: str
    kind: str
    seq: int
    body: bytes


def queries() -> ReplayQueries:
    """Return the queries of this room."""
    return load_queries(ReplayQueries, "replay")


# ---- opening --------------------------------------------------------------------------------------------------------


def is_busy(path: Path) -> bool:
    """Whether rows of the file are still in its WAL, or a loop holds it."""
    return size_or_zero(wal_of(path)) > 0 or holder(path) is not None


def how_read(path: Path, *, untrusted: bool) -> ReadFrom:
    """Say what is read when a file is opened as evidence now."""
    if size_or_zero(wal_of(path)) > 0:
        return "a private copy with its write-ahead log"
    return "a private copy" if untrusted or is_busy(path) else "the file"


def open_evidence(
    path: Path,
    *,
    untrusted: bool = False,
    integrity: bool = False,
    newer: bool = False,
    out_of_time: Callable[[], bool] | None = None,
    scratch: Path | None = None,
) -> Database:
    """Open a file for reading in one state, without its vault. `untrusted`: somebody else made it.

    `newer` accepts epochs and plans that this program does not know, for those who find out themselves where they begin.

    `integrity` asks SQLite whether the structure is whole; `scratch` is the folder for a private copy. Raises Refused when it is
    not a DEE file, HostError when it was made by a newer DEE, EvidenceError when it is cut short, damaged, or its tables are not
    ours.
    """
    require_ours(path)
    if untrusted or is_busy(path):
        return open_untrusted(path, out_of_time=out_of_time, scratch=scratch, integrity=integrity or untrusted)
    database = open_reader(path, vault=False, newer=newer)
    try:
        database.execute("BEGIN")
        if integrity:
            _require_whole(database)
    except BaseException:
        database.close()
        raise
    return database


@contextmanager
def open_rows(
    path: Path, *, out_of_time: Callable[[], bool] | None = None, scratch: Path | None = None
) -> Iterator[Database]:
    """Give a fresh database with the rows of somebody else's file that verify and replay read, and nothing else of it.

    Their file is copied, examined and closed again before the first row is looked at. Raises as `open_evidence`.
    """
    with (
        tempfile.TemporaryDirectory(prefix="dee-", dir=scratch) as folder,
        open_scratch(Path(folder) / "rows.db") as rows,
    ):
        with open_untrusted(path, out_of_time=out_of_time, scratch=scratch) as database:
            copy_rows(database, rows)
        rows.path = path
        yield rows


def _require_whole(database: Database) -> None:
    faults = database.integrity_check()
    if faults:
        raise EvidenceError(
            f"the file is damaged: {faults[0]}", where=str(database.path), hint="restore it from a copy"
        )


# ---- rows -----------------------------------------------------------------------------------------------------------


def read_genesis(database: Database) -> Genesis:
    """Return what the file was made as. Raises EvidenceError when the row is missing or holds other types."""
    row = database.one(load_queries(JournalQueries, "journal").select_genesis)
    kinds = (bytes, int, int, str, int)
    if row is None or any(not isinstance(value, kind) for value, kind in zip(row, kinds, strict=True)):
        raise EvidenceError("the file has no first row", where=str(database.path), hint="restore it from a copy")
    return Genesis(lineage=row[0], epoch=row[1], semantics=row[2], clock=row[3], seed=row[4])


def read_entries(database: Database, names: ReplayQueries, first: int = _NO_NUMBER) -> Iterator[EntryRow]:
    """Give the log in its order. Raises EvidenceError at a damaged page."""
    for seq, body, leaf in _rising(database, names.select_entries, first):
        yield EntryRow(seq, _bytes(body), _bytes(leaf))


def read_entries_around_damage(
    database: Database, names: ReplayQueries, damaged: Callable[[int, EvidenceError], None]
) -> Iterator[EntryRow]:
    """Give the log in its order and leave out what lies in damaged pages; `damaged` is told the seq that could not be read."""
    start, step = _NO_NUMBER, 1
    for _ in range(ATTEMPTS_TO_SKIP):
        try:
            for seq, body, leaf in _rising(database, names.select_entries, start):
                start, step = seq + 1, 1
                yield EntryRow(seq, _bytes(body), _bytes(leaf))
        except EvidenceError as error:
            start = max(start, 0)
            damaged(start, error)
            start += step
            step *= 2
        else:
            return


def _rising(database: Database, sql: str, first: int) -> Iterator[Row]:
    """Give rows from `first` on. In a damaged tree they can come twice or in disorder: that is damage, not content."""
    before = first - 1
    for row in database.stream(sql, (first,)):
        if row[0] <= before:
            raise EvidenceError(
                f"the file is damaged: row {row[0]} comes after row {before}",
                where=str(database.path),
                hint="restore it from a copy",
            )
        before = row[0]
        yield row


def read_entry(database: Database, names: ReplayQueries, seq: int) -> EntryRow | None:
    """Return one entry of the log, or None."""
    row = database.one(names.select_entry, (seq,))
    return None if row is None else EntryRow(row[0], _bytes(row[1]), _bytes(row[2]))


def read_inputs(database: Database, names: ReplayQueries, first: int = _NO_NUMBER) -> Iterator[InputRow]:
    """Give the queue in its order. Raises EvidenceError at a damaged page."""
    for row in _rising(database, names.select_inputs, first):
        yield _input(row)


def read_given(database: Database, names: ReplayQueries) -> Iterator[GivenRow]:
    """Give what the shell computed, in the order of use. Raises EvidenceError at a damaged page."""
    for seq, ordinal, body in database.stream(names.select_all_given):
        yield GivenRow(_integer(seq), _integer(ordinal), _bytes(body))


def read_documents(database: Database, names: ReplayQueries) -> Iterator[DocumentRow]:
    """Give every document. Raises EvidenceError at a damaged page."""
    for row in database.stream(names.select_documents):
        yield _document(row)


def read_document(database: Database, names: ReplayQueries, digest: str) -> DocumentRow | None:
    """Return one document, or None."""
    row = database.one(names.select_document_named, (digest,))
    return None if row is None else _document(row)


def last_input(database: Database, names: ReplayQueries) -> int:
    """Return the seq of the last input, 0 when there is none."""
    return _integer(database.execute(names.select_input_end)[0][0])


def last_entry(database: Database, names: ReplayQueries) -> int:
    """Return the seq of the last entry, -1 when there is none."""
    return _integer(database.execute(names.select_entry_end)[0][0])


def _input(row: Row) -> InputRow:
    return InputRow(
        seq=_integer(row[0]),
        tick=_integer(row[1]),
        received=_integer(row[2]),
        source=_text(row[3]),
        kind=_text(row[4]),
        payload=_text(row[5]),
    )


def _document(row: Row) -> DocumentRow:
    return DocumentRow(_text(row[0]), _text(row[1]), _integer(row[2]), _bytes(row[3]))


def _bytes(value: object) -> bytes:
    return value if isinstance(value, bytes) else b""


def _integer(value: object) -> int:
    return value if isinstance(value, int) else _NO_NUMBER


def _text(value: object) -> str:
    # What is not UTF-8 becomes a text that no digest agrees with.
    return _bytes(value).decode("utf-8", "replace")
