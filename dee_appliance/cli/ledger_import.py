"""Importing consents, opt-outs and suppression lists from CSV."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict, Unpack

import click

from dee_appliance.cli.command import Session, command
from dee_appliance.cli.rejects import delimiter_of, reject_record, remembering, show_rejects
from dee_appliance.errors import Refused, Usage

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from dee_appliance.intake.rejects import Reject
    from dee_appliance.runtime.ledger_import import LedgerFile, LedgerReport

PATH = click.Path(path_type=Path)


class Reading(TypedDict):
    """How a CSV file is read, as the options say it."""

    dry_run: bool
    allow_rejects: bool
    rejects: Path | None
    delimiter: str | None
    default_country: str | None


def _reading(function: Callable[..., None]) -> Callable[..., None]:
    """Add the options by which a CSV file is read."""
    for option in (
        click.option("--default-country", metavar="CC", help="Reads phone numbers without +, as in US."),
        click.option("--delimiter", metavar="D", help="comma, semicolon or tab. [default: found in the header]"),
        click.option("--rejects", type=PATH, metavar="FILE", help="Where rejects go. [default: FILE.rejects.csv]"),
        click.option(
            "--allow-rejects",
            is_flag=True,
            help="Import the good rows and leave the rejects out. [default: all or nothing]",
        ),
        click.option("--dry-run", is_flag=True, help="Only say what would happen."),
    ):
        function = option(function)
    return function


@command(acts=True)
@click.argument("file", type=PATH)
@_reading
def consent_import(session: Session, *, file: Path, **reading: Unpack[Reading]) -> None:
    """Import consents and revocations of contacts from a CSV file.

    Columns: contact, email, phone or key (whose it is), channel, and if you have them purpose, granted (yes or no), class, basis,
    obtained, expires, source, evidence. Left out, purpose is * (every purpose), granted yes, class express. One bad row keeps
    all of them out, and the same file again changes nothing: a consent revoked meanwhile stays revoked.

    \b
    Example:
      dee consent import consents.csv --dry-run
      dee consent import consents.csv
    """
    engine = session.engine()
    first: list[Reject] = []
    wanted = _file(file, first, reading)
    with _told(session, first, wanted), session.progress("consents") as progress:
        report = engine.import_consents(wanted, dry_run=reading["dry_run"], progress=progress)
    _show(session, file, report, ("granted", "revoked", "same"), dry_run=reading["dry_run"], first=first, list_=None)


@command(acts=True)
@click.argument("file", type=PATH)
@click.option("--list", "name", metavar="NAME", help="It is a whole suppression list of this name, as in us-ndnc.")
@click.option("--as-of", metavar="T", help="With --list: when the list was taken from its source. [default: now]")
@click.option("--allow-empty", is_flag=True, help="With --list: nobody is on the list.")
@click.option("--allow-smaller", is_flag=True, help="With --list: it has less than half of the version in use.")
@click.option("--allow-older", is_flag=True, help="With --list: it was taken before the version in use.")
@click.option(
    "--reason", metavar="CODE", help="Without --list: the reason of rows that give none. [default: unsubscribed]"
)
@_reading
def suppress_import(
    session: Session,
    *,
    file: Path,
    name: str | None,
    as_of: str | None,
    allow_empty: bool,
    allow_smaller: bool,
    allow_older: bool,
    reason: str | None,
    **reading: Unpack[Reading],
) -> None:
    """Import opt-outs, or a whole suppression list, from a CSV file.

    Without --list: people who have opted out with you, one a row: email, phone, contact or key, and if you have them channel (or
    scope: *, channel:NAME, plan:NAME), reason, date. The file need not know them. Known ones are left as they are.

    With --list: one column of phone numbers or e-mail addresses (a header is not needed), such as a do-not-call registry. It
    takes the place of the earlier version at once and whole; rules ask for it by its name. Only keyed tokens are kept. What looks
    like the wrong file is refused: an empty list, an older one, less than half of the one in use.

    \b
    Example:
      dee suppress import opted_out.csv
      dee suppress import registry.csv --list us-ndnc --as-of 2026-11-20 --default-country US
    """
    from dee_appliance.cli.instant import parse_instant

    if name is None and (as_of is not None or allow_empty or allow_smaller or allow_older):
        raise Usage("--as-of, --allow-empty, --allow-smaller and --allow-older go with --list", where="--list")
    if name is not None and reason is not None:
        raise Usage("a list has no reasons", where="--reason", hint="leave --reason or --list out")
    engine = session.engine()
    first: list[Reject] = []
    wanted = _file(file, first, reading)
    with session.view() as view:
        taken = None if as_of is None else parse_instant(as_of, epoch=view.epoch, where="--as-of")
    with _told(session, first, wanted), session.progress("rows") as progress:
        if name is None:
            report: LedgerReport = engine.import_opt_outs(
                wanted, reason=reason or "unsubscribed", dry_run=reading["dry_run"], progress=progress
            )
        else:
            report = engine.import_list(
                name,
                wanted,
                as_of=taken,
                allow_empty=allow_empty,
                allow_smaller=allow_smaller,
                allow_older=allow_older,
                dry_run=reading["dry_run"],
                progress=progress,
            )
    counts = ("added", "same", "duplicate", "strangers") if name is None else ("entries", "duplicate")
    _show(session, file, report, counts, dry_run=reading["dry_run"], first=first, list_=name)


def _file(file: Path, first: list[Reject], reading: Reading) -> LedgerFile:
    from dee_appliance.runtime.ledger_import import LedgerFile

    dry_run = reading["dry_run"]
    return LedgerFile(
        path=file,
        delimiter=delimiter_of(reading["delimiter"]),
        default_country=reading["default_country"],
        rejects=reading["rejects"] or (None if dry_run else Path(f"{file}.rejects.csv")),
        on_reject=remembering(first),
        allow_rejects=reading["allow_rejects"] or dry_run,
    )


@contextmanager
def _told(session: Session, first: list[Reject], wanted: LedgerFile) -> Iterator[None]:
    """Show the rejects of an import that was refused for them."""
    try:
        yield
    except Refused:
        show_rejects(session, first, wanted.rejects, "correct it and import that, or add --allow-rejects")
        raise


NOTES = {
    "same": "known already, left as they are",
    "strangers": "of them no contact of this file; it holds for whoever will have the address",
    "duplicate": "repeat an earlier row",
}


def _show(
    session: Session,
    file: Path,
    report: LedgerReport,
    counts: tuple[str, ...],
    *,
    dry_run: bool,
    first: list[Reject],
    list_: str | None,
) -> None:
    import msgspec

    from dee_appliance.kernel.e1.civil_time import format_utc
    from dee_appliance.runtime.ledger_import import ListReport

    told = {"file": str(file), "dry_run": dry_run, **msgspec.structs.asdict(report)}
    session.out.record({**told, "rejects": [reject_record(reject) for reject in first]})
    session.out.line(f"{report.rows:,} rows in {file.name}{' (dry run: nothing was changed)' if dry_run else ''}")
    for name in (*counts, "rejected"):
        count = getattr(report, name)
        if count or name == counts[0]:
            session.out.line(f"  {name:<10}{count:>11,}  {NOTES.get(name, '')}".rstrip())
    if isinstance(report, ListReport):
        replaces = f" in the place of version {report.replaces}" if report.replaces else ""
        use = "would come into use" if dry_run else "is queued" if report.queued else "is in use"
        session.out.line(f"list {list_}: version {report.version} as of {format_utc(report.as_of)} {use}{replaces}")
    if report.queued:
        session.out.line(f"queued: {report.queued:,} requests wait for the process that runs this file")
    if report.refused:
        session.out.line(f"refused: {report.refused:,} requests; dee log --outcome rejected says why")
    target = None if report.rejects_file is None else Path(report.rejects_file)
    show_rejects(session, first, target, "correct it and import it")
