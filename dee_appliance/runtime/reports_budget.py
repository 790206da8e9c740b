"""What budgets, daily limits and rates have left: settled, reserved and limit by rule and bucket, and when a count starts again.

The rules are those of the file's policy, of the packs in use and of the newest version of each plan; the counters are the ones
the gate itself reads. How fast a budget is used up is in reports_burn.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from dee_appliance.errors import Refused
from dee_appliance.kernel.e1.civil_time import (
    OutOfRange,
    UnknownZone,
    civil_from_days,
    day_start,
    days_from_civil,
    local_day,
)
from dee_appliance.kernel.e1.plan import Plan
from dee_appliance.kernel.e1.policy import (
    BudgetRule,
    DailyLimitRule,
    Policy,
    RateRule,
    kind_of_rule,
    rules_for,
)
from dee_appliance.kernel.e1.rules import budget, daily_limit, rate
from dee_appliance.kernel.e1.rules.shared import counter_name, next_period
from dee_appliance.runtime.reports_burn import Burn, BurnDown
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
    """One budget in its current period. Amounts are micro-units of `currency`; left = limit - settled - reserved.

    `plan`, `channel`: its scope. `bucket` is the period as the counter names it (total, a date or a month), `begins` and
    `resets` are its ends; both are missing for the total. `burn` is how fast it is used up, when that was asked for.
    """

    rule: str
    counter: str
    plan: str
    channel: str
    currency: str
    period: str
    zone: str
    bucket: str
    begins: Instant | None
    resets: Instant | None
    on_fail: str
    limit_micros: int
    settled_micros: int
    reserved_micros: int
    left_micros: int
    burn: Burn | None = None


class DayCount(msgspec.Struct, frozen=True):
    """How many sends one day has counted."""

    day: str
    used: int


class NextStage(msgspec.Struct, frozen=True):
    """The next stage of a ramp: from that local date on, so many a day."""

    since: str
    limit: int


class LimitRow(msgspec.Struct, frozen=True, kw_only=True):
    """One daily limit: today's count in the rule's zone, and when the next day begins. `days` are the newest that counted.

    `limit` is today's; `stage` is the date since which it holds when the rule is a ramp, `next_stage` what comes next.
    """

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
    stage: str = ""
    next_stage: NextStage | None = None


class RateRow(msgspec.Struct, frozen=True, kw_only=True):
    """One rate: how many have left in the last `seconds`. `free` is when the next one fits, if none does now."""

    rule: str
    counter: str
    plan: str
    channel: str
    seconds: int
    limit: int
    used: int
    left: int
    free: Instant | None


class BudgetReport(msgspec.Struct, frozen=True, kw_only=True):
    """Every budget, daily limit and rate. `policy` is the file's policy, `entry` the entry that set it."""

    policy: str
    entry: int
    at: Instant
    budgets: tuple[BudgetRow, ...]
    limits: tuple[LimitRow, ...]
    rates: tuple[RateRow, ...] = ()


Limiting = BudgetRule | DailyLimitRule | RateRule


class _Scoped(msgspec.Struct, frozen=True):
    """A rule, and one plan and channel for which the gate would ask it; `counter` is the one it would read."""

    rule: Limiting
    plan: str
    channel: Channel
    counter: str


def budget_show(view: View, *, plan: str = "", now: int | None = None, burn: bool = False) -> BudgetReport:
    """Return what budgets and limits have left at tick `now` (default: the file's last). `plan`: only what its sends must pass.

    `burn`: also how fast budgets are used up, which is read from the log. Raises Refused for a plan that is not there.
    """
    with one_moment(view):
        tick = view.last_tick if now is None else now
        policy, entry = view.state.policy()
        scoped = list(_scoped(view, policy, plan))
        burning = BurnDown(view, tick) if burn else None
        budgets = [_budget(view, one, tick) for one in scoped if isinstance(one.rule, BudgetRule)]
        return BudgetReport(
            policy=policy.id,
            entry=entry,
            at=Times(view).at(tick),
            budgets=tuple(row if burning is None else burning.of(row) for row in budgets),
            limits=tuple(_limit(view, one, tick) for one in scoped if isinstance(one.rule, DailyLimitRule)),
            rates=tuple(_rate(view, one, tick) for one in scoped if isinstance(one.rule, RateRule)),
        )


def _scoped(view: View, policy: Policy, plan: str) -> Iterator[_Scoped]:
    """Give every limiting rule once for each counter that it can have."""
    plans = [view.state.plan(_digest(view, name)).plan for name, _ in plan_heads(view) if plan in ("", name)]
    if plan and not plans:
        raise Refused(f"there is no plan `{plan}`", where=str(view.database.path), hint="dee plan list")
    packs = tuple(view.state.documents.pack(digest) for _, digest, _ in view.state.packs)
    seen: list[tuple[str, str]] = []
    # A file without plans has limits all the same; any plan will do to ask which rules of the file there are.
    for one in plans or [Plan(plan="", version=0, purpose="transactional", steps=())]:
        for channel in CHANNELS:
            for rule in rules_for(policy, one, channel, packs):
                if not isinstance(rule, Limiting):
                    continue
                counter = counter_name(rule, channel, one.plan)
                if (kind_of_rule(rule), counter) not in seen:
                    seen.append((kind_of_rule(rule), counter))
                    yield _Scoped(rule, one.plan, channel, counter)


def budget_counters(view: View) -> Iterator[tuple[str, str]]:
    """Give the rule and the counter of every budget of the policy, the packs in use and the plans."""
    for one in _scoped(view, view.state.policy()[0], ""):
        if isinstance(one.rule, BudgetRule):
            yield one.rule.id, one.counter


def _digest(view: View, plan: str) -> str:
    digest = view.state.plan_digest(plan, None)
    assert digest is not None, plan
    return digest


def _budget(view: View, one: _Scoped, tick: int) -> BudgetRow:
    rule = one.rule
    assert isinstance(rule, BudgetRule)
    key = budget.counter_of(rule, one.channel, one.plan, view.state.zones(), tick)
    settled, reserved = view.state.buckets.read(key)
    plan, channel = _scope(one)
    begins, resets = _period(view, rule, tick)
    return BudgetRow(
        rule=rule.id,
        counter=key[0],
        plan=plan,
        channel=channel,
        currency=rule.currency,
        period=rule.period,
        zone=rule.zone,
        bucket=key[1],
        begins=Times(view).when(begins),
        resets=Times(view).when(resets),
        on_fail=rule.on_fail,
        limit_micros=rule.limit_micros,
        settled_micros=settled,
        reserved_micros=reserved,
        left_micros=rule.limit_micros - settled - reserved,
    )


def _period(view: View, rule: BudgetRule, tick: int) -> tuple[int | None, int | None]:
    """Return when the current period began and when the next one begins; None for the total and for an unknown zone."""
    if rule.period == "total":
        return None, None
    table = view.state.zones()
    try:
        year, month, day = civil_from_days(local_day(table, rule.zone, tick))
        first = days_from_civil(year, month, day if rule.period == "day" else 1)
        return day_start(table, rule.zone, first), next_period(table, rule.zone, tick, rule.period)
    except (UnknownZone, OutOfRange):
        return None, None


def _limit(view: View, one: _Scoped, tick: int) -> LimitRow:
    rule = one.rule
    assert isinstance(rule, DailyLimitRule)
    key = daily_limit.counter_of(rule, one.channel, one.plan, view.state.zones(), tick)
    used = view.state.buckets.read(key)[0]
    limit = daily_limit.limit_on(rule, key[1])
    begun = [stage.since for stage in rule.ramp if stage.since <= key[1]]
    coming = [NextStage(stage.since, stage.limit) for stage in rule.ramp if stage.since > key[1]]
    plan, channel = _scope(one)
    return LimitRow(
        rule=rule.id,
        counter=key[0],
        plan=plan,
        channel=channel,
        zone=rule.zone,
        day=key[1],
        limit=limit,
        used=used,
        left=max(limit - used, 0),
        resets=Times(view).when(_next_day(view, rule.zone, tick)),
        days=_days(view, key[0]),
        stage=begun[-1] if begun else "",
        next_stage=coming[0] if coming else None,
    )


def _rate(view: View, one: _Scoped, tick: int) -> RateRow:
    rule = one.rule
    assert isinstance(rule, RateRule)
    name = rate.counter_of(rule, one.channel, one.plan)
    recent = [one for one in view.state.buckets.recent(name, tick - rule.seconds) if one[1] > 0]
    used = sum(sends for _, sends in recent)
    over, free = used - rule.limit, None
    for second, sends in recent:
        if over < 0:
            break
        over, free = over - sends, second + rule.seconds
    plan, channel = _scope(one)
    return RateRow(
        rule=rule.id,
        counter=name,
        plan=plan,
        channel=channel,
        seconds=rule.seconds,
        limit=rule.limit,
        used=used,
        left=max(rule.limit - used, 0),
        free=Times(view).when(free),
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
