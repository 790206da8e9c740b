"""Cost budgets: what is settled and reserved, plus the estimate of this send, never exceeds the limit."""

from __future__ import annotations

from dee_appliance.kernel.e1.plan import Channel
from dee_appliance.kernel.e1.policy import BudgetRule, estimate_micros
from dee_appliance.kernel.e1.rules.question import Question, Reservation, RuleAnswer


def counter_of(rule: BudgetRule, channel: Channel, plan: str) -> tuple[str, str]:
    """Return name and bucket of the counter that this send would add to."""
    owner = {"file": "", "channel": f":{channel}", "plan": f":{plan}"}[rule.scope]
    return f"{rule.id}{owner}", "total"


def ask(rule: BudgetRule, question: Question) -> RuleAnswer:
    """Deny when the estimate does not fit, or when the rate card has no price: a budget that cannot be computed is not kept."""
    if rule.currency != question.policy.currency:
        return RuleAnswer(verdict="deny", reason="currency")
    prefix = str(question.contact.facts.get("phone_prefix", ""))
    estimate = estimate_micros(question.policy, question.channel, prefix, question.units)
    if estimate is None:
        return RuleAnswer(verdict="deny", reason="no_rate")
    name, bucket = counter_of(rule, question.channel, question.plan.plan)
    settled, reserved = question.counters[(name, bucket)]
    saw: dict[str, object] = {"counters": [[name, bucket, settled + reserved, rule.limit_micros]], "estimate": estimate}
    if settled + reserved + estimate > rule.limit_micros:
        return RuleAnswer(verdict="deny", reason="budget", saw=saw)
    reserve = Reservation(name=name, bucket=bucket, amount=estimate, kind="money")
    return RuleAnswer(verdict="pass", saw=saw, reserve=reserve)
