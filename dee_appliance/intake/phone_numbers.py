"""Reading phone numbers, with Google's number metadata.

Lives here: what is taken as a number and what a number says about place. Does not live here: anything that others import; they
ask addresses.py, which imports this module on first use, because the metadata cost 30 ms.
Rules a change must keep: only the parts of the library named below, so that the 45 MB of its town and carrier names stay out of
the binary; what is read here is recorded, never derived again in replay, because the metadata change every fortnight.
"""

from __future__ import annotations

import functools
import re
import unicodedata
from typing import Final

from phonenumbers import (
    REGION_CODE_FOR_NON_GEO_ENTITY,
    SUPPORTED_REGIONS,
    NumberParseException,
    PhoneNumber,
    PhoneNumberFormat,
    PhoneNumberType,
    ValidationResult,
    format_number,
    is_possible_number_with_reason,
    is_valid_number,
    national_significant_number,
    number_type,
    parse,
    region_code_for_country_code,
    region_code_for_number,
)
from phonenumbers.phonenumberutil import is_number_type_geographical
from phonenumbers.timezone import UNKNOWN_TIMEZONE, time_zones_for_geographical_number, time_zones_for_number
from phonenumbers.tzdata import TIMEZONE_DATA

from dee_appliance.intake.addresses import NumberFacts, current_zone_id
from dee_appliance.intake.invalid import AddressInvalid
from dee_appliance.intake.subdivisions import code_of_country, subdivisions_of_area_code

REGIONS: Final = frozenset(SUPPORTED_REGIONS)
"""The two-letter codes of every country that has phone numbers."""

_EXTENSION: Final = re.compile(r"(?:ext\.?|x|#|;\s*ext=)\s*\.?\s*\d+\s*$", re.IGNORECASE)
_SPREADSHEET: Final = re.compile(r"\+?\d+(?:[.,]\d+)?e\+?\d+|\+?\d{7,}[.,]0+", re.IGNORECASE)
_NUMBER: Final = re.compile(r"\+?[0-9 ().\-/]+")
# Unicode dashes become "-"; direction marks, which some address books copy along with the number, vanish.
_PLAIN: Final = dict.fromkeys((*range(0x2010, 0x2016), 0x2212), "-") | dict.fromkeys(
    (0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A)), ""
)


def read_number(text: str, default_region: str | None) -> str:
    """See addresses.normalise_phone."""
    given = _plain_number(text)
    if not given.startswith("+") and default_region is None:
        raise AddressInvalid("phone_no_country", "write the number with + and its country code, or give the country")
    try:
        number = parse(given, None if given.startswith("+") else default_region)
    except NumberParseException as problem:
        raise AddressInvalid(*_unparsed(problem.error_type)) from None
    _require_possible(number)
    if not given.startswith("+") and not is_valid_number(number):
        raise AddressInvalid(
            "phone_impossible", f"not an assigned number in {default_region}; write it with + and its country code"
        )
    return format_number(number, PhoneNumberFormat.E164)


def describe(e164: str) -> NumberFacts:
    """See addresses.describe_number."""
    number = parse(e164, None)
    country = _country(number)
    return NumberFacts(
        prefix=_prefix(number), zones=_zones(number), country=country, jurisdictions=_jurisdictions(number, country)
    )


def _plain_number(text: str) -> str:
    """Return digits and usual separators only, or raise for what must not be guessed away."""
    given = unicodedata.normalize("NFKC", text).translate(_PLAIN).strip()
    given = given.removeprefix("tel:").strip()
    if not given:
        raise AddressInvalid("phone_empty", "there is no phone number")
    if _SPREADSHEET.fullmatch(given):
        raise AddressInvalid(
            "phone_spreadsheet", "a spreadsheet has rounded this number; format the column as text and export again"
        )
    if _EXTENSION.search(given):
        raise AddressInvalid(
            "phone_extension", "the number has an extension; give a number that rings the person directly"
        )
    if not _NUMBER.fullmatch(given):
        raise AddressInvalid("phone_syntax", "only digits, spaces and ( ) - . / may follow the leading +")
    return given


def _unparsed(error_type: int) -> tuple[str, str]:
    match error_type:
        case NumberParseException.INVALID_COUNTRY_CODE:
            return "phone_no_country", "no country has this code"
        case NumberParseException.TOO_LONG:
            return "phone_too_long", "the number has too many digits"
        case NumberParseException.TOO_SHORT_NSN | NumberParseException.TOO_SHORT_AFTER_IDD:
            return "phone_too_short", "the number has too few digits"
        case _:
            return "phone_syntax", "this is not a phone number"


def _require_possible(number: PhoneNumber) -> None:
    match is_possible_number_with_reason(number):
        case ValidationResult.IS_POSSIBLE:
            pass
        case ValidationResult.TOO_SHORT | ValidationResult.IS_POSSIBLE_LOCAL_ONLY:
            raise AddressInvalid("phone_too_short", f"the number has too few digits for +{number.country_code}")
        case ValidationResult.TOO_LONG:
            raise AddressInvalid("phone_too_long", f"the number has too many digits for +{number.country_code}")
        case _:
            raise AddressInvalid("phone_impossible", f"no number of +{number.country_code} has this length")
    if len(format_number(number, PhoneNumberFormat.E164)) > _MAX_E164_CHARS:
        raise AddressInvalid("phone_too_long", "no number has more than 15 digits")
    if number.country_code == _NANP and not _has_nanp_shape(str(number.national_number)):
        raise AddressInvalid("phone_impossible", "no +1 number has this area code or exchange")


_NANP: Final = 1
_MAX_E164_CHARS: Final = 16  # "+" and 15 digits (ITU-T E.164, section 6)


def _has_nanp_shape(national: str) -> bool:
    """Area code and exchange are [2-9]XX and the area code is no service code N11 (NANPA, ATIS-0300055)."""
    return len(national) == 10 and national[0] > "1" and national[3] > "1" and national[1:3] != "11"


def _prefix(number: PhoneNumber) -> str:
    national = national_significant_number(number)
    return f"+{number.country_code}{national[: max(0, min(3, len(national) - 6))]}"


def _zones(number: PhoneNumber) -> tuple[str, ...]:
    kind = number_type(number)
    if kind not in _PLACED:
        return ()
    if number.country_code == _NANP and (area := _zones_by_area_code().get(str(number.national_number)[:3])):
        return area
    if is_number_type_geographical(kind, number.country_code or 0):
        return _known(time_zones_for_geographical_number(number))
    return _known(time_zones_for_number(number))


@functools.cache
def _zones_by_area_code() -> dict[str, tuple[str, ...]]:
    """All zones of each North American area code.

    The metadata are finer, by exchange, but a mobile number is not tied to its exchange, and for an exchange that is not listed
    they fall back to one zone of two, or to all of America.
    """
    found: dict[str, set[str]] = {}
    for prefix, zones in TIMEZONE_DATA.items():
        if prefix.startswith("1") and len(prefix) >= 4:
            found.setdefault(prefix[1:4], set()).update(zones)
    return {area: _known(tuple(zones)) for area, zones in found.items()}


def _known(zones: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(sorted({current_zone_id(zone) for zone in zones if zone != UNKNOWN_TIMEZONE}))


# Kinds of number that say something about place; the others ring anywhere.
_PLACED: Final = frozenset({PhoneNumberType.FIXED_LINE, PhoneNumberType.MOBILE, PhoneNumberType.FIXED_LINE_OR_MOBILE})


def _country(number: PhoneNumber) -> str | None:
    region = region_code_for_number(number) or region_code_for_country_code(number.country_code or 0)
    return None if region in {REGION_CODE_FOR_NON_GEO_ENTITY, "ZZ"} else region


def _jurisdictions(number: PhoneNumber, country: str | None) -> tuple[str, ...]:
    if number.country_code == _NANP and (places := subdivisions_of_area_code(int(str(number.national_number)[:3]))):
        return places
    return (code_of_country(country),) if country else ()
