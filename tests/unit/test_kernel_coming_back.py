"""Contacts who come back after their erasure: what they forbade still holds, what they allowed is to be asked again."""

from __future__ import annotations

from kernel_builder import DAY_S, EPOCH, Story, contact_id, email, plan_of, policy_of

from dee_appliance.kernel.e1 import input as inputs
from dee_appliance.kernel.e1 import policy as policies

ASKING = policy_of(policies.ConsentRule(id="consent"))


def back_again(*, granted: bool) -> Story:
    """A contact who said something about e-mail, was erased, and was imported again a day later."""
    story = Story(plan_of(email()), policy=ASKING)
    story.consent(granted=granted, purpose="transactional")
    story.admit(inputs.ContactErase(contact=contact_id(0)))
    story.later(DAY_S)
    story.put()
    return story


def test_a_consent_ends_with_the_erasure() -> None:
    with back_again(granted=True) as story:
        story.enroll()
        assert story.pull() == []
        assert story.status() == "FAILED(denied:no_consent)"
        (consent,) = story.journal.state.contact(contact_id(0)).consents.values()
        assert (consent.expires, story.bodies(consent.entry)[0]["core"]["action"]) == (EPOCH, "erase")


def test_who_comes_back_and_agrees_again_gets_mail_again() -> None:
    with back_again(granted=True) as story:
        story.consent()
        story.enroll()
        assert len(story.pull()) == 1


def test_a_revocation_outlives_the_erasure() -> None:
    with back_again(granted=False) as story:
        story.consent()  # for every purpose: that does not undo what was said about this one
        story.enroll()
        assert story.pull() == []
