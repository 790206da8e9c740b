"""Plans and templates on the command line."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET

import pytest
from terminal import PLAN, Terminal

EXTRA = PLAN.replace("version = 1", "version = 2").replace('within       = "30d"', 'within       = "7d"')


# -- check and publish -------------------------------------------------------------------------------------------------


def test_a_sound_plan_is_told_so_without_any_file(bare: Terminal, desk: Terminal) -> None:
    said = bare.ok("plan", "check", desk.folder / "plan.toml")
    assert "welcome@1 is sound: 4 steps, 0 warnings" in said.out
    (summary,) = bare.ok("plan", "check", desk.folder / "plan.toml", "--json").records()
    assert (summary["type"], summary["plan"], summary["version"], summary["refused"]) == ("summary", "welcome", 1, 0)


def test_every_mistake_is_told_with_file_line_and_suggestion(desk: Terminal) -> None:
    desk.write("bad.toml", PLAN.replace('"letter"', '"leter"').replace('next         = "sad"', 'next         = "sadd"'))
    said = desk.dee("plan", "check", "bad.toml")
    assert said.code == 1
    assert "bad.toml:" in said.out
    assert "letter" in said.out
    assert "mistakes" in said.err
    told = desk.dee("plan", "check", "bad.toml", "--json")
    *findings, summary = told.records()
    assert len(findings) == summary["refused"] == 2
    assert all(finding["type"] == "finding" and finding["line"] > 0 for finding in findings)
    assert told.error()["error"] == "refused"


def test_calls_may_take_their_hours_from_the_policy_of_the_file(bare: Terminal) -> None:
    bare.write(
        "plan.toml",
        'plan = "ring"\nversion = 1\npurpose = "transactional"\n'
        '[[step]]\nid = "call"\ndo = "call"\nscript = "hello"\n[[step]]\nid = "end"\ndo = "end"\noutcome = "done"\n',
    )
    bare.write("scripts/hello.toml", 'max_duration_s = 60\n[[answered]]\nsay = "Hello."\n')
    assert "missing_hours" in bare.dee("plan", "check", "plan.toml").out
    bare.ok("init")
    bare.ok("plan", "check", "plan.toml")
    bare.ok("plan", "publish", "plan.toml")


def test_a_published_version_never_changes(desk: Terminal) -> None:
    assert "published welcome@1" in desk.ok("plan", "publish", "plan.toml").out
    desk.write("plan.toml", PLAN.replace('"30d"', '"31d"'))
    said = desk.dee("plan", "publish", "plan.toml")
    assert said.code == 1
    assert "this version is published already, with other content" in said.err
    assert "raise `version`" in said.err


def test_a_plan_with_mistakes_is_not_published(desk: Terminal) -> None:
    desk.write("bad.toml", EXTRA.replace('"letter"', '"leter"'))
    said = desk.dee("plan", "publish", "bad.toml")
    assert said.code == 1
    assert "the plan has 1 mistake" in said.err
    assert len(desk.ok("plan", "list", "--json").records()) == 1


# -- list, show, graph, diff, schema -----------------------------------------------------------------------------------


def test_versions_are_listed_and_named(desk: Terminal) -> None:
    desk.write("two.toml", EXTRA)
    desk.ok("plan", "publish", "two.toml")
    listed = desk.ok("plan", "list", "--json").records()
    assert [(row["plan"], row["version"]) for row in listed] == [("welcome", 1), ("welcome", 2)]
    digest = listed[0]["digest"]
    for name in ("welcome@1", f"welcome@{digest}", f"welcome@{digest.removeprefix('b3:')[:8]}"):
        assert desk.ok("plan", "show", name, "--json").record()["digest"] == digest
    assert desk.ok("plan", "show", "welcome", "--json").record()["plan"]["version"] == 2
    assert "welcome@2" in desk.ok("plan", "list").out


def test_a_plan_is_shown_with_what_it_needs(desk: Terminal) -> None:
    shown = desk.ok("plan", "show", "welcome").out
    for words in ("variable   day: date (required)", "letter reads contact.first_name, var.day", "badly", "→ ring"):
        assert words in shown


def test_no_plan_is_no_table(bare: Terminal) -> None:
    bare.ok("init")
    assert "no plan is published yet" in bare.ok("plan", "list").out


@pytest.mark.parametrize("name", ["nope", "welcome@9", "welcome@b3:00000000", "welcome@ab"])
def test_a_version_that_is_not_there_is_refused(desk: Terminal, name: str) -> None:
    for verb in ("show", "graph"):
        assert desk.dee("plan", verb, name).code == 1


def test_a_plan_is_drawn(desk: Terminal) -> None:
    assert "flowchart" in desk.ok("plan", "graph", "welcome").out
    drawn = desk.ok("plan", "graph", "plan.toml", "--svg").out
    assert ET.fromstring(drawn).tag == "{http://www.w3.org/2000/svg}svg"
    assert desk.ok("plan", "graph", "welcome", "--svg", "--json").record()["text"].strip() == drawn.strip()
    desk.ok("plan", "graph", "welcome@1", "--svg", "--out", "plan.svg")
    assert ET.parse(desk.folder / "plan.svg").getroot() is not None
    assert desk.dee("plan", "graph", "welcome", "--out", "no/such/folder.svg").code == 1


def test_two_plans_are_compared_by_what_they_mean(desk: Terminal) -> None:
    desk.write("two.toml", EXTRA)
    assert "30d → 1w" in desk.ok("plan", "diff", "welcome@1", "two.toml").out
    told = desk.ok("plan", "diff", "plan.toml", "two.toml", "--json").records()
    assert {change["kind"] for change in told} == {"changed"}
    assert "they mean the same" in desk.ok("plan", "diff", "welcome", "plan.toml").out


def test_schemas_are_printed(bare: Terminal) -> None:
    for words in (("plan", "schema"), ("plan", "schema", "--policy")):
        schema = json.loads(bare.ok(*words).out)
        assert schema == bare.ok(*words, "--json").record()
        assert schema["$schema"].startswith("https://json-schema.org/")


# -- templates ---------------------------------------------------------------------------------------------------------


def test_templates_are_checked_one_by_one(desk: Terminal) -> None:
    desk.write("hello.sms.j2", "Hello {{ contact.first_name }}")
    desk.write("call.toml", 'max_duration_s = 60\n[[answered]]\nsay = "Hello {{ sender.name }}."\n')
    told = desk.ok("template", "check", "templates/letter.eml.j2", "hello.sms.j2", "call.toml", "--json").records()
    assert [(one["channel"], one["fields"]) for one in told] == [
        ("email", ["contact.first_name", "var.day"]),
        ("sms", ["contact.first_name"]),
        ("voice", ["sender.name"]),
    ]
    desk.write("bad.eml.j2", "Subject: x\n\n{{ contact.first_name\n")
    said = desk.dee("template", "check", "bad.eml.j2", "hello.sms.j2")
    assert said.code == 1
    assert "bad.eml.j2:3" in said.out
    assert "hello.sms.j2: sound" in said.out
    assert "1 file has mistakes" in said.err


@pytest.mark.parametrize(("name", "code"), [("letter.txt", 1), ("missing.eml.j2", 1), ("desk.db", 1)])
def test_a_template_that_is_none_is_refused(desk: Terminal, name: str, code: int) -> None:
    desk.write("letter.txt", "Hello")
    assert desk.dee("template", "check", name).code == code


def test_a_letter_is_seen_as_the_contact_would_get_it(desk: Terminal) -> None:
    words = ("template", "preview", "letter", "--contact", "K-1", "--var", "day=2026-12-24")
    said = desk.ok(*words)
    assert said.out.startswith(
        "From: Example Sender <sender@example.com>\nTo: ada@good.example.com\nSubject: Your visit\n"
    )
    assert "see you on 2026-12-24." in said.out
    assert desk.ok(*words, "--html").out == "<p>Dear Ada</p>\n"
    told = desk.ok(*words, "--json").record()
    assert (told["channel"], told["to"]) == ("email", "ada@good.example.com")
    assert "\r" not in told["text"]


def test_other_channels_are_seen_too(desk: Terminal) -> None:
    desk.write("hello.sms.j2", "Hello {{ contact.first_name }}\x1b")
    desk.write("call.toml", 'max_duration_s = 60\n[[answered]]\nsay = "Hello {{ contact.first_name }}."\n')
    sms = desk.ok("template", "preview", "hello.sms.j2", "--contact", "K-1")
    assert "To: +12065550101   (1 segments)" in sms.out
    assert "\x1b" not in sms.out
    assert "Hello Ada." in desk.ok("template", "preview", "call.toml", "--contact", "K-1").out


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (("letter", "--contact", "K-1"), 1, "undefined_field: var.day"),
        (("letter", "--contact", "K-1", "--var", "day=soon"), 2, "day is a date"),
        (("letter", "--contact", "K-1", "--var", "dya=2026-12-24"), 2, "did you mean day?"),
        (("letter", "--contact", "K-77", "--var", "day=2026-12-24"), 1, "there is no contact"),
        (("lettre", "--contact", "K-1"), 1, "no published plan has a template"),
        (("letter", "--contact", "K-1", "--plan", "nope"), 1, "there is no plan"),
        (("hello.sms.j2", "--contact", "K-2"), 1, "no address for this channel"),
        (("hello.sms.j2", "--contact", "K-2", "--html"), 1, "no address for this channel"),
        (("letter",), 2, "--contact"),
    ],
)
def test_a_preview_that_cannot_be_is_explained(desk: Terminal, words: tuple[str, ...], code: int, told: str) -> None:
    desk.write("hello.sms.j2", "Hello {{ contact.first_name }}")
    said = desk.dee("template", "preview", *words)
    assert said.code == code, said
    assert told in said.err


def test_a_name_in_several_plans_needs_the_plan(desk: Terminal) -> None:
    letter = desk.folder / "templates" / "letter.eml.j2"
    letter.write_text(letter.read_text("utf-8").replace("see you", "meet you"), "utf-8")
    desk.write("other.toml", PLAN.replace('"welcome"', '"other"'))
    desk.ok("plan", "publish", "other.toml")
    words = ("template", "preview", "letter", "--contact", "K-1", "--var", "day=2026-12-24")
    said = desk.dee(*words)
    assert said.code == 2
    assert "--plan other or welcome" in said.err
    assert "meet you" in desk.ok(*words, "--plan", "other").out
    assert "see you" in desk.ok(*words, "--plan", "welcome@1").out
