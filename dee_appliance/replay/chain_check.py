"""The log itself: every byte hashed again, every link followed, in one pass and in bounded memory.

What is checked of an entry: its place, its hash, its canonical form, the link from the entry after it, its run's own
chain, its contact's own chain, its input, its rendering, its mark in the send ledger, its document. A fault is blamed
on the row where it lies: an entry that is wrong by itself is not used to judge others, so one changed byte gives one
finding and not a hundred.

Rules a change must keep: never stop at a fault; never hold more than the entry before in memory (Heads is bounded).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dee_appliance.kernel.e1.encoding import GENESIS_LEAF, leaf_hash
from dee_appliance.replay.cause_check import CauseCheck
from dee_appliance.replay.entry_form import Form, part, read_body, read_form
from dee_appliance.replay.heads import Heads
from dee_appliance.replay.ledger_check import OUTCOME, LedgerCheck
from dee_appliance.replay.reading import PROGRESS_EVERY, last_entry, read_document, read_entries_around_damage

if TYPE_CHECKING:
    from pathlib import Path

    from dee_appliance.errors import EvidenceError
    from dee_appliance.replay.finding import Findings, Kind
    from dee_appliance.replay.reading import EntryRow, Progress, ReplayQueries
    from dee_appliance.store.database import Database
    from dee_appliance.store.journal import Genesis

UNKNOWN = -1
"""The length of a chain whose last link is in doubt: its next entry is taken as it is."""

BRINGS_DOCUMENT = {
    ("publish", "published"): "plan",
    ("policy", "set"): "policy",
    ("pack", "used"): "pack",
    ("zones", "used"): "zones",
}
"""Action and outcome of the entries after which a document is in use, and its kind."""


class ChainCheck:
    """One pass over the log."""

    def __init__(
        self,
        database: Database,
        names: ReplayQueries,
        findings: Findings,
        *,
        genesis: Genesis | None,
        scratch: Path | None = None,
    ) -> None:
        self._database = database
        self._names = names
        self._findings = findings
        self._genesis = genesis
        self._causes = CauseCheck(database, names, findings, None if genesis is None else genesis.epoch)
        self._runs = Heads(names, folder=scratch)
        self._contacts = Heads(names, folder=scratch)
        self._before: _Link | None = _Link(-1, GENESIS_LEAF, GENESIS_LEAF, None)
        self._doubtful = False
        self.entries = 0
        self.head = GENESIS_LEAF
        self._ledger = LedgerCheck(database, names, findings, scratch)
        self._lost = False
        """Whether entries are missing or cannot be read: then not everything that is alone is to blame."""

    @property
    def inputs(self) -> int:
        """How many inputs were read."""
        return self._causes.inputs

    @property
    def given(self) -> int:
        """How many recorded renderings were read."""
        return self._causes.given

    def run(self, progress: Progress | None) -> None:
        """Read the whole log."""
        total = last_entry(self._database, self._names) + 1 if progress is not None else 0
        expected = 0
        with self._runs, self._contacts:
            for row in read_entries_around_damage(self._database, self._names, self._damaged):
                if row.seq != expected:
                    self._gap(expected, row.seq)
                expected = row.seq + 1
                self._entry(row)
                self.entries += 1
                self.head = row.leaf
                if progress is not None and self.entries % PROGRESS_EVERY == 0:
                    progress(self.entries, total)
            self._settle(None)
            self._causes.end(expected - 1, doubtful=self._doubtful)
        self._ledger.end(doubtful=self._lost)
        if progress is not None:
            progress(self.entries, total)

    def _damaged(self, seq: int, error: EvidenceError) -> None:
        self._findings.add("file-corrupt", f"the log cannot be read: {error.what}", seq=seq)

    def _gap(self, expected: int, found: int) -> None:
        if found > expected:
            self._findings.add("missing", seq=expected, last=found - 1)
        self._settle(None)
        self._before = None
        self._doubtful = self._lost = True

    def _entry(self, row: EntryRow) -> None:
        computed = leaf_hash(row.body)
        sound = computed == row.leaf
        value, is_canonical = read_body(row.body)
        if sound and not is_canonical:
            self._findings.add("not-canonical", seq=row.seq)
        form = None if value is None else read_form(value)
        if form is None and sound and is_canonical:
            self._findings.add("unknown-version", seq=row.seq)
        if form is not None and form.seq != row.seq and sound:
            self._findings.add("moved", f"it says that it is entry {form.seq}", seq=row.seq)
            form = None
            self._settle(None)
            self._before = None
            self._doubtful = self._lost = True
            return
        self._settle(form, sound=sound)
        self._before = _Link(row.seq, row.leaf, computed, form)
        if form is None:
            self._doubtful = self._lost = True
        elif not sound:
            self._unsound(row.seq, form, row.leaf, computed)
        else:
            self._sound(row, form)

    def _settle(self, form: Form | None, *, sound: bool = True) -> None:
        """Judge the entry before this one, now that the hash by which this one names it is known."""
        before = self._before
        if before is None:
            return
        names = None if form is None else form.prev
        if before.stored != before.computed:
            kind: Kind = "leaf-changed" if names == before.computed.hex() else "content-changed"
            self._findings.add(kind, seq=before.seq)
        elif sound and names is not None and names != before.stored.hex():
            self._findings.add("link-broken", seq=max(before.seq, 0), last=before.seq + 1)
            self._forget(before.form, names)

    def _forget(self, form: Form | None, original: str) -> None:
        """An entry was replaced: its chains go on from what it was, which only its hash remembers."""
        if form is None:
            return
        if form.run is not None:
            self._runs.put(form.run, (UNKNOWN, ""))
        if form.cs is not None:
            self._contacts.put(original, (form.cs + 1, ""))

    def _unsound(self, seq: int, form: Form, stored: bytes, computed: bytes) -> None:
        self._causes.unsound(form)
        self._doubtful = True
        if form.core["outcome"] == OUTCOME:
            self._ledger.entry(seq, form)
        if form.run is not None:
            self._runs.put(form.run, (UNKNOWN, ""))
        if form.cs is not None:
            for leaf in (stored, computed):
                self._contacts.put(leaf.hex(), (form.cs + 1, ""))

    def _sound(self, row: EntryRow, form: Form) -> None:
        self._causes.entry(row.seq, form, doubtful=self._doubtful)
        self._doubtful = False
        if form.run is not None:
            self._run_chain(row.seq, form, form.run)
        if form.cs is not None:
            self._contact_chain(row, form, form.cs)
        if row.seq == 0:
            self._first(form)
        core = form.core
        if core["outcome"] == OUTCOME:
            self._ledger.entry(row.seq, form)
        kind = BRINGS_DOCUMENT.get((str(core["action"]), str(core["outcome"])))
        if kind is not None:
            self._document(row.seq, form, kind)

    # ---- chains inside the chain ------------------------------------------------------------------------------------

    def _run_chain(self, seq: int, form: Form, run: str) -> None:
        length, link = self._runs.get(run) or (0, "")
        rs = form.rs or 0
        if length != UNKNOWN and (rs, form.rp) != (length, link):
            what = f"entry {length} of the run should follow, this is {rs}" if rs != length else "it names another past"
            self._findings.add("incomplete-run", what, seq=seq, run=run)
        self._runs.put(run, (rs + 1, form.core_hash))

    def _contact_chain(self, row: EntryRow, form: Form, cs: int) -> None:
        """The contact is not named here, nor need it be: the hash of the link before is the head of exactly one chain."""
        if cs == 0:
            sound = form.cp == ""
        else:
            head = self._contacts.pop(form.cp or "")
            sound = head is not None and head[0] == cs
        if not sound:
            self._findings.add("incomplete-contact", f"its link {cs - 1} is not in the log", seq=row.seq)
        self._contacts.put(row.leaf.hex(), (cs + 1, ""))

    # ---- what entries name ------------------------------------------------------------------------------------------

    def _first(self, form: Form) -> None:
        genesis = self._genesis
        if genesis is None:
            return
        said = {
            "lineage": genesis.lineage.hex(),
            "semantics": genesis.semantics,
            "clock": genesis.clock,
            "seed": genesis.seed,
        }
        fields = [field for field, value in said.items() if form.detail.get(field) != value]
        if form.core["tick"] != genesis.epoch:
            fields.append("epoch")
        if fields:
            self._findings.add("genesis-changed", f"{', '.join(fields)}: another value than in the first entry", seq=0)

    def _document(self, seq: int, form: Form, kind: str) -> None:
        digest = str(form.detail.get("digest"))
        found = read_document(self._database, self._names, digest)
        if found is None:
            self._findings.add("blob-missing", f"the {kind} is gone", seq=seq, document=digest)
        elif found.kind != kind or not 0 < found.seq <= form.cause:
            what = f"it came with input {found.seq} as a {found.kind}"
            self._findings.add("blob-mismatch", what, seq=seq, about=form.cause, document=digest)


class _Link:
    """The entry before: its hash as stored, its hash as computed, and its form if it has one."""

    __slots__ = ("computed", "form", "seq", "stored")

    def __init__(self, seq: int, stored: bytes, computed: bytes, form: Form | None) -> None:
        self.seq = seq
        self.stored = stored
        self.computed = computed
        self.form = form


def pinned_documents(plan: dict[str, object]) -> list[str]:
    """Return the digests of the templates and scripts that a plan names, in the order of their names."""
    return [str(digest) for field in ("templates", "scripts") for _, digest in sorted(part(plan, field).items())]
