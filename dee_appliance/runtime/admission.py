"""Admission: moves staging rows to the ordered queue, in order, in the transaction that applies them.

tick = received, clamped between the last tick and the loop's now. A duplicate (same source and token) yields no
input; every other row yields at least one entry. Commands that come while no loop runs admit through here too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from dee_appliance.kernel.e1.encoding import document_digest
from dee_appliance.runtime.clock import SetClock
from dee_appliance.store.journal import Brought, Journal
from dee_appliance.store.queries import load_queries
from dee_appliance.store.vault import well_formed

if TYPE_CHECKING:
    from dee_appliance.runtime.clock import Clock
    from dee_appliance.store.database import Database, Row

QUIET_SOURCES = ("adapter", "world")
"""Sources inside this process, which wait for no reply."""
URGENT, BULK = 1, 2
LANES = (URGENT, BULK)
"""Rows of a long import wait until everything else is admitted: a halt or an opt-out takes effect within a turn."""
LAST_WORDS = ("consent.set", "contact.erase")
"""Inputs that would be undone by an older row about the same contact: no long import may be admitted behind them."""
ANY_TIME = 2**62
MALFORMED = "malformed"
REPLIES_KEPT = 100_000
OF_THE_LOOP = ("clock", "dispatch.pull", "epoch.use")
"""Inputs that never come through the inbox: the loop makes them when it has seen the clock or has free places, and an upgrade
makes the last, once it knows that this program has the epoch."""
NOTHING = Brought()
_brought_decoder = msgspec.json.Decoder(Brought)


def arrived_by(clock: Clock) -> int:
    """Until when rows count as having arrived: rows for later exist only in simulated files."""
    return clock.now() if isinstance(clock, SetClock) else ANY_TIME


class AdmissionQueries(msgspec.Struct, frozen=True, kw_only=True):
    """sql/queries/admission.sql."""

    select_ready: str
    select_older_about: str
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
        found = [row for lane in LANES if (row := self._database.one(self._queries.select_next_received, (lane,)))]
        return min((int(row[0]) for row in found), default=None)

    def urgent(self, arrived: int) -> bool:
        """Tell whether a row waits that had arrived by then and is not part of a long import."""
        row = self._database.one(self._queries.select_next_received, (URGENT,))
        return row is not None and int(row[0]) <= arrived

    def admit(self, now: int, limit: int, arrived: int = ANY_TIME) -> list[tuple[str, str]]:
        """Admit at most `limit` rows, with a tick of `now` at the most; a long import comes after everything else.

        `arrived`: leave rows for later where they are (simulated recipients). Returns (kind, outcome) of each,
        `duplicate` included.
        """
        done: list[tuple[str, str]] = []
        admitted: list[tuple[int]] = []
        for lane in LANES:
            left = limit - len(done)
            for row in self._database.execute(self._queries.select_ready, (lane, arrived, left)) if left > 0 else ():
                if lane == URGENT and row[4] in LAST_WORDS:
                    done += [self._row(now, older) for older in self._overtaken(row)]
                admitted.append((row[0],))
                done.append(self._row(now, row))
        if admitted:
            self._database.many(self._queries.delete_admitted, admitted)
        return done

    def _row(self, now: int, row: Row) -> tuple[str, str]:
        seq, outcome = self._one(now, row)
        if row[1] not in QUIET_SOURCES:
            self._reply(row[0], seq, outcome)
        return str(row[4]), outcome

    def _overtaken(self, row: Row) -> list[Row]:
        """Take out the rows of long imports about the same contact that are older than this one: they go first."""
        identity, _, _, received, _, payload, _ = row
        contact = _contact_of(payload)
        if not contact or self._database.one(self._queries.select_next_received, (BULK,)) is None:
            return []
        older = self._database.execute(self._queries.select_older_about, (BULK, received, identity, f'"{contact}"'))
        self._database.many(self._queries.delete_admitted, [(one[0],) for one in older])
        return older

    def _reply(self, identity: int, seq: int | None, outcome: str) -> None:
        self._database.execute(self._queries.insert_reply, (identity, seq, outcome))
        if identity % 1_000 == 0:
            self._database.execute(self._queries.delete_old_replies, (identity - REPLIES_KEPT,))

    def _one(self, now: int, row: Row) -> tuple[int | None, str]:
        _, source, dedupe, received, kind, payload, private = row
        if self._journal.seen(source, dedupe):
            return None, "duplicate"
        brought = _brought(private)
        if brought is None or kind in OF_THE_LOOP:
            # Somebody wrote into the inbox what no program of ours writes: refused on the record, and kept out of the file.
            brought, kind, payload = NOTHING, MALFORMED, "{}"
        tick = min(received, now)
        return self._journal.admit(tick, received, source, kind, payload, dedupe=dedupe, brought=brought)


class _About(msgspec.Struct, frozen=True):
    contact: str = ""


_about_decoder = msgspec.json.Decoder(_About)


def _contact_of(payload: str) -> str:
    try:
        return _about_decoder.decode(payload).contact
    except (msgspec.DecodeError, RecursionError):
        return ""


def _brought(private: str | None) -> Brought | None:
    """Read what comes beside a payload; None when it is not of our form, or a document is not what its digest names."""
    if private is None:
        return NOTHING
    try:
        brought = _brought_decoder.decode(private)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    documents = brought.documents.items()
    named = all(document_digest(kind, body.encode()) == digest for digest, (kind, body) in documents)
    kept = all(well_formed(field, value) for fields in brought.vault.values() for field, value in fields.items())
    return brought if named and kept else None
