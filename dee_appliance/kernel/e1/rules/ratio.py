"""Ratios: complaints per delivered message, abandoned per answered call. Too many, and the queue waits for the next day."""

from __future__ import annotations

from dee_appliance.kernel.e1.civil_time import DAY_S
from dee_appliance.kernel.e1.policy import RatioRule
from dee_appliance.kernel.e1.rules.question import Question, RuleAnswer
from dee_appliance.kernel.e1.rules.shared import date_of, queue_of, tallies

PER = 10_000


def counters_of(rule: RatioRule, plan: str, tick: int) -> list[tuple[str, str]]:
    """Return the tallies that the rule reads: each event over all of its days."""
    return [_tally(rule, event, plan, tick) for event in (*rule.numerator, *rule.denominator)]


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
    counters, plan, tick = question.counters, question.plan.plan, question.tick
    return sum([counters[_tally(rule, event, plan, tick)][0] for event in events])


def _tally(rule: RatioRule, event: str, plan: str, tick: int) -> tuple[str, str]:
    today = tick // DAY_S
    return tallies(event, plan if rule.scope == "plan" else "", today - rule.days + 1, today)
