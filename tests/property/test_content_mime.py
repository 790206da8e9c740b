"""Every message reads back, with the standard library's own parser, as what was put in; and it is the same bytes each time."""

from __future__ import annotations

from email import message_from_bytes, policy
from email.header import decode_header, make_header
from email.message import EmailMessage
from email.utils import parseaddr, parsedate_to_datetime

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from dee_appliance.content.header import is_clean, parse_mailbox
from dee_appliance.content.mime import build_message, message_id
from dee_appliance.content.template import Rendered
from dee_appliance.errors import Refused

KEY = "3f" * 32
ID = message_id(KEY, "example.com")

letters = st.characters(codec="utf-8", exclude_categories=["Cs"])
bodies = st.text(letters, max_size=300) | st.text(st.sampled_from("ab .\n\r\t=\x00-é😀"), max_size=1_500)
values = st.text(letters, max_size=120).filter(is_clean).map(lambda text: " ".join(text.split()))
names = (
    st.text(letters, max_size=60)
    .filter(is_clean)
    .map(lambda text: " ".join(text.translate({60: None, 62: None}).split()))
)
addresses = st.builds(
    lambda local, domain: f"{local}@{domain}",
    st.from_regex(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]{1,20}(\.[a-z0-9]{1,9})?", fullmatch=True),
    st.from_regex(r"[a-z0-9]{1,10}\.(example|test|invalid)", fullmatch=True),
)


def message(rendered: Rendered, **options: object) -> bytes:
    chosen: dict[str, object] = {
        "to": "ana@example.org",
        "sender": "max@example.com",
        "message_id": ID,
        "date_tick": 1_763_881_200,
    }
    return build_message(rendered, **{**chosen, **options})  # type: ignore[arg-type]


def parsed(data: bytes) -> EmailMessage:
    read = message_from_bytes(data, policy=policy.default)
    assert isinstance(read, EmailMessage)
    assert read.defects == []
    return read


def mailbox_of(data: bytes) -> tuple[str, str]:
    """From as it reads. Not by policy.default, which puts a blank between two encoded words of a name (RFC 2047, 6.2)."""
    raw = message_from_bytes(data, policy=policy.compat32)["From"]
    name, address = parseaddr(str(raw))
    return (str(make_header(decode_header(name))) if "=?" in str(raw) else name), address


def text_of(part: EmailMessage) -> str:
    payload = part.get_payload(decode=True)
    assert isinstance(payload, bytes)
    return payload.decode("utf-8")


def as_sent(text: str) -> str:
    """A body as it travels: CRLF everywhere, and at the end."""
    text = text.replace("\r\n", "\n").replace("\r", "\n").replace("\n", "\r\n")
    return text if text.endswith("\r\n") else text + "\r\n"


def assert_travels(data: bytes) -> None:
    """RFC 5322 section 2.3 and RFC 5321 section 4.5.3.1.6: ASCII lines of at most 998 octets, CRLF and nothing like it."""
    assert data.isascii()
    assert data.endswith(b"\r\n")
    assert data.count(b"\r") == data.count(b"\n") == data.count(b"\r\n")
    assert max(map(len, data.split(b"\r\n"))) <= 998


@settings(max_examples=400, deadline=None)
@given(
    subject=values, name=names, sender=addresses, reply=addresses, to=addresses, text=bodies, html=bodies | st.just("")
)
@example(
    subject="=?utf-8?q?x?=",
    name='"quoted"',
    sender="a@b.test",
    reply="c@d.test",
    to="e@f.test",
    text=".\r.\n..\n",
    html=".",
)
@example(subject="", name="a" * 60, sender="a@b.test", reply="c@d.test", to="e@f.test", text="", html="\x00")
@example(
    subject="é" * 120, name="é" * 60, sender="a@b.test", reply="c@d.test", to="e@f.test", text="a" * 999, html="b \n"
)
@example(
    subject="x" * 120,
    name="a, b; (c)",
    sender="a@b.test",
    reply="c@d.test",
    to="e@f.test",
    text="=" * 200,
    html="é\n.\n",
)
def test_a_message_reads_back_as_what_was_put_in(
    subject: str, name: str, sender: str, reply: str, to: str, text: str, html: str
) -> None:
    box = f"{name} <{sender}>" if name else sender
    rendered = Rendered(channel="email", subject=subject, sender=box, reply_to=reply, text=text, html=html)
    data = message(rendered, to=to, sender="unused@example.com")
    assert data == message(rendered, to=to, sender="unused@example.com")
    assert_travels(data)
    read = parsed(data)
    assert read["Subject"] == subject
    shown = parse_mailbox(box)
    assert shown is not None
    assert mailbox_of(data) == shown
    assert [a.addr_spec for a in read["To"].addresses] == [to]
    assert [a.addr_spec for a in read["Reply-To"].addresses] == [reply]
    parts = [part for part in read.walk() if not part.is_multipart()]
    assert [part.get_content_type() for part in parts] == (["text/plain", "text/html"] if html else ["text/plain"])
    # The last line end before a boundary belongs to the boundary (RFC 2046 section 5.1.1), so a part may lack it.
    assert [text_of(part).removesuffix("\r\n") for part in parts] == [
        as_sent(body).removesuffix("\r\n") for body in ([text, html] if html else [text])
    ]


def test_the_headers_follow_from_the_send_key_and_the_tick() -> None:
    read = parsed(
        message(
            Rendered(channel="email", subject="Hi", text="x"),
            sender="Max Muster <max@example.com>",
            unsubscribe_mailto="mailto:stop+abc@example.com?subject=stop",
            headers=(("X-Campaign", "intro"),),
        )
    )
    assert read["Message-ID"] == f"<{KEY}@example.com>"
    assert parsedate_to_datetime(read["Date"]).timestamp() == 1_763_881_200
    assert str(read["Date"]) == "Sun, 23 Nov 2025 07:00:00 +0000"
    assert str(read["From"]) == "Max Muster <max@example.com>"
    assert read["List-Unsubscribe"] == "<mailto:stop+abc@example.com?subject=stop>"
    assert read["X-Campaign"] == "intro"
    assert "Auto-Submitted" not in read


def test_two_sends_have_different_boundaries_and_one_send_always_the_same() -> None:
    rendered = Rendered(channel="email", subject="Hi", text="x", html="<p>x</p>")
    one, again = message(rendered), message(rendered)
    other = message(rendered, message_id=message_id("ab" * 32, "example.com"))
    assert one == again
    assert parsed(one).get_boundary() != parsed(other).get_boundary()


def test_a_text_that_holds_the_boundary_gets_another_one() -> None:
    plain = Rendered(channel="email", subject="Hi", text="x", html="y")
    boundary = parsed(message(plain)).get_boundary()
    assert boundary is not None
    sly = Rendered(channel="email", subject="Hi", text=f"--{boundary}\n\nforged", html="y")
    read = parsed(message(sly))
    assert read.get_boundary() != boundary
    assert len(list(read.iter_parts())) == 2


@pytest.mark.parametrize(
    "change",
    [
        {"to": "a@example.com\r\nBcc: all@example.com"},
        {"to": "a@example.com, b@example.com"},
        {"to": "no address"},
        {"sender": "Max\n <max@example.com>"},
        {"message_id": "<a\r\nb@example.com>"},
        {"message_id": "a@example.com"},
        {"unsubscribe_mailto": "https://example.com"},
        {"unsubscribe_mailto": "mailto:a@example.com>\r\nX: y"},
        {"unsubscribe_mailto": "mailto:a@example.com?subject=a b"},
        {"headers": (("X-A", "b\nc"),)},
        {"headers": (("X-A\r\nY", "b"),)},
        {"headers": (("Bcc", "all@example.com"),)},
        {"headers": (("subject", "another"),)},
        {"headers": (("X-A", "é"),)},
    ],
)
def test_no_argument_can_add_or_break_a_header(change: dict[str, object]) -> None:
    with pytest.raises(Refused):
        message(Rendered(channel="email", subject="Hi", text="x"), **change)


@pytest.mark.parametrize("subject", ["a\rb", "a\nb", "a\r\n b", "a\x00b", "a\x85b"])
def test_a_rendered_value_is_checked_once_more(subject: str) -> None:
    with pytest.raises(Refused, match="header Subject"):
        message(Rendered(channel="email", subject=subject, text="x"))


@pytest.mark.parametrize("domain", ["", "exa mple.com", "example.com>\r\nX: y", "bücher.example"])
def test_a_message_id_needs_a_plain_domain(domain: str) -> None:
    with pytest.raises(Refused, match="not a domain for message ids"):
        message_id(KEY, domain)


def test_an_address_beyond_ascii_is_written_as_it_is() -> None:
    data = message(Rendered(channel="email", subject="é", text="é"), to="jörg@bücher.example")
    assert "To: jörg@bücher.example\r\n".encode() in data


@given(value=st.text(letters, max_size=400).filter(is_clean))
def test_a_folded_header_line_is_short_and_never_blank(value: str) -> None:
    head = message(Rendered(channel="email", subject=value, text="x")).split(b"\r\n\r\n")[0]
    lines = head[head.index(b"Subject:") : head.index(b"\r\nDate:")].split(b"\r\n")
    assert max(map(len, lines)) <= 78
    assert all(line.startswith(b" =?") and line.endswith(b"?=") for line in lines[1:])


@settings(max_examples=300)
@given(text=st.text(st.sampled_from('ab<>@,"\\ .\r\n\x00é'), max_size=30))
def test_a_mailbox_is_one_address_or_nothing(text: str) -> None:
    box = parse_mailbox(text)
    if box is not None:
        assert is_clean(box.name)
        assert box.address.count("@") == 1
        assert not set(box.address) & set('<>, "\\\r\n\x00')
