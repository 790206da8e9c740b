"""A plan made ready to be executed: steps by id, conditions compiled once, and what a run can answer to a condition."""

from __future__ import annotations

import msgspec

from dee_appliance.kernel.e1.condition import Condition, compile_condition
from dee_appliance.kernel.e1.condition_check import Scope
from dee_appliance.kernel.e1.condition_parser import ConditionInvalid
from dee_appliance.kernel.e1.encoding import NotCanonical, canonical
from dee_appliance.kernel.e1.input import Scalar
from dee_appliance.kernel.e1.plan import (
    PLAN_SCHEMAS,
    Branch,
    Call,
    Plan,
    SendEmail,
    SendSms,
    Step,
    Wait,
    decode_plan,
    kind_of,
    targets_of,
)
from dee_appliance.kernel.e1.rules.consent import in_force
from dee_appliance.kernel.e1.run import Contact, Run


class CompiledPlan:
    """One plan version with everything that does not depend on a run computed. Immutable after construction."""

    __slots__ = ("conditions", "counted", "digest", "exits", "first", "label", "plan", "steps")

    def __init__(self, plan: Plan, digest: str) -> None:
        """Compile the conditions of a published plan.

        Raises ConditionInvalid if a condition does not fit (never after publish).
        """
        scope = scope_of(plan)
        self.plan = plan
        self.digest = digest
        self.label = f"{plan.plan}@{plan.version}"
        self.steps: dict[str, Step] = {step.id: step for step in plan.steps}
        self.first = plan.steps[0].id
        self.conditions: dict[str, Condition] = {
            text: compile_condition(text, scope) for step in plan.steps for text in _texts_of(step)
        }
        self.exits = tuple((compile_condition(one.when, scope), one.outcome) for one in plan.exits)
        asked = (*self.conditions.values(), *(condition for condition, _ in self.exits))
        facts = dict.fromkeys(fact for condition in asked for fact in condition.facts)
        self.counted = tuple(name for function, name in facts if function in ("event", "count") and name is not None)


class _Schema(msgspec.Struct, frozen=True):
    schema: int = 1


def plan_schema(body: bytes) -> int | None:
    """Return the schema that a plan document names, None when it is no plan document, whatever schema it may have."""
    try:
        return msgspec.json.decode(body, type=_Schema).schema
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def read_plan(body: bytes) -> Plan | None:
    """Return the plan of a document, or None if it is none that can be executed: whoever wrote it, a run must not meet it."""
    try:
        plan = decode_plan(body)
        canonical(plan)
        CompiledPlan(plan, "")
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, NotCanonical, ConditionInvalid, IndexError):
        return None
    ids = [step.id for step in plan.steps]
    targets = [target for step in plan.steps for target in targets_of(step)]
    templates = [step.template for step in plan.steps if isinstance(step, SendEmail | SendSms)]
    scripts = [step.script for step in plan.steps if isinstance(step, Call)]
    whole = len(dict.fromkeys(ids)) == len(ids) and all(ids) and all(one in ids for one in targets)
    texts = all(one in plan.templates for one in templates) and all(one in plan.scripts for one in scripts)
    return plan if whole and texts and plan.schema in PLAN_SCHEMAS else None


def scope_of(plan: Plan) -> Scope:
    """Return what the plan's conditions may name."""
    return Scope(
        attributes=plan.attributes,
        variables=plan.variables,
        steps={step.id: kind_of(step) for step in plan.steps},
    )


def _texts_of(step: Step) -> tuple[str, ...]:
    match step:
        case Branch():
            return tuple(case.when for case in step.cases)
        case Wait(until=str(text)):
            return (text,)
        case _:
            return ()


class RunFacts:
    """What a run answers to a condition at one tick. Step words mean the latest visit of that step; without a step, any."""

    __slots__ = ("contact", "purpose", "run", "tick")

    def __init__(self, run: Run, contact: Contact, purpose: str, tick: int) -> None:
        self.run = run
        self.contact = contact
        self.purpose = purpose
        self.tick = tick

    def attribute(self, name: str) -> Scalar | None:
        """Return the contact's attribute, or None if it is absent."""
        return self.contact.attributes.get(name)

    def variable(self, name: str) -> Scalar | None:
        """Return the variable given at enrolment, or None if it is absent."""
        return self.run.variables.get(name)

    def fact(self, function: str, argument: str | None) -> Scalar:
        """Return the value of a function of the condition language."""
        match function:
            case "replied" | "auto_replied" | "opened" | "clicked" | "delivered":
                return self._seen(function, argument)
            case "bounced":
                return any(word.startswith("bounced") and argument in (None, word[8:]) for word in self._words())
            case "complained":
                return "complained" in self._words()
            case "unsubscribed":
                opted_out = any(one.reason == "unsubscribed" for one in self.contact.suppressions)
                return opted_out or "unsubscribed" in self._words()
            case "suppressed":
                return self._suppressed(argument)
            case "consent":
                return in_force(self.contact, argument or "", self.purpose, self.tick) is not None
            case "call_outcome":
                memory = self.run.memory.get(argument or "")
                return "" if memory is None else memory.outcome
            case "event":
                return self.run.counts.get(argument or "", 0) > 0
            case "count":
                return self.run.counts.get(argument or "", 0)
            case _:
                raise AssertionError(f"the checker let an unknown function pass: {function}")

    def _words(self) -> list[str]:
        return [word for memory in self.run.memory.values() for word in memory.seen]

    def _seen(self, word: str, step: str | None) -> bool:
        if step is None:
            return word in self._words()
        memory = self.run.memory.get(step)
        return memory is not None and word in memory.seen

    def _suppressed(self, channel: str | None) -> bool:
        wanted = ["*", f"plan:{self.run.plan}"] + ([] if channel is None else [f"channel:{channel}"])
        return any(one.scope in wanted or one.scope.startswith("list:") for one in self.contact.suppressions)
