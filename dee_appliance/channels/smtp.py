"""The SMTP adapter: mail to one submission server over a bounded pool of connections.

Lives here: options, name resolution, the queue and the pool. The conversation is `smtp_dialogue`, the bytes are
`smtp_connection`. Not smtplib: it raises the same error for a connection lost before the message was sent and for one lost after.

Rules a change must keep:
- One attempt is at most one DATA. A message moves to another connection only when an idle one turned out to be dead before it
  took the sender, which no server can mistake for a message.
- A `250` after the dot means that our server has taken the message over, nothing about delivery.
- The password is in no message, no error and no repr.
"""

from __future__ import annotations

import selectors
import socket
import ssl
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path

import msgspec

from dee_appliance.channels.interface import (
    Answer,
    Answered,
    CapabilityCard,
    Found,
    HealthReport,
    Message,
    rejected,
    require_permit,
)
from dee_appliance.channels.smtp_connection import Address, Connection, Endpoint, Timeouts, is_loopback
from dee_appliance.channels.smtp_dialogue import Envelope, Phase, Session, Settled, Tls, fault_of
from dee_appliance.errors import Refused


class SmtpOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How to reach the server.

    `port` 0 stands for 587, or 465 with implicit TLS. `password_file` is read instead of `password`. `ca_file` replaces the
    machine's certificate authorities; `tls_verify = false` accepts any certificate, and is for tests. `helo` is the name this
    machine gives itself; empty: its address. A connection serves `messages_per_connection` messages at most.
    """

    host: str
    port: int = 0
    tls: Tls = "starttls"
    username: str = ""
    password: str = ""
    password_file: str = ""
    ca_file: str = ""
    tls_verify: bool = True
    helo: str = ""
    messages_per_connection: int = 100
    timeouts: Timeouts = Timeouts()

    def __repr__(self) -> str:
        return f"SmtpOptions(host={self.host!r}, port={self.port}, tls={self.tls!r})"


class _Job(msgspec.Struct):
    """An attempt in flight."""

    key: tuple[str, int]
    envelope: Envelope
    moved: bool = False


class SmtpAdapter:
    """Sends mail through one server, command by command, in the caller's thread."""

    name = "smtp"
    # SMTP has no look-up and no deduplication; that the server took a message says nothing about its delivery.
    card = CapabilityCard()

    def __init__(
        self,
        options: SmtpOptions,
        *,
        concurrency: int,
        local_only: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._options = options
        self._port = options.port or (465 if options.tls == "implicit" else 587)
        self._session = Session(tls=options.tls, username=options.username, password=_password(options))
        self._context = _tls_context(options)
        self._concurrency = concurrency
        self._local_only = local_only
        self._clock = clock
        self._selector = selectors.DefaultSelector()
        self._queue: deque[_Job] = deque()
        self._connections: dict[Connection, _Job | None] = {}
        self._reused: set[Connection] = set()
        self._answers: list[Answered] = []
        self._keys: set[tuple[str, int]] = set()
        self._addresses: tuple[Address, ...] = ()
        self._closed = False

    # -- the contract ---------------------------------------------------------------------------------------------------

    def submit(self, permit: object, message: Message) -> None:
        """Take a message. Raises TypeError or ValueError without the permit for it."""
        require_permit(permit, message)
        key = (message.send_key, message.attempt)
        if key in self._keys:
            raise ValueError("this attempt is already in flight")
        self._keys.add(key)
        envelope = Envelope(key=message.provider_key, sender=message.sender, to=message.to, body=message.body)
        fault = fault_of(envelope)
        if fault or self._closed:
            self._answer(key, rejected(fault or "closed"))
        else:
            self._queue.append(_Job(key, envelope))

    def poll(self, timeout_s: float) -> list[Answered]:
        """Move every connection on; returns as soon as something was answered, or after `timeout_s`."""
        end = self._clock() + timeout_s
        self._turn(0)
        while self._keys and not self._answers:
            now = self._clock()
            if now >= end:
                break
            deadlines = [connection.deadline for connection in self._connections]
            self._turn(max(0.0, min([end, *deadlines]) - now))
        answers, self._answers = self._answers, []
        self._keys.difference_update((send_key, attempt) for send_key, attempt, _ in answers)
        return answers

    def in_flight(self) -> int:
        """How many attempts were submitted and not yet answered."""
        return len(self._keys)

    def look_up(self, send_key: str, attempt: int) -> Found:  # noqa: ARG002 - a mail server cannot be asked
        """A mail server cannot be asked."""
        return "cannot_tell"

    def health(self) -> HealthReport:
        """Connect, greet, encrypt and authenticate, then leave. Waits at most `timeouts.health_s` in all."""
        endpoint, problem = self._endpoint()
        if endpoint is None:
            return HealthReport(ok=False, code=problem.code, peer=self.peer(), note=problem.note)
        probe = Connection(endpoint, self._selector, self._clock)
        end = self._clock() + self._options.timeouts.health_s
        while not (probe.closed or probe.dialogue.phase is Phase.IDLE):
            if self._clock() >= end:
                note = f"no answer in phase {probe.dialogue.phase.value}"
                probe.give_up()
                return HealthReport(ok=False, code="timeout", peer=self.peer(), note=note)
            self._select(max(0.0, min(probe.deadline, end) - self._clock()))
            probe.expire(self._clock())
        if not probe.closed:
            probe.give_up()
            return HealthReport(ok=True, peer=self.peer())
        answer = probe.settled[0].answer
        return HealthReport(ok=False, code=answer.code, peer=self.peer(), note=answer.note)

    def peer(self) -> str:
        """The server and its resolved addresses."""
        hosts = ", ".join(address[0] for _, address in self._resolved()) or "not resolved"
        return f"{self._options.host}:{self._port} ({hosts})"

    def is_local(self) -> bool:
        """Whether every address the name resolves to is loopback."""
        addresses = self._resolved()
        return bool(addresses) and all(is_loopback(address[0]) for _, address in addresses)

    def close(self) -> None:
        """Leave idle connections politely and give up the others; one last `poll(0)` returns their answers."""
        while self._queue:
            self._answer(self._queue.popleft().key, rejected("closed"))
        for connection in tuple(self._connections):
            connection.give_up()
        self._collect()
        self._selector.close()
        self._closed = True

    # -- one turn -------------------------------------------------------------------------------------------------------

    def _turn(self, wait_s: float) -> None:
        if self._closed:
            return
        self._select(wait_s)
        now = self._clock()
        for connection in tuple(self._connections):
            connection.expire(now)
        self._collect()
        self._start()

    def _select(self, wait_s: float) -> None:
        for key, events in self._selector.select(wait_s):
            connection: Connection = key.data
            connection.ready(events)

    def _collect(self) -> None:
        for connection in tuple(self._connections):
            for settled in connection.settled:
                self._settled(connection, settled)
            connection.settled.clear()
            if connection.closed:
                del self._connections[connection]
                self._reused.discard(connection)

    def _settled(self, connection: Connection, settled: Settled) -> None:
        job = self._connections[connection]
        if job is None:
            return
        self._connections[connection] = None
        dead = settled.phase is Phase.MAIL and settled.answer.code in ("disconnected", "busy")
        if dead and connection in self._reused:
            job.moved = True  # and gets a new connection, which cannot be a dead idle one again
            self._queue.appendleft(job)
            return
        if settled.answer.code == "not_connected":
            self._addresses = ()  # the name may mean another machine by now
        self._answer(job.key, settled.answer)

    def _answer(self, key: tuple[str, int], answer: Answer) -> None:
        self._answers.append(Answered(*key, answer))

    def _start(self) -> None:
        """Give waiting messages to idle connections first, then to new ones while there is room."""
        for connection, job in tuple(self._connections.items()):
            if job is not None or not connection.dialogue.reusable:
                continue
            if connection.messages >= self._options.messages_per_connection:
                connection.give_up()
            elif self._queue and not self._queue[0].moved:
                self._reused.add(connection)
                self._hand(connection, self._queue.popleft())
        while self._queue and len(self._connections) < self._concurrency:
            endpoint, problem = self._endpoint()
            job = self._queue.popleft()
            if endpoint is None:
                self._answer(job.key, problem)
            else:
                self._hand(Connection(endpoint, self._selector, self._clock), job)
        self._collect()

    def _hand(self, connection: Connection, job: _Job) -> None:
        self._connections[connection] = job
        if not connection.closed:
            connection.begin(job.envelope)

    # -- the endpoint ---------------------------------------------------------------------------------------------------

    def _resolved(self) -> tuple[Address, ...]:
        """The addresses of the server, resolved once and again after a failure to connect. Blocks as long as the resolver."""
        if not self._addresses:
            try:
                found = socket.getaddrinfo(self._options.host, self._port, type=socket.SOCK_STREAM)
            except OSError:
                return ()
            self._addresses = tuple((family, address) for family, _, _, _, address in found)  # type: ignore[misc]
        return self._addresses

    def _endpoint(self) -> tuple[Endpoint | None, Answer]:
        addresses = self._resolved()
        if not addresses:
            return None, rejected("not_connected", note=f"{self._options.host} does not resolve")
        if self._local_only and not self.is_local():
            return None, rejected("not_local", note=self.peer())
        endpoint = Endpoint(
            host=self._options.host,
            addresses=addresses,
            session=self._session,
            timeouts=self._options.timeouts,
            context=self._context,
            helo=self._options.helo,
        )
        return endpoint, rejected("not_connected")


def _password(options: SmtpOptions) -> str:
    if not options.password_file:
        return options.password
    try:
        return Path(options.password_file).read_text("utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError):
        raise Refused("the password file cannot be read", where=options.password_file) from None


def _tls_context(options: SmtpOptions) -> ssl.SSLContext | None:
    if options.tls == "none":
        return None
    try:
        context = ssl.create_default_context(cafile=options.ca_file or None)
    except OSError:
        hint = "give a file of PEM certificates"
        raise Refused("the certificate authorities cannot be read", where=options.ca_file, hint=hint) from None
    if not options.tls_verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context
