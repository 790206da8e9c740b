"""The log as people read it: entries decoded, found by run, contact, action and time, always as a stream.

Entries lie in the order of their ticks and of the inputs that caused them, so a time or an input is found by bisection; a run
and a contact have a trail of their own; an action is compared with the first bytes of each body without decoding it. Nothing here
checks the chain: that is `dee verify`.
"""

from __future__ import annotations

import heapq
from bisect import bisect_left
from functools import lru_cache
from itertools import islice
from typing import TYPE_CHECKING

import msgspec

from dee_appliance.errors import EvidenceError, Refused, Usage
from dee_appliance.kernel.e1.civil_time import format_utc
from dee_appliance.kernel.e1.input import UnknownInput, decode_input
from dee_appliance.store.queries import load_queries

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from dee_appliance.runtime.reading import View
    from dee_appliance.store.database import Row

EVERYTHING = -1
"""SQLite's word for no limit."""
SUBJECTS_KEPT = 4_096


class LogQueries(msgspec.Struct, frozen=True, kw_only=True):
    """sql/queries/log.sql."""

    select_log_forward: str
    select_log_backward: str
    select_run_trail_forward: str
    select_run_trail_backward: str
    select_contact_trail_forward: str
    select_contact_trail_backward: str
    select_log_tick: str
    select_log_input: str
    select_run_contact: str
    select_run_numbers: str
    select_run_number: str


class LogFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which entries. Empty texts mean any; `after` (inclusive) and `before` (exclusive) are ticks, UTC seconds.

    `run` is a run id, `contact` whatever names a contact; `first` is the lowest position in the log; `limit` asks for the newest
    so many.
    """

    run: str = ""
    contact: str = ""
    action: str = ""
    outcome: str = ""
    after: int | None = None
    before: int | None = None
    first: int = 0
    limit: int | None = None


class LogLine(msgspec.Struct, frozen=True, kw_only=True):
    """One entry. `tick` counts from the file's epoch; `run`, `plan` and `step` are null for entries that belong to no run.

    `contact` is whom the entry is about, if anybody; `input` the queue position of its cause; `prev` and `hash` are the links of
    the chain, `rs` and `rp` those of the run's own.
    """

    seq: int
    tick: int
    utc: str
    run: str | None
    contact: str | None
    plan: str | None
    step: str | None
    visit: int | None
    action: str
    outcome: str
    detail: dict[str, object]
    evidence: dict[str, object]
    saw: dict[str, object]
    input: int
    rs: int | None
    rp: str | None
    prev: str
    hash: str


class _Core(msgspec.Struct, frozen=True):
    action: str
    outcome: str
    detail: dict[str, object]
    tick: int
    plan: str | None
    step: str | None
    visit: int | None
    rs: int | None
    rp: str | None


class _Cause(msgspec.Struct, frozen=True):
    seq: int


class _Body(msgspec.Struct, frozen=True):
    core: _Core
    run: str | None
    input: _Cause
    prev: str
    cs: int | None = None
    evidence: dict[str, object] = {}
    saw: dict[str, object] = {}


_decoder = msgspec.json.Decoder(_Body)


class Log:
    """Reads the log of one open file."""

    def __init__(self, view: View) -> None:
        self._view = view
        self._queries = load_queries(LogQueries, "log")
        self._contact_of_run = lru_cache(SUBJECTS_KEPT)(self._read_contact_of_run)

    # ---- whole filters ----

    def lines(self, wanted: LogFilter) -> Iterator[LogLine]:
        """Give the entries that fit, oldest first. Raises Refused for a run or contact that is not there."""
        if wanted.limit is not None and wanted.limit < 0:
            raise Usage("a limit is a whole number from 0 on", where="--limit")
        if wanted.limit is None:
            return self._fitting(wanted, newest_first=False)
        newest = list(islice(self._fitting(wanted, newest_first=True), wanted.limit))
        return reversed(newest)

    def _fitting(self, wanted: LogFilter, *, newest_first: bool) -> Iterator[LogLine]:
        first, end = self._span(wanted)
        if wanted.run:
            rows = self._of_run(self.run_number(wanted.run), first, end, newest_first=newest_first)
        elif wanted.contact:
            rows = self._of_contact(self._view.resolve_contact(wanted.contact), first, end, newest_first=newest_first)
        else:
            rows = self._of_file(wanted.action, first, end, newest_first=newest_first)
        return self._decoded(rows, wanted)

    def _decoded(self, rows: Iterator[Row], wanted: LogFilter) -> Iterator[LogLine]:
        for row in rows:
            line = self.decode(row)
            if wanted.action in ("", line.action) and wanted.outcome in ("", line.outcome):
                yield line

    def _span(self, wanted: LogFilter) -> tuple[int, int]:
        first, end = wanted.first, self._view.log_size
        if wanted.after is not None:
            first = max(first, self.position_at(wanted.after))
        if wanted.before is not None:
            end = self.position_at(wanted.before)
        return first, end

    def _of_file(self, action: str, first: int, end: int, *, newest_first: bool) -> Iterator[Row]:
        start = f'{{"core":{{"action":"{action}",' if action else ""
        names = self._queries
        sql = names.select_log_backward if newest_first else names.select_log_forward
        return self._view.database.stream(sql, (first, end, start, EVERYTHING))

    def _of_run(self, run_no: int, first: int, end: int, *, newest_first: bool) -> Iterator[Row]:
        names = self._queries
        sql = names.select_run_trail_backward if newest_first else names.select_run_trail_forward
        return self._view.database.stream(sql, (run_no, first, end, EVERYTHING))

    def _of_contact(self, contact: str, first: int, end: int, *, newest_first: bool) -> Iterator[Row]:
        """The entries of the contact and of all its runs, each once."""
        names = self._queries
        sql = names.select_contact_trail_backward if newest_first else names.select_contact_trail_forward
        streams = [self._view.database.stream(sql, (contact, first, end, EVERYTHING))]
        for (run_no,) in self._view.database.execute(names.select_run_numbers, (contact,)):
            streams.append(self._of_run(run_no, first, end, newest_first=newest_first))
        last = -1
        for row in heapq.merge(*streams, key=lambda one: int(one[0]), reverse=newest_first):
            if row[0] != last:
                last = row[0]
                yield row

    # ---- single entries ----

    def run_number(self, run: str) -> int:
        """Return the number of a run. Raises Refused."""
        row = self._view.database.one(self._queries.select_run_number, (run,))
        if row is None:
            raise Refused(f"there is no run `{run}`", where=str(self._view.database.path), hint="dee run list")
        return int(row[0])

    def entry(self, seq: int) -> LogLine | None:
        """Return one entry, or None."""
        rows = self._view.database.execute(self._queries.select_log_forward, (seq, seq + 1, "", 1))
        return self.decode(rows[0]) if rows else None

    def bodies_of_run(self, run_no: int) -> Iterator[tuple[int, str, bytes]]:
        """Give the entries of a run as they are stored: (seq, body, leaf)."""
        for row in self._of_run(run_no, 0, self._view.log_size, newest_first=False):
            yield row[0], row[1], row[2]

    def about_contact(self, contact: str) -> Iterator[LogLine]:
        """Give the entries that speak of a contact outside its runs, or belong to its own chain, oldest first.

        A contact that is not in the file has some when somebody asked for it.
        """
        sql = self._queries.select_contact_trail_forward
        for row in self._view.database.stream(sql, (contact, 0, self._view.log_size, EVERYTHING)):
            yield self.decode(row)

    def newest(self, action: str, before: int) -> Iterator[LogLine]:
        """Give the entries of an action below a position, newest first."""
        for row in self._of_file(action, 0, before, newest_first=True):
            yield self.decode(row)

    def position_at(self, tick: int) -> int:
        """Return the position of the first entry at a tick or later; the size of the log if there is none."""
        return bisect_left(range(self._view.log_size), tick, key=self._tick_at)

    def _tick_at(self, seq: int) -> int:
        row = self._view.database.one(self._queries.select_log_tick, (seq,))
        if row is None or not isinstance(row[0], int):
            raise self._damaged(seq)
        return row[0]

    def _damaged(self, seq: int) -> EvidenceError:
        path = str(self._view.database.path)
        return EvidenceError(f"entry {seq} of the log cannot be read", where=path, hint="run `dee verify`")

    # ---- decoding ----

    def decode(self, row: Row) -> LogLine:
        """Read one row (seq, body, leaf). Raises EvidenceError for a body that is no entry."""
        seq, text, leaf = row
        try:
            body = _decoder.decode(text)
        except msgspec.DecodeError as error:
            raise self._damaged(seq) from error
        core = body.core
        return LogLine(
            seq=seq,
            tick=core.tick - self._view.epoch,
            utc=format_utc(core.tick),
            run=body.run,
            contact=self._contact(body),
            plan=core.plan,
            step=core.step,
            visit=core.visit,
            action=core.action,
            outcome=core.outcome,
            detail=core.detail,
            evidence=body.evidence,
            saw=body.saw,
            input=body.input.seq,
            rs=core.rs,
            rp=core.rp,
            prev=body.prev,
            hash=bytes(leaf).hex(),
        )

    def _contact(self, body: _Body) -> str | None:
        if body.run is not None:
            return self._contact_of_run(body.run)
        named = body.evidence.get("contact")
        if named:
            return str(named)
        return None if body.cs is None else self._contact_of_input(body.input.seq)

    def _read_contact_of_run(self, run: str) -> str | None:
        row = self._view.database.one(self._queries.select_run_contact, (run,))
        return None if row is None else str(row[0])

    def _contact_of_input(self, seq: int) -> str | None:
        """An entry of a contact's own chain that belongs to no run does not name the contact: its cause does."""
        row = self._view.database.one(self._queries.select_log_input, (seq,))
        if row is None:
            return None
        try:
            value = decode_input(row[0], row[1])
        except UnknownInput:
            return None
        contact = getattr(value, "contact", "")
        subject = getattr(value, "subject", "")
        send_key = getattr(value, "send_key", "")
        if contact or subject:
            known = contact or (subject if subject.startswith("c_") else self._view.state.contact_of(subject))
            return known or None
        attempt = self._view.state.attempt(send_key, None) if send_key else None
        return None if attempt is None else attempt.contact


def log(view: View, wanted: LogFilter | None = None) -> Iterator[LogLine]:
    """Give the entries of the log that fit, oldest first. Raises Refused for a run or contact that is not there."""
    return Log(view).lines(wanted or LogFilter())


FOLLOW_PAUSE_S = 0.2


def follow(view: View, wanted: LogFilter, wait: Callable[[float], None]) -> Iterator[LogLine]:
    """Give what fits and then, for ever, what is added. `wait` lets time pass (seconds) and ends it by raising."""
    reader = Log(view)
    end = view.log_size
    chosen = wanted
    while True:
        for line in reader.lines(chosen):
            # What was added while this was read may have been given already.
            end = max(end, line.seq + 1)
            yield line
        while view.log_size <= end:
            wait(FOLLOW_PAUSE_S)
        chosen = msgspec.structs.replace(wanted, first=max(wanted.first, end), limit=None)
        end = view.log_size
