"""How runs, moments and verdicts look as text. Used by every command that explains; what it says comes from the reports."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from dee_appliance.runtime.reports import Instant, Moment, NextAction, RunEvidence, Rung
    from dee_appliance.runtime.reports_permission import ConsentChange, ConsentRow, Evidence, ListedRow, SuppressionRow

MARKS = {"done": "✔", "stopped": "✘", "held": "‖", "unknown": "?", "event": "·"}
VERDICTS = {"pass": "✔", "hold": "‖", "deny": "✘"}
STEP_WIDTH = 18
RULES_IN_A_LINE = 12
SECOND_LINE = " " * 8


def moment_text(at: Instant | None, *, both: bool = True) -> str:
    """Write a moment on the contact's clock, and in UTC beside it (`both`): `2026-11-23 09:00:00 -08:00 (17:00:00Z)`."""
    if at is None:
        return "no known time"
    utc = f"{at.utc[:10]} {at.utc[11:]}"
    if at.local is None:
        return utc
    local = f"{at.local[:10]} {at.local[11:19]} {at.local[19:]}"
    if not both:
        return local
    return f"{local} ({at.utc[11:] if at.utc[:10] == at.local[:10] else utc})"


def timeline_lines(moments: Iterable[Moment], *, values: bool = False, with_run: bool = False) -> Iterator[str]:
    """Write moments, one or two lines each. `values`: with the ladder of the gate, a line for each rule and what it saw."""
    for moment in moments:
        run = f"{moment.run or 'contact'}  " if with_run else ""
        head = f"{MARKS[moment.mark]} {moment_text(moment.at)}  {run}{moment.step or moment.action:<{STEP_WIDTH}}"
        yield f"  {head} {moment.text}"
        if moment.gate and values:
            yield f"{SECOND_LINE}{passed_text(moment.gate)}"
            yield from (f"{SECOND_LINE}{line}" for line in ladder_lines(moment.gate))
        elif moment.gate:
            yield f"{SECOND_LINE}{gate_text(moment.gate)}"
        # The Message-ID stands where the gate let the message pass, once.
        names = [f"message {moment.message_id}"] if moment.message_id and moment.gate else []
        names += [f"provider's name {moment.provider_ref}"] if moment.provider_ref else []
        if names:
            yield f"{SECOND_LINE}{'  '.join(names)}"


def passed_text(ladder: tuple[Rung, ...]) -> str:
    """Write how many rules passed: `gate 7/8`."""
    return f"gate {sum(rung.verdict == 'pass' for rung in ladder)}/{len(ladder)}"


def gate_text(ladder: tuple[Rung, ...]) -> str:
    """Write a ladder in a line: `gate 7/8: suppression ✔ · consent ✔ · calling-hours ‖ Mon-Fri 09:00-18:00 in …`.

    Of a long one only the rules that did not pass are named.
    """
    named = ladder if len(ladder) <= RULES_IN_A_LINE else tuple(rung for rung in ladder if rung.verdict != "pass")
    told = [
        f"{rung.rule} {VERDICTS[rung.verdict]}" + (f" {rung.values}" if rung.values and rung.verdict != "pass" else "")
        for rung in named
    ]
    return ": ".join(part for part in (passed_text(ladder), " · ".join(told)) if part)


def ladder_lines(ladder: tuple[Rung, ...], *, sources: bool = False) -> Iterator[str]:
    """Write a ladder, a line for each rule: its answer, what it saw, and the law. `sources`: with the pack that has the rule."""
    width = max((len(rung.rule) for rung in ladder), default=0)
    for rung in ladder:
        pack = _source(rung) if sources else ""
        law = " · ".join(part for part in (pack, rung.cite) if part)
        told = "  ".join(part for part in (rung.values, f"[{law}]" if law else "") if part)
        yield f"  {VERDICTS[rung.verdict]} {rung.rule:<{width}}  {told}".rstrip()


def _source(rung: Rung) -> str:
    match rung.source:
        case "gate":
            return ""
        case "policy" | "plan":
            return rung.source
        case pack:
            return f"pack {pack}"


def next_lines(following: NextAction) -> Iterator[str]:
    """Write what comes next, why, and what a person may do now."""
    at = "" if following.at is None else f", {moment_text(following.at)}"
    yield f"  next: {following.what}{at}"
    yield f"        because {following.why}"
    width = max((len(choice.command) for choice in following.choices), default=0)
    for position, choice in enumerate(following.choices):
        yield f"  {'you may: ' if position == 0 else '         '}{choice.command:<{width}}  {choice.effect}"


def evidence_line(evidence: RunEvidence) -> str:
    """Write on which entries an explanation rests, and whether they hold."""
    span = f"log #{evidence.first}–{evidence.last}" if evidence.entries else "no entries"
    chain = "chain ok" if evidence.chain_ok else f"CHAIN BROKEN: {evidence.fault} (run dee verify)"
    return f"  evidence: {counted(evidence.entries, 'entry', 'entries')}, {span}, head {evidence.head[:12]}…, {chain}"


def counted(number: int, one: str, many: str) -> str:
    """Write a number with its word."""
    return f"{number:,} {one if number == 1 else many}"


def status_text(status: str, reason: str) -> str:
    """Write a status with its reason or outcome: `FAILED(outcome_unknown)`."""
    return f"{status}({reason})" if reason else status


def consent_text(row: ConsentRow) -> str:
    """Write one consent or revocation."""
    word = "granted" if row.granted else "revoked"
    purpose = "every purpose" if row.purpose == "*" else row.purpose
    expires = "" if row.expires is None else f", until {moment_text(row.expires, both=False)}"
    force = "✔" if row.in_force else "✘"
    kind = f" ({_class_text(row)})" if row.granted else ""
    obtained = "" if row.obtained is None or not row.granted else f", obtained {moment_text(row.obtained, both=False)}"
    source = f", from {row.source}" if row.source else ""  # an erasure ends a consent, and is no source of it
    return f"{force} {row.channel} for {purpose}: {word}{kind}{obtained}{expires}{source}, entry {row.entry}"


def _class_text(row: ConsentRow | ConsentChange) -> str:
    return f"{row.consent_class}, {row.basis}" if row.basis else row.consent_class


def change_text(change: ConsentChange) -> str:
    """Write one entry about consent, without its moment and number."""
    purpose = "every purpose" if change.purpose == "*" else change.purpose
    kind = f" ({_class_text(change)})" if change.consent_class else ""
    obtained = "" if change.obtained is None else f", obtained {moment_text(change.obtained, both=False)}"
    expires = "" if change.expires is None else f", until {moment_text(change.expires, both=False)}"
    said = "not taken, a stronger one stands:" if change.outcome == "kept" else change.outcome
    return f"{said} {change.channel} for {purpose}{kind}{obtained}{expires}, from {change.source}"


def evidence_text(evidence: Evidence) -> str:
    """Write what a consent rests on."""
    match evidence.state:
        case "kept":
            return f"evidence: “{evidence.text}”, as committed to in the log"
        case "differs":
            return f"evidence: “{evidence.text}” IS NOT what the log committed to"
        case "erased":
            return f"evidence: erased; the log committed to it as {evidence.commitment[:12]}…"


def suppression_text(row: SuppressionRow) -> str:
    """Write one suppression."""
    scope = "everything" if row.scope == "*" else row.scope.replace(":", " ", 1)
    what = row.address or (row.contact if row.kind == "contact" else f"{row.kind} {row.subject[:12]}…")
    since = "" if row.at is None else f" since {moment_text(row.at, both=False)}"
    asked = "" if row.since is None else f" (asked for {moment_text(row.since, both=False)})"
    return f"✘ {what}: {scope}, {row.reason}{since}{asked}, entry {row.entry}"


def listed_text(row: ListedRow) -> str:
    """Write one list that an address is on, and what that stops."""
    what = f"list {row.name}, version {row.version} as of {moment_text(row.as_of, both=False)}, entry {row.entry}"
    if not row.stopped_by:
        return f"· {row.kind} is on {what}: no rule in force asks it"
    stopped = "; ".join(
        f"{' and '.join(one.channels) or 'everything'}"
        + (f" for {' and '.join(one.purposes)}" if one.purposes else "")
        + (" unless something lifts it" if one.lifted_by_others else "")
        + f" ({one.rule})"
        for one in row.stopped_by
    )
    return f"✘ {row.kind} is on {what}: stops {stopped}"
