"""Opting out: it takes effect in the decision it is taken in, on every live run of the contact; nothing is sent afterwards."""

from __future__ import annotations

from typing import Any

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
    leave,
    plan_of,
    policy_of,
    text,
    token_of,
    wait,
)

from dee_appliance.kernel.e1 import input as inputs
from dee_appliance.kernel.e1 import plan as plans
from dee_appliance.kernel.e1 import policy as policies

OPTED_OUT = (leave("unsubscribed()", "opted_out"),)
OWN = policies.SuppressionRule(id="suppression")
ASLEEP = policies.WindowRule(id="hours", channels=("voice",), hours=hours())
"""Six in the morning in New York: a call is parked."""


def suppressions(story: Story) -> list[tuple[str, str, str]]:
    """What is suppressed: (subject, scope, reason)."""
    rows = story.journal.database.execute("SELECT subject, scope, reason FROM suppression ORDER BY subject, scope")
    return [(row[0], row[1], row[2]) for row in rows]


def four_runs(*, exits: tuple[plans.Exit, ...]) -> Story:
    """One contact in four plans: a wait, an intended text message, a call parked for the night, an e-mail in flight."""
    waiting = plan_of(wait(following="mail", for_s=DAY_S), email(), plan="waiting", exits=exits)
    queued = plan_of(text(following="again"), text("again"), plan="queued", exits=exits)
    parked = plan_of(call(following="text"), text(), plan="parked", exits=exits)
    flying = plan_of(email(following="text"), text(), plan="flying", exits=exits)
    story = Story(waiting, queued, parked, flying, policy=policy_of(OWN, ASLEEP))
    for plan in (waiting, queued, parked, flying):
        story.enroll(plan=plan.plan)
    assert story.pull("voice") == []
    return story


def nothing_leaves(story: Story, *, but: tuple[plans.Channel, ...] = ()) -> None:
    """Give every channel free places for a week."""
    for _ in range(8):
        for channel in ("email", "sms", "voice"):
            permits = story.pull(channel)
            assert channel in but or permits == []
            for permit in permits:
                story.answer(permit)
        story.later(DAY_S)


def test_the_situation_is_what_it_says() -> None:
    with four_runs(exits=OPTED_OUT) as story:
        story.sent()
        assert [story.status(run) for run in (1, 2, 3, 4)] == [
            "WAITING(wait)",
            "ACTIVE(queue)",
            "HELD(outside_hours)",
            "ACTIVE(flight)",
        ]


def test_an_opt_out_ends_every_live_run_of_the_contact_in_one_decision() -> None:
    with four_runs(exits=OPTED_OUT) as story:
        permit = story.sent()
        before = story.journal.last_seq
        story.event("email.unsubscribed", permit)
        assert story.journal.last_seq == before + 1
        assert [story.status(run) for run in (1, 2, 3, 4)] == ["COMPLETED(opted_out)"] * 4
        assert [story.attempt(run).state for run in (2, 3, 4)] == ["CANCELLED", "CANCELLED", "DISPATCHING"]
        story.answer(permit)
        assert story.attempt(4).state == "ACCEPTED"
        nothing_leaves(story)


def test_without_exits_an_opt_out_from_everything_is_denied_wherever_a_run_comes_to_a_send() -> None:
    with four_runs(exits=()) as story:
        permit = story.sent()
        story.suppress(contact_id(0), reason="unsubscribed")
        story.answer(permit)
        nothing_leaves(story)
        assert [story.status(run) for run in (1, 2, 3, 4)] == ["FAILED(denied:suppressed)"] * 4


def test_an_opt_out_from_one_channel_lets_the_others_go_on() -> None:
    with four_runs(exits=()) as story:
        story.answer(story.sent())
        story.event("sms.stop")
        story.later(4 * HOUR_S)
        nothing_leaves(story, but=("email", "voice"))
        denied = "FAILED(denied:suppressed)"
        assert [story.status(run) for run in (1, 2, 4)] == ["COMPLETED(done)", denied, denied]
        assert "call call dispatched" in story.log(3)


def test_an_opt_out_that_comes_with_the_wake_of_a_wait_wins() -> None:
    with four_runs(exits=()) as story:
        story.answer(story.sent())
        story.tick += DAY_S
        story.event("email.unsubscribed")
        assert story.status(1) == "ACTIVE(queue)"
        assert story.pull() == []
        assert story.status(1) == "FAILED(denied:suppressed)"


def test_a_retry_and_a_resend_meet_the_opt_out_too() -> None:
    with four_runs(exits=()) as story:
        permit = story.sent()
        story.answer(permit, "unknown")
        story.event("email.unsubscribed", permit)
        # The word of the person proves that the message was there: it is settled, and nobody can send it again.
        assert story.attempt(4).state == "ACCEPTED"
    with four_runs(exits=()) as story:
        permit = story.sent()
        story.answer(permit, "unknown")
        story.event("email.unsubscribed")
        assert story.verb("resolve", "resend", run=4) == "done"
        assert story.pull() == []
        assert story.status(4) == "FAILED(denied:suppressed)"
        assert story.verb("retry", run=4) == "done"
        assert story.pull() == []


# -- the person, and the address -----------------------------------------------------------------------------------------


def moved(story: Story) -> None:
    """The contact has another e-mail address from now on, and another number."""
    facts: dict[str, object] = {"present": ["email", "phone"], "zones": {"declared": ["America/New_York"]}}
    tokens = {"email": "email-new", "phone": "phone-new"}
    assert story.admit(inputs.ContactPut(contact=contact_id(0), facts=facts, tokens=tokens)) == "done"


@pytest.mark.parametrize("about_send", [True, False])
def test_an_opt_out_covers_the_address_of_then_and_every_later_one(about_send: bool) -> None:
    with Story(plan_of(email()), plan_of(email(), plan="other"), policy=policy_of(OWN)) as story:
        story.enroll()
        permit = story.sent()
        story.answer(permit)
        story.event("email.unsubscribed", permit if about_send else None)
        moved(story)
        story.enroll(plan="other")
        assert story.pull() == []
        assert story.status(2) == "FAILED(denied:suppressed)"
        # Whoever has the old address later is not written to either.
        story.put_facts(1, zones={}, present=("phone",))
        tokens = {"email": token_of("email", 0)}
        story.admit(inputs.ContactPut(contact=contact_id(1), facts={"present": ["email"]}, tokens=tokens))
        story.enroll(1)
        assert story.pull() == []


def test_an_opt_out_about_an_old_message_covers_the_address_that_it_went_to_and_the_new_one() -> None:
    with Story(plan_of(email()), plan_of(email(), plan="other"), policy=policy_of(OWN)) as story:
        story.enroll()
        permit = story.sent()
        story.answer(permit)
        moved(story)
        story.event("email.complained", permit)
        assert suppressions(story) == [
            (contact_id(0), "channel:email", "complained"),
            (token_of("email", 0), "channel:email", "complained"),
        ]
        story.enroll(plan="other")
        assert story.pull() == []


def test_a_bounce_about_an_old_address_does_not_hit_the_new_one() -> None:
    with Story(plan_of(email()), plan_of(email(), plan="other"), policy=policy_of(OWN)) as story:
        story.enroll()
        permit = story.sent()
        story.answer(permit)
        moved(story)
        story.event("email.bounced", permit, kind="hard")
        assert suppressions(story) == [(token_of("email", 0), "channel:email", "bounced")]
        story.enroll(plan="other")
        assert story.sent().run == story.run(2).run


@pytest.mark.parametrize(
    ("scope", "subjects"),
    [
        ("*", [contact_id(0), token_of("email", 0), token_of("phone", 0)]),
        ("channel:sms", [contact_id(0), token_of("phone", 0)]),
        ("channel:email", [contact_id(0), token_of("email", 0)]),
        ("plan:plan", [contact_id(0)]),
    ],
)
def test_what_a_person_says_by_any_way_holds_for_the_person_and_the_addresses_in_its_scope(
    scope: str, subjects: list[str]
) -> None:
    with Story() as story:
        story.suppress(contact_id(0), scope=scope, reason="unsubscribed")
        assert [subject for subject, _, _ in suppressions(story)] == subjects
        assert story.suppress(contact_id(0), on=False, scope=scope) == "done"
        assert suppressions(story) == []


def test_what_is_known_of_an_address_alone_stays_with_the_address() -> None:
    with Story() as story:
        story.suppress(token_of("phone", 0), reason="reassigned")
        story.suppress("email-of-nobody", reason="unsubscribed")
        assert suppressions(story) == [
            ("email-of-nobody", "*", "unsubscribed"),
            (token_of("phone", 0), "*", "reassigned"),
        ]


def test_when_a_person_asked_for_it_stands_in_the_entry() -> None:
    with Story() as story:
        story.admit(inputs.SuppressionSet(subject=contact_id(0), on=True, reason="unsubscribed", since=EPOCH - DAY_S))
        assert story.detail("suppress") == {"scope": "*", "reason": "unsubscribed", "since": EPOCH - DAY_S}


# -- everything ----------------------------------------------------------------------------------------------------------


def test_where_a_rule_says_so_an_opt_out_closes_every_channel() -> None:
    wide = policies.SuppressionRule(id="revocation", channels=("sms",), reach="everything")
    with four_runs(exits=()) as story:
        story.policy(policy_of(OWN, ASLEEP, wide))
        story.event("sms.stop")
        assert {scope for _, scope, _ in suppressions(story)} == {"*"}
        nothing_leaves(story)
        assert [story.status(run) for run in (1, 2, 3, 4)] == ["FAILED(denied:suppressed)"] * 4


@pytest.mark.parametrize(
    ("more", "scope"),
    [
        ({"channels": ("sms",)}, "channel:email"),
        ({"jurisdictions": ("US",)}, "*"),
        ({"jurisdictions": ("FR",)}, "channel:email"),
        ({"effective_from": "2027-01-01"}, "channel:email"),
        ({"effective_until": "2026-01-01"}, "channel:email"),
        ({"reach": "channel"}, "channel:email"),
    ],
)
def test_the_rule_reaches_as_far_as_it_says(more: dict[str, Any], scope: str) -> None:
    rule = policies.SuppressionRule(id="revocation", **{"reach": "everything", **more})
    with Story(policy=policy_of(OWN, rule), contacts=0) as story:
        facts: dict[str, object] = {
            "present": ["email"],
            "zones": {"declared": ["America/New_York"]},
            "jurisdictions": {"declared": ["US-NY"]},
        }
        story.admit(inputs.ContactPut(contact=contact_id(0), facts=facts, tokens={"email": "email-0"}))
        story.event("email.unsubscribed")
        assert {one for _, one, _ in suppressions(story)} == {scope}


# -- taking it back ------------------------------------------------------------------------------------------------------


def test_start_takes_back_what_stop_has_done() -> None:
    with Story(plan_of(text()), policy=policy_of(OWN)) as story:
        story.event("sms.stop")
        story.event("sms.start")
        assert suppressions(story) == []
        assert story.detail("suppress") == {"scope": "channel:sms", "reason": "unsubscribed", "by": "contact"}
        story.enroll()
        assert len(story.pull("sms")) == 1


@pytest.mark.parametrize(
    ("scope", "reason"),
    [
        ("channel:sms", "complained"),
        ("channel:sms", "operator"),
        ("channel:sms", "bounced"),
        ("*", "unsubscribed"),
        ("channel:email", "unsubscribed"),
        ("channel:voice", "unsubscribed"),
        ("plan:plan", "unsubscribed"),
    ],
)
def test_start_takes_back_nothing_else(scope: str, reason: str) -> None:
    with Story() as story:
        story.suppress(contact_id(0), scope=scope, reason=reason)
        before = suppressions(story)
        story.event("sms.start")
        assert suppressions(story) == before
        assert story.log(None)[-1] == "- event sms.start"
        assert "- suppress lifted" not in story.log(None)


def test_what_start_leaves_standing_is_named() -> None:
    with Story() as story:
        story.event("sms.stop")
        story.suppress(token_of("phone", 0), scope="channel:sms", reason="operator")
        story.suppress(contact_id(0), reason="complained")
        story.event("sms.start")
        assert story.detail("suppress")["left"] == ["*", "channel:sms"]
        assert (contact_id(0), "channel:sms", "unsubscribed") not in suppressions(story)
        assert (token_of("phone", 0), "channel:sms", "operator") in suppressions(story)


def test_start_brings_no_run_back_and_grants_no_consent() -> None:
    asked = policies.ConsentRule(id="consent")
    again = plans.Enroll(reentry="after_exit")
    with Story(plan_of(text(), exits=OPTED_OUT, enroll=again), policy=policy_of(OWN, asked)) as story:
        story.enroll()
        story.event("sms.stop")
        story.event("sms.start")
        assert story.status() == "COMPLETED(opted_out)"
        story.enroll()
        assert story.pull("sms") == []
        assert story.status(2) == "FAILED(denied:no_consent)"


def test_whoever_has_the_number_now_takes_back_what_was_said_with_it() -> None:
    with Story(plan_of(text()), policy=policy_of(OWN), contacts=0) as story:
        story.suppress(token_of("phone", 0), scope="channel:sms", reason="unsubscribed")
        story.put()
        story.event("sms.start")
        assert suppressions(story) == []


# -- lists ---------------------------------------------------------------------------------------------------------------


def test_a_version_of_a_list_is_brought_into_use_once() -> None:
    with Story() as story:
        story.admit(inputs.ListAdd(list="dnc", version=1, tokens=("a",)))
        assert story.admit(inputs.ListUse(list="dnc", version=1, as_of=EPOCH - DAY_S, count=1)) == "done"
        again = inputs.ListUse(list="dnc", version=1, as_of=EPOCH, count=1)
        assert story.admit(again) == "rejected:version_in_use"
        assert story.journal.state.lists.in_use["dnc"].as_of == EPOCH - DAY_S


def test_a_version_that_was_loaded_in_part_hides_no_later_one() -> None:
    with Story() as story:
        story.admit(inputs.ListAdd(list="dnc", version=1, tokens=("a", "b")))
        assert story.admit(inputs.ListUse(list="dnc", version=1, as_of=EPOCH, count=3)) == "rejected:incomplete"
        assert story.journal.state.lists.newest("dnc") == 1
        assert story.journal.state.lists.in_use == {}
        story.admit(inputs.ListAdd(list="dnc", version=2, tokens=("a", "b", "c")))
        assert story.admit(inputs.ListUse(list="dnc", version=2, as_of=EPOCH, count=3)) == "done"
        assert story.journal.state.lists.on("c") == ("dnc",)
        story.later(HOUR_S)


@pytest.mark.parametrize(
    "rules",
    [
        (),
        (policies.SuppressionRule(id="dnc", lists=("dnc",), unless=(policies.Ground(attribute="vip"),)),),
        (policies.SuppressionRule(id="abroad", jurisdictions=("FR",)),),
        (policies.SuppressionRule(id="texts", channels=("sms",)),),
    ],
)
def test_whoever_has_opted_out_gets_nothing_also_where_no_rule_asks(rules: tuple[policies.Rule, ...]) -> None:
    with Story(plan_of(email()), policy=policy_of(*rules), contacts=0) as story:
        story.put(vip=True)
        story.event("email.unsubscribed")
        story.enroll()
        assert story.pull() == []
        assert story.status() == "FAILED(denied:suppressed)"
        assert story.last("send_email")["core"]["detail"]["gate"][-1][0] == "opt_outs"
