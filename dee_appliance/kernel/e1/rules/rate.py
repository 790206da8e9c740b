"""Rates: so many sends in any span of so many seconds. The rest waits until enough of them have left the span."""

from __future__ import annotations

from dee_appliance.kernel.e1.plan import Channel
from dee_appliance.kernel.e1.policy import RateRule
from dee_appliance.kernel.e1.rules.question import Question, Reservation, RuleAnswer
from dee_appliance.kernel.e1.rules.shared import counter_name, queue_of


def counter_of(rule: RateRule, channel: Channel, plan: str) -> str:
    """Return the name of the counter whose buckets are the seconds in which sends left."""
    return f"rate/{counter_name(rule, channel, plan)}"


def second(tick: int) -> str:
    """Return the bucket of a second: digits that sort as the numbers do."""
    return f"{tick:012d}"


def ask(rule: RateRule, question: Question) -> RuleAnswer:
    """Pass while fewer than the limit have left within the span; else hold the queue until the one too many leaves it."""
    name = counter_of(rule, question.channel, question.plan.plan)
    begin = question.tick - rule.seconds
    inside = [(tick, sends) for tick, sends in question.recent[name] if tick > begin and sends > 0]
    used = sum(sends for _, sends in inside)
    saw: dict[str, object] = {"counters": [[name, second(question.tick), used, rule.limit]]}
    if used < rule.limit:
        reserve = Reservation(name=name, bucket=second(question.tick), amount=1, kind="count")
        return RuleAnswer(verdict="pass", saw=saw, reserve=reserve)
    left, until = used, question.tick
    for tick, sends in inside:
        left -= sends
        until = tick + rule.seconds
        if left < rule.limit:
            break
    return RuleAnswer(verdict="hold", reason="rate", until=until, shared=queue_of(rule, question), saw=saw)
