"""Months of the calendar: what permits for so many months ends early where a month is too short."""

from __future__ import annotations

from dee_appliance.kernel.e1.civil_time import DAY_S, civil_from_days, days_from_civil


def add_months(day: int, months: int) -> int:
    """Return the day so many months later; a day that the month does not have becomes its last: what permits ends early."""
    year, month, of_month = civil_from_days(day)
    index = year * 12 + month - 1 + months
    year, month = index // 12, index % 12 + 1
    first_of_next = days_from_civil(year + month // 12, month % 12 + 1, 1)
    return min(days_from_civil(year, month, 1) + of_month - 1, first_of_next - 1)


def months_passed(tick: int, months: int, now: int) -> bool:
    """Tell whether so many months have passed since a tick, by UTC dates."""
    return now // DAY_S >= add_months(tick // DAY_S, months)
