"""The connection to the one file: how it is made, opened, checked, used and given up.

What lives here: making and opening a file, the checks at opening, transactions, and the translation of SQLite's errors.
What does not: any query (sql/queries), the settings of a connection (settings.py), the lock of the loop (lock.py).

Rules a change must keep:
- Every commit is FULL. After a failed write, read or fsync there is no further commit on that connection: a later success would
  hide that an earlier one never reached the disk. SQLITE_BUSY is not such a failure.
- The apsw connection never leaves this room: the BLOB and backup interfaces pass triggers and authorizer.
- The database file is never opened with plain `open` in a process that may hold a connection to it: closing that descriptor would
  drop the process's POSIX locks on it. Bytes are read through SQLite's own file layer.
- A connection belongs to the thread that made it and is not used after a fork.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import apsw

from dee_appliance.errors import DeeError, EvidenceError, HostError, Refused
from dee_appliance.store import schema, settings
from dee_appliance.store.durable import StorageFailed, discard, draft_beside, publish
from dee_appliance.store.header import require_ours, shm_of, size_or_zero, wal_of
from dee_appliance.store.versions import require_known, require_schema

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from types import TracebackType

__all__ = [
    "Database",
    "Row",
    "StorageFailed",
    "Transaction",
    "Value",
    "create",
    "open_reader",
    "open_scratch",
    "open_writer",
]

Value = int | str | bytes | None
Row = tuple[Any, ...]

COMPACT_IN_MEMORY_BYTES = 128 << 20
COPY_PAGES = 1_000

_BUSY = (apsw.BusyError, apsw.LockedError, apsw.ProtocolError)
# The last one: the driver says so when a text of the file is not UTF-8.
_DAMAGED = (apsw.CorruptError, apsw.NotADBError, apsw.FormatError, UnicodeDecodeError)
_STORAGE = (
    *_DAMAGED,
    apsw.IOError,
    apsw.FullError,
    apsw.CantOpenError,
    apsw.ReadOnlyError,
    apsw.PermissionsError,
    apsw.NoLFSError,
    apsw.NoMemError,
    apsw.InternalError,
)


class Database:
    """One connection to one file. Its methods raise StorageFailed, HostError (busy for 5 s) and, when reading, EvidenceError.

    An error of the program itself (a bad query, a row that a trigger or constraint refuses) stays an `apsw.Error`.
    """

    def __init__(
        self,
        connection: apsw.Connection,
        path: Path,
        *,
        writable: bool,
        on_close: Callable[[], None] | None = None,
    ) -> None:
        self._connection = connection
        self._cursor = connection.cursor()
        self._on_close = on_close
        self._closed = False
        self.path = path
        self.writable = writable
        self.failure: str | None = None
        """Why nothing more is committed; None while all is well."""

    def execute(self, sql: str, args: Sequence[Value] = ()) -> list[Row]:
        """Run one statement and return all its rows."""
        try:
            return self._cursor.execute(sql, args).fetchall()
        except (apsw.Error, UnicodeDecodeError) as error:
            self._translate(error)
            raise

    def one(self, sql: str, args: Sequence[Value] = ()) -> Row | None:
        """Run a statement that gives at most one row; more than one is a mistake in the query."""
        rows = self.execute(sql, args)
        if len(rows) > 1:
            raise AssertionError(f"more than one row: {sql}")
        return rows[0] if rows else None

    def many(self, sql: str, rows: Iterable[Sequence[Value]]) -> None:
        """Run one statement once for every row of arguments."""
        try:
            self._cursor.executemany(sql, rows)
        except (apsw.Error, UnicodeDecodeError) as error:
            self._translate(error)
            raise

    def stream(self, sql: str, args: Sequence[Value] = ()) -> Iterator[Row]:
        """Give the rows one at a time, for results that do not fit in memory. Holds a read snapshot until exhausted or closed."""
        cursor = self._connection.cursor()
        try:
            yield from cursor.execute(sql, args)
        except (apsw.Error, UnicodeDecodeError) as error:
            self._translate(error)
            raise
        finally:
            cursor.close(force=True)

    def transaction(self) -> Transaction:
        """Return a context: BEGIN IMMEDIATE, then COMMIT, or ROLLBACK when the block raises. It does not nest."""
        return Transaction(self)

    @property
    def in_transaction(self) -> bool:
        """Whether a transaction is open."""
        return self._connection.in_transaction

    def checkpoint_truncate(self, *, wait_ms: int = 0) -> bool:
        """Move the whole WAL into the file and cut it to nothing. False when a reader or writer is in the way.

        `wait_ms`: how long to wait for them.
        """
        self._connection.set_busy_timeout(wait_ms)
        try:
            self._connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
        except _BUSY:
            return False
        except apsw.Error as error:
            self._translate(error)
            raise
        finally:
            self._connection.set_busy_timeout(settings.BUSY_TIMEOUT_MS)
        return size_or_zero(wal_of(self.path)) == 0

    def data_version(self) -> int:
        """Return a number that changes when another connection has committed to the file."""
        return int(self.execute("PRAGMA data_version")[0][0])

    def integrity_check(self) -> list[str]:
        """Return what SQLite finds wrong with the file's structure; empty when nothing is.

        On a connection that may only read, SQLite leaves the CHECK constraints out.
        """
        try:
            lines = [str(row[0]) for row in self._cursor.execute("PRAGMA integrity_check")]
        except _DAMAGED as error:
            return [str(error)]
        except apsw.Error as error:
            self._translate(error)
            raise
        return [] if lines == ["ok"] else lines

    def compact(self) -> None:
        """Write the whole file anew (VACUUM), so that nothing of what was deleted is left between its rows."""
        connection = self._connection
        in_memory = self.path.stat().st_size <= COMPACT_IN_MEMORY_BYTES
        authorizer = connection.authorizer
        connection.authorizer = None
        connection.limit(apsw.SQLITE_LIMIT_ATTACHED, 1)
        try:
            self._cursor.execute(f"PRAGMA temp_store = {'MEMORY' if in_memory else 'FILE'}").fetchall()
            self._cursor.execute("VACUUM").fetchall()
            self._cursor.execute("PRAGMA temp_store = MEMORY").fetchall()
        except apsw.Error as error:
            self._translate(error)
            raise
        finally:
            connection.limit(apsw.SQLITE_LIMIT_ATTACHED, 0)
            connection.authorizer = authorizer

    def copy_pages(self, draft: Path, progress: Callable[[int, int], None] | None = None) -> None:
        """Copy the file as it is now, page by page, into an empty file. `progress` gets pages done and in all."""
        target = connect(draft, apsw.SQLITE_OPEN_READWRITE)
        try:
            self.execute("BEGIN")
            self.execute(
                "SELECT count(*) FROM sqlite_schema"
            )  # from here on this connection sees one state of the file
            with target.backup("main", self._connection, "main") as backup:
                while not backup.done:
                    backup.step(COPY_PAGES)
                    if progress is not None:
                        progress(backup.page_count - backup.remaining, backup.page_count)
            # At rest: a copy can then be read where nothing can be written beside it. The first writer makes it WAL again.
            target.execute("PRAGMA journal_mode = DELETE").fetchall()
        except (apsw.FullError, apsw.CantOpenError, apsw.IOError) as error:
            # SQLite keeps the text of a full disk with the other connection: here it is "not an error".
            why = "the disk is full" if isinstance(error, apsw.FullError) else str(error)
            raise HostError(
                f"the copy could not be made: {why}", where=str(draft.parent), hint="choose a folder with more room"
            ) from error
        except apsw.Error as error:
            self._translate(error)
            raise
        finally:
            self._rollback()
            target.close(force=True)

    def file_format(self) -> int:
        """Return the format of the file."""
        return schema.format_of(self._connection)

    def take_step(self, file_format: int) -> None:
        """Make a file of this format of one of the format before, in the caller's transaction."""
        authorizer = self._connection.authorizer
        self._connection.authorizer = None
        try:
            self._cursor.execute(schema.step_text(file_format)).fetchall()
        except apsw.Error as error:
            self._translate(error)
            raise
        finally:
            self._connection.authorizer = authorizer

    def fingerprint(self) -> str:
        """Return the fingerprint of the file's schema."""
        return schema.fingerprint(self._connection)

    def schema_differences(self) -> list[str]:
        """Name what was added to, taken out of or changed in the file's schema; empty when it is ours."""
        try:
            return schema.differences(self._connection)
        except apsw.Error as error:
            self._translate(error)
            raise

    def read_bytes(self, *, wal: bool, offset: int, count: int) -> bytes:
        """Return bytes of the file or of its WAL as they lie on the disk, padded with zeros past the end."""
        try:
            return self._connection.read("main", 1 if wal else 0, offset, count)[1]
        except apsw.Error as error:
            self._translate(error)
            raise

    def close(self) -> None:
        """Close the file. After a failure the WAL is left as it is: the next opening recovers what was committed."""
        if self._closed:
            return
        self._closed = True
        try:
            self._cursor.close(force=True)
            self._connection.close(force=True)
        except apsw.Error as error:
            self._translate(error)
            raise
        finally:
            if self._on_close is not None:
                self._on_close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _translate(self, error: apsw.Error | UnicodeDecodeError) -> None:
        """Raise what an SQLite error means to a caller; return when it is an error of the program itself."""
        where = str(self.path)
        if isinstance(error, _BUSY):
            raise HostError(
                "the file is busy: another process kept it for 5 seconds", where=where, hint="try again"
            ) from error
        if isinstance(error, apsw.InterruptError):
            raise EvidenceError("reading the file took too long", where=where, hint="allow it more time") from error
        if isinstance(error, (*_DAMAGED, apsw.TooBigError)) and not self.writable:
            raise EvidenceError(f"the file is damaged: {error}", where=where, hint="restore it from a copy") from error
        if isinstance(error, _STORAGE):
            self._fail(error)
            raise StorageFailed(
                f"the file could not be read or written: {error}",
                where=where,
                hint="check the disk, then run `dee health`",
            ) from error

    def _fail(self, error: apsw.Error | UnicodeDecodeError) -> None:
        """Make every further commit on this connection impossible, also the checkpoint that closing would do."""
        if self.failure is None and not self._closed:
            self.failure = str(error)
            self._connection.set_commit_hook(lambda: True)
            self._connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)

    def _begin(self) -> None:
        if self.failure is not None:
            raise StorageFailed(
                f"the file failed before: {self.failure}", where=str(self.path), hint="end this process"
            )
        self.execute("BEGIN IMMEDIATE")

    def _rollback(self) -> None:
        # SQLite has rolled back by itself after some storage errors; a second failure adds nothing to the first.
        if self._connection.in_transaction:
            try:
                self._cursor.execute("ROLLBACK")
            except _STORAGE as error:
                self._fail(error)


class Transaction:
    """One write transaction; see Database.transaction."""

    __slots__ = ("_database",)

    def __init__(self, database: Database) -> None:
        self._database = database

    def __enter__(self) -> Database:
        self._database._begin()  # noqa: SLF001 - two halves of one thing
        return self._database

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            try:
                self._database.execute("COMMIT")
            except BaseException:
                self._database._rollback()  # noqa: SLF001
                raise
        else:
            self._database._rollback()  # noqa: SLF001


def create(path: Path, fill: Callable[[Database], None]) -> None:
    """Make a new file: the tables, then what `fill` writes, in one transaction. The file appears whole or not at all.

    Raises Refused when something of that name exists already, HostError when the folder cannot be written.
    """
    settings.require_sqlite()
    path = Path(os.path.realpath(path))
    if os.path.lexists(path):
        raise Refused("there is a file already", where=str(path), hint="choose another name with --db FILE")
    draft = draft_beside(path)
    try:
        database = _open_new(draft, path)
        try:
            with database.transaction():
                fill(database)
            if not database.checkpoint_truncate():
                raise HostError("the new file is in use by another process", where=str(path))
        finally:
            database.close()
        publish(draft, path)
    finally:
        remove_database(draft)


def remove_database(path: Path) -> None:
    """Delete a draft or a private copy with everything SQLite keeps beside it. Raises StorageFailed."""
    discard(path, wal_of(path), shm_of(path), path.with_name(path.name + "-journal"))


def _open_new(draft: Path, path: Path) -> Database:
    connection = connect(draft, apsw.SQLITE_OPEN_READWRITE)
    try:
        connection.execute(f"PRAGMA page_size = {settings.PAGE_BYTES}")
        settings.harden(connection)
        settings.configure(connection, durable=True)
        connection.execute(f"BEGIN; {schema.schema_text()} COMMIT")
        _require_wal(connection, path)
        connection.authorizer = settings.authorize_writing
    except apsw.Error as error:
        connection.close(force=True)
        raise StorageFailed(f"the file could not be made: {error}", where=str(path)) from error
    return Database(connection, draft, writable=True)


def open_writer(path: Path, *, reverse_unordered: bool = False) -> Database:
    """Open the file for reading and writing. `reverse_unordered`: for tests, give rows without an ORDER BY the other way round.

    Any process may write to the inbox through this; only the holder of the loop's lock may change anything else.
    Raises Refused, HostError, Newer or EvidenceError as `require_ours` does, Newer when an epoch or a plan is not known either,
    and EvidenceError when the schema is not ours.
    """
    settings.require_sqlite()
    path = Path(os.path.realpath(path))
    header = require_ours(path)
    if not os.access(path, os.W_OK):
        raise HostError("the file may not be written by this user", where=str(path))
    connection = connect(path, apsw.SQLITE_OPEN_READWRITE)
    database = Database(connection, path, writable=True)
    try:
        # Until the file has passed its checks, closing it must not move its WAL.
        connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1 if header.wal_bytes else 0)
        settings.harden(connection)
        require_schema(connection, path)
        require_known(connection, path)
        settings.configure(connection, durable=True)
        _require_wal(connection, path)
        connection.config(apsw.SQLITE_DBCONFIG_REVERSE_SCANORDER, int(reverse_unordered))
        connection.authorizer = settings.authorize_writing
        connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 0)
    except (apsw.Error, UnicodeDecodeError) as error:
        _give_up(database, error)
        raise
    except DeeError:
        database.close()
        raise
    return database


def open_reader(path: Path, *, vault: bool = True, newer: bool = False) -> Database:
    """Open the file for reading only. `vault=False`: personal data cannot be read.

    `newer` accepts epochs and plans that this program does not know: for those who read the log alone. Raises as `open_writer`.
    """
    settings.require_sqlite()
    path = Path(os.path.realpath(path))
    require_ours(path)
    connection = connect_immutable(path) if _is_at_rest(path) else connect(path, apsw.SQLITE_OPEN_READONLY)
    database = Database(connection, path, writable=False)
    try:
        settings.harden(connection)
        require_schema(connection, path)
        if not newer:
            require_known(connection, path)
        settings.configure(connection, durable=True)
        connection.authorizer = settings.authorize_reading if vault else settings.authorize_without_vault
    except (apsw.Error, UnicodeDecodeError) as error:
        _give_up(database, error)
        raise
    except DeeError:
        database.close()
        raise
    return database


def open_scratch(path: Path | None = None, *, reverse_unordered: bool = False) -> Database:
    """Make a database with our tables that is thrown away, in memory or (memory-bounded) as a new file that is not durable."""
    settings.require_sqlite()
    flags = apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_CREATE
    connection = apsw.Connection(
        ":memory:" if path is None else str(path), flags=flags, statementcachesize=settings.STATEMENT_CACHE
    )
    settings.harden(connection)
    settings.configure(connection, durable=False)
    connection.execute("PRAGMA journal_mode = MEMORY").fetchall()
    connection.execute(schema.schema_text())
    connection.config(apsw.SQLITE_DBCONFIG_REVERSE_SCANORDER, int(reverse_unordered))
    connection.authorizer = settings.authorize_writing
    return Database(connection, path or Path(":memory:"), writable=True)


def connect(path: Path, flags: int) -> apsw.Connection:
    """Open a connection with nothing set yet. For this room only. Raises HostError."""
    try:
        return apsw.Connection(str(path), flags=flags, statementcachesize=settings.STATEMENT_CACHE)
    except apsw.Error as error:
        raise HostError(f"the file cannot be opened: {error}", where=str(path)) from error


def connect_immutable(path: Path) -> apsw.Connection:
    """Open a connection to a file that nobody writes to, without a lock and without its WAL. Raises HostError."""
    name = str(path).replace("%", "%25").replace("?", "%3f").replace("#", "%23")
    flags = apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI
    try:
        uri = f"file:{name}?mode=ro&immutable=1"
        return apsw.Connection(uri, flags=flags, statementcachesize=settings.STATEMENT_CACHE)
    except apsw.Error as error:
        raise HostError(f"the file cannot be opened: {error}", where=str(path)) from error


def _is_at_rest(path: Path) -> bool:
    """Whether the file lies where this user cannot write and nobody has it open: then SQLite cannot share it, nor need to."""
    return not (os.access(path.parent, os.W_OK) or size_or_zero(wal_of(path)) or shm_of(path).exists())


def _give_up(database: Database, error: apsw.Error | UnicodeDecodeError) -> None:
    """Close a file that could not be opened properly and raise why. Damage found while opening is the file's fault."""
    database.close()
    # An SQLError as well: the statements of opening are always the same, so it is the file that they do not fit.
    if isinstance(error, (*_DAMAGED, apsw.SQLError)):
        raise EvidenceError(
            f"the file is damaged: {error}", where=str(database.path), hint="restore it from a copy"
        ) from error
    database._translate(error)  # noqa: SLF001


def _require_wal(connection: apsw.Connection, path: Path) -> None:
    mode = connection.execute("PRAGMA journal_mode = WAL").fetchall()[0][0]
    if mode != "wal":
        raise HostError("the file system cannot hold a write-ahead log", where=str(path), hint="use a local disk")
