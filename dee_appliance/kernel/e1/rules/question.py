"""What a rule is asked, and what it answers. A rule reads nothing else and decides nothing else."""

from __future__ import annotations

from typing import Literal

from msgspec import field

from dee_appliance.kernel.e1.civil_time import ZoneTable
from dee_appliance.kernel.e1.plan import Channel, Hours, Plan
from dee_appliance.kernel.e1.policy import Policy
from dee_appliance.kernel.e1.run import Contact, Frozen

ADDRESS_OF: dict[Channel, str] = {"email": "email", "sms": "phone", "voice": "phone"}


class Question(Frozen, frozen=True, kw_only=True):
    """May this contact be sent to on this channel by this plan at this tick? `units` are segments, minutes or messages."""

    tick: int
    contact: Contact
    plan: Plan
    channel: Channel
    units: int
    policy: Policy
    zones: ZoneTable
    counters: dict[tuple[str, str], tuple[int, int]]
    hours: tuple[Hours, ...] = ()
    """Every window that the send must be inside of: a hold ends when all of them are open."""


class Reservation(Frozen, frozen=True, kw_only=True):
    """An amount to add to a counter if the send passes. `kind` "count" is spent at once, "money" is reserved until the answer."""

    name: str
    bucket: str
    amount: int
    kind: Literal["count", "money"]


class RuleAnswer(Frozen, frozen=True, kw_only=True):
    """One rule's verdict with the values it saw.

    `values` depend on the contact and the plan only and go into the core; `saw` are values shared with other runs or
    known to this file only. A hold has `until` (None: no time is known); `shared` names the scope of a hold that
    concerns more than this run.
    """

    verdict: Literal["pass", "hold", "deny"]
    reason: str = ""
    until: int | None = None
    shared: str = ""
    values: dict[str, object] = field(default_factory=dict)
    saw: dict[str, object] = field(default_factory=dict)
    reserve: Reservation | None = None


PASS = RuleAnswer(verdict="pass")
