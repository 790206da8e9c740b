"""The state of a file at a glance, and what its budgets and limits have left."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from report_files import START, ReportFile, made_file, moving_file, report_file, serve_until

from dee_appliance import Engine
from dee_appliance.errors import Refused
from dee_appliance.runtime.clock import SetClock
from dee_appliance.runtime.reports import BudgetReport, StatusReport, arming_of, budget_show, disarmed_reason, status
from dee_appliance.runtime.reports_status import BEHIND
from dee_appliance.store.inbox import InboxRow, InboxWriter
from dee_appliance.store.lock import LoopLock
from dee_appliance.store.state_dir import StateDir

__all__ = ["moving_file", "report_file"]


def look(file: ReportFile, now: int | None = None) -> StatusReport:
    with file.engine().view() as view:
        return status(view, now=now)


def budgets(file: ReportFile, plan: str = "") -> BudgetReport:
    with file.engine().view() as view:
        return budget_show(view, plan=plan)


# -- what the file is --------------------------------------------------------------------------------------------------


def test_a_simulated_file_says_what_it_is_and_where_it_stands(report_file: ReportFile) -> None:
    report = look(report_file)
    assert (report.clock, report.epoch, report.now.utc) == ("simulated", "2026-11-18T11:06:40Z", "2026-11-21T11:06:49Z")
    assert (report.arming.armed, report.arming.why) == (False, "simulated files are never armed")
    with report_file.engine().view() as view:
        assert (report.entries, report.head) == (view.log_size, view.log_head.hex())
        assert report.lineage == view.lineage.hex()


def test_the_wall_clock_means_nothing_to_a_simulated_file(report_file: ReportFile) -> None:
    assert look(report_file, now=START * 2) == look(report_file)


def test_a_real_file_is_armed_only_where_somebody_armed_it(tmp_path: Path) -> None:
    states, clock = StateDir(tmp_path / "state"), SetClock(START)
    engine = Engine.create(tmp_path / "x.db", start=START, clock=clock, state_dir=states)
    assert arming(engine, states) == (False, "this file is not armed on this host", 0)
    engine.arm()
    assert arming(engine, states) == (True, "", 1)
    engine.snapshot(tmp_path / "copy.db")
    armed, why, _ = arming(Engine(tmp_path / "copy.db"), states)
    assert (armed, why[:15]) == (False, "this is a copy;")
    engine.disarm()
    assert arming(engine, states)[0] is False


def test_a_file_behind_its_tip_is_not_armed(tmp_path: Path) -> None:
    states, clock = StateDir(tmp_path / "state"), SetClock(START)
    engine = Engine.create(tmp_path / "x.db", start=START, clock=clock, state_dir=states)
    engine.arm()
    shutil.copy(engine.path, tmp_path / "older.db")
    engine.halt()
    shutil.copy(tmp_path / "older.db", engine.path)
    assert arming(engine, states)[:2] == (False, BEHIND)


def arming(engine: Engine, states: StateDir) -> tuple[bool, str, int]:
    with engine.view() as view:
        found = arming_of(view, states)
        assert disarmed_reason(view, states) == found.why
    return found.armed, found.why, found.incarnation


def test_trial_mode_is_seen_with_its_guests(tmp_path: Path) -> None:
    engine = Engine.create(tmp_path / "x.db", simulated=True, start=START)
    assert look(ReportFile(engine.path, {})).trial is False
    engine.trial(on=True, guests=("a@example.com", "+12025550100"))
    report = look(ReportFile(engine.path, {}))
    assert (report.trial, report.trial_guests) == (True, 2)


def test_whoever_runs_the_file_is_named(report_file: ReportFile) -> None:
    assert look(report_file).loop == ""
    lock = LoopLock.try_acquire(report_file.path, "dee serve", "2026-11-21T11:00:00Z")
    assert lock is not None
    try:
        assert look(report_file).loop.startswith("dee serve (process ")
    finally:
        lock.release()


# -- whether it moves --------------------------------------------------------------------------------------------------


def test_runs_are_counted_by_status_and_by_plan(report_file: ReportFile) -> None:
    report = look(report_file)
    assert report.runs == {
        "PENDING": 0,
        "ACTIVE": 1,
        "WAITING": 0,
        "HELD": 1,
        "PAUSED": 1,
        "FAILED": 4,
        "COMPLETED": 4,
        "CANCELLED": 1,
    }
    assert report.plans["notice"] == {"ACTIVE": 1}
    assert sum(report.plans["welcome"].values()) == 11


def test_failed_runs_are_grouped_by_why_and_say_what_they_need(report_file: ReportFile) -> None:
    groups = {(group.reason, group.step): group for group in look(report_file).failed}
    assert set(groups) == {
        ("outcome_unknown", "hello"),
        ("rejected_permanent", "hello"),
        ("denied:no_consent", "hello"),
        ("denied:no_address", "ring"),
    }
    assert groups["outcome_unknown", "hello"].example == report_file.run("ben")
    assert groups["rejected_permanent", "hello"].requires == "manual retry or policy resolution"


def test_held_runs_are_grouped_by_why_and_say_until_when(report_file: ReportFile) -> None:
    (group,) = look(report_file).held
    assert (group.plan, group.reason, group.step, group.runs) == ("welcome", "outside_hours", "ring", 1)
    assert group.until is not None
    assert group.example == report_file.run("hana")


def test_a_hold_says_how_many_wait_behind_it(report_file: ReportFile) -> None:
    report = look(report_file)
    assert [(hold.scope, hold.reason, hold.until, hold.waiting) for hold in report.holds] == [
        ("plan:notice", "halt", None, 1)
    ]
    assert [(row.channel, row.plan, row.waiting, row.held) for row in report.queue] == [("sms", "notice", 1, True)]


def test_sends_in_flight_and_unknown_are_counted(report_file: ReportFile, moving_file: ReportFile) -> None:
    assert (look(report_file).in_flight, look(report_file).unknown) == (0, 1)
    assert (look(moving_file).in_flight, look(moving_file).unknown) == (1, 1)


def test_the_next_thing_due_is_named(report_file: ReportFile) -> None:
    following = look(report_file).next_due
    assert following is not None
    assert following.utc == "2026-11-21T17:00:00Z"


def test_timers_that_nobody_fires_are_overdue(tmp_path: Path) -> None:
    clock = SetClock(START)
    engine = Engine.create(tmp_path / "x.db", start=START, clock=clock, state_dir=StateDir(tmp_path / "state"))
    simulated, _ = made_file(tmp_path / "sources", START)
    del simulated
    engine.publish_plan(tmp_path / "sources" / "notice.toml")
    engine.import_contacts(tmp_path / "sources" / "contacts.csv")
    engine.enroll("notice", ["K-1", "K-2"], start=START + 100)
    file = ReportFile(engine.path, {})
    assert look(file, START + 104).overdue is None
    late = look(file, START + 160).overdue
    assert late is not None
    assert (late.timers, late.late_s, late.plan, late.due.tick) == (2, 60, "notice", 100)


def test_the_inbox_is_counted_by_what_may_come_in_now(tmp_path: Path) -> None:
    engine = Engine.create(tmp_path / "x.db", simulated=True, start=START)
    with InboxWriter(engine.path) as inbox:
        inbox.append([InboxRow(source="api", received=START + at, kind="event", payload=b"{}") for at in (-5, 0, 50)])
        inbox.stage(7, [InboxRow(source="import", received=START, kind="contact.put", payload=b"{}")])
    report = look(ReportFile(engine.path, {})).inbox
    assert (report.ready, report.later, report.staged) == (2, 1, 1)
    assert report.oldest is not None
    assert report.oldest.tick == -5


def test_a_breaker_shows_its_failures_in_a_row(report_file: ReportFile, tmp_path: Path) -> None:
    assert [(row.channel, row.failures, row.open) for row in look(report_file).breakers] == [
        ("email", 0, False),
        ("sms", 0, False),
        ("voice", 0, False),
    ]
    engine, _ = made_file(tmp_path, START)
    engine.set_setting("breaker.threshold", 2)
    (tmp_path / "scenario.toml").write_text('[[rule]]\nanswer = "reject"\ncode = "not_connected"\n')
    engine.enroll("welcome")
    serve_until(engine, START)
    email = look(ReportFile(engine.path, {})).breakers[0]
    assert (email.channel, email.threshold, email.open) == ("email", 2, True)


# -- budgets -----------------------------------------------------------------------------------------------------------


def test_a_budget_says_what_is_spent_held_and_left(report_file: ReportFile) -> None:
    money = budgets(report_file).budgets[0]
    # Eight e-mails were accepted at 0.01; the one nobody knows about stays reserved.
    assert (money.settled_micros, money.reserved_micros, money.limit_micros) == (80_000, 10_000, 5_000_000)
    assert money.left_micros == 4_910_000
    assert (money.plan, money.channel, money.currency) == ("", "", "USD")


def test_a_call_in_progress_holds_its_longest_cost(moving_file: ReportFile) -> None:
    # One unknown e-mail and two minutes of a call; the text message is settled.
    assert budgets(moving_file).budgets[0].reserved_micros == 10_000 + 200_000


def test_a_daily_limit_counts_in_its_own_zone_and_says_when_it_starts_again(moving_file: ReportFile) -> None:
    limits = {row.rule: row for row in budgets(moving_file).limits}
    assert (limits["day"].zone, limits["day"].day) == ("America/New_York", "2026-11-18")
    assert limits["day"].resets is not None
    assert limits["day"].resets.utc == "2026-11-19T05:00:00Z"
    welcome = limits["plan/daily_sends"]
    assert (welcome.plan, welcome.limit, welcome.used + welcome.left) == ("welcome", 50, 50)
    assert welcome.resets is not None
    assert welcome.resets.utc == "2026-11-19T00:00:00Z"
    assert limits["day"].used == sum(day.used for day in limits["day"].days)


def test_a_limit_of_yesterday_is_history_today(report_file: ReportFile) -> None:
    day = next(row for row in budgets(report_file).limits if row.rule == "day")
    assert (day.day, day.used) == ("2026-11-21", 0)
    assert [(one.day, one.used) for one in day.days] == [("2026-11-18", 9)]


def test_a_plan_shows_what_its_sends_must_pass(report_file: ReportFile) -> None:
    assert [row.rule for row in budgets(report_file, "notice").limits] == ["day"]
    assert [row.rule for row in budgets(report_file, "welcome").limits] == ["day", "plan/daily_sends"]
    with pytest.raises(Refused, match="nothing"):
        budgets(report_file, "nothing")


def test_a_file_without_plans_has_the_limits_of_its_policy(tmp_path: Path) -> None:
    engine = Engine.create(tmp_path / "x.db", simulated=True, start=START)
    assert [row.rule for row in budgets(ReportFile(engine.path, {})).limits] == ["daily-limit"]
