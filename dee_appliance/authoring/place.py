"""A table of a written file, as the place where findings about its fields are put, and the notations read in place.

Reading a notation never raises here: a wrong text becomes a finding and a harmless value, so that the next field is read too.
"""

from __future__ import annotations

import datetime

from dee_appliance.authoring.finding import Code, Findings
from dee_appliance.authoring.notation import NotationError, parse_duration, parse_offset, parse_weekdays, second_of_day
from dee_appliance.authoring.positions import Path
from dee_appliance.authoring.source import Source


class Place:
    """The table at `path` of `source`; `keys` below lead from it to the field that is meant."""

    def __init__(self, source: Source, path: Path, found: Findings) -> None:
        self.source = source
        self.path = path
        self.found = found

    def inside(self, *keys: str | int) -> Place:
        """Return the place of a table inside this one."""
        return Place(self.source, (*self.path, *keys), self.found)

    def line(self, *keys: str | int) -> int:
        """Return the line of a field of this table, or of the table if it has no such field."""
        return self.source.positions.line((*self.path, *keys))

    def refuse(self, keys: Path, code: Code, reason: str, suggestion: str = "") -> None:
        """Add a finding that keeps the file from being published."""
        self.found.refuse(self.source.file, self.line(*keys), code, reason, suggestion)

    def warn(self, keys: Path, code: Code, reason: str, suggestion: str = "") -> None:
        """Add a finding that is only said."""
        self.found.warn(self.source.file, self.line(*keys), code, reason, suggestion)

    def seconds(self, keys: Path, text: str) -> int:
        """Return the seconds of a duration; zero is refused, since it would mean nothing."""
        try:
            seconds = parse_duration(text)
        except NotationError as error:
            self.refuse(keys, "wrong_value", f"`{text}` is no duration", str(error))
            return 1
        if seconds == 0:
            self.refuse(keys, "wrong_value", f"`{text}` is no time at all", "write at least 1s")
        return seconds

    def offset(self, keys: Path, text: str) -> int:
        """Return the seconds of a duration that may be negative or zero."""
        try:
            return parse_offset(text)
        except NotationError as error:
            self.refuse(keys, "wrong_value", f"`{text}` is no offset", str(error))
            return 0

    def weekdays(self, keys: Path, text: str) -> tuple[int, ...]:
        """Return the weekdays, 0 = Monday."""
        try:
            return parse_weekdays(text)
        except NotationError as error:
            self.refuse(keys, "wrong_value", f"`{text}` names no weekdays", str(error))
            return ()

    def second_of_day(self, keys: Path, time: datetime.time) -> int:
        """Return the seconds since local midnight."""
        try:
            return second_of_day(time)
        except NotationError as error:
            self.refuse(keys, "wrong_value", f"`{time}` is no plain time of day", str(error))
            return 0
