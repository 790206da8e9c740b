"""Reading a file that somebody else made: nothing in it is believed, nothing of it is touched.

The file is copied into a private folder together with its WAL, and only the copy is opened: read-only, without triggers, views,
extensions or virtual tables, within limits. Before a row is read, the schema must be ours (after which no definition of theirs
can run) and SQLite must find the structure whole. What the rows say is for verify and replay to judge.

When the file changes while it is copied, or a loop holds it, the copy is made by SQLite from one read snapshot instead.

Rules a change must keep: the original is never opened for writing; a rollback journal is never taken along, because recovering
from one can delete a file that it names.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import apsw

from dee_appliance.errors import DeeError, EvidenceError, HostError, Refused
from dee_appliance.store import settings
from dee_appliance.store.database import Database, connect, connect_immutable
from dee_appliance.store.durable import reason
from dee_appliance.store.header import open_bytes, require_ours, wal_of
from dee_appliance.store.lock import holder
from dee_appliance.store.versions import require_schema

if TYPE_CHECKING:
    from collections.abc import Callable

MAX_FILE_BYTES = 64 << 30
COPY_BYTES = 1 << 20
ATTEMPTS = 3
PROGRESS_STEPS = 20_000
"""How many steps of SQLite's machine lie between two questions whether time is up: about a millisecond."""


def open_untrusted(
    path: Path,
    *,
    out_of_time: Callable[[], bool] | None = None,
    scratch: Path | None = None,
    max_bytes: int = MAX_FILE_BYTES,
    integrity: bool = True,
    schema: bool = True,
    newer: bool = False,
) -> Database:
    """Open a private copy of a DEE file for reading; closing it deletes the copy.

    `out_of_time` is asked about every millisecond of work; when it says yes, reading ends with EvidenceError. `scratch`: the
    folder for the copy. `integrity=False` leaves SQLite's structure check to the caller, `schema=False` the comparison of the
    tables with ours (`Database.schema_differences`): the caller must then read no table that differs. `newer` accepts a format
    that this program does not know.

    Raises Refused when it is not a DEE file or larger than `max_bytes`, Newer when it was made by a newer DEE, HostError when it
    cannot be copied, EvidenceError when it is cut short, damaged, or its tables are not ours.
    """
    settings.require_sqlite()
    header = require_ours(path, newer=newer)
    if header.file_bytes + header.wal_bytes > max_bytes:
        raise Refused(f"the file is larger than {max_bytes} bytes", where=str(path), hint="allow a larger file")
    folder = _private_folder(scratch)

    def discard() -> None:
        shutil.rmtree(folder, ignore_errors=True)

    try:
        copy = folder / "copy.db"
        _copy(path, copy)
        _examine(copy, path, out_of_time, integrity=integrity, schema=schema)
        connection = connect_immutable(copy)
        _protect(connection, out_of_time)
        connection.authorizer = settings.authorize_reading
    except OSError as error:
        discard()
        raise HostError(f"the file cannot be copied: {reason(error)}", where=str(path), hint="make room") from error
    except (apsw.Error, UnicodeDecodeError) as error:
        discard()
        raise EvidenceError(f"the file is damaged: {error}", where=str(path), hint="keep it as it is") from error
    except DeeError:
        discard()
        raise
    return Database(connection, path, writable=False, on_close=discard)


def _private_folder(scratch: Path | None) -> Path:
    try:
        return Path(tempfile.mkdtemp(prefix="dee-", dir=scratch))
    except OSError as error:
        raise HostError(f"there is no folder for a private copy: {reason(error)}", where=str(scratch)) from error


def _examine(copy: Path, path: Path, out_of_time: Callable[[], bool] | None, *, integrity: bool, schema: bool) -> None:
    """Take the WAL of the private copy into it and judge its tables and structure.

    Opened for writing, because SQLite leaves CHECK constraints out of its examination when it may only read. Tables that are not
    ours are not examined: that would run their definitions.
    """
    connection = connect(copy, apsw.SQLITE_OPEN_READWRITE)
    with Database(connection, path, writable=False) as database:
        _protect(connection, out_of_time)
        mode = connection.execute("PRAGMA journal_mode = DELETE").fetchall()[0][0]
        if mode != "delete":
            raise EvidenceError("the write-ahead log cannot be read", where=str(path), hint="take a `dee snapshot`")
        if schema:
            require_schema(connection, path)
        ours = schema or not database.schema_differences()
        connection.authorizer = settings.authorize_reading
        faults = database.integrity_check() if integrity and ours else []
    if faults:
        more = f" and {len(faults) - 1} more" if len(faults) > 1 else ""
        raise EvidenceError(f"the file is damaged: {faults[0]}{more}", where=str(path), hint="keep it as it is")


def _protect(connection: apsw.Connection, out_of_time: Callable[[], bool] | None) -> None:
    settings.harden(connection)
    connection.config(apsw.SQLITE_DBCONFIG_ENABLE_TRIGGER, 0)
    if out_of_time is not None:
        connection.set_progress_handler(out_of_time, PROGRESS_STEPS)
    for statement in ("PRAGMA cell_size_check = ON", "PRAGMA mmap_size = 0", "PRAGMA temp_store = MEMORY"):
        connection.execute(statement).fetchall()


def _copy(path: Path, copy: Path) -> None:
    """Copy file and WAL as they are at one moment. Two unchanged states around a plain copy are one moment."""
    if holder(path) is None:
        for _ in range(ATTEMPTS):
            before = _state(path)
            _copy_bytes(path, copy)
            if wal_of(path).exists():
                shutil.copyfile(wal_of(path), wal_of(copy))
            if _state(path) == before:
                return
    for leftover in (copy, wal_of(copy)):
        leftover.unlink(missing_ok=True)
    copy.touch(mode=0o600)
    connection = connect(path, apsw.SQLITE_OPEN_READONLY)
    settings.harden(connection)
    with Database(connection, path, writable=False) as source:
        source.copy_pages(copy)


def _state(path: Path) -> tuple[tuple[int, int, int], ...]:
    states = []
    for name in (path, wal_of(path)):
        try:
            status = name.stat()
        except FileNotFoundError:
            states.append((0, 0, 0))
        else:
            states.append((status.st_ino, status.st_size, status.st_mtime_ns))
    return tuple(states)


def _copy_bytes(path: Path, copy: Path) -> None:
    # Not a plain open of the original: it may be open in this process, and closing would drop its locks.
    source = open_bytes(path)
    try:
        size = source.xFileSize()
        with copy.open("wb") as target:
            for offset in range(0, size, COPY_BYTES):
                target.write(source.xRead(min(COPY_BYTES, size - offset), offset))
    finally:
        source.xClose()
