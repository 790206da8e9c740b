"""A published plan: the normalised form that runs execute.

What people write (TOML, durations as "3d", defaults left out) is turned into these structs by the authoring room; here every
default is explicit, every target is named, every duration is in seconds and every condition is text that has been type-checked.
The canonical JSON of a `Plan` is what its digest names, so a field added here must have a default that is omitted from the
encoding: a plan means for ever what its schema number meant.

This file does not know how a plan is written, checked or executed.
"""

from __future__ import annotations

from typing import Literal

import msgspec

Channel = Literal["email", "sms", "voice"]
Purpose = Literal["marketing", "transactional", "collections", "regulatory"]
CallOutcome = Literal["answered", "voicemail", "declined", "no_answer", "busy", "failed"]
RecoverOn = Literal["transient", "permanent", "confirmed"]
DenyAction = Literal["fail", "end"]

CALL_OUTCOMES: tuple[CallOutcome, ...] = ("answered", "voicemail", "declined", "no_answer", "busy", "failed")
SEND_OUTCOMES: tuple[str, ...] = ("accepted", "rejected")
PLAN_SCHEMAS = (1,)
"""The schemas that this epoch executes: a plan means for ever what the number of its schema meant."""

MAX_STEPS = 500
MAX_VISITS = 1000


class Part(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Base of every struct inside a plan."""


class AttributeDeclaration(Part, frozen=True, kw_only=True):
    """The type of a contact attribute or an enrolment variable that the plan may read.

    `kind` is bool, int, date (ISO text), zone (IANA id) or enum; `values` lists an enum's values.
    """

    kind: Literal["bool", "int", "date", "zone", "enum"]
    values: tuple[str, ...] = ()


class Recover(Part, frozen=True, kw_only=True):
    """The recovery policy of one step: which failures, how many attempts in all, and the pauses between them (seconds).

    The last pause repeats if there are more attempts than pauses. `confirmed` lets a run go on by itself when an unknown outcome
    turns out to have been accepted.
    """

    on: tuple[RecoverOn, ...]
    attempts: int = 1
    backoff_s: tuple[int, ...] = ()


class StepBase(Part, frozen=True, kw_only=True):
    """What every step has.

    `max_visits` bounds a cycle: the visit after it goes to `after_visits` instead. `skippable` lets an operator's skip verb pass.
    """

    id: str
    max_visits: int | None = None
    after_visits: str | None = None
    skippable: bool = False


class SendEmail(StepBase, frozen=True, kw_only=True, tag="send_email", tag_field="do"):
    """Send the template `template` by e-mail; `on` maps the outcomes of SEND_OUTCOMES, `next` takes every other."""

    template: str
    next: str
    on: dict[str, str] = {}
    recover: Recover | None = None
    send_by_s: int | None = None
    """Seconds after the step was entered when the message is stale: it is then held for a person, never sent late."""


class SendSms(StepBase, frozen=True, kw_only=True, tag="send_sms", tag_field="do"):
    """Send the template `template` as a text message; fields as for SendEmail."""

    template: str
    next: str
    on: dict[str, str] = {}
    recover: Recover | None = None
    send_by_s: int | None = None


class Call(StepBase, frozen=True, kw_only=True, tag="call", tag_field="do"):
    """Call the contact with `script`; `on` maps CALL_OUTCOMES, `next` takes every other.

    `max_duration_s` is what the budget reserves, and with `ring_s` the deadline after which the outcome counts as unknown.
    """

    script: str
    next: str
    on: dict[str, str] = {}
    recover: Recover | None = None
    send_by_s: int | None = None
    max_duration_s: int = 300
    ring_s: int = 120


class Wait(StepBase, frozen=True, kw_only=True, tag="wait", tag_field="do"):
    """Wait, in one of three ways, and then go to `next`.

    - `for_s`: a duration in seconds. With `until` (a condition) the wait ends early at `then` once the condition holds.
    - `at_s`: until this second of the local day in the contact's zone, on one of `weekdays` (0 = Monday) if given.
    - `date`: until local midnight of that date attribute, plus `at_s`, plus `offset_s` (negative: before).
    """

    next: str
    for_s: int | None = None
    until: str | None = None
    then: str | None = None
    at_s: int | None = None
    weekdays: tuple[int, ...] = ()
    date: str | None = None
    offset_s: int = 0


class Case(Part, frozen=True, kw_only=True):
    """One case of a branch: the first whose condition holds is taken."""

    when: str
    then: str


class Branch(StepBase, frozen=True, kw_only=True, tag="branch", tag_field="do"):
    """Go to the first case whose condition holds, else to `otherwise`."""

    cases: tuple[Case, ...]
    otherwise: str


class Arm(Part, frozen=True, kw_only=True):
    """One arm of a split with its share in parts of the sum of all weights."""

    name: str
    weight: int
    then: str


class Split(StepBase, frozen=True, kw_only=True, tag="split", tag_field="do"):
    """Divide contacts over arms by a hash of plan name, step, salt and contact id: stable over plan versions."""

    arms: tuple[Arm, ...]
    salt: str = ""


class Task(StepBase, frozen=True, kw_only=True, tag="task", tag_field="do"):
    """A person does something within `timeout_s` seconds and reports one of `on`'s outcomes; the timeout goes to `next`."""

    instructions: str
    timeout_s: int
    next: str
    on: dict[str, str]


class End(StepBase, frozen=True, kw_only=True, tag="end", tag_field="do"):
    """The run ends with this outcome."""

    outcome: str


Step = SendEmail | SendSms | Call | Wait | Branch | Split | Task | End
SendStep = SendEmail | SendSms | Call

CHANNEL_OF: dict[str, Channel] = {"send_email": "email", "send_sms": "sms", "call": "voice"}


class Exit(Part, frozen=True, kw_only=True):
    """Checked before every step and on every input about the contact; the first that holds ends the run with `outcome`."""

    when: str
    outcome: str


class Enroll(Part, frozen=True, kw_only=True):
    """Who may enter again: `reentry` never, after_exit or always; `min_gap_s` since the last enrolment's start.

    `exclusive`: refused while another run of a plan with the same purpose is live for the contact.
    """

    reentry: Literal["never", "after_exit", "always"] = "never"
    min_gap_s: int = 0
    exclusive: bool = False


class Hours(Part, frozen=True, kw_only=True):
    """Half-open spans (open_s, close_s) of the contact's local day for each weekday, Monday first; close may pass midnight.

    `half_days` gives the spans of single dates. The calendar of closed dates and half-days covers the dates up to
    `closed_until` ("": all).
    """

    weekly: tuple[tuple[tuple[int, int], ...], ...]
    closed_dates: tuple[str, ...] = ()
    half_days: dict[str, tuple[tuple[int, int], ...]] = {}
    closed_until: str = ""


class Budget(Part, frozen=True, kw_only=True):
    """A limit in micro-units of `currency` (1 USD = 1,000,000)."""

    limit_micros: int
    currency: str


class PlanPolicy(Part, frozen=True, kw_only=True):
    """What the plan tightens of the file's policy.

    `on_deny` says per kind of rule whether a denied run fails (default) or ends.
    """

    daily_sends: int | None = None
    budget: Budget | None = None
    calling_hours: Hours | None = None
    on_deny: dict[str, DenyAction] = {}


class Plan(Part, frozen=True, kw_only=True):
    """One immutable plan version. `templates` and `scripts` pin each name to the digest of its document."""

    schema: int = 1
    plan: str
    version: int
    purpose: Purpose
    title: str = ""
    attributes: dict[str, AttributeDeclaration] = {}
    variables: dict[str, AttributeDeclaration] = {}
    texts: tuple[str, ...] = ()
    """Names of the free texts that an enrolment brings: templates read them, the kernel never sees them."""
    required: tuple[str, ...] = ()
    """Attributes that a condition or wait reads without has(): enrolment of a contact without them is refused."""
    enroll: Enroll = Enroll()
    policy: PlanPolicy = PlanPolicy()
    exits: tuple[Exit, ...] = ()
    steps: tuple[Step, ...]
    templates: dict[str, str] = {}
    scripts: dict[str, str] = {}


def kind_of(step: Step) -> str:
    """Return the step's `do` word, as written in the plan and in the log."""
    return str(type(step).__struct_config__.tag)


def targets_of(step: Step) -> tuple[str, ...]:
    """Return every step id this step can go to, in a fixed order, repeats included."""
    own = _own_targets(step)
    return own if step.after_visits is None else (*own, step.after_visits)


def _own_targets(step: Step) -> tuple[str, ...]:
    match step:
        case SendEmail() | SendSms() | Call() | Task():
            return (step.next, *(step.on[key] for key in sorted(step.on)))
        case Wait():
            return (step.next,) if step.then is None else (step.then, step.next)
        case Branch():
            return (*(case.then for case in step.cases), step.otherwise)
        case Split():
            return tuple(arm.then for arm in step.arms)
        case End():
            return ()


def decode_plan(body: bytes) -> Plan:
    """Read a plan document as it was published. Raises msgspec.ValidationError if it is none."""
    return msgspec.json.decode(body, type=Plan)
