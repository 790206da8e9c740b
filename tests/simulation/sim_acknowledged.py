"""What somebody was told by the appliance, and who has said no: the books of everybody else.

What was acknowledged must be there, once, whatever dies afterwards: as a reply, or as a row that still waits.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

from dee_appliance import Engine
from dee_appliance.runtime.commands import Batch, Submitted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dee_appliance.store.database import Database
    from dee_appliance.store.inbox import InboxRow, Reply


class Acknowledged:
    """What others rely on."""

    def __init__(self) -> None:
        self.queued: dict[int, str] = {}
        """Inbox rows without a reply yet, with their kind."""
        self.replied: dict[int, tuple[int | None, str]] = {}
        self.tokens: set[str] = set()
        self.rows: Counter[str] = Counter()
        """By kind: rows of long lists that were queued or answered."""
        self._no: dict[str, set[str]] = {}
        self.told = 0

    def submitted(self, rows: Sequence[InboxRow], submitted: Submitted) -> None:
        """A command has returned."""
        self.told += len(rows)
        for inbox in submitted.queued:
            self.queued[inbox] = rows[0].kind
        for reply in submitted.replies:
            self.reply(reply)

    def reply(self, reply: Reply) -> None:
        """Somebody was told what became of a row."""
        self.replied[reply.inbox] = (reply.seq, reply.outcome)

    # -- who has said no --

    def said_no(self, contact: str, channel: str) -> None:
        """From now on nothing may leave for this person on the channel ("*": on any)."""
        self._no.setdefault(contact, set()).add(channel)

    def said_yes(self, contact: str) -> None:
        """Somebody has taken something of it back, or may have: this book says nothing of the person any more."""
        self._no.pop(contact, None)

    def stands_against(self, contact: str, channel: str) -> bool:
        """Tell whether an opt-out of this person had been acknowledged."""
        return bool({"*", channel} & self._no.get(contact, set()))

    # -- the file --

    def faults(self, database: Database, *, ended: bool = False) -> Iterator[str]:
        """What was acknowledged and is not there, or is there otherwise."""
        for inbox, kind in list(self.queued.items()):
            row = database.one("SELECT seq, outcome FROM reply WHERE inbox = ?", (inbox,))
            if row is not None:
                del self.queued[inbox]
                self.replied[inbox] = (row[0], row[1])
            elif ended or database.one("SELECT 1 FROM inbox WHERE id = ?", (inbox,)) is None:
                yield f"row {inbox} ({kind}) was acknowledged and {'never admitted' if ended else 'is gone'}"
        if ended:
            yield from self._ended(database)

    def _ended(self, database: Database) -> Iterator[str]:
        for inbox, (seq, outcome) in self.replied.items():
            found = database.one("SELECT seq, outcome FROM reply WHERE inbox = ?", (inbox,))
            if found != (seq, outcome):
                yield f"the reply to row {inbox} was {(seq, outcome)} and is {found}"
            if seq is not None and database.one("SELECT 1 FROM input WHERE seq = ?", (seq,)) is None:
                yield f"input {seq} was acknowledged and is not there"
        for token in sorted(self.tokens):
            if len(database.execute("SELECT seq FROM seen WHERE token = ? ORDER BY seq", (token,))) != 1:
                yield f"the event {token} was acknowledged and is not there once"
        for kind, told in sorted(self.rows.items()):
            there = database.execute("SELECT count(*) FROM input WHERE kind = ?", (kind,))[0][0]
            if there < told:
                yield f"{told} rows of {kind} were acknowledged, {there} are there"


class WatchedEngine(Engine):
    """The public API; what it says is noted."""

    acknowledged: Acknowledged

    def _submit_rows(self, rows: Sequence[InboxRow]) -> Submitted:
        submitted = super()._submit_rows(rows)
        self.acknowledged.submitted(rows, submitted)
        return submitted

    def _submit_many(
        self,
        rows: Iterable[InboxRow],
        what: str,
        progress: Callable[[int], None] | None = None,
        *,
        urgent: bool = False,
    ) -> Batch:
        kinds: Counter[str] = Counter()

        def counted() -> Iterator[InboxRow]:
            for row in rows:
                kinds[row.kind] += 1
                yield row

        batch = super()._submit_many(counted(), what, progress, urgent=urgent)
        self.acknowledged.told += batch.rows
        self.acknowledged.rows += kinds
        return batch
