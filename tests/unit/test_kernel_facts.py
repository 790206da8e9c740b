"""What conditions ask about a run becomes true by the happening that they name, and by no other."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from kernel_builder import DAY_S, Story, call, contact_id, email, leave, plan_of, wait

from dee_appliance.kernel.e1 import input as inputs

Happens = Callable[[Story], object]


def about(name: str, kind: str = "") -> Happens:
    """An event of the send."""
    return lambda story: story.admit(inputs.Event(name=name, send_key=story.attempt().send_key, kind=kind))


def consented(story: Story) -> None:
    story.consent()


HAPPENINGS: dict[str, Happens] = {
    "nothing": lambda _: None,
    "a reply": about("email.replied"),
    "an answer of a machine": about("email.auto_reply"),
    "an opening": about("email.opened"),
    "a click": about("email.clicked"),
    "a delivery": about("email.delivered"),
    "a hard bounce": about("email.bounced", "hard"),
    "a soft bounce": about("email.bounced", "soft"),
    "a complaint": about("email.complained"),
    "an opt-out": about("email.unsubscribed"),
    "an event": lambda story: story.event("visit"),
    "another event": lambda story: story.event("call"),
    "consent": consented,
    "a suppression of e-mail": lambda story: story.suppress(contact_id(0), scope="channel:email"),
    "a suppression of calls": lambda story: story.suppress(contact_id(0), scope="channel:voice"),
    "a suppression of the plan": lambda story: story.suppress(contact_id(0), scope="plan:plan"),
    "a suppression of everything": lambda story: story.suppress(contact_id(0)),
}
PERSONS_NO = ("a complaint", "an opt-out")
TRUE_BY: dict[str, tuple[str, ...]] = {
    'replied("mail")': ("a reply",),
    'opened("mail")': ("an opening",),
    'clicked("mail")': ("a click",),
    'delivered("mail")': ("a delivery",),
    "bounced()": ("a hard bounce", "a soft bounce"),
    'bounced("hard")': ("a hard bounce",),
    'bounced("soft")': ("a soft bounce",),
    "complained()": ("a complaint",),
    "unsubscribed()": ("an opt-out",),
    'event("visit")': ("an event",),
    'count("visit") > 0': ("an event",),
    'consent("email")': ("consent",),
    'suppressed("email")': (
        "a hard bounce", *PERSONS_NO, "a suppression of e-mail", "a suppression of the plan", "a suppression of everything",
    ),
    'suppressed("voice")': ("a suppression of calls", "a suppression of the plan", "a suppression of everything"),
    "suppressed()": ("a suppression of the plan", "a suppression of everything"),
}  # fmt: skip


@pytest.mark.parametrize("happening", HAPPENINGS)
def test_a_condition_is_true_by_what_it_names_and_by_nothing_else(happening: str) -> None:
    asking = {condition for condition, happenings in TRUE_BY.items() if happening in happenings}
    told = set()
    for condition in TRUE_BY:
        with Story(plan_of(email("mail", "rest"), wait("rest", for_s=DAY_S), exits=(leave(condition),))) as story:
            story.enroll()
            story.answer(story.sent())
            assert story.run().status == "WAITING"
            HAPPENINGS[happening](story)
            if story.run().status == "COMPLETED":
                told.add(condition)
    assert told == asking


@pytest.mark.parametrize("outcome", ["answered", "voicemail", "declined", "no_answer", "busy", "failed"])
def test_the_outcome_of_a_call_is_what_the_provider_said_last(outcome: str) -> None:
    ring = call("ring", "rest", max_duration_s=60, ring_s=30)
    with Story(
        plan_of(ring, wait("rest", for_s=DAY_S), exits=(leave(f'call_outcome("ring") == "{outcome}"'),))
    ) as story:
        story.enroll()
        permit = story.sent("voice")
        story.answer(permit)
        assert story.status() == "ACTIVE(call)"
        story.event(f"call.{outcome}", permit)
        assert story.status() == "COMPLETED(left)"


def test_what_is_set_counts_from_then_on() -> None:
    with Story() as story:
        story.setting("breaker.threshold", 3)
        story.admit(inputs.Arm(incarnation=1))
        assert story.journal.state.settings["breaker.threshold"] == 3
        assert story.admit(inputs.Arm(incarnation=1)) == "rejected:incarnation"
        assert story.admit(inputs.Arm(incarnation=2)) == "done"
