"""Is a plan file fit to be published? All checks together, and the plan they give.

Checks run before anything is published and never during a replay, because they may tighten from release to release while a
published plan keeps its meaning. Every mistake is reported, not only the first; a check whose answer would only follow from an
earlier mistake is left out.
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import msgspec

from dee_appliance.authoring.finding import Finding, Findings
from dee_appliance.authoring.flow import check_flow
from dee_appliance.authoring.normal_head import normal_declarations, normal_enroll, normal_policy
from dee_appliance.authoring.normal_steps import NormalStep, normal_steps
from dee_appliance.authoring.notation import format_duration
from dee_appliance.authoring.place import Place
from dee_appliance.authoring.plan_conditions import check_conditions
from dee_appliance.authoring.plan_content import Content, check_content
from dee_appliance.authoring.plan_file import Draft, read_draft
from dee_appliance.authoring.written import WrittenCall
from dee_appliance.errors import Refused
from dee_appliance.kernel.e1.condition import Scope
from dee_appliance.kernel.e1.encoding import canonical, document_digest
from dee_appliance.kernel.e1.plan import (
    CHANNEL_OF,
    AttributeDeclaration,
    Call,
    Enroll,
    Exit,
    Plan,
    PlanPolicy,
    Step,
    kind_of,
)


class CheckedPlan(msgspec.Struct, frozen=True, kw_only=True):
    """What the checks made of a plan file.

    `plan` is None when anything was refused. `body` is the plan's canonical JSON and `digest` its name; `documents` holds the
    canonical bytes of the templates and scripts that the plan pins, by digest. `findings` includes warnings.
    """

    file: str
    plan: Plan | None
    digest: str
    body: bytes
    documents: dict[str, bytes]
    findings: tuple[Finding, ...]


class _Head(msgspec.Struct, frozen=True, kw_only=True):
    """Everything but the steps; None where it was refused."""

    attributes: dict[str, AttributeDeclaration] | None
    variables: dict[str, AttributeDeclaration] | None
    texts: tuple[str, ...]
    enroll: Enroll
    policy: PlanPolicy


def check_plan(
    path: Path, *, policy_covers_voice: bool = False, priced_channels: Collection[str] | None = None
) -> CheckedPlan:
    """Check a plan file and everything it names.

    `policy_covers_voice` says that the file's own policy has calling hours for the voice channel, so that the plan need not.
    `priced_channels` are those its rate card has prices for, None when that is not known: a budget denies what has no price.
    Raises Refused only when there is no plan file to look into (unreadable, YAML, too large); all else is in the findings.
    """
    found = Findings()
    draft = read_draft(path, found)
    plan: Plan | None = None
    documents: dict[str, bytes] = {}
    if draft is not None:
        plan, documents = _checked(draft, found, policy_covers_voice=policy_covers_voice)
    if plan is not None and draft is not None and priced_channels is not None:
        _warn_of_prices(plan, Place(draft.source, ("policy",), found), priced_channels)
    body = b"" if plan is None else canonical(plan)
    return CheckedPlan(
        file=str(path),
        plan=plan,
        digest="" if plan is None else document_digest("plan", body),
        body=body,
        documents=documents,
        findings=found.in_order(str(path)),
    )


def publishable(checked: CheckedPlan) -> Plan:
    """Return the plan if it may be published. Raises Refused that lists every finding that keeps it from being published."""
    if checked.plan is not None:
        return checked.plan
    refused = [finding for finding in checked.findings if finding.severity == "refused"]
    listed = "\n".join(f"  {finding}" for finding in refused)
    count = "1 mistake" if len(refused) == 1 else f"{len(refused)} mistakes"
    raise Refused(
        f"the plan has {count}:\n{listed}",
        where=checked.file,
        hint="correct the file and check it again: dee plan check",
    )


def _checked(draft: Draft, found: Findings, *, policy_covers_voice: bool) -> tuple[Plan | None, dict[str, bytes]]:
    head = _head(draft, found)
    steps = normal_steps(draft, found)
    check_flow(draft.source, steps, found)
    required = _conditions(draft, head, steps, found)
    given = None if head.variables is None else (*head.variables, *head.texts)
    marketing = draft.head.purpose == "marketing"
    content = check_content(draft.source, steps, marketing=marketing, variables=given, found=found)
    _check_calls(draft, head, content, found, policy_covers_voice=policy_covers_voice)
    if found.refused:
        return None, {}
    return _assembled(draft, head, steps, required, content), content.documents


def _head(draft: Draft, found: Findings) -> _Head:
    """Normalise the head; a table that the file does not have is empty, one that was refused is None."""
    written, top = draft.head, Place(draft.source, (), found)

    def declared(name: str) -> dict[str, AttributeDeclaration] | None:
        table = getattr(written, name)
        if table is None:
            return None if name in draft.source.data else {}
        return normal_declarations(top.inside(name), table)

    return _Head(
        attributes=declared("attributes"),
        variables=declared("variables"),
        texts=tuple(sorted(name for name, kind in (written.variables or {}).items() if kind == "text")),
        enroll=Enroll() if written.enroll is None else normal_enroll(top.inside("enroll"), written.enroll),
        policy=PlanPolicy() if written.policy is None else normal_policy(top.inside("policy"), written.policy),
    )


def _conditions(draft: Draft, head: _Head, steps: tuple[NormalStep, ...], found: Findings) -> tuple[str, ...]:
    """Return the attributes that a contact must have to be enrolled."""
    if head.attributes is None or head.variables is None:
        return ()
    kinds = {step.draft.id: step.draft.do or "" for step in steps if step.draft.id is not None}
    scope = Scope(attributes=head.attributes, variables=head.variables, steps=kinds)
    return check_conditions(draft.source, draft.exits, steps, scope, found)


def _check_calls(draft: Draft, head: _Head, content: Content, found: Findings, *, policy_covers_voice: bool) -> None:
    policy_refused = draft.head.policy is None and "policy" in draft.source.data
    for drafted in draft.steps:
        place = Place(draft.source, drafted.path, found)
        if drafted.do == "call" and head.policy.calling_hours is None and not (policy_covers_voice or policy_refused):
            hint = '[policy] calling_hours = { days = "Mon-Fri", from = 09:00:00, to = 18:00:00 }'
            place.refuse((), "missing_hours", "a plan that calls people needs calling hours", hint)
        if isinstance(drafted.written, WrittenCall) and drafted.written.max_duration is not None:
            longest_s = content.max_duration_s.get(drafted.written.script, 0)
            if place.seconds(("max_duration",), drafted.written.max_duration) < longest_s:
                reason = f"the script may take {format_duration(longest_s)}, longer than the call may last"
                hint = "raise max_duration, leave it out, or lower the script's max_duration_s"
                place.refuse(("max_duration",), "wrong_value", reason, hint)


def _warn_of_prices(plan: Plan, place: Place, priced_channels: Collection[str]) -> None:
    channels = dict.fromkeys(CHANNEL_OF[kind_of(step)] for step in plan.steps if kind_of(step) in CHANNEL_OF)
    unpriced = [channel for channel in channels if channel not in priced_channels]
    if plan.policy.budget is not None and unpriced:
        reason = f"the file's policy has no price for {', '.join(unpriced)}, and a budget denies what has no price"
        place.warn(("budget",), "no_rate", reason, "add a [[rate]] to the policy, or leave the budget out")


def _assembled(
    draft: Draft, head: _Head, steps: tuple[NormalStep, ...], required: tuple[str, ...], content: Content
) -> Plan:
    written = draft.head
    # Nothing was refused, so every required field is there.
    assert written.plan is not None
    assert written.version is not None
    assert written.purpose is not None
    return Plan(
        plan=written.plan,
        version=written.version,
        purpose=written.purpose,
        title=written.title or "",
        attributes=head.attributes or {},
        variables=head.variables or {},
        texts=head.texts,
        required=required,
        enroll=head.enroll,
        policy=head.policy,
        exits=tuple(
            Exit(when=drafted.written.when.strip(), outcome=drafted.written.outcome) for drafted in draft.exits
        ),
        steps=tuple(_with_script(step.step, step, content) for step in steps if step.step is not None),
        templates=dict(sorted(content.templates.items())),
        scripts=dict(sorted(content.scripts.items())),
    )


def _with_script(step: Step, normal: NormalStep, content: Content) -> Step:
    """A call that does not say how long it may last lasts as long as its script may take."""
    written = normal.draft.written
    if isinstance(step, Call) and isinstance(written, WrittenCall) and written.max_duration is None:
        return msgspec.structs.replace(step, max_duration_s=content.max_duration_s[step.script])
    return step
