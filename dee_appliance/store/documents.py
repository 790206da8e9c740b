"""Documents by digest (plans, templates, scripts, policies, zone tables), and what is made of them, kept in memory.

A document never changes, so nothing here is forgotten after a rollback. What is made of them is made by one epoch.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import msgspec

from dee_appliance.errors import EvidenceError
from dee_appliance.store.queries import load_queries

if TYPE_CHECKING:
    from pathlib import Path

    from dee_appliance.kernel.e1.civil_time import ZoneTable
    from dee_appliance.kernel.e1.compiled import CompiledPlan
    from dee_appliance.kernel.e1.plan import Channel
    from dee_appliance.kernel.e1.policy import Pack, Policy
    from dee_appliance.kernel.e1.rulebook import Rulebook
    from dee_appliance.kernel.epochs import Kernel
    from dee_appliance.store.database import Database

KEPT = 200


class DocumentQueries(msgspec.Struct, frozen=True, kw_only=True):
    """sql/queries/document.sql."""

    select_document: str


class Documents:
    """The documents of one open file."""

    def __init__(self, database: Database, kernel: Kernel) -> None:
        self._database = database
        self._kernel = kernel
        self._queries = load_queries(DocumentQueries, "document")
        self._plans: dict[str, CompiledPlan] = {}
        self._zones: dict[str, ZoneTable] = {}
        self._policies: dict[str, Policy] = {}
        self._packs: dict[str, Pack] = {}
        self._books: dict[tuple[str, tuple[str, ...], str, Channel], Rulebook] = {}

    @property
    def path(self) -> Path:
        """The file that holds them."""
        return self._database.path

    def find(self, digest: str) -> tuple[str, int, str] | None:
        """Return (kind, seq of the input that brought it, body) of a document, or None."""
        row = self._database.one(self._queries.select_document, (digest,))
        return None if row is None else (row[0], row[1], row[2])

    def body(self, digest: str) -> str:
        """Return the body of a document that must be there. Raises EvidenceError."""
        row = self.find(digest)
        if row is None:
            raise EvidenceError(f"the document {digest} is not in the file", hint="run `dee verify`")
        return row[2]

    def plan(self, digest: str) -> CompiledPlan:
        """Return a compiled plan version."""
        compiled = self._plans.get(digest)
        if compiled is None:
            if len(self._plans) >= KEPT:
                self._plans.clear()
            compiled = self._kernel.compile_plan(self.body(digest).encode(), digest)
            self._plans[digest] = compiled
        return compiled

    def zones(self, digest: str) -> ZoneTable:
        """Return a time-zone table."""
        table = self._zones.get(digest)
        if table is None:
            table = _zone_table(self._kernel, self.body(digest))
            self._zones = {digest: table}
        return table

    def policy(self, digest: str) -> Policy:
        """Return a policy."""
        policy = self._policies.get(digest)
        if policy is None:
            policy = self._kernel.decode_policy(self.body(digest).encode())
            self._policies = {digest: policy}
        return policy

    def pack(self, digest: str) -> Pack:
        """Return a compliance pack."""
        pack = self._packs.get(digest)
        if pack is None:
            if len(self._packs) >= KEPT:
                self._packs.clear()
            pack = self._packs[digest] = self._kernel.decode_pack(self.body(digest).encode())
        return pack

    def book(self, policy: str, packs: tuple[str, ...], plan: CompiledPlan, channel: Channel) -> Rulebook:
        """Return what a send of this plan on this channel must pass under this policy and these packs."""
        key = (policy, packs, plan.digest, channel)
        book = self._books.get(key)
        if book is None:
            if len(self._books) >= KEPT:
                self._books.clear()
            in_use = tuple(self.pack(digest) for digest in packs)
            book = self._books[key] = self._kernel.book_of(self.policy(policy), plan.plan, channel, in_use)
        return book


@lru_cache(maxsize=2)
def _zone_table(kernel: Kernel, body: str) -> ZoneTable:
    """Read a table once for all files of this process that have the very same one: it is immutable, and takes milliseconds."""
    return kernel.zone_table(body.encode())
