"""What a written plan means: its normal form, its digest and the documents that are pinned with it."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest

from dee_appliance.authoring.checks import CheckedPlan, check_plan
from dee_appliance.content.script import script_from_document
from dee_appliance.content.template import from_document
from dee_appliance.kernel.e1.encoding import document_digest
from dee_appliance.kernel.e1.plan import (
    Arm,
    AttributeDeclaration,
    Branch,
    Budget,
    Call,
    Case,
    End,
    Enroll,
    Exit,
    Hours,
    Plan,
    PlanPolicy,
    Recover,
    SendEmail,
    SendSms,
    Split,
    Task,
    Wait,
    decode_plan,
)

EXAMPLES = Path(__file__).parents[2] / "examples"
PLANS = sorted(path.relative_to(EXAMPLES).as_posix() for path in EXAMPLES.glob("*/plan.toml"))

EVERYTHING = """
plan = "every-thing"
version = 7
purpose = "regulatory"
title = "Every\\u0301 field"

[attributes]
tier = ["gold", "silver"]
renewal = "date"
vip = "bool"
[variables]
code = "int"

[enroll]
reentry = "after_exit"
min_gap = "90d"
exclusive = true

[policy]
daily_sends = 200
budget = { amount = "250.5", currency = "EUR" }
calling_hours = [
  { days = "Mon-Tue", from = 14:00:00, to = 18:00:00 },
  { days = "Mon", from = 09:00:00, to = 12:00:00 },
  { days = "Mon", from = 11:00:00, to = 13:00:00 },
  { days = "Sun", from = 22:00:00, to = 00:00:00 },
]
closed_dates = [2027-01-01, 2026-12-25, 2027-01-01]
on_deny = { consent = "end", budget = "fail" }

[[exit]]
when = " unsubscribed() "
outcome = "opted_out"

[[step]]
id = "mail"
do = "send_email"
template = "hello"
send_by = "4h"
skippable = true
on = { rejected = "look" }
recover = { on = ["transient", "confirmed"], attempts = 3, backoff = ["1m", "1h30m"] }

[[step]]
id = "text"
do = "send_sms"
template = "hi"
next = "ring"

[[step]]
id = "ring"
do = "call"
script = "ask"
on = { answered = "bye" }
ring = "30s"
max_visits = 3
after = "look"

[[step]]
id = "pause"
do = "wait"
for = "1d12h"

[[step]]
id = "for-an-answer"
do = "wait"
until = 'replied("mail") && has(contact.vip) && contact.vip'
then = "bye"
for = "2w"

[[step]]
id = "morning"
do = "wait"
at = 09:30:00
on_days = "Tue,Thu"

[[step]]
id = "before"
do = "wait"
date = "renewal"
offset = "-2d"
at = 10:00:00

[[step]]
id = "which"
do = "branch"
else = "parts"
[[step.case]]
when = 'contact.tier == "gold" && var.code > 3'
then = "ring"
[[step.case]]
when = "suppressed()"
then = "bye"

[[step]]
id = "parts"
do = "split"
salt = "s"
arms = [{ name = "a", weight = 1, then = "look" }, { name = "b", weight = 3, then = "bye" }]

[[step]]
id = "look"
do = "task"
instructions = "Look at it."
within = "2d"
on = { done = "bye" }

[[step]]
id = "bye"
do = "end"
outcome = "over"
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with the templates and scripts that the plan above names."""
    (tmp_path / "templates").mkdir()
    (tmp_path / "scripts").mkdir()
    (tmp_path / "templates/hello.eml.j2").write_text(
        "Subject: Hello\n\nHello {{ contact.first_name }}, {{ var.code }}\n"
    )
    (tmp_path / "templates/hi.sms.j2").write_text("Hi\n")
    (tmp_path / "scripts/ask.toml").write_text('max_duration_s = 90\n[[answered]]\nsay = "Hello"\n')
    return tmp_path


def checked(folder: Path, text: str, name: str = "plan.toml") -> CheckedPlan:
    (folder / name).write_text(text, encoding="utf-8")
    return check_plan(folder / name)


def plan_of(folder: Path, text: str, name: str = "plan.toml") -> Plan:
    result = checked(folder, text, name)
    assert result.findings == ()
    assert result.plan is not None
    return result.plan


def test_the_head_has_its_normal_form(folder: Path) -> None:
    plan = plan_of(folder, EVERYTHING)
    assert (plan.plan, plan.version, plan.purpose) == ("every-thing", 7, "regulatory")
    assert plan.title == "Ever\u00fd field", "text is composed (Unicode NFC) when it is read"
    assert plan.attributes == {
        "tier": AttributeDeclaration(kind="enum", values=("gold", "silver")),
        "renewal": AttributeDeclaration(kind="date"),
        "vip": AttributeDeclaration(kind="bool"),
    }
    assert plan.variables == {"code": AttributeDeclaration(kind="int")}
    assert plan.enroll == Enroll(reentry="after_exit", min_gap_s=90 * 86_400, exclusive=True)
    assert plan.exits == (Exit(when="unsubscribed()", outcome="opted_out"),)


def test_the_policy_has_its_normal_form(folder: Path) -> None:
    monday, tuesday, sunday = ((32_400, 46_800), (50_400, 64_800)), ((50_400, 64_800),), ((79_200, 86_400),)
    assert plan_of(folder, EVERYTHING).policy == PlanPolicy(
        daily_sends=200,
        budget=Budget(limit_micros=250_500_000, currency="EUR"),
        calling_hours=Hours(
            weekly=(monday, tuesday, (), (), (), (), sunday),
            closed_dates=("2026-12-25", "2027-01-01"),
        ),
        on_deny={"consent": "end", "budget": "fail"},
    )


def test_every_kind_of_step_has_its_normal_form(folder: Path) -> None:
    retry = Recover(on=("transient", "confirmed"), attempts=3, backoff_s=(60, 5_400))
    gold = 'contact.tier == "gold" && var.code > 3'
    assert plan_of(folder, EVERYTHING).steps == (
        SendEmail(
            id="mail",
            template="hello",
            next="text",
            on={"rejected": "look"},
            send_by_s=14_400,
            skippable=True,
            recover=retry,
        ),
        SendSms(id="text", template="hi", next="ring"),
        Call(
            id="ring",
            script="ask",
            next="pause",
            on={"answered": "bye"},
            max_duration_s=90,
            ring_s=30,
            max_visits=3,
            after_visits="look",
        ),
        Wait(id="pause", for_s=129_600, next="for-an-answer"),
        Wait(
            id="for-an-answer",
            for_s=1_209_600,
            until='replied("mail") && has(contact.vip) && contact.vip',
            then="bye",
            next="morning",
        ),
        Wait(id="morning", at_s=34_200, weekdays=(1, 3), next="before"),
        Wait(id="before", date="renewal", offset_s=-172_800, at_s=36_000, next="which"),
        Branch(
            id="which", cases=(Case(when=gold, then="ring"), Case(when="suppressed()", then="bye")), otherwise="parts"
        ),
        Split(id="parts", salt="s", arms=(Arm(name="a", weight=1, then="look"), Arm(name="b", weight=3, then="bye"))),
        Task(id="look", instructions="Look at it.", timeout_s=172_800, on={"done": "bye"}, next="bye"),
        End(id="bye", outcome="over"),
    )


def test_what_is_read_without_asking_whether_it_is_there_is_required(folder: Path) -> None:
    assert plan_of(folder, EVERYTHING).required == ("renewal", "tier")


def test_a_call_lasts_as_long_as_it_says(folder: Path) -> None:
    plan = plan_of(folder, EVERYTHING.replace('ring = "30s"', 'max_duration = "10m"'))
    calls = [step for step in plan.steps if isinstance(step, Call)]
    assert [(call.max_duration_s, call.ring_s) for call in calls] == [(600, 120)]


def test_the_documents_are_named_by_their_content(folder: Path) -> None:
    result = checked(folder, EVERYTHING)
    plan = result.plan
    assert plan is not None
    assert result.digest == document_digest("plan", result.body)
    assert set(result.documents) == {*plan.templates.values(), *plan.scripts.values()}
    for digest in plan.templates.values():
        assert document_digest("template", result.documents[digest]) == digest
    template = from_document(json.loads(result.documents[plan.templates["hello"]]))
    assert (template.name, template.channel, template.subject) == ("hello", "email", "Hello")
    (digest,) = plan.scripts.values()
    assert document_digest("script", result.documents[digest]) == digest
    assert script_from_document(json.loads(result.documents[digest])).max_duration_s == 90


def test_the_body_of_a_plan_reads_back_as_the_plan(folder: Path) -> None:
    result = checked(folder, EVERYTHING)
    assert decode_plan(result.body) == result.plan


def test_comments_and_white_space_and_line_ends_do_not_change_a_plan(folder: Path) -> None:
    digest = checked(folder, EVERYTHING).digest
    (folder / "plan.toml").write_bytes(b"\xef\xbb\xbf# comment\r\n" + EVERYTHING.replace("\n", " # more\r\n").encode())
    assert check_plan(folder / "plan.toml").digest == digest


def test_a_changed_template_changes_the_plan(folder: Path) -> None:
    digest = checked(folder, EVERYTHING).digest
    (folder / "templates/hi.sms.j2").write_text("Hi!\n")
    assert check_plan(folder / "plan.toml").digest != digest


def test_a_default_that_is_written_out_changes_nothing(folder: Path) -> None:
    short = 'plan = "p"\nversion = 1\npurpose = "regulatory"\n'
    head = short + '[enroll]\nreentry = "never"\nexclusive = false\n'
    steps = '[[step]]\nid = "a"\ndo = "send_sms"\ntemplate = "hi"\n{}[[step]]\nid = "b"\ndo = "end"\noutcome = "x"\n'
    written_out = checked(folder, head + steps.format('next = "b"\nskippable = false\n'))
    assert written_out.digest == checked(folder, short + steps.format("")).digest


def as_json(text: str) -> str:
    return json.dumps(tomllib.loads(text), default=str)


def test_json_with_the_same_fields_is_the_same_plan(folder: Path) -> None:
    assert checked(folder, as_json(EVERYTHING), "plan.json").digest == checked(folder, EVERYTHING).digest


@pytest.mark.parametrize("name", PLANS)
def test_every_example_checks_without_a_finding(name: str) -> None:
    result = check_plan(EXAMPLES / name)
    assert result.findings == ()
    assert result.plan is not None
    assert result.plan.plan == Path(name).parent.name


def test_there_are_examples() -> None:
    assert len(PLANS) >= 3
    assert "sales-outreach/plan.toml" in PLANS


def test_the_examples_show_every_kind_of_step() -> None:
    kinds: set[Any] = set()
    for name in PLANS:
        plan = check_plan(EXAMPLES / name).plan
        assert plan is not None
        kinds |= {type(step) for step in plan.steps}
    assert kinds == {SendEmail, SendSms, Call, Wait, Branch, Split, Task, End}


def test_a_free_text_is_for_templates_and_not_for_conditions(tmp_path: Path) -> None:
    folder = tmp_path / "templates"
    folder.mkdir()
    (folder / "note.sms.j2").write_text("Pay at {{ var.link }}", "utf-8")
    plan = tmp_path / "plan.toml"
    text = (
        'plan = "p"\nversion = 1\npurpose = "transactional"\n[variables]\nlink = "text"\n'
        '[[step]]\nid = "note"\ndo = "send_sms"\ntemplate = "note"\n[[step]]\nid = "end"\ndo = "end"\noutcome = "done"\n'
    )
    plan.write_text(text, "utf-8")
    checked = check_plan(plan)
    assert checked.plan is not None, checked.findings
    assert (checked.plan.texts, checked.plan.variables) == (("link",), {})
    plan.write_text(text + '[[exit]]\nwhen = \'var.link == "x"\'\noutcome = "x"\n', "utf-8")
    assert [finding.line for finding in check_plan(plan).findings if finding.severity == "refused"] == [15]
