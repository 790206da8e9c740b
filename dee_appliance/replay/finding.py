"""What verify can find wrong, in closed words, and where. Nothing here looks for anything."""

from __future__ import annotations

from typing import Literal

import msgspec

Kind = Literal[
    "schema-altered",
    "file-corrupt",
    "genesis-changed",
    "content-changed",
    "leaf-changed",
    "not-canonical",
    "unknown-version",
    "missing",
    "moved",
    "link-broken",
    "incomplete-run",
    "incomplete-contact",
    "truncated",
    "rolled-back",
    "forked",
    "input-changed",
    "input-missing",
    "input-moved",
    "input-unanswered",
    "clock-backwards",
    "blob-mismatch",
    "blob-missing",
    "given-changed",
    "given-missing",
    "given-extra",
    "ledger-differs",
]

MEANING: dict[Kind, str] = {
    "schema-altered": "a table, index or trigger is not ours",
    "file-corrupt": "SQLite finds the structure of the file damaged",
    "genesis-changed": "the first row of the file is not what the first entry says",
    "content-changed": "the body of an entry does not give its hash",
    "leaf-changed": "the stored hash of an entry is not the one that the next entry names",
    "not-canonical": "the bytes are not the one canonical form of their content",
    "unknown-version": "an entry has a form that this version does not know",
    "missing": "entries are gone",
    "moved": "an entry stands at another place than it says",
    "link-broken": "an entry was replaced together with its hash: the next one names another",
    "incomplete-run": "a run's own chain has a gap or another past",
    "incomplete-contact": "a contact's own chain has a gap or another past",
    "truncated": "the last inputs have no entry: the end of the log is gone",
    "rolled-back": "the log is shorter than what is remembered outside the file",
    "forked": "the log has another entry than the one remembered outside the file",
    "input-changed": "an input is not the one that its entry names",
    "input-missing": "an input is gone",
    "input-moved": "an entry names an input that came before the one of the entry before it",
    "input-unanswered": "an input has no entry",
    "clock-backwards": "an input has an earlier tick than the one before it",
    "blob-mismatch": "a document is not the one that its digest names",
    "blob-missing": "a document is gone",
    "given-changed": "a recorded rendering is not the one that its entry names",
    "given-missing": "a recorded rendering is gone",
    "given-extra": "a recorded rendering belongs to no input",
    "ledger-differs": "the send ledger and the log disagree",
}

FINDINGS_KEPT = 100


class Finding(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One thing that is wrong. `seq` to `last` are the entries concerned; `document` is a digest."""

    kind: Kind
    what: str
    seq: int | None = None
    last: int | None = None
    input: int | None = None
    document: str | None = None
    run: str | None = None

    @property
    def where(self) -> str:
        """The place in words."""
        places: list[str] = []
        if self.seq is not None:
            places.append(
                f"entry {self.seq}" if self.last in (None, self.seq) else f"entries {self.seq} to {self.last}"
            )
        if self.input is not None:
            places.append(f"input {self.input}")
        if self.document is not None:
            places.append(f"document {self.document}")
        if self.run is not None:
            places.append(self.run)
        return ", ".join(places) or "the file"

    def __str__(self) -> str:
        return f"{self.where}: {self.kind}: {self.what}"


class Findings:
    """Collects findings: the first FINDINGS_KEPT in full, of the rest the number of each kind."""

    def __init__(self) -> None:
        self.kept: list[Finding] = []
        self.counts: dict[str, int] = {}

    def add(
        self,
        kind: Kind,
        what: str = "",
        *,
        seq: int | None = None,
        last: int | None = None,
        about: int | None = None,
        document: str | None = None,
        run: str | None = None,
    ) -> None:
        """Note one. `about` is the seq of the input concerned."""
        self.counts[kind] = self.counts.get(kind, 0) + 1
        if len(self.kept) < FINDINGS_KEPT:
            self.kept.append(
                Finding(
                    kind=kind, what=what or MEANING[kind], seq=seq, last=last, input=about, document=document, run=run
                )
            )
