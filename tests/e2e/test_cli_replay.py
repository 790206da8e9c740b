"""`dee replay` of several files, of somebody else's, of one without its personal data, and on a medium that cannot be written."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import apsw
import click
import msgspec
import pytest
from terminal import Terminal, serve_all

from dee_appliance.cli.replay import replay as replay_command
from dee_appliance.cli.what_if import what_if as what_if_command
from dee_appliance.replay.child_process import Failure, Told, in_children
from dee_appliance.replay.divergence import CausedBy, FirstDivergence
from dee_appliance.replay.finding import Finding
from dee_appliance.replay.recorded_shell import NotRendered, RenderDifference, RendererReport
from dee_appliance.replay.replay import ReplayReport, RunTrace, replay
from dee_appliance.replay.run_heads import HeadDifference, HeadsReport

OPERATIONS = Path(__file__).parents[2] / "docs" / "operations.md"


@pytest.fixture
def past(desk: Terminal) -> Terminal:
    """A desk with a past, and an older copy of its file."""
    serve_all(desk)
    shutil.copy(desk.file, desk.folder / "older.db")
    desk.ok("task", "done", desk.run_of("K-1"), "well")
    return desk


def change(path: Path, statement: str) -> None:
    connection = apsw.Connection(str(path))
    connection.config(apsw.SQLITE_DBCONFIG_ENABLE_TRIGGER, 0)
    connection.execute(statement)
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    connection.close()


# -- several files -----------------------------------------------------------------------------------------------------


def test_copies_of_different_ages_tell_the_same_runs(past: Terminal) -> None:
    said = past.ok("replay", "desk.db", "older.db", "--jobs", "2")
    assert [line.split()[:2] for line in said.out.splitlines()[1:3]] == [
        ["desk.db", "identical"],
        ["older.db", "identical"],
    ]
    assert said.out.endswith("2 of 2 files identical; 4 runs in more than one file, 0 told differently\n")
    newer, older, heads = past.ok("replay", "desk.db", "older.db", "--json").records()
    assert (newer["type"], older["type"], heads["type"]) == ("replay", "replay", "heads")
    assert newer["entries"] > older["entries"]
    assert (heads["files"], heads["shared"], heads["differing"]) == (2, 4, 0)


def test_two_copies_that_went_on_differently_are_told_apart_at_the_first_entry(past: Terminal) -> None:
    past.ok("task", "done", past.run_of("K-1"), "badly", "--db", "older.db")
    said = past.dee("replay", "older.db", "desk.db")
    assert said.code == 3
    assert "✘ " in said.out
    assert "1 runs are told differently" in said.err
    told = past.dee("replay", "older.db", "desk.db", "--json").records()[-1]
    (difference,) = told["differences"]
    assert difference["run"] == past.run_of("K-1")
    assert difference["field"] == "detail.to"
    assert set(difference["values"]) == {"happy", "sad"}


def test_a_longer_trace_that_begins_otherwise_is_told_apart(past: Terminal) -> None:
    """Lengths differ: the head of the shorter one is not the one that the longer one had there."""
    past.ok("run", "cancel", past.run_of("K-1"), "--db", "older.db")
    told = past.dee("replay", "older.db", "desk.db", "--json")
    assert told.code == 3
    (difference,) = told.records()[-1]["differences"]
    assert difference["run"] == past.run_of("K-1")


def test_a_broken_file_does_not_stop_the_others(past: Terminal) -> None:
    (past.folder / "text.db").write_text("hello")
    (past.folder / "cut.db").write_bytes(past.file.read_bytes()[:20_000])
    said = past.dee("replay", "text.db", "desk.db", "cut.db", "older.db", "none.db")
    assert said.code == 4
    results = [line.split()[1] for line in said.out.splitlines()[1:6]]
    assert results == ["not", "identical", "not", "identical", "not"]
    assert "3 of 5 files could not be replayed" in said.err
    failed = [one for one in past.dee("replay", "text.db", "desk.db", "--json").records() if one["type"] == "failed"]
    assert [(one["path"], one["exit_code"]) for one in failed] == [("text.db", 1)]


def test_a_file_that_diverges_decides_the_exit_code(past: Terminal) -> None:
    change(past.folder / "older.db", "UPDATE input SET received = 1 WHERE seq = 7")
    (past.folder / "text.db").write_text("hello")
    said = past.dee("replay", "desk.db", "text.db", "older.db")
    assert said.code == 3
    assert "1 of 3 files diverge" in said.err
    assert "input.digest: tampering" in said.out
    assert "no runs compared" in said.out


def test_options_that_make_no_sense_together_are_refused(past: Terminal) -> None:
    assert past.dee("replay", "desk.db", "older.db", "--run", "run_x").code == 2
    assert past.dee("replay", "--time-limit", "5").code == 2
    assert past.dee("replay", "--memory", "500").code == 2


def test_nothing_but_the_result_is_printed_when_nobody_watches(past: Terminal) -> None:
    said = past.program("replay", "desk.db", "older.db", "--json")
    assert (said.code, said.err) == (0, "")
    assert len(said.records()) == 3


# -- somebody else's -----------------------------------------------------------------------------------------------------


def test_somebody_elses_files_are_read_from_private_copies_that_are_gone_afterwards(past: Terminal) -> None:
    before = sorted(path.name for path in past.folder.iterdir())
    said = past.ok("replay", "desk.db", "older.db", "--untrusted")
    assert "2 of 2 files identical" in said.out
    report = past.ok("replay", "desk.db", "--untrusted", "--json").record()
    assert (report["same"], report["read_from"], report["renderer"]) == (True, "a private copy", None)
    assert "they were not made again" in report["not_covered"][0]
    assert sorted(path.name for path in past.folder.iterdir()) == before


@pytest.mark.breaks_its_file
def test_a_write_ahead_log_that_was_read_is_said(past: Terminal) -> None:
    connection = apsw.Connection(str(past.file))
    connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
    connection.execute("UPDATE counter SET settled = settled + 1")
    connection.close()
    assert past.file.with_name("desk.db-wal").stat().st_size
    assert "read from a private copy with its write-ahead log" in past.ok("replay", "--untrusted").out


@pytest.mark.parametrize(
    "statement",
    [
        "ALTER TABLE audit RENAME TO log; CREATE VIEW audit AS SELECT * FROM log",
        "CREATE TABLE bomb (x INTEGER, s TEXT GENERATED ALWAYS AS (hex(zeroblob(400000000))))",
        "CREATE TRIGGER shadow AFTER INSERT ON input BEGIN SELECT 1; END",
        "CREATE VIEW endless AS WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r) SELECT count(*) FROM r",
    ],
)
def test_a_hostile_schema_is_refused_in_words(past: Terminal, statement: str) -> None:
    change(past.file, statement)
    said = past.dee("replay", "--untrusted")
    assert said.code == 4
    assert "the tables of the file were altered" in said.err


# -- without personal data -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rows", ["", " WHERE field = 'profile'", " WHERE field = 'secret'", " WHERE contact = ''"])
def test_a_file_replays_the_same_whatever_of_its_vault_is_gone(past: Terminal, rows: str) -> None:
    change(past.file, f"DELETE FROM vault{rows}")
    report = past.ok("replay", "--json").record()
    assert report["same"]
    made = report["renderer"]
    assert made["checked"] + made["skipped"] == report["given"] == 4
    if "secret" not in rows and "contact" not in rows:
        assert (made["checked"], made["skipped"], made["differing"]) == (0, 4, 0)
        assert len(made["not_rendered"]) == 4
        assert report["not_covered"][0].startswith("4 messages whose personal data are gone")
        assert "not covered: 4 messages" in past.ok("replay").out


# -- where nothing can be written ------------------------------------------------------------------------------------------


@pytest.fixture
def unwritable(past: Terminal) -> Iterator[Path]:
    """A folder that others may read and nobody may write, with the file in it."""
    folder = Path(tempfile.mkdtemp())
    shutil.copy(past.file, folder / "file.db")
    (folder / "file.db-wal").touch()
    for path in folder.iterdir():
        path.chmod(0o444)
    folder.chmod(0o555)
    yield folder
    folder.chmod(0o755)
    shutil.rmtree(folder)


def test_a_file_is_replayed_where_nothing_can_be_written(unwritable: Path) -> None:
    def work(told: Told) -> msgspec.Raw:
        if os.getuid() == 0:
            os.setgroups([])
            os.setgid(65534)
            os.setuid(65534)
        assert not os.access(unwritable, os.W_OK)
        return msgspec.Raw(msgspec.json.encode(replay(unwritable / "file.db", progress=told)))

    (done,) = in_children([("file.db", work)], jobs=1)
    assert done.failure is None, done.failure
    assert msgspec.json.decode(done.result, type=ReplayReport).same
    assert sorted(path.name for path in unwritable.iterdir()) == ["file.db", "file.db-wal"]


def test_a_file_that_may_not_be_read_is_told_like_a_broken_one_and_not_by_the_words_of_the_command() -> None:
    for command in (replay_command, what_if_command):
        (files,) = [one.type for one in command.params if isinstance(one, click.Argument)]
        assert isinstance(files, click.Path)
        assert not files.readable


# -- through a link --------------------------------------------------------------------------------------------------------


@pytest.mark.breaks_its_file
def test_a_link_to_the_file_is_as_good_as_the_file(past: Terminal) -> None:
    link = past.folder / "link.db"
    link.symlink_to(past.file)
    run = past.run_of("K-1")
    for words in (("replay",), ("replay", "--untrusted"), ("verify", "--state"), ("debug", run, "--do", "end")):
        assert past.ok(*words, "--db", "link.db").out
    connection = apsw.Connection(str(past.file))
    connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
    connection.execute("UPDATE counter SET settled = settled + 1")
    connection.close()
    for words in (("replay",), ("replay", "--untrusted")):
        assert "with its write-ahead log" in past.ok(*words, "--db", "link.db").out
    assert past.dee("verify", "--state", "--db", "link.db").code == 4


# -- the report as JSON ------------------------------------------------------------------------------------------------------

RECORDS = (
    ReplayReport, RunTrace, FirstDivergence, CausedBy, Finding, RendererReport, RenderDifference, NotRendered, HeadsReport,
    HeadDifference, Failure,
)  # fmt: skip


def test_every_field_of_the_report_is_documented() -> None:
    text = OPERATIONS.read_text("utf-8")
    section = text.partition("## The report of a replay\n")[2].partition("\n## ")[0]
    for record in RECORDS:
        for name in record.__struct_fields__:
            assert f"`{name}`" in section or (record, name) == (ReplayReport, "heads"), (record.__name__, name)


def test_the_report_has_the_fields_that_are_documented_and_no_other(past: Terminal) -> None:
    change(past.file, "UPDATE input SET received = 1 WHERE seq = 7")
    report = past.dee("replay", "--json").record()
    assert list(report) == ["type", *(name for name in ReplayReport.__struct_fields__ if name != "heads")]
    assert list(report["divergence"]) == list(FirstDivergence.__struct_fields__)
    assert list(report["renderer"]) == list(RendererReport.__struct_fields__)
    msgspec.convert({**report, "heads": {}}, ReplayReport)
