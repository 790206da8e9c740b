"""The pictures of a plan: complete, escaped, the same every time, and nothing drawn over anything."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from itertools import combinations
from pathlib import Path

import pytest

from dee_appliance.authoring.checks import check_plan
from dee_appliance.authoring.graph import Arrow, graph_of, mermaid
from dee_appliance.authoring.graph_layout import LONG_LAYERS, Link, Placed, Size, laid_out
from dee_appliance.authoring.graph_svg import svg
from dee_appliance.kernel.e1.plan import Branch, Case, End, Exit, Plan, SendEmail, Step, Wait, targets_of

EXAMPLES = Path(__file__).parents[2] / "examples"
NAMES = sorted(path.parent.name for path in EXAMPLES.glob("*/plan.toml"))
NASTY = "</text><script>alert('x' & \"y\")</script> #1; `a` \\ \x07 |"


def example(name: str) -> Plan:
    plan = check_plan(EXAMPLES / name / "plan.toml").plan
    assert plan is not None
    return plan


def plan_with(*steps: Step, title: str = "", exits: tuple[Exit, ...] = ()) -> Plan:
    return Plan(plan="p", version=1, purpose="regulatory", title=title, steps=steps, exits=exits)


@pytest.mark.parametrize("name", NAMES)
def test_the_picture_has_every_step_way_and_exit(name: str) -> None:
    plan = example(name)
    graph = graph_of(plan)
    assert [box.id for box in graph.boxes] == [step.id for step in plan.steps]
    ways = {(step.id, target) for step in plan.steps for target in targets_of(step)}
    assert {(arrow.source, arrow.target) for arrow in graph.arrows} == ways
    assert len(graph.arrows) == len(ways)
    assert graph.exits == tuple((leave.when, leave.outcome) for leave in plan.exits)


@pytest.mark.parametrize("name", NAMES)
def test_the_svg_is_one_well_formed_file_that_needs_nothing_else(name: str) -> None:
    plan = example(name)
    text = svg(graph_of(plan))
    root = ET.fromstring(text)
    words = " ".join(part.strip() for part in root.itertext())
    assert all(step.id in words for step in plan.steps)
    assert all(leave.outcome in words for leave in plan.exits)
    assert "href" not in text
    assert "http" not in text.replace("http://www.w3.org/2000/svg", "")
    assert text == svg(graph_of(plan))


def test_the_words_of_a_plan_are_escaped() -> None:
    plan = plan_with(
        SendEmail(id="a", template="t", next="b", on={"rejected": "b"}),
        Branch(id="b", cases=(Case(when=NASTY, then="c"),), otherwise="c"),
        End(id="c", outcome="x"),
        title=NASTY,
        exits=(Exit(when=NASTY, outcome="gone"),),
    )
    root = ET.fromstring(svg(graph_of(plan)))
    harmless = {"svg", "title", "style", "defs", "marker", "path", "rect", "text", "g", "polygon"}
    assert {element.tag.rpartition("}")[2] for element in root.iter()} <= harmless
    assert "<script>alert('x' & \"y\")</script>" in "".join(root.itertext())
    drawn = mermaid(graph_of(plan))
    labels = [line for line in drawn.splitlines() if "script" in line and not line.startswith("title: ")]
    assert len(labels) == 2
    assert not any(mark in line.split('"')[1].replace("<br/>", "") for line in labels for mark in '<>`\\&"')


def test_mermaid_names_steps_by_number_so_that_no_id_is_a_word_of_mermaid() -> None:
    plan = plan_with(Wait(id="end", for_s=60, next="subgraph"), End(id="subgraph", outcome="x"))
    assert mermaid(graph_of(plan)).splitlines() == [
        "---",
        'title: "p (p version 1, regulatory)"',
        "---",
        "flowchart TD",
        '    s0{{"end<br/>wait 1m"}}',
        '    s1((("subgraph<br/>end: x")))',
        "    s0 --> s1",
    ]


def test_ways_to_the_same_step_are_one_arrow_with_all_its_labels() -> None:
    step = Wait(id="a", for_s=259_200, until="replied()", then="b", next="b", max_visits=2, after_visits="b")
    arrows = graph_of(plan_with(step, End(id="b", outcome="x"))).arrows
    assert arrows == (Arrow(source="a", target="b", labels=("replied()", "after 3d", "after 2 visits")),)


def test_details_are_written_as_in_the_plan() -> None:
    waits = [
        Wait(id="a", for_s=129_600, next="e"),
        Wait(id="b", for_s=60, until="replied()", then="e", next="e"),
        Wait(id="c", at_s=34_200, weekdays=(0, 1), next="e"),
        Wait(id="d", date="renewal", offset_s=-172_800, at_s=0, next="e"),
    ]
    boxes = graph_of(plan_with(*waits, End(id="e", outcome="x"))).boxes
    assert [box.detail for box in boxes] == [
        "wait 1d12h",
        "wait at most 1m",
        "wait until Mon-Tue 09:30",
        "wait until renewal -2d 00:00",
        "end: x",
    ]


def overlaps(first: Placed, second: Placed) -> bool:
    apart_x = abs(first.x - second.x) >= (first.size.width + second.size.width) // 2
    apart_y = abs(first.y - second.y) >= (first.size.height + second.size.height) // 2
    return not (apart_x or apart_y)


@pytest.mark.parametrize("shape", ["chain", "fan", "loops", "long"])
def test_no_box_and_no_word_lies_on_another(shape: str) -> None:
    count = 30
    ways = {
        "chain": [(n, n + 1) for n in range(count - 1)],
        "fan": [(n // 3, n) for n in range(1, count)],
        "loops": [(n, n + 1) for n in range(count - 1)] + [(n, n // 2) for n in range(count)],
        "long": [(n, n + 1) for n in range(count - 1)] + [(n, count - 1) for n in range(count - 2)],
    }[shape]
    label = Size(60, 20)
    layout = laid_out(
        [Size(120, 48)] * count,
        [Link(source=a, target=b, label=label if a % 2 else None, stub=Size(80, 36)) for a, b in ways],
    )
    assert len(layout.boxes) == count
    placed = [*layout.boxes, *(road.label for road in layout.roads if road.label is not None)]
    assert not any(overlaps(first, second) for first, second in combinations(placed, 2))
    assert all(box.x - box.size.width // 2 >= 0 and box.x + box.size.width // 2 <= layout.width for box in placed)
    assert all(box.top >= 0 and box.bottom <= layout.height for box in placed)


def test_an_arrow_that_goes_back_leads_upwards_and_a_very_long_one_is_cut() -> None:
    count = LONG_LAYERS + 3
    ways = [*((n, n + 1) for n in range(count - 1)), (2, 1), (0, count - 1), (5, 5)]
    layout = laid_out(
        [Size(100, 40)] * count, [Link(source=a, target=b, label=None, stub=Size(50, 20)) for a, b in ways]
    )
    assert [(road.upwards, road.cut) for road in layout.roads[-3:]] == [(True, False), (False, True), (False, True)]
    assert all(not road.upwards and not road.cut for road in layout.roads[:-3])
    assert all(upper.bottom < lower.top for upper, lower in zip(layout.boxes, layout.boxes[1:], strict=False))


@pytest.mark.slow
def test_a_plan_of_hundreds_of_steps_can_still_be_drawn() -> None:
    steps: list[Step] = []
    for n in range(300):
        targets = (f"s{n + 1}", f"s{min(300, n + 1 + n % 7)}", "end", f"s{max(0, n - 5)}")
        cases = tuple(Case(when=f'event("e{k}")', then=target) for k, target in enumerate(targets))
        steps.append(Branch(id=f"s{n}", cases=cases, otherwise="end"))
    graph = graph_of(plan_with(*steps, Wait(id="s300", for_s=60, next="end"), End(id="end", outcome="x")))
    root = ET.fromstring(svg(graph))
    assert len([group for group in root.iter() if group.tag.endswith("marker")]) == 1
    assert {f"s{n}" for n in range(301)} <= {(part.text or "") for part in root.iter() if part.tag.endswith("text")}
