"""Every send of the log and what became of it: outcomes, unknown ones and how they were resolved, and what was spent.

Money is followed as the gate counts it: an estimate is reserved at the dispatch, a certain outcome puts the cost in its place or
gives it back, and what is learned later counts at once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from dee_appliance.kernel.e1.input import Answered, Event
from dee_appliance.kernel.e1.plan import CHANNEL_OF
from dee_appliance.kernel.e1.policy import BudgetRule
from dee_appliance.kernel.e1.rules.shared import counter_name

if TYPE_CHECKING:
    from dee_appliance.runtime.compliance_log import Cause, Line, Memory
    from dee_appliance.runtime.compliance_rules import RuleSet

RESOLVED = {"delivered": "ACCEPTED", "not-delivered": "NOT_SENT", "resend": "ABANDONED", "abandoned": "ABANDONED"}
NOTHING_SENT = ("REJECTED", "NOT_SENT")
SETTLED = ("ACCEPTED", *NOTHING_SENT, "ABANDONED")


class SendRow(msgspec.Struct, kw_only=True):
    """Sends of one UTC day, channel, plan version and purpose; `outcomes` is what is known of them at the end of the period."""

    day: str
    channel: str
    plan: str
    purpose: str
    dispatched: int = 0
    outcomes: dict[str, int] = {}


class BudgetUse(msgspec.Struct, kw_only=True):
    """One bucket of one budget in which something happened in the period. Amounts are micro-units at its end.

    `above` are settlements above their estimate in the period, by `above_micros` together.
    """

    rule: str
    counter: str
    bucket: str
    currency: str
    limit_micros: int
    settled_micros: int = 0
    reserved_micros: int = 0
    sends: int = 0
    refused: int = 0
    above: int = 0
    above_micros: int = 0
    active: bool = False


class _Send(msgspec.Struct, omit_defaults=True):
    """What is remembered of one attempt."""

    key: tuple[str, str, str, str]
    state: str
    outcome: str
    inside: bool = False
    voice: bool = False
    estimate: int = 0
    counters: list[tuple[str, str]] = []
    cost: int | None = None
    reserved: bool = False


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(_Send)


class Sends:
    """Follows the sends through the log; `first` is the first tick of the period."""

    def __init__(self, memory: Memory, first: int) -> None:
        self._memory = memory
        self._first = first
        self._flight: dict[str, str] = {}
        self._unknown: dict[str, dict[tuple[str | None, int | None], str]] = {}
        self.rows: dict[tuple[str, str, str, str], SendRow] = {}
        self.budgets: dict[tuple[str, str], BudgetUse] = {}
        self.unknown = 0
        self.resolved: dict[str, int] = {}
        self._told: tuple[str | None, int] | None = None

    # ---- the gate ----

    def dispatched(self, line: Line, key: tuple[str, str, str, str], rules: RuleSet) -> None:
        """A send left. `key` is day, channel, plan, purpose."""
        name = line.attempt_key
        inside = line.core.tick >= self._first
        estimate = line.saw.get("estimate", 0)
        counters = self._reserve(line, rules, estimate if isinstance(estimate, int) else 0)
        send = _Send(
            key=key,
            state="DISPATCHING",
            outcome="in flight",
            inside=inside,
            voice=line.core.action == "call",
            estimate=estimate if isinstance(estimate, int) else 0,
            counters=counters,
            reserved=bool(counters),
        )
        if inside:
            day, channel, plan, purpose = key
            row = self.rows.setdefault(key, SendRow(day=day, channel=channel, plan=plan, purpose=purpose, outcomes={}))
            row.dispatched += 1
            row.outcomes["in flight"] = row.outcomes.get("in flight", 0) + 1
        run = str(line.run)
        self._flight[run] = name
        self._memory.newest.put(str(line.evidence["send"]), (int(name.rpartition("#")[2]), run))
        self._put(name, send)

    def _reserve(self, line: Line, rules: RuleSet, estimate: int) -> list[tuple[str, str]]:
        names: list[tuple[str, str]] = []
        for budget, name, bucket in self._asked(line, rules):
            use = self._use(budget, name, bucket)
            use.reserved_micros += estimate
            self._touch(use, line)
            use.sends += line.core.tick >= self._first
            names.append((name, bucket))
        return names

    def _asked(self, line: Line, rules: RuleSet) -> list[tuple[BudgetRule, str, str]]:
        """The budgets that a gate entry has asked, with the counters that it saw."""
        seen = line.saw.get("counters")
        counters = {str(one[0]): str(one[1]) for one in seen} if isinstance(seen, list) else {}
        asked: list[tuple[BudgetRule, str, str]] = []
        plan = str(line.core.plan).rpartition("@")[0]
        for rule in rules.rules.values():
            if isinstance(rule, BudgetRule):
                name = counter_name(rule, CHANNEL_OF[line.core.action], plan)
                if name in counters:
                    asked.append((rule, name, counters[name]))
        return asked

    def _use(self, rule: BudgetRule, name: str, bucket: str) -> BudgetUse:
        use = self.budgets.get((name, bucket))
        if use is None:
            use = self.budgets[name, bucket] = BudgetUse(
                rule=rule.id, counter=name, bucket=bucket, currency=rule.currency, limit_micros=0
            )
        use.limit_micros = rule.limit_micros
        return use

    def _touch(self, use: BudgetUse, line: Line) -> None:
        use.active = use.active or line.core.tick >= self._first

    def refused(self, line: Line, rule_id: str, rules: RuleSet) -> None:
        """A budget has refused a send or holds its queue. Without a price or in another currency it has no bucket."""
        budget = rules.rules.get(rule_id)
        if not isinstance(budget, BudgetRule):
            return
        asked = [(name, bucket) for rule, name, bucket in self._asked(line, rules) if rule.id == rule_id]
        for name, bucket in asked or [(rule_id, "")]:
            use = self._use(budget, name, bucket)
            self._touch(use, line)
            use.refused += line.core.tick >= self._first

    # ---- what became of a send ----

    def outcome(self, line: Line) -> None:
        """An entry of a send step that is no verdict of the gate."""
        name = line.attempt_key or self._flight.get(str(line.run), "")
        send = self._get(name)
        if send is None:
            return
        cost = line.evidence.get("cost_micros")
        cost = cost if isinstance(cost, int) else None
        match line.core.outcome:
            case "ongoing":
                self._become(name, send, line, "ONGOING", "ongoing")
            case "rejected":
                self._become(name, send, line, "REJECTED", "rejected")
                self._give_back(send, line)
            case "unknown":
                self._become(name, send, line, "UNKNOWN", "unknown")
                step = str(line.core.detail.get("about", line.core.step))
                self._unknown.setdefault(str(line.run), {})[step, line.core.visit] = name
                self.unknown += line.core.tick >= self._first
            case "confirmed":
                said = str(line.core.detail.get("outcome", "accepted"))
                self._become(name, send, line, "ACCEPTED", said)
                self._settle(send, line, cost)
                self._confirmed(line)
            case said:
                self._become(name, send, line, "ACCEPTED", said)
                self._settle(send, line, cost)
        self._put(name, send)

    def _confirmed(self, line: Line) -> None:
        if self._told != (line.run, line.input.seq):
            self._resolved(line, "an event of the provider: accepted")

    def _resolved(self, line: Line, how: str) -> None:
        if line.core.tick >= self._first:
            self.resolved[how] = self.resolved.get(how, 0) + 1

    def person_resolved(self, line: Line) -> None:
        """A person said what became of an unknown outcome."""
        if line.core.outcome not in RESOLVED:
            return
        self._told = (line.run, line.input.seq)
        self._resolved(line, f"a person: {line.core.outcome}")
        name = self._unknown.get(str(line.run), {}).get((line.core.step, line.core.visit), "")
        send = self._get(name)
        state = RESOLVED[line.core.outcome]
        if send is None or state == "ACCEPTED":  # then an entry of its own follows
            return
        self._become(name, send, line, state, line.core.outcome if state == "ABANDONED" else "not sent")
        if state == "NOT_SENT":
            self._give_back(send, line)
        self._put(name, send)

    def late(self, line: Line, cause: Cause) -> None:
        """An answer came after the attempt was settled, or was unknown."""
        name = line.attempt_key
        send = self._get(name)
        if send is None or not isinstance(cause.value, Answered):
            return
        if send.state in SETTLED:
            # A late refusal, or a late doubt, says nothing about what was sent.
            self._late_cost(send, line, cause.value.cost_micros if cause.value.outcome == "accepted" else None)
        elif send.state == "UNKNOWN" and not send.voice and cause.value.outcome != "unknown":
            self._told = (line.run, line.input.seq)
            self._resolved(line, f"a late answer: {cause.value.outcome}")
            if cause.value.outcome == "rejected":
                self._become(name, send, line, "NOT_SENT", "not sent")
                self._give_back(send, line)
        self._put(name, send)

    def event(self, line: Line, cause: Cause) -> None:
        """An event about a send may bring its cost."""
        if not isinstance(cause.value, Event) or not cause.value.send_key:
            return
        newest = self._memory.newest.get(cause.value.send_key)
        name = "" if newest is None else f"{cause.value.send_key}#{newest[0]}"
        send = self._get(name)
        if send is None or send.state not in SETTLED:
            return
        self._late_cost(send, line, cause.value.cost_micros)
        self._put(name, send)

    def _become(self, name: str, send: _Send, line: Line, state: str, outcome: str) -> None:
        if send.inside:
            outcomes = self.rows[send.key].outcomes
            outcomes[send.outcome] -= 1
            if not outcomes[send.outcome]:
                del outcomes[send.outcome]
            outcomes[outcome] = outcomes.get(outcome, 0) + 1
        if send.state == "UNKNOWN":
            left = {place: one for place, one in self._unknown.pop(str(line.run), {}).items() if one != name}
            if left:
                self._unknown[str(line.run)] = left
        send.state, send.outcome = state, outcome
        if state != "ONGOING" and self._flight.get(str(line.run)) == name:
            del self._flight[str(line.run)]

    @property
    def open_unknown(self) -> int:
        """How many sends of the period have an outcome that nobody knows at its end."""
        return sum(row.outcomes.get("unknown", 0) for row in self.rows.values())

    # ---- money ----

    def _settle(self, send: _Send, line: Line, cost: int | None) -> None:
        spent = send.estimate if cost is None or cost < 0 else cost
        self._change(send, line, spent, -send.estimate if send.reserved else 0)
        self._above(send, line, spent)
        send.cost, send.reserved = spent, False

    def _give_back(self, send: _Send, line: Line) -> None:
        self._change(send, line, 0, -send.estimate if send.reserved else 0)
        send.reserved = False

    def _late_cost(self, send: _Send, line: Line, cost: int | None) -> None:
        if cost is None or cost < 0 or cost == send.cost:
            return
        self._change(send, line, cost - (send.cost or 0), -send.estimate if send.reserved else 0)
        self._above(send, line, cost)
        send.cost, send.reserved = cost, False

    def _change(self, send: _Send, line: Line, settled: int, reserved: int) -> None:
        for name, bucket in send.counters:
            use = self.budgets[name, bucket]
            use.settled_micros += settled
            use.reserved_micros += reserved
            self._touch(use, line)

    def _above(self, send: _Send, line: Line, cost: int) -> None:
        if cost <= send.estimate or line.core.tick < self._first:
            return
        before = max(send.cost or 0, send.estimate)
        for name, bucket in send.counters:
            use = self.budgets[name, bucket]
            use.above += 1
            use.above_micros += cost - before

    def _get(self, name: str) -> _Send | None:
        found = self._memory.sends.get(name) if name else None
        return None if found is None else _decoder.decode(found[1])

    def _put(self, name: str, send: _Send) -> None:
        self._memory.sends.put(name, (0, _encoder.encode(send).decode()))
