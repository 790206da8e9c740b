"""The state of the file at a glance: may it send, does it move, what needs a person."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from dee_appliance.runtime.reports_budget import BudgetReport, ReportQueries, budget_show
from dee_appliance.runtime.reports_next import holds_of, requires
from dee_appliance.runtime.reports_permission import CHANNELS
from dee_appliance.runtime.reports_runs import STATUSES, run_by_number
from dee_appliance.runtime.reports_view import Instant, Times, one_moment
from dee_appliance.store.inbox import staged_jobs
from dee_appliance.store.lock import holder
from dee_appliance.store.queries import load_queries
from dee_appliance.store.state_dir import Armed, StateDir
from dee_appliance.store.tip import TipAgrees, TipAhead, check_tip

if TYPE_CHECKING:
    from dee_appliance.kernel.e1.run import Hold
    from dee_appliance.runtime.reading import View

OVERDUE_PATIENCE_S = 5
"""A loop that runs fires a timer within a second or two of its tick; later than this it is overdue."""
BREAKER_THRESHOLD = 5
BEHIND = "the file is behind what it had reached: an older copy was put back"


class Arming(msgspec.Struct, frozen=True, kw_only=True):
    """Whether the file may really send on this host, and if not, why."""

    armed: bool
    why: str
    incarnation: int


class HoldRow(msgspec.Struct, frozen=True, kw_only=True):
    """One shared hold, and how many sends wait behind it (a send behind two holds counts for both)."""

    scope: str
    reason: str
    until: Instant | None
    entry: int
    waiting: int


class QueueRow(msgspec.Struct, frozen=True, kw_only=True):
    """Intended sends of one channel and plan: how many, and since when the first waits."""

    channel: str
    plan: str
    waiting: int
    oldest: Instant
    held: bool


class FailedGroup(msgspec.Struct, frozen=True, kw_only=True):
    """Failed runs of one plan, reason and step; `example` is the first of them."""

    plan: str
    reason: str
    step: str
    runs: int
    requires: str
    example: str


class HeldGroup(msgspec.Struct, frozen=True, kw_only=True):
    """Runs that the gate holds, of one plan, reason and step. `until`: when the first is asked again; None: a person must act."""

    plan: str
    reason: str
    step: str
    runs: int
    until: Instant | None
    example: str


class Overdue(msgspec.Struct, frozen=True, kw_only=True):
    """Timers that should have fired: how many, and the oldest."""

    timers: int
    due: Instant
    late_s: int
    run: str
    plan: str


class BreakerRow(msgspec.Struct, frozen=True, kw_only=True):
    """A channel's failures in a row; `open` while the channel is held for it."""

    channel: str
    failures: int
    threshold: int
    open: bool


class Inbox(msgspec.Struct, frozen=True, kw_only=True):
    """What waits to be admitted: ready rows, the oldest, rows for later (simulated recipients), rows of unfinished imports."""

    ready: int
    oldest: Instant | None
    later: int
    staged: int


class StatusReport(msgspec.Struct, frozen=True, kw_only=True):
    """The state of one file. `loop` says who runs it, "" if nobody does."""

    path: str
    lineage: str
    clock: str
    epoch: str
    now: Instant
    last: Instant
    arming: Arming
    trial: bool
    trial_guests: int
    loop: str
    entries: int
    head: str
    next_due: Instant | None
    holds: tuple[HoldRow, ...]
    runs: dict[str, int]
    plans: dict[str, dict[str, int]]
    held: tuple[HeldGroup, ...]
    failed: tuple[FailedGroup, ...]
    inbox: Inbox
    overdue: Overdue | None
    queue: tuple[QueueRow, ...]
    in_flight: int
    unknown: int
    breakers: tuple[BreakerRow, ...]
    budget: BudgetReport


def arming_of(view: View, state_dir: StateDir | None = None) -> Arming:
    """Say whether the file may really send on this host. Raises StorageFailed when the state directory cannot be read."""
    if view.simulated:
        return Arming(armed=False, why="simulated files are never armed", incarnation=view.incarnation)
    states = state_dir or StateDir()
    state = states.arming_state(view.database.path, view.lineage, view.incarnation)
    if not isinstance(state, Armed):
        return Arming(armed=False, why=state.reason, incarnation=view.incarnation)
    agreement = check_tip(view.database, states.read_tip(view.lineage))
    if isinstance(agreement, TipAgrees):
        return Arming(armed=True, why="", incarnation=view.incarnation)
    behind = isinstance(agreement, TipAhead)
    why = BEHIND if behind else "the tip outside the file is missing or of another history"
    return Arming(armed=False, why=why, incarnation=view.incarnation)


def disarmed_reason(view: View, state_dir: StateDir | None = None) -> str:
    """Return why nothing leaves this file, "" if something may: a simulated file hands its sends to simulated recipients."""
    return "" if view.simulated else arming_of(view, state_dir).why


def status(view: View, *, now: int | None = None, state_dir: StateDir | None = None) -> StatusReport:
    """Return the state of the file. `now` is the wall clock in UTC seconds; a simulated file counts from its last tick."""
    with one_moment(view):
        tick = view.last_tick if now is None or view.simulated else max(now, view.last_tick)
        times = Times(view)
        counts = view.database.execute(_queries().select_status_counts)
        queue = _queue(view, times)
        attempts: dict[str, int] = dict(view.database.execute(_queries().select_open_attempts))
        running = holder(view.database.path)
        guests = view.state.settings.get("trial.guests", [])
        return StatusReport(
            path=str(view.database.path),
            lineage=view.lineage.hex(),
            clock="simulated" if view.simulated else "real",
            epoch=times.at(view.epoch).utc,
            now=times.at(tick),
            last=times.at(view.last_tick),
            arming=arming_of(view, state_dir),
            trial=bool(view.state.settings.get("trial", False)),
            trial_guests=len(guests) if isinstance(guests, list) else 0,
            loop="" if running is None else str(running),
            entries=view.log_size,
            head=view.log_head.hex(),
            next_due=times.when(view.state.next_due()),
            holds=tuple(_hold(hold, queue, times) for hold in view.state.holds),
            runs={status: sum(row[2] for row in counts if row[0] == status) for status in STATUSES},
            plans=_by_plan(counts),
            held=_held(view, times),
            failed=_failed(view),
            inbox=_inbox(view, tick, times),
            overdue=_overdue(view, tick, times),
            queue=queue,
            in_flight=attempts.get("DISPATCHING", 0) + attempts.get("ONGOING", 0),
            unknown=attempts.get("UNKNOWN", 0),
            breakers=_breakers(view),
            budget=budget_show(view, now=tick),
        )


def _queries() -> ReportQueries:
    return load_queries(ReportQueries, "report")


def _by_plan(counts: list[tuple[str, str, int]]) -> dict[str, dict[str, int]]:
    plans: dict[str, dict[str, int]] = {}
    for status_word, plan, count in counts:
        plans.setdefault(plan, {})[status_word] = count
    return {plan: plans[plan] for plan in sorted(plans)}


def _queue(view: View, times: Times) -> tuple[QueueRow, ...]:
    return tuple(
        QueueRow(
            channel=channel,
            plan=plan,
            waiting=count,
            oldest=times.at(ready),
            held=bool(holds_of(view.state.holds, channel, plan)),
        )
        for channel, plan, count, ready in view.database.execute(_queries().select_queue_depth)
    )


def _hold(hold: Hold, queue: tuple[QueueRow, ...], times: Times) -> HoldRow:
    waiting = sum(row.waiting for row in queue if holds_of((hold,), row.channel, row.plan))
    return HoldRow(
        scope=hold.scope, reason=hold.reason, until=times.when(hold.until), entry=hold.entry, waiting=waiting
    )


def _held(view: View, times: Times) -> tuple[HeldGroup, ...]:
    groups = [
        HeldGroup(
            plan=plan,
            reason=reason or "",
            step=step or "",
            runs=count,
            until=times.when(due),
            example=run_by_number(view, first),
        )
        for plan, reason, step, count, first, due in view.database.execute(_queries().select_stuck_groups, ("HELD",))
    ]
    return tuple(sorted(groups, key=lambda group: (-group.runs, group.plan, group.reason, group.step)))


def _failed(view: View) -> tuple[FailedGroup, ...]:
    groups = [
        FailedGroup(
            plan=plan,
            reason=reason or "",
            step=step or "",
            runs=count,
            requires=requires(reason or ""),
            example=run_by_number(view, first),
        )
        for plan, reason, step, count, first, _ in view.database.execute(_queries().select_stuck_groups, ("FAILED",))
    ]
    return tuple(sorted(groups, key=lambda group: (-group.runs, group.plan, group.reason, group.step)))


def _inbox(view: View, tick: int, times: Times) -> Inbox:
    ready = view.database.execute(_queries().select_inbox_depth, (tick,))[0]
    later = view.database.execute(_queries().select_inbox_later, (tick,))[0]
    staged = sum(job.rows for job in staged_jobs(view.database))
    return Inbox(ready=ready[0], oldest=times.when(ready[1]), later=later[0], staged=staged)


def _overdue(view: View, tick: int, times: Times) -> Overdue | None:
    row = view.database.one(_queries().select_oldest_timer)
    if row is None or row[0] > tick - OVERDUE_PATIENCE_S:
        return None
    count = view.database.execute(_queries().select_overdue_count, (tick - OVERDUE_PATIENCE_S,))[0][0]
    return Overdue(timers=count, due=times.at(row[0]), late_s=tick - row[0], run=row[1], plan=row[2])


def _breakers(view: View) -> tuple[BreakerRow, ...]:
    threshold = view.state.settings.get("breaker.threshold", BREAKER_THRESHOLD)
    held = [hold.scope for hold in view.state.holds if hold.reason == "channel_unavailable"]
    return tuple(
        BreakerRow(
            channel=channel,
            failures=view.state.breakers.get(channel, 0),
            threshold=threshold if isinstance(threshold, int) else BREAKER_THRESHOLD,
            open=f"channel:{channel}" in held,
        )
        for channel in CHANNELS
    )
