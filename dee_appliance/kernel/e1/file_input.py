"""Inputs about the file itself: plans, policy, zones, settings, halts, arming. None of them touches a run.

Clock and Pull are not here: the store walks over due timers and queued sends and asks the machine about each.
"""

from __future__ import annotations

from typing import Literal

from dee_appliance.kernel.e1.encoding import MAX_INTEGER
from dee_appliance.kernel.e1.input import (
    Arm,
    ConfigSet,
    FactSet,
    HoldSet,
    ListAdd,
    ListUse,
    PackRetire,
    PackUse,
    PlanPublish,
    PolicySet,
    ZonesUse,
)
from dee_appliance.kernel.e1.run import Entry, Frozen, Hold
from dee_appliance.kernel.e1.turn import file_core

MOST_TOKENS = 1_000
"""How many addresses one input can bring."""

HALTS = ("halt", "clock_jumped", "long_outage")
PlainFileInput = (
    PlanPublish | PolicySet | PackUse | PackRetire | FactSet | ListAdd | ListUse | ZonesUse | HoldSet | ConfigSet | Arm
)

SETTINGS: dict[str, type] = {
    "trial": bool,
    "trial.guests": list,
    "breaker.threshold": int,
    "breaker.pause_s": int,
    "sender.domain": str,
    "sender.name": str,
    "sender.email": str,
    "sender.phone": str,
    "sender.unsubscribe": str,
    "clock.max_outage_s": int,
    "simulation.assume": str,
}
"""Every setting that a verdict, a message or the loop's clock rules may read, with the type of its value."""


class FileView(Frozen, frozen=True, kw_only=True):
    """What a decision about the file may read."""

    tick: int
    published: str | None = None
    """The digest that the named plan version has already."""
    document: bool = True
    """Whether the named document is in the file."""
    holds: tuple[Hold, ...] = ()
    incarnation: int = 0
    value: object = None
    """The decoded value of a ConfigSet."""
    current: str | None = None
    """The digest of the pack of this id that is in use."""
    clashes: tuple[str, ...] = ()
    """Ids of rules of the named pack that another source in use has already."""
    version: int = 0
    """The version of the named list that is in use; 0 if there is none."""
    count: int = 0
    """How many addresses the named version of the list has."""


Change = Literal["", "plan", "policy", "pack", "retire", "fact", "list", "listed", "zones", "setting", "incarnation"]


class FileDecision(Frozen, frozen=True, kw_only=True):
    """What the input does: entries, and at most one change of the file's state."""

    entries: tuple[Entry, ...]
    change: Change = ""
    holds: tuple[Hold, ...] = ()
    released: tuple[tuple[str, str], ...] = ()
    outcome: str = "done"


def decide_file(view: FileView, cause: PlainFileInput) -> FileDecision:
    """Decide one input about the file, or refuse it with a code."""
    match cause:
        case PlanPublish():
            return _publish(view, cause)
        case PolicySet():
            if not view.document:
                return _refused(view, "policy", "unknown_document")
            if view.clashes:
                return _refused(view, "policy", "duplicate_rules", {"rules": list(view.clashes)})
            return _replaced(view, "policy", "set", {"digest": cause.digest}, "policy")
        case PackUse():
            return _pack_use(view, cause)
        case PackRetire():
            if view.current is None:
                return _refused(view, "pack", "not_in_use", {"pack": cause.pack})
            return _replaced(view, "pack", "retired", {"pack": cause.pack, "digest": view.current}, "retire")
        case FactSet():
            told: dict[str, object] = {"fact": cause.name, "value": cause.value, "actor": cause.actor}
            return _replaced(view, "fact", "recorded", told, "fact")
        case ListAdd():
            return _list_add(view, cause)
        case ListUse():
            return _list_use(view, cause)
        case ZonesUse():
            if not view.document:
                return _refused(view, "zones", "unknown_document")
            return _replaced(view, "zones", "used", {"digest": cause.digest}, "zones")
        case HoldSet():
            return _hold(view, cause)
        case ConfigSet():
            return _config(view, cause)
        case Arm():
            if cause.incarnation != view.incarnation + 1:
                return _refused(view, "arm", "incarnation")
            detail: dict[str, object] = {"incarnation": cause.incarnation, "actor": cause.actor}
            return _done(view, "arm", "armed", detail, "incarnation")


def _publish(view: FileView, cause: PlanPublish) -> FileDecision:
    detail: dict[str, object] = {"plan": cause.plan, "version": cause.version, "digest": cause.digest}
    if not view.document:
        return _refused(view, "publish", "unknown_document", detail)
    if view.published == cause.digest:
        return FileDecision(entries=(_entry(view, "publish", "same", detail),))
    if view.published is not None:
        return _refused(view, "publish", "version_exists", detail)
    return _done(view, "publish", "published", detail, "plan")


def _replaced(view: FileView, action: str, outcome: str, told: dict[str, object], change: Change) -> FileDecision:
    """Queues that a rule holds are asked again: under the new limits and facts, or by the midnight of the new zone table."""
    released = tuple(
        (hold.scope, hold.reason) for hold in view.holds if hold.reason not in (*HALTS, "channel_unavailable")
    )
    entry = _entry(view, action, outcome, {**told, "released": len(released)})
    return FileDecision(entries=(entry,), change=change, released=released)


def _pack_use(view: FileView, cause: PackUse) -> FileDecision:
    told: dict[str, object] = {"pack": cause.pack, "digest": cause.digest}
    if not view.document:
        return _refused(view, "pack", "unknown_document", told)
    if view.clashes:
        return _refused(view, "pack", "duplicate_rules", {**told, "rules": list(view.clashes)})
    if view.current == cause.digest:
        return FileDecision(entries=(_entry(view, "pack", "same", told),))
    return _replaced(view, "pack", "used", {**told, "actor": cause.actor}, "pack")


def _list_add(view: FileView, cause: ListAdd) -> FileDecision:
    told: dict[str, object] = {"list": cause.list, "version": cause.version}
    if cause.version <= view.version:
        return _refused(view, "list", "version_in_use", told)
    if len(cause.tokens) > MOST_TOKENS:
        return _refused(view, "list", "too_many", told)
    return _done(view, "list", "added", {**told, "tokens": len(cause.tokens)}, "list")


def _list_use(view: FileView, cause: ListUse) -> FileDecision:
    told: dict[str, object] = {"list": cause.list, "version": cause.version, "count": cause.count}
    if cause.version < view.version:
        return _refused(view, "list", "version_in_use", told)
    if view.count != cause.count:
        return _refused(view, "list", "incomplete", {**told, "there": view.count})
    if cause.as_of > view.tick:
        return _refused(view, "list", "from_the_future", told)
    return _replaced(view, "list", "used", {**told, "as_of": cause.as_of, "actor": cause.actor}, "listed")


def _hold(view: FileView, cause: HoldSet) -> FileDecision:
    detail: dict[str, object] = {"scope": cause.scope, "actor": cause.actor}
    there = [hold for hold in view.holds if hold.scope == cause.scope]
    if cause.on:
        hold = Hold(scope=cause.scope, reason=cause.reason, entry=0)
        return FileDecision(entries=(_entry(view, "halt", cause.reason, detail),), holds=(hold,))
    if not there:
        return _refused(view, "release", "not_held", detail)
    detail["reasons"] = [hold.reason for hold in there]
    released = tuple((hold.scope, hold.reason) for hold in there)
    return FileDecision(entries=(_entry(view, "release", "released", detail),), released=released)


def _config(view: FileView, cause: ConfigSet) -> FileDecision:
    wanted = SETTINGS.get(cause.key)
    if wanted is None:
        return _refused(view, "config", "unknown_setting", {"key": cause.key})
    value = view.value
    if not _fits(value, wanted):
        return _refused(view, "config", "wrong_type", {"key": cause.key})
    return _done(view, "config", "set", {"key": cause.key, "value": value, "actor": cause.actor}, "setting")


def _fits(value: object, wanted: type) -> bool:
    match value:
        case bool():
            return wanted is bool
        case int():
            return wanted is int and 0 <= value <= MAX_INTEGER
        case list():
            return wanted is list and all(isinstance(one, str) for one in value)
        case _:
            return isinstance(value, wanted)


def _entry(view: FileView, action: str, outcome: str, detail: dict[str, object]) -> Entry:
    return Entry(core=file_core(view.tick, action, outcome, detail))


def _done(
    view: FileView,
    action: str,
    outcome: str,
    detail: dict[str, object],
    change: Change,
) -> FileDecision:
    return FileDecision(entries=(_entry(view, action, outcome, detail),), change=change)


def _refused(view: FileView, action: str, code: str, detail: dict[str, object] | None = None) -> FileDecision:
    entry = _entry(view, action, "rejected", {"code": code, **(detail or {})})
    return FileDecision(entries=(entry,), outcome=f"rejected:{code}")


def hold_released(tick: int, hold: Hold) -> Entry:
    """Return the entry of a shared hold whose time has come."""
    return Entry(core=file_core(tick, "release", "due", {"scope": hold.scope, "reason": hold.reason}))


def nothing_to_do(tick: int, kind: str) -> Entry:
    """Return the entry of an admitted input that had nothing to do."""
    return Entry(core=file_core(tick, "input", "nothing", {"kind": kind}))
