"""Compliance packs of an open file: which are in use, which the program ships, and what a pack asks for that is not there.

A pack is named by its id when it is in use, by the name of the shipped file, or by a path.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from dee_appliance.authoring.pack_file import CheckedPack, check_pack, usable
from dee_appliance.authoring.shipped_packs import check_shipped, shipped_packs
from dee_appliance.errors import Refused
from dee_appliance.kernel.e1.policy import DutyRule, FactRule, Pack, Rule, SuppressionRule
from dee_appliance.store.queries import load_queries

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

    from dee_appliance.runtime.reading import View


class PackQueries(msgspec.Struct, frozen=True, kw_only=True):
    """sql/queries/pack.sql."""

    select_contact_facts: str
    select_intended_runs: str


class PackRow(msgspec.Struct, frozen=True, kw_only=True):
    """One pack: in use, shipped, or both. `entry` is the log entry that brought it into use (none: it is not in use).

    `newer` is the version that the program ships when it is newer than the one in use, or has other content.
    """

    pack: str
    version: str
    title: str
    as_of: str
    rules: int
    in_use: bool
    digest: str
    entry: int | None
    shipped: str
    newer: str


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """A fact or list that rules ask for and that is not there, and the rules."""

    name: str
    rules: tuple[str, ...]


class PackNeeds(msgspec.Struct, frozen=True, kw_only=True):
    """What a pack asks for that is not there: rules will refuse for the want of it.

    `facts` were never recorded, `lists` never loaded. `nowhere` counts the contacts of whom no jurisdiction is known: every rule
    that names one refuses them. `contacts` counts all.
    """

    facts: tuple[Wanted, ...]
    lists: tuple[Wanted, ...]
    nowhere: int
    contacts: int


class NamedPack(msgspec.Struct, frozen=True, kw_only=True):
    """A pack that was found by a name: `origin` is its file, or the entry that brought it into use."""

    pack: Pack
    digest: str
    origin: str
    in_use: bool


class _Places(msgspec.Struct, frozen=True):
    jurisdictions: dict[str, list[str]] = {}


ENDING = ".toml"
_places_decoder = msgspec.json.Decoder(_Places)


def pack_rows(view: View) -> list[PackRow]:
    """Return the packs in use, then those that the program ships beside them."""
    shipped = {name: _named(check_shipped(name)) for name in shipped_packs()}
    rows = []
    for name, digest, entry in view.state.packs:
        pack = view.state.documents.pack(digest)
        rows.append(_row(pack, digest, entry, shipped.pop(name, None)))
    return rows + [_row(one.pack, one.digest, None, one) for one in shipped.values()]


def _named(checked: CheckedPack) -> NamedPack:
    return NamedPack(pack=usable(checked), digest=checked.digest, origin=checked.file, in_use=False)


def _row(pack: Pack, digest: str, entry: int | None, shipped: NamedPack | None) -> PackRow:
    newer = ""
    if entry is not None and shipped is not None and shipped.digest != digest:
        theirs = shipped.pack.version
        newer = theirs if version_order(theirs) >= version_order(pack.version) else ""
    return PackRow(
        pack=pack.id,
        version=pack.version,
        title=pack.title,
        as_of=pack.as_of,
        rules=len(pack.rules),
        in_use=entry is not None,
        digest=digest,
        entry=entry,
        shipped="" if shipped is None else shipped.pack.version,
        newer=newer,
    )


# ---- found by a name ----


def named_pack(text: str, view: View | None) -> NamedPack:
    """Return the pack that an id in use, a shipped name or a path names, in this order. Raises Refused.

    A pack that is in use is read from the file as it was used.
    """
    for name, digest, entry in () if view is None else view.state.packs:
        if name == text and view is not None:
            pack = view.state.documents.pack(digest)
            return NamedPack(pack=pack, digest=digest, origin=f"in use since log entry {entry}", in_use=True)
    return _named(find_pack(text))


def newest_named(text: str, view: View | None) -> NamedPack:
    """Return the pack that a path, a shipped name or an id in use names, in this order. Raises Refused."""
    try:
        return _named(find_pack(text))
    except Refused:
        if view is None or all(name != text for name, _, _ in view.state.packs):
            raise
        return named_pack(text, view)


def find_pack(text: str, zones: Collection[str] | None = None) -> CheckedPack:
    """Check the pack that a path or a shipped name names; a file beats a name. Raises Refused when there is neither."""
    path = Path(text)
    if path.is_file() or text.endswith(ENDING) or "/" in text:
        return check_pack(path, known_zones=zones)
    return check_shipped(text, known_zones=zones)


def read_pack(text: str, zones: Collection[str]) -> CheckedPack:
    """Check the pack that a path or a shipped name names. Raises Refused that lists its mistakes."""
    checked = find_pack(text, zones)
    usable(checked)
    return checked


# ---- what it asks for ----


def pack_needs(view: View, pack: Pack) -> PackNeeds:
    """Return what the rules of a pack ask for that is not in the file."""
    gating = [rule for rule in pack.rules if not isinstance(rule, DutyRule)]
    facts = _wanted(gating, _facts_of, view.state.facts)
    lists = _wanted(gating, _lists_of, view.state.lists.in_use)
    contacts = nowhere = 0
    places = any(rule.jurisdictions for rule in gating)
    for (known,) in view.database.stream(load_queries(PackQueries, "pack").select_contact_facts):
        contacts += 1
        nowhere += places and not any(_places_decoder.decode(known).jurisdictions.values())
    return PackNeeds(facts=facts, lists=lists, nowhere=nowhere, contacts=contacts)


def _wanted(
    rules: Iterable[Rule], names_of: Callable[[Rule], tuple[str, ...]], there: Collection[str]
) -> tuple[Wanted, ...]:
    found: dict[str, list[str]] = {}
    for rule in rules:
        for name in dict.fromkeys(names_of(rule)):
            if name not in there:
                found.setdefault(name, []).append(rule.id)
    return tuple(Wanted(name=name, rules=tuple(found[name])) for name in sorted(found))


def _facts_of(rule: Rule) -> tuple[str, ...]:
    """The facts without which a rule refuses: those that lift a rule are a choice."""
    return tuple(ground.fact for ground in rule.require if ground.fact) if isinstance(rule, FactRule) else ()


def _lists_of(rule: Rule) -> tuple[str, ...]:
    return rule.lists if isinstance(rule, SuppressionRule) else ()


def version_order(version: str) -> tuple[tuple[int, int, str], ...]:
    """Return what two versions of a pack are compared by: what stands between the dots, numbers as numbers."""
    return tuple((1, int(part), "") if part.isdecimal() else (0, 0, part) for part in version.split("."))
