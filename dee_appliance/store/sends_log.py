"""The sends log: what was handed to providers, remembered outside the file beside its tip.

A file that was put back to an older state has forgotten sends that really happened. The tip shows that it is behind;
this log names what it has forgotten, so that a person can decide. One line of fixed width for each attempt, appended
and synced before the tip and before the bytes leave; the oldest half is dropped when a file grows past its bound.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import msgspec

from dee_appliance.store.durable import StorageFailed, reason, sync, write_whole

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

LINE_BYTES = 80
MAX_BYTES = 200_000 * LINE_BYTES
_data_sync = getattr(os, "fdatasync", os.fsync)


class ForgottenSend(msgspec.Struct, frozen=True, kw_only=True):
    """An attempt that was handed to a provider when the log had `size` entries."""

    size: int
    send_key: str
    attempt: int


class SendsLog:
    """The sends log of one lineage, kept open for appending. Made when there is none. Raises StorageFailed."""

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
            size = os.fstat(self._descriptor).st_size
            # A line that a crash cut short must not spoil the next one.
            self._bytes = size - size % LINE_BYTES
            os.ftruncate(self._descriptor, self._bytes)
            sync(path.parent)
        except OSError as error:
            raise _failed(path, error) from error

    def append(self, size: int, sends: Sequence[tuple[str, int]]) -> None:
        """Make durable that these attempts may leave now, the log having `size` entries."""
        data = b"".join(f"{size} {key} {attempt}".ljust(LINE_BYTES - 1).encode() + b"\n" for key, attempt in sends)
        try:
            if self._bytes + len(data) > MAX_BYTES:
                self._rotate()
            write_whole(self._descriptor, data)
            _data_sync(self._descriptor)
        except OSError as error:
            raise _failed(self._path, error) from error
        self._bytes += len(data)

    def _rotate(self) -> None:
        os.close(self._descriptor)
        self._path.replace(_older(self._path))
        sync(self._path.parent)
        self._descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self._bytes = 0

    def close(self) -> None:
        """Close the log."""
        os.close(self._descriptor)


def _older(path: Path) -> Path:
    return path.with_name(path.name + ".1")


def forgotten_sends(path: Path, size: int) -> list[ForgottenSend]:
    """Return the attempts that were handed over when the log was longer than `size` entries, in the order in which they left."""
    return [one for file in (_older(path), path) for one in _read(file) if one.size > size]


def _read(path: Path) -> Iterator[ForgottenSend]:
    try:
        lines = path.read_text("ascii", "replace").splitlines()
    except FileNotFoundError:
        return
    except OSError as error:
        raise _failed(path, error) from error
    for line in lines:
        parts = line.split()
        # A line that a crash cut short tells of sends that did not leave: the tip was not written after it.
        if len(parts) == 3 and parts[0].isdigit() and parts[2].isdigit():
            yield ForgottenSend(size=int(parts[0]), send_key=parts[1], attempt=int(parts[2]))


def _failed(path: Path, error: OSError) -> StorageFailed:
    return StorageFailed(f"the sends log cannot be used: {reason(error)}", where=str(path), hint="check the disk")
