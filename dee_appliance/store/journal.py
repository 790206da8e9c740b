"""The journal: applies one input after the other to the file. The loop, replay, simulation and the debugger all go through here.

`apply` is the whole road of an input: row of the queue → snapshot → kernel → entries and state. It runs inside a
transaction of the caller and reads no clock: the tick comes with the input. What the shell computes for an input
(renderings) comes through `Shell`, is recorded as `given`, and comes from the record when the same input is applied
again.

Order: before an input about a contact, that contact's due timers fire (the kernel does that). All other timers are
drained by `clock` inputs that carry their own limit.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import apsw
import msgspec
from blake3 import blake3
from msgspec.structs import replace

from dee_appliance.errors import EvidenceError
from dee_appliance.kernel.e1.compiled import CompiledPlan
from dee_appliance.kernel.e1.gate import Needed
from dee_appliance.kernel.e1.input import (
    Answered,
    Clock,
    ConsentSet,
    ContactErase,
    ContactInput,
    ContactPut,
    Enroll,
    Event,
    Pull,
    SuppressionSet,
    TaskDone,
    UnknownInput,
    Verb,
)
from dee_appliance.kernel.e1.rulebook import GateShared
from dee_appliance.kernel.e1.run import Attempt, Decision, Entry, Given, Permit, Run, Snapshot, scopes_of
from dee_appliance.kernel.e1.turn import file_core
from dee_appliance.kernel.epochs import newest_epoch
from dee_appliance.store.chain import Cause, Chain, ChainQueries, cause_bytes
from dee_appliance.store.file_inputs import FileInputs
from dee_appliance.store.queries import load_queries
from dee_appliance.store.rules_in_use import shared_for
from dee_appliance.store.state import State
from dee_appliance.store.vault import FILE, TEXTS, refused_field, texts_of

if TYPE_CHECKING:
    from dee_appliance.store.database import Database

INPUT_PREFIX = b"dee.input.v1\x00"
_encode = msgspec.json.Encoder(order="sorted").encode


class JournalQueries(msgspec.Struct, frozen=True, kw_only=True):
    """sql/queries/journal.sql."""

    append_document: str
    append_genesis: str
    append_given: str
    append_input: str
    append_seen: str
    select_genesis: str
    select_last_input: str
    select_seen: str
    insert_vault: str
    delete_vault: str


class Genesis(msgspec.Struct, frozen=True, kw_only=True):
    """What a file was made as. `epoch` is the tick that `dee log` shows as 0."""

    lineage: bytes
    epoch: int
    clock: str
    seed: int = 0
    semantics: int = msgspec.field(default_factory=newest_epoch)


class InputRow(msgspec.Struct, frozen=True, kw_only=True):
    """One row of the ordered queue."""

    seq: int
    tick: int
    received: int
    source: str
    kind: str
    payload: str


NeededBy = dict[str, Needed]
"""By digest of a plan: the counters that its rules read. The same for every candidate of one pull."""


class Brought(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What an inbox row carries beside its payload: personal data for the vault, documents by digest as (kind, body)."""

    vault: dict[str, dict[str, str]] = {}
    documents: dict[str, tuple[str, str]] = {}


class Shell(Protocol):
    """What stands between the kernel and the world while an input is applied."""

    def give(self, seq: int, ordinal: int, attempt: Attempt, run: Run, plan: CompiledPlan) -> Given:
        """Return the rendering of an attempt: made now in a live file, read from the record in a replay."""


class Candidate(msgspec.Struct, frozen=True, kw_only=True):
    """A send that the gate was asked about, with everything that decides the answer. `entry` is the seq of the next entry."""

    row: InputRow
    entry: int
    snapshot: Snapshot
    run: Run
    attempt: Attempt
    plan: CompiledPlan
    plans: dict[str, CompiledPlan]
    given: Given
    shared: GateShared


class Watcher(Protocol):
    """Looks at every question to the gate before its answer changes anything: the state is as the gate saw it."""

    def decided(self, state: State, candidate: Candidate, decision: Decision) -> None:
        """Be told what was decided about a candidate. Must not change the state."""


class Decided(msgspec.Struct, frozen=True, kw_only=True):
    """One decision about a contact with what it saw. `entry` is the seq of its first entry; `candidate` if the gate was asked."""

    row: InputRow
    entry: int
    snapshot: Snapshot
    decision: Decision
    candidate: Candidate | None


class Follower(Protocol):
    """Looks at every decision about a contact before it is written: the state is as the decision saw it."""

    def deciding(self, state: State, decided: Decided) -> None:
        """Be told what an input decides. Must not change the state."""


class NoShell:
    """A shell for callers that never pull: anything it is asked for is a mistake of the program."""

    def give(self, seq: int, ordinal: int, attempt: Attempt, run: Run, plan: CompiledPlan) -> Given:
        """Refuse."""
        raise AssertionError(f"no rendering here: input {seq}, {ordinal}, {attempt.send_key}, {run.run}, {plan.label}")


class Journal:
    """The queue, the chain and the state of one open file."""

    def __init__(
        self,
        database: Database,
        shell: Shell,
        *,
        keep_given: bool = True,
        watcher: Watcher | None = None,
        follower: Follower | None = None,
    ) -> None:
        self.database = database
        self._watcher = watcher
        self._follower = follower
        self._queries = load_queries(JournalQueries, "journal")
        self.shell = shell
        self._keep_given = keep_given
        row = database.one(self._queries.select_genesis)
        if row is None:
            raise EvidenceError("the file has no first row", where=str(database.path), hint="restore it from a copy")
        self.genesis = Genesis(lineage=row[0], epoch=row[1], semantics=row[2], clock=row[3], seed=row[4])
        self.chain = Chain(database, load_queries(ChainQueries, "chain"))
        self.state = State(database, self.genesis.lineage, self.genesis.semantics)
        self._files = FileInputs(self.state, self.chain)
        self._inputs: list[tuple[int, int, int, str, str, str]] = []
        self._given_rows: list[tuple[int, int, str]] = []
        self.permits: list[Permit] = []
        self._entered = ""
        """The run that the input which is being admitted has made; none if it made none."""
        self._load_end()

    def _load_end(self) -> None:
        last = self.database.one(self._queries.select_last_input)
        self.last_seq = 0 if last is None else int(last[0])
        self.last_tick = self.genesis.epoch if last is None else int(last[1])

    def reload(self) -> None:
        """Forget what was not committed, after a rollback."""
        self._inputs.clear()
        self._given_rows.clear()
        self.permits.clear()
        self.chain.reload()
        self.state.reload()
        self._load_end()

    def flush(self) -> None:
        """Write collected rows. Must be called before the commit."""
        try:
            if self._inputs:
                self.database.many(self._queries.append_input, self._inputs)
                self._inputs.clear()
            if self._given_rows:
                self.database.many(self._queries.append_given, self._given_rows)
                self._given_rows.clear()
            self.state.flush()
            self.chain.flush()
        except apsw.ConstraintError as error:
            raise self._contradiction(error) from error

    def take_permits(self) -> list[Permit]:
        """Return the permits that the gate made since the last call. They count only once the transaction has committed."""
        permits, self.permits = self.permits, []
        return permits

    # ---- admission ----

    def seen(self, source: str, token: str | None) -> bool:
        """Tell whether an input with this dedupe token was admitted before."""
        return token is not None and self.database.one(self._queries.select_seen, (source, token)) is not None

    def admit(
        self,
        tick: int,
        received: int,
        source: str,
        kind: str,
        payload: str,
        *,
        dedupe: str | None = None,
        brought: Brought | None = None,
    ) -> tuple[int, str]:
        """Append an input at the end of the queue and apply it. Returns its seq and its outcome (done or rejected:<code>)."""
        seq = self.last_seq + 1
        if dedupe is not None:
            self.database.execute(self._queries.append_seen, (source, dedupe, seq))
        if brought is not None:
            for digest, (document_kind, body) in brought.documents.items():
                self.database.execute(self._queries.append_document, (digest, document_kind, seq, body))
        row = InputRow(
            seq=seq, tick=max(tick, self.last_tick), received=received, source=source, kind=kind, payload=payload
        )
        self._entered = ""
        try:
            outcome = self.apply(row)
        except apsw.ConstraintError as error:
            raise self._contradiction(error) from error
        if brought is not None:
            self._keep(seq, brought.vault, refused=outcome.startswith("rejected:"))
        return seq, outcome

    def _contradiction(self, error: apsw.ConstraintError) -> EvidenceError:
        """What the kernel decided does not fit into the tables: they are not those that the inputs gave."""
        return EvidenceError(
            f"the tables contradict each other: {error}",
            where=str(self.database.path),
            hint="keep the file; run `dee verify --state`",
        )

    def _keep(self, seq: int, vault: dict[str, dict[str, str]], *, refused: bool) -> None:
        """Put personal data into the vault, if they are somebody's who can be erased: not of strangers, nor after an erasure.

        The texts of an enrolment belong to the run that it has made. What came with a refused input, or
        texts with one that made no run, are nobody's to read, and are kept for the erasure alone: it can only prove the
        absence of what it knows.
        """
        for contact, fields in vault.items():
            owner = self.state.contact(contact)
            if (owner.known and not owner.erased) or (contact == FILE and seq == 1):
                for field, value in fields.items():
                    if refused or (field == TEXTS and not self._entered):
                        kept = refused_field(field)
                    else:
                        kept = texts_of(self._entered) if field == TEXTS else field
                    self.database.execute(self._queries.insert_vault, (contact, kept, seq, value))

    def apply(self, row: InputRow) -> str:
        """Apply one input: append its row, ask the kernel, write what it decides. Returns done or rejected:<code>."""
        self._inputs.append((row.seq, row.tick, row.received, row.source, row.kind, row.payload))
        self.last_seq = row.seq
        self.last_tick = row.tick
        cause = Cause(row.seq, row.tick, cause_bytes(row.seq, input_digest(row)))
        before = self.chain.next_seq
        kernel = self.state.kernel
        try:
            value = kernel.decode_input(row.kind, row.payload)
        except UnknownInput:
            self.chain.append(kernel.malformed(row.tick, row.kind), cause.reference, None)
            return "rejected:malformed"
        match value:
            case Clock():
                outcome = self._clock(row, value, cause)
            case Pull():
                outcome = self._pull(row, value, cause)
            case (
                ContactPut()
                | ContactErase()
                | ConsentSet()
                | SuppressionSet()
                | Enroll()
                | Event()
                | Verb()
                | TaskDone()
                | Answered()
            ):
                outcome = self._contact(row, value, cause)
            case _:
                outcome = self._files.apply(row.seq, row.tick, value, cause)
        if self.chain.next_seq == before:
            self.chain.append(kernel.nothing_to_do(row.tick, row.kind), cause.reference, None)
        return outcome

    def _write(
        self, row: InputRow, snapshot: Snapshot, decision: Decision, cause: Cause, candidate: Candidate | None = None
    ) -> None:
        if self._follower is not None:
            entry = self.chain.next_seq
            decided = Decided(row=row, entry=entry, snapshot=snapshot, decision=decision, candidate=candidate)
            self._follower.deciding(self.state, decided)
        self.state.apply(decision, snapshot, self.chain, cause)

    # ---- inputs about one contact ----

    def _contact(self, row: InputRow, value: ContactInput, cause: Cause) -> str:
        snapshot, subject = self._subject(row.tick, value)
        plans = self.state.plans_of(snapshot)
        if isinstance(value, Enroll):
            digest = self.state.plan_digest(value.plan, value.version)
            if digest is not None:
                plans[""] = self.state.plan(digest)
        decision = self.state.kernel.decide(snapshot, value, plans, self.state.zones(), subject=subject)
        self._write(row, snapshot, decision, cause)
        if decision.enrolment is not None:
            self._entered = next(run.run for run in decision.runs if run.no == snapshot.next_run_no)
        if decision.erase:
            self.database.execute(self._queries.delete_vault, (snapshot.contact.contact,))
        return decision.outcome

    def _subject(self, tick: int, value: ContactInput) -> tuple[Snapshot, int | None]:
        """Find whom the input is about, and fetch the snapshot. The second value is the number of the run that it names."""
        match value:
            case Enroll():
                return self.state.snapshot(tick, value.contact, plan=value.plan), None
            case ContactPut():
                snapshot = self.state.snapshot(tick, value.contact)
                subjects = (value.contact, *value.tokens.values())
                snapshot.contact = replace(snapshot.contact, suppressions=self.state.suppressions(subjects))
                snapshot.taken_addresses = tuple(kind for kind in sorted(value.tokens) if self._taken(value, kind))
                return snapshot, None
            case ContactErase() | ConsentSet() | Event(send_key=""):
                return self.state.snapshot(tick, value.contact), None
            case SuppressionSet():
                contact = value.subject if value.subject.startswith("c_") else self.state.contact_of(value.subject)
                if contact is None:
                    return self.state.subject_snapshot(tick, value.subject), None
                return self.state.snapshot(tick, contact), None
            case Verb() | TaskDone():
                run = self.state.run_by_id(value.run)
                if run is None:
                    return self.state.snapshot(tick, ""), None
                return self.state.snapshot(tick, run.contact, run_no=run.no), run.no
            case Answered():
                return self._of_attempt(tick, self.state.attempt(value.send_key, value.attempt))
            case Event():
                return self._of_attempt(tick, self.state.attempt(value.send_key, None), value.contact)

    def _taken(self, put: ContactPut, kind: str) -> bool:
        """Tell whether another contact, who was not erased, has this address."""
        owner = self.state.contact_of(put.tokens[kind])
        return owner not in (None, put.contact) and not self.state.contact(str(owner)).erased

    def _of_attempt(self, tick: int, about: Attempt | None, contact: str = "") -> tuple[Snapshot, int | None]:
        if about is None:
            return self.state.snapshot(tick, contact), None
        return self.state.snapshot(tick, about.contact, run_no=about.run_no, about=about), about.run_no

    # ---- the clock ----

    def _clock(self, row: InputRow, value: Clock, cause: Cause) -> str:
        left = value.limit
        for hold in self.state.holds:
            if hold.until is not None and hold.until <= row.tick and left > 0:
                left -= 1
                self.chain.append(self.state.kernel.hold_released(row.tick, hold), cause.reference, None)
                self.state.write_holds((), ((hold.scope, hold.reason),), 0)
        for run_no in self.state.due_runs(row.tick, left):
            self._due(row, run_no, cause)
        return "done"

    def _due(self, row: InputRow, run_no: int, cause: Cause) -> None:
        run = self.state.run_by_no(run_no)
        # A run of the same contact may have ended this one a moment ago.
        if run is None or run.due is None or run.due > row.tick:
            return
        snapshot = self.state.snapshot(row.tick, run.contact, run_no=run_no)
        decision = self.state.kernel.decide_due(snapshot, run_no, self.state.plans_of(snapshot), self.state.zones())
        self._write(row, snapshot, decision, cause)

    # ---- the dispatch pull ----

    def _pull(self, row: InputRow, value: Pull, cause: Cause) -> str:
        needed: NeededBy = {}
        for ordinal, queued in enumerate(self.state.queue(value.channel, value.n)):
            attempt = self.state.attempt(queued.send_key, queued.attempt)
            # An earlier candidate of this pull may have stopped the queue, or ended this run.
            if attempt is not None and attempt.state == "INTENDED" and not self._held(attempt):
                self._candidate(row, ordinal, attempt, cause, needed=needed)
        return "done"

    def _candidate(self, row: InputRow, ordinal: int, attempt: Attempt, cause: Cause, *, needed: NeededBy) -> None:
        snapshot = self.state.snapshot(row.tick, attempt.contact, run_no=attempt.run_no, about=attempt)
        run = next(one for one in snapshot.runs if one.no == attempt.run_no)
        plans = self.state.plans_of(snapshot)
        plan = plans[run.digest]
        given = self._given(row.seq, ordinal, attempt, run, plan)
        zones = self.state.zones()
        book = self.state.book(plan, attempt.channel)
        wanted = needed.get(run.digest)
        if wanted is None:
            wanted = self.state.kernel.needed_counters(book.rules, plan.plan, attempt.channel, zones, row.tick)
            needed[run.digest] = wanted
        shared = shared_for(self.state, book, wanted, snapshot.contact, attempt.channel, tick=row.tick)
        decision = self.state.kernel.decide_pull(snapshot, run.no, given, shared, plans=plans, zones=zones)
        candidate = None
        if self._watcher is not None or self._follower is not None:
            candidate = Candidate(
                row=row,
                entry=self.chain.next_seq,
                snapshot=snapshot,
                run=run,
                attempt=attempt,
                plan=plan,
                plans=plans,
                given=given,
                shared=shared,
            )
        if self._watcher is not None and candidate is not None:
            self._watcher.decided(self.state, candidate, decision)
        self._write(row, snapshot, decision, cause, candidate)
        if decision.permit is not None:
            self.permits.append(decision.permit)

    def _held(self, attempt: Attempt) -> bool:
        scopes = scopes_of(attempt.plan, attempt.channel)
        return any(hold.scope in scopes for hold in self.state.holds)

    def _given(self, seq: int, ordinal: int, attempt: Attempt, run: Run, plan: CompiledPlan) -> Given:
        given = self.shell.give(seq, ordinal, attempt, run, plan)
        if self._keep_given:
            self._given_rows.append((seq, ordinal, _encode(given).decode()))
        return given


def input_digest(row: InputRow) -> bytes:
    """Return the digest by which entries name an input: BLAKE3 over a prefix and the row as a canonical JSON array."""
    return blake3(INPUT_PREFIX + _encode((row.seq, row.tick, row.received, row.source, row.kind, row.payload))).digest()


def write_genesis(database: Database, genesis: Genesis) -> None:
    """Write the first row of a new file and the first link of its chain. Runs in the transaction that makes the file.

    The first entry has one form in every epoch: before it is read, nobody knows which one decides.
    """
    queries = load_queries(JournalQueries, "journal")
    database.execute(
        queries.append_genesis,
        (genesis.lineage, genesis.epoch, genesis.semantics, genesis.clock, genesis.seed),
    )
    chain = Chain(database, load_queries(ChainQueries, "chain"))
    detail: dict[str, object] = {
        "lineage": genesis.lineage.hex(),
        "semantics": genesis.semantics,
        "clock": genesis.clock,
        "seed": genesis.seed,
    }
    chain.append(Entry(core=file_core(genesis.epoch, "genesis", "made", detail)), cause_bytes(0, bytes(32)), None)
    chain.flush()
