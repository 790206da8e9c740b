"""A price that is told of a send while its next attempt waits is the price of neither: the new attempt is settled by itself."""

from __future__ import annotations

from kernel_builder import HOUR_S, Story, budget, email, plan_of, policy_of, recover


def test_a_price_that_comes_between_two_attempts_is_not_that_of_the_second() -> None:
    plan = plan_of(email(recover=recover("transient", attempts=2)))
    with Story(plan, policy=policy_of(budget(10_000))) as story:
        story.enroll()
        first = story.sent()
        story.answer(first, "rejected", "transient")
        story.later(HOUR_S)
        assert story.attempt().state == "INTENDED"
        story.event("email.deferred", first, cost_micros=7)
        story.answer(story.sent())
        assert story.counter("budget") == (100, 0)


def test_a_price_that_comes_while_a_send_is_in_flight_is_settled_with_it() -> None:
    with Story(plan_of(email()), policy=policy_of(budget(10_000))) as story:
        story.enroll()
        permit = story.sent()
        story.event("email.deferred", permit, cost_micros=7)
        assert story.counter("budget") == (0, 100)
        story.answer(permit)
        assert story.counter("budget") == (7, 0)
