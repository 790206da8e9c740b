"""What every report needs: moments as people read them, the contact's own zone, names from the vault, one moment of the file.

Reports are values (frozen structs that turn into JSON as they are); how they look as text is the business of the command line.

Rules a change must keep: a report reads and decides nothing; it names ticks as the log prints them, relative to the file's epoch,
beside UTC and, where a contact is known, the time on the contact's clock.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import msgspec

from dee_appliance.kernel.e1.civil_time import OutOfRange, UnknownZone, format_local, format_utc
from dee_appliance.kernel.e1.rulebook import home_zones

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dee_appliance.kernel.e1.run import Contact
    from dee_appliance.runtime.reading import View

NAME_FIELDS = ("name", "full_name")
NAME_PARTS = ("first_name", "last_name")


class Instant(msgspec.Struct, frozen=True):
    """One moment: `tick` in seconds since the file's epoch, `utc` and (if a zone is known) `local` as ISO 8601."""

    tick: int
    utc: str
    local: str | None = None


class Times:
    """Turns ticks into moments, on the clock of one zone if there is one."""

    def __init__(self, view: View, zone: str | None = None) -> None:
        self._view = view
        self.zone = zone

    def at(self, tick: int) -> Instant:
        """Return the moment of a tick (UTC seconds)."""
        return Instant(tick=tick - self._view.epoch, utc=format_utc(tick), local=self._local(tick))

    def when(self, tick: int | None) -> Instant | None:
        """Return the moment of a tick that may be missing."""
        return None if tick is None else self.at(tick)

    def _local(self, tick: int) -> str | None:
        if self.zone is None:
            return None
        try:
            return format_local(self._view.state.zones(), self.zone, tick)
        except (UnknownZone, OutOfRange):
            return None


def zone_of(contact: Contact) -> str | None:
    """Return the zone to show times in: the only one of the surest basis that says anything, else None."""
    zones = home_zones(contact)
    return zones[0] if len(zones) == 1 else None


def times_of(view: View, contact: Contact) -> Times:
    """Return the moments of a contact."""
    return Times(view, zone_of(contact))


def name_of(profile: dict[str, str]) -> str:
    """Return how to call a person: a name, else an address, else nothing (an erased contact has none)."""
    whole = next((profile[field] for field in NAME_FIELDS if profile.get(field)), "")
    parts = " ".join(profile[field] for field in NAME_PARTS if profile.get(field))
    return whole or parts or profile.get("email", "") or profile.get("phone", "")


@contextmanager
def one_moment(view: View) -> Iterator[None]:
    """Read one state of the file, whatever a running loop commits meanwhile. May be nested."""
    if view.database.in_transaction:
        yield
        return
    view.database.execute("BEGIN")
    try:
        view.state.reload()
        yield
    finally:
        if view.database.in_transaction:
            view.database.execute("ROLLBACK")
