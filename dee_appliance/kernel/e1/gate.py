"""The policy gate: every rule is asked, in one fixed order, on the facts of this tick, and one that does not pass decides.

Only this module makes a Permit, and no adapter takes anything without one. A refusal is a value with its reason;
nothing here raises for a policy. Exit conditions and operator pauses are asked by the machine before it comes here;
shared holds (halt, breaker, an exhausted daily limit) keep a send from being pulled at all.

Which answer decides: the first denial among the rules that are the contact's own, else the first answer that is not a pass.
So a send that may never leave is not parked first for a reason that passes. A hold for hours and caps lasts until the first
instant at which all of them pass together.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

from msgspec import field
from msgspec.structs import replace

from dee_appliance.kernel.e1.civil_time import CalendarEnded, OutOfRange, UnknownZone, ZoneTable
from dee_appliance.kernel.e1.plan import Channel, Plan
from dee_appliance.kernel.e1.policy import (
    SHARED_KINDS,
    BudgetRule,
    CapRule,
    ConsentRule,
    ContentRule,
    DailyLimitRule,
    FactRule,
    RateRule,
    RatioRule,
    Rule,
    SuppressionRule,
    WindowRule,
)
from dee_appliance.kernel.e1.rules import (
    budget,
    cap,
    consent,
    content,
    daily_limit,
    fact,
    rate,
    ratio,
    suppression,
    window,
)
from dee_appliance.kernel.e1.rules.ground import holds
from dee_appliance.kernel.e1.rules.question import ADDRESS_OF, PASS, Question, Reservation, RuleAnswer
from dee_appliance.kernel.e1.run import Attempt, Frozen, Permit

__all__ = ["Needed", "Permit", "Verdict", "ask_gate", "needed_counters", "permit_for"]

MAX_ROUNDS = 10_000
"""How often the rules are asked in turn for the next instant; windows that never meet are found out long before."""

_ASK: dict[type, Callable[[Any, Question], RuleAnswer]] = {
    SuppressionRule: suppression.ask,
    ConsentRule: consent.ask,
    FactRule: fact.ask,
    ContentRule: content.ask,
    WindowRule: window.ask,
    CapRule: cap.ask,
    RatioRule: ratio.ask,
    DailyLimitRule: daily_limit.ask,
    RateRule: rate.ask,
    BudgetRule: budget.ask,
}
OPT_OUTS = SuppressionRule(id="opt_outs")
UNKNOWN_PLACE = RuleAnswer(verdict="deny", reason="unknown_jurisdiction", values={"unknown": "jurisdiction"})
UNKNOWN_DATE = RuleAnswer(verdict="deny", reason="unknown_zone", values={"unknown": "date"})


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


class Needed(Frozen, frozen=True, kw_only=True):
    """The shared counters that the rules of a send read, for the store to fetch beforehand.

    `buckets` are (name, bucket); `recent` are (name of a rate's counter, seconds to look back).
    """

    buckets: tuple[tuple[str, str], ...] = ()
    recent: tuple[tuple[str, int], ...] = ()


Answer = tuple[str, str, RuleAnswer]
"""Rule id, kind, and what the rule said."""


def needed_counters(rules: tuple[Rule, ...], plan: Plan, channel: Channel, zones: ZoneTable, tick: int) -> Needed:
    """Return the counters that these rules read."""
    buckets: list[tuple[str, str]] = []
    recent: list[tuple[str, int]] = []
    for rule in rules:
        match rule:
            case DailyLimitRule():
                buckets.append(daily_limit.counter_of(rule, channel, plan.plan, zones, tick))
            case BudgetRule():
                buckets.append(budget.counter_of(rule, channel, plan.plan, zones, tick))
            case RatioRule():
                buckets.extend(ratio.counters_of(rule, plan.plan, tick))
            case RateRule():
                recent.append((rate.counter_of(rule, channel, plan.plan), rule.seconds))
            case _:
                pass
    return Needed(buckets=tuple(buckets), recent=tuple(recent))


def ask_gate(question: Question, *, guests: tuple[str, ...] | None, stale: bool) -> Verdict:
    """Ask every rule that concerns the contact.

    `guests` are the address tokens that trial mode lets through (None: not in trial); `stale`: send_by passed.
    """
    answers: list[Answer] = [("address", "address", _ask_address(question))]
    if guests is not None:
        answers.append(("trial", "trial", _ask_trial(question, guests)))
    if question.contact.suppressions and not question.book.heeds_opt_outs(question.places):
        answers += _ask_opt_outs(question)
    for rule, identity, kind, plain in question.book.rungs(question.places):
        answer = _ASK[type(rule)](rule, question) if plain else _ask_rule(rule, question)
        if answer is not None:
            answers.append((identity, kind, answer))
    answers.append(("send_by", "send_by", RuleAnswer(verdict="hold", reason="stale") if stale else PASS))
    verdict = _combine(answers)
    if verdict.result == "hold" and verdict.kind in ("window", "cap"):
        return _timed(verdict, question)
    return verdict


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


def _ask_rule(rule: Rule, question: Question) -> RuleAnswer | None:
    """Ask one rule; None if it is not in force or something lifts it."""
    if rule.effective_from or rule.effective_until:
        try:
            if not question.book.in_force(rule, question.zones, question.places, question.tick):
                return None
        except (UnknownZone, OutOfRange):
            return UNKNOWN_DATE
    for ground in rule.unless:
        if holds(ground, question):
            return None
    if rule.jurisdictions and not question.places.jurisdictions:
        return UNKNOWN_PLACE
    return _ASK[type(rule)](rule, question)


def _ask_address(question: Question) -> RuleAnswer:
    """Pass when there is an address, and a token of it: without one no suppression and no list could know it."""
    present, kind = question.contact.facts.get("present"), ADDRESS_OF[question.channel]
    there = isinstance(present, list) and kind in present and kind in question.contact.tokens
    if there and not question.contact.erased:
        return PASS
    return RuleAnswer(verdict="deny", reason="no_address")


def _ask_opt_outs(question: Question) -> list[Answer]:
    """Whoever has opted out gets nothing, also under rules that forgot to say so."""
    answer = suppression.ask(OPT_OUTS, question)
    return [] if answer.verdict == "pass" else [(OPT_OUTS.id, "suppression", answer)]


def _ask_trial(question: Question, guests: tuple[str, ...]) -> RuleAnswer:
    token = question.contact.tokens.get(ADDRESS_OF[question.channel])
    if token is not None and token in guests:
        return PASS
    return RuleAnswer(verdict="hold", reason="not_a_guest")


# ---- the next permitted instant ----


def _timed(verdict: Verdict, question: Question) -> Verdict:
    """Give a hold for hours or caps its end: when all of them pass. There may be none: then the send is denied."""
    try:
        until = next_permitted(question)
    except (UnknownZone, OutOfRange):
        return replace(verdict, result="deny", reason="unknown_zone")
    except CalendarEnded:
        return replace(verdict, result="deny", reason="calendar_ended")
    if until is None:
        return replace(verdict, result="deny", reason="never_open")
    return replace(verdict, until=until)


def next_permitted(question: Question) -> int | None:
    """Return the first instant from the tick on at which every window and cap passes, or None.

    Each rule in turn moves the instant on to where it passes itself; what all of them leave where it is, is the least such
    instant. None when the windows do not open together within their horizon after the last cap has let go. Raises as the
    rules do.
    """
    timed = [rule for rule in question.book.concerning(question.places) if _is_timed(rule, question)]
    utc = free = question.tick
    for _ in range(MAX_ROUNDS):
        before = utc
        for rule in timed:
            if isinstance(rule, CapRule):
                found = cap.next_at(rule, question, utc)
            else:
                assert isinstance(rule, WindowRule)
                found = window.next_at(rule, question, utc)
            if found is None:
                return None
            if found > utc and isinstance(rule, CapRule):
                free = found
            utc = found
        if utc == before:
            return utc
        if utc - free >= window.HORIZON_S:
            return None
    return None


def _is_timed(rule: Rule, question: Question) -> bool:
    if not isinstance(rule, WindowRule | CapRule):
        return False
    return not any(holds(ground, question) for ground in rule.unless)


# ---- one verdict of all answers ----


def _combine(answers: list[Answer]) -> Verdict:
    decider = _decider(answers)
    ladder = tuple([(rule, answer.verdict, answer.values) for rule, _, answer in answers])
    saw = _seen(answers)
    if decider is None:
        reserve = tuple([answer.reserve for _, _, answer in answers if answer.reserve is not None])
        return Verdict(result="allow", ladder=ladder, saw=saw, reserve=reserve)
    rule, kind, answer = answers[decider]
    return Verdict(
        result="deny" if answer.verdict == "deny" else "hold",
        rule=rule,
        kind=kind,
        reason=answer.reason,
        until=answer.until,
        shared=answer.shared,
        ladder=ladder[: decider + 1],
        rest=ladder[decider + 1 :],
        saw=saw,
    )


def _decider(answers: list[Answer]) -> int | None:
    first: int | None = None
    for position, (_, kind, answer) in enumerate(answers):
        if answer.verdict == "pass":
            continue
        if answer.verdict == "deny" and kind not in SHARED_KINDS:
            return position
        if first is None:
            first = position
    return first


def _seen(answers: list[Answer]) -> dict[str, object]:
    """Put what the rules saw side by side: lists of the same name are joined."""
    saw: dict[str, object] = {}
    for _, _, answer in answers:
        if not answer.saw:
            continue
        for key, value in answer.saw.items():
            there = saw.get(key)
            saw[key] = [*there, *value] if isinstance(there, list) and isinstance(value, list) else value
    return saw
