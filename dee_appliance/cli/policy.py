"""The file's policy: shown as it is in force, replaced by another."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from dee_appliance.cli.command import Session, command
from dee_appliance.cli.plan import short

if TYPE_CHECKING:
    from dee_appliance.kernel.e1.plan import Hours
    from dee_appliance.kernel.e1.policy import Rule


DATES_SHOWN = 4
"""How many closed dates a line names; `--json` has them all."""


@command()
def show(session: Session) -> None:
    """Show the policy in force: its rules in the order in which the gate asks them, and the rate card.

    \b
    Example:
      dee policy show
    """
    import msgspec

    from dee_appliance.authoring.notation import format_money
    from dee_appliance.kernel.e1.policy import RULE_KINDS, kind_of_rule

    with session.view() as view:
        policy, entry = view.state.policy()
        digest = str(view.state.settings["policy"])
    session.out.record({"digest": digest, "entry": entry, "policy": msgspec.to_builtins(policy)})
    session.out.line(f"policy {policy.id}  ({short(digest)}, since log entry {entry})")
    session.out.line()
    order = {kind: position for position, kind in enumerate(RULE_KINDS)}
    rules = sorted(policy.rules, key=lambda rule: order[kind_of_rule(rule)])
    session.out.table(
        ("rule", "kind", "for", "says", "source"),
        [(rule.id, kind_of_rule(rule), _for(rule), _says(rule), rule.cite) for rule in rules],
    )
    if policy.rates:
        session.out.line()
        session.out.table(
            ("rate", "prefix", "price"),
            [(rate.channel, rate.prefix or "any", format_money(rate.micros, policy.currency)) for rate in policy.rates],
            right=frozenset({2}),
        )


def _for(rule: Rule) -> str:
    return " ".join((*rule.channels, *rule.purposes)) or "everything"


def _says(rule: Rule) -> str:
    from dee_appliance.authoring.notation import format_money
    from dee_appliance.kernel.e1.policy import BudgetRule, ConsentRule, DailyLimitRule, SuppressionRule, WindowRule

    match rule:
        case SuppressionRule():
            return "nobody who is suppressed"
        case ConsentRule(classes=classes):
            return f"consent of class {', '.join(classes)}" if classes else "consent in force"
        case WindowRule(hours=hours):
            return _week(hours)
        case DailyLimitRule(limit=limit, zone=zone, scope=scope):
            return f"{limit:,} a day ({zone}) per {scope}"
        case BudgetRule(limit_micros=micros, currency=currency, scope=scope):
            return f"{format_money(micros, currency)} per {scope}"
        case _:
            return ""


def _week(hours: Hours) -> str:
    """Days with equal spans together, as in Mon-Fri 09:00:00-18:00:00."""
    from dee_appliance.authoring.notation import format_second_of_day, format_weekdays

    days: dict[tuple[tuple[int, int], ...], list[int]] = {}
    for day, spans in enumerate(hours.weekly):
        if spans:
            days.setdefault(spans, []).append(day)
    told = []
    for spans, which in days.items():
        times = " and ".join(f"{format_second_of_day(a)}-{format_second_of_day(b)}" for a, b in spans)
        told.append(f"{format_weekdays(which)} {times}")
    return ("; ".join(told) or "never") + _closed(hours.closed_dates)


def _closed(dates: tuple[str, ...]) -> str:
    if not dates:
        return ""
    more = f" and on {len(dates) - DATES_SHOWN} other dates" if len(dates) > DATES_SHOWN else ""
    return f", closed on {', '.join(dates[:DATES_SHOWN])}{more}"


@command(acts=True)
@click.argument("file", type=click.Path(path_type=Path))
def set_(session: Session, *, file: Path) -> None:
    """Check a policy file and use it from now on, for every send that has not left. What it held is asked again.

    \b
    Example:
      dee policy set policy.toml
    """
    engine = session.engine()
    digest = engine.set_policy(file)
    session.done(engine, f"the policy of {file} is in force ({short(digest)})", file=str(file), digest=digest)
