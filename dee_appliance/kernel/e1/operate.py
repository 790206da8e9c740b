"""What a person does to a run: pause, resume, cancel, retry, resolve, skip, and the outcome of a task.

Which verb is legal in which status is TRANSITIONS; the finer conditions (what the attempt is, what the plan allows)
stand here. A verb that is not legal is refused and recorded; it never does half of what it says.
"""

from __future__ import annotations

from msgspec.structs import replace

from dee_appliance.kernel.e1.input import TaskDone, Verb
from dee_appliance.kernel.e1.plan import Branch, Call, End, SendEmail, SendSms, Split, Step, Task, Wait
from dee_appliance.kernel.e1.run import ENDED, TRANSITIONS, AttemptState, Run
from dee_appliance.kernel.e1.sending import confirm, release, send_step
from dee_appliance.kernel.e1.steps import close_attempt, exit_met, intend, proceed, requeue, resume_wait
from dee_appliance.kernel.e1.turn import Turn


def operate(turn: Turn, cause: Verb, run: Run | None) -> None:
    """Apply an operator's verb to a run, or refuse it with a code."""
    if run is None:
        turn.refuse(cause.verb, "unknown_run", detail={"run": cause.run})
        return
    code = refusal(turn, run, cause)
    if code is not None:
        turn.refuse(cause.verb, code, run=run, detail={"status": run.status, "actor": cause.actor})
        return
    match cause.verb:
        case "pause":
            _pause(turn, run, cause)
        case "resume":
            _resume(turn, run, cause)
        case "cancel":
            _cancel(turn, run, cause)
        case "retry":
            _retry(turn, run, cause)
        case "resolve":
            _resolve(turn, run, cause)
        case "skip":
            _skip(turn, run, cause)


def refusal(turn: Turn, run: Run, cause: Verb) -> str | None:
    """Return why the verb is not legal now, or None."""
    attempt = turn.attempt_of(run)
    state = None if attempt is None else attempt.state
    # A run that has ended moves no more, yet what became of its last send may still be told; only not by sending again.
    told = cause.verb == "resolve" and cause.choice != "resend" and run.status in ENDED and state == "UNKNOWN"
    if cause.verb not in TRANSITIONS[run.status] and not told:
        return "illegal_status"
    match cause.verb:
        case "retry" | "skip" if state in ("DISPATCHING", "ONGOING"):
            return "in_flight"
        case "skip" if state == "UNKNOWN":
            return "outcome_unknown"  # behind the step nobody could resolve it any more
        case "retry":
            return _retry_refusal(state)
        case "resolve" if state != "UNKNOWN":
            return "nothing_to_resolve"
        case "resolve" if not cause.choice:
            return "no_choice"
        case "resume" if run.status == "FAILED" and state != "ACCEPTED":
            return "not_confirmed"
        case "skip" if not run.step or not turn.plan_of(run).steps[run.step].skippable:
            return "not_skippable"
        case "skip" if _after(turn.plan_of(run).steps[run.step]) is None:
            return "nothing_after"
        case _:
            return None


def _retry_refusal(state: AttemptState | None) -> str | None:
    match state:
        case "UNKNOWN":
            return "outcome_unknown"
        case "ACCEPTED":
            return "already_accepted"
        case "ABANDONED":
            return "abandoned"
        case _:
            return None


def _said(cause: Verb) -> dict[str, object]:
    detail: dict[str, object] = {"actor": cause.actor}
    if cause.job:
        detail["job"] = cause.job
    return detail


def _pause(turn: Turn, run: Run, cause: Verb) -> None:
    """Stop the run where it is. What is in flight settles; a wait keeps the time that is left."""
    attempt = turn.attempt_of(run)
    if attempt is not None and attempt.state == "INTENDED":
        turn.move_attempt(attempt, "park")
    remaining = None if run.due is None else max(run.due - turn.tick, 0)
    run = turn.record(run, "pause", "paused", {**_said(cause), "status": "PAUSED"})
    in_flight = run.block in ("flight", "call")
    block = run.block
    due = run.due if in_flight else None
    run = turn.move(run, "pause", block, due=due, reason="operator")
    turn.put(replace(run, paused_block=block, remaining=None if in_flight else remaining))


def _resume(turn: Turn, run: Run, cause: Verb) -> None:
    detail = _said(cause)
    if run.status == "FAILED":
        target = _target_after_confirmation(turn, run)
        run = turn.record(run, "resume", "resumed", {**detail, "to": target})
        proceed(turn, turn.move(run, "resume", "queue"), target)
        return
    run = turn.record(run, "resume", "resumed", detail)
    if run.status == "HELD":
        # A stale send is held for a person to decide: this is the decision that it may still go.
        requeue(turn, turn.move(run, "resume", "queue"), anew=run.reason == "stale")
        return
    _resume_paused(turn, run)


def _target_after_confirmation(turn: Turn, run: Run) -> str:
    step = send_step(turn, run)
    memory = run.memory.get(run.step)
    return step.on.get("accepted" if memory is None else memory.outcome, step.next)


def _resume_paused(turn: Turn, run: Run) -> None:
    if run.paused_block == "start":
        start = turn.tick + (run.remaining or 0)
        run = turn.move(run, "postpone", "start", due=start)
        turn.put(replace(run, paused_block="", remaining=None, entered=start))
        return
    block, remaining, target, now = run.paused_block, run.remaining or 0, run.resume_to, run.block
    run = turn.move(run, "resume", "queue", due=run.due)
    run = turn.put(replace(run, paused_block="", remaining=None, resume_to=""))
    if target:
        proceed(turn, run, target)
        return
    if exit_met(turn, run) is not None:
        return
    match block:
        case "wait":
            resume_wait(turn, run, remaining)
        case "task" | "backoff":
            turn.move(run, "wait", "task" if block == "task" else "backoff", due=turn.tick + remaining)
        case "flight" | "call":
            # A call that the provider took during the pause is in progress now, and has a deadline.
            turn.put(replace(run, block=now))
        case _:
            requeue(turn, run)


def _cancel(turn: Turn, run: Run, cause: Verb) -> None:
    due = close_attempt(turn, run)
    run = turn.record(run, "cancel", "cancelled", {**_said(cause), "status": "CANCELLED"}, contact_chain=True)
    turn.move(run, "cancel", "ended", due=due, reason="operator")


def _retry(turn: Turn, run: Run, cause: Verb) -> None:
    """Do the failed step again, in the same visit: exits and the gate are asked again with the facts of this tick."""
    run = turn.record(run, "retry", "retried", _said(cause))
    if not run.step and run.entered > turn.tick:
        turn.move(run, "postpone", "start", due=run.entered)
        return
    if not run.step:
        proceed(turn, turn.move(run, "retry", "queue"), turn.plan_of(run).first)
        return
    step = turn.plan_of(run).steps[run.step]
    run = turn.move(run, "retry", "queue")
    if isinstance(step, SendEmail | SendSms | Call) and run.attempt:
        if exit_met(turn, run) is None:
            intend(turn, run, attempt=run.attempt + 1)
        return
    visits = {**run.visits, run.step: run.visit - 1}
    proceed(turn, turn.put(replace(run, visits=visits)), run.step)


def _resolve(turn: Turn, run: Run, cause: Verb) -> None:
    """A person says what became of an unknown outcome; only `resend` can make a second contact, and the gate is asked again."""
    attempt = turn.attempt_of(run)
    assert attempt is not None
    run = turn.record(run, "resolve", cause.choice, {**_said(cause), "attempt": attempt.attempt})
    match cause.choice:
        case "delivered":
            confirm(turn, run, attempt)
        case "not-delivered":
            release(turn, run, attempt)
        case "resend":
            turn.move_attempt(attempt, "abandoned")
            turn.mark(attempt, "ABANDONED")
            run = turn.move(run, "retry", "queue")
            if exit_met(turn, run) is None:
                intend(turn, run, attempt=attempt.attempt + 1, resend=True)
        case _:
            turn.move_attempt(attempt, "abandoned")
            turn.mark(attempt, "ABANDONED")
            if run.status == "FAILED":
                turn.put(replace(run, reason="abandoned"))


def _skip(turn: Turn, run: Run, cause: Verb) -> None:
    step = turn.plan_of(run).steps[run.step]
    target = _after(step)
    assert target is not None
    close_attempt(turn, run)
    run = turn.record(run, "skip", "skipped", {**_said(cause), "to": target})
    proceed(turn, turn.move(run, "skip", "queue"), target)


def _after(step: Step) -> str | None:
    match step:
        case SendEmail() | SendSms() | Call() | Wait() | Task():
            return step.next
        case Branch():
            return step.otherwise
        case Split() | End():
            return None


def task_done(turn: Turn, cause: TaskDone, run: Run | None) -> None:
    """A person reports the outcome of the task that the run waits for."""
    if run is None:
        turn.refuse("task", "unknown_run", detail={"run": cause.run})
        return
    step = turn.plan_of(run).steps.get(run.step)
    if run.status != "WAITING" or run.block != "task" or not isinstance(step, Task):
        turn.refuse("task", "no_task", run=run, detail={"status": run.status})
        return
    target = step.on.get(cause.outcome)
    if target is None:
        turn.refuse("task", "unknown_outcome", run=run, detail={"outcome": cause.outcome})
        return
    run = turn.record(run, "task", cause.outcome, {"actor": cause.actor, "to": target})
    proceed(turn, run, target)
