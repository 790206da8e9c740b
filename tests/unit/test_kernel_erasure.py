"""What the erasure of a contact ends, what outlives it, and to whom an address belongs afterwards."""

from __future__ import annotations

import pytest
from kernel_builder import (
    DAY_S,
    Story,
    call,
    contact_id,
    email,
    plan_of,
    policy_of,
    token_of,
    wait,
)

from dee_appliance.kernel.e1 import input as inputs
from dee_appliance.kernel.e1 import plan as plans
from dee_appliance.kernel.e1 import policy as policies
from dee_appliance.store.journal import Brought

GUARDED = policy_of(policies.SuppressionRule(id="suppression"), policies.ConsentRule(id="consent"))
MAILABLE: dict[str, object] = {"present": ["email"]}
SUPPRESSING = policy_of(policies.SuppressionRule(id="suppression"))


def suppressions(story: Story) -> list[tuple[str, str, str]]:
    """What is suppressed: (subject, scope, reason)."""
    rows = story.journal.database.execute("SELECT subject, scope, reason FROM suppression ORDER BY subject, scope")
    return [(row[0], row[1], row[2]) for row in rows]


def marketing(*rules: policies.Rule) -> Story:
    plan = plan_of(email(), purpose="marketing", enroll=plans.Enroll(reentry="always"))
    return Story(plan, policy=policy_of(*(rules or GUARDED.rules)))


def mailing(count: int = 1, **head: object) -> Story:
    """Contacts with an e-mail in the queue, and a day to go after it."""
    story = Story(plan_of(email(following="wait"), wait(for_s=DAY_S), **head), policy=SUPPRESSING, contacts=count)
    for number in range(count):
        story.enroll(number)
    return story


# -- erasure -------------------------------------------------------------------------------------------------------------


def test_erasing_ends_every_run_and_cancels_what_is_intended() -> None:
    with Story(plan_of(email()), plan_of(wait(for_s=DAY_S), plan="other")) as story:
        story.enroll()
        story.enroll(plan="other")
        story.admit(inputs.ContactErase(contact=contact_id(0)))
        assert (story.status(1), story.status(2)) == ("CANCELLED(erased)", "CANCELLED(erased)")
        assert story.attempt().state == "CANCELLED"
        assert story.pull() == []
        assert story.journal.state.next_due() is None


@pytest.mark.parametrize(("channel", "step"), [("email", email()), ("voice", call(max_duration_s=60, ring_s=30))])
def test_what_is_in_flight_settles_after_the_erasure(channel: plans.Channel, step: plans.Step) -> None:
    with Story(plan_of(step)) as story:
        story.enroll()
        permit = story.sent(channel)
        story.admit(inputs.ContactErase(contact=contact_id(0)))
        story.answer(permit)
        story.later(90)
        assert story.status() == "CANCELLED(erased)"
        assert story.attempt().state == ("ACCEPTED" if channel == "email" else "UNKNOWN")


def test_a_suppression_survives_the_erasure_and_meets_the_address_when_it_comes_back() -> None:
    with marketing(policies.SuppressionRule(id="suppression")) as story:
        story.event("email.unsubscribed")
        story.admit(inputs.ContactErase(contact=contact_id(0)))
        assert (token_of("email", 0), "channel:email", "unsubscribed") in suppressions(story)
        back = inputs.ContactPut(contact=contact_id(8), facts=MAILABLE, tokens={"email": token_of("email", 0)})
        story.admit(back)
        run = story.enroll(8)
        story.pull()
        assert story.status(run.no) == "FAILED(denied:suppressed)"


def test_a_stranger_cannot_be_erased() -> None:
    with Story() as story:
        assert story.admit(inputs.ContactErase(contact=contact_id(9))) == "rejected:unknown_contact"


def test_an_erasure_leaves_no_attribute_and_no_fact() -> None:
    with Story(contacts=0) as story:
        story.put(tier=3)
        story.admit(inputs.ContactErase(contact=contact_id(0)))
        contact = story.journal.state.contact(contact_id(0))
        assert (contact.erased, contact.attributes, contact.facts) == (True, {}, {})
        assert story.detail("erase") == {"basis": "request"}


def test_an_address_that_another_contact_has_is_refused() -> None:
    """Or an opt-out of one would not stop the other, at the same address."""
    taken: dict[str, str] = {"email": token_of("email", 0)}
    for number in (1, 2):  # a contact who is known, and one who is not
        with Story(plan_of(email()), policy=SUPPRESSING, contacts=2) as story:
            put = inputs.ContactPut(contact=contact_id(number), facts=MAILABLE, tokens=taken)
            profile = {contact_id(number): {"profile": '{"email":"a@example.org"}', "secret": "0" * 64}}
            assert story.admit(put, Brought(vault=profile)) == "rejected:address_taken"
            assert story.detail("contact") == {"code": "address_taken", "kinds": ["email"]}
            assert story.journal.state.contact_of(taken["email"]) == contact_id(0)
            fields = [row[0] for row in story.journal.database.execute("SELECT field FROM vault ORDER BY field")]
            assert fields == (["refused:profile", "refused:secret"] if number == 1 else [])


def test_the_address_of_somebody_who_was_erased_is_free_and_stays_suppressed() -> None:
    with Story(plan_of(email()), policy=SUPPRESSING) as story:
        story.suppress(token_of("email", 0))
        story.admit(inputs.ContactErase(contact=contact_id(0)))
        put = inputs.ContactPut(contact=contact_id(1), facts=MAILABLE, tokens={"email": token_of("email", 0)})
        assert story.admit(put) == "done"
        story.enroll(1)
        assert story.pull() == []
        assert story.status() == "FAILED(denied:suppressed)"
