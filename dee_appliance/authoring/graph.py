"""The picture of a plan as data: boxes, arrows and their words; and the same as Mermaid text.

Made from the normalised plan, so a picture shows what runs will do, with every default. Where the boxes stand is decided in
`graph_layout`, how they look in `graph_svg`.
"""

from __future__ import annotations

import json

import msgspec

from dee_appliance.authoring.notation import format_duration, format_second_of_day, format_weekdays
from dee_appliance.kernel.e1.plan import (
    Branch,
    Call,
    End,
    Plan,
    SendEmail,
    SendSms,
    Split,
    Step,
    Task,
    Wait,
    kind_of,
)


class Box(msgspec.Struct, frozen=True, kw_only=True):
    """One step: its id, its kind (the `do` word) and a few words about it."""

    id: str
    kind: str
    detail: str


class Arrow(msgspec.Struct, frozen=True, kw_only=True):
    """A way from one step to another; `labels` say when it is taken, none for "always"."""

    source: str
    target: str
    labels: tuple[str, ...]


class Graph(msgspec.Struct, frozen=True, kw_only=True):
    """A plan as boxes in file order and arrows in the order in which a step names them. `exits` are (condition, outcome)."""

    title: str
    boxes: tuple[Box, ...]
    arrows: tuple[Arrow, ...]
    exits: tuple[tuple[str, str], ...]


def graph_of(plan: Plan) -> Graph:
    """Return the picture of a plan."""
    return Graph(
        title=f"{plan.title or plan.plan} ({plan.plan} version {plan.version}, {plan.purpose})",
        boxes=tuple(Box(id=step.id, kind=kind_of(step), detail=_detail(step)) for step in plan.steps),
        arrows=tuple(arrow for step in plan.steps for arrow in _arrows(step)),
        exits=tuple((leave.when, leave.outcome) for leave in plan.exits),
    )


def mermaid(graph: Graph) -> str:
    """Return the picture as a Mermaid flowchart. Step ids are numbered, because Mermaid keeps words such as `end` for itself."""
    names = {box.id: f"s{index}" for index, box in enumerate(graph.boxes)}
    lines = ["---", f"title: {json.dumps(_one_line(graph.title), ensure_ascii=False)}", "---", "flowchart TD"]
    for box in graph.boxes:
        opening, closing = _MERMAID_SHAPES[box.kind]
        lines.append(f"    {names[box.id]}{opening}{_quoted(box.id, box.detail)}{closing}")
    for arrow in graph.arrows:
        label = f"|{_quoted(*arrow.labels)}|" if arrow.labels else ""
        lines.append(f"    {names[arrow.source]} -->{label} {names[arrow.target]}")
    if graph.exits:
        lines.append('    subgraph exits["Exits, looked at before every step"]')
        for index, (when, outcome) in enumerate(graph.exits):
            lines.append(f"    x{index}[{_quoted(when)}] -.-> y{index}([{_quoted(outcome)}])")
        lines.append("    end")
    return "\n".join(lines) + "\n"


_MERMAID_SHAPES = {
    "send_email": ("[", "]"),
    "send_sms": ("(", ")"),
    "call": ("([", "])"),
    "wait": ("{{", "}}"),
    "branch": ("{", "}"),
    "split": ("[/", "\\]"),
    "task": ("[/", "/]"),
    "end": ("(((", ")))"),
}

# Mermaid reads #name; as an entity, so that the marks of its own language can stand in a label.
_MERMAID_MARKS = {"#": "#35;", '"': "#quot;", "<": "#lt;", ">": "#gt;", "&": "#amp;", "`": "#96;", "\\": "#92;"}


def _quoted(*lines: str) -> str:
    escaped = ("".join(_MERMAID_MARKS.get(mark, mark) for mark in _one_line(line)) for line in lines if line)
    return '"' + "<br/>".join(escaped) + '"'


def _one_line(text: str) -> str:
    return " ".join("".join(mark if mark.isprintable() else " " for mark in text).split())


def _detail(step: Step) -> str:
    match step:
        case SendEmail():
            return f"e-mail {step.template}"
        case SendSms():
            return f"text {step.template}"
        case Call():
            return f"call with {step.script}"
        case Wait():
            return _wait_detail(step)
        case Branch():
            return "branch"
        case Split():
            return "split"
        case Task():
            return f"task within {format_duration(step.timeout_s)}"
        case End():
            return f"end: {step.outcome}"


def _wait_detail(step: Wait) -> str:
    if step.until is not None and step.for_s is not None:
        return f"wait at most {format_duration(step.for_s)}"
    if step.for_s is not None:
        return f"wait {format_duration(step.for_s)}"
    at = "" if step.at_s is None else f" {format_second_of_day(step.at_s)}"
    if step.date is not None:
        offset = "" if step.offset_s == 0 else f" {'+' if step.offset_s > 0 else ''}{format_duration(step.offset_s)}"
        return f"wait until {step.date}{offset}{at}"
    return f"wait until{' ' + format_weekdays(step.weekdays) if step.weekdays else ''}{at}"


def _arrows(step: Step) -> tuple[Arrow, ...]:
    """Return the arrows out of a step; ways to the same target are one arrow with several labels."""
    labels: dict[str, list[str]] = {}
    for target, label in _ways(step):
        labels.setdefault(target, []).append(label)
    if step.after_visits is not None and step.max_visits is not None:
        labels.setdefault(step.after_visits, []).append(f"after {step.max_visits} visits")
    return tuple(
        Arrow(source=step.id, target=target, labels=tuple(label for label in texts if label))
        for target, texts in labels.items()
    )


def _ways(step: Step) -> list[tuple[str, str]]:
    match step:
        case SendEmail() | SendSms() | Call():
            ways = [(step.on[outcome], outcome) for outcome in sorted(step.on)]
            return [*ways, (step.next, "otherwise" if ways else "")]
        case Wait(then=str(then), until=str(until)):
            return [(then, until), (step.next, f"after {format_duration(step.for_s or 0)}")]
        case Wait():
            return [(step.next, "")]
        case Branch():
            return [*((case.then, case.when) for case in step.cases), (step.otherwise, "else")]
        case Split():
            total = sum(arm.weight for arm in step.arms)
            return [(arm.then, f"{arm.name} {arm.weight}/{total}") for arm in step.arms]
        case Task():
            ways = [(step.on[outcome], outcome) for outcome in sorted(step.on)]
            return [*ways, (step.next, f"after {format_duration(step.timeout_s)}")]
        case End():
            return []
