"""Where a contact may be: what its declaration, its address and its number say, each for itself."""

from __future__ import annotations

from importlib.resources import files
from typing import Final

import pytest

from dee_appliance.intake.addresses import jurisdictions_of_number
from dee_appliance.intake.facts import derive_facts

ZONES: Final = frozenset(files("tzdata").joinpath("zones").read_text().split())

Profile = dict[str, str]
EMAIL: Final = {"email": "a@example.com"}
SEATTLE: Final = {"phone": "+12065550100"}


def places(profile: Profile, **attributes: str) -> tuple[list[str], list[str], list[str]]:
    """Jurisdictions: declared, address, number."""
    found = derive_facts(profile, dict(attributes), known_zones=ZONES)["jurisdictions"]
    assert isinstance(found, dict)
    assert found.keys() == {"address", "declared", "number"}
    return found["declared"], found["address"], found["number"]


def address_zones(profile: Profile, *, known: frozenset[str] = ZONES, **attributes: str) -> list[str]:
    found = derive_facts(profile, dict(attributes), known_zones=known)["zones"]
    assert isinstance(found, dict)
    zones = found["address"]
    assert isinstance(zones, list)
    return zones


@pytest.mark.parametrize(
    ("e164", "codes"),
    [
        ("+12065550100", ("US-WA",)),
        ("+18505550100", ("US-FL",)),
        ("+18125550100", ("US-IN",)),
        ("+19285550100", ("US-AZ",)),
        ("+12025550100", ("US-DC",)),
        ("+16045550100", ("CA-BC",)),
        ("+19025550100", ("CA-NS", "CA-PE")),
        ("+18675550100", ("CA-NT", "CA-NU", "CA-YT")),
        ("+17875550100", ("US-PR",)),
        ("+16715550100", ("US-GU",)),
        ("+18765550100", ("JM",)),
        ("+12125550100", ("US-NY-NYC",)),
        ("+17185550100", ("US-NY-NYC",)),
        ("+19175550100", ("US-NY-NYC",)),
        ("+15185550100", ("US-NY",)),
        ("+19145550100", ("US-NY",)),
        ("+18005550100", ("US",)),
        ("+18885550100", ("US",)),
        ("+16005550100", ("CA",)),
        ("+19995550100", ("US",)),
        ("+447700900123", ("GB",)),
        ("+447797712345", ("JE",)),
        ("+33612345678", ("FR",)),
        ("+262692123456", ("FR-974",)),
        ("+80012345678", ()),
    ],
)
def test_a_number_speaks_for_the_parts_its_area_code_lies_in_else_for_its_country(
    e164: str, codes: tuple[str, ...]
) -> None:
    assert jurisdictions_of_number(e164) == codes


def test_the_number_the_address_and_the_declaration_may_say_three_things() -> None:
    profile = {**SEATTLE, "state": "FL", "address_country": "US"}
    assert places(profile, country="US", region="US-TX") == (["US-TX"], ["US-FL"], ["US-WA"])


def test_a_contact_of_which_nothing_is_known_has_no_place() -> None:
    assert places(EMAIL) == ([], [], [])
    assert address_zones(EMAIL) == []


@pytest.mark.parametrize(
    ("attributes", "declared"),
    [
        ({"country": "US"}, ["US"]),
        ({"region": "US-CA"}, ["US-CA"]),
        ({"country": "US", "region": "US-CA"}, ["US-CA"]),
        ({"country": "PR"}, ["US-PR"]),
        ({"country": "PR", "region": "US-PR"}, ["US-PR"]),
        ({"country": "GB", "region": "US-CA"}, ["GB", "US-CA"]),
    ],
)
def test_a_declared_region_says_more_than_its_country(attributes: dict[str, str], declared: list[str]) -> None:
    assert places(EMAIL, **attributes)[0] == declared


@pytest.mark.parametrize(
    ("address", "attributes", "codes"),
    [
        ({"state": "FL", "address_country": "US"}, {}, ["US-FL"]),
        ({"state": "Florida"}, {"country": "US"}, ["US-FL"]),
        ({"state": "US-FL"}, {}, ["US-FL"]),
        ({"state": "WA", "address_country": "AU"}, {"country": "US"}, ["AU-WA"]),
        ({"state": "Qc"}, {"country": "CA"}, ["CA-QC"]),
        # a state without any country is nobody's
        ({"state": "FL"}, {}, []),
        # nothing that adds to the declared country
        ({"city": "Miami", "postal_code": "33101"}, {"country": "US"}, []),
        ({"state": "Flordia"}, {"country": "US"}, []),
        # its own country, when the rest says no more
        ({"state": "Flordia", "address_country": "US"}, {}, ["US"]),
        ({"state": "Bayern", "address_country": "DE"}, {}, ["DE"]),
        ({"state": "DE-BY", "address_country": "DE"}, {}, ["DE-BY"]),
        ({"address_country": "GP"}, {}, ["FR-971"]),
        # an address that contradicts itself speaks for both
        ({"state": "US-FL", "address_country": "PR"}, {}, ["US-FL", "US-PR"]),
    ],
)
def test_an_address_speaks_for_its_state_else_for_a_country_of_its_own(
    address: Profile, attributes: dict[str, str], codes: list[str]
) -> None:
    assert places({**EMAIL, **address}, **attributes)[1] == codes


def test_a_state_without_a_country_is_read_in_that_of_the_number() -> None:
    assert places({**SEATTLE, "state": "Florida"}) == ([], ["US-FL"], ["US-WA"])
    assert places({"phone": "+18005550100", "state": "Florida"}) == ([], ["US-FL"], ["US"])
    assert places({"phone": "+447700900123", "state": "Florida"}) == ([], [], ["GB"])


@pytest.mark.parametrize(
    "postal_code",
    [
        "10001",
        "10001-1234",
        "10118",
        "10299",
        "10301",
        "10475",
        "11004",
        "11005",
        "11101",
        "11201",
        "11385",
        "11436",
        "11697",
    ],
)
def test_the_postal_codes_of_the_five_boroughs_are_the_city(postal_code: str) -> None:
    address = {**EMAIL, "postal_code": postal_code, "state": "NY"}
    assert places(address, country="US")[1] == ["US-NY-NYC"]
    del address["state"]
    assert places(address, country="US")[1] == ["US-NY-NYC"]
    assert places(address, country="DE")[1] == []


@pytest.mark.parametrize(
    "postal_code", ["10501", "10701", "11001", "11003", "11040", "11501", "11701", "12601", "14201"]
)
def test_other_postal_codes_are_the_state_whatever_the_town_is_called(postal_code: str) -> None:
    address = {**EMAIL, "postal_code": postal_code, "state": "NY", "city": "New York"}
    assert places(address, country="US")[1] == ["US-NY"]


def test_without_a_postal_code_the_name_of_the_city_or_a_borough_decides_in_its_state_only() -> None:
    assert places({**EMAIL, "city": "Brooklyn", "state": "New York"}, country="US")[1] == ["US-NY-NYC"]
    assert places({**EMAIL, "city": "NYC", "state": "NY", "postal_code": "?"}, country="US")[1] == ["US-NY-NYC"]
    assert places({**EMAIL, "city": "Brooklyn", "state": "OH"}, country="US")[1] == ["US-OH"]
    assert places({**EMAIL, "city": "Albany", "state": "NY"}, country="US")[1] == ["US-NY"]


def test_a_city_postal_code_in_another_state_speaks_for_both() -> None:
    address = {**EMAIL, "postal_code": "10001", "state": "NJ"}
    assert places(address, country="US")[1] == ["US-NJ", "US-NY-NYC"]


@pytest.mark.parametrize(
    ("address", "zones"),
    [
        ({"state": "FL", "address_country": "US"}, ["America/Chicago", "America/New_York"]),
        ({"state": "IN", "address_country": "US"}, ["America/Chicago", "America/Indiana/Indianapolis"]),
        ({"state": "AZ", "address_country": "US"}, ["America/Denver", "America/Phoenix"]),
        ({"state": "WA", "address_country": "AU"}, ["Australia/Eucla", "Australia/Perth"]),
        ({"address_country": "GB"}, ["Europe/London"]),
        ({"address_country": "PT"}, ["Atlantic/Azores", "Atlantic/Madeira", "Europe/Lisbon"]),
        ({"address_country": "PR"}, ["America/Puerto_Rico"]),
    ],
)
def test_an_address_gives_every_zone_it_may_lie_in(address: Profile, zones: list[str]) -> None:
    assert address_zones({**EMAIL, **address}) == zones


def test_the_zones_of_a_state_stand_beside_those_of_a_number_elsewhere() -> None:
    assert address_zones({**SEATTLE, "state": "NY"}, country="US") == ["America/New_York"]


def test_an_address_in_a_whole_country_adds_nothing_to_a_zone_that_is_known_there() -> None:
    portugal = {**EMAIL, "address_country": "PT"}
    assert address_zones(portugal, timezone="Europe/Lisbon") == []
    assert address_zones({**SEATTLE, "address_country": "US"}) == []
    assert "Europe/Lisbon" in address_zones(portugal, timezone="Europe/London")
    assert "America/Adak" in address_zones({"phone": "+18005550100", "address_country": "US"})


def test_only_zones_that_the_file_knows_are_kept_of_an_address() -> None:
    known = frozenset({"America/New_York"})
    assert address_zones({**EMAIL, "state": "FL"}, known=known, country="US") == ["America/New_York"]
