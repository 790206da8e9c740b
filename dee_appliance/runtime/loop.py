"""The loop: one thread, one transaction a turn. It alone reads the clock, admits inputs, fires timers and pulls sends.

A turn: answers and waiting rows are admitted in order; due timers fire through a `clock` input; then, if nothing older waits, a
`dispatch.pull` takes as many sends as there are free places. One FULL commit, then the tip, and only then may bytes leave.

While a backlog of due timers is being drained the loop's `now` stays where it was when the draining began, so every
late timer fires at the same tick, whatever the batch size and whoever else is late. Commands that arrive meanwhile
are admitted between two batches.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import msgspec

from dee_appliance.kernel.e1.input import KIND_OF, Answered, Clock, Input, Pull, encode_input
from dee_appliance.runtime.admission import arrived_by
from dee_appliance.runtime.clock import MAX_SKEW_S, SetClock
from dee_appliance.store.inbox import InboxRow, append_unanswered

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dee_appliance.kernel.e1.run import Permit
    from dee_appliance.runtime.admission import Admission
    from dee_appliance.runtime.clock import Clock as TimeSource
    from dee_appliance.runtime.dispatcher import Dispatcher
    from dee_appliance.runtime.doubts import Doubts
    from dee_appliance.runtime.shell import LiveShell
    from dee_appliance.store.journal import Journal

SOURCE = "loop"
ANSWER_WAIT_S = 0.05
LAST_TICK = 253_402_300_799
"""The end of the year 9999: what lies beyond never comes."""
REWRITES = (
    "contact.put",
    "contact.erase",
    "config.set",
    "policy.set",
    "pack.use",
    "pack.retire",
    "run.enroll",
    "run.verb",
)
"""Inputs after which a message that was rendered beforehand may no longer be what the queue, or a content rule, asks for."""


class LoopLimits(msgspec.Struct, frozen=True, kw_only=True):
    """How much one turn does. None of these numbers can change a run's trace."""

    rows: int = 500
    timers: int = 1_000


class Barrier(Protocol):
    """What must be done after a commit and before anything leaves: remember it outside the file."""

    def reached(self, size: int, head: bytes, sends: Sequence[tuple[str, int]] = ()) -> None:
        """Make durable that the log has come this far and that these attempts may leave."""

    def may_send(self) -> bool:
        """Tell whether the file may still send from here."""


class World(Protocol):
    """Simulated recipients: what they do about a send that was handed over, as rows for later."""

    def reactions(self, permit: Permit, now: int) -> list[InboxRow]:
        """Return what this recipient will do, each row with the tick at which it arrives."""


class Loop:
    """Runs one open file. `dispatcher` is None when the file may not send."""

    def __init__(
        self,
        journal: Journal,
        admission: Admission,
        shell: LiveShell,
        clock: TimeSource,
        *,
        doubts: Doubts | None = None,
        dispatcher: Dispatcher | None = None,
        barrier: Barrier | None = None,
        world: World | None = None,
        limits: LoopLimits | None = None,
    ) -> None:
        self._journal = journal
        self._admission = admission
        self._shell = shell
        self._clock = clock
        self._dispatcher = dispatcher
        self._barrier = barrier
        self._world = world
        self._limits = limits or LoopLimits()
        self._doubts = doubts
        self._draining: int | None = None
        self._pulling = True
        self._unstaged: list[InboxRow] = []

    def recover(self) -> int:
        """At the start: what was in flight when the process died has an unknown outcome. Returns how many attempts."""
        left = self._journal.state.dispatching()
        now = self._now()
        for send_key, attempt in left:
            answer = Answered(send_key=send_key, attempt=attempt, outcome="unknown", code="crash")
            payload = encode_input(answer)
            self._unstaged.append(InboxRow(source=SOURCE, received=now, kind="attempt.answered", payload=payload))
        while self._unstaged:
            self.turn()
        return len(left)

    def finish(self, patience_s: float = 0.0) -> None:
        """At the end: pull nothing more, wait up to `patience_s` for what is in flight, and record the last answers."""
        if self._dispatcher is not None:
            self._pulling = False
            waited = 0.0
            while self._dispatcher.in_flight() and waited < patience_s:
                self.turn(ANSWER_WAIT_S)
                waited += ANSWER_WAIT_S
            self._unstaged.extend(self._dispatcher.close(self._now()))
            self._dispatcher = None
        while self._unstaged:
            self.turn()

    def turn(self, patience_s: float = 0.0) -> bool:
        """Do one turn. Returns False when there was nothing to do; waits up to `patience_s` for an answer that is on its way."""
        self._collect(patience_s)
        now = self._now()
        wanted = self._wanted(now)
        if not wanted:
            return self._jump()
        if self._dispatcher is not None:
            self._shell.forget()
            for channel in self._dispatcher.channels():
                self._shell.foresee(channel, self._dispatcher.free(channel))
        permits = self._transaction(now)
        if permits:
            self._send(permits, now)
        return True

    # ---- time ----

    def _now(self) -> int:
        """The loop's now: the clock, or the tick at which the draining of a backlog began. Never before the last tick."""
        if self._draining is not None:
            return max(self._draining, self._journal.last_tick)
        return max(self._clock.now(), self._journal.last_tick)

    def _arrived(self) -> int:
        return arrived_by(self._clock)

    def _in_step(self, now: int) -> bool:
        """Tell whether a pull at this now would be at the time that it is: not one that has not come, nor one long over.

        It is long over when a backlog took long to drain at the tick at which the draining began.
        """
        return abs(self._clock.now() - max(now, self._journal.last_tick)) <= MAX_SKEW_S

    def _jump(self) -> bool:
        """A simulated file with nothing to do now jumps to whatever comes next. Returns False if nothing does."""
        if not isinstance(self._clock, SetClock) or (self._dispatcher is not None and self._dispatcher.in_flight()):
            return False
        coming = [
            tick
            for tick in (self._admission.next_received(), self._journal.state.next_due())
            if tick is not None and tick <= LAST_TICK
        ]
        later = [tick for tick in coming if tick > self._clock.now()]
        if not later or len(later) < len(coming):
            return False
        self._clock.set(min(later))
        return True

    # ---- one transaction ----

    def _collect(self, patience_s: float) -> None:
        """Collect what this process itself has to say: a doubt about the time before anything else, then answers."""
        if self._doubts is not None:
            self._unstaged.extend(self._doubts.rows())
        if self._dispatcher is not None:
            self._unstaged.extend(self._dispatcher.answers(self._now(), patience_s))

    def _wanted(self, now: int) -> bool:
        """Tell whether this turn has anything to do, without opening a transaction."""
        received = self._admission.next_received()
        due = self._journal.state.next_due()
        return (
            bool(self._unstaged)
            or (received is not None and received <= self._arrived())
            or (due is not None and due <= now)
            or self._can_pull()
        )

    def _can_pull(self) -> bool:
        dispatcher = self._dispatcher
        if dispatcher is None or not self._pulling or self._draining is not None or not self._in_step(self._now()):
            return False
        if not any(dispatcher.free(one) and self._journal.state.queue(one, 1) for one in dispatcher.channels()):
            return False
        return self._barrier is None or self._barrier.may_send()

    def _transaction(self, now: int) -> list[Permit]:
        journal = self._journal
        staged = len(self._unstaged)
        try:
            with journal.database.transaction() as database:
                append_unanswered(database, self._unstaged)
                admitted = self._admission.admit(now, self._limits.rows + staged, self._arrived())
                if any(kind in REWRITES for kind, _ in admitted):
                    self._shell.forget()
                more = self._admission.urgent(self._arrived())
                if not more:
                    # The clock never passes a row that waits: a reply at noon is older than a timeout at one.
                    self._fire(now)
                if self._pulling and not more and self._draining is None and self._in_step(now):
                    self._pull(now)
                journal.flush()
        except BaseException:
            journal.reload()
            self._shell.forget()
            raise
        self._unstaged = []
        return journal.take_permits()

    def _input(self, now: int, value: Input) -> None:
        tick = max(now, self._journal.last_tick)
        self._journal.admit(tick, tick, SOURCE, KIND_OF[type(value)], encode_input(value).decode())

    def _fire(self, now: int) -> None:
        due = self._journal.state.next_due()
        if due is None or due > now:
            self._draining = None
            return
        self._input(now, Clock(limit=self._limits.timers))
        due = self._journal.state.next_due()
        self._draining = now if due is not None and due <= now else None

    def _pull(self, now: int) -> None:
        if self._dispatcher is None or (self._barrier is not None and not self._barrier.may_send()):
            return
        for channel in self._dispatcher.channels():
            free = self._dispatcher.free(channel)
            if free and self._journal.state.queue(channel, 1):
                self._input(now, Pull(channel=channel, n=free))

    def _send(self, permits: list[Permit], now: int) -> None:
        """After the commit: the tip first, then the bytes."""
        if self._barrier is not None:
            sends = [(permit.send_key, permit.attempt) for permit in permits]
            self._barrier.reached(self._journal.chain.next_seq, self._journal.chain.head, sends)
        assert self._dispatcher is not None
        for permit in permits:
            self._dispatcher.submit(permit, self._shell.take(permit.send_key, permit.attempt), now)
            if self._world is not None:
                self._unstaged.extend(self._world.reactions(permit, now))
