"""A what-if as text and as JSON: what changed, which runs go another way, and what history does not know."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dee_appliance.cli.run_text import counted
from dee_appliance.kernel.e1.civil_time import format_utc

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dee_appliance.cli.output import Output
    from dee_appliance.replay.changed_rules import FlipSummary, Said
    from dee_appliance.replay.course import Step
    from dee_appliance.replay.rule_flips import RecordedFlip
    from dee_appliance.replay.what_if import RunChange, WhatIf

MICROS = 1_000_000
TICKS = ("tick", "detail.until", "detail.since", "detail.retry", "detail.start")
"""Fields of an entry that hold moments."""
DIGEST_SHOWN = 15


# ---- JSON ------------------------------------------------------------------------------------------------------------


def summary_record(found: WhatIf, epoch: int) -> dict[str, object]:
    """Return the report as one record; the listed runs and flips have records of their own."""
    import msgspec

    record: dict[str, object] = msgspec.to_builtins(found)
    del record["shown"]
    from_tick = found.uncertain_from
    record["uncertain_from"] = None if from_tick is None else {"tick": from_tick - epoch, "utc": format_utc(from_tick)}
    return record


def run_record(changed: RunChange, epoch: int) -> dict[str, object]:
    """Return a run that goes another way, with ticks from the file's epoch on."""
    first, beyond = changed.first, changed.beyond
    return {
        "run": changed.run,
        "contact": changed.contact,
        "plan": changed.plan,
        "entry": first.entry,
        "tick": first.tick - epoch,
        "utc": format_utc(first.tick),
        "step": first.step,
        "field": first.field,
        "recorded": _value(first.field, first.recorded),
        "what_if": _value(first.field, first.what_if),
        "before": changed.before,
        "after": changed.after,
        "beyond": None
        if beyond is None
        else {"tick": beyond.tick - epoch, "utc": format_utc(beyond.tick), "step": beyond.step},
    }


def flip_record(flip: RecordedFlip, epoch: int) -> dict[str, object]:
    """Return a verdict that flips, with ticks from the file's epoch on."""

    def told(said: Said) -> dict[str, object]:
        until = None if said.until is None else format_utc(said.until)
        return {"verdict": said.verdict, "rule": said.rule, "reason": said.reason, "until": until}

    return {
        "entry": flip.entry,
        "tick": flip.tick - epoch,
        "utc": format_utc(flip.tick),
        "run": flip.run,
        "contact": flip.contact,
        "plan": flip.plan,
        "step": flip.step,
        "channel": flip.channel,
        "before": told(flip.before),
        "after": told(flip.after),
    }


def _value(field: str, value: object) -> object:
    return format_utc(value) if field in TICKS and isinstance(value, int) else value


# ---- text ------------------------------------------------------------------------------------------------------------


def show(out: Output, found: WhatIf, flips: list[RecordedFlip]) -> None:
    """Write the report."""
    out.line(f"{found.path}: {found.inputs:,} inputs decided again, {found.entries:,} entries")
    for swap in found.swaps:
        out.line(f"  {swap.what}: {_digest(swap.before)} → {_digest(swap.after)}")
    if not found.swaps:
        out.line("  nothing is changed: the documents are those of the file")
    _show_runs(out, found)
    _show_amounts(out, found)
    out.table(
        ("  runs", "recorded", "with the change"),
        [(f"  {one.runs:>4,}", one.before, one.after) for one in found.outcomes],
    )
    if found.flips is not None:
        _show_flips(out, found, found.flips, flips)
    for line in _doubts(found):
        out.line(line)


def _digest(digest: str) -> str:
    return digest[:DIGEST_SHOWN] if digest else "none"


def _show_runs(out: Output, found: WhatIf) -> None:
    counts = found.counts
    out.line(
        f"{counted(counts.runs, 'run', 'runs')}: {counts.same:,} the same, {counts.changed:,} changed, "
        f"{counts.beyond:,} beyond history"
    )
    for one in found.shown:
        first = one.first
        entry = "no entry" if first.entry is None else f"entry {first.entry}"
        told = f"{_value(first.field, first.recorded)} → {_value(first.field, first.what_if)}"
        where = f"{first.step}: {first.field} {told}" if first.step else f"{first.field} {told}"
        out.line(f"  {one.run}  {one.plan}  {entry}  {format_utc(first.tick)}  {where}  [{one.before} → {one.after}]")
    rest = counts.changed + counts.beyond - len(found.shown)
    if rest:
        out.line(f"  … and {counted(rest, 'other', 'others')}: --limit lists more, --json all")


def _show_amounts(out: Output, found: WhatIf) -> None:
    rows = [
        (f"  {what} {name}".rstrip(), f"{then:,}", f"{now:,}", _signed(now - then))
        for what, pairs in (
            ("sent", found.sends),
            ("held", found.held),
            ("refused", found.denied),
            ("failed", found.failed),
            ("not enrolled", found.not_enrolled),
        )
        for name, (then, now) in pairs.items()
    ]
    rows += [
        (f"  cost {currency}", _money(then), _money(now), _signed_money(then, now))
        for currency, (then, now) in found.cost.items()
    ]
    out.table(("", "recorded", "with the change", "difference"), rows, right=frozenset({1, 2, 3}))


def _signed(number: int) -> str:
    return f"{number:+,}" if number else ""


def _money(micros: int) -> str:
    digits = f"{micros // MICROS:,}.{micros % MICROS:06d}"
    return digits.rstrip("0").ljust(digits.index(".") + 3, "0")


def _signed_money(then: int, now: int) -> str:
    return "" if then == now else ("+" if now > then else "-") + _money(abs(now - then))


def _show_flips(out: Output, found: WhatIf, flips: FlipSummary, first: list[RecordedFlip]) -> None:
    for flip in first:
        until = "" if flip.after.until is None else f", next {format_utc(flip.after.until)}"
        verdicts = f"{said_text(flip.before)} → {said_text(flip.after)}{until}"
        out.line(f"  entry {flip.entry}  {format_utc(flip.tick)}  {flip.run}  {flip.plan}  {flip.step}  {verdicts}")
    if flips.flips > len(first):
        out.line(f"  … and {flips.flips - len(first):,} others: --json names them all")
    show_counts(out, flips, "questions to the gate", before="then")
    if found.uncounted:
        out.line(f"not asked of the record, they had counted nothing then: {', '.join(found.uncounted)}")
    if found.unseen:
        messages = counted(found.unseen, "message", "messages")
        out.line(f"{messages} could not be looked into any more: asked without the rules on content")


def _doubts(found: WhatIf) -> Iterator[str]:
    """Say what the report does not know."""
    if found.counts.beyond:
        runs = counted(found.counts.beyond, "run goes", "runs go")
        yield f"{runs} beyond history: a send or task that was not made so then has no recorded reaction; none is guessed"
    if found.uncertain_from is not None:
        yield f"from {format_utc(found.uncertain_from)} on, limits and budgets that runs share count sends beyond history"
    if found.dropped:
        yield f"recorded inputs that would not have been: {_counts(found.dropped)}"
    if found.refused:
        yield f"recorded inputs that would have been refused: {_counts(found.refused)}"
    if found.unmade:
        messages = counted(found.unmade, "message", "messages")
        yield f"{messages} cannot be made again: taken as made, with everything that rules look for"


def _counts(counts: dict[str, int]) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in counts.items())


def show_run(out: Output, found: WhatIf) -> None:
    """Write both courses of one run side by side; `≠` marks where they differ."""
    if found.run is None:
        return
    from itertools import zip_longest

    rows = []
    for then, now in zip_longest(found.run.recorded, found.run.what_if):
        left, right = _step_text(then), _step_text(now)
        rows.append(("≠" if left != right else " ", left, right))
    out.line(f"run {found.run.run}")
    out.table(("", "recorded", "with the change"), rows)


def _step_text(step: Step | None) -> str:
    if step is None:
        return ""
    told = [str(step.detail[name]) for name in ("to", "rule", "why", "reason") if step.detail.get(name)]
    until = step.detail.get("until")
    told += [f"until {format_utc(until)}"] if isinstance(until, int) else []
    rest = f" ({', '.join(told)})" if told else ""
    return f"{format_utc(step.tick)}  {step.step}  {step.action} {step.outcome}{rest}"


# ---- verdicts --------------------------------------------------------------------------------------------------------


def said_text(said: Said) -> str:
    """Write a verdict with its rule and reason."""
    reason = f" ({said.reason})" if said.reason and said.reason != said.rule else ""
    return f"{said.label}{reason}"


def show_counts(out: Output, flips: FlipSummary, what: str, *, before: str) -> None:
    """Write how many verdicts flip, which into which, and where."""
    out.line(f"{flips.flips:,} of {flips.asked:,} {what} get another verdict")
    if flips.changes:
        rows = [(f"{one.count:,}", one.before, one.after) for one in flips.changes]
        out.table(("  count", before, "with the change"), [(f"  {row[0]:>5}", *row[1:]) for row in rows])
        out.line(f"by plan: {_counts(flips.by_plan)}; by channel: {_counts(flips.by_channel)}")
    if flips.otherwise:
        out.line(f"{flips.otherwise:,} get the same verdict by another rule, or until another time")
