"""Consent and suppression: what is in force for a contact or an address, since when, and which entry says so."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from dee_appliance.errors import Refused, Usage
from dee_appliance.kernel.e1.rules.consent import in_force
from dee_appliance.kernel.e1.rules.suppression import applies
from dee_appliance.kernel.e1.run import Suppression
from dee_appliance.runtime.reports_log import Log
from dee_appliance.runtime.reports_people_queries import PeopleQueries
from dee_appliance.runtime.reports_view import Instant, Times, name_of, one_moment, times_of
from dee_appliance.store.queries import load_queries

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from dee_appliance.kernel.e1.plan import Channel
    from dee_appliance.kernel.e1.run import Contact
    from dee_appliance.runtime.reading import View

CHANNELS: tuple[Channel, ...] = ("email", "sms", "voice")
EVERYTHING = -1


class ConsentRow(msgspec.Struct, frozen=True, kw_only=True):
    """One consent or revocation. `in_force`: a send for this channel and purpose may rely on consent at the file's last tick."""

    channel: str
    purpose: str
    granted: bool
    in_force: bool
    consent_class: str
    expires: Instant | None
    source: str
    entry: int
    at: Instant | None


class ConsentChange(msgspec.Struct, frozen=True, kw_only=True):
    """One entry about consent."""

    entry: int
    at: Instant
    outcome: str
    channel: str
    purpose: str
    consent_class: str
    source: str


class ConsentReport(msgspec.Struct, frozen=True, kw_only=True):
    """The consent of one contact: what stands, and how it came about."""

    contact: str
    name: str
    erased: bool
    consents: tuple[ConsentRow, ...]
    history: tuple[ConsentChange, ...]


class SuppressionRow(msgspec.Struct, frozen=True, kw_only=True):
    """One suppression. `kind` is contact, email, phone, key, or address for one that no contact has.

    `address` is empty where the file does not hold it (any more): it keeps keyed tokens, and `subject` is one of them.
    """

    subject: str
    kind: str
    address: str
    contact: str | None
    scope: str
    reason: str
    entry: int
    at: Instant | None


class SuppressionCheck(msgspec.Struct, frozen=True, kw_only=True):
    """Whether a contact or an address is suppressed. `channels` are those on which nothing goes out whatever the plan."""

    asked: str
    contact: str | None
    name: str
    suppressed: bool
    channels: tuple[str, ...]
    suppressions: tuple[SuppressionRow, ...]


# ---- consent ----


def consent_show(view: View, contact: str) -> ConsentReport:
    """Return the consent of the contact that a text names. Raises Refused for an unknown one."""
    with one_moment(view):
        found = view.state.contact(view.resolve_contact(contact))
        log = Log(view)
        times = times_of(view, found)
        return ConsentReport(
            contact=found.contact,
            name=name_of(view.vault.profile(found.contact)),
            erased=found.erased,
            consents=consents_of(view, log, found),
            history=tuple(_history(view, log, found, times)),
        )


def consents_of(view: View, log: Log, contact: Contact) -> tuple[ConsentRow, ...]:
    """Return the consents of a contact by channel and purpose."""
    times = times_of(view, contact)
    rows: list[ConsentRow] = []
    for channel, purpose in sorted(contact.consents):
        consent = contact.consents[(channel, purpose)]
        line = log.entry(consent.entry)
        rows.append(
            ConsentRow(
                channel=channel,
                purpose=purpose,
                granted=consent.granted,
                in_force=in_force(contact, channel, purpose, view.last_tick) is not None,
                consent_class=consent.consent_class,
                expires=times.when(consent.expires),
                source="" if line is None else str(line.detail.get("source", "")),
                entry=consent.entry,
                at=None if line is None else times.at(line.tick + view.epoch),
            )
        )
    return tuple(rows)


def _history(view: View, log: Log, contact: Contact, times: Times) -> Iterator[ConsentChange]:
    for line in log.about_contact(contact.contact):
        if line.action == "consent":
            yield ConsentChange(
                entry=line.seq,
                at=times.at(line.tick + view.epoch),
                outcome=line.outcome,
                channel=str(line.detail.get("channel", "")),
                purpose=str(line.detail.get("purpose", "")),
                consent_class=str(line.detail.get("class", "")),
                source=str(line.detail.get("source", "")),
            )


# ---- suppression ----


def suppress_check(view: View, text: str) -> SuppressionCheck:
    """Say whether a contact or an address (known to the file or not) is suppressed. Raises Refused for what is neither."""
    with one_moment(view):
        log = Log(view)
        try:
            contact = view.state.contact(view.resolve_contact(text))
        except Refused:
            subject = view.suppression_subject(text)
            contact = view.state.subject_snapshot(view.last_tick, subject).contact
        return SuppressionCheck(
            asked=text,
            contact=contact.contact or None,
            name=name_of(view.vault.profile(contact.contact)) if contact.contact else "",
            suppressed=bool(contact.suppressions),
            channels=tuple(
                channel for channel in CHANNELS if any(applies(one, channel, "") for one in contact.suppressions)
            ),
            suppressions=suppressions_of(view, log, contact),
        )


def suppressions_of(view: View, log: Log, contact: Contact) -> tuple[SuppressionRow, ...]:
    """Return the suppressions of a contact and of its addresses (or of an address that no contact has)."""
    kinds = {token: kind for kind, token in contact.tokens.items()}
    rows = ((one, kinds.get(one.subject), contact.contact or None) for one in contact.suppressions)
    return tuple(_suppression_rows(view, log, rows, times_of(view, contact)))


def suppressions_of_subject(view: View, log: Log, subject: str) -> tuple[SuppressionRow, ...]:
    """Return the suppressions of an address token that no contact has."""
    return suppressions_of(view, log, view.state.subject_snapshot(view.last_tick, subject).contact)


def suppress_list(
    view: View, *, scope: str = "", reason: str = "", limit: int | None = None
) -> Iterator[SuppressionRow]:
    """Give the file's suppressions by subject and scope, for one scope and reason (empty: any)."""
    if limit is not None and limit < 0:
        raise Usage("a limit is a whole number from 0 on", where="--limit")
    sql = load_queries(PeopleQueries, "people").select_suppression_list
    rows = view.database.stream(sql, (scope, reason, EVERYTHING if limit is None else limit))
    found = ((Suppression(subject=row[0], scope=row[1], reason=row[2], entry=row[3]), row[4], row[5]) for row in rows)
    return _suppression_rows(view, Log(view), found, Times(view))


def _suppression_rows(
    view: View, log: Log, rows: Iterable[tuple[Suppression, str | None, str | None]], times: Times
) -> Iterator[SuppressionRow]:
    for one, kind, owner in rows:
        line = log.entry(one.entry)
        named = one.subject.startswith("c_")
        contact = one.subject if named else owner
        profile = view.vault.profile(contact) if contact and not named else {}
        yield SuppressionRow(
            subject=one.subject,
            kind="contact" if named else kind or "address",
            address=profile.get(kind or "", ""),
            contact=contact,
            scope=one.scope,
            reason=one.reason,
            entry=one.entry,
            at=None if line is None else times.at(line.tick + view.epoch),
        )
