"""What a person does to runs: one by one, or many by a filter, which is shown first and done with --yes."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import click
import msgspec

from dee_appliance.cli.command import Session, command
from dee_appliance.cli.run_read import filter_options, run_filter
from dee_appliance.errors import Refused, Usage

if TYPE_CHECKING:
    from collections.abc import Callable

    from dee_appliance.engine import Choice, VerbName
    from dee_appliance.runtime.commands import Batch
    from dee_appliance.runtime.reports_runs import RunRow

SAMPLE = 5
CHOICES = ["delivered", "not-delivered", "resend", "abandoned"]


class Chosen(msgspec.Struct, frozen=True, kw_only=True):
    """The common arguments of every verb, as they were typed."""

    run: tuple[str, ...]
    status: str
    plan: str
    contact: str
    reason: str
    before: str | None
    after: str | None
    limit: int | None
    every: bool
    yes: bool

    @property
    def filtered(self) -> bool:
        """Whether runs are chosen by a filter."""
        texts = (self.status, self.plan, self.contact, self.reason, self.before, self.after)
        return self.every or self.limit is not None or any(texts)


def chooses_runs(function: Callable[..., None]) -> Callable[..., None]:
    """Give a verb its arguments: RUN..., or the filters of `dee run list` with --yes."""
    for option in (
        click.option("--yes", is_flag=True, help="With a filter: do it. [default: only show what would be done]"),
        click.option("--all", "every", is_flag=True, help="Every run that the verb fits."),
        click.option("--limit", type=click.IntRange(1), metavar="N", help="At most so many, the oldest first."),
        filter_options,
        click.argument("run", nargs=-1, metavar="[RUN...]"),
    ):
        function = option(function)
    return function


@command(acts=True)
@chooses_runs
def pause(session: Session, **given: Any) -> None:  # noqa: ANN401 - the fields of Chosen
    """Stop runs where they are. What is already with a provider settles; a wait keeps the time that is left.

    \b
    Example:
      dee run pause RUN
      dee run pause --plan sales-outreach --yes
    """
    _operate(session, "pause", Chosen(**given))


@command(acts=True)
@chooses_runs
def resume(session: Session, **given: Any) -> None:  # noqa: ANN401 - the fields of Chosen
    """Let paused or held runs go on, and failed ones whose message turned out to be delivered.

    \b
    Example:
      dee run resume RUN
      dee run resume --status PAUSED --plan sales-outreach --yes
    """
    _operate(session, "resume", Chosen(**given))


@command(acts=True)
@chooses_runs
def cancel(session: Session, **given: Any) -> None:  # noqa: ANN401 - the fields of Chosen
    """End runs for good. What was not yet handed over is not sent.

    \b
    Example:
      dee run cancel --contact jane@example.com --yes
    """
    _operate(session, "cancel", Chosen(**given))


@command(acts=True)
@chooses_runs
def retry(session: Session, **given: Any) -> None:  # noqa: ANN401 - the fields of Chosen
    """Do the failed step of runs again; exits and the gate are asked anew. Never for a send whose outcome is unknown.

    \b
    Example:
      dee run retry --plan sales-outreach --reason rejected_transient --yes
    """
    _operate(session, "retry", Chosen(**given))


@command(acts=True)
@chooses_runs
def skip(session: Session, **given: Any) -> None:  # noqa: ANN401 - the fields of Chosen
    """Leave out the step that runs are at, where the plan allows it (skippable = true).

    \b
    Example:
      dee run skip RUN
    """
    _operate(session, "skip", Chosen(**given))


@command(acts=True)
@chooses_runs
@click.option("--as", "choice", type=click.Choice(CHOICES), help="What became of the message.")
@click.option("--accept-duplicate-risk", is_flag=True, help="For --as resend: the contact may get it twice.")
def resolve(session: Session, *, choice: Choice | None, accept_duplicate_risk: bool, **given: Any) -> None:  # noqa: ANN401
    """Say what became of a message whose outcome is unknown. Without --as: what is known of it.

    delivered: it arrived; `dee run resume` goes on. not-delivered: nothing was sent; `dee run retry` tries again. resend: send it
    again, whatever became of it. abandoned: leave it open for good.

    \b
    Example:
      dee run resolve RUN
      dee run resolve RUN --as delivered
      dee run resolve RUN --as resend --accept-duplicate-risk
    """
    chosen = Chosen(**given)
    if choice is None:
        _explain(session, chosen)
        raise Usage("say what became of it", where="--as", hint=f"--as {' | --as '.join(CHOICES)}")
    if choice == "resend" and not accept_duplicate_risk:
        raise Usage("a resend may reach the contact twice", where="--as resend", hint="add --accept-duplicate-risk")
    if choice != "resend" and accept_duplicate_risk:
        raise Usage("--accept-duplicate-risk is for --as resend")
    _operate(session, "resolve", chosen, choice)


def _explain(session: Session, chosen: Chosen) -> None:
    """What is known of the unresolved sends that were named."""
    from dee_appliance.runtime import reports

    with session.view() as view:
        for run in chosen.run:
            known = reports.run_show(view, run, limit=1)
            session.out.record(
                {"run": run, "step": known.step, "status": known.status, "reason": known.reason, **_choices(known.next)}
            )
            session.out.line(f"{run}  {known.plan}, step {known.step}: {known.next.why}")
            for one in known.next.choices:
                session.out.line(f"  {one.command}: {one.effect}")


def _choices(action: Any) -> dict[str, object]:  # noqa: ANN401 - a struct of reports
    return {"why": action.why, "choices": msgspec.to_builtins(action.choices)}


def _operate(session: Session, verb: VerbName, chosen: Chosen, choice: Choice = "") -> None:
    if bool(chosen.run) == chosen.filtered:
        raise Usage("name runs, or choose them with a filter", hint="dee run list shows them; --all takes every run")
    runs = list(chosen.run) or _filtered(session, verb, chosen)
    if not runs:
        return
    engine = session.engine()
    with session.progress("runs", len(runs)) as progress:
        batch = engine.operate(verb, runs, choice=choice, progress=progress)
    _show(session, verb, batch)


def _filtered(session: Session, verb: VerbName, chosen: Chosen) -> list[str]:
    """Return the runs that the filter chooses if they are to be changed now, none if they are only to be shown."""
    rows = _select(session, verb, chosen)
    if not rows:
        raise Refused("no run matches", where=str(session.path), hint="dee run list")
    if chosen.yes:
        return [row.run for row in rows]
    plans = Counter(f"{row.plan} {row.status}" for row in rows)
    sample = [msgspec.to_builtins(row) for row in rows[:SAMPLE]]
    session.out.record({"verb": verb, "preview": True, "runs": len(rows), "by": dict(plans), "sample": sample})
    session.out.line(f"{verb} would change {len(rows):,} runs:")
    for group, count in sorted(plans.items()):
        session.out.line(f"  {count:>9,}  {group}")
    session.out.line("such as")
    session.out.table(
        ("  run", "status", "reason", "step", "changed"),
        [(f"  {row.run}", row.status, row.reason, row.step, row.changed.utc) for row in rows[:SAMPLE]],
    )
    session.out.line("nothing was changed; add --yes to do it")
    return []


def _select(session: Session, verb: VerbName, chosen: Chosen) -> list[RunRow]:
    from itertools import islice

    from dee_appliance.kernel.e1.run import TRANSITIONS
    from dee_appliance.runtime.reports import select_runs

    fits = {status for status, triggers in TRANSITIONS.items() if verb in triggers}
    with session.view() as view:
        wanted = run_filter(
            view,
            status=chosen.status,
            plan=chosen.plan,
            contact=chosen.contact,
            reason=chosen.reason,
            after=chosen.after,
            before=chosen.before,
        )
        rows = select_runs(view, wanted)
        fitting = (row for row in rows if chosen.status or row.status in fits)
        return list(islice(fitting, chosen.limit))


def _show(session: Session, verb: VerbName, batch: Batch) -> None:
    from dee_appliance.runtime.refusal import refused, said

    bad = {code.removeprefix("rejected:"): count for code, count in batch.outcomes.items() if code != "done"}
    done = batch.outcomes.get("done", 0)
    session.out.record({"verb": verb, "runs": batch.rows, "done": done, "refused": bad, "queued": batch.queued})
    if batch.rows == 1 and bad:
        raise refused(next(iter(bad)), f"dee run {verb}")
    session.out.line(f"{verb}: {done:,} runs" + (f", {sum(bad.values()):,} refused" if bad else ""))
    for code, count in bad.items():
        session.out.line(f"  {count:>9,}  {said(code)} ({code})")
    if batch.queued:
        session.out.line(f"queued: {batch.queued:,} requests wait for the process that runs this file")
    if bad and not done and not batch.queued:
        raise Refused("every run refused it", where=f"dee run {verb}", hint="dee run show RUN")
