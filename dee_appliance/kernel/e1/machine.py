"""The machine: the one funnel through which every input about a contact goes, and the only place where a run takes a step.

Rule 1: whatever changes a run stands in this file or is called from it with a Turn; there is no second way.
Rule 2: nothing here knows how snapshots are fetched, how decisions are written, what a provider is, or what time it is.

Theory of operation. A run is always blocked on exactly one thing (`Run.block`): a start tick, a wait, a task, the
send queue, a send in flight, a call, a hold, a pause before the next attempt, a person. Something happens: a due
timer, an event, an answer, an operator's verb. The machine first lets the contact's due timers fire in the order
(due, run number), so that what was due before the input takes effect before it; then it applies the input; then, if a
run is free to go on, `proceed` enters one step after the other until the run is blocked again or has ended. Exit
conditions are asked before every step and after every input about the contact.
"""

from __future__ import annotations

from dee_appliance.kernel.e1 import enrolment, happening, operate, sending
from dee_appliance.kernel.e1.civil_time import ZoneTable
from dee_appliance.kernel.e1.compiled import CompiledPlan
from dee_appliance.kernel.e1.gate import Permit
from dee_appliance.kernel.e1.input import (
    Answered,
    ConsentSet,
    ContactErase,
    ContactInput,
    ContactPut,
    Enroll,
    Event,
    SuppressionSet,
    TaskDone,
    Verb,
)
from dee_appliance.kernel.e1.rulebook import GateShared
from dee_appliance.kernel.e1.run import Decision, Given, Snapshot
from dee_appliance.kernel.e1.steps import fire
from dee_appliance.kernel.e1.turn import Turn

__all__ = ["Permit", "decide", "decide_due", "decide_pull"]


def decide(
    snapshot: Snapshot,
    cause: ContactInput,
    plans: dict[str, CompiledPlan],
    zones: ZoneTable,
    *,
    subject: int | None = None,
) -> Decision:
    """Decide one input about one contact. `subject` is the number of the run that the input names, if the store found it."""
    turn = Turn(snapshot, plans, zones)
    _fire_due(turn)
    run = None if subject is None else turn.runs.get(subject)
    match cause:
        case Enroll():
            enrolment.enroll(turn, cause)
        case Event():
            happening.event(turn, cause, run)
        case Answered():
            sending.answered(turn, cause, run)
        case Verb():
            operate.operate(turn, cause, run)
        case TaskDone():
            operate.task_done(turn, cause, run)
        case ContactPut():
            happening.contact_put(turn, cause)
        case ContactErase():
            happening.contact_erase(turn, cause)
        case ConsentSet():
            happening.consent_set(turn, cause)
        case SuppressionSet():
            happening.suppression_set(turn, cause)
    return turn.decision()


def decide_due(snapshot: Snapshot, run_no: int, plans: dict[str, CompiledPlan], zones: ZoneTable) -> Decision:
    """Decide what the due timers of this run's contact do; the store calls it for each due timer in order."""
    turn = Turn(snapshot, plans, zones)
    run = turn.runs.get(run_no)
    if run is not None:
        fire(turn, run)
    return turn.decision()


def decide_pull(
    snapshot: Snapshot,
    run_no: int,
    given: Given,
    shared: GateShared,
    *,
    plans: dict[str, CompiledPlan],
    zones: ZoneTable,
) -> Decision:
    """Decide whether the intended send of this run may leave now: exits first, then the whole gate."""
    turn = Turn(snapshot, plans, zones)
    sending.pull(turn, turn.runs[run_no], given, shared)
    return turn.decision()


def _fire_due(turn: Turn) -> None:
    due = [run for run in turn.runs.values() if run.due is not None and run.due <= turn.tick]
    for run in sorted(due, key=lambda one: (one.due or 0, one.no)):
        current = turn.runs[run.no]
        if current.due is not None and current.due <= turn.tick:
            fire(turn, current)
