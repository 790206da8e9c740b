"""Simulated recipients: what they do is a function of the seed and of the send, and of nothing else."""

from __future__ import annotations

from kernel_builder import HOUR_S, Story, email, plan_of, wait

from dee_appliance.kernel.e1.run import Permit
from dee_appliance.runtime.world import SimulatedWorld

WORLD = SimulatedWorld(7, {"opened": 5_000})


def reminders(contacts: int) -> list[list[Permit]]:
    """The permits of a message that each contact gets twice, visit by visit."""
    steps = (email("mail", "wait", max_visits=2, after_visits="end"), wait("wait", "mail", for_s=HOUR_S))
    with Story(plan_of(*steps), contacts=contacts) as story:
        for number in range(contacts):
            story.enroll(number)
        visits = []
        for _ in range(2):
            visits.append(story.pull(places=contacts))
            for permit in visits[-1]:
                story.answer(permit)
            story.later(HOUR_S)
        return visits


def opens(permit: Permit) -> bool:
    return any(b"email.opened" in row.payload for row in WORLD.reactions(permit, 0))


def test_a_recipient_decides_anew_at_each_visit_of_a_step() -> None:
    first, second = reminders(60)
    decisions = [(opens(one), opens(other)) for one, other in zip(first, second, strict=True)]
    assert set(decisions) == {(True, True), (True, False), (False, True), (False, False)}


def test_the_same_send_gets_the_same_answer_whatever_was_asked_before() -> None:
    (first, second), again = reminders(5), SimulatedWorld(7, {"opened": 5_000})
    there = [again.reactions(permit, 0) for permit in reversed([*first, *second])]
    assert there[::-1] == [WORLD.reactions(permit, 0) for permit in [*first, *second]]
