"""Where a contact may be: jurisdictions and zones, by what speaks for them.

Lives here: the three bases `declared` (the attributes), `address` (profile fields) and `number`, and what each says. Does not
live here: what the parts of a country are (subdivisions.py), what a number says (addresses.py), which basis wins: none does, the
gate wants all of them to pass.
Rules a change must keep: every basis stands in the answer, an empty list is "this one says nothing"; lists are sorted and without
repetition; no fact names anything finer than a state or New York City.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from dee_appliance.intake.subdivisions import (
    NEW_YORK_CITY,
    code_of_country,
    country_of,
    find_subdivision,
    is_zone_of,
    subdivisions,
    zones_of_code,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from dee_appliance.intake.addresses import NumberFacts
    from dee_appliance.intake.attribute_values import AttributeValue


def jurisdictions_by_basis(
    profile: Mapping[str, str], attributes: Mapping[str, AttributeValue], number: NumberFacts | None
) -> dict[str, list[str]]:
    """Return the codes ("US", "US-FL", "US-NY-NYC") of every place that each basis speaks for."""
    return {
        "address": sorted(_address_codes(profile, attributes, number)),
        "declared": sorted(_declared_codes(attributes)),
        "number": list(number.jurisdictions) if number else [],
    }


def zones_by_basis(
    profile: Mapping[str, str],
    attributes: Mapping[str, AttributeValue],
    number: NumberFacts | None,
    known_zones: frozenset[str],
) -> dict[str, list[str]]:
    """Return the zones of every place that each basis speaks for; those of an address only as far as `known_zones` has them."""
    declared = [str(attributes["timezone"])] if attributes.get("timezone") else []
    of_number = list(number.zones) if number else []
    codes = _address_codes(profile, attributes, number)
    return {
        "address": sorted(_address_zones(codes, (*declared, *of_number)) & known_zones),
        "declared": declared,
        "number": of_number,
    }


def _declared_codes(attributes: Mapping[str, AttributeValue]) -> set[str]:
    """The declared part of a country says more than the country; if it lies in another one, both are plausible."""
    region = str(attributes.get("region", ""))
    country = code_of_country(str(attributes.get("country", "")))
    within = bool(region) and country in {country_of(region), region}
    return {region, "" if within else country} - {""}


def _address_codes(
    profile: Mapping[str, str], attributes: Mapping[str, AttributeValue], number: NumberFacts | None
) -> set[str]:
    """What the address itself says.

    Without a country of its own it is read in the declared one, else in that of the number; but only what it adds to that counts.
    """
    written = code_of_country(profile.get("address_country", ""))
    meant = written or code_of_country(str(attributes.get("country", ""))) or _country_of_number(number)
    state = find_subdivision(profile.get("state", ""), country_of(meant)) if profile.get("state") else None
    codes = {state} if state else set[str]()
    if _is_new_york_city(profile, state, country_of(meant)):
        codes = (codes - {"US-NY"}) | {NEW_YORK_CITY}
    if written and not any(written in {code, country_of(code)} for code in codes):
        codes.add(written)
    return codes


def _country_of_number(number: NumberFacts | None) -> str:
    return code_of_country(number.country) if number and number.country else ""


# Manhattan 100-102, Staten Island 103, the Bronx 104, Queens 111, 113, 114, 116 and these two of 110, Brooklyn 112 (USPS).
_CITY_POSTAL_CODE: Final = re.compile(r"10[0-4]\d\d|1100[45]|11[12346]\d\d", re.ASCII)
_POSTAL_CODE: Final = re.compile(r"(\d{5})(?:[- ]?\d{4})?", re.ASCII)
_CITY_NAMES: Final = frozenset({
    "bronx", "brooklyn", "manhattan", "new york", "new york city", "nyc", "queens", "staten island", "the bronx",
})  # fmt: skip


def _is_new_york_city(profile: Mapping[str, str], state: str | None, country: str) -> bool:
    """The postal code decides; without one, the city's name or a borough's in the state of New York."""
    if country != "US" and state != "US-NY":
        return False
    if state == NEW_YORK_CITY:
        return True
    if postal_code := _POSTAL_CODE.fullmatch(profile.get("postal_code", "")):
        return _CITY_POSTAL_CODE.fullmatch(postal_code[1]) is not None
    return state == "US-NY" and profile.get("city", "").casefold() in _CITY_NAMES


def _address_zones(codes: Iterable[str], others: tuple[str, ...]) -> set[str]:
    """All zones of the address.

    Where only the country is known, it adds nothing to a zone of that country which the declaration or the number names.
    """
    zones: set[str] = set()
    for code in codes:
        if code in subdivisions() or not any(is_zone_of(zone, country_of(code)) for zone in others):
            zones.update(zones_of_code(code))
    return zones
