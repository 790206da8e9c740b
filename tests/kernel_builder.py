"""Stories for the tests of the kernel: a plan in a line or two, contacts, a journal in memory, and words for what happens to it.

Every word goes through the real journal and the real queue; nothing here decides.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from functools import cache
from typing import Any, Literal, Self

import msgspec

from dee_appliance.authoring.zone_table import compile_zone_table
from dee_appliance.kernel.e1 import input as inputs
from dee_appliance.kernel.e1 import plan as plans
from dee_appliance.kernel.e1 import policy as policies
from dee_appliance.kernel.e1.civil_time import ZoneDocument
from dee_appliance.kernel.e1.compiled import CompiledPlan
from dee_appliance.kernel.e1.encoding import canonical, document_digest
from dee_appliance.kernel.e1.input import Scalar
from dee_appliance.kernel.e1.run import Attempt, Given, Permit, Run
from dee_appliance.store.database import open_scratch
from dee_appliance.store.journal import Brought, Genesis, Journal, write_genesis

EPOCH = 1_795_000_000
"""2026-11-18 11:06:40 UTC, a Wednesday; 06:06:40 in New York."""

MINUTE_S = 60
HOUR_S = 3_600
DAY_S = 86_400
ZONES = ("America/New_York", "Asia/Kolkata", "Etc/UTC", "Europe/London", "Pacific/Auckland")
LINEAGE = bytes(range(16))
NO_RULES = policies.Policy(id="none")
Outcome = Literal["accepted", "rejected", "unknown"]
Kind = Literal["none", "transient", "permanent", "config"]


# ---- plans ---------------------------------------------------------------------------------------------------------


def plan_of(*steps: plans.Step, **head: Any) -> plans.Plan:
    """A plan of these steps. It is called "plan", is transactional, and ends at "end" with "done" unless it has such a step."""
    ends: tuple[plans.Step, ...] = (
        () if any(step.id == "end" for step in steps) else (plans.End(id="end", outcome="done"),)
    )
    head = {"plan": "plan", "version": 1, "purpose": "transactional", **head}
    return plans.Plan(steps=(*steps, *ends), templates={"t": "b3:t"}, scripts={"c": "b3:c"}, **head)


def email(identity: str = "mail", following: str = "end", **more: Any) -> plans.SendEmail:
    return plans.SendEmail(id=identity, template="t", next=following, **more)


def text(identity: str = "text", following: str = "end", **more: Any) -> plans.SendSms:
    return plans.SendSms(id=identity, template="t", next=following, **more)


def call(identity: str = "call", following: str = "end", **more: Any) -> plans.Call:
    return plans.Call(id=identity, script="c", next=following, **more)


def wait(identity: str = "wait", following: str = "end", **more: Any) -> plans.Wait:
    return plans.Wait(id=identity, next=following, **more)


def task(identity: str = "task", following: str = "end", **more: Any) -> plans.Task:
    more = {"timeout_s": HOUR_S, "on": {"yes": "end"}, **more}
    return plans.Task(id=identity, instructions="look", next=following, **more)


def branch(identity: str, when: str, then: str, otherwise: str, **more: Any) -> plans.Branch:
    return plans.Branch(id=identity, cases=(plans.Case(when=when, then=then),), otherwise=otherwise, **more)


def end(identity: str, outcome: str) -> plans.End:
    return plans.End(id=identity, outcome=outcome)


def leave(when: str, outcome: str = "left") -> plans.Exit:
    return plans.Exit(when=when, outcome=outcome)


def recover(*on: plans.RecoverOn, attempts: int = 2, backoff_s: tuple[int, ...] = (MINUTE_S,)) -> plans.Recover:
    return plans.Recover(on=on, attempts=attempts, backoff_s=backoff_s)


def hours(opens_s: int = 9 * HOUR_S, closes_s: int = 18 * HOUR_S, days: int = 7) -> plans.Hours:
    """The same hours on the first so many days of the week."""
    return plans.Hours(weekly=(((opens_s, closes_s),),) * days + ((),) * (7 - days))


def policy_of(*rules: policies.Rule, **more: Any) -> policies.Policy:
    rates = (
        policies.Rate(channel="email", micros=100),
        policies.Rate(channel="sms", micros=70),
        policies.Rate(channel="voice", micros=20),
    )
    return policies.Policy(id="test", rules=rules, **{"rates": rates, **more})


@cache
def zone_body(shift_s: int = 0) -> bytes:
    """A small zone table; `shift_s` moves every clock, as a parliament might overnight."""
    whole = msgspec.convert(compile_zone_table(), ZoneDocument)
    functions = tuple(
        tuple((start, offset + shift_s) for start, offset in whole.functions[whole.zones[name]]) for name in ZONES
    )
    zones = {name: index for index, name in enumerate(ZONES)}
    return canonical(msgspec.structs.replace(whole, functions=functions, zones=zones))


def contact_id(number: int) -> str:
    return f"c_{number:026d}"


def token_of(kind: str, number: int) -> str:
    """The token of a contact's address."""
    return f"{kind}-{number}"


# ---- the story -----------------------------------------------------------------------------------------------------


class PlainShell:
    """Renders nothing: every message is ready, unless `code` says what is wrong with it."""

    def __init__(self) -> None:
        self.code = "ok"
        self.units = 1

    def give(self, seq: int, ordinal: int, attempt: Attempt, run: Run, plan: CompiledPlan) -> Given:
        del seq, ordinal, run, plan
        field = "" if self.code == "ok" else "contact.name"
        return Given(code=self.code, send_key=attempt.send_key, attempt=attempt.attempt, field=field, units=self.units)


class Story:
    """One file in memory, one contact (or more), and what happens to them."""

    def __init__(
        self, *plan: plans.Plan, policy: policies.Policy = NO_RULES, contacts: int = 1, lineage: bytes = LINEAGE
    ) -> None:
        self.tick = EPOCH
        self.shell = PlainShell()
        database = open_scratch()
        with database.transaction():
            write_genesis(database, Genesis(lineage=lineage, epoch=EPOCH, clock="simulated"))
        self.journal = Journal(database, self.shell)
        self.outcome = ""
        self.zones()
        self.policy(policy)
        for one in plan:
            self.publish(one)
        for number in range(contacts):
            self.put(number)

    def close(self) -> None:
        self.journal.database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # -- inputs --

    def admit(self, value: inputs.Input, brought: Brought | None = None) -> str:
        """Let an input in at this tick and return its outcome."""
        return self.raw(inputs.KIND_OF[type(value)], inputs.encode_input(value).decode(), brought)

    def raw(self, kind: str, payload: str, brought: Brought | None = None) -> str:
        database = self.journal.database
        with nullcontext() if database.in_transaction else database.transaction():
            self.outcome = self.journal.admit(self.tick, self.tick, "test", kind, payload, brought=brought)[1]
            self.journal.flush()
        return self.outcome

    def document(self, kind: str, body: bytes) -> tuple[str, Brought]:
        digest = document_digest(kind, body)
        return digest, Brought(documents={digest: (kind, body.decode())})

    def zones(self, shift_s: int = 0) -> None:
        digest, brought = self.document("zones", zone_body(shift_s))
        self.admit(inputs.ZonesUse(digest=digest), brought)

    def policy(self, policy: policies.Policy) -> None:
        digest, brought = self.document("policy", canonical(policy))
        self.admit(inputs.PolicySet(digest=digest), brought)

    def publish(self, plan: plans.Plan) -> None:
        digest, brought = self.document("plan", canonical(plan))
        self.admit(inputs.PlanPublish(plan=plan.plan, version=plan.version, digest=digest), brought)

    def put(self, number: int = 0, *, zone: str | None = "America/New_York", **attributes: Scalar) -> str:
        """Write a contact with an e-mail address and a phone number."""
        return self.put_facts(number, zones={"declared": [] if zone is None else [zone]}, attributes=attributes)

    def put_facts(
        self,
        number: int = 0,
        *,
        zones: dict[str, list[str]],
        attributes: dict[str, Scalar] | None = None,
        present: Iterable[str] = ("email", "phone"),
    ) -> str:
        facts: dict[str, object] = {"present": sorted(present), "zones": zones, "phone_prefix": "+1206"}
        tokens = {kind: token_of(kind, number) for kind in present}
        contact = contact_id(number)
        return self.admit(inputs.ContactPut(contact=contact, attributes=attributes or {}, facts=facts, tokens=tokens))

    def enroll(self, number: int = 0, plan: str = "plan", **more: Any) -> Run:
        """Enroll a contact and return its newest run."""
        self.admit(inputs.Enroll(contact=contact_id(number), plan=plan, **more))
        return self.run(self.journal.state.next_run_no - 1)

    def consent(self, *, granted: bool = True, channel: plans.Channel = "email", number: int = 0, **more: Any) -> str:
        return self.admit(inputs.ConsentSet(contact=contact_id(number), channel=channel, granted=granted, **more))

    def suppress(self, subject: str, *, on: bool = True, scope: str = "*", reason: str = "operator") -> str:
        return self.admit(inputs.SuppressionSet(subject=subject, on=on, scope=scope, reason=reason))

    def verb(self, verb: Any, choice: Any = "", run: int = 1) -> str:
        return self.admit(inputs.Verb(run=self.run(run).run, verb=verb, choice=choice))

    def event(self, name: str, about: Permit | None = None, number: int = 0, **more: Any) -> str:
        """Something happened: to one send, or to the contact."""
        if about is not None:
            return self.admit(inputs.Event(name=name, send_key=about.send_key, **more))
        return self.admit(inputs.Event(name=name, contact=contact_id(number), **more))

    def hold(self, scope: str = "*") -> str:
        return self.admit(inputs.HoldSet(scope=scope, on=True))

    def release(self, scope: str = "*") -> str:
        return self.admit(inputs.HoldSet(scope=scope, on=False))

    def setting(self, key: str, value: object) -> str:
        return self.admit(inputs.ConfigSet(key=key, value=canonical(value).decode()))

    # -- sends --

    def pull(self, channel: plans.Channel = "email", places: int = 32) -> list[Permit]:
        """Give the dispatcher free places and return what it may send."""
        self.admit(inputs.Pull(channel=channel, n=places))
        return self.journal.take_permits()

    def sent(self, channel: plans.Channel = "email") -> Permit:
        """Pull the only send that is there."""
        (permit,) = self.pull(channel)
        return permit

    def answer(self, permit: Permit, outcome: Outcome = "accepted", kind: Kind = "none", **more: Any) -> str:
        answer = inputs.Answered(send_key=permit.send_key, attempt=permit.attempt, outcome=outcome, kind=kind, **more)
        return self.admit(answer)

    # -- time --

    def at(self, tick: int) -> None:
        """Let time pass to a tick, firing each timer when it is due."""
        while (due := self.journal.state.next_due()) is not None and due <= tick:
            self.tick = max(self.tick, due)
            self.admit(inputs.Clock(limit=1_000))
        self.tick = tick

    def later(self, seconds: int) -> None:
        self.at(self.tick + seconds)

    def downtime(self, seconds: int) -> None:
        """Let time pass while nothing runs, then fire what has become late."""
        self.tick += seconds
        while (due := self.journal.state.next_due()) is not None and due <= self.tick:
            self.admit(inputs.Clock(limit=1_000))

    # -- looking --

    def run(self, run_no: int = 1) -> Run:
        run = self.journal.state.run_by_no(run_no)
        assert run is not None
        return run

    def status(self, run_no: int = 1) -> str:
        """The run's status with its reason, as in FAILED(outcome_unknown), or with its block, as in WAITING(task)."""
        run = self.run(run_no)
        return f"{run.status}({run.reason or run.block})"

    def attempt(self, run_no: int = 1) -> Attempt:
        """The newest attempt of the run, whatever step it belongs to."""
        newest = "SELECT send_key, attempt FROM attempt WHERE run_no = ? ORDER BY attempt_no DESC LIMIT 1"
        attempt = self.journal.state.attempt(*self.journal.database.execute(newest, (run_no,))[0])
        assert attempt is not None
        return attempt

    def counter(self, name: str, bucket: str = "total") -> tuple[int, int]:
        """A counter as (settled, reserved)."""
        return self.journal.state.counters([(name, bucket)])[(name, bucket)]

    def holds(self) -> list[tuple[str, str]]:
        return [(hold.scope, hold.reason) for hold in self.journal.state.holds]

    def bodies(self, first: int = 0) -> list[dict[str, Any]]:
        """Every entry from a position on, decoded."""
        rows = self.journal.database.execute("SELECT body FROM audit WHERE seq >= ? ORDER BY seq", (first,))
        return [msgspec.json.decode(row[0]) for row in rows]

    def log(self, run_no: int | None = 1) -> list[str]:
        """What the log says of a run (None: of everything), each entry as "step action outcome"."""
        wanted = None if run_no is None else self.run(run_no).run
        return [
            f"{core['step'] or '-'} {core['action']} {core['outcome']}"
            for body in self.bodies()
            if run_no is None or body["run"] == wanted
            for core in (body["core"],)
        ]

    def last(self, action: str = "") -> dict[str, Any]:
        """The newest entry (of an action)."""
        return next(one for one in reversed(self.bodies()) if action in ("", one["core"]["action"]))

    def detail(self, action: str = "") -> dict[str, Any]:
        """What the newest entry (of an action) tells."""
        detail: dict[str, Any] = self.last(action)["core"]["detail"]
        return detail

    # -- trying --

    @contextmanager
    def trying(self) -> Iterator[None]:
        """What happens inside is undone at the end, so that many things can be tried on one state."""
        tick, outcome = self.tick, self.outcome
        with suppress(_Undone), self.journal.database.transaction():
            yield
            raise _Undone
        self.tick, self.outcome = tick, outcome
        self.journal.reload()


class _Undone(Exception):
    """Thrown into a transaction to have it rolled back."""


def queued(*plan: plans.Plan, policy: policies.Policy, contacts: int = 1) -> Story:
    """Contacts, each enrolled in every plan."""
    story = Story(*plan, policy=policy, contacts=contacts)
    for position in range(contacts):
        for one in plan:
            story.enroll(position, one.plan)
    return story


def daily(limit: int, **more: object) -> policies.DailyLimitRule:
    return policies.DailyLimitRule(id="daily", limit=limit, **more)  # type: ignore[arg-type]


def budget(limit: int, **more: object) -> policies.BudgetRule:
    return policies.BudgetRule(id="budget", limit_micros=limit, **{"currency": "USD", **more})  # type: ignore[arg-type]
