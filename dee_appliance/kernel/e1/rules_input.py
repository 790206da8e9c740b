"""Inputs about the rules of the file: its policy, compliance packs, recorded facts, suppression lists, the zone table.

None of them touches a run: what waits in a queue for a rule is asked again, what waits by its own timer is asked when it wakes.
"""

from __future__ import annotations

from dee_appliance.kernel.e1.file_view import Change, FileDecision, FileView, done, file_entry, refused
from dee_appliance.kernel.e1.input import FactSet, ListAdd, ListUse, PackRetire, PackUse, PolicySet, ZonesUse

RulesInput = PolicySet | PackUse | PackRetire | FactSet | ListAdd | ListUse | ZonesUse

MOST_TOKENS = 1_000
"""How many addresses one input can bring."""

HALTS = ("halt", "clock_jumped", "long_outage")
"""Holds that a person, or the loop, has set: no change of the rules ends them."""


def decide_rules(view: FileView, cause: RulesInput) -> FileDecision:
    """Decide one input about the rules of the file, or refuse it with a code."""
    match cause:
        case PolicySet():
            return _policy_set(view, cause)
        case PackUse():
            return _pack_use(view, cause)
        case PackRetire():
            if view.current is None:
                return refused(view, "pack", "not_in_use", {"pack": cause.pack})
            return _replaced(view, "pack", "retired", {"pack": cause.pack, "digest": view.current}, "retire")
        case FactSet():
            told: dict[str, object] = {"fact": cause.name, "value": cause.value, "actor": cause.actor}
            return _replaced(view, "fact", "recorded", told, "fact")
        case ListAdd():
            return _list_add(view, cause)
        case ListUse():
            return _list_use(view, cause)
        case ZonesUse():
            return _zones_use(view, cause)


def _zones_use(view: FileView, cause: ZonesUse) -> FileDecision:
    if not view.document:
        return refused(view, "zones", "unknown_document")
    if not view.sound:
        return refused(view, "zones", "malformed_document")
    return _replaced(view, "zones", "used", {"digest": cause.digest}, "zones")


def _policy_set(view: FileView, cause: PolicySet) -> FileDecision:
    if not view.document:
        return refused(view, "policy", "unknown_document")
    if not view.sound:
        return refused(view, "policy", "malformed_document")
    if view.clashes:
        return refused(view, "policy", "duplicate_rules", {"rules": list(view.clashes)})
    return _replaced(view, "policy", "set", {"digest": cause.digest}, "policy")


def _replaced(view: FileView, action: str, outcome: str, told: dict[str, object], change: Change) -> FileDecision:
    """Queues that a rule holds are asked again: under the new limits and facts, or by the midnight of the new zone table."""
    released = tuple(
        (hold.scope, hold.reason) for hold in view.holds if hold.reason not in (*HALTS, "channel_unavailable")
    )
    entry = file_entry(view, action, outcome, {**told, "released": len(released)})
    return FileDecision(entries=(entry,), change=change, released=released)


def _pack_use(view: FileView, cause: PackUse) -> FileDecision:
    told: dict[str, object] = {"pack": cause.pack, "digest": cause.digest}
    if not view.document:
        return refused(view, "pack", "unknown_document", told)
    if not view.sound:
        return refused(view, "pack", "malformed_document", told)
    if view.clashes:
        return refused(view, "pack", "duplicate_rules", {**told, "rules": list(view.clashes)})
    if view.current == cause.digest:
        return FileDecision(entries=(file_entry(view, "pack", "same", told),))
    return _replaced(view, "pack", "used", {**told, "actor": cause.actor}, "pack")


def _list_add(view: FileView, cause: ListAdd) -> FileDecision:
    told: dict[str, object] = {"list": cause.list, "version": cause.version}
    if cause.version <= view.version:
        return refused(view, "list", "version_in_use", told)
    if len(cause.tokens) > MOST_TOKENS:
        return refused(view, "list", "too_many", told)
    return done(view, "list", "added", {**told, "tokens": len(cause.tokens)}, "list")


def _list_use(view: FileView, cause: ListUse) -> FileDecision:
    told: dict[str, object] = {"list": cause.list, "version": cause.version, "count": cause.count}
    if cause.version <= view.version:
        return refused(view, "list", "version_in_use", told)
    if view.count != cause.count:
        return refused(view, "list", "incomplete", {**told, "there": view.count})
    if cause.as_of > view.tick:
        return refused(view, "list", "in_the_future", told)
    return _replaced(view, "list", "used", {**told, "as_of": cause.as_of, "actor": cause.actor}, "listed")
