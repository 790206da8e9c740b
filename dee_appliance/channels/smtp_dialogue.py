"""The SMTP dialogue as values: bytes in, effects out. No socket, no clock, no thread.

Lives here: the client's automaton (RFC 5321, submission as in RFC 6409) as one table, `STEPS`, the parsing of replies, and the
one decision that matters: which failure is certain, which is unknown. `smtp_connection` moves bytes, `smtp` keeps the pool.

Rules a change must keep:
- Before the final dot is handed over the outcome is certain, whatever happens; from its first byte on only a reply is. RFC 5321
  4.5.3.2.6 would have a lost connection there treated as a refusal to be retried, which is how people get mail twice (RFC 1047).
- A reply belongs to the command before it. Bytes nobody asked for end the connection, or a stray `250` would count as the answer
  to the next message. After STARTTLS this also keeps out commands injected before encryption.
- No downgrade: no TLS where TLS was asked for, no password without TLS except to this machine, no 8-bit or UTF-8 address where
  it was not offered.
- One command at a time, one recipient per transaction, so every reply has one meaning.

    CONNECT ─► GREETING ─► EHLO ─┬─► STARTTLS ─► TLS ─► EHLO ─┬─► AUTH ─► IDLE ─► MAIL ─► RCPT ─► DATA ─► BODY ─► END ─► IDLE
                                 └───────────────────────────┴──────────► IDLE     └──────┴──────┴─► RESET ─► IDLE
"""

from __future__ import annotations

import base64
import enum
import re
from collections.abc import Callable
from typing import ClassVar, Final, Literal

import msgspec

from dee_appliance.channels.interface import Answer, accepted, rejected, unknown

MAX_LINE_BYTES: Final = 4_096
MAX_REPLY_LINES: Final = 100
MAX_NOTE_CHARS: Final = 2_000

_REPLY_LINE: Final = re.compile(rb"([2-5][0-9]{2})(?:([ -])([^\r\n]*))?\r?")
_ENHANCED: Final = re.compile(r"([245])\.(\d{1,3})\.(\d{1,3})\b")
_QUEUED_AS: Final = re.compile(r"\b(?:queued as |id=)([A-Za-z0-9._-]{1,100})", re.IGNORECASE)
_ADDRESS: Final = re.compile(r"[^\s<>@\x00-\x20\x7f]{1,64}@[^\s<>@\x00-\x20\x7f]{1,253}")
_KEY: Final = re.compile(r"[A-Za-z0-9_-]{1,100}")
_NO_SUCH_RECIPIENT: Final = frozenset(("5.1.1", "5.1.2", "5.1.3", "5.1.6", "5.1.10"))
"""Enhanced codes that say the address itself is dead (RFC 3463 section 3.2)."""
_TOO_LARGE: Final = frozenset(("5.2.3", "5.3.4"))
"""Not 5.2.2: a full mailbox shares the basic code 552 with these, and is about the recipient."""


Tls = Literal["starttls", "implicit", "none"]


class Phase(enum.Enum):
    """What the dialogue is waiting for."""

    CONNECT = "connect"
    GREETING = "greeting"
    EHLO = "ehlo"
    STARTTLS = "starttls"
    TLS = "tls"
    AUTH = "auth"
    IDLE = "idle"
    MAIL = "mail"
    RCPT = "rcpt"
    DATA = "data"
    BODY = "body"
    END = "end"
    RESET = "reset"
    CLOSED = "closed"


SESSION: Final = frozenset((Phase.CONNECT, Phase.GREETING, Phase.EHLO, Phase.STARTTLS, Phase.TLS, Phase.AUTH))
"""Phases before the server has taken us in: a refusal there is about us, not about a message."""


class Session(msgspec.Struct, frozen=True, kw_only=True):
    """How to open a session. Without `username` there is no authentication."""

    tls: Tls
    username: str = ""
    password: str = ""

    def __repr__(self) -> str:
        return f"Session(tls={self.tls!r})"


class Envelope(msgspec.Struct, frozen=True, kw_only=True):
    """One message for one recipient."""

    key: str
    sender: str
    to: str
    body: bytes


class Write(msgspec.Struct, frozen=True):
    """Send these bytes, then call `flushed`."""

    data: bytes


class BeginTls(msgspec.Struct, frozen=True):
    """Start the TLS handshake, then call `tls_established`."""


class Settled(msgspec.Struct, frozen=True):
    """The message (or, without one, the session) came to this; `phase` is where."""

    answer: Answer
    phase: Phase


class Close(msgspec.Struct, frozen=True):
    """Nothing more can be said on this connection."""


Effect = Write | BeginTls | Settled | Close


class Reply(msgspec.Struct, frozen=True):
    """A complete reply: the code, the enhanced code (RFC 3463) or empty, and the raw text of all lines."""

    code: int
    enhanced: str
    text: str
    lines: tuple[str, ...]


class Dialogue:
    """One connection's side of the conversation."""

    def __init__(self, session: Session) -> None:
        self.phase = Phase.CONNECT
        self.envelope: Envelope | None = None
        self.established = False
        """Whether the session was ever ready for a message."""
        self._session = session
        self._secure = False
        self._helo = ""
        self._local = False
        self._offers: dict[str, str] = {}
        self._buffer = b""
        self._lines: list[tuple[int, str]] = []
        self._auth_steps: list[bytes] = []

    @property
    def reusable(self) -> bool:
        """Whether another message can begin at once: nothing is under way, nothing unasked has come in."""
        return self.phase is Phase.IDLE and self.envelope is None and not self._buffer and not self._lines

    # -- what the driver reports ----------------------------------------------------------------------------------------

    def begin(self, envelope: Envelope) -> list[Effect]:
        """Take a message: at once when idle, else as soon as the session stands."""
        assert self.envelope is None
        self.envelope = envelope
        return self._mail() if self.phase is Phase.IDLE else []

    def connected(self, *, helo: str, local: bool) -> list[Effect]:
        """The connection stands. `helo` is our name in it; `local` (the peer is this machine) allows a password without TLS."""
        self._helo, self._local = helo, local
        if self._session.tls == "implicit":
            self.phase = Phase.TLS
            return [BeginTls()]
        self.phase = Phase.GREETING
        return []

    def tls_established(self) -> list[Effect]:
        """The handshake is done: what was said before it counts no more (RFC 3207 section 4.2)."""
        self._secure = True
        self._offers = {}
        if self._session.tls == "starttls":
            return self._hello()
        self.phase = Phase.GREETING
        return []

    def flushed(self) -> list[Effect]:
        """Everything written so far was handed to the network."""
        if self.phase is not Phase.BODY:
            return []
        # The border between certain and unknown: the phase moves before a byte of the dot can leave.
        self.phase = Phase.END
        return [Write(b".\r\n")]

    def receive(self, data: bytes) -> list[Effect]:
        """Bytes from the server."""
        self._buffer += data
        effects: list[Effect] = []
        while self.phase is not Phase.CLOSED:
            line, mark, rest = self._buffer.partition(b"\n")
            if not mark:
                if len(self._buffer) > MAX_LINE_BYTES:
                    effects += self._unclear("a line of a reply has no end")
                break
            self._buffer = rest
            effects += self._line(line)
        return effects

    def lost(self, code: str, note: str = "") -> list[Effect]:
        """The connection is gone or was given up: `code` is what a failure before the final dot is called."""
        if self.phase is Phase.CLOSED:
            return []
        doubt = "no_reply" if code == "timeout" else "connection_lost"
        answer = unknown(doubt, note=note) if self.phase is Phase.END else rejected(code, note=note)
        return self._settle_and_close(answer)

    # -- replies --------------------------------------------------------------------------------------------------------

    def _line(self, line: bytes) -> list[Effect]:
        match = _REPLY_LINE.fullmatch(line)
        if match is None or len(line) > MAX_LINE_BYTES or len(self._lines) >= MAX_REPLY_LINES:
            return self._unclear("not a reply of SMTP")
        code, text = int(match.group(1)), (match.group(3) or b"").decode("utf-8", "replace")
        if self._lines and self._lines[0][0] != code:
            return self._unclear("the lines of a reply disagree")
        self._lines.append((code, text))
        if match.group(2) == b"-":
            return []
        lines, self._lines = tuple(text for _, text in self._lines), []
        enhanced = _ENHANCED.match(lines[-1])
        shown = "\n".join(f"{code} {text}" for text in lines)[:MAX_NOTE_CHARS]
        reply = Reply(code, enhanced.group(0) if enhanced else "", shown, lines)
        effects = self._reply(reply)
        if self._buffer and self.phase not in (Phase.CLOSED, Phase.IDLE):
            # What follows came before the command it would answer.
            effects = [effect for effect in effects if isinstance(effect, Settled)]
            effects += self._unclear("more than one reply to a command")
        return effects

    def _reply(self, reply: Reply) -> list[Effect]:
        step = self.STEPS.get((self.phase, reply.code // 100))
        if step is not None:
            return step(self, reply)
        if self.phase is Phase.IDLE:
            return self._close()
        return self._refused(reply) if reply.code >= 400 else self._unclear(reply.text)

    def _refused(self, reply: Reply) -> list[Effect]:
        """A negative reply parsed in full is certain at every phase, after the dot too."""
        phase = self.phase
        answer = rejected(_code_of(phase, reply), note=reply.text)
        if phase is Phase.RESET:
            return self._close()
        if reply.code == 421 or phase is Phase.BODY or phase in SESSION:
            # In the body the server has stopped listening to us, and the dot must never follow.
            return self._settle_and_close(answer)
        if phase is Phase.END:
            return self._settle(answer)
        effects: list[Effect] = [self._settled(answer)]
        self.phase = Phase.RESET
        return [*effects, Write(b"RSET\r\n")]

    def _unclear(self, note: str) -> list[Effect]:
        answer = unknown("unclear_reply", note=note) if self.phase is Phase.END else rejected("bad_reply", note=note)
        return self._settle_and_close(answer)

    # -- steps and their commands ---------------------------------------------------------------------------------------

    def _on_greeting(self, _: Reply) -> list[Effect]:
        return self._hello()

    def _hello(self) -> list[Effect]:
        self.phase = Phase.EHLO
        return [Write(f"EHLO {self._helo}\r\n".encode("ascii"))]

    def _on_hello(self, reply: Reply) -> list[Effect]:
        for line in reply.lines[1:]:
            word, _, rest = line.strip().partition(" ")
            self._offers[word.upper()] = rest
        if self._session.tls == "starttls" and not self._secure:
            if "STARTTLS" not in self._offers:
                return self._settle_and_close(rejected("tls_unavailable", note=reply.text))
            self.phase = Phase.STARTTLS
            return [Write(b"STARTTLS\r\n")]
        return self._authenticate() if self._session.username else self._idle()

    def _on_starttls(self, _: Reply) -> list[Effect]:
        self.phase = Phase.TLS
        return [BeginTls()]

    def _authenticate(self) -> list[Effect]:
        if not self._secure and not self._local:
            return self._settle_and_close(rejected("auth_needs_tls"))
        offered = self._offers.get("AUTH", "").upper().split()
        user, password = self._session.username.encode("utf-8"), self._session.password.encode("utf-8")
        self.phase = Phase.AUTH
        if "PLAIN" in offered:
            return [Write(b"AUTH PLAIN " + base64.b64encode(b"\x00" + user + b"\x00" + password) + b"\r\n")]
        if "LOGIN" in offered:
            self._auth_steps = [base64.b64encode(user), base64.b64encode(password)]
            return [Write(b"AUTH LOGIN\r\n")]
        return self._settle_and_close(rejected("auth_unavailable", note=f"offered: {' '.join(offered)}"))

    def _on_challenge(self, reply: Reply) -> list[Effect]:
        if not self._auth_steps:
            return self._unclear(reply.text)
        return [Write(self._auth_steps.pop(0) + b"\r\n")]

    def _on_ready(self, _: Reply) -> list[Effect]:
        return self._idle()

    def _idle(self) -> list[Effect]:
        self.phase = Phase.IDLE
        self.established = True
        return self._mail() if self.envelope is not None else []

    def _mail(self) -> list[Effect]:
        envelope = self._the_envelope()
        code, parameters = self._fit(envelope)
        if code:
            return self._settle(rejected(code))
        self.phase = Phase.MAIL
        return [Write(f"MAIL FROM:<{envelope.sender}>{parameters}\r\n".encode())]

    def _on_sender(self, _: Reply) -> list[Effect]:
        self.phase = Phase.RCPT
        return [Write(f"RCPT TO:<{self._the_envelope().to}>\r\n".encode())]

    def _on_recipient(self, _: Reply) -> list[Effect]:
        self.phase = Phase.DATA
        return [Write(b"DATA\r\n")]

    def _on_go_ahead(self, reply: Reply) -> list[Effect]:
        if reply.code != 354:
            return self._unclear(reply.text)
        self.phase = Phase.BODY
        return [Write(dot_stuffed(self._the_envelope().body))]

    def _on_taken(self, reply: Reply) -> list[Effect]:
        if reply.code // 10 != 25:
            # A positive reply to some other command (220, 221, 235) takes nothing over.
            return self._unclear(reply.text)
        queued = _QUEUED_AS.search(reply.text)
        return self._settle(accepted(provider_ref=queued.group(1) if queued else "", note=reply.text))

    def _fit(self, envelope: Envelope) -> tuple[str, str]:
        """What MAIL must say so that the server can take this message, or the code of why it cannot."""
        parameters = ""
        head = envelope.body.partition(b"\r\n\r\n")[0]
        if not (envelope.sender.isascii() and envelope.to.isascii() and head.isascii()):
            if "SMTPUTF8" not in self._offers:
                return "needs_smtputf8", ""
            parameters += " SMTPUTF8"
        if not envelope.body.isascii():
            if "8BITMIME" not in self._offers:
                return "needs_8bitmime", ""
            parameters += " BODY=8BITMIME"
        if "SIZE" in self._offers:
            limit = self._offers["SIZE"].strip()
            if limit.isdecimal() and 0 < int(limit) < len(envelope.body):
                return "too_large", ""
            parameters += f" SIZE={len(envelope.body)}"
        if "DSN" in self._offers and _KEY.fullmatch(envelope.key):
            # A bounce then names the send even when it holds nothing else of ours (RFC 3461 sections 4.3 and 4.4).
            parameters += f" RET=HDRS ENVID={envelope.key}"
        return "", parameters

    STEPS: ClassVar[dict[tuple[Phase, int], Callable[[Dialogue, Reply], list[Effect]]]] = {
        (Phase.GREETING, 2): _on_greeting,
        (Phase.EHLO, 2): _on_hello,
        (Phase.STARTTLS, 2): _on_starttls,
        (Phase.AUTH, 2): _on_ready,
        (Phase.AUTH, 3): _on_challenge,
        (Phase.RESET, 2): _on_ready,
        (Phase.MAIL, 2): _on_sender,
        (Phase.RCPT, 2): _on_recipient,
        (Phase.DATA, 3): _on_go_ahead,
        (Phase.END, 2): _on_taken,
    }
    """What a reply (by phase and first digit) leads to. 4 and 5 refuse at every phase; anything else ends the dialogue."""

    # -- endings --------------------------------------------------------------------------------------------------------

    def _the_envelope(self) -> Envelope:
        assert self.envelope is not None
        return self.envelope

    def _settled(self, answer: Answer) -> Settled:
        self.envelope = None
        return Settled(answer, self.phase)

    def _settle(self, answer: Answer) -> list[Effect]:
        settled = self._settled(answer)
        self.phase = Phase.IDLE
        return [settled]

    def _settle_and_close(self, answer: Answer) -> list[Effect]:
        settled: list[Effect] = [self._settled(answer)] if self.envelope is not None or not self.established else []
        return [*settled, *self._close()]

    def _close(self) -> list[Effect]:
        self.phase = Phase.CLOSED
        return [Close()]


def dot_stuffed(body: bytes) -> bytes:
    """A message as it is written after DATA, without the final dot (RFC 5321 section 4.5.2)."""
    stuffed = body.replace(b"\r\n.", b"\r\n..")
    if stuffed.startswith(b"."):
        stuffed = b"." + stuffed
    return stuffed if stuffed.endswith(b"\r\n") else stuffed + b"\r\n"


def fault_of(envelope: Envelope) -> str:
    """The code of why a message can go to no server at all, or an empty text.

    A bare CR or LF is refused because servers disagree on whether it ends a line: some would see the end of the data, and a
    second message behind it, where this client wrote none.
    """
    if not _ADDRESS.fullmatch(envelope.to) or (envelope.sender and not _ADDRESS.fullmatch(envelope.sender)):
        return "bad_address"
    body = envelope.body
    if not body or not body.count(b"\r") == body.count(b"\n") == body.count(b"\r\n"):
        return "bad_content"
    return ""


def _code_of(phase: Phase, reply: Reply) -> str:
    """What a refusal means, by code first and then by where it was said."""
    if reply.code == 421:
        return "busy"
    if reply.code == 530:
        return "auth_required"
    if reply.code == 535 or (phase is Phase.AUTH and reply.code >= 500):
        return "auth_failed"
    if reply.code < 500:
        return "deferred"
    if phase in SESSION:
        return "session_refused"
    if phase is Phase.RCPT or reply.enhanced == "5.2.2":
        return "no_such_recipient" if reply.enhanced in _NO_SUCH_RECIPIENT else "recipient_refused"
    if reply.enhanced in _TOO_LARGE or (reply.code == 552 and not reply.enhanced):
        return "too_large"
    return "sender_refused" if phase is Phase.MAIL else "content_refused"
