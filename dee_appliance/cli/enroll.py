"""Enrolling contacts in a plan: who, with which variables, from when on."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from dee_appliance.cli.command import Session, command
from dee_appliance.errors import Refused, Usage

if TYPE_CHECKING:
    from collections.abc import Iterable

    from dee_appliance.runtime.commands import Batch
    from dee_appliance.runtime.enrolling import Named, Variables
    from dee_appliance.runtime.reading import View

SHOWN = 10


def parse_variables(pairs: Iterable[str]) -> dict[str, str]:
    """Read `NAME=VALUE` pairs. Raises Usage."""
    given: dict[str, str] = {}
    for pair in pairs:
        name, equals, text = pair.partition("=")
        if not equals or not name:
            raise Usage(f"`{pair}` is no variable", where="--var", hint="write NAME=VALUE")
        if name in given:
            raise Usage(f"{name} is given twice", where="--var")
        given[name] = text
    return given


@command(acts=True)
@click.argument("plan")
@click.option(
    "--contact", multiple=True, metavar="C", help="An id, e-mail address, phone number or your key; repeatable."
)
@click.option("--file", "file", type=click.Path(path_type=Path), metavar="F", help="A list, one a line, or a CSV file.")
@click.option("--column", metavar="NAME", help="With --file: the column that says who. [default: found by its name]")
@click.option(
    "--skip-unknown", is_flag=True, help="With --file: leave out whoever is not in the file. [default: refuse]"
)
@click.option("--all", "everybody", is_flag=True, help="Every contact of the file.")
@click.option("--var", multiple=True, metavar="NAME=VALUE", help="A variable of the plan or its templates; repeatable.")
@click.option("--start", metavar="T", help="When the runs start. [default: now]")
def enroll(
    session: Session,
    *,
    plan: str,
    contact: tuple[str, ...],
    file: Path | None,
    column: str | None,
    skip_unknown: bool,
    everybody: bool,
    var: tuple[str, ...],
    start: str | None,
) -> None:
    """Enrol contacts in the newest version of a plan.

    Variables that the plan declares are typed as it says and enter the log; others are texts that only templates read. Who may
    not enter (re-entry, gap, exclusive, missing attributes) is counted by reason and stands in the log.

    \b
    Example:
      dee enroll sales-outreach --all
      dee enroll sales-outreach --contact jane@example.com --start 2026-11-23T09:00:00Z
      dee enroll appointment-reminders --file today.csv --column customer_id --var day=2026-11-24
    """
    from dee_appliance.cli.instant import parse_instant

    if sum((bool(contact), file is not None, everybody)) != 1:
        raise Usage("say who: --contact, --file or --all, one of them")
    if file is None and (column or skip_unknown):
        raise Usage("--column and --skip-unknown are for --file")
    engine = session.engine()
    with engine.view() as view:
        variables = _variables(view, plan, parse_variables(var))
        first = None if start is None else parse_instant(start, epoch=view.epoch, where="--start")
        chosen = (
            list(contact) if file is None else _listed(view, file, column, skip_unknown=skip_unknown, session=session)
        )
    with session.progress("contacts") as progress:
        batch = engine.enroll(
            plan,
            None if everybody else chosen,
            variables=variables.typed,
            texts=variables.texts,
            start=first,
            progress=progress,
        )
    _show(session, plan, batch)


def _variables(view: View, plan: str, given: dict[str, str]) -> Variables:
    from dee_appliance.runtime.enrolling import read_variables
    from dee_appliance.runtime.published import find_version

    if "@" in plan:
        raise Usage(
            "enrolment is always in the newest version", where=plan, hint=f"dee enroll {plan.partition('@')[0]}"
        )
    found = view.state.plan(find_version(view, plan).digest).plan
    return read_variables(found, given)


def _listed(view: View, file: Path, column: str | None, *, skip_unknown: bool, session: Session) -> list[str]:
    from dee_appliance.runtime.enrolling import read_contact_list

    found: dict[str, None] = {}
    unknown: list[Named] = []
    for named in read_contact_list(file, column):
        try:
            found[view.resolve_contact(named.text)] = None
        except Refused:
            unknown.append(named)
    for named in unknown[:SHOWN]:
        session.out.note(f"  {file.name}:{named.line}: `{named.text}` is no contact of this file")
    if unknown and not skip_unknown:
        raise Refused(
            f"{len(unknown)} of {len(unknown) + len(found)} are no contacts of this file; nobody was enrolled",
            where=str(file),
            hint="import them first, or add --skip-unknown",
        )
    return list(found)


def _show(session: Session, plan: str, batch: Batch) -> None:
    from dee_appliance.runtime.refusal import said

    refused = {code.removeprefix("rejected:"): count for code, count in batch.outcomes.items() if code != "done"}
    enrolled = batch.outcomes.get("done", 0)
    session.out.record(
        {"plan": plan, "requests": batch.rows, "enrolled": enrolled, "refused": refused, "queued": batch.queued}
    )
    session.out.line(f"{plan}: {enrolled:,} enrolled, {sum(refused.values()):,} refused")
    for code, count in refused.items():
        session.out.line(f"  {count:>7,}  {said(code)} ({code})")
    if batch.queued:
        session.out.line(f"queued: {batch.queued:,} requests wait for the process that runs this file")
    if refused and not enrolled and not batch.queued:
        raise Refused("nobody was enrolled", where=plan, hint="dee log --action enroll")
