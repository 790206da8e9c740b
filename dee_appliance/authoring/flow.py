"""Do the steps of a plan lead anywhere? Ids, targets, reachability and bounds of cycles.

A run may go round only as often as some `max_visits` on the way allows. The edges that may be taken without limit are those of
steps that have no bound, and the `after` edges of those that have one; these alone must not form a cycle.
"""

from __future__ import annotations

from collections.abc import Mapping

from dee_appliance.authoring.finding import Findings, did_you_mean
from dee_appliance.authoring.normal_steps import UNKNOWN_TARGET, NormalStep
from dee_appliance.authoring.place import Place
from dee_appliance.authoring.positions import Path
from dee_appliance.authoring.source import Source
from dee_appliance.authoring.written import (
    WrittenBranch,
    WrittenCall,
    WrittenEnd,
    WrittenSendEmail,
    WrittenSendSms,
    WrittenSplit,
    WrittenStep,
    WrittenTask,
    WrittenWait,
)
from dee_appliance.kernel.e1.plan import Branch, Split, Step, targets_of

Edges = Mapping[str, tuple[str, ...]]


def check_flow(source: Source, steps: tuple[NormalStep, ...], found: Findings) -> None:
    """Add findings for repeated ids, unknown targets, unreachable steps and unbounded cycles.

    The last two are looked for only when every step and target is sound: otherwise they would follow from the other mistakes.
    """
    before = found.refused
    _check_ids(source, steps, found)
    _check_targets(source, steps, found)
    by_id = {step.step.id: step.step for step in steps if step.step is not None}
    if found.refused > before or len(by_id) < len(steps) or not steps:
        return
    paths = {step.step.id: step.draft.path for step in steps if step.step is not None}
    places = {step_id: Place(source, path, found) for step_id, path in paths.items()}
    _check_reachable(by_id, places)
    _check_cycles(by_id, places)


def written_targets(written: WrittenStep) -> list[tuple[Path, str]]:
    """Return every target that the file names in this step, with the keys that lead to it."""
    named: list[tuple[Path, str | None]] = [(("after",), written.after)]
    match written:
        case WrittenSendEmail() | WrittenSendSms() | WrittenCall() | WrittenTask():
            named += [(("next",), written.next)]
            named += [(("on", str(outcome)), target) for outcome, target in (written.on or {}).items()]
        case WrittenWait():
            named += [(("next",), written.next), (("then",), written.then)]
        case WrittenBranch():
            named += [(("case", index, "then"), case.then) for index, case in enumerate(written.case)]
            named += [(("else",), written.otherwise)]
        case WrittenSplit():
            named += [(("arms", index, "then"), arm.then) for index, arm in enumerate(written.arms)]
        case WrittenEnd():
            pass
    return [(keys, target) for keys, target in named if target is not None]


def _check_ids(source: Source, steps: tuple[NormalStep, ...], found: Findings) -> None:
    first: dict[str, int] = {}
    for step in steps:
        step_id = step.draft.id
        if step_id is None:
            continue
        place = Place(source, step.draft.path, found)
        if step_id in first:
            reason = f'the id "{step_id}" is already taken by the step at line {first[step_id]}'
            place.refuse(("id",), "duplicate_id", reason, "give each step its own id")
        else:
            first[step_id] = place.line("id")


def _check_targets(source: Source, steps: tuple[NormalStep, ...], found: Findings) -> None:
    ids = [step.draft.id for step in steps if step.draft.id is not None]
    known = set(ids)
    for step in steps:
        if step.draft.written is None:
            continue
        place = Place(source, step.draft.path, found)
        for keys, target in written_targets(step.draft.written):
            if target not in known:
                place.refuse(keys, "unknown_target", f'there is no step "{target}"', did_you_mean(target, ids))


def _check_reachable(steps: Mapping[str, Step], places: Mapping[str, Place]) -> None:
    first = next(iter(steps))
    seen = {first}
    waiting = [first]
    while waiting:
        for target in targets_of(steps[waiting.pop()]):
            if target not in seen and target != UNKNOWN_TARGET:
                seen.add(target)
                waiting.append(target)
    for step_id in steps:
        if step_id not in seen:
            hint = "name it as a target, or remove it"
            places[step_id].refuse(("id",), "unreachable", f'no way leads to the step "{step_id}"', hint)


def _check_cycles(steps: Mapping[str, Step], places: Mapping[str, Place]) -> None:
    unlimited = {step_id: _unlimited_targets(step) for step_id, step in steps.items()}
    for cycle in cycles_of(unlimited):
        hint = f'give one of them a bound: max_visits = 3 and after = "…", for instance in "{cycle[0]}"'
        places[cycle[0]].refuse(("id",), "unbounded_cycle", f"runs can go round for ever: {_road(cycle)}", hint)
    instant = {step_id: targets_of(step) for step_id, step in steps.items() if isinstance(step, Branch | Split)}
    for cycle in cycles_of(instant):
        hint = "put a wait into the loop"
        reason = f"nothing can change on the way round: {_road(cycle)}"
        places[cycle[0]].refuse(("id",), "instant_cycle", reason, hint)


def _unlimited_targets(step: Step) -> tuple[str, ...]:
    if step.max_visits is None:
        return targets_of(step)
    return () if step.after_visits is None else (step.after_visits,)


def cycles_of(edges: Edges) -> list[tuple[str, ...]]:
    """Return cycles that share no step, each from its first step in file order; empty when there is no cycle at all."""
    left = dict(edges)
    found: list[tuple[str, ...]] = []
    while True:
        _drop_dead_ends(left)
        if not left:
            return found
        # Every step that is left has a successor that is left, so walking on must come back to where it has been.
        road: list[str] = [next(iter(left))]
        while True:
            step = next(target for target in left[road[-1]] if target in left)
            if step in road:
                break
            road.append(step)
        cycle = road[road.index(step) :]
        order = {step_id: position for position, step_id in enumerate(edges)}
        start = cycle.index(min(cycle, key=order.__getitem__))
        found.append((*cycle[start:], *cycle[:start]))
        for step_id in cycle:
            del left[step_id]


def _drop_dead_ends(edges: dict[str, tuple[str, ...]]) -> None:
    """Remove the steps from which no way leads on, again and again until each that is left has a successor."""
    while True:
        dead = [step_id for step_id, targets in edges.items() if not any(target in edges for target in targets)]
        if not dead:
            return
        for step_id in dead:
            del edges[step_id]


def _road(cycle: tuple[str, ...]) -> str:
    shown = cycle if len(cycle) <= 8 else (*cycle[:7], "…")
    return " → ".join((*shown, cycle[0]))
