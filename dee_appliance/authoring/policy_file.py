"""A policy file: the file's own rules and its rate card, as people write them, checked and turned into the policy document.

    policy   = "baseline"
    currency = "USD"

    [[rule]]
    id       = "us-federal/calling-hours"
    kind     = "window"
    channels = ["voice", "sms"]
    hours    = { days = "Mon-Sun", from = 08:00:00, to = 21:00:00 }
    cite     = "47 CFR 64.1200(c)(1)"

    [[rate]]
    channel = "voice"
    prefix  = "+1"
    price   = "0.014"            # for one message, one text segment or one started minute

What a rule does when it is asked is the kernel's; nothing here judges a send.
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path as FilePath
from typing import cast

import msgspec

from dee_appliance.authoring.finding import Finding, Findings, did_you_mean
from dee_appliance.authoring.normal_head import money_micros, normal_hours, price_micros
from dee_appliance.authoring.place import Place
from dee_appliance.authoring.shape import Broken, Hints, Shape, shown
from dee_appliance.authoring.source import Source, read_source
from dee_appliance.authoring.written_policy import (
    MAX_RATES,
    MAX_RULES,
    RULE_TYPES,
    WrittenBudgetRule,
    WrittenConsent,
    WrittenDailyLimit,
    WrittenPolicyFile,
    WrittenRate,
    WrittenRule,
    WrittenSuppression,
    WrittenWindow,
)
from dee_appliance.errors import Refused
from dee_appliance.kernel.e1.encoding import canonical, document_digest
from dee_appliance.kernel.e1.plan import Channel
from dee_appliance.kernel.e1.policy import (
    BudgetRule,
    ConsentRule,
    DailyLimitRule,
    Policy,
    Rate,
    Rule,
    SuppressionRule,
    WindowRule,
)

CHANNELS: tuple[Channel, ...] = ("email", "sms", "voice")


class CheckedPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """What the checks made of a policy file; `policy` is None when anything was refused. `body` is its canonical JSON."""

    file: str
    policy: Policy | None
    digest: str
    body: bytes
    findings: tuple[Finding, ...]


_HINTS: Hints = {
    ("window", "hours"): ("missing_field", 'write hours = { days = "Mon-Fri", from = 09:00:00, to = 18:00:00 }'),
    ("daily_limit", "limit"): ("missing_field", "write how many sends a day, as in limit = 500"),
    ("budget", "amount"): ("missing_field", 'write the sum in quotes, as in amount = "250.00"'),
}


def check_policy(path: FilePath, *, known_zones: Collection[str] | None = None) -> CheckedPolicy:
    """Check a policy file. `known_zones` are the zones of the file's own table; without them any zone name passes.

    Raises Refused only when there is no policy file to look into (unreadable, YAML, too large); all else is in the findings.
    """
    found = Findings()
    source = read_source(path, found)
    policy = None if source is None else _policy(source, known_zones, found)
    body = b"" if policy is None else canonical(policy)
    return CheckedPolicy(
        file=str(path),
        policy=policy,
        digest="" if policy is None else document_digest("policy", body),
        body=body,
        findings=found.in_order(str(path)),
    )


def settable(checked: CheckedPolicy) -> Policy:
    """Return the policy if it may be set. Raises Refused that lists what keeps it from being set."""
    if checked.policy is not None:
        return checked.policy
    refused = [finding for finding in checked.findings if finding.severity == "refused"]
    listed = "\n".join(f"  {finding}" for finding in refused)
    raise Refused(f"the policy has mistakes:\n{listed}", where=checked.file, hint="correct the file and set it again")


def _policy(source: Source, known_zones: Collection[str] | None, found: Findings) -> Policy | None:
    shape = Shape(source, found, _HINTS)
    head, _ = shape.fields(WrittenPolicyFile, source.data, (), apart=("rule", "rate"))
    rules = [
        _rule(Place(source, ("rule", index), found), cast("WrittenRule", written), str(head.get("currency", "USD")))
        for index, table in _tables(shape, source.data, "rule", MAX_RULES)
        if not isinstance(written := shape.tagged(RULE_TYPES, table, ("rule", index)), Broken)
    ]
    rates = [
        _rate(Place(source, ("rate", index), found), rate)
        for index, table in _tables(shape, source.data, "rate", MAX_RATES)
        if not isinstance(rate := shape.struct(WrittenRate, table, ("rate", index)), Broken)
    ]
    if found.refused:
        return None
    top = Place(source, (), found)
    _check_rules(top, rules, rates, known_zones)
    _check_rates(top, rates)
    if found.refused:
        return None
    return Policy(id=head["policy"], currency=head.get("currency", "USD"), rules=tuple(rules), rates=tuple(rates))


def _tables(shape: Shape, data: dict[str, object], name: str, most: int) -> list[tuple[int, object]]:
    tables = data.get(name, [])
    if not isinstance(tables, list):
        shape.refuse(
            (name,), "wrong_type", f"`{name}` must be a list of tables, not {shown(tables)}", f"write [[{name}]]"
        )
        return []
    if len(tables) > most:
        shape.refuse((name, most), "too_many", f"a policy has at most {most} {name}s, this has {len(tables)}")
    return list(enumerate(tables[:most]))


def _rule(place: Place, written: WrittenRule, currency: str) -> Rule:
    return msgspec.structs.replace(
        _kind(place, written, currency),
        channels=tuple(written.channels or ()),
        purposes=tuple(written.purposes or ()),
        cite=written.cite,
        url=written.url,
    )


def _kind(place: Place, written: WrittenRule, currency: str) -> Rule:
    match written:
        case WrittenSuppression():
            return SuppressionRule(id=written.id)
        case WrittenConsent():
            return ConsentRule(id=written.id, classes=tuple(written.classes or ()))
        case WrittenWindow():
            return WindowRule(
                id=written.id, hours=normal_hours(place, "hours", written.hours, written.closed_dates or [])
            )
        case WrittenDailyLimit():
            return DailyLimitRule(id=written.id, limit=written.limit, zone=written.zone, scope=written.scope)
        case WrittenBudgetRule():
            micros = money_micros(place, ("amount",), written.amount)
            return BudgetRule(id=written.id, limit_micros=micros, currency=currency, scope=written.scope)


def _rate(place: Place, written: WrittenRate) -> Rate:
    if written.channel == "email" and written.prefix:
        place.refuse(("prefix",), "wrong_combination", "an e-mail address has no number prefix", "leave `prefix` out")
    return Rate(channel=written.channel, micros=price_micros(place, written.price), prefix=written.prefix)


def _check_rules(top: Place, rules: list[Rule], rates: list[Rate], known_zones: Collection[str] | None) -> None:
    lines: dict[str, int] = {}
    priced = {rate.channel for rate in rates}
    for index, rule in enumerate(rules):
        place = top.inside("rule", index)
        if rule.id in lines:
            reason = f'the id "{rule.id}" is already taken by the rule at line {lines[rule.id]}'
            place.refuse(("id",), "duplicate_id", reason, "give each rule its own id")
        lines.setdefault(rule.id, place.line("id"))
        if rule.id.startswith("plan/"):
            hint = "choose another beginning"
            place.refuse(("id",), "reserved_id", "ids that begin with plan/ are those of the plans' own rules", hint)
        if isinstance(rule, DailyLimitRule) and known_zones is not None and rule.zone not in known_zones:
            place.refuse(
                ("zone",), "unknown_zone", f'there is no time zone "{rule.zone}"', did_you_mean(rule.zone, known_zones)
            )
        if isinstance(rule, BudgetRule):
            unpriced = [channel for channel in rule.channels or CHANNELS if channel not in priced]
            if unpriced:
                reason = f"no [[rate]] says what {', '.join(unpriced)} costs, and a send without a price is denied"
                place.warn(("amount",), "no_rate", reason, "add a [[rate]] for each channel in use")


def _check_rates(top: Place, rates: list[Rate]) -> None:
    lines: dict[tuple[str, str], int] = {}
    for index, rate in enumerate(rates):
        place = top.inside("rate", index)
        key = (rate.channel, rate.prefix)
        if key in lines:
            reason = f'the price of {rate.channel} to "{rate.prefix}" already stands at line {lines[key]}'
            place.refuse((), "duplicate_rate", reason, "keep one of them")
        lines.setdefault(key, place.line())
