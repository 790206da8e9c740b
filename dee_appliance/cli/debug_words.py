"""How a stop of the debugger looks as text: where it is, what the decision saw, the verdict, the entries, what changed."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dee_appliance.replay.divergence import FirstDivergence
    from dee_appliance.runtime.debug_picture import Change
    from dee_appliance.runtime.debug_stops import Stop
    from dee_appliance.runtime.debugger import Debugger

TOLD_CHANGES = ("run.status", "run.step", "run.blocked_on", "run.due_tick")
"""What is told of a stop that wrote nothing."""
NAME_CHARACTERS = 32
"""The width of the column of names; a longer name pushes its value aside."""


def where_lines(debugger: Debugger, stop: Stop) -> Iterator[str]:
    """Write where the debugger stands: the input, what it did, and what the run would do next."""
    from dee_appliance.cli.run_text import moment_text, status_text, timeline_lines

    cause = stop.input
    yield f"stop {stop.number} of {len(debugger)}  [tick {stop.at.tick}] {moment_text(stop.at)}"
    yield f"  input {cause.seq}: {cause.kind} from {cause.source}"
    yield from timeline_lines(stop.moments)
    if not stop.moments:
        told = [change_text(one, debugger.epoch) for one in stop.changes if one.name in TOLD_CHANGES]
        yield f"  no entry; {', '.join(told) or 'nothing that a decision reads'}"
    visit = f", visit {stop.visit}" if stop.visit > 1 else ""
    place = f" at {stop.step}{visit}" if stop.step else ""
    yield f"  then: {status_text(stop.status, stop.reason)}{place}"
    at = "" if stop.next.at is None else f", {moment_text(stop.next.at)}"
    yield f"  next: {stop.next.what}{at}, because {stop.next.why}"
    if not stop.same:
        yield "  ✘ this is what the kernel decides today, and not what is recorded: `show divergence`"


def list_line(stop: Stop, *, here: bool) -> str:
    """Write a stop in a line."""
    from dee_appliance.cli.run_text import MARKS, status_text

    mark = MARKS[stop.moments[-1].mark] if stop.moments else " "
    told = "; ".join(moment.text for moment in stop.moments) or "no entry"
    head = f"{'>' if here else ' '} {stop.number:>3}  [tick {stop.at.tick}] {stop.at.utc}  {stop.input.kind:<16}"
    return f"{head} {mark} {told}  ({status_text(stop.status, stop.reason)})"


def snapshot_lines(stop: Stop, epoch: int) -> Iterator[str]:
    """Write what the decision saw."""
    yield f"snapshot: what the decision at stop {stop.number} saw"
    if "run.status" not in stop.snapshot:
        yield "  the run was not there yet"
    for name, value in stop.snapshot.items():
        yield f"  {name:<{NAME_CHARACTERS}} {value_text(name, value, epoch)}"
    yield from since_lines(stop, epoch)


def since_lines(stop: Stop, epoch: int) -> Iterator[str]:
    """Write what other inputs had changed since the stop before."""
    if stop.since:
        yield "since the stop before, by inputs that did not touch the run:"
        yield from (f"  {change_text(one, epoch)}" for one in stop.since)


def input_lines(stop: Stop) -> Iterator[str]:
    """Write the input as the queue has it."""
    from dee_appliance.cli.output import json_line
    from dee_appliance.cli.run_text import moment_text

    cause = stop.input
    yield f"input {cause.seq}: {cause.kind} from {cause.source}"
    yield f"  received  {moment_text(cause.received)}"
    yield f"  admitted  {moment_text(stop.at)}, tick {stop.at.tick}"
    payload = cause.payload
    yield f"  payload   {json_line(payload) if isinstance(payload, dict) else payload}"
    yield "  (personal data that came with it: `show personal`)"


def verdict_lines(stop: Stop) -> Iterator[str]:
    """Write what was decided, and what the gate said, rule by rule."""
    from dee_appliance.cli.run_text import timeline_lines

    yield f"verdict at stop {stop.number}" + ("" if stop.asked_gate else ": the gate was not asked")
    yield from timeline_lines(stop.moments, values=True)


def entry_lines(stop: Stop) -> Iterator[str]:
    """Write the entries, with their details, as `dee log --long` does."""
    from dee_appliance.cli.log import log_lines

    if not stop.entries:
        yield "it wrote no entry of the run"
    for line in stop.entries:
        yield from log_lines(line, long=True)
    if stop.beside:
        yield "beside the run the same decision wrote:"
        for line in stop.beside:
            yield from log_lines(line, long=True)


def diff_lines(stop: Stop, epoch: int) -> Iterator[str]:
    """Write what the input changed."""
    yield f"changed by stop {stop.number}:"
    yield from (f"  {change_text(one, epoch)}" for one in stop.changes)
    if not stop.changes:
        yield "  nothing that a decision reads"


def divergence_lines(found: FirstDivergence) -> Iterator[str]:
    """Write where the file stops replaying: what is recorded there, and what the kernel decides today."""
    about = "" if found.input is None else f", input {found.input}"
    run = f", {found.run}" if found.run else ""
    yield f"✘ this file does not replay: it diverges at entry {found.seq}{about}{run}, and the stops end there"
    yield f"  field     {found.field}"
    yield f"  recorded  {found.expected!r}"
    yield f"  today     {found.actual!r}"
    yield f"  cause     {found.cause}: {found.what}"
    yield f"  recorded entry  {found.recorded if found.recorded is not None else '(absent)'}"
    yield f"  entry of today  {found.replayed if found.replayed is not None else '(absent)'}"


def change_text(change: Change, epoch: int) -> str:
    """Write one change."""
    before, after = (value_text(change.name, value, epoch) for value in (change.before, change.after))
    return f"{change.name}: {before} → {after}"


def value_text(name: str, value: object, epoch: int) -> str:
    """Write one value of a picture."""
    from dee_appliance.kernel.e1.civil_time import format_utc

    match value:
        case None:
            return "(none)"
        case bool():
            return "yes" if value else "no"
        case int() if name.endswith("_tick"):
            return f"{value} ({format_utc(value + epoch)})"
        case list() | tuple():
            return ", ".join(str(one) for one in value) or "(none)"
        case _:
            return str(value)
