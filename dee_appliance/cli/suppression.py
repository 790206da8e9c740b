"""Who is suppressed, and on which lists: asked for one person, and shown for the file."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from dee_appliance.cli.command import Session, command

if TYPE_CHECKING:
    from dee_appliance.runtime.reports import ListRow, SuppressionCheck, SuppressionRow

LIST_LIMIT = 100


@command()
@click.argument("subject")
def check(session: Session, *, subject: str) -> None:
    """Say whether a contact or an address is suppressed: by what, since when, which channels and plans it stops, on which lists.

    The address need not belong to a contact of the file; after an erasure it is still known by its keyed token.

    \b
    Example:
      dee suppress check jane@example.com
      dee suppress check +12025550123 --json
    """
    import msgspec

    from dee_appliance.cli.run_text import listed_text, suppression_text

    found = session.engine().suppression(subject)
    if session.out.as_json:
        session.out.record(msgspec.structs.asdict(found))
    session.out.line(_verdict(subject, found))
    for row in found.suppressions:
        session.out.line(f"  {suppression_text(row)}")
    for listed in found.lists:
        session.out.line(f"  {listed_text(listed)}")


def _verdict(subject: str, found: SuppressionCheck) -> str:
    who = f"{subject}, no contact of this file,"
    if found.contact:
        who = f"{subject} (erased, {found.contact})" if found.erased else f"{subject} ({found.name or found.contact})"
    if not found.suppressed:
        return f"✔ {who} is not suppressed"
    plans = f"of {', '.join(found.plans)}" if found.plans else ""
    channels = f"on {', '.join(found.channels)}" if found.channels else ""
    stopped = " and ".join(part for part in (channels, plans) if part) or "for some sends only"
    return f"✘ {who} is suppressed {stopped}"


@command()
@click.option("--scope", default="", metavar="S", help="Only this scope: *, channel:NAME, plan:NAME or list:NAME.")
@click.option("--reason", default="", metavar="R", help="Only this reason, as in unsubscribed or bounced.")
@click.option(
    "--limit",
    type=click.IntRange(min=0),
    default=LIST_LIMIT,
    show_default=True,
    help="At most so many; 0 is all of them.",
)
def list_(session: Session, *, scope: str, reason: str, limit: int) -> None:
    """List suppressions.

    The file keeps keyed tokens, not addresses: an address is shown only while a contact has it.

    \b
    Example:
      dee suppress list --reason unsubscribed
    """
    import msgspec

    from dee_appliance.cli.run_text import moment_text
    from dee_appliance.runtime import reports

    rows = []
    with session.view() as view:
        found = reports.suppress_list(view, scope=scope, reason=reason, limit=limit + 1 if limit else None)
        for position, row in enumerate(found):
            if limit and position == limit:
                session.out.note(f"there are more: the first {limit} are shown, --limit 0 shows all")
                break
            if session.out.as_json:
                session.out.record(msgspec.structs.asdict(row))
            else:
                rows.append((_named(row), row.scope, row.reason, moment_text(row.at), row.entry, row.contact or ""))
    if rows:
        session.out.table(("who", "scope", "reason", "since", "entry", "contact"), rows, right=frozenset({4}))
    else:
        session.out.line("no suppression fits" if scope or reason else "nobody is suppressed")


def _named(row: SuppressionRow) -> str:
    return row.address or (row.kind if row.kind == "contact" else f"{row.kind} {row.subject[:12]}…")


@command()
def lists(session: Session) -> None:
    """Show the suppression lists: version, age, entries, the rules in force that ask each, and whether it is stale now.

    A list that a rule asks for and that was never imported stops every send which the rule concerns; so does a stale one.

    \b
    Example:
      dee suppress lists
    """
    import msgspec

    rows = session.engine().suppression_lists()
    if session.out.as_json:
        for row in rows:
            session.out.record(msgspec.structs.asdict(row))
    if not rows:
        session.out.line("no suppression list is in use, and no rule in force asks for one")
        return
    session.out.table(
        ("list", "version", "as of", "age", "entries", "entry", "state", "asked by"),
        [_list_cells(row) for row in rows],
        right=frozenset({1, 3, 4, 5}),
    )
    for row in rows:
        if row.stale:
            session.out.note(f"{row.name} stops what asks it: dee suppress import FILE.csv --list {row.name}")


def _list_cells(row: ListRow) -> tuple[object, ...]:
    asked = ", ".join(
        f"{one.rule} (at most {one.max_age_days} days old)" if one.max_age_days else one.rule for one in row.asked_by
    )
    if row.version is None or row.as_of is None:
        return (row.name, "", "", "", "", "", "MISSING", asked)
    state = "STALE" if row.stale else "ok" if row.asked_by else "not asked"
    return (row.name, row.version, row.as_of.utc, f"{row.age_days} d", f"{row.entries:,}", row.entry, state, asked)
