"""`dee simulate`: what a plan would do, before it does it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from dee_appliance.cli.command import Session, command
from dee_appliance.cli.instant import parse_instant

if TYPE_CHECKING:
    from dee_appliance.runtime.forecast import Forecast
    from dee_appliance.runtime.importing import ImportReport

MICROS = 1_000_000


@command()
@click.argument("plan")
@click.option(
    "--contacts",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A CSV file to import into the copy first. [default: the file's own contacts]",
)
@click.option("--start", metavar="TIME", help="When it begins (UTC). [default: now]")
@click.option("--assume", default="", metavar="NAME=SHARE%,…", help="What recipients do, as replied=4%,bounced=1%.")
@click.option("--seed", type=int, default=1, show_default=True, help="Another seed, other recipients.")
@click.option(
    "--consent",
    "consents",
    multiple=True,
    metavar="CHANNEL[:PURPOSE]",
    help="Assume this consent of every imported contact.",
)
@click.option("--map", "mapping", multiple=True, metavar="FIELD=COLUMN", help="As for `dee contact import`.")
@click.option("--alone", is_flag=True, help="Without the runs that are live in the file now.")
def simulate(
    session: Session,
    *,
    plan: str,
    contacts: Path | None,
    start: str | None,
    assume: str,
    seed: int,
    consents: tuple[str, ...],
    mapping: tuple[str, ...],
    alone: bool,
) -> None:
    """Show what PLAN would do: who would enter, sends per day, holds and refusals by rule, cost, the day it ends.

    PLAN is a plan file or the name of a published plan. It runs to its end on a private copy of the file, with invented
    recipients and a clock that jumps; the file is not touched and nothing is sent. Live runs go on in the copy and compete
    for limits and budget.

    \b
    Example: dee simulate plan.toml --contacts contacts.csv --consent email --assume replied=6%
    """
    from dee_appliance.cli.contact import parse_consents
    from dee_appliance.intake.column_mapping import parse_mapping
    from dee_appliance.runtime.simulation import SimulationOptions
    from dee_appliance.runtime.simulation import simulate as run_simulation
    from dee_appliance.runtime.world import parse_shares

    options = SimulationOptions(
        plan=plan,
        contacts=contacts,
        start=session.engine().now() if start is None else parse_instant(start, where="--start"),
        seed=seed,
        shares=parse_shares(assume),
        alone=alone,
        consents=parse_consents(consents),
        mapping=parse_mapping(mapping) if mapping else None,
    )
    with session.progress("simulating, tick") as progress:
        shown = run_simulation(session.path, options, progress=progress)
    session.out.record(
        {"plan": shown.plan, "contacts": shown.contacts, "imported": shown.imported, "forecast": shown.forecast}
    )
    if shown.imported is not None:
        session.out.line(imported_line(shown.imported))
    for line in forecast_lines(shown.plan, shown.forecast):
        session.out.line(line)


def imported_line(report: ImportReport) -> str:
    """Say in one line what an import did."""
    parts = [
        (report.new, "new"),
        (report.changed, "changed"),
        (report.same, "same"),
        (report.kept, "kept as they were"),
    ]
    parts += [(report.duplicate, "duplicates"), (report.rejected, "rejected"), (report.conflict, "in conflict")]
    told = ", ".join(f"{count:,} {word}" for count, word in parts if count)
    return f"{report.rows:,} rows: {told or 'nothing to do'}"


def forecast_lines(plan: str, forecast: Forecast) -> list[str]:
    """Say what a forecast holds, a fact a line."""
    from dee_appliance.kernel.e1.civil_time import format_utc

    lines = [f"{plan}: {forecast.enrolled:,} enter; {_counts(forecast.refused) or 'nobody is refused'}"]
    if forecast.finish_tick:
        lines.append(f"from {format_utc(forecast.first_tick)} to {format_utc(forecast.finish_tick)}")
    for day, sends in forecast.sends.items():
        lines.append(f"  {day}  " + ", ".join(f"{action} {count:,}" for action, count in sends.items()))
    for word, counts in (
        ("held", forecast.held),
        ("denied", forecast.denied),
        ("recipients", forecast.events),
        ("outcomes", forecast.outcomes),
    ):
        if counts:
            lines.append(f"{word}: {_counts(counts)}")
    for name, micros in forecast.cost_micros.items():
        lines.append(f"cost: {_money(micros)} {forecast.currency} (rule {name})")
    return lines


def _counts(counts: dict[str, int]) -> str:
    ordered: list[tuple[str, Any]] = sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))
    return " · ".join(f"{name} {count:,}" for name, count in ordered)


def _money(micros: int) -> str:
    return f"{micros // MICROS:,}.{micros % MICROS // 10_000:02d}"
