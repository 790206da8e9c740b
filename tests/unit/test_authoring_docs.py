"""docs/plan-format.md and docs/policy-packs.md say what the checks do: what they show is sound, no code or field is left out."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path
from typing import get_args

import msgspec
import pytest

from dee_appliance.authoring import written, written_pack, written_policy, written_rule
from dee_appliance.authoring.checks import check_plan
from dee_appliance.authoring.finding import Code
from dee_appliance.authoring.pack_file import check_pack
from dee_appliance.authoring.policy_file import check_policy, settable
from dee_appliance.content.language import Value, Values
from dee_appliance.content.script import render_script, script_from_document
from dee_appliance.content.template import from_document, render
from dee_appliance.kernel.e1.condition_parser import FUNCTIONS
from dee_appliance.kernel.e1.policy import RULE_KINDS, kind_of_rule

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs/plan-format.md").read_text(encoding="utf-8")
RULES = (ROOT / "docs/policy-packs.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```toml\n(.*?)```", RULES, re.DOTALL)
EXAMPLES = sorted((ROOT / "examples").glob("*/plan.toml"))


def test_the_plan_in_the_text_is_a_plan(tmp_path: Path) -> None:
    (block,) = re.findall(r"```toml\n(.*?)```", TEXT, re.DOTALL)
    for folder in ("templates", "scripts"):
        (tmp_path / folder).symlink_to(ROOT / "examples/sales-outreach" / folder)
    (tmp_path / "plan.toml").write_text(block, encoding="utf-8")
    assert check_plan(tmp_path / "plan.toml").findings == ()


def test_every_code_is_explained_and_no_other() -> None:
    table = TEXT.partition("## What is found")[2]
    explained = {
        code
        for row in table.splitlines()
        if row.startswith("| `")
        for code in re.findall(r"`(\w+)`", row.split("|")[1])
    }
    assert explained == set(get_args(Code))


def test_the_rules_in_the_text_are_a_policy_with_every_kind(tmp_path: Path) -> None:
    blocks = [block for block in BLOCKS if "[pack]" not in block]
    (tmp_path / "policy.toml").write_text('policy = "p"\n' + "\n".join(blocks), encoding="utf-8")
    rules = settable(check_policy(tmp_path / "policy.toml")).rules
    assert {kind_of_rule(rule) for rule in rules} == set(RULE_KINDS)


def test_the_pack_in_the_text_is_a_pack(tmp_path: Path) -> None:
    (block,) = [block for block in BLOCKS if "[pack]" in block]
    (tmp_path / "pack.toml").write_text(block, encoding="utf-8")
    assert check_pack(tmp_path / "pack.toml").findings == ()


@pytest.mark.parametrize(
    ("module", "text"),
    [(written, TEXT), (written_rule, RULES), (written_policy, RULES), (written_pack, RULES)],
    ids=["plan", "rule", "policy", "pack"],
)
def test_every_field_is_explained(module: object, text: str) -> None:
    structs = [kind for kind in vars(module).values() if isinstance(kind, type) and issubclass(kind, msgspec.Struct)]
    fields = {field.encode_name for kind in structs for field in msgspec.structs.fields(kind)}
    tags = {str(kind.__struct_config__.tag) for kind in structs if kind.__struct_config__.tag}
    assert len(fields) > 5
    assert {word for word in fields | tags if not re.search(rf"\b{word}\b", text)} == set()


def test_every_function_of_the_conditions_is_explained() -> None:
    assert [name for name in FUNCTIONS if f"`{name}(" not in TEXT] == []


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.parent.name)
def test_everything_an_example_sends_can_be_rendered_for_its_contacts(path: Path) -> None:
    checked = check_plan(path)
    assert checked.plan is not None
    with (path.parent / "contacts.csv").open(encoding="utf-8-sig", newline="") as rows:
        raw = next(csv.DictReader(rows))
    contact = {name.removeprefix("attribute.").partition(":")[0]: value for name, value in raw.items()}
    variables: dict[str, Value] = {name: kind.values[0] for name, kind in checked.plan.variables.items()}
    values: Values = {
        "contact": contact,
        "var": variables,
        "sender": {"name": "Sam", "email": "sam@example.com"},
        "unsubscribe_link": "mailto:stop@example.com",
    }
    for digest in checked.plan.templates.values():
        assert render(from_document(json.loads(checked.documents[digest])), values).text
    for digest in checked.plan.scripts.values():
        assert render_script(script_from_document(json.loads(checked.documents[digest])), values).answered[0].text
