"""One loop for one file: an advisory lock on `FILE.lock`, beside the file.

The lock is `flock` on a file of its own, not a lock on the database: POSIX locks vanish when any descriptor of the file closes.
The kernel drops it when its holder dies, however it dies, so there is nothing to clean up and no stale lock. The text in the lock
file only tells people who holds it; nothing is decided by it.

Rules a change must keep: the lock file is never deleted (a second process could then lock another file of the same name); a
forked child never keeps or releases its parent's lock.
"""

from __future__ import annotations

import fcntl
import os
import time
import weakref
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Self

import msgspec

from dee_appliance.errors import HostError

if TYPE_CHECKING:
    from types import TracebackType

# A look by `holder` keeps the lock for microseconds; so a refused attempt is repeated before it counts.
_ATTEMPTS = 3
_PAUSE_S = 0.003


class Holder(msgspec.Struct, frozen=True, kw_only=True):
    """Who says to hold the lock."""

    what: str
    pid: int
    host: str
    since: str

    def __str__(self) -> str:
        return f"{self.what} (process {self.pid} on {self.host}, since {self.since})"


_held: weakref.WeakSet[LoopLock] = weakref.WeakSet()


class LoopLock:
    """The held lock of one file. Use `try_acquire`, then as a context manager or with `release`."""

    def __init__(self, path: Path, descriptor: int) -> None:
        self.path = path
        self._descriptor: int | None = descriptor
        _held.add(self)

    @classmethod
    def try_acquire(cls, path: Path, what: str, held_since: str) -> LoopLock | None:
        """Return the lock of the file, or None when another holder has it (in this process or in any other).

        `what`: the program or command that will hold it; `held_since`: the present time as UTC text. Both are only for people.
        Raises HostError when the folder cannot be written or the file system has no locks.
        """
        lock_path = lock_file(path)
        try:
            descriptor = os.open(lock_path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        except OSError as error:
            raise _cannot(lock_path, error) from error
        text = Holder(what=what, pid=os.getpid(), host=os.uname().nodename, since=held_since)
        try:
            taken = _lock(descriptor, lock_path)
            if taken:
                _write(descriptor, msgspec.json.encode(text))
        except OSError as error:
            os.close(descriptor)
            raise _cannot(lock_path, error) from error
        if not taken:
            os.close(descriptor)
            return None
        return cls(lock_path, descriptor)

    def is_intact(self) -> bool:
        """Whether the locked file is still the one of that name: False when somebody deleted or replaced it."""
        if self._descriptor is None:
            return False
        try:
            return os.path.samestat(os.fstat(self._descriptor), self.path.stat())
        except FileNotFoundError:
            return False

    def release(self) -> None:
        """Give the lock up. Harmless when it was given up before."""
        if self._descriptor is None:
            return
        with suppress(OSError):  # the text is for people; what counts is the close
            _write(self._descriptor, b"")
        self._forget()

    def _forget(self) -> None:
        # Closing and not unlocking: in a forked child, unlocking would drop the parent's lock.
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()


def lock_file(path: Path) -> Path:
    """Return the name of the lock file of a database file: the same for every symbolic link to it."""
    real = Path(os.path.realpath(path))
    return real.with_name(real.name + ".lock")


def holder(path: Path) -> Holder | None:
    """Return who holds the loop's lock of the file now, or None when nobody does."""
    lock_path = lock_file(path)
    try:
        descriptor = os.open(lock_path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise _cannot(lock_path, error) from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return _read(descriptor)
    except OSError as error:
        raise _cannot(lock_path, error) from error
    finally:
        os.close(descriptor)
    return None


def _write(descriptor: int, text: bytes) -> None:
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, text, 0)


def _read(descriptor: int) -> Holder:
    try:
        return msgspec.json.decode(os.pread(descriptor, 4096, 0), type=Holder)
    except msgspec.DecodeError:
        return Holder(what="another process", pid=0, host="unknown host", since="just now")


def _lock(descriptor: int, lock_path: Path) -> bool:
    for attempt in range(_ATTEMPTS):
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if attempt + 1 < _ATTEMPTS:
                time.sleep(_PAUSE_S)
        else:
            # Between open and lock the file could have been replaced; then this lock guards nothing.
            return lock_path.exists() and os.path.samestat(os.fstat(descriptor), lock_path.stat())
    return False


def _cannot(path: Path, error: OSError) -> HostError:
    return HostError(
        f"the lock file cannot be used: {os.strerror(error.errno or 0)}",
        where=str(path),
        hint="act as the user who owns the file; to read only, copy the file without its lock",
    )


def _forget_all() -> None:
    for lock in list(_held):
        lock._forget()  # noqa: SLF001 - the two halves of one rule


os.register_at_fork(after_in_child=_forget_all)
