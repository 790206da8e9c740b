"""Memory outside the file: which copy may send on this host. The tip lies beside it (tip.py).

A file cannot know that it is a copy. The state directory remembers, by lineage:

    <root>/host-id               random, drawn once: this host
    <root>/<lineage>/arming      incarnation, real path and host id of the one armed file
    <root>/<lineage>/tip         how far its log had come

What cannot be seen from here: a copy of the whole disk, state directory included.

Rules a change must keep: a missing, unreadable or contradicting record means disarmed; a record is durable before the caller
goes on.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from dee_appliance.errors import HostError
from dee_appliance.store.durable import StorageFailed, reason, sync, write_record
from dee_appliance.store.sends_log import ForgottenSend, SendsLog, forgotten_sends
from dee_appliance.store.tip import Tip, TipFile, read_tip

if TYPE_CHECKING:
    from collections.abc import Mapping

HOST_ID_CHARACTERS = 32


class Armed(msgspec.Struct, frozen=True):
    """This file may send on this host, as far as the arming record goes."""


class Disarmed(msgspec.Struct, frozen=True):
    """This file may not send, and why."""

    reason: str


class _Arming(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    lineage: str
    incarnation: int
    path: str
    host: str


def default_root(environment: Mapping[str, str] = os.environ) -> Path:
    """Return DEE_STATE_DIR, or the folder where this user's programs keep their state."""
    named = environment.get("DEE_STATE_DIR")
    if named:
        return Path(named)
    from platformdirs import user_state_path  # noqa: PLC0415 - slow to import, and not needed when the variable is set

    return user_state_path("dee", appauthor=False)


class StateDir:
    """The state directory of this host and user. Its methods raise StorageFailed when it cannot be read or written."""

    def __init__(self, root: Path | None = None) -> None:
        self.root = default_root() if root is None else root

    def host_id(self) -> str:
        """Return the random id of this host, 32 hexadecimal digits; drawn and kept when there is none yet."""
        path = self.root / "host-id"
        text = _read(path)
        if text is None:
            drawn = os.urandom(16).hex()  # noqa: TID251 - the one place where a host gets its id; it never enters a file
            write_record(path, drawn.encode(), replace=False)
            text = _read(path)
        if text is None or len(text) != HOST_ID_CHARACTERS or text.strip("0123456789abcdef"):
            raise HostError("the host id is damaged", where=str(path), hint="delete it and arm your files again")
        return text

    def arm(self, path: Path, lineage: bytes, incarnation: int) -> None:
        """Record that this file, and no other copy of its lineage, may send on this host.

        Call it after the input that raised the incarnation has committed: a crash in between leaves the file disarmed.
        """
        record = _Arming(
            lineage=lineage.hex(), incarnation=incarnation, path=os.path.realpath(path), host=self.host_id()
        )
        write_record(self._folder(lineage) / "arming", msgspec.json.encode(record), replace=True)

    def disarm(self, lineage: bytes) -> None:
        """Forget the arming of a lineage. Harmless when there is none."""
        path = self._folder(lineage) / "arming"
        try:
            path.unlink(missing_ok=True)
            if path.parent.is_dir():
                sync(path.parent)
        except OSError as error:
            raise _failed(path, error) from error

    def arming_state(self, path: Path, lineage: bytes, incarnation: int) -> Armed | Disarmed:
        """Say whether the arming record names exactly this file, in this incarnation, on this host."""
        text = _read(self._folder(lineage) / "arming")
        if text is None:
            return Disarmed("this file is not armed on this host")
        try:
            record = msgspec.json.decode(text, type=_Arming)
        except msgspec.DecodeError:
            return Disarmed("the arming record is damaged")
        if record.lineage != lineage.hex():
            return Disarmed("the arming record belongs to another file")
        if record.host != self.host_id():
            return Disarmed("the arming record was made on another host")
        if record.path != os.path.realpath(path):
            return Disarmed(f"this is a copy; the armed file is {record.path}")
        if record.incarnation != incarnation:
            return Disarmed(f"incarnation {record.incarnation} is armed, this file is at {incarnation}")
        return Armed()

    def open_tip(self, lineage: bytes) -> TipFile:
        """Open the tip of a lineage for writing; close it when done."""
        return TipFile(self._folder(lineage) / "tip")

    def open_sends(self, lineage: bytes) -> SendsLog:
        """Open the sends log of a lineage for appending; close it when done."""
        return SendsLog(self._folder(lineage) / "sends")

    def forgotten_sends(self, lineage: bytes, size: int) -> list[ForgottenSend]:
        """Return what was handed to providers after the log had `size` entries."""
        return forgotten_sends(self._folder(lineage) / "sends", size)

    def read_tip(self, lineage: bytes) -> Tip | None:
        """Return the tip of a lineage, None when none was ever written. Raises EvidenceError when it is damaged."""
        return read_tip(self._folder(lineage) / "tip")

    def _folder(self, lineage: bytes) -> Path:
        return self.root / lineage.hex()


def _read(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return None
    except OSError as error:
        raise _failed(path, error) from error


def _failed(path: Path, error: OSError) -> StorageFailed:
    return StorageFailed(
        f"the state directory cannot be used: {reason(error)}", where=str(path), hint="name another one: DEE_STATE_DIR"
    )
