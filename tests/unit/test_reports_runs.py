"""Runs in lists: every filter against a plain look at all runs, and a file of 100,000 of them."""

from __future__ import annotations

import itertools
import time
from collections.abc import Mapping
from pathlib import Path

import pytest
from report_files import START, ReportFile, moving_file, report_file

from dee_appliance.errors import Refused, Usage
from dee_appliance.runtime.reports import RunFilter, RunRow, select_runs, status
from dee_appliance.store.database import open_writer

__all__ = ["moving_file", "report_file"]


def read(file: ReportFile, **wanted: object) -> list[RunRow]:
    with file.engine().view() as view:
        return list(select_runs(view, RunFilter(**wanted)))  # type: ignore[arg-type]  # each test gives fields of the filter


def test_runs_come_in_the_order_of_enrolment(report_file: ReportFile) -> None:
    rows = read(report_file)
    assert [row.no for row in rows] == list(range(1, 13))
    assert {row.plan for row in rows} == {"welcome@1", "notice@1"}


def test_every_combination_of_filters_gives_what_a_plain_look_gives(report_file: ReportFile) -> None:
    rows = read(report_file)
    choices: dict[str, list[str | int | None]] = {
        "status": ["", "FAILED", "COMPLETED", "PENDING"],
        "plan": ["", "welcome", "notice"],
        "contact": ["", report_file.contacts["hana"], report_file.contacts["ben"]],
        "reason": ["", "outcome_unknown", "lost"],
        "after": [None, START + 1],
    }
    found = 0
    for values in itertools.product(*choices.values()):
        chosen = dict(zip(choices, values, strict=True))
        expected = [row for row in rows if fits(row, chosen)]
        found += len(expected)
        assert read(report_file, **chosen) == expected
        assert read(report_file, **chosen, limit=2) == expected[:2]
    assert found > len(rows)


def fits(row: RunRow, chosen: Mapping[str, object]) -> bool:
    after = chosen["after"]
    return (
        chosen["status"] in ("", row.status)
        and chosen["plan"] in ("", row.plan.partition("@")[0])
        and chosen["contact"] in ("", row.contact)
        and chosen["reason"] in ("", row.reason)
        and (not isinstance(after, int) or row.changed.tick + START >= after)
    )


def test_before_is_the_rest_of_after(report_file: ReportFile) -> None:
    rows = read(report_file)
    for tick in (START, START + 9, START + 259_200, START + 10**7):
        early, late = read(report_file, before=tick), read(report_file, after=tick)
        assert sorted(early + late, key=lambda row: row.no) == rows


def test_a_list_can_go_on_where_another_ended(report_file: ReportFile) -> None:
    rows = read(report_file)
    assert read(report_file, first=rows[4].no + 1, limit=3) == rows[5:8]


def test_a_contact_and_a_status_may_be_written_as_people_write_them(report_file: ReportFile) -> None:
    assert [row.status for row in read(report_file, status="held", contact="hana@example.com")] == ["HELD"]


def test_a_row_says_when_its_timer_fires(moving_file: ReportFile) -> None:
    due = {row.step: row.due for row in read(moving_file, plan="welcome") if row.due is not None}
    assert due["listen"].utc == "2026-11-21T19:06:40Z"


@pytest.mark.parametrize("wanted", [{"status": "DONE"}, {"limit": -2}])
def test_a_status_that_does_not_exist_is_a_mistake_of_the_command(
    report_file: ReportFile, wanted: dict[str, object]
) -> None:
    with pytest.raises(Usage):
        read(report_file, **wanted)


@pytest.mark.parametrize("wanted", [{"plan": "nothing"}, {"contact": "nobody@example.com"}])
def test_a_plan_or_contact_that_does_not_exist_is_refused(report_file: ReportFile, wanted: dict[str, object]) -> None:
    with pytest.raises(Refused):
        read(report_file, **wanted)


@pytest.mark.slow
def test_a_hundred_thousand_runs_list_within_a_second(moving_file: ReportFile, tmp_path: Path) -> None:
    copy = tmp_path / "large.db"
    moving_file.engine().snapshot(copy)
    statuses = ("WAITING", "FAILED", "COMPLETED", "ACTIVE")
    with open_writer(copy) as database, database.transaction():
        (body,) = database.execute("SELECT body FROM run WHERE run_no = 1")[0]
        for status_word in statuses:
            changed = body.replace('"status":"WAITING"', f'"status":"{status_word}"')
            database.many(
                "INSERT INTO run (run_no, run, contact, plan, status, live, tick, body) VALUES (?, ?, ?, ?, ?, 1, ?, ?)",
                (
                    (number, f"run_{number}", f"c_{number // 3}", "welcome", status_word, START + number, changed)
                    for number in range(1_000 + statuses.index(status_word), 101_000, len(statuses))
                ),
            )
    file = ReportFile(copy, {})
    for wanted in (
        {},
        {"status": "FAILED"},
        {"plan": "welcome"},
        {"status": "ACTIVE", "plan": "welcome"},
        {"contact": "K-1"},
    ):
        assert seconds(lambda: read(file, **wanted, limit=100)) < 1  # noqa: B023 - called before the loop goes on
    # A reason that nobody has makes it look at every run.
    assert seconds(lambda: read(file, reason="nothing", limit=100)) < 1
    assert seconds(lambda: whole_status(file)) < 1


def whole_status(file: ReportFile) -> None:
    with file.engine().view() as view:
        assert status(view).runs["FAILED"] >= 25_000


def seconds(work: object) -> float:
    assert callable(work)
    begun = time.process_time()
    work()
    return time.process_time() - begun
