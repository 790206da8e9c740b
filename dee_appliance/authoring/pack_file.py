"""A pack file: rules from one legal source as people write them, checked and turned into the pack document.

    [pack]
    id      = "example"
    version = "1"
    as_of   = 2026-11-23
    notice  = "Not legal advice."

    [[calendar]]
    id     = "holidays"
    dates  = [2026-12-25, 2027-01-01]
    until  = 2027-12-31
    source = "the law that names them"

    [[rule]]
    id         = "hours"              # in the pack and in every entry: "example/hours"
    kind       = "window"
    hours      = { days = "Mon-Sat", from = 08:00:00, to = 20:00:00 }
    closed     = "holidays"
    cite       = "the law"
    url        = "https://example.com/law"
    as_of      = 2026-11-23
    confidence = "primary"

A rule without its source, and a pack that does not say what it is not, are refused. What a rule does when it is asked is the
kernel's.
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path as FilePath

import msgspec

from dee_appliance.authoring.finding import Finding, Findings, refusal_of
from dee_appliance.authoring.place import Place
from dee_appliance.authoring.policy_file import RULE_HINTS
from dee_appliance.authoring.rule_checks import check_rules, tables
from dee_appliance.authoring.rule_file import Setting, normal_rule
from dee_appliance.authoring.rule_hours import Calendar, normal_calendar
from dee_appliance.authoring.shape import BROKEN, Broken, Hints, Shape, word_of
from dee_appliance.authoring.source import Source, read_source
from dee_appliance.authoring.written_pack import (
    MAX_CALENDARS,
    MAX_PACK_RULES,
    WrittenCalendar,
    WrittenPack,
    WrittenPackFile,
)
from dee_appliance.authoring.written_rule import (
    PACK_RULE_TYPES,
    RULE_TYPES,
    WrittenDuty,
    WrittenRule,
    WrittenWindow,
)
from dee_appliance.kernel.e1.encoding import canonical, document_digest
from dee_appliance.kernel.e1.policy import Pack, Rule

RESERVED_IDS = ("plan",)
"""What ids of rules that no pack has begin with."""

_HINTS: Hints = {
    **RULE_HINTS,
    ("packfile", "pack"): ("missing_field", "begin with [pack], and say its id, version, as_of and notice"),
    ("packfile", "rule"): ("missing_field", "add a [[rule]]"),
    ("pack", "notice"): ("missing_field", "say that it is not legal advice, and what it does not cover"),
    ("pack", "as_of"): ("missing_field", "write the date on which the sources were read, as in 2026-11-23"),
    ("calendar", "until"): ("missing_field", "write the last date that the list covers, as in 2027-12-31"),
    ("calendar", "source"): ("missing_source", "say which law or list the dates are from"),
}
_SOURCE_FIELDS = {
    "cite": "write the law and its section",
    "url": "write where the law can be read",
    "as_of": "write the date on which it was read, as in 2026-11-23",
    "confidence": "one of primary, dated-secondary, secondary, unverified",
}


class CheckedPack(msgspec.Struct, frozen=True, kw_only=True):
    """What the checks made of a pack file; `pack` is None when anything was refused. `body` is its canonical JSON."""

    file: str
    pack: Pack | None
    digest: str
    body: bytes
    findings: tuple[Finding, ...]


def check_pack(path: FilePath, *, known_zones: Collection[str] | None = None) -> CheckedPack:
    """Check a pack file. `known_zones` are the zones of the file's own table; without them any zone name passes.

    Raises Refused only when there is no pack file to look into (unreadable, YAML, too large); all else is in the findings.
    """
    found = Findings()
    source = read_source(path, found)
    pack = None if source is None else _pack(source, known_zones, found)
    body = b"" if pack is None else canonical(pack)
    return CheckedPack(
        file=str(path),
        pack=pack,
        digest="" if pack is None else document_digest("pack", body),
        body=body,
        findings=found.in_order(str(path)),
    )


def usable(checked: CheckedPack) -> Pack:
    """Return the pack if it may be used. Raises Refused that lists what keeps it from being used."""
    if checked.pack is not None:
        return checked.pack
    raise refusal_of("pack", checked.file, checked.findings, "correct the file and use it again")


def _pack(source: Source, known_zones: Collection[str] | None, found: Findings) -> Pack | None:
    shape = Shape(source, found, _HINTS)
    shape.fields(WrittenPackFile, source.data, (), apart=("pack", "calendar", "rule"))
    head = shape.struct(WrittenPack, source.data["pack"], ("pack",)) if "pack" in source.data else BROKEN
    calendars = _calendars(shape, source, found)
    written = _written_rules(shape, source)
    setting = Setting(calendars=calendars)
    rules = [normal_rule(Place(source, ("rule", index), found), rule, setting) for index, rule in written.items()]
    for index, rule in written.items():
        _check_source(Place(source, ("rule", index), found), rule)
    if isinstance(head, Broken):
        return None
    top = Place(source, (), found)
    _check_head(top, head, rules=len(written))
    if found.refused:
        return None
    check_rules(top, rules, known_zones)
    _warn_of_unused(top, calendars, written)
    if found.refused:
        return None
    return Pack(
        id=head.id,
        version=head.version,
        title=head.title,
        as_of=head.as_of.isoformat(),
        notice=head.notice.strip(),
        calendars={name: calendars[name].source for name in sorted(calendars)},
        rules=tuple(_prefixed(rule, head.id) for rule in rules),
    )


def _check_head(top: Place, head: WrittenPack, *, rules: int) -> None:
    if not head.notice.strip():
        place, hint = top.inside("pack"), _HINTS["pack", "notice"][1]
        place.refuse(("notice",), "missing_field", "the pack says nothing about what it is not", hint)
    if head.id in RESERVED_IDS:
        reason = f"ids that begin with {head.id}/ are those of the plans' own rules"
        top.refuse(("pack", "id"), "reserved_id", reason, "choose another id")
    if not rules and not top.found.refused:
        top.refuse(("rule",), "missing_field", "the pack has no rules", "add a [[rule]]")


def _calendars(shape: Shape, source: Source, found: Findings) -> dict[str, Calendar]:
    calendars: dict[str, Calendar] = {}
    for index, table in tables(shape, source.data, "calendar", MAX_CALENDARS, "pack"):
        written = shape.struct(WrittenCalendar, table, ("calendar", index))
        if isinstance(written, Broken):
            continue
        place = Place(source, ("calendar", index), found)
        if written.id in calendars:
            reason = f'the id "{written.id}" is already taken by another calendar'
            place.refuse(("id",), "duplicate_id", reason, "give each calendar its own id")
        calendars.setdefault(written.id, normal_calendar(place, written))
    return calendars


def _written_rules(shape: Shape, source: Source) -> dict[int, WrittenRule]:
    """Return the rules that have their shape, by number. A kind that only a policy may have is refused with the reason."""
    of_policies = [word_of(kind) for kind in RULE_TYPES if kind not in PACK_RULE_TYPES]
    written: dict[int, WrittenRule] = {}
    for index, table in tables(shape, source.data, "rule", MAX_PACK_RULES, "pack"):
        path = ("rule", index)
        if isinstance(table, dict) and table.get("kind") in of_policies:
            reason = (
                f"how much, how fast and for how much is not a pack's to say: {table['kind']} is a kind of the policy"
            )
            shape.refuse((*path, "kind"), "unknown_kind", reason, "put the rule into the policy of the file")
            continue
        rule = shape.tagged(PACK_RULE_TYPES, table, path)
        if not isinstance(rule, Broken):
            written[index] = rule
    return written


def _check_source(place: Place, rule: WrittenRule) -> None:
    if "/" in rule.id:
        reason = "the id of the pack is put in front of the id by itself"
        place.refuse(("id",), "wrong_value", reason, f'write id = "{rule.id.rpartition("/")[2]}"')
    for field, hint in _SOURCE_FIELDS.items():
        if not getattr(rule, field):
            place.refuse((field,), "missing_source", f"a rule of a pack has `{field}`", hint)


def _warn_of_unused(top: Place, calendars: dict[str, Calendar], written: dict[int, WrittenRule]) -> None:
    used = set[str]()
    for rule in written.values():
        if isinstance(rule, WrittenWindow | WrittenDuty) and rule.closed is not None:
            used.update([rule.closed] if isinstance(rule.closed, str) else rule.closed)
    for index, name in enumerate(calendars):
        if name not in used:
            top.inside("calendar", index).warn(("id",), "useless_field", f'no rule names the calendar "{name}"')


def _prefixed(rule: Rule, pack: str) -> Rule:
    return msgspec.structs.replace(rule, id=f"{pack}/{rule.id}")
