"""Ratios: so many complaints or abandoned calls in ten thousand, over days of UTC; too many hold the queue until midnight."""

from __future__ import annotations

from typing import Any

import pytest
from gate_questions import at, question, said, verdict
from kernel_builder import DAY_S, EPOCH, Story, call, email, plan_of, policy_of

from dee_appliance.kernel.e1 import plan as plans
from dee_appliance.kernel.e1 import policy as policies
from dee_appliance.kernel.e1.rules.ratio import counters_of

NOON = "2026-05-04T16:00:00Z"
MIDNIGHT = "2026-05-05T00:00:00Z"
COMPLAINTS: dict[str, Any] = {"numerator": ("email.complained",), "denominator": ("email.delivered",)}


def ratio(most: int, **more: Any) -> policies.RatioRule:
    return policies.RatioRule(id="ratio", max_per_10000=most, **{**COMPLAINTS, **more})


def after(rule: policies.RatioRule, above: int, below: int, when: str = NOON) -> str:
    """The verdict when so many of both have been counted."""
    numerator, denominator = counters_of(rule, "plan", at(when))
    counters = {numerator: (above, 0), denominator: (below, 0)}
    return verdict(question(when, rule, channel="email", counters=counters))


@pytest.mark.parametrize(
    ("above", "below", "expected"),
    [
        (0, 0, "allow"),
        (2, 1_000, "allow"),
        (3, 1_000, MIDNIGHT),
        (3, 1_001, "allow"),
        (4, 1_001, MIDNIGHT),
        (1, 1, MIDNIGHT),
        (1, 0, "allow"),
    ],
)
def test_the_maximum_itself_is_too_much(above: int, below: int, expected: str) -> None:
    assert after(ratio(30), above, below) == expected


def test_a_hundred_percent_and_more_can_be_reached() -> None:
    assert after(ratio(10_000), 9, 10) == "allow"
    assert after(ratio(10_000), 10, 10) == MIDNIGHT
    assert after(ratio(10_000), 11, 10) == MIDNIGHT


@pytest.mark.parametrize(("below", "expected"), [(99, "allow"), (100, MIDNIGHT), (101, MIDNIGHT)])
def test_too_few_say_nothing(below: int, expected: str) -> None:
    assert after(ratio(30, min_denominator=100), 50, below) == expected


def test_a_hold_ends_at_midnight_of_utc_whatever_the_hour() -> None:
    for when in ("2026-05-04T00:00:00Z", "2026-05-04T23:59:59Z"):
        assert after(ratio(30), 1, 1, when) == MIDNIGHT
    assert after(ratio(30), 1, 1, MIDNIGHT) == "2026-05-06T00:00:00Z"


# -- as it happens -------------------------------------------------------------------------------------------------------

AGAIN = plans.Enroll(reentry="always")
MIDNIGHT_S = EPOCH - EPOCH % DAY_S + DAY_S


def mailing(rule: policies.RatioRule, contacts: int = 12) -> Story:
    plan = plan_of(email(), enroll=AGAIN)
    return Story(plan, plan_of(email(), plan="other", enroll=AGAIN), policy=policy_of(rule), contacts=contacts)


def delivered(story: Story, number: int, plan: str = "plan") -> Any:
    story.enroll(number, plan)
    permit = story.sent()
    story.answer(permit)
    story.event("email.delivered", permit)
    return permit


def test_complaints_hold_the_queue_with_one_entry_and_midnight_lets_it_go() -> None:
    with mailing(ratio(2_500)) as story:
        permits = [delivered(story, number) for number in range(4)]
        story.event("email.complained", permits[0])
        for number in range(5, 9):
            story.enroll(number)
        assert story.pull() == []
        assert story.holds() == [("*", "ratio")]
        assert story.last("hold")["core"]["detail"]["until"] == MIDNIGHT_S
        assert story.last("hold")["saw"]["ratios"] == [["ratio", 1, 4, said(story.tick)[:10]]]
        assert story.pull() == []
        assert story.log(None).count("- hold ratio") == 1
        story.at(MIDNIGHT_S)
        assert len(story.pull()) == 4


def test_what_happened_so_many_days_ago_is_forgotten() -> None:
    with mailing(ratio(10_000, days=3)) as story:
        permit = delivered(story, 0)
        story.event("email.complained", permit)
        story.enroll(1)
        held = 0
        while not story.pull():
            held += 1
            story.at(story.tick - story.tick % DAY_S + DAY_S)
        assert (held, story.tick) == (3, MIDNIGHT_S + 2 * DAY_S)


def test_the_same_event_of_one_send_counts_once() -> None:
    with mailing(ratio(5_000)) as story:
        permits = [delivered(story, number) for number in range(2)]
        for _ in range(3):
            story.event("email.delivered", permits[0])
            story.event("email.complained", permits[0])
        story.enroll(5)
        story.pull()
        assert story.last("hold")["saw"]["ratios"][0][1:3] == [1, 2]


def test_a_later_visit_of_the_same_step_is_another_send() -> None:
    plan = plan_of(
        email("mail", "again"),
        plans.Split(
            id="again", arms=(plans.Arm(name="more", weight=1, then="mail"),), max_visits=2, after_visits="end"
        ),
    )
    with Story(plan, policy=policy_of(ratio(10_000))) as story:
        story.enroll()
        for _ in range(2):
            permit = story.sent()
            story.answer(permit)
            story.event("email.delivered", permit)
            story.event("email.delivered", permit)
        assert story.counter("tally/email.delivered", said(story.tick)[:10]) == (2, 0)


def test_a_call_that_is_told_to_be_answered_twice_was_answered_once() -> None:
    with Story(plan_of(call())) as story:
        story.enroll()
        permit = story.sent("voice")
        story.answer(permit)
        for _ in range(2):
            story.event("call.answered", permit)
            story.event("call.abandoned", permit)
        today = said(story.tick)[:10]
        assert story.counter("tally/call.answered", today) == (1, 0)
        assert story.counter("tally/call.abandoned", today) == (1, 0)


def test_the_ratio_of_a_plan_stops_no_other_plan() -> None:
    with mailing(ratio(5_000, scope="plan")) as story:
        permit = delivered(story, 0)
        delivered(story, 1, "other")
        story.event("email.complained", permit)
        story.enroll(2)
        story.enroll(3, "other")
        assert len(story.pull()) == 1
        assert story.holds() == [("plan:plan", "ratio")]


def test_a_file_that_is_opened_anew_has_counted_the_same() -> None:
    with mailing(ratio(5_000, days=30)) as story:
        permit = delivered(story, 0)
        story.event("email.complained", permit)
        story.journal.reload()
        story.enroll(2)
        story.pull()
        assert story.holds() == [("*", "ratio")]
