"""The policy gate: every rule is asked, in one fixed order, on the facts of this tick. The first that does not pass decides.

Only this module makes a Permit, and no adapter takes anything without one. A refusal is a value with its reason;
nothing here raises for a policy. Exit conditions and operator pauses are asked by the machine before it comes here;
shared holds (halt, breaker, an exhausted daily limit) keep a send from being pulled at all.
"""

from __future__ import annotations

from typing import Literal

from msgspec import field

from dee_appliance.kernel.e1.civil_time import ZoneTable
from dee_appliance.kernel.e1.plan import Channel, Plan
from dee_appliance.kernel.e1.policy import (
    BudgetRule,
    ConsentRule,
    DailyLimitRule,
    WindowRule,
    Rule,
    SuppressionRule,
    kind_of_rule,
)
from dee_appliance.kernel.e1.rules import budget, consent, daily_limit, hours, suppression
from dee_appliance.kernel.e1.rules.question import ADDRESS_OF, PASS, Question, Reservation, RuleAnswer
from dee_appliance.kernel.e1.run import Attempt, Frozen, Permit

__all__ = ["Permit", "Verdict", "ask_gate", "counters_needed", "permit_for"]


class Verdict(Frozen, frozen=True, kw_only=True):
    """What the gate says, with the ladder of rules: (rule id, verdict, values seen).

    `ladder` goes into the core: it ends with the rule that decided, so that what a later rule would have said (whose limit others
    may have used up meanwhile) changes no run head. `rest` are those later rules; they go into the values seen.
    """

    result: Literal["allow", "hold", "deny"]
    rule: str = ""
    kind: str = ""
    reason: str = ""
    until: int | None = None
    shared: str = ""
    ladder: tuple[tuple[str, str, dict[str, object]], ...] = ()
    rest: tuple[tuple[str, str, dict[str, object]], ...] = ()
    saw: dict[str, object] = field(default_factory=dict)
    reserve: tuple[Reservation, ...] = ()


def counters_needed(
    rules: tuple[Rule, ...], plan: Plan, channel: Channel, zones: ZoneTable, tick: int
) -> list[tuple[str, str]]:
    """Return the counters (name, bucket) that these rules read, for the store to fetch beforehand."""
    needed: list[tuple[str, str]] = []
    for rule in rules:
        match rule:
            case DailyLimitRule():
                needed.append(daily_limit.counter_of(rule, channel, plan.plan, zones, tick))
            case BudgetRule():
                needed.append(budget.counter_of(rule, channel, plan.plan))
            case _:
                pass
    return needed


def ask_gate(question: Question, rules: tuple[Rule, ...], *, guests: tuple[str, ...] | None, stale: bool) -> Verdict:
    """Ask every rule.

    `guests` are the address tokens that trial mode lets through (None: not in trial); `stale`: send_by passed.
    """
    answers = [("address", "address", _ask_address(question))]
    if guests is not None:
        answers.append(("trial", "trial", _ask_trial(question, guests)))
    answers += [(rule.id, kind_of_rule(rule), _ask_rule(rule, question)) for rule in rules]
    answers.append(("send_by", "send_by", RuleAnswer(verdict="hold", reason="stale") if stale else PASS))
    return _combine(answers)


def permit_for(attempt: Attempt, tick: int) -> Permit:
    """Make the permit of an attempt that passed. Called by the machine after `ask_gate` answered allow, in the same decision."""
    return Permit(
        send_key=attempt.send_key,
        attempt=attempt.attempt,
        channel=attempt.channel,
        run=attempt.run,
        contact=attempt.contact,
        step=attempt.step,
        visit=attempt.visit,
        tick=tick,
        resends=attempt.resends,
    )


def _ask_rule(rule: Rule, question: Question) -> RuleAnswer:
    match rule:
        case SuppressionRule():
            return suppression.ask(rule, question)
        case ConsentRule():
            return consent.ask(rule, question)
        case WindowRule():
            return hours.ask(rule, question)
        case DailyLimitRule():
            return daily_limit.ask(rule, question)
        case BudgetRule():
            return budget.ask(rule, question)


def _ask_address(question: Question) -> RuleAnswer:
    present = question.contact.facts.get("present")
    if isinstance(present, list) and ADDRESS_OF[question.channel] in present and not question.contact.erased:
        return PASS
    return RuleAnswer(verdict="deny", reason="no_address")


def _ask_trial(question: Question, guests: tuple[str, ...]) -> RuleAnswer:
    token = question.contact.tokens.get(ADDRESS_OF[question.channel])
    if token is not None and token in guests:
        return PASS
    return RuleAnswer(verdict="hold", reason="not_a_guest")


def _combine(answers: list[tuple[str, str, RuleAnswer]]) -> Verdict:
    ladder: list[tuple[str, str, dict[str, object]]] = []
    decided_at = len(answers)
    saw: dict[str, object] = {}
    counters: list[object] = []
    reserve: list[Reservation] = []
    deciding: tuple[str, str, RuleAnswer] | None = None
    for position, (rule, kind, answer) in enumerate(answers):
        if answer.verdict == "pass" and answer.reserve is not None:
            reserve.append(answer.reserve)
        if answer.verdict != "pass" and deciding is None:
            deciding = (rule, kind, answer)
            decided_at = position + 1
        ladder.append((rule, answer.verdict, answer.values))
        for key, value in answer.saw.items():
            if key == "counters" and isinstance(value, list):
                counters.extend(value)
            else:
                saw[key] = value
    if counters:
        saw["counters"] = counters
    if deciding is None:
        return Verdict(result="allow", ladder=tuple(ladder), saw=saw, reserve=tuple(reserve))
    rule, kind, answer = deciding
    return Verdict(
        result="deny" if answer.verdict == "deny" else "hold",
        rule=rule,
        kind=kind,
        reason=answer.reason,
        until=answer.until,
        shared=answer.shared,
        ladder=tuple(ladder[:decided_at]),
        rest=tuple(ladder[decided_at:]),
        saw=saw,
    )
