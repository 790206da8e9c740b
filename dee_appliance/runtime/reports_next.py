"""What a run does next and why, and which verbs are legal now with what each would do.

What is legal is asked of the kernel's own rule for refusals, never guessed here; the sentences say what the kernel does then.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import msgspec

from dee_appliance.authoring.notation import format_duration
from dee_appliance.kernel.e1.input import Verb
from dee_appliance.kernel.e1.operate import refusal
from dee_appliance.kernel.e1.plan import Branch, Call, End, SendEmail, SendSms, Split, Task, Wait
from dee_appliance.kernel.e1.run import ENDED, scopes_of
from dee_appliance.kernel.e1.turn import Turn
from dee_appliance.runtime.gate_words import counter_seen, percent, ratio_seen
from dee_appliance.runtime.reports_log import Log
from dee_appliance.runtime.reports_timeline import short
from dee_appliance.runtime.reports_view import Instant

if TYPE_CHECKING:
    from dee_appliance.kernel.e1.compiled import CompiledPlan
    from dee_appliance.kernel.e1.plan import Step
    from dee_appliance.kernel.e1.run import Attempt, Hold, Run, Snapshot
    from dee_appliance.runtime.reading import View
    from dee_appliance.runtime.reports_log import LogLine
    from dee_appliance.runtime.reports_view import Times

RESOLVE_CHOICES: tuple[Literal["delivered", "not-delivered", "resend"], ...] = ("delivered", "not-delivered", "resend")

REQUIRES: dict[str, str] = {
    "outcome_unknown": "manual resolution as delivered, not-delivered or resend",
    "confirmed": "manual resume",
    "not_sent": "manual retry",
    "abandoned": "manual skip or cancel",
}
"""What a failed run needs; everything that is not listed needs REQUIRES_DEFAULT."""
REQUIRES_DEFAULT = "manual retry or policy resolution"


class Choice(msgspec.Struct, frozen=True, kw_only=True):
    """A verb that is legal now: what to type and what it would do."""

    verb: str
    command: str
    effect: str


class NextAction(msgspec.Struct, frozen=True, kw_only=True):
    """What happens next: `what` in words, `why`, `at` if a moment is known, `choices` of an operator."""

    what: str
    why: str
    at: Instant | None = None
    choices: tuple[Choice, ...] = ()


def requires(reason: str) -> str:
    """Return what a run that failed for this reason needs, as the log says it."""
    return REQUIRES.get(reason, REQUIRES_DEFAULT)


def next_action(view: View, run: Run, times: Times, *, disarmed: str = "") -> NextAction:
    """Return what the run does next. `disarmed` says why nothing leaves this file, if nothing does."""
    plan = view.state.plan(run.digest)
    snapshot = view.state.snapshot(view.last_tick, run.contact, run_no=run.no)
    teller = _Next(view, run, plan, snapshot, times=times, disarmed=disarmed)
    found = teller.action()
    return msgspec.structs.replace(found, choices=_choices(view, run, plan, snapshot))


class _Next:
    def __init__(
        self, view: View, run: Run, plan: CompiledPlan, snapshot: Snapshot, *, times: Times, disarmed: str
    ) -> None:
        self._view = view
        self._run = run
        self._plan = plan
        self._times = times
        self._disarmed = disarmed
        self._attempt: Attempt | None = snapshot.attempts.get(run.no)
        self._step: Step | None = plan.steps.get(run.step)

    def action(self) -> NextAction:
        run = self._run
        match run.status:
            case "PENDING":
                return self._due(f"starts at {self._plan.first}", "the enrolment has a start time")
            case "ACTIVE":
                return self._active()
            case "WAITING":
                return self._waiting()
            case "HELD":
                return self._held()
            case "PAUSED":
                left = "" if run.remaining is None else f", {format_duration(run.remaining)} were left"
                return NextAction(what="nothing before a person resumes it", why=f"paused by an operator{left}")
            case "FAILED":
                what = f"nothing by itself; it requires {requires(run.reason)}"
                return NextAction(what=what, why=reason_text(run.reason, run.step))
            case "COMPLETED" | "CANCELLED":
                return self._ended()

    def _due(self, what: str, why: str) -> NextAction:
        return NextAction(what=what, why=why, at=self._times.when(self._run.due))

    def _waiting(self) -> NextAction:
        run, step = self._run, self._step
        match run.block, step:
            case "backoff", _:
                return self._due(
                    f"attempt {run.attempt + 1} of {run.step}", f"the last one was {run.reason.replace('_', ' ')}"
                )
            case "task", Task():
                outcomes = ", ".join(step.on)
                return self._due(
                    f"a person does the task ({outcomes}), else {step.next}", step.instructions or "the step is a task"
                )
            case _, Wait(until=str(condition)):
                return self._due(f"{step.then} as soon as {condition}, else {step.next}", f"waiting for {condition}")
            case _, Wait(for_s=int(seconds)):
                return self._due(f"goes on to {step.next}", f"waiting {format_duration(seconds)}")
            case _, Wait():
                return self._due(f"goes on to {step.next}", "waiting for a local time")
            case _:
                return self._due("goes on", "waiting")

    def _held(self) -> NextAction:
        run = self._run
        why = reason_text(run.reason, run.step)
        if run.due is None:
            return NextAction(what="nothing before a person resumes or cancels it", why=why)
        return self._due(f"the gate is asked about {run.step} again", why)

    def _active(self) -> NextAction:
        run = self._run
        match run.block:
            case "queue":
                return self._queued()
            case "flight":
                why = "the provider has not answered; if this process dies now, the outcome is unknown"
                return NextAction(what=f"the answer about attempt {run.attempt} of {run.step}", why=why)
            case "call":
                return self._due(
                    "the outcome of the call", "the provider has the call; without an outcome it is unknown"
                )
            case _:
                return NextAction(what="goes on at the next turn of the loop", why="nothing holds it")

    def _queued(self) -> NextAction:
        run, attempt = self._run, self._attempt
        what = f"the gate is asked about {run.step}"
        if attempt is None:
            return NextAction(what=what, why="the send is queued")
        holds = holds_of(self._view.state.holds, attempt.channel, attempt.plan)
        since = f"queued since {short(self._times.at(attempt.ready).utc)}"
        if holds:
            ticks = [hold.until for hold in holds]
            at = None if None in ticks else self._times.when(max(tick for tick in ticks if tick is not None))
            told = ", ".join(self._hold(hold) for hold in holds)
            return NextAction(what=what, why=f"{since}, behind {told}", at=at)
        if self._disarmed:
            return NextAction(what=what, why=f"{since}; nothing leaves this file: {self._disarmed}")
        return NextAction(what=what, why=f"{since}; the loop takes it when a place is free")

    def _hold(self, hold: Hold) -> str:
        """A shared hold with what the gate counted or who did it, and the entry that says so."""
        line = Log(self._view).entry(hold.entry)
        counted = "" if line is None else _counted(line, hold.reason)
        return f"{hold_text(hold)}{counted} (entry {hold.entry})"

    def _ended(self) -> NextAction:
        attempt = self._attempt
        if attempt is not None and attempt.state in ("DISPATCHING", "ONGOING"):
            return self._due(
                "the answer about what is still in flight", "the run has ended; the send settles by itself"
            )
        if attempt is not None and attempt.state == "UNKNOWN":
            what = "nothing by itself; a person may still say what became of its last send"
            return NextAction(what=what, why=f"the run has ended: {self._run.reason}")
        return NextAction(what="nothing", why=f"the run has ended: {self._run.reason}")


def holds_of(holds: tuple[Hold, ...], channel: str, plan: str) -> list[Hold]:
    """Return the shared holds that stop sends of this channel and plan."""
    scopes = scopes_of(plan, channel)
    return [hold for hold in holds if hold.scope in scopes]


def hold_text(hold: Hold) -> str:
    """Write a shared hold: its reason and scope."""
    scope = "everything" if hold.scope == "*" else hold.scope
    return f"{hold.reason} ({scope})" + ("" if hold.until is not None else " until a person releases it")


def _counted(line: LogLine, reason: str) -> str:
    counter, ratio = counter_seen(reason, line.saw), ratio_seen(reason, line.saw)
    if ratio is not None:
        return f": {ratio[0]:,} of {ratio[1]:,}, {percent(*ratio)}"
    if counter is not None:
        bucket, used, limit = counter
        return f": {used} of {limit} just then" if line.outcome == "rate" else f": {used} of {limit} on {bucket}"
    actor = line.detail.get("actor")
    return f": by {actor}" if actor else ""


REASONS: dict[str, str] = {
    "outcome_unknown": "nobody knows whether the send left; it is never sent again by itself",
    "confirmed": "the unknown outcome turned out to be accepted",
    "not_sent": "the unknown outcome turned out to be not sent",
    "abandoned": "a person gave the unknown outcome up",
    "rejected_transient": "the provider did not take it, for a reason that may pass",
    "rejected_permanent": "the provider did not take it, and asking again will not help",
    "rejected_config": "the adapter is set up wrongly",
    "render_failed": "the message could not be made",
    "condition_failed": "a condition could not be evaluated",
    "visits_exceeded": "the step was visited as often as the plan allows",
    "too_many_transitions": "the plan went on without ever waiting",
    "unknown_zone": "the contact's time zone is not known",
    "absent_attribute": "the contact has no such date",
    "bad_date": "the contact's date is no date",
    "outside_hours": "it is outside the permitted hours",
    "never_open": "no permitted hour comes within 14 days",
    "stale": "it is later than the step's send_by",
    "not_a_guest": "trial mode: the address is not on the guest list",
    "no_address": "the contact has no address for this channel",
    "suppressed": "the contact or its address is suppressed",
    "no_consent": "no consent is in force",
    "consent_class": "the consent is of a class that does not count here",
    "consent_address": "the consent was given for another address",
    "consent_basis": "what the implied consent follows from does not count here",
    "consent_expired": "the implied consent is too old",
    "listed": "the address is on a list that must be asked",
    "list_missing": "a list that must be asked was never loaded",
    "list_stale": "a list that must be asked is too old",
    "fact": "what must be so is not so",
    "fact_unknown": "nobody has recorded what must be known",
    "content": "the message lacks what it must have",
    "unknown_jurisdiction": "nobody knows where the contact is, and a rule depends on it",
    "calendar_ended": "the calendar of closed dates does not reach so far",
    "cap": "as many as permitted lie in the time already",
    "ratio": "too many of the latest went wrong",
    "rate": "as many as permitted have left just now",
    "daily_limit": "the day's limit is used up",
    "budget": "the budget does not cover it",
    "no_rate": "no price is known for it, so the budget cannot be kept",
    "currency": "the budget is in another currency than the prices",
    "operator": "an operator did it",
    "erased": "the contact was erased",
}
"""The kernel's closed reasons in words."""


def reason_text(reason: str, step: str = "") -> str:
    """Write a reason as `reason(step): words`."""
    head = f"{reason}({step})" if step else reason
    code, _, rest = reason.partition(":")
    words = REASONS.get(rest if code == "denied" else reason, "")
    return f"{head}: {words}" if words else head


# ---- verbs ----


def _choices(view: View, run: Run, plan: CompiledPlan, snapshot: Snapshot) -> tuple[Choice, ...]:
    """Ask the kernel about every verb."""
    turn = Turn(snapshot, view.state.plans_of(snapshot), view.state.zones())
    wanted = [
        Verb(run=run.run, verb="resume"),
        Verb(run=run.run, verb="retry"),
        *(Verb(run=run.run, verb="resolve", choice=choice) for choice in RESOLVE_CHOICES),
        Verb(run=run.run, verb="skip"),
        Verb(run=run.run, verb="pause"),
        Verb(run=run.run, verb="cancel"),
    ]
    found: list[Choice] = []
    for verb in wanted:
        step = plan.steps.get(run.step)
        # The kernel refuses to skip a step that has no single way on only when it comes to it.
        if refusal(turn, run, verb) is not None or (verb.verb == "skip" and isinstance(step, Split | End)):
            continue
        command = f"dee run {verb.verb} {run.run}" + (f" --as {verb.choice}" if verb.choice else "")
        command += " --accept-duplicate-risk" if verb.choice == "resend" else ""
        found.append(Choice(verb=verb.verb, command=command, effect=_effect(verb, run, step)))
    return tuple(found)


def _effect(verb: Verb, run: Run, step: Step | None) -> str:
    match verb.verb:
        case "resume":
            return _effect_of_resume(run, step)
        case "retry":
            again = f"as attempt {run.attempt + 1}" if run.attempt else "from its start"
            return f"does {run.step or 'the first step'} again {again}; exits and the gate are asked again"
        case "resolve":
            return _effect_of_resolve(verb.choice, run, step)
        case "skip":
            return f"leaves {run.step} out and goes on to {_after(step)}"
        case "pause":
            return "stops the run where it is; what is in flight settles"
        case "cancel":
            return "ends the run for good"


def _effect_of_resume(run: Run, step: Step | None) -> str:
    if run.status == "FAILED":
        memory = run.memory.get(run.step)
        outcome = "accepted" if memory is None else memory.outcome
        target = step.on.get(outcome, step.next) if isinstance(step, SendEmail | SendSms | Call) else ""
        return f"takes {run.step} as done ({outcome}) and goes on to {target}"
    if run.status == "HELD" and run.reason == "stale":
        return "decides that it may still go: send_by counts from now, and the gate is asked again"
    if run.status == "HELD":
        return "asks the gate again now; nothing is sent past it"
    return "goes on where it was paused"


def _effect_of_resolve(choice: str, run: Run, step: Step | None) -> str:
    match choice:
        case "delivered" if run.status in ENDED:
            return "takes the send as delivered; the run has ended and stays so"
        case "not-delivered" if run.status in ENDED:
            return "takes it as never sent and gives back what it had reserved; the run has ended and stays so"
        case "delivered":
            recovers = isinstance(step, SendEmail | SendSms | Call) and step.recover is not None
            by_itself = recovers and "confirmed" in step.recover.on  # type: ignore[union-attr]  # narrowed above
            then = "the run goes on by itself" if by_itself else "the run then goes on with `dee run resume`"
            return f"takes the send as delivered; {then}"
        case "not-delivered":
            return "takes it as never sent and gives back what it had reserved; `dee run retry` then sends"
        case _:
            return "sends again through the gate: the contact may get it twice"


def _after(step: Step | None) -> str:
    match step:
        case Branch():
            return step.otherwise
        case SendEmail() | SendSms() | Call() | Wait() | Task():
            return step.next
        case _:
            return "the next step"
