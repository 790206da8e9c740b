"""Every mistake in a plan file is refused at its line.

The cases stand in two text files beside this one. In each the lines that must be refused are marked: `# <- code`. What is found
must be exactly that: the same lines, the same codes, nothing else.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from marked_cases import cases, marked, refused

from dee_appliance.authoring.checks import CheckedPlan, check_plan, publishable
from dee_appliance.authoring.finding import Finding
from dee_appliance.errors import Refused

HEAD = """\
plan = "p"
version = 1
purpose = "transactional"
[attributes]
tier = ["gold", "silver"]
renewal = "date"
vip = "bool"
[variables]
code = "int"
"""
END = """
[[step]]
id = "done"
do = "end"
outcome = "done"
"""

Check = Callable[..., CheckedPlan]
HEADS = cases(Path(__file__).parent / "authoring_refused_heads.txt")
STEPS = cases(Path(__file__).parent / "authoring_refused_steps.txt")


@pytest.fixture
def check(tmp_path: Path) -> Check:
    """Write a plan with a few good templates and scripts beside it, and check it."""
    (tmp_path / "templates").mkdir()
    (tmp_path / "scripts").mkdir()
    (tmp_path / "templates/hello.eml.j2").write_text("Subject: Hello\n\nHello {{ contact.first_name }}\n")
    (tmp_path / "templates/both.eml.j2").write_text("Subject: Hello\n\nHello\n")
    (tmp_path / "templates/both.sms.j2").write_text("Hello\n")
    (tmp_path / "scripts/ask.toml").write_text('max_duration_s = 90\n[[answered]]\nsay = "Hello"\n')

    def checked(text: str, *, policy_covers_voice: bool = False, name: str = "plan.toml") -> CheckedPlan:
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        return check_plan(path, policy_covers_voice=policy_covers_voice)

    return checked


def only(checked: CheckedPlan) -> Finding:
    assert len(checked.findings) == 1, [str(finding) for finding in checked.findings]
    return checked.findings[0]


@pytest.mark.parametrize(("name", "text"), HEADS.items())
def test_a_mistake_in_the_head_is_refused_at_its_line(check: Check, name: str, text: str) -> None:
    checked = check(text + END)
    assert refused(checked.findings) == marked(text), name
    assert checked.plan is None


@pytest.mark.parametrize(("name", "text"), STEPS.items())
def test_a_mistake_in_a_step_is_refused_at_its_line(check: Check, name: str, text: str) -> None:
    checked = check(HEAD + text + END)
    assert refused(checked.findings) == marked(HEAD + text), name
    assert checked.plan is None


def test_the_plan_around_the_cases_is_sound(check: Check) -> None:
    assert check(HEAD + END).findings == ()
    assert check(HEAD + END).plan is not None


def test_every_finding_says_why_and_names_its_file(check: Check, tmp_path: Path) -> None:
    findings = [
        finding
        for texts, head in ((HEADS, ""), (STEPS, HEAD))
        for text in texts.values()
        for finding in check(head + text + END).findings
    ]
    assert {finding.file for finding in findings} == {str(tmp_path / "plan.toml")}
    assert all(finding.reason and "\n" not in finding.reason for finding in findings)


def test_a_suggestion_names_what_was_probably_meant(check: Check) -> None:
    text = (
        HEAD
        + """
[[step]]
id = "a"
do = "send_email"
template = "hello"
next = "doen"
"""
        + END
    )
    finding = only(check(text))
    assert (finding.code, finding.suggestion) == ("unknown_target", 'did you mean "done"?')
    finding = only(check(text.replace("doen", "done").replace('template = "hello"', 'template = "helo"')))
    assert (finding.code, finding.suggestion) == ("missing_template", 'did you mean "hello"?')
    finding = only(check(text.replace("doen", "done").replace("send_email", "send_mail")))
    assert (finding.code, finding.suggestion) == ("unknown_kind", 'did you mean "send_email"?')
    finding = only(check(text.replace("doen", "done").replace("next =", "nxt =")))
    assert (finding.code, finding.suggestion) == ("unknown_field", 'did you mean "next"?')


def test_the_last_step_must_end_or_say_what_is_next(check: Check) -> None:
    finding = only(check(HEAD + '[[step]]\nid = "a"\ndo = "wait"\nfor = "3d"\n'))
    assert (finding.line, finding.code) == (10, "falls_off_end")


def test_a_plan_without_steps_is_refused(check: Check) -> None:
    assert refused(check(HEAD).findings) == [(1, "missing_field")]
    assert refused(check(HEAD.replace('"p"', '"p"\nstep = []')).findings) == [(2, "missing_field")]
    assert refused(check(HEAD.replace('"p"', '"p"\nstep = 3')).findings) == [(2, "wrong_type")]


def test_a_plan_has_at_most_five_hundred_steps(check: Check) -> None:
    steps = "".join(f'[[step]]\nid = "s{n}"\ndo = "wait"\nfor = "1h"\n' for n in range(499))
    assert check(HEAD + steps + END).plan is not None
    more = '[[step]]\nid = "more"\ndo = "wait"\nfor = "1h"\n'
    assert (len(HEAD.splitlines()) + 500 * 4 + 2, "too_many") in refused(check(HEAD + more + steps + END).findings)


def test_a_call_is_allowed_where_the_policy_of_the_file_has_hours_for_it(check: Check) -> None:
    text = HEAD + '[[step]]\nid = "a"\ndo = "call"\nscript = "ask"\n' + END
    assert only(check(text)).code == "missing_hours"
    assert check(text, policy_covers_voice=True).plan is not None


def test_marketing_mail_must_say_how_to_unsubscribe(check: Check, tmp_path: Path) -> None:
    text = (
        HEAD.replace("transactional", "marketing") + '[[step]]\nid = "a"\ndo = "send_email"\ntemplate = "hello"\n' + END
    )
    finding = only(check(text))
    assert (finding.code, finding.line, finding.file) == (
        "missing_unsubscribe",
        1,
        str(tmp_path / "templates/hello.eml.j2"),
    )
    (tmp_path / "templates/hello.eml.j2").write_text("Subject: Hello\n\nHello! {{ unsubscribe_link }}\n")
    assert check(text).findings == ()


def test_a_mistake_in_a_template_is_named_in_its_own_file(check: Check, tmp_path: Path) -> None:
    text = HEAD + '[[step]]\nid = "a"\ndo = "send_email"\ntemplate = "hello"\n' + END
    template = tmp_path / "templates/hello.eml.j2"
    template.write_text("Subject: Hello\n\nHello\n{{ contact.first_name\n")
    assert (only(check(text)).file, only(check(text)).code) == (str(template), "unusable_template")
    template.write_text("Subject: Hello\n\nHello\n\n{{ var.cod }}\n")
    finding = only(check(text))
    assert (finding.file, finding.line, finding.code) == (str(template), 5, "undeclared_variable")
    assert finding.suggestion == 'did you mean "code"?'


def test_a_field_that_is_never_filled_in_is_refused(check: Check, tmp_path: Path) -> None:
    text = (
        HEAD
        + '[[step]]\nid = "a"\ndo = "send_email"\ntemplate = "both"\n[[step]]\nid = "b"\ndo = "call"\nscript = "ask"\n'
        + END
    )
    (tmp_path / "templates/both.eml.j2").write_text(
        "Subject: {{ run.id }}\n\n{{ sender.name }}\n{{ previous['intro'] }}\n"
    )
    (tmp_path / "scripts/ask.toml").write_text('max_duration_s = 9\n[[answered]]\nsay = "{{ unsubscribe_link }}"\n')
    findings = check(text, policy_covers_voice=True).findings
    assert [(Path(finding.file).name, finding.line, finding.code) for finding in findings] == [
        ("ask.toml", 3, "unknown_field"),
        ("both.eml.j2", 4, "unknown_field"),
    ]


def test_a_mistake_in_a_script_is_named_in_its_own_file(check: Check, tmp_path: Path) -> None:
    text = HEAD + '[[step]]\nid = "a"\ndo = "call"\nscript = "ask"\n' + END
    script = tmp_path / "scripts/ask.toml"
    for body, line in (("max_duration_s = 90\n\n[[answered]]\nsay = 3\n", 3), ("max_duration_s = \n", 1)):
        script.write_text(body)
        finding = only(check(text, policy_covers_voice=True))
        assert (finding.file, finding.line) == (str(script), line)


def test_deciding_on_opened_alone_is_only_warned_of(check: Check) -> None:
    text = (
        HEAD
        + """
[[step]]
id = "a"
do = "send_email"
template = "hello"
[[step]]
id = "b"
do = "branch"
case = [
  { when = 'clicked("a") || opened("a")', then = "done" },
  { when = '!opened("a")', then = "done" },
]
else = "done"
"""
        + END
    )
    checked = check(text)
    assert checked.plan is not None
    assert (only(checked).severity, only(checked).code, only(checked).line) == ("warned", "opened_only", 20)


def test_a_gap_that_never_matters_is_only_warned_of(check: Check) -> None:
    checked = check(HEAD + '[enroll]\nreentry = "never"\nmin_gap = "1d"\n' + END)
    assert checked.plan is not None
    assert (only(checked).severity, only(checked).line) == ("warned", 12)


def test_a_budget_that_denies_everything_is_warned_of(tmp_path: Path, check: Check) -> None:
    text = (
        HEAD
        + """
[policy]
budget = { amount = "5.00", currency = "USD" }
[[step]]
id = "a"
do = "send_email"
template = "hello"
"""
        + END
    )
    assert check(text).findings == ()
    assert check_plan(tmp_path / "plan.toml", priced_channels=("email",)).findings == ()
    checked = check_plan(tmp_path / "plan.toml", priced_channels=("voice",))
    assert (only(checked).severity, only(checked).code, only(checked).line) == ("warned", "no_rate", 12)


def test_publishing_a_plan_with_mistakes_is_refused_with_all_of_them(check: Check) -> None:
    checked = check(HEAD + '[[step]]\nid = "A"\ndo = "wait"\nfor = "3 d"\n' + END)
    with pytest.raises(Refused) as caught:
        publishable(checked)
    assert "2 mistakes" in str(caught.value)
    assert "plan.toml:11:" in str(caught.value)
    assert "plan.toml:13:" in str(caught.value)


def test_a_sound_plan_may_be_published(check: Check) -> None:
    checked = check(HEAD + END)
    assert publishable(checked) is checked.plan


@pytest.mark.parametrize("name", ["plan.yaml", "plan.yml", "plan.txt", "plan"])
def test_other_formats_are_refused_with_the_reason(check: Check, name: str) -> None:
    with pytest.raises(Refused, match=r"21:00 into 1260|neither a .toml nor a .json"):
        check(HEAD + END, name=name)


def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="cannot be read"):
        check_plan(tmp_path / "nothing.toml")
    (tmp_path / "folder.toml").mkdir()
    with pytest.raises(Refused, match="cannot be read"):
        check_plan(tmp_path / "folder.toml")
    (tmp_path / "bytes.toml").write_bytes(b'plan = "p"\ntitle = "\xff"\n')
    with pytest.raises(Refused) as caught:
        check_plan(tmp_path / "bytes.toml")
    assert caught.value.where == f"{tmp_path / 'bytes.toml'}:2"
    (tmp_path / "large.toml").write_bytes(b"#" * 1_048_577)
    with pytest.raises(Refused, match="larger"):
        check_plan(tmp_path / "large.toml")


@pytest.mark.parametrize(
    ("text", "line", "hint"),
    [
        ('plan = "p"\nversion = \n', 2, ""),
        ('plan = "p"\npurpose = marketing\n', 2, 'purpose = "marketing"'),
        ('plan = "p"\npurpose: "marketing"\n', 2, "key = value"),
        ("plan = 'p'\n\nat = 21:00\n", 3, "09:00:00"),
        ('plan = "p"\nplan = "q"\n', 2, ""),
        ('plan = "p"\ntitle = "open\n', 2, ""),
        ("x = [1,\n\n", 1, ""),
        ("x = " + "[" * 2_000, 1, ""),
        ("x = " + "9" * 5_000, 1, ""),
    ],
)
def test_a_mistake_of_syntax_has_its_line(check: Check, text: str, line: int, hint: str) -> None:
    finding = only(check(text))
    assert (finding.code, finding.line) == ("syntax", line)
    assert hint in finding.suggestion


@pytest.mark.parametrize(
    ("text", "line"),
    [("{", 1), ("[]", 1), ('{\n"plan": "p",\n}', 3), ('{"plan": "a", "plan": "b"}', 1), ('{"title": "\\ud800"}', 1)],
)
def test_a_mistake_in_json_has_its_line(check: Check, text: str, line: int) -> None:
    finding = only(check(text, name="plan.json"))
    assert (finding.code, finding.line) == ("syntax", line)


def test_null_means_nothing_in_a_json_plan(check: Check) -> None:
    step = '{"id": "e", "do": "end", "outcome": "x"}'
    text = f'{{"plan": "p", "version": 1, "purpose": "regulatory",\n"title": null,\n"step": [{step}]}}'
    assert (only(check(text, name="plan.json")).line, only(check(text, name="plan.json")).code) == (2, "wrong_type")
    assert check(text.replace('"title": null,', ""), name="plan.json").plan is not None
