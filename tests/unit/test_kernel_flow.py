"""How a run goes from step to step: branches, splits, tasks, cycles, exits, and where it must stop."""

from __future__ import annotations

import pytest
from kernel_builder import (
    DAY_S,
    HOUR_S,
    Story,
    branch,
    call,
    contact_id,
    email,
    end,
    leave,
    plan_of,
    policy_of,
    task,
    wait,
)

from dee_appliance.kernel.e1 import input as inputs
from dee_appliance.kernel.e1 import plan as plans
from dee_appliance.kernel.e1 import policy as policies
from dee_appliance.kernel.e1.encoding import share_of
from dee_appliance.kernel.e1.run import Permit
from dee_appliance.kernel.e1.steps import MAX_TRANSITIONS

TIER = {"attributes": {"tier": plans.AttributeDeclaration(kind="int")}, "required": ("tier",)}
LATE_POLICY = policy_of(policies.WindowRule(id="hours", hours=plans.Hours(weekly=(((82_800, 86_400),),) * 7)))
"""Sends leave between eleven and midnight only."""


def at(*steps: plans.Step, **head: object) -> Story:
    """A contact at the first of these steps."""
    story = Story(plan_of(*steps, **head))
    story.enroll()
    return story


# -- branches ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("tier", "ended"), [(9, "gold"), (5, "silver"), (1, "none")])
def test_a_branch_takes_the_first_case_that_holds_else_the_other_way(tier: int, ended: str) -> None:
    cases = (plans.Case(when="contact.tier > 8", then="gold"), plans.Case(when="contact.tier > 4", then="silver"))
    which = plans.Branch(id="which", cases=cases, otherwise="none")
    with Story(plan_of(which, *(end(name, name) for name in ("gold", "silver", "none")), **TIER), contacts=0) as story:
        story.put(tier=tier)
        story.enroll()
        assert story.status() == f"COMPLETED({ended})"
        case = {"gold": {"case": 0}, "silver": {"case": 1}, "none": {}}[ended]
        assert story.detail("branch") == {**case, "to": ended}


def test_a_branch_whose_condition_fails_fails_the_run_and_asks_no_later_case() -> None:
    which = branch("which", "contact.tier > 4", "end", "end")
    with Story(plan_of(which, **{**TIER, "required": ()})) as story:
        story.enroll()
        assert story.status() == "FAILED(condition_failed)"
        assert story.log()[-1] == "which branch failed"


def test_a_condition_about_no_step_means_any_visit_however_late_the_word_comes() -> None:
    steps = (email("mail", "wait", max_visits=3, after_visits="end"), wait("wait", "mail", for_s=HOUR_S))
    for earlier in (True, False):  # the word comes before the step is visited again, or after
        with at(*steps, branch("end", "clicked()", "won", "lost"), end("won", "won"), end("lost", "lost")) as story:
            permits: list[Permit] = []
            for visit in (1, 2, 3):
                permits.append(story.sent())
                story.answer(permits[-1])
                if visit == (1 if earlier else 2):
                    story.event("email.clicked", permits[0])
                story.later(HOUR_S)
            assert story.status() == "COMPLETED(won)"


def test_a_reply_to_an_earlier_visit_ends_the_run() -> None:
    steps = (email("mail", "wait", max_visits=3, after_visits="end"), wait("wait", "mail", for_s=HOUR_S))
    with at(*steps, exits=(leave("replied()", "replied"),)) as story:
        first = story.sent()
        story.answer(first)
        story.later(HOUR_S)
        story.answer(story.sent())
        story.event("email.replied", first)
        assert story.status() == "COMPLETED(replied)"


def test_a_condition_about_a_step_means_its_latest_visit() -> None:
    steps = (
        email("mail", "which", max_visits=3, after_visits="end"),
        branch("which", 'opened("mail")', "won", "mail"),
        end("won", "opened"),
    )
    with at(*steps) as story:
        first = story.sent()
        story.answer(first)
        second = story.sent()
        assert second.send_key != first.send_key
        story.answer(second)
        third = story.sent()
        story.event("email.opened", second)  # an earlier visit's message
        story.answer(third)
        assert story.status() == "COMPLETED(done)"
    with at(*steps) as story:
        first = story.sent()
        story.event("email.opened", first)
        story.answer(first)
        assert story.status() == "COMPLETED(opened)"


# -- splits --------------------------------------------------------------------------------------------------------------


def split(weights: tuple[int, ...], salt: str = "") -> tuple[plans.Step, ...]:
    arms = tuple(plans.Arm(name=f"arm{n}", weight=weight, then=f"end{n}") for n, weight in enumerate(weights))
    return (
        plans.Split(id="split", arms=arms, salt=salt),
        *(end(f"end{n}", f"arm{n}") for n in range(len(weights))),
    )


def arms_of(plan: plans.Plan, contacts: int) -> list[str]:
    with Story(plan, contacts=contacts) as story:
        return [story.enroll(number, plan.plan).reason for number in range(contacts)]


def test_a_split_keeps_its_shares() -> None:
    drawn = [share_of("dee.split.v1", ("plan", "split", "", contact_id(number)), 10) for number in range(20_000)]
    counted = [sum(1 for share in drawn if share < 7), sum(1 for share in drawn if share == 7)]
    assert abs(counted[0] - 14_000) < 4 * 65  # four standard deviations of a binomial of 20,000 × 0.7
    assert abs(counted[1] - 2_000) < 4 * 43


def test_the_arms_divide_the_shares_in_their_order() -> None:
    shares = [share_of("dee.split.v1", ("plan", "split", "", contact_id(number)), 10) for number in range(60)]
    expected = ["arm0" if share < 3 else "arm1" if share < 4 else "arm2" for share in shares]
    assert arms_of(plan_of(*split((3, 1, 6))), 60) == expected
    assert {"arm0", "arm1", "arm2"} == set(expected)


def test_the_same_contact_is_in_the_same_arm_of_every_version_of_a_plan() -> None:
    first = arms_of(plan_of(*split((1, 1))), 40)
    second = arms_of(plan_of(*split((1, 1)), version=2, title="quite another text"), 40)
    assert first == second


def test_a_salt_another_step_and_another_plan_draw_anew() -> None:
    base = arms_of(plan_of(*split((1, 1))), 40)
    assert arms_of(plan_of(*split((1, 1), salt="x")), 40) != base
    assert arms_of(plan_of(*split((1, 1)), plan="other"), 40) != base


def test_an_arm_is_taken_again_at_every_visit() -> None:
    again = plans.Arm(name="again", weight=1, then="split")
    steps = plans.Split(id="split", arms=(again,), max_visits=3, after_visits="end")
    with at(steps) as story:
        assert story.log() == [
            "- enroll enrolled",
            "split split again",
            "split split again",
            "split split again",
            "split split visits_exceeded",
            "end end done",
        ]


# -- tasks ---------------------------------------------------------------------------------------------------------------

VISIT = (task(timeout_s=DAY_S, on={"yes": "won", "no": "lost"}), end("won", "won"), end("lost", "lost"))


def test_a_person_reports_what_became_of_a_task() -> None:
    with at(*VISIT) as story:
        assert (story.status(), story.run().due) == ("WAITING(task)", story.tick + DAY_S)
        assert story.admit(inputs.TaskDone(run=story.run().run, outcome="no", actor="ana")) == "done"
        assert story.status() == "COMPLETED(lost)"
        assert story.detail("task") == {"actor": "ana", "to": "lost"}


def test_a_task_nobody_does_times_out() -> None:
    with at(*VISIT) as story:
        story.later(DAY_S)
        assert story.status() == "COMPLETED(done)"
        assert story.log()[1:3] == ["task task assigned", "task task timed_out"]
        assert story.admit(inputs.TaskDone(run=story.run().run, outcome="yes")) == "rejected:no_task"


def test_an_outcome_that_the_task_does_not_know_is_refused_and_the_task_waits_on() -> None:
    with at(*VISIT) as story:
        assert story.admit(inputs.TaskDone(run=story.run().run, outcome="perhaps")) == "rejected:unknown_outcome"
        assert story.status() == "WAITING(task)"


def test_a_task_of_no_run_is_refused() -> None:
    with at(*VISIT) as story:
        assert story.admit(inputs.TaskDone(run="run_none", outcome="yes")) == "rejected:unknown_run"


# -- cycles --------------------------------------------------------------------------------------------------------------


def test_a_cycle_ends_at_its_bound() -> None:
    steps = (email("mail", "pause"), wait("pause", "mail", for_s=HOUR_S, max_visits=2, after_visits="end"))
    with at(*steps) as story:
        keys = []
        for _ in range(3):
            permit = story.sent()
            keys.append(permit.send_key)
            story.answer(permit)
            story.later(HOUR_S)
        assert story.status() == "COMPLETED(done)"
        assert len(set(keys)) == 3
        assert story.run().visits == {"mail": 3, "pause": 3, "end": 1}


def test_a_bound_without_a_way_out_fails_the_run() -> None:
    with at(branch("loop", "true", "loop", "end", max_visits=5)) as story:
        assert story.status() == "FAILED(visits_exceeded)"


def test_a_run_that_never_blocks_is_stopped_after_so_many_steps() -> None:
    with at(branch("loop", "true", "loop", "end")) as story:
        assert story.status() == "FAILED(too_many_transitions)"
        assert len(story.log()) == 1 + MAX_TRANSITIONS + 1


@pytest.mark.parametrize("last", ["end", "pause", "mail"])
def test_the_last_permitted_step_may_end_or_block_the_run(last: str) -> None:
    bound = MAX_TRANSITIONS - 2  # the visit after it leaves the loop, and one more step is left
    steps = (
        branch("loop", "true", "loop", "end", max_visits=bound, after_visits=last),
        wait("pause", for_s=HOUR_S),
        email("mail"),
    )
    with at(*steps) as story:
        assert story.status() == {"end": "COMPLETED(done)", "pause": "WAITING(wait)", "mail": "ACTIVE(queue)"}[last]


# -- exits ---------------------------------------------------------------------------------------------------------------


def test_exits_are_asked_before_the_first_step() -> None:
    with Story(plan_of(email(), exits=(leave("unsubscribed()", "opted_out"),))) as story:
        story.event("email.unsubscribed")
        story.enroll()
        assert story.status() == "COMPLETED(opted_out)"
        assert story.log() == ["- enroll enrolled", "mail exit opted_out"]
        assert story.pull() == []


def test_the_first_exit_that_holds_is_taken() -> None:
    exits = (leave("false", "never"), leave("true", "first"), leave("true", "second"))
    with at(email(), exits=exits) as story:
        assert story.status() == "COMPLETED(first)"
        assert story.detail("exit") == {"exit": 1, "status": "COMPLETED"}


def test_an_exit_cancels_what_is_intended_and_lets_settle_what_is_in_flight() -> None:
    head = {"exits": (leave('event("stop")', "stopped"),)}
    with at(email(), **head) as story:
        story.event("stop")
        assert (story.status(), story.attempt().state) == ("COMPLETED(stopped)", "CANCELLED")
    with at(email(), **head) as story:
        permit = story.sent()
        story.event("stop")
        assert (story.status(), story.attempt().state) == ("COMPLETED(stopped)", "DISPATCHING")
        story.answer(permit)
        assert (story.status(), story.attempt().state) == ("COMPLETED(stopped)", "ACCEPTED")
        assert story.log()[-1] == "mail send_email accepted"


def test_a_call_in_progress_when_an_exit_ends_the_run_is_settled_by_event_or_deadline() -> None:
    head = {"exits": (leave('event("stop")', "stopped"),)}
    for late in (False, True):
        with at(call(max_duration_s=60, ring_s=30), **head) as story:
            permit = story.sent("voice")
            story.answer(permit)
            story.event("stop")
            if late:
                story.later(HOUR_S)
            else:
                story.event("call.answered", permit)
            assert story.status() == "COMPLETED(stopped)"
            assert story.attempt().state == ("UNKNOWN" if late else "ACCEPTED")
            assert story.journal.state.next_due() is None


def test_a_call_taken_after_an_exit_has_a_deadline_all_the_same() -> None:
    with at(call(max_duration_s=60, ring_s=30), exits=(leave('event("stop")', "stopped"),)) as story:
        permit = story.sent("voice")
        story.event("stop")
        story.answer(permit)
        story.later(90)
        assert (story.status(), story.attempt().state) == ("COMPLETED(stopped)", "UNKNOWN")


def test_an_event_of_one_run_ends_every_run_of_the_contact_whose_exit_it_meets() -> None:
    exits = (leave("unsubscribed()", "opted_out"),)
    both = (plan_of(email(), exits=exits), plan_of(wait(for_s=DAY_S), plan="other", exits=exits))
    with Story(*both, plan_of(wait(for_s=DAY_S), plan="third"), contacts=2) as story:
        story.enroll()
        story.enroll(plan="other")
        story.enroll(plan="third")
        story.enroll(1, "other")
        story.event("email.unsubscribed", story.pull()[0])
        assert [story.status(number) for number in (1, 2, 3, 4)] == [
            "COMPLETED(opted_out)",
            "COMPLETED(opted_out)",
            "WAITING(wait)",
            "WAITING(wait)",
        ]


@pytest.mark.parametrize(
    "change",
    [
        lambda story: story.put(tier=9),
        lambda story: story.event("visit"),
        lambda story: story.consent(granted=False),
        lambda story: story.suppress(contact_id(0), scope="channel:email"),
    ],
    ids=["contact", "event", "consent", "suppression"],
)
def test_exits_are_asked_after_every_input_about_the_contact(change: object) -> None:
    when = 'contact.tier > 8 || event("visit") || !consent("email") || suppressed("email")'
    with Story(plan_of(wait(for_s=DAY_S), exits=(leave(when),), **TIER), contacts=0) as story:
        story.put(tier=1)
        story.consent()
        story.enroll()
        assert story.status() == "WAITING(wait)"
        change(story)  # type: ignore[operator]
        assert story.status() == "COMPLETED(left)"


def test_exits_are_asked_again_before_the_bytes_leave() -> None:
    with Story(plan_of(email(), exits=(leave('!consent("email")', "no_consent"),))) as story:
        story.consent(expires=story.tick + HOUR_S)
        story.enroll()
        story.later(HOUR_S)  # consent runs out by itself: no input says so
        assert story.status() == "ACTIVE(queue)"
        assert story.pull() == []
        assert (story.status(), story.attempt().state) == ("COMPLETED(no_consent)", "CANCELLED")


def test_a_held_send_is_cancelled_by_an_exit() -> None:
    with Story(plan_of(email(), exits=(leave("unsubscribed()"),)), policy=LATE_POLICY) as story:
        story.enroll()
        story.pull()
        assert (story.status(), story.attempt().state) == ("HELD(outside_hours)", "PARKED")
        story.event("email.unsubscribed")
        assert (story.status(), story.attempt().state) == ("COMPLETED(left)", "CANCELLED")
        assert story.journal.state.next_due() is None


def test_a_failed_run_is_left_to_the_person_whatever_happens() -> None:
    with at(email(), exits=(leave("unsubscribed()", "opted_out"),)) as story:
        story.answer(story.sent(), "rejected", "permanent")
        story.event("email.unsubscribed")
        assert story.status() == "FAILED(rejected_permanent)"
        story.verb("retry")
        assert story.status() == "COMPLETED(opted_out)"


# -- rendering -----------------------------------------------------------------------------------------------------------


def test_a_message_that_cannot_be_made_fails_the_run_and_costs_nothing() -> None:
    with Story(plan_of(email()), policy=policy_of(policies.DailyLimitRule(id="daily", limit=5))) as story:
        story.shell.code = "undefined_field"
        story.enroll()
        assert story.pull() == []
        assert (story.status(), story.attempt().state) == ("FAILED(render_failed)", "CANCELLED")
        assert story.detail("send_email") == {
            "attempt": 1,
            "code": "undefined_field",
            "field": "contact.name",
            "reason": "render_failed",
            "status": "FAILED",
        }
        assert story.counter("daily", "2026-11-18") == (0, 0)
        story.shell.code = "ok"
        story.verb("retry")
        assert len(story.pull()) == 1


# -- the queue -----------------------------------------------------------------------------------------------------------


def test_sends_leave_in_the_order_in_which_they_became_ready_then_by_run() -> None:
    with Story(
        plan_of(wait(following="mail", for_s=HOUR_S), email()), plan_of(email(), plan="now"), contacts=3
    ) as story:
        story.enroll(2)
        story.tick += 1
        story.enroll(1)
        story.enroll(0)
        story.downtime(2 * HOUR_S)
        story.tick += 1
        story.enroll(0, "now")
        assert [permit.contact for permit in story.pull(places=2)] == [contact_id(2), contact_id(1)]
        assert [permit.contact for permit in story.pull(places=9)] == [contact_id(0), contact_id(0)]


def test_a_pull_takes_no_more_than_there_are_places_and_only_its_channel() -> None:
    with Story(plan_of(email()), plan_of(call(), plan="ring"), contacts=4) as story:
        for number in range(4):
            story.enroll(number)
            story.enroll(number, "ring")
        assert len(story.pull(places=3)) == 3
        assert {permit.channel for permit in story.pull("voice")} == {"voice"}
        assert len(story.pull(places=3)) == 1
        assert story.pull() == []
