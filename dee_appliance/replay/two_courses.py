"""The recorded course and the one with something changed, side by side, fed by the same recorded inputs.

The recorded course is a replay. The other one gets the same inputs in the same order, and differs from it in three ways, each by
a rule that does nothing as long as both courses are the same:

- **Time.** When a timer of the other course is due before the next recorded input, the driver adds the `clock` input that the
  loop would have made, and for sends that then wait, the `dispatch.pull`. It does so only where the recorded loop was awake:
  while the recorded course has a timer that is overdue, the loop was down or behind, and nothing is added; while sends of a
  channel waited in the recorded queue, the loop was not pulling it.
- **Reactions.** What a provider or a recipient said of a send is taken over if the same send leaves at the same tick with the
  same message. Otherwise it is dropped: history does not know how anybody would have reacted. A send without a recorded
  reaction puts its run beyond history, and so does a task that nobody was given at that tick.
- **People.** A verb that answers to the state of a run (resume, retry, skip, resolve, a task's outcome) is taken over if the
  run stands where it stood; pause and cancel always, and the resume that answers to a pause. Everything else about contacts and
  the file happened by itself.

Rules a change must keep: nothing here decides about a run, everything goes through Journal.apply; nothing depends on anything but
the file and the change.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import msgspec
from msgspec.structs import replace

from dee_appliance.errors import DeeError, Divergence, HostError, Refused
from dee_appliance.kernel.e1.input import (
    KIND_OF,
    Answered,
    Clock,
    Event,
    Input,
    Pull,
    TaskDone,
    UnknownInput,
    Verb,
    decode_input,
    encode_input,
)
from dee_appliance.replay.changed_shell import ChangedShell, KeepingShell
from dee_appliance.replay.course_difference import CourseDifference
from dee_appliance.store.journal import InputRow

if TYPE_CHECKING:
    from dee_appliance.kernel.e1.plan import Channel
    from dee_appliance.kernel.e1.run import Permit, Run
    from dee_appliance.replay.changed_history import Substitution
    from dee_appliance.replay.course import Course, Step

CHANNELS: tuple[Channel, ...] = ("email", "sms", "voice")
PLACES = 32
"""How many sends an added pull takes; another one follows while more wait."""
TIMERS = 1_000
"""How many timers an added clock input fires; another one follows while more are due."""
ROOM = 24
"""The inputs of the other course are numbered so that 2^24 of them fit between two recorded ones."""
SOURCE = "what-if"
JUDGED = ("attempt.answered", "event", "run.verb", "task.done")
"""Kinds of inputs that need not happen in the other course."""
RULES = ("policy.set", "pack.use", "pack.retire")
AT_ANY_STATE = ("pause", "cancel")


class Beyond(msgspec.Struct, frozen=True, kw_only=True):
    """From which send or task on history cannot say how a run would have gone on. `tick` is UTC seconds."""

    tick: int
    step: str


class Task(NamedTuple):
    """A task that a run gives to people. `tick` is UTC seconds."""

    run: str
    step: str
    visit: int
    tick: int


class Shells(msgspec.Struct, frozen=True):
    """The shells of both courses."""

    recorded: KeepingShell
    changed: ChangedShell


class TwoCourses:
    """Feeds both courses. `now` is None when nothing is changed: the record is then all there is to say."""

    def __init__(
        self, then: Course, now: Course | None, substitution: Substitution, shells: Shells, *, run: str | None = None
    ) -> None:
        self.then = then
        self.now = now
        self.difference = CourseDifference()
        self.beyond: dict[str, Beyond] = {}
        self.dropped: dict[str, int] = {}
        """Recorded inputs that do not happen in the other course, by kind."""
        self.refused: dict[str, int] = {}
        """Recorded inputs that took effect then and are refused in the other course, by kind."""
        self.added: dict[str, int] = {}
        """Inputs of the loop that only the other course has, by kind."""
        self.traces: tuple[list[Step], list[Step]] = ([], [])
        """What the run did that is looked at, in each course."""
        self._substitution = substitution
        self._kept = shells.recorded
        self._shell = shells.changed
        self._run = run
        self._fresh: list[Permit] = []
        self._given: tuple[list[Task], list[Task]] = ([], [])
        """The tasks that were given at this tick, in each course."""
        self._packs_used = False

    def both(self) -> list[Course]:
        """Return the courses that there are."""
        return [self.then] if self.now is None else [self.then, self.now]

    @property
    def unmade(self) -> int:
        """How many messages could not be made again."""
        return self._shell.unmade

    # ---- one recorded input ----

    def step(self, row: InputRow) -> None:
        """Take the next recorded input into both courses."""
        if row.tick > self.then.journal.last_tick:
            if self.now is not None:
                self._until(self.now, row.tick)
            self._kept.kept.clear()
        if self.now is None:
            self._recorded(row)
            return
        if row.kind == "dispatch.pull":
            self._fire(self.now, row.tick)
        self._shell.begin(self.then.state, self.now.state, row)
        value = _decoded(row) if row.kind in JUDGED else None
        happens = value is None or self._happens(self.now, value)
        outcome = self._recorded(row)
        other = self._substitution.row(row)
        self.now.bring(self._substitution.brought(row.seq), row.seq << ROOM)
        self.now.bring(self._substitution.changed(row.seq), row.seq << ROOM)
        if not happens:
            _count(self.dropped, row.kind)
        if other is None or not happens:
            return
        said = self._apply(self.now, replace(other, seq=row.seq << ROOM))
        if outcome == "done" and said != "done":
            _count(self.refused, row.kind)
        if row.kind in RULES:
            self._rules_changed(self.now, row.tick)

    def end(self) -> None:
        """The record ends: what is due by its last tick still happens, and nothing after it."""
        if self.now is None:
            return
        self._until(self.now, self.now.journal.last_tick + 1)
        self.difference.end()

    def _recorded(self, row: InputRow) -> str:
        self.then.bring(self._substitution.brought(row.seq), row.seq)
        try:
            outcome, steps = self.then.apply(row)
        except (HostError, Refused, MemoryError, OSError):
            raise  # of the machine or of whoever is told of a flip (a closed pipe): the history has nothing to do with it
        except Exception as error:
            why = error.what if isinstance(error, DeeError) else f"{type(error).__name__}: {error}"
            raise Divergence(
                f"the history does not come out as it was recorded, at input {row.seq}: {why}",
                hint="run `dee replay`",
            ) from error
        self.then.journal.take_permits()
        self._note(steps, 0)
        if self.now is not None:
            self.difference.recorded(steps)
        return outcome

    def _apply(self, now: Course, row: InputRow) -> str:
        outcome, steps = now.apply(row)
        self._fresh += now.journal.take_permits()
        self._note(steps, 1)
        self.difference.what_if(steps)
        return outcome

    def _note(self, steps: list[tuple[str, Step]], side: int) -> None:
        if self._run is not None:
            self.traces[side].extend(step for run, step in steps if run == self._run)
        if self.now is not None:
            tasks = [(run, step) for run, step in steps if (step.action, step.outcome) == ("task", "assigned")]
            self._given[side].extend(Task(run, step.step, step.visit, step.tick) for run, step in tasks)

    def _rules_changed(self, now: Course, tick: int) -> None:
        """The packs of the change count from the first policy on. Raises Refused when rules contradict each other."""
        state = self.then.state
        if "policy" not in state.settings:
            return
        self._substitution.require_sound(
            state.policy()[0], tuple(state.documents.pack(digest) for _, digest, _ in state.packs)
        )
        if not self._packs_used:
            self._packs_used = True
            for use in self._substitution.packs():
                self._apply(now, _row(now, use, tick))

    # ---- what the loop would have done ----

    def _until(self, now: Course, tick: int) -> None:
        """Let everything happen in the other course that would have happened before `tick`."""
        while True:
            self._pull(now)
            self._look_beyond(now)
            due = now.state.next_due()
            if due is None or due >= tick:
                return
            at = max(due, now.journal.last_tick)
            if self._asleep(at):
                return
            self._add(now, Clock(limit=TIMERS), at)

    def _fire(self, now: Course, tick: int) -> None:
        """Before a pull at this tick, the loop has fired what is due."""
        while (due := now.state.next_due()) is not None and due <= tick and not self._asleep(tick):
            self._add(now, Clock(limit=TIMERS), tick)

    def _asleep(self, tick: int) -> bool:
        """Tell whether the recorded loop was down or behind at this tick: something recorded was due and had not fired."""
        due = self.then.state.next_due()
        return due is not None and due <= tick

    def _pull(self, now: Course) -> None:
        for channel in CHANNELS:
            before = None
            while (waiting := now.state.queue(channel, 1)) and waiting != before:
                before = waiting
                if self.then.state.queue(channel, 1) or self._asleep(now.journal.last_tick):
                    break
                self._add(now, Pull(channel=channel, n=PLACES), now.journal.last_tick)

    def _add(self, now: Course, value: Clock | Pull, tick: int) -> None:
        row = _row(now, value, tick)
        _count(self.added, row.kind)
        self._apply(now, row)

    # ---- what the recorded world says of the other course ----

    def _look_beyond(self, now: Course) -> None:
        """At the end of a tick, find the sends that left and the tasks that were given, and have no recorded reaction."""
        for permit in self._fresh:
            if permit.run not in self.beyond and not self._same_send(
                now, permit.send_key, permit.attempt, unknown=False
            ):
                self.beyond[permit.run] = Beyond(tick=permit.tick, step=permit.step)
        self._fresh.clear()
        then, other = self._given
        for task in other:
            if task not in then:
                self.beyond.setdefault(task.run, Beyond(tick=task.tick, step=task.step))
        then.clear()
        other.clear()

    def _same_send(self, now: Course, send_key: str, attempt: int | None, *, unknown: bool) -> bool:
        """Tell whether a send left at the same tick with the same message in both courses; `unknown`: if none was recorded."""
        then = self.then.state.attempt(send_key, attempt)
        if then is None:
            return unknown
        other = now.state.attempt(send_key, attempt)
        if other is None or (then.attempt, then.sent) != (other.attempt, other.sent):
            return False
        return self._shell.same_message(then, other)

    def _happens(self, now: Course, value: Input) -> bool:
        """Tell whether a recorded input happens in the other course as well."""
        match value:
            case Answered():
                return self._same_send(now, value.send_key, value.attempt, unknown=True)
            case Event() if value.send_key:
                return self._same_send(now, value.send_key, None, unknown=True)
            case Verb() if value.verb not in AT_ANY_STATE:
                return self._stands_alike(now, value.run) or (value.verb == "resume" and self._paused(now, value.run))
            case TaskDone():
                return self._stands_alike(now, value.run)
            case _:
                return True

    def _stands_alike(self, now: Course, name: str) -> bool:
        then, other = self.then.state.run_by_id(name), now.state.run_by_id(name)
        return then is None or (other is not None and _stand(then) == _stand(other))

    def _paused(self, now: Course, name: str) -> bool:
        runs = self.then.state.run_by_id(name), now.state.run_by_id(name)
        return all(run is not None and run.status == "PAUSED" for run in runs)


def _row(now: Course, value: Input, tick: int) -> InputRow:
    """Return an input that is not on the record, behind the newest one."""
    return InputRow(
        seq=now.journal.last_seq + 1,
        tick=tick,
        received=tick,
        source=SOURCE,
        kind=KIND_OF[type(value)],
        payload=encode_input(value).decode(),
    )


def _stand(run: Run) -> tuple[object, ...]:
    return run.status, run.reason, run.step, run.visit, run.attempt, run.resume_to, run.paused_block


def _decoded(row: InputRow) -> Input | None:
    try:
        return decode_input(row.kind, row.payload)
    except UnknownInput:
        return None


def _count(counts: dict[str, int], kind: str) -> None:
    counts[kind] = counts.get(kind, 0) + 1
