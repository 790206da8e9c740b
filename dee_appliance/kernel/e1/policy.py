"""The file's policy as data: an ordered list of rules and the rate card. A rule kind is one struct here and one module in rules/.

A policy is a document named by its digest; an entry of the gate names the rule ids that it asked. What a plan tightens is turned
into further rules of the same kinds by `rules_for`, so the gate knows one kind of rule only.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from dee_appliance.kernel.e1.plan import Channel, Hours, Part, Plan, Purpose

LimitScope = Literal["file", "channel", "plan"]


class RuleBase(Part, frozen=True, kw_only=True):
    """What every rule has.

    `id` is unique in the policy and stands in every entry that asked the rule. Empty `channels` or `purposes` mean
    all. `cite` and `url` name the source of a legal rule.
    """

    id: str
    channels: tuple[Channel, ...] = ()
    purposes: tuple[Purpose, ...] = ()
    cite: str = ""
    url: str = ""


class SuppressionRule(RuleBase, frozen=True, kw_only=True, tag="suppression", tag_field="kind"):
    """Denies a send to a contact who is suppressed globally, on the channel, for the plan or by a regulatory list."""


class ConsentRule(RuleBase, frozen=True, kw_only=True, tag="consent", tag_field="kind"):
    """Denies a send without a consent in force for the channel and purpose, of one of `classes` (empty: any class)."""

    classes: tuple[str, ...] = ()


class HoursRule(RuleBase, frozen=True, kw_only=True, tag="hours", tag_field="kind"):
    """Holds a send outside these hours in any plausible zone of the contact; denies when the zone is not known."""

    hours: Hours


class DailyLimitRule(RuleBase, frozen=True, kw_only=True, tag="daily_limit", tag_field="kind"):
    """Holds sends beyond `limit` a day, the day being that of the IANA zone `zone`."""

    limit: int
    zone: str = "Etc/UTC"
    scope: LimitScope = "file"


class BudgetRule(RuleBase, frozen=True, kw_only=True, tag="budget", tag_field="kind"):
    """Denies a send when settled + reserved + its estimate would exceed `limit_micros` of `currency`."""

    limit_micros: int
    currency: str
    scope: LimitScope = "file"


Rule = SuppressionRule | ConsentRule | HoursRule | DailyLimitRule | BudgetRule
RULE_KINDS: tuple[str, ...] = ("suppression", "consent", "hours", "daily_limit", "budget")
"""The order in which the gate asks: the first rule that does not pass decides."""


class Rate(Part, frozen=True, kw_only=True):
    """The price of one unit: a message (email), a segment (sms) or a started minute (voice).

    `prefix` is matched against the destination prefix of the number, the longest match wins; empty matches everything.
    """

    channel: Channel
    micros: int
    prefix: str = ""


class Policy(Part, frozen=True, kw_only=True):
    """The policy of a file. `currency` is that of the rates; rules are asked in the order of RULE_KINDS, then as listed."""

    schema: int = 1
    id: str
    currency: str = "USD"
    rules: tuple[Rule, ...] = ()
    rates: tuple[Rate, ...] = ()


_KINDS: dict[type, str] = {
    SuppressionRule: "suppression",
    ConsentRule: "consent",
    HoursRule: "hours",
    DailyLimitRule: "daily_limit",
    BudgetRule: "budget",
}


def kind_of_rule(rule: Rule) -> str:
    """Return the rule's kind as written in packs and logs."""
    return _KINDS[type(rule)]


def decode_policy(body: bytes) -> Policy:
    """Read a policy document. Raises msgspec.ValidationError if it is none."""
    return msgspec.json.decode(body, type=Policy)


def rules_for(policy: Policy, plan: Plan, channel: Channel) -> tuple[Rule, ...]:
    """Return the rules that a send of this plan on this channel must pass, in the order in which they are asked."""
    chosen = [rule for rule in (*policy.rules, *_rules_of_plan(plan)) if _applies(rule, plan.purpose, channel)]
    order = {kind: position for position, kind in enumerate(RULE_KINDS)}
    return tuple(sorted(chosen, key=lambda rule: order[kind_of_rule(rule)]))


def _applies(rule: Rule, purpose: Purpose, channel: Channel) -> bool:
    return (not rule.channels or channel in rule.channels) and (not rule.purposes or purpose in rule.purposes)


def _rules_of_plan(plan: Plan) -> list[Rule]:
    rules: list[Rule] = []
    if plan.policy.calling_hours is not None:
        rules.append(HoursRule(id="plan/calling_hours", channels=("voice",), hours=plan.policy.calling_hours))
    if plan.policy.daily_sends is not None:
        rules.append(DailyLimitRule(id="plan/daily_sends", limit=plan.policy.daily_sends, scope="plan"))
    if plan.policy.budget is not None:
        limit = plan.policy.budget
        rules.append(
            BudgetRule(id="plan/budget", limit_micros=limit.limit_micros, currency=limit.currency, scope="plan")
        )
    return rules


def estimate_micros(policy: Policy, channel: Channel, prefix: str, units: int) -> int | None:
    """Return the price of `units` on this channel to this destination prefix, or None if the rate card has no rate for it."""
    best: Rate | None = None
    for rate in policy.rates:
        matches = rate.channel == channel and prefix.startswith(rate.prefix)
        if matches and (best is None or len(rate.prefix) > len(best.prefix)):
            best = rate
    return None if best is None else best.micros * units
