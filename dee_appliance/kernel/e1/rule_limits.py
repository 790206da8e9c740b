"""Whether the rules of a document can be kept at all. A document may come from anybody who can write into the inbox.

What is checked here is what the gate relies on when it asks: a cap has a window, a rate has a span, dates are dates, ids are
unique. How a rule should be written, and what it may name, is for authoring.
"""

from __future__ import annotations

import msgspec

from dee_appliance.kernel.e1.civil_time import parse_iso_date
from dee_appliance.kernel.e1.encoding import MAX_INTEGER, NotCanonical, canonical
from dee_appliance.kernel.e1.input import TALLIED
from dee_appliance.kernel.e1.policy import (
    HAPPENINGS,
    BudgetRule,
    CapRule,
    ConsentRule,
    DailyLimitRule,
    DutyRule,
    FactRule,
    Ground,
    Pack,
    Policy,
    RateRule,
    RatioRule,
    Rule,
    SuppressionRule,
    WindowRule,
    decode_pack,
    decode_policy,
)
from dee_appliance.kernel.e1.rulebook import window_of
from dee_appliance.kernel.e1.rules.question import ADDRESS_OF
from dee_appliance.kernel.e1.rules_input import HALTS

RESERVED = ("address", "trial", "send_by", "channel_unavailable", *HALTS)
"""Ids by which the gate names what it asks beside the rules, and the reasons of holds that no rule sets or ends."""
OF_PLANS = "plan/"
"""How the ids begin of what a plan tightens: a rule of that id would take its window or share its counter."""
COUNTED = (*ADDRESS_OF, *HAPPENINGS)
"""What a cap can count."""
RULE_SCHEMAS = (1,)
"""The schemas of policies and packs that this epoch keeps to."""

MOST_DAYS = 3_660
MOST_SECONDS = MOST_DAYS * 86_400
MOST_MONTHS = 1_200
MOST_DAY_S = 86_400


def read_policy(body: bytes) -> Policy | None:
    """Return the policy of a document, or None if it is none that can be kept."""
    try:
        policy = decode_policy(body)
        canonical(policy)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, NotCanonical):
        return None
    priced = all(0 <= rate.micros <= MAX_INTEGER for rate in policy.rates)
    return policy if priced and policy.schema in RULE_SCHEMAS and _can_be_kept(policy.rules) else None


def read_pack(body: bytes) -> Pack | None:
    """Return the pack of a document, or None if it is none that can be kept."""
    try:
        pack = decode_pack(body)
        canonical(pack)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, NotCanonical):
        return None
    return pack if pack.schema in RULE_SCHEMAS and _can_be_kept(pack.rules) else None


def _can_be_kept(rules: tuple[Rule, ...]) -> bool:
    ids = [rule.id for rule in rules]
    named = all(one and one not in RESERVED and not one.startswith(OF_PLANS) for one in ids)
    return named and len(dict.fromkeys(ids)) == len(ids) and all(_sound(rule) for rule in rules)


def _sound(rule: Rule) -> bool:
    try:
        for date in (rule.effective_from, rule.effective_until):
            if date:
                parse_iso_date(date)
        return all(_is_ground(one) for one in rule.unless) and _sound_kind(rule)
    except ValueError:  # a date that is none, hours that are no hours
        return False


def _sound_kind(rule: Rule) -> bool:
    """Tell whether the numbers of a rule mean something. Raises ValueError for dates and hours that mean nothing."""
    match rule:
        case WindowRule():
            window_of(rule.hours, rule.guard_s)
            return 0 <= rule.guard_s < MOST_DAY_S
        case CapRule():
            return _sound_cap(rule)
        case ConsentRule():
            return all(0 < months <= MOST_MONTHS for months in rule.implied.values())
        case FactRule():
            return bool(rule.require) and all(_is_ground(one) for one in rule.require)
        case SuppressionRule():
            return 0 <= rule.max_age_days <= MOST_DAYS
        case DutyRule():
            return len([parse_iso_date(day) for day in rule.closed_dates]) == len(rule.closed_dates)
        case _:
            return _sound_limit(rule)


def _sound_limit(rule: Rule) -> bool:
    """A rate of none would be asked again and again in the same second; a negative limit or price means nothing."""
    match rule:
        case RatioRule():
            events = (*rule.numerator, *rule.denominator)
            limits = 0 < rule.days <= MOST_DAYS and rule.min_denominator > 0 and rule.max_per_10000 > 0
            return limits and all(one in TALLIED for one in events)
        case DailyLimitRule():
            begins = [parse_iso_date(stage.since) for stage in rule.ramp]
            return rule.limit >= 0 and begins == sorted(begins)
        case RateRule():
            return rule.limit > 0 and 0 < rule.seconds <= MOST_SECONDS
        case BudgetRule():
            return rule.limit_micros >= 0
        case _:
            return True


def _sound_cap(rule: CapRule) -> bool:
    """A cap has a limit and a window, and counts for a contact or an address: else nothing would count, or not together."""
    spans = (rule.seconds, rule.days, int(rule.month))
    within = (
        0 <= rule.seconds <= MOST_SECONDS and 0 <= rule.also_seconds <= MOST_SECONDS and 0 <= rule.days <= MOST_DAYS
    )
    counts = all(one in COUNTED for one in rule.counts) and ("contact" in rule.scope or "address" in rule.scope)
    return rule.limit > 0 and within and any(spans) and counts


def _is_ground(ground: Ground) -> bool:
    named = [one for one in (ground.consent, ground.attribute, ground.fact) if one]
    return len(named) == 1 and 0 <= ground.months <= MOST_MONTHS
