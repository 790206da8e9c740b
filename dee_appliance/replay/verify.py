"""verify: is this file what was written? Bytes, chain, schema, references, documents and the tip, without any kernel.

It shows that what is there was not changed after it was written, as far as hashes can show that; `assurance` says how
far. It does not run a plan: that the entries follow from the inputs is what replay shows, that the tables of state
follow is what `verify_state` shows. Every fault is reported, the first does not end the check.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import msgspec

from dee_appliance.errors import EvidenceError, Newer
from dee_appliance.kernel.e1.encoding import document_digest
from dee_appliance.kernel.epochs import known_schemas, newest_epoch
from dee_appliance.replay.chain_check import ChainCheck, pinned_documents
from dee_appliance.replay.entry_form import lenient
from dee_appliance.replay.finding import MEANING, Finding, Findings, Kind
from dee_appliance.replay.reading import (
    DocumentRow,
    Progress,
    ReplayQueries,
    open_evidence,
    queries,
    read_document,
    read_documents,
    read_genesis,
)
from dee_appliance.store.header import require_ours
from dee_appliance.store.schema import newest_format
from dee_appliance.store.tip import Tip, TipAgrees, TipAhead, TipDiverged, TipMissing, check_tip
from dee_appliance.store.untrusted import open_untrusted

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from dee_appliance.store.database import Database
    from dee_appliance.store.journal import Genesis

NEEDED = ("genesis", "input", "document", "given", "ledger", "audit")
"""Tables that verify reads. One that is not ours is not read at all."""

ALWAYS_UNCOVERED = (
    "the tables of state: run `dee verify --state`",
    "that the entries follow from the inputs: run `dee replay`",
    "row numbers beside the log (of renderings, of marks, of the input that brought a document): run `dee replay`",
    "marks of the ledger that say what became of a send: run `dee verify --state`",
    "documents that no entry has put in force",
    "personal data in the vault, the inbox, and its answers (table reply)",
    "tokens against double delivery (table seen)",
    "renderings of sends that the gate did not let pass, and which words were seen in a message",
)
WITHOUT_TIP = "whether the end of the log was cut off, or all of it rewritten: no tip from outside the file was given"


class VerifyReport(msgspec.Struct, frozen=True, kw_only=True):
    """What verify found. `counts` has every kind of finding with its number, `findings` the first hundred of them."""

    path: str
    ok: bool
    lineage: str
    entries: int
    inputs: int
    documents: int
    given: int
    head: str
    """Hash of the last entry."""
    assurance: Literal["chain", "chain+tip"]
    """What the check rests on: the hashes in the file alone, or also the tip remembered outside it."""
    remembered: int | None
    """How many entries the tip vouches for."""
    findings: tuple[Finding, ...]
    counts: dict[str, int]
    not_covered: tuple[str, ...]

    @property
    def first(self) -> Finding | None:
        """The finding to begin with: nearest to the beginning of the log, and not one that can follow from another."""
        return min(self.findings, key=_place, default=None)

    def error(self) -> EvidenceError | None:
        """Return what to raise when a file must be whole, None when it is."""
        if self.first is None:
            return None
        more = sum(self.counts.values()) - 1
        text = str(self.first) + (f" (and {more} more)" if more else "")
        return EvidenceError(text, where=self.path, hint="keep the file as it is; compare it with a copy")


def verify(
    path: Path,
    *,
    tip: Tip | None = None,
    untrusted: bool = False,
    progress: Progress | None = None,
    out_of_time: Callable[[], bool] | None = None,
    scratch: Path | None = None,
) -> VerifyReport:
    """Check a file. `tip`: what is remembered of its log outside it; `scratch`: the folder for private copies.

    Raises Refused when it is not a DEE file, HostError when it was made by a newer DEE, EvidenceError when it cannot be read.
    """
    findings = Findings()
    database = _open(path, findings, untrusted=untrusted, out_of_time=out_of_time, scratch=scratch)
    with database:
        return check_database(database, findings, tip=tip, progress=progress, scratch=scratch)


def _open(
    path: Path,
    findings: Findings,
    *,
    untrusted: bool,
    out_of_time: Callable[[], bool] | None,
    scratch: Path | None,
) -> Database:
    """Open the file; where its tables are not ours, note what differs and go on with a private copy."""
    try:
        require_ours(path)
        if not untrusted:
            return open_evidence(path, newer=True, out_of_time=out_of_time, scratch=scratch)
        return open_untrusted(path, out_of_time=out_of_time, scratch=scratch, integrity=False)
    except Newer:
        return _open_newer(path, findings, out_of_time, scratch)
    except EvidenceError:
        database = open_untrusted(path, out_of_time=out_of_time, scratch=scratch, integrity=False, schema=False)
        try:
            lines = database.schema_differences()
        except EvidenceError:
            lines = []
        if not lines:
            database.close()
            raise
        for line in lines:
            findings.add("schema-altered", line)
        return database


def _open_newer(
    path: Path, findings: Findings, out_of_time: Callable[[], bool] | None, scratch: Path | None
) -> Database:
    """Open a private copy of a file of a newer format: what it has in common with ours is read, and nothing is left beside it."""
    database = open_untrusted(path, out_of_time=out_of_time, scratch=scratch, integrity=False, schema=False, newer=True)
    for line in database.schema_differences():
        findings.add("schema-altered", line)
    return database


def lineage_of(path: Path) -> bytes:
    """Return the lineage of a file, also of one that a newer DEE has made. Raises as `verify`."""
    with _open(path, Findings(), untrusted=True, out_of_time=None, scratch=None) as database:
        return read_genesis(database).lineage


def check_database(
    database: Database,
    findings: Findings,
    *,
    tip: Tip | None,
    progress: Progress | None = None,
    scratch: Path | None = None,
) -> VerifyReport:
    """Check an opened file. `findings` holds what opening it has shown."""
    names = queries()
    altered = [one.what for one in findings.kept if one.kind == "schema-altered"]
    unreadable = [table for table in NEEDED if any(f"table {table} " in f"{line} " for line in altered)]
    for fault in database.integrity_check():
        findings.add("file-corrupt", fault)
    if unreadable:
        return _report(database, findings, None, None, 0, tip=None, unreadable=unreadable)
    genesis = _genesis(database, findings)
    documents = _documents(database, names, findings)
    check = ChainCheck(database, names, findings, genesis=genesis, scratch=scratch)
    try:
        check.run(progress)
    except EvidenceError as error:
        findings.add("file-corrupt", error.what)
    if tip is not None:
        _tip(database, findings, tip)
    return _report(database, findings, genesis, check, documents, tip=tip, unreadable=[])


def _genesis(database: Database, findings: Findings) -> Genesis | None:
    try:
        return read_genesis(database)
    except EvidenceError as error:
        findings.add("genesis-changed", error.what)
        return None


def _documents(database: Database, names: ReplayQueries, findings: Findings) -> int:
    count = 0
    try:
        for row in read_documents(database, names):
            count += 1
            _check_document(database, names, findings, row)
    except EvidenceError as error:
        findings.add("file-corrupt", f"the documents cannot be read: {error.what}")
    return count


def _check_document(database: Database, names: ReplayQueries, findings: Findings, row: DocumentRow) -> None:
    if document_digest(row.kind, row.body) != row.digest:
        findings.add("blob-mismatch", f"the document ({row.kind}) is another one", about=row.seq, document=row.digest)
        return
    if row.kind != "plan":
        return
    for digest in pinned_documents(lenient(row.body) or {}):
        if digest != row.digest and read_document(database, names, digest) is None:
            what = "a template or script of the plan is gone"
            findings.add("blob-missing", what, about=row.seq, document=digest)


def _tip(database: Database, findings: Findings, tip: Tip) -> None:
    try:
        state = check_tip(database, tip)
    except EvidenceError:
        # The remembered entry cannot be read any more.
        state = TipDiverged(seq=tip.size - 1, remembered=tip.head.hex(), found="")
    match state:
        case TipAhead(first=first, last=last):
            findings.add("rolled-back", seq=first, last=last)
        case TipDiverged(seq=seq):
            findings.add("forked", seq=seq)
        case TipAgrees() | TipMissing():
            pass


def _report(
    database: Database,
    findings: Findings,
    genesis: Genesis | None,
    check: ChainCheck | None,
    documents: int,
    *,
    tip: Tip | None,
    unreadable: list[str],
) -> VerifyReport:
    uncovered = [f"table {table}, which is not ours, and all that refers to it" for table in unreadable]
    uncovered += [] if unreadable else newer_parts(database, genesis)
    uncovered += [*ALWAYS_UNCOVERED, *([] if tip is not None else [WITHOUT_TIP])]
    return VerifyReport(
        path=str(database.path),
        ok=not findings.counts,
        lineage="" if genesis is None else genesis.lineage.hex(),
        entries=0 if check is None else check.entries,
        inputs=0 if check is None else check.inputs,
        documents=documents,
        given=0 if check is None else check.given,
        head="" if check is None else check.head.hex(),
        assurance="chain" if tip is None else "chain+tip",
        remembered=None if tip is None else tip.size,
        findings=tuple(findings.kept),
        counts=dict(sorted(findings.counts.items())),
        not_covered=tuple(uncovered),
    )


def newer_parts(database: Database, genesis: Genesis | None) -> list[str]:
    """Name what a newer DEE has put into the file that this one cannot judge."""
    parts = []
    if database.file_format() > newest_format():
        parts.append(f"what format {database.file_format()} adds: a newer DEE made the file")
    epochs = [] if genesis is None else [genesis.semantics]
    try:
        rows = database.execute(queries().select_epoch_uses)
        plans = database.execute(queries().select_plans_of_schemas)
    except EvidenceError:
        rows, plans = [], []  # that it is damaged is among the findings
    for (payload,) in rows:
        named = (lenient(payload) or {}).get("epoch")
        epochs += [named] if isinstance(named, int) else []
    schemas = [(lenient(body) or {}).get("schema") for (body,) in plans]
    parts += [
        f"plans of schema {one}: a newer DEE made them"
        for one in schemas
        if one is not None and one not in known_schemas()
    ]
    newer = max(epochs, default=0)
    if newer > newest_epoch():
        parts.append(f"decisions of semantics epoch {newer}: a newer DEE made them")
    return parts


ORDER: tuple[Kind, ...] = tuple(MEANING)


CAN_FOLLOW: tuple[Kind, ...] = (
    "clock-backwards",
    "ledger-differs",
    "incomplete-run",
    "incomplete-contact",
    "given-extra",
)
"""Findings that compare two places: what is wrong may be the other one, and then that has a finding of its own."""


def _place(finding: Finding) -> tuple[bool, int, int]:
    return (finding.kind in CAN_FOLLOW, finding.seq if finding.seq is not None else -1, ORDER.index(finding.kind))
