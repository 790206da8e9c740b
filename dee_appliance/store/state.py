"""State: fetches everything a decision may read, and writes everything a decision asks for.

Every table touched here is a fold of the input queue. Nothing here decides: if a value needs judging, the judgement
stands in the kernel and the value in a snapshot. What changes rarely (policy, zones, settings, shared holds, compiled
plans) is kept in memory and read again after a rollback.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from msgspec.structs import replace

from dee_appliance.kernel.e1.civil_time import ZoneTable
from dee_appliance.kernel.e1.compiled import CompiledPlan
from dee_appliance.kernel.e1.encoding import canonical_trusted
from dee_appliance.kernel.e1.policy import Policy, SuppressionRule
from dee_appliance.kernel.e1.run import (
    LIVE,
    Attempt,
    Contact,
    Decision,
    Enrolment,
    Entry,
    Hold,
    Run,
    Snapshot,
    Suppression,
    scopes_of,
)
from dee_appliance.kernel.e1.turn import OPEN
from dee_appliance.store.collected_rows import CollectedRows
from dee_appliance.store.counters import Counters
from dee_appliance.store.documents import Documents
from dee_appliance.store.lists import Lists
from dee_appliance.store.queries import load_queries
from dee_appliance.store.rules_in_use import packs_in_use, recorded_facts, suppression_rules
from dee_appliance.store.state_queries import StateQueries
from dee_appliance.store.state_rows import Queued, read_attempt, read_consents, read_run
from dee_appliance.store.touches import Touches
from dee_appliance.store.versions import EPOCH, kernel_of

if TYPE_CHECKING:
    from dee_appliance.kernel.e1.plan import Channel
    from dee_appliance.kernel.e1.rulebook import Rulebook
    from dee_appliance.kernel.epochs import Kernel
    from dee_appliance.store.chain import Cause, Chain
    from dee_appliance.store.database import Database

_attributes_decoder = msgspec.json.Decoder(dict[str, bool | int | str])
_facts_decoder = msgspec.json.Decoder(dict[str, object])
CONTACTS_KEPT = 10_000
SUBJECTS = 4
"""Under how many names a contact can be suppressed: its id, and one token each for e-mail, phone and customer key."""


class State:
    """The state tables of one open file."""

    def __init__(self, database: Database, lineage: bytes, made_under: int) -> None:
        """`made_under`: the epoch of the first row of the file. Raises Newer when this program lacks the one in force."""
        self._database = database
        self._made_under = made_under
        self._queries = load_queries(StateQueries, "state")
        self.lineage = lineage
        self.epoch = made_under
        self.kernel: Kernel = kernel_of(made_under, database.path)
        self.documents = Documents(database, self.kernel)
        self._contacts: dict[str, Contact] = {}
        self._links: dict[str, tuple[int, str] | None] = {}
        self.buckets = Counters(database)
        self._live: dict[str, tuple[Run, ...]] = {}
        self._open: dict[tuple[str, int], Attempt] = {}
        self._collected = CollectedRows(database, self._queries)
        self.touches = Touches(database, self._queries)
        self.lists = Lists(database, self._queries)
        self.reload()

    def reload(self) -> None:
        """Read what is kept in memory again: at the start and after a rollback."""
        self._contacts.clear()
        self._links.clear()
        self.buckets.forget()
        self._live.clear()
        self._open.clear()
        self.touches.forget()
        self.lists.reload()
        self.settings: dict[str, object] = {}
        self.setting_entries: dict[str, int] = {}
        for key, value, entry in self._database.execute(self._queries.select_settings):
            self.settings[key] = msgspec.json.decode(value)
            self.setting_entries[key] = entry
        self._load_recorded()
        self.breakers: dict[str, int] = dict(self._database.execute(self._queries.select_breakers))
        self._load_holds()
        last = self._database.one(self._queries.select_last_run)
        self.next_run_no = 1 if last is None else int(last[0]) + 1
        last = self._database.one(self._queries.select_last_attempt)
        self.next_attempt_no = 1 if last is None else int(last[0]) + 1
        self._collected.start(self.next_run_no - 1, self.next_attempt_no - 1)

    def _load_recorded(self) -> None:
        epoch = self.settings.get(EPOCH, self._made_under)
        if isinstance(epoch, int) and epoch != self.epoch:
            # What another kernel has made of the documents is made anew.
            self.epoch, self.kernel = epoch, kernel_of(epoch, self._database.path)
            self.documents = Documents(self._database, self.kernel)
        self.packs = packs_in_use(self.settings, self.setting_entries)
        self.facts = recorded_facts(self.settings, self.setting_entries)
        self._opt_out_rules: tuple[SuppressionRule, ...] | None = None

    def opt_out_rules(self) -> tuple[SuppressionRule, ...]:
        """Return the suppression rules in use."""
        if self._opt_out_rules is None:
            packs = tuple(self.documents.pack(digest) for _, digest, _ in self.packs)
            self._opt_out_rules = suppression_rules(self.policy()[0], packs) if "policy" in self.settings else ()
        return self._opt_out_rules

    def _load_holds(self) -> None:
        self.holds = tuple(
            Hold(scope=scope, reason=reason, until=until, entry=entry)
            for scope, reason, until, entry in self._database.execute(self._queries.select_holds)
        )

    # ---- documents ----

    def plan(self, digest: str) -> CompiledPlan:
        """Return a compiled plan version."""
        return self.documents.plan(digest)

    def plan_digest(self, plan: str, version: int | None) -> str | None:
        """Return the digest of a plan version, the newest if `version` is None; None if there is none."""
        if version is None:
            newest = self._database.one(self._queries.select_newest_plan, (plan,))
            return None if newest is None else str(newest[1])
        row = self._database.one(self._queries.select_plan_version, (plan, version))
        return None if row is None else str(row[0])

    def newest_version(self, plan: str) -> int | None:
        """Return the newest version of a plan, or None."""
        row = self._database.one(self._queries.select_newest_plan, (plan,))
        return None if row is None else int(row[0])

    def zones(self) -> ZoneTable:
        """Return the time-zone table in use."""
        return self.documents.zones(str(self.settings["zones"]))

    def policy(self) -> tuple[Policy, int]:
        """Return the policy in use and the entry that set it."""
        return self.documents.policy(str(self.settings["policy"])), self.setting_entries["policy"]

    def book(self, plan: CompiledPlan, channel: Channel) -> Rulebook:
        """Return what a send of this plan on this channel must pass."""
        packs = tuple(digest for _, digest, _ in self.packs)
        return self.documents.book(str(self.settings["policy"]), packs, plan, channel)

    # ---- reading ----

    def run_by_no(self, run_no: int) -> Run | None:
        """Return a run."""
        changed = self._collected.runs.get(run_no)
        if changed is not None:
            return changed[0]
        row = self._database.one(self._queries.select_run, (run_no,))
        return None if row is None else read_run(row[0])

    def run_by_id(self, run: str) -> Run | None:
        """Return a run."""
        self._collected.write_runs()
        row = self._database.one(self._queries.select_run_by_id, (run,))
        return None if row is None else read_run(row[0])

    def attempt(self, send_key: str, attempt: int | None) -> Attempt | None:
        """Return an attempt, the newest of the send if `attempt` is None."""
        if attempt is None:
            self._collected.write_runs()
            row = self._database.one(self._queries.select_newest_attempt, (send_key,))
        else:
            kept = self._open.get((send_key, attempt))
            if kept is not None:
                return kept
            self._collected.write_runs()
            row = self._database.one(self._queries.select_attempt, (send_key, attempt))
        return None if row is None else read_attempt(row[0])

    def contact_of(self, subject: str) -> str | None:
        """Return the contact that has this address token, or None."""
        row = self._database.one(self._queries.select_address, (subject,))
        return None if row is None else str(row[0])

    def contact(self, contact: str) -> Contact:
        """Return everything a decision may know of a contact."""
        kept = self._contacts.get(contact)
        if kept is None:
            if len(self._contacts) >= CONTACTS_KEPT:
                self._contacts.clear()
            kept = self._contacts[contact] = self._read_contact(contact)
        return kept

    def _read_contact(self, contact: str) -> Contact:
        row = self._database.one(self._queries.select_contact, (contact,)) if contact else None
        if row is None:
            return Contact(contact=contact, known=False, suppressions=self.suppressions((contact,)))
        tokens: dict[str, str] = dict(self._database.execute(self._queries.select_tokens, (contact,)))
        return Contact(
            contact=contact,
            erased=bool(row[2]),
            attributes=_attributes_decoder.decode(row[0]),
            facts=_facts_decoder.decode(row[1]),
            tokens=tokens,
            consents=read_consents(self._database.execute(self._queries.select_consents, (contact,))),
            suppressions=self.suppressions((contact, *(tokens[kind] for kind in sorted(tokens)))),
        )

    def suppressions(self, subjects: tuple[str, ...]) -> tuple[Suppression, ...]:
        """Return what is suppressed under at most four names: a contact id, and a token of each kind."""
        wanted = (*subjects, *("" for _ in range(SUBJECTS - len(subjects))))
        return tuple(
            Suppression(subject=subject, scope=scope, reason=reason, entry=entry)
            for subject, scope, reason, entry in self._database.execute(self._queries.select_suppressions, wanted)
        )

    def subject_snapshot(self, tick: int, subject: str) -> Snapshot:
        """Return the snapshot for an address token that no contact has: only its suppressions are known."""
        contact = Contact(contact="", known=False, suppressions=self.suppressions((subject,)))
        return Snapshot(tick=tick, lineage=self.lineage, contact=contact)

    def snapshot(
        self, tick: int, contact: str, *, run_no: int | None = None, about: Attempt | None = None, plan: str = ""
    ) -> Snapshot:
        """Fetch all that a decision about a contact may read. `run_no` is a run that the input names, `plan` one to enter."""
        runs = list(self._live_runs(contact))
        if run_no is not None and all(one.no != run_no for one in runs):
            ended = self.run_by_no(run_no)
            if ended is not None:
                runs.append(ended)
        attempts: dict[int, Attempt] = {}
        for one in runs:
            if one.attempt:
                found = about if about is not None and _is(about, one) else self.attempt(one.send, one.attempt)
                if found is not None:
                    attempts[one.no] = found
        snapshot = Snapshot(
            tick=tick,
            lineage=self.lineage,
            contact=self.contact(contact),
            runs=tuple(runs),
            attempts=attempts,
            about=about,
            next_run_no=self.next_run_no,
            next_attempt_no=self.next_attempt_no,
        )
        if plan:
            row = self._database.one(self._queries.select_enrolment, (contact, plan))
            if row is not None:
                snapshot.enrolment = Enrolment(ordinal=row[0], tick=row[1])
        snapshot.opt_out_rules = self.opt_out_rules()
        if about is not None:
            snapshot.breaker_failures = self.breakers.get(about.channel, 0)
            scope = f"channel:{about.channel}"
            snapshot.breaker_open = any(
                one.scope == scope and one.reason == "channel_unavailable" for one in self.holds
            )
            snapshot.breaker_threshold = self._integer("breaker.threshold", snapshot.breaker_threshold)
            snapshot.breaker_pause_s = self._integer("breaker.pause_s", snapshot.breaker_pause_s)
        return snapshot

    def _live_runs(self, contact: str) -> tuple[Run, ...]:
        kept = self._live.get(contact)
        if kept is None:
            if len(self._live) >= CONTACTS_KEPT:
                self._live.clear()
            self._collected.write_runs()
            rows = self._database.execute(self._queries.select_live_runs, (contact,))
            kept = self._live[contact] = tuple(read_run(row[0]) for row in rows)
        return kept

    def _integer(self, key: str, default: int) -> int:
        return value if isinstance(value := self.settings.get(key), int) else default

    def plans_of(self, snapshot: Snapshot) -> dict[str, CompiledPlan]:
        """Return the compiled plans that the snapshot's runs follow."""
        return {run.digest: self.plan(run.digest) for run in snapshot.runs}

    def counters(self, wanted: list[tuple[str, str]]) -> dict[tuple[str, str], tuple[int, int]]:
        """Return (settled, reserved) of each counter bucket; a missing one is (0, 0)."""
        return {key: self.buckets.read(key) for key in wanted}

    def due_runs(self, tick: int, limit: int) -> list[int]:
        """Return the numbers of the next runs whose timers are due, in their order."""
        self._collected.write_timers()
        return [row[0] for row in self._database.execute(self._queries.select_due, (tick, limit))]

    def next_due(self) -> int | None:
        """Return the tick of the next timer or timed hold, or None."""
        self._collected.write_timers()
        row = self._database.one(self._queries.select_next_due)
        ticks = [hold.until for hold in self.holds if hold.until is not None]
        if row is not None:
            ticks.append(int(row[0]))
        return min(ticks) if ticks else None

    def queue(self, channel: str, limit: int) -> list[Queued]:
        """Return a channel's next intended sends that no shared hold stops, in their order."""
        scopes = {hold.scope for hold in self.holds}
        if "*" in scopes or f"channel:{channel}" in scopes:
            return []
        self._collected.write_runs()
        found: list[Queued] = []
        for (plan,) in self._database.execute(self._queries.select_plan_names):
            if not scopes.intersection(scopes_of(plan, channel)):
                rows = self._database.execute(self._queries.select_queue, (channel, plan, limit))
                found.extend(Queued(*row) for row in rows)
        found.sort()
        return found[:limit]

    def dispatching(self) -> list[tuple[str, int]]:
        """Return the attempts that were marked for dispatch and have no answer."""
        self._collected.write_runs()
        return [(row[0], row[1]) for row in self._database.execute(self._queries.select_dispatching)]

    # ---- writing ----

    def apply(self, decision: Decision, snapshot: Snapshot, chain: Chain, cause: Cause) -> None:
        """Write a decision. Entries that the decision names by their position become seqs of the log."""
        base = chain.next_seq
        self._write_contact(decision)
        for entry in decision.entries:
            if entry.contact:
                self._append_linked(chain, entry, entry.contact, cause.reference)
            else:
                chain.append(entry, cause.reference, None)
        due_before = {run.no: run.due for run in snapshot.runs}
        for run in decision.runs:
            self._write_run(run, due_before.get(run.no), cause.tick)
        for attempt in decision.attempts:
            self._write_attempt(attempt)
        for mark in decision.marks:
            self._collected.marks.append((mark.no, mark.mark, mark.send_key, mark.attempt, cause.seq, cause.tick))
        for change in decision.counters:
            self.buckets.add(change)
        if decision.touches or decision.touched:
            self._write_touches(decision, base)
        if decision.holds or decision.released:
            self.write_holds(decision.holds, decision.released, base)
        self._write_contact_facts(decision, snapshot, base)
        if decision.breaker is not None:
            self.breakers[decision.breaker[0]] = decision.breaker[1]
            self._database.execute(self._queries.insert_breaker, decision.breaker)

    def flush(self) -> None:
        """Write everything that was collected. Must be called before the commit."""
        self._collected.write()
        self.buckets.flush()
        self.touches.flush()

    def _append_linked(self, chain: Chain, entry: Entry, contact: str, cause: bytes) -> None:
        """Append an entry to the global chain and to the contact's own."""
        link = self._link_of(contact)
        chain.append(entry, cause, link)
        if link is not None:
            grown = (link[0] + 1, chain.head.hex())
            self._links[contact] = self._collected.heads[contact] = grown

    def _link_of(self, contact: str) -> tuple[int, str] | None:
        """Length and head of the contact's own chain; None for a contact that is not in the file."""
        if contact not in self._links:
            if len(self._links) >= CONTACTS_KEPT:
                self._links.clear()
            row = self._collected.heads.get(contact) or self._database.one(
                self._queries.select_contact_chain, (contact,)
            )
            self._links[contact] = None if row is None else (row[0], row[1])
        return self._links[contact]

    def _write_contact(self, decision: Decision) -> None:
        contact = decision.contact
        if contact is None:
            return
        self._contacts.pop(contact.contact, None)
        if self._links.get(contact.contact, ()) is None:
            del self._links[contact.contact]
        self._database.execute(
            self._queries.insert_contact,
            (
                contact.contact,
                canonical_trusted(contact.attributes).decode(),
                canonical_trusted(contact.facts).decode(),
                int(contact.erased),
                0,
                "",
            ),
        )
        before: dict[str, str] = dict(self._database.execute(self._queries.select_tokens, (contact.contact,)))
        for kind, token in before.items():
            if contact.tokens.get(kind) != token:
                self._database.execute(self._queries.delete_address, (token, contact.contact))
        for kind in sorted(contact.tokens):
            if before.get(kind) != contact.tokens[kind]:
                owner = self.contact_of(contact.tokens[kind])
                if owner is not None:
                    self._contacts.pop(owner, None)
                self._database.execute(self._queries.insert_address, (contact.tokens[kind], kind, contact.contact))

    def _write_run(self, run: Run, due_before: int | None, tick: int) -> None:
        live = run.status in LIVE
        self._collected.runs[run.no] = (run, tick)
        kept = self._live.get(run.contact)
        if kept is not None:
            others = [one for one in kept if one.no != run.no]
            self._live[run.contact] = tuple(sorted((*others, run), key=_number)) if live else tuple(others)
        if run.no >= self.next_run_no:
            self.next_run_no = run.no + 1
        if run.due != due_before:
            self._collected.timers[run.no] = run.due

    def _write_attempt(self, attempt: Attempt) -> None:
        key = (attempt.send_key, attempt.attempt)
        if attempt.state in OPEN:
            if len(self._open) >= CONTACTS_KEPT:
                self._open.clear()
            self._open[key] = attempt
        else:
            self._open.pop(key, None)
        self._collected.attempts[attempt.no] = attempt
        if attempt.no >= self.next_attempt_no:
            self.next_attempt_no = attempt.no + 1

    def _write_touches(self, decision: Decision, base: int) -> None:
        for touch in decision.touches:
            self.touches.add(replace(touch, entry=base + touch.entry))
        for attempt, outcome in decision.touched:
            self.touches.settle(attempt, outcome)

    def _write_contact_facts(self, decision: Decision, snapshot: Snapshot, base: int) -> None:
        contact = snapshot.contact.contact if decision.contact is None else decision.contact.contact
        if decision.suppress or decision.lift or decision.consents:
            self._contacts.pop(contact, None)
        for one in decision.suppress:
            self._forget_owner(one.subject)
            self._database.execute(
                self._queries.insert_suppression, (one.subject, one.scope, one.reason, base + one.entry)
            )
        for subject, scope in decision.lift:
            self._forget_owner(subject)
            self._database.execute(self._queries.delete_suppression, (subject, scope))
        for channel, purpose, consent in decision.consents:
            self._database.execute(
                self._queries.insert_consent,
                (
                    contact,
                    channel,
                    purpose,
                    int(consent.granted),
                    consent.consent_class,
                    consent.expires,
                    base + consent.entry,
                    consent.basis,
                    consent.obtained,
                    consent.to,
                ),
            )
        if decision.enrolment is not None:
            plan, enrolment = decision.enrolment
            self._database.execute(self._queries.insert_enrolment, (contact, plan, enrolment.ordinal, enrolment.tick))

    def _forget_owner(self, subject: str) -> None:
        """A message may have gone to an address that somebody else has by now: that contact is read again."""
        owner = self.contact_of(subject)
        if owner is not None:
            self._contacts.pop(owner, None)

    def write_holds(self, holds: tuple[Hold, ...], released: tuple[tuple[str, str], ...], base: int) -> None:
        """Set and release shared holds; `base` is the seq of the first entry of the decision."""
        for scope, reason in released:
            self._database.execute(self._queries.delete_hold, (scope, reason))
        for hold in holds:
            self._database.execute(self._queries.insert_hold, (hold.scope, hold.reason, hold.until, base + hold.entry))
        self._load_holds()

    def write_plan(self, plan: str, version: int, digest: str, entry: int) -> None:
        """Make a plan version known."""
        self._database.execute(self._queries.insert_plan, (plan, version, digest, entry))

    def write_setting(self, key: str, value: object, entry: int) -> None:
        """Change a setting."""
        self._database.execute(self._queries.insert_setting, (key, canonical_trusted(value).decode(), entry))
        self.settings[key] = value
        self.setting_entries[key] = entry
        self._load_recorded()


def _number(run: Run) -> int:
    return run.no


def _is(attempt: Attempt, run: Run) -> bool:
    return attempt.send_key == run.send and attempt.attempt == run.attempt
