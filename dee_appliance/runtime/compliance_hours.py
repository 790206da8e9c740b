"""Calling and quiet hours, computed again: each send against every window that stood for it, by every clock of the contact.

What is used is the tick of the dispatch, the zone table that its entry names, the documents of the rules, and the contact as the
log has it then. How a window is read is written here a second time, on the clock's own date and second; the gate's search for
opening times has no part in it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from dee_appliance.kernel.e1.civil_date import civil_from_days
from dee_appliance.kernel.e1.civil_time import DAY_S, WEEKDAYS, OutOfRange, UnknownZone, format_local
from dee_appliance.kernel.e1.rulebook import concerns

if TYPE_CHECKING:
    from dee_appliance.kernel.e1.civil_time import Window, ZoneTable
    from dee_appliance.kernel.e1.policy import WindowRule
    from dee_appliance.runtime.compliance_log import Line
    from dee_appliance.runtime.compliance_people import Person
    from dee_appliance.runtime.compliance_rules import RuleSet

MOST_LISTED = 1_000
THURSDAY = 3
"""The weekday of 1970-01-01, Monday being 0."""


class Outside(msgspec.Struct, frozen=True, kw_only=True):
    """A send that was not inside a window: its entry, the rule, and what the clock of the zone showed."""

    entry: int
    channel: str
    rule: str
    zone: str
    local: str
    why: str


class ChannelHours(msgspec.Struct, kw_only=True):
    """One channel. `asked` sends had at least one window to keep; `exempt` counts windows that an exemption lifted.

    Earliest and latest are times of day over all zones of all contacts, "" without any.
    """

    channel: str
    sends: int = 0
    asked: int = 0
    without_zone: int = 0
    exempt: int = 0
    earliest: str = ""
    latest: str = ""
    outside: int = 0


class Hours:
    """Looks at every send of a period."""

    def __init__(self) -> None:
        self.channels: dict[str, ChannelHours] = {}
        self.outside: list[Outside] = []

    def look(self, line: Line, channel: str, person: Person, rules: RuleSet, table: ZoneTable) -> None:
        """Look at one dispatch."""
        told = self.channels.setdefault(channel, ChannelHours(channel=channel))
        told.sends += 1
        self._times(told, line.core.tick, person, table)
        ladder = line.core.detail.get("gate")
        asked = {str(one[0]) for one in ladder} if isinstance(ladder, list) else set()
        kept = False
        for rule, window in rules.windows:
            if not concerns(rule, person.places) or not _in_force(rule, person, table, line.core.tick):
                continue
            if rule.unless and rule.id not in asked:
                told.exempt += 1
                continue
            kept = True
            faults = _faults(line.core.tick, rule, window, person, table)
            told.outside += bool(faults)
            self._list(line, channel, rule, faults, table)
        told.asked += kept

    def _times(self, told: ChannelHours, tick: int, person: Person, table: ZoneTable) -> None:
        told.without_zone += not person.zones
        for zone in person.zones:
            local = _local(table, zone, tick)
            if local is None:
                continue
            shown = _clock(local % DAY_S)
            told.earliest = min(told.earliest or shown, shown)
            told.latest = max(told.latest, shown)

    def _list(
        self, line: Line, channel: str, rule: WindowRule, faults: list[tuple[str, str]], table: ZoneTable
    ) -> None:
        for zone, why in faults[: MOST_LISTED - len(self.outside)]:
            shown = format_local(table, zone, line.core.tick) if why.startswith("outside") else ""
            self.outside.append(Outside(entry=line.seq, channel=channel, rule=rule.id, zone=zone, local=shown, why=why))


def _faults(tick: int, rule: WindowRule, window: Window, person: Person, table: ZoneTable) -> list[tuple[str, str]]:
    """The zones by whose clock the send was not inside the window, and why."""
    zones = (rule.zone,) if rule.zone else person.zones
    faults: list[tuple[str, str]] = [] if zones else [("", "no zone is known")]
    for zone in zones:
        local = _local(table, zone, tick)
        if local is None:
            faults.append((zone, "the zone table does not say"))
        elif not is_open(window, local):
            faults.append((zone, "outside the hours"))
        elif rule.personal and person.hours is not None and not _is_open_week(person.hours, local):
            faults.append((zone, "outside the contact's own hours"))
    return faults


def is_open(window: Window, local: int) -> bool:
    """Tell whether a clock that shows this local time shows permitted hours. After the end of a calendar: never."""
    day, second = divmod(local, DAY_S)
    if window.closed_until is not None and day > window.closed_until and (window.closed_days or window.dates):
        return False
    if any(opens <= second < closes for opens, closes in _begun_on(window, day)):
        return True
    if day in window.closed_days or dict(window.dates).get(day) == ():
        return False
    return any(opens <= second + DAY_S < closes for opens, closes in _begun_on(window, day - 1))


def _begun_on(window: Window, day: int) -> tuple[tuple[int, int], ...]:
    if day in window.closed_days:
        return ()
    own = dict(window.dates)
    return own[day] if day in own else window.weekly[(day + THURSDAY) % WEEKDAYS]


def _is_open_week(weekly: list[list[tuple[int, int]]], local: int) -> bool:
    day, second = divmod(local, DAY_S)
    today, yesterday = weekly[(day + THURSDAY) % WEEKDAYS], weekly[(day + THURSDAY - 1) % WEEKDAYS]
    return any(opens <= second < closes for opens, closes in today) or any(
        second + DAY_S < closes for _, closes in yesterday
    )


def _local(table: ZoneTable, zone: str, tick: int) -> int | None:
    try:
        return tick + table.offset_at(zone, tick)
    except (UnknownZone, OutOfRange):
        return None


def _in_force(rule: WindowRule, person: Person, table: ZoneTable, tick: int) -> bool:
    """By the local date in any zone; where no date is known, the rule is taken to be in force."""
    if not (rule.effective_from or rule.effective_until):
        return True
    dates = [_date(local) for zone in person.zones if (local := _local(table, zone, tick)) is not None]
    if not dates:
        return True
    return any(
        rule.effective_from <= date and (not rule.effective_until or date < rule.effective_until) for date in dates
    )


def _date(local: int) -> str:
    year, month, day = civil_from_days(local // DAY_S)
    return f"{year:04d}-{month:02d}-{day:02d}"


def _clock(second: int) -> str:
    minutes, seconds = divmod(second, 60)
    return f"{minutes // 60:02d}:{minutes % 60:02d}:{seconds:02d}"
