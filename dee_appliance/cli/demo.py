"""`dee demo`: the whole of DEE in a minute, on this machine only."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from dee_appliance.cli.command import Session, command

if TYPE_CHECKING:
    from dee_appliance.demo import Demo


@command(file=False)
@click.argument("folder", required=False, type=click.Path(file_okay=False, path_type=Path))
def demo(session: Session, *, folder: Path | None) -> None:
    """Run a plan from start to end in FOLDER (default: this one, which must be empty), and show what can be proved afterwards.

    It makes a simulated file, publishes the sales example, imports its CSV file, starts a mail server on this machine, lets
    simulated recipients open, reply and bounce while the clock jumps, and then verifies and replays the file. Nothing outside
    this machine is contacted.

    \b
    Example:
      dee demo
      dee demo somewhere-new
    """
    from dee_appliance.demo import START, run_demo
    from dee_appliance.kernel.e1.civil_time import format_utc

    target = Path.cwd() if folder is None else folder
    with session.progress("running, day") as progress:
        done = run_demo(target, session.out.line, lambda tick: progress((tick - START) // 86_400 + 1))
    session.out.line()
    _summary(session, done)
    session.out.line()
    _one_run(session, done)
    session.out.line()
    _proof(session, done)
    session.out.line()
    _next(session, done, format_utc(done.forecast.finish_tick))


def _summary(session: Session, done: Demo) -> None:
    import msgspec

    from dee_appliance.cli.simulate import forecast_lines, imported_line

    session.out.record({"type": "demo", **msgspec.to_builtins(done)})
    session.out.line(f"contacts  {imported_line(done.imported)}")
    session.out.line(f"mail      {done.messages:,} messages went over SMTP into the folder mailbox")
    for line in forecast_lines("sales-outreach", done.forecast):
        session.out.line(line)


def _one_run(session: Session, done: Demo) -> None:
    from dee_appliance.cli.run_read import run_lines
    from dee_appliance.runtime.reading import open_view
    from dee_appliance.runtime.reports import run_show

    with open_view(Path(done.file)) as view:
        for line in run_lines(run_show(view, done.told)):
            session.out.line(line)


def _proof(session: Session, done: Demo) -> None:
    """Verify and replay, as `dee verify` and `dee replay` do. Raises what they would."""
    from dee_appliance.replay.replay import replay
    from dee_appliance.replay.verify import verify

    file = Path(done.file)
    verified = verify(file)
    if (broken := verified.error()) is not None:
        raise broken
    session.out.line(
        f"verify  {verified.entries:,} entries, every hash and link as written (assurance: {verified.assurance})"
    )
    replayed = replay(file)
    if (different := replayed.error()) is not None:
        raise different
    session.out.line(
        f"replay  {replayed.inputs:,} inputs executed again: {replayed.entries:,} entries, byte for byte the same"
    )
    session.out.record(
        {
            "type": "proof",
            "verified": verified.ok,
            "entries": verified.entries,
            "head": verified.head,
            "replayed": replayed.same,
        }
    )


def _next(session: Session, done: Demo, finished: str) -> None:
    file = done.file
    session.out.line(f"The file is {file}; its clock stopped at {finished}. What to try next:")
    for text in (
        f"dee status --db {file}",
        f"dee run list --db {file} --status FAILED",
        f"dee why {done.told} --db {file}",
        f"dee log --db {file} --limit 20",
        f"dee contact find example.org --db {file}",
        f"dee simulate sales-outreach --db {file} --assume replied=20% --start 2026-06-01",
    ):
        session.out.line(f"  {text}")
