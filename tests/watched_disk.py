"""A disk that knows what a power cut would take: for tests of death, of full disks, and of disks that fail.

A `Disk` watches a folder. It counts what is done in it (an *act* is anything that changes it: a write, sync, truncation,
deletion, link, rename, new file or folder), remembers what is not synced yet, and ends the process before the chosen act: with a
real SIGKILL, or, for histories of thousands of deaths in one process, by raising `Died` then and at every later act, so that no
clean-up code can write. A power cut takes of what was not synced:

    all    everything
    none   nothing
    tail   everything after some moment, as if all had been written in order; what was under way may be torn
    coin   each write by the throw of a coin, some of them torn; of each folder the newest links, renames and deletions

What is synced stays; that a link, a rename or a deletion stays takes a sync of its folder. Folders `*.outbox` belong to the
sandbox, so to a provider elsewhere: one can die there, but nothing is lost and nothing fails.

How it gets to see what happens is the matter of watched_calls.py: `with mounted(disk): ...`.
"""

from __future__ import annotations

import os
import random  # noqa: TID251 - a seed decides what a power cut takes
import shutil
import signal
import weakref
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal

import apsw
import msgspec

from dee_appliance.store import lock

Loss = Literal["all", "none", "tail", "coin"]
Kind = Literal["read", "write", "sync", "truncate", "delete", "create", "link", "rename"]
Part = Literal["database", "wal", "tip", "sends", "records"]
LOSSES: tuple[Loss, ...] = ("all", "none", "tail", "coin")
MEMORY_PAGE = 4_096
TORN = 0.125
"""How likely it is that a write which a coin may take is cut in two."""

# The real ones, whatever is put in their place.
REAL: dict[str, Callable[..., Any]] = {
    name: getattr(os, name)
    for name in (
        *("open", "close", "read", "pread", "write", "pwrite", "ftruncate", "fsync", "fdatasync"),
        *("link", "unlink", "rename", "replace", "mkdir"),
    )
}


class Died(BaseException):
    """The process has died: nobody of it may do anything any more. No error, so nothing that catches errors catches it."""


class Fault(msgspec.Struct, frozen=True, kw_only=True):
    """What goes wrong: from the `first` such act on, `count` times (None: from then on always).

    `short`: of a write half is written before it fails. No `parts` are all parts.
    """

    kinds: tuple[Kind, ...]
    parts: tuple[Part, ...] = ()
    error: Literal["full", "io"] = "io"
    first: int = 1
    count: int | None = None
    short: bool = False


class _Write(msgspec.Struct, frozen=True):
    """A write that is not synced, or (no data) a truncation to `offset`, and what stood there."""

    serial: int
    offset: int
    data: bytes | None
    before: bytes
    size_before: int


class _FolderAct(msgspec.Struct, frozen=True):
    """An act on names whose folder is not synced. `aside`: another name of the file that lost its name."""

    serial: int
    kind: Literal["create", "mkdir", "link", "rename", "delete"]
    name: str
    old_name: str = ""
    aside: str = ""


def part_of(name: str) -> Part:
    """Return which part of an appliance a file is."""
    last = name.rpartition("/")[2]
    if last.endswith("-wal"):
        return "wal"
    if last == "tip":
        return "tip"
    if last in {"sends", "sends.1"}:
        return "sends"
    # With a dot behind it in the name of a draft; a record's draft may be called ".arming.db…" by chance.
    database = last.endswith((".db", ".db-journal")) or ".db." in last
    return "database" if database and not last.endswith((".lock", ".toml")) else "records"


class Disk:
    """What is done in a folder, and what of it is durable. See the module.

    `real_death`: SIGKILL. `lossy`: remember what is not synced, so that power can be cut (costs some time).
    """

    def __init__(self, root: Path, *, seed: int = 0, lossy: bool = True, real_death: bool = False) -> None:
        self.root = os.path.realpath(root)
        self.lossy = lossy
        self.real_death = real_death
        self.dice = random.Random(seed)
        self.acts = 0
        self.at = 0
        """The act before which the process dies; 0: never."""
        self.loss: Loss | None = None
        """What that death takes along. None: it is the death of the process only."""
        self.dead = False
        self.fault: Fault | None = None
        self.faults_met = 0
        self.at_first_fault: Callable[[], None] | None = None
        self.at_fault: Callable[[str], None] | None = None
        """Told the name of the file, at every fault."""
        self.counts: Counter[tuple[Kind, Part]] = Counter()
        self._fault_count = 0
        self._serial = 0
        self._writes: dict[str, list[_Write]] = {}
        self._never_synced: dict[str, list[_Write]] = {}
        self._folder_acts: list[_FolderAct] = []
        self._limbo = f"{self.root}.limbo"
        self._connections: weakref.WeakSet[apsw.Connection] = weakref.WeakSet()
        self._descriptors: dict[int, tuple[int, int]] = {}

    # -- what happens --

    def die_at(self, at: int, loss: Loss | None = None) -> None:
        """Die before the `at`th act from now, by SIGKILL or by a power cut."""
        self.acts, self.at, self.loss = 0, at, loss

    def fail(self, fault: Fault) -> None:
        """Let acts go wrong from now on."""
        self.fault, self.faults_met, self._fault_count = fault, 0, 0

    def meet(self, kind: Kind, name: str) -> Fault | None:
        """Something is about to be done. Returns the fault that it meets; dies here when it is time."""
        if kind != "read":
            if self.dead:
                raise Died
            self.acts += 1
            if self.acts == self.at:
                self.die(self.loss)
        if elsewhere(name):
            return None
        part = part_of(name)
        self.counts[kind, part] += 1
        fault = self.fault
        if fault is None or kind not in fault.kinds or (fault.parts and part not in fault.parts):
            return None
        self._fault_count += 1
        if self._fault_count < fault.first or (
            fault.count is not None and self._fault_count >= fault.first + fault.count
        ):
            return None
        self.faults_met += 1
        if self.faults_met == 1 and self.at_first_fault is not None:
            self.at_first_fault()
        if self.at_fault is not None:
            self.at_fault(name)
        return fault

    def die(self, loss: Loss | None) -> None:
        """Die now. Raises Died, or ends the process."""
        self.loss = loss
        if self.real_death:
            if loss is not None:
                self._cut_power(loss)
            os.kill(os.getpid(), signal.SIGKILL)
        self.dead = True
        raise Died

    def restart(self) -> None:
        """After a death in this process: let go of what it had open, lose what is lost, and let the next one live."""
        self.release()
        if self.dead and self.loss is not None:
            self._cut_power(self.loss)
        self.dead, self.at, self.loss, self.fault = False, 0, None, None

    def release(self) -> None:
        """Close every connection and descriptor that this process has in the folder, without another act."""
        was_dead, self.dead = self.dead, True
        for held in list(lock._held):
            # It would close its descriptor by number when a child is forked, and the number may be another file's by then.
            if str(held.path).startswith(f"{self.root}/"):
                held._forget()
        for connection in list(self._connections):
            with suppress(Died, apsw.Error):
                connection.close(force=True)
        for descriptor, identity in list(self._descriptors.items()):
            with suppress(OSError):
                found = os.fstat(descriptor)
                if (found.st_dev, found.st_ino) == identity:
                    REAL["close"](descriptor)
        self._descriptors.clear()
        self.dead = was_dead

    # -- what is told of it --

    def opened(self, descriptor: int) -> None:
        """A descriptor in the folder was opened."""
        found = os.fstat(descriptor)
        self._descriptors[descriptor] = (found.st_dev, found.st_ino)

    def closed(self, descriptor: int) -> None:
        """A descriptor was closed."""
        self._descriptors.pop(descriptor, None)

    def connected(self, connection: apsw.Connection) -> None:
        """A database in the folder was opened."""
        self._connections.add(connection)

    def changing(self, name: str, offset: int, data: bytes | None, before: bytes, size: int) -> None:
        """Bytes will be written, or (no data) the file cut to `offset`; `before` and `size` are as it stands."""
        if not elsewhere(name):
            self._writes.setdefault(name, []).append(_Write(self._next(), offset, data, before, size))

    def synced(self, name: str) -> None:
        """What was written to this file stays; so does what was never synced and lay on the same pages of memory."""
        stay = self._writes.pop(name, [])
        left = self._never_synced.pop(name, [])
        for one in stay:
            left = [rest for old in left for rest in _not_covered(old, one)]
        if left:
            self._never_synced[name] = left

    def not_synced(self, name: str) -> None:
        """A sync has failed: what it should have made durable is not tried again by the system, whatever a later sync says."""
        self._never_synced.setdefault(name, []).extend(self._writes.pop(name, []))

    def is_synced(self, name: str) -> bool:
        """Whether nothing written to a file can be lost any more."""
        return not self._writes.get(name) and not self._never_synced.get(name)

    def folder_synced(self, folder: str) -> None:
        """The names in this folder stay as they are."""
        left = []
        for act in self._folder_acts:
            if act.name.rpartition("/")[0] != folder:
                left.append(act)
            elif act.aside:
                REAL["unlink"](act.aside)
        self._folder_acts = left

    def named(self, kind: Literal["create", "mkdir", "link"], name: str) -> None:
        """A name has appeared."""
        if self.lossy and not elsewhere(name):
            self._folder_acts.append(_FolderAct(self._next(), kind, name))

    def renaming(self, old_name: str, name: str) -> None:
        """A file will get another name, whatever has that name now."""
        if not self.lossy or elsewhere(name):
            return
        aside = self._put_aside(name)
        self._folder_acts.append(_FolderAct(self._next(), "rename", name, old_name, aside))
        for changes in (self._writes, self._never_synced):
            if old_name in changes:
                changes[name] = changes.pop(old_name)

    def deleting(self, name: str) -> None:
        """A name will disappear."""
        if not self.lossy or elsewhere(name):
            return
        aside = self._put_aside(name)
        if aside:
            self._folder_acts.append(_FolderAct(self._next(), "delete", name, aside=aside))

    def _put_aside(self, name: str) -> str:
        if not os.path.lexists(name):
            return ""
        Path(self._limbo).mkdir(exist_ok=True)
        aside = f"{self._limbo}/{os.getpid()}-{self._serial}"
        REAL["link"](name, aside)
        for changes in (self._writes, self._never_synced):
            if name in changes:
                changes[aside] = changes.pop(name)
        return aside

    def _next(self) -> int:
        self._serial += 1
        return self._serial

    # -- the power cut --

    def _cut_power(self, loss: Loss) -> None:
        taken = self._taken(loss)
        files = {*self._writes, *self._never_synced}
        for name in files:
            changes = sorted(
                [*self._never_synced.get(name, ()), *self._writes.get(name, ())], key=lambda one: one.serial
            )
            if any(one.serial in taken for one in changes) and os.path.lexists(name):
                self._rewrite(name, changes, taken, torn=loss in {"tail", "coin"})
        for act in reversed(self._folder_acts):
            if act.serial in taken:
                _take_back(act)
        for folder, _, names in os.walk(self.root):
            for name in names:
                if name.endswith("-shm"):
                    REAL["unlink"](f"{folder}/{name}")
        self.forget()

    def forget(self) -> None:
        """Take everything as it is for durable."""
        self._writes.clear()
        self._never_synced.clear()
        self._folder_acts.clear()
        shutil.rmtree(self._limbo, ignore_errors=True)

    def _taken(self, loss: Loss) -> set[int]:
        """Choose what a power cut takes, as serial numbers."""
        changes = [one.serial for found in (self._writes, self._never_synced) for own in found.values() for one in own]
        names = [one.serial for one in self._folder_acts]
        unsynced = sorted([*changes, *names])
        match loss:
            case "none":
                return set()
            case "all":
                return set(unsynced)
            case "tail":
                return set(unsynced[self.dice.randint(0, len(unsynced)) :])
            case "coin":
                taken = {one for one in sorted(changes) if self.dice.random() < 0.5}
                cuts: dict[str, float] = {}
                for act in self._folder_acts:
                    folder = act.name.rpartition("/")[0]
                    after = cuts.setdefault(folder, self.dice.choice([0, act.serial, *names, self._serial + 1]))
                    if act.serial >= after:
                        taken.add(act.serial)
                return taken

    def _rewrite(self, name: str, changes: list[_Write], taken: set[int], *, torn: bool) -> None:
        """Put back what was synced, then what is kept of the rest, in order."""
        descriptor = REAL["open"](name, os.O_RDWR)
        try:
            for one in reversed(changes):
                REAL["pwrite"](descriptor, one.before, one.offset)
                REAL["ftruncate"](descriptor, one.size_before)
            for one in changes:
                data = one.data
                if one.serial in taken:
                    if not torn or data is None or self.dice.random() >= TORN:
                        continue
                    data = data[: self.dice.randrange(len(data))] if data else data
                if data is None:
                    REAL["ftruncate"](descriptor, one.offset)
                else:
                    REAL["pwrite"](descriptor, data, one.offset)
        finally:
            REAL["close"](descriptor)


def _not_covered(old: _Write, new: _Write) -> list[_Write]:
    """Return what is left of a write that was never synced when a later one makes its pages of memory durable."""
    if old.serial > new.serial:
        return [old]
    if old.data is None:
        return []  # the length of a file is no page of memory: the next sync brings it
    begin, end = old.offset, old.offset + len(old.data)
    if new.data is None:
        first, last = new.offset, max(end, new.offset)
    else:
        first, last = (
            new.offset // MEMORY_PAGE * MEMORY_PAGE,
            -(-(new.offset + len(new.data)) // MEMORY_PAGE) * MEMORY_PAGE,
        )
    pieces = [(begin, min(end, first)), (max(begin, last), end)]
    return [
        _Write(old.serial, a, old.data[a - begin : b - begin], old.before[a - begin : b - begin], old.size_before)
        for a, b in pieces
        if a < b
    ]


def elsewhere(name: str) -> bool:
    """Whether a file lies with the provider."""
    return ".outbox" in name


def _take_back(act: _FolderAct) -> None:
    match act.kind:
        case "create" | "link":
            REAL["unlink"](act.name)
        case "mkdir":
            shutil.rmtree(act.name)
        case "rename":
            REAL["rename"](act.name, act.old_name)
            if act.aside:
                REAL["link"](act.aside, act.name)
        case "delete":
            REAL["link"](act.aside, act.name)
