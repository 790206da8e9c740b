"""Whom a rule concerns: where the contact may be, as a person or a business; and which rules stand in the ladder."""

from __future__ import annotations

from typing import Any

import pytest
from gate_questions import asked, question, verdict

from dee_appliance.kernel.e1 import policy as policies

NOON = "2026-05-04T16:00:00Z"


def rule(*jurisdictions: str, identity: str = "law", **more: Any) -> policies.FactRule:
    """A rule that denies whomever it concerns."""
    never = (policies.Ground(attribute="never"),)
    return policies.FactRule(id=identity, require=never, jurisdictions=jurisdictions, **more)


@pytest.mark.parametrize(
    ("wanted", "codes", "concerned"),
    [
        (("US-FL",), ("US-FL",), True),
        (("US-FL",), ("US-GA",), False),
        (("US-FL",), ("US",), True),
        (("US",), ("US-FL",), True),
        (("US",), ("CA",), False),
        (("US", "CA"), ("CA-ON",), True),
        (("US-FL",), ("US", "US-GA"), False),
        (("US-FL",), ("US-FL", "US-GA"), True),
        (("US-FL",), ("US", "CA"), True),
        (("US-NY-NYC",), ("US-NY-NYC",), True),
        (("US-NY-NYC",), ("US-NY",), True),
        (("US-NY-NYC",), ("US",), True),
        (("US-NY-NYC",), ("US-NJ",), False),
        (("US-NY",), ("US-NY-NYC",), True),
        (("US-N",), ("US-NY",), False),
        ((), ("CA",), True),
        ((), (), True),
    ],
)
def test_a_rule_concerns_whoever_may_be_where_it_holds(
    wanted: tuple[str, ...], codes: tuple[str, ...], *, concerned: bool
) -> None:
    found = asked(question(NOON, rule(*wanted), codes=codes))
    assert [one[0] for one in found.ladder].count("law") == concerned
    assert found.result == ("deny" if concerned else "allow")


@pytest.mark.parametrize(
    ("bases", "concerned"),
    [
        ({"declared": ["US"], "number": ["US-FL"]}, True),
        ({"declared": ["US"], "number": ["US-GA"]}, False),
        ({"declared": ["US-GA"], "number": ["US-FL"]}, True),
        ({"declared": ["US-GA"], "number": ["US"]}, False),
        ({"declared": ["US-GA"], "number": ["CA"]}, False),
        ({"declared": [], "number": ["US"]}, True),
    ],
)
def test_every_basis_speaks_and_a_bare_country_says_nothing_beside_a_part_of_it(
    bases: dict[str, list[str]], *, concerned: bool
) -> None:
    one = question(NOON, rule("US-FL"), facts={"jurisdictions": bases})
    assert verdict(one) == ("deny: fact" if concerned else "allow")


def test_of_whom_no_place_is_known_fails_every_rule_that_names_one() -> None:
    assert verdict(question(NOON, rule("US-FL"), codes=())) == "deny: unknown_jurisdiction"
    passing = policies.FactRule(id="law", require=(policies.Ground(attribute="yes"),), jurisdictions=("US-FL",))
    one = question(NOON, passing, codes=(), attributes={"yes": True})
    assert verdict(one) == "deny: unknown_jurisdiction"


def test_an_unknown_place_is_no_matter_where_something_lifts_the_rule_or_it_is_not_in_force() -> None:
    lifted = rule("US-FL", unless=(policies.Ground(attribute="vip"),))
    assert verdict(question(NOON, lifted, codes=(), attributes={"vip": True})) == "allow"
    assert verdict(question(NOON, rule("US-FL", effective_from="2026-05-05"), codes=())) == "allow"


@pytest.mark.parametrize(
    ("wanted", "known", "concerned"),
    [
        ("any", "", True),
        ("any", "business", True),
        ("individual", "individual", True),
        ("individual", "business", False),
        ("individual", "", True),
        ("business", "individual", False),
        ("business", "", True),
    ],
)
def test_a_subscriber_of_whom_it_is_not_known_counts_as_both(wanted: Any, known: str, *, concerned: bool) -> None:
    found = asked(question(NOON, rule(subscriber=wanted), facts={"subscriber": known}))
    assert (found.result == "deny") is concerned


@pytest.mark.parametrize(
    ("ground", "more", "lifts"),
    [
        (policies.Ground(attribute="customer"), {"attributes": {"customer": True}}, True),
        (policies.Ground(attribute="customer"), {"attributes": {"customer": False}}, False),
        (policies.Ground(attribute="customer"), {}, False),
        (policies.Ground(fact="x"), {"facts_recorded": {"x": (True, 1)}}, True),
        (policies.Ground(fact="x"), {"facts_recorded": {"x": (False, 1)}}, False),
        (policies.Ground(fact="x", holds=False), {"facts_recorded": {"x": (False, 1)}}, True),
        (policies.Ground(fact="x", holds=False), {}, False),
        (policies.Ground(attribute="bought", months=18), {"attributes": {"bought": "2025-05-04"}}, True),
        (policies.Ground(attribute="bought", months=18), {"attributes": {"bought": "2024-05-04"}}, False),
    ],
)
def test_a_ground_lifts_a_rule_and_one_that_cannot_be_known_does_not(
    ground: policies.Ground, more: dict[str, Any], *, lifts: bool
) -> None:
    found = asked(question(NOON, rule(unless=(policies.Ground(consent="written"), ground)), **more))
    assert [one[0] for one in found.ladder] == (["address", "send_by"] if lifts else ["address", "law"])


def test_only_rules_that_concern_the_contact_stand_in_the_ladder() -> None:
    rules = (
        rule("US-FL", identity="florida"),
        rule("US-GA", identity="georgia"),
        rule(identity="business", subscriber="business"),
        rule(identity="texts", channels=("sms",)),
        rule(identity="ads", purposes=("marketing",)),
        rule(identity="later", effective_from="2026-05-05"),
        rule(identity="over", effective_until="2026-05-04"),
        rule(identity="lifted", unless=(policies.Ground(attribute="vip"),)),
    )
    one = question(NOON, *rules, codes=("US-FL",), facts={"subscriber": "individual"}, attributes={"vip": True})
    found = asked(one)
    assert [each[0] for each in (*found.ladder, *found.rest)] == ["address", "florida", "send_by"]
