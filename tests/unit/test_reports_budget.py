"""What budgets, limits and rates have left, how fast a budget is used up, and what a forecast would cost."""

from __future__ import annotations

import pytest
from kernel_builder import DAY_S, Story, budget, call, email, plan_of, policy_of, text

from dee_appliance.cli.budget import budget_lines
from dee_appliance.kernel.e1 import plan as plans
from dee_appliance.kernel.e1 import policy as policies
from dee_appliance.kernel.e1.civil_time import parse_utc
from dee_appliance.runtime.forecast import spent_micros
from dee_appliance.runtime.reading import View
from dee_appliance.runtime.reports import BudgetReport, budget_show

ANEW = plans.Enroll(reentry="always")
MAIL = plan_of(email(), enroll=ANEW)


def look(story: Story, plan: str = "") -> BudgetReport:
    return budget_show(View(story.journal.database), plan=plan, now=story.tick, burn=True)


def text_of(report: BudgetReport) -> str:
    return "\n".join(budget_lines(report))


def send(story: Story, count: int, *, cost: int | None = None) -> None:
    """Let so many e-mails leave and be accepted."""
    for _ in range(count):
        story.enroll()
    for permit in story.pull(places=count):
        story.answer(permit, cost_micros=cost)


# -- periods ---------------------------------------------------------------------------------------------------------


def test_a_budget_is_shown_in_its_current_period() -> None:
    rule = budget(1_000, period="month", zone="America/New_York")
    with Story(MAIL, policy=policy_of(rule)) as story:
        send(story, 2)
        (row,) = look(story).budgets
        assert (row.period, row.bucket, row.settled_micros, row.left_micros) == ("month", "2026-11", 200, 800)
        assert row.begins is not None
        assert row.resets is not None
        assert (row.begins.utc, row.resets.utc) == ("2026-11-01T04:00:00Z", "2026-12-01T05:00:00Z")
        story.at(parse_utc("2026-12-01T05:00:00Z"))
        (row,) = look(story).budgets
        assert (row.bucket, row.settled_micros, row.left_micros) == ("2026-12", 0, 1_000)
        assert "0.001 USD left in the month 2026-12 (America/New_York), anew 2027-01-01 05:00:00Z" in text_of(
            look(story)
        )


def test_budgets_of_the_policy_of_channels_and_of_plans_are_each_shown_once() -> None:
    wide = policies.BudgetRule(id="wide", limit_micros=9_000, currency="USD", scope="channel")
    own = plans.PlanPolicy(budget=plans.Budget(limit_micros=500, currency="USD"))
    with Story(MAIL, plan_of(text(), plan="other", policy=own), policy=policy_of(budget(100), wide)) as story:
        assert [(row.counter, row.plan, row.channel) for row in look(story).budgets] == [
            ("budget", "", ""),
            ("wide:email", "", "email"),
            ("plan/budget:other", "other", ""),
            ("wide:sms", "", "sms"),
            ("wide:voice", "", "voice"),
        ]


# -- burn-down ---------------------------------------------------------------------------------------------------------


def test_each_day_shows_what_it_has_spent_and_the_rest_lasts_as_long_as_the_pace_says() -> None:
    with Story(MAIL, policy=policy_of(budget(5_000))) as story:
        for count in (3, 0, 5, 1):
            send(story, count)
            story.later(DAY_S)
        send(story, 2, cost=150)
        (row,) = look(story).budgets
        assert row.burn is not None
        assert [(day.day, day.micros) for day in row.burn.days] == [
            ("2026-11-18", 300),
            ("2026-11-20", 500),
            ("2026-11-21", 100),
            ("2026-11-22", 300),
        ]
        # Whole days with spending: 300, 500 and 100. The 3,800 that are left last for 12 days from today on.
        assert (row.burn.average_micros, row.burn.exhausts) == (300, "2026-12-04")
        assert (row.burn.above, row.burn.above_micros) == (2, 100)
        told = text_of(look(story))
        assert "at 0.0003 USD a day it is used up on 2026-12-04" in told
        assert "2 settled above their estimate, by 0.0001 USD together" in told


def test_only_the_last_seven_days_with_spending_make_the_pace() -> None:
    with Story(MAIL, policy=policy_of(budget(100_000))) as story:
        for count in (9, 9, 1, 1, 1, 0, 1, 1, 1, 1):
            send(story, count)
            story.later(DAY_S)
        (row,) = look(story).budgets
        assert row.burn is not None
        assert row.burn.average_micros == 100


def test_a_pace_that_does_not_use_up_the_period_says_so() -> None:
    with Story(MAIL, policy=policy_of(budget(10_000, period="month"))) as story:
        send(story, 1)
        story.later(DAY_S)
        (row,) = look(story).budgets
        assert row.burn is not None
        assert (row.burn.average_micros, row.burn.exhausts) == (100, "")
        assert "it lasts until the month is over" in text_of(look(story))


def test_what_is_corrected_later_is_taken_from_the_day_on_which_it_was_corrected() -> None:
    with Story(MAIL, policy=policy_of(budget(10_000))) as story:
        story.enroll()
        permit = story.sent()
        story.later(DAY_S)
        send(story, 1)
        story.answer(permit, "rejected", "permanent")
        (row,) = look(story).budgets
        assert row.burn is not None
        assert sum(day.micros for day in row.burn.days) == row.settled_micros + row.reserved_micros == 100


def test_a_budget_over_its_limit_says_that_nothing_more_is_sent() -> None:
    with Story(MAIL, policy=policy_of(budget(150))) as story:
        send(story, 1, cost=200)
        (row,) = look(story).budgets
        assert row.left_micros == -50
        assert "over the limit by 0.00005 USD: nothing more is sent on it" in text_of(look(story))


def test_a_file_in_which_nothing_was_spent_has_no_pace() -> None:
    with Story(MAIL, policy=policy_of(budget(150))) as story:
        (row,) = look(story).budgets
        assert row.burn is not None
        assert (row.burn.days, row.burn.average_micros, row.burn.exhausts) == ((), 0, "")


# -- limits and rates ------------------------------------------------------------------------------------------------------


def test_a_ramp_shows_todays_stage_and_the_next() -> None:
    ramp = (policies.Stage(since="2026-11-19", limit=50), policies.Stage(since="2026-11-25", limit=500))
    with Story(MAIL, policy=policy_of(policies.DailyLimitRule(id="warm-up", limit=5, ramp=ramp))) as story:
        told = []
        for _ in range(3):
            (row,) = look(story).limits
            told.append(
                (row.limit, row.left, row.stage, row.next_stage and (row.next_stage.since, row.next_stage.limit))
            )
            story.later(4 * DAY_S)
        assert told == [
            (5, 5, "", ("2026-11-19", 50)),
            (50, 50, "2026-11-19", ("2026-11-25", 500)),
            (500, 500, "2026-11-25", None),
        ]
        assert "500 a day since 2026-11-25, the last stage" in text_of(look(story))


def test_a_rate_shows_how_many_have_left_and_when_the_next_fits() -> None:
    with Story(MAIL, policy=policy_of(policies.RateRule(id="pace", limit=2, seconds=60))) as story:
        send(story, 1)
        story.later(10)
        (row,) = look(story).rates
        assert (row.used, row.left, row.free) == (1, 1, None)
        send(story, 1)
        (row,) = look(story).rates
        assert row.free is not None
        assert (row.used, row.left, row.free.tick) == (2, 0, 60)
        assert "pace: 2 of 2 in the last 60 s, the next fits" in text_of(look(story))
        story.later(50)
        (row,) = look(story).rates
        assert (row.used, row.free) == (1, None)


# -- forecasts ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rule", "spent"),
    [
        (budget(9_000), 300),
        (budget(9_000, scope="channel"), 300),
        (budget(9_000, scope="plan"), 300),
        (budget(9_000, period="day"), 300),
        (budget(9_000, period="month", scope="plan"), 300),
    ],
)
def test_a_forecast_knows_what_every_budget_has_spent_whatever_its_scope_and_period(
    rule: policies.BudgetRule, spent: int
) -> None:
    with Story(MAIL, plan_of(call(), plan="ring"), policy=policy_of(rule)) as story:
        send(story, 1)
        story.later(DAY_S)
        send(story, 1)
        story.enroll(plan="ring")
        story.sent("voice")
        assert spent_micros(View(story.journal.database)) == {"budget": spent}


def test_a_forecast_knows_the_budgets_of_plans() -> None:
    own = plans.PlanPolicy(budget=plans.Budget(limit_micros=500, currency="USD"))
    with Story(plan_of(email(), policy=own), policy=policy_of()) as story:
        story.enroll()
        story.sent()
        assert spent_micros(View(story.journal.database)) == {"plan/budget": 100}
