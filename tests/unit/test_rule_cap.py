"""Frequency caps and cool-downs: what counts, within which time, for whom; and the instant at which there is room again."""

from __future__ import annotations

from typing import Any

import pytest
from gate_questions import asked, at, question, said, touch, verdict, zone_table
from kernel_builder import DAY_S, HOUR_S, Story, call, contact_id, email, plan_of, policy_of, recover, text

from dee_appliance.kernel.e1 import input as inputs
from dee_appliance.kernel.e1 import plan as plans
from dee_appliance.kernel.e1 import policy as policies
from dee_appliance.kernel.e1.civil_time import ZoneTable
from dee_appliance.kernel.e1.run import Touch

SECONDS = {"seconds": DAY_S}
WEEK = {"days": 7}


def cap(limit: int, **more: Any) -> policies.CapRule:
    return policies.CapRule(id="cap", limit=limit, **{"counts": ("voice",), **more})


def calls(*when: str, **more: Any) -> list[Touch]:
    return [touch(one, **more) for one in when]


DAILY_CALLS = [f"2026-06-0{day}T15:00:00Z" for day in range(1, 8)]
"""Seven calls, on the first seven days of June."""

FALL_BACK = ["2026-10-29T04:05:00Z", *(f"2026-11-0{day}T15:00:00Z" for day in range(1, 5))] + [
    "2026-11-04T16:00:00Z"
] * 2
"""Seven calls; the first five minutes into 29 October in New York, where clocks go back on 1 November."""


def st_johns() -> ZoneTable:
    """In 2010 the clocks of St. John's went back an hour at one minute past midnight: its date stepped back as well."""
    return zone_table(
        **{"America/St_Johns": [(at("2010-01-01T00:00:00Z"), -9_000), (at("2010-11-07T02:31:00Z"), -12_600)]}
    )


def apia() -> ZoneTable:
    """Samoa skipped 30 December 2011."""
    return zone_table(**{"Pacific/Apia": [(at("2011-01-01T00:00:00Z"), -36_000), (at("2011-12-30T10:00:00Z"), 50_400)]})


class Case:
    def __init__(self, when: str, expected: str, rule: policies.CapRule, touches: list[Touch], **more: Any) -> None:
        self.when, self.expected, self.rule, self.touches, self.more = when, expected, rule, touches, more


THREE = calls("2026-05-04T14:00:00Z", "2026-05-04T16:00:00Z", "2026-05-04T18:00:00Z")
TWICE = ["2026-06-10T13:00:00Z", "2026-06-10T23:00:00Z"]
"""In Auckland one and eleven o'clock of 11 June, in New York and in UTC 10 June."""

NEW_YORK_OR_LA = ("America/New_York", "America/Los_Angeles")
CONVERSATION = {"counts": ("conversation",), "days": 7}
CASES: dict[str, Case] = {
    "K03 exactly 24 hours after the oldest still counts when the period is closed": Case(
        "2026-05-05T14:00:00Z", "2026-05-05T14:00:01Z", cap(3, **SECONDS), THREE
    ),
    "K04 and does not when it is half open": Case(
        "2026-05-05T14:00:00Z", "allow", cap(3, **SECONDS, boundary="half_open"), THREE
    ),
    "K04 a second earlier it does": Case(
        "2026-05-05T13:59:59Z", "2026-05-05T14:00:00Z", cap(3, **SECONDS, boundary="half_open"), THREE
    ),
    "K08 a text does not consume a cap of calls": Case(
        "2026-05-04T21:00:00Z", "allow", cap(3, **SECONDS), [*THREE[:2], touch("2026-05-04T18:00:00Z", "sms")]
    ),
    "K08 it does where the rule counts texts": Case(
        "2026-05-04T21:00:00Z",
        "2026-05-05T14:00:01Z",
        cap(3, **SECONDS, counts=("voice", "sms")),
        [*THREE[:2], touch("2026-05-04T18:00:00Z", "sms")],
    ),
    "K10 a day of elapsed time is no longer when clocks go back": Case(
        "2026-11-02T05:15:00Z",
        "2026-11-02T05:30:01Z",
        cap(3, **SECONDS),
        calls("2026-11-01T05:30:00Z", "2026-11-01T06:30:00Z", "2026-11-01T15:00:00Z"),
    ),
    "K11 three in the same second all count": Case(
        "2026-05-04T14:00:00Z", "2026-05-05T14:00:01Z", cap(3, **SECONDS), calls(*["2026-05-04T14:00:00Z"] * 3)
    ),
    "S02 seven in seven consecutive days": Case(
        "2026-06-07T20:00:00Z", "2026-06-08T04:00:00Z", cap(7, **WEEK), calls(*DAILY_CALLS)
    ),
    "S03 the same in 168 hours is later": Case(
        "2026-06-07T20:00:00Z", "2026-06-08T15:00:01Z", cap(7, seconds=7 * DAY_S), calls(*DAILY_CALLS)
    ),
    "S02 and S03 together": Case(
        "2026-06-07T20:00:00Z", "2026-06-08T15:00:01Z", cap(7, **WEEK, also_seconds=7 * DAY_S), calls(*DAILY_CALLS)
    ),
    "S05 another debt of the same person has its own count": Case(
        "2026-06-07T20:00:00Z",
        "allow",
        cap(7, **WEEK, scope=("contact", "var:debt")),
        calls(*DAILY_CALLS, variables={"debt": 1}),
        variables={"debt": 2},
    ),
    "S05 the same debt has the same": Case(
        "2026-06-07T20:00:00Z",
        "2026-06-08T04:00:00Z",
        cap(7, **WEEK, scope=("contact", "var:debt")),
        calls(*DAILY_CALLS, variables={"debt": 1}),
        variables={"debt": 1},
    ),
    "S05 a call about no debt that is known may be about any": Case(
        "2026-06-07T20:00:00Z",
        "2026-06-08T04:00:00Z",
        cap(7, **WEEK, scope=("contact", "var:debt")),
        [*calls(*DAILY_CALLS[:6], variables={"debt": 1}), touch(DAILY_CALLS[6])],
        variables={"debt": 1},
    ),
    "S07 a call that did not connect is excluded": Case(
        "2026-06-07T20:00:00Z",
        "allow",
        cap(7, **WEEK, excluded_outcomes=("busy", "failed")),
        [*calls(*DAILY_CALLS[:6], outcome="answered"), touch(DAILY_CALLS[6], outcome="busy")],
    ),
    "S07 no answer is an attempt": Case(
        "2026-06-07T20:00:00Z",
        "2026-06-08T04:00:00Z",
        cap(7, **WEEK, excluded_outcomes=("busy", "failed")),
        calls(*DAILY_CALLS, outcome="no_answer"),
    ),
    "S12 the day of the conversation is the first of seven": Case(
        "2026-06-05T15:00:00Z",
        "2026-06-10T04:00:00Z",
        cap(1, **CONVERSATION),
        [touch("2026-06-03T15:00:00Z", "conversation")],
    ),
    "S15 the local date of the conversation counts, not that in UTC": Case(
        "2026-06-09T15:00:00Z",
        "2026-06-10T04:00:00Z",
        cap(1, **CONVERSATION),
        [touch("2026-06-04T03:30:00Z", "conversation")],
    ),
    "S17 where a contact may be in two zones, the later midnight counts": Case(
        "2026-06-09T15:00:00Z",
        "2026-06-11T04:00:00Z",
        cap(1, **CONVERSATION),
        [touch("2026-06-04T05:30:00Z", "conversation")],
        zones=NEW_YORK_OR_LA,
    ),
    "S20 168 hours can lie in seven days when clocks go back": Case(
        "2026-11-05T04:30:00Z", "2026-11-05T05:00:00Z", cap(7, **WEEK), calls(*FALL_BACK)
    ),
    "S21 which the sliding bound alone would let through": Case(
        "2026-11-05T04:30:00Z", "allow", cap(7, seconds=7 * DAY_S), calls(*FALL_BACK)
    ),
    "S25 two calls or texts in seven days, a voicemail among them": Case(
        "2026-06-03T15:00:00Z",
        "2026-06-08T04:00:00Z",
        cap(2, **WEEK, counts=("voice", "sms")),
        [touch("2026-06-01T15:00:00Z", outcome="voicemail"), touch("2026-06-02T15:00:00Z", "sms")],
    ),
    "S27 three in seven days on all channels together": Case(
        "2026-10-05T15:00:00Z",
        "2026-10-08T04:00:00Z",
        cap(3, **WEEK, counts=("voice", "sms", "email")),
        [touch("2026-10-01T15:00:00Z"), touch("2026-10-02T15:00:00Z", "sms"), touch("2026-10-04T15:00:00Z", "email")],
        channel="email",
    ),
    "T02 sixty full days after a refusal": Case(
        "2026-04-20T09:00:00Z",
        "2026-05-01T22:00:00Z",
        cap(1, counts=("refusal",), days=61),
        [touch("2026-03-02T10:00:00Z", "refusal")],
        zones=("Europe/Paris",),
    ),
    "D01 two a day by the day of the contact": Case(
        "2026-06-11T02:00:00Z", "2026-06-11T12:00:00Z", cap(2, days=1), calls(*TWICE), zones=("Pacific/Auckland",)
    ),
    "D02 by the day of the sender": Case(
        "2026-06-11T02:00:00Z",
        "2026-06-11T04:00:00Z",
        cap(2, days=1, zone="America/New_York"),
        calls(*TWICE),
        zones=("Pacific/Auckland",),
    ),
    "D03 by the day of UTC": Case(
        "2026-06-11T02:00:00Z", "allow", cap(2, days=1, zone="Etc/UTC"), calls(*TWICE), zones=("Pacific/Auckland",)
    ),
    "D06 a day without a midnight begins at one o'clock": Case(
        "2026-04-23T21:59:59Z",
        "2026-04-23T22:00:00Z",
        cap(1, days=1),
        calls("2026-04-23T10:00:00Z"),
        zones=("Africa/Cairo",),
    ),
    "D08 a date that a zone skipped counts as a day": Case(
        "2012-01-02T20:00:00Z",
        "2012-01-03T10:00:00Z",
        cap(1, days=7),
        calls("2011-12-28T20:00:00Z"),
        zones=("Pacific/Apia",),
        table=apia(),
    ),
    "D11 at midnight the day is over": Case(
        "2010-11-07T02:30:00Z",
        "allow",
        cap(1, days=1),
        calls("2010-11-06T15:00:00Z"),
        zones=("America/St_Johns",),
        table=st_johns(),
    ),
    "D12 a minute later it is the same day again": Case(
        "2010-11-07T02:31:00Z",
        "2010-11-07T03:30:00Z",
        cap(1, days=1),
        calls("2010-11-06T15:00:00Z"),
        zones=("America/St_Johns",),
        table=st_johns(),
    ),
    "a month ends with its last local day": Case(
        "2026-01-31T23:00:00Z",
        "2026-02-01T05:00:00Z",
        cap(2, month=True),
        calls("2026-01-02T15:00:00Z", "2026-01-31T15:00:00Z"),
    ),
    "a month ends with the year": Case(
        "2026-12-31T12:00:00Z", "2027-01-01T05:00:00Z", cap(1, month=True), calls("2026-12-01T05:00:00Z")
    ),
    "the last second of a month is not the next one": Case(
        "2026-12-31T12:00:00Z", "allow", cap(1, month=True), calls("2026-12-01T04:59:59Z")
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_the_cap_passes_or_says_when_it_will(name: str) -> None:
    case = CASES[name]
    one = question(case.when, case.rule, touches=case.touches, **case.more)
    assert verdict(one) == case.expected
    if case.expected != "allow":
        assert verdict(question(case.expected, case.rule, touches=case.touches, **case.more)) == "allow"
        before = said(at(case.expected) - 1)
        assert verdict(question(before, case.rule, touches=case.touches, **case.more)) == case.expected


# -- scopes --------------------------------------------------------------------------------------------------------------

MORE: dict[str, Any] = {"scope": ("contact",), "limit": 1, "seconds": DAY_S, "counts": ()}


@pytest.mark.parametrize(
    ("scope", "other", "same"),
    [
        (("contact",), {}, True),
        (("address",), {}, True),
        (("address",), {"address": "phone-2"}, False),
        (("address",), {"address": ""}, True),
        (("contact", "plan"), {}, True),
        (("contact", "plan"), {"plan": "other"}, False),
        (("contact", "plan"), {"plan": ""}, True),
        (("contact", "purpose"), {}, True),
        (("contact", "purpose"), {"purpose": "marketing"}, False),
        (("contact", "channel"), {}, True),
        (("contact", "channel"), {"channel": "sms", "what": "sms"}, False),
        (("contact", "plan", "var:debt"), {"variables": {"debt": 8}}, False),
        (("contact", "plan", "var:debt"), {"variables": {"debt": 7}}, True),
        (("contact", "plan", "var:debt"), {"variables": {"debt": 7}, "plan": "other"}, False),
    ],
)
def test_what_has_another_name_in_the_scope_does_not_count_and_what_is_not_known_does(
    scope: tuple[str, ...], other: dict[str, Any], *, same: bool
) -> None:
    rule = policies.CapRule(id="cap", **{**MORE, "scope": scope})
    more = {"what": "voice", **other}
    earlier = touch("2026-05-04T14:00:00Z", more.pop("what"), **more)
    one = question("2026-05-04T15:00:00Z", rule, touches=[earlier], variables={"debt": 7})
    assert verdict(one) == ("2026-05-05T14:00:01Z" if same else "allow")


def test_a_rule_that_names_nothing_counts_attempts_and_no_happenings() -> None:
    rule = policies.CapRule(id="cap", limit=1, seconds=DAY_S)
    for what, expected in (("email", "2026-05-05T14:00:01Z"), ("conversation", "allow"), ("abandoned", "allow")):
        assert (
            verdict(question("2026-05-04T15:00:00Z", rule, touches=[touch("2026-05-04T14:00:00Z", what)])) == expected
        )


def test_whoever_is_nowhere_has_no_days() -> None:
    assert verdict(question("2026-05-04T15:00:00Z", cap(1, days=1), zones=())) == "deny: unknown_zone"
    assert verdict(question("2026-05-04T15:00:00Z", cap(1, **SECONDS), zones=())) == "allow"
    there = calls("2026-05-04T14:00:00Z")
    assert verdict(question("2026-05-04T15:00:00Z", cap(1, days=1), touches=there, zones=("Mars/Olympus",))) == (
        "deny: unknown_zone"
    )


def test_an_entry_cites_the_newest_that_count_and_no_more_than_the_limit() -> None:
    touches = [touch(at("2026-05-04T14:00:00Z") + hour * HOUR_S, entry=100 + hour) for hour in range(5)]
    saw = asked(question("2026-05-04T19:00:00Z", cap(3, **SECONDS), touches=touches)).saw
    assert saw["caps"] == [["cap", 3, [104, 103, 102]]]


# -- as it happens -------------------------------------------------------------------------------------------------------

AGAIN = plans.Enroll(reentry="always")
ONE_A_DAY = policies.CapRule(id="cap", limit=1, seconds=DAY_S)


def mailing(rule: policies.CapRule = ONE_A_DAY, **more: Any) -> Story:
    return Story(plan_of(email(**more), enroll=AGAIN), policy=policy_of(rule))


def passes_again(story: Story) -> bool:
    story.enroll()
    return len(story.pull()) == 1


@pytest.mark.parametrize(
    ("answer", "kind", "again"),
    [
        ("accepted", "none", False),
        ("unknown", "none", False),
        ("rejected", "permanent", True),
        ("rejected", "transient", True),
        ("rejected", "config", True),
    ],
)
def test_what_was_certainly_not_sent_does_not_count_and_an_unknown_outcome_does(
    answer: Any, kind: Any, *, again: bool
) -> None:
    with mailing() as story:
        story.enroll()
        story.answer(story.sent(), answer, kind)
        assert passes_again(story) is again


def test_what_is_in_flight_counts() -> None:
    with mailing() as story:
        story.enroll()
        story.sent()
        assert not passes_again(story)


@pytest.mark.parametrize(("choice", "again"), [("delivered", False), ("not-delivered", True), ("abandoned", False)])
def test_what_a_person_says_of_an_unknown_outcome_counts(choice: str, *, again: bool) -> None:
    with mailing() as story:
        story.enroll()
        story.answer(story.sent(), "unknown")
        story.verb("resolve", choice)
        assert passes_again(story) is again


def test_a_send_that_is_tried_again_and_one_that_is_sent_again_are_asked_again() -> None:
    with mailing(recover=recover("transient", attempts=3)) as story:
        story.enroll()
        story.answer(story.sent(), "rejected", "transient")
        story.later(HOUR_S)
        story.answer(story.sent(), "unknown")
        story.verb("resolve", "resend")
        assert story.pull() == []
        assert story.status() == "HELD(cap)"


def test_a_cap_holds_one_run_and_no_queue() -> None:
    with mailing() as story:
        story.enroll()
        first = story.tick
        story.answer(story.sent())
        story.later(HOUR_S)
        assert not passes_again(story)
        assert (story.status(2), story.run(2).due, story.holds()) == ("HELD(cap)", first + DAY_S + 1, [])
        story.at(first + DAY_S)
        assert story.status(2) == "HELD(cap)"
        story.at(first + DAY_S + 1)
        assert len(story.pull()) == 1


def test_two_plans_share_the_cap_of_a_contact_and_two_contacts_do_not() -> None:
    other = plan_of(text(), plan="other")
    with Story(plan_of(email()), other, policy=policy_of(ONE_A_DAY), contacts=2) as story:
        story.enroll()
        story.sent()
        story.enroll(0, "other")
        story.enroll(1, "other")
        (permit,) = story.pull("sms")
        assert permit.contact == contact_id(1)


def test_two_sends_of_one_pull_do_not_both_pass() -> None:
    with Story(plan_of(email()), plan_of(email(), plan="other"), policy=policy_of(ONE_A_DAY)) as story:
        story.enroll()
        story.enroll(0, "other")
        assert len(story.pull()) == 1


@pytest.mark.parametrize(
    ("event", "what"),
    [
        ("call.answered", "conversation"),
        ("call.declined", "refusal"),
        ("call.abandoned", "abandoned"),
        ("contact.conversation", "conversation"),
        ("contact.refused", "refusal"),
    ],
)
def test_what_was_said_cools_down(event: str, what: str) -> None:
    rule = policies.CapRule(id="cool-down", limit=1, counts=(what,), days=7)
    with Story(plan_of(call(), enroll=AGAIN), policy=policy_of(rule)) as story:
        story.enroll()
        permit = story.sent("voice")
        story.answer(permit)
        story.event(event, permit)
        entry = next(
            one["seq"] for one in story.bodies() if one["core"]["outcome"] in (event, event.removeprefix("call."))
        )
        story.later(HOUR_S)
        story.enroll()
        assert story.pull("voice") == []
        assert story.status(2) == "HELD(cap)"
        (cited,) = story.last("call")["saw"]["caps"]
        assert cited[:2] == ["cool-down", 1]
        assert cited[2][0] >= entry


def test_what_was_said_on_no_known_occasion_cools_down_every_plan() -> None:
    rule = policies.CapRule(id="cool-down", limit=1, counts=("refusal",), days=60, scope=("contact", "plan"))
    with Story(plan_of(call()), policy=policy_of(rule)) as story:
        story.event("contact.refused")
        story.enroll()
        assert story.pull("voice") == []


def test_the_outcome_of_a_call_takes_it_out_of_the_count_or_leaves_it_in() -> None:
    rule = policies.CapRule(id="cap", limit=1, counts=("voice",), seconds=DAY_S, excluded_outcomes=("busy",))
    for outcome, permits in (("busy", 1), ("no_answer", 0)):
        with Story(plan_of(call(), enroll=AGAIN), policy=policy_of(rule)) as story:
            story.enroll()
            permit = story.sent("voice")
            story.answer(permit)
            story.enroll()
            assert story.pull("voice") == []  # nobody knows yet how it ended
            story.event(f"call.{outcome}", permit)
            story.verb("pause", run=2)
            story.verb("resume", run=2)
            assert len(story.pull("voice")) == permits


def test_a_call_that_was_rejected_and_yet_answered_is_cited_with_the_entry_that_says_so() -> None:
    rule = policies.CapRule(id="cool-down", limit=1, counts=("conversation",), days=7)
    with Story(plan_of(call(), enroll=AGAIN), policy=policy_of(rule)) as story:
        story.enroll()
        permit = story.sent("voice")
        story.answer(permit, "rejected", "permanent")
        story.event("call.answered", permit)
        entry = story.last("event")["seq"]
        story.enroll()
        assert story.pull("voice") == []
        assert story.last("call")["saw"]["caps"] == [["cool-down", 1, [entry]]]


def test_a_new_phone_number_has_a_count_of_its_own_and_the_old_one_keeps_its() -> None:
    rule = policies.CapRule(id="cap", limit=1, seconds=DAY_S, scope=("address",))
    with Story(plan_of(text(), enroll=AGAIN), policy=policy_of(rule)) as story:
        story.enroll()
        story.answer(story.sent("sms"))
        facts: dict[str, object] = {"present": ["phone"], "zones": {"declared": ["Etc/UTC"]}}
        story.admit(inputs.ContactPut(contact=contact_id(0), facts=facts, tokens={"phone": "phone-new"}))
        assert passes_again_by_text(story)
        story.admit(inputs.ContactPut(contact=contact_id(0), facts=facts, tokens={"phone": "phone-0"}))
        assert not passes_again_by_text(story)


def passes_again_by_text(story: Story) -> bool:
    story.enroll()
    return len(story.pull("sms")) == 1
