"""The service: runs the loop of one file until it is told to stop, or until nothing is left to do."""

from __future__ import annotations

import gc
import signal
from typing import TYPE_CHECKING

import msgspec

from dee_appliance.runtime.loop import ANSWER_WAIT_S
from dee_appliance.store.inbox import delete_abandoned

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

    from dee_appliance.runtime.appliance import Appliance

IDLE_WAIT_S = 0.1
STOP_PATIENCE_S = 20.0
"""How long a stop waits for providers that have a message and have not answered yet."""
IDLE_CHECKPOINT_TURNS = 20
STAGING_PATIENCE_S = 86_400
"""An import that has staged rows for a day and not made them ready has died."""


class Served(msgspec.Struct, frozen=True, kw_only=True):
    """What a run of the service did."""

    turns: int
    recovered: int
    """Attempts that were in flight when an earlier process died."""
    idle: bool
    """True when it stopped because nothing was left to do."""


class Stop:
    """A flag that SIGTERM and SIGINT set: the turn in progress is finished, then the service ends."""

    def __init__(self) -> None:
        self.asked = False

    def install(self) -> None:
        """Take the signals of this process."""
        signal.signal(signal.SIGTERM, self._ask)
        signal.signal(signal.SIGINT, self._ask)

    def _ask(self, number: int, frame: FrameType | None) -> None:
        del number, frame
        self.asked = True


def settle_memory() -> None:
    """Tell the garbage collector what a loop is: long-lived structures made once, and values that die without cycles."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000, 50, 100)


def rest(appliance: Appliance) -> None:
    """Put the file in order while nothing happens: no rows of dead imports, the log remembered outside, the WAL emptied."""
    if not appliance.simulated:
        with appliance.database.transaction() as database:
            delete_abandoned(database, appliance.clock.now() - STAGING_PATIENCE_S)
    appliance.reach()
    appliance.database.checkpoint_truncate()


def serve(
    appliance: Appliance,
    *,
    until_idle: bool = False,
    stop: Stop | None = None,
    progress: Callable[[int], None] | None = None,
) -> Served:
    """Run the loop. With `until_idle` it ends when no input, timer or answer is left that could come by itself."""
    stop = stop or Stop()
    settle_memory()
    loop = appliance.loop()
    recovered = loop.recover()
    turns = quiet = 0
    while not stop.asked:
        in_flight = appliance.dispatcher is not None and appliance.dispatcher.in_flight() > 0
        worked = loop.turn(ANSWER_WAIT_S if in_flight else 0.0)
        turns += 1
        if progress is not None:
            progress(appliance.journal.last_tick)
        if worked:
            quiet = 0
            continue
        if until_idle and not in_flight:
            break
        quiet += 1
        if quiet == IDLE_CHECKPOINT_TURNS:
            rest(appliance)
        if not in_flight:
            appliance.clock.wait(IDLE_WAIT_S)
    idle = not stop.asked
    loop.finish(STOP_PATIENCE_S)
    rest(appliance)
    return Served(turns=turns, recovered=recovered, idle=idle)
