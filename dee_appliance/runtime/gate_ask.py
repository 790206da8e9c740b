"""Asking the gate whether a contact may be reached on a channel, now or later, by a send that nobody has intended.

It is the same gate: the rules in use, the same facts, counters and history, the same functions. Nothing is recorded,
reserved or sent, and no permit comes of it. What may happen between now and a later moment is not foreseen: the facts
are those of now.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

import msgspec

from dee_appliance.errors import Refused, Usage
from dee_appliance.kernel.e1.civil_time import CalendarEnded, OutOfRange, UnknownZone, format_local
from dee_appliance.kernel.e1.plan import CHANNEL_OF, Call, Channel, End, Plan, Purpose, SendEmail, SendSms, kind_of
from dee_appliance.kernel.e1.policy import ContentRule
from dee_appliance.kernel.e1.rulebook import Rulebook, places_of
from dee_appliance.kernel.e1.rules.question import Question
from dee_appliance.runtime.enrolling import read_variables
from dee_appliance.runtime.gate_left_out import LeftOut, why_left_out
from dee_appliance.runtime.gate_needs import GateNeed, Refusal, gate_needs
from dee_appliance.runtime.gate_words import Asked
from dee_appliance.runtime.preview import prepare_unsent
from dee_appliance.runtime.published import find_version
from dee_appliance.runtime.reports_gate import GateReader, Rung, rules_in_use
from dee_appliance.runtime.reports_log import Log
from dee_appliance.runtime.reports_next import hold_text, holds_of
from dee_appliance.runtime.reports_view import Instant, Times, name_of, one_moment, times_of
from dee_appliance.store.rules_in_use import shared_for

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dee_appliance.kernel.e1.compiled import CompiledPlan
    from dee_appliance.kernel.e1.gate import Verdict
    from dee_appliance.kernel.e1.input import Scalar
    from dee_appliance.kernel.e1.rulebook import GateShared, Places
    from dee_appliance.kernel.e1.run import Given, Hold
    from dee_appliance.runtime.reading import View


class GateAsked(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked: `contact` is whatever names one, `tick` UTC seconds; `plan` is NAME or NAME@VERSION, or `purpose` is said.

    With `step` the plan's own message is made and looked into. `variables` are as at an enrolment.
    """

    contact: str
    tick: int
    channel: Channel | None = None
    plan: str = ""
    purpose: Purpose | None = None
    step: str = ""
    variables: dict[str, str] = {}


class ZoneTime(msgspec.Struct, frozen=True, kw_only=True):
    """What the clock of one zone shows, as ISO 8601 with its offset."""

    zone: str
    local: str


class Moment(msgspec.Struct, frozen=True, kw_only=True):
    """A moment in UTC, and on every clock of the contact. `tick` counts from the file's epoch."""

    tick: int
    utc: str
    clocks: tuple[ZoneTime, ...]


class GateReport(msgspec.Struct, frozen=True, kw_only=True):
    """The answer: the ladder of rules, which rule decides and why, and when the send may leave.

    `rule` and `reason` are those of the rule that decides (empty when all pass). `next` is when it may leave or is
    asked again: now when it is allowed, none when it is denied or no time is known. `hours_open` is the first instant
    at which every window and cap passes, whatever else does not; none when there is none. `queue` are shared holds that
    keep the send from being asked at all. `message` says why it could not be made. `needs` is what somebody may tell the file
    so that rules which refuse now pass.
    """

    contact: str
    name: str
    zone: str | None
    channel: Channel
    purpose: Purpose
    plan: str
    step: str
    at: Moment
    zones: tuple[str, ...]
    jurisdictions: tuple[str, ...]
    subscriber: str
    verdict: Literal["allow", "hold", "deny"]
    rule: str
    reason: str
    next: Moment | None
    hours_open: Moment | None
    queue: tuple[str, ...]
    message: str
    ladder: tuple[Rung, ...]
    left_out: tuple[LeftOut, ...]
    needs: tuple[GateNeed, ...]


def gate_report(view: View, asked: GateAsked) -> GateReport:
    """Ask the gate. Raises Refused for a contact, plan or step that is not there, and for a moment that has passed."""
    with one_moment(view):
        if asked.tick < view.last_tick:
            raise Refused("this moment has passed in the file", hint="dee why CONTACT tells what was decided then")
        return _Asking(view, asked).report()


class _Asking:
    """One question and everything around it."""

    def __init__(self, view: View, asked: GateAsked) -> None:
        self._view = view
        self._kernel = view.state.kernel
        self._tick = asked.tick
        self._compiled = None if not asked.plan else view.state.plan(find_version(view, asked.plan).digest)
        self._step = asked.step
        self._channel = _channel(asked, self._compiled)
        self._plan = _plan(asked, self._compiled)
        self._contact = view.state.contact(view.resolve_contact(asked.contact))
        self._variables = _variables(self._plan, asked, self._compiled)
        self._in_use = rules_in_use(view.state)
        self._book = self._kernel.book_of(self._in_use.policy, self._plan, self._channel, self._in_use.packs)
        self._given = self._rendered()
        rules = self._book.rules
        if self._given is None:
            rules = tuple(rule for rule in rules if not isinstance(rule, ContentRule))
        self._question = self._ask(self._kernel.book_of_rules(rules))

    def report(self) -> GateReport:
        """Return the answer."""
        question = self._question
        verdict = self._kernel.ask_gate(question, guests=self._shared.trial_guests, stale=False)
        holds = holds_of(self._view.state.holds, self._channel, self._plan.plan)
        stopped = [hold for hold in holds if hold.until is None or hold.until > self._tick]
        message = "" if self._given is None or self._given.code == "ok" else f"{self._given.code} {self._given.field}"
        if message:
            verdict_now = _Now("deny", "message", "render_failed")
        elif stopped and verdict.result != "deny":
            verdict_now = _behind(stopped, verdict)
        else:
            verdict_now = _Now(verdict.result, verdict.rule, verdict.reason, verdict.until)
        until = self._tick if verdict_now.result == "allow" else verdict_now.until
        return GateReport(
            contact=self._contact.contact,
            name=name_of(self._view.vault.profile(self._contact.contact)),
            zone=times_of(self._view, self._contact).zone,
            channel=self._channel,
            purpose=self._plan.purpose,
            plan="" if self._compiled is None else self._compiled.label,
            step=self._step,
            at=self._moment(self._tick),
            zones=question.places.zones,
            jurisdictions=question.places.jurisdictions,
            subscriber=question.places.subscriber,
            verdict=verdict_now.result,
            rule=verdict_now.rule,
            reason=verdict_now.reason,
            next=None if until is None else self._moment(until),
            hours_open=self._hours_open(),
            queue=tuple(f"{hold_text(hold)} (entry {hold.entry})" for hold in stopped),
            message=message.strip(),
            ladder=self._ladder(verdict),
            left_out=self._left_out(),
            needs=self._needs(verdict),
        )

    # ---- the question ----

    def _rendered(self) -> Given | None:
        """Make the message of the step, as `dee template preview` does; None without a step."""
        if not self._step:
            return None
        step = next(one for one in self._plan.steps if one.id == self._step)
        assert isinstance(step, SendEmail | SendSms | Call)
        digest = self._plan.scripts[step.script] if isinstance(step, Call) else self._plan.templates[step.template]
        return prepare_unsent(
            self._view,
            channel=self._channel,
            document=msgspec.json.decode(self._view.state.documents.body(digest)),
            contact=self._contact.contact,
            plan=self._plan,
            variables=self._variables[1],
            book=self._book,
        ).given

    def _ask(self, book: Rulebook) -> Question:
        zones = self._view.state.zones()
        needed = self._kernel.needed_counters(book.rules, self._plan, self._channel, zones, self._tick)
        shared = shared_for(self._view.state, book, needed, self._contact, self._channel, tick=self._tick)
        self._shared: GateShared = shared
        return Question(
            tick=self._tick,
            contact=self._contact,
            plan=self._plan,
            channel=self._channel,
            units=self._units(),
            policy=shared.policy,
            book=book,
            places=places_of(self._contact),
            zones=zones,
            counters=shared.counters,
            recent=shared.recent,
            history=shared.history,
            facts=shared.facts,
            lists=shared.lists,
            listed=shared.listed,
            variables=self._variables[0],
            features=() if self._given is None else self._given.features,
        )

    def _units(self) -> int:
        step = next((one for one in self._plan.steps if one.id == self._step), None)
        if isinstance(step, Call):
            return -(-step.max_duration_s // 60)
        return 1 if self._given is None else self._given.units

    # ---- the answer ----

    def _ladder(self, verdict: Verdict) -> tuple[Rung, ...]:
        reader = GateReader(self._view, Log(self._view))
        rules = {rule.id: rule for rule in self._question.book.rules}
        zones = self._question.places.zones
        asked = Asked(tick=self._tick, saw=verdict.saw, policy=self._in_use.policy, zones=zones)
        # Only a step that was entered can be late.
        answers = [one for one in (*verdict.ladder, *verdict.rest) if one[0] != "send_by"]
        return reader.rungs(answers, self._channel, rules=rules, in_use=self._in_use, asked=asked)

    def _needs(self, verdict: Verdict) -> tuple[GateNeed, ...]:
        rules = {rule.id: rule for rule in self._question.book.rules}
        answers = (*verdict.ladder, *verdict.rest)
        return gate_needs(
            [
                Refusal(rule=rules[name], values=values)
                for name, answer, values in answers
                if name in rules and answer not in ("pass", "hold")
            ],
            self._shared.facts,
            contact=self._contact.contact,
            channel=self._channel,
            purpose=self._plan.purpose,
        )

    def _left_out(self) -> tuple[LeftOut, ...]:
        return tuple(
            LeftOut(rule=rule.id, source=self._in_use.source(rule.id), why=why[0], because=why[1])
            for rule in self._in_use.all_rules()
            if (why := why_left_out(rule, self._question)) is not None
        )

    def _hours_open(self) -> Moment | None:
        try:
            found = self._kernel.next_permitted(self._question)
        except (UnknownZone, OutOfRange, CalendarEnded):
            return None
        return None if found is None else self._moment(found)

    def _moment(self, tick: int) -> Moment:
        at: Instant = Times(self._view).at(tick)
        places: Places = places_of(self._contact)
        clocks = []
        for zone in places.zones:
            try:
                clocks.append(ZoneTime(zone=zone, local=format_local(self._view.state.zones(), zone, tick)))
            except (UnknownZone, OutOfRange):
                continue
        return Moment(tick=at.tick, utc=at.utc, clocks=tuple(clocks))


class _Now(NamedTuple):
    result: Literal["allow", "hold", "deny"]
    rule: str
    reason: str
    until: int | None = None


def _behind(holds: list[Hold], verdict: Verdict) -> _Now:
    """A queue that is stopped is not asked: its hold decides, and what the rules say comes after it."""
    ticks = [hold.until for hold in holds]
    last = None if None in ticks else max(tick for tick in (*ticks, verdict.until) if tick is not None)
    return _Now("hold", holds[0].reason, holds[0].reason, last)


def _channel(asked: GateAsked, compiled: CompiledPlan | None) -> Channel:
    """The channel that was said, or that of the step. Raises Usage, Refused."""
    if not asked.step:
        if asked.channel is None:
            raise Usage("say on which channel", where="--channel", hint="email, sms or voice")
        return asked.channel
    if compiled is None:
        raise Usage("--step is a step of a plan", where="--step", hint="add --plan PLAN")
    step = compiled.steps.get(asked.step)
    channel = None if step is None else CHANNEL_OF.get(kind_of(step))
    if channel is None:
        raise Refused(f"{compiled.label} has no send or call `{asked.step}`", hint="dee plan show PLAN")
    if asked.channel not in (None, channel):
        raise Usage(f"`{asked.step}` goes by {channel}", where="--channel", hint="leave --channel out")
    return channel


def _plan(asked: GateAsked, compiled: CompiledPlan | None) -> Plan:
    if compiled is not None:
        if asked.purpose not in (None, compiled.plan.purpose):
            raise Usage(f"{compiled.label} is for {compiled.plan.purpose}", where="--purpose", hint="leave it out")
        return compiled.plan
    if asked.purpose is None:
        raise Usage("say for which plan or purpose", hint="--plan PLAN, or --purpose marketing")
    # A plan without a name: a cap that counts by plan takes what is not known for the same.
    return Plan(plan="", version=0, purpose=asked.purpose, steps=(End(id="end", outcome="none"),))


def _variables(
    plan: Plan, asked: GateAsked, compiled: CompiledPlan | None
) -> tuple[dict[str, Scalar], dict[str, Scalar]]:
    """What rules may read of the variables, and what templates may."""
    given: Mapping[str, str] = asked.variables
    if compiled is None:
        return dict(given), {}
    read = read_variables(plan, given, complete=False)
    return read.typed, {**read.texts, **read.typed}
