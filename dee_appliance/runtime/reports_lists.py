"""Suppression lists and recorded facts: what is in use, since when, which rules in force ask for it, and what they miss."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from dee_appliance.kernel.e1.civil_time import DAY_S
from dee_appliance.kernel.e1.policy import FactRule, Ground, Rule, SuppressionRule
from dee_appliance.kernel.e1.rulebook import Places, Rulebook, concerns
from dee_appliance.runtime.reports_log import Log
from dee_appliance.runtime.reports_view import Instant, Times, one_moment

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dee_appliance.runtime.reading import View

ANYWHERE = Places()


class Asker(msgspec.Struct, frozen=True, kw_only=True):
    """A rule in force that asks for a list or a fact, and for which sends; empty `channels` or `purposes` are all of them."""

    rule: str
    channels: tuple[str, ...]
    purposes: tuple[str, ...]
    jurisdictions: tuple[str, ...]
    lifted_by_others: bool
    """Something else (a consent, a fact, an attribute) can take its place."""


class ListAsker(Asker, frozen=True, kw_only=True):
    """A rule that asks a list. `stale`: the list is missing or too old for it now, and every send that it concerns is stopped."""

    max_age_days: int
    stale: bool


class FactAsker(Asker, frozen=True, kw_only=True):
    """A rule that asks for a fact. `wants` is the value with which it is content."""

    wants: bool


class ListRow(msgspec.Struct, frozen=True, kw_only=True):
    """One suppression list. `version` None: no version is in use, although a rule asks for the list.

    `as_of` is when it was taken from its source, `at` when it came into use, with the entry that says so.
    """

    name: str
    version: int | None
    as_of: Instant | None
    age_days: int | None
    entries: int
    entry: int | None
    at: Instant | None
    stale: bool
    asked_by: tuple[ListAsker, ...]


class FactRow(msgspec.Struct, frozen=True, kw_only=True):
    """One fact. `value` None: it is not recorded, although a rule asks for it, or it is not known any more."""

    name: str
    value: bool | None
    entry: int | None
    at: Instant | None
    actor: str
    asked_by: tuple[FactAsker, ...]


def rules_in_use(view: View) -> tuple[Rule, ...]:
    """Return every rule of the policy and of the packs in use, in this order."""
    packs = [view.state.documents.pack(digest) for _, digest, _ in view.state.packs]
    policy = view.state.policy()[0].rules if "policy" in view.state.settings else ()
    return (*policy, *(rule for pack in packs for rule in pack.rules))


def rules_in_force(view: View, now: int) -> tuple[Rule, ...]:
    """Return those of them that are in force somewhere on the day of a tick."""
    zones = view.state.zones()
    return tuple(rule for rule in rules_in_use(view) if Rulebook((rule,)).in_force(rule, zones, ANYWHERE, now))


# ---- lists ----


def suppression_lists(view: View, now: int) -> tuple[ListRow, ...]:
    """Return the lists that are in use or asked for, by name, as they are at a tick."""
    with one_moment(view):
        rules = [rule for rule in rules_in_force(view, now) if isinstance(rule, SuppressionRule)]
        asked = (name for rule in rules for name in rule.lists)
        names = sorted(dict.fromkeys((*view.state.lists.in_use, *asked)))
        log, times = Log(view), Times(view)
        return tuple(_list_row(view, name, rules, now, log=log, times=times) for name in names)


def _list_row(view: View, name: str, rules: list[SuppressionRule], now: int, *, log: Log, times: Times) -> ListRow:
    found = view.state.lists.in_use.get(name)
    askers = tuple(list_askers(view, name, rules, now, ANYWHERE))
    stale = any(one.stale for one in askers)
    if found is None:
        return ListRow(
            name=name,
            version=None,
            as_of=None,
            age_days=None,
            entries=0,
            entry=None,
            at=None,
            stale=stale,
            asked_by=askers,
        )
    line = log.entry(found.entry)
    return ListRow(
        name=name,
        version=found.version,
        as_of=times.at(found.as_of),
        age_days=max(now - found.as_of, 0) // DAY_S,
        entries=view.state.lists.count(name, found.version),
        entry=found.entry,
        at=None if line is None else times.at(line.tick + view.epoch),
        stale=stale,
        asked_by=askers,
    )


def list_askers(view: View, name: str, rules: list[SuppressionRule], now: int, places: Places) -> Iterator[ListAsker]:
    """Give the rules that ask a list about somebody of these places."""
    found = view.state.lists.in_use.get(name)
    for rule in rules:
        if name in rule.lists and concerns(rule, places):
            old = found is not None and rule.max_age_days and now - found.as_of > rule.max_age_days * DAY_S
            yield ListAsker(
                rule=rule.id,
                channels=rule.channels,
                purposes=rule.purposes,
                jurisdictions=rule.jurisdictions,
                lifted_by_others=bool(rule.unless),
                max_age_days=rule.max_age_days,
                stale=found is None or bool(old),
            )


# ---- facts ----


def facts(view: View, now: int) -> tuple[FactRow, ...]:
    """Return the facts that are recorded or asked for, by name, with the rules in force at a tick that ask for each."""
    with one_moment(view):
        askers: dict[str, list[FactAsker]] = {}
        for rule in rules_in_force(view, now):
            for ground in _grounds(rule):
                if ground.fact:
                    askers.setdefault(ground.fact, []).append(_fact_asker(rule, ground))
        log, times = Log(view), Times(view)
        names = sorted(dict.fromkeys((*view.state.facts, *askers)))
        return tuple(_fact_row(view, name, tuple(askers.get(name, ())), log, times) for name in names)


def _grounds(rule: Rule) -> tuple[Ground, ...]:
    return (*rule.unless, *(rule.require if isinstance(rule, FactRule) else ()))


def _fact_asker(rule: Rule, ground: Ground) -> FactAsker:
    return FactAsker(
        rule=rule.id,
        channels=rule.channels,
        purposes=rule.purposes,
        jurisdictions=rule.jurisdictions,
        lifted_by_others=any(other != ground for other in _grounds(rule)),
        wants=ground.holds,
    )


def _fact_row(view: View, name: str, askers: tuple[FactAsker, ...], log: Log, times: Times) -> FactRow:
    recorded = view.state.facts.get(name)
    line = None if recorded is None else log.entry(recorded[1])
    return FactRow(
        name=name,
        value=None if recorded is None else recorded[0],
        entry=None if recorded is None else recorded[1],
        at=None if line is None else times.at(line.tick + view.epoch),
        actor="" if line is None else str(line.detail.get("actor", "")),
        asked_by=askers,
    )
