"""One written rule, of a policy or of a pack, turned into the rule that the gate asks.

What belongs together in one rule is checked here, field by field; what many rules of a file must agree on is `rule_checks`. What
a rule does when it is asked is the kernel's; nothing here judges a send.
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from dee_appliance.authoring.normal_head import money_micros
from dee_appliance.authoring.place import Place
from dee_appliance.authoring.rule_hours import (
    Calendar,
    duty_dates,
    refuse_hours_that_never_open,
    refuse_long_guard,
    window_hours,
)
from dee_appliance.authoring.written_rule import (
    WrittenBudgetRule,
    WrittenCap,
    WrittenConsent,
    WrittenContent,
    WrittenDailyLimit,
    WrittenDuty,
    WrittenFact,
    WrittenGround,
    WrittenRateRule,
    WrittenRatio,
    WrittenRule,
    WrittenSuppression,
    WrittenWindow,
)
from dee_appliance.kernel.e1.policy import (
    BudgetRule,
    CapRule,
    ConsentRule,
    ContentRule,
    DailyLimitRule,
    DutyRule,
    FactRule,
    Ground,
    RateRule,
    RatioRule,
    Rule,
    Stage,
    SuppressionRule,
    WindowRule,
)

FIRST_DATE, LAST_DATE = datetime.date(2015, 1, 2), datetime.date(2040, 12, 30)
"""Dates whose beginning every zone table knows in every zone."""

ALWAYS_HOLD = (WrittenWindow, WrittenCap, WrittenRatio, WrittenDailyLimit, WrittenRateRule)
"""Kinds that hold until a time they know; `on_fail` has nothing to say there."""


class Setting(msgspec.Struct, frozen=True, kw_only=True):
    """What a rule is read in: the calendars of its pack (None: a policy, which has none) and the currency of its policy."""

    calendars: Mapping[str, Calendar] | None = None
    currency: str = "USD"


def normal_rule(place: Place, written: WrittenRule, setting: Setting) -> Rule:
    """Return the rule; every mistake in it is among the findings then, and the rule is not to be used."""
    header = _header(place, written)
    rule = msgspec.structs.replace(_kind(place, written, setting), **header)
    if isinstance(rule, WindowRule):
        refuse_hours_that_never_open(place, rule.hours, rule.effective_from, rule.effective_until)
    return rule


def _header(place: Place, written: WrittenRule) -> dict[str, Any]:
    since, until = written.effective_from, written.effective_until
    for key, date in (("effective_from", since), ("effective_until", until)):
        if date is not None and not FIRST_DATE <= date <= LAST_DATE:
            reason = f"{date} is outside of the years for which the clocks of the zones are known"
            place.refuse((key,), "wrong_value", reason, "leave it out, if the rule is in force all those years")
    if since is not None and until is not None and since >= until:
        reason = f"the rule ends on {until} and begins on {since}"
        place.refuse(("effective_until",), "wrong_order", reason, "`effective_until` is the first day without the rule")
    if written.on_fail is not None and isinstance(written, (*ALWAYS_HOLD, WrittenDuty)):
        kind = written.__struct_config__.tag
        reason = "a duty gates nothing" if isinstance(written, WrittenDuty) else f"a {kind} always holds"
        place.refuse(("on_fail",), "wrong_combination", reason, "leave `on_fail` out")
    for key, values in (("channels", written.channels), ("purposes", written.purposes)):
        _once(place, key, values or [])
    return {
        "channels": tuple(written.channels or ()),
        "purposes": tuple(written.purposes or ()),
        "jurisdictions": _once(place, "jurisdictions", written.jurisdictions or []),
        "subscriber": written.subscriber,
        "effective_from": _date(since),
        "effective_until": _date(until),
        "on_fail": written.on_fail or "deny",
        "unless": _grounds(place, "unless", written.unless or []),
        "cite": written.cite,
        "url": written.url,
        "as_of": _date(written.as_of),
        "confidence": written.confidence or "",
        "ambiguity": written.ambiguity,
    }


def _kind(place: Place, written: WrittenRule, setting: Setting) -> Rule:
    match written:
        case WrittenSuppression():
            return _suppression(place, written)
        case WrittenConsent():
            return _consent(place, written)
        case WrittenFact():
            return FactRule(id=written.id, require=_grounds(place, "require", written.require))
        case WrittenContent():
            return _content(place, written)
        case WrittenWindow():
            return _window(place, written, setting)
        case WrittenCap():
            return _cap(place, written)
        case WrittenDuty():
            return _duty(place, written, setting)
        case _:
            return _shared_kind(place, written, setting)


def _shared_kind(
    place: Place, written: WrittenRatio | WrittenDailyLimit | WrittenRateRule | WrittenBudgetRule, setting: Setting
) -> Rule:
    match written:
        case WrittenRatio():
            return _ratio(place, written)
        case WrittenDailyLimit():
            return _daily_limit(place, written)
        case WrittenRateRule():
            seconds = place.seconds(("within",), written.within)
            return RateRule(id=written.id, limit=written.limit, seconds=seconds, scope=written.scope)
        case WrittenBudgetRule():
            return _budget(place, written, setting.currency)


def _grounds(place: Place, key: str, written: Sequence[WrittenGround]) -> tuple[Ground, ...]:
    return tuple(_ground(place.inside(key, index), one) for index, one in enumerate(written))


def _ground(place: Place, written: WrittenGround) -> Ground:
    named = [word for word in ("consent", "attribute", "fact") if getattr(written, word) is not None]
    if len(named) != 1:
        reason = f"it names {' and '.join(named)}" if named else "it names nothing that could hold"
        hint = 'write one of { consent = "written" }, { attribute = "customer" } and { fact = "registered" }'
        place.refuse((), "wrong_combination", reason, hint)
    if written.months is not None and written.attribute is None:
        reason = "only an attribute, which is then a date, has `months`"
        place.refuse(("months",), "wrong_combination", reason, "leave `months` out")
    if written.holds is not None and written.fact is None:
        reason = "only a fact can be asked for its opposite"
        place.refuse(("holds",), "wrong_combination", reason, "leave `holds` out")
    return Ground(
        consent=written.consent or "",
        attribute=written.attribute or "",
        months=written.months or 0,
        fact=written.fact or "",
        holds=written.holds is not False,
    )


def _suppression(place: Place, written: WrittenSuppression) -> SuppressionRule:
    if written.max_age_days is not None and not written.lists:
        reason = "`max_age_days` is the age of a list, and the rule names none"
        place.refuse(("max_age_days",), "wrong_combination", reason, "name the `lists`")
    if written.reach is not None and written.lists:
        reason = "`reach` is about people who opted out here, not about lists"
        place.refuse(("reach",), "wrong_combination", reason, "make two rules of it")
    return SuppressionRule(
        id=written.id,
        lists=_once(place, "lists", written.lists or []),
        max_age_days=written.max_age_days or 0,
        reach=written.reach or "channel",
    )


def _consent(place: Place, written: WrittenConsent) -> ConsentRule:
    if written.implied and written.classes and "implied" not in written.classes:
        reason = "`implied` says how long an implied consent counts, and `classes` takes none"
        place.refuse(("implied",), "wrong_combination", reason, 'add "implied" to `classes`')
    implied = written.implied or {}
    return ConsentRule(
        id=written.id,
        classes=tuple(_once(place, "classes", written.classes or [])),
        implied={basis: implied[basis] for basis in sorted(implied)},
        address=written.address,
    )


def _content(place: Place, written: WrittenContent) -> ContentRule:
    if not written.require and not written.texts:
        place.refuse((), "missing_field", "the rule asks for nothing", "say what to `require`, or which `texts`")
    return ContentRule(
        id=written.id,
        require=tuple(_once(place, "require", written.require or [])),
        texts=tuple(_once(place, "texts", written.texts or [])),
    )


def _window(place: Place, written: WrittenWindow, setting: Setting) -> WindowRule:
    hours = window_hours(place, written, setting.calendars)
    guard_s = 0 if written.guard is None else place.seconds(("guard",), written.guard)
    refuse_long_guard(place, hours, guard_s)
    return WindowRule(id=written.id, hours=hours, zone=written.zone or "", personal=written.personal, guard_s=guard_s)


def _cap(place: Place, written: WrittenCap) -> CapRule:
    scope = _once(place, "scope", written.scope or ["contact"])
    if "contact" not in scope and "address" not in scope:
        reason = "the cap would be shared by all contacts"
        place.refuse(
            ("scope",), "wrong_combination", reason, 'add "contact" or "address"; or use a daily_limit or a rate'
        )
    _check_span_of_cap(place, written)
    return CapRule(
        id=written.id,
        limit=written.limit,
        counts=tuple(_once(place, "counts", written.counts)),
        excluded_outcomes=tuple(_once(place, "excluded_outcomes", written.excluded_outcomes or [])),
        scope=scope,
        seconds=0 if written.within is None else place.seconds(("within",), written.within),
        boundary=written.boundary or "closed",
        days=written.days or 0,
        month=written.month or False,
        also_seconds=0 if written.also_within is None else place.seconds(("also_within",), written.also_within),
        zone=written.zone or "",
    )


def _check_span_of_cap(place: Place, written: WrittenCap) -> None:
    spans = [word for word in ("within", "days", "month") if getattr(written, word)]
    hint = 'write one of within = "24h", days = 7 and month = true'
    if not spans:
        place.refuse((), "missing_field", "the cap does not say within which time", hint)
    elif len(spans) > 1:
        place.refuse((spans[1],), "wrong_combination", f"`{spans[0]}` and `{spans[1]}` are two spans of time", hint)
    if written.within is not None and written.boundary is None:
        reason = "`within` does not say whether exactly that long ago still counts"
        place.refuse(("within",), "missing_field", reason, 'write boundary = "closed" (it counts) or "half_open"')
    if written.boundary is not None and written.within is None and written.also_within is None:
        reason = "days and months have no boundary to choose"
        place.refuse(("boundary",), "wrong_combination", reason, "leave `boundary` out")
    if written.also_within is not None and not written.days:
        reason = "`also_within` is a bound beside `days`"
        place.refuse(("also_within",), "wrong_combination", reason, "write `days`, or `within` alone")
    if written.zone is not None and not (written.days or written.month):
        reason = "a span of seconds is the same in every zone"
        place.refuse(("zone",), "wrong_combination", reason, "leave `zone` out")


def _ratio(place: Place, written: WrittenRatio) -> RatioRule:
    return RatioRule(
        id=written.id,
        numerator=_once(place, "numerator", written.numerator),
        denominator=_once(place, "denominator", written.denominator),
        max_per_10000=written.max_per_10000,
        days=written.days,
        min_denominator=written.min_denominator,
        scope=written.scope,
    )


def _daily_limit(place: Place, written: WrittenDailyLimit) -> DailyLimitRule:
    stages = written.ramp or []
    for index, stage in enumerate(stages[1:], 1):
        if stage.since <= stages[index - 1].since:
            reason = f"{stage.since} is not after {stages[index - 1].since}"
            place.refuse(("ramp", index), "wrong_order", reason, "list the dates in order")
    ramp = tuple(Stage(since=stage.since.isoformat(), limit=stage.limit) for stage in stages)
    return DailyLimitRule(id=written.id, limit=written.limit, zone=written.zone, scope=written.scope, ramp=ramp)


def _budget(place: Place, written: WrittenBudgetRule, currency: str) -> BudgetRule:
    if written.zone is not None and written.period == "total":
        place.warn(("zone",), "useless_field", "a budget in all begins at no midnight", "leave out zone")
    return BudgetRule(
        id=written.id,
        limit_micros=money_micros(place, ("amount",), written.amount),
        currency=currency,
        scope=written.scope,
        period=written.period,
        zone=written.zone or "Etc/UTC",
    )


def _duty(place: Place, written: WrittenDuty, setting: Setting) -> DutyRule:
    spans = [word for word in ("within", "business_days", "months") if getattr(written, word)]
    hint = 'write one of within = "48h", business_days = 10 and months = 1'
    if not spans:
        place.refuse((), "missing_field", "the duty has no deadline", hint)
    elif len(spans) > 1:
        place.refuse((spans[1],), "wrong_combination", f"`{spans[0]}` and `{spans[1]}` are two deadlines", hint)
    if written.business_days is None and (written.closed is not None or written.closed_dates):
        keys = ("closed",) if written.closed is not None else ("closed_dates",)
        place.refuse(keys, "wrong_combination", "only business days have holidays", "leave the dates out")
    return DutyRule(
        id=written.id,
        trigger=written.trigger,
        within_s=0 if written.within is None else place.seconds(("within",), written.within),
        within_business_days=written.business_days or 0,
        within_months=written.months or 0,
        closed_dates=duty_dates(place, written, setting.calendars),
    )


def _once(place: Place, key: str, values: Sequence[str]) -> tuple[Any, ...]:
    """Return the words as they stand; one that stands there twice is refused."""
    for index, value in enumerate(values):
        if value in values[:index]:
            place.refuse((key, index), "duplicate_value", f'"{value}" stands there twice', "leave one out")
    return tuple(values)


def _date(written: datetime.date | None) -> str:
    return "" if written is None else written.isoformat()
