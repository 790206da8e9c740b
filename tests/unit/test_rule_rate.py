"""Rates: so many in any span of so many seconds, half open; a certain failure gives its place back."""

from __future__ import annotations

from typing import Any

import pytest
from gate_questions import question, said, verdict
from kernel_builder import Story, email, plan_of, policy_of, queued, text

from dee_appliance.kernel.e1 import policy as policies

NOON = 1_777_910_400


def rate(limit: int, seconds: int = 10, **more: Any) -> policies.RateRule:
    return policies.RateRule(id="rate", limit=limit, seconds=seconds, **more)


@pytest.mark.parametrize(
    ("recent", "wait_s"),
    [
        ((), 0),
        (((NOON, 1),), 0),
        (((NOON, 2),), 10),
        (((NOON - 9, 2),), 1),
        (((NOON - 10, 2),), 0),
        (((NOON - 9, 1), (NOON, 1)), 1),
        (((NOON - 10, 1), (NOON - 9, 1)), 0),
        (((NOON - 5, 3),), 5),
        (((NOON - 9, 2), (NOON - 2, 1)), 1),
        (((NOON - 9, 2), (NOON - 2, 2)), 8),
        (((NOON - 9, 1), (NOON - 2, 2)), 8),
        (((NOON - 3, -1), (NOON - 2, 2)), 8),
    ],
)
def test_the_queue_waits_until_enough_have_left_the_span(recent: tuple[tuple[int, int], ...], wait_s: int) -> None:
    one = question(NOON, rate(2), recent={"rate/rate": recent})
    assert verdict(one) == (said(NOON + wait_s) if wait_s else "allow")
    if wait_s:
        assert verdict(question(NOON + wait_s, rate(2), recent={"rate/rate": recent})) == "allow"
        assert verdict(question(NOON + wait_s - 1, rate(2), recent={"rate/rate": recent})) != "allow"


def test_so_many_leave_in_every_span_and_no_more() -> None:
    with queued(plan_of(email()), policy=policy_of(rate(3, 60)), contacts=10) as story:
        left: list[int] = []
        while len(left) < 10:
            left += [story.tick] * len(story.pull())
            story.later(7)
        for tick in left:
            assert sum(tick - 60 < one <= tick for one in left) <= 3
        assert left[-1] - left[0] < 4 * 67


def test_one_entry_stops_the_queue_and_its_time_lets_it_go() -> None:
    with queued(plan_of(email()), policy=policy_of(rate(2)), contacts=5) as story:
        assert len(story.pull()) == 2
        assert story.holds() == [("*", "rate")]
        assert story.log(None).count("- hold rate") == 1
        story.later(9)
        assert story.pull() == []
        story.later(1)
        assert len(story.pull()) == 2


def test_a_rejection_gives_its_place_back_and_an_unknown_outcome_does_not() -> None:
    for outcome, kind, places in (("rejected", "permanent", 1), ("unknown", "none", 0), ("accepted", "none", 0)):
        with queued(plan_of(email()), policy=policy_of(rate(1)), contacts=2) as story:
            (permit,) = story.pull(places=1)
            story.later(1)
            story.answer(permit, outcome, kind)  # type: ignore[arg-type]
            assert len(story.pull()) == places


def test_what_comes_back_after_the_span_gives_nothing_to_a_later_one() -> None:
    with queued(plan_of(email()), policy=policy_of(rate(1)), contacts=3) as story:
        (first,) = story.pull(places=1)
        story.later(10)
        assert len(story.pull()) == 1
        story.answer(first, "rejected", "permanent")
        assert story.pull() == []


def test_the_channels_of_a_rate_by_channel_do_not_wait_for_each_other() -> None:
    with queued(
        plan_of(email()), plan_of(text(), plan="text"), policy=policy_of(rate(1, scope="channel")), contacts=2
    ) as story:
        assert [len(story.pull("email")), len(story.pull("sms"))] == [1, 1]
        assert story.holds() == [("channel:email", "rate"), ("channel:sms", "rate")]


def test_a_file_that_is_opened_anew_remembers_the_span() -> None:
    with queued(plan_of(email()), policy=policy_of(rate(2)), contacts=5) as story:
        story.pull(places=2)
        story.journal.reload()
        story.later(5)
        assert story.pull() == []
        assert story.last("hold")["core"]["detail"]["until"] == story.tick + 5


def test_a_second_rule_that_looks_further_back_has_counted_for_itself() -> None:
    rules = (rate(2, 1), policies.RateRule(id="hourly", limit=3, seconds=3_600))
    with Story(plan_of(email()), policy=policy_of(*rules), contacts=6) as story:
        for number in range(6):
            story.enroll(number)
        assert len(story.pull()) == 2
        story.later(1)
        assert len(story.pull()) == 1
        assert story.holds() == [("*", "hourly")]
