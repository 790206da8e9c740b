"""Facts: a registration on file, an emergency switch, what the number is. What nobody has recorded is not taken for granted."""

from __future__ import annotations

from dee_appliance.kernel.e1.policy import FactRule
from dee_appliance.kernel.e1.rules.ground import holds
from dee_appliance.kernel.e1.rules.question import Question, RuleAnswer, failed


def ask(rule: FactRule, question: Question) -> RuleAnswer:
    """Pass when one of the grounds holds; name the recorded facts that were looked at."""
    facts = question.facts
    recorded = [[one.fact, *facts[one.fact]] for one in rule.require if one.fact in facts]
    saw: dict[str, object] = {"facts": recorded} if recorded else {}
    for ground in rule.require:
        if holds(ground, question):
            return RuleAnswer(verdict="pass", saw=saw)
    missing = [one.fact for one in rule.require if one.fact and one.fact not in question.facts]
    reason = "fact_unknown" if missing else "fact"
    return failed(rule.on_fail, reason, question.tick, values={"unknown": missing} if missing else {}, saw=saw)
