"""The stage that a case is played on: a throw-away simulated file, run by the real loop, with the scripted world around it.

What a person or an operator does goes through the same verbs as in real life, into the queue of the file that this process holds.
The clock jumps, but never past the next thing that the scenario does. Nothing here reads a clock or opens a socket.
"""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING, Final

import msgspec

from dee_appliance.channels.interface import require_permit
from dee_appliance.channels.null import NullAdapter
from dee_appliance.engine import Engine
from dee_appliance.runtime.clock import SetClock
from dee_appliance.runtime.commands import Batch, Submitted, apply_now
from dee_appliance.runtime.reading import View

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from dee_appliance.channels.interface import Message
    from dee_appliance.kernel.e1.plan import Channel
    from dee_appliance.runtime.appliance import Appliance
    from dee_appliance.runtime.loop import Loop
    from dee_appliance.store.inbox import InboxRow

CHANNELS: Final[tuple[Channel, ...]] = ("email", "sms", "voice")


class Schedule:
    """What will be done and when, in the order of ticks; at one tick in the order in which it was put."""

    def __init__(self) -> None:
        self._heap: list[tuple[int, int, Callable[[], object]]] = []
        self._count = 0

    def put(self, tick: int, act: Callable[[], object]) -> None:
        """Do this at that tick, before anything else of that tick."""
        heapq.heappush(self._heap, (tick, self._count, act))
        self._count += 1

    def next_tick(self) -> int | None:
        """Return when the next thing is done, None if there is nothing."""
        return self._heap[0][0] if self._heap else None

    def due(self, now: int) -> Callable[[], object] | None:
        """Take out the next thing, if its time has come."""
        return heapq.heappop(self._heap)[2] if self._heap and self._heap[0][0] <= now else None


class StageClock(SetClock):
    """A set clock that goes no further than a limit, and remembers that it wanted to."""

    def __init__(self, now: int) -> None:
        super().__init__(now)
        self.limit: Callable[[], int | None] = lambda: None
        self.held = False

    def set(self, now: int) -> None:
        """Jump, at most to the limit."""
        limit = self.limit()
        self.held = limit is not None and now > limit
        super().set(now if limit is None else max(min(now, limit), self.now()))


class RecordingAdapter(NullAdapter):
    """Keeps every message and answers nothing: what a provider says of it is in the script."""

    def __init__(self, channel: Channel, kept: dict[tuple[str, int], Message]) -> None:
        super().__init__(channel)
        self._kept = kept

    def submit(self, permit: object, message: Message) -> None:
        """Take a message. Raises TypeError or ValueError without the permit for it."""
        require_permit(permit, message)
        self._kept[(message.send_key, message.attempt)] = message


class KeptView(View):
    """A view on the file that this process holds, as its loop sees it; leaving it closes nothing."""

    def __init__(self, appliance: Appliance) -> None:
        super().__init__(appliance.database)
        self.state = appliance.journal.state

    def close(self) -> None:
        """The stage closes the file."""


class StageEngine(Engine):
    """The verbs of an engine, on the file that this process holds and its loop runs."""

    def __init__(self, appliance: Appliance) -> None:
        super().__init__(appliance.path, clock=appliance.clock)
        self._appliance = appliance

    def view(self) -> View:
        """Read the file through the connection that is open."""
        return KeptView(self._appliance)

    def _submit_rows(self, rows: Sequence[InboxRow]) -> Submitted:
        return Submitted(replies=tuple(apply_now(self._appliance, rows)))

    def _submit_many(
        self,
        rows: Iterable[InboxRow],
        what: str,
        progress: Callable[[int], None] | None = None,
        *,
        urgent: bool = False,
    ) -> Batch:
        del what, progress, urgent
        outcomes: dict[str, int] = {}
        replies = apply_now(self._appliance, list(rows))
        for reply in replies:
            outcomes[reply.outcome] = outcomes.get(reply.outcome, 0) + 1
        return Batch(rows=len(replies), outcomes=outcomes)

    def admit(self, rows: Sequence[InboxRow]) -> None:
        """Bring rows that were made elsewhere into the queue. Raises Refused."""
        self._checked(self._submit_rows(rows))


class Ended(msgspec.Struct, frozen=True):
    """How playing ended: `idle` when nothing was left that could happen by itself."""

    idle: bool


def play(loop: Loop, clock: StageClock, schedule: Schedule, until: int | None) -> Ended:
    """Run the loop and do what is scheduled, each at its tick, until nothing is left or `until` has passed."""

    def limit() -> int | None:
        ticks = [tick for tick in (schedule.next_tick(), until) if tick is not None]
        return min(ticks, default=None)

    clock.limit = limit
    _do_due(schedule, clock.now())
    while True:
        before = clock.now()
        clock.held = False
        worked = loop.turn()
        # The loop jumps only when all is quiet: what the scenario does at a tick comes before what is due at it.
        if clock.now() == before and not clock.held and worked:
            continue
        if _do_due(schedule, clock.now()):
            continue
        if clock.held and clock.now() == until:
            return Ended(idle=False)
        if not worked:
            coming = schedule.next_tick()
            if coming is None or (until is not None and coming > until):
                return Ended(idle=True)
            clock.set(coming)
            _do_due(schedule, clock.now())


def _do_due(schedule: Schedule, now: int) -> bool:
    done = False
    while (act := schedule.due(now)) is not None:
        act()
        done = True
    return done
