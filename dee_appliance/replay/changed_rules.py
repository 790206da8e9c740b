"""Rules that are not in use (yet): a policy and packs in the place of those that are, and two verdicts side by side."""

from __future__ import annotations

from typing import Literal

import msgspec
from msgspec.structs import replace

from dee_appliance.errors import Refused
from dee_appliance.kernel.e1.policy import Pack, Policy

Result = Literal["allow", "hold", "deny"]


class ChangedRules(msgspec.Struct, frozen=True, kw_only=True):
    """What is changed: another policy (None: it stays), packs that come into use or replace one of their id, ids to retire.

    Of `rates`, a policy too, only the rate card and its currency count.
    """

    policy: Policy | None = None
    rates: Policy | None = None
    use: tuple[Pack, ...] = ()
    retire: tuple[str, ...] = ()

    @property
    def anything(self) -> bool:
        """Whether anything is changed at all."""
        return self.policy is not None or self.rates is not None or bool(self.use or self.retire)

    def changed_policy(self, policy: Policy) -> Policy:
        """Return the policy as it would be."""
        policy = policy if self.policy is None else self.policy
        return policy if self.rates is None else replace(policy, currency=self.rates.currency, rates=self.rates.rates)

    def applied(self, policy: Policy, packs: tuple[Pack, ...]) -> tuple[Policy, tuple[Pack, ...]]:
        """Return the policy and the packs as they would be, by id. Raises Refused when two of them have a rule of one id."""
        new = {pack.id: pack for pack in self.use}
        gone = {*new, *self.retire}
        kept = [pack for pack in packs if pack.id not in gone]
        changed = tuple(sorted((*kept, *new.values()), key=_id_of))
        policy = self.changed_policy(policy)
        taken: dict[str, str] = {}
        for name, rules in (("the policy", policy.rules), *((pack.id, pack.rules) for pack in changed)):
            for rule in rules:
                if rule.id in taken:
                    raise Refused(
                        f"the rule {rule.id} stands in {taken[rule.id]} and in {name}", hint="rename one of the two"
                    )
                taken[rule.id] = name
        return policy, changed


class Said(msgspec.Struct, frozen=True, kw_only=True):
    """A verdict: which rule decided, why, and until when it holds (UTC seconds)."""

    verdict: Result
    rule: str = ""
    reason: str = ""
    until: int | None = None

    @property
    def label(self) -> str:
        """The verdict with its rule, as they are counted."""
        return f"{self.verdict} {self.rule}".rstrip()


class FlipTally:
    """Counts verdicts that flip, and those that only change their rule or their time."""

    def __init__(self) -> None:
        self.asked = 0
        self.flips = 0
        self.otherwise = 0
        """The same verdict by another rule, or until another time."""
        self._changes: dict[tuple[str, str], int] = {}
        self._plans: dict[str, int] = {}
        self._channels: dict[str, int] = {}

    def add(self, before: Said, after: Said, plan: str, channel: str) -> bool:
        """Count one question; True when its verdict flips."""
        self.asked += 1
        if before.verdict == after.verdict:
            self.otherwise += before != after
            return False
        self.flips += 1
        for counts, key in ((self._plans, plan), (self._channels, channel)):
            counts[key] = counts.get(key, 0) + 1
        change = (before.label, after.label)
        self._changes[change] = self._changes.get(change, 0) + 1
        return True

    def summary(self) -> FlipSummary:
        """Return the counts, the most frequent change first."""
        ordered = sorted(self._changes.items(), key=lambda item: (-item[1], item[0]))
        return FlipSummary(
            asked=self.asked,
            flips=self.flips,
            otherwise=self.otherwise,
            changes=tuple(FlipCount(before=key[0], after=key[1], count=count) for key, count in ordered),
            by_plan={plan: self._plans[plan] for plan in sorted(self._plans)},
            by_channel={channel: self._channels[channel] for channel in sorted(self._channels)},
        )


class FlipCount(msgspec.Struct, frozen=True, kw_only=True):
    """How often one verdict becomes another; each with the rule that decides."""

    before: str
    after: str
    count: int


class FlipSummary(msgspec.Struct, frozen=True, kw_only=True):
    """Of `asked` questions `flips` get another verdict, and `otherwise` the same one by another rule or until another time."""

    asked: int
    flips: int
    otherwise: int
    changes: tuple[FlipCount, ...]
    by_plan: dict[str, int]
    by_channel: dict[str, int]


def _id_of(pack: Pack) -> str:
    return pack.id
