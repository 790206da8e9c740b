"""Opt-outs and erasures: how soon they were honoured, what was sent afterwards, and whether deadlines of the law were met.

An opt-out takes effect in the transaction that takes it in, so the time to honour it is the time from its receipt to the tick of
its entry; where it was told since when the person asks, from then, as far as the file knew the person. Sends have ticks of the
same clock.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from dee_appliance.kernel.e1.civil_time import DAY_S, WEEKDAYS, format_utc, parse_iso_date
from dee_appliance.kernel.e1.rulebook import concerns
from dee_appliance.kernel.e1.rules.months import add_months

if TYPE_CHECKING:
    from dee_appliance.kernel.e1.policy import DutyRule
    from dee_appliance.kernel.e1.rulebook import Places

MOST_LISTED = 1_000
SPANS = (
    (0, "at once"),
    (60, "within a minute"),
    (3_600, "within an hour"),
    (DAY_S, "within a day"),
    (10 * DAY_S, "within 10 days"),
)
LONGER = "later"

OPT_OUTS = ("email.unsubscribed", "email.complained", "sms.stop", "consent.revoked", "suppression.added")
TRIGGERS: dict[str, tuple[str, ...]] = {
    "opt_out": OPT_OUTS,
    "unsubscribe": OPT_OUTS,
    "unsubscribed": OPT_OUTS,
    "revocation": OPT_OUTS,
    "objection": OPT_OUTS,
    "complaint": ("email.complained",),
    "erasure": ("erasure",),
    "erasure_request": ("erasure",),
    **{way: (way,) for way in (*OPT_OUTS, "erasure")},
}
"""What the trigger of a duty means, in the ways in which it can come into the file. Any other trigger is not measured here."""


class OptOutRow(msgspec.Struct, kw_only=True):
    """Opt-outs of one way and channel ("" is every channel). Times are seconds from receipt to taking in.

    `sends_after` went to somebody whose opt-out stood, though the gate asked about it; `unasked_after` were of a purpose for
    which no rule asks (a receipt after a revoked consent to marketing, say); `crossing` were dispatched between receipt
    and entry.
    """

    way: str
    channel: str
    count: int = 0
    longest_s: int = 0
    spans: dict[str, int] = {}
    crossing: int = 0
    sends_after: int = 0
    unasked_after: int = 0


class SendAfter(msgspec.Struct, frozen=True, kw_only=True):
    """A send to somebody against whose wish it was: its entry, and the entry of the opt-out (-1: of an erasure)."""

    entry: int
    utc: str
    channel: str
    plan: str
    way: str
    opt_out: int
    asked: bool


class DutyRow(msgspec.Struct, kw_only=True):
    """A deadline, and whether it was met in the period.

    `verdict` is met, not met, no case, or not measured (nothing in the log tells about its trigger).
    """

    rule: str
    trigger: str
    within: str
    cite: str
    cases: int = 0
    late: int = 0
    longest_s: int = 0
    sends_after: int = 0
    verdict: str = ""


class Duties:
    """Follows the opt-outs of a period."""

    def __init__(self) -> None:
        self.opt_outs: dict[tuple[str, str], OptOutRow] = {}
        self.after: list[SendAfter] = []
        self.duties: dict[tuple[str, str], DutyRow] = {}
        self._now: list[tuple[DutyRule, DutyRow]] = []

    def in_force(self, rules: list[DutyRule]) -> None:
        """Say which duties are in force from now on."""
        self._now = []
        for rule in rules:
            within = within_text(rule)
            row = self.duties.get((rule.id, within))
            if row is None:
                row = DutyRow(rule=rule.id, trigger=rule.trigger, within=within, cite=rule.cite)
                self.duties[rule.id, within] = row
            self._now.append((rule, row))

    def took(self, way: str, channel: str, *, asked: int, tick: int, places: Places, crossing: bool) -> None:
        """Note an opt-out or an erasure that was taken in; `asked` is when it was received, or before that, if it is known."""
        taken_s = max(tick - asked, 0)
        row = self._row(way, channel)
        row.count += 1
        row.longest_s = max(row.longest_s, taken_s)
        row.crossing += crossing
        span = next((text for most, text in SPANS if taken_s <= most), LONGER)
        row.spans[span] = row.spans.get(span, 0) + 1
        for rule, duty in self._now:
            if _is_about(rule, way, channel) and concerns(rule, places) and _dated(rule, asked):
                duty.cases += 1
                duty.longest_s = max(duty.longest_s, taken_s)
                duty.late += tick > deadline(rule, asked)

    def sent(self, sent: SendAfter, purpose: str) -> None:
        """Note a send to somebody who had opted out."""
        row = self._row(sent.way, "" if sent.way == "erasure" else sent.channel)
        row.sends_after += sent.asked
        row.unasked_after += not sent.asked
        if len(self.after) < MOST_LISTED:
            self.after.append(sent)
        for rule, duty in self._now:
            concerned = not rule.purposes or purpose in rule.purposes
            if sent.asked and concerned and _is_about(rule, sent.way, sent.channel):
                duty.sends_after += 1

    def _row(self, way: str, channel: str) -> OptOutRow:
        return self.opt_outs.setdefault((way, channel), OptOutRow(way=way, channel=channel, spans={}))

    def rows(self) -> tuple[DutyRow, ...]:
        """Return every duty with its verdict, in the order of their ids."""
        for duty in self.duties.values():
            if duty.trigger not in TRIGGERS:
                duty.verdict = "not measured"
            elif duty.late or duty.sends_after:
                duty.verdict = "not met"
            else:
                duty.verdict = "met" if duty.cases else "no case"
        return tuple(self.duties[name] for name in sorted(self.duties))


def _is_about(rule: DutyRule, way: str, channel: str) -> bool:
    if way not in TRIGGERS.get(rule.trigger, ()):
        return False
    return not rule.channels or not channel or channel in rule.channels


def _dated(rule: DutyRule, received: int) -> bool:
    """Whether the duty's own dates cover the day of receipt, by UTC."""
    date = format_utc(received)[:10]
    return rule.effective_from <= date and (not rule.effective_until or date < rule.effective_until)


def deadline(rule: DutyRule, received: int) -> int:
    """Return the last tick at which the duty is met.

    Business days are Monday to Friday without the rule's closed dates, by UTC.
    """
    if rule.within_s:
        return received + rule.within_s
    day = received // DAY_S
    if rule.within_months:
        return add_months(day, rule.within_months) * DAY_S + received % DAY_S
    closed = frozenset(parse_iso_date(date) for date in rule.closed_dates)
    left = rule.within_business_days
    while left > 0:
        day += 1
        # 1970-01-01 was a Thursday: Saturday and Sunday are 2 and 3 days later.
        left -= day not in closed and day % WEEKDAYS not in (2, 3)
    return (day + 1) * DAY_S - 1


def within_text(rule: DutyRule) -> str:
    """Write a deadline as people read it."""
    if rule.within_business_days:
        return f"{rule.within_business_days} business days"
    if rule.within_months:
        return f"{rule.within_months} months" if rule.within_months > 1 else "1 month"
    days, rest = divmod(rule.within_s, DAY_S)
    if not rest:
        return f"{days} days" if days > 1 else "1 day"
    return f"{rule.within_s // 3_600} h" if rule.within_s % 3_600 == 0 else f"{rule.within_s} s"
