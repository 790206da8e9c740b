"""what-if: the recorded history with something changed, decided again from its first input, and what comes out otherwise.

The kernel, the journal and the inputs are those of a replay; what is changed stands in changed_history, how both courses are fed
in two_courses. The file is only read, and nothing can be sent from here. What the report cannot know it says: runs that go beyond
history, from when on shared counters rest on such runs, recorded inputs that fell away, messages that could not be made again.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from dee_appliance.errors import Divergence, Refused
from dee_appliance.kernel.e1.run import Run
from dee_appliance.replay.changed_history import ChangedHistory, Substitution, Swap
from dee_appliance.replay.changed_rules import FlipSummary
from dee_appliance.replay.changed_shell import ChangedShell, KeepingShell
from dee_appliance.replay.course import Course, Step, scratch_for
from dee_appliance.replay.course_difference import StepDifference
from dee_appliance.replay.reading import (
    Progress,
    last_entry,
    last_input,
    open_evidence,
    queries,
    read_entry,
    read_genesis,
    read_given,
    read_inputs,
)
from dee_appliance.replay.recorded_shell import RecordedShell, Rerender
from dee_appliance.replay.rule_flips import Messages, RecordedFlip, RuleFlips
from dee_appliance.replay.two_courses import Beyond, Shells, TwoCourses
from dee_appliance.store.header import size_or_zero
from dee_appliance.store.versions import kernel_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dee_appliance.replay.reading import ReplayQueries
    from dee_appliance.store.database import Database

BATCH = 1_000
"""Inputs after which the throw-away databases commit."""
PROGRESS_EVERY = 500
BEYOND = "beyond history"
NO_RUN = "no run"
"""Outcomes in the matrix: the run went where history has no answer; the run exists in the other course only."""


class WhatIfOptions(msgspec.Struct, frozen=True, kw_only=True):
    """How to look.

    `limit`: how many changed runs are listed; `last`: report only the last so many runs (0: all); `run`: show this one in both
    courses; `make` makes messages that history does not have, `messages` looks into those that it has; `scratch` is the folder
    for what is thrown away. `on_flip` and `on_run` are told of everything that is found, whatever the limit.
    """

    limit: int = 20
    last: int = 0
    run: str | None = None
    make: Rerender | None = None
    messages: Messages | None = None
    on_flip: Callable[[RecordedFlip], None] | None = None
    on_run: Callable[[RunChange], None] | None = None
    scratch: Path | None = None


class RunChange(msgspec.Struct, frozen=True, kw_only=True):
    """A run that goes another way: where it first differs, and how it stands at the end of the record in each course."""

    run: str
    contact: str
    plan: str
    first: StepDifference
    before: str
    after: str
    beyond: Beyond | None


class OutcomeCount(msgspec.Struct, frozen=True, kw_only=True):
    """How many runs ended (or stand) as `before` on the record, and as `after` in the other course."""

    before: str
    after: str
    runs: int


class RunCounts(msgspec.Struct, frozen=True, kw_only=True):
    """`same + changed + beyond == runs`: all runs of either course."""

    runs: int
    same: int
    changed: int
    beyond: int


class RunCourses(msgspec.Struct, frozen=True, kw_only=True):
    """What one run did in both courses."""

    run: str
    recorded: tuple[Step, ...]
    what_if: tuple[Step, ...]


Pair = tuple[int, int]
"""Recorded, and with the change."""


class WhatIf(msgspec.Struct, frozen=True, kw_only=True):
    """What would have come out otherwise.

    `sends`, `held`, `denied`, `failed` and `not_enrolled` count by kind, rule or reason; `cost` is in micro-units by currency.
    `uncertain_from` is the tick (UTC seconds) from which shared counters rest on runs beyond history. `dropped`, `refused` and
    `added` count inputs by kind: recorded ones that do not happen, recorded ones that are refused, those that the loop would have
    made. `inputs` and `entries` are those of the record.
    `unmade` messages could not be made again. `flips` is None unless rules are changed; `uncounted` and `unseen` belong to it.
    """

    path: str
    inputs: int
    entries: int
    swaps: tuple[Swap, ...]
    counts: RunCounts
    outcomes: tuple[OutcomeCount, ...]
    sends: dict[str, Pair]
    held: dict[str, Pair]
    denied: dict[str, Pair]
    failed: dict[str, Pair]
    not_enrolled: dict[str, Pair]
    cost: dict[str, Pair]
    uncertain_from: int | None
    dropped: dict[str, int]
    refused: dict[str, int]
    added: dict[str, int]
    unmade: int
    shown: tuple[RunChange, ...]
    run: RunCourses | None
    flips: FlipSummary | None
    uncounted: tuple[str, ...]
    unseen: int


DEFAULT = WhatIfOptions()


def what_if(
    path: Path, change: ChangedHistory, *, progress: Progress | None = None, options: WhatIfOptions = DEFAULT
) -> WhatIf:
    """Decide a file's history again with a change, and compare.

    `progress` is told inputs done and in all. Raises Refused for what the file does not have and for rules that contradict each
    other, Divergence when the history itself does not come out as it was recorded, and as `replay`.
    """
    with ExitStack() as opened:
        source = opened.enter_context(open_evidence(path, scratch=options.scratch))
        names = queries()
        substitution = Substitution(change, source, names)
        flips = RuleFlips(change.rules, options.messages, options.on_flip) if change.rules.anything else None
        courses = _courses(source, names, substitution, options, _Opened(opened, flips))
        inputs = _play(source, names, courses, progress)
        _require_same(source, names, courses.then)
        return _Report(path, courses, options).made(substitution, flips, inputs)


class _Opened(NamedTuple):
    """What is closed at the end, and who looks at the recorded course."""

    stack: ExitStack
    flips: RuleFlips | None


def _courses(
    source: Database, names: ReplayQueries, substitution: Substitution, options: WhatIfOptions, opened: _Opened
) -> TwoCourses:
    genesis = read_genesis(source)
    kernel_of(genesis.semantics, source.path)
    size = size_or_zero(source.path)
    recorded = KeepingShell(RecordedShell(read_given(source, names), None))
    changed = ChangedShell(recorded, substitution.same_text, options.make)
    then = Course(opened.stack.enter_context(scratch_for(size, options.scratch)), genesis, recorded, opened.flips)
    now = None
    if substitution.anything:
        now = Course(opened.stack.enter_context(scratch_for(size, options.scratch)), genesis, changed)
        with now.scratch.transaction():
            now.bring(substitution.first_documents(), 0)
    return TwoCourses(then, now, substitution, Shells(recorded, changed), run=options.run)


def _play(source: Database, names: ReplayQueries, courses: TwoCourses, progress: Progress | None) -> int:
    total = last_input(source, names) if progress is not None else 0
    rows = read_inputs(source, names)
    done, more = 0, True
    while more:
        with ExitStack() as open_transactions:
            for course in courses.both():
                open_transactions.enter_context(course.scratch.transaction())
            more = False
            for row in rows:
                courses.step(row)
                done += 1
                if progress is not None and done % PROGRESS_EVERY == 0:
                    progress(done, total)
                if done % BATCH == 0:
                    more = True
                    break
            else:
                courses.end()
            for course in courses.both():
                course.journal.flush()
    if progress is not None:
        progress(done, total)
    return done


def _require_same(source: Database, names: ReplayQueries, then: Course) -> None:
    """Without a past that comes out as it was, what would have been means nothing."""
    end = last_entry(source, names)
    entry = read_entry(source, names, end)
    if entry is None or (end + 1, entry.leaf) != (then.journal.chain.next_seq, then.journal.chain.head):
        raise Divergence(
            "the history does not come out as it was recorded", where=str(source.path), hint="run `dee replay`"
        )


# ---- the report ----


class _Report:
    """Puts both courses side by side at the end of the record."""

    def __init__(self, path: Path, courses: TwoCourses, options: WhatIfOptions) -> None:
        self._path = path
        self._courses = courses
        self._options = options
        self._matrix: dict[tuple[str, str], int] = {}
        self._changes: list[RunChange] = []
        self._beyond = 0
        self._runs = 0

    def made(self, substitution: Substitution, flips: RuleFlips | None, inputs: int) -> WhatIf:
        """Return the report."""
        courses = self._courses
        then, now = courses.then, courses.now or courses.then
        self._compare(then, now)
        pairs = {
            name: _pairs(getattr(then.tally, name), getattr(now.tally, name)) for name in then.tally.__struct_fields__
        }
        ordered = sorted(self._matrix.items(), key=lambda item: (-item[1], item[0]))
        return WhatIf(
            path=str(self._path),
            inputs=inputs,
            entries=then.journal.chain.next_seq,
            swaps=tuple(substitution.swaps),
            counts=RunCounts(
                runs=self._runs,
                same=self._runs - len(self._changes),
                changed=len(self._changes) - self._beyond,
                beyond=self._beyond,
            ),
            outcomes=tuple(OutcomeCount(before=key[0], after=key[1], runs=runs) for key, runs in ordered),
            cost=_pairs(then.cost(), now.cost()),
            uncertain_from=min((one.tick for one in courses.beyond.values()), default=None),
            dropped=_sorted(courses.dropped),
            refused=_sorted(courses.refused),
            added=_sorted(courses.added),
            unmade=courses.unmade,
            shown=tuple(self._changes[: self._options.limit]),
            run=self._one_run(),
            flips=None if flips is None else flips.tally.summary(),
            uncounted=() if flips is None else tuple(sorted(flips.uncounted)),
            unseen=0 if flips is None else flips.unseen,
            **pairs,
        )

    def _compare(self, then: Course, now: Course) -> None:
        first = max(0, then.state.next_run_no - self._options.last) if self._options.last else 0
        found = self._courses.difference.found
        for before, after in _side_by_side(then.runs(), now.runs()):
            run = before or after
            assert run is not None
            if run.no < first:
                continue
            self._runs += 1
            beyond = self._courses.beyond.get(run.run)
            labels = NO_RUN if before is None else standing(before), _after(after, beyond)
            self._matrix[labels] = self._matrix.get(labels, 0) + 1
            difference = found.get(run.run)
            if difference is None and labels[0] == labels[1]:
                continue
            self._beyond += beyond is not None
            self._changes.append(
                RunChange(
                    run=run.run,
                    contact=run.contact,
                    plan=run.plan,
                    first=difference or _standing_difference(run, labels),
                    before=labels[0],
                    after=labels[1],
                    beyond=beyond,
                )
            )
        self._changes.sort(key=lambda one: (one.first.tick, one.run))
        if self._options.on_run is not None:
            for change in self._changes:
                self._options.on_run(change)

    def _one_run(self) -> RunCourses | None:
        run = self._options.run
        if run is None:
            return None
        recorded, other = self._courses.traces
        if self._courses.now is None:
            other = recorded
        if not recorded and not other:
            raise Refused(f"there is no run {run}", where=str(self._path), hint="list the runs with `dee run list`")
        return RunCourses(run=run, recorded=tuple(recorded), what_if=tuple(other))


def standing(run: Run) -> str:
    """Return how a run stands: `COMPLETED(replied)`, `FAILED(denied:consent)`, `WAITING`."""
    return f"{run.status}({run.reason})" if run.reason else run.status


def _after(run: Run | None, beyond: Beyond | None) -> str:
    if beyond is not None:
        return BEYOND
    return NO_RUN if run is None else standing(run)


def _standing_difference(run: Run, labels: tuple[str, str]) -> StepDifference:
    """Every entry is the same and yet the run stands otherwise: it has moved without an entry, or its message was another."""
    return StepDifference(
        entry=None, tick=run.entered, step=run.step, field="status", recorded=labels[0], what_if=labels[1]
    )


def _side_by_side(
    then: Iterator[tuple[str, Run]], now: Iterator[tuple[str, Run]]
) -> Iterator[tuple[Run | None, Run | None]]:
    """Give each run of either course, both in the order of their ids."""
    left, right = next(then, None), next(now, None)
    while left is not None or right is not None:
        if right is None or (left is not None and left[0] < right[0]):
            assert left is not None
            yield left[1], None
            left = next(then, None)
        elif left is None or right[0] < left[0]:
            yield None, right[1]
            right = next(now, None)
        else:
            yield left[1], right[1]
            left, right = next(then, None), next(now, None)


def _pairs(then: dict[str, int], now: dict[str, int]) -> dict[str, Pair]:
    return {key: (then.get(key, 0), now.get(key, 0)) for key in sorted({**then, **now})}


def _sorted(counts: dict[str, int]) -> dict[str, int]:
    return {key: counts[key] for key in sorted(counts)}
