"""Which rules were in force when: policies, packs, zone tables and plans, followed through the log by their digests.

An entry of the gate names the entries of the policy and the packs that it asked; what a rule said stands in the document.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from dee_appliance.kernel.e1.civil_time import format_utc
from dee_appliance.kernel.e1.plan import CHANNEL_OF, decode_plan
from dee_appliance.kernel.e1.policy import (
    DutyRule,
    WindowRule,
    decode_pack,
    decode_policy,
    kind_of_rule,
    rules_for,
)
from dee_appliance.kernel.e1.rulebook import window_of

if TYPE_CHECKING:
    from dee_appliance.kernel.e1.civil_time import Window, ZoneTable
    from dee_appliance.kernel.e1.plan import Channel, Plan
    from dee_appliance.kernel.e1.policy import Pack, Policy, Rule
    from dee_appliance.runtime.compliance_log import Cause, Line
    from dee_appliance.runtime.reading import View

KEPT = 64
GATES_OWN = {
    "address": "the contact has no address for the channel",
    "trial": "trial mode: not on the guest list",
    "send_by": "stale: send_by has passed",
}
"""Rules that the gate asks of itself; they stand in no policy."""
PLANS_OWN = {"plan/daily_sends": ("daily_limit", "the plan"), "plan/budget": ("budget", "the plan")}
"""Rules of a plan that can hold a queue."""


class InForce(msgspec.Struct, kw_only=True):
    """Something that decided, from one entry on until another. `until` is empty while it does so still.

    `actor` is who brought it, as recorded.
    """

    kind: str
    name: str
    version: str
    digest: str
    entry: int
    since: str
    until: str
    actor: str


class RuleSet(msgspec.Struct, frozen=True):
    """The rules that a send had to pass, by id; `windows` are the hours among them, ready to be looked at."""

    rules: dict[str, Rule]
    windows: tuple[tuple[WindowRule, Window], ...]


class RuleReader:
    """Follows what was in force through the log of one open file."""

    def __init__(self, view: View) -> None:
        self._view = view
        self._now: dict[str, InForce] = {}
        self.timeline: list[InForce] = []
        self._digests: dict[int, str] = {}
        self._plans: dict[str, str] = {}
        self._sets: dict[tuple[object, ...], RuleSet] = {}
        self._parsed_plans: dict[str, Plan] = {}
        self._policies: dict[str, Policy] = {}
        self._packs: dict[str, Pack] = {}

    # ---- following the log ----

    def policy_set(self, line: Line, cause: Cause) -> None:
        """Another policy is in force."""
        digest = str(line.core.detail["digest"])
        self._digests[line.seq] = digest
        self._replace("policy", line, name=self.policy(digest).id, version="", digest=digest, actor=cause.source)

    def zones_used(self, line: Line, cause: Cause) -> None:
        """Another zone table is in use."""
        digest = str(line.core.detail["digest"])
        table = self._view.state.documents.zones(digest)
        self._replace("zones", line, name="IANA", version=table.version, digest=digest, actor=cause.source)

    def pack_changed(self, line: Line) -> None:
        """A pack was brought into use, replaced or retired."""
        detail = line.core.detail
        name, digest, actor = str(detail["pack"]), str(detail["digest"]), str(detail.get("actor", ""))
        if line.core.outcome == "retired":
            self._end(f"pack:{name}", line)
        elif line.core.outcome == "used":
            self._digests[line.seq] = digest
            version = self.pack(digest).version
            self._replace(f"pack:{name}", line, name=name, version=version, digest=digest, actor=actor)

    def plan_published(self, line: Line) -> None:
        """A plan version exists."""
        detail = line.core.detail
        self._plans[f"{detail['plan']}@{detail['version']}"] = str(detail["digest"])

    def _replace(self, key: str, line: Line, *, name: str, version: str, digest: str, actor: str) -> None:
        self._end(key, line)
        kind = key.partition(":")[0]
        self._now[key] = InForce(
            kind=kind,
            name=name,
            version=version,
            digest=digest,
            entry=line.seq,
            since=format_utc(line.core.tick),
            until="",
            actor=actor,
        )
        self.timeline.append(self._now[key])

    def _end(self, key: str, line: Line) -> None:
        ended = self._now.pop(key, None)
        if ended is not None:
            ended.until = format_utc(line.core.tick)

    # ---- what is in force ----

    def zone_table(self, digest: object) -> ZoneTable:
        """Return the zone table that an entry names; the one in use where it names none."""
        return self._view.state.documents.zones(str(digest or self._now["zones"].digest))

    def duties(self) -> list[DutyRule]:
        """Return the deadlines of the policy and the packs in force now."""
        found: list[Rule] = []
        for one in self._now.values():
            if one.kind == "policy":
                found += self.policy(one.digest).rules
            elif one.kind == "pack":
                found += self.pack(one.digest).rules
        return [rule for rule in found if isinstance(rule, DutyRule)]

    def named(self, name: str) -> tuple[str, str] | None:
        """Return kind and source of a rule in force now; a rule of a plan is named after its kind."""
        for one in self._now.values():
            rules = self.policy(one.digest).rules if one.kind == "policy" else ()
            rules = self.pack(one.digest).rules if one.kind == "pack" else rules
            for rule in rules:
                if rule.id == name:
                    return kind_of_rule(rule), rule.cite
        return PLANS_OWN.get(name)

    def plan_of(self, label: str) -> Plan | None:
        """Return a published plan version, named as in `welcome@1`."""
        digest = self._plans.get(label)
        if digest is None:
            return None
        if digest not in self._parsed_plans:
            _bound(self._parsed_plans)
            self._parsed_plans[digest] = decode_plan(self._view.state.documents.body(digest).encode())
        return self._parsed_plans[digest]

    def rules(self, line: Line) -> RuleSet:
        """Return the rules that stood for the send of a gate entry: of the policy, packs and plan that it names."""
        named, packs = line.saw.get("policy"), line.saw.get("packs", [])
        policy = self._digests[named] if isinstance(named, int) else self._now["policy"].digest
        used = tuple(self._digests[seq] for seq in packs) if isinstance(packs, list) else ()
        key = (policy, used, line.core.plan, line.core.action)
        found = self._sets.get(key)
        if found is None:
            _bound(self._sets)
            found = self._sets[key] = self._read(policy, used, line)
        return found

    def _read(self, policy: str, packs: tuple[str, ...], line: Line) -> RuleSet:
        plan = self.plan_of(str(line.core.plan))
        assert plan is not None, line.core.plan
        channel: Channel = CHANNEL_OF[line.core.action]
        rules = rules_for(self.policy(policy), plan, channel, tuple(self.pack(one) for one in packs))
        windows = tuple((rule, window_of(rule.hours, rule.guard_s)) for rule in rules if isinstance(rule, WindowRule))
        return RuleSet({rule.id: rule for rule in rules}, windows)

    def policy(self, digest: str) -> Policy:
        """Return a policy document."""
        if digest not in self._policies:
            _bound(self._policies)
            self._policies[digest] = decode_policy(self._view.state.documents.body(digest).encode())
        return self._policies[digest]

    def pack(self, digest: str) -> Pack:
        """Return a pack document."""
        if digest not in self._packs:
            _bound(self._packs)
            self._packs[digest] = decode_pack(self._view.state.documents.body(digest).encode())
        return self._packs[digest]


def _bound(kept: dict[Any, Any]) -> None:
    if len(kept) >= KEPT:
        kept.clear()


def kind_and_cite(rules: RuleSet, name: str) -> tuple[str, str]:
    """Return a rule's kind and its source; the gate's own rules are their own kind."""
    rule = rules.rules.get(name)
    return (name, GATES_OWN.get(name, "")) if rule is None else (kind_of_rule(rule), rule.cite)
