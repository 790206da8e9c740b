"""What happened in a case, read from its file: per run the entries, steps visited, ways taken, sends, holds, denials and cost.

Everything comes from the log and from the messages that were handed over; nothing is computed a second time.
"""

from __future__ import annotations

from email import message_from_bytes, policy
from typing import TYPE_CHECKING

import msgspec

from dee_appliance.channels.interface import Message
from dee_appliance.kernel.e1.encoding import run_id
from dee_appliance.kernel.e1.plan import CHANNEL_OF
from dee_appliance.kernel.e1.run import scopes_of
from dee_appliance.runtime.reports_log import Log, LogFilter, LogLine
from dee_appliance.runtime.reports_runs import plan_heads

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from email.message import EmailMessage

    from dee_appliance.kernel.e1.run import Run
    from dee_appliance.runtime.reading import View

NOT_VISITED = ("visits_exceeded",)
"""Outcomes of entries about a step that the run was kept from entering."""


class Sent(msgspec.Struct, frozen=True, kw_only=True):
    """One send that left: its entry, the message, and what became of it."""

    entry: LogLine
    channel: str
    attempt: int
    message: Message
    outcome: str

    def read(self) -> tuple[str, str]:
        """Return the subject and the plain text of the message; of a call, everything that may be said in it."""
        return _read(self.message)


class Held(msgspec.Struct, frozen=True, kw_only=True):
    """One hold of a send: by its own rule, or of its whole queue. `until` is a tick (UTC seconds), None without a time."""

    entry: LogLine
    step: str
    rule: str
    until: int | None


class Denied(msgspec.Struct, frozen=True, kw_only=True):
    """One denial."""

    entry: LogLine
    step: str
    rule: str
    reason: str


class Story(msgspec.Struct, frozen=True, kw_only=True):
    """One run. `ways` are the steps that it left and where to, in order; `cost_micros` is None when nothing was priced."""

    run: Run
    label: str
    lines: tuple[LogLine, ...]
    visits: tuple[str, ...]
    ways: tuple[tuple[str, str], ...]
    sends: tuple[Sent, ...]
    holds: tuple[Held, ...]
    denials: tuple[Denied, ...]
    cost_micros: int | None

    def with_holds(self) -> tuple[LogLine, ...]:
        """Return the entries of the run, and those about the holds of its queue, in the order of the log."""
        lines = {line.seq: line for line in (*self.lines, *(held.entry for held in self.holds))}
        return tuple(lines[seq] for seq in sorted(lines))


def runs_of(view: View, contact: str, plan: str | None) -> list[Run]:
    """Return the runs of a contact, in one plan or in all, in the order of enrolment."""
    plans = [plan] if plan is not None else [name for name, _ in plan_heads(view)]
    runs = []
    for name in plans:
        ordinal = 1
        while (run := view.state.run_by_id(run_id(contact, name, ordinal))) is not None:
            runs.append(run)
            ordinal += 1
    return sorted(runs, key=lambda run: run.no)


def story_of(view: View, run: Run, messages: Mapping[tuple[str, int], Message]) -> Story:
    """Read what happened to one run."""
    log = Log(view)
    lines = tuple(log.lines(LogFilter(run=run.run)))
    return Story(
        run=run,
        label=view.state.plan(run.digest).label,
        lines=lines,
        visits=_visits(run, lines),
        ways=tuple((line.step, str(line.detail["to"])) for line in lines if line.step and "to" in line.detail),
        sends=tuple(_sent(line, lines, messages) for line in lines if _leaves(line)),
        holds=_holds(log, run, lines),
        denials=tuple(_denied(line) for line in lines if _is_denial(line)),
        cost_micros=_cost(view, lines),
    )


def _visits(run: Run, lines: Iterable[LogLine]) -> tuple[str, ...]:
    """Return the steps in the order in which the run entered them.

    A wait has its entry at its end, so the step at which a live run stands comes from the run.
    """
    seen: dict[tuple[str, int], None] = {}
    for line in lines:
        if line.step and line.outcome not in NOT_VISITED:
            seen.setdefault((line.step, line.visit or 1))
    if run.step and run.status not in ("COMPLETED", "CANCELLED"):
        seen.setdefault((run.step, run.visit))
    return tuple(step for step, _ in seen)


def _leaves(line: LogLine) -> bool:
    return line.action in CHANNEL_OF and line.outcome == "dispatched"


def _attempt_of(line: LogLine) -> tuple[str, int]:
    attempt = line.evidence.get("attempt", 0)
    return str(line.evidence.get("send", "")), attempt if isinstance(attempt, int) else 0


def _sent(line: LogLine, lines: Iterable[LogLine], messages: Mapping[tuple[str, int], Message]) -> Sent:
    key = _attempt_of(line)
    later = [one for one in lines if one.seq > line.seq and _attempt_of(one) == key and one.action == line.action]
    settled = [one.outcome for one in later if one.outcome != "ongoing"]
    return Sent(
        entry=line,
        channel=CHANNEL_OF[line.action],
        attempt=key[1],
        message=messages[key],
        outcome=settled[0] if settled else (later[0].outcome if later else ""),
    )


def _read(message: Message) -> tuple[str, str]:
    if message.channel == "sms":
        return "", message.text
    if message.channel == "voice":
        return "", "\n".join(_said(message.script))
    mail: EmailMessage = message_from_bytes(message.body, policy=policy.default)
    part = mail.get_body(("plain", "html"))
    return str(mail["Subject"]), "" if part is None else str(part.get_content()).replace("\r\n", "\n")


def _said(script: object) -> list[str]:
    """Return the texts of a rendered script, in its order."""
    if isinstance(script, dict):
        return [text for key, value in script.items() if key != "do" for text in _said(value)]
    if isinstance(script, list | tuple):
        return [text for value in script for text in _said(value)]
    return [script] if isinstance(script, str) else []


def _until(line: LogLine) -> int | None:
    until = line.detail.get("until")
    return until if isinstance(until, int) else None


def _holds(log: Log, run: Run, lines: tuple[LogLine, ...]) -> tuple[Held, ...]:
    """Return the holds of the run's own sends, and those of the queues in which they stood, in the order of the log."""
    own = [
        Held(
            entry=line,
            step=line.step or "",
            rule=str(line.detail.get("rule", "")),
            until=_until(line),
        )
        for line in lines
        if line.outcome == "held"
    ]
    scopes = {scope for channel in CHANNEL_OF.values() for scope in scopes_of(run.plan, channel)}
    shared = [
        Held(
            entry=line,
            step="",
            rule=str(line.detail.get("rule", line.outcome)),
            until=_until(line),
        )
        for action in ("hold", "halt")
        for line in log.lines(LogFilter(action=action))
        if line.detail.get("scope") in scopes and lines and line.seq > lines[0].seq and _before_end(line, run, lines)
    ]
    return tuple(sorted([*own, *shared], key=lambda held: held.entry.seq))


def _before_end(line: LogLine, run: Run, lines: tuple[LogLine, ...]) -> bool:
    return line.seq < lines[-1].seq or run.status not in ("COMPLETED", "CANCELLED")


def _is_denial(line: LogLine) -> bool:
    return line.outcome == "denied" or line.outcome.startswith("denied:")


def _denied(line: LogLine) -> Denied:
    return Denied(
        entry=line,
        step=line.step or "",
        rule=str(line.detail.get("rule", "")),
        reason=str(line.detail.get("why", "")),
    )


def _cost(view: View, lines: Iterable[LogLine]) -> int | None:
    costs = []
    for line in lines:
        if _leaves(line):
            send, number = _attempt_of(line)
            attempt = view.state.attempt(send, number)
            if attempt is not None and attempt.cost is not None:
                costs.append(attempt.cost)
    return sum(costs) if costs else None
