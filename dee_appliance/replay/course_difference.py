"""Two courses of the same runs, compared step by step as both go on, and the first step in which each run differs.

What is compared is what a run did, when and where: not the hashes, nor the ladder of rules that let a send pass, nor at which
place of its document a branch or an exit stands. A run that does the same in both courses leaves nothing behind here.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

import msgspec

from dee_appliance.replay.difference import first_difference

if TYPE_CHECKING:
    from dee_appliance.replay.course import Step

NOT_COMPARED = ("gate", "digest", "exit", "case")
NOTHING = "(nothing)"
"""Stands for the course in which the run does not come so far."""


class StepDifference(msgspec.Struct, frozen=True, kw_only=True):
    """Where a run first differs: the recorded entry (None: it has none there), the tick (UTC seconds), the step, the field."""

    entry: int | None
    tick: int
    step: str
    field: str
    recorded: object
    what_if: object


class CourseDifference:
    """Collects the steps of both courses, and keeps the first difference of each run."""

    def __init__(self) -> None:
        self.found: dict[str, StepDifference] = {}
        self._waiting: dict[str, tuple[deque[Step], deque[Step]]] = {}

    def recorded(self, steps: list[tuple[str, Step]]) -> None:
        """Take steps of the recorded course."""
        self._take(steps, 0)

    def what_if(self, steps: list[tuple[str, Step]]) -> None:
        """Take steps of the other course."""
        self._take(steps, 1)

    def end(self) -> None:
        """Nothing comes any more: what one course did and the other did not is a difference."""
        for run, (recorded, what_if) in self._waiting.items():
            then, now = (side[0] if side else None for side in (recorded, what_if))
            self.found[run] = _missing(then, now)
        self._waiting.clear()

    def _take(self, steps: list[tuple[str, Step]], side: int) -> None:
        for run, step in steps:
            if run in self.found:
                continue
            waiting = self._waiting.get(run)
            if waiting is None:
                waiting = self._waiting[run] = (deque(), deque())
            waiting[side].append(step)
            if waiting[0] and waiting[1]:
                difference = _difference(waiting[0].popleft(), waiting[1].popleft())
                if difference is not None:
                    self.found[run] = difference
                if difference is not None or not (waiting[0] or waiting[1]):
                    del self._waiting[run]


def _difference(recorded: Step, what_if: Step) -> StepDifference | None:
    then, now = _compared(recorded), _compared(what_if)
    if then == now:
        return None
    for field in ("action", "step", "visit", "outcome", "tick"):
        if then[field] != now[field]:
            return _at(recorded, field, then[field], now[field])
    found = first_difference(then, now)
    assert found is not None
    return _at(recorded, found.path, found.expected, found.actual)


def _compared(step: Step) -> dict[str, object]:
    return {
        "action": step.action,
        "step": step.step,
        "visit": step.visit,
        "outcome": step.outcome,
        "tick": step.tick,
        "detail": {name: value for name, value in step.detail.items() if name not in NOT_COMPARED},
    }


def _at(recorded: Step, field: str, then: object, now: object) -> StepDifference:
    return StepDifference(
        entry=recorded.entry, tick=recorded.tick, step=recorded.step, field=field, recorded=then, what_if=now
    )


def _missing(recorded: Step | None, what_if: Step | None) -> StepDifference:
    there = recorded or what_if
    assert there is not None
    return StepDifference(
        entry=None if recorded is None else recorded.entry,
        tick=there.tick,
        step=there.step,
        field="entry",
        recorded=NOTHING if recorded is None else f"{recorded.action} {recorded.outcome}",
        what_if=NOTHING if what_if is None else f"{what_if.action} {what_if.outcome}",
    )
