"""Compiles the IANA time-zone data of the `tzdata` package into the zone table that a file keeps.

Here live a reader of compiled zone files (RFC 9636, version 2 and later, with the POSIX footer) and the
reduction of every zone to its offsets over a span of years. What the table is asked, and how, is
`kernel/e1/civil_time`.

Rules a change must keep:

- The host's zone files are never read, nor is a module that may read them: they are old or missing on many
  machines, and a verdict on calling hours must not depend on the machine. The package is a locked dependency,
  its release is named in the table.
- Equal data give an equal table, byte for byte: everything is in sorted order, and there is nothing in it but
  integers and ASCII.
- A file that is not understood stops the compilation. There is no zone with a guessed offset.
"""

from __future__ import annotations

import re
import struct
from bisect import bisect_right
from importlib.resources import files
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

import tzdata  # type: ignore[import-untyped]

from dee_appliance.errors import HostError
from dee_appliance.kernel.e1.civil_time import DAY_S, civil_from_days, days_from_civil, weekday

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable

FROM_UTC = days_from_civil(2015, 1, 1) * DAY_S
UNTIL_UTC = days_from_civil(2041, 1, 1) * DAY_S

Change = tuple[int, int]  # (from_utc, offset_s): the offset that holds from an instant on

_HEADER = struct.Struct(">4sc15x6L")
_TYPE = struct.Struct(">lBB")


def compile_zone_table(*, from_utc: int = FROM_UTC, until_utc: int = UNTIL_UTC) -> dict[str, object]:
    """Return the zone table of all zones of the installed `tzdata` release over [from_utc, until_utc).

    The value is plain (JSON has all its types) and in the form of `civil_time.ZoneDocument`. Raises HostError
    when the package is damaged.
    """
    package = files("tzdata")
    functions: list[list[list[int]]] = []
    index_of_function: dict[tuple[Change, ...], int] = {}
    index_of_content: dict[bytes, int] = {}  # most zones are links to another one
    zones: dict[str, int] = {}
    for zone in sorted(_content(package, "zones").decode("ascii").split()):
        content = _content(package, "zoneinfo", *zone.split("/"))
        if content not in index_of_content:
            changes = _within(read_zone(zone, content, until_utc), from_utc, until_utc)
            if changes not in index_of_function:
                index_of_function[changes] = len(functions)
                functions.append([[start, offset] for start, offset in changes])
            index_of_content[content] = index_of_function[changes]
        zones[zone] = index_of_content[content]
    return {
        "version": tzdata.IANA_VERSION,
        "from": from_utc,
        "until": until_utc,
        "functions": functions,
        "zones": zones,
    }


def _content(package: Traversable, *path: str) -> bytes:
    try:
        return package.joinpath(*path).read_bytes()
    except OSError as error:
        raise _damaged("/".join(path), "a file is missing") from error


def _damaged(zone: str, what: str) -> HostError:
    return HostError(f"the tzdata package is damaged: {what}", where=zone, hint="install tzdata again")


def _within(changes: list[Change], from_utc: int, until_utc: int) -> tuple[Change, ...]:
    """Cut a zone's changes to the span, leaving out those that only change a name or summer-time flag."""
    first = bisect_right([start for start, _ in changes[1:]], from_utc)
    kept = [(from_utc, changes[first][1])]
    for start, offset in changes[first + 1 :]:
        if start < until_utc and offset != kept[-1][1]:
            kept.append((start, offset))
    return tuple(kept)


# --- The zone file (RFC 9636 §3) ------------------------------------------------------------------


def read_zone(zone: str, content: bytes, until_utc: int) -> list[Change]:
    """Return every change of a zone's offset up to `until_utc`; the first stands for all time before.

    `content` is a compiled zone file; `zone` names it in errors. Raises HostError for a file that is damaged
    or not understood.
    """
    old = _block_at(zone, content, 0, 4)
    if old.version < b"2":
        raise _damaged(zone, "its file has no 64-bit data")
    block = _block_at(zone, content, old.end, 8)
    footer = content[block.end :]
    if block.leap_seconds or not block.types or len(footer) < 2 or footer[:1] + footer[-1:] != b"\n\n":
        raise _damaged(zone, "its file has leap seconds, no type, or no footer")
    types_at = block.start + block.transitions * 9
    offsets = [_TYPE.unpack_from(content, types_at + index * _TYPE.size)[0] for index in range(block.types)]
    times = struct.unpack_from(f">{block.transitions}q", content, block.start)
    kinds = content[types_at - block.transitions : types_at]
    if any(before >= after for before, after in pairwise(times)) or max(kinds, default=0) >= block.types:
        raise _damaged(zone, "its file has transitions out of order or of no type")
    changes = [(-(2**63), offsets[0])]
    changes += [(time, offsets[kind]) for time, kind in zip(times, kinds, strict=True)]
    rule = footer[1:-1].decode("ascii", "replace")
    ruled = _footer_changes(zone, rule, changes[-1][0], until_utc) if rule else []
    return list((dict(changes) | dict(ruled)).items())


class _Block(NamedTuple):
    """Where the parts of one data block lie, from its header (§3.1)."""

    version: bytes
    transitions: int
    types: int
    leap_seconds: int
    start: int
    end: int


def _block_at(zone: str, content: bytes, start: int, time_size: int) -> _Block:
    try:
        magic, version, *counts = _HEADER.unpack_from(content, start)
    except struct.error as error:
        raise _damaged(zone, "its file is cut short") from error
    if magic != b"TZif":
        raise _damaged(zone, "its file is not a compiled zone")
    ut_flags, standard_flags, leaps, times, types, characters = counts
    body = start + _HEADER.size
    flags = ut_flags + standard_flags
    size = times * (time_size + 1) + types * _TYPE.size + characters + leaps * (time_size + 4) + flags
    return _Block(version, times, types, leaps, body, body + size)


# --- The footer: a rule for ever after the last transition (RFC 9636 §3.3, POSIX TZ) --------------

_NAME = r"(?:<[+\-0-9A-Za-z]{3,}>|[A-Za-z]{3,})"
_TIME = r"([+-]?\d{1,3}(?::\d{1,2}){0,2})"
_RULE = rf"([^,/]+)(?:/{_TIME})?"
_FOOTER = re.compile(rf"{_NAME}{_TIME}(?:{_NAME}{_TIME}?,{_RULE},{_RULE})?", re.ASCII)
_MONTH_RULE = re.compile(r"M(\d{1,2})\.([1-5])\.([0-6])", re.ASCII)
_DAY_RULE = re.compile(r"(J?)(\d{1,3})", re.ASCII)


def _footer_changes(zone: str, rule: str, last: int, until_utc: int) -> list[Change]:
    """Return the changes by a footer, which decides from the last transition (included) on."""
    match = _FOOTER.fullmatch(rule)
    if match is None:
        raise _damaged(zone, f"its footer {rule!r} is not understood")
    standard, summer, start_day, start_time, end_day, end_time = match.groups()
    standard_s = -_seconds(standard)  # POSIX counts west of Greenwich
    if start_day is None:
        return [(last, standard_s)]
    summer_s = -_seconds(summer) if summer else standard_s + 3600
    first_year = civil_from_days(max(last, 0) // DAY_S)[0] - 1
    final_year = civil_from_days(until_utc // DAY_S)[0] + 1
    yearly: dict[int, int] = {}
    for year in range(first_year, final_year + 1):
        # The end is written first: where both fall on one instant, summer time lasts all year (RFC 9636
        # §3.3.1).
        ends = _rule_day(zone, end_day, year) * DAY_S + _seconds(end_time or "2") - summer_s
        starts = _rule_day(zone, start_day, year) * DAY_S + _seconds(start_time or "2") - standard_s
        yearly.setdefault(ends, standard_s)
        yearly[starts] = summer_s
    changes = sorted(yearly.items())
    current = bisect_right([start for start, _ in changes], last) - 1
    at_last = [(last, changes[current][1])] if current >= 0 else []
    return at_last + changes[current + 1 :]


def _seconds(text: str) -> int:
    """Read `[+-]h[hh][:mm[:ss]]`."""
    hours, minutes, seconds = (*text.lstrip("+-").split(":"), "0", "0")[:3]
    size = int(hours) * 3600 + int(minutes) * 60 + int(seconds)
    return -size if text.startswith("-") else size


def _rule_day(zone: str, rule: str, year: int) -> int:
    """Return the day number of a rule in a year.

    `Mm.w.d` is the w-th (5: last) weekday d (0 is Sunday) of month m; `Jn` counts days from 1 and never 29
    February; `n` counts from 0, and does.
    """
    month_rule = _MONTH_RULE.fullmatch(rule)
    if month_rule is not None and 1 <= int(month_rule[1]) <= 12:
        month, week, sunday_based = (int(part) for part in month_rule.groups())
        first = days_from_civil(year, month, 1)
        day = first + (sunday_based - 1 - weekday(first)) % 7 + (week - 1) * 7
        next_month = days_from_civil(year + month // 12, month % 12 + 1, 1)
        return day if day < next_month else day - 7  # the fifth week means the last one
    day_rule = _DAY_RULE.fullmatch(rule)
    if day_rule is None:
        raise _damaged(zone, f"its footer day {rule!r} is not understood")
    number = int(day_rule[2])
    new_year = days_from_civil(year, 1, 1)
    if not day_rule[1]:
        return new_year + number
    leap_year = days_from_civil(year + 1, 1, 1) - new_year == 366
    return new_year + number - 1 + (leap_year and number >= 60)
