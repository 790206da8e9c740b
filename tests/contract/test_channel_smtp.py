"""SMTP against real servers: good ones with TLS and passwords, and one that fails at every phase in every way."""

from __future__ import annotations

from typing import Any

import pytest
from channel_servers import (
    BODY,
    SESSION,
    TRANSACTION,
    FaultyServer,
    adapter_for,
    answers,
    good_server,
    message,
    permit_of,
    send,
    short,
    submit,
    timeouts_with,
)

from dee_appliance.channels.smtp import SmtpAdapter, SmtpOptions
from dee_appliance.channels.smtp_connection import Timeouts

pytestmark = pytest.mark.filterwarnings(
    "ignore:Requiring AUTH while not requiring TLS:UserWarning"
)  # it cannot see TLS

# -- every phase, every fault --------------------------------------------------------------------------------------------

REFUSED = {
    "greeting": ("config", "session_refused"),
    "ehlo": ("config", "session_refused"),
    "starttls": ("config", "session_refused"),
    "auth": ("config", "auth_failed"),
    "mail": ("config", "sender_refused"),
    "rcpt": ("permanent", "recipient_refused"),
    "data": ("permanent", "content_refused"),
    "end": ("permanent", "content_refused"),
}
"""What 550 means at each phase."""


def expected(phase: str, action: str) -> tuple[str, str, str]:
    """The class of each cell: after the dot only a reply is certain, before it everything is."""
    if action == "hang":
        return ("unknown", "none", "no_reply") if phase == "end" else ("rejected", "transient", "timeout")
    if action in ("close", "reset"):
        return ("unknown", "none", "connection_lost") if phase == "end" else ("rejected", "transient", "disconnected")
    if action[:3] == "421":
        return "rejected", "transient", "busy"
    if action[:3] in ("451", "452"):
        return "rejected", "transient", "deferred"
    if action[:3] == "535":
        return "rejected", "config", "auth_failed"
    if action[:3] == "530":
        return "rejected", "config", "auth_required"
    if action[:3] == "552" and phase in ("mail", "data", "end"):
        return "rejected", "permanent", "too_large"
    if action[:2] == "55":
        return ("rejected", *REFUSED[phase])
    return ("unknown", "none", "unclear_reply") if phase == "end" else ("rejected", "transient", "bad_reply")


REPLIES = {
    "421": "421 4.3.2 going down\r\n",
    "451": "451 4.3.0 later\r\n",
    "550": "550 no\r\n",
    "552": "552 too much\r\n",
    "530": "530 5.7.0 authentication first\r\n",
    "535": "535 5.7.8 wrong\r\n",
    "garbage": "HTTP/1.1 400 Bad Request\r\n",
    "150": "150 no such class\r\n",
    "350": "350 go on\r\n",
    "disagreeing": "250-one\r\n550 two\r\n",
    "endless": "2" * 5_000,
}
CELLS = [
    *((phase, action) for phase in (*SESSION, *TRANSACTION) for action in ("close", "reset", "hang")),
    *((phase, action) for phase in (*SESSION, *TRANSACTION) for action in REPLIES.values()),
]


@pytest.mark.parametrize(("phase", "action"), CELLS, ids=lambda value: str(value)[:12].strip())
def test_a_fault_is_certain_before_the_dot_and_unknown_after_it(phase: str, action: str) -> None:
    options: dict[str, Any] = {"timeouts": timeouts_with(phase)} if action == "hang" else {}
    offers: tuple[str, ...] = ()
    if phase == "starttls":
        options["tls"], offers = "starttls", ("STARTTLS",)
    if phase == "auth":
        options |= {"username": "dee", "password": "right"}
        offers = ("AUTH PLAIN",)
    with FaultyServer(phase, action, offers=offers) as server:
        adapter = adapter_for(server.port, **options)
        answer = send(adapter)
        adapter.close()
    # A reset can arrive before the client has seen that it is connected.
    early = {("rejected", "transient", "not_connected")} if (phase, action) == ("greeting", "reset") else set()
    assert short(answer) in {expected(phase, action), *early}
    assert server.data_commands <= 1
    assert server.whole == (1 if phase == "end" else 0)
    assert server.taken == 0
    assert server.connections == 1


def test_there_are_enough_cells() -> None:
    assert len(CELLS) == len(set(CELLS)) == 112


@pytest.mark.parametrize(
    "action", ["close", "reset", "hang", *(REPLIES[name] for name in ("421", "451", "552", "garbage"))]
)
def test_a_fault_in_the_middle_of_the_body_is_certain_and_the_dot_never_follows(action: str) -> None:
    # More than the kernel's buffers hold, so the client is still writing when the server fails.
    body = BODY + (b"z" * 998 + b"\r\n") * 12_000
    with FaultyServer("body", action) as server:
        adapter = adapter_for(server.port, timeouts=timeouts_with("body"))
        answer = send(adapter, body=body)
        adapter.close()
    # The reply of a server that closes behind it can be lost with the connection.
    late = {("rejected", "transient", "disconnected")} if action.startswith("421") else set()
    assert short(answer) in {expected("data", action), *late}
    assert server.whole == server.taken == 0
    assert server.data_commands == 1


def test_a_connection_closed_after_the_good_reply_is_an_accepted_message() -> None:
    with FaultyServer("taken", "close") as server:
        adapter = adapter_for(server.port)
        answer = send(adapter)
        adapter.close()
    assert short(answer) == ("accepted", "none", "accepted")
    assert answer.provider_ref == "F1"
    assert answer.note == "250 2.0.0 Ok: queued as F1"


@pytest.mark.parametrize(
    ("phase", "replies"),
    [
        ("greeting", "220 a\r\n250 b\r\n"),
        ("ehlo", "250 a\r\n250 b\r\n"),
        ("ehlo", "250 a\r\n250 b\r\n250 c\r\n354 d\r\n"),
        ("mail", "250 a\r\n250 b\r\n354 c\r\n"),
        ("rcpt", "250 a\r\n354 b\r\n"),
        ("data", "354 a\r\n250 2.0.0 Ok: queued as NEVER\r\n"),
    ],
)
def test_a_reply_nobody_asked_for_ends_the_connection_before_it_can_be_mistaken(phase: str, replies: str) -> None:
    with FaultyServer(phase, replies) as server:
        adapter = adapter_for(server.port)
        assert short(send(adapter)) == ("rejected", "transient", "bad_reply")
        adapter.close()
    assert server.whole == 0


def test_nothing_listening_is_certain() -> None:
    with FaultyServer("greeting", "hang") as server:
        port = server.port
    assert short(send(adapter_for(port))) == ("rejected", "transient", "not_connected")


def test_a_name_that_does_not_resolve_is_certain() -> None:
    assert short(send(adapter_for(25, host="no-such-host.invalid"))) == ("rejected", "transient", "not_connected")


@pytest.mark.parametrize(
    ("enhanced", "code"),
    [
        ("5.1.1", "no_such_recipient"),
        ("5.1.10", "no_such_recipient"),
        ("5.7.1", "recipient_refused"),
        ("5.2.2", "recipient_refused"),
    ],
)
def test_the_enhanced_code_tells_a_dead_address_from_a_refused_one(enhanced: str, code: str) -> None:
    with FaultyServer("rcpt", f"550 {enhanced} no\r\n") as server:
        adapter = adapter_for(server.port)
        assert short(send(adapter)) == ("rejected", "permanent", code)
        adapter.close()


def test_a_full_mailbox_reported_after_the_dot_is_not_a_large_message() -> None:
    with FaultyServer("end", "552 5.2.2 mailbox full\r\n") as server:
        adapter = adapter_for(server.port)
        assert short(send(adapter)) == ("rejected", "permanent", "recipient_refused")
        adapter.close()


# -- connections ---------------------------------------------------------------------------------------------------------


def test_a_refused_recipient_does_not_cost_the_connection() -> None:
    with FaultyServer("rcpt", "550 5.1.1 no\r\n") as server:
        adapter = adapter_for(server.port, concurrency=1)
        for number in range(3):
            assert short(send(adapter, number=number)) == ("rejected", "permanent", "no_such_recipient")
        adapter.close()
    assert server.connections == 1
    assert server.commands.count("RSET") >= 2  # the third may be cut off by closing


def test_an_idle_connection_is_used_again_and_left_after_its_share() -> None:
    with FaultyServer("never", "close") as server:
        adapter = adapter_for(server.port, messages_per_connection=2)
        for number in range(5):
            assert send(adapter, number=number).outcome == "accepted"
        adapter.close()
    assert server.connections == 3
    assert server.taken == 5
    assert server.commands[-1] == "QUIT"


@pytest.mark.parametrize("action", ["close", "reset", "421 4.4.2 idle for too long\r\n"])
def test_a_dead_idle_connection_is_replaced_and_the_message_is_sent_once(action: str) -> None:
    with FaultyServer("taken", action) as server:
        adapter = adapter_for(server.port)
        for number in range(4):
            assert send(adapter, number=number).outcome == "accepted"
        adapter.close()
    assert server.taken == server.data_commands == 4


@pytest.mark.parametrize("action", ["close", "reset", "421 4.4.2 idle for too long\r\n"])
def test_a_used_connection_that_dies_before_the_sender_is_replaced_once_and_no_more(action: str) -> None:
    with FaultyServer("mail", action, after=1) as server:
        adapter = adapter_for(server.port)
        assert send(adapter, number=1).outcome == "accepted"
        assert short(send(adapter, number=2)) == expected("mail", action)
        adapter.close()
    assert server.connections == 2
    assert sum(command.startswith("MAIL") for command in server.commands) == 3
    assert server.data_commands == 1


@pytest.mark.parametrize("action", ["close", "hang", "451 4.3.0 later\r\n"])
def test_a_used_connection_that_fails_later_is_not_replaced(action: str) -> None:
    with FaultyServer("rcpt", action, after=1) as server:
        adapter = adapter_for(server.port, timeouts=timeouts_with("rcpt"))
        assert send(adapter, number=1).outcome == "accepted"
        assert short(send(adapter, number=2)) == expected("rcpt", action)
        adapter.close()
    assert server.connections == 1


def test_no_more_connections_are_open_than_the_concurrency_says() -> None:
    with FaultyServer("never", "close") as server:
        adapter = adapter_for(server.port, concurrency=3)
        submit(adapter, *(message(number) for number in range(30)))
        assert {answered.answer.outcome for answered in answers(adapter)} == {"accepted"}
        adapter.close()
    assert server.connections == 3
    assert server.taken == 30


def test_one_bad_message_among_many_fails_alone() -> None:
    with good_server() as (mailroom, port):
        adapter = adapter_for(port)
        sent = [message(n, to="a b@example.org" if n == 5 else "ana@example.org") for n in range(10)]
        submit(adapter, *sent)
        found = {answered.send_key: answered.answer for answered in answers(adapter)}
        adapter.close()
    assert short(found[sent[5].send_key]) == ("rejected", "permanent", "bad_address")
    assert sum(answer.outcome == "accepted" for answer in found.values()) == 9
    assert len(mailroom.taken) == 9


def test_closing_after_the_dot_is_honest_about_not_knowing() -> None:
    with FaultyServer("end", "hang") as server:
        adapter = adapter_for(server.port)
        submit(adapter, message())
        while not server.whole:
            assert adapter.poll(0.01) == []
        adapter.close()
        assert [short(answered.answer) for answered in adapter.poll(0)] == [("unknown", "none", "connection_lost")]


def test_what_is_submitted_after_closing_is_certain() -> None:
    with FaultyServer("never", "close") as server:
        adapter = adapter_for(server.port)
        adapter.close()
        submit(adapter, message())
        assert [short(answered.answer) for answered in adapter.poll(0)] == [("rejected", "transient", "closed")]
    assert server.connections == 0


class Hours:
    """A clock that stands still until told."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize(("answered", "code"), [(True, "accepted"), (False, "no_reply")])
def test_only_a_reply_that_is_not_there_is_a_time_out_however_late_the_caller_polls(answered: bool, code: str) -> None:
    clock = Hours()
    with FaultyServer("end", "wait") as server:
        options = SmtpOptions(host="127.0.0.1", port=server.port, tls="none")
        adapter = SmtpAdapter(options, concurrency=1, clock=clock)
        submit(adapter, message())
        while not server.whole:
            assert adapter.poll(0) == []
        if answered:
            server.go.set()
            assert server.replied.wait(10)
        clock.now += 3_600
        assert [found.answer.code for found in adapter.poll(0)] == [code]
        adapter.close()
        server.go.set()


@pytest.mark.slow
def test_a_body_may_take_long_as_long_as_it_moves() -> None:
    clock = Hours()
    body = BODY + (b"z" * 998 + b"\r\n") * 30_000
    with FaultyServer("never", "close") as server:
        options = SmtpOptions(host="127.0.0.1", port=server.port, tls="none")
        adapter = SmtpAdapter(options, concurrency=1, clock=clock)
        submit(adapter, message(body=body))
        found, mark = adapter.poll(0), 0
        while not found:
            # More than the kernel can hold for us: between two steps of the clock the client has written something.
            if server.body_lines - mark > 5_000:
                mark, clock.now = server.body_lines, clock.now + 100
            found = adapter.poll(0)
        adapter.close()
    assert clock.now > Timeouts().body_s
    assert [answered.answer.outcome for answered in found] == ["accepted"]


def test_a_local_only_adapter_asks_again_before_each_connection() -> None:
    with FaultyServer("never", "close") as server:
        adapter = SmtpAdapter(
            SmtpOptions(host="127.0.0.1", port=server.port, tls="none"), concurrency=1, local_only=True
        )
        assert send(adapter).outcome == "accepted"
        adapter.close()
    elsewhere = SmtpAdapter(SmtpOptions(host="192.0.2.1", port=25, tls="none"), concurrency=1, local_only=True)
    assert short(send(elsewhere)) == ("rejected", "config", "not_local")


# -- what is sent --------------------------------------------------------------------------------------------------------


def test_the_server_gets_the_bytes_that_were_handed_in() -> None:
    with good_server() as (mailroom, port):
        adapter = adapter_for(port)
        answer = send(adapter)
        adapter.close()
    assert mailroom.taken == [("max@example.com", ("ana@example.org",), BODY)]
    assert mailroom.sessions == ["[127.0.0.1]"]
    assert answer.provider_ref == "Q1"


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"to": "ana@example.org>\r\nRCPT TO:<bob@example.org"}, "bad_address"),
        ({"to": "ana@example.org bob@example.org"}, "bad_address"),
        ({"to": ""}, "bad_address"),
        ({"sender": "max"}, "bad_address"),
        ({"body": b""}, "bad_content"),
        ({"body": b"Subject: a\r\n\r\nx\n.\nMAIL FROM:<evil@example.com>\r\n"}, "bad_content"),
        ({"body": b"Subject: a\r\n\r\nx\r.\r\n"}, "bad_content"),
    ],
)
def test_what_could_smuggle_a_command_reaches_no_server(fields: dict[str, Any], code: str) -> None:
    with FaultyServer("never", "close") as server:
        adapter = adapter_for(server.port)
        assert short(send(adapter, **fields)) == ("rejected", "permanent", code)
        adapter.close()
    assert server.connections == 0


@pytest.mark.parametrize(
    ("offers", "fields", "code"),
    [
        ((), {"to": "jörg@example.org"}, "needs_smtputf8"),
        (("8BITMIME",), {"body": "To: jörg@example.org\r\n\r\nx\r\n".encode()}, "needs_smtputf8"),
        (("SMTPUTF8",), {"body": "To: a@example.org\r\n\r\né\r\n".encode()}, "needs_8bitmime"),
        (("SIZE 50",), {}, "too_large"),
    ],
)
def test_what_the_server_does_not_offer_is_not_tried(
    offers: tuple[str, ...], fields: dict[str, Any], code: str
) -> None:
    with FaultyServer("never", "close", offers=offers) as server:
        adapter = adapter_for(server.port)
        assert short(send(adapter, **fields)) == ("rejected", "permanent", code)
        assert send(adapter, number=2).outcome == ("rejected" if code == "too_large" else "accepted")
        adapter.close()
    assert server.connections == 1


def test_what_the_server_offers_is_used() -> None:
    offers = ("8BITMIME", "SMTPUTF8", "SIZE 1000", "DSN")
    body = "To: jörg@example.org\r\n\r\né\r\n".encode()
    with FaultyServer("never", "close", offers=offers) as server:
        adapter = adapter_for(server.port, helo="dee.example")
        assert send(adapter, to="jorg@example.org", body=body, resends=2).outcome == "accepted"
        adapter.close()
    key = f"{message().send_key}-2"
    mail = f"MAIL FROM:<max@example.com> SMTPUTF8 BODY=8BITMIME SIZE={len(body)} RET=HDRS ENVID={key}"
    assert server.commands[:3] == ["EHLO dee.example", mail, "RCPT TO:<jorg@example.org>"]


def test_a_size_offered_as_zero_is_no_limit() -> None:
    with FaultyServer("never", "close", offers=("SIZE 0",)) as server:
        adapter = adapter_for(server.port)
        assert send(adapter).outcome == "accepted"
        adapter.close()


# -- health -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("phase", "action", "code"),
    [
        ("greeting", "close", "disconnected"),
        ("greeting", "550 no\r\n", "session_refused"),
        ("ehlo", "hang", "timeout"),
        ("ehlo", "421 busy\r\n", "busy"),
    ],
)
def test_health_tells_what_a_message_would_meet(phase: str, action: str, code: str) -> None:
    with FaultyServer(phase, action) as server:
        adapter = adapter_for(server.port, timeouts=timeouts_with(phase))
        report = adapter.health()
        adapter.close()
    assert (report.ok, report.code) == (False, code)
    assert str(server.port) in report.peer


def test_health_does_not_wait_as_long_as_a_message_would() -> None:
    with FaultyServer("ehlo", "hang") as server:
        adapter = adapter_for(server.port, timeouts=Timeouts(health_s=0.2))
        report = adapter.health()
        adapter.close()
    assert (report.ok, report.code, report.note) == (False, "timeout", "no answer in phase ehlo")


def test_health_of_a_server_that_is_not_there() -> None:
    with FaultyServer("greeting", "hang") as server:
        port = server.port
    assert adapter_for(port).health().code == "not_connected"
    assert adapter_for(port, host="no-such-host.invalid").health().code == "not_connected"


def test_a_permit_is_asked_for_first() -> None:
    adapter = adapter_for(25)
    with pytest.raises(ValueError, match="another attempt"):
        adapter.submit(permit_of(message(2)), message(1))
