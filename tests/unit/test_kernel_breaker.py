"""A channel whose adapter fails again and again is held for a while, with one entry, and no other channel with it."""

from __future__ import annotations

from kernel_builder import Story, call, email, plan_of, policy_of

from dee_appliance.kernel.e1 import plan as plans
from dee_appliance.kernel.e1 import policy as policies

BUDGET = policy_of(
    policies.DailyLimitRule(id="daily", limit=10),
    policies.BudgetRule(id="budget", limit_micros=10_000, currency="USD"),
)


def at(*steps: plans.Step, policy: policies.Policy = BUDGET, **head: object) -> Story:
    """A contact at the first of these steps, under a limit and a budget."""
    story = Story(plan_of(*steps, **head), policy=policy)
    story.enroll()
    return story


def many(count: int = 8) -> Story:
    """So many contacts, each with an e-mail in the queue."""
    story = Story(plan_of(email()), contacts=count)
    for number in range(count):
        story.enroll(number)
    return story


def fail_all(story: Story, count: int) -> None:
    for permit in story.pull(places=count):
        story.answer(permit, "rejected", "transient")


def test_the_same_trouble_five_times_in_a_row_holds_the_channel_for_a_while() -> None:
    with many() as story:
        fail_all(story, 4)
        assert story.holds() == []
        fail_all(story, 1)
        assert story.holds() == [("channel:email", "channel_unavailable")]
        assert story.last("hold")["core"]["detail"] == {
            "failures": 5,
            "scope": "channel:email",
            "until": story.tick + 300,
        }
        assert story.pull() == []
        story.later(300)
        assert story.holds() == []
        assert len(story.pull()) == 3


def test_an_open_breaker_is_half_open_afterwards_one_failure_opens_it_and_one_success_closes_it() -> None:
    with many(9) as story:
        fail_all(story, 5)
        story.later(300)
        fail_all(story, 1)
        assert story.holds() == [("channel:email", "channel_unavailable")]
        story.later(300)
        story.answer(story.pull(places=1)[0])
        fail_all(story, 2)
        assert story.holds() == []


def test_what_was_in_flight_when_the_breaker_opened_neither_holds_it_again_nor_writes_an_entry() -> None:
    with many(8) as story:
        permits = story.pull()
        for permit in permits[:5]:
            story.answer(permit, "unknown")
        story.later(100)
        for permit in permits[5:]:
            story.answer(permit, "unknown")
        assert len([line for line in story.log(None) if line == "- hold channel_unavailable"]) == 1
        story.later(200)
        assert story.holds() == []


def test_a_refusal_of_one_contact_says_nothing_about_the_channel() -> None:
    with many(9) as story:
        fail_all(story, 4)
        story.answer(story.pull(places=1)[0], "rejected", "permanent")
        fail_all(story, 4)
        assert story.holds() == []


def test_a_crash_of_this_process_says_nothing_about_the_channel() -> None:
    with many(8) as story:
        for permit in story.pull():
            story.answer(permit, "unknown", code="crash")
        assert story.holds() == []


def test_one_channels_breaker_stops_no_other_channel() -> None:
    with Story(plan_of(email()), plan_of(call(), plan="ring"), contacts=6) as story:
        for number in range(6):
            story.enroll(number)
            story.enroll(number, "ring")
        fail_all(story, 5)
        assert story.pull() == []
        assert len(story.pull("voice")) == 6


def test_the_breakers_threshold_and_pause_are_settings() -> None:
    with many(3) as story:
        story.setting("breaker.threshold", 2)
        story.setting("breaker.pause_s", 7)
        fail_all(story, 2)
        assert story.last("hold")["core"]["detail"]["until"] == story.tick + 7
        story.release("channel:email")
        assert len(story.pull()) == 1
