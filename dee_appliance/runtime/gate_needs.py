"""What a refused send lacks that somebody can tell the file: a fact, a list, a consent, a place; each with the command.

Lives here: from the answers of rules to commands. Does not live here: whether it is true. A command says what to type once it is
so, never that it should be so.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from dee_appliance.kernel.e1.policy import ConsentRule, FactRule, Rule, SuppressionRule

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from dee_appliance.kernel.e1.plan import Channel, Purpose

CLASSES = ("express", "written", "implied")
"""The classes that rules name; the first that all of them count is proposed."""


class GateNeed(msgspec.Struct, frozen=True, kw_only=True):
    """A command that tells the file what it lacks, and when that may be typed."""

    command: str
    when: str


class Refusal(msgspec.Struct, frozen=True, kw_only=True):
    """A rule that denied, and the values that it gave."""

    rule: Rule
    values: Mapping[str, object]


def gate_needs(
    refusals: Iterable[Refusal], recorded: Iterable[str], *, contact: str, channel: Channel, purpose: Purpose
) -> tuple[GateNeed, ...]:
    """Return what is lacking, each thing once. `recorded` are the facts that the file knows."""
    known = frozenset(recorded)
    found: dict[str, str] = {}
    classes: list[str] | None = None
    for one in refusals:
        if one.values.get("unknown") == "jurisdiction":
            found["dee contact import FILE.csv --on-existing update"] = (
                "with a column country or region for this contact"
            )
            continue
        match one.rule:
            case SuppressionRule() if isinstance(one.values.get("list"), str):
                found[f"dee suppress import FILE.csv --list {one.values['list']}"] = "as it is at its source now"
            case FactRule(require=grounds):
                for ground in grounds:
                    if ground.fact and ground.fact not in known:
                        value, when = ("on", "once it is so") if ground.holds else ("off", "if it is not so")
                        found[f"dee fact set {ground.fact} {value}"] = when
            case ConsentRule():
                counted = one.rule.classes or CLASSES
                classes = [name for name in (CLASSES if classes is None else classes) if name in counted]
            case _:
                pass
    if classes:
        # One consent for all the rules that lack one: a second would take the place of the first.
        wanted = {"express": "", "written": " --class written", "implied": " --class implied --basis BASIS"}[classes[0]]
        grant = f"dee consent grant {contact} --channel {channel} --purpose {purpose}{wanted}"
        found[grant] = "once the contact has given it"
    return tuple(GateNeed(command=command, when=when) for command, when in found.items())
