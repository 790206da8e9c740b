"""The messages of one contact: when they left, on which consent, what became of them, and what they said.

The file keeps no text of a message, only a commitment to its bytes. As long as the contact's data are there the message is made
again from what counted when it left (the profile, attributes and sender of that time), and the commitment proves that it is the
same, byte for byte.
"""

from __future__ import annotations

from email import message_from_bytes, policy
from typing import TYPE_CHECKING

import msgspec

from dee_appliance.content.rendering import Prepared, prepare
from dee_appliance.kernel.e1.input import Scalar
from dee_appliance.kernel.e1.plan import CHANNEL_OF, Call, SendEmail, SendSms
from dee_appliance.runtime.gate_words import ConsentRelied
from dee_appliance.runtime.reports_runs import find_run
from dee_appliance.runtime.reports_view import Instant
from dee_appliance.runtime.rerender import PastVault
from dee_appliance.runtime.shell import render_request, sender_of

if TYPE_CHECKING:
    from email.message import EmailMessage, MIMEPart

    from dee_appliance.kernel.e1.compiled import CompiledPlan
    from dee_appliance.kernel.e1.run import Run
    from dee_appliance.runtime.reading import View
    from dee_appliance.runtime.reports_log import Log, LogLine
    from dee_appliance.runtime.reports_timeline import Moment

ERASED = "the contact's data were erased"
OTHERWISE = "made again it is another message than the one that left: this program renders otherwise"


class Happened(msgspec.Struct, frozen=True, kw_only=True):
    """One word about something, and the entry that says it."""

    entry: int
    at: Instant
    what: str


class MessageText(msgspec.Struct, frozen=True, kw_only=True):
    """What a message said. `proven`: its bytes have the commitment of the log. `missing` says why there is no text."""

    proven: bool = False
    missing: str = ""
    to: str = ""
    subject: str = ""
    text: str = ""
    html: str = ""
    script: dict[str, object] = {}


class ContactMessage(msgspec.Struct, frozen=True, kw_only=True):
    """One attempt that left, or may have left. `outcome` is the newest word about it, `events` what came back later.

    `consent` is the one relied on (none where no rule asked for it); `template` is the plan's name of it, `digest` that of its
    document; `commitment` binds the bytes to the contact's secret; `provider` is what the provider said.
    """

    entry: int
    handed_over: Instant
    channel: str
    plan: str
    purpose: str
    run: str
    step: str
    visit: int
    attempt: int
    outcome: Happened | None
    events: tuple[Happened, ...]
    consent: ConsentRelied | None
    send: str
    message_id: str
    template: str
    digest: str
    bytes: int
    units: int
    commitment: str
    provider: dict[str, str]
    content: MessageText


def messages_of(view: View, log: Log, told: list[tuple[LogLine, Moment]]) -> list[ContactMessage]:
    """Return the messages among a contact's entries, in the order in which they left. `told` are all its entries."""
    messages = _Messages(view, log, told)
    return [messages.message(line, moment) for line, moment in told if line.outcome == "dispatched"]


def _happened(moment: Moment) -> Happened:
    return Happened(entry=moment.seq, at=moment.at, what=moment.outcome)


def _previous_steps(lines: list[LogLine]) -> dict[int, str]:
    """Return for each entry of a run the step where the run had been before, as the kernel remembers it."""
    at: dict[str, tuple[str, str]] = {}
    found: dict[int, str] = {}
    for line in lines:
        if line.run is None:
            continue
        step, before = at.get(line.run, ("", ""))
        if line.step and line.step != step:
            step, before = line.step, step
        at[line.run] = step, before
        found[line.seq] = before
    return found


class _Messages:
    """Tells the messages of one contact, and makes them again from what counted when they left."""

    def __init__(self, view: View, log: Log, told: list[tuple[LogLine, Moment]]) -> None:
        self._view = view
        self._log = log
        self._moments = [moment for _, moment in told]
        self._previous = _previous_steps([line for line, _ in told])
        self._vault = PastVault(view.database)
        self._changes = [line for line, _ in told if line.action == "contact" and "attributes" in line.detail]

    def message(self, line: LogLine, moment: Moment) -> ContactMessage:
        """Return the message whose hand-over this entry recorded."""
        run = find_run(self._view, str(line.run)).run
        plan = self._view.state.plan(run.digest)
        step = plan.steps[str(line.step)]
        assert isinstance(step, SendEmail | SendSms | Call)
        given = line.evidence.get("given")
        made: dict[str, object] = given if isinstance(given, dict) else {}
        answer = self._view.vault.newest(run.contact, f"answer:{moment.send}:{moment.attempt}")
        words, events = self._later(moment)
        return ContactMessage(
            entry=line.seq,
            handed_over=moment.at,
            channel=CHANNEL_OF[line.action],
            plan=plan.label,
            purpose=plan.plan.purpose,
            run=run.run,
            step=moment.step,
            visit=moment.visit,
            attempt=moment.attempt,
            outcome=words[-1] if words else None,
            events=events,
            consent=moment.consent,
            send=moment.send,
            message_id=moment.message_id,
            template=step.script if isinstance(step, Call) else step.template,
            digest=str(made.get("template", "")),
            bytes=int(str(made.get("bytes", 0))),
            units=int(str(made.get("units", 0))),
            commitment=str(line.evidence.get("commitment", "")),
            provider={} if answer is None else msgspec.json.decode(answer, type=dict[str, str]),
            content=self._content(line, msgspec.structs.replace(run, previous=self._previous[line.seq]), plan),
        )

    def _later(self, sent: Moment) -> tuple[tuple[Happened, ...], tuple[Happened, ...]]:
        """What the run says later of this attempt, and what came back about the step."""
        later = [one for one in self._moments if one.run == sent.run and one.seq > sent.seq]
        attempt, place = (sent.send, sent.attempt, sent.action), (sent.step, sent.visit)
        words = (one for one in later if (one.send, one.attempt, one.action) == attempt)
        events = (one for one in later if one.action == "event" and (one.about, one.about_visit) == place)
        return tuple(_happened(one) for one in words), tuple(_happened(one) for one in events)

    def _content(self, line: LogLine, run: Run, plan: CompiledPlan) -> MessageText:
        self._vault.seq = line.input
        attempt = self._view.state.attempt(str(line.evidence["send"]), int(str(line.evidence["attempt"])))
        if attempt is None or self._vault.newest(run.contact, "profile") is None:
            return MessageText(missing=ERASED)
        request = render_request(self._view.state, self._vault, attempt, run, plan)
        request = msgspec.structs.replace(
            request,
            sender=sender_of(self._settings_before(line.seq)),
            contact={**self._attributes_before(line.seq), **self._vault.profile(run.contact)},
        )
        prepared = prepare(request)
        if prepared.given.code != "ok" or prepared.given.commitment != line.evidence.get("commitment"):
            return MessageText(missing=OTHERWISE)
        return _said(prepared)

    def _attributes_before(self, seq: int) -> dict[str, Scalar]:
        newest = next((line for line in reversed(self._changes) if line.seq < seq), None)
        return {} if newest is None else msgspec.convert(newest.detail["attributes"], dict[str, Scalar])

    def _settings_before(self, seq: int) -> dict[str, object]:
        """The settings of the file as they were: those that have changed since are looked up in the log."""
        state = self._view.state
        settings = {key: value for key, value in state.settings.items() if state.setting_entries[key] < seq}
        wanted = {key for key in state.settings if key.startswith("sender.") and key not in settings}
        for line in self._log.newest("config", seq) if wanted else ():
            key = line.detail.get("key")
            if line.outcome == "set" and key in wanted:
                settings[str(key)] = line.detail["value"]
                wanted.discard(str(key))
            if not wanted:
                break
        return settings


def _said(prepared: Prepared) -> MessageText:
    if not prepared.body:
        return MessageText(proven=True, to=prepared.to, text=prepared.text, script=prepared.script)
    message: EmailMessage = message_from_bytes(prepared.body, policy=policy.default)
    plain, html = (message.get_body(preferencelist=(kind,)) for kind in ("plain", "html"))
    return MessageText(
        proven=True,
        to=prepared.to,
        subject=str(message["Subject"] or ""),
        text=_lines(plain),
        html=_lines(html),
    )


def _lines(part: MIMEPart | None) -> str:
    return "" if part is None else str(part.get_content()).replace("\r\n", "\n")
