"""The policy as people write it: the types that validate a policy file and from which its JSON Schema is generated.

Here amounts and hours are text and defaults are left out; `policy_file` turns them into the policy that the gate asks.
"""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from dee_appliance.authoring.written import Amount, Count, Currency, Date, PlanName, WrittenHours, WrittenPart
from dee_appliance.kernel.e1.plan import Channel, Purpose
from dee_appliance.kernel.e1.policy import LimitScope

MAX_RULES = 500
MAX_RATES = 5_000

RuleId = Annotated[
    str,
    Meta(
        pattern="^[a-z0-9][a-z0-9_/-]{0,63}$",
        title="an id of lower-case letters, digits, hyphens, underscores and slashes",
        examples=["us-federal/calling-hours"],
    ),
]
Citation = Annotated[str, Meta(max_length=500, title="a text of at most 500 characters")]
Prefix = Annotated[
    str, Meta(pattern=r"^(\+[0-9]{1,15})?$", title='the beginning of a number, such as "+44"', examples=["+44"])
]
ConsentClass = Literal["express", "written", "implied"]
ZoneName = Annotated[
    str,
    Meta(
        pattern="^[A-Za-z][A-Za-z0-9_+/-]{0,63}$",
        title='a time zone such as "Europe/London"',
        examples=["Europe/London"],
    ),
]


class WrittenRuleBase(WrittenPart, frozen=True, kw_only=True):
    """What every rule says. Without `channels` or `purposes` it holds for all of them."""

    id: RuleId
    channels: Annotated[list[Channel], Meta(min_length=1, max_length=3)] | None = None
    purposes: Annotated[list[Purpose], Meta(min_length=1, max_length=4)] | None = None
    cite: Citation = ""
    url: Citation = ""


class WrittenSuppression(WrittenRuleBase, frozen=True, kw_only=True, tag="suppression", tag_field="kind"):
    """Nobody who is suppressed is contacted."""


class WrittenConsent(WrittenRuleBase, frozen=True, kw_only=True, tag="consent", tag_field="kind"):
    """A consent must be in force, of one of these classes if any are named."""

    classes: Annotated[list[ConsentClass], Meta(min_length=1, max_length=3)] | None = None


class WrittenWindow(WrittenRuleBase, frozen=True, kw_only=True, tag="window", tag_field="kind"):
    """Sends only within these hours, in every zone the contact may be in."""

    hours: WrittenHours | Annotated[list[WrittenHours], Meta(min_length=1, max_length=50)]
    closed_dates: Annotated[list[Date], Meta(max_length=500)] | None = None


class WrittenDailyLimit(WrittenRuleBase, frozen=True, kw_only=True, tag="daily_limit", tag_field="kind"):
    """At most so many sends a day; the day begins at midnight in `zone`."""

    limit: Count
    zone: ZoneName = "Etc/UTC"
    scope: LimitScope = "file"


class WrittenBudgetRule(WrittenRuleBase, frozen=True, kw_only=True, tag="budget", tag_field="kind"):
    """At most so much money, in the currency of the rates."""

    amount: Amount
    scope: LimitScope = "file"


WrittenRule = WrittenSuppression | WrittenConsent | WrittenWindow | WrittenDailyLimit | WrittenBudgetRule
RULE_TYPES = (WrittenSuppression, WrittenConsent, WrittenWindow, WrittenDailyLimit, WrittenBudgetRule)


class WrittenRate(WrittenPart, frozen=True, kw_only=True):
    """The price of one message, one text segment or one started minute; the longest prefix that fits counts."""

    channel: Channel
    price: Amount
    prefix: Prefix = ""


class WrittenPolicyFile(WrittenPart, frozen=True, kw_only=True):
    """A policy file."""

    policy: PlanName
    currency: Currency = "USD"
    rule: Annotated[list[WrittenRule], Meta(max_length=MAX_RULES)] | None = None
    rate: Annotated[list[WrittenRate], Meta(max_length=MAX_RATES)] | None = None
