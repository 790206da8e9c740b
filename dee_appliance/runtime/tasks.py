"""Tasks: the steps that wait for a person, with what is to be done and which outcomes may be reported."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from dee_appliance.kernel.e1.plan import Task
from dee_appliance.kernel.e1.run import Run
from dee_appliance.runtime.reports_view import Instant, name_of, times_of
from dee_appliance.store.queries import load_queries

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dee_appliance.runtime.reading import View

_run_decoder = msgspec.json.Decoder(Run)


class TaskQueries(msgspec.Struct, frozen=True, kw_only=True):
    """sql/queries/task.sql."""

    select_task_runs: str


class TaskRow(msgspec.Struct, frozen=True, kw_only=True):
    """One task that waits. `due` is when the plan goes on without it; `outcomes` are what may be reported."""

    run: str
    contact: str
    name: str
    plan: str
    step: str
    instructions: str
    outcomes: tuple[str, ...]
    since: Instant
    due: Instant | None


def open_tasks(view: View, *, plan: str = "") -> Iterator[TaskRow]:
    """Give every task that waits for a person, in the order of enrolment."""
    for (body,) in view.database.stream(load_queries(TaskQueries, "task").select_task_runs):
        run = _run_decoder.decode(body)
        step = view.state.plan(run.digest).steps.get(run.step)
        if isinstance(step, Task) and plan in {"", run.plan}:
            yield _row(view, run, step)


def _row(view: View, run: Run, step: Task) -> TaskRow:
    times = times_of(view, view.state.contact(run.contact))
    return TaskRow(
        run=run.run,
        contact=run.contact,
        name=name_of(view.vault.profile(run.contact)),
        plan=run.plan,
        step=step.id,
        instructions=step.instructions,
        outcomes=tuple(step.on),
        since=times.at(run.entered),
        due=times.when(run.due),
    )
