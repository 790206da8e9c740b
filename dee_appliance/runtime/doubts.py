"""Doubts about time, as halts on the record: the clock cannot be trusted, or the file was left alone for too long.

A doubt is looked for when a file is opened by whoever runs it (the loop, or a command while there is no loop) and
before every turn of the loop, ahead of everything else, so that nothing is pulled and no command moves the tick
before the doubt is an input. A person's release confirms. Simulated files are never in doubt: their clock is set.

Not every gap is an outage: a file in which nothing had been due for long has nothing to make up for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dee_appliance.kernel.e1.input import HoldSet, encode_input
from dee_appliance.runtime.clock import MAX_OUTAGE_S, ClockGuard
from dee_appliance.runtime.config import CHANNELS
from dee_appliance.store.inbox import InboxRow

if TYPE_CHECKING:
    from dee_appliance.runtime.clock import Clock
    from dee_appliance.store.journal import Journal
    from dee_appliance.store.state import State

SOURCE = "loop"
SCOPE = "*"


def undone_since(state: State) -> int | None:
    """Return the tick since which the oldest thing waits that should have happened, None if there is none."""
    ready = [queue[0].ready for channel in CHANNELS if (queue := state.queue(channel, 1))]
    due = state.next_due()
    return min(ready if due is None else [*ready, due], default=None)


def longest_outage(state: State) -> int:
    """Return after how many seconds with something undone a person is asked."""
    setting = state.settings.get("clock.max_outage_s", MAX_OUTAGE_S)
    return setting if isinstance(setting, int) else MAX_OUTAGE_S


class Doubts:
    """What is in doubt about the time of one open file."""

    def __init__(self, journal: Journal, clock: Clock) -> None:
        self._journal = journal
        self._clock = clock
        undone, outage_s = undone_since(journal.state), longest_outage(journal.state)
        self._guard = ClockGuard(clock, journal.last_tick, undone_since=undone, max_outage_s=outage_s)

    def rows(self) -> list[InboxRow]:
        """Return the halts that are to be recorded before anything else happens, if any."""
        doubt = self._guard.take_doubt()
        if doubt is None or any((hold.scope, hold.reason) == (SCOPE, doubt) for hold in self._journal.state.holds):
            return []
        halt = HoldSet(scope=SCOPE, on=True, reason=doubt, actor=SOURCE)
        now = max(self._clock.now(), self._journal.last_tick)
        return [InboxRow(source=SOURCE, received=now, kind="hold.set", payload=encode_input(halt))]
