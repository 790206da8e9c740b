"""Contacts: found by whatever is known of them, shown with all that the file holds, and all that happened to them in order.

Personal data come from the vault and go nowhere but into the report that was asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from dee_appliance.errors import Refused, Usage
from dee_appliance.runtime.reports_log import Log, LogFilter
from dee_appliance.runtime.reports_people_queries import PeopleQueries
from dee_appliance.runtime.reports_permission import ConsentRow, SuppressionRow, consents_of, suppressions_of
from dee_appliance.runtime.reports_runs import RunFilter, RunRow, select_runs
from dee_appliance.runtime.reports_timeline import Moment, Teller, plan_of_label
from dee_appliance.runtime.reports_view import Instant, Times, name_of, one_moment, zone_of
from dee_appliance.store.queries import load_queries

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dee_appliance.runtime.reading import View


class ContactRow(msgspec.Struct, frozen=True, kw_only=True):
    """One contact in a list. `matched` names the field in which the text was found."""

    contact: str
    name: str
    email: str
    phone: str
    key: str
    matched: str


class ContactReport(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that the file holds of a contact.

    `zones` and `jurisdictions` are by basis (declared, address, number); `local_now` is the file's last tick on the contact's
    clock; `entries` and `head` are length and head of the contact's own chain.
    """

    contact: str
    name: str
    key: str
    erased: bool
    profile: dict[str, str]
    attributes: dict[str, bool | int | str]
    zone: str | None
    zones: dict[str, list[str]]
    jurisdictions: dict[str, list[str]]
    local_now: Instant
    consents: tuple[ConsentRow, ...]
    suppressions: tuple[SuppressionRow, ...]
    runs: tuple[RunRow, ...]
    entries: int
    head: str


def contact_show(view: View, text: str) -> ContactReport:
    """Return what the file holds of the contact that a text names. Raises Refused for an unknown one."""
    with one_moment(view):
        contact = view.state.contact(view.resolve_contact(text))
        identity = contact.contact
        log = Log(view)
        profile = view.vault.profile(identity)
        zone = zone_of(contact)
        row = view.database.one(load_queries(PeopleQueries, "people").select_chain_of_contact, (identity,))
        return ContactReport(
            contact=identity,
            name=name_of(profile),
            key=view.vault.newest(identity, "key") or "",
            erased=contact.erased,
            profile=profile,
            attributes=contact.attributes,
            zone=zone,
            zones=_by_basis(contact.facts.get("zones")),
            jurisdictions=_by_basis(contact.facts.get("jurisdictions")),
            local_now=Times(view, zone).at(view.last_tick),
            consents=consents_of(view, log, contact),
            suppressions=suppressions_of(view, log, contact),
            runs=tuple(select_runs(view, RunFilter(contact=identity))),
            entries=0 if row is None else row[0],
            head="" if row is None else row[1],
        )


def _by_basis(value: object) -> dict[str, list[str]]:
    if not isinstance(value, dict):
        return {}
    return {str(basis): [str(one) for one in names] for basis, names in value.items()}


def contact_timeline(view: View, text: str, *, limit: int | None = None) -> Iterator[Moment]:
    """Give everything that happened to a contact, all its runs together, oldest first. `limit` keeps the newest.

    Raises Refused for an unknown contact.
    """
    identity = view.resolve_contact(text)
    log = Log(view)
    teller = Teller(view, log, view.state.contact(identity))
    lines = log.lines(LogFilter(contact=identity, limit=limit))
    return (teller.moment(line, plan_of_label(view, line.plan)) for line in lines)


# ---- finding ----


def contact_find(view: View, text: str, *, limit: int = 50) -> Iterator[ContactRow]:
    """Give the contacts that a text names exactly (id, e-mail address, number, key), else those in whose profile it occurs.

    Case does not count. Erased contacts have no profile; they are found by their id.
    """
    wanted = text.strip()
    if not wanted:
        raise Usage("say what to look for", hint="dee contact find TEXT")
    exact = _exact(view, wanted)
    if exact is not None:
        yield _row(view, exact, view.vault.profile(exact), _field(view, exact, wanted))
        return
    yield from _containing(view, wanted, limit)


def _exact(view: View, text: str) -> str | None:
    try:
        return view.resolve_contact(text)
    except Refused:
        return None


def _field(view: View, contact: str, text: str) -> str:
    if contact == text:
        return "contact"
    if (view.vault.newest(contact, "key") or "") == text:
        return "key"
    return "email" if "@" in text else "phone"


def _containing(view: View, text: str, limit: int) -> Iterator[ContactRow]:
    found = 0
    if text.startswith("c_"):
        sql = load_queries(PeopleQueries, "people").select_contacts_with_prefix
        for (contact,) in view.database.execute(sql, (text, limit)):
            found += 1
            yield _row(view, contact, view.vault.profile(contact), "contact")
    folded = text.casefold()
    digits = "".join(character for character in text if character.isdigit())
    for contact, profile in _profiles(view):
        if found >= limit:
            return
        matched = _matched(profile, folded, digits)
        if matched:
            found += 1
            yield _row(view, contact, profile, matched)


def _profiles(view: View) -> Iterator[tuple[str, dict[str, str]]]:
    """Give the newest profile of every contact."""
    sql = load_queries(PeopleQueries, "people").select_profiles
    decoder = msgspec.json.Decoder(dict[str, str])
    last: tuple[str, str] | None = None
    for contact, value in view.database.stream(sql):
        if last is not None and last[0] != contact:
            yield last[0], decoder.decode(last[1])
        last = (contact, value)
    if last is not None:
        yield last[0], decoder.decode(last[1])


FEWEST_DIGITS = 4
"""Fewer digits are not taken for a part of a phone number."""


def _matched(profile: dict[str, str], folded: str, digits: str) -> str:
    """Return the field in which the text occurs, "" if none: a name may be written over two fields, a number with spaces."""
    for field in sorted(profile):
        if folded in profile[field].casefold():
            return field
    if folded in name_of(profile).casefold():
        return "name"
    return "phone" if len(digits) >= FEWEST_DIGITS and digits in profile.get("phone", "") else ""


def _row(view: View, contact: str, profile: dict[str, str], matched: str) -> ContactRow:
    return ContactRow(
        contact=contact,
        name=name_of(profile),
        email=profile.get("email", ""),
        phone=profile.get("phone", ""),
        key=view.vault.newest(contact, "key") or "",
        matched=matched,
    )
