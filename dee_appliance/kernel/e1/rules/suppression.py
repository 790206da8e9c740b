"""Suppression: whoever has opted out, was suppressed, or stands on a list that must be asked gets nothing."""

from __future__ import annotations

from dee_appliance.kernel.e1.policy import SuppressionRule
from dee_appliance.kernel.e1.rules.question import DAY_S, PASS, Question, RuleAnswer, failed
from dee_appliance.kernel.e1.run import Suppression


def applies(suppression: Suppression, channel: str, plan: str) -> bool:
    """Tell whether a suppression stands against this channel and plan. Regulatory lists stand against every channel."""
    scope = suppression.scope
    return scope in ("*", f"channel:{channel}", f"plan:{plan}") or scope.startswith("list:")


def ask(rule: SuppressionRule, question: Question) -> RuleAnswer:
    """Deny when a suppression of the contact or an address of it applies, or the address is on one of the rule's lists."""
    if rule.lists:
        return _ask_lists(rule, question)
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


def _ask_lists(rule: SuppressionRule, question: Question) -> RuleAnswer:
    """A list that was never loaded, or is too old, may hide the address: it is not asked but refused."""
    saw: dict[str, object] = {}
    asked: list[object] = []
    for name in rule.lists:
        found = question.lists.get(name)
        if found is None:
            return failed(rule.on_fail, "list_missing", question.tick, values={"list": name})
        asked.append([name, found.version, found.as_of, found.entry])
        saw["lists"] = asked
        if rule.max_age_days and question.tick - found.as_of > rule.max_age_days * DAY_S:
            return failed(rule.on_fail, "list_stale", question.tick, values={"list": name}, saw=saw)
    on = [name for name in rule.lists if name in question.listed]
    if on:
        return RuleAnswer(verdict="deny", reason="listed", values={"lists": on}, saw=saw)
    return RuleAnswer(verdict="pass", saw=saw)
