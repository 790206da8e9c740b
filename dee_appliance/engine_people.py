"""The half of the Python API about what people have said: events, consent, opt-outs, suppression lists; and recorded facts."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias, TypeVar

from msgspec.structs import replace

from dee_appliance.engine_queue import SOURCE, EngineQueue
from dee_appliance.errors import Refused
from dee_appliance.intake.codes import CODE_HINT, is_code
from dee_appliance.kernel.e1.input import EVENTS, ConsentSet, Event, EventMeaning, FactSet, SuppressionSet
from dee_appliance.store.vault import EVIDENCE, REPLY

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from dee_appliance.kernel.e1.plan import Channel
    from dee_appliance.runtime.commands import Batch, Submitted
    from dee_appliance.runtime.ledger_import import (
        ConsentImportReport,
        LedgerFile,
        LedgerReport,
        ListReport,
        OptOutReport,
    )
    from dee_appliance.store.inbox import InboxRow

Progress: TypeAlias = "Callable[[int], None] | None"
Report = TypeVar("Report", bound="LedgerReport")

REPLIES = ("sms.replied", "email.replied")
"""Events that bring what a person wrote."""
LONGEST_REPLY = 10_000
KEYWORD = "keyword"
"""The kind of an event that was read out of a text message of one word."""


class EnginePeople(EngineQueue):
    """The verbs about what people have said."""

    # ---- events ----

    def add_event(
        self,
        name: str,
        *,
        contact: str = "",
        send_key: str = "",
        kind: str = "",
        text: str = "",
        dedupe: str | None = None,
    ) -> Submitted:
        """Tell of something that happened: about one send (by its key) or about a contact.

        `text` is what the person wrote, for sms.replied and email.replied; it is kept as personal data. A text message that is
        STOP, START, HELP or a word like them is sms.stop, sms.start or sms.help as well, which takes effect first.
        An opt-out from an address that no contact has (any more) suppresses the address. `dedupe` makes the event harmless to
        repeat.
        """
        from dee_appliance.intake.opt_out_words import event_of_words  # noqa: PLC0415 - slow, and only used here

        if bool(contact) == bool(send_key):
            raise Refused("an event is about a contact or about a send", hint="give --contact or --send")
        if text and name not in REPLIES:
            raise Refused(f"{name} brings no text", hint=f"only {' and '.join(REPLIES)} do")
        if len(text) > LONGEST_REPLY:
            raise Refused(f"the text is longer than {LONGEST_REPLY:,} characters", hint="shorten it")
        word = event_of_words(text) if name == "sms.replied" else None
        if contact and self.is_stranger(contact, word or name):
            return self._opted_out(contact, EVENTS[word or name], dedupe)
        event = Event(name=name, contact=contact and self._resolve(contact), send_key=send_key, kind=kind)
        now = self.now()
        rows = [self._row(event, now, dedupe=dedupe, private=self._said(event, text))]
        if word is not None:
            token = None if dedupe is None else f"{dedupe}/{word}"
            rows.insert(0, self._row(replace(event, name=word, kind=KEYWORD), now, dedupe=token))
        return self._checked(self._submit_rows(rows))

    def is_stranger(self, contact: str, name: str) -> bool:
        """Tell whether an event is an opt-out that comes from an address which no contact of the file has."""
        meaning = EVENTS.get(name)
        if meaning is None or not meaning.suppresses or not ("@" in contact or contact.startswith("+")):
            return False
        with self.view() as view:
            return view.state.contact_of(view.suppression_subject(contact)) is None

    def _opted_out(self, address: str, meaning: EventMeaning, dedupe: str | None) -> Submitted:
        """Suppress an address that no contact has; from everything, if a rule in use lets an opt-out reach so far."""
        with self.view() as view:
            subject = view.suppression_subject(address)
            wide = any(
                rule.reach == "everything" and (not rule.channels or meaning.channel in rule.channels)
                for rule in view.state.opt_out_rules()
            )
        scope = "*" if wide else f"channel:{meaning.channel}"
        suppression = SuppressionSet(subject=subject, on=True, scope=scope, reason=meaning.suppresses)
        return self._checked(self.submit(suppression, dedupe=dedupe))

    def _said(self, event: Event, text: str) -> dict[str, object] | None:
        """Return what a person wrote as it goes to the vault; nothing when nobody known wrote it."""
        if not text:
            return None
        with self.view() as view:
            attempt = view.state.attempt(event.send_key, None) if event.send_key else None
        contact = event.contact if attempt is None else attempt.contact
        return {"vault": {contact: {REPLY: text}}} if contact else None

    # ---- consent ----

    def set_consent(
        self,
        contact: str,
        channel: Channel,
        *,
        granted: bool,
        purpose: str = "*",
        consent_class: str = "express",
        basis: str = "",
        obtained: int | None = None,
        expires: int | None = None,
        source: str = SOURCE,
        evidence: str = "",
    ) -> bool:
        """Grant or revoke consent of a contact for a channel and purpose ("*": every purpose); tell whether it counts now.

        It does not when a stronger consent is in force, or when the contact has revoked and this is nothing said since.

        `consent_class` is express, written, implied or soft_opt_in, which is recorded as implied by soft_opt_in; `basis` a code
        that says what an implied one follows from; `obtained` and `expires` are ticks; `evidence` is kept as personal data, and
        the log has a commitment to it.
        """
        from dee_appliance.intake.facts import evidence_commitment  # noqa: PLC0415 - slow, and only used here

        identity = self._resolve(contact)
        self._require_consent(consent_class, obtained, expires, evidence)
        consent_class, basis = _counted_as(consent_class, basis)
        private: dict[str, object] | None = None
        commitment = ""
        if evidence:
            with self.view() as view:
                if view.state.contact(identity).erased:
                    raise Refused("the contact was erased: no evidence can be kept", where=contact)
                commitment = evidence_commitment(view.vault.secret(identity), evidence)
            private = {"vault": {identity: {EVIDENCE: evidence}}}
        consent = ConsentSet(
            contact=identity,
            channel=channel,
            purpose=purpose,
            granted=granted,
            consent_class=consent_class,
            expires=expires,
            source=_code(source, "source"),
            basis=basis and _code(basis, "basis"),
            obtained=obtained,
            evidence=commitment,
        )
        self._checked(self.submit(consent, private=private))
        with self.view() as view:
            now = view.state.contact(identity).consents.get((channel, purpose))
        return now is not None and now.granted == granted and (not granted or now.consent_class == consent_class)

    def _require_consent(self, consent_class: str, obtained: int | None, expires: int | None, evidence: str) -> None:
        from dee_appliance.intake.ledger_rows import LONGEST_EVIDENCE  # noqa: PLC0415 - slow, and only used here
        from dee_appliance.kernel.e1.happening import CONSENT_CLASSES  # noqa: PLC0415

        if consent_class not in CONSENT_CLASSES:
            raise Refused(f"`{consent_class}` is no class of consent", hint=", ".join(CONSENT_CLASSES))
        if obtained is not None and obtained > self.now():
            raise Refused("the consent was obtained in the future", hint="leave it out: it is obtained now")
        if obtained is not None and expires is not None and expires <= obtained:
            raise Refused("the consent ends before it was obtained", hint="give another end, or none")
        if len(evidence) > LONGEST_EVIDENCE:
            raise Refused(f"evidence has at most {LONGEST_EVIDENCE:,} characters", hint="name where the rest is kept")

    def import_consents(
        self, file: str | Path | LedgerFile, *, dry_run: bool = False, progress: Progress = None
    ) -> ConsentImportReport:
        """Import consents and revocations of contacts that the file has, from a CSV file, all or nothing.

        Importing the same file again changes nothing. Raises Refused as import_contacts does.
        """
        from dee_appliance.runtime.ledger_import import ConsentImport  # noqa: PLC0415 - slow, and only used here

        wanted, now = self._ledger_file(file), self.now()
        with self.view() as view:
            importer = ConsentImport(view, wanted, now)
            batch = self._imported(
                importer.rows(), "dee consent import", dry_run=dry_run, urgent=True, progress=progress
            )
        return _reported(importer.report, batch)

    # ---- suppression ----

    def suppress(
        self,
        subject: str,
        *,
        on: bool = True,
        scope: str = "*",
        reason: str = "operator",
        since: int | None = None,
    ) -> None:
        """Suppress a contact or an address (known to the file or not), or lift it. `since` is when the person asked for it."""
        with self.view() as view:
            token = view.suppression_subject(subject)
        if since is not None and since > self.now():
            raise Refused("nobody has asked for it in the future", hint="leave it out: it is asked for now")
        suppression = SuppressionSet(subject=token, on=on, scope=scope, reason=_code(reason, "reason"), since=since)
        self._checked(self.submit(suppression))

    def import_opt_outs(
        self,
        file: str | Path | LedgerFile,
        *,
        reason: str = "unsubscribed",
        dry_run: bool = False,
        progress: Progress = None,
    ) -> OptOutReport:
        """Import people who have opted out, from a CSV file, all or nothing. `reason` is that of rows which give none.

        The file need not know them. Importing the same file again changes nothing. Raises Refused as import_contacts does.
        """
        from dee_appliance.runtime.ledger_import import OptOutImport  # noqa: PLC0415 - slow, and only used here

        wanted, now = self._ledger_file(file), self.now()
        with self.view() as view:
            importer = OptOutImport(view, wanted, now, reason=_code(reason, "reason"))
            rows = importer.rows()
            batch = self._imported(rows, "dee suppress import", dry_run=dry_run, urgent=True, progress=progress)
        return _reported(importer.report, batch)

    def import_list(
        self,
        name: str,
        file: str | Path | LedgerFile,
        *,
        as_of: int | None = None,
        allow_empty: bool = False,
        allow_smaller: bool = False,
        allow_older: bool = False,
        dry_run: bool = False,
        progress: Progress = None,
    ) -> ListReport:
        """Bring a new version of a suppression list into use, in the place of the earlier one, all or nothing.

        `as_of` is the tick at which it was taken from its source (default: now). Raises Refused as import_contacts does, for a
        list that is empty, older than the version in use, or less than half of it, and is not said to be right all the same, and
        when another import of the list came in between.
        """
        from dee_appliance.runtime.ledger_import import ListImport  # noqa: PLC0415 - slow, and only used here

        wanted, now = self._ledger_file(file), self.now()
        if as_of is not None and as_of > now:
            raise Refused("the list is from the future", hint="leave --as-of out: the list is from now")
        with self.view() as view:
            importer = ListImport(
                view,
                wanted,
                now,
                name=_code(name, "list"),
                as_of=now if as_of is None else as_of,
                actor=self.actor,
            )
            rows = importer.rows(allow_empty=allow_empty, allow_smaller=allow_smaller, allow_older=allow_older)
            batch = self._imported(rows, "dee suppress import", dry_run=dry_run, progress=progress)
        if batch is not None and batch.refused:
            raise Refused(
                "another import of this list came in between: nothing of this one is in use",
                where=name,
                hint="import it again",
            )
        return _reported(importer.report, batch)

    # ---- facts ----

    def set_fact(self, name: str, value: bool | None) -> None:  # noqa: FBT001 - a fact is its name and its value
        """Record that something is so (True), is not so (False), or is not known any more (None)."""
        self._checked(self.submit(FactSet(name=_code(name, "fact"), value=value, actor=self.actor)))

    # ---- what the imports share ----

    def _ledger_file(self, file: str | Path | LedgerFile) -> LedgerFile:
        from dee_appliance.intake.addresses import supported_regions  # noqa: PLC0415 - slow, and only used here
        from dee_appliance.runtime.ledger_import import LedgerFile  # noqa: PLC0415
        from dee_appliance.store.header import refuse_to_replace  # noqa: PLC0415

        wanted = LedgerFile(path=Path(file)) if isinstance(file, str | Path) else file
        if wanted.rejects is not None:
            refuse_to_replace(wanted.rejects, wanted.path, self.path)
        if wanted.default_country is not None and wanted.default_country not in supported_regions():
            raise Refused(
                f"{wanted.default_country!r} is not a country code", hint="use two capital letters such as US"
            )
        return wanted

    def _imported(
        self, rows: Iterator[InboxRow], what: str, *, dry_run: bool, progress: Progress, urgent: bool = False
    ) -> Batch | None:
        """Bring the rows in, or only read them. `urgent`: a loop sends nothing before the last of them is admitted."""
        if not dry_run:
            return self._submit_many(rows, what, progress, urgent=urgent)
        for _ in rows:
            pass
        return None


def _reported(report: Report, batch: Batch | None) -> Report:
    if batch is not None:
        report.queued, report.refused = batch.queued, batch.refused
    return report


def _code(text: str, where: str) -> str:
    """Pass a code. Raises Refused: texts about people have no place in the log, which is never erased."""
    if not is_code(text):
        raise Refused("it must be a code, no free text: the log keeps it for ever", where=where, hint=CODE_HINT)
    return text


def _counted_as(consent_class: str, basis: str) -> tuple[str, str]:
    from dee_appliance.intake.invalid import InvalidValue  # noqa: PLC0415 - slow, and only used here
    from dee_appliance.intake.ledger_rows import counted_as  # noqa: PLC0415

    try:
        return counted_as(consent_class, basis)
    except InvalidValue as error:
        raise Refused("a soft opt-in is its own basis", where="basis", hint="leave it out") from error
