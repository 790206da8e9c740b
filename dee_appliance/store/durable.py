"""Files that appear whole or not at all, and survive a power cut once they have.

A draft is written beside its final name, synced, given the name in one step, and the folder is synced too. Used for new database
files, snapshots and the records of the state directory; what changes in place (the database, the tip) has its own rules.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from dee_appliance.errors import HostError, Refused


class StorageFailed(HostError):
    """Reading, writing or syncing failed. Nothing more is committed: end the process."""


def draft_beside(path: Path) -> Path:
    """Return the name of a new empty file in the folder of `path`, readable by its owner only. Raises HostError."""
    try:
        descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".new", dir=path.parent)
    except OSError as error:
        raise HostError(f"the folder cannot be written: {reason(error)}", where=str(path.parent)) from error
    os.close(descriptor)
    return Path(name)


def publish(draft: Path, path: Path) -> None:
    """Give a finished draft its name, durably. Raises Refused when the name was taken meanwhile, HostError when it cannot."""
    try:
        sync(draft)
        try:
            os.link(draft, path)
        except PermissionError:
            # File systems without hard links; the name was free a moment ago.
            draft.rename(path)
        sync(path.parent)
    except FileExistsError as error:
        raise Refused("there is a file already", where=str(path), hint="choose another name") from error
    except OSError as error:
        raise HostError(f"the file cannot be written: {reason(error)}", where=str(path)) from error


def write_record(path: Path, data: bytes, *, replace: bool) -> None:
    """Write a small file and its folders (mode 0700). Keeps an existing file unless `replace`. Raises StorageFailed."""
    draft: Path | None = None
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".new", dir=path.parent)
        draft = Path(name)
        try:
            write_whole(descriptor, data)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        if replace:
            draft.rename(path)
        else:
            _link_if_free(draft, path)
        for folder in (path.parent, path.parent.parent):
            sync(folder)
    except OSError as error:
        raise StorageFailed(f"the record cannot be written: {reason(error)}", where=str(path)) from error
    finally:
        if draft is not None:
            discard(draft)


def discard(*drafts: Path) -> None:
    """Delete drafts; harmless for those that are not there. Raises StorageFailed."""
    for draft in drafts:
        try:
            draft.unlink(missing_ok=True)
        except OSError as error:
            raise StorageFailed(
                f"a draft cannot be deleted: {reason(error)}", where=str(draft), hint="check the disk, then delete it"
            ) from error


def _link_if_free(draft: Path, path: Path) -> None:
    try:
        os.link(draft, path)
    except FileExistsError:
        return


def write_whole(descriptor: int, data: bytes) -> None:
    """Write every byte. A disk that fills up takes a part and says nothing before it is asked again. Raises OSError."""
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


def sync(path: Path) -> None:
    """Make a closed file or a folder durable (fsync). Never for a database that this process has open."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_what_is_left(wal: Path) -> None:
    """Make durable what an earlier process may have left in a WAL unsynced when it was killed. Raises StorageFailed.

    SQLite recovers such a commit and shows it, and a power cut would take it back. It keeps no lock on the WAL itself, so that
    closing it here drops none.
    """
    try:
        if wal.stat().st_size:
            sync(wal)
            sync(wal.parent)
    except FileNotFoundError:
        return
    except OSError as error:
        raise StorageFailed(
            f"the file could not be written: {reason(error)}", where=str(wal), hint="check the disk"
        ) from error


def reason(error: OSError) -> str:
    """Return the operating system's words for an error."""
    return os.strerror(error.errno or 0)
