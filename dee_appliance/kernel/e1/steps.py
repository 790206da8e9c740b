"""Entering steps: what each kind of step does when a run comes to it, when its timer fires, and how a run ends.

A new kind of step is a struct in plan.py, a case in `_enter` and, if it can block, a case in `fire`.
"""

from __future__ import annotations

from msgspec.structs import replace

from dee_appliance.kernel.e1.civil_time import (
    DAY_S,
    OutOfRange,
    UnknownZone,
    next_local_time,
    parse_iso_date,
)
from dee_appliance.kernel.e1.condition import ConditionFailed
from dee_appliance.kernel.e1.encoding import send_key, share_of
from dee_appliance.kernel.e1.plan import (
    CHANNEL_OF,
    Branch,
    Call,
    End,
    SendEmail,
    SendSms,
    Split,
    Step,
    Task,
    Wait,
    kind_of,
)
from dee_appliance.kernel.e1.rulebook import home_zones
from dee_appliance.kernel.e1.run import ENDED, Attempt, Run
from dee_appliance.kernel.e1.turn import Turn

MAX_TRANSITIONS = 1000
"""Steps that one wake may take; a plan that needs more is wrong and its run fails."""


class WaitFailed(Exception):
    """The end of a wait cannot be computed; `code` is the reason the run fails with."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


def proceed(turn: Turn, run: Run, target: str) -> Run:
    """Enter `target` and go on until the run is blocked or has ended."""
    for _ in range(MAX_TRANSITIONS):
        run, following = _enter(turn, run, target)
        if following is None:
            return run
        target = following
    return fail(turn, run, "too_many_transitions")


def complete(
    turn: Turn,
    run: Run,
    action: str,
    outcome: str,
    detail: dict[str, object],
    *,
    saw: dict[str, object] | None = None,
) -> Run:
    """End the run with an outcome. What was only intended is cancelled; what is in flight stays open and settles later."""
    due = close_attempt(turn, run)
    run = turn.record(run, action, outcome, {**detail, "status": "COMPLETED"}, saw=saw, contact_chain=True)
    return turn.move(run, "complete", "ended", due=due, reason=outcome)


def fail(
    turn: Turn,
    run: Run,
    reason: str,
    *,
    action: str = "fail",
    outcome: str = "failed",
    detail: dict[str, object] | None = None,
    saw: dict[str, object] | None = None,
    extra: dict[str, object] | None = None,
) -> Run:
    """Stop the run as FAILED until a person or the plan's recovery policy acts.

    What was only intended is cancelled; what is in flight settles, and a call in progress keeps its deadline.
    """
    due = close_attempt(turn, run)
    told: dict[str, object] = {**(detail or {}), "status": "FAILED", "reason": reason}
    run = turn.record(run, action, outcome, told, saw=saw, extra=extra)
    return turn.move(run, "fail", "failed", due=due, reason=reason)


def close_attempt(turn: Turn, run: Run) -> int | None:
    """Cancel the run's attempt if nothing left yet; return the deadline that a call in progress still has."""
    attempt = turn.attempt_of(run)
    if attempt is None:
        return None
    if attempt.state in ("INTENDED", "PARKED"):
        turn.move_attempt(attempt, "cancel")
    return run.due if attempt.state == "ONGOING" else None


def exit_met(turn: Turn, run: Run) -> Run | None:
    """Ask the exit conditions in order; end the run with the first that holds. None: the run goes on."""
    plan = turn.plan_of(run)
    if not plan.exits:
        return None
    facts = turn.facts_of(run)
    for position, (condition, outcome) in enumerate(plan.exits):
        try:
            if condition.evaluate(facts):
                return complete(turn, run, "exit", outcome, {"exit": position})
        except ConditionFailed as failure:
            return fail(
                turn, run, "condition_failed", detail={"exit": position, "code": failure.code, "name": failure.name}
            )
    return None


# ---- entering ----


def _enter(turn: Turn, run: Run, target: str) -> tuple[Run, str | None]:
    step = turn.plan_of(run).steps[target]
    visit = run.visits.get(target, 0) + 1
    run = replace(
        turn.move(run, "advance", "queue"),
        previous=run.step if run.step != target else run.previous,
        step=target,
        visit=visit,
        visits={**run.visits, target: visit},
        entered=turn.tick,
        send="",
        attempt=0,
        remaining=None,
        resume_to="",
    )
    turn.put(run)
    ended = exit_met(turn, run)
    if ended is not None:
        return ended, None
    if step.max_visits is not None and visit > step.max_visits:
        return _bounded(turn, run, step)
    try:
        return _begin(turn, run, step)
    except ConditionFailed as failure:
        detail: dict[str, object] = {"code": failure.code, "name": failure.name}
        return fail(turn, run, "condition_failed", action=kind_of(step), detail=detail), None
    except WaitFailed as failure:
        return fail(turn, run, failure.code, action="wait"), None


def _bounded(turn: Turn, run: Run, step: Step) -> tuple[Run, str | None]:
    if step.after_visits is None:
        return fail(turn, run, "visits_exceeded", action=kind_of(step)), None
    return turn.record(run, kind_of(step), "visits_exceeded", {"to": step.after_visits}), step.after_visits


def _begin(turn: Turn, run: Run, step: Step) -> tuple[Run, str | None]:
    match step:
        case SendEmail() | SendSms() | Call():
            return intend(turn, run, attempt=1), None
        case Wait():
            return _begin_wait(turn, run, step)
        case Branch():
            return _branch(turn, run, step)
        case Split():
            return _split(turn, run, step)
        case Task():
            run = turn.record(run, "task", "assigned", {"until": turn.tick + step.timeout_s})
            return turn.move(run, "wait", "task", due=turn.tick + step.timeout_s), None
        case End():
            return complete(turn, run, "end", step.outcome, {}), None


def intend(turn: Turn, run: Run, *, attempt: int, resend: bool = False) -> Run:
    """Queue one attempt of the run's current send step; the dispatcher pulls it through the gate. No permit exists yet.

    `resend`: a person accepts that the contact may get it twice. What a deduplicating provider sees changes then, and stays so.
    """
    step = turn.plan_of(run).steps[run.step]
    before = turn.attempt_of(run)
    resends = (0 if before is None else before.resends) + int(resend)
    key = run.send or send_key(turn.snapshot.lineage, run.run, run.step, run.visit)
    turn.put_attempt(
        Attempt(
            no=turn.number_attempt(),
            send_key=key,
            attempt=attempt,
            run_no=run.no,
            run=run.run,
            contact=run.contact,
            channel=CHANNEL_OF[kind_of(step)],
            plan=run.plan,
            step=run.step,
            visit=run.visit,
            ready=turn.tick,
            entered=run.entered,
            resends=resends,
            tallied=before.tallied if before is not None and before.send_key == key else (),
        )
    )
    return turn.put(replace(run, block="queue", due=None, send=key, attempt=attempt))


def _branch(turn: Turn, run: Run, step: Branch) -> tuple[Run, str | None]:
    plan = turn.plan_of(run)
    facts = turn.facts_of(run)
    for position, case in enumerate(step.cases):
        if plan.conditions[case.when].evaluate(facts):
            return turn.record(run, "branch", "taken", {"case": position, "to": case.then}), case.then
    return turn.record(run, "branch", "else", {"to": step.otherwise}), step.otherwise


def _split(turn: Turn, run: Run, step: Split) -> tuple[Run, str | None]:
    total = sum(arm.weight for arm in step.arms)
    share = share_of("dee.split.v1", (run.plan, step.id, step.salt, run.contact), total)
    for arm in step.arms:
        if share < arm.weight:
            return turn.record(run, "split", arm.name, {"to": arm.then}), arm.then
        share -= arm.weight
    raise AssertionError("the share is below the sum of the weights")


# ---- waiting ----


def _begin_wait(turn: Turn, run: Run, step: Wait) -> tuple[Run, str | None]:
    if condition_met(turn, run, step):
        return _leave_wait(turn, run, "met", str(step.then))
    due = wait_due(turn, run, step)
    if due <= turn.tick:
        return _leave_wait(turn, run, "past", step.next)
    return turn.move(run, "wait", "wait", due=due), None


def condition_met(turn: Turn, run: Run, step: Wait) -> bool:
    """Tell whether the event that the wait is for has happened. Raises ConditionFailed."""
    if step.until is None:
        return False
    return turn.plan_of(run).conditions[step.until].evaluate(turn.facts_of(run))


def wait_due(turn: Turn, run: Run, step: Wait) -> int:
    """Return the tick at which the wait that was entered at `run.entered` ends. Raises WaitFailed."""
    if step.for_s is not None:
        return run.entered + step.for_s
    zone = _own_zone(turn)
    try:
        if step.date is not None:
            value = turn.contact.attributes.get(step.date)
            if not isinstance(value, str):
                raise WaitFailed("absent_attribute")
            local = parse_iso_date(value) * DAY_S + (step.at_s or 0)
            return turn.zones.utc_of_local(zone, local) + step.offset_s
        weekdays = step.weekdays or None
        return next_local_time(turn.zones, zone, run.entered, step.at_s or 0, weekdays)
    except (UnknownZone, OutOfRange) as error:
        raise WaitFailed("unknown_zone") from error
    except ValueError as error:
        raise WaitFailed("bad_date") from error


def _own_zone(turn: Turn) -> str:
    """The only zone of the surest basis that says anything. Two zones are no zone: the wait fails."""
    zones = home_zones(turn.contact)
    if len(zones) != 1:
        raise WaitFailed("unknown_zone")
    return str(zones[0])


def _leave_wait(turn: Turn, run: Run, outcome: str, target: str) -> tuple[Run, str]:
    detail: dict[str, object] = {"since": run.entered, "to": target, **_lateness(turn, run)}
    return turn.record(run, "wait", outcome, detail), target


def _lateness(turn: Turn, run: Run) -> dict[str, object]:
    """By how many seconds the run was woken too late: the process was down, had too much to do, or had other time-zone rules."""
    return {"late": turn.tick - run.due} if run.due is not None and turn.tick > run.due else {}


def recheck_wait(turn: Turn, run: Run) -> Run:
    """After an input about the contact: end a wait whose condition has come true."""
    step = turn.plan_of(run).steps.get(run.step)
    if run.status != "WAITING" or run.block != "wait" or not isinstance(step, Wait) or step.then is None:
        return run
    try:
        if not condition_met(turn, run, step):
            return run
    except ConditionFailed as failure:
        return fail(turn, run, "condition_failed", action="wait", detail={"code": failure.code, "name": failure.name})
    run, _ = _leave_wait(turn, replace(run, due=None), "met", step.then)
    return proceed(turn, run, step.then)


def hasten_wait(turn: Turn, run: Run) -> None:
    """The contact has changed: a wait for a local time or a date that now comes earlier ends earlier.

    One that comes later is found out when the wait fires, like every other change of the clocks.
    """
    step = turn.plan_of(run).steps.get(run.step)
    if run.status != "WAITING" or not isinstance(step, Wait) or step.for_s is not None or run.due is None:
        return
    try:
        due = max(wait_due(turn, run, step), turn.tick)
    except WaitFailed:
        return  # it may be mended before the wait fires
    if due < run.due:
        run = turn.record(run, "wait", "moved", {"until": due})
        turn.put(replace(run, due=due))


def resume_wait(turn: Turn, run: Run, remaining: int) -> Run:
    """Go on with a wait that a pause interrupted, unless its condition has come true meanwhile.

    A duration has left what was left of it; a local time or a date stays the instant that it is.
    """
    step = turn.plan_of(run).steps[run.step]
    assert isinstance(step, Wait)
    try:
        if condition_met(turn, run, step):
            run, target = _leave_wait(turn, run, "met", str(step.then))
            return proceed(turn, run, target)
        due = turn.tick + remaining if step.for_s is not None else wait_due(turn, run, step)
    except ConditionFailed as failure:
        return fail(turn, run, "condition_failed", action="wait", detail={"code": failure.code, "name": failure.name})
    except WaitFailed as failure:
        return fail(turn, run, failure.code, action="wait")
    return turn.move(run, "wait", "wait", due=max(due, turn.tick))


# ---- timers ----


def fire(turn: Turn, run: Run) -> Run:
    """A timer of the run is due. What it means is what the run is blocked on."""
    match run.block:
        case "start":
            first = turn.plan_of(run).first
            run = turn.record(run, "start", "started", {"to": first, **_lateness(turn, run)})
            return proceed(turn, run, first)
        case "wait":
            return _wait_over(turn, run)
        case "task":
            step = turn.plan_of(run).steps[run.step]
            assert isinstance(step, Task)
            run = turn.record(run, "task", "timed_out", {"to": step.next, **_lateness(turn, run)})
            return proceed(turn, run, step.next)
        case "hold":
            return requeue(turn, turn.move(run, "advance", "queue"))
        case "backoff":
            run = turn.move(run, "advance", "queue")
            return intend(turn, run, attempt=run.attempt + 1)
        case "call" | "failed" | "ended":
            return _call_deadline(turn, run)
        case _:
            return turn.put(replace(run, due=None))


def _wait_over(turn: Turn, run: Run) -> Run:
    step = turn.plan_of(run).steps[run.step]
    assert isinstance(step, Wait)
    if step.for_s is None:
        # A changed zone table moves local times: the wait is computed again when it fires, under the rules of this tick.
        try:
            due = wait_due(turn, run, step)
        except WaitFailed as failure:
            return fail(turn, run, failure.code, action="wait")
        if due > turn.tick:
            run = turn.record(run, "wait", "moved", {"until": due})
            return turn.put(replace(run, due=due))
        # What counts is the moment that the wait was for: the timer was set under rules that may since have been corrected.
        run = replace(run, due=max(due, run.entered))
    run, _ = _leave_wait(turn, run, "elapsed", step.next)
    return proceed(turn, run, step.next)


def requeue(turn: Turn, run: Run, *, anew: bool = False) -> Run:
    """Put a parked send back into the queue, from this tick on. `anew`: its send_by counts from now."""
    attempt = turn.attempt_of(run)
    if attempt is not None and attempt.state == "PARKED":
        entered = turn.tick if anew else attempt.entered
        turn.put_attempt(replace(turn.move_attempt(attempt, "release"), ready=turn.tick, entered=entered))
    return turn.put(replace(run, block="queue", due=None))


def _call_deadline(turn: Turn, run: Run) -> Run:
    attempt = turn.attempt_of(run)
    run = turn.put(replace(run, due=None))
    if attempt is None or attempt.state != "ONGOING":
        return run
    return outcome_unknown(turn, run, attempt, {"attempt": attempt.attempt, "cause": "deadline"})


def outcome_unknown(
    turn: Turn, run: Run, attempt: Attempt, detail: dict[str, object], *, extra: dict[str, object] | None = None
) -> Run:
    """Nobody knows whether it left. The run stops, the counters stay spent, and nothing is ever sent again by itself."""
    turn.move_attempt(attempt, "unknown")
    turn.mark(attempt, "UNKNOWN")
    action = kind_of(turn.plan_of(run).steps[attempt.step])
    if run.status in ENDED:
        return turn.record(run, action, "unknown", {**detail, "about": attempt.step}, extra=extra)
    if run.status == "FAILED":
        run = turn.record(run, action, "unknown", {**detail, "reason": "outcome_unknown"}, extra=extra)
        return turn.put(replace(run, reason="outcome_unknown"))
    return fail(turn, run, "outcome_unknown", action=action, outcome="unknown", detail=detail, extra=extra)


def backoff_due(run: Run, attempt: int, backoff_s: tuple[int, ...], tick: int) -> int:
    """Return when the next attempt may start: the plan's pause plus up to a tenth of it, the same on every machine."""
    pause = backoff_s[min(attempt - 1, len(backoff_s) - 1)] if backoff_s else 0
    parts = (run.run, run.step, str(run.visit), str(attempt))
    return tick + pause + share_of("dee.jitter.v1", parts, pause // 10 + 1)
