"""What every SQLite connection of DEE is set to, and what it is forbidden to do.

The settings are written out one by one: the ready-made collections of the driver take longer to import than the rest of the
program. Triggers stop the honest mistake; the authorizer stops SQL that goes around the triggers (DDL, ATTACH, PRAGMA, UPDATE and
DELETE on append-only tables). It runs when a statement is prepared, never when it is executed, so it costs nothing where
statements are reused. What neither stops (another process, another program) is found by the schema check and by verify.

Rules a change must keep: a new permission needs a reason here; deny is the default for every action not named.
"""

from __future__ import annotations

import apsw

from dee_appliance.errors import HostError
from dee_appliance.store.schema import APPEND_ONLY

OLDEST_SQLITE = (3, 53, 2)
"""Older releases can corrupt a WAL database (fixed in 3.51.3) or have known memory errors (fixed up to 3.53.2)."""

BUSY_TIMEOUT_MS = 5_000
STATEMENT_CACHE = 256
PAGE_BYTES = 8192
"""A turn of the loop changes neighbours: pages of 8 KiB need two thirds of the writes that pages of 4 KiB do."""
MAX_VALUE_BYTES = 4 << 20
"""No value and no row is longer: 4 MiB."""

_SWITCHES = {
    apsw.SQLITE_DBCONFIG_DEFENSIVE: 1,
    apsw.SQLITE_DBCONFIG_TRUSTED_SCHEMA: 0,
    apsw.SQLITE_DBCONFIG_WRITABLE_SCHEMA: 0,
    apsw.SQLITE_DBCONFIG_DQS_DDL: 0,
    apsw.SQLITE_DBCONFIG_DQS_DML: 0,
    apsw.SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION: 0,
    apsw.SQLITE_DBCONFIG_ENABLE_FTS3_TOKENIZER: 0,
    apsw.SQLITE_DBCONFIG_ENABLE_VIEW: 0,
    apsw.SQLITE_DBCONFIG_ENABLE_ATTACH_CREATE: 0,
    apsw.SQLITE_DBCONFIG_ENABLE_ATTACH_WRITE: 0,
    apsw.SQLITE_DBCONFIG_ENABLE_TRIGGER: 1,
    # The plan of a query never depends on the values bound to it: no surprise in replay, and no new plan at every execution.
    apsw.SQLITE_DBCONFIG_ENABLE_QPSG: 1,
}
_LIMITS = {
    apsw.SQLITE_LIMIT_ATTACHED: 0,
    apsw.SQLITE_LIMIT_LENGTH: MAX_VALUE_BYTES,
    apsw.SQLITE_LIMIT_SQL_LENGTH: 100_000,
    apsw.SQLITE_LIMIT_COLUMN: 100,
    apsw.SQLITE_LIMIT_EXPR_DEPTH: 100,
    apsw.SQLITE_LIMIT_COMPOUND_SELECT: 20,
    apsw.SQLITE_LIMIT_TRIGGER_DEPTH: 10,
    apsw.SQLITE_LIMIT_WORKER_THREADS: 0,
}
# cache_size is in KiB when negative; journal_size_limit in bytes; the fullfsync pair matters on macOS only.
_PRAGMAS = (
    "PRAGMA recursive_triggers = ON",
    "PRAGMA foreign_keys = ON",
    "PRAGMA secure_delete = ON",
    "PRAGMA cell_size_check = ON",
    "PRAGMA mmap_size = 0",
    "PRAGMA temp_store = MEMORY",
    "PRAGMA cache_size = -32000",
)
_DURABLE = (
    "PRAGMA synchronous = FULL",
    "PRAGMA fullfsync = ON",
    "PRAGMA checkpoint_fullfsync = ON",
    "PRAGMA journal_size_limit = 67108864",
)

READABLE_PRAGMAS = frozenset({"data_version", "integrity_check", "wal_checkpoint"})

FORBIDDEN_FUNCTIONS = frozenset(
    {
        "current_date", "current_time", "current_timestamp", "date", "datetime", "julianday", "strftime", "time", "timediff",
        "unixepoch", "random", "randomblob", "load_extension", "group_concat", "string_agg", "avg", "total",
        "last_insert_rowid", "changes", "total_changes",
    }
)  # fmt: skip
"""Clock, chance, code loading, unordered joins of text, floats and the hidden state of a connection have no place in a query."""

_ALLOWED_READING = frozenset({apsw.SQLITE_SELECT, apsw.SQLITE_TRANSACTION})
_ALLOWED_WRITING = frozenset({*_ALLOWED_READING, apsw.SQLITE_SAVEPOINT})


def require_sqlite(version: str | None = None) -> None:
    """Raise HostError when the SQLite library is older than OLDEST_SQLITE."""
    text = apsw.sqlite_lib_version() if version is None else version
    if tuple(int(part) for part in text.split(".")[:3]) < OLDEST_SQLITE:
        wanted = ".".join(map(str, OLDEST_SQLITE))
        raise HostError(
            f"SQLite {text} has known faults; DEE needs {wanted} or newer", hint="pip install --upgrade apsw"
        )


def harden(connection: apsw.Connection) -> None:
    """Apply the switches and limits that hold for every connection, before it reads anything of the file."""
    for switch, value in _SWITCHES.items():
        connection.config(switch, value)
    for limit, most in _LIMITS.items():
        connection.limit(limit, most)
    connection.drop_modules(None)
    connection.set_busy_timeout(BUSY_TIMEOUT_MS)


def configure(connection: apsw.Connection, *, durable: bool) -> None:
    """Apply the pragmas of a connection that may write. `durable` is False only for databases that are thrown away."""
    for statement in (*_PRAGMAS, *(_DURABLE if durable else ("PRAGMA synchronous = OFF",))):
        connection.execute(statement).fetchall()


def authorize_writing(
    action: int, first: str | None, second: str | None, database: str | None, source: str | None
) -> int:
    """Authorizer of a connection that may write. Arguments and result as SQLite documents sqlite3_set_authorizer."""
    del source
    if action == apsw.SQLITE_INSERT:
        allowed = _is_table(first, database)
    elif action in (apsw.SQLITE_UPDATE, apsw.SQLITE_DELETE):
        allowed = _is_table(first, database) and first not in APPEND_ONLY
    else:
        allowed = action in _ALLOWED_WRITING or _may_read(action, first, second)
    return apsw.SQLITE_OK if allowed else apsw.SQLITE_DENY


def authorize_reading(
    action: int, first: str | None, second: str | None, database: str | None, source: str | None
) -> int:
    """Authorizer of a connection that only reads."""
    del database, source
    return apsw.SQLITE_OK if action in _ALLOWED_READING or _may_read(action, first, second) else apsw.SQLITE_DENY


def authorize_without_vault(
    action: int, first: str | None, second: str | None, database: str | None, source: str | None
) -> int:
    """Authorizer of a connection that only reads, and no personal data."""
    if action == apsw.SQLITE_READ and (first == "vault" or (first == "inbox" and second == "private")):
        return apsw.SQLITE_DENY
    return authorize_reading(action, first, second, database, source)


def _is_table(name: str | None, database: str | None) -> bool:
    return database == "main" and name is not None and not name.lower().startswith("sqlite_")


def _may_read(action: int, first: str | None, second: str | None) -> bool:
    if action == apsw.SQLITE_READ:
        return True
    if action == apsw.SQLITE_FUNCTION:
        return second is not None and second.lower() not in FORBIDDEN_FUNCTIONS
    if action == apsw.SQLITE_PRAGMA:
        name = "" if first is None else first.lower()
        return name in READABLE_PRAGMAS or (name == "user_version" and second is None)
    return False
