"""A file with a bit of everything in it, written by the real journal: what replay and verify are tried on.

Contacts with addresses and personal data, three plans, a policy with hours, limits and a budget; sends that are
accepted, rejected, tried again, denied, held, unknown and resolved; waits, branches, splits, tasks, calls; events,
opt-outs, halts, pauses, an erasure.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import apsw
import msgspec
from blake3 import blake3

from dee_appliance.authoring.zone_table import compile_zone_table
from dee_appliance.kernel.e1 import input as inputs
from dee_appliance.kernel.e1 import plan as plans
from dee_appliance.kernel.e1 import policy as policies
from dee_appliance.kernel.e1.compiled import CompiledPlan
from dee_appliance.kernel.e1.encoding import canonical, document_digest
from dee_appliance.kernel.e1.run import Attempt, Given, Permit, Run
from dee_appliance.store import database as databases
from dee_appliance.store.journal import Brought, Genesis, Journal, write_genesis

EPOCH = 1_795_000_000
"""2026-11-18 09:46:40 UTC, a Wednesday."""

DAY_S = 86_400
HOUR_S = 3_600
LINEAGE = bytes(range(16))
CONTACTS = 24
OFFICE = plans.Hours(weekly=(((9 * HOUR_S, 18 * HOUR_S),),) * 5 + ((),) * 2)


def contact_id(number: int) -> str:
    return f"c_{number:026d}"


class FixedShell:
    """Renders nothing, but says so the same way every time; one contact lacks a field."""

    def give(self, seq: int, ordinal: int, attempt: Attempt, run: Run, plan: CompiledPlan) -> Given:
        del seq, ordinal, run, plan
        if attempt.contact == contact_id(5):
            return Given(
                code="missing_field", send_key=attempt.send_key, attempt=attempt.attempt, field="contact.first"
            )
        return Given(
            code="ok",
            send_key=attempt.send_key,
            attempt=attempt.attempt,
            template="b3:template",
            renderer="minijinja 2",
            bytes=len(attempt.contact) * 10,
            units=2 if attempt.channel == "sms" else 1,
            commitment=blake3(f"{attempt.send_key}/{attempt.attempt}".encode()).hexdigest(),
        )


TEMPLATE = canonical({"subject": "Hello", "text": "Dear {{ contact.first }}"})
TEMPLATE_DIGEST = document_digest("template", TEMPLATE)
SCRIPT = canonical({"say": "Hello"})
SCRIPT_DIGEST = document_digest("script", SCRIPT)

OUTREACH = plans.Plan(
    plan="outreach",
    version=1,
    purpose="marketing",
    attributes={"tier": plans.AttributeDeclaration(kind="int")},
    policy=plans.PlanPolicy(calling_hours=OFFICE, on_deny={"consent": "end"}),
    exits=(plans.Exit(when='unsubscribed() || bounced("hard")', outcome="opted_out"),),
    steps=(
        plans.SendEmail(
            id="intro",
            template="intro",
            next="wait",
            recover=plans.Recover(on=("transient",), attempts=3, backoff_s=(60, 300)),
        ),
        plans.Wait(id="wait", for_s=3 * DAY_S, until='replied("intro")', then="won", next="sort", skippable=True),
        plans.Branch(
            id="sort",
            cases=(plans.Case(when="opened() && has(contact.tier) && contact.tier > 1", then="ring"),),
            otherwise="half",
        ),
        plans.Split(
            id="half", arms=(plans.Arm(name="a", weight=1, then="again"), plans.Arm(name="b", weight=1, then="lost"))
        ),
        plans.SendSms(id="again", template="intro", next="lost"),
        plans.Call(id="ring", script="ring", next="visit", on={"answered": "won"}),
        plans.Task(id="visit", instructions="Visit them", timeout_s=DAY_S, next="lost", on={"done": "won"}),
        plans.End(id="won", outcome="replied"),
        plans.End(id="lost", outcome="no_answer"),
    ),
    templates={"intro": TEMPLATE_DIGEST},
    scripts={"ring": SCRIPT_DIGEST},
)
NOTICE = plans.Plan(
    plan="notice",
    version=1,
    purpose="transactional",
    enroll=plans.Enroll(reentry="after_exit"),
    variables={"amount": plans.AttributeDeclaration(kind="int")},
    steps=(
        plans.Wait(id="morning", at_s=10 * HOUR_S, weekdays=(0, 1, 2, 3, 4), next="tell"),
        plans.SendEmail(id="tell", template="intro", next="end", on={"rejected": "end"}),
        plans.End(id="end", outcome="told"),
    ),
    templates={"intro": TEMPLATE_DIGEST},
)
POLICY = policies.Policy(
    id="file",
    rules=(
        policies.SuppressionRule(id="suppression"),
        policies.ConsentRule(id="consent", purposes=("marketing",)),
        policies.WindowRule(id="hours", channels=("sms", "voice"), hours=OFFICE),
        policies.DailyLimitRule(id="daily", limit=16, channels=("email",)),
        policies.BudgetRule(id="budget", limit_micros=50_000_000, currency="USD"),
    ),
    rates=(
        policies.Rate(channel="email", micros=1_000),
        policies.Rate(channel="sms", micros=8_000, prefix="+1"),
        policies.Rate(channel="voice", micros=20_000),
    ),
)
WIDER = msgspec.structs.replace(
    POLICY,
    rules=tuple(
        msgspec.structs.replace(rule, limit=500) if isinstance(rule, policies.DailyLimitRule) else rule
        for rule in POLICY.rules
    ),
)


class Recorder:
    """Writes one file, input by input, as the loop would."""

    def __init__(self, path: Path) -> None:
        databases.create(path, lambda draft: write_genesis(draft, Genesis(lineage=LINEAGE, epoch=EPOCH, clock="real")))
        self.database = databases.open_writer(path)
        self.journal = Journal(self.database, FixedShell())
        self.tick = EPOCH

    def put(self, value: inputs.Input, *, brought: Brought | None = None, dedupe: str | None = None) -> str:
        """Admit one input and return its outcome."""
        return self.raw(
            inputs.KIND_OF[type(value)], inputs.encode_input(value).decode(), brought=brought, dedupe=dedupe
        )

    def raw(self, kind: str, payload: str, *, brought: Brought | None = None, dedupe: str | None = None) -> str:
        """Admit one input as it is written."""
        with self.database.transaction():
            _, outcome = self.journal.admit(self.tick, self.tick, "test", kind, payload, brought=brought, dedupe=dedupe)
            self.journal.flush()
        return outcome

    def document(self, kind: str, body: bytes) -> tuple[str, Brought]:
        """Return the digest of a document, and what brings it."""
        digest = document_digest(kind, body)
        return digest, Brought(documents={digest: (kind, body.decode())})

    def publish(self, plan: plans.Plan) -> str:
        """Publish a plan with its template and script."""
        digest, brought = self.document("plan", canonical(plan))
        brought.documents[TEMPLATE_DIGEST] = ("template", TEMPLATE.decode())
        brought.documents[SCRIPT_DIGEST] = ("script", SCRIPT.decode())
        return self.put(inputs.PlanPublish(plan=plan.plan, version=plan.version, digest=digest), brought=brought)

    def use_policy(self, policy: policies.Policy) -> str:
        digest, brought = self.document("policy", canonical(policy))
        return self.put(inputs.PolicySet(digest=digest), brought=brought)

    def pull(self, channel: plans.Channel, n: int = 32) -> list[Permit]:
        self.put(inputs.Pull(channel=channel, n=n))
        return self.journal.take_permits()

    def answer(self, permit: Permit, outcome: str = "accepted", kind: str = "none") -> str:
        payload = {"attempt": permit.attempt, "kind": kind, "outcome": outcome, "send_key": permit.send_key}
        return self.raw("attempt.answered", canonical(payload).decode())

    def drain(self, channel: plans.Channel = "email") -> list[Permit]:
        """Pull and accept until nothing more leaves."""
        accepted: list[Permit] = []
        while permits := self.pull(channel):
            for permit in permits:
                self.answer(permit)
            accepted += permits
        return accepted

    def go_on(self, seconds: int) -> None:
        """Let time pass and fire what is due."""
        self.tick += seconds
        for _ in range(50):
            due = self.journal.state.next_due()
            if due is None or due > self.tick:
                return
            self.put(inputs.Clock(limit=3))

    def run_of(self, contact: int, plan: str = "outreach") -> str:
        rows = self.database.execute(
            "SELECT run FROM run WHERE contact = ? AND plan = ? ORDER BY run_no DESC LIMIT 1",
            (contact_id(contact), plan),
        )
        return str(rows[0][0])

    def status_of(self, contact: int, plan: str = "outreach") -> str:
        rows = self.database.execute("SELECT status FROM run WHERE run = ?", (self.run_of(contact, plan),))
        return str(rows[0][0])

    def close(self) -> None:
        self.database.checkpoint_truncate()
        self.database.close()


def write_rich_file(path: Path) -> Path:
    """Make the file with a bit of everything."""
    recorder = Recorder(path)
    _set_up(recorder)
    _contacts(recorder)
    first = _first_day(recorder)
    _events(recorder, first)
    _operators(recorder)
    _later(recorder)
    recorder.close()
    return path


@cache
def _bytes_of(write: Callable[[Path], Path]) -> bytes:
    with TemporaryDirectory() as folder:
        return write(Path(folder) / "made.db").read_bytes()


def rich_file(folder: Path, name: str = "rich.db") -> Path:
    """Return a fresh copy of the file with a bit of everything; it is made once in a test session."""
    path = folder / name
    path.write_bytes(_bytes_of(write_rich_file))
    return path


@contextmanager
def attacker(path: Path) -> Iterator[apsw.Connection]:
    """A connection of somebody who may write the file and does not care about triggers. What it changes is at rest afterwards."""
    connection = apsw.Connection(str(path))
    connection.config(apsw.SQLITE_DBCONFIG_ENABLE_TRIGGER, 0)
    try:
        with connection:
            yield connection
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    finally:
        connection.close(force=True)


def write_plain_file(path: Path, runs: int) -> Path:
    """Make a file in which many contacts go through the same short plan."""
    recorder = Recorder(path)
    _set_up(recorder)
    recorder.use_policy(WIDER)
    with recorder.database.transaction():
        for number in range(runs):
            _admit(recorder, _contact(number))
            _admit(recorder, inputs.Enroll(contact=contact_id(number), plan="notice", variables={"amount": number}))
        recorder.journal.flush()
    recorder.go_on(DAY_S)
    recorder.go_on(0)
    recorder.tick += DAY_S
    while recorder.journal.state.next_due() is not None:
        recorder.put(inputs.Clock(limit=500))
    recorder.drain()
    recorder.close()
    return path


SMALL_ZONES: dict[str, object] = {
    "version": "test",
    "from": 1_420_070_400,
    "until": 2_240_611_200,
    "functions": [[[1_420_070_400, 0]], [[1_420_070_400, 3_600], [1_806_195_600, 7_200]], [[1_420_070_400, -18_000]]],
    "zones": {"America/New_York": 2, "Etc/UTC": 0, "Europe/Berlin": 1},
}


def write_small_file(path: Path) -> Path:
    """Make a short file that depends on nothing but the engine: its own few zones, four contacts, one of each kind of step."""
    recorder = Recorder(path)
    _set_up(recorder, SMALL_ZONES)
    for number in (0, 3, 5, 6):
        recorder.put(_contact(number))
        if number != 3:
            for channel in ("email", "sms", "voice"):
                recorder.put(inputs.ConsentSet(contact=contact_id(number), channel=channel, granted=True))
        recorder.put(inputs.Enroll(contact=contact_id(number), plan="outreach"))
    first, second = recorder.pull("email")
    recorder.answer(first, "rejected", "transient")
    recorder.answer(second)
    recorder.go_on(120)
    recorder.drain()
    recorder.put(inputs.Event(name="email.opened", send_key=second.send_key))
    recorder.put(inputs.Verb(run=second.run, verb="pause"))
    recorder.put(inputs.Verb(run=second.run, verb="resume"))
    for hours in (75, 50, 6, 1):
        recorder.go_on(hours * HOUR_S)
        recorder.drain("sms")
        for permit in recorder.pull("voice"):
            recorder.answer(permit)
            recorder.put(inputs.Event(name="call.no_answer", send_key=permit.send_key, cost_micros=40_000))
    for (run,) in recorder.database.execute("SELECT run FROM run WHERE status = 'WAITING' ORDER BY run_no"):
        recorder.put(inputs.TaskDone(run=run, outcome="done"))
    recorder.put(inputs.ContactErase(contact=contact_id(0)))
    recorder.close()
    return path


def _admit(recorder: Recorder, value: inputs.Input) -> None:
    payload = inputs.encode_input(value).decode()
    recorder.journal.admit(recorder.tick, recorder.tick, "test", inputs.KIND_OF[type(value)], payload)


def _set_up(recorder: Recorder, zones: dict[str, object] | None = None) -> None:
    digest, brought = recorder.document("zones", canonical(compile_zone_table() if zones is None else zones))
    assert recorder.put(inputs.ZonesUse(digest=digest), brought=brought) == "done"
    assert recorder.use_policy(POLICY) == "done"
    for plan in (OUTREACH, NOTICE):
        assert recorder.publish(plan) == "done"
    assert recorder.publish(OUTREACH) == "done"
    recorder.put(inputs.PlanPublish(plan="lost", version=1, digest="b3:" + "0" * 64))
    recorder.put(inputs.Arm(incarnation=1))
    recorder.put(inputs.ConfigSet(key="breaker.threshold", value="3"))
    recorder.put(inputs.ConfigSet(key="breaker.threshold", value='"three"'))


def _contact(number: int) -> inputs.ContactPut:
    zones = {0: ["America/New_York"], 1: ["Europe/Berlin"], 2: ["Asia/Kolkata", "Europe/London"]}[number % 3]
    facts: dict[str, object] = {"present": ["email", "phone"], "phone_prefix": "+1", "zones": {"declared": zones}}
    tokens = {"email": f"mail{number:03d}", "phone": f"fone{number:03d}"}
    attributes: dict[str, inputs.Scalar] = {} if number % 4 == 0 else {"tier": number % 4}
    return inputs.ContactPut(contact=contact_id(number), facts=facts, tokens=tokens, attributes=attributes)


def _contacts(recorder: Recorder) -> None:
    for number in range(CONTACTS):
        profile = canonical({"email": f"person{number}@example.org", "first": f"Wilhelmina{number}"}).decode()
        vault = {contact_id(number): {"profile": profile, "secret": f"{number:064x}"}}
        recorder.put(_contact(number), brought=Brought(vault=vault), dedupe=f"import-{number}")
        for channel in ("email", "sms", "voice"):
            if number != 3:
                recorder.put(inputs.ConsentSet(contact=contact_id(number), channel=channel, granted=True))
    recorder.put(inputs.ConsentSet(contact="c_nobody", channel="email", granted=True))
    recorder.put(inputs.SuppressionSet(subject="mail004", on=True, reason="operator"))
    recorder.put(inputs.SuppressionSet(subject="mail-of-nobody", on=True, scope="list:dnc", reason="list"))
    recorder.put(inputs.ConsentSet(contact=contact_id(6), channel="sms", granted=False))


def _first_day(recorder: Recorder) -> list[Permit]:
    """Enrol everybody; the first mails meet every answer there is."""
    for number in range(CONTACTS - 1):
        recorder.put(inputs.Enroll(contact=contact_id(number), plan="outreach"))
    recorder.put(inputs.Enroll(contact=contact_id(0), plan="outreach"))
    recorder.put(inputs.Enroll(contact=contact_id(1), plan="nowhere"))
    recorder.put(inputs.Enroll(contact=contact_id(CONTACTS - 1), plan="outreach", start=recorder.tick + 600))
    recorder.raw("run.enroll", '{"plan":7}')
    recorder.raw("no.such.kind", "{}")
    permits = recorder.pull("email", 11)
    transient, permanent, unknown, lost, confirmed, *accepted = permits
    recorder.answer(transient, "rejected", "transient")
    recorder.answer(permanent, "rejected", "permanent")
    for permit in (unknown, lost, confirmed):
        recorder.answer(permit, "unknown")
    for permit in accepted:
        recorder.answer(permit)
    recorder.answer(accepted[0], "rejected", "permanent")
    recorder.put(inputs.Answered(send_key="00", attempt=1, outcome="accepted"))
    recorder.put(inputs.HoldSet(scope="plan:outreach", on=True))
    recorder.pull("email")
    recorder.put(inputs.HoldSet(scope="plan:outreach", on=False))
    recorder.put(inputs.HoldSet(scope="plan:outreach", on=False))
    recorder.put(inputs.Event(name="email.delivered", send_key=confirmed.send_key))
    recorder.put(inputs.Verb(run=confirmed.run, verb="resume"))
    recorder.put(inputs.Verb(run=unknown.run, verb="retry"))
    recorder.put(inputs.Verb(run=unknown.run, verb="resolve", choice="not-delivered"))
    recorder.put(inputs.Verb(run=unknown.run, verb="retry"))
    recorder.put(inputs.Verb(run=lost.run, verb="resolve", choice="resend"))
    recorder.go_on(700)
    accepted += recorder.drain()
    assert recorder.journal.state.holds, "the daily limit must hold the queue"
    return accepted


def _events(recorder: Recorder, permits: list[Permit]) -> None:
    names = ["email.opened", "email.opened", "email.replied", "email.opened", "email.bounced", "email.unsubscribed"]
    recorder.tick += 30
    for position, permit in enumerate(permits):
        name = names[position % len(names)]
        kind = "hard" if name == "email.bounced" else ""
        recorder.put(inputs.Event(name=name, send_key=permit.send_key, kind=kind))
    recorder.put(inputs.Event(name="email.opened", send_key="ff" * 20))
    recorder.put(inputs.Event(name="invoice.paid", contact=contact_id(0)))
    recorder.put(inputs.Event(name="invoice.paid", contact=contact_id(12)))


def _operators(recorder: Recorder) -> None:
    recorder.put(inputs.Verb(run="run_nobody", verb="pause"))
    waiting = recorder.database.execute(
        "SELECT run, contact FROM run WHERE status IN ('WAITING', 'ACTIVE') ORDER BY run_no"
    )
    assert len(waiting) >= 4
    recorder.put(inputs.Verb(run=waiting[0][0], verb="pause"))
    recorder.tick += 60
    recorder.put(inputs.Verb(run=waiting[0][0], verb="resume"))
    recorder.put(inputs.Verb(run=waiting[1][0], verb="cancel"))
    recorder.put(inputs.Verb(run=waiting[1][0], verb="resume"))
    recorder.put(inputs.Verb(run=waiting[2][0], verb="skip"))
    recorder.put(inputs.ContactErase(contact=waiting[3][1]))
    recorder.put(inputs.ContactPut(contact=contact_id(9), facts={"present": ["email"]}, tokens={"email": "mail909"}))
    recorder.put(inputs.SuppressionSet(subject=contact_id(10), on=True, scope="channel:voice"))
    recorder.put(inputs.SuppressionSet(subject=contact_id(10), on=False, scope="channel:voice"))


def _later(recorder: Recorder) -> None:
    """The waits end; calls, tasks and text messages follow, and a wider limit lets the rest go."""
    recorder.use_policy(WIDER)
    for number in (0, 1, 2, 6, 11, 17):
        recorder.put(inputs.Enroll(contact=contact_id(number), plan="notice", variables={"amount": number}))
    recorder.put(inputs.Enroll(contact=contact_id(7), plan="notice", variables={"amount": "many"}))
    for _ in range(14):
        recorder.go_on(10 * HOUR_S)
        recorder.drain("email")
        recorder.drain("sms")
        for position, permit in enumerate(recorder.pull("voice")):
            recorder.answer(permit)
            outcome = ("call.answered", "call.no_answer")[position % 2]
            recorder.put(inputs.Event(name=outcome, send_key=permit.send_key, cost_micros=40_000))
        for (run,) in recorder.database.execute("SELECT run FROM run WHERE status = 'WAITING' ORDER BY run_no LIMIT 1"):
            recorder.put(inputs.TaskDone(run=run, outcome="done"))
    recorder.go_on(4 * DAY_S)
    recorder.drain("email")
