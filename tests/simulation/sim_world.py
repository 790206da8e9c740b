"""The world of one simulated appliance: its time, its machine, and everybody in it. One process, one thread, one seed.

The real service runs in here: `serve` opens the file, its loop turns, and whenever it looks whether it shall stop, the world
looks at what it has done (sim_watch) and lets happen what is due; when it waits, time jumps to the next thing that comes. What
kills the appliance raises `Died` from an act on the watched disk, from a wait, or from the wire.
"""

from __future__ import annotations

import heapq
import os
import random  # noqa: TID251 - everything is drawn from the seed
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sim_acknowledged import Acknowledged, WatchedEngine
from sim_provider import Provider, SimulatedAdapter
from sim_recipients import Recipients
from sim_watch import Watch
from watched_calls import mounted
from watched_disk import Died, Disk, Loss

from dee_appliance.channels.registry import ADAPTERS
from dee_appliance.errors import DeeError, Refused, Usage
from dee_appliance.runtime import commands, service
from dee_appliance.runtime import loop as runtime_loop
from dee_appliance.runtime.appliance import Appliance, open_appliance
from dee_appliance.runtime.loop import LoopLimits
from dee_appliance.runtime.service import serve
from dee_appliance.store import lock
from dee_appliance.store.database import open_reader
from dee_appliance.store.state_dir import Armed, StateDir

if TYPE_CHECKING:
    from sim_case import Case, Temper

    from dee_appliance.channels.interface import Message

QUIET_TURNS = 5
"""So often a resting loop looks around before time jumps: it puts its file in order meanwhile."""
TURN_MS = 100
LONGEST_JUMP_MS = 6 * 3_600_000


class Broken(BaseException):
    """An invariant does not hold. It ends the story, and nothing of the product may catch it."""

    def __init__(self, invariant: str, what: str) -> None:
        super().__init__(f"{invariant}: {what}")
        self.invariant = invariant


class WorldClock:
    """The machine's clocks: what the wall says may be wrong, what the boot clock says may not."""

    def __init__(self, world: World, *, waits: bool) -> None:
        self._world = world
        self._waits = waits

    def now(self) -> int:
        """Return the wall clock."""
        return self._world.start + (self._world.now_ms + self._world.skew_ms) // 1_000

    def boot(self) -> int:
        """Return the boot clock."""
        return self._world.now_ms // 1_000

    def wait(self, seconds: float) -> None:
        """Let time pass, if it is the loop that waits."""
        if self._waits and seconds:
            self._world.rest()


class Stops:
    """Asked by the service before each turn: the moment for everything else in the world."""

    def __init__(self, world: World) -> None:
        self._world = world

    @property
    def asked(self) -> bool:
        """Let the world go on, then say whether to stop."""
        return self._world.between_turns()


class World:
    """Everything around one file."""

    def __init__(self, case: Case, folder: Path, story: list[str] | None = None) -> None:
        self.case = case
        self.temper: Temper = case.temper
        self.story = story
        self.rng = random.Random(f"world {case.seed}")
        self.start = 1_804_700_000 + self.rng.randrange(20) * 1_000_000
        self.now_ms = 0
        self.skew_ms = 0
        self.tally: Counter[str] = Counter()
        self.folder = folder
        self.home = folder / "home"
        self.path = self.home / "dee.db"
        self.disk = Disk(self.home, seed=case.seed)
        self.state = StateDir(self.home / "state")
        self.acknowledged = Acknowledged()
        self.engine = self.engine_for(self.path)
        self.provider = Provider(self)
        self.recipients = Recipients(self)
        self.answers: dict[str, list[Any]] = {}
        self.channels: dict[str, str] = {}
        self.watch = Watch(self)
        self.appliance: Appliance | None = None
        self.copying = False
        """A copy or an older state is being served: nothing may leave."""
        self.kill_when = ""
        self.stopping = False
        self.down_until_ms = 0
        self.quiet = 0
        self.faulty_life = False
        self.acting = False
        self._agenda: list[tuple[int, int, Callable[[], object]]] = []
        self._order = 0
        self._seen_seq = -1
        self.ends_ms: int | None = None
        self.resends: Counter[str] = Counter()
        self.last_words: list[Callable[[], object]] = []
        """What others do right before the loop sends."""
        drawn = random.Random(f"limits {case.seed}")
        self.limits = LoopLimits(rows=drawn.choice((1, 3, 500, 500)), timers=drawn.choice((2, 1_000, 1_000)))
        """How much a turn does: with so little, more waits than one turn can admit."""

    def engine_for(self, path: Path, *, aside: bool = False) -> WatchedEngine:
        """Return the public API for somebody beside the loop, who does not wait for it. `aside`: of another file."""
        engine = WatchedEngine(path, clock=WorldClock(self, waits=False), state_dir=self.state)
        engine.acknowledged = Acknowledged() if aside else self.acknowledged
        return engine

    # -- the story --

    def say(self, what: str) -> None:
        """Note what happens. The digest of a story is made of this."""
        self.watch.trace(f"{self.now_ms} {what}")
        if self.story is not None:
            day, rest = divmod(self.now_ms // 1_000, 86_400)
            shown = f"{rest // 3_600:02}:{rest // 60 % 60:02}:{rest % 60:02}"
            self.story.append(f"day {day:2} {shown}  {what}")

    def broken(self, invariant: str, what: str) -> None:
        """Something does not hold: the story ends here. Raises Broken."""
        self.say(f"BROKEN {invariant}: {what}")
        raise Broken(invariant, what)

    # -- time --

    def at(self, at_ms: int, action: Callable[[], object]) -> None:
        """Let something happen then."""
        self._order += 1
        heapq.heappush(self._agenda, (max(at_ms, self.now_ms), self._order, action))

    def pass_time(self) -> None:
        """Go to the next thing that comes: of the world, of the provider, or a timer of the file."""
        coming = [self.now_ms + LONGEST_JUMP_MS]
        if self._agenda:
            coming.append(self._agenda[0][0])
        answered = self.provider.next_ms()
        if answered is not None:
            coming.append(answered)
        if self.appliance is not None:
            due = self.appliance.journal.state.next_due()
            if due is not None:
                coming.append((due - self.start) * 1_000 - self.skew_ms)
        if self.ends_ms is not None:
            coming.append(self.ends_ms)
        self.now_ms = max(self.now_ms + 1, min(coming))

    def rest(self) -> None:
        """The loop has nothing to do: it looks around a few times, then time jumps."""
        self.maybe_killed("idle")
        assert self.appliance is not None
        seq = self.appliance.journal.last_seq
        self.quiet = self.quiet + 1 if seq == self._seen_seq else 0
        self._seen_seq = seq
        if self.quiet <= QUIET_TURNS and not (self._agenda and self._agenda[0][0] <= self.now_ms + TURN_MS):
            self.now_ms += TURN_MS
        else:
            self.pass_time()

    def happen(self) -> None:
        """Let everything happen that is due."""
        while self._agenda and self._agenda[0][0] <= self.now_ms:
            heapq.heappop(self._agenda)[2]()

    def resent(self, send_key: str) -> int:
        """How often somebody has asked for a message to be sent again whatever became of it."""
        return self.resends[send_key]

    @property
    def empty(self) -> bool:
        """Whether nothing more will happen by itself."""
        return not self._agenda

    # -- the loop --

    def between_turns(self) -> bool:
        """Look at what the loop has done, let the world go on, and say whether the loop shall stop."""
        assert self.appliance is not None
        self.tally["turns"] += 1
        self.watch.look(self.appliance.database)
        if self.copying:
            return False
        self.happen()
        if self.last_words and self._about_to_send():
            said = self.last_words.pop(0)
            if not self.somebody("the last word", said):
                self.last_words.append(said)
        return self.stopping or (self.ends_ms is not None and self.now_ms >= self.ends_ms)

    def _about_to_send(self) -> bool:
        """Whether the next turn pulls what is in the queue, or wakes somebody who may send."""
        assert self.appliance is not None
        state, dispatcher = self.appliance.journal.state, self.appliance.dispatcher
        if dispatcher is None:
            return False
        due = state.next_due()
        return (due is not None and due <= self.loop_clock.now()) or any(
            dispatcher.free(channel) and state.queue(channel, 1) for channel in dispatcher.channels()
        )

    def live(self) -> None:
        """Run the service until it stops, dies, or fails."""
        self.quiet, self.faulty_life, self.stopping = 0, False, False
        self.say("the service starts")
        try:
            with open_appliance(
                self.path, "dee serve", clock=WorldClock(self, waits=True), state_dir=self.state
            ) as appliance:
                self.appliance = appliance
                serve(appliance, stop=Stops(self))  # type: ignore[arg-type]
            self.tally["stopped"] += 1
            self.say("the service has stopped")
        except Died:
            self.died()
        except DeeError as error:
            self.failed(error)
        finally:
            self.appliance = None
            self.provider.hung_up()
            self.answers.clear()
        self.buried()

    def alone(self, until_ms: int) -> None:
        """While the service is down others go on."""
        while self.now_ms < until_ms:
            self.now_ms = min(until_ms, self._agenda[0][0]) if self._agenda else until_ms
            self.happen()

    def died(self) -> None:
        """The process, or the machine, is dead."""
        how = "kill" if self.disk.loss is None else f"power cut ({self.disk.loss})"
        self.tally[f"death: {how}"] += 1
        self.say(f"the service dies: {how}")
        self._pause(300_000)

    def failed(self, error: DeeError) -> None:
        """The service has ended itself."""
        if not self._excused():
            self.broken("it runs", f"the service refuses without a reason: {type(error).__name__} {error}")
        self.tally["ended by a storage error"] += 1
        self.say(f"the service ends itself: {error.what}")
        self._pause(600_000)

    def _excused(self) -> bool:
        """Whether the disk has failed, so that nobody need succeed."""
        return self.faulty_life or (self.disk.fault is not None and self.disk.faults_met > 0)

    def _pause(self, longest_ms: int) -> None:
        self.down_until_ms = max(self.down_until_ms, self.now_ms + self.rng.randrange(1_000, longest_ms))

    def buried(self) -> None:
        """Nobody has anything open any more; what a power cut takes is gone."""
        lock._forget_all()
        self.kill_when = ""
        fault = self.disk.fault
        self.disk.restart()
        self.disk.fault = fault
        self.say("")

    def maybe_killed(self, where: str) -> None:
        """Die here, if it is what somebody wants. Raises Died."""
        if self.kill_when == where and not self.copying:
            self.kill_when = ""
            self.disk.die(self.disk.loss)

    def armed(self) -> bool:
        """Whether the file may send here, as far as the arming record goes."""
        with self.engine.view() as view:
            state = self.state.arming_state(self.path, view.lineage, view.incarnation)
        return isinstance(state, Armed)

    # -- others --

    def somebody(self, what: str, act: Callable[[], object]) -> bool:
        """A process beside the loop does something. Returns False when it could not, and should try again later.

        A SIGKILL in it is its own death; a power cut is everybody's.
        """
        self.say(what)
        connections, descriptors = set(self.disk._connections), dict(self.disk._descriptors)
        self.acting, held = True, self.appliance is not None
        try:
            act()
        except Died:
            if self.disk.loss is not None and held:
                raise
            self.tally["death of somebody else"] += 1
            self.say("who did that has died")
            if held:
                self._bury_one(connections, descriptors)
            else:
                self.buried()
            return False
        except (Refused, Usage) as error:
            self.tally["refused"] += 1
            self.say(f"refused: {error.what}")
            return True
        except DeeError as error:
            if not self._excused():
                self.broken("it runs", f"{what} fails without a reason: {type(error).__name__} {error}")
            self.tally["storage error of somebody else"] += 1
            self.say(f"failed: {error.what}")
            return False
        finally:
            self.acting = False
        if not held:
            self.look()
        return True

    def look(self) -> None:
        """Look at the file while no service has it; the disk does not fail whoever only looks."""
        disk = self.disk
        fault, at = disk.fault, disk.at
        disk.fault, disk.at = None, 0
        with open_reader(self.path) as database:
            self.watch.look(database)
        disk.fault, disk.at = fault, at

    def _bury_one(self, connections: set[Any], descriptors: dict[int, Any]) -> None:
        """Only who acted has died: let go of what it had open."""
        mine = [one for one in self.disk._connections if one not in connections]
        for connection in mine:
            try:
                connection.close(force=True)
            except (Died, Exception):  # noqa: BLE001 - it is dead, whatever it says
                continue
        for descriptor in [one for one in self.disk._descriptors if one not in descriptors]:
            self.disk.closed(descriptor)
            os.close(descriptor)
        self.disk.dead, self.disk.at = False, 0

    def handed_over(self, permit: object, message: Message) -> None:
        """The dispatcher hands a message to an adapter: everything that must come before has come."""
        self.maybe_killed("submit")
        self.channels[message.send_key] = message.channel
        self.watch.handed_over(permit, message)

    # -- what is to come --

    @property
    def loop_clock(self) -> WorldClock:
        """The clock of a service."""
        return WorldClock(self, waits=True)

    def met_a_fault(self, name: str) -> None:
        """The disk has failed, for the first time since it was told to or once more."""
        if not self.acting:
            self.faulty_life = True
        if self.disk.faults_met == 1:
            self.tally["storage fault"] += 1
            self.say(f"the disk fails: {Path(name).name}")

    @contextmanager
    def disk_asleep(self) -> Iterator[None]:
        """Let no death and no fault of the disk come in between."""
        fault, at = self.disk.fault, self.disk.at
        self.disk.fault, self.disk.at = None, 0
        try:
            yield
        finally:
            self.disk.fault, self.disk.at = fault, at
            self.disk.forget()

    def die_soon(self, acts: int, loss: Loss | None) -> None:
        """Let the process, or the machine, die at one of the next acts on the disk."""
        if not self.disk.dead:
            self.disk.die_at(acts, loss)


@contextmanager
def simulated(world: World) -> Iterator[World]:
    """Put the world around the program: chance, adapters, the disk, and patience."""
    urandom, sandbox, settle = os.urandom, ADAPTERS["sandbox"], service.settle_memory  # noqa: TID251 - see below
    patience, attempts, quiet = commands.PATIENCE_S, lock._ATTEMPTS, service.IDLE_CHECKPOINT_TURNS
    limits = runtime_loop.LoopLimits
    drawn = random.Random(f"urandom {world.case.seed}")
    world.home.mkdir(parents=True)
    os.urandom = drawn.randbytes  # noqa: TID251 - what the program draws follows from the seed as well
    ADAPTERS["sandbox"] = lambda channel, _config: SimulatedAdapter(world, channel)
    service.settle_memory = lambda: None
    runtime_loop.LoopLimits = lambda: world.limits  # type: ignore[misc, assignment]
    commands.PATIENCE_S, lock._ATTEMPTS, service.IDLE_CHECKPOINT_TURNS = 0, 1, QUIET_TURNS - 2
    try:
        with mounted(world.disk), world.watch.observing():
            yield world
    finally:
        world.disk.release()
        os.urandom, ADAPTERS["sandbox"], service.settle_memory = urandom, sandbox, settle  # noqa: TID251 - see above
        commands.PATIENCE_S, lock._ATTEMPTS, service.IDLE_CHECKPOINT_TURNS = patience, attempts, quiet
        runtime_loop.LoopLimits = limits  # type: ignore[misc]
