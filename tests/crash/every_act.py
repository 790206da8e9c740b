"""Death before each single act of a short run, as a kill and with every loss of a power cut.

The short run is what a day is made of: a loop sends, takes in answers and fires timers; commands halt and release. After each
death the file goes on to its end and everything is looked at (crash_checks.py).
"""

from __future__ import annotations

import shutil
from pathlib import Path

from crash_checks import ChainWalk, Summary, check_after_kill, check_end, sandbox_keys
from running_files import HandClock, make_file, statuses
from watched_calls import mounted
from watched_disk import LOSSES, Died, Disk, Loss

from dee_appliance import Engine
from dee_appliance.store.state_dir import StateDir

START = 1_795_000_000
CONTACTS = 4
WAYS: tuple[Loss | None, ...] = (None, *LOSSES)
"""A kill, and four power cuts."""


class EveryAct:
    """A short run that can be told again and again, each time with another death."""

    def __init__(self, base: Path) -> None:
        self.folder = base / "world"
        self.path = self.folder / "own.db"
        self.clock = HandClock(START)
        self.engine = Engine(self.path, state_dir=StateDir(self.folder / "state"), clock=self.clock)
        self._kept = base / "kept"
        self.folder.mkdir(parents=True)
        make_file(self.folder, contacts=CONTACTS, clock=self.clock, pause="30s").arm()
        self.path.with_name("own.db.toml").write_text("[channel.email]\nconcurrency = 2\n")
        shutil.copytree(self.folder, self._kept)
        self._put_back()
        with mounted(Disk(self.folder)) as disk:
            self._run()
            self.acts = disk.acts
        """How many acts the run has."""

    def _put_back(self) -> None:
        shutil.rmtree(self.folder)
        shutil.copytree(self._kept, self.folder)
        self.clock.wall, self.clock.up = START, 1_000

    def _run(self) -> None:
        self.engine.serve(until_idle=True)
        self.clock.go_on(35)
        self.engine.halt()
        self.engine.release()
        self.engine.serve(until_idle=True)

    def die(self, at: int, loss: Loss | None) -> Summary:
        """Die before that act, then go on to the end. Raises AssertionError."""
        self._put_back()
        walk = ChainWalk()
        with mounted(Disk(self.folder, seed=at)) as disk:
            disk.die_at(at, loss)
            try:
                self._run()
                raise AssertionError(f"there is no act {at}")
            except Died:
                disk.restart()
            check_after_kill(self.path, sandbox_keys(self.path), ChainWalk() if loss is None else walk)
            self.engine.halt()
            self.engine.release()
            while set(statuses(self.engine)) - {"COMPLETED", "FAILED"}:
                self.engine.serve(until_idle=True)
                assert self.clock.wall < START + 600, "the runs do not come to their end"
                self.clock.go_on(35)
            summary = check_end(self.path, self.folder / "state", sandbox_keys(self.path), walk)
        summary.kills = 1
        return summary
