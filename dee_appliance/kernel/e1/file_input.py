"""Inputs about the file itself: plans, policy, zones, settings, halts, arming. None of them touches a run.

Clock and Pull are not here: the store walks over due timers and queued sends and asks the machine about each.
"""

from __future__ import annotations

from dee_appliance.kernel.e1.encoding import MAX_INTEGER
from dee_appliance.kernel.e1.file_view import FileDecision, FileView, done, file_entry, refused
from dee_appliance.kernel.e1.input import Arm, ConfigSet, EpochUse, HoldSet, PlanPublish
from dee_appliance.kernel.e1.rules_input import RulesInput, decide_rules
from dee_appliance.kernel.e1.run import Entry, Hold
from dee_appliance.kernel.e1.turn import file_core

PlainFileInput = PlanPublish | HoldSet | ConfigSet | Arm | EpochUse | RulesInput

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
    "sender.unsubscribe_url": str,
    "sender.postal_address": str,
    "clock.max_outage_s": int,
    "simulation.assume": str,
}
"""Every setting that a verdict, a message or the loop's clock rules may read, with the type of its value."""


def decide_file(view: FileView, cause: PlainFileInput) -> FileDecision:
    """Decide one input about the file, or refuse it with a code."""
    match cause:
        case PlanPublish():
            return _publish(view, cause)
        case HoldSet():
            return _hold(view, cause)
        case ConfigSet():
            return _config(view, cause)
        case Arm():
            if cause.incarnation != view.incarnation + 1:
                return refused(view, "arm", "incarnation")
            detail: dict[str, object] = {"incarnation": cause.incarnation, "actor": cause.actor}
            return done(view, "arm", "armed", detail, "incarnation")
        case EpochUse():
            return _epoch(view, cause)
        case _:
            return decide_rules(view, cause)


def _publish(view: FileView, cause: PlanPublish) -> FileDecision:
    detail: dict[str, object] = {"plan": cause.plan, "version": cause.version, "digest": cause.digest}
    if not view.document:
        return refused(view, "publish", "unknown_document", detail)
    if not view.schema_known:
        return refused(view, "publish", "unknown_schema", detail)
    if not view.sound:
        return refused(view, "publish", "malformed_document", detail)
    if view.published == cause.digest:
        return FileDecision(entries=(file_entry(view, "publish", "same", detail),))
    if view.published is not None:
        return refused(view, "publish", "version_exists", detail)
    return done(view, "publish", "published", detail, "plan")


def _hold(view: FileView, cause: HoldSet) -> FileDecision:
    detail: dict[str, object] = {"scope": cause.scope, "actor": cause.actor}
    there = [hold for hold in view.holds if hold.scope == cause.scope]
    if cause.on:
        hold = Hold(scope=cause.scope, reason=cause.reason, entry=0)
        return FileDecision(entries=(file_entry(view, "halt", cause.reason, detail),), holds=(hold,))
    if not there:
        return refused(view, "release", "not_held", detail)
    detail["reasons"] = [hold.reason for hold in there]
    released = tuple((hold.scope, hold.reason) for hold in there)
    return FileDecision(entries=(file_entry(view, "release", "released", detail),), released=released)


def _epoch(view: FileView, cause: EpochUse) -> FileDecision:
    """The last word of an epoch: which one decides from the next input on. There is no way back."""
    detail: dict[str, object] = {"from": view.epoch, "to": cause.epoch, "actor": cause.actor}
    if cause.epoch <= view.epoch:
        return refused(view, "epoch", "not_newer", detail)
    return done(view, "epoch", "used", detail, "epoch")


def _config(view: FileView, cause: ConfigSet) -> FileDecision:
    wanted = SETTINGS.get(cause.key)
    if wanted is None:
        return refused(view, "config", "unknown_setting", {"key": cause.key})
    value = view.value
    if not _fits(value, wanted):
        return refused(view, "config", "wrong_type", {"key": cause.key})
    return done(view, "config", "set", {"key": cause.key, "value": value, "actor": cause.actor}, "setting")


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


def hold_released(tick: int, hold: Hold) -> Entry:
    """Return the entry of a shared hold whose time has come."""
    return Entry(core=file_core(tick, "release", "due", {"scope": hold.scope, "reason": hold.reason}))


def malformed(tick: int, kind: str) -> Entry:
    """Return the entry of a row of the queue that is no input of this epoch."""
    return Entry(core=file_core(tick, "input", "rejected", {"code": "malformed", "kind": kind}))


def nothing_to_do(tick: int, kind: str) -> Entry:
    """Return the entry of an admitted input that had nothing to do."""
    return Entry(core=file_core(tick, "input", "nothing", {"kind": kind}))
