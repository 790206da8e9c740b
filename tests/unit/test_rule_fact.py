"""Facts: what somebody has recorded, what an attribute says, which consent is there. What is not known does not hold."""

from __future__ import annotations

from typing import Any

import pytest
from gate_questions import asked, at, question, verdict
from kernel_builder import DAY_S, Story, email, plan_of, policy_of

from dee_appliance.kernel.e1 import input as inputs
from dee_appliance.kernel.e1 import policy as policies
from dee_appliance.kernel.e1.policy import Ground
from dee_appliance.kernel.e1.run import Consent

NOON = "2026-05-04T16:00:00Z"
REGISTERED = Ground(fact="registered")
NO_EMERGENCY = Ground(fact="emergency", holds=False)


def rule(*require: Ground, **more: Any) -> policies.FactRule:
    return policies.FactRule(id="fact", require=require, **more)


@pytest.mark.parametrize(
    ("recorded", "registered", "no_emergency"),
    [
        ({}, "deny: fact_unknown", "deny: fact_unknown"),
        ({"registered": (True, 7)}, "allow", "deny: fact_unknown"),
        ({"registered": (False, 7)}, "deny: fact", "deny: fact_unknown"),
        ({"emergency": (True, 7)}, "deny: fact_unknown", "deny: fact"),
        ({"emergency": (False, 7)}, "deny: fact_unknown", "allow"),
    ],
)
def test_what_nobody_has_recorded_is_neither_so_nor_otherwise(
    recorded: dict[str, tuple[bool, int]], registered: str, no_emergency: str
) -> None:
    assert verdict(question(NOON, rule(REGISTERED), facts_recorded=recorded)) == registered
    assert verdict(question(NOON, rule(NO_EMERGENCY), facts_recorded=recorded)) == no_emergency


def test_one_ground_of_several_is_enough() -> None:
    either = rule(REGISTERED, Ground(attribute="landline"))
    assert verdict(question(NOON, either, attributes={"landline": True})) == "allow"
    assert verdict(question(NOON, either, attributes={"landline": False})) == "deny: fact_unknown"
    assert verdict(question(NOON, either, attributes={"landline": "yes"})) == "deny: fact_unknown"


def test_the_entry_cites_what_was_recorded_and_names_what_was_not() -> None:
    found = asked(question(NOON, rule(REGISTERED, NO_EMERGENCY), facts_recorded={"registered": (False, 7)}))
    assert found.saw["facts"] == [["registered", False, 7]]
    assert found.ladder[-1] == ("fact", "deny", {"unknown": ["emergency"]})


@pytest.mark.parametrize(
    ("consent_class", "granted", "expires", "expected"),
    [
        ("written", True, None, "allow"),
        ("express", True, None, "deny: fact"),
        ("written", False, None, "deny: fact"),
        ("written", True, NOON, "deny: fact"),
        ("written", True, "2026-05-04T16:00:01Z", "allow"),
    ],
)
def test_a_consent_is_a_ground_while_it_is_in_force(
    consent_class: str, *, granted: bool, expires: str | None, expected: str
) -> None:
    there = Consent(
        granted=granted, consent_class=consent_class, expires=None if expires is None else at(expires), entry=5
    )
    one = question(NOON, rule(Ground(consent="written")), consents={("voice", "*"): there})
    assert verdict(one) == expected


@pytest.mark.parametrize(
    ("when", "date", "months", "expected"),
    [
        ("2026-05-04T16:00:00Z", "2024-11-05", 18, "allow"),
        ("2026-05-04T16:00:00Z", "2024-11-04", 18, "deny: fact"),
        ("2026-05-05T03:59:59Z", "2024-11-05", 18, "allow"),
        ("2026-05-05T04:00:00Z", "2024-11-05", 18, "deny: fact"),
        ("2026-02-28T12:00:00Z", "2025-11-30", 3, "deny: fact"),
        ("2026-02-27T12:00:00Z", "2025-11-30", 3, "allow"),
        ("2026-05-04T16:00:00Z", "2026-05-05", 18, "deny: fact"),
        ("2026-05-04T16:00:00Z", "2026-05-04", 18, "allow"),
        ("2026-05-04T16:00:00Z", "a while ago", 18, "deny: fact"),
    ],
)
def test_a_date_is_a_ground_for_so_many_months_of_the_contacts_calendar(
    when: str, date: str, months: int, expected: str
) -> None:
    ground = Ground(attribute="last_purchase", months=months)
    assert verdict(question(when, rule(ground), attributes={"last_purchase": date})) == expected


def test_where_it_is_tomorrow_already_the_months_end_first() -> None:
    ground = rule(Ground(attribute="last_purchase", months=18))
    where = ("America/New_York", "Europe/London")
    bought = {"last_purchase": "2024-11-05"}
    assert verdict(question("2026-05-04T22:59:59Z", ground, zones=where, attributes=bought)) == "allow"
    assert verdict(question("2026-05-04T23:00:00Z", ground, zones=where, attributes=bought)) == "deny: fact"
    assert verdict(question("2026-05-04T09:59:59Z", ground, zones=(), attributes=bought)) == "allow"
    assert verdict(question("2026-05-04T10:00:00Z", ground, zones=(), attributes=bought)) == "deny: fact"


def test_a_rule_that_holds_is_asked_again_a_day_later() -> None:
    with Story(plan_of(email()), policy=policy_of(rule(NO_EMERGENCY, on_fail="hold"))) as story:
        story.admit(inputs.FactSet(name="emergency", value=True))
        story.enroll()
        first = story.tick
        assert story.pull() == []
        assert (story.status(), story.run().due) == ("HELD(fact)", first + DAY_S)
        story.admit(inputs.FactSet(name="emergency", value=False))
        assert story.pull() == []  # its own timer wakes it
        story.at(first + DAY_S)
        assert len(story.pull()) == 1


def test_a_rule_that_holds_holds_as_long_as_the_fact_is_not_known() -> None:
    with Story(plan_of(email()), policy=policy_of(rule(REGISTERED, on_fail="hold"))) as story:
        story.enroll()
        for day in range(1, 4):
            story.pull()
            assert story.run().due == story.tick + DAY_S, day
            story.later(DAY_S)
        story.admit(inputs.FactSet(name="registered", value=True))
        recorded = story.last()["seq"]
        assert len(story.pull()) == 1
        assert story.last("send_email")["saw"]["facts"] == [["registered", True, recorded]]


def test_a_fact_that_is_not_known_any_more_does_not_hold() -> None:
    with Story(plan_of(email()), policy=policy_of(rule(REGISTERED))) as story:
        story.admit(inputs.FactSet(name="registered", value=True))
        story.admit(inputs.FactSet(name="registered", value=None))
        story.enroll()
        story.pull()
        assert story.status() == "FAILED(denied:fact_unknown)"
