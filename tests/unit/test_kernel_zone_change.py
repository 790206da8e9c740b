"""Another time-zone table while runs wait: it touches none of them, and each asks the new table when it wakes."""

from __future__ import annotations

import pytest
from kernel_builder import (
    EPOCH,
    HOUR_S,
    Story,
    call,
    daily,
    email,
    hours,
    plan_of,
    policy_of,
    queued,
    wait,
)

from dee_appliance.kernel.e1 import plan as plans
from dee_appliance.kernel.e1 import policy as policies

NINE = EPOCH - 40_000 + 5 * HOUR_S + 9 * HOUR_S
"""Nine in New York, three hours from now; EPOCH is 06:06:40 there."""


def held() -> Story:
    """A call that is held until nine in New York."""
    rule = policies.WindowRule(id="night", channels=("voice",), hours=hours())
    story = queued(plan_of(call()), policy=policy_of(rule))
    assert story.pull("voice") == []
    assert (story.status(), story.run().due) == ("HELD(outside_hours)", NINE)
    return story


def waiting() -> Story:
    """A contact in New York who waits for nine o'clock."""
    story = Story(plan_of(wait(at_s=9 * HOUR_S)))
    story.enroll()
    assert story.run().due == NINE
    return story


def test_the_input_is_one_entry_and_changes_no_run() -> None:
    for story in (held(), waiting()):
        with story:
            run, entries = story.run(), len(story.bodies())
            story.zones(shift_s=-HOUR_S)
            assert story.run() == run
            assert len(story.bodies()) == entries + 1


def test_a_hold_wakes_at_its_old_time_and_is_held_again_where_the_hour_comes_later_now() -> None:
    with held() as story:
        old = story.last("call")["saw"]["zones"]
        story.zones(shift_s=-HOUR_S)
        story.at(NINE)
        assert story.status() == "ACTIVE(queue)"
        assert story.pull("voice") == []
        assert (story.status(), story.run().due) == ("HELD(outside_hours)", NINE + HOUR_S)
        assert story.last("call")["saw"]["zones"] not in (old, "")
        story.at(NINE + HOUR_S)
        assert len(story.pull("voice")) == 1


def test_a_hold_wakes_at_its_old_time_where_the_hour_came_earlier() -> None:
    with held() as story:
        story.zones(shift_s=HOUR_S)
        story.at(NINE - 1)
        assert (story.status(), story.run().due) == ("HELD(outside_hours)", NINE)
        story.at(NINE)
        assert len(story.pull("voice")) == 1


def test_a_queued_send_is_asked_under_the_table_of_the_pull() -> None:
    rule = policies.WindowRule(id="day", hours=hours())
    with queued(plan_of(email()), policy=policy_of(rule)) as story:
        story.zones(shift_s=3 * HOUR_S)  # it is six there by the old clocks, nine by the new ones
        assert len(story.pull()) == 1


def test_a_queue_that_a_daily_limit_holds_is_asked_by_the_midnight_of_the_new_table() -> None:
    with queued(plan_of(email()), policy=policy_of(daily(1, zone="America/New_York")), contacts=2) as story:
        assert len(story.pull()) == 1
        story.pull()
        assert [reason for _, reason in story.holds()] == ["daily"]
        story.zones(shift_s=-HOUR_S)
        assert story.holds() == []
        assert story.pull() == []
        (hold,) = story.journal.state.holds
        assert hold.until == NINE + 16 * HOUR_S  # an hour after what would have been New York's midnight


def test_a_wait_that_ended_too_early_waits_on() -> None:
    with waiting() as story:
        story.zones(shift_s=-HOUR_S)
        story.at(NINE)
        assert (story.status(), story.run().due) == ("WAITING(wait)", NINE + HOUR_S)
        story.at(NINE + HOUR_S)
        assert story.detail("wait") == {"since": EPOCH, "to": "end"}


def test_a_wait_that_ends_too_late_says_how_late() -> None:
    with waiting() as story:
        story.zones(shift_s=HOUR_S)
        story.at(NINE - 1)
        assert story.status() == "WAITING(wait)"
        story.at(NINE)
        assert story.status() == "COMPLETED(done)"
        assert story.detail("wait") == {"late": HOUR_S, "since": EPOCH, "to": "end"}


@pytest.mark.parametrize(("shift_s", "late"), [(-HOUR_S, HOUR_S), (HOUR_S, 3 * HOUR_S), (0, 2 * HOUR_S)])
def test_lateness_counts_from_the_moment_that_the_new_table_gives(shift_s: int, late: int) -> None:
    with waiting() as story:
        story.zones(shift_s=shift_s)
        story.downtime(NINE + 2 * HOUR_S - EPOCH)
        assert story.detail("wait")["late"] == late


def test_a_wait_is_never_later_than_it_has_lasted() -> None:
    renewal = {"attributes": {"renewal": plans.AttributeDeclaration(kind="date")}, "required": ("renewal",)}
    with Story(plan_of(wait(date="renewal", at_s=12 * HOUR_S), **renewal), contacts=0) as story:
        story.put(renewal="2026-11-18")
        story.enroll()
        due = story.run().due
        assert due is not None
        story.zones(shift_s=10 * HOUR_S)  # by these clocks noon had passed before the wait began
        story.at(due)
        assert story.detail("wait") == {"late": due - EPOCH, "since": EPOCH, "to": "end"}


def test_a_zone_that_the_new_table_does_not_have_is_unknown() -> None:
    with waiting() as story:
        story.put(zone="Atlantis/Poseidonis")
        story.at(NINE)
        assert story.status() == "FAILED(unknown_zone)"
