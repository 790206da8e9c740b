"""Civil time against an independent oracle: Python's zoneinfo on the same tzdata release, and searches minute by minute.

The oracle shares nothing with the code under test: another reader of the zone files, another calendar (`datetime`), and no search
but looking at every minute (or second) in turn. It is only asked for fields of a local time, with the host's zone files shut off.
"""

from __future__ import annotations

import itertools
import re
import zoneinfo
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dee_appliance.authoring.zone_table import FROM_UTC, UNTIL_UTC, compile_zone_table
from dee_appliance.kernel.e1.civil_time import (
    DAY_S,
    Window,
    ZoneTable,
    civil_from_days,
    day_start,
    days_from_civil,
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

MINUTE = 60
HOUR = 3600
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@cache
def table() -> ZoneTable:
    return ZoneTable(compile_zone_table())


@pytest.fixture(autouse=True, scope="module")
def _only_the_package() -> Iterator[None]:
    """Let zoneinfo read the tzdata package, as it would the host's files first otherwise."""
    zoneinfo.reset_tzpath(to=[])
    zoneinfo.ZoneInfo.clear_cache()
    yield
    zoneinfo.reset_tzpath()
    zoneinfo.ZoneInfo.clear_cache()


def oracle(zone: str, utc: int) -> datetime:
    """What the zone's clock shows, as a naive datetime."""
    return datetime.fromtimestamp(utc, zoneinfo.ZoneInfo(zone)).replace(tzinfo=None)


def second_of(clock: datetime) -> int:
    return clock.hour * HOUR + clock.minute * MINUTE + clock.second


def is_open(zone: str, window: Window, utc: int) -> bool:
    """Whether a window is open, by the words of its definition."""
    clock = oracle(zone, utc)
    closed = {date(1970, 1, 1) + timedelta(days=day) for day in window.closed_days}
    today, yesterday = clock.date(), clock.date() - timedelta(days=1)
    if today in closed:
        return False
    if any(opens <= second_of(clock) < closes for opens, closes in window.weekly[today.weekday()]):
        return True
    late = second_of(clock) + DAY_S
    return yesterday not in closed and any(late < closes for _, closes in window.weekly[yesterday.weekday()])


# --- What the searches are asked --------------------------------------------------------------------------------------

ODD_ZONES = [
    "Africa/Cairo",
    "Africa/Casablanca",
    "America/Havana",
    "America/New_York",
    "America/Santiago",
    "America/Scoresbysund",
    "America/St_Johns",
    "Antarctica/Casey",
    "Antarctica/Troll",
    "Asia/Gaza",
    "Asia/Kathmandu",
    "Asia/Pyongyang",
    "Asia/Tehran",
    "Australia/Lord_Howe",
    "Europe/Dublin",
    "Europe/London",
    "Pacific/Apia",
    "Pacific/Auckland",
    "Pacific/Chatham",
    "Pacific/Honolulu",
    "Pacific/Kiritimati",
]
zone_ids = st.sampled_from(ODD_ZONES) | st.deferred(lambda: st.sampled_from(table().zones()))
any_instant = st.integers(FROM_UTC + 60 * DAY_S, UNTIL_UTC - 60 * DAY_S)


@st.composite
def instants_near_a_change(draw: st.DrawFn, zone: str, around_s: int) -> int:
    """An instant, mostly close to where the zone's offset changes."""
    starts = [utc for utc in table().offsets_of(zone).starts if FROM_UTC + 60 * DAY_S < utc < UNTIL_UTC - 60 * DAY_S]
    anywhere = not starts or draw(st.integers(0, 4)) == 0
    middle: int = draw(any_instant) if anywhere else draw(st.sampled_from(starts))
    return middle + draw(st.integers(-around_s, around_s))


@st.composite
def windows(draw: st.DrawFn, unit_s: int, near_day: int) -> Window:
    """A window whose hours are multiples of `unit_s`, with holidays around a day."""
    per_day = DAY_S // unit_s

    def span() -> tuple[int, int]:
        opens = draw(st.integers(0, per_day - 1))
        length = draw(st.integers(1, per_day // 2) | st.integers(1, 2 * per_day - opens))
        return opens * unit_s, min(opens + length, 2 * per_day) * unit_s

    usual = tuple(span() for _ in range(draw(st.integers(1, 2))))
    weekly = tuple(usual if draw(st.integers(0, 3)) else (span(),) * draw(st.integers(0, 1)) for _ in range(7))
    closed = draw(st.sets(st.integers(-3, 6), max_size=3))
    return Window(weekly=weekly, closed_days=tuple(near_day + day for day in sorted(closed)))


# --- Offsets and calendar ---------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_every_zone_has_the_offsets_of_zoneinfo() -> None:
    differences = []
    for index, zone in enumerate(table().zones()):
        changes = table().offsets_of(zone).starts[1:-1]
        instants = itertools.chain(
            range(FROM_UTC + 7919 * index, UNTIL_UTC, 30 * DAY_S + 4241),
            (start + shift for start in changes for shift in (-1, 0)),
            (FROM_UTC, UNTIL_UTC - 1),
        )
        for utc in instants:
            shown = EPOCH.replace(tzinfo=None) + timedelta(seconds=table().local_at(zone, utc))
            if shown != oracle(zone, utc):
                differences.append((zone, utc))
    assert differences == []


@given(zone_ids, st.integers(FROM_UTC, UNTIL_UTC - 1))
def test_a_local_time_reads_like_pythons(zone: str, utc: int) -> None:
    expected = datetime.fromtimestamp(utc, zoneinfo.ZoneInfo(zone))
    assert format_local(table(), zone, utc) == expected.isoformat()
    assert local_day(table(), zone, utc) == expected.date().toordinal() - EPOCH.toordinal()


@pytest.mark.slow
def test_the_calendar_is_pythons_on_every_day_of_four_centuries() -> None:
    for ordinal in range(date(1899, 1, 1).toordinal(), date(2301, 1, 1).toordinal()):
        day, number = date.fromordinal(ordinal), ordinal - EPOCH.toordinal()
        assert civil_from_days(number) == (day.year, day.month, day.day)
        assert days_from_civil(day.year, day.month, day.day) == number
        assert weekday(number) == day.weekday()


@given(st.dates())
def test_a_date_is_read_like_pythons(day: date) -> None:
    number = day.toordinal() - EPOCH.toordinal()
    assert parse_iso_date(day.isoformat()) == number
    assert civil_from_days(number) == (day.year, day.month, day.day)


@given(st.integers(-719_162 * DAY_S, 2_932_897 * DAY_S - 1))
def test_an_instant_is_written_like_pythons_and_read_back(utc: int) -> None:
    assert format_utc(utc) == (EPOCH + timedelta(seconds=utc)).isoformat().replace("+00:00", "Z")
    assert parse_utc(format_utc(utc)) == utc


def read(text: str) -> int | None:
    """The day number or instant of a text, None if it is refused."""
    try:
        return parse_utc(text) if "T" in text else parse_iso_date(text)
    except ValueError:
        return None


DATE = "[0-9]{4}-[0-9]{2}-[0-9]{2}"
INSTANT = DATE + "T[0-9]{2}:[0-9]{2}:[0-9]{2}Z"


@given(st.from_regex(DATE, fullmatch=True) | st.from_regex(INSTANT, fullmatch=True))
def test_a_text_of_the_right_form_is_read_exactly_when_python_knows_the_date(text: str) -> None:
    year, month, day, hour, minute, second = (*map(int, re.findall("[0-9]+", text)), 0, 0, 0)[:6]
    try:
        known = datetime(year, month, day, hour, minute, second, tzinfo=UTC)
    except ValueError:
        assert read(text) is None
    else:
        unit = timedelta(seconds=1) if "T" in text else timedelta(days=1)
        assert read(text) == (known - EPOCH) // unit


@given(st.text(max_size=21))
def test_a_text_of_another_form_is_refused(text: str) -> None:
    assert read(text) is None or re.fullmatch(f"{DATE}|{INSTANT}", text) is not None


@given(st.data(), zone_ids)
def test_a_local_time_becomes_the_first_instant_that_shows_it_or_later(data: st.DataObject, zone: str) -> None:
    near = data.draw(instants_near_a_change(zone, 6 * HOUR)) // MINUTE * MINUTE
    local = near + data.draw(st.sampled_from([table().offset_at(zone, near + shift) for shift in (-DAY_S, 0, DAY_S)]))
    wanted = EPOCH.replace(tzinfo=None) + timedelta(seconds=local)
    every_minute = range(local - 30 * HOUR, local + 30 * HOUR, MINUTE)
    assert table().utc_of_local(zone, local) == next(utc for utc in every_minute if oracle(zone, utc) >= wanted)


@given(st.data(), zone_ids)
def test_a_day_starts_at_the_first_minute_of_its_date(data: st.DataObject, zone: str) -> None:
    day = local_day(table(), zone, data.draw(instants_near_a_change(zone, DAY_S)))
    wanted = date(1970, 1, 1) + timedelta(days=day)
    every_minute = range((day - 1) * DAY_S, (day + 2) * DAY_S, MINUTE)
    assert day_start(table(), zone, day) == next(utc for utc in every_minute if oracle(zone, utc).date() >= wanted)


# --- The next permitted instant ---------------------------------------------------------------------------------------


def scanned(zones: list[str], given_windows: list[Window], instants: range) -> int | None:
    pairs = list(itertools.product(zones, given_windows))
    return next((utc for utc in instants if all(is_open(zone, window, utc) for zone, window in pairs)), None)


@pytest.mark.slow
@settings(max_examples=150)
@given(st.data())
def test_the_next_permitted_instant_is_the_one_a_scan_by_minutes_finds(data: st.DataObject) -> None:
    zones = data.draw(st.lists(zone_ids, min_size=1, max_size=3, unique=True))
    utc = data.draw(instants_near_a_change(zones[0], 3 * DAY_S)) // MINUTE * MINUTE
    given_windows = data.draw(st.lists(windows(MINUTE, utc // DAY_S), min_size=1, max_size=2))
    horizon_s = data.draw(st.sampled_from([HOUR, DAY_S, 4 * DAY_S]))
    expected = scanned(zones, given_windows, range(utc, utc + horizon_s, MINUTE))
    assert next_open(table(), tuple(zones), tuple(given_windows), utc, horizon_s) == expected


@pytest.mark.slow
@settings(max_examples=50)
@given(st.data(), zone_ids)
def test_and_the_one_a_scan_by_seconds_finds(data: st.DataObject, zone: str) -> None:
    utc = data.draw(instants_near_a_change(zone, 2 * HOUR))
    second = second_of(oracle(zone, utc)) + data.draw(st.integers(-HOUR, HOUR))
    opens = second % DAY_S
    closes = min(opens + data.draw(st.integers(1, HOUR)), 2 * DAY_S)
    window = Window(weekly=(((opens, closes),),) * 7)
    expected = scanned([zone], [window], range(utc, utc + 2 * HOUR))
    assert next_open(table(), (zone,), (window,), utc, 2 * HOUR) == expected


@given(st.data(), zone_ids)
def test_a_window_is_open_when_its_definition_says_so(data: st.DataObject, zone: str) -> None:
    utc = data.draw(instants_near_a_change(zone, 2 * DAY_S))
    window = data.draw(windows(15 * MINUTE, utc // DAY_S))
    for instant in range(utc - DAY_S, utc + DAY_S, 47 * MINUTE):
        assert open_at(table(), zone, window, instant) == is_open(zone, window, instant)


@st.composite
def invented_clocks(draw: st.DrawFn) -> list[list[int]]:
    """A zone whose offset does what no zone has done: many changes a day, date lines crossed in both directions."""
    quarter = 15 * MINUTE
    starts = draw(st.sets(st.integers(1, 6 * 96 - 1), max_size=8))
    return [[start * quarter, draw(st.integers(-95, 95)) * quarter] for start in (0, *sorted(starts))]


@given(st.data(), st.lists(invented_clocks(), min_size=1, max_size=3))
def test_the_search_is_exact_for_clocks_that_no_country_has_had(
    data: st.DataObject, clocks: list[list[list[int]]]
) -> None:
    zones = {f"Z{index}": index for index in range(len(clocks))}
    invented = ZoneTable({"version": "x", "from": 0, "until": 8 * DAY_S, "functions": clocks, "zones": zones})
    given_windows = tuple(data.draw(st.lists(windows(15 * MINUTE, 3), min_size=1, max_size=2)))
    utc = data.draw(st.integers(0, 4 * 96)) * 15 * MINUTE
    permitted = (
        instant
        for instant in range(utc, utc + 4 * DAY_S, 15 * MINUTE)
        if all(open_at(invented, zone, window, instant) for zone in zones for window in given_windows)
    )
    assert next_open(invented, tuple(zones), given_windows, utc, 4 * DAY_S) == next(permitted, None)


# --- The next local time of day ---------------------------------------------------------------------------------------


def reached_by_scan(zone: str, after: int, time_of_day_s: int, weekdays: tuple[int, ...] | None) -> int | None:
    """The first minute after `after` that is the first of its date at that time of day or later."""
    reached: set[date] = set()
    for utc in range(after - 3 * DAY_S, after + 15 * DAY_S, MINUTE):
        clock = oracle(zone, utc)
        if second_of(clock) >= time_of_day_s and clock.date() not in reached:
            reached.add(clock.date())
            if utc > after and (weekdays is None or clock.weekday() in weekdays):
                return utc
    return None


@pytest.mark.slow
@settings(max_examples=100)
@given(st.data(), zone_ids)
def test_the_next_local_time_is_the_one_a_scan_finds(data: st.DataObject, zone: str) -> None:
    after = data.draw(instants_near_a_change(zone, 2 * DAY_S)) // MINUTE * MINUTE
    clock = second_of(oracle(zone, after)) // MINUTE
    minute = data.draw(st.integers(0, 1439) | st.integers(-90, 90).map(lambda shift: (clock + shift) % 1440))
    some_days = st.sets(st.integers(0, 6), min_size=1).map(lambda days: tuple(sorted(days)))
    weekdays = data.draw(st.none() | some_days)
    expected = reached_by_scan(zone, after, minute * MINUTE, weekdays)
    assert next_local_time(table(), zone, after, minute * MINUTE, weekdays) == expected
