"""Simulation: what a plan would do, on a private, disarmed copy of the user's file, with invented answers and a clock that jumps.

The engine is the same; only the file is a copy, every adapter accepts and keeps nothing, and the recipients are simulated. Live
runs of the copy go on as well, so they compete for limits and budget as they would; `alone` cancels them first. The user's file
is not touched. Ids of imported contacts come from a fixed sequence, so the same question has the same answer.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from msgspec.structs import replace

from dee_appliance.authoring.checks import CheckedPlan, check_plan, publishable
from dee_appliance.errors import Refused
from dee_appliance.kernel.e1.encoding import canonical, document_digest
from dee_appliance.kernel.e1.input import KIND_OF, Enroll, Input, PlanPublish, Verb, encode_input
from dee_appliance.runtime.admission import arrived_by
from dee_appliance.runtime.appliance import Appliance, Rehearsal, open_appliance
from dee_appliance.runtime.clock import SetClock
from dee_appliance.runtime.forecast import Forecast, read_forecast, spent_micros
from dee_appliance.runtime.importing import ConsentGrant, ContactReader, Importer, ImportReport, fixed_ids
from dee_appliance.runtime.reading import View, open_view
from dee_appliance.runtime.service import serve
from dee_appliance.store.inbox import InboxRow, append_rows
from dee_appliance.store.queries import load_queries
from dee_appliance.store.snapshot import snapshot
from dee_appliance.store.state_dir import StateDir

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from dee_appliance.intake.column_mapping import ColumnMapping

SOURCE = "simulation"
CHUNK = 1_000


class SimulationQueries(msgspec.Struct, frozen=True, kw_only=True):
    """sql/queries/simulation.sql."""

    select_live_run_ids: str


class SimulationOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What to simulate. `plan` is a plan file or the name of a published plan; `contacts` a CSV file, None for the file's own.

    `shares` are the assumed reactions in parts of ten thousand; `start` a tick not before the file's last one.
    """

    plan: str
    contacts: Path | None = None
    start: int
    seed: int = 1
    shares: dict[str, int] = {}
    alone: bool = False
    consents: tuple[ConsentGrant, ...] = ()
    mapping: ColumnMapping | None = None


class Simulated(msgspec.Struct, frozen=True, kw_only=True):
    """What a simulation showed."""

    plan: str
    contacts: int
    imported: ImportReport | None
    forecast: Forecast


def simulate(file: Path, options: SimulationOptions, *, progress: Callable[[int], None] | None = None) -> Simulated:
    """Run the plan to its end on a copy of the file, which itself is only read.

    Raises Refused when plan or contacts cannot be used.
    """
    with tempfile.TemporaryDirectory(prefix="dee-simulation-") as folder:
        copy = Path(folder) / "copy.db"
        snapshot(file, copy)
        state_dir = StateDir(Path(folder) / "state")
        rehearsal = Rehearsal(seed=options.seed, shares=options.shares)
        with open_view(copy) as view:
            clock = SetClock(max(options.start, view.last_tick))
        with open_appliance(copy, "dee simulate", clock=clock, state_dir=state_dir, rehearsal=rehearsal) as appliance:
            first = appliance.journal.chain.next_seq
            spent = spent_micros(View(appliance.database))
            plan = _use_plan(appliance, options.plan)
            if options.alone:
                _cancel_others(appliance)
            imported = _import(appliance, options)
            contacts = _enroll(appliance, plan)
            serve(appliance, until_idle=True, progress=progress)
        with open_view(copy) as view:
            forecast = read_forecast(view, first, plan, spent)
    return Simulated(plan=plan, contacts=contacts, imported=imported, forecast=forecast)


def _submit(appliance: Appliance, rows: Iterable[InboxRow]) -> list[str]:
    """Admit rows at once, in transactions of a thousand; return their outcomes."""
    outcomes: list[str] = []
    chunk: list[InboxRow] = []
    for row in rows:
        chunk.append(row)
        if len(chunk) >= CHUNK:
            outcomes += _admit(appliance, chunk)
            chunk = []
    return outcomes + (_admit(appliance, chunk) if chunk else [])


def _admit(appliance: Appliance, rows: list[InboxRow]) -> list[str]:
    with appliance.database.transaction() as database:
        append_rows(database, rows)
        now = max(appliance.clock.now(), appliance.journal.last_tick)
        admitted = appliance.admission.admit(now, len(rows), arrived_by(appliance.clock))
        appliance.journal.flush()
    return [outcome for _, outcome in admitted]


def _row(appliance: Appliance, value: Input, private: dict[str, object] | None = None) -> InboxRow:
    now = appliance.clock.now()
    return InboxRow(
        source=SOURCE, received=now, kind=KIND_OF[type(value)], payload=encode_input(value), private=private
    )


def _use_plan(appliance: Appliance, text: str) -> str:
    """Return the name of the plan to simulate, published in the copy if it is a file. A draft gets the next free version."""
    if not text.endswith((".toml", ".json")):
        if appliance.journal.state.plan_digest(text, None) is None:
            raise Refused(f"there is no plan `{text}`", hint="dee plan list, or name a plan file")
        return text
    checked = check_plan(Path(text), policy_covers_voice=View(appliance.database).policy_covers_voice())
    plan = publishable(checked)
    newest = appliance.journal.state.newest_version(plan.plan)
    body, digest = checked.body, checked.digest
    if newest is not None and appliance.journal.state.plan_digest(plan.plan, plan.version) not in (None, digest):
        plan = replace(plan, version=newest + 1)
        body = canonical(plan)
        digest = document_digest("plan", body)
    documents = _documents(checked) | {digest: ("plan", body.decode())}
    publish = PlanPublish(plan=plan.plan, version=plan.version, digest=digest)
    _submit(appliance, [_row(appliance, publish, {"documents": documents})])
    return plan.plan


def _documents(checked: CheckedPlan) -> dict[str, tuple[str, str]]:
    plan = publishable(checked)
    kinds = {**dict.fromkeys(plan.templates.values(), "template"), **dict.fromkeys(plan.scripts.values(), "script")}
    return {digest: (kinds[digest], body.decode()) for digest, body in checked.documents.items()}


def _cancel_others(appliance: Appliance) -> None:
    queries = load_queries(SimulationQueries, "simulation")
    runs = [row[0] for row in appliance.database.execute(queries.select_live_run_ids)]
    _submit(appliance, (_row(appliance, Verb(run=run, verb="cancel", actor=SOURCE)) for run in runs))


def _import(appliance: Appliance, options: SimulationOptions) -> ImportReport | None:
    if options.contacts is None:
        return None
    importer = Importer(
        ContactReader(appliance.database, appliance.journal.state),
        known_zones=frozenset(appliance.journal.state.zones().zones()),
        now=appliance.clock.now(),
        mapping=options.mapping,
        update=True,
        consents=options.consents,
        job=SOURCE,
        draw_id=fixed_ids("dee.simulation.v1", str(options.seed)),
    )
    _submit(appliance, importer.rows(importer.open(options.contacts)))
    return importer.report


def _enroll(appliance: Appliance, plan: str) -> int:
    contacts = View(appliance.database).contact_ids()
    _submit(appliance, (_row(appliance, Enroll(contact=one, plan=plan, job=SOURCE)) for one in contacts))
    return len(contacts)
