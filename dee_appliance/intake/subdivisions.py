"""Parts of countries: the states, provinces and territories that have laws or clocks of their own.

Lives here: the table in data/subdivisions.toml and what it is asked; the zones of a whole country, out of the `tzdata` package.
Does not live here: which of several places a contact may be in (whereabouts.py), what a number says (phone_numbers.py).
Rules a change must keep: the host's zone files are never read; what is not in the table is unknown, never guessed; every answer
is sorted, because it stands in an input.
"""

from __future__ import annotations

import functools
import re
import tomllib
import unicodedata
from importlib.resources import files
from typing import Final

import msgspec

COMPLETE: Final = frozenset({"AU", "CA", "US"})
"""Countries of which every part is in the table; of the others only parts with a country code of their own."""

NEW_YORK_CITY: Final = "US-NY-NYC"

_CODE: Final = re.compile(r"[A-Z]{2}-[A-Z0-9]{1,3}", re.ASCII)


class Subdivision(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A part of a country; data/subdivisions.toml says what each field means."""

    names: tuple[str, ...]
    zones: tuple[str, ...]
    area_codes: tuple[int, ...] = ()
    country: str = ""


@functools.cache
def subdivisions() -> dict[str, Subdivision]:
    """Return the whole table, by code."""
    text = files("dee_appliance").joinpath("data/subdivisions.toml").read_text(encoding="utf-8")
    return msgspec.convert(tomllib.loads(text), dict[str, Subdivision])


def country_of(code: str) -> str:
    """Return the country that a code lies in: "US" for "US-FL", for "US-NY-NYC" and for "US" itself."""
    return code[:2]


def code_of_country(country: str) -> str:
    """Return the code of an ISO 3166 country: itself, except where it is a part of another ("PR" is "US-PR")."""
    return _own_codes().get(country, country)


def find_subdivision(text: str, country: str = "") -> str | None:
    """Return the code of a part of a country as people write it, or None when it is not known.

    "US-CA" stands for itself; "CA" and "California" need the country. Of countries that are not in the table a code is taken as
    it is written, as long as it has the form of ISO 3166-2 ("DE-BY"). With a country, a part of another one is not known.
    """
    whole = country_of(code_of_country(country)) if country else ""
    given = text.strip().upper()
    if given in subdivisions():
        return given if whole in {"", country_of(given)} else None
    if whole in COMPLETE:
        return _by_name().get((whole, _plain(text)))
    if _CODE.fullmatch(given) and country_of(given) not in COMPLETE and whole in {"", country_of(given)}:
        return given
    return _by_name().get((whole, _plain(text)))


def subdivisions_of_area_code(area_code: int) -> tuple[str, ...]:
    """Return the sorted codes of the places where a North American area code rings; empty for one of no place, or not known."""
    return _by_area_code().get(area_code, ())


def zones_of_code(code: str) -> tuple[str, ...]:
    """Return the sorted zones of a country or a part of one; all of them are plausible. Empty when none is known.

    Of a country whose parts are all in the table these are the zones of its parts, one for each clock.
    """
    if part := subdivisions().get(code):
        return part.zones
    if code in COMPLETE:
        parts = [part for of, part in subdivisions().items() if country_of(of) == code and not part.country]
        return tuple(sorted({zone for part in parts for zone in part.zones}))
    return _zones_by_country().get(country_of(code), ())


def is_zone_of(zone: str, country: str) -> bool:
    """Tell whether the time-zone database has this zone for this country."""
    return zone in _zones_by_country().get(country, ())


@functools.cache
def _own_codes() -> dict[str, str]:
    return {part.country: code for code, part in subdivisions().items() if part.country}


@functools.cache
def _by_name() -> dict[tuple[str, str], str]:
    """Codes by country and plain name; the part of the code after the country is a name too."""
    return {
        (country_of(code), _plain(name)): code
        for code, part in subdivisions().items()
        for name in (code[3:], *part.names)
    }


@functools.cache
def _by_area_code() -> dict[int, tuple[str, ...]]:
    found: dict[int, list[str]] = {}
    for code in sorted(subdivisions()):
        for area_code in subdivisions()[code].area_codes:
            found.setdefault(area_code, []).append(code)
    return {area_code: tuple(codes) for area_code, codes in found.items()}


@functools.cache
def _zones_by_country() -> dict[str, tuple[str, ...]]:
    """Zones by ISO 3166 country, of the same `tzdata` package that the zone table of a new file is compiled from."""
    found: dict[str, list[str]] = {}
    table = files("tzdata").joinpath("zoneinfo", "zone.tab").read_text(encoding="utf-8")
    for line in table.splitlines():
        if line and not line.startswith("#"):
            country, _, zone, *_ = line.split("\t")
            found.setdefault(country, []).append(zone)
    return {country: tuple(sorted(zones)) for country, zones in found.items()}


def _plain(text: str) -> str:
    """Take case, accents, punctuation and spaces out: "Washington, D.C." is washingtondc."""
    folded = unicodedata.normalize("NFKD", text).casefold()
    return "".join(character for character in folded if character.isalnum())
