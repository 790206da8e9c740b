"""Admission: moves staging rows to the ordered queue, in order, in the transaction that applies them.

tick = received, clamped between the last tick and the loop's now. A duplicate (same source and token) yields no input; every other row
yields at least one entry. Commands that come while no loop runs admit through here too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from dee_appliance.errors import EvidenceError
from dee_appliance.store.journal import Brought, Journal
from dee_appliance.store.queries import load_queries

if TYPE_CHECKING:
    from dee_appliance.store.database import Database

QUIET_SOURCES = ("adapter", "world")
"""Sources inside this process, which wait for no reply."""
REPLIES_KEPT = 100_000
_brought_decoder = msgspec.json.Decoder(Brought)


class AdmissionQueries(msgspec.Struct, frozen=True, kw_only=True):
    """sql/queries/admission.sql."""

    select_ready: str
    select_next_received: str
    delete_admitted: str
    insert_reply: str
    delete_old_replies: str


class Admission:
    """The border between inbox and queue of one open file. Its methods run inside the caller's transaction."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._database: Database = journal.database
        self._queries = load_queries(AdmissionQueries, "admission")

    def next_received(self) -> int | None:
        """Return when the next row may be admitted, None if nothing waits."""
        row = self._database.one(self._queries.select_next_received)
        return None if row is None else int(row[0])

    def admit(self, now: int, limit: int) -> list[tuple[str, str]]:
        """Admit at most `limit` rows that had arrived by `now`. Returns (kind, outcome) of each, `duplicate` included."""
        done: list[tuple[str, str]] = []
        admitted: list[tuple[int]] = []
        for identity, source, dedupe, received, kind, payload, private in self._database.execute(
            self._queries.select_ready, (now, limit)
        ):
            seq, outcome = self._one(now, source, dedupe, received, kind, payload, private)
            admitted.append((identity,))
            if source not in QUIET_SOURCES:
                self._database.execute(self._queries.insert_reply, (identity, seq, outcome))
                if identity % 1_000 == 0:
                    self._database.execute(self._queries.delete_old_replies, (identity - REPLIES_KEPT,))
            done.append((kind, outcome))
        if admitted:
            self._database.many(self._queries.delete_admitted, admitted)
        return done

    def _one(
        self, now: int, source: str, dedupe: str | None, received: int, kind: str, payload: str, private: str | None
    ) -> tuple[int | None, str]:
        if self._journal.seen(source, dedupe):
            return None, "duplicate"
        try:
            brought = None if private is None else _brought_decoder.decode(private)
        except msgspec.DecodeError as error:
            raise EvidenceError(f"an inbox row of {source} is damaged: {error}", hint="run `dee verify`") from error
        tick = min(received, now)
        return self._journal.admit(tick, received, source, kind, payload, dedupe=dedupe, brought=brought)
