"""`dee export`: the evidence of one run, to be checked without the file."""

from __future__ import annotations

from pathlib import Path

import click

from dee_appliance.cli.command import Session, command


@command()
@click.argument("run")
@click.option("--out", type=click.Path(path_type=Path), metavar="FILE", help="Write to a file.")
def export(session: Session, *, run: str, out: Path | None) -> None:
    """Take the evidence of one run out of the file: its entries with their hashes, inputs and documents. No personal data.

    `dee verify --export FILE` checks it; so can any program that knows SHA-256. With --json on one line.

    \b
    Example:
      dee export RUN --json > run.json
      dee export RUN --out run.json
    """
    import json

    import msgspec

    from dee_appliance.replay.export import export_run
    from dee_appliance.store.header import refuse_to_replace

    evidence = msgspec.to_builtins(export_run(session.path, run))
    if out is not None:
        refuse_to_replace(out, session.path)
        out.write_text(json.dumps(evidence, ensure_ascii=True), encoding="ascii")
        session.out.record({"run": run, "file": str(out), "entries": len(evidence["entries"])})
        session.out.line(f"wrote {len(evidence['entries'])} entries of {run} to {out}")
        return
    session.out.record(evidence)
    session.out.lines(json.dumps(evidence, ensure_ascii=True, indent=2))
