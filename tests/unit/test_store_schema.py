"""The text of the schema, its fingerprint, and the loader of named queries."""

from __future__ import annotations

from importlib.resources.abc import Traversable
from pathlib import Path

import apsw
import msgspec
import pytest

from dee_appliance.errors import HostError
from dee_appliance.store import queries as queries_module
from dee_appliance.store import schema
from dee_appliance.store.queries import load_queries, parse_queries


def memory(text: str) -> apsw.Connection:
    connection = apsw.Connection(":memory:")
    connection.execute(text)
    return connection


def test_the_folder_of_the_sql_files_is_found() -> None:
    assert schema.sql_root().joinpath("schema.sql").is_file()
    assert schema.sql_root().joinpath("queries").is_dir()


def test_a_missing_schema_ends_the_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schema, "files", lambda _package: tmp_path)
    monkeypatch.setattr(schema, "__file__", str(tmp_path / "a" / "b" / "schema.py"))
    with pytest.raises(HostError, match="installation is incomplete"):
        schema.sql_root()


def test_comments_and_white_space_do_not_reach_the_file() -> None:
    text = "-- about -- it\nCREATE TABLE t (\n  a TEXT, -- 'quoted'\n  b TEXT CHECK (b != '--  no comment')\n) STRICT; -- end"
    assert schema.without_comments(text) == "CREATE TABLE t ( a TEXT, b TEXT CHECK (b != '--  no comment') ) STRICT;"


def test_no_comment_is_stored_with_a_definition() -> None:
    assert all("--" not in sql and "\n" not in sql for _, _, _, sql in schema.expected_objects())


def test_a_reworded_comment_leaves_the_fingerprint_as_it_is() -> None:
    text = schema.sql_root().joinpath("schema.sql").read_text(encoding="utf-8")
    reworded = schema.without_comments(text.replace("-- ", "-- in other words: "))
    assert schema.fingerprint(memory(reworded)) == schema.expected_fingerprint()


def test_every_object_of_the_schema_is_in_the_fingerprint() -> None:
    for kind, name, _, _ in schema.expected_objects():
        if name.startswith("sqlite_"):
            continue
        connection = memory(schema.schema_text())
        connection.execute(f"DROP {kind} {name}")
        assert schema.fingerprint(connection) != schema.expected_fingerprint(), name


def test_differences_are_named() -> None:
    connection = memory(schema.schema_text())
    assert schema.differences(connection) == []
    connection.execute("DROP INDEX run_by_id; CREATE TABLE x (a); ALTER TABLE hold ADD COLUMN b TEXT")
    assert schema.differences(connection) == [
        "index run_by_id is missing",
        "table x is not ours",
        "table hold was changed",
    ]


class Two(msgspec.Struct, frozen=True, kw_only=True):
    select_one: str
    append_two: str


GOOD = """-- What this file is about.

-- name: select_one
-- The first.
SELECT 1; -- why

-- name: append_two
-- The second.
-- A longer reason.
INSERT INTO audit
VALUES (?, ?, ?);
"""


@pytest.fixture
def sql_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    def root() -> Traversable:
        return tmp_path

    monkeypatch.setattr(queries_module, "sql_root", root)
    queries_module.read_queries.cache_clear()
    (tmp_path / "queries").mkdir()
    return tmp_path / "queries"


def test_queries_fill_the_fields_of_a_struct(sql_folder: Path) -> None:
    (sql_folder / "noun.sql").write_text(GOOD)
    loaded = load_queries(Two, "noun")
    assert loaded.append_two == "INSERT INTO audit\nVALUES (?, ?, ?)"
    assert loaded.select_one.startswith("SELECT 1")


def test_a_query_knows_its_purpose() -> None:
    assert [query.purpose for query in parse_queries("noun", GOOD)] == ["The first.", "The second."]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("-- name: append_two", "-- name: append_three"), "append_two is missing"),
        (("-- name: select_one", "-- name: select_one\n-- P.\nSELECT 2;\n-- name: select_one"), "there twice"),
        (("append_two", "write_two"), "not a query name"),
        (("append_two", "append"), "not a query name"),
        (("append_two", "append_two and more"), "not a query name"),
        (("append_two", "APPEND_TWO"), "not a query name"),
        (("-- The first.\n", ""), "no line of purpose"),
        (("SELECT 1; -- why\n", ""), "select_one is empty"),
        (("-- What this file is about.", "SELECT 3;"), "SQL above"),
        (("INSERT", "-- name: insert_more\n-- P.\nINSERT"), "is empty"),
        (("\nINSERT", "\nSELECT 1;\n-- name: insert_more\n-- P.\nINSERT"), "insert_more is not used"),
    ],
)
def test_a_file_that_does_not_match_its_struct_is_fatal(
    sql_folder: Path, change: tuple[str, str], message: str
) -> None:
    (sql_folder / "noun.sql").write_text(GOOD.replace(*change, 1))
    with pytest.raises(HostError, match=message):
        load_queries(Two, "noun")


@pytest.mark.usefixtures("sql_folder")
def test_a_missing_file_of_queries_is_fatal() -> None:
    with pytest.raises(HostError, match="the file is missing"):
        load_queries(Two, "nothing")
