"""Content: the gate asks what the renderer has found in the message, and names what is missing."""

from __future__ import annotations

import msgspec
import pytest
from gate_questions import asked, question, verdict
from kernel_builder import PlainShell, Story, email, plan_of, policy_of

from dee_appliance.kernel.e1 import policy as policies
from dee_appliance.kernel.e1.compiled import CompiledPlan
from dee_appliance.kernel.e1.rules.content import text_feature
from dee_appliance.kernel.e1.run import Attempt, Given, Run

NOON = "2026-05-04T16:00:00Z"
NOTICE = "This is an attempt to collect a debt."
RULE = policies.ContentRule(id="content", require=("unsubscribe_link", "postal_address"), texts=(NOTICE,))
EVERYTHING = ("postal_address", text_feature(NOTICE), "unsubscribe_link")


def test_a_message_with_everything_passes() -> None:
    assert verdict(question(NOON, RULE, features=EVERYTHING)) == "allow"


@pytest.mark.parametrize("missing", EVERYTHING)
def test_what_is_missing_denies_and_is_named(missing: str) -> None:
    found = asked(question(NOON, RULE, features=tuple(one for one in EVERYTHING if one != missing)))
    assert (found.result, found.reason) == ("deny", "content")
    assert found.ladder[-1] == ("content", "deny", {"missing": [missing]})


def test_a_renderer_that_has_looked_for_nothing_has_found_nothing() -> None:
    assert verdict(question(NOON, RULE)) == "deny: content"


def test_a_text_that_differs_by_one_letter_is_another_text() -> None:
    assert text_feature(NOTICE) != text_feature(NOTICE.replace("debt", "dept"))


def test_a_rule_can_hold_until_the_template_is_better() -> None:
    rule = msgspec.structs.replace(RULE, on_fail="hold")
    assert verdict(question(NOON, rule)) == "2026-05-05T16:00:00Z"


class FoundShell(PlainShell):
    """A renderer that has found these."""

    features: tuple[str, ...] = ()

    def give(self, seq: int, ordinal: int, attempt: Attempt, run: Run, plan: CompiledPlan) -> Given:
        return msgspec.structs.replace(super().give(seq, ordinal, attempt, run, plan), features=self.features)


def test_the_next_try_is_asked_about_the_next_message() -> None:
    with Story(plan_of(email()), policy=policy_of(RULE)) as story:
        story.enroll()
        story.journal.shell = shell = FoundShell()
        assert story.pull() == []
        assert story.status() == "FAILED(denied:content)"
        shell.features = EVERYTHING
        story.verb("retry")
        assert len(story.pull()) == 1
