"""The conditions of a plan: each is compiled against what the plan declares, and what they read is collected.

The language itself is the kernel's; here its refusals get a file and a line.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from dee_appliance.authoring.finding import Findings, did_you_mean
from dee_appliance.authoring.normal_steps import NormalStep
from dee_appliance.authoring.place import Place
from dee_appliance.authoring.plan_file import DraftExit
from dee_appliance.authoring.positions import Path
from dee_appliance.authoring.source import Source
from dee_appliance.authoring.written import WrittenBranch, WrittenWait
from dee_appliance.kernel.e1.condition import Condition, ConditionInvalid, Scope, compile_condition


class _Written(msgspec.Struct, frozen=True):
    """A condition and where it stands."""

    path: Path
    text: str


def check_conditions(
    source: Source, exits: Iterable[DraftExit], steps: Iterable[NormalStep], scope: Scope, found: Findings
) -> tuple[str, ...]:
    """Compile every condition and look at every date wait.

    Return the attributes that are read without asking whether they are there, sorted: a contact without one of them cannot be
    enrolled. Variables need no such list, since enrolment always gives all that are declared.
    """
    steps = tuple(steps)
    attributes: set[str] = set()
    for written in (*_of_exits(exits), *_of_steps(steps)):
        condition = _compiled(source, written, scope, found)
        if condition is not None:
            attributes.update(condition.attributes)
            _warn_of_opens(Place(source, written.path, found), condition)
    for step in steps:
        if isinstance(step.draft.written, WrittenWait) and step.draft.written.date is not None:
            _check_date(Place(source, step.draft.path, found), step.draft.written.date, scope)
            attributes.add(step.draft.written.date)
    return tuple(sorted(attributes))


def _of_exits(exits: Iterable[DraftExit]) -> list[_Written]:
    return [_Written((*drafted.path, "when"), drafted.written.when) for drafted in exits]


def _of_steps(steps: Iterable[NormalStep]) -> list[_Written]:
    conditions: list[_Written] = []
    for step in steps:
        match step.draft.written:
            case WrittenBranch(case=cases):
                for index, case in enumerate(cases):
                    conditions.append(_Written((*step.draft.path, "case", index, "when"), case.when))
            case WrittenWait(until=str(until)):
                conditions.append(_Written((*step.draft.path, "until"), until))
            case _:
                pass
    return conditions


def _compiled(source: Source, written: _Written, scope: Scope, found: Findings) -> Condition | None:
    text = written.text.strip()
    try:
        return compile_condition(text, scope)
    except ConditionInvalid as error:
        # The position is one in the stripped text, the line one in the text as it stands in the file.
        leading = len(written.text) - len(written.text.lstrip())
        line = source.positions.line_inside(written.path, written.text, leading + error.position)
        excerpt = " ".join(text.split())
        excerpt = excerpt if len(excerpt) <= 80 else f"{excerpt[:77]}…"
        reason = f"in the condition `{excerpt}`, character {error.position + 1}: {error.reason}"
        found.refuse(
            source.file, line, "condition", reason, f"did you mean {error.suggestion} ?" if error.suggestion else ""
        )
        return None


def _warn_of_opens(place: Place, condition: Condition) -> None:
    names = (condition.attributes, condition.optional_attributes, condition.variables, condition.optional_variables)
    if condition.functions == ("opened",) and not any(names):
        place.warn(
            (),
            "opened_only",
            "this decides on opened() alone, and mail programs open messages that nobody reads",
            "ask for replied() or clicked() as well",
        )


def _check_date(place: Place, name: str, scope: Scope) -> None:
    declared = scope.attributes.get(name)
    if declared is None:
        dates = [known for known, kind in scope.attributes.items() if kind.kind == "date"]
        hint = did_you_mean(name, dates) or f'declare it: [attributes] {name} = "date"'
        place.refuse(("date",), "undeclared_attribute", f"the plan declares no attribute {name}", hint)
    elif declared.kind != "date":
        place.refuse(("date",), "wrong_type", f"the attribute {name} is {declared.kind}, and a wait needs a date")
