"""What another semantics epoch would have decided about the recorded past: which runs come out otherwise, and where first.

The recorded inputs are applied in order to an empty throw-away database, all of them under the other epoch. Renderings are the
recorded ones. Where a run first differs, history ends for it: what people and providers would have done then, nobody has
recorded, so nothing after that place is claimed.
"""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from msgspec.structs import replace

from dee_appliance.errors import HostError
from dee_appliance.kernel.e1.run import Given
from dee_appliance.replay.course import scratch_for
from dee_appliance.replay.reading import (
    Progress,
    last_input,
    open_evidence,
    queries,
    read_documents,
    read_entries,
    read_genesis,
    read_given,
    read_inputs,
)
from dee_appliance.store.database import Database
from dee_appliance.store.header import size_or_zero
from dee_appliance.store.journal import InputRow, Journal, JournalQueries, write_genesis
from dee_appliance.store.queries import load_queries

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dee_appliance.kernel.e1.compiled import CompiledPlan
    from dee_appliance.kernel.e1.run import Attempt, Run
    from dee_appliance.replay.reading import GivenRow

BATCH = 500
"""Inputs after which the throw-away database commits."""

SHOWN = 20
NOT_RECORDED = "not recorded"
_given_decoder = msgspec.json.Decoder(Given)


class Decided(msgspec.Struct, frozen=True, kw_only=True):
    """One entry of a run: `entry` is its seq in the log (of the other epoch's own log, when it is that one's)."""

    entry: int
    tick: int
    step: str
    action: str
    outcome: str


class ChangedRun(msgspec.Struct, frozen=True, kw_only=True):
    """A run that comes out otherwise. `position` is the first entry of its own chain that differs; None where a side has none."""

    run: str
    position: int
    recorded: Decided | None
    other: Decided | None


class EpochPreview(msgspec.Struct, frozen=True, kw_only=True):
    """What the other epoch would have decided. `first` are the first of the changed runs, in the order of the log.

    `stopped` says at which input the other epoch could not go on, as a fault of the program would; "" when it could.
    """

    epoch: int
    inputs: int
    runs: int
    changed: int
    first: tuple[ChangedRun, ...]
    stopped: str


def preview_epoch(path: Path, epoch: int, *, progress: Progress | None = None) -> EpochPreview:
    """Decide the whole recorded past under another epoch and compare it run by run. Raises as `replay`."""
    with open_evidence(path) as source, scratch_for(size_or_zero(path), None) as scratch:
        stopped = _play(source, scratch, epoch, progress)
        recorded, other = _heads(source), _heads(scratch)
        changed = [run for run in (recorded | other) if recorded.get(run) != other.get(run)]
        first = _first_differences(source, scratch, frozenset(changed[:SHOWN]))
        return EpochPreview(
            epoch=epoch,
            inputs=last_input(source, queries()),
            runs=len(recorded),
            changed=len(changed),
            first=first,
            stopped=stopped,
        )


def _play(source: Database, scratch: Database, epoch: int, progress: Progress | None) -> str:
    names = queries()
    append = load_queries(JournalQueries, "journal").append_document
    with scratch.transaction():
        write_genesis(scratch, replace(read_genesis(source), semantics=epoch))
        for row in read_documents(source, names):
            scratch.execute(append, (row.digest, row.kind, row.seq, row.body.decode("utf-8", "replace")))
    journal = Journal(scratch, _Shell(read_given(source, names)), keep_given=False)
    total = last_input(source, names)
    inputs = read_inputs(source, names)
    done = 0
    while batch := list(islice(inputs, BATCH)):
        with scratch.transaction():
            stopped = _apply(journal, batch)
            journal.flush()
        journal.take_permits()  # nothing is ever sent from here
        done += len(batch)
        if progress is not None:
            progress(done, total)
        if stopped:
            return stopped
    return ""


def _apply(journal: Journal, batch: list[InputRow]) -> str:
    """Apply inputs; "" or why that was not possible."""
    for row in batch:
        try:
            journal.apply(row)
        except (HostError, MemoryError):
            raise
        except Exception as error:  # noqa: BLE001 - answers to what was never sent meet another past: whatever it says is told
            return f"it could not go on at input {row.seq}: {type(error).__name__}: {error}"
    return ""


class _Shell:
    """Implements journal.Shell: recorded renderings by send and attempt, whichever input asks for them."""

    def __init__(self, rows: Iterator[GivenRow]) -> None:
        self._rows = rows
        self._ahead = next(rows, None)
        self._unused: dict[tuple[str, int], Given] = {}

    def give(self, seq: int, ordinal: int, attempt: Attempt, run: Run, plan: CompiledPlan) -> Given:
        """Return the recorded rendering, or one that says that none was recorded by then."""
        del ordinal, run, plan
        while self._ahead is not None and self._ahead.seq <= seq:
            given = _given_decoder.decode(self._ahead.body)
            self._unused[(given.send_key, given.attempt)] = given
            self._ahead = next(self._rows, None)
        found = self._unused.pop((attempt.send_key, attempt.attempt), None)
        return found or Given(code="ok", send_key=attempt.send_key, attempt=attempt.attempt, renderer=NOT_RECORDED)


class _Core(msgspec.Struct, frozen=True):
    action: str = ""
    outcome: str = ""
    step: str | None = None
    tick: int = 0
    rs: int | None = None


class _Body(msgspec.Struct, frozen=True):
    core: msgspec.Raw
    run: str | None = None


_body_decoder = msgspec.json.Decoder(_Body)
_core_decoder = msgspec.json.Decoder(_Core)


class _Head(msgspec.Struct, frozen=True):
    rs: int = 0
    rp: str = ""


_head_decoder = msgspec.json.Decoder(_Head)


def _heads(database: Database) -> dict[str, tuple[int, str]]:
    """Length and head of every run's chain. The head names everything before it, so equal heads are equal runs."""
    heads: dict[str, tuple[int, str]] = {}
    for run, body in database.stream(queries().select_run_bodies):
        head = _head_decoder.decode(body)
        heads[run] = (head.rs, head.rp)
    return heads


def _first_differences(source: Database, scratch: Database, runs: frozenset[str]) -> tuple[ChangedRun, ...]:
    """Read both logs once and find, for each of the runs, the first place where their cores differ."""
    if not runs:
        return ()
    ours = _entries(source, runs)
    theirs = _entries(scratch, runs)
    found = []
    for run in sorted(runs):
        left, right = ours.get(run, []), theirs.get(run, [])
        position = next(
            (at for at, pair in enumerate(zip(left, right, strict=False)) if pair[0][1] != pair[1][1]),
            min(len(left), len(right)),
        )
        found.append(
            ChangedRun(run=run, position=position, recorded=_decided(left, position), other=_decided(right, position))
        )
    return tuple(sorted(found, key=_place))


def _place(changed: ChangedRun) -> tuple[int, str]:
    known = changed.recorded or changed.other
    return (0 if known is None else known.tick, changed.run)


def _entries(database: Database, runs: frozenset[str]) -> dict[str, list[tuple[int, bytes]]]:
    kept: dict[str, list[tuple[int, bytes]]] = {}
    for row in read_entries(database, queries()):
        body = _body_decoder.decode(row.body)
        if body.run in runs:
            kept.setdefault(str(body.run), []).append((row.seq, bytes(body.core)))
    return kept


def _decided(entries: list[tuple[int, bytes]], position: int) -> Decided | None:
    if position >= len(entries):
        return None
    seq, raw = entries[position]
    core = _core_decoder.decode(raw)
    return Decided(entry=seq, tick=core.tick, step=core.step or "", action=core.action, outcome=core.outcome)
