"""The history of one random schedule: its file, its clock, what the provider got, and what has happened so far.

Also the shells: what rendering gives is a function of run, step and attempt, so that no template is needed.
"""

from __future__ import annotations

import random  # noqa: TID251 - a schedule is drawn from its seed
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import msgspec

from dee_appliance.kernel.e1 import input as inputs
from dee_appliance.kernel.e1.encoding import share_of
from dee_appliance.kernel.e1.run import Given
from dee_appliance.store.journal import Brought, Journal

if TYPE_CHECKING:
    from dee_appliance.kernel.e1.compiled import CompiledPlan
    from dee_appliance.kernel.e1.run import Attempt, Permit, Run

EPOCH = 1_795_000_000
FEATURES = ("one_click_unsubscribe", "postal_address", "sender_identity")


class HashedShell:
    """Renders nothing: what rendering gives is a function of run, step and attempt, and now and then it fails."""

    def give(self, seq: int, ordinal: int, attempt: Attempt, run: Run, plan: CompiledPlan) -> Given:
        del seq, ordinal, plan
        visit = (run.run, attempt.step, str(attempt.visit))
        if share_of("test.render", (*visit, str(attempt.attempt)), 50) == 0:
            return Given(
                code="undefined_field", send_key=attempt.send_key, attempt=attempt.attempt, field="contact.name"
            )
        units = 1 + share_of("test.units", visit, 3)
        features = tuple(word for word in FEATURES if share_of("test.features", (*visit, word), 8))
        key = attempt.send_key
        return Given(
            code="ok", send_key=key, attempt=attempt.attempt, template="t", bytes=500, units=units, features=features
        )


class LeakyShell(HashedShell):
    """What no shell may be: its answer depends on the process that asks. A comparison must notice it."""

    def give(self, seq: int, ordinal: int, attempt: Attempt, run: Run, plan: CompiledPlan) -> Given:
        given = super().give(seq, ordinal, attempt, run, plan)
        return msgspec.structs.replace(given, bytes=hash(attempt.send_key) % 1_000)


@dataclass
class History:
    """One file being put through its paces."""

    rng: random.Random
    journal: Journal
    tick: int = EPOCH
    clock_limit: int = 1_000
    plans: tuple[str, ...] = ()
    contacts: list[str] = field(default_factory=list)
    in_flight: list[Permit] = field(default_factory=list)
    answered: list[Permit] = field(default_factory=list)
    sent: list[Permit] = field(default_factory=list)
    """What the provider got, in order."""
    suppressed: list[tuple[str, str]] = field(default_factory=list)
    marks: Counter[str] = field(default_factory=Counter)
    """What happened that no entry tells: which block a pause met, and the like."""

    def admit(self, value: inputs.Input, brought: Brought | None = None) -> str:
        """Let an input in and return its outcome."""
        return self.raw(inputs.KIND_OF[type(value)], inputs.encode_input(value).decode(), brought)

    def raw(self, kind: str, payload: str, brought: Brought | None = None) -> str:
        """Let an input in as it is written and return its outcome."""
        return self.journal.admit(self.tick, self.tick, "test", kind, payload, brought=brought)[1]

    def any_run(self) -> Run | None:
        """Return some run, with a preference for those that still live."""
        last = self.journal.state.next_run_no - 1
        found: Run | None = None
        for _ in range(3 if last else 0):
            found = self.journal.state.run_by_no(self.rng.randint(1, last))
            if found is not None and found.status not in ("COMPLETED", "CANCELLED"):
                break
        return found

    def drain(self) -> None:
        """Fire everything that is due, as the loop does before it pulls."""
        while True:
            due = self.journal.state.next_due()
            if due is None or due > self.tick:
                return
            self.admit(inputs.Clock(limit=self.clock_limit))

    def kept(self) -> tuple[Any, ...]:
        """Return what must be put back when a transaction is rolled back."""
        lists = (self.contacts, self.in_flight, self.answered, self.sent, self.suppressed)
        return self.rng.getstate(), self.tick, [list(one) for one in lists], Counter(self.marks)

    def restore(self, kept: tuple[Any, ...]) -> None:
        """Go back to what `kept` returned."""
        state, self.tick, lists, self.marks = kept
        self.rng.setstate(state)
        self.contacts, self.in_flight, self.answered, self.sent, self.suppressed = lists
