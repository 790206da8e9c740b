"""Every table and every named query, held to the rules that make the file safe and replay exact.

A query whose rows can come in two orders is a replay that can diverge, so each SELECT is taken apart: either it gives at most one
row, or its ORDER BY, with what its WHERE pins down, fixes one row of every table it reads.
"""

from __future__ import annotations

import re
from functools import cache

import apsw
import pytest
from apsw.ext import query_info

from dee_appliance.store import schema
from dee_appliance.store.database import open_scratch
from dee_appliance.store.queries import Query, parse_queries, read_queries
from dee_appliance.store.schema import APPEND_ONLY

BANNED = re.compile(
    r"random|current_|\bnow\b|group_concat|string_agg|\bas real\b|\bpragma\b|\breplace\b|\bavg\b|total\(|\battach\b|\browid\b",
    re.IGNORECASE,
)
BY_VERB = {
    "select": frozenset[str](),
    "append": frozenset({"SQLITE_INSERT"}),
    "insert": frozenset({"SQLITE_INSERT", "SQLITE_UPDATE"}),
    "update": frozenset({"SQLITE_UPDATE"}),
    "delete": frozenset({"SQLITE_DELETE"}),
}
WRITES = {"SQLITE_INSERT", "SQLITE_UPDATE", "SQLITE_DELETE"}
AGGREGATE = re.compile(r"(count|min|max|sum|coalesce|ifnull)\(", re.IGNORECASE)


def all_queries() -> list[Query]:
    folder = schema.sql_root().joinpath("queries")
    nouns = sorted(entry.name.removesuffix(".sql") for entry in folder.iterdir() if entry.name.endswith(".sql"))
    return [query for noun in nouns for query in read_queries(noun)]


def ids(query: Query) -> str:
    return query.name


@cache
def memory() -> apsw.Connection:
    connection = apsw.Connection(":memory:")
    connection.execute(schema.schema_text())
    return connection


@cache
def tables() -> tuple[str, ...]:
    rows = memory().execute(
        "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name"
    )
    return tuple(name for (name,) in rows)


@cache
def unique_keys(table: str) -> tuple[frozenset[str], ...]:
    """The primary key of a table and its other unique keys."""
    columns = memory().execute(f"SELECT name FROM pragma_table_info('{table}') WHERE pk > 0").fetchall()
    keys = [frozenset(str(name) for (name,) in columns)]
    indexes = (
        memory().execute(f"SELECT name FROM pragma_index_list('{table}') WHERE \"unique\" AND NOT partial").fetchall()
    )
    for (index,) in indexes:
        keys.append(
            frozenset(str(name) for (name,) in memory().execute(f"SELECT name FROM pragma_index_info('{index}')"))
        )
    return tuple(key for key in keys if key)


@cache
def columns_of(table: str) -> frozenset[str]:
    return frozenset(name for (name,) in memory().execute(f"SELECT name FROM pragma_table_info('{table}')"))


# -- taking a SELECT apart ---------------------------------------------------------------------------------------------


def flat(sql: str) -> str:
    """The query on one line, with everything inside parentheses taken out: only its own clauses are left."""
    text = re.sub(r"'[^']*'", "'…'", " ".join(sql.split()))
    while (shorter := re.sub(r"\([^()]*\)", "⟨⟩", text)) != text:
        text = shorter
    return text


def clause(text: str, name: str) -> str:
    """One clause of a flat query, empty when it has none."""
    found = re.search(rf"\b{name}\b(.*?)(?=\b(?:FROM|WHERE|GROUP BY|HAVING|ORDER BY|LIMIT)\b|$)", text, re.IGNORECASE)
    return found[1].strip() if found else ""


def sources(text: str) -> dict[str, str]:
    """Alias → table of a flat query."""
    found = re.findall(
        r"(?:^|,|\bJOIN\b)\s*(\w+)(?:\s+(?:AS\s+)?(?!ON\b|JOIN\b|LEFT\b|INNER\b|CROSS\b|USING\b)(\w+))?",
        clause(text, "FROM"),
        re.IGNORECASE,
    )
    return {alias or table: table for table, alias in found}


def qualified(name: str, aliases: dict[str, str]) -> str:
    """alias.column of a name in a query, or the name itself when it is no column."""
    name = name.strip()
    if "." in name:
        return name
    owners = [alias for alias, table in aliases.items() if name in columns_of(table)]
    return f"{owners[0]}.{name}" if len(owners) == 1 else name


def pinned(text: str, aliases: dict[str, str]) -> tuple[set[str], list[tuple[str, str]]]:
    """Columns that WHERE sets equal to a value, and pairs of columns that WHERE or ON sets equal."""
    joined = re.findall(r"\bON\b(.*?)(?=\b(?:LEFT|INNER|CROSS)?\s*JOIN\b|$)", clause(text, "FROM"), re.IGNORECASE)
    values: set[str] = set()
    pairs: list[tuple[str, str]] = []
    for condition in [clause(text, "WHERE"), *joined]:
        if re.search(r"\bOR\b", condition, re.IGNORECASE):
            continue
        for term in re.split(r"\bAND\b", condition, flags=re.IGNORECASE):
            match = re.fullmatch(r"\s*([\w.]+)\s*=\s*(\?\d*|:\w+|'…'|\d+|[\w.]+)\s*", term)
            if match is None:
                continue
            left, right = qualified(match[1], aliases), qualified(match[2], aliases)
            if re.fullmatch(r"[a-z_]\w*\.\w+", right):
                pairs.append((left, right))
            else:
                values.add(left)
    return values, pairs


def fixes_every_row(fixed: set[str], pairs: list[tuple[str, str]], aliases: dict[str, str]) -> bool:
    """Whether these columns determine one row of every table: by its unique keys, and through joined columns."""
    while True:
        before = len(fixed)
        for alias, table in aliases.items():
            if any({f"{alias}.{column}" for column in key} <= fixed for key in unique_keys(table)):
                fixed |= {f"{alias}.{column}" for column in columns_of(table)}
        for left, right in pairs:
            if left in fixed or right in fixed:
                fixed |= {left, right}
        if len(fixed) == before:
            break
    return all({f"{alias}.{column}" for column in columns_of(table)} <= fixed for alias, table in aliases.items())


def fault_of_order(sql: str) -> str | None:
    """Why the rows of a SELECT could come in two orders, or None."""
    text = flat(sql)
    if not re.match(r"SELECT\b", text):
        return "does not begin with SELECT"
    if re.search(r"\b(UNION|INTERSECT|EXCEPT)\b", text):
        return "is compound: write EXISTS, or two queries"
    aliases = sources(text)
    if not clause(text, "FROM"):
        return None
    if unknown := [table for table in aliases.values() if table not in tables()]:
        return f"reads {unknown[0]}, which is no table"
    chosen = [part.strip() for part in clause(text, "SELECT").split(",")]
    order = [
        re.sub(r"\s+(ASC|DESC)$", "", part.strip()) for part in clause(text, "ORDER BY").split(",") if part.strip()
    ]
    grouped = [part.strip() for part in clause(text, "GROUP BY").split(",") if part.strip()]
    if grouped or chosen[0].startswith("DISTINCT "):
        rows = grouped or [chosen[0].removeprefix("DISTINCT "), *chosen[1:]]
        return None if set(rows) <= set(order) else "does not order by all that makes its rows different"
    if not order and all(AGGREGATE.match(part.replace("⟨", "(")) for part in chosen):
        return None
    values, pairs = pinned(text, aliases)
    fixed = values | {qualified(name, aliases) for name in order}
    return None if fixes_every_row(fixed, pairs, aliases) else "can give several rows in more than one order"


# -- the queries -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("query", all_queries(), ids=ids)
def test_a_query_does_what_its_verb_says_and_nothing_else(query: Query) -> None:
    verb = query.name.split("_")[0]
    done: set[tuple[str, str]] = set()

    def watch(action: int, first: str | None, _second: str | None, _database: str | None, source: str | None) -> int:
        name = str(apsw.mapping_authorizer_function[action])
        if name in WRITES and source is None:
            done.add((name, str(first)))
        return apsw.SQLITE_OK

    connection = apsw.Connection(":memory:")
    connection.execute(schema.schema_text())
    connection.authorizer = watch
    info = query_info(connection, query.sql)
    assert info.is_readonly == (verb == "select")
    assert {action for action, _ in done} <= BY_VERB[verb]
    assert bool(done) == (verb != "select")
    for _, table in done:
        assert (table in APPEND_ONLY) == (verb == "append"), table


@pytest.mark.parametrize("query", all_queries(), ids=ids)
def test_a_query_is_one_statement_that_our_connection_may_prepare(query: Query) -> None:
    with open_scratch() as database:
        info = query_info(database._connection, query.sql)
    assert info.query_remaining is None
    assert not info.is_explain


@pytest.mark.parametrize("query", all_queries(), ids=ids)
def test_a_query_uses_nothing_that_varies(query: Query) -> None:
    assert BANNED.findall(query.sql) == []


@pytest.mark.parametrize("query", [query for query in all_queries() if query.name.startswith("select")], ids=ids)
def test_a_select_gives_its_rows_in_one_order(query: Query) -> None:
    assert fault_of_order(query.sql) is None


# -- the rule bites ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT body FROM audit",
        "SELECT body FROM audit ORDER BY body",
        "SELECT body FROM run WHERE contact = ?",
        "SELECT body FROM run WHERE contact = ? ORDER BY tick",
        "SELECT body FROM run WHERE run_no = ? OR run_no = 1",
        "SELECT value FROM vault WHERE contact = ? ORDER BY field",
        "SELECT DISTINCT plan, status FROM run ORDER BY plan",
        "SELECT plan, count(*) FROM run GROUP BY plan",
        "SELECT due FROM timer ORDER BY due LIMIT 1",
        "SELECT i.tick FROM vault AS v JOIN input AS i ON i.seq = v.seq ORDER BY v.contact",
        "SELECT i.tick FROM vault AS v, input AS i WHERE v.contact = ? ORDER BY v.field, v.seq",
        "SELECT 1 FROM run WHERE run_no = ? UNION SELECT 2 FROM timer",
        "SELECT x FROM json_each(?)",
        "VALUES (1), (2)",
    ],
)
def test_a_query_with_two_possible_orders_is_found(sql: str) -> None:
    assert fault_of_order(sql) is not None


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT 1",
        "SELECT body FROM audit ORDER BY seq DESC LIMIT 5",
        "SELECT body FROM run WHERE run = 'x'",
        "SELECT value FROM vault WHERE contact = ? AND field = ? ORDER BY seq",
        "SELECT count(*), max(seq) FROM audit",
        "SELECT DISTINCT plan, status FROM run ORDER BY status, plan",
        "SELECT plan, count(*) FROM run WHERE live = 1 GROUP BY plan ORDER BY plan",
        "SELECT due FROM timer ORDER BY due, run_no LIMIT 1",
        "SELECT i.tick FROM vault AS v JOIN input AS i ON i.seq = v.seq WHERE contact = ? AND field = ? ORDER BY v.seq",
        "SELECT i.tick FROM vault v JOIN input i ON i.seq = v.seq WHERE v.contact = ? ORDER BY v.field, i.seq",
        "SELECT EXISTS (SELECT 1 FROM vault)",
    ],
)
def test_a_query_with_one_order_is_not_blamed(sql: str) -> None:
    assert fault_of_order(sql) is None
    assert parse_queries("test", f"-- name: select_x\n-- Purpose.\n{sql};\n")[0].sql == sql


# -- the schema --------------------------------------------------------------------------------------------------------


def test_the_schema_carries_the_marks_of_our_files() -> None:
    assert memory().execute("PRAGMA application_id").fetchall() == [(schema.APPLICATION_ID,)]
    assert memory().execute("PRAGMA user_version").fetchall() == [(schema.newest_format(),)]


@pytest.mark.parametrize("table", tables())
def test_a_table_is_strict_and_holds_no_floats(table: str) -> None:
    strict = memory().execute(f"SELECT strict FROM pragma_table_list('{table}')").fetchall()
    assert strict == [(1,)]
    kinds = {kind for (kind,) in memory().execute(f"SELECT type FROM pragma_table_info('{table}')")}
    assert kinds <= {"INTEGER", "TEXT", "BLOB"}


@pytest.mark.parametrize("table", tables())
def test_a_table_has_a_unique_key_to_order_by(table: str) -> None:
    assert unique_keys(table)


@pytest.mark.parametrize("table", sorted(APPEND_ONLY))
def test_an_append_only_table_has_a_trigger_against_update_and_one_against_delete(table: str) -> None:
    rows = memory().execute(
        "SELECT sql FROM sqlite_schema WHERE type = 'trigger' AND tbl_name = ? ORDER BY name", (table,)
    )
    texts = " ".join(" ".join(sql.split()) for (sql,) in rows)
    for verb in ("UPDATE", "DELETE"):
        assert f"BEFORE {verb} ON {table} BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END" in texts


def test_only_append_only_tables_have_triggers() -> None:
    rows = memory().execute("SELECT DISTINCT tbl_name FROM sqlite_schema WHERE type = 'trigger' ORDER BY tbl_name")
    assert {table for (table,) in rows} == APPEND_ONLY


def test_the_schema_uses_nothing_that_varies() -> None:
    assert re.findall(r"random|current_|\bnow\b|\bview\b|virtual", schema.schema_text(), re.IGNORECASE) == []
