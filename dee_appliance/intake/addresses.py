"""E-mail addresses and phone numbers: one written form each, and what a number says about place.

Lives here: normalising an address, the domain, destination prefix, zones and country read from it. Does not live here: tokens and
facts (facts.py), time-zone rules (compiled into the file), whether an address may be contacted (the gate).
Rules a change must keep: no network, DNS included; the two libraries are imported on first use, because together they cost more
than the rest of the start; an answer here is recorded in an input and never derived again in replay, because number metadata
change often; when a number says nothing certain about place the answer is empty, never a guess.
"""

from __future__ import annotations

import unicodedata
from typing import Final

import msgspec

from dee_appliance.intake.invalid import AddressInvalid


class NumberFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What a number itself says.

    `prefix` ("+1206"), `zones` (sorted IANA ids, empty = unknown), `country` (or None), `jurisdictions` (sorted codes of that
    country, or of the parts of it where the number rings).
    """

    prefix: str
    zones: tuple[str, ...]
    country: str | None
    jurisdictions: tuple[str, ...]


def normalise_email(text: str) -> str:
    """Return the address to write to: NFC, local part as given, domain as lower-case ASCII (IDNA 2008).

    RFC 5321 leaves the case of the local part to the receiving host, so it is kept here and folded only in tokens. Quoted local
    parts, bracketed hosts, display names and non-ASCII local parts (RFC 6531, which a provider may not accept) are not taken.
    Raises AddressInvalid with email_empty or email_syntax.
    """
    from email_validator import EmailNotValidError, validate_email  # noqa: PLC0415 (40 ms: on first use)

    given = unicodedata.normalize("NFC", text.strip())
    if not given:
        raise AddressInvalid("email_empty", "there is no e-mail address")
    try:
        found = validate_email(given, check_deliverability=False, allow_smtputf8=False, strict=True)
    except EmailNotValidError as problem:
        raise AddressInvalid("email_syntax", str(problem)) from None
    if found.ascii_email is None:
        raise AddressInvalid("email_syntax", "the address cannot be written in ASCII")
    return found.ascii_email


def fold_email(normalised: str) -> str:
    """Return the form in which two spellings of one mailbox are equal; for tokens and duplicates, never to write to."""
    return normalised.casefold()


def recipient_domain(normalised: str) -> str:
    """Return the domain of a normalised address, lower-case ASCII."""
    return normalised.rpartition("@")[2]


def normalise_phone(text: str, default_region: str | None = None) -> str:
    """Return the number in E.164 ("+12065550100").

    `default_region` (ISO 3166 two-letter) says how to read a number without a leading "+"; without it such a number is not taken.

    How strict: a number written with its country code must be *possible* there (length), and for +1 also have the shape of the
    North American plan. It need not be an assigned range: ranges open faster than metadata are released, and numbers reserved for
    examples (Ofcom's drama numbers) are not assigned. A number without "+" must be *valid* in its region, because reading it
    there is a guess, and a United States number read as a British one is possible too.
    Raises AddressInvalid with a phone_… code.
    """
    from dee_appliance.intake.phone_numbers import read_number  # noqa: PLC0415 (30 ms: on first use)

    return read_number(text, default_region)


def describe_number(e164: str) -> NumberFacts:
    """Return prefix, zones, country and jurisdictions of a number in E.164; see the functions below for what each means."""
    from dee_appliance.intake.phone_numbers import describe  # noqa: PLC0415 (30 ms: on first use)

    return describe(e164)


def destination_prefix(e164: str) -> str:
    """Return country code and first digits, for rates and rules: at most three, and six digits always stay unsaid."""
    return describe_number(e164).prefix


def zones_of_number(e164: str) -> tuple[str, ...]:
    """Return the sorted IANA ids of every place the number may be; empty when it says nothing about place.

    A geographic number gives the zones of its area (in North America: of the whole area code), a mobile number of a country
    without area codes for mobiles gives all zones of the country. Toll-free, premium, shared-cost, personal, IP and unassigned
    numbers give none: they carry no evidence of place, and then the declared zone decides alone or the gate denies.
    """
    return describe_number(e164).zones


def country_of_number(e164: str) -> str | None:
    """Return the ISO 3166 two-letter country, for choosing rules; None for international services (+800, +870, …).

    A number that is not assigned, or shared by the North American plan, gives the main country of its code.
    """
    return describe_number(e164).country


def jurisdictions_of_number(e164: str) -> tuple[str, ...]:
    """Return the sorted codes whose law may follow the number: of the states or provinces of its area code in North America
    ("US-WA", "US-NY-NYC", for 867 three), else of its country ("GB", and "US" for a toll-free number).
    """
    return describe_number(e164).jurisdictions


def supported_regions() -> frozenset[str]:
    """Return the two-letter codes of every country that has phone numbers."""
    from dee_appliance.intake.phone_numbers import REGIONS  # noqa: PLC0415 (30 ms: on first use)

    return REGIONS


# Ids that the number metadata still use and IANA renamed long ago; without this one place would count as two zones.
_RENAMED_ZONES: Final[dict[str, str]] = {
    "Africa/Asmera": "Africa/Asmara",
    "America/Buenos_Aires": "America/Argentina/Buenos_Aires",
    "America/Godthab": "America/Nuuk",
    "Asia/Calcutta": "Asia/Kolkata",
    "Asia/Choibalsan": "Asia/Ulaanbaatar",
    "Asia/Katmandu": "Asia/Kathmandu",
    "Asia/Rangoon": "Asia/Yangon",
    "Asia/Saigon": "Asia/Ho_Chi_Minh",
    "Atlantic/Faeroe": "Atlantic/Faroe",
    "Europe/Kiev": "Europe/Kyiv",
    "Pacific/Enderbury": "Pacific/Kanton",
    "Pacific/Ponape": "Pacific/Pohnpei",
    "Pacific/Truk": "Pacific/Chuuk",
}


def current_zone_id(zone: str) -> str:
    """Return today's IANA id of a zone that was renamed; any other id unchanged."""
    return _RENAMED_ZONES.get(zone, zone)
