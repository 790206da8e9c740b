"""Ways around append-only, tried one by one: our own connection stops them all, a foreign one shows what only verify can find."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import apsw
import pytest
from store_files import add_entries, bare_connection, new_file

from dee_appliance.errors import EvidenceError
from dee_appliance.store.database import Database, open_reader, open_writer
from dee_appliance.store.schema import APPEND_ONLY

KEYS = {
    "audit": "seq",
    "input": "seq",
    "seen": "source",
    "document": "digest",
    "given": "seq",
    "ledger": "send_key",
    "genesis": "one",
}
ATTACKS = {
    "update": "UPDATE audit SET body = 'x'",
    "update one": "UPDATE audit SET body = 'x' WHERE seq = 1",
    "delete": "DELETE FROM audit WHERE seq = 1",
    "delete all": "DELETE FROM audit",
    "upsert": "INSERT INTO audit VALUES (1, 'x', x'00') ON CONFLICT (seq) DO UPDATE SET body = 'x'",
    "insert or replace": "INSERT OR REPLACE INTO audit VALUES (1, 'x', x'00')",
    "replace": "REPLACE INTO audit VALUES (1, 'x', x'00')",
    "update or replace": "UPDATE OR REPLACE audit SET seq = 2 WHERE seq = 1",
    "insert or replace, another table": "INSERT OR REPLACE INTO seen (source, token, seq) VALUES ('test', 'token', 9)",
    "drop table": "DROP TABLE audit",
    "drop trigger": "DROP TRIGGER audit_no_update",
    "rename": "ALTER TABLE audit RENAME TO old",
    "add column": "ALTER TABLE audit ADD COLUMN x TEXT",
    "new table": "CREATE TABLE extra (x INTEGER)",
    "new index": "CREATE INDEX extra ON audit (body)",
    "new trigger": "CREATE TRIGGER extra AFTER INSERT ON inbox BEGIN DELETE FROM audit; END",
    "temporary view": "CREATE TEMP VIEW audit AS SELECT 1 AS seq",
    "temporary table": "CREATE TEMP TABLE audit (seq INTEGER)",
    "virtual table": "CREATE VIRTUAL TABLE extra USING fts5(x)",
    "writable schema": "PRAGMA writable_schema = ON",
    "schema row": "UPDATE sqlite_schema SET sql = 'x' WHERE name = 'audit'",
    "sequence row": "DELETE FROM sqlite_sequence",
    "recursive triggers off": "PRAGMA recursive_triggers = OFF",
    "secure delete off": "PRAGMA secure_delete = OFF",
    "weaker sync": "PRAGMA synchronous = OFF",
    "other journal": "PRAGMA journal_mode = DELETE",
    "other version": "PRAGMA user_version = 9",
    "attach": "ATTACH ':memory:' AS other",
    "vacuum": "VACUUM",
    "vacuum into": "VACUUM INTO 'other.db'",
    "reindex": "REINDEX",
    "analyze": "ANALYZE",
    "extension": "SELECT load_extension('x')",
    "chance": "INSERT INTO setting VALUES ('x', random(), 0)",
    "clock": "INSERT INTO setting VALUES ('x', unixepoch(), 0)",
    "clock word": "INSERT INTO setting VALUES ('x', CURRENT_TIMESTAMP, 0)",
    "double quoted string": 'INSERT INTO setting VALUES ("x", "y", 0)',
}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return new_file(tmp_path / "own.db")


@pytest.fixture
def writer(path: Path) -> Iterator[Database]:
    with open_writer(path) as database:
        yield database


def contents(database: Database) -> list[list[tuple[object, ...]]]:
    queries = [f"SELECT * FROM {table} ORDER BY {key}" for table, key in sorted(KEYS.items())]
    return [database.execute(query) for query in [*queries, "SELECT type, name, sql FROM sqlite_schema ORDER BY name"]]


def test_every_append_only_table_is_attacked_here() -> None:
    assert KEYS.keys() == APPEND_ONLY


@pytest.mark.parametrize("attack", ATTACKS.values(), ids=ATTACKS.keys())
def test_an_attack_through_our_connection_is_refused_and_changes_nothing(writer: Database, attack: str) -> None:
    before = contents(writer)
    with pytest.raises((apsw.AuthError, apsw.ConstraintError, apsw.SQLError)):
        writer.execute(attack)
    assert contents(writer) == before
    assert writer.failure is None


@pytest.mark.parametrize("verb", ["UPDATE", "DELETE"])
@pytest.mark.parametrize("table", sorted(APPEND_ONLY))
def test_the_authorizer_refuses_even_when_the_triggers_are_gone(writer: Database, table: str, verb: str) -> None:
    connection = writer._connection
    authorizer, connection.authorizer = connection.authorizer, None
    connection.execute(f"DROP TRIGGER {table}_no_{verb.lower()}")
    connection.authorizer = authorizer
    statement = f"DELETE FROM {table}" if verb == "DELETE" else f"UPDATE {table} SET {KEYS[table]} = {KEYS[table]}"
    with pytest.raises(apsw.AuthError):
        writer.execute(statement)


@pytest.mark.parametrize("table", sorted(APPEND_ONLY))
def test_the_triggers_refuse_a_connection_without_any_of_our_settings(path: Path, table: str) -> None:
    with bare_connection(path) as connection:
        for statement in (f"DELETE FROM {table}", f"UPDATE {table} SET {KEYS[table]} = {KEYS[table]}"):
            with pytest.raises(apsw.ConstraintError, match=f"{table} is append-only"):
                connection.execute(statement)


@pytest.mark.parametrize(
    "change",
    [
        "DROP TRIGGER audit_no_update",
        "CREATE TABLE extra (x INTEGER)",
        "CREATE INDEX extra ON audit (body)",
        "CREATE VIEW extra AS SELECT * FROM vault",
        "CREATE TRIGGER extra AFTER INSERT ON inbox BEGIN DELETE FROM hold; END",
        "ALTER TABLE audit ADD COLUMN extra TEXT",
        "ALTER TABLE setting RENAME TO settings",
        "DROP INDEX run_by_contact",
    ],
)
def test_a_schema_changed_by_somebody_else_is_noticed_at_the_next_opening(path: Path, change: str) -> None:
    with bare_connection(path) as connection:
        connection.execute(change)
    before = path.read_bytes()
    for opening in (open_writer, open_reader):
        with pytest.raises(EvidenceError, match="tables of the file were altered"):
            opening(path)
    assert path.read_bytes() == before


def test_the_message_names_what_was_altered(path: Path) -> None:
    with bare_connection(path) as connection:
        connection.execute("DROP TRIGGER audit_no_update")
        connection.execute("CREATE TABLE extra (x INTEGER)")
    with pytest.raises(EvidenceError, match="trigger audit_no_update is missing and 1 more"):
        open_writer(path)


def test_the_authorizer_is_not_asked_again_for_a_statement_in_use(writer: Database) -> None:
    connection = writer._connection
    authorizer = connection.authorizer
    assert authorizer is not None
    asked = 0

    def count(*args: object) -> int:
        nonlocal asked
        asked += 1
        return int(authorizer(*args))  # type: ignore[arg-type]

    connection.authorizer = count
    with writer.transaction():
        add_entries(writer, 1)
        first = asked
        add_entries(writer, 500)
    assert asked - first < 5
