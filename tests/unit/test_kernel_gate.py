"""The gate: what lets a send pass, what holds it, what denies it, and what each verdict leaves behind."""

from __future__ import annotations

import pytest
from kernel_builder import (
    DAY_S,
    EPOCH,
    HOUR_S,
    Story,
    budget,
    call,
    contact_id,
    daily,
    email,
    hours,
    plan_of,
    policy_of,
    queued,
    text,
    wait,
)

from dee_appliance.kernel.e1 import plan as plans
from dee_appliance.kernel.e1 import policy as policies

TODAY, TOMORROW = "2026-11-18", "2026-11-19"
MIDNIGHT = EPOCH - 40_000 + DAY_S
"""The next midnight in UTC."""

NEW_YORK_NINE = EPOCH - 40_000 + 14 * HOUR_S
"""Nine in the morning of the same day in New York."""


# -- the entry -----------------------------------------------------------------------------------------------------------


def test_a_permit_leaves_one_entry_with_every_rule_and_what_it_saw() -> None:
    rules = (
        policies.BudgetRule(id="money", limit_micros=1_000, currency="USD"),
        policies.DailyLimitRule(id="daily", limit=5),
        policies.ConsentRule(id="agreed"),
        policies.SuppressionRule(id="stop"),
        policies.WindowRule(id="hours", channels=("voice",), hours=hours()),
    )
    with Story(plan_of(email()), policy=policy_of(*rules)) as story:
        policy_entry = story.last("policy")["seq"]
        story.consent()
        consent_entry = story.last()["seq"]
        story.enroll()
        permit = story.sent()
        body = story.last()
    assert body["core"]["detail"] == {
        "attempt": 1,
        "gate": [
            ["address", "pass"],
            ["stop", "pass"],
            ["agreed", "pass", {"class": "express"}],
            ["daily", "pass"],
            ["money", "pass"],
            ["send_by", "pass"],
        ],
    }
    assert body["saw"] == {
        "consent": consent_entry,
        "counters": [["daily", TODAY, 0, 5], ["money", "total", 0, 1_000]],
        "estimate": 100,
        "policy": policy_entry,
        "units": 1,
    }
    assert (body["evidence"]["send"], body["evidence"]["attempt"]) == (permit.send_key, 1)


def test_the_first_rule_that_does_not_pass_decides_and_the_core_ends_there() -> None:
    rules = (budget(10), daily(0), policies.ConsentRule(id="consent"))
    with queued(plan_of(email()), policy=policy_of(*rules)) as story:
        story.pull()
        body = story.last()
        assert body["core"]["detail"] == {
            "attempt": 1,
            "gate": [["address", "pass"], ["consent", "deny"]],
            "reason": "denied:no_consent",
            "rule": "consent",
            "status": "FAILED",
            "why": "no_consent",
        }
        assert body["saw"]["gate"] == [["daily", "hold"], ["budget", "deny"], ["send_by", "pass"]]
        assert story.holds() == []


def test_what_others_have_used_up_changes_no_head_of_a_run_that_another_rule_stopped() -> None:
    night = policies.WindowRule(id="hours", hours=hours())
    heads = []
    for others in (0, 3):
        plan = plan_of(wait(following="mail", for_s=4 * HOUR_S), email())
        with Story(plan, plan_of(email(), plan="now"), policy=policy_of(night, daily(3)), contacts=4) as story:
            story.tick = NEW_YORK_NINE - HOUR_S
            story.enroll(0, "plan")
            for number in range(1, 1 + others):
                story.enroll(number, "now")
            story.at(NEW_YORK_NINE + HOUR_S)
            story.pull(places=others)
            story.at(NEW_YORK_NINE + 3 * HOUR_S)
            story.put(0, zone="Pacific/Auckland")  # the night over there
            story.pull()
            assert story.status() == "HELD(outside_hours)"
            heads.append((story.run().rs, story.run().rp))
    assert heads[0] == heads[1]


def test_rules_are_asked_in_the_order_of_their_kinds_whatever_the_order_in_the_file() -> None:
    rules = (budget(1), daily(0), policies.SuppressionRule(id="suppression"))
    with queued(plan_of(email()), policy=policy_of(*rules)) as story:
        story.suppress(contact_id(0))
        story.pull()
        assert story.status() == "FAILED(denied:suppressed)"


def test_a_rule_for_some_channels_or_purposes_asks_no_other() -> None:
    rules = (
        policies.ConsentRule(id="a", channels=("sms",)),
        policies.ConsentRule(id="b", purposes=("marketing",)),
    )
    with queued(plan_of(email()), policy=policy_of(*rules)) as story:
        assert len(story.pull()) == 1


def test_a_contact_without_the_address_is_denied() -> None:
    with Story(plan_of(call()), contacts=0) as story:
        story.put_facts(present=("email",), zones={})
        story.enroll()
        story.pull("voice")
        assert story.status() == "FAILED(denied:no_address)"


# -- what a denial does --------------------------------------------------------------------------------------------------

DENYING: list[tuple[str, policies.Rule]] = [
    ("suppression", policies.SuppressionRule(id="x")),
    ("consent", policies.ConsentRule(id="x")),
    ("window", policies.WindowRule(id="x", hours=plans.Hours(weekly=((),) * 7))),
    ("budget", policies.BudgetRule(id="x", limit_micros=1, currency="USD")),
]


@pytest.mark.parametrize(("kind", "rule"), DENYING, ids=[kind for kind, _ in DENYING])
def test_the_plan_says_per_rule_whether_a_denied_run_fails_or_ends(kind: str, rule: policies.Rule) -> None:
    for action, status in ((None, "FAILED"), ("fail", "FAILED"), ("end", "COMPLETED")):
        on_deny = {} if action is None else {kind: action}
        plan = plan_of(email(), policy=plans.PlanPolicy(on_deny=on_deny))  # type: ignore[arg-type]
        with queued(plan, policy=policy_of(rule)) as story:
            if kind == "suppression":
                story.suppress(contact_id(0), scope="plan:plan")
            story.pull()
            assert story.run().status == status
            assert story.attempt().state == "CANCELLED"
            if status == "COMPLETED":
                assert story.run().reason == f"denied:{kind}"
            assert story.last("send_email")["saw"]["policy"] > 0


def test_a_denied_run_can_be_retried_when_the_reason_is_gone() -> None:
    with queued(plan_of(email()), policy=policy_of(budget(50))) as story:
        story.pull()
        assert story.status() == "FAILED(denied:budget)"
        story.policy(policy_of(budget(500)))
        story.verb("retry")
        assert len(story.pull()) == 1


# -- hours ---------------------------------------------------------------------------------------------------------------


def test_a_send_outside_the_hours_waits_by_itself_until_they_begin() -> None:
    with queued(plan_of(email()), policy=policy_of(policies.WindowRule(id="hours", hours=hours()))) as story:
        assert story.pull() == []
        assert (story.status(), story.attempt().state) == ("HELD(outside_hours)", "PARKED")
        assert story.run().due == NEW_YORK_NINE
        assert story.holds() == []
        assert story.detail("send_email")["until"] == NEW_YORK_NINE
        story.at(NEW_YORK_NINE)
        assert story.status() == "ACTIVE(queue)"
        assert len(story.pull()) == 1


def test_the_hours_are_open_only_where_they_are_open_in_every_plausible_zone() -> None:
    with Story(plan_of(email()), policy=policy_of(policies.WindowRule(id="hours", hours=hours())), contacts=0) as story:
        story.put_facts(zones={"declared": ["Europe/London"], "number": ["America/New_York"]})
        story.enroll()
        story.pull()  # eleven in London, six in New York
        assert (story.status(), story.run().due) == ("HELD(outside_hours)", NEW_YORK_NINE)
        story.at(NEW_YORK_NINE + 4 * HOUR_S)  # one in New York, six in London: closed there
        story.pull()
        assert story.run().due == NEW_YORK_NINE + DAY_S


def test_nobody_is_called_in_a_zone_that_nobody_knows() -> None:
    nowhere: tuple[dict[str, list[str]], ...] = ({}, {"declared": []}, {"declared": ["Mars/Olympus"]})
    for zones in nowhere:
        with Story(
            plan_of(call()), policy=policy_of(policies.WindowRule(id="hours", hours=hours())), contacts=0
        ) as story:
            story.put_facts(zones=zones)
            story.enroll()
            story.pull("voice")
            assert story.status() == "FAILED(denied:unknown_zone)"


def test_hours_that_do_not_come_within_a_fortnight_deny() -> None:
    closed = (*(f"2026-11-{day}" for day in range(18, 31)), "2026-12-01", "2026-12-02", "2026-12-03")
    rule = policies.WindowRule(id="hours", hours=plans.Hours(weekly=hours().weekly, closed_dates=closed))
    with queued(plan_of(email()), policy=policy_of(rule)) as story:
        story.pull()
        assert story.status() == "FAILED(denied:never_open)"


def test_a_closed_date_that_is_written_twice_is_closed() -> None:
    rule = policies.WindowRule(id="hours", hours=plans.Hours(weekly=hours().weekly, closed_dates=(TODAY, TODAY)))
    with queued(plan_of(email()), policy=policy_of(rule)) as story:
        story.pull()
        assert story.run().due == NEW_YORK_NINE + DAY_S


def test_a_plan_tightens_the_hours_of_calls() -> None:
    plan = plan_of(call(), policy=plans.PlanPolicy(calling_hours=hours(12 * HOUR_S, 13 * HOUR_S)))
    file_hours = policies.WindowRule(id="hours", channels=("voice",), hours=hours())
    with queued(plan, policy=policy_of(file_hours)) as story:
        story.pull("voice")
        assert story.run().due == NEW_YORK_NINE + 3 * HOUR_S
    with queued(plan_of(email(), policy=plan.policy), policy=policy_of(file_hours)) as story:
        assert len(story.pull()) == 1


# -- daily limits --------------------------------------------------------------------------------------------------------


def test_a_daily_limit_holds_the_queue_until_midnight_with_one_entry() -> None:
    with queued(plan_of(email()), policy=policy_of(daily(3)), contacts=8) as story:
        assert len(story.pull()) == 3
        assert story.holds() == [("*", "daily")]
        assert story.last()["core"]["detail"] == {"rule": "daily", "scope": "*", "until": MIDNIGHT}
        assert story.last()["run"] is None
        assert story.pull() == []
        held = story.run(5)
        assert (held.status, held.block, held.rs) == ("ACTIVE", "queue", 1)
        assert story.log(None).count("- hold daily_limit") == 1
        story.at(MIDNIGHT)
        assert story.holds() == []
        assert len(story.pull()) == 3
        assert story.log(None).count("- hold daily_limit") == 2


def test_the_day_of_a_limit_is_that_of_its_zone() -> None:
    with queued(plan_of(email()), policy=policy_of(daily(1, zone="Asia/Kolkata")), contacts=2) as story:
        story.pull()
        until = story.journal.state.next_due()
        assert until == MIDNIGHT - 19_800
        assert story.counter("daily", TODAY) == (1, 0)
        story.at(until)
        assert len(story.pull()) == 1
        assert story.counter("daily", TOMORROW) == (1, 0)


EMAIL, OTHER = plan_of(email()), plan_of(email(), plan="other")
RING, TEXT = plan_of(call(), plan="ring"), plan_of(text(), plan="text")
SALES = plan_of(email(), plan="sales", purpose="marketing")
PROMO = plan_of(email(), plan="promo", purpose="marketing")


@pytest.mark.parametrize(
    ("rule", "held", "free"),
    [
        (daily(1), ("*",), ()),
        (daily(1, scope="channel"), ("channel:email",), ("ring", "text")),
        (daily(1, scope="plan"), ("plan:plan",), ("other", "ring", "sales")),
        (daily(1, channels=("email",)), ("channel:email",), ("ring", "text")),
        (daily(1, channels=("email",), scope="plan"), ("plan:both/email",), ("ring", "other")),
        (daily(1, purposes=("marketing",)), ("plan:sales",), ("plan", "other", "ring")),
        (daily(1, purposes=("marketing",), channels=("email",)), ("plan:sales/email",), ("plan", "ring")),
    ],
    ids=["file", "channel", "plan", "channels", "plan-channels", "purposes", "purposes-channels"],
)
def test_a_limit_holds_the_queue_that_it_counts_and_stops_nothing_else(
    rule: policies.DailyLimitRule, held: tuple[str, ...], free: tuple[str, ...]
) -> None:
    both = plan_of(email(following="ring"), call("ring"), plan="both")
    first = {"plan": "plan", "sales": "sales", "both": "both"}.get(held[0].partition(":")[2].partition("/")[0], "plan")
    with Story(EMAIL, OTHER, RING, TEXT, SALES, both, policy=policy_of(rule), contacts=4) as story:
        story.enroll(0, first)
        story.enroll(1, first)
        assert len(story.pull()) == 1
        assert [scope for scope, _ in story.holds()] == list(held)
        for plan in free:
            story.enroll(2, plan)
        channels: tuple[plans.Channel, ...] = ("email", "sms", "voice")
        permits = [permit for channel in channels for permit in story.pull(channel)]
        assert len(permits) == len(free)
        assert held[0] in [scope for scope, _ in story.holds()]


def test_a_limit_for_a_purpose_counts_all_its_plans_together() -> None:
    rule = daily(2, purposes=("marketing",))
    with Story(SALES, PROMO, EMAIL, policy=policy_of(rule), contacts=4) as story:
        for number in range(2):
            for plan in ("sales", "promo", "plan"):
                story.enroll(number, plan)
        assert sorted(permit.step for permit in story.pull()) == ["mail"] * 4
        assert story.holds() == [("plan:promo", "daily"), ("plan:sales", "daily")]
        assert story.counter("daily", TODAY) == (2, 0)
        story.at(MIDNIGHT)
        assert len(story.pull()) == 2


def test_a_plans_own_daily_sends_hold_only_that_plan() -> None:
    mine = plan_of(email(), policy=plans.PlanPolicy(daily_sends=1))
    with queued(mine, OTHER, policy=policy_of(), contacts=3) as story:
        assert len(story.pull()) == 4
        assert story.holds() == [("plan:plan", "plan/daily_sends")]


def test_a_certain_failure_gives_its_place_back() -> None:
    with queued(plan_of(email()), policy=policy_of(daily(2)), contacts=3) as story:
        permit = story.pull(places=1)[0]
        story.answer(permit, "rejected", "permanent")
        assert story.counter("daily", TODAY) == (0, 0)
        assert len(story.pull()) == 2


def test_a_limit_whose_zone_is_not_in_the_table_holds_the_queue_until_it_can_be_counted() -> None:
    with queued(plan_of(email()), policy=policy_of(daily(2, zone="Mars/Olympus")), contacts=2) as story:
        assert story.pull() == []
        assert story.holds() == [("*", "daily")]
        assert story.last("hold")["core"]["outcome"] == "unknown_zone"
        story.later(3 * DAY_S)
        assert story.pull() == []
        story.policy(policy_of(daily(2)))
        assert len(story.pull()) == 2


def test_a_changed_policy_asks_the_queue_again() -> None:
    with queued(plan_of(email()), policy=policy_of(daily(1)), contacts=4) as story:
        story.pull()
        story.policy(policy_of(daily(3)))
        assert story.holds() == []
        assert story.last()["core"]["detail"]["released"] == 1
        assert len(story.pull()) == 2


def test_a_changed_zone_table_moves_the_midnight_of_a_held_queue() -> None:
    with queued(plan_of(email()), policy=policy_of(daily(1)), contacts=2) as story:
        story.pull()
        story.zones(shift_s=HOUR_S)
        assert story.pull() == []
        assert story.last("hold")["core"]["detail"]["until"] == MIDNIGHT - HOUR_S


# -- budgets -------------------------------------------------------------------------------------------------------------


def test_a_budget_denies_what_does_not_fit_and_never_goes_over() -> None:
    with queued(plan_of(email()), policy=policy_of(budget(350)), contacts=5) as story:
        permits = story.pull()
        assert len(permits) == 3
        assert story.counter("budget") == (0, 300)
        assert [story.status(number) for number in (4, 5)] == ["FAILED(denied:budget)"] * 2
        assert story.last()["saw"]["counters"] == [["budget", "total", 300, 350]]
        story.answer(permits[0])
        story.verb("retry", run=4)
        assert story.pull() == []
        story.answer(permits[1], cost_micros=10)
        story.verb("retry", run=4)
        assert len(story.pull()) == 1


def test_the_exact_limit_may_be_spent() -> None:
    with queued(plan_of(email()), policy=policy_of(budget(300)), contacts=4) as story:
        assert len(story.pull()) == 3


def test_a_text_message_costs_by_its_segments() -> None:
    with queued(plan_of(text()), policy=policy_of(budget(1_000))) as story:
        story.shell.units = 3
        story.sent("sms")
        assert story.counter("budget") == (0, 210)


def test_the_longest_prefix_sets_the_price_and_no_price_denies() -> None:
    rates = tuple(
        policies.Rate(channel="voice", micros=micros, prefix=prefix)
        for prefix, micros in (("+1", 10), ("+1206", 30), ("+44", 5), ("+12", 20))
    )
    with queued(plan_of(call(max_duration_s=60)), policy=policy_of(budget(1_000), rates=rates)) as story:
        story.sent("voice")
        assert story.counter("budget") == (0, 30)
    with queued(plan_of(email()), policy=policy_of(budget(1_000), rates=rates)) as story:
        story.pull()
        assert story.status() == "FAILED(denied:no_rate)"


def test_where_a_longer_prefix_may_fit_the_dearer_price_is_reserved() -> None:
    """Of a number its first digits are known and no more: a budget must hold whichever price it turns out to be."""
    rates = tuple(
        policies.Rate(channel="voice", micros=micros, prefix=prefix)
        for prefix, micros in (("+1206", 30), ("+12065", 90), ("+12067", 10))
    )
    with queued(plan_of(call(max_duration_s=60)), policy=policy_of(budget(1_000), rates=rates)) as story:
        story.sent("voice")
        assert story.counter("budget") == (0, 90)


def test_a_budget_in_another_currency_than_the_prices_denies() -> None:
    with queued(plan_of(email()), policy=policy_of(budget(1_000, currency="EUR"))) as story:
        story.pull()
        assert story.status() == "FAILED(denied:currency)"


@pytest.mark.parametrize(
    ("scope", "counter"), [("file", "budget"), ("channel", "budget:email"), ("plan", "budget:plan")]
)
def test_a_budget_is_the_files_a_channels_or_a_plans(scope: str, counter: str) -> None:
    with queued(EMAIL, OTHER, RING, policy=policy_of(budget(1_000, scope=scope))) as story:
        story.pull()
        story.pull("voice")
        alone = {"file": 300, "channel": 200, "plan": 100}[scope]
        assert story.counter(counter) == (0, alone)


def test_two_budgets_must_both_fit() -> None:
    mine = plan_of(email(), policy=plans.PlanPolicy(budget=plans.Budget(limit_micros=150, currency="USD")))
    with queued(mine, policy=policy_of(budget(1_000)), contacts=2) as story:
        assert len(story.pull()) == 1
        assert (story.counter("budget"), story.counter("plan/budget:plan")) == ((0, 100), (0, 100))
        assert story.status(2) == "FAILED(denied:budget)"


# -- halts ---------------------------------------------------------------------------------------------------------------
