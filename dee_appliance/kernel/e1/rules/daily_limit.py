"""Daily limits: so many sends per day of one named zone, for the file, a channel or a plan. The rest waits for midnight."""

from __future__ import annotations

from dee_appliance.kernel.e1.civil_time import ZoneTable
from dee_appliance.kernel.e1.plan import Channel
from dee_appliance.kernel.e1.policy import DailyLimitRule
from dee_appliance.kernel.e1.rules.question import Question, Reservation, RuleAnswer
from dee_appliance.kernel.e1.rules.shared import bucket_of, counter_name, next_period, queue_of


def counter_of(rule: DailyLimitRule, channel: Channel, plan: str, zones: ZoneTable, tick: int) -> tuple[str, str]:
    """Return name and bucket (the local date) of the counter that this send would add to; no bucket if no date is known there."""
    return counter_name(rule, channel, plan), bucket_of(zones, rule.zone, tick, "day")


def limit_on(rule: DailyLimitRule, date: str) -> int:
    """Return the limit of a local date: that of the last stage of the ramp which has begun, else the rule's own."""
    limit = rule.limit
    for stage in rule.ramp:
        if stage.since <= date:
            limit = stage.limit
    return limit


def ask(rule: DailyLimitRule, question: Question) -> RuleAnswer:
    """Pass while the day's count is below the limit; else hold the queue that shares the counter until the next local day."""
    name, bucket = counter_of(rule, question.channel, question.plan.plan, question.zones, question.tick)
    if not bucket:
        # A limit that cannot be counted is not kept by sending: the queue waits for a policy or a zone table that can.
        return RuleAnswer(verdict="hold", reason="unknown_zone", shared=queue_of(rule, question))
    used, _ = question.counters[(name, bucket)]
    limit = limit_on(rule, bucket) if rule.ramp else rule.limit
    saw: dict[str, object] = {"counters": [[name, bucket, used, limit]]}
    if used < limit:
        reserve = Reservation(name=name, bucket=bucket, amount=1, kind="count")
        return RuleAnswer(verdict="pass", saw=saw, reserve=reserve)
    until = next_period(question.zones, rule.zone, question.tick, "day")
    return RuleAnswer(verdict="hold", reason="daily_limit", until=until, shared=queue_of(rule, question), saw=saw)
