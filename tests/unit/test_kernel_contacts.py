"""What the contact does and what becomes known of the contact: events, consent, suppression, change."""

from __future__ import annotations

import pytest
from kernel_builder import (
    DAY_S,
    HOUR_S,
    Story,
    call,
    contact_id,
    email,
    end,
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

GUARDED = policy_of(policies.SuppressionRule(id="suppression"), policies.ConsentRule(id="consent"))
MAILABLE: dict[str, object] = {"present": ["email"]}
SUPPRESSING = policy_of(policies.SuppressionRule(id="suppression"))


def suppressions(story: Story) -> list[tuple[str, str, str]]:
    """What is suppressed: (subject, scope, reason)."""
    rows = story.journal.database.execute("SELECT subject, scope, reason FROM suppression ORDER BY subject, scope")
    return [(row[0], row[1], row[2]) for row in rows]


def mailing(count: int = 1, **head: object) -> Story:
    """Contacts with an e-mail in the queue, and a day to go after it."""
    story = Story(plan_of(email(following="wait"), wait(for_s=DAY_S), **head), policy=SUPPRESSING, contacts=count)
    for number in range(count):
        story.enroll(number)
    return story


# -- opt-outs ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "kind", "reason"),
    [
        ("email.bounced", "hard", "bounced"),
        ("email.bounced", "", "bounced"),
        ("email.bounced", "of no kind we know", "bounced"),
        ("email.bounced", "soft", None),
        ("email.opened", "", None),
        ("email.replied", "", None),
        ("email.failed", "", None),
    ],
)
def test_what_closes_an_address_suppresses_it_on_its_channel(name: str, kind: str, reason: str | None) -> None:
    with mailing() as story:
        story.event(name, story.sent(), kind=kind)
        assert suppressions(story) == ([] if reason is None else [(token_of("email", 0), "channel:email", reason)])


@pytest.mark.parametrize("name", ["email.unsubscribed", "email.complained"])
def test_what_a_person_says_suppresses_the_person_and_the_address_on_the_channel(name: str) -> None:
    reason = name.removeprefix("email.")
    with mailing() as story:
        story.event(name, story.sent())
        assert suppressions(story) == [
            (contact_id(0), "channel:email", reason),
            (token_of("email", 0), "channel:email", reason),
        ]


def test_a_stop_by_text_message_closes_the_number_for_messages_only() -> None:
    plans_ = (plan_of(text()), plan_of(call(), plan="ring"))
    with Story(*plans_, policy=SUPPRESSING) as story:
        story.enroll()
        story.enroll(plan="ring")
        story.event("sms.stop")
        assert suppressions(story) == [
            (contact_id(0), "channel:sms", "unsubscribed"),
            (token_of("phone", 0), "channel:sms", "unsubscribed"),
        ]
        assert story.pull("sms") == []
        assert story.status(1) == "FAILED(denied:suppressed)"
        assert len(story.pull("voice")) == 1


def test_an_opt_out_suppresses_and_ends_runs_in_the_same_decision() -> None:
    with mailing(exits=(leave("unsubscribed()", "opted_out"),)) as story:
        permit = story.sent()
        story.answer(permit)
        before = story.journal.last_seq
        story.event("email.unsubscribed", permit)
        assert story.journal.last_seq == before + 1
        assert story.status() == "COMPLETED(opted_out)"
        assert story.log(None)[-3:] == ["- suppress added", "wait event email.unsubscribed", "wait exit opted_out"]


def test_an_opt_out_reaches_a_send_that_waits_in_the_queue_of_another_run() -> None:
    with Story(plan_of(email()), plan_of(email(), plan="other"), policy=SUPPRESSING) as story:
        story.enroll()
        story.enroll(plan="other")
        first = story.pull(places=1)
        story.event("email.unsubscribed", first[0])
        assert story.pull() == []
        assert story.status(2) == "FAILED(denied:suppressed)"


def test_an_opt_out_twice_is_suppressed_once() -> None:
    with mailing() as story:
        permit = story.sent()
        story.event("email.unsubscribed", permit)
        story.event("email.unsubscribed", permit)
        assert story.log(None).count("- suppress added") == 1


def test_what_a_person_says_outranks_what_a_mail_server_said_before() -> None:
    with mailing(exits=(leave("unsubscribed()", "opted_out"),)) as story:
        permit = story.sent()
        story.event("email.bounced", permit, kind="hard")
        said = [(subject, "channel:email", "unsubscribed") for subject in (contact_id(0), token_of("email", 0))]
        story.event("email.unsubscribed", permit)
        assert suppressions(story) == said
        story.event("email.bounced", permit, kind="hard")
        assert suppressions(story) == said


def test_a_contact_without_an_address_token_is_suppressed_by_name() -> None:
    with Story(plan_of(email()), policy=SUPPRESSING, contacts=0) as story:
        story.put_facts(present=("phone",), zones={})
        story.event("email.unsubscribed")
        assert suppressions(story) == [(contact_id(0), "channel:email", "unsubscribed")]


def test_a_bounce_is_hard_or_soft_to_conditions() -> None:
    steps = (
        email(following="wait"),
        wait(for_s=DAY_S, until='bounced("soft")', then="soft"),
        end("soft", "soft"),
    )
    with Story(plan_of(*steps, exits=(leave('bounced("hard")', "hard"),))) as story:
        story.enroll()
        permit = story.sent()
        story.answer(permit)
        story.event("email.bounced", permit, kind="soft")
        assert story.status() == "COMPLETED(soft)"
    with Story(plan_of(*steps, exits=(leave('bounced("hard")', "hard"),))) as story:
        story.enroll()
        permit = story.sent()
        story.answer(permit)
        story.event("email.bounced", permit, kind="hard")
        assert story.status() == "COMPLETED(hard)"


# -- events --------------------------------------------------------------------------------------------------------------


def test_an_event_about_nothing_that_was_sent_is_refused() -> None:
    with mailing() as story:
        assert story.admit(inputs.Event(name="email.opened", send_key="00" * 20)) == "rejected:unknown_send"
        assert suppressions(story) == []


def test_an_event_about_nobody_is_refused() -> None:
    with mailing() as story:
        assert story.admit(inputs.Event(name="email.opened")) == "rejected:unknown_contact"


def test_an_event_of_a_contact_without_live_runs_is_recorded_for_the_contact() -> None:
    with Story(plan_of(email())) as story:
        story.event("meeting")
        assert story.last()["core"]["outcome"] == "meeting"
        assert story.detail() == {"runs": 0}


def test_the_event_itself_is_recorded_although_a_timer_ended_the_last_run_before_it() -> None:
    with Story(plan_of(wait(for_s=HOUR_S))) as story:
        story.enroll()
        story.tick += HOUR_S
        story.event("meeting")
        assert story.log(None)[-1] == "- event meeting"


def test_an_opt_out_without_live_runs_is_recorded_beside_its_suppression() -> None:
    with Story(plan_of(email())) as story:
        story.event("email.unsubscribed")
        assert story.log(None)[-2:] == ["- suppress added", "- event email.unsubscribed"]


def test_an_event_about_a_message_of_another_channel_settles_nothing() -> None:
    with mailing() as story:
        permit = story.sent()
        story.event("call.answered", permit)
        assert (story.status(), story.attempt().state) == ("ACTIVE(flight)", "DISPATCHING")
        story.answer(permit, "unknown")
        story.event("sms.delivered", permit)
        assert story.status() == "FAILED(outcome_unknown)"


def test_an_event_tells_which_visit_it_is_about_and_of_what_kind() -> None:
    with mailing() as story:
        story.event("email.bounced", story.sent(), kind="soft")
        assert story.detail("event") == {"about": "mail", "about_visit": 1, "kind": "soft"}


def test_a_run_counts_only_what_its_plan_asks_about_so_that_no_flood_of_names_makes_it_grow() -> None:
    steps = (wait(for_s=DAY_S, until='event("paid") && count("visit") >= 2', then="won"), end("won", "paid"))
    with Story(plan_of(*steps, exits=(leave('event("stop")'),))) as story:
        story.enroll()
        for number in range(50):
            story.event(f"visit-{number}")
        story.event("visit")
        story.event("stopped")
        assert story.run().counts == {"visit": 1}
        story.event("visit")
        story.event("paid")
        assert story.status() == "COMPLETED(paid)"


# -- consent -------------------------------------------------------------------------------------------------------------


def asked(story: Story) -> str:
    """What the gate says now to an e-mail of a marketing plan: sent, or why not."""
    run = story.enroll()
    story.pull()
    return "sent" if story.run(run.no).block == "flight" else story.run(run.no).reason.removeprefix("denied:")


def marketing(*rules: policies.Rule) -> Story:
    plan = plan_of(email(), purpose="marketing", enroll=plans.Enroll(reentry="always"))
    return Story(plan, policy=policy_of(*(rules or GUARDED.rules)))


def test_without_consent_nothing_is_sent() -> None:
    with marketing() as story:
        assert asked(story) == "no_consent"


def test_consent_is_for_a_channel_and_a_purpose_or_for_every_purpose() -> None:
    for granted, answer in (
        ({"channel": "email", "purpose": "marketing"}, "sent"),
        ({"channel": "email", "purpose": "*"}, "sent"),
        ({"channel": "email", "purpose": "transactional"}, "no_consent"),
        ({"channel": "sms", "purpose": "marketing"}, "no_consent"),
    ):
        with marketing() as story:
            story.consent(**granted)  # type: ignore[arg-type]
            assert asked(story) == answer


def test_consent_ends_at_its_expiry() -> None:
    with marketing() as story:
        story.consent(expires=story.tick + HOUR_S)
        story.later(HOUR_S - 1)
        assert asked(story) == "sent"
        story.later(1)
        assert asked(story) == "no_consent"


def test_an_expired_consent_for_the_purpose_leaves_that_for_every_purpose() -> None:
    with marketing() as story:
        story.consent(purpose="marketing", expires=story.tick + HOUR_S)
        story.consent(purpose="*")
        story.later(HOUR_S)
        assert asked(story) == "sent"


@pytest.mark.parametrize(("granted", "revoked"), [("*", "marketing"), ("marketing", "*"), ("*", "*")])
def test_a_revocation_stands_against_every_grant(granted: str, revoked: str) -> None:
    with marketing() as story:
        story.consent(granted=False, purpose=revoked)
        if granted != revoked:
            story.consent(purpose=granted)
        assert asked(story) == "no_consent"


def test_a_revocation_for_another_purpose_stands_against_nothing() -> None:
    with marketing() as story:
        story.consent(purpose="marketing")
        story.consent(granted=False, purpose="collections")
        assert asked(story) == "sent"


def test_a_newer_grant_of_the_same_kind_takes_the_place_of_a_revocation() -> None:
    with marketing() as story:
        story.consent(granted=False)
        story.consent()
        assert asked(story) == "sent"


def test_a_rule_may_ask_for_a_class_of_consent() -> None:
    with marketing(policies.ConsentRule(id="consent", classes=("written", "express"))) as story:
        story.consent(consent_class="implied")
        assert asked(story) == "consent_class"
        story.consent(consent_class="express")
        assert asked(story) == "sent"


def test_the_gate_names_the_entry_of_the_consent_that_it_relied_on() -> None:
    with marketing() as story:
        story.consent()
        entry = story.last()["seq"]
        asked(story)
        assert story.last("send_email")["saw"]["consent"] == entry


def test_consent_of_a_stranger_is_refused() -> None:
    with marketing() as story:
        assert story.consent(number=9) == "rejected:unknown_contact"


def test_the_entry_of_a_consent_says_what_was_agreed_and_by_which_way() -> None:
    with marketing() as story:
        story.consent(purpose="marketing", consent_class="written", expires=story.tick + 5, source="form")
        assert story.detail() == {
            "channel": "email",
            "class": "written",
            "expires": story.tick + 5,
            "purpose": "marketing",
            "source": "form",
        }
        story.consent(granted=False, purpose="marketing")
        assert story.detail() == {"channel": "email", "purpose": "marketing", "source": "operator"}


# -- suppression ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("scope", "stopped"),
    [
        ("*", True),
        ("channel:email", True),
        ("channel:voice", False),
        ("plan:plan", True),
        ("plan:other", False),
        ("list:dnc", True),
    ],
)
@pytest.mark.parametrize("subject", [contact_id(0), token_of("email", 0), token_of("phone", 0)])
def test_a_suppression_of_a_person_or_an_address_stands_in_its_scope(scope: str, stopped: bool, subject: str) -> None:
    with marketing(policies.SuppressionRule(id="suppression")) as story:
        story.suppress(subject, scope=scope)
        assert asked(story) == ("suppressed" if stopped else "sent")


def test_an_address_may_be_suppressed_before_anybody_has_it() -> None:
    with marketing(policies.SuppressionRule(id="suppression")) as story:
        story.suppress(token_of("email", 5))
        story.put(5)
        run = story.enroll(5)
        story.pull()
        assert story.status(run.no) == "FAILED(denied:suppressed)"


def test_a_new_address_that_is_suppressed_counts_in_the_decision_that_brings_it() -> None:
    plan = plan_of(wait(for_s=DAY_S), exits=(leave('suppressed("email")', "suppressed"),))
    with Story(plan) as story:
        story.suppress("email-new")
        story.enroll()
        story.admit(inputs.ContactPut(contact=contact_id(0), facts=MAILABLE, tokens={"email": "email-new"}))
        assert story.status() == "COMPLETED(suppressed)"


def test_an_address_that_was_given_up_suppresses_nobody_in_the_decision_that_takes_it_away() -> None:
    plan = plan_of(email(following="wait"), wait(for_s=DAY_S), exits=(leave('!suppressed("email")', "free"),))
    with Story(plan) as story:
        story.suppress(token_of("email", 0))
        story.enroll()
        assert story.status() == "ACTIVE(queue)"
        story.admit(inputs.ContactPut(contact=contact_id(0), facts=MAILABLE, tokens={"email": "email-new"}))
        assert story.status() == "COMPLETED(free)"


def test_a_lifted_suppression_stands_no_more_and_another_one_still_does() -> None:
    with marketing(policies.SuppressionRule(id="suppression")) as story:
        story.suppress(contact_id(0), scope="channel:email")
        story.suppress(token_of("email", 0))
        story.suppress(contact_id(0), on=False, scope="channel:email")
        assert asked(story) == "suppressed"
        story.suppress(token_of("email", 0), on=False)
        assert asked(story) == "sent"


def test_lifting_what_is_not_suppressed_is_refused() -> None:
    with marketing() as story:
        story.suppress(contact_id(0), scope="channel:email")
        assert story.suppress(contact_id(0), on=False) == "rejected:not_suppressed"
        assert story.suppress("nobody", on=False) == "rejected:not_suppressed"


def test_a_suppression_without_a_subject_would_mean_everybody_and_is_no_input() -> None:
    with marketing(policies.SuppressionRule(id="suppression")) as story:
        assert story.suppress("") == "rejected:malformed"
        assert asked(story) == "sent"


def test_the_gate_names_the_scopes_reasons_and_entries_of_what_stopped_it() -> None:
    with marketing(policies.SuppressionRule(id="suppression")) as story:
        story.suppress(contact_id(0), scope="list:dnc", reason="regulator")
        entry = story.last()["seq"]
        asked(story)
        stopped = story.last("send_email")
        ladder = stopped["core"]["detail"]["gate"]
        assert ["suppression", "deny", {"reasons": ["regulator"], "scopes": ["list:dnc"]}] in ladder
        assert stopped["saw"]["suppression"] == [entry]


# -- the contact changes -------------------------------------------------------------------------------------------------


def test_a_changed_contact_counts_for_its_live_runs_at_once() -> None:
    with Story(plan_of(email(), attributes={"vip": plans.AttributeDeclaration(kind="bool")})) as story:
        story.enroll()
        assert story.put_facts(present=("phone",), zones={}) == "done"
        assert story.pull() == []
        assert story.status() == "FAILED(denied:no_address)"


def test_the_entry_of_a_contact_holds_attributes_and_facts_and_no_token() -> None:
    with Story() as story:
        body = story.last("contact")
        assert body["core"]["outcome"] == "added"
        assert sorted(body["core"]["detail"]) == ["attributes", "facts"]
        story.put()
        assert story.last("contact")["core"]["outcome"] == "changed"
