"""What the compliance report counts, entry by entry: against what the kernel has counted, and against stories told here."""

from __future__ import annotations

import random  # noqa: TID251 - a story is drawn from its seed
from collections.abc import Callable, Mapping

import msgspec
import pytest
from kernel_builder import (
    DAY_S,
    EPOCH,
    HOUR_S,
    Story,
    budget,
    call,
    contact_id,
    email,
    hours,
    plan_of,
    policy_of,
    recover,
    text,
    token_of,
)

from dee_appliance.kernel.e1 import input as inputs
from dee_appliance.kernel.e1 import plan as plans
from dee_appliance.kernel.e1 import policy as policies
from dee_appliance.kernel.e1.encoding import canonical
from dee_appliance.kernel.e1.run import Permit
from dee_appliance.runtime.compliance_fold import Fold
from dee_appliance.runtime.compliance_log import LogReader, Memory
from dee_appliance.runtime.reading import View

MAIL = plan_of(email(), purpose="marketing")
RINGING = plan_of(call(), purpose="marketing")
ASKING = policy_of(
    policies.SuppressionRule(id="suppression"),
    policies.ConsentRule(id="consent", purposes=("marketing",)),
    policies.WindowRule(id="hours", channels=("voice",), hours=hours(0, 24 * HOUR_S)),
    policies.DutyRule(id="ten-days", trigger="opt_out", within_business_days=10, cite="16 CFR 316.5"),
    policies.DutyRule(id="forget", trigger="erasure", within_months=1),
    policies.DutyRule(id="moon", trigger="full_moon", within_s=1),
)


def read(story: Story, since: int = EPOCH, *, kept: int = 20_000) -> Fold:
    """The report's own reading of everything that happened, counted from a tick on."""
    view = View(story.journal.database)
    with Memory(kept=kept) as memory:
        reader = LogReader(view)
        fold = Fold(view, reader, memory, since)
        for line in reader.lines(view.log_size):
            fold.read(line)
        return fold


def rows(found: Mapping[tuple[str, ...], msgspec.Struct]) -> list[dict[str, object]]:
    return [msgspec.structs.asdict(found[key]) for key in sorted(found)]


def received(story: Story, value: inputs.Input, before: int) -> None:
    """Let an input in that was received some seconds ago."""
    payload = inputs.encode_input(value).decode()
    with story.journal.database.transaction():
        story.journal.admit(story.tick, story.tick - before, "test", inputs.KIND_OF[type(value)], payload)
        story.journal.flush()


# -- sends and money ------------------------------------------------------------------------------------------------------


def test_each_send_is_counted_once_under_the_outcome_that_is_known_in_the_end() -> None:
    with Story(MAIL, policy=policy_of(), contacts=5) as story:
        for number in range(5):
            story.enroll(number)
        first, second, third, fourth, _ = story.pull()
        story.answer(first)
        story.answer(second, "rejected", "permanent")
        story.answer(third, "unknown")
        story.answer(fourth, "unknown")
        story.verb("resolve", "delivered", run=4)
        fold = read(story)
        (row,) = fold.sends.rows.values()
        assert (row.day, row.channel, row.plan, row.purpose) == ("2026-11-18", "email", "plan@1", "marketing")
        assert row.dispatched == 5
        assert row.outcomes == {"accepted": 2, "rejected": 1, "unknown": 1, "in flight": 1}
        assert (fold.sends.unknown, fold.sends.open_unknown) == (2, 1)
        assert fold.sends.resolved == {"a person: delivered": 1}


@pytest.mark.parametrize(
    ("happens", "how", "outcome"),
    [
        (lambda story, permit: story.answer(permit, "accepted"), "a late answer: accepted", "accepted"),
        (lambda story, permit: story.answer(permit, "rejected"), "a late answer: rejected", "not sent"),
        (
            lambda story, permit: story.event("email.delivered", permit),
            "an event of the provider: accepted",
            "accepted",
        ),
        (lambda story, _: story.verb("resolve", "not-delivered"), "a person: not-delivered", "not sent"),
        (lambda story, _: story.verb("resolve", "abandoned"), "a person: abandoned", "abandoned"),
        (lambda story, _: story.verb("resolve", "resend"), "a person: resend", "resend"),
    ],
)
def test_an_unknown_outcome_is_told_with_the_way_it_was_resolved(
    happens: Callable[[Story, Permit], object], how: str, outcome: str
) -> None:
    with Story(MAIL, policy=policy_of()) as story:
        story.enroll()
        permit = story.sent()
        story.answer(permit, "unknown")
        happens(story, permit)
        fold = read(story)
        assert fold.sends.resolved == {how: 1}
        assert fold.sends.open_unknown == 0
        (row,) = fold.sends.rows.values()
        assert row.outcomes == {outcome: 1}


BUDGETS = policy_of(
    budget(6_000),
    policies.BudgetRule(id="daily", limit_micros=900, currency="USD", period="day", on_fail="hold"),
    policies.BudgetRule(id="calls", limit_micros=2_000, currency="USD", scope="channel", channels=("voice",)),
)
SPENDING = (
    plan_of(email(recover=recover("transient", attempts=3)), plan="mail"),
    plan_of(text(), plan="text"),
    plan_of(call(), plan="ring"),
)


def spend(story: Story, known: list[Permit], chance: random.Random) -> None:
    """Whatever can happen to a send and its cost, in some order."""
    permits = [permit for channel in ("email", "sms", "voice") for permit in story.pull(channel, chance.randint(0, 3))]
    known.extend(permits)
    for _ in range(3):
        if not known:
            return
        permit = chance.choice(known)
        cost = chance.choice([None, None, 0, 40, 100, 350])
        match chance.randint(0, 5):
            case 0 | 1:
                story.answer(permit, chance.choice(("accepted", "rejected", "unknown")), cost_micros=cost)
            case 2:
                story.event(
                    chance.choice(("call.answered", "call.completed", "email.delivered")), permit, cost_micros=cost
                )
            case 3:
                choice = chance.choice(("delivered", "not-delivered", "resend", "abandoned"))
                story.raw("run.verb", f'{{"choice":"{choice}","run":"{permit.run}","verb":"resolve"}}')
            case _:
                story.later(chance.randint(1, 5 * HOUR_S))


@pytest.mark.parametrize("seed", range(12))
def test_what_is_settled_and_reserved_by_the_log_is_what_the_gate_has_counted(seed: int) -> None:
    chance = random.Random(seed)
    with Story(*SPENDING, policy=BUDGETS, contacts=12) as story:
        known: list[Permit] = []
        for number in range(12):
            for plan in SPENDING:
                story.enroll(number, plan.plan)
        for _ in range(40):
            spend(story, known, chance)
        fold = read(story, kept=3)
        counted = story.journal.database.execute(
            "SELECT name, bucket, settled, reserved FROM counter"
            " WHERE name = 'budget' OR name = 'daily' OR name LIKE 'calls%' ORDER BY name, bucket"
        )
        told = [
            (use.counter, use.bucket, use.settled_micros, use.reserved_micros)
            for _, use in sorted(fold.sends.budgets.items())
            if use.bucket
        ]
        assert [tuple(row) for row in counted] == [one for one in told if one[2] or one[3] or one in counted]
        assert sum(one[2] for one in told) > 0


def test_a_settlement_above_its_estimate_is_told_with_how_much() -> None:
    with Story(MAIL, policy=policy_of(budget(10_000)), contacts=2) as story:
        story.enroll(0)
        story.enroll(1)
        first, second = story.pull()
        story.answer(first, cost_micros=130)
        story.answer(second)
        story.event("email.delivered", second, cost_micros=150)
        story.event("email.opened", second, cost_micros=150)
        (use,) = read(story).sends.budgets.values()
        assert (use.settled_micros, use.above, use.above_micros) == (280, 2, 80)


def test_what_was_before_the_period_is_known_and_not_counted() -> None:
    with Story(MAIL, policy=policy_of(budget(1_000)), contacts=2) as story:
        story.enroll(0)
        story.answer(story.sent(), "unknown")
        story.later(DAY_S)
        since = story.tick
        story.enroll(1)
        story.sent()
        story.verb("resolve", "not-delivered", run=1)
        fold = read(story, since)
        assert [(row.day, row.dispatched) for row in fold.sends.rows.values()] == [("2026-11-19", 1)]
        assert fold.sends.resolved == {"a person: not-delivered": 1}
        (use,) = fold.sends.budgets.values()
        assert (use.sends, use.settled_micros, use.reserved_micros) == (1, 0, 100)


# -- consent and people ----------------------------------------------------------------------------------------------------


def test_the_consent_that_a_send_relied_on_is_told_with_class_source_and_age() -> None:
    with Story(MAIL, policy=ASKING, contacts=3) as story:
        story.consent(number=0, consent_class="written", source="form-7", obtained=EPOCH - 40 * DAY_S)
        story.consent(number=1, consent_class="written", source="form-7")
        story.consent(number=2, channel="voice")
        story.later(2 * DAY_S)
        for number in range(3):
            story.enroll(number)
        story.pull()
        fold = read(story)
        assert rows(fold.consents) == [
            {
                "channel": "email",
                "purpose": "marketing",
                "consent_class": "written",
                "basis": "",
                "source": "form-7",
                "sends": 2,
                "youngest_days": 2,
                "oldest_days": 42,
            }
        ]
        assert [(row.rule, row.reason, row.count) for row in fold.refusals.values()] == [("consent", "no_consent", 1)]


def test_a_send_for_which_no_consent_rule_stands_is_told_apart() -> None:
    with Story(plan_of(email()), policy=ASKING) as story:
        story.enroll()
        story.pull()
        assert [(row.purpose, row.consent_class, row.sends) for row in read(story).consents.values()] == [
            ("transactional", "", 1)
        ]


def test_contacts_and_what_is_held_of_them_are_counted_as_at_the_end() -> None:
    with Story(plan_of(email(), enroll=msgspec.structs.replace(MAIL.enroll, reentry="always")), contacts=3) as story:
        story.put(0, vip=True)
        for number in (0, 0, 1):
            story.enroll(number)
        story.pull()
        story.admit(inputs.ContactErase(contact=contact_id(2)))
        fold = read(story)
        assert (fold.people.known, fold.added, fold.contacted, fold.acts.erased) == (2, 3, 2, 1)
        kept = {name: count for name, count in fold.people.categories.items() if count}
        assert kept == {"profile email": 2, "profile phone": 2, "attribute vip": 1}
        assert [(row.sends, row.contacts) for row in fold.processing.values()] == [(3, 2)]


# -- opt-outs ----------------------------------------------------------------------------------------------------------------


def test_an_opt_out_is_timed_from_its_receipt_and_measured_against_each_duty() -> None:
    with Story(MAIL, policy=ASKING, contacts=3) as story:
        received(story, inputs.Event(name="email.unsubscribed", contact=contact_id(0)), 90)
        received(story, inputs.ConsentSet(contact=contact_id(1), channel="sms", granted=False), 20 * DAY_S)
        story.admit(inputs.ContactErase(contact=contact_id(2)))
        fold = read(story)
        assert [
            (row.way, row.channel, row.count, row.longest_s, row.spans) for row in fold.duties.opt_outs.values()
        ] == [
            ("email.unsubscribed", "email", 1, 90, {"within an hour": 1}),
            ("consent.revoked", "sms", 1, 20 * DAY_S, {"later": 1}),
            ("erasure", "", 1, 0, {"at once": 1}),
        ]
        assert [(row.rule, row.cases, row.late, row.verdict) for row in fold.duties.rows()] == [
            ("forget", 1, 0, "met"),
            ("moon", 0, 0, "not measured"),
            ("ten-days", 2, 1, "not met"),
        ]


def test_an_opt_out_that_was_asked_for_earlier_counts_from_then_as_far_as_the_file_knew_the_person() -> None:
    with Story(MAIL, policy=ASKING) as story:
        story.consent()
        story.enroll()
        story.later(2 * DAY_S)
        story.sent()
        story.later(3 * DAY_S)
        for subject in (contact_id(0), token_of("email", 9)):
            said = inputs.SuppressionSet(subject=subject, on=True, since=EPOCH - 900 * DAY_S, reason="unsubscribed")
            received(story, said, 10)
        (row,) = read(story).duties.opt_outs.values()
        assert (row.count, row.longest_s, row.crossing) == (2, 5 * DAY_S, 1)
        assert row.spans == {"within 10 days": 1, "within a minute": 1}


def test_who_takes_back_an_opt_out_is_written_to_again() -> None:
    with Story(plan_of(text(), text("again")), policy=policy_of()) as story:
        story.enroll()
        story.event("sms.stop")
        story.event("sms.start")
        story.sent("sms")
        assert read(story).duties.after == []


def test_the_duties_of_a_pack_count_while_it_is_in_use_and_where_it_concerns_the_contact() -> None:
    duty = policies.DutyRule(id="us/soon", trigger="opt_out", within_s=60, jurisdictions=("US",), channels=("email",))
    pack = policies.Pack(id="us", version="1", as_of="2026-11-23", notice="no advice", rules=(duty,))
    with Story(MAIL, policy=policy_of(), contacts=5) as story:
        for number, place in enumerate(("US", "US", "DE", "US", "US")):
            facts: dict[str, object] = {"present": ["email"], "zones": {}, "jurisdictions": {"declared": [place]}}
            story.admit(inputs.ContactPut(contact=contact_id(number), facts=facts))
        digest, brought = story.document("pack", canonical(pack))
        for number, name in ((0, ""), (1, "use"), (2, ""), (3, ""), (4, "retire")):
            if name == "use":
                story.admit(inputs.PackUse(pack="us", digest=digest), brought)
            elif name == "retire":
                story.admit(inputs.PackRetire(pack="us"))
            channel: plans.Channel = "voice" if number == 3 else "email"
            received(story, inputs.ConsentSet(contact=contact_id(number), channel=channel, granted=False), 3_600)
        fold = read(story)
        assert [(row.rule, row.cases, row.late, row.verdict) for row in fold.duties.rows()] == [
            ("us/soon", 1, 1, "not met")
        ]
        assert [(one.kind, one.name, bool(one.until)) for one in fold.rules.timeline][-1] == ("pack", "us", True)


def test_an_opt_out_that_nobody_needed_leaves_a_duty_without_a_case() -> None:
    with Story(MAIL, policy=ASKING) as story:
        assert [row.verdict for row in read(story).duties.rows()] == ["no case", "not measured", "no case"]


def test_a_send_between_receipt_and_entry_is_told_as_crossing() -> None:
    with Story(MAIL, policy=policy_of()) as story:
        story.enroll()
        story.pull()
        story.later(HOUR_S)
        received(story, inputs.Event(name="email.unsubscribed", contact=contact_id(0)), 2 * HOUR_S)
        received(story, inputs.Event(name="email.complained", contact=contact_id(0)), 60)
        told = [(row.way, row.crossing) for row in read(story).duties.opt_outs.values()]
        assert told == [("email.unsubscribed", 1), ("email.complained", 0)]


def test_a_send_after_a_revocation_about_which_no_rule_asks_is_told_and_not_taken_for_a_fault() -> None:
    with Story(plan_of(email()), policy=policy_of()) as story:
        story.consent(granted=False)
        story.enroll()
        story.later(60)
        permit = story.sent()
        fold = read(story)
        ((sent, asked),) = {(one.channel, one.asked) for one in fold.duties.after}
        assert (sent, asked) == ("email", False)
        assert sum(row.unasked_after for row in fold.duties.opt_outs.values()) == 1
        assert sum(row.sends_after for row in fold.duties.opt_outs.values()) == 0
        assert permit.channel == "email"


def test_an_opt_out_that_was_lifted_or_given_anew_stands_against_nothing() -> None:
    with Story(plan_of(email()), policy=policy_of()) as story:
        story.suppress(contact_id(0))
        story.suppress(contact_id(0), on=False)
        story.consent(granted=False)
        story.consent()
        story.enroll()
        story.sent()
        assert read(story).duties.after == []


def test_an_opt_out_of_another_channel_or_plan_stands_against_nothing_here() -> None:
    with Story(plan_of(email()), policy=policy_of()) as story:
        story.suppress(contact_id(0), scope="channel:sms")
        story.suppress(contact_id(0), scope="plan:other")
        story.consent(granted=False, channel="voice")
        story.enroll()
        story.sent()
        assert read(story).duties.after == []


def test_an_event_for_several_runs_is_one_event() -> None:
    with Story(plan_of(email()), plan_of(text(), plan="other"), policy=policy_of()) as story:
        story.enroll()
        story.enroll(plan="other")
        story.event("email.bounced", kind="hard")
        story.event("email.bounced", kind="hard")
        assert [(row.event, row.kind, row.count) for row in read(story).events.values()] == [
            ("email.bounced", "hard", 2)
        ]


# -- hours and refusals -------------------------------------------------------------------------------------------------------


def test_hours_are_looked_at_by_every_clock_of_the_contact() -> None:
    with Story(RINGING, policy=ASKING) as story:
        story.put_facts(0, zones={"declared": ["America/New_York"], "number": ["Asia/Kolkata"]})
        story.consent(channel="voice")
        story.enroll()
        story.sent("voice")
        (told,) = read(story).hours.channels.values()
        assert (told.sends, told.asked, told.outside, told.exempt) == (1, 1, 0, 0)
        assert (told.earliest, told.latest) == ("06:06:40", "16:36:40")


def test_refusals_and_holds_are_counted_by_rule_with_their_source() -> None:
    night = policies.WindowRule(id="night", channels=("voice",), hours=hours(), cite="47 CFR 64.1200(c)(1)")
    daily = policies.DailyLimitRule(id="daily", limit=1, channels=("email",), cite="our own")
    with Story(MAIL, plan_of(call(), plan="ring"), policy=policy_of(night, daily), contacts=3) as story:
        for number in range(3):
            story.enroll(number)
        story.enroll(plan="ring")
        story.pull()
        story.pull("voice")
        told = [(row.verdict, row.rule, row.kind, row.cite, row.count) for row in read(story).refusals.values()]
        assert told == [
            ("queue", "daily", "daily_limit", "our own", 1),
            ("hold", "night", "window", "47 CFR 64.1200(c)(1)", 1),
        ]


def test_acts_of_operators_are_told_and_what_happens_by_itself_is_not() -> None:
    with Story(MAIL, policy=policy_of()) as story:
        story.enroll()
        since = story.tick = story.tick + 1
        story.hold("channel:email")
        story.release("channel:email")
        story.verb("pause")
        story.verb("cancel")
        story.policy(ASKING)
        fold = read(story, since)
        assert [(act.act, act.actor) for act in fold.acts.acts] == [
            ("halt", "operator"),
            ("release", "operator"),
            ("policy", "test"),
        ]
        assert [(row.act, row.outcome, row.actor, row.count) for row in fold.acts.verbs.values()] == [
            ("pause", "paused", "operator", 1),
            ("cancel", "cancelled", "operator", 1),
        ]
        assert [(one.name, bool(one.until)) for one in fold.rules.timeline if one.kind == "policy"] == [
            ("test", True),
            ("test", False),
        ]


def test_what_does_not_fit_in_memory_is_counted_the_same() -> None:
    with Story(MAIL, policy=policy_of(budget(100_000)), contacts=30) as story:
        for number in range(30):
            story.enroll(number)
        for permit in story.pull():
            story.answer(permit)
        story.event("email.unsubscribed", number=3)
        few, many = read(story, kept=2), read(story)
        for name in ("sends", "duties", "people"):
            one, other = vars(getattr(few, name)), vars(getattr(many, name))
            assert {key: one[key] for key in one if key[0] != "_"} == {
                key: other[key] for key in other if key[0] != "_"
            }
