"""What the gate said about one send, rule by rule, with the values it saw, in words.

An entry of the gate names rule ids and values only; what a rule was (its hours, its limit) stands in the policy document that the
entry names and in the run's plan version, so that an old verdict is explained by the rules of its time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import msgspec

from dee_appliance.authoring.notation import format_money, format_second_of_day, format_weekdays
from dee_appliance.kernel.e1.plan import CHANNEL_OF
from dee_appliance.kernel.e1.policy import (
    BudgetRule,
    ConsentRule,
    DailyLimitRule,
    Policy,
    Rule,
    SuppressionRule,
    WindowRule,
    decode_policy,
    kind_of_rule,
    rules_for,
)
from dee_appliance.kernel.e1.rules.question import ADDRESS_OF

if TYPE_CHECKING:
    from dee_appliance.kernel.e1.compiled import CompiledPlan
    from dee_appliance.kernel.e1.plan import Hours
    from dee_appliance.runtime.reading import View
    from dee_appliance.runtime.reports_log import Log, LogLine

ADDRESS_WORDS = {"email": "e-mail address", "phone": "phone number"}
HOLDS_FOR = {"trial": "trial mode, not on the guest list", "send_by": "stale: send_by has passed"}


class Rung(msgspec.Struct, frozen=True, kw_only=True):
    """One rule's answer. `kind` is the rule's kind (the gate's own rules are their own kind), `values` what it saw, in words."""

    rule: str
    kind: str
    verdict: Literal["pass", "hold", "deny"]
    values: str
    cite: str = ""


class ConsentRelied(msgspec.Struct, frozen=True, kw_only=True):
    """The consent that a verdict relied on: the entry that recorded it."""

    entry: int
    utc: str
    channel: str
    purpose: str
    consent_class: str
    source: str


class GateReader:
    """Explains ladders of one open file."""

    def __init__(self, view: View, log: Log) -> None:
        self._view = view
        self._log = log
        self._policies: dict[int, Policy] = {}

    def ladder(self, line: LogLine, plan: CompiledPlan) -> tuple[Rung, ...]:
        """Return the rules that an entry asked, in the order in which they were asked; empty for an entry that asked none."""
        asked, rest = line.detail.get("gate"), line.saw.get("gate")
        if not isinstance(asked, list):
            return ()
        # The core ends with the rule that decided; what the later rules said stands among the values seen.
        asked = [*asked, *(rest if isinstance(rest, list) else [])]
        channel = CHANNEL_OF[line.action]
        policy = self._policy_of(line)
        rules = {rule.id: rule for rule in rules_for(policy, plan.plan, channel)}
        rungs: list[Rung] = []
        for one in asked:
            name, verdict = str(one[0]), one[1]
            values = one[2] if len(one) > 2 else {}
            rule = rules.get(name)
            if rule is None:
                told = _built_in(name, verdict, ADDRESS_OF[channel])
                rungs.append(Rung(rule=name, kind=name, verdict=verdict, values=told))
            else:
                told = self._told(rule, policy, line, values)
                rungs.append(Rung(rule=name, kind=kind_of_rule(rule), verdict=verdict, values=told, cite=rule.cite))
        return tuple(rungs)

    def consent_of(self, line: LogLine) -> ConsentRelied | None:
        """Return the consent that a gate entry relied on."""
        seq = line.saw.get("consent")
        entry = self._log.entry(seq) if isinstance(seq, int) else None
        if entry is None:
            return None
        detail = entry.detail
        return ConsentRelied(
            entry=entry.seq,
            utc=entry.utc,
            channel=str(detail.get("channel", "")),
            purpose=str(detail.get("purpose", "")),
            consent_class=str(detail.get("class", "")),
            source=str(detail.get("source", "")),
        )

    def _policy_of(self, line: LogLine) -> Policy:
        """The policy that the entry names; an entry that names none was made under the one set last before it."""
        named = line.saw.get("policy")
        seq = named if isinstance(named, int) else self._policy_entry_before(line.seq)
        if seq not in self._policies:
            entry = None if seq is None else self._log.entry(seq)
            if entry is None or seq is None:
                return self._view.state.policy()[0]
            body = self._view.state.documents.body(str(entry.detail["digest"]))
            self._policies[seq] = decode_policy(body.encode())
        return self._policies[seq]

    def _policy_entry_before(self, seq: int) -> int | None:
        current = self._view.state.setting_entries["policy"]
        if current < seq:
            return current
        return next((line.seq for line in self._log.newest("policy", seq) if line.outcome == "set"), None)

    def _told(self, rule: Rule, policy: Policy, line: LogLine, values: dict[str, object]) -> str:
        match rule:
            case SuppressionRule():
                return ", ".join(f"{reason} ({scope})" for scope, reason in _pairs(values, "scopes", "reasons"))
            case ConsentRule():
                return self._consent(line, values)
            case WindowRule():
                zones = values.get("zones")
                where = ", ".join(map(str, zones)) if isinstance(zones, list) else "an unknown zone"
                return f"{hours_text(rule.hours)} in {where}"
            case DailyLimitRule():
                return _counted(line, rule)
            case BudgetRule():
                return _spent(line, rule, policy)
            case _:
                return _values_text(values)

    def _consent(self, line: LogLine, values: dict[str, object]) -> str:
        relied = self.consent_of(line)
        if relied is not None:
            return f"{relied.channel} {relied.consent_class} ({relied.source} {relied.utc[:10]}, entry {relied.entry})"
        return f"class {values['class']}" if "class" in values else "none in force"


def _values_text(values: dict[str, object]) -> str:
    return ", ".join(f"{name} {value}" for name, value in sorted(values.items()))


def _built_in(name: str, verdict: str, address: str) -> str:
    if verdict == "pass":
        return ""
    return f"no {ADDRESS_WORDS[address]}" if name == "address" else HOLDS_FOR.get(name, "")


def _pairs(values: dict[str, object], first: str, second: str) -> list[tuple[str, str]]:
    left, right = values.get(first), values.get(second)
    if not isinstance(left, list) or not isinstance(right, list):
        return []
    return [(str(a), str(b)) for a, b in zip(left, right, strict=False)]


def _counter(line: LogLine, rule: Rule) -> tuple[str, int, int] | None:
    """The bucket, what was used and the limit of the counter that a rule read."""
    counters = line.saw.get("counters")
    for one in counters if isinstance(counters, list) else []:
        name, bucket, used, limit = one
        if name == rule.id or str(name).startswith(f"{rule.id}:"):
            return str(bucket), int(used), int(limit)
    return None


def _counted(line: LogLine, rule: DailyLimitRule) -> str:
    found = _counter(line, rule)
    if found is None:
        return f"{rule.limit} a day"
    bucket, used, limit = found
    return f"{used} of {limit} on {bucket}"


def _spent(line: LogLine, rule: BudgetRule, policy: Policy) -> str:
    found = _counter(line, rule)
    if found is None and not line.saw:
        return ""
    if found is None:
        return "no price is known" if rule.currency == policy.currency else f"not in {policy.currency}"
    _, used, limit = found
    text = f"{format_money(used, rule.currency)} of {format_money(limit, rule.currency)}"
    estimate = line.saw.get("estimate")
    return f"{text}, this send {format_money(estimate, rule.currency)}" if isinstance(estimate, int) else text


def hours_text(hours: Hours) -> str:
    """Write opening hours as "Mon-Fri 09:00-18:00, Sat 10:00-14:00"."""
    days: dict[str, list[int]] = {}
    for day, spans in enumerate(hours.weekly):
        text = "+".join(f"{format_second_of_day(opens)}-{format_second_of_day(closes)}" for opens, closes in spans)
        if text:
            days.setdefault(text, []).append(day)
    shown = ", ".join(f"{format_weekdays(chosen)} {text}" for text, chosen in days.items())
    closed = f" but {len(hours.closed_dates)} closed dates" if hours.closed_dates else ""
    return (shown or "never open") + closed


def passed(ladder: tuple[Rung, ...]) -> str:
    """Return "7/8": how many rules passed of how many asked."""
    return f"{sum(rung.verdict == 'pass' for rung in ladder)}/{len(ladder)}"
