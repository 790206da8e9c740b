"""What budgets, daily limits and rates have left."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from dee_appliance.cli.command import Session, command
from dee_appliance.cli.halt import CHANNEL

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dee_appliance.kernel.e1.plan import Channel
    from dee_appliance.runtime.reports import BudgetReport, BudgetRow, LimitRow, RateRow

BAR = 20
DAYS_SHOWN = 7


@command()
@click.option("--plan", default="", metavar="PLAN", help="Only what sends of this plan must pass.")
def show(session: Session, *, plan: str) -> None:
    """Show what budgets, daily limits and rates have left, how fast budgets are used up, and when a limit counts anew.

    Settled is spent, reserved is held for what is in flight. A send whose estimate does not fit is refused, or waits for the
    next period where the rule says so; never cut. The pace is that of the last seven days on which something was spent.

    \b
    Example:
      dee budget show
      dee budget show --plan sales-outreach --json
    """
    import msgspec

    from dee_appliance.runtime import reports

    engine = session.engine()
    with session.view() as view:
        report = reports.budget_show(view, plan=plan, now=engine.now(), burn=True)
    if session.out.as_json:
        session.out.record(msgspec.structs.asdict(report))
    for text in budget_lines(report):
        session.out.line(text)


@command()
@click.option("--channel", type=CHANNEL, required=True)
@click.option("--to", default="", metavar="NUMBER", help="Where to, for a text or a call: +442079460123.")
@click.option(
    "--units",
    type=click.IntRange(1, 1_000_000),
    default=1,
    show_default=True,
    help="Messages, segments of a text, started minutes of a call.",
)
def estimate(session: Session, *, channel: Channel, to: str, units: int) -> None:
    """Say what the rate card of the policy makes of a send: what the gate would reserve for it.

    \b
    Example:
      dee budget estimate --channel sms --to +442079460123 --units 2
      dee budget estimate --channel email --units 1000
    """
    from dee_appliance.authoring.notation import format_money
    from dee_appliance.errors import Refused
    from dee_appliance.kernel.e1.policy import estimate_micros

    prefix = _prefix(to) if to else ""
    with session.view() as view:
        policy, entry = view.state.policy()
    micros = estimate_micros(policy, channel, prefix, units)
    if micros is None:
        where = f" to {prefix}" if prefix else ""
        raise Refused(
            f"the rate card has no price for {channel}{where}: with a budget the gate refuses such a send",
            hint="add a [[rate]] to the policy and set it again",
        )
    session.out.record(
        {
            "channel": channel,
            "prefix": prefix,
            "units": units,
            "micros": micros,
            "currency": policy.currency,
            "policy": policy.id,
            "entry": entry,
        }
    )
    to_where = f" to {prefix}…" if prefix else ""
    session.out.line(f"{units:,} × {channel}{to_where}: {format_money(micros, policy.currency)} (policy {policy.id})")


def _prefix(number: str) -> str:
    """The part of a number that the rate card looks at: the country code and up to three digits."""
    from dee_appliance.errors import Usage
    from dee_appliance.intake.addresses import describe_number, normalise_phone
    from dee_appliance.intake.invalid import InvalidValue

    try:
        return describe_number(normalise_phone(number, None)).prefix
    except InvalidValue as error:
        raise Usage(f"`{number}`: {error.reason}", where="--to", hint="write numbers as +442079460123") from error


def budget_lines(report: BudgetReport) -> Iterator[str]:
    """Write budgets, then daily limits, then rates."""
    from dee_appliance.cli.run_text import moment_text

    yield f"policy {report.policy} (entry {report.entry}), at {moment_text(report.at)}"
    for one in report.budgets:
        yield f"  {_bar(one.settled_micros + one.reserved_micros, one.limit_micros)} {spent_text(one)}"
        yield from (f"  {' ' * BAR} {text}" for text in burn_lines(one))
    for limit in report.limits:
        yield f"  {_bar(limit.used, limit.limit)} {counted_text(limit)}"
        if limit.stage or limit.next_stage is not None:
            yield f"  {' ' * BAR} {ramp_text(limit)}"
        if any(day.day != limit.day for day in limit.days):
            yield f"  {' ' * BAR} {', '.join(f'{day.day} {day.used:,}' for day in limit.days)}"
    for rate in report.rates:
        yield f"  {_bar(rate.used, rate.limit)} {rate_text(rate)}"
    if not (report.budgets or report.limits or report.rates):
        yield "  no budget, no daily limit and no rate is set: dee policy show"


def spent_text(row: BudgetRow) -> str:
    """Write one budget."""
    from dee_appliance.authoring.notation import format_money
    from dee_appliance.cli.run_text import moment_text

    settled, reserved = format_money(row.settled_micros, row.currency), format_money(row.reserved_micros, row.currency)
    limit, left = format_money(row.limit_micros, row.currency), format_money(max(row.left_micros, 0), row.currency)
    told = (
        f"{row.rule}{scope_text(row.plan, row.channel)}: {settled} settled, {reserved} reserved of {limit}, {left} left"
    )
    if row.period == "total":
        return told
    when = f", anew {moment_text(row.resets)}" if row.resets is not None else ""
    return f"{told} in the {row.period} {row.bucket} ({row.zone}){when}"


def burn_lines(row: BudgetRow) -> Iterator[str]:
    """Write how fast a budget is used up."""
    from dee_appliance.authoring.notation import format_money

    burn = row.burn
    if burn is None:
        return
    if row.left_micros < 0:
        yield f"over the limit by {format_money(-row.left_micros, row.currency)}: nothing more is sent on it"
    if burn.days:
        yield ", ".join(f"{day.day} {format_money(day.micros, row.currency)}" for day in burn.days[-DAYS_SHOWN:])
    if burn.average_micros:
        pace = f"{format_money(burn.average_micros, row.currency)} a day"
        ends = f"is used up on {burn.exhausts}" if burn.exhausts else f"lasts until the {row.period} is over"
        yield f"at {pace} it {ends}"
    if burn.above:
        yield f"{burn.above:,} settled above their estimate, by {format_money(burn.above_micros, row.currency)} together"


def ramp_text(row: LimitRow) -> str:
    """Write the stage of a ramp and the next one."""
    now = f"{row.limit:,} a day since {row.stage}" if row.stage else f"{row.limit:,} a day"
    if row.next_stage is None:
        return f"{now}, the last stage"
    return f"{now}, {row.next_stage.limit:,} from {row.next_stage.since} on"


def rate_text(row: RateRow) -> str:
    """Write one rate."""
    from dee_appliance.cli.run_text import moment_text

    span = "second" if row.seconds == 1 else f"{row.seconds:,} s"
    told = f"{row.rule}{scope_text(row.plan, row.channel)}: {row.used:,} of {row.limit:,} in the last {span}"
    return told if row.free is None else f"{told}, the next fits {moment_text(row.free)}"


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
