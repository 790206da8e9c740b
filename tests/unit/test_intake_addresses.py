"""Addresses: what is taken, in which form, and what a number says about place."""

from __future__ import annotations

import subprocess
import sys
from importlib.resources import files

import pytest

from dee_appliance.intake.addresses import (
    country_of_number,
    current_zone_id,
    destination_prefix,
    fold_email,
    normalise_email,
    normalise_phone,
    recipient_domain,
    supported_regions,
    zones_of_number,
)
from dee_appliance.intake.invalid import REJECT_CODES, AddressInvalid, InvalidValue


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("ana@example.com", "ana@example.com"),
        ("  Ana.Silva+news@EXAMPLE.Com\t", "Ana.Silva+news@example.com"),
        ("info@Bücher.example", "info@xn--bcher-kva.example"),
        ("info@xn--bcher-kva.example", "info@xn--bcher-kva.example"),
        ("info@bu\u0308cher.example", "info@xn--bcher-kva.example"),  # u and a combining diaeresis: NFC
        ("o'brien@example.org", "o'brien@example.org"),
    ],
)
def test_an_email_address_keeps_its_local_part_and_gets_an_ascii_lower_case_domain(given: str, kept: str) -> None:
    assert normalise_email(given) == kept
    assert normalise_email(kept) == kept


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ("", "email_empty"),
        (" \t ", "email_empty"),
        ("ana", "email_syntax"),
        ("ana@example", "email_syntax"),
        ("ana@@example.com", "email_syntax"),
        ("ana@example..com", "email_syntax"),
        ("ana@exa mple.com", "email_syntax"),
        ("ana@example.com, ben@example.com", "email_syntax"),
        ("Ana <ana@example.com>", "email_syntax"),
        ('"a b"@example.com', "email_syntax"),
        ("ana@[192.0.2.1]", "email_syntax"),
        ("anä@example.com", "email_syntax"),
        ("ana@example.com\nBcc: x@example.com", "email_syntax"),
        ("a" * 65 + "@example.com", "email_syntax"),
        ("ana@localhost", "email_syntax"),
        ("ana@host.invalid", "email_syntax"),
    ],
)
def test_an_address_that_mail_cannot_be_sent_to_is_refused_with_a_closed_code(given: str, code: str) -> None:
    with pytest.raises(AddressInvalid) as refusal:
        normalise_email(given)
    assert refusal.value.code == code


def test_two_spellings_of_one_mailbox_fold_to_the_same_text() -> None:
    assert fold_email(normalise_email("Ana@Example.com")) == fold_email(normalise_email("ana@EXAMPLE.COM"))
    assert recipient_domain(normalise_email("Ana@Example.com")) == "example.com"


@pytest.mark.parametrize(
    ("given", "region", "e164"),
    [
        ("+12065550100", None, "+12065550100"),
        ("+1 (206) 555-0100", None, "+12065550100"),
        ("(206) 555.0100", "US", "+12065550100"),
        ("1 206 555 0100", "US", "+12065550100"),
        ("+44 (0)20 7946 0123", None, "+442079460123"),
        ("020 7946 0123", "GB", "+442079460123"),
        ("0044 20 7946 0123", "GB", "+442079460123"),
        ("+44 7700 900123", None, "+447700900123"),  # Ofcom's drama range: possible, never assigned
        ("+61 2 5550 1001", None, "+61255501001"),
        ("tel:+12065550100", None, "+12065550100"),
        ("\u202a+1\u00a0206\u20115550100\u202c", None, "+12065550100"),  # as address books copy it
        ("＋１２０６５５５０１００", None, "+12065550100"),
        ("+12065550100", "GB", "+12065550100"),  # the country code in the number wins
    ],
)
def test_a_phone_number_becomes_e164(given: str, region: str | None, e164: str) -> None:
    assert normalise_phone(given, region) == e164
    assert normalise_phone(e164) == e164


@pytest.mark.parametrize(
    ("given", "region", "code"),
    [
        ("", None, "phone_empty"),
        ("206 555 0100", None, "phone_no_country"),
        ("+999 555 0100 000", None, "phone_no_country"),
        ("206 555 0100", "GB", "phone_impossible"),  # possible there, but not a number there: the country is wrong
        ("555-0100", "US", "phone_too_short"),
        ("+1 206 555", None, "phone_too_short"),
        ("+1 206 555 0100 0", None, "phone_too_long"),
        ("+12065550100 / +12065550101", None, "phone_syntax"),
        ("2065550100 / 2065550101", "US", "phone_too_long"),
        ("+1 206 055 0100", None, "phone_impossible"),
        ("+1 911 555 0100", None, "phone_impossible"),
        ("+10000000000", None, "phone_impossible"),
        ("+1 206 555 0100 x12", None, "phone_extension"),
        ("+1 206 555 0100 ext. 12", None, "phone_extension"),
        ("+12065550100;ext=12", None, "phone_extension"),
        ("1.20656E+10", "US", "phone_spreadsheet"),
        ("12065550100.0", "US", "phone_spreadsheet"),
        ("1-800-FLOWERS", "US", "phone_syntax"),
        ("call +12065550100 now", None, "phone_syntax"),
        ("+1206555010O", None, "phone_syntax"),
        ("n/a", "US", "phone_syntax"),
        ("+", None, "phone_syntax"),
        ("9" * 300, "US", "phone_too_long"),
        ("+49 15123 456 789 012 34", None, "phone_too_long"),  # possible in Germany, but longer than E.164
    ],
)
def test_what_is_not_one_dialable_number_is_refused_with_a_closed_code(
    given: str, region: str | None, code: str
) -> None:
    with pytest.raises(AddressInvalid) as refusal:
        normalise_phone(given, region)
    assert refusal.value.code == code


@pytest.mark.parametrize(
    ("e164", "zones"),
    [
        ("+12065550100", ("America/Los_Angeles",)),
        ("+16025550123", ("America/Phoenix",)),
        ("+442079460123", ("Europe/London",)),
        ("+919876543210", ("Asia/Kolkata",)),  # the metadata still say Asia/Calcutta
        ("+18005550199", ()),  # toll-free: rings anywhere
        ("+447700900123", ()),  # not assigned
        ("+80012345678", ()),  # international freephone
    ],
)
def test_a_number_gives_the_zones_of_its_area_and_nothing_when_it_says_nothing(
    e164: str, zones: tuple[str, ...]
) -> None:
    assert zones_of_number(e164) == zones


def test_an_area_code_on_a_zone_border_gives_both_zones() -> None:
    assert zones_of_number("+18505550100") == ("America/Chicago", "America/New_York")


def test_a_mobile_number_that_hides_its_area_gives_every_zone_of_the_country() -> None:
    zones = zones_of_number("+61491570156")
    assert {"Australia/Perth", "Australia/Sydney", "Australia/Adelaide"} <= set(zones)
    assert zones == tuple(sorted(zones))


def test_every_zone_the_metadata_can_give_is_a_zone_of_the_time_zone_data_under_its_present_name() -> None:
    from phonenumbers.tzdata import TIMEZONE_DATA  # noqa: PLC0415 (the library's own table, nowhere else needed)

    table = files("tzdata").joinpath("zoneinfo", "zone.tab").read_text()
    present = {line.split("\t")[2] for line in table.splitlines() if not line.startswith("#")}
    given = {zone for zones in TIMEZONE_DATA.values() for zone in zones} - {"Etc/Unknown"}
    assert {current_zone_id(zone) for zone in given} - present == set()


@pytest.mark.parametrize(
    ("e164", "prefix", "country"),
    [
        ("+12065550100", "+1206", "US"),
        ("+14165550100", "+1416", "CA"),
        ("+442079460123", "+44207", "GB"),
        ("+447700900123", "+44770", "GB"),
        ("+919876543210", "+91987", "IN"),
        ("+80012345678", "+80012", None),
        ("+6791234567", "+6791", "FJ"),  # seven digits: six of them stay unsaid
    ],
)
def test_a_number_gives_a_short_prefix_and_a_country(e164: str, prefix: str, country: str | None) -> None:
    assert destination_prefix(e164) == prefix
    assert country_of_number(e164) == country


def test_the_supported_regions_are_two_letter_codes() -> None:
    assert {"US", "GB", "IN", "AU"} <= supported_regions()
    assert all(len(region) == 2 and region.isupper() for region in supported_regions())


def test_a_refusal_code_outside_the_closed_list_cannot_be_made() -> None:
    assert all(code.isidentifier() for code in REJECT_CODES)
    with pytest.raises(AssertionError):
        InvalidValue("no_such_code", "text")


@pytest.mark.slow
def test_reading_a_csv_header_does_not_load_the_number_and_mail_libraries() -> None:
    program = (
        "import sys, dee_appliance.intake.csv_import\n"
        "print(sorted({'phonenumbers', 'email_validator', 'idna'} & set(sys.modules)))"
    )
    shown = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert shown.strip() == "[]"


@pytest.mark.slow
def test_only_the_parts_of_the_number_library_that_the_binary_ships_are_loaded() -> None:
    program = (
        "import sys\n"
        "from dee_appliance.intake.addresses import describe_number, normalise_phone\n"
        "describe_number(normalise_phone('+12065550100'))\n"
        "heavy = ('geodata', 'geocoder', 'carrierdata', 'carrier')\n"
        "print([name for name in sys.modules if name.startswith('phonenumbers.') and name.split('.')[1] in heavy])"
    )
    shown = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert shown.strip() == "[]"
