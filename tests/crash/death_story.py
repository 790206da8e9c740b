"""Stories of many deaths: one file, one world, and process after process that dies at some act on the disk or at some instant.

Each life does what processes do: a person or a web server uses the file, the loop serves it while events come in and time passes,
sometimes somebody arms it anew, takes a snapshot or erases a contact. Then it dies. Kinds of death:

    power   the machine: of what is not synced a part is lost (watched_disk.py). In this process, by `Died`; so what one process
            has left unsynced when it was killed can still be lost when the machine dies two lives later.
    kill    the process only: in this process too, mixed with power cuts
    signal  a real SIGKILL of a forked child, half of them before a drawn act, half of them at a drawn instant

After each death the chain, the marks and the provider's ledger are looked at; when the story ends, everything (crash_checks.py).
Everything follows from the seed, but for the instants.
"""

from __future__ import annotations

import gc
import math
import mmap
import os
import random  # noqa: TID251 - a seed tells the story
import select
import shutil
import signal
import struct
import traceback
from contextlib import suppress
from copy import copy
from pathlib import Path
from typing import Literal

import msgspec
from crash_actor import Actor
from crash_checks import ChainWalk, Summary, check_after_kill, check_end, sandbox_keys
from running_files import holds, make_file
from watched_calls import mounted
from watched_disk import LOSSES, Died, Disk

from dee_appliance import Engine
from dee_appliance.errors import Refused
from dee_appliance.runtime.service import Stop
from dee_appliance.store.state_dir import StateDir

Way = Literal["power", "signal"]
START = 1_795_000_000
CONTACTS = 10
LATEST_ACT = 300
"""Lives rarely act more often than this."""
LONGEST_LIFE_S = 0.04
SCENARIO = """
[[rule]]
to = "base-1@example.org"
attempt = 1
answer = "reject"
code = "deferred"

[[rule]]
to = "base-2@example.org"
answer = "unknown"

[[rule]]
to = "base-3@example.org"
answer = "unknown"
sent = false

[[rule]]
to = "base-4@example.org"
answer = "accept"
after_polls = 2
"""


class Deaths(msgspec.Struct, kw_only=True):
    """What the deaths of a story were."""

    power: int = 0
    kill: int = 0
    signal: int = 0
    lives: int = 0
    """Including those that ended by themselves."""

    @property
    def all(self) -> int:
        """All deaths."""
        return self.power + self.kill + self.signal


class SharedClock:
    """Clocks that go on when a forked child dies: wall and boot clock in memory that all children share."""

    def __init__(self, now: int) -> None:
        self._memory = mmap.mmap(-1, 16)
        self._set(now, 1_000)

    def _set(self, wall: int, up: int) -> None:
        self._memory[:] = struct.pack("<qq", wall, up)

    def now(self) -> int:
        """Return the wall clock."""
        return int(struct.unpack("<qq", self._memory[:])[0])

    def boot(self) -> int:
        """Return the boot clock."""
        return int(struct.unpack("<qq", self._memory[:])[1])

    def wait(self, seconds: float) -> None:
        """Nothing passes by waiting."""

    def go_on(self, seconds: int) -> None:
        """Let time pass."""
        self._set(self.now() + seconds, self.boot() + seconds)


class DeathStory:
    """One file with its world, in a folder that no other story uses at the same time."""

    def __init__(self, base: Path, seed: int, way: Way) -> None:
        self.seed = seed
        self.way = way
        self.folder = base / "world"
        self.path = self.folder / "own.db"
        self.state = self.folder / "state"
        self.acknowledged = base / "acknowledged"
        self.clock = SharedClock(START)
        self.engine = Engine(self.path, state_dir=StateDir(self.state), clock=self.clock)
        self.deaths = Deaths()
        self.walk = ChainWalk()
        self._base = base
        self._begin()
        self.disk = Disk(self.folder, seed=seed, lossy=way == "power", real_death=way == "signal")

    def _begin(self) -> None:
        """Make the file, or put back the one that an earlier story of this folder has made."""
        kept = self._base / "kept"
        if not kept.exists():
            self.folder.mkdir(parents=True)
            make_file(self.folder, contacts=CONTACTS, clock=self.clock, pause="30s").arm()
            scenario = self._base / "scenario.toml"
            scenario.write_text(SCENARIO)
            self.path.with_name("own.db.toml").write_text(
                f'[channel.email]\nconcurrency = 3\noptions = {{ scenario = "{scenario}" }}\n'
            )
            shutil.copytree(self.folder, kept)
        shutil.rmtree(self.folder)
        shutil.copytree(kept, self.folder)
        self.acknowledged.unlink(missing_ok=True)

    def tell(self, deaths: int) -> Summary:
        """Die that often, then let everything come to its end and look at all of it. Raises AssertionError."""
        gc.collect()
        gc.freeze()  # a service begins with a collection, which would cost a child more than its life
        with mounted(self.disk):
            while self.deaths.all < deaths:
                self.deaths.lives += 1
                dice = random.Random(f"{self.seed}/{self.deaths.lives}")
                if self.way == "power":
                    self._die_here(dice)
                else:
                    self._die_forked(dice)
                self._look()
            summary = self._finish()
        gc.unfreeze()
        return summary

    def _look(self) -> None:
        # What a killed process has written and not synced is there, and may yet be lost: nobody was told that it is durable.
        durable = self.disk.is_synced(f"{self.disk.root}/own.db-wal")
        walk = self.walk if durable else copy(self.walk)
        check_after_kill(self.path, sandbox_keys(self.path), walk)

    # -- deaths --

    def _die_here(self, dice: random.Random) -> None:
        loss = None if dice.random() < 0.25 else dice.choice(LOSSES)
        self.disk.die_at(_some_act(dice), loss)
        try:
            self._live(dice)
        except (Died, SystemError):
            # SystemError: how the driver says that a file layer written in Python fails again while a backup is being closed.
            assert self.disk.dead
            if loss is None:
                self.deaths.kill += 1
            else:
                self.deaths.power += 1
        self.disk.restart()

    def _die_forked(self, dice: random.Random) -> None:
        instant = dice.random() * LONGEST_LIFE_S if dice.random() < 0.5 else None
        at = 0 if instant is not None else _some_act(dice)
        says, hears = os.pipe()
        process = os.fork()
        if process == 0:
            os.close(says)
            self.disk.die_at(at)
            self._be_child(dice, hears)
        os.close(hears)
        if instant is not None:
            select.select([says], [], [], instant)  # the drawn instant, or the end of the child if that is sooner
            os.kill(process, signal.SIGKILL)
        with os.fdopen(says, "rb") as pipe:
            said = pipe.read().decode()
        _, status = os.waitpid(process, 0)
        assert not said, said
        self.deaths.signal += os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL

    def _be_child(self, dice: random.Random, hears: int) -> None:
        try:
            self._live(dice)
        except BaseException:  # noqa: BLE001 - the parent shall see it, whatever it is
            os.write(hears, traceback.format_exc().encode())
        os._exit(0)

    # -- lives --

    def _live(self, dice: random.Random) -> None:
        """What processes do with a file until they die."""
        actor = Actor(self.path, self.acknowledged, dice.randrange(2**32), self.engine)
        try:
            for _ in range(dice.randint(1, 4)):
                choice = dice.random()
                if choice < 0.5:
                    with suppress(Refused):
                        actor.step()
                elif choice < 0.7:
                    self._rare(dice)
                self.clock.go_on(dice.choice((0, 1, 5, 40)))
                self.engine.serve(until_idle=True, stop=Stop(), progress=self._meanwhile(dice, actor))
        finally:
            actor.close()

    def _meanwhile(self, dice: random.Random, actor: Actor) -> Meanwhile:
        return Meanwhile(self.clock, dice, actor)

    def _rare(self, dice: random.Random) -> None:
        match dice.randrange(3):
            case 0:
                with suppress(Refused):
                    self.engine.arm()
            case 1:
                target = self.folder / "copy.db"
                target.unlink(missing_ok=True)
                self.engine.snapshot(target)
            case _:
                with suppress(Refused):
                    self.engine.erase_contact(f"base-{dice.randrange(CONTACTS)}@example.org")

    # -- the end --

    def _finish(self) -> Summary:
        engine = self.engine
        engine.arm()
        engine.serve(until_idle=True)
        for scope in {scope: None for scope, _ in holds(engine)}:
            engine.release(scope)
        paused = self._runs("PAUSED")
        if paused:
            engine.operate("resume", paused)
        for _ in range(20):
            engine.serve(until_idle=True)
            if not self._runs("PENDING", "ACTIVE", "WAITING", "HELD"):
                break
            self.clock.go_on(60)
        summary = check_end(self.path, self.state, sandbox_keys(self.path), self.walk, acknowledged=self.acknowledged)
        summary.kills = self.deaths.all
        return summary

    def _runs(self, *statuses: str) -> list[str]:
        with self.engine.view() as view:
            rows = view.database.execute("SELECT run, status FROM run ORDER BY run_no")
        return [run for run, status in rows if status in statuses]


class Meanwhile:
    """What happens between two turns of a loop: time passes, events come in."""

    def __init__(self, clock: SharedClock, dice: random.Random, actor: Actor) -> None:
        self._clock = clock
        self._dice = dice
        self._actor = actor

    def __call__(self, tick: int) -> None:
        """Do so."""
        del tick
        if self._dice.random() < 0.2:
            self._clock.go_on(1)
        if self._dice.random() < 0.05:
            self._actor.webhook()


def _some_act(dice: random.Random) -> int:
    """Draw an act: the first few, at which a process opens its files and recovers, as often as the many later ones."""
    if dice.random() < 0.5:
        return dice.randint(1, LATEST_ACT)
    return round(math.exp(dice.random() * math.log(LATEST_ACT)))
