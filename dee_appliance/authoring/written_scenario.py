"""The scenario file as people write it: the types that validate it and from which its JSON Schema is generated.

A scenario says who is in the file, what happens to them and when, and what must have come of it. `dee plan test` runs it; what
the words mean is told in docs/plan-tests.md, which a field added here needs a line in.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from dee_appliance.authoring.written import Amount, Count, Duration, FieldName, PlanName, StepId, Text, TimeOfDay
from dee_appliance.authoring.written import WrittenPart as Part
from dee_appliance.kernel.e1.plan import Channel
from dee_appliance.kernel.e1.run import Status

MAX_CASES = 1_000
MAX_ITEMS = 1_000

Handle = Annotated[
    str,
    Meta(
        pattern="^[a-z0-9][a-z0-9_-]{0,63}$",
        title="a name of lower-case letters, digits, hyphens and underscores",
        examples=["jane"],
    ),
]
FilePath = Annotated[str, Meta(min_length=1, max_length=1_000, title="a path relative to this file")]
Title = Annotated[str, Meta(min_length=1, max_length=200, title="a text of at most 200 characters")]
ZoneName = Annotated[str, Meta(min_length=1, max_length=64, title="a time zone such as America/New_York")]
When = Annotated[
    str,
    Meta(
        min_length=2,
        max_length=40,
        title='a date and time such as 2027-01-04T09:00:00, or a time after the start such as "+2d"',
        examples=["+2d", "2027-01-04T09:00:00"],
    ),
]
"""A moment: local in the zone of the file, or with an offset (Z is UTC), or so long after the start. TOML's dates are read as
their text."""
Code = Annotated[str, Meta(min_length=1, max_length=100, title="a word as it stands in the log")]
Scalar = bool | int | Annotated[str, Meta(max_length=1_000, title="a text")]
AttributeText = bool | int | Annotated[str, Meta(min_length=1, max_length=64, title="a short text")]
Address = Annotated[str, Meta(min_length=1, max_length=320, title="an address")]
Names = Annotated[list[Handle], Meta(max_length=MAX_ITEMS)]
PathList = Annotated[list[FilePath], Meta(max_length=100)]
Steps = Annotated[list[StepId], Meta(max_length=10_000)]
Texts = Annotated[list[Text], Meta(min_length=1, max_length=100)]

EventName = Annotated[
    str,
    Meta(pattern="^[a-z][a-z0-9_]*(\\.[a-z0-9_]+)*$", max_length=100, title='an event such as "replied"'),
]

CallEnd = Literal["answered", "voicemail", "declined", "no_answer", "busy", "failed", "silent"]
"""How a call ends; silent: nobody ever says."""
AnswerWord = Literal["accepted", "rejected transient", "rejected permanent", "rejected config", "unknown"]
ActWord = Literal[
    "halt",
    "release",
    "pause",
    "resume",
    "cancel",
    "retry",
    "resolve",
    "skip",
    "task",
    "enroll",
    "suppress",
    "lift",
    "grant",
    "revoke",
    "change",
    "erase",
    "fact",
    "setting",
    "policy",
    "pack",
    "retire",
]


class WrittenConsent(Part, frozen=True, kw_only=True):
    """A consent that a contact has given before the start. Without a purpose it is for every one."""

    channel: Channel
    purpose: Code = "*"
    kind: Code = msgspec.field(default="express", name="class")
    basis: Code = ""
    obtained: When | None = None
    expires: When | None = None


class WrittenContact(Part, frozen=True, kw_only=True):
    """A contact, as an import would bring it. `enroll = false`: it is there, and not enrolled."""

    key: Title | None = None
    email: Address | None = None
    phone: Address | None = None
    timezone: ZoneName | None = None
    country: Code | None = None
    region: Code | None = None
    calling_hours: Text | None = None
    subscriber: Code | None = None
    profile: dict[FieldName, Text] | None = None
    attributes: dict[FieldName, AttributeText] | None = None
    consents: Annotated[list[Code | WrittenConsent], Meta(max_length=100)] | None = None
    suppressed: Annotated[list[Code], Meta(max_length=100)] | None = None
    variables: dict[FieldName, AttributeText] | None = None
    enroll: bool | When = True


class WrittenAnswer(Part, frozen=True, kw_only=True):
    """What the provider says of a send. Without visit and attempt: of each. `call` is how a call ends."""

    step: StepId
    contact: Handle | None = None
    visit: Count | None = None
    attempt: Count | None = None
    answer: AnswerWord = "accepted"
    late: Duration | None = None
    call: CallEnd | None = None
    lasts: Duration | None = None
    cost: Amount | None = None


class WrittenTimed(Part, frozen=True, kw_only=True):
    """What happens at a time: `at` a moment, or `delay` after a step was sent."""

    at: When | None = None
    after: StepId | None = None
    visit: Count | None = None
    attempt: Count | None = None
    delay: Duration | None = None
    contact: Handle | None = None


class WrittenEvent(WrittenTimed, frozen=True, kw_only=True):
    """Something that a person does, or a provider tells."""

    event: EventName
    step: StepId | None = None
    kind: Code | None = None
    text: Text | None = None


class WrittenAct(WrittenTimed, frozen=True, kw_only=True):
    """What an operator does."""

    act: ActWord = msgspec.field(name="do")
    plan: PlanName | None = None
    scope: Code | None = None
    choice: Literal["delivered", "not-delivered", "resend", "abandoned"] | None = msgspec.field(default=None, name="as")
    outcome: Code | None = None
    channel: Channel | None = None
    purpose: Code | None = None
    name: Code | None = None
    value: Scalar | None = None
    file: FilePath | None = None
    profile: dict[FieldName, Text] | None = None
    attributes: dict[FieldName, AttributeText] | None = None
    variables: dict[FieldName, AttributeText] | None = None
    refused: Code | None = None


class WrittenSendSeen(Part, frozen=True, kw_only=True):
    """One send that must have left."""

    step: StepId | None = None
    visit: Count | None = None
    attempt: Count | None = None
    channel: Channel | None = None
    to: Address | None = None
    at: When | None = None
    after: When | None = None
    before: When | None = None
    between: Annotated[list[TimeOfDay], Meta(min_length=2, max_length=2)] | None = None
    outcome: Code | None = None
    subject: Text | None = None
    contains: Texts | None = None
    lacks: Texts | None = None
    text: Annotated[str, Meta(min_length=1, max_length=100_000, title="the whole text")] | None = None


class WrittenHoldSeen(Part, frozen=True, kw_only=True):
    """One hold that there must have been."""

    step: StepId | None = None
    rule: Code | None = None
    until: When | None = None


class WrittenDenialSeen(Part, frozen=True, kw_only=True):
    """One denial that there must have been."""

    step: StepId | None = None
    rule: Code | None = None
    reason: Code | None = None


class WrittenEntrySeen(Part, frozen=True, kw_only=True):
    """One entry of the log that there must be."""

    action: Code | None = None
    outcome: Code | None = None
    step: StepId | None = None
    visit: Count | None = None
    at: When | None = None
    detail: dict[Code, Scalar] | None = None


class WrittenExpect(Part, frozen=True, kw_only=True):
    """What must have come of one contact's run. Only what is written is looked at."""

    contact: Handle | None = None
    plan: PlanName | None = None
    run: Count = 1
    visits: Steps | None = None
    status: Status | None = None
    outcome: Code | None = None
    reason: Code | None = None
    step: StepId | None = None
    refused: Code | None = None
    sends: (
        Annotated[int, Meta(ge=0, title="how many sends, or a list of them")]
        | Annotated[list[WrittenSendSeen], Meta(max_length=MAX_ITEMS)]
        | None
    ) = None
    holds: Annotated[list[WrittenHoldSeen], Meta(max_length=MAX_ITEMS)] | None = None
    denials: Annotated[list[WrittenDenialSeen], Meta(max_length=MAX_ITEMS)] | None = None
    branches: dict[StepId, StepId] | None = None
    entries: Annotated[list[WrittenEntrySeen], Meta(max_length=MAX_ITEMS)] | None = None
    cost: Amount | None = None
    ends: When | None = None
    head: Annotated[str, Meta(pattern="^[0-9a-f]{8,64}$", title="the beginning of a run head")] | None = None


class WrittenScenarioCase(Part, frozen=True, kw_only=True):
    """One story: who takes part, what happens, what must have come of it."""

    name: Title
    contacts: Names | None = None
    contact: dict[Handle, WrittenContact] | None = None
    until: When | None = None
    settled: bool | None = None
    answer: Annotated[list[WrittenAnswer], Meta(max_length=MAX_ITEMS)] | None = None
    event: Annotated[list[WrittenEvent], Meta(max_length=MAX_ITEMS)] | None = None
    act: Annotated[list[WrittenAct], Meta(max_length=MAX_ITEMS)] | None = None
    expect: Annotated[list[WrittenExpect], Meta(min_length=1, max_length=MAX_ITEMS)]


class WrittenScenario(Part, frozen=True, kw_only=True):
    """A scenario file."""

    plan: FilePath
    plans: PathList | None = None
    policy: FilePath | None = None
    packs: PathList | None = None
    zone: ZoneName = "UTC"
    start: When
    settings: dict[Code, Scalar] | None = None
    facts: dict[Code, bool] | None = None
    contact: dict[Handle, WrittenContact] | None = None
    case: Annotated[list[WrittenScenarioCase], Meta(min_length=1, max_length=MAX_CASES)]
