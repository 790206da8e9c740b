"""Why somebody did or did not get something, whatever names the question."""

from __future__ import annotations

from pathlib import Path

import pytest
from report_files import START, ReportFile, moving_file, report_file, send_key

from dee_appliance import Engine
from dee_appliance.errors import Refused
from dee_appliance.kernel.e1.input import Enroll
from dee_appliance.runtime.reports import LogFilter, RunWhy, Why, log, why
from dee_appliance.store.vault import FILE

__all__ = ["moving_file", "report_file"]


def ask(file: ReportFile, text: str, *, step: str = "", plan: str = "") -> Why:
    with file.engine().view() as view:
        return why(view, text, step=step, plan=plan)


def the_run(found: Why) -> RunWhy:
    assert len(found.runs) == 1
    return found.runs[0]


# -- what can be asked -------------------------------------------------------------------------------------------------


def test_every_name_of_a_contact_gives_the_same_answer(report_file: ReportFile) -> None:
    names = [report_file.contacts["hana"], "Hana@Example.com", "+12065550100", "K-8"]
    answers = [ask(report_file, name) for name in names]
    assert {answer.about for answer in answers} == {"contact"}
    assert all(answer.runs == answers[0].runs for answer in answers)
    assert [run.plan for run in answers[0].runs] == ["welcome@1", "notice@1"]


def test_a_run_gives_that_run_alone(report_file: ReportFile) -> None:
    found = ask(report_file, report_file.run("hana", "notice"))
    assert (found.about, the_run(found).plan, found.contact) == ("run", "notice@1", report_file.contacts["hana"])


@pytest.mark.parametrize("form", ["{key}", "<{key}@example.com>", "{key}@example.com"])
def test_a_message_id_and_a_send_key_give_that_send_alone(report_file: ReportFile, form: str) -> None:
    key = send_key(report_file, "hana")
    found = ask(report_file, form.format(key=key))
    run = the_run(found)
    assert found.about == "send"
    assert [(send.step, send.send) for send in run.sends] == [("hello", key)]
    assert {line.step for line in run.lines} == {"hello"}


def test_a_plan_and_a_step_leave_out_the_rest(report_file: ReportFile) -> None:
    run = the_run(ask(report_file, "K-8", plan="welcome", step="worth"))
    assert [line.text for line in run.lines] == ['contact.tier == "paid" is true → ring']
    assert run.sends == ()


def test_a_step_takes_along_what_came_of_it_later(report_file: ReportFile) -> None:
    run = the_run(ask(report_file, "K-1", step="hello"))
    assert [line.text for line in run.lines][-1] == "email.replied about hello"


def test_a_step_that_was_not_reached_has_no_lines_and_one_that_no_plan_has_is_refused(report_file: ReportFile) -> None:
    assert the_run(ask(report_file, "K-1", step="ring")).lines == ()
    with pytest.raises(Refused, match="no plan of these runs has a step `dial`"):
        ask(report_file, "K-1", step="dial")


@pytest.mark.parametrize("text", ["nobody@example.org", "c_nobody", "+12025550199", "0" * 40, "run_nobody", "K-99"])
def test_a_name_that_nothing_has_is_refused(report_file: ReportFile, text: str) -> None:
    with pytest.raises(Refused):
        ask(report_file, text)


# -- what is answered --------------------------------------------------------------------------------------------------


def test_a_sent_message_is_explained_by_the_whole_ladder_and_the_consent_relied_on(report_file: ReportFile) -> None:
    send = the_run(ask(report_file, "K-1")).sends[0]
    assert (send.outcome, send.mark, send.attempts) == ("accepted", "done", 1)
    assert [(rung.rule, rung.verdict) for rung in send.gate] == [
        ("address", "pass"),
        ("suppression", "pass"),
        ("consent", "pass"),
        ("day", "pass"),
        ("plan/daily_sends", "pass"),
        ("money", "pass"),
        ("send_by", "pass"),
    ]
    assert send.consent is not None
    consent = report_consent(report_file, send.consent.entry)
    assert consent == ("consent", "granted", report_file.contacts["ana"])
    assert send.message_id == f"<{send.send}@example.com>"


def report_consent(file: ReportFile, seq: int) -> tuple[str, str, str | None]:
    with file.engine().view() as view:
        line = next(log(view, LogFilter(first=seq)))
    return line.action, line.outcome, line.contact


def test_a_refused_message_names_the_rule_and_what_is_missing(report_file: ReportFile) -> None:
    found = ask(report_file, "K-5")
    send = the_run(found).sends[0]
    assert (send.outcome, send.mark) == ("denied", "stopped")
    assert [(rung.rule, rung.verdict, rung.values) for rung in send.gate if rung.verdict != "pass"] == [
        ("consent", "deny", "none in force")
    ]
    revoked = [(row.channel, row.granted, row.in_force, row.source) for row in found.consents if not row.in_force]
    assert revoked == [("email", False, False, "letter-7")]


def test_a_missing_address_is_named(report_file: ReportFile) -> None:
    ring = the_run(ask(report_file, "K-9", step="ring")).sends[0]
    assert [rung.values for rung in ring.gate if rung.verdict == "deny"] == ["no phone number"]


def test_a_call_held_for_the_night_says_in_which_zone_it_is_night(report_file: ReportFile) -> None:
    ring = the_run(ask(report_file, "K-8", plan="welcome", step="ring")).sends[0]
    assert (ring.outcome, ring.mark) == ("held", "held")
    held = [rung.values for rung in ring.gate if rung.verdict == "hold"]
    assert "Mon-Sun 08:00-21:00 in America/Los_Angeles (Sat 03:06:40)" in held


def test_the_hand_over_is_told_with_its_answer(report_file: ReportFile) -> None:
    lines = the_run(ask(report_file, "K-4")).lines
    assert [line.outcome for line in lines if line.action == "send_email"] == ["rejected", "accepted"]
    assert [len(line.gate) for line in lines if line.action == "send_email"] == [7, 7]
    used = [rung.values for line in lines for rung in line.gate if rung.rule == "day"]
    # Eight others had been sent to, and what the refused attempt had taken of the day was given back.
    assert used[1] == "8 of 100 on 2026-11-18"


def test_a_hand_over_without_an_answer_stays_in_sight(moving_file: ReportFile) -> None:
    lines = the_run(ask(moving_file, moving_file.run("hana", "phone"))).lines
    assert [(line.outcome, line.mark) for line in lines] == [("ongoing", "done")]
    assert len(lines[0].gate) == 7


def test_an_opt_out_is_told_with_the_suppression_it_made(report_file: ReportFile) -> None:
    found = ask(report_file, "K-6")
    assert [line.text for line in the_run(found).lines][-2:] == [
        "email.unsubscribed about hello",
        "unsubscribed() is true: ends as opted_out",
    ]
    assert sorted((row.address, row.scope, row.reason) for row in found.suppressions) == [
        ("", "channel:email", "unsubscribed"),
        ("fay@example.com", "channel:email", "unsubscribed"),
    ]


def test_a_contact_that_never_entered_is_told_what_was_missing(report_file: ReportFile) -> None:
    found = ask(report_file, "K-10")
    assert found.runs == ()
    assert [(one.plan, one.code, one.at.tick) for one in found.refused] == [("welcome@1", "missing_attribute", 0)]
    assert found.refused[0].text.endswith("still missing: tier")
    assert ask(report_file, "K-10", plan="notice").refused == ()


def test_a_second_enrolment_that_was_refused_is_told_beside_the_first(report_file: ReportFile) -> None:
    found = ask(report_file, "K-1")
    assert [one.code for one in found.refused] == ["already_enrolled"]
    assert the_run(found).status == "COMPLETED"


def test_a_contact_that_somebody_asked_for_and_the_file_never_had_is_explained(tmp_path: Path) -> None:
    engine = Engine.create(tmp_path / "x.db", simulated=True, start=START)
    engine.submit(Enroll(contact="c_never", plan="welcome"))
    with engine.view() as view:
        found = why(view, "c_never")
    assert (found.contact, [(one.code, one.text) for one in found.refused]) == (
        "c_never",
        [("unknown_plan", "there was no plan welcome")],
    )


def test_a_suppressed_address_of_nobody_is_explained(report_file: ReportFile) -> None:
    found = ask(report_file, "Stranger@example.org")
    assert (found.about, found.contact, found.runs) == ("address", "", ())
    assert [(row.kind, row.scope, row.reason, row.address) for row in found.suppressions] == [
        ("address", "*", "do_not_call", "")
    ]


def test_an_erased_contact_is_explained_without_its_data(report_file: ReportFile) -> None:
    found = ask(report_file, report_file.contacts["kim"])
    assert (found.erased, found.name, found.zone) == (True, "", None)
    assert the_run(found).reason == "erased"
    with report_file.engine().view() as view:
        assert view.vault.rows(report_file.contacts["kim"]) == []
        assert view.vault.rows(FILE) != []
