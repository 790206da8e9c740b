"""Suppression: a contact who is suppressed globally, on the channel, for the plan or by a regulatory list gets nothing."""

from __future__ import annotations

from dee_appliance.kernel.e1.policy import SuppressionRule
from dee_appliance.kernel.e1.rules.question import PASS, Question, RuleAnswer
from dee_appliance.kernel.e1.run import Suppression


def applies(suppression: Suppression, channel: str, plan: str) -> bool:
    """Tell whether a suppression stands against this channel and plan. Regulatory lists stand against every channel."""
    scope = suppression.scope
    return scope in ("*", f"channel:{channel}", f"plan:{plan}") or scope.startswith("list:")


def ask(_rule: SuppressionRule, question: Question) -> RuleAnswer:
    """Deny when any suppression of the contact or of one of its addresses applies."""
    if not question.contact.suppressions:
        return PASS
    found = [one for one in question.contact.suppressions if applies(one, question.channel, question.plan.plan)]
    if not found:
        return PASS
    return RuleAnswer(
        verdict="deny",
        reason="suppressed",
        values={"scopes": [one.scope for one in found], "reasons": [one.reason for one in found]},
        saw={"suppression": [one.entry for one in found]},
    )
