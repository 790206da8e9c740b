"""`dee replay`: the past again, which must come out the same."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from dee_appliance.cli.command import Session, command
from dee_appliance.errors import EvidenceError

if TYPE_CHECKING:
    from contextlib import ExitStack

    from dee_appliance.replay.divergence import FirstDivergence
    from dee_appliance.replay.recorded_shell import Rerender
    from dee_appliance.replay.replay import ReplayReport

SHOWN = 10


@command()
@click.option("--run", metavar="RUN", help="Also print the entries of one run, as recorded and as replayed.")
@click.option(
    "--untrusted", is_flag=True, help="Somebody else made the file: look at a private copy, with every guard."
)
@click.option("--skip-rendering", is_flag=True, help="Do not make every message again. [default: make and compare it]")
def replay(session: Session, *, run: str | None, untrusted: bool, skip_rendering: bool) -> None:
    """Decide every input of the file again, under the rules of its time, and compare each entry with the recorded one.

    Nothing is sent and the file is not changed. Exit code 3 at the first divergence, with its place, its field, both values and
    its cause. Where the personal data are still there, each message is made again too; another renderer that makes other bytes is
    reported, and is no divergence.

    \b
    Example:
      dee replay
      dee replay --run RUN
    """
    from contextlib import ExitStack

    from dee_appliance.replay.replay import Options
    from dee_appliance.replay.replay import replay as play

    with session.progress("inputs") as progress, ExitStack() as opened:
        rerender = None if untrusted or skip_rendering else _rerenderer(session, opened)
        options = Options(untrusted=untrusted, heads=False, rerender=rerender)
        report = play(session.path, run=run, progress=progress, options=options)
    _show(session, report)
    error = report.error()
    if error is not None:
        raise error


def _rerenderer(session: Session, opened: ExitStack) -> Rerender | None:
    """What makes messages again, or None for a file that is too damaged to be opened for it."""
    from dee_appliance.runtime.rerender import Rerenderer

    try:
        view = opened.enter_context(session.view())
    except EvidenceError:
        return None
    return Rerenderer(view.database)


def _show(session: Session, report: ReplayReport) -> None:
    import msgspec

    session.out.record({name: value for name, value in msgspec.to_builtins(report).items() if name != "heads"})
    _show_run(session, report)
    session.out.line(f"{report.path}: {report.inputs:,} inputs decided again, {report.entries:,} entries the same")
    if report.renderer is not None and report.renderer.checked:
        made = report.renderer
        session.out.line(
            f"{made.checked:,} messages made again, {made.differing:,} differ, {made.skipped:,} erased since"
        )
        for one in made.differences[:SHOWN]:
            session.out.line(f"  input {one.input}, {one.run}, step {one.step}: {one.field} differs ({one.cause})")
    if report.divergence is None:
        session.out.line("identical")
    else:
        _show_divergence(session, report.divergence)


def _show_run(session: Session, report: ReplayReport) -> None:
    if report.run is None:
        return
    from itertools import zip_longest

    for recorded, replayed in zip_longest(report.run.recorded, report.run.replayed):
        if recorded == replayed:
            session.out.line(f"  {recorded}")
            continue
        session.out.line(f"- {recorded if recorded is not None else '(absent)'}")
        session.out.line(f"+ {replayed if replayed is not None else '(absent)'}")


def _show_divergence(session: Session, found: FirstDivergence) -> None:
    out = session.out
    out.line(f"first divergence at entry {found.seq}" + (f", input {found.input}" if found.input is not None else ""))
    if found.run:
        out.line(f"  run       {found.run}" + (f", step {found.step}" if found.step else ""))
    out.line(f"  field     {found.field}")
    out.line(f"  expected  {found.expected!r}")
    out.line(f"  actual    {found.actual!r}")
    out.line(f"  cause     {found.cause}: {found.what}")
    for evidence in found.evidence:
        out.line(f"  evidence  {evidence}")
