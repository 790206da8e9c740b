"""Sends: the pull through the gate, the provider's answer, and what becomes of an unknown outcome.

At most one contact per intended send without a person or a recovery policy in the plan. The first certain fact about
an attempt wins; what comes later is evidence. An unknown outcome is never sent again from here.
"""

from __future__ import annotations

from msgspec.structs import replace

from dee_appliance.kernel.e1.gate import Verdict, ask_gate, permit_for
from dee_appliance.kernel.e1.input import Answered
from dee_appliance.kernel.e1.memory import remember_outcome
from dee_appliance.kernel.e1.plan import Call, SendEmail, SendSms, SendStep, kind_of
from dee_appliance.kernel.e1.rulebook import GateShared, places_of
from dee_appliance.kernel.e1.rules.question import ADDRESS_OF, Question, Reservation
from dee_appliance.kernel.e1.run import (
    Attempt,
    CounterChange,
    Entry,
    Given,
    Hold,
    Run,
    Status,
    Touch,
)
from dee_appliance.kernel.e1.steps import backoff_due, complete, exit_met, fail, outcome_unknown, proceed
from dee_appliance.kernel.e1.turn import Turn, file_core

STOPPED: tuple[Status, ...] = ("COMPLETED", "CANCELLED", "FAILED")
"""A run that has stopped goes nowhere when its send settles. A run never leaves a step while an attempt is in flight."""

SETTLED = ("ACCEPTED", "REJECTED", "NOT_SENT", "ABANDONED")
"""States of an attempt in which its cost, real or none, stands in the budget already."""

OPEN_OUTSIDE = ("DISPATCHING", "ONGOING", "UNKNOWN")
"""States of an attempt that has left, or may have, and whose cost is open. A price that meets a later one is not its own."""

OUR_OWN_END = ("crash", "closed")
"""Codes of answers that say how this process ended, nothing about the channel."""


def send_step(turn: Turn, run: Run, step_id: str = "") -> SendStep:
    """Return the send step the run is at (or the one named)."""
    step = turn.plan_of(run).steps[step_id or run.step]
    assert isinstance(step, SendEmail | SendSms | Call)
    return step


# ---- the pull ----


def pull(turn: Turn, run: Run, given: Given, shared: GateShared) -> None:
    """Ask exits and the gate for the run's intended send: dispatch it, park it, stop it, or leave it in its queue."""
    attempt = turn.attempt_of(run)
    assert attempt is not None
    if exit_met(turn, run) is not None:
        return
    step = send_step(turn, run)
    if given.code != "ok":
        turn.move_attempt(attempt, "cancel")
        detail: dict[str, object] = {"attempt": attempt.attempt, "code": given.code}
        if given.field:
            detail["field"] = given.field
        fail(turn, run, "render_failed", action=kind_of(step), outcome="not_rendered", detail=detail)
        return
    verdict = verdict_on(turn, run, attempt, given, shared)
    if verdict.result == "allow":
        _dispatch(turn, run, attempt, verdict, given)
    elif verdict.result == "deny":
        _deny(turn, run, attempt, verdict)
    elif verdict.shared:
        _hold_queue(turn, verdict)
    else:
        _park(turn, run, attempt, verdict)


def verdict_on(turn: Turn, run: Run, attempt: Attempt, given: Given, shared: GateShared) -> Verdict:
    """Ask the whole gate about an intended send whose message was made."""
    step = send_step(turn, run)
    question = question_of(turn, run, attempt, shared, units=_units(step, given), features=given.features)
    stale = step.send_by_s is not None and turn.tick > attempt.entered + step.send_by_s
    verdict = ask_gate(question, guests=shared.trial_guests, stale=stale)
    saw: dict[str, object] = {**verdict.saw, "policy": shared.policy_entry, "units": question.units}
    if verdict.rest:
        saw["gate"] = _rungs(verdict.rest)
    if shared.packs:
        saw["packs"] = list(shared.packs)
    return replace(verdict, saw=saw)


def question_of(
    turn: Turn, run: Run, attempt: Attempt, shared: GateShared, *, units: int, features: tuple[str, ...]
) -> Question:
    """Return what the gate is asked about an intended send."""
    return Question(
        tick=turn.tick,
        contact=turn.contact,
        plan=turn.plan_of(run).plan,
        channel=attempt.channel,
        units=units,
        policy=shared.policy,
        book=shared.book,
        places=places_of(turn.contact),
        zones=turn.zones,
        counters=shared.counters,
        recent=shared.recent,
        history=shared.history,
        facts=shared.facts,
        lists=shared.lists,
        listed=shared.listed,
        variables=run.variables,
        features=features,
    )


def _units(step: SendStep, given: Given) -> int:
    return -(-step.max_duration_s // 60) if isinstance(step, Call) else given.units


def _rungs(ladder: tuple[tuple[str, str, dict[str, object]], ...]) -> list[object]:
    return [[rule, answer, values] if values else [rule, answer] for rule, answer, values in ladder]


def _dispatch(turn: Turn, run: Run, attempt: Attempt, verdict: Verdict, given: Given) -> None:
    attempt = turn.move_attempt(attempt, "pull")
    reserved = tuple((one.name, one.bucket, one.amount, one.kind) for one in verdict.reserve)
    to = turn.contact.tokens.get(ADDRESS_OF[attempt.channel], "")
    attempt = turn.put_attempt(replace(attempt, reserved=reserved, to=to, sent=turn.tick))
    touch(turn, run, attempt.channel, attempt)
    turn.counters.extend(_reserve(one) for one in verdict.reserve)
    turn.mark(attempt, "DISPATCHING")
    turn.permit = permit_for(attempt, turn.tick)
    extra: dict[str, object] = {
        "send": attempt.send_key,
        "attempt": attempt.attempt,
        "given": {"template": given.template, "renderer": given.renderer, "bytes": given.bytes, "units": given.units},
        "commitment": given.commitment,
    }
    detail: dict[str, object] = {"attempt": attempt.attempt, "gate": _rungs(verdict.ladder)}
    run = turn.record(run, kind_of(send_step(turn, run)), "dispatched", detail, saw=verdict.saw, extra=extra)
    turn.put(replace(run, block="flight"))


def _reserve(reservation: Reservation) -> CounterChange:
    name, bucket, amount = reservation.name, reservation.bucket, reservation.amount
    if reservation.kind == "count":
        return CounterChange(name=name, bucket=bucket, settled=amount)
    return CounterChange(name=name, bucket=bucket, reserved=amount)


def _deny(turn: Turn, run: Run, attempt: Attempt, verdict: Verdict) -> None:
    turn.move_attempt(attempt, "cancel")
    plan = turn.plan_of(run).plan
    action = kind_of(send_step(turn, run))
    detail: dict[str, object] = {
        "attempt": attempt.attempt,
        "rule": verdict.rule,
        "why": verdict.reason,
        "gate": _rungs(verdict.ladder),
    }
    if plan.policy.on_deny.get(verdict.kind) == "end":
        complete(turn, run, action, f"denied:{verdict.kind}", detail, saw=verdict.saw)
    else:
        reason = f"denied:{verdict.reason}"
        fail(turn, run, reason, action=action, outcome="denied", detail=detail, saw=verdict.saw)


def _hold_queue(turn: Turn, verdict: Verdict) -> None:
    """A shared reason: one entry and one timer for the whole queue.

    The send stays where it is, and nothing of the run changes.
    """
    turn.holds.append(Hold(scope=verdict.shared, reason=verdict.rule, until=verdict.until, entry=len(turn.entries)))
    detail: dict[str, object] = {"scope": verdict.shared, "rule": verdict.rule, "until": verdict.until}
    core = file_core(turn.tick, "hold", verdict.reason, detail)
    turn.entries.append(Entry(core=core, saw=verdict.saw))


def _park(turn: Turn, run: Run, attempt: Attempt, verdict: Verdict) -> None:
    turn.move_attempt(attempt, "park")
    detail: dict[str, object] = {
        "rule": verdict.rule,
        "until": verdict.until,
        "gate": _rungs(verdict.ladder),
        "status": "HELD",
    }
    run = turn.record(run, kind_of(send_step(turn, run)), "held", detail, saw=verdict.saw)
    turn.move(run, "hold", "hold", due=verdict.until, reason=verdict.reason)


# ---- the answer ----


def answered(turn: Turn, cause: Answered, run: Run | None) -> None:
    """Apply what an adapter (or a restart) says of an attempt in flight."""
    attempt = turn.about()
    if run is None or attempt is None:
        turn.refuse("answer", "unknown_attempt")
        return
    if attempt.state != "DISPATCHING":
        _late(turn, run, attempt, cause)
        return
    _count_failures(turn, attempt, cause)
    # The first certain fact wins, also against a refusal: what the provider has spoken of is not sent again.
    taken = cause.outcome == "accepted" or attempt.taken
    match cause.outcome:
        case _ if taken and attempt.channel == "voice":
            _call_taken(turn, run, attempt, cause)
        case _ if taken:
            _accepted(turn, run, attempt, cause)
        case "rejected":
            _rejected(turn, run, attempt, cause)
        case _:
            outcome_unknown(turn, run, attempt, {"attempt": attempt.attempt}, extra=_evidence(attempt, cause))


def _late(turn: Turn, run: Run, attempt: Attempt, cause: Answered) -> None:
    """An answer to what is settled is evidence. To an unknown outcome it is the first certain fact."""
    detail: dict[str, object] = {"about": attempt.step, "attempt": attempt.attempt, "state": attempt.state}
    cost = cause.cost_micros if cause.outcome == "accepted" else None
    extra = {**_evidence(attempt, cause), **settle_late(turn, attempt, cost)}
    run = turn.record(run, "answer", "late", {**detail, "answer": cause.outcome}, extra=extra)
    if attempt.state != "UNKNOWN" or attempt.channel == "voice":
        return
    if cause.outcome == "accepted":
        confirm(turn, run, attempt, cost_micros=cause.cost_micros)
    elif cause.outcome == "rejected":
        release(turn, run, attempt)


def _evidence(attempt: Attempt, cause: Answered) -> dict[str, object]:
    evidence: dict[str, object] = {"send": attempt.send_key, "attempt": attempt.attempt}
    if cause.code:
        evidence["code"] = cause.code
    if cause.cost_micros is not None:
        evidence["cost_micros"] = cause.cost_micros
    return evidence


def at_attempt(run: Run, attempt: Attempt) -> bool:
    """Tell whether the run is still at the visit that this attempt belongs to."""
    return run.step == attempt.step and run.visit == attempt.visit and run.attempt == attempt.attempt


def _count_failures(turn: Turn, attempt: Attempt, cause: Answered) -> None:
    """The breaker: failures that say something about the channel, not the contact, counted in a row."""
    failures = turn.snapshot.breaker_failures
    if cause.code in OUR_OWN_END:
        return
    if cause.outcome == "accepted" or cause.kind == "permanent":
        if failures:
            turn.breaker = (attempt.channel, 0)
        return
    if turn.snapshot.breaker_open:
        return  # what was in flight when it opened says nothing new
    failures += 1
    turn.breaker = (attempt.channel, failures)
    if failures < turn.snapshot.breaker_threshold:
        return
    until = turn.tick + turn.snapshot.breaker_pause_s
    scope = f"channel:{attempt.channel}"
    turn.breaker = (attempt.channel, turn.snapshot.breaker_threshold - 1)
    turn.holds.append(Hold(scope=scope, reason="channel_unavailable", until=until, entry=len(turn.entries)))
    detail: dict[str, object] = {"scope": scope, "failures": failures, "until": until}
    turn.entries.append(Entry(core=file_core(turn.tick, "hold", "channel_unavailable", detail)))


def _settle(turn: Turn, attempt: Attempt, cost_micros: int | None) -> dict[str, object]:
    """Put what the send cost in the place of what was reserved. Returns the evidence that its entry must carry."""
    told = attempt.told if cost_micros is None or cost_micros < 0 else cost_micros
    for name, bucket, amount, kind in attempt.reserved:
        if kind == "money":
            cost = amount if told is None else told
            turn.counters.append(CounterChange(name=name, bucket=bucket, settled=cost, reserved=-amount))
            attempt = turn.put_attempt(replace(attempt, cost=cost))
    evidence: dict[str, object] = {"send": attempt.send_key, "attempt": attempt.attempt}
    shown = cost_micros if told is None else told
    if shown is not None:
        evidence["cost_micros"] = shown
    return {**evidence, **_above_estimate(attempt, shown)}


def settle_late(turn: Turn, attempt: Attempt, cost_micros: int | None) -> dict[str, object]:
    """Count at once what a send turns out to have cost after it was settled; before that, remember it for then.

    Returns the evidence that its entry must carry.
    """
    if cost_micros is None or cost_micros < 0:
        return {}
    if attempt.state not in SETTLED:
        if attempt.state in OPEN_OUTSIDE:
            turn.put_attempt(replace(attempt, told=cost_micros))
        return {}
    given_back = attempt.state in ("REJECTED", "NOT_SENT")
    counted = attempt.cost
    for name, bucket, amount, kind in attempt.reserved:
        if kind == "money":
            reserved = 0 if counted is not None or given_back else -amount
            change = cost_micros - (counted or 0)
            turn.counters.append(CounterChange(name=name, bucket=bucket, settled=change, reserved=reserved))
            attempt = turn.put_attempt(replace(attempt, cost=cost_micros))
    evidence: dict[str, object] = {"send": attempt.send_key, "attempt": attempt.attempt, "cost_micros": cost_micros}
    return {**evidence, **_above_estimate(attempt, cost_micros)}


def outcome_known(turn: Turn, run: Run, attempt: Attempt, outcome: str, *, entry: int | None = None) -> None:
    """For the caps: what became of the attempt, and what it was for the person who was reached; `entry` as in `touch`."""
    turn.touched.append((attempt, outcome))
    what = {"answered": "conversation", "declined": "refusal"}.get(outcome)
    if what is not None and attempt.channel == "voice":
        touch(turn, run, what, attempt, entry=entry)


def touch(turn: Turn, run: Run, what: str, attempt: Attempt, *, entry: int | None = None) -> None:
    """Note what a cap may count; `entry` is the position of the entry that records it, by default the next one."""
    turn.touches.append(
        Touch(
            contact=run.contact,
            tick=turn.tick,
            attempt_no=attempt.no,
            what=what,
            entry=len(turn.entries) if entry is None else entry,
            channel=attempt.channel,
            plan=run.plan,
            purpose=turn.plan_of(run).plan.purpose,
            address=attempt.to,
            variables=run.variables,
        )
    )


def _give_back(turn: Turn, attempt: Attempt) -> None:
    for name, bucket, amount, kind in attempt.reserved:
        if kind == "money":
            turn.counters.append(CounterChange(name=name, bucket=bucket, reserved=-amount))
        else:
            turn.counters.append(CounterChange(name=name, bucket=bucket, settled=-amount))


def _above_estimate(attempt: Attempt, cost_micros: int | None) -> dict[str, object]:
    estimates = [amount for _, _, amount, kind in attempt.reserved if kind == "money"]
    if cost_micros is None or not estimates or cost_micros <= estimates[0]:
        return {}
    return {"above_estimate_micros": cost_micros - estimates[0]}


def _accepted(turn: Turn, run: Run, attempt: Attempt, cause: Answered) -> None:
    attempt = turn.move_attempt(attempt, "accepted")
    turn.mark(attempt, "ACCEPTED")
    settled = _settle(turn, attempt, cause.cost_micros)
    outcome_known(turn, run, attempt, "accepted")
    _advance(turn, run, attempt, "accepted", {**_evidence(attempt, cause), **settled})


def _advance(turn: Turn, run: Run, attempt: Attempt, outcome: str, extra: dict[str, object]) -> None:
    """The send has its outcome: remember it and go where the plan says, unless the run is paused or has stopped."""
    step = send_step(turn, run, attempt.step)
    target = step.on.get(outcome, step.next)
    detail: dict[str, object] = {"attempt": attempt.attempt}
    if run.status in STOPPED:
        run = turn.record(run, kind_of(step), outcome, {**detail, "about": attempt.step}, extra=extra)
        _remember(turn, run, attempt, outcome)
        return
    run = turn.record(run, kind_of(step), outcome, {**detail, "to": target}, extra=extra)
    run = _remember(turn, run, attempt, outcome)
    if run.status == "PAUSED":
        turn.put(replace(run, resume_to=target, due=None))
        return
    proceed(turn, run, target)


def _remember(turn: Turn, run: Run, attempt: Attempt, outcome: str) -> Run:
    return turn.put(remember_outcome(run, attempt.step, attempt.visit, outcome))


def _rejected(turn: Turn, run: Run, attempt: Attempt, cause: Answered) -> None:
    """Certain: nothing was sent. The counters get back what was reserved; the plan's recovery policy may try again."""
    turn.move_attempt(attempt, "rejected")
    turn.mark(attempt, "REJECTED")
    turn.touched.append((attempt, "rejected"))
    _give_back(turn, attempt)
    not_sent(turn, run, attempt, cause.kind, extra=_evidence(attempt, cause))


def not_sent(turn: Turn, run: Run, attempt: Attempt, kind: str, *, extra: dict[str, object]) -> None:
    """Go on after a certain failure: another attempt if the plan says so, the plan's `rejected` target, or FAILED."""
    step = send_step(turn, run, attempt.step)
    detail: dict[str, object] = {"attempt": attempt.attempt, "kind": kind}
    if run.status in STOPPED:
        turn.record(run, kind_of(step), "rejected", {**detail, "about": attempt.step}, extra=extra)
        return
    recover = step.recover
    if recover is not None and kind in recover.on and attempt.attempt < recover.attempts:
        due = backoff_due(run, attempt.attempt, recover.backoff_s, turn.tick)
        run = turn.record(run, kind_of(step), "rejected", {**detail, "retry": due}, extra=extra)
        if run.status == "PAUSED":
            turn.put(replace(run, paused_block="backoff", remaining=due - turn.tick, due=None))
        else:
            turn.move(run, "wait", "backoff", due=due, reason=f"rejected_{kind}")
        return
    target = step.on.get("rejected")
    if target is not None and kind == "permanent":
        run = turn.record(run, kind_of(step), "rejected", {**detail, "to": target}, extra=extra)
        run = _remember(turn, run, attempt, "rejected")
        if run.status == "PAUSED":
            turn.put(replace(run, resume_to=target, due=None))
        else:
            proceed(turn, run, target)
        return
    fail(turn, run, f"rejected_{kind}", action=kind_of(step), outcome="rejected", detail=detail, extra=extra)


# ---- calls ----


def _call_taken(turn: Turn, run: Run, attempt: Attempt, cause: Answered) -> None:
    """The provider has the call. Its outcome comes as an event, or the deadline makes it unknown."""
    step = send_step(turn, run, attempt.step)
    assert isinstance(step, Call)
    turn.move_attempt(attempt, "ongoing")
    due = turn.tick + step.ring_s + step.max_duration_s
    run = turn.record(
        run, "call", "ongoing", {"attempt": attempt.attempt, "until": due}, extra=_evidence(attempt, cause)
    )
    turn.put(replace(run, block=run.block if run.status in STOPPED else "call", due=due))


def call_outcome(turn: Turn, run: Run, attempt: Attempt, outcome: str, cost_micros: int | None) -> None:
    """The final outcome of a call in flight."""
    attempt = turn.move_attempt(attempt, "accepted")
    turn.mark(attempt, "ACCEPTED")
    extra = _settle(turn, attempt, cost_micros)
    outcome_known(turn, run, attempt, outcome)
    _advance(turn, turn.put(replace(run, due=None)), attempt, outcome, extra)


# ---- unknown outcomes that become known ----


def confirm(turn: Turn, run: Run, attempt: Attempt, *, outcome: str = "", cost_micros: int | None = None) -> Run:
    """An unknown outcome turns out to have been accepted.

    The run stays FAILED until resume, or the plan recovers on `confirmed`.
    """
    attempt = turn.move_attempt(attempt, "confirmed")
    turn.mark(attempt, "ACCEPTED")
    extra = _settle(turn, attempt, cost_micros)
    step = send_step(turn, run, attempt.step)
    outcome = outcome or "accepted"
    outcome_known(turn, run, attempt, outcome)
    run = _remember(turn, run, attempt, outcome)
    detail: dict[str, object] = {"attempt": attempt.attempt, "outcome": outcome}
    if not at_attempt(run, attempt) or run.status != "FAILED":
        return turn.record(run, kind_of(step), "confirmed", {**detail, "about": attempt.step}, extra=extra)
    if step.recover is not None and "confirmed" in step.recover.on:
        target = step.on.get(outcome, step.next)
        run = turn.record(run, kind_of(step), "confirmed", {**detail, "to": target}, extra=extra)
        return proceed(turn, turn.move(run, "recover", "queue"), target)
    run = turn.record(run, kind_of(step), "confirmed", detail, extra=extra)
    return turn.put(replace(run, reason="confirmed"))


def release(turn: Turn, run: Run, attempt: Attempt) -> None:
    """An unknown outcome turns out not to have been sent: the counters get back what was reserved."""
    turn.move_attempt(attempt, "not_sent")
    turn.mark(attempt, "NOT_SENT")
    turn.touched.append((attempt, "not_sent"))
    _give_back(turn, attempt)
    if at_attempt(run, attempt) and run.status == "FAILED":
        turn.put(replace(run, reason="not_sent"))
