"""Everything of a plan but its steps, from the written to the normal form: declarations, enrolment rules, policy and hours.

Spans of hours are shared with policy files, which write them the same way.
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping

from dee_appliance.authoring.finding import did_you_mean
from dee_appliance.authoring.notation import (
    NotationError,
    merged_spans,
    parse_money,
    span_of_day,
)
from dee_appliance.authoring.place import Place
from dee_appliance.authoring.written import VariableType, WrittenEnroll, WrittenHours, WrittenPolicy
from dee_appliance.kernel.e1.plan import AttributeDeclaration, Budget, DenyAction, Enroll, Hours, PlanPolicy
from dee_appliance.kernel.e1.policy import RULE_KINDS


def normal_declarations(place: Place, written: Mapping[str, VariableType]) -> dict[str, AttributeDeclaration]:
    """Turn [attributes] or [variables] into declarations; a list of texts is an enum. Free texts are not among them."""
    declared: dict[str, AttributeDeclaration] = {}
    for name, kind in written.items():
        if isinstance(kind, list):
            for index, value in enumerate(kind):
                if value in kind[:index]:
                    place.refuse((name, index), "duplicate_value", f'`{name}` lists "{value}" twice')
            declared[name] = AttributeDeclaration(kind="enum", values=tuple(kind))
        elif kind != "text":
            declared[name] = AttributeDeclaration(kind=kind)
    return declared


def normal_enroll(place: Place, written: WrittenEnroll) -> Enroll:
    """Turn [enroll] into the rules of enrolment."""
    gap_s = 0 if written.min_gap is None else place.seconds(("min_gap",), written.min_gap)
    if gap_s and written.reentry == "never":
        place.warn(
            ("min_gap",), "useless_field", 'with reentry = "never" no second run ever starts', "leave out min_gap"
        )
    return Enroll(reentry=written.reentry, min_gap_s=gap_s, exclusive=written.exclusive)


def normal_policy(place: Place, written: WrittenPolicy) -> PlanPolicy:
    """Turn [policy] into what the plan tightens."""
    if written.closed_dates is not None and written.calling_hours is None:
        place.refuse(
            ("closed_dates",), "missing_field", "`closed_dates` needs `calling_hours`", "say the hours as well"
        )
    return PlanPolicy(
        daily_sends=written.daily_sends,
        budget=None
        if written.budget is None
        else Budget(
            limit_micros=money_micros(place, ("budget", "amount"), written.budget.amount),
            currency=written.budget.currency,
        ),
        calling_hours=None
        if written.calling_hours is None
        else normal_hours(place, "calling_hours", written.calling_hours, written.closed_dates or []),
        on_deny=_on_deny(place.inside("on_deny"), written.on_deny or {}),
    )


def money_micros(place: Place, keys: tuple[str | int, ...], text: str) -> int:
    """Return the micro-units of a limit; nothing at all is refused, since it would forbid every send."""
    micros = price_micros(place, text, keys)
    if micros == 0:
        place.refuse(keys, "wrong_value", f"`{text}` is nothing at all", "write what may be spent")
    return micros


def price_micros(place: Place, text: str, keys: tuple[str | int, ...] = ("price",)) -> int:
    """Return the micro-units of an amount, which may be zero."""
    try:
        return parse_money(text)
    except NotationError as error:
        place.refuse(keys, "wrong_value", f"`{text}` is no amount", str(error))
        return 1


def normal_hours(
    place: Place, key: str, written: WrittenHours | list[WrittenHours], closed_dates: list[datetime.date]
) -> Hours:
    """Turn one or several spans at `key` into a week of half-open spans, joined where they overlap."""
    week: list[list[tuple[int, int]]] = [[] for _ in range(7)]
    spans = (
        [((key,), written)]
        if isinstance(written, WrittenHours)
        else [((key, index), span) for index, span in enumerate(written)]
    )
    for keys, span in spans:
        try:
            day_span = span_of_day(span.opens, span.closes)
        except NotationError as error:
            place.refuse(
                (*keys, "to"), "wrong_value", f"from {span.opens} to {span.closes} is not understood", str(error)
            )
            continue
        for day in place.weekdays((*keys, "days"), span.days):
            week[day].append(day_span)
    return Hours(
        weekly=tuple(merged_spans(day) for day in week),
        closed_dates=tuple(sorted({date.isoformat() for date in closed_dates})),
    )


def _on_deny(place: Place, written: Mapping[str, DenyAction]) -> dict[str, DenyAction]:
    for rule in written:
        if rule not in RULE_KINDS:
            place.refuse((rule,), "unknown_rule", f'there is no rule "{rule}"', did_you_mean(rule, RULE_KINDS))
    return dict(written)
