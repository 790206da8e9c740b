"""What happened, one entry a line: when (on the contact's clock and in UTC), what it means, what the gate said, what was sent.

One sentence for each action and outcome of the kernel; an entry without one (a newer kernel's) is shown with its own words.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import msgspec

from dee_appliance.authoring.notation import format_duration
from dee_appliance.kernel.e1.plan import CHANNEL_OF, Branch, Wait
from dee_appliance.runtime.gate_words import ConsentRelied
from dee_appliance.runtime.refusal import said
from dee_appliance.runtime.reports_gate import GateReader, Rung
from dee_appliance.runtime.reports_view import Instant, Times, times_of

if TYPE_CHECKING:
    from dee_appliance.kernel.e1.compiled import CompiledPlan
    from dee_appliance.kernel.e1.run import Contact
    from dee_appliance.runtime.reading import View
    from dee_appliance.runtime.reports_log import Log, LogLine

Mark = Literal["done", "stopped", "held", "unknown", "event"]
"""How a moment went: ✔ ✘ ‖ ? · in text."""

DOMAIN_SETTING = "sender.domain"
OPERATOR_ACTIONS = ("pause", "resume", "retry", "resolve", "skip", "cancel")


class Moment(msgspec.Struct, frozen=True, kw_only=True):
    """One entry in words. `at` holds both clocks; `gate` is empty unless the entry asked the gate; `send` is the send key.

    `message_id` is that of the e-mail (empty on other channels), `provider_ref` the provider's own name of the send, if any.
    """

    seq: int
    at: Instant
    run: str | None
    step: str
    visit: int
    about: str
    """The step and visit that the entry speaks of: not those where the run is, when something is told of an earlier send."""
    about_visit: int
    action: str
    outcome: str
    mark: Mark
    text: str
    gate: tuple[Rung, ...] = ()
    consent: ConsentRelied | None = None
    send: str = ""
    attempt: int = 0
    message_id: str = ""
    provider_ref: str = ""
    status: str = ""
    """The status that the run has from here on, where the entry says so."""
    reason: str = ""


class Teller:
    """Tells the moments of one contact."""

    def __init__(self, view: View, log: Log, contact: Contact) -> None:
        self._view = view
        self._gate = GateReader(view, log)
        self._log = log
        self._contact = contact
        self.times: Times = times_of(view, contact)

    def moment(self, line: LogLine, plan: CompiledPlan | None) -> Moment:
        """Return an entry in words. `plan` is the version that the entry's run follows."""
        detail = line.detail
        send = str(line.evidence.get("send", ""))
        number = _number(line.evidence.get("attempt", detail.get("attempt")))
        asked = plan is not None and "gate" in detail
        return Moment(
            seq=line.seq,
            at=self.times.at(line.tick + self._view.epoch),
            run=line.run,
            step=line.step or "",
            visit=line.visit or 0,
            about=str(detail.get("about", line.step or "")),
            about_visit=_number(detail.get("about_visit", line.visit)),
            action=line.action,
            outcome=line.outcome,
            mark=mark_of(line),
            text=self._text(line, plan),
            gate=self._gate.ladder(line, plan) if asked and plan is not None else (),
            consent=self._gate.consent_of(line) if asked else None,
            send=send,
            attempt=number,
            message_id=self.message_id(send, line.seq) if send and CHANNEL_OF.get(line.action) == "email" else "",
            provider_ref=self._provider_ref(send, number) if send and line.outcome != "dispatched" else "",
            status=str(detail.get("status", "")),
            reason=str(detail.get("reason", "")),
        )

    def message_id(self, send_key: str, seq: int) -> str:
        """Return the Message-ID of a send that was made before entry `seq`: the sender's domain of that time counts."""
        domain = self._view.state.settings.get(DOMAIN_SETTING, "")
        if self._view.state.setting_entries.get(DOMAIN_SETTING, 0) > seq:
            earlier = self._log.newest("config", seq)
            domain = next(
                (one.detail.get("value", "") for one in earlier if one.detail.get("key") == DOMAIN_SETTING), ""
            )
        return f"<{send_key}@{domain}>"

    def _provider_ref(self, send_key: str, attempt: int) -> str:
        text = self._view.vault.newest(self._contact.contact, f"answer:{send_key}:{attempt}")
        return "" if text is None else msgspec.json.decode(text, type=dict[str, str]).get("ref", "")

    # ---- sentences ----

    def _text(self, line: LogLine, plan: CompiledPlan | None) -> str:
        if line.outcome == "rejected" and "code" in line.detail:
            return f"refused: {said(str(line.detail['code']))} ({line.detail['code']})"
        match line.action:
            case "send_email" | "send_sms" | "call":
                return self._sending(line)
            case "wait":
                return self._waiting(line, plan)
            case "branch":
                return _branching(line, plan)
            case "event":
                return _event(line)
            case action if action in OPERATOR_ACTIONS:
                return _operated(line)
            case _:
                return self._other(line, plan)

    def _sending(self, line: LogLine) -> str:
        detail = line.detail
        what = {"send_email": "e-mail", "send_sms": "text message", "call": "call"}[line.action]
        attempt = f" (attempt {detail['attempt']})" if detail.get("attempt", 1) != 1 else ""
        match line.outcome:
            case "dispatched":
                return f"{what} handed to the provider{attempt}"
            case "accepted":
                return f"{what} accepted by the provider{attempt}{_to(detail)}"
            case "ongoing":
                return f"the provider has the call, its outcome is due by {self._clock(detail.get('until'))}"
            case "rejected":
                retry = f"; next attempt {self._clock(detail['retry'])}" if "retry" in detail else ""
                return f"{what} not sent: {_rejection(line)}{attempt}{retry}{_to(detail)}"
            case "unknown":
                return f"nobody knows whether the {what} was sent{attempt}: {_why_unknown(line)}"
            case "confirmed":
                return f"the unknown outcome turned out to be {detail.get('outcome', 'accepted')}{_to(detail)}"
            case _:
                return self._not_sent(line, what)

    def _not_sent(self, line: LogLine, what: str) -> str:
        detail = line.detail
        match line.outcome:
            case "held":
                until = self._clock(detail.get("until")) if detail.get("until") is not None else "a person acts"
                return f"{what} held by {detail.get('rule')} until {until}"
            case "not_rendered":
                field = f" ({detail['field']})" if "field" in detail else ""
                return f"{what} could not be made: {detail.get('code')}{field}"
            case "visits_exceeded":
                return f"the step was visited as often as the plan allows{_to(detail)}"
            case outcome if outcome.startswith("denied"):
                return f"{what} refused by {detail.get('rule')}: {detail.get('why')}"
            case outcome:
                return f"{what}: {outcome}{_to(detail)}"

    def _waiting(self, line: LogLine, plan: CompiledPlan | None) -> str:
        detail = line.detail
        since = detail.get("since")
        waited = format_duration(line.tick + self._view.epoch - since) if isinstance(since, int) else ""
        late = f", {format_duration(int(str(detail['late'])))} late" if "late" in detail else ""
        match line.outcome:
            case "elapsed":
                return f"waited {waited}{late}{_to(detail)}"
            case "met":
                return f"{_condition(line, plan) or 'the condition'} is true after {waited}{_to(detail)}"
            case "past":
                return f"nothing to wait for: the moment had passed{_to(detail)}"
            case "moved":
                return f"the moment has moved (time-zone rules, or the contact): the wait ends {self._clock(detail.get('until'))}"
            case outcome:
                return f"{outcome}: {detail.get('reason', '')}".rstrip(": ")

    def _other(self, line: LogLine, plan: CompiledPlan | None) -> str:
        detail = line.detail
        match line.action, line.outcome:
            case "enroll", "scheduled":
                return f"will enter {line.plan} {self._clock(detail.get('start'))}"
            case "enroll", _:
                return f"entered {line.plan}, enrolment {detail.get('ordinal')}{_to(detail)}"
            case "task", "assigned":
                return f"a person is to act until {self._clock(detail.get('until'))}"
            case "task", outcome:
                return f"task {outcome.replace('_', ' ')}{_to(detail)}"
            case "split", arm:
                return f"arm {arm}{_to(detail)}"
            case "exit", outcome:
                return f"{_exit(line, plan) or 'an exit condition'} is true: ends as {outcome}"
            case "end", outcome:
                return f"ends as {outcome}"
            case _:
                return _told_of_contact(line)

    def _clock(self, tick: object) -> str:
        """A moment inside a sentence: on the contact's clock, else in UTC."""
        if not isinstance(tick, int):
            return "an unknown time"
        at = self.times.at(tick)
        return short(at.local or at.utc)


def plan_of_label(view: View, label: str | None) -> CompiledPlan | None:
    """Return the plan version that the log calls `name@version`, None for one that is not in the file."""
    name, _, version = (label or "").rpartition("@")
    digest = view.state.plan_digest(name, int(version)) if name and version.isdecimal() else None
    return None if digest is None else view.state.plan(digest)


def _number(value: object) -> int:
    return value if isinstance(value, int) else 0


def short(text: str) -> str:
    """Write an ISO moment as people read it: `2026-11-23 09:00 -08:00`; seconds only where there are some."""
    day, _, rest = text.partition("T")
    clock, zone = rest[:8], rest[8:]
    clock = clock.removesuffix(":00")
    return f"{day} {clock}{zone}" if zone == "Z" else f"{day} {clock} {zone}"


def mark_of(line: LogLine) -> Mark:
    """Return how an entry went."""
    status = line.detail.get("status")
    if line.outcome == "unknown":
        return "unknown"
    if status == "FAILED" or line.outcome.startswith("denied") or "code" in line.detail:
        return "stopped"
    if status in ("HELD", "PAUSED") or line.action in ("hold", "halt"):
        return "held"
    if line.action in ("send_email", "send_sms", "call") and line.outcome in ("rejected", "failed"):
        return "stopped"
    return "event" if line.action in ("event", "answer") else "done"


def _to(detail: dict[str, object]) -> str:
    return f" → {detail['to']}" if "to" in detail else ""


def _rejection(line: LogLine) -> str:
    """What the adapter said, as far as the closed codes go."""
    code = line.evidence.get("code")
    return f"{line.detail.get('kind')}, {code}" if code else str(line.detail.get("kind", "rejected"))


def _why_unknown(line: LogLine) -> str:
    return str(line.evidence.get("code") or line.detail.get("cause") or "no answer")


def _condition(line: LogLine, plan: CompiledPlan | None) -> str:
    step = None if plan is None else plan.steps.get(line.step or "")
    return step.until or "" if isinstance(step, Wait) else ""


def _exit(line: LogLine, plan: CompiledPlan | None) -> str:
    position = line.detail.get("exit")
    if plan is None or not isinstance(position, int) or position >= len(plan.plan.exits):
        return ""
    return plan.plan.exits[position].when


def _branching(line: LogLine, plan: CompiledPlan | None) -> str:
    step = None if plan is None else plan.steps.get(line.step or "")
    position = line.detail.get("case")
    if line.outcome == "taken" and isinstance(step, Branch) and isinstance(position, int):
        return f"{step.cases[position].when} is true{_to(line.detail)}"
    if line.outcome == "else" and isinstance(step, Branch):
        return f"{' and '.join(case.when for case in step.cases)} is not true{_to(line.detail)}"
    return f"{line.outcome}{_to(line.detail)}"


def _event(line: LogLine) -> str:
    kind = f" ({line.detail['kind']})" if "kind" in line.detail else ""
    about = f" about {line.detail['about']}" if "about" in line.detail else ""
    return f"{line.outcome}{kind}{about}"


def _operated(line: LogLine) -> str:
    actor = line.detail.get("actor")
    by = f" by {actor}" if actor else ""
    word = f"resolved as {line.outcome}" if line.action == "resolve" else line.outcome
    return f"{word}{by}{_to(line.detail)}"


def _told_of_contact(line: LogLine) -> str:
    detail, outcome = line.detail, line.outcome
    match line.action:
        case "consent":
            purpose = "every purpose" if detail.get("purpose") == "*" else detail.get("purpose")
            return f"consent {outcome} for {detail.get('channel')}, {purpose} ({detail.get('source')})"
        case "suppress":
            return f"suppression {outcome}: {detail.get('scope')}, {detail.get('reason')}"
        case "contact":
            return f"contact {outcome}"
        case "erase":
            return f"erasure {outcome} ({detail.get('basis')})"
        case "answer":
            return f"late answer about {detail.get('about')}: {detail.get('answer', 'kept as evidence')}"
        case action:
            reason = f": {detail['reason']}" if "reason" in detail else ""
            return f"{action} {outcome}{reason}"
