"""Civil time: what the clocks of a zone show at an instant, and when a set of calling windows is open next.

Here live the calendar, the zone table (compiled elsewhere, stored in the file, named by digest in every
decision), opening windows, and the two searches of the engine: the next permitted instant and the next local
time of day. Which windows the law asks for, effective dates and everything about a contact belong to the
gate.

Rules a change must keep:

- An instant is an integer, UTC seconds since 1970-01-01 without leap seconds; so is a local time, which
  counts the seconds that the zone's clock and calendar show. A day is days since 1970-01-01.
- Instant to local time is total and single-valued, the other way is neither. Every question is therefore
  decided on instants, so that gaps, overlaps and skipped dates need no rule of their own: what a clock never
  shows is never open, what it shows twice is open twice.
- Only the offset from UTC counts. Whether a zone calls it summer time is not in the table.
- Intervals are half-open, instants and offsets exact; no search steps through time.
- Outside the table nothing is guessed: `UnknownZone` and `OutOfRange` are raised, and the caller must not
  send.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from typing import ClassVar, NamedTuple

import msgspec

from dee_appliance.errors import EvidenceError, Refused
from dee_appliance.kernel.e1.encoding import NotCanonical, canonical, document_digest

DAY_S = 86_400
WEEKDAYS = 7
DEFAULT_HORIZON_S = 14 * DAY_S

# --- The calendar (proleptic Gregorian) -----------------------------------------------------------

_DAYS_PER_ERA = 146_097  # 400 years
_EPOCH_SHIFT = 719_468  # days from 0000-03-01 to 1970-01-01
_MONTH_DAYS = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


def civil_from_days(days: int) -> tuple[int, int, int]:
    """Return (year, month, day of month) of a day number.

    Years are counted from 1 March, so that the leap day is the last of its year and months fall on a straight
    line (Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms").
    """
    era, day_of_era = divmod(days + _EPOCH_SHIFT, _DAYS_PER_ERA)
    year_of_era = (day_of_era - day_of_era // 1460 + day_of_era // 36_524 - day_of_era // 146_096) // 365
    day_of_year = day_of_era - (365 * year_of_era + year_of_era // 4 - year_of_era // 100)
    march_month = (5 * day_of_year + 2) // 153
    day = day_of_year - (153 * march_month + 2) // 5 + 1
    month = march_month + 3 if march_month < 10 else march_month - 9
    return year_of_era + era * 400 + (month <= 2), month, day


def days_from_civil(year: int, month: int, day: int) -> int:
    """Return the day number of a date. Raises ValueError if the calendar has no such date."""
    if not 1 <= month <= 12:
        raise ValueError(f"no month {month}")
    leap_day = month == 2 and (year % 4 == 0 and (year % 100 != 0 or year % 400 == 0))
    if not 1 <= day <= _MONTH_DAYS[month - 1] + leap_day:
        raise ValueError(f"month {month} of {year} has no day {day}")
    era, year_of_era = divmod(year - (month <= 2), 400)
    day_of_year = (153 * (month - 3 if month > 2 else month + 9) + 2) // 5 + day - 1
    day_of_era = year_of_era * 365 + year_of_era // 4 - year_of_era // 100 + day_of_year
    return era * _DAYS_PER_ERA + day_of_era - _EPOCH_SHIFT


def weekday(days: int) -> int:
    """Return the weekday of a day number: 0 is Monday, 6 is Sunday."""
    return (days + 3) % WEEKDAYS


# --- Text (ISO 8601 / RFC 3339, whole seconds, years 0001 to 9999) --------------------------------


def parse_iso_date(text: str) -> int:
    """Return the day number of `YYYY-MM-DD`.

    Raises ValueError for any other form or a date that does not exist.
    """
    if len(text) != 10 or text[4] != "-" or text[7] != "-":
        raise ValueError(f"not a date as YYYY-MM-DD: {text!r}")
    year, month, day = _digits(text, text[:4]), _digits(text, text[5:7]), _digits(text, text[8:])
    if year == 0:
        raise ValueError(f"there is no year 0: {text!r}")
    return days_from_civil(year, month, day)


def parse_utc(text: str) -> int:
    """Return the instant of `YYYY-MM-DDTHH:MM:SSZ`.

    Raises ValueError; a leap second (`:60`) is not on the engine's axis.
    """
    if len(text) != 20 or text[10] != "T" or text[13] != ":" or text[16] != ":" or text[19] != "Z":
        raise ValueError(f"not an instant as YYYY-MM-DDTHH:MM:SSZ: {text!r}")
    day = parse_iso_date(text[:10])
    hour, minute, second = _digits(text, text[11:13]), _digits(text, text[14:16]), _digits(text, text[17:19])
    if hour > 23 or minute > 59 or second > 59:
        raise ValueError(f"no such time of day: {text!r}")
    return day * DAY_S + hour * 3600 + minute * 60 + second


def format_utc(utc: int) -> str:
    """Return an instant as `2026-11-23T09:00:00Z`. Raises ValueError outside the years 0001 to 9999."""
    return _clock_text(utc) + "Z"


def format_local(table: ZoneTable, zone: str, utc: int) -> str:
    """Return an instant as the zone's clock shows it, `2026-11-23T01:00:00-08:00`.

    Raises UnknownZone, OutOfRange.
    """
    offset = table.offset_at(zone, utc)
    sign = "-" if offset < 0 else "+"
    minutes, seconds = divmod(abs(offset), 60)
    # No zone has had seconds in its offset since 1972; RFC 3339 has no form for them, Python's is taken.
    tail = f":{seconds:02d}" if seconds else ""
    return f"{_clock_text(utc + offset)}{sign}{minutes // 60:02d}:{minutes % 60:02d}{tail}"


def _digits(text: str, part: str) -> int:
    if not (part.isascii() and part.isdigit()):
        raise ValueError(f"not a number at {part!r} in {text!r}")
    return int(part)


def _clock_text(seconds: int) -> str:
    day, second = divmod(seconds, DAY_S)
    year, month, day_of_month = civil_from_days(day)
    if not 1 <= year <= 9999:
        raise ValueError(f"no four-digit year for {seconds} s")
    minute, second = divmod(second, 60)
    date = f"{year:04d}-{month:02d}-{day_of_month:02d}"
    return f"{date}T{minute // 60:02d}:{minute % 60:02d}:{second:02d}"


# --- The zone table -------------------------------------------------------------------------------


class UnknownZone(Refused):
    """The zone table has no zone of this name, or no zone was given at all."""

    code: ClassVar[str] = "unknown_zone"

    def __init__(self, zone: str) -> None:
        super().__init__(
            f"unknown time zone {zone!r}" if zone else "no time zone is known",
            hint="use an IANA zone id that is in the file's zone table, such as America/New_York",
        )
        self.zone = zone


class OutOfRange(Refused):
    """The question leaves the years for which the zone table was compiled."""

    code: ClassVar[str] = "zone_table_range"

    def __init__(self, what: str) -> None:
        super().__init__(f"the zone table does not cover {what}", hint="load a newer zone table")


class ZoneDocument(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The zone table as the file stores it.

    `functions` are the distinct histories of an offset over [`from`, `until`), each a list of (from_utc,
    offset_s east of UTC) whose first row starts at `from`; `zones` names the one each zone follows; `version`
    is the IANA release.
    """

    version: str
    from_utc: int = msgspec.field(name="from")
    until_utc: int = msgspec.field(name="until")
    functions: tuple[tuple[tuple[int, int], ...], ...]
    zones: dict[str, int]


class Offsets(NamedTuple):
    """The offset of a zone over time.

    `offsets[i]` holds on [`starts[i]`, `starts[i + 1]`); the last start ends the table.
    """

    starts: tuple[int, ...]
    offsets: tuple[int, ...]


class ZoneTable:
    """The zone rules one file decides by.

    Immutable; `digest` is the digest of the document it was built from.
    """

    __slots__ = ("_zones", "digest", "from_utc", "until_utc", "version")

    def __init__(self, document: object) -> None:
        """Build from a decoded document value.

        Raises EvidenceError when the value is not a well-formed table.
        """
        try:
            parsed = msgspec.convert(document, ZoneDocument)
            self.digest = document_digest("zones", canonical(parsed))
        except (msgspec.ValidationError, NotCanonical) as error:
            raise EvidenceError(f"the zone table is malformed: {error}") from error
        functions = [_checked_function(parsed, rows) for rows in parsed.functions]
        if any(not 0 <= index < len(functions) for index in parsed.zones.values()):
            raise EvidenceError("the zone table is malformed: a zone names a function that is not there")
        self.version = parsed.version
        self.from_utc = parsed.from_utc
        self.until_utc = parsed.until_utc
        self._zones = {zone: functions[parsed.zones[zone]] for zone in sorted(parsed.zones)}

    def zones(self) -> tuple[str, ...]:
        """Return the ids of all zones, sorted."""
        return tuple(self._zones)

    def offset_at(self, zone: str, utc: int) -> int:
        """Return the seconds by which the zone's clock is ahead of UTC (east is positive).

        Raises UnknownZone, OutOfRange.
        """
        starts, offsets = self.offsets_of(zone)
        if not self.from_utc <= utc < self.until_utc:
            raise OutOfRange(f"{utc} s UTC")
        return offsets[bisect_right(starts, utc) - 1]

    def local_at(self, zone: str, utc: int) -> int:
        """Return the local time at an instant, as seconds since 1970-01-01T00:00 local.

        Raises UnknownZone, OutOfRange.
        """
        return utc + self.offset_at(zone, utc)

    def utc_of_local(self, zone: str, local_seconds: int) -> int:
        """Return the first instant at which the zone's clock shows this local time or a later one.

        A local time in a gap gives the first instant after the gap, one that is shown twice gives the
        earlier. Raises UnknownZone; OutOfRange when that instant is not, or cannot be known to be, inside the
        table.
        """
        starts, offsets = self.offsets_of(zone)
        found = self.first_within(zone, local_seconds, None)
        if found is None or local_seconds < starts[0] + offsets[0]:  # shown before the table begins
            raise OutOfRange(f"{local_seconds} s local time")
        return found

    def first_within(self, zone: str, local_from: int, local_until: int | None) -> int | None:
        """Return the table's first instant whose local time is in [local_from, local_until), else None.

        `local_until=None` sets no upper end. Raises UnknownZone; OutOfRange when it may be shown after the
        table's end.
        """
        starts, offsets = self.offsets_of(zone)
        # No offset reaches a day, so a segment that ends a day before this local time by UTC never shows it.
        for index in range(max(bisect_right(starts, local_from - DAY_S) - 1, 0), len(offsets)):
            offset = offsets[index]
            begin = max(starts[index], local_from - offset)
            end = starts[index + 1]
            if local_until is not None:
                if begin >= local_until + DAY_S:
                    return None
                end = min(end, local_until - offset)
            if begin < end:
                return begin
        if local_until is None or local_until > starts[-1] + offsets[-1]:
            raise OutOfRange(f"{local_from} s local time")
        return None

    def offsets_of(self, zone: str) -> Offsets:
        """Return the offsets of a zone over the whole table. Raises UnknownZone."""
        found = self._zones.get(zone)
        if found is None:
            raise UnknownZone(zone)
        return found


def _checked_function(document: ZoneDocument, rows: tuple[tuple[int, int], ...]) -> Offsets:
    starts = (*(start for start, _ in rows), document.until_utc)
    offsets = tuple(offset for _, offset in rows)
    covering = starts[0] == document.from_utc and _ascend(starts)
    if not offsets or not covering or any(abs(offset) >= DAY_S for offset in offsets):
        raise EvidenceError("the zone table is malformed: a function does not cover its years in order")
    return Offsets(starts, offsets)


def _ascend(numbers: tuple[int, ...]) -> bool:
    return all(numbers[index] < numbers[index + 1] for index in range(len(numbers) - 1))


def local_day(table: ZoneTable, zone: str, utc: int) -> int:
    """Return the local date at an instant, as a day number. Raises UnknownZone, OutOfRange."""
    return table.local_at(zone, utc) // DAY_S


def day_start(table: ZoneTable, zone: str, day: int) -> int:
    """Return the first instant whose local date is this day or a later one.

    A day need not have a midnight, nor exist at all. Raises UnknownZone, OutOfRange.
    """
    return table.utc_of_local(zone, day * DAY_S)


# --- Opening windows ------------------------------------------------------------------------------


class Window(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """When the clock of a place shows permitted hours.

    `weekly` holds for each weekday, Monday first, the spans (open_s, close_s) that begin on it, in seconds of
    the local day, half-open; a span that closes after 86400 goes on into the next day. `closed_days` are
    local dates (day numbers, ascending) without hours: nothing begins on such a day, and what began the day
    before ends at its midnight. Spans may overlap.
    """

    weekly: tuple[tuple[tuple[int, int], ...], ...]
    closed_days: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        """Raise ValueError for a window that has no meaning."""
        if len(self.weekly) != WEEKDAYS:
            raise ValueError("a window needs the hours of seven weekdays, Monday first")
        for spans in self.weekly:
            for opens, closes in spans:
                if not (0 <= opens < DAY_S and opens < closes <= 2 * DAY_S):
                    raise ValueError(f"not a span of a day: {opens} s to {closes} s")
        if not _ascend(self.closed_days):
            raise ValueError("closed days must ascend")


def open_at(table: ZoneTable, zone: str, window: Window, utc: int) -> bool:
    """Tell whether the window is open at an instant by the zone's clock. Raises UnknownZone, OutOfRange."""
    day, second = divmod(utc + table.offset_at(zone, utc), DAY_S)
    if _is_closed(window, day):
        return False
    today = (day + 3) % WEEKDAYS
    for opens, closes in window.weekly[today]:
        if opens <= second < closes:
            return True
    spilling = any(second + DAY_S < closes for _, closes in window.weekly[today - 1])
    return spilling and not _is_closed(window, day - 1)


def next_open(
    table: ZoneTable,
    zones: tuple[str, ...],
    windows: tuple[Window, ...],
    utc: int,
    horizon_s: int = DEFAULT_HORIZON_S,
) -> int | None:
    """Return the first instant in [utc, utc + horizon_s) at which every window is open everywhere, else None.

    Without windows nothing forbids `utc` itself. Raises UnknownZone, also when no zone is given at all;
    OutOfRange when the table ends before the answer is known.
    """
    if not zones:
        raise UnknownZone("")
    limit = utc + horizon_s
    pairs = [(table.offsets_of(zone), window) for zone in zones for window in windows]
    if not table.from_utc <= utc < table.until_utc:
        raise OutOfRange(f"{utc} s UTC")
    # Each pair moves the candidate to its own next opening; once all pairs in a row leave it alone, it is the
    # answer. The candidate never passes an instant at which all are open, because no pair can.
    candidate, agreeing, turn = utc, 0, 0
    while agreeing < len(pairs):
        offsets, window = pairs[turn]
        opening = _next_opening(offsets, window, candidate, limit)
        if opening is None:
            return None
        agreeing = agreeing + 1 if opening == candidate else 1
        candidate = opening
        turn = (turn + 1) % len(pairs)
    return candidate if candidate < limit else None


def _next_opening(zone: Offsets, window: Window, utc: int, limit: int) -> int | None:
    """Return the first instant in [utc, limit) at which one window is open in one zone, else None.

    Within a segment of constant offset the clock runs evenly, so the search goes from segment to segment.
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
    """Return the first local second in [local, stop) that the window permits, on a clock that runs evenly."""
    day = local // DAY_S - 1  # a span of the day before may still be open
    while day * DAY_S < stop:
        spans = window.weekly[(day + 3) % WEEKDAYS]
        if spans and not _is_closed(window, day):
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
    return None


def _is_closed(window: Window, day: int) -> bool:
    closed = window.closed_days
    index = bisect_left(closed, day)
    return index < len(closed) and closed[index] == day


# --- Local times of day ---------------------------------------------------------------------------


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
