"""Stops of one run: what each input that touched it met, saw, decided and wrote, taken down while the file is replayed.

A stop is one input that touched the run: that wrote an entry of it, changed it or one of its attempts, or asked the gate about
it. Each is put aside as bytes, about two kilobytes, so that memory grows with the run and not with the file.
"""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Literal

import msgspec

from dee_appliance.errors import HostError
from dee_appliance.kernel.e1.rulebook import places_of
from dee_appliance.kernel.e1.turn import Turn
from dee_appliance.runtime.debug_picture import (
    Change,
    Picture,
    changes,
    picture_of_attempts,
    picture_of_contact,
    picture_of_counters,
    picture_of_holds,
    picture_of_question,
    picture_of_run,
    picture_of_runs,
)
from dee_appliance.runtime.gate_words import Asked
from dee_appliance.runtime.reading import View
from dee_appliance.runtime.reports_gate import GateReader, Rung, rules_in_use
from dee_appliance.runtime.reports_log import Log, LogLine
from dee_appliance.runtime.reports_next import NextAction, next_action
from dee_appliance.runtime.reports_timeline import Moment, Teller, plan_of_label
from dee_appliance.runtime.reports_view import Instant

if TYPE_CHECKING:
    from dee_appliance.kernel.e1.run import Attempt, Run, Snapshot
    from dee_appliance.store.chain import Linked
    from dee_appliance.store.journal import Candidate, Decided, InputRow, Journal
    from dee_appliance.store.state import State

Counters = dict[tuple[str, str], tuple[int, int]]
CauseOfStop = Literal["input", "clock", "gate"]
COMPRESSION = 1


class StopInput(msgspec.Struct, frozen=True, kw_only=True):
    """The input as the queue has it. `payload` is decoded JSON, or the text itself when it is none; never personal data."""

    seq: int
    received: Instant
    source: str
    kind: str
    payload: object


class Stop(msgspec.Struct, frozen=True, kw_only=True):
    """One input that touched the run.

    `snapshot` is what the decision saw, `since` what had changed between the stop before and this one, `changes` what this input
    did; names as in debug_picture. `entries` are the run's, `beside` what the same decision wrote outside it; `moments` say both
    in words, with the verdict of the gate rule by rule. `next` is what the run would do next, seen from here. `same` is False
    when the entries are not the recorded ones.
    """

    number: int
    input: StopInput
    at: Instant
    run: str
    contact: str
    status: str
    reason: str
    step: str
    visit: int
    by: tuple[CauseOfStop, ...]
    snapshot: dict[str, object]
    since: tuple[Change, ...]
    changes: tuple[Change, ...]
    entries: tuple[LogLine, ...]
    beside: tuple[LogLine, ...]
    moments: tuple[Moment, ...]
    next: NextAction
    same: bool

    @property
    def asked_gate(self) -> bool:
        """Whether the gate was asked about a send of the run."""
        return any(moment.gate for moment in self.moments)

    @property
    def failed(self) -> bool:
        """Whether something was refused, failed, or is unknown."""
        return any(moment.mark in ("stopped", "unknown") for moment in self.moments)

    @property
    def sent(self) -> bool:
        """Whether a send of the run was handed over."""
        return any(moment.outcome == "dispatched" for moment in self.moments)


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Stop)


def unpack(packed: bytes) -> Stop:
    """Return a stop that was put aside."""
    return _decoder.decode(zlib.decompress(packed))


class _Touched(msgspec.Struct, frozen=True):
    """One decision that touches the run, the picture before it, and the counters that it changes."""

    decided: Decided
    before: Picture
    counters: Counters


class StopRecorder:
    """Takes the stops of one run down. Implements replay's Follower."""

    def __init__(self, run: str) -> None:
        self._id = run
        self._attempts: dict[int, Attempt] = {}
        self._touched: list[_Touched] = []
        self._last: Picture | None = None
        self._diverged = False
        self.stops: list[bytes] = []
        self.epoch = 0

    def begin(self, journal: Journal) -> None:
        """Look at the throw-away database through the state of the replay."""
        self._journal = journal
        self._state = journal.state
        self.epoch = journal.genesis.epoch
        self._view = View(journal.database, journal.state)
        self._log = Log(self._view)

    # ---- while an input is decided ----

    def deciding(self, state: State, decided: Decided) -> None:
        """Look at a decision before it is written."""
        if self._diverged or not self._concerns(decided):
            return
        counters = state.counters([(one.name, one.bucket) for one in decided.decision.counters])
        before = self._picture(self._run_in(decided.snapshot.runs), decided.snapshot, counters)
        self._touched.append(_Touched(decided, before, counters))

    def _concerns(self, decided: Decided) -> bool:
        decision, candidate = decided.decision, decided.candidate
        return (
            (candidate is not None and candidate.run.run == self._id)
            or any(entry.run == self._id for entry in decision.entries)
            or any(attempt.run == self._id for attempt in decision.attempts)
            or self._run_in(decision.runs) not in (None, self._run_in(decided.snapshot.runs))
        )

    def _run_in(self, runs: tuple[Run, ...]) -> Run | None:
        return next((one for one in runs if one.run == self._id), None)

    def _picture(self, run: Run | None, snapshot: Snapshot, counters: Counters) -> Picture:
        epoch = self.epoch
        own = {} if run is None else picture_of_run(run, self._state.plan(run.digest).label, epoch)
        return {
            **own,
            **picture_of_attempts((self._attempts[no] for no in sorted(self._attempts)), epoch),
            **picture_of_runs(snapshot.runs, self._id),
            **picture_of_contact(snapshot.contact, epoch),
            **picture_of_holds(self._state.holds, epoch),
            **picture_of_counters(counters),
        }

    # ---- when it is applied ----

    def applied(self, row: InputRow, entries: tuple[Linked, ...], *, same: bool) -> None:
        """Put a stop aside if the input touched the run."""
        touched, self._touched = self._touched, []
        self._diverged = not same
        if not touched:
            return
        try:
            self._journal.flush()
            stop = self._stop(row, touched, entries, same=same)
        except (HostError, MemoryError):
            raise
        except (
            Exception
        ):  # a changed record can hold values that no sentence has a place for; the divergence tells of them
            if same:
                raise
        else:
            self.stops.append(zlib.compress(_encoder.encode(stop), COMPRESSION))

    def _stop(self, row: InputRow, touched: list[_Touched], entries: tuple[Linked, ...], *, same: bool) -> Stop:
        decisions = [one.decided for one in touched]
        before = touched[0].before
        run = self._run_after(decisions)
        snapshot = self._state.snapshot(row.tick, run.contact, run_no=run.no)
        after = self._picture(run, snapshot, self._counters_after(touched))
        since = () if self._last is None else changes(_lasting(self._last), _lasting(before))
        self._last = after
        told = _Told(self._view, self._log, run)
        own, beside = told.lines(entries, decisions)
        return Stop(
            number=len(self.stops) + 1,
            input=self._input(row, told),
            at=told.times.at(row.tick),
            run=run.run,
            contact=run.contact,
            status=run.status,
            reason=run.reason,
            step=run.step,
            visit=run.visit,
            by=tuple(_cause(one) for one in decisions),
            snapshot=self._saw(touched),
            since=since,
            changes=changes(before, after),
            entries=own,
            beside=beside,
            moments=told.moments(sorted((*own, *beside), key=_position), decisions),
            next=next_action(self._view, run, told.times),
            same=same,
        )

    def _run_after(self, decisions: list[Decided]) -> Run:
        for one in decisions:
            for attempt in one.decision.attempts:
                if attempt.run == self._id:
                    self._attempts[attempt.no] = attempt
        run = self._state.run_by_id(self._id)
        assert run is not None  # a decision has just changed it
        return run

    def _saw(self, touched: list[_Touched]) -> Picture:
        found = dict(touched[0].before)
        for one in touched:
            if one.decided.candidate is not None:
                found |= picture_of_question(one.decided.candidate, self.epoch)
        return found

    def _counters_after(self, touched: list[_Touched]) -> Counters:
        """Counters as these decisions left them: other sends of the same pull may have moved them on since."""
        found: Counters = {}
        for one in touched:
            for change in one.decided.decision.counters:
                key = (change.name, change.bucket)
                settled, reserved = found.get(key) or one.counters[key]
                found[key] = (settled + change.settled, reserved + change.reserved)
        return found

    def _input(self, row: InputRow, told: _Told) -> StopInput:
        try:
            payload: object = msgspec.json.decode(row.payload)
        except (msgspec.DecodeError, RecursionError):
            payload = row.payload
        received = told.times.at(row.received)
        return StopInput(seq=row.seq, received=received, source=row.source, kind=row.kind, payload=payload)


class _Told:
    """Says what one input wrote, in the words of `dee log` and `dee why`."""

    def __init__(self, view: View, log: Log, run: Run) -> None:
        contact = view.state.contact(run.contact)
        self._view = view
        self._log = log
        self._run = run
        self._plan = view.state.plan(run.digest)
        self._teller = Teller(view, log, contact)
        self.times = self._teller.times

    def lines(
        self, entries: tuple[Linked, ...], decisions: list[Decided]
    ) -> tuple[tuple[LogLine, ...], tuple[LogLine, ...]]:
        """Return the entries of the run, and what the same decisions wrote beside it."""
        decided = {one.entry + position for one in decisions for position in range(len(one.decision.entries))}
        lines = [self._log.decode(entry) for entry in entries]
        own = tuple(line for line in lines if line.run == self._run.run)
        return own, tuple(line for line in lines if line.seq in decided and line.run != self._run.run)

    def moments(self, lines: list[LogLine], decisions: list[Decided]) -> tuple[Moment, ...]:
        """Return entries in words. One that holds a whole queue names no ladder: the kernel is asked for it once more."""
        held = {one.entry: one.candidate for one in decisions if one.candidate is not None and one.decision.holds}
        told: list[Moment] = []
        for line in lines:
            plan = self._plan if line.run == self._run.run else plan_of_label(self._view, line.plan)
            moment = self._teller.moment(line, plan)
            candidate = held.get(line.seq)
            if candidate is not None and not moment.gate:
                moment = msgspec.structs.replace(moment, gate=self._ladder(candidate))
            told.append(moment)
        return tuple(told)

    def _ladder(self, candidate: Candidate) -> tuple[Rung, ...]:
        state = self._view.state
        turn = Turn(candidate.snapshot, candidate.plans, state.zones())
        verdict = state.kernel.verdict_on(turn, candidate.run, candidate.attempt, candidate.given, candidate.shared)
        in_use = rules_in_use(state)
        zones = places_of(candidate.snapshot.contact).zones
        return GateReader(self._view, self._log).rungs(
            (*verdict.ladder, *verdict.rest),
            candidate.attempt.channel,
            rules={rule.id: rule for rule in candidate.shared.book.rules},
            in_use=in_use,
            asked=Asked(tick=candidate.row.tick, saw=verdict.saw, policy=in_use.policy, zones=zones),
        )


def _lasting(picture: Picture) -> Picture:
    """What a picture always has: counters stand in it only where the input moves them."""
    return {name: value for name, value in picture.items() if not name.startswith("counter.")}


def _cause(decided: Decided) -> CauseOfStop:
    if decided.candidate is not None:
        return "gate"
    return "clock" if decided.row.kind == "clock" else "input"


def _position(line: LogLine) -> int:
    return line.seq
