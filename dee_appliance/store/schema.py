"""The schema of the one file: where its text is found, and how a file is compared with it.

`sql/schema.sql` is the only definition of the tables. A file is compared with the same text executed in memory by the same
SQLite, because SQLite itself decides how it stores a definition; nothing here repeats one. Comments and white space are taken
out before the text is executed: SQLite would keep them in the file, and a reworded comment would make older files look altered.

`sql/schema.sql` is format 1 and stays as it is. Every later format is one step from the one before: a file of STEPS, which adds
tables, indexes and triggers and changes nothing that is there. A new file is made by schema.sql and all steps, an older one is
moved on by the steps that it lacks: so both have the same tables.

Rules a change must keep: the statements of a landed format never change; a new table is a new step.
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

FIRST_FORMAT = 1
STEPS: list[str] = []
"""Files below sql/migrations/, in their order: the first makes format 2 of format 1. Only ever append."""

BEFORE_FORMAT_1 = frozenset({"51a7da4a68009e03ff62f04248e460b7b47a4a2b348bf8f68073fe271cbd7761"})
"""Fingerprints of files that call themselves format 1, of the time before that was fixed. They are told apart and refused."""

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


def newest_format() -> int:
    """Return the newest file format (`PRAGMA user_version`) that this program reads, and the one of the files it makes."""
    return FIRST_FORMAT + len(STEPS)


@cache
def _statements(*place: str) -> str:
    return without_comments(sql_root().joinpath(*place).read_text(encoding="utf-8"))


def step_text(file_format: int) -> str:
    """Return the statements that make a file of this format of one of the format before, its number included."""
    step = _statements("migrations", STEPS[file_format - FIRST_FORMAT - 1])
    return f"{step} PRAGMA user_version = {file_format};"


def schema_text(file_format: int | None = None) -> str:
    """Return the statements, without comments, that make a file of a format (None: the newest)."""
    last = newest_format() if file_format is None else file_format
    steps = (step_text(one) for one in range(FIRST_FORMAT + 1, last + 1))
    return " ".join((_statements("schema.sql"), *steps))


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


def expected_objects(file_format: int | None = None) -> tuple[Object, ...]:
    """Return what `objects` gives for a file of a format (None: the newest) that this program and this SQLite just made."""
    return _objects_made_by(schema_text(file_format))


@cache
def _objects_made_by(text: str) -> tuple[Object, ...]:
    connection = apsw.Connection(":memory:")
    try:
        connection.execute(text)
        return objects(connection)
    finally:
        connection.close()


def fingerprint(connection: apsw.Connection) -> str:
    """Return the BLAKE3 (hex) of the opened file's schema; equal schemas on one SQLite version give equal values."""
    return _digest(objects(connection))


def expected_fingerprint(file_format: int | None = None) -> str:
    """Return the fingerprint of a file of a format (None: the newest) that this program just made."""
    return _digest(expected_objects(file_format))


def format_of(connection: apsw.Connection) -> int:
    """Return the format of an opened file. The header of the file may be older: the newest page can lie in the WAL."""
    return int(str(connection.execute("PRAGMA user_version").fetchall()[0][0]))


def _digest(rows: tuple[Object, ...]) -> str:
    return blake3(prefixed(*(part.encode("utf-8", "surrogatepass") for row in rows for part in row))).hexdigest()


def differences(connection: apsw.Connection) -> list[str]:
    """Name what was added to, taken out of or changed in the opened file's schema; empty when it is that of its format.

    Of a newer format only what it has in common with the newest known one: a step adds, and takes nothing out.
    """
    file_format = format_of(connection)
    newer = file_format > newest_format()
    wanted_objects = expected_objects(None if newer else max(file_format, FIRST_FORMAT))
    found = {(kind, name): (table, sql) for kind, name, table, sql in objects(connection)}
    wanted = {(kind, name): (table, sql) for kind, name, table, sql in wanted_objects}
    lines = [f"{kind} {name} is missing" for kind, name in wanted if (kind, name) not in found]
    lines += [f"{kind} {name} is not ours" for kind, name in found if (kind, name) not in wanted and not newer]
    lines += [f"{key[0]} {key[1]} was changed" for key in wanted if key in found and found[key] != wanted[key]]
    return lines
