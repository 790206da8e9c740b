"""The compliance report of a period: what was sent, on whose consent, under which rules, and what people asked for.

Everything in it follows from the log and the inputs and documents that its entries name; no table of state is read. It holds ids,
codes and counts, and nothing that tells who a contact is. Equal files and equal periods give equal reports.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import msgspec

from dee_appliance.errors import Usage
from dee_appliance.kernel.e1.civil_time import format_utc
from dee_appliance.replay.verify import verify
from dee_appliance.runtime.compliance_acts import Act, ErasureRow, PermissionRow, VerbRow
from dee_appliance.runtime.compliance_duties import DutyRow, OptOutRow, SendAfter
from dee_appliance.runtime.compliance_fold import ConsentRow, EventRow, Fold, ProcessingRow, RefusalRow
from dee_appliance.runtime.compliance_hours import ChannelHours, Outside
from dee_appliance.runtime.compliance_log import LogReader, Memory
from dee_appliance.runtime.compliance_rules import InForce
from dee_appliance.runtime.compliance_sends import BudgetUse, SendRow
from dee_appliance.runtime.reports_log import Log
from dee_appliance.runtime.reports_view import one_moment

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from dee_appliance.replay.verify import VerifyReport
    from dee_appliance.runtime.reading import View
    from dee_appliance.store.tip import Tip

PROGRESS_EVERY = 2_000
Row = TypeVar("Row")
Key = TypeVar("Key", str, tuple[str, ...], tuple[str, str], tuple[str, str, str, str])


class Head(msgspec.Struct, frozen=True, kw_only=True):
    """What the report is about. The period is half-open, in UTC; `first` and `last` are -1 when it has no entry.

    `last_hash` is the hash of the last entry read: it fixes everything before it.
    """

    lineage: str
    simulated: bool
    since: str
    until: str
    first: int
    last: int
    entries: int
    last_hash: str


class Verification(msgspec.Struct, frozen=True, kw_only=True):
    """What `dee verify` says of the whole file: whether it is whole, its tip, and on what that rests."""

    ok: bool
    entries: int
    tip: str
    assurance: str
    remembered: int | None
    findings: dict[str, int]
    not_covered: tuple[str, ...]


class Processing(msgspec.Struct, frozen=True, kw_only=True):
    """Records of processing. `contacts` have data in the file at the end of the period; `categories`: how many of them what."""

    contacts: int
    added: int
    erased: int
    contacted: int
    by_purpose: tuple[ProcessingRow, ...]
    categories: dict[str, int]


class Check(msgspec.Struct, frozen=True, kw_only=True):
    """Something that must be zero, how often it was found, and the section that says more."""

    what: str
    count: int
    section: str

    @property
    def ok(self) -> bool:
        """Whether it is zero."""
        return not self.count


class Unknowns(msgspec.Struct, frozen=True, kw_only=True):
    """Sends with an outcome that nobody knew: new in the period, resolved in it and how, open of those sent in it."""

    new: int
    open: int
    resolved: dict[str, int]


class ComplianceReport(msgspec.Struct, frozen=True, kw_only=True):
    """The report. Tables are in a fixed order; amounts are micro-units."""

    head: Head
    verification: Verification
    checks: tuple[Check, ...]
    in_force: tuple[InForce, ...]
    processing: Processing
    sends: tuple[SendRow, ...]
    consents: tuple[ConsentRow, ...]
    hours: tuple[ChannelHours, ...]
    outside: tuple[Outside, ...]
    refusals: tuple[RefusalRow, ...]
    budgets: tuple[BudgetUse, ...]
    opt_outs: tuple[OptOutRow, ...]
    sends_after: tuple[SendAfter, ...]
    duties: tuple[DutyRow, ...]
    events: tuple[EventRow, ...]
    permissions: tuple[PermissionRow, ...]
    erasures: tuple[ErasureRow, ...]
    unknowns: Unknowns
    acts: tuple[Act, ...]
    acts_counted: int
    verbs: tuple[VerbRow, ...]


def compliance_report(
    view: View,
    since: int,
    until: int,
    *,
    tip: Tip | None = None,
    scratch: Path | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[ComplianceReport, VerifyReport]:
    """Return the report of the ticks [since, until), and what verify found in the file.

    `tip` is what is remembered of the log outside the file; `scratch` is a folder for what does not fit in memory. Raises Usage
    for a period without a second, EvidenceError for a log that cannot be read.
    """
    if since >= until:
        raise Usage("the period has no second: --from comes before --to", where="--to")
    with one_moment(view), Memory(scratch) as memory:
        reader = LogReader(view)
        end = Log(view).position_at(until)
        fold = Fold(view, reader, memory, since)
        for line in reader.lines(end):
            fold.read(line)
            if progress is not None and line.seq % PROGRESS_EVERY == 0:
                progress(line.seq, end)
        last = Log(view).entry(end - 1) if end else None
        # What was appended meanwhile is checked as well; what was read is part of it.
        checked = verify(view.database.path, tip=tip, scratch=scratch)
        head = Head(
            lineage=view.lineage.hex(),
            simulated=view.simulated,
            since=format_utc(since),
            until=format_utc(until),
            first=fold.first_entry,
            last=end - 1 if fold.entries else -1,
            entries=fold.entries,
            last_hash="" if last is None else last.hash,
        )
        return _report(head, checked, fold), checked


def _report(head: Head, checked: VerifyReport, fold: Fold) -> ComplianceReport:
    acts, duties = fold.acts, fold.duties
    if not fold.entries:
        duties.in_force(fold.rules.duties())
    rows = duties.rows()
    return ComplianceReport(
        head=head,
        verification=_verification(checked),
        checks=_checks(checked, fold, rows),
        in_force=tuple(one for one in fold.rules.timeline if not one.until or one.until > head.since),
        processing=_processing(fold),
        sends=_ordered(fold.sends.rows),
        consents=_ordered(fold.consents),
        hours=_ordered(fold.hours.channels),
        outside=tuple(fold.hours.outside),
        refusals=_ordered(fold.refusals),
        budgets=tuple(one for one in _ordered(fold.sends.budgets) if one.active),
        opt_outs=_ordered(duties.opt_outs),
        sends_after=tuple(duties.after),
        duties=rows,
        events=_ordered(fold.events),
        permissions=_ordered(acts.permissions),
        erasures=tuple(acts.erasures),
        unknowns=Unknowns(
            new=fold.sends.unknown, open=fold.sends.open_unknown, resolved=dict(sorted(fold.sends.resolved.items()))
        ),
        acts=tuple(acts.acts),
        acts_counted=acts.count,
        verbs=_ordered(acts.verbs),
    )


def _checks(checked: VerifyReport, fold: Fold, duties: tuple[DutyRow, ...]) -> tuple[Check, ...]:
    """What must be zero, whatever the policy says."""
    rows = fold.duties.opt_outs.values()
    found = (
        ("faults that verify finds in the log", sum(checked.counts.values()), "verification"),
        ("sends outside a window", sum(one.outside for one in fold.hours.channels.values()), "outside"),
        ("sends against an opt-out that a rule asks about", sum(row.sends_after for row in rows), "sends_after"),
        ("opt-outs with a send between receipt and entry", sum(row.crossing for row in rows), "opt_outs"),
        ("duties not met", sum(row.verdict == "not met" for row in duties), "duties"),
        ("budget buckets above their limit", sum(map(_is_over, fold.sends.budgets.values())), "budgets"),
    )
    return tuple(Check(what=what, count=count, section=section) for what, count, section in found)


def _is_over(use: BudgetUse) -> bool:
    """A settlement may turn out above its estimate; what was known before that was within the limit."""
    return use.active and use.settled_micros + use.reserved_micros - use.above_micros > use.limit_micros


def _verification(checked: VerifyReport) -> Verification:
    return Verification(
        ok=checked.ok,
        entries=checked.entries,
        tip=checked.head,
        assurance=checked.assurance,
        remembered=checked.remembered,
        findings=checked.counts,
        not_covered=checked.not_covered,
    )


def _processing(fold: Fold) -> Processing:
    kept = {name: count for name, count in sorted(fold.people.categories.items()) if count}
    return Processing(
        contacts=fold.people.known,
        added=fold.added,
        erased=fold.acts.erased,
        contacted=fold.contacted,
        by_purpose=_ordered(fold.processing),
        categories=kept,
    )


def _ordered(rows: dict[Key, Row]) -> tuple[Row, ...]:
    return tuple(rows[key] for key in sorted(rows))
