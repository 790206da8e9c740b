"""Work done in a child process: several files at once, or a file of somebody else within limits and without a network.

The child is a fork: it inherits what it needs, sends back frames over a pipe (progress, then one result or one error) and ends
without ceremony. Whatever it is killed by (its limits, a fault of SQLite on a hostile page) becomes an error in words here.

Rules a change must keep: the parent has no open database when it forks; what a child leaves on the disk lies in a folder of the
parent, which deletes it.
"""

from __future__ import annotations

import os
import resource
import select
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Literal

import msgspec

from dee_appliance.errors import DeeError, EvidenceError, HostError, Newer, Refused

if TYPE_CHECKING:
    from collections.abc import Sequence

Told = Callable[[int, int], None]
Work = Callable[[Told], msgspec.Raw]
"""Gets a function to be told of progress; returns its result as JSON."""

FRAME_BYTES = 4
READ_BYTES = 1 << 20
CLONE_NEWUSER, CLONE_NEWNET = 0x10000000, 0x40000000
GRACE_S = 5
"""Between the signal that ends a child which took too long, and the one that nothing survives."""


KINDS: dict[str, type[DeeError]] = {
    "EvidenceError": EvidenceError,
    "Newer": Newer,
    "HostError": HostError,
    "Refused": Refused,
}
"""What an error is called in a pipe; the first that fits."""


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """What a child may use: bytes of address space and seconds of processor time. `network` False: no socket works in it."""

    memory_bytes: int | None = None
    cpu_s: int | None = None
    network: bool = True


UNLIMITED = Limits()


class Failure(msgspec.Struct, frozen=True, kw_only=True):
    """An error as it goes through a pipe. `exit_code` as of the command that would stop with it."""

    code: str
    what: str
    where: str | None = None
    hint: str | None = None
    exit_code: int = 1

    def error(self) -> DeeError:
        """Return it as an error of this process."""
        return KINDS.get(self.code, DeeError)(self.what, where=self.where, hint=self.hint)


class Done(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one piece of work: its result as JSON, which counts unless there is a failure."""

    result: msgspec.Raw = msgspec.Raw(b"null")
    failure: Failure | None = None


class _Frame(msgspec.Struct, frozen=True, array_like=True):
    kind: Literal["progress", "done"]
    done: int = 0
    total: int = 0
    outcome: Done | None = None


class _Child:
    """One running piece of work, as the parent sees it."""

    def __init__(self, position: int, where: str, process: int, pipe: int) -> None:
        self.position = position
        self.where = where
        self.process = process
        self.pipe = pipe
        self.outcome: Done | None = None
        self.progress = (0, 0)
        self._buffer = bytearray()

    def read(self) -> bool:
        """Take what has come; False at the end."""
        data = os.read(self.pipe, READ_BYTES)
        self._buffer += data
        while len(self._buffer) >= FRAME_BYTES:
            end = FRAME_BYTES + int.from_bytes(self._buffer[:FRAME_BYTES], "big")
            if len(self._buffer) < end:
                break
            self._take(bytes(self._buffer[FRAME_BYTES:end]))
            del self._buffer[:end]
        return bool(data)

    def _take(self, frame: bytes) -> None:
        told = msgspec.json.decode(frame, type=_Frame)
        if told.kind == "progress":
            self.progress = (told.done, told.total)
        else:
            self.outcome = told.outcome

    def finish(self, limits: Limits) -> Done:
        """Wait for the end of the process and say what came of it."""
        os.close(self.pipe)
        _, status = os.waitpid(self.process, 0)
        if self.outcome is not None:
            return self.outcome
        return Done(failure=_died(status, self.where, limits))

    def kill(self) -> None:
        """End it at once."""
        with suppress(ProcessLookupError):
            os.kill(self.process, signal.SIGKILL)
        with suppress(ChildProcessError):
            os.waitpid(self.process, 0)
        os.close(self.pipe)


def in_children(
    works: Sequence[tuple[str, Work]],
    *,
    jobs: int,
    limits: Limits = UNLIMITED,
    progress: Told | None = None,
) -> list[Done]:
    """Do each piece of work in a process of its own, `jobs` at a time. `works` are pairs of a place for errors and the work.

    The outcomes come in the order of the works; one that fails does not stop the others. `progress` is told the sums.
    """
    outcomes: list[Done] = [Done() for _ in works]
    waiting = list(enumerate(works))[::-1]
    running: dict[int, _Child] = {}
    shown: dict[int, tuple[int, int]] = {}
    poll = select.poll()
    try:
        while waiting or running:
            while waiting and len(running) < max(1, jobs):
                position, (where, work) = waiting.pop()
                child = _start(position, where, work, limits)
                running[child.pipe] = child
                poll.register(child.pipe, select.POLLIN | select.POLLHUP)
            for pipe, _ in poll.poll():
                child = running[pipe]
                if not child.read():
                    poll.unregister(pipe)
                    outcomes[child.position] = running.pop(pipe).finish(limits)
                shown[child.position] = child.progress
            if progress is not None:
                progress(sum(one[0] for one in shown.values()), sum(one[1] for one in shown.values()))
    finally:
        for child in running.values():
            child.kill()
    return outcomes


def _died(status: int, where: str, limits: Limits) -> Failure:
    number = os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0
    if number == signal.SIGXCPU or (number == signal.SIGKILL and limits.cpu_s is not None):
        what = f"reading the file took more than {limits.cpu_s} seconds of processor time"
        return Failure(code="EvidenceError", what=what, where=where, hint="allow it more time", exit_code=4)
    how = f"by signal {number}" if number else f"with exit code {os.waitstatus_to_exitcode(status)}"
    what = f"the process that read the file was ended {how}"
    return Failure(code="HostError", what=what, where=where, hint="try again; report it when it happens again")


# ---- in the child ------------------------------------------------------------------------------------------------------


def _start(position: int, where: str, work: Work, limits: Limits) -> _Child:
    reading, writing = os.pipe()
    process = os.fork()
    if process:
        os.close(writing)
        return _Child(position, where, process, reading)
    try:
        os.close(reading)
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_DFL)
        _send(writing, _Frame("done", outcome=_done(work, where, limits, writing)))
    finally:
        os._exit(0)  # no clean-up of the parent's is ours
    return _Child(position, where, process, reading)


def _done(work: Work, where: str, limits: Limits, pipe: int) -> Done:
    try:
        apply_limits(limits)
        return Done(result=work(lambda done, total: _send(pipe, _Frame("progress", done, total))))
    except DeeError as error:
        kind = next((name for name, one in KINDS.items() if isinstance(error, one)), "DeeError")
        return Done(failure=_failure(kind, error.what, error.where or where, error.hint, error.exit_code))
    except MemoryError:
        megabytes = (limits.memory_bytes or 0) >> 20
        what = f"reading the file needs more than {megabytes} MB of memory"
        return Done(failure=_failure("EvidenceError", what, where, "allow it more memory", EvidenceError.exit_code))
    except OSError as error:
        return Done(failure=_failure("HostError", (error.strerror or str(error)).lower(), where, None, 1))
    except Exception as error:  # noqa: BLE001 - it has no other way out of this process
        what = f"unexpected {type(error).__name__}: {error}"
        return Done(failure=_failure("unexpected", what, where, "this is a fault of the program: report it", 1))


def _failure(code: str, what: str, where: str, hint: str | None, exit_code: int) -> Failure:
    return Failure(code=code, what=what, where=where, hint=hint, exit_code=exit_code)


def _send(pipe: int, frame: _Frame) -> None:
    data = msgspec.json.encode(frame)
    view = memoryview(len(data).to_bytes(FRAME_BYTES, "big") + data)
    while view:
        view = view[os.write(pipe, view) :]


def apply_limits(limits: Limits) -> None:
    """Put this process under limits, for good. What the system does not offer is left out, but for sockets: none is made."""
    if limits.memory_bytes is not None:
        _lower(resource.RLIMIT_AS, limits.memory_bytes, limits.memory_bytes)
    if limits.cpu_s is not None:
        _lower(resource.RLIMIT_CPU, limits.cpu_s, limits.cpu_s + GRACE_S)
    if not limits.network:
        _lower(resource.RLIMIT_CORE, 0, 0)
        _leave_network()
        sys.addaudithook(_refuse_sockets)


def _lower(which: int, soft: int, hard: int) -> None:
    most = resource.getrlimit(which)[1]
    if most != resource.RLIM_INFINITY:
        soft, hard = min(soft, most), min(hard, most)
    with suppress(ValueError, OSError):
        resource.setrlimit(which, (soft, hard))


def _leave_network() -> None:
    """Go into a network of one's own, which has no way out, where the system lets an ordinary user do so (Linux)."""
    if not sys.platform.startswith("linux"):
        return
    import ctypes  # noqa: PLC0415 - only a child that reads somebody else's file needs it

    with suppress(OSError, AttributeError):
        unshare = ctypes.CDLL(None, use_errno=True).unshare
        if unshare(CLONE_NEWNET) != 0:
            unshare(CLONE_NEWUSER | CLONE_NEWNET)


def _refuse_sockets(event: str, arguments: tuple[object, ...]) -> None:
    del arguments
    if event.startswith("socket."):
        raise PermissionError(1, "this process has no network")
