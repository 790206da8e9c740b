"""The next permitted instant, against a table of named cases worked out by hand.

The cases are the clock changes, holidays and combinations of zones that go wrong in practice. Each expected instant was computed
from the zone's published rules, not by the code under test; the sweep against another implementation is in the property tests.
"""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import msgspec
import pytest

from dee_appliance.authoring.zone_table import compile_zone_table
from dee_appliance.kernel.e1.civil_time import (
    OutOfRange,
    Window,
    ZoneTable,
    format_utc,
    next_open,
    open_at,
    parse_iso_date,
    parse_utc,
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


def seconds(text: str) -> int:
    hours, minutes = text.split(":")
    return int(hours) * 3600 + int(minutes) * 60


def hours(by_day: dict[str, str], closed: str = "") -> Window:
    """Build a window from `{"Mon-Fri": "09:00-13:00 14:00-18:00"}` and closed dates with spaces between."""
    names = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
    weekly: list[tuple[tuple[int, int], ...]] = [()] * 7
    for days, texts in by_day.items():
        first, _, last = days.partition("-")
        spans = [text.split("-") for text in texts.split()]
        for index in range(names.index(first), names.index(last or first) + 1):
            weekly[index] += tuple((seconds(opens), seconds(closes)) for opens, closes in spans)
    return Window(weekly=tuple(weekly), closed_days=tuple(parse_iso_date(day) for day in closed.split()))


ALWAYS = hours({"Mon-Sun": "00:00-24:00"})
NEVER = hours({})
DAILY = hours({"Mon-Sun": "08:00-21:00"})
WEEKDAYS_ONLY = hours({"Mon-Fri": "08:00-21:00"})
NINE_TO_NINE = hours({"Mon-Sun": "09:00-21:00"})
CANADA = hours({"Mon-Fri": "09:00-21:30", "Sat-Sun": "10:00-18:00"})
ELEVEN_HOURS = hours({"Mon-Sun": "09:00-20:00"})
ELEVEN_AND_A_HALF = hours({"Mon-Sun": "09:00-20:30"})
SMALL_HOURS = hours({"Mon-Sun": "02:00-03:00"})
NIGHT_SHIFT = hours({"Fri": "20:00-26:00"})
NIGHT_SHIFT_SATURDAY_CLOSED = hours({"Fri": "20:00-26:00"}, "2026-05-09")
NIGHT_SHIFT_FRIDAY_CLOSED = hours({"Fri": "20:00-26:00"}, "2026-05-08")
TEXAS = hours({"Mon-Sat": "09:00-21:00", "Sun": "12:00-21:00"})
NO_SUNDAY = hours({"Mon-Sat": "08:00-20:00"})
UTAH = hours({"Mon-Sat": "08:00-21:00"}, "2026-07-03 2026-07-04")
AUSTRALIA = hours(
    {"Mon-Fri": "09:00-20:00", "Sat": "09:00-17:00"}, "2026-04-03 2026-04-06 2026-12-25 2026-12-26 2026-12-28"
)
FRANCE = hours({"Mon-Fri": "10:00-13:00 14:00-20:00"})
WHOLE_SUNDAY = hours({"Sun": "00:00-24:00"})
LATE_SATURDAY = hours({"Sat": "23:00-24:00"})
AROUND_MIDNIGHT = hours({"Mon-Sun": "00:00-01:30"})
LAST_HOUR = hours({"Mon-Sun": "23:00-24:00"})
EVERY_US_ZONE = (
    "Pacific/Honolulu America/Anchorage America/Los_Angeles America/Denver America/Phoenix America/Chicago "
    "America/New_York America/Puerto_Rico"
)
SAME = "the instant itself"


class Case(NamedTuple):
    """At `at`, in every zone of `zones` and by every window: the next permitted instant is `then` (None: none in 14 days)."""

    name: str
    zones: str
    windows: tuple[Window, ...]
    at: str
    then: str | None


CASES = [
    Case("the opening second is permitted", "America/New_York", (DAILY,), "2026-03-03T13:00:00Z", SAME),
    Case("the second before it is not", "America/New_York", (DAILY,), "2026-03-03T12:59:59Z", "2026-03-03T13:00:00Z"),
    Case("the last second is permitted", "America/New_York", (DAILY,), "2026-03-04T01:59:59Z", SAME),
    Case("the closing second is not", "America/New_York", (DAILY,), "2026-03-04T02:00:00Z", "2026-03-04T13:00:00Z"),
    Case("hours around the clock never close", "Africa/Cairo", (ALWAYS,), "2026-04-23T21:59:59Z", SAME),
    Case("no hours never open", "UTC", (NEVER,), "2026-04-23T21:59:59Z", None),
    Case("one window without hours closes all", "UTC", (ALWAYS, NEVER), "2026-04-23T21:59:59Z", None),
    Case("no window, no limit", "UTC", (), "2026-04-23T21:59:59Z", SAME),
    Case(
        "a personal window narrows the legal one",
        "America/New_York",
        (DAILY, hours({"Mon-Fri": "12:00-24:00", "Sat-Sun": "00:00-24:00"})),
        "2026-06-02T13:30:00Z",
        "2026-06-02T16:00:00Z",
    ),
    Case("a pause at noon", "Europe/Paris", (FRANCE,), "2026-05-12T11:00:00Z", "2026-05-12T12:00:00Z"),
    Case("Friday evening waits for Monday", "Europe/Paris", (FRANCE,), "2026-05-15T18:00:00Z", "2026-05-18T08:00:00Z"),
    # Zones that go their own way
    Case("Arizona has no summer time", "America/Phoenix", (DAILY,), "2026-07-01T15:00:00Z", SAME),
    Case(
        "or has it: morning", "America/Phoenix America/Denver", (DAILY,), "2026-07-01T14:30:00Z", "2026-07-01T15:00:00Z"
    ),
    Case(
        "or has it: evening", "America/Phoenix America/Denver", (DAILY,), "2026-07-02T03:30:00Z", "2026-07-02T15:00:00Z"
    ),
    Case("the sign of Etc/GMT+5 is turned round", "Etc/GMT+5", (DAILY,), "2026-07-01T13:00:00Z", SAME),
    Case("EST has no summer time", "EST", (DAILY,), "2026-07-01T12:30:00Z", "2026-07-01T13:00:00Z"),
    Case("a law in fixed standard time", "Etc/GMT+6", (NO_SUNDAY,), "2026-07-14T13:30:00Z", "2026-07-14T14:00:00Z"),
    Case("half an hour: India", "Asia/Kolkata", (NINE_TO_NINE,), "2026-05-05T15:30:00Z", "2026-05-06T03:30:00Z"),
    Case("three quarters: Nepal", "Asia/Kathmandu", (NINE_TO_NINE,), "2026-05-05T03:15:00Z", SAME),
    Case("three quarters: Chatham", "Pacific/Chatham", (NINE_TO_NINE,), "2026-06-10T20:14:59Z", "2026-06-10T20:15:00Z"),
    Case(
        "half an hour: Newfoundland",
        "America/St_Johns",
        (NINE_TO_NINE,),
        "2026-06-11T00:00:00Z",
        "2026-06-11T11:30:00Z",
    ),
    Case("Dublin in winter", "Europe/Dublin", (DAILY,), "2026-01-15T08:00:00Z", SAME),
    Case("Dublin in summer", "Europe/Dublin", (DAILY,), "2026-07-15T06:59:59Z", "2026-07-15T07:00:00Z"),
    Case("Casablanca in Ramadan", "Africa/Casablanca", (NINE_TO_NINE,), "2025-03-10T08:30:00Z", "2025-03-10T09:00:00Z"),
    Case("Casablanca out of Ramadan", "Africa/Casablanca", (NINE_TO_NINE,), "2025-05-10T08:30:00Z", SAME),
    Case(
        "Vancouver has kept its summer time",
        "America/Vancouver",
        (CANADA,),
        "2026-12-02T05:00:00Z",
        "2026-12-02T16:00:00Z",
    ),
    Case("and so has Winnipeg", "America/Winnipeg", (CANADA,), "2026-12-02T03:15:00Z", "2026-12-02T14:00:00Z"),
    Case("and Havana", "America/Havana", (NINE_TO_NINE,), "2026-12-01T13:30:00Z", SAME),
    # Clocks put forward
    Case(
        "opening in the gap means after the gap",
        "America/New_York",
        (hours({"Mon-Sun": "02:30-05:00"}),),
        "2026-03-08T06:59:59Z",
        "2026-03-08T07:00:00Z",
    ),
    Case(
        "a window inside the gap is lost",
        "America/New_York",
        (SMALL_HOURS,),
        "2026-03-08T06:30:00Z",
        "2026-03-09T06:00:00Z",
    ),
    Case(
        "Monday after the change",
        "America/Los_Angeles",
        (WEEKDAYS_ONLY,),
        "2026-03-07T23:59:59Z",
        "2026-03-09T15:00:00Z",
    ),
    Case("no midnight in Cairo", "Africa/Cairo", (AROUND_MIDNIGHT,), "2026-04-23T21:59:59Z", "2026-04-23T22:00:00Z"),
    Case("half an hour forward", "Australia/Lord_Howe", (SMALL_HOURS,), "2026-10-03T15:29:59Z", "2026-10-03T15:30:00Z"),
    Case(
        "two hours forward",
        "Antarctica/Troll",
        (hours({"Mon-Sun": "02:00-05:00"}),),
        "2026-03-29T00:59:59Z",
        "2026-03-29T01:00:00Z",
    ),
    Case("the change on Saturday night", "America/Nuuk", (DAILY,), "2026-03-28T23:30:00Z", "2026-03-29T09:00:00Z"),
    Case(
        "a gap that ends at midnight takes the day's last hour",
        "America/Scoresbysund",
        (LATE_SATURDAY,),
        "2026-03-29T00:30:00Z",
        "2026-04-05T00:00:00Z",
    ),
    Case(
        "a zone that changes for good",
        "Asia/Pyongyang",
        (hours({"Mon-Sun": "23:30-24:00"}),),
        "2018-05-04T14:59:59Z",
        "2018-05-05T14:30:00Z",
    ),
    # Clocks put back
    Case(
        "the first of two half past ones",
        "America/New_York",
        (hours({"Mon-Sun": "01:30-02:00"}),),
        "2026-11-01T05:29:59Z",
        "2026-11-01T05:30:00Z",
    ),
    Case(
        "closed between the two",
        "America/New_York",
        (hours({"Mon-Sun": "01:30-02:00"}),),
        "2026-11-01T06:00:00Z",
        "2026-11-01T06:30:00Z",
    ),
    Case(
        "open the second time", "America/New_York", (hours({"Mon-Sun": "01:30-02:00"}),), "2026-11-01T06:45:00Z", SAME
    ),
    Case(
        "Monday after falling back", "America/Chicago", (WEEKDAYS_ONLY,), "2026-10-31T02:00:00Z", "2026-11-02T14:00:00Z"
    ),
    Case("Santiago's first last hour", "America/Santiago", (LAST_HOUR,), "2026-04-05T02:30:00Z", SAME),
    Case("Santiago's second last hour", "America/Santiago", (LAST_HOUR,), "2026-04-05T03:59:59Z", SAME),
    Case("and it is over", "America/Santiago", (LAST_HOUR,), "2026-04-05T04:00:00Z", "2026-04-06T03:00:00Z"),
    Case(
        "half an hour back",
        "Australia/Lord_Howe",
        (hours({"Mon-Sun": "01:30-02:00"}),),
        "2026-04-04T15:30:00Z",
        "2026-04-05T15:00:00Z",
    ),
    Case(
        "half an hour twice", "Australia/Lord_Howe", (hours({"Mon-Sun": "01:30-02:00"}),), "2026-04-04T15:29:59Z", SAME
    ),
    # Windows over midnight, closed days
    Case("Saturday 01:30 belongs to Friday's shift", "America/New_York", (NIGHT_SHIFT,), "2026-05-09T05:30:00Z", SAME),
    Case("until it ends", "America/New_York", (NIGHT_SHIFT,), "2026-05-09T06:00:00Z", "2026-05-16T00:00:00Z"),
    Case(
        "a closed Saturday cuts it at midnight",
        "America/New_York",
        (NIGHT_SHIFT_SATURDAY_CLOSED,),
        "2026-05-09T04:00:00Z",
        "2026-05-16T00:00:00Z",
    ),
    Case("but not before", "America/New_York", (NIGHT_SHIFT_SATURDAY_CLOSED,), "2026-05-09T03:59:59Z", SAME),
    Case(
        "a closed Friday takes its Saturday part",
        "America/New_York",
        (NIGHT_SHIFT_FRIDAY_CLOSED,),
        "2026-05-08T23:59:59Z",
        "2026-05-16T00:00:00Z",
    ),
    Case(
        "and that part is closed by itself",
        "America/New_York",
        (NIGHT_SHIFT_FRIDAY_CLOSED,),
        "2026-05-09T05:30:00Z",
        "2026-05-16T00:00:00Z",
    ),
    Case(
        "a closed Sunday does not shorten Saturday",
        "America/New_York",
        (hours({"Fri": "20:00-26:00"}, "2026-05-10"),),
        "2026-05-09T05:30:00Z",
        SAME,
    ),
    Case(
        "a shift over the night of the change",
        "America/New_York",
        (hours({"Sat": "22:00-25:30"}),),
        "2026-11-01T05:30:00Z",
        "2026-11-01T06:00:00Z",
    ),
    Case("a shift of two days", "UTC", (hours({"Fri": "20:00-48:00"}),), "2026-05-09T23:59:59Z", SAME),
    Case("and no longer", "UTC", (hours({"Fri": "20:00-48:00"}),), "2026-05-10T00:00:00Z", "2026-05-15T20:00:00Z"),
    Case("a later Sunday", "America/Chicago", (TEXAS,), "2026-02-15T17:59:59Z", "2026-02-15T18:00:00Z"),
    Case("no Sunday", "America/Chicago", (NO_SUNDAY,), "2026-02-01T02:00:00Z", "2026-02-02T14:00:00Z"),
    Case("two holidays and a Sunday", "America/Denver", (UTAH,), "2026-07-03T03:30:00Z", "2026-07-06T14:00:00Z"),
    Case(
        "Easter and the end of summer time",
        "Australia/Sydney",
        (AUSTRALIA,),
        "2026-04-04T06:00:00Z",
        "2026-04-06T23:00:00Z",
    ),
    Case("Christmas", "Australia/Perth", (AUSTRALIA,), "2026-12-24T12:00:00Z", "2026-12-29T01:00:00Z"),
    Case(
        "New Year comes first to Kiritimati",
        "Pacific/Kiritimati",
        (hours({"Mon-Sun": "08:00-21:00"}, "2027-01-01"),),
        "2026-12-31T10:00:00Z",
        "2027-01-01T18:00:00Z",
    ),
    Case("a leap day", "America/New_York", (DAILY,), "2028-02-29T02:00:00Z", "2028-02-29T13:00:00Z"),
    Case(
        "1 March after 28 February",
        "America/New_York",
        (hours({"Mon-Sun": "08:00-21:00"}, "2027-02-28"),),
        "2027-02-28T02:00:00Z",
        "2027-03-01T13:00:00Z",
    ),
    # Several zones
    Case(
        "Hawaii or New York",
        "Pacific/Honolulu America/New_York",
        (DAILY,),
        "2026-01-20T17:59:59Z",
        "2026-01-20T18:00:00Z",
    ),
    Case("in summer", "Pacific/Honolulu America/New_York", (DAILY,), "2026-07-20T17:30:00Z", "2026-07-20T18:00:00Z"),
    Case(
        "coast to coast",
        "America/New_York America/Los_Angeles",
        (DAILY,),
        "2026-02-10T15:00:00Z",
        "2026-02-10T16:00:00Z",
    ),
    Case(
        "both changed at night",
        "America/Chicago America/New_York",
        (DAILY,),
        "2026-03-08T12:30:00Z",
        "2026-03-08T13:00:00Z",
    ),
    Case("a toll-free number", EVERY_US_ZONE, (DAILY,), "2026-01-21T01:30:00Z", "2026-01-21T18:00:00Z"),
    Case(
        "and Guam",
        "Pacific/Guam Pacific/Honolulu America/New_York",
        (DAILY,),
        "2026-01-20T18:30:00Z",
        "2026-01-20T22:00:00Z",
    ),
    Case(
        "twelve hours apart", "America/New_York Asia/Bangkok", (DAILY,), "2026-01-20T14:00:00Z", "2026-01-21T01:00:00Z"
    ),
    Case(
        "twelve hours apart, eleven open",
        "America/New_York Asia/Bangkok",
        (ELEVEN_HOURS,),
        "2026-01-20T14:00:00Z",
        None,
    ),
    Case("in summer they touch", "America/New_York Asia/Bangkok", (ELEVEN_HOURS,), "2026-07-20T00:00:00Z", None),
    Case(
        "London and Auckland miss each other for a week",
        "Europe/London Pacific/Auckland",
        (ELEVEN_AND_A_HALF,),
        "2026-03-29T12:00:00Z",
        "2026-04-05T08:00:00Z",
    ),
    Case("three need not meet", "Pacific/Honolulu Europe/London Asia/Tokyo", (DAILY,), "2026-01-20T12:00:00Z", None),
    Case("nor in summer", "Pacific/Honolulu Europe/London Asia/Tokyo", (DAILY,), "2026-07-20T12:00:00Z", None),
]

PAST_CASES = [
    Case("Samoa's lost Friday", "Pacific/Apia", (DAILY,), "2011-12-30T07:30:00Z", "2011-12-30T18:00:00Z"),
    Case("waits for Monday", "Pacific/Apia", (WEEKDAYS_ONLY,), "2011-12-30T07:30:00Z", "2012-01-01T18:00:00Z"),
    Case(
        "a Friday that never was",
        "Pacific/Apia",
        (hours({"Fri": "00:00-24:00"}),),
        "2011-12-30T00:00:00Z",
        "2012-01-05T10:00:00Z",
    ),
    Case(
        "Thursday's shift loses its Friday part",
        "Pacific/Apia",
        (hours({"Thu": "20:00-30:00"}),),
        "2011-12-30T09:59:59Z",
        SAME,
    ),
    Case("a minute of Sunday", "America/St_Johns", (WHOLE_SUNDAY,), "2010-11-07T02:29:59Z", "2010-11-07T02:30:00Z"),
    Case("and Saturday again", "America/St_Johns", (WHOLE_SUNDAY,), "2010-11-07T02:31:00Z", "2010-11-07T03:30:00Z"),
    Case("Saturday closed twice", "America/St_Johns", (LATE_SATURDAY,), "2010-11-07T02:30:00Z", "2010-11-07T02:31:00Z"),
]


def check(table: ZoneTable, case: Case) -> None:
    at, zones = parse_utc(case.at), tuple(case.zones.split())

    def every_window_is_open(utc: int) -> bool:
        return all(open_at(table, zone, window, utc) for zone in zones for window in case.windows)

    found = next_open(table, zones, case.windows, at)
    assert (None if found is None else format_utc(found)) == (case.at if case.then == SAME else case.then)
    assert every_window_is_open(at) == (found == at)
    if found is not None and found > at:
        assert every_window_is_open(found)
        assert not every_window_is_open(found - 1)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_next_permitted_instant(case: Case) -> None:
    check(present(), case)


@pytest.mark.parametrize("case", PAST_CASES, ids=lambda case: case.name)
def test_the_next_permitted_instant_where_dates_jump(case: Case) -> None:
    check(past(), case)


def test_the_horizon_ends_before_its_last_second() -> None:
    at = parse_utc("2026-03-03T12:00:00Z")
    assert next_open(present(), ("America/New_York",), (DAILY,), at, 3600) is None
    assert next_open(present(), ("America/New_York",), (DAILY,), at, 3601) == at + 3600
    assert next_open(present(), ("America/New_York",), (), at, 0) is None


def test_the_usual_horizon_is_fourteen_days() -> None:
    opens = parse_utc("2026-06-01T08:00:00Z")
    later = hours({"Mon-Sun": "08:00-21:00"}, " ".join(f"2026-05-{day}" for day in range(17, 32)))
    assert next_open(present(), ("UTC",), (later,), opens - 14 * 86_400 + 1) == opens
    assert next_open(present(), ("UTC",), (later,), opens - 14 * 86_400) is None


def test_a_search_that_leaves_the_table_is_refused_only_if_it_found_nothing() -> None:
    at = parse_utc("2040-12-31T12:00:00Z")
    assert next_open(present(), ("UTC",), (LAST_HOUR,), at) == at + 11 * 3600
    assert next_open(present(), ("UTC",), (NEVER,), at, 12 * 3600) is None
    with pytest.raises(OutOfRange):
        next_open(present(), ("UTC",), (NEVER,), at)


@pytest.mark.parametrize(
    ("weekly", "closed"),
    [
        ((), ()),
        (((),) * 6, ()),
        (((),) * 8, ()),
        ((((32_400, 32_400),), *((),) * 6), ()),
        ((((32_400, 3600),), *((),) * 6), ()),
        ((((-1, 3600),), *((),) * 6), ()),
        ((((86_400, 90_000),), *((),) * 6), ()),
        ((((3600, 172_801),), *((),) * 6), ()),
        (((),) * 7, (2, 1)),
        (((),) * 7, (1, 1)),
    ],
)
def test_a_window_without_meaning_is_refused(
    weekly: tuple[tuple[tuple[int, int], ...], ...], closed: tuple[int, ...]
) -> None:
    with pytest.raises(ValueError, match=r"seven weekdays|span of a day|must ascend"):
        Window(weekly=weekly, closed_days=closed)
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"weekly": weekly, "closed_days": closed}, Window)
