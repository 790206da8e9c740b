"""Calling hours: the window must be open in every zone where the contact may plausibly be; an unknown zone is denied."""

from __future__ import annotations

from functools import lru_cache

from dee_appliance.kernel.e1.civil_time import (
    OutOfRange,
    UnknownZone,
    Window,
    next_open,
    open_at,
    parse_iso_date,
)
from dee_appliance.kernel.e1.plan import Hours
from dee_appliance.kernel.e1.policy import WindowRule
from dee_appliance.kernel.e1.rules.question import Question, RuleAnswer
from dee_appliance.kernel.e1.run import Contact

HORIZON_S = 14 * 86_400
"""A window that does not open within 14 days is as good as closed: the send is denied, not parked for ever."""


def plausible_zones(contact: Contact) -> tuple[str, ...]:
    """Return every zone that the contact's declared zone, address or number speaks for, sorted."""
    known = contact.facts.get("zones")
    if not isinstance(known, dict):
        return ()
    names: list[str] = []
    for basis in sorted(known):
        names.extend(name for name in known[basis] if name not in names)
    return tuple(sorted(names))


@lru_cache(maxsize=1024)
def window_of(hours: Hours) -> Window:
    """Return the window in the form that civil time computes with."""
    closed = tuple(sorted(dict.fromkeys(parse_iso_date(day) for day in hours.closed_dates)))
    return Window(weekly=hours.weekly, closed_days=closed)


def ask(rule: WindowRule, question: Question) -> RuleAnswer:
    """Pass inside the hours, hold until the next instant inside every rule's hours in every zone, deny if there is none."""
    zones = plausible_zones(question.contact)
    if not zones:
        return RuleAnswer(verdict="deny", reason="unknown_zone")
    window = window_of(rule.hours)
    values: dict[str, object] = {"zones": list(zones)}
    try:
        if all(open_at(question.zones, zone, window, question.tick) for zone in zones):
            return RuleAnswer(verdict="pass", values=values, saw={"zones": question.zones.digest})
        windows = tuple(window_of(hours) for hours in question.hours) or (window,)
        until = next_open(question.zones, zones, windows, question.tick, HORIZON_S)
    except (UnknownZone, OutOfRange):
        return RuleAnswer(verdict="deny", reason="unknown_zone", values=values)
    saw: dict[str, object] = {"zones": question.zones.digest}
    if until is None:
        return RuleAnswer(verdict="deny", reason="never_open", values=values, saw=saw)
    return RuleAnswer(verdict="hold", reason="outside_hours", until=until, values=values, saw=saw)
