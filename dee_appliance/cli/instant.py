"""Moments as people type them: an ISO date and time in UTC, or a tick."""

from __future__ import annotations

from dee_appliance.errors import Usage

EXAMPLE = "2026-11-23T09:00:00Z, 2026-11-23, or a tick"


def parse_instant(text: str, *, epoch: int | None = None, where: str = "") -> int:
    """Return the tick (UTC seconds) of a moment. A time without a zone is UTC.

    A number is a tick: either UTC seconds, or, when it is smaller than the file's `epoch`, seconds since then, as the log
    prints it. Raises Usage.
    """
    from dee_appliance.intake.invalid import InvalidValue
    from dee_appliance.intake.moments import LAST_TICK, parse_moment

    if not (text.isascii() and text.isdigit()):
        try:
            return parse_moment(text)
        except InvalidValue as error:
            raise Usage(error.reason, where=where or None, hint=EXAMPLE) from None
    number = int(text[:20])
    tick = number + epoch if epoch is not None and number < epoch else number
    if tick > LAST_TICK:
        raise Usage(f"`{text}` is outside the years 1970 to 9999", where=where or None, hint=EXAMPLE)
    return tick
