"""Every input that the ordered queue can hold, as it stands in `input.payload`. Nothing enters the kernel in any other way.

Payloads hold no personal data: addresses appear as keyed tokens, texts stay in the vault. A new kind of input is a struct here, a
row in INPUTS and a case in the machine (contact inputs) or in `file_input` (inputs about the file itself).
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from dee_appliance.kernel.e1.civil_time import Window
from dee_appliance.kernel.e1.encoding import MAX_INTEGER, NotCanonical, canonical
from dee_appliance.kernel.e1.plan import Channel

Integer = Annotated[int, msgspec.Meta(ge=-MAX_INTEGER, le=MAX_INTEGER)]
Count = Annotated[int, msgspec.Meta(ge=0, le=MAX_INTEGER)]
Tick = Annotated[int, msgspec.Meta(ge=0, le=253_402_300_799)]
"""UTC seconds up to the end of the year 9999, so that sums of ticks and durations stay far from any limit."""

Name = Annotated[str, msgspec.Meta(min_length=1)]
Scalar = bool | Integer | str
TOKEN_KINDS = ("email", "phone", "key")


class Payload(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True, gc=False):
    """Base of every payload."""


# ---- about one contact ----


class ContactPut(Payload, frozen=True, kw_only=True):
    """A contact was added or changed. `facts` were derived from the profile at intake; `tokens` maps address kinds to tokens."""

    contact: Name
    attributes: dict[str, Scalar] = {}
    facts: dict[str, object] = {}
    tokens: dict[str, Name] = {}
    job: str = ""


class ContactErase(Payload, frozen=True, kw_only=True):
    """The contact's personal data are to be removed; suppression and dedupe tokens stay."""

    contact: Name
    basis: str = "request"


class ConsentSet(Payload, frozen=True, kw_only=True):
    """Consent of the contact was granted or revoked. `purpose` "*" is every purpose; `expires` and `obtained` are ticks.

    `basis` says what an implied consent follows from, as in purchase; `evidence` is a commitment to the text of it, which
    the vault keeps.
    """

    contact: Name
    channel: Channel
    purpose: str = "*"
    granted: bool
    consent_class: str = "express"
    expires: Tick | None = None
    source: str = "operator"
    basis: str = ""
    obtained: Tick | None = None
    evidence: str = ""


class SuppressionSet(Payload, frozen=True, kw_only=True):
    """A suppression was added (`on`) or lifted. `subject` is a contact id or an address token.

    `since` is when the person asked for it, if that was told; it counts from the tick of the input on.
    """

    subject: Name
    on: bool
    scope: str = "*"
    reason: str = "operator"
    since: Tick | None = None


class Enroll(Payload, frozen=True, kw_only=True):
    """A contact is to go through a plan, from tick `start` on, with typed variables. `version` None is the newest."""

    contact: Name
    plan: str
    version: Integer | None = None
    variables: dict[str, Scalar] = {}
    start: Tick | None = None
    job: str = ""


class Event(Payload, frozen=True, kw_only=True):
    """Something happened outside: `name` as in the neutral event table; matched by send key, or meant for the whole contact."""

    name: str
    send_key: str = ""
    contact: str = ""
    kind: str = ""
    cost_micros: Integer | None = None
    source: str = "operator"


class Verb(Payload, frozen=True, kw_only=True):
    """An operator acts on one run. `choice` is resolve's --as; `job` ties the inputs of one bulk command together."""

    run: str
    verb: Literal["pause", "resume", "cancel", "retry", "resolve", "skip"]
    choice: Literal["", "delivered", "not-delivered", "resend", "abandoned"] = ""
    actor: str = "operator"
    job: str = ""


class TaskDone(Payload, frozen=True, kw_only=True):
    """A person reports the outcome of a task step."""

    run: str
    outcome: str
    actor: str = "operator"


class Answered(Payload, frozen=True, kw_only=True):
    """What became of an attempt.

    `kind` says whether trying later can help; `code` is the adapter's closed code (evidence only).
    """

    send_key: str
    attempt: Integer
    outcome: Literal["accepted", "rejected", "unknown"]
    kind: Literal["none", "transient", "permanent", "config"] = "none"
    code: str = ""
    cost_micros: Integer | None = None


# ---- about the file ----


class Clock(Payload, frozen=True, kw_only=True):
    """Time has passed: fire at most `limit` due timers and shared holds."""

    limit: Count


class Pull(Payload, frozen=True, kw_only=True):
    """The dispatcher has `n` free places on a channel."""

    channel: Channel
    n: Count


class PlanPublish(Payload, frozen=True, kw_only=True):
    """A plan version exists from now on."""

    plan: str
    version: Integer
    digest: str


class PolicySet(Payload, frozen=True, kw_only=True):
    """The policy document that the gate uses from now on."""

    digest: str


class PackUse(Payload, frozen=True, kw_only=True):
    """A compliance pack applies from now on, beside every other; one of the same id takes the place of the earlier one."""

    pack: str
    digest: str
    actor: str = "operator"


class PackRetire(Payload, frozen=True, kw_only=True):
    """A compliance pack does not apply any more."""

    pack: str
    actor: str = "operator"


class FactSet(Payload, frozen=True, kw_only=True):
    """An operator records that something is so, or is not: a registration, an emergency.

    `value` None: it is not known any more.
    """

    name: Name
    value: bool | None
    actor: str = "operator"


class ListAdd(Payload, frozen=True, kw_only=True):
    """Address tokens of one version of a suppression list. They count once the version is brought into use."""

    list: Name
    version: Count
    tokens: tuple[Name, ...]


class ListUse(Payload, frozen=True, kw_only=True):
    """This version of a suppression list counts from now on, and no other. `as_of` is when the list was taken from its source."""

    list: Name
    version: Count
    as_of: Tick
    count: Count
    actor: str = "operator"


class ZonesUse(Payload, frozen=True, kw_only=True):
    """The time-zone table that decisions use from now on."""

    digest: str


class HoldSet(Payload, frozen=True, kw_only=True):
    """A scope is halted (`on`) or released: "*", "channel:NAME" or "plan:NAME".

    The loop itself halts when the clock is in doubt.
    """

    scope: str
    on: bool
    reason: Literal["halt", "clock_jumped", "long_outage"] = "halt"
    actor: str = "operator"


class ConfigSet(Payload, frozen=True, kw_only=True):
    """A setting that a verdict or a state change can read. `value` is canonical JSON text."""

    key: str
    value: str
    actor: str = "operator"


class Arm(Payload, frozen=True, kw_only=True):
    """This file may send from the host that raised the incarnation to this number."""

    incarnation: Integer
    actor: str = "operator"


class EpochUse(Payload, frozen=True, kw_only=True):
    """From the next input on this semantics epoch decides."""

    epoch: Count
    actor: str = "operator"


ContactInput = ContactPut | ContactErase | ConsentSet | SuppressionSet | Enroll | Event | Verb | TaskDone | Answered
FileInput = (
    Clock
    | Pull
    | PlanPublish
    | PolicySet
    | PackUse
    | PackRetire
    | FactSet
    | ListAdd
    | ListUse
    | ZonesUse
    | HoldSet
    | ConfigSet
    | Arm
    | EpochUse
)
Input = ContactInput | FileInput

INPUTS: dict[str, type[Input]] = {
    "contact.put": ContactPut,
    "contact.erase": ContactErase,
    "consent.set": ConsentSet,
    "suppression.set": SuppressionSet,
    "run.enroll": Enroll,
    "event": Event,
    "run.verb": Verb,
    "task.done": TaskDone,
    "attempt.answered": Answered,
    "clock": Clock,
    "dispatch.pull": Pull,
    "plan.publish": PlanPublish,
    "policy.set": PolicySet,
    "pack.use": PackUse,
    "pack.retire": PackRetire,
    "fact.set": FactSet,
    "list.add": ListAdd,
    "list.use": ListUse,
    "zones.use": ZonesUse,
    "hold.set": HoldSet,
    "config.set": ConfigSet,
    "file.arm": Arm,
    "epoch.use": EpochUse,
}
KIND_OF: dict[type[Input], str] = {struct: kind for kind, struct in INPUTS.items()}
_DECODERS = {kind: msgspec.json.Decoder(struct) for kind, struct in INPUTS.items()}
_ENCODER = msgspec.json.Encoder(order="sorted")


class UnknownInput(ValueError):
    """The kind or the payload of an input is none of this epoch's."""


def decode_input(kind: str, payload: str | bytes) -> Input:
    """Read one row of the queue. Raises UnknownInput."""
    decoder = _DECODERS.get(kind)
    if decoder is None:
        raise UnknownInput(f"unknown kind of input: {kind}")
    try:
        value = decoder.decode(payload)
        if isinstance(value, ContactPut):
            _require_recordable(value)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, NotCanonical) as error:
        raise UnknownInput(f"the payload is not a {kind}: {error}") from error
    return value


def _require_recordable(value: ContactPut) -> None:
    """What is open in this payload stands in an entry as it is, so it must have a canonical form."""
    canonical([value.attributes, value.facts])
    msgspec.convert(value.facts, KnownFacts)
    if any(kind not in TOKEN_KINDS for kind in value.tokens):
        raise msgspec.ValidationError(f"the kinds of tokens are {', '.join(TOKEN_KINDS)}")


class KnownFacts(msgspec.Struct, frozen=True, gc=False):
    """The facts that rules read, with their types; a contact may have more.

    `zones` and `jurisdictions` are by basis (declared, address, number); a jurisdiction is "US" or "US-FL". `hours` are the
    contact's own, as `civil_time.Window.weekly`; no hours is no restriction. `subscriber` "" is not known.
    """

    present: list[str] = []
    zones: dict[str, list[str]] = {}
    jurisdictions: dict[str, list[str]] = {}
    phone_prefix: str = ""
    subscriber: Literal["", "individual", "business"] = ""
    hours: tuple[tuple[tuple[int, int], ...], ...] | msgspec.UnsetType = msgspec.UNSET

    def __post_init__(self) -> None:
        """Raise ValueError for hours that are no window."""
        if not isinstance(self.hours, msgspec.UnsetType):
            Window(weekly=self.hours)


def encode_input(value: Input) -> bytes:
    """Return the canonical payload of an input."""
    return _ENCODER.encode(value)


class EventMeaning(msgspec.Struct, frozen=True):
    """What a neutral event means: the word conditions use, the channel, a call's outcome, the suppression that it causes."""

    word: str = ""
    channel: Channel | None = None
    call_outcome: str = ""
    suppresses: str = ""
    confirms: bool = False
    """The provider had the message: an unknown outcome becomes accepted."""
    happening: str = ""
    """What a cap may count: conversation, refusal or abandoned."""
    lifts: str = ""
    """The reason of the suppressions on the channel that it ends: the person takes back what the person said."""


EVENTS: dict[str, EventMeaning] = {
    "email.accepted": EventMeaning(channel="email", confirms=True),
    "email.deferred": EventMeaning(channel="email", confirms=True),
    "email.delivered": EventMeaning("delivered", "email", confirms=True),
    "email.bounced": EventMeaning("bounced", "email", confirms=True),
    "email.failed": EventMeaning(channel="email", confirms=True),
    "email.opened": EventMeaning("opened", "email", confirms=True),
    "email.clicked": EventMeaning("clicked", "email", confirms=True),
    "email.replied": EventMeaning("replied", "email", confirms=True),
    "email.auto_reply": EventMeaning("auto_replied", "email", confirms=True),
    "email.unsubscribed": EventMeaning("unsubscribed", "email", "", "unsubscribed", True),
    "email.complained": EventMeaning("complained", "email", "", "complained", True),
    "sms.sent": EventMeaning(channel="sms", confirms=True),
    "sms.delivered": EventMeaning("delivered", "sms", confirms=True),
    "sms.failed": EventMeaning(channel="sms", confirms=True),
    "sms.replied": EventMeaning("replied", "sms", confirms=True),
    "sms.stop": EventMeaning("unsubscribed", "sms", "", "unsubscribed", True),
    "sms.start": EventMeaning(channel="sms", confirms=True, lifts="unsubscribed"),
    "sms.help": EventMeaning(channel="sms", confirms=True),
    "call.initiated": EventMeaning(channel="voice", confirms=True),
    "call.ringing": EventMeaning(channel="voice", confirms=True),
    "call.answered": EventMeaning("", "voice", "answered", "", True),
    "call.voicemail": EventMeaning("", "voice", "voicemail", "", True),
    "call.declined": EventMeaning("", "voice", "declined", "", True),
    "call.no_answer": EventMeaning("", "voice", "no_answer", "", True),
    "call.busy": EventMeaning("", "voice", "busy", "", True),
    "call.failed": EventMeaning("", "voice", "failed", "", True),
    "call.completed": EventMeaning("", "voice", confirms=True),
    "call.abandoned": EventMeaning(channel="voice", confirms=True, happening="abandoned"),
    "contact.conversation": EventMeaning(happening="conversation"),
    "contact.refused": EventMeaning(happening="refusal"),
}
"""The neutral events. Any other name is the user's own event: it counts, and conditions see it through event() and count()."""

TALLIED = (
    "email.delivered",
    "email.bounced",
    "email.complained",
    "sms.delivered",
    "call.answered",
    "call.abandoned",
)
"""The events that are counted by day, so that ratios can be made of them; each counts once for a send."""
