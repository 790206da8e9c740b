"""The parts of countries: the shipped table against two sources that it was not read from at run time."""

from __future__ import annotations

from importlib.resources import files
from typing import Final

import pytest
from phonenumbers import parse, region_code_for_number
from phonenumbers.tzdata import TIMEZONE_DATA

from dee_appliance.authoring.zone_table import compile_zone_table
from dee_appliance.intake.addresses import current_zone_id, supported_regions
from dee_appliance.intake.subdivisions import (
    COMPLETE,
    code_of_country,
    country_of,
    find_subdivision,
    is_zone_of,
    subdivisions,
    subdivisions_of_area_code,
    zones_of_code,
)

AREA_CODES: Final = range(200, 1000)
FROM_2026: Final = 1_767_225_600


# -- area codes against Google's geocoding data, which are too large to ship ----------------------------------------------------


# How the geocoding data spell a few names; the rest are spelt as in the table.
SPELT: Final = {"British Colombia": "British Columbia", "Washington D.C.": "Washington DC"}


@pytest.mark.slow
def test_every_area_code_lies_where_the_geocoding_data_put_it() -> None:
    from phonenumbers.geodata import GEOCODE_DATA  # noqa: PLC0415 - 40 MB

    described: dict[int, set[str]] = {}
    for prefix, texts in GEOCODE_DATA.items():
        if prefix.startswith("1") and len(prefix) >= 4 and "en" in texts:
            country = code_of_country(str(region_code_for_number(parse("+" + prefix.ljust(11, "2")))))
            for name in texts["en"].rpartition(", ")[2].split("/"):
                code = find_subdivision(SPELT.get(name, name), country)
                described.setdefault(int(prefix[1:4]), set()).update({code} - {None} if code else ())
    assert described[201] == {
        "US-NJ",
        "US-NY",
    }  # one exchange, 201-888: the numbering plan knows no part of 201 in New York
    described[201] = {"US-NJ"}
    told = {area: codes for area, codes in described.items() if codes}
    assert len(told) > 390
    for area, codes in told.items():
        assert {code[:5] for code in subdivisions_of_area_code(area)} == codes, area


def test_every_geographic_area_code_of_the_united_states_and_canada_is_in_the_table_and_no_other() -> None:
    by_zones = {int(prefix[1:4]) for prefix in TIMEZONE_DATA if prefix.startswith("1") and len(prefix) >= 4}
    for area in AREA_CODES:
        region = region_code_for_number(parse(f"+1{area}2345678"))
        country = country_of(code_of_country(region)) if region else ""
        expected = area in by_zones and country in {"US", "CA"}
        assert bool(subdivisions_of_area_code(area)) == expected, area
        assert all(country_of(code) == country for code in subdivisions_of_area_code(area)), area


def test_only_three_area_codes_lie_in_several_parts() -> None:
    several = {area: codes for area in AREA_CODES if len(codes := subdivisions_of_area_code(area)) > 1}
    assert several == {
        782: ("CA-NS", "CA-PE"),
        867: ("CA-NT", "CA-NU", "CA-YT"),
        902: ("CA-NS", "CA-PE"),
    }


# -- zones against zone.tab and against the zones of numbers --------------------------------------------------------------------


def clocks(zones: frozenset[str]) -> frozenset[tuple[tuple[int, int], ...]]:
    """What the clocks of zones show from 2026 on; zones that agree have one clock."""
    return frozenset(CLOCKS[zone] for zone in zones)


def _clocks() -> dict[str, tuple[tuple[int, int], ...]]:
    table = compile_zone_table(from_utc=FROM_2026)
    functions, zones = table["functions"], table["zones"]
    assert isinstance(functions, list)
    assert isinstance(zones, dict)
    return {zone: tuple(map(tuple, functions[index])) for zone, index in zones.items()}


CLOCKS: Final = _clocks()


def zones_of_country(country: str) -> frozenset[str]:
    lines = files("tzdata").joinpath("zoneinfo", "zone.tab").read_text().splitlines()
    return frozenset(line.split("\t")[2] for line in lines if line.startswith(f"{country}\t"))


@pytest.mark.parametrize("country", sorted(COMPLETE))
def test_every_clock_that_a_country_has_is_kept_in_one_of_its_parts(country: str) -> None:
    assert clocks(frozenset(zones_of_code(country))) == clocks(zones_of_country(country))


def test_every_zone_of_a_part_is_one_of_its_country_and_each_stands_for_another_clock() -> None:
    for code, part in subdivisions().items():
        assert part.zones, code
        assert list(part.zones) == sorted(part.zones), code
        assert len(clocks(frozenset(part.zones))) == len(part.zones), code
        assert all(is_zone_of(zone, part.country or country_of(code)) for zone in part.zones), code


# Where the number metadata name a clock that the part has not: a neighbour's (474, 867, 907) or a country's of that offset (879).
ELSEWHERE: Final = {
    474: {"America/Winnipeg"},
    867: {"America/Vancouver", "America/Winnipeg"},
    879: {"America/Puerto_Rico"},
    907: {"Pacific/Honolulu"},
}


def test_the_number_metadata_give_area_codes_the_clocks_of_the_part_they_lie_in() -> None:
    by_area: dict[int, set[str]] = {}
    for prefix, zones in TIMEZONE_DATA.items():
        if prefix.startswith("1") and len(prefix) >= 4:
            by_area.setdefault(int(prefix[1:4]), set()).update(map(current_zone_id, zones))
    beyond: dict[int, set[str]] = {}
    for area, told in by_area.items():
        if codes := subdivisions_of_area_code(area):
            own = clocks(frozenset(zone for code in codes for zone in zones_of_code(code)))
            if elsewhere := {zone for zone in told if CLOCKS[zone] not in own}:
                beyond[area] = elsewhere
    assert beyond == ELSEWHERE


@pytest.mark.parametrize(
    ("code", "zones"),
    [
        ("US-FL", ("America/Chicago", "America/New_York")),
        ("US-IN", ("America/Chicago", "America/Indiana/Indianapolis")),
        ("US-AZ", ("America/Denver", "America/Phoenix")),
        ("US-NY-NYC", ("America/New_York",)),
        ("CA-SK", ("America/Edmonton", "America/Regina")),
        ("AU-NSW", ("Australia/Broken_Hill", "Australia/Lord_Howe", "Australia/Sydney")),
        ("FR-974", ("Indian/Reunion",)),
        ("GB", ("Europe/London",)),
        ("DE-BY", ("Europe/Berlin", "Europe/Busingen")),
        ("XX", ()),
    ],
)
def test_a_part_that_several_clocks_divide_has_all_of_them(code: str, zones: tuple[str, ...]) -> None:
    assert zones_of_code(code) == zones


# -- names ----------------------------------------------------------------------------------------------------------------------


def test_no_two_parts_of_a_country_have_one_name() -> None:
    for code, part in subdivisions().items():
        for name in (code, code[3:], *part.names):
            assert find_subdivision(name, country_of(code)) == code, (code, name)


def test_complete_countries_have_as_many_parts_as_they_have() -> None:
    counted = {
        country: sum(country_of(code) == country and not part.country for code, part in subdivisions().items())
        for country in COMPLETE
    }
    assert counted == {"AU": 8, "CA": 13, "US": 52}  # fifty states, the District of Columbia, New York City


def test_a_part_with_a_country_code_of_its_own_is_found_by_that() -> None:
    own = {part.country: code for code, part in subdivisions().items() if part.country}
    assert own["PR"] == "US-PR"
    assert own["RE"] == "FR-974"
    assert own.keys() <= supported_regions()
    assert all(code_of_country(country) == code for country, code in own.items())
    assert code_of_country("US") == "US"


@pytest.mark.parametrize(
    ("text", "country", "code"),
    [
        ("fl", "US", "US-FL"),
        ("  new   south wales ", "AU", "AU-NSW"),
        ("N.Y.", "US", "US-NY"),
        ("Reunion", "FR", "FR-974"),
        ("CA", "", None),
        ("California", "", None),
        ("California", "CA", None),
        ("US-FL", "CA", None),
        ("US-F", "US", None),
        ("GB-SCT", "", "GB-SCT"),
        ("GB-SCT", "DE", None),
        ("Scotland", "GB", None),
        ("", "US", None),
        ("ＦＬ", "US", "US-FL"),
    ],
)
def test_a_part_is_found_by_code_or_name_and_never_guessed(text: str, country: str, code: str | None) -> None:
    assert find_subdivision(text, country) == code
