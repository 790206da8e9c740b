"""What the rules of one file must agree on, and what they name outside it: ids, places, time zones.

The rules are in their normal form; findings go to where they were written.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from dee_appliance.authoring.finding import did_you_mean
from dee_appliance.authoring.jurisdictions import fault_of_jurisdiction
from dee_appliance.authoring.place import Place
from dee_appliance.authoring.shape import Shape, shown
from dee_appliance.kernel.e1.input import TALLIED
from dee_appliance.kernel.e1.policy import BudgetRule, CapRule, DailyLimitRule, RatioRule, Rule, WindowRule
from dee_appliance.kernel.e1.rule_limits import RESERVED


def tables(shape: Shape, data: dict[str, object], name: str, most: int, whole: str) -> list[tuple[int, object]]:
    """Return the tables [[name]] with their numbers; that there are too many, or that it is no list, is refused."""
    found = data.get(name, [])
    if not isinstance(found, list):
        reason = f"`{name}` must be a list of tables, not {shown(found)}"
        shape.refuse((name,), "wrong_type", reason, f"write [[{name}]]")
        return []
    if len(found) > most:
        shape.refuse((name, most), "too_many", f"a {whole} has at most {most} {name}s, this has {len(found)}")
    return list(enumerate(found[:most]))


def check_rules(top: Place, rules: Sequence[Rule], known_zones: Collection[str] | None) -> None:
    """Refuse ids that are taken twice, places that do not exist, and zones that are not among `known_zones` (None: any)."""
    lines: dict[str, int] = {}
    for index, rule in enumerate(rules):
        place = top.inside("rule", index)
        if rule.id in lines:
            reason = f'the id "{rule.id}" is already taken by the rule at line {lines[rule.id]}'
            place.refuse(("id",), "duplicate_id", reason, "give each rule its own id")
        if rule.id in RESERVED:
            place.refuse(
                ("id",), "reserved_id", f'the engine itself uses the id "{rule.id}"', "give the rule another id"
            )
        if isinstance(rule, RatioRule):
            _check_events(place, rule)
        lines.setdefault(rule.id, place.line("id"))
        _check_places(place, rule)
        if known_zones is not None:
            _check_zone(place, rule, known_zones)


def _check_events(place: Place, rule: RatioRule) -> None:
    for field, events in (("numerator", rule.numerator), ("denominator", rule.denominator)):
        for index, event in enumerate(events):
            if event not in TALLIED:
                reason = f'"{event}" is not counted by day, so the ratio would never be reached'
                place.refuse((field, index), "wrong_value", reason, did_you_mean(event, TALLIED))


def _check_places(place: Place, rule: Rule) -> None:
    for index, code in enumerate(rule.jurisdictions):
        fault = fault_of_jurisdiction(code)
        if fault is not None:
            place.refuse(("jurisdictions", index), "unknown_jurisdiction", *fault)


def _check_zone(place: Place, rule: Rule, known_zones: Collection[str]) -> None:
    zone = rule.zone if isinstance(rule, WindowRule | CapRule | DailyLimitRule | BudgetRule) else ""
    if isinstance(rule, BudgetRule) and rule.period == "total":
        return
    if zone and zone not in known_zones:
        reason = f'there is no time zone "{zone}"'
        place.refuse(("zone",), "unknown_zone", reason, did_you_mean(zone, known_zones))
