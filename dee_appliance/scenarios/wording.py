"""What the words of a case mean, checked before it runs: events by channel, acts and what each needs, names that must exist."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dee_appliance.authoring.finding import did_you_mean
from dee_appliance.authoring.notation import NotationError, second_of_day
from dee_appliance.intake.codes import CODE_HINT, is_code
from dee_appliance.kernel.e1.file_input import SETTINGS
from dee_appliance.kernel.e1.input import EVENTS
from dee_appliance.kernel.e1.plan import CALL_OUTCOMES, CHANNEL_OF, Branch, Plan, Step, Task, kind_of, targets_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from dee_appliance.authoring.place import Place
    from dee_appliance.authoring.positions import Path
    from dee_appliance.authoring.written_scenario import (
        WrittenAct,
        WrittenAnswer,
        WrittenEvent,
        WrittenExpect,
        WrittenScenarioCase,
        WrittenSendSeen,
        WrittenTimed,
    )
    from dee_appliance.scenarios.calendar import Calendar

WORDS: dict[str, dict[str, str]] = {
    "email": {
        **{word: f"email.{word}" for word in ("opened", "clicked", "replied", "delivered", "bounced", "complained")},
        **{word: f"email.{word}" for word in ("unsubscribed", "deferred", "failed")},
        "auto_replied": "email.auto_reply",
    },
    "sms": {word: f"sms.{word}" for word in ("replied", "delivered", "stop", "start", "help", "failed")},
    "voice": {word: f"call.{word}" for word in (*CALL_OUTCOMES, "completed", "abandoned")},
}
"""Short words for events about a send, by the channel of the send."""
SHORT = frozenset(word for words in WORDS.values() for word in words)

REQUIRED: dict[str, tuple[str, ...]] = {
    "resolve": ("as",),
    "task": ("outcome",),
    "grant": ("channel",),
    "revoke": ("channel",),
    "fact": ("name",),
    "setting": ("name", "value"),
    "policy": ("file",),
    "pack": ("file",),
    "retire": ("name",),
}
ALLOWED: dict[str, tuple[str, ...]] = {
    "halt": ("scope",),
    "release": ("scope",),
    **dict.fromkeys(("pause", "resume", "cancel", "retry", "skip"), ("contact", "plan")),
    "resolve": ("contact", "plan", "as"),
    "task": ("contact", "plan", "outcome"),
    "enroll": ("contact", "plan", "variables"),
    "suppress": ("contact", "scope"),
    "lift": ("contact", "scope"),
    "grant": ("contact", "channel", "purpose"),
    "revoke": ("contact", "channel", "purpose"),
    "change": ("contact", "profile", "attributes"),
    "erase": ("contact",),
    "fact": ("name", "value"),
    "setting": ("name", "value"),
    "policy": ("file",),
    "pack": ("file",),
    "retire": ("name",),
}
"""What each act may say beside its time."""
SPOKEN = ("scope", "contact", "plan", "as", "outcome", "variables", "channel", "purpose", "profile", "attributes")
SAID = (*SPOKEN, "name", "value", "file")
PYTHON = {"as": "choice"}


def check_case(
    place: Place, case: WrittenScenarioCase, cast: Sequence[str], plans: tuple[Plan, ...], calendar: Calendar
) -> None:
    """Check everything that a case says against its contacts and plans; mistakes become findings."""
    checker = _Checker(cast, plans, calendar)
    for index, answer in enumerate(case.answer or ()):
        checker.answer(place.inside("answer", index), answer)
    for index, event in enumerate(case.event or ()):
        checker.event(place.inside("event", index), event)
    for index, act in enumerate(case.act or ()):
        checker.act(place.inside("act", index), act)
    for index, expect in enumerate(case.expect):
        checker.expect(place.inside("expect", index), expect)


def step_of(plans: Iterable[Plan], step: str) -> Step | None:
    """Return the step of this id in the first plan that has one."""
    return next((one for plan in plans for one in plan.steps if one.id == step), None)


def event_name(word: str, channel: str | None) -> str:
    """Return the neutral name of an event; a word that is none is the user's own event."""
    return word if channel is None else WORDS[channel].get(word, word)


class _Checker:
    def __init__(self, cast: Sequence[str], plans: tuple[Plan, ...], calendar: Calendar) -> None:
        self._cast = cast
        self._plans = plans
        self._calendar = calendar

    # ---- names ----

    def _contact(self, place: Place, handle: str | None, *, needed: bool) -> None:
        if handle is not None and handle not in self._cast:
            reason = f"there is no contact `{handle}` in this case"
            place.refuse(("contact",), "unknown_key", reason, did_you_mean(handle, self._cast))
        elif handle is None and needed and len(self._cast) > 1:
            hint = f"one of {', '.join(self._cast)}"
            place.refuse((), "missing_field", "several contacts take part: say which with `contact`", hint)

    def _step(self, place: Place, keys: Path, step: str, plan: str | None = None) -> Step | None:
        plans = [one for one in self._plans if plan is None or one.plan == plan]
        found = step_of(plans, step)
        if found is None:
            known = [one.id for each in plans for one in each.steps]
            place.refuse(keys, "unknown_target", f"there is no step `{step}`", did_you_mean(step, known))
        return found

    def _send_step(self, place: Place, keys: Path, step: str) -> str | None:
        """Return the channel of a step that sends."""
        found = self._step(place, keys, step)
        if found is None:
            return None
        kind = kind_of(found)
        if kind not in CHANNEL_OF:
            place.refuse(keys, "wrong_value", f"{step} is a {kind}: nothing is sent there", "name a send or a call")
            return None
        return CHANNEL_OF[kind]

    def _plan(self, place: Place, plan: str | None) -> None:
        known = [one.plan for one in self._plans]
        if plan is not None and plan not in known:
            place.refuse(("plan",), "unknown_key", f"`{plan}` is no plan under test", did_you_mean(plan, known))

    # ---- what happens ----

    def _time(self, place: Place, timed: WrittenTimed) -> None:
        if (timed.at is None) == (timed.after is None):
            hint = 'at = "+2d", at = 2027-01-04T09:00:00, or after = "a step that sends" with delay = "1h"'
            if timed.at is None:
                place.refuse((), "missing_field", "this does not say when", hint)
            else:
                place.refuse(("after",), "wrong_combination", "`at` and `after` are two times", hint)
        elif timed.at is not None:
            for key in ("delay", "visit", "attempt"):
                if getattr(timed, key) is not None:
                    place.refuse((key,), "wrong_combination", f"`{key}` belongs to `after`", "leave it out")
            if self._calendar.tick(place, ("at",), timed.at) < self._calendar.start:
                place.refuse(("at",), "wrong_order", "this is before the start")
        elif timed.after is not None:
            self._send_step(place, ("after",), timed.after)
            if timed.delay is not None:
                place.offset(("delay",), timed.delay)

    def answer(self, place: Place, answer: WrittenAnswer) -> None:
        """Check what a provider says."""
        self._contact(place, answer.contact, needed=False)
        channel = self._send_step(place, ("step",), answer.step)
        if answer.late is not None:
            place.seconds(("late",), answer.late)
        for key in ("call", "lasts"):
            if getattr(answer, key) is not None and channel not in (None, "voice"):
                place.refuse((key,), "wrong_combination", f"{answer.step} is no call", f"leave `{key}` out")
        if answer.call is not None and answer.answer != "accepted":
            place.refuse(("call",), "wrong_combination", "a call that was not accepted has no outcome", "leave it out")
        if answer.lasts is not None:
            place.seconds(("lasts",), answer.lasts)

    def event(self, place: Place, event: WrittenEvent) -> None:
        """Check an event."""
        self._time(place, event)
        step = event.step
        if step is None and event.after is not None and (event.event in SHORT or event.event in EVENTS):
            step = event.after
        self._contact(place, event.contact, needed=event.after is None)
        channel = None if step is None else self._send_step(place, ("step",) if event.step else ("after",), step)
        if step is None and event.event in SHORT:
            hint = 'name the step that sent it, as in step = "intro"'
            place.refuse((), "missing_field", f"`{event.event}` is about a message", hint)
        elif channel is not None and event_name(event.event, channel) not in EVENTS and event.step is not None:
            hint = f"known: {', '.join(WORDS[channel])}"
            place.refuse(("event",), "unknown_kind", f"`{event.event}` does not happen to a send by {channel}", hint)
        elif channel is None and step is None and event.event not in EVENTS:
            self._own_event(place, event.event)
        known = step is None or channel is not None
        if (
            known
            and event.text is not None
            and event_name(event.event, channel) not in ("email.replied", "sms.replied")
        ):
            place.refuse(("text",), "wrong_combination", f"`{event.event}` brings no text", "only a reply does")

    def _own_event(self, place: Place, name: str) -> None:
        """A user's own event that no condition reads is a slip of the pen more often than not."""
        if any(f'"{name}"' in text.replace("'", '"') for plan in self._plans for text in conditions_of(plan)):
            return
        near = did_you_mean(name, [*SHORT, *EVENTS])
        hint = near if near.startswith("did") else ""
        place.warn(("event",), "useless_field", f"no condition of the plan reads `{name}`", hint)

    def act(self, place: Place, act: WrittenAct) -> None:
        """Check an act."""
        self._time(place, act)
        allowed, required = ALLOWED[act.act], REQUIRED.get(act.act, ())
        for key in SAID:
            there = getattr(act, PYTHON.get(key, key)) is not None
            if there and key not in allowed:
                hint = f"{act.act} takes {', '.join(allowed)}"
                place.refuse((key,), "wrong_combination", f"{act.act} takes no `{key}`", hint)
            elif not there and key in required:
                place.refuse((), "missing_field", f"{act.act} has no `{key}`")
        self._contact(place, act.contact, needed="contact" in allowed and act.after is None)
        self._plan(place, act.plan)
        if act.scope is not None:
            check_scope(place, ("scope",), act.scope, self._plans)
        for key in ("purpose", "name") if act.act in ("grant", "revoke", "fact") else ():
            text = getattr(act, key)
            if text is not None and text != "*" and not is_code(text):
                place.refuse((key,), "wrong_value", f"`{text}` is no code", CODE_HINT)
        if act.act == "setting" and act.name is not None and act.name not in SETTINGS:
            hint = did_you_mean(act.name, SETTINGS)
            place.refuse(("name",), "unknown_key", f"there is no setting `{act.name}`", hint)
        if act.act == "fact" and not isinstance(act.value, bool | None):
            place.refuse(("value",), "wrong_type", "a fact is true or false", "leave it out: not known any more")
        if act.act == "task" and act.outcome is not None:
            self._task_outcome(place, act.outcome)

    def _task_outcome(self, place: Place, outcome: str) -> None:
        known = [word for plan in self._plans for step in plan.steps if isinstance(step, Task) for word in step.on]
        if outcome not in known:
            place.refuse(
                ("outcome",), "unknown_key", f"no task has the outcome `{outcome}`", did_you_mean(outcome, known)
            )

    # ---- what is expected ----

    def expect(self, place: Place, expect: WrittenExpect) -> None:
        """Check an expectation."""
        self._contact(place, expect.contact, needed=True)
        self._plan(place, expect.plan)
        plan = expect.plan or (self._plans[0].plan if self._plans else None)
        for index, step in enumerate(expect.visits or ()):
            self._step(place, ("visits", index), step, plan)
        if expect.step is not None:
            self._step(place, ("step",), expect.step, plan)
        if expect.outcome is not None and expect.status not in (None, "COMPLETED"):
            hint = "a run has an outcome when it is COMPLETED; `reason` says why it is FAILED or HELD"
            place.refuse(("outcome",), "wrong_combination", f"no run is {expect.status} with an outcome", hint)
        if expect.refused is not None and (expect.visits or expect.status):
            place.refuse(("refused",), "wrong_combination", "who is refused has no run", "leave the rest out")
        for step, target in (expect.branches or {}).items():
            self._branch(place, step, target, plan)
        for key in ("holds", "denials", "entries"):
            self._listed(place, key, getattr(expect, key) or ())
        if isinstance(expect.sends, list):
            for index, send in enumerate(expect.sends):
                self._send(place.inside("sends", index), send)
        if expect.ends is not None:
            self._calendar.tick(place, ("ends",), expect.ends)
        self._useful(place, expect)

    def _listed(self, place: Place, key: str, items: Sequence[object]) -> None:
        for index, item in enumerate(items):
            inside = place.inside(key, index)
            step = getattr(item, "step", None)
            if step is not None:
                self._step(inside, ("step",), step)
            for word in ("at", "until"):
                when = getattr(item, word, None)
                if when is not None:
                    self._calendar.tick(inside, (word,), when)

    def _send(self, place: Place, send: WrittenSendSeen) -> None:
        if send.step is not None:
            self._send_step(place, ("step",), send.step)
        for word in ("at", "after", "before"):
            when = getattr(send, word)
            if when is not None:
                self._calendar.tick(place, (word,), when)
        for index, time in enumerate(send.between or ()):
            try:
                second_of_day(time)
            except NotationError as error:
                place.refuse(("between", index), "wrong_value", str(error))

    def _branch(self, place: Place, step: str, target: str, plan: str | None) -> None:
        found = self._step(place, ("branches", step), step, plan)
        if found is None:
            return
        ways = sorted(set(targets_of(found)))
        if target not in ways:
            what = "goes nowhere" if not ways else f"does not lead to `{target}`"
            place.refuse(("branches", step), "unknown_target", f"{step} {what}", did_you_mean(target, ways))

    def _useful(self, place: Place, expect: WrittenExpect) -> None:
        said: Mapping[str, object] = {name: getattr(expect, name) for name in expect.__struct_fields__}
        if all(value is None for name, value in said.items() if name not in ("contact", "plan", "run")):
            hint = 'as in status = "COMPLETED", or visits = ["intro"]'
            place.refuse((), "missing_field", "this expects nothing", hint)


def scope_of(text: str) -> str:
    """Return a scope; a channel may be written by itself."""
    return f"channel:{text}" if text in WORDS else text


def check_scope(place: Place, keys: Path, text: str, plans: Iterable[Plan]) -> None:
    """Check a scope of a halt or a suppression."""
    known = ["*", *WORDS, *(f"channel:{channel}" for channel in WORDS), *(f"plan:{plan.plan}" for plan in plans)]
    if text not in known:
        place.refuse(keys, "unknown_key", f"`{text}` is no scope", did_you_mean(text, known))


def conditions_of(plan: Plan) -> list[str]:
    """Return the texts of all conditions of a plan."""
    texts = [way_out.when for way_out in plan.exits]
    for step in plan.steps:
        if isinstance(step, Branch):
            texts += [case.when for case in step.cases]
        until = getattr(step, "until", None)
        texts += [until] if until else []
    return texts
