"""What budgets and daily limits have left."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from dee_appliance.cli.command import Session, command

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dee_appliance.runtime.reports import BudgetReport, BudgetRow, LimitRow

BAR = 20


@command()
@click.option("--plan", default="", metavar="PLAN", help="Only what sends of this plan must pass.")
def show(session: Session, *, plan: str) -> None:
    """Show what budgets and daily limits have left, and when a limit counts anew.

    Settled is spent, reserved is held for what is in flight. A send whose estimate does not fit is refused, never cut.

    \b
    Example:
      dee budget show
      dee budget show --plan sales-outreach --json
    """
    import msgspec

    from dee_appliance.runtime import reports

    engine = session.engine()
    with session.view() as view:
        report = reports.budget_show(view, plan=plan, now=engine.now())
    if session.out.as_json:
        session.out.record(msgspec.structs.asdict(report))
    for text in budget_lines(report):
        session.out.line(text)


def budget_lines(report: BudgetReport) -> Iterator[str]:
    """Write budgets, then daily limits."""
    from dee_appliance.cli.run_text import moment_text

    yield f"policy {report.policy} (entry {report.entry}), at {moment_text(report.at)}"
    for one in report.budgets:
        yield f"  {_bar(one.settled_micros + one.reserved_micros, one.limit_micros)} {spent_text(one)}"
    for limit in report.limits:
        yield f"  {_bar(limit.used, limit.limit)} {counted_text(limit)}"
        if any(day.day != limit.day for day in limit.days):
            yield f"  {' ' * BAR} {', '.join(f'{day.day} {day.used:,}' for day in limit.days)}"
    if not report.budgets and not report.limits:
        yield "  no budget and no daily limit is set: dee policy show"


def spent_text(row: BudgetRow) -> str:
    """Write one budget."""
    from dee_appliance.authoring.notation import format_money

    settled, reserved = format_money(row.settled_micros, row.currency), format_money(row.reserved_micros, row.currency)
    limit, left = format_money(row.limit_micros, row.currency), format_money(max(row.left_micros, 0), row.currency)
    return (
        f"{row.rule}{scope_text(row.plan, row.channel)}: {settled} settled, {reserved} reserved of {limit}, {left} left"
    )


def counted_text(row: LimitRow) -> str:
    """Write one daily limit."""
    from dee_appliance.cli.run_text import moment_text

    used = f"{row.used:,} of {row.limit:,} on {row.day} ({row.zone}), {row.left:,} left"
    return f"{row.rule}{scope_text(row.plan, row.channel)}: {used}, anew {moment_text(row.resets)}"


def scope_text(plan: str, channel: str) -> str:
    """Write for what a counter is kept."""
    return f" ({plan or channel})" if plan or channel else ""


def _bar(used: int, limit: int) -> str:
    full = BAR if limit <= 0 else min(used * BAR // limit, BAR)
    return "█" * full + "░" * (BAR - full)
