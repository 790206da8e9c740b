"""Countries, their parts and time zones as people write them, and the one form we keep.

Lives here: reading a country, region or zone cell. Does not live here: which parts a country has (subdivisions.py), zone rules,
or which zones exist (the caller passes the ids of the table compiled into the file).
Rules a change must keep: an abbreviation or an offset is never guessed into a place; calling at the wrong hour is worse than a
reject.
"""

from __future__ import annotations

import difflib
import functools
import re
from typing import TYPE_CHECKING, Final

from dee_appliance.intake.addresses import current_zone_id, supported_regions
from dee_appliance.intake.invalid import InvalidValue
from dee_appliance.intake.subdivisions import COMPLETE, find_subdivision

if TYPE_CHECKING:
    from collections.abc import Mapping

# Names that spreadsheets use instead of the code; anything else has to be the code itself.
_COUNTRY_NAMES: Final[dict[str, str]] = {
    "australia": "AU",
    "austria": "AT",
    "belgium": "BE",
    "brazil": "BR",
    "canada": "CA",
    "denmark": "DK",
    "france": "FR",
    "germany": "DE",
    "great britain": "GB",
    "india": "IN",
    "ireland": "IE",
    "italy": "IT",
    "japan": "JP",
    "mexico": "MX",
    "netherlands": "NL",
    "new zealand": "NZ",
    "norway": "NO",
    "singapore": "SG",
    "spain": "ES",
    "sweden": "SE",
    "switzerland": "CH",
    "uk": "GB",
    "united kingdom": "GB",
    "united states": "US",
    "united states of america": "US",
    "usa": "US",
}


def normalise_country(text: str, *, field: str = "country") -> str:
    """Return the ISO 3166 two-letter code, upper case. Raises InvalidValue(country_unknown), which names the field."""
    given = text.strip()
    code = _COUNTRY_NAMES.get(given.casefold(), given.upper())
    if code not in supported_regions():
        raise InvalidValue("country_unknown", "write the two-letter code of the country, such as US or GB", field=field)
    return code


def normalise_region(text: str, country: str) -> str:
    """Return the ISO 3166-2 code of a part of a country, as subdivisions.find_subdivision reads it; `country` may be "".

    Raises InvalidValue(region_unknown).
    """
    if (found := find_subdivision(text, country)) is not None:
        return found
    if not country:
        why = "write the ISO 3166-2 code, such as US-CA, or give the country"
    elif country in COMPLETE:
        why = f"{country} has no such state, province or territory; write its ISO 3166-2 code"
    else:
        why = f"write the ISO 3166-2 code of a part of {country}"
    raise InvalidValue("region_unknown", f"{why}; to leave the column out: --map region=", field="region")


def normalise_zone(text: str, known_zones: frozenset[str]) -> str:
    """Return the IANA id, in the case IANA writes it, under today's name when it was renamed.

    Only ids of places are taken ("America/New_York", and "UTC"): "EST" is a fixed offset in the database but New York's time to
    most people, and the signs of "Etc/GMT+5" mislead. Raises InvalidValue with zone_ambiguous or zone_unknown.
    """
    given = text.strip()
    found = _by_folded_id(known_zones).get(given.casefold())
    if found == "UTC":
        return found
    if _OFFSET.fullmatch(given) or (found and ("/" not in found or found.startswith("Etc/"))):
        raise InvalidValue(
            "zone_ambiguous",
            "abbreviations and offsets do not say a place; write an id such as America/New_York",
            field="timezone",
        )
    if found is None:
        near = difflib.get_close_matches(given, sorted(known_zones), n=1, cutoff=0.75)
        hint = f"; did you mean {near[0]}?" if near else ""
        raise InvalidValue("zone_unknown", f"write an IANA time zone such as America/New_York{hint}", field="timezone")
    renamed = current_zone_id(found)
    return renamed if renamed in known_zones else found


# "CST", "GMT+2", "UTC-05:00", "+5.5", "-0800"
_OFFSET: Final = re.compile(r"[A-Z]{2,5}|(?:UTC|GMT)? ?[+-]?\d[\d:.]*|(?:UTC|GMT) ?[+-].*", re.IGNORECASE)


@functools.lru_cache(maxsize=4)
def _by_folded_id(known_zones: frozenset[str]) -> Mapping[str, str]:
    return {zone.casefold(): zone for zone in sorted(known_zones)}
