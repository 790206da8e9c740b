"""One case, played: contacts taken in and enrolled, providers that answer as written, people and operators who act on time.

What cannot be done when its time comes (a reply to a message that was never sent) is a failure of the case, with its place.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from dee_appliance.authoring.notation import parse_duration, parse_money
from dee_appliance.channels.interface import REJECTED
from dee_appliance.errors import Refused
from dee_appliance.intake.contacts import merge_contact
from dee_appliance.kernel.e1.input import Answered, ContactErase, Event, encode_input
from dee_appliance.kernel.e1.plan import CALL_OUTCOMES
from dee_appliance.runtime.importing import ContactReader, contact_row
from dee_appliance.scenarios.casting import drawn, prepared_contact, typed_variables
from dee_appliance.scenarios.stage import Schedule, StageEngine
from dee_appliance.scenarios.story import runs_of
from dee_appliance.scenarios.wording import WORDS, event_name, scope_of
from dee_appliance.store.inbox import InboxRow

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from dee_appliance.authoring.place import Place
    from dee_appliance.authoring.written_scenario import WrittenAct, WrittenAnswer, WrittenEvent, WrittenTimed
    from dee_appliance.channels.interface import Kind
    from dee_appliance.kernel.e1.plan import Plan
    from dee_appliance.kernel.e1.run import Permit, Run
    from dee_appliance.runtime.appliance import Appliance
    from dee_appliance.runtime.enrolling import Variables
    from dee_appliance.scenarios.calendar import Calendar
    from dee_appliance.scenarios.casting import Cast
    from dee_appliance.scenarios.reading import Case, Scenario

SOURCE = "world"
CALL_LASTS_S = 30
CODES: dict[Kind, str] = {"transient": "deferred", "permanent": "recipient_refused", "config": "auth_failed"}
assert all(REJECTED[code] == kind for kind, code in CODES.items())


class Failure(msgspec.Struct, frozen=True, kw_only=True):
    """What went wrong in a case: `line` of the scenario file; the run and the position of the entry that show it, if any do."""

    line: int
    expected: str
    happened: str
    run: str = ""
    entry: int | None = None


class Gone(msgspec.Struct, frozen=True, kw_only=True):
    """A send that was handed over, and what the script says of it."""

    handle: str
    permit: Permit
    answer: str


class Players:
    """Everybody around the engine in one case."""

    def __init__(self, scenario: Scenario, case: Case) -> None:
        self._calendar: Calendar = scenario.calendar
        self._plans: tuple[Plan, ...] = tuple(one.plan for one in scenario.plans if one.plan is not None)
        self._folder = Path(scenario.file).parent
        self._case = case
        self._handles = {
            cast.prepared.contact: handle for handle, cast in case.cast.items() if cast.prepared is not None
        }
        self.gone: list[Gone] = []
        self.failures: list[Failure] = []
        self.refused: dict[tuple[str, str], str] = {}
        """Why an enrolment of a contact in a plan was refused."""
        self.schedule = Schedule()
        self._engine: StageEngine | None = None
        self._appliance: Appliance | None = None

    def enter(self, appliance: Appliance) -> None:
        """Take the contacts in, and put what happens at a time into the schedule."""
        self._appliance, self._engine = appliance, StageEngine(appliance)
        for cast in [cast for cast in self._case.cast.values() if self._take_in(cast)]:
            if cast.enroll is not None:
                enrol = partial(self._enrol, cast.handle, self._plans[0].plan, cast.variables)
                self.schedule.put(cast.enroll, partial(self._attempt, cast.place, enrol))
        for place, timed, do in self._timed():
            if timed.at is not None:
                self.schedule.put(self._calendar.tick(place, ("at",), timed.at), partial(do, None))

    def contact(self, handle: str) -> str:
        """Return the id of a contact."""
        prepared = self._case.cast[handle].prepared
        assert prepared is not None
        return prepared.contact

    @property
    def engine(self) -> StageEngine:
        """The verbs on the file of the case."""
        assert self._engine is not None
        return self._engine

    def _sole(self, handle: str | None, gone: Gone | None) -> str:
        return handle or (gone.handle if gone is not None else next(iter(self._case.cast)))

    # ---- contacts ----

    def _take_in(self, cast: Cast) -> bool:
        """Import one contact with its consents and suppressions; tell whether it is in."""
        prepared, written, place = cast.prepared, cast.written, cast.place
        assert prepared is not None
        engine, now = self.engine, self._calendar.start
        with engine.view() as view:
            file_secret = view.file_secret()
        row = contact_row(prepared, file_secret, now, job="scenario", new=True, secret=drawn(cast.handle))
        if not self._attempt(place, partial(engine.admit, [row])):
            return False
        for one in cast.consents:
            grant = partial(
                engine.set_consent,
                prepared.contact,
                one.channel,
                granted=True,
                purpose=one.purpose,
                consent_class=one.consent_class,
                basis=one.basis,
                obtained=one.obtained,
                expires=one.expires,
            )
            self._attempt(one.place, grant)
        for index, scope in enumerate(written.suppressed or ()):
            self._attempt(
                place.inside("suppressed", index), partial(engine.suppress, prepared.contact, scope=scope_of(scope))
            )
        return True

    def _enrol(self, handle: str, plan: str, variables: Variables) -> None:
        batch = self.engine.enroll(plan, [self.contact(handle)], variables=variables.typed, texts=variables.texts)
        for outcome in batch.outcomes:
            if outcome.startswith("rejected:"):
                self.refused[(handle, plan)] = outcome.removeprefix("rejected:")

    def _attempt(self, place: Place, do: Callable[[], object], refused: str | None = None) -> bool:
        """Do one thing and tell whether it was done. A refusal that nobody expected, and one that did not come, are failures."""
        try:
            do()
        except Refused as error:
            told = f"{error.what}: {error.hint}" if error.hint else error.what
            if refused is None:
                self.failures.append(Failure(line=place.line(), expected="it can be done", happened=f"refused: {told}"))
            elif refused not in told:
                line = place.line("refused")
                self.failures.append(Failure(line=line, expected=f"refused: {refused}", happened=f"refused: {told}"))
            return False
        if refused is not None:
            line = place.line("refused")
            self.failures.append(Failure(line=line, expected=f"refused: {refused}", happened="it was done"))
        return True

    # ---- the provider, as the loop asks for it ----

    def reactions(self, permit: Permit, now: int) -> list[InboxRow]:
        """Return what the provider says of this send; what people do about it goes into the schedule."""
        handle = self._handles[permit.contact]
        answer = self._answer(handle, permit)
        word = "accepted" if answer is None else answer.answer
        gone = Gone(handle=handle, permit=permit, answer=word)
        self.gone.append(gone)
        at = now + (parse_duration(answer.late) if answer is not None and answer.late is not None else 0)
        rows = [_row(_answered(permit, word, answer), at)]
        if permit.channel == "voice" and word == "accepted":
            rows += self._call(permit, answer, at)
        if not word.startswith("rejected"):
            self._follow(gone, now)
        return rows

    def _answer(self, handle: str, permit: Permit) -> WrittenAnswer | None:
        for answer in self._case.written.answer or ():
            if (
                answer.step == permit.step
                and answer.contact in (None, handle)
                and answer.visit in (None, permit.visit)
                and answer.attempt in (None, permit.attempt)
            ):
                return answer
        return None

    def _call(self, permit: Permit, answer: WrittenAnswer | None, at: int) -> list[InboxRow]:
        """Say how a call ends: as written, else nobody answers, unless an event of the scenario says it."""
        outcome = None if answer is None else answer.call
        if outcome is None:
            told = self._case.written.event or ()
            ends = any((one.step or one.after) == permit.step and one.event in CALL_OUTCOMES for one in told)
            outcome = "silent" if ends else "no_answer"
        if outcome == "silent":
            return []
        lasts = CALL_LASTS_S if answer is None or answer.lasts is None else parse_duration(answer.lasts)
        cost = None if answer is None or answer.cost is None else parse_money(answer.cost)
        event = Event(name=f"call.{outcome}", send_key=permit.send_key, cost_micros=cost, source=SOURCE)
        return [InboxRow(source=SOURCE, received=at + lasts, kind="event", payload=encode_input(event))]

    def _follow(self, gone: Gone, now: int) -> None:
        permit = gone.permit
        for place, timed, do in self._timed():
            if (
                timed.after == permit.step
                and timed.contact in (None, gone.handle)
                and timed.visit in (None, permit.visit)
                and timed.attempt in (None, permit.attempt)
            ):
                delay = 0 if timed.delay is None else place.offset(("delay",), timed.delay)
                self.schedule.put(now + max(delay, 0), partial(do, gone))

    # ---- what happens at a time ----

    def _timed(self) -> Iterator[tuple[Place, WrittenTimed, Callable[[Gone | None], None]]]:
        for index, event in enumerate(self._case.written.event or ()):
            place = self._case.place.inside("event", index)
            yield place, event, partial(self._happen, place, event)
        for index, act in enumerate(self._case.written.act or ()):
            place = self._case.place.inside("act", index)
            yield place, act, partial(self._operate, place, act)

    def _happen(self, place: Place, event: WrittenEvent, gone: Gone | None) -> None:
        handle = self._sole(event.contact, gone)
        about = gone
        if event.step is not None:
            about = next(
                (one for one in reversed(self.gone) if (one.handle, one.permit.step) == (handle, event.step)), None
            )
            if about is None:
                expected = f"a send of {event.step} that {handle} can react to"
                self.failures.append(
                    Failure(line=place.line("step"), expected=expected, happened="nothing was sent there")
                )
                return
        name = event_name(event.event, None if about is None else about.permit.channel)
        if about is not None and event.step is None and name == event.event and not _is_of_send(name):
            about = None  # the user's own event, timed by a send, is about the contact
        told = partial(
            self.engine.add_event,
            name,
            contact="" if about is not None else self.contact(handle),
            send_key="" if about is None else about.permit.send_key,
            kind=event.kind or ("hard" if name == "email.bounced" else ""),
            text=event.text or "",
        )
        self._attempt(place, told)

    def _operate(self, place: Place, act: WrittenAct, gone: Gone | None) -> None:
        handle = self._sole(act.contact, gone)
        self._attempt(place, partial(self._act, place, act, handle), act.refused)

    def _act(self, place: Place, act: WrittenAct, handle: str) -> None:
        engine, contact = self.engine, self.contact(handle)
        match act.act:
            case "halt":
                engine.halt(scope_of(act.scope or "*"))
            case "release":
                engine.release(scope_of(act.scope or "*"))
            case "pause" | "resume" | "cancel" | "retry" | "resolve" | "skip":
                batch = engine.operate(act.act, [self._run(handle, act.plan).run], choice=act.choice or "")
                _require_done(batch.outcomes)
            case "task":
                engine.finish_task(self._run(handle, act.plan).run, act.outcome or "")
            case "enroll":
                self._act_enrol(place, act, handle)
            case "suppress" | "lift":
                engine.suppress(contact, on=act.act == "suppress", scope=scope_of(act.scope or "*"))
            case "grant" | "revoke":
                assert act.channel is not None
                engine.set_consent(contact, act.channel, granted=act.act == "grant", purpose=act.purpose or "*")
            case "change":
                self._change(place, act, handle)
            case "erase":
                engine.submit(ContactErase(contact=contact))
            case _:
                self._act_on_file(act)

    def _act_on_file(self, act: WrittenAct) -> None:
        engine = self.engine
        match act.act:
            case "fact":
                engine.set_fact(act.name or "", act.value if isinstance(act.value, bool) else None)
            case "setting":
                engine.set_setting(act.name or "", act.value)
            case "policy":
                engine.set_policy(self._folder / (act.file or ""))
            case "pack":
                named = act.file or ""
                engine.use_pack(self._folder / named if named.endswith((".toml", ".json")) else named)
            case "retire":
                engine.retire_pack(act.name or "")
            case _:
                raise AssertionError(act.act)

    def _act_enrol(self, place: Place, act: WrittenAct, handle: str) -> None:
        plan = next(one for one in self._plans if act.plan in (None, one.plan))
        given = act.variables if act.variables is not None else self._case.cast[handle].written.variables or {}
        variables = typed_variables(place, ("variables",), plan, given)
        batch = self.engine.enroll(plan.plan, [self.contact(handle)], variables=variables.typed, texts=variables.texts)
        _require_done(batch.outcomes)

    def _change(self, place: Place, act: WrittenAct, handle: str) -> None:
        assert self._appliance is not None
        reader = ContactReader(self._appliance.database, self._appliance.journal.state)
        existing = reader.existing(self.contact(handle))
        fields = {**existing.profile, **(act.profile or {})}
        prepared = prepared_contact(
            place, handle, fields, act.attributes or {}, plans=self._plans, calendar=self._calendar
        )
        if prepared is None:
            raise Refused("the contact cannot be changed like that", where=handle)
        merged = merge_contact(prepared, existing, known_zones=frozenset(self._calendar.zones.zones()))
        self.engine.admit([contact_row(merged, reader.secret, self.engine.now(), job="scenario", new=False)])

    def _run(self, handle: str, plan: str | None) -> Run:
        """Return the newest run of a contact, in a plan if it is named. Raises Refused when there is none."""
        contact = self.contact(handle)
        with self.engine.view() as view:
            runs = runs_of(view, contact, plan)
        if not runs:
            raise Refused(f"{handle} has no run", where=plan, hint="it was not enrolled, or not yet")
        return runs[-1]


def _row(answered: Answered, at: int) -> InboxRow:
    return InboxRow(source=SOURCE, received=at, kind="attempt.answered", payload=encode_input(answered))


def _answered(permit: Permit, word: str, answer: WrittenAnswer | None) -> Answered:
    cost = None if answer is None or answer.cost is None else parse_money(answer.cost)
    outcome, _, kind = word.partition(" ")
    match outcome, kind:
        case "rejected", "transient" | "permanent" | "config":
            return Answered(
                send_key=permit.send_key, attempt=permit.attempt, outcome="rejected", kind=kind, code=CODES[kind]
            )
        case "unknown", _:
            return Answered(send_key=permit.send_key, attempt=permit.attempt, outcome="unknown", code="no_reply")
        case _:
            spent = None if permit.channel == "voice" else cost
            return Answered(
                send_key=permit.send_key, attempt=permit.attempt, outcome="accepted", code="accepted", cost_micros=spent
            )


def _is_of_send(name: str) -> bool:
    return any(name in words.values() for words in WORDS.values())


def _require_done(outcomes: dict[str, int]) -> None:
    for outcome in outcomes:
        if outcome.startswith("rejected:"):
            raise Refused(outcome.removeprefix("rejected:"))
