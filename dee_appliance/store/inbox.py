"""The way in: rows that any process may append, and the replies that tell it what became of them.

A row that was committed here is acknowledged: the loop will admit it as an input, in the order (received, id), and say so in a
reply. Long imports are staged first and made ready in one transaction, so that they are admitted whole or not at all.

Time comes in as an argument. Admitting and replying is the loop's work and stands elsewhere.

Rules a change must keep: one short FULL transaction for each call; `ready` is 1 for rows that the loop may take, 2 for those that
it takes after them, and minus the job number for staged ones; a payload never holds personal data, that goes into `private`.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Self

import msgspec

from dee_appliance.errors import HostError, Refused
from dee_appliance.kernel.e1.encoding import canonical
from dee_appliance.store.database import Database, open_reader, open_writer
from dee_appliance.store.queries import load_queries

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path
    from types import TracebackType

MAX_ROW_BYTES = 1 << 20
"""Payload and private data of one row together: 1 MiB."""

MAX_JOB = 2**62
STAGE_CHUNK = 2_000
POLLS_PER_SECOND = 50
_READY, _READY_LAST = 1, 2


class InboxRow(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that wants to become an input."""

    source: str
    dedupe: str | None = None
    """A token that makes redelivery from this source harmless."""
    received: int
    """UTC seconds."""
    kind: str
    payload: bytes
    """Canonical JSON, without personal data."""
    private: dict[str, object] | None = None
    """What goes to the vault."""


class Reply(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one inbox row. `seq` is its input, None when it was a duplicate."""

    inbox: int
    seq: int | None
    outcome: str


class StagedJob(msgspec.Struct, frozen=True, kw_only=True):
    """Rows that were staged and neither released nor abandoned."""

    job: int
    rows: int
    received: int


class _Queries(msgspec.Struct, frozen=True, kw_only=True):
    insert_inbox: str
    insert_unanswered: str
    update_staged_to_ready: str
    delete_staged: str
    delete_staged_before: str
    select_staged: str
    select_replies: str


def append_rows(database: Database, rows: Iterable[InboxRow]) -> list[int]:
    """Append rows in the caller's open transaction and return their inbox ids. Raises Refused when a row is too long."""
    return _insert(database, _queries(), rows, _READY)


def append_unanswered(database: Database, rows: Sequence[InboxRow]) -> None:
    """Append rows that nobody waits for a reply to, in the caller's open transaction: the loop's own, whose size it knows."""
    if rows:
        database.many(
            _queries().insert_unanswered,
            [
                (
                    row.source,
                    row.received,
                    row.kind,
                    row.payload.decode(),
                    None if row.private is None else canonical(row.private).decode(),
                )
                for row in rows
            ],
        )


def append_inbox(path: Path, rows: Sequence[InboxRow]) -> list[int]:
    """Append rows to a file from any process and return their inbox ids: when this returns they are on the disk."""
    with InboxWriter(path) as writer:
        return writer.append(rows)


class InboxWriter:
    """An open inbox, for those who append often. Every method is one durable transaction, staging one for each chunk."""

    def __init__(self, path: Path) -> None:
        self._database = open_writer(path)
        self._queries = _queries()

    def append(self, rows: Iterable[InboxRow]) -> list[int]:
        """Append rows and return their inbox ids."""
        with self._database.transaction():
            return _insert(self._database, self._queries, rows, _READY)

    def stage(self, job: int, rows: Sequence[InboxRow]) -> int:
        """Append rows that the loop does not take before `release`; return how many. `job`: a number drawn for this import."""
        ready = _staged(job)
        for start in range(0, len(rows), STAGE_CHUNK):
            with self._database.transaction():
                _insert(self._database, self._queries, rows[start : start + STAGE_CHUNK], ready)
        return len(rows)

    def release(self, job: int, *, expected: int | None = None, urgent: bool = False) -> list[int]:
        """Make every staged row of a job ready at once, and return their inbox ids in order.

        They wait until everything else is admitted, unless they are `urgent`: then nothing is sent before the last of them.

        Raises HostError, and makes none ready, when there are not as many as `expected`: somebody took the job for dead.
        """
        with self._database.transaction():
            rows = self._database.execute(
                self._queries.update_staged_to_ready, (_READY if urgent else _READY_LAST, _staged(job))
            )
            if expected is not None and len(rows) != expected:
                raise HostError(
                    f"{len(rows)} of {expected} rows are still there", where=str(self._database.path), hint="try again"
                )
            return sorted(row[0] for row in rows)

    def abandon(self, job: int) -> int:
        """Delete the staged rows of a job and return how many there were; none from a file that can be written no more."""
        if self._database.failure is not None:
            return 0
        with self._database.transaction():
            return len(self._database.execute(self._queries.delete_staged, (_staged(job),)))

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def staged_jobs(database: Database) -> list[StagedJob]:
    """Return the jobs with staged rows, with the time of their first row, by job number."""
    rows = database.execute(_queries().select_staged)
    return [StagedJob(job=-ready, rows=count, received=received) for ready, count, received in rows]


def delete_abandoned(database: Database, before: int) -> int:
    """Delete staged rows received before that second: their import has died. Return how many.

    In the caller's open transaction.
    """
    return len(database.execute(_queries().delete_staged_before, (before,)))


def wait_reply(path: Path, ids: Sequence[int], timeout_s: int, sleep: Callable[[float], None]) -> list[Reply]:
    """Wait until the loop has replied to these inbox rows and return the replies by inbox id.

    After `timeout_s` seconds of `sleep` it returns the replies there are: a missing one means that the row is still queued.
    """
    waiting = set(ids)
    replies: dict[int, Reply] = {}
    query = _queries().select_replies
    with open_reader(path) as database:
        for attempt in range(timeout_s * POLLS_PER_SECOND + 1):
            if not waiting:
                break
            if attempt:
                sleep(1 / POLLS_PER_SECOND)
            for inbox, seq, outcome in database.execute(query, (min(waiting), max(waiting))):
                if inbox in waiting:
                    replies[inbox] = Reply(inbox=inbox, seq=seq, outcome=outcome)
            waiting -= replies.keys()
    return [replies[inbox] for inbox in sorted(replies)]


def _insert(database: Database, queries: _Queries, rows: Iterable[InboxRow], ready: int) -> list[int]:
    ids: list[int] = []
    for row in rows:
        private = None if row.private is None else canonical(row.private).decode()
        if len(row.payload) + len(private or "") > MAX_ROW_BYTES:
            raise Refused(f"{row.kind} from {row.source} is longer than {MAX_ROW_BYTES} bytes")
        values = (row.source, row.dedupe, row.received, ready, row.kind, row.payload.decode(), private)
        ids.append(database.execute(queries.insert_inbox, values)[0][0])
    return ids


def _staged(job: int) -> int:
    if not 0 < job <= MAX_JOB:
        raise AssertionError(f"not a job number: {job}")
    return -job


@cache
def _queries() -> _Queries:
    return load_queries(_Queries, "inbox")
