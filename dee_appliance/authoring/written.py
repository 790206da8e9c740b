"""The plan as people write it: the types that validate a plan file and from which its JSON Schema is generated.

Here durations are text ("3d"), defaults are left out and the next step is the next in the file. `normalise` turns it into the
plan that runs execute. A field added here needs a default, a line in docs/plan-format.md and a place in `normalise`.

The `title` of a field's type says how to write it; it is what a reader of a refusal sees.
"""

from __future__ import annotations

import datetime
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from dee_appliance.kernel.e1.plan import MAX_STEPS, MAX_VISITS, Purpose, RecoverOn

MAX_EXITS = 50

_DURATION_PATTERN = r"^(?=[0-9])([0-9]{1,9}w)?([0-9]{1,9}d)?([0-9]{1,9}h)?([0-9]{1,9}m)?([0-9]{1,9}s)?$"

PlanName = Annotated[
    str,
    Meta(
        pattern="^[a-z0-9][a-z0-9-]{0,63}$",
        title="a name of lower-case letters, digits and hyphens",
        examples=["welcome"],
    ),
]
StepId = Annotated[
    str,
    Meta(
        pattern="^[a-z0-9][a-z0-9_-]{0,63}$",
        title="an id of lower-case letters, digits, hyphens and underscores",
        examples=["intro"],
    ),
]
Target = Annotated[
    str, Meta(pattern="^[a-z0-9][a-z0-9_-]{0,63}$", title="the id of a step in this plan", examples=["follow-up"])
]
Outcome = Annotated[
    str,
    Meta(
        pattern="^[a-z0-9][a-z0-9_-]{0,63}$",
        title="an outcome of lower-case letters, digits, hyphens and underscores",
        examples=["replied"],
    ),
]
FieldName = Annotated[
    str,
    Meta(
        pattern="^[a-z][a-z0-9_]{0,63}$",
        title="a name of lower-case letters, digits and underscores",
        examples=["tier"],
    ),
]
FileName = Annotated[
    str,
    Meta(
        pattern="^[a-z0-9][a-z0-9_-]{0,63}$",
        title="the name of a file without folder and ending",
        examples=["intro"],
    ),
]
EnumValue = Annotated[str, Meta(min_length=1, max_length=64, title="a short text")]
Condition = Annotated[
    str, Meta(min_length=1, max_length=2_000, title="a condition in quotes", examples=['replied("intro")'])
]
Duration = Annotated[
    str, Meta(pattern=_DURATION_PATTERN, title='a duration in quotes such as "90s", "3d" or "1d12h"', examples=["3d"])
]
Offset = Annotated[
    str,
    Meta(
        pattern=_DURATION_PATTERN.replace("^", "^[+-]?", 1),
        title='a duration in quotes that may have a sign, such as "-2d"',
        examples=["-2d"],
    ),
]
Amount = Annotated[
    str,
    Meta(pattern=r"^[0-9]{1,9}(\.[0-9]{1,6})?$", title='an amount in quotes such as "250.00"', examples=["250.00"]),
]
Currency = Annotated[str, Meta(pattern="^[A-Z]{3}$", title="a currency of three capital letters", examples=["USD"])]
Weekdays = Annotated[
    str,
    Meta(
        pattern="^[A-Za-z]{3}( ?[,-] ?[A-Za-z]{3})*$",
        title='weekdays in quotes such as "Mon-Fri" or "Sat,Sun"',
        examples=["Mon-Fri"],
    ),
]
TimeOfDay = Annotated[datetime.time, Meta(title="a time of day such as 09:00:00", tz=False)]
Date = Annotated[datetime.date, Meta(title="a date such as 2026-12-25")]
Text = Annotated[str, Meta(min_length=1, max_length=2_000, title="a text")]
Count = Annotated[int, Meta(ge=1, le=1_000_000, title="a whole number from 1 to 1000000")]


class WrittenPart(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of every table of a plan file."""


class WrittenEnroll(WrittenPart, frozen=True, kw_only=True):
    """Who may enter the plan again, and when."""

    reentry: Literal["never", "after_exit", "always"] = "never"
    min_gap: Duration | None = None
    exclusive: bool = False


class WrittenBudget(WrittenPart, frozen=True, kw_only=True):
    """The most the plan may spend, over all its runs."""

    amount: Amount
    currency: Currency


class WrittenHours(WrittenPart, frozen=True, kw_only=True):
    """Hours of the contact's local day; `to` at or before `from` passes midnight, and `to = 00:00:00` is midnight."""

    days: Weekdays
    opens: TimeOfDay = msgspec.field(name="from")
    closes: TimeOfDay = msgspec.field(name="to")


class WrittenPolicy(WrittenPart, frozen=True, kw_only=True):
    """What the plan tightens of the file's policy."""

    daily_sends: Count | None = None
    budget: WrittenBudget | None = None
    calling_hours: WrittenHours | Annotated[list[WrittenHours], Meta(min_length=1, max_length=50)] | None = None
    closed_dates: Annotated[list[Date], Meta(max_length=500)] | None = None
    on_deny: dict[str, Literal["fail", "end"]] | None = None


class WrittenExit(WrittenPart, frozen=True, kw_only=True):
    """Looked at before every step and on every input about the contact: when it holds, the run ends."""

    when: Condition
    outcome: Outcome


class WrittenRecover(WrittenPart, frozen=True, kw_only=True):
    """Which failures of a step are tried again, how often in all, and after which pauses."""

    on: Annotated[list[RecoverOn], Meta(min_length=1, max_length=3)]
    attempts: Annotated[int, Meta(ge=1, le=20, title="a whole number from 1 to 20")] | None = None
    backoff: Annotated[list[Duration], Meta(min_length=1, max_length=19)] | None = None


class WrittenStepBase(WrittenPart, frozen=True, kw_only=True):
    """What every step may say. After `max_visits` visits the run goes to `after` instead of entering the step again."""

    id: StepId
    max_visits: Annotated[int, Meta(ge=1, le=MAX_VISITS, title=f"a whole number from 1 to {MAX_VISITS}")] | None = None
    after: Target | None = None
    skippable: bool = False


class WrittenSend(WrittenStepBase, frozen=True, kw_only=True):
    """What sends and calls have in common. `next` takes every outcome that `on` does not; default: the next step in the file."""

    next: Target | None = None
    recover: WrittenRecover | None = None
    send_by: Duration | None = None


class WrittenSendEmail(WrittenSend, frozen=True, kw_only=True, tag="send_email", tag_field="do"):
    """Send templates/NAME.eml.j2 by e-mail."""

    template: FileName
    on: dict[Literal["accepted", "rejected"], Target] | None = None


class WrittenSendSms(WrittenSend, frozen=True, kw_only=True, tag="send_sms", tag_field="do"):
    """Send templates/NAME.sms.j2 as a text message."""

    template: FileName
    on: dict[Literal["accepted", "rejected"], Target] | None = None


class WrittenCall(WrittenSend, frozen=True, kw_only=True, tag="call", tag_field="do"):
    """Call the contact with scripts/NAME.toml."""

    script: FileName
    on: dict[Literal["answered", "voicemail", "declined", "no_answer", "busy", "failed"], Target] | None = None
    max_duration: Duration | None = None
    ring: Duration | None = None


class WrittenWait(WrittenStepBase, frozen=True, kw_only=True, tag="wait", tag_field="do"):
    """Wait for a time (`for`), for an event with a timeout (`until`, `then`, `for`), or until a time of day or a date."""

    next: Target | None = None
    duration: Duration | None = msgspec.field(default=None, name="for")
    until: Condition | None = None
    then: Target | None = None
    at: TimeOfDay | None = None
    on_days: Weekdays | None = None
    date: FieldName | None = None
    offset: Offset | None = None


class WrittenCase(WrittenPart, frozen=True, kw_only=True):
    """One case of a branch."""

    when: Condition
    then: Target


class WrittenBranch(WrittenStepBase, frozen=True, kw_only=True, tag="branch", tag_field="do"):
    """Go to the first case whose condition holds, else to `else`."""

    case: Annotated[list[WrittenCase], Meta(min_length=1, max_length=50)]
    otherwise: Target = msgspec.field(name="else")


class WrittenArm(WrittenPart, frozen=True, kw_only=True):
    """One arm of a split; its share is its weight over the sum of all weights."""

    name: Outcome
    weight: Count
    then: Target


class WrittenSplit(WrittenStepBase, frozen=True, kw_only=True, tag="split", tag_field="do"):
    """Divide contacts over arms, the same contact always into the same arm."""

    arms: Annotated[list[WrittenArm], Meta(min_length=2, max_length=50)]
    salt: Annotated[str, Meta(max_length=64, title="a text of at most 64 characters")] = ""


class WrittenTask(WrittenStepBase, frozen=True, kw_only=True, tag="task", tag_field="do"):
    """Ask a person to do something and to report one of the outcomes of `on`; after `within` the run goes to `next`."""

    instructions: Text
    within: Duration
    on: Annotated[dict[Outcome, Target], Meta(min_length=1, max_length=20)]
    next: Target | None = None


class WrittenEnd(WrittenStepBase, frozen=True, kw_only=True, tag="end", tag_field="do"):
    """The run ends with this outcome."""

    outcome: Outcome


WrittenStep = (
    WrittenSendEmail
    | WrittenSendSms
    | WrittenCall
    | WrittenWait
    | WrittenBranch
    | WrittenSplit
    | WrittenTask
    | WrittenEnd
)

VariableType = (
    Literal["bool", "int", "date", "zone", "text"] | Annotated[list[EnumValue], Meta(min_length=1, max_length=200)]
)
"""As an attribute, or "text": free text that templates may read and conditions may not."""
AttributeType = Literal["bool", "int", "date", "zone"] | Annotated[list[EnumValue], Meta(min_length=1, max_length=200)]


class WrittenPlan(WrittenPart, frozen=True, kw_only=True):
    """A plan file."""

    plan: PlanName
    version: Count
    purpose: Purpose
    title: Annotated[str, Meta(max_length=200, title="a text of at most 200 characters")] = ""
    attributes: dict[FieldName, AttributeType] | None = None
    variables: dict[FieldName, VariableType] | None = None
    enroll: WrittenEnroll | None = None
    policy: WrittenPolicy | None = None
    exit: Annotated[list[WrittenExit], Meta(max_length=MAX_EXITS)] | None = None
    step: Annotated[list[WrittenStep], Meta(min_length=1, max_length=MAX_STEPS)]
