"""When calling is allowed, found out by looking: the second opinion on the kernel's civil time, which it does not know.

Nothing is shared with what it judges. The zones are read by `zoneinfo` from the files of the tzdata package (never the host's),
dates and weekdays are those of `datetime`, and an answer about the future is found by asking every minute in turn, or every
second when the hours have seconds. Hours are written as a text:

    Mon-Fri 09:00-13:00 14:00-18:00; Sat 22:00-26:00; closed 2026-12-25 2027-01-01; on 2026-12-24 09:00-12:00; until 2027-12-31

A span belongs to the day on which it begins and may go on into the next (26:00). `on` gives a date spans of its own instead of
its weekday's; none means that it is closed. `until` is the last date of which is known whether it is closed; it matters only
where there are closed or special dates. `guard 5` keeps five minutes free before each close of the week, by the clock.
"""

from __future__ import annotations

import zoneinfo
from datetime import UTC, date, datetime, time, timedelta
from functools import cache, lru_cache
from importlib.resources import files
from math import gcd
from typing import NamedTuple

WEEK = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
ONE_DAY = timedelta(days=1)
MINUTE_S = 60
FORTNIGHT_S = 14 * 86_400
CLOSED, OPEN, UNKNOWN = 0, 1, 2

Span = tuple[timedelta, timedelta]


class Hours(NamedTuple):
    """Hours as written: spans of weekdays, closed dates, dates with spans of their own, the calendar's end, the guard."""

    week: dict[str, list[Span]]
    closed: frozenset[date]
    own: dict[date, list[Span]]
    until: date | None
    guard: timedelta


class NoSuchZone(Exception):
    """The tzdata package has no zone of this name, or none was named."""


@cache
def hours_of(text: str) -> Hours:
    """Read hours as the head of this module writes them."""
    week: dict[str, list[Span]] = {name: [] for name in WEEK}
    closed: set[date] = set()
    own: dict[date, list[Span]] = {}
    until, guard = None, timedelta()
    for part in text.split(";"):
        word, *rest = part.split() or [""]
        if word == "closed":
            closed |= {date.fromisoformat(day) for day in rest}
        elif word == "on":
            own[date.fromisoformat(rest[0])] = [_span(span) for span in rest[1:]]
        elif word == "until":
            until = date.fromisoformat(rest[0])
        elif word == "guard":
            guard = timedelta(minutes=int(rest[0]))
        elif word:
            first, _, last = word.partition("-")
            for name in WEEK[WEEK.index(first) : WEEK.index(last or first) + 1]:
                week[name] += [_span(span) for span in rest]
    return Hours(week, frozenset(closed), own, until, guard)


def _span(text: str) -> Span:
    opens, closes = text.split("-")
    return _time(opens), _time(closes)


def _time(text: str) -> timedelta:
    hours, minutes, seconds = (*map(int, text.split(":")), 0)[:3]
    return timedelta(hours=hours, minutes=minutes, seconds=seconds)


@cache
def zone_names() -> frozenset[str]:
    """Every zone of the tzdata package."""
    return frozenset(files("tzdata").joinpath("zones").read_text(encoding="ascii").split())


@cache
def _zone(name: str) -> zoneinfo.ZoneInfo:
    if name not in zone_names():
        raise NoSuchZone(name)
    with files("tzdata").joinpath("zoneinfo", *name.split("/")).open("rb") as file:
        return zoneinfo.ZoneInfo.from_file(file, key=name)


def clock_of(zone: str, utc: int) -> datetime:
    """What the clocks and calendars of a zone show at an instant, without an offset. Raises NoSuchZone."""
    return datetime.fromtimestamp(utc, _zone(zone)).replace(tzinfo=None)


def state(hours: Hours, clock: datetime) -> int:
    """Whether it is OPEN or CLOSED where the clock shows this, or UNKNOWN since the calendar has ended."""
    today = clock.date()
    if hours.until is not None and (hours.closed or hours.own) and today > hours.until:
        return UNKNOWN
    if today in hours.closed or hours.own.get(today) == []:
        return CLOSED
    for day in (today, today - ONE_DAY):
        if day in hours.closed:
            continue
        usual = day not in hours.own
        spans = hours.week[WEEK[day.weekday()]] if usual else hours.own[day]
        if _begun_on(day, spans, clock) and (not usual or _goes_on(hours, clock)):
            return OPEN
    return CLOSED


def _begun_on(day: date, spans: list[Span], clock: datetime) -> bool:
    midnight = datetime.combine(day, time.min)
    return any(midnight + opens <= clock < midnight + closes for opens, closes in spans)


def _goes_on(hours: Hours, clock: datetime) -> bool:
    """Whether a week without dates is open all the guard long, looked at every minute."""
    later = [clock + timedelta(minutes=minute) for minute in range(hours.guard // timedelta(minutes=1) + 1)]
    return not hours.guard or all(
        any(_begun_on(day, hours.week[WEEK[day.weekday()]], at) for day in (at.date(), at.date() - ONE_DAY))
        for at in later
    )


def all_states(zones: list[str], hours: list[Hours], utc: int) -> int:
    """OPEN if all are open in every zone; CLOSED if any is closed anywhere, whatever is unknown elsewhere."""
    found = [state(one, clock) for clock in [clock_of(zone, utc) for zone in zones] for one in hours]
    return CLOSED if CLOSED in found else UNKNOWN if UNKNOWN in found else OPEN


def grain_s(hours: list[Hours]) -> int:
    """The seconds between instants at which anything can change: a minute, unless the hours have seconds.

    Offsets are whole minutes since 1972.
    """
    spans = [span for one in hours for spans in (*one.week.values(), *one.own.values()) for span in spans]
    return gcd(MINUTE_S, *(int(end.total_seconds()) for span in spans for end in span))


def verdict(zones: list[str], hours: list[Hours], utc: int, covered: range, horizon_s: int = FORTNIGHT_S) -> str:
    """`allow`, `hold INSTANT`, `never`, or `deny CODE`, as the gate would answer at an instant.

    `covered` are the instants that the zone table covers.
    """
    if not zones or not zone_names().issuperset(zones):
        return "deny unknown_zone"
    step = grain_s(hours)
    # Nothing changes inside a step, so it is enough to look at the instant itself and where each later step begins.
    for later in (utc, *range(utc - utc % step + step, utc + horizon_s, step)):
        if later not in covered:
            return "deny zone_table_range"
        match all_states(zones, hours, later):
            case 1:
                return "allow" if later == utc else f"hold {datetime.fromtimestamp(later, UTC):%Y-%m-%dT%H:%M:%SZ}"
            case 2:
                return "deny calendar_ended"
            case _:
                pass
    return "never"


@lru_cache(maxsize=64)
def quarters(text: str, first: date, days: int) -> bytes:
    """The state of hours at every quarter of an hour of so many local days from a date on."""
    hours, start = hours_of(text), datetime.combine(first, time.min)
    return bytes(state(hours, start + timedelta(minutes=15 * quarter)) for quarter in range(96 * days))
