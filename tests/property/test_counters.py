"""Limits and budgets under everything that happens to sends: never exceeded, never negative, and given back exactly once.

Two plans share a file-wide daily limit and budget, one channel has a limit of its own, one plan a tighter budget. Contacts are
enrolled in bulk; answers are accepted, rejected, lost, late and repeated; runs are retried, recovered, resolved and sent again;
clocks run over midnights, also those of the days on which clocks change.

`Recount` is the oracle: it knows the rules and reads nothing but the audit entries, and days come from the host's zoneinfo.
"""

from __future__ import annotations

import random  # noqa: TID251 - a long day is drawn from its seed
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kernel_builder import (
    HOUR_S,
    Kind,
    Outcome,
    Story,
    branch,
    call,
    contact_id,
    email,
    end,
    plan_of,
    policy_of,
    recover,
    text,
)

from dee_appliance.kernel.e1 import input as inputs
from dee_appliance.kernel.e1 import plan as plans
from dee_appliance.kernel.e1 import policy as policies
from dee_appliance.kernel.e1.run import Permit

RATES = {"email": 100, "sms": 70, "voice": 20}
CHANNEL = {"send_email": "email", "send_sms": "sms", "call": "voice"}
CALL_MINUTES = 5
SPRING_FORWARD = 1_805_000_000
"""2027-03-14 06:53 in New York, an hour's night shorter than others."""
CONTACTS = 14


def the_policy(daily: int, mails: int, budget: int) -> policies.Policy:
    return policy_of(
        policies.DailyLimitRule(id="daily", limit=daily, zone="America/New_York"),
        policies.DailyLimitRule(id="mails", limit=mails, zone="Pacific/Auckland", scope="channel", channels=("email",)),
        policies.BudgetRule(id="budget", limit_micros=budget, currency="USD"),
    )


def the_plans() -> list[plans.Plan]:
    tight = plans.PlanPolicy(daily_sends=3, budget=plans.Budget(limit_micros=600, currency="USD"))
    retried = recover("transient", "confirmed", attempts=3, backoff_s=(60,))
    first = plan_of(
        email("mail", "text", recover=retried, on={"rejected": "text"}),
        text("text", "ring", recover=recover("permanent", attempts=2, backoff_s=())),
        call("ring", "end", recover=retried, on={"busy": "again"}),
        branch("again", 'event("stop")', "end", "mail", max_visits=2, after_visits="end"),
        plan="first",
        enroll=plans.Enroll(reentry="always"),
    )
    second = plan_of(
        email("mail", "more"),
        email("more", "over", skippable=True),
        end("over", "over"),
        plan="second",
        enroll=plans.Enroll(reentry="after_exit"),
        policy=tight,
    )
    return [first, second]


@dataclass
class Taken:
    """What the gate took for one attempt."""

    channel: str
    estimate: int
    days: list[tuple[str, str]] = field(default_factory=list)
    budgets: list[str] = field(default_factory=list)


class Recount:
    """Counts what each limit and budget must stand at, from the audit entries alone."""

    def __init__(self, policy: policies.Policy) -> None:
        self.policy = policy
        self.counts: Counter[tuple[str, str]] = Counter()
        self.settled: Counter[str] = Counter()
        self.reserved: Counter[str] = Counter()
        self.above: Counter[str] = Counter()
        self.highest: Counter[str] = Counter()
        self.open: dict[tuple[str, int], Taken] = {}
        """What was taken for an attempt whose fate is open, by send key and attempt."""
        self.closed: dict[tuple[str, int], tuple[Taken, int]] = {}
        """What was taken for an attempt whose fate is known, and what stands in the budgets for it."""
        self.keys: dict[tuple[str, str, int, int], str] = {}
        self.dispatched: list[tuple[str, int]] = []
        self.seen: Counter[str] = Counter()
        """How often limits were reached, amounts given back, and so on: a test in which nothing happens shows nothing."""
        self._read = 0

    def read(self, story: Story) -> None:
        """Read the entries that are new."""
        for entry in story.bodies(self._read):
            self._read = entry["seq"] + 1
            self._entry(entry)
            core = entry["core"]
            why = core["detail"].get("why", "")
            self.seen[f"{core['action']}:{core['outcome']}{why and ':'}{why}"] += 1

    def _entry(self, entry: dict[str, Any]) -> None:
        core = entry["core"]
        action, outcome, detail = core["action"], core["outcome"], core["detail"]
        evidence = entry.get("evidence") or {}
        if action in CHANNEL and outcome == "dispatched":
            self._take(entry)
        elif action in CHANNEL and outcome == "rejected" and "code" not in detail:
            self._give_back(evidence["send"], evidence["attempt"])
        elif action in CHANNEL and outcome in ("accepted", "confirmed", *plans.CALL_OUTCOMES):
            self._settle(evidence["send"], evidence["attempt"], evidence)
        elif (
            action == "answer" and outcome == "late" and (detail["state"], detail["answer"]) == ("UNKNOWN", "rejected")
        ):
            if (evidence["send"], evidence["attempt"]) in self.open and not self._is_call(evidence):
                self._give_back(evidence["send"], evidence["attempt"])
        elif "cost_micros" in evidence and self._late_cost(action, outcome, detail):
            self._settle_late(evidence["send"], evidence["attempt"], evidence)
        elif action == "resolve" and outcome == "not-delivered":
            key = self.keys[(entry["run"], core["step"], core["visit"], detail["attempt"])]
            self._give_back(key, detail["attempt"])

    def _late_cost(self, action: str, outcome: str, detail: dict[str, Any]) -> bool:
        """A cost told of a send that had its place in the budget already; an unknown one gets it with its confirmation."""
        if action == "event":
            return True
        return (
            action == "answer" and outcome == "late" and detail["answer"] == "accepted" and detail["state"] != "UNKNOWN"
        )

    def _is_call(self, evidence: dict[str, Any]) -> bool:
        return self.open[(evidence["send"], evidence["attempt"])].channel == "voice"

    def _take(self, entry: dict[str, Any]) -> None:
        core, evidence = entry["core"], entry["evidence"]
        channel, plan = CHANNEL[core["action"]], core["plan"].partition("@")[0]
        units = CALL_MINUTES if channel == "voice" else evidence["given"]["units"]
        key = (evidence["send"], evidence["attempt"])
        taken = Taken(channel, RATES[channel] * units)
        for name, limit, zone in self._daily(channel, plan):
            bucket = (name, str(datetime.fromtimestamp(core["tick"], UTC).astimezone(ZoneInfo(zone)).date()))
            assert self.counts[bucket] < limit, f"{bucket} has its {limit}"
            self.counts[bucket] += 1
            taken.days.append(bucket)
        for name, limit in self._budgets(plan):
            spent = self.settled[name] + self.reserved[name] + taken.estimate
            assert spent <= limit, f"{name} would stand at {spent} of {limit}"
            self.reserved[name] += taken.estimate
            taken.budgets.append(name)
        assert key not in self.open
        self.open[key] = taken
        self.keys[(entry["run"], core["step"], core["visit"], evidence["attempt"])] = evidence["send"]
        self.dispatched.append(key)

    def _daily(self, channel: str, plan: str) -> list[tuple[str, int, str]]:
        found = []
        for rule in self.policy.rules:
            if isinstance(rule, policies.DailyLimitRule) and (not rule.channels or channel in rule.channels):
                owner = f":{channel}" if rule.scope == "channel" else ""
                found.append((f"{rule.id}{owner}", rule.limit, rule.zone))
        return found + ([("plan/daily_sends:second", 3, "Etc/UTC")] if plan == "second" else [])

    def _budgets(self, plan: str) -> list[tuple[str, int]]:
        found = [(one.id, one.limit_micros) for one in self.policy.rules if isinstance(one, policies.BudgetRule)]
        return found + ([("plan/budget:second", 600)] if plan == "second" else [])

    def _give_back(self, send: str, attempt: int) -> None:
        self.seen["given back"] += 1
        taken = self.open.pop((send, attempt))
        self.closed[send, attempt] = (taken, 0)
        self.counts.subtract(taken.days)
        for name in taken.budgets:
            self.reserved[name] -= taken.estimate

    def _settle(self, send: str, attempt: int, evidence: dict[str, Any]) -> None:
        taken = self.open.pop((send, attempt))
        told = evidence.get("cost_micros", -1)
        cost = taken.estimate if told < 0 else told
        self.closed[send, attempt] = (taken, cost)
        above = max(cost - taken.estimate, 0)
        assert evidence.get("above_estimate_micros", 0) == above
        self.seen["above its estimate"] += above > 0
        for name in taken.budgets:
            self.reserved[name] -= taken.estimate
            self.settled[name] += cost
            self.above[name] += above

    def _settle_late(self, send: str, attempt: int, evidence: dict[str, Any]) -> None:
        cost = evidence["cost_micros"]
        if cost < 0:
            return
        if (send, attempt) in self.open:  # a person gave up on it: what was reserved is what it cost
            self._settle(send, attempt, evidence)
            return
        taken, before = self.closed[send, attempt]
        self.closed[send, attempt] = (taken, cost)
        above = max(cost - taken.estimate, 0)
        assert evidence.get("above_estimate_micros", 0) == (above if taken.budgets else 0)
        self.seen["above its estimate"] += above > 0
        self.seen["cost told late"] += 1
        for name in taken.budgets:
            self.settled[name] += cost - before
            self.above[name] += max(cost, before) - min(cost, before)

    def check(self, story: Story) -> None:
        """Compare with the counters of the file, and with what must hold of them at any time."""
        rows = story.journal.database.execute(
            "SELECT name, bucket, settled, reserved FROM counter ORDER BY name, bucket"
        )
        found = {(name, bucket): (settled, reserved) for name, bucket, settled, reserved in rows}
        wanted = {key: (count, 0) for key, count in self.counts.items()}
        for name in {*self.settled, *self.reserved}:
            wanted[(name, "total")] = (self.settled[name], self.reserved[name])
        assert {key: value for key, value in found.items() if any(value) and not key[0].startswith("tally/")} == {
            key: value for key, value in wanted.items() if any(value)
        }
        assert all(settled >= 0 and reserved >= 0 for settled, reserved in found.values())
        for name, limit in self._budgets("second"):
            self.highest[name] = max(self.highest[name], limit)
            assert self.settled[name] + self.reserved[name] <= self.highest[name] + self.above[name]


# ---- what happens ----

COSTS = st.sampled_from([None, None, 0, 50, 100, 101, 900, -5])
INDEX = st.integers(0, 30)
Op = tuple[Any, ...]
OPS: st.SearchStrategy[Op] = st.one_of(
    st.tuples(st.just("enroll"), st.sampled_from(["first", "second"]), st.integers(1, CONTACTS)),
    st.tuples(st.just("pull"), st.sampled_from(["email", "sms", "voice"]), st.integers(1, 6)),
    st.tuples(st.just("pull"), st.sampled_from(["email", "email", "sms", "voice"]), st.just(32)),
    st.tuples(st.just("answer"), INDEX, st.sampled_from(["accepted", "accepted", "unknown"]), st.just("none"), COSTS),
    st.tuples(
        st.just("answer"), INDEX, st.just("rejected"), st.sampled_from(["transient", "permanent", "config"]), COSTS
    ),
    st.tuples(st.just("answer-all"), st.sampled_from(["accepted", "rejected", "unknown"])),
    st.tuples(st.just("again"), INDEX, st.sampled_from(["accepted", "rejected", "unknown"]), COSTS),
    st.tuples(st.just("event"), INDEX, st.sampled_from(["delivered", "answered", "busy", "stop"]), COSTS),
    st.tuples(st.just("verb"), INDEX, st.sampled_from(["retry", "pause", "resume", "cancel", "skip"]), st.just("")),
    st.tuples(
        st.just("verb"),
        INDEX,
        st.just("resolve"),
        st.sampled_from(["delivered", "not-delivered", "resend", "abandoned"]),
    ),
    st.tuples(st.just("time"), st.sampled_from([1, 60, 600, 3 * HOUR_S, 24 * HOUR_S])),
    st.tuples(st.just("crash")),
    st.tuples(st.just("policy"), st.integers(1, 6), st.integers(1, 4), st.integers(200, 2_500)),
)


class Player:
    """Lets things happen in a story and keeps what the provider got: the permits, in order."""

    def __init__(self, story: Story) -> None:
        self.story = story
        self.flying: list[Permit] = []
        self.known: list[Permit] = []
        self.rules = the_policy(5, 3, 1_500)

    def play(self, op: Op) -> None:
        getattr(self, op[0].replace("-", "_"))(*op[1:])

    def enroll(self, plan: str, count: int) -> None:
        for number in range(count):
            self.story.admit(inputs.Enroll(contact=contact_id(number), plan=plan))

    def pull(self, channel: plans.Channel, places: int) -> None:
        permits = self.story.pull(channel, places)
        self.flying += permits
        self.known += permits

    def answer(self, index: int, outcome: Outcome, kind: Kind, cost: int | None) -> None:
        if self.flying:
            self.story.answer(self.flying.pop(index % len(self.flying)), outcome, kind, cost_micros=cost)

    def answer_all(self, outcome: Outcome) -> None:
        while self.flying:
            self.story.answer(self.flying.pop(), outcome, "transient")

    def again(self, index: int, outcome: Outcome, cost: int | None) -> None:
        """An answer to something that may have been answered long ago."""
        if self.known:
            self.story.answer(self.known[index % len(self.known)], outcome, "permanent", cost_micros=cost)

    def event(self, index: int, word: str, cost: int | None) -> None:
        calls = [one for one in self.known if one.channel == "voice"]
        choice = calls if word in plans.CALL_OUTCOMES else self.known
        if choice:
            about = choice[-1 - index % min(len(choice), 8)]
            kind = "call" if about.channel == "voice" else about.channel
            self.story.event("stop" if word == "stop" else f"{kind}.{word}", about, cost_micros=cost)

    def verb(self, index: int, verb: str, choice: str) -> None:
        runs = self.story.journal.state.next_run_no - 1
        if runs:
            self.story.verb(verb, choice, run=1 + index % runs)

    def time(self, seconds: int) -> None:
        self.story.later(seconds)

    def crash(self) -> None:
        self.flying.clear()
        for key, attempt in self.story.journal.state.dispatching():
            self.story.admit(inputs.Answered(send_key=key, attempt=attempt, outcome="unknown", code="crash"))

    def policy(self, daily: int, mails: int, budget: int) -> None:
        self.rules = the_policy(daily, mails, budget)
        self.story.policy(self.rules)


def begun(at: int) -> Story:
    """A story whose clock shows `at`, with contacts and both plans."""
    story = Story(*the_plans(), policy=the_policy(5, 3, 1_500), contacts=CONTACTS)
    story.at(max(at, story.tick))
    return story


def checked(story: Story, player: Player, recount: Recount, op: Op) -> None:
    """Let one thing happen, and compare."""
    player.play(op)
    recount.read(story)
    recount.policy = player.rules
    recount.check(story)


@settings(max_examples=100)
@given(st.sampled_from([0, SPRING_FORWARD]), st.lists(OPS, min_size=10, max_size=60))
def test_limits_and_budgets_hold_whatever_happens_and_agree_with_a_recount_of_the_log(at: int, ops: list[Op]) -> None:
    with begun(at) as story:
        player = Player(story)
        recount = Recount(player.rules)
        for op in ops:
            checked(story, player, recount, op)
        assert [(one.send_key, one.attempt) for one in player.known] == recount.dispatched


def drawn(rng: random.Random) -> Op:
    """One thing of a busy day: mostly pulls and answers."""
    index, cost = rng.randint(0, 30), rng.choice([None, None, None, 50, 101, 900])
    return rng.choices(
        (
            ("enroll", rng.choice(["first", "second"]), rng.randint(1, CONTACTS)),
            ("pull", rng.choice(["email", "email", "sms", "voice"]), rng.choice([1, 3, 32])),
            ("answer", index, rng.choice(["accepted", "accepted", "unknown"]), "none", cost),
            ("answer", index, "rejected", rng.choice(["transient", "permanent"]), cost),
            ("again", index, rng.choice(["accepted", "rejected"]), cost),
            ("event", index, rng.choice(["delivered", "answered", "busy"]), cost),
            ("verb", index, rng.choice(["retry", "retry", "pause", "resume", "skip"]), ""),
            ("verb", index, "resolve", rng.choice(["delivered", "not-delivered", "resend", "resend"])),
            ("time", rng.choice([60, 600, 3 * HOUR_S, 24 * HOUR_S])),
            ("crash",),
            ("policy", rng.randint(3, 9), rng.randint(2, 6), rng.randint(1_000, 20_000)),
        ),
        (3, 20, 20, 8, 4, 12, 10, 10, 10, 1, 1),
    )[0]


HAPPENED = {
    "hold:daily_limit": 200,
    "release:due": 150,
    "send_email:denied:budget": 300,
    "given back": 300,
    "above its estimate": 150,
    "send_email:confirmed": 50,
    "send_sms:accepted": 80,
    "call:unknown": 30,
    "call:answered": 10,
    "resolve:resend": 30,
    "resolve:not-delivered": 15,
    "answer:late": 300,
}


@pytest.mark.slow
def test_limits_and_budgets_hold_over_long_days_in_which_everything_happens() -> None:
    seen: Counter[str] = Counter()
    for seed in range(120):
        rng = random.Random(seed)
        with begun(SPRING_FORWARD - rng.randint(0, 48) * HOUR_S) as story:
            player = Player(story)
            recount = Recount(player.rules)
            for _ in range(250):
                checked(story, player, recount, drawn(rng))
            assert [(one.send_key, one.attempt) for one in player.known] == recount.dispatched
            seen += recount.seen
    assert {name: seen[name] for name, least in HAPPENED.items() if seen[name] < least} == {}
