"""Ratios: complaints per delivered message, abandoned per answered call. Too many, and the queue waits for the next day."""

from __future__ import annotations

from dee_appliance.kernel.e1.civil_time import DAY_S
from dee_appliance.kernel.e1.policy import RatioRule
from dee_appliance.kernel.e1.rules.question import Question, RuleAnswer
from dee_appliance.kernel.e1.rules.shared import date_of, queue_of, tally

PER = 10_000


def counters_of(rule: RatioRule, plan: str, tick: int) -> list[tuple[str, str]]:
    """Return the tallies that the rule reads: each event on each of its days."""
    today = tick // DAY_S
    scope = plan if rule.scope == "plan" else ""
    events = (*rule.numerator, *rule.denominator)
    return [tally(event, scope, today - back) for event in events for back in range(rule.days)]


def ask(rule: RatioRule, question: Question) -> RuleAnswer:
    """Pass while the ratio is below its maximum, or too little has happened to tell."""
    above = _sum(rule, rule.numerator, question)
    below = _sum(rule, rule.denominator, question)
    saw: dict[str, object] = {"ratios": [[rule.id, above, below, date_of(question.tick // DAY_S)]]}
    if below < rule.min_denominator or above * PER < rule.max_per_10000 * below:
        return RuleAnswer(verdict="pass", saw=saw)
    until = (question.tick // DAY_S + 1) * DAY_S
    return RuleAnswer(verdict="hold", reason="ratio", until=until, shared=queue_of(rule, question), saw=saw)


def _sum(rule: RatioRule, events: tuple[str, ...], question: Question) -> int:
    today = question.tick // DAY_S
    scope = question.plan.plan if rule.scope == "plan" else ""
    return sum(question.counters[tally(event, scope, today - back)][0] for event in events for back in range(rule.days))
