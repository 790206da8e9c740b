"""What changed between two plans, in the words in which plans are written.

Both plans are normalised, so writing a default out or moving a step in the file without changing where it leads is no change.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import msgspec

from dee_appliance.authoring.notation import (
    format_duration,
    format_money,
    format_second_of_day,
    format_weekdays,
)
from dee_appliance.kernel.e1.plan import (
    AttributeDeclaration,
    Branch,
    Call,
    End,
    Hours,
    Plan,
    Recover,
    SendEmail,
    SendSms,
    Split,
    Step,
    Task,
    Wait,
    kind_of,
)


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """One difference. `where` names a field as in "step intro: template"; `before` and `after` are empty where there is none."""

    kind: Literal["added", "removed", "changed"]
    where: str
    before: str = ""
    after: str = ""

    def __str__(self) -> str:
        match self.kind:
            case "added":
                return f"+ {self.where}: {self.after}"
            case "removed":
                return f"- {self.where}: {self.before}"
            case "changed":
                return f"~ {self.where}: {self.before} → {self.after}"


def plan_diff(old: Plan, new: Plan) -> tuple[Change, ...]:
    """Return what `new` does otherwise than `old`: head, policy, exits, then steps in file order. Empty when nothing does."""
    changes = compared("", _head(old), _head(new))
    changes += compared("", _exits(old), _exits(new))
    before, after = ({step.id: step for step in plan.steps} for plan in (old, new))
    for step_id in (*before, *(step_id for step_id in after if step_id not in before)):
        was, now = before.get(step_id), after.get(step_id)
        if was is None and now is not None:
            changes.append(Change(kind="added", where=f"step {step_id}", after=_summary(now)))
        elif now is None and was is not None:
            changes.append(Change(kind="removed", where=f"step {step_id}", before=_summary(was)))
        elif was is not None and now is not None:
            changes += compared(f"step {step_id}: ", _fields(was), _fields(now))
    return (*changes, *_contents(old, new))


def compared(prefix: str, before: Mapping[str, str], after: Mapping[str, str]) -> list[Change]:
    """Return the differences of two sets of named values; an empty value is as good as none."""
    changes = []
    for name in (*before, *(name for name in after if name not in before)):
        was, now = before.get(name, ""), after.get(name, "")
        if was != now:
            kind: Literal["added", "removed", "changed"] = "changed" if was and now else "added" if now else "removed"
            changes.append(Change(kind=kind, where=f"{prefix}{name}", before=was, after=now))
    return changes


def _head(plan: Plan) -> dict[str, str]:
    policy = plan.policy
    fields = {
        "plan": plan.plan,
        "version": str(plan.version),
        "purpose": plan.purpose,
        "title": plan.title,
        "first step": plan.steps[0].id,
        "enroll.reentry": plan.enroll.reentry,
        "enroll.min_gap": _duration(plan.enroll.min_gap_s or None),
        "enroll.exclusive": _flag(on=plan.enroll.exclusive),
        "policy.daily_sends": _text(policy.daily_sends),
        "policy.budget": ""
        if policy.budget is None
        else format_money(policy.budget.limit_micros, policy.budget.currency),
    }
    fields |= {f"attribute {name}": _declaration(kind) for name, kind in plan.attributes.items()}
    fields |= {f"variable {name}": _declaration(kind) for name, kind in plan.variables.items()}
    fields |= {f"variable {name}": "text" for name in plan.texts}
    if policy.calling_hours is not None:
        fields |= _hours(policy.calling_hours)
    fields |= {f"policy.on_deny.{rule}": action for rule, action in sorted(policy.on_deny.items())}
    return {name: value for name, value in fields.items() if value}


def _hours(hours: Hours) -> dict[str, str]:
    """Return the spans of each day of the week."""
    texts = [", ".join(f"{format_second_of_day(a)}-{format_second_of_day(b)}" for a, b in day) for day in hours.weekly]
    fields = {f"policy.calling_hours {format_weekdays([day])}": text or "closed" for day, text in enumerate(texts)}
    return {**fields, "policy.closed_dates": ", ".join(hours.closed_dates)}


def _exits(plan: Plan) -> dict[str, str]:
    fields = {f"exit when {leave.when}": leave.outcome for leave in plan.exits}
    if len(plan.exits) > 1:
        fields["order of exits"] = ", ".join(leave.outcome for leave in plan.exits)
    return fields


def _contents(old: Plan, new: Plan) -> list[Change]:
    """Return the templates and scripts whose text changed under the same name."""
    pairs = (("template", old.templates, new.templates), ("script", old.scripts, new.scripts))
    return [
        Change(kind="changed", where=f"{word} {name}", before=before[name], after=after[name])
        for word, before, after in pairs
        for name in sorted(before)
        if name in after and before[name] != after[name]
    ]


def _summary(step: Step) -> str:
    fields = _fields(step)
    return ", ".join(f"{name} {value}" if name != "do" else value for name, value in fields.items())


def _fields(step: Step) -> dict[str, str]:
    """Return the fields of a step as they are written, without those that say nothing."""
    fields = {"do": kind_of(step), **_own_fields(step)}
    fields["max_visits"] = _text(step.max_visits)
    fields["after"] = step.after_visits or ""
    fields["skippable"] = _flag(on=step.skippable)
    return {name: value for name, value in fields.items() if value}


def _own_fields(step: Step) -> dict[str, str]:
    match step:
        case SendEmail() | SendSms():
            return {"template": step.template, **_outcomes(step), **_sending(step)}
        case Call():
            lengths = {"max_duration": format_duration(step.max_duration_s), "ring": format_duration(step.ring_s)}
            return {"script": step.script, **_outcomes(step), **_sending(step), **lengths}
        case Wait():
            return _wait(step)
        case Branch():
            cases = {f"case {case.when}": case.then for case in step.cases}
            order = {"order of cases": " / ".join(case.when for case in step.cases)} if len(step.cases) > 1 else {}
            return {**cases, **order, "else": step.otherwise}
        case Split():
            arms = {f"arm {arm.name}": f"{arm.weight} to {arm.then}" for arm in step.arms}
            return {**arms, "order of arms": " / ".join(arm.name for arm in step.arms), "salt": step.salt}
        case Task():
            within = {"within": format_duration(step.timeout_s)}
            return {"instructions": step.instructions, **within, **_outcomes(step)}
        case End():
            return {"outcome": step.outcome}


def _outcomes(step: SendEmail | SendSms | Call | Task) -> dict[str, str]:
    return {**{f"on.{outcome}": step.on[outcome] for outcome in sorted(step.on)}, "next": step.next}


def _sending(step: SendEmail | SendSms | Call) -> dict[str, str]:
    return {"recover": _recover(step.recover), "send_by": _duration(step.send_by_s)}


def _wait(step: Wait) -> dict[str, str]:
    return {
        "for": _duration(step.for_s),
        "until": step.until or "",
        "then": step.then or "",
        "at": "" if step.at_s is None else format_second_of_day(step.at_s),
        "on_days": format_weekdays(step.weekdays),
        "date": step.date or "",
        "offset": _duration(step.offset_s or None),
        "next": step.next,
    }


def _recover(recover: Recover | None) -> str:
    if recover is None:
        return ""
    pauses = ", ".join(format_duration(pause) for pause in recover.backoff_s)
    return f"{', '.join(recover.on)}: {recover.attempts} attempts" + (f", pauses {pauses}" if pauses else "")


def _declaration(declared: AttributeDeclaration) -> str:
    return ", ".join(declared.values) if declared.kind == "enum" else declared.kind


def _duration(seconds: int | None) -> str:
    return "" if seconds is None else format_duration(seconds)


def _text(number: int | None) -> str:
    return "" if number is None else str(number)


def _flag(*, on: bool) -> str:
    return "true" if on else ""
