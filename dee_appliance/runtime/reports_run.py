"""One run: what happened, what it does next and why, and on which evidence."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

import msgspec

from dee_appliance.kernel.e1.encoding import NotCanonical, canonical, core_hash, decode_canonical, leaf_hash
from dee_appliance.runtime.reports_log import Log
from dee_appliance.runtime.reports_next import NextAction, next_action
from dee_appliance.runtime.reports_runs import find_run
from dee_appliance.runtime.reports_timeline import Moment, Teller
from dee_appliance.runtime.reports_view import Instant, name_of, one_moment

if TYPE_CHECKING:
    from collections.abc import Iterable

    from dee_appliance.kernel.e1.run import Run
    from dee_appliance.runtime.reading import View


class RunEvidence(msgspec.Struct, frozen=True, kw_only=True):
    """The entries of a run: how many, from where to where in the log, its head, and whether its own chain holds.

    `fault` names the first entry that does not fit. The global chain is `dee verify`'s business.
    """

    entries: int
    first: int | None
    last: int | None
    head: str
    chain_ok: bool
    fault: str = ""


class RunReport(msgspec.Struct, frozen=True, kw_only=True):
    """One run. `since` is when it came into its status; `left_out` counts older moments that a limit dropped."""

    run: str
    contact: str
    name: str
    plan: str
    digest: str
    ordinal: int
    status: str
    reason: str
    step: str
    visit: int
    started: Instant
    since: Instant
    zone: str | None
    variables: dict[str, bool | int | str]
    timeline: tuple[Moment, ...]
    left_out: int
    next: NextAction
    evidence: RunEvidence


def run_show(view: View, run: str, *, limit: int | None = None, disarmed: str = "") -> RunReport:
    """Explain one run. `limit` keeps the newest moments only; `disarmed` says why nothing leaves the file, if nothing does.

    Raises Refused for a run that is not there.
    """
    with one_moment(view):
        found = find_run(view, run).run
        log = Log(view)
        contact = view.state.contact(found.contact)
        plan = view.state.plan(found.digest)
        teller = Teller(view, log, contact)
        lines = (log.decode(row) for row in log.bodies_of_run(found.no))
        kept: deque[Moment] = deque(maxlen=limit)
        count = 0
        for line in lines:
            kept.append(teller.moment(line, plan))
            count += 1
        return RunReport(
            run=found.run,
            contact=found.contact,
            name=name_of(view.vault.profile(found.contact)),
            plan=plan.label,
            digest=found.digest,
            ordinal=found.ordinal,
            status=found.status,
            reason=found.reason,
            step=found.step,
            visit=found.visit,
            started=teller.times.at(found.started),
            since=_since(found, kept, teller),
            zone=teller.times.zone,
            variables=found.variables,
            timeline=tuple(kept),
            left_out=count - len(kept),
            next=next_action(view, found, teller.times, disarmed=disarmed),
            evidence=evidence_of(found, log.bodies_of_run(found.no)),
        )


def _since(run: Run, moments: Iterable[Moment], teller: Teller) -> Instant:
    """When the run came into its status: the entry that says so, else the step's beginning."""
    said = [moment.at for moment in moments if moment.status == run.status]
    if said:
        return said[-1]
    return teller.times.at(run.entered or run.started)


def evidence_of(run: Run, bodies: Iterable[tuple[int, str, bytes]]) -> RunEvidence:
    """Check the chain of one run: each body as it was hashed, each core linked to the one before, the head as the run has it."""
    count, head = 0, ""
    first: int | None = None
    last: int | None = None
    fault = ""
    for seq, body, leaf in bodies:
        first = seq if first is None else first
        last = seq
        wrong, head = _checked(run, count, head, body, leaf)
        fault = fault or (f"entry {seq}: {wrong}" if wrong else "")
        count += 1
    if not fault and (count, head) != (run.rs, run.rp):
        fault = f"the run has {run.rs} entries and the log {count}, or their heads differ"
    return RunEvidence(entries=count, first=first, last=last, head=run.rp, chain_ok=not fault, fault=fault)


def _checked(run: Run, position: int, head: str, body: str, leaf: bytes) -> tuple[str, str]:
    """Return what is wrong with one body ("" if nothing), and the run's head after it."""
    raw = body.encode()
    try:
        value = decode_canonical(raw)
    except NotCanonical as error:
        return str(error), head
    core = value.get("core") if isinstance(value, dict) else None
    if not isinstance(value, dict) or not isinstance(core, dict):
        return "it is no entry", head
    grown = core_hash(canonical(core))
    if leaf_hash(raw) != bytes(leaf):
        return "its hash is not that of its bytes", grown
    if value.get("run") != run.run:
        return "it belongs to another run", grown
    if core.get("rs") != position or core.get("rp") != head:
        return "it does not follow the entry before it", grown
    return "", grown
