"""What must hold after every step, looked at incrementally: each new input and entry is read once, and fed to a second journal.

Only what is durable is looked at: what a killed process has left unsynced may still be taken by a power cut, and nobody has been
told of it.
"""

from __future__ import annotations

import hashlib
import subprocess
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import msgspec
from gate_audit import Auditor
from gate_books import About
from kernel_invariants import faults_of_file
from replayed_files import Recorded

from dee_appliance.kernel.e1.encoding import canonical, core_hash
from dee_appliance.replay.compare_state import compare_tables
from dee_appliance.runtime.shell import LiveShell
from dee_appliance.store.database import open_scratch
from dee_appliance.store.journal import InputRow, Journal, write_genesis
from dee_appliance.store.tip import TipAgrees

if TYPE_CHECKING:
    from sim_world import World

    from dee_appliance.channels.interface import Message
    from dee_appliance.kernel.e1.compiled import CompiledPlan
    from dee_appliance.kernel.e1.run import Attempt, Given, Run
    from dee_appliance.store.database import Database

BRINGS = ("plan.publish", "policy.set", "pack.use", "zones.use")
TABLES_EVERY = 150
SENDS = ("send_email", "send_sms", "call")


class Watch:
    """The eyes on one file."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.checks: Counter[str] = Counter()
        self.seq = 0
        self.entries = 0
        self.tick = 0
        self.latest_wall = 0
        self.shifts: dict[str, int] = {}
        self._leaf = bytes(32)
        self._heads: dict[str, tuple[int, str]] = {}
        self._digest = hashlib.sha256()
        self._scratch: Database | None = None
        self._journal: Journal | None = None
        self._shell: Recorded | None = None
        self._about: dict[int, About | None] = {}
        self._units: dict[tuple[str, str, int], tuple[int, tuple[str, ...]]] = {}
        self._documents: dict[str, Any] = {}
        self._source: Database | None = None
        self.auditor = Auditor(self._document, self._given, world.case.seed)
        self.resends: Counter[str] = Counter()
        self._looks = 0

    # -- the trace --

    def trace(self, line: str) -> None:
        """Add a line to what the digest is made of."""
        self._digest.update(line.encode() + b"\n")

    @property
    def digest(self) -> str:
        """What this story was, in a few letters."""
        return self._digest.hexdigest()[:16]

    # -- after every step --

    def look(self, database: Database) -> None:
        """Read what is new. Raises Broken."""
        world = self._world
        if world.copying or database.in_transaction or not self._durable():
            return
        wall = world.start + (world.now_ms + world.skew_ms) // 1_000
        self.latest_wall = max(self.latest_wall, wall)
        inputs = database.execute(
            "SELECT seq, tick, received, source, kind, payload FROM input WHERE seq > ? ORDER BY seq", (self.seq,)
        )
        if not inputs and self.entries:
            return
        self._looks += 1
        entries = database.execute("SELECT seq, body, leaf FROM audit WHERE seq >= ? ORDER BY seq", (self.entries,))
        if self.entries:
            kept = database.one("SELECT leaf FROM audit WHERE seq = ?", (self.entries - 1,))
            self._must(kept == (self._leaf,), "chain", f"entry {self.entries - 1} is lost, or another one")
        by_input: dict[int, list[dict[str, Any]]] = {}
        for row in entries:
            entry = self._entry(*row)
            by_input.setdefault(entry["input"]["seq"], []).append(entry)
        self._fed(database, inputs, entries, by_input)
        for fault in world.acknowledged.faults(database):
            self._must(False, "acknowledged is durable", fault)
        self.checks["acknowledged is durable"] += 1

    def _must(self, holds: bool, invariant: str, what: str) -> None:
        self.checks[invariant] += 1
        if not holds:
            self._world.broken(invariant, what)

    def _durable(self) -> bool:
        disk, path = self._world.disk, str(self._world.path)
        return disk.is_synced(path) and disk.is_synced(path + "-wal")

    def _entry(self, seq: int, body: str, leaf: bytes) -> dict[str, Any]:
        """The chain: places, links, hashes, and the chain of each run."""
        raw = body.encode()
        entry: dict[str, Any] = msgspec.json.decode(raw)
        self._must(seq == self.entries == entry["seq"], "chain", f"entry {seq} stands where {self.entries} should")
        linked = seq == 0 or entry["prev"] == self._leaf.hex()
        self._must(linked and hashlib.sha256(b"\0" + raw).digest() == leaf, "chain", f"entry {seq} is not linked")
        self._leaf, self.entries = leaf, seq + 1
        self.trace(leaf.hex())
        run, core = entry.get("run"), entry["core"]
        if run is not None:
            rs, rp = self._heads.get(run, (0, None))
            self._must((core["rs"], core["rp"]) == (rs, rp or core["rp"]), "run heads", f"entry {seq}: {core}")
            self._heads[run] = (rs + 1, core_hash(canonical(core)))
        if self._world.story is not None:
            self._world.say(f"    [{seq}] {run or ''} {core['step'] or ''} {core['action']} {core['outcome']}")
        return entry

    # -- the second journal --

    def _fed(
        self, database: Database, inputs: list[Any], entries: list[Any], by_input: dict[int, list[dict[str, Any]]]
    ) -> None:
        if self._journal is None:
            self._begin(database)
        assert self._scratch is not None
        assert self._journal is not None
        self._source = database
        self._shell_reads(database)
        recorded = iter([one for one in entries if one[0] > 0])
        with self._scratch.transaction():
            for values in inputs:
                row = InputRow(**dict(zip(InputRow.__struct_fields__, values, strict=True)))
                self._input(database, row, by_input.get(row.seq, []), recorded)
            self._journal.flush()
        if self._looks % TABLES_EVERY == 0:
            self.compare(database)

    def _begin(self, database: Database) -> None:
        genesis = Journal(database, Recorded(database)).genesis
        self._scratch = open_scratch(reverse_unordered=True).__enter__()
        with self._scratch.transaction():
            write_genesis(self._scratch, genesis)
        self._shell = Recorded(database)
        self._journal = Journal(self._scratch, self._shell, keep_given=True)
        self.tick = genesis.epoch

    def _shell_reads(self, database: Database) -> None:
        assert self._shell is not None
        self._shell._database = database

    def _input(self, database: Database, row: InputRow, own: list[dict[str, Any]], recorded: Iterator[Any]) -> None:
        """One input: in order, at its time, with the entries that it gives."""
        journal, scratch = self._journal, self._scratch
        assert journal is not None
        assert scratch is not None
        self._must(row.seq == self.seq + 1, "inputs", f"input {row.seq} comes after {self.seq}")
        early = row.tick > self.latest_wall and row.tick != self.tick
        self._must(row.tick >= self.tick and not early, "ticks", f"input {row.seq}: {row.tick} after {self.tick}")
        self.seq, self.tick = row.seq, row.tick
        if row.kind in BRINGS:
            digest = msgspec.json.decode(row.payload)["digest"]
            for document in database.execute("SELECT * FROM document WHERE seq = ? ORDER BY 1", (row.seq,)):
                scratch.execute("INSERT INTO document VALUES (?, ?, ?, ?)", document)
            self._documents.pop(digest, None)
        due: set[str] = set()
        if row.kind == "clock":
            journal.flush()
            due = {
                run
                for (run,) in scratch.execute(
                    "SELECT run FROM run WHERE contact IN (SELECT contact FROM run JOIN timer USING (run_no) WHERE due <= ?)"
                    " ORDER BY run",
                    (row.tick,),
                )
            }
        journal.apply(row)
        for seq, body, leaf in journal.chain.pending():
            there = next(recorded, None)
            self._must(there == (seq, body, leaf), "replay", f"input {row.seq} gives {body}, the log has {there}")
        journal.chain.flush()
        for entry in own:
            if row.kind == "clock" and entry.get("run"):
                self._must(entry["run"] in due, "no wake early", f"{entry['run']} wakes at {row.tick}: {entry['core']}")
            if entry["core"]["outcome"] == "dispatched":
                self._dispatched(entry)
        self._audited(row, own)

    def _dispatched(self, entry: dict[str, Any]) -> None:
        """No send after its send_by."""
        assert self._journal is not None
        evidence, core = entry["evidence"], entry["core"]
        attempt = self._journal.state.attempt(evidence["send"], evidence["attempt"])
        run = self.auditor.runs[entry["run"]]
        step = next(one for one in run["plan"]["steps"] if one["id"] == core["step"])
        latest = step.get("send_by_s")
        assert attempt is not None
        in_time = latest is None or core["tick"] <= attempt.entered + latest
        self._must(in_time, "nothing after send_by", f"{entry['run']} at {core['tick']}")

    def compare(self, database: Database) -> None:
        """Whether every table of state is what the inputs give."""
        assert self._journal is not None
        assert self._scratch is not None
        if self._source is None or self.seq != database.execute("SELECT coalesce(max(seq), 0) FROM input")[0][0]:
            return
        found = compare_tables(self._scratch, database)
        self._must(not found, "state", "; ".join(map(str, found)))
        runs, enrolled = database.execute(
            "SELECT (SELECT count(*) FROM run), coalesce(sum(ordinal), 0) FROM enrolment"
        )[0]
        self._must(runs == enrolled == len(self.auditor.runs), "conservation", f"{enrolled} enrolled, {runs} runs")
        faults = list(faults_of_file(self._journal))
        self._must(not faults, "state explains itself", "; ".join(faults))

    # -- the auditor of the gate --

    def _audited(self, row: InputRow, entries: list[dict[str, Any]]) -> None:
        try:
            payload = msgspec.json.decode(row.payload)
            self.auditor.step(row.kind, payload, row.tick, entries, self._about.pop(row.seq, None))
        except (AssertionError, KeyError, StopIteration, IndexError) as error:
            self._must(False, "books", f"input {row.seq} {row.kind}: {error!r}")
        self._must(not self.auditor.faults, "verdicts", "; ".join(self.auditor.faults[:3]))

    def _document(self, digest: str) -> dict[str, Any]:
        if digest not in self._documents:
            assert self._source is not None
            row = self._source.one("SELECT kind, body FROM document WHERE digest = ?", (digest,))
            assert row is not None
            zones = row[0] == "zones"
            self._documents[digest] = {"shift_s": self.shifts.get(digest, 0)} if zones else msgspec.json.decode(row[1])
        found: dict[str, Any] = self._documents[digest]
        return found

    def _given(self, run: str, step: str, visit: int) -> tuple[int, tuple[str, ...]]:
        return self._units[run, step, visit]

    @contextmanager
    def observing(self) -> Iterator[None]:
        """Note in passing what no entry tells: what an event was about when it came, and what rendering gave."""
        give, apply, watch = LiveShell.give, Journal.apply, self

        def giving(shell: LiveShell, seq: int, ordinal: int, attempt: Attempt, run: Run, plan: CompiledPlan) -> Given:
            given = give(shell, seq, ordinal, attempt, run, plan)
            watch._units[run.run, attempt.step, attempt.visit] = (given.units, given.features)
            return given

        def applying(journal: Journal, row: InputRow) -> str:
            if row.kind == "event" and journal is not watch._journal:
                watch._about[row.seq] = _about(journal, msgspec.json.decode(row.payload).get("send_key", ""))
            return apply(journal, row)

        LiveShell.give, Journal.apply = giving, applying  # type: ignore[method-assign, assignment]
        try:
            yield
        finally:
            LiveShell.give, Journal.apply = give, apply  # type: ignore[method-assign]
            if self._scratch is not None:
                self._scratch.close()

    # -- the moment of the handing over --

    def handed_over(self, permit: Any, message: Message) -> None:
        """What must be true before bytes leave."""
        world = self._world
        self._must(not world.copying, "a copy sends nothing", f"{message.send_key} leaves")
        self._must(not world.faulty_life, "no send after a storage error", f"{message.send_key} leaves")
        appliance = world.appliance
        assert appliance is not None
        database = appliance.database
        key = (message.send_key, message.attempt)
        marks = database.execute(
            "SELECT mark FROM ledger JOIN attempt USING (attempt_no) WHERE attempt.send_key = ? AND attempt.attempt = ?"
            " ORDER BY mark",
            key,
        )
        marked = marks == [("DISPATCHING",)] and not database.in_transaction and self._durable()
        self._must(marked, "provider ledger within durable intents", f"{key} leaves with the marks {marks}")
        lineage = appliance.journal.genesis.lineage
        tip = world.state.read_tip(lineage)
        chain = appliance.journal.chain
        folder = world.state.root / lineage.hex()
        current = isinstance(appliance.check_tip(), TipAgrees) and tip is not None and tip.size == chain.next_seq
        current = current and world.disk.is_synced(str(folder / "tip")) and world.disk.is_synced(str(folder / "sends"))
        self._must(current, "the tip before the bytes", f"{key} leaves while the tip is {tip}")
        no = world.acknowledged.stands_against(permit.contact, message.channel)
        self._must(not no, "nothing after an opt-out", f"{message.channel} to {permit.contact} leaves")
        waits = database.execute("SELECT id, kind FROM inbox WHERE ready = 1 ORDER BY id")
        self._must(not waits, "nothing leaves past a row that waits", f"{key} leaves before {waits[:3]}")

    def erased(self, addresses: set[str]) -> None:
        """What is said to be erased is in no byte of the file and its WAL. Read elsewhere: here it would cost the locks."""
        path = str(self._world.path)
        read = subprocess.run(["cat", path, f"{path}-wal"], capture_output=True, check=False).stdout
        left = sorted(address for address in addresses if address.encode() in read)
        self._must(not left, "what is erased is gone", f"{left} is still there")


def _about(journal: Journal, send_key: str) -> About | None:
    attempt = journal.state.attempt(send_key, None) if send_key else None
    if attempt is None:
        return None
    run = journal.state.run_by_no(attempt.run_no)
    assert run is not None
    plan = journal.state.plan(run.digest).plan
    return About(run.contact, run.run, attempt.attempt, attempt.to, plan.plan, plan.purpose, dict(run.variables))
