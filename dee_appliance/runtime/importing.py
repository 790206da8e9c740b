"""Importing contacts: from prepared CSV rows to inbox rows, compared with what the file already holds."""

from __future__ import annotations

import os
from itertools import count
from typing import TYPE_CHECKING

import msgspec

from dee_appliance.intake.contacts import (
    ExistingContact,
    PreparedContact,
    compare_contact,
    merge_contact,
    new_contact_id,
)
from dee_appliance.intake.csv_import import ImportOptions, read_contacts
from dee_appliance.intake.facts import address_tokens
from dee_appliance.intake.rejects import Reject, RejectsFile
from dee_appliance.kernel.e1.encoding import base32, canonical, derived
from dee_appliance.kernel.e1.input import ConsentSet, ContactPut, encode_input
from dee_appliance.store.inbox import InboxRow
from dee_appliance.store.vault import FILE, Vault

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from dee_appliance.intake.column_mapping import ColumnMapping
    from dee_appliance.intake.csv_import import ImportPlan
    from dee_appliance.kernel.e1.plan import Channel
    from dee_appliance.store.database import Database
    from dee_appliance.store.state import State

SOURCE = "import"


class ImportReport(msgspec.Struct, kw_only=True):
    """What an import did, or would do. rows = new + changed + same + kept + erased + duplicate + rejected + conflict."""

    rows: int = 0
    new: int = 0
    changed: int = 0
    same: int = 0
    duplicate: int = 0
    rejected: int = 0
    conflict: int = 0
    kept: int = 0
    """Known contacts that differ and were left as they are (--on-existing keep)."""
    erased: int = 0
    """Contacts that were erased and stay so: who has asked to be forgotten does not come back with the next file."""
    consents: int = 0
    revoked: int = 0
    """Consents for everybody that were left out, because the contact has revoked them."""
    rejects_file: str | None = None
    queued: int = 0
    """Requests that a running loop had not taken yet when the import returned."""
    refused: int = 0
    """Requests that were refused when they were admitted: somebody else had given a contact the address meanwhile."""


class ConsentGrant(msgspec.Struct, frozen=True, kw_only=True):
    """A consent that every imported contact gave, with where it comes from."""

    channel: Channel
    purpose: str = "*"
    consent_class: str = "express"
    source: str = SOURCE


def fixed_ids(domain: str, *parts: str) -> Callable[[], str]:
    """Return a source of contact ids that gives the same ids each time, for files that never send.

    A simulated recipient is a function of the run, hence of the contact's id: random ids would tell another story each time.
    """
    numbers = count()
    return lambda: "c_" + base32(derived(domain, *(part.encode() for part in (*parts, str(next(numbers))))), 26)


class ContactReader:
    """Finds contacts of an open file by their tokens, with their profiles."""

    def __init__(self, database: Database, state: State) -> None:
        self._vault = Vault(database)
        self._state = state
        self.secret = self._vault.secret(FILE)

    def find(self, kind: str, token: str) -> ExistingContact | None:
        """Return the contact that owns a token."""
        del kind
        contact = self._state.contact_of(token)
        return None if contact is None else self.existing(contact)

    def has_secret(self, contact: str) -> bool:
        """Tell whether there is a secret for commitments to the contact's data; an erasure takes it away."""
        return self._vault.newest(contact, "secret") is not None

    def is_erased(self, contact: str) -> bool:
        """Tell whether the contact was erased, and has not come back."""
        return self._state.contact(contact).erased

    def has_revoked(self, contact: str, channel: str, purpose: str) -> bool:
        """Tell whether the contact has revoked the consent for a purpose, or for every purpose."""
        consents = self._state.contact(contact).consents
        return any(not one.granted for key in (purpose, "*") if (one := consents.get((channel, key))) is not None)

    def existing(self, contact: str) -> ExistingContact:
        """Return what the file holds of a contact."""
        known = self._state.contact(contact)
        return ExistingContact(
            contact=contact,
            profile=self._vault.profile(contact),
            attributes=dict(known.attributes),
            key=self._vault.newest(contact, "key"),
        )


class Importer:
    """One import of one CSV file into one open file."""

    def __init__(
        self,
        reader: ContactReader,
        *,
        known_zones: frozenset[str],
        now: int,
        mapping: ColumnMapping | None = None,
        delimiter: str | None = None,
        default_country: str | None = None,
        update: bool = False,
        readmit: bool = False,
        consents: tuple[ConsentGrant, ...] = (),
        job: str = "",
        draw_id: Callable[[], str] | None = None,
    ) -> None:
        """Take an open file and the wishes of one import; `draw_id` makes the ids of new contacts (default: at random)."""
        self._reader = reader
        self._options = ImportOptions(known_zones=known_zones, delimiter=delimiter, default_country=default_country)
        self._mapping = mapping
        self._now = now
        self._update = update
        self._readmit = readmit
        self._consents = consents
        self._job = job
        self._draw_id = draw_id or new_contact_id
        self.report = ImportReport()

    def open(self, source: Path) -> ImportPlan:
        """Read the header. Raises Refused when the file cannot be an import."""
        return read_contacts(source, options=self._options, mapping=self._mapping, draw_id=self._draw_id)

    def rows(self, plan: ImportPlan, on_reject: Callable[[Reject], None] | None = None) -> Iterator[InboxRow]:
        """Yield the inbox rows of every contact that is new or changed, counting all of them in `report`."""
        self.report = ImportReport()
        for row in plan.rows(on_reject):
            yield from self._row(row.contact)
        counts = plan.counts
        self.report.rows = counts.rows
        self.report.duplicate = counts.duplicate
        self.report.rejected = counts.rejected

    def _row(self, prepared: PreparedContact) -> Iterator[InboxRow]:
        report = self.report
        comparison = compare_contact(prepared, self._reader.find, self._reader.secret)
        erased = comparison.existing is not None and self._reader.is_erased(comparison.existing.contact)
        if erased and not self._readmit:
            report.erased += 1
            return
        match comparison.status:
            case "new":
                report.new += 1
                yield contact_row(prepared, self._reader.secret, self._now, job=self._job, new=True)
            case "changed" if (self._update or erased) and comparison.existing is not None:
                report.changed += 1
                prepared = merge_contact(prepared, comparison.existing, known_zones=self._options.known_zones)
                anew = not self._reader.has_secret(comparison.existing.contact)  # it was erased, and comes back
                yield contact_row(prepared, self._reader.secret, self._now, job=self._job, new=anew)
            case "changed":
                report.kept += 1
            case "same":
                report.same += 1
            case "conflict":
                report.conflict += 1
                return
        contact = prepared.contact if comparison.existing is None else comparison.existing.contact
        for grant in self._consents:
            if self._reader.has_revoked(contact, grant.channel, grant.purpose):
                # Whoever wrote the file speaks for many; a revocation is undone by one person, in a row of `dee consent import`.
                report.revoked += 1
                continue
            report.consents += 1
            yield _consent_row(contact, grant, self._now)


def contact_row(
    prepared: PreparedContact, file_secret: bytes, now: int, *, job: str, new: bool, secret: bytes | None = None
) -> InboxRow:
    """Return the inbox row that adds or changes a contact: neutral facts in the payload, personal data beside it.

    `secret` is what a new contact gets in the place of a random one; only a file that is thrown away may have it.
    """
    tokens = dict[str, str](address_tokens(file_secret, prepared.profile, prepared.key).items())
    put = ContactPut(
        contact=prepared.contact,
        attributes=prepared.attributes,
        facts=prepared.facts,
        tokens=tokens,
        job=job,
    )
    kept = {"profile": canonical(dict(prepared.profile)).decode()}
    if prepared.key is not None:
        kept["key"] = prepared.key
    if new:
        drawn = secret or os.urandom(32)  # noqa: TID251 - drawn once, with the contact; only the vault has it
        kept["secret"] = drawn.hex()
    private: dict[str, object] = {"vault": {prepared.contact: kept}}
    return InboxRow(source=SOURCE, received=now, kind="contact.put", payload=encode_input(put), private=private)


def _consent_row(contact: str, grant: ConsentGrant, now: int) -> InboxRow:
    consent = ConsentSet(
        contact=contact,
        channel=grant.channel,
        purpose=grant.purpose,
        granted=True,
        consent_class=grant.consent_class,
        source=grant.source,
    )
    return InboxRow(source=SOURCE, received=now, kind="consent.set", payload=encode_input(consent))


def scan_rejects(plan: ImportPlan, path: Path | None, on_reject: Callable[[Reject], None] | None = None) -> int:
    """Make one pass over the file, write its rejects to `path` (no file is made when there are none) and return how many."""
    rejects = None if path is None else RejectsFile(path, plan.header)
    rejected = 0

    def note(reject: Reject) -> None:
        nonlocal rejected
        rejected += 1
        if rejects is not None:
            rejects.write(reject)
        if on_reject is not None:
            on_reject(reject)

    try:
        plan.scan(note)
    finally:
        if rejects is not None:
            rejects.close()
    return rejected
