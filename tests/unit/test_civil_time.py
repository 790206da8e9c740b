"""Civil time against cases worked out by hand: the calendar, texts, the zone table, local times of day.

Windows have a file of their own. Each expected instant was computed from the zone's published rules, not by the code under test;
the sweep against another implementation is in the property tests.
"""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import msgspec
import pytest

from dee_appliance.authoring.zone_table import compile_zone_table
from dee_appliance.errors import EvidenceError
from dee_appliance.kernel.e1.civil_time import (
    DAY_S,
    OutOfRange,
    UnknownZone,
    Window,
    ZoneTable,
    civil_from_days,
    day_start,
    days_from_civil,
    first_from,
    format_local,
    format_utc,
    local_day,
    next_local_time,
    next_open,
    open_at,
    parse_iso_date,
    parse_utc,
    weekday,
)


@cache
def present() -> ZoneTable:
    """The table as files hold it."""
    return ZoneTable(compile_zone_table())


@cache
def past() -> ZoneTable:
    """The years in which Samoa crossed the date line and Newfoundland changed its clocks a minute after midnight."""
    return ZoneTable(
        compile_zone_table(from_utc=parse_utc("2009-01-01T00:00:00Z"), until_utc=parse_utc("2013-01-01T00:00:00Z"))
    )


ALWAYS = Window(weekly=(((0, DAY_S),),) * 7)
NEVER = Window(weekly=((),) * 7)


def seconds(text: str) -> int:
    hours, minutes = text.split(":")
    return int(hours) * 3600 + int(minutes) * 60


# --- The calendar -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("date", "days"),
    [
        ((1970, 1, 1), 0),
        ((1969, 12, 31), -1),
        ((2000, 2, 29), 11_016),
        ((2026, 11, 23), 20_780),
        ((1, 1, 1), -719_162),
        ((9999, 12, 31), 2_932_896),
    ],
)
def test_a_date_and_its_day_number_convert_both_ways(date: tuple[int, int, int], days: int) -> None:
    assert days_from_civil(*date) == days
    assert civil_from_days(days) == date


def test_the_week_begins_on_monday() -> None:
    assert [weekday(parse_iso_date(f"2026-11-{day}")) for day in range(23, 30)] == [0, 1, 2, 3, 4, 5, 6]
    assert weekday(parse_iso_date("1969-12-29")) == 0


@pytest.mark.parametrize(
    "date", [(2026, 0, 1), (2026, 13, 1), (2026, 4, 31), (2026, 2, 29), (1900, 2, 29), (2026, 1, 0)]
)
def test_a_date_the_calendar_does_not_have_is_refused(date: tuple[int, int, int]) -> None:
    with pytest.raises(ValueError, match=r"no (month|day)|has no day"):
        days_from_civil(*date)


@pytest.mark.parametrize("year", [1900, 2000, 2026, 2028])
def test_every_month_has_its_days_and_no_more(year: int) -> None:
    for month in range(1, 13):
        following = days_from_civil(year + month // 12, month % 12 + 1, 1)
        length = following - days_from_civil(year, month, 1)
        assert days_from_civil(year, month, length) == following - 1
        with pytest.raises(ValueError, match="has no day"):
            days_from_civil(year, month, length + 1)


# --- Texts ------------------------------------------------------------------------------------------------------------


def test_dates_and_instants_are_read_and_written() -> None:
    assert parse_iso_date("2028-02-29") == 21_243
    assert parse_utc("2026-11-23T09:00:00Z") == 20_780 * DAY_S + 9 * 3600
    assert format_utc(parse_utc("2026-11-23T09:00:00Z")) == "2026-11-23T09:00:00Z"
    assert format_utc(-1) == "1969-12-31T23:59:59Z"
    assert format_utc(0) == "1970-01-01T00:00:00Z"
    for text in ("0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z"):
        assert format_utc(parse_utc(text)) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2026-1-01",
        "2026-01-1",
        "2026/01/01",
        "20260101",
        "2026-01-01 ",
        "2026-01-01\n",
        "2026-02-30",
        "2026-02-29",
        "2026-00-10",
        "2026-13-10",
        "2026-10-00",
        "0000-01-01",
        "-026-01-01",
        "+026-01-01",
        "2026-0x-01",
        "2026- 1-01",
        "２０２６-01-01",
        "2026-01-²1",
        "2026-01-01T00:00:00Z",
    ],
)
def test_a_bad_date_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        parse_iso_date(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2026-11-23",
        "2026-11-23T09:00:00",
        "2026-11-23T09:00:00z",
        "2026-11-23t09:00:00Z",
        "2026-11-23 09:00:00Z",
        "2026-11-23T09:00:00+00:00",
        "2026-11-23T09:00:00.0Z",
        "2026-11-23T24:00:00Z",
        "2026-11-23T09:60:00Z",
        "2016-12-31T23:59:60Z",
        "2026-02-29T00:00:00Z",
        "2026-11-23T+9:00:00Z",
        "2026-11-23T٠9:00:00Z",
    ],
)
def test_a_bad_instant_is_refused_and_so_is_a_leap_second(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        parse_utc(text)


@pytest.mark.parametrize("utc", [-719_162 * DAY_S - 1, 2_932_897 * DAY_S])
def test_a_year_without_four_digits_is_not_written(utc: int) -> None:
    with pytest.raises(ValueError, match="four-digit year"):
        format_utc(utc)


@pytest.mark.parametrize(
    ("zone", "text"),
    [
        ("America/Los_Angeles", "2026-11-23T01:00:00-08:00"),
        ("Asia/Kathmandu", "2026-11-23T14:45:00+05:45"),
        ("America/St_Johns", "2026-11-23T05:30:00-03:30"),
        ("UTC", "2026-11-23T09:00:00+00:00"),
        ("Pacific/Kiritimati", "2026-11-23T23:00:00+14:00"),
    ],
)
def test_an_instant_is_written_as_the_zone_shows_it(zone: str, text: str) -> None:
    assert format_local(present(), zone, parse_utc("2026-11-23T09:00:00Z")) == text


def test_an_offset_with_seconds_is_written_whole() -> None:
    table = ZoneTable(document(functions=[[[0, -2_670]]], zones={"A": 0}))  # Liberia before 1972
    assert format_local(table, "A", 3600) == "1970-01-01T00:15:30-00:44:30"


# --- The zone table ---------------------------------------------------------------------------------------------------


def document(**changed: object) -> dict[str, object]:
    plain: dict[str, object] = {
        "version": "2026f",
        "from": 0,
        "until": 1000 * DAY_S,
        "functions": [[[0, 3600], [500, 7200]], [[0, 0]]],
        "zones": {"A": 0, "B": 1},
    }
    return plain | changed


@pytest.mark.parametrize(
    "changed",
    [
        {"version": 2026},
        {"from": "0"},
        {"from": True},
        {"from": 1},
        {"until": 500},
        {"until": 2**60},
        {"functions": [[]]},
        {"functions": []},
        {"functions": [[[0, 3600], [0, 7200]], [[0, 0]]]},
        {"functions": [[[1, 3600]], [[0, 0]]]},
        {"functions": [[[0, 86_400]], [[0, 0]]]},
        {"functions": [[[0, 3600, 1]], [[0, 0]]]},
        {"functions": [[[0, 0.5]], [[0, 0]]]},
        {"zones": {"A": 2}},
        {"zones": {"A": -1}},
        {"zones": {"Ä": 0}},
        {"zones": ["A"]},
        {"more": 1},
    ],
)
def test_a_malformed_table_is_not_used(changed: dict[str, object]) -> None:
    with pytest.raises(EvidenceError, match="zone table is malformed"):
        ZoneTable(document(**changed))


def test_a_table_without_a_part_is_not_used() -> None:
    for part in ("version", "from", "until", "functions", "zones"):
        value = document()
        del value[part]
        with pytest.raises(EvidenceError, match=part):
            ZoneTable(value)
    with pytest.raises(EvidenceError):
        ZoneTable([])


def test_the_digest_names_the_content_whatever_the_order_it_came_in() -> None:
    plain = document()
    turned = dict(reversed(plain.items())) | {"zones": {"B": 1, "A": 0}}
    assert ZoneTable(turned).digest == ZoneTable(plain).digest
    assert ZoneTable(document(version="2026g")).digest != ZoneTable(plain).digest
    assert ZoneTable(turned).zones() == ("A", "B")
    decoded = msgspec.json.decode(msgspec.json.encode(plain))
    assert ZoneTable(decoded).digest == ZoneTable(plain).digest


def test_an_offset_changes_at_its_second() -> None:
    table = ZoneTable(document())
    assert [table.offset_at("A", utc) for utc in (0, 499, 500, 1000 * DAY_S - 1)] == [3600, 3600, 7200, 7200]
    assert table.local_at("A", 500) == 7700


@pytest.mark.parametrize("utc", [-1, 1000 * DAY_S])
def test_no_offset_is_guessed_outside_the_table(utc: int) -> None:
    table = ZoneTable(document())
    with pytest.raises(OutOfRange):
        table.offset_at("A", utc)
    with pytest.raises(OutOfRange):
        next_open(table, ("A",), (), utc)
    with pytest.raises(OutOfRange):
        next_local_time(table, "A", utc, 0)
    assert OutOfRange.code == "zone_table_range"


def test_the_first_and_the_last_second_of_the_table_are_answered() -> None:
    table = ZoneTable(document())
    for utc in (0, 1000 * DAY_S - 1):
        assert next_open(table, ("A",), (ALWAYS,), utc) == utc


def test_the_years_2015_to_2040_are_covered_and_no_other() -> None:
    table = present()
    assert table.offset_at("Europe/Paris", parse_utc("2015-01-01T00:00:00Z")) == 3600
    assert table.offset_at("Europe/Paris", parse_utc("2040-12-31T23:59:59Z")) == 3600
    for text in ("2014-12-31T23:59:59Z", "2041-01-01T00:00:00Z"):
        with pytest.raises(OutOfRange, match="does not cover"):
            table.offset_at("Europe/Paris", parse_utc(text))


@pytest.mark.parametrize(
    "zone", ["", "Mars/Olympus", "america/new_york", "America/New_York ", "CST6CDT,M3.2.0,M11.1.0"]
)
def test_an_unknown_zone_is_never_answered(zone: str) -> None:
    table, utc = present(), parse_utc("2026-06-01T12:00:00Z")
    with pytest.raises(UnknownZone):
        table.offset_at(zone, utc)
    with pytest.raises(UnknownZone):
        open_at(table, zone, ALWAYS, utc)
    with pytest.raises(UnknownZone):
        next_open(table, ("America/New_York", zone), (ALWAYS,), utc)
    with pytest.raises(UnknownZone):
        next_local_time(table, zone, utc, 0)
    assert UnknownZone.code == "unknown_zone"


def test_a_contact_without_any_zone_has_no_permitted_instant() -> None:
    with pytest.raises(UnknownZone, match="no time zone is known"):
        next_open(present(), (), (ALWAYS,), parse_utc("2026-06-01T12:00:00Z"))


# --- Local times to instants ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("zone", "local", "utc"),
    [
        ("America/New_York", "2026-03-08T01:59:59Z", "2026-03-08T06:59:59Z"),
        ("America/New_York", "2026-03-08T02:00:00Z", "2026-03-08T07:00:00Z"),  # in the gap
        ("America/New_York", "2026-03-08T02:59:59Z", "2026-03-08T07:00:00Z"),
        ("America/New_York", "2026-03-08T03:00:01Z", "2026-03-08T07:00:01Z"),
        ("America/New_York", "2026-11-01T01:00:00Z", "2026-11-01T05:00:00Z"),  # shown twice
        ("America/New_York", "2026-11-01T01:59:59Z", "2026-11-01T05:59:59Z"),
        ("America/New_York", "2026-11-01T02:00:00Z", "2026-11-01T07:00:00Z"),
        ("Australia/Lord_Howe", "2026-10-04T02:10:00Z", "2026-10-03T15:30:00Z"),
        ("Australia/Lord_Howe", "2026-04-05T01:45:00Z", "2026-04-04T14:45:00Z"),
        ("Pacific/Kiritimati", "2026-01-01T00:00:00Z", "2025-12-31T10:00:00Z"),
    ],
)
def test_a_local_time_is_the_first_instant_that_shows_it_or_later(zone: str, local: str, utc: str) -> None:
    assert format_utc(present().utc_of_local(zone, parse_utc(local))) == utc


def test_local_times_that_no_clock_shows_are_told_from_those_after_the_table() -> None:
    table = ZoneTable(document(functions=[[[0, -3600], [5000, 3600]], [[0, 0]]]))
    assert table.first_within("A", 1400, 8600) is None  # from 01:23:20 UTC on two hours are skipped
    assert table.first_within("A", 1399, 8600) == 4999
    assert table.first_within("A", 1400, 8601) == 5000
    last = 1000 * DAY_S + 3600
    assert table.first_within("A", last - 1, last) == 1000 * DAY_S - 1
    with pytest.raises(OutOfRange):
        table.first_within("A", last, last + 1)
    with pytest.raises(OutOfRange):
        ZoneTable(document(functions=[[[0, -3600]]], zones={"A": 0})).first_within(
            "A", 1000 * DAY_S - 3600, 1000 * DAY_S
        )


def test_a_local_time_outside_the_table_has_no_instant() -> None:
    table = ZoneTable(document())
    assert table.utc_of_local("A", 3600) == 0
    assert table.utc_of_local("A", 1000 * DAY_S + 7199) == 1000 * DAY_S - 1
    for local in (3599, -DAY_S * 3, 1000 * DAY_S + 7200, 2000 * DAY_S):
        with pytest.raises(OutOfRange):
            table.utc_of_local("A", local)
    with pytest.raises(UnknownZone):
        table.utc_of_local("C", 3600)


@pytest.mark.parametrize(
    ("zone", "day", "starts", "lasts_h"),
    [
        ("America/New_York", "2026-03-08", "2026-03-08T05:00:00Z", 23),
        ("America/New_York", "2026-11-01", "2026-11-01T04:00:00Z", 25),
        ("Africa/Cairo", "2026-04-24", "2026-04-23T22:00:00Z", 23),  # its first second is 01:00:00
        ("Asia/Tokyo", "2026-04-24", "2026-04-23T15:00:00Z", 24),
    ],
)
def test_a_local_day_starts_at_its_first_second(zone: str, day: str, starts: str, lasts_h: int) -> None:
    number = parse_iso_date(day)
    start = day_start(present(), zone, number)
    assert format_utc(start) == starts
    assert local_day(present(), zone, start) == number
    assert local_day(present(), zone, start - 1) == number - 1
    assert day_start(present(), zone, number + 1) - start == lasts_h * 3600


def test_a_skipped_date_starts_where_the_next_one_does() -> None:
    skipped = parse_iso_date("2011-12-30")
    assert (
        format_local(past(), "Pacific/Apia", day_start(past(), "Pacific/Apia", skipped)) == "2011-12-31T00:00:00+14:00"
    )
    assert day_start(past(), "Pacific/Apia", skipped) == day_start(past(), "Pacific/Apia", skipped + 1)


def test_a_date_that_is_left_and_entered_again_starts_at_its_first_second() -> None:
    assert format_utc(day_start(past(), "America/St_Johns", parse_iso_date("2010-11-07"))) == "2010-11-07T02:30:00Z"
    assert local_day(past(), "America/St_Johns", parse_utc("2010-11-07T02:31:00Z")) == parse_iso_date("2010-11-06")


# --- Local times of day -----------------------------------------------------------------------------------------------


class At(NamedTuple):
    """Strictly after `after`, the zone reaches `time` (on `weekdays`) at `then`."""

    name: str
    zone: str
    after: str
    time: str
    weekdays: tuple[int, ...] | None
    then: str


REACHED = [
    At("later today", "Europe/Paris", "2026-06-01T06:59:59Z", "09:00", None, "2026-06-01T07:00:00Z"),
    At("strictly after", "Europe/Paris", "2026-06-01T07:00:00Z", "09:00", None, "2026-06-02T07:00:00Z"),
    At("the next Monday", "Europe/Paris", "2026-06-01T07:00:00Z", "09:00", (0,), "2026-06-08T07:00:00Z"),
    At("Tuesday or Saturday", "Europe/Paris", "2026-06-02T07:00:00Z", "09:00", (1, 5), "2026-06-06T07:00:00Z"),
    At("the local weekday counts", "Asia/Tokyo", "2026-05-31T15:30:00Z", "08:00", (0,), "2026-05-31T23:00:00Z"),
    At("midnight", "UTC", "2026-06-06T23:59:59Z", "00:00", (6,), "2026-06-07T00:00:00Z"),
    At("in a gap", "America/New_York", "2026-03-08T06:00:00Z", "02:30", None, "2026-03-08T07:00:00Z"),
    At("once only", "America/New_York", "2026-03-08T07:00:00Z", "02:30", None, "2026-03-09T06:30:00Z"),
    At("over a gap", "America/New_York", "2026-03-07T14:00:00Z", "09:00", None, "2026-03-08T13:00:00Z"),
    At("shown twice", "America/New_York", "2026-11-01T05:00:00Z", "01:30", None, "2026-11-01T05:30:00Z"),
    At("not the second time", "America/New_York", "2026-11-01T05:30:00Z", "01:30", None, "2026-11-02T06:30:00Z"),
    At("nor between", "America/New_York", "2026-11-01T06:10:00Z", "01:30", None, "2026-11-02T06:30:00Z"),
    At("no midnight", "Africa/Cairo", "2026-04-23T12:00:00Z", "00:00", None, "2026-04-23T22:00:00Z"),
    At("half an hour", "Australia/Lord_Howe", "2026-10-03T12:00:00Z", "02:15", None, "2026-10-03T15:30:00Z"),
    At("a day too short", "America/Scoresbysund", "2026-03-28T12:00:00Z", "23:30", None, "2026-03-30T00:30:00Z"),
    At("a Saturday too short", "America/Scoresbysund", "2026-03-28T12:00:00Z", "23:30", (5,), "2026-04-05T00:30:00Z"),
    At("at the table's edge", "Pacific/Auckland", "2015-01-01T00:00:00Z", "09:00", None, "2015-01-01T20:00:00Z"),
]

REACHED_IN_THE_PAST = [
    At("over a lost Friday", "Pacific/Apia", "2011-12-29T20:00:00Z", "09:00", None, "2011-12-30T19:00:00Z"),
    At("Friday only", "Pacific/Apia", "2011-12-29T20:00:00Z", "09:00", (4,), "2012-01-05T19:00:00Z"),
    At("just after midnight", "America/St_Johns", "2010-11-07T00:00:00Z", "00:00", None, "2010-11-07T02:30:00Z"),
    At("not the second midnight", "America/St_Johns", "2010-11-07T02:30:00Z", "00:00", None, "2010-11-08T03:30:00Z"),
]


@pytest.mark.parametrize("at", REACHED, ids=lambda at: at.name)
def test_the_next_local_time_of_day(at: At) -> None:
    assert (
        format_utc(next_local_time(present(), at.zone, parse_utc(at.after), seconds(at.time), at.weekdays)) == at.then
    )


@pytest.mark.parametrize("at", REACHED_IN_THE_PAST, ids=lambda at: at.name)
def test_the_next_local_time_of_day_where_dates_jump(at: At) -> None:
    assert format_utc(next_local_time(past(), at.zone, parse_utc(at.after), seconds(at.time), at.weekdays)) == at.then


@pytest.mark.parametrize(
    ("time_of_day_s", "weekdays"), [(-1, None), (86_400, None), (0, ()), (0, (7,)), (0, (-1,)), (0, (0, 9))]
)
def test_a_time_of_day_or_weekday_that_does_not_exist_is_refused(
    time_of_day_s: int, weekdays: tuple[int, ...] | None
) -> None:
    with pytest.raises(ValueError, match=r"time of day|weekdays"):
        next_local_time(present(), "UTC", 0, time_of_day_s, weekdays)


def test_a_local_time_after_the_table_is_refused() -> None:
    at = parse_utc("2040-12-31T12:00:00Z")
    assert next_local_time(present(), "America/Los_Angeles", at, seconds("09:00")) == at + 5 * 3600
    with pytest.raises(OutOfRange):
        next_local_time(present(), "America/Los_Angeles", at + 5 * 3600, seconds("09:00"))
    with pytest.raises(OutOfRange):
        next_local_time(present(), "UTC", at, 0, (0,))


# --- The first instant from a local time on ---------------------------------------------------------------------------

FIRST_PRESENT = [
    ("America/New_York", "2026-06-03T12:00:00Z", "2026-06-10T00:00:00Z", "2026-06-10T04:00:00Z"),
    ("America/New_York", "2026-10-29T04:05:00Z", "2026-11-05T00:00:00Z", "2026-11-05T05:00:00Z"),  # over a change
    ("America/New_York", "2026-06-10T04:00:00Z", "2026-06-10T00:00:00Z", "2026-06-10T04:00:00Z"),  # this very instant
    ("America/New_York", "2026-06-10T18:00:00Z", "2026-06-10T00:00:00Z", "2026-06-10T18:00:00Z"),  # long since
    ("Africa/Cairo", "2026-04-20T00:00:00Z", "2026-04-24T00:00:00Z", "2026-04-23T22:00:00Z"),  # no such midnight
    ("America/New_York", "2026-11-01T05:30:00Z", "2026-11-01T01:15:00Z", "2026-11-01T05:30:00Z"),  # 01:30, once
    ("America/New_York", "2026-11-01T06:00:00Z", "2026-11-01T01:15:00Z", "2026-11-01T06:15:00Z"),  # and 01:00 again
]
FIRST_IN_THE_PAST = [
    ("Pacific/Apia", "2011-12-28T12:00:00Z", "2011-12-30T00:00:00Z", "2011-12-30T10:00:00Z"),
    ("America/St_Johns", "2010-11-06T12:00:00Z", "2010-11-07T00:00:00Z", "2010-11-07T02:30:00Z"),
    ("America/St_Johns", "2010-11-07T02:30:59Z", "2010-11-07T00:00:00Z", "2010-11-07T02:30:59Z"),
    ("America/St_Johns", "2010-11-07T02:31:00Z", "2010-11-07T00:00:00Z", "2010-11-07T03:30:00Z"),  # Saturday again
]


@pytest.mark.parametrize(("zone", "at", "local", "first"), FIRST_PRESENT)
def test_the_first_instant_from_a_local_time_on(zone: str, at: str, local: str, first: str) -> None:
    assert format_utc(first_from(present(), zone, parse_utc(at), parse_utc(local))) == first


@pytest.mark.parametrize(("zone", "at", "local", "first"), FIRST_IN_THE_PAST)
def test_the_first_instant_from_a_local_time_on_where_dates_jump(zone: str, at: str, local: str, first: str) -> None:
    assert format_utc(first_from(past(), zone, parse_utc(at), parse_utc(local))) == first


def test_no_first_instant_is_guessed_outside_the_table() -> None:
    last = parse_utc("2040-12-31T23:59:59Z")
    assert first_from(present(), "UTC", last, last) == last
    for at, local in [(last, last + 1), (last + 1, last), (present().from_utc - 1, 0)]:
        with pytest.raises(OutOfRange):
            first_from(present(), "UTC", at, local)
    with pytest.raises(UnknownZone):
        first_from(present(), "Nowhere", last, last)
