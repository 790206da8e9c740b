"""Daily limits with a ramp: from each of its dates on, by the calendar of the rule's zone, another number of sends a day."""

from __future__ import annotations

from collections import Counter

import pytest
from gate_questions import at
from kernel_builder import DAY_S, Story, email, plan_of, policy_of

from dee_appliance.kernel.e1 import policy as policies
from dee_appliance.kernel.e1.rules.daily_limit import limit_on

RAMP = tuple(policies.Stage(since=f"2026-11-{day}", limit=limit) for day, limit in ((19, 2), (20, 4), (25, 10)))


@pytest.mark.parametrize(
    ("date", "limit"),
    [
        ("2026-11-18", 1), ("2026-11-19", 2), ("2026-11-20", 4), ("2026-11-24", 4), ("2026-11-25", 10), ("2027-11-25", 10),
    ],
)  # fmt: skip
def test_each_stage_holds_from_its_date_on(date: str, limit: int) -> None:
    assert limit_on(policies.DailyLimitRule(id="daily", limit=1, ramp=RAMP), date) == limit


def test_a_ramp_lets_more_leave_day_by_day() -> None:
    rule = policies.DailyLimitRule(id="daily", limit=1, ramp=RAMP)
    with Story(plan_of(email()), policy=policy_of(rule), contacts=30) as story:
        for number in range(30):
            story.enroll(number)
        left = []
        for _ in range(8):
            left.append(len(story.pull()))
            story.at(story.tick - story.tick % DAY_S + DAY_S)
        assert left == [1, 2, 4, 4, 4, 4, 4, 7]  # and seven were all that was left
        assert story.log(None).count("- hold daily_limit") == 7


def test_the_stage_begins_with_the_day_of_the_rules_zone() -> None:
    rule = policies.DailyLimitRule(id="daily", limit=1, ramp=RAMP, zone="Pacific/Auckland")
    with Story(plan_of(email()), policy=policy_of(rule), contacts=9) as story:
        story.at(at("2026-11-19T10:59:59Z"))  # a second before the 20th in Auckland
        for number in range(9):
            story.enroll(number)
        assert len(story.pull()) == 2
        story.later(1)
        assert len(story.pull()) == 4


def test_an_entry_cites_the_limit_of_the_day() -> None:
    rule = policies.DailyLimitRule(id="daily", limit=1, ramp=RAMP)
    with Story(plan_of(email()), policy=policy_of(rule)) as story:
        story.at(at("2026-11-21T00:00:00Z"))
        story.enroll()
        story.sent()
        assert story.last("send_email")["saw"]["counters"] == [["daily", "2026-11-21", 0, 4]]


@pytest.mark.slow
def test_100_times_the_limit_in_the_queue_leaves_at_most_three_entries_for_each_send() -> None:
    """A hold is proportional to what leaves, not to what waits: over five days, with a rate beside the limit."""
    rules = (policies.DailyLimitRule(id="daily", limit=20), policies.RateRule(id="rate", limit=5, seconds=600))
    contacts = 2_000
    with Story(plan_of(email()), policy=policy_of(*rules), contacts=contacts) as story:
        for number in range(contacts):
            story.enroll(number)
        before, sent, days = len(story.bodies()), 0, 0
        while days < 5:
            permits = story.pull()
            for permit in permits:
                story.answer(permit)
            sent += len(permits)
            due = story.journal.state.next_due()
            assert due is not None
            days += due // DAY_S > story.tick // DAY_S
            story.at(due)
        actions = Counter(body["core"]["action"] for body in story.bodies(before))
        assert (sent, actions.pop("end")) == (100, 100)
        assert sorted(actions) == ["hold", "release", "send_email"]
        assert actions.total() <= 3 * sent
        assert story.run(contacts).rs == 1
