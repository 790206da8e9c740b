"""Mutation testing of the kernel: every mutant against the tests that reach the changed lines, until one fails.

    python -m bench.kernel_mutants --jobs 2
    python -m bench.kernel_mutants --only e1/gate --show
    python -m bench.kernel_mutants --again build/kernel_mutants.jsonl
    python -m bench.kernel_mutants --share 0.15 --seed 1

The tests of the kernel are loaded once. Each mutant lives in a forked child: the tests that reach its lines are run there one
after the other, those first that have killed others of the same function, then those that reach little and are quick. A child
ends with the first failure. A test that takes ten times its time (and a second) has failed. After `--seconds` of processor time
a mutant has survived.

Tests that compare with golden files notice nearly every change, and say little; they are left out without `--golden`, and come
last with it. Mutants that nobody can tell from the kernel are listed one by one, with the reason, in
tests/kernel_equivalent_mutants.txt; they are counted apart.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import gc
import io
import json
import os
import random
import resource
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final, Literal

import coverage
import pytest
from _pytest.tmpdir import tmppath_result_key

from bench.counts import at_least_one
from bench.mutant_source import KERNEL, ROOT, Mutant, mutants_of, put_in

EQUIVALENT: Final = ROOT / "tests" / "kernel_equivalent_mutants.txt"
TESTS: Final = tuple(
    path.relative_to(ROOT).as_posix()
    for pattern in (
        "unit/test_kernel_*",
        "unit/test_rule_*",
        "unit/test_gate_*",
        "unit/test_calling_*",
        "unit/test_civil_*",
        "unit/test_epochs",
        "unit/test_condition*",
        "unit/test_authoring_refusals*",
        "property/test_c[aio]*",
        "property/test_kernel_*",
    )
    for path in sorted((ROOT / "tests").glob(f"{pattern}.py"))
)
GOLDEN: Final = (
    "test_kernel_story.py",
    "test_in_this_state_this_happens",
    "test_a_refused_verb_changes_no_run",
    "test_a_value_of_the_first_release",
)
"""Parts of the names of tests that compare with a file of tests/golden."""
TOO_SLOW_S: Final = 2.0
"""A test that takes longer tries no mutants: what it knows, quicker tests should know."""
Verdict = Literal["killed", "killed by golden files", "survived", "no test reaches it", "no Python", "equivalent"]


@dataclasses.dataclass(frozen=True)
class Trial:
    """What became of a mutant."""

    mutant: str
    module: str
    verdict: Verdict
    by: str
    """The test that killed it."""
    seconds: float


@dataclasses.dataclass(frozen=True)
class Reach:
    """What the tests do when nothing is wrong."""

    seconds: dict[int, float]
    """How long each test takes, by its number."""
    tests: dict[str, dict[int, list[int]]]
    """The tests that reach a line of a file."""
    lines: Counter[int]
    """How many lines of the kernel each test reaches."""


class Trials:
    """The pytest plugin: loads what pytest collects, and runs mutants instead of tests."""

    def __init__(self, mutants: Sequence[Mutant], options: argparse.Namespace) -> None:
        self.mutants = mutants
        self.jobs: int = options.jobs
        self.seconds: float = options.seconds
        self.golden: bool = options.golden
        self.kept: Path | None = options.reach
        self.out: Path = options.out

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Leave out campaigns, and golden files unless they were asked for."""
        items[:] = [
            item
            for item in items
            if not item.get_closest_marker("campaign") and (self.golden or not compares_with_golden(item))
        ]

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Try all mutants; every worker takes each so many-th."""
        warm_up()
        gc.collect()
        gc.freeze()
        reach = self.reach(session.items)
        print(
            f"{len(reach.seconds)} tests, {sum(reach.seconds.values()):.0f} s; {len(self.mutants)} mutants", flush=True
        )
        workers = [Worker(session.items, reach, self.seconds) for _ in range(self.jobs)]
        in_parallel(self.jobs, lambda job: workers[job].work(self.mutants[job :: self.jobs], self.out))
        return True

    def reach(self, items: Sequence[pytest.Item]) -> Reach:
        """Measure the tests; what was kept of an earlier time is not measured again."""
        numbers = {item.nodeid: number for number, item in enumerate(items)}
        known = self.kept is not None and self.kept.exists()
        told: list[Told] = json.loads(self.kept.read_text(encoding="utf-8")) if self.kept and known else []
        fresh = {item.nodeid for item in items} - {name for name, _, _ in told}
        told = sorted([*told, *measured([item for item in items if item.nodeid in fresh], self.jobs)])
        if self.kept is not None:
            self.kept.write_text(json.dumps(told), encoding="utf-8")
        return reach_of([(numbers[name], took, reached) for name, took, reached in told if name in numbers])


def compares_with_golden(item: pytest.Item) -> bool:
    """Tell whether a test compares with a golden file."""
    return any(part in item.nodeid for part in GOLDEN)


def warm_up() -> None:
    """Build once what every story needs: the zones, the schema, the queries. What the kernel keeps is forgotten again."""
    from kernel_builder import Story, email, plan_of  # noqa: PLC0415 - pytest sets the path to it

    with Story(plan_of(email())) as story:
        story.enroll()
        story.answer(story.sent())
    forget()


def forget() -> None:
    """Empty the kernel's caches, so that each test computes what it asks for."""
    for module in [module for name, module in sys.modules.items() if name.startswith("dee_appliance.kernel")]:
        for value in list(vars(module).values()):
            if hasattr(value, "cache_clear"):
                value.cache_clear()


Told = tuple[str, float, dict[str, list[int]]]
"""Of a test: its name, how long it takes, and the lines of each file that it reaches."""


def measured(items: Sequence[pytest.Item], jobs: int) -> list[Told]:
    """Run every test once, each in a child of its own, with coverage of the kernel."""
    with tempfile.TemporaryDirectory() as folder:
        in_parallel(jobs, lambda job: _measure(items[job::jobs], Path(folder, str(job))))
        lines = [json.loads(line) for one in Path(folder).iterdir() for line in one.read_text("utf-8").splitlines()]
    told = [line for line in lines if line is not None]
    for name in sorted({item.nodeid for item in items} - {one[0] for one in told}):
        print(f"left out, it fails or is slow: {name}", file=sys.stderr)
    return told


def reach_of(told: Sequence[tuple[int, float, dict[str, list[int]]]]) -> Reach:
    """Turn it round: the tests by file and line."""
    seconds = {number: took for number, took, _ in told}
    lines = Counter[int]()
    tests: dict[str, dict[int, list[int]]] = defaultdict(lambda: defaultdict(list))
    for number, _, reached in told:
        for file, numbers in reached.items():
            lines[number] += len(numbers)
            for one in numbers:
                tests[file][one].append(number)
    return Reach(seconds, tests, lines)


def _measure(items: Sequence[pytest.Item], out: Path) -> None:
    """Measure tests in a child; what ends the child is left out, and another goes on behind it."""
    out.touch()
    done = 0
    while done < len(items):
        child = os.fork()
        if not child:
            with ending():
                for item in items[done:]:
                    _measure_one(item, out)
        os.waitpid(child, 0)
        lines = out.read_text(encoding="utf-8").splitlines()
        if len(lines) < len(items):
            out.write_text("".join(f"{line}\n" for line in [*lines, "null"]), encoding="utf-8")
        done = len(lines) + 1


def _measure_one(item: pytest.Item, out: Path) -> None:
    """Add a line for a test: null if it fails."""
    forget()
    signal.setitimer(signal.ITIMER_PROF, TOO_SLOW_S)  # kills this process
    signal.alarm(60)
    watch = coverage.Coverage(data_file=None, include=[f"{KERNEL}/*"], config_file=False)
    watch.set_option("run:disable_warnings", ["no-data-collected"])
    began = time.process_time()
    watch.start()
    passed = passes(item)
    watch.stop()
    took = time.process_time() - began
    data = watch.get_data()
    reached = {str(Path(file).relative_to(ROOT)): sorted(data.lines(file) or ()) for file in data.measured_files()}
    with out.open("a", encoding="utf-8") as told:
        told.write(json.dumps([item.nodeid, took, reached] if passed else None) + "\n")


@contextlib.contextmanager
def ending() -> Iterator[None]:
    """End this process at the end of the block, whatever happens in it: a child must not go on as its parent."""
    status = 1
    try:
        yield
        status = 0
    except BaseException:  # noqa: BLE001 - said, and the end of it
        traceback.print_exc()
    finally:
        os._exit(status)


def in_parallel(jobs: int, work: Callable[[int], None]) -> None:
    """Do a work in so many children, each told its number."""
    children = []
    for number in range(jobs):
        child = os.fork()
        if not child:
            with ending(), contextlib.redirect_stdout(io.StringIO()):
                work(number)
        children.append(child)
    for child in children:
        _, status = os.waitpid(child, 0)
        assert status == 0, "a worker has died"


def passes(item: pytest.Item) -> bool:
    """Run a test with all its fixtures. Without a report: to word a failure takes longer than to find it."""
    item.stash[tmppath_result_key] = {}
    item._initrequest()  # type: ignore[attr-defined]  # noqa: SLF001 - as pytest's own protocol does
    for phase in (
        lambda: item.ihook.pytest_runtest_setup(item=item),
        lambda: item.ihook.pytest_runtest_call(item=item),
        lambda: item.ihook.pytest_runtest_teardown(item=item, nextitem=None),
    ):
        try:
            phase()
        except pytest.skip.Exception:
            pass
        except BaseException:  # noqa: BLE001 - whatever it is, the test has not passed
            return False
    return True


class Worker:
    """Tries mutants, and learns which tests kill."""

    def __init__(self, items: Sequence[pytest.Item], reach: Reach, seconds: float) -> None:
        self.items, self.reach, self.seconds = items, reach, seconds
        self.kills: defaultdict[str, Counter[int]] = defaultdict(Counter)

    def work(self, mutants: Iterable[Mutant], out: Path) -> None:
        """Try them one after the other; a line of JSON for each."""
        with out.open("a", encoding="utf-8") as lines:
            for mutant in mutants:
                lines.write(json.dumps(dataclasses.asdict(self.trial(mutant)), ensure_ascii=False) + "\n")
                lines.flush()

    def trial(self, mutant: Mutant) -> Trial:
        """Try one."""
        began = time.monotonic()
        tests = self.order(mutant)
        verdict: Verdict = "no test reaches it"
        by = ""
        if tests:
            verdict, killer = self.in_a_child(mutant, tests)
            if killer is not None:
                self.kills[mutant.file + mutant.owner + mutant.function][killer] += 1
                by = self.items[killer].nodeid
        return Trial(mutant.name, mutant.module, verdict, by, round(time.monotonic() - began, 3))

    def order(self, mutant: Mutant) -> list[int]:
        """The tests that reach it: golden files last, then by kills near it, by how special a test is and by how quick."""
        by_line = self.reach.tests.get(mutant.file, {})
        tests = {test for line in range(mutant.lines[0], mutant.lines[1] + 1) for test in by_line.get(line, ())}
        kills = self.kills[mutant.file + mutant.owner + mutant.function]
        cost = {test: self.reach.seconds[test] * (50 + self.reach.lines[test]) for test in tests}
        golden = {test: compares_with_golden(self.items[test]) for test in tests}
        return sorted(tests, key=lambda test: (golden[test], -kills[test], cost[test], test))

    def in_a_child(self, mutant: Mutant, tests: list[int]) -> tuple[Verdict, int | None]:
        """Run the tests against the mutant until one fails."""
        reader, writer = os.pipe()
        child = os.fork()
        if not child:
            os.close(reader)
            with ending():
                self._suffer(mutant, tests, writer)
        os.close(writer)
        with os.fdopen(reader, "rb") as told:
            words = told.read().decode().split()
        _, status = os.waitpid(child, 0)
        if words[-1:] == ["survived"]:
            return "survived", None
        if words[-1:] == ["syntax"]:
            return "no Python", None
        killer = int(words[-1])
        assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 1, (mutant.name, status, words)
        return ("killed by golden files" if compares_with_golden(self.items[killer]) else "killed"), killer

    def _suffer(self, mutant: Mutant, tests: list[int], writer: int) -> None:
        """What the child does: it says each test's number before it runs it."""
        resource.setrlimit(resource.RLIMIT_DATA, (2**31, 2**31))
        try:
            put_in(mutant)
        except SyntaxError:
            os.write(writer, b" syntax")
            return
        began = time.process_time()
        for test in tests:
            if time.process_time() - began > self.seconds:
                break
            os.write(writer, f" {test}".encode())
            limit = 1 + 10 * self.reach.seconds[test]
            signal.setitimer(signal.ITIMER_PROF, limit)  # kills this process
            signal.alarm(int(30 + 10 * limit))
            if not passes(self.items[test]):
                os._exit(1)
        os.write(writer, b" survived")


# -- what came of it -----------------------------------------------------------------------------------------------------


def equivalents() -> dict[str, str]:
    """The reason for each mutant that is the kernel itself: a line `# reason`, then the names it is the reason for."""
    reasons, reason = {}, ""
    if EQUIVALENT.exists():
        for line in EQUIVALENT.read_text(encoding="utf-8").splitlines():
            if line.startswith("# "):
                reason = line.removeprefix("# ")
            elif line:
                reasons[line] = reason
    return reasons


def table(trials: Sequence[Trial]) -> str:
    """The score by module, as Markdown."""
    listed = equivalents()
    counted: dict[str, Counter[str]] = defaultdict(Counter)
    for trial in trials:
        verdict = trial.verdict
        if not verdict.startswith("killed") and trial.mutant in listed:
            verdict = "equivalent"
        for name in (trial.module, "all"):
            counted[name][verdict] += 1
    lines = ["| module | mutants | equivalent | killed | % | % without golden files |", "|---|--:|--:|--:|--:|--:|"]
    for name in sorted(counted, key=lambda name: (name == "all", name)):
        verdicts = counted[name]
        real = verdicts.total() - verdicts["equivalent"] - verdicts["no Python"]
        killed = verdicts["killed"] + verdicts["killed by golden files"]
        share = [f"{100 * count / real:.1f}" if real else "-" for count in (killed, verdicts["killed"])]
        lines.append(f"| {name} | {real} | {verdicts['equivalent']} | {killed} | {' | '.join(share)} |")
    return "\n".join(lines)


def chosen(arguments: argparse.Namespace) -> list[Mutant]:
    """The mutants that were asked for."""
    files = sorted(KERNEL.rglob("*.py"))
    if arguments.only:
        files = [file for file in files if file.relative_to(KERNEL).as_posix().startswith(tuple(arguments.only))]
    draw = random.Random(arguments.seed)
    mutants = [mutant for file in files for mutant in mutants_of(file, lambda: draw.random() < arguments.share)]
    if arguments.again:
        again = {trial.mutant for trial in read(arguments.again) if not trial.verdict.startswith("killed")}
        mutants = [mutant for mutant in mutants if mutant.name in again]
    return mutants


def read(path: Path) -> list[Trial]:
    """The trials that a run has written."""
    return [Trial(**json.loads(line)) for line in path.read_text(encoding="utf-8").splitlines()]


def main() -> int:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", action="append", help="only modules whose name begins so (e1/gate, e1/rules)")
    parser.add_argument("--again", type=Path, help="only those that survived in this earlier run")
    parser.add_argument("--share", type=float, default=1, help="only this share of them, drawn evenly over the kernel")
    parser.add_argument("--seed", type=int, default=1, help="what --share draws from")
    parser.add_argument("--tests", action="append", help="other tests than those of the kernel")
    parser.add_argument("--seconds", type=float, default=20, help="processor time after which a mutant has survived")
    parser.add_argument("--jobs", type=at_least_one, default=1)
    parser.add_argument("--reach", type=Path, help="where to keep what the tests reach, for the next time")
    parser.add_argument("--golden", action="store_true", help="let tests with golden files kill as well")
    parser.add_argument("--show", action="store_true", help="name the survivors")
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "kernel_mutants.jsonl")
    arguments = parser.parse_args()
    began = time.monotonic()
    mutants = chosen(arguments)
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.unlink(missing_ok=True)
    os.environ["CI"] = "1"  # Hypothesis draws the same examples each time
    os.chdir(ROOT)
    pytest.main(
        [
            "-q",
            "-p",
            "no:cacheprovider",
            "-p",
            "no:randomly",
            "--capture=no",
            "--assert=plain",
            *(arguments.tests or TESTS),
        ],
        plugins=[Trials(mutants, arguments)],
    )
    trials = read(arguments.out)
    if arguments.show:
        for trial in sorted(trials, key=lambda trial: trial.mutant):
            if not trial.verdict.startswith("killed") and trial.mutant not in equivalents():
                print(f"{trial.verdict}: {trial.mutant}")
    print(table(trials))
    print(f"{len(trials)} of {len(mutants)} mutants in {time.monotonic() - began:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
