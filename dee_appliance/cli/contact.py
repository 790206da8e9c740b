"""Contacts: imported from CSV, erased."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, get_args

import click

from dee_appliance.cli.command import Session, command
from dee_appliance.cli.rejects import delimiter_of, reject_record, remembering, show_rejects
from dee_appliance.errors import Refused, Usage

if TYPE_CHECKING:
    from dee_appliance.intake.rejects import Reject
    from dee_appliance.runtime.importing import ConsentGrant, ImportReport
    from dee_appliance.store.erasure import ErasureReport

PATH = click.Path(path_type=Path)


def parse_consents(texts: Iterable[str]) -> tuple[ConsentGrant, ...]:
    """Read `CHANNEL` or `CHANNEL:PURPOSE`, as --consent gives them. Raises Usage."""
    from dee_appliance.kernel.e1.plan import Purpose
    from dee_appliance.runtime.config import CHANNELS
    from dee_appliance.runtime.importing import ConsentGrant

    purposes = ("*", *get_args(Purpose))
    grants = []
    for text in texts:
        channel, colon, purpose = text.partition(":")
        named = next((one for one in CHANNELS if one == channel), None)
        if named is None or (colon and purpose not in purposes):
            hint = f"CHANNEL or CHANNEL:PURPOSE; {', '.join(CHANNELS)}; {', '.join(purposes)}"
            raise Usage(f"`{text}` is no consent", where="--consent", hint=hint)
        grants.append(ConsentGrant(channel=named, purpose=purpose or "*"))
    return tuple(grants)


@command("import", acts=True)
@click.argument("file", type=PATH)
@click.option(
    "--map", "mapping", multiple=True, metavar="FIELD=COLUMN", help="Which column is which field; repeatable."
)
@click.option("--dry-run", is_flag=True, help="Only say what would happen.")
@click.option(
    "--allow-rejects", is_flag=True, help="Import the good rows and leave the rejects out. [default: all or nothing]"
)
@click.option(
    "--on-existing",
    type=click.Choice(["keep", "update"]),
    default="keep",
    show_default=True,
    help="What to do with known contacts that differ.",
)
@click.option(
    "--readmit-erased", is_flag=True, help="Take back contacts that were erased: they have asked for it since."
)
@click.option("--rejects", type=PATH, metavar="FILE", help="Where rejects go. [default: FILE.rejects.csv]")
@click.option(
    "--consent",
    multiple=True,
    metavar="CHANNEL[:PURPOSE]",
    help="Everybody in the file consents to this, but for who has revoked it.",
)
@click.option("--delimiter", metavar="D", help="comma, semicolon or tab. [default: found in the header]")
@click.option("--default-country", metavar="CC", help="Reads phone numbers without + and regions, as in US.")
def import_(
    session: Session,
    *,
    file: Path,
    mapping: tuple[str, ...],
    dry_run: bool,
    allow_rejects: bool,
    on_existing: str,
    readmit_erased: bool,
    rejects: Path | None,
    consent: tuple[str, ...],
    delimiter: str | None,
    default_country: str | None,
) -> None:
    """Import contacts from a CSV file.

    Columns are recognised by their names; --map names others: a lower-case name makes a profile field that templates may use,
    attribute.NAME=COLUMN:TYPE an attribute that may steer plans (bool, int, date, zone, enum). The columns country, region,
    timezone, calling_hours and subscriber say where and when a person may be reached. A row is taken whole or not at
    all, and without --allow-rejects one bad row keeps all of them out.

    \b
    Example:
      dee contact import contacts.csv --dry-run
      dee contact import contacts.csv --consent email:marketing --map "email=Work e-mail"
      dee contact import contacts.csv --map "attribute.tier=Level:enum" --on-existing update
    """
    first: list[Reject] = []
    separator = delimiter_of(delimiter)
    target = rejects or (None if dry_run else Path(f"{file}.rejects.csv"))
    try:
        with session.progress("contacts") as progress:
            report = session.engine().import_contacts(
                file,
                mapping=mapping,
                dry_run=dry_run,
                allow_rejects=allow_rejects,
                update=on_existing == "update",
                readmit=readmit_erased,
                delimiter=separator,
                default_country=default_country,
                consents=parse_consents(consent),
                rejects=target,
                on_reject=remembering(first),
                progress=progress,
            )
    except Refused:
        show_rejects(session, first, target, "correct it and import that, or add --allow-rejects")
        raise
    _show_report(session, file, report, first, dry_run=dry_run)


def _show_report(session: Session, file: Path, report: ImportReport, first: list[Reject], *, dry_run: bool) -> None:
    import msgspec

    session.out.record(
        {
            "file": str(file),
            "dry_run": dry_run,
            **msgspec.structs.asdict(report),
            "rejects": [reject_record(reject) for reject in first],
        }
    )
    session.out.line(f"{report.rows:,} rows in {file.name}{' (dry run: nothing was changed)' if dry_run else ''}")
    notes = {
        "kept": "known contacts that differ, left as they are: --on-existing update",
        "erased": "contacts that were erased, and stay so: --readmit-erased",
        "conflict": "rows that name two known contacts at once",
        "consents": "consents recorded",
        "revoked": "consents left out, as they were revoked",
    }
    rows = [
        (f"  {name}", f"{getattr(report, name):,}", notes.get(name, ""))
        for name in (
            "new",
            "changed",
            "same",
            "kept",
            "erased",
            "duplicate",
            "rejected",
            "conflict",
            "consents",
            "revoked",
        )
    ]
    for name, count, note in rows:
        if count != "0" or name.strip() in {"new", "rejected"}:
            session.out.line(f"{name:<12}{count:>9}  {note}".rstrip())
    if report.queued:
        session.out.line(f"queued: {report.queued:,} requests wait for the process that runs this file")
    if report.refused:
        session.out.line(f"refused: {report.refused:,} requests; another import was faster: dee log --action contact")
    show_rejects(
        session, first, None if report.rejects_file is None else Path(report.rejects_file), "correct it and import it"
    )


@command(acts=True)
@click.argument("contact")
@click.option(
    "--basis",
    type=click.Choice(["request", "retention", "law", "mistake"]),
    default="request",
    show_default=True,
    help="Why; it is recorded.",
)
@click.option("--yes", is_flag=True, help="Do not ask.")
def erase(session: Session, *, contact: str, basis: str, yes: bool) -> None:
    """Erase a contact's personal data for good. Live runs end; suppression and dedupe go on holding; the log still verifies.

    `done` is said only after the bytes were looked for in the file and its write-ahead log. Snapshots and other copies made
    before still hold them, and so do CSV files and the messages in the sandbox's folder.

    \b
    Example:
      dee contact erase jane@example.com
    """
    engine = session.engine()
    with engine.view() as view:
        identity = view.resolve_contact(contact)
    if not yes:
        if not sys.stdin.isatty():
            raise Usage("an erasure cannot be undone", hint=f"dee contact erase {contact} --yes")
        click.confirm(f"Erase {contact} ({identity})? This cannot be undone.", abort=True, err=True)
    report = engine.erase_contact(identity, basis=basis)
    _show_erasure(session, identity, report)


def _show_erasure(session: Session, identity: str, report: ErasureReport) -> None:
    session.out.record(
        {
            "contact": identity,
            "state": report.state,
            "searched": report.searched,
            "shared": report.shared,
            "too_short": report.too_short,
            "compacted": report.compacted,
        }
    )
    match report.state:
        case "done":
            session.out.line(
                f"erased {identity}: {report.searched} values are in neither the file nor its write-ahead log"
            )
            if report.shared:
                session.out.line(f"{report.shared} values stay, because rows of others hold the same")
        case "pending":
            raise Refused(
                "the contact is erased, but its bytes may still lie in the write-ahead log: a reader or the loop was in the way",
                where=identity,
                hint="stop what reads the file, then erase the contact again",
            )
        case "remains":
            raise Refused(
                f"the contact is erased, but its bytes still lie in the file at {len(report.places)} places",
                where=identity,
                hint="make a new copy with `dee snapshot` and use that",
            )
