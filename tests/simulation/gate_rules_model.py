"""What the rules of the gate say, written a second time: by looking at each instant, with zoneinfo and datetime.

Nothing of the kernel is imported. Rules, plans and packs are the JSON of their documents; an instant is open, or a cap full, when
counting says so at that very instant. There is no closed form here and no search.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from tzdata_clocks import tzdata_zone

DAY_S = 86_400
KINDS = (
    "suppression", "consent", "fact", "content", "window", "cap", "ratio", "daily_limit", "rate", "budget",
)  # fmt: skip
SHARED = ("ratio", "daily_limit", "rate", "budget")
ADDRESS = {"email": "email", "sms": "phone", "voice": "phone"}
HAPPENINGS = ("conversation", "refusal", "abandoned")

Rule = dict[str, Any]


class Unknown(Exception):
    """No zone, no date or no calendar is known: nobody may be sent to."""


# ---- clocks and dates --------------------------------------------------------------------------------------------------


@lru_cache(maxsize=500)
def _zone(name: str) -> ZoneInfo:
    try:
        return tzdata_zone(name)
    except OSError as error:
        raise Unknown(name) from error


@lru_cache(maxsize=200_000)
def clock(zone: str, utc: int, shift_s: int) -> datetime:
    """What the clock of a zone shows, in a world in which every clock goes `shift_s` ahead of the real one."""
    shown = datetime.fromtimestamp(utc, _zone(zone)).replace(tzinfo=None)
    return shown + timedelta(seconds=shift_s)


def date_of(zone: str, utc: int, shift_s: int) -> date:
    return clock(zone, utc, shift_s).date()


def months_later(day: date, months: int) -> date:
    index = day.year * 12 + day.month - 1 + months
    first = date(index // 12, index % 12 + 1, 1)
    last = (date(first.year + first.month // 12, first.month % 12 + 1, 1) - timedelta(days=1)).day
    return first.replace(day=min(day.day, last))


def utc_date(utc: int) -> date:
    return datetime.fromtimestamp(utc, UTC).date()


# ---- what is asked -----------------------------------------------------------------------------------------------------


@dataclass
class Person:
    """A contact as the inputs have described it."""

    contact: str
    attributes: dict[str, Any] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)
    tokens: dict[str, str] = field(default_factory=dict)
    erased: bool = False

    def zones(self) -> list[str]:
        return sorted({zone for names in self.facts.get("zones", {}).values() for zone in names})

    def codes(self) -> list[str]:
        """Where the contact may be; "US" says nothing beside "US-FL"."""
        known = {code for codes in self.facts.get("jurisdictions", {}).values() for code in codes}
        return sorted(one for one in known if not any(other != one and other.startswith(one + "-") for other in known))


@dataclass
class Touched:
    """Something that a cap may count."""

    tick: int
    what: str
    entry: int
    key: tuple[str, int] = ("", 0)
    channel: str = ""
    plan: str = ""
    purpose: str = ""
    address: str = ""
    variables: dict[str, Any] = field(default_factory=dict)
    outcome: str = ""
    contact: str = ""


@dataclass
class Asked:
    """May this person be sent to on this channel by this plan at this instant? With all that a rule can look at."""

    tick: int
    person: Person
    plan: dict[str, Any]
    channel: str
    units: int
    features: tuple[str, ...]
    variables: dict[str, Any]
    consents: dict[tuple[str, str], dict[str, Any]]
    suppressed: list[tuple[str, str]]
    """(subject, scope) of everything that stands."""
    lists: dict[str, dict[str, Any]]
    recorded: dict[str, tuple[bool, int]]
    touched: list[Touched]
    shift_s: int


# ---- whom a rule concerns, and when ------------------------------------------------------------------------------------


def concerns(rule: Rule, person: Person) -> bool:
    """Whether somebody who may be in these places is meant. Who may be anywhere is meant by every rule."""
    subscriber = person.facts.get("subscriber", "")
    if subscriber and rule.get("subscriber", "any") not in ("any", subscriber):
        return False
    wanted, codes = rule.get("jurisdictions", []), person.codes()
    if not wanted or not codes:
        return True
    pairs = ((one.split("-"), other.split("-")) for one in codes for other in wanted)
    return any(a[: len(b)] == b or b[: len(a)] == a for a, b in pairs)


def in_force(rule: Rule, person: Person, utc: int, shift_s: int) -> bool:
    """Whether the rule is in force by the date in some zone of the contact, or where a date comes first and goes last."""
    begin, end = rule.get("effective_from", ""), rule.get("effective_until", "")
    if not begin and not end:
        return True
    zones = person.zones()
    first = [date_of(zone, utc, shift_s).isoformat() for zone in zones or ["Etc/GMT-14"]]
    last = [date_of(zone, utc, shift_s).isoformat() for zone in zones or ["Etc/GMT+12"]]
    return (not begin or max(first) >= begin) and (not end or min(last) < end)


def consent_of(asked: Asked) -> dict[str, Any] | None:
    """The consent that counts; a revocation for the purpose, or for every purpose, stands against every grant."""
    own = asked.consents.get((asked.channel, asked.plan["purpose"]))
    general = asked.consents.get((asked.channel, "*"))
    there = [one for one in (own, general) if one is not None]
    if any(not one["granted"] for one in there):
        return None
    return next((one for one in there if one["expires"] is None or one["expires"] > asked.tick), None)


def ground_holds(ground: dict[str, Any], asked: Asked) -> bool:
    if ground.get("fact"):
        return asked.recorded.get(ground["fact"], (None, 0))[0] is ground.get("holds", True)
    if ground.get("consent"):
        consent = consent_of(asked)
        return consent is not None and consent["class"] == ground["consent"]
    value = asked.person.attributes.get(ground["attribute"])
    if not ground.get("months"):
        return value is True
    if not isinstance(value, str):
        return False
    zones = asked.person.zones() or ["Etc/GMT-14"]
    try:
        day = date.fromisoformat(value)
        return all(
            date_of(zone, asked.tick, asked.shift_s) < months_later(day, ground["months"]) for zone in zones
        ) and any(day <= date_of(zone, asked.tick, asked.shift_s) for zone in zones)
    except (ValueError, Unknown):
        return False


def lifted(rule: Rule, asked: Asked) -> bool:
    return any(ground_holds(ground, asked) for ground in rule.get("unless", []))


# ---- each kind ---------------------------------------------------------------------------------------------------------


def suppression_passes(rule: Rule, asked: Asked) -> bool:
    if not rule.get("lists"):
        scopes = ("*", f"channel:{asked.channel}", f"plan:{asked.plan['plan']}")
        names = {asked.person.contact, *asked.person.tokens.values()}
        return not any(
            subject in names and (scope in scopes or scope.startswith("list:")) for subject, scope in asked.suppressed
        )
    token = asked.person.tokens.get(ADDRESS[asked.channel], "")
    for name in rule["lists"]:
        known = asked.lists.get(name)
        if known is None or token in known["tokens"]:
            return False
        if rule.get("max_age_days") and asked.tick - known["as_of"] > rule["max_age_days"] * DAY_S:
            return False
    return True


def opt_outs_pass(rules: list[Rule], asked: Asked) -> bool:
    """Who has opted out gets nothing, also where no rule asks for it come what may."""
    for rule in rules:
        lifted_or_not_yet = rule.get("unless") or rule.get("effective_from") or rule.get("effective_until")
        somewhere = rule.get("jurisdictions") and not asked.person.codes()
        if rule["kind"] == "suppression" and not rule.get("lists") and not lifted_or_not_yet and not somewhere:
            return True
    return suppression_passes({}, asked)


def consent_passes(rule: Rule, asked: Asked) -> bool:
    consent = consent_of(asked)
    if consent is None or (rule.get("classes") and consent["class"] not in rule["classes"]):
        return False
    if rule.get("address") and consent["to"] != asked.person.tokens.get(ADDRESS[asked.channel], ""):
        return False
    if consent["class"] != "implied" or not rule.get("implied"):
        return True
    months = rule["implied"].get(consent["basis"])
    return months is not None and utc_date(asked.tick) < months_later(utc_date(consent["obtained"]), months)


def fact_passes(rule: Rule, asked: Asked) -> bool:
    return any(ground_holds(ground, asked) for ground in rule["require"])


def content_passes(rule: Rule, asked: Asked) -> bool:
    return all(word in asked.features for word in rule.get("require", []))


def hours_open(hours: dict[str, Any], guard_s: int, shown: datetime) -> bool:
    """Whether the hours are open when a clock shows this. Hours that go on past midnight end there before a closed day."""
    today, second = shown.date(), shown.hour * 3_600 + shown.minute * 60 + shown.second
    ends = hours.get("closed_until", "")
    if ends and (hours.get("closed_dates") or hours.get("half_days")) and today.isoformat() > ends:
        raise Unknown("calendar")
    if any(opens <= second < closes - guard_s for opens, closes in _spans(hours, today)):
        return True
    before = _spans(hours, today - timedelta(days=1))
    spills = any(second + DAY_S < closes - guard_s for _, closes in before)
    return spills and not _closed(hours, today)


def _spans(hours: dict[str, Any], day: date) -> list[tuple[int, int]]:
    if day.isoformat() in hours.get("closed_dates", []):
        return []
    half: list[tuple[int, int]] | None = hours.get("half_days", {}).get(day.isoformat())
    weekly: list[tuple[int, int]] = hours["weekly"][day.weekday()]
    return weekly if half is None else half


def _closed(hours: dict[str, Any], day: date) -> bool:
    return day.isoformat() in hours.get("closed_dates", []) or hours.get("half_days", {}).get(day.isoformat()) == []


def window_open(rule: Rule, person: Person, utc: int, shift_s: int) -> bool:
    zones = [rule["zone"]] if rule.get("zone") else person.zones()
    if not zones:
        raise Unknown("zone")
    for zone in zones:
        shown = clock(zone, utc, shift_s)
        if not hours_open(rule["hours"], rule.get("guard_s", 0), shown):
            return False
        own = person.facts.get("hours") if rule.get("personal") else None
        if own and not hours_open({"weekly": own}, 0, shown):
            return False
    return True


def counts(rule: Rule, asked: Asked, touched: Touched) -> bool:
    wanted, scope = rule.get("counts", []), rule.get("scope", ["contact"])
    if touched.contact != asked.person.contact and ("contact" in scope or "address" not in scope):
        return False
    if (touched.what not in wanted) if wanted else (touched.what in HAPPENINGS):
        return False
    if touched.outcome in ("rejected", "not_sent", *rule.get("excluded_outcomes", [])):
        return False
    return all(_same(part, asked, touched) for part in scope)


def _same(part: str, asked: Asked, touched: Touched) -> bool:
    pairs = {
        "contact": ("", ""),
        "address": (asked.person.tokens.get(ADDRESS[asked.channel], ""), touched.address),
        "plan": (asked.plan["plan"], touched.plan),
        "purpose": (asked.plan["purpose"], touched.purpose),
        "channel": (asked.channel, touched.channel),
    }
    name = part.removeprefix("var:")
    mine, other = pairs.get(part, (asked.variables.get(name, ""), touched.variables.get(name, "")))
    return mine == other or "" in (mine, other)


def cap_passes(rule: Rule, asked: Asked, utc: int) -> bool:
    """Count what lies in the window at this instant, in each way in which the rule counts."""
    by_date = bool(rule.get("days") or rule.get("month"))
    zones = [rule["zone"]] if rule.get("zone") else asked.person.zones()
    if by_date and not zones:
        raise Unknown("zone")
    events = [one.tick for one in asked.touched if one.tick <= asked.tick and counts(rule, asked, one)]
    limit = rule["limit"]
    if len(events) < limit:
        return True
    for seconds, closed in (
        (rule.get("seconds", 0), rule.get("boundary", "closed") == "closed"),
        (rule.get("also_seconds", 0), True),
    ):
        if seconds and sum(utc - one < seconds or (closed and utc - one == seconds) for one in events) >= limit:
            return False
    return not by_date or all(_in_dates(rule, zone, events, utc, asked.shift_s) < limit for zone in zones)


def _in_dates(rule: Rule, zone: str, events: Iterable[int], utc: int, shift_s: int) -> int:
    today = date_of(zone, utc, shift_s)
    days = [date_of(zone, one, shift_s) for one in events]
    if rule.get("month"):
        return sum((one.year, one.month) >= (today.year, today.month) for one in days)
    return sum((today - one).days < rule["days"] for one in days)


# ---- the rules of a send -----------------------------------------------------------------------------------------------


def rules_of(policy: dict[str, Any], packs: list[dict[str, Any]], plan: dict[str, Any], channel: str) -> list[Rule]:
    """Every rule that can gate a send, in the order of asking: what the plan tightens comes last of its kind."""
    listed: list[Rule] = [*policy.get("rules", []), *(rule for pack in packs for rule in pack["rules"])]
    own = plan.get("policy", {})
    if "calling_hours" in own:
        listed.append(
            {
                "id": "plan/calling_hours",
                "kind": "window",
                "channels": ["voice"],
                "hours": own["calling_hours"],
                "personal": True,
            }
        )
    if "daily_sends" in own:
        listed.append({"id": "plan/daily_sends", "kind": "daily_limit", "limit": own["daily_sends"], "scope": "plan"})
    if "budget" in own:
        listed.append({"id": "plan/budget", "kind": "budget", "scope": "plan", **own["budget"]})
    chosen = [
        rule
        for rule in listed
        if rule["kind"] in KINDS
        and channel in (rule.get("channels") or [channel])
        and plan["purpose"] in (rule.get("purposes") or [plan["purpose"]])
    ]
    return sorted(chosen, key=lambda rule: KINDS.index(rule["kind"]))


def private_passes(rule: Rule, asked: Asked) -> bool:
    """Whether a rule passes that reads nothing which others use up. Raises Unknown."""
    match rule["kind"]:
        case "suppression":
            return suppression_passes(rule, asked)
        case "consent":
            return consent_passes(rule, asked)
        case "fact":
            return fact_passes(rule, asked)
        case "content":
            return content_passes(rule, asked)
        case "window":
            return window_open(rule, asked.person, asked.tick, asked.shift_s)
        case kind:
            assert kind == "cap"
            return cap_passes(rule, asked, asked.tick)


def timed_pass(rules: list[Rule], asked: Asked, utc: int) -> bool:
    """Whether all hours and caps pass together at some other instant, by what has happened until now. Raises Unknown."""
    for rule in rules:
        if rule["kind"] not in ("window", "cap") or not concerns(rule, asked.person) or lifted(rule, asked):
            continue
        if not in_force(rule, asked.person, utc, asked.shift_s):
            continue
        passes = (
            window_open(rule, asked.person, utc, asked.shift_s)
            if rule["kind"] == "window"
            else cap_passes(rule, asked, utc)
        )
        if not passes:
            return False
    return True
