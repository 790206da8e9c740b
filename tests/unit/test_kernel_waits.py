"""Waits and start times: how long, until when, for what, and by which clock."""

from __future__ import annotations

from typing import Any

import pytest
from kernel_builder import DAY_S, EPOCH, HOUR_S, MINUTE_S, Story, email, end, leave, plan_of, wait

from dee_appliance.kernel.e1 import plan as plans

MIDNIGHT = EPOCH - 40_000
"""2026-11-18 00:00 UTC."""

NEW_YORK = MIDNIGHT + 5 * HOUR_S
"""2026-11-18 00:00 in New York."""


def at(*steps: plans.Step, zone: str | None = "America/New_York", **head: object) -> Story:
    """A contact at the first of these steps."""
    story = Story(plan_of(*steps, **head), contacts=0)
    story.put(zone=zone)
    story.enroll()
    return story


# -- a duration ----------------------------------------------------------------------------------------------------------


def test_a_wait_of_a_duration_ends_when_it_has_passed() -> None:
    with at(wait(for_s=DAY_S)) as story:
        assert (story.status(), story.run().due) == ("WAITING(wait)", EPOCH + DAY_S)
        story.later(DAY_S - 1)
        assert story.status() == "WAITING(wait)"
        story.later(1)
        assert story.status() == "COMPLETED(done)"
        assert story.detail("wait") == {"since": EPOCH, "to": "end"}


def test_a_wait_of_nothing_is_over_at_once() -> None:
    with at(wait(for_s=0)) as story:
        assert story.status() == "COMPLETED(done)"
        assert story.log()[1:] == ["wait wait past", "end end done"]


def test_a_wait_that_fires_late_says_how_late() -> None:
    with at(wait(for_s=DAY_S)) as story:
        story.downtime(DAY_S + 90)
        assert story.detail("wait") == {"late": 90, "since": EPOCH, "to": "end"}


def test_consecutive_waits_count_from_the_moment_that_each_was_entered() -> None:
    with at(wait("first", "second", for_s=HOUR_S), wait("second", for_s=HOUR_S)) as story:
        story.downtime(5 * HOUR_S)
        assert (story.run().step, story.run().due) == ("second", EPOCH + 6 * HOUR_S)


# -- for something to happen ---------------------------------------------------------------------------------------------

REPLY = (
    email(following="wait"),
    wait(for_s=DAY_S, until='replied("mail")', then="won", following="lost"),
    end("won", "replied"),
    end("lost", "silent"),
)


def test_what_has_happened_before_the_wait_ends_it_at_once() -> None:
    with at(*REPLY) as story:
        permit = story.sent()
        story.event("email.replied", permit)
        story.answer(permit)
        assert story.status() == "COMPLETED(replied)"
        assert story.detail("wait") == {"since": EPOCH, "to": "won"}


def test_a_reply_during_the_wait_ends_it_in_the_same_decision() -> None:
    with at(*REPLY) as story:
        permit = story.sent()
        story.answer(permit)
        story.later(HOUR_S)
        story.event("email.replied", permit)
        assert story.status() == "COMPLETED(replied)"
        assert story.log()[-3:] == ["wait event email.replied", "wait wait met", "won end replied"]


def test_a_reply_after_the_wait_is_an_event_and_changes_nothing() -> None:
    with at(*REPLY) as story:
        permit = story.sent()
        story.answer(permit)
        story.later(DAY_S)
        assert story.status() == "COMPLETED(silent)"
        story.event("email.replied", permit)
        assert story.status() == "COMPLETED(silent)"
        assert story.log()[-1] == "lost event email.replied"


def test_a_reply_that_was_received_before_the_timeout_counts_although_both_are_late() -> None:
    with at(*REPLY) as story:
        permit = story.sent()
        story.answer(permit)
        story.tick += DAY_S - 1
        story.event("email.replied", permit)
        story.downtime(DAY_S)
        assert story.status() == "COMPLETED(replied)"


def test_at_the_tick_of_the_timeout_the_timeout_comes_first() -> None:
    with at(*REPLY) as story:
        permit = story.sent()
        story.answer(permit)
        story.tick += DAY_S
        story.event("email.replied", permit)
        assert story.status() == "COMPLETED(silent)"


def test_an_event_for_the_whole_contact_counts_without_a_step() -> None:
    steps = (email(following="wait"), wait(for_s=DAY_S, until="replied()", then="won"), end("won", "replied"))
    with at(*steps) as story:
        story.answer(story.sent())
        story.event("email.replied")
        assert story.status() == "COMPLETED(replied)"


def test_an_event_for_the_whole_contact_is_about_no_step() -> None:
    with at(*REPLY) as story:
        story.answer(story.sent())
        story.event("email.replied")
        assert story.status() == "WAITING(wait)"


def test_an_event_of_ones_own_is_counted_in_every_live_run() -> None:
    waiting = wait(for_s=DAY_S, until='count("visit") >= 2', then="won")
    with Story(plan_of(waiting, end("won", "seen")), plan_of(waiting, end("won", "seen"), plan="other")) as story:
        story.enroll()
        story.event("visit")
        story.enroll(plan="other")
        story.event("visit")
        assert (story.status(1), story.status(2)) == ("COMPLETED(seen)", "WAITING(wait)")


def test_a_wait_for_consent_ends_with_the_consent() -> None:
    with at(wait(for_s=DAY_S, until='consent("email")', then="won"), end("won", "agreed")) as story:
        story.consent()
        assert story.status() == "COMPLETED(agreed)"


def test_a_wait_for_an_attribute_ends_with_the_contacts_change() -> None:
    vip = {"vip": plans.AttributeDeclaration(kind="bool")}
    with at(
        wait(for_s=DAY_S, until="has(contact.vip) && contact.vip", then="won"), end("won", "vip"), attributes=vip
    ) as story:
        story.put(vip=False)
        assert story.status() == "WAITING(wait)"
        story.put(vip=True)
        assert story.status() == "COMPLETED(vip)"


def test_a_condition_that_cannot_be_computed_fails_the_run_and_is_never_taken_for_false() -> None:
    tier = {"tier": plans.AttributeDeclaration(kind="int")}
    steps = (wait(for_s=DAY_S, until="contact.tier > 3", then="won"), end("won", "rich"))
    with Story(plan_of(*steps, attributes=tier), contacts=0) as story:
        story.put(tier=1)
        story.enroll()
        story.put()
        assert story.status() == "FAILED(condition_failed)"
        assert story.detail("wait") == {
            "code": "absent_attribute",
            "name": "tier",
            "reason": "condition_failed",
            "status": "FAILED",
        }


# -- a local time --------------------------------------------------------------------------------------------------------


def test_a_local_time_is_that_of_the_contacts_zone() -> None:
    for zone, due in (
        ("America/New_York", NEW_YORK + 9 * HOUR_S),  # 06:06 there, so today
        ("Asia/Kolkata", MIDNIGHT + DAY_S + 9 * HOUR_S - 19_800),  # 16:36 there, so tomorrow
        ("Etc/UTC", MIDNIGHT + DAY_S + 9 * HOUR_S),
    ):
        with at(wait(at_s=9 * HOUR_S), zone=zone) as story:
            assert story.run().due == due


def test_at_that_very_time_the_wait_is_until_tomorrow() -> None:
    with Story(plan_of(wait(at_s=9 * HOUR_S))) as story:
        story.at(NEW_YORK + 9 * HOUR_S)
        story.enroll()
        assert story.run().due == NEW_YORK + DAY_S + 9 * HOUR_S


def test_a_local_time_follows_the_clocks_that_change_meanwhile() -> None:
    # On 2027-03-14 at two in the morning New York's clocks go forward an hour, on 2027-11-07 back.
    forwards = NEW_YORK + 115 * DAY_S  # 2027-03-13 00:00 there
    backwards = NEW_YORK + 353 * DAY_S - HOUR_S  # 2027-11-06 00:00 there, on summer time
    for start, hours in ((forwards, 23), (backwards, 25)):
        with Story(plan_of(wait(at_s=9 * HOUR_S))) as story:
            story.tick = start + 9 * HOUR_S
            story.enroll()
            assert story.run().due == story.tick + hours * HOUR_S


def test_a_time_in_the_gap_of_the_clocks_is_the_first_instant_after_it() -> None:
    with Story(plan_of(wait(at_s=2 * HOUR_S + 30 * MINUTE_S))) as story:
        story.tick = NEW_YORK + 116 * DAY_S  # 2027-03-14 00:00 there; 02:30 is skipped
        story.enroll()
        assert story.run().due == story.tick + 2 * HOUR_S


def test_a_weekday_is_that_of_the_contact() -> None:
    with at(wait(at_s=9 * HOUR_S, weekdays=(0,))) as story:
        assert story.run().due == NEW_YORK + 5 * DAY_S + 9 * HOUR_S  # Monday the 23rd
    with at(wait(weekdays=(2,))) as story:
        assert story.run().due == NEW_YORK + 7 * DAY_S  # it is Wednesday, and midnight has passed


def test_a_contact_without_a_zone_cannot_wait_for_a_local_time() -> None:
    with at(wait(at_s=9 * HOUR_S), zone=None) as story:
        assert story.status() == "FAILED(unknown_zone)"


def test_a_zone_that_the_number_speaks_for_is_taken_when_it_is_the_only_one() -> None:
    with Story(plan_of(wait(at_s=9 * HOUR_S)), contacts=0) as story:
        story.put_facts(zones={"declared": [], "number": ["Asia/Kolkata"]})
        story.enroll()
        assert story.status() == "WAITING(wait)"
    with Story(plan_of(wait(at_s=9 * HOUR_S)), contacts=0) as story:
        story.put_facts(zones={"declared": [], "number": ["Asia/Kolkata", "Europe/London"]})
        story.enroll()
        assert story.status() == "FAILED(unknown_zone)"


def test_a_declared_zone_outranks_what_the_number_says() -> None:
    with Story(plan_of(wait(at_s=9 * HOUR_S)), contacts=0) as story:
        story.put_facts(zones={"declared": ["America/New_York"], "number": ["Asia/Kolkata"]})
        story.enroll()
        assert story.run().due == NEW_YORK + 9 * HOUR_S


def test_a_zone_that_the_table_does_not_know_fails_the_run() -> None:
    with at(wait(at_s=9 * HOUR_S), zone="Mars/Olympus") as story:
        assert story.status() == "FAILED(unknown_zone)"


def test_a_wait_whose_clock_was_changed_meanwhile_is_moved_and_says_so() -> None:
    with at(wait(at_s=9 * HOUR_S)) as story:
        first = story.run().due
        assert first is not None
        story.zones(shift_s=-HOUR_S)  # a parliament has moved every clock back: nine o'clock comes an hour later
        assert story.run().due == first
        story.at(first)
        assert (story.status(), story.run().due) == ("WAITING(wait)", first + HOUR_S)
        assert story.detail("wait") == {"until": first + HOUR_S}
        story.at(first + HOUR_S)
        assert story.status() == "COMPLETED(done)"
        assert story.log()[1:] == ["wait wait moved", "wait wait elapsed", "end end done"]


def test_a_contact_who_has_moved_west_waits_for_the_same_time_there() -> None:
    with at(wait(at_s=9 * HOUR_S), zone="Asia/Kolkata") as story:
        first = story.run().due
        assert first is not None
        story.put(zone="Europe/London")
        assert story.run().due == first
        story.at(first)
        assert (story.status(), story.run().due) == ("WAITING(wait)", MIDNIGHT + DAY_S + 9 * HOUR_S)


def test_a_contact_who_has_moved_to_where_the_time_comes_earlier_goes_on_earlier() -> None:
    with at(wait(at_s=9 * HOUR_S), zone="Europe/London") as story:
        first = story.run().due
        assert first is not None
        story.put(zone="America/New_York")  # nine o'clock there comes before that of London's next day
        due = story.run().due
        assert due is not None
        assert due < first
        story.at(due)
        assert story.status() == "COMPLETED(done)"


def test_a_contact_who_has_lost_the_zone_fails_when_the_wait_fires() -> None:
    with at(wait(at_s=9 * HOUR_S)) as story:
        story.put(zone=None)
        assert story.status() == "WAITING(wait)"
        story.later(DAY_S)
        assert story.status() == "FAILED(unknown_zone)"


# -- a date of the contact -----------------------------------------------------------------------------------------------

RENEWAL = {"attributes": {"renewal": plans.AttributeDeclaration(kind="date")}, "required": ("renewal",)}


def until_renewal(date: str, **more: int) -> Story:
    """A contact who waits for a date."""
    story = Story(plan_of(wait("wait", "end", date="renewal", **more), **RENEWAL), contacts=0)
    story.put(renewal=date)
    story.enroll()
    return story


@pytest.mark.parametrize(
    ("more", "due"),
    [
        ({}, NEW_YORK + 2 * DAY_S),
        ({"at_s": 9 * HOUR_S}, NEW_YORK + 2 * DAY_S + 9 * HOUR_S),
        ({"offset_s": -DAY_S}, NEW_YORK + DAY_S),
        ({"offset_s": 3 * DAY_S, "at_s": HOUR_S}, NEW_YORK + 5 * DAY_S + HOUR_S),
    ],
)
def test_a_wait_until_a_date_counts_from_its_local_midnight(more: dict[str, int], due: int) -> None:
    with until_renewal("2026-11-20", **more) as story:
        assert story.run().due == due
        story.at(due)
        assert story.status() == "COMPLETED(done)"


def test_a_date_that_has_passed_ends_the_wait_at_once() -> None:
    with until_renewal("2026-11-17") as story:
        assert story.status() == "COMPLETED(done)"
        assert story.log()[1] == "wait wait past"
    with until_renewal("2026-11-18") as story:  # it is six in the morning of that day
        assert story.status() == "COMPLETED(done)"


def test_a_date_that_has_been_put_off_moves_the_wait_when_it_fires() -> None:
    with until_renewal("2026-11-20") as story:
        story.put(renewal="2026-11-25")
        assert story.run().due == NEW_YORK + 2 * DAY_S
        story.at(NEW_YORK + 2 * DAY_S)
        assert (story.status(), story.run().due) == ("WAITING(wait)", NEW_YORK + 7 * DAY_S)


def test_a_date_that_comes_earlier_now_moves_the_wait_at_once() -> None:
    with until_renewal("2026-11-25") as story:
        story.put(renewal="2026-11-20")
        assert story.detail("wait") == {"until": NEW_YORK + 2 * DAY_S}
        story.at(NEW_YORK + 2 * DAY_S)
        assert story.status() == "COMPLETED(done)"
    with until_renewal("2026-11-25") as story:
        story.put(renewal="2026-11-01")  # long ago: the wait is over with the next turn
        story.later(0)
        assert (story.status(), story.last("wait")["core"]["tick"]) == ("COMPLETED(done)", story.tick)


def test_a_date_that_has_gone_or_is_none_fails_the_run_when_the_wait_fires() -> None:
    for value, reason in (
        (None, "absent_attribute"),
        ("soon", "bad_date"),
        ("2026-02-30", "bad_date"),
        (7, "absent_attribute"),
    ):
        with until_renewal("2026-11-20") as story:
            attributes: dict[str, Any] = {} if value is None else {"renewal": value}
            story.put(**attributes)
            story.later(3 * DAY_S)
            assert story.status() == f"FAILED({reason})"


def test_a_date_beyond_the_zone_table_fails_the_run() -> None:
    with until_renewal("9999-12-31") as story:
        assert story.status() == "FAILED(unknown_zone)"


# -- start times ---------------------------------------------------------------------------------------------------------


def test_an_enrolment_may_start_later() -> None:
    with Story(plan_of(email())) as story:
        story.enroll(start=EPOCH + DAY_S)
        assert (story.status(), story.run().due) == ("PENDING(start)", EPOCH + DAY_S)
        assert story.pull() == []
        story.later(DAY_S)
        assert story.status() == "ACTIVE(queue)"
        assert story.detail("start") == {"to": "mail"}


def test_a_start_that_fires_late_says_how_late() -> None:
    with Story(plan_of(email())) as story:
        story.enroll(start=EPOCH + DAY_S)
        story.downtime(2 * DAY_S)
        assert story.detail("start") == {"late": DAY_S, "to": "mail"}


def test_a_start_in_the_past_is_now() -> None:
    with Story(plan_of(email())) as story:
        story.enroll(start=EPOCH - DAY_S)
        assert (story.status(), story.run().entered) == ("ACTIVE(queue)", EPOCH)


def test_a_run_that_has_not_started_ends_by_its_exits_too() -> None:
    with Story(plan_of(email(), exits=(leave("unsubscribed()"),))) as story:
        story.enroll(start=EPOCH + DAY_S)
        story.event("email.unsubscribed")
        assert story.status() == "COMPLETED(left)"
        assert story.journal.state.next_due() is None


# -- tasks ---------------------------------------------------------------------------------------------------------------


def test_a_wait_for_a_person_that_times_out_late_says_how_late() -> None:
    with at(plans.Task(id="look", instructions="x", timeout_s=HOUR_S, next="end", on={})) as story:
        story.downtime(2 * HOUR_S)
        assert story.detail("task") == {"late": HOUR_S, "to": "end"}


def test_what_is_late_fires_in_the_order_in_which_it_was_due_whichever_run_is_older() -> None:
    with Story(
        plan_of(wait(for_s=DAY_S), plan="slow"),
        plan_of(wait(for_s=HOUR_S), plan="fast"),
        plan_of(wait(for_s=HOUR_S), plan="too"),
    ) as story:
        for name in ("slow", "fast", "too"):
            story.enroll(plan=name)
        story.tick += 2 * DAY_S
        story.event("visit")
        fired = [body["core"]["plan"] for body in story.bodies() if body["core"]["action"] == "wait"]
    assert fired == ["fast@1", "too@1", "slow@1"]
