"""Questions to the gate, made by hand: one contact, one plan, some rules, and what has happened before.

For tests of a single rule or of the search for the next instant. Whatever needs runs, queues or counters is told as a Story.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from functools import cache
from typing import Any

from dee_appliance.authoring.zone_table import compile_zone_table
from dee_appliance.kernel.e1 import plan as plans
from dee_appliance.kernel.e1 import policy as policies
from dee_appliance.kernel.e1.civil_time import ZoneTable
from dee_appliance.kernel.e1.gate import Verdict, ask_gate
from dee_appliance.kernel.e1.rulebook import Rulebook, places_of
from dee_appliance.kernel.e1.rules.question import Question
from dee_appliance.kernel.e1.run import Contact, Touch

ME = "c_me"


def at(text: str) -> int:
    """2026-05-05T14:00:00Z as a tick."""
    return int(datetime.fromisoformat(text).astimezone(UTC).timestamp())


def said(tick: int) -> str:
    """A tick as 2026-05-05T14:00:00Z."""
    return datetime.fromtimestamp(tick, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@cache
def all_zones() -> ZoneTable:
    return ZoneTable(compile_zone_table())


def zone_table(**functions: list[tuple[int, int]]) -> ZoneTable:
    """A table of invented zones: offsets by the tick from which they hold, for years that the real table does not have."""
    until = max(start for rows in functions.values() for start, _ in rows) + 10 * 365 * 86_400
    begin = next(iter(functions.values()))[0][0]
    names = list(functions)
    return ZoneTable(
        {
            "version": "invented",
            "from": begin,
            "until": until,
            "functions": [functions[name] for name in names],
            "zones": {name: index for index, name in enumerate(names)},
        }
    )


def touch(when: str | int, what: str = "voice", **more: Any) -> Touch:
    """Something that happened to the contact; attempts were made by the plan "plan" unless said otherwise."""
    tick = at(when) if isinstance(when, str) else when
    about: dict[str, Any] = {
        "channel": what,
        "plan": "plan",
        "purpose": "collections",
        "address": "phone-1",
        "entry": 0,
    }
    if what in policies.HAPPENINGS:
        about["channel"] = "voice"
    return Touch(contact=ME, tick=tick, attempt_no=0, what=what, **{**about, **more})


def newest_first(touches: Iterable[Touch]) -> tuple[Touch, ...]:
    return tuple(sorted(touches, key=lambda one: one.tick, reverse=True))


def question(
    when: str | int,
    *rules: policies.Rule,
    touches: Iterable[Touch] = (),
    zones: Iterable[str] = ("America/New_York",),
    codes: Iterable[str] = ("US",),
    channel: plans.Channel = "voice",
    purpose: plans.Purpose = "collections",
    table: ZoneTable | None = None,
    **more: Any,
) -> Question:
    """May this contact be sent to by these rules now? Facts and attributes of the contact, or parts of the question, by name."""
    facts: dict[str, object] = {
        "present": ["email", "phone"],
        "zones": {"declared": list(zones)},
        "jurisdictions": {"declared": list(codes)},
        **more.pop("facts", {}),
    }
    contact = Contact(
        contact=ME,
        attributes=more.pop("attributes", {}),
        facts=facts,
        tokens={"email": "email-1", "phone": "phone-1"},
        consents=more.pop("consents", {}),
    )
    plan = plans.Plan(plan=more.pop("plan", "plan"), version=1, purpose=purpose, steps=(), templates={}, scripts={})
    return Question(
        tick=at(when) if isinstance(when, str) else when,
        contact=contact,
        plan=plan,
        channel=channel,
        units=1,
        policy=policies.Policy(id="policy"),
        book=Rulebook(policies.rules_for(policies.Policy(id="policy", rules=rules), plan, channel)),
        places=places_of(contact),
        zones=table or all_zones(),
        counters=more.pop("counters", {}),
        history=newest_first(touches),
        facts=more.pop("facts_recorded", {}),
        **more,
    )


def asked(one: Question) -> Verdict:
    return ask_gate(one, guests=None, stale=False)


def verdict(one: Question) -> str:
    """allow, or hold until an instant, or deny with its reason."""
    found = asked(one)
    if found.result == "allow":
        return "allow"
    return f"deny: {found.reason}" if found.until is None else said(found.until)
