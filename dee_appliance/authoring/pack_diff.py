"""What changed between two packs, rule by rule and field by field, in the words in which packs are written.

Both packs are in their normal form, so how a file is laid out is no change. Of a list (dates, places) only what came and went is
shown.
"""

from __future__ import annotations

from typing import Any

import msgspec

from dee_appliance.authoring.notation import format_duration, format_second_of_day, format_weekdays
from dee_appliance.authoring.plan_diff import Change, compared
from dee_appliance.kernel.e1.plan import Hours
from dee_appliance.kernel.e1.policy import Ground, Pack, Rule, kind_of_rule

_DURATIONS = {"seconds": "within", "within_s": "within", "also_seconds": "also_within", "guard_s": "guard"}
"""Fields of seconds, which are durations in a file and have another name there."""

_OTHERWISE = {"within_business_days": "business_days", "within_months": "months"}
"""Fields that only have another name in a file."""


def pack_diff(old: Pack, new: Pack) -> tuple[Change, ...]:
    """Return what `new` says otherwise than `old`: the head, then rules as they stand. Empty when they say the same."""
    changes = compared("", _head(old), _head(new))
    before, after = ({rule.id: rule for rule in pack.rules} for pack in (old, new))
    for rule_id in (*before, *(rule_id for rule_id in after if rule_id not in before)):
        was, now = before.get(rule_id), after.get(rule_id)
        where = f"rule {rule_id}"
        if was is None and now is not None:
            changes.append(Change(kind="added", where=where, after=_summary(now)))
        elif now is None and was is not None:
            changes.append(Change(kind="removed", where=where, before=_summary(was)))
        elif was is not None and now is not None:
            changes += compared(f"{where}: ", _fields(was), _fields(now))
            changes += _lists(f"{where}: ", was, now)
    return tuple(changes)


def _head(pack: Pack) -> dict[str, str]:
    fields = {name: str(getattr(pack, name)) for name in ("id", "version", "title", "as_of", "notice")}
    return {**fields, **{f"calendar {name}": source for name, source in pack.calendars.items()}}


def _summary(rule: Rule) -> str:
    return f"{kind_of_rule(rule)}, {rule.cite}" if rule.cite else kind_of_rule(rule)


def _fields(rule: Rule) -> dict[str, str]:
    """Return every field of the rule but its lists of texts, as it is written."""
    fields = {"kind": kind_of_rule(rule)}
    for field in msgspec.structs.fields(rule):
        value = getattr(rule, field.name)
        if field.name == "id" or _is_list(value):
            continue
        if isinstance(value, Hours):
            fields.update(_hours(value))
        elif field.name in _DURATIONS:
            fields[_DURATIONS[field.name]] = format_duration(value) if value else ""
        else:
            fields[_OTHERWISE.get(field.name, field.name)] = _shown(value)
    return {name: value for name, value in fields.items() if value}


def _lists(prefix: str, was: Rule, now: Rule) -> list[Change]:
    before, after = _texts(was), _texts(now)
    changes = []
    for name in (*before, *(name for name in after if name not in before)):
        had, has = before.get(name, ()), after.get(name, ())
        gone, come = (", ".join(one for one in these if one not in those) for these, those in ((had, has), (has, had)))
        changes += compared(prefix, {name: gone}, {name: come})
    return changes


def _texts(rule: Rule) -> dict[str, tuple[str, ...]]:
    fields = {field.name: getattr(rule, field.name) for field in msgspec.structs.fields(rule)}
    lists = {name: value for name, value in fields.items() if _is_list(value)}
    hours = fields.get("hours")
    return {**lists, "closed_dates": hours.closed_dates} if isinstance(hours, Hours) else lists


def _is_list(value: object) -> bool:
    return isinstance(value, tuple) and all(isinstance(item, str) for item in value)


def _hours(hours: Hours) -> dict[str, str]:
    """Return the spans of each day of the week, of each half-day, and where the dates end."""
    fields = {f"hours {format_weekdays([day])}": _spans(spans) or "closed" for day, spans in enumerate(hours.weekly)}
    fields |= {f"half-day {date}": _spans(spans) for date, spans in hours.half_days.items()}
    return {**fields, "closed_until": hours.closed_until}


def _spans(spans: tuple[tuple[int, int], ...]) -> str:
    return ", ".join(f"{format_second_of_day(opens)}-{format_second_of_day(closes)}" for opens, closes in spans)


def _shown(value: Any) -> str:  # noqa: ANN401 - rules have fields of many types
    match value:
        case bool():
            return "true" if value else ""
        case int():
            return str(value) if value else ""
        case dict():
            return ", ".join(f"{key} {value[key]}" for key in sorted(value))
        case tuple():
            return "; ".join(_part(item) for item in value)
        case _:
            return str(value)


def _part(item: object) -> str:
    match item:
        case Ground(consent=consent) if consent:
            return f"consent {consent}"
        case Ground(attribute=attribute, months=months) if attribute:
            return f"{attribute} within {months} months" if months else attribute
        case Ground(fact=fact, holds=holds):
            return f"fact {fact}" if holds else f"fact {fact} is false"
        case _:
            return str(msgspec.to_builtins(item))
