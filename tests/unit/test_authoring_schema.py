"""The JSON Schemas of plan, policy and pack files, and that they agree with the checks."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from dee_appliance.authoring.schema import pack_schema, plan_schema, policy_schema, scenario_schema

EXAMPLES = Path(__file__).parents[2] / "examples"


def document(path: Path) -> Any:
    """Return a TOML file as the plain JSON that an editor's validator sees."""
    return json.loads(json.dumps(tomllib.loads(path.read_text(encoding="utf-8")), default=str))


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*/plan.toml")), ids=lambda path: path.parent.name)
def test_every_example_fits_the_schema(path: Path) -> None:
    assert list(jsonschema.Draft202012Validator(plan_schema()).iter_errors(document(path))) == []


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*/policy.toml")), ids=lambda path: path.parent.name)
def test_every_example_policy_fits_the_schema(path: Path) -> None:
    assert list(jsonschema.Draft202012Validator(policy_schema()).iter_errors(document(path))) == []


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*/scenarios/*.toml")), ids=lambda path: path.stem)
def test_every_example_scenario_fits_the_schema(path: Path) -> None:
    assert list(jsonschema.Draft202012Validator(scenario_schema()).iter_errors(document(path))) == []


@pytest.mark.parametrize(
    "schema",
    [plan_schema(), policy_schema(), pack_schema(), scenario_schema()],
    ids=["plan", "policy", "pack", "scenario"],
)
def test_a_schema_is_a_valid_schema(schema: dict[str, Any]) -> None:
    jsonschema.Draft202012Validator.check_schema(schema)
    text = json.dumps(schema)
    assert "Written" not in text
    assert '"null"' not in text
    assert "discriminator" not in text


def test_a_schema_refuses_what_the_reader_refuses() -> None:
    valid = document(EXAMPLES / "sales-outreach/plan.toml")
    validator = jsonschema.Draft202012Validator(plan_schema())
    mistakes: list[dict[str, Any]] = [
        {**valid, "purpos": "marketing"},
        {**valid, "version": 0},
        {**valid, "step": []},
        {**valid, "step": [{**valid["step"][0], "els": "x"}]},
        {**valid, "step": [{**valid["step"][0], "do": "send_mail"}]},
        {**valid, "step": [{**valid["step"][1], "for": "3 days"}]},
        {**valid, "attributes": {"tier": "float"}},
        {**valid, "title": None},
        {key: value for key, value in valid.items() if key != "purpose"},
    ]
    assert [validator.is_valid(mistake) for mistake in mistakes] == [False] * len(mistakes)


def test_every_table_of_the_schema_explains_itself() -> None:
    for schema in (plan_schema(), policy_schema(), pack_schema(), scenario_schema()):
        assert all(table.get("description") for table in schema["$defs"].values())
