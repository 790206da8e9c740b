"""One SMTP connection: a non-blocking socket, TLS over memory buffers, and the deadline of each phase.

Lives here: moving bytes between a `Dialogue` and the network. What the bytes mean is `smtp_dialogue`; which message gets which
connection is `smtp`.

Rules a change must keep:
- Nothing blocks. Names are resolved before a connection is made, not here.
- `Dialogue.flushed` is called only when the kernel has taken every byte written so far, encrypted ones included: the border
  between certain and unknown hangs on it.
- What has arrived is read before a deadline is looked at, so a late caller of `poll` loses no reply.
"""

from __future__ import annotations

import ipaddress
import os
import socket
import ssl
from collections.abc import Callable
from selectors import EVENT_READ, EVENT_WRITE, BaseSelector
from typing import Final

import msgspec

from dee_appliance.channels.smtp_dialogue import (
    BeginTls,
    Close,
    Dialogue,
    Effect,
    Envelope,
    Phase,
    Session,
    Settled,
    Write,
)

_CHUNK: Final = 65_536

Address = tuple[socket.AddressFamily, tuple[str, int] | tuple[str, int, int, int]]
"""A resolved address, as `socket.getaddrinfo` gives it."""


class Timeouts(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Seconds to wait in each phase: the minima of RFC 5321 section 4.5.3.2, and for what it does not name, its spirit.

    The wait after the final dot is long on purpose: a time-out there is an unknown outcome, which costs a person's time.
    """

    connect_s: float = 30
    tls_s: float = 60
    greeting_s: float = 300
    ehlo_s: float = 300
    starttls_s: float = 120
    auth_s: float = 120
    mail_s: float = 300
    rcpt_s: float = 300
    data_s: float = 120
    body_s: float = 180
    end_s: float = 600
    reset_s: float = 60
    idle_s: float = 30
    health_s: float = 20
    """How long a look at the server may take in all: a person waits for it."""

    def of(self, phase: Phase) -> float:
        """How long this phase may last; in the body, how long one block may take."""
        seconds: float = getattr(self, f"{phase.value}_s")
        return seconds


class Endpoint(msgspec.Struct, frozen=True, kw_only=True):
    """Where and how to connect. `addresses` are tried in order; `context` is None when there is no TLS at all."""

    host: str
    addresses: tuple[Address, ...]
    session: Session
    timeouts: Timeouts
    context: ssl.SSLContext | None = None
    helo: str = ""


class Connection:
    """A socket and its dialogue. The owner calls `ready` when the selector says so, and reads `settled` and `closed`."""

    def __init__(self, endpoint: Endpoint, selector: BaseSelector, clock: Callable[[], float]) -> None:
        self.dialogue = Dialogue(endpoint.session)
        self.settled: list[Settled] = []
        self.closed = False
        self.messages = 0
        self.deadline = 0.0
        self._endpoint = endpoint
        self._selector = selector
        self._clock = clock
        self._addresses = list(endpoint.addresses)
        self._why_not_connected = "no address"
        self._socket: socket.socket | None = None
        self._tls: ssl.SSLObject | None = None
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._handshaking = False
        self._plain = bytearray()
        self._wire = bytearray()
        self._phase = Phase.CLOSED
        self._connect()
        self._after()

    # -- for the owner --------------------------------------------------------------------------------------------------

    def begin(self, envelope: Envelope) -> None:
        """Give the connection a message: for now when it is idle, else for when its session stands."""
        self.messages += 1
        self._apply(self.dialogue.begin(envelope))
        self._after()

    def ready(self, events: int) -> None:
        """The socket can be read or written."""
        if self._phase is Phase.CONNECT:
            self._connected()
        elif events & EVENT_READ:
            self._read()
        self._after()

    def expire(self, now: float) -> None:
        """Give up when the phase has lasted too long."""
        if self.closed or now < self.deadline:
            return
        if self._phase is Phase.CONNECT and self._addresses:
            self._drop_socket()
            self._connect()
            self.deadline = now + self._endpoint.timeouts.connect_s
        elif self._phase is Phase.IDLE:
            self.give_up()
        else:
            self._apply(self.dialogue.lost("timeout", f"no answer in phase {self._phase.value}"))
        self._after()

    def give_up(self) -> None:
        """Close now, politely when nothing is under way; what was under way is settled as what it is."""
        if self.dialogue.reusable:
            self._write(b"QUIT\r\n")
            self._send()
        self._apply(self.dialogue.lost("closed"))
        self._after()

    # -- connecting -----------------------------------------------------------------------------------------------------

    def _connect(self) -> None:
        """Start towards the next address; without one left the connection has failed, with nothing sent."""
        while self._addresses:
            family, address = self._addresses.pop(0)
            sock = socket.socket(family, socket.SOCK_STREAM)
            sock.setblocking(False)
            # The dot must not wait for the acknowledgement of the body before it.
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            try:
                sock.connect(address)
            except BlockingIOError:
                pass  # under way: the selector says when it stands, `_connected` whether it does
            except OSError as error:
                self._why_not_connected = str(error)
                sock.close()
                continue
            self._socket = sock
            self._selector.register(sock, EVENT_READ | EVENT_WRITE, self)
            return
        self._apply(self.dialogue.lost("not_connected", self._why_not_connected))

    def _connected(self) -> None:
        sock = self._socket
        assert sock is not None
        number = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        try:
            own, peer = sock.getsockname()[0], sock.getpeername()[0]
        except OSError as error:
            number = number or error.errno or 0
            own = peer = ""
        if number or not peer:
            self._why_not_connected = os.strerror(number)
            self._drop_socket()
            self._connect()
            return
        helo = self._endpoint.helo or (f"[IPv6:{own}]" if ":" in own else f"[{own}]")  # RFC 5321 section 4.1.3
        self._apply(self.dialogue.connected(helo=helo, local=is_loopback(peer)))

    def _drop_socket(self) -> None:
        if self._socket is not None:
            self._selector.unregister(self._socket)
            self._socket.close()
            self._socket = None

    # -- effects --------------------------------------------------------------------------------------------------------

    def _apply(self, effects: list[Effect]) -> None:
        for effect in effects:
            match effect:
                case Write(data):
                    self._write(data)
                case BeginTls():
                    self._begin_tls()
                case Settled():
                    self.settled.append(effect)
                case Close():
                    self.closed = True
                    self._drop_socket()

    def _after(self) -> None:
        """After anything happened: push out what waits, cross the border of the dot when all is out, renew the deadline."""
        self._send()
        while not (self.closed or self._plain or self._wire) and (effects := self.dialogue.flushed()):
            self._apply(effects)
            self._send()
        if self._socket is not None and self.dialogue.phase is not Phase.CONNECT:
            self._selector.modify(self._socket, EVENT_READ | (EVENT_WRITE if self._wire else 0), self)
        if self.dialogue.phase is not self._phase:
            self._phase = self.dialogue.phase
            self._renew_deadline()

    def _renew_deadline(self) -> None:
        if self._phase is not Phase.CLOSED:
            self.deadline = self._clock() + self._endpoint.timeouts.of(self._phase)

    def _lose(self, code: str, note: str) -> None:
        self._apply(self.dialogue.lost(code, note))

    # -- bytes ----------------------------------------------------------------------------------------------------------

    def _write(self, data: bytes) -> None:
        if self._tls is None:
            self._wire += data
        else:
            self._plain += data

    def _send(self) -> None:
        if self._tls is not None:
            self._encrypt()
        while self._wire and self._socket is not None:
            try:
                sent = self._socket.send(self._wire)
            except BlockingIOError:
                return
            except OSError as error:
                # The server may have said why before it went away.
                self._read()
                self._lose("disconnected", str(error))
                return
            del self._wire[:sent]
            if self._phase is Phase.BODY:
                self._renew_deadline()

    def _read(self) -> None:
        while self._socket is not None:
            try:
                data = self._socket.recv(_CHUNK)
            except BlockingIOError:
                return
            except OSError as error:
                self._lose("disconnected", str(error))
                return
            if not data:
                self._lose("disconnected", "the server closed the connection")
                return
            if self._tls is None:
                self._apply(self.dialogue.receive(data))
            else:
                self._incoming.write(data)
                self._decrypt()

    # -- TLS ------------------------------------------------------------------------------------------------------------

    def _begin_tls(self) -> None:
        assert self._endpoint.context is not None
        self._tls = self._endpoint.context.wrap_bio(self._incoming, self._outgoing, server_hostname=self._endpoint.host)
        self._handshaking = True
        self._decrypt()

    def _decrypt(self) -> None:
        assert self._tls is not None
        try:
            if self._handshaking:
                self._tls.do_handshake()
                self._handshaking = False
                self._apply(self.dialogue.tls_established())
            while not self.closed:
                data = self._tls.read(_CHUNK)
                if not data:
                    self._lose("disconnected", "the server closed the connection")
                    return
                self._apply(self.dialogue.receive(data))
        except ssl.SSLWantReadError:
            self._wire += self._outgoing.read()
        except ssl.SSLError as error:
            self._wire += self._outgoing.read()
            certificate = isinstance(error, ssl.SSLCertVerificationError)
            code = "tls_certificate" if certificate else "tls_failed" if self._handshaking else "disconnected"
            self._lose(code, str(error))

    def _encrypt(self) -> None:
        assert self._tls is not None
        if self._plain and not self._handshaking:
            try:
                taken = self._tls.write(self._plain)
            except ssl.SSLWantReadError:
                taken = 0
            except ssl.SSLError as error:
                self._lose("disconnected", str(error))
                return
            del self._plain[:taken]
        self._wire += self._outgoing.read()


def is_loopback(address: str) -> bool:
    """True when the address is this machine's own and cannot be another's."""
    return ipaddress.ip_address(address.partition("%")[0]).is_loopback
