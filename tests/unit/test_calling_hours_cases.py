"""The named cases of calling_hours_cases.txt: instants at which systems that call people go wrong.

Each expected verdict was derived by hand from the zone's published changes and from the words of the hours, then confirmed by the
oracle, which shares nothing with the kernel; the kernel is the third opinion. Cases before 2015, where files' zone tables begin,
are asked of a table that is compiled for those years.
"""

from __future__ import annotations

from functools import cache
from itertools import product
from pathlib import Path
from typing import NamedTuple

import pytest
from calling_hours_oracle import OPEN, all_states, clock_of, hours_of, state, verdict, zone_names
from calling_hours_windows import answer, state_of, window_of

from dee_appliance.authoring.zone_table import compile_zone_table
from dee_appliance.kernel.e1.civil_time import ZoneTable, format_utc, parse_utc

TABLE = Path(__file__).with_name("calling_hours_cases.txt")
TABLES_BEGIN = parse_utc("2015-01-01T00:00:00Z")


class Case(NamedTuple):
    """At `at`, in every one of `zones` and by every one of `hours` (texts as the oracle reads them)."""

    name: str
    at: str
    zones: tuple[str, ...]
    hours: tuple[str, ...]
    expected: str
    why: str


def read_cases(text: str) -> list[Case]:
    names: dict[str, str] = {}
    cases = []
    for line in text.splitlines():
        if " | " in line and not line.startswith("#"):
            name, at, zones, hours, expected, why = (part.strip() for part in line.split(" | "))
            windows = () if hours == "-" else tuple(_spelt(names, one) for one in hours.split(" + "))
            cases.append(Case(name, at, () if zones == "-" else tuple(zones.split()), windows, expected, why))
        elif " =" in line and not line.startswith("#"):
            name, _, meaning = line.partition("=")
            names[name.strip()] = meaning.strip()
    return cases


def _spelt(names: dict[str, str], hours: str) -> str:
    """Hours with a name in front spelt out: `daily; closed 2027-01-01`."""
    name, semicolon, more = hours.partition(";")
    return names.get(name, name) + semicolon + more


CASES = read_cases(TABLE.read_text(encoding="utf-8"))
ON_THE_AXIS = [case for case in CASES if case.expected != "refused"]


@cache
def table_of(at: int) -> ZoneTable:
    """The table as files hold it, or for what happened earlier one of those years."""
    if at >= TABLES_BEGIN:
        return present()
    return past()


@cache
def present() -> ZoneTable:
    return ZoneTable(compile_zone_table())


@cache
def past() -> ZoneTable:
    begins, ends = parse_utc("2005-01-01T00:00:00Z"), parse_utc("2013-01-01T00:00:00Z")
    return ZoneTable(compile_zone_table(from_utc=begins, until_utc=ends))


def test_there_are_many_cases_and_each_has_a_name_of_its_own() -> None:
    assert len({case.name for case in CASES}) == len(CASES) > 250
    assert all(case.why for case in CASES)


def test_no_verdict_is_missing_among_the_cases() -> None:
    kinds = {case.expected if case.expected.startswith("deny") else case.expected.split()[0] for case in CASES}
    denials = {"deny unknown_zone", "deny zone_table_range", "deny calendar_ended"}
    assert kinds == {"allow", "hold", "never", "refused"} | denials


@pytest.mark.parametrize("case", ON_THE_AXIS, ids=lambda case: case.name)
def test_the_kernel_gives_the_verdict(case: Case) -> None:
    at = parse_utc(case.at)
    windows = tuple(window_of(text) for text in case.hours)
    assert answer(table_of(at), case.zones, windows, at) == case.expected, case.why


@pytest.mark.parametrize("case", ON_THE_AXIS, ids=lambda case: case.name)
def test_and_so_does_the_oracle(case: Case) -> None:
    at = parse_utc(case.at)
    table = table_of(at)
    hours = [hours_of(text) for text in case.hours]
    assert verdict(list(case.zones), hours, at, range(table.from_utc, table.until_utc)) == case.expected, case.why


@pytest.mark.parametrize("case", ON_THE_AXIS, ids=lambda case: case.name)
def test_each_window_alone_is_open_where_the_oracle_says_so(case: Case) -> None:
    at = parse_utc(case.at)
    instants = [at - 1, at, at + 1]
    if case.expected.startswith("hold"):
        opens = parse_utc(case.expected.split()[1])
        instants += [opens - 1, opens]
        assert all_states(list(case.zones), [hours_of(text) for text in case.hours], opens - 1) != OPEN
    table = table_of(at)
    covered = [instant for instant in instants if table.from_utc <= instant < table.until_utc]
    for instant, zone, text in product(covered, zone_names().intersection(case.zones), case.hours):
        expected = state(hours_of(text), clock_of(zone, instant))
        assert state_of(table, zone, window_of(text), instant) == expected, format_utc(instant)


@pytest.mark.parametrize("case", [case for case in CASES if case.expected == "refused"], ids=lambda case: case.name)
def test_what_is_no_instant_of_the_engine_is_refused(case: Case) -> None:
    with pytest.raises(ValueError, match=r"no such time of day|not an instant"):
        parse_utc(case.at)
