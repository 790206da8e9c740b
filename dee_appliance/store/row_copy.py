"""The rows that verify and replay read, copied out of somebody else's file into a fresh database that our own code has made.

Whatever the pages of their file hold beside these rows is left behind with it. Each value is looked at on its way: its type must
be the one of its column (a size beyond our limits is refused by the connection that reads it).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import apsw
import msgspec

from dee_appliance.errors import EvidenceError
from dee_appliance.store.chain import ChainQueries
from dee_appliance.store.journal import JournalQueries
from dee_appliance.store.queries import load_queries
from dee_appliance.store.state_queries import StateQueries

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dee_appliance.store.database import Database, Row


class RowCopyQueries(msgspec.Struct, frozen=True, kw_only=True):
    """sql/queries/row_copy.sql."""

    select_genesis: str
    select_inputs: str
    select_documents: str
    select_given: str
    select_ledger: str
    select_entries: str


Types = tuple[type, ...]
GENESIS: Types = (bytes, int, int, str, int)
INPUT: Types = (int, int, int, str, str, str)
DOCUMENT: Types = (str, str, int, str)
GIVEN: Types = (int, int, str)
LEDGER: Types = (int, str, str, int, int, int)
ENTRY: Types = (int, str, bytes)


def copy_rows(source: Database, target: Database) -> None:
    """Copy what verify and replay read. Raises EvidenceError for a value of another type than its column's, or a row twice."""
    names = load_queries(RowCopyQueries, "row_copy")
    journal = load_queries(JournalQueries, "journal")
    tables: tuple[tuple[str, str, str, Types], ...] = (
        ("genesis", names.select_genesis, journal.append_genesis, GENESIS),
        ("document", names.select_documents, journal.append_document, DOCUMENT),
        ("input", names.select_inputs, journal.append_input, INPUT),
        ("given", names.select_given, journal.append_given, GIVEN),
        ("ledger", names.select_ledger, load_queries(StateQueries, "state").append_mark, LEDGER),
        ("audit", names.select_entries, load_queries(ChainQueries, "chain").append_entry, ENTRY),
    )
    for table, select, append, types in tables:
        with target.transaction():
            try:
                target.many(append, _checked(source, table, select, types))
            except apsw.ConstraintError as error:
                raise _damaged(source, table, str(error)) from error


def _checked(source: Database, table: str, select: str, types: Types) -> Iterator[Row]:
    for row in source.stream(select):
        if any(type(value) is not wanted for value, wanted in zip(row, types, strict=True)):
            raise _damaged(source, table, "a value of another type")
        yield row


def _damaged(source: Database, table: str, why: str) -> EvidenceError:
    return EvidenceError(f"the file is damaged: table {table}: {why}", where=str(source.path), hint="keep it as it is")
