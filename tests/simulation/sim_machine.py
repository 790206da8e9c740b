"""What happens to the machine of an appliance: deaths, full disks, clocks, second processes, copies and older backups."""

from __future__ import annotations

import random  # noqa: TID251 - each act has dice of its own
import shutil
from collections.abc import Callable
from typing import TYPE_CHECKING, Literal

from watched_disk import LOSSES, Fault, Kind, Loss

from dee_appliance.errors import DeeError, EvidenceError, HostError
from dee_appliance.runtime.appliance import open_appliance
from dee_appliance.runtime.service import serve

if TYPE_CHECKING:
    from pathlib import Path

    from sim_world import World

MINUTE_MS, HOUR_MS, DAY_MS = 60_000, 3_600_000, 86_400_000
FAMILY = ("", "-wal")


class Machine:
    """The machine, and whoever plays with its files."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._copies = 0
        self._backup: Path | None = None

    def perform(self, kind: str, dice: random.Random) -> bool:
        """Let one thing happen. Returns False for a kind that is none of the machine's."""
        table: dict[str, Callable[[random.Random], None]] = {
            "restart": self._restart,
            "second loop": self._second_loop,
            "copy": self._copy,
            "older backup": self._older_backup,
            "moved": self._moved,
            "reader": self._reader,
            "kill": lambda one: self._die(one, None),
            "kill while idle": lambda _: self._die_at("idle", None),
            "kill while sending": lambda one: self._die_at(
                one.choice(("poll", "submit")), one.choice((None, None, "coin"))
            ),
            "power cut": lambda one: self._die(one, one.choice(LOSSES)),
            "kill and power cut": self._kill_and_cut,
            "disk full": lambda one: self._fails(one, "full"),
            "i/o error": lambda one: self._fails(one, "io"),
            "clock jumps": self._clock_jumps,
            "suspend": self._suspend,
            "outage": self._outage,
            "provider down": self._provider_down,
            "others die": lambda one: self._die(one, None),
        }
        act = table.get(kind)
        if act is None:
            return False
        self._world.say(f"it happens: {kind}")
        act(dice)
        return True

    # -- deaths --

    def _die(self, dice: random.Random, loss: Loss | None) -> None:
        self._world.die_soon(dice.choice((1, 2, 3, 5, 8, 13, 21, 40, 90)), loss)

    def _die_at(self, where: str, loss: Loss | None) -> None:
        self._world.kill_when, self._world.disk.loss = where, loss

    def _kill_and_cut(self, dice: random.Random) -> None:
        """A process is killed in the middle of a commit, another goes on, and then the power is cut."""
        world = self._world
        self._die(dice, None)
        loss = dice.choice(LOSSES)
        acts = dice.randrange(1, 40)
        world.at(world.now_ms + dice.randrange(1_000, 20 * MINUTE_MS), lambda: world.die_soon(acts, loss))

    def _fails(self, dice: random.Random, error: Literal["full", "io"]) -> None:
        """The disk is full for a while, or an act fails once, or from now on."""
        world, disk = self._world, self._world.disk
        kinds: tuple[tuple[Kind, ...], ...] = (("write",), ("write", "create"), ("create",))
        if error == "io":
            kinds = (("write",), ("sync",), ("write", "sync", "create"), ("truncate",), ("create", "rename", "link"))
        count, short = dice.choice((1, 2, None)), dice.random() < 0.5
        fault = Fault(
            kinds=dice.choice(kinds),
            error=error,
            first=dice.choice((1, 1, 2, 4, 9)),
            count=count,
            short=short,
            parts=("database", "wal", "tip", "sends") if short else (),  # a half lock is a lock
        )
        disk.fail(fault)
        disk.at_fault = world.met_a_fault
        world.at(world.now_ms + dice.randrange(HOUR_MS, 2 * DAY_MS), lambda: self._heals(fault))

    def _heals(self, fault: Fault) -> None:
        world = self._world
        if world.disk.fault is fault:
            world.disk.fault = None
            world.say("the disk is well again")

    # -- time --

    def _clock_jumps(self, dice: random.Random) -> None:
        self._world.skew_ms += dice.choice((-1, 1)) * dice.choice((3_000, 50_000, 70_000, HOUR_MS, DAY_MS, 40 * DAY_MS))
        self._world.say(f"the wall clock is {self._world.skew_ms // 1_000} s off")

    def _suspend(self, dice: random.Random) -> None:
        self._world.now_ms += dice.choice((30_000, HOUR_MS, DAY_MS))

    def _outage(self, dice: random.Random) -> None:
        """The service is stopped, and started again much later."""
        self._down_for(dice.choice((HOUR_MS, DAY_MS, 4 * DAY_MS)))

    def _restart(self, dice: random.Random) -> None:
        self._down_for(dice.randrange(1_000, 60_000))

    def _provider_down(self, dice: random.Random) -> None:
        self._world.provider.down_until_ms = self._world.now_ms + dice.choice((MINUTE_MS, HOUR_MS, DAY_MS))

    # -- other processes --

    def _second_loop(self, dice: random.Random) -> None:
        """Somebody starts a second service. It must be told that there is one."""
        del dice
        world = self._world
        if world.appliance is None:
            return
        try:
            world.engine.serve(until_idle=True)
        except HostError:
            world.tally["second loop refused"] += 1
        except DeeError:
            world.tally["second loop failed"] += 1
        else:
            world.broken("one loop", "a second service has run beside the first")

    def _reader(self, dice: random.Random) -> None:
        """Somebody reads everything."""
        del dice
        world = self._world
        if world.disk.fault is None:
            verified = world.engine.verify()
            if not verified.ok:
                world.broken("verify", str(verified.findings[:2]))

    # -- copies --

    def _copied(self, target: Path) -> bool:
        """Copy the file as `cp` does, with what SQLite keeps beside it."""
        world = self._world
        target.parent.mkdir(parents=True, exist_ok=True)
        for end in FAMILY:
            source = world.path.with_name(world.path.name + end)
            if source.exists():
                shutil.copyfile(source, target.with_name(target.name + end))
        return True

    def _copy(self, dice: random.Random) -> None:
        """Somebody copies the file, or takes a snapshot, and serves the copy, beside the service or while it is down."""
        world = self._world
        self._copies += 1
        copy = world.folder / f"copy-{self._copies}" / "dee.db"
        if dice.random() < 0.5:
            self._copied(copy)
        else:
            copy.parent.mkdir(parents=True)
            world.engine.snapshot(copy)
        self._backup = self._backup or copy
        served = world.folder / f"served-{self._copies}" / "dee.db"
        served.parent.mkdir()
        for end in FAMILY:
            if (source := copy.with_name(copy.name + end)).exists():
                shutil.copyfile(source, served.with_name(served.name + end))
        if dice.random() < 0.5:
            self._served(served)
        else:
            self._down_for(60_000)
            world.at(world.now_ms + 1_000, lambda: world.somebody("serve a copy", lambda: self._served(served)))

    def _down_for(self, while_ms: int) -> None:
        self._world.stopping = True
        self._world.down_until_ms = self._world.now_ms + while_ms

    def _served(self, path: Path) -> None:
        """Run a file from which nothing may leave, although there is something to send."""
        world = self._world
        appliance, world.copying = world.appliance, True
        try:
            engine = world.engine_for(path, aside=True)
            with engine.view() as view:
                contacts = view.contact_ids()
            engine.enroll("plan0", contacts)
            engine.serve(until_idle=True)
            world.tally["copy served"] += 1
        except (EvidenceError, HostError):
            world.tally["copy refused"] += 1
        finally:
            world.appliance, world.copying = appliance, False

    def _older_backup(self, dice: random.Random) -> None:
        """While the service is down somebody puts an older backup in place, finds it refused, and puts the file back."""
        world = self._world
        if self._backup is None:
            self._copy(dice)
        self._down_for(60_000)
        world.at(world.now_ms + 1_000, self._put_back_and_forth)

    def _put_back_and_forth(self) -> None:
        world, backup = self._world, self._backup
        if world.appliance is not None or backup is None:
            return
        aside = world.folder / "aside"
        aside.mkdir(exist_ok=True)
        there = [world.path.with_name(world.path.name + end) for end in (*FAMILY, "-shm")]
        with world.disk_asleep():
            for file in there:
                if file.exists():
                    file.rename(aside / file.name)
            for end in FAMILY:
                source = backup.with_name(backup.name + end)
                if source.exists():
                    shutil.copyfile(source, world.path.with_name(world.path.name + end))
            world.copying = True
            try:
                with open_appliance(
                    world.path, "dee serve", clock=world.loop_clock, state_dir=world.state
                ) as appliance:
                    world.appliance = appliance
                    if appliance.check_tip().__class__.__name__ == "TipAgrees":
                        world.tally["backup is current"] += 1
                    else:
                        serve(appliance, until_idle=True)
                        world.tally["older backup served"] += 1
            except (EvidenceError, HostError):
                world.tally["older backup refused"] += 1
            finally:
                world.appliance, world.copying = None, False
                for file in there:
                    file.unlink(missing_ok=True)
                    if (aside / file.name).exists():
                        (aside / file.name).rename(file)

    def _moved(self, dice: random.Random) -> None:
        """Somebody arms the file again, as after a move."""
        del dice
        self._arm_later()

    def arm_if_not(self) -> None:
        """Somebody has died while arming, or could not write: the file sends nothing until a person arms it."""
        if not self._world.armed():
            self._world.tally["disarmed until armed again"] += 1
            self._arm_later()

    def _arm_later(self) -> None:
        world = self._world
        self._down_for(60_000)
        world.at(world.now_ms + 1_000, lambda: world.somebody("arm", self._arm))

    def _arm(self) -> None:
        if self._world.appliance is None:
            self._world.engine.arm()
            self._world.tally["armed again"] += 1
