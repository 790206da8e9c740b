"""Tasks: steps that a person does."""

from __future__ import annotations

import click

from dee_appliance.cli.command import Session, command


@command("list")
@click.option("--plan", default="", metavar="PLAN", help="Only of this plan.")
def list_(session: Session, *, plan: str) -> None:
    """List the tasks that wait for a person, with what to do and the outcomes to report.

    \b
    Example:
      dee task list --plan collections
    """
    import msgspec

    from dee_appliance.runtime.tasks import open_tasks

    rows = []
    with session.view() as view:
        for task in open_tasks(view, plan=plan):
            session.out.record(msgspec.to_builtins(task))
            due = "" if task.due is None else task.due.local or task.due.utc
            rows.append((task.run, task.name, task.step, task.instructions, ", ".join(task.outcomes), due))
    session.out.table(("run", "contact", "step", "what to do", "outcomes", "until"), rows)
    if not rows:
        session.out.line("nothing waits for a person")


@command(acts=True)
@click.argument("run")
@click.argument("outcome")
def done(session: Session, *, run: str, outcome: str) -> None:
    """Report the outcome of the task that a run waits for; the run goes on as its plan says.

    \b
    Example:
      dee task done RUN paid
    """
    engine = session.engine()
    engine.finish_task(run, outcome)
    session.done(engine, f"{run}: {outcome}", run=run, outcome=outcome)
