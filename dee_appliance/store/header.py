"""The first hundred bytes of a database file: whether it is ours, whole, and not newer than this program.

Read before SQLite opens the file, so that a file which is not ours is refused without one byte of it (or beside it) changing.
Byte positions: https://www.sqlite.org/fileformat2.html section 1.3.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

import apsw
import msgspec

from dee_appliance.errors import EvidenceError, HostError, Newer, Refused
from dee_appliance.store.schema import APPLICATION_ID, newest_format

HEADER_BYTES = 100
_MAGIC = b"SQLite format 3\x00"


class Header(msgspec.Struct, frozen=True, kw_only=True):
    """What the header says, and the sizes found."""

    application_id: int
    file_format: int
    page_bytes: int
    pages: int
    """Pages the header promises; 0 when it does not say."""
    file_bytes: int
    wal_bytes: int

    @property
    def missing_bytes(self) -> int:
        """Bytes that the file is too short by. Only meaningful when no WAL can hold the rest."""
        return max(0, self.pages * self.page_bytes - self.file_bytes)


def wal_of(path: Path) -> Path:
    """Return the name of the write-ahead log of a database file: SQLite puts it beside the file, never beside a link to it."""
    return Path(f"{os.path.realpath(path)}-wal")


def shm_of(path: Path) -> Path:
    """Return the name of the shared-memory index of a database file, beside the file itself like the write-ahead log."""
    return Path(f"{os.path.realpath(path)}-shm")


def refuse_to_replace(target: Path, *kept: Path) -> None:
    """Raise Refused when writing to `target` would replace any database, or one of the files `kept` or what belongs to it."""
    endings = ("", "-wal", "-shm", ".lock", ".toml")
    named = {Path(f"{one}{ending}").resolve() for one in kept for ending in endings}
    if target.resolve() in named or (target.is_file() and read_start(target).startswith(_MAGIC)):
        raise Refused("that file would be overwritten", where=str(target), hint="name another file")


def size_or_zero(path: Path) -> int:
    """Return the size of a file in bytes, 0 when there is none."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def require_ours(path: Path, *, newer: bool = False) -> Header:
    """Return the header of a DEE file. `newer` accepts a file format that this program does not know.

    Raises Refused when there is no such file or it is not one of ours, EvidenceError when it is cut short, HostError when it
    cannot be read, Newer when it was made by a newer DEE.
    """
    header = _read(path)
    where = str(path)
    if header.application_id != APPLICATION_ID or header.file_format < 1:
        raise Refused("this SQLite file belongs to another program", where=where, hint="name a DEE file with --db FILE")
    if header.file_format > newest_format() and not newer:
        raise newer_format(header.file_format, path)
    if header.missing_bytes and not header.wal_bytes:
        raise EvidenceError(
            f"the file was cut short: {header.missing_bytes} bytes are missing",
            where=where,
            hint="restore it from a copy",
        )
    return header


def newer_format(file_format: int, path: Path) -> Newer:
    """Return what to raise for a file of a format that this program does not know."""
    return Newer(
        f"the file has format {file_format}, made by a newer DEE; this one knows formats up to {newest_format()}",
        where=str(path),
        hint="update DEE; `dee verify` still checks the log",
    )


def _read(path: Path) -> Header:
    where = str(path)
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise Refused("this is not a file", where=where, hint="name a DEE file with --db FILE")
        start = read_start(path)
    except FileNotFoundError as error:
        raise Refused("there is no such file", where=where, hint="make one with `dee init`") from error
    except OSError as error:
        raise HostError(f"the file cannot be read: {os.strerror(error.errno or 0)}", where=where) from error
    if len(start) < HEADER_BYTES or not start.startswith(_MAGIC):
        raise Refused("this is not a DEE file", where=where, hint="name a DEE file with --db FILE")
    page_bytes = int.from_bytes(start[16:18], "big")
    pages_are_known = start[24:28] == start[92:96]
    return Header(
        application_id=int.from_bytes(start[68:72], "big"),
        file_format=int.from_bytes(start[60:64], "big"),
        page_bytes=65_536 if page_bytes == 1 else page_bytes,
        pages=int.from_bytes(start[28:32], "big") if pages_are_known else 0,
        file_bytes=status.st_size,
        wal_bytes=size_or_zero(wal_of(path)),
    )


def read_start(path: Path) -> bytes:
    """Return the first bytes of a database file, fewer when it is shorter. Raises HostError.

    Through SQLite's file layer: a plain open and close would drop the locks this process may hold on the file.
    """
    try:
        with_layer = open_bytes(path)
        try:
            return with_layer.xRead(min(HEADER_BYTES, with_layer.xFileSize()), 0)
        finally:
            with_layer.xClose()
    except apsw.Error as error:
        raise HostError(
            "the file cannot be opened for reading",
            where=str(path),
            hint="ask as the user who owns it, or take a copy that you may read",
        ) from error


def open_bytes(path: Path) -> apsw.VFSFile:
    """Open a database file, or what a link leads to, for reading bytes: through SQLite's file layer, as closing the file by any
    other would drop this process's locks.
    """
    return apsw.VFSFile("", os.path.realpath(path), [apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_MAIN_DB, 0])
