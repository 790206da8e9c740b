"""A scenario file, read and checked: every mistake with file and line, before anything runs.

Checked here is what can be known without running: times, contacts (by the intake that an import uses), and that plans, steps,
contacts and targets that are named exist. What happens is in `playing`, what is compared in `expecting`.
"""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from dee_appliance.authoring.checks import CheckedPlan, check_plan
from dee_appliance.authoring.finding import Finding, Findings, did_you_mean
from dee_appliance.authoring.place import Place
from dee_appliance.authoring.policy_file import check_policy
from dee_appliance.authoring.shape import Broken, Shape
from dee_appliance.authoring.source import Source, read_source
from dee_appliance.authoring.written_scenario import WrittenScenario, WrittenScenarioCase
from dee_appliance.errors import Refused, Usage
from dee_appliance.intake.codes import CODE_HINT, is_code
from dee_appliance.kernel.e1.file_input import SETTINGS
from dee_appliance.kernel.e1.policy import WindowRule
from dee_appliance.runtime.packs import read_pack
from dee_appliance.scenarios.calendar import Calendar
from dee_appliance.scenarios.casting import Cast, cast_of
from dee_appliance.scenarios.wording import check_case

if TYPE_CHECKING:
    from collections.abc import Iterable

    from dee_appliance.kernel.e1.civil_zone import ZoneTable
    from dee_appliance.kernel.e1.plan import Plan

ENDING = ".scenario.toml"
FOLDER = "scenarios"
LAST_START = 4_102_444_800
"""The year 2100: the zone table ends somewhere after it."""


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """One story of a scenario. `place` is where it stands, `cast` who takes part, `until` the tick at which it is cut off."""

    name: str
    written: WrittenScenarioCase
    place: Place
    cast: dict[str, Cast]
    until: int | None


class Scenario(msgspec.Struct, frozen=True, kw_only=True):
    """A sound scenario file. `plans` are the plans under test, the first of them the one that is meant where none is named."""

    file: str
    written: WrittenScenario
    calendar: Calendar
    plans: tuple[CheckedPlan, ...]
    policy: Path | None
    packs: tuple[str, ...]
    cases: tuple[Case, ...]


def find_scenarios(paths: Iterable[Path]) -> list[Path]:
    """Return the scenario files that are meant: files as they are, folders with all that lie beneath. Raises Usage."""
    found: dict[Path, None] = {}
    for path in paths:
        if not path.is_dir():
            if not path.exists():
                raise Usage(
                    "there is no such file or folder", where=str(path), hint="name scenario files, or folders with some"
                )
            found[path] = None
            continue
        beneath = [one for one in path.rglob("*.toml") if is_scenario(one) and not _is_hidden(one.relative_to(path))]
        found |= dict.fromkeys(sorted(beneath, key=str))
    if not found:
        named = ", ".join(str(path) for path in paths)
        raise Usage(
            "there is no scenario file",
            where=named,
            hint=f"a scenario file ends in {ENDING}, or lies in a folder called {FOLDER}",
        )
    return list(found)


def is_scenario(path: Path) -> bool:
    """Tell whether a file that was found, not named, is a scenario."""
    return path.is_file() and (path.name.endswith(ENDING) or (path.parent.name == FOLDER and path.suffix == ".toml"))


def _is_hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts)


def read_scenario(path: Path, zones: ZoneTable) -> tuple[Scenario | None, tuple[Finding, ...]]:
    """Read and check one scenario file; None when anything was refused. Raises Usage when it is no text of TOML or JSON."""
    found = Findings()
    try:
        source, scenario = read_source(path, found), None
    except Refused as refused:
        raise Usage(refused.what, where=refused.where, hint=refused.hint) from refused
    if source is not None:
        try:
            plain = {key: _dated(value) for key, value in source.data.items()}
            scenario = _Reader(msgspec.structs.replace(source, data=plain), zones, found).scenario()
        except RecursionError:
            found.refuse(source.file, 1, "syntax", "values are nested too deeply")
    return (None if found.refused else scenario), found.in_order(str(path))


def _dated(value: object) -> object:
    """Return a value with TOML's dates as their text, as JSON has them."""
    if isinstance(value, dict):
        return {key: _dated(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_dated(inner) for inner in value]
    return value.isoformat() if isinstance(value, datetime.date) else value


class _Reader:
    """Reads one file."""

    def __init__(self, source: Source, zones: ZoneTable, found: Findings) -> None:
        self._source = source
        self._zones = zones
        self._found = found
        self._folder = Path(source.file).parent
        self._top = Place(source, (), found)

    def scenario(self) -> Scenario | None:
        written = Shape(self._source, self._found, {}).struct(WrittenScenario, self._source.data, ())
        if isinstance(written, Broken):
            return None
        calendar = self._calendar(written)
        policy, covered = self._policy(written)
        packs = self._packs(written)
        plans = self._plans(written, covered=covered)
        self._settings(written)
        if self._found.refused:
            return None
        cases = self._cases(written, calendar, tuple(one.plan for one in plans if one.plan is not None))
        return Scenario(
            file=self._source.file,
            written=written,
            calendar=calendar,
            plans=plans,
            policy=policy,
            packs=packs,
            cases=cases,
        )

    def _calendar(self, written: WrittenScenario) -> Calendar:
        zone = written.zone
        if zone not in self._zones.zones():
            self._top.refuse(
                ("zone",), "unknown_zone", f"`{zone}` is no time zone", did_you_mean(zone, self._zones.zones())
            )
            zone = "UTC"
        calendar = Calendar(zones=self._zones, zone=zone, start=0)
        start = 0
        if written.start[:1] in "+-":
            hint = "write it like 2027-01-04T09:00:00"
            self._top.refuse(("start",), "wrong_value", f"`{written.start}` is no moment", hint)
        else:
            start = calendar.tick(self._top, ("start",), written.start)
        if not 0 <= start <= LAST_START:
            self._top.refuse(("start",), "wrong_value", "a scenario starts between 1970 and 2100")
            start = 0
        return Calendar(zones=self._zones, zone=zone, start=start)

    def _settings(self, written: WrittenScenario) -> None:
        for key, value in (written.settings or {}).items():
            wanted = SETTINGS.get(key)
            if wanted is None:
                hint = did_you_mean(key, SETTINGS)
                self._top.refuse(("settings", key), "unknown_key", f"there is no setting `{key}`", hint)
            elif type(value) is not wanted or (isinstance(value, int) and value < 0):
                words = {bool: "true or false", str: "a text", int: "a whole number from 0 on"}
                told = words.get(wanted, "set by dee trial alone")
                self._top.refuse(("settings", key), "wrong_type", f"`{key}` is {told}")
        for name in written.facts or {}:
            if not is_code(name):
                self._top.refuse(("facts", name), "wrong_value", f"`{name}` is no name of a fact", CODE_HINT)

    def _file(self, keys: tuple[str | int, ...], text: str, what: str) -> Path | None:
        """Return the path of a file that is named; one that is not there becomes a finding."""
        path = self._folder / text
        try:
            there = path.is_file()
        except (OSError, ValueError):
            there = False
        if there:
            return path
        reason = f"there is no {what} `{text}` beside this file"
        self._top.refuse(keys, "wrong_value", reason, f"paths are relative to {self._folder}")
        return None

    def _policy(self, written: WrittenScenario) -> tuple[Path | None, bool]:
        """Return the policy file, and whether the file's policy has hours for calls (the strict default has)."""
        if written.policy is None:
            return None, True
        path = self._file(("policy",), written.policy, "policy file")
        if path is None:
            return None, True
        try:
            checked = check_policy(path, known_zones=self._zones.zones())
        except Refused as error:
            self._top.refuse(("policy",), "wrong_value", f"the policy cannot be used: {error.what}", error.hint or "")
            return None, True
        if checked.policy is None:
            self._unsound(("policy",), "policy", checked.findings)
            return None, True
        rules = checked.policy.rules
        voice = any(isinstance(rule, WindowRule) and (not rule.channels or "voice" in rule.channels) for rule in rules)
        return path, voice

    def _packs(self, written: WrittenScenario) -> tuple[str, ...]:
        chosen = []
        for index, text in enumerate(written.packs or ()):
            named = str(self._folder / text) if text.endswith((".toml", ".json")) else text
            try:
                read_pack(named, self._zones.zones())
            except Refused as error:
                self._top.refuse(
                    ("packs", index), "wrong_value", f"the pack cannot be used: {error.what}", error.hint or ""
                )
                continue
            chosen.append(named)
        return tuple(chosen)

    def _plans(self, written: WrittenScenario, *, covered: bool) -> tuple[CheckedPlan, ...]:
        named = [
            (("plan",), written.plan),
            *((("plans", index), text) for index, text in enumerate(written.plans or ())),
        ]
        plans: dict[str, CheckedPlan] = {}
        for keys, text in named:
            path = self._file(keys, text, "plan file")
            if path is None:
                continue
            try:
                checked = check_plan(path, policy_covers_voice=covered)
            except Refused as error:
                self._top.refuse(keys, "wrong_value", f"the plan cannot be used: {error.what}", error.hint or "")
                continue
            if checked.plan is None:
                self._unsound(keys, "plan", checked.findings)
            elif checked.plan.plan in plans:
                reason = f"the plan {checked.plan.plan} is named twice"
                self._top.refuse(keys, "duplicate_value", reason, "test its versions in scenarios of their own")
            else:
                plans[checked.plan.plan] = checked
        return tuple(plans.values())

    def _unsound(self, keys: tuple[str | int, ...], what: str, findings: Iterable[Finding]) -> None:
        first = next(finding for finding in findings if finding.severity == "refused")
        count = sum(finding.severity == "refused" for finding in findings)
        reason = f"the {what} has {count} mistake{'' if count == 1 else 's'}, the first: {first}"
        self._top.refuse(keys, "wrong_value", reason, f"dee {what} check {first.file}" if what == "plan" else "")

    def _cases(self, written: WrittenScenario, calendar: Calendar, plans: tuple[Plan, ...]) -> tuple[Case, ...]:
        lines: dict[str, int] = {}
        cases = []
        shared = {
            handle: cast_of(self._top.inside("contact", handle), handle, contact, plans, calendar)
            for handle, contact in (written.contact or {}).items()
        }
        for index, one in enumerate(written.case):
            place = self._top.inside("case", index)
            if one.name in lines:
                place.refuse(("name",), "duplicate_id", f"line {lines[one.name]} has a case of this name")
            lines.setdefault(one.name, place.line("name"))
            own = {
                handle: cast_of(place.inside("contact", handle), handle, contact, plans, calendar)
                for handle, contact in (one.contact or {}).items()
            }
            cases.append(self._case(place, one, shared | own, calendar, plans))
        return tuple(cases)

    def _case(
        self,
        place: Place,
        one: WrittenScenarioCase,
        known: dict[str, Cast],
        calendar: Calendar,
        plans: tuple[Plan, ...],
    ) -> Case:
        chosen = dict(known)
        if one.contacts is not None:
            for index, handle in enumerate(one.contacts):
                if handle not in known:
                    place.refuse(
                        ("contacts", index),
                        "unknown_key",
                        f"there is no contact `{handle}`",
                        did_you_mean(handle, known),
                    )
            own = one.contact or {}
            chosen = {handle: cast for handle, cast in known.items() if handle in one.contacts or handle in own}
        if not chosen:
            place.refuse(("name",), "missing_field", "nobody takes part in this case", "write a [contact.NAME] table")
        until = None if one.until is None else calendar.tick(place, ("until",), one.until)
        if until is not None and until < calendar.start:
            place.refuse(("until",), "wrong_order", "this is before the start")
        case = Case(name=one.name, written=one, place=place, cast=chosen, until=until)
        check_case(place, one, tuple(chosen), plans, calendar)
        return case
