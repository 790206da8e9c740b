"""What stands between a process and a watched disk: SQLite's file layer, and the functions of `os` that the program uses.

`with mounted(disk):` lets everything that this process does below the folder of the disk pass through it, other files untouched.
The layers are put in place once and stay; several disks may be mounted at a time.
"""

from __future__ import annotations

import errno
import fcntl
import io
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import apsw
from watched_disk import REAL, Disk, Fault, Kind

from dee_appliance.store import sends_log, tip

if TYPE_CHECKING:
    from typing_extensions import Buffer

_OF_KIND: dict[Kind, int] = {
    "read": apsw.SQLITE_IOERR_READ,
    "write": apsw.SQLITE_IOERR_WRITE,
    "sync": apsw.SQLITE_IOERR_FSYNC,
    "truncate": apsw.SQLITE_IOERR_TRUNCATE,
    "delete": apsw.SQLITE_IOERR_DELETE,
}
_FOLDER_SYNCED_WITH_FILE = apsw.SQLITE_OPEN_WAL | apsw.SQLITE_OPEN_MAIN_JOURNAL | apsw.SQLITE_OPEN_SUPER_JOURNAL
_open_stream = io.open
_mounted: list[Disk] = []
_layer: list[apsw.VFS] = []


@contextmanager
def mounted(disk: Disk) -> Iterator[Disk]:
    """Let what happens below the disk's folder pass through it."""
    if not _layer:
        _put_in_place()
    _mounted.append(disk)
    try:
        yield disk
    finally:
        _mounted.remove(disk)
        disk.forget()


def _disk_of(name: str) -> Disk | None:
    for disk in _mounted:
        if name.startswith(disk.root) and name[len(disk.root) :][:1] in {"", "/"}:
            return disk
    return None


def _put_in_place() -> None:
    _layer.append(WatchedVFS())
    apsw.connection_hooks.append(_connected)
    for name, function in _FUNCTIONS.items():
        setattr(os, name, function)
    io.open = _watched_stream
    tip._data_sync = sends_log._data_sync = _fdatasync


def _connected(connection: apsw.Connection) -> None:
    disk = _disk_of(connection.filename)
    if disk is not None:
        disk.connected(connection)


# -- SQLite --


def _sqlite_error(fault: Fault, kind: Kind) -> Exception:
    if fault.error == "full":
        return apsw.FullError("the disk is full")
    return apsw.exception_for(_OF_KIND[kind])


class WatchedVFS(apsw.VFS):
    """SQLite's file layer, with the disk watching."""

    def __init__(self) -> None:
        super().__init__("watched", "", makedefault=True)

    def xOpen(self, name: Any, flags: list[int]) -> apsw.VFSFile:  # noqa: N802 - its name
        """Open a file."""
        text = name.filename() if isinstance(name, apsw.URIFilename) else str(name or "")
        disk = _disk_of(text)
        if disk is None:
            return PlainFile(name, flags)
        new = bool(flags[0] & apsw.SQLITE_OPEN_CREATE) and not os.path.lexists(text)
        fault = disk.meet("create" if new else "read", text)
        if fault is not None:
            raise apsw.CantOpenError("the disk fails")
        file = WatchedFile(disk, text, name, flags)
        if new:
            disk.named("create", text)
        return file

    def xDelete(self, name: str, sync: bool) -> None:  # noqa: N802 - its name
        """Delete a file."""
        disk = _disk_of(name)
        if disk is not None:
            fault = disk.meet("delete", name)
            if fault is not None:
                raise _sqlite_error(fault, "delete")
            disk.deleting(name)
        super().xDelete(name, sync)
        if disk is not None and sync:
            disk.folder_synced(str(Path(name).parent))


class PlainFile(apsw.VFSFile):
    """One file of SQLite's that nobody watches."""

    def __init__(self, name: Any, flags: list[int]) -> None:
        super().__init__("unix", name, flags)

    def xLock(self, level: int) -> None:  # noqa: N802 - its name
        """Lock. A reader cannot, and SQLite asks it to try when it closes: through Python that must be "busy", not an error."""
        try:
            super().xLock(level)
        except apsw.IOError as error:
            raise apsw.BusyError from error


class WatchedFile(PlainFile):
    """One file of SQLite's."""

    def __init__(self, disk: Disk, text: str, name: Any, flags: list[int]) -> None:
        self._disk = disk
        self._name = text
        # SQLite makes the name of a log or journal durable with its first sync.
        self._folder_too = bool(flags[0] & apsw.SQLITE_OPEN_CREATE and flags[0] & _FOLDER_SYNCED_WITH_FILE)
        super().__init__(name, flags)

    def _meet(self, kind: Kind) -> None:
        fault = self._disk.meet(kind, self._name)
        if fault is not None:
            raise _sqlite_error(fault, kind)

    def _bytes(self, offset: int, length: int, size: int) -> bytes:
        length = max(min(length, size - offset), 0)
        return super().xRead(length, offset).ljust(length, b"\0") if length else b""

    def xRead(self, amount: int, offset: int) -> bytes:  # noqa: N802 - its name
        """Read."""
        self._meet("read")
        return super().xRead(amount, offset)

    def xWrite(self, data: bytes, offset: int) -> None:  # noqa: N802 - its name
        """Write."""
        fault = self._disk.meet("write", self._name)
        if fault is not None and fault.short:
            data = data[: len(data) // 2]
        if fault is None or fault.short:
            if self._disk.lossy:
                size = super().xFileSize()
                self._disk.changing(self._name, offset, bytes(data), self._bytes(offset, len(data), size), size)
            super().xWrite(data, offset)
        if fault is not None:
            raise _sqlite_error(fault, "write")

    def xSync(self, flags: int) -> None:  # noqa: N802 - its name
        """Sync."""
        fault = self._disk.meet("sync", self._name)
        if fault is not None:
            self._disk.not_synced(self._name)
            raise _sqlite_error(fault, "sync")
        super().xSync(flags)
        self._disk.synced(self._name)
        if self._folder_too:
            self._disk.folder_synced(str(Path(self._name).parent))
            self._folder_too = False

    def xTruncate(self, size: int) -> None:  # noqa: N802 - its name
        """Cut."""
        self._meet("truncate")
        if self._disk.lossy:
            before = super().xFileSize()
            self._disk.changing(self._name, size, None, self._bytes(size, before - size, before), before)
        super().xTruncate(size)


# -- the operating system --


def _absolute(path: Any) -> str:
    text = os.fsdecode(path)
    return text if text.startswith("/") else os.path.join(os.getcwd(), text)  # noqa: PTH109, PTH118 - called very often


def _where(descriptor: int) -> tuple[Disk | None, str]:
    if not _mounted:
        return None, ""
    try:
        name = os.readlink(f"/proc/self/fd/{descriptor}")  # noqa: PTH115 - called very often
    except OSError:
        return None, ""
    return _disk_of(name), name


def _raise(fault: Fault | None) -> None:
    if fault is not None:
        number = errno.ENOSPC if fault.error == "full" else errno.EIO
        raise OSError(number, os.strerror(number))


def _open(path: Any, flags: int, *more: Any, **options: Any) -> int:
    name = _absolute(path)
    disk = _disk_of(name)
    new = False
    if disk is not None:
        new = bool(flags & os.O_CREAT) and not os.path.lexists(name)
        _raise(disk.meet("create" if new else "read", name))
    descriptor: int = REAL["open"](path, flags, *more, **options)
    if disk is not None:
        disk.opened(descriptor)
        if new:
            disk.named("create", name)
    return descriptor


def _close(fd: int) -> None:
    for disk in _mounted:
        disk.closed(fd)
    REAL["close"](fd)


def _reading(function: str) -> Callable[..., Any]:
    def watched(fd: int, *arguments: Any) -> Any:
        disk, name = _where(fd)
        if disk is not None:
            _raise(disk.meet("read", name))
        return REAL[function](fd, *arguments)

    return watched


def _write(fd: int, data: Buffer, /) -> int:
    disk, name = _where(fd)
    if disk is None:
        written: int = REAL["write"](fd, data)
        return written
    appends = fcntl.fcntl(fd, fcntl.F_GETFL) & os.O_APPEND
    offset = os.lseek(fd, 0, os.SEEK_END if appends else os.SEEK_CUR)
    count = _put(disk, name, fd, data, offset)
    os.lseek(fd, offset + count, os.SEEK_SET)
    return count


def _pwrite(fd: int, data: Buffer, offset: int, /) -> int:
    disk, name = _where(fd)
    if disk is None:
        written: int = REAL["pwrite"](fd, data, offset)
        return written
    return _put(disk, name, fd, data, offset)


def _put(disk: Disk, name: str, fd: int, data: Buffer, offset: int) -> int:
    content = bytes(data)
    fault = disk.meet("write", name)
    if fault is not None and (not fault.short or len(content) < 2):
        _raise(fault)
    if fault is not None:
        # What a disk that fills up does: it takes a part, and fails when it is asked again.
        content = content[: len(content) // 2]
    if disk.lossy:
        disk.changing(name, offset, content, _before(name, offset, len(content)), os.fstat(fd).st_size)
    REAL["pwrite"](fd, content, offset)
    return len(content)


def _before(name: str, offset: int, length: int) -> bytes:
    descriptor = REAL["open"](name, os.O_RDONLY)  # the caller's may be open for writing only
    try:
        found: bytes = REAL["pread"](descriptor, length, offset)
    finally:
        REAL["close"](descriptor)
    return found


def _ftruncate(fd: int, length: int, /) -> None:
    disk, name = _where(fd)
    if disk is not None:
        _raise(disk.meet("truncate", name))
        size = os.fstat(fd).st_size
        if disk.lossy and size != length:
            disk.changing(name, length, None, _before(name, length, max(size - length, 0)), size)
    REAL["ftruncate"](fd, length)


def _syncing(function: str) -> Callable[..., None]:
    def watched(fd: int) -> None:
        disk, name = _where(fd)
        if disk is None:
            REAL[function](fd)
            return
        fault = disk.meet("sync", name)
        if fault is not None:
            disk.not_synced(name)
            _raise(fault)
        REAL[function](fd)
        disk.synced(name)
        if os.path.isdir(name):  # noqa: PTH112 - called very often
            disk.folder_synced(name)

    return watched


_fdatasync = _syncing("fdatasync")


def _link(src: Any, dst: Any, **options: Any) -> None:
    name = _absolute(dst)
    disk = _disk_of(name)
    if disk is not None:
        _raise(disk.meet("link", name))
    REAL["link"](src, dst, **options)
    if disk is not None:
        disk.named("link", name)


def _unlink(path: Any, **options: Any) -> None:
    name = _absolute(path)
    disk = _disk_of(name)
    if disk is not None and os.path.lexists(name):
        _raise(disk.meet("delete", name))
        disk.deleting(name)
    REAL["unlink"](path, **options)


def _renaming(function: str) -> Callable[..., None]:
    def watched(src: Any, dst: Any, **options: Any) -> None:
        name = _absolute(dst)
        disk = _disk_of(name)
        if disk is not None:
            _raise(disk.meet("rename", name))
            disk.renaming(_absolute(src), name)
        REAL[function](src, dst, **options)

    return watched


def _mkdir(path: Any, *more: Any, **options: Any) -> None:
    name = _absolute(path)
    disk = _disk_of(name)
    new = disk is not None and not os.path.lexists(name)
    if disk is not None and new:
        _raise(disk.meet("create", name))
    REAL["mkdir"](path, *more, **options)
    if disk is not None and new:
        disk.named("mkdir", name)


def _watched_stream(file: Any, mode: str = "r", *more: Any, **options: Any) -> Any:
    """The program writes through descriptors; through streams it only reads."""
    if _mounted and not isinstance(file, int):
        name = _absolute(file)
        disk = _disk_of(name)
        if disk is not None:
            _raise(disk.meet("read", name))
    return _open_stream(file, mode, *more, **options)


_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "open": _open,
    "close": _close,
    "read": _reading("read"),
    "pread": _reading("pread"),
    "write": _write,
    "pwrite": _pwrite,
    "ftruncate": _ftruncate,
    "fsync": _syncing("fsync"),
    "fdatasync": _fdatasync,
    "link": _link,
    "unlink": _unlink,
    "rename": _renaming("rename"),
    "replace": _renaming("replace"),
    "mkdir": _mkdir,
}
