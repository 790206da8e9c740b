"""SMTP with encryption and passwords, against servers that have them, lack them, or break while agreeing on them."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme
from channel_servers import (
    BODY,
    FaultyServer,
    adapter_for,
    answers,
    check_password,
    good_server,
    message,
    send,
    short,
    submit,
    timeouts_with,
)

pytestmark = pytest.mark.filterwarnings(
    "ignore:Requiring AUTH while not requiring TLS:UserWarning"
)  # it cannot see TLS


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> tuple[trustme.CA, str]:
    made = trustme.CA()
    path = tmp_path_factory.mktemp("tls") / "ca.pem"
    made.cert_pem.write_to_path(str(path))
    return made, str(path)


@pytest.fixture
def server_tls(authority: tuple[trustme.CA, str]) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority[0].issue_cert("localhost", "127.0.0.1").configure_cert(context)
    return context


@pytest.fixture(params=["starttls", "implicit"])
def tls_server(request: pytest.FixtureRequest, server_tls: ssl.SSLContext) -> Iterator[tuple[str, Any, int]]:
    options = (
        {"tls_context": server_tls, "require_starttls": True}
        if request.param == "starttls"
        else {"ssl_context": server_tls, "auth_require_tls": False}
    )
    with good_server(authenticator=check_password, auth_required=True, **options) as (mailroom, port):
        yield request.param, mailroom, port


def test_a_message_goes_out_encrypted_and_authenticated(
    tls_server: tuple[str, Any, int], authority: tuple[trustme.CA, str]
) -> None:
    tls, mailroom, port = tls_server
    adapter = adapter_for(port, host="localhost", tls=tls, ca_file=authority[1], username="dee", password="right")
    submit(adapter, *(message(number) for number in range(6)))
    assert {answered.answer.outcome for answered in answers(adapter)} == {"accepted"}
    assert adapter.health().ok
    adapter.close()
    assert [body for _, _, body in mailroom.taken] == [BODY] * 6


def test_a_large_message_goes_through_tls_whole(
    tls_server: tuple[str, Any, int], authority: tuple[trustme.CA, str]
) -> None:
    tls, mailroom, port = tls_server
    body = BODY + (b"." * 900 + b"\r\n") * 5_000
    adapter = adapter_for(port, tls=tls, ca_file=authority[1], username="dee", password="right")
    assert send(adapter, body=body).outcome == "accepted"
    adapter.close()
    assert mailroom.taken[0][2] == body


def test_a_wrong_password_is_a_matter_of_configuration(
    tls_server: tuple[str, Any, int], authority: tuple[trustme.CA, str], tmp_path: Path
) -> None:
    tls, mailroom, port = tls_server
    secret = tmp_path / "password"
    secret.write_text("wrong\n", "utf-8")
    adapter = adapter_for(port, tls=tls, ca_file=authority[1], username="dee", password_file=str(secret))
    assert short(send(adapter)) == ("rejected", "config", "auth_failed")
    assert adapter.health().code == "auth_failed"
    adapter.close()
    assert mailroom.taken == []


def test_a_missing_password_is_a_matter_of_configuration(
    tls_server: tuple[str, Any, int], authority: tuple[trustme.CA, str]
) -> None:
    tls, mailroom, port = tls_server
    adapter = adapter_for(port, tls=tls, ca_file=authority[1])
    assert short(send(adapter)) == ("rejected", "config", "auth_required")
    adapter.close()
    assert mailroom.taken == []


def test_an_unknown_certificate_is_refused_unless_told_otherwise(tls_server: tuple[str, Any, int]) -> None:
    tls, mailroom, port = tls_server
    credentials: dict[str, Any] = {"username": "dee", "password": "right"}
    strict = adapter_for(port, tls=tls, **credentials)
    assert short(send(strict)) == ("rejected", "config", "tls_certificate")
    assert strict.health().code == "tls_certificate"
    strict.close()
    assert mailroom.taken == []
    lax = adapter_for(port, tls=tls, tls_verify=False, **credentials)
    assert send(lax).outcome == "accepted"
    lax.close()


def test_a_certificate_for_another_name_is_refused(authority: tuple[trustme.CA, str]) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority[0].issue_cert("other.example").configure_cert(context)
    with good_server(ssl_context=context) as (mailroom, port):
        adapter = adapter_for(port, tls="implicit", ca_file=authority[1])
        assert short(send(adapter)) == ("rejected", "config", "tls_certificate")
        adapter.close()
    assert mailroom.taken == []


def test_login_is_used_where_plain_is_not_offered(
    server_tls: ssl.SSLContext, authority: tuple[trustme.CA, str]
) -> None:
    options: dict[str, Any] = {"authenticator": check_password, "auth_exclude_mechanism": ["PLAIN"]}
    with good_server(tls_context=server_tls, require_starttls=True, auth_required=True, **options) as (mailroom, port):
        right = adapter_for(port, tls="starttls", ca_file=authority[1], username="dee", password="right")
        assert send(right).outcome == "accepted"
        right.close()
        wrong = adapter_for(port, tls="starttls", ca_file=authority[1], username="dee", password="wrong")
        assert short(send(wrong)) == ("rejected", "config", "auth_failed")
        wrong.close()
    assert len(mailroom.taken) == 1


def test_a_password_needs_a_mechanism_both_sides_know() -> None:
    with FaultyServer("never", "close", offers=("AUTH GSSAPI",)) as server:
        adapter = adapter_for(server.port, username="dee", password="right")
        assert short(send(adapter)) == ("rejected", "config", "auth_unavailable")
        adapter.close()


def test_encryption_that_is_not_offered_is_not_done_without() -> None:
    with FaultyServer("never", "close") as server:
        adapter = adapter_for(server.port, tls="starttls", username="dee", password="right")
        assert short(send(adapter)) == ("rejected", "config", "tls_unavailable")
        adapter.close()
    assert server.commands == ["EHLO [127.0.0.1]"]


@pytest.mark.parametrize(
    ("action", "code"),
    [("close", "disconnected"), ("hang", "timeout"), ("250 injected\r\n", "tls_failed")],
)
def test_a_handshake_that_fails_is_certain(action: str, code: str) -> None:
    with FaultyServer("tls", action, offers=("STARTTLS",)) as server:
        adapter = adapter_for(server.port, tls="starttls", timeouts=timeouts_with("tls"))
        answer = send(adapter)
        adapter.close()
    # What was injected comes before the handshake or within it, depending on the network: either way it counts for nothing.
    assert short(answer) in {("rejected", "transient", code), ("rejected", "transient", "bad_reply")}
    assert server.data_commands == 0


def test_commands_injected_before_encryption_are_not_answers() -> None:
    with FaultyServer("starttls", "220 go on\r\n250 injected\r\n", offers=("STARTTLS",)) as server:
        adapter = adapter_for(server.port, tls="starttls")
        assert short(send(adapter)) == ("rejected", "transient", "bad_reply")
        adapter.close()
    assert server.data_commands == 0
