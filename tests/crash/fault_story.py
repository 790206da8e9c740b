"""One point at which the disk fails or is full, in the life of one file: what must hold from that act on.

A point is drawn by a seed: which kind of act on which part of the appliance fails, how (EIO, ENOSPC, half a write), the how
manyth, and for how long. The life that meets it serves messages, fires timers and takes in events. Then

- nothing leaves after the first failure, and nothing is committed;
- the process ends with an error: no failure of the disk is noted and forgotten. But for the text in the lock file, which tells
  people who holds it;
- once the disk works again, and in half of the cases after a power cut that takes what was never synced, the file goes on as if
  nothing had been: nothing is lost, nothing is sent twice, everything is looked at (crash_checks.py).
"""

from __future__ import annotations

import random  # noqa: TID251 - a seed draws the point
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import get_args

import msgspec
from crash_checks import ChainWalk, Summary, check_end, sandbox_keys
from running_files import HandClock, holds, make_file, people, sent
from watched_calls import mounted
from watched_disk import LOSSES, Died, Disk, Fault, Kind, Part

from dee_appliance import Engine
from dee_appliance.errors import DeeError
from dee_appliance.kernel.e1.input import Event, encode_input
from dee_appliance.store.database import Row
from dee_appliance.store.inbox import InboxRow, append_inbox
from dee_appliance.store.state_dir import StateDir

START = 1_795_000_000
CONTACTS = 6
FULL_KINDS: tuple[Kind, ...] = ("write", "create", "link", "rename")
"""What a full disk refuses: whatever needs room."""


class Point(msgspec.Struct, frozen=True, kw_only=True):
    """What went wrong, and what came of it."""

    fault: Fault
    met: int
    ended: str
    """How the process ended: the class of its error, "" if it ended by itself."""
    unnoticed: int


class FaultStory:
    """One file, put back for each point."""

    def __init__(self, base: Path) -> None:
        self.folder = base / "world"
        self.path = self.folder / "own.db"
        self.clock = HandClock(START)
        self.engine = Engine(self.path, state_dir=StateDir(self.folder / "state"), clock=self.clock)
        self._kept = base / "kept"
        self.folder.mkdir(parents=True)
        make_file(self.folder, contacts=CONTACTS, clock=self.clock, pause="30s").arm()
        people(self.folder, "more", 3)
        self.path.with_name("own.db.toml").write_text("[channel.email]\nconcurrency = 3\n")
        shutil.copytree(self.folder, self._kept)
        self._counts = self._count()

    def _count(self) -> Counter[tuple[Kind, Part]]:
        """How often each kind of act happens in a life in which nothing fails."""
        self._put_back()
        with mounted(Disk(self.folder)) as disk:
            for _, process in self._processes():
                process()
            return disk.counts

    def _put_back(self) -> None:
        shutil.rmtree(self.folder)
        shutil.copytree(self._kept, self.folder)
        self.clock.wall, self.clock.up = START, 1_000

    def points(self) -> list[tuple[Kind, Part]]:
        """Every kind of act that this life does, with the part it does it to."""
        return sorted(self._counts)

    def first(self, kind: Kind, part: Part) -> Fault:
        """Let the first act of a kind on a part fail, and every later one."""
        return Fault(kinds=(kind,), parts=(part,), error="full" if kind == "create" else "io")

    def draw(self, seed: int) -> Fault:
        """Draw a point. Every kind and part is as likely, however rare it is in a life.

        Half a write is followed by failures for good: whoever writes the other half must not get through.
        """
        dice = random.Random(seed)
        if dice.random() < 0.3:
            last = sum(count for (kind, _), count in self._counts.items() if kind in FULL_KINDS)
            first, count = dice.randint(1, last), dice.choice((None, None, 1, 5))
            return Fault(kinds=FULL_KINDS, error="full", first=first, count=count, short=count is None)
        kind, part = dice.choice(self.points())
        short = kind == "write" and dice.random() < 0.3
        return Fault(
            kinds=(kind,),
            parts=(part,),
            error="full" if kind in FULL_KINDS and dice.random() < 0.3 else "io",
            first=dice.randint(1, self._counts[kind, part]),
            count=None if short else dice.choice((None, 1, 3)),
            short=short,
        )

    def tell(self, fault: Fault, seed: int) -> Point:
        """Let the disk fail, then let it work again. Raises AssertionError when a rule was broken."""
        dice = random.Random(seed)
        self._put_back()
        with mounted(Disk(self.folder, seed=seed)) as disk:
            disk.fail(fault)
            ended, unnoticed = "", 0
            for name, process in self._processes():
                met = disk.faults_met
                error = self._run(disk, process)
                assert error is None or disk.faults_met > met, f"{name}: {error!r}, and nothing had failed"
                if error is not None:
                    ended = f"{name}: {type(error).__name__}"
                    break
                unnoticed += disk.faults_met > met
            met = disk.faults_met
            self._end_process(disk, dice)
            self._recover()
        return Point(fault=fault, met=met, ended=ended, unnoticed=unnoticed)

    def _run(self, disk: Disk, process: Callable[[], object]) -> Exception | None:
        """Let one process do its work. Returns how it ended, and checks that it did nothing once something had failed."""
        seen: list[tuple[str, int, int]] = []
        before_all = self._counts_for(disk)
        disk.at_fault = lambda name: seen.append((name, len(sent(self.path)), disk.counts["write", "wal"]))
        ended: Exception | None = None
        try:
            process()
        except (DeeError, SystemError) as error:
            # SystemError: how the driver says that a file layer written in Python fails again while a backup is being closed.
            ended = error
        counting = [one for one in seen if not one[0].endswith(".lock")]
        if ended is None:
            assert not counting, f"nobody noticed that {counting[0][0]} fails"
        elif seen:
            _, before, writes_before = (counting or seen)[0]
            left = len(sent(self.path)) - before
            assert not left, f"{left} messages left after the failure: {ended}"
            writes = disk.counts["write", "wal"] - writes_before
            # A command that fails takes the rows back that it had staged; they have never counted.
            assert not writes or self._counts_for(disk) == before_all, f"a commit after the failure: {ended}"
        return ended

    def _counts_for(self, disk: Disk) -> list[Row]:
        """How long the log is and how many rows wait in the inbox; what is only staged does not count."""
        fault, disk.fault = disk.fault, None
        with self.engine.view() as view:
            found = view.database.execute(
                "SELECT (SELECT count(*) FROM audit), (SELECT count(*) FROM inbox WHERE ready >= 0)"
            )
        disk.fault = fault
        return found

    @staticmethod
    def _end_process(disk: Disk, dice: random.Random) -> None:
        disk.fault = None
        try:
            disk.die(None if dice.random() < 0.5 else dice.choice(LOSSES))
        except Died:
            disk.restart()

    def _processes(self) -> list[tuple[str, Callable[[], object]]]:
        """A life: send, take in new people, fire timers. One process after the other."""

        def later() -> None:
            self.clock.go_on(40)
            self.engine.serve(until_idle=True)

        return [
            ("serve", lambda: self.engine.serve(until_idle=True, progress=self._meanwhile)),
            ("import", lambda: self.engine.import_contacts(self.folder / "more.csv")),
            ("enroll", lambda: self.engine.enroll("notes")),
            ("serve", later),
            ("arm", self.engine.arm),
            ("halt", self.engine.halt),
            ("snapshot", lambda: self.engine.snapshot(self.folder / "copy.db")),
        ]

    def _meanwhile(self, tick: int) -> None:
        """Somebody else's event comes in while the loop runs."""
        if tick == START and self.clock.wall == START:
            self.clock.go_on(1)
            event = encode_input(Event(name="invoice.paid"))
            append_inbox(self.path, [InboxRow(source="test", received=START, kind="event", payload=event)])

    def _recover(self) -> Summary:
        """Go on when the disk works again, to the end."""
        engine = self.engine
        engine.arm()
        engine.serve(until_idle=True)
        if holds(engine):
            engine.release()
        engine.import_contacts(self.folder / "more.csv")
        engine.enroll("notes")
        for _ in range(3):
            engine.serve(until_idle=True)
            self.clock.go_on(40)
        return check_end(self.path, self.folder / "state", sandbox_keys(self.path), ChainWalk())


assert set(FULL_KINDS) < set(get_args(Kind))
