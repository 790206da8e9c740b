"""Money: estimates, periods, settlements above the estimate, costs that are told late, rate cards."""

from __future__ import annotations

import pytest
from kernel_builder import DAY_S, Story, budget, call, email, plan_of, policy_of, text

from dee_appliance.kernel.e1 import plan as plans
from dee_appliance.kernel.e1 import policy as policies
from dee_appliance.kernel.e1.civil_time import parse_utc

CALL_MICROS = 100
"""Five minutes at 20."""


def at(*rules: policies.Rule, step: plans.Step | None = None, contacts: int = 1, **more: object) -> Story:
    """Contacts, each with one intended send."""
    story = Story(plan_of(step or email()), policy=policy_of(*rules, **more), contacts=contacts)
    for number in range(contacts):
        story.enroll(number)
    return story


def wait_until(story: Story, moment: str) -> None:
    story.at(parse_utc(moment))


# -- periods ---------------------------------------------------------------------------------------------------------


def test_a_total_is_never_begun_anew() -> None:
    with at(budget(100), contacts=2) as story:
        story.answer(story.sent())
        story.later(400 * DAY_S)
        assert story.pull() == []
        assert story.counter("budget") == (100, 0)


@pytest.mark.parametrize(
    ("zone", "before", "after", "buckets"),
    [
        ("Etc/UTC", "2026-11-18T23:59:59Z", "2026-11-19T00:00:00Z", ("2026-11-18", "2026-11-19")),
        ("America/New_York", "2026-11-19T04:59:59Z", "2026-11-19T05:00:00Z", ("2026-11-18", "2026-11-19")),
        # New York puts its clocks forward on 2027-03-14: the day has 23 hours and ends at 04:00 UTC.
        ("America/New_York", "2027-03-15T03:59:59Z", "2027-03-15T04:00:00Z", ("2027-03-14", "2027-03-15")),
        ("Asia/Kolkata", "2026-11-18T18:29:59Z", "2026-11-18T18:30:00Z", ("2026-11-18", "2026-11-19")),
    ],
)
def test_a_day_of_a_budget_ends_at_midnight_in_its_zone(
    zone: str, before: str, after: str, buckets: tuple[str, str]
) -> None:
    with at(budget(150, period="day", zone=zone), contacts=3) as story:
        wait_until(story, before)
        assert len(story.pull()) == 1
        wait_until(story, after)
        story.verb("retry", run=2)
        assert len(story.pull()) == 1
        assert [story.counter("budget", bucket) for bucket in buckets] == [(0, 100), (0, 100)]


def test_a_month_of_a_budget_ends_with_the_month_in_its_zone() -> None:
    with at(budget(150, period="month", zone="Pacific/Auckland"), contacts=3) as story:
        wait_until(story, "2026-12-31T10:59:59Z")
        assert len(story.pull()) == 1
        wait_until(story, "2026-12-31T11:00:00Z")
        story.verb("retry", run=2)
        assert len(story.pull()) == 1
        assert (story.counter("budget", "2026-12"), story.counter("budget", "2027-01")) == ((0, 100), (0, 100))


def test_a_cost_belongs_to_the_period_in_which_the_send_left() -> None:
    with at(budget(1_000, period="day")) as story:
        permit = story.sent()
        story.later(2 * DAY_S)
        story.answer(permit, cost_micros=70)
        assert (story.counter("budget", "2026-11-18"), story.counter("budget", "2026-11-20")) == ((70, 0), (0, 0))


@pytest.mark.parametrize(("period", "until"), [("day", "2026-11-19T05:00:00Z"), ("month", "2026-12-01T05:00:00Z")])
def test_a_budget_that_holds_lets_its_queue_wait_for_the_next_period(period: str, until: str) -> None:
    with at(budget(100, period=period, zone="America/New_York", on_fail="hold"), contacts=2) as story:
        story.answer(story.sent())
        assert story.pull() == []
        assert story.holds() == [("*", "budget")]
        assert story.detail("hold") == {"rule": "budget", "scope": "*", "until": parse_utc(until)}
        wait_until(story, until)
        assert len(story.pull()) == 1


@pytest.mark.parametrize(
    "more", [{}, {"period": "day"}, {"on_fail": "hold"}, {"period": "day", "on_fail": "hold", "limit": 99}]
)
def test_what_no_next_period_can_bring_is_denied(more: dict[str, object]) -> None:
    limit = int(str(more.pop("limit", 100)))
    with at(budget(limit, **more), contacts=2) as story:
        story.pull()
        assert story.status(2) == "FAILED(denied:budget)"


# -- never above ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("limit", "passes"), [(299, 2), (300, 3), (301, 3)])
def test_a_send_passes_while_settled_reserved_and_its_estimate_fit(limit: int, passes: int) -> None:
    with at(budget(limit), contacts=4) as story:
        assert len(story.pull()) == passes
        assert story.counter("budget") == (0, 100 * passes)


def test_what_settles_above_its_estimate_counts_at_once_and_stands_in_the_entry() -> None:
    with at(budget(300), contacts=3) as story:
        (first,) = story.pull(places=1)
        story.answer(first, cost_micros=201)
        assert story.counter("budget") == (201, 0)
        assert story.last("send_email")["evidence"]["above_estimate_micros"] == 101
        assert story.pull() == []
        assert story.status(2) == "FAILED(denied:budget)"
        assert story.last("send_email")["saw"]["counters"] == [["budget", "total", 201, 300]]


def test_what_settles_below_its_estimate_makes_room() -> None:
    with at(budget(150), contacts=2) as story:
        (first,) = story.pull(places=1)
        story.answer(first, cost_micros=50)
        assert len(story.pull()) == 1
        assert story.counter("budget") == (50, 100)


def test_a_call_reserves_its_longest_duration_and_settles_what_it_cost() -> None:
    with at(budget(CALL_MICROS), step=call()) as story:
        permit = story.sent("voice")
        assert story.counter("budget") == (0, CALL_MICROS)
        story.answer(permit)
        assert story.counter("budget") == (0, CALL_MICROS)
        story.event("call.answered", permit, cost_micros=40)
        assert story.counter("budget") == (40, 0)


# -- costs that are told late ----------------------------------------------------------------------------------------------


def test_a_cost_that_comes_after_the_outcome_takes_the_place_of_the_estimate_once() -> None:
    with at(budget(1_000), step=call()) as story:
        permit = story.sent("voice")
        story.answer(permit)
        story.event("call.answered", permit)
        assert story.counter("budget") == (CALL_MICROS, 0)
        for cost, counted in ((60, 60), (60, 60), (130, 130), (-1, 130)):
            story.event("call.completed", permit, cost_micros=cost)
            assert story.counter("budget") == (counted, 0)
        above = [body["evidence"].get("above_estimate_micros") for body in story.bodies() if "evidence" in body]
        assert above.count(30) == 1


@pytest.mark.parametrize(
    ("choice", "before", "after"),
    [("delivered", (100, 0), (70, 0)), ("not-delivered", (0, 0), (70, 0)), ("abandoned", (0, 100), (70, 0))],
)
def test_a_cost_that_comes_after_a_person_has_resolved_counts_at_once(
    choice: str, before: tuple[int, int], after: tuple[int, int]
) -> None:
    with at(budget(1_000)) as story:
        permit = story.sent()
        story.answer(permit, "unknown")
        assert story.counter("budget") == (0, 100)
        story.verb("resolve", choice)
        assert story.counter("budget") == before
        for _ in range(2):
            story.answer(permit, cost_micros=70)
            assert story.counter("budget") == after
        assert story.last("answer")["evidence"]["cost_micros"] == 70


def test_a_late_cost_counts_in_every_budget_that_the_send_has_used() -> None:
    both = (budget(1_000), policies.BudgetRule(id="plans", limit_micros=500, currency="USD", scope="plan"))
    with at(*both) as story:
        permit = story.sent()
        story.answer(permit)
        story.event("email.delivered", permit, cost_micros=250)
        assert [story.counter(name) for name in ("budget", "plans:plan")] == [(250, 0), (250, 0)]


# -- rate cards ----------------------------------------------------------------------------------------------------------


def rates(*told: tuple[str, int]) -> tuple[policies.Rate, ...]:
    return tuple(policies.Rate(channel="sms", prefix=prefix, micros=micros) for prefix, micros in told)


@pytest.mark.parametrize(
    ("card", "reserved"),
    [
        ((("", 7), ("+1", 20), ("+1206", 30), ("+12075", 90)), 30),
        ((("+1206", 30), ("+1", 20), ("", 7)), 30),
        ((("", 7), ("+44", 99)), 7),
        ((("+1", 20),), 20),
    ],
)
def test_the_longest_prefix_of_the_number_gives_the_price(card: tuple[tuple[str, int], ...], reserved: int) -> None:
    with at(budget(1_000), step=text(), rates=rates(*card)) as story:
        story.shell.units = 3
        story.sent("sms")
        assert story.counter("budget") == (0, 3 * reserved)


def test_without_a_price_nothing_leaves_on_a_budget() -> None:
    with at(budget(1_000), step=text(), rates=rates(("+44", 1))) as story:
        assert story.pull("sms") == []
        assert story.status() == "FAILED(denied:no_rate)"


def test_a_budget_in_another_currency_than_the_rate_card_lets_nothing_leave() -> None:
    with at(budget(1_000, currency="EUR")) as story:
        assert story.pull() == []
        assert story.status() == "FAILED(denied:currency)"
        assert story.counter("budget") == (0, 0)


def test_a_budget_of_a_zone_that_the_file_does_not_know_holds() -> None:
    with at(budget(1_000, period="day", zone="Europe/Kyiv")) as story:
        assert story.pull() == []
        assert story.holds() == [("*", "budget")]
