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

from collections.abc import Collection, Sequence
from pathlib import Path as FilePath

import msgspec

from dee_appliance.authoring.finding import Finding, Findings, refusal_of
from dee_appliance.authoring.normal_head import price_micros
from dee_appliance.authoring.place import Place
from dee_appliance.authoring.rule_checks import check_rules, tables
from dee_appliance.authoring.rule_file import Setting, normal_rule
from dee_appliance.authoring.shape import Broken, Hints, Shape
from dee_appliance.authoring.source import Source, read_source
from dee_appliance.authoring.written_policy import MAX_RATES, MAX_RULES, WrittenPolicyFile, WrittenRate
from dee_appliance.authoring.written_rule import RULE_TYPES
from dee_appliance.kernel.e1.encoding import canonical, document_digest
from dee_appliance.kernel.e1.plan import Channel, Purpose
from dee_appliance.kernel.e1.policy import BudgetRule, ConsentRule, Policy, Rate, Rule

CHANNELS: tuple[Channel, ...] = ("email", "sms", "voice")


class CheckedPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """What the checks made of a policy file; `policy` is None when anything was refused. `body` is its canonical JSON."""

    file: str
    policy: Policy | None
    digest: str
    body: bytes
    findings: tuple[Finding, ...]


RULE_HINTS: Hints = {
    ("window", "hours"): ("missing_field", 'write hours = { days = "Mon-Fri", from = 09:00:00, to = 18:00:00 }'),
    ("cap", "limit"): ("missing_field", "write how many, as in limit = 3"),
    ("cap", "counts"): ("missing_field", 'write what is counted, as in counts = ["voice", "sms"]'),
    ("fact", "require"): ("missing_field", 'write what must hold, as in require = [{ fact = "registered" }]'),
    ("daily_limit", "limit"): ("missing_field", "write how many sends a day, as in limit = 500"),
    ("rate", "within"): ("missing_field", 'write the time in quotes, as in within = "1s"'),
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
    raise refusal_of("policy", checked.file, checked.findings, "correct the file and set it again")


def gaps_of(policy: Policy) -> list[str]:
    """Return what a policy lets through that few mean to: a policy may be as wide as its owner wants, but not unseen."""
    asks = [rule for rule in policy.rules if isinstance(rule, ConsentRule) and _is_for_all(rule, "marketing")]
    unasked = _without(asks)
    return [f"no rule asks everywhere for consent to marketing by {unasked}"] if unasked else []


def _policy(source: Source, known_zones: Collection[str] | None, found: Findings) -> Policy | None:
    shape = Shape(source, found, RULE_HINTS)
    head, _ = shape.fields(WrittenPolicyFile, source.data, (), apart=("rule", "rate"))
    setting = Setting(currency=str(head.get("currency", "USD")))
    rules = [
        normal_rule(Place(source, ("rule", index), found), written, setting)
        for index, table in tables(shape, source.data, "rule", MAX_RULES, "policy")
        if not isinstance(written := shape.tagged(RULE_TYPES, table, ("rule", index)), Broken)
    ]
    rates = [
        _rate(Place(source, ("rate", index), found), rate)
        for index, table in tables(shape, source.data, "rate", MAX_RATES, "policy")
        if not isinstance(rate := shape.struct(WrittenRate, table, ("rate", index)), Broken)
    ]
    if found.refused:
        return None
    top = Place(source, (), found)
    check_rules(top, rules, known_zones)
    _check_own_ids(top, rules)
    _check_budgets(top, rules, rates)
    _check_rates(top, rates)
    if found.refused:
        return None
    return Policy(id=head["policy"], currency=head.get("currency", "USD"), rules=tuple(rules), rates=tuple(rates))


def _rate(place: Place, written: WrittenRate) -> Rate:
    if written.channel == "email" and written.prefix:
        place.refuse(("prefix",), "wrong_combination", "an e-mail address has no number prefix", "leave `prefix` out")
    return Rate(channel=written.channel, micros=price_micros(place, written.price), prefix=written.prefix)


def _check_own_ids(top: Place, rules: list[Rule]) -> None:
    for index, rule in enumerate(rules):
        if rule.id.startswith("plan/"):
            reason, hint = "ids that begin with plan/ are those of the plans' own rules", "choose another beginning"
            top.inside("rule", index).refuse(("id",), "reserved_id", reason, hint)


def _is_for_all(rule: Rule, purpose: Purpose | None = None) -> bool:
    """Tell whether a rule holds for everybody at all times, for every purpose or for one."""
    purposes = not rule.purposes or purpose in rule.purposes
    dated = rule.effective_from or rule.effective_until
    return purposes and not (dated or rule.jurisdictions or rule.unless) and rule.subscriber == "any"


def _without(rules: Sequence[Rule]) -> str:
    return ", ".join(one for one in CHANNELS if all(rule.channels and one not in rule.channels for rule in rules))


def _check_budgets(top: Place, rules: list[Rule], rates: list[Rate]) -> None:
    priced = {rate.channel for rate in rates}
    for index, rule in enumerate(rules):
        if isinstance(rule, BudgetRule):
            unpriced = [channel for channel in rule.channels or CHANNELS if channel not in priced]
            if unpriced:
                reason = f"no [[rate]] says what {', '.join(unpriced)} costs, and a send without a price is denied"
                place = top.inside("rule", index)
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
