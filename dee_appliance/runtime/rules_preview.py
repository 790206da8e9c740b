"""What other rules would say of the sends that wait: every queued or held one is asked about under both, and nothing is changed.

Both questions are about the same moment and the same facts. A held send keeps its timer whatever the rules: it is asked
again when it wakes, and what is said here is what it would be told now.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from msgspec.structs import replace

from dee_appliance.content.rendering import prepare
from dee_appliance.kernel.e1.plan import Call, SendEmail, SendSms
from dee_appliance.kernel.e1.policy import BudgetRule
from dee_appliance.kernel.e1.rulebook import Rulebook, places_of
from dee_appliance.kernel.e1.rules.question import Question
from dee_appliance.kernel.e1.run import Run
from dee_appliance.replay.changed_rules import ChangedRules, FlipSummary, FlipTally, Said
from dee_appliance.runtime.packs import PackQueries
from dee_appliance.runtime.reports_gate import RulesInUse, rules_in_use
from dee_appliance.runtime.reports_view import Instant, one_moment, times_of
from dee_appliance.runtime.shell import render_request
from dee_appliance.store.queries import load_queries
from dee_appliance.store.rules_in_use import shared_for

if TYPE_CHECKING:
    from collections.abc import Callable

    from dee_appliance.kernel.e1.compiled import CompiledPlan
    from dee_appliance.kernel.e1.plan import Channel, SendStep
    from dee_appliance.kernel.e1.run import Attempt, Given
    from dee_appliance.runtime.reading import View

_run_decoder = msgspec.json.Decoder(Run)


class ToldVerdict(msgspec.Struct, frozen=True, kw_only=True):
    """A verdict with its time on the contact's clock."""

    verdict: str
    rule: str
    reason: str
    until: Instant | None


class PendingFlip(msgspec.Struct, frozen=True, kw_only=True):
    """A send that waits and would be judged otherwise. `what` is queued or held."""

    what: str
    run: str
    contact: str
    plan: str
    step: str
    channel: str
    before: ToldVerdict
    after: ToldVerdict


class RulesPreview(msgspec.Struct, frozen=True, kw_only=True):
    """What the change comes to for the sends that wait. `unmade` are those whose message cannot be made under any rules."""

    at: Instant
    queued: int
    held: int
    unmade: int
    flips: FlipSummary


def preview_rules(
    view: View, change: ChangedRules, now: int, on_flip: Callable[[PendingFlip], None] | None = None
) -> RulesPreview:
    """Ask the gate about every send that waits, under the rules in use and under the changed ones, at a tick (UTC seconds).

    `on_flip` is told of every verdict that flips. Raises Refused when the changed rules contradict each other.
    """
    with one_moment(view):
        pending = _Pending(view, change, max(now, view.last_tick))
        for flip in pending.flips():
            if on_flip is not None:
                on_flip(flip)
        return pending.preview()


class _Pending:
    def __init__(self, view: View, change: ChangedRules, now: int) -> None:
        self._view = view
        self._now = now
        self._used = rules_in_use(view.state)
        policy, packs = change.applied(self._used.policy, self._used.packs)
        self._changed = RulesInUse(policy=policy, packs=packs)
        self._books: dict[tuple[str, Channel, bool], Rulebook] = {}
        self._tally = FlipTally()
        self._counts = {"queued": 0, "held": 0}
        self._unmade = 0

    def flips(self) -> list[PendingFlip]:
        """Ask about every send that waits, and return those whose verdict flips."""
        found = []
        for (body,) in self._view.database.stream(load_queries(PackQueries, "pack").select_intended_runs):
            run = _run_decoder.decode(body)
            plan = self._view.state.plan(run.digest)
            step = plan.steps.get(run.step)
            if isinstance(step, SendEmail | SendSms | Call) and run.attempt and run.block in ("queue", "hold"):
                attempt = self._view.state.attempt(run.send, run.attempt)
                if attempt is not None and attempt.state in ("INTENDED", "PARKED"):
                    flip = self._one(run, plan, step, attempt)
                    found += [flip] if flip is not None else []
        return found

    def preview(self) -> RulesPreview:
        """Return the counts. The sends are those that `flips` has asked about."""
        at = times_of(self._view, self._view.state.contact("")).at(self._now)
        return RulesPreview(at=at, **self._counts, unmade=self._unmade, flips=self._tally.summary())

    def _one(self, run: Run, plan: CompiledPlan, step: SendStep, attempt: Attempt) -> PendingFlip | None:
        what = "queued" if run.block == "queue" else "held"
        self._counts[what] += 1
        books = [self._book(plan, attempt.channel, changed=changed) for changed in (False, True)]
        given = self._given(run, plan, attempt, books)
        if given is not None and given.code != "ok":
            self._unmade += 1
            return None
        stale = step.send_by_s is not None and self._now > attempt.entered + step.send_by_s
        before, after = (
            self._said(run, plan, step, attempt, given=given, book=book, rules=rules, stale=stale)
            for book, rules in zip(books, (self._used, self._changed), strict=True)
        )
        if not self._tally.add(before, after, plan.plan.plan, attempt.channel):
            return None
        times = times_of(self._view, self._view.state.contact(run.contact))
        told = [
            ToldVerdict(verdict=one.verdict, rule=one.rule, reason=one.reason, until=times.when(one.until))
            for one in (before, after)
        ]
        return PendingFlip(
            what=what,
            run=run.run,
            contact=run.contact,
            plan=plan.label,
            step=step.id,
            channel=attempt.channel,
            before=told[0],
            after=told[1],
        )

    def _book(self, plan: CompiledPlan, channel: Channel, *, changed: bool) -> Rulebook:
        key = (plan.digest, channel, changed)
        if key not in self._books:
            rules = self._changed if changed else self._used
            self._books[key] = self._view.state.kernel.book_of(rules.policy, plan.plan, channel, rules.packs)
        return self._books[key]

    def _given(self, run: Run, plan: CompiledPlan, attempt: Attempt, books: list[Rulebook]) -> Given | None:
        """Make the message, where a rule looks into it or pays for its segments; None where none does."""
        looks = any(book.reads_content for book in books)
        counts = attempt.channel == "sms" and any(isinstance(rule, BudgetRule) for book in books for rule in book.rules)
        if not looks and not counts:
            return None
        texts = tuple(sorted({text for book in books for text in book.texts}))
        request = render_request(self._view.state, self._view.vault, attempt, run, plan)
        return prepare(replace(request, looks=looks, texts=texts)).given

    def _said(
        self,
        run: Run,
        plan: CompiledPlan,
        step: SendStep,
        attempt: Attempt,
        *,
        given: Given | None,
        book: Rulebook,
        rules: RulesInUse,
        stale: bool,
    ) -> Said:
        state = self._view.state
        contact, zones, channel = state.contact(run.contact), state.zones(), attempt.channel
        needed = state.kernel.needed_counters(book.rules, plan.plan, channel, zones, self._now)
        shared = shared_for(state, book, needed, contact, channel, tick=self._now)
        units = 1 if given is None else given.units
        question = Question(
            tick=self._now,
            contact=contact,
            plan=plan.plan,
            channel=channel,
            units=-(-step.max_duration_s // 60) if isinstance(step, Call) else units,
            policy=rules.policy,
            book=book,
            places=places_of(contact),
            zones=zones,
            counters=shared.counters,
            recent=shared.recent,
            history=shared.history,
            facts=shared.facts,
            lists=shared.lists,
            listed=shared.listed,
            variables=run.variables,
            features=() if given is None else given.features,
        )
        verdict = state.kernel.ask_gate(question, guests=shared.trial_guests, stale=stale)
        return Said(verdict=verdict.result, rule=verdict.rule, reason=verdict.reason, until=verdict.until)
