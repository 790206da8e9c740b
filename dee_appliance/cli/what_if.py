"""`dee what-if`: the past, and what other rules would have said of it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from dee_appliance.cli.command import Session, command
from dee_appliance.errors import Usage

if TYPE_CHECKING:
    from dee_appliance.replay.changed_rules import FlipSummary, Said
    from dee_appliance.replay.what_if import RecordedFlip, WhatIf

SHOWN = 20
"""How many entries the text names; `--json` has them all."""


@command("what-if")
@click.argument("file", type=click.Path(path_type=Path), required=False)
@click.option(
    "--pack", "packs", multiple=True, metavar="PACK", help="With this pack: a file or a shipped one; repeatable."
)
@click.option("--retire", multiple=True, metavar="ID", help="Without this pack; repeatable.")
@click.option("--policy", type=click.Path(path_type=Path), metavar="POLICY", help="With this policy file.")
def what_if(
    session: Session, *, file: Path | None, packs: tuple[str, ...], retire: tuple[str, ...], policy: Path | None
) -> None:
    """Replay the recorded history, and say of every send what other rules would have told it.

    At every question that the gate was asked, it is asked again under the changed rules, on the same facts; the entries
    whose verdict flips are listed. FILE is the one file [default: --db]; it is not changed, and nothing is sent. A send that the
    changed rules would have stopped has happened all the same: what would have followed is not guessed.

    \b
    Example:
      dee what-if --pack us-federal
      dee what-if backup.db --pack packs/house.toml --retire us-states --json
    """
    import msgspec

    from dee_appliance.engine import Engine

    if not packs and not retire and policy is None:
        raise Usage("say what is changed", hint="--pack PACK, --retire ID or --policy FILE")
    engine = session.engine() if file is None else Engine(file)
    change = engine.changed_rules(policy=policy, packs=packs, retire=retire)
    first: list[RecordedFlip] = []

    def tell(flip: RecordedFlip) -> None:
        session.out.record({"flip": _record(flip, epoch)})
        if len(first) < SHOWN:
            first.append(flip)

    with engine.view() as view:
        epoch = view.epoch
    with session.progress("inputs") as progress:
        found = engine.what_if(change, on_flip=tell, progress=progress)
    session.out.record(
        {
            **msgspec.to_builtins(found.flips),
            "path": found.replay.path,
            "inputs": found.replay.inputs,
            "entries": found.replay.entries,
            "same": found.replay.same,
            "uncounted": found.uncounted,
            "unseen": found.unseen,
        }
    )
    _show(session, found, first)
    error = found.replay.error()
    if error is not None:
        raise error


def _record(flip: RecordedFlip, epoch: int) -> dict[str, object]:
    from dee_appliance.kernel.e1.civil_time import format_utc

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


def _show(session: Session, found: WhatIf, first: list[RecordedFlip]) -> None:
    from dee_appliance.cli.run_text import counted
    from dee_appliance.kernel.e1.civil_time import format_utc

    out = session.out
    for flip in first:
        until = "" if flip.after.until is None else f", next {format_utc(flip.after.until)}"
        verdicts = f"{said_text(flip.before)} → {said_text(flip.after)}{until}"
        out.line(f"  entry {flip.entry}  {format_utc(flip.tick)}  {flip.run}  {flip.plan}  {flip.step}  {verdicts}")
    if found.flips.flips > len(first):
        out.line(f"  … and {found.flips.flips - len(first):,} others: --json names them all")
    out.line(f"{found.replay.path}: {found.replay.inputs:,} inputs decided again")
    show_counts(session, found.flips, "questions to the gate", before="then")
    if found.uncounted:
        out.line(f"not asked, they had counted nothing then: {', '.join(found.uncounted)}")
    if found.unseen:
        messages = counted(found.unseen, "message", "messages")
        out.line(f"{messages} could not be looked into any more: asked without the rules on content")
    out.line("beyond history: a send that would have been stopped has happened here, and what followed from it stands")


def said_text(said: Said) -> str:
    """Write a verdict with its rule and reason."""
    reason = f" ({said.reason})" if said.reason and said.reason != said.rule else ""
    return f"{said.label}{reason}"


def show_counts(session: Session, flips: FlipSummary, what: str, *, before: str) -> None:
    """Write how many verdicts flip, which into which, and where."""
    out = session.out
    out.line(f"{flips.flips:,} of {flips.asked:,} {what} get another verdict")
    if flips.changes:
        rows = [(f"{one.count:,}", one.before, one.after) for one in flips.changes]
        out.table(("  count", before, "with the change"), [(f"  {row[0]:>5}", *row[1:]) for row in rows])
        out.line(f"by plan: {_counts(flips.by_plan)}; by channel: {_counts(flips.by_channel)}")
    if flips.otherwise:
        out.line(f"{flips.otherwise:,} get the same verdict by another rule, or until another time")


def _counts(counts: dict[str, int]) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in counts.items())
