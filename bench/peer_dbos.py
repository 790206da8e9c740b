"""The peer: DBOS Transact 3 on the SQLite file it uses when nothing is configured. Workflows of send, wait, branch, send.

Written so that the peer comes off well: its steps do nothing, nothing is traced, and workflows are called one after the other in
this thread, which costs it less than starting them in the background. A wait is `DBOS.sleep` of a microsecond, because a sleep of
zero is not recorded. The branch looks at what the first send answered. By default it is plain Python, which DBOS does not record
(three recorded operations in a workflow); with `--branch step` it is a step of its own (four), as DBOS wants it whenever a branch
reads something from outside.

After the stopwatch the file is counted: each workflow must be there with all its operations, or nothing is reported.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import sqlite3
import tempfile
from pathlib import Path
from typing import Final

from dbos import DBOS, DBOSConfig

from bench.measure import Stopwatch, parse_size

APP: Final = "dee-bench-peer"
FILE: Final = "dee_bench_peer.sqlite"
"""What DBOS makes of the name of the application, in the working directory."""
WARM_UP: Final = 20
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


def measure(name: str, n: int, *, wal: bool, branch_is_step: bool) -> None:
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
    with Stopwatch() as watch:
        for ordinal in range(n):
            run(f"contact-{ordinal:08d}")
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
    given = arguments.parse_args()
    before = Path.cwd()
    with tempfile.TemporaryDirectory(prefix="dee-bench-") as folder:
        os.chdir(folder)
        try:
            measure(given.name, given.n, wal=given.wal, branch_is_step=given.branch == "step")
        finally:
            os.chdir(before)


if __name__ == "__main__":
    main()
