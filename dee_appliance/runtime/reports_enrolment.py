"""Why a contact did not enter a plan: the refused requests, with what was missing in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from dee_appliance.authoring.notation import format_duration
from dee_appliance.runtime.refusal import said
from dee_appliance.runtime.reports_timeline import plan_of_label
from dee_appliance.runtime.reports_view import Instant, times_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dee_appliance.kernel.e1.plan import Plan
    from dee_appliance.kernel.e1.run import Contact
    from dee_appliance.runtime.reading import View
    from dee_appliance.runtime.reports_log import Log


class Refusal(msgspec.Struct, frozen=True, kw_only=True):
    """One request to enrol that was not granted. `code` is the kernel's, `text` says it in words."""

    entry: int
    at: Instant
    plan: str
    code: str
    text: str


def refusals_of(view: View, log: Log, contact: Contact, plan: str = "") -> Iterator[Refusal]:
    """Give every refused enrolment of a contact, for one plan's name or (empty) all."""
    times = times_of(view, contact)
    for line in log.about_contact(contact.contact):
        if line.action != "enroll" or line.outcome != "rejected":
            continue
        label, code = str(line.detail.get("plan", "")), str(line.detail.get("code", ""))
        if plan and label.partition("@")[0] != plan:
            continue
        compiled = plan_of_label(view, label)
        text = _text(code, label, None if compiled is None else compiled.plan, contact)
        yield Refusal(entry=line.seq, at=times.at(line.tick + view.epoch), plan=label, code=code, text=text)


def _text(code: str, label: str, plan: Plan | None, contact: Contact) -> str:
    if plan is None:
        return f"there was no plan {label}" if code == "unknown_plan" else said(code)
    match code:
        case "missing_attribute":
            missing = [name for name in plan.required if name not in contact.attributes]
            still = f"; still missing: {', '.join(missing)}" if missing else "; it has them now"
            return f"the plan reads {', '.join(plan.required)}, and the contact did not have all of them{still}"
        case "variables":
            return f"the plan wants exactly these variables: {', '.join(plan.variables) or 'none'}"
        case "min_gap":
            return f"it was less than {format_duration(plan.enroll.min_gap_s)} after the last start"
        case "exclusive":
            return f"another {plan.purpose} run of the contact was live, and the plan wants to be the only one"
        case _:
            return said(code)
