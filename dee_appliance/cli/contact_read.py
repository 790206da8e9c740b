"""Contacts and their consent: found, shown, told in order."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from dee_appliance.cli.command import Session, command

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dee_appliance.runtime.reports import ContactReport

LIST_LIMIT = 100


@command()
@click.argument("text")
@click.option("--limit", type=click.IntRange(min=1), default=LIST_LIMIT, show_default=True, help="At most so many.")
def find(session: Session, *, text: str, limit: int) -> None:
    """Find contacts by id, e-mail address, phone number, your own key, or a part of their profile.

    \b
    Example:
      dee contact find jane@example.com
      dee contact find abbott
    """
    import msgspec

    from dee_appliance.runtime import reports

    rows = []
    with session.view() as view:
        for position, row in enumerate(reports.contact_find(view, text, limit=limit + 1)):
            if position == limit:
                session.out.note(f"there are more: the first {limit} are shown, name another --limit")
                break
            session.out.record(msgspec.structs.asdict(row))
            rows.append((row.contact, row.name, row.email, row.phone, row.key, row.matched))
    if rows:
        session.out.table(("contact", "name", "e-mail", "phone", "key", "found in"), rows)
    else:
        session.out.line(f"no contact is called {text}")


@command()
@click.argument("contact")
def show(session: Session, *, contact: str) -> None:
    """Show everything the file holds of a contact: profile, attributes, zones, consent, suppression, runs.

    \b
    Example:
      dee contact show jane@example.com
    """
    import msgspec

    from dee_appliance.runtime import reports

    with session.view() as view:
        report = reports.contact_show(view, contact)
    if session.out.as_json:
        session.out.record(msgspec.structs.asdict(report))
    for text in contact_lines(report):
        session.out.line(text)


def contact_lines(report: ContactReport) -> Iterator[str]:
    """Write one contact."""
    from dee_appliance.cli.run_text import consent_text, moment_text, status_text, suppression_text

    yield f"contact {report.contact}  {report.name}" + (f"  (your key {report.key})" if report.key else "")
    if report.erased:
        yield "  ERASED: the profile is gone; what suppresses and identifies the contact stays as keyed tokens"
    for field in sorted(report.profile):
        yield f"  {field:<16} {report.profile[field]}"
    for name in sorted(report.attributes):
        yield f"  {name:<16} {report.attributes[name]}  (attribute)"
    yield f"  jurisdictions    {_by_basis(report.jurisdictions) or 'not known'}"
    yield f"  time zones       {_by_basis(report.zones) or 'not known: no call and no text message'}"
    if report.zone:
        yield f"  there it is      {moment_text(report.local_now)}"
    for consent in report.consents:
        yield f"  consent          {consent_text(consent)}"
    for suppression in report.suppressions:
        yield f"  suppressed       {suppression_text(suppression)}"
    for run in report.runs:
        yield f"  run              {run.run}  {run.plan}  {status_text(run.status, run.reason)}  {run.step}"
    yield f"  own chain        {report.entries} entries, head {report.head[:12]}…"


def _by_basis(known: dict[str, list[str]]) -> str:
    return ", ".join(f"{' and '.join(names)} ({basis})" for basis, names in sorted(known.items()) if names)


@command()
@click.argument("contact")
@click.option("--limit", type=click.IntRange(min=1), metavar="N", help="Only the newest N moments. [default: all]")
def timeline(session: Session, *, contact: str, limit: int | None) -> None:
    """Show everything that happened to a contact, all its runs together, oldest first.

    \b
    Example:
      dee contact timeline jane@example.com --limit 20
    """
    import msgspec

    from dee_appliance.cli.run_text import timeline_lines
    from dee_appliance.runtime import reports

    with session.view() as view:
        for moment in reports.contact_timeline(view, contact, limit=limit):
            if session.out.as_json:
                session.out.record(msgspec.structs.asdict(moment))
            else:
                for text in timeline_lines([moment], with_run=True):
                    session.out.line(text)


@command()
@click.argument("contact")
def consent(session: Session, *, contact: str) -> None:
    """Show the consent of a contact: what is in force, and every grant and revocation with its entry and its evidence.

    \b
    Example:
      dee consent show jane@example.com
    """
    import msgspec

    from dee_appliance.cli.run_text import change_text, consent_text, evidence_text, moment_text
    from dee_appliance.runtime import reports

    with session.view() as view:
        report = reports.consent_show(view, contact)
    if session.out.as_json:
        session.out.record(msgspec.structs.asdict(report))
    session.out.line(f"contact {report.contact}  {report.name}")
    for row in report.consents:
        session.out.line(f"  {consent_text(row)}")
    if not report.consents:
        session.out.line("  no consent was ever recorded: dee consent grant CONTACT --channel CHANNEL")
    for change in report.history:
        session.out.line(f"  · {moment_text(change.at)}  {change_text(change)}, entry {change.entry}")
        if change.evidence is not None:
            session.out.line(f"      {evidence_text(change.evidence)}")
