"""The packs that are shipped: sound, each rule with its source, and their hours, holidays and places counted once more."""

from __future__ import annotations

import datetime
import json
import re
import tomllib
from collections import Counter
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from dee_appliance.authoring.notation import format_second_of_day, format_weekdays
from dee_appliance.authoring.pack_file import usable
from dee_appliance.authoring.schema import pack_schema
from dee_appliance.authoring.shipped_packs import check_shipped, shipped_packs
from dee_appliance.authoring.zone_table import compile_zone_table
from dee_appliance.errors import Refused
from dee_appliance.kernel.e1.civil_time import CalendarEnded, ZoneTable, format_utc, next_open, parse_utc
from dee_appliance.kernel.e1.plan import Hours
from dee_appliance.kernel.e1.policy import (
    CapRule,
    DutyRule,
    FactRule,
    Pack,
    RatioRule,
    Rule,
    SuppressionRule,
    WindowRule,
)
from dee_appliance.kernel.e1.rulebook import window_of

NAMES = (
    "australia",
    "canada",
    "eu",
    "france",
    "gmail-yahoo-bulk",
    "uk",
    "us-federal",
    "us-reg-f",
    "us-states",
)
VERSIONS = {
    "australia": ("2026.11", "b3:0d84cdaec63b37bb992904ae5e7cba2dc913704ad3e9a3071f81e544a680c0b8"),
    "canada": ("2026.11", "b3:0bdddf63c3962960749e43fdbce498895acb725badca50223a82e2d7de2325b0"),
    "eu": ("2026.11", "b3:675cebf361d55f9b45d45b91a620bbe9c6450d785f276c5da600aef6b3838b1a"),
    "france": ("2026.11", "b3:85e15970b663d3e9f09ee93b5ba4240fec9b2c42a117a49cf37580d4c8c2b0c5"),
    "gmail-yahoo-bulk": ("2026.11", "b3:961980a21e5bedd19666b959c1688922a4736f448116bfaad3bd0f733c00c44c"),
    "uk": ("2026.11", "b3:1954da7c22b6dcd4be98a055e2d5b3adeff2facdcb0c2a5793d738bc654257bd"),
    "us-federal": ("2026.11", "b3:c252a45aad25b5e8ba1f0e8647a03fd526a9c89d185483ba4f67a69774c2e1a3"),
    "us-reg-f": ("2026.11", "b3:2b9e43d8a05e9ebb397327fe79c91042afad4ebabb208e1d5f6c3fb13a99a394"),
    "us-states": ("2026.11", "b3:630f20b18570b7eea22475cf713c2fbc9ae9b0f4c7051f03068746037d2d9e57"),
}
"""A pack that says anything else than before gets another version: this table is changed with it, line by line."""

PACKS: dict[str, Pack] = {name: usable(check_shipped(name)) for name in NAMES}
RULES: dict[str, Rule] = {rule.id: rule for pack in PACKS.values() for rule in pack.rules}
DOC = (Path(__file__).parents[2] / "docs/policy-packs.md").read_text(encoding="utf-8")


@cache
def zone_table() -> ZoneTable:
    """The zones that a new file gets."""
    return ZoneTable(compile_zone_table())


def written(name: str) -> dict[str, Any]:
    """A pack as it stands in its file."""
    return tomllib.loads(files("dee_appliance").joinpath(f"data/packs/{name}.toml").read_text(encoding="utf-8"))


def test_these_packs_are_shipped() -> None:
    assert shipped_packs() == NAMES


def test_a_pack_that_says_something_else_has_another_version() -> None:
    assert {name: (PACKS[name].version, check_shipped(name).digest) for name in NAMES} == VERSIONS


def test_a_pack_that_is_not_shipped_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(Refused, match="us-federl") as caught:
        check_shipped("us-federl")
    assert caught.value.hint == 'did you mean "us-federal"?'


@pytest.mark.parametrize("name", NAMES)
def test_a_shipped_pack_has_no_finding(name: str) -> None:
    checked = check_shipped(name, known_zones=zone_table().zones())
    assert checked.findings == ()
    assert usable(checked).id == name


@pytest.mark.parametrize("name", NAMES)
def test_a_shipped_pack_fits_the_schema(name: str) -> None:
    document = json.loads(json.dumps(written(name), default=str))
    assert list(jsonschema.Draft202012Validator(pack_schema()).iter_errors(document)) == []


def test_ids_are_unique_over_all_packs() -> None:
    counted = Counter(rule.id for pack in PACKS.values() for rule in pack.rules)
    assert {rule for rule, times in counted.items() if times > 1} == set()
    assert all(rule.id.startswith(f"{pack.id}/") for pack in PACKS.values() for rule in pack.rules)
    assert len(RULES) > 100


def test_every_rule_says_where_it_comes_from() -> None:
    for pack in PACKS.values():
        for rule in pack.rules:
            assert rule.cite, rule.id
            assert rule.url.startswith(("https://", "http://www.leg.state.fl.us/")), rule.id
            assert rule.as_of <= pack.as_of, rule.id
            assert rule.confidence, rule.id
            assert rule.ambiguity or rule.confidence != "unverified" or "content" in rule.id or rule.id in PLAIN, (
                rule.id
            )


PLAIN = {"australia/call-opt-out", "gmail-yahoo-bulk/unsubscribe-48-hours"}
"""Rules that nobody has read again, and about which there is nothing to argue."""


def test_every_pack_says_what_it_is_not() -> None:
    for pack in PACKS.values():
        assert pack.notice.startswith("Not legal advice")
        assert "not cover" in pack.notice
        assert pack.as_of in pack.notice


def test_what_a_place_asks_for_does_not_hold_elsewhere() -> None:
    elsewhere = {rule.id for rule in RULES.values() if not rule.jurisdictions}
    assert {rule.partition("/")[0] for rule in elsewhere} == {"gmail-yahoo-bulk"}
    assert {code[:2] for rule in PACKS["us-states"].rules for code in rule.jurisdictions} == {"US"}
    assert all(len(rule.jurisdictions) == 1 for rule in PACKS["us-states"].rules)
    assert all(rule.id.split("/")[1].startswith(rule.jurisdictions[0][3:].lower()) for rule in PACKS["us-states"].rules)


def test_the_pack_of_the_eu_holds_in_every_member_state_and_in_the_eea() -> None:
    members = "AT BE BG CY CZ DE DK EE ES FI FR GR HR HU IE IT LT LU LV MT NL PL PT RO SE SI SK"
    assert len(members.split()) == 27
    for rule in PACKS["eu"].rules:
        assert set(rule.jurisdictions) == {*members.split(), "IS", "LI", "NO"}, rule.id


# -- hours -------------------------------------------------------------------------------------------------------------

HOURS = {
    "us-federal/tcpa-hours": "Mon-Sun 08:00-21:00",
    "us-reg-f/hours": "Mon-Sun 08:00-21:00",
    "us-reg-f/ma-hours": "Mon-Sun 08:00-21:00",
    "us-states/al-hours": "Mon-Sat 08:00-20:00",
    "us-states/ct-hours": "Mon-Sun 09:00-20:00",
    "us-states/fl-hours": "Mon-Sun 08:00-20:00",
    "us-states/il-hours": "Mon-Sun 08:00-21:00",
    "us-states/ky-hours": "Mon-Sun 10:00-21:00",
    "us-states/la-hours": "Mon-Sat 08:00-20:00",
    "us-states/ma-hours": "Mon-Sun 08:00-20:00",
    "us-states/md-hours": "Mon-Sun 08:00-20:00",
    "us-states/mi-hours": "Mon-Sun 09:00-21:00",
    "us-states/mn-hours": "Mon-Sun 09:00-21:00",
    "us-states/ms-hours-local": "Mon-Sat 08:00-20:00",
    "us-states/ms-hours-standard-time": "Mon-Sat 08:00-20:00",
    "us-states/nc-hours": "Mon-Sun 08:00-21:00",
    "us-states/nj-hours": "Mon-Sun 08:00-21:00",
    "us-states/nm-hours": "Mon-Sun 09:00-21:00",
    "us-states/ny-hours": "Mon-Sun 08:00-21:00",
    "us-states/ok-hours": "Mon-Sun 08:00-20:00",
    "us-states/pa-hours-from-2026-10-18": "Mon-Sat 09:00-19:00",
    "us-states/pa-hours-until-2026-10-18": "Mon-Sun 08:00-21:00",
    "us-states/ri-hours": "Mon-Fri 09:00-18:00, Sat 10:00-17:00",
    "us-states/sc-hours": "Mon-Sun 08:00-21:00",
    "us-states/tx-hours": "Mon-Sat 09:00-21:00, Sun 12:00-21:00",
    "us-states/ut-hours": "Mon-Sat 08:00-21:00",
    "us-states/va-hours": "Mon-Sun 08:00-21:00",
    "us-states/wa-hours": "Mon-Sun 08:00-20:00",
    "canada/telemarketing-hours": "Mon-Fri 09:00-21:30, Sat-Sun 10:00-18:00",
    "canada/machine-call-hours": "Mon-Fri 09:00-21:30, Sat-Sun 10:00-18:00",
    "france/hours": "Mon-Fri 10:00-13:00+14:00-20:00",
    "australia/telemarketing-hours": "Mon-Fri 09:00-20:00, Sat 09:00-17:00",
}


def week(hours: Hours) -> str:
    """A week in short: days with the same spans together."""
    days: dict[str, list[int]] = {}
    for day, spans in enumerate(hours.weekly):
        text = "+".join(f"{format_second_of_day(opens)}-{format_second_of_day(closes)}" for opens, closes in spans)
        days.setdefault(text, []).append(day)
    return ", ".join(f"{format_weekdays(same)} {text}" for text, same in days.items() if text)


def test_the_hours_are_those_of_the_table() -> None:
    windows = {rule.id: rule for rule in RULES.values() if isinstance(rule, WindowRule)}
    assert {name: week(rule.hours) for name, rule in windows.items()} == HOURS


OPENINGS = [
    # rule, zone, asked at, open from
    (
        "us-states/tx-hours",
        "America/Chicago",
        "2026-02-15T17:59:59Z",
        "2026-02-15T18:00:00Z",
    ),  # Sunday, a second before noon
    ("us-states/la-hours", "America/Chicago", "2026-02-01T02:00:00Z", "2026-02-02T14:00:00Z"),  # Saturday 20:00
    (
        "us-states/ut-hours",
        "America/Denver",
        "2026-07-03T03:30:00Z",
        "2026-07-06T14:00:00Z",
    ),  # the holiday on a Saturday
    ("us-states/ms-hours-standard-time", "Etc/GMT+6", "2026-07-14T14:30:00Z", "2026-07-14T14:30:00Z"),
    (
        "us-states/ms-hours-standard-time",
        "Etc/GMT+6",
        "2026-07-14T13:30:00Z",
        "2026-07-14T14:00:00Z",
    ),  # 08:30 in summer
    (
        "us-states/ri-hours",
        "America/New_York",
        "2026-07-06T14:00:00Z",
        "2026-07-07T13:00:00Z",
    ),  # the Monday after the 4th
    (
        "us-states/pa-hours-from-2026-10-18",
        "America/New_York",
        "2026-10-18T14:00:00Z",
        "2026-10-19T13:00:00Z",
    ),  # a Sunday
    (
        "us-states/pa-hours-from-2026-10-18",
        "America/New_York",
        "2026-11-03T23:59:59Z",
        "2026-11-04T14:00:00Z",
    ),  # elections
    (
        "us-federal/tcpa-hours",
        "America/Vancouver",
        "2026-12-02T05:00:00Z",
        "2026-12-02T15:00:00Z",
    ),  # no winter time there
    ("canada/telemarketing-hours", "America/St_Johns", "2026-06-11T00:00:00Z", "2026-06-11T11:30:00Z"),  # 21:30 exactly
    ("canada/telemarketing-hours", "America/Vancouver", "2026-12-02T05:00:00Z", "2026-12-02T16:00:00Z"),
    ("france/hours", "Europe/Paris", "2026-05-12T11:00:00Z", "2026-05-12T12:00:00Z"),  # lunch
    ("france/hours", "Europe/Paris", "2026-05-13T18:00:00Z", "2026-05-15T08:00:00Z"),  # Ascension
    ("australia/telemarketing-hours", "Australia/Sydney", "2026-04-04T06:00:00Z", "2026-04-06T23:00:00Z"),  # Easter
    ("australia/telemarketing-hours", "Australia/Perth", "2026-12-24T12:00:00Z", "2026-12-29T01:00:00Z"),  # Christmas
]


@pytest.mark.parametrize(("rule", "zone", "asked", "opens"), OPENINGS)
def test_a_window_opens_when_its_law_says(rule: str, zone: str, asked: str, opens: str) -> None:
    window = RULES[rule]
    assert isinstance(window, WindowRule)
    assert window.zone in {"", zone}
    found = next_open(zone_table(), (zone,), (window_of(window.hours),), parse_utc(asked))
    assert found is not None
    assert format_utc(found) == opens


def test_after_the_last_date_of_a_calendar_nothing_is_guessed() -> None:
    window = RULES["france/hours"]
    assert isinstance(window, WindowRule)
    with pytest.raises(CalendarEnded):
        next_open(zone_table(), ("Europe/Paris",), (window_of(window.hours),), parse_utc("2028-01-03T10:00:00Z"))


def test_pennsylvania_changes_its_hours_without_a_gap_and_without_an_overlap() -> None:
    before, after = RULES["us-states/pa-hours-until-2026-10-18"], RULES["us-states/pa-hours-from-2026-10-18"]
    assert (before.effective_from, before.effective_until) == ("", "2026-10-18")
    assert (after.effective_from, after.effective_until) == ("2026-10-18", "")


def test_what_collectors_may_do_is_as_the_regulation_counts() -> None:
    calls = RULES["us-reg-f/seven-in-seven"]
    assert isinstance(calls, CapRule)
    assert (calls.limit, calls.days, calls.also_seconds, calls.boundary) == (7, 7, 604_800, "closed")
    assert calls.counts == ("voice",)
    talk = RULES["us-reg-f/conversation"]
    assert isinstance(talk, CapRule)
    assert (talk.limit, talk.days, talk.counts) == (1, 7, ("conversation",))
    state, city = RULES["us-reg-f/ma-two-in-seven"], RULES["us-reg-f/nyc-three-in-seven"]
    assert isinstance(state, CapRule)
    assert isinstance(city, CapRule)
    assert (state.limit, set(state.counts)) == (2, {"voice", "sms"})
    assert (city.limit, set(city.counts)) == (3, {"voice", "sms", "email"})
    assert {cap.scope for cap in (calls, talk, state, city)} == {("contact", "var:debt")}
    hours = RULES["us-reg-f/hours"]
    assert isinstance(hours, WindowRule)
    assert hours.personal
    assert hours.channels == ("email", "sms", "voice")
    assert all(rule.purposes == ("collections",) for rule in PACKS["us-reg-f"].rules)


def test_a_ratio_can_be_met_by_more_than_one_event() -> None:
    ratios = [rule for rule in RULES.values() if isinstance(rule, RatioRule)]
    assert len(ratios) == 3
    for rule in ratios:
        fewest = rule.min_denominator
        assert rule.max_per_10000 * fewest > 10_000, rule.id
        assert rule.max_per_10000 * (fewest - 1) <= 10_000, rule.id


def test_every_state_in_which_sellers_register_has_its_fact() -> None:
    registers = ["AK", "CO", "DC", "ID", "LA", "MS", "NJ", "OH", "PA", "RI", "TX", "UT", "VT", "WA"]
    facts = {rule.jurisdictions[0]: rule for rule in RULES.values() if rule.id.endswith("-registration")}
    assert sorted(facts) == [f"US-{state}" for state in registers]
    for code, rule in facts.items():
        assert isinstance(rule, FactRule)
        assert [ground.fact for ground in rule.require] == [f"{code.lower()}-registration"]


def test_an_emergency_holds_until_somebody_says_that_there_is_none() -> None:
    for state in ("la", "ny"):
        rule = RULES[f"us-states/{state}-emergency"]
        assert isinstance(rule, FactRule)
        assert rule.on_fail == "hold"
        assert [(ground.fact, ground.holds) for ground in rule.require] == [(f"us-{state}-emergency", False)]


# -- holidays ----------------------------------------------------------------------------------------------------------

MON, TUE, THU, SAT, SUN = 0, 1, 3, 5, 6
DAY = datetime.timedelta(days=1)
Dates = set[datetime.date]


def nth(year: int, month: int, weekday: int, count: int) -> datetime.date:
    """The count-th such weekday of a month; -1 is the last."""
    days = [datetime.date(year, month, 1) + DAY * offset for offset in range(31)]
    return [day for day in days if day.month == month and day.weekday() == weekday][count - (count > 0)]


def easter(year: int) -> datetime.date:
    """Easter Sunday of the Gregorian calendar (Gauss, as corrected by himself)."""
    golden, century = year % 19, year // 100
    moon = (15 - (13 + 8 * century) // 25 + century - century // 4) % 30
    days = (19 * golden + moon) % 30
    week = (2 * (year % 4) + 4 * (year % 7) + 6 * days + (4 + century - century // 4) % 7) % 7
    offset = 22 + days + week
    if days == 29 and week == 6:
        offset = 50
    if days == 28 and week == 6 and golden > 10:
        offset = 49
    return datetime.date(year, 3, 1) + DAY * (offset - 1)


def with_observed(days: Dates) -> Dates:
    """A Saturday is kept on the Friday before, a Sunday on the Monday after."""
    return (
        days | {day - DAY for day in days if day.weekday() == SAT} | {day + DAY for day in days if day.weekday() == SUN}
    )


def us_federal(year: int) -> Dates:
    movable = {
        nth(year, 1, MON, 3),
        nth(year, 2, MON, 3),
        nth(year, 5, MON, -1),
        nth(year, 9, MON, 1),
        nth(year, 10, MON, 2),
        nth(year, 11, THU, 4),
    }
    fixed = {datetime.date(year, month, day) for month, day in ((1, 1), (6, 19), (7, 4), (11, 11), (12, 25))}
    return movable | with_observed(fixed | {datetime.date(year + 1, 1, 1)})


def us_ut(year: int) -> Dates:
    june = datetime.date(year, 6, 19)
    monday = june - DAY * june.weekday() if june.weekday() < SAT else june + DAY * (7 - june.weekday())
    return {monday} | with_observed({datetime.date(year, 7, 24)})


def us_al(year: int) -> Dates:
    mardi_gras = easter(year) - 47 * DAY
    return {mardi_gras, nth(year, 4, MON, 4), nth(year, 6, MON, 1), datetime.date(year, 12, 1)}


def election(year: int) -> datetime.date:
    return nth(year, 11, MON, 1) + DAY


def us_la(year: int) -> Dates:
    days = {easter(year) - 47 * DAY, easter(year) - 2 * DAY, nth(year, 11, THU, 4) + DAY}
    return days | ({election(year)} if year % 2 == 0 else set())


def us_pa(year: int) -> Dates:
    return {easter(year) - 2 * DAY, datetime.date(year, 6, 14), election(year)}


def us_ri(year: int) -> Dates:
    saturdays = {datetime.date(year, month, day) for month, day in ((1, 1), (6, 19), (7, 4), (11, 11), (12, 25))}
    mondays = {day + 2 * DAY for day in saturdays if day.weekday() == SAT}
    days = {datetime.date(year, 5, 4), nth(year, 8, MON, 2)} | mondays
    return days | ({election(year)} if year % 2 == 0 else set())


def fr_national(year: int) -> Dates:
    fixed = ((1, 1), (5, 1), (5, 8), (7, 14), (8, 15), (11, 1), (11, 11), (12, 25))
    return {easter(year) + DAY * after for after in (1, 39, 50)} | {datetime.date(year, *day) for day in fixed}


def au_national(year: int) -> Dates:
    days = {datetime.date(year, 1, 1), datetime.date(year, 1, 26), easter(year) - 2 * DAY, easter(year) + DAY}
    anzac, christmas, boxing = (datetime.date(year, *day) for day in ((4, 25), (12, 25), (12, 26)))
    days |= {anzac, christmas, boxing}
    days |= {anzac + DAY * (7 - anzac.weekday())} if anzac.weekday() >= SAT else set()
    weekend = [day for day in (christmas, boxing) if day.weekday() >= SAT]
    weekdays = (boxing + DAY * after for after in range(1, 9))
    free = (day for day in weekdays if day.weekday() < SAT)
    return days | {next(free) for _ in weekend}


CALENDARS = {
    "us-federal": us_federal,
    "us-al": us_al,
    "us-la": us_la,
    "us-pa": us_pa,
    "us-ri": us_ri,
    "us-ut": us_ut,
    "fr-national": fr_national,
    "au-national": au_national,
}


def calendars() -> list[tuple[str, dict[str, Any]]]:
    """Every calendar with the pack that it stands in."""
    return [(name, calendar) for name in NAMES for calendar in written(name).get("calendar", [])]


@pytest.mark.parametrize(
    ("name", "calendar"), calendars(), ids=lambda part: part if isinstance(part, str) else part["id"]
)
def test_a_calendar_has_the_dates_that_its_law_gives(name: str, calendar: dict[str, Any]) -> None:
    computed = {day for year in (2025, 2026, 2027) for day in CALENDARS[calendar["id"]](year)}
    wanted = sorted(day for day in computed if 2026 <= day.year <= 2027)
    assert sorted(calendar["dates"]) == wanted, name
    assert calendar["until"] == datetime.date(2027, 12, 31)


def test_all_calendars_are_computed() -> None:
    assert {calendar["id"] for _, calendar in calendars()} == set(CALENDARS)


@pytest.mark.parametrize(
    ("year", "sunday"), [(2024, (3, 31)), (2025, (4, 20)), (2026, (4, 5)), (2027, (3, 28)), (2038, (4, 25))]
)
def test_easter_is_computed_right(year: int, sunday: tuple[int, int]) -> None:
    assert easter(year) == datetime.date(year, *sunday)


def test_a_window_with_holidays_says_how_far_they_are_known() -> None:
    closed = [rule for rule in RULES.values() if isinstance(rule, WindowRule) and rule.hours.closed_dates]
    assert len(closed) == 8
    assert {rule.hours.closed_until for rule in closed} == {"2027-12-31"}


# -- what they ask of the operator -------------------------------------------------------------------------------------


def asked_of_the_operator() -> set[str]:
    """The names of facts, lists, attributes and variables that the packs read."""
    names = set[str]()
    for rule in RULES.values():
        grounds = [*rule.unless, *(rule.require if isinstance(rule, FactRule) else ())]
        names |= {ground.fact or ground.attribute for ground in grounds}
        names |= set(rule.lists) if isinstance(rule, SuppressionRule) else set()
        names |= {word for word in rule.scope if ":" in word} if isinstance(rule, CapRule) else set()
        names |= {rule.trigger} if isinstance(rule, DutyRule) else set()
    return {name.partition(":")[2] or name for name in names - {""}}


def test_everything_that_a_pack_asks_of_the_operator_is_explained() -> None:
    registrations = {name for name in asked_of_the_operator() if re.fullmatch(r"us-[a-z]{2}-registration", name)}
    assert len(registrations) == 14
    others = asked_of_the_operator() - registrations
    assert {name for name in others if f"`{name}`" not in DOC} == set()
    assert "`us-tx-registration`" in DOC


def test_every_pack_is_listed_in_the_documentation() -> None:
    assert {name for name in NAMES if f"[{name}](../dee_appliance/data/packs/{name}.toml)" not in DOC} == set()
