"""Typed attributes: the text of a cell and the value a plan may steer by.

Lives here: the five attribute types and how each is read. Does not live here: which columns are attributes (column_mapping.py),
what a plan does with them (the kernel's conditions).
Rules a change must keep: nothing ambiguous is guessed (03/04/2026 is refused unless the order was declared), no floats, no
locale.
"""

from __future__ import annotations

import datetime
import re
from typing import Final, Literal, TypeAlias, get_args

from dee_appliance.intake.invalid import InvalidValue
from dee_appliance.intake.places import normalise_zone

AttributeType: TypeAlias = Literal["bool", "int", "date", "date_dmy", "date_mdy", "zone", "enum"]
AttributeValue: TypeAlias = bool | int | str

ATTRIBUTE_TYPES: Final[tuple[str, ...]] = get_args(AttributeType)

MAX_INT: Final = 2**53 - 1
"""The largest whole number every JSON reader keeps exactly (RFC 8259, section 6)."""

MAX_ENUM_CHARS: Final = 64

_TRUE: Final = frozenset({"true", "yes", "y", "1"})
_FALSE: Final = frozenset({"false", "no", "n", "0"})
_INT: Final = re.compile(r"-?(?:0|[1-9][0-9]{0,15})")
_DATE: Final = {
    "date": (re.compile(r"(?P<y>\d{4})-(?P<m>\d{2})-(?P<d>\d{2})", re.ASCII), "YYYY-MM-DD"),
    "date_dmy": (re.compile(r"(?P<d>\d{1,2})[./-](?P<m>\d{1,2})[./-](?P<y>\d{4})", re.ASCII), "DD/MM/YYYY"),
    "date_mdy": (re.compile(r"(?P<m>\d{1,2})[./-](?P<d>\d{1,2})[./-](?P<y>\d{4})", re.ASCII), "MM/DD/YYYY"),
}
# No "@" and no quotes: an address that landed in an attribute column is personal data and must not steer a plan.
_ENUM: Final = re.compile(r"[^\W_](?:[\w .+/&-]*[\w+])?")


def parse_attribute(text: str, attribute_type: AttributeType, *, known_zones: frozenset[str]) -> AttributeValue:
    """Return the typed value of a cell that is not empty.

    bool: true/false, yes/no, y/n, 1/0. int: whole, within ±(2^53-1), no leading zeros (those are identifiers: use enum). date: a
    real day, kept as "YYYY-MM-DD"; date_dmy and date_mdy read day-first and month-first columns into the same form. zone: an
    IANA id. enum: up to 64 letters, digits, spaces and . + / & _ -, case kept.
    Raises InvalidValue with attribute_… or zone_….
    """
    given = text.strip()
    match attribute_type:
        case "bool":
            return _parse_bool(given)
        case "int":
            return _parse_int(given)
        case "date" | "date_dmy" | "date_mdy":
            return _parse_date(given, attribute_type)
        case "zone":
            return normalise_zone(given, known_zones)
        case "enum":
            if len(given) > MAX_ENUM_CHARS or not _ENUM.fullmatch(given):
                raise InvalidValue(
                    "attribute_enum", f"use at most {MAX_ENUM_CHARS} letters, digits, spaces and . + / & _ -"
                )
            return given


def _parse_bool(given: str) -> bool:
    folded = given.casefold()
    if folded in _TRUE:
        return True
    if folded in _FALSE:
        return False
    raise InvalidValue("attribute_bool", "write yes or no")


def _parse_int(given: str) -> int:
    if not _INT.fullmatch(given) or abs(int(given)) > MAX_INT:
        raise InvalidValue(
            "attribute_int", "write a whole number without separators or leading zeros; map identifiers as enum"
        )
    return int(given)


def _parse_date(given: str, order: Literal["date", "date_dmy", "date_mdy"]) -> str:
    pattern, form = _DATE[order]
    if found := pattern.fullmatch(given):
        try:
            return datetime.date(int(found["y"]), int(found["m"]), int(found["d"])).isoformat()
        except ValueError:
            raise InvalidValue("attribute_date", "there is no such day") from None
    raise InvalidValue("attribute_date", f"write the date as {form}")
