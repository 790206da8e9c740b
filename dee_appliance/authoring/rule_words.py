"""What a rule says, in words for people: what it demands, of which sends, since when, and what lifts it.

Everything here follows from the rule alone; what a rule saw when it was asked is told elsewhere. A new kind of rule needs an arm
in `demand`.
"""

from __future__ import annotations

from collections.abc import Iterable

from dee_appliance.authoring.notation import format_duration, format_money, format_second_of_day, format_weekdays
from dee_appliance.content.features import FEATURES
from dee_appliance.kernel.e1.plan import Hours
from dee_appliance.kernel.e1.policy import (
    HAPPENINGS,
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
    SuppressionRule,
    WindowRule,
)

CONFIDENCE: dict[str, str] = {
    "primary": "the law itself, or its authority's own summary, was read",
    "dated-secondary": "a dated text of others that quotes or cites the law by its section",
    "secondary": "other texts about the law",
    "unverified": "from memory; confirm it before you rely on it",
    "": "not stated",
}
"""How sure we are of a rule, in words."""

DATES_SHOWN = 4
"""How many closed dates a sentence names."""
_COUNTED = {
    "email": ("e-mail", "e-mails"),
    "sms": ("text", "texts"),
    "voice": ("call", "calls"),
    "conversation": ("conversation", "conversations"),
    "refusal": ("refusal", "refusals"),
    "abandoned": ("abandoned call", "abandoned calls"),
}
_PLACES = {"file": "in the file", "channel": "per channel", "plan": "per plan"}


def demand(rule: Rule) -> str:
    """Say what the rule demands, without its conditions."""
    match rule:
        case SuppressionRule():
            return _suppression(rule)
        case ConsentRule():
            return _consent(rule)
        case FactRule():
            return grounds_words(rule.require)
        case ContentRule():
            return content_words(rule.require, rule.texts)
        case WindowRule():
            return _window(rule)
        case CapRule():
            return _cap(rule)
        case DutyRule():
            return f"within {_deadline(rule)} of: {rule.trigger.replace('_', ' ')} (reported; it holds no send)"
        case _:
            return _shared(rule)


def _shared(rule: RatioRule | DailyLimitRule | RateRule | BudgetRule) -> str:
    place = _PLACES[rule.scope]
    match rule:
        case RatioRule():
            return _ratio(rule)
        case DailyLimitRule():
            stages = "".join(f", {stage.limit:,} from {stage.since} on" for stage in rule.ramp)
            return f"{rule.limit:,} a day ({rule.zone}) {place}{stages}"
        case RateRule():
            return f"{rule.limit:,} in any {format_duration(rule.seconds)} {place}"
        case BudgetRule():
            period = "in all" if rule.period == "total" else f"a {rule.period} ({rule.zone})"
            return f"{format_money(rule.limit_micros, rule.currency)} {period} {place}"


def conditions(rule: Rule) -> tuple[str, ...]:
    """Say when the rule counts and what lifts it: dates, grounds, and that it holds where others deny."""
    told = []
    if rule.effective_from or rule.effective_until:
        since = f"from {rule.effective_from}" if rule.effective_from else ""
        until = f"until before {rule.effective_until}" if rule.effective_until else ""
        told.append(" ".join(part for part in ("in force", since, until) if part))
    if rule.unless:
        told.append(f"unless {grounds_words(rule.unless)}")
    if rule.on_fail == "hold":
        told.append(
            "holds for a day instead of refusing" if not isinstance(rule, BudgetRule) else "holds to the next period"
        )
    return tuple(told)


def says(rule: Rule) -> str:
    """Say what the rule demands, with its conditions."""
    return "; ".join((demand(rule), *conditions(rule)))


def concerns_words(rule: Rule) -> str:
    """Say which sends and contacts the rule is for: `voice sms · marketing · US-FL`."""
    subscriber = "" if rule.subscriber == "any" else f"{rule.subscriber} subscribers"
    parts = (" ".join(rule.channels), " ".join(rule.purposes), " ".join(rule.jurisdictions), subscriber)
    return " · ".join(part for part in parts if part) or "everything"


def confidence_words(confidence: str) -> str:
    """Say how sure we are of a rule: `primary (the text of the law was read)`."""
    return f"{confidence} ({CONFIDENCE[confidence]})" if confidence else CONFIDENCE[""]


def grounds_words(grounds: Iterable[Ground]) -> str:
    """Say what one of these grounds asks for; classes of consent stand together."""
    classes = [ground.consent for ground in grounds if ground.consent]
    consent = [f"consent of class {' or '.join(classes)} is in force"] if classes else []
    return " or ".join((*consent, *(_ground(ground) for ground in grounds if not ground.consent)))


def _ground(ground: Ground) -> str:
    if ground.fact:
        return f"the fact {ground.fact} is recorded" + ("" if ground.holds else " as not so")
    if ground.months:
        return f"{ground.attribute} is at most {_number(ground.months, 'month')} ago"
    return f"the contact has {ground.attribute}"


def hours_words(hours: Hours) -> str:
    """Write opening hours as `Mon-Fri 09:00-18:00, Sat 10:00-14:00`."""
    days: dict[str, list[int]] = {}
    for day, spans in enumerate(hours.weekly):
        text = "+".join(f"{format_second_of_day(opens)}-{format_second_of_day(closes)}" for opens, closes in spans)
        if text:
            days.setdefault(text, []).append(day)
    return ", ".join(f"{format_weekdays(chosen)} {text}" for text, chosen in days.items()) or "never open"


def content_words(words: Iterable[str], texts: Iterable[str]) -> str:
    """Say what must stand in a message."""
    return "; ".join((*(FEATURES.get(word, word) for word in words), *(f"the words “{text}”" for text in texts)))


def counted_words(rule: CapRule) -> str:
    """Say what a cap counts: `calls and texts`."""
    counted = rule.counts or rule.channels or ("email", "sms", "voice")
    words = [_COUNTED.get(one, (one, one))[rule.limit != 1] for one in counted]
    left_out = f" (other than {', '.join(rule.excluded_outcomes)})" if rule.excluded_outcomes else ""
    return " or ".join(words) + left_out


def span_words(rule: CapRule) -> str:
    """Say within which time a cap counts: `within 24h`, `in 7 local days (and 7d)`, `in a local month`."""
    if rule.seconds:
        return f"within {format_duration(rule.seconds)}"
    clock = f"days of {rule.zone}" if rule.zone else "local days"
    if rule.month:
        return f"in a month of {rule.zone}" if rule.zone else "in a local month"
    also = f" and within {format_duration(rule.also_seconds)}" if rule.also_seconds else ""
    return f"in {rule.days} {clock}{also}"


def date_list(dates: tuple[str, ...]) -> str:
    """Write dates, the first of them by name: `2026-12-25, 2027-01-01 and 5 more dates`."""
    more = len(dates) - DATES_SHOWN
    return ", ".join(dates[:DATES_SHOWN]) + (f" and {_number(more, 'more date')}" if more > 0 else "")


def _suppression(rule: SuppressionRule) -> str:
    if not rule.lists:
        reach = "; an opt-out closes every channel" if rule.reach == "everything" else ""
        return f"nobody who has opted out or was suppressed{reach}"
    several = len(rule.lists) > 1
    age = f", {'each ' if several else ''}at most {_number(rule.max_age_days, 'day')} old" if rule.max_age_days else ""
    return f"no address on the {'lists' if several else 'list'} {', '.join(rule.lists)}, which must be loaded{age}"


def _consent(rule: ConsentRule) -> str:
    told = f"consent of class {' or '.join(rule.classes)}" if rule.classes else "consent in force"
    if rule.address:
        told += ", given for the very address"
    if not rule.implied:
        return told
    implied = ", ".join(f"{basis} for {_number(rule.implied[basis], 'month')}" for basis in sorted(rule.implied))
    return f"{told}; implied consent counts by {implied}"


def _window(rule: WindowRule) -> str:
    hours = rule.hours
    where = f"on the clock of {rule.zone}" if rule.zone else "on every clock of the contact"
    told = [f"{hours_words(hours)} {where}"]
    if hours.half_days:
        told.append(f"shorter on {date_list(tuple(hours.half_days))}")
    if hours.closed_dates:
        told.append(f"closed on {date_list(hours.closed_dates)}")
    if hours.closed_until:
        told.append(f"refused after {hours.closed_until}, where its calendar ends")
    if rule.personal:
        told.append("and within the hours that the contact has named")
    if rule.guard_s:
        told.append(f"nothing begins in the last {format_duration(rule.guard_s)}")
    return ", ".join(told)


def _cap(rule: CapRule) -> str:
    scope = " and ".join(part.replace("var:", "variable ") for part in rule.scope)
    per = f" per {scope}" if scope else ""
    if any(one in HAPPENINGS for one in rule.counts):
        return f"nothing after {rule.limit:,} {counted_words(rule)} {span_words(rule)}{per}"
    return f"at most {rule.limit:,} {counted_words(rule)} {span_words(rule)}{per}"


def _ratio(rule: RatioRule) -> str:
    whole, part = divmod(rule.max_per_10000, 100)
    share = f"{whole}.{part:02d} %"
    days = _number(rule.days, "day")
    least = f", from {rule.min_denominator:,} on" if rule.min_denominator > 1 else ""
    above, below = " + ".join(rule.numerator), " + ".join(rule.denominator)
    return f"{above} below {share} of {below} over {days} {_PLACES[rule.scope]}{least}"


def _deadline(rule: DutyRule) -> str:
    if rule.within_business_days:
        return _number(rule.within_business_days, "business day")
    return _number(rule.within_months, "month") if rule.within_months else format_duration(rule.within_s)


def _number(number: int, word: str) -> str:
    return f"{number:,} {word}" if number == 1 else f"{number:,} {word}s"
