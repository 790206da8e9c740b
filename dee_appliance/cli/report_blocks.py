"""The compliance report as blocks: a title, sentences and a table each. The same blocks become Markdown, CSV and PDF.

Here is which facts stand where and how they are called; how they look is the business of the writers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from dee_appliance.authoring.notation import format_money

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from dee_appliance.runtime.compliance_report import ComplianceReport

FROM_THE_LOG = (
    "Computed from the log and the inputs and documents that its entries name. "
    "It holds ids, codes and counts; who a contact is stands only in the file's vault."
)
HOURS_TEXT = (
    "Computed again from the tick of each dispatch and the zone table that its entry names, over every zone of the "
    "contact. Asked: sends for which at least one window stood. Exempt: windows that an exemption lifted."
)
OPT_OUT_TEXT = (
    "Time from receipt (or from when the person asked, where that was told and the file knew the person) to the entry that "
    "takes effect, in seconds of the log's own clock. Crossing: a send was dispatched in between. Sends after: to somebody "
    "whose opt-out stood, though a rule asks about it. Unasked: of a purpose for which no rule asks."
)
NO_ADVICE = "This report says what the log says. It is no legal advice."


class Block(msgspec.Struct, frozen=True, kw_only=True):
    """One part of the report. `name` is the table's name in CSV; `right` are the columns of numbers."""

    name: str
    title: str
    text: tuple[str, ...] = ()
    heads: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()
    right: tuple[int, ...] = ()


def title_of(report: ComplianceReport) -> str:
    """Return the title of the document."""
    head = report.head
    return f"Compliance report, {head.since} to {head.until} (end not included)"


def blocks(report: ComplianceReport) -> Iterator[Block]:
    """Give the blocks in the order of the document."""
    yield _head(report)
    yield _verification(report)
    yield _table(
        "checks",
        "What must be zero",
        report.checks,
        ("what", "count", "section"),
        empty="",
    )
    yield _table(
        "in_force",
        "Policy, packs and zone tables in force",
        report.in_force,
        ("kind", "name", "version", "since", "until", "entry", "actor", "digest"),
        text=("An empty end means: in force at the end of the period.",),
    )
    yield from _processing(report)
    yield from _sends(report)
    yield from _hours(report)
    yield from _refusals(report)
    yield from _opt_outs(report)
    yield from _acts(report)


def _head(report: ComplianceReport) -> Block:
    head = report.head
    log_range = f"{head.first} to {head.last} ({head.entries:,} entries)" if head.entries else "no entry in the period"
    rows = (
        ("file lineage", head.lineage),
        ("clock", "simulated: nothing in this file was sent to anybody" if head.simulated else "real"),
        ("period, UTC", f"{head.since} to {head.until} (end not included)"),
        ("log range", log_range),
        ("hash of the last entry read", head.last_hash),
    )
    text = (
        FROM_THE_LOG,
        NO_ADVICE,
    )
    return Block(name="head", title="About", text=text, heads=("what", "value"), rows=rows)


def _verification(report: ComplianceReport) -> Block:
    found = report.verification
    rows = [
        ("result", "whole: nothing was changed after it was written" if found.ok else "FAULTS FOUND"),
        ("entries checked", f"{found.entries:,}"),
        ("tip", found.tip),
        ("assurance", found.assurance),
        ("entries remembered outside the file", "none" if found.remembered is None else f"{found.remembered:,}"),
        *((f"fault: {kind}", str(count)) for kind, count in found.findings.items()),
        *(("not covered", text) for text in found.not_covered),
    ]
    return Block(name="verification", title="Verification of the log", heads=("what", "value"), rows=tuple(rows))


def _processing(report: ComplianceReport) -> Iterator[Block]:
    told = report.processing
    yield Block(
        name="processing",
        title="Records of processing",
        heads=("what", "count"),
        rows=(
            ("contacts with data in the file at the end of the period", f"{told.contacts}"),
            ("contacts added in the period", f"{told.added}"),
            ("contacts erased in the period", f"{told.erased}"),
            ("contacts to whom something was sent in the period", f"{told.contacted}"),
        ),
        right=(1,),
    )
    yield _table("purposes", "Purposes and channels", told.by_purpose, ("purpose", "channel", "sends", "contacts"))
    yield Block(
        name="categories",
        title="Categories of data held",
        heads=("category", "contacts"),
        rows=tuple((name, f"{count}") for name, count in told.categories.items()),
        right=(1,),
    )


def _sends(report: ComplianceReport) -> Iterator[Block]:
    yield _table(
        "sends",
        "Sends by day, channel, plan and purpose",
        report.sends,
        ("day", "channel", "plan", "purpose", "dispatched", "outcomes"),
        text=("Days are UTC; outcomes are what was known at the end of the period.",),
    )
    without = sum(row.sends for row in report.consents if not row.consent_class)
    text = ["Ages are whole days from the day the consent was obtained to the send."]
    if without:
        text.append(f"{without:,} sends relied on no consent: no consent rule stood for their channel and purpose.")
    yield _table(
        "consents",
        "Consent relied on",
        report.consents,
        ("channel", "purpose", "consent_class", "basis", "source", "sends", "youngest_days", "oldest_days"),
        text=tuple(text),
    )
    yield _table(
        "budgets",
        "Budgets",
        report.budgets,
        (
            *("rule", "counter", "bucket", "limit_micros", "settled_micros", "reserved_micros"),
            *("sends", "refused", "above", "above_micros", "currency"),
        ),
        text=("Settled and reserved stand as at the end of the period; above is what settled above its estimate.",),
    )
    yield Block(
        name="unknowns",
        title="Unknown outcomes",
        text=("A send whose outcome nobody knows is never sent again by itself.",),
        heads=("what", "count"),
        rows=(
            ("became unknown in the period", f"{report.unknowns.new}"),
            ("sent in the period and unknown at its end", f"{report.unknowns.open}"),
            *((f"resolved in the period by {how}", f"{count}") for how, count in report.unknowns.resolved.items()),
        ),
        right=(1,),
    )


def _hours(report: ComplianceReport) -> Iterator[Block]:
    yield _table(
        "hours",
        "Calling and quiet hours",
        report.hours,
        ("channel", "sends", "asked", "outside", "exempt", "without_zone", "earliest", "latest"),
        text=(HOURS_TEXT,),
    )
    yield _table(
        "outside",
        "Sends outside a window",
        report.outside,
        ("entry", "channel", "rule", "zone", "local", "why"),
        text=_listed(len(report.outside), sum(one.outside for one in report.hours)),
    )


def _refusals(report: ComplianceReport) -> Iterator[Block]:
    heads = ("verdict", "rule", "kind", "reason", "channel", "count", "cite")
    yield _table(
        "refusals",
        "Refusals and holds by rule",
        report.refusals,
        heads,
        text=(
            "deny: a send was refused; hold: one send waits; queue: a whole queue waits, counted once for each time.",
        ),
    )
    limits = ("cap", "daily_limit", "rate", "ratio", "budget")
    reached = tuple(row for row in report.refusals if row.kind in limits)
    yield _table("limits", "Caps and limits reached", reached, heads)


def _opt_outs(report: ComplianceReport) -> Iterator[Block]:
    yield _table(
        "opt_outs",
        "Opt-outs and erasures: time to honour them",
        report.opt_outs,
        ("way", "channel", "count", "longest_s", "spans", "crossing", "sends_after", "unasked_after"),
        text=(OPT_OUT_TEXT,),
    )
    yield _table(
        "sends_after",
        "Sends to somebody who had opted out",
        report.sends_after,
        ("entry", "utc", "channel", "plan", "way", "opt_out", "asked"),
    )
    yield _table(
        "duties",
        "Duties",
        report.duties,
        ("rule", "trigger", "within", "cases", "late", "longest_s", "sends_after", "verdict", "cite"),
        text=("Not measured: nothing in the log tells about the trigger. Business days are by UTC.",),
    )
    yield _table("events", "Complaints, bounces and other events", report.events, ("event", "kind", "plan", "count"))


def _acts(report: ComplianceReport) -> Iterator[Block]:
    yield _table(
        "permissions",
        "Consents and suppressions recorded",
        report.permissions,
        ("act", "outcome", "of", "reason", "count"),
    )
    yield _table(
        "erasures",
        "Erasures",
        report.erasures,
        ("entry", "received", "utc", "basis"),
        text=_listed(len(report.erasures), report.processing.erased),
    )
    yield _table(
        "acts",
        "Acts about the file",
        report.acts,
        ("entry", "utc", "act", "what", "actor"),
        text=_listed(len(report.acts), report.acts_counted),
    )
    yield _table("verbs", "Acts on runs", report.verbs, ("act", "outcome", "actor", "count"))


def _listed(shown: int, whole: int) -> tuple[str, ...]:
    return (f"The first {shown:,} of {whole:,} are listed.",) if shown < whole else ()


HEADS = {
    "consent_class": "class",
    "youngest_days": "youngest, days",
    "oldest_days": "oldest, days",
    "limit_micros": "limit",
    "settled_micros": "settled",
    "reserved_micros": "reserved",
    "above_micros": "above by",
    "longest_s": "longest, s",
    "spans": "taken in",
    "sends_after": "sends after",
    "unasked_after": "unasked after",
    "without_zone": "no zone",
    "opt_out": "opt-out entry",
    "utc": "UTC",
    "cite": "source of the rule",
}


def _table(
    name: str,
    title: str,
    rows: tuple[msgspec.Struct, ...],
    fields: tuple[str, ...],
    *,
    text: tuple[str, ...] = (),
    empty: str = "None in the period.",
) -> Block:
    said = text if rows or not empty else (*text, empty)
    numbers = tuple(
        column
        for column, one in enumerate(fields)
        if rows and isinstance(getattr(rows[0], one), int) and not isinstance(getattr(rows[0], one), bool)
    )
    return Block(
        name=name,
        title=title,
        text=said,
        heads=tuple(HEADS.get(one, one.replace("_", " ")) for one in fields),
        rows=tuple(tuple(_cell(row, one) for one in fields) for row in rows),
        right=numbers,
    )


def _cell(row: msgspec.Struct, field: str) -> str:
    value = getattr(row, field)
    match value:
        case dict():
            return _counts(value)
        case bool():
            return "yes" if value else "no"
        case int() if field.endswith("_micros"):
            return format_money(value, str(getattr(row, "currency", "")))
        case int() if field.endswith("_days") and value < 0:
            return ""
        case _:
            return str(value)


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in sorted(counts.items()))
