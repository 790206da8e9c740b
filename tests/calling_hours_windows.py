"""Hours as the oracle reads them, as windows of the kernel; and the kernel's answer in the oracle's words."""

from __future__ import annotations

from datetime import date, timedelta
from functools import cache

from calling_hours_oracle import CLOSED, FORTNIGHT_S, OPEN, UNKNOWN, WEEK, Span, hours_of

from dee_appliance.kernel.e1.civil_time import (
    CalendarEnded,
    OutOfRange,
    UnknownZone,
    Window,
    ZoneTable,
    format_utc,
    guarded,
    next_open,
    open_at,
)

EPOCH = date(1970, 1, 1).toordinal()
SECOND = timedelta(seconds=1)


@cache
def window_of(text: str) -> Window:
    """The window that a text of hours means."""
    hours = hours_of(text)
    return Window(
        weekly=guarded(tuple(_spans(hours.week[name]) for name in WEEK), hours.guard // SECOND),
        closed_days=tuple(day.toordinal() - EPOCH for day in sorted(hours.closed)),
        dates=tuple((day.toordinal() - EPOCH, _spans(hours.own[day])) for day in sorted(hours.own)),
        closed_until=None if hours.until is None else hours.until.toordinal() - EPOCH,
    )


def _spans(spans: list[Span]) -> tuple[tuple[int, int], ...]:
    return tuple((opens // SECOND, closes // SECOND) for opens, closes in spans)


def state_of(table: ZoneTable, zone: str, window: Window, utc: int) -> int:
    """Whether the kernel calls a window OPEN or CLOSED, or UNKNOWN since its calendar has ended."""
    try:
        return OPEN if open_at(table, zone, window, utc) else CLOSED
    except CalendarEnded:
        return UNKNOWN


def answer(
    table: ZoneTable, zones: tuple[str, ...], windows: tuple[Window, ...], utc: int, horizon_s: int = FORTNIGHT_S
) -> str:
    """`allow`, `hold INSTANT`, `never`, or `deny CODE`."""
    try:
        found = next_open(table, zones, windows, utc, horizon_s)
    except (UnknownZone, OutOfRange, CalendarEnded) as refusal:
        return f"deny {refusal.code}"
    if found is None:
        return "never"
    return "allow" if found == utc else f"hold {format_utc(found)}"
