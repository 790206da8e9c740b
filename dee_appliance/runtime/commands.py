"""The command contract: how an input from a person, an API or a file gets into the queue, whether or not a loop runs.

Lock free: this process admits what waits, up to its own rows, and applies it; it never dispatches. Lock held: the
rows are appended to the inbox, and the command waits up to five seconds for the loop's replies; after that they are
queued, durably. What needs no state is refused before anything is appended.
"""

from __future__ import annotations

import os
from contextlib import ExitStack
from typing import TYPE_CHECKING

import msgspec

from dee_appliance.runtime.admission import arrived_by
from dee_appliance.runtime.appliance import Appliance, try_open_appliance
from dee_appliance.runtime.clock import WallClock
from dee_appliance.store.database import open_reader
from dee_appliance.store.inbox import InboxRow, InboxWriter, Reply, append_inbox, append_rows, wait_reply
from dee_appliance.store.queries import load_queries

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from dee_appliance.runtime.clock import Clock
    from dee_appliance.store.database import Database
    from dee_appliance.store.state_dir import StateDir

PATIENCE_S = 5
POLLS_A_SECOND = 20
CHUNK = 1_000


class ReplyQueries(msgspec.Struct, frozen=True, kw_only=True):
    """sql/queries/reply.sql."""

    select_reply: str
    select_outcomes: str


class Submitted(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a command's rows.

    `queued` are the inbox ids without a reply yet: durable, and admitted when the loop gets there.
    """

    replies: tuple[Reply, ...]
    queued: tuple[int, ...] = ()


class Batch(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a long list of rows. `outcomes` counts the replies; `queued` rows have none yet, and are durable."""

    rows: int
    outcomes: dict[str, int] = {}
    queued: int = 0

    @property
    def refused(self) -> int:
        """How many were admitted and had no effect."""
        return sum(count for outcome, count in self.outcomes.items() if outcome.startswith("rejected:"))


def submit(
    path: Path, rows: Sequence[InboxRow], what: str, *, clock: Clock | None = None, state_dir: StateDir | None = None
) -> Submitted:
    """Bring rows into the queue and return what became of each."""
    time = clock or WallClock()
    appliance = try_open_appliance(path, what, clock=clock, state_dir=state_dir)
    if appliance is None:
        ids = append_inbox(path, rows)
        replies = wait_reply(path, ids, PATIENCE_S, time.wait)
        answered = {reply.inbox for reply in replies}
        return Submitted(replies=tuple(replies), queued=tuple(one for one in ids if one not in answered))
    with appliance:
        return Submitted(replies=tuple(apply_now(appliance, rows)))


def apply_now(appliance: Appliance, rows: Sequence[InboxRow]) -> list[Reply]:
    """Bring rows into the queue of a file that this process holds, after everything that waits, and return the replies."""
    return _admit_up_to(appliance, _append(appliance, rows))


def admit_waiting(appliance: Appliance) -> None:
    """Admit everything that waits: for a command whose request depends on what the file says then."""
    _append(appliance, ())
    while _admit_chunk(appliance):
        pass


def submit_many(
    path: Path,
    rows: Iterable[InboxRow],
    what: str,
    *,
    urgent: bool = False,
    progress: Callable[[int], None] | None = None,
    clock: Clock | None = None,
    state_dir: StateDir | None = None,
) -> Batch:
    """Bring a long list of rows in, all or nothing: staged first, made ready in one transaction.

    A loop that runs takes them after everything else, unless they are `urgent`: then it sends nothing before the last of them.
    """
    job = int.from_bytes(os.urandom(7), "big") + 1  # noqa: TID251 - names staged rows, and is gone when they are released
    with InboxWriter(path) as writer, ExitStack() as held:
        count = _stage(writer, job, rows, progress)
        if not count:
            return Batch(rows=0)
        try:
            # Before the rows count: a file that refuses to be run must not be left with a request it was said to refuse.
            appliance = try_open_appliance(path, what, clock=clock, state_dir=state_dir)
            if appliance is not None:
                held.enter_context(appliance)
            tally = _Tally(writer.release(job, expected=count, urgent=urgent))
        except BaseException:
            writer.abandon(job)
            raise
        if appliance is None:
            _wait_for_all(path, tally, clock or WallClock())
        else:
            _append(appliance, ())
            while tally.waiting and _admit_chunk(appliance):
                tally.look(appliance.database)
    return tally.batch()


class _Tally:
    """Counts the replies to the rows of one job. Rows of one job are admitted in the order of their ids."""

    def __init__(self, ids: Sequence[int]) -> None:
        self.waiting = set(ids)
        self._rows = len(ids)
        self._next = min(ids, default=0)
        self._last = max(ids, default=0)
        self._outcomes: dict[str, int] = {}
        self._queries = load_queries(ReplyQueries, "reply")

    def look(self, database: Database) -> None:
        """Count what was replied since the last look."""
        for inbox, outcome in database.execute(self._queries.select_outcomes, (self._next, self._last)):
            if inbox in self.waiting:
                self.waiting.discard(inbox)
                self._outcomes[outcome] = self._outcomes.get(outcome, 0) + 1
                self._next = inbox + 1

    def batch(self) -> Batch:
        """Return what was counted."""
        outcomes = {outcome: self._outcomes[outcome] for outcome in sorted(self._outcomes)}
        return Batch(rows=self._rows, outcomes=outcomes, queued=len(self.waiting))


def _wait_for_all(path: Path, tally: _Tally, clock: Clock) -> None:
    with open_reader(path) as database:
        for poll in range(PATIENCE_S * POLLS_A_SECOND + 1):
            if poll:
                clock.wait(1 / POLLS_A_SECOND)
            tally.look(database)
            if not tally.waiting:
                break


def _stage(writer: InboxWriter, job: int, rows: Iterable[InboxRow], progress: Callable[[int], None] | None) -> int:
    count = 0
    chunk: list[InboxRow] = []
    try:
        for row in rows:
            chunk.append(row)
            if len(chunk) >= CHUNK:
                count += writer.stage(job, chunk)
                chunk.clear()
                if progress is not None:
                    progress(count)
        count += writer.stage(job, chunk)
    except BaseException:
        writer.abandon(job)
        raise
    return count


def _append(appliance: Appliance, rows: Sequence[InboxRow]) -> list[int]:
    """Append rows, behind what is in doubt about the time: a command moves the tick, and must not hide an outage."""
    doubts = [] if appliance.doubts is None else appliance.doubts.rows()
    with appliance.database.transaction() as database:
        return append_rows(database, [*doubts, *rows])[len(doubts) :]


def _admit_up_to(appliance: Appliance, ids: Sequence[int]) -> list[Reply]:
    """Admit what waits, in order, until the rows of this command have their replies."""
    queries = load_queries(ReplyQueries, "reply")
    replies: dict[int, Reply] = {}
    while len(replies) < len(ids):
        admitted = _admit_chunk(appliance)
        for one in ids:
            row = appliance.database.one(queries.select_reply, (one,))
            if row is not None:
                replies[one] = Reply(inbox=one, seq=row[0], outcome=row[1])
        if not admitted and len(replies) < len(ids):
            # A simulated file's rows from the future stay where they are; this command's rows cannot be among them.
            raise AssertionError("a row of this command was not admitted")
    return [replies[one] for one in ids]


def _admit_chunk(appliance: Appliance) -> bool:
    journal = appliance.journal
    try:
        with appliance.database.transaction():
            admitted = appliance.admission.admit(
                max(appliance.clock.now(), journal.last_tick), CHUNK, arrived_by(appliance.clock)
            )
            journal.flush()
    except BaseException:
        journal.reload()
        raise
    if admitted:
        appliance.reach()
    return bool(admitted)
