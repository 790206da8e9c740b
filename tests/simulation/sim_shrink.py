"""Makes a failing case small: what can be left out while the same invariant still does not hold, is left out."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from msgspec.structs import replace
from sim_case import CALM, DAY_MS, Case
from sim_story import Told, tell

TRIES = 250


def shrink(case: Case, found: Told, again: Callable[[Case], Told] = tell, *, tries: int = TRIES) -> tuple[Case, Told]:
    """Return the smallest case that was found within so many tries, and what it told."""
    left = tries
    best, told = case, found
    progress = True
    while progress and left > 0:
        progress = False
        for smaller in _smaller(best):
            if left <= 0:
                break
            left -= 1
            one = again(smaller)
            if one.invariant == told.invariant:
                best, told, progress = smaller, one, True
                break
    return best, told


def _smaller(case: Case) -> Iterator[Case]:
    """Cases with less in them: the big cuts first."""
    there = case.happenings
    last = max((one.at_ms // DAY_MS + 1 for one in there), default=1)
    if last < case.until:
        yield replace(case, until=last)
    if case.temper != CALM:
        yield replace(case, temper=CALM)
    size = len(there) // 2
    while size:
        for start in range(0, len(there), size):
            yield replace(case, happenings=(*there[:start], *there[start + size :]))
        size //= 2
    for count in (1, len(case.people) // 2, len(case.people) - 1):
        if 0 < count < len(case.people):
            yield replace(case, people=case.people[:count])
            yield replace(case, people=case.people[-count:])
