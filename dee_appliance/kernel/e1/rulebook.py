"""The rules that a send of one plan on one channel must pass, prepared once: which of them concern a contact, and what they need.

Whether a rule concerns a contact follows from the contact's places: a rule for Florida concerns whoever may be in Florida.
A contact of whom only the country is known may be anywhere in it, unless something else says where.
"""

from __future__ import annotations

from msgspec import field

from dee_appliance.kernel.e1.civil_time import Window, ZoneTable, day_start, guarded, parse_iso_date
from dee_appliance.kernel.e1.plan import Hours
from dee_appliance.kernel.e1.policy import CapRule, ContentRule, Policy, Rule, SuppressionRule, WindowRule, kind_of_rule
from dee_appliance.kernel.e1.run import Contact, Frozen, ListInUse, Touch

DAY_S = 86_400
FIRST_ZONE, LAST_ZONE = "Etc/GMT-14", "Etc/GMT+12"
"""Where a date begins first and ends last: the dates of a contact whose zone is not known."""


class Places(Frozen, frozen=True, kw_only=True):
    """Where a contact may be: every zone and jurisdiction that some fact speaks for, sorted, and whether it is a business."""

    zones: tuple[str, ...] = ()
    jurisdictions: tuple[str, ...] = ()
    subscriber: str = ""


def places_of(contact: Contact) -> Places:
    """Return the contact's places. A code is dropped when another one says the place more exactly: "US" beside "US-FL"."""
    codes = _merged(contact.facts.get("jurisdictions"))
    exact = tuple(code for code in codes if not any(other.startswith(f"{code}-") for other in codes))
    subscriber = contact.facts.get("subscriber", "")
    return Places(zones=_merged(contact.facts.get("zones")), jurisdictions=exact, subscriber=str(subscriber))


def home_zones(contact: Contact) -> tuple[str, ...]:
    """Return the zones of the surest basis that says anything: declared, then the address, then the number; else all there are.

    Local times of a plan go by the only one of them; the gate asks all zones of every basis.
    """
    known = contact.facts.get("zones")
    if isinstance(known, dict):
        for basis in ("declared", "address", "number"):
            if known.get(basis):
                return tuple(known[basis])
    return _merged(known)


def _merged(known: object) -> tuple[str, ...]:
    if not isinstance(known, dict):
        return ()
    if len(known) == 1:
        return tuple(sorted(dict.fromkeys(next(iter(known.values())))))
    names: dict[str, None] = {}
    for basis in sorted(known):
        names.update(dict.fromkeys(known[basis]))
    return tuple(sorted(names))


Rung = tuple[Rule, str, str, bool]
"""A rule, its id, its kind, and whether it is asked whatever else is so."""


class Rulebook:
    """What must be passed by a send of one plan on one channel, in the order of asking.

    `history_s` is how far back the caps look at what happened to a contact (0: they do not), `by_address` whether one looks
    at what happened to whoever had the address; `lists` are the suppression lists that are asked; `texts` must be looked
    for in the message.
    """

    __slots__ = (
        "_concerning", "_in_force", "_rungs", "by_address", "history_s", "lists", "open_now", "reads_content", "rules",
        "texts", "windows" )  # fmt: skip

    def __init__(self, rules: tuple[Rule, ...]) -> None:
        self.rules = rules
        self.windows = {rule.id: window_of(rule.hours, rule.guard_s) for rule in rules if isinstance(rule, WindowRule)}
        self.by_address = any(isinstance(rule, CapRule) and is_of_address(rule) for rule in rules)
        self.history_s = max((_looks_back(rule) for rule in rules if isinstance(rule, CapRule)), default=0)
        contents = [rule for rule in rules if isinstance(rule, ContentRule)]
        self.reads_content = bool(contents)
        self.texts = tuple(sorted(dict.fromkeys(text for rule in contents for text in rule.texts)))
        lists = (name for rule in rules if isinstance(rule, SuppressionRule) for name in rule.lists)
        self.lists = tuple(sorted(dict.fromkeys(lists)))
        self._concerning: dict[tuple[tuple[str, ...], str], tuple[Rule, ...]] = {}
        self._in_force: dict[tuple[str, tuple[str, ...], str], tuple[int | None, int | None]] = {}
        self.open_now: dict[tuple[str, tuple[str, ...], str, int], object] = {}
        """What windows have answered, by rule, zones, zone table and tick: the same for everybody in the same zones."""
        self._rungs: dict[tuple[tuple[str, ...], str], tuple[Rung, ...]] = {}

    def concerning(self, places: Places) -> tuple[Rule, ...]:
        """Return the rules that concern somebody of these places, on whatever day."""
        key = (places.jurisdictions, places.subscriber)
        rules = self._concerning.get(key)
        if rules is None:
            if len(self._concerning) >= 1000:
                self._concerning.clear()
            rules = self._concerning[key] = tuple(rule for rule in self.rules if concerns(rule, places))
        return rules

    def rungs(self, places: Places) -> tuple[Rung, ...]:
        """Return the rules that concern somebody of these places as the gate asks them."""
        key = (places.jurisdictions, places.subscriber)
        rungs = self._rungs.get(key)
        if rungs is None:
            if len(self._rungs) >= 1000:
                self._rungs.clear()
            rungs = self._rungs[key] = tuple(
                (rule, rule.id, kind_of_rule(rule), _is_plain(rule, places)) for rule in self.concerning(places)
            )
        return rungs

    def heeds_opt_outs(self, places: Places) -> bool:
        """Tell whether some rule asks for the file's own suppressions, whatever else is so."""
        return any(
            plain and isinstance(rule, SuppressionRule) and not rule.lists for rule, _, _, plain in self.rungs(places)
        )

    def in_force(self, rule: Rule, zones: ZoneTable, places: Places, utc: int) -> bool:
        """Tell whether the rule is in force at an instant, by the local date in any of the zones."""
        if not (rule.effective_from or rule.effective_until):
            return True
        begin, end = self.force(rule, zones, places)
        return (begin is None or begin <= utc) and (end is None or utc < end)

    def force(self, rule: Rule, zones: ZoneTable, places: Places) -> tuple[int | None, int | None]:
        """Return from when and until when (UTC) the rule is in force; None is open. Raises UnknownZone, OutOfRange."""
        key = (rule.id, places.zones, zones.digest)
        bounds = self._in_force.get(key)
        if bounds is None:
            begin = _dates(zones, places.zones or (FIRST_ZONE,), rule.effective_from)
            end = _dates(zones, places.zones or (LAST_ZONE,), rule.effective_until)
            bounds = (min(begin) if begin else None, max(end) if end else None)
            if len(self._in_force) >= 1000:
                self._in_force.clear()
            self._in_force[key] = bounds
        return bounds


def _is_plain(rule: Rule, places: Places) -> bool:
    """Tell whether nothing has to be looked at before the rule is asked: no date, no exemption, no unknown place."""
    dated = bool(rule.effective_from or rule.effective_until)
    return not dated and not rule.unless and not (rule.jurisdictions and not places.jurisdictions)


def _dates(zones: ZoneTable, names: tuple[str, ...], date: str) -> list[int]:
    return [_date(zones, name, parse_iso_date(date)) for name in names] if date else []


def _date(zones: ZoneTable, name: str, day: int) -> int:
    """Return when a date begins; one outside the zone table lies before or after everything that it knows."""
    zones.offsets_of(name)
    if day * DAY_S < zones.from_utc + DAY_S:
        return zones.from_utc
    return zones.until_utc if day * DAY_S > zones.until_utc - DAY_S else day_start(zones, name, day)


def concerns(rule: Rule, places: Places) -> bool:
    """Tell whether a rule concerns somebody of these places; where no jurisdiction is known, every rule may."""
    if places.subscriber and rule.subscriber not in ("any", places.subscriber):
        return False
    if not rule.jurisdictions or not places.jurisdictions:
        return True
    return any(_may_be_in(code, wanted) for code in places.jurisdictions for wanted in rule.jurisdictions)


def _may_be_in(code: str, wanted: str) -> bool:
    return code == wanted or code.startswith(f"{wanted}-") or wanted.startswith(f"{code}-")


def window_of(hours: Hours, guard_s: int = 0) -> Window:
    """Return the window in the form that civil time computes with."""
    closed = tuple(sorted(dict.fromkeys(parse_iso_date(day) for day in hours.closed_dates)))
    weekly = guarded(hours.weekly, guard_s) if guard_s else hours.weekly
    dates = tuple((parse_iso_date(day), _cut(hours.half_days[day], guard_s)) for day in sorted(hours.half_days))
    until = parse_iso_date(hours.closed_until) if hours.closed_until else None
    return Window(weekly=weekly, closed_days=closed, dates=dates, closed_until=until)


def _cut(spans: tuple[tuple[int, int], ...], guard_s: int) -> tuple[tuple[int, int], ...]:
    return tuple((opens, closes - guard_s) for opens, closes in spans if closes - guard_s > opens)


def is_of_address(rule: CapRule) -> bool:
    """Tell whether a cap counts for an address, whoever has it."""
    return "address" in rule.scope and "contact" not in rule.scope


def _looks_back(rule: CapRule) -> int:
    """How many seconds before an instant something may still count: local days are at most 26 hours apart from UTC's."""
    days = max(rule.days, 31 if rule.month else 0)
    return max(rule.seconds + 1, rule.also_seconds + 1, (days + 3) * DAY_S if days else 0)


class GateShared(Frozen, frozen=True, kw_only=True):
    """What the gate may read for one candidate beside the contact: the rules in use, and what was fetched for them.

    `counters` are (settled, reserved) by (name, bucket); the rest as in Question. Entries: of the policy, and of each pack
    in use.
    """

    policy: Policy
    policy_entry: int
    book: Rulebook
    packs: tuple[int, ...] = ()
    counters: dict[tuple[str, str], tuple[int, int]] = field(default_factory=dict)
    recent: dict[str, tuple[tuple[int, int], ...]] = field(default_factory=dict)
    history: tuple[Touch, ...] = ()
    facts: dict[str, tuple[bool, int]] = field(default_factory=dict)
    lists: dict[str, ListInUse] = field(default_factory=dict)
    listed: tuple[str, ...] = ()
    trial_guests: tuple[str, ...] | None = None
