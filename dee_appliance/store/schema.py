"""The schema of the one file: where its text is found, and how a file is compared with it.

`sql/schema.sql` is the only definition of the tables. A file is compared with the same text executed in memory by the same
SQLite, because SQLite itself decides how it stores a definition; nothing here repeats one. Comments and white space are taken
out before the text is executed: SQLite would keep them in the file, and a reworded comment would make older files look altered.

Rules a change must keep: the statements of a released file format never change; a new table is a new file format.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

import apsw
from blake3 import blake3

from dee_appliance.errors import HostError
from dee_appliance.kernel.e1.encoding import prefixed

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable

APPLICATION_ID = 1_145_390_384
"""`PRAGMA application_id` of every DEE file, as in sql/schema.sql (a test compares them)."""

FILE_FORMAT = 1
"""`PRAGMA user_version`: the newest file format that this program reads and the only one it writes."""

APPEND_ONLY = frozenset({"audit", "input", "seen", "document", "given", "ledger", "genesis"})
"""Tables whose rows are never updated or deleted."""

Object = tuple[str, str, str, str]
"""One row of sqlite_schema: type, name, table, definition."""


def sql_root() -> Traversable:
    """Return the folder `sql/` as packaged, or the repository's own when run from a checkout. Raises HostError."""
    packaged = files("dee_appliance").joinpath("sql")
    root = packaged if packaged.is_dir() else Path(__file__).parents[2] / "sql"
    if not root.joinpath("schema.sql").is_file():
        raise HostError("the installation is incomplete: sql/schema.sql is missing", hint="install DEE again")
    return root


@cache
def schema_text() -> str:
    """Return the statements of sql/schema.sql without comments: what is executed when a file is made."""
    return without_comments(sql_root().joinpath("schema.sql").read_text(encoding="utf-8"))


def without_comments(text: str) -> str:
    """Return SQL without `--` comments and with single spaces. Quoted text is kept as it is."""
    pieces: list[str] = []
    position = 0
    while position < len(text):
        character = text[position]
        end = position + 1
        if text.startswith("--", position):
            end = _after(text, "\n", position)
            character = " "
        elif character in "'\"":
            end = _after(text, character, position + 1)
            character = text[position:end]
        elif character.isspace():
            character = " "
        if character != " " or (pieces and pieces[-1] != " "):
            pieces.append(character)
        position = end
    return "".join(pieces).strip()


def _after(text: str, mark: str, start: int) -> int:
    found = text.find(mark, start)
    return len(text) if found < 0 else found + len(mark)


def objects(connection: apsw.Connection) -> tuple[Object, ...]:
    """Return every row of the opened file's sqlite_schema except where its pages lie, ordered by type and name."""
    rows = connection.execute("SELECT type, name, tbl_name, coalesce(sql, '') FROM sqlite_schema ORDER BY type, name")
    return tuple((str(kind), str(name), str(table), str(sql)) for kind, name, table, sql in rows)


@cache
def expected_objects() -> tuple[Object, ...]:
    """Return what `objects` gives for a file that this program and this SQLite just made."""
    connection = apsw.Connection(":memory:")
    try:
        connection.execute(schema_text())
        return objects(connection)
    finally:
        connection.close()


def fingerprint(connection: apsw.Connection) -> str:
    """Return the BLAKE3 (hex) of the opened file's schema; equal schemas on one SQLite version give equal values."""
    return _digest(objects(connection))


def expected_fingerprint() -> str:
    """Return the fingerprint of a file that this program just made."""
    return _digest(expected_objects())


def _digest(rows: tuple[Object, ...]) -> str:
    return blake3(prefixed(*(part.encode("utf-8", "surrogatepass") for row in rows for part in row))).hexdigest()


def differences(connection: apsw.Connection) -> list[str]:
    """Name what was added to, taken out of or changed in the opened file's schema; empty when it is ours."""
    found = {(kind, name): (table, sql) for kind, name, table, sql in objects(connection)}
    wanted = {(kind, name): (table, sql) for kind, name, table, sql in expected_objects()}
    lines = [f"{kind} {name} is missing" for kind, name in wanted if (kind, name) not in found]
    lines += [f"{kind} {name} is not ours" for kind, name in found if (kind, name) not in wanted]
    lines += [f"{key[0]} {key[1]} was changed" for key in wanted if key in found and found[key] != wanted[key]]
    return lines
