"""One decision in the making: collects entries and changes, and moves runs only along the table of transitions.

A Turn is made for one snapshot and thrown away; nothing outlives it but the frozen Decision that `decision()`
returns. Every change of a run goes through `move` (status, by TRANSITIONS) and `record` (the run's own chain), so no
run changes without an entry.
"""

from __future__ import annotations

import msgspec
from msgspec.structs import replace

from dee_appliance.kernel.e1.civil_time import ZoneTable
from dee_appliance.kernel.e1.compiled import CompiledPlan, RunFacts
from dee_appliance.kernel.e1.encoding import canonical_trusted, core_hash
from dee_appliance.kernel.e1.run import (
    ATTEMPT_TRANSITIONS,
    TRANSITIONS,
    Attempt,
    AttemptState,
    AttemptTrigger,
    Block,
    Consent,
    Contact,
    CounterChange,
    Decision,
    Enrolment,
    Entry,
    Hold,
    Mark,
    Permit,
    Run,
    Snapshot,
    Suppression,
    Touch,
    Trigger,
)

OPEN: tuple[AttemptState, ...] = ("INTENDED", "PARKED", "DISPATCHING", "ONGOING")


class Core(msgspec.Struct, frozen=True, gc=False):
    """The core of an entry. Fields stand in the order of the canonical encoding: a test holds that."""

    action: str
    detail: dict[str, object]
    outcome: str
    plan: str | None
    rp: str | None
    rs: int | None
    step: str | None
    tick: int
    v: int
    visit: int | None


class IllegalTransition(Exception):
    """A pair that the table does not list was asked for: the request is refused (or, from within, the kernel is wrong)."""


class Turn:
    """The working state of one decision about one contact."""

    def __init__(self, snapshot: Snapshot, plans: dict[str, CompiledPlan], zones: ZoneTable) -> None:
        self.snapshot = snapshot
        self.tick = snapshot.tick
        self.plans = plans
        self.zones = zones
        self.contact: Contact = snapshot.contact
        self.runs: dict[int, Run] = {run.no: run for run in snapshot.runs}
        self.attempts: dict[int, Attempt] = dict(snapshot.attempts)
        self.entries: list[Entry] = []
        self.changed_runs: list[int] = []
        self.changed_attempts: list[Attempt] = []
        self.marks: list[Mark] = []
        self.counters: list[CounterChange] = []
        self.holds: list[Hold] = []
        self.suppress: list[Suppression] = []
        self.lift: list[tuple[str, str]] = []
        self.consents: list[tuple[str, str, Consent]] = []
        self.contact_changed = False
        self.erase = False
        self.enrolment: tuple[str, Enrolment] | None = None
        self.permit: Permit | None = None
        self.breaker: tuple[str, int] | None = None
        self.touches: list[Touch] = []
        self.touched: list[tuple[Attempt, str]] = []
        self.outcome = "done"
        self._next_attempt_no = snapshot.next_attempt_no

    # ---- runs ----

    def plan_of(self, run: Run) -> CompiledPlan:
        """Return the compiled plan version that this run follows."""
        return self.plans[run.digest]

    def facts_of(self, run: Run) -> RunFacts:
        """Return what the run answers to conditions now."""
        return RunFacts(run, self.contact, self.plan_of(run).plan.purpose, self.tick)

    def put(self, run: Run) -> Run:
        """Keep a changed run."""
        if run.no not in self.changed_runs:
            self.changed_runs.append(run.no)
        self.runs[run.no] = run
        return run

    def move(self, run: Run, trigger: Trigger, block: Block, *, due: int | None = None, reason: str = "") -> Run:
        """Change the run's status along the table. Raises IllegalTransition if the pair is not listed."""
        target = TRANSITIONS[run.status].get(trigger)
        if target is None:
            raise IllegalTransition(f"{run.status}/{trigger}")
        return self.put(replace(run, status=target, block=block, due=due, reason=reason))

    def record(
        self,
        run: Run,
        action: str,
        outcome: str,
        detail: dict[str, object],
        *,
        saw: dict[str, object] | None = None,
        extra: dict[str, object] | None = None,
        contact_chain: bool = False,
    ) -> Run:
        """Append an entry to the run's own chain and return the run with its new head."""
        plan = self.plans[run.digest].label
        core = canonical_trusted(Core(action, detail, outcome, plan, run.rp, run.rs, run.step, self.tick, 1, run.visit))
        contact = run.contact if contact_chain else None
        self.entries.append(Entry(core=core, run=run.run, run_no=run.no, contact=contact, saw=saw, extra=extra))
        return self.put(replace(run, rs=run.rs + 1, rp=core_hash(core)))

    def record_contact(
        self, action: str, outcome: str, detail: dict[str, object], *, extra: dict[str, object] | None = None
    ) -> None:
        """Append an entry that belongs to the contact and to no run."""
        core = file_core(self.tick, action, outcome, detail)
        self.entries.append(Entry(core=core, contact=self.contact.contact, extra=extra))

    def refuse(
        self, action: str, code: str, *, run: Run | None = None, detail: dict[str, object] | None = None
    ) -> None:
        """Record that an input was admitted and had no effect, and why."""
        self.outcome = f"rejected:{code}"
        told: dict[str, object] = {"code": code, **(detail or {})}
        if run is not None:
            self.record(run, action, "rejected", told)
        else:
            core = file_core(self.tick, action, "rejected", told)
            self.entries.append(Entry(core=core, contact=self.contact.contact or None, extra=self._about()))

    def _about(self) -> dict[str, object] | None:
        return {"contact": self.contact.contact} if self.contact.contact else None

    # ---- attempts ----

    def attempt_of(self, run: Run) -> Attempt | None:
        """Return the newest attempt of the send step that the run is at; None if nothing was intended there yet."""
        attempt = self.attempts.get(run.no)
        if attempt is None or (attempt.step, attempt.visit) != (run.step, run.visit):
            return None
        return attempt

    def about(self) -> Attempt | None:
        """Return the attempt that the input names as it is now: a timer that fired first may have moved it."""
        named = self.snapshot.about
        if named is None:
            return None
        return next((one for one in self.changed_attempts if one.no == named.no), named)

    def put_attempt(self, attempt: Attempt) -> Attempt:
        """Keep a changed or new attempt; an older one that settles late does not become the run's current one."""
        current = self.attempts.get(attempt.run_no)
        if current is None or current.no <= attempt.no:
            self.attempts[attempt.run_no] = attempt
        self.changed_attempts = [one for one in self.changed_attempts if one.no != attempt.no]
        self.changed_attempts.append(attempt)
        return attempt

    def move_attempt(self, attempt: Attempt, trigger: AttemptTrigger) -> Attempt:
        """Change the attempt's state along its table. Raises IllegalTransition if the pair is not listed."""
        target = ATTEMPT_TRANSITIONS[attempt.state].get(trigger)
        if target is None:
            raise IllegalTransition(f"{attempt.state}/{trigger}")
        return self.put_attempt(replace(attempt, state=target))

    def number_attempt(self) -> int:
        """Return the number of a new attempt."""
        self._next_attempt_no += 1
        return self._next_attempt_no - 1

    def mark(self, attempt: Attempt, mark: str) -> None:
        """Write a row of the send ledger."""
        self.marks.append(Mark(no=attempt.no, send_key=attempt.send_key, attempt=attempt.attempt, mark=mark))

    # ---- the result ----

    def decision(self) -> Decision:
        """Return everything that was collected."""
        return Decision(
            entries=tuple(self.entries),
            runs=tuple(self.runs[no] for no in self.changed_runs),
            attempts=tuple(self.changed_attempts),
            marks=tuple(self.marks),
            counters=tuple(self.counters),
            holds=tuple(self.holds),
            suppress=tuple(self.suppress),
            lift=tuple(self.lift),
            consents=tuple(self.consents),
            contact=self.contact if self.contact_changed else None,
            erase=self.erase,
            enrolment=self.enrolment,
            permit=self.permit,
            breaker=self.breaker,
            touches=tuple(self.touches),
            touched=tuple(self.touched),
            outcome=self.outcome,
        )


def file_core(tick: int, action: str, outcome: str, detail: dict[str, object]) -> bytes:
    """Return the core of an entry outside runs: it has no place in a run's chain."""
    return canonical_trusted(Core(action, detail, outcome, None, None, None, None, tick, 1, None))
