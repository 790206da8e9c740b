"""`dee policy report`: what a compliance officer or a regulator asks for about a period."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from dee_appliance.cli.command import Session, command
from dee_appliance.errors import Usage

if TYPE_CHECKING:
    from dee_appliance.runtime.compliance_report import ComplianceReport

DATE_CHARACTERS = len("2026-11-23")
DAY_S = 86_400


@command()
@click.option("--from", "since", required=True, metavar="T", help="The first day, or an instant in UTC.")
@click.option(
    "--to", "until", required=True, metavar="T", help="The last day (all of it), or the instant before which."
)
@click.option(
    "--format",
    "form",
    type=click.Choice(["md", "csv", "pdf"]),
    default="md",
    show_default=True,
    help="How to write it.",
)
@click.option("--out", type=click.Path(path_type=Path), metavar="FILE", help="Write to a file.")
def report(session: Session, *, since: str, until: str, form: str, out: Path | None) -> None:
    """Report on a period for a compliance officer or a regulator, from the log alone. No personal data of contacts.

    Verification of the log, rules in force, records of processing, sends and the consent relied on, calling hours computed again,
    refusals and holds by rule, budgets, time to honour opt-outs and the duties of the packs, complaints, erasures, unknown
    outcomes, acts of operators. Equal files and periods give equal bytes. CSV is one file: the first column names the table.
    Exit code 4 when the log was changed, after the report is written.

    \b
    Example:
      dee policy report --from 2026-11-01 --to 2026-11-30
      dee policy report --from 2026-11-01 --to 2026-11-30 --format pdf --out november.pdf
    """
    import msgspec

    from dee_appliance.cli.instant import parse_instant
    from dee_appliance.cli.verify import remembered
    from dee_appliance.runtime.compliance_report import compliance_report
    from dee_appliance.store.header import refuse_to_replace

    if form == "pdf" and out is None and not session.out.as_json:
        raise Usage("a PDF is written to a file", where="--out", hint="--out report.pdf")
    if out is not None:
        refuse_to_replace(out, session.path)
    tip = remembered(session)
    with session.view() as view, session.progress("entries") as progress:
        first = parse_instant(since, epoch=view.epoch, where="--from")
        end = parse_instant(until, epoch=view.epoch, where="--to") + (DAY_S if len(until) == DATE_CHARACTERS else 0)
        found, checked = compliance_report(view, first, end, tip=tip, progress=progress)
    plain = msgspec.to_builtins(found)
    if out is not None:
        out.write_bytes(_written(found, form))
        told = {"file": str(out), "format": form, "entries": found.head.entries}
        session.out.record({**told, "checks": plain["checks"], "verified": found.verification.ok})
        session.out.line(f"wrote the report on {found.head.entries:,} entries to {out}")
    elif session.out.as_json:
        session.out.record(plain)
    else:
        sys.stdout.write(_written(found, form).decode())
    error = checked.error()
    if error is not None:
        raise error


def _written(found: ComplianceReport, form: str) -> bytes:
    from dee_appliance.cli import report_blocks, report_writers

    write = {"md": report_writers.markdown, "csv": report_writers.csv_text, "pdf": report_writers.pdf}[form]
    return write(report_blocks.title_of(found), report_blocks.blocks(found))
