"""verify --state: the tables of state are what the inputs make of them, and the sums come out even."""

from __future__ import annotations

from pathlib import Path

import apsw
import pytest
from recorded_files import attacker, rich_file

from dee_appliance.replay.compare_state import TABLES, verify_state
from dee_appliance.store import schema
from dee_appliance.store.schema import APPEND_ONLY

NOT_STATE = {*APPEND_ONLY, "inbox", "reply", "vault"}


def memory() -> apsw.Connection:
    connection = apsw.Connection(":memory:")
    connection.execute(schema.schema_text())
    return connection


def test_every_table_of_state_is_compared() -> None:
    rows = memory().execute(
        "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name"
    )
    assert {name for (name,) in rows} - NOT_STATE | {"ledger"} == {table.name for table in TABLES}


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_every_column_is_compared_and_the_key_comes_first(table: object) -> None:
    assert table in TABLES
    for one in TABLES:
        columns = list(memory().execute(f"SELECT name, pk FROM pragma_table_info('{one.name}') ORDER BY cid"))
        assert set(one.columns) == {name for name, _ in columns}
        keys = sorted((pk, name) for name, pk in columns if pk)
        assert [name for _, name in keys] == list(one.columns[: one.keys])


def test_the_state_of_an_untouched_file_is_right(tmp_path: Path) -> None:
    report = verify_state(rich_file(tmp_path))
    assert report.ok
    assert report.error() is None
    found = report.conservation
    assert found is not None
    assert found.enrolled == found.live + found.completed + found.failed + found.cancelled
    assert found.accepted <= found.dispatched
    assert found.enrolled > 20


CHANGES = {
    "contact": ("UPDATE contact SET erased = 1 WHERE contact = (SELECT min(contact) FROM contact)", "erased"),
    "address": ("UPDATE address SET contact = 'c_other' WHERE token = (SELECT min(token) FROM address)", "contact"),
    "consent": ("UPDATE consent SET granted = 1 - granted WHERE rowid IS NULL OR channel = 'sms'", "granted"),
    "suppression": ("DELETE FROM suppression WHERE scope LIKE 'channel:%'", ""),
    "plan": ("UPDATE plan SET digest = 'b3:00' WHERE plan = 'notice'", "digest"),
    "enrolment": ("UPDATE enrolment SET ordinal = ordinal + 1 WHERE plan = 'notice'", "ordinal"),
    "run": ("UPDATE run SET status = 'COMPLETED' WHERE status = 'FAILED'", "status"),
    "timer": ("INSERT INTO timer (run_no, due) VALUES (1, 5)", ""),
    "attempt": ("UPDATE attempt SET state = 'REJECTED' WHERE state = 'ACCEPTED'", "state"),
    "counter": ("UPDATE counter SET settled = settled - 1", "settled"),
    "hold": ("INSERT INTO hold (scope, reason, until, entry) VALUES ('*', 'halt', NULL, 1)", ""),
    "setting": ("UPDATE setting SET value = '9' WHERE key = 'incarnation'", "value"),
    "breaker": ("UPDATE breaker SET failures = 99", "failures"),
    "run_trail": ("DELETE FROM run_trail WHERE run_no = 2", ""),
    "contact_trail": ("INSERT INTO contact_trail (contact, seq) VALUES ('c_x', 3)", ""),
    "ledger": ("UPDATE ledger SET seq = seq + 1 WHERE mark = 'ACCEPTED'", "seq"),
}


@pytest.mark.parametrize("table", CHANGES)
def test_a_changed_row_of_state_is_named_with_table_key_and_column(table: str, tmp_path: Path) -> None:
    statement, column = CHANGES[table]
    path = rich_file(tmp_path)
    with attacker(path) as connection:
        connection.execute(statement.replace("rowid IS NULL OR ", ""))
        assert connection.changes()
    report = verify_state(path)
    assert not report.ok
    assert report.replay.same
    assert [(one.table, one.column) for one in report.differences] == [(table, column)], report.differences
    error = report.error()
    assert error is not None
    assert error.exit_code == 4
    assert str(error.what).startswith(f"{table}(")


def test_the_first_row_that_differs_is_the_one_that_is_named(tmp_path: Path) -> None:
    path = rich_file(tmp_path)
    with attacker(path) as connection:
        connection.execute("UPDATE run SET tick = tick + 1 WHERE run_no IN (3, 4, 9)")
        wanted = next(connection.execute("SELECT tick FROM run WHERE run_no = 3"))[0]
    found = verify_state(path).differences[0]
    assert (found.table, found.key, found.column, found.rows) == ("run", (3,), "tick", 3)
    assert (found.expected, found.actual) == (int(str(wanted)) - 1, wanted)


@pytest.mark.parametrize(
    ("statement", "number"),
    [
        ("UPDATE run SET status = 'HELD' WHERE run_no = 5", 5),
        ("DELETE FROM run_trail WHERE run_no = 2", 2),
        ("UPDATE attempt SET state = 'NOT_SENT' WHERE attempt_no = 7", None),
        ("DELETE FROM touch WHERE attempt_no = 7", None),
    ],
)
def test_a_row_is_named_with_its_run(statement: str, number: int | None, tmp_path: Path) -> None:
    path = rich_file(tmp_path)
    with attacker(path) as connection:
        if number is None:
            ((number,),) = connection.execute("SELECT run_no FROM attempt WHERE attempt_no = 7")
        ((run,),) = connection.execute("SELECT run FROM run WHERE run_no = ?", (number,))
        connection.execute(statement)
        assert connection.changes()
    found = verify_state(path).differences[0]
    assert found.run == run
    assert f" of {run}: the inputs give " in str(found)


def test_a_row_that_is_gone_and_a_row_too_many_are_told_apart(tmp_path: Path) -> None:
    path = rich_file(tmp_path)
    with attacker(path) as connection:
        connection.execute("DELETE FROM run WHERE run_no = 5")
        connection.execute("INSERT INTO breaker (channel, failures) VALUES ('fax', 1)")
    gone, added = verify_state(path).differences
    assert (gone.table, gone.key, gone.actual) == ("run", (5,), "(absent)")
    assert (added.table, added.key, added.expected) == ("breaker", ("fax",), "(absent)")


def test_state_that_is_not_text_is_named(tmp_path: Path) -> None:
    path = rich_file(tmp_path)
    with attacker(path) as connection:
        connection.execute("UPDATE contact SET facts = CAST(x'ff' AS TEXT)")
    with pytest.raises(Exception, match="codec") as caught:
        verify_state(path)
    assert getattr(caught.value, "exit_code", None) == 4


def test_runs_and_sends_must_add_up(tmp_path: Path) -> None:
    path = rich_file(tmp_path)
    with attacker(path) as connection:
        connection.execute("DELETE FROM run WHERE run_no = 5")
        connection.execute("DELETE FROM ledger WHERE mark = 'DISPATCHING'")
    found = verify_state(path).conservation
    assert found is not None
    text = "\n".join(found.faults)
    assert "enrolments in the log" in text
    assert "attempts are marked as dispatched" in text
    assert "never marked as dispatched" in text


def test_nothing_is_compared_when_the_replay_itself_differs(tmp_path: Path) -> None:
    path = rich_file(tmp_path)
    with attacker(path) as connection:
        connection.execute("UPDATE input SET received = 1 WHERE seq = 7")
    report = verify_state(path)
    assert not report.ok
    assert report.conservation is None
    error = report.error()
    assert error is not None
    assert error.exit_code == 3
