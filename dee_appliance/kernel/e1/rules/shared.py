"""What the rules on shared limits have in common: the names of their counters, their days, and the queue that a hold stops."""

from __future__ import annotations

from functools import lru_cache

from dee_appliance.kernel.e1.civil_time import (
    OutOfRange,
    UnknownZone,
    ZoneTable,
    civil_from_days,
    day_start,
    days_from_civil,
    local_day,
)
from dee_appliance.kernel.e1.plan import Channel
from dee_appliance.kernel.e1.policy import BudgetRule, DailyLimitRule, RateRule, RatioRule
from dee_appliance.kernel.e1.rules.question import Question
from dee_appliance.kernel.e1.run import plan_scope

SPAN = "/"
"""Between the first and the last bucket of several dates that are read as one sum."""

SharedRule = RatioRule | DailyLimitRule | RateRule | BudgetRule


def counter_name(rule: SharedRule, channel: Channel, plan: str) -> str:
    """Return the name of the rule's counter for a send."""
    if rule.scope == "file":
        return rule.id
    return f"{rule.id}:{channel}" if rule.scope == "channel" else f"{rule.id}:{plan}"


def bucket_of(zones: ZoneTable, zone: str, tick: int, period: str) -> str:
    """Return the day or month of a zone as the name of a bucket; "" where no date is known."""
    if period == "total":
        return "total"
    try:
        date = date_of(local_day(zones, zone, tick))
    except (UnknownZone, OutOfRange):
        return ""
    return date if period == "day" else date[:7]


def next_period(zones: ZoneTable, zone: str, tick: int, period: str) -> int:
    """Return when the next day or month of the zone begins."""
    today = local_day(zones, zone, tick)
    if period == "day":
        return day_start(zones, zone, today + 1)
    year, month, _ = civil_from_days(today)
    return day_start(zones, zone, days_from_civil(year + month // 12, month % 12 + 1, 1))


@lru_cache(maxsize=256)  # every send of a day asks for the same few
def date_of(days: int) -> str:
    """Return a day number as an ISO date."""
    year, month, day = civil_from_days(days)
    return f"{year:04d}-{month:02d}-{day:02d}"


def tally(event: str, plan: str, day: int) -> tuple[str, str]:
    """Return name and bucket of the count of an event on a UTC day, of the whole file or of one plan."""
    return (f"tally/{event}:{plan}" if plan else f"tally/{event}"), date_of(day)


def tallies(event: str, plan: str, first: int, last: int) -> tuple[str, str]:
    """Return name and span of buckets of the counts of an event on all UTC days from the first to the last."""
    return (f"tally/{event}:{plan}" if plan else f"tally/{event}"), f"{date_of(first)}{SPAN}{date_of(last)}"


def queue_of(rule: SharedRule, question: Question) -> str:
    """Return the queue that shares the counter, and no more: a rule for some channels or purposes stops no other."""
    one_channel = rule.scope == "channel" or bool(rule.channels)
    if rule.scope == "plan" or rule.purposes:
        return plan_scope(question.plan.plan, question.channel if one_channel else None)
    return f"channel:{question.channel}" if one_channel else "*"
