"""A run that fails while something of it is still under way: nothing leaves any more, and what has left settles."""

from __future__ import annotations

from kernel_builder import HOUR_S, Story, call, email, end, leave, plan_of, recover

from dee_appliance.kernel.e1 import plan as plans

TIER = {"tier": plans.AttributeDeclaration(kind="enum", values=("gold", "silver"))}
BROKEN = (leave('contact.tier == "gold"'),)
"""An exit that reads an attribute: without it the condition fails, and with it the run."""


def fragile(*steps: plans.Step) -> Story:
    """A contact at the first step of a plan that fails as soon as the contact has no tier any more."""
    story = Story(plan_of(*steps, attributes=TIER, exits=BROKEN), contacts=0)
    story.put(tier="silver")
    story.enroll()
    return story


def test_the_intended_send_of_a_failed_run_is_cancelled_and_never_pulled() -> None:
    with fragile(email()) as story:
        story.put()
        assert story.status() == "FAILED(condition_failed)"
        assert story.attempt().state == "CANCELLED"
        assert story.pull() == []


def test_a_failed_run_whose_send_is_accepted_afterwards_goes_on_with_resume() -> None:
    with fragile(email()) as story:
        permit = story.sent()
        story.put()
        story.answer(permit)
        assert story.status() == "FAILED(condition_failed)"
        story.put(tier="silver")
        assert story.verb("retry") == "rejected:already_accepted"
        assert story.verb("resume") == "done"
        assert story.status() == "COMPLETED(done)"


def test_a_failed_run_whose_send_is_rejected_afterwards_stays_failed_and_can_be_retried() -> None:
    with fragile(email(recover=recover("transient"))) as story:
        permit = story.sent()
        story.put()
        story.answer(permit, "rejected", "transient")
        assert story.status() == "FAILED(condition_failed)"
        story.put(tier="silver")
        assert story.verb("retry") == "done"
        assert (story.attempt().attempt, story.attempt().state) == (2, "INTENDED")


def test_a_failed_run_whose_send_has_an_unknown_outcome_says_so() -> None:
    with fragile(email()) as story:
        permit = story.sent()
        story.put()
        story.answer(permit, "unknown")
        assert story.status() == "FAILED(outcome_unknown)"
        story.put(tier="silver")
        assert story.verb("retry") == "rejected:outcome_unknown"
        assert story.verb("resolve", "not-delivered") == "done"


def test_a_send_in_flight_is_not_retried_beside_itself() -> None:
    with fragile(email()) as story:
        story.sent()
        story.put()
        assert story.verb("retry") == "rejected:in_flight"
        assert story.attempt().attempt == 1


def test_a_call_in_progress_keeps_its_deadline_when_its_run_fails() -> None:
    with fragile(call(max_duration_s=60, ring_s=30)) as story:
        story.answer(story.sent("voice"))
        story.put()
        assert (story.status(), story.attempt().state) == ("FAILED(condition_failed)", "ONGOING")
        story.later(HOUR_S)
        assert (story.status(), story.attempt().state) == ("FAILED(outcome_unknown)", "UNKNOWN")
        assert story.journal.state.next_due() is None


def test_a_call_taken_after_its_run_has_failed_has_a_deadline_too() -> None:
    with fragile(call(max_duration_s=60, ring_s=30)) as story:
        permit = story.sent("voice")
        story.put()
        story.answer(permit)
        story.later(90)
        assert (story.status(), story.attempt().state) == ("FAILED(outcome_unknown)", "UNKNOWN")


def test_the_outcome_of_a_call_that_ends_after_its_run_has_failed_is_where_resume_goes_on() -> None:
    with fragile(call(on={"answered": "talked"}), end("talked", "talked")) as story:
        permit = story.sent("voice")
        story.answer(permit)
        story.put()
        story.event("call.answered", permit)
        story.put(tier="silver")
        assert story.verb("resume") == "done"
        assert story.status() == "COMPLETED(talked)"


def test_a_run_that_failed_before_its_start_keeps_the_start_when_it_is_retried() -> None:
    with Story(plan_of(email(), attributes=TIER, exits=BROKEN), contacts=0) as story:
        story.put(tier="silver")
        story.enroll(start=story.tick + HOUR_S)
        story.put()
        story.put(tier="silver")
        assert story.status() == "FAILED(condition_failed)"
        story.verb("retry")
        assert (story.status(), story.run().due) == ("PENDING(start)", story.tick + HOUR_S)
        story.verb("cancel")
    with Story(plan_of(email(), attributes=TIER, exits=BROKEN), contacts=0) as story:
        story.put(tier="silver")
        story.enroll(start=story.tick + HOUR_S)
        story.put()
        story.put(tier="silver")
        story.later(HOUR_S)
        story.verb("retry")
        assert story.status() == "ACTIVE(queue)"
