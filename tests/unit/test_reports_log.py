"""The log in order, by run, contact, action and time: every filter against a plain look at all entries."""

from __future__ import annotations

import itertools
import shutil
from pathlib import Path

import pytest
from report_files import START, ReportFile, report_file
from store_files import bare_connection

from dee_appliance import Engine
from dee_appliance.errors import EvidenceError, Refused, Usage
from dee_appliance.kernel.e1.encoding import leaf_hash
from dee_appliance.runtime.reports import LogFilter, LogLine, follow, log

__all__ = ["report_file"]


class EnoughError(Exception):
    """The test has seen what it wanted."""


def read(file: ReportFile, **wanted: object) -> list[LogLine]:
    with file.engine().view() as view:
        return list(log(view, LogFilter(**wanted)))  # type: ignore[arg-type]  # each test gives fields of the filter


def test_the_log_begins_at_tick_0_and_has_no_gap(report_file: ReportFile) -> None:
    lines = read(report_file)
    assert [line.seq for line in lines] == list(range(len(lines)))
    assert (lines[0].tick, lines[0].action, lines[0].utc) == (0, "genesis", "2026-11-18T11:06:40Z")
    assert all(earlier.tick <= later.tick for earlier, later in itertools.pairwise(lines))


def test_every_line_names_its_own_hash_and_the_one_before(report_file: ReportFile) -> None:
    lines = read(report_file)
    with report_file.engine().view() as view:
        bodies = [row[0] for row in view.database.execute("SELECT body FROM audit ORDER BY seq")]
    assert [line.hash for line in lines] == [leaf_hash(body.encode()).hex() for body in bodies]
    assert [line.prev for line in lines[1:]] == [line.hash for line in lines[:-1]]


@pytest.mark.parametrize("name", ["ana", "ben", "hana", "gil"])
def test_a_run_has_the_entries_that_name_it(report_file: ReportFile, name: str) -> None:
    run = report_file.run(name)
    expected = [line for line in read(report_file) if line.run == run]
    assert expected
    assert read(report_file, run=run) == expected


@pytest.mark.parametrize("name", ["ana", "evan", "fay", "jo", "kim", "hana"])
def test_a_contact_has_its_own_entries_and_those_of_all_its_runs_once(report_file: ReportFile, name: str) -> None:
    contact = report_file.contacts[name]
    expected = [line for line in read(report_file) if line.contact == contact]
    assert expected
    assert read(report_file, contact=contact) == expected
    assert read(report_file, contact=contact, limit=3) == expected[-3:]


def test_a_contact_is_found_by_its_address(report_file: ReportFile) -> None:
    assert read(report_file, contact="HANA@example.com") == read(report_file, contact=report_file.contacts["hana"])


@pytest.mark.parametrize("action", ["send_email", "call", "halt", "suppress", "consent", "end"])
def test_an_action_has_its_entries(report_file: ReportFile, action: str) -> None:
    expected = [line for line in read(report_file) if line.action == action]
    assert expected
    assert read(report_file, action=action) == expected


def test_the_beginning_of_an_action_is_no_action(report_file: ReportFile) -> None:
    assert read(report_file, action="send") == []
    assert read(report_file, action='send_email","detail":{') == []


def test_an_outcome_has_its_entries(report_file: ReportFile) -> None:
    lines = read(report_file, outcome="held")
    assert [(line.action, line.step) for line in lines] == [("call", "ring")]


@pytest.mark.parametrize("after", [-1, 0, 1, 9, 10, 259_200, 10_000_000])
def test_a_time_begins_with_its_first_entry_and_ends_before_its_last(report_file: ReportFile, after: int) -> None:
    lines = read(report_file)
    assert read(report_file, after=START + after) == [line for line in lines if line.tick >= after]
    assert read(report_file, before=START + after) == [line for line in lines if line.tick < after]


def test_filters_add_up(report_file: ReportFile) -> None:
    wanted = read(report_file, contact="K-8", action="send_email", outcome="accepted", before=START + 1)
    assert [(line.step, line.tick) for line in wanted] == [("hello", 0)]
    assert read(report_file, contact="K-8", action="send_email", outcome="accepted", after=START + 1) == []


@pytest.mark.parametrize("limit", [0, 1, 7, 10_000])
def test_a_limit_takes_the_newest_and_gives_them_oldest_first(report_file: ReportFile, limit: int) -> None:
    lines = read(report_file)
    assert read(report_file, limit=limit) == lines[len(lines) - min(limit, len(lines)) :]
    sends = [line for line in lines if line.action == "send_email"]
    assert read(report_file, action="send_email", limit=limit) == sends[len(sends) - min(limit, len(sends)) :]


def test_an_entry_outside_runs_names_whom_it_is_about(report_file: ReportFile) -> None:
    fay, unsubscribed = report_file.contacts["fay"], read(report_file, action="suppress")[0]
    assert (unsubscribed.run, unsubscribed.contact) == (None, fay)
    assert {line.contact for line in read(report_file, action="halt")} == {None}
    refused = [line for line in read(report_file, action="enroll") if line.outcome == "rejected"]
    assert {line.contact for line in refused} == {report_file.contacts["jo"], report_file.contacts["ana"]}


def test_what_does_not_exist_is_refused(report_file: ReportFile) -> None:
    with pytest.raises(Refused, match="no run"):
        read(report_file, run="run_nobody")
    with pytest.raises(Refused, match="no contact"):
        read(report_file, contact="nobody@example.com")
    with pytest.raises(Usage):
        read(report_file, limit=-1)


def test_following_gives_what_there_is_and_then_what_is_added_once(tmp_path: Path) -> None:
    engine = Engine.create(tmp_path / "x.db", simulated=True, start=START)
    steps = iter([engine.halt, engine.release])

    def wait(seconds: float) -> None:
        assert 0 < seconds < 1
        step = next(steps, None)
        if step is None:
            raise EnoughError
        step()

    seen: list[LogLine] = []
    with engine.view() as view, pytest.raises(EnoughError):
        seen.extend(follow(view, LogFilter(limit=1), wait))
    assert [line.action for line in seen] == ["config", "halt", "release"]


def test_a_body_that_is_no_entry_is_evidence_against_the_file(report_file: ReportFile, tmp_path: Path) -> None:
    copy = tmp_path / "copy.db"
    shutil.copy(report_file.path, copy)
    with bare_connection(copy) as connection:
        connection.execute("INSERT OR REPLACE INTO audit SELECT seq, '{\"core\":1}', leaf FROM audit WHERE seq = 20")
    with Engine(copy).view() as view, pytest.raises(EvidenceError, match="entry 20"):
        list(log(view))
