"""A witness of a replay that knows nothing of the debugger: which inputs changed which run, and how it was after each of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from dee_appliance.replay.replay import Options, replay
from dee_appliance.store.chain import Linked
from dee_appliance.store.journal import Decided, InputRow, Journal
from dee_appliance.store.state import State

Rows = tuple[str, tuple[str, ...], int | None]
"""The row of a run, those of its attempts, and its timer."""
RUNS = """
SELECT r.run, r.body, (SELECT t.due FROM timer AS t WHERE t.run_no = r.run_no) FROM run AS r ORDER BY r.run_no
"""
ATTEMPTS = "SELECT run_no, body FROM attempt ORDER BY attempt_no"


class Witness:
    """Looks at the tables of the throw-away database after every input. Implements replay's Follower."""

    def __init__(self) -> None:
        self.changed: dict[str, dict[int, dict[str, Any]]] = {}
        """By run, then by input that changed it: the run's own row as it was then."""
        self.entries: dict[str, list[str]] = {}
        self._rows: dict[str, Rows] = {}

    def begin(self, journal: Journal) -> None:
        """Remember what to look at."""
        self._journal = journal

    def deciding(self, state: State, decided: Decided) -> None:
        """What is decided shows in what is written."""

    def applied(self, row: InputRow, entries: tuple[Linked, ...], *, same: bool) -> None:
        """Compare every run with what it was before."""
        assert same
        self._journal.flush()
        written = {}
        for _, body, leaf in entries:
            run = json.loads(body)["run"]
            if run is not None:
                self.entries.setdefault(run, []).append(leaf.hex())
                written[run] = True
        attempts: dict[str, list[str]] = {}
        database = self._journal.database
        for _, body in database.execute(ATTEMPTS):
            attempts.setdefault(json.loads(body)["run"], []).append(body)
        for run, body, due in database.execute(RUNS):
            rows: Rows = (body, tuple(attempts.get(run, ())), due)
            if self._rows.get(run) != rows or run in written:
                self.changed.setdefault(run, {})[row.seq] = json.loads(body)
            self._rows[run] = rows


def witness(path: Path) -> Witness:
    """Replay a file under a witness's eyes."""
    found = Witness()
    assert replay(path, options=Options(heads=False, follower=found)).same
    return found
