"""Civil time: what the clocks of a zone show at an instant, and when a set of calling windows is open next.

Here live opening windows and the searches of the engine: the next permitted instant, the next local time of
day, the first instant of a later date. Dates and their texts are in civil_date, the zone table in civil_zone;
whoever needs civil time may import all of it from here. Which windows the law asks for, effective dates and
everything about a contact belong to the gate.

Rules a change must keep:

- An instant is an integer, UTC seconds since 1970-01-01 without leap seconds; so is a local time, which
  counts the seconds that the zone's clock and calendar show. A day is days since 1970-01-01.
- Instant to local time is total and single-valued, the other way is neither. Every question is therefore
  decided on instants, so that gaps, overlaps and skipped dates need no rule of their own: what a clock never
  shows is never open, what it shows twice is open twice.
- Only the offset from UTC counts. Whether a zone calls it summer time is not in the table.
- Intervals are half-open, instants and offsets exact; no search steps through time.
- Nothing is guessed outside the zone table, nor after the last day of a calendar: `UnknownZone`, `OutOfRange`
  and `CalendarEnded` are raised, and the caller must not send.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from typing import ClassVar

import msgspec

from dee_appliance.errors import Refused
from dee_appliance.kernel.e1.civil_date import (
    DAY_S,
    WEEKDAYS,
    civil_from_days,
    days_from_civil,
    format_utc,
    parse_iso_date,
    parse_utc,
    weekday,
)
from dee_appliance.kernel.e1.civil_zone import (
    Offsets,
    OutOfRange,
    UnknownZone,
    ZoneDocument,
    ZoneTable,
    ascend,
    day_start,
    format_local,
    local_day,
)

__all__ = [
    "DAY_S", "WEEKDAYS", "civil_from_days", "days_from_civil", "weekday",
    "format_local", "format_utc", "parse_iso_date", "parse_utc",
    "Offsets", "OutOfRange", "UnknownZone", "ZoneDocument", "ZoneTable", "day_start", "local_day",
    "DEFAULT_HORIZON_S", "CalendarEnded", "Spans", "Week", "Window", "guarded", "next_open", "open_at",
    "first_from", "next_local_time",
]  # fmt: skip

Spans = tuple[tuple[int, int], ...]
"""Spans (open_s, close_s) that begin on one local day, in seconds of that day, half-open."""
Week = tuple[Spans, ...]
"""The spans of the seven weekdays, Monday first."""

DEFAULT_HORIZON_S = 14 * DAY_S

# --- Opening windows ------------------------------------------------------------------------------


class CalendarEnded(Refused):
    """The question is about a local day after the last one that the calendar of closed days covers."""

    code: ClassVar[str] = "calendar_ended"

    def __init__(self, day: int) -> None:
        year, month, day_of_month = civil_from_days(day)
        super().__init__(
            f"no calendar says which days are closed on {year:04d}-{month:02d}-{day_of_month:02d}",
            hint="load a pack whose calendar of closed days covers that date",
        )
        self.day = day


class Window(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """When the clock of a place shows permitted hours.

    `weekly` holds for each weekday the spans that begin on it; a span that closes after 86400 goes on into the
    next day. Spans may overlap. `dates` are days (numbers, ascending) with spans of their own instead of their
    weekday's. `closed_days` (ascending) are days without hours: nothing begins on such a day, and what began
    the day before ends at its midnight. A day of `dates` without spans is closed as well, and a day that stands
    in both is closed. `closed_until` is the last day for which closed days and dates are known; None means that
    they are known for ever. It says nothing where there are neither.
    """

    weekly: Week
    closed_days: tuple[int, ...] = ()
    dates: tuple[tuple[int, Spans], ...] = ()
    closed_until: int | None = None

    def __post_init__(self) -> None:
        """Raise ValueError for a window that has no meaning."""
        if len(self.weekly) != WEEKDAYS:
            raise ValueError("a window needs the hours of seven weekdays, Monday first")
        for spans in (*self.weekly, *(spans for _, spans in self.dates)):
            for opens, closes in spans:
                if not (0 <= opens < DAY_S and opens < closes <= 2 * DAY_S):
                    raise ValueError(f"not a span of a day: {opens} s to {closes} s")
        if not ascend(self.closed_days):
            raise ValueError("closed days must ascend")
        if not ascend(tuple(day for day, _ in self.dates)):
            raise ValueError("dates with hours of their own must ascend")


def open_at(table: ZoneTable, zone: str, window: Window, utc: int) -> bool:
    """Tell whether the window is open at an instant by the zone's clock.

    Raises UnknownZone, OutOfRange; CalendarEnded, whatever the hours of that day might be.
    """
    local = utc + table.offset_at(zone, utc)
    day, second = divmod(local, DAY_S)
    if _calendar_ended(window, local):
        raise CalendarEnded(day)
    for opens, closes in _spans_on(window, day):
        if opens <= second < closes:
            return True
    spilling = any(second + DAY_S < closes for _, closes in _spans_on(window, day - 1))
    return spilling and not _is_closed(window, day)


def next_open(
    table: ZoneTable,
    zones: tuple[str, ...],
    windows: tuple[Window, ...],
    utc: int,
    horizon_s: int = DEFAULT_HORIZON_S,
) -> int | None:
    """Return the first instant in [utc, utc + horizon_s) at which every window is open everywhere, else None.

    Without windows nothing forbids `utc` itself. Raises UnknownZone, also when no zone is given at all;
    OutOfRange when the table ends before the answer is known; CalendarEnded when no window is known to be
    closed at some instant before the answer, and the calendar of one says nothing about it.
    """
    if not zones:
        raise UnknownZone("")
    limit = utc + horizon_s
    pairs = [(table.offsets_of(zone), window) for zone in zones for window in windows]
    if not table.from_utc <= utc < table.until_utc:
        raise OutOfRange(f"{utc} s UTC")
    # Each pair moves the candidate to its own next opening; once all pairs in a row leave it alone, it is the
    # answer. The candidate never passes an instant at which all are open, because no pair can. Nor does it pass
    # one at which a pair's calendar has ended unless another pair is closed there, in whatever order they stand.
    candidate, agreeing, turn = utc, 0, 0
    while agreeing < len(pairs):
        offsets, window = pairs[turn]
        opening = _next_opening(offsets, window, candidate, limit)
        if opening is None:
            return None
        agreeing = agreeing + 1 if opening == candidate else 1
        candidate = opening
        turn = (turn + 1) % len(pairs)
    for offsets, window in pairs:
        local = candidate + offsets.offsets[bisect_right(offsets.starts, candidate) - 1]
        if _calendar_ended(window, local):
            raise CalendarEnded(local // DAY_S)
    return candidate if candidate < limit else None


def _next_opening(zone: Offsets, window: Window, utc: int, limit: int) -> int | None:
    """Return the first instant in [utc, limit) at which one window is not known to be closed in one zone, else None.

    It is open then, or its calendar has ended. Within a segment of constant offset the clock runs evenly, so the
    search goes from segment to segment.
    """
    index = bisect_right(zone.starts, utc) - 1
    begin = utc
    while begin < limit:
        if index == len(zone.offsets):
            raise OutOfRange(f"{begin} s UTC")
        offset = zone.offsets[index]
        end = zone.starts[index + 1]
        local = _next_open_second(window, begin + offset, min(end, limit) + offset)
        if local is not None:
            return local - offset
        begin = end
        index += 1
    return None


def _next_open_second(window: Window, local: int, stop: int) -> int | None:
    """Return the first local second in [local, stop) that is not known to be closed, on a clock that runs evenly."""
    ends = _calendar_end(window)
    unknown = ends is not None and ends < stop
    if ends is not None and unknown:
        stop = max(local, ends)
    day = local // DAY_S - 1  # a span of the day before may still be open
    while day * DAY_S < stop:
        spans = _spans_on(window, day)
        if spans:
            midnight = day * DAY_S
            last = midnight + (DAY_S if _is_closed(window, day + 1) else 2 * DAY_S)
            first = stop
            for opens, closes in spans:
                begin = max(local, midnight + opens)
                if begin < min(midnight + closes, last, first):
                    first = begin
            # Spans of a later day begin after every span of this day has begun, so the first day that has one
            # has the first.
            if first < stop:
                return first
        day += 1
    return stop if unknown else None


def _spans_on(window: Window, day: int) -> Spans:
    """Return the spans that begin on a day."""
    if _is_closed_day(window, day):
        return ()
    own = _own_spans(window, day)
    return window.weekly[(day + 3) % WEEKDAYS] if own is None else own


def _own_spans(window: Window, day: int) -> Spans | None:
    dates = window.dates
    if not dates:
        return None
    index = bisect_left(dates, day, key=_day_of)
    return dates[index][1] if index < len(dates) and dates[index][0] == day else None


def _day_of(date: tuple[int, Spans]) -> int:
    return date[0]


def _is_closed(window: Window, day: int) -> bool:
    """Tell whether a day takes nothing over from the day before; a weekday without hours does."""
    return _is_closed_day(window, day) or _own_spans(window, day) == ()


def _is_closed_day(window: Window, day: int) -> bool:
    closed = window.closed_days
    index = bisect_left(closed, day)
    return index < len(closed) and closed[index] == day


def _calendar_end(window: Window) -> int | None:
    """Return the local time at which the window's calendar ends, None if it does not."""
    if window.closed_until is None or not (window.closed_days or window.dates):
        return None
    return (window.closed_until + 1) * DAY_S


def _calendar_ended(window: Window, local: int) -> bool:
    ends = _calendar_end(window)
    return ends is not None and local >= ends


def guarded(weekly: Week, guard_s: int) -> Week:
    """Return the week's spans without the last `guard_s` seconds before each close, by the clock.

    Where the week goes on open (24:00 followed by 00:00, overlapping or touching spans) there is no close. What is
    not longer than the guard vanishes. The week knows no dates: before a closed day its midnight is no close.
    Raises ValueError for a negative guard.
    """
    if guard_s < 0:
        raise ValueError(f"not a guard: {guard_s} s")
    return tuple(
        tuple(
            (opens, last)
            for opens, closes in spans
            for last in (_open_until(weekly, day, closes, closes + guard_s) - guard_s,)
            if last > opens
        )
        for day, spans in enumerate(weekly)
    )


def _open_until(weekly: Week, day: int, end: int, enough: int) -> int:
    """Return the second of a weekday, counted on into later ones, until which a span that closes at `end` goes on.

    Whoever knows that it goes on until `enough` needs no more.
    """
    while end < enough:
        later = end // DAY_S
        further = max(
            (
                closes + shift * DAY_S
                for shift in (later - 1, later)
                for opens, closes in weekly[(day + shift) % WEEKDAYS]
                if opens + shift * DAY_S <= end
            ),
            default=end,
        )
        if further <= end:
            return end
        end = further
    return enough


# --- Local times ----------------------------------------------------------------------------------


def next_local_time(
    table: ZoneTable, zone: str, after_utc: int, time_of_day_s: int, weekdays: tuple[int, ...] | None = None
) -> int:
    """Return the next instant strictly after `after_utc` at which a local day reaches a time of day.

    A day reaches it once: at the first instant of that local date whose time of day is `time_of_day_s` or
    later. So a time in a gap means the first instant after the gap, a time that is shown twice means its
    first showing, and a day whose clock never gets there (a skipped date, a gap that ends at midnight) is
    passed over, since an instant of another date could be a forbidden weekday. `weekdays` (0 is Monday)
    limits the local dates; None allows all. Raises ValueError for a time of day outside [0, 86400) or a bad
    or empty list of weekdays; UnknownZone, OutOfRange.
    """
    if not 0 <= time_of_day_s < DAY_S:
        raise ValueError(f"not a time of day: {time_of_day_s} s")
    if weekdays is not None and (not weekdays or any(not 0 <= day < WEEKDAYS for day in weekdays)):
        raise ValueError(f"not a list of weekdays: {weekdays}")
    day = local_day(table, zone, after_utc)
    while True:  # ends at the latest where the table does
        if weekdays is None or weekday(day) in weekdays:
            midnight = day * DAY_S
            reached = table.first_within(zone, midnight + time_of_day_s, midnight + DAY_S)
            if reached is not None and reached > after_utc:
                return reached
        day += 1


def first_from(table: ZoneTable, zone: str, utc: int, local_seconds: int) -> int:
    """Return the first instant at or after `utc` at which the zone's clock shows this local time or a later one.

    The clock may be behind again a moment later, where it is put back; whoever asks whether a date has come asks
    the date itself once more. Raises UnknownZone; OutOfRange when the table does not have `utc` or that instant.
    """
    starts, offsets = table.offsets_of(zone)
    if not table.from_utc <= utc < table.until_utc:
        raise OutOfRange(f"{utc} s UTC")
    for index in range(bisect_right(starts, utc) - 1, len(offsets)):
        begin = max(utc, starts[index], local_seconds - offsets[index])
        if begin < starts[index + 1]:
            return begin
    raise OutOfRange(f"{local_seconds} s local time")
