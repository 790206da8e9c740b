"""What a simulated appliance runs on: policies, packs, plans, zone tables and contacts, drawn from the seed of the case."""

from __future__ import annotations

import random  # noqa: TID251 - drawn from the seed
from functools import cache
from typing import TYPE_CHECKING, Any

import gate_documents
import msgspec
import schedule_documents
from msgspec.structs import replace

from dee_appliance.authoring.zone_table import compile_zone_table
from dee_appliance.content.script import parse_script, script_to_document
from dee_appliance.content.template import parse_template, to_document
from dee_appliance.kernel.e1 import policy as policies
from dee_appliance.kernel.e1.civil_time import ZoneDocument
from dee_appliance.kernel.e1.encoding import canonical, document_digest
from dee_appliance.kernel.e1.input import PackUse, PlanPublish, PolicySet, ZonesUse
from dee_appliance.kernel.e1.plan import Plan, SendSms

if TYPE_CHECKING:
    from sim_world import World

PLACES = (
    ("US", "America/New_York", "+1202555"),
    ("US", "America/Los_Angeles", "+1213555"),
    ("GB", "Europe/London", "+44207946"),
    ("IN", "Asia/Kolkata", "+91112345"),
    ("", "", "+1202555"),
)
MAPPING = ("attribute.vip=vip:bool", "attribute.tier=tier:enum", "attribute.balance=balance:int")
COLUMNS = "key,email,phone,name,country,timezone,vip,tier,balance"
PACKS = ("p1", "p2")
MAIL = (
    "Subject: About {{ contact.full_name }}\n\nHello {{ contact.full_name }}, to hear no more: {{ unsubscribe_link }}\n"
)
TEXT = "Hello {{ contact.full_name }}. Reply STOP to stop."
SCRIPT = """max_duration_s = 150
[[answered]]
say = "Hello {{ contact.full_name }}, this is {{ sender.name }}."
"""


@cache
def contents() -> dict[str, tuple[str, str, str]]:
    """By the name in a plan: digest, kind and body of the templates and the script."""
    mail = to_document(parse_template("t", "email", MAIL, where="t"))
    text = to_document(parse_template("u", "sms", TEXT, where="u"))
    script = script_to_document(parse_script("c", SCRIPT, where="c"))
    found = {}
    for name, kind, document in (("t", "template", mail), ("u", "template", text), ("c", "script", script)):
        body = canonical(document)
        found[name] = (document_digest(kind, body), kind, body.decode())
    return found


def row_of(person: int, *, moved: int = 0) -> str:
    """Return the line of one person; `moved` is how often the person has changed address and place."""
    dice = random.Random(f"person {person} {moved}")
    country, zone, prefix = dice.choice(PLACES)
    number = f"{prefix}{person % 10_000:04d}"
    email = f"p{person}.{moved}@example.org"
    tier = dice.choice(("gold", "silver", "bronze"))
    return f"k{person},{email},{number},P {person},{country},{zone},{dice.choice(('true', 'false'))},{tier},{dice.randrange(100)}"


def dates_of(world: World) -> list[str]:
    """Dates at which rules begin or end."""
    return [_date(world.start // 86_400 + offset) for offset in (2, 5, 9, 14)]


def _date(day: int) -> str:
    from datetime import date  # noqa: PLC0415 - the only use

    return date.fromordinal(date(1970, 1, 1).toordinal() + day).isoformat()


def random_plan(dice: random.Random, name: str, version: int) -> Plan:
    """A plan of one of both families: long ways with every kind of step, and sends one after the other."""
    if dice.random() < 0.5:
        plan = gate_documents.random_plan(dice, name, version)
        plan = replace(plan, attributes={})
    else:
        plan = schedule_documents.random_plan(dice, name, version)
        attributes = {one: plan.attributes[one] for one in ("vip", "tier", "balance")}
        plan = replace(plan, attributes=attributes, required=("tier", "vip"))
    digests = {one: found[0] for one, found in contents().items()}
    return replace(
        plan,
        variables={},
        steps=tuple(_adapted(step) for step in plan.steps),
        templates={"t": digests["t"], "u": digests["u"]},
        scripts={"c": digests["c"]},
    )


def _adapted(step: Any) -> Any:
    """A text message has a template of its own; a wait for a date that no contact has is a wait of a day."""
    if isinstance(step, SendSms):
        return replace(step, template="u")
    return replace(step, date="", offset_s=0, for_s=86_400) if getattr(step, "date", "") else step


def publish(world: World, dice: random.Random, name: str, version: int) -> None:
    """Publish a plan."""
    body = canonical(random_plan(dice, name, version))
    digest = document_digest("plan", body)
    documents = {found[0]: (found[1], found[2]) for found in contents().values()}
    documents[digest] = ("plan", body.decode())
    world.engine.submit(PlanPublish(plan=name, version=version, digest=digest), private={"documents": documents})


def set_policy(world: World, dice: random.Random) -> None:
    """Set a policy in which suppressions always count."""
    policy = gate_documents.random_policy(dice, dates_of(world))
    stops = policies.SuppressionRule(id="stops")
    body = canonical(replace(policy, rules=(stops, *policy.rules)))
    digest = document_digest("policy", body)
    world.engine.submit(PolicySet(digest=digest), private={"documents": {digest: ("policy", body.decode())}})


def use_pack(world: World, dice: random.Random) -> None:
    """Use a pack."""
    name = dice.choice(PACKS)
    body = canonical(gate_documents.random_pack(dice, name, dates_of(world)))
    digest = document_digest("pack", body)
    world.engine.submit(PackUse(pack=name, digest=digest), private={"documents": {digest: ("pack", body.decode())}})


@cache
def _shifted(shift_s: int) -> tuple[str, str]:
    whole = msgspec.convert(compile_zone_table(), ZoneDocument)
    functions = tuple(tuple((start, offset + shift_s) for start, offset in one) for one in whole.functions)
    body = canonical(replace(whole, functions=functions))
    return document_digest("zones", body), body.decode()


def use_zones(world: World, dice: random.Random) -> None:
    """Use a zone table in which every clock stands otherwise: a parliament has decided something overnight."""
    shift_s = dice.choice(gate_documents.SHIFTS_S)
    digest, body = _shifted(shift_s)
    world.watch.shifts[digest] = shift_s
    world.engine.submit(ZonesUse(digest=digest), private={"documents": {digest: ("zones", body)}})
