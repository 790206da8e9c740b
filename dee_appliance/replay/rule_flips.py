"""Verdicts that flip: what other rules would have said of every send that the gate was asked about, each question by itself.

Before each recorded answer of the gate takes effect, the kernel is asked once more about the same candidate, on the same facts
and history, under the changed rules; the two decisions are compared and the recorded one goes on. What follows from a flip is
told by the other course of what-if, not here. A limit that did not exist then has counted nothing, and is not asked; a message
whose data were erased cannot be looked into. Both are told.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import msgspec
from msgspec.structs import replace

from dee_appliance.kernel.e1.policy import (
    BudgetRule,
    ContentRule,
    DailyLimitRule,
    Pack,
    Policy,
    RateRule,
    Rule,
    rules_for,
)
from dee_appliance.kernel.e1.rulebook import Rulebook
from dee_appliance.replay.changed_rules import ChangedRules, FlipTally, Said
from dee_appliance.store.rules_in_use import shared_for

if TYPE_CHECKING:
    from collections.abc import Callable

    from dee_appliance.kernel.e1.plan import Channel
    from dee_appliance.kernel.e1.run import Decision, Given
    from dee_appliance.store.journal import Candidate
    from dee_appliance.store.state import State

BOOKS_KEPT = 200


class Messages(Protocol):
    """Says what the message of an attempt had in it; None when nobody can know any more."""

    def look(self, state: State, candidate: Candidate, texts: tuple[str, ...]) -> tuple[str, ...] | None:
        """`state` is the replayed state before the answer of the gate; `texts` are looked for word for word."""


class RecordedFlip(msgspec.Struct, frozen=True, kw_only=True):
    """An entry whose verdict flips. `tick` is UTC seconds, as the times in the verdicts."""

    entry: int
    tick: int
    run: str
    contact: str
    plan: str
    step: str
    channel: str
    before: Said
    after: Said


class _Book(msgspec.Struct, frozen=True):
    """The changed rules of one plan and channel at one time of the file; `blind` is without those that look into messages."""

    policy: Policy
    whole: Rulebook
    blind: Rulebook


class RuleFlips:
    """Implements journal.Watcher for the recorded course. Raises Refused for rules that contradict each other."""

    def __init__(
        self, change: ChangedRules, messages: Messages | None, on_flip: Callable[[RecordedFlip], None] | None
    ) -> None:
        self._change = change
        self._messages = messages
        self._on_flip = on_flip
        self._books: dict[tuple[str, tuple[str, ...], str, Channel], _Book] = {}
        self.tally = FlipTally()
        self.uncounted: set[str] = set()
        self.unseen = 0

    def decided(self, state: State, candidate: Candidate, decision: Decision) -> None:
        """Ask again under the changed rules, and compare."""
        before = _said(decision)
        if before is None:
            return
        after = _said(self._decide(state, candidate))
        assert after is not None  # whether the gate is asked at all does not depend on its rules
        attempt, run = candidate.attempt, candidate.run
        if not self.tally.add(before, after, attempt.plan, attempt.channel) or self._on_flip is None:
            return
        self._on_flip(
            RecordedFlip(
                entry=candidate.entry,
                tick=candidate.row.tick,
                run=run.run,
                contact=run.contact,
                plan=candidate.plan.label,
                step=attempt.step,
                channel=attempt.channel,
                before=before,
                after=after,
            )
        )

    def _decide(self, state: State, candidate: Candidate) -> Decision:
        found = self._book(state, candidate)
        given, book = self._looked(state, candidate, found)
        plan, channel, tick = candidate.plan, candidate.attempt.channel, candidate.row.tick
        zones = state.zones()
        needed = state.kernel.needed_counters(book.rules, plan.plan, channel, zones, tick)
        shared = shared_for(state, book, needed, candidate.snapshot.contact, channel, tick=tick)
        shared = replace(shared, policy=found.policy)
        return state.kernel.decide_pull(
            candidate.snapshot, candidate.run.no, given, shared, plans=candidate.plans, zones=zones
        )

    def _looked(self, state: State, candidate: Candidate, found: _Book) -> tuple[Given, Rulebook]:
        """The rendering with what the changed rules look for; without it, the rules that look into messages are left out."""
        recorded, asked = found.whole, candidate.shared.book
        known = asked.reads_content and all(text in asked.texts for text in recorded.texts)
        if not recorded.reads_content or known or candidate.given.code != "ok":
            return candidate.given, found.whole
        features = None
        if self._messages is not None:
            features = self._messages.look(state, candidate, found.whole.texts)
        if features is None:
            self.unseen += 1
            return candidate.given, found.blind
        return replace(candidate.given, features=features), found.whole

    def _book(self, state: State, candidate: Candidate) -> _Book:
        channel, plan = candidate.attempt.channel, candidate.plan
        digests = tuple(digest for _, digest, _ in state.packs)
        key = (str(state.settings["policy"]), digests, plan.digest, channel)
        found = self._books.get(key)
        if found is None:
            if len(self._books) >= BOOKS_KEPT:
                self._books.clear()
            packs = tuple(state.documents.pack(digest) for digest in digests)
            found = self._books[key] = self._made(state.policy()[0], packs, candidate)
        return found

    def _made(self, policy: Policy, packs: tuple[Pack, ...], candidate: Candidate) -> _Book:
        policy, packs = self._change.applied(policy, packs)
        rules = rules_for(policy, candidate.plan.plan, candidate.attempt.channel, packs)
        counted = [rule for rule in rules if _has_counted(rule, candidate.shared.book)]
        self.uncounted.update(rule.id for rule in rules if rule not in counted)
        blind = [rule for rule in counted if not isinstance(rule, ContentRule)]
        return _Book(policy, Rulebook(tuple(counted)), Rulebook(tuple(blind)))


def _has_counted(rule: Rule, asked: Rulebook) -> bool:
    """Tell whether a limit reads a counter that the rules of that time kept: its name and its days must be the same."""
    if not isinstance(rule, DailyLimitRule | RateRule | BudgetRule):
        return True
    return any(_counter_form(one) == _counter_form(rule) for one in asked.rules)


def _counter_form(rule: Rule) -> tuple[object, ...]:
    match rule:
        case DailyLimitRule():
            return ("daily_limit", rule.id, rule.scope, rule.zone)
        case RateRule():
            return ("rate", rule.id, rule.scope)
        case BudgetRule():
            return ("budget", rule.id, rule.scope, rule.period, rule.zone, rule.currency)
        case _:
            return ()


# ---- the verdict of a decision ----


class _Detail(msgspec.Struct, frozen=True):
    gate: list[object] | None = None
    rule: str = ""
    why: str = ""
    until: int | None = None


class _Core(msgspec.Struct, frozen=True):
    action: str
    outcome: str
    detail: _Detail


_decoder = msgspec.json.Decoder(_Core)


def _said(decision: Decision) -> Said | None:
    """Return what the gate said; None when it was not asked (an exit, a message that cannot be made)."""
    if not decision.entries:
        return None
    core = _decoder.decode(decision.entries[0].core)
    detail = core.detail
    if core.action == "hold":
        return Said(verdict="hold", rule=detail.rule, reason=core.outcome, until=detail.until)
    if detail.gate is None:
        return None
    if core.outcome == "dispatched":
        return Said(verdict="allow")
    if core.outcome == "held":
        reason = decision.runs[-1].reason if decision.runs else ""
        return Said(verdict="hold", rule=detail.rule, reason=reason, until=detail.until)
    return Said(verdict="deny", rule=detail.rule, reason=detail.why)
