"""The debugger: one run of a recorded file, walked forward and backward, one input at a time.

It is the same kernel: the whole file is replayed once in a throw-away database, and each input that touched the run is taken down
as a stop. After that nothing of the file is open, and a step in either direction, however far, is a look at what was taken down.
"""

from __future__ import annotations

from bisect import bisect_right
from typing import TYPE_CHECKING, Literal

import msgspec
from msgspec.structs import replace

from dee_appliance.errors import Divergence, Refused
from dee_appliance.replay.many import guarded
from dee_appliance.replay.reading import queries
from dee_appliance.replay.replay import Options, ReplayReport, replay
from dee_appliance.runtime.debug_stops import Stop, StopRecorder, unpack
from dee_appliance.store.database import open_reader
from dee_appliance.store.vault import Vault

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from dee_appliance.replay.reading import Progress

SECRETS = ("secret",)
"""Fields of the vault that are nobody's to see."""


BreakKind = Literal["step", "rule", "action", "watch"]


class Break(msgspec.Struct, frozen=True):
    """Where to stop: at a step, where a rule does not pass, at an action of the log, or where a value of the picture changes."""

    kind: BreakKind
    name: str

    def fits(self, stop: Stop) -> bool:
        """Tell whether to stop here. A watched name stands for all that begin with it."""
        lines = (*stop.entries, *stop.beside)
        match self.kind:
            case "step":
                return stop.step == self.name or any(line.step == self.name for line in lines)
            case "action":
                return any(line.action == self.name for line in lines)
            case "watch":
                return any(change.name.startswith(self.name) for change in (*stop.since, *stop.changes))
            case "rule":
                rungs = (rung for moment in stop.moments for rung in moment.gate)
                return any(rung.rule == self.name and rung.verdict != "pass" for rung in rungs)


class Recorded(msgspec.Struct, frozen=True, kw_only=True):
    """What one replay has given: its report, the stops of the run, packed, and the epoch of the file (UTC seconds)."""

    report: ReplayReport
    stops: list[bytes]
    epoch: int


class Debugger:
    """One run, standing at one of its stops; the first one to begin with. Stops are numbered from 1.

    `report` is that of the replay; where it diverges, the stops end, and `report.divergence` says how; `epoch` is the tick (UTC
    seconds) that the log calls 0. What moves returns the new
    stop, or None when there is none that way: then it stays where it is.
    """

    def __init__(self, path: Path, recorded: Recorded, *, untrusted: bool) -> None:
        self.path = path
        self.report = recorded.report
        self.epoch = recorded.epoch
        self._stops = recorded.stops
        self._untrusted = untrusted
        self._position = 1
        self.breaks: list[Break] = []

    # ---- where it stands ----

    def __len__(self) -> int:
        """How many stops there are."""
        return len(self._stops)

    def stop_at(self, number: int) -> Stop:
        """Return a stop without going there. Raises IndexError."""
        if not 1 <= number <= len(self._stops):
            raise IndexError(number)
        return unpack(self._stops[number - 1])

    @property
    def stop(self) -> Stop:
        """The stop at which it stands."""
        return self.stop_at(self._position)

    def stops(self) -> Iterator[Stop]:
        """Give every stop, first to last, without going there."""
        return (unpack(one) for one in self._stops)

    @property
    def divergence(self) -> Divergence | None:
        """What to raise when the file must replay; None when it does."""
        return self.report.error()

    # ---- moving ----

    def next(self, count: int = 1) -> Stop | None:
        """Go so many stops forward, at most to the last one."""
        return self._to(min(self._position + count, len(self)))

    def back(self, count: int = 1) -> Stop | None:
        """Go so many stops back, at most to the first one."""
        return self._to(max(self._position - count, 1))

    def start(self) -> Stop:
        """Go to the first stop."""
        return self.goto(1)

    def end(self) -> Stop:
        """Go to the last stop."""
        return self.goto(len(self))

    def goto(self, number: int) -> Stop:
        """Go to a stop by its number. Raises Refused."""
        if not 1 <= number <= len(self):
            raise Refused(f"there is no stop {number}: they go from 1 to {len(self)}")
        self._position = number
        return self.stop_at(number)

    def goto_tick(self, tick: int) -> Stop:
        """Go to the last stop at or before a tick (UTC seconds): as the run was then. Raises Refused before its first stop."""
        first = self.stop_at(1).at
        relative = tick - self.epoch
        if relative < first.tick:
            raise Refused(f"the run was not there yet: its first stop is at tick {first.tick}, {first.utc}")
        return self.goto(self._count(lambda stop: stop.at.tick, relative))

    def goto_input(self, seq: int) -> Stop:
        """Go to the stop of an input, or the last one before it if that input did not touch the run. Raises Refused."""
        first = self.stop_at(1).input.seq
        if seq < first:
            raise Refused(f"the run was not there yet: its first stop is input {first}")
        return self.goto(self._count(lambda stop: stop.input.seq, seq))

    def find(self, fits: Callable[[Stop], bool], *, backwards: bool = False) -> Stop | None:
        """Go to the next stop (or the one before) that fits."""
        way = range(self._position - 1, 0, -1) if backwards else range(self._position + 1, len(self) + 1)
        return next((self.goto(number) for number in way if fits(self.stop_at(number))), None)

    def gate(self, *, backwards: bool = False) -> Stop | None:
        """Go to the next question to the gate about a send of the run."""
        return self.find(lambda stop: stop.asked_gate, backwards=backwards)

    def failure(self, *, backwards: bool = False) -> Stop | None:
        """Go to the next stop at which something was refused, failed, or is unknown."""
        return self.find(lambda stop: stop.failed, backwards=backwards)

    def send(self, *, backwards: bool = False) -> Stop | None:
        """Go to the next send that was handed over."""
        return self.find(lambda stop: stop.sent, backwards=backwards)

    def _to(self, number: int) -> Stop | None:
        return None if number == self._position else self.goto(number)

    def proceed(self, *, backwards: bool = False) -> Stop | None:
        """Go to the next stop at which one of `breaks` fits."""
        return self.find(lambda stop: any(one.fits(stop) for one in self.breaks), backwards=backwards)

    def _count(self, value: Callable[[Stop], int], most: int) -> int:
        """How many stops have at most this value, which never falls from stop to stop."""
        return bisect_right(range(1, len(self) + 1), most, key=lambda number: value(self.stop_at(number)))

    # ---- personal data ----

    def personal(self) -> dict[str, str]:
        """Return what the input of this stop brought for the vault, by field, as far as it is still there.

        Raises Refused for a file that somebody else made.
        """
        if self._untrusted:
            raise Refused("personal data of a file that somebody else made are not read", where=str(self.path))
        stop = self.stop
        with open_reader(self.path) as database:
            rows = Vault(database).rows(stop.contact)
        return {field: value for field, seq, value in rows if seq == stop.input.seq and field not in SECRETS}


def debug(path: Path, run: str, *, untrusted: bool = False, progress: Progress | None = None) -> Debugger:
    """Replay a file and take one run down. `progress` is told inputs done and in all; `untrusted`: somebody else made the file,
    which is replayed in a process of its own, within limits.

    Raises as `replay`, Refused when there is no such run, Divergence when the file stops replaying before the run's first stop.
    """

    def look(options: Options, told: Progress | None) -> Recorded:
        recorder = StopRecorder(run)
        report = replay(path, progress=told, options=replace(options, follower=recorder))
        return Recorded(report=report, stops=recorder.stops, epoch=recorder.epoch)

    if untrusted:
        recorded = msgspec.json.decode(guarded(path, look, progress=progress), type=Recorded)
    else:
        _require_run(path, run)
        recorded = look(Options(heads=False), progress)
    if recorded.stops:
        return Debugger(path, recorded, untrusted=untrusted)
    diverged = recorded.report.error()
    if diverged is not None:
        raise diverged
    raise _no_run(path, run)


def _require_run(path: Path, run: str) -> None:
    """Look for the run in the log before a long replay; of a file that is not trusted only the replay is believed."""
    with open_reader(path, vault=False) as database:
        found = database.execute(queries().select_entries_holding, (run.encode(),))
    if not found:
        raise _no_run(path, run)


def _no_run(path: Path, run: str) -> Refused:
    return Refused(f"there is no run `{run}`", where=str(path), hint="dee run list")
