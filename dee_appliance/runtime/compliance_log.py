"""The log as the compliance report reads it: every entry once, oldest first, with its cause when that is asked for.

Nothing here reads a table of state: what an entry does not say itself stands in the input that it names, or in an earlier
entry. That is why the report begins to read at the first entry, whatever its period.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

import msgspec

from dee_appliance.errors import EvidenceError
from dee_appliance.kernel.e1.input import UnknownInput, decode_input
from dee_appliance.replay.heads import Heads
from dee_appliance.replay.reading import queries as replay_queries
from dee_appliance.store.queries import load_queries

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from dee_appliance.kernel.e1.input import Input
    from dee_appliance.runtime.reading import View

KEPT = 20_000
"""How many contacts, runs and sends are remembered in memory; the others lie in a throw-away database."""


class ComplianceQueries(msgspec.Struct, frozen=True, kw_only=True):
    """sql/queries/compliance.sql."""

    select_bodies: str
    select_cause: str


class _Core(msgspec.Struct, frozen=True):
    action: str
    outcome: str
    tick: int
    detail: dict[str, object]
    plan: str | None = None
    step: str | None = None
    visit: int | None = None


class _Reference(msgspec.Struct, frozen=True):
    seq: int


class Line(msgspec.Struct, frozen=True):
    """One entry. `tick` is UTC seconds, `input` the queue position of its cause."""

    core: _Core
    seq: int
    input: _Reference
    run: str | None = None
    evidence: dict[str, object] = {}
    saw: dict[str, object] = {}

    @property
    def attempt_key(self) -> str:
        """The send and the attempt that the entry speaks of; "" if it names none."""
        send = self.evidence.get("send")
        return f"{send}#{self.evidence.get('attempt', self.core.detail.get('attempt', 1))}" if send else ""


class Cause(msgspec.Struct, frozen=True):
    """An input: what it says, when it was received (UTC seconds), and who brought it."""

    seq: int
    value: Input
    received: int
    source: str


_line_decoder = msgspec.json.Decoder(Line)


class LogReader:
    """Reads the log of one open file from its beginning."""

    def __init__(self, view: View) -> None:
        self._view = view
        self._queries = load_queries(ComplianceQueries, "compliance")
        self._newest: Cause | None = None

    def lines(self, end: int) -> Iterator[Line]:
        """Give the entries below a position. Raises EvidenceError for a body that is no entry."""
        for seq, body in self._view.database.stream(self._queries.select_bodies, (end,)):
            try:
                yield _line_decoder.decode(body)
            except msgspec.DecodeError as error:
                raise self._damaged(f"entry {seq} of the log") from error

    def cause(self, line: Line) -> Cause:
        """Return the input that an entry follows from. Raises EvidenceError if it is not there."""
        seq = line.input.seq
        if self._newest is not None and self._newest.seq == seq:
            return self._newest
        row = self._view.database.one(self._queries.select_cause, (seq,))
        if row is None:
            raise self._damaged(f"input {seq}")
        try:
            self._newest = Cause(seq, decode_input(row[0], row[1]), int(row[2]), str(row[3]))
        except UnknownInput as error:
            raise self._damaged(f"input {seq}") from error
        return self._newest

    def _damaged(self, what: str) -> EvidenceError:
        return EvidenceError(f"{what} cannot be read", where=str(self._view.database.path), hint="run `dee verify`")


class Memory:
    """What must be known of each contact, run and send while the log goes by. A context manager."""

    def __init__(self, scratch: Path | None = None, *, kept: int = KEPT) -> None:
        names = replay_queries()
        self.people = Heads(names, folder=scratch, kept=kept)
        self.runs = Heads(names, folder=scratch, kept=kept)
        self.tokens = Heads(names, folder=scratch, kept=kept)
        self.stops = Heads(names, folder=scratch, kept=kept)
        self.sends = Heads(names, folder=scratch, kept=kept)
        self.newest = Heads(names, folder=scratch, kept=kept)
        self.last = Heads(names, folder=scratch, kept=kept)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for heads in (self.people, self.runs, self.tokens, self.stops, self.sends, self.newest, self.last):
            heads.close()


MOST_WORDS = 1_000
OTHERS = "(others)"


class Words:
    """Words that people choose, such as sources and names of actors: so many different ones, then "(others)"."""

    def __init__(self) -> None:
        self._known: set[str] = set()

    def kept(self, word: str) -> str:
        """Return the word, or "(others)" once there are too many: a report must not grow for ever."""
        if word not in self._known:
            if len(self._known) >= MOST_WORDS:
                return OTHERS
            self._known.add(word)
        return word
