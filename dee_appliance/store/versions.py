"""The three numbers of a file against those that this program knows: format, semantics epoch, plan schema.

A file that is older in any of them is read, run and replayed as it is. One that is newer in any of them is not opened: what this
program would make of it, or write into it, could be wrong.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

import apsw
import msgspec

from dee_appliance.errors import EvidenceError, Newer, Refused
from dee_appliance.kernel.epochs import EPOCHS, Kernel, known_schemas, newest_epoch
from dee_appliance.store import schema
from dee_appliance.store.header import newer_format
from dee_appliance.store.queries import load_queries

if TYPE_CHECKING:
    from pathlib import Path

EPOCH = "semantics"
"""The setting that says which epoch decides, once another one than that of the first row was brought into use."""


class VersionQueries(msgspec.Struct, frozen=True, kw_only=True):
    """sql/queries/version.sql."""

    select_made_under: str
    select_in_force: str
    select_schemas: str


def kernel_of(epoch: int, path: Path) -> Kernel:
    """Return the kernel of an epoch. Raises Newer when this program does not have it."""
    kernel = EPOCHS.get(epoch)
    if kernel is None:
        raise Newer(
            f"semantics epoch {epoch} decides in this file, of a newer DEE; this one has epochs up to {newest_epoch()}",
            where=str(path),
            hint="update DEE; `dee verify` still checks the log",
        )
    return kernel


def newer_schema(plan: str, number: int, path: Path) -> Newer:
    """Return what to raise for a plan of a schema that this program does not execute."""
    return Newer(
        f"{plan} is written in plan schema {number}, of a newer DEE; this one knows schemas up to {known_schemas()[-1]}",
        where=str(path),
        hint="update DEE; `dee verify` still checks the log",
    )


def require_schema(connection: apsw.Connection, path: Path) -> None:
    """Raise Newer for an unknown format, EvidenceError when tables, indexes and triggers are not those of the file's format.

    Refused for a file of the time before formats were fixed: nothing in it was altered.
    """
    file_format = schema.format_of(connection)
    if file_format > schema.newest_format():
        raise newer_format(file_format, path)
    found = schema.fingerprint(connection)
    if found in schema.BEFORE_FORMAT_1:
        raise Refused(
            "the file was made before the file format was fixed, by a DEE that nobody keeps: no other DEE can go on with it",
            where=str(path),
            hint="keep it with the program that made it; start a new file with `dee init`",
        )
    if found != schema.expected_fingerprint(max(file_format, schema.FIRST_FORMAT)):
        first, *others = [*schema.differences(connection), ""]
        more = f" and {len(others) - 1} more" if len(others) > 1 else ""
        raise EvidenceError(
            f"the tables of the file were altered: {first}{more}",
            where=str(path),
            hint="keep the file; run `dee verify`",
        )


def require_known(connection: apsw.Connection, path: Path) -> None:
    """Raise Newer when an epoch or a plan of the opened file is one that this program does not know.

    What cannot be read is left to those who look for damage: it may be rows that the caller does not need.
    """
    with suppress(apsw.CorruptError, UnicodeDecodeError):
        _require_known(connection, path)


def _require_known(connection: apsw.Connection, path: Path) -> None:
    names = load_queries(VersionQueries, "version")
    for sql in (names.select_made_under, names.select_in_force):
        for (value,) in connection.execute(sql).fetchall():
            if str(value).isdecimal():
                kernel_of(int(str(value)), path)
    known = known_schemas()
    for plan, version, body in connection.execute(names.select_schemas).fetchall():
        number = EPOCHS[newest_epoch()].plan_schema(str(body).encode())
        if number is not None and number not in known:
            raise newer_schema(f"{plan}@{version}", number, path)
