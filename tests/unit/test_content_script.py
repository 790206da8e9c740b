"""Call scripts: their format, their published form, and what a rendering is."""

from __future__ import annotations

import re

import pytest

from dee_appliance.content.language import RenderFailed
from dee_appliance.content.script import (
    Action,
    Script,
    parse_script,
    render_script,
    script_fields,
    script_from_document,
    script_to_document,
)
from dee_appliance.errors import Refused

INTRO = '''\
max_duration_s = 90

[[answered]]
say = "Hello {{ contact.first_name }}."
[[answered]]
say = """
This is {{ sender.name }}.
"""
[[answered]]
hang_up = true

[[voicemail]]
leave_voicemail = "Please call {{ var.number }}."
'''


def script(text: str = INTRO) -> Script:
    return parse_script("intro-call", text, where="intro-call.toml")


def test_a_script_says_things_to_a_person_and_others_to_a_machine() -> None:
    parsed = script()
    assert parsed.max_duration_s == 90
    assert [action.do for action in parsed.answered] == ["say", "say", "hang_up"]
    assert parsed.voicemail == (Action("leave_voicemail", "Please call {{ var.number }}."),)


def test_without_a_voicemail_part_the_call_hangs_up_on_a_machine() -> None:
    assert script('max_duration_s = 5\n[[answered]]\nsay = "x"\n').voicemail == (Action("hang_up"),)


def test_the_fields_a_script_needs_are_listed() -> None:
    assert script_fields(script()) == ("contact.first_name", "sender.name", "var.number")


def test_a_script_reads_back_from_its_canonical_form() -> None:
    assert script_from_document(script_to_document(script())) == script()
    with pytest.raises(Refused, match="not a script document"):
        script_from_document({"name": "x", "max_duration_s": 1.5, "answered": []})


def test_rendering_fills_in_every_spoken_text() -> None:
    done = render_script(
        script(), {"contact": {"first_name": "Ana"}, "sender": {"name": "Max"}, "var": {"number": "5"}}
    )
    assert done.answered == (Action("say", "Hello Ana."), Action("say", "This is Max.\n"), Action("hang_up"))
    assert done.voicemail == (Action("leave_voicemail", "Please call 5."),)
    assert done.max_duration_s == 90


def test_a_missing_field_and_a_long_text_fail_with_a_closed_code() -> None:
    with pytest.raises(RenderFailed) as failed:
        render_script(script(), {"contact": {}, "sender": {"name": "Max"}, "var": {"number": "5"}})
    assert (failed.value.code, failed.value.field) == ("undefined_field", "contact.first_name")
    with pytest.raises(RenderFailed) as failed:
        render_script(
            script(), {"contact": {"first_name": "a" * 3_000}, "sender": {"name": "Max"}, "var": {"number": "5"}}
        )
    assert (failed.value.code, failed.value.field) == ("too_large", "answered-0")


HEAD = "max_duration_s = 90\n"
SAY = '[[answered]]\nsay = "x"\n'


@pytest.mark.parametrize(
    ("text", "line", "reason"),
    [
        ("max_duration_s = \n", 1, "not valid TOML"),
        (SAY, 1, "max_duration_s must be"),
        ("\nmax_duration_s = 0\n" + SAY, 2, "max_duration_s must be"),
        ("max_duration_s = true\n" + SAY, 1, "max_duration_s must be"),
        (HEAD, 1, "says nothing when the call is answered"),
        (HEAD + "loop = 1\n" + SAY, 2, "unknown field `loop`"),
        (HEAD + SAY + "\n[[busy]]\nhang_up = true\n", 5, "unknown field `busy`"),
        (HEAD + '[answered]\nsay = "x"\n', 2, "`answered` is a list"),
        (HEAD + SAY + '[[answered]]\nleave_voicemail = "x"\n', 4, "`leave_voicemail` is no action of [[answered]]"),
        (HEAD + SAY + '[[voicemail]]\nsay = "x"\n', 4, "`say` is no action of [[voicemail]]"),
        (HEAD + '[[answered]]\nsay = "x"\nhang_up = true\n', 2, "an action is one line"),
        (HEAD + SAY + "[[answered]]\nhang_up = false\n", 4, "hang_up can only be true"),
        (HEAD + "[[answered]]\nhang_up = true\n" + SAY, 4, "nothing can follow hang_up"),
        (HEAD + '[[answered]]\nsay = " "\n', 2, "`say` needs a text"),
        (HEAD + "[[answered]]\nsay = 3\n", 2, "`say` needs a text"),
        (HEAD + SAY + '[[answered]]\n\nsay = "{{ nope }}"\n', 6, "there is no `nope`"),
        (HEAD + '[[answered]]\nsay = """\nx\n{{ nope }}"""\n', 5, "there is no `nope`"),
        (HEAD + SAY * 21, 42, "more than 20 actions"),
    ],
)
def test_a_faulty_script_is_refused_with_its_line(text: str, line: int, reason: str) -> None:
    with pytest.raises(Refused, match=re.escape(reason)) as refused:
        script(text)
    assert refused.value.where == f"intro-call.toml:{line}"
