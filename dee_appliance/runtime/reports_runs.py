"""Runs in lists: found by status, plan, contact, reason and time, in the order of enrolment, as a stream.

Bulk verbs take their runs from here, so what a list shows is what a verb with the same filter changes.
"""

from __future__ import annotations

import heapq
from itertools import islice
from typing import TYPE_CHECKING

import msgspec

from dee_appliance.errors import EvidenceError, Refused, Usage
from dee_appliance.kernel.e1.run import TRANSITIONS, Run
from dee_appliance.runtime.reports_view import Instant, Times
from dee_appliance.store.queries import load_queries

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dee_appliance.runtime.reading import View
    from dee_appliance.store.database import Row

STATUSES: tuple[str, ...] = tuple(TRANSITIONS)
LAST_TICK = 2**53
EVERYTHING = -1
_run_decoder = msgspec.json.Decoder(Run)


class RunsQueries(msgspec.Struct, frozen=True, kw_only=True):
    """sql/queries/runs.sql."""

    select_runs_all: str
    select_runs_of_status: str
    select_runs_of_contact: str
    select_run_row: str
    select_run_by_number: str
    select_send_run: str
    select_plan_heads: str


class RunFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which runs. Empty texts mean any; `contact` is whatever names a contact.

    `after` (inclusive) and `before` (exclusive) are ticks (UTC seconds) of a run's last change; `first` is the lowest run number.
    """

    status: str = ""
    plan: str = ""
    contact: str = ""
    reason: str = ""
    after: int | None = None
    before: int | None = None
    first: int = 0
    limit: int | None = None


class RunRow(msgspec.Struct, frozen=True, kw_only=True):
    """One run in a list. `reason` says why it is FAILED or HELD, or the outcome when COMPLETED; `due` when its timer fires."""

    run: str
    no: int
    contact: str
    plan: str
    status: str
    reason: str
    step: str
    started: Instant
    changed: Instant
    due: Instant | None


class FoundRun(msgspec.Struct, frozen=True, kw_only=True):
    """One run as it is stored, with the tick of its last change."""

    run: Run
    changed: int


def select_runs(view: View, wanted: RunFilter | None = None) -> Iterator[RunRow]:
    """Give the runs that fit, in the order of enrolment. Raises Usage for a status that does not exist, Refused for a contact."""
    wanted = wanted or RunFilter()
    limit = EVERYTHING if wanted.limit is None else wanted.limit
    if limit < EVERYTHING:
        raise Usage("a limit is a whole number from 0 on", where="--limit")
    rows = _rows(view, _checked(view, wanted), limit)
    return _listed(view, rows, wanted.limit)


def _listed(view: View, rows: Iterator[Row], limit: int | None) -> Iterator[RunRow]:
    times = Times(view)
    for row in islice(rows, limit):
        yield run_row(view, FoundRun(run=_run_decoder.decode(row[2]), changed=row[1]), times)


def _checked(view: View, wanted: RunFilter) -> RunFilter:
    status = wanted.status.upper()
    if status and status not in STATUSES:
        raise Usage(f"there is no status `{wanted.status}`", where="--status", hint=", ".join(STATUSES))
    if wanted.plan and view.state.newest_version(wanted.plan) is None:
        raise Refused(f"there is no plan `{wanted.plan}`", where=str(view.database.path), hint="dee plan list")
    contact = view.resolve_contact(wanted.contact) if wanted.contact else ""
    return msgspec.structs.replace(wanted, status=status, contact=contact)


def _rows(view: View, wanted: RunFilter, limit: int) -> Iterator[Row]:
    """Choose the index that leaves least to read. Arguments are in the order in which the query names them."""
    names = load_queries(RunsQueries, "runs")
    span = (
        wanted.first,
        0 if wanted.after is None else wanted.after,
        LAST_TICK if wanted.before is None else wanted.before,
        wanted.reason,
    )
    stream = view.database.stream
    if wanted.contact:
        chosen = (wanted.contact, *span, wanted.status, wanted.plan, limit)
        return stream(names.select_runs_of_contact, chosen)
    if not wanted.status and not wanted.plan:
        return stream(names.select_runs_all, (*span, limit))
    statuses = (wanted.status,) if wanted.status else STATUSES
    plans = (wanted.plan,) if wanted.plan else tuple(plan for plan, _ in plan_heads(view))
    streams = [
        stream(names.select_runs_of_status, (status, plan, *span, limit)) for status in statuses for plan in plans
    ]
    return heapq.merge(*streams, key=lambda row: int(row[0]))


def plan_heads(view: View) -> list[tuple[str, int]]:
    """Return every plan with its newest version."""
    names = load_queries(RunsQueries, "runs")
    return [(row[0], row[1]) for row in view.database.execute(names.select_plan_heads)]


def run_row(view: View, found: FoundRun, times: Times) -> RunRow:
    """Return a run as a list shows it."""
    run = found.run
    return RunRow(
        run=run.run,
        no=run.no,
        contact=run.contact,
        plan=view.state.plan(run.digest).label,
        status=run.status,
        reason=run.reason,
        step=run.step,
        started=times.at(run.started),
        changed=times.at(found.changed),
        due=times.when(run.due),
    )


def find_run(view: View, run: str) -> FoundRun:
    """Return one run by its id. Raises Refused."""
    row = view.database.one(load_queries(RunsQueries, "runs").select_run_row, (run,))
    if row is None:
        raise Refused(f"there is no run `{run}`", where=str(view.database.path), hint="dee run list")
    return FoundRun(run=_run_decoder.decode(row[2]), changed=row[1])


def run_of_send(view: View, send_key: str) -> str | None:
    """Return the id of the run that a send belongs to, or None."""
    names = load_queries(RunsQueries, "runs")
    row = view.database.one(names.select_send_run, (send_key,))
    return None if row is None else run_by_number(view, row[0])


def run_by_number(view: View, run_no: int) -> str:
    """Return the id of the run with this number. Raises EvidenceError for a number that some row names and no run has."""
    row = view.database.one(load_queries(RunsQueries, "runs").select_run_by_number, (run_no,))
    if row is None:
        raise EvidenceError(f"there is no run {run_no}", where=str(view.database.path), hint="run `dee verify`")
    return str(row[0])
