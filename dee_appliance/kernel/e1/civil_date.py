"""Dates: the calendar as arithmetic on integers, and the texts that name a date or an instant.

A day is days since 1970-01-01, an instant is UTC seconds since then without leap seconds. What the clocks of a
zone show is civil_zone's matter. The calendar holds for all years, the texts for 0001 to 9999.
"""

from __future__ import annotations

DAY_S = 86_400
WEEKDAYS = 7

# --- The calendar (proleptic Gregorian) -----------------------------------------------------------

_DAYS_PER_ERA = 146_097  # 400 years
_EPOCH_SHIFT = 719_468  # days from 0000-03-01 to 1970-01-01
_MONTH_DAYS = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


def civil_from_days(days: int) -> tuple[int, int, int]:
    """Return (year, month, day of month) of a day number.

    Years are counted from 1 March, so that the leap day is the last of its year and months fall on a straight
    line (Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms").
    """
    era, day_of_era = divmod(days + _EPOCH_SHIFT, _DAYS_PER_ERA)
    year_of_era = (day_of_era - day_of_era // 1460 + day_of_era // 36_524 - day_of_era // 146_096) // 365
    day_of_year = day_of_era - (365 * year_of_era + year_of_era // 4 - year_of_era // 100)
    march_month = (5 * day_of_year + 2) // 153
    day = day_of_year - (153 * march_month + 2) // 5 + 1
    month = march_month + 3 if march_month < 10 else march_month - 9
    return year_of_era + era * 400 + (month <= 2), month, day


def days_from_civil(year: int, month: int, day: int) -> int:
    """Return the day number of a date. Raises ValueError if the calendar has no such date."""
    if not 1 <= month <= 12:
        raise ValueError(f"no month {month}")
    leap_day = month == 2 and (year % 4 == 0 and (year % 100 != 0 or year % 400 == 0))
    if not 1 <= day <= _MONTH_DAYS[month - 1] + leap_day:
        raise ValueError(f"month {month} of {year} has no day {day}")
    era, year_of_era = divmod(year - (month <= 2), 400)
    day_of_year = (153 * (month - 3 if month > 2 else month + 9) + 2) // 5 + day - 1
    day_of_era = year_of_era * 365 + year_of_era // 4 - year_of_era // 100 + day_of_year
    return era * _DAYS_PER_ERA + day_of_era - _EPOCH_SHIFT


def weekday(days: int) -> int:
    """Return the weekday of a day number: 0 is Monday, 6 is Sunday."""
    return (days + 3) % WEEKDAYS


# --- Text (ISO 8601 / RFC 3339, whole seconds, years 0001 to 9999) --------------------------------


def parse_iso_date(text: str) -> int:
    """Return the day number of `YYYY-MM-DD`.

    Raises ValueError for any other form or a date that does not exist.
    """
    if len(text) != 10 or text[4] != "-" or text[7] != "-":
        raise ValueError(f"not a date as YYYY-MM-DD: {text!r}")
    year, month, day = _digits(text, text[:4]), _digits(text, text[5:7]), _digits(text, text[8:])
    if year == 0:
        raise ValueError(f"there is no year 0: {text!r}")
    return days_from_civil(year, month, day)


def parse_utc(text: str) -> int:
    """Return the instant of `YYYY-MM-DDTHH:MM:SSZ`.

    Raises ValueError; a leap second (`:60`) is not on the engine's axis.
    """
    if len(text) != 20 or text[10] != "T" or text[13] != ":" or text[16] != ":" or text[19] != "Z":
        raise ValueError(f"not an instant as YYYY-MM-DDTHH:MM:SSZ: {text!r}")
    day = parse_iso_date(text[:10])
    hour, minute, second = _digits(text, text[11:13]), _digits(text, text[14:16]), _digits(text, text[17:19])
    if hour > 23 or minute > 59 or second > 59:
        raise ValueError(f"no such time of day: {text!r}")
    return day * DAY_S + hour * 3600 + minute * 60 + second


def format_utc(utc: int) -> str:
    """Return an instant as `2026-11-23T09:00:00Z`. Raises ValueError outside the years 0001 to 9999."""
    return clock_text(utc) + "Z"


def _digits(text: str, part: str) -> int:
    if not (part.isascii() and part.isdigit()):
        raise ValueError(f"not a number at {part!r} in {text!r}")
    return int(part)


def clock_text(seconds: int) -> str:
    """Return `2026-11-23T09:00:00`, as a clock shows it, of seconds since 1970-01-01T00:00 on that clock.

    Raises ValueError outside the years 0001 to 9999.
    """
    day, second = divmod(seconds, DAY_S)
    year, month, day_of_month = civil_from_days(day)
    if not 1 <= year <= 9999:
        raise ValueError(f"no four-digit year for {seconds} s")
    minute, second = divmod(second, 60)
    date = f"{year:04d}-{month:02d}-{day_of_month:02d}"
    return f"{date}T{minute // 60:02d}:{minute % 60:02d}:{second:02d}"
