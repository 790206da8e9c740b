"""Content: what the law wants a message to contain was looked for when it was rendered; what was not found is missing."""

from __future__ import annotations

from blake3 import blake3

from dee_appliance.kernel.e1.policy import ContentRule
from dee_appliance.kernel.e1.rules.question import PASS, Question, RuleAnswer, failed


def text_feature(text: str) -> str:
    """Return the name under which the renderer reports that a required text stands in the message."""
    return f"text:{blake3(text.encode()).hexdigest()[:16]}"


def ask(rule: ContentRule, question: Question) -> RuleAnswer:
    """Pass when everything required was found in the message."""
    missing = [word for word in rule.require if word not in question.features]
    missing += [text_feature(text) for text in rule.texts if text_feature(text) not in question.features]
    if not missing:
        return PASS
    return failed(rule.on_fail, "content", question.tick, values={"missing": missing})
