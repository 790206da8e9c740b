"""Contacts: cleaning, typed attributes, ids, and comparison with those already in the file."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from dee_appliance.intake.attribute_values import AttributeType, AttributeValue, parse_attribute
from dee_appliance.intake.contacts import (
    MAX_FIELD_CHARS,
    ExistingContact,
    PreparedContact,
    clean_text,
    compare_contact,
    merge_contact,
    new_contact_id,
    prepare_contact,
)
from dee_appliance.intake.facts import address_tokens, derive_facts
from dee_appliance.intake.invalid import InvalidValue
from dee_appliance.intake.places import normalise_country, normalise_zone

if TYPE_CHECKING:
    from collections.abc import Callable

SECRET = bytes(32)
ZONES = frozenset({
    "America/New_York", "America/Los_Angeles", "Asia/Calcutta", "Asia/Kolkata", "EST", "EST5EDT", "Etc/GMT+5", "Etc/UTC",
    "Europe/London", "GB", "Pacific/Port_Moresby", "UTC",
})  # fmt: skip


def prepare(
    fields: dict[str, str], types: dict[str, AttributeType] | None = None, *, country: str | None = None
) -> PreparedContact:
    return prepare_contact(
        fields, attribute_types=types or {}, known_zones=ZONES, draw_id=lambda: "c_1", default_country=country
    )


def refused(make: Callable[[], object]) -> tuple[str, str | None]:
    with pytest.raises(InvalidValue) as refusal:
        make()
    return refusal.value.code, refusal.value.field


def test_a_contact_is_cleaned_typed_and_given_its_facts() -> None:
    contact = prepare(
        {
            "key": " C-1 ",
            "email": " Ana@EXAMPLE.com ",
            "phone": "(206) 555-0100",
            "first_name": "Zoe\u0308",
            "company": "",
            "country": "usa",
            "timezone": "america/new_york",
            "tier": "gold",
        },
        {"tier": "enum"},
    )
    assert contact.contact == "c_1"
    assert contact.key == "C-1"
    assert contact.profile == {"email": "Ana@example.com", "phone": "+12065550100", "first_name": "Zoë"}
    assert contact.attributes == {"country": "US", "timezone": "America/New_York", "tier": "gold"}
    assert contact.facts == derive_facts(contact.profile, contact.attributes, known_zones=ZONES)
    assert contact.facts["zones"] == {
        "address": [],
        "declared": ["America/New_York"],
        "number": ["America/Los_Angeles"],
    }


def test_a_default_country_reads_a_number_but_is_no_country_of_the_contact() -> None:
    contact = prepare({"phone": "020 7946 0123"}, country="GB")
    assert contact.profile["phone"] == "+442079460123"
    assert "country" not in contact.attributes


def test_the_country_of_the_contact_reads_its_number_before_the_default_does() -> None:
    assert prepare({"phone": "020 7946 0123", "country": "GB"}, country="US").profile["phone"] == "+442079460123"


@pytest.mark.parametrize(
    ("fields", "default", "region"),
    [
        ({"region": "us-ca"}, None, "US-CA"),
        ({"region": "CA", "country": "US"}, None, "US-CA"),
        ({"region": "California", "country": "US"}, None, "US-CA"),
        ({"region": "Washington, D.C.", "country": "US"}, None, "US-DC"),
        ({"region": "WA", "country": "AU"}, None, "AU-WA"),
        ({"region": "WA"}, "US", "US-WA"),
        ({"region": "Québec", "country": "Canada"}, None, "CA-QC"),
        ({"region": "PR", "country": "US"}, None, "US-PR"),
        ({"region": "US-PR", "country": "PR"}, None, "US-PR"),
        ({"region": "New York City", "country": "US"}, None, "US-NY-NYC"),
        ({"region": "DE-BY", "country": "DE"}, None, "DE-BY"),
    ],
)
def test_a_declared_region_is_kept_as_its_code(fields: dict[str, str], default: str | None, region: str) -> None:
    contact = prepare({"email": "a@example.com", **fields}, country=default)
    assert contact.attributes["region"] == region
    assert contact.facts["jurisdictions"] == {"address": [], "declared": [region], "number": []}


def test_calling_hours_and_subscriber_are_kept_in_one_written_form() -> None:
    contact = prepare(
        {"email": "a@example.com", "calling_hours": "sat 9:00 – 12:00;Mon-Fri 12:00-18:00", "subscriber": "Business"}
    )
    assert contact.attributes == {"calling_hours": "Mon-Fri 12:00-18:00; Sat 09:00-12:00", "subscriber": "business"}
    assert contact.facts["subscriber"] == "business"


def test_the_country_of_an_address_is_kept_as_its_code_in_the_profile() -> None:
    contact = prepare({"email": "a@example.com", "address_country": "United Kingdom"})
    assert (contact.profile["address_country"], contact.attributes) == ("GB", {})


@pytest.mark.parametrize(
    ("fields", "code", "field"),
    [
        ({"first_name": "Ana"}, "no_address", None),
        ({"email": " ", "phone": ""}, "no_address", None),
        ({"email": "x"}, "email_syntax", "email"),
        ({"phone": "12"}, "phone_no_country", "phone"),
        ({"email": "a@example.com", "phone": "12"}, "phone_no_country", "phone"),
        ({"email": "a@example.com", "country": "Atlantis"}, "country_unknown", "country"),
        ({"email": "a@example.com", "address_country": "Atlantis"}, "country_unknown", "address_country"),
        ({"email": "a@example.com", "region": "CA"}, "region_unknown", "region"),
        ({"email": "a@example.com", "region": "EMEA", "country": "US"}, "region_unknown", "region"),
        ({"email": "a@example.com", "region": "US-CA", "country": "CA"}, "region_unknown", "region"),
        ({"email": "a@example.com", "region": "US-ZZ"}, "region_unknown", "region"),
        ({"email": "a@example.com", "subscriber": "b2b"}, "subscriber_unknown", "subscriber"),
        ({"email": "a@example.com", "calling_hours": "afternoons"}, "calling_hours", "calling_hours"),
        ({"email": "a@example.com", "timezone": "Europe/Londn"}, "zone_unknown", "timezone"),
        ({"email": "a@example.com", "first_name": "A\x00na"}, "control_character", "first_name"),
        ({"email": "a@example.com", "first_name": "A\ufffdna"}, "damaged_text", "first_name"),
        ({"email": "a@example.com", "note": "x" * (MAX_FIELD_CHARS + 1)}, "field_too_long", "note"),
        ({"email": "a@example.com", "key": "k" * 201}, "key_too_long", "key"),
        ({"email": "a@example.com", "First Name": "Ana"}, "attribute_name", "First Name"),
        ({"email": "a@example.com", "seats": "many"}, "attribute_int", "attribute.seats"),
    ],
)
def test_one_bad_value_refuses_the_whole_contact_and_names_the_field(
    fields: dict[str, str], code: str, field: str | None
) -> None:
    assert refused(lambda: prepare(fields, {"seats": "int"})) == (code, field)


def test_line_ends_inside_a_value_become_line_feeds_and_outer_white_space_goes() -> None:
    assert clean_text("\r\n Alder\r\nTools\rLtd \t") == "Alder\nTools\nLtd"


def test_a_lone_surrogate_as_a_damaged_argument_brings_it_is_refused() -> None:
    assert refused(lambda: clean_text(os.fsdecode(b"Jos\xe9"), field="first_name")) == ("damaged_text", "first_name")


def test_ids_are_short_lower_case_and_all_different() -> None:
    drawn = {new_contact_id() for _ in range(1000)}
    assert len(drawn) == 1000
    assert all(len(one) == 28 and one.startswith("c_") and one[2:].isalnum() and one.islower() for one in drawn)


@pytest.mark.parametrize(
    ("text", "kind", "value"),
    [
        ("yes", "bool", True),
        ("FALSE", "bool", False),
        ("0", "bool", False),
        ("0", "int", 0),
        ("-17", "int", -17),
        ("9007199254740991", "int", 2**53 - 1),
        ("2028-02-29", "date", "2028-02-29"),
        ("29/2/2028", "date_dmy", "2028-02-29"),
        ("2.29.2028", "date_mdy", "2028-02-29"),
        ("europe/london", "zone", "Europe/London"),
        ("gold", "enum", "gold"),
        ("Gold Plus", "enum", "Gold Plus"),
        ("C++", "enum", "C++"),
    ],
)
def test_an_attribute_is_read_by_its_type(text: str, kind: AttributeType, value: AttributeValue) -> None:
    found = parse_attribute(text, kind, known_zones=ZONES)
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("text", "kind", "code"),
    [
        ("maybe", "bool", "attribute_bool"),
        ("2", "bool", "attribute_bool"),
        ("1.5", "int", "attribute_int"),
        ("1,000", "int", "attribute_int"),
        ("007", "int", "attribute_int"),
        ("9007199254740992", "int", "attribute_int"),
        ("٣", "int", "attribute_int"),
        ("1e3", "int", "attribute_int"),
        ("03/04/2026", "date", "attribute_date"),
        ("2026-02-30", "date", "attribute_date"),
        ("2026-2-3", "date", "attribute_date"),
        ("0000-01-01", "date", "attribute_date"),
        ("31/02/2026", "date_dmy", "attribute_date"),
        ("13/01/2026", "date_mdy", "attribute_date"),
        ("3/4/26", "date_dmy", "attribute_date"),
        ("Mars/Base", "zone", "zone_unknown"),
        ("ana@example.com", "enum", "attribute_enum"),
        ("x" * 65, "enum", "attribute_enum"),
        ("a\nb", "enum", "attribute_enum"),
        ("=1+1", "enum", "attribute_enum"),
    ],
)
def test_an_attribute_that_is_not_of_its_type_is_refused(text: str, kind: AttributeType, code: str) -> None:
    assert refused(lambda: parse_attribute(text, kind, known_zones=ZONES))[0] == code


@pytest.mark.parametrize(
    ("given", "zone"),
    [
        ("Europe/London", "Europe/London"),
        (" EUROPE/LONDON ", "Europe/London"),
        ("utc", "UTC"),
        ("Asia/Calcutta", "Asia/Kolkata"),
    ],
)
def test_a_zone_is_kept_under_the_id_that_iana_uses_today(given: str, zone: str) -> None:
    assert normalise_zone(given, ZONES) == zone


def test_a_renamed_zone_keeps_its_old_id_when_the_file_knows_no_other() -> None:
    assert normalise_zone("Asia/Calcutta", frozenset({"Asia/Calcutta"})) == "Asia/Calcutta"


@pytest.mark.parametrize(
    "given", ["EST", "est5edt", "CST", "GB", "Etc/GMT+5", "GMT+2", "UTC-05:00", "+5.5", "-0800", "5"]
)
def test_an_abbreviation_or_offset_is_never_guessed_into_a_place(given: str) -> None:
    assert refused(lambda: normalise_zone(given, ZONES))[0] == "zone_ambiguous"


def test_an_unknown_zone_is_refused_with_the_nearest_one() -> None:
    with pytest.raises(InvalidValue, match="did you mean America/New_York") as refusal:
        normalise_zone("America/New York", ZONES)
    assert refusal.value.code == "zone_unknown"


@pytest.mark.parametrize(
    ("given", "code"), [("us", "US"), ("UK", "GB"), ("United Kingdom", "GB"), ("NO", "NO"), ("norway", "NO")]
)
def test_a_country_is_kept_as_its_two_letter_code(given: str, code: str) -> None:
    assert normalise_country(given) == code


# -- comparison with the file ---------------------------------------------------------------------------------------------


class Book:
    """Contacts already in a file, found by token as the store finds them."""

    def __init__(self, *contacts: ExistingContact) -> None:
        self.by_token = {
            (kind, token): contact
            for contact in contacts
            for kind, token in address_tokens(SECRET, contact.profile, contact.key).items()
        }

    def find(self, kind: str, token: str) -> ExistingContact | None:
        return {(str(known), text): one for (known, text), one in self.by_token.items()}.get((kind, token))


ANA = ExistingContact(
    contact="c_ana",
    key="C-1",
    profile={"email": "ana@example.com", "phone": "+12065550100", "first_name": "Ana"},
    attributes={"tier": "gold", "seats": 1},
)
BEN = ExistingContact(contact="c_ben", key="C-2", profile={"email": "ben@example.com"}, attributes={})
BOOK = Book(ANA, BEN)


def compared(
    fields: dict[str, str], types: dict[str, AttributeType] | None = None
) -> tuple[str, str | None, tuple[str, ...]]:
    comparison = compare_contact(prepare(fields, types), BOOK.find, SECRET)
    return comparison.status, comparison.existing.contact if comparison.existing else None, comparison.changed


def test_a_contact_that_nothing_points_to_is_new() -> None:
    assert compared({"key": "C-3", "email": "cara@example.com"}) == ("new", None, ())


def test_a_row_that_repeats_known_values_in_other_case_is_the_same_contact() -> None:
    status, contact, changed = compared({"key": "C-1", "email": "ANA@example.com", "phone": "+1 206 555 0100"})
    assert (status, contact) == ("changed", "c_ana")
    assert changed == ("email",)
    assert compared({"key": "C-1", "email": "ana@EXAMPLE.com"}) == ("same", "c_ana", ())


def test_a_value_the_row_leaves_out_is_no_change() -> None:
    assert compared({"email": "ana@example.com", "first_name": ""}) == ("same", "c_ana", ())


def test_every_changed_value_is_named() -> None:
    fields = {"email": "ana@example.com", "first_name": "Anna", "city": "Bern", "tier": "free"}
    assert compared(fields, {"tier": "enum"}) == ("changed", "c_ana", ("attribute.tier", "city", "first_name"))


def test_a_yes_is_not_the_number_one() -> None:
    assert compared({"email": "ana@example.com", "seats": "yes"}, {"seats": "bool"})[2] == ("attribute.seats",)


def test_the_key_finds_a_contact_whose_address_has_changed() -> None:
    assert compared({"key": "C-1", "email": "new@example.com"}) == ("changed", "c_ana", ("email",))


@pytest.mark.parametrize(
    ("fields", "clash"),
    [
        ({"key": "C-1", "email": "ben@example.com"}, ("email", "key")),
        ({"key": "C-9", "email": "ana@example.com"}, ("key",)),
        ({"email": "colleague@example.com", "phone": "+12065550100"}, ("phone",)),
    ],
)
def test_a_row_that_could_be_two_people_is_a_conflict(fields: dict[str, str], clash: tuple[str, ...]) -> None:
    status, _, changed = compared(fields)
    assert (status, changed) == ("conflict", clash)


def test_a_country_that_changes_under_a_known_region_leaves_both_plausible() -> None:
    known = ExistingContact(
        contact="c_1", profile={"email": "a@example.com"}, attributes={"country": "US", "region": "US-CA"}
    )
    merged = merge_contact(prepare({"email": "a@example.com", "country": "GB"}), known, known_zones=ZONES)
    assert merged.facts["jurisdictions"] == {"address": [], "declared": ["GB", "US-CA"], "number": []}


def test_merging_keeps_what_the_row_leaves_out_and_derives_the_facts_again() -> None:
    row = prepare({"email": "ana@example.com", "phone": "+442079460123", "tier": "free"}, {"tier": "enum"})
    merged = merge_contact(row, ANA, known_zones=ZONES)
    assert merged.contact == "c_ana"
    assert merged.key == "C-1"
    assert merged.profile == {"email": "ana@example.com", "phone": "+442079460123", "first_name": "Ana"}
    assert merged.attributes == {"tier": "free", "seats": 1}
    assert merged.facts["jurisdictions"] == {"address": [], "declared": [], "number": ["GB"]}
