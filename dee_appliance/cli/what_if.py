"""`dee what-if`: the recorded history with something changed, and what would have come out otherwise."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from dee_appliance.cli.command import Session, command
from dee_appliance.errors import Usage

if TYPE_CHECKING:
    from dee_appliance.replay.rule_flips import RecordedFlip
    from dee_appliance.replay.what_if import RunChange

SHOWN = 20
"""How many entries or runs the text names; `--json` has them all."""
PATH = click.Path(path_type=Path)


@command("what-if")
@click.argument("file", type=click.Path(path_type=Path, readable=False), required=False)
@click.option(
    "--plan",
    "plans",
    multiple=True,
    type=PATH,
    metavar="PLAN",
    help="With this plan file, for every version; repeatable.",
)
@click.option("--policy", type=PATH, metavar="POLICY", help="With this policy file.")
@click.option(
    "--rates", type=PATH, metavar="POLICY", help="With the rate card of this policy file, and nothing else of it."
)
@click.option(
    "--pack", "packs", multiple=True, metavar="PACK", help="With this pack: a file or a shipped one; repeatable."
)
@click.option("--retire", multiple=True, metavar="ID", help="Without this pack; repeatable.")
@click.option(
    "--template",
    "templates",
    multiple=True,
    metavar="NAME=FILE",
    help="With this template or call script, where a plan has one of the name; repeatable.",
)
@click.option(
    "--zones", type=PATH, metavar="TABLE", help="With this time-zone table (`dee tz show --export` writes one)."
)
@click.option("--run", metavar="RUN", help="Also print what one run did and what it would have done, side by side.")
@click.option(
    "--limit",
    type=click.IntRange(min=0),
    default=SHOWN,
    show_default=True,
    help="How many changed runs, and verdicts, to list.",
)
@click.option(
    "--last",
    type=click.IntRange(min=0),
    default=0,
    metavar="N",
    help="Report the last N runs only; sums are of all. [default: all]",
)
def what_if(
    session: Session,
    *,
    file: Path | None,
    plans: tuple[Path, ...],
    policy: Path | None,
    rates: Path | None,
    packs: tuple[str, ...],
    retire: tuple[str, ...],
    templates: tuple[str, ...],
    zones: Path | None,
    run: str | None,
    limit: int,
    last: int,
) -> None:
    """Decide the recorded history again with something changed, and say what would have come out otherwise.

    FILE is the one file [default: --db]; it is not changed, and nothing is sent. Changes can be combined. Runs are counted as the
    same, changed, or beyond history: a send that history does not have, or not then, or not so, has no recorded reaction,
    and none is guessed. With changed rules, every verdict of the gate that flips is listed as well.

    \b
    Example:
      dee what-if --plan plans/shorter-wait.toml
      dee what-if --pack us-federal --zones 2026c.json --limit 50
      dee what-if backup.db --policy policy.toml --retire us-states --json
    """
    from dee_appliance.cli.what_if_text import flip_record, run_record, show, show_run, summary_record
    from dee_appliance.engine import Engine
    from dee_appliance.replay.what_if import WhatIfOptions
    from dee_appliance.runtime.changed_documents import ChangedFiles

    files = ChangedFiles(
        plans=plans, policy=policy, rates=rates, packs=packs, retire=retire, templates=_named(templates), zones=zones
    )
    if files == ChangedFiles():
        raise Usage(
            "say what is changed",
            hint="--plan FILE, --policy FILE, --rates FILE, --pack PACK, --retire ID, --template NAME=FILE or --zones FILE",
        )
    engine = session.engine() if file is None else Engine(file)
    change = engine.changed_history(files)
    flips: list[RecordedFlip] = []

    def tell(flip: RecordedFlip) -> None:
        session.out.record({"flip": flip_record(flip, epoch)})
        if len(flips) < limit:
            flips.append(flip)

    def tell_run(changed: RunChange) -> None:
        session.out.record({"changed": run_record(changed, epoch)})

    with engine.view() as view:
        epoch = view.epoch
    options = WhatIfOptions(limit=limit, last=last, run=run, on_flip=tell, on_run=tell_run)
    with session.progress("inputs") as progress:
        found = engine.what_if(change, options=options, progress=progress)
    session.out.record(summary_record(found, epoch))
    show_run(session.out, found)
    show(session.out, found, flips)


def _named(templates: tuple[str, ...]) -> dict[str, str | Path]:
    named: dict[str, str | Path] = {}
    for text in templates:
        name, equals, path = text.partition("=")
        if not equals or not name or not path:
            raise Usage(f"`{text}` does not say which template", where="--template", hint="--template NAME=FILE")
        named[name] = Path(path)
    return named
