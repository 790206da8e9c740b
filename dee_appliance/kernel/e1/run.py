"""Runs, what a decision may read (Snapshot), and what it may ask for (Decision).

Everything a decision reads stands in the snapshot, fetched before; everything it wants done stands in the decision,
written after, in the same transaction. The status of a run changes only along TRANSITIONS: a pair that is not listed
is refused.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from dee_appliance.kernel.e1.input import Scalar
from dee_appliance.kernel.e1.plan import Channel
from dee_appliance.kernel.e1.policy import SuppressionRule

Status = Literal["PENDING", "ACTIVE", "WAITING", "HELD", "PAUSED", "COMPLETED", "FAILED", "CANCELLED"]
Trigger = Literal[
    "advance",
    "wait",
    "hold",
    "complete",
    "fail",
    "pause",
    "resume",
    "postpone",
    "cancel",
    "retry",
    "resolve",
    "skip",
    "recover",
]

TRANSITIONS: dict[Status, dict[Trigger, Status]] = {
    "PENDING": {
        "advance": "ACTIVE",
        "complete": "COMPLETED",
        "fail": "FAILED",
        "pause": "PAUSED",
        "cancel": "CANCELLED",
    },
    "ACTIVE": {
        "advance": "ACTIVE",
        "wait": "WAITING",
        "hold": "HELD",
        "complete": "COMPLETED",
        "fail": "FAILED",
        "pause": "PAUSED",
        "skip": "ACTIVE",
        "cancel": "CANCELLED",
    },
    "WAITING": {
        "advance": "ACTIVE",
        "complete": "COMPLETED",
        "fail": "FAILED",
        "pause": "PAUSED",
        "skip": "ACTIVE",
        "cancel": "CANCELLED",
    },
    "HELD": {
        "advance": "ACTIVE",
        "complete": "COMPLETED",
        "fail": "FAILED",
        "pause": "PAUSED",
        "resume": "ACTIVE",
        "skip": "ACTIVE",
        "cancel": "CANCELLED",
    },
    "PAUSED": {
        "resume": "ACTIVE",
        "postpone": "PENDING",
        "complete": "COMPLETED",
        "fail": "FAILED",
        "cancel": "CANCELLED",
    },
    "FAILED": {
        "retry": "ACTIVE",
        "postpone": "PENDING",
        "resume": "ACTIVE",
        "recover": "ACTIVE",
        "resolve": "FAILED",
        "skip": "ACTIVE",
        "cancel": "CANCELLED",
    },
    "COMPLETED": {},
    "CANCELLED": {},
}
"""The automaton of a run: status → trigger → status. A pair that is missing is refused and recorded."""

LIVE: tuple[Status, ...] = ("PENDING", "ACTIVE", "WAITING", "HELD", "PAUSED", "FAILED")
ENDED: tuple[Status, ...] = ("COMPLETED", "CANCELLED")

AttemptState = Literal[
    "INTENDED",
    "PARKED",
    "DISPATCHING",
    "ONGOING",
    "ACCEPTED",
    "REJECTED",
    "UNKNOWN",
    "NOT_SENT",
    "ABANDONED",
    "CANCELLED",
]
AttemptTrigger = Literal[
    "pull",
    "park",
    "release",
    "cancel",
    "ongoing",
    "accepted",
    "rejected",
    "unknown",
    "confirmed",
    "not_sent",
    "abandoned",
]

ATTEMPT_TRANSITIONS: dict[AttemptState, dict[AttemptTrigger, AttemptState]] = {
    "INTENDED": {"pull": "DISPATCHING", "park": "PARKED", "cancel": "CANCELLED"},
    "PARKED": {"release": "INTENDED", "cancel": "CANCELLED"},
    "DISPATCHING": {"ongoing": "ONGOING", "accepted": "ACCEPTED", "rejected": "REJECTED", "unknown": "UNKNOWN"},
    "ONGOING": {"accepted": "ACCEPTED", "rejected": "REJECTED", "unknown": "UNKNOWN"},
    "UNKNOWN": {"confirmed": "ACCEPTED", "not_sent": "NOT_SENT", "abandoned": "ABANDONED"},
    "ACCEPTED": {},
    "REJECTED": {},
    "NOT_SENT": {},
    "ABANDONED": {},
    "CANCELLED": {},
}
"""The automaton of an attempt. PARKED is an intended send that waits for a private reason (hours, pause, trial guest list).
ONGOING is a call that the provider has taken and that has no final outcome yet."""

Block = Literal["start", "wait", "task", "queue", "flight", "call", "hold", "backoff", "failed", "ended"]
"""What a run is blocked on; it says what a due timer of the run means."""


class Frozen(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """Base of the kernel's values."""


class StepMemory(Frozen, frozen=True, kw_only=True):
    """What a run knows of the latest visit of one step: its outcome and the event words seen about it (see memory.py)."""

    visit: int = 0
    outcome: str = ""
    seen: tuple[str, ...] = ()


class Run(Frozen, frozen=True, kw_only=True):
    """One contact going through one plan version.

    Ticks are absolute; `rs` and `rp` are length and head of the run's own chain.
    """

    no: int
    run: str
    contact: str
    plan: str
    digest: str
    ordinal: int
    started: int
    status: Status = "PENDING"
    block: Block = "start"
    step: str = ""
    visit: int = 0
    due: int | None = None
    entered: int = 0
    """When the current step was entered; before the first one, when the run is to start."""
    reason: str = ""
    """Why it is FAILED or HELD; the outcome when COMPLETED."""
    remaining: int | None = None
    """Seconds left of the wait that a pause interrupted."""
    resume_to: str = ""
    """The step to enter on resume, when something finished while the run was paused."""
    paused_block: str = ""
    send: str = ""
    """Send key of the current send visit; empty outside a send."""
    attempt: int = 0
    """Attempt number of the current send visit; 0 outside a send."""
    visits: dict[str, int] = {}
    memory: dict[str, StepMemory] = {}
    counts: dict[str, int] = {}
    variables: dict[str, Scalar] = {}
    previous: str = ""
    rs: int = 0
    rp: str = ""


class Attempt(Frozen, frozen=True, kw_only=True):
    """One try of one intended send. `reserved` lists (counter, bucket, amount, kind) that a certain failure gives back."""

    no: int
    send_key: str
    attempt: int
    run_no: int
    run: str
    contact: str
    channel: Channel
    plan: str
    step: str
    visit: int
    state: AttemptState = "INTENDED"
    ready: int = 0
    entered: int = 0
    reserved: tuple[tuple[str, str, int, str], ...] = ()
    resends: int = 0
    taken: bool = False
    """A word of the provider has outrun its answer: it has the message, whatever the answer says."""
    to: str = ""
    """The token of the address that it was sent to; what is said about it concerns that address, even when the
    contact has a new one."""
    sent: int = 0
    """The tick at which it was marked for dispatch."""
    cost: int | None = None
    """What was settled for it, in micro-units."""
    told: int | None = None
    """What it costs by a word that came before it was settled."""
    tallied: tuple[str, ...] = ()
    """The events of the send that have been counted for ratios."""


class Consent(Frozen, frozen=True, kw_only=True):
    """A consent or its revocation; `entry` is the audit entry that recorded it.

    `basis` says what an implied consent follows from, `obtained` when it was given (a tick).
    """

    granted: bool
    consent_class: str
    expires: int | None
    entry: int
    basis: str = ""
    obtained: int = 0
    to: str = ""
    """The token of the address that the contact had on the channel when it was given."""


class Suppression(Frozen, frozen=True, kw_only=True):
    """A suppression that applies to the contact or one of its addresses."""

    subject: str
    scope: str
    reason: str
    entry: int


class Contact(Frozen, frozen=True, kw_only=True):
    """What a decision may know of a contact. `known` is False for a contact that was never imported."""

    contact: str
    known: bool = True
    erased: bool = False
    attributes: dict[str, Scalar] = {}
    facts: dict[str, object] = {}
    tokens: dict[str, str] = {}
    consents: dict[tuple[str, str], Consent] = {}
    suppressions: tuple[Suppression, ...] = ()


NOTHING_SENT = ("rejected", "not_sent")
"""Outcomes of an attempt of which it is certain that nothing was sent: it does not count."""


class Touch(Frozen, frozen=True, kw_only=True):
    """What happened to a contact that a cap may count: an attempt, marked when it was dispatched, or a happening.

    `what` is the channel, or conversation, refusal or abandoned; `outcome` what became of the attempt ("" while that is not
    known); `entry` is the audit entry. Of a happening that came without a send, plan and the rest are not known.
    """

    contact: str
    tick: int
    attempt_no: int
    what: str
    entry: int
    channel: str = ""
    plan: str = ""
    purpose: str = ""
    outcome: str = ""
    address: str = ""
    variables: dict[str, Scalar] = {}


class ListInUse(Frozen, frozen=True, kw_only=True):
    """A suppression list that was loaded: which version, as of which tick, and the entry that brought it into use."""

    version: int
    as_of: int
    entry: int


class Enrolment(Frozen, frozen=True, kw_only=True):
    """How often this contact has entered the plan, and when last."""

    ordinal: int = 0
    tick: int = 0


def plan_scope(plan: str, channel: str | None = None) -> str:
    """Return the scope of a plan's sends, on one channel if it is given."""
    return f"plan:{plan}" if channel is None else f"plan:{plan}/{channel}"


def scopes_of(plan: str, channel: str) -> tuple[str, ...]:
    """Return every scope whose shared hold stops a send of this plan on this channel."""
    return "*", f"channel:{channel}", plan_scope(plan), plan_scope(plan, channel)


class Hold(Frozen, frozen=True, kw_only=True):
    """A shared hold: nothing of this scope is pulled until the tick `until`, or until a person releases it."""

    scope: str
    reason: str
    until: int | None = None
    entry: int = 0


class Entry(Frozen, frozen=True, kw_only=True):
    """One audit entry as the kernel wants it; the store adds the links of the global chain.

    `core` is canonical JSON. `saw` holds shared values the gate read; `extra` further body fields (send, evidence).
    """

    core: bytes
    run: str | None = None
    run_no: int | None = None
    contact: str | None = None
    """Set when the entry belongs to this contact's own chain, or speaks of a contact that is not in the file."""
    saw: dict[str, object] | None = None
    extra: dict[str, object] | None = None


class CounterChange(Frozen, frozen=True, kw_only=True):
    """Add to the settled and reserved amounts of one counter bucket."""

    name: str
    bucket: str
    settled: int = 0
    reserved: int = 0


class Mark(Frozen, frozen=True, kw_only=True):
    """A row of the append-only send ledger."""

    no: int
    send_key: str
    attempt: int
    mark: str


class Permit(Frozen, frozen=True, kw_only=True):
    """The gate's leave to hand one attempt to an adapter. Only the gate makes one, and every adapter asks for one."""

    send_key: str
    attempt: int
    channel: Channel
    run: str
    contact: str
    step: str
    visit: int = 1
    tick: int
    resends: int = 0


class Decision(Frozen, frozen=True, kw_only=True):
    """Everything that one input (or one due timer, or one candidate of a pull) does to the file."""

    entries: tuple[Entry, ...] = ()
    runs: tuple[Run, ...] = ()
    attempts: tuple[Attempt, ...] = ()
    marks: tuple[Mark, ...] = ()
    counters: tuple[CounterChange, ...] = ()
    holds: tuple[Hold, ...] = ()
    released: tuple[tuple[str, str], ...] = ()
    """Shared holds (scope, reason) that end."""
    suppress: tuple[Suppression, ...] = ()
    lift: tuple[tuple[str, str], ...] = ()
    consents: tuple[tuple[str, str, Consent], ...] = ()
    contact: Contact | None = None
    erase: bool = False
    enrolment: tuple[str, Enrolment] | None = None
    permit: Permit | None = None
    breaker: tuple[str, int] | None = None
    """The channel's count of failures in a row from now on."""
    touches: tuple[Touch, ...] = ()
    """What caps may count from now on; `entry` is the position of its entry in this decision."""
    touched: tuple[tuple[Attempt, str], ...] = ()
    """Attempts whose outcome is known now."""
    outcome: str = "done"
    """What a command is told: done, or rejected:<code>."""


class Given(Frozen, frozen=True, kw_only=True):
    """What rendering gave, made in the shell and recorded: the kernel sees neither the text nor the addresses.

    `code` is "ok" or a closed failure code; `units` are the segments of a text message; `field` names a missing template field.
    """

    code: str
    send_key: str
    attempt: int
    field: str = ""
    template: str = ""
    renderer: str = ""
    bytes: int = 0
    units: int = 1
    commitment: str = ""
    features: tuple[str, ...] = ()
    """What was found in the message of what content rules look for, sorted."""


class Snapshot(msgspec.Struct, kw_only=True):
    """Everything a decision about one contact may read.

    `runs` are the contact's live runs (and one ended run, if the input names it).
    """

    tick: int
    lineage: bytes
    contact: Contact
    runs: tuple[Run, ...] = ()
    attempts: dict[int, Attempt] = {}
    """The newest attempt of each run's current send, by run number."""
    about: Attempt | None = None
    """The attempt that the input names, which need not be the newest of its run."""
    taken_addresses: tuple[str, ...] = ()
    """Kinds of the addresses that the input would give the contact and that another one has, who was not erased."""
    next_run_no: int = 1
    next_attempt_no: int = 1
    enrolment: Enrolment = Enrolment()
    breaker_failures: int = 0
    breaker_open: bool = False
    """Whether the breaker of the channel that the input is about holds its queue already."""
    breaker_threshold: int = 5
    breaker_pause_s: int = 300
    opt_out_rules: tuple[SuppressionRule, ...] = ()
    """The suppression rules in use: they say how far an opt-out reaches."""
