"""Verify, replay and export on the command line, on files that are whole and on files that somebody has changed."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import apsw
import pytest
from terminal import Terminal, serve_all


@pytest.fixture
def past(desk: Terminal) -> Terminal:
    """A desk with a past."""
    serve_all(desk)
    return desk


def tamper(desk: Terminal, *statements: str) -> None:
    """Change the file behind the back of its triggers, and put them back."""
    connection = apsw.Connection(str(desk.file))
    triggers = connection.execute("SELECT name, sql FROM sqlite_schema WHERE type = 'trigger'").fetchall()
    for name, _ in triggers:
        connection.execute(f"DROP TRIGGER {name}")
    for statement in statements:
        connection.execute(statement)
    for _, sql in triggers:
        connection.execute(str(sql))
    connection.close()


# -- whole files -------------------------------------------------------------------------------------------------------


def test_a_whole_file_is_told_so_with_what_that_rests_on(past: Terminal) -> None:
    said = past.ok("verify")
    assert "assurance  chain+tip" in said.out
    assert "not covered: that the entries follow from the inputs" in said.out
    assert said.out.endswith("whole: nothing was changed after it was written\n")
    report = past.ok("verify", "--json").record()
    assert (report["type"], report["ok"], report["assurance"], report["findings"]) == ("verify", True, "chain+tip", [])


def test_the_state_is_what_the_inputs_give(past: Terminal) -> None:
    said = past.ok("verify", "--state")
    assert "runs: 4 enrolled = 2 live + 0 completed + 2 failed + 0 cancelled" in said.out
    assert "every table of state is what the inputs give" in said.out
    chain, state = past.ok("verify", "--state", "--json").records()
    assert (chain["type"], state["type"], state["ok"], state["differences"]) == ("verify", "state", True, [])
    assert not [one for one in chain["not_covered"] if "dee " in one], "what is named as missing was not done"


def test_a_replay_is_identical_and_makes_every_message_again(past: Terminal) -> None:
    said = past.ok("replay")
    assert "4 messages made again, 0 differ, 0 erased since" in said.out
    assert said.out.endswith("identical\n")
    report = past.ok("replay", "--json").record()
    assert (report["same"], report["divergence"], report["renderer"]["checked"]) == (True, None, 4)
    assert past.ok("replay", "--skip-rendering", "--json").record()["renderer"] is None


def test_messages_are_made_again_from_the_data_of_their_time(past: Terminal) -> None:
    past.write("new.csv", "customer_id,first_name,email\nK-2,Benjamin,ben@good.example.com\n")
    past.ok("contact", "import", "new.csv", "--on-existing", "update")
    past.ok("contact", "erase", "K-4", "--yes")
    made = past.ok("replay", "--json").record()["renderer"]
    assert (made["checked"], made["skipped"], made["differing"], made["differences"]) == (3, 1, 0, [])
    assert [one["step"] for one in made["not_rendered"]] == ["letter"]


def test_one_run_is_replayed_entry_by_entry(past: Terminal) -> None:
    run = past.run_of("K-1")
    trace = past.ok("replay", "--run", run, "--json").record()["run"]
    assert trace["recorded"] == trace["replayed"]
    assert len(trace["recorded"]) > 2
    assert f'"run":"{run}"' in past.ok("replay", "--run", run).out
    assert past.dee("replay", "--run", "run_nobody").code == 1


def test_an_export_is_checked_without_the_file(past: Terminal) -> None:
    run = past.run_of("K-1")
    past.ok("export", run, "--out", "run.json")
    past.file.unlink()
    said = past.ok("verify", "--export", "run.json")
    assert said.out.endswith("whole: nothing was changed after it was taken out\n")
    assert "ada@" not in (past.folder / "run.json").read_text("ascii")


def test_an_export_on_the_terminal_is_the_same(past: Terminal) -> None:
    run = past.run_of("K-1")
    on_one_line = past.ok("export", run, "--json").record()
    assert json.loads(past.ok("export", run).out) == on_one_line
    assert on_one_line["run"] == run
    assert past.dee("export", "run_nobody").code == 1


def test_a_changed_export_is_found(past: Terminal) -> None:
    text = past.ok("export", past.run_of("K-1"), "--json").out
    past.write("run.json", text.replace("accepted", "rejected", 1))
    said = past.dee("verify", "--export", "run.json")
    assert said.code == 4
    assert "content-changed" in said.out
    assert past.dee("verify", "--export", "contacts.csv").code == 1
    assert past.dee("verify", "--export", "missing.json").code == 1


# -- changed files -----------------------------------------------------------------------------------------------------


def test_one_changed_entry_is_found_at_its_place(past: Terminal) -> None:
    tamper(
        past,
        "UPDATE audit SET body = replace(body, 'accepted', 'rejected') WHERE body LIKE '%\"outcome\":\"accepted\"%'",
    )
    said = past.dee("verify")
    assert said.code == 4
    assert "content-changed" in said.out
    assert "content-changed" in said.err
    told = past.dee("verify", "--json")
    assert (told.code, told.record()["ok"], told.error()["error"]) == (4, False, "integrity")
    for words in ("verify",), ("verify", "--state"):
        assert "not covered: the tables of state" in past.dee(*words).out


def test_a_changed_past_diverges_with_place_field_values_and_cause(past: Terminal) -> None:
    tamper(past, "UPDATE input SET payload = replace(payload, '2026-12-24', '2026-12-25') WHERE kind = 'run.enroll'")
    said = past.dee("replay")
    assert said.code == 3
    for words in (
        "first divergence at entry",
        "input     run.enroll from",
        "field     core.detail.variables.day",
        "cause     tampering: the record was changed",
        "next      keep the file as it is",
    ):
        assert words in said.out, said.out
    marked = [line.split() for line in said.out.splitlines() if line.startswith("> ")]
    assert marked == [[">", "core.detail.variables.day", "2026-12-24", "2026-12-25"]]
    assert max(map(len, said.out[said.out.index("first divergence") :].splitlines())) <= 100
    told = past.dee("replay", "--json")
    assert (told.code, told.error()["error"]) == (3, "divergence")
    assert told.record()["divergence"]["cause"] == "tampering"


def test_a_run_that_diverges_is_shown_on_both_sides(past: Terminal) -> None:
    tamper(past, "UPDATE input SET payload = replace(payload, '2026-12-24', '2026-12-25') WHERE kind = 'run.enroll'")
    said = past.dee("replay", "--run", past.run_of("K-1"))
    assert said.code == 3
    assert [line[:2] for line in said.out.splitlines() if line.startswith(("- ", "+ "))][:2] == ["- ", "+ "]


def test_a_table_of_state_that_was_changed_is_found(past: Terminal) -> None:
    tamper(past, "UPDATE counter SET settled = settled + 1")
    past.ok("verify")
    said = past.dee("verify", "--state")
    assert said.code == 4
    assert "counter(" in said.out
    assert "counter(" in said.err


def test_state_of_a_changed_past_is_a_divergence(past: Terminal) -> None:
    tamper(past, "DELETE FROM suppression", "DELETE FROM given")
    said = past.dee("verify", "--state")
    assert said.code == 4
    assert "given" in said.out


def test_a_file_that_was_set_back_is_found_by_its_tip(past: Terminal) -> None:
    older = past.folder / "older.db"
    shutil.copy(past.file, older)
    past.ok("task", "done", past.run_of("K-1"), "well")
    shutil.copy(older, past.file)
    said = past.dee("verify")
    assert said.code == 4
    assert "rolled-back" in said.out


def test_a_broken_file_is_found_and_every_command_refuses_it(past: Terminal) -> None:
    size = past.file.stat().st_size
    with past.file.open("r+b") as stream:
        stream.seek(size // 8)
        stream.write(b"\xa5" * (size - size // 8))
    for words in (
        ("verify",),
        ("verify", "--untrusted"),
        ("replay",),
        ("replay", "--untrusted"),
        ("verify", "--state"),
    ):
        said = past.dee(*words)
        assert said.code == 4, (words, said)
        assert "fault of the program" not in said.err


@pytest.mark.parametrize("what", ["empty", "text", "cut", "foreign", "newer"])
def test_what_is_no_file_of_ours_is_told_plainly(past: Terminal, what: str) -> None:
    other = past.folder / "other.db"
    whole = past.file.read_bytes()
    match what:
        case "empty":
            other.write_bytes(b"")
        case "text":
            other.write_text("hello\n" * 1000, "utf-8")
        case "cut":
            other.write_bytes(whole[: len(whole) // 3])
        case "foreign":
            connection = apsw.Connection(str(other))
            connection.execute("CREATE TABLE cat (name)")
            connection.close()
        case _:
            other.write_bytes(whole[:60] + (99).to_bytes(4, "big") + whole[64:])
    before = other.read_bytes()
    for words in (
        ("verify",),
        ("replay",),
        ("status",),
        ("log",),
        ("serve", "--until-idle"),
        ("contact", "import", "contacts.csv"),
    ):
        said = past.dee(*words, "--db", other)
        expected = {1, 4} if what != "newer" else {0} if words == ("verify",) else {5}
        assert said.code in expected, (words, said)
        assert "fault of the program" not in said.err, (words, said)
    if what == "newer":
        said = past.dee("verify", "--state", "--db", other)
        assert (said.code, "not covered: the tables of state" in said.out) == (5, True), said
    assert other.read_bytes() == before


def test_a_strangers_file_is_looked_at_with_every_guard(past: Terminal) -> None:
    copy = past.folder / "strange.db"
    shutil.copy(past.file, copy)
    assert "assurance  chain\n" in past.ok("verify", "--untrusted", "--db", copy).out
    past.ok("replay", "--untrusted", "--db", copy)
    assert sorted(path.name for path in Path(past.folder).glob("strange.db*")) == ["strange.db"]


@pytest.mark.breaks_its_file
def test_tables_that_contradict_each_other_are_said_to_and_nothing_is_written(desk: Terminal) -> None:
    desk.ok("enroll", "welcome", "--contact", "K-1", "--var", "day=2026-12-24")
    desk.ok("run", "cancel", desk.run_of("K-1"))
    tamper(desk, "DELETE FROM enrolment")
    before = desk.ok("status", "--json").record()["entries"]
    said = desk.dee("enroll", "welcome", "--contact", "K-1", "--var", "day=2026-12-24")
    assert said.code == 4
    assert "the tables contradict each other" in said.err
    assert "dee verify --state" in said.err
    assert desk.ok("status", "--json").record()["entries"] == before
