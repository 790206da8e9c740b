"""What the operations campaign runs on: zone tables, policies, packs and plans with every kind of rule, drawn at random.

Limits are small, so that they are reached; packs speak of places in which some of the contacts may be, from dates that come
during the story.
"""

from __future__ import annotations

import random  # noqa: TID251 - documents are drawn from a seed
from functools import cache
from typing import Any

import msgspec
from schedule_documents import SCRIPT_DIGEST, TEMPLATE_DIGEST

from dee_appliance.authoring.zone_table import compile_zone_table
from dee_appliance.kernel.e1 import plan as plans
from dee_appliance.kernel.e1 import policy as policies
from dee_appliance.kernel.e1.civil_time import ZoneDocument
from dee_appliance.kernel.e1.encoding import canonical, document_digest

DAY_S, HOUR_S = 86_400, 3_600
ZONES = ("America/New_York", "America/Los_Angeles", "Europe/London", "Asia/Kolkata", "Pacific/Auckland", "Africa/Cairo")
BEYOND = ("Etc/UTC", "Etc/GMT-14", "Etc/GMT+12")
SHIFTS_S = (0, 5_400, -1_800)
FEATURES = ("unsubscribe_link", "postal_address", "sender_identity")
FACTS = ("registered", "emergency", "bonded")
LISTS = ("dnc", "tps")
ATTRIBUTES = {
    "vip": plans.AttributeDeclaration(kind="bool"),
    "last_purchase": plans.AttributeDeclaration(kind="date"),
}
VARIABLES = {"debt": plans.AttributeDeclaration(kind="int")}
PURPOSES: tuple[plans.Purpose, ...] = ("marketing", "collections", "transactional")
PLACES = ("US-FL", "US-NY", "US-NY-NYC", "US", "GB", "IN")


@cache
def zone_document(shift_s: int) -> tuple[str, str]:
    """Digest and body of a table in which every clock is moved by so much."""
    whole = msgspec.convert(compile_zone_table(), ZoneDocument)
    names = sorted((*ZONES, *BEYOND))
    functions = tuple(
        tuple((start, offset + shift_s) for start, offset in whole.functions[whole.zones[name]]) for name in names
    )
    zones = {name: index for index, name in enumerate(names)}
    body = canonical(msgspec.structs.replace(whole, functions=functions, zones=zones))
    return document_digest("zones", body), body.decode()


# ---- rules -------------------------------------------------------------------------------------------------------------


def random_policy(rng: random.Random, dates: list[str]) -> policies.Policy:
    """The file's own rules: what nobody should be without, and limits that run out."""
    stops = policies.SuppressionRule(
        id="own-stops",
        reach=rng.choice(["channel", "channel", "everything"]),
        channels=rng.choice([(), (), ("voice",)]),
        unless=rng.choice([(), (), (), (policies.Ground(attribute="vip"),)]),
    )
    rules: list[policies.Rule] = [
        *([stops] if rng.random() < 0.8 else []),
        policies.ConsentRule(
            id="consent",
            purposes=rng.choice([(), ("marketing",), ("marketing", "collections")]),
            classes=rng.choice([(), (), ("express", "written", "implied")]),
            implied=rng.choice([{}, {"purchase": 2, "inquiry": 1}]),
        ),
    ]
    if rng.random() < 0.7:
        rules.append(_window(rng, "hours", rng.choice([("voice",), ("voice", "sms"), ()])))
    rules += [_cap(rng, f"cap{number}") for number in range(rng.choice([0, 1, 1, 2]))]
    rules += _shared(rng, dates)
    rates = (
        policies.Rate(channel="email", micros=100),
        policies.Rate(channel="sms", micros=70),
        policies.Rate(channel="voice", micros=20),
        policies.Rate(channel="voice", micros=35, prefix="+44"),
    )
    return policies.Policy(id="campaign", rules=tuple(rules), rates=rates)


def _shared(rng: random.Random, dates: list[str]) -> list[policies.Rule]:
    """Limits that all contacts share. An id stands for one way to count, for ever."""
    rules: list[policies.Rule] = []
    scope: policies.LimitScope = rng.choice(["file", "channel", "plan"])
    if rng.random() < 0.7:
        zone = rng.choice(["Etc/UTC", *ZONES])
        ramp = tuple(policies.Stage(since=day, limit=rng.randint(4, 40)) for day in rng.choice([[], dates[:2]]))
        rules.append(
            policies.DailyLimitRule(
                id=f"daily-{scope}-{zone.partition('/')[2]}",
                limit=rng.randint(3, 30),
                zone=zone,
                scope=scope,
                ramp=ramp,
            )
        )
    if rng.random() < 0.6:
        limit, seconds = rng.choice([(2, 1), (3, 10), (8, 60), (9, 3_600), (40, 3_600)])
        rules.append(policies.RateRule(id=f"rate-{scope}", limit=limit, seconds=seconds, scope=scope))
    if rng.random() < 0.6:
        period: Any = rng.choice(["total", "day", "month"])
        on_fail: policies.OnFail = rng.choice(["deny", "hold"])
        limit = rng.randint(2_000, 9_000) * (10 if period == "total" else 1)
        rules.append(
            policies.BudgetRule(
                id=f"budget-{scope}-{period}",
                limit_micros=limit,
                currency="USD",
                scope=scope,
                period=period,
                zone="America/New_York",
                on_fail=on_fail,
            )
        )
    return rules


def _window(rng: random.Random, identity: str, channels: tuple[plans.Channel, ...], **more: Any) -> policies.WindowRule:
    hours = rng.choice(
        [
            plans.Hours(weekly=(((8 * HOUR_S, 21 * HOUR_S),),) * 7),
            plans.Hours(weekly=(((9 * HOUR_S, 12 * HOUR_S), (13 * HOUR_S, 20 * HOUR_S)),) * 6 + ((),)),
            plans.Hours(weekly=(((18 * HOUR_S, 26 * HOUR_S),),) * 7),
            plans.Hours(
                weekly=(((9 * HOUR_S, 17 * HOUR_S),),) * 5 + ((),) * 2,
                closed_dates=("2027-03-17", "2027-03-26"),
                half_days={"2027-03-25": ((9 * HOUR_S, 12 * HOUR_S),), "2027-03-31": ()},
                closed_until=rng.choice(["", "2027-04-20"]),
            ),
        ]
    )
    zone = rng.choice(["", "", "", "", "America/New_York"])
    guard_s = rng.choice([0, 0, 300])
    personal = rng.random() < 0.4
    return policies.WindowRule(
        id=identity, channels=channels, hours=hours, zone=zone, guard_s=guard_s, personal=personal, **more
    )


def _cap(rng: random.Random, identity: str, **more: Any) -> policies.CapRule:
    counts = rng.choice(
        [(), (), ("voice",), ("email", "sms"), ("voice", "sms"), ("conversation",), ("refusal", "abandoned")]
    )
    happens = bool(counts) and counts[0] in ("conversation", "refusal")
    scopes: list[tuple[str, ...]] = [("contact",), ("contact", "plan"), ("contact", "purpose"), ("contact", "var:debt")]
    if not happens:
        scopes += [("address",), ("contact", "channel")]
    span: dict[str, Any] = rng.choice(
        [
            {"seconds": DAY_S, "boundary": "closed"},
            {"seconds": rng.choice([HOUR_S, DAY_S]), "boundary": "half_open"},
            {"days": rng.choice([1, 2, 7])},
            {"days": 7, "also_seconds": 7 * DAY_S},
            {"days": 2, "zone": "Pacific/Auckland"},
            {"month": True},
        ]
    )
    excluded = rng.choice([(), (), ("busy", "no_answer", "failed")])
    limit = 1 if happens else rng.choice([1, 2, 3, 7])
    return policies.CapRule(
        id=identity, limit=limit, counts=counts, excluded_outcomes=excluded, scope=rng.choice(scopes), **span, **more
    )


def random_pack(rng: random.Random, name: str, dates: list[str]) -> policies.Pack:
    """A pack with rules of several kinds for some places, some of them from or until a date of the story."""
    rules: list[policies.Rule] = []
    for number in range(rng.randint(2, 6)):
        head = _head(rng, dates)
        rules.append(_pack_rule(rng, f"{name}/r{number}", head))
    return policies.Pack(id=name, version="1", as_of="2026-11-23", notice="invented", rules=tuple(rules))


def _head(rng: random.Random, dates: list[str]) -> dict[str, Any]:
    """For whom, from when, and what lifts it."""
    head: dict[str, Any] = {"jurisdictions": tuple(rng.sample(PLACES, rng.choice([0, 1, 1, 1, 1, 2])))}
    head["subscriber"] = rng.choice(["any", "any", "any", "individual", "business"])
    head["effective_from"] = rng.choice(["", "", "", "2001-01-01", rng.choice(dates)])
    head["effective_until"] = rng.choice(["", "", "", "2090-01-01", rng.choice(dates)])
    head["channels"] = rng.choice([(), (), ("voice",), ("email",), ("sms", "voice")])
    head["purposes"] = rng.choice([(), (), ("marketing",), ("collections",)])
    grounds = (
        policies.Ground(consent="written"),
        policies.Ground(attribute="vip"),
        policies.Ground(attribute="last_purchase", months=rng.choice([1, 18])),
        policies.Ground(fact="registered"),
        policies.Ground(fact="emergency", holds=False),
    )
    head["unless"] = tuple(rng.sample(grounds, rng.choice([0, 0, 1, 1, 2])))
    return head


def _pack_rule(rng: random.Random, identity: str, head: dict[str, Any]) -> policies.Rule:
    on_fail: policies.OnFail = rng.choice(["deny", "deny", "hold"])
    match rng.choice(["window", "window", "cap", "cap", "list", "fact", "content", "consent", "ratio", "ratio"]):
        case "window":
            return _window(rng, identity, head.pop("channels"), **head)
        case "cap":
            return _cap(rng, identity, **head)
        case "list":
            age = rng.choice([0, 3, 31])
            return policies.SuppressionRule(
                id=identity, lists=(rng.choice(LISTS),), max_age_days=age, on_fail=on_fail, **head
            )
        case "fact":
            grounds = (
                policies.Ground(fact=rng.choice(FACTS)),
                policies.Ground(fact="emergency", holds=False),
                policies.Ground(attribute="vip"),
            )
            required = tuple(rng.sample(grounds, rng.choice([1, 2])))
            return policies.FactRule(id=identity, require=required, on_fail=on_fail, **head)
        case "content":
            words = tuple(rng.sample(FEATURES, rng.choice([1, 2])))
            return policies.ContentRule(id=identity, require=words, on_fail=on_fail, **head)
        case "consent":
            classes = rng.choice([("express", "written"), ("written",), ("implied", "express", "written")])
            same = rng.random() < 0.4
            return policies.ConsentRule(id=identity, classes=classes, address=same, on_fail=on_fail, **head)
        case _:
            # Shared by all: for whom it is would depend on the contact that is asked first.
            return policies.RatioRule(
                id=identity,
                numerator=rng.choice(
                    [("email.complained",), ("call.abandoned",), ("email.bounced", "email.complained")]
                ),
                denominator=rng.choice(
                    [("email.delivered",), ("call.answered",), ("sms.delivered", "email.delivered")]
                ),
                max_per_10000=rng.choice([300, 3_000, 10_000]),
                days=rng.choice([1, 2, 30]),
                min_denominator=rng.choice([1, 5]),
                scope=rng.choice(["file", "plan"]),
            )


# ---- plans -------------------------------------------------------------------------------------------------------------


def random_plan(rng: random.Random, name: str, version: int) -> plans.Plan:
    """Sends on every channel with little between them, so that most of what happens is asked of the gate."""
    count = rng.randint(2, 5)
    names = [*(f"s{position}" for position in range(count)), "again", "end"]
    steps = [_random_step(rng, names[at], names[at + 1], first=at == 0) for at in range(count)]
    loop = plans.Arm(name="loop", weight=2, then="s0"), plans.Arm(name="over", weight=1, then="end")
    steps.append(plans.Split(id="again", arms=loop, max_visits=3, after_visits="end"))
    steps.append(plans.End(id="end", outcome="done"))
    tight = plans.PlanPolicy(
        daily_sends=rng.choice([None, None, 6]),
        budget=plans.Budget(limit_micros=rng.randint(2_000, 20_000), currency="USD") if rng.random() < 0.2 else None,
        calling_hours=plans.Hours(weekly=(((10 * HOUR_S, 16 * HOUR_S),),) * 7) if rng.random() < 0.2 else None,
        on_deny=rng.choice([{}, {"consent": "end"}, {"cap": "end", "suppression": "end"}]),
    )
    exits = (plans.Exit(when="unsubscribed()", outcome="opted_out"),) if rng.random() < 0.3 else ()
    return plans.Plan(
        plan=name,
        version=version,
        purpose=rng.choice(PURPOSES),
        attributes=ATTRIBUTES,
        variables=VARIABLES if rng.random() < 0.5 else {},
        enroll=plans.Enroll(reentry=rng.choice(["after_exit", "always", "always", "always"])),
        policy=tight,
        exits=exits,
        steps=tuple(steps),
        templates={"t": TEMPLATE_DIGEST},
        scripts={"c": SCRIPT_DIGEST},
    )


def _random_step(rng: random.Random, identity: str, following: str, *, first: bool) -> plans.Step:
    recover = plans.Recover(
        on=("transient", "confirmed"), attempts=rng.randint(1, 3), backoff_s=rng.choice([(), (60, 600)])
    )
    send: dict[str, Any] = {
        "id": identity,
        "next": following,
        "recover": recover if rng.random() < 0.6 else None,
        "skippable": rng.random() < 0.5,
        "send_by_s": rng.choice([None, None, None, DAY_S]),
    }
    match rng.choice(["email", "sms", "call", *(() if first else ("wait", "task"))]):
        case "email":
            return plans.SendEmail(template="t", **send)
        case "sms":
            return plans.SendSms(template="t", **send)
        case "call":
            return plans.Call(script="c", max_duration_s=rng.choice([60, 150]), ring_s=30, **send)
        case "wait":
            return plans.Wait(id=identity, next=following, for_s=rng.choice([60, HOUR_S, DAY_S]), skippable=True)
        case _:
            return plans.Task(id=identity, instructions="look", timeout_s=HOUR_S, next=following, on={"yes": following})
