"""The shell of a replay: gives the kernel the renderings that were recorded, and may render again beside them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Protocol

import msgspec

from dee_appliance.errors import EvidenceError
from dee_appliance.kernel.e1.run import Given
from dee_appliance.replay.difference import first_difference

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dee_appliance.kernel.e1.compiled import CompiledPlan
    from dee_appliance.kernel.e1.run import Attempt, Run
    from dee_appliance.replay.reading import GivenRow
    from dee_appliance.store.journal import InputRow
    from dee_appliance.store.state import State

ALWAYS_UNCOVERED = (
    "the tables of state: run `dee verify --state`",
    "whether the end of the log was cut off with its inputs, or all of it rewritten: run `dee verify`, which knows the tip",
)
KEPT = 100
_decoder = msgspec.json.Decoder(Given)


class Rerender(Protocol):
    """Renders an attempt again as it was at that input, from the vault; None when its data are no longer there."""

    def __call__(self, state: State, row: InputRow, attempt: Attempt, run: Run, plan: CompiledPlan) -> Given | None:
        """`state` is the replayed state before the input `row`."""


class RenderDifference(msgspec.Struct, frozen=True, kw_only=True):
    """A message that comes out otherwise today. Not a divergence: what was sent is what was recorded."""

    input: int
    run: str
    step: str
    send_key: str
    attempt: int
    field: str
    expected: object
    actual: object
    cause: Literal["template", "renderer"]


class NotRendered(msgspec.Struct, frozen=True, kw_only=True):
    """A message that cannot be made again, because the personal data that went into it are gone."""

    input: int
    run: str
    step: str
    send_key: str
    attempt: int


class RendererReport(msgspec.Struct, frozen=True, kw_only=True):
    """What rendering again gave. `skipped`: data erased. `differences` and `not_rendered`: the first hundred of each."""

    checked: int
    skipped: int
    differing: int
    differences: tuple[RenderDifference, ...]
    not_rendered: tuple[NotRendered, ...] = ()


def not_covered(made: RendererReport | None) -> tuple[str, ...]:
    """Say what a replay has not looked at."""
    if made is None:
        rendering = ["whether the messages would be made the same today: they were not made again"]
    elif made.skipped:
        rendering = [
            f"{made.skipped:,} messages whose personal data are gone: what was recorded of them was taken as it is"
        ]
    else:
        rendering = []
    return (*rendering, *ALWAYS_UNCOVERED)


class RecordedShell:
    """Implements journal.Shell from the rows of `given`, read in step with the inputs."""

    def __init__(self, rows: Iterator[GivenRow], rerender: Rerender | None) -> None:
        self._rows = rows
        self._ahead = next(rows, None)
        self._rerender = rerender
        self._state: State | None = None
        self._row: InputRow | None = None
        self.used = 0
        self.unused: tuple[int, int] | None = None
        """Input and ordinal of the first row that no input asked for."""
        self._checked = 0
        self._skipped = 0
        self._differing = 0
        self._differences: list[RenderDifference] = []
        self._not_rendered: list[NotRendered] = []

    def begin(self, state: State, row: InputRow) -> None:
        """Say which input is applied next."""
        self._state = state
        self._row = row

    def give(self, seq: int, ordinal: int, attempt: Attempt, run: Run, plan: CompiledPlan) -> Given:
        """Return the recorded rendering. Raises EvidenceError when it is gone or belongs to another send."""
        while self._ahead is not None and (self._ahead.seq, self._ahead.ordinal) < (seq, ordinal):
            self._pass()
        row = self._ahead
        if row is None or (row.seq, row.ordinal) != (seq, ordinal):
            raise EvidenceError(f"rendering {ordinal} of input {seq} is not in the file")
        given = _decoder.decode(row.body)
        if (given.send_key, given.attempt) != (attempt.send_key, attempt.attempt):
            raise EvidenceError(f"rendering {ordinal} of input {seq} belongs to another send")
        self._ahead = next(self._rows, None)
        self.used += 1
        if self._rerender is not None:
            self._render_again(given, attempt, run, plan)
        return given

    def end(self) -> None:
        """All inputs are applied: what is left was asked for by none."""
        if self._ahead is not None:
            self._pass()

    def report(self) -> RendererReport | None:
        """Return what rendering again gave, None when nothing was rendered."""
        if self._rerender is None:
            return None
        return RendererReport(
            checked=self._checked,
            skipped=self._skipped,
            differing=self._differing,
            differences=tuple(self._differences),
            not_rendered=tuple(self._not_rendered),
        )

    def _pass(self) -> None:
        if self.unused is None and self._ahead is not None:
            self.unused = (self._ahead.seq, self._ahead.ordinal)
        self._ahead = next(self._rows, None)

    def _render_again(self, given: Given, attempt: Attempt, run: Run, plan: CompiledPlan) -> None:
        assert self._rerender is not None
        assert self._state is not None
        assert self._row is not None
        again = self._rerender(self._state, self._row, attempt, run, plan)
        if again is None:
            self._skipped += 1
            if len(self._not_rendered) < KEPT:
                self._not_rendered.append(
                    NotRendered(
                        input=self._row.seq,
                        run=run.run,
                        step=attempt.step,
                        send_key=attempt.send_key,
                        attempt=attempt.attempt,
                    )
                )
            return
        self._checked += 1
        difference = first_difference(msgspec.to_builtins(given), msgspec.to_builtins(again))
        if difference is None:
            return
        self._differing += 1
        if len(self._differences) < KEPT:
            self._differences.append(
                RenderDifference(
                    input=self._row.seq,
                    run=run.run,
                    step=attempt.step,
                    send_key=attempt.send_key,
                    attempt=attempt.attempt,
                    field=difference.path,
                    expected=difference.expected,
                    actual=difference.actual,
                    cause="template" if difference.path == "template" else "renderer",
                )
            )
