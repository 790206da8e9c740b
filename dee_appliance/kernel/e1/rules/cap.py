"""Frequency caps and cool-downs: so many attempts or happenings within a time; the next one waits until one has left.

Closed form: a cap of N passes exactly when the N-th most recent event that counts has left the window, and the next instant
at which it passes is when that event leaves. Local days are compared as dates, not as multiples of 86,400 s: in the week in
which clocks go back, 168 hours may lie inside seven consecutive local days.
"""

from __future__ import annotations

from dee_appliance.kernel.e1.civil_time import (
    DAY_S,
    OutOfRange,
    UnknownZone,
    ZoneTable,
    civil_from_days,
    days_from_civil,
    first_from,
    local_day,
)
from dee_appliance.kernel.e1.policy import HAPPENINGS, CapRule
from dee_appliance.kernel.e1.rulebook import is_of_address
from dee_appliance.kernel.e1.rules.question import ADDRESS_OF, Question, RuleAnswer
from dee_appliance.kernel.e1.run import NOTHING_SENT, Touch


def ask(rule: CapRule, question: Question) -> RuleAnswer:
    """Pass while fewer than the limit count; hold otherwise; deny where local days are asked for and no zone is known."""
    if (rule.days or rule.month) and not _zones(rule, question):
        return RuleAnswer(verdict="deny", reason="unknown_zone")
    events = counted(rule, question)
    cited: dict[str, object] = {"caps": [[rule.id, rule.limit, [one.entry for one in events[: rule.limit]]]]}
    try:
        passes = len(events) < rule.limit or _has_left(rule, question, events)
    except (UnknownZone, OutOfRange):
        return RuleAnswer(verdict="deny", reason="unknown_zone", saw=cited)
    if rule.days or rule.month:
        cited["zones"] = question.zones.digest
    return RuleAnswer(verdict="pass", saw=cited) if passes else RuleAnswer(verdict="hold", reason="cap", saw=cited)


def _has_left(rule: CapRule, question: Question, events: list[Touch]) -> bool:
    ticks = [one.tick for one in events]
    return leaves(rule, question.zones, _zones(rule, question), ticks, question.tick) == question.tick


def next_at(rule: CapRule, question: Question, utc: int) -> int | None:
    """Return the first instant from `utc` on at which the rule passes. Raises UnknownZone, OutOfRange."""
    book, places = question.book, question.places
    if not book.in_force(rule, question.zones, places, utc):
        return utc
    ticks = [one.tick for one in counted(rule, question)]
    found = leaves(rule, question.zones, _zones(rule, question), ticks, utc)
    _, end = book.force(rule, question.zones, places)
    return found if end is None else min(found, end)


def counted(rule: CapRule, question: Question) -> list[Touch]:
    """Return what counts, newest first."""
    return [one for one in question.history if _counts(rule, question, one)] if question.history else []


def _counts(rule: CapRule, question: Question, touch: Touch) -> bool:
    if touch.contact != question.contact.contact and not is_of_address(rule):
        return False
    if rule.counts:
        if touch.what not in rule.counts:
            return False
    elif touch.what in HAPPENINGS:
        return False
    if touch.outcome and (touch.outcome in NOTHING_SENT or touch.outcome in rule.excluded_outcomes):
        return False
    return all(_same(part, question, touch) for part in rule.scope if part != "contact")


def _same(part: str, question: Question, touch: Touch) -> bool:
    """Tell whether a touch is in the same scope as the send; what is not known of it may be the same."""
    match part:
        case "address":
            mine: object = question.contact.tokens.get(ADDRESS_OF[question.channel], "")
            other: object = touch.address
        case "plan":
            mine, other = question.plan.plan, touch.plan
        case "purpose":
            mine, other = question.plan.purpose, touch.purpose
        case "channel":
            mine, other = question.channel, touch.channel
        case _:
            name = part.removeprefix("var:")
            mine, other = question.variables.get(name, ""), touch.variables.get(name, "")
    return mine == other or "" in (mine, other)


def _zones(rule: CapRule, question: Question) -> tuple[str, ...]:
    return (rule.zone,) if rule.zone else question.places.zones


def leaves(rule: CapRule, zones: ZoneTable, names: tuple[str, ...], ticks: list[int], utc: int) -> int:
    """Return the first instant from `utc` on at which fewer than the limit of these ticks (newest first) lie in the window.

    `names` are the zones whose local days count. Raises UnknownZone, OutOfRange.
    """
    if len(ticks) < rule.limit:
        return utc
    found = -1
    while found != utc:
        found = utc
        if rule.seconds:
            utc = max(utc, ticks[rule.limit - 1] + rule.seconds + (rule.boundary == "closed"))
        if rule.also_seconds:
            utc = max(utc, ticks[rule.limit - 1] + rule.also_seconds + 1)
        if rule.days or rule.month:
            for zone in names:
                utc = _local_leave(rule, zones, zone, ticks, utc)
    return utc


def _local_leave(rule: CapRule, zones: ZoneTable, zone: str, ticks: list[int], utc: int) -> int:
    days = sorted((local_day(zones, zone, tick) for tick in ticks), reverse=True)
    nth = days[rule.limit - 1]
    leaves = nth + rule.days if rule.days else _next_month(nth)
    return utc if local_day(zones, zone, utc) >= leaves else first_from(zones, zone, utc, leaves * DAY_S)


def _next_month(day: int) -> int:
    year, month, _ = civil_from_days(day)
    return days_from_civil(year + month // 12, month % 12 + 1, 1)
