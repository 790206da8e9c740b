"""Compliance packs: checked, used, retired, listed, shown, compared."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from dee_appliance.cli.command import Session, command
from dee_appliance.cli.plan import short
from dee_appliance.errors import Refused

if TYPE_CHECKING:
    from dee_appliance.kernel.e1.policy import Pack, Rule
    from dee_appliance.runtime.packs import NamedPack, PackNeeds, PackRow
    from dee_appliance.runtime.rules_preview import PendingFlip

RULES_SHOWN = 6
"""How many rules a warning names; `--json` has them all."""


@command()
@click.argument("pack", metavar="FILE|NAME")
def check(session: Session, *, pack: str) -> None:
    """Check a pack, a file or a shipped one, and say every mistake with file and line. Changes nothing.

    With a file (--db) that is there, its zone table counts too.

    \b
    Example:
      dee policy pack check packs/house.toml
    """
    import msgspec

    from dee_appliance.runtime.packs import find_pack

    zones = None
    if session.path.exists():
        with session.view() as view:
            zones = view.zone_ids()
    checked = find_pack(pack, zones)
    for finding in checked.findings:
        session.out.record({"type": "finding", **msgspec.structs.asdict(finding)})
        session.out.line(str(finding))
    refused = sum(finding.severity == "refused" for finding in checked.findings)
    warned = len(checked.findings) - refused
    found = checked.pack
    named = {"pack": found.id, "version": found.version, "digest": checked.digest} if found is not None else {}
    session.out.record({"type": "summary", "file": checked.file, **named, "refused": refused, "warned": warned})
    if found is None:
        mistakes = "1 mistake" if refused == 1 else f"{refused} mistakes"
        raise Refused(f"the pack has {mistakes}", where=checked.file, hint="correct the file and check it again")
    warnings = "1 warning" if warned == 1 else f"{warned} warnings"
    session.out.line(f"{found.id} {found.version} is sound: {len(found.rules)} rules, {warnings}")


@command(acts=True)
@click.argument("pack", metavar="FILE|NAME")
@click.option("--preview", is_flag=True, help="Only say which waiting sends would be judged otherwise.")
def use(session: Session, *, pack: str, preview: bool) -> None:
    """Check a pack, a file or a shipped one, and ask its rules from now on, beside every other rule in use.

    A pack of the same id is replaced. Says which facts and lists its rules ask for that are not there, and of how many
    contacts no jurisdiction is known: rules refuse for the want of them. Packs are not legal advice.

    \b
    Example:
      dee policy pack use us-federal --preview
      dee policy pack use us-federal
    """
    import msgspec

    engine = session.engine()
    if preview:
        for text in _needs_lines(engine.pack_needs(pack)):
            session.out.note(text)
        preview_change(session, packs=(pack,))
        return
    used = engine.use_pack(pack)
    for text in _needs_lines(used.needs):
        session.out.note(text)
    text = f"the pack {used.pack} {used.version} is in use ({short(used.digest)})"
    session.done(engine, text, **msgspec.to_builtins(used))


def _needs_lines(needs: PackNeeds) -> list[str]:
    lines = [
        f"! nobody has recorded {one.name} (dee fact set), for the want of which sends are refused by {_rules(one.rules)}"
        for one in needs.facts
    ]
    lines += [
        f"! the list {one.name} is not loaded (dee suppress import), for the want of which sends are refused by "
        f"{_rules(one.rules)}"
        for one in needs.lists
    ]
    if needs.nowhere:
        contacts = f"{needs.nowhere:,} of {needs.contacts:,} contacts"
        lines.append(f"! of {contacts} no jurisdiction is known: every rule that names one refuses them")
    return lines


def _rules(rules: tuple[str, ...]) -> str:
    more = f" and {len(rules) - RULES_SHOWN} more" if len(rules) > RULES_SHOWN else ""
    return ", ".join(rules[:RULES_SHOWN]) + more


def preview_change(session: Session, *, packs: tuple[str, ...] = (), policy: str = "") -> None:
    """Say what changed rules would tell every send that waits; nothing is changed."""
    import msgspec

    from dee_appliance.cli.run_text import counted
    from dee_appliance.cli.what_if import SHOWN
    from dee_appliance.cli.what_if_text import show_counts

    engine = session.engine()
    change = engine.changed_rules(packs=packs, policy=policy or None)
    first: list[PendingFlip] = []

    def tell(flip: PendingFlip) -> None:
        session.out.record({"flip": msgspec.to_builtins(flip)})
        if len(first) < SHOWN:
            first.append(flip)

    found = engine.preview_rules(change, on_flip=tell)
    session.out.record({**msgspec.to_builtins(found), "preview": True})
    for flip in first:
        session.out.line(f"  {flip.run}  {flip.plan}  {flip.step}  {flip.what}  {_flip_text(flip)}")
    if found.flips.flips > len(first):
        session.out.line(f"  … and {found.flips.flips - len(first):,} others: --json names them all")
    session.out.line(f"waiting: {found.queued:,} queued sends, {found.held:,} held")
    show_counts(session.out, found.flips, "waiting sends", before="now")
    if found.unmade:
        messages = counted(found.unmade, "message", "messages")
        session.out.line(f"{messages} cannot be made, whatever the rules")
    session.out.line("nothing was changed; leave --preview out to do it")


def _flip_text(flip: PendingFlip) -> str:
    from dee_appliance.cli.run_text import moment_text

    told = []
    for said in (flip.before, flip.after):
        until = "" if said.until is None else f" until {moment_text(said.until, both=False)}"
        reason = f" ({said.reason})" if said.reason and said.reason != said.rule else ""
        told.append(f"{said.verdict} {said.rule}".rstrip() + reason + until)
    return " → ".join(told)


@command(acts=True)
@click.argument("pack", metavar="ID")
def retire(session: Session, *, pack: str) -> None:
    """Stop asking the rules of a pack. It stays in the file, so that old verdicts are explained by it.

    \b
    Example:
      dee policy pack retire us-states
    """
    engine = session.engine()
    engine.retire_pack(pack)
    session.done(engine, f"the pack {pack} is not in use any more", pack=pack)


@command("list")
def list_(session: Session) -> None:
    """List the packs in use, and those that the program ships.

    \b
    Example:
      dee policy pack list
    """
    import msgspec

    from dee_appliance.runtime.packs import pack_rows

    with session.view() as view:
        rows = pack_rows(view)
    for row in rows:
        session.out.record(msgspec.to_builtins(row))
    session.out.table(
        ("pack", "version", "as of", "rules", "in use", "digest", "title"),
        [
            (
                row.pack,
                row.version,
                row.as_of,
                row.rules,
                _in_use(row),
                short(row.digest) if row.in_use else "",
                row.title,
            )
            for row in rows
        ],
        right=frozenset({3}),
    )
    newer = [row.pack for row in rows if row.newer]
    if newer:
        session.out.line()
        compare = f"dee policy pack diff {newer[0]} {newer[0]}"
        session.out.line(f"the program ships another version of {', '.join(newer)}: {compare}")


def _in_use(row: PackRow) -> str:
    if not row.in_use:
        return "no"
    return f"since entry {row.entry}" + (f", shipped: {row.newer}" if row.newer else "")


@command()
@click.argument("pack", metavar="ID|NAME|FILE")
@click.option("--rule", metavar="RULE", help="Only this rule, with everything about it.")
def show(session: Session, *, pack: str, rule: str | None) -> None:
    """Show a pack: what each rule says, for whom, from which law, how sure that is, and what is arguable.

    PACK is an id in use (as it was used), the name of a shipped pack, or a file.

    \b
    Example:
      dee policy pack show us-federal
      dee policy pack show us-federal --rule dnc-registry
    """
    import msgspec

    found = _named(session, pack)
    rules = [one for one in found.pack.rules if rule in (None, one.id, one.id.partition("/")[2])]
    if not rules:
        raise Refused(f"{found.pack.id} has no rule `{rule}`", hint=f"dee policy pack show {pack}")
    told = {**msgspec.to_builtins(found.pack), "rules": [_rule_record(one) for one in rules]}
    session.out.record({**told, "digest": found.digest, "origin": found.origin, "in_use": found.in_use})
    _show_head(session, found)
    for one in rules:
        session.out.line()
        _show_rule(session, one)


def _named(session: Session, text: str) -> NamedPack:
    """Find a pack; without a file that is there, among the shipped ones and files."""
    from dee_appliance.runtime.packs import named_pack

    if not session.path.exists():
        return named_pack(text, None)
    with session.view() as view:
        return named_pack(text, view)


def _rule_record(rule: Rule) -> dict[str, object]:
    import msgspec

    from dee_appliance.authoring.rule_words import says
    from dee_appliance.kernel.e1.policy import kind_of_rule

    return {"kind": kind_of_rule(rule), **msgspec.to_builtins(rule), "says": says(rule)}


def _show_head(session: Session, found: NamedPack) -> None:
    pack: Pack = found.pack
    session.out.line(f"{pack.id} {pack.version}  {pack.title}")
    session.out.line(f"  sources read {pack.as_of}; {short(found.digest)}, {found.origin}; {len(pack.rules)} rules")
    session.out.line(f"  {pack.notice}")
    for name, source in pack.calendars.items():
        session.out.line(f"  calendar {name}: {source}")


def _show_rule(session: Session, rule: Rule) -> None:
    from dee_appliance.authoring.rule_words import concerns_words, conditions, confidence_words, demand
    from dee_appliance.kernel.e1.policy import kind_of_rule

    out = session.out
    out.line(f"{rule.id}  ({kind_of_rule(rule)}, for {concerns_words(rule)})")
    out.line(f"  {demand(rule)}")
    for condition in conditions(rule):
        out.line(f"  {condition}")
    out.line(f"  source: {rule.cite}, read {rule.as_of}")
    out.line(f"          {rule.url}")
    out.line(f"          {confidence_words(rule.confidence)}")
    if rule.ambiguity:
        out.line(f"  arguable: {rule.ambiguity}")


@command()
@click.argument("old", metavar="A")
@click.argument("new", metavar="B")
def diff(session: Session, *, old: str, new: str) -> None:
    """Compare two packs rule by rule; each an id in use (as it was used), the name of a shipped pack, or a file.

    An id in use beats a shipped name for A; for B it is the other way round, so `diff us-federal us-federal` shows what a newer
    version would change.

    \b
    Example:
      dee policy pack diff us-federal us-federal
      dee policy pack diff us-federal packs/house.toml
    """
    import msgspec

    from dee_appliance.authoring.pack_diff import pack_diff
    from dee_appliance.runtime.packs import newest_named

    before = _named(session, old)
    if session.path.exists():
        with session.view() as view:
            after = newest_named(new, view)
    else:
        after = newest_named(new, None)
    changes = pack_diff(before.pack, after.pack)
    for change in changes:
        session.out.record(msgspec.structs.asdict(change))
        session.out.lines(str(change))
    if not changes:
        session.out.line("they mean the same")
