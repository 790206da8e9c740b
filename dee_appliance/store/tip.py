"""The tip: how far a log had come, remembered outside its file.

A hash chain cannot show that its tail was cut off or that an older state was put back; a few bytes elsewhere can. They are
written after every commit that precedes a dispatch: two checksummed slots in turn, so that a torn write spoils only the newer.

Whoever has the tip open for writing is the one process of this host that may send for the lineage: it holds a lock on
it. So a copy cannot be armed while the loop of the armed file runs, however many files of one lineage there are.

Rules a change must keep: `write` stays one small write and one fdatasync; it never goes back by itself.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import struct
from pathlib import Path
from typing import TYPE_CHECKING, Self

import msgspec

from dee_appliance.errors import EvidenceError, HostError
from dee_appliance.kernel.e1.encoding import GENESIS_LEAF, leaf_hash
from dee_appliance.store.database import Database
from dee_appliance.store.durable import StorageFailed, reason, write_record
from dee_appliance.store.queries import load_queries

if TYPE_CHECKING:
    from types import TracebackType


class Tip(msgspec.Struct, frozen=True, kw_only=True):
    """How far the log had come: number of entries, hash of the newest, and the incarnation that wrote it."""

    size: int
    head: bytes
    incarnation: int


class TipAgrees(msgspec.Struct, frozen=True):
    """The tip is a prefix of the file's log."""


class TipMissing(msgspec.Struct, frozen=True):
    """Nothing outside the file remembers this log."""


class TipAhead(msgspec.Struct, frozen=True, kw_only=True):
    """The file is behind its tip: an older state was put back. The entries `first` to `last` have been forgotten."""

    first: int
    last: int


class TipDiverged(msgspec.Struct, frozen=True, kw_only=True):
    """The file's entry `seq` is not the one that the tip remembers: two histories of one lineage."""

    seq: int
    remembered: str
    found: str


TipState = TipAgrees | TipMissing | TipAhead | TipDiverged


class _Queries(msgspec.Struct, frozen=True, kw_only=True):
    select_log_size: str
    select_entry_at: str


# A slot: magic, counter, size, incarnation, head, SHA-256 of all that. Each slot has a 4 KiB block of its own.
_SLOT = struct.Struct("<8sQQQ32s")
_MAGIC = b"DEE tip\x01"
_SLOT_BYTES = _SLOT.size + 32
_STRIDE = 4096
_FILE_BYTES = 2 * _STRIDE
_data_sync = getattr(os, "fdatasync", os.fsync)


class TipFile:
    """The tip of one lineage, kept open for writing.

    Made when there is none. Raises HostError while another process has it open.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        if not path.exists():
            write_record(path, bytes(_FILE_BYTES), replace=False)
        try:
            self._descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
            _lock(self._descriptor, path)
            newest = _newest(os.pread(self._descriptor, _FILE_BYTES, 0))
        except OSError as error:
            raise _failed(path, error) from error
        self._counter = 0 if newest is None else newest[0]
        self.tip: Tip | None = None if newest is None else newest[1]
        """The newest tip written."""

    def write(self, size: int, head: bytes, incarnation: int) -> None:
        """Remember the log durably. Raises EvidenceError when that would be a step back, StorageFailed when it cannot."""
        last = self.tip
        if last is not None and (incarnation, size) < (last.incarnation, last.size):
            raise EvidenceError(
                f"the log has {size} entries, fewer than the {last.size} remembered outside the file",
                where=str(self.path),
                hint="keep the file; run `dee verify`",
            )
        self._put(Tip(size=size, head=head, incarnation=incarnation))

    def restart(self, tip: Tip) -> None:
        """Remember this log whatever was remembered before: a person has armed an older state of the file."""
        self._put(tip)

    def _put(self, tip: Tip) -> None:
        counter = self._counter + 1
        body = _SLOT.pack(_MAGIC, counter, tip.size, tip.incarnation, tip.head)
        try:
            slot = body + hashlib.sha256(body).digest()
            if os.pwrite(self._descriptor, slot, (counter & 1) * _STRIDE) < len(slot):
                raise OSError(errno.ENOSPC, "a part of it")  # noqa: TRY301 - a full disk takes a part, and says nothing
            _data_sync(self._descriptor)
        except OSError as error:
            raise _failed(self.path, error) from error
        self._counter, self.tip = counter, tip

    def close(self) -> None:
        """Close the tip. Harmless when closed before."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _lock(descriptor: int, path: Path) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(descriptor)
        raise HostError(
            "another process sends for this file, or for a copy of it",
            where=str(path),
            hint="stop the loop of the armed file first",
        ) from error


def read_tip(path: Path) -> Tip | None:
    """Return the newest tip, None when none was ever written. Raises EvidenceError when it is damaged beyond both slots."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise _failed(path, error) from error
    newest = _newest(data)
    if newest is not None:
        return newest[1]
    if len(data) == _FILE_BYTES and not any(data):
        return None
    raise EvidenceError("the tip is damaged", where=str(path), hint="run `dee verify`, then arm the file again")


def check_tip(database: Database, tip: Tip | None) -> TipState:
    """Compare a file's log with what is remembered outside it. Reads one entry; verify reads them all."""
    if tip is None:
        return TipMissing()
    queries = load_queries(_Queries, "tip")
    size = int(database.execute(queries.select_log_size)[0][0])
    if size < tip.size:
        return TipAhead(first=size, last=tip.size - 1)
    row = database.one(queries.select_entry_at, (tip.size - 1,))
    found = GENESIS_LEAF if row is None else leaf_hash(row[0].encode())
    if found != tip.head:
        return TipDiverged(seq=tip.size - 1, remembered=tip.head.hex(), found=found.hex())
    return TipAgrees()


def _newest(data: bytes) -> tuple[int, Tip] | None:
    """Return the counter and the tip of the newest whole slot."""
    best: tuple[int, Tip] | None = None
    for start in (0, _STRIDE):
        slot = data[start : start + _SLOT_BYTES]
        body, check = slot[: _SLOT.size], slot[_SLOT.size :]
        if len(slot) != _SLOT_BYTES or hashlib.sha256(body).digest() != check:
            continue
        magic, counter, size, incarnation, head = _SLOT.unpack(body)
        if magic == _MAGIC and (best is None or counter > best[0]):
            best = counter, Tip(size=size, head=head, incarnation=incarnation)
    return best


def _failed(path: Path, error: OSError) -> StorageFailed:
    return StorageFailed(f"the tip cannot be used: {reason(error)}", where=str(path), hint="check the disk")
