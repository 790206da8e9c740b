"""Files for the tests of the store: small, real, made by the program's own way of making a file."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import apsw

from dee_appliance.kernel.e1.encoding import GENESIS_LEAF, canonical, leaf_hash
from dee_appliance.store.database import Database, create
from dee_appliance.store.schema import APPEND_ONLY, schema_text

LINEAGE = bytes(range(16))


def add_entries(database: Database, count: int) -> None:
    """Append that many linked entries to the log, in the caller's transaction."""
    rows = database.execute("SELECT seq, leaf FROM audit ORDER BY seq DESC LIMIT 1")
    seq, leaf = (rows[0][0] + 1, rows[0][1]) if rows else (0, GENESIS_LEAF)
    for number in range(seq, seq + count):
        body = canonical({"prev": leaf.hex(), "seq": number})
        leaf = leaf_hash(body)
        put(database, "audit", seq=number, body=body.decode(), leaf=leaf)


# Columns whose value the schema restricts, or that a test looks for.
CHOSEN: dict[str, int | str | bytes] = {
    "body": "{}",
    "clock": "real",
    "digest": "b3:00",
    "lineage": LINEAGE,
    "mark": "DISPATCHING",
    "payload": "{}",
    "source": "test",
    "token": "token",
}
ANY: dict[str, int | str | bytes] = {"INTEGER": 1, "TEXT": "x", "BLOB": b"x"}


@cache
def columns_of(table: str) -> tuple[tuple[str, str], ...]:
    """Name and type of each column of a table."""
    connection = apsw.Connection(":memory:")
    connection.execute(schema_text())
    return tuple(connection.execute("SELECT name, type FROM pragma_table_info(?) ORDER BY cid", (table,)))


def put(database: Database | apsw.Connection, table: str, **chosen: int | str | bytes | None) -> None:
    """Insert a row in which only these values matter; the schema may grow columns that no test here is about."""
    values = {name: chosen.get(name, CHOSEN.get(name, ANY[kind])) for name, kind in columns_of(table)}
    marks = ", ".join("?" * len(values))
    database.execute(f"INSERT INTO {table} ({', '.join(values)}) VALUES ({marks})", tuple(values.values()))


def fill(database: Database) -> None:
    """What a new file of these tests holds: a row in every append-only table and five entries."""
    for table in sorted(APPEND_ONLY - {"audit"}):
        put(database, table)
    add_entries(database, 5)


@cache
def _made() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "made.db"
        create(path, fill)
        return path.read_bytes()


def new_file(path: Path) -> Path:
    """Put a file there, made once and copied, and return its path."""
    path.write_bytes(_made())
    path.chmod(0o600)
    return path


@contextmanager
def bare_connection(path: Path) -> Iterator[apsw.Connection]:
    """A connection with none of our settings: what another program, or an attacker, has."""
    connection = apsw.Connection(str(path))
    try:
        yield connection
    finally:
        connection.close(force=True)


def everything(folder: Path) -> dict[str, bytes]:
    """Every file of a folder with its bytes, to show that nothing changed."""
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}
