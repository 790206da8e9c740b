"""Template files: their format, their published form, and what a rendering is."""

from __future__ import annotations

import re
from typing import Any

import pytest

from dee_appliance.content.language import RenderFailed
from dee_appliance.content.template import (
    MAX_EMAIL_BYTES,
    MAX_SMS_CHARS,
    Template,
    fields,
    from_document,
    parse_template,
    render,
    to_document,
)
from dee_appliance.errors import Refused

INTRO = """\
Subject: A question about {{ contact.company }}
Reply-To: {{ sender.email }}
From: {{ sender.name }} <{{ sender.email }}>

Hello {{ contact.first_name }},

see {{ unsubscribe_link }}.
--- html ---
<p>Hello {{ contact.first_name }},</p>
"""

VALUES: dict[str, Any] = {
    "contact": {"first_name": "Ana <b>", "company": "Ørsted"},
    "sender": {"name": "Max Muster", "email": "max@example.com"},
    "unsubscribe_link": "mailto:stop@example.com",
}


def email(text: str) -> Template:
    return parse_template("intro", "email", text, where="intro.eml.j2")


def with_subject(subject: str) -> Template:
    return email(f"Subject: {subject}\n\nx\n")


def test_an_email_template_has_headers_a_text_part_and_perhaps_an_html_part() -> None:
    template = email(INTRO)
    assert template.subject == "A question about {{ contact.company }}"
    assert template.reply_to == "{{ sender.email }}"
    assert template.sender == "{{ sender.name }} <{{ sender.email }}>"
    assert template.text == "Hello {{ contact.first_name }},\n\nsee {{ unsubscribe_link }}."
    assert template.html == "<p>Hello {{ contact.first_name }},</p>\n"


def test_an_sms_template_is_its_text_and_nothing_else() -> None:
    template = parse_template("hi", "sms", "Subject: no header here\nHi {{ contact.first_name }}\n", where="hi.sms.j2")
    assert template.text == "Subject: no header here\nHi {{ contact.first_name }}"
    assert render(template, VALUES).text == "Subject: no header here\nHi Ana <b>"


def test_line_ends_byte_order_mark_and_unicode_form_do_not_change_a_template() -> None:
    plain = email("Subject: é\n\ntext é\n--- html ---\n<p>é</p>\n")
    assert email("\ufeffSubject: é\r\n\r\ntext é\r\n--- html ---\r\n<p>é</p>\r\n".replace("é", "é")) == plain


def test_the_fields_of_every_part_are_listed() -> None:
    expected = ("contact.company", "contact.first_name", "sender.email", "sender.name", "unsubscribe_link")
    assert fields(email(INTRO)) == expected


def test_a_template_reads_back_from_its_canonical_form() -> None:
    document = to_document(email(INTRO))
    assert from_document(document) == email(INTRO)
    assert all(isinstance(value, str) for value in document.values())


@pytest.mark.parametrize("change", [{"channel": "fax"}, {"extra": "x"}, {"text": 3}])
def test_a_document_that_is_no_template_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(Refused, match="not a template document"):
        from_document({**to_document(email(INTRO)), **change})


def test_rendering_fills_every_part_and_escapes_only_html() -> None:
    done = render(email(INTRO), VALUES)
    assert done.subject == "A question about Ørsted"
    assert (done.reply_to, done.sender) == ("max@example.com", "Max Muster <max@example.com>")
    assert done.text.startswith("Hello Ana <b>,\n\nsee mailto:stop@example.com.")
    assert done.html == "<p>Hello Ana &lt;b&gt;,</p>\n"


@pytest.mark.parametrize(
    ("text", "where", "reason"),
    [
        ("", "1", "needs a subject"),
        ("Subject:\n\nx", "1", "needs a subject"),
        ("Reply-To: a@example.com\n\nx", "1", "needs a subject"),
        ("Subject: a\nSubject: b\n\nx", "2", "a second `Subject:`"),
        ("Subject: a\nX-Header: b\n\nx", "2", "is not a header of a template"),
        ("Subject: a\nHello\n\nx", "2", "is not a header of a template"),
        ("Subject: a\n\n  \n", "3", "the text part is empty"),
        ("Subject: a\n\n--- html ---\n<p>x</p>", "3", "the text part is empty"),
        ("Subject: a\n\nx\n--- html ---\ny\n--- html ---\nz", "6", "a second `--- html ---`"),
        ("Subject: {{ nope }}\n\nx", "1", "there is no `nope`"),
        ("Subject: a\n\nx\n{{ nope }}", "4", "there is no `nope`"),
        ("Subject: a\n\nx\n--- html ---\n<p>\n{{#if contact.x}}", "6", "is Handlebars"),
        ("Subject: a\n\nx\n{% if plan %}", "4", "not a valid template"),
    ],
)
def test_a_faulty_file_is_refused_with_its_line(text: str, where: str, reason: str) -> None:
    with pytest.raises(Refused, match=re.escape(reason)) as refused:
        email(text)
    assert refused.value.where == f"intro.eml.j2:{where}"


@pytest.mark.parametrize("end", ["\r\n", "\n", "\r", "\x00", "\x1b", "\x85", "\u2028"])
def test_a_value_cannot_start_another_header(end: str) -> None:
    with pytest.raises(RenderFailed) as failed:
        render(with_subject("Hi {{ contact.first_name }}!"), {"contact": {"first_name": f"x{end}Bcc: all@example.com"}})
    assert (failed.value.code, failed.value.field) == ("header_injection", "subject")


@pytest.mark.parametrize(
    "address",
    [
        "",
        "x",
        "a@b@c",
        "a@example.com, b@example.com",
        "a@example.com> <b@example.com",
        "a b@example.com",
        "<a@example.com",
    ],
)
def test_a_reply_address_that_is_not_one_mailbox_is_an_injection(address: str) -> None:
    template = email("Subject: a\nReply-To: Me <{{ contact.email }}>\n\nx")
    with pytest.raises(RenderFailed) as failed:
        render(template, {"contact": {"email": address}})
    assert (failed.value.code, failed.value.field) == ("header_injection", "reply_to")


@pytest.mark.parametrize(
    ("template", "values", "code", "field"),
    [
        (with_subject("{{ contact.x }}"), {}, "undefined_field", "contact"),
        (with_subject("{{ contact.x }}"), {"contact": {}}, "undefined_field", "contact.x"),
        (with_subject("{{ contact.x }}"), {"contact": {"x": None}}, "bad_value", "contact.x"),
        (with_subject("{{ contact.x }}"), {"contact": {"x": "y" * 501}}, "too_large", "subject"),
        (
            email("Subject: a\n\n{% for a in var.l %}{% for b in var.l %}{{ b }}{% endfor %}{% endfor %}"),
            {"var": {"l": list(range(500))}},
            "fuel",
            "",
        ),
        (email("Subject: a\n\n" + "{{ contact.x }}" * 20), {"contact": {"x": "y" * 14_000}}, "too_large", "text"),
        (
            email("Subject: a\n\nx\n--- html ---\n" + "{{ contact.x }}" * 4),
            {"contact": {"x": "&" * 14_000}},
            "too_large",
            "html",
        ),
    ],
)
def test_a_rendering_fails_with_a_closed_code(
    template: Template, values: dict[str, Any], code: str, field: str
) -> None:
    with pytest.raises(RenderFailed) as failed:
        render(template, values)
    assert (failed.value.code, failed.value.field) == (code, field)


def test_the_size_limits_are_exact() -> None:
    text = email("Subject: a\n\n" + "é" * (MAX_EMAIL_BYTES // 2))
    assert len(render(text, {}).text.encode()) == MAX_EMAIL_BYTES
    with pytest.raises(RenderFailed, match="too large"):
        render(email("Subject: a\n\nx" + "é" * (MAX_EMAIL_BYTES // 2)), {})
    sms = parse_template("s", "sms", "x" * MAX_SMS_CHARS, where="s.sms.j2")
    assert len(render(sms, {}).text) == MAX_SMS_CHARS
    with pytest.raises(RenderFailed, match="too large"):
        render(parse_template("s", "sms", "x" * (MAX_SMS_CHARS + 1), where="s.sms.j2"), {})


def test_the_fuel_of_one_rendering_does_not_come_from_the_next() -> None:
    template = email("Subject: a\n\n{% for x in var.l %}{{ x }}{% endfor %}")
    for _ in range(20):
        assert len(render(template, {"var": {"l": ["y"] * 2_000}}).text) == 2_000
