"""What another time-zone table would change: for runs that wait, are held or queued, and for the zones that contacts use.

A change of the table touches no run: a hold and a wait keep their timers and ask the new table when they wake. So both answers
are computed here as the kernel would, under the table in use and under the one offered, and the effect is said in words.
"""

from __future__ import annotations

from bisect import bisect_right
from typing import TYPE_CHECKING, Literal

import msgspec

from dee_appliance.authoring.notation import format_duration
from dee_appliance.kernel.e1.civil_time import (
    CalendarEnded,
    Offsets,
    OutOfRange,
    UnknownZone,
    ZoneTable,
    format_local,
    format_utc,
)
from dee_appliance.kernel.e1.input import Scalar
from dee_appliance.kernel.e1.plan import CHANNEL_OF, Channel, Wait, kind_of
from dee_appliance.kernel.e1.policy import CapRule, WindowRule
from dee_appliance.kernel.e1.rulebook import places_of
from dee_appliance.kernel.e1.rules.question import ADDRESS_OF, Question
from dee_appliance.kernel.e1.rules_input import HALTS
from dee_appliance.kernel.e1.run import Contact, Run, Snapshot
from dee_appliance.kernel.e1.steps import WaitFailed
from dee_appliance.kernel.e1.turn import Turn
from dee_appliance.runtime.reports_view import Instant, one_moment
from dee_appliance.runtime.tz_table import OfferedTable, TableFacts, facts_of, refuse_lesser
from dee_appliance.store.queries import load_queries
from dee_appliance.store.rules_in_use import history_for

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from dee_appliance.kernel.e1.compiled import CompiledPlan
    from dee_appliance.kernel.e1.plan import Step
    from dee_appliance.kernel.e1.rulebook import Rulebook
    from dee_appliance.runtime.reading import View

What = Literal["held", "queued", "wait"]

_run_decoder = msgspec.json.Decoder(Run)
_attributes_decoder = msgspec.json.Decoder(dict[str, Scalar])
_facts_decoder = msgspec.json.Decoder(dict[str, object])


class _Zones(msgspec.Struct, frozen=True):
    zones: dict[str, list[str]] = {}


_zones_decoder = msgspec.json.Decoder(_Zones)


class TzQueries(msgspec.Struct, frozen=True, kw_only=True):
    """sql/queries/tz.sql."""

    select_pending: str
    select_contact_facts: str


class TableAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What one table says: when a send is permitted or a wait due, on the contact's clock by that table; else why never."""

    at: Instant | None
    reason: str = ""


class PendingChange(msgspec.Struct, frozen=True, kw_only=True):
    """One run for which the tables say different things.

    `wakes` is its timer, which stays as it is (a queued send has none). For sends `before` and `after` are the next permitted
    instants: from now on, or, where these are the same, from when the run wakes. For a wait they are its ends.
    """

    what: What
    run: str
    contact: str
    plan: str
    step: str
    channel: str
    zones: tuple[str, ...]
    wakes: Instant | None
    before: TableAnswer
    after: TableAnswer
    effect: str


class ZoneDifference(msgspec.Struct, frozen=True, kw_only=True):
    """A zone that contacts or rules of the policy use and whose clock differs: when first, and both offsets (seconds) then."""

    zone: str
    contacts: int
    rules: tuple[str, ...]
    first: Instant
    before_s: int
    after_s: int


class ZonesPreview(msgspec.Struct, frozen=True, kw_only=True):
    """What the change comes to. `pending` and `changed` count runs by kind; `zones_used` counts the zone ids that contacts use.

    `queues` are queues that a limit holds: they are asked again at once, by the midnight of the new table.
    """

    used: TableFacts
    offered: TableFacts
    same: bool
    at: Instant
    contacts: int
    zones_used: int
    zones: tuple[ZoneDifference, ...]
    pending: dict[str, int]
    changed: dict[str, int]
    queues: int


def preview_table(
    view: View, offered: OfferedTable, now: int, on_change: Callable[[PendingChange], None] | None = None
) -> ZonesPreview:
    """Return what another table would change at a tick (UTC seconds); `on_change` is told of every run that it concerns.

    Raises Refused for a table that lacks a zone or a year of the one in use.
    """
    with one_moment(view):
        refuse_lesser(offered, view.state.zones())
        comparison = TablePreview(view, offered.table, now)
        for change in comparison.changes():
            if on_change is not None:
                on_change(change)
        return comparison.preview()


class TablePreview:
    """Compares the table in use with one that is offered, at one tick (UTC seconds)."""

    def __init__(self, view: View, offered: ZoneTable, now: int) -> None:
        self._view = view
        self._used = view.state.zones()
        self._offered = offered
        self._now = now
        self._queries = load_queries(TzQueries, "tz")
        self.pending: dict[str, int] = {"held": 0, "queued": 0, "wait": 0}
        self.changed: dict[str, int] = {"held": 0, "queued": 0, "wait": 0}

    # ---- runs ----

    def changes(self) -> Iterator[PendingChange]:
        """Give every pending run for which the tables say different things, in the order of enrolment, and count them."""
        self.pending, self.changed = ({"held": 0, "queued": 0, "wait": 0} for _ in range(2))
        for body, attributes, facts in self._view.database.stream(self._queries.select_pending):
            run = _run_decoder.decode(body)
            plan = self._view.state.plan(run.digest)
            step = plan.steps.get(run.step)
            what = None if step is None else _kind_of_pending(run, step)
            if what is None or step is None:
                continue
            contact = Contact(
                contact=run.contact,
                attributes=_attributes_decoder.decode(attributes),
                facts=_facts_decoder.decode(facts),
            )
            self.pending[what] += 1
            found = self._wait(run, plan, step, contact) if what == "wait" else self._send(what, run, plan, contact)
            if found is not None:
                self.changed[what] += 1
                yield found

    def _send(self, what: What, run: Run, plan: CompiledPlan, contact: Contact) -> PendingChange | None:
        channel = CHANNEL_OF[kind_of(plan.steps[run.step])]
        book = self._view.state.book(plan, channel)
        if not any(isinstance(rule, WindowRule | CapRule) for rule in book.rules):
            return None
        wakes = max(run.due or 0, self._now)
        before, after = self._both(book, run, plan, channel, self._now)
        if before == after:
            before, after = self._both(book, run, plan, channel, wakes)
        if before == after:
            return None
        on_waking = self._permitted(self._offered, book, run, plan, channel, tick=wakes)
        effect = _effect_on_queued(after, self._now) if what == "queued" else _effect_on_held(on_waking, wakes)
        zones = places_of(contact).zones
        return self._change(what, run, plan, zones, channel=channel, before=before, after=after, effect=effect)

    def _both(
        self, book: Rulebook, run: Run, plan: CompiledPlan, channel: Channel, tick: int
    ) -> tuple[int | str, int | str]:
        used = self._permitted(self._used, book, run, plan, channel, tick=tick)
        return used, self._permitted(self._offered, book, run, plan, channel, tick=tick)

    def _permitted(
        self, table: ZoneTable, book: Rulebook, run: Run, plan: CompiledPlan, channel: Channel, *, tick: int
    ) -> int | str:
        """Return the next permitted instant by hours and caps, or the reason why there is none."""
        state = self._view.state
        contact = state.contact(run.contact)
        question = Question(
            tick=tick,
            contact=contact,
            plan=plan.plan,
            channel=channel,
            units=1,
            policy=state.policy()[0],
            book=book,
            places=places_of(contact),
            zones=table,
            counters={},
            history=history_for(state, book, run.contact, contact.tokens.get(ADDRESS_OF[channel], ""), tick),
            facts=state.facts,
            variables=run.variables,
        )
        try:
            found = state.kernel.next_permitted(question)
        except (UnknownZone, OutOfRange):
            return "unknown_zone"
        except CalendarEnded:
            return "calendar_ended"
        return "never_open" if found is None else found

    def _wait(self, run: Run, plan: CompiledPlan, step: Step, contact: Contact) -> PendingChange | None:
        assert isinstance(step, Wait)
        before = self._end_of_wait(self._used, run, plan, step, contact)
        after = self._end_of_wait(self._offered, run, plan, step, contact)
        if before == after:
            return None
        assert run.due is not None
        return self._change(
            "wait",
            run,
            plan,
            places_of(contact).zones,
            before=before,
            after=after,
            effect=_effect_on_wait(after, max(run.due, self._now)),
        )

    def _end_of_wait(self, table: ZoneTable, run: Run, plan: CompiledPlan, step: Wait, contact: Contact) -> int | str:
        snapshot = Snapshot(tick=self._now, lineage=self._view.lineage, contact=contact, runs=(run,))
        try:
            return self._view.state.kernel.wait_due(Turn(snapshot, {run.digest: plan}, table), run, step)
        except WaitFailed as failure:
            return failure.code

    def _change(
        self,
        what: What,
        run: Run,
        plan: CompiledPlan,
        zones: tuple[str, ...],
        *,
        channel: str = "",
        before: int | str,
        after: int | str,
        effect: str,
    ) -> PendingChange:
        zone = zones[0] if len(zones) == 1 else None
        return PendingChange(
            what=what,
            run=run.run,
            contact=run.contact,
            plan=plan.label,
            step=run.step,
            channel=channel,
            zones=zones,
            wakes=None if run.due is None else self._instant(self._used, zone, run.due),
            before=self._answer(self._used, zone, before),
            after=self._answer(self._offered, zone, after),
            effect=effect,
        )

    def _answer(self, table: ZoneTable, zone: str | None, found: int | str) -> TableAnswer:
        if isinstance(found, str):
            return TableAnswer(at=None, reason=found)
        return TableAnswer(at=self._instant(table, zone, found))

    def _instant(self, table: ZoneTable, zone: str | None, tick: int) -> Instant:
        try:
            local = None if zone is None else format_local(table, zone, tick)
        except (UnknownZone, OutOfRange):
            local = None
        return Instant(tick=tick - self._view.epoch, utc=format_utc(tick), local=local)

    # ---- zones ----

    def preview(self) -> ZonesPreview:
        """Return what the change comes to. The runs are those that `changes` has counted: exhaust it before."""
        contacts, users = self._users()
        rules = self._rules()
        differing = [
            found
            for zone in sorted(users.keys() | rules.keys())
            if (found := self._difference(zone, users.get(zone, 0), tuple(rules.get(zone, ())))) is not None
        ]
        return ZonesPreview(
            used=facts_of(self._used),
            offered=facts_of(self._offered),
            same=self._used.digest == self._offered.digest,
            at=self._instant(self._used, None, self._now),
            contacts=contacts,
            zones_used=len(users),
            zones=tuple(differing),
            pending=dict(self.pending),
            changed=dict(self.changed),
            queues=sum(hold.reason not in (*HALTS, "channel_unavailable") for hold in self._view.state.holds),
        )

    def _users(self) -> tuple[int, dict[str, int]]:
        """How many contacts there are, and how many use each zone."""
        contacts, users = 0, dict[str, int]()
        for (facts,) in self._view.database.stream(self._queries.select_contact_facts):
            contacts += 1
            known = _zones_decoder.decode(facts).zones
            for zone in dict.fromkeys(zone for basis in sorted(known) for zone in known[basis]):
                users[zone] = users.get(zone, 0) + 1
        return contacts, users

    def _rules(self) -> dict[str, list[str]]:
        """Which rules of the policy and the packs in use count by the clock of a zone of their own."""
        found: dict[str, list[str]] = {}
        state = self._view.state
        packs = (state.documents.pack(digest) for _, digest, _ in state.packs)
        for rule in (*state.policy()[0].rules, *(rule for pack in packs for rule in pack.rules)):
            zone = getattr(rule, "zone", "")
            if zone:
                found.setdefault(zone, []).append(rule.id)
        return found

    def _difference(self, zone: str, contacts: int, rules: tuple[str, ...]) -> ZoneDifference | None:
        try:
            before, after = self._used.offsets_of(zone), self._offered.offsets_of(zone)
        except UnknownZone:
            return None  # the table in use does not know it either: another one may not know less
        until = min(self._used.until_utc, self._offered.until_utc)
        first = first_difference(before, after, self._now, until)
        if first is None:
            return None
        return ZoneDifference(
            zone=zone,
            contacts=contacts,
            rules=rules,
            first=self._instant(self._used, zone, first),
            before_s=self._used.offset_at(zone, first),
            after_s=self._offered.offset_at(zone, first),
        )


def first_difference(one: Offsets, other: Offsets, start: int, end: int) -> int | None:
    """Return the first instant in [start, end) at which two clocks show different times, else None.

    Both must cover the span. Clocks differ from an instant at which one of them changes, or from `start`.
    """
    changes = sorted({start, *(change for clock in (one, other) for change in clock.starts if start < change < end)})
    for instant in changes if start < end else ():
        if one.offsets[bisect_right(one.starts, instant) - 1] != other.offsets[bisect_right(other.starts, instant) - 1]:
            return instant
    return None


def _kind_of_pending(run: Run, step: Step) -> What | None:
    match run.status, run.block:
        case "HELD", "hold" if run.due is not None:
            return "held"
        case "ACTIVE", "queue":
            return "queued"
        case "WAITING", "wait" if isinstance(step, Wait) and step.for_s is None:
            return "wait"
        case _:
            return None


def _effect_on_queued(after: int | str, now: int) -> str:
    match after:
        case str(reason):
            return f"is refused: {reason}"
        case int(opens) if opens > now:
            return f"is held until {format_utc(opens)}"
        case _:
            return "may go now"


def _effect_on_held(after: int | str, wakes: int) -> str:
    """`after` is what the new table says at the moment when the run wakes."""
    match after:
        case str(reason):
            return f"is refused when it wakes: {reason}"
        case int(opens) if opens > wakes:
            return f"is held again when it wakes, until {format_utc(opens)}"
        case _:
            return "may go when it wakes"


def _effect_on_wait(after: int | str, wakes: int) -> str:
    match after:
        case str(reason):
            return f"fails when it wakes: {reason}"
        case int(due) if due > wakes:
            return f"waits on when it wakes, until {format_utc(due)}"
        case int(due):
            return f"ends when it wakes, {format_duration(wakes - due)} late" if due < wakes else "ends when it wakes"
