"""Who takes part in a scenario: contacts made by the intake that an import uses, with fixed ids.

The id of a contact follows from its name in the scenario alone, so a split puts it into the same arm each time.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import msgspec

from dee_appliance.authoring.finding import did_you_mean
from dee_appliance.errors import Usage
from dee_appliance.intake.contacts import PreparedContact, prepare_contact
from dee_appliance.intake.invalid import InvalidValue
from dee_appliance.kernel.e1.encoding import base32, derived
from dee_appliance.runtime.config import CHANNELS
from dee_appliance.runtime.enrolling import Variables, read_variables
from dee_appliance.scenarios.wording import check_scope

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from dee_appliance.authoring.place import Place
    from dee_appliance.authoring.positions import Path
    from dee_appliance.authoring.written_scenario import WrittenContact
    from dee_appliance.intake.attribute_values import AttributeType
    from dee_appliance.kernel.e1.plan import Channel, Plan
    from dee_appliance.scenarios.calendar import Calendar

    AttributeText = bool | int | str

DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
DOMAIN = "dee.scenario.v1"
PLAIN = ("key", "email", "phone", "timezone", "country", "region", "calling_hours", "subscriber")
"""Fields of a contact that an import knows by these names."""
NO_VARIABLES = Variables(typed={}, texts={})


class Given(msgspec.Struct, frozen=True, kw_only=True):
    """A consent that was given before the start. `obtained` and `expires` are ticks."""

    place: Place
    channel: Channel
    purpose: str = "*"
    consent_class: str = "express"
    basis: str = ""
    obtained: int | None = None
    expires: int | None = None


class Cast(msgspec.Struct, frozen=True, kw_only=True):
    """One contact that takes part. `enroll` is the tick at which it enters the first plan; None: it does not."""

    handle: str
    place: Place
    written: WrittenContact
    prepared: PreparedContact | None
    consents: tuple[Given, ...]
    enroll: int | None
    variables: Variables


def contact_id(handle: str) -> str:
    """Return the id of the contact of this name."""
    return "c_" + base32(derived(DOMAIN, b"contact", handle.encode()), 26)


def drawn(handle: str) -> bytes:
    """Return the secret of the contact of this name: scenarios are thrown away, and must be the same each time."""
    return derived(DOMAIN, b"secret", handle.encode())


def text_of(value: AttributeText) -> str:
    """Return a TOML value as a cell of a table would have it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def cast_of(place: Place, handle: str, written: WrittenContact, plans: tuple[Plan, ...], calendar: Calendar) -> Cast:
    """Make a contact; what the intake refuses becomes a finding."""
    fields = {name: text for name in PLAIN if (text := getattr(written, name)) is not None}
    fields |= written.profile or {}
    for name in sorted({*fields} & {*(written.attributes or {})}):
        place.refuse(("attributes", name), "duplicate_value", f"`{name}` is said twice", "keep one of them")
    for index, scope in enumerate(written.suppressed or ()):
        check_scope(place, ("suppressed", index), scope, plans)
    prepared = prepared_contact(place, handle, fields, written.attributes or {}, plans=plans, calendar=calendar)
    enroll: int | None = None
    if not isinstance(written.enroll, bool):
        enroll = calendar.tick(place, ("enroll",), written.enroll)
        if enroll < calendar.start:
            place.refuse(("enroll",), "wrong_order", "nobody enrols before the start")
    elif written.enroll:
        enroll = calendar.start
    variables = NO_VARIABLES
    if enroll is not None:
        variables = typed_variables(place, ("variables",), plans[0], written.variables or {})
    elif written.variables is not None:
        place.warn(("variables",), "useless_field", "the contact is not enrolled", "leave `enroll = false` out")
    return Cast(
        handle=handle,
        place=place,
        written=written,
        prepared=prepared,
        consents=_consents(place, written, calendar),
        enroll=enroll,
        variables=variables,
    )


def _consents(place: Place, written: WrittenContact, calendar: Calendar) -> tuple[Given, ...]:
    given = []
    for index, one in enumerate(written.consents or ()):
        inside = place.inside("consents", index)
        if not isinstance(one, str):
            ticks = {
                key: None if when is None else calendar.tick(inside, (key,), when)
                for key, when in (("obtained", one.obtained), ("expires", one.expires))
            }
            given.append(
                Given(
                    place=inside,
                    channel=one.channel,
                    purpose=one.purpose,
                    consent_class=one.kind,
                    basis=one.basis,
                    obtained=ticks["obtained"],
                    expires=ticks["expires"],
                )
            )
            continue
        word, _, purpose = one.partition(":")
        channel = next((known for known in CHANNELS if known == word), None)
        if channel is None:
            hint = f"{did_you_mean(word, CHANNELS)}; a purpose stands behind a colon, as in email:marketing"
            inside.refuse((), "unknown_key", f"`{word}` is no channel", hint)
        else:
            given.append(Given(place=inside, channel=channel, purpose=purpose or "*"))
    return tuple(given)


def prepared_contact(
    place: Place,
    handle: str,
    fields: Mapping[str, str],
    attributes: Mapping[str, AttributeText],
    *,
    plans: Iterable[Plan],
    calendar: Calendar,
) -> PreparedContact | None:
    """Take a contact in; None after findings."""
    types: dict[str, AttributeType] = {name: _type_of(name, value, plans) for name, value in attributes.items()}
    texts = {**fields, **{name: text_of(value) for name, value in attributes.items()}}
    try:
        return prepare_contact(
            texts,
            attribute_types=types,
            known_zones=frozenset(calendar.zones.zones()),
            draw_id=lambda: contact_id(handle),
        )
    except InvalidValue as problem:
        place.refuse(_place_of(problem, fields), "wrong_value", f"{handle}: {problem.reason}", problem.code)
        return None


def _place_of(problem: InvalidValue, fields: Mapping[str, str]) -> Path:
    name = problem.field or ""
    if name.startswith("attribute."):
        return ("attributes", name.removeprefix("attribute."))
    if name in PLAIN:
        return (name,)
    return ("profile", name) if name in fields else ()


def _type_of(name: str, value: AttributeText, plans: Iterable[Plan]) -> AttributeType:
    """Return the type that a plan declares for an attribute, else the one it is written in."""
    for plan in plans:
        if name in plan.attributes:
            return plan.attributes[name].kind
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, int):
        return "int"
    return "date" if DATE.fullmatch(value) else "enum"


def typed_variables(place: Place, keys: Path, plan: Plan, given: Mapping[str, AttributeText]) -> Variables:
    """Return the variables of an enrolment; what the plan does not take, or misses, becomes a finding."""
    try:
        return read_variables(plan, {name: text_of(value) for name, value in given.items()})
    except Usage as error:
        hint = (error.hint or "").replace("--var ", "variables.").replace("=VALUE", ' = "…"')
        place.refuse(keys, "undeclared_variable", error.what, hint)
        return NO_VARIABLES
