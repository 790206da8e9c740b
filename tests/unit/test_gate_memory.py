"""What the store keeps in memory for the gate changes no verdict and no entry: a file that was just opened answers the same."""

from __future__ import annotations

import msgspec
from kernel_builder import DAY_S, Story, contact_id, email, plan_of, policy_of, token_of

from dee_appliance.kernel.e1 import input as inputs
from dee_appliance.kernel.e1 import plan as plans
from dee_appliance.kernel.e1 import policy as policies
from dee_appliance.kernel.e1.encoding import canonical

AGAIN = plans.Enroll(reentry="always")
WEEKLY = policies.CapRule(id="weekly", limit=2, counts=("email",), days=7)
SUPPRESSING = policy_of(policies.SuppressionRule(id="suppression"))


def mailings(*, reopened: bool) -> list[object]:
    """What the gate saw at each of five sends of one contact, nine days apart; `reopened` forgets everything between them."""
    with Story(plan_of(email(), enroll=AGAIN), policy=policy_of(WEEKLY)) as story:
        for _ in range(5):
            story.enroll()
            story.answer(story.sent())
            story.later(9 * DAY_S)
            if reopened:
                story.journal.reload()
        return [body["saw"]["caps"] for body in story.bodies() if "caps" in body.get("saw", {})]


def test_what_a_cap_cites_does_not_depend_on_how_long_the_file_has_been_open() -> None:
    assert mailings(reopened=False) == mailings(reopened=True)
    assert all(len(caps[0][2]) <= 1 for caps in mailings(reopened=False))  # type: ignore[index]


def test_a_rate_that_looks_back_further_from_now_on_sees_what_was_sent_before() -> None:
    def rate(limit: int, seconds: int) -> policies.Policy:
        return policy_of(policies.RateRule(id="rate", limit=limit, seconds=seconds))

    with Story(plan_of(email(), enroll=AGAIN), policy=rate(2, 60), contacts=5) as story:
        for number in range(2):
            story.enroll(number)
            story.sent()
            story.later(50)
        story.enroll(2)
        story.sent()
        story.policy(rate(3, 600))
        story.enroll(3)
        assert story.pull() == [], "three have left within ten minutes"
        story.later(DAY_S)
        assert len(story.pull()) == 1


def test_an_opt_out_at_an_address_that_somebody_else_has_by_now_stops_that_contact_too() -> None:
    with Story(plan_of(email(), enroll=AGAIN), policy=SUPPRESSING, contacts=1) as story:
        story.enroll()
        permit = story.sent()
        mailable: dict[str, object] = {"present": ["email"]}
        story.admit(inputs.ContactPut(contact=contact_id(0), facts=mailable, tokens={"email": "moved"}))
        story.admit(inputs.ContactPut(contact=contact_id(1), facts=mailable, tokens={"email": token_of("email", 0)}))
        second = story.enroll(1)
        story.event("email.complained", permit)
        assert story.pull() == []
        assert story.status(second.no) == "FAILED(denied:suppressed)"


def test_a_bounce_of_an_old_address_does_not_close_the_new_one() -> None:
    with Story(plan_of(email(), enroll=AGAIN), policy=SUPPRESSING) as story:
        story.enroll()
        permit = story.sent()
        story.answer(permit)
        story.admit(inputs.ContactPut(contact=contact_id(0), facts={"present": ["email"]}, tokens={"email": "moved"}))
        story.event("email.bounced", permit, kind="hard")
        story.enroll()
        assert len(story.pull()) == 1


def test_a_cap_for_an_address_counts_whoever_has_it() -> None:
    number = policies.CapRule(id="number", limit=1, scope=("address",), seconds=DAY_S)
    with Story(plan_of(email(), enroll=AGAIN), policy=policy_of(number)) as story:
        story.enroll()
        story.sent()
        mailable: dict[str, object] = {"present": ["email"]}
        story.admit(inputs.ContactPut(contact=contact_id(0), facts=mailable, tokens={"email": "moved"}))
        story.admit(inputs.ContactPut(contact=contact_id(1), facts=mailable, tokens={"email": token_of("email", 0)}))
        second = story.enroll(1)
        assert story.pull() == []
        assert story.status(second.no) == "HELD(cap)"
        story.enroll(0)
        assert len(story.pull()) == 1, "nothing was sent to the new address of the first"


def test_a_plan_that_cannot_be_executed_is_refused_whoever_wrote_it() -> None:
    sound = plan_of(email())
    lost = msgspec.structs.replace(sound, plan="lost", steps=(email(following="nowhere"),))
    named = msgspec.structs.replace(sound, plan="named", templates={})
    with Story(sound) as story:
        for body in (b"{}", b"no plan", canonical(lost), canonical(named)):
            digest, brought = story.document("plan", body)
            put = inputs.PlanPublish(plan="lost", version=1, digest=digest)
            assert story.admit(put, brought) == "rejected:malformed_document"
        digest, _ = story.document("plan", canonical(sound))
        other = inputs.PlanPublish(plan="other", version=1, digest=digest)
        assert story.admit(other) == "rejected:malformed_document", "it is another plan's"
