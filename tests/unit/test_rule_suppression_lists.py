"""Suppression lists that were loaded from outside: who is on one gets nothing; one that is missing or old lets nobody pass."""

from __future__ import annotations

from typing import Any

import pytest
from gate_questions import asked, at, question, verdict
from kernel_builder import DAY_S, Story, contact_id, email, plan_of, policy_of, text, token_of

from dee_appliance.kernel.e1 import input as inputs
from dee_appliance.kernel.e1 import plan as plans
from dee_appliance.kernel.e1 import policy as policies
from dee_appliance.kernel.e1.run import ListInUse

NOON = "2026-05-04T16:00:00Z"


def rule(*lists: str, **more: Any) -> policies.SuppressionRule:
    return policies.SuppressionRule(id="lists", lists=lists or ("dnc",), **more)


def used(as_of: str = NOON, version: int = 3, entry: int = 9) -> ListInUse:
    return ListInUse(version=version, as_of=at(as_of), entry=entry)


def test_a_list_that_was_never_loaded_may_hold_anybody() -> None:
    assert verdict(question(NOON, rule())) == "deny: list_missing"
    assert verdict(question(NOON, rule("dnc", "tps"), lists={"dnc": used()})) == "deny: list_missing"
    assert verdict(question(NOON, rule(on_fail="hold"))) == "2026-05-05T16:00:00Z"


@pytest.mark.parametrize(
    ("when", "expected"),
    [
        ("2026-05-04T16:00:00Z", "allow"),
        ("2026-06-04T15:59:59Z", "allow"),
        ("2026-06-04T16:00:00Z", "allow"),
        ("2026-06-04T16:00:01Z", "deny: list_stale"),
    ],
)
def test_a_list_is_too_old_after_its_last_second(when: str, expected: str) -> None:
    assert verdict(question(when, rule(max_age_days=31), lists={"dnc": used()})) == expected


def test_a_list_without_an_age_is_never_too_old() -> None:
    assert verdict(question("2036-05-04T16:00:00Z", rule(), lists={"dnc": used()})) == "allow"


def test_the_entry_cites_every_list_that_was_asked_with_its_version() -> None:
    lists = {"dnc": used(), "tps": used(version=8, entry=20), "other": used()}
    found = asked(question(NOON, rule("dnc", "tps"), lists=lists, listed=("other", "tps")))
    assert (found.result, found.reason) == ("deny", "listed")
    assert found.ladder[-1] == ("lists", "deny", {"lists": ["tps"]})
    assert found.saw["lists"] == [["dnc", 3, at(NOON), 9], ["tps", 8, at(NOON), 20]]


def test_who_is_on_a_list_stays_denied_where_an_old_list_would_only_hold() -> None:
    one = question(NOON, rule(on_fail="hold"), lists={"dnc": used()}, listed=("dnc",))
    assert verdict(one) == "deny: listed"


# -- as it happens -------------------------------------------------------------------------------------------------------


def load(story: Story, version: int, *tokens: str, name: str = "dnc", as_of: int | None = None, count: int = -1) -> str:
    if tokens:
        story.admit(inputs.ListAdd(list=name, version=version, tokens=tokens))
    told = len(tokens) if count < 0 else count
    return story.admit(
        inputs.ListUse(list=name, version=version, as_of=story.tick if as_of is None else as_of, count=told)
    )


def sends_to(story: Story, *numbers: int) -> list[str]:
    for number in numbers:
        story.enroll(number)
    return [permit.contact for permit in story.pull()]


def test_whose_address_is_on_the_list_in_use_gets_nothing() -> None:
    with Story(plan_of(email()), policy=policy_of(rule()), contacts=3) as story:
        assert load(story, 1, token_of("email", 1), "somebody else") == "done"
        assert sends_to(story, 0, 1, 2) == [contact_id(0), contact_id(2)]
        assert story.status(2) == "FAILED(denied:listed)"


def test_the_address_of_the_channel_is_looked_for() -> None:
    with Story(plan_of(email()), plan_of(text(), plan="text"), policy=policy_of(rule())) as story:
        load(story, 1, token_of("phone", 0))
        assert sends_to(story, 0) == [contact_id(0)]
        story.enroll(0, "text")
        assert story.pull("sms") == []


def test_addresses_count_when_their_version_is_brought_into_use_and_no_earlier() -> None:
    with Story(plan_of(email()), policy=policy_of(rule()), contacts=4) as story:
        load(story, 1, token_of("email", 0))
        story.admit(inputs.ListAdd(list="dnc", version=2, tokens=(token_of("email", 1), token_of("email", 2))))
        assert sends_to(story, 1) == [contact_id(1)]
        assert load(story, 2, count=2) == "done"
        assert sends_to(story, 0, 2, 3) == [contact_id(0), contact_id(3)]


@pytest.mark.parametrize(
    ("version", "count", "early_s", "code"),
    [(2, 1, 0, "incomplete"), (2, 2, -1, "in_the_future"), (1, 1, 0, "version_in_use")],
)
def test_what_is_not_whole_or_not_new_is_refused_and_the_old_one_stays(
    version: int, count: int, early_s: int, code: str
) -> None:
    with Story(plan_of(email()), policy=policy_of(rule()), contacts=2) as story:
        load(story, 1, token_of("email", 0))
        story.admit(inputs.ListAdd(list="dnc", version=2, tokens=("a", "b")))
        outcome = load(story, version, count=count, as_of=story.tick - early_s)
        assert outcome == f"rejected:{code}"
        assert sends_to(story, 0, 1) == [contact_id(1)]


def test_a_list_that_grows_too_old_while_a_send_waits_stops_it() -> None:
    hours = policies.WindowRule(id="hours", hours=plans.Hours(weekly=((),) * 6 + (((9 * 3_600, 10 * 3_600),),)))
    with Story(plan_of(email()), policy=policy_of(rule(max_age_days=2), hours)) as story:
        load(story, 1, "x")
        story.enroll()
        story.pull()
        assert story.status() == "HELD(outside_hours)"
        due = story.run().due
        assert due is not None
        story.at(due)
        story.pull()
        assert story.status() == "FAILED(denied:list_stale)"


def test_a_new_version_of_a_stale_list_lets_what_was_held_go_on() -> None:
    with Story(plan_of(email()), policy=policy_of(rule(max_age_days=1, on_fail="hold"))) as story:
        load(story, 1, "x", as_of=story.tick - 3 * DAY_S)
        story.enroll()
        story.pull()
        assert story.status() == "HELD(list_stale)"
        load(story, 2, "x")
        story.later(DAY_S)
        assert len(story.pull()) == 1
