"""The file as a whole: made, run, copied, and allowed to send or not."""

from __future__ import annotations

from pathlib import Path

import click

from dee_appliance.cli.command import Session, command
from dee_appliance.errors import Usage

SEEDS = 2**63 - 1
PATH = click.Path(path_type=Path)


@command()
@click.option("--simulated", is_flag=True, help="A clock that jumps, recipients that are invented; it can never send.")
@click.option("--start", metavar="T", help="With --simulated: the first moment. [default: now]")
@click.option(
    "--seed", type=click.IntRange(0, SEEDS), help="With --simulated: another seed, other recipients. [default: 1]"
)
@click.option("--assume", metavar="SHARES", help="With --simulated: what recipients do, as in replied=4%,bounced=1%.")
@click.option("--policy", type=PATH, metavar="FILE", help="A policy file. [default: strict]")
def init(
    session: Session, *, simulated: bool, start: str | None, seed: int | None, assume: str | None, policy: Path | None
) -> None:
    """Make a new file.

    It holds the time-zone rules and a policy from the first moment on. Without --policy that is the strict one: nothing is sent
    without consent, and nobody is called outside working hours.

    \b
    Example:
      dee init --db outreach.db --policy policy.toml
      dee init --db trial.db --simulated --start 2026-11-23T09:00:00Z --assume replied=4%
    """
    from dee_appliance.cli.instant import parse_instant
    from dee_appliance.engine import Engine
    from dee_appliance.runtime.world import parse_shares

    if not simulated and (start is not None or seed is not None or assume is not None):
        raise Usage("--start, --seed and --assume are for a simulated file", hint="add --simulated, or leave them out")
    parse_shares(assume or "")
    engine = Engine.create(
        session.path,
        simulated=simulated,
        start=None if start is None else parse_instant(start, where="--start"),
        seed=1 if seed is None else seed,
        assume=assume or "",
        policy=policy,
    )
    with engine.view() as view:
        lineage, epoch = view.lineage.hex(), view.epoch
    session.out.record({"file": str(session.path), "lineage": lineage, "epoch": epoch, "simulated": simulated})
    session.out.line(
        f"made {session.path} ({'simulated, it can never send' if simulated else 'disarmed: it sends nothing yet'})"
    )
    session.out.line("next: dee plan publish PLAN.toml, then dee contact import CONTACTS.csv")


@command()
@click.option("--until-idle", is_flag=True, help="End when nothing is left that could happen by itself.")
def serve(session: Session, *, until_idle: bool) -> None:
    """Run the file: admit what arrives, fire what is due, send what may be sent.

    One process runs a file; other commands go on working and are taken within a second. SIGTERM and Ctrl-C end it cleanly, after
    the answers to what is already with a provider.

    \b
    Example:
      dee serve
      dee serve --until-idle
    """
    from dee_appliance.runtime.service import Stop

    engine = session.engine()
    sends = _sends(session)
    stop = Stop()
    stop.install()  # before it is said that the file is served: whoever reads that may end it at once
    session.out.note(f"serving {session.path}: {sends}")
    with engine.view() as view:
        epoch = view.epoch
    with session.progress("tick") as progress:
        served = engine.serve(until_idle=until_idle, stop=stop, progress=lambda tick: progress(tick - epoch))
    session.out.record(
        {
            "turns": served.turns,
            "recovered": served.recovered,
            "idle": served.idle,
            "stopped": stop.asked,
            "sends": sends,
        }
    )
    if served.recovered:
        session.out.line(
            f"{served.recovered} sends were in flight when an earlier process died: their outcome is unknown"
        )
        session.out.line("next: dee run list --reason outcome_unknown")
    session.out.line(f"nothing is left to do{_until_next(session)}" if served.idle else "stopped")
    _tell_disarmed(session)


def _until_next(session: Session) -> str:
    """Say until when nothing is left to do: the runs of a real file may wait for days."""
    from dee_appliance.kernel.e1.civil_time import format_utc

    with session.view() as view:
        due = view.state.next_due()
    return "" if due is None else f" before {format_utc(due)}"


def _tell_disarmed(session: Session) -> None:
    """A file that may not send has sends waiting for ever: that is not "nothing to do"."""
    from dee_appliance.runtime.reports_status import disarmed_reason, status

    with session.view() as view:
        reason = disarmed_reason(view)
        waiting = sum(row.waiting for row in status(view).queue) if reason else 0
    if waiting:
        session.out.note(f"{waiting:,} sends wait until the file may send (now: {reason}): dee arm")


def _sends(session: Session) -> str:
    from dee_appliance.runtime.reports_status import arming_of

    with session.view() as view:
        if view.simulated:
            return "simulated"
        arming = arming_of(view)
    return "armed" if arming.armed else f"disarmed, {arming.why}"


@command()
@click.argument("target", type=PATH)
def snapshot(session: Session, *, target: Path) -> None:
    """Make a consistent copy of the file, at any time. A copy is never armed.

    \b
    Example:
      dee snapshot backup-2026-11-23.db
    """
    with session.progress("pages") as progress:
        session.engine().snapshot(target, progress=progress)
    size = target.stat().st_size
    session.out.record({"file": str(target), "bytes": size})
    session.out.line(f"copied {session.path} to {target} ({size:,} bytes, disarmed)")


@command(acts=True)
@click.option(
    "--accept-loss", is_flag=True, help="Arm a file that is older than what it had reached: it may send twice."
)
def arm(session: Session, *, accept_loss: bool) -> None:
    """Let this file, on this machine, really send.

    A file is armed by one deliberate act and stays so until it is disarmed, copied, moved or put back from a backup.

    \b
    Example:
      dee health && dee arm
    """
    incarnation = session.engine().arm(accept_loss=accept_loss)
    session.out.record({"armed": True, "incarnation": incarnation})
    session.out.line(f"armed (incarnation {incarnation}): dee serve sends from now on")


@command()
def disarm(session: Session) -> None:
    """Forget that this file may send from this machine. A loop that runs ends its sends when it is started anew.

    \b
    Example:
      dee disarm
    """
    session.engine().disarm()
    session.out.record({"armed": False})
    session.out.line("disarmed: nothing is sent the next time the file is opened")
