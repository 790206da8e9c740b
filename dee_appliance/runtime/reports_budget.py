"""What budgets and daily limits have left: settled, reserved and limit by rule and bucket, and when a count starts again.

The rules are those of the file's policy and of the newest version of each plan; the counters are the ones the gate itself reads.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from dee_appliance.errors import Refused
from dee_appliance.kernel.e1.civil_time import OutOfRange, UnknownZone, day_start, local_day
from dee_appliance.kernel.e1.plan import Plan
from dee_appliance.kernel.e1.policy import BudgetRule, DailyLimitRule, Policy, rules_for
from dee_appliance.kernel.e1.rules import budget, daily_limit
from dee_appliance.runtime.reports_permission import CHANNELS
from dee_appliance.runtime.reports_runs import plan_heads
from dee_appliance.runtime.reports_view import Instant, Times, one_moment
from dee_appliance.store.queries import load_queries

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dee_appliance.kernel.e1.plan import Channel
    from dee_appliance.runtime.reading import View

BUCKETS_SHOWN = 14


class ReportQueries(msgspec.Struct, frozen=True, kw_only=True):
    """sql/queries/report.sql."""

    select_status_counts: str
    select_stuck_groups: str
    select_inbox_depth: str
    select_inbox_later: str
    select_oldest_timer: str
    select_overdue_count: str
    select_queue_depth: str
    select_open_attempts: str
    select_recent_buckets: str


class BudgetRow(msgspec.Struct, frozen=True, kw_only=True):
    """One budget. Amounts are micro-units of `currency`; left = limit - settled - reserved. `plan`, `channel`: its scope."""

    rule: str
    counter: str
    plan: str
    channel: str
    currency: str
    limit_micros: int
    settled_micros: int
    reserved_micros: int
    left_micros: int


class DayCount(msgspec.Struct, frozen=True):
    """How many sends one day has counted."""

    day: str
    used: int


class LimitRow(msgspec.Struct, frozen=True, kw_only=True):
    """One daily limit: today's count in the rule's zone, and when the next day begins. `days` are the newest that counted."""

    rule: str
    counter: str
    plan: str
    channel: str
    zone: str
    day: str
    limit: int
    used: int
    left: int
    resets: Instant | None
    days: tuple[DayCount, ...]


class BudgetReport(msgspec.Struct, frozen=True, kw_only=True):
    """Every budget and daily limit. `policy` is the file's policy, `entry` the entry that set it."""

    policy: str
    entry: int
    at: Instant
    budgets: tuple[BudgetRow, ...]
    limits: tuple[LimitRow, ...]


class _Scoped(msgspec.Struct, frozen=True):
    """A rule, and one plan and channel for which the gate would ask it."""

    rule: BudgetRule | DailyLimitRule
    plan: str
    channel: Channel


def budget_show(view: View, *, plan: str = "", now: int | None = None) -> BudgetReport:
    """Return what budgets and limits have left at tick `now` (default: the file's last). `plan`: only what its sends must pass.

    Raises Refused for a plan that is not there.
    """
    with one_moment(view):
        tick = view.last_tick if now is None else now
        policy, entry = view.state.policy()
        scoped = list(_scoped(view, policy, plan))
        return BudgetReport(
            policy=policy.id,
            entry=entry,
            at=Times(view).at(tick),
            budgets=tuple(_budgets(view, scoped, tick)),
            limits=tuple(_limits(view, scoped, tick)),
        )


def _scoped(view: View, policy: Policy, plan: str) -> Iterator[_Scoped]:
    """Give every limiting rule once for each counter that it can have."""
    plans = [view.state.plan(_digest(view, name)).plan for name, _ in plan_heads(view) if plan in ("", name)]
    if plan and not plans:
        raise Refused(f"there is no plan `{plan}`", where=str(view.database.path), hint="dee plan list")
    # A file without plans has limits all the same; any plan will do to ask which rules of the file there are.
    for one in plans or [Plan(plan="", version=0, purpose="transactional", steps=())]:
        for channel in CHANNELS:
            for rule in rules_for(policy, one, channel):
                if isinstance(rule, BudgetRule | DailyLimitRule):
                    yield _Scoped(rule, one.plan, channel)


def _digest(view: View, plan: str) -> str:
    digest = view.state.plan_digest(plan, None)
    assert digest is not None, plan
    return digest


def _budgets(view: View, scoped: list[_Scoped], tick: int) -> Iterator[BudgetRow]:
    seen: list[str] = []
    for one in scoped:
        if not isinstance(one.rule, BudgetRule):
            continue
        key = budget.counter_of(one.rule, one.channel, one.plan, view.state.zones(), tick)
        if key[0] in seen:
            continue
        seen.append(key[0])
        settled, reserved = view.state.buckets.read(key)
        plan, channel = _scope(one)
        yield BudgetRow(
            rule=one.rule.id,
            counter=key[0],
            plan=plan,
            channel=channel,
            currency=one.rule.currency,
            limit_micros=one.rule.limit_micros,
            settled_micros=settled,
            reserved_micros=reserved,
            left_micros=one.rule.limit_micros - settled - reserved,
        )


def _limits(view: View, scoped: list[_Scoped], tick: int) -> Iterator[LimitRow]:
    zones, times = view.state.zones(), Times(view)
    seen: list[str] = []
    for one in scoped:
        if not isinstance(one.rule, DailyLimitRule):
            continue
        key = daily_limit.counter_of(one.rule, one.channel, one.plan, zones, tick)
        if key[0] in seen:
            continue
        seen.append(key[0])
        used = view.state.buckets.read(key)[0]
        plan, channel = _scope(one)
        yield LimitRow(
            rule=one.rule.id,
            counter=key[0],
            plan=plan,
            channel=channel,
            zone=one.rule.zone,
            day=key[1],
            limit=one.rule.limit,
            used=used,
            left=max(one.rule.limit - used, 0),
            resets=times.when(_next_day(view, one.rule.zone, tick)),
            days=_days(view, key[0]),
        )


def _scope(one: _Scoped) -> tuple[str, str]:
    """The plan and the channel that a rule's counter is kept for; empty where it is kept for all."""
    match one.rule.scope:
        case "plan":
            return one.plan, ""
        case "channel":
            return "", one.channel
        case "file":
            return "", ""


def _next_day(view: View, zone: str, tick: int) -> int | None:
    table = view.state.zones()
    try:
        return day_start(table, zone, local_day(table, zone, tick) + 1)
    except (UnknownZone, OutOfRange):
        return None


def _days(view: View, counter: str) -> tuple[DayCount, ...]:
    sql = load_queries(ReportQueries, "report").select_recent_buckets
    rows = view.database.execute(sql, (counter, BUCKETS_SHOWN))
    return tuple(DayCount(row[0], row[1]) for row in reversed(rows))
