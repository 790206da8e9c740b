"""The rules of the gate as data: the policy of the file, compliance packs, and what a plan tightens.

A kind of rule is one struct here and one module in rules/.

A policy and a pack are documents named by their digests; an entry of the gate names the rule ids that it asked. What a plan
tightens is turned into further rules of the same kinds by `rules_for`, so the gate knows one kind of rule only. Every rule
of every source must pass: a pack or a plan can only tighten.
"""

from __future__ import annotations

from typing import Literal

import msgspec
from msgspec import field

from dee_appliance.kernel.e1.plan import Channel, Hours, Part, Plan, Purpose

LimitScope = Literal["file", "channel", "plan"]
OnFail = Literal["deny", "hold"]
Subscriber = Literal["any", "individual", "business"]
Confidence = Literal["", "primary", "dated-secondary", "secondary", "unverified"]
Happening = Literal["conversation", "refusal", "abandoned"]
HAPPENINGS: tuple[Happening, ...] = ("conversation", "refusal", "abandoned")


class Ground(Part, frozen=True, kw_only=True):
    """One thing that can hold for a send: a consent of this class, an attribute of the contact, or a recorded fact.

    Exactly one of `consent`, `attribute` and `fact` is named. An attribute holds when it is true, or, with `months`, when
    it is a date not older than so many months. `holds` False asks for the opposite of a fact; a fact that nobody has
    recorded holds neither way.
    """

    consent: str = ""
    attribute: str = ""
    months: int = 0
    fact: str = ""
    holds: bool = True


class RuleBase(Part, frozen=True, kw_only=True):
    """What every rule has.

    `id` is unique in the policy and stands in every entry that asked the rule. Empty `channels`, `purposes` or
    `jurisdictions` mean all. `effective_from` and `effective_until` are local dates (ISO text, half-open, "" is open): the
    rule is in force while it is so in any zone of the contact. `on_fail` hold asks again a day later. `unless` lists what
    lifts the rule. The rest names the source of a legal rule, when it was read, how sure we are, and what is arguable.
    """

    id: str
    channels: tuple[Channel, ...] = ()
    purposes: tuple[Purpose, ...] = ()
    jurisdictions: tuple[str, ...] = ()
    subscriber: Subscriber = "any"
    effective_from: str = ""
    effective_until: str = ""
    on_fail: OnFail = "deny"
    unless: tuple[Ground, ...] = ()
    cite: str = ""
    url: str = ""
    as_of: str = ""
    confidence: Confidence = ""
    ambiguity: str = ""


class SuppressionRule(RuleBase, frozen=True, kw_only=True, tag="suppression", tag_field="kind"):
    """Denies a send to a contact who has opted out or was suppressed, or whose address is on one of `lists`.

    Without `lists` it asks the file's own suppressions: global, of the channel, of the plan. A list must have been loaded
    and be no older than `max_age_days` (0: any age). `reach` says what an opt-out closes: its channel, or everything.
    """

    lists: tuple[str, ...] = ()
    max_age_days: int = 0
    reach: Literal["channel", "everything"] = "channel"


class ConsentRule(RuleBase, frozen=True, kw_only=True, tag="consent", tag_field="kind"):
    """Denies a send without a consent in force for the channel and purpose, of one of `classes` (empty: any class).

    `implied` gives the months for which an implied consent of each basis counts, from the day it was obtained. `address`:
    the consent must have been given while the contact had the very address that would be reached.
    """

    classes: tuple[str, ...] = ()
    address: bool = False
    implied: dict[str, int] = field(default_factory=dict)


class FactRule(RuleBase, frozen=True, kw_only=True, tag="fact", tag_field="kind"):
    """Denies a send unless one of `require` holds: a registration, an emergency that is over, a number that is a landline."""

    require: tuple[Ground, ...]


class ContentRule(RuleBase, frozen=True, kw_only=True, tag="content", tag_field="kind"):
    """Denies a message that lacks one of the features `require`, or one of the texts that must stand in it word for word."""

    require: tuple[str, ...] = ()
    texts: tuple[str, ...] = ()


class WindowRule(RuleBase, frozen=True, kw_only=True, tag="window", tag_field="kind"):
    """Holds a send outside these hours in any plausible zone of the contact, or of the fixed `zone` a statute names;
    unknown: denied.

    `personal`: the contact's own stated hours must be open as well. `guard_s`: no send that begins so shortly before the close.
    """

    hours: Hours
    zone: str = ""
    personal: bool = False
    guard_s: int = 0


class CapRule(RuleBase, frozen=True, kw_only=True, tag="cap", tag_field="kind"):
    """Holds a send when `limit` of what it `counts` lie in its window already: attempts on channels, or happenings (a cool-down).

    `scope` names what must be equal: "contact", or "address" whoever has it, and "plan", "purpose", "channel" or "var:NAME"
    (an enrolment variable such as the debt; unknown counts as equal). The window is `seconds` (closed: exactly that long
    ago still counts), `days` consecutive local days with today as the last, or the local `month`; with `days`,
    `also_seconds` bounds the sliding time as well. Days are those of every zone of the contact, or of `zone`. Attempts of
    which it is certain that nothing was sent, and those with one of `excluded_outcomes`, do not count.
    """

    limit: int
    counts: tuple[str, ...] = ()
    excluded_outcomes: tuple[str, ...] = ()
    scope: tuple[str, ...] = ("contact",)
    seconds: int = 0
    boundary: Literal["closed", "half_open"] = "closed"
    days: int = 0
    month: bool = False
    also_seconds: int = 0
    zone: str = ""


class RatioRule(RuleBase, frozen=True, kw_only=True, tag="ratio", tag_field="kind"):
    """Holds the queue while, over the last `days` UTC days, `numerator` events per 10,000 `denominator` events are
    `max_per_10000` or more.

    Fewer than `min_denominator` events say nothing.
    """

    numerator: tuple[str, ...]
    denominator: tuple[str, ...]
    max_per_10000: int
    days: int = 1
    min_denominator: int = 1
    scope: LimitScope = "file"


class Stage(Part, frozen=True, kw_only=True):
    """From the local date `since` on, a daily limit is `limit`."""

    since: str
    limit: int


class DailyLimitRule(RuleBase, frozen=True, kw_only=True, tag="daily_limit", tag_field="kind"):
    """Holds sends beyond `limit` a day, the day being that of the IANA zone `zone`.

    `ramp` raises the limit by dates (a warm-up).
    """

    limit: int
    zone: str = "Etc/UTC"
    scope: LimitScope = "file"
    ramp: tuple[Stage, ...] = ()


class RateRule(RuleBase, frozen=True, kw_only=True, tag="rate", tag_field="kind"):
    """Holds sends beyond `limit` in any `seconds` (half-open)."""

    limit: int
    seconds: int = 1
    scope: LimitScope = "file"


class BudgetRule(RuleBase, frozen=True, kw_only=True, tag="budget", tag_field="kind"):
    """Denies a send when settled + reserved + its estimate would exceed `limit_micros` of `currency` in the period.

    A day or month is that of the IANA zone `zone`. `on_fail` hold lets the queue wait for the next period.
    """

    limit_micros: int
    currency: str
    scope: LimitScope = "file"
    period: Literal["total", "day", "month"] = "total"
    zone: str = "Etc/UTC"


class DutyRule(RuleBase, frozen=True, kw_only=True, tag="duty", tag_field="kind"):
    """A deadline that is reported and gates nothing: what must happen, after which event, within which time.

    Exactly one of `within_s`, `within_business_days` (of `closed_dates`) and `within_months` is set.
    """

    trigger: str
    within_s: int = 0
    within_business_days: int = 0
    within_months: int = 0
    closed_dates: tuple[str, ...] = ()


Rule = (
    SuppressionRule
    | ConsentRule
    | FactRule
    | ContentRule
    | WindowRule
    | CapRule
    | RatioRule
    | DailyLimitRule
    | RateRule
    | BudgetRule
    | DutyRule
)
KIND_OF_RULE: dict[type, str] = {
    SuppressionRule: "suppression",
    ConsentRule: "consent",
    FactRule: "fact",
    ContentRule: "content",
    WindowRule: "window",
    CapRule: "cap",
    RatioRule: "ratio",
    DailyLimitRule: "daily_limit",
    RateRule: "rate",
    BudgetRule: "budget",
    DutyRule: "duty",
}
RULE_KINDS: tuple[str, ...] = tuple(KIND_OF_RULE.values())
"""The order in which the gate asks. What is the contact's own comes before what is shared with others."""

SHARED_KINDS = ("ratio", "daily_limit", "rate", "budget")
"""Kinds whose answer depends on what others have used up."""


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


class Pack(Part, frozen=True, kw_only=True):
    """A compliance pack: rules from one legal source, as of a date. It never loosens, and it is not legal advice.

    `notice` says so in the words of the pack; `calendars` names the holiday lists that its rules were written with, each
    with its source.
    """

    schema: int = 1
    id: str
    version: str
    title: str = ""
    as_of: str
    notice: str
    calendars: dict[str, str] = field(default_factory=dict)
    rules: tuple[Rule, ...]


def kind_of_rule(rule: Rule) -> str:
    """Return the rule's kind as written in packs and logs."""
    return KIND_OF_RULE[type(rule)]


def decode_policy(body: bytes) -> Policy:
    """Read a policy document. Raises msgspec.ValidationError if it is none."""
    return msgspec.json.decode(body, type=Policy)


def decode_pack(body: bytes) -> Pack:
    """Read a pack document. Raises msgspec.ValidationError if it is none."""
    return msgspec.json.decode(body, type=Pack)


def rules_for(policy: Policy, plan: Plan, channel: Channel, packs: tuple[Pack, ...] = ()) -> tuple[Rule, ...]:
    """Return the rules that a send of this plan on this channel must pass, in the order in which they are asked.

    Whether a rule concerns the contact (jurisdiction, subscriber, dates) is asked at each send. Duties are not among them.
    """
    listed = (*policy.rules, *(rule for pack in packs for rule in pack.rules), *_rules_of_plan(plan))
    chosen = [rule for rule in listed if applies(rule, plan.purpose, channel)]
    order = {kind: position for position, kind in enumerate(RULE_KINDS)}
    return tuple(sorted(chosen, key=lambda rule: order[kind_of_rule(rule)]))


def applies(rule: Rule, purpose: Purpose, channel: Channel) -> bool:
    """Tell whether a rule can gate a send on this channel for this purpose."""
    if isinstance(rule, DutyRule):
        return False
    return (not rule.channels or channel in rule.channels) and (not rule.purposes or purpose in rule.purposes)


def _rules_of_plan(plan: Plan) -> list[Rule]:
    rules: list[Rule] = []
    if plan.policy.calling_hours is not None:
        rules.append(
            WindowRule(id="plan/calling_hours", channels=("voice",), hours=plan.policy.calling_hours, personal=True)
        )
    if plan.policy.daily_sends is not None:
        rules.append(DailyLimitRule(id="plan/daily_sends", limit=plan.policy.daily_sends, scope="plan"))
    if plan.policy.budget is not None:
        limit = plan.policy.budget
        rules.append(
            BudgetRule(id="plan/budget", limit_micros=limit.limit_micros, currency=limit.currency, scope="plan")
        )
    return rules


def estimate_micros(policy: Policy, channel: Channel, prefix: str, units: int) -> int | None:
    """Return the price of `units` on this channel to this destination prefix, or None if the rate card has no rate for it.

    Of a number only the first digits are known. Where a longer prefix of the rate card may fit it, the dearer price is reserved.
    """
    best: Rate | None = None
    dearest = 0
    for rate in policy.rates:
        if rate.channel != channel:
            continue
        if prefix.startswith(rate.prefix):
            if best is None or len(rate.prefix) > len(best.prefix):
                best = rate
        elif prefix and rate.prefix.startswith(prefix):
            dearest = max(dearest, rate.micros)
    return None if best is None else max(best.micros, dearest) * units
