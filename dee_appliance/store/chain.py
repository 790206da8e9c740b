"""The audit chain: turns the kernel's entries into linked rows.

An entry's body is canonical JSON; its leaf is SHA-256(0x00 ‖ body), at once the link that the next body names as
`prev` and the RFC 6962 Merkle leaf. Bodies are put together from parts that are canonical already: verify demands
that decoding and encoding a body gives the same bytes, so a slip here cannot stay unseen. Rows are collected and
written in one go before the commit.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import msgspec

from dee_appliance.kernel.e1.encoding import GENESIS_LEAF, canonical_trusted, leaf_hash

if TYPE_CHECKING:
    from dee_appliance.kernel.e1.run import Entry
    from dee_appliance.store.database import Database


class ChainQueries(msgspec.Struct, frozen=True, kw_only=True):
    """sql/queries/chain.sql."""

    append_entry: str
    insert_contact_trail: str
    insert_run_trail: str
    select_last_entry: str


Linked = tuple[int, str, bytes]
"""A linked entry: its seq, body and leaf."""


class Chain:
    """The end of the audit chain of one open file, and the rows that are not written yet."""

    def __init__(self, database: Database, queries: ChainQueries) -> None:
        self._database = database
        self._queries = queries
        self._rows: list[Linked] = []
        self._run_trail: list[tuple[int, int]] = []
        self._contact_trail: list[tuple[str, int]] = []
        self.reload()

    def reload(self) -> None:
        """Forget what was not written, and read the end of the chain again (after a rollback)."""
        self._rows.clear()
        self._run_trail.clear()
        self._contact_trail.clear()
        last = self._database.one(self._queries.select_last_entry)
        self.next_seq = 0 if last is None else int(last[0]) + 1
        self.head: bytes = GENESIS_LEAF if last is None else last[1]

    def append(self, entry: Entry, cause: bytes, link: tuple[int, str] | None) -> int:
        """Link one entry and return its seq.

        `cause` is the canonical {"digest", "seq"} of the input; `link` the contact's (cs, cp).
        """
        seq = self.next_seq
        linked = b"" if link is None else b',"cp":"%b","cs":%d' % (link[1].encode(), link[0])
        evidence = b"" if entry.extra is None else b',"evidence":%b' % canonical_trusted(entry.extra)
        run = b"null" if entry.run is None else b'"%b"' % entry.run.encode()
        saw = b"" if entry.saw is None else b',"saw":%b' % canonical_trusted(entry.saw)
        body = b'{"core":%b%b%b,"input":%b,"prev":"%b","run":%b%b,"seq":%d}' % (
            entry.core,
            linked,
            evidence,
            cause,
            self.head.hex().encode(),
            run,
            saw,
            seq,
        )
        self.head = leaf_hash(body)
        self.next_seq = seq + 1
        self._rows.append((seq, body.decode(), self.head))
        if entry.run_no is not None:
            self._run_trail.append((entry.run_no, seq))
        if entry.contact:
            self._contact_trail.append((entry.contact, seq))
        return seq

    def pending(self) -> list[Linked]:
        """Return the rows that are linked and not written yet: (seq, body, leaf)."""
        return self._rows

    def flush(self) -> None:
        """Write what was linked. Must be called before the commit."""
        if self._rows:
            self._database.many(self._queries.append_entry, self._rows)
            self._rows.clear()
        if self._run_trail:
            self._database.many(self._queries.insert_run_trail, self._run_trail)
            self._run_trail.clear()
        if self._contact_trail:
            self._database.many(self._queries.insert_contact_trail, self._contact_trail)
            self._contact_trail.clear()


class Cause(NamedTuple):
    """The input that is being applied: its seq and tick, and the canonical reference to it that entries carry."""

    seq: int
    tick: int
    reference: bytes


def cause_bytes(seq: int, digest: bytes) -> bytes:
    """Return the canonical reference to an input that an entry carries."""
    return b'{"digest":"%s","seq":%d}' % (digest.hex().encode(), seq)
