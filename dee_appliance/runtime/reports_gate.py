"""The ladder of the gate: every rule that was asked about one send, its answer, the values it saw in words, and its source.

An entry of the gate names rule ids and values only; what a rule was (its hours, its limit) stands in the policy and the packs
that the entry names and in the run's plan version, so that an old verdict is explained by the rules of its time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import msgspec

from dee_appliance.kernel.e1.gate import OPT_OUTS
from dee_appliance.kernel.e1.plan import CHANNEL_OF
from dee_appliance.kernel.e1.policy import Pack, Policy, Rule, kind_of_rule, rules_for
from dee_appliance.kernel.e1.rulebook import places_of
from dee_appliance.kernel.e1.rules.question import ADDRESS_OF
from dee_appliance.runtime.gate_words import Asked, ConsentRelied, GateWords

if TYPE_CHECKING:
    from collections.abc import Iterable

    from dee_appliance.kernel.e1.compiled import CompiledPlan
    from dee_appliance.kernel.e1.plan import Channel, Plan
    from dee_appliance.runtime.reading import View
    from dee_appliance.runtime.reports_log import Log, LogLine
    from dee_appliance.store.state import State

ADDRESS_WORDS = {"email": "e-mail address", "phone": "phone number"}
BUILT_IN_WORDS = {
    "trial": "trial mode, not on the guest list",
    "send_by": "stale: send_by has passed",
    OPT_OUTS.id: "opted out or suppressed; no rule of the policy asks, the gate does",
}
OF_THE_GATE, OF_THE_POLICY, OF_THE_PLAN = "gate", "policy", "plan"
"""Where a rule comes from that no pack has."""


class Rung(msgspec.Struct, frozen=True, kw_only=True):
    """One rule's answer. `kind` is the rule's kind (the gate's own rules are their own kind), `values` what it saw, in words.

    `source` is the id of the pack that has the rule, else gate, policy or plan; `cite`, `url` and `confidence` say which law it
    is from and how sure we are.
    """

    rule: str
    kind: str
    verdict: Literal["pass", "hold", "deny"]
    values: str
    cite: str = ""
    url: str = ""
    confidence: str = ""
    source: str = OF_THE_GATE


class RulesInUse(msgspec.Struct, frozen=True, kw_only=True):
    """The policy and packs under which a verdict was made, and their entries."""

    policy: Policy
    packs: tuple[Pack, ...] = ()

    def rules(self, plan: Plan, channel: Channel) -> dict[str, Rule]:
        """Return what a send of this plan on this channel must pass, by id."""
        return {rule.id: rule for rule in rules_for(self.policy, plan, channel, self.packs)}

    def all_rules(self) -> tuple[Rule, ...]:
        """Return every rule of the policy and the packs, also what is for other sends."""
        return (*self.policy.rules, *(rule for pack in self.packs for rule in pack.rules))

    def source(self, rule: str) -> str:
        """Return where a rule comes from."""
        for pack in self.packs:
            if rule.startswith(f"{pack.id}/") and any(one.id == rule for one in pack.rules):
                return pack.id
        return OF_THE_PLAN if rule.startswith("plan/") else OF_THE_POLICY


def rules_in_use(state: State) -> RulesInUse:
    """Return the policy and packs in use now."""
    packs = tuple(state.documents.pack(digest) for _, digest, _ in state.packs)
    return RulesInUse(policy=state.policy()[0], packs=packs)


class GateReader:
    """Explains ladders of one open file."""

    def __init__(self, view: View, log: Log) -> None:
        self._view = view
        self._log = log
        self.words = GateWords(view, log)
        self._in_use: dict[tuple[int | None, tuple[int, ...]], RulesInUse] = {}

    def ladder(self, line: LogLine, plan: CompiledPlan) -> tuple[Rung, ...]:
        """Return the rules that an entry asked, in the order in which they were asked; empty for an entry that asked none."""
        answers, rest = line.detail.get("gate"), line.saw.get("gate")
        if not isinstance(answers, list):
            return ()
        # The core ends with the rule that decided; what the later rules said stands among the values seen.
        answers = [*answers, *(rest if isinstance(rest, list) else [])]
        channel = CHANNEL_OF[line.action]
        in_use = self._rules_of(line)
        rules = in_use.rules(plan.plan, channel)
        tick = line.tick + self._view.epoch
        zones = _zones_asked(answers, rules) or self._zones_of(line)
        asked = Asked(tick=tick, saw=line.saw, policy=in_use.policy, zones=zones)
        whole = [(str(one[0]), one[1], one[2] if len(one) > 2 else {}) for one in answers]
        return self.rungs(whole, channel, rules=rules, in_use=in_use, asked=asked)

    def rungs(
        self,
        answers: Iterable[tuple[str, str, dict[str, object]]],
        channel: Channel,
        *,
        rules: dict[str, Rule],
        in_use: RulesInUse,
        asked: Asked,
    ) -> tuple[Rung, ...]:
        """Return answers of rules, as (rule, answer, values), in words."""
        return tuple(
            self.rung(name, _verdict(answer), values, rules=rules, in_use=in_use, asked=asked)
            if name in rules
            else built_in(name, _verdict(answer), channel)
            for name, answer, values in answers
        )

    def rung(
        self,
        name: str,
        verdict: Literal["pass", "hold", "deny"],
        values: dict[str, object],
        *,
        rules: dict[str, Rule],
        in_use: RulesInUse,
        asked: Asked,
    ) -> Rung:
        """Return the answer of one rule in words."""
        rule = rules[name]
        return Rung(
            rule=name,
            kind=kind_of_rule(rule),
            verdict=verdict,
            values=self.words.told(rule, verdict, values, asked),
            cite=rule.cite,
            url=rule.url,
            confidence=rule.confidence,
            source=in_use.source(name),
        )

    def consent_of(self, line: LogLine) -> ConsentRelied | None:
        """Return the consent that a gate entry relied on."""
        return self.words.consent_of(line.saw)

    # ---- the rules of that time ----

    def _rules_of(self, line: LogLine) -> RulesInUse:
        """The policy and packs that the entry names; one that names no policy was made under the one set last before it."""
        named, packs = line.saw.get("policy"), line.saw.get("packs")
        policy = named if isinstance(named, int) else self._policy_entry_before(line.seq)
        entries = tuple(int(seq) for seq in packs) if isinstance(packs, list) else ()
        key = (policy, entries)
        if key not in self._in_use:
            documents = self._view.state.documents
            digests = [digest for seq in entries if (digest := self._digest(seq))]
            in_use = self._digest(policy) or str(self._view.state.settings["policy"])
            self._in_use[key] = RulesInUse(
                policy=documents.policy(in_use), packs=tuple(documents.pack(digest) for digest in digests)
            )
        return self._in_use[key]

    def _digest(self, seq: int | None) -> str:
        entry = None if seq is None else self._log.entry(seq)
        return "" if entry is None else str(entry.detail.get("digest", ""))

    def _policy_entry_before(self, seq: int) -> int | None:
        current = self._view.state.setting_entries["policy"]
        if current < seq:
            return current
        return next((line.seq for line in self._log.newest("policy", seq) if line.outcome == "set"), None)

    def _zones_of(self, line: LogLine) -> tuple[str, ...]:
        """The zones of the contact, unless they may have been others then: the entry of a cap does not name them."""
        if line.contact is None:
            return ()
        changed = [one.seq for one in self._log.about_contact(line.contact) if one.action == "contact"]
        if changed and changed[-1] > line.seq:
            return ()
        return places_of(self._view.state.contact(line.contact)).zones


def _verdict(answer: str) -> Literal["pass", "hold", "deny"]:
    return "pass" if answer == "pass" else "hold" if answer == "hold" else "deny"


def built_in(name: str, verdict: Literal["pass", "hold", "deny"], channel: Channel) -> Rung:
    """Return the answer of one of the gate's own rules."""
    told = ""
    if verdict != "pass":
        told = f"no {ADDRESS_WORDS[ADDRESS_OF[channel]]}" if name == "address" else BUILT_IN_WORDS.get(name, "")
    return Rung(rule=name, kind="suppression" if name == OPT_OUTS.id else name, verdict=verdict, values=told)


def _zones_asked(answers: list[list[object]], rules: dict[str, Rule]) -> tuple[str, ...]:
    """The contact's zones as a window of the same ladder names them."""
    for one in answers:
        rule = rules.get(str(one[0]))
        values = one[2] if len(one) > 2 else {}
        zones = values.get("zones") if isinstance(values, dict) else None
        if rule is not None and isinstance(zones, list) and not getattr(rule, "zone", ""):
            return tuple(str(zone) for zone in zones)
    return ()
