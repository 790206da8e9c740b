"""What each send was permitted by: the entries that it cites are in the log, say what they are cited for, and held at that tick.

This reads the log alone and knows nothing of the gate: the policy and the packs cited must be those that the entries before
had put in force, and the consent must be the contact's, for this channel and purpose, neither revoked nor replaced nor
expired by then. A gate that cited a dead consent would replay without a difference; it is found here.

Rules a change must keep: no kernel decision is called; memory does not grow with the file, and what was read of a contact for
one send is not read again for the next.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from dee_appliance.replay.entry_form import Form, lenient, read_body, read_form
from dee_appliance.replay.reading import read_document, read_entries, read_entry
from dee_appliance.store.queries import load_queries

if TYPE_CHECKING:
    from dee_appliance.replay.reading import ReplayQueries
    from dee_appliance.store.database import Database

CHANNEL_OF = {"send_email": "email", "send_sms": "sms", "call": "voice"}
EVERY_PURPOSE = "*"
FAULTS_KEPT = 20
FORMS_KEPT = 4_096
"""Entries that are cited again and again: one consent stands behind every send to its contact."""
CONTACTS_KEPT = 20_000
"""Contacts whose words are kept in memory, to go on with them at their next send."""
SAID = (b'"action":"consent"', b'"action":"erase"')
"""One of these stands in each entry that grants or ends a consent."""


class PermissionQueries(msgspec.Struct, frozen=True, kw_only=True):
    """sql/queries/permission.sql."""

    select_run_contact: str
    select_plan_digest: str
    select_in_contact_trail: str
    select_contact_words: str


class Word(NamedTuple):
    """The last word about one channel and purpose: the entry that grants or revokes, and what ended the grant (0: nothing)."""

    seq: int
    granted: bool
    ended: int = 0


class Words:
    """What a contact has said of consent up to an entry, folded from the log."""

    def __init__(self) -> None:
        self.read = 0
        """The first entry that is not folded yet."""
        self.last: dict[tuple[object, object], Word] = {}

    def take(self, form: Form) -> None:
        """Take in the next entry that speaks of the contact."""
        key = (form.detail.get("channel"), form.detail.get("purpose"))
        match form.core["action"], form.core["outcome"]:
            case "consent", "granted":
                self.last[key] = Word(form.seq, granted=True)
            case "consent", "revoked":
                self.last[key] = Word(form.seq, granted=False)
                if key[1] == EVERY_PURPOSE:
                    self._end(form.seq, (key[0],))
            case "erase", "pending":
                self._end(form.seq, tuple(channel for channel, _ in self.last))
            case _:
                pass

    def _end(self, seq: int, channels: tuple[object, ...]) -> None:
        for key, word in self.last.items():
            if key[0] in channels and word.granted and not word.ended:
                self.last[key] = word._replace(ended=seq)

    def against(self, cited: int, granted: tuple[object, object], purpose: str) -> int:
        """Return the entry that stands against a consent that is relied on for a purpose, 0 when none does."""
        for key in ((granted[0], purpose), (granted[0], EVERY_PURPOSE)):
            word = self.last.get(key)
            if word is not None and not word.granted:
                return word.seq
        word = self.last.get(granted, Word(cited, granted=True))
        return word.ended if word.seq == cited else word.seq


class Permissions(msgspec.Struct, frozen=True, kw_only=True):
    """How many sends passed the gate, how many rest on a consent, and what was wrong (the first FAULTS_KEPT of `wrong`)."""

    sends: int
    by_consent: int
    wrong: int
    faults: tuple[str, ...]


def check_permissions(database: Database, names: ReplayQueries) -> Permissions:
    """Look at every send of a file whose log and state have been compared already. Raises EvidenceError at a damaged page."""
    check = _PermissionCheck(database, names)
    for row in read_entries(database, names):
        if any(word in row.body for word in _TELLING):
            value, _ = read_body(row.body)
            form = None if value is None else read_form(value)
            if form is not None:
                check.entry(form)
    return Permissions(sends=check.sends, by_consent=check.by_consent, wrong=check.wrong, faults=tuple(check.faults))


_TELLING = (b'"dispatched"', b'"action":"policy"', b'"action":"pack"', b'"action":"zones"')
"""One of these stands in each entry that matters here; most entries need not be decoded."""


class _PermissionCheck:
    """What was in force while the log is read in its order."""

    def __init__(self, database: Database, names: ReplayQueries) -> None:
        self._database = database
        self._names = names
        self._own = load_queries(PermissionQueries, "permission")
        self._policy = 0
        self._packs: dict[str, int] = {}
        self._zones = ""
        self._words: dict[str, Words] = {}
        self._form = lru_cache(FORMS_KEPT)(self._read)
        self._purpose = lru_cache(FORMS_KEPT)(self._read_purpose)
        self.sends = 0
        self.by_consent = 0
        self.wrong = 0
        self.faults: list[str] = []

    def entry(self, form: Form) -> None:
        """Take in the next entry."""
        match form.core["action"], form.core["outcome"]:
            case "policy", "set":
                self._policy = form.seq
            case "zones", "used":
                self._zones = str(form.detail.get("digest"))
            case "pack", "used":
                self._packs[str(form.detail.get("pack"))] = form.seq
            case "pack", "retired":
                self._packs.pop(str(form.detail.get("pack")), None)
            case action, "dispatched" if action in CHANNEL_OF:
                self.sends += 1
                self._send(form)
            case _:
                pass

    def _send(self, form: Form) -> None:
        saw = form.saw
        if saw.get("policy") != self._policy:
            self._fault(form, f"it names entry {saw.get('policy')} as the policy, in force was entry {self._policy}")
        packs = sorted(self._packs.values())
        if sorted(map(str, _listed(saw.get("packs")))) != sorted(map(str, packs)):
            self._fault(form, f"it names entries {saw.get('packs', [])} as the packs, in force were {packs}")
        if saw.get("zones", self._zones) != self._zones:
            self._fault(form, f"it names the zone table {saw.get('zones')}, in force was {self._zones}")
        if "consent" in saw:
            self.by_consent += 1
            self._consent(form, saw["consent"])
        elif _rests_on_consent(form):
            self._fault(form, "a rule passed because of a consent, and none is named")

    def _consent(self, form: Form, cited: object) -> None:
        found = self._form(cited) if isinstance(cited, int) else None
        if found is None or (found.core["action"], found.core["outcome"]) != ("consent", "granted"):
            self._fault(form, f"it names entry {cited} as a consent, which grants none")
            return
        channel, purpose = CHANNEL_OF[str(form.core["action"])], self._purpose(str(form.core["plan"]))
        granted = (found.detail.get("channel"), found.detail.get("purpose"))
        words = self._words_of(form)
        if not self._is_theirs(form, found.seq, words.last.get(granted)):
            self._fault(form, f"the consent of entry {cited} is another contact's")
            return
        if granted not in {(channel, purpose), (channel, EVERY_PURPOSE)}:
            self._fault(form, f"the consent of entry {cited} is for {granted}, the send for {(channel, purpose)}")
            return
        expires, tick = found.detail.get("expires"), form.core["tick"]
        if isinstance(expires, int) and isinstance(tick, int) and tick >= expires:
            self._fault(form, f"the consent of entry {cited} had expired at tick {expires}")
        against = words.against(found.seq, granted, purpose)
        if against > found.seq:
            self._fault(form, f"the consent of entry {cited} was ended by entry {against}")
        elif against:
            self._fault(form, f"entry {against} revokes, and the consent of entry {cited} does not undo it")

    def _contact(self, form: Form) -> str:
        row = self._database.one(self._own.select_run_contact, (form.run,))
        return "" if row is None else str(row[0])

    def _words_of(self, form: Form) -> Words:
        """Return what the contact of a send had said before it. Sends come in the order of the log."""
        contact = self._contact(form)
        words = self._words.pop(contact, None) or Words()
        if len(self._words) >= CONTACTS_KEPT:
            del self._words[next(iter(self._words))]
        self._words[contact] = words
        for _, body in self._database.execute(self._own.select_contact_words, (contact, words.read, form.seq, *SAID)):
            value = lenient(body)
            said = None if value is None else read_form(value)
            if said is not None:
                words.take(said)
        words.read = form.seq
        return words

    def _is_theirs(self, form: Form, cited: int, word: Word | None) -> bool:
        """Whether the cited entry is about the contact of the send, and stands before it."""
        if word is not None and word.seq == cited:
            return True
        where = (self._contact(form), cited, form.seq)
        return self._database.one(self._own.select_in_contact_trail, where) is not None

    def _read(self, seq: int) -> Form | None:
        row = read_entry(self._database, self._names, seq)
        value = None if row is None else lenient(row.body)
        return None if value is None else read_form(value)

    def _read_purpose(self, plan: str) -> str:
        name, _, version = plan.rpartition("@")
        row = self._database.one(self._own.select_plan_digest, (name, version))
        document = None if row is None else read_document(self._database, self._names, str(row[0]))
        return "" if document is None else str((lenient(document.body) or {}).get("purpose"))

    def _fault(self, form: Form, what: str) -> None:
        self.wrong += 1
        if len(self.faults) < FAULTS_KEPT:
            self.faults.append(f"entry {form.seq} let a send of {form.run} pass: {what}")


def _rests_on_consent(form: Form) -> bool:
    """Whether some rule of the ladder says which class of consent it was given."""
    return any(
        len(rung) > 2 and rung[1] == "pass" and isinstance(rung[2], dict) and "class" in rung[2]
        for rung in map(_listed, _listed(form.detail.get("gate")))
    )


def _listed(value: object) -> list[object]:
    return value if isinstance(value, list) else []
