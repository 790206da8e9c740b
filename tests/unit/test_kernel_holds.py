"""A halt, trial mode and a stale queue: what stops sends without any rule of the policy, and touches no run."""

from __future__ import annotations

import pytest
from kernel_builder import (
    DAY_S,
    HOUR_S,
    MINUTE_S,
    Story,
    budget,
    call,
    contact_id,
    daily,
    email,
    plan_of,
    policy_of,
    queued,
    token_of,
    wait,
)

TODAY = "2026-11-18"
EMAIL, OTHER = plan_of(email()), plan_of(email(), plan="other")
RING = plan_of(call(), plan="ring")


@pytest.mark.parametrize(
    ("scope", "sent"), [("*", 0), ("channel:email", 1), ("plan:plan", 2), ("channel:sms", 3), ("plan:nowhere", 3)]
)
def test_a_halt_stops_what_it_names_with_one_entry_and_touches_no_run(scope: str, sent: int) -> None:
    with queued(EMAIL, OTHER, RING, policy=policy_of()) as story:
        runs = [story.run(number) for number in (1, 2, 3)]
        before = len(story.log(None))
        story.hold(scope)
        assert len(story.log(None)) == before + 1
        assert [story.run(number) for number in (1, 2, 3)] == runs
        assert len(story.pull()) + len(story.pull("voice")) == sent
        story.later(30 * DAY_S)
        assert story.release(scope) == "done"
        assert len(story.pull()) + len(story.pull("voice")) == 3 - sent


def test_a_halt_lets_waits_go_on_and_what_is_in_flight_settle() -> None:
    with Story(plan_of(email(following="wait"), wait(for_s=HOUR_S))) as story:
        story.enroll()
        permit = story.sent()
        story.hold()
        story.answer(permit)
        story.later(HOUR_S)
        assert story.status() == "COMPLETED(done)"


def test_releasing_what_is_not_held_is_refused() -> None:
    with queued(EMAIL, policy=policy_of()) as story:
        assert story.release() == "rejected:not_held"
        story.hold("channel:email")
        assert story.release() == "rejected:not_held"


def test_a_release_ends_every_hold_of_its_scope_and_the_gate_holds_again_what_must_be_held() -> None:
    with queued(plan_of(email()), policy=policy_of(daily(1)), contacts=2) as story:
        story.pull()
        story.hold()
        story.release()
        assert story.holds() == []
        assert story.pull() == []
        assert story.holds() == [("*", "daily")]


# -- trial mode ----------------------------------------------------------------------------------------------------------


def test_in_trial_mode_only_guests_get_anything() -> None:
    with queued(EMAIL, policy=policy_of(), contacts=3) as story:
        story.setting("trial", value=True)
        story.setting("trial.guests", [token_of("email", 1)])
        assert [permit.contact for permit in story.pull()] == [contact_id(1)]
        assert story.status(1) == "HELD(not_a_guest)"
        assert story.run(1).due is None
        story.setting("trial", value=False)
        story.verb("resume", run=1)
        assert [permit.contact for permit in story.pull()] == [contact_id(0)]


def test_a_guests_number_is_not_a_guests_mailbox() -> None:
    with queued(EMAIL, RING, policy=policy_of()) as story:
        story.setting("trial", value=True)
        story.setting("trial.guests", [token_of("phone", 0)])
        assert story.pull() == []
        assert len(story.pull("voice")) == 1


# -- send_by -------------------------------------------------------------------------------------------------------------


def test_a_stale_send_reserves_nothing() -> None:
    with queued(plan_of(email(send_by_s=MINUTE_S)), policy=policy_of(daily(5), budget(1_000))) as story:
        story.later(MINUTE_S + 1)
        assert story.pull() == []
        assert story.status() == "HELD(stale)"
        assert (story.counter("daily", TODAY), story.counter("budget")) == ((0, 0), (0, 0))


def test_a_queue_that_was_held_too_long_is_held_as_stale_and_never_bursts() -> None:
    with queued(plan_of(email(send_by_s=HOUR_S)), policy=policy_of(), contacts=5) as story:
        story.hold()
        story.later(DAY_S)
        story.release()
        assert story.pull() == []
        assert [story.status(number) for number in range(1, 6)] == ["HELD(stale)"] * 5
