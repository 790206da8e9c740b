"""The log, as people and as programs read it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from dee_appliance.cli.command import Session, command

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dee_appliance.runtime.reports import LogLine

HASH_DIGITS = 4


def log_lines(line: LogLine, *, long: bool = False) -> Iterator[str]:
    """Write one entry; one that fails its run has two lines more. `long`: with position, run, time and details."""
    from dee_appliance.runtime.reports import requires

    subject = _subject(line)
    head = (
        f"[tick {line.tick}] {subject} → action:{line.action} → outcome:{line.outcome} hash:{line.hash[:HASH_DIGITS]}…"
    )
    yield head + (_details(line) if long else "")
    if line.detail.get("status") == "FAILED":
        reason = str(line.detail.get("reason", ""))
        where = f"({line.step})" if line.step else ""
        yield f"[tick {line.tick}] run:{line.run} → status:FAILED → reason:{reason}{where}"
        yield f"↳ requires: {requires(reason)}"


def _subject(line: LogLine) -> str:
    if line.step:
        return f"step:{line.step}"
    if line.run:
        return f"run:{line.run}"
    return f"contact:{line.contact}" if line.contact else "file"


def _details(line: LogLine) -> str:
    from dee_appliance.cli.output import json_line

    parts = [f"#{line.seq}", line.utc]
    parts += [line.run] if line.run and line.step else []
    parts += [line.plan] if line.plan else []
    return f"  {' '.join(parts)} {json_line(line.detail)}"


@command()
@click.option("--run", default="", metavar="RUN", help="Only this run.")
@click.option(
    "--contact", default="", metavar="C", help="Only this contact: an id, e-mail address, number or your key."
)
@click.option("--action", default="", metavar="A", help="Only this action, as in send_email, halt, consent.")
@click.option("--outcome", default="", metavar="O", help="Only this outcome, as in accepted, held, unknown.")
@click.option("--from", "after", metavar="T", help="From this moment on: a date and time in UTC, or a tick.")
@click.option("--to", "before", metavar="T", help="Before this moment.")
@click.option("--limit", type=click.IntRange(min=0), metavar="N", help="Only the newest N. [default: all]")
@click.option("--long", is_flag=True, help="With position, run, time and details.")
@click.option("--follow", is_flag=True, help="Go on with what is added, until interrupted.")
def log(
    session: Session,
    *,
    run: str,
    contact: str,
    action: str,
    outcome: str,
    after: str | None,
    before: str | None,
    limit: int | None,
    long: bool,
    follow: bool,
) -> None:
    """Show the log, oldest entry first. Ticks are seconds since the file was made.

    With --json each line has seq, tick, utc, run, contact, plan, step, action, outcome, detail, prev, hash and more.

    \b
    Example:
      dee log --limit 20
      dee log --run run_c5ulcgq4ona6z6m7uauw
      dee log --contact jane@example.com --from 2026-11-23 --json
      dee log --action halt
    """
    import msgspec

    from dee_appliance.cli.instant import parse_instant
    from dee_appliance.runtime import reports

    with session.view() as view:
        wanted = reports.LogFilter(
            run=run,
            contact=contact,
            action=action,
            outcome=outcome,
            after=None if after is None else parse_instant(after, epoch=view.epoch, where="--from"),
            before=None if before is None else parse_instant(before, epoch=view.epoch, where="--to"),
            limit=limit,
        )
        lines = reports.follow(view, wanted, _wait) if follow else reports.log(view, wanted)
        line = None
        for line in lines:
            if session.out.as_json:
                session.out.record(msgspec.structs.asdict(line))
            else:
                for text in log_lines(line, long=long):
                    session.out.line(text)
        if line is None:
            session.out.note("no entry fits")


def _wait(seconds: float) -> None:
    import sys

    from dee_appliance.runtime.clock import WallClock

    sys.stdout.flush()
    WallClock().wait(seconds)
