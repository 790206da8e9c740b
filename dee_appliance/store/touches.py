"""What happened to a contact that caps may count: kept for the contacts that were asked about, written many rows at a time."""

from __future__ import annotations

from bisect import bisect_right
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec.structs import replace

from dee_appliance.kernel.e1.run import Touch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dee_appliance.kernel.e1.run import Attempt
    from dee_appliance.store.database import Database
    from dee_appliance.store.state_queries import StateQueries

KEPT = 10_000


class Body(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """What of a touch is not a column."""

    channel: str = ""
    plan: str = ""
    purpose: str = ""
    variables: dict[str, bool | int | str] = {}


_encode = msgspec.json.Encoder(order="sorted").encode
_decode = msgspec.json.Decoder(Body).decode


class Touches:
    """The touches of one open file."""

    def __init__(self, database: Database, queries: StateQueries) -> None:
        self._database = database
        self._queries = queries
        self._new: list[Touch] = []
        self._known: dict[tuple[str, int, int, str], str] = {}
        self._kept: dict[str, tuple[int, list[Touch]]] = {}
        """By contact: since which tick, and the touches, newest first, in the order in which they are read as well."""

    def forget(self) -> None:
        """Drop what was read and what was not written, after a rollback."""
        self._new.clear()
        self._known.clear()
        self._kept.clear()

    def history(self, contact: str, since: int) -> tuple[Touch, ...]:
        """Return what happened to a contact since a tick, newest first."""
        kept = self._kept.get(contact)
        if kept is None or kept[0] > since:
            self.flush()
            if len(self._kept) >= KEPT:
                self._kept.clear()
            kept = self._kept[contact] = (since, self._read(contact, since))
        touches = kept[1]
        return tuple(touches[: bisect_right(touches, -since, key=_age)])

    def at_address(self, contact: str, address: str, since: int) -> tuple[Touch, ...]:
        """Return what happened to a contact, and to whoever had its address before, since a tick, newest first."""
        own = self.history(contact, since)
        self.flush()
        rows = self._database.execute(self._queries.select_touches_of_address, (address, since))
        others = [one for one in map(_touch, rows) if one.contact != contact]
        return tuple(sorted((*own, *others), key=_order, reverse=True)) if others else own

    def _read(self, contact: str, since: int) -> list[Touch]:
        return [_touch(row) for row in self._database.execute(self._queries.select_touches, (contact, since))]

    def add(self, touch: Touch) -> None:
        """Note a touch. `entry` is the seq of its audit entry."""
        kept = self._kept.get(touch.contact)
        if kept is not None:
            touches, key = kept[1], _key(touch)
            place = 0
            while place < len(touches) and _key(touches[place]) > key:
                place += 1
            if place < len(touches) and _key(touches[place]) == key:
                return
            touches.insert(place, touch)
        self._new.append(touch)

    def settle(self, attempt: Attempt, outcome: str) -> None:
        """Note what became of an attempt."""
        key = (attempt.contact, attempt.sent, attempt.no, attempt.channel)
        self._known[key] = outcome
        kept = self._kept.get(attempt.contact)
        if kept is not None:
            kept[1][:] = [replace(one, outcome=outcome) if _key(one) == key else one for one in kept[1]]

    def flush(self) -> None:
        """Write everything that is not written yet."""
        if self._new:
            rows = [
                (
                    one.contact,
                    one.tick,
                    one.attempt_no,
                    one.what,
                    one.entry,
                    one.outcome,
                    one.address,
                    _encode(Body(one.channel, one.plan, one.purpose, one.variables)).decode(),
                )
                for one in self._new
            ]
            self._database.many(self._queries.insert_touch, rows)
            self._new.clear()
        if self._known:
            known = [(outcome, *key) for key, outcome in self._known.items()]
            self._database.many(self._queries.update_touch, known)
            self._known.clear()


def _touch(row: Sequence[Any]) -> Touch:
    contact, tick, attempt_no, what, entry, outcome, address, text = row
    body = _decode(text)
    return Touch(
        contact=contact,
        tick=tick,
        attempt_no=attempt_no,
        what=what,
        entry=entry,
        outcome=outcome,
        channel=body.channel,
        plan=body.plan,
        purpose=body.purpose,
        address=address,
        variables=body.variables,
    )


def _order(touch: Touch) -> tuple[int, str, int, str]:
    return touch.tick, touch.contact, touch.attempt_no, touch.what


def _age(touch: Touch) -> int:
    return -touch.tick


def _key(touch: Touch) -> tuple[str, int, int, str]:
    return touch.contact, touch.tick, touch.attempt_no, touch.what
