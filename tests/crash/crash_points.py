"""Death at a chosen moment: a process that forks a child for each order, and the child dies before its nth act on the disk.

    python crash_points.py            one JSON order a line on standard input, one JSON result a line on standard output

    {"act": "serve", "file": ..., "state": ..., "at": 17, "how": "kill", "seed": 1}

An act on the disk is a write, sync, truncation or deletion of the database or its WAL, a sync, link or rename of any other
file, or a write of the tip. `how` is "kill" (SIGKILL: what was written stays) or "power" (the machine: of what was written to
the database, its WAL and the tip since their last sync, each write is lost or kept by the throw of a coin). `at` 0 never dies.
The result says how the child ended, and how often it acted.

Forking keeps a crash cheap: the program is loaded once, and every child starts without any file open.
"""

from __future__ import annotations

import json
import os
import random  # noqa: TID251 - a seed decides what a power cut loses
import signal
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import apsw

from dee_appliance import Engine
from dee_appliance.channels.interface import Message
from dee_appliance.channels.registry import ADAPTERS, ChannelConfig, read_options
from dee_appliance.channels.sandbox import SandboxAdapter, SandboxOptions
from dee_appliance.kernel.e1.plan import Channel
from dee_appliance.runtime.appliance import open_appliance  # loaded here, once for all children
from dee_appliance.runtime.service import Stop, serve
from dee_appliance.store import sends_log, tip
from dee_appliance.store.state_dir import StateDir

if TYPE_CHECKING:
    from typing_extensions import Buffer

__all__ = ["open_appliance", "serve"]


class Disk:
    """Counts what the process does to the disk, remembers what is not synced yet, and ends the process at the chosen act."""

    def __init__(self, at: int, how: str, seed: int) -> None:
        self.acts = 0
        self.passed = 0
        """Messages that a strict adapter has taken."""
        self._at = at
        self._power = how == "power"
        self._random = random.Random(seed)
        self._unsynced: dict[str, list[tuple[int, bytes, int]]] = {}
        self._descriptors: dict[str, int] = {}

    def act(self) -> None:
        """One more act is about to happen, or never does."""
        self.acts += 1
        if self.acts == self._at:
            if self._power:
                self._lose()
            os.kill(os.getpid(), signal.SIGKILL)

    def writing(self, name: str, offset: int, length: int) -> None:
        """Remember what stands where something will be written."""
        self.act()
        if self._power:
            descriptor = self._descriptor(name)
            self._unsynced.setdefault(name, []).append((offset, os.pread(descriptor, length, offset), length))

    def synced(self, name: str) -> None:
        """What was written to this file will stay."""
        self._unsynced.pop(name, None)

    def is_synced(self, name: str) -> bool:
        """Whether nothing written to a file can be lost any more."""
        return not self._unsynced.get(name)

    def _descriptor(self, name: str) -> int:
        # Never closed: closing it would drop this process's locks on the file.
        if name not in self._descriptors:
            self._descriptors[name] = os.open(name, os.O_RDWR)
        return self._descriptors[name]

    def _lose(self) -> None:
        for name, writes in self._unsynced.items():
            for offset, before, length in reversed(writes):
                if self._random.random() < 0.5:
                    _pwrite(self._descriptor(name), before.ljust(length, b"\0"), offset)
        for name in list(self._unsynced):
            Path(name.removesuffix("-wal") + "-shm").unlink(missing_ok=True)


_pwrite, _fsync, _fdatasync, _rename, _link, _unlink = os.pwrite, os.fsync, os.fdatasync, os.rename, os.link, os.unlink


def _name(descriptor: int) -> str:
    return str(Path(f"/proc/self/fd/{descriptor}").readlink())


class WatchedVFS(apsw.VFS):
    """SQLite's file layer, with the disk watching."""

    def __init__(self, disk: Disk) -> None:
        self._disk = disk
        super().__init__("watched", "", makedefault=True)

    def xOpen(self, name: Any, flags: list[int]) -> apsw.VFSFile:  # noqa: N802 - its name
        """Open a file."""
        return WatchedFile(self._disk, name, flags)

    def xDelete(self, name: str, sync: bool) -> None:  # noqa: N802 - its name
        """Delete a file."""
        self._disk.act()
        self._disk.synced(name)
        super().xDelete(name, sync)


class WatchedFile(apsw.VFSFile):
    """One file of SQLite's."""

    def __init__(self, disk: Disk, name: Any, flags: list[int]) -> None:
        self._disk = disk
        self._name = name.filename() if isinstance(name, apsw.URIFilename) else str(name)
        super().__init__("unix", name, flags)

    def xWrite(self, data: bytes, offset: int) -> None:  # noqa: N802 - its name
        """Write."""
        self._disk.writing(self._name, offset, len(data))
        super().xWrite(data, offset)

    def xSync(self, flags: int) -> None:  # noqa: N802 - its name
        """Sync."""
        self._disk.act()
        super().xSync(flags)
        self._disk.synced(self._name)

    def xLock(self, level: int) -> None:  # noqa: N802 - its name
        """Lock. A reader cannot, and SQLite asks it to try when it closes: through Python that must be "busy", not an error."""
        try:
            super().xLock(level)
        except apsw.IOError as error:
            raise apsw.BusyError from error

    def xTruncate(self, size: int) -> None:  # noqa: N802 - its name
        """Cut."""
        self._disk.act()
        super().xTruncate(size)


def watch(disk: Disk) -> WatchedVFS:
    """Let everything that this process does to the disk pass through the watcher."""

    def acting(function: Callable[..., Any]) -> Callable[..., Any]:
        def watched(*arguments: Any, **options: Any) -> Any:
            disk.act()
            return function(*arguments, **options)

        return watched

    def pwrite(descriptor: int, data: Buffer, offset: int, /) -> int:
        disk.writing(_name(descriptor), offset, memoryview(data).nbytes)
        return _pwrite(descriptor, data, offset)

    def fdatasync(fd: Any) -> None:
        disk.act()
        _fdatasync(fd)
        disk.synced(_name(fd))

    os.fsync, os.rename, os.link = acting(_fsync), acting(_rename), acting(_link)
    os.pwrite, os.fdatasync = pwrite, fdatasync
    tip._data_sync = sends_log._data_sync = fdatasync
    return WatchedVFS(disk)


class StrictSandbox(SandboxAdapter):
    """A sandbox that takes a message only when everything that must come before it is on the disk."""

    def __init__(self, channel: Channel, config: ChannelConfig, *, disk: Disk, engine: Engine, state: StateDir) -> None:
        super().__init__(channel, read_options(SandboxOptions, channel, config))
        self._disk = disk
        self._engine = engine
        self._state = state

    def submit(self, permit: object, message: Message) -> None:
        """Look first, then take it."""
        path = Path(os.path.realpath(self._engine.path))
        for name in (path, path.with_name(path.name + "-wal")):
            assert self._disk.is_synced(str(name)), f"{name} is not synced"
        with self._engine.view() as view:
            mark = view.database.execute(
                "SELECT mark FROM ledger WHERE send_key = ? AND attempt = ? ORDER BY mark",
                (message.send_key, message.attempt),
            )
            tip = self._state.read_tip(view.lineage)
            assert mark == [("DISPATCHING",)], f"the mark is not committed: {mark}"
            assert tip is not None
            assert (tip.size, tip.head) == (view.log_size, view.log_head), "the tip is not that of the log"
            remembered = self._state.forgotten_sends(view.lineage, view.log_size - 1)
        folder = self._state.root / view.lineage.hex()
        assert self._disk.is_synced(str(folder / "tip")), "the tip is not synced"
        assert (message.send_key, message.attempt) in {(one.send_key, one.attempt) for one in remembered}
        super().submit(permit, message)
        self._disk.passed += 1


def perform(order: dict[str, Any], disk: Disk) -> None:
    """Do what the order says, through the public API."""
    state = StateDir(Path(order["state"]))
    engine = Engine(order["file"], state_dir=state)
    if order.get("strict"):
        ADAPTERS["sandbox"] = lambda channel, config: StrictSandbox(
            channel, config, disk=disk, engine=engine, state=state
        )
    perform_act(engine, order)


def perform_act(engine: Engine, order: dict[str, Any]) -> None:
    """Do one thing with the file."""
    match order["act"]:
        case "serve":
            engine.serve(until_idle=True, stop=Stop())
        case "arm":
            engine.arm()
        case "enroll":
            engine.enroll("notes")
        case "import":
            engine.import_contacts(order["csv"])
        case "halt":
            engine.halt()
        case "snapshot":
            engine.snapshot(order["target"])
        case "erase":
            engine.erase_contact(order["contact"])
        case "make":
            Engine.create(order["file"], state_dir=StateDir(Path(order["state"])))
        case other:
            raise AssertionError(other)


def child(order: dict[str, Any], results: int) -> None:
    """Live, act, and die when told to."""
    disk = Disk(order["at"], order["how"], order["seed"])
    vfs = watch(disk)
    error = ""
    try:
        perform(order, disk)
    except Exception:  # noqa: BLE001 - whatever it is, the test shall see it
        error = traceback.format_exc()
    os.write(results, json.dumps({"acts": disk.acts, "passed": disk.passed, "error": error}).encode())
    del vfs


def main() -> None:
    """Fork a child for every order."""
    for line in sys.stdin:
        results, theirs = os.pipe()
        process = os.fork()
        if process == 0:
            child(json.loads(line), theirs)
            os._exit(0)
        os.close(theirs)
        with os.fdopen(results, "rb") as pipe:
            said = pipe.read()
        _, status = os.waitpid(process, 0)
        died = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
        result = json.loads(said) if said else {"acts": 0, "error": "" if died else f"status {status}"}
        sys.stdout.write(json.dumps({"died": died, **result}) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
