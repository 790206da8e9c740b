"""What the dispatcher and an adapter say to each other.

Lives here: messages, answers with their closed codes, capability cards, and the protocol `Adapter`. No provider is known here.

Rules a change must keep:
- An answer is `rejected` only when it is certain that the provider does not have the message. Whoever is not certain says
  `unknown`; a guess in either direction sends twice or loses a send.
- One submit is at most one contact. An adapter never repeats a request whose bytes may have arrived, and never tries another way.
- A code names one fact for every provider, and its kind stands in `REJECTED`, so two adapters cannot disagree about it.
- Raw provider text goes into `note` (for the vault), never into a code.
"""

from __future__ import annotations

from typing import Final, Literal, NamedTuple, Protocol

import msgspec

from dee_appliance.kernel.e1.plan import CallOutcome, Channel

Outcome = Literal["accepted", "rejected", "unknown"]
Kind = Literal["none", "transient", "permanent", "config"]
Found = Literal["found", "absent", "cannot_tell"]

REJECTED: Final[dict[str, Kind]] = {
    # The way to the provider: trying later can help.
    "not_connected": "transient",
    "disconnected": "transient",
    "timeout": "transient",
    "tls_failed": "transient",
    "bad_reply": "transient",
    "busy": "transient",
    "deferred": "transient",
    "closed": "transient",
    "not_written": "transient",
    # Our account, credentials or set-up: nothing on this channel will pass until a person changes something.
    "tls_unavailable": "config",
    "tls_certificate": "config",
    "session_refused": "config",
    "auth_failed": "config",
    "auth_required": "config",
    "auth_unavailable": "config",
    "auth_needs_tls": "config",
    "sender_refused": "config",
    "not_local": "config",
    # This contact or this content: the same message will never pass.
    "recipient_refused": "permanent",
    "no_such_recipient": "permanent",
    "content_refused": "permanent",
    "too_large": "permanent",
    "bad_address": "permanent",
    "bad_content": "permanent",
    "needs_smtputf8": "permanent",
    "needs_8bitmime": "permanent",
}
"""Codes of certain failures (nothing was sent) and what each says about trying again."""

UNKNOWN: Final = frozenset(("no_reply", "connection_lost", "unclear_reply", "not_confirmed"))
"""Codes of unknown outcomes: the bytes may have arrived."""

ACCEPTED: Final = "accepted"


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """One message for one recipient. `send_key` is the same over all attempts; `to` is an address or an E.164 number.

    `sender` is the envelope sender of mail, else the number or name shown. `body` is a finished RFC 5322 message, `text` an SMS,
    `script` the plain form of a rendered call script. `valid_for_s` is how long the provider may queue it.
    """

    channel: Channel
    send_key: str
    attempt: int
    to: str
    sender: str = ""
    body: bytes = b""
    text: str = ""
    script: dict[str, object] = {}
    valid_for_s: int | None = None
    resends: int = 0

    @property
    def provider_key(self) -> str:
        """What a provider that deduplicates is shown: the send key, with an ordinal after a deliberate resend."""
        return f"{self.send_key}-{self.resends}" if self.resends else self.send_key


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one attempt. Made by `accepted`, `rejected` and `unknown`.

    `provider_ref` is the provider's own id of the message, `note` its raw text (personal data: for the vault), `call_outcome` is
    set when a call has already ended.
    """

    outcome: Outcome
    kind: Kind = "none"
    code: str = ACCEPTED
    provider_ref: str = ""
    note: str = ""
    cost_micros: int | None = None
    call_outcome: CallOutcome | None = None


class Answered(NamedTuple):
    """An answer and the attempt it belongs to."""

    send_key: str
    attempt: int
    answer: Answer


class CapabilityCard(msgspec.Struct, frozen=True, kw_only=True):
    """What a provider can do about doubt. Declared by the adapter, checked by the contract suite.

    `deduplicates_s` is for how many seconds a repeated `provider_key` is recognised (0: never). `absence_proof_after_s` is after
    how many seconds a look-up that finds nothing proves that nothing was sent (None: never).
    """

    deduplicates_s: int = 0
    looks_up: Literal["none", "by_key"] = "none"
    absence_proof_after_s: int | None = None
    reports_delivery: bool = False


class HealthReport(msgspec.Struct, frozen=True, kw_only=True):
    """Whether the provider would take a message now; nothing is sent to find out."""

    ok: bool
    code: str = "ok"
    peer: str = ""
    note: str = ""


class Adapter(Protocol):
    """One provider on one channel. Everything happens in the caller's thread, and only inside `poll` and `health`."""

    name: str
    card: CapabilityCard

    def submit(self, permit: object, message: Message) -> None:
        """Take a message; its answer comes from a later `poll`. Raises TypeError or ValueError without the permit for it."""

    def poll(self, timeout_s: float) -> list[Answered]:
        """Move everything in flight on and return what was answered, waiting up to `timeout_s` for the first answer.

        Returns at once when nothing is in flight. Each submitted attempt is answered exactly once.
        """

    def in_flight(self) -> int:
        """How many attempts were submitted and not yet answered."""

    def look_up(self, send_key: str, attempt: int) -> Found:
        """Ask the provider whether it has the message; `cannot_tell` when the card says `looks_up = "none"`."""

    def health(self) -> HealthReport:
        """Try everything short of sending."""

    def peer(self) -> str:
        """Where messages go: resolved addresses or a folder, for people to read."""

    def is_local(self) -> bool:
        """True when nothing can leave this machine: every resolved address is loopback, or the peer is a folder."""

    def close(self) -> None:
        """Stop. Attempts in flight are answered truthfully by one last `poll(0)`."""


def accepted(
    *, provider_ref: str = "", note: str = "", cost_micros: int | None = None, call_outcome: CallOutcome | None = None
) -> Answer:
    """The provider has the message."""
    return Answer(
        outcome="accepted", provider_ref=provider_ref, note=note, cost_micros=cost_micros, call_outcome=call_outcome
    )


def rejected(code: str, *, note: str = "") -> Answer:
    """It is certain that nothing was sent."""
    return Answer(outcome="rejected", kind=REJECTED[code], code=code, note=note)


def unknown(code: str, *, note: str = "") -> Answer:
    """Nobody can say whether the provider has the message."""
    assert code in UNKNOWN
    return Answer(outcome="unknown", code=code, note=note)


def require_permit(permit: object, message: Message) -> None:
    """Refuse a message that the gate has not passed: the first line of every `submit`.

    Raises TypeError when there is no permit and ValueError when it is for another attempt. Both are faults of the program, so
    they are no ChannelError: nobody may turn them into an answer.
    """
    # Imported here because the gate brings every policy rule along, and commands that send nothing should not load it.
    from dee_appliance.kernel.e1.gate import Permit  # noqa: PLC0415 - see above

    if not isinstance(permit, Permit):
        raise TypeError("an adapter takes a message only with a permit")
    granted = (permit.channel, permit.send_key, permit.attempt, permit.resends)
    if granted != (message.channel, message.send_key, message.attempt, message.resends):
        raise ValueError("the permit is for another attempt")
