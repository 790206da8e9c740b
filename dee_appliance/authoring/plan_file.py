"""A plan file read as far as it can be read: the written tables that are sound, each with its place.

One bad step does not hide the mistakes in the others, so what comes out is a draft: its sound parts, and whether that is all.
Whether the parts fit together (targets, templates, conditions) is not known here.
"""

from __future__ import annotations

from pathlib import Path as FilePath
from typing import cast

import msgspec

from dee_appliance.authoring.finding import Findings
from dee_appliance.authoring.positions import Path
from dee_appliance.authoring.shape import Broken, Hints, Shape, shown
from dee_appliance.authoring.source import Source, read_source
from dee_appliance.authoring.written import (
    MAX_EXITS,
    AttributeType,
    VariableType,
    WrittenBranch,
    WrittenCall,
    WrittenEnd,
    WrittenEnroll,
    WrittenExit,
    WrittenPlan,
    WrittenPolicy,
    WrittenSendEmail,
    WrittenSendSms,
    WrittenSplit,
    WrittenStep,
    WrittenTask,
    WrittenWait,
)
from dee_appliance.kernel.e1.plan import MAX_STEPS, Purpose

STEP_TYPES = (
    WrittenSendEmail,
    WrittenSendSms,
    WrittenCall,
    WrittenWait,
    WrittenBranch,
    WrittenSplit,
    WrittenTask,
    WrittenEnd,
)

_HINTS: Hints = {
    ("branch", "else"): ("missing_else", "name in `else` where contacts go for whom no case holds"),
    ("branch", "case"): ("missing_field", 'write case = [{ when = "…", then = "step-id" }]'),
    ("task", "within"): ("missing_timeout", 'write how long to wait for a person, as in within = "2d"'),
    ("task", "on"): ("missing_field", 'write the outcomes a person may report, as in on = { done = "step-id" }'),
    ("end", "outcome"): ("missing_field", 'write what to call this end, as in outcome = "replied"'),
    ("plan", "step"): ("missing_field", "a plan needs at least one [[step]]"),
    ("plan", "purpose"): ("missing_field", "one of marketing, transactional, collections, regulatory"),
    ("send_email", "template"): ("missing_field", 'template = "NAME" means templates/NAME.eml.j2 beside the plan'),
    ("send_sms", "template"): ("missing_field", 'template = "NAME" means templates/NAME.sms.j2 beside the plan'),
    ("call", "script"): ("missing_field", 'script = "NAME" means scripts/NAME.toml beside the plan'),
}


class DraftHead(msgspec.Struct, frozen=True, kw_only=True):
    """Everything but exits and steps; a field that was refused or is missing is None."""

    plan: str | None = None
    version: int | None = None
    purpose: Purpose | None = None
    title: str | None = None
    attributes: dict[str, AttributeType] | None = None
    variables: dict[str, VariableType] | None = None
    enroll: WrittenEnroll | None = None
    policy: WrittenPolicy | None = None


class DraftStep(msgspec.Struct, frozen=True, kw_only=True):
    """One [[step]] of the file: `written` is None when it was refused, `id` and `do` are then what could be read of them."""

    path: Path
    id: str | None
    do: str | None
    written: WrittenStep | None


class DraftExit(msgspec.Struct, frozen=True, kw_only=True):
    """One sound [[exit]] of the file."""

    path: Path
    written: WrittenExit


class Draft(msgspec.Struct, frozen=True, kw_only=True):
    """What could be read of a plan file; `complete` says that nothing was refused."""

    source: Source
    complete: bool
    head: DraftHead
    exits: tuple[DraftExit, ...]
    steps: tuple[DraftStep, ...]


def read_draft(path: FilePath, found: Findings) -> Draft | None:
    """Read a plan file into its sound parts; None when not even its syntax is right. Raises Refused for no plan file at all."""
    before = found.refused
    source = read_source(path, found)
    if source is None:
        return None
    shape = Shape(source, found, _HINTS)
    tables = ("exit", "step")
    values, _ = shape.fields(WrittenPlan, source.data, (), apart=tables)
    exits = _tables(shape, source.data, "exit")
    steps = _tables(shape, source.data, "step")
    return Draft(
        source=source,
        head=DraftHead(**values),
        exits=tuple(
            DraftExit(path=at, written=written)
            for at, table in exits
            if isinstance(written := shape.struct(WrittenExit, table, at), WrittenExit)
        ),
        steps=tuple(_step(shape, table, at) for at, table in steps),
        complete=found.refused == before,
    )


def _tables(shape: Shape, data: dict[str, object], name: str) -> list[tuple[Path, object]]:
    """Return the tables of one list with their paths; a list that is too long is refused and cut."""
    most, least = (MAX_STEPS, 1) if name == "step" else (MAX_EXITS, 0)
    tables = data.get(name, [])
    if not isinstance(tables, list):
        shape.refuse(
            (name,), "wrong_type", f"`{name}` must be a list of tables, not {shown(tables)}", f"write [[{name}]]"
        )
        return []
    if len(tables) > most:
        shape.refuse((name, most), "too_many", f"a plan has at most {most} {name}s, this has {len(tables)}")
    if len(tables) < least and name in data:
        shape.refuse((name,), "missing_field", f"a plan needs at least one [[{name}]]")
    return [((name, index), table) for index, table in enumerate(tables[:most])]


def _step(shape: Shape, table: object, path: Path) -> DraftStep:
    written = shape.tagged(STEP_TYPES, table, path)
    known = table if isinstance(table, dict) else {}
    step_id, do = known.get("id"), known.get("do")
    return DraftStep(
        path=path,
        id=step_id if isinstance(step_id, str) else None,
        do=do if isinstance(do, str) else None,
        # STEP_TYPES are the members of WrittenStep; the type of a union's members cannot say so.
        written=None if isinstance(written, Broken) else cast("WrittenStep", written),
    )
