"""The policy as people write it: the types that validate a policy file and from which its JSON Schema is generated.

Its rules are those of `written_rule`; the rate card is its own. `policy_file` turns both into the policy that the gate asks.
"""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from dee_appliance.authoring.written import Amount, Currency, PlanName, WrittenPart
from dee_appliance.authoring.written_rule import WrittenRule
from dee_appliance.kernel.e1.plan import Channel

MAX_RULES = 500
MAX_RATES = 5_000

Prefix = Annotated[
    str, Meta(pattern=r"^(\+[0-9]{1,15})?$", title='the beginning of a number, such as "+44"', examples=["+44"])
]


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
