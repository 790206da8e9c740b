"""What a refused send lacks, as commands: each thing once, and nothing that a command cannot mend."""

from __future__ import annotations

from dee_appliance.kernel.e1.policy import ConsentRule, FactRule, Ground, Rule, SuppressionRule
from dee_appliance.runtime.gate_needs import Refusal, gate_needs


def commands(*refused: tuple[Rule, dict[str, object]], recorded: tuple[str, ...] = ()) -> list[str]:
    refusals = [Refusal(rule=rule, values=values) for rule, values in refused]
    needs = gate_needs(refusals, recorded, contact="c_1", channel="sms", purpose="marketing")
    return [need.command for need in needs]


def consent(*classes: str) -> tuple[Rule, dict[str, object]]:
    return ConsentRule(id="-".join(classes) or "any", classes=classes), {}


def test_one_consent_is_proposed_that_every_rule_counts() -> None:
    grant = "dee consent grant c_1 --channel sms --purpose marketing"
    assert commands(consent()) == [grant]
    assert commands(consent(), consent("express", "written"), consent("written")) == [f"{grant} --class written"]
    assert commands(consent("implied")) == [f"{grant} --class implied --basis BASIS"]


def test_no_consent_is_proposed_where_none_would_do() -> None:
    assert commands(consent("written"), consent("implied")) == []


def test_whoever_is_nowhere_needs_a_place_before_anything_else() -> None:
    rule = FactRule(id="licensed", require=(Ground(fact="licensed"),), jurisdictions=("US-TX",))
    place: tuple[Rule, dict[str, object]] = (rule, {"unknown": "jurisdiction"})
    assert commands(place, place) == ["dee contact import FILE.csv --on-existing update"]


def test_a_fact_that_is_recorded_the_wrong_way_is_not_proposed_again() -> None:
    rule = FactRule(id="calm", require=(Ground(fact="emergency", holds=False), Ground(attribute="customer")))
    assert commands((rule, {})) == ["dee fact set emergency off"]
    assert commands((rule, {}), recorded=("emergency",)) == []


def test_whoever_is_on_a_list_is_not_told_to_load_another() -> None:
    rule = SuppressionRule(id="registry", lists=("us-ndnc",))
    assert commands((rule, {"lists": ["us-ndnc"]})) == []
    assert commands((rule, {"list": "us-ndnc"})) == ["dee suppress import FILE.csv --list us-ndnc"]
