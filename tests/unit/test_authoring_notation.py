"""How durations, money, weekdays and hours are written, and what they mean."""

from __future__ import annotations

import datetime
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dee_appliance.authoring.notation import (
    MAX_DURATION_S,
    NotationError,
    format_duration,
    format_money,
    format_second_of_day,
    format_weekdays,
    merged_spans,
    parse_duration,
    parse_money,
    parse_offset,
    parse_weekdays,
    second_of_day,
    span_of_day,
)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90s", 90),
        ("30m", 1_800),
        ("4h", 14_400),
        ("3d", 259_200),
        ("2w", 1_209_600),
        ("1d12h", 129_600),
        ("1w2d3h4m5s", 788_645),
        ("0s", 0),
    ],
)
def test_a_duration_is_read_in_seconds(text: str, seconds: int) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    "text",
    ["", "3", "d", "3 d", "3D", "12h1d", "1d1d", "1.5d", "-3d", "3days", "P3D", "٣d", "3d\n", "3661d", "9999999999s"],
)
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(NotationError):
        parse_duration(text)


def test_an_offset_may_be_negative() -> None:
    assert parse_offset("-2d") == -172_800
    assert parse_offset("+2h") == 7_200
    assert parse_offset("2h") == 7_200
    with pytest.raises(NotationError):
        parse_offset("--2d")


@given(st.integers(-MAX_DURATION_S, MAX_DURATION_S))
def test_a_written_duration_reads_back_as_itself(seconds: int) -> None:
    assert parse_offset(format_duration(seconds)) == seconds


def test_weeks_are_written_only_when_nothing_remains() -> None:
    assert [format_duration(s) for s in (604_800, 691_200, 129_600, -172_800, 0)] == ["1w", "8d", "1d12h", "-2d", "0s"]


@pytest.mark.parametrize(
    ("text", "micros"),
    [
        ("250.00", 250_000_000),
        ("0.000001", 1),
        ("1", 1_000_000),
        ("0.1", 100_000),
        ("999999999.999999", 999_999_999_999_999),
    ],
)
def test_money_is_read_in_micro_units(text: str, micros: int) -> None:
    assert parse_money(text) == micros


@pytest.mark.parametrize("text", ["", "1.", ".5", "1,00", "1e3", "-1", "0.0000001", "1000000000", "1 000", "$5", "٣"])
def test_what_is_no_amount_is_refused(text: str) -> None:
    with pytest.raises(NotationError):
        parse_money(text)


@given(st.integers(0, 10**15 - 1))
def test_a_written_amount_reads_back_as_itself(micros: int) -> None:
    amount, currency = format_money(micros, "USD").split(" ")
    assert (parse_money(amount), currency) == (micros, "USD")
    if micros:
        assert format_money(-micros, "USD") == f"-{amount} USD"


@pytest.mark.parametrize(
    ("text", "days"),
    [
        ("Mon-Fri", (0, 1, 2, 3, 4)),
        ("Sat,Sun", (5, 6)),
        ("mon , WED-thu", (0, 2, 3)),
        ("Sat-Mon", (0, 5, 6)),
        ("Mon-Mon", (0,)),
        ("Mon-Sun", (0, 1, 2, 3, 4, 5, 6)),
    ],
)
def test_weekdays_are_numbers_from_monday(text: str, days: tuple[int, ...]) -> None:
    assert parse_weekdays(text) == days


@pytest.mark.parametrize("text", ["", "Monday", "Mo", "Mon-", "Mon--Tue", "Mon Tue", "Mon,"])
def test_what_names_no_weekdays_is_refused(text: str) -> None:
    with pytest.raises(NotationError):
        parse_weekdays(text)


@given(st.sets(st.integers(0, 6), min_size=1))
def test_written_weekdays_read_back_as_themselves(days: set[int]) -> None:
    assert parse_weekdays(format_weekdays(days)) == tuple(sorted(days))


def test_hours_that_close_at_midnight_or_after_it_count_on() -> None:
    nine, six, midnight = datetime.time(9), datetime.time(18), datetime.time(0)
    assert span_of_day(nine, six) == (32_400, 64_800)
    assert span_of_day(six, nine) == (64_800, 118_800)
    assert span_of_day(nine, midnight) == (32_400, 86_400)
    assert span_of_day(midnight, midnight) == (0, 86_400)
    with pytest.raises(NotationError, match="empty"):
        span_of_day(nine, nine)


def test_a_time_of_day_is_local_and_whole() -> None:
    assert second_of_day(datetime.time(9, 0, 1)) == 32_401
    with pytest.raises(NotationError):
        second_of_day(datetime.time(9, 0, 0, 1))
    with pytest.raises(NotationError):
        second_of_day(datetime.time(9, tzinfo=datetime.UTC))


def test_seconds_of_day_are_written_like_a_clock() -> None:
    assert [format_second_of_day(s) for s in (0, 32_400, 32_401, 93_600)] == ["00:00", "09:00", "09:00:01", "26:00"]


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(1, 20)).map(lambda pair: (pair[0], pair[0] + pair[1]))))
def test_joined_spans_cover_the_same_seconds_without_touching(spans: list[tuple[int, int]]) -> None:
    joined = merged_spans(spans)
    assert {s for a, b in spans for s in range(a, b)} == {s for a, b in joined for s in range(a, b)}
    assert all(left[1] < right[0] for left, right in itertools.pairwise(joined))
