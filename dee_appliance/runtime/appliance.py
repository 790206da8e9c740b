"""An appliance: one file, opened by the one process that may run it, with its lock, journal, tip and (if it may send) adapters.

Commands and the loop open the file the same way; only `serve` brings adapters. Nothing dispatches unless the file is
armed on this host, or simulated with local adapters only, and its tip is a prefix of its log.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

import msgspec

from dee_appliance.channels.null import NullAdapter
from dee_appliance.channels.registry import open_adapter
from dee_appliance.errors import EvidenceError, HostError
from dee_appliance.kernel.e1.civil_time import format_utc
from dee_appliance.runtime.admission import Admission
from dee_appliance.runtime.clock import Clock, SetClock, WallClock
from dee_appliance.runtime.config import CHANNELS, channel_configs, config_path, read_config
from dee_appliance.runtime.dispatcher import Dispatcher
from dee_appliance.runtime.doubts import Doubts
from dee_appliance.runtime.loop import Loop, LoopLimits, World
from dee_appliance.runtime.shell import LiveShell
from dee_appliance.runtime.world import SimulatedWorld, parse_shares
from dee_appliance.store.database import open_writer
from dee_appliance.store.durable import sync_what_is_left
from dee_appliance.store.header import wal_of
from dee_appliance.store.journal import Journal, NoShell
from dee_appliance.store.lock import LoopLock, holder
from dee_appliance.store.sends_log import SendsLog
from dee_appliance.store.state_dir import Armed, Disarmed, StateDir
from dee_appliance.store.tip import TipAgrees, TipAhead, TipFile, TipState, check_tip

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path
    from types import TracebackType

    from dee_appliance.channels.interface import Adapter
    from dee_appliance.kernel.e1.plan import Channel


class TipBarrier:
    """Remembers outside an armed file what left it and how far its log had come."""

    def __init__(self, tip: TipFile, sends: SendsLog, incarnation: int, armed: Callable[[], bool]) -> None:
        self._armed = armed
        self._tip = tip
        self._sends = sends
        self._incarnation = incarnation

    def reached(self, size: int, head: bytes, sends: Sequence[tuple[str, int]] = ()) -> None:
        """Make durable which attempts may leave now, then that the log has come this far."""
        if sends:
            self._sends.append(size, sends)
        self._tip.write(size, head, self._incarnation)

    def may_send(self) -> bool:
        """Tell whether the arming still holds: somebody may have disarmed the file, or deleted its lock, a moment ago."""
        return self._armed()

    def close(self) -> None:
        """Close both."""
        self._tip.close()
        self._sends.close()


SHOWN_SENDS = 20
OPENING_WAIT_S = 0.02
OPENING_TRIES = 50
"""A command keeps the file for milliseconds: whoever wants to run it waits that long before giving up."""

REHEARSAL_PLACES = 256


class Rehearsal(msgspec.Struct, frozen=True, kw_only=True):
    """Run a private copy of a file with simulated recipients and no adapter at all. `shares` are parts of ten thousand.

    `world` and `adapters` take the place of the recipients that are drawn and of the adapters that accept everything.
    """

    seed: int = 1
    shares: dict[str, int] = {}
    world: World | None = None
    adapters: dict[Channel, Adapter] | None = None


class Appliance:
    """One open file, held by this process. A context manager; made by `open_appliance`."""

    def __init__(
        self, path: Path, lock: LoopLock, clock: Clock | None, state_dir: StateDir, rehearsal: Rehearsal | None = None
    ) -> None:
        self.path = path
        self._rehearsal = rehearsal
        self._lock = lock
        self.state_dir = state_dir
        self.barrier: TipBarrier | None = None
        self.dispatcher: Dispatcher | None = None
        self.database = open_writer(path)
        try:
            # Who was killed in a commit may have left it written and not synced, or not synced for an error. Before anybody is
            # told of what it holds it is synced, and copied as well: a later sync of the same pages does not mend a failed one.
            sync_what_is_left(wal_of(self.database.path))
            self.database.checkpoint_truncate()
            self.journal = Journal(self.database, NoShell())
            self.simulated = rehearsal is not None or self.journal.genesis.clock == "simulated"
            self.clock: Clock = clock or (SetClock(self.journal.last_tick) if self.simulated else WallClock())
            self.shell = LiveShell(self.database, self.journal.state)
            self.journal.shell = self.shell
            self.admission = Admission(self.journal)
            self.doubts = None if self.simulated else Doubts(self.journal, self.clock)
            self.arming = self._arming()
        except BaseException:
            self.database.close()
            raise

    def _arming(self) -> Armed | Disarmed:
        """Whether this file may send here. A file behind its tip is a rollback: it is not run at all."""
        if self.simulated:
            return Disarmed("simulated files are never armed")
        state = self._arming_record()
        if isinstance(state, Disarmed):
            return state
        agrees = self.check_tip()
        if isinstance(agrees, TipAhead):
            raise self._rolled_back(agrees)
        if not isinstance(agrees, TipAgrees):
            return Disarmed("the tip outside the file is missing or belongs to another history")
        lineage = self.journal.genesis.lineage
        tip = self.state_dir.open_tip(lineage)
        self.barrier = TipBarrier(
            tip,
            self.state_dir.open_sends(lineage),
            self.incarnation,
            lambda: isinstance(self._arming_record(), Armed) and self._lock.is_intact(),
        )
        return state

    def _arming_record(self) -> Armed | Disarmed:
        return self.state_dir.arming_state(self.path, self.journal.genesis.lineage, self.incarnation)

    def _rolled_back(self, behind: TipAhead) -> EvidenceError:
        """Say what the file has forgotten: the entries, and the sends that really happened."""
        forgotten = self.state_dir.forgotten_sends(self.journal.genesis.lineage, behind.first)
        told = "".join(f"\n  sent: {one.send_key} attempt {one.attempt}" for one in forgotten[:SHOWN_SENDS])
        more = f"\n  and {len(forgotten) - SHOWN_SENDS} more" if len(forgotten) > SHOWN_SENDS else ""
        return EvidenceError(
            f"this file is behind what it had reached: an older copy was put back, entries {behind.first} to {behind.last} "
            f"are forgotten, and {len(forgotten)} sends with them{told}{more}",
            where=str(self.path),
            hint="find the newer file, or accept the loss with `dee arm --accept-loss`",
        )

    def check_tip(self) -> TipState:
        """Compare the file with the tip that is remembered outside it."""
        return check_tip(self.database, self.state_dir.read_tip(self.journal.genesis.lineage))

    @property
    def incarnation(self) -> int:
        """How often the file was armed."""
        value = self.journal.state.settings.get("incarnation", 0)
        return value if isinstance(value, int) else 0

    def reach(self) -> None:
        """After a commit: remember how far the log has come."""
        if self.barrier is not None:
            self.barrier.reached(self.journal.chain.next_seq, self.journal.chain.head)

    def loop(self, *, limits: LoopLimits | None = None) -> Loop:
        """Return the loop of this file, with adapters if it may send."""
        world: World | None = None
        if self.simulated:
            world = self._world()
        if self.simulated or isinstance(self.arming, Armed):
            self.dispatcher = self._dispatcher()
        return Loop(
            self.journal,
            self.admission,
            self.shell,
            self.clock,
            doubts=self.doubts,
            dispatcher=self.dispatcher,
            barrier=self.barrier,
            world=world,
            limits=limits,
        )

    def _world(self) -> World:
        if self._rehearsal is not None:
            if self._rehearsal.world is not None:
                return self._rehearsal.world
            return SimulatedWorld(self._rehearsal.seed, self._rehearsal.shares)
        assumed = self.journal.state.settings.get("simulation.assume", "")
        return SimulatedWorld(self.journal.genesis.seed, parse_shares(str(assumed)))

    def _dispatcher(self) -> Dispatcher:
        if self._rehearsal is not None:
            nothing: dict[Channel, Adapter] = {channel: NullAdapter(channel) for channel in CHANNELS}
            adapters = self._rehearsal.adapters or nothing
            return Dispatcher(adapters, dict.fromkeys(CHANNELS, REHEARSAL_PLACES), simulated=True)
        config = read_config(config_path(self.path))
        adapters = {}
        places: dict[Channel, int] = {}
        for channel, one in channel_configs(config, self.path, local_only=self.simulated).items():
            adapters[channel] = open_adapter(channel, one)
            places[channel] = one.concurrency
        return Dispatcher(adapters, places, simulated=self.simulated)

    def close(self) -> None:
        """Close the file, its WAL emptied, and let go of the lock."""
        try:
            if self.database.failure is None:
                self.database.checkpoint_truncate()
        finally:
            self.database.close()
            if self.barrier is not None:
                self.barrier.close()
            self._lock.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def try_open_appliance(
    path: Path,
    what: str,
    *,
    clock: Clock | None = None,
    state_dir: StateDir | None = None,
    rehearsal: Rehearsal | None = None,
) -> Appliance | None:
    """Open the file if no other process runs it; None if one does."""
    since = format_utc((clock or WallClock()).now())
    lock = LoopLock.try_acquire(path, what, since)
    if lock is None:
        return None
    try:
        return Appliance(path, lock, clock, state_dir or StateDir(), rehearsal)
    except BaseException:
        lock.release()
        raise


def open_appliance(
    path: Path,
    what: str,
    *,
    clock: Clock | None = None,
    state_dir: StateDir | None = None,
    rehearsal: Rehearsal | None = None,
) -> Appliance:
    """Open the file, waiting a second for commands to finish.

    Raises HostError, naming the holder, when another process runs it.
    """
    for _ in range(OPENING_TRIES):
        appliance = try_open_appliance(path, what, clock=clock, state_dir=state_dir, rehearsal=rehearsal)
        if appliance is not None:
            return appliance
        (clock or WallClock()).wait(OPENING_WAIT_S)
    raise HostError(
        f"another process runs this file: {holder(path) or 'unknown'}",
        where=str(path),
        hint="wait for it, or stop it",
    )
