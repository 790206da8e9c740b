"""Death at a chosen moment: a process that forks a child for each order, and the child dies before its nth act on the disk.

    python crash_points.py            one JSON order a line on standard input, one JSON result a line on standard output

    {"act": "serve", "file": ..., "state": ..., "at": 17, "how": "kill", "seed": 1}

What an act is, and what a power cut takes, is said in tests/watched_disk.py. `how` is "kill" (SIGKILL: what was written stays) or
the loss of a power cut: "all", "none", "tail", "coin". `at` 0 never dies. The result says how the child ended, and how often it
acted.

Forking keeps a crash cheap: the program is loaded once, and every child starts without any file open.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import traceback
from pathlib import Path
from typing import Any, ClassVar

from watched_calls import mounted
from watched_disk import Disk

from dee_appliance import Engine
from dee_appliance.channels.interface import Message
from dee_appliance.channels.registry import ADAPTERS, ChannelConfig, read_options
from dee_appliance.channels.sandbox import SandboxAdapter, SandboxOptions
from dee_appliance.kernel.e1.plan import Channel
from dee_appliance.runtime.appliance import open_appliance  # loaded here, once for all children
from dee_appliance.runtime.service import Stop, serve
from dee_appliance.store.state_dir import StateDir

__all__ = ["open_appliance", "serve"]


class StrictSandbox(SandboxAdapter):
    """A sandbox that takes a message only when everything that must come before it is on the disk."""

    passed: ClassVar[list[int]] = [0]
    """Messages that it has taken."""

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
        self.passed[0] += 1


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
    loss = None if order["how"] == "kill" else order["how"]
    disk = Disk(Path(order["file"]).parent, seed=order["seed"], lossy=loss is not None, real_death=True)
    disk.die_at(order["at"], loss)
    error = ""
    with mounted(disk):
        try:
            perform(order, disk)
        except Exception:  # noqa: BLE001 - whatever it is, the test shall see it
            error = traceback.format_exc()
    os.write(results, json.dumps({"acts": disk.acts, "passed": StrictSandbox.passed[0], "error": error}).encode())


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
