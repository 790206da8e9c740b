"""Consent and suppression: what is in force for a contact or an address, since when, and which entry says so."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import msgspec

from dee_appliance.errors import Refused, Usage
from dee_appliance.kernel.e1.policy import SuppressionRule
from dee_appliance.kernel.e1.rulebook import places_of
from dee_appliance.kernel.e1.rules.consent import in_force
from dee_appliance.kernel.e1.rules.question import ADDRESS_OF
from dee_appliance.kernel.e1.rules.suppression import applies
from dee_appliance.kernel.e1.run import Suppression
from dee_appliance.runtime.reports_lists import ANYWHERE, ListAsker, list_askers, rules_in_force
from dee_appliance.runtime.reports_log import Log
from dee_appliance.runtime.reports_people_queries import PeopleQueries
from dee_appliance.runtime.reports_view import Instant, Times, name_of, one_moment, times_of
from dee_appliance.store.queries import load_queries
from dee_appliance.store.vault import EVIDENCE

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from dee_appliance.kernel.e1.plan import Channel
    from dee_appliance.kernel.e1.run import Contact
    from dee_appliance.runtime.reading import View
    from dee_appliance.runtime.reports_log import LogLine

CHANNELS: tuple[Channel, ...] = ("email", "sms", "voice")
EVERYTHING = -1


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """What a consent rests on. The log has the commitment, the vault the text, until the contact is erased.

    `state`: kept (the text is the one that was committed to), erased, or differs.
    """

    commitment: str
    text: str
    state: Literal["kept", "erased", "differs"]


class ConsentRow(msgspec.Struct, frozen=True, kw_only=True):
    """One consent or revocation. `in_force`: a send for this channel and purpose may rely on consent at the file's last tick."""

    channel: str
    purpose: str
    granted: bool
    in_force: bool
    consent_class: str
    basis: str
    obtained: Instant | None
    expires: Instant | None
    source: str
    evidence: Evidence | None
    entry: int
    at: Instant | None


class ConsentChange(msgspec.Struct, frozen=True, kw_only=True):
    """One entry about consent: granted, revoked, kept (a stronger one stands), or rejected."""

    entry: int
    at: Instant
    outcome: str
    channel: str
    purpose: str
    consent_class: str
    basis: str
    obtained: Instant | None
    expires: Instant | None
    source: str
    evidence: Evidence | None


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
    `channels` and `plan` are what it stops; `since` is when the person asked for it, if that was told, `at` when it was recorded.
    """

    subject: str
    kind: str
    address: str
    contact: str | None
    scope: str
    channels: tuple[str, ...]
    plan: str
    reason: str
    since: Instant | None
    entry: int
    at: Instant | None


class ListedRow(msgspec.Struct, frozen=True, kw_only=True):
    """One suppression list in use that an address is on. `stopped_by` are the rules in force that ask it about this person;
    without any the list stops nothing.
    """

    name: str
    kind: str
    version: int
    as_of: Instant
    entry: int
    at: Instant | None
    stopped_by: tuple[ListAsker, ...]


class SuppressionCheck(msgspec.Struct, frozen=True, kw_only=True):
    """Whether a contact or an address is suppressed: by an own suppression, or by a list that some rule asks.

    `channels` are those on which nothing goes out whatever the plan, `plans` those of which nothing goes out.
    """

    asked: str
    contact: str | None
    name: str
    erased: bool
    suppressed: bool
    channels: tuple[str, ...]
    plans: tuple[str, ...]
    suppressions: tuple[SuppressionRow, ...]
    lists: tuple[ListedRow, ...]


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
                basis=consent.basis,
                obtained=times.at(consent.obtained),
                expires=times.when(consent.expires),
                source="" if line is None else str(line.detail.get("source", "")),
                evidence=None if line is None else _evidence(view, contact.contact, line),
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
                basis=str(line.detail.get("basis", "")),
                obtained=times.when(_tick(line.detail.get("obtained"))),
                expires=times.when(_tick(line.detail.get("expires"))),
                source=str(line.detail.get("source", "")),
                evidence=_evidence(view, contact.contact, line),
            )


def _tick(value: object) -> int | None:
    return value if isinstance(value, int) else None


def _evidence(view: View, contact: str, line: LogLine) -> Evidence | None:
    """Return what an entry about consent rests on, compared with its commitment."""
    from dee_appliance.intake.facts import evidence_commitment  # noqa: PLC0415 - slow to import

    commitment = line.evidence.get("evidence")
    if not isinstance(commitment, str):
        return None
    text = view.vault.brought(contact, EVIDENCE, line.input)
    if text is None:
        return Evidence(commitment=commitment, text="", state="erased")
    same = evidence_commitment(view.vault.secret(contact), text) == commitment
    return Evidence(commitment=commitment, text=text, state="kept" if same else "differs")


# ---- suppression ----


def suppress_check(view: View, text: str, *, now: int | None = None) -> SuppressionCheck:
    """Say whether a contact or an address (known to the file or not) is suppressed. Raises Refused for what is neither.

    `now` is the tick for which rules are asked whether they are in force (default: the file's last one).
    """
    with one_moment(view):
        log = Log(view)
        tokens: dict[str, str] = {}
        try:
            contact = view.state.contact(view.resolve_contact(text))
            tokens = {kind: token for kind, token in contact.tokens.items() if kind != "key"}
        except Refused:
            subject = view.suppression_subject(text)
            contact = view.state.subject_snapshot(view.last_tick, subject).contact
            tokens = {"email" if "@" in text else "phone": subject}
        lists = tuple(_listed(view, log, contact, tokens, view.last_tick if now is None else now))
        own = contact.suppressions
        stopping = [rule for one in lists for rule in one.stopped_by]
        always = {channel for rule in stopping if not rule.purposes for channel in rule.channels or CHANNELS}
        return SuppressionCheck(
            asked=text,
            contact=contact.contact or None,
            name=name_of(view.vault.profile(contact.contact)) if contact.contact else "",
            erased=contact.erased,
            suppressed=bool(own or stopping),
            channels=tuple(one for one in CHANNELS if one in always or any(applies(had, one, "") for had in own)),
            plans=tuple(sorted({one.scope.removeprefix("plan:") for one in own if one.scope.startswith("plan:")})),
            suppressions=suppressions_of(view, log, contact),
            lists=lists,
        )


def _listed(view: View, log: Log, contact: Contact, tokens: dict[str, str], now: int) -> Iterator[ListedRow]:
    rules = [rule for rule in rules_in_force(view, now) if isinstance(rule, SuppressionRule)]
    places = places_of(contact) if contact.known else ANYWHERE
    times = times_of(view, contact)
    for kind in sorted(tokens):
        for name in view.state.lists.on(tokens[kind]):
            found = view.state.lists.in_use[name]
            line = log.entry(found.entry)
            askers = list_askers(view, name, rules, now, places)
            yield ListedRow(
                name=name,
                kind=kind,
                version=found.version,
                as_of=times.at(found.as_of),
                entry=found.entry,
                at=None if line is None else times.at(line.tick + view.epoch),
                stopped_by=tuple(one for one in askers if _asks_address(one, kind)),
            )


def _asks_address(asker: ListAsker, kind: str) -> bool:
    """Tell whether the rule asks the list about addresses of this kind: a channel asks with its own address."""
    return any(ADDRESS_OF[channel] == kind for channel in CHANNELS if channel in asker.channels or not asker.channels)


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
            channels=tuple(channel for channel in CHANNELS if applies(one, channel, "")),
            plan=one.scope.removeprefix("plan:") if one.scope.startswith("plan:") else "",
            reason=one.reason,
            since=None if line is None else times.when(_tick(line.detail.get("since"))),
            entry=one.entry,
            at=None if line is None else times.at(line.tick + view.epoch),
        )
