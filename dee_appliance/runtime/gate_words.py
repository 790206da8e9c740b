"""What a rule of the gate saw when it was asked, in words: how many of how many, which list, which consent, what was missing.

The values are those of a verdict, made now or long ago; the rule is the one that was asked. Nothing here asks again, and nothing
is taken from the present where the verdict names it: entries are read by their seq, zones by the digest of their table.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from dee_appliance.authoring.notation import format_duration, format_money, format_second_of_day
from dee_appliance.authoring.rule_words import (
    content_words,
    counted_words,
    demand,
    grounds_words,
    hours_words,
    span_words,
)
from dee_appliance.kernel.e1.civil_time import (
    OutOfRange,
    UnknownZone,
    ZoneTable,
    civil_from_days,
    format_utc,
    weekday,
)
from dee_appliance.kernel.e1.plan import Hours
from dee_appliance.kernel.e1.policy import (
    BudgetRule,
    CapRule,
    ConsentRule,
    ContentRule,
    DailyLimitRule,
    FactRule,
    Policy,
    RateRule,
    RatioRule,
    Rule,
    SuppressionRule,
    WindowRule,
)
from dee_appliance.kernel.e1.rules.cap import leaves
from dee_appliance.kernel.e1.rules.content import text_feature
from dee_appliance.kernel.e1.rules.question import DAY_S

if TYPE_CHECKING:
    from dee_appliance.runtime.reading import View
    from dee_appliance.runtime.reports_log import Log

WEEKDAY_NAMES = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
HELD_KINDS = (SuppressionRule, ConsentRule, FactRule, ContentRule)
"""Kinds that know no time: what they hold is asked again a day later."""


class ConsentRelied(msgspec.Struct, frozen=True, kw_only=True):
    """The consent that a verdict relied on: the entry that recorded it."""

    entry: int
    utc: str
    channel: str
    purpose: str
    consent_class: str
    source: str


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """What surrounded the question: the tick (UTC seconds), all that the rules saw, the policy, and the contact's zones then."""

    tick: int
    saw: dict[str, object]
    policy: Policy
    zones: tuple[str, ...] = ()


class GateWords:
    """Tells what rules saw, for one open file."""

    def __init__(self, view: View, log: Log) -> None:
        self._view = view
        self._log = log

    def told(self, rule: Rule, verdict: str, values: dict[str, object], asked: Asked) -> str:
        """Say what a rule saw."""
        unknown = values.get("unknown")
        if unknown == "jurisdiction":
            return f"nobody knows where the contact is, and the rule is for {' '.join(rule.jurisdictions)}"
        if unknown == "date":
            return "nobody knows the contact's date, and the rule has one"
        told = self._kind(rule, verdict, values, asked)
        if verdict == "hold" and isinstance(rule, HELD_KINDS):
            told += "; asked again in a day"
        return told

    def _kind(self, rule: Rule, verdict: str, values: dict[str, object], asked: Asked) -> str:
        match rule:
            case SuppressionRule():
                return _listed(rule, values, asked) if rule.lists else _suppressed(values, asked)
            case ConsentRule():
                return self._consent(rule, verdict, values, asked)
            case FactRule():
                return _facts(rule, verdict, asked)
            case ContentRule():
                return _missing(rule, values)
            case WindowRule():
                return self._window(rule, values, asked)
            case CapRule():
                return self._cap(rule, verdict, asked)
            case _:
                return _shared(rule, asked)

    # ---- consent ----

    def consent_of(self, saw: dict[str, object]) -> ConsentRelied | None:
        """Return the consent that a verdict relied on."""
        seq = saw.get("consent")
        entry = self._log.entry(seq) if isinstance(seq, int) else None
        if entry is None:
            return None
        detail = entry.detail
        return ConsentRelied(
            entry=entry.seq,
            utc=entry.utc,
            channel=str(detail.get("channel", "")),
            purpose=str(detail.get("purpose", "")),
            consent_class=str(detail.get("class", "")),
            source=str(detail.get("source", "")),
        )

    def _consent(self, rule: ConsentRule, verdict: str, values: dict[str, object], asked: Asked) -> str:
        relied = self.consent_of(asked.saw)
        if verdict == "pass" and relied is not None:
            basis = f" by {values['basis']}" if values.get("basis") else ""
            source = f"{relied.source} {relied.utc[:10]}, entry {relied.entry}"
            return f"{relied.channel} {relied.consent_class}{basis} ({source})"
        if "class" not in values:
            return "none in force"
        if rule.classes and values["class"] not in rule.classes:
            return f"the consent in force is of class {values['class']}, which does not count: {demand(rule)}"
        if "basis" not in values:
            return "the consent in force was given for another address" if rule.address else f"class {values['class']}"
        months = rule.implied.get(str(values["basis"]))
        given = f"consent implied by {values['basis'] or 'nothing that is recorded'}"
        if months is None:
            return f"{given}, which does not count here: {demand(rule)}"
        return f"{given} counts for {months} months, which have passed"

    # ---- hours ----

    def _window(self, rule: WindowRule, values: dict[str, object], asked: Asked) -> str:
        zones = values.get("zones")
        if not isinstance(zones, list) or not zones:
            return f"{hours_words(rule.hours)} in an unknown zone"
        table = self._table(asked)
        where = ", ".join(f"{zone}{_clock(table, str(zone), asked.tick)}" for zone in zones)
        told = f"{hours_words(rule.hours)} in {where}{self._special(rule.hours, table, zones, asked.tick)}"
        if table is not None and not table.from_utc <= asked.tick < table.until_utc:
            told += (
                f"; what time it is there nobody knows: the time-zone table ends on {format_utc(table.until_utc)[:10]}"
            )
        if rule.personal:
            told += ", and the contact's own hours"
        return f"{told}, nothing in the last {format_duration(rule.guard_s)}" if rule.guard_s else told

    def _table(self, asked: Asked) -> ZoneTable | None:
        digest = asked.saw.get("zones")
        return self._view.state.documents.zones(digest) if isinstance(digest, str) else None

    def _special(self, hours: Hours, table: ZoneTable | None, zones: list[object], tick: int) -> str:
        """What the calendar says of the dates that it is there."""
        dates = [date for date in (_date(table, str(zone), tick) for zone in zones) if date]
        told = []
        for date in dict.fromkeys(dates):
            if hours.closed_until and date > hours.closed_until:
                told.append(f"; the calendar of closed dates ends on {hours.closed_until}")
            elif date in hours.closed_dates:
                told.append(f"; {date} is a closed date")
            elif date in hours.half_days:
                spans = hours.half_days[date]
                half = "+".join(f"{format_second_of_day(a)}-{format_second_of_day(b)}" for a, b in spans)
                told.append(f"; {date} is a half-day, {half}")
        return "".join(told)

    # ---- caps ----

    def _cap(self, rule: CapRule, verdict: str, asked: Asked) -> str:
        """How many of how many lie in the window, which entries, and when the next one leaves it."""
        zones = (rule.zone,) if rule.zone else asked.zones
        if verdict == "deny":
            return "no local day is known: the contact's zone is not"
        table = self._table(asked) or self._view.state.zones()
        cited = [(seq, entry.tick + self._view.epoch) for seq in _cited(rule, asked) if (entry := self._log.entry(seq))]
        inside = [(seq, tick) for seq, tick in cited if _lies_inside(rule, table, zones, tick, asked.tick)]
        told = f"{len(inside)} of {rule.limit} {counted_words(rule)} {span_words(rule)}"
        if inside:
            word = "entry" if len(inside) == 1 else "entries"
            told += f" ({word} {', '.join(str(seq) for seq, _ in inside)})"
        if verdict == "pass":
            return told
        try:
            left = leaves(rule, table, zones, [tick for _, tick in cited], asked.tick)
        except (UnknownZone, OutOfRange):
            return told
        return f"{told}; the next one leaves {_short(left)}" if left > asked.tick else told


def _cited(rule: CapRule, asked: Asked) -> list[int]:
    caps = asked.saw.get("caps")
    for name, _, entries in caps if isinstance(caps, list) else []:
        if name == rule.id:
            return list(entries)
    return []


def _lies_inside(rule: CapRule, table: ZoneTable, zones: tuple[str, ...], tick: int, now: int) -> bool:
    try:
        return leaves(msgspec.structs.replace(rule, limit=1), table, zones, [tick], now) > now
    except (UnknownZone, OutOfRange):
        return True


def _short(tick: int) -> str:
    text = format_utc(tick)
    return f"{text[:10]} {text[11:].removesuffix(':00Z').removesuffix('Z')}Z"


def _clock(table: ZoneTable | None, zone: str, tick: int) -> str:
    """The weekday and time that a zone's clock shows, in brackets; nothing where it is not known."""
    local = _local(table, zone, tick)
    if local is None:
        return ""
    day, second = divmod(local, DAY_S)
    return f" ({WEEKDAY_NAMES[weekday(day)]} {format_second_of_day(second)})"


def _date(table: ZoneTable | None, zone: str, tick: int) -> str:
    local = _local(table, zone, tick)
    if local is None:
        return ""
    year, month, day = civil_from_days(local // DAY_S)
    return f"{year:04d}-{month:02d}-{day:02d}"


def _local(table: ZoneTable | None, zone: str, tick: int) -> int | None:
    if table is None:
        return None
    try:
        return tick + table.offset_at(zone, tick)
    except (UnknownZone, OutOfRange):
        return None


# ---- suppression, facts, content ----


def _suppressed(values: dict[str, object], asked: Asked) -> str:
    scopes, reasons = values.get("scopes"), values.get("reasons")
    entries = asked.saw.get("suppression")
    if not isinstance(scopes, list) or not isinstance(reasons, list):
        return ""
    told = [f"{reason} ({scope})" for scope, reason in zip(scopes, reasons, strict=False)]
    if isinstance(entries, list) and len(entries) == len(told):
        told = [f"{text[:-1]}, entry {entry})" for text, entry in zip(told, entries, strict=True)]
    return ", ".join(told)


def _listed(rule: SuppressionRule, values: dict[str, object], asked: Asked) -> str:
    """Which version of each list was asked and how old it was, or why it could not be asked."""
    seen = asked.saw.get("lists")
    used = {str(one[0]): one for one in seen} if isinstance(seen, list) else {}
    refused = values.get("list")
    if isinstance(refused, str) and refused not in used:
        return f"the list {refused} was never loaded"
    told = [f"{name} {_version(used[name], asked.tick)}" for name in rule.lists if name in used]
    on = values.get("lists")
    if isinstance(on, list):
        return f"on {' and '.join(map(str, on))}: {', '.join(told)}"
    if isinstance(refused, str):
        return f"the list {refused} is too old: {_version(used[refused], asked.tick)}, at most {rule.max_age_days} days"
    return f"not on {', '.join(told)}" if told else ""


def _version(used: list[object], tick: int) -> str:
    _, version, as_of, entry = used
    if not isinstance(as_of, int):
        return f"version {version}"
    age = max(0, tick - as_of) // DAY_S
    return f"version {version} of {format_utc(as_of)[:10]} ({age} {'day' if age == 1 else 'days'} old, entry {entry})"


def _facts(rule: FactRule, verdict: str, asked: Asked) -> str:
    """Which facts are recorded and by which entries; of a pass, what it rests on."""
    seen = asked.saw.get("facts")
    recorded = {str(one[0]): one for one in seen} if isinstance(seen, list) else {}
    there = [ground for ground in rule.require if ground.fact in recorded]
    others = tuple(ground for ground in rule.require if not ground.fact)
    if verdict == "pass":
        holding = [ground for ground in there if recorded[ground.fact][1] == ground.holds]
        return ", ".join(_recorded(*recorded[ground.fact]) for ground in holding) or grounds_words(others)
    told = [_recorded(*recorded[ground.fact]) for ground in there]
    told += [
        f"nobody has recorded whether {ground.fact}"
        for ground in rule.require
        if ground.fact and ground.fact not in recorded
    ]
    return ", ".join((*told, *([f"not so: {grounds_words(others)}"] if others else [])))


def _recorded(name: str, value: object, entry: object) -> str:
    return f"{name} is recorded{'' if value else ' as not so'} (entry {entry})"


def _missing(rule: ContentRule, values: dict[str, object]) -> str:
    missing = values.get("missing")
    if not isinstance(missing, list):
        return ""
    texts = {text_feature(text): text for text in rule.texts}
    words = [str(word) for word in missing if word not in texts]
    return f"missing: {content_words(words, [texts[word] for word in missing if word in texts])}"


# ---- what is shared ----


def counter_seen(rule_id: str, saw: dict[str, object]) -> tuple[str, int, int] | None:
    """Return the bucket, what was used and the limit of the counter that a rule read."""
    counters = saw.get("counters")
    for name, bucket, used, limit in counters if isinstance(counters, list) else []:
        own = str(name).removeprefix("rate/")
        if own == rule_id or own.startswith(f"{rule_id}:"):
            return str(bucket), int(used), int(limit)
    return None


def ratio_seen(rule_id: str, saw: dict[str, object]) -> tuple[int, int] | None:
    """Return the numerator and denominator that a ratio read."""
    ratios = saw.get("ratios")
    for name, above, below, _ in ratios if isinstance(ratios, list) else []:
        if name == rule_id:
            return int(above), int(below)
    return None


def percent(above: int, below: int) -> str:
    """Write a share with two decimals, rounded down, so that it never shows a maximum that was not reached."""
    hundredths = above * 10_000 // below if below else 0
    return f"{hundredths // 100}.{hundredths % 100:02d} %"


def _shared(rule: Rule, asked: Asked) -> str:
    match rule:
        case RatioRule():
            return _ratio(rule, asked)
        case DailyLimitRule():
            return _counted(rule, asked)
        case RateRule():
            return _rate(rule, asked)
        case BudgetRule():
            return _spent(rule, asked)
        case _:
            return ""


def _ratio(rule: RatioRule, asked: Asked) -> str:
    found = ratio_seen(rule.id, asked.saw)
    if found is None:
        return demand(rule)
    above, below = found
    if below < rule.min_denominator:
        return f"{above:,} of {below:,}: too few to tell; {demand(rule)}"
    return f"{above:,} of {below:,}, {percent(above, below)}; {demand(rule)}"


def _counted(rule: DailyLimitRule, asked: Asked) -> str:
    found = counter_seen(rule.id, asked.saw)
    if found is None:
        return f"{rule.limit} a day"
    bucket, used, limit = found
    return f"{used} of {limit} on {bucket}"


def _rate(rule: RateRule, asked: Asked) -> str:
    found = counter_seen(rule.id, asked.saw)
    return demand(rule) if found is None else f"{found[1]} of {found[2]} in the last {format_duration(rule.seconds)}"


def _spent(rule: BudgetRule, asked: Asked) -> str:
    found = counter_seen(rule.id, asked.saw)
    if found is None and not asked.saw:
        return ""
    if found is None:
        currency = asked.policy.currency
        return "no price is known" if rule.currency == currency else f"not in {currency}"
    bucket, used, limit = found
    period = "" if bucket == "total" else f" in {bucket}"
    text = f"{format_money(used, rule.currency)} of {format_money(limit, rule.currency)}{period}"
    estimate = asked.saw.get("estimate")
    return f"{text}, this send {format_money(estimate, rule.currency)}" if isinstance(estimate, int) else text
