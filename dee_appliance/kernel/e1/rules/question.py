"""What a rule is asked, and what it answers. A rule reads nothing else and decides nothing else."""

from __future__ import annotations

from typing import Literal

from msgspec import field

from dee_appliance.kernel.e1.civil_time import ZoneTable
from dee_appliance.kernel.e1.plan import Channel, Plan
from dee_appliance.kernel.e1.policy import Policy
from dee_appliance.kernel.e1.rulebook import Places, Rulebook
from dee_appliance.kernel.e1.run import Contact, Frozen, ListInUse, Touch

ADDRESS_OF: dict[Channel, str] = {"email": "email", "sms": "phone", "voice": "phone"}
DAY_S = 86_400


class Question(Frozen, frozen=True, kw_only=True):
    """May this contact be sent to on this channel by this plan at this tick? `units` are segments, minutes or messages."""

    tick: int
    contact: Contact
    plan: Plan
    channel: Channel
    units: int
    policy: Policy
    book: Rulebook
    places: Places
    zones: ZoneTable
    counters: dict[tuple[str, str], tuple[int, int]]
    recent: dict[str, tuple[tuple[int, int], ...]] = field(default_factory=dict)
    """By counter of a rate: the seconds in which sends left, with their number, oldest first."""
    history: tuple[Touch, ...] = ()
    """What happened to this contact before, newest first, as far back as a rule looks."""
    facts: dict[str, tuple[bool, int]] = field(default_factory=dict)
    """Recorded facts with the entries that recorded them."""
    lists: dict[str, ListInUse] = field(default_factory=dict)
    listed: tuple[str, ...] = ()
    """The lists in use that the address is on."""
    variables: dict[str, bool | int | str] = field(default_factory=dict)
    features: tuple[str, ...] = ()
    """What the rendered message was found to have, sorted."""


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


def failed(
    on_fail: str,
    reason: str,
    tick: int,
    *,
    values: dict[str, object] | None = None,
    saw: dict[str, object] | None = None,
) -> RuleAnswer:
    """Return the answer of a rule that does not pass and knows no time: denied, or held and asked again a day later."""
    until = tick + DAY_S if on_fail == "hold" else None
    verdict: Literal["hold", "deny"] = "hold" if on_fail == "hold" else "deny"
    return RuleAnswer(verdict=verdict, reason=reason, until=until, values=values or {}, saw=saw or {})
