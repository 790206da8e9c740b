"""Random schedules: from one seed a policy, plans, contacts and a history of inputs, applied to a file without any I/O around it.

The histories are nasty on purpose: operator verbs at the wrong time, late and repeated answers, opt-outs between a pull and its answer,
limits that run out, halts, crashes that turn everything in flight into unknown outcomes. `run_schedule` returns everything that must be
equal on any machine: entry hashes, run heads and every state table.
"""

from __future__ import annotations

import hashlib
import random
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any

import msgspec

from dee_appliance.authoring.zone_table import compile_zone_table
from dee_appliance.kernel.e1 import input as inputs
from dee_appliance.kernel.e1 import plan as plans
from dee_appliance.kernel.e1 import policy as policies
from dee_appliance.kernel.e1.encoding import canonical, document_digest, share_of
from dee_appliance.kernel.e1.run import Given
from dee_appliance.store.database import Database, open_scratch
from dee_appliance.store.journal import Brought, Genesis, Journal, write_genesis

if TYPE_CHECKING:
    from dee_appliance.kernel.e1.compiled import CompiledPlan
    from dee_appliance.kernel.e1.run import Attempt, Permit, Run

EPOCH = 1_795_000_000
ZONES = ("America/New_York", "Europe/London", "Asia/Kolkata", "America/Phoenix", "Pacific/Auckland")
STATE_TABLES = (
    "contact", "address", "consent", "suppression", "plan", "enrolment", "run", "timer", "attempt", "counter", "hold", "setting",
    "breaker", "run_trail", "contact_trail", "ledger", "given", "input", "audit",
)  # fmt: skip


@cache
def zone_document() -> tuple[str, str]:
    body = canonical(compile_zone_table())
    return document_digest("zones", body), body.decode()


class HashedShell:
    """Renders nothing: what rendering gives is a function of the send key, and now and then it fails."""

    def give(self, seq: int, ordinal: int, attempt: Attempt, run: Run, plan: CompiledPlan) -> Given:
        del seq, ordinal, run, plan
        if share_of("test.render", (attempt.send_key, str(attempt.attempt)), 40) == 0:
            return Given(code="undefined_field", send_key=attempt.send_key, attempt=attempt.attempt, field="contact.name")
        units = 1 + share_of("test.units", (attempt.send_key,), 3)
        return Given(code="ok", send_key=attempt.send_key, attempt=attempt.attempt, template="t", bytes=500, units=units)


@dataclass
class History:
    """One file being put through its paces."""

    rng: random.Random
    journal: Journal
    tick: int = EPOCH
    contacts: list[str] = field(default_factory=list)
    in_flight: list[Permit] = field(default_factory=list)
    answered: list[Permit] = field(default_factory=list)
    sent: list[tuple[str, int]] = field(default_factory=list)
    """What the provider got: (send key, attempt), in order."""
    clock_limit: int = 1_000

    def admit(self, value: inputs.Input, brought: Brought | None = None) -> str:
        kind = inputs.KIND_OF[type(value)]
        payload = inputs.encode_input(value).decode()
        return self.journal.admit(self.tick, self.tick, "test", kind, payload, brought=brought)[1]

    def run_ids(self) -> list[str]:
        return [row[0] for row in self.journal.database.execute("SELECT run FROM run ORDER BY run_no")]


def random_policy(rng: random.Random) -> policies.Policy:
    rules: list[policies.Rule] = [policies.SuppressionRule(id="suppression")]
    if rng.random() < 0.95:
        rules.append(policies.ConsentRule(id="consent", classes=rng.choice([(), ("express",)])))
    hours = plans.Hours(weekly=tuple(((9 * 3600, 18 * 3600),) if day < 5 else () for day in range(7)))
    if rng.random() < 0.7:
        rules.append(policies.HoursRule(id="hours", channels=rng.choice([("voice",), ("voice", "sms"), ()]), hours=hours))
    if rng.random() < 0.7:
        scope = rng.choice(["file", "channel", "plan"])
        zone = rng.choice(["Etc/UTC", *ZONES])
        rules.append(policies.DailyLimitRule(id="daily", limit=rng.randint(1, 6), zone=zone, scope=scope))
    if rng.random() < 0.6:
        limit = rng.randint(200, 5_000)
        rules.append(policies.BudgetRule(id="budget", limit_micros=limit, currency="USD", scope=rng.choice(["file", "plan"])))
    rates = (
        policies.Rate(channel="email", micros=100),
        policies.Rate(channel="sms", micros=70),
        policies.Rate(channel="voice", micros=20),
        policies.Rate(channel="voice", micros=10, prefix="+1"),
    )
    return policies.Policy(id="random", rules=tuple(rules), rates=rates)


CONDITIONS = (
    "replied()", "opened() && !replied()", 'bounced("hard") || unsubscribed()', "unsubscribed()", "contact.vip", "contact.balance > 50",
    'contact.tier in ["gold", "silver"]', 'count("visit") >= 2', 'event("meeting")', 'consent("email")', 'suppressed("voice")',
    "has(contact.balance) && contact.balance < 10",
)  # fmt: skip


def random_plan(rng: random.Random, name: str, version: int) -> plans.Plan:
    count = rng.randint(2, 8)
    ids = [f"s{position}" for position in range(count)] + ["end"]
    steps: list[plans.Step] = []
    for position in range(count):
        later = ids[position + 1 :]
        steps.append(_random_step(rng, ids, position, later))
    steps.append(plans.End(id="end", outcome=rng.choice(["done", "over"])))
    exits = tuple(
        plans.Exit(when=rng.choice(CONDITIONS[:5]), outcome=f"exit{number}") for number in range(rng.randint(0, 2))
    )
    return plans.Plan(
        plan=name,
        version=version,
        purpose=rng.choice(["marketing", "transactional"]),
        attributes={
            "vip": plans.AttributeDeclaration(kind="bool"),
            "balance": plans.AttributeDeclaration(kind="int"),
            "tier": plans.AttributeDeclaration(kind="enum", values=("gold", "silver", "bronze")),
            "renewal": plans.AttributeDeclaration(kind="date"),
        },
        required=("vip", "tier") if rng.random() < 0.7 else ("vip", "tier", "balance", "renewal"),
        enroll=plans.Enroll(
            reentry=rng.choice(["never", "after_exit", "always"]),
            min_gap_s=rng.choice([0, 86_400]),
            exclusive=rng.random() < 0.3,
        ),
        policy=plans.PlanPolicy(
            daily_sends=rng.choice([None, 2, 5]),
            on_deny=rng.choice([{}, {"consent": "end"}, {"budget": "end", "suppression": "end"}]),
        ),
        exits=exits,
        steps=tuple(steps),
        templates={"t": "b3:t"},
        scripts={"c": "b3:c"},
    )


def _random_step(rng: random.Random, ids: list[str], position: int, later: list[str]) -> plans.Step:
    identity, following = ids[position], later[0]
    recover = None
    if rng.random() < 0.5:
        on = tuple(rng.sample(["transient", "permanent", "confirmed"], rng.randint(1, 3)))
        recover = plans.Recover(on=on, attempts=rng.randint(1, 3), backoff_s=(60, 600)[: rng.randint(0, 2)])
    send: dict[str, Any] = {
        "id": identity,
        "next": following,
        "recover": recover,
        "skippable": rng.random() < 0.3,
        "send_by_s": rng.choice([None, None, 3_600, 86_400]),
    }
    if rng.random() < 0.2:
        send["on"] = {"rejected": rng.choice(later)}
    match rng.choice(["email", "email", "sms", "call", "wait", "wait", "until", "local", "date", "branch", "split", "task", "loop"]):
        case "email":
            return plans.SendEmail(template="t", **send)
        case "sms":
            return plans.SendSms(template="t", **send)
        case "call":
            outcomes = {name: rng.choice(later) for name in rng.sample(list(plans.CALL_OUTCOMES), 2)}
            return plans.Call(script="c", **{**send, "on": outcomes}, max_duration_s=rng.choice([60, 300]))
        case "wait":
            return plans.Wait(id=identity, next=following, for_s=rng.choice([1, 60, 3_600, 86_400, 3 * 86_400]))
        case "until":
            then = rng.choice(later)
            return plans.Wait(id=identity, next=following, for_s=rng.choice([60, 86_400]), until=rng.choice(CONDITIONS), then=then)
        case "local":
            days = rng.choice([(), (0, 1, 2, 3, 4), (6,)])
            return plans.Wait(id=identity, next=following, at_s=rng.choice([0, 9 * 3600, 86_399]), weekdays=days)
        case "date":
            return plans.Wait(id=identity, next=following, date="renewal", offset_s=rng.choice([-86_400, 0, 3_600]))
        case "branch":
            cases = tuple(
                plans.Case(when=rng.choice(CONDITIONS), then=rng.choice(later)) for _ in range(rng.randint(1, 3))
            )
            return plans.Branch(id=identity, cases=cases, otherwise=following)
        case "split":
            arms = tuple(
                plans.Arm(name=f"arm{number}", weight=rng.randint(1, 9), then=rng.choice(later))
                for number in range(rng.randint(2, 3))
            )
            return plans.Split(id=identity, arms=arms, salt=rng.choice(["", "x"]))
        case "task":
            return plans.Task(
                id=identity, instructions="look", timeout_s=3_600, next=following, on={"yes": rng.choice(later), "no": following}
            )
        case _:
            back = rng.choice(ids[: position + 1])
            return plans.Branch(
                id=identity,
                cases=(plans.Case(when=rng.choice(CONDITIONS), then=back),),
                otherwise=following,
                max_visits=rng.randint(1, 3),
                after_visits=following,
            )


def start(seed: int, database: Database, *, clock_limit: int = 1_000) -> History:
    """Make the file of a seed: zones, policy, one to three plans."""
    rng = random.Random(seed)
    with database.transaction():
        write_genesis(database, Genesis(lineage=bytes(16), epoch=EPOCH, clock="simulated", seed=seed))
    history = History(rng=rng, journal=Journal(database, HashedShell()), clock_limit=clock_limit)
    digest, body = zone_document()
    policy = canonical(random_policy(rng))
    with database.transaction():
        history.admit(inputs.ZonesUse(digest=digest), Brought(documents={digest: ("zones", body)}))
        set_policy(history, policy)
        for number in range(rng.randint(1, 3)):
            publish(history, random_plan(rng, f"plan{number}", 1))
        history.admit(inputs.ConfigSet(key="breaker.threshold", value=str(rng.randint(2, 6))))
        history.journal.flush()
    return history


def set_policy(history: History, body: bytes) -> None:
    digest = document_digest("policy", body)
    history.admit(inputs.PolicySet(digest=digest), Brought(documents={digest: ("policy", body.decode())}))


def publish(history: History, plan: plans.Plan) -> None:
    body = canonical(plan)
    digest = document_digest("plan", body)
    publish_input = inputs.PlanPublish(plan=plan.plan, version=plan.version, digest=digest)
    history.admit(publish_input, Brought(documents={digest: ("plan", body.decode())}))


# ---- what can happen ------------------------------------------------------------------------------------------------------------


def add_contact(history: History) -> None:
    rng = history.rng
    number = len(history.contacts)
    contact = f"c_{number:026d}"
    history.contacts.append(contact)
    put_contact(history, contact, number)
    for channel in ("email", "sms", "voice"):
        if rng.random() < 0.95:
            history.admit(
                inputs.ConsentSet(
                    contact=contact,
                    channel=channel,
                    granted=rng.random() < 0.97,
                    consent_class=rng.choice(["express", "implied"]),
                    expires=rng.choice([None, None, history.tick + 86_400]),
                )
            )


def put_contact(history: History, contact: str, number: int) -> None:
    rng = history.rng
    present = sorted(["email", "name", "phone"] if rng.random() < 0.8 else rng.sample(["email", "phone", "name"], 1))
    zones = {"declared": [rng.choice(ZONES)] if rng.random() < 0.8 else [], "number": [rng.choice(ZONES)] if rng.random() < 0.3 else []}
    attributes: dict[str, bool | int | str] = {"vip": rng.random() < 0.5, "tier": rng.choice(["gold", "silver", "bronze"])}
    if rng.random() < 0.7:
        attributes["balance"] = rng.randint(0, 100)
    if rng.random() < 0.7:
        attributes["renewal"] = rng.choice(["2026-11-20", "2026-11-25", "2027-02-28"])
    tokens = {kind: f"{kind}-{number}" for kind in ("email", "phone") if kind in present}
    facts: dict[str, object] = {"present": present, "zones": zones, "phone_prefix": rng.choice(["+1206", "+4420", ""])}
    history.admit(inputs.ContactPut(contact=contact, attributes=attributes, facts=facts, tokens=tokens))


def enroll(history: History) -> None:
    rng = history.rng
    start_at = history.tick + rng.choice([60, 86_400]) if rng.random() < 0.2 else None
    plan = rng.choice(["plan0", "plan0", "plan1", "plan2", "nowhere"])
    history.admit(inputs.Enroll(contact=rng.choice(history.contacts), plan=plan, start=start_at))


def pull(history: History) -> None:
    for channel in ("email", "sms", "voice"):
        places = history.rng.randint(1, 5)
        history.admit(inputs.Pull(channel=channel, n=places))
        for permit in history.journal.take_permits():
            history.in_flight.append(permit)
            history.sent.append((permit.send_key, permit.attempt))


def answer(history: History) -> None:
    rng = history.rng
    if not history.in_flight:
        return
    permit = history.in_flight.pop(rng.randrange(len(history.in_flight)))
    history.answered.append(permit)
    outcome = rng.choice(["accepted"] * 6 + ["rejected", "rejected", "unknown"])
    kind = rng.choice(["transient", "permanent", "config"]) if outcome == "rejected" else "none"
    cost = rng.choice([None, None, 50, 400])
    history.admit(
        inputs.Answered(
            send_key=permit.send_key, attempt=permit.attempt, outcome=outcome, kind=kind, code="test", cost_micros=cost
        )
    )


def repeat_answer(history: History) -> None:
    if history.answered:
        permit = history.rng.choice(history.answered)
        history.admit(inputs.Answered(send_key=permit.send_key, attempt=permit.attempt, outcome="rejected", kind="permanent"))


def crash(history: History) -> None:
    """The process dies: whatever is in flight has an unknown outcome."""
    history.in_flight.clear()
    for key, attempt in history.journal.state.dispatching():
        history.admit(inputs.Answered(send_key=key, attempt=attempt, outcome="unknown", code="crash"))


def event(history: History) -> None:
    rng = history.rng
    name = rng.choice([*inputs.EVENTS, "meeting", "visit"])
    kind = rng.choice(["hard", "soft"]) if name == "email.bounced" else ""
    known = [*history.answered, *history.in_flight]
    if known and rng.random() < 0.7:
        permit = rng.choice(known)
        history.admit(inputs.Event(name=name, send_key=permit.send_key, kind=kind))
    else:
        history.admit(inputs.Event(name=name, contact=rng.choice(history.contacts), kind=kind))


def operate(history: History) -> None:
    rng = history.rng
    runs = history.run_ids()
    if not runs:
        return
    verb = rng.choice(["pause", "resume", "resume", "cancel", "retry", "retry", "resolve", "resolve", "skip"])
    choice = rng.choice(["delivered", "not-delivered", "resend", "abandoned"]) if verb == "resolve" else ""
    history.admit(inputs.Verb(run=rng.choice([*runs, "run_none"]), verb=verb, choice=choice))


def finish_task(history: History) -> None:
    runs = history.run_ids()
    if runs:
        history.admit(inputs.TaskDone(run=history.rng.choice(runs), outcome=history.rng.choice(["yes", "no", "maybe"])))


def suppress(history: History) -> None:
    rng = history.rng
    contact = rng.choice(history.contacts)
    subject = rng.choice([contact, f"email-{rng.randint(0, 9)}", "nobody"])
    scope = rng.choice(["*", "channel:email", "channel:voice", "plan:plan0", "list:dnc"])
    history.admit(inputs.SuppressionSet(subject=subject, on=rng.random() < 0.6, scope=scope, reason="operator"))


def change_contact(history: History) -> None:
    number = history.rng.randrange(len(history.contacts))
    put_contact(history, history.contacts[number], number)


def erase(history: History) -> None:
    history.admit(inputs.ContactErase(contact=history.rng.choice(history.contacts)))


def halt(history: History) -> None:
    rng = history.rng
    scope = rng.choice(["*", "channel:email", "plan:plan0"])
    history.admit(inputs.HoldSet(scope=scope, on=rng.random() < 0.4))


def configure(history: History) -> None:
    rng = history.rng
    key, value = rng.choice(
        [("trial", "true"), ("trial", "false"), ("trial", "false"), ("trial", "false"), ("trial.guests", '["email-1"]'), ("nonsense", "1"), ("breaker.pause_s", "60")]
    )
    history.admit(inputs.ConfigSet(key=key, value=value))


def change_policy(history: History) -> None:
    set_policy(history, canonical(random_policy(history.rng)))


def new_version(history: History) -> None:
    version = history.rng.randint(1, 3)
    publish(history, random_plan(history.rng, "plan0", version))


def pass_time(history: History) -> None:
    history.tick += history.rng.choice([1, 60, 600, 3_600, 6 * 3_600, 86_400])
    while True:
        due = history.journal.state.next_due()
        if due is None or due > history.tick:
            return
        history.admit(inputs.Clock(limit=history.clock_limit))


HAPPENINGS = (
    (add_contact, 1), (enroll, 4), (pull, 24), (answer, 22), (repeat_answer, 0.5), (crash, 0.7), (event, 8), (operate, 5),
    (finish_task, 1), (suppress, 0.7), (change_contact, 1), (erase, 0.2), (halt, 0.5), (configure, 0.5), (change_policy, 0.3),
    (new_version, 0.3), (pass_time, 14),
)  # fmt: skip


def step(history: History) -> None:
    """Let one thing happen."""
    things, weights = zip(*HAPPENINGS, strict=True)
    history.rng.choices(things, weights)[0](history)


def run_schedule(
    seed: int, *, steps: int = 60, batch: int = 1, reverse: bool = False, clock_limit: int = 1_000
) -> tuple[str, Database]:
    """Run the schedule of a seed, `batch` happenings to a transaction. Returns a digest of everything, and the file."""
    database = open_scratch(reverse_unordered=reverse)
    history = start(seed, database, clock_limit=clock_limit)
    with database.transaction():
        for _ in range(6):
            add_contact(history)
            history.admit(inputs.Enroll(contact=history.contacts[-1], plan="plan0"))
        history.journal.flush()
    done = 0
    while done < steps:
        with database.transaction():
            for _ in range(min(batch, steps - done)):
                step(history)
                done += 1
            history.journal.flush()
    return digest_of(database), database


def digest_of(database: Database) -> str:
    """Hash every table that must be equal."""
    whole = hashlib.sha256()
    for table in STATE_TABLES:
        rows = sorted(msgspec.json.encode(row) for row in _plain(database, table))
        whole.update(table.encode() + b"\0" + b"\n".join(rows))
    return whole.hexdigest()


def _plain(database: Database, table: str) -> list[list[Any]]:
    rows = database.execute(f"SELECT * FROM {table} ORDER BY 1, 2")  # noqa: S608 - names from the table above
    return [[value.hex() if isinstance(value, bytes) else value for value in row] for row in rows]
