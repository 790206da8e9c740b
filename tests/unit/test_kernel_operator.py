"""What a person does to a run: pause and resume wherever it stands, cancel, retry, skip."""

from __future__ import annotations

import pytest
from kernel_builder import (
    DAY_S,
    HOUR_S,
    MINUTE_S,
    NO_RULES,
    Story,
    branch,
    call,
    email,
    end,
    hours,
    leave,
    plan_of,
    policy_of,
    recover,
    task,
    wait,
)

from dee_appliance.kernel.e1 import input as inputs
from dee_appliance.kernel.e1 import plan as plans
from dee_appliance.kernel.e1 import policy as policies

NIGHT = policy_of(policies.WindowRule(id="hours", hours=hours()))
"""At the epoch it is six in the morning in New York: a send is held for three hours."""


def at(*steps: plans.Step, policy: policies.Policy = NO_RULES, **head: object) -> Story:
    """A contact at the first of these steps."""
    story = Story(plan_of(*steps, **head), policy=policy)
    story.enroll()
    return story


# -- pause and resume ----------------------------------------------------------------------------------------------------


def test_a_pause_takes_a_send_out_of_the_queue_and_resume_puts_it_back() -> None:
    with at(email()) as story:
        story.verb("pause")
        assert (story.status(), story.attempt().state) == ("PAUSED(operator)", "PARKED")
        assert story.pull() == []
        story.later(HOUR_S)
        story.verb("resume")
        assert (story.status(), story.attempt().state) == ("ACTIVE(queue)", "INTENDED")
        assert story.attempt().ready == story.tick
        story.answer(story.sent())
        assert story.status() == "COMPLETED(done)"


def test_a_paused_duration_goes_on_with_what_was_left_of_it() -> None:
    with at(wait(for_s=DAY_S)) as story:
        story.later(HOUR_S)
        story.verb("pause")
        story.later(10 * DAY_S)
        assert story.status() == "PAUSED(operator)"
        story.verb("resume")
        assert story.status() == "WAITING(wait)"
        assert story.run().due == story.tick + 23 * HOUR_S
        story.later(23 * HOUR_S)
        assert story.status() == "COMPLETED(done)"


def test_a_paused_local_time_stays_the_instant_that_it_is() -> None:
    with at(wait(at_s=9 * HOUR_S)) as story:
        due = story.run().due
        story.verb("pause")
        story.later(HOUR_S)
        story.verb("resume")
        assert story.run().due == due
        story.verb("pause")
        story.later(DAY_S)
        story.verb("resume")
        assert (story.status(), story.run().due) == ("WAITING(wait)", story.tick)
        story.later(0)
        assert story.status() == "COMPLETED(done)"


def test_what_a_wait_is_for_may_happen_during_a_pause() -> None:
    plan = (email(following="wait"), wait(for_s=DAY_S, until='replied("mail")', then="won"), end("won", "replied"))
    with at(*plan) as story:
        permit = story.sent()
        story.answer(permit)
        story.verb("pause")
        story.event("email.replied", permit)
        assert story.status() == "PAUSED(operator)"
        story.verb("resume")
        assert story.status() == "COMPLETED(replied)"


def test_a_paused_task_cannot_be_done_and_keeps_its_time() -> None:
    with at(task(timeout_s=DAY_S)) as story:
        story.later(HOUR_S)
        story.verb("pause")
        assert story.admit(inputs.TaskDone(run=story.run().run, outcome="yes")) == "rejected:no_task"
        story.later(DAY_S)
        story.verb("resume")
        assert (story.status(), story.run().due) == ("WAITING(task)", story.tick + 23 * HOUR_S)
        assert story.admit(inputs.TaskDone(run=story.run().run, outcome="yes")) == "done"


def test_a_paused_start_keeps_its_delay() -> None:
    with Story(plan_of(email())) as story:
        story.enroll(start=story.tick + DAY_S)
        story.later(HOUR_S)
        story.verb("pause")
        story.later(2 * DAY_S)
        assert story.status() == "PAUSED(operator)"
        story.verb("resume")
        assert (story.status(), story.run().due) == ("PENDING(start)", story.tick + 23 * HOUR_S)
        story.later(23 * HOUR_S)
        assert story.status() == "ACTIVE(queue)"


def test_a_pause_before_the_next_attempt_keeps_its_rest() -> None:
    with at(email(recover=recover("transient", backoff_s=(HOUR_S,)))) as story:
        story.answer(story.sent(), "rejected", "transient")
        due = story.run().due
        assert due is not None
        story.later(MINUTE_S)
        story.verb("pause")
        story.later(DAY_S)
        story.verb("resume")
        assert (story.status(), story.run().due) == ("WAITING(backoff)", due + DAY_S)
        story.at(due + DAY_S)
        assert (story.attempt().attempt, story.attempt().state) == (2, "INTENDED")


def test_a_pause_in_flight_lets_the_send_settle_and_resume_goes_on_after_it() -> None:
    with at(email(following="wait"), wait(for_s=DAY_S)) as story:
        permit = story.sent()
        story.verb("pause")
        story.answer(permit)
        assert (story.status(), story.attempt().state) == ("PAUSED(operator)", "ACCEPTED")
        assert story.run().step == "mail"
        story.later(DAY_S)
        assert story.run().step == "mail"
        story.verb("resume")
        assert (story.run().step, story.status()) == ("wait", "WAITING(wait)")


def test_a_run_resumed_while_its_send_is_in_flight_takes_the_answer_as_if_never_paused() -> None:
    with at(email()) as story:
        permit = story.sent()
        story.verb("pause")
        story.verb("resume")
        assert story.status() == "ACTIVE(flight)"
        assert story.pull() == []
        story.answer(permit)
        assert story.status() == "COMPLETED(done)"


def test_a_send_rejected_during_a_pause_is_tried_again_after_it() -> None:
    with at(email(recover=recover("transient", backoff_s=(HOUR_S,)))) as story:
        permit = story.sent()
        story.verb("pause")
        story.answer(permit, "rejected", "transient")
        story.later(DAY_S)
        assert story.status() == "PAUSED(operator)"
        story.verb("resume")
        due = story.run().due
        assert story.status() == "WAITING(backoff)"
        assert due is not None
        assert HOUR_S <= due - story.tick <= HOUR_S + HOUR_S // 10
        story.at(due)
        assert story.attempt().attempt == 2


def test_a_send_rejected_for_good_during_a_pause_fails_the_run_at_once() -> None:
    with at(email()) as story:
        permit = story.sent()
        story.verb("pause")
        story.answer(permit, "rejected", "permanent")
        assert story.status() == "FAILED(rejected_permanent)"


def test_the_plans_way_out_of_a_rejection_is_taken_after_the_pause() -> None:
    with at(email(on={"rejected": "lost"}), end("lost", "lost")) as story:
        permit = story.sent()
        story.verb("pause")
        story.answer(permit, "rejected", "permanent")
        assert story.status() == "PAUSED(operator)"
        story.verb("resume")
        assert story.status() == "COMPLETED(lost)"


def test_an_unknown_outcome_during_a_pause_fails_the_run() -> None:
    with at(email()) as story:
        permit = story.sent()
        story.verb("pause")
        story.answer(permit, "unknown")
        assert story.status() == "FAILED(outcome_unknown)"


def test_a_call_taken_during_a_pause_keeps_its_deadline_when_the_run_is_resumed() -> None:
    with at(call(max_duration_s=60, ring_s=30)) as story:
        permit = story.sent("voice")
        story.verb("pause")
        story.answer(permit)
        story.verb("resume")
        assert story.status() == "ACTIVE(call)"
        story.later(HOUR_S)
        assert (story.status(), story.attempt().state) == ("FAILED(outcome_unknown)", "UNKNOWN")


def test_the_deadline_of_a_call_passes_during_a_pause_too() -> None:
    with at(call(max_duration_s=60, ring_s=30)) as story:
        story.answer(story.sent("voice"))
        story.verb("pause")
        story.later(90)
        assert story.status() == "FAILED(outcome_unknown)"


def test_a_call_that_ends_during_a_pause_has_its_outcome_when_the_run_is_resumed() -> None:
    with at(call(on={"answered": "talked"}), end("talked", "talked")) as story:
        permit = story.sent("voice")
        story.answer(permit)
        story.verb("pause")
        story.event("call.answered", permit)
        assert story.run().due is None
        story.verb("resume")
        assert story.status() == "COMPLETED(talked)"


def test_a_held_send_that_is_paused_asks_the_gate_again_after_the_pause() -> None:
    with at(email(), policy=NIGHT) as story:
        story.pull()
        assert story.status() == "HELD(outside_hours)"
        story.verb("pause")
        story.later(12 * HOUR_S)
        assert story.status() == "PAUSED(operator)"
        story.verb("resume")
        story.pull()
        assert story.status() == "HELD(outside_hours)"


def test_resuming_a_held_run_never_loosens_the_gate() -> None:
    with at(email(), policy=NIGHT) as story:
        story.pull()
        assert story.verb("resume") == "done"
        assert story.status() == "ACTIVE(queue)"
        assert story.pull() == []
        assert story.status() == "HELD(outside_hours)"


def test_exits_count_during_a_pause() -> None:
    with at(email(), exits=(leave("unsubscribed()", "opted_out"),)) as story:
        story.verb("pause")
        story.event("email.unsubscribed")
        assert (story.status(), story.attempt().state) == ("COMPLETED(opted_out)", "CANCELLED")


def test_an_exit_that_has_come_true_with_time_ends_the_run_when_it_is_resumed() -> None:
    with Story(plan_of(wait(for_s=HOUR_S), exits=(leave('!consent("email")', "no_consent"),))) as story:
        story.consent(expires=story.tick + MINUTE_S)
        story.enroll()
        story.verb("pause")
        story.later(MINUTE_S)
        story.verb("resume")
        assert story.status() == "COMPLETED(no_consent)"


# -- cancel --------------------------------------------------------------------------------------------------------------


def test_cancelling_an_intended_send_cancels_it() -> None:
    with at(email()) as story:
        story.verb("cancel")
        assert (story.status(), story.attempt().state) == ("CANCELLED(operator)", "CANCELLED")
        assert story.pull() == []


@pytest.mark.parametrize(
    ("outcome", "state"), [("accepted", "ACCEPTED"), ("rejected", "REJECTED"), ("unknown", "UNKNOWN")]
)
def test_a_send_in_flight_settles_after_the_cancel_and_the_run_stays_cancelled(outcome: str, state: str) -> None:
    with at(email(recover=recover("transient"))) as story:
        permit = story.sent()
        story.verb("cancel")
        assert story.attempt().state == "DISPATCHING"
        story.answer(permit, outcome, "transient" if outcome == "rejected" else "none")  # type: ignore[arg-type]
        assert (story.status(), story.attempt().state) == ("CANCELLED(operator)", state)
        assert story.journal.state.next_due() is None
        assert story.log()[-1] == f"mail send_email {outcome}"


def test_a_cancelled_call_still_ends_at_its_deadline() -> None:
    with at(call(max_duration_s=60, ring_s=30)) as story:
        story.answer(story.sent("voice"))
        story.verb("cancel")
        story.later(90)
        assert (story.status(), story.attempt().state) == ("CANCELLED(operator)", "UNKNOWN")


# -- skip ----------------------------------------------------------------------------------------------------------------


def test_only_a_step_that_the_plan_calls_skippable_is_skipped() -> None:
    with at(wait(for_s=DAY_S)) as story:
        assert story.verb("skip") == "rejected:not_skippable"
        assert story.status() == "WAITING(wait)"
    with at(wait(for_s=DAY_S, skippable=True)) as story:
        assert story.verb("skip") == "done"
        assert story.status() == "COMPLETED(done)"


def test_a_skipped_send_never_leaves() -> None:
    with at(email("first", "second", skippable=True), email("second")) as story:
        story.verb("skip")
        assert [permit.step for permit in story.pull()] == ["second"]


def test_a_send_in_flight_cannot_be_skipped() -> None:
    with at(email(skippable=True)) as story:
        permit = story.sent()
        assert story.verb("skip") == "rejected:in_flight"
        story.answer(permit)
        assert story.status() == "COMPLETED(done)"


def test_a_run_that_failed_at_a_skippable_step_goes_on_behind_it() -> None:
    with at(email(following="wait", skippable=True), wait(for_s=DAY_S)) as story:
        story.answer(story.sent(), "rejected", "permanent")
        assert story.verb("skip") == "done"
        assert story.status() == "WAITING(wait)"


def test_an_unknown_outcome_is_not_skipped_but_resolved_or_given_up_first() -> None:
    with at(email(following="wait", skippable=True), wait(for_s=DAY_S)) as story:
        story.answer(story.sent(), "unknown")
        assert story.verb("skip") == "rejected:outcome_unknown"
        story.verb("resolve", "abandoned")
        assert story.verb("skip") == "done"
        assert story.status() == "WAITING(wait)"


def test_a_step_that_several_ways_lead_on_from_cannot_be_skipped() -> None:
    again = plans.Split(
        id="again",
        arms=(plans.Arm(name="on", weight=1, then="again"),),
        max_visits=2,
        skippable=True,
    )
    with at(again) as story:
        assert story.status() == "FAILED(visits_exceeded)"
        assert story.verb("skip") == "rejected:nothing_after"
        assert story.status() == "FAILED(visits_exceeded)"


def test_a_skipped_branch_goes_the_other_way() -> None:
    with at(branch("loop", "true", "loop", "wait", max_visits=2, skippable=True), wait(for_s=DAY_S)) as story:
        assert story.status() == "FAILED(visits_exceeded)"
        assert story.verb("skip") == "done"
        assert story.status() == "WAITING(wait)"


# -- retry ---------------------------------------------------------------------------------------------------------------


def test_a_retry_is_a_new_attempt_of_the_same_send() -> None:
    with at(email()) as story:
        first = story.sent()
        story.answer(first, "rejected", "permanent")
        story.verb("retry")
        second = story.sent()
        assert (second.send_key, second.attempt) == (first.send_key, 2)


def test_a_retry_asks_the_whole_gate_again() -> None:
    policy = policy_of(policies.ConsentRule(id="consent"))
    with at(email(), policy=policy) as story:
        story.pull()
        assert story.status() == "FAILED(denied:no_consent)"
        story.verb("retry")
        assert story.pull() == []
        assert story.status() == "FAILED(denied:no_consent)"
        story.consent()
        story.verb("retry")
        assert len(story.pull()) == 1


def test_a_retried_wait_starts_again_in_the_same_visit() -> None:
    with Story(plan_of(wait(at_s=9 * HOUR_S)), contacts=0) as story:
        story.put(zone=None)
        story.enroll()
        assert story.status() == "FAILED(unknown_zone)"
        assert story.verb("retry") == "done"
        assert story.status() == "FAILED(unknown_zone)"
        story.put(zone="Europe/London")
        assert story.status() == "FAILED(unknown_zone)"
        story.verb("retry")
        assert (story.status(), story.run().visit) == ("WAITING(wait)", 1)


def test_a_retry_is_no_way_round_the_bound_of_a_cycle() -> None:
    loop = (
        email("again", "back", max_visits=2),
        branch("back", "true", "again", "end", max_visits=9, after_visits="end"),
    )
    with at(*loop) as story:
        story.answer(story.sent())
        story.answer(story.sent())
        assert story.status() == "FAILED(visits_exceeded)"
        story.verb("retry")
        assert story.status() == "FAILED(visits_exceeded)"
        assert story.pull() == []


# -- stale sends ---------------------------------------------------------------------------------------------------------


def test_a_stale_send_is_held_for_a_person_and_leaves_when_the_person_says_so() -> None:
    with at(email(send_by_s=HOUR_S)) as story:
        story.later(2 * HOUR_S)
        assert story.pull() == []
        assert story.status() == "HELD(stale)"
        assert story.run().due is None
        story.verb("resume")
        assert len(story.pull()) == 1


def test_a_send_that_a_person_let_go_becomes_stale_again_if_it_waits_as_long() -> None:
    with at(email(send_by_s=HOUR_S)) as story:
        story.later(2 * HOUR_S)
        story.pull()
        story.verb("resume")
        story.later(2 * HOUR_S)
        assert story.pull() == []
        assert story.status() == "HELD(stale)"


def test_a_send_at_its_send_by_is_not_stale() -> None:
    with at(email(send_by_s=HOUR_S)) as story:
        story.later(HOUR_S)
        assert len(story.pull()) == 1


# -- refusals ------------------------------------------------------------------------------------------------------------


def test_a_verb_for_a_run_that_is_not_there_is_refused_and_recorded() -> None:
    with at(email()) as story:
        assert story.admit(inputs.Verb(run="run_none", verb="pause")) == "rejected:unknown_run"
        assert story.last()["core"]["detail"] == {"code": "unknown_run", "run": "run_none"}


def test_a_refused_verb_is_an_entry_of_the_run_and_changes_nothing_else() -> None:
    with at(email()) as story:
        before = story.run()
        assert story.verb("resume") == "rejected:illegal_status"
        after = story.run()
        assert story.log()[-1] == "mail resume rejected"
        assert after.rs == before.rs + 1
        assert after.status == before.status
        assert after.block == before.block


def test_the_entry_of_a_verb_names_who_gave_it_and_the_job_it_belongs_to() -> None:
    with at(email()) as story:
        story.admit(inputs.Verb(run=story.run().run, verb="pause", actor="ana", job="j1"))
        assert story.detail("pause") == {"actor": "ana", "job": "j1", "status": "PAUSED"}
