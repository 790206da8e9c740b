"""Daily limits: so many sends per day of one named zone, for the file, a channel or a plan. The rest waits for midnight."""

from __future__ import annotations

from functools import lru_cache

from dee_appliance.kernel.e1.civil_time import (
    OutOfRange,
    UnknownZone,
    ZoneTable,
    civil_from_days,
    day_start,
    local_day,
)
from dee_appliance.kernel.e1.plan import Channel
from dee_appliance.kernel.e1.policy import DailyLimitRule
from dee_appliance.kernel.e1.rules.question import Question, Reservation, RuleAnswer
from dee_appliance.kernel.e1.run import plan_scope


def counter_of(rule: DailyLimitRule, channel: Channel, plan: str, zones: ZoneTable, tick: int) -> tuple[str, str]:
    """Return name and bucket (the local date) of the counter that this send would add to; no bucket if no date is known there."""
    owner = {"file": "", "channel": f":{channel}", "plan": f":{plan}"}[rule.scope]
    try:
        return f"{rule.id}{owner}", _date(local_day(zones, rule.zone, tick))
    except (UnknownZone, OutOfRange):
        return f"{rule.id}{owner}", ""


@lru_cache(maxsize=64)  # every send of a day asks for the same one, or for that of another zone
def _date(days: int) -> str:
    year, month, day = civil_from_days(days)
    return f"{year:04d}-{month:02d}-{day:02d}"


def ask(rule: DailyLimitRule, question: Question) -> RuleAnswer:
    """Pass while the day's count is below the limit; else hold the queue that shares the counter until the next local day."""
    name, bucket = counter_of(rule, question.channel, question.plan.plan, question.zones, question.tick)
    if not bucket:
        # A limit that cannot be counted is not kept by sending: the queue waits for a policy or a zone table that can.
        return RuleAnswer(verdict="hold", reason="unknown_zone", shared=_scope(rule, question))
    used, _ = question.counters[(name, bucket)]
    saw: dict[str, object] = {"counters": [[name, bucket, used, rule.limit]]}
    if used < rule.limit:
        reserve = Reservation(name=name, bucket=bucket, amount=1, kind="count")
        return RuleAnswer(verdict="pass", saw=saw, reserve=reserve)
    tomorrow = local_day(question.zones, rule.zone, question.tick) + 1
    until = day_start(question.zones, rule.zone, tomorrow)
    return RuleAnswer(verdict="hold", reason="daily_limit", until=until, shared=_scope(rule, question), saw=saw)


def _scope(rule: DailyLimitRule, question: Question) -> str:
    """Return the queue that shares the counter, and no more: a rule for some channels or purposes stops no other."""
    one_channel = rule.scope == "channel" or bool(rule.channels)
    if rule.scope == "plan" or rule.purposes:
        return plan_scope(question.plan.plan, question.channel if one_channel else None)
    return f"channel:{question.channel}" if one_channel else "*"
