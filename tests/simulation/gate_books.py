"""The books of an auditor of the gate: everything that a verdict may rest on, folded from inputs and log entries in their order.

Nothing of the kernel is imported. Of a send the books know what entries and inputs say, and nothing else.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import gate_rules_model as model
from gate_rules_model import Person, Touched, Unknown

CHANNEL = {"send_email": "email", "send_sms": "sms", "call": "voice"}
CALL_OUTCOMES = ("answered", "voicemail", "declined", "no_answer", "busy", "failed")
SAID = {
    "email.unsubscribed": ("email", "unsubscribed"),
    "email.complained": ("email", "complained"),
    "sms.stop": ("sms", "unsubscribed"),
}
STRENGTH = ("bounced", "complained", "unsubscribed")
REACHED = ("answered", "voicemail", "declined", "no_answer")
SPEAKS = {
    "email": ("delivered", "bounced", "opened", "clicked", "replied", "auto_reply", "unsubscribed", "complained"),
    "sms": ("delivered", "replied", "stop"),
}
"""What is said of a message that reached somebody."""
PERSONAL = ("complained", "unsubscribed")
"""What a person has said holds for the person and the address, whoever writes it down."""
TALLIED = ("email.delivered", "email.bounced", "email.complained", "sms.delivered", "call.answered", "call.abandoned")
HAPPENS = {"call.abandoned": "abandoned", "contact.conversation": "conversation", "contact.refused": "refusal"}
Entry = dict[str, Any]
Payload = dict[str, Any]


@dataclass
class Taken:
    """What was taken for one attempt, and what became of it."""

    person: Person
    channel: str
    plan: str
    to: str
    touched: Touched
    estimate: int = 0
    counted: list[tuple[str, str]] = field(default_factory=list)
    rates: list[tuple[str, int]] = field(default_factory=list)
    budgets: list[tuple[str, str]] = field(default_factory=list)
    cost: int | None = None
    told: int | None = None
    """A price that came before the outcome."""
    given_back: bool = False
    given_up: bool = False
    unknown: bool = False


@dataclass(frozen=True)
class About:
    """What the newest attempt of a send was when an event about it came in."""

    contact: str
    run: str
    attempt: int
    to: str
    plan: str
    purpose: str
    variables: dict[str, Any]


class Books:
    """Everything that a verdict may rest on, folded from inputs and entries."""

    def __init__(self, document: Callable[[str], dict[str, Any]]) -> None:
        self.document = document
        self.shift_s = 0
        self.policy: dict[str, Any] = {}
        self.policy_entry = 0
        self.packs: dict[str, tuple[dict[str, Any], int]] = {}
        self.recorded: dict[str, tuple[bool, int]] = {}
        self.lists: dict[str, dict[str, Any]] = {}
        self.loading: dict[tuple[str, int], set[str]] = defaultdict(set)
        self.people: dict[str, Person] = {}
        self.owner: dict[str, str] = {}
        self.consents: dict[str, dict[tuple[str, str], dict[str, Any]]] = defaultdict(dict)
        self.suppressed: dict[tuple[str, str], tuple[str, int]] = {}
        self.runs: dict[str, dict[str, Any]] = {}
        self.plans: dict[str, dict[str, Any]] = {}
        self.touched: dict[str, list[Touched]] = defaultdict(list)
        self.reached: dict[str, list[Touched]] = defaultdict(list)
        """By address: what happened there."""
        self.attempts: dict[tuple[str, int], Taken] = {}
        self.last: dict[str, tuple[str, int]] = {}
        """By run: the attempt that left last."""
        self.counts: Counter[tuple[str, str]] = Counter()
        self.settled: Counter[tuple[str, str]] = Counter()
        self.reserved: Counter[tuple[str, str]] = Counter()
        self.left: dict[str, list[int]] = defaultdict(list)
        """By rate: the instants at which something left."""
        self.tallies: Counter[tuple[str, str, int]] = Counter()
        self.told: set[tuple[str, str]] = set()
        self.halts: set[str] = set()

    # -- one input --

    def read(self, kind: str, payload: Payload, tick: int, entries: list[Entry], about: About | None) -> None:
        """Book one input with its entries, in which no verdict is."""
        if any(one["core"]["outcome"] == "rejected" and "code" in one["core"]["detail"] for one in entries):
            return
        match kind:
            case "event":
                self._event(payload, tick, entries, about)
            case "attempt.answered":
                self._answered(payload, entries)
            case "contact.put" | "contact.erase" | "consent.set" | "suppression.set" | "run.enroll":
                action = {"contact.put": "contact", "contact.erase": "erase", "consent.set": "consent"}.get(kind)
                own = action or {"suppression.set": "suppress", "run.enroll": "enroll"}[kind]
                self._contact(kind, payload, tick, next(one for one in entries if one["core"]["action"] == own))
            case "run.verb":
                self._verb(entries)
            case "list.add":
                self.loading[payload["list"], payload["version"]] |= set(payload["tokens"])
            case _:
                self._file(kind, payload, entries[0])

    def entry(self, entry: Entry) -> None:
        """Book what an entry says whatever its input was."""
        core = entry["core"]
        if core["action"] in CHANNEL and core["outcome"] == "unknown":
            self._of(entry).unknown = True

    def _of(self, entry: Entry) -> Taken:
        """The attempt that an entry tells the outcome of: named, or the last one of its run."""
        evidence = entry.get("evidence") or {}
        key = (evidence["send"], evidence["attempt"]) if "send" in evidence else self.last[entry["run"]]
        assert key[1] == entry["core"]["detail"]["attempt"], entry
        return self.attempts[key]

    def _file(self, kind: str, payload: Payload, entry: Entry) -> None:
        seq, outcome = entry["seq"], entry["core"]["outcome"]
        match kind:
            case "policy.set":
                self.policy, self.policy_entry = self.document(payload["digest"]), seq
            case "pack.use" if outcome == "used":
                self.packs[payload["pack"]] = (self.document(payload["digest"]), seq)
            case "pack.retire":
                del self.packs[payload["pack"]]
            case "fact.set":
                self.recorded.pop(payload["name"], None)
                if payload["value"] is not None:
                    self.recorded[payload["name"]] = (payload["value"], seq)
            case "list.use":
                tokens = self.loading[payload["list"], payload["version"]]
                self.lists[payload["list"]] = {**payload, "entry": seq, "tokens": tokens}
            case "zones.use":
                self.shift_s = self.document(payload["digest"])["shift_s"]
            case "plan.publish" if outcome == "published":
                self.plans[payload["digest"]] = self.document(payload["digest"])
            case "hold.set":
                (self.halts.discard if outcome == "released" else self.halts.add)(payload["scope"])
            case _:
                pass

    # -- contacts --

    def names(self, contact: str) -> set[str]:
        return {contact, *self.people[contact].tokens.values()} if contact in self.people else {contact}

    def _contact(self, kind: str, payload: Payload, tick: int, entry: Entry) -> None:
        seq, detail, contact = entry["seq"], entry["core"]["detail"], payload.get("contact", "")
        match kind:
            case "contact.put":
                tokens = payload.get("tokens", {})
                self.people[contact] = Person(contact, detail["attributes"], detail["facts"], tokens)
                self.owner = {token: one for token, one in self.owner.items() if one != contact}
                self.owner.update(dict.fromkeys(tokens.values(), contact))
            case "contact.erase":
                self.people[contact] = Person(contact, tokens=self.people[contact].tokens, erased=True)
                self._end(contact, tick, tuple(model.ADDRESS))
            case "consent.set" if entry["core"]["outcome"] != "kept":
                self.consents[contact][payload["channel"], payload.get("purpose", "*")] = {
                    "granted": payload["granted"],
                    "class": payload.get("consent_class", "express"),
                    "expires": payload.get("expires"),
                    "basis": payload.get("basis", ""),
                    "obtained": min(payload.get("obtained", tick), tick),
                    "entry": seq,
                    "to": self.people[contact].tokens.get(model.ADDRESS[payload["channel"]], ""),
                }
                if not payload["granted"] and payload.get("purpose", "*") == "*":
                    self._end(contact, tick, (payload["channel"],))
            case "suppression.set":
                self._suppression(payload, seq)
            case "run.enroll":
                plan = self.plans[detail["digest"]]
                self.runs[entry["run"]] = {"contact": contact, "plan": plan, "variables": detail.get("variables", {})}
            case _:
                pass

    def _end(self, contact: str, tick: int, channels: tuple[str, ...]) -> None:
        """What was granted on these channels ends."""
        for (channel, _), consent in self.consents[contact].items():
            running = consent["granted"] and (consent["expires"] is None or consent["expires"] > tick)
            if channel in channels and running:
                consent["expires"] = tick

    def _suppression(self, payload: Payload, seq: int) -> None:
        subject, scope = payload["subject"], payload.get("scope", "*")
        contact = subject if subject.startswith("c_") else self.owner.get(subject, "")
        if payload["on"]:
            reason = payload.get("reason", "operator")
            self.suppressed[subject, scope] = (reason, seq)
            if reason in PERSONAL and contact in self.people:
                self.suppressed[contact, scope] = (reason, seq)
                for channel, kind in model.ADDRESS.items():
                    token = self.people[contact].tokens.get(kind)
                    if token and scope in ("*", f"channel:{channel}"):
                        self.suppressed[token, scope] = (reason, seq)
            return
        for name in self.names(contact) if contact else {subject}:
            self.suppressed.pop((name, scope), None)

    # -- sends --

    def _event(self, payload: Payload, tick: int, entries: list[Entry], about: About | None) -> None:
        name, contact = payload["name"], about.contact if about is not None else payload["contact"]
        self._opt_out(payload, tick, contact, about, entries)
        if name == "sms.start" and self._own_address(contact, about):
            own = [(subject, "channel:sms") for subject in self.names(contact)]
            for key in own:
                if self.suppressed.get(key, ("", 0))[0] == "unsubscribed":
                    del self.suppressed[key]
        told = next(one for one in entries if one["core"]["action"] == "event")
        self._happened(name, tick, contact, told, payload.get("send_key", ""), about)
        if name in TALLIED and (about is None or (payload["send_key"], name) not in self.told):
            day = tick // model.DAY_S
            self.tallies[name, "", day] += 1
            if about is not None:
                self.told.add((payload["send_key"], name))
                self.tallies[name, about.plan, day] += 1
        if about is not None and (payload["send_key"], about.attempt) in self.attempts:
            taken = self.attempts[payload["send_key"], about.attempt]
            over = taken.given_back or taken.given_up
            if not self._outcome(entries, payload.get("cost_micros")):
                self._late_cost(taken, payload.get("cost_micros"))
            if over:
                self._reached(taken, name, told)

    def _happened(self, name: str, tick: int, contact: str, told: Entry, send: str, about: About | None) -> None:
        """Note what a cool-down counts."""
        if name not in HAPPENS:
            return
        of: tuple[str, int] = ("", 0) if about is None else (send, about.attempt)
        touched = Touched(tick, HAPPENS[name], told["seq"], of)
        if about is not None:
            touched.plan, touched.purpose = about.plan, about.purpose
            touched.address, touched.variables = about.to, about.variables
            touched.channel = "voice"
        self._touch(contact, touched)

    def _own_address(self, contact: str, about: About | None) -> bool:
        """Whether a word came from an address that the contact has now."""
        return about is None or about.to in ("", self.people[contact].tokens.get("phone", ""))

    def _reached(self, taken: Taken, name: str, told: Entry) -> None:
        """A send that was given back or given up has reached the person after all: for the caps that counts."""
        channel, _, word = name.partition(".")
        if taken.channel == "voice":
            if channel == "call" and word in REACHED:
                taken.touched.outcome = word
                what = {"answered": "conversation", "declined": "refusal"}.get(word)
                if what:
                    self._touch_again(taken, what, told)
        elif channel == taken.channel and word in SPEAKS[channel]:
            taken.touched.outcome = "accepted"

    def _opt_out(self, payload: Payload, tick: int, contact: str, about: About | None, entries: list[Entry]) -> None:
        name, hard = payload["name"], payload.get("kind") != "soft"
        channel, reason = SAID.get(name, ("email", "bounced" if name == "email.bounced" and hard else ""))
        if not reason:
            return
        person = self.people.get(contact) or Person(contact)
        address = about.to if about is not None and about.to else person.tokens.get(model.ADDRESS[channel], "")
        subjects = [address] if reason == "bounced" and address else [contact, address]
        scope = f"channel:{channel}" if reason == "bounced" else self._reach(person, channel, tick)
        added = [one["seq"] for one in entries if one["core"]["action"] == "suppress"]
        for subject in subjects:
            # An address that the contact has no more is not looked at: what is said of it now stands there.
            known = self.suppressed.get((subject, scope), ("", 0))[0]
            there = known if subject in self.names(contact) else ""
            weight = STRENGTH.index(there) if there in STRENGTH else -1
            if subject and (not there or weight < STRENGTH.index(reason)):
                assert added, f"{name} of {contact} has suppressed nothing"
                self.suppressed[subject, scope] = (reason, added[0])

    def _reach(self, person: Person, channel: str, tick: int) -> str:
        rules = [*self.policy.get("rules", []), *(one for pack, _ in self.packs.values() for one in pack["rules"])]
        for rule in rules:
            wide = rule["kind"] == "suppression" and rule.get("reach") == "everything"
            if wide and channel in (rule.get("channels") or [channel]) and model.concerns(rule, person):
                try:
                    if model.in_force(rule, person, tick, self.shift_s):
                        return "*"
                except Unknown:
                    return "*"
        return f"channel:{channel}"

    def _answered(self, payload: Payload, entries: list[Entry]) -> None:
        taken = self.attempts[payload["send_key"], payload["attempt"]]
        late = any(one["core"]["action"] == "answer" for one in entries)
        if self._outcome(entries, payload.get("cost_micros")):
            return
        if payload["outcome"] == "rejected" and late and taken.unknown and taken.channel != "voice":
            self._give_back(taken, "not_sent")
        elif payload["outcome"] == "accepted" and late:
            self._late_cost(taken, payload.get("cost_micros"))

    def _outcome(self, entries: list[Entry], cost: int | None) -> bool:
        """Book the outcome of an attempt, if the entries tell one."""
        for entry in entries:
            core = entry["core"]
            if core["action"] not in CHANNEL or "attempt" not in core["detail"]:
                continue
            if core["outcome"] in ("accepted", "confirmed", *CALL_OUTCOMES):
                taken = self._of(entry)
                outcome = core["detail"]["outcome"] if core["outcome"] == "confirmed" else core["outcome"]
                told = taken.estimate if taken.told is None else taken.told
                self._settle(taken, told if cost is None or cost < 0 else cost)
                taken.touched.outcome, taken.unknown = outcome, False
                what = {"answered": "conversation", "declined": "refusal"}.get(outcome)
                if what and taken.channel == "voice":
                    self._touch_again(taken, what, entry)
                return True
            if core["outcome"] == "rejected" and "kind" in core["detail"]:
                self._give_back(self._of(entry), "rejected")
                return True
        return False

    def _touch_again(self, taken: Taken, what: str, entry: Entry) -> None:
        one = taken.touched
        again = Touched(entry["core"]["tick"], what, entry["seq"], one.key, "voice", one.plan, one.purpose)
        again.address, again.variables = one.address, one.variables
        self._touch(taken.person.contact, again)

    def _touch(self, contact: str, touched: Touched) -> None:
        """The same happening of the same attempt in the same second is one."""
        there, touched.contact = self.touched[contact], contact
        if not any((one.tick, one.what, one.key) == (touched.tick, touched.what, touched.key) for one in there[-20:]):
            there.append(touched)
            if touched.address:
                self.reached[touched.address].append(touched)

    def touched_of(self, person: Person, channel: str) -> list[Touched]:
        """What happened to a contact, and to whoever had the address before."""
        token = person.tokens.get(model.ADDRESS[channel], "")
        others = [one for one in self.reached.get(token, []) if one.contact != person.contact]
        return [*self.touched[person.contact], *others]

    def _verb(self, entries: list[Entry]) -> None:
        resolved = next((one for one in entries if one["core"]["action"] == "resolve"), None)
        if resolved is None:
            return
        match resolved["core"]["outcome"]:
            case "not-delivered":
                self._give_back(self._of(resolved), "not_sent")
            case "delivered":
                self._outcome(entries, None)
            case _:
                taken = self._of(resolved)
                taken.unknown, taken.given_up = False, True

    # -- what was taken --

    def _settle(self, taken: Taken, cost: int) -> None:
        for key in taken.budgets:
            self.settled[key] += cost - (taken.cost or 0)
            if taken.cost is None and not taken.given_back:
                self.reserved[key] -= taken.estimate
        taken.cost = cost

    def _late_cost(self, taken: Taken, cost: int | None) -> None:
        """A cost that is told of what is settled, given back or given up counts at once; of what is open, with its outcome."""
        if cost is None or cost < 0:
            return
        if taken.cost is None and not taken.given_back and not taken.given_up:
            taken.told = cost
        elif taken.budgets:
            self._settle(taken, cost)

    def _give_back(self, taken: Taken, outcome: str) -> None:
        for counted in taken.counted:
            self.counts[counted] -= 1
        for name, tick in taken.rates:
            if tick in self.left[name]:  # what is long past is not kept
                self.left[name].remove(tick)
        for key in taken.budgets:
            self.reserved[key] -= taken.estimate
        taken.given_back, taken.unknown, taken.touched.outcome = True, False, outcome
