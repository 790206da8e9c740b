"""How fast a budget is used up: what each of the last days has spent, how long the rest lasts, what settled above its estimate.

An entry of the gate says what a counter stood at when it was asked. So a day's spending is the difference of two such entries,
the first of the day and the first of the next, and no other entry of the day is read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from dee_appliance.kernel.e1.civil_time import OutOfRange, UnknownZone, day_start, local_day
from dee_appliance.kernel.e1.encoding import canonical
from dee_appliance.kernel.e1.rules.shared import date_of
from dee_appliance.runtime.reports_log import Log
from dee_appliance.store.queries import load_queries

if TYPE_CHECKING:
    from dee_appliance.runtime.reading import View
    from dee_appliance.runtime.reports_budget import BudgetRow

DAYS_LOOKED_AT = 31
DAYS_AVERAGED = 7
DAY_S = 86_400
ABOVE = '"above_estimate_micros":'


class DaySpent(msgspec.Struct, frozen=True):
    """What one local day has added to a budget: settled and reserved, with what was given back or corrected later."""

    day: str
    micros: int


class Burn(msgspec.Struct, frozen=True, kw_only=True):
    """How fast a budget is used up, by the days of its zone in the last 31 days of its period.

    `average_micros` is that of the last seven whole days on which something was spent (today, if there is no other).
    `exhausts` is the local date on which the rest is used up at that pace, "" if that is not before the period ends.
    `above` are settlements above their estimate, by `above_micros` together.
    """

    days: tuple[DaySpent, ...]
    average_micros: int
    exhausts: str
    above: int
    above_micros: int


class _Saw(msgspec.Struct, frozen=True):
    counters: list[tuple[str, str, int, int]] = []


class _Evidence(msgspec.Struct, frozen=True):
    send: str = ""
    attempt: int = 1


class _Body(msgspec.Struct, frozen=True):
    saw: _Saw = _Saw()
    evidence: _Evidence = _Evidence()


_decoder = msgspec.json.Decoder(_Body)


class BurnQueries(msgspec.Struct, frozen=True, kw_only=True):
    """sql/queries/burn.sql."""

    select_first_holding: str
    select_all_holding: str


class BurnDown:
    """Reads the log of one open file, up to tick `now`."""

    def __init__(self, view: View, now: int) -> None:
        self._view = view
        self._now = now
        self._log = Log(view)
        self._queries = load_queries(BurnQueries, "burn")
        self._above: list[tuple[str, int]] | None = None

    def of(self, row: BudgetRow) -> BudgetRow:
        """Return the budget with how fast it is used up; as it is where its zone has no date."""
        try:
            days = self._days(row)
        except (UnknownZone, OutOfRange):
            return row
        average = _average(days)
        above = self._above_estimate(row)
        burn = Burn(
            days=tuple(day for day in days if day.micros),
            average_micros=average,
            exhausts=self._exhausts(row, average),
            above=len(above),
            above_micros=sum(above),
        )
        return msgspec.structs.replace(row, burn=burn)

    def _days(self, row: BudgetRow) -> list[DaySpent]:
        """What each day has spent, oldest first, today last."""
        table, today = self._view.state.zones(), local_day(self._view.state.zones(), row.zone, self._now)
        first = today - DAYS_LOOKED_AT + 1
        if row.begins is not None:
            first = max(first, local_day(table, row.zone, row.begins.tick + self._view.epoch))
        starts = [day_start(table, row.zone, day) for day in range(first, today + 1)]
        places = [*(self._log.position_at(start) for start in starts), self._view.log_size]
        after = row.settled_micros + row.reserved_micros
        spent: list[DaySpent] = []
        for index in range(len(starts) - 1, -1, -1):
            # A day on which nobody asked ends as it began.
            stood = self._stood_at(row, places[index], places[index + 1])
            before = after if stood is None else stood
            spent.append(DaySpent(date_of(first + index), after - before))
            after = before
        return spent[::-1]

    def _stood_at(self, row: BudgetRow, first: int, end: int) -> int | None:
        """What the counter stood at when it was first asked between two positions."""
        begin = canonical([row.counter, row.bucket]).decode()[:-1] + ","
        found = self._view.database.one(self._queries.select_first_holding, (first, end, begin))
        if found is None:
            return None
        counters = _decoder.decode(found[0]).saw.counters
        return next((used for name, bucket, used, _ in counters if (name, bucket) == (row.counter, row.bucket)), None)

    def _exhausts(self, row: BudgetRow, average: int) -> str:
        if average <= 0:
            return ""
        table = self._view.state.zones()
        day = local_day(table, row.zone, self._now) + max(row.left_micros, 0) // average
        if row.resets is not None and day >= local_day(table, row.zone, row.resets.tick + self._view.epoch):
            return ""
        return date_of(day)

    def _above_estimate(self, row: BudgetRow) -> list[int]:
        """By how much sends of this budget settled above their estimate, after every correction."""
        found: list[int] = []
        for send, number in self._told_above():
            attempt = self._view.state.attempt(send, number)
            if attempt is None or attempt.cost is None:
                continue
            for name, bucket, amount, _ in attempt.reserved:
                if (name, bucket) == (row.counter, row.bucket) and attempt.cost > amount:
                    found.append(attempt.cost - amount)
        return found

    def _told_above(self) -> list[tuple[str, int]]:
        """The attempts of which the last days' log says that they cost more than was estimated."""
        if self._above is None:
            first = self._log.position_at(self._now - DAYS_LOOKED_AT * DAY_S)
            rows = self._view.database.stream(self._queries.select_all_holding, (first, ABOVE))
            said = [_decoder.decode(body).evidence for (body,) in rows]
            self._above = list(dict.fromkeys((one.send, one.attempt) for one in said if one.send))
        return self._above


def _average(days: list[DaySpent]) -> int:
    """The average of the last whole days on which something was spent; today's spending where there is none."""
    whole = [day.micros for day in days[:-1] if day.micros > 0][-DAYS_AVERAGED:]
    if not whole:
        return max(days[-1].micros, 0) if days else 0
    return sum(whole) // len(whole)
