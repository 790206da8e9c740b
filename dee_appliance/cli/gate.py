"""The gate asked about a send that nobody has intended: the ladder of rules, the verdict, and when it may leave."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import click

from dee_appliance.cli.command import Session, command

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dee_appliance.runtime.gate_ask import GateReport, Moment

Channel = Literal["email", "sms", "voice"]
Purpose = Literal["marketing", "transactional", "collections", "regulatory"]
CHANNELS = click.Choice(["email", "sms", "voice"])
PURPOSES = click.Choice(["marketing", "transactional", "collections", "regulatory"])
NOT_ALLOWED = 1


@command()
@click.argument("contact")
@click.option("--channel", type=CHANNELS, help="How the contact would be reached. [default: that of --step]")
@click.option("--plan", default="", metavar="PLAN", help="For this plan (NAME or NAME@VERSION).")
@click.option("--step", default="", metavar="STEP", help="This step of the plan: its message is made and looked into.")
@click.option("--purpose", type=PURPOSES, help="Without a plan: what for.")
@click.option("--at", metavar="T", help="At this moment, on the facts of now. [default: now]")
@click.option("--var", "var", multiple=True, metavar="NAME=VALUE", help="A variable, as at enrolment; repeatable.")
@click.option("--all", "everything", is_flag=True, help="Also list the rules that do not concern this send, and why.")
def gate(
    session: Session,
    *,
    contact: str,
    channel: Channel | None,
    plan: str,
    step: str,
    purpose: Purpose | None,
    at: str | None,
    var: tuple[str, ...],
    everything: bool,
) -> None:
    """Ask the gate whether a contact may be reached, and show every rule with what it saw and the law it is from.

    It is the same gate that every send passes, asked about a send that nobody intends: nothing is recorded, reserved or sent. The
    exit code is 0 when it may leave now, else 1.

    \b
    Example:
      dee gate jane@example.com --channel voice --purpose marketing
      dee gate jane@example.com --plan sales-outreach --step call --at 2026-11-24T13:00:00Z
    """
    import msgspec

    from dee_appliance.cli.enroll import parse_variables
    from dee_appliance.cli.instant import parse_instant

    engine = session.engine()
    moment = None
    if at is not None:
        with engine.view() as view:
            moment = parse_instant(at, epoch=view.epoch, where="--at")
    variables = parse_variables(var)
    report = engine.ask_gate(
        contact, channel=channel, plan=plan, purpose=purpose, step=step, at=moment, variables=variables
    )
    session.out.record(msgspec.to_builtins(report))
    for text in _lines(report, everything=everything):
        session.out.line(text)
    if report.verdict != "allow":
        raise click.exceptions.Exit(NOT_ALLOWED)


def _lines(report: GateReport, *, everything: bool) -> Iterator[str]:
    from dee_appliance.cli.run_text import ladder_lines

    yield f"contact  {report.contact}  {report.name}"
    plan = f", plan {report.plan}" if report.plan else ""
    step = f", step {report.step}" if report.step else ""
    yield f"asked    {report.channel} for {report.purpose}{plan}{step}, at {_moment_text(report.at)}"
    yield f"where    {' '.join(report.jurisdictions) or 'no known jurisdiction'}{_subscriber(report.subscriber)}"
    yield ""
    yield from ladder_lines(report.ladder, sources=True)
    yield from _left_out_lines(report, everything=everything)
    yield ""
    for hold in report.queue:
        yield f"‖ the queue is stopped: {hold}"
    yield _verdict_line(report)
    opens = report.hours_open
    if opens is None:
        yield "  hours and caps: no moment is known at which all of them pass"
    elif opens.tick > report.at.tick and opens != report.next:
        yield f"  hours and caps alone pass from {_moment_text(opens)}"
    if report.needs:
        width = max(len(need.command) for need in report.needs)
        for position, need in enumerate(report.needs):
            yield f"  {'next:' if position == 0 else '     '}  {need.command:<{width}}  {need.when}"


def _subscriber(subscriber: str) -> str:
    return f", {subscriber} subscriber" if subscriber else ", individual or business is not known"


def _moment_text(moment: Moment) -> str:
    """A moment on every clock of the contact, and in UTC: `2026-11-24 08:00:00 -05:00 America/New_York (13:00:00Z)`."""
    utc = f"{moment.utc[:10]} {moment.utc[11:]}"
    clocks = [f"{one.local[:10]} {one.local[11:19]} {one.local[19:]} {one.zone}" for one in moment.clocks]
    return f"{' · '.join(clocks)} ({utc})" if clocks else utc


def _left_out_lines(report: GateReport, *, everything: bool) -> Iterator[str]:
    from dee_appliance.runtime.gate_left_out import WHY_NOT

    unseen = [one.rule for one in report.left_out if one.why == "no_message"]
    if unseen:
        yield ""
        yield f"not asked, no message to look into (name --plan and --step): {', '.join(unseen)}"
    others = [one for one in report.left_out if one.why != "no_message"]
    if not others:
        return
    counts = [f"{words} {count}" for why, words in WHY_NOT.items() if (count := sum(one.why == why for one in others))]
    yield ""
    rules = "1 rule in use does" if len(others) == 1 else f"{len(others)} rules in use do"
    hint = "" if everything else " (--all lists them)"
    yield f"{rules} not concern this send: {', '.join(counts)}{hint}"
    if everything:
        width = max(len(one.rule) for one in others)
        for one in others:
            yield f"  · {one.rule:<{width}}  {WHY_NOT[one.why]}: {one.because}"


def _verdict_line(report: GateReport) -> str:
    from dee_appliance.runtime.reports_next import REASONS

    why = REASONS.get(report.reason, "")
    words = f": {why}" if why else f": {report.reason}" if report.reason not in ("", report.rule) else ""
    match report.verdict:
        case "allow":
            return "✔ it may leave now"
        case "deny":
            message = f" ({report.message})" if report.message else ""
            return f"✘ refused by {report.rule}{words}{message}"
        case "hold":
            until = "nobody knows until when" if report.next is None else f"until {_moment_text(report.next)}"
            return f"‖ held by {report.rule}{words}, {until}"
