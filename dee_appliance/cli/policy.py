"""The file's policy: shown as it is in force, replaced by another."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from dee_appliance.cli.command import Session, command
from dee_appliance.cli.plan import short

if TYPE_CHECKING:
    from dee_appliance.runtime.reading import View


@command()
def show(session: Session) -> None:
    """Show the policy in force: its rules in the order in which the gate asks them, the rate card, packs in use and facts.

    \b
    Example:
      dee policy show
    """
    import msgspec

    from dee_appliance.authoring.notation import format_money
    from dee_appliance.authoring.rule_words import concerns_words, says
    from dee_appliance.kernel.e1.policy import RULE_KINDS, kind_of_rule

    with session.view() as view:
        policy, entry = view.state.policy()
        digest = str(view.state.settings["policy"])
        packs, facts, lists = _packs(view), _facts(view), _lists(view)
    known = {"packs": packs, "facts": facts, "lists": lists}
    session.out.record({"digest": digest, "entry": entry, "policy": msgspec.to_builtins(policy), **known})
    session.out.line(f"policy {policy.id}  ({short(digest)}, since log entry {entry})")
    session.out.line()
    order = {kind: position for position, kind in enumerate(RULE_KINDS)}
    rules = sorted(policy.rules, key=lambda rule: order[kind_of_rule(rule)])
    session.out.table(
        ("rule", "kind", "for", "says", "source"),
        [(rule.id, kind_of_rule(rule), concerns_words(rule), says(rule), rule.cite) for rule in rules],
    )
    if policy.rates:
        session.out.line()
        session.out.table(
            ("rate", "prefix", "price"),
            [(rate.channel, rate.prefix or "any", format_money(rate.micros, policy.currency)) for rate in policy.rates],
            right=frozenset({2}),
        )
    for heads, rows in (("pack", packs), ("fact", facts), ("list", lists)):
        if rows:
            session.out.line()
            session.out.table((heads, *list(rows[0])[1:]), [tuple(row.values()) for row in rows])


def _packs(view: View) -> list[dict[str, object]]:
    found = ((view.state.documents.pack(digest), digest, entry) for _, digest, entry in view.state.packs)
    return [
        {
            "pack": pack.id,
            "version": pack.version,
            "as_of": pack.as_of,
            "rules": len(pack.rules),
            "digest": short(digest),
            "entry": entry,
        }
        for pack, digest, entry in found
    ]


def _facts(view: View) -> list[dict[str, object]]:
    return [
        {"fact": name, "recorded": "so" if value else "not so", "entry": entry}
        for name, (value, entry) in view.state.facts.items()
    ]


def _lists(view: View) -> list[dict[str, object]]:
    from dee_appliance.kernel.e1.civil_time import format_utc

    in_use = view.state.lists.in_use
    return [
        {"list": name, "version": one.version, "as_of": format_utc(one.as_of), "entry": one.entry}
        for name, one in sorted(in_use.items())
    ]


@command(acts=True)
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--preview", is_flag=True, help="Only say which waiting sends would be judged otherwise.")
def set_(session: Session, *, file: Path, preview: bool) -> None:
    """Check a policy file and use it from now on, for every send that has not left. What it held is asked again.

    \b
    Example:
      dee policy set policy.toml --preview
      dee policy set policy.toml
    """
    if preview:
        from dee_appliance.cli.pack import preview_change

        preview_change(session, policy=str(file))
        return
    from dee_appliance.authoring.policy_file import check_policy, gaps_of

    engine = session.engine()
    digest = engine.set_policy(file)
    checked = check_policy(file)
    gaps = [] if checked.policy is None else gaps_of(checked.policy)
    session.done(
        engine, f"the policy of {file} is in force ({short(digest)})", file=str(file), digest=digest, gaps=gaps
    )
    for gap in gaps:
        session.out.line(f"note: {gap}")
