"""Every state that a run can be in, each reached by a real story, and everything that can happen to it there.

Verbs, choices and answers are taken from the kernel's closed lists, so that a new one has cells before it has anything else.
Rules a change must keep: a new status, block or attempt state needs a situation here, a new happening of another kind a line in
HAPPENINGS; the table of expectations then lacks cells, and its test says which.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import get_args, get_type_hints

from kernel_builder import (
    DAY_S,
    HOUR_S,
    Story,
    call,
    contact_id,
    email,
    hours,
    leave,
    plan_of,
    policy_of,
    recover,
    task,
    wait,
)
from kernel_invariants import faults_of_file

from dee_appliance.kernel.e1 import input as inputs
from dee_appliance.kernel.e1 import plan as plans
from dee_appliance.kernel.e1 import policy as policies

TABLE = Path(__file__).parent / "golden" / "kernel_states.txt"
TIER = {"tier": plans.AttributeDeclaration(kind="int")}
EXITS = (leave('event("stop")', "stopped"), leave("contact.tier > 9", "rich"))
"""The second exit cannot be computed for a contact without a tier: that fails a run wherever it is."""

AFTER = wait("after", for_s=DAY_S, skippable=True)
NIGHT = policy_of(policies.WindowRule(id="hours", hours=hours()))
"""Six in the morning in New York: a send is held for three hours."""


def _story(*steps: plans.Step, policy: policies.Policy | None = None) -> Story:
    story = Story(
        plan_of(*steps, attributes=TIER, exits=EXITS, enroll=plans.Enroll(reentry="after_exit")),
        policy=policy or policy_of(),
        contacts=0,
    )
    story.put(tier=1)
    return story


def mailing(**more: object) -> Story:
    """An e-mail in the queue, tried again after a transient rejection."""
    story = _story(email("mail", "after", skippable=True, recover=recover("transient"), **more), AFTER)
    story.enroll()
    return story


def calling() -> Story:
    """A call in the queue."""
    story = _story(call("ring", "after", skippable=True, max_duration_s=60, ring_s=30), AFTER)
    story.enroll()
    return story


def in_flight() -> Story:
    story = mailing()
    story.sent()
    return story


def in_a_call() -> Story:
    story = calling()
    story.answer(story.sent("voice"))
    return story


def scheduled() -> Story:
    story = _story(email("mail", "after", skippable=True), AFTER)
    story.enroll(start=story.tick + DAY_S)
    return story


def waiting() -> Story:
    story = _story(wait("pause", "after", for_s=HOUR_S, skippable=True), AFTER)
    story.enroll()
    return story


def asking() -> Story:
    story = _story(task("look", "after", skippable=True, on={"yes": "end"}), AFTER)
    story.enroll()
    return story


def backing_off() -> Story:
    story = mailing()
    story.answer(story.sent(), "rejected", "transient")
    return story


def queued_again() -> Story:
    """The second attempt, after a rejection."""
    story = backing_off()
    story.at(story.run().due or 0)
    return story


def in_flight_again() -> Story:
    story = queued_again()
    story.sent()
    return story


def unknown_again() -> Story:
    """The second attempt, of a person who had it sent again, is unknown like the first."""
    story = resolved("resend")
    story.answer(story.sent(), "unknown")
    return story


def accepted() -> Story:
    story = mailing()
    story.answer(story.sent())
    return story


def held() -> Story:
    story = _story(email("mail", "after", skippable=True), AFTER, policy=NIGHT)
    story.enroll()
    story.pull()
    return story


def stale() -> Story:
    story = mailing(send_by_s=60)
    story.later(HOUR_S)
    story.pull()
    return story


def rejected() -> Story:
    story = mailing()
    story.answer(story.sent(), "rejected", "permanent")
    return story


def denied() -> Story:
    story = _story(email("mail", "after", skippable=True), AFTER, policy=policy_of(policies.ConsentRule(id="consent")))
    story.enroll()
    story.pull()
    return story


def unknown() -> Story:
    story = mailing()
    story.answer(story.sent(), "unknown")
    return story


def resolved(choice: str) -> Story:
    story = unknown()
    story.verb("resolve", choice)
    return story


def settled_while_paused() -> Story:
    story = mailing()
    permit = story.sent()
    story.verb("pause")
    story.answer(permit)
    return story


def _then(start: Callable[[], Story], what: Callable[[Story], object]) -> Callable[[], Story]:
    def story() -> Story:
        told = start()
        what(told)
        return told

    return story


def paused(start: Callable[[], Story]) -> Callable[[], Story]:
    return _then(start, lambda story: story.verb("pause"))


def failed(start: Callable[[], Story]) -> Callable[[], Story]:
    """The contact loses the attribute that an exit reads, and has it again."""

    def fail(story: Story) -> None:
        story.put()
        story.put(tier=1)

    return _then(start, fail)


def exited(start: Callable[[], Story]) -> Callable[[], Story]:
    return _then(start, lambda story: story.event("stop"))


def exited_unknown() -> Story:
    """The exit comes while the send is in flight, and nobody learns what became of it."""
    story = exited(in_flight)()
    _answer(story, "unknown")
    return story


def cancelled(start: Callable[[], Story]) -> Callable[[], Story]:
    return _then(start, lambda story: story.verb("cancel"))


SITUATIONS: dict[str, Callable[[], Story]] = {
    "PENDING": scheduled,
    "ACTIVE, in the queue": mailing,
    "ACTIVE, in flight": in_flight,
    "ACTIVE, in a call": in_a_call,
    "ACTIVE, second attempt in the queue": queued_again,
    "ACTIVE, second attempt in flight": in_flight_again,
    "WAITING, wait": waiting,
    "WAITING, task": asking,
    "WAITING, for the next attempt": backing_off,
    "WAITING, after an accepted send": accepted,
    "HELD, until a time": held,
    "HELD, for a person": stale,
    "PAUSED, before the start": paused(scheduled),
    "PAUSED, in the queue": paused(mailing),
    "PAUSED, in flight": paused(in_flight),
    "PAUSED, in a call": paused(in_a_call),
    "PAUSED, wait": paused(waiting),
    "PAUSED, task": paused(asking),
    "PAUSED, for the next attempt": paused(backing_off),
    "PAUSED, held": paused(held),
    "PAUSED, settled meanwhile": settled_while_paused,
    "FAILED, before the start": failed(scheduled),
    "FAILED, at a wait": failed(waiting),
    "FAILED, in the queue": failed(mailing),
    "FAILED, in flight": failed(in_flight),
    "FAILED, in a call": failed(in_a_call),
    "FAILED, rejected": rejected,
    "FAILED, denied": denied,
    "FAILED, outcome unknown": unknown,
    "FAILED, second attempt unknown": unknown_again,
    "FAILED, confirmed": lambda: resolved("delivered"),
    "FAILED, not sent": lambda: resolved("not-delivered"),
    "FAILED, abandoned": lambda: resolved("abandoned"),
    "COMPLETED": exited(waiting),
    "COMPLETED, in flight": exited(in_flight),
    "COMPLETED, in a call": exited(in_a_call),
    "COMPLETED, outcome unknown": exited_unknown,
    "CANCELLED": cancelled(mailing),
    "CANCELLED, in flight": cancelled(in_flight),
    "CANCELLED, in a call": cancelled(in_a_call),
    "CANCELLED, outcome unknown": cancelled(unknown),
}


# -- what can happen -----------------------------------------------------------------------------------------------------


def _answer(story: Story, outcome: str, kind: str = "none", earlier: int = 0) -> None:
    """The answer about the newest attempt, about one so many before it, or about a send that nobody knows."""
    key, attempt = send_of(story) or ("none", 1)
    story.raw(
        "attempt.answered",
        f'{{"send_key":"{key}","attempt":{attempt - earlier},"outcome":"{outcome}","kind":"{kind}"}}',
    )


def send_of(story: Story) -> tuple[str, int] | None:
    """Send key and attempt of the newest attempt of the run, None if there is none."""
    rows = story.journal.database.execute("SELECT send_key, attempt FROM attempt ORDER BY attempt_no DESC LIMIT 1")
    return (rows[0][0], rows[0][1]) if rows else None


def _told(story: Story, name: str) -> None:
    sent = send_of(story)
    assert sent is not None
    story.admit(inputs.Event(name=name, send_key=sent[0]))


def _timer(story: Story) -> None:
    due = story.run().due
    assert due is not None
    story.at(due)


def _word_of_provider(story: Story) -> None:
    _told(story, "call.ringing" if story.attempt().channel == "voice" else "email.delivered")


Happening = Callable[[Story], object]
VERBS: tuple[str, ...] = get_args(get_type_hints(inputs.Verb)["verb"])
CHOICES: tuple[str, ...] = get_args(get_type_hints(inputs.Verb)["choice"])
OUTCOMES: tuple[str, ...] = get_args(get_type_hints(inputs.Answered)["outcome"])
KINDS: tuple[str, ...] = get_args(get_type_hints(inputs.Answered)["kind"])


def _operator(verb: str, choice: str = "") -> Happening:
    return lambda story: story.verb(verb, choice)


def _answered(outcome: str, kind: str = "none", earlier: int = 0) -> Happening:
    return lambda story: _answer(story, outcome, kind, earlier)


OPERATOR: dict[str, Happening] = {
    **{verb: _operator(verb) for verb in VERBS},
    **{f"resolve --as {choice}": _operator("resolve", choice) for choice in CHOICES if choice},
}
"""What an operator can do. `resolve` alone does not say as what."""

ANSWERS: dict[str, Happening] = {
    **{f"answer {outcome}": _answered(outcome) for outcome in OUTCOMES},
    **{f"answer rejected, {kind}": _answered("rejected", kind) for kind in KINDS if kind != "none"},
}
"""What can be said of the newest attempt."""

LATE: dict[str, Happening] = {f"late answer {outcome}": _answered(outcome, earlier=1) for outcome in OUTCOMES}
"""What can be said of the attempt before it."""

HAPPENINGS: dict[str, Happening] = {
    **OPERATOR,
    "timer": _timer,
    "pull": lambda story: (story.pull(), story.pull("voice")),
    "task outcome": lambda story: story.admit(inputs.TaskDone(run=story.run().run, outcome="yes")),
    **ANSWERS,
    **LATE,
    "event: the provider had it": _word_of_provider,
    "event: outcome of a call": lambda story: _told(story, "call.answered"),
    "event: nothing to do with it": lambda story: story.event("visit"),
    "event: an opt-out": lambda story: story.event("email.unsubscribed"),
    "event: an exit": lambda story: story.event("stop"),
    "contact: a condition fails": lambda story: story.put(),
    "contact: erased": lambda story: story.admit(inputs.ContactErase(contact=contact_id(0))),
    "enrolment again": lambda story: story.admit(inputs.Enroll(contact=contact_id(0), plan="plan")),
}


def possible(story: Story, happening: str) -> bool:
    """Tell whether it can happen at all: a timer needs to be set, an event of a send a send, a late answer an earlier attempt."""
    if happening == "timer":
        return story.run().due is not None
    if happening in ("event: the provider had it", "event: outcome of a call"):
        return send_of(story) is not None
    if happening in LATE:
        return (send_of(story) or ("", 0))[1] > 1
    return True


def outcome_of(story: Story, happening: str) -> str:
    """Let it happen and tell in a few words what became of the run and its newest attempt, or why it was refused."""
    if not possible(story, happening):
        return "-"
    before = _shown(story)
    with story.trying():
        HAPPENINGS[happening](story)
        refused = story.outcome.removeprefix("rejected:") if story.outcome != "done" else ""
        after = _shown(story)
        faults = "; ".join(faults_of_file(story.journal))
    told = "=" if after == before else after
    if refused:
        told = f"no: {refused}" if after == before else f"no: {refused} BUT {after}"
    return f"{told} FAULT {faults}" if faults else told


def _shown(story: Story) -> str:
    run = story.run()
    attempt = f" {story.attempt().state}#{story.attempt().attempt}" if send_of(story) else ""
    reason = f"({run.reason})" if run.status in ("COMPLETED", "FAILED", "CANCELLED", "HELD") else f"({run.block})"
    if run.status == "PAUSED":
        reason = f"({run.paused_block}{' -> ' + run.resume_to if run.resume_to else ''})"
    step = f" @{run.step}" if run.step else ""
    due = " +timer" if run.due is not None else ""
    return f"{run.status}{reason}{step}{attempt}{due}"


def table() -> str:
    """What happens in every situation, as tests/golden/kernel_states.txt holds it. Read every line that changes."""
    lines = [LEGEND]
    for name, make in SITUATIONS.items():
        with make() as story:
            lines.append(f"\n## {name} = {_shown(story)}")
            lines += [f"{happening:<30}{outcome_of(story, happening)}" for happening in HAPPENINGS]
    return "\n".join(lines) + "\n"


LEGEND = """\
# What happens to a run in each state. A cell is the state afterwards: status (its reason, or what it is blocked on),
# step, newest attempt with its number, and whether a timer is set; `=` nothing changes, `-` it cannot happen,
# `no: CODE` it is refused.
# Written by `python tests/kernel_situations.py`."""

if __name__ == "__main__":
    TABLE.write_text(table(), encoding="utf-8")
