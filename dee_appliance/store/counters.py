"""Counters of limits and budgets: read once, kept in memory, written once a turn.

Every decision of a turn sees what the ones before it reserved; after a rollback everything is read again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from dee_appliance.kernel.e1.rules.rate import second
from dee_appliance.kernel.e1.rules.shared import SPAN
from dee_appliance.store.queries import load_queries

if TYPE_CHECKING:
    from dee_appliance.kernel.e1.run import CounterChange
    from dee_appliance.store.database import Database

KEPT = 10_000
Key = tuple[str, str]
"""Name and bucket."""


class CounterQueries(msgspec.Struct, frozen=True, kw_only=True):
    """sql/queries/counter.sql."""

    insert_counter: str
    select_counter: str
    select_recent: str
    select_sum: str


class Counters:
    """The counter buckets of one open file as (settled, reserved)."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._queries = load_queries(CounterQueries, "counter")
        self._kept: dict[Key, tuple[int, int]] = {}
        self._changed: dict[Key, None] = {}
        self._sums: dict[str, dict[str, tuple[int, int]]] = {}
        """By counter: the sums over spans of dates that were asked for since it last changed."""
        self._recent: dict[str, tuple[int, dict[int, int]]] = {}
        """By counter of a rate that was asked for: after which second it is known, and sends by second, oldest first."""

    def forget(self) -> None:
        """Drop what was read and what was not written, after a rollback."""
        self._kept.clear()
        self._changed.clear()
        self._sums.clear()
        self._recent.clear()

    def recent(self, name: str, since: int) -> tuple[tuple[int, int], ...]:
        """Return the seconds after `since` in which something was sent, with how much, oldest first."""
        known = self._recent.get(name)
        if known is None or known[0] > since:  # a rule may look further back than the one before it did
            self.flush()
            rows = self._database.execute(self._queries.select_recent, (name, second(since + 1)))
            known = (since, {int(bucket): count for bucket, count in rows})
        kept = known[1]
        while kept and next(iter(kept)) <= since:
            del kept[next(iter(kept))]
        self._recent[name] = (since, kept)
        return tuple(kept.items())

    def read(self, key: Key) -> tuple[int, int]:
        """Return (settled, reserved) of a bucket, or of a span of dates together; what is missing is (0, 0)."""
        kept = self._kept.get(key)
        if kept is None:
            name, bucket = key
            if SPAN in bucket:
                return self._sum(name, bucket)
            row = self._database.one(self._queries.select_counter, key)
            kept = self._kept[key] = (0, 0) if row is None else (row[0], row[1])
        return kept

    def _sum(self, name: str, span: str) -> tuple[int, int]:
        sums = self._sums.setdefault(name, {})
        found = sums.get(span)
        if found is None:
            self.flush()
            first, last = span.split(SPAN)
            row = self._database.one(self._queries.select_sum, (name, first, last))
            found = sums[span] = (0, 0) if row is None else (row[0], row[1])
        return found

    def add(self, change: CounterChange) -> None:
        """Add to a bucket."""
        key = (change.name, change.bucket)
        settled, reserved = self.read(key)
        self._kept[key] = (settled + change.settled, reserved + change.reserved)
        self._changed[key] = None
        self._sums.pop(change.name, None)
        recent = self._recent.get(change.name)
        if recent is not None:
            tick, kept = int(change.bucket), recent[1]
            if tick in kept or (tick > recent[0] and (not kept or tick > next(reversed(kept)))):
                kept[tick] = kept.get(tick, 0) + change.settled

    def flush(self) -> None:
        """Write the buckets that have changed."""
        if self._changed:
            self._database.many(self._queries.insert_counter, [(*key, *self._kept[key]) for key in self._changed])
            self._changed.clear()
        if len(self._kept) > KEPT:
            self._kept.clear()
