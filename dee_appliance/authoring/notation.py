"""How people write durations, money, weekdays and hours, and the integers they mean.

Everything here turns text into seconds, micro-units or weekday numbers and back, exactly: no float is ever made. A wrong text
raises NotationError, whose message says how to write it. Which field holds which notation is the business of others.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterable

DAY_S = 86_400
MAX_DURATION_S = 3_660 * DAY_S
MICROS = 1_000_000
WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")

_UNITS_S = {"w": 7 * DAY_S, "d": DAY_S, "h": 3_600, "m": 60, "s": 1}
_DURATION = re.compile(r"(?:([0-9]{1,9})w)?(?:([0-9]{1,9})d)?(?:([0-9]{1,9})h)?(?:([0-9]{1,9})m)?(?:([0-9]{1,9})s)?")
_MONEY = re.compile(r"([0-9]{1,9})(?:\.([0-9]{1,6}))?")


class NotationError(ValueError):
    """A text is not what its field needs; the message says how to write it."""


def parse_duration(text: str) -> int:
    """Return the seconds of a duration such as "90s", "30m", "4h", "3d", "2w" or "1d12h". Raises NotationError."""
    match = _DURATION.fullmatch(text)
    if match is None or not text:
        raise NotationError('a duration is written like "90s", "30m", "4h", "3d", "2w" or "1d12h", largest unit first')
    seconds = sum(int(count or 0) * unit for count, unit in zip(match.groups(), _UNITS_S.values(), strict=True))
    if seconds > MAX_DURATION_S:
        raise NotationError("a duration is at most ten years (3660d)")
    return seconds


def parse_offset(text: str) -> int:
    """Return the seconds of a duration that may have a sign: "-2d" is two days before. Raises NotationError."""
    if text[:1] in {"-", "+"}:
        seconds = parse_duration(text[1:])
        return -seconds if text[0] == "-" else seconds
    return parse_duration(text)


def format_duration(seconds: int) -> str:
    """Write seconds the way people write them in a plan; the inverse of `parse_offset` up to spelling."""
    if seconds == 0:
        return "0s"
    rest, parts = abs(seconds), ["-"] if seconds < 0 else []
    for unit, size in _UNITS_S.items():
        # "2w" reads well, "1w3d12h" does not: weeks are used only when nothing remains.
        if unit == "w" and rest % size:
            continue
        count, rest = divmod(rest, size)
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts)


def parse_money(text: str) -> int:
    """Return the micro-units of an amount such as "250.00" (at most six decimals). Raises NotationError."""
    match = _MONEY.fullmatch(text)
    if match is None:
        raise NotationError('an amount is written like "250.00": digits, and at most six decimals after a point')
    whole, decimals = match.groups()
    return int(whole) * MICROS + int((decimals or "").ljust(6, "0"))


def format_money(micros: int, currency: str) -> str:
    """Write micro-units with at least two decimals, as in "250.00 USD"."""
    whole, part = divmod(abs(micros), MICROS)
    decimals = f"{part:06d}".rstrip("0").ljust(2, "0")
    return f"{'-' if micros < 0 else ''}{whole}.{decimals} {currency}"


def parse_weekdays(text: str) -> tuple[int, ...]:
    """Return the weekdays (0 = Monday) of "Mon-Fri", "Mon,Wed" or "Sat-Mon", in order. Raises NotationError."""
    chosen = [False] * 7
    for part in text.split(","):
        first, dash, last = part.strip().partition("-")
        start = _weekday(first.strip())
        end = _weekday(last.strip()) if dash else start
        for step in range((end - start) % 7 + 1):
            chosen[(start + step) % 7] = True
    return tuple(day for day in range(7) if chosen[day])


def _weekday(word: str) -> int:
    if word.capitalize() not in WEEKDAYS:
        raise NotationError('weekdays are written like "Mon-Fri", "Sat,Sun" or "Mon,Wed-Fri"')
    return WEEKDAYS.index(word.capitalize())


def format_weekdays(days: Iterable[int]) -> str:
    """Write weekday numbers as "Mon-Fri" or "Mon,Wed"."""
    rows: list[list[int]] = []
    for day in sorted(days):
        if rows and rows[-1][-1] == day - 1:
            rows[-1].append(day)
        else:
            rows.append([day])
    return ",".join(WEEKDAYS[row[0]] if len(row) == 1 else f"{WEEKDAYS[row[0]]}-{WEEKDAYS[row[-1]]}" for row in rows)


def second_of_day(time: datetime.time) -> int:
    """Return the seconds since local midnight. Raises NotationError for a zone or a fraction of a second."""
    if time.tzinfo is not None:
        raise NotationError("a time of day has no offset: it is local to the contact; write 09:00:00")
    if time.microsecond:
        raise NotationError("a time of day has whole seconds; write 09:00:00")
    return time.hour * 3_600 + time.minute * 60 + time.second


def format_second_of_day(second: int) -> str:
    """Write seconds since midnight as "09:00", with seconds only where there are some; past midnight counts on ("26:00")."""
    minutes, seconds = divmod(second, 60)
    text = f"{minutes // 60:02d}:{minutes % 60:02d}"
    return f"{text}:{seconds:02d}" if seconds else text


def span_of_day(opens: datetime.time, closes: datetime.time) -> tuple[int, int]:
    """Return the half-open span of seconds; a close at or before the open passes midnight. Raises NotationError."""
    open_s, close_s = second_of_day(opens), second_of_day(closes)
    if close_s == open_s != 0:
        raise NotationError("the hours are empty; for the whole day write from = 00:00:00 and to = 00:00:00")
    return (open_s, close_s if close_s > open_s else close_s + DAY_S)


def merged_spans(spans: Iterable[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
    """Return the spans in order with overlapping and touching ones joined."""
    joined: list[tuple[int, int]] = []
    for open_s, close_s in sorted(spans):
        if joined and open_s <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(joined[-1][1], close_s))
        else:
            joined.append((open_s, close_s))
    return tuple(joined)
