"""Calling and quiet hours: open in every zone where the contact may plausibly be; an unknown zone is denied."""

from __future__ import annotations

from dee_appliance.kernel.e1.civil_time import (
    CalendarEnded,
    OutOfRange,
    UnknownZone,
    Window,
    next_open,
    open_at,
)
from dee_appliance.kernel.e1.policy import WindowRule
from dee_appliance.kernel.e1.rules.question import Question, RuleAnswer

KEPT = 100
"""How many answers are kept: many sends ask at the same tick, in few zones."""

HORIZON_S = 14 * 86_400
"""A window that does not open within 14 days is as good as closed: the send is denied, not parked for ever."""


def ask(rule: WindowRule, question: Question) -> RuleAnswer:
    """Pass inside the hours, hold outside of them, deny where none is known. The gate searches the end of the hold."""
    zones = _zones(rule, question)
    if not zones:
        return RuleAnswer(verdict="deny", reason="unknown_zone")
    if rule.personal:
        return _looked_up(rule, question, zones)
    kept, key = question.book.open_now, (rule.id, zones, question.zones.digest, question.tick)
    answer = kept.get(key)
    if not isinstance(answer, RuleAnswer):
        if len(kept) >= KEPT:
            kept.clear()
        answer = kept[key] = _looked_up(rule, question, zones)
    return answer


def _looked_up(rule: WindowRule, question: Question, zones: tuple[str, ...]) -> RuleAnswer:
    values: dict[str, object] = {"zones": list(zones)}
    saw: dict[str, object] = {"zones": question.zones.digest}
    try:
        for window in _windows(rule, question):
            for zone in zones:
                if not open_at(question.zones, zone, window, question.tick):
                    return RuleAnswer(verdict="hold", reason="outside_hours", values=values, saw=saw)
    except (UnknownZone, OutOfRange):
        return RuleAnswer(verdict="deny", reason="unknown_zone", values=values)
    except CalendarEnded:
        return RuleAnswer(verdict="deny", reason="calendar_ended", values=values, saw=saw)
    return RuleAnswer(verdict="pass", values=values, saw=saw)


def next_at(rule: WindowRule, question: Question, utc: int) -> int | None:
    """Return the first instant from `utc` on at which the rule passes; None if there is none within the horizon.

    A rule that ends meanwhile passes from its end on. Raises UnknownZone, OutOfRange, CalendarEnded.
    """
    book, places = question.book, question.places
    if not book.in_force(rule, question.zones, places, utc):
        return utc
    found = next_open(question.zones, _zones(rule, question), _windows(rule, question), utc, HORIZON_S)
    _, end = book.force(rule, question.zones, places)
    if end is not None and (found is None or found >= end):
        return end if end - utc < HORIZON_S else None
    return found


def _zones(rule: WindowRule, question: Question) -> tuple[str, ...]:
    return (rule.zone,) if rule.zone else question.places.zones


def _windows(rule: WindowRule, question: Question) -> tuple[Window, ...]:
    window = question.book.windows[rule.id]
    own = question.contact.facts.get("hours") if rule.personal else None
    if not isinstance(own, list):
        return (window,)
    weekly = tuple(tuple((opens, closes) for opens, closes in day) for day in own)
    return window, Window(weekly=weekly)
