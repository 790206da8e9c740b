"""Calling hours against the oracle: weeks of quarters in many zones, and random hours with everything that hours can have.

The campaign over every zone and every quarter of two years is `python -m bench.calling_hours_campaign`.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import cache

import msgspec
import pytest
from calling_hours_oracle import WEEK, clock_of, hours_of, state, verdict, zone_names
from calling_hours_sweep import BEGINS, HOURS, QUARTER_S, WEEK_S, WEEKS, Difference, spread, sweep_week
from calling_hours_windows import answer, state_of, window_of
from hypothesis import given, settings
from hypothesis import strategies as st

from dee_appliance.authoring.zone_table import compile_zone_table
from dee_appliance.kernel.e1.civil_time import DAY_S, Window, ZoneDocument, ZoneTable, first_from

SAMPLE, SEED = 220, 31
EPOCH = datetime(1970, 1, 1, tzinfo=UTC).replace(tzinfo=None)
HOUR, MINUTE = 3600, 60
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
    "Asia/Almaty",
    "Asia/Beirut",
    "Asia/Gaza",
    "Asia/Kathmandu",
    "Atlantic/Azores",
    "Australia/Lord_Howe",
    "Europe/Dublin",
    "Europe/London",
    "Pacific/Auckland",
    "Pacific/Chatham",
    "Pacific/Kiritimati",
]
CHANGES = [
    ("America/New_York", "2026-03-08"),
    ("America/New_York", "2026-11-01"),
    ("Europe/London", "2026-03-29"),
    ("Europe/Dublin", "2026-10-25"),
    ("Africa/Cairo", "2026-04-24"),
    ("America/Santiago", "2026-04-05"),
    ("Australia/Lord_Howe", "2026-10-04"),
    ("Antarctica/Troll", "2027-03-28"),
    ("America/Scoresbysund", "2026-03-29"),
    ("America/Vancouver", "2026-11-01"),
    ("America/Havana", "2027-11-07"),
    ("Pacific/Kiritimati", "2027-12-20"),
]


@cache
def document() -> ZoneDocument:
    return msgspec.convert(compile_zone_table(), ZoneDocument)


@cache
def table() -> ZoneTable:
    return ZoneTable(msgspec.to_builtins(document()))


def week_of(day: str) -> int:
    return (int(datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp()) - BEGINS) // WEEK_S


# --- A week of quarters -----------------------------------------------------------------------------------------------


def test_both_know_the_same_zones() -> None:
    assert zone_names() == set(table().zones())


@pytest.mark.slow
def test_every_quarter_of_some_weeks_and_zones_is_what_the_oracle_says() -> None:
    zones = table().zones()
    chosen = spread(len(zones), SAMPLE, SEED)
    swept = [sweep_week(table(), zones[zone], week) for zone, week in chosen]
    assert [difference for tally in swept for difference in tally.differences] == []
    assert sum(tally.states for tally in swept) == SAMPLE * len(HOURS) * 672
    assert sum(tally.searches for tally in swept) > SAMPLE * 200
    assert len({zone for zone, _ in chosen}) > 150


@pytest.mark.parametrize(("zone", "day"), CHANGES)
def test_every_quarter_around_a_change_is_what_the_oracle_says(zone: str, day: str) -> None:
    week = week_of(day)
    differences = [found for later in (week - 1, week) for found in sweep_week(table(), zone, later).differences]
    assert differences == []


def test_a_table_that_is_wrong_for_an_hour_is_noticed() -> None:
    index = document().zones["Europe/London"]
    rows = list(document().functions[index])
    change = next(number for number, (start, _) in enumerate(rows) if start >= BEGINS)
    late = (*rows[:change], (rows[change][0] + HOUR, rows[change][1]), *rows[change + 1 :])
    functions = (*document().functions[:index], late, *document().functions[index + 1 :])
    wrong = ZoneTable(msgspec.to_builtins(msgspec.structs.replace(document(), functions=functions)))
    found = sweep_week(wrong, "Europe/London", week_of("2026-03-29")).differences
    at_one = BEGINS + (datetime(2026, 3, 29, 1, tzinfo=UTC) - datetime(2026, 1, 1, tzinfo=UTC)) // timedelta(seconds=1)
    assert Difference("Europe/London", "night hours", at_one, "0", "1") in found
    assert all(at_one - 3 * DAY_S < one.utc < at_one + HOUR for one in found)


def test_a_campaign_asks_each_week_once() -> None:
    everything = spread(3, 10_000, 5)
    assert everything == [(zone, week) for zone in range(3) for week in range(WEEKS)]
    some = spread(598, 598 * WEEKS // 50, 5)
    assert len(set(some)) == len(some) == 598 * WEEKS // 50
    assert len({zone for zone, _ in some}) > 500


# --- Random hours -----------------------------------------------------------------------------------------------------


@st.composite
def spans(draw: st.DrawFn, unit_s: int) -> str:
    opens = draw(st.integers(0, DAY_S // unit_s - 1)) * unit_s
    length = draw(st.integers(1, 6 * HOUR // unit_s) | st.integers(1, (2 * DAY_S - opens) // unit_s)) * unit_s
    return f"{clock_text(opens)}-{clock_text(min(opens + length, 2 * DAY_S))}"


def clock_text(second: int) -> str:
    return f"{second // HOUR:02d}:{second // MINUTE % 60:02d}:{second % MINUTE:02d}"


@st.composite
def hours_texts(draw: st.DrawFn, unit_s: int, near: datetime) -> str:
    """Hours with spans of `unit_s`, and closed and special dates around a day."""

    def some_spans(least: int) -> str:
        return " ".join(draw(st.lists(spans(unit_s), min_size=least, max_size=2)))

    def date_at(shift: int) -> str:
        return str(near.date() + timedelta(days=shift))

    days = draw(st.lists(st.sampled_from(WEEK), unique=True, min_size=1))
    usual = some_spans(1)
    parts = [f"{day} {usual if draw(st.booleans()) else some_spans(1)}" for day in days]
    parts += [f"closed {date_at(shift)}" for shift in draw(st.lists(st.integers(-2, 4), max_size=2))]
    own = draw(st.lists(st.integers(-2, 4), max_size=2, unique=True))
    parts += [f"on {date_at(shift)} {some_spans(0)}" for shift in own]
    if draw(st.booleans()):
        parts.append(f"until {date_at(draw(st.integers(-1, 4)))}")
    if unit_s >= MINUTE and draw(st.integers(0, 3)) == 0:
        parts.append(f"guard {draw(st.sampled_from([1, 5, 15, 45]))}")
    return "; ".join(parts)


zone_ids = st.sampled_from(ODD_ZONES) | st.deferred(lambda: st.sampled_from(table().zones()))


@st.composite
def instants_near_a_change(draw: st.DrawFn, zone: str, around_s: int) -> int:
    first, last = table().from_utc + 60 * DAY_S, table().until_utc - 60 * DAY_S
    starts = [utc for utc in table().offsets_of(zone).starts if first < utc < last]
    anywhere = not starts or draw(st.integers(0, 4)) == 0
    middle: int = draw(st.integers(first, last)) if anywhere else draw(st.sampled_from(starts))
    return middle + draw(st.integers(-around_s, around_s))


@pytest.mark.slow
@settings(max_examples=80)
@given(st.data())
def test_the_verdict_is_the_one_that_looking_at_every_minute_gives(data: st.DataObject) -> None:
    zones = data.draw(st.lists(zone_ids, min_size=1, max_size=3, unique=True))
    utc = data.draw(instants_near_a_change(zones[0], 2 * DAY_S))
    near = clock_of(zones[0], utc)
    texts = data.draw(st.lists(hours_texts(15 * MINUTE, near) | hours_texts(MINUTE, near), min_size=1, max_size=2))
    horizon_s = data.draw(st.sampled_from([HOUR, DAY_S, 3 * DAY_S]))
    covered = range(table().from_utc, table().until_utc)
    expected = verdict(zones, [hours_of(text) for text in texts], utc, covered, horizon_s)
    windows = tuple(window_of(text) for text in texts)
    assert answer(table(), tuple(zones), windows, utc, horizon_s) == expected


@pytest.mark.slow
@settings(max_examples=40)
@given(st.data(), zone_ids)
def test_and_the_one_that_looking_at_every_second_gives(data: st.DataObject, zone: str) -> None:
    utc = data.draw(instants_near_a_change(zone, 2 * HOUR))
    opens = (clock_of(zone, utc) - EPOCH) // timedelta(seconds=1) % DAY_S + data.draw(st.integers(-HOUR, HOUR))
    opens %= DAY_S
    closes = min(opens + data.draw(st.integers(1, HOUR)), 2 * DAY_S)
    texts = [f"Mon-Sun {clock_text(opens)}-{clock_text(closes)}", data.draw(hours_texts(7, clock_of(zone, utc)))]
    covered = range(table().from_utc, table().until_utc)
    expected = verdict([zone], [hours_of(text) for text in texts], utc, covered, 2 * HOUR)
    assert answer(table(), (zone,), tuple(window_of(text) for text in texts), utc, 2 * HOUR) == expected


@pytest.mark.slow
@given(st.data(), zone_ids)
def test_a_window_is_open_when_the_oracle_sees_it_open(data: st.DataObject, zone: str) -> None:
    utc = data.draw(instants_near_a_change(zone, 2 * DAY_S))
    text = data.draw(hours_texts(15 * MINUTE, clock_of(zone, utc)))
    for instant in range(utc - DAY_S, utc + DAY_S, 47 * MINUTE):
        assert state_of(table(), zone, window_of(text), instant) == state(hours_of(text), clock_of(zone, instant))


@st.composite
def invented_clocks(draw: st.DrawFn) -> list[list[int]]:
    """Many changes a day, date lines crossed in both directions."""
    starts = draw(st.sets(st.integers(1, 6 * 96 - 1), max_size=8))
    return [[start * QUARTER_S, draw(st.integers(-95, 95)) * QUARTER_S] for start in (0, *sorted(starts))]


@pytest.mark.slow
@given(st.data(), st.lists(invented_clocks(), min_size=1, max_size=2))
def test_a_calendar_ends_at_the_first_instant_that_is_not_known_to_be_closed(
    data: st.DataObject, clocks: list[list[list[int]]]
) -> None:
    zones = {f"Z{index}": index for index in range(len(clocks))}
    invented = ZoneTable({"version": "x", "from": 0, "until": 8 * DAY_S, "functions": clocks, "zones": zones})
    texts = data.draw(st.lists(hours_texts(15 * MINUTE, EPOCH + timedelta(days=2)), min_size=1, max_size=2))
    windows = tuple(window_of(text) for text in texts)
    utc = data.draw(st.integers(0, 4 * 96)) * QUARTER_S
    expected = "never"
    for instant in range(utc, utc + 4 * DAY_S, QUARTER_S if "guard" not in "".join(texts) else MINUTE):
        states = [state_of(invented, zone, window, instant) for zone in zones for window in windows]
        if 0 not in states:
            later = (EPOCH + timedelta(seconds=instant)).strftime("%Y-%m-%dT%H:%M:%SZ")
            expected = "deny calendar_ended" if 2 in states else "allow" if instant == utc else f"hold {later}"
            break
    assert answer(invented, tuple(zones), windows, utc, 4 * DAY_S) == expected


# --- Guards, and the first instant from a local time on ---------------------------------------------------------------


@pytest.mark.slow
@settings(max_examples=25)
@given(st.data())
def test_a_guarded_week_is_open_where_the_week_stays_open_for_the_guard(data: st.DataObject) -> None:
    days = data.draw(st.lists(st.sampled_from(WEEK), unique=True, min_size=1))
    week = "; ".join(f"{day} {' '.join(data.draw(st.lists(spans(15 * MINUTE), max_size=3)))}" for day in days)
    text = f"{week}; guard {data.draw(st.sampled_from([1, 14, 15, 16, 60]))}"
    window: Window = window_of(text)
    for instant in range(0, 7 * DAY_S, 15 * MINUTE):
        for at in (instant, instant + MINUTE):
            assert state_of(table_of_utc(), "UTC", window, at) == state(hours_of(text), clock_of("UTC", at))


@cache
def table_of_utc() -> ZoneTable:
    zones = {"version": "x", "from": 0, "until": 8 * DAY_S, "functions": [[[0, 0]]], "zones": {"UTC": 0}}
    return ZoneTable(zones)


@given(st.data(), zone_ids)
def test_the_first_instant_from_a_local_time_on_is_the_one_a_scan_finds(data: st.DataObject, zone: str) -> None:
    utc = data.draw(instants_near_a_change(zone, 6 * HOUR)) // MINUTE * MINUTE
    wanted = clock_of(zone, utc) + timedelta(minutes=data.draw(st.integers(-300, 300)))
    every_minute = range(utc, utc + 12 * HOUR, MINUTE)
    expected = next(instant for instant in every_minute if clock_of(zone, instant) >= wanted)
    assert first_from(table(), zone, utc, (wanted - EPOCH) // timedelta(seconds=1)) == expected
