"""A history of one file under clocks that cannot be trusted: jumps forward and back, suspended machines, outages, clock changes.

The wall clock and the boot clock are set apart (HandClock), at any moment: while the loop runs, between two turns, while nothing
runs. Processes end, die with messages in flight, machines start anew. The file has waits for a duration and waits for a time of
day in zones that change their clocks in those days. A book kept beside it knows when the clocks are in doubt. After every turn

- no tick is before an earlier one, nor ahead of both the wall clock and the ticks that there were;
- nothing was dispatched while the clocks were in doubt, nor at a tick more than a minute away from the wall clock;
- no wait has ended before its time (by the log alone, dates by `zoneinfo`).

Everything follows from the seed.
"""

from __future__ import annotations

import json
import random  # noqa: TID251 - a seed tells the history
import shutil
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import msgspec
from crash_checks import ChainWalk
from running_files import TEMPLATE, HandClock, holds

from dee_appliance import Engine
from dee_appliance.kernel.e1.input import Event, encode_input
from dee_appliance.replay.compare_state import verify_state
from dee_appliance.runtime.appliance import Appliance, open_appliance
from dee_appliance.runtime.clock import MAX_OUTAGE_S, MAX_SKEW_S
from dee_appliance.runtime.doubts import undone_since
from dee_appliance.runtime.loop import Loop, LoopLimits
from dee_appliance.store.inbox import InboxRow, append_inbox
from dee_appliance.store.state_dir import StateDir

HOUR_S, DAY_S = 3_600, 86_400
STARTS = (
    int(datetime(2026, 3, 28, 22, tzinfo=UTC).timestamp()),  # three hours later clocks go forward in Berlin
    int(datetime(2026, 10, 24, 22, tzinfo=UTC).timestamp()),  # three hours later they go back, a week later in New York
)
ZONES = ("Europe/Berlin", "America/New_York", "Australia/Lord_Howe")
OPENS_MINUTE = 9 * 60
PLAN = """
plan = "notes"
version = 1
purpose = "transactional"

[[step]]
id = "first"
do = "send_email"
template = "note"

[[step]]
id = "hour"
do = "wait"
for = "1h"

[[step]]
id = "second"
do = "send_email"
template = "note"

[[step]]
id = "morning"
do = "wait"
at = 09:00:00

[[step]]
id = "third"
do = "send_email"
template = "note"

[[step]]
id = "end"
do = "end"
outcome = "done"
"""
SPANS_S = (1, 30, 61, 600, HOUR_S, 12 * HOUR_S, 30 * HOUR_S, 3 * DAY_S)
JUMPS_S = (5, 59, 61, 600, HOUR_S, DAY_S, 30 * DAY_S)


class ClockTally(msgspec.Struct, kw_only=True):
    """What happened in some histories."""

    histories: int = 0
    jumps: int = 0
    doubts: int = 0
    restarts: int = 0
    turns: int = 0
    dispatched: int = 0
    waits: int = 0
    """Waits that ended, each in time."""

    def add(self, other: ClockTally) -> None:
        """Add up."""
        for name in self.__struct_fields__:
            setattr(self, name, getattr(self, name) + getattr(other, name))


class ClockHistory:
    """One history, in a folder that no other one uses at the same time."""

    def __init__(self, base: Path, seed: int) -> None:
        self.dice = random.Random(seed)
        self.tally = ClockTally(histories=1)
        start = self.dice.choice(STARTS)
        self.clock = HandClock(start)
        self.folder = base / "world"
        self.engine = Engine(self.folder / "own.db", state_dir=StateDir(self.folder / "state"), clock=self.clock)
        self._put_back(base / f"kept-{start}")
        self._appliance: Appliance | None = None
        self._loop: Loop | None = None
        self._offset = 0
        self._in_doubt = False
        self._last_tick = start
        self._inputs = self._entries = self._dispatched = 0
        self._zones = self._zones_of_runs()

    def _put_back(self, kept: Path) -> None:
        if not kept.exists():
            shutil.rmtree(self.folder, ignore_errors=True)
            self.folder.mkdir()
            self._make()
            shutil.copytree(self.folder, kept)
        shutil.rmtree(self.folder)
        shutil.copytree(kept, self.folder)

    def _make(self) -> None:
        folder = self.folder
        (folder / "templates").mkdir()
        (folder / "templates" / "note.eml.j2").write_text(TEMPLATE)
        (folder / "plan.toml").write_text(PLAN)
        people = "".join(f"P,p{number}@example.org,{zone}\n" for number, zone in enumerate(ZONES))
        (folder / "people.csv").write_text("first_name,email,timezone\n" + people)
        engine = Engine.create(folder / "own.db", clock=self.clock, state_dir=StateDir(folder / "state"))
        engine.publish_plan(folder / "plan.toml")
        engine.import_contacts(folder / "people.csv")
        engine.enroll("notes")
        engine.arm()

    def _zones_of_runs(self) -> dict[str, ZoneInfo]:
        found = {}
        with self.engine.view() as view:
            by_contact = {view.resolve_contact(f"p{n}@example.org"): ZoneInfo(zone) for n, zone in enumerate(ZONES)}
            for run, contact in view.database.execute("SELECT run, contact FROM run ORDER BY run_no"):
                found[run] = by_contact[contact]
        return found

    def tell(self) -> ClockTally:
        """Tell the history. Raises AssertionError where something happened that must not."""
        for _ in range(self.dice.randint(6, 14)):
            self._something()
            self._go()
        self._close(politely=True)
        with self.engine.view() as view:
            ChainWalk().go_on(view.database)
        if self.dice.random() < 0.05:
            compared = verify_state(self.engine.path)
            assert compared.ok, compared.error()
        return self.tally

    # -- what happens --

    def _something(self) -> None:
        match self.dice.randrange(9):
            case 0 | 1 | 2:
                self.clock.go_on(self.dice.choice(SPANS_S))
            case 3 | 4:
                self._jump()
            case 5:
                self._close(politely=self.dice.random() < 0.5)
                self._away()
            case 6:
                self._close(politely=True)
                if holds(self.engine):
                    self.engine.release()
                    self._in_doubt = False
            case 7:
                if self.dice.random() < 0.3:
                    self.clock.wall = self._last_tick + self.dice.choice((0, 1, 600))  # somebody sets it right
            case _:
                event = encode_input(Event(name="invoice.paid", contact=""))
                at = self.clock.now() + self.dice.choice((0, 0, -HOUR_S, 20))
                append_inbox(self.engine.path, [InboxRow(source="test", received=at, kind="event", payload=event)])

    def _jump(self) -> None:
        self.clock.wall += self.dice.choice((-1, 1)) * self.dice.choice(JUMPS_S)
        self.tally.jumps += 1

    def _away(self) -> None:
        """Nothing runs: time passes, the machine may be started anew, its clock may be set."""
        self.clock.go_on(self.dice.choice((0, *SPANS_S)))
        if self.dice.random() < 0.3:
            self.clock.up = self.dice.randrange(100)
        if self.dice.random() < 0.3:
            self._jump()

    # -- the loop --

    def _go(self) -> None:
        if self._loop is None:
            self._open()
        for _ in range(40):
            if not self._turn():
                break
            if self.dice.random() < 0.1:
                self._jump()
            elif self.dice.random() < 0.2:
                self.clock.go_on(self.dice.choice(SPANS_S[:4]))

    def _open(self) -> None:
        self.tally.restarts += 1
        self._appliance = open_appliance(
            self.engine.path, "a loop", clock=self.clock, state_dir=StateDir(self.folder / "state")
        )
        undone = undone_since(self._appliance.journal.state)
        last = self._appliance.journal.last_tick
        long_outage = undone is not None and self.clock.now() - max(last, undone) > MAX_OUTAGE_S
        if long_outage or last - self.clock.now() > MAX_SKEW_S:
            self._doubt()
        self._offset = self.clock.now() - self.clock.boot()
        limits = LoopLimits(rows=self.dice.choice((1, 500)), timers=self.dice.choice((1, 1_000)))
        self._loop = self._appliance.loop(limits=limits)
        self._loop.recover()
        self._look()

    def _doubt(self) -> None:
        self._in_doubt = True
        self.tally.doubts += 1

    def _turn(self) -> bool:
        assert self._loop is not None
        offset = self.clock.now() - self.clock.boot()
        if abs(offset - self._offset) > MAX_SKEW_S:
            self._doubt()
            self._offset = offset
        worked = self._loop.turn()
        self.tally.turns += 1
        self._look()
        assert self._appliance is not None
        halted = bool(self._appliance.journal.state.holds)
        assert halted or not self._in_doubt, "the clocks are in doubt, and nothing is halted"
        return worked

    def _close(self, *, politely: bool) -> None:
        if self._appliance is None or self._loop is None:
            return
        if politely:
            self._loop.finish()
            self._look()
        self._appliance.close()
        self._appliance = self._loop = None

    # -- what must hold --

    def _look(self) -> None:
        assert self._appliance is not None
        database = self._appliance.database
        for seq, tick in database.execute("SELECT seq, tick FROM input WHERE seq > ? ORDER BY seq", (self._inputs,)):
            assert tick >= self._last_tick, f"input {seq} is at {tick}, after {self._last_tick}"
            assert tick <= max(self._last_tick, self.clock.now()), f"input {seq} is ahead of every clock"
            self._last_tick, self._inputs = tick, seq
        dispatched = database.execute("SELECT count(*) FROM ledger WHERE mark = 'DISPATCHING'")[0][0]
        if dispatched > self._dispatched:
            assert not self._in_doubt, "something was dispatched while the clocks were in doubt"
            away = abs(self._last_tick - self.clock.now())
            assert away <= MAX_SKEW_S, f"something was dispatched {away} seconds away from the wall clock"
            self.tally.dispatched += dispatched - self._dispatched
            self._dispatched = dispatched
        for seq, body in database.execute("SELECT seq, body FROM audit WHERE seq >= ? ORDER BY seq", (self._entries,)):
            self._entry(json.loads(body))
            self._entries = seq + 1

    def _entry(self, entry: dict[str, object]) -> None:
        core = entry["core"]
        assert isinstance(core, dict)
        if (core["action"], core["outcome"]) == ("wait", "elapsed"):
            self.tally.waits += 1
            self._waited(str(entry["run"]), core)

    def _waited(self, run: str, core: dict[str, object]) -> None:
        detail, tick = core["detail"], core["tick"]
        assert isinstance(detail, dict)
        assert isinstance(tick, int)
        since = detail["since"]
        if core["step"] == "hour":
            assert tick >= since + HOUR_S, f"a wait of an hour has ended after {tick - since} seconds"
            return
        zone = self._zones[run]
        begun, ended = (datetime.fromtimestamp(one, UTC).astimezone(zone) for one in (since, tick))
        before_nine = begun.hour * 60 + begun.minute < OPENS_MINUTE
        opens = begun.date().toordinal() + (0 if before_nine else 1)
        reached = (ended.date().toordinal(), ended.hour * 60 + ended.minute)
        assert reached >= (opens, OPENS_MINUTE), f"a wait until nine from {begun} has ended at {ended}"
