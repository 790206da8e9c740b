"""`dee plan test`: a user's plans against the user's scenarios, on simulated time, for continuous integration."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from dee_appliance.cli.command import Session, command
from dee_appliance.errors import Refused, Usage

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dee_appliance.authoring.finding import Finding
    from dee_appliance.scenarios.testing import CaseReport, PlanCoverage, RunSeen, ScenarioReport

PATH = click.Path(path_type=Path)


@command(file=False)
@click.argument("scenarios", nargs=-1, type=PATH)
@click.option("-k", "names", multiple=True, metavar="NAME", help="Only cases whose FILE::NAME has this; repeatable.")
@click.option("--junit", type=PATH, metavar="FILE", help="Write a JUnit XML report.")
@click.option("--keep", type=PATH, metavar="FILE", help="Keep the simulated file of the one case that is chosen.")
@click.option("--fail-uncovered", is_flag=True, help="Fail when a step, a way or an exit of a plan was not used.")
def test(
    session: Session,
    *,
    scenarios: tuple[Path, ...],
    names: tuple[str, ...],
    junit: Path | None,
    keep: Path | None,
    fail_uncovered: bool,
) -> None:
    """Play scenario files on simulated time and say what is not as they expect. Nothing is sent.

    SCENARIOS are files or folders [default: this folder]: every *.scenario.toml beneath them, and every .toml in a folder called
    scenarios. Each case runs on a throw-away file with the real engine. Exit codes: 0 all passed, 1 one failed, 2 a
    scenario file is wrong.

    \b
    Example:
      dee plan test examples
      dee plan test scenarios/replies.toml -k "a reply" --keep case.db
      dee plan test --junit report.xml --fail-uncovered
    """
    import time

    from dee_appliance.cli.junit import write_junit, write_mistakes
    from dee_appliance.scenarios.testing import ScenariosRefused, check_scenarios

    if fail_uncovered and names:
        raise Usage("--fail-uncovered asks for all cases", where="-k", hint="leave one of the two out")
    _refuse_targets(junit, keep)
    told: dict[str, list[str]] = {}

    def on_case(case: CaseReport) -> None:
        session.out.record(_record(case))
        session.out.line(f"{'PASSED' if case.passed else 'FAILED'} {case.file}::{case.name}")
        if not case.passed:
            told[f"{case.file}::{case.name}"] = list(_explained(case))

    try:
        report = check_scenarios(
            scenarios or (Path(),),
            chosen=(lambda text: any(name.casefold() in text.casefold() for name in names)) if names else None,
            on_case=on_case,
            keep=keep,
            timer=time.monotonic,
        )
    except ScenariosRefused as error:
        if junit is not None:
            write_mistakes(junit, error.findings)
        _record_findings(session, error.findings)
        raise
    if junit is not None:
        write_junit(junit, report.cases, told)
    _show(session, report, told, all_cases=not names)
    _finish(session, report, fail_uncovered=fail_uncovered, keep=keep)


def _refuse_targets(junit: Path | None, keep: Path | None) -> None:
    from dee_appliance.store.header import refuse_to_replace

    if junit is not None:
        refuse_to_replace(junit, *([keep] if keep is not None else []))
        if junit.is_file() and junit.read_bytes()[:1] not in (
            b"",
            b"<",
        ):  # an older report may go, a scenario or a plan may not
            raise Usage("that file would be overwritten", where=str(junit), hint="name another file")


def _record(case: CaseReport) -> dict[str, object]:
    import msgspec

    return {
        "type": "case",
        "file": case.file,
        "line": case.line,
        "name": case.name,
        "passed": case.passed,
        "seconds": round(case.seconds, 6),
        "failures": [{"file": case.file, **msgspec.structs.asdict(failure)} for failure in case.failures],
        "runs": [
            {
                "contact": run.contact,
                "run": run.run,
                "plan": run.plan,
                "status": run.status,
                "reason": run.reason,
                "head": run.head,
            }
            for run in case.runs
        ],
        "log_head": case.log_head,
    }


def _record_findings(session: Session, findings: tuple[Finding, ...]) -> None:
    import msgspec

    for finding in findings:
        session.out.record({"type": "finding", **msgspec.structs.asdict(finding)})


def _explained(case: CaseReport) -> Iterator[str]:
    """Tell what failed, then the log of each run that shows it, up to the entry in question."""
    for failure in case.failures:
        yield f"{case.file}:{failure.line}"
        yield f"  expected  {failure.expected}"
        yield f"  happened  {failure.happened}"
    for run in case.runs:
        concerned = [failure for failure in case.failures if failure.run == run.run]
        if concerned or (len(case.runs) == 1 and case.failures):
            entries = [failure.entry for failure in concerned]
            last = None if None in entries else max((entry for entry in entries if entry is not None), default=None)
            yield from _trace(run, last)
    yield "next: keep the file and look into it:"
    yield f"  dee plan test {_quoted(case.file)} -k {_quoted(f'::{case.name}')} --keep case.db"
    yield "  dee log --db case.db --long"
    for failed in dict.fromkeys(failure.run for failure in case.failures if failure.run):
        yield f"  dee debug {failed} --db case.db"


def _trace(run: RunSeen, last: int | None) -> Iterator[str]:
    from dee_appliance.cli.log import log_lines

    upto = "" if last is None else " up to there"
    yield f"the run of {run.contact} in {run.plan}{upto}:"
    for line in run.lines:
        if last is None or line.seq <= last:
            for text in log_lines(line):
                yield f"  {text}"


def _quoted(text: str) -> str:
    import shlex

    return shlex.quote(text)


def _show(session: Session, report: ScenarioReport, told: dict[str, list[str]], *, all_cases: bool) -> None:
    out = session.out
    for finding in report.findings:
        out.note(str(finding))
    _record_findings(session, report.findings)
    for name, lines in told.items():
        out.line()
        out.line(f"FAILED {name}")
        for line in lines:
            out.line(f"  {line}")
    for one in report.coverage:
        out.record(_coverage_record(one))
    if all_cases:
        out.line()
        for one in report.coverage:
            out.line(_coverage_line(one))
            for name in one.uncovered():
                out.line(f"  not covered: {name}")


def _coverage_record(one: PlanCoverage) -> dict[str, object]:
    return {
        "type": "coverage",
        "file": one.file,
        "plan": one.plan,
        "steps": one.steps,
        "ways": [{"step": step, "to": to, "count": count} for (step, to), count in one.ways.items()],
        "exits": one.exits,
        "uncovered": one.uncovered(),
    }


def _coverage_line(one: PlanCoverage) -> str:
    parts = [
        f"{sum(count > 0 for count in counts.values())} of {len(counts)} {word}"
        for word, counts in (("steps", one.steps), ("ways", one.ways), ("exits", one.exits))
        if counts
    ]
    return f"{one.plan} ({one.file}): {', '.join(parts)}"


def _finish(session: Session, report: ScenarioReport, *, fail_uncovered: bool, keep: Path | None) -> None:
    failed = sum(not case.passed for case in report.cases)
    passed = len(report.cases) - failed
    uncovered = sum(len(one.uncovered()) for one in report.coverage)
    seconds = sum(case.seconds for case in report.cases)
    session.out.record(
        {"type": "summary", "passed": passed, "failed": failed, "uncovered": uncovered, "seconds": round(seconds, 6)}
    )
    if keep is not None:
        session.out.line(f"kept {keep}: dee log --db {_quoted(str(keep))}")
    counts = [f"{failed} failed"] if failed else []
    session.out.line(", ".join([*counts, f"{passed} passed"]) + f" in {seconds:.2f} s")
    if failed:
        raise Refused(f"{failed} of {len(report.cases)} cases failed", hint="the place and the log of each are above")
    if fail_uncovered and uncovered:
        raise Refused(
            f"{uncovered} steps, ways and exits are used by no case", hint="write a case for each that is listed above"
        )
