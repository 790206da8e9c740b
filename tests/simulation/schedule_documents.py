"""What random schedules run: zone tables, policies and plans drawn from a random number generator.

Everything that a plan or a policy can say should come up here, in proportions that make things happen: most plans send soon, most
limits run out now and then. The zone tables are small, since a file is made for each of thousands of seeds.
"""

from __future__ import annotations

import random  # noqa: TID251 - a schedule is drawn from its seed
from functools import cache
from typing import Any

import msgspec

from dee_appliance.authoring.zone_table import compile_zone_table
from dee_appliance.kernel.e1 import plan as plans
from dee_appliance.kernel.e1 import policy as policies
from dee_appliance.kernel.e1.civil_time import ZoneDocument
from dee_appliance.kernel.e1.encoding import canonical, document_digest

ZONES = ("America/New_York", "Europe/London", "Asia/Kolkata", "America/Phoenix", "Pacific/Auckland")
MOVED_S = 5_400
"""By how much the other zone table moves every clock: a parliament has decided something overnight."""

HOUR_S = 3_600
DAY_S = 86_400
ATTRIBUTES = {
    "vip": plans.AttributeDeclaration(kind="bool"),
    "balance": plans.AttributeDeclaration(kind="int"),
    "tier": plans.AttributeDeclaration(kind="enum", values=("gold", "silver", "bronze")),
    "renewal": plans.AttributeDeclaration(kind="date"),
}
TEMPLATE = canonical({"subject": "Hello", "text": "Dear {{ contact.name }}"})
TEMPLATE_DIGEST = document_digest("template", TEMPLATE)
SCRIPT = canonical({"say": "Hello"})
SCRIPT_DIGEST = document_digest("script", SCRIPT)
VARIABLES = {"amount": plans.AttributeDeclaration(kind="int")}


@cache
def zone_document(*, moved: bool = False) -> tuple[str, str]:
    """Digest and body of a table of the zones used here, as it is or with every clock moved."""
    whole = msgspec.convert(compile_zone_table(), ZoneDocument)
    names = sorted((*ZONES, "Etc/UTC"))
    shift = MOVED_S if moved else 0
    functions = tuple(
        tuple((start, offset + shift) for start, offset in whole.functions[whole.zones[name]]) for name in names
    )
    zones = {name: index for index, name in enumerate(names)}
    body = canonical(msgspec.structs.replace(whole, functions=functions, zones=zones))
    return document_digest("zones", body), body.decode()


# ---- policies --------------------------------------------------------------------------------------------------------


def random_policy(rng: random.Random) -> policies.Policy:
    """A policy with some of each kind of rule."""
    rules: list[policies.Rule] = [policies.SuppressionRule(id="suppression")]
    if rng.random() < 0.8:
        rules.append(policies.ConsentRule(id="consent", classes=rng.choice([(), (), ("express",)])))
    if rng.random() < 0.4:
        channels: tuple[plans.Channel, ...] = rng.choice([("voice",), ("voice", "sms"), ()])
        rules.append(policies.WindowRule(id="hours", channels=channels, hours=random_hours(rng)))
    if rng.random() < 0.6:
        scope: policies.LimitScope = rng.choice(["file", "channel", "plan"])
        zone = rng.choice(["Etc/UTC", *ZONES])
        only: tuple[plans.Channel, ...] = rng.choice([(), (), ("email",)])
        limit = rng.randint(1, 8)
        rules.append(policies.DailyLimitRule(id="daily", limit=limit, zone=zone, scope=scope, channels=only))
    if rng.random() < 0.5:
        currency = "USD" if rng.random() < 0.97 else "EUR"
        spent: policies.LimitScope = rng.choice(["file", "file", "channel", "plan"])
        limit = rng.randint(300, 6_000)
        rules.append(policies.BudgetRule(id="budget", limit_micros=limit, currency=currency, scope=spent))
    return policies.Policy(id="random", rules=tuple(rules), rates=_random_rates(rng))


def _random_rates(rng: random.Random) -> tuple[policies.Rate, ...]:
    """A rate card, now and then without a price for calls."""
    voice = (policies.Rate(channel="voice", micros=20), policies.Rate(channel="voice", micros=10, prefix="+1"))
    return (
        policies.Rate(channel="email", micros=100),
        policies.Rate(channel="sms", micros=70),
        *(voice if rng.random() < 0.9 else ()),
    )


def random_hours(rng: random.Random) -> plans.Hours:
    """Office hours, a window over midnight, or (rarely) hours that never come."""
    drawn = rng.random()
    if drawn < 0.07:
        return plans.Hours(weekly=((),) * 7)
    if drawn < 0.2:
        return plans.Hours(weekly=(((20 * HOUR_S, 28 * HOUR_S),),) * 7)
    office = ((8 * HOUR_S, 12 * HOUR_S), (13 * HOUR_S, 19 * HOUR_S))
    return plans.Hours(weekly=((office,) * 5 + ((),) * 2), closed_dates=("2026-11-26",))


# ---- plans -----------------------------------------------------------------------------------------------------------

CONDITIONS = (
    "replied()", "opened() && !replied()", 'bounced("hard") || unsubscribed()', "unsubscribed()", "contact.vip",
    "contact.balance > 50", 'contact.tier in ["gold", "silver"]', 'count("visit") >= 2', 'event("meeting")', 'consent("email")',
    'suppressed("voice")', "has(contact.balance) && contact.balance < 10", "delivered() || clicked()", "complained()",
    "auto_replied()",
)  # fmt: skip
EXITS = (
    'bounced("hard") || unsubscribed()', "unsubscribed()", 'event("meeting")', 'contact.tier == "bronze" && contact.vip',
    'suppressed("email")', 'contact.tier == "silver" && replied()',
)  # fmt: skip
STEPS = (
    "email", "email", "email", "email", "sms", "sms", "call", "call", "wait", "wait", "until", "until", "local", "local", "date",
    "branch", "split", "task", "task", "loop", "again",
)  # fmt: skip


def random_plan(rng: random.Random, name: str, version: int) -> plans.Plan:
    """A plan of two to eight steps and an end. Steps go forward, except for bounded loops."""
    count = rng.randint(2, 8)
    ids = [f"s{position}" for position in range(count)] + ["end"]
    steps: list[plans.Step] = [_random_step(rng, ids, position) for position in range(count)]
    steps.append(plans.End(id="end", outcome=rng.choice(["done", "over"])))
    exits = tuple(
        plans.Exit(when=rng.choice(EXITS), outcome=f"exit{number}") for number in range(rng.choice([0, 0, 1, 2]))
    )
    return plans.Plan(
        plan=name,
        version=version,
        purpose=rng.choice(["marketing", "transactional"]),
        attributes=ATTRIBUTES,
        variables=VARIABLES if rng.random() < 0.2 else {},
        required=tuple(sorted(ATTRIBUTES)) if rng.random() < 0.2 else ("tier", "vip"),
        enroll=plans.Enroll(
            reentry=rng.choice(["never", "after_exit", "always"]),
            min_gap_s=rng.choice([0, 0, DAY_S]),
            exclusive=rng.random() < 0.3,
        ),
        policy=_random_plan_policy(rng),
        exits=exits,
        steps=tuple(steps),
        templates={"t": TEMPLATE_DIGEST},
        scripts={"c": SCRIPT_DIGEST},
    )


def _random_plan_policy(rng: random.Random) -> plans.PlanPolicy:
    return plans.PlanPolicy(
        daily_sends=rng.choice([None, None, 2, 5]),
        budget=plans.Budget(limit_micros=rng.randint(100, 2_000), currency="USD") if rng.random() < 0.2 else None,
        calling_hours=random_hours(rng) if rng.random() < 0.2 else None,
        on_deny=rng.choice([{}, {}, {"consent": "end"}, {"budget": "end", "suppression": "end"}]),
    )


def _random_step(rng: random.Random, ids: list[str], position: int) -> plans.Step:
    """One step; the first is nearly always a send."""
    identity, later = ids[position], ids[position + 1 :]
    first_is_send = position == 0 and rng.random() < 0.8
    kind = rng.choice(["email", "email", "sms", "call"] if first_is_send else STEPS)
    if kind in ("email", "sms", "call"):
        return _random_send(rng, kind, identity, later)
    if kind in ("wait", "until", "local", "date"):
        return _random_wait(rng, kind, identity, later)
    return _random_turn(rng, kind, ids, position)


def _random_send(rng: random.Random, kind: str, identity: str, later: list[str]) -> plans.Step:
    recover = None
    if rng.random() < 0.6:
        kinds: list[plans.RecoverOn] = ["transient", "permanent", "confirmed"]
        on = tuple(rng.sample(kinds, rng.randint(1, 3)))
        recover = plans.Recover(on=on, attempts=rng.randint(1, 3), backoff_s=(60, 600)[: rng.randint(0, 2)])
    send: dict[str, Any] = {
        "id": identity,
        "next": later[0],
        "recover": recover,
        "skippable": rng.random() < 0.4,
        "send_by_s": rng.choice([None, None, None, HOUR_S, DAY_S]),
    }
    if kind == "call":
        outcomes = {str(name): rng.choice(later) for name in rng.sample(list(plans.CALL_OUTCOMES), 2)}
        return plans.Call(script="c", on=outcomes, max_duration_s=rng.choice([60, 300]), **send)
    if rng.random() < 0.3:
        send["on"] = {"rejected": rng.choice(later)}
    return plans.SendSms(template="t", **send) if kind == "sms" else plans.SendEmail(template="t", **send)


def _random_wait(rng: random.Random, kind: str, identity: str, later: list[str]) -> plans.Step:
    following, skippable = later[0], rng.random() < 0.3
    match kind:
        case "wait":
            seconds = rng.choice([0, 1, 60, HOUR_S, DAY_S, 3 * DAY_S])
            return plans.Wait(id=identity, next=following, for_s=seconds, skippable=skippable)
        case "until":
            seconds, until, then = rng.choice([60, DAY_S, 5 * DAY_S]), rng.choice(CONDITIONS), rng.choice(later)
            return plans.Wait(id=identity, next=following, for_s=seconds, until=until, then=then)
        case "local":
            days: tuple[int, ...] = rng.choice([(), (0, 1, 2, 3, 4), (6,)])
            return plans.Wait(id=identity, next=following, at_s=rng.choice([0, 9 * HOUR_S, DAY_S - 1]), weekdays=days)
        case _:
            return plans.Wait(id=identity, next=following, date="renewal", offset_s=rng.choice([-DAY_S, 0, HOUR_S]))


def _random_turn(rng: random.Random, kind: str, ids: list[str], position: int) -> plans.Step:
    identity, later = ids[position], ids[position + 1 :]
    following = later[0]
    match kind:
        case "branch":
            count = rng.randint(1, 3)
            cases = tuple(plans.Case(when=rng.choice(CONDITIONS), then=rng.choice(later)) for _ in range(count))
            return plans.Branch(id=identity, cases=cases, otherwise=following, skippable=rng.random() < 0.3)
        case "split":
            arms = tuple(
                plans.Arm(name=f"arm{number}", weight=rng.randint(1, 9), then=rng.choice(later))
                for number in range(rng.randint(2, 3))
            )
            return plans.Split(id=identity, arms=arms, salt=rng.choice(["", "x"]))
        case "task":
            on = {"yes": rng.choice(later), "no": following}
            return plans.Task(id=identity, instructions="look", timeout_s=HOUR_S, next=following, on=on)
        case "loop":
            cases = (plans.Case(when=rng.choice(CONDITIONS), then=rng.choice(ids[: position + 1])),)
            # Without a place to go to, the visit after the last one fails the run; a person may skip it then.
            after = rng.choice([following, following, None])
            return plans.Branch(
                id=identity,
                cases=cases,
                otherwise=following,
                max_visits=rng.randint(1, 3),
                after_visits=after,
                skippable=True,
            )
        case _:
            back = rng.choice(ids[: position + 1])
            arms = (plans.Arm(name="again", weight=1, then=back), plans.Arm(name="on", weight=1, then=following))
            return plans.Split(id=identity, arms=arms, max_visits=2, skippable=True)
