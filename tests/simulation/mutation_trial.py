"""One mutation of one history: what a replay says of it, against what it must say."""

from __future__ import annotations

import random  # noqa: TID251 - seeded
import time
from collections import Counter
from functools import cache
from pathlib import Path

import msgspec
from mutation_histories import history
from mutation_oracle import Place, expected_place
from mutation_record import Record, load, write
from mutations import Mutation, NoSuchMutationError, mutated
from recorded_files import FixedShell

from dee_appliance.kernel.e1.compiled import CompiledPlan
from dee_appliance.kernel.e1.run import Attempt, Given, Run
from dee_appliance.replay.replay import Options, ReplayReport, replay
from dee_appliance.store.journal import InputRow
from dee_appliance.store.state import State

HISTORIES = 24
TRIES = 200


class Trial(msgspec.Struct, frozen=True, kw_only=True):
    """What came of one seed."""

    seed: int
    kind: str
    forged: bool
    what: str
    expected: str
    found: str
    detected: bool
    entry: bool
    field: bool
    cause: bool
    without_effect: int = 0
    """Mutations that were tried before, changed nothing that anybody could see, and were replayed as the same."""
    cpu_s: float = 0.0


@cache
def _history(seed: int, folder: Path) -> tuple[bytes, Record]:
    file = history(seed)
    path = folder / "history.db"
    path.write_bytes(file)
    return file, load(path)


def render_again(state: State, row: InputRow, attempt: Attempt, run: Run, plan: CompiledPlan) -> Given:
    """The renderer of today: the one that wrote the histories."""
    del state
    return FixedShell().give(row.seq, 0, attempt, run, plan)


def try_one(seed: int, folder: Path) -> Trial:
    """Mutate a history as the seed says, replay it, and compare what is found with what the oracle says."""
    began = time.process_time()
    quiet = 0
    for number in range(TRIES):
        choice = random.Random(f"{seed}/{number}")
        file, original = _history(choice.randrange(HISTORIES), folder)
        record = original.copy()
        try:
            mutation = mutated(record, choice)
        except NoSuchMutationError:
            continue
        if record.rows == original.rows:
            continue
        place = _expected(record, original, mutation)
        write(record, original, file, folder / "mutated.db")
        report = replay(folder / "mutated.db", options=Options(heads=False, rerender=render_again))
        if place is None and report.same and not (report.renderer and report.renderer.differing):
            quiet += 1
            continue
        trial = _judged(seed, mutation, place, report)
        return msgspec.structs.replace(trial, without_effect=quiet, cpu_s=time.process_time() - began)
    raise AssertionError(f"seed {seed}: no mutation in {TRIES} has had an effect")


def _expected(record: Record, original: Record, mutation: Mutation) -> Place | None:
    """The entry and field to be named. A change that no entry depends on is blamed on the first entry of its input."""
    place = expected_place(record)
    if place is not None or mutation.forged:
        return place
    documents = [row for row in record.documents if row not in original.documents]
    if documents:
        return _first_entry(record, documents[0][2]), "document"
    return None


def _first_entry(record: Record, about: int) -> int:
    return next(int(row[0]) for row in record.entries if record.body(row[0])["input"]["seq"] >= about)


def _judged(seed: int, mutation: Mutation, place: Place | None, report: ReplayReport) -> Trial:
    found: tuple[object, str, str] = (None, "", "the same")
    expected: tuple[object, str, str] = (None, "", "the same") if place is None else (*place, mutation.cause)
    if report.divergence is not None:
        found = (report.divergence.seq, report.divergence.field, report.divergence.cause)
    elif report.renderer is not None and report.renderer.differing:
        first = report.renderer.differences[0]
        found = (first.input, first.field, first.cause)
        if mutation.rendering is not None and report.renderer.differing == 1:
            expected = (*mutation.rendering, "template" if mutation.rendering[1] == "template" else "renderer")
    return Trial(
        seed=seed,
        kind=mutation.kind,
        forged=mutation.forged,
        what=mutation.what,
        expected=str(expected),
        found=str(found),
        detected=found[2] != "the same",
        entry=found[0] == expected[0],
        field=found[1] == expected[1],
        cause=found[2] == expected[2],
    )


class Tally:
    """The summary: by kind of mutation, how many, and how many were right."""

    def __init__(self) -> None:
        self.counts: Counter[tuple[str, str]] = Counter()
        self.misses: list[Trial] = []
        self.without_effect = 0
        self.cpu_s = 0.0

    def add(self, trial: Trial) -> None:
        """Count one."""
        name = f"{trial.kind}, {'forged' if trial.forged else 'raw'}"
        right = {"detected": trial.detected, "entry": trial.entry, "field": trial.field, "cause": trial.cause}
        self.counts[name, "mutations"] += 1
        for column, is_right in right.items():
            self.counts[name, column] += is_right
        if not all(right.values()):
            self.misses.append(trial)
        self.without_effect += trial.without_effect
        self.cpu_s += trial.cpu_s

    def total(self, column: str) -> int:
        """The sum over all kinds."""
        return sum(count for (_, one), count in self.counts.items() if one == column)

    def lines(self) -> list[str]:
        """The table."""
        columns = ("mutations", "detected", "entry", "field", "cause")
        names = sorted({name for name, _ in self.counts})
        rows = [(name, [self.counts[name, column] for column in columns]) for name in names]
        rows.append(("all", [self.total(column) for column in columns]))
        head = f"{'mutation':28}" + "".join(f"{column:>11}" for column in columns)
        return [head, *(f"{name:28}" + "".join(f"{count:>11,}" for count in counts) for name, counts in rows)]
