"""JSON Schemas of the files people write, generated from the types that read them: `dee plan schema`.

An editor that knows the schema completes and checks a plan while it is written; what only the whole plan can show (targets,
conditions, templates) is left to the checks.
"""

from __future__ import annotations

from typing import Any

import msgspec

from dee_appliance.authoring.written import WrittenPlan
from dee_appliance.authoring.written_pack import WrittenPackFile
from dee_appliance.authoring.written_policy import WrittenPolicyFile
from dee_appliance.authoring.written_scenario import WrittenScenario

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def plan_schema() -> dict[str, Any]:
    """Return the JSON Schema of a plan file. Times and dates of TOML count as strings, as editors take them."""
    return _schema(WrittenPlan, "DEE plan")


def policy_schema() -> dict[str, Any]:
    """Return the JSON Schema of a policy file."""
    return _schema(WrittenPolicyFile, "DEE policy")


def scenario_schema() -> dict[str, Any]:
    """Return the JSON Schema of a scenario file."""
    return _schema(WrittenScenario, "DEE scenario")


def pack_schema() -> dict[str, Any]:
    """Return the JSON Schema of a pack file."""
    return _schema(WrittenPackFile, "DEE pack")


def _schema(kind: type[msgspec.Struct], title: str) -> dict[str, Any]:
    raw = msgspec.json.schema(kind, ref_template="#/$defs/{name}")
    schema = _cleaned(raw)
    assert isinstance(schema, dict)
    return {"$schema": DIALECT, "title": title, **schema}


def _cleaned(part: Any) -> Any:  # noqa: ANN401 - a JSON document is of every type
    """Leave out what the files do not have: null, and the words of OpenAPI; and name types as people do."""
    if isinstance(part, list):
        return [_cleaned(item) for item in part]
    if isinstance(part, str):
        return part.replace("#/$defs/Written", "#/$defs/")
    if not isinstance(part, dict):
        return part
    cleaned = {key: _cleaned(value) for key, value in part.items() if key != "discriminator"}
    if "default" in cleaned and cleaned["default"] is None:
        del cleaned["default"]
    if "$defs" in cleaned:
        cleaned["$defs"] = {name.removeprefix("Written"): value for name, value in cleaned["$defs"].items()}
    if "properties" in cleaned and isinstance(cleaned.get("title"), str):
        cleaned["title"] = cleaned["title"].removeprefix("Written")
    options = [option for option in cleaned.pop("anyOf", []) if option != {"type": "null"}]
    if len(options) == 1:
        return {**options[0], **cleaned}
    return {**cleaned, "anyOf": options} if options else cleaned
