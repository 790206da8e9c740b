"""The hours of a window and the holidays around them, from the written to the normal form.

A calendar is a list of dates that several rules share; in the normal form each rule holds its own dates, so that a pack means the
same whoever reads it. A half-day never opens what its weekday keeps closed. Plans write their hours with the same spans.
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping

import msgspec

from dee_appliance.authoring.finding import did_you_mean
from dee_appliance.authoring.normal_head import normal_hours
from dee_appliance.authoring.notation import NotationError, format_second_of_day, merged_spans, span_of_day
from dee_appliance.authoring.place import Place
from dee_appliance.authoring.positions import Path
from dee_appliance.authoring.written_pack import WrittenCalendar
from dee_appliance.authoring.written_rule import WrittenDuty, WrittenHalfDay, WrittenWindow
from dee_appliance.kernel.e1.plan import Hours

Spans = tuple[tuple[int, int], ...]

DAYS_LOOKED_AT = 3_660


class Calendar(msgspec.Struct, frozen=True, kw_only=True):
    """Closed dates and half-days (ISO text), up to the date `until` ("": for ever); `source` says where they come from."""

    closed: tuple[str, ...] = ()
    half_days: dict[str, Spans] = {}
    until: str = ""
    source: str = ""


def normal_calendar(place: Place, written: WrittenCalendar) -> Calendar:
    """Turn a [[calendar]] into dates; a date twice, and a date after the end, are refused."""
    closed = _closed_dates(place, "dates", written.dates, written.until)
    half_days = _half_days(place, written.half_days or [], closed, written.until)
    if not written.source.strip():
        place.refuse(
            ("source",), "missing_source", "the dates come from nowhere", "say which law or list they are from"
        )
    return Calendar(closed=closed, half_days=half_days, until=written.until.isoformat(), source=written.source)


def window_hours(place: Place, written: WrittenWindow, calendars: Mapping[str, Calendar] | None) -> Hours:
    """Return the hours of a window with all its dates. `calendars` None: this file has none."""
    week = normal_hours(place, "hours", written.hours, []).weekly
    holidays = _named_calendars(place, written, calendars)
    if written.closed is not None and written.closed_until is not None:
        reason = "`closed_until` beside `closed`: the calendar says how far it goes"
        place.refuse(("closed_until",), "wrong_combination", reason, "leave `closed_until` out")
    dated = written.closed_dates or written.half_days
    if written.closed_until is not None and not dated and written.closed is None:
        reason = "`closed_until` without closed dates says nothing"
        place.refuse(("closed_until",), "wrong_combination", reason, "leave it out, or list `closed_dates`")
    closed = _closed_dates(place, "closed_dates", written.closed_dates or [], written.closed_until)
    closed = tuple(sorted({*closed, *(date for one in holidays for date in one.closed)}))
    own = _half_days(place, written.half_days or [], closed, written.closed_until)
    shared = {date: spans for one in holidays for date, spans in one.half_days.items()}
    half_days, shut = _within_their_weekdays(place, week, own, shared)
    until = min((one.until for one in holidays), default="")
    return Hours(
        weekly=week,
        closed_dates=tuple(sorted({*closed, *shut})),
        half_days={date: half_days[date] for date in sorted(half_days) if date not in closed},
        closed_until=until if written.closed_until is None else written.closed_until.isoformat(),
    )


def duty_dates(place: Place, written: WrittenDuty, calendars: Mapping[str, Calendar] | None) -> tuple[str, ...]:
    """Return the dates that are no business days; after the last of them every weekday is one, so a deadline is never late."""
    closed = _closed_dates(place, "closed_dates", written.closed_dates or [], None)
    named = _named_calendars(place, written, calendars)
    return tuple(sorted({*closed, *(date for one in named for date in one.closed)}))


def refuse_hours_that_never_open(place: Place, hours: Hours, effective_from: str, effective_until: str) -> None:
    """Refuse a window of which no day is open while the rule is in force and its dates are known."""
    if not effective_from or not (effective_until or hours.closed_until):
        return
    first = datetime.date.fromisoformat(effective_from)
    for ordinal in range(first.toordinal(), min(first.toordinal() + DAYS_LOOKED_AT, datetime.date.max.toordinal())):
        day = datetime.date.fromordinal(ordinal)
        text = day.isoformat()
        if (effective_until and text >= effective_until) or (hours.closed_until and text > hours.closed_until):
            reason = f"from {effective_from} on no day has hours while the rule is in force and its dates are known"
            place.refuse(("hours",), "never_open", reason, "correct the days or the dates")
            return
        if text not in hours.closed_dates and hours.half_days.get(text, hours.weekly[day.weekday()]):
            return


def refuse_long_guard(place: Place, hours: Hours, guard_s: int) -> None:
    """Refuse a guard that leaves nothing of some span."""
    spans = [span for day in (*hours.weekly, *hours.half_days.values()) for span in day]
    shortest = min(spans, key=lambda span: span[1] - span[0], default=None)
    if shortest is not None and guard_s >= shortest[1] - shortest[0]:
        shown = "-".join(format_second_of_day(second) for second in shortest)
        reason = f"the guard is as long as the hours {shown}, which would never open"
        place.refuse(("guard",), "never_open", reason, 'a guard is short, as in guard = "5m"')


def _named_calendars(
    place: Place, written: WrittenWindow | WrittenDuty, calendars: Mapping[str, Calendar] | None
) -> list[Calendar]:
    if written.closed is None:
        return []
    if calendars is None:
        reason = "`closed` names a calendar, and only packs have calendars"
        place.refuse(("closed",), "wrong_combination", reason, "list the dates in `closed_dates`")
        return []
    named = [(("closed",), written.closed)] if isinstance(written.closed, str) else _items("closed", written.closed)
    found = []
    for keys, name in named:
        if name in calendars:
            found.append(calendars[name])
        else:
            reason = f'the pack has no calendar "{name}"'
            place.refuse(keys, "unknown_calendar", reason, did_you_mean(name, calendars))
    return found


def _items(key: str, names: list[str]) -> list[tuple[Path, str]]:
    return [((key, index), name) for index, name in enumerate(names)]


def _closed_dates(place: Place, key: str, written: list[datetime.date], until: datetime.date | None) -> tuple[str, ...]:
    """Return the dates in order. One that is listed twice may be a slip for another one, so it is refused."""
    for index, date in enumerate(written):
        if date in written[:index]:
            place.refuse((key, index), "duplicate_value", f"{date} stands there twice", "was another date meant?")
        _refuse_after(place, (key, index), date, until)
    return tuple(sorted({date.isoformat() for date in written}))


def _half_days(
    place: Place, written: list[WrittenHalfDay], closed: tuple[str, ...], until: datetime.date | None
) -> dict[str, Spans]:
    days: dict[str, list[tuple[int, int]]] = {}
    for index, half in enumerate(written):
        keys = ("half_days", index)
        _refuse_after(place, keys, half.date, until)
        if half.date.isoformat() in closed:
            reason = f"{half.date} is closed as well"
            place.refuse(keys, "wrong_combination", reason, "it is a half-day or a closed date")
        try:
            span = span_of_day(half.opens, half.closes)
        except NotationError as error:
            reason = f"from {half.opens} to {half.closes} is not understood"
            place.refuse((*keys, "to"), "wrong_value", reason, str(error))
            continue
        days.setdefault(half.date.isoformat(), []).append(span)
    return {date: merged_spans(spans) for date, spans in days.items()}


def _refuse_after(place: Place, keys: Path, date: datetime.date, until: datetime.date | None) -> None:
    if until is not None and date > until:
        place.refuse(keys, "wrong_order", f"{date} is after {until}, where the dates end", "correct one of the two")


def _within_their_weekdays(
    place: Place, week: tuple[Spans, ...], own: dict[str, Spans], shared: dict[str, Spans]
) -> tuple[dict[str, Spans], list[str]]:
    """Cut half-days to the hours of their weekdays; return them, and the dates of calendars of which nothing is left."""
    cut: dict[str, Spans] = {}
    shut = []
    for date, spans in {**shared, **own}.items():
        left = _common(spans, week[datetime.date.fromisoformat(date).weekday()])
        if left:
            cut[date] = left
        elif date in own:
            place.refuse(
                ("half_days",), "never_open", f"{date} has no hours on that weekday", "list it in `closed_dates`"
            )
        else:
            shut.append(date)
    return cut, shut


def _common(one: Spans, other: Spans) -> Spans:
    pairs = [(max(a, c), min(b, d)) for a, b in one for c, d in other]
    return merged_spans((opens, closes) for opens, closes in pairs if opens < closes)
