"""E-mail and SMS templates: the file format, the published form, and rendering.

An e-mail template is a plain file: headers, an empty line, the text part, and, if wanted, a line `--- html ---` and the HTML
part. An SMS template is its text and nothing else.

    Subject: A question about {{ contact.company }}
    Reply-To: {{ sender.email }}

    Hello {{ contact.first_name }},
    …
    --- html ---
    <p>Hello {{ contact.first_name }},</p>

What may stand between the braces is `language`; how the result becomes a message is `mime`. A template holds no personal data,
and its canonical form (`to_document`) is pinned by digest with the plan: line ends and a byte-order mark do not change it.
"""

from __future__ import annotations

import unicodedata
from functools import lru_cache
from typing import Final, Literal

import msgspec

from dee_appliance.content.header import is_clean, parse_mailbox
from dee_appliance.content.language import Program, RenderFailed, Values, check, longest_value
from dee_appliance.errors import Refused

Channel = Literal["email", "sms"]

MAX_EMAIL_BYTES: Final = 256 * 1024
MAX_SMS_CHARS: Final = 1_600
MAX_SUBJECT_CHARS: Final = 500
HTML_LINE: Final = "--- html ---"

_HEADERS: Final = {"subject": "subject", "reply-to": "reply_to", "from": "sender"}


class Template(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A checked template as it is published. Parts that are not there are empty; line ends are LF."""

    name: str
    channel: Channel
    subject: str = ""
    reply_to: str = ""
    sender: str = ""
    text: str
    html: str = ""


class Rendered(msgspec.Struct, frozen=True, kw_only=True):
    """What one contact is to receive. Personal data: it never enters an append-only row."""

    channel: Channel
    subject: str = ""
    reply_to: str = ""
    sender: str = ""
    text: str
    html: str = ""


class _Piece(msgspec.Struct, frozen=True):
    """A part of a template file and the line it starts on."""

    text: str
    line: int


def parse_template(name: str, channel: Channel, text: str, *, where: str) -> Template:
    """Read and check one template file. Raises Refused with file and line.

    `where` is the file name shown in messages.
    """
    text = unicodedata.normalize("NFC", text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n"))
    pieces = {"text": _Piece(text.strip("\n"), 1)} if channel == "sms" else _email_pieces(text, where)
    if not pieces["text"].text.strip():
        raise Refused(
            "the text part is empty", where=f"{where}:{pieces['text'].line}", hint="every message needs a text part"
        )
    for piece in pieces.values():
        check(piece.text, where=where, first_line=piece.line)
    return Template(name=name, channel=channel, **{part: piece.text for part, piece in pieces.items()})


def fields(template: Template) -> tuple[str, ...]:
    """The fields the template needs, sorted, as in `contact.first_name` or `unsubscribe_link`."""
    needed: set[str] = set()
    for source in _sources(template).values():
        needed.update(check(source, where=template.name))
    return tuple(sorted(needed))


def to_document(template: Template) -> dict[str, str]:
    """The canonical form, text values only, which is stored and pinned by digest."""
    return {part: getattr(template, part) for part in Template.__struct_fields__}


def from_document(document: object) -> Template:
    """Read the canonical form back. Raises Refused when it is not one."""
    try:
        return msgspec.convert(document, Template, strict=True)
    except msgspec.ValidationError as error:
        raise Refused(f"not a template document: {error}") from None


def render(template: Template, values: Values) -> Rendered:
    """Render every part with these values. Raises RenderFailed with a closed code; the same input gives the same bytes.

    `values` holds plain data only: contact, sender, previous, run, var (mappings), unsubscribe_link and plan (texts).
    """
    longest = longest_value(values)
    program = _program(template)
    parts = {part: program.render(part, values, longest_value_chars=longest) for part in _sources(template)}
    subject, reply_to = parts.get("subject.txt", "").strip(" "), parts.get("reply_to.txt", "").strip(" ")
    sender, text, html = parts.get("sender.txt", "").strip(" "), parts["text.txt"], parts.get("body.html", "")
    if template.channel == "sms":
        if len(text) > MAX_SMS_CHARS:
            raise RenderFailed("too_large", "text")
        return Rendered(channel="sms", text=text)
    _check_header("subject", subject)
    for field, value in (("reply_to", reply_to), ("sender", sender)):
        _check_header(field, value)
        if value and parse_mailbox(value) is None:
            raise RenderFailed("header_injection", field)
    if _utf8_bytes(text) + _utf8_bytes(html) > MAX_EMAIL_BYTES:
        raise RenderFailed("too_large", "html" if len(html) > len(text) else "text")
    return Rendered(channel="email", subject=subject, reply_to=reply_to, sender=sender, text=text, html=html)


def _check_header(field: str, value: str) -> None:
    if not is_clean(value):
        raise RenderFailed("header_injection", field)
    if len(value) > MAX_SUBJECT_CHARS:
        raise RenderFailed("too_large", field)


def _utf8_bytes(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode("utf-8"))


def _sources(template: Template) -> dict[str, str]:
    """The parts that are there, by the names `language` knows them by: `.html` escapes what it inserts."""
    named = {
        "subject.txt": template.subject,
        "reply_to.txt": template.reply_to,
        "sender.txt": template.sender,
        "text.txt": template.text,
        "body.html": template.html,
    }
    return {name: source for name, source in named.items() if source}


@lru_cache(maxsize=256)
def _program(template: Template) -> Program:
    return Program(_sources(template))


def _email_pieces(text: str, where: str) -> dict[str, _Piece]:
    lines = text.split("\n")
    pieces: dict[str, _Piece] = {}
    number = 0
    while number < len(lines) and lines[number].strip():
        name, value = _header_line(lines[number], f"{where}:{number + 1}")
        if name in pieces:
            raise Refused(f"a second `{lines[number].split(':')[0]}:`", where=f"{where}:{number + 1}")
        pieces[name] = _Piece(value, number + 1)
        number += 1
    if "subject" not in pieces or not pieces["subject"].text:
        raise Refused("an e-mail template needs a subject", where=f"{where}:1", hint="begin the file with `Subject: …`")
    body = lines[number + 1 :]
    marks = [index for index, line in enumerate(body) if line.strip() == HTML_LINE]
    if len(marks) > 1:
        raise Refused(f"a second `{HTML_LINE}`", where=f"{where}:{number + 2 + marks[1]}")
    split = marks[0] if marks else len(body)
    pieces["text"] = _Piece("\n".join(body[:split]), number + 2)
    if marks:
        pieces["html"] = _Piece("\n".join(body[split + 1 :]), number + 3 + split)
    return pieces


def _header_line(line: str, at: str) -> tuple[str, str]:
    name, colon, value = line.partition(":")
    field = _HEADERS.get(name.lower())
    if not colon or field is None:
        raise Refused(
            f"`{line[:40]}` is not a header of a template",
            where=at,
            hint="headers are Subject, Reply-To and From; an empty line ends them",
        )
    return field, value.strip()
