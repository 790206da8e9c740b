"""Upgrading a file: to the newest format and semantics epoch that this program has, with a way back and a look ahead.

A newer program runs an older file as it is, under its own epoch; nothing moves by itself. An upgrade makes a copy first, decides
the recorded past under the new epoch on that copy and says which runs would have come out otherwise, asks, and then does all of
it in one transaction: the steps of the format, and the input `epoch.use`, which is an entry of the log. Whoever dies on the way
leaves the file as it was or upgraded, and nothing in between.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from blake3 import blake3

from dee_appliance.errors import Refused
from dee_appliance.kernel.e1.input import EpochUse, encode_input
from dee_appliance.kernel.epochs import newest_epoch
from dee_appliance.replay.epoch_preview import EpochPreview, preview_epoch
from dee_appliance.runtime.appliance import open_appliance
from dee_appliance.runtime.commands import admit_waiting
from dee_appliance.runtime.reading import open_view
from dee_appliance.store.database import remove_database
from dee_appliance.store.schema import newest_format
from dee_appliance.store.snapshot import snapshot

if TYPE_CHECKING:
    from dee_appliance.replay.reading import Progress
    from dee_appliance.runtime.appliance import Appliance
    from dee_appliance.runtime.clock import Clock
    from dee_appliance.store.database import Database
    from dee_appliance.store.state import State
    from dee_appliance.store.state_dir import StateDir

SOURCE = "upgrade"
HASHED_BYTES = 1 << 20


class Versions(msgspec.Struct, frozen=True, kw_only=True):
    """Format and epoch of a file now, and those that this program would give it."""

    file_format: int
    epoch: int
    newest_format: int
    newest_epoch: int

    @property
    def current(self) -> bool:
        """Whether there is nothing to upgrade."""
        return (self.file_format, self.epoch) == (self.newest_format, self.newest_epoch)


class Backup(msgspec.Struct, frozen=True, kw_only=True):
    """The copy that was made first: `digest` is the BLAKE3 of its bytes. It is disarmed, as every copy."""

    path: str
    bytes: int
    digest: str


class Upgrade(msgspec.Struct, frozen=True, kw_only=True):
    """What an upgrade is, before it is done or after. `preview` is None when the epoch stays, `backup` when none was made.

    `entry` is the entry of the log from which on the new epoch decides, None while nothing was done or when the epoch stays.
    """

    versions: Versions
    done: bool
    preview: EpochPreview | None = None
    backup: Backup | None = None
    entry: int | None = None


class UpgradeOptions(msgspec.Struct, frozen=True, kw_only=True):
    """Who upgrades, and whether only to look. `confirm` is shown all there is to know and says whether to go on (None: yes)."""

    actor: str
    dry_run: bool = False
    confirm: Callable[[Upgrade], bool] | None = None
    progress: Progress | None = None


def versions_of(path: Path) -> Versions:
    """Return the versions of a file. Raises Newer when this program is older than the file."""
    with open_view(path) as view:
        return _versions(view.database, view.state)


def _versions(database: Database, state: State) -> Versions:
    return Versions(
        file_format=database.file_format(),
        epoch=state.epoch,
        newest_format=newest_format(),
        newest_epoch=newest_epoch(),
    )


def upgrade(
    path: Path, options: UpgradeOptions, *, clock: Clock | None = None, state_dir: StateDir | None = None
) -> Upgrade:
    """Upgrade a file. Nothing is written when there is nothing to upgrade, and for a dry run.

    Raises Newer for a file that is newer than this program, HostError when another process runs it, Refused when `confirm` says
    no: then, and whenever it ends before it has begun, the copy is all that was made, and it is removed.
    """
    versions = versions_of(path)
    if versions.current:
        return Upgrade(versions=versions, done=False)
    if options.dry_run:
        return Upgrade(versions=versions, done=False, preview=_preview(path, versions, options.progress))
    with open_appliance(path, "dee upgrade", clock=clock, state_dir=state_dir) as appliance:
        versions = _versions(appliance.database, appliance.journal.state)
        if versions.current:
            return Upgrade(versions=versions, done=False)  # somebody else has upgraded it since
        backup = _back_up(appliance)
        try:
            preview = _preview(Path(backup.path), versions, options.progress)
            planned = Upgrade(versions=versions, done=False, preview=preview, backup=backup)
            _require_confirmed(planned, path, options)
        except BaseException:
            remove_database(Path(backup.path))
            raise
        entry = _apply(appliance, versions, options.actor)
    return Upgrade(versions=versions, done=True, preview=preview, backup=backup, entry=entry)


def _require_confirmed(planned: Upgrade, path: Path, options: UpgradeOptions) -> None:
    if options.confirm is not None and not options.confirm(planned):
        raise Refused(
            "not upgraded: nobody confirmed it", where=str(path), hint="dee upgrade --dry-run shows what it does"
        )


def _preview(path: Path, versions: Versions, progress: Progress | None) -> EpochPreview | None:
    """Decide the past under the new epoch; None when the epoch stays."""
    if versions.newest_epoch <= versions.epoch:
        return None
    return preview_epoch(path, versions.newest_epoch, progress=progress)


def _back_up(appliance: Appliance) -> Backup:
    """Copy the file beside itself, under a name that says how far its log had come."""
    path = Path(os.path.realpath(appliance.path))
    size = appliance.journal.chain.next_seq
    names = (
        path.with_name(f"{path.name}.before-upgrade-{size}{again}") for again in ("", *(f"-{n}" for n in range(2, 100)))
    )
    target = next((name for name in names if not os.path.lexists(name)), None)
    if target is None:
        raise Refused(
            "there are a hundred copies from upgrades that were not finished",
            where=str(path.parent),
            hint="remove some",
        )
    snapshot(path, target)
    return Backup(path=str(target), bytes=target.stat().st_size, digest=_digest(target))


def _digest(path: Path) -> str:
    hasher = blake3()
    with path.open("rb") as file:
        while chunk := file.read(HASHED_BYTES):
            hasher.update(chunk)
    return hasher.hexdigest()


def _apply(appliance: Appliance, versions: Versions, actor: str) -> int | None:
    """Take the steps of the format, and then bring the epoch into use: all or nothing. Returns the entry of the epoch."""
    admit_waiting(appliance)  # what waits came before, and is decided by the epoch in force
    journal = appliance.journal
    entry = None
    try:
        with appliance.database.transaction() as database:
            for file_format in range(versions.file_format + 1, versions.newest_format + 1):
                database.take_step(file_format)
            if versions.newest_epoch > versions.epoch:
                entry = journal.chain.next_seq
                tick = max(appliance.clock.now(), journal.last_tick)
                payload = encode_input(EpochUse(epoch=versions.newest_epoch, actor=actor)).decode()
                _, outcome = journal.admit(tick, tick, SOURCE, "epoch.use", payload)
                assert outcome == "done", outcome
            journal.flush()
    except BaseException:
        journal.reload()
        raise
    appliance.reach()
    return entry
