"""Which packs are in use and which facts were recorded, and what the gate may read of all that for one candidate."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dee_appliance.kernel.e1.policy import SuppressionRule
from dee_appliance.kernel.e1.rulebook import GateShared
from dee_appliance.kernel.e1.rules.question import ADDRESS_OF

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dee_appliance.kernel.e1.gate import Needed
    from dee_appliance.kernel.e1.plan import Channel
    from dee_appliance.kernel.e1.policy import Pack, Policy
    from dee_appliance.kernel.e1.rulebook import Rulebook
    from dee_appliance.kernel.e1.run import Contact, Touch
    from dee_appliance.store.state import State

PACK, FACT = "pack:", "fact:"
"""Beginnings of the settings that say which packs are in use, and which facts were recorded."""


def packs_in_use(settings: Mapping[str, object], entries: Mapping[str, int]) -> tuple[tuple[str, str, int], ...]:
    """Return (id, digest, entry) of every pack in use, by id."""
    keys = [key for key in sorted(settings) if key.startswith(PACK) and settings[key] is not None]
    return tuple((key.removeprefix(PACK), str(settings[key]), entries[key]) for key in keys)


def was_ever_used(settings: Mapping[str, object], pack: str) -> bool:
    """Tell whether a pack of this id is or was in use: a retired one leaves its setting, empty."""
    return PACK + pack in settings


def recorded_facts(settings: Mapping[str, object], entries: Mapping[str, int]) -> dict[str, tuple[bool, int]]:
    """Return the facts that were recorded, with the entries that recorded them."""
    return {
        key.removeprefix(FACT): (value, entries[key])
        for key, value in sorted(settings.items(), key=lambda item: item[0])
        if key.startswith(FACT) and isinstance(value, bool)
    }


def suppression_rules(policy: Policy, packs: tuple[Pack, ...]) -> tuple[SuppressionRule, ...]:
    """Return every suppression rule of the policy and the packs."""
    rules = (*policy.rules, *(rule for pack in packs for rule in pack.rules))
    return tuple(rule for rule in rules if isinstance(rule, SuppressionRule))


def shared_for(
    state: State, book: Rulebook, needed: Needed, contact: Contact, channel: Channel, *, tick: int
) -> GateShared:
    """Fetch what the gate may read for one candidate beside the contact."""
    policy, policy_entry = state.policy()
    guests = state.settings.get("trial.guests", [])
    token = contact.tokens.get(ADDRESS_OF[channel], "")
    return GateShared(
        policy=policy,
        policy_entry=policy_entry,
        book=book,
        packs=tuple([entry for _, _, entry in state.packs]),
        counters={key: state.buckets.read(key) for key in needed.buckets},
        recent={name: state.buckets.recent(name, tick - back) for name, back in needed.recent},
        history=history_for(state, book, contact.contact, token, tick),
        facts=state.facts,
        lists=state.lists.in_use,
        listed=state.lists.on(token) if book.lists and token else (),
        trial_guests=tuple(guests) if state.settings.get("trial") and isinstance(guests, list) else None,
    )


def history_for(state: State, book: Rulebook, contact: str, token: str, tick: int) -> tuple[Touch, ...]:
    """Return what happened before that caps may count, newest first, as far back as one looks."""
    if not book.history_s:
        return ()
    since = tick - book.history_s
    if book.by_address and token:
        return state.touches.at_address(contact, token, since)
    return state.touches.history(contact, since)
