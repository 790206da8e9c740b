"""Moments of a scenario file and the ticks they are: local in the file's zone, with an offset, or so long after the start."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING, TypeAlias

import msgspec

from dee_appliance.kernel.e1.civil_zone import OutOfRange, UnknownZone, ZoneTable

if TYPE_CHECKING:
    from dee_appliance.authoring.place import Place
    from dee_appliance.authoring.positions import Path

EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
NAIVE_EPOCH = datetime.datetime(1970, 1, 1)  # noqa: DTZ001 - a local time has no zone of its own

When: TypeAlias = "str | datetime.datetime"


class Calendar(msgspec.Struct, frozen=True, kw_only=True):
    """How moments of one scenario become ticks: its zone and start."""

    zones: ZoneTable
    zone: str
    start: int

    def tick(self, place: Place, keys: Path, when: When) -> int:
        """Return the tick of a moment; one that cannot be read becomes a finding and the start."""
        if isinstance(when, str) and when[:1] in "+-":
            return self.start + place.offset(keys, when)
        moment = _moment(place, keys, when)
        return self.start if moment is None else moment_tick(self, place, keys, moment)


def _moment(place: Place, keys: Path, when: When) -> datetime.datetime | None:
    if isinstance(when, datetime.datetime):
        return when
    try:
        return datetime.datetime.fromisoformat(when)
    except ValueError:
        hint = 'write it like 2027-01-04T09:00:00, or "+2d" after the start'
        place.refuse(keys, "wrong_value", f"`{when}` is no moment", hint)
        return None


def moment_tick(calendar: Calendar, place: Place, keys: Path, moment: datetime.datetime) -> int:
    """Return the tick of a date and time, local in the scenario's zone if it has no offset."""
    since = moment - (NAIVE_EPOCH if moment.tzinfo is None else EPOCH)
    seconds = since.days * 86_400 + since.seconds
    try:
        tick = seconds if moment.tzinfo is not None else calendar.zones.utc_of_local(calendar.zone, seconds)
        calendar.zones.local_at(calendar.zone, tick)
    except (OutOfRange, UnknownZone):
        place.refuse(keys, "wrong_value", f"{moment} is outside the years that the time-zone table knows")
        return calendar.start
    return tick
