"""Consent by class and basis: an implied one counts for some months from when it was obtained, and ends early in short months."""

from __future__ import annotations

from typing import Any

import pytest
from gate_questions import asked, at, question, verdict
from kernel_builder import DAY_S, Story, contact_id, email, plan_of, policy_of

from dee_appliance.kernel.e1 import input as inputs
from dee_appliance.kernel.e1 import plan as plans
from dee_appliance.kernel.e1 import policy as policies
from dee_appliance.kernel.e1.run import Consent

NOON = "2026-05-04T16:00:00Z"
CASL = policies.ConsentRule(id="consent", implied={"purchase": 24, "inquiry": 6})


def given(consent_class: str = "implied", **more: Any) -> Consent:
    return Consent(**{"granted": True, "consent_class": consent_class, "expires": None, "entry": 5, **more})


def implied(obtained: str, basis: str = "purchase") -> Consent:
    return given(basis=basis, obtained=at(obtained))


@pytest.mark.parametrize(
    ("obtained", "basis", "last", "first_too_late"),
    [
        ("2024-05-10T12:00:00Z", "purchase", "2026-05-09T23:59:59Z", "2026-05-10T00:00:00Z"),
        ("2024-02-29T12:00:00Z", "purchase", "2026-02-27T23:59:59Z", "2026-02-28T00:00:00Z"),
        ("2026-02-28T12:00:00Z", "purchase", "2028-02-27T23:59:59Z", "2028-02-28T00:00:00Z"),
        ("2026-08-31T12:00:00Z", "inquiry", "2027-02-27T23:59:59Z", "2027-02-28T00:00:00Z"),
        ("2026-08-30T23:59:59Z", "inquiry", "2027-02-27T23:59:59Z", "2027-02-28T00:00:00Z"),
        ("2025-11-04T00:00:00Z", "inquiry", "2026-05-03T23:59:59Z", "2026-05-04T00:00:00Z"),
    ],
)
def test_an_implied_consent_ends_with_its_months(obtained: str, basis: str, last: str, first_too_late: str) -> None:
    consents = {("voice", "*"): implied(obtained, basis)}
    assert verdict(question(last, CASL, consents=consents)) == "allow"
    assert verdict(question(first_too_late, CASL, consents=consents)) == "deny: consent_expired"


def test_a_basis_that_the_rule_does_not_name_is_none() -> None:
    consents = {("voice", "*"): implied("2026-05-01T12:00:00Z", "raffle")}
    found = asked(question(NOON, CASL, consents=consents))
    assert (found.reason, found.ladder[-1][2]) == ("consent_basis", {"class": "implied", "basis": "raffle"})


def test_an_express_consent_has_no_months() -> None:
    consents = {("voice", "*"): given("express", obtained=at("2001-05-01T12:00:00Z"))}
    assert verdict(question(NOON, CASL, consents=consents)) == "allow"


@pytest.mark.parametrize(
    ("classes", "there", "expected"),
    [
        ((), "implied", "allow"),
        (("express", "written"), "implied", "deny: consent_class"),
        (("express", "written"), "express", "allow"),
        (("written",), "express", "deny: consent_class"),
        (("implied",), "written", "deny: consent_class"),
    ],
)
def test_a_rule_accepts_the_classes_that_it_names(classes: tuple[str, ...], there: str, expected: str) -> None:
    rule = policies.ConsentRule(id="consent", classes=classes)
    assert verdict(question(NOON, rule, consents={("voice", "*"): given(there)})) == expected


@pytest.mark.parametrize(
    ("own", "general", "expected"),
    [
        (True, None, "allow"),
        (None, True, "allow"),
        (True, True, "allow"),
        (None, None, "deny: no_consent"),
        (False, True, "deny: no_consent"),
        (True, False, "deny: no_consent"),
        (False, None, "deny: no_consent"),
    ],
)
def test_a_revocation_for_the_purpose_or_for_all_stands_against_a_grant(
    *, own: bool | None, general: bool | None, expected: str
) -> None:
    consents = {
        ("voice", purpose): given("express", granted=granted)
        for purpose, granted in (("collections", own), ("*", general))
        if granted is not None
    }
    assert verdict(question(NOON, policies.ConsentRule(id="consent"), consents=consents)) == expected


def test_consent_for_another_channel_or_purpose_is_none() -> None:
    rule = policies.ConsentRule(id="consent")
    for key in (("sms", "*"), ("voice", "marketing")):
        assert verdict(question(NOON, rule, consents={key: given("express")})) == "deny: no_consent"


def test_a_consent_ends_with_the_second_of_its_expiry() -> None:
    rule = policies.ConsentRule(id="consent")
    for expires, expected in (("2026-05-04T16:00:00Z", "deny: no_consent"), ("2026-05-04T16:00:01Z", "allow")):
        consents = {("voice", "*"): given("express", expires=at(expires))}
        assert verdict(question(NOON, rule, consents=consents)) == expected


def test_a_consent_of_long_ago_counts_from_when_it_was_obtained_not_from_when_it_was_written_down() -> None:
    with Story(plan_of(email()), policy=policy_of(CASL), contacts=2) as story:
        long_ago, lately = story.tick - 800 * DAY_S, story.tick - 100 * DAY_S
        story.consent(consent_class="implied", basis="purchase", obtained=long_ago, number=0)
        story.consent(consent_class="implied", basis="purchase", obtained=lately, number=1)
        story.enroll(0)
        story.enroll(1)
        assert len(story.pull()) == 1
        assert story.status(1) == "FAILED(denied:consent_expired)"


def test_what_expires_while_a_send_waits_does_not_let_it_go() -> None:
    hours = policies.WindowRule(id="hours", hours=plans.Hours(weekly=(((9 * 3_600, 18 * 3_600),),) * 7))
    rules = (policies.ConsentRule(id="consent"), hours)
    with Story(plan_of(email()), policy=policy_of(*rules)) as story:
        story.consent(expires=story.tick + 3_600)
        story.enroll()
        story.pull()
        assert story.status() == "HELD(outside_hours)"
        due = story.run().due
        assert due is not None
        story.at(due)
        story.pull()
        assert story.status() == "FAILED(denied:no_consent)"


def test_a_consent_may_have_to_be_for_the_very_number() -> None:
    """A consent to be called is given for a number (47 CFR 64.1200(f)(9)): whoever gets another one is asked again."""
    named = policy_of(policies.ConsentRule(id="number", address=True))
    with Story(plan_of(email(), enroll=plans.Enroll(reentry="always")), policy=named) as story:
        story.consent()
        story.enroll()
        assert len(story.pull()) == 1
        story.admit(inputs.ContactPut(contact=contact_id(0), facts={"present": ["email"]}, tokens={"email": "moved"}))
        moved = story.enroll()
        assert story.pull() == []
        assert story.status(moved.no) == "FAILED(denied:consent_address)"
        story.consent()
        story.verb("retry", run=moved.no)
        assert len(story.pull()) == 1
