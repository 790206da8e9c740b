"""Recorded facts: what an operator answers for, and rules ask for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from dee_appliance.cli.command import Session, command

if TYPE_CHECKING:
    from dee_appliance.runtime.reports import FactRow

VALUES = {"on": True, "off": False, "unknown": None}
WORDS = {value: word for word, value in VALUES.items()}


@command("set", acts=True)
@click.argument("name")
@click.argument("value", type=click.Choice(list(VALUES)))
def set_(session: Session, *, name: str, value: str) -> None:
    """Record that something is so (on), is not so (off), or is not known any more: a registration, an emergency.

    You answer for it: the log keeps who said so and when, and every verdict that relied on it names that entry.

    \b
    Example:
      dee fact set us-tx-registration on
      dee fact set us-ny-emergency off
    """
    engine = session.engine()
    engine.set_fact(name, VALUES[value])
    session.done(engine, f"fact recorded: {name} is {value}", fact=name, value=VALUES[value])
    row = next((one for one in engine.facts() if one.name == name), None)
    if row is None or not row.asked_by:
        _nobody_asks(session, name, [one.name for one in engine.facts() if one.asked_by])


def _nobody_asks(session: Session, name: str, asked: list[str]) -> None:
    import difflib

    near = difflib.get_close_matches(name, asked, n=1)
    session.out.note(f"no rule in force asks for {name}" + (f"; did you mean {near[0]}?" if near else ""))


@command("list")
def list_(session: Session) -> None:
    """List recorded facts, since when and by whom, the rules in force that ask for each, and what they ask for in vain.

    \b
    Example:
      dee fact list
    """
    import msgspec

    rows = session.engine().facts()
    if session.out.as_json:
        for row in rows:
            session.out.record(msgspec.structs.asdict(row))
    if not rows:
        session.out.line("no fact is recorded, and no rule in force asks for one")
        return
    session.out.table(
        ("fact", "value", "since", "by", "entry", "asked by"), [_cells(row) for row in rows], right=frozenset({4})
    )
    missing = [row.name for row in rows if row.value is None]
    if missing:
        session.out.note(
            f"not recorded, so what asks for it does not pass: {', '.join(missing)}. dee fact set NAME on|off"
        )


def _cells(row: FactRow) -> tuple[object, ...]:
    from dee_appliance.cli.run_text import moment_text

    asked = ", ".join(f"{one.rule} ({WORDS[one.wants]})" for one in row.asked_by) or "no rule in force"
    since = "" if row.at is None else moment_text(row.at)
    return (row.name, WORDS[row.value], since, row.actor, "" if row.entry is None else row.entry, asked)
