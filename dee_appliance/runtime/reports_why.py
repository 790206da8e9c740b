"""Why somebody did or did not get something: the decisions about a run, a contact, one message or an address, on their evidence.

Whatever names it will do: a run, a contact (id, e-mail address, number, customer key), a Message-ID or a send key. A contact that
entered no plan is answered with the refusals; an address that is in no contact with its suppressions.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import msgspec

from dee_appliance.errors import Refused
from dee_appliance.kernel.e1.input import EVENTS
from dee_appliance.runtime.gate_words import ConsentRelied
from dee_appliance.runtime.reports_enrolment import Refusal, refusals_of
from dee_appliance.runtime.reports_gate import Rung
from dee_appliance.runtime.reports_log import Log
from dee_appliance.runtime.reports_next import NextAction
from dee_appliance.runtime.reports_permission import (
    ConsentRow,
    SuppressionRow,
    consents_of,
    suppressions_of,
    suppressions_of_subject,
)
from dee_appliance.runtime.reports_run import RunEvidence, run_show
from dee_appliance.runtime.reports_runs import RunFilter, find_run, run_of_send, select_runs
from dee_appliance.runtime.reports_timeline import Moment
from dee_appliance.runtime.reports_view import Instant, name_of, one_moment, times_of

if TYPE_CHECKING:
    from dee_appliance.runtime.reading import View

QUIET_WORDS = ("", "delivered", "opened", "clicked")
"""What conditions call events that change nothing by themselves; the whole of them stands in `dee run show`."""
SEND_KEY_CHARACTERS = 40
SENDS = ("send_email", "send_sms", "call")


class SendWhy(msgspec.Struct, frozen=True, kw_only=True):
    """One intended send: what became of it, and what the gate said when it was last asked.

    `outcome` is the newest word of the log about it, `mark` how that went, `consent` the one relied on, `entries` the evidence.
    """

    step: str
    visit: int
    action: str
    outcome: str
    mark: str
    text: str
    at: Instant
    attempts: int
    send: str
    message_id: str
    provider_ref: str
    gate: tuple[Rung, ...]
    consent: ConsentRelied | None
    entries: tuple[int, ...]


class RunWhy(msgspec.Struct, frozen=True, kw_only=True):
    """One run explained: its decisions without the noise, its sends, what is next, on which evidence."""

    run: str
    plan: str
    digest: str
    status: str
    reason: str
    since: Instant
    lines: tuple[Moment, ...]
    sends: tuple[SendWhy, ...]
    next: NextAction
    evidence: RunEvidence


class Why(msgspec.Struct, frozen=True, kw_only=True):
    """An explanation. `about` says what was asked for; `refused` are enrolments that were not granted."""

    asked: str
    about: Literal["run", "contact", "send", "address"]
    contact: str
    name: str
    zone: str | None
    erased: bool
    consents: tuple[ConsentRow, ...]
    suppressions: tuple[SuppressionRow, ...]
    runs: tuple[RunWhy, ...]
    refused: tuple[Refusal, ...]


class _Asked(msgspec.Struct, frozen=True, kw_only=True):
    about: Literal["run", "contact", "send", "address"]
    contact: str = ""
    run: str = ""
    send: str = ""
    subject: str = ""


def why(view: View, text: str, *, step: str = "", plan: str = "", disarmed: str = "") -> Why:
    """Explain what `text` names. `step` and `plan` (a plan's name) leave out all else. Raises Refused for an unknown name."""
    with one_moment(view):
        asked = _asked(view, text)
        contact = view.state.contact(asked.contact)
        ids = [asked.run] if asked.run else _runs_of(view, asked.contact, plan)
        runs = tuple(_run_why(view, run, step, asked.send, disarmed) for run in ids)
        if step and runs and not any(step in view.state.plan(one.digest).steps for one in runs):
            raise Refused(f"no plan of these runs has a step `{step}`", where=text, hint=f"dee run show {runs[0].run}")
        log = Log(view)
        subject = asked.subject
        found = suppressions_of_subject(view, log, subject) if subject else suppressions_of(view, log, contact)
        return Why(
            asked=text,
            about=asked.about,
            contact=asked.contact,
            name=name_of(view.vault.profile(asked.contact)) if asked.contact else "",
            zone=times_of(view, contact).zone,
            erased=contact.erased,
            consents=consents_of(view, log, contact),
            suppressions=found,
            runs=runs,
            refused=tuple(refusals_of(view, log, contact, plan)) if asked.about == "contact" else (),
        )


def _runs_of(view: View, contact: str, plan: str) -> list[str]:
    if not view.state.contact(contact).known:
        return []
    return [row.run for row in select_runs(view, RunFilter(contact=contact, plan=plan))]


def _asked(view: View, text: str) -> _Asked:
    """Find out what a text names."""
    if text.startswith("run_"):
        return _Asked(about="run", run=text, contact=find_run(view, text).run.contact)
    key = _send_key(text)
    run = run_of_send(view, key) if key else None
    if run is not None:
        return _Asked(about="send", run=run, send=key, contact=find_run(view, run).run.contact)
    try:
        return _Asked(about="contact", contact=view.resolve_contact(text))
    except Refused:
        if next(Log(view).about_contact(text), None) is not None:
            return _Asked(about="contact", contact=text)
        subject = view.suppression_subject(text)
        if view.state.subject_snapshot(view.last_tick, subject).contact.suppressions:
            return _Asked(about="address", subject=subject)
        raise


def _send_key(text: str) -> str:
    """Return the send key that a text is or, as a Message-ID, begins with; "" if it is neither."""
    key = text.strip().removeprefix("<").partition("@")[0]
    return key if len(key) == SEND_KEY_CHARACTERS and not key.strip("0123456789abcdef") else ""


# ---- one run ----


def _run_why(view: View, run: str, step: str, send: str, disarmed: str) -> RunWhy:
    report = run_show(view, run, disarmed=disarmed)
    moments = [moment for moment in report.timeline if step in ("", moment.step, moment.about)]
    if send:
        visits = {(moment.about, moment.about_visit) for moment in moments if moment.send == send}
        moments = [moment for moment in moments if (moment.about, moment.about_visit) in visits]
    return RunWhy(
        run=report.run,
        plan=report.plan,
        digest=report.digest,
        status=report.status,
        reason=report.reason,
        since=report.since,
        lines=tuple(_told(moments)),
        sends=tuple(_sends(moments)),
        next=report.next,
        evidence=report.evidence,
    )


def _told(moments: list[Moment]) -> list[Moment]:
    """Leave out what says nothing by itself: the enrolment, quiet events, and a hand-over that was answered.

    The answer takes over what the gate had said at the hand-over.
    """
    told: list[Moment] = []
    for position, moment in enumerate(moments):
        if moment.action == "enroll" and moment.outcome == "enrolled":
            continue
        if moment.action == "event" and _is_quiet(moment.outcome):
            continue
        if moment.outcome in ("dispatched", "ongoing") and _answered(moment, moments[position + 1 :]):
            continue
        told.append(_with_gate(moment, moments[:position]))
    return told


def _is_quiet(name: str) -> bool:
    meaning = EVENTS.get(name)
    return meaning is not None and meaning.word in QUIET_WORDS


def _answered(moment: Moment, later: list[Moment]) -> bool:
    return any(_same_attempt(moment, one) for one in later)


def _same_attempt(one: Moment, other: Moment) -> bool:
    same = one.send == other.send != "" or (one.step, one.visit) == (other.step, other.visit)
    return same and one.action == other.action and one.attempt == other.attempt


def _with_gate(moment: Moment, earlier: list[Moment]) -> Moment:
    if moment.gate or moment.action not in SENDS:
        return moment
    asked = next((one for one in reversed(earlier) if one.gate and _same_attempt(one, moment)), None)
    if asked is None:
        return moment
    found = msgspec.structs.replace(moment, gate=asked.gate, consent=asked.consent, message_id=asked.message_id)
    return found if found.send else msgspec.structs.replace(found, send=asked.send)


def _sends(moments: list[Moment]) -> list[SendWhy]:
    """Put the entries of each visit of a send step together."""
    visits: dict[tuple[str, int], list[Moment]] = {}
    for moment in moments:
        if moment.action in SENDS:
            visits.setdefault((moment.about, moment.about_visit), []).append(moment)
    return [_send(step, visit, entries) for (step, visit), entries in visits.items()]


def _send(step: str, visit: int, entries: list[Moment]) -> SendWhy:
    last = entries[-1]
    asked = next((one for one in reversed(entries) if one.gate), None)
    handed = next((one for one in reversed(entries) if one.send), None)
    return SendWhy(
        step=step,
        visit=visit,
        action=last.action,
        outcome=last.outcome,
        mark=last.mark,
        text=last.text,
        at=last.at,
        attempts=max(one.attempt for one in entries),
        send="" if handed is None else handed.send,
        message_id="" if handed is None else handed.message_id,
        provider_ref=next((one.provider_ref for one in reversed(entries) if one.provider_ref), ""),
        gate=() if asked is None else asked.gate,
        consent=None if asked is None else asked.consent,
        entries=tuple(one.seq for one in entries),
    )
