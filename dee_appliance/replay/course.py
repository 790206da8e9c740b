"""One course of a file in a throw-away database: inputs in, through the same Journal that the loop uses, and what came of each.

A what-if has two of them, the recorded one and the one with something changed. A course counts what it does as it goes; what must
be kept for each send is one number, so memory does not grow with the file beyond that.
"""

from __future__ import annotations

import tempfile
from array import array
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from dee_appliance.kernel.e1.policy import estimate_micros
from dee_appliance.replay.replay import IN_MEMORY_BYTES
from dee_appliance.store.database import open_scratch
from dee_appliance.store.journal import Journal, JournalQueries, Watcher, write_genesis
from dee_appliance.store.queries import load_queries
from dee_appliance.store.state_rows import read_attempt, read_run

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dee_appliance.kernel.e1.run import Decision, Run
    from dee_appliance.replay.reading import DocumentRow
    from dee_appliance.store.database import Database
    from dee_appliance.store.journal import Candidate, Genesis, InputRow, Shell
    from dee_appliance.store.state import State

SEND_ACTIONS = ("send_email", "send_sms", "call")
GIVEN_BACK = ("REJECTED", "NOT_SENT")
"""States of an attempt of which it is certain that nothing was sent: it cost nothing."""


class WhatIfQueries(msgspec.Struct, frozen=True, kw_only=True):
    """sql/queries/what_if.sql."""

    select_run_bodies_by_name: str
    select_attempt_bodies: str


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """One entry of a run: what it did, and where. `entry` is the position in the log of its course; `tick` is UTC seconds."""

    entry: int
    tick: int
    step: str
    visit: int
    action: str
    outcome: str
    detail: dict[str, object]


class _Core(msgspec.Struct, frozen=True):
    action: str
    outcome: str
    detail: dict[str, object]
    tick: int
    step: str | None = None
    visit: int | None = None


class _Evidence(msgspec.Struct, frozen=True):
    send: str = ""
    attempt: int = 0
    cost_micros: int | None = None


class _Body(msgspec.Struct, frozen=True):
    core: _Core
    run: str | None = None
    evidence: _Evidence = _Evidence()


_decoder = msgspec.json.Decoder(_Body)


class Tally(msgspec.Struct):
    """How often things happened: sends and refused enrolments by kind, holds and refusals by rule, failures by reason."""

    sends: dict[str, int] = {}
    held: dict[str, int] = {}
    denied: dict[str, int] = {}
    failed: dict[str, int] = {}
    not_enrolled: dict[str, int] = {}

    def count(self, core: _Core) -> None:
        """Count one entry."""
        detail = core.detail
        if core.action in SEND_ACTIONS and core.outcome == "dispatched":
            _add(self.sends, core.action)
        elif core.action == "hold" or (core.action in SEND_ACTIONS and core.outcome == "held"):
            _add(self.held, str(detail.get("rule", core.outcome)))
        elif core.outcome.startswith("denied"):
            _add(self.denied, str(detail.get("rule", "")))
        elif core.action == "enroll" and core.outcome == "rejected":
            _add(self.not_enrolled, str(detail.get("code", "")))
        if "reason" in detail and detail.get("status") == "FAILED":
            _add(self.failed, str(detail["reason"]))


def _add(counts: dict[str, int], key: str) -> None:
    counts[key] = counts.get(key, 0) + 1


class Prices:
    """What each attempt costs: by the rate card when it is dispatched, by the provider's word where there is one. Micro-units."""

    def __init__(self) -> None:
        self._micros = array("q")
        self._currency = array("B")
        self._currencies: list[str] = []

    def dispatched(self, candidate: Candidate, decision: Decision) -> None:
        """Note what an attempt that is about to leave will cost by the rate card; without a rate nothing."""
        if decision.permit is None:
            return
        saw = decision.entries[0].saw or {}
        policy = candidate.shared.policy
        units = saw.get("units", 1)
        prefix = str(candidate.snapshot.contact.facts.get("phone_prefix", ""))
        micros = estimate_micros(policy, candidate.attempt.channel, prefix, units if isinstance(units, int) else 1)
        if policy.currency not in self._currencies:
            self._currencies.append(policy.currency)
        self._put(candidate.attempt.no, micros or 0, self._currencies.index(policy.currency))

    def _put(self, number: int, micros: int, currency: int) -> None:
        missing = number + 1 - len(self._micros)
        if missing > 0:
            self._micros.extend([0] * missing)
            self._currency.extend([0] * missing)
        self._micros[number], self._currency[number] = micros, currency

    def told(self, number: int, micros: int) -> None:
        """A provider has said what an attempt costs."""
        if number < len(self._micros) and micros >= 0:
            self._micros[number] = micros

    def of(self, number: int) -> tuple[str, int]:
        """Return currency and cost of an attempt that was dispatched."""
        return self._currencies[self._currency[number]], self._micros[number]


class _Watchers:
    """Implements journal.Watcher: prices, and whoever else looks."""

    def __init__(self, prices: Prices, other: Watcher | None) -> None:
        self._prices = prices
        self._other = other

    def decided(self, state: State, candidate: Candidate, decision: Decision) -> None:
        """Tell both."""
        self._prices.dispatched(candidate, decision)
        if self._other is not None:
            self._other.decided(state, candidate, decision)


class Course:
    """One course. Inputs and flushes run inside the caller's transaction on `scratch`."""

    def __init__(self, scratch: Database, genesis: Genesis, shell: Shell, watcher: Watcher | None = None) -> None:
        self.scratch = scratch
        with scratch.transaction():
            write_genesis(scratch, genesis)
        self.prices = Prices()
        self.tally = Tally()
        self.journal = Journal(scratch, shell, keep_given=False, watcher=_Watchers(self.prices, watcher))
        self.state: State = self.journal.state
        self._append_document = load_queries(JournalQueries, "journal").append_document
        self._names = load_queries(WhatIfQueries, "what_if")
        self._documents: dict[str, None] = {}

    def bring(self, rows: list[DocumentRow], seq: int) -> None:
        """Keep documents as brought by an input of this course."""
        for row in rows:
            if row.digest not in self._documents:
                self._documents[row.digest] = None
                text = row.body.decode("utf-8", "replace")
                self.scratch.execute(self._append_document, (row.digest, row.kind, seq, text))

    def apply(self, row: InputRow) -> tuple[str, list[tuple[str, Step]]]:
        """Apply one input. Returns its outcome, and each entry of a run as (run, step) in the order of the log."""
        outcome = self.journal.apply(row)
        steps: list[tuple[str, Step]] = []
        pending = self.journal.chain.pending()
        for seq, text, _ in pending:
            body = _decoder.decode(text)
            core = body.core
            self.tally.count(core)
            if body.evidence.cost_micros is not None:
                self._priced(body.evidence)
            if body.run is not None:
                step = Step(
                    entry=seq,
                    tick=core.tick,
                    step=core.step or "",
                    visit=core.visit or 0,
                    action=core.action,
                    outcome=core.outcome,
                    detail=core.detail,
                )
                steps.append((body.run, step))
        pending.clear()  # the throw-away database needs no log
        return outcome, steps

    def _priced(self, evidence: _Evidence) -> None:
        attempt = self.state.attempt(evidence.send, evidence.attempt)
        if attempt is not None and attempt.sent and evidence.cost_micros is not None:
            self.prices.told(attempt.no, evidence.cost_micros)

    # ---- the end ----

    def runs(self) -> Iterator[tuple[str, Run]]:
        """Give every run by its id. What was collected must be flushed."""
        for name, body in self.scratch.stream(self._names.select_run_bodies_by_name):
            yield name, read_run(body)

    def cost(self) -> dict[str, int]:
        """Return what the sends cost, by currency, in micro-units; one that certainly did not leave cost nothing."""
        cost: dict[str, int] = {}
        for (body,) in self.scratch.stream(self._names.select_attempt_bodies):
            attempt = read_attempt(body)
            if attempt.sent and attempt.state not in GIVEN_BACK:
                currency, micros = self.prices.of(attempt.no)
                cost[currency] = cost.get(currency, 0) + micros
        return cost


@contextmanager
def scratch_for(size_bytes: int, folder: Path | None) -> Iterator[Database]:
    """Give a throw-away database for a file of this size: in memory, or for a large one in a temporary file."""
    if size_bytes <= IN_MEMORY_BYTES:
        with open_scratch() as database:
            yield database
        return
    with (
        tempfile.TemporaryDirectory(prefix="dee-", dir=folder) as place,
        open_scratch(Path(place) / "course.db") as database,
    ):
        yield database
