"""Ways around the gate that were tried: each of them ends in a refusal, a hold or a denial that the log tells."""

from __future__ import annotations

import pytest
from kernel_builder import (
    DAY_S,
    EPOCH,
    HOUR_S,
    Story,
    call,
    contact_id,
    email,
    hours,
    plan_of,
    policy_of,
    text,
    token_of,
)

from dee_appliance.kernel.e1 import input as inputs
from dee_appliance.kernel.e1 import policy as policies
from dee_appliance.kernel.e1.encoding import canonical
from dee_appliance.kernel.e1.plan import PlanPolicy

OWN = policies.SuppressionRule(id="suppressed")


def pack_of(*rules: policies.Rule, identity: str = "pack") -> bytes:
    return canonical(policies.Pack(id=identity, version="1", as_of="2026-11-18", notice="none", rules=rules))


def used(story: Story, body: bytes, identity: str = "pack") -> str:
    digest, brought = story.document("pack", body)
    return story.admit(inputs.PackUse(pack=identity, digest=digest), brought)


def set_policy(story: Story, body: bytes) -> str:
    digest, brought = story.document("policy", body)
    return story.admit(inputs.PolicySet(digest=digest), brought)


# ---- documents of another writer ----

BROKEN_RULES = (
    b'{"kind":"cap","id":"a","limit":0,"seconds":60}',
    b'{"kind":"cap","id":"a","limit":1,"seconds":-60}',
    b'{"kind":"cap","id":"a","limit":1,"seconds":9007199254740993}',
    b'{"kind":"cap","id":"a","limit":1}',
    b'{"kind":"window","id":"a","hours":{"weekly":[]}}',
    b'{"kind":"window","id":"a","hours":{"weekly":[[],[],[],[],[],[],[]],"closed_dates":["soon"]}}',
    b'{"kind":"window","id":"a","hours":{"weekly":[[[5,1]],[],[],[],[],[],[]]}}',
    b'{"kind":"email","id":"a"}',
    b'{"kind":"suppression","id":"a","effective_from":"yesterday"}',
    b'{"kind":"rate","id":"a","limit":1,"seconds":0}',
    b'{"kind":"ratio","id":"a","numerator":["email.complained"],"denominator":["email.delivered"],"max_per_10000":1,"days":99999999999}',
    b'{"kind":"ratio","id":"a","numerator":["email.complained"],"denominator":["email.delivered"],"max_per_10000":1,"min_denominator":0}',
    b'{"kind":"consent","id":"a","implied":{"purchase":99999999999999}}',
    b'{"kind":"fact","id":"a","require":[{"attribute":"x","months":99999999999999}]}',
    b'{"kind":"fact","id":"a","require":[{}]}',
    b'{"kind":"suppression","id":"a","unless":[{}]}',
    b'{"kind":"suppression","id":"a"},{"kind":"suppression","id":"a"}',
    b'{"kind":"suppression","id":"plan/budget"}',
    b'{"kind":"suppression","id":""}',
    b'{"kind":"daily_limit","id":"halt","limit":1}',
    b'{"kind":"cap","id":"a","limit":1,"seconds":60,"counts":["calls"]}',
    b'{"kind":"cap","id":"a","limit":1,"seconds":60,"scope":["plan"]}',
    b'{"kind":"ratio","id":"a","numerator":["x"],"denominator":["email.delivered"],"max_per_10000":1}',
)


@pytest.mark.parametrize("rule", BROKEN_RULES)
def test_a_policy_that_cannot_be_kept_is_refused_and_the_one_in_force_stays(rule: bytes) -> None:
    with Story(plan_of(email()), policy=policy_of(OWN)) as story:
        before = story.journal.state.policy()
        assert set_policy(story, b'{"id":"x","rules":[' + rule + b"]}").startswith("rejected:")
        assert story.journal.state.policy() == before
        story.enroll()
        assert story.sent().channel == "email"


@pytest.mark.parametrize("rule", BROKEN_RULES)
def test_a_pack_that_cannot_be_kept_is_refused(rule: bytes) -> None:
    with Story(plan_of(email())) as story:
        body = b'{"id":"pack","version":"1","as_of":"","notice":"","rules":[' + rule + b"]}"
        assert used(story, body).startswith("rejected:")
        assert story.journal.state.packs == ()


@pytest.mark.parametrize("body", [b"{", b"[]", b"null", b'{"title":"pack"}', b'{"zones":{"Etc/UTC":7}}', b"\x00"])
@pytest.mark.parametrize("kind", ["policy", "pack", "zones"])
def test_what_is_no_document_of_its_kind_is_refused_by_an_entry(kind: str, body: bytes) -> None:
    with Story(plan_of(email())) as story:
        digest, brought = story.document(kind, body)
        values: dict[str, inputs.Input] = {
            "policy": inputs.PolicySet(digest=digest),
            "pack": inputs.PackUse(pack="pack", digest=digest),
            "zones": inputs.ZonesUse(digest=digest),
        }
        assert story.admit(values[kind], brought) == "rejected:malformed_document"
        story.enroll()
        assert story.sent().channel == "email"


def test_a_rule_of_a_pack_cannot_take_the_place_of_what_a_plan_tightens() -> None:
    never = policies.WindowRule(id="plan/calling_hours", hours=hours(days=0))
    plan = plan_of(call(), policy=PlanPolicy(calling_hours=hours(0, DAY_S)))
    with Story(plan) as story:
        assert used(story, pack_of(never, identity="plan"), "plan").startswith("rejected:")


# ---- consent ----


def test_a_grant_from_before_the_revocation_does_not_undo_it() -> None:
    with Story(plan_of(email()), policy=policy_of(policies.ConsentRule(id="consent"))) as story:
        story.consent()
        story.later(DAY_S)
        story.consent(granted=False)
        story.consent(obtained=EPOCH)
        assert story.last("consent")["core"]["outcome"] == "kept"
        story.enroll()
        assert story.pull() == []
        story.consent()
        story.verb("retry")
        assert story.sent().channel == "email"


@pytest.mark.parametrize("weak", ["implied", "soft_opt_in"])
def test_what_is_implied_does_not_undo_what_a_person_has_revoked(weak: str) -> None:
    with Story(plan_of(email()), policy=policy_of(policies.ConsentRule(id="consent"))) as story:
        story.consent(granted=False)
        story.later(DAY_S)
        story.consent(consent_class=weak, basis="purchase")
        assert story.last("consent")["core"]["outcome"] == "kept"
        story.enroll()
        assert story.pull() == []
        assert story.status() == "FAILED(denied:no_consent)"


def test_a_revocation_for_every_purpose_ends_what_was_granted_for_one() -> None:
    rule = policies.ConsentRule(id="consent", classes=("written",))
    with Story(plan_of(call(), purpose="marketing"), policy=policy_of(rule)) as story:
        story.consent(channel="voice", purpose="marketing", consent_class="written")
        story.later(DAY_S)
        story.consent(channel="voice", granted=False)
        story.later(DAY_S)
        story.consent(channel="voice", consent_class="express")
        story.enroll()
        assert story.pull("voice") == []
        assert story.status() == "FAILED(denied:consent_class)"


def test_a_consent_from_the_future_does_not_last_longer_for_that() -> None:
    rule = policies.ConsentRule(id="consent", implied={"purchase": 1})
    with Story(plan_of(email()), policy=policy_of(rule)) as story:
        story.consent(consent_class="implied", basis="purchase", obtained=EPOCH + 3_000 * DAY_S)
        story.later(60 * DAY_S)
        story.enroll()
        assert story.pull() == []


# ---- opt-outs ----


def test_a_start_from_an_old_number_does_not_lift_the_opt_out_of_who_had_it() -> None:
    with Story(plan_of(text()), plan_of(text(), plan="other"), policy=policy_of(OWN)) as story:
        story.enroll()
        permit = story.sent("sms")
        story.answer(permit)
        story.event("sms.stop", permit)
        tokens = {"phone": token_of("phone", 7)}
        story.admit(inputs.ContactPut(contact=contact_id(0), facts={"present": ["phone"]}, tokens=tokens))
        story.event("sms.start", permit)
        story.enroll(plan="other")
        assert story.pull("sms") == []
        assert story.status(2) == "FAILED(denied:suppressed)"


def test_an_opt_out_is_not_lost_because_the_send_that_it_names_is_not_known() -> None:
    with Story(plan_of(text()), policy=policy_of(OWN)) as story:
        story.admit(inputs.Event(name="sms.stop", contact=contact_id(0), send_key="b3:of-another-file"))
        story.enroll()
        assert story.pull("sms") == []


# ---- caps ----


@pytest.mark.parametrize("choice", ["not-delivered", "abandoned"])
def test_a_call_that_was_answered_after_all_counts_again(choice: str) -> None:
    cap = policies.CapRule(id="cap", limit=1, counts=("voice",), seconds=DAY_S)
    talk = policies.CapRule(id="talk", limit=1, counts=("conversation",), seconds=7 * DAY_S)
    with Story(plan_of(call()), plan_of(call(), plan="other"), policy=policy_of(cap, talk)) as story:
        story.enroll()
        permit = story.sent("voice")
        story.answer(permit, "unknown")
        story.verb("resolve", choice)
        story.event("call.answered", permit)
        story.enroll(plan="other")
        assert story.pull("voice") == []
        assert story.run(2).due is not None
        assert story.run(2).due >= EPOCH + 7 * DAY_S  # type: ignore[operator]


def test_what_a_provider_speaks_of_after_it_was_refused_counts_again() -> None:
    cap = policies.CapRule(id="cap", limit=1, counts=("sms",), seconds=HOUR_S)
    with Story(plan_of(text()), plan_of(text(), plan="other"), policy=policy_of(cap)) as story:
        story.enroll()
        permit = story.sent("sms")
        story.answer(permit, "rejected", "permanent")
        story.event("sms.delivered", permit)
        story.enroll(plan="other")
        assert story.pull("sms") == []


# ---- addresses ----


def test_an_address_that_no_list_can_be_asked_about_is_none() -> None:
    with Story(plan_of(email()), policy=policy_of(OWN)) as story:
        story.admit(inputs.ContactPut(contact=contact_id(0), facts={"present": ["email"]}, tokens={}))
        story.enroll()
        assert story.pull() == []
        assert story.status() == "FAILED(denied:no_address)"


# ---- money ----


def test_a_price_that_comes_while_a_call_goes_on_is_not_forgotten() -> None:
    rule = policies.BudgetRule(id="money", limit_micros=10_000, currency="USD")
    with Story(plan_of(call()), policy=policy_of(rule)) as story:
        story.enroll()
        permit = story.sent("voice")
        story.answer(permit)
        story.event("call.completed", permit, cost_micros=7_000)
        story.event("call.answered", permit)
        assert story.counter("money") == (7_000, 0)
        assert story.last("call")["evidence"]["cost_micros"] == 7_000


@pytest.mark.parametrize("first", ["answer", "event"])
def test_a_price_that_comes_before_it_is_known_what_became_of_a_send_counts_once(first: str) -> None:
    rule = policies.BudgetRule(id="money", limit_micros=10_000, currency="USD")
    with Story(plan_of(text()), policy=policy_of(rule)) as story:
        story.enroll()
        permit = story.sent("sms")
        if first == "event":
            story.event("sms.priced", permit, cost_micros=90)
            story.answer(permit)
        else:
            story.answer(permit, "unknown")
            story.event("sms.priced", permit, cost_micros=90)
            story.verb("resolve", "delivered")
        assert story.counter("money") == (90, 0)
        story.event("sms.priced", permit, cost_micros=95)
        assert story.counter("money") == (95, 0)


def test_what_was_not_sent_costs_nothing_even_if_a_price_had_come() -> None:
    rule = policies.BudgetRule(id="money", limit_micros=10_000, currency="USD")
    with Story(plan_of(text()), policy=policy_of(rule)) as story:
        story.enroll()
        permit = story.sent("sms")
        story.event("sms.priced", permit, cost_micros=90)
        story.answer(permit, "rejected", "permanent")
        assert story.counter("money") == (0, 0)
        story.event("sms.priced", permit, cost_micros=95)
        assert story.counter("money") == (95, 0)
