"""`dee upgrade`: an older file brought to the newest format and semantics epoch, deliberately."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from dee_appliance.cli.command import Session, command
from dee_appliance.errors import Usage

if TYPE_CHECKING:
    from dee_appliance.replay.epoch_preview import Decided, EpochPreview
    from dee_appliance.runtime.upgrading import Upgrade, Versions

WORD = "upgrade"


@command(acts=True)
@click.option(
    "--dry-run", is_flag=True, help="Only say what it would do, and which runs would have come out otherwise."
)
@click.option("--yes", is_flag=True, help="Do not ask.")
def upgrade(session: Session, *, dry_run: bool, yes: bool) -> None:
    """Bring an older file to the newest format and semantics epoch that this program has.

    A newer program runs an older file as it is; only this command moves it on, and there is no way back but the copy that it
    makes first. It says which runs would have come out otherwise under the new epoch, asks, and does everything in one
    transaction. What was decided before stays, and is replayed under the epoch that decided it.

    \b
    Example:
      dee upgrade --dry-run
      dee upgrade --yes --actor maria
    """
    nobody = not (dry_run or yes or sys.stdin.isatty())

    def confirm(planned: Upgrade) -> bool:
        if yes:
            return True
        _show(session, planned)
        return bool(click.prompt(f"Type {WORD} to go on", default="", show_default=False, err=True) == WORD)

    with session.progress("inputs") as progress:
        done = session.engine().upgrade(dry_run=dry_run or nobody, confirm=confirm, progress=progress)
    _record(session, done)
    if done.versions.current:
        session.out.line(f"nothing to do: {_in_words(done.versions, newest=False)} is the newest that this program has")
        return
    if nobody:
        raise Usage("an upgrade cannot be undone", hint="dee upgrade --dry-run, then dee upgrade --yes")
    if dry_run or yes:
        _show(session, done)
    if done.done:
        session.out.line(f"upgraded to {_in_words(done.versions, newest=True)}{_from(done)}")
        session.out.line("next: dee verify --state")
    else:
        session.out.line("nothing was written")


def _record(session: Session, done: Upgrade) -> None:
    import msgspec

    session.out.record(msgspec.to_builtins(done))


def _in_words(versions: Versions, *, newest: bool) -> str:
    if newest:
        return f"format {versions.newest_format}, semantics epoch {versions.newest_epoch}"
    return f"format {versions.file_format}, semantics epoch {versions.epoch}"


def _from(done: Upgrade) -> str:
    return "" if done.entry is None else f"; entry {done.entry} is the last of the old epoch"


def _show(session: Session, upgrade: Upgrade) -> None:
    out = session.out
    out.line(f"now   {_in_words(upgrade.versions, newest=False)}")
    out.line(f"then  {_in_words(upgrade.versions, newest=True)}")
    if upgrade.backup is not None:
        out.line(f"copy  {upgrade.backup.path} ({upgrade.backup.bytes:,} bytes, disarmed)")
        out.line(f"      BLAKE3 {upgrade.backup.digest}")
    if upgrade.preview is not None:
        _show_preview(session, upgrade.preview)


def _show_preview(session: Session, preview: EpochPreview) -> None:
    out = session.out
    out.line(
        f"the {preview.inputs:,} recorded inputs under epoch {preview.epoch}: {preview.changed:,} of {preview.runs:,} runs would "
        "have come out otherwise"
    )
    for one in preview.first:
        out.line(f"  {one.run}  {_decided(one.recorded)}  →  {_decided(one.other)}")
    if preview.changed > len(preview.first):
        out.line(f"  … and {preview.changed - len(preview.first):,} more")
    if preview.first:
        out.line("each line is where a run first differs; what would have followed, nobody has recorded")
    if preview.stopped:
        out.line(f"not looked at to the end: {preview.stopped}")


def _decided(one: Decided | None) -> str:
    if one is None:
        return "nothing more"
    return f"entry {one.entry} {one.step or '-'} {one.action}:{one.outcome}"
