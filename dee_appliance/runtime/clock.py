"""Clocks: the only readers of time in the whole program, and the guard that notices when the wall clock cannot be trusted.

A jump back never moves the tick; a wall clock that moves differently from the boot clock, or a gap across a restart
longer than the longest outage, stops dispatch until a person releases it.
"""

from __future__ import annotations

import time
from typing import Literal, Protocol

Doubt = Literal["clock_jumped", "long_outage"]
MAX_SKEW_S = 60
MAX_OUTAGE_S = 86_400


class Clock(Protocol):
    """Where the loop reads time from. Seconds UTC, whole numbers."""

    def now(self) -> int:
        """Return the wall clock."""

    def boot(self) -> int:
        """Return a clock that nobody sets: seconds since some fixed moment of this boot."""

    def wait(self, seconds: float) -> None:
        """Let time pass."""


class WallClock:
    """The machine's clocks."""

    def now(self) -> int:
        """Return the wall clock."""
        return int(time.time())

    def boot(self) -> int:
        """Return the boot clock; it goes on while the machine is suspended, where the system has such a clock."""
        return int(time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)))

    def wait(self, seconds: float) -> None:
        """Sleep."""
        time.sleep(seconds)


class SetClock:
    """A clock that somebody sets: simulated files jump with it, tests own time with it."""

    def __init__(self, now: int) -> None:
        self._now = now
        self._start = now

    def now(self) -> int:
        """Return what it was set to."""
        return self._now

    def boot(self) -> int:
        """Return the time since it was made: a set clock is never in doubt."""
        return self._now - self._start

    def wait(self, seconds: float) -> None:
        """Nothing passes by waiting."""

    def set(self, now: int) -> None:
        """Jump forward. A set clock never goes back."""
        if now < self._now:
            raise AssertionError(f"a set clock never goes back: {now} < {self._now}")
        self._now = now


class ClockGuard:
    """Notices when wall and boot clock disagree, and a long outage at the start. Each doubt is reported once.

    `undone_since`: since when the oldest thing waits that should have happened, None if nothing does.
    """

    def __init__(
        self,
        clock: Clock,
        last_tick: int,
        *,
        undone_since: int | None,
        max_skew_s: int = MAX_SKEW_S,
        max_outage_s: int = MAX_OUTAGE_S,
    ) -> None:
        self._clock = clock
        self._max_skew_s = max_skew_s
        self._doubt: Doubt | None = None
        self._rebase()
        if undone_since is not None and clock.now() - max(last_tick, undone_since) > max_outage_s:
            self._doubt = "long_outage"
        elif last_tick - clock.now() > max_skew_s:
            self._doubt = "clock_jumped"

    def _rebase(self) -> None:
        self._offset = self._clock.now() - self._clock.boot()

    def take_doubt(self) -> Doubt | None:
        """Return what has come into doubt since the last call, and take the clocks as they are from now on."""
        if self._doubt is None and abs(self._clock.now() - self._clock.boot() - self._offset) > self._max_skew_s:
            self._doubt = "clock_jumped"
            self._rebase()
        doubt, self._doubt = self._doubt, None
        return doubt
