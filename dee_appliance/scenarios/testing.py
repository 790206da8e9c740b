"""Scenario files, tested: every case played on a file of its own, compared with its expectations, and what no case has visited.

    from dee_appliance.scenarios.testing import check_scenarios

    report = check_scenarios(["scenarios/"])
    assert report.passed, report

The same scenario gives the same run heads, and the same log byte for byte, each time and everywhere.
"""

from __future__ import annotations

import os
import tempfile
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from dee_appliance.authoring.graph import graph_of
from dee_appliance.authoring.zone_table import compile_zone_table
from dee_appliance.errors import Refused, Usage
from dee_appliance.kernel.e1.civil_zone import ZoneTable
from dee_appliance.kernel.e1.encoding import derived
from dee_appliance.runtime.appliance import Rehearsal, open_appliance
from dee_appliance.runtime.making import FileOptions, make_file
from dee_appliance.runtime.reports_log import LogLine
from dee_appliance.scenarios.casting import DOMAIN
from dee_appliance.scenarios.expecting import Expecting, refused_instead, still_moving
from dee_appliance.scenarios.playing import Failure, Players
from dee_appliance.scenarios.reading import Case, Scenario, find_scenarios, read_scenario
from dee_appliance.scenarios.stage import CHANNELS, RecordingAdapter, StageClock, StageEngine, play
from dee_appliance.scenarios.story import Story, runs_of, story_of
from dee_appliance.store.state_dir import StateDir

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from dee_appliance.authoring.finding import Finding
    from dee_appliance.channels.interface import Message
    from dee_appliance.kernel.e1.plan import Plan
    from dee_appliance.runtime.reading import View

IN_MEMORY = Path("/dev/shm")  # noqa: S108 - a folder of its own is made in it
"""Where files that are thrown away cost no disk write, on systems that have it."""


class RunSeen(msgspec.Struct, frozen=True, kw_only=True):
    """One run of a case: its head, how it stands, and its part of the log."""

    contact: str
    run: str
    plan: str
    status: str
    reason: str
    head: str
    lines: tuple[LogLine, ...]


class CaseReport(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one case. `log_head` is the hash of the last entry of its file; `seconds` what it took."""

    file: str
    line: int
    name: str
    failures: tuple[Failure, ...]
    runs: tuple[RunSeen, ...]
    log_head: str
    seconds: float

    @property
    def passed(self) -> bool:
        """Tell whether everything was as expected."""
        return not self.failures


class PlanCoverage(msgspec.Struct, kw_only=True):
    """Which steps, ways and exits of one plan the cases have used. Ways are (step, where to); exits are their outcomes."""

    file: str
    plan: str
    steps: dict[str, int]
    ways: dict[tuple[str, str], int]
    exits: dict[str, int]

    def uncovered(self) -> list[str]:
        """Name what no case has used."""
        steps = [f"step {step}" for step, count in self.steps.items() if not count]
        unseen = {step for step, count in self.steps.items() if not count}
        ways = [f"{source} → {to}" for (source, to), count in self.ways.items() if not count and source not in unseen]
        return steps + ways + [f"exit {outcome}" for outcome, count in self.exits.items() if not count]


class ScenarioReport(msgspec.Struct, frozen=True, kw_only=True):
    """What became of all cases. `findings` are warnings of the scenario files."""

    cases: tuple[CaseReport, ...]
    coverage: tuple[PlanCoverage, ...]
    findings: tuple[Finding, ...]

    @property
    def passed(self) -> bool:
        """Tell whether every case passed."""
        return all(case.passed for case in self.cases)

    def __str__(self) -> str:
        failed = [
            f"{case.file}:{one.line}: {case.name}: expected {one.expected}; {one.happened}"
            for case in self.cases
            for one in case.failures
        ]
        return "\n".join(failed) or f"{len(self.cases)} passed"


class ScenariosRefused(Usage):
    """Scenario files that are wrong: nothing was run. `findings` name every mistake."""

    def __init__(self, findings: tuple[Finding, ...]) -> None:
        refused = [finding for finding in findings if finding.severity == "refused"]
        listed = "\n".join(f"  {finding}" for finding in refused)
        count = "1 mistake" if len(refused) == 1 else f"{len(refused)} mistakes"
        super().__init__(
            f"the scenarios have {count}:\n{listed}", hint="correct them: docs/plan-tests.md has the format"
        )
        self.findings = findings


def check_scenarios(
    paths: Iterable[str | Path],
    *,
    chosen: Callable[[str], bool] | None = None,
    on_case: Callable[[CaseReport], None] | None = None,
    keep: str | Path | None = None,
    timer: Callable[[], float] | None = None,
) -> ScenarioReport:
    """Test scenario files, and those in folders. `chosen` picks cases by FILE::NAME; `on_case` is told of each that is done.

    `keep` names a file for the simulated file of the one case that is chosen; `timer` gives seconds, for how long a case took.
    Raises ScenariosRefused when a file has mistakes (then nothing is run), Refused when there is none.
    """
    scenarios, findings = _read([Path(path) for path in paths])
    wanted = [
        (scenario, case)
        for scenario in scenarios
        for case in scenario.cases
        if chosen is None or chosen(f"{scenario.file}::{case.name}")
    ]
    if not wanted:
        raise Usage("no case has such a name", hint="leave -k out to see all of them")
    if keep is not None:
        _require_one(wanted, Path(keep))
    coverage = _Coverage(scenarios)
    reports = []
    for report, stories in _played(wanted, None if keep is None else Path(keep), timer or (lambda: 0.0)):
        coverage.count(report.file, stories)
        reports.append(report)
        if on_case is not None:
            on_case(report)
    return ScenarioReport(cases=tuple(reports), coverage=coverage.plans(), findings=findings)


def _read(paths: list[Path]) -> tuple[list[Scenario], tuple[Finding, ...]]:
    zones = _zones()
    scenarios: list[Scenario] = []
    findings: list[Finding] = []
    for path in find_scenarios(paths):
        scenario, found = read_scenario(path, zones)
        findings += found
        if scenario is not None:
            scenarios.append(scenario)
    if any(finding.severity == "refused" for finding in findings):
        raise ScenariosRefused(tuple(findings))
    return scenarios, tuple(findings)


@cache
def _zones() -> ZoneTable:
    return ZoneTable(compile_zone_table())


def _require_one(wanted: list[tuple[Scenario, Case]], keep: Path) -> None:
    if len(wanted) != 1:
        raise Usage(f"{len(wanted)} cases are chosen, and one file can keep one", hint="choose it with -k NAME")
    if os.path.lexists(keep):
        raise Refused("there is a file already", where=str(keep), hint="choose another name")


def _played(
    wanted: list[tuple[Scenario, Case]], keep: Path | None, timer: Callable[[], float]
) -> Iterator[tuple[CaseReport, list[Story]]]:
    memory = IN_MEMORY if IN_MEMORY.is_dir() and os.access(IN_MEMORY, os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="dee-plan-test-", dir=memory) as name:
        folder = Path(name)
        base, made_for = folder / "base.db", None
        body = b""
        for scenario, case in wanted:
            if made_for is not scenario:
                base.unlink(missing_ok=True)
                body, made_for = _base(base, scenario, folder), scenario
            begun = timer()
            file = folder / "case.db"
            file.write_bytes(body)
            failures, stories, seen, head = _play(file, scenario, case, StateDir(folder / "state"))
            if keep is not None:
                keep.write_bytes(file.read_bytes())
            file.unlink()
            report = CaseReport(
                file=scenario.file,
                line=case.place.line("name"),
                name=case.name,
                failures=tuple(failures),
                runs=tuple(seen),
                log_head=head,
                seconds=timer() - begun,
            )
            yield report, stories


def _base(path: Path, scenario: Scenario, folder: Path) -> bytes:
    """Make the file that every case of a scenario begins with, and return its bytes: rules, settings, facts and plans in it."""
    written = scenario.written
    options = FileOptions(
        start=scenario.calendar.start,
        simulated=True,
        policy=None if scenario.policy is None else str(scenario.policy),
    )
    numbers = iter(range(1_000))
    make_file(path, options, lambda size: derived(DOMAIN, b"file", str(next(numbers)).encode())[:size])
    clock = StageClock(scenario.calendar.start)
    with open_appliance(path, "dee plan test", clock=clock, state_dir=StateDir(folder / "state")) as appliance:
        engine = StageEngine(appliance)
        try:
            for pack in scenario.packs:
                engine.use_pack(pack)
            for key, value in (written.settings or {}).items():
                engine.set_setting(key, value)
            for name, fact in (written.facts or {}).items():
                engine.set_fact(name, fact)
            for plan in scenario.plans:
                engine.publish_plan(plan.file)
        except Refused as error:
            raise Usage(f"no file can be made for it: {error.what}", where=scenario.file, hint=error.hint) from error
    return path.read_bytes()


def _play(
    file: Path, scenario: Scenario, case: Case, state_dir: StateDir
) -> tuple[list[Failure], list[Story], list[RunSeen], str]:
    players = Players(scenario, case)
    messages: dict[tuple[str, int], Message] = {}
    rehearsal = Rehearsal(
        world=players, adapters={channel: RecordingAdapter(channel, messages) for channel in CHANNELS}
    )
    clock = StageClock(scenario.calendar.start)
    with open_appliance(file, "dee plan test", clock=clock, state_dir=state_dir, rehearsal=rehearsal) as appliance:
        players.enter(appliance)
        play(appliance.loop(), clock, players.schedule, case.until)
        with players.engine.view() as view:
            stories = {
                handle: [story_of(view, run, messages) for run in runs_of(view, players.contact(handle), None)]
                for handle in case.cast
            }
            failures = [*players.failures, *_compared(view, scenario, case, players, stories)]
            seen = [
                RunSeen(
                    contact=handle,
                    run=story.run.run,
                    plan=story.label,
                    status=story.run.status,
                    reason=story.run.reason,
                    head=story.run.rp,
                    lines=story.with_holds(),
                )
                for handle, told in stories.items()
                for story in told
            ]
            head = view.log_head.hex()
    return failures, [story for told in stories.values() for story in told], seen, head


def _compared(
    view: View, scenario: Scenario, case: Case, players: Players, stories: dict[str, list[Story]]
) -> Iterator[Failure]:
    first = scenario.plans[0].plan
    assert first is not None
    for index, expect in enumerate(case.written.expect):
        place = case.place.inside("expect", index)
        handle = expect.contact or next(iter(case.cast))
        plan = expect.plan or first.plan
        told = [story for story in stories[handle] if story.run.plan == plan]
        if len(told) < expect.run:
            yield from refused_instead(place, expect, players.refused.get((handle, plan)))
            continue
        story = told[expect.run - 1]
        if expect.refused is not None:
            line, run = place.line("refused"), story.run
            expected = f"the enrolment is refused: {expect.refused}"
            yield Failure(line=line, expected=expected, happened=f"there is a run, {run.status} at {run.step}")
            continue
        yield from Expecting(view, place, expect, scenario.calendar, story).compare()
    if case.written.settled is not None:
        moving = still_moving([story for told in stories.values() for story in told])
        if case.written.settled and moving:
            yield Failure(line=case.place.line("settled"), expected="nothing waits at the end", happened=moving)
        elif not case.written.settled and not moving:
            yield Failure(
                line=case.place.line("settled"), expected="something waits at the end", happened="nothing does"
            )


class _Coverage:
    """Counts what the cases use of each plan, by plan file."""

    def __init__(self, scenarios: Iterable[Scenario]) -> None:
        self._plans: dict[str, PlanCoverage] = {}
        self._of: dict[tuple[str, str], PlanCoverage] = {}
        for scenario in scenarios:
            for checked in scenario.plans:
                assert checked.plan is not None
                path = os.path.realpath(checked.file)
                known = self._plans.setdefault(path, _nothing_covered(checked.file, checked.plan))
                self._of[(scenario.file, checked.plan.plan)] = known

    def count(self, file: str, stories: Iterable[Story]) -> None:
        """Count one case."""
        for story in stories:
            covered = self._of[(file, story.run.plan)]
            for step in story.visits:
                covered.steps[step] = covered.steps.get(step, 0) + 1
            for way in story.ways:
                if way in covered.ways:
                    covered.ways[way] += 1
            for line in story.lines:
                if line.action == "exit" and line.outcome in covered.exits:
                    covered.exits[line.outcome] += 1

    def plans(self) -> tuple[PlanCoverage, ...]:
        """Return what was counted."""
        return tuple(self._plans.values())


def _nothing_covered(file: str, plan: Plan) -> PlanCoverage:
    graph = graph_of(plan)
    return PlanCoverage(
        file=os.path.relpath(file),
        plan=f"{plan.plan}@{plan.version}",
        steps=dict.fromkeys((box.id for box in graph.boxes), 0),
        ways=dict.fromkeys(((arrow.source, arrow.target) for arrow in graph.arrows), 0),
        exits=dict.fromkeys((outcome for _, outcome in graph.exits), 0),
    )
