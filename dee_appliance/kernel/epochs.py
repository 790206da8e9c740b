"""Which kernel decides: semantics epoch → its deciding functions. The only table of epochs there is.

A file says under which epoch it was made, and an input `epoch.use` says from where on another one decides; what came before is
replayed under its own for ever. So an epoch that was released never leaves this table, and its directory never changes.

A new epoch is a directory beside the others (`kernel/e2/`) with the modules that decide otherwise and those that import them,
`deciding` among them; all else it takes from the epochs before, which stand still. What crosses the border has one form for all
epochs: a field that is added has a default with which the older epochs decide as they always did.
"""

from __future__ import annotations

from typing import Protocol

from dee_appliance.kernel.e1 import deciding as e1
from dee_appliance.kernel.e1.civil_time import ZoneTable
from dee_appliance.kernel.e1.compiled import CompiledPlan
from dee_appliance.kernel.e1.file_input import PlainFileInput
from dee_appliance.kernel.e1.file_view import FileDecision, FileView
from dee_appliance.kernel.e1.gate import Needed, Verdict
from dee_appliance.kernel.e1.input import ContactInput, Input
from dee_appliance.kernel.e1.plan import Channel, Plan, Wait
from dee_appliance.kernel.e1.policy import Pack, Policy, Rule
from dee_appliance.kernel.e1.rulebook import GateShared, Rulebook
from dee_appliance.kernel.e1.rules.question import Question
from dee_appliance.kernel.e1.run import Attempt, Decision, Entry, Given, Hold, Run, Snapshot
from dee_appliance.kernel.e1.turn import Turn


class Kernel(Protocol):
    """What an epoch must be able to do. A module with these functions is one."""

    def __hash__(self) -> int:
        """A kernel is itself and no other: what it has made of a document is kept by it."""

    @property
    def PLAN_SCHEMAS(self) -> tuple[int, ...]:  # noqa: N802 - a constant of the module
        """The plan schemas that it executes."""

    # ---- reading ----

    def decode_input(self, kind: str, payload: str | bytes) -> Input:
        """Read one row of the queue. Raises UnknownInput."""

    def plan_schema(self, body: bytes) -> int | None:
        """Return the schema that a plan document names, None when it is no plan document."""

    def read_plan(self, body: bytes) -> Plan | None:
        """Return the plan of a document, None if it is none that this epoch can execute."""

    def read_policy(self, body: bytes) -> Policy | None:
        """Return the policy of a document, None if it is none that this epoch can keep to."""

    def read_pack(self, body: bytes) -> Pack | None:
        """Return the pack of a document, None if it is none that this epoch can keep to."""

    def decode_policy(self, body: bytes) -> Policy:
        """Read a policy that was taken in."""

    def decode_pack(self, body: bytes) -> Pack:
        """Read a pack that was taken in."""

    def compile_plan(self, body: bytes, digest: str) -> CompiledPlan:
        """Return a published plan, ready to be executed."""

    def zone_table(self, body: bytes) -> ZoneTable:
        """Return the time-zone table of a document."""

    def book_of(self, policy: Policy, plan: Plan, channel: Channel, packs: tuple[Pack, ...]) -> Rulebook:
        """Return what a send of a plan on a channel must pass."""

    def book_of_rules(self, rules: tuple[Rule, ...]) -> Rulebook:
        """Return rules, ready to be asked."""

    # ---- deciding ----

    def decide(
        self,
        snapshot: Snapshot,
        cause: ContactInput,
        plans: dict[str, CompiledPlan],
        zones: ZoneTable,
        *,
        subject: int | None = None,
    ) -> Decision:
        """Decide one input about one contact."""

    def decide_due(self, snapshot: Snapshot, run_no: int, plans: dict[str, CompiledPlan], zones: ZoneTable) -> Decision:
        """Decide what the due timers of this run's contact do."""

    def decide_pull(
        self,
        snapshot: Snapshot,
        run_no: int,
        given: Given,
        shared: GateShared,
        *,
        plans: dict[str, CompiledPlan],
        zones: ZoneTable,
    ) -> Decision:
        """Decide whether the intended send of this run may leave now."""

    def decide_file(self, view: FileView, cause: PlainFileInput) -> FileDecision:
        """Decide one input about the file."""

    def needed_counters(
        self, rules: tuple[Rule, ...], plan: Plan, channel: Channel, zones: ZoneTable, tick: int
    ) -> Needed:
        """Return the counters that the gate will read."""

    def hold_released(self, tick: int, hold: Hold) -> Entry:
        """Return the entry of a shared hold whose time has come."""

    def nothing_to_do(self, tick: int, kind: str) -> Entry:
        """Return the entry of an admitted input that had nothing to do."""

    def malformed(self, tick: int, kind: str) -> Entry:
        """Return the entry of a row that is no input."""

    # ---- asking without deciding ----

    def ask_gate(self, question: Question, *, guests: tuple[str, ...] | None, stale: bool) -> Verdict:
        """Ask every rule."""

    def verdict_on(self, turn: Turn, run: Run, attempt: Attempt, given: Given, shared: GateShared) -> Verdict:
        """Ask the whole gate about an intended send whose message was made."""

    def next_permitted(self, question: Question) -> int | None:
        """Return the next instant at which hours and caps pass together."""

    def wait_due(self, turn: Turn, run: Run, step: Wait) -> int:
        """Return the tick at which a wait ends. Raises WaitFailed."""


EPOCHS: dict[int, Kernel] = {1: e1}
"""Every epoch that this program can decide by. New files are made under the newest."""


def newest_epoch() -> int:
    """Return the epoch under which new files are made."""
    return max(EPOCHS)


def known_schemas() -> tuple[int, ...]:
    """Return every plan schema that some epoch of this program executes."""
    return tuple(sorted({schema for kernel in EPOCHS.values() for schema in kernel.PLAN_SCHEMAS}))
