"""The workload of our own sides: workflows of send, wait, branch, send through the real loop, with nothing but the engine in it.

A real file with FULL commits, the null adapter with at most 32 in flight, the five basic rules, no MIME (what
rendering gives is fixed). The clock is set by hand so that a wait costs nothing but its work. The peers do the same
four steps.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from dee_appliance.authoring.zone_table import compile_zone_table
from dee_appliance.channels.null import NullAdapter
from dee_appliance.content.rendering import Prepared
from dee_appliance.kernel.e1.encoding import canonical, document_digest
from dee_appliance.kernel.e1.input import (
    KIND_OF,
    ConsentSet,
    ContactPut,
    Enroll,
    Input,
    PlanPublish,
    PolicySet,
    ZonesUse,
    encode_input,
)
from dee_appliance.kernel.e1.plan import Branch, Case, End, Hours, Plan, SendEmail, Wait
from dee_appliance.kernel.e1.policy import (
    BudgetRule,
    ConsentRule,
    DailyLimitRule,
    Policy,
    Rate,
    SuppressionRule,
    WindowRule,
)
from dee_appliance.kernel.e1.run import Given
from dee_appliance.runtime.admission import Admission
from dee_appliance.runtime.clock import SetClock
from dee_appliance.runtime.dispatcher import Dispatcher
from dee_appliance.runtime.loop import Loop, LoopLimits
from dee_appliance.runtime.shell import LiveShell
from dee_appliance.store.database import Database, create, open_writer
from dee_appliance.store.inbox import InboxRow, append_rows
from dee_appliance.store.journal import Brought, Genesis, Journal, NoShell, write_genesis

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from dee_appliance.kernel.e1.compiled import CompiledPlan
    from dee_appliance.kernel.e1.run import Attempt, Run

START: Final = 1_795_000_000
IN_FLIGHT: Final = 32
TEMPLATE: Final = canonical({"name": "t", "text": "nothing"})
PLAN: Final = Plan(
    plan="bench",
    version=1,
    purpose="marketing",
    steps=(
        SendEmail(id="first", template="t", next="wait"),
        Wait(id="wait", for_s=60, next="check"),
        Branch(id="check", cases=(Case(when='replied("first")', then="end"),), otherwise="second"),
        SendEmail(id="second", template="t", next="end"),
        End(id="end", outcome="done"),
    ),
    templates={"t": document_digest("template", TEMPLATE)},
)
POLICY: Final = Policy(
    id="bench",
    rules=(
        SuppressionRule(id="suppression"),
        ConsentRule(id="consent"),
        WindowRule(id="hours", hours=Hours(weekly=(((0, 86_400),),) * 7)),
        DailyLimitRule(id="daily", limit=1_000_000_000),
        BudgetRule(id="budget", limit_micros=1_000_000_000_000, currency="USD"),
    ),
    rates=(Rate(channel="email", micros=100),),
)


class FixedShell(LiveShell):
    """Every rendering gives the same: the engine is measured, not the template."""

    def give(self, seq: int, ordinal: int, attempt: Attempt, run: Run, plan: CompiledPlan) -> Given:
        """Return a fixed rendering."""
        del seq, ordinal, run, plan
        return Given(code="ok", send_key=attempt.send_key, attempt=attempt.attempt, template="t", bytes=1_000)

    def foresee(self, channel: str, n: int) -> None:
        """There is nothing to render beforehand."""

    def take(self, send_key: str, attempt: int) -> Prepared:
        """Return a message without a body."""
        return Prepared(given=Given(code="ok", send_key=send_key, attempt=attempt), to="someone@example.com")


class Bench:
    """One file with its loop."""

    def __init__(self, path: Path) -> None:
        genesis = Genesis(lineage=bytes(range(16)), epoch=START, clock="real")
        create(path, lambda database: write_genesis(database, genesis))
        self.database: Database = open_writer(path)
        self.clock = SetClock(START)
        self.journal = Journal(self.database, NoShell())
        shell = FixedShell(self.database, self.journal.state)
        self.journal.shell = shell
        self.loop = Loop(
            self.journal,
            Admission(self.journal),
            shell,
            self.clock,
            dispatcher=Dispatcher({"email": NullAdapter("email")}, {"email": IN_FLIGHT}),
            limits=LoopLimits(),
        )
        self._set_up()

    def _set_up(self) -> None:
        zones, policy, plan = canonical(compile_zone_table()), canonical(POLICY), canonical(PLAN)
        documents = {
            kind: (document_digest(kind, body), body.decode())
            for kind, body in (("zones", zones), ("policy", policy), ("plan", plan))
        }
        template = {PLAN.templates["t"]: ("template", TEMPLATE.decode())}
        values: dict[str, Input] = {
            "zones": ZonesUse(digest=documents["zones"][0]),
            "policy": PolicySet(digest=documents["policy"][0]),
            "plan": PlanPublish(plan="bench", version=1, digest=documents["plan"][0]),
        }
        with self.database.transaction():
            for kind, value in values.items():
                digest, body = documents[kind]
                self.admit(value, Brought(documents={**template, digest: (kind, body)}))
            self.journal.flush()

    def admit(self, value: Input, brought: Brought | None = None) -> None:
        """Apply an input inside the caller's transaction."""
        kind, payload = KIND_OF[type(value)], encode_input(value).decode()
        self.journal.admit(self.clock.now(), self.clock.now(), "bench", kind, payload, brought=brought)

    def add_contacts(self, contacts: Iterable[str]) -> None:
        """Import contacts who consent to e-mail."""
        with self.database.transaction():
            for contact in contacts:
                facts: dict[str, object] = {"present": ["email"], "zones": {"declared": ["America/New_York"]}}
                self.admit(ContactPut(contact=contact, facts=facts, tokens={"email": f"token-{contact}"}))
                self.admit(ConsentSet(contact=contact, channel="email", granted=True))
            self.journal.flush()

    def stage(self, contacts: Iterable[str]) -> None:
        """Put enrolments into the inbox, as an import would."""
        with self.database.transaction() as database:
            append_rows(
                database,
                (
                    InboxRow(
                        source="adapter",
                        received=self.clock.now(),
                        kind="run.enroll",
                        payload=encode_input(Enroll(contact=contact, plan="bench")),
                    )
                    for contact in contacts
                ),
            )

    def run(self) -> None:
        """Turn the loop until every workflow has ended; the clock jumps over the waits."""
        while self.loop.turn():
            pass

    def add_waiting(self, count: int) -> None:
        """Put `count` runs into the file that wait for a timer far in the future."""
        for first in range(0, count, 1_000):
            contacts = contact_ids(first, min(1_000, count - first))
            self.add_contacts(contacts)
            with self.database.transaction():
                for contact in contacts:
                    self.admit(Enroll(contact=contact, plan="bench", start=START + 10 * 365 * 86_400))
                self.journal.flush()

    def run_until_ended(self, count: int) -> None:
        """Turn the loop until `count` workflows have ended."""
        while self.ended() < count:
            self.loop.turn()

    def ended(self) -> int:
        """How many workflows have ended."""
        return int(self.database.execute("SELECT count(*) FROM run WHERE status = 'COMPLETED'")[0][0])

    def close(self) -> None:
        """Close the file."""
        self.database.close()


def contact_ids(first: int, count: int) -> list[str]:
    """Return contact ids."""
    return [f"c_{number:026d}" for number in range(first, first + count)]
