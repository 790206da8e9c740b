"""What must hold of every run, attempt and counter at any moment, whatever has happened: nobody waits for nothing."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from dee_appliance.kernel.e1.run import ATTEMPT_TRANSITIONS, ENDED, Attempt, Run
from dee_appliance.store.journal import Journal

WAITING_FOR_A_PERSON = ("stale", "not_a_guest")
NOT_LEFT_YET = ("INTENDED", "PARKED")


def faults_of_run(run: Run, attempt: Attempt | None) -> Iterator[str]:
    """What is wrong with a run and the newest attempt of the step it is at."""
    state = "" if attempt is None else attempt.state
    blocked = f"{run.status}/{run.block}"
    match run.status:
        case "PENDING":
            right = run.block == "start" and run.due is not None
        case "ACTIVE":
            wanted = {"queue": "INTENDED", "flight": "DISPATCHING", "call": "ONGOING"}
            right = wanted.get(run.block) == state and (run.due is not None) == (run.block == "call")
        case "WAITING":
            right = run.due is not None and (
                run.block in ("wait", "task") or (run.block == "backoff" and state == "REJECTED")
            )
        case "HELD":
            timed = run.due is not None or run.reason in WAITING_FOR_A_PERSON
            right = run.block == "hold" and state == "PARKED" and timed
        case "PAUSED":
            right = bool(run.paused_block) and state != "INTENDED" and (run.due is not None) == (state == "ONGOING")
        case "FAILED":
            right = run.block == "failed" and bool(run.reason) and state not in NOT_LEFT_YET
            right = right and (run.due is not None) == (state == "ONGOING")
        case _:
            right = run.block == "ended" and state not in NOT_LEFT_YET
            right = right and (run.due is not None) == (state == "ONGOING")
    if not right:
        yield f"run {run.no} is {blocked} ({run.reason}) due {run.due} with an attempt {state or 'of nothing'}"
    if state == "UNKNOWN" and run.status not in (*ENDED, "FAILED"):
        yield f"run {run.no} is {blocked} although the outcome of its send is unknown"


def faults_of_file(journal: Journal) -> Iterator[str]:
    """What is wrong with the state of a file."""
    runs, attempts = _runs(journal), _attempts(journal)
    newest = {attempt.run_no: attempt for attempt in attempts}
    for run in runs:
        attempt = newest.get(run.no)
        there = attempt is not None and (attempt.step, attempt.visit) == (run.step, run.visit)
        yield from faults_of_run(run, attempt if there else None)
    timers: dict[int, int] = dict(journal.database.execute("SELECT run_no, due FROM timer ORDER BY run_no"))
    if timers != {run.no: run.due for run in runs if run.due is not None}:
        yield "the timers are not the due ticks of the runs"
    by_no = {run.no: run for run in runs}
    for attempt in attempts:
        owner = by_no[attempt.run_no]
        current = owner.send == attempt.send_key and owner.attempt == attempt.attempt
        if attempt.state not in ("UNKNOWN", *_terminal()) and not current:
            yield f"attempt {attempt.no} is {attempt.state} and its run has gone on without it"
    yield from _faults_of_counters(journal, attempts)


def _faults_of_counters(journal: Journal, attempts: list[Attempt]) -> Iterator[str]:
    """What is reserved is what the open, unknown and abandoned attempts have reserved; nothing is ever below zero."""
    reserved: dict[tuple[str, str], int] = {}
    counted: dict[tuple[str, str], int] = {}
    money: set[tuple[str, str]] = set()
    for attempt in attempts:
        for name, bucket, amount, kind in attempt.reserved:
            given_back = attempt.state in ("REJECTED", "NOT_SENT")
            if kind == "money" and not given_back and attempt.state != "ACCEPTED" and attempt.cost is None:
                reserved[name, bucket] = reserved.get((name, bucket), 0) + amount
            if kind == "money":
                money.add((name, bucket))
            elif not given_back:
                counted[name, bucket] = counted.get((name, bucket), 0) + amount
    for name, bucket, settled, held in journal.database.execute(
        "SELECT name, bucket, settled, reserved FROM counter ORDER BY name, bucket"
    ):
        if settled < 0 or held != reserved.get((name, bucket), 0):
            yield f"the counter {name} {bucket} has {settled} settled and {held} reserved"
        if (name, bucket) not in money and not name.startswith("tally/") and settled != counted.get((name, bucket), 0):
            yield f"the counter {name} {bucket} has counted {settled}"


def _terminal() -> tuple[str, ...]:
    return tuple(state for state, moves in ATTEMPT_TRANSITIONS.items() if not moves)


def _runs(journal: Journal) -> list[Run]:
    rows = journal.database.execute("SELECT body FROM run ORDER BY run_no")
    return [msgspec.json.decode(row[0], type=Run) for row in rows]


def _attempts(journal: Journal) -> list[Attempt]:
    rows = journal.database.execute("SELECT body FROM attempt ORDER BY attempt_no")
    return [msgspec.json.decode(row[0], type=Attempt) for row in rows]
