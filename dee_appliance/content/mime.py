"""Messages as bytes: RFC 5322 headers, text and HTML parts, the same bytes every time.

Lives here: `build_message` and `message_id`. What a header value may hold is `header`; who sends the bytes is a channel adapter.

Rules a change must keep:
- Message-ID, boundary and Date come from the send key and the tick, nothing else: a message rendered again is the same bytes.
- Every line is at most 998 octets and ends in CRLF, with no bare CR or LF: a lenient server could take one for the end of
  the data.
- `Auto-Submitted` is not set: these are messages a person or a business sends (RFC 3834 section 5 is about automatic answers).
- Written by hand because `email.message` needs several times as long; a property test reads every message back with
  `email.parser` and compares.
"""

from __future__ import annotations

import re
from binascii import b2a_qp
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

from blake3 import blake3

from dee_appliance.content.header import Mailbox, encode_mailbox, encode_text, is_address, is_clean, parse_mailbox
from dee_appliance.content.template import Rendered
from dee_appliance.errors import Refused

MAX_HEADER_CHARS: Final = 900
OURS: Final = frozenset(
    (
        *(
            "auto-submitted",
            "bcc",
            "cc",
            "content-transfer-encoding",
            "content-type",
            "date",
            "from",
            "list-unsubscribe",
        ),
        *("list-unsubscribe-post", "message-id", "mime-version", "received", "reply-to", "return-path", "sender"),
        *("subject", "to"),
    )
)
"""Headers a caller cannot add: this module writes them, or they do not belong to a new message."""

_DAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_HEADER_NAME = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,60}")
_MESSAGE_ID = re.compile(r"<[A-Za-z0-9._-]{1,128}@[A-Za-z0-9.-]{1,253}>")
_LONG_LINE = re.compile("[^\r\n]{999}")


CRLF = "\r\n"


def message_id(send_key: str, domain: str) -> str:
    """`<send_key@domain>`: how an answer, a bounce or a reply finds its send. Raises Refused when it would not be a valid id."""
    value = f"<{send_key}@{domain}>"
    if _MESSAGE_ID.fullmatch(value) is None:
        raise Refused(
            f"`{domain}` is not a domain for message ids", hint="set the sender domain to plain ASCII like example.com"
        )
    return value


def build_message(
    rendered: Rendered,
    *,
    to: str,
    sender: str,
    message_id: str,
    date_tick: int,
    unsubscribe_mailto: str = "",
    unsubscribe_url: str = "",
    headers: Sequence[tuple[str, str]] = (),
) -> bytes:
    """One message, ready to be sent.

    `to` is an address; `sender` is used when the template has no From; `message_id` comes from the function of that name;
    `date_tick` is in UTC seconds; `unsubscribe_mailto` is a `mailto:` URI (RFC 2369), `unsubscribe_url` an `https:` one
    that takes one-click opt-outs (RFC 8058). Raises Refused when a header value holds a line break, a control character or
    a malformed address.
    """
    from_box = _mailbox("From", rendered.sender or sender)
    lines = [
        f"From: {encode_mailbox(from_box, first_line_chars=6)}",
        f"To: {encode_mailbox(_mailbox('To', to), first_line_chars=4)}",
        f"Subject: {encode_text(_clean('Subject', rendered.subject), first_line_chars=9)}",
        f"Date: {_date(date_tick)}",
        f"Message-ID: {_checked_id(message_id)}",
    ]
    if rendered.reply_to:
        lines.append(f"Reply-To: {encode_mailbox(_mailbox('Reply-To', rendered.reply_to), first_line_chars=10)}")
    ways = [f"<{_https(unsubscribe_url)}>"] if unsubscribe_url else []
    if unsubscribe_mailto:
        ways.append(f"<{_mailto(unsubscribe_mailto)}>")
    if ways:
        # Folded between the two: each may fill a line.
        lines.append(f"List-Unsubscribe: {f',{CRLF} '.join(ways)}")
    if unsubscribe_url:
        lines.append("List-Unsubscribe-Post: List-Unsubscribe=One-Click")
    lines.extend(_extra(name, value) for name, value in headers)
    lines.append("MIME-Version: 1.0")
    head = "\r\n".join(lines).encode("utf-8")
    if not rendered.html:
        return b"\r\n".join((head, _part("plain", rendered.text)))
    parts = (_part("plain", rendered.text), _part("html", rendered.html))
    boundary = _boundary(message_id, parts)
    mark = b"--" + boundary
    kind = b'Content-Type: multipart/alternative; boundary="' + boundary + b'"'
    return b"\r\n".join((head, kind, b"", mark, parts[0], mark, parts[1], mark + b"--", b""))


def _part(subtype: str, text: str) -> bytes:
    """Headers and body of one text part, always in ASCII."""
    body = text.replace("\r\n", "\n").replace("\r", "\n").replace("\n", "\r\n")
    if not body.endswith("\r\n"):
        body += "\r\n"
    if body.isascii() and "\x00" not in body and _LONG_LINE.search(body) is None:
        encoding, data = "7bit", body.encode("ascii")
    else:
        encoding, data = "quoted-printable", b2a_qp(body.encode("utf-8"), istext=True)
    head = f"Content-Type: text/{subtype}; charset=utf-8\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n"
    return head.encode("ascii") + data


def _boundary(seed: str, parts: Sequence[bytes]) -> bytes:
    """A boundary that follows from the send key and occurs in no part (RFC 2046 section 5.1)."""
    ordinal = 0
    while True:
        digest = blake3(f"dee.mime.boundary\x00{ordinal}\x00{seed}".encode()).hexdigest(length=16)
        boundary = f"=_{digest}".encode("ascii")
        if not any(boundary in part for part in parts):
            return boundary
        ordinal += 1


def _date(tick: int) -> str:
    at = datetime.fromtimestamp(tick, UTC)
    day = f"{_DAYS[at.weekday()]}, {at.day:02d} {_MONTHS[at.month - 1]} {at.year:04d}"
    return f"{day} {at.hour:02d}:{at.minute:02d}:{at.second:02d} +0000"


def _clean(name: str, value: str) -> str:
    if not is_clean(value):
        raise Refused(f"header {name} holds a line break or a control character")
    return value


def _mailbox(name: str, value: str) -> Mailbox:
    mailbox = parse_mailbox(value)
    if mailbox is None:
        raise Refused(f"header {name} is not an address", hint="write `name@example.com` or `Name <name@example.com>`")
    return mailbox


def _checked_id(value: str) -> str:
    if _MESSAGE_ID.fullmatch(value) is None:
        raise Refused("header Message-ID is not a message id")
    return value


def _https(uri: str) -> str:
    if not uri.startswith("https://") or not uri.isascii() or any(one in uri for one in '<>," \r\n\t'):
        raise Refused("header List-Unsubscribe is no https address", hint="write https://example.com/stop/{send}")
    return uri


def _mailto(uri: str) -> str:
    address, _, query = uri.removeprefix("mailto:").partition("?")
    plain = uri.isascii() and is_clean(query) and not any(mark in query for mark in " <>,")
    if not uri.startswith("mailto:") or not is_address(address) or not plain or len(uri) > MAX_HEADER_CHARS:
        raise Refused("header List-Unsubscribe is not a mailto address", hint="write mailto:unsubscribe@example.com")
    return uri


def _extra(name: str, value: str) -> str:
    if _HEADER_NAME.fullmatch(name) is None or name.lower() in OURS:
        raise Refused(f"header {name[:40]!r} cannot be added")
    if not value.isascii() or len(value) > MAX_HEADER_CHARS or value != value.strip():
        raise Refused(f"header {name} is too long, has outer spaces or is not plain ASCII")
    return f"{name}: {_clean(name, value)}"
