"""Every quarter of an hour of two years in one zone: what the kernel says beside what the oracle says.

The oracle's side is brute force: what `zoneinfo` shows at every quarter, and from that, by a table of the state at each local
quarter, whether it is open; the next permitted instant is the next quarter at which it is. That is exact, as offsets, changes
and all hours here fall on quarters (the sweep checks that the clocks do). The kernel is asked at every quarter whether each of
`HOURS` is open, and for the next permitted instant of each of `QUESTIONS` on both sides of every change.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime
from functools import lru_cache
from typing import NamedTuple

from calling_hours_oracle import CLOSED, FORTNIGHT_S, OPEN, UNKNOWN, clock_of, quarters
from calling_hours_windows import answer, state_of, window_of

from dee_appliance.kernel.e1.civil_time import ZoneTable

QUARTER_S = 900
QUARTERS_A_DAY = 96
BEGINS = int(datetime(2026, 1, 1, tzinfo=UTC).timestamp())
WEEK_S = 7 * 86_400
WEEKS = 105  # the last of them begins in 2027
FORTNIGHT = FORTNIGHT_S // QUARTER_S

HOURS = {
    "daily": "Mon-Sun 08:00-21:00",
    "over midnight": "Mon-Fri 20:00-26:00; Sat 22:00-28:30; closed 2026-04-04 2026-10-25 2027-03-14",
    "split": "Mon-Fri 10:00-13:00 14:00-20:00; Sat 10:00-13:00",
    "night hours": "Mon-Sun 00:00-01:30 02:15-03:00 23:00-24:00",
    "holidays": (
        "Mon-Sat 09:00-19:00; closed 2026-01-01 2026-04-03 2026-04-06 2026-07-03 2026-12-25 2026-12-26 2027-01-01 2027-03-26 "
        "2027-03-29 2027-07-05; until 2027-12-20"
    ),
    "half-days": (
        "Mon-Fri 08:00-20:00; on 2026-03-08 01:00-04:00; on 2026-03-29 00:00-12:00; on 2026-10-25 00:30-02:30; on 2026-11-01 "
        "01:00-03:00; on 2026-12-24 09:00-12:00; on 2026-12-31; on 2027-02-10 18:00-27:00; on 2027-12-24 09:00-12:00; closed "
        "2026-12-25 2027-12-25"
    ),
    "person": "Mon-Fri 12:00-18:00; Sat 10:00-14:00",
}


class Question(NamedTuple):
    """Windows that must all be open in the zone in question and in `others`."""

    hours: tuple[str, ...]
    others: tuple[str, ...] = ()


QUESTIONS = {
    **{name: Question((name,)) for name in HOURS if name != "person"},
    "law and person": Question(("daily", "holidays", "person")),
    "several zones": Question(("daily",), ("America/New_York", "Europe/London")),
}
FIRST_DATE = date(2025, 12, 30)
DAYS = WEEKS * 7 + 2 + 24


class Difference(NamedTuple):
    """Where kernel and oracle disagree: at an instant, about an entry of HOURS or of QUESTIONS."""

    zone: str
    question: str
    utc: int
    expected: str
    found: str


class Tally(NamedTuple):
    """How often the kernel was asked, and what differed."""

    states: int
    searches: int
    differences: list[Difference]


@lru_cache(maxsize=512)
def _clock_quarters(zone: str, week: int) -> tuple[int, ...]:
    """What the zone's clock shows at every quarter of a week: quarters since FIRST_DATE."""
    shown = []
    for utc in range(BEGINS + week * WEEK_S, BEGINS + (week + 1) * WEEK_S, QUARTER_S):
        clock = clock_of(zone, utc)
        assert clock.minute % 15 == clock.second == 0, (zone, utc)
        day = clock.toordinal() - FIRST_DATE.toordinal()
        shown.append(day * QUARTERS_A_DAY + clock.hour * 4 + clock.minute // 15)
    return tuple(shown)


@lru_cache(maxsize=2048)
def _states(zone: str, name: str, week: int) -> bytes:
    known = quarters(HOURS[name], FIRST_DATE, DAYS)
    return bytes([known[shown] for shown in _clock_quarters(zone, week)])


def _common(parts: list[bytes]) -> bytes:
    """The state of all: closed where one is, otherwise unknown where one is."""
    if len(parts) == 1:
        return parts[0]
    return bytes(CLOSED if CLOSED in at else UNKNOWN if UNKNOWN in at else OPEN for at in zip(*parts, strict=True))


def _expected(states: bytes, at: int) -> int | None:
    """The first quarter within a fortnight that is not closed."""
    return next((index for index in range(at, at + FORTNIGHT) if states[index] != CLOSED), None)


def spread(zones: int, weeks_asked: int, seed: int) -> list[tuple[int, int]]:
    """So many different (index of a zone, week), spread evenly over all zones and weeks, in order."""
    every = zones * WEEKS
    step = next(prime for prime in (7919, 7927, 7933) if every % prime)
    return sorted(divmod((seed + number * step) % every, WEEKS) for number in range(min(weeks_asked, every)))


def sweep_week(table: ZoneTable, zone: str, week: int) -> Tally:
    """Compare everything in one zone and week."""
    differences = [*_state_differences(table, zone, week)]
    searches = 0
    for name, question in QUESTIONS.items():
        states = b"".join(
            _common([_states(one, hours, later) for one in (zone, *question.others) for hours in question.hours])
            for later in (week, week + 1, week + 2)
        )
        windows = tuple(window_of(HOURS[hours]) for hours in question.hours)
        for at in _turning_points(states):
            searches += 1
            utc = BEGINS + week * WEEK_S + at * QUARTER_S
            expected, found = _answer(states, at, utc), answer(table, (zone, *question.others), windows, utc)
            if found != expected:
                differences.append(Difference(zone, name, utc, expected, found))
    return Tally(len(HOURS) * WEEK_S // QUARTER_S, searches, differences)


def _state_differences(table: ZoneTable, zone: str, week: int) -> Iterator[Difference]:
    for name, text in HOURS.items():
        window = window_of(text)
        utc = BEGINS + week * WEEK_S
        for expected in _states(zone, name, week):
            found = state_of(table, zone, window, utc)
            if found != expected:
                yield Difference(zone, name, utc, str(expected), str(found))
            utc += QUARTER_S


def _turning_points(states: bytes) -> list[int]:
    """The first quarter of the week, and those on both sides of every change in it."""
    changes = [at for at in range(1, WEEK_S // QUARTER_S) if states[at] != states[at - 1]]
    return sorted({0, *changes, *(at - 1 for at in changes)})


def _answer(states: bytes, at: int, utc: int) -> str:
    later = _expected(states, at)
    if later is None:
        return "never"
    if states[later] == UNKNOWN:
        return "deny calendar_ended"
    opens = datetime.fromtimestamp(utc + (later - at) * QUARTER_S, UTC)
    return "allow" if later == at else f"hold {opens:%Y-%m-%dT%H:%M:%SZ}"
