"""The forecast of a simulation: read from the copy's log, as a person would read the real one afterwards."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from dee_appliance.kernel.e1.civil_time import DAY_S, civil_from_days
from dee_appliance.runtime.reports_budget import ReportQueries, budget_counters
from dee_appliance.runtime.reports_log import EVERYTHING
from dee_appliance.store.queries import load_queries

if TYPE_CHECKING:
    from dee_appliance.runtime.reading import View

SEND_ACTIONS = ("send_email", "send_sms", "call")


class ForecastQueries(msgspec.Struct, frozen=True, kw_only=True):
    """sql/queries/forecast.sql."""

    select_bodies_from: str
    select_outcomes: str


class Forecast(msgspec.Struct, kw_only=True):
    """What would happen. Days are UTC dates; amounts are micro-units of the policy's currency."""

    enrolled: int = 0
    refused: dict[str, int] = {}
    """Contacts that may not enter, by reason."""
    sends: dict[str, dict[str, int]] = {}
    """Dispatched sends by day and action."""
    held: dict[str, int] = {}
    """Times that a send was held, by rule (a shared hold counts once for its whole queue), and halts that stand to the end."""
    denied: dict[str, int] = {}
    events: dict[str, int] = {}
    outcomes: dict[str, int] = {}
    """How the plan's runs that moved stand in the end: the outcome, or FAILED with its reason."""
    cost_micros: dict[str, int] = {}
    """What budgets would have settled and reserved more, by rule."""
    currency: str = ""
    first_tick: int = 0
    finish_tick: int = 0


class _Core(msgspec.Struct):
    tick: int
    action: str
    outcome: str
    detail: dict[str, object]
    plan: str | None = None


class _Body(msgspec.Struct):
    core: _Core
    run: str | None = None


class _Outcome(msgspec.Struct):
    reason: str = ""


_body_decoder = msgspec.json.Decoder(_Body)
_outcome_decoder = msgspec.json.Decoder(_Outcome)


def read_forecast(view: View, first: int, plan: str, spent: dict[str, int]) -> Forecast:
    """Read the log from entry `first` on, and how the plan's runs stand that have entries there.

    `spent` is what `spent_micros` gave when the log had come that far.
    """
    queries = load_queries(ForecastQueries, "forecast")
    forecast = Forecast(currency=view.state.policy()[0].currency)
    moved: set[str | None] = set()
    for (text,) in view.database.stream(queries.select_bodies_from, (first,)):
        body = _body_decoder.decode(text)
        moved.add(body.run)
        _count(forecast, body.core, plan)
    for run, status, text in view.database.stream(queries.select_outcomes, (plan,)):
        if run in moved:
            reason = _outcome_decoder.decode(text).reason
            _add(forecast.outcomes, reason if status == "COMPLETED" else f"{status} {reason}".strip())
    for hold in view.state.holds:
        if hold.until is None:  # it may be older than the simulation, in which nobody releases it
            forecast.held.setdefault(hold.reason, 1)
    for rule, micros in spent_micros(view).items():
        forecast.cost_micros[rule] = micros - spent.get(rule, 0)
    return forecast


def spent_micros(view: View) -> dict[str, int]:
    """Return what each budget of the policy, the packs and the plans has settled and reserved so far, by rule.

    A budget has a counter for each channel or plan that it is kept for, and a bucket for each of its periods: all of them
    together.
    """
    spent: dict[str, int] = {}
    for rule, counter in budget_counters(view):
        buckets = view.database.execute(
            load_queries(ReportQueries, "report").select_recent_buckets, (counter, EVERYTHING)
        )
        spent[rule] = spent.get(rule, 0) + sum(settled + reserved for _, settled, reserved in buckets)
    return spent


def _add(counts: dict[str, int], key: str) -> None:
    counts[key] = counts.get(key, 0) + 1


def _count(forecast: Forecast, core: _Core, plan: str) -> None:
    forecast.first_tick = forecast.first_tick or core.tick
    if core.action == "enroll" and core.outcome == "rejected":
        _add(forecast.refused, str(core.detail.get("code", "")))
    elif core.action == "hold":
        _add(forecast.held, str(core.detail.get("rule", core.outcome)))
    elif core.plan is not None and core.plan.rpartition("@")[0] == plan:
        _count_of_plan(forecast, core)


def _count_of_plan(forecast: Forecast, core: _Core) -> None:
    forecast.finish_tick = max(forecast.finish_tick, core.tick)
    if core.action == "enroll":
        forecast.enrolled += 1
    elif core.action == "event":
        _add(forecast.events, core.outcome)
    elif core.action in SEND_ACTIONS:
        if core.outcome == "dispatched":
            year, month, day = civil_from_days(core.tick // DAY_S)
            _add(forecast.sends.setdefault(f"{year:04d}-{month:02d}-{day:02d}", {}), core.action)
        elif core.outcome == "held":
            _add(forecast.held, str(core.detail.get("rule", "")))
        elif core.outcome == "denied" or core.outcome.startswith("denied:"):
            _add(forecast.denied, str(core.detail.get("why", "")))
