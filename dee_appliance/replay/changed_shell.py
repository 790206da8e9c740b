"""The shells of a what-if: the recorded course is told what was rendered then; the other one the same for the same message.

A message that history does not have is made from the personal data as they were, if they are still there. If they are not, it is
taken as made, with everything in it that rules look for, and counted: what cannot be known must not decide.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from dee_appliance.kernel.e1.plan import Call, SendEmail, SendSms
from dee_appliance.kernel.e1.policy import ContentRule
from dee_appliance.kernel.e1.rules.content import text_feature
from dee_appliance.kernel.e1.run import Given

if TYPE_CHECKING:
    from collections.abc import Callable

    from dee_appliance.kernel.e1.compiled import CompiledPlan
    from dee_appliance.kernel.e1.rulebook import Rulebook
    from dee_appliance.kernel.e1.run import Attempt, Run
    from dee_appliance.replay.recorded_shell import RecordedShell, Rerender
    from dee_appliance.store.journal import InputRow
    from dee_appliance.store.state import State


class KeepingShell:
    """Implements journal.Shell for the recorded course, and keeps what it gave until it is told that the tick is over."""

    def __init__(self, recorded: RecordedShell) -> None:
        self._recorded = recorded
        self.kept: dict[tuple[str, int], Given] = {}

    def give(self, seq: int, ordinal: int, attempt: Attempt, run: Run, plan: CompiledPlan) -> Given:
        """Return the recorded rendering. Raises EvidenceError when it is gone."""
        given = self._recorded.give(seq, ordinal, attempt, run, plan)
        self.kept[(attempt.send_key, attempt.attempt)] = given
        return given


class ChangedShell:
    """Implements journal.Shell for the other course. `same_text` says whether one template stands for another."""

    def __init__(self, recorded: KeepingShell, same_text: Callable[[str, str], bool], make: Rerender | None) -> None:
        self._recorded = recorded
        self._same_text = same_text
        self._make = make
        self._then: State | None = None
        self._now: State | None = None
        self._row: InputRow | None = None
        self.unmade = 0
        """Messages that could not be made again: they are taken as made."""

    def begin(self, then: State, now: State, row: InputRow) -> None:
        """Say how both courses stand, and which recorded input came last."""
        self._then, self._now, self._row = then, now, row

    def same_message(self, then: Attempt, now: Attempt) -> bool:
        """Tell whether both attempts send the same template or script, or one that stands for it."""
        assert self._then is not None
        assert self._now is not None
        return self._same_text(text_of(self._then, then), text_of(self._now, now))

    def give(self, seq: int, ordinal: int, attempt: Attempt, run: Run, plan: CompiledPlan) -> Given:
        """Return what was recorded for the same message, else what rendering gives."""
        del seq, ordinal
        assert self._then is not None
        assert self._now is not None
        assert self._row is not None
        book = self._now.book(plan, attempt.channel)
        recorded = self._recorded.kept.get((attempt.send_key, attempt.attempt))
        if recorded is not None and self._suffices(attempt, plan, book):
            return recorded
        made = None if self._make is None else self._make(self._now, self._row, attempt, run, plan)
        if made is not None:
            return made
        self.unmade += 1
        if recorded is None:
            recorded = Given(code="ok", send_key=attempt.send_key, attempt=attempt.attempt)
        return replace(recorded, template=_pinned(plan, attempt.step), features=_everything(book, recorded.features))

    def _suffices(self, attempt: Attempt, plan: CompiledPlan, book: Rulebook) -> bool:
        """Tell whether the recorded rendering is of this text, and says of the message what the rules of this course look for."""
        assert self._then is not None
        then = self._then.attempt(attempt.send_key, attempt.attempt)
        if then is None or text_of(self._then, then) != _pinned(plan, attempt.step):
            return False
        if not book.reads_content:
            return True
        asked = self._then.book(plan_of(self._then, then), attempt.channel)
        return asked.reads_content and all(text in asked.texts for text in book.texts)


def plan_of(state: State, attempt: Attempt) -> CompiledPlan:
    """Return the plan version that the run of an attempt follows."""
    run = state.run_by_no(attempt.run_no)
    assert run is not None
    return state.plan(run.digest)


def text_of(state: State, attempt: Attempt) -> str:
    """Return the digest of the template or script of an attempt."""
    return _pinned(plan_of(state, attempt), attempt.step)


def _pinned(plan: CompiledPlan, step_id: str) -> str:
    step = plan.steps[step_id]
    assert isinstance(step, SendEmail | SendSms | Call)
    return plan.plan.scripts[step.script] if isinstance(step, Call) else plan.plan.templates[step.template]


def _everything(book: Rulebook, known: tuple[str, ...]) -> tuple[str, ...]:
    """Return what is known to be in a message, with all that rules on content ask for."""
    rules = [rule for rule in book.rules if isinstance(rule, ContentRule)]
    wanted = [word for rule in rules for word in (*rule.require, *(text_feature(text) for text in rule.texts))]
    return tuple(sorted(dict.fromkeys((*known, *wanted))))
