"""Enrolment: whether a contact may enter a plan, and the first entry of a run."""

from __future__ import annotations

from msgspec.structs import replace

from dee_appliance.kernel.e1.civil_time import parse_iso_date
from dee_appliance.kernel.e1.compiled import CompiledPlan
from dee_appliance.kernel.e1.encoding import run_id
from dee_appliance.kernel.e1.input import Enroll, Scalar
from dee_appliance.kernel.e1.plan import AttributeDeclaration, Plan
from dee_appliance.kernel.e1.run import ENDED, Enrolment, Run
from dee_appliance.kernel.e1.steps import proceed
from dee_appliance.kernel.e1.turn import Turn


def enroll(turn: Turn, cause: Enroll) -> None:
    """Start a run, or record why not. The store puts the compiled plan version under the key "" of the turn's plans."""
    compiled = turn.plans.get("")
    if compiled is None:
        turn.refuse("enroll", "unknown_plan", detail={"plan": cause.plan})
        return
    reason = _refusal(turn, cause, compiled)
    if reason is not None:
        turn.refuse("enroll", reason, detail={"plan": compiled.label})
        return
    ordinal = turn.snapshot.enrolment.ordinal + 1
    run = Run(
        no=turn.snapshot.next_run_no,
        run=run_id(cause.contact, cause.plan, ordinal),
        contact=cause.contact,
        plan=cause.plan,
        digest=compiled.digest,
        ordinal=ordinal,
        started=turn.tick,
        variables=dict(cause.variables),
    )
    turn.plans[compiled.digest] = compiled
    turn.enrolment = (cause.plan, Enrolment(ordinal=ordinal, tick=turn.tick))
    start = turn.tick if cause.start is None else cause.start
    detail: dict[str, object] = {"digest": compiled.digest, "ordinal": ordinal, "to": compiled.first}
    if cause.variables:
        detail["variables"] = dict(cause.variables)
    if start > turn.tick:
        run = turn.record(run, "enroll", "scheduled", {**detail, "start": start}, contact_chain=True)
        turn.put(replace(run, due=start, entered=start))
        return
    run = turn.record(run, "enroll", "enrolled", detail, contact_chain=True)
    proceed(turn, run, compiled.first)


def _refusal(turn: Turn, cause: Enroll, compiled: CompiledPlan) -> str | None:
    plan = compiled.plan
    contact = turn.contact
    if not contact.known:
        return "unknown_contact"
    if contact.erased:
        return "erased"
    if any(name not in contact.attributes for name in plan.required):
        return "missing_attribute"
    if any(not fits(plan.attributes[name], value) for name, value in _declared(plan, contact.attributes)):
        return "attribute_type"
    if not _variables_fit(plan, cause.variables):
        return "variables"
    return _reentry_refusal(turn, plan)


def _declared(plan: Plan, attributes: dict[str, Scalar]) -> list[tuple[str, Scalar]]:
    return [(name, attributes[name]) for name in plan.attributes if name in attributes]


def _variables_fit(plan: Plan, variables: dict[str, Scalar]) -> bool:
    if len(variables) != len(plan.variables):
        return False
    return all(name in variables and fits(kind, variables[name]) for name, kind in plan.variables.items())


def fits(declaration: AttributeDeclaration, value: Scalar) -> bool:
    """Tell whether a value is of the declared type."""
    match declaration.kind:
        case "bool":
            return isinstance(value, bool)
        case "int":
            return isinstance(value, int) and not isinstance(value, bool)
        case "enum":
            return isinstance(value, str) and value in declaration.values
        case "date":
            return isinstance(value, str) and _is_date(value)
        case "zone":
            return isinstance(value, str)


def _is_date(text: str) -> bool:
    try:
        parse_iso_date(text)
    except ValueError:
        return False
    return True


def _reentry_refusal(turn: Turn, plan: Plan) -> str | None:
    earlier = turn.snapshot.enrolment
    live = [run for run in turn.runs.values() if run.status not in ENDED]
    if earlier.ordinal:
        if plan.enroll.reentry == "never":
            return "already_enrolled"
        if plan.enroll.reentry == "after_exit" and any(run.plan == plan.plan for run in live):
            return "still_live"
        if turn.tick - earlier.tick < plan.enroll.min_gap_s:
            return "min_gap"
    if plan.enroll.exclusive and any(turn.plan_of(run).plan.purpose == plan.purpose for run in live):
        return "exclusive"
    return None
