"""One verdict of all rules: which answer decides, what packs and a plan add, and the first instant at which everything passes."""

from __future__ import annotations

import random  # noqa: TID251 - rules are drawn from their seed
from collections import Counter
from typing import Any

import pytest
from gate_questions import asked, at, question, said, touch, verdict
from kernel_builder import DAY_S, HOUR_S, Story, budget, call, daily, email, plan_of, policy_of, queued

from dee_appliance.kernel.e1 import input as inputs
from dee_appliance.kernel.e1 import plan as plans
from dee_appliance.kernel.e1 import policy as policies
from dee_appliance.kernel.e1.civil_time import open_at
from dee_appliance.kernel.e1.encoding import canonical
from dee_appliance.kernel.e1.gate import next_permitted
from dee_appliance.kernel.e1.rules import cap as cap_rule
from dee_appliance.kernel.e1.rules.question import Question

NOON = "2026-05-04T16:00:00Z"
NIGHT = "2026-05-04T05:00:00Z"


def week(opens: int, closes: int) -> plans.Hours:
    return plans.Hours(weekly=(((opens * HOUR_S, closes * HOUR_S),),) * 7)


def window(opens: int = 8, closes: int = 21, identity: str = "hours", **more: Any) -> policies.WindowRule:
    return policies.WindowRule(id=identity, hours=week(opens, closes), **more)


# -- which answer decides ------------------------------------------------------------------------------------------------

NEVER = policies.FactRule(id="fact", require=(policies.Ground(attribute="never"),))
HELD_FACT = policies.FactRule(id="held", require=(policies.Ground(attribute="never"),), on_fail="hold")
CONTENT = policies.ContentRule(id="content", require=("postal_address",))
CONSENT = policies.ConsentRule(id="consent")
CAP = policies.CapRule(id="cap", limit=1, seconds=DAY_S)


@pytest.mark.parametrize(
    ("rules", "decides", "result"),
    [
        ((window(), CONTENT), "content", "deny"),
        ((HELD_FACT, CONTENT), "content", "deny"),
        ((window(), CONSENT, NEVER), "consent", "deny"),
        ((HELD_FACT, window()), "held", "hold"),
        ((CAP, window()), "hours", "hold"),
        ((NEVER, HELD_FACT), "fact", "deny"),
        ((CAP, HELD_FACT), "held", "hold"),
    ],
)
def test_the_first_denial_of_the_contacts_own_decides_else_the_first_that_does_not_pass(
    rules: tuple[policies.Rule, ...], decides: str, result: str
) -> None:
    for order in (rules, rules[::-1]):
        found = asked(question(NIGHT, *order, touches=[touch(NIGHT)]))
        assert (found.rule, found.result) == (decides, result)
        assert found.ladder[-1][0] == decides


def test_what_others_have_used_up_does_not_decide_before_what_is_the_contacts_own() -> None:
    spent = (daily(0), budget(10))
    with queued(plan_of(email()), policy=policy_of(*spent, NEVER)) as story:
        story.pull()
        assert story.status() == "FAILED(denied:fact)"
        assert story.holds() == []
    with queued(plan_of(email()), policy=policy_of(*spent)) as story:
        story.pull()
        assert story.status() == "ACTIVE(queue)"  # the limit comes first, and the queue waits
        assert story.holds() == [("*", "daily")]


def test_every_rule_is_asked_even_after_the_one_that_decides() -> None:
    found = asked(question(NIGHT, window(), NEVER, CONTENT, CAP, touches=[touch(NIGHT)]))
    told = [(rule, verdict) for rule, verdict, _ in (*found.ladder, *found.rest)]
    assert told == [
        ("address", "pass"), ("fact", "deny"), ("content", "deny"), ("hours", "hold"), ("cap", "hold"), ("send_by", "pass"),
    ]  # fmt: skip


# -- packs and plans -----------------------------------------------------------------------------------------------------


def use(story: Story, name: str, *rules: policies.Rule, version: str = "1") -> str:
    pack = policies.Pack(id=name, version=version, as_of="2026-11-23", notice="invented", rules=rules)
    digest, brought = story.document("pack", canonical(pack))
    return story.admit(inputs.PackUse(pack=name, digest=digest), brought)


def test_two_packs_both_apply() -> None:
    with Story(plan_of(call())) as story:
        assert use(story, "one", window(8, 21, "one/hours")) == "done"
        assert use(story, "two", window(10, 18, "two/hours")) == "done"
        entries = [one["seq"] for one in story.bodies() if one["core"]["action"] == "pack"]
        story.at(at("2026-11-18T14:00:00Z"))  # nine in New York: open by the first, not by the second
        story.enroll()
        story.pull("voice")
        assert story.run().due == at("2026-11-18T15:00:00Z")
        assert story.last("call")["saw"]["packs"] == entries
        story.at(story.tick + HOUR_S)
        assert len(story.pull("voice")) == 1


def test_a_retired_pack_and_a_replaced_one_apply_no_more() -> None:
    with Story(plan_of(call(), enroll=plans.Enroll(reentry="always"))) as story:
        use(story, "law", window(10, 11, "law/hours"))
        story.enroll()
        assert story.pull("voice") == []
        use(story, "law", window(0, 24, "law/hours"), version="2")
        story.enroll()
        assert len(story.pull("voice")) == 1
        use(story, "law", window(10, 11, "law/hours"), version="3")
        story.admit(inputs.PackRetire(pack="law"))
        story.enroll()
        assert len(story.pull("voice")) == 1
        assert "packs" not in story.last("call")["saw"]


def test_a_rule_of_a_pack_cannot_take_the_name_of_another() -> None:
    with Story(policy=policy_of(window(identity="hours"))) as story:
        assert use(story, "law", window(0, 24, "hours")) == "rejected:duplicate_rules"
        assert use(story, "law", window(0, 24, "law/hours")) == "done"
        assert use(story, "other", window(0, 24, "law/hours")) == "rejected:duplicate_rules"
        story.policy(policy_of(window(identity="law/hours")))
        assert story.outcome == "rejected:duplicate_rules"


LOOSE = plans.PlanPolicy(
    calling_hours=week(0, 24), daily_sends=1_000, budget=plans.Budget(limit_micros=10**9, currency="USD")
)
TIGHT = plans.PlanPolicy(
    calling_hours=week(12, 13), daily_sends=1, budget=plans.Budget(limit_micros=10, currency="USD")
)


def test_a_plan_can_only_tighten() -> None:
    file_rules = (window(), daily(2), budget(60))
    for plan_policy, when, permits in (
        (LOOSE, "2026-11-18T11:30:00Z", 0),  # half past six in New York
        (LOOSE, "2026-11-18T15:00:00Z", 2),
        (plans.PlanPolicy(calling_hours=week(12, 13)), "2026-11-18T15:00:00Z", 0),
        (plans.PlanPolicy(daily_sends=1), "2026-11-18T15:00:00Z", 1),
        (plans.PlanPolicy(budget=TIGHT.budget), "2026-11-18T15:00:00Z", 0),
    ):
        plan = plan_of(call(max_duration_s=60), policy=plan_policy)
        with Story(plan, policy=policy_of(*file_rules), contacts=5) as story:
            story.at(at(when))
            for number in range(5):
                story.enroll(number)
            assert len(story.pull("voice")) == permits, (plan_policy, when)


# -- never, and for how long ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("zones", "opens", "closes"),
    [
        (("America/New_York", "Asia/Bangkok"), 10, 21),  # A17: twelve hours apart, eleven hours open
        (("Pacific/Honolulu", "Europe/London", "Asia/Tokyo"), 8, 21),  # A29: three need not meet
    ],
)
@pytest.mark.parametrize("when", ["2026-01-20T14:00:00Z", "2026-07-20T14:00:00Z"])
def test_hours_that_never_meet_are_no_reason_to_wait(
    zones: tuple[str, ...], opens: int, closes: int, when: str
) -> None:
    assert verdict(question(when, window(opens, closes), zones=zones)) == "deny: never_open"


def test_hours_that_meet_after_the_clocks_have_changed_are() -> None:
    """A18: London and Auckland are twelve hours apart for a week, and their windows of eleven and a half hours closed."""
    half_past_eight = plans.Hours(weekly=(((9 * HOUR_S, 20 * HOUR_S + 1_800),),) * 7)
    rule = policies.WindowRule(id="hours", hours=half_past_eight)
    zones = ("Europe/London", "Pacific/Auckland")
    assert verdict(question("2026-03-29T12:00:00Z", rule, zones=zones)) == "2026-04-05T08:00:00Z"


def test_the_horizon_begins_when_the_last_cap_lets_go() -> None:
    month = policies.CapRule(id="cap", limit=1, days=30)
    one = question("2026-05-04T05:00:00Z", month, window(), touches=[touch("2026-05-04T04:30:00Z")])
    assert verdict(one) == "2026-06-03T12:00:00Z"
    shut = plans.Hours(weekly=((),) * 7)
    assert (
        verdict(question("2026-05-04T05:00:00Z", month, policies.WindowRule(id="x", hours=shut))) == "deny: never_open"
    )


def test_after_the_last_day_of_a_calendar_nobody_is_called() -> None:
    hours = plans.Hours(weekly=week(8, 21).weekly, closed_dates=("2026-05-03",), closed_until="2026-05-04")
    rule = policies.WindowRule(id="hours", hours=hours)
    assert verdict(question("2026-05-05T00:59:59Z", rule)) == "allow"
    assert verdict(question("2026-05-05T01:00:00Z", rule)) == "deny: calendar_ended"
    assert verdict(question("2026-05-05T16:00:00Z", rule)) == "deny: calendar_ended"
    assert verdict(question("2026-05-03T16:00:00Z", rule)) == "2026-05-04T12:00:00Z"


# -- the least instant at which everything passes ------------------------------------------------------------------------


def everything_passes(one: Question, utc: int) -> bool:
    """Ask each rule at this very instant; no search is asked."""
    for rule in one.book.rules:
        if isinstance(rule, policies.WindowRule):
            if not all(open_at(one.zones, zone, one.book.windows[rule.id], utc) for zone in one.places.zones):
                return False
        elif isinstance(rule, policies.CapRule):
            inside = [each for each in cap_rule.counted(rule, one) if utc - each.tick <= rule.seconds]
            if len(inside) >= rule.limit:
                return False
    return True


def drawn(seed: int) -> Question:
    """Windows whose edges fall on odd seconds, and caps of some hours: what fits in a day and a half."""
    rng = random.Random(seed)
    tick = at("2026-11-01T00:00:00Z") + rng.randrange(DAY_S)
    rules: list[policies.Rule] = []
    for number in range(rng.randint(1, 3)):
        opens = rng.randrange(0, DAY_S - 1)
        spans = ((opens, opens + rng.choice([1, 60, 1_800, 5 * HOUR_S, 12 * HOUR_S])),)
        rules.append(policies.WindowRule(id=f"w{number}", hours=plans.Hours(weekly=(spans,) * 7)))
    spans_s = [rng.choice([60, 5_000, 6 * HOUR_S]) for _ in range(rng.randint(0, 2))]
    rules += [policies.CapRule(id=f"c{one}", limit=rng.randint(1, 3), seconds=one) for one in spans_s]
    touches = [touch(tick - rng.randrange(0, 6 * HOUR_S)) for _ in range(rng.randint(0, 6))]
    zones = rng.sample(
        ("America/New_York", "Europe/London", "Asia/Kolkata", "America/Los_Angeles"), rng.choice([1, 1, 2])
    )
    return question(tick, *rules, touches=touches, zones=zones)


@pytest.mark.slow
def test_the_next_instant_is_the_first_second_at_which_every_rule_passes() -> None:
    seen: Counter[str] = Counter()
    for seed in range(12):
        one = drawn(seed)
        found = next_permitted(one)
        last = one.tick + 30 * HOUR_S if found is None else min(found, one.tick + 30 * HOUR_S)
        first = next((utc for utc in range(one.tick, last + 1) if everything_passes(one, utc)), None)
        assert first == (found if found is not None and found <= last else None), seed
        seen["found"] += first is not None
        seen["none"] += found is None
    assert seen["found"] >= 5


@pytest.mark.campaign
def test_the_next_instant_is_the_first_second_in_many_cases() -> None:
    for seed in range(100, 500):
        one = drawn(seed)
        found = next_permitted(one)
        last = one.tick + 30 * HOUR_S if found is None else min(found, one.tick + 30 * HOUR_S)
        first = next((utc for utc in range(one.tick, last + 1) if everything_passes(one, utc)), None)
        assert first == (found if found is not None and found <= last else None), seed


def test_a_hold_that_ends_by_another_rule_than_it_began_names_the_first() -> None:
    found = asked(question(NIGHT, window(), CAP, touches=[touch(NOON.replace("04T", "03T"))]))
    assert (found.rule, found.until and said(found.until)) == ("hours", "2026-05-04T16:00:01Z")
