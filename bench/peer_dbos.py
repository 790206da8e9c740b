"""The peer: DBOS Transact 3 on the SQLite file it uses when nothing is configured. Workflows of send, wait, branch, send.

Written so that the peer comes off well: its steps do nothing, nothing is traced, and workflows are called one after the other in
this thread, which costs it less than starting them in the background. A wait is `DBOS.sleep` of a microsecond, because a sleep of
zero is not recorded. The branch looks at what the first send answered. By default it is plain Python, which DBOS does not record
(three recorded operations in a workflow); with `--branch step` it is a step of its own (four), as DBOS wants it whenever a branch
reads something from outside.

With `--way queue` the workflows wait in a queue of DBOS and at most 32 run at a time, which is how a program runs many that
sleep in between, and the shape of our own workload: enrolments that wait in an inbox, at most 32 sends in flight.

After the stopwatch the file is counted: each workflow must be there with all its operations, or nothing is reported.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import sqlite3
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Final

from dbos import DBOS, DBOSConfig

from bench.measure import Stopwatch, parse_size

APP: Final = "dee-bench-peer"
FILE: Final = "dee_bench_peer.sqlite"
"""What DBOS makes of the name of the application, in the working directory."""
WARM_UP: Final = 20
QUEUE: Final = "outreach"
IN_FLIGHT: Final = 32
SHORTEST_POLLING_S: Final = 0.1
"""How often its worker looks into the queue; it starts as many as there are places at each look."""
SHORTEST_RECORDED_SLEEP_S: Final = 1e-6


@DBOS.step()
def send(contact: str, template: str) -> str:
    """A null adapter: always accepted."""
    return "accepted" if contact and template else "rejected"


def choose(outcome: str) -> str:
    """The branch."""
    return "follow-up" if outcome == "accepted" else "second-try"


recorded_choose = DBOS.step()(choose)


@DBOS.workflow()
def outreach(contact: str) -> str:
    """Send, wait, branch, send."""
    outcome = send(contact, "intro")
    DBOS.sleep(SHORTEST_RECORDED_SLEEP_S)
    return send(contact, choose(outcome))


@DBOS.workflow()
def outreach_with_recorded_branch(contact: str) -> str:
    """Send, wait, branch, send; the branch is a step."""
    outcome = send(contact, "intro")
    DBOS.sleep(SHORTEST_RECORDED_SLEEP_S)
    return send(contact, recorded_choose(outcome))


def _call(run: Callable[[str], str], n: int) -> None:
    """One after the other, in this thread."""
    for ordinal in range(n):
        run(f"contact-{ordinal:08d}")


def _enqueue(run: Callable[[str], str], n: int) -> None:
    """All into the queue, then wait for each."""
    handles = [DBOS.enqueue_workflow(QUEUE, run, f"contact-{ordinal:08d}") for ordinal in range(n)]
    for handle in handles:
        handle.get_result()


def measure(name: str, n: int, *, wal: bool, branch_is_step: bool, queued: bool) -> None:
    """Run `n` workflows in the working directory and print the figures."""
    if wal:
        with contextlib.closing(sqlite3.connect(FILE)) as file:
            file.execute("PRAGMA journal_mode = WAL")  # kept by the file, so DBOS finds it so
    config: DBOSConfig = {"name": APP, "console_log_level": "ERROR", "log_level": "ERROR"}
    DBOS(config=config)
    DBOS.launch()
    run = outreach_with_recorded_branch if branch_is_step else outreach
    for ordinal in range(WARM_UP):
        run(f"warm-{ordinal:08d}")
    if queued:
        DBOS.register_queue(QUEUE, worker_concurrency=IN_FLIGHT, polling_interval_sec=SHORTEST_POLLING_S)
    with Stopwatch() as watch:
        (_enqueue if queued else _call)(run, n)
    DBOS.destroy()
    _check_recorded(n + WARM_UP, operations_each=4 if branch_is_step else 3, journal="wal" if wal else "delete")
    watch.figures(name, n).print()


def _check_recorded(workflows: int, *, operations_each: int, journal: str) -> None:
    with contextlib.closing(sqlite3.connect(FILE)) as file:
        done = file.execute("SELECT count(*) FROM workflow_status WHERE status = 'SUCCESS'").fetchone()[0]
        recorded = file.execute("SELECT count(*) FROM operation_outputs").fetchone()[0]
        found = file.execute("PRAGMA journal_mode").fetchone()[0]
    if (done, recorded, found) != (workflows, workflows * operations_each, journal):
        raise SystemExit(
            f"expected {workflows} workflows in journal mode {journal}, found {done}, {recorded} operations, {found}"
        )


def main() -> None:
    """`python -m bench.peer_dbos [--n N] [--branch plain|step] [--wal]`."""
    arguments = argparse.ArgumentParser(description=__doc__)
    parse_size(arguments, unit="workflow", default=400)
    arguments.add_argument("--name", default="dbos", help="what the figures are called")
    arguments.add_argument(
        "--branch", choices=("plain", "step"), default="plain", help="whether the branch is recorded"
    )
    arguments.add_argument("--wal", action="store_true", help="switch its file to WAL first, which is not its default")
    arguments.add_argument("--way", choices=("call", "queue"), default="call", help="called directly, or from a queue")
    given = arguments.parse_args()
    before = Path.cwd()
    with tempfile.TemporaryDirectory(prefix="dee-bench-") as folder:
        os.chdir(folder)
        try:
            measure(
                given.name, given.n, wal=given.wal, branch_is_step=given.branch == "step", queued=given.way == "queue"
            )
        finally:
            os.chdir(before)


if __name__ == "__main__":
    main()
