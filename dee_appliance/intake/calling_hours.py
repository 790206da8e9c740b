"""The hours in which one person may be called, as people write them: "Mon-Fri 12:00-18:00; Sat 10:00-14:00".

Lives here: reading and writing that text. Does not live here: the hours of plans and policies (authoring), what is done with the
hours (the gate). Rules a change must keep: what is written is read back as the same spans; nothing ambiguous is guessed.
"""

from __future__ import annotations

import re
from typing import Final, TypeAlias

from dee_appliance.authoring.notation import (
    DAY_S,
    NotationError,
    format_second_of_day,
    format_weekdays,
    merged_spans,
    parse_weekdays,
)
from dee_appliance.intake.invalid import InvalidValue

Weekly: TypeAlias = tuple[tuple[tuple[int, int], ...], ...]
"""For each weekday, Monday first, the half-open spans (open_s, close_s) that begin on it; one that closes after
86400 goes on into the next day."""

MAX_HOURS_CHARS: Final = 500

_GROUP: Final = re.compile(r"(?P<days>[a-z ,-]+?)\s*(?P<spans>\d.*)", re.ASCII | re.IGNORECASE)
_SPAN: Final = re.compile(r"(\d{1,2}):(\d{2})\s*-\s*(\d{1,2}):(\d{2})", re.ASCII)
_DASHES: Final = dict.fromkeys(range(0x2010, 0x2016), "-")


def parse_calling_hours(text: str) -> Weekly:
    """Return the weekly hours of a text; days that it does not name have none.

    Groups are parted by ";", the spans of a group by ",". Hours are 0:00 to 24:00; a span that closes at or before its opening
    goes on into the next day. Raises InvalidValue(calling_hours).
    """
    spans: list[list[tuple[int, int]]] = [[] for _ in range(7)]
    if len(text) > MAX_HOURS_CHARS:
        raise _unreadable(f"at most {MAX_HOURS_CHARS} characters")
    for group in text.translate(_DASHES).strip().removesuffix(";").split(";"):
        found = _GROUP.fullmatch(group.strip())
        if found is None:
            raise _unreadable(f"“{group.strip()}” is not days and hours")
        try:
            days = parse_weekdays(found["days"])
        except NotationError as problem:
            raise _unreadable(str(problem)) from None
        for written in found["spans"].split(","):
            span = _span(written.strip())
            for day in days:
                spans[day].append(span)
    return tuple(_in_order(day) for day in spans)


def format_calling_hours(weekly: Weekly) -> str:
    """Write weekly hours in the one form that is kept; parse_calling_hours reads it back."""
    days: dict[tuple[tuple[int, int], ...], list[int]] = {}
    for day, spans in enumerate(weekly):
        if spans:
            days.setdefault(spans, []).append(day)
    return "; ".join(f"{format_weekdays(of)} {', '.join(map(_written, spans))}" for spans, of in days.items())


def _span(text: str) -> tuple[int, int]:
    found = _SPAN.fullmatch(text)
    if found is None:
        raise _unreadable(f"“{text}” is not a span of hours")
    open_h, open_m, close_h, close_m = map(int, found.groups())
    opens, closes = open_h * 3_600 + open_m * 60, close_h * 3_600 + close_m * 60
    if max(open_m, close_m) > 59 or opens >= DAY_S or closes > DAY_S or opens == closes:
        raise _unreadable(f"“{text}” is not a span of hours")
    return opens, closes if closes > opens else closes + DAY_S


def _in_order(spans: list[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
    """Join what overlaps within the day; a span into the next day stays as it is, so that it can be written again."""
    within = merged_spans(span for span in spans if span[1] <= DAY_S)
    over = {span for span in spans if span[1] > DAY_S}
    return tuple(sorted((*within, *over)))


def _written(span: tuple[int, int]) -> str:
    opens, closes = span
    return f"{format_second_of_day(opens)}-{format_second_of_day(closes - DAY_S if closes > DAY_S else closes)}"


def _unreadable(why: str) -> InvalidValue:
    return InvalidValue(
        "calling_hours",
        f'{why}; write days and hours, such as "Mon-Fri 12:00-18:00; Sat 10:00-14:00"',
        field="calling_hours",
    )
