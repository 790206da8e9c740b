"""What the log says of each kind of input, word by word, as kernel_entries.txt has it: step, action, outcome, detail."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from kernel_builder import (
    DAY_S,
    EPOCH,
    Story,
    branch,
    budget,
    call,
    contact_id,
    daily,
    email,
    hours,
    leave,
    plan_of,
    policy_of,
    recover,
    task,
    token_of,
    wait,
)
from msgspec.structs import replace

from dee_appliance.kernel.e1 import input as inputs
from dee_appliance.kernel.e1 import plan as plans
from dee_appliance.kernel.e1 import policy as policies
from dee_appliance.kernel.e1.encoding import canonical

CASES = Path(__file__).with_name("kernel_entries.txt")
HOUR = EPOCH + 3_600
ATTRIBUTES = {
    "tier": plans.AttributeDeclaration(kind="int"),
    "vip": plans.AttributeDeclaration(kind="bool"),
    "level": plans.AttributeDeclaration(kind="enum", values=("low", "high")),
    "renewal": plans.AttributeDeclaration(kind="date"),
    "home": plans.AttributeDeclaration(kind="zone"),
}
PLAIN = plan_of(wait("pause", for_s=DAY_S), plan="plain")
TYPED = plan_of(wait("pause", for_s=DAY_S), plan="typed", attributes=ATTRIBUTES, variables={"sum": ATTRIBUTES["tier"]})
ASKING = plan_of(task("look"), plan="asking")
EXCLUSIVE = plan_of(wait("pause", for_s=DAY_S), plan="sole", enroll=plans.Enroll(exclusive=True))
AGAIN = plan_of(wait("pause", for_s=60), plan="again", enroll=plans.Enroll(reentry="always", min_gap_s=DAY_S))
AFTER = plan_of(wait("pause", for_s=60), plan="after", enroll=plans.Enroll(reentry="after_exit"))
DIGEST = re.compile('"(b3:|run_)?[0-9a-z]{26,}')
PLACE = ("core", "run", "input", "saw", "prev", "seq", "cs", "cp")
"""What every entry has, wherever it stands."""
GONE = contact_id(9)
"""A contact that was never imported."""

Happens = Callable[[Story], object]


def setting(key: str, value: str) -> Happens:
    return lambda story: story.admit(inputs.ConfigSet(key=key, value=value))


def enroll(plan: str, number: int = 0, times: int = 1, **more: Any) -> Happens:
    def happens(story: Story) -> None:
        for _ in range(times):
            story.admit(inputs.Enroll(contact=contact_id(number), plan=plan, **more))

    return happens


def both(*happenings: Happens) -> Happens:
    def happens(story: Story) -> None:
        for one in happenings:
            one(story)

    return happens


def admit(value: inputs.Input) -> Happens:
    return lambda story: story.admit(value)


def publish(plan: plans.Plan) -> Happens:
    return lambda story: story.publish(plan)


def consent(**more: Any) -> Happens:
    return lambda story: story.consent(**more)


def listed(*tokens: str, version: int = 1) -> Happens:
    return admit(inputs.ListAdd(list="dnc", version=version, tokens=tokens))


def used(version: int = 1, count: int = 2, as_of: int = EPOCH) -> Happens:
    return admit(inputs.ListUse(list="dnc", version=version, as_of=as_of, count=count))


def brought(kind: str, body: bytes, value: Callable[[str], inputs.Input]) -> Happens:
    """A document of any body, brought along by the input that names it."""

    def happens(story: Story) -> None:
        digest, there = story.document(kind, body)
        story.admit(value(digest), there)

    return happens


def used_pack(*rules: policies.Rule) -> Happens:
    pack = policies.Pack(id="us", version="1", as_of="2026-11-23", notice="invented", rules=rules)
    return brought("pack", canonical(pack), lambda digest: inputs.PackUse(pack="us", digest=digest, actor="ann"))


def put(**attributes: inputs.Scalar) -> Happens:
    return lambda story: story.put(0, **attributes)  # type: ignore[arg-type]  # none of them is called zone


FULL: dict[str, inputs.Scalar] = {
    "tier": 1,
    "vip": True,
    "level": "low",
    "renewal": "2026-12-01",
    "home": "Europe/London",
}
MAILER = plan_of(email("mail", recover=recover("transient"), skippable=True), plan="mailer")
PRESSED = plan_of(email("mail", send_by_s=60), plan="pressed")
RINGER = plan_of(call("ring", on={"answered": "end"}, max_duration_s=60, ring_s=30), plan="ringer")
WAYS = plan_of(
    branch("which", "contact.tier > 4", "end", "half"),
    plans.Split(id="half", arms=(plans.Arm(name="only", weight=1, then="end"),)),
    plan="ways",
    attributes={"tier": ATTRIBUTES["tier"]},
)
LEAVING = plan_of(wait("pause", for_s=DAY_S), plan="leaving", exits=(leave('event("stop")', "stopped"),))


def answered(*answers: tuple[str, ...], channel: plans.Channel = "email", **more: Any) -> Happens:
    """Enrol, send, and answer so."""

    def happens(story: Story) -> None:
        story.enroll(plan="ringer" if channel == "voice" else "mailer")
        permit = story.sent(channel)
        for answer in answers:
            story.answer(permit, *answer, **more)  # type: ignore[arg-type]

    return happens


def operated(*verbs: tuple[str, ...]) -> Happens:
    return lambda story: [story.verb(*verb) for verb in verbs]  # type: ignore[arg-type]


PLANS = (PLAIN, TYPED, ASKING, EXCLUSIVE, AGAIN, AFTER, MAILER, PRESSED, RINGER, WAYS, LEAVING)
HAPPENINGS: dict[str, Happens] = {
    "a plan is published": publish(plan_of(wait("other", for_s=60), plan="new")),
    "the same version again": publish(PLAIN),
    "another plan under a version that exists": publish(plan_of(wait("other", for_s=60), plan="plain")),
    "a plan whose document is not there": admit(inputs.PlanPublish(plan="p", version=1, digest="b3:none")),
    "a plan that is none": brought(
        "plan", b'{"no":"plan"}', lambda digest: inputs.PlanPublish(plan="p", version=1, digest=digest)
    ),
    "a halt of everything": admit(inputs.HoldSet(scope="*", on=True, actor="ann")),
    "a halt because of the clock": admit(inputs.HoldSet(scope="*", on=True, reason="clock_jumped")),
    "a release": both(
        admit(inputs.HoldSet(scope="*", on=True)), admit(inputs.HoldSet(scope="*", on=False, actor="ann"))
    ),
    "a release of what is not held": admit(inputs.HoldSet(scope="plan:plain", on=False)),
    "a setting": admit(inputs.ConfigSet(key="sender.name", value='"Ann"', actor="ann")),
    "a number": setting("breaker.threshold", "5"),
    "a number below nothing": setting("breaker.threshold", "-1"),
    "a truth for a number": setting("breaker.threshold", "true"),
    "a list of texts": setting("trial.guests", '["a","b"]'),
    "a list of anything": setting("trial.guests", '["a",1]'),
    "a switch": setting("trial", "true"),
    "a number for a switch": setting("trial", "1"),
    "a setting that does not exist": setting("sender.mood", '"good"'),
    "the file is armed": admit(inputs.Arm(incarnation=1, actor="ann")),
    "the file is armed out of turn": admit(inputs.Arm(incarnation=3)),
    "an epoch that is not newer": admit(inputs.EpochUse(epoch=1, actor="ann")),
    "a plan of a schema to come": publish(replace(PLAIN, version=2, schema=9)),
    "a policy": lambda story: story.policy(policy_of(daily(5))),
    "a policy whose document is not there": admit(inputs.PolicySet(digest="b3:none")),
    "a policy that is none": brought("policy", b'{"no":"policy"}', lambda digest: inputs.PolicySet(digest=digest)),
    "zones whose document is not there": admit(inputs.ZonesUse(digest="b3:none")),
    "zones that are none": brought("zones", b'{"no":"zones"}', lambda digest: inputs.ZonesUse(digest=digest)),
    "other zones": lambda story: story.zones(shift_s=60),
    "a pack whose document is not there": admit(inputs.PackUse(pack="us", digest="b3:none")),
    "a pack that is none": brought("pack", b'{"no":"pack"}', lambda digest: inputs.PackUse(pack="us", digest=digest)),
    "a pack that is not in use is retired": admit(inputs.PackRetire(pack="us")),
    "a pack": used_pack(),
    "the same pack again": both(used_pack(), used_pack()),
    "a pack whose rules are called like others": both(
        lambda story: story.policy(policy_of(daily(5))), used_pack(daily(5))
    ),
    "a pack is retired": both(used_pack(), admit(inputs.PackRetire(pack="us"))),
    "a fact": admit(inputs.FactSet(name="registered", value=True, actor="ann")),
    "a fact that nobody knows any more": admit(inputs.FactSet(name="registered", value=None)),
    "a list grows": listed("a", "b"),
    "a list comes into use": both(listed("a", "b"), used()),
    "a list that is not whole": both(listed("a"), used()),
    "a list of the future": both(listed("a", "b"), used(as_of=HOUR)),
    "a list of an older version": both(listed("a", "b"), used(), used()),
    "tokens for a list that is in use": both(listed("a", "b"), used(), listed("c")),
    "an input with nothing to do": admit(inputs.Clock(limit=5)),
    "an input that is none": lambda story: story.raw("event", "{}"),
    "a contact is added": admit(inputs.ContactPut(contact=GONE, attributes={"tier": 3}, facts={"present": ["email"]})),
    "a contact is changed": put(tier=2),
    "an address that somebody has": admit(inputs.ContactPut(contact=GONE, tokens={"email": token_of("email", 0)})),
    "a contact is erased": admit(inputs.ContactErase(contact=contact_id(0), basis="law")),
    "a stranger is erased": admit(inputs.ContactErase(contact=GONE)),
    "a run ends with its contact": both(enroll("plain"), admit(inputs.ContactErase(contact=contact_id(0)))),
    "consent": consent(consent_class="written", source="form", expires=HOUR, obtained=EPOCH - 60),
    "consent that follows from something": consent(consent_class="implied", basis="purchase"),
    "consent for one purpose": consent(purpose="marketing", channel="voice"),
    "a stranger's consent": consent(number=9),
    "consent weaker than what is there": both(
        consent(consent_class="written"), consent(consent_class="implied", source="shop")
    ),
    "consent given before it was revoked": both(consent(granted=False), consent(obtained=EPOCH - 60)),
    "consent that a purchase implies after a revocation": both(
        consent(granted=False), consent(consent_class="implied")
    ),
    "consent is revoked": consent(granted=False, source="mail"),
    "a suppression": admit(
        inputs.SuppressionSet(subject=contact_id(0), on=True, scope="channel:sms", since=EPOCH - 60)
    ),
    "a suppression is lifted": both(
        lambda story: story.suppress(contact_id(0)), lambda story: story.suppress(contact_id(0), on=False)
    ),
    "what is not suppressed is lifted": lambda story: story.suppress(contact_id(0), on=False, scope="plan:plain"),
    "an event of a stranger": admit(inputs.Event(name="visit", contact=GONE)),
    "an event about nobody": admit(inputs.Event(name="visit")),
    "an event of an unknown send": admit(inputs.Event(name="email.opened", send_key="none")),
    "an event without a run": lambda story: story.event("visit", kind="web"),
    "an opt-out": lambda story: story.event("email.unsubscribed"),
    "an opt-out is taken back": both(lambda story: story.event("sms.stop"), lambda story: story.event("sms.start")),
    "a dead address": lambda story: story.event("email.bounced", kind="hard"),
    "an answer about nothing": admit(inputs.Answered(send_key="none", attempt=1, outcome="accepted")),
    "a verb for an unknown run": admit(inputs.Verb(run="run_none", verb="pause")),
    "a verb that the status does not allow": both(enroll("plain"), lambda story: story.verb("resume")),
    "a task of an unknown run": admit(inputs.TaskDone(run="run_none", outcome="yes")),
    "a task where there is none": both(
        enroll("plain"), lambda story: story.admit(inputs.TaskDone(run=story.run().run, outcome="yes"))
    ),
    "an outcome that the task has not": both(
        enroll("asking"), lambda story: story.admit(inputs.TaskDone(run=story.run().run, outcome="no"))
    ),
    "an enrolment for later": enroll("plain", start=HOUR),
    "an enrolment that needs nothing is on its way": enroll("plain"),
    "an unknown plan": enroll("none"),
    "an unknown version": enroll("plain", version=7),
    "an unknown contact": enroll("plain", number=9),
    "an erased contact": both(admit(inputs.ContactErase(contact=contact_id(0))), enroll("plain")),
    "a second time where once is all": enroll("plain", times=2),
    "a second time before the first has ended": enroll("after", times=2),
    "a second time too soon": both(enroll("again"), lambda story: story.later(3_600), enroll("again")),
    "another plan beside one that wants to be alone": both(enroll("plain"), enroll("sole")),
    "attributes of the right types": both(put(**FULL), enroll("typed", variables={"sum": 5}, start=HOUR)),
    "a text for a whole number": both(put(**{**FULL, "tier": "1"}), enroll("typed", variables={"sum": 5})),
    "a truth for a whole number": both(put(**{**FULL, "tier": True}), enroll("typed", variables={"sum": 5})),
    "a number for a truth": both(put(**{**FULL, "vip": 1}), enroll("typed", variables={"sum": 5})),
    "a word that is not of the enum": both(put(**{**FULL, "level": "mid"}), enroll("typed", variables={"sum": 5})),
    "a date that is none": both(put(**{**FULL, "renewal": "2026-13-01"}), enroll("typed", variables={"sum": 5})),
    "a number for a zone": both(put(**{**FULL, "home": 1}), enroll("typed", variables={"sum": 5})),
    "a variable of another type": both(put(**FULL), enroll("typed", variables={"sum": "5"})),
    "a variable under another name": both(put(**FULL), enroll("typed", variables={"total": 5})),
    "a variable too many": both(put(**FULL), enroll("typed", variables={"sum": 5, "total": 5})),
    "no variable": both(put(**FULL), enroll("typed")),
    "a send leaves": answered(),
    "a send is accepted": answered(("accepted",), code="250", cost_micros=120),
    "a send is rejected, and tried again": answered(("rejected", "transient"), code="greylisted"),
    "a send is rejected for good": answered(("rejected", "permanent")),
    "nobody knows what became of a send": answered(("unknown",), code="timeout"),
    "a late acceptance": answered(("unknown",), ("accepted",), cost_micros=90),
    "a late rejection": answered(("unknown",), ("rejected", "permanent")),
    "an answer to what is settled": answered(("accepted",), ("rejected", "permanent")),
    "a call is taken": answered(("accepted",), channel="voice"),
    "a call whose outcome does not come in time": both(
        answered(("accepted",), channel="voice"), lambda story: story.later(200)
    ),
    "a call is answered": both(
        answered(("accepted",), channel="voice"),
        lambda story: story.admit(inputs.Event(name="call.answered", send_key=story.attempt().send_key, cost_micros=7)),
    ),
    "a person says that it was delivered": both(answered(("unknown",)), operated(("resolve", "delivered"))),
    "a person says that it was not": both(answered(("unknown",)), operated(("resolve", "not-delivered"))),
    "a person has it sent again": both(answered(("unknown",)), operated(("resolve", "resend"))),
    "a person gives it up": both(answered(("unknown",)), operated(("resolve", "abandoned"))),
    "a person goes on after a confirmation": both(
        answered(("unknown",)), operated(("resolve", "delivered"), ("resume",))
    ),
    "a person tries again": both(answered(("rejected", "permanent")), operated(("retry",))),
    "a pause": both(enroll("plain"), operated(("pause",))),
    "a pause by a bulk command": both(
        enroll("plain"),
        lambda story: story.admit(inputs.Verb(run=story.run().run, verb="pause", actor="ann", job="j1")),
    ),
    "a pause is over": both(enroll("plain"), operated(("pause",), ("resume",))),
    "a cancellation": both(enroll("mailer"), operated(("cancel",))),
    "a step is skipped": both(enroll("mailer"), operated(("skip",))),
    "a task is done": both(
        enroll("asking"), lambda story: story.admit(inputs.TaskDone(run=story.run().run, outcome="yes", actor="ann"))
    ),
    "a task that nobody does": both(enroll("asking"), lambda story: story.later(DAY_S)),
    "a wait is over": both(enroll("plain"), lambda story: story.later(DAY_S)),
    "a message that cannot be made": both(
        enroll("mailer"), lambda story: setattr(story.shell, "code", "missing_field"), lambda story: story.pull()
    ),
    "a send that comes too late": both(enroll("pressed"), lambda story: story.later(61), lambda story: story.pull()),
    "a branch that is taken": both(put(tier=5), enroll("ways")),
    "a branch that is not taken, and a split": both(put(tier=1), enroll("ways")),
    "an exit": both(enroll("leaving"), lambda story: story.event("stop")),
    "an event of a send": both(
        answered(("accepted",)),
        lambda story: story.admit(inputs.Event(name="email.opened", send_key=story.attempt().send_key)),
    ),
    "a bounce of a send": both(
        answered(("accepted",)),
        lambda story: story.admit(inputs.Event(name="email.bounced", send_key=story.attempt().send_key, kind="hard")),
    ),
    "someone who has opted out": both(
        lambda story: story.event("email.unsubscribed"), enroll("mailer"), lambda story: story.pull()
    ),
    "a full day": both(lambda story: story.policy(policy_of(daily(0))), enroll("mailer"), lambda story: story.pull()),
    "a policy that lets go of a full day": both(
        lambda story: story.policy(policy_of(daily(0))),
        enroll("mailer"),
        lambda story: story.pull(),
        lambda story: story.policy(policy_of(daily(1))),
    ),
    "a full day is over": both(
        lambda story: story.policy(policy_of(daily(0))),
        enroll("mailer"),
        lambda story: story.pull(),
        lambda story: story.later(DAY_S),
    ),
    "a rate": both(
        lambda story: story.policy(policy_of(policies.RateRule(id="rate", limit=1, seconds=60))),
        answered(("accepted",)),
        enroll("pressed"),
        lambda story: story.pull(),
    ),
    "a budget that is used up": both(
        lambda story: story.policy(policy_of(budget(1))), enroll("mailer"), lambda story: story.pull()
    ),
    "a budget that is used up for today": both(
        lambda story: story.policy(policy_of(budget(150, period="day", on_fail="hold"))),
        answered(("unknown",)),
        enroll("again"),
        enroll("pressed"),
        lambda story: story.pull(),
    ),
    "a budget in the money of others": both(
        lambda story: story.policy(policy_of(budget(500, currency="EUR"))), enroll("mailer"), lambda story: story.pull()
    ),
    "no consent": both(
        lambda story: story.policy(policy_of(policies.ConsentRule(id="consent"))),
        enroll("mailer"),
        lambda story: story.pull(),
    ),
    "consent of another class": both(
        lambda story: story.policy(policy_of(policies.ConsentRule(id="consent", classes=("written",)))),
        consent(),
        enroll("mailer"),
        lambda story: story.pull(),
    ),
    "hours that are not open": both(
        lambda story: story.policy(policy_of(policies.WindowRule(id="hours", hours=hours()))),
        enroll("mailer"),
        lambda story: story.pull(),
    ),
    "hours that are never open": both(
        lambda story: story.policy(policy_of(policies.WindowRule(id="hours", hours=hours(days=0)))),
        enroll("mailer"),
        lambda story: story.pull(),
    ),
    "hours where nobody knows the zone": both(
        lambda story: story.policy(policy_of(policies.WindowRule(id="hours", hours=hours()))),
        lambda story: story.put(zone=None),
        enroll("mailer"),
        lambda story: story.pull(),
    ),
    "a cap": both(
        lambda story: story.policy(policy_of(policies.CapRule(id="cap", limit=1, seconds=DAY_S))),
        answered(("accepted",)),
        enroll("pressed"),
        lambda story: story.pull(),
    ),
    "a fact that nobody has recorded": both(
        lambda story: story.policy(
            policy_of(policies.FactRule(id="fact", require=(policies.Ground(fact="registered"),)))
        ),
        enroll("mailer"),
        lambda story: story.pull(),
    ),
    "a breaker": both(setting("breaker.threshold", "1"), answered(("rejected", "transient"))),
    "a trial without guests": both(setting("trial", "true"), enroll("mailer"), lambda story: story.pull()),
}


def told(story: Story) -> list[str]:
    """The entries of the newest input: step, action, outcome, detail, and what stands beside the core; no digests."""
    bodies = story.bodies()
    lines = []
    for body in [one for one in bodies if one["input"] == bodies[-1]["input"]]:
        core = body["core"]
        beside = {key: body[key] for key in body if key not in PLACE}
        line = f"{core['step'] or '-'} {core['action']} {core['outcome']} {json.dumps(core['detail'], sort_keys=True)}"
        line = f"{line} {json.dumps(beside, sort_keys=True)}" if beside else line
        line = f"{line} (in the contact's own chain)" if body.get("cs") is not None else line
        lines.append(DIGEST.sub('"…', line))
    return lines


@cache
def expected() -> dict[str, list[str]]:
    """What must be told, as the file of cases says it: `# what happens`, then a line for each entry."""
    blocks = CASES.read_text(encoding="utf-8").removeprefix("# ").split("\n\n# ")
    return {title: lines for title, *lines in (block.rstrip("\n").split("\n") for block in blocks)}


@pytest.mark.parametrize("happening", HAPPENINGS)
def test_the_log_says_this(happening: str) -> None:
    with Story(*PLANS) as story:
        HAPPENINGS[happening](story)
        assert told(story) == expected()[happening]


def test_every_case_happens() -> None:
    assert list(expected()) == list(HAPPENINGS)
