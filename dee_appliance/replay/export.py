"""The evidence of one run, to be taken out of the file and checked without it.

An export holds every entry of the run, the inputs that caused them, the entries that the gate relied on (consent,
suppression, policy) and the documents that the run followed. No row in it holds personal data. `check_export` needs
nothing but the export: hashes, the run's own chain from its first entry to its last, inputs and documents by their
digests. It cannot show the place of the entries in the whole log: for that, compare the leaves with the file, or with
its tip.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from dee_appliance.errors import EvidenceError, Refused
from dee_appliance.kernel.e1.encoding import document_digest, leaf_hash
from dee_appliance.replay.chain_check import pinned_documents
from dee_appliance.replay.entry_form import Form, lenient, read_body, read_form
from dee_appliance.replay.finding import Finding, Findings
from dee_appliance.replay.reading import (
    EntryRow,
    ReplayQueries,
    open_evidence,
    queries,
    read_document,
    read_entry,
    read_genesis,
    read_inputs,
)
from dee_appliance.store.journal import InputRow, input_digest

if TYPE_CHECKING:
    from pathlib import Path

    from dee_appliance.store.database import Database

VERSION = 1


class ExportedEntry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One entry with its hash (hex)."""

    seq: int
    body: str
    leaf: str


class ExportedDocument(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One document; its digest is its name."""

    kind: str
    body: str


class Head(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The run's own chain: how many entries it has, and the hash of the last core."""

    rs: int
    rp: str


class Export(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The evidence of one run. `relied` are the entries that the run's verdicts name; `named` are digests of what is left out."""

    version: int = VERSION
    lineage: str
    epoch: int
    run: str
    head: Head
    entries: tuple[ExportedEntry, ...]
    relied: tuple[ExportedEntry, ...]
    inputs: tuple[InputRow, ...]
    documents: dict[str, ExportedDocument]
    named: tuple[str, ...]


class ExportReport(msgspec.Struct, frozen=True, kw_only=True):
    """What checking an export showed."""

    ok: bool
    run: str
    entries: int
    findings: tuple[Finding, ...]
    not_covered: tuple[str, ...] = (
        "the place of these entries in the whole log",
        "whether entries of this run follow after the last one here",
        "that the entries follow from the inputs",
    )


# ---- taking out -----------------------------------------------------------------------------------------------------


def export_run(path: Path, run: str, *, untrusted: bool = False) -> Export:
    """Collect the evidence of one run; `msgspec.json.encode` or `to_builtins` makes JSON of it.

    Raises Refused when there is no such run, EvidenceError when the file is damaged.
    """
    names = queries()
    with open_evidence(path, untrusted=untrusted) as database:
        rows = [
            EntryRow(*row)
            for row in database.execute(names.select_entries_holding, (run.encode(),))
            if (lenient(row[1]) or {}).get("run") == run
        ]
        if not rows:
            raise Refused(f"there is no run {run}", where=str(path), hint="list the runs with `dee run list`")
        forms = [_form(row, path) for row in rows]
        relied = _relied(database, names, forms)
        cited = [*forms, *(_form(row, path) for row in relied)]
        inputs = _inputs(database, names, sorted({form.cause for form in cited}))
        documents, named = _documents(database, names, cited)
        genesis = read_genesis(database)
    last = forms[-1]
    return Export(
        lineage=genesis.lineage.hex(),
        epoch=genesis.epoch,
        run=run,
        head=Head(rs=(last.rs or 0) + 1, rp=last.core_hash),
        entries=tuple(_exported(row) for row in rows),
        relied=tuple(_exported(row) for row in relied),
        inputs=tuple(inputs),
        documents=documents,
        named=tuple(named),
    )


def _form(row: EntryRow, path: Path) -> Form:
    form = read_form(lenient(row.body) or {})
    if form is None:
        raise EvidenceError(f"entry {row.seq} cannot be read", where=str(path), hint="run `dee verify`")
    return form


def _exported(row: EntryRow) -> ExportedEntry:
    return ExportedEntry(seq=row.seq, body=row.body.decode("utf-8", "replace"), leaf=row.leaf.hex())


def _relied(database: Database, names: ReplayQueries, forms: list[Form]) -> list[EntryRow]:
    """The entries that the verdicts name by their seq."""
    seqs: set[int] = set()
    for form in forms:
        saw = form.saw
        for key in ("consent", "policy"):
            value = saw.get(key)
            if isinstance(value, int):
                seqs.add(value)
        named = saw.get("suppression")
        if isinstance(named, list):
            seqs.update(value for value in named if isinstance(value, int))
    rows = (read_entry(database, names, seq) for seq in sorted(seqs))
    return [row for row in rows if row is not None]


def _inputs(database: Database, names: ReplayQueries, seqs: list[int]) -> list[InputRow]:
    found: list[InputRow] = []
    for seq in seqs:
        row = next(read_inputs(database, names, seq), None)
        if row is not None and row.seq == seq:
            found.append(row)
    return found


def _documents(
    database: Database, names: ReplayQueries, forms: list[Form]
) -> tuple[dict[str, ExportedDocument], list[str]]:
    """The plans, templates, scripts and policies that the entries name. Zone tables are long and only named."""
    documents: dict[str, ExportedDocument] = {}
    named: set[str] = set()
    wanted = [str(form.detail["digest"]) for form in forms if "digest" in form.detail]
    named.update(str(form.saw["zones"]) for form in forms if "zones" in form.saw)
    while wanted:
        digest = wanted.pop()
        row = read_document(database, names, digest)
        if digest in documents or row is None:
            continue
        documents[digest] = ExportedDocument(kind=row.kind, body=row.body.decode("utf-8", "replace"))
        if row.kind == "plan":
            wanted += pinned_documents(lenient(row.body) or {})
    return dict(sorted(documents.items())), sorted(named)


# ---- checking -------------------------------------------------------------------------------------------------------


def decode_export(data: bytes) -> Export:
    """Read an export. Raises Refused when it is none."""
    try:
        return msgspec.json.decode(data, type=Export)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Refused(
            f"this is not an export of a run: {error}", hint="make one with `dee export RUN --json`"
        ) from error


def check_export(export: Export) -> ExportReport:
    """Check an export by itself: every hash, the run's chain without a gap, inputs and documents by their digests."""
    findings = Findings()
    if export.version != VERSION:
        findings.add("unknown-version", f"this is version {export.version} of the export")
    forms = [_check_entry(entry, findings) for entry in export.entries]
    cited = [*forms, *(_check_entry(entry, findings) for entry in export.relied)]
    _check_neighbours(export, findings)
    _check_run(export, forms, findings)
    _check_inputs(export, [form for form in cited if form is not None], findings)
    _check_documents(export, [form for form in cited if form is not None], findings)
    return ExportReport(
        ok=not findings.counts, run=export.run, entries=len(export.entries), findings=tuple(findings.kept)
    )


def _check_entry(entry: ExportedEntry, findings: Findings) -> Form | None:
    body = entry.body.encode("utf-8", "surrogatepass")
    if leaf_hash(body).hex() != entry.leaf:
        findings.add("content-changed", seq=entry.seq)
    value, is_canonical = read_body(body)
    if not is_canonical:
        findings.add("not-canonical", seq=entry.seq)
    form = None if value is None else read_form(value)
    if form is None:
        findings.add("unknown-version", seq=entry.seq)
    elif form.seq != entry.seq:
        findings.add("moved", seq=entry.seq)
    return form


def _check_neighbours(export: Export, findings: Findings) -> None:
    """Where two entries stand side by side in the log, the second names the first."""
    leaves = {entry.seq: entry.leaf for entry in (*export.entries, *export.relied)}
    for entry in (*export.entries, *export.relied):
        before = leaves.get(entry.seq - 1)
        prev = (lenient(entry.body.encode("utf-8", "surrogatepass")) or {}).get("prev")
        if before is not None and prev != before:
            findings.add("link-broken", seq=entry.seq - 1, last=entry.seq)


def _check_run(export: Export, forms: list[Form | None], findings: Findings) -> None:
    length, link, before = 0, "", -1
    for entry, form in zip(export.entries, forms, strict=True):
        if form is None:
            continue
        if form.run != export.run or form.rs != length or form.rp != link or entry.seq <= before:
            what = f"entry {length} of the run should follow, this is {form.rs}"
            findings.add("incomplete-run", what, seq=entry.seq, run=export.run)
        length, link, before = (form.rs or 0) + 1, form.core_hash, entry.seq
    if (export.head.rs, export.head.rp) != (length, link):
        findings.add("incomplete-run", "the head is not that of the last entry", run=export.run)


def _check_inputs(export: Export, forms: list[Form], findings: Findings) -> None:
    digests = {row.seq: input_digest(row).hex() for row in export.inputs}
    for form in forms:
        if form.cause not in digests:
            findings.add("input-missing", seq=form.seq, about=form.cause)
        elif digests[form.cause] != form.cause_digest:
            findings.add("input-changed", seq=form.seq, about=form.cause)


def _check_documents(export: Export, forms: list[Form], findings: Findings) -> None:
    for digest, document in export.documents.items():
        if document_digest(document.kind, document.body.encode("utf-8", "surrogatepass")) != digest:
            findings.add("blob-mismatch", document=digest)
    for form in forms:
        named = form.detail.get("digest")
        if isinstance(named, str) and named not in export.documents:
            findings.add("blob-missing", seq=form.seq, document=named)
