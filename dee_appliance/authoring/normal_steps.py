"""Steps as written into steps as run: every default explicit, every next step named, every duration in seconds.

What is refused here follows from one step alone: fields that do not go together, a missing timeout, a recovery that cannot work,
and falling off the end of the file. Whether targets exist and conditions make sense is asked afterwards, of the result.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec

from dee_appliance.authoring.finding import Findings
from dee_appliance.authoring.place import Place
from dee_appliance.authoring.plan_file import Draft, DraftStep
from dee_appliance.authoring.written import (
    WrittenBranch,
    WrittenCall,
    WrittenEnd,
    WrittenRecover,
    WrittenSend,
    WrittenSendEmail,
    WrittenSendSms,
    WrittenSplit,
    WrittenStep,
    WrittenTask,
    WrittenWait,
)
from dee_appliance.kernel.e1.plan import (
    Arm,
    Branch,
    Call,
    Case,
    End,
    Recover,
    SendEmail,
    SendSms,
    SendStep,
    Split,
    Step,
    Task,
    Wait,
)

UNKNOWN_TARGET = ""
"""Stands for a next step that has no readable id: its own table has the finding."""

MAX_CALL_S = 3_600
MAX_RING_S = 600

_COMPANIONS = {"until": ("for", "then"), "date": ("offset", "at"), "at": ("on_days",), "for": ()}
"""The field that says which kind of wait it is, and what may stand beside it. The first that is given decides."""

_Send = TypeVar("_Send", bound=SendStep)


class NormalStep(msgspec.Struct, frozen=True, kw_only=True):
    """One step of the file; `step` is its normal form, None when it was refused."""

    draft: DraftStep
    step: Step | None


def normal_steps(draft: Draft, found: Findings) -> tuple[NormalStep, ...]:
    """Turn every sound step into its normal form."""
    steps = []
    for index, drafted in enumerate(draft.steps):
        following = draft.steps[index + 1].id or UNKNOWN_TARGET if index + 1 < len(draft.steps) else None
        step = None
        if drafted.written is not None:
            before = found.refused
            step = _Step(Place(draft.source, drafted.path, found), following).normal(drafted.written)
            step = step if found.refused == before else None
        steps.append(NormalStep(draft=drafted, step=step))
    return tuple(steps)


class _Step:
    """Normalises one step; `following` is the id of the next step in the file, None after the last."""

    def __init__(self, place: Place, following: str | None) -> None:
        self._place = place
        self._following = following

    def normal(self, written: WrittenStep) -> Step:
        if written.max_visits is not None and written.after is None:
            self._place.refuse(
                ("max_visits",),
                "missing_field",
                "`max_visits` needs `after`",
                "name the step that follows the last visit",
            )
        if written.after is not None and written.max_visits is None:
            self._place.refuse(
                ("after",),
                "missing_field",
                "`after` needs `max_visits`",
                "say after how many visits the run goes there",
            )
        return msgspec.structs.replace(
            self._kind(written),
            max_visits=written.max_visits,
            after_visits=written.after,
            skippable=written.skippable,
        )

    def _kind(self, written: WrittenStep) -> Step:
        match written:
            case WrittenSendEmail():
                email = SendEmail(id=written.id, template=written.template, next=self._next(written.next))
                return self._send(msgspec.structs.replace(email, on=_outcomes(written.on)), written)
            case WrittenSendSms():
                sms = SendSms(id=written.id, template=written.template, next=self._next(written.next))
                return self._send(msgspec.structs.replace(sms, on=_outcomes(written.on)), written)
            case WrittenCall():
                return self._call(written)
            case WrittenWait():
                return self._wait(written)
            case WrittenBranch():
                cases = tuple(Case(when=case.when.strip(), then=case.then) for case in written.case)
                return Branch(id=written.id, cases=cases, otherwise=written.otherwise)
            case WrittenSplit():
                return self._split(written)
            case WrittenTask():
                return Task(
                    id=written.id,
                    instructions=written.instructions,
                    timeout_s=self._place.seconds(("within",), written.within),
                    next=self._next(written.next),
                    on=_outcomes(written.on),
                )
            case WrittenEnd():
                return End(id=written.id, outcome=written.outcome)

    def _next(self, written: str | None) -> str:
        if written is not None:
            return written
        if self._following is None:
            self._place.refuse(
                (),
                "falls_off_end",
                "the last step of the file says nothing of what comes next",
                'add `next`, or end the file with a [[step]] that has do = "end"',
            )
            return UNKNOWN_TARGET
        return self._following

    # ---- sends ----------------------------------------------------------------------------------------------------------------

    def _send(self, step: _Send, written: WrittenSend) -> _Send:
        return msgspec.structs.replace(
            step,
            recover=None if written.recover is None else self._recover(written.recover),
            send_by_s=None if written.send_by is None else self._place.seconds(("send_by",), written.send_by),
        )

    def _call(self, written: WrittenCall) -> Call:
        call = Call(id=written.id, script=written.script, next=self._next(written.next), on=_outcomes(written.on))
        if written.max_duration is not None:
            call = msgspec.structs.replace(
                call, max_duration_s=self._bounded("max_duration", written.max_duration, MAX_CALL_S)
            )
        if written.ring is not None:
            call = msgspec.structs.replace(call, ring_s=self._bounded("ring", written.ring, MAX_RING_S))
        return self._send(call, written)

    def _bounded(self, key: str, text: str, most_s: int) -> int:
        seconds = self._place.seconds((key,), text)
        if seconds > most_s:
            self._place.refuse((key,), "wrong_value", f"`{key}` is {text}", f"at most {most_s // 60} minutes")
        return seconds

    def _recover(self, written: WrittenRecover) -> Recover:
        place = self._place.inside("recover")
        retries = [word for word in written.on if word != "confirmed"]
        pauses = tuple(place.seconds(("backoff", index), text) for index, text in enumerate(written.backoff or []))
        attempts = written.attempts or 1
        if len(set(written.on)) != len(written.on):
            place.refuse(("on",), "wrong_recover", "`on` names a failure twice")
        if retries and attempts == 1:
            place.refuse(
                ("attempts",),
                "wrong_recover",
                "one attempt is no retry",
                "write attempts = 2 or more; it counts them all",
            )
        elif retries and not pauses:
            place.refuse(
                ("backoff",), "wrong_recover", "retries need pauses between them", 'write backoff = ["1m", "5m", "30m"]'
            )
        elif retries and len(pauses) > attempts - 1:
            hint = f"give at most {attempts - 1}, or raise attempts"
            place.refuse(("backoff",), "wrong_recover", f"{len(pauses)} pauses do not fit {attempts} attempts", hint)
        if not retries and (written.attempts is not None or pauses):
            place.refuse(
                ("on",), "wrong_recover", "`confirmed` alone tries nothing again", "leave out attempts and backoff"
            )
        return Recover(on=tuple(written.on), attempts=attempts, backoff_s=pauses)

    # ---- waits and splits -----------------------------------------------------------------------------------------------------

    def _wait(self, written: WrittenWait) -> Wait:
        given = _given(written)
        form = next((key for key in _COMPANIONS if key in given), None)
        if form is None:
            self._place.refuse(
                (),
                "missing_timeout",
                "the wait does not say for how long",
                'write for = "3d", or at = 09:00:00, or date = …',
            )
        else:
            self._companions(form, given)
        wait = Wait(id=written.id, next=self._next(written.next), date=written.date, then=written.then)
        if written.until is not None:
            wait = msgspec.structs.replace(wait, until=written.until.strip())
        if written.duration is not None:
            wait = msgspec.structs.replace(wait, for_s=self._place.seconds(("for",), written.duration))
        if written.at is not None:
            wait = msgspec.structs.replace(wait, at_s=self._place.second_of_day(("at",), written.at))
        if written.on_days is not None:
            wait = msgspec.structs.replace(wait, weekdays=self._place.weekdays(("on_days",), written.on_days))
        if written.offset is not None:
            wait = msgspec.structs.replace(wait, offset_s=self._place.offset(("offset",), written.offset))
        return wait

    def _companions(self, form: str, given: tuple[str, ...]) -> None:
        allowed = _COMPANIONS[form]
        for key in given:
            if key != form and key not in allowed:
                beside = f"beside `{form}` may stand {', '.join(allowed)}" if allowed else f"`{form}` stands alone"
                self._place.refuse((key,), "wrong_combination", f"`{key}` does not go with `{form}`", beside)
        if form == "until" and "for" not in given:
            self._place.refuse(
                ("until",),
                "missing_timeout",
                "a wait on a condition has no timeout",
                'add for = "3d": how long at most',
            )
        if form == "until" and "then" not in given:
            self._place.refuse(
                ("until",), "missing_field", "`until` needs `then`", "name the step to go to once the condition holds"
            )

    def _split(self, written: WrittenSplit) -> Split:
        names = [arm.name for arm in written.arms]
        for index, name in enumerate(names):
            if name in names[:index]:
                self._place.refuse(("arms", index), "duplicate_arm", f'the arm "{name}" stands twice')
        arms = tuple(Arm(name=arm.name, weight=arm.weight, then=arm.then) for arm in written.arms)
        return Split(id=written.id, arms=arms, salt=written.salt)


def _outcomes(written: Mapping[Any, str] | None) -> dict[str, str]:
    return {str(outcome): target for outcome, target in (written or {}).items()}


def _given(written: WrittenWait) -> tuple[str, ...]:
    """Return the names of the fields that say how to wait, as written."""
    fields = {
        "for": written.duration,
        "until": written.until,
        "then": written.then,
        "at": written.at,
        "on_days": written.on_days,
        "date": written.date,
        "offset": written.offset,
    }
    return tuple(name for name, value in fields.items() if value is not None)
