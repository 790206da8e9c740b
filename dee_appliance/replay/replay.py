"""replay: the same kernel, fed with the recorded inputs, must give the recorded entries, byte for byte.

A replay reads the first row, the inputs, the documents and the recorded renderings of a file, and nothing else; it
applies them in order to an empty throw-away database, through the same Journal that the loop uses, and compares each
entry with the log as it comes. At the first difference it says where, which field, and why.

Rules a change must keep: no second engine, so whatever an input does, it does in Journal.apply; memory does not grow
with the file; the file that is read is never written to, and no channel can be reached from here (the layer rules
forbid the import).
"""

from __future__ import annotations

import tempfile
from collections import deque
from collections.abc import Callable
from contextlib import contextmanager, suppress
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from msgspec.structs import replace

from dee_appliance.errors import Divergence, EvidenceError, HostError, Newer, Refused
from dee_appliance.kernel.e1.encoding import document_digest
from dee_appliance.replay.cause import MEANING, NEXT
from dee_appliance.replay.chain_check import pinned_documents
from dee_appliance.replay.difference import ABSENT
from dee_appliance.replay.divergence import (
    CONTEXT,
    WINDOW,
    FirstDivergence,
    Mismatch,
    Surroundings,
    caused_by,
    describe,
)
from dee_appliance.replay.entry_form import lenient, part
from dee_appliance.replay.finding import Finding, Findings
from dee_appliance.replay.follower import Follower
from dee_appliance.replay.newer_file import newer_here, refuse_newer_plan
from dee_appliance.replay.reading import (
    Progress,
    ReadFrom,
    ReplayQueries,
    how_read,
    last_input,
    open_evidence,
    open_rows,
    queries,
    read_document,
    read_documents,
    read_entries,
    read_genesis,
    read_given,
    read_inputs,
)
from dee_appliance.replay.recorded_shell import RecordedShell, RendererReport, Rerender, not_covered
from dee_appliance.replay.run_heads import write_heads
from dee_appliance.replay.verify import check_database
from dee_appliance.store.database import Database, open_scratch
from dee_appliance.store.header import size_or_zero
from dee_appliance.store.journal import InputRow, Journal, JournalQueries, Watcher, write_genesis
from dee_appliance.store.queries import load_queries
from dee_appliance.store.tip import Tip
from dee_appliance.store.versions import kernel_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dee_appliance.replay.reading import EntryRow

BATCH = 1_000
"""Entries after which the throw-away database commits: what a transaction undoes lies in memory."""

IN_MEMORY_BYTES = 32 << 20
"""Files up to this size are replayed in memory, larger ones into a temporary file."""

PROGRESS_EVERY = 500


class RunTrace(msgspec.Struct, frozen=True, kw_only=True):
    """The entries of one run on both sides, as bodies in the order of the log."""

    run: str
    recorded: tuple[str, ...]
    replayed: tuple[str, ...]


class ReplayReport(msgspec.Struct, frozen=True, kw_only=True):
    """What a replay gave. `entries` is the number of entries that were the same; `heads` maps each run to (rs, rp)
    and is empty when the entries differ. `lineage` and `epoch` (UTC seconds, shown as tick 0) say which file it is.
    """

    path: str
    lineage: str
    epoch: int
    read_from: ReadFrom
    same: bool
    entries: int
    inputs: int
    documents: int
    given: int
    heads: dict[str, tuple[int, str]]
    divergence: FirstDivergence | None
    renderer: RendererReport | None = None
    run: RunTrace | None = None
    not_covered: tuple[str, ...] = ()

    def error(self) -> Divergence | None:
        """Return what to raise when a replay must be the same, None when it is."""
        if self.divergence is None:
            return None
        return Divergence(str(self.divergence), where=self.path, hint=self.divergence.next)


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """How to replay. `untrusted`: somebody else made the file; `scratch`: the folder for what is thrown away.

    `watcher` is told of every question to the gate, `follower` of every decision and input. `reverse_unordered` is for tests:
    rows without an ORDER BY come the other way round. `heads_to` is a file to be written with the head of every run, sorted by
    run. `tip` is what is remembered of the log outside the file: it tells a log that was written anew from another engine.
    `twice`: blame the engine only when a second replay gives the same.
    """

    untrusted: bool = False
    heads: bool = True
    rerender: Rerender | None = None
    out_of_time: Callable[[], bool] | None = None
    scratch: Path | None = None
    watcher: Watcher | None = None
    follower: Follower | None = None
    reverse_unordered: bool = False
    heads_to: Path | None = None
    tip: Tip | None = None
    twice: bool = True


DEFAULT = Options()


def replay(
    path: Path, *, run: str | None = None, progress: Progress | None = None, options: Options = DEFAULT
) -> ReplayReport:
    """Replay a file and compare. With `run` the report also has that run's entries, recorded and replayed.

    `progress` is told inputs done and in all. Raises Refused when it is not a DEE file or has no such run, HostError when a newer
    DEE made it, EvidenceError when it is damaged.
    """
    with _opened(path, options) as source, _scratch(size_or_zero(path), options) as scratch:
        session = Session(source, scratch, run=run, options=options)
        session.play(progress)
        report = session.report()
        if options.heads_to is not None and report.same:
            write_heads(scratch, session.names.select_runs_by_name, options.heads_to)
        if options.twice and report.divergence is not None and report.divergence.cause == "engine":
            return _asked_again(report, session, options)
        return report


def _asked_again(report: ReplayReport, first: Session, options: Options) -> ReplayReport:
    """Replay once more, unordered rows the other way round: a machine that gives two answers is itself the cause."""
    other = replace(
        options, reverse_unordered=not options.reverse_unordered, rerender=None, watcher=None, follower=None
    )
    with _scratch(size_or_zero(first.source.path), other) as scratch:
        second = Session(first.source, scratch, run=None, options=other)
        second.play(None)
        if second.mismatch == first.mismatch:
            return report
    assert report.divergence is not None
    cause = replace(report.divergence, cause="runtime", what=MEANING["runtime"], next=NEXT["runtime"])
    return replace(report, divergence=cause)


@contextmanager
def _opened(path: Path, options: Options) -> Iterator[Database]:
    """Give what a replay reads: of somebody else's file only its rows, in a database of our own making."""
    if options.untrusted:
        with open_rows(path, out_of_time=options.out_of_time, scratch=options.scratch) as rows:
            yield rows
    else:
        with open_evidence(path, newer=True, out_of_time=options.out_of_time, scratch=options.scratch) as database:
            yield database


@contextmanager
def replayed(
    path: Path, *, run: str | None = None, progress: Progress | None = None, options: Options = DEFAULT
) -> Iterator[Session]:
    """Give a finished replay with its throw-away database, for those who want to look into that as well."""
    with (
        open_evidence(
            path, untrusted=options.untrusted, newer=True, out_of_time=options.out_of_time, scratch=options.scratch
        ) as source,
        _scratch(size_or_zero(path), options) as scratch,
    ):
        session = Session(source, scratch, run=run, options=options)
        session.play(progress)
        yield session


@contextmanager
def _scratch(size: int, options: Options) -> Iterator[Database]:
    if size <= IN_MEMORY_BYTES:
        with open_scratch(reverse_unordered=options.reverse_unordered) as database:
            yield database
        return
    with (
        tempfile.TemporaryDirectory(prefix="dee-", dir=options.scratch) as folder,
        open_scratch(Path(folder) / "replay.db", reverse_unordered=options.reverse_unordered) as database,
    ):
        yield database


class Session:
    """One replay of one opened file."""

    def __init__(self, source: Database, scratch: Database, *, run: str | None, options: Options) -> None:
        self.source = source
        self.scratch = scratch
        self.names: ReplayQueries = queries()
        self._options = options
        self._genesis = read_genesis(source)
        self._read_from: ReadFrom = how_read(source.path, untrusted=options.untrusted)
        self._run = run
        self._follower = options.follower
        self._run_bodies: list[str] = []
        self._recorded: Iterator[EntryRow] = read_entries(source, self.names)
        self._shell = RecordedShell(read_given(source, self.names), options.rerender)
        self.mismatch: Mismatch | None = None
        self._stopped = False
        self._before: deque[bytes] = deque(maxlen=CONTEXT)
        self._later: list[bytes] = []
        self._changed_documents: list[tuple[int, str, str]] = []
        self._entries = 0
        self._inputs = 0
        self._documents = 0

    # ---- the road of an input ---------------------------------------------------------------------------------------

    def play(self, progress: Progress | None) -> None:
        """Apply every input, until the entries differ."""
        journal = self._begin()
        if journal is None:
            return
        total = last_input(self.source, self.names) if progress is not None else 0
        inputs = read_inputs(self.source, self.names)
        done = False
        while not (done or self._stopped):
            with self.scratch.transaction():
                done = self._apply_batch(journal, inputs, progress, total)
                if not self._stopped:
                    journal.flush()
            journal.take_permits()  # nothing is ever sent from here
        if progress is not None:
            progress(self._inputs, total)
        if self.mismatch is None:
            self._end()

    def _begin(self) -> Journal | None:
        genesis = self._genesis
        with self.scratch.transaction():
            write_genesis(self.scratch, genesis)
            self._copy_documents()
        first = self.scratch.execute(self.names.select_entry, (0,))[0]
        self._compare(first[0], first[1], first[2])
        if self.mismatch is not None:
            return None
        kernel_of(genesis.semantics, self.source.path)
        options = self._options
        journal = Journal(
            self.scratch, self._shell, keep_given=False, watcher=options.watcher, follower=options.follower
        )
        if options.follower is not None:
            options.follower.begin(journal)
        return journal

    def _copy_documents(self) -> None:
        append = load_queries(JournalQueries, "journal").append_document
        pinned: list[tuple[int, str]] = []
        for row in read_documents(self.source, self.names):
            self._documents += 1
            computed = document_digest(row.kind, row.body)
            if computed != row.digest:
                self._changed_documents.append((row.seq, row.digest, computed))
            text = row.body.decode("utf-8", "replace")
            self.scratch.execute(append, (row.digest, row.kind, row.seq, text))
            if row.kind == "plan":
                pinned += [(row.seq, digest) for digest in pinned_documents(lenient(row.body) or {})]
        # The kernel reads no template, so only this notices that one is gone.
        for brought, digest in pinned:
            if not self.scratch.execute(self.names.select_document_named, (digest,)):
                self._changed_documents.append((brought, digest, ABSENT))

    def _apply_batch(self, journal: Journal, inputs: Iterator[InputRow], progress: Progress | None, total: int) -> bool:
        """Apply inputs until the transaction has become large; True when there are no more."""
        first = journal.chain.next_seq
        for row in inputs:
            self._apply(journal, row)
            self._inputs += 1
            if progress is not None and self._inputs % PROGRESS_EVERY == 0:
                progress(self._inputs, total)
            if self._stopped or journal.chain.next_seq - first >= BATCH:
                return False
        return True

    def _apply(self, journal: Journal, row: InputRow) -> None:
        self._shell.begin(journal.state, row)
        stuck = ""
        try:
            journal.apply(row)
        except Newer as error:
            # An input that was changed may name any epoch.
            if not self._findings():
                raise newer_here(error, self.source.path) from error
            stuck = f"the kernel stopped at input {row.seq}: {error.what}"
        except (HostError, MemoryError):
            raise
        except Exception as error:  # noqa: BLE001 - a changed record can make the kernel raise anything: that is a divergence
            stuck = f"the kernel stopped at input {row.seq}: {type(error).__name__}: {error}"
        entries = journal.chain.pending()
        for seq, body, leaf in entries:
            self._compare(seq, body.encode(), leaf)
        self._follow(journal, row, stuck=bool(stuck))
        entries.clear()  # the throw-away database needs no log
        if self.mismatch is not None and row.kind == "plan.publish":
            refuse_newer_plan(self.mismatch, self.source, self._findings)
        if stuck and self.mismatch is None:
            recorded = next(self._recorded, None)
            self.mismatch = Mismatch(
                seq=journal.chain.next_seq,
                recorded=None if recorded is None else recorded.body,
                replayed=None,
                input=row.seq,
                stuck=stuck,
            )
        enough = self.mismatch is not None and self._run is None and len(self._later) >= WINDOW
        self._stopped = bool(stuck) or enough

    def _follow(self, journal: Journal, row: InputRow, *, stuck: bool) -> None:
        follower = self._follower
        if follower is None or stuck:
            return
        written = tuple(journal.chain.pending())
        journal.chain.flush()
        if self.mismatch is not None:
            self._follower = None  # what follows is not the past of this file
        follower.applied(row, written, same=self.mismatch is None)

    def _compare(self, seq: int, body: bytes, leaf: bytes) -> None:
        if self._run is not None and self._run.encode() in body and (lenient(body) or {}).get("run") == self._run:
            self._run_bodies.append(body.decode())
        if self.mismatch is not None:
            if len(self._later) < WINDOW:
                self._later.append(body)
            return
        recorded = next(self._recorded, None)
        if recorded is not None and recorded.seq == seq and recorded.body == body and recorded.leaf == leaf:
            self._entries += 1
            self._before.append(body)
            return
        there = recorded is not None and recorded.seq == seq
        self.mismatch = Mismatch(
            seq=seq,
            recorded=recorded.body if there and recorded is not None else None,
            replayed=body,
            recorded_leaf=b"" if recorded is None else recorded.leaf,
            replayed_leaf=leaf,
        )

    def _end(self) -> None:
        self._shell.end()
        extra = next(self._recorded, None)
        if extra is not None:
            self.mismatch = Mismatch(seq=extra.seq, recorded=extra.body, replayed=None)

    # ---- the report -------------------------------------------------------------------------------------------------

    def report(self) -> ReplayReport:
        """Return what came out."""
        divergence = self._divergence()
        return ReplayReport(
            path=str(self.source.path),
            lineage=self._genesis.lineage.hex(),
            epoch=self._genesis.epoch,
            read_from=self._read_from,
            same=divergence is None,
            entries=self._entries,
            inputs=self._inputs,
            documents=self._documents,
            given=self._shell.used,
            heads=self._heads() if self._options.heads and self.mismatch is None else {},
            divergence=divergence,
            renderer=self._shell.report(),
            run=None if self._run is None else self._trace(self._run),
            not_covered=not_covered(self._shell.report()),
        )

    def _divergence(self) -> FirstDivergence | None:
        mismatch = self.mismatch
        if mismatch is not None:
            around = Surroundings(
                before=tuple(self._before),
                later_recorded=self._following(mismatch.seq),
                later_replayed=self._later,
                document=self._document,
                input=self._input,
            )
            return describe(mismatch, self._findings(), around)
        if self._changed_documents:
            brought, digest, computed = min(self._changed_documents)
            return self._silent(brought, "document", digest, computed)
        if self._shell.unused is not None:
            brought, ordinal = self._shell.unused
            return self._silent(brought, "given", ABSENT, f"rendering {ordinal} of input {brought}")
        return None

    def _following(self, seq: int) -> list[bytes]:
        """Bodies after an entry, as far as a damaged page does not hide them."""
        found: list[bytes] = []
        with suppress(EvidenceError):
            found.extend(row.body for row in islice(read_entries(self.source, self.names, seq + 1), WINDOW))
        return found

    def _document(self, digest: str) -> dict[str, object] | None:
        row = read_document(self.source, self.names, digest)
        return None if row is None else lenient(row.body)

    def _input(self, seq: int) -> InputRow | None:
        with suppress(EvidenceError):
            row = next(read_inputs(self.source, self.names, seq), None)
            return row if row is not None and row.seq == seq else None
        return None

    def _findings(self) -> list[Finding]:
        findings = Findings()
        check_database(self.source, findings, tip=self._options.tip, scratch=self._options.scratch)
        return findings.kept

    def _silent(self, brought: int, field: str, expected: str, actual: str) -> FirstDivergence:
        """Something was changed that no entry depends on: blame the first entry of the input that brought it."""
        evidence = [
            one
            for one in self._findings()
            if one.document == expected or (one.input == brought and one.document is None)
        ]
        for row in read_entries(self.source, self.names):
            value = lenient(row.body) or {}
            about = part(value, "input").get("seq")
            if isinstance(about, int) and about >= brought:
                break
        else:
            row, value = None, {}
        run = value.get("run")
        return FirstDivergence(
            seq=0 if row is None else row.seq,
            input=brought,
            run=run if isinstance(run, str) else None,
            step=None,
            field=field,
            expected=expected,
            actual=actual,
            cause="tampering",
            what=str(evidence[0]) if evidence else f"a {field} was changed that no entry depends on",
            recorded=None,
            replayed=None,
            evidence=tuple(evidence),
            caused_by=caused_by(self._input(brought)),
            next=NEXT["tampering"],
        )

    def _heads(self) -> dict[str, tuple[int, str]]:
        heads: dict[str, tuple[int, str]] = {}
        for run, body in self.scratch.stream(self.names.select_run_bodies):
            head = _head_decoder.decode(body)
            heads[run] = (head.rs, head.rp)
        return heads

    def _trace(self, run: str) -> RunTrace:
        rows = self.source.execute(self.names.select_entries_holding, (run.encode(),))
        recorded = tuple(row[1].decode("utf-8", "replace") for row in rows if (lenient(row[1]) or {}).get("run") == run)
        if not recorded and not self._run_bodies:
            raise Refused(
                f"there is no run {run}", where=str(self.source.path), hint="list the runs with `dee run list`"
            )
        return RunTrace(run=run, recorded=recorded, replayed=tuple(self._run_bodies))


class _RunHead(msgspec.Struct):
    rs: int = 0
    rp: str = ""


_head_decoder = msgspec.json.Decoder(_RunHead)
