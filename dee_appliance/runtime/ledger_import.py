"""Importing consents, opt-outs and suppression lists from CSV: from rows of a file to inbox rows.

Lives here: whom a row means, what the file knows already, counts. Does not live here: cells and columns (intake), staging and
release (commands.py), what an input does (the kernel).
Rules a change must keep: one pass, everything staged before anything counts; a file that was imported before changes nothing;
what could loosen (a grant) is known by its token for ever, what can only tighten (a revocation, an opt-out) by what is in force.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, TypeVar

import msgspec
from blake3 import blake3

from dee_appliance.errors import Refused
from dee_appliance.intake.facts import address_token, evidence_commitment
from dee_appliance.intake.first_lines import FirstLines, identity_of
from dee_appliance.intake.invalid import InvalidValue
from dee_appliance.intake.ledger_rows import (
    CONSENT_COLUMNS,
    LIST_COLUMNS,
    OPT_OUT_COLUMNS,
    ConsentLine,
    OptOutLine,
    read_address,
    read_consent,
    read_opt_out,
    read_subjects,
)
from dee_appliance.intake.row_file import Columns, Repeated, RowFile
from dee_appliance.kernel.e1.civil_time import format_utc
from dee_appliance.kernel.e1.encoding import prefixed
from dee_appliance.kernel.e1.input import KIND_OF, ConsentSet, Input, ListAdd, ListUse, SuppressionSet, encode_input
from dee_appliance.store.inbox import InboxRow
from dee_appliance.store.vault import EVIDENCE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from dee_appliance.intake.rejects import Reject
    from dee_appliance.runtime.reading import View

SOURCE = "import"
TOKENS_PER_INPUT = 500
_CONSENT_DOMAIN = b"dee.consent-import.v1"
Line = TypeVar("Line")


class LedgerFile(msgspec.Struct, frozen=True, kw_only=True):
    """A CSV file and how to read it. `rejects` is where rows go that are left out, `on_reject` is told of each.

    `default_country` reads phone numbers without "+"; `allow_rejects` lets the other rows in.
    """

    path: Path
    delimiter: str | None = None
    default_country: str | None = None
    rejects: Path | None = None
    on_reject: Callable[[Reject], None] | None = None
    allow_rejects: bool = False


class LedgerReport(msgspec.Struct, kw_only=True):
    """What an import did, or would do. `queued` requests wait for a loop, `refused` ones were refused at admission."""

    rows: int = 0
    rejected: int = 0
    rejects_file: str | None = None
    queued: int = 0
    refused: int = 0


class ConsentImportReport(LedgerReport, kw_only=True):
    """rows = granted + revoked + same + rejected."""

    granted: int = 0
    revoked: int = 0
    same: int = 0


class OptOutReport(LedgerReport, kw_only=True):
    """rows = added + same + duplicate + rejected, by row; `strangers` are rows that no contact of the file answers to."""

    added: int = 0
    same: int = 0
    duplicate: int = 0
    strangers: int = 0


class ListReport(LedgerReport, kw_only=True):
    """rows = entries + duplicate + rejected. `replaces` is the version that was in use before, 0 if there was none."""

    list: str
    version: int
    replaces: int
    as_of: int
    entries: int = 0
    duplicate: int = 0


def _row(value: Input, now: int, *, dedupe: str | None = None, private: dict[str, object] | None = None) -> InboxRow:
    return InboxRow(
        source=SOURCE,
        dedupe=dedupe,
        received=now,
        kind=KIND_OF[type(value)],
        payload=encode_input(value),
        private=private,
    )


Report = TypeVar("Report", bound=LedgerReport)


class _LedgerImport(Generic[Report]):
    """What the imports have in common: one pass over a file, whom a row means, and the end of the report."""

    def __init__(self, view: View, file: LedgerFile, now: int, report: Report) -> None:
        self.report = report
        self._view = view
        self._file = file
        self._now = now
        self._secret = view.file_secret()
        self._seen = FirstLines()

    def _lines(self, columns: Columns, read: Callable[[Mapping[str, str], int], Line]) -> Iterator[Line]:
        file = self._file
        rows = RowFile(
            file.path, columns, read, delimiter=file.delimiter, rejects=file.rejects, on_reject=file.on_reject
        )
        yield from rows.rows()
        self.report.rows, self.report.rejected = rows.counts.rows, rows.counts.rejected
        self.report.rejects_file = None if rows.rejects_file is None else str(rows.rejects_file)
        rows.finish(allow_rejects=file.allow_rejects)

    def _token(self, kind: str, address: str) -> str:
        return address_token(self._secret, kind, address)  # type: ignore[arg-type]  # kinds of SUBJECTS but contact

    def _contact(self, kind: str, address: str) -> str | None:
        """Return the contact that an id, address or key names, or None."""
        if kind == "contact":
            return address if self._view.is_contact(address) else None
        return self._view.state.contact_of(self._token(kind, address))

    def _first(self, line: int, *parts: str) -> int | None:
        """Return the earlier line that said the same, or None, and remember this one."""
        identity = identity_of(*parts)
        earlier = self._seen.line_of(identity)
        if earlier is None:
            self._seen.add(identity, line)
        return earlier


# ---- consents ----


class ConsentImport(_LedgerImport[ConsentImportReport]):
    """Consents of contacts that the file has, one input for each row that says something new."""

    def __init__(self, view: View, file: LedgerFile, now: int) -> None:
        """Take an open file and what to import."""
        super().__init__(view, file, now, ConsentImportReport())

    def rows(self) -> Iterator[InboxRow]:
        """Give the inbox rows, counting all of them in `report`. Raises Refused as RowFile does."""
        for contact, line in self._lines(CONSENT_COLUMNS, self._read):
            if not line.granted:
                yield from self._revocation(contact, line)
                continue
            row = self._grant(contact, line)
            if self._view.seen(SOURCE, row.dedupe or ""):
                self.report.same += 1
            else:
                self.report.granted += 1
                yield row

    def _read(self, fields: Mapping[str, str], line: int) -> tuple[str, ConsentLine]:
        subjects = read_subjects(fields, self._file.default_country)
        told = read_consent(fields, now=self._now)
        contact = self._resolve(subjects)
        earlier = self._first(line, contact, told.channel, told.purpose)
        if earlier is not None:
            raise InvalidValue("duplicate_consent", f"line {earlier} speaks of the same contact, channel and purpose")
        return contact, told

    def _resolve(self, subjects: Mapping[str, str]) -> str:
        found: str | None = None
        for kind, address in subjects.items():
            contact = self._contact(kind, address)
            if contact is None:
                raise InvalidValue("contact_unknown", "no contact of the file has it", field=kind)
            if found not in (None, contact):
                raise InvalidValue("different_contacts", "it is another contact's", field=kind)
            found = contact
        assert found is not None
        if self._view.state.contact(found).erased:
            raise InvalidValue("contact_erased", "the contact was erased")
        return found

    def _revocation(self, contact: str, line: ConsentLine) -> Iterator[InboxRow]:
        known = self._view.state.contact(contact).consents.get((line.channel, line.purpose))
        if known is not None and not known.granted:
            self.report.same += 1
            return
        self.report.revoked += 1
        yield self._input(contact, line, dedupe=None)

    def _grant(self, contact: str, line: ConsentLine) -> InboxRow:
        """The token is the row's whole content: the same row is the same grant, whoever revoked it meanwhile."""
        parts = (contact, *(str(value) for value in msgspec.structs.astuple(line)))
        token = blake3(prefixed(_CONSENT_DOMAIN, *(part.encode() for part in parts)), key=self._secret).hexdigest()
        return self._input(contact, line, dedupe=token)

    def _input(self, contact: str, line: ConsentLine, *, dedupe: str | None) -> InboxRow:
        evidence = evidence_commitment(self._view.vault.secret(contact), line.evidence) if line.evidence else ""
        consent = ConsentSet(
            contact=contact,
            channel=line.channel,
            purpose=line.purpose,
            granted=line.granted,
            consent_class=line.consent_class,
            expires=line.expires if line.granted else None,
            source=line.source,
            basis=line.basis,
            obtained=line.obtained,
            evidence=evidence,
        )
        private: dict[str, object] | None = {"vault": {contact: {EVIDENCE: line.evidence}}} if evidence else None
        return _row(consent, self._now, dedupe=dedupe, private=private)


# ---- opt-outs ----


class OptOutImport(_LedgerImport[OptOutReport]):
    """People who want nothing, or nothing on a channel or of a plan; the file need not know them."""

    def __init__(self, view: View, file: LedgerFile, now: int, *, reason: str) -> None:
        """Take an open file and what to import; `reason` is that of rows which give none."""
        super().__init__(view, file, now, OptOutReport())
        self._reason = reason

    def rows(self) -> Iterator[InboxRow]:
        """Give the inbox rows, counting all of them in `report`. Raises Refused as RowFile does."""
        for subjects, line in self._lines(OPT_OUT_COLUMNS, self._read):
            new = [one for one in subjects if not self._known(one, line.scope)]
            self.report.added += bool(new)
            self.report.same += not new
            for subject in new:
                suppression = SuppressionSet(
                    subject=subject, on=True, scope=line.scope, reason=line.reason, since=line.since
                )
                yield _row(suppression, self._now)

    def _read(self, fields: Mapping[str, str], line: int) -> tuple[list[str], OptOutLine]:
        told = read_opt_out(fields, reason=self._reason, now=self._now)
        kind, _, plan = told.scope.partition(":")
        if kind == "plan" and self._view.state.plan_digest(plan, None) is None:
            raise InvalidValue("plan_unknown", f"there is no plan `{plan}`", field="scope")
        given = read_subjects(fields, self._file.default_country)
        contacts = {kind: self._contact(kind, address) for kind, address in given.items()}
        subjects = [self._subject(kind, address, contacts[kind]) for kind, address in given.items()]
        if self._first(line, told.scope, *subjects) is not None:
            self.report.duplicate += 1
            raise Repeated
        self.report.strangers += not any(contacts.values())
        return subjects, told

    def _subject(self, kind: str, address: str, contact: str | None) -> str:
        """An address stands for itself, whoever has it; an id or a key only for its contact."""
        if kind in ("email", "phone"):
            return self._token(kind, address)
        if contact is None:
            raise InvalidValue("contact_unknown", "no contact of the file has it", field=kind)
        return contact

    def _known(self, subject: str, scope: str) -> bool:
        return any(one.scope == scope for one in self._view.state.suppressions((subject,)))


# ---- lists ----


class ListImport(_LedgerImport[ListReport]):
    """A new version of a suppression list: its addresses in inputs of 500, and then its use."""

    def __init__(self, view: View, file: LedgerFile, now: int, *, name: str, as_of: int, actor: str) -> None:
        """Take an open file and the list."""
        lists = view.state.lists
        version = lists.newest(name) + 1
        report = ListReport(list=name, version=version, replaces=lists.version(name), as_of=as_of)
        super().__init__(view, file, now, report)
        self._actor = actor
        self._earlier = lists.in_use.get(name)
        self._earlier_entries = lists.count(name, report.replaces)

    def rows(self, *, allow_empty: bool, allow_smaller: bool, allow_older: bool) -> Iterator[InboxRow]:
        """Give the inbox rows, counting all of them in `report`.

        Raises Refused as RowFile does, and for a list that looks like the wrong file: an empty one, one that is older than the
        version in use, one with less than half of its entries. Whoever is on no list any more is contacted.
        """
        report = self.report
        if self._earlier is not None and report.as_of < self._earlier.as_of and not allow_older:
            raise Refused(
                f"the list is as of {format_utc(report.as_of)}, and version {report.replaces}, which is in use, as of "
                f"{format_utc(self._earlier.as_of)}",
                where=report.list,
                hint="take the newer file; if the older one is right, say so: --allow-older",
            )
        tokens: list[str] = []
        for token in self._lines(LIST_COLUMNS, self._read):
            report.entries += 1
            tokens.append(token)
            if len(tokens) == TOKENS_PER_INPUT:
                yield self._add(tokens)
                tokens = []
        if tokens:
            yield self._add(tokens)
        if not report.entries and not allow_empty:
            raise Refused(
                "the list is empty", where=self._file.path.name, hint="if nobody is on it, say so: --allow-empty"
            )
        if report.entries and report.entries * 2 < self._earlier_entries and not allow_smaller:
            raise Refused(
                f"the list has {report.entries:,} entries, and version {report.replaces}, which is in use, "
                f"{self._earlier_entries:,}: is it whole?",
                where=self._file.path.name,
                hint="if so many have left it, say so: --allow-smaller",
            )
        used = ListUse(
            list=report.list, version=report.version, as_of=report.as_of, count=report.entries, actor=self._actor
        )
        yield _row(used, self._now)

    def _add(self, tokens: list[str]) -> InboxRow:
        return _row(ListAdd(list=self.report.list, version=self.report.version, tokens=tuple(tokens)), self._now)

    def _read(self, fields: Mapping[str, str], line: int) -> str:
        given = {kind: fields[kind] for kind in ("email", "phone") if fields.get(kind)}
        if len(given) != 1:
            reason = "the row has no address" if not given else "the row has two addresses; give each a row of its own"
            raise InvalidValue("no_subject", reason)
        ((kind, text),) = given.items()
        token = self._token(kind, read_address(kind, text, self._file.default_country))
        if self._first(line, token) is not None:
            self.report.duplicate += 1
            raise Repeated
        return token
