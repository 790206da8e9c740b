"""What becomes of a send: accepted, rejected and tried again, or unknown until something certain is known."""

from __future__ import annotations

import pytest
from kernel_builder import (
    DAY_S,
    HOUR_S,
    MINUTE_S,
    Story,
    branch,
    call,
    email,
    end,
    leave,
    plan_of,
    policy_of,
    recover,
    wait,
)

from dee_appliance.kernel.e1 import plan as plans
from dee_appliance.kernel.e1 import policy as policies
from dee_appliance.kernel.e1.input import EVENTS
from dee_appliance.kernel.e1.steps import backoff_due

BUDGET = policy_of(
    policies.DailyLimitRule(id="daily", limit=10),
    policies.BudgetRule(id="budget", limit_micros=10_000, currency="USD"),
)
DAY = "2026-11-18"


def at(*steps: plans.Step, policy: policies.Policy = BUDGET, **head: object) -> Story:
    """A contact at the first of these steps, under a limit and a budget."""
    story = Story(plan_of(*steps, **head), policy=policy)
    story.enroll()
    return story


def unknown(story: Story, channel: plans.Channel = "email") -> plans.Channel:
    """Let the send leave and its outcome stay unknown."""
    story.answer(story.sent(channel), "unknown", code="timeout")
    return channel


# -- recovery ------------------------------------------------------------------------------------------------------------


def test_a_transient_rejection_is_tried_again_after_the_plans_pause_until_the_attempts_are_used_up() -> None:
    policy = recover("transient", attempts=3, backoff_s=(MINUTE_S, HOUR_S))
    with at(email(recover=policy)) as story:
        pauses = []
        for attempt in (1, 2):
            permit = story.sent()
            assert permit.attempt == attempt
            story.answer(permit, "rejected", "transient")
            due = story.run().due
            assert story.status() == "WAITING(rejected_transient)"
            assert due is not None
            assert story.detail("send_email")["retry"] == due
            pauses.append(due - story.tick)
            story.at(due)
        assert MINUTE_S <= pauses[0] <= MINUTE_S + 6
        assert HOUR_S <= pauses[1] <= HOUR_S + 360
        story.answer(story.sent(), "rejected", "transient")
        assert story.status() == "FAILED(rejected_transient)"
        assert story.log() == [
            "- enroll enrolled",
            "mail send_email dispatched",
            "mail send_email rejected",
            "mail send_email dispatched",
            "mail send_email rejected",
            "mail send_email dispatched",
            "mail send_email rejected",
        ]


def test_the_last_pause_repeats_and_none_means_at_once() -> None:
    with at(email()) as story:
        run = story.run()
        assert backoff_due(run, 1, (), 1_000) == 1_000
        for attempt in (2, 3, 9):
            assert 1_100 <= backoff_due(run, attempt, (5, 100), 1_000) <= 1_110


def test_jitter_is_the_same_on_every_machine_and_differs_from_attempt_to_attempt() -> None:
    with at(email()) as story:
        run = story.run()
        drawn = [backoff_due(run, attempt, (HOUR_S,), 0) - HOUR_S for attempt in range(1, 6)]
    assert drawn == [64, 161, 262, 167, 173]


@pytest.mark.parametrize("kind", ["permanent", "config", "none"])
def test_a_rejection_that_the_plan_does_not_recover_from_fails_the_run(kind: str) -> None:
    with at(email(recover=recover("transient"))) as story:
        story.answer(story.sent(), "rejected", kind)  # type: ignore[arg-type]
        assert story.status() == f"FAILED(rejected_{kind})"


def test_the_rejected_target_is_taken_when_nothing_more_can_help() -> None:
    steps = (email(recover=recover("transient"), on={"rejected": "lost"}), end("lost", "lost"))
    with at(*steps) as story:
        story.answer(story.sent(), "rejected", "permanent")
        assert story.status() == "COMPLETED(lost)"


def test_a_config_error_never_takes_the_plans_way_out() -> None:
    with at(email(on={"rejected": "lost"}), end("lost", "lost")) as story:
        story.answer(story.sent(), "rejected", "config")
        assert story.status() == "FAILED(rejected_config)"


def test_a_rejection_gives_everything_back_that_was_reserved() -> None:
    with at(email()) as story:
        permit = story.sent()
        assert (story.counter("budget"), story.counter("daily", DAY)) == ((0, 100), (1, 0))
        story.answer(permit, "rejected", "permanent")
        assert (story.counter("budget"), story.counter("daily", DAY)) == ((0, 0), (0, 0))


def test_a_rejection_gives_back_to_the_day_it_was_taken_from() -> None:
    with at(email()) as story:
        permit = story.sent()
        story.later(DAY_S)
        story.answer(permit, "rejected", "permanent")
        assert (story.counter("daily", DAY), story.counter("daily", "2026-11-19")) == ((0, 0), (0, 0))


def test_an_accepted_send_turns_its_reservation_into_what_it_cost() -> None:
    for cost, settled in ((None, 100), (40, 40), (0, 0)):
        with at(email()) as story:
            story.answer(story.sent(), cost_micros=cost)
            assert story.counter("budget") == (settled, 0)


def test_a_cost_above_the_estimate_counts_at_once_and_says_so() -> None:
    with at(email()) as story:
        story.answer(story.sent(), cost_micros=250)
        assert story.counter("budget") == (250, 0)
        assert story.last()["core"]["action"] == "end"
        assert story.last("send_email")["evidence"]["above_estimate_micros"] == 150


def test_a_negative_cost_is_no_way_to_make_a_budget_larger() -> None:
    with at(email()) as story:
        story.answer(story.sent(), cost_micros=-5_000)
        assert story.counter("budget") == (100, 0)


# -- the unknown ---------------------------------------------------------------------------------------------------------


def test_an_unknown_outcome_stops_the_run_spends_the_counters_and_is_never_sent_again() -> None:
    with at(email(recover=recover("transient", "permanent", attempts=9))) as story:
        unknown(story)
        assert (story.status(), story.attempt().state) == ("FAILED(outcome_unknown)", "UNKNOWN")
        assert (story.counter("budget"), story.counter("daily", DAY)) == ((0, 100), (1, 0))
        story.later(30 * DAY_S)
        assert story.pull() == []
        assert story.verb("retry") == "rejected:outcome_unknown"


@pytest.mark.parametrize("name", [name for name in EVENTS if name.startswith("email.")])
def test_any_later_word_of_the_provider_proves_that_it_had_the_message(name: str) -> None:
    with at(email(following="wait"), wait(for_s=DAY_S)) as story:
        permit = story.sent()
        story.answer(permit, "unknown")
        story.event(name, permit)
        assert (story.status(), story.attempt().state) == ("FAILED(confirmed)", "ACCEPTED")
        assert story.counter("budget") == (100, 0)
        assert story.verb("resume") == "done"
        assert story.status() == "WAITING(wait)"


def test_a_plan_that_recovers_on_confirmed_goes_on_by_itself() -> None:
    with at(email(following="wait", recover=recover("confirmed")), wait(for_s=DAY_S)) as story:
        permit = story.sent()
        story.answer(permit, "unknown")
        story.event("email.delivered", permit)
        assert (story.status(), story.attempt().state) == ("WAITING(wait)", "ACCEPTED")
        assert story.log()[-2:] == ["mail event email.delivered", "mail send_email confirmed"]


def test_the_first_certain_fact_wins_and_later_answers_are_evidence() -> None:
    with at(email(following="wait"), wait(for_s=DAY_S)) as story:
        permit = story.sent()
        story.answer(permit)
        for outcome in ("rejected", "unknown"):
            story.answer(permit, outcome, cost_micros=9_000)
            assert story.log()[-1] == "wait answer late"
        assert (story.status(), story.attempt().state, story.counter("budget")) == (
            "WAITING(wait)",
            "ACCEPTED",
            (100, 0),
        )


def test_what_a_send_turns_out_to_have_cost_counts_at_once_and_once() -> None:
    with at(email(following="wait"), wait(for_s=DAY_S)) as story:
        permit = story.sent()
        story.answer(permit)
        for _ in range(2):
            story.answer(permit, "accepted", cost_micros=9_000)
            assert story.counter("budget") == (9_000, 0)
        assert story.bodies()[-1]["evidence"]["above_estimate_micros"] == 8_900


def test_what_an_abandoned_or_refused_send_has_cost_all_the_same_counts() -> None:
    for choice, settled in (("abandoned", (70, 0)), ("not-delivered", (70, 0))):
        with at(email()) as story:
            permit = story.sent()
            story.answer(permit, "unknown")
            story.verb("resolve", choice=choice)
            story.answer(permit, "accepted", cost_micros=70)
            assert story.counter("budget") == settled


def test_an_answer_that_comes_after_all_makes_the_unknown_known() -> None:
    with at(email(following="wait"), wait(for_s=DAY_S)) as story:
        permit = story.sent()
        story.answer(permit, "unknown")
        story.answer(permit, "accepted", cost_micros=60)
        assert (story.status(), story.attempt().state) == ("FAILED(confirmed)", "ACCEPTED")
        assert story.counter("budget") == (60, 0)
    with at(email()) as story:
        permit = story.sent()
        story.answer(permit, "unknown")
        story.answer(permit, "rejected", "permanent")
        assert (story.status(), story.attempt().state) == ("FAILED(not_sent)", "NOT_SENT")
        assert story.counter("budget") == (0, 0)
        story.answer(permit, "accepted")
        assert story.attempt().state == "NOT_SENT"


def test_a_word_of_the_provider_that_outran_its_answer_settles_an_unknown_answer() -> None:
    with at(email(following="wait"), wait(for_s=DAY_S)) as story:
        permit = story.sent()
        story.event("email.delivered", permit)
        assert (story.status(), story.attempt().state) == ("ACTIVE(flight)", "DISPATCHING")
        story.answer(permit, "unknown", code="crash")
        assert story.status() == "WAITING(wait)"
        assert story.counter("budget") == (100, 0)


def test_a_word_about_an_earlier_attempt_proves_nothing_about_the_one_sent_again() -> None:
    with at(email()) as story:
        first = story.sent()
        story.answer(first, "unknown")
        story.verb("resolve", "resend")
        second = story.sent()
        story.event("email.delivered", first)
        story.answer(second, "unknown")
        assert story.status() == "FAILED(outcome_unknown)"


def test_an_unknown_outcome_that_is_confirmed_after_the_run_has_ended_is_settled_all_the_same() -> None:
    with at(email()) as story:
        permit = story.sent()
        story.verb("cancel")
        story.answer(permit, "unknown")
        story.event("email.delivered", permit)
        assert (story.status(), story.attempt().state) == ("CANCELLED(operator)", "ACCEPTED")
        assert story.counter("budget") == (100, 0)


# -- resolve -------------------------------------------------------------------------------------------------------------


def test_resolved_as_delivered_the_run_goes_on_with_resume() -> None:
    with at(email(following="wait"), wait(for_s=DAY_S)) as story:
        unknown(story)
        story.verb("resolve", "delivered")
        assert (story.status(), story.attempt().state, story.counter("budget")) == (
            "FAILED(confirmed)",
            "ACCEPTED",
            (100, 0),
        )
        story.verb("resume")
        assert story.status() == "WAITING(wait)"


def test_resolved_as_not_delivered_everything_is_given_back_and_retry_sends_it() -> None:
    with at(email()) as story:
        unknown(story)
        story.verb("resolve", "not-delivered")
        assert (story.status(), story.attempt().state) == ("FAILED(not_sent)", "NOT_SENT")
        assert (story.counter("budget"), story.counter("daily", DAY)) == ((0, 0), (0, 0))
        assert story.verb("resume") == "rejected:not_confirmed"
        story.verb("retry")
        permit = story.sent()
        assert (permit.attempt, permit.resends) == (2, 0)


def test_resolved_as_resend_it_goes_through_the_gate_again_under_a_new_ordinal() -> None:
    with at(email()) as story:
        unknown(story)
        key = story.attempt().send_key
        story.verb("resolve", "resend")
        assert story.status() == "ACTIVE(queue)"
        assert story.counter("budget") == (0, 100)
        permit = story.sent()
        assert (permit.send_key, permit.attempt, permit.resends) == (key, 2, 1)
        assert story.counter("budget") == (0, 200)


def test_a_resend_that_is_tried_again_keeps_its_ordinal() -> None:
    with at(email(recover=recover("transient", attempts=9, backoff_s=()))) as story:
        unknown(story)
        story.verb("resolve", "resend")
        story.answer(story.sent(), "rejected", "transient")
        story.later(0)
        permit = story.sent()
        assert (permit.attempt, permit.resends) == (3, 1)
        story.answer(permit, "rejected", "config")
        story.verb("retry")
        assert story.sent().resends == 1


def test_an_abandoned_send_is_never_sent_again() -> None:
    with at(email(skippable=True)) as story:
        unknown(story)
        story.verb("resolve", "abandoned")
        assert (story.status(), story.attempt().state) == ("FAILED(abandoned)", "ABANDONED")
        assert story.counter("budget") == (0, 100)
        assert story.verb("retry") == "rejected:abandoned"
        assert story.verb("resume") == "rejected:not_confirmed"
        assert story.verb("skip") == "done"
        assert story.status() == "COMPLETED(done)"


def test_only_an_unknown_outcome_is_resolved_and_only_with_a_choice() -> None:
    with at(email()) as story:
        assert story.verb("resolve", "delivered") == "rejected:illegal_status"
        permit = story.sent()
        story.answer(permit, "rejected", "permanent")
        assert story.verb("resolve", "delivered") == "rejected:nothing_to_resolve"
    with at(email()) as story:
        unknown(story)
        assert story.verb("resolve") == "rejected:no_choice"
        assert story.status() == "FAILED(outcome_unknown)"


def test_a_refusal_after_a_word_of_the_provider_is_not_tried_again() -> None:
    """The first certain fact wins: a retry could be the second message."""
    with at(email(recover=recover("transient", attempts=3))) as story:
        permit = story.sent()
        story.event("email.delivered", permit)
        story.answer(permit, "rejected", "transient")
        assert (story.status(), story.attempt().state) == ("COMPLETED(done)", "ACCEPTED")
        assert story.counter("budget") == (100, 0)
        story.later(DAY_S)
        assert story.pull() == []


@pytest.mark.parametrize(
    ("choice", "state", "spent"),
    [("delivered", "ACCEPTED", (100, 0)), ("not-delivered", "NOT_SENT", (0, 0)), ("abandoned", "ABANDONED", (0, 100))],
)
def test_what_became_of_the_last_send_of_a_run_that_has_ended_can_still_be_told(
    choice: str, state: str, spent: tuple[int, int]
) -> None:
    with at(email(), exits=(leave("replied()"),)) as story:
        permit = story.sent()
        story.event("email.replied")
        story.answer(permit, "unknown", code="crash")
        assert (story.status(), story.attempt().state) == ("COMPLETED(left)", "UNKNOWN")
        assert story.verb("resolve") == "rejected:no_choice"
        assert story.verb("resolve", "resend") == "rejected:illegal_status"
        assert story.verb("resolve", choice) == "done"
        assert (story.status(), story.attempt().state) == ("COMPLETED(left)", state)
        assert story.counter("budget") == spent
        assert story.verb("resolve", choice) == "rejected:illegal_status"
        assert story.pull() == []


# -- calls ---------------------------------------------------------------------------------------------------------------

TALK = (call(on={"answered": "talked", "voicemail": "again"}, max_duration_s=60, ring_s=30), end("talked", "talked"))
AGAIN = end("again", "call_again")


@pytest.mark.parametrize(
    ("outcome", "ended"),
    [
        ("answered", "talked"),
        ("voicemail", "call_again"),
        ("declined", "done"),
        ("no_answer", "done"),
        ("busy", "done"),
        ("failed", "done"),
    ],
)
def test_a_call_goes_where_its_outcome_says(outcome: str, ended: str) -> None:
    with at(*TALK, AGAIN) as story:
        permit = story.sent("voice")
        story.answer(permit)
        assert (story.status(), story.run().due) == ("ACTIVE(call)", story.tick + 90)
        story.event("call.ringing", permit)
        assert story.status() == "ACTIVE(call)"
        story.event(f"call.{outcome}", permit, cost_micros=7)
        assert story.status() == f"COMPLETED({ended})"
        assert story.counter("budget") == (7, 0)


def test_a_call_reserves_its_longest_duration_in_started_minutes() -> None:
    with at(call(max_duration_s=61)) as story:
        story.sent("voice")
        assert story.counter("budget") == (0, 40)


def test_a_call_without_an_outcome_is_unknown_at_its_deadline() -> None:
    with at(*TALK, AGAIN) as story:
        permit = story.sent("voice")
        story.answer(permit)
        story.later(89)
        assert story.status() == "ACTIVE(call)"
        story.later(1)
        assert (story.status(), story.attempt().state) == ("FAILED(outcome_unknown)", "UNKNOWN")
        assert story.detail("call")["cause"] == "deadline"


def test_the_outcome_of_a_call_may_come_before_the_answer_that_it_was_taken() -> None:
    with at(*TALK, AGAIN) as story:
        permit = story.sent("voice")
        story.event("call.answered", permit)
        assert story.status() == "COMPLETED(talked)"
        story.answer(permit)
        assert story.log()[-1] == "talked answer late"


def test_an_outcome_after_the_deadline_confirms_the_call_and_is_where_resume_goes_on() -> None:
    with at(*TALK, AGAIN) as story:
        permit = story.sent("voice")
        story.answer(permit)
        story.downtime(HOUR_S)
        story.event("call.answered", permit)
        assert (story.status(), story.attempt().state) == ("FAILED(confirmed)", "ACCEPTED")
        story.verb("resume")
        assert story.status() == "COMPLETED(talked)"


def test_an_outcome_that_comes_in_late_after_a_deadline_that_nobody_saw_pass_confirms_it_too() -> None:
    steps = (call(on={"answered": "talked"}, recover=recover("confirmed"), max_duration_s=60, ring_s=30), TALK[1])
    with at(*steps) as story:
        permit = story.sent("voice")
        story.answer(permit)
        story.tick += HOUR_S  # no clock input before the event: the deadline passes in the same decision
        story.event("call.answered", permit)
        assert story.status() == "COMPLETED(talked)"
        rows = story.journal.database.execute("SELECT mark FROM ledger ORDER BY seq, mark")
        assert [row[0] for row in rows] == ["DISPATCHING", "ACCEPTED", "UNKNOWN"]


@pytest.mark.parametrize("name", ["call.initiated", "call.ringing", "call.completed"])
def test_news_of_a_call_that_is_no_outcome_leaves_an_unknown_call_unknown(name: str) -> None:
    with at(*TALK, AGAIN) as story:
        permit = story.sent("voice")
        story.answer(permit, "unknown")
        story.event(name, permit)
        assert story.status() == "FAILED(outcome_unknown)"
        story.event("call.voicemail", permit)
        story.verb("resume")
        assert story.status() == "COMPLETED(call_again)"


def test_a_call_whose_start_was_heard_of_waits_for_its_outcome_although_the_answer_is_unknown() -> None:
    with at(*TALK, AGAIN) as story:
        permit = story.sent("voice")
        story.event("call.initiated", permit)
        story.answer(permit, "unknown", code="crash")
        assert (story.status(), story.attempt().state) == ("ACTIVE(call)", "ONGOING")
        story.event("call.answered", permit)
        assert story.status() == "COMPLETED(talked)"


def test_the_second_outcome_of_a_call_is_evidence_but_what_it_cost_counts() -> None:
    with at(*TALK, AGAIN) as story:
        permit = story.sent("voice")
        story.event("call.answered", permit)
        story.event("call.busy", permit, cost_micros=900)
        assert story.status() == "COMPLETED(talked)"
        assert story.counter("budget") == (900, 0)


def test_a_branch_reads_the_outcome_of_a_call() -> None:
    steps = (
        call(following="which"),
        branch("which", 'call_outcome("call") == "busy"', "busy", "end"),
        end("busy", "busy"),
    )
    with at(*steps) as story:
        story.event("call.busy", story.sent("voice"))
        assert story.status() == "COMPLETED(busy)"


# -- the breaker ---------------------------------------------------------------------------------------------------------
