"""Moments of a scenario file and the ticks they are: local in the file's zone, with an offset, or so long after the start."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING

import msgspec

from dee_appliance.authoring.notation import format_duration
from dee_appliance.kernel.e1.civil_time import format_utc
from dee_appliance.kernel.e1.civil_zone import OutOfRange, UnknownZone, ZoneTable, format_local

if TYPE_CHECKING:
    from dee_appliance.authoring.place import Place
    from dee_appliance.authoring.positions import Path

EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
NAIVE_EPOCH = datetime.datetime(1970, 1, 1)  # noqa: DTZ001 - a local time has no zone of its own


class Calendar(msgspec.Struct, frozen=True, kw_only=True):
    """How moments of one scenario become ticks: its zone and start."""

    zones: ZoneTable
    zone: str
    start: int

    def tick(self, place: Place, keys: Path, when: str) -> int:
        """Return the tick of a moment; one that cannot be read becomes a finding and the start."""
        if when[:1] in "+-":
            return self._known(place, keys, self.start + place.offset(keys, when))
        moment = _moment(place, keys, when)
        return self.start if moment is None else self._known(place, keys, self._tick_of(moment))

    def _tick_of(self, moment: datetime.datetime) -> int | None:
        """Return the tick of a date and time, local in the scenario's zone if it has no offset; None outside the table."""
        since = moment - (NAIVE_EPOCH if moment.tzinfo is None else EPOCH)
        seconds = since.days * 86_400 + since.seconds
        try:
            return seconds if moment.tzinfo is not None else self.zones.utc_of_local(self.zone, seconds)
        except (OutOfRange, UnknownZone):
            return None

    def _known(self, place: Place, keys: Path, tick: int | None) -> int:
        """Pass a tick that the zone table knows; another becomes a finding."""
        try:
            if tick is not None:
                self.zones.local_at(self.zone, tick)
                return tick
        except (OutOfRange, UnknownZone):
            pass
        place.refuse(keys, "wrong_value", "this is outside the years that the time-zone table knows")
        return self.start

    def shown(self, tick: int) -> str:
        """Return a moment as people read it: on the clock of the zone, and how long after the start."""
        try:
            clock = format_local(self.zones, self.zone, tick)
        except (OutOfRange, UnknownZone):
            clock = format_utc(tick)
        return f"{clock} ({format_duration(tick - self.start)} after the start)"


def _moment(place: Place, keys: Path, when: str) -> datetime.datetime | None:
    try:
        moment = datetime.datetime.fromisoformat(when)
    except ValueError:
        moment = None
    if moment is None or moment.microsecond:
        hint = 'write it like 2027-01-04T09:00:00, or "+2d" after the start'
        place.refuse(keys, "wrong_value", f"`{when}` is no moment", hint)
        return None
    return moment
