"""Cost budgets: what is settled and reserved, plus the estimate of this send, never exceeds the limit of the period."""

from __future__ import annotations

from dee_appliance.kernel.e1.civil_time import ZoneTable
from dee_appliance.kernel.e1.plan import Channel
from dee_appliance.kernel.e1.policy import BudgetRule, estimate_micros
from dee_appliance.kernel.e1.rules.question import Question, Reservation, RuleAnswer
from dee_appliance.kernel.e1.rules.shared import bucket_of, counter_name, next_period, queue_of


def counter_of(rule: BudgetRule, channel: Channel, plan: str, zones: ZoneTable, tick: int) -> tuple[str, str]:
    """Return name and bucket (total, the local date or month) of the counter that this send would add to."""
    return counter_name(rule, channel, plan), bucket_of(zones, rule.zone, tick, rule.period)


def ask(rule: BudgetRule, question: Question) -> RuleAnswer:
    """Deny when the estimate does not fit, or when the rate card has no price: a budget that cannot be computed is not kept."""
    if rule.currency != question.policy.currency:
        return RuleAnswer(verdict="deny", reason="currency")
    prefix = str(question.contact.facts.get("phone_prefix", ""))
    estimate = estimate_micros(question.policy, question.channel, prefix, question.units)
    if estimate is None:
        return RuleAnswer(verdict="deny", reason="no_rate")
    name, bucket = counter_of(rule, question.channel, question.plan.plan, question.zones, question.tick)
    if not bucket:
        return RuleAnswer(verdict="hold", reason="unknown_zone", shared=queue_of(rule, question))
    settled, reserved = question.counters[(name, bucket)]
    saw: dict[str, object] = {"counters": [[name, bucket, settled + reserved, rule.limit_micros]], "estimate": estimate}
    if settled + reserved + estimate <= rule.limit_micros:
        reserve = Reservation(name=name, bucket=bucket, amount=estimate, kind="money")
        return RuleAnswer(verdict="pass", saw=saw, reserve=reserve)
    if rule.on_fail == "hold" and rule.period != "total" and estimate <= rule.limit_micros:
        until = next_period(question.zones, rule.zone, question.tick, rule.period)
        return RuleAnswer(verdict="hold", reason="budget", until=until, shared=queue_of(rule, question), saw=saw)
    return RuleAnswer(verdict="deny", reason="budget", saw=saw)
