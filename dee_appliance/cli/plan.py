"""Plans: checked, published, listed, shown, drawn, compared."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from dee_appliance.cli.command import Session, command
from dee_appliance.errors import Refused

if TYPE_CHECKING:
    from collections.abc import Iterable

    from dee_appliance.authoring.checks import CheckedPlan
    from dee_appliance.authoring.finding import Finding
    from dee_appliance.kernel.e1.plan import Plan

PATH = click.Path(path_type=Path)
SHORT_DIGEST = 11


@command()
@click.argument("file", type=PATH)
def check(session: Session, *, file: Path) -> None:
    """Check a plan file and everything it names, and say every mistake with file and line. Changes nothing.

    With a file (--db) that is there, its policy counts too: calling hours may stand in either.

    \b
    Example:
      dee plan check plan.toml
    """
    from dee_appliance.authoring.checks import check_plan

    covered = session.path.exists() and session.engine().policy_covers_voice()
    checked = check_plan(file, policy_covers_voice=covered)
    _show_findings(session, checked.findings)
    refused = sum(finding.severity == "refused" for finding in checked.findings)
    warned = len(checked.findings) - refused
    session.out.record({"type": "summary", **_identity(checked), "refused": refused, "warned": warned})
    if checked.plan is None:
        raise Refused(
            f"the plan has {_counted(refused, 'mistake')}", where=str(file), hint="correct the file and check it again"
        )
    steps = _counted(len(checked.plan.steps), "step")
    session.out.line(f"{checked.plan.plan}@{checked.plan.version} is sound: {steps}, {_counted(warned, 'warning')}")


def _show_findings(session: Session, findings: Iterable[Finding]) -> None:
    import msgspec

    for finding in findings:
        session.out.record({"type": "finding", **msgspec.structs.asdict(finding)})
        session.out.line(str(finding))


def _identity(checked: CheckedPlan) -> dict[str, object]:
    plan = checked.plan
    if plan is None:
        return {"file": checked.file, "plan": None, "version": None, "digest": None}
    return {"file": checked.file, "plan": plan.plan, "version": plan.version, "digest": checked.digest}


def short(digest: str) -> str:
    """Return the start of a digest, enough to name it."""
    return f"{digest[:SHORT_DIGEST]}…"


def _counted(number: int, word: str) -> str:
    return f"{number} {word}" if number == 1 else f"{number} {word}s"


@command(acts=True)
@click.argument("file", type=PATH)
def publish(session: Session, *, file: Path) -> None:
    """Check a plan file and publish it with its templates and scripts. A published version never changes.

    \b
    Example:
      dee plan publish plan.toml
    """
    engine = session.engine()
    checked = engine.publish_plan(file)
    for finding in checked.findings:
        session.out.note(str(finding))
    plan = checked.plan
    assert plan is not None
    session.done(engine, f"published {plan.plan}@{plan.version} ({short(checked.digest)})", **_identity(checked))


@command("list")
def list_(session: Session) -> None:
    """List every published version of every plan.

    \b
    Example:
      dee plan list
    """
    from dee_appliance.kernel.e1.civil_time import format_utc
    from dee_appliance.runtime.published import plan_versions

    with session.view() as view:
        rows = []
        for one in plan_versions(view):
            plan = view.state.plan(one.digest).plan
            session.out.record(
                {
                    "plan": one.plan,
                    "version": one.version,
                    "digest": one.digest,
                    "purpose": plan.purpose,
                    "title": plan.title,
                    "steps": len(plan.steps),
                    "tick": one.tick - view.epoch,
                    "utc": format_utc(one.tick),
                }
            )
            rows.append((one.label, plan.purpose, len(plan.steps), format_utc(one.tick), plan.title))
    session.out.table(("plan", "purpose", "steps", "published", "title"), rows, right=frozenset({2}))
    if not rows:
        session.out.line("no plan is published yet: dee plan publish FILE")


def load_plan(session: Session, text: str) -> Plan:
    """Return the plan that a file (a path that ends in .toml) or a published NAME[@VERSION] names. Raises Refused."""
    if text.endswith(".toml"):
        from dee_appliance.authoring.checks import check_plan, publishable

        # Only its form counts here; that a call has hours is for check and publish to say.
        return publishable(check_plan(Path(text), policy_covers_voice=True))
    from dee_appliance.runtime.published import find_version

    with session.view() as view:
        return view.state.plan(find_version(view, text).digest).plan


@command()
@click.argument("plan")
def show(session: Session, *, plan: str) -> None:
    """Show a published plan: its steps, what enrolment needs, what its templates read.

    PLAN is a name, NAME@VERSION, or NAME@ and the start of a digest. With --json: the canonical form that the digest names.

    \b
    Example:
      dee plan show sales-outreach
      dee plan show sales-outreach@1 --json
    """
    import msgspec

    from dee_appliance.kernel.e1.civil_time import format_utc
    from dee_appliance.runtime.published import fields_needed, find_version

    with session.view() as view:
        version = find_version(view, plan)
        found = view.state.plan(version.digest).plan
        needed = fields_needed(view, found)
    session.out.record({"digest": version.digest, "fields": needed, "plan": msgspec.to_builtins(found)})
    out = session.out
    out.line(f"{version.label}  {found.purpose}  {found.title}")
    out.line(f"digest     {version.digest}")
    out.line(f"published  {format_utc(version.tick)}")
    for word, declared in (("attribute", found.attributes), ("variable", found.variables)):
        for name, kind in declared.items():
            values = f" of {', '.join(kind.values)}" if kind.values else ""
            required = " (required)" if word == "variable" or name in found.required else ""
            out.line(f"{word:<10} {name}: {kind.kind}{values}{required}")
    for name, names in needed.items():
        out.line(f"template   {name} reads {', '.join(names) or 'nothing'}")
    for way_out in found.exits:
        out.line(f"exit       {way_out.outcome} when {way_out.when}")
    out.line()
    _show_steps(session, found)


def _show_steps(session: Session, plan: Plan) -> None:
    from dee_appliance.authoring.graph import graph_of

    graph = graph_of(plan)
    ways: dict[str, list[str]] = {}
    for arrow in graph.arrows:
        labels = "/".join(arrow.labels)
        ways.setdefault(arrow.source, []).append(f"{labels} → {arrow.target}" if labels else f"→ {arrow.target}")
    rows = [(box.id, box.kind, box.detail, ", ".join(ways.get(box.id, []))) for box in graph.boxes]
    session.out.table(("step", "do", "what", "goes on"), rows)


@command()
@click.argument("plan")
@click.option("--mermaid", "form", flag_value="mermaid", default="mermaid", help="As Mermaid text. [default]")
@click.option("--svg", "form", flag_value="svg", help="As one self-contained SVG.")
@click.option("--out", type=PATH, metavar="FILE", help="Write to a file.")
def graph(session: Session, *, plan: str, form: str, out: Path | None) -> None:
    """Draw a plan, published (NAME[@VERSION]) or from a file (FILE.toml).

    \b
    Example:
      dee plan graph plan.toml --svg --out plan.svg
      dee plan graph sales-outreach@1 --mermaid
    """
    from dee_appliance.authoring.graph import graph_of, mermaid
    from dee_appliance.authoring.graph_svg import svg
    from dee_appliance.store.header import refuse_to_replace

    drawn = graph_of(load_plan(session, plan))
    text = svg(drawn) if form == "svg" else mermaid(drawn)
    if out is not None:
        refuse_to_replace(out, session.path, Path(plan))
        out.write_text(text, encoding="utf-8")
        session.out.record({"form": form, "file": str(out)})
        session.out.line(f"wrote {out}")
        return
    session.out.record({"form": form, "text": text})
    session.out.lines(text)


@command()
@click.argument("old")
@click.argument("new")
def diff(session: Session, *, old: str, new: str) -> None:
    """Compare two plans, each published (NAME[@VERSION]) or from a file (FILE.toml), by what they mean.

    \b
    Example:
      dee plan diff sales-outreach@1 plan.toml
    """
    import msgspec

    from dee_appliance.authoring.plan_diff import plan_diff

    changes = plan_diff(load_plan(session, old), load_plan(session, new))
    for change in changes:
        session.out.record(msgspec.structs.asdict(change))
        session.out.lines(str(change))
    if not changes:
        session.out.line("they mean the same")


@command(file=False)
@click.option("--policy", "kind", flag_value="policy", help="The schema of a policy file.")
@click.option("--scenario", "kind", flag_value="scenario", help="The schema of a scenario file (dee plan test).")
def schema(session: Session, *, kind: str | None) -> None:
    """Print the JSON Schema of a plan file, for an editor that completes and checks while you write.

    \b
    Example:
      dee plan schema > dee-plan.schema.json
    """
    import json

    from dee_appliance.authoring.schema import plan_schema, policy_schema, scenario_schema

    makers = {"policy": policy_schema, "scenario": scenario_schema}
    document = makers.get(kind or "", plan_schema)()
    session.out.record(document)
    session.out.lines(json.dumps(document, indent=2, ensure_ascii=True))
