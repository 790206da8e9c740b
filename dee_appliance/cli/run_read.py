"""Runs: listed by what they have in common, and one of them explained."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from dee_appliance.cli.command import Session, command

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from dee_appliance.runtime.reading import View
    from dee_appliance.runtime.reports import RunFilter, RunReport

LIST_LIMIT = 100


def filter_options(function: Callable[..., None]) -> Callable[..., None]:
    """The options that choose runs; `run_filter` reads them. The same on lists and on verbs that act on many runs."""
    for option in (
        click.option("--to", "--before", "before", metavar="T", help="Last changed before this moment."),
        click.option(
            "--from", "--after", "after", metavar="T", help="Last changed at this moment (UTC, or a tick) or later."
        ),
        click.option("--reason", default="", metavar="R", help="Failed, held or ended for this reason."),
        click.option(
            "--contact", default="", metavar="C", help="Of this contact: id, e-mail address, number or your key."
        ),
        click.option("--plan", default="", metavar="PLAN", help="Of this plan, any version."),
        click.option("--status", default="", metavar="S", help="WAITING, HELD, FAILED, COMPLETED and so on."),
    ):
        function = option(function)
    return function


def run_filter(
    view: View,
    *,
    status: str = "",
    plan: str = "",
    contact: str = "",
    reason: str = "",
    after: str | None = None,
    before: str | None = None,
    limit: int | None = None,
) -> RunFilter:
    """Read the options of `filter_options`. Raises Usage for a moment that is none."""
    from dee_appliance.cli.instant import parse_instant
    from dee_appliance.runtime.reports import RunFilter

    return RunFilter(
        status=status,
        plan=plan,
        contact=contact,
        reason=reason,
        after=None if after is None else parse_instant(after, epoch=view.epoch, where="--from"),
        before=None if before is None else parse_instant(before, epoch=view.epoch, where="--to"),
        limit=limit,
    )


@command("list")
@filter_options
@click.option(
    "--limit",
    type=click.IntRange(min=0),
    default=LIST_LIMIT,
    show_default=True,
    help="At most so many; 0 is all of them.",
)
def list_(session: Session, *, limit: int, **chosen: str) -> None:
    """List runs in the order of enrolment.

    \b
    Example:
      dee run list --status FAILED
      dee run list --plan sales-outreach --reason outside_hours --limit 0
    """
    import msgspec

    from dee_appliance.cli.run_text import moment_text, status_text
    from dee_appliance.runtime import reports

    rows = []
    with session.view() as view:
        # One more than is shown tells whether there are more.
        wanted = run_filter(view, limit=limit + 1 if limit else None, **chosen)
        for position, row in enumerate(reports.select_runs(view, wanted)):
            if limit and position == limit:
                session.out.note(f"there are more: the first {limit} are shown, --limit 0 shows all")
                break
            if session.out.as_json:
                session.out.record(msgspec.structs.asdict(row))
                continue
            due = "" if row.due is None else moment_text(row.due)
            rows.append(
                (
                    row.run,
                    row.plan,
                    status_text(row.status, row.reason),
                    row.step,
                    moment_text(row.changed),
                    due,
                    row.contact,
                )
            )
    if rows:
        session.out.table(("run", "plan", "status", "step", "changed", "due", "contact"), rows)
    else:
        session.out.line("no run fits")


@command()
@click.argument("run")
@click.option("--limit", type=click.IntRange(min=1), metavar="N", help="Only the newest N moments. [default: all]")
def show(session: Session, *, run: str, limit: int | None) -> None:
    """Show one run: what happened on the contact's clock and in UTC, what is next and why, and the evidence.

    ✔ done, ✘ refused or failed, ‖ held or paused, ? outcome unknown, · an event.

    \b
    Example:
      dee run show run_c5ulcgq4ona6z6m7uauw
    """
    import msgspec

    from dee_appliance.runtime import reports

    with session.view() as view:
        report = reports.run_show(view, run, limit=limit, disarmed=reports.disarmed_reason(view))
    if session.out.as_json:
        session.out.record(msgspec.structs.asdict(report))
    for text in run_lines(report):
        session.out.line(text)


def run_lines(report: RunReport) -> Iterator[str]:
    """Write one run."""
    from dee_appliance.cli.run_text import evidence_line, moment_text, next_lines, status_text, timeline_lines

    name = f"{report.name} " if report.name else ""
    yield f"run {report.run}  {report.plan} ({report.digest[:11]}…), enrolment {report.ordinal} of {name}{report.contact}"
    yield f"  {status_text(report.status, report.reason)} since {moment_text(report.since)}"
    yield (
        f"  times are those of {report.zone}, UTC beside them"
        if report.zone
        else "  times are UTC: the contact's zone is not known"
    )
    if report.variables:
        yield f"  variables: {', '.join(f'{name} = {value}' for name, value in sorted(report.variables.items()))}"
    yield ""
    if report.left_out:
        yield f"  … {report.left_out} earlier moments"
    yield from timeline_lines(report.timeline)
    yield ""
    yield from next_lines(report.next)
    yield evidence_line(report.evidence)
