"""Why somebody did or did not get something."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from dee_appliance.cli.command import Session, command

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dee_appliance.runtime.reports import RunWhy, Why


@command()
@click.argument("what")
@click.option("--step", default="", metavar="STEP", help="Only this step.")
@click.option("--plan", default="", metavar="PLAN", help="Only this plan.")
def why(session: Session, *, what: str, step: str, plan: str) -> None:
    """Explain why a contact got something or did not: every decision, what the gate saw, and the entries it rests on.

    WHAT is a run, a contact (id, e-mail address, phone number, your own key), a Message-ID, a send key, or any address.

    \b
    Example:
      dee why jane@example.com
      dee why run_c5ulcgq4ona6z6m7uauw --step call
      dee why "<869a7e43371a9ccc0397e0b2784495ca1a6c6ef7@example.com>"
    """
    import msgspec

    from dee_appliance.runtime import reports

    with session.view() as view:
        found = reports.why(view, what, step=step, plan=plan, disarmed=reports.disarmed_reason(view))
    if session.out.as_json:
        session.out.record(msgspec.structs.asdict(found))
    for text in why_lines(found):
        session.out.line(text)


def why_lines(found: Why) -> Iterator[str]:
    """Write an explanation."""
    from dee_appliance.cli.run_text import consent_text, moment_text, suppression_text

    if found.about == "address":
        yield f"{found.asked} is no contact of this file"
    else:
        zone = f"  {found.zone}" if found.zone else "  time zone not known"
        yield f"contact {found.contact}  {found.name}{'  ERASED' if found.erased else zone}"
    for suppression in found.suppressions:
        yield f"  suppressed {suppression_text(suppression)}"
    for consent in found.consents:
        yield f"  consent {consent_text(consent)}"
    for run in found.runs:
        yield ""
        yield from run_why_lines(run)
    for refusal in found.refused:
        yield ""
        yield f"✘ {moment_text(refusal.at)}  did not enter {refusal.plan}: {refusal.code}"
        yield f"        {refusal.text} (entry {refusal.entry})"
    if found.about == "contact" and not found.runs and not found.refused:
        yield ""
        yield "nobody asked to enrol this contact: dee enroll PLAN --contact C"


def run_why_lines(run: RunWhy) -> Iterator[str]:
    """Write the explanation of one run."""
    from dee_appliance.cli.run_text import (
        evidence_line,
        moment_text,
        next_lines,
        status_text,
        timeline_lines,
    )

    status = status_text(run.status, run.reason)
    yield f"run {run.run}  {run.plan} ({run.digest[:11]}…)  {status} since {moment_text(run.since)}"
    yield from timeline_lines(run.lines, values=True)
    if not run.lines:
        yield "  nothing was decided about it"
    yield from next_lines(run.next)
    yield evidence_line(run.evidence)
