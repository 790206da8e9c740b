"""An auditor of the gate: it asks every rule a second time for each verdict that the log holds.

A permit that a rule stands against, a verdict that cannot be had from what its entry cites, a hold that ends too early or too
late, a counter that has another value: each is a fault. What rules say stands in gate_rules_model, what is known of a send in
gate_books.
"""

from __future__ import annotations

import random  # noqa: TID251 - instants to look at are drawn
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import gate_rules_model as model
from gate_books import CHANNEL, About, Books, Entry, Payload, Taken
from gate_rules_model import Asked, Rule, Touched, Unknown

LOOKS = 4
"""How many instants before the end of a hold are looked at."""


class Auditor(Books):
    """The books, and the audit of every verdict."""

    def __init__(
        self,
        document: Callable[[str], dict[str, Any]],
        given: Callable[[str, str, int], tuple[int, tuple[str, ...]]],
        seed: int = 0,
    ) -> None:
        super().__init__(document)
        self.given = given
        self.faults: list[str] = []
        self.seen: Counter[str] = Counter()
        self._dice = random.Random(seed)

    def step(
        self, kind: str, payload: Payload | None, tick: int, entries: list[Entry], about: About | None = None
    ) -> None:
        """Read one input with the entries that it has left."""
        for entry in entries:
            core = entry["core"]
            self.seen[f"{core['action']} {core['outcome']}"] += 1
            if kind == "dispatch.pull":
                self.faults += [f"entry {entry['seq']}: {one}" for one in self._verdict(entry, payload)]
            self.entry(entry)
        if payload is not None and kind not in ("dispatch.pull", "clock"):
            self.read(kind, payload, tick, entries, about)

    # -- verdicts --

    def _verdict(self, entry: Entry, payload: Payload | None) -> Iterator[str]:
        """What is wrong with an entry of a pull."""
        core, saw = entry["core"], entry.get("saw")
        if core["action"] == "hold":
            assert payload is not None
            yield from self._queue(entry, payload["channel"])
        elif saw is not None and core["action"] in CHANNEL:
            yield from self._send(entry)

    def _send(self, entry: Entry) -> Iterator[str]:
        core, detail, saw = entry["core"], entry["core"]["detail"], entry["saw"]
        run, channel = self.runs[entry["run"]], CHANNEL[core["action"]]
        asked = self._asked(entry, run, channel)
        packs = [self.packs[name][0] for name in sorted(self.packs)]
        rules = [
            rule
            for rule in model.rules_of(self.policy, packs, run["plan"], channel)
            if model.concerns(rule, asked.person)
        ]
        answers = {rule["id"]: self._answer(rule, asked) for rule in rules}
        ladder = [*detail["gate"], *saw.get("gate", [])]
        said = [(one[0], one[1] == "pass") for one in ladder if one[0] not in ("address", "send_by")]
        wanted = [(rule["id"], bool(answers[rule["id"]])) for rule in rules if answers[rule["id"]] is not None]
        if not model.opt_outs_pass(rules, asked):
            answers["opt_outs"] = False
            wanted.insert(0, ("opt_outs", False))
        if said != wanted:
            yield f"the rules say {wanted}, the entry {said}"
        self.seen.update(f"{rule['kind']} {'pass' if answers[rule['id']] else 'no'}" for rule in rules)
        yield from self._cited(entry, asked, rules)
        kind = model.ADDRESS[channel]
        there = kind in asked.person.facts.get("present", []) and kind in asked.person.tokens
        address = there and not asked.person.erased
        if (detail["gate"][0][1] == "pass") != address:
            yield f"the contact has an address: {address}"
        passed = address and all(one is not False for one in answers.values())
        if core["outcome"] == "dispatched":
            if not passed:
                yield f"sent although {[name for name, one in answers.items() if one is False]} stand against it"
            yield from self._halted(run, channel)
            self._take(entry, asked, rules, answers)
        elif passed and detail["gate"][-1][0] != "send_by":
            yield f"{core['outcome']} although every rule passes"
        elif core["outcome"] == "held" and detail["until"] is not None:
            yield from self._held(entry, asked, rules)
        elif core["outcome"] == "denied" and detail["why"] == "never_open":
            yield from self._never(asked, rules)

    def _asked(self, entry: Entry, run: dict[str, Any], channel: str) -> Asked:
        core, contact = entry["core"], run["contact"]
        units, features = self.given(entry["run"], core["step"], core["visit"])
        if channel == "voice":
            step = next(one for one in run["plan"]["steps"] if one["id"] == core["step"])
            units = -(-step["max_duration_s"] // 60)
        person = self.people[contact]
        names = self.names(contact)
        return Asked(
            tick=core["tick"],
            person=person,
            plan=run["plan"],
            channel=channel,
            units=units,
            features=features,
            variables=run["variables"],
            consents=self.consents[contact],
            suppressed=[key for key in self.suppressed if key[0] in names],
            lists=self.lists,
            recorded=self.recorded,
            touched=self.touched_of(person, channel),
            shift_s=self.shift_s,
        )

    def _answer(self, rule: Rule, asked: Asked) -> bool | None:
        """Whether the rule passes; None when it is not asked. What cannot be known does not pass."""
        try:
            if not model.in_force(rule, asked.person, asked.tick, self.shift_s) or model.lifted(rule, asked):
                return None
            if rule.get("jurisdictions") and not asked.person.codes():
                return False
            if rule["kind"] in model.SHARED:
                return self._shared(rule, asked.plan["plan"], asked)
            return model.private_passes(rule, asked)
        except Unknown:
            return False

    # -- what is shared with others --

    def _name(self, rule: Rule, plan: str, channel: str) -> str:
        match rule.get("scope", "file"):
            case "file":
                return str(rule["id"])
            case "channel":
                return f"{rule['id']}:{channel}"
            case _:
                return f"{rule['id']}:{plan}"

    def _bucket(self, rule: Rule, tick: int) -> str:
        """The day or month to which an amount of this rule belongs."""
        period = "day" if rule["kind"] == "daily_limit" else rule.get("period", "total")
        if period == "total":
            return "total"
        shown = model.date_of(rule.get("zone", "Etc/UTC"), tick, self.shift_s).isoformat()
        return shown if period == "day" else shown[:7]

    def _limit(self, rule: Rule, day: str) -> int:
        begun = [stage["limit"] for stage in rule.get("ramp", []) if stage["since"] <= day]
        return int(begun[-1] if begun else rule["limit"])

    def _estimate(self, asked: Asked) -> int | None:
        prefix = asked.person.facts.get("phone_prefix", "")
        rates = [rate for rate in self.policy.get("rates", []) if rate["channel"] == asked.channel]
        fitting = [(len(one), rate["micros"]) for rate in rates if prefix.startswith(one := rate.get("prefix", ""))]
        may_fit = [rate["micros"] for rate in rates if prefix and rate.get("prefix", "").startswith(prefix)]
        return max(max(fitting)[1], *may_fit, 0) * asked.units if fitting else None

    def _shared(self, rule: Rule, plan: str, asked: Asked) -> bool:
        name = self._name(rule, plan, asked.channel)
        match rule["kind"]:
            case "ratio":
                above, below = self._events(rule, plan, asked.tick)
                return (
                    below < int(rule.get("min_denominator", 1)) or above * 10_000 < int(rule["max_per_10000"]) * below
                )
            case "daily_limit":
                day = self._bucket(rule, asked.tick)
                return self.counts[name, day] < self._limit(rule, day)
            case "rate":
                return self._recent(rule, name, asked.tick) < int(rule["limit"])
            case _:
                estimate = self._estimate(asked)
                if estimate is None or rule["currency"] != self.policy.get("currency", "USD"):
                    return False
                key = (name, self._bucket(rule, asked.tick))
                return self.settled[key] + self.reserved[key] + estimate <= int(rule["limit_micros"])

    def _recent(self, rule: Rule, name: str, tick: int) -> int:
        """How many have left in the span that ends now. Nothing looks back further than an hour."""
        left = self.left[name]
        while left and left[0] < tick - 7_200:
            left.pop(0)
        return sum(one > tick - rule.get("seconds", 1) for one in left)

    def _events(self, rule: Rule, plan: str, tick: int) -> tuple[int, int]:
        scope = plan if rule.get("scope") == "plan" else ""
        days = range(tick // model.DAY_S - rule.get("days", 1) + 1, tick // model.DAY_S + 1)
        above, below = (
            sum(self.tallies[event, scope, day] for event in rule[part] for day in days)
            for part in ("numerator", "denominator")
        )
        return above, below

    def _take(self, entry: Entry, asked: Asked, rules: list[Rule], answers: dict[str, bool | None]) -> None:
        """Book what the permit has taken."""
        core, evidence, plan = entry["core"], entry["evidence"], asked.plan["plan"]
        key = (evidence["send"], evidence["attempt"])
        to = asked.person.tokens.get(model.ADDRESS[asked.channel], "")
        touched = Touched(core["tick"], asked.channel, entry["seq"], key, asked.channel, plan, asked.plan["purpose"])
        touched.address, touched.variables = to, asked.variables
        taken = Taken(asked.person, asked.channel, plan, to, touched, self._estimate(asked) or 0)
        for rule in rules:
            name = self._name(rule, plan, asked.channel)
            match rule["kind"] if answers[rule["id"]] else "":
                case "daily_limit":
                    taken.counted.append((name, self._bucket(rule, core["tick"])))
                case "rate":
                    taken.rates.append((name, core["tick"]))
                    self.left[name].append(core["tick"])
                case "budget":
                    taken.budgets.append((name, self._bucket(rule, core["tick"])))
                case _:
                    pass
        self.counts.update(taken.counted)
        for budget in taken.budgets:
            self.reserved[budget] += taken.estimate
        assert key not in self.attempts, f"{key} has left twice"
        self.attempts[key] = taken
        self.last[entry["run"]] = key
        self._touch(asked.person.contact, touched)

    # -- what an entry cites --

    def _cited(self, entry: Entry, asked: Asked, rules: list[Rule]) -> Iterator[str]:
        """Whether the verdict can be had from what the entry names: each thing named is what the books have."""
        saw = entry["saw"]
        if saw["policy"] != self.policy_entry:
            yield "another policy is in use"
        if saw.get("packs", []) != [self.packs[name][1] for name in sorted(self.packs)]:
            yield "other packs are in use"
        consent = model.consent_of(asked)
        if "consent" in saw and (consent is None or saw["consent"] != consent["entry"]):
            yield f"the consent is {consent}"
        there = sorted(self.suppressed[key][1] for key in asked.suppressed)
        if not set(saw.get("suppression", [])) <= set(there):
            yield f"the suppressions are {there}"
        for name, version, as_of, seq in saw.get("lists", []):
            used = self.lists[name]
            if (version, as_of, seq) != (used["version"], used["as_of"], used["entry"]):
                yield f"the list {name} in use is {used['version']}"
        for name, value, seq in saw.get("facts", []):
            if self.recorded.get(name) != (value, seq):
                yield f"the fact {name} is {self.recorded.get(name)}"
        yield from self._cited_counts(saw, asked, rules)

    def _cited_counts(self, saw: dict[str, Any], asked: Asked, rules: list[Rule]) -> Iterator[str]:
        by_id = {rule["id"]: rule for rule in rules}
        for name, limit, entries in saw.get("caps", []):
            rule = by_id[name]
            newest = {one.entry: one.tick for one in asked.touched if model.counts(rule, asked, one)}
            ticks = sorted(newest.values(), reverse=True)
            if limit != rule["limit"] or [newest.get(one) for one in entries] != ticks[: len(entries)]:
                yield f"what counts for {name} is {newest}, not {entries}"
            elif len(entries) < min(limit, len(ticks)) and not self._no_more(rule, asked, len(entries)):
                yield f"{name} cites {entries} and no more of {newest}"
        for name, bucket, used, limit in saw.get("counters", []):
            rule = by_id[name.removeprefix("rate/").partition(":")[0]]
            if (used, limit) != self._count(rule, name, bucket, asked.tick):
                yield f"{name} {bucket} stands at {self._count(rule, name, bucket, asked.tick)}, not at {used} of {limit}"
        for name, above, below, _ in saw.get("ratios", []):
            if (above, below) != self._events(by_id[name], asked.plan["plan"], asked.tick):
                yield f"the ratio {name} is of {self._events(by_id[name], asked.plan['plan'], asked.tick)}"

    def _no_more(self, rule: Rule, asked: Asked, count: int) -> bool:
        """Whether no more than so many are in the window: what lies behind it need not be cited."""
        try:
            return model.cap_passes({**rule, "limit": count + 1}, asked, asked.tick)
        except Unknown:
            return True

    def _count(self, rule: Rule, name: str, bucket: str, tick: int) -> tuple[int, int]:
        if rule["kind"] == "rate":
            return self._recent(rule, name.removeprefix("rate/"), tick), int(rule["limit"])
        if bucket != self._bucket(rule, tick):
            return -1, 0
        if rule["kind"] == "daily_limit":
            return self.counts[name, bucket], self._limit(rule, bucket)
        return self.settled[name, bucket] + self.reserved[name, bucket], int(rule["limit_micros"])

    # -- holds --

    def _halted(self, run: dict[str, Any], channel: str) -> Iterator[str]:
        plan = run["plan"]["plan"]
        scopes = self.halts & {"*", f"channel:{channel}", f"plan:{plan}", f"plan:{plan}/{channel}"}
        if scopes:
            yield f"sent although {sorted(scopes)} is halted"

    def _held(self, entry: Entry, asked: Asked, rules: list[Rule]) -> Iterator[str]:
        """A hold ends when all hours and caps pass, and at no instant before that; one for another reason a day later."""
        detail, tick = entry["core"]["detail"], entry["core"]["tick"]
        until, kind = detail["until"], next(rule["kind"] for rule in rules if rule["id"] == detail["rule"])
        self.seen[f"held for {kind}"] += 1
        if kind not in ("window", "cap"):
            if until != tick + model.DAY_S:
                yield f"asked again at {until}"
            return
        try:
            if not model.timed_pass(rules, asked, until):
                yield f"the hold until {until} ends too early"
            looked = [until - 1, *(self._dice.randrange(tick, until) for _ in range(LOOKS))]
            early = [one for one in looked if model.timed_pass(rules, asked, one)]
            if early:
                yield f"the hold until {until} ends too late: everything passes at {early}"
        except Unknown:
            yield f"the hold until {until} is one for ever"

    def _never(self, asked: Asked, rules: list[Rule]) -> Iterator[str]:
        self.seen["never open"] += 1
        for _ in range(LOOKS * 4):
            utc = asked.tick + self._dice.randrange(14 * model.DAY_S)
            try:
                if model.timed_pass(rules, asked, utc):
                    yield f"never open, and open at {utc}"
            except Unknown:
                continue

    def _queue(self, entry: Entry, channel: str) -> Iterator[str]:
        """A shared hold: the counter that it names is used up now, and is not when the hold ends."""
        core, saw = entry["core"], entry.get("saw")
        detail, tick = core["detail"], core["tick"]
        if saw is None:
            return
        packs = [pack for pack, _ in self.packs.values()]
        every = [*self.policy["rules"], *(rule for pack in packs for rule in pack["rules"])]
        for plan in self.plans.values():
            every += [rule for rule in model.rules_of({}, [], plan, channel) if rule["kind"] in model.SHARED]
        self.seen[f"queue held for {core['outcome']}"] += 1
        rule = next(one for one in every if one["id"] == detail["rule"])
        if saw["policy"] != self.policy_entry:
            yield "another policy is in use"
        if rule["kind"] == "ratio":
            if detail["until"] != (tick // model.DAY_S + 1) * model.DAY_S:
                yield f"a ratio until {detail['until']}"
            return
        for name, bucket, used, limit in saw.get("counters", []):
            if name.removeprefix("rate/").partition(":")[0] == rule["id"]:
                yield from self._used_up(rule, (name, bucket, used, limit), detail["until"], entry)

    def _used_up(self, rule: Rule, cited: tuple[str, str, int, int], until: int, entry: Entry) -> Iterator[str]:
        name, bucket, used, limit = cited
        tick, estimate = entry["core"]["tick"], entry["saw"].get("estimate", 0)
        if rule["id"].startswith("plan/"):
            limit_now = limit  # the plan version is not known
        else:
            found, limit_now = self._count(rule, name, bucket, tick)
            if found != used:
                yield f"{name} {bucket} stands at {found}, not at {used}"
        if limit_now != limit or (used + estimate <= limit if rule["kind"] == "budget" else used < limit):
            yield f"{name} is not used up: {used} of {limit} (or {limit_now})"
        if rule["kind"] == "rate":
            plain = name.removeprefix("rate/")
            late, early = self._recent(rule, plain, until), self._recent(rule, plain, until - 1)
            if late >= limit or early < limit:
                yield f"{name} until {until}: {late} are inside then, {early} a second before"
        elif (self._bucket(rule, until) == bucket) or (self._bucket(rule, until - 1) != bucket):
            yield f"{name} until {until} is not when {bucket} ends"
