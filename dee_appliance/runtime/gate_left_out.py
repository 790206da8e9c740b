"""Why a rule in use is not asked about a send: it is for other sends, other contacts or other times, or something lifts it.

The gate leaves such rules out without a word; here the word is found, by the gate's own functions.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import msgspec

from dee_appliance.authoring.rule_words import concerns_words, demand, grounds_words
from dee_appliance.kernel.e1.civil_time import OutOfRange, UnknownZone
from dee_appliance.kernel.e1.policy import ContentRule, DutyRule, Rule
from dee_appliance.kernel.e1.rulebook import concerns
from dee_appliance.kernel.e1.rules.ground import holds

if TYPE_CHECKING:
    from dee_appliance.kernel.e1.rules.question import Question

WhyNot = Literal[
    "other_jurisdiction",
    "other_subscriber",
    "not_in_force",
    "exempt",
    "no_message",
    "other_channel",
    "other_purpose",
    "deadline",
]
WHY_NOT: dict[WhyNot, str] = {
    "other_jurisdiction": "other jurisdictions",
    "other_subscriber": "other subscribers",
    "not_in_force": "not in force",
    "exempt": "exempt",
    "no_message": "no message to look into",
    "other_channel": "other channels",
    "other_purpose": "other purposes",
    "deadline": "deadlines",
}
"""The reasons in the words in which they are counted, in that order."""


class LeftOut(msgspec.Struct, frozen=True, kw_only=True):
    """A rule in use that was not asked: `why` as a code, `because` in words."""

    rule: str
    source: str
    why: WhyNot
    because: str


def why_left_out(rule: Rule, question: Question) -> tuple[WhyNot, str] | None:
    """Return why a rule is not asked about a send, as a code and in words; None when it is asked."""
    if isinstance(rule, DutyRule):
        return "deadline", demand(rule)
    if rule.channels and question.channel not in rule.channels:
        return "other_channel", f"for {' '.join(rule.channels)}"
    if rule.purposes and question.plan.purpose not in rule.purposes:
        return "other_purpose", f"for {' '.join(rule.purposes)}"
    places = question.places
    if not concerns(rule, places):
        if places.subscriber and rule.subscriber not in ("any", places.subscriber):
            return "other_subscriber", f"for {rule.subscriber} subscribers, and this one is {places.subscriber}"
        return "other_jurisdiction", f"for {concerns_words(rule)}"
    if not _in_force(rule, question):
        since = f" from {rule.effective_from}" if rule.effective_from else ""
        until = f" until before {rule.effective_until}" if rule.effective_until else ""
        return "not_in_force", f"in force{since}{until}"
    lifting = tuple(ground for ground in rule.unless if holds(ground, question))
    if lifting:
        return "exempt", f"lifted: {grounds_words(lifting)}"
    if isinstance(rule, ContentRule) and all(rule.id != one.id for one in question.book.rules):
        return "no_message", "it looks into a message, and none was given: name a plan and a step"
    return None


def _in_force(rule: Rule, question: Question) -> bool:
    """A rule whose date cannot be compared is asked, and denies."""
    try:
        return question.book.in_force(rule, question.zones, question.places, question.tick)
    except (UnknownZone, OutOfRange):
        return True
