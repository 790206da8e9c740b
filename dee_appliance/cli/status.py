"""The state of the file at a glance."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dee_appliance.cli.command import Session, command

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dee_appliance.runtime.reports import StatusReport


@command()
def status(session: Session) -> None:
    """Show the state of the file: may it send, does it move, what needs a person.

    \b
    Example:
      dee status
      dee status --json
    """
    import msgspec

    from dee_appliance.runtime import reports

    engine = session.engine()
    with session.view() as view:
        report = reports.status(view, now=engine.now())
    if session.out.as_json:
        session.out.record(msgspec.structs.asdict(report))
    for text in status_lines(report):
        session.out.line(text)


def status_lines(report: StatusReport) -> Iterator[str]:
    """Write the state of a file, what needs a person last."""
    from dee_appliance.cli.run_text import moment_text

    yield report.path
    yield f"  log       {report.entries:,} entries, head {report.head[:16]}…, lineage {report.lineage}"
    yield f"  clock     {report.clock}, tick {report.now.tick}, {moment_text(report.now)}"
    yield f"            newest input {moment_text(report.last)}"
    yield f"  sending   {_sending(report)}"
    yield f"  loop      {report.loop or 'no process runs this file: dee serve'}"
    yield f"  inbox     {_inbox(report)}"
    if report.next_due is not None:
        yield f"  next      {moment_text(report.next_due)} (tick {report.next_due.tick})"
    told = [f"{status} {count:,}" for status, count in report.runs.items() if count]
    yield f"  runs      {' · '.join(told) or 'none'}"
    queued = sum(row.waiting for row in report.queue)
    yield f"  sends     {queued:,} queued, {report.in_flight:,} in flight, {report.unknown:,} unknown"
    yield from _limits(report)
    yield from _troubles(report)


def _sending(report: StatusReport) -> str:
    trial = f"; trial mode, {report.trial_guests} guests" if report.trial else ""
    if report.arming.armed:
        return f"ARMED, incarnation {report.arming.incarnation}{trial}"
    return f"disarmed: {report.arming.why}{trial}"


def _inbox(report: StatusReport) -> str:
    from dee_appliance.cli.run_text import moment_text

    inbox = report.inbox
    parts = [f"{inbox.ready:,} waiting"]
    parts += [f"the oldest since {moment_text(inbox.oldest)}"] if inbox.oldest is not None else []
    parts += [f"{inbox.later:,} for later"] if inbox.later else []
    parts += [f"{inbox.staged:,} of unfinished imports"] if inbox.staged else []
    return ", ".join(parts)


def _limits(report: StatusReport) -> Iterator[str]:
    from dee_appliance.cli.budget import counted_text, spent_text

    for row in report.budget.budgets:
        yield f"  budget    {spent_text(row)}"
    for limit in report.budget.limits:
        yield f"  limit     {counted_text(limit)}"


def _troubles(report: StatusReport) -> Iterator[str]:
    """Everything that does not move by itself, or not now."""
    from dee_appliance.authoring.notation import format_duration
    from dee_appliance.cli.run_text import counted, moment_text

    if report.overdue is not None:
        timers = counted(report.overdue.timers, "timer", "timers")
        late = format_duration(report.overdue.late_s)
        yield f"  ✘ overdue {timers}, the oldest by {late}: {report.overdue.run} ({report.overdue.plan})"
    for hold in report.holds:
        until = "until a person releases it: dee release" if hold.until is None else f"until {moment_text(hold.until)}"
        scope = "everything" if hold.scope == "*" else hold.scope
        yield f"  ‖ hold    {hold.reason} ({scope}) {until}, {counted(hold.waiting, 'send waits', 'sends wait')}"
    for held in report.held:
        until = "until a person resumes or cancels them" if held.until is None else f"until {moment_text(held.until)}"
        runs = f"{held.runs:,} × {held.plan}: {held.reason}({held.step})"
        yield f"  ‖ held    {runs} {until}, first {held.example}"
    for breaker in report.breakers:
        if breaker.failures:
            mark = "‖" if breaker.open else "·"
            yield f"  {mark} breaker {breaker.channel}: {breaker.failures} failures in a row of {breaker.threshold}"
    for group in report.failed:
        where = f"({group.step})" if group.step else ""
        yield f"  ✘ failed  {group.runs:,} × {group.plan}: {group.reason}{where}, first {group.example}"
        yield f"            ↳ requires: {group.requires}"
