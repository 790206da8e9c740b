"""The file's time-zone table: which one is in use, and another one brought into use after a look at what it changes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from dee_appliance.cli.command import Session, command

if TYPE_CHECKING:
    from dee_appliance.runtime.tz_preview import PendingChange, TableAnswer, ZoneDifference, ZonesPreview
    from dee_appliance.runtime.tz_table import TableFacts

SHOWN = 20
"""How many runs and zones a preview names; `--json` has them all."""
KINDS = {"held": "held sends", "queued": "queued sends", "wait": "waits for a local time"}


@command()
@click.option("--export", "target", type=click.Path(path_type=Path), metavar="FILE", help="Write the table to a file.")
def show(session: Session, *, target: Path | None) -> None:
    """Show which time-zone table the file decides by, since when, and which one this program brings.

    The table is in the file and named by its digest in each decision; the zone files of the machine are never read. What --export
    writes, `dee tz update --from` takes.

    \b
    Example:
      dee tz show
      dee tz show --export zones.json
    """
    import msgspec

    from dee_appliance.cli.run_text import moment_text
    from dee_appliance.runtime.tz_table import export_table, tz_show

    with session.view() as view:
        report = tz_show(view)
        size = None if target is None else export_table(view, target)
    written = {} if target is None else {"file": str(target), "bytes": size}
    session.out.record({**msgspec.to_builtins(report), "same": report.same, **written})
    session.out.line(f"in use       {_table(report.used)}")
    session.out.line(f"since        {moment_text(report.since)}, log entry {report.entry}")
    if report.same:
        session.out.line("this program brings the same table")
    else:
        session.out.line(f"this program {_table(report.installed)}")
        session.out.line("dee tz update shows what it would change")
    if target is not None:
        session.out.line(f"wrote {size:,} bytes to {target}")


def _table(table: TableFacts) -> str:
    span = f"{table.first[:10]} to {table.end[:10]}"
    return f"IANA {table.release}, {table.zones} zones, {span}, {table.digest[:15]}…"


@command(acts=True)
@click.option(
    "--from", "source", type=click.Path(path_type=Path), metavar="FILE", help="A table that --export has written."
)
@click.option("--yes", is_flag=True, help="Do it. [default: only show what would change]")
def update(session: Session, *, source: Path | None, yes: bool) -> None:
    """Use another time-zone table from now on: that of this program, or of a file. First it says what that changes.

    No run is touched by it. What is held until an hour wakes at its old time and asks again; a wait for a local time that ends
    too early waits on, and one that ends too late says by how much.

    \b
    Example:
      dee tz update
      dee tz update --yes
      dee tz update --from zones.json --yes
    """
    import msgspec

    first: list[PendingChange] = []

    def tell(change: PendingChange) -> None:
        session.out.record({"change": msgspec.to_builtins(change)})
        if len(first) < SHOWN:
            first.append(change)

    engine = session.engine()
    preview = engine.update_zones(source, dry_run=not yes, on_change=tell)
    used = yes and not preview.same
    record = {**msgspec.to_builtins(preview), "preview": not used}
    if preview.same:
        session.out.record({**record, "queued": engine.queued})
        session.out.line(f"the file uses this table already: {_table(preview.used)}")
        return
    _show(session, preview, first)
    if used:
        text = f"the time-zone table {preview.offered.release} is in use ({preview.offered.digest[:15]}…)"
        session.done(engine, text, **record)
        return
    session.out.record({**record, "queued": engine.queued})
    session.out.line("nothing was changed; add --yes to do it")


def _show(session: Session, preview: ZonesPreview, first: list[PendingChange]) -> None:
    out = session.out
    out.line(f"in use  {_table(preview.used)}")
    older = ", OLDER than the one in use" if preview.offered.release < preview.used.release else ""
    out.line(f"new     {_table(preview.offered)}{older}")
    out.line(f"zones   {len(preview.zones)} of {preview.zones_used} that {preview.contacts:,} contacts use differ")
    if preview.zones:
        rows = [_zone_row(one) for one in preview.zones[:SHOWN]]
        out.table(("  zone", "contacts", "from", "before", "after", "rules"), rows, right=frozenset({1}))
        _more(session, len(preview.zones), "zones")
    out.line("runs")
    for kind, words in KINDS.items():
        out.line(f"  {preview.changed[kind]:>9,} of {preview.pending[kind]:,} {words}")
    if preview.queues:
        out.line(f"  {preview.queues:>9,} queues that a limit holds are asked again at once")
    for change in first:
        out.line(f"  {change.run}  {change.plan}  {change.step}  {_answers(change)}: {change.effect}")
    _more(session, sum(preview.changed.values()), "runs")


def _more(session: Session, count: int, words: str) -> None:
    if count > SHOWN:
        session.out.line(f"  … and {count - SHOWN:,} other {words}: --json names them all")


def _zone_row(zone: ZoneDifference) -> tuple[object, ...]:
    first = f"{zone.first.utc[:10]} {zone.first.utc[11:]}"
    rules = " ".join(zone.rules)
    return f"  {zone.zone}", f"{zone.contacts:,}", first, _offset(zone.before_s), _offset(zone.after_s), rules


def _offset(seconds: int) -> str:
    hours, rest = divmod(abs(seconds), 3600)
    minutes, odd = divmod(rest, 60)
    return f"{'-' if seconds < 0 else '+'}{hours:02d}:{minutes:02d}" + (f":{odd:02d}" if odd else "")


def _answers(change: PendingChange) -> str:
    return f"{_answer(change.before)} → {_answer(change.after)}"


def _answer(answer: TableAnswer) -> str:
    if answer.at is None:
        return answer.reason
    return f"{answer.at.utc[:10]} {answer.at.utc[11:]}"
