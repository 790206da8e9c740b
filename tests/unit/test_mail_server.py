"""The mail server of the demo: it keeps what it is given, and ends without a sound."""

from __future__ import annotations

import gc
import logging
import smtplib
from pathlib import Path

import pytest

from dee_appliance.runtime.mail_server import LOOPBACK, MailServer


def test_it_keeps_each_message(tmp_path: Path) -> None:
    with MailServer(tmp_path / "mailbox") as server, smtplib.SMTP(LOOPBACK, server.port) as client:
        client.sendmail("a@example.com", ["b@example.com"], "Subject: hello\r\n\r\nHello\r\n")
        assert server.count == 1
    assert b"Subject: hello" in (tmp_path / "mailbox" / "00001.eml").read_bytes()


def test_it_ends_quietly_in_the_middle_of_conversations(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        with MailServer(tmp_path / "mailbox") as server:
            clients = [smtplib.SMTP(LOOPBACK, server.port) for _ in range(3)]
            for client in clients:
                client.ehlo()
        gc.collect()
    for client in clients:
        client.close()
    assert caplog.messages == []
