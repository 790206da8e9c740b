"""Whom an entry is about, what was known of them then, and what they had said no to.

Followed through the log: contacts as their entries record them, runs by the input that enrolled them, opt-outs until they are
lifted. Names, addresses and everything else that tells who somebody is stay in the vault: here are ids, tokens and codes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from dee_appliance.kernel.e1.happening import SAID
from dee_appliance.kernel.e1.input import ConsentSet, ContactErase, ContactPut, Enroll, Event, SuppressionSet
from dee_appliance.kernel.e1.rulebook import Places
from dee_appliance.kernel.e1.rules.question import ADDRESS_OF

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dee_appliance.kernel.e1.plan import Channel
    from dee_appliance.runtime.compliance_log import Cause, Line, Memory

EVERY_CHANNEL: tuple[Channel, ...] = ("email", "sms", "voice")


class Person(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a contact's newest entry says. `hours` are its own, by weekday; `held` are the names of what is kept."""

    zones: tuple[str, ...] = ()
    jurisdictions: tuple[str, ...] = ()
    subscriber: str = ""
    hours: list[list[tuple[int, int]]] | None = None
    tokens: dict[str, str] = {}
    held: tuple[str, ...] = ()
    erased: bool = False

    @property
    def places(self) -> Places:
        """Where the contact may be."""
        return Places(zones=self.zones, jurisdictions=self.jurisdictions, subscriber=self.subscriber)


class Stop(msgspec.Struct, frozen=True):
    """Something that stands against a send: the entry that recorded it, and the kind of rule that must ask about it."""

    entry: int
    kind: str
    way: str


NOBODY = Person()
_encoder = msgspec.json.Encoder(order="sorted")
_person_decoder = msgspec.json.Decoder(Person)
_stop_decoder = msgspec.json.Decoder(Stop)


class People:
    """Contacts, runs and opt-outs up to the entry that was read last."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory
        self._stopped = False
        self.known = 0
        """Contacts in the file that were not erased."""
        self.categories: dict[str, int] = {}
        """How many of them each kind of data is kept of."""

    # ---- contacts and runs ----

    def person(self, contact: str) -> Person:
        """Return what is known of a contact."""
        found = self._memory.people.get(contact)
        return NOBODY if found is None else _person_decoder.decode(found[1])

    def put(self, line: Line, value: ContactPut) -> None:
        """A contact was added or changed: the entry says with which facts."""
        facts, attributes = line.core.detail.get("facts"), line.core.detail.get("attributes")
        facts = facts if isinstance(facts, dict) else {}
        names = [f"attribute {name}" for name in attributes] if isinstance(attributes, dict) else []
        codes = _merged(facts.get("jurisdictions"))
        person = Person(
            zones=_merged(facts.get("zones")),
            jurisdictions=tuple(code for code in codes if not any(other.startswith(f"{code}-") for other in codes)),
            subscriber=str(facts.get("subscriber", "")),
            hours=facts.get("hours"),
            tokens=dict(value.tokens),
            held=tuple(sorted([*(f"profile {name}" for name in facts.get("present", [])), *names])),
        )
        self._replace(value.contact, person, line.core.tick)
        for token in value.tokens.values():
            self._memory.tokens.put(token, (0, value.contact))

    def erase(self, line: Line, value: ContactErase) -> None:
        """A contact was erased: the tokens stay, so that an opt-out holds."""
        there = self.person(value.contact)
        self._replace(value.contact, Person(tokens=there.tokens, erased=True), line.core.tick)

    def known_since(self, contact: str) -> int | None:
        """Return the tick at which the contact came into the file, None for one that never did."""
        found = self._memory.people.get(contact)
        return None if found is None else found[0]

    def _replace(self, contact: str, person: Person, tick: int) -> None:
        there = self._memory.people.get(contact)
        before = Person(erased=True) if there is None else _person_decoder.decode(there[1])
        self.known += before.erased - person.erased
        for name in before.held:
            self.categories[name] -= 1
        for name in person.held:
            self.categories[name] = self.categories.get(name, 0) + 1
        since = tick if there is None else there[0]
        self._memory.people.put(contact, (since, _encoder.encode(person).decode()))

    def enrolled(self, line: Line, value: Enroll) -> None:
        """A run began."""
        self._memory.runs.put(str(line.run), (0, value.contact))

    def of_run(self, run: str | None) -> str:
        """Return whose run it is; "" if the log does not say."""
        found = None if run is None else self._memory.runs.get(run)
        return "" if found is None else found[1]

    def about(self, cause: Cause) -> str:
        """Return the contact that an input is about, or the token of an address that no contact has."""
        match cause.value:
            case Event(contact=contact, send_key=key):
                newest = self._memory.newest.get(key) if key else None
                return self.of_run(newest[1]) if newest is not None else contact
            case SuppressionSet(subject=subject):
                known = self._memory.tokens.get(subject)
                return subject if known is None else known[1]
            case value:
                return str(getattr(value, "contact", ""))

    # ---- what stands against a send ----

    def consent(self, line: Line, value: ConsentSet) -> None:
        """Consent was granted or revoked."""
        name = f"c/{value.contact}/{value.channel}/{value.purpose}"
        if value.granted:
            self._memory.stops.pop(name)
        else:
            self._stop(name, Stop(line.seq, "consent", "consent.revoked"))

    def suppressed(self, line: Line, cause: Cause, way: str) -> None:
        """A suppression was added: of the contact, and of whoever has the address later."""
        scope = str(line.core.detail.get("scope", "*"))
        for subject in self._subjects(cause, scope):
            self._stop(f"s/{subject}/{scope}", Stop(line.seq, "suppression", way))

    def lifted(self, line: Line, cause: Cause) -> None:
        """A suppression was lifted, under whatever name of the contact it stood."""
        contact = self.about(cause)
        scope = str(line.core.detail.get("scope", "*"))
        for subject in (contact, *sorted(self.person(contact).tokens.values()), *self._subjects(cause, scope)):
            self._memory.stops.pop(f"s/{subject}/{scope}")

    def _subjects(self, cause: Cause, scope: str) -> list[str]:
        """Whom it concerns: what is named; by a person's own words the person and its addresses in the scope too."""
        contact, value = self.about(cause), cause.value
        if isinstance(value, SuppressionSet) and value.reason not in SAID:
            return [value.subject]
        tokens = self.person(contact).tokens
        channels = [one for one in EVERY_CHANNEL if scope in ("*", f"channel:{one}")]
        named = [value.subject] if isinstance(value, SuppressionSet) else []
        return [one for one in (*named, contact, *(tokens.get(ADDRESS_OF[one], "") for one in channels)) if one]

    def _stop(self, name: str, stop: Stop) -> None:
        self._stopped = True
        self._memory.stops.put(name, (0, _encoder.encode(stop).decode()))

    def standing(self, contact: str, channel: Channel, plan: str, purpose: str) -> Iterator[Stop]:
        """Give what stands against a send to this contact now, oldest kinds first."""
        person = self.person(contact)
        if person.erased:
            yield Stop(-1, "erasure", "erasure")
        if not self._stopped:
            return
        token = person.tokens.get(ADDRESS_OF[channel], "")
        names = [f"c/{contact}/{channel}/{one}" for one in (purpose, "*")]
        scopes = ("*", f"channel:{channel}", f"plan:{plan}")
        names += [f"s/{subject}/{scope}" for subject in (contact, token) if subject for scope in scopes]
        told: list[int] = []
        for name in names:
            found = self._memory.stops.get(name)
            stop = None if found is None else _stop_decoder.decode(found[1])
            # An opt-out stands under the contact and under the address: it is one.
            if stop is not None and stop.entry not in told:
                told.append(stop.entry)
                yield stop

    # ---- who was reached ----

    def reached(self, names: tuple[str, ...], tick: int, since: int) -> tuple[bool, ...]:
        """Note a send under each name, and tell for each whether it is the first since a tick."""
        first: list[bool] = []
        for name in names:
            before = self._memory.last.get(name)
            first.append(before is None or before[0] < since)
            self._memory.last.put(name, (tick, ""))
        return tuple(first)

    def last_reached(self, contact: str, channel: str) -> int:
        """Return the tick of the newest send to a contact on a channel, -1 without one."""
        found = self._memory.last.get(f"{contact}/{channel}")
        return -1 if found is None else found[0]


def _merged(known: object) -> tuple[str, ...]:
    """Everything that some fact speaks for."""
    if not isinstance(known, dict):
        return ()
    return tuple(sorted({str(one) for values in known.values() for one in values}))
