"""The operations of the gate campaign: from one seed a file, and so many random operations on it, each audited.

What can happen: contacts come, change and are forgotten; consent is given, revoked, expires, is imported; opt-outs arrive by
every road; plans share limits; the provider accepts, refuses, loses and repeats; people retry, resolve, skip, pause; bulk
verbs; the process dies; the clock jumps over midnights and clock changes; policies, packs, facts, lists and zone tables are
replaced. After each operation the auditor reads what it has left in the log.
"""

from __future__ import annotations

import random  # noqa: TID251 - operations are drawn from their seed
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import msgspec
from gate_audit import Auditor
from gate_books import About
from gate_documents import (
    FACTS,
    FEATURES,
    LISTS,
    SHIFTS_S,
    random_pack,
    random_plan,
    random_policy,
    zone_document,
)
from schedule_documents import SCRIPT, SCRIPT_DIGEST, TEMPLATE, TEMPLATE_DIGEST
from schedule_happenings import answer, crash, finish_task, halt, operate, repeat_answer
from schedule_history import History

from dee_appliance.kernel.e1 import input as inputs
from dee_appliance.kernel.e1 import plan as plans
from dee_appliance.kernel.e1.encoding import canonical, document_digest, share_of
from dee_appliance.kernel.e1.run import Given
from dee_appliance.store.journal import Brought, Genesis, Journal, write_genesis

if TYPE_CHECKING:
    from dee_appliance.kernel.e1.compiled import CompiledPlan
    from dee_appliance.kernel.e1.run import Attempt, Run
    from dee_appliance.store.database import Database

STARTS = (1_804_700_000, 1_805_900_000, 1_806_600_000, 1_824_500_000, 1_825_100_000, 1_831_900_000)
"""Shortly before clocks change in New York, London, Cairo and Auckland, and before a year ends."""

DAY_S = 86_400
CONTACTS = 40
PLANS = ("plan0", "plan1", "plan2")
PACKS = ("p1", "p2", "p3")
CHANNELS: tuple[plans.Channel, ...] = ("email", "sms", "voice")
PLACES: tuple[dict[str, Any], ...] = (
    {"zones": ["America/New_York"], "codes": ["US-FL"]},
    {"zones": ["America/New_York"], "codes": ["US-NY-NYC"]},
    {"zones": ["America/Los_Angeles"], "codes": ["US-CA"]},
    {"zones": ["America/Los_Angeles", "America/New_York"], "codes": ["US"]},
    {"zones": ["Europe/London"], "codes": ["GB"]},
    {"zones": ["Asia/Kolkata"], "codes": ["IN"]},
    {"zones": ["Africa/Cairo"], "codes": ["EG"]},
    {"zones": ["Pacific/Auckland"], "codes": []},
    {"zones": [], "codes": ["US-NY"]},
)


def units_and_features(run: str, step: str, visit: int) -> tuple[int, tuple[str, ...]]:
    """What rendering gives, as a function of the visit."""
    parts = (run, step, str(visit))
    units = 1 + share_of("test.units", parts, 3)
    found = sorted(word for word in FEATURES if share_of(f"test.{word}", parts, 8))
    return units, tuple(found)


class FeatureShell:
    """Renders nothing."""

    def give(self, seq: int, ordinal: int, attempt: Attempt, run: Run, plan: CompiledPlan) -> Given:
        del seq, ordinal, plan
        units, features = units_and_features(run.run, attempt.step, attempt.visit)
        return Given(code="ok", send_key=attempt.send_key, attempt=attempt.attempt, units=units, features=features)


@dataclass
class Campaign(History):
    """A history that is audited as it goes."""

    auditor: Auditor = field(default_factory=lambda: Auditor(lambda _: {}, units_and_features))
    documents: dict[str, dict[str, Any]] = field(default_factory=dict)
    dates: list[str] = field(default_factory=list)
    tokens: int = 0
    people: int = 0
    freed: list[str] = field(default_factory=list)
    """Addresses that nobody has any more."""
    operations: Counter[str] = field(default_factory=Counter)
    pending: list[tuple[int, str, dict[str, Any] | None, int, About | None]] = field(default_factory=list)
    read: int = 1
    versions: Counter[str] = field(default_factory=Counter)

    def raw(self, kind: str, payload: str, brought: Brought | None = None) -> str:
        """Let an input in, and note for the auditor what it is about."""
        value = msgspec.json.decode(payload)
        about = self._about(value.get("send_key", "")) if kind == "event" else None
        seq = self.journal.last_seq + 1
        outcome = super().raw(kind, payload, brought)
        self.pending.append((seq, kind, value, self.journal.last_tick, about))
        return outcome

    def _about(self, send_key: str) -> About | None:
        attempt = self.journal.state.attempt(send_key, None) if send_key else None
        if attempt is None:
            return None
        run = self.journal.state.run_by_no(attempt.run_no)
        assert run is not None
        plan = self.journal.state.plan(run.digest).plan
        return About(run.contact, run.run, attempt.attempt, attempt.to, plan.plan, plan.purpose, dict(run.variables))

    def document(self, kind: str, body: bytes, *also: tuple[str, str, str]) -> tuple[str, Brought]:
        digest = document_digest(kind, body)
        self.documents[digest] = msgspec.json.decode(body)
        documents = {digest: (kind, body.decode())} | {one: (what, text) for one, what, text in also}
        return digest, Brought(documents=documents)

    def audit(self) -> None:
        """Let the auditor read what has come into the log. Called when everything is written."""
        rows = self.journal.database.execute("SELECT body FROM audit WHERE seq >= ? ORDER BY seq", (self.read,))
        entries: dict[int, list[dict[str, Any]]] = {}
        for (body,) in rows:
            entry = msgspec.json.decode(body)
            entries.setdefault(entry["input"]["seq"], []).append(entry)
        self.read += len(rows)
        for seq, kind, payload, tick, about in self.pending:
            self.auditor.step(kind, payload, tick, entries.pop(seq), about)
        assert not entries
        self.pending.clear()


# ---- the beginning -----------------------------------------------------------------------------------------------------


def begin(seed: int, database: Database) -> Campaign:
    """Make the file of a seed: zones, policy, packs, plans, contacts."""
    rng = random.Random(seed)
    start = rng.choice(STARTS)
    with database.transaction():
        write_genesis(database, Genesis(lineage=bytes(16), epoch=start, clock="simulated", seed=seed))
    campaign = Campaign(rng=rng, journal=Journal(database, FeatureShell()), tick=start)
    campaign.auditor = Auditor(campaign.documents.__getitem__, units_and_features, seed)
    days = (start // DAY_S + offset for offset in (2, 5, 9, 14))
    campaign.dates = [msgspec.json.decode(msgspec.json.encode(_date(day))) for day in days]
    with database.transaction():
        use_zones(campaign)
        set_policy(campaign)
        campaign.plans = PLANS[: rng.randint(2, 3)]
        for name in campaign.plans:
            publish(campaign, name)
        for _ in range(rng.choice([0, 1, 2])):
            use_pack(campaign)
        for _ in range(CONTACTS):
            add_contact(campaign)
        campaign.journal.flush()
        campaign.audit()
    return campaign


def _date(day: int) -> Any:
    from datetime import date  # noqa: PLC0415 - the only use

    return date.fromordinal(date(1970, 1, 1).toordinal() + day)


def use_zones(campaign: Campaign) -> None:
    shift_s = campaign.rng.choice((0, 0, *SHIFTS_S))
    digest, body = zone_document(shift_s)
    campaign.documents[digest] = {"shift_s": shift_s}
    campaign.admit(inputs.ZonesUse(digest=digest), Brought(documents={digest: ("zones", body)}))


def set_policy(campaign: Campaign) -> None:
    digest, brought = campaign.document("policy", canonical(random_policy(campaign.rng, campaign.dates)))
    campaign.admit(inputs.PolicySet(digest=digest), brought)


def publish(campaign: Campaign, name: str) -> None:
    campaign.versions[name] += 1
    plan = random_plan(campaign.rng, name, campaign.versions[name])
    texts = (
        (TEMPLATE_DIGEST, "template", TEMPLATE.decode()),
        (SCRIPT_DIGEST, "script", SCRIPT.decode()),
    )
    digest, brought = campaign.document("plan", canonical(plan), *texts)
    campaign.admit(inputs.PlanPublish(plan=name, version=plan.version, digest=digest), brought)


def use_pack(campaign: Campaign) -> None:
    name = campaign.rng.choice(PACKS)
    digest, brought = campaign.document("pack", canonical(random_pack(campaign.rng, name, campaign.dates)))
    campaign.admit(inputs.PackUse(pack=name, digest=digest), brought)


# ---- contacts ----------------------------------------------------------------------------------------------------------


def add_contact(campaign: Campaign) -> None:
    campaign.people += 1
    contact = f"c_{campaign.people:026d}"
    campaign.contacts.append(contact)
    put_contact(campaign, contact, fresh=True)
    for channel in CHANNELS:
        if campaign.rng.random() < 0.93:
            consent(campaign, contact, channel, granted=True)


def put_contact(campaign: Campaign, contact: str, *, fresh: bool) -> None:
    """Write a contact; now and then with another address or place than before."""
    rng = campaign.rng
    declared, number = rng.choice(PLACES), rng.choice(PLACES)
    bases = {"declared": declared} if rng.random() < 0.8 else {"declared": declared, "number": number}
    known = campaign.auditor.people.get(contact)
    tokens = dict(known.tokens) if known is not None and not fresh else {}
    for kind in ("email", "phone"):
        if kind not in tokens or rng.random() < 0.2:
            tokens[kind] = _address(campaign, kind, tokens.get(kind, ""))
    present = sorted(("email", "phone") if rng.random() < 0.96 else rng.sample(("email", "phone"), 1))
    facts: dict[str, Any] = {
        "present": present,
        "zones": {basis: place["zones"] for basis, place in bases.items()},
        "jurisdictions": {basis: place["codes"] for basis, place in bases.items()},
        "phone_prefix": rng.choice(["+1206", "+4420", "+4", ""]),
    }
    if rng.random() < 0.4:
        facts["subscriber"] = rng.choice(["individual", "business"])
    if rng.random() < 0.3:
        facts["hours"] = [[[10 * 3_600, 19 * 3_600]]] * 6 + [[]]
    attributes: dict[str, inputs.Scalar] = {"vip": rng.random() < 0.2}
    if rng.random() < 0.5:
        attributes["last_purchase"] = rng.choice(["2025-09-20", "2026-01-31", "2027-02-28", "2027-03-15", "2027-09-30"])
    kept = {kind: token for kind, token in tokens.items() if kind in present}
    campaign.admit(inputs.ContactPut(contact=contact, attributes=attributes, facts=facts, tokens=kept))


def _address(campaign: Campaign, kind: str, before: str) -> str:
    """A new address, or one that somebody else had before."""
    if before:
        campaign.freed.append(before)
    old = [one for one in campaign.freed if one.startswith(kind) and one != before]
    if old and campaign.rng.random() < 0.4:
        campaign.freed.remove(old[0])
        return old[0]
    campaign.tokens += 1
    return f"{kind}-{campaign.tokens}"


def change_contact(campaign: Campaign) -> None:
    put_contact(campaign, campaign.rng.choice(campaign.contacts), fresh=False)


def consent(
    campaign: Campaign, contact: str = "", channel: plans.Channel | None = None, *, granted: bool | None = None
) -> None:
    rng = campaign.rng
    drawn: plans.Channel = rng.choice(CHANNELS)
    tick = campaign.tick
    consent_class = rng.choice(["express", "express", "written", "written", "implied"])
    campaign.admit(
        inputs.ConsentSet(
            contact=contact or rng.choice(campaign.contacts),
            channel=channel or drawn,
            purpose=rng.choice(["*", "*", "marketing", "collections"]),
            granted=rng.random() < 0.75 if granted is None else granted,
            consent_class=consent_class,
            expires=rng.choice([None] * 6 + [tick + 3_600, tick + 3 * DAY_S]),
            basis=rng.choice(["purchase", "inquiry", "talk"]) if consent_class == "implied" else "",
            obtained=rng.choice([None, tick - 20 * DAY_S, tick - 40 * DAY_S]),
            source=rng.choice(["operator", "import"]),
        )
    )


def import_people(campaign: Campaign) -> None:
    """Many at once, as a file brings them."""
    for _ in range(campaign.rng.randint(2, 6)):
        change_contact(campaign)
        consent(campaign, granted=True)


def suppress(campaign: Campaign) -> None:
    rng = campaign.rng
    if campaign.suppressed and rng.random() < 0.6:
        subject, scope = campaign.suppressed.pop()
        campaign.admit(inputs.SuppressionSet(subject=subject, on=False, scope=scope))
        return
    subject = rng.choice([rng.choice(campaign.contacts), f"email-{rng.randint(1, campaign.tokens)}", "nobody"])
    scope = rng.choice(["*", "channel:email", "channel:voice", "plan:plan0", "list:regulator"])
    campaign.suppressed.append((subject, scope))
    reason = rng.choice(["operator", "operator", "complained", "unsubscribed"])
    campaign.admit(inputs.SuppressionSet(subject=subject, on=True, scope=scope, reason=reason))


def erase(campaign: Campaign) -> None:
    """Somebody is forgotten, and a stranger comes."""
    campaign.admit(inputs.ContactErase(contact=campaign.rng.choice(campaign.contacts)))
    come(campaign)


def come(campaign: Campaign) -> None:
    """A stranger comes, and for those who choose at random whom to write to somebody else goes."""
    campaign.contacts = campaign.contacts[1:]
    add_contact(campaign)


def enroll(campaign: Campaign) -> None:
    rng = campaign.rng
    for contact in rng.sample(campaign.contacts, rng.randint(1, 4)):
        plan = rng.choice(campaign.plans)
        digest = campaign.journal.state.plan_digest(plan, None)
        assert digest is not None
        wanted = campaign.journal.state.plan(digest).plan.variables
        given: dict[str, inputs.Scalar] = {name: rng.randint(1, 2) for name in wanted}
        start = campaign.tick + DAY_S if rng.random() < 0.1 else None
        campaign.admit(inputs.Enroll(contact=contact, plan=plan, variables=given, start=start))


# ---- sends -------------------------------------------------------------------------------------------------------------


def pull(campaign: Campaign) -> None:
    """The dispatcher has free places. Whatever is due has fired by then."""
    campaign.drain()
    for channel in CHANNELS:
        if campaign.journal.state.queue(channel, 1):
            campaign.admit(inputs.Pull(channel=channel, n=campaign.rng.randint(1, 12)))
            permits = campaign.journal.take_permits()
            campaign.in_flight += permits
            campaign.sent += permits


def event(campaign: Campaign) -> None:
    """Something is said of a send, or of a contact."""
    rng = campaign.rng
    known = [*campaign.answered[-20:], *campaign.in_flight]
    if known and rng.random() < 0.85:
        about = rng.choice(known)
        prefix = {"voice": "call"}.get(about.channel, about.channel)
        words = [name for name in inputs.EVENTS if name.startswith(prefix)]
        name = rng.choice(words)
        if (inputs.EVENTS[name].suppresses or name == "email.bounced") and rng.random() < 0.8:
            name = words[0]
        campaign.admit(
            inputs.Event(
                name=name,
                send_key=about.send_key,
                kind=rng.choice(["hard", "soft"]) if name == "email.bounced" else "",
                cost_micros=rng.choice([None, None, 30, 900, -5]),
            )
        )
        return
    name = rng.choice(
        [
            "contact.conversation",
            "contact.refused",
            "sms.stop",
            "email.unsubscribed",
            "email.complained",
            "email.bounced",
        ]
    )
    campaign.admit(inputs.Event(name=name, contact=rng.choice(campaign.contacts)))


def bulk(campaign: Campaign) -> None:
    """One verb for many runs: one input for each, with the same job."""
    rng = campaign.rng
    verb: Any = rng.choice(["pause", "resume", "retry", "skip", "resume", "retry"])
    last = campaign.journal.state.next_run_no - 1
    for run_no in rng.sample(range(1, last + 1), min(last, 8)):
        run = campaign.journal.state.run_by_no(run_no)
        assert run is not None
        campaign.admit(inputs.Verb(run=run.run, verb=verb, job="bulk"))


# ---- rules -------------------------------------------------------------------------------------------------------------


def change_rules(campaign: Campaign) -> None:
    rng = campaign.rng
    match rng.choice(["policy", "policy", "pack", "pack", "retire", "fact", "fact", "list", "list", "zones", "plan"]):
        case "policy":
            set_policy(campaign)
        case "pack":
            use_pack(campaign)
        case "retire":
            campaign.admit(inputs.PackRetire(pack=rng.choice(PACKS)))
        case "fact":
            campaign.admit(inputs.FactSet(name=rng.choice(FACTS), value=rng.choice([True, True, False, None])))
        case "list":
            load_list(campaign)
        case "zones":
            use_zones(campaign)
        case _:
            publish(campaign, rng.choice(campaign.plans))


def load_list(campaign: Campaign) -> None:
    """A new version of a list: some of the addresses, as of some days ago; now and then it is incomplete."""
    rng = campaign.rng
    name = rng.choice(LISTS)
    version = campaign.journal.state.lists.version(name) + 1
    there = len(campaign.auditor.loading[name, version])
    tokens = {f"{rng.choice(['email', 'phone'])}-{rng.randint(1, campaign.tokens)}" for _ in range(rng.randint(0, 6))}
    new = sorted(tokens - campaign.auditor.loading[name, version])
    campaign.admit(inputs.ListAdd(list=name, version=version, tokens=tuple(new)))
    count = there + len(new) + (rng.random() < 0.1)
    as_of = campaign.tick - rng.choice([0, DAY_S, 2 * DAY_S, 30 * DAY_S])
    campaign.admit(inputs.ListUse(list=name, version=version, as_of=as_of, count=count))


# ---- time --------------------------------------------------------------------------------------------------------------


def pass_time(campaign: Campaign) -> None:
    """Time goes on: to the next timer, to when a consent expires, or by some stretch."""
    rng = campaign.rng
    due = campaign.journal.state.next_due()
    expires = campaign.journal.database.execute("SELECT min(expires) FROM consent WHERE expires > ?", (campaign.tick,))
    if due is not None and due > campaign.tick and rng.random() < 0.5:
        campaign.tick = due + rng.choice([-1, 0, 0, 0, 1])
    elif expires[0][0] is not None and rng.random() < 0.2:
        campaign.tick = expires[0][0]
    else:
        campaign.tick += rng.choice([1, 1, 10, 60, 600, 3_600, 3_600, 6 * 3_600, DAY_S])
    if rng.random() < 0.8:
        campaign.drain()


Operation = Callable[[Any], None]
OPERATIONS: tuple[tuple[Operation, float], ...] = (
    (enroll, 12), (pull, 26), (answer, 22), (repeat_answer, 1), (crash, 1), (event, 11), (operate, 9), (bulk, 0.7),
    (finish_task, 2), (change_contact, 1.5), (import_people, 0.2), (consent, 2), (suppress, 1), (erase, 0.3), (come, 3),
    (halt, 0.5), (change_rules, 0.8), (pass_time, 14),
)  # fmt: skip
_WHAT = [one for one, _ in OPERATIONS]
_WEIGHTS = [weight for _, weight in OPERATIONS]


def operate_once(campaign: Campaign) -> None:
    """Let one thing happen: what finds nothing to do is none."""
    before, name = campaign.journal.last_seq, ""
    while campaign.journal.last_seq == before:
        chosen = campaign.rng.choices(_WHAT, _WEIGHTS)[0]
        chosen(campaign)
        name = chosen.__name__
    campaign.operations[name] += 1
