"""A compliance pack as people write it: the types that validate a pack file and from which its JSON Schema is generated.

Its rules are those of `written_rule`, but for the kinds that are an operator's own; `pack_file` turns it into the pack document.
"""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from dee_appliance.authoring.written import Date, PlanName, WrittenPart
from dee_appliance.authoring.written_rule import Dates, FactName, HalfDays, PackRule

MAX_PACK_RULES = 500
MAX_CALENDARS = 50

PackVersion = Annotated[
    str,
    Meta(
        pattern="^[0-9A-Za-z][0-9A-Za-z.+-]{0,31}$", title='a version in quotes such as "2026.11"', examples=["2026.11"]
    ),
]


class WrittenPack(WrittenPart, frozen=True, kw_only=True):
    """Which pack this is, and what it is not."""

    id: PlanName
    version: PackVersion
    title: Annotated[str, Meta(max_length=200, title="a text of at most 200 characters")] = ""
    as_of: Date
    notice: Annotated[str, Meta(max_length=4_000, title="a text of at most 4000 characters")]


class WrittenCalendar(WrittenPart, frozen=True, kw_only=True):
    """A list of holidays up to a date, and where it was taken from."""

    id: FactName
    dates: Dates
    until: Date
    half_days: HalfDays | None = None
    source: Annotated[str, Meta(max_length=500, title="a text of at most 500 characters")]


class WrittenPackFile(WrittenPart, frozen=True, kw_only=True):
    """A pack file."""

    pack: WrittenPack
    calendar: Annotated[list[WrittenCalendar], Meta(max_length=MAX_CALENDARS)] | None = None
    rule: Annotated[list[PackRule], Meta(min_length=1, max_length=MAX_PACK_RULES)]
