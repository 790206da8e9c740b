"""Contacts as they are taken in: cleaned, typed, with their facts, and compared with those already there.

Lives here: one contact from named texts, and what a new row changes about an existing one. Does not live here: where the texts
come from (csv_import.py, the command line), storing (store), appending the input (engine).
Rules a change must keep: text is normalised here, once (NFC, outer white space, line ends), and compared as it is afterwards; an
empty text means "not given", never "delete"; a bad value refuses the whole contact, there is no half contact.
"""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Callable, Mapping
from typing import Final, Literal, TypeAlias

import msgspec

from dee_appliance.intake.addresses import normalise_email, normalise_phone
from dee_appliance.intake.attribute_values import AttributeType, AttributeValue, parse_attribute
from dee_appliance.intake.calling_hours import format_calling_hours, parse_calling_hours
from dee_appliance.intake.facts import TokenKind, address_tokens, derive_facts
from dee_appliance.intake.invalid import InvalidValue
from dee_appliance.intake.places import normalise_country, normalise_region, normalise_zone
from dee_appliance.kernel.e1.encoding import base32

MAX_FIELD_CHARS: Final = 65_536
MAX_KEY_CHARS: Final = 200

RESERVED_NAMES: Final = frozenset({"key", "timezone", "country", "region", "calling_hours", "subscriber"})
"""Fields with a meaning of their own: neither free profile fields nor free attributes."""

SUBSCRIBERS: Final = ("individual", "business")
"""Whose line or mailbox it is: several rules protect only one of the two."""

FIELD_NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,63}")
"""Names of profile fields and attributes; the same as in a plan file."""


class PreparedContact(msgspec.Struct, frozen=True, kw_only=True):
    """A contact ready to be recorded.

    `contact` is its id; `key` the customer's own key; `profile` personal data by field name, `email` and `phone` normalised;
    `attributes` typed values, among them what is declared under a reserved name; `facts` as derive_facts makes them.
    """

    contact: str
    key: str | None
    profile: dict[str, str]
    attributes: dict[str, AttributeValue]
    facts: dict[str, object]


class ExistingContact(msgspec.Struct, frozen=True, kw_only=True):
    """A contact that the file holds already, with its current values."""

    contact: str
    profile: dict[str, str]
    attributes: dict[str, AttributeValue]
    key: str | None = None


Lookup: TypeAlias = Callable[[TokenKind, str], ExistingContact | None]
"""Finds the contact that owns a token of this kind, or None."""


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """How a prepared contact stands to those in the file.

    `new`: none of its key and addresses is known. `same`: the contact is known and every given value is the recorded one.
    `changed`: `changed` names the values that differ, sorted ("key", field names, "attribute.NAME"). `conflict`: a person must
    decide, and `changed` names the kinds that clash: its key and addresses belong to different contacts; or the contact has
    another key; or nothing but the phone number is the same, which colleagues at one switchboard share.
    """

    status: Literal["new", "same", "changed", "conflict"]
    existing: ExistingContact | None = None
    changed: tuple[str, ...] = ()


def new_contact_id() -> str:
    """Draw an id: "c_" and 26 lower-case base32 characters, 130 random bits. It is recorded in the input, never derived again."""
    return "c_" + base32(os.urandom(17), 26)  # noqa: TID251 (a contact id is drawn at intake and recorded)


def prepare_contact(
    fields: Mapping[str, str],
    *,
    attribute_types: Mapping[str, AttributeType],
    known_zones: frozenset[str],
    draw_id: Callable[[], str],
    default_country: str | None = None,
) -> PreparedContact:
    """Make a contact from texts by field name.

    `fields` holds the reserved names, the attributes named in `attribute_types`, and profile fields under any other name.
    `known_zones` are the ids of the file's zone table. `default_country` reads phone numbers written without "+", and regions
    written without a country, when the contact has no country of its own; it is not recorded as the contact's country.
    Raises InvalidValue, with code and field, for the first value that cannot be taken.
    """
    given = {name: text for name, raw in fields.items() if (text := clean_text(raw, field=name))}
    key = given.pop("key", None)
    if key is not None and len(key) > MAX_KEY_CHARS:
        raise InvalidValue("key_too_long", f"a customer key has at most {MAX_KEY_CHARS} characters", field="key")
    attributes = _declared(given, known_zones, default_country or "")
    for name, attribute_type in attribute_types.items():
        if text := given.pop(name, ""):
            attributes[name] = _attribute(name, text, attribute_type, known_zones)
    profile = _profile(given, str(attributes.get("country", default_country or "")) or None)
    return PreparedContact(
        contact=draw_id(),
        key=key,
        profile=profile,
        attributes=attributes,
        facts=derive_facts(profile, attributes, known_zones=known_zones),
    )


def compare_contact(prepared: PreparedContact, lookup: Lookup, file_secret: bytes) -> Comparison:
    """Compare with what the file holds. Only given values are compared: a value the row leaves out stays as it is."""
    tokens = address_tokens(file_secret, prepared.profile, prepared.key)
    owners = {kind: owner for kind, token in tokens.items() if (owner := lookup(kind, token)) is not None}
    if not owners:
        return Comparison(status="new")
    if len({owner.contact for owner in owners.values()}) > 1:
        return Comparison(status="conflict", changed=tuple(sorted(owners)))
    existing = next(iter(owners.values()))
    if existing.key and prepared.key and existing.key != prepared.key:
        return Comparison(status="conflict", existing=existing, changed=("key",))
    if owners.keys() == {"phone"} and existing.profile.get("email") and prepared.profile.get("email"):
        return Comparison(status="conflict", existing=existing, changed=("phone",))
    changed = _changed(prepared, existing, key_known="key" in owners)
    return Comparison(status="changed" if changed else "same", existing=existing, changed=changed)


def merge_contact(
    prepared: PreparedContact, existing: ExistingContact, *, known_zones: frozenset[str]
) -> PreparedContact:
    """Return the existing contact with the given values put over it, its own id, and facts derived again."""
    profile = {**existing.profile, **prepared.profile}
    attributes = {**existing.attributes, **prepared.attributes}
    return PreparedContact(
        contact=existing.contact,
        key=prepared.key or existing.key,
        profile=profile,
        attributes=attributes,
        facts=derive_facts(profile, attributes, known_zones=known_zones),
    )


# Everything of C0 and C1 except tab and line feed. A C1 character in UTF-8 text is nearly always Windows-1252 read wrongly.
_CONTROL: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_DAMAGED: Final = re.compile("[\ufffd\ud800-\udfff]")


def clean_text(raw: str, *, field: str | None = None) -> str:
    """Return the text as it is kept: NFC, without outer white space, line ends as LF; "" when nothing was given.

    Raises InvalidValue with field_too_long, control_character or damaged_text.
    """
    if len(raw) > MAX_FIELD_CHARS:
        raise InvalidValue("field_too_long", f"a value has at most {MAX_FIELD_CHARS:,} characters", field=field)
    if raw.isascii() and raw.isprintable():
        return raw.strip()
    text = unicodedata.normalize("NFC", raw.replace("\r\n", "\n").replace("\r", "\n")).strip()
    if found := _CONTROL.search(text):
        raise InvalidValue(
            "control_character", f"the value contains the control character U+{ord(found[0]):04X}", field=field
        )
    if _DAMAGED.search(text):
        raise InvalidValue(
            "damaged_text", "the value lost characters before it came here; export it again", field=field
        )
    return text


def _declared(given: dict[str, str], known_zones: frozenset[str], default_country: str) -> dict[str, AttributeValue]:
    """Take the reserved names out of what is given and return them as attributes."""
    attributes: dict[str, AttributeValue] = {}
    if country := given.pop("country", ""):
        attributes["country"] = normalise_country(country)
    if region := given.pop("region", ""):
        attributes["region"] = normalise_region(region, str(attributes.get("country", default_country)))
    if zone := given.pop("timezone", ""):
        attributes["timezone"] = normalise_zone(zone, known_zones)
    if hours := given.pop("calling_hours", ""):
        attributes["calling_hours"] = format_calling_hours(parse_calling_hours(hours))
    if subscriber := given.pop("subscriber", "").casefold():
        if subscriber not in SUBSCRIBERS:
            raise InvalidValue("subscriber_unknown", "write individual or business", field="subscriber")
        attributes["subscriber"] = subscriber
    return attributes


def _attribute(name: str, text: str, attribute_type: AttributeType, known_zones: frozenset[str]) -> AttributeValue:
    try:
        return parse_attribute(text, attribute_type, known_zones=known_zones)
    except InvalidValue as problem:
        raise InvalidValue(problem.code, problem.reason, field=f"attribute.{name}") from None


def _profile(given: Mapping[str, str], region: str | None) -> dict[str, str]:
    for name in given:
        if not FIELD_NAME.fullmatch(name):
            raise InvalidValue(
                "attribute_name", "use lower-case letters, digits and _, starting with a letter", field=name
            )
    profile = dict(given)
    for name in ("email", "phone"):
        if name in profile:
            profile[name] = _address(name, profile[name], region)
    if "address_country" in profile:
        profile["address_country"] = normalise_country(profile["address_country"], field="address_country")
    if not profile.keys() & {"email", "phone"}:
        raise InvalidValue("no_address", "there is neither an e-mail address nor a phone number")
    return profile


def _address(name: str, text: str, region: str | None) -> str:
    try:
        return normalise_email(text) if name == "email" else normalise_phone(text, region)
    except InvalidValue as problem:
        raise type(problem)(problem.code, problem.reason, field=name) from None


def _changed(prepared: PreparedContact, existing: ExistingContact, *, key_known: bool) -> tuple[str, ...]:
    found = [name for name, text in prepared.profile.items() if existing.profile.get(name) != text]
    found += [
        f"attribute.{name}"
        for name, value in prepared.attributes.items()
        if _differs(value, existing.attributes.get(name))
    ]
    if prepared.key and not key_known:
        found.append("key")
    return tuple(sorted(found))


def _differs(value: AttributeValue, recorded: AttributeValue | None) -> bool:
    return type(value) is not type(recorded) or value != recorded  # True == 1, and yes is not one
