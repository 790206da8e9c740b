"""What can happen in a random schedule: one function for each thing, drawn by weight.

Rules a change must keep: what happens depends on nothing but the random numbers and on what the journal's own state answers. A
table may lag behind the journal inside a transaction, so nothing here reads one.
"""

from __future__ import annotations

import random  # noqa: TID251 - a schedule is drawn from its seed
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal

from schedule_documents import (
    SCRIPT,
    SCRIPT_DIGEST,
    TEMPLATE,
    TEMPLATE_DIGEST,
    ZONES,
    random_plan,
    random_policy,
    zone_document,
)
from schedule_history import EPOCH, HashedShell, History
from schedule_rules import JURISDICTIONS, change_packs, happens_to_contact, load_list, record_fact, set_rich_policy

from dee_appliance.kernel.e1 import input as inputs
from dee_appliance.kernel.e1 import plan as plans
from dee_appliance.kernel.e1.encoding import canonical, document_digest
from dee_appliance.store.journal import Brought, Genesis, Journal, write_genesis

if TYPE_CHECKING:
    from dee_appliance.kernel.e1.run import Run
    from dee_appliance.store.database import Database

VERBS: dict[str, tuple[str, ...]] = {
    "PENDING": ("pause", "pause", "pause", "cancel"),
    "ACTIVE": ("pause",) * 7 + ("skip", "skip", "cancel"),
    "WAITING": ("pause",) * 7 + ("skip", "skip", "cancel"),
    "HELD": ("resume", "pause", "skip", "cancel"),
    "PAUSED": ("resume",) * 9 + ("cancel",),
    "FAILED": ("retry", "retry", "retry", "retry", "resolve", "resolve", "resolve", "resume", "skip", "cancel"),
}
ALL_VERBS = ("pause", "resume", "cancel", "retry", "resolve", "skip")


# ---- the beginning ---------------------------------------------------------------------------------------------------


def start(
    seed: int, database: Database, *, clock_limit: int, lineage: bytes = bytes(16), shell: HashedShell | None = None
) -> History:
    """Make the file of a seed: zones, policy, one to three plans, six contacts on their way."""
    rng = random.Random(seed)
    with database.transaction():
        write_genesis(database, Genesis(lineage=lineage, epoch=EPOCH, clock="simulated", seed=seed))
    history = History(rng=rng, journal=Journal(database, shell or HashedShell()), clock_limit=clock_limit)
    with database.transaction():
        use_zones(history, moved=False)
        set_policy(history)
        history.plans = tuple(f"plan{number}" for number in range(rng.randint(1, 3)))
        for name in history.plans:
            publish(history, random_plan(rng, name, 1))
        history.admit(inputs.ConfigSet(key="breaker.threshold", value=str(rng.randint(2, 6))))
        for _ in range(6):
            add_contact(history)
            enroll(history, history.contacts[-1])
        history.journal.flush()
    return history


def use_zones(history: History, *, moved: bool) -> None:
    digest, body = zone_document(moved=moved)
    history.admit(inputs.ZonesUse(digest=digest), Brought(documents={digest: ("zones", body)}))


def set_policy(history: History) -> None:
    body = canonical(random_policy(history.rng))
    digest = document_digest("policy", body)
    history.admit(inputs.PolicySet(digest=digest), Brought(documents={digest: ("policy", body.decode())}))


def publish(history: History, plan: plans.Plan) -> None:
    body = canonical(plan)
    digest = document_digest("plan", body)
    brought = Brought(
        documents={
            digest: ("plan", body.decode()),
            TEMPLATE_DIGEST: ("template", TEMPLATE.decode()),
            SCRIPT_DIGEST: ("script", SCRIPT.decode()),
        }
    )
    history.admit(inputs.PlanPublish(plan=plan.plan, version=plan.version, digest=digest), brought)


# ---- what can happen: contacts ---------------------------------------------------------------------------------------


def add_contact(history: History) -> None:
    rng = history.rng
    number = len(history.contacts)
    contact = f"c_{number:026d}"
    history.contacts.append(contact)
    put_contact(history, contact, number)
    for channel in ("email", "sms", "voice"):
        if rng.random() < 0.96:
            expires = rng.choice([None] * 9 + [history.tick + 86_400])
            classes = rng.choice(["express"] * 6 + ["implied"])
            granted = rng.random() < 0.97
            history.admit(
                inputs.ConsentSet(
                    contact=contact, channel=channel, granted=granted, consent_class=classes, expires=expires
                )
            )


def put_contact(history: History, contact: str, number: int, *, spoilt: bool = False) -> None:
    """Write a contact; a spoilt one lacks what its plans rely on."""
    rng = history.rng
    present = sorted(["email", "name", "phone"] if rng.random() < 0.95 else rng.sample(["email", "phone", "name"], 1))
    declared = [rng.choice(ZONES)] if rng.random() < 0.9 else []
    number_zones = [rng.choice(ZONES)] if rng.random() < 0.3 else []
    attributes: dict[str, inputs.Scalar] = {"vip": rng.random() < 0.5, "tier": rng.choice(["gold", "silver", "bronze"])}
    if rng.random() < 0.7:
        attributes["balance"] = rng.randint(0, 100)
    if rng.random() < 0.7:
        attributes["renewal"] = rng.choice(["2026-11-20", "2026-11-25", "2027-02-28"])
    if spoilt:
        attributes = rng.choice([{}, {"vip": "yes", "tier": "gold"}, {"tier": 7, "vip": True}])
    tokens = {str(kind): f"{kind}-{number}" for kind in ("email", "phone") if kind in present}
    facts: dict[str, object] = {
        "present": present,
        "zones": {"declared": declared, "number": number_zones},
        "phone_prefix": rng.choice(["+1206", "+4420", ""]),
    }
    if rng.random() < 0.6:
        facts["jurisdictions"] = {"number": [rng.choice(JURISDICTIONS)], "declared": rng.choice([[], ["US"]])}
    if rng.random() < 0.2:
        facts["subscriber"] = rng.choice(["individual", "business"])
    if rng.random() < 0.2:
        facts["hours"] = [[[9 * 3_600, 18 * 3_600]] if day < 5 else [] for day in range(7)]
    history.admit(inputs.ContactPut(contact=contact, attributes=attributes, facts=facts, tokens=tokens))


def change_contact(history: History) -> None:
    number = history.rng.randrange(len(history.contacts))
    put_contact(history, history.contacts[number], number, spoilt=history.rng.random() < 0.2)


def spoil_in_flight(history: History) -> None:
    """A contact whose message is on its way loses what the plan's exits read."""
    if history.in_flight:
        contact = history.rng.choice(history.in_flight).contact
        put_contact(history, contact, history.contacts.index(contact), spoilt=True)


def consent(history: History) -> None:
    rng = history.rng
    contact = rng.choice([*history.contacts, "c_nobody"])
    channel: plans.Channel = rng.choice(["email", "sms", "voice"])
    purpose = rng.choice(["*", "marketing"])
    history.admit(inputs.ConsentSet(contact=contact, channel=channel, purpose=purpose, granted=rng.random() < 0.8))


def suppress(history: History) -> None:
    rng = history.rng
    if history.suppressed and rng.random() < 0.5:
        subject, scope = history.suppressed.pop()
        history.admit(inputs.SuppressionSet(subject=subject, on=False, scope=scope))
        return
    subject = rng.choice([rng.choice(history.contacts), f"email-{rng.randint(0, 6)}", "nobody"])
    scope = rng.choice(["*", "channel:email", "channel:voice", "plan:plan0", "list:dnc"])
    history.suppressed.append((subject, scope))
    on = rng.random() < 0.9
    history.admit(inputs.SuppressionSet(subject=subject, on=on, scope=scope))


def erase(history: History) -> None:
    history.admit(inputs.ContactErase(contact=history.rng.choice([*history.contacts, "c_nobody"])))


def enroll(history: History, contact: str | None = None) -> None:
    rng = history.rng
    start_at = history.tick + rng.choice([60, 86_400]) if rng.random() < 0.2 else None
    plan = rng.choice(history.plans) if rng.random() < 0.97 else "nowhere"
    digest = history.journal.state.plan_digest(plan, None)
    wanted = {} if digest is None else history.journal.state.plan(digest).plan.variables
    given: dict[str, inputs.Scalar] = {name: rng.randint(0, 9) for name in wanted}
    if rng.random() < 0.03:
        given["amount"] = "much"
    chosen = contact or rng.choice([*history.contacts * 3, "c_nobody"])
    history.admit(inputs.Enroll(contact=chosen, plan=plan, variables=given, start=start_at))


# ---- what can happen: sends ------------------------------------------------------------------------------------------


def pull(history: History) -> None:
    """The dispatcher has free places. Whatever is due has fired by then."""
    history.drain()
    channels: tuple[plans.Channel, ...] = ("email", "sms", "voice")
    for channel in channels:
        places = history.rng.randint(1, 5)
        if not history.journal.state.queue(channel, 1) and history.rng.random() < 0.95:
            continue
        history.admit(inputs.Pull(channel=channel, n=places))
        permits = history.journal.take_permits()
        history.in_flight += permits
        history.sent += permits


Kind = Literal["none", "transient", "permanent", "config"]
KINDS: tuple[Kind, ...] = ("transient", "transient", "permanent", "config")
OUTCOMES: tuple[Literal["accepted", "rejected", "unknown"], ...] = (
    *("accepted",) * 6, "rejected", "rejected", "unknown",
)  # fmt: skip


def answer(history: History) -> None:
    rng = history.rng
    for _ in range(min(len(history.in_flight), rng.randint(1, 3))):
        permit = history.in_flight.pop(rng.randrange(len(history.in_flight)))
        history.answered.append(permit)
        outcome = rng.choice(OUTCOMES)
        kind: Kind = rng.choice(KINDS) if outcome == "rejected" else "none"
        cost = rng.choice([None, None, 50, 400])
        history.admit(
            inputs.Answered(
                send_key=permit.send_key,
                attempt=permit.attempt,
                outcome=outcome,
                kind=kind,
                code="test",
                cost_micros=cost,
            )
        )


def repeat_answer(history: History) -> None:
    if history.answered:
        permit = history.rng.choice(history.answered)
        history.admit(
            inputs.Answered(send_key=permit.send_key, attempt=permit.attempt, outcome="rejected", kind="permanent")
        )


def crash(history: History) -> None:
    """The process dies: whatever is in flight has an unknown outcome."""
    history.in_flight.clear()
    for key, attempt in history.journal.state.dispatching():
        history.admit(inputs.Answered(send_key=key, attempt=attempt, outcome="unknown", code="crash"))


def event(history: History) -> None:
    rng = history.rng
    known = [*history.answered[-12:], *history.in_flight]
    if known and rng.random() < 0.85:
        permit = rng.choice(known)
        words = [
            name for name in inputs.EVENTS if name.startswith({"voice": "call"}.get(permit.channel, permit.channel))
        ]
        name = rng.choice(words if rng.random() < 0.95 else [*inputs.EVENTS])
        if inputs.EVENTS[name].suppresses and rng.random() < 0.6:
            name = words[0]
        cost = rng.choice([None, None, 30, 900])
        key = permit.send_key if rng.random() < 0.97 else "00" * 20
        history.admit(inputs.Event(name=name, send_key=key, kind=_bounce(rng, name), cost_micros=cost))
    else:
        name = rng.choice(
            ["meeting", "visit", "visit", "visit", "email.replied", "email.replied", "email.unsubscribed"]
        )
        history.admit(inputs.Event(name=name, contact=rng.choice(history.contacts)))


def _bounce(rng: random.Random, name: str) -> str:
    return rng.choice(["hard", "soft"]) if name == "email.bounced" else ""


# ---- what can happen: people -----------------------------------------------------------------------------------------


def operate(history: History) -> None:
    rng = history.rng
    run = history.any_run()
    if run is None:
        return
    verb: Any = rng.choice(VERBS.get(run.status, ALL_VERBS) if rng.random() < 0.85 else ALL_VERBS)
    choice: Any = (
        rng.choice(["delivered", "not-delivered", "resend", "resend", "abandoned"]) if verb == "resolve" else ""
    )
    if rng.random() < 0.03:
        choice = ""
    name = run.run if rng.random() < 0.97 else "run_none"
    outcome = history.admit(inputs.Verb(run=name, verb=verb, choice=choice))
    after = history.journal.state.run_by_no(run.no)
    assert after is not None
    if outcome == "done" and name == run.run:
        _mark(history, verb, run, after)


def _mark(history: History, verb: str, run: Run, after: Run) -> None:
    if verb == "pause" and after.status == "PAUSED":
        history.marks[f"pause:{after.paused_block}"] += 1
    if verb == "resume" and run.status == "PAUSED":
        history.marks[f"resume:{run.paused_block}"] += 1
        history.marks["resume:elsewhere"] += bool(run.resume_to)
    elif verb == "resume":
        history.marks[f"resume:{run.status}:{run.reason}"] += 1
    if verb in ("cancel", "skip", "retry"):
        history.marks[f"{verb}:{run.status}"] += 1


def finish_task(history: History) -> None:
    for _ in range(3):
        run = history.any_run()
        if run is not None and run.block == "task":
            break
    else:
        return
    history.admit(inputs.TaskDone(run=run.run, outcome=history.rng.choice(["yes", "yes", "no", "maybe"])))


def finish_nothing(history: History) -> None:
    run = history.any_run()
    history.admit(inputs.TaskDone(run="run_none" if run is None else run.run, outcome="yes"))


def halt(history: History) -> None:
    rng = history.rng
    scope = rng.choice(["*", "channel:email", "plan:plan0"])
    held = [hold.scope for hold in history.journal.state.holds]
    if held and rng.random() < 0.7:
        history.admit(inputs.HoldSet(scope=rng.choice(held), on=False))
    else:
        history.admit(inputs.HoldSet(scope=scope, on=rng.random() < 0.6))


def configure(history: History) -> None:
    rng = history.rng
    settings = (
        ("trial", "true"), ("trial", "false"), ("trial", "false"), ("trial.guests", '["email-1","phone-2"]'),
        ("trial.guests", "[1]"), ("nonsense", "1"), ("breaker.pause_s", "60"), ("breaker.threshold", "true"),
        ("breaker.threshold", "not JSON"),
    )  # fmt: skip
    key, value = rng.choice(settings)
    history.admit(inputs.ConfigSet(key=key, value=value))


def change_documents(history: History) -> None:
    """Policies, plans and zones change while runs are on their way; some changes are refused."""
    rng = history.rng
    match rng.choice(
        ["policy", "policy", "plan", "plan", "same", "zones", "zones", "zones", "zones", "missing", "arm"]
    ):
        case "policy":
            rng.choice([set_policy, set_rich_policy])(history)
        case "plan":
            publish(history, random_plan(rng, "plan0", rng.randint(1, 4)))
        case "same":
            digest = history.journal.state.plan_digest("plan0", 1)
            assert digest is not None
            history.admit(inputs.PlanPublish(plan="plan0", version=1, digest=digest))
        case "zones":
            use_zones(history, moved=rng.random() < 0.7)
        case "missing":
            name = "b3:" + "0" * 64
            wanted = (
                inputs.PolicySet(digest=name),
                inputs.ZonesUse(digest=name),
                inputs.PlanPublish(plan="x", version=1, digest=name),
            )
            history.admit(rng.choice(wanted))
        case _:
            history.admit(inputs.Arm(incarnation=rng.randint(1, 3)))


def nonsense(history: History) -> None:
    kind, payload = history.rng.choice(
        [("run.enroll", '{"plan":7}'), ("no.such.kind", "{}"), ("event", "not JSON"), ("clock", "{}")]
    )
    history.raw(kind, payload)


# ---- time ------------------------------------------------------------------------------------------------------------


def pass_time(history: History) -> None:
    """Time goes on: to the next timer, or by some stretch. Now and then other things happen before late timers have fired."""
    rng = history.rng
    due = history.journal.state.next_due()
    if due is not None and due > history.tick and rng.random() < 0.4:
        history.tick = due + rng.choice([-1, 0, 0, 1])
    else:
        history.tick += rng.choice([1, 60, 600, 3_600, 6 * 3_600, 86_400])
    for _ in range(rng.choice([0, 0, 1, 3])):
        rng.choice([event, event, operate, operate, answer, consent, change_contact, finish_task, enroll])(history)
    history.drain()


Happening = Callable[[History], None]
HAPPENINGS: tuple[tuple[Happening, float], ...] = (
    (add_contact, 0.7), (enroll, 7), (pull, 22), (answer, 18), (repeat_answer, 0.5), (crash, 1), (event, 8), (operate, 10),
    (finish_task, 2), (finish_nothing, 0.3), (suppress, 1), (consent, 0.5), (change_contact, 1.2), (spoil_in_flight, 0.7),
    (erase, 0.3), (halt, 1), (configure, 0.8), (change_documents, 1.5), (nonsense, 0.3), (pass_time, 18),
    (change_packs, 0.5), (record_fact, 0.4), (load_list, 1), (happens_to_contact, 0.6),
)  # fmt: skip
_THINGS = [thing for thing, _ in HAPPENINGS]
_WEIGHTS = [weight for _, weight in HAPPENINGS]


def step(history: History) -> None:
    """Let one thing happen."""
    history.rng.choices(_THINGS, _WEIGHTS)[0](history)
