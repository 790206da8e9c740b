"""Files for the tests of the store: small, real, made by the program's own way of making a file."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import apsw

from dee_appliance.kernel.e1.encoding import GENESIS_LEAF, canonical, leaf_hash
from dee_appliance.store.database import Database, create

LINEAGE = bytes(range(16))


def add_entries(database: Database, count: int) -> None:
    """Append that many linked entries to the log, in the caller's transaction."""
    rows = database.execute("SELECT seq, leaf FROM audit ORDER BY seq DESC LIMIT 1")
    seq, leaf = (rows[0][0] + 1, rows[0][1]) if rows else (0, GENESIS_LEAF)
    for number in range(seq, seq + count):
        body = canonical({"prev": leaf.hex(), "seq": number})
        leaf = leaf_hash(body)
        database.execute("INSERT INTO audit VALUES (?, ?, ?)", (number, body.decode(), leaf))


def fill(database: Database) -> None:
    """What a new file of these tests holds: a row in every append-only table and five entries."""
    database.execute("INSERT INTO genesis VALUES (1, ?, 0, 1, 'real', 0)", (LINEAGE,))
    database.execute("INSERT INTO input VALUES (1, 10, 10, 'test', 'note', '{}')")
    database.execute("INSERT INTO seen VALUES ('test', 'token', 1)")
    database.execute("INSERT INTO document (digest, kind, seq, body) VALUES ('b3:00', 'plan', 1, '{}')")
    database.execute("INSERT INTO given VALUES (1, 0, '{}')")
    database.execute("INSERT INTO ledger VALUES ('key', 1, 'DISPATCHING', 1, 10)")
    add_entries(database, 5)


def new_file(path: Path) -> Path:
    """Make a file and return its path."""
    create(path, fill)
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
