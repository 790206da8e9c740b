"""Opening windows: where the search ends, which windows are refused, and hours cut short before each close.

The verdicts themselves are in the named cases of test_calling_hours_cases.
"""

from __future__ import annotations

from functools import cache

import msgspec
import pytest
from calling_hours_windows import window_of

from dee_appliance.authoring.zone_table import compile_zone_table
from dee_appliance.kernel.e1.civil_time import (
    CalendarEnded,
    OutOfRange,
    Spans,
    Window,
    ZoneTable,
    guarded,
    next_open,
    open_at,
    parse_iso_date,
    parse_utc,
)

NEVER = window_of("")
DAILY = window_of("Mon-Sun 08:00-21:00")
LAST_HOUR = window_of("Mon-Sun 23:00-24:00")
HOUR = 3600


@cache
def present() -> ZoneTable:
    """The table as files hold it."""
    return ZoneTable(compile_zone_table())


def test_the_horizon_ends_before_its_last_second() -> None:
    at = parse_utc("2026-03-03T12:00:00Z")
    assert next_open(present(), ("America/New_York",), (DAILY,), at, 3600) is None
    assert next_open(present(), ("America/New_York",), (DAILY,), at, 3601) == at + 3600
    assert next_open(present(), ("America/New_York",), (), at, 0) is None


def test_the_usual_horizon_is_fourteen_days() -> None:
    opens = parse_utc("2026-06-01T08:00:00Z")
    later = window_of("Mon-Sun 08:00-21:00; closed " + " ".join(f"2026-05-{day}" for day in range(17, 32)))
    assert next_open(present(), ("UTC",), (later,), opens - 14 * 86_400 + 1) == opens
    assert next_open(present(), ("UTC",), (later,), opens - 14 * 86_400) is None


def test_a_search_that_leaves_the_table_is_refused_only_if_it_found_nothing() -> None:
    at = parse_utc("2040-12-31T12:00:00Z")
    assert next_open(present(), ("UTC",), (LAST_HOUR,), at) == at + 11 * 3600
    assert next_open(present(), ("UTC",), (NEVER,), at, 12 * 3600) is None
    with pytest.raises(OutOfRange):
        next_open(present(), ("UTC",), (NEVER,), at)


def test_a_search_that_meets_the_end_of_a_calendar_is_refused_only_if_it_found_nothing() -> None:
    until = window_of("Mon-Sun 08:00-21:00; closed 2026-12-25; until 2026-12-31")
    at = parse_utc("2026-12-31T21:00:00Z")
    assert next_open(present(), ("UTC",), (until,), at - 1) == at - 1
    assert next_open(present(), ("UTC",), (until,), at, 3 * HOUR) is None
    with pytest.raises(CalendarEnded, match="no calendar says which days are closed on 2027-01-01"):
        next_open(present(), ("UTC",), (until,), at, 3 * HOUR + 1)
    with pytest.raises(CalendarEnded) as refusal:
        open_at(present(), "UTC", until, at + 3 * HOUR)
    assert (refusal.value.code, refusal.value.day) == ("calendar_ended", parse_iso_date("2027-01-01"))


NOON: Spans = ((12 * HOUR, 13 * HOUR),)


@pytest.mark.parametrize(
    ("weekly", "closed", "dates"),
    [
        ((), (), ()),
        (((),) * 6, (), ()),
        (((),) * 8, (), ()),
        ((((32_400, 32_400),), *((),) * 6), (), ()),
        ((((32_400, 3600),), *((),) * 6), (), ()),
        ((((-1, 3600),), *((),) * 6), (), ()),
        ((((86_400, 90_000),), *((),) * 6), (), ()),
        ((((3600, 172_801),), *((),) * 6), (), ()),
        (((),) * 7, (2, 1), ()),
        (((),) * 7, (1, 1), ()),
        (((),) * 7, (), ((2, NOON), (1, NOON))),
        (((),) * 7, (), ((1, NOON), (1, ()))),
        (((),) * 7, (), ((1, ((3600, 3600),)),)),
        (((),) * 7, (), ((1, ((86_400, 90_000),)),)),
    ],
)
def test_a_window_without_meaning_is_refused(
    weekly: tuple[Spans, ...], closed: tuple[int, ...], dates: tuple[tuple[int, Spans], ...]
) -> None:
    with pytest.raises(ValueError, match=r"seven weekdays|span of a day|must ascend"):
        Window(weekly=weekly, closed_days=closed, dates=dates)
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"weekly": weekly, "closed_days": closed, "dates": dates}, Window)


def test_a_guard_comes_off_before_each_close_and_a_span_no_longer_than_it_vanishes() -> None:
    week = ((9 * HOUR, 12 * HOUR), (14 * HOUR, 14 * HOUR + 300), (15 * HOUR, 15 * HOUR + 301))
    cut = ((9 * HOUR, 12 * HOUR - 300), (15 * HOUR, 15 * HOUR + 1))
    assert guarded((week,) * 7, 300) == (cut,) * 7
    assert guarded((week,) * 7, 0) == (week,) * 7


def test_a_guard_leaves_a_week_alone_that_goes_on() -> None:
    whole = (((0, 24 * HOUR),),) * 7
    assert guarded(whole, 300) == whole
    assert guarded(whole, 30 * 24 * HOUR) == whole
    weekend: tuple[Spans, ...] = ((), (), (), (), ((18 * HOUR, 24 * HOUR),), ((0, 24 * HOUR),), ((0, 20 * HOUR),))
    assert guarded(weekend, 600) == (*weekend[:6], ((0, 20 * HOUR - 600),))
    assert guarded(weekend, 21 * HOUR) == (*weekend[:5], ((0, 23 * HOUR),), ())


def test_a_guard_before_a_close_reaches_over_midnight() -> None:
    week: tuple[Spans, ...] = (((20 * HOUR, 24 * HOUR),), ((0, 600),), (), (), (), (), ())
    assert guarded(week, 900) == (((20 * HOUR, 24 * HOUR - 300),), (), (), (), (), (), ())


def test_a_guard_of_less_than_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="not a guard"):
        guarded(((),) * 7, -1)
