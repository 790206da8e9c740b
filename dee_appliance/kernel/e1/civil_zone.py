"""Zones: the table of offsets by which one file decides, and what the clocks of a zone show at an instant.

The table is compiled elsewhere, stored in the file and named by digest in every decision. An instant is UTC
seconds; a local time is an integer too, which counts the seconds that the zone's clock and calendar show. Only
the offset from UTC counts: whether a zone calls it summer time is not in the table. Outside the table nothing
is guessed.
"""

from __future__ import annotations

from bisect import bisect_right
from typing import ClassVar, NamedTuple

import msgspec

from dee_appliance.errors import EvidenceError, Refused
from dee_appliance.kernel.e1.civil_date import DAY_S, clock_text
from dee_appliance.kernel.e1.encoding import NotCanonical, canonical, document_digest


class UnknownZone(Refused):
    """The zone table has no zone of this name, or no zone was given at all."""

    code: ClassVar[str] = "unknown_zone"

    def __init__(self, zone: str) -> None:
        super().__init__(
            f"unknown time zone {zone!r}" if zone else "no time zone is known",
            hint="use an IANA zone id that is in the file's zone table, such as America/New_York",
        )
        self.zone = zone


class OutOfRange(Refused):
    """The question leaves the years for which the zone table was compiled."""

    code: ClassVar[str] = "zone_table_range"

    def __init__(self, what: str) -> None:
        super().__init__(f"the zone table does not cover {what}", hint="load a newer zone table")


class ZoneDocument(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The zone table as the file stores it.

    `functions` are the distinct histories of an offset over [`from`, `until`), each a list of (from_utc,
    offset_s east of UTC) whose first row starts at `from`; `zones` names the one each zone follows; `version`
    is the IANA release.
    """

    version: str
    from_utc: int = msgspec.field(name="from")
    until_utc: int = msgspec.field(name="until")
    functions: tuple[tuple[tuple[int, int], ...], ...]
    zones: dict[str, int]


class Offsets(NamedTuple):
    """The offset of a zone over time.

    `offsets[i]` holds on [`starts[i]`, `starts[i + 1]`); the last start ends the table.
    """

    starts: tuple[int, ...]
    offsets: tuple[int, ...]


class ZoneTable:
    """The zone rules one file decides by.

    Immutable; `digest` is the digest of the document it was built from.
    """

    __slots__ = ("_zones", "digest", "from_utc", "until_utc", "version")

    def __init__(self, document: object) -> None:
        """Build from a decoded document value.

        Raises EvidenceError when the value is not a well-formed table.
        """
        try:
            parsed = msgspec.convert(document, ZoneDocument)
            self.digest = document_digest("zones", canonical(parsed))
        except (msgspec.ValidationError, NotCanonical) as error:
            raise EvidenceError(f"the zone table is malformed: {error}") from error
        functions = [_checked_function(parsed, rows) for rows in parsed.functions]
        if any(not 0 <= index < len(functions) for index in parsed.zones.values()):
            raise EvidenceError("the zone table is malformed: a zone names a function that is not there")
        self.version = parsed.version
        self.from_utc = parsed.from_utc
        self.until_utc = parsed.until_utc
        self._zones = {zone: functions[parsed.zones[zone]] for zone in sorted(parsed.zones)}

    def zones(self) -> tuple[str, ...]:
        """Return the ids of all zones, sorted."""
        return tuple(self._zones)

    def offset_at(self, zone: str, utc: int) -> int:
        """Return the seconds by which the zone's clock is ahead of UTC (east is positive).

        Raises UnknownZone, OutOfRange.
        """
        starts, offsets = self.offsets_of(zone)
        if not self.from_utc <= utc < self.until_utc:
            raise OutOfRange(f"{utc} s UTC")
        return offsets[bisect_right(starts, utc) - 1]

    def local_at(self, zone: str, utc: int) -> int:
        """Return the local time at an instant, as seconds since 1970-01-01T00:00 local.

        Raises UnknownZone, OutOfRange.
        """
        return utc + self.offset_at(zone, utc)

    def utc_of_local(self, zone: str, local_seconds: int) -> int:
        """Return the first instant at which the zone's clock shows this local time or a later one.

        A local time in a gap gives the first instant after the gap, one that is shown twice gives the
        earlier. Raises UnknownZone; OutOfRange when that instant is not, or cannot be known to be, inside the
        table.
        """
        starts, offsets = self.offsets_of(zone)
        found = self.first_within(zone, local_seconds, None)
        if found is None or local_seconds < starts[0] + offsets[0]:  # shown before the table begins
            raise OutOfRange(f"{local_seconds} s local time")
        return found

    def first_within(self, zone: str, local_from: int, local_until: int | None) -> int | None:
        """Return the table's first instant whose local time is in [local_from, local_until), else None.

        `local_until=None` sets no upper end. Raises UnknownZone; OutOfRange when it may be shown after the
        table's end.
        """
        starts, offsets = self.offsets_of(zone)
        # No offset reaches a day, so a segment that ends a day before this local time by UTC never shows it.
        for index in range(max(bisect_right(starts, local_from - DAY_S) - 1, 0), len(offsets)):
            offset = offsets[index]
            begin = max(starts[index], local_from - offset)
            end = starts[index + 1]
            if local_until is not None:
                if begin >= local_until + DAY_S:
                    return None
                end = min(end, local_until - offset)
            if begin < end:
                return begin
        if local_until is None or local_until > starts[-1] + offsets[-1]:
            raise OutOfRange(f"{local_from} s local time")
        return None

    def offsets_of(self, zone: str) -> Offsets:
        """Return the offsets of a zone over the whole table. Raises UnknownZone."""
        found = self._zones.get(zone)
        if found is None:
            raise UnknownZone(zone)
        return found


def _checked_function(document: ZoneDocument, rows: tuple[tuple[int, int], ...]) -> Offsets:
    starts = (*(start for start, _ in rows), document.until_utc)
    offsets = tuple(offset for _, offset in rows)
    covering = starts[0] == document.from_utc and ascend(starts)
    if not offsets or not covering or any(abs(offset) >= DAY_S for offset in offsets):
        raise EvidenceError("the zone table is malformed: a function does not cover its years in order")
    return Offsets(starts, offsets)


def ascend(numbers: tuple[int, ...]) -> bool:
    """Tell whether each number is greater than the one before."""
    return all(numbers[index] < numbers[index + 1] for index in range(len(numbers) - 1))


def local_day(table: ZoneTable, zone: str, utc: int) -> int:
    """Return the local date at an instant, as a day number. Raises UnknownZone, OutOfRange."""
    return table.local_at(zone, utc) // DAY_S


def day_start(table: ZoneTable, zone: str, day: int) -> int:
    """Return the first instant whose local date is this day or a later one.

    A day need not have a midnight, nor exist at all. Raises UnknownZone, OutOfRange.
    """
    return table.utc_of_local(zone, day * DAY_S)


def format_local(table: ZoneTable, zone: str, utc: int) -> str:
    """Return an instant as the zone's clock shows it, `2026-11-23T01:00:00-08:00`.

    Raises UnknownZone, OutOfRange.
    """
    offset = table.offset_at(zone, utc)
    sign = "-" if offset < 0 else "+"
    minutes, seconds = divmod(abs(offset), 60)
    # No zone has had seconds in its offset since 1972; RFC 3339 has no form for them, Python's is taken.
    tail = f":{seconds:02d}" if seconds else ""
    return f"{clock_text(utc + offset)}{sign}{minutes // 60:02d}:{minutes % 60:02d}{tail}"
