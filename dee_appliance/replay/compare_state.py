"""verify --state: the tables of state must be what a replay makes of the inputs, row by row, and the sums must come
out even.

Tables are read from both sides in the order of their keys and walked in step, so memory does not grow with them. What
no replay can rebuild (inbox, vault, dedupe tokens) is not compared.
"""

from __future__ import annotations

from itertools import zip_longest
from typing import TYPE_CHECKING

import msgspec
from msgspec.structs import replace

from dee_appliance.errors import EvidenceError
from dee_appliance.replay.difference import ABSENT
from dee_appliance.replay.entry_form import part, read_body, read_form
from dee_appliance.replay.permission_check import Permissions, check_permissions
from dee_appliance.replay.reading import read_entries
from dee_appliance.replay.replay import DEFAULT, Options, ReplayReport, replayed
from dee_appliance.store.queries import load_queries

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from dee_appliance.replay.reading import Progress, ReplayQueries
    from dee_appliance.store.database import Database, Row


class ComparisonQueries(msgspec.Struct, frozen=True, kw_only=True):
    """sql/queries/comparison.sql."""

    select_contact_rows: str
    select_address_rows: str
    select_consent_rows: str
    select_suppression_rows: str
    select_plan_rows: str
    select_enrolment_rows: str
    select_run_rows: str
    select_timer_rows: str
    select_attempt_rows: str
    select_counter_rows: str
    select_hold_rows: str
    select_list_version_rows: str
    select_listed_rows: str
    select_setting_rows: str
    select_touch_rows: str
    select_breaker_rows: str
    select_run_trail_rows: str
    select_contact_trail_rows: str
    select_ledger_rows: str
    select_run_name: str
    select_attempt_run_name: str


class Table(msgspec.Struct, frozen=True):
    """A table of state: how many of its first columns are its key, and all its columns in order."""

    name: str
    keys: int
    columns: tuple[str, ...]


TABLES: tuple[Table, ...] = (
    Table("contact", 1, ("contact", "attributes", "facts", "erased", "cs", "cp")),
    Table("address", 1, ("token", "kind", "contact")),
    Table(
        "consent",
        3,
        ("contact", "channel", "purpose", "granted", "class", "expires", "basis", "obtained", "address", "entry"),
    ),
    Table("suppression", 2, ("subject", "scope", "reason", "entry")),
    Table("plan", 2, ("plan", "version", "digest", "entry")),
    Table("enrolment", 2, ("contact", "plan", "ordinal", "tick")),
    Table("run", 1, ("run_no", "run", "contact", "plan", "status", "live", "tick", "body")),
    Table("timer", 1, ("run_no", "due")),
    Table("attempt", 1, ("attempt_no", "send_key", "attempt", "run_no", "channel", "plan", "state", "ready", "body")),
    Table("counter", 2, ("name", "bucket", "settled", "reserved")),
    Table("hold", 2, ("scope", "reason", "until", "entry")),
    Table("touch", 4, ("contact", "tick", "attempt_no", "what", "entry", "outcome", "address", "body")),
    Table("listed", 3, ("token", "list", "version")),
    Table("list_version", 2, ("list", "version", "count", "as_of", "entry")),
    Table("setting", 1, ("key", "value", "entry")),
    Table("breaker", 1, ("channel", "failures")),
    Table("run_trail", 2, ("run_no", "seq")),
    Table("contact_trail", 2, ("contact", "seq")),
    Table("ledger", 2, ("attempt_no", "mark", "send_key", "attempt", "seq", "tick")),
)

ENDED = ("COMPLETED", "FAILED", "CANCELLED")


class StateDifference(msgspec.Struct, frozen=True, kw_only=True):
    """The first row of a table that differs. `expected` is what the replay gave; `column` is empty when a whole row is absent."""

    table: str
    key: tuple[object, ...]
    column: str
    expected: object
    actual: object
    rows: int
    """How many rows of the table differ."""
    run: str = ""
    """The run that the row is about, where its table numbers runs or attempts."""

    def __str__(self) -> str:
        key = ", ".join(map(str, self.key))
        place = (
            f"{self.table}({key})"
            + (f".{self.column}" if self.column else "")
            + (f" of {self.run}" if self.run else "")
        )
        return f"{place}: the inputs give {self.expected!r}, the file has {self.actual!r}"


class Conservation(msgspec.Struct, frozen=True, kw_only=True):
    """Runs by what became of them, and what does not add up (`faults`, empty when all does)."""

    enrolled: int
    live: int
    completed: int
    failed: int
    cancelled: int
    accepted: int
    dispatched: int
    faults: tuple[str, ...]


class StateReport(msgspec.Struct, frozen=True, kw_only=True):
    """What `verify --state` found. Nothing was compared (the last three are empty) when the replay itself diverged."""

    path: str
    ok: bool
    replay: ReplayReport
    differences: tuple[StateDifference, ...]
    """The first difference of each table that has one, in the order of TABLES."""
    conservation: Conservation | None
    permissions: Permissions | None

    def error(self) -> EvidenceError | None:
        """Return what to raise when the state must be right, None when it is."""
        if self.replay.divergence is not None:
            return self.replay.error()
        if self.differences:
            return EvidenceError(
                str(self.differences[0]), where=self.path, hint="keep the file; restore it from a copy"
            )
        if self.conservation is not None and self.conservation.faults:
            return EvidenceError(self.conservation.faults[0], where=self.path, hint="keep the file; run `dee verify`")
        if self.permissions is not None and self.permissions.faults:
            hint = "keep the file; `dee why RUN` shows what the send was permitted by"
            return EvidenceError(self.permissions.faults[0], where=self.path, hint=hint)
        return None


def verify_state(path: Path, *, progress: Progress | None = None, options: Options = DEFAULT) -> StateReport:
    """Replay a file and compare every table of state. Raises as `replay` does."""
    with replayed(path, progress=progress, options=options) as session:
        report = session.report()
        if not report.same:
            return StateReport(
                path=report.path, ok=False, replay=report, differences=(), conservation=None, permissions=None
            )
        differences = compare_tables(session.scratch, session.source)
        conservation = conserve(session.source, session.names)
        permissions = check_permissions(session.source, session.names)
    return StateReport(
        path=report.path,
        ok=not (differences or conservation.faults or permissions.faults),
        replay=report,
        differences=differences,
        conservation=conservation,
        permissions=permissions,
    )


# ---- tables ---------------------------------------------------------------------------------------------------------


def compare_tables(expected: Database, actual: Database) -> tuple[StateDifference, ...]:
    """Return the first difference of each table of state that differs."""
    names = load_queries(ComparisonQueries, "comparison")
    found = (_compare(table, names, expected, actual) for table in TABLES)
    return tuple(difference for difference in found if difference is not None)


def _compare(table: Table, names: ComparisonQueries, expected: Database, actual: Database) -> StateDifference | None:
    sql = getattr(names, f"select_{table.name}_rows")
    first: tuple[Row | None, Row | None] | None = None
    rows = 0
    for pair in _pairs(table.keys, expected.stream(sql), actual.stream(sql)):
        if pair[0] != pair[1]:
            rows += 1
            first = first or pair
    if first is None:
        return None
    return replace(_difference(table, *first, rows), run=_run_of(table, names, expected, first))


def _run_of(table: Table, names: ComparisonQueries, expected: Database, pair: tuple[Row | None, Row | None]) -> str:
    """A row of state names its run or its attempt by a number that no command takes: say whose run it is."""
    row = pair[0] or pair[1] or ()
    if "run_no" in table.columns:
        found = expected.one(names.select_run_name, (row[table.columns.index("run_no")],))
    elif "attempt_no" in table.columns:
        found = expected.one(names.select_attempt_run_name, (row[table.columns.index("attempt_no")],))
    else:
        return ""
    return "" if found is None else str(found[0])


def _pairs(keys: int, expected: Iterator[Row], actual: Iterator[Row]) -> Iterator[tuple[Row | None, Row | None]]:
    """Walk both sides in the order of their keys; None stands for a row that one side does not have."""
    left, right = next(expected, None), next(actual, None)
    while left is not None or right is not None:
        if left is not None and (right is None or _key(left, keys) < _key(right, keys)):
            yield left, None
            left = next(expected, None)
        elif right is not None and (left is None or _key(right, keys) < _key(left, keys)):
            yield None, right
            right = next(actual, None)
        else:
            yield left, right
            left, right = next(expected, None), next(actual, None)


def _key(row: Row, keys: int) -> tuple[tuple[int, object], ...]:
    """A key in SQLite's own order: numbers before texts, texts by their bytes; a damaged file can hold either."""
    return tuple((1, value.encode()) if isinstance(value, str) else (0, value or 0) for value in row[:keys])


def _difference(table: Table, expected: Row | None, actual: Row | None, rows: int) -> StateDifference:
    row = expected if expected is not None else actual
    assert row is not None
    column, left, right = "", expected or ABSENT, actual or ABSENT
    if expected is not None and actual is not None:
        for name, one, other in zip_longest(table.columns, expected, actual):
            if one != other:
                column, left, right = name, one, other
                break
    return StateDifference(
        table=table.name, key=tuple(row[: table.keys]), column=column, expected=left, actual=right, rows=rows
    )


# ---- conservation ---------------------------------------------------------------------------------------------------


def conserve(database: Database, names: ReplayQueries) -> Conservation:
    """Count runs and sends over the tables and the log, and say what does not add up."""
    statuses: dict[str, int] = {str(status): count for status, count in database.execute(names.select_run_counts)}
    runs = sum(statuses.values())
    ended = {status: statuses.get(status, 0) for status in ENDED}
    live = runs - sum(ended.values())
    enrolled, laddered, bare = _count_entries(database, names)
    accepted = database.execute(names.select_mark_count, ("ACCEPTED",))[0][0]
    dispatched = database.execute(names.select_mark_count, ("DISPATCHING",))[0][0]
    faults: list[str] = []
    if enrolled != runs:
        faults.append(f"{enrolled} enrolments in the log, {runs} runs")
    entered = database.execute(names.select_enrolment_sum)[0][0]
    if entered != runs:
        faults.append(f"contacts entered plans {entered} times, {runs} runs")
    if bare is not None:
        faults.append(f"entry {bare} dispatched a send without the verdicts of the gate")
    if laddered != dispatched:
        faults.append(f"{laddered} entries let a send pass, {dispatched} attempts are marked as dispatched")
    for send_key, attempt in database.execute(names.select_accepted_without_mark):
        faults.append(f"send {send_key}, attempt {attempt} was accepted and never marked as dispatched")
    return Conservation(
        enrolled=enrolled,
        live=live,
        completed=ended["COMPLETED"],
        failed=ended["FAILED"],
        cancelled=ended["CANCELLED"],
        accepted=accepted,
        dispatched=dispatched,
        faults=tuple(faults),
    )


def _count_entries(database: Database, names: ReplayQueries) -> tuple[int, int, int | None]:
    """Return enrolments, sends that passed the gate, and the first entry of one that has no verdicts."""
    enrolled = laddered = 0
    bare: int | None = None
    for row in read_entries(database, names):
        if b'"dispatched"' not in row.body and b'"enroll"' not in row.body:
            continue
        value, _ = read_body(row.body)
        form = None if value is None else read_form(value)
        if form is None:
            continue
        action, outcome = form.core["action"], form.core["outcome"]
        enrolled += action == "enroll" and outcome in {"enrolled", "scheduled"}
        if outcome == "dispatched":
            laddered += 1
            if not part(form.core, "detail").get("gate"):
                bare = row.seq if bare is None else bare
    return enrolled, laddered, bare
