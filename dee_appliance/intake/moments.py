"""Moments as people and files write them: an ISO date, or a date and time.

Lives here: reading one. Does not live here: ticks counted from the epoch of a file (the command line reads those).
Rules a change must keep: a time without a zone is UTC, a date is its first second in UTC; nothing is read by guess, so a date
with slashes or points is refused.
"""

from __future__ import annotations

import datetime
from typing import Final

from dee_appliance.intake.invalid import InvalidValue

LAST_TICK: Final = 253_402_300_799
"""The last second of the year 9999."""
_FIRST: Final = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)


def parse_moment(text: str, *, field: str | None = None) -> int:
    """Return the tick (UTC seconds) of `2026-11-23`, `2026-11-23T09:00:00Z` and the like. Raises InvalidValue (moment)."""
    try:
        moment = datetime.datetime.fromisoformat(text)
    except ValueError:
        raise InvalidValue("moment", f"`{text}` is no date and time", field=field) from None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=datetime.UTC)
    since = moment - _FIRST
    tick = since.days * 86_400 + since.seconds
    if not 0 <= tick <= LAST_TICK:
        raise InvalidValue("moment", f"`{text}` is outside the years 1970 to 9999", field=field)
    return tick
