"""One changed byte, row, plan, event, document or rendering: verify and replay must name it, its place and its kind.

Each edit is made by somebody who may write the file and goes around the triggers. `Told` is the whole answer: no finding more and
none less, so one fault never drowns in others that follow from it.
"""

from __future__ import annotations

from pathlib import Path

import apsw
import pytest
from file_edits import (
    Edit,
    Json,
    Told,
    cause_of,
    entry_of_input,
    find_entry,
    find_input,
    last_seq,
    part,
    rechain,
    replaced,
    rows,
    swap_document,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from log_edits import LOG_EDITS, RUN_ENTRY
from recorded_files import attacker, rich_file
from row_edits import ROW_EDITS

from dee_appliance.replay.replay import Options, replay
from dee_appliance.replay.verify import verify
from dee_appliance.store.database import open_reader
from dee_appliance.store.tip import Tip


@pytest.mark.parametrize("edit", [*LOG_EDITS, *ROW_EDITS], ids=lambda edit: edit.__name__)
def test_an_edit_is_named_with_its_place(edit: Edit, tmp_path: Path) -> None:
    path = rich_file(tmp_path)
    with attacker(path) as connection:
        told = edit(connection)
    before = path.read_bytes()
    report = verify(path)
    assert not report.ok
    assert report.counts == told.kinds, report.findings
    first = next(one for one in report.findings if one.kind == next(iter(told.kinds)))
    assert {field: getattr(first, field) for field in told.place} == told.place
    replayed = replay(path)
    assert replayed.same == (told.entry is None), replayed.divergence
    if replayed.divergence is not None:
        found = replayed.divergence
        assert (found.seq, found.field, found.cause) == (told.entry, told.field, told.cause), str(found)
        assert found.evidence
        assert found.evidence[0].kind in told.kinds
    assert path.read_bytes() == before


# -- a whole record that another engine or another document wrote --------------------------------------------------------
# Everything is hashed anew, so verify has nothing to say; what differs is what the entries mean.


def another_plan(connection: apsw.Connection) -> Told:
    digest, named = swap_document(connection, "plan", '"for_s":259200', '"for_s":259260')
    assert digest != named
    rechain(connection)
    return Told({}, {}, find_entry(connection, '"action":"publish"', digest), "core.detail.digest", "plan")


def another_plan_that_was_named_in_the_log(connection: apsw.Connection) -> Told:
    digest, named = swap_document(connection, "plan", '"for_s":259200', '"for_s":259260')

    def change(value: Json) -> None:
        if part(value, "core")["action"] == "publish":
            detail = part(part(value, "core"), "detail")
            value["core"] = {
                **part(value, "core"),
                "detail": {**detail, "digest": str(detail["digest"]).replace(digest, named)},
            }

    rechain(connection, change)
    return Told({}, {}, find_entry(connection, '"action":"enroll"', digest), "core.detail.digest", "plan")


def another_policy(connection: apsw.Connection) -> Told:
    digest, named = swap_document(connection, "policy", '"limit":16', '"limit":17')
    assert digest != named
    rechain(connection)
    return Told({}, {}, find_entry(connection, '"action":"policy"', digest), "core.detail.digest", "policy")


def other_zones(connection: apsw.Connection) -> Told:
    digest, named = swap_document(connection, "zones", '"version":"', '"version":"1')
    assert digest != named
    rechain(connection)
    return Told({}, {}, find_entry(connection, '"action":"zones"', digest), "core.detail.digest", "zones")


def another_order_of_events(connection: apsw.Connection) -> Told:
    first, second = find_input(connection, "consent.set"), find_input(connection, "consent.set", skip=1)
    payloads = [rows(connection, "SELECT payload FROM input WHERE seq = ?", (seq,))[0][0] for seq in (first, second)]
    for seq, payload in zip((second, first), payloads, strict=True):
        connection.execute("UPDATE input SET payload = ? WHERE seq = ?", (payload, seq))
    rechain(connection)
    return Told({}, {}, entry_of_input(connection, first), "core.detail.channel", "event_order")


def another_time_of_an_event(connection: apsw.Connection) -> Told:
    about = find_input(connection, "task.done")
    connection.execute("UPDATE input SET tick = tick + 1 WHERE seq = ?", (about,))
    rechain(connection)
    return Told({}, {}, entry_of_input(connection, about), "core.tick", "event_order")


def another_engine(connection: apsw.Connection) -> Told:
    seq = find_entry(connection, RUN_ENTRY)

    def change(value: Json) -> None:
        if value["seq"] == seq:
            value["core"] = {**part(value, "core"), "outcome": "otherwise"}

    rechain(connection, change)
    return Told({}, {}, seq, "core.outcome", "engine")


def an_engine_that_wrote_one_entry_more(connection: apsw.Connection) -> Told:
    seq = last_seq(connection)
    connection.execute("INSERT INTO audit SELECT ?, body, leaf FROM audit WHERE seq = ?", (seq + 1, seq))
    rechain(connection)
    return Told({}, {}, seq + 1, "(entry)", "engine")


OTHERS: list[Edit] = [
    another_plan, another_plan_that_was_named_in_the_log, another_policy, other_zones, another_order_of_events,
    another_time_of_an_event, another_engine, an_engine_that_wrote_one_entry_more,
]  # fmt: skip


@pytest.mark.parametrize("edit", OTHERS, ids=lambda edit: edit.__name__)
def test_a_record_that_is_whole_is_told_apart_by_its_cause(edit: Edit, tmp_path: Path) -> None:
    path = rich_file(tmp_path)
    with attacker(path) as connection:
        told = edit(connection)
    assert verify(path).counts == told.kinds
    found = replay(path).divergence
    assert found is not None
    assert (found.seq, found.field, found.cause) == (told.entry, told.field, told.cause), str(found)
    assert found.evidence == ()


# -- the tip -----------------------------------------------------------------------------------------------------------


def tip_of(path: Path) -> Tip:
    with open_reader(path) as database:
        seq, leaf = database.execute("SELECT seq, leaf FROM audit ORDER BY seq DESC LIMIT 1")[0]
    return Tip(size=seq + 1, head=leaf, incarnation=1)


def test_a_tip_vouches_for_the_whole_log(tmp_path: Path) -> None:
    path = rich_file(tmp_path)
    tip = tip_of(path)
    report = verify(path, tip=tip)
    assert report.ok
    assert (report.assurance, report.remembered, report.entries) == ("chain+tip", tip.size, tip.size)
    assert verify(path).assurance == "chain"
    assert len(verify(path).not_covered) == len(report.not_covered) + 1


def test_only_a_tip_shows_that_the_end_was_cut_off_cleanly(tmp_path: Path) -> None:
    path = rich_file(tmp_path)
    tip = tip_of(path)
    with attacker(path) as connection:
        seq = last_seq(connection)
        connection.execute("DELETE FROM input WHERE seq = ?", (cause_of(connection, seq),))
        connection.execute("DELETE FROM audit WHERE seq = ?", (seq,))
    assert verify(path).ok
    report = verify(path, tip=tip)
    assert report.counts == {"rolled-back": 1}
    assert (report.findings[0].seq, report.findings[0].last) == (seq, seq)
    assert replay(path).same


def test_only_a_tip_shows_that_the_last_entry_was_rewritten(tmp_path: Path) -> None:
    path = rich_file(tmp_path)
    tip = tip_of(path)
    with attacker(path) as connection:
        seq = last_seq(connection)
        replaced(connection, seq, '"core":{"action":"', '"core":{"action":"x', leaf=True)
    assert verify(path).ok
    report = verify(path, tip=tip)
    assert report.counts == {"forked": 1}
    assert report.findings[0].seq == seq


def test_a_tip_shows_that_everything_was_rewritten(tmp_path: Path) -> None:
    path = rich_file(tmp_path)
    tip = tip_of(path)
    with attacker(path) as connection:
        another_engine(connection)
    assert verify(path).ok
    assert verify(path, tip=tip).counts == {"forked": 1}


# -- the schema --------------------------------------------------------------------------------------------------------

SCHEMAS = {
    "a trigger is dropped": "DROP TRIGGER audit_no_update",
    "an index is dropped": "DROP INDEX run_by_contact",
    "a table is added": "CREATE TABLE notes (text TEXT)",
    "a view is added": "CREATE VIEW entries AS SELECT body FROM audit",
    "a trigger is added": "CREATE TRIGGER shadow AFTER INSERT ON input BEGIN SELECT 1; END",
    "a column is added": "ALTER TABLE contact ADD COLUMN note TEXT",
}


@pytest.mark.parametrize("statement", SCHEMAS.values(), ids=SCHEMAS)
def test_an_altered_schema_is_named_and_the_rest_is_checked_all_the_same(statement: str, tmp_path: Path) -> None:
    path = rich_file(tmp_path)
    with attacker(path) as connection:
        connection.execute(statement)
        seq = replaced(connection, find_entry(connection, RUN_ENTRY), '"outcome":"else"', '"outcome":"elsa"')
    report = verify(path)
    assert report.counts == {"schema-altered": 1, "content-changed": 1}, report.findings
    assert any(one.seq == seq for one in report.findings)


def test_a_table_that_is_not_ours_is_not_read(tmp_path: Path) -> None:
    path = rich_file(tmp_path)
    with attacker(path) as connection:
        connection.execute("ALTER TABLE audit RENAME TO log; CREATE VIEW audit AS SELECT * FROM log")
    report = verify(path)
    assert set(report.counts) == {"schema-altered"}
    assert report.entries == 0
    assert any("table audit" in line for line in report.not_covered)


# -- at random ---------------------------------------------------------------------------------------------------------

COVERED = {"audit": ("body", "leaf"), "input": ("payload", "source", "kind"), "document": ("body", "kind")}


@settings(max_examples=60)
@given(data=st.data())
def test_one_changed_byte_in_a_covered_row_is_found(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = rich_file(tmp_path_factory.mktemp("flip"))
    table = data.draw(st.sampled_from(sorted(COVERED)))
    column = data.draw(st.sampled_from(COVERED[table]))
    key = "digest" if table == "document" else "seq"
    with attacker(path) as connection:
        there = rows(connection, f"SELECT {key}, CAST({column} AS BLOB) FROM {table} ORDER BY {key}")
        name, value = there[data.draw(st.integers(0, len(there) - 1))]
        at = data.draw(st.integers(0, len(value) - 1))
        changed = value[:at] + bytes([value[at] ^ (1 << data.draw(st.integers(0, 7)))]) + value[at + 1 :]
        kind = "BLOB" if column == "leaf" else "TEXT"
        connection.execute(f"UPDATE {table} SET {column} = CAST(? AS {kind}) WHERE {key} = ?", (changed, name))
    report = verify(path)
    assert not report.ok
    place = {"audit": "seq", "input": "input", "document": "document"}[table]
    assert name in [getattr(one, place) for one in report.findings], report.findings
    found = replay(path, options=Options(heads=False)).divergence
    assert found is not None
    assert found.cause == "tampering"
