"""One pass over the log: each entry goes to whoever of the compliance report has to know of it.

Everything before the period is read as well, for what was known of contacts, rules and sends when it began; only what lies in the
period is counted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from dee_appliance.kernel.e1.civil_date import civil_from_days
from dee_appliance.kernel.e1.civil_time import DAY_S, format_utc
from dee_appliance.kernel.e1.input import (
    EVENTS,
    ConsentSet,
    ContactErase,
    ContactPut,
    Enroll,
    Event,
    SuppressionSet,
)
from dee_appliance.kernel.e1.plan import CHANNEL_OF
from dee_appliance.runtime.compliance_acts import ACTS, Acts
from dee_appliance.runtime.compliance_duties import Duties, SendAfter
from dee_appliance.runtime.compliance_hours import Hours
from dee_appliance.runtime.compliance_log import Words
from dee_appliance.runtime.compliance_people import EVERY_CHANNEL, People
from dee_appliance.runtime.compliance_rules import RuleReader, kind_and_cite
from dee_appliance.runtime.compliance_sends import Sends

if TYPE_CHECKING:
    from dee_appliance.runtime.compliance_log import Cause, Line, LogReader, Memory
    from dee_appliance.runtime.compliance_rules import RuleSet
    from dee_appliance.runtime.reading import View

SAID_NO = {name: str(meaning.channel) for name, meaning in EVENTS.items() if meaning.suppresses}
"""Events by which a person opts out, and their channel. A bounce is nobody's word."""
VERBS = ("pause", "resume", "cancel", "retry", "resolve", "skip", "task")


class ProcessingRow(msgspec.Struct, kw_only=True):
    """Sends of one purpose and channel, and how many different contacts they went to."""

    purpose: str
    channel: str
    sends: int = 0
    contacts: int = 0


class ConsentRow(msgspec.Struct, kw_only=True):
    """Sends that relied on consents of one class, basis and source; ages in whole days at the dispatch.

    `consent_class` is empty where no consent rule stood for the send.
    """

    channel: str
    purpose: str
    consent_class: str
    basis: str
    source: str
    sends: int = 0
    youngest_days: int = -1
    oldest_days: int = -1


class RefusalRow(msgspec.Struct, kw_only=True):
    """How often a rule has refused or held. `verdict`: deny, hold (one send), queue (a whole queue, counted once)."""

    verdict: str
    rule: str
    kind: str
    reason: str
    channel: str
    cite: str
    count: int = 0


class EventRow(msgspec.Struct, kw_only=True):
    """Events of one name and kind, each counted once, by the plan of the send ("" if that is not known)."""

    event: str
    kind: str
    plan: str
    count: int = 0


class _Consent(msgspec.Struct, frozen=True):
    consent_class: str
    basis: str
    source: str
    obtained: int


class Fold:
    """What has been read so far. `first` is the first tick of the period."""

    def __init__(self, view: View, reader: LogReader, memory: Memory, first: int) -> None:
        self._reader = reader
        self._memory = memory
        self._first = first
        self.rules = RuleReader(view)
        self.people = People(memory)
        self.hours = Hours()
        self.duties = Duties()
        self.sends = Sends(memory, first)
        self.acts = Acts(first)
        self.processing: dict[tuple[str, str], ProcessingRow] = {}
        self.contacted = 0
        self.added = 0
        self.consents: dict[tuple[str, ...], ConsentRow] = {}
        self.refusals: dict[tuple[str, ...], RefusalRow] = {}
        self.events: dict[tuple[str, ...], EventRow] = {}
        self.entries = 0
        self.first_entry = self.last_entry = -1
        self._counted: tuple[int, str] = (-1, "")
        self._sources, self._kinds = Words(), Words()

    def read(self, line: Line) -> None:
        """Take one entry."""
        inside = line.core.tick >= self._first
        if inside:
            if not self.entries:
                self.first_entry = line.seq
                self.duties.in_force(self.rules.duties())
            self.entries += 1
        self.last_entry = line.seq
        match line.core.action:
            case "send_email" | "send_sms" | "call":
                self._send(line, inside=inside)
            case "contact" | "erase" | "consent" | "suppress" | "enroll":
                self._contact(line, inside=inside)
            case "event":
                self._event(line, inside=inside)
            case "answer":
                self.sends.late(line, self._reader.cause(line))
            case "hold":
                self._queue_held(line, inside=inside)
            case action if action in VERBS:
                if action == "resolve":
                    self.sends.person_resolved(line)
                self.acts.verb(line)
            case _:
                self._file(line)

    # ---- sends ----

    def _send(self, line: Line, *, inside: bool) -> None:
        outcome = line.core.outcome
        if outcome == "dispatched":
            self._dispatched(line, inside=inside)
        elif outcome == "held" or outcome.partition(":")[0] == "denied":
            self._stopped(line, "hold" if outcome == "held" else "deny", inside=inside)
        elif outcome == "not_rendered":
            if inside:
                self._refusal(line, "deny", "(rendering)", ("rendering", ""), str(line.core.detail.get("code", "")))
        else:
            self.sends.outcome(line)

    def _dispatched(self, line: Line, *, inside: bool) -> None:
        rules, channel = self.rules.rules(line), CHANNEL_OF[line.core.action]
        plan = self.rules.plan_of(str(line.core.plan))
        assert plan is not None, line.core.plan
        tick, contact = line.core.tick, self.people.of_run(line.run)
        key = (date_text(tick), channel, str(line.core.plan), plan.purpose)
        self.sends.dispatched(line, key, rules)
        names = (contact, f"{contact}/{channel}", f"{contact}/{channel}/{plan.purpose}")
        first, _, first_here = self.people.reached(names, tick, self._first)
        if not inside:
            return
        self.contacted += first
        row = self.processing.setdefault((plan.purpose, channel), ProcessingRow(purpose=plan.purpose, channel=channel))
        row.sends += 1
        row.contacts += first_here
        self._relied_on(line, channel, plan.purpose)
        table = self.rules.zone_table(line.saw.get("zones"))
        self.hours.look(line, channel, self.people.person(contact), rules, table)
        kinds = self._kinds_asked(line, rules)
        for stop in self.people.standing(contact, channel, plan.plan, plan.purpose):
            after = SendAfter(
                entry=line.seq,
                utc=format_utc(tick),
                channel=channel,
                plan=str(line.core.plan),
                way=stop.way,
                opt_out=stop.entry,
                asked=stop.kind == "erasure" or stop.kind in kinds,
            )
            self.duties.sent(after, plan.purpose)

    def _kinds_asked(self, line: Line, rules: RuleSet) -> list[str]:
        ladder = line.core.detail.get("gate")
        return [kind_and_cite(rules, str(one[0]))[0] for one in ladder] if isinstance(ladder, list) else []

    def _relied_on(self, line: Line, channel: str, purpose: str) -> None:
        entry = line.saw.get("consent")
        consent = self._consent(entry) if isinstance(entry, int) else None
        told = ("", "", "") if consent is None else (consent.consent_class, consent.basis, consent.source)
        source = self._sources.kept(told[2])
        key = (channel, purpose, told[0], told[1], source)
        row = self.consents.get(key)
        if row is None:
            row = self.consents[key] = ConsentRow(
                channel=channel, purpose=purpose, consent_class=told[0], basis=told[1], source=source
            )
        row.sends += 1
        if consent is not None:
            days = max(line.core.tick - consent.obtained, 0) // DAY_S
            row.youngest_days = days if row.youngest_days < 0 else min(row.youngest_days, days)
            row.oldest_days = max(row.oldest_days, days)

    def _consent(self, entry: int) -> _Consent | None:
        found = self._memory.newest.get(f"consent/{entry}")
        return None if found is None else msgspec.json.decode(found[1], type=_Consent)

    def _stopped(self, line: Line, verdict: str, *, inside: bool) -> None:
        rules, rule = self.rules.rules(line), str(line.core.detail.get("rule", ""))
        self.sends.refused(line, rule, rules)
        if inside:
            self._refusal(line, verdict, rule, kind_and_cite(rules, rule), str(line.core.detail.get("why", "")))

    def _queue_held(self, line: Line, *, inside: bool) -> None:
        """A shared hold names its rule and no send: what it was stands in the policy and packs in force."""
        rule = str(line.core.detail.get("rule", ""))
        found = self.rules.named(rule) if rule else None
        if inside:
            what = found or (line.core.outcome, "")
            self._refusal(line, "queue", rule or line.core.outcome, what, line.core.outcome)

    def _refusal(self, line: Line, verdict: str, rule: str, what: tuple[str, str], reason: str) -> None:
        channel = CHANNEL_OF.get(line.core.action, "")
        key = (verdict, rule, reason, channel)
        row = self.refusals.get(key)
        if row is None:
            kind, cite = what
            row = self.refusals[key] = RefusalRow(
                verdict=verdict, rule=rule, kind=kind, reason=reason, channel=channel, cite=cite
            )
        row.count += 1

    # ---- contacts ----

    def _contact(self, line: Line, *, inside: bool) -> None:
        if line.core.outcome == "rejected":
            return
        cause = self._reader.cause(line)
        match line.core.action, cause.value:
            case "contact", ContactPut() as value:
                self.people.put(line, value)
                self.added += inside and line.core.outcome == "added"
            case "erase", ContactErase() as value:
                self._opt_out(line, cause, "erasure", "", inside=inside)
                self.people.erase(line, value)
                self.acts.erasure(line, cause)
            case "enroll", Enroll() as value:
                self.people.enrolled(line, value)
            case "consent", ConsentSet() as value:
                self._consent_set(line, cause, value, inside=inside)
            case "suppress", _:
                self._suppressed(line, cause, inside=inside)
            case _:
                pass

    def _consent_set(self, line: Line, cause: Cause, value: ConsentSet, *, inside: bool) -> None:
        if line.core.outcome == "granted":
            obtained = line.core.tick if value.obtained is None else value.obtained
            told = _Consent(value.consent_class, value.basis, value.source, obtained)
            self._memory.newest.put(f"consent/{line.seq}", (0, msgspec.json.encode(told).decode()))
        if line.core.outcome in ("granted", "revoked"):
            self.people.consent(line, value)
        if line.core.outcome == "revoked":
            self._opt_out(line, cause, "consent.revoked", value.channel, inside=inside)
        self.acts.consent(line, value)

    def _suppressed(self, line: Line, cause: Cause, *, inside: bool) -> None:
        self.acts.suppressed(line)
        if line.core.outcome == "lifted":
            self.people.lifted(line, cause)
            return
        event = cause.value.name if isinstance(cause.value, Event) else ""
        if event and event not in SAID_NO:
            return  # a dead address is nobody's word
        self.people.suppressed(line, cause, event or "suppression.added")
        if isinstance(cause.value, SuppressionSet):
            scope, _, name = str(line.core.detail.get("scope", "*")).partition(":")
            if scope in ("*", "channel"):
                self._opt_out(line, cause, "suppression.added", name, inside=inside)

    def _event(self, line: Line, *, inside: bool) -> None:
        cause = self._reader.cause(line)
        if line.core.outcome == "rejected":
            return
        self.sends.event(line, cause)
        if self._counted == (line.input.seq, line.core.outcome) or not inside:
            return
        self._counted = (line.input.seq, line.core.outcome)
        name, kind = line.core.outcome, str(line.core.detail.get("kind", ""))
        if name not in EVENTS:
            return
        plan = str(line.core.plan or "") if isinstance(cause.value, Event) and cause.value.send_key else ""
        kind = self._kinds.kept(kind)
        self.events.setdefault((name, kind, plan), EventRow(event=name, kind=kind, plan=plan)).count += 1
        if name in SAID_NO:
            self._opt_out(line, cause, name, SAID_NO[name], inside=inside)

    def _opt_out(self, line: Line, cause: Cause, way: str, channel: str, *, inside: bool) -> None:
        if not inside:
            return
        contact = self.people.about(cause)
        known, asked = self.people.known_since(contact), cause.received
        if isinstance(cause.value, SuppressionSet) and cause.value.since is not None and known is not None:
            # Whoever opted out before this file knew of them was honoured elsewhere, or not.
            asked = min(max(cause.value.since, known), cause.received)
        channels = (channel,) if channel else EVERY_CHANNEL
        crossing = max(self.people.last_reached(contact, one) for one in channels) > asked
        places = self.people.person(contact).places
        self.duties.took(way, channel, asked=asked, tick=line.core.tick, places=places, crossing=crossing)

    # ---- the file itself ----

    def _file(self, line: Line) -> None:
        if line.core.outcome == "rejected" or line.core.action not in ACTS:
            return
        cause = self._reader.cause(line)
        match line.core.action:
            case "policy" if line.core.outcome == "set":
                self.rules.policy_set(line, cause)
            case "zones":
                self.rules.zones_used(line, cause)
            case "pack":
                self.rules.pack_changed(line)
            case "publish" if line.core.outcome == "published":
                self.rules.plan_published(line)
            case _:
                pass
        if line.core.action in ("policy", "pack") and self.entries:
            self.duties.in_force(self.rules.duties())
        self.acts.file(line, cause)


def date_text(tick: int) -> str:
    """Return the UTC date of a tick."""
    year, month, day = civil_from_days(tick // DAY_S)
    return f"{year:04d}-{month:02d}-{day:02d}"
