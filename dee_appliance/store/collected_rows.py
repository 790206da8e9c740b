"""Changes of state tables that are collected and written many at a time: before a query reads their table, and before a commit.

A statement that runs once for many rows costs half of what as many statements cost, and a row that changes three
times in a turn is written once. Here lives what is not written yet, and nothing else; State decides when it must be.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dee_appliance.store.state_rows import Row, attempt_change, attempt_row, run_change, run_row

if TYPE_CHECKING:
    from dee_appliance.kernel.e1.run import Attempt, Run
    from dee_appliance.store.database import Database
    from dee_appliance.store.state_queries import StateQueries


class CollectedRows:
    """Runs, attempts, timers, heads of contact chains and ledger marks of one open file that are not written yet."""

    def __init__(self, database: Database, queries: StateQueries) -> None:
        self._database = database
        self._queries = queries
        self.runs: dict[int, tuple[Run, int]] = {}
        """By number: a run, and the tick of its change."""
        self.attempts: dict[int, Attempt] = {}
        self.timers: dict[int, int | None] = {}
        """By the number of the run: the tick at which it is due, None for never."""
        self.heads: dict[str, tuple[int, str]] = {}
        """By contact: length and head of its own chain."""
        self.marks: list[Row] = []
        self._last_run = self._last_attempt = 0

    def start(self, last_run: int, last_attempt: int) -> None:
        """Forget everything. The arguments are the highest numbers of a run and an attempt that the file holds."""
        for kept in (self.runs, self.attempts, self.timers, self.heads, self.marks):
            kept.clear()
        self._last_run, self._last_attempt = last_run, last_attempt

    def write(self) -> None:
        """Write everything."""
        self.write_runs()
        self.write_timers()
        if self.heads:
            rows = [(length, head, contact) for contact, (length, head) in self.heads.items()]
            self._database.many(self._queries.update_contact_chain, rows)
            self.heads.clear()
        if self.marks:
            self._database.many(self._queries.append_mark, self.marks)
            self.marks.clear()

    def write_runs(self) -> None:
        """Write runs and attempts.

        A row that is known to be there is updated: an insert that finds out by a conflict costs three times as much.
        """
        if self.runs:
            made = [run_row(*one) for no, one in self.runs.items() if no > self._last_run]
            kept = [run_change(*one) for no, one in self.runs.items() if no <= self._last_run]
            self._write_many(self._queries.insert_run, made, self._queries.update_run, kept)
            self._last_run = max(self._last_run, *self.runs)
            self.runs.clear()
        if self.attempts:
            fresh = [attempt_row(one) for no, one in self.attempts.items() if no > self._last_attempt]
            known = [attempt_change(one) for no, one in self.attempts.items() if no <= self._last_attempt]
            self._write_many(self._queries.insert_attempt, fresh, self._queries.update_attempt, known)
            self._last_attempt = max(self._last_attempt, *self.attempts)
            self.attempts.clear()

    def write_timers(self) -> None:
        """Write timers."""
        if self.timers:
            started: list[Row] = [(run_no, due) for run_no, due in self.timers.items() if due is not None]
            ended: list[Row] = [(run_no,) for run_no, due in self.timers.items() if due is None]
            self._write_many(self._queries.insert_timer, started, self._queries.delete_timer, ended)
            self.timers.clear()

    def _write_many(self, insert: str, made: list[Row], update: str, kept: list[Row]) -> None:
        if made:
            self._database.many(insert, made)
        if kept:
            self._database.many(update, kept)
