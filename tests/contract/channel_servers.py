"""What the channel tests share: messages with permits, SMTP adapters, a good server, and one that fails where it is told to."""

from __future__ import annotations

import contextlib
import re
import socket
import struct
import threading
from collections.abc import Iterator
from typing import Any, Self

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, Envelope, LoginPassword, Session

from dee_appliance.channels.interface import Adapter, Answer, Answered, Message
from dee_appliance.channels.smtp import SmtpAdapter, SmtpOptions
from dee_appliance.channels.smtp_connection import Timeouts
from dee_appliance.kernel.e1.gate import Permit
from dee_appliance.kernel.e1.plan import Channel

BODY = b"From: max@example.com\r\nTo: ana@example.org\r\nSubject: Hi\r\n\r\nHello.\r\n.\r\n..two\r\nBye.\r\n"
SESSION = ("greeting", "ehlo", "starttls", "auth")
TRANSACTION = ("mail", "rcpt", "data", "end")
HANG_S = 0.15
"""Long enough for a loaded machine to reach the phase that hangs, because only that phase has so little time."""


def message(number: int = 1, *, channel: Channel = "email", attempt: int = 1, **fields: Any) -> Message:
    key = f"{number:064x}"
    contents: dict[Channel, dict[str, Any]] = {
        "email": {"body": BODY},
        "sms": {"text": "Hi"},
        "voice": {"script": {"answered": []}},
    }
    to = "ana@example.org" if channel == "email" else "+15555550100"
    sender = "max@example.com" if channel == "email" else "+15555550199"
    given = {"to": to, "sender": sender, **contents[channel], **fields}
    return Message(channel=channel, send_key=key, attempt=attempt, **given)


def permit_of(sent: Message) -> Permit:
    return Permit(
        send_key=sent.send_key,
        attempt=sent.attempt,
        channel=sent.channel,
        run="run_1",
        contact="c_1",
        step="intro",
        tick=0,
        resends=sent.resends,
    )


def submit(adapter: Adapter, *messages: Message) -> None:
    for sent in messages:
        adapter.submit(permit_of(sent), sent)


def answers(adapter: Adapter, *, timeout_s: float = 10.0) -> list[Answered]:
    """Everything in flight, answered; and nothing is answered twice."""
    found: list[Answered] = []
    while adapter.in_flight():
        more = adapter.poll(timeout_s)
        assert more, "a poll with messages in flight waited in vain"
        found += more
    assert adapter.poll(0) == []
    return found


def adapter_for(port: int, *, concurrency: int = 4, **options: Any) -> SmtpAdapter:
    given = {"host": "127.0.0.1", "port": port, "tls": "none", **options}
    return SmtpAdapter(SmtpOptions(**given), concurrency=concurrency)


def send(adapter: SmtpAdapter, **fields: Any) -> Answer:
    submit(adapter, message(**fields))
    (answered,) = answers(adapter)
    return answered.answer


def short(answer: Answer) -> tuple[str, str, str]:
    return answer.outcome, answer.kind, answer.code


def timeouts_with(phase: str) -> Timeouts:
    """Only the phase that hangs has little time."""
    names = {f"{name}_s": 10.0 for name in ("tls", *SESSION, *TRANSACTION, "body", "reset", "idle", "connect")}
    return Timeouts(**{**names, f"{phase}_s": HANG_S})


class Mailroom:
    """What the good server has taken."""

    def __init__(self) -> None:
        self.taken: list[tuple[str, tuple[str, ...], bytes]] = []
        self.sessions: list[str] = []

    async def handle_DATA(self, server: Any, session: Session, envelope: Envelope) -> str:  # noqa: N802, ARG002 - its name
        assert isinstance(envelope.content, bytes)
        self.taken.append((envelope.mail_from or "", tuple(envelope.rcpt_tos), envelope.content))
        self.sessions.append(str(session.host_name))
        return f"250 2.0.0 Ok: queued as Q{len(self.taken)}"


def check_password(server: Any, session: Any, envelope: Any, mechanism: str, login: Any) -> AuthResult:  # noqa: ARG001
    good = isinstance(login, LoginPassword) and (login.login, login.password) == (b"dee", b"right")
    return AuthResult(success=good, handled=good)


@contextlib.contextmanager
def good_server(**options: Any) -> Iterator[tuple[Mailroom, int]]:
    """A real SMTP server on a free port of 127.0.0.1."""
    mailroom = Mailroom()
    controller = Controller(mailroom, hostname="127.0.0.1", port=_free_port(), server_hostname="good.test", **options)
    controller.start()
    try:
        yield mailroom, controller.port
    finally:
        controller.stop()


def _free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


class FaultyServer:
    """Speaks SMTP until it reaches `phase`, and then does `action`: close, reset, hang, wait (until `go` is set), or a reply.

    `after` is how many messages it serves well before. Phases: greeting, ehlo, starttls, tls, auth, mail, rcpt, data, body, end,
    and `taken`, which is after a good reply to the dot. It counts DATA commands, whole messages, and messages it took.
    """

    def __init__(self, phase: str, action: str, *, offers: tuple[str, ...] = (), after: int = 0) -> None:
        self.data_commands = 0
        self.whole = 0
        self.taken = 0
        self.commands: list[str] = []
        self.connections = 0
        self.body_lines = 0
        self.go = threading.Event()
        self.replied = threading.Event()
        self._phase = phase
        self._action = action
        self._offers = offers
        self._after = after
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self.port: int = self._listener.getsockname()[1]
        self._threads = [threading.Thread(target=self._accept)]
        self._sockets: list[socket.socket] = []

    def __enter__(self) -> Self:
        self._threads[0].start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for sock in self._sockets:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()

    def _accept(self) -> None:
        while not self._stop.is_set():
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            self._sockets.append(sock)
            thread = threading.Thread(target=self._serve, args=(sock,))
            self._threads.append(thread)
            thread.start()

    def _serve(self, sock: socket.socket) -> None:
        with sock, contextlib.suppress(OSError, _Over):
            self._talk(sock, sock.makefile("rb"))

    def _fault(self, sock: socket.socket, phase: str) -> bool:
        """Do the fault if this is its place; True when a reply was given instead of the usual one."""
        if phase != self._phase or self.taken < self._after:
            return False
        if self._action == "wait":
            return not self.go.wait(10)
        if self._action == "hang":
            self._stop.wait()
            raise _Over
        if self._action == "reset":
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            raise _Over
        if self._action == "close":
            raise _Over
        sock.sendall(self._action.encode("latin-1"))
        if self._action.startswith("421"):
            raise _Over
        return True

    def _talk(self, sock: socket.socket, lines: Any) -> None:
        if not self._fault(sock, "greeting"):
            sock.sendall(b"220 faulty.test ESMTP\r\n")
        for line in lines:
            command = line.decode("latin-1").strip()
            with self._lock:
                self.commands.append(command)
            verb = re.split(r"[ :]", command.upper())[0]
            phase = {
                "EHLO": "ehlo",
                "STARTTLS": "starttls",
                "AUTH": "auth",
                "MAIL": "mail",
                "RCPT": "rcpt",
                "DATA": "data",
            }.get(verb)
            if verb == "DATA":
                self.data_commands += 1
            if phase and self._fault(sock, phase):
                continue
            self._usual(sock, lines, verb)

    def _usual(self, sock: socket.socket, lines: Any, verb: str) -> None:
        match verb:
            case "EHLO":
                texts = ["faulty.test", *self._offers]
                marks = ["-"] * (len(texts) - 1) + [" "]
                sock.sendall("".join(f"250{mark}{text}\r\n" for mark, text in zip(marks, texts, strict=True)).encode())
            case "STARTTLS":
                sock.sendall(b"220 go on\r\n")
                self._fault(sock, "tls")
            case "AUTH":
                sock.sendall(b"235 2.7.0 welcome\r\n")
            case "DATA":
                sock.sendall(b"354 go on\r\n")
                self._body(sock, lines)
            case "QUIT":
                sock.sendall(b"221 bye\r\n")
                raise _Over
            case _:
                sock.sendall(b"250 2.1.0 Ok\r\n")

    def _body(self, sock: socket.socket, lines: Any) -> None:
        for number, line in enumerate(lines):
            self.body_lines += 1
            if number == 3:
                self._fault(sock, "body")
            if line == b".\r\n":
                break
        else:
            return
        self.whole += 1
        if not self._fault(sock, "end"):
            self.taken += 1
            sock.sendall(b"250 2.0.0 Ok: queued as F1\r\n")
            self.replied.set()
            self._fault(sock, "taken")


class _Over(Exception):
    """This connection is done with."""
