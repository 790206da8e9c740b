"""Moments as people type them: an ISO date and time in UTC, or a tick."""

from __future__ import annotations

import datetime

from dee_appliance.errors import Usage

EXAMPLE = "2026-11-23T09:00:00Z, 2026-11-23, or a tick"
LAST_TICK = 253_402_300_799
"""The last second of the year 9999."""


def parse_instant(text: str, *, epoch: int | None = None, where: str = "") -> int:
    """Return the tick (UTC seconds) of a moment. A time without a zone is UTC.

    A number is a tick: either UTC seconds, or, when it is smaller than the file's `epoch`, seconds since then, as the log
    prints it. Raises Usage.
    """
    if text.isascii() and text.isdigit():
        number = int(text[:20])
        tick = number + epoch if epoch is not None and number < epoch else number
    else:
        tick = _iso(text, where)
    if not 0 <= tick <= LAST_TICK:
        raise Usage(f"`{text}` is outside the years 1970 to 9999", where=where or None, hint=EXAMPLE)
    return tick


def _iso(text: str, where: str) -> int:
    try:
        moment = datetime.datetime.fromisoformat(text)
    except ValueError:
        raise Usage(f"`{text}` is no date and time", where=where or None, hint=EXAMPLE) from None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=datetime.UTC)
    since = moment - datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
    return since.days * 86_400 + since.seconds
