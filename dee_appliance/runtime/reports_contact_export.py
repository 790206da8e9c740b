"""Everything that the file has about one contact, as a person may ask for it (GDPR article 15); after an erasure, what is left.

Personal data come from the vault, everything else from the log: each thing that was decided or happened names its entry, so that
what is told here can be checked with `dee verify`. What other programs and copies of the file hold is not here, and is said.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import msgspec

from dee_appliance.kernel.e1.input import Scalar
from dee_appliance.kernel.e1.plan import Task
from dee_appliance.runtime.reports_contacts import ContactReport, contact_show
from dee_appliance.runtime.reports_enrolment import Refusal, refusals_of
from dee_appliance.runtime.reports_log import Log, LogFilter
from dee_appliance.runtime.reports_messages import ContactMessage, messages_of
from dee_appliance.runtime.reports_permission import ConsentChange, consent_show
from dee_appliance.runtime.reports_runs import RunFilter, RunRow, find_run, select_runs
from dee_appliance.runtime.reports_timeline import Teller, plan_of_label
from dee_appliance.runtime.reports_view import Instant, Times, one_moment
from dee_appliance.store.vault import REPLY, refused_field

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dee_appliance.kernel.e1.run import Contact
    from dee_appliance.runtime.reading import View
    from dee_appliance.runtime.reports_log import LogLine
    from dee_appliance.runtime.reports_timeline import Moment

NOT_COVERED = (
    "copies and snapshots of the file, and what was exported from it before",
    "what providers of e-mail, text messages and calls keep of what was handed to them",
    "the sandbox's folder of messages, if the sandbox was used",
)
"""Where data of the contact may lie that this file cannot know of."""


class KeptValue(msgspec.Struct, frozen=True, kw_only=True):
    """Personal data beside what counts now: an earlier version, what the person wrote, or what came with a refused request."""

    field: str
    input: int
    at: Instant
    value: object


class ContactChange(msgspec.Struct, frozen=True, kw_only=True):
    """What was recorded when the contact came in or was changed: attributes, and facts derived from the data."""

    entry: int
    at: Instant
    what: str
    attributes: dict[str, Scalar]
    facts: dict[str, object]


class SuppressionChange(msgspec.Struct, frozen=True, kw_only=True):
    """One entry about a suppression."""

    entry: int
    at: Instant
    outcome: str
    scope: str
    reason: str


class ExportedStep(msgspec.Struct, frozen=True, kw_only=True):
    """One entry of a run in words."""

    entry: int
    at: Instant
    step: str
    visit: int
    action: str
    outcome: str
    text: str


class ExportedRun(msgspec.Struct, frozen=True, kw_only=True):
    """One run with everything that happened in it. `variables` are in the log, `texts` in the vault."""

    run: str
    plan: str
    title: str
    purpose: str
    status: str
    reason: str
    started: Instant
    changed: Instant
    variables: dict[str, Scalar]
    texts: dict[str, str]
    steps: tuple[ExportedStep, ...]


class ExportedEvent(msgspec.Struct, frozen=True, kw_only=True):
    """Something that happened outside: in which run, and about which of its steps (neither: about the contact)."""

    entry: int
    at: Instant
    event: str
    kind: str
    run: str
    about: str


class ExportedTask(msgspec.Struct, frozen=True, kw_only=True):
    """A step that a person does. `outcome` is empty while it waits, and when the run ended meanwhile."""

    run: str
    step: str
    visit: int
    instructions: str
    assigned: Instant
    outcome: str
    ended: Instant | None


class PurposeUse(msgspec.Struct, frozen=True, kw_only=True):
    """For what the data were used: plans, messages by channel, and the entries of the consents relied on.

    `without_consent` counts messages for which no rule asked for consent.
    """

    purpose: str
    plans: tuple[str, ...]
    messages: dict[str, int]
    consents: tuple[int, ...]
    without_consent: int


class Remaining(msgspec.Struct, frozen=True, kw_only=True):
    """Something that an erasure leaves, how many of it, and why."""

    what: str
    count: int
    why: str


class ContactExport(msgspec.Struct, frozen=True, kw_only=True):
    """Everything about one contact at one moment of the file: its log had `log_size` entries and ended with `log_head`.

    `waiting` counts requests about the contact that bring personal data and have not been admitted yet. `remains` is empty
    unless the contact was erased.
    """

    lineage: str
    as_of: Instant
    log_size: int
    log_head: str
    contact: ContactReport
    facts: dict[str, object]
    tokens: tuple[str, ...]
    earlier: tuple[KeptValue, ...]
    waiting: int
    changes: tuple[ContactChange, ...]
    consent_history: tuple[ConsentChange, ...]
    suppression_history: tuple[SuppressionChange, ...]
    purposes: tuple[PurposeUse, ...]
    runs: tuple[ExportedRun, ...]
    refused: tuple[Refusal, ...]
    messages: tuple[ContactMessage, ...]
    events: tuple[ExportedEvent, ...]
    tasks: tuple[ExportedTask, ...]
    erased: tuple[Instant, ...]
    remains: tuple[Remaining, ...]
    not_covered: tuple[str, ...] = NOT_COVERED


def contact_export(view: View, text: str) -> ContactExport:
    """Return everything about the contact that a text names. Raises Refused for an unknown one."""
    with one_moment(view):
        identity = view.resolve_contact(text)
        return _Exporter(view, identity).export()


class _Exporter:
    def __init__(self, view: View, identity: str) -> None:
        self._view = view
        self._log = Log(view)
        self._contact: Contact = view.state.contact(identity)
        teller = Teller(view, self._log, self._contact)
        self._times: Times = teller.times
        self._told: list[tuple[LogLine, Moment]] = [
            (line, teller.moment(line, plan_of_label(view, line.plan)))
            for line in self._log.lines(LogFilter(contact=identity))
        ]

    def export(self) -> ContactExport:
        view, identity = self._view, self._contact.contact
        messages = messages_of(view, self._log, self._told)
        runs = tuple(self._run(row) for row in select_runs(view, RunFilter(contact=identity)))
        history = consent_show(view, identity).history
        changes = tuple(self._changes())
        suppressions = tuple(self._suppressions())
        return ContactExport(
            lineage=view.lineage.hex(),
            as_of=self._times.at(view.last_tick),
            log_size=view.log_size,
            log_head=view.log_head.hex(),
            contact=contact_show(view, identity),
            facts=self._contact.facts,
            tokens=tuple(sorted(self._contact.tokens)),
            earlier=tuple(self._earlier()),
            waiting=view.waiting_about(identity),
            changes=changes,
            consent_history=history,
            suppression_history=suppressions,
            purposes=tuple(_purposes(runs, messages)),
            runs=runs,
            refused=tuple(refusals_of(view, self._log, self._contact)),
            messages=tuple(messages),
            events=tuple(self._events()),
            tasks=tuple(self._tasks()),
            erased=tuple(moment.at for line, moment in self._told if line.action == "erase" and "basis" in line.detail),
            remains=self._remains(changes, len(messages), len(history)) if self._contact.erased else (),
        )

    # ---- the person ----

    def _earlier(self) -> Iterator[KeptValue]:
        """What the vault keeps beside what counts now: older versions, what the person wrote, what came with refused requests.

        The evidence of consents stands with the consents. Never the secret.
        """
        rows = self._view.vault.rows(self._contact.contact)
        newest = {field: value for field, _, value in rows}
        for field, seq, value in rows:
            replaced = field in ("profile", "key") and value != newest[field]
            refused = field.startswith("refused:") and field != refused_field("secret")
            if not replaced and not refused and field != REPLY:
                continue
            yield KeptValue(field=field, input=seq, at=self._at_input(seq), value=_plain(value))

    def _at_input(self, seq: int) -> Instant:
        return self._times.at(self._view.tick_of_input(seq))

    def _changes(self) -> Iterator[ContactChange]:
        for line, moment in self._told:
            if line.action == "contact" and "attributes" in line.detail:
                yield ContactChange(
                    entry=line.seq,
                    at=moment.at,
                    what=line.outcome,
                    attributes=msgspec.convert(line.detail["attributes"], dict[str, Scalar]),
                    facts=msgspec.convert(line.detail["facts"], dict[str, object]),
                )

    def _suppressions(self) -> Iterator[SuppressionChange]:
        """Entries about the contact, and those about an address of it that were made before anybody knew whose it is."""
        found = {line.seq: line for line, _ in self._told if line.action == "suppress"}
        for one in self._contact.suppressions:
            line = self._log.entry(one.entry)
            if line is not None:
                found.setdefault(line.seq, line)
        for seq in sorted(found):
            line = found[seq]
            yield SuppressionChange(
                entry=seq,
                at=self._times.at(line.tick + self._view.epoch),
                outcome=line.outcome,
                scope=str(line.detail.get("scope", "")),
                reason=str(line.detail.get("reason", "")),
            )

    # ---- what happened ----

    def _run(self, row: RunRow) -> ExportedRun:
        view = self._view
        run = find_run(view, row.run).run
        plan = view.state.plan(run.digest).plan
        steps = [moment for _, moment in self._told if moment.run == row.run]
        return ExportedRun(
            run=row.run,
            plan=row.plan,
            title=plan.title,
            purpose=plan.purpose,
            status=row.status,
            reason=row.reason,
            started=self._times.at(run.started),
            changed=self._times.at(row.changed.tick + view.epoch),
            variables=run.variables,
            texts=view.vault.variables(run.contact, run.run),
            steps=tuple(
                ExportedStep(
                    entry=moment.seq,
                    at=moment.at,
                    step=moment.step,
                    visit=moment.visit,
                    action=moment.action,
                    outcome=moment.outcome,
                    text=moment.text,
                )
                for moment in steps
            ),
        )

    def _events(self) -> Iterator[ExportedEvent]:
        for line, moment in self._told:
            if line.action == "event":
                yield ExportedEvent(
                    entry=line.seq,
                    at=moment.at,
                    event=line.outcome,
                    kind=str(line.detail.get("kind", "")),
                    run=line.run or "",
                    about=str(line.detail.get("about", "")),
                )

    def _tasks(self) -> Iterator[ExportedTask]:
        tasks = [(line, moment) for line, moment in self._told if line.action == "task"]
        for line, moment in tasks:
            if line.outcome != "assigned":
                continue
            step = self._view.state.plan(find_run(self._view, str(line.run)).run.digest).steps.get(moment.step)
            place = (line.run, moment.step, moment.visit)
            ended = [one for other, one in tasks if one.seq > line.seq and (other.run, one.step, one.visit) == place]
            yield ExportedTask(
                run=str(line.run),
                step=moment.step,
                visit=moment.visit,
                instructions=step.instructions if isinstance(step, Task) else "",
                assigned=moment.at,
                outcome=ended[0].outcome if ended else "",
                ended=ended[0].at if ended else None,
            )

    # ---- after an erasure ----

    def _remains(self, changes: tuple[ContactChange, ...], messages: int, consents: int) -> tuple[Remaining, ...]:
        contact = self._contact
        kept = len({name for change in changes for name in (*change.attributes, *change.facts)})
        rows = (
            (
                "the contact's id",
                1,
                "the log names the contact by it; it was drawn at random and says nothing of the person",
            ),
            ("keyed tokens of addresses", len(contact.tokens), KEPT_FOR_SUPPRESSION),
            (
                "suppressions in force",
                len(contact.suppressions),
                "so that nobody who asked to be left alone is contacted again",
            ),
            ("entries about consent", consents, "they are the evidence on which messages were sent"),
            (
                "entries of the log",
                len(self._told),
                "the log is append-only and proves what was decided; it holds codes, no texts",
            ),
            (
                "attributes and derived facts, as they were recorded",
                kept,
                "decisions were made from them, and replay from them",
            ),
            (
                "commitments to messages",
                messages,
                "they are keyed with a secret that was erased, so they tell nothing of a text",
            ),
        )
        return tuple(Remaining(what=what, count=count, why=why) for what, count, why in rows if count)


KEPT_FOR_SUPPRESSION = (
    "so that a suppression still applies and an import knows the address again, without the file holding it"
)


def _plain(value: str) -> object:
    """A value of the vault: a JSON object of texts, or the text itself."""
    try:
        return msgspec.json.decode(value, type=dict[str, str])
    except msgspec.DecodeError:
        return value


def _purposes(runs: tuple[ExportedRun, ...], messages: list[ContactMessage]) -> Iterator[PurposeUse]:
    for purpose in sorted({run.purpose for run in runs}):
        sent = [one for one in messages if one.purpose == purpose]
        yield PurposeUse(
            purpose=purpose,
            plans=tuple(sorted({run.plan for run in runs if run.purpose == purpose})),
            messages=dict(sorted(Counter(one.channel for one in sent).items())),
            consents=tuple(sorted({one.consent.entry for one in sent if one.consent is not None})),
            without_consent=sum(one.consent is None for one in sent),
        )
