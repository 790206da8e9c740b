"""Rules that begin or end: the law of the candidate instant counts wherever the contact may be, and is asked again then."""

from __future__ import annotations

from typing import Any

import pytest
from gate_questions import at, question, said, touch, verdict
from kernel_builder import HOUR_S, Story, call, plan_of, policy_of

from dee_appliance.kernel.e1 import plan as plans
from dee_appliance.kernel.e1 import policy as policies

EVERY_DAY = plans.Hours(weekly=(((8 * HOUR_S, 21 * HOUR_S),),) * 7)
NO_SUNDAYS = plans.Hours(weekly=(((9 * HOUR_S, 19 * HOUR_S),),) * 6 + ((),))
PENNSYLVANIA = (
    policies.WindowRule(id="until", hours=EVERY_DAY, effective_until="2026-10-18"),
    policies.WindowRule(id="from", hours=NO_SUNDAYS, effective_from="2026-10-18"),
)
NEW_YORK, LONDON = "America/New_York", "Europe/London"


@pytest.mark.parametrize(
    ("when", "expected"),
    [
        ("2026-10-17T12:30:00Z", "allow"),
        ("2026-10-18T00:59:59Z", "allow"),
        ("2026-10-18T01:00:00Z", "2026-10-19T13:00:00Z"),
        ("2026-10-18T01:30:00Z", "2026-10-19T13:00:00Z"),
        ("2026-10-18T14:00:00Z", "2026-10-19T13:00:00Z"),
        ("2026-10-19T12:30:00Z", "2026-10-19T13:00:00Z"),
        ("2026-10-19T23:00:00Z", "2026-10-20T13:00:00Z"),
    ],
)
def test_a_hold_over_the_day_on_which_the_law_changes_ends_by_the_new_law(when: str, expected: str) -> None:
    """E02: on Saturday evening the old rule would say Sunday at eight; from Sunday on, no Sundays."""
    assert verdict(question(when, *PENNSYLVANIA)) == expected
    assert verdict(question(when, *reversed(PENNSYLVANIA))) == expected


def test_a_rule_that_ends_during_a_hold_lets_go_at_midnight() -> None:
    ban = policies.WindowRule(id="ban", hours=plans.Hours(weekly=((),) * 7), effective_until="2026-05-06")
    assert verdict(question("2026-05-04T16:00:00Z", ban)) == "2026-05-06T04:00:00Z"
    hours = policies.WindowRule(id="hours", hours=EVERY_DAY)
    assert verdict(question("2026-05-04T16:00:00Z", ban, hours)) == "2026-05-06T12:00:00Z"


def test_a_ban_that_ends_after_the_horizon_denies() -> None:
    ban = policies.WindowRule(id="ban", hours=plans.Hours(weekly=((),) * 7), effective_until="2026-05-19")
    assert verdict(question("2026-05-05T04:00:00Z", ban)) == "deny: never_open"
    assert verdict(question("2026-05-05T04:00:01Z", ban)) == "2026-05-19T04:00:00Z"


def test_a_rule_that_begins_during_a_hold_holds_on() -> None:
    early = policies.WindowRule(id="early", hours=EVERY_DAY)
    late = policies.WindowRule(
        id="late", hours=plans.Hours(weekly=(((12 * HOUR_S, 21 * HOUR_S),),) * 7), effective_from="2026-05-05"
    )
    assert verdict(question("2026-05-05T01:30:00Z", early, late)) == "2026-05-05T16:00:00Z"
    assert verdict(question("2026-05-04T01:30:00Z", early, late)) == "2026-05-04T12:00:00Z"


@pytest.mark.parametrize(
    ("zones", "begins", "ends"),
    [
        ((NEW_YORK,), "2026-05-05T04:00:00Z", "2026-05-07T04:00:00Z"),
        ((NEW_YORK, LONDON), "2026-05-04T23:00:00Z", "2026-05-07T04:00:00Z"),
        (("Pacific/Auckland", "Pacific/Honolulu"), "2026-05-04T12:00:00Z", "2026-05-07T10:00:00Z"),
        ((), "2026-05-04T10:00:00Z", "2026-05-07T12:00:00Z"),
    ],
)
def test_a_rule_is_in_force_while_it_is_in_any_zone_of_the_contact(
    zones: tuple[str, ...], begins: str, ends: str
) -> None:
    rule = policies.FactRule(
        id="law",
        require=(policies.Ground(attribute="never"),),
        effective_from="2026-05-05",
        effective_until="2026-05-07",
    )
    for when, expected in ((begins, "deny: fact"), (ends, "allow")):
        assert verdict(question(when, rule, zones=zones)) == expected
        assert verdict(question(said(at(when) - 1), rule, zones=zones)) != expected


@pytest.mark.parametrize("more", [{"effective_from": "1912-01-01"}, {"effective_until": "2199-01-01"}])
def test_a_date_that_the_zone_table_does_not_reach_lies_before_or_after_everything(more: dict[str, Any]) -> None:
    rule = policies.FactRule(id="law", require=(policies.Ground(attribute="never"),), **more)
    assert verdict(question("2026-05-04T16:00:00Z", rule)) == "deny: fact"
    window = policies.WindowRule(id="hours", hours=EVERY_DAY, **more)
    assert verdict(question("2026-05-04T05:00:00Z", window)) == "2026-05-04T12:00:00Z"
    gone = policies.FactRule(id="law", require=(policies.Ground(attribute="never"),), effective_until="1999-01-01")
    assert verdict(question("2026-05-04T16:00:00Z", gone)) == "allow"


def test_a_date_in_a_zone_that_nobody_knows_denies() -> None:
    rule = policies.FactRule(id="law", require=(policies.Ground(attribute="yes"),), effective_from="2026-05-05")
    one = question("2026-05-04T16:00:00Z", rule, zones=("Mars/Olympus",), attributes={"yes": True})
    assert verdict(one) == "deny: unknown_zone"


def test_a_cap_that_ends_with_a_date_lets_go_then() -> None:
    rule = policies.CapRule(id="cap", limit=1, days=30, effective_until="2026-05-06")
    one = question("2026-05-04T16:00:00Z", rule, touches=[touch("2026-05-04T15:00:00Z")])
    assert verdict(one) == "2026-05-06T04:00:00Z"


def test_the_gate_is_asked_again_when_a_hold_ends() -> None:
    """What was the next instant when the hold began is none any more, if the policy has changed meanwhile."""
    with Story(plan_of(call()), policy=policy_of(policies.WindowRule(id="hours", hours=EVERY_DAY))) as story:
        story.enroll()
        story.pull("voice")
        due = story.run().due
        assert due == at("2026-11-18T13:00:00Z")
        story.policy(policy_of(policies.WindowRule(id="hours", hours=NO_SUNDAYS)))
        story.at(due)
        assert story.pull("voice") == []
        assert (story.status(), story.run().due) == ("HELD(outside_hours)", due + HOUR_S)
        story.at(due + HOUR_S)
        assert len(story.pull("voice")) == 1
