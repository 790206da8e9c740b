"""The two tables of transitions: closed, reachable, drawn in docs/states.md, and the only way a run or an attempt changes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, get_args

import pytest
import state_diagrams
from kernel_builder import Story, email, plan_of
from msgspec.structs import replace

from dee_appliance.kernel.e1.run import (
    ATTEMPT_TRANSITIONS,
    LIVE,
    TRANSITIONS,
    AttemptState,
    AttemptTrigger,
    Status,
    Trigger,
)
from dee_appliance.kernel.e1.turn import IllegalTransition, Turn

TABLES: list[tuple[Mapping[Any, Mapping[Any, Any]], str]] = [
    (TRANSITIONS, "PENDING"),
    (ATTEMPT_TRANSITIONS, "INTENDED"),
]


def test_the_page_of_states_is_drawn_from_the_tables() -> None:
    assert state_diagrams.PAGE.read_text(encoding="utf-8") == state_diagrams.page()


@pytest.mark.parametrize(("table", "first"), TABLES, ids=["run", "attempt"])
def test_every_target_is_a_state_and_every_state_can_be_reached(
    table: Mapping[Any, Mapping[Any, Any]], first: str
) -> None:
    reached, fresh = {first}, [first]
    while fresh:
        for target in table[fresh.pop()].values():
            assert target in table
            if target not in reached:
                reached.add(target)
                fresh.append(target)
    assert reached == set(table)


def test_a_live_run_can_always_be_ended_by_a_person() -> None:
    assert [status for status in LIVE if "cancel" not in TRANSITIONS[status]] == []
    assert set(TRANSITIONS) - set(LIVE) == {status for status, moves in TRANSITIONS.items() if not moves}


def turn_of(story: Story) -> Turn:
    state = story.journal.state
    snapshot = state.snapshot(story.tick, story.run().contact)
    return Turn(snapshot, state.plans_of(snapshot), state.zones())


@pytest.mark.parametrize("status", TRANSITIONS)
def test_a_run_moves_along_its_table_and_no_other_way(status: Status) -> None:
    with Story(plan_of(email())) as story:
        story.enroll()
        for trigger in get_args(Trigger):
            turn = turn_of(story)
            run = turn.put(replace(turn.runs[1], status=status))
            target = TRANSITIONS[status].get(trigger)
            if target is None:
                with pytest.raises(IllegalTransition, match=f"{status}/{trigger}"):
                    turn.move(run, trigger, "queue")
            else:
                assert turn.move(run, trigger, "queue").status == target


@pytest.mark.parametrize("state", ATTEMPT_TRANSITIONS)
def test_an_attempt_moves_along_its_table_and_no_other_way(state: AttemptState) -> None:
    with Story(plan_of(email())) as story:
        story.enroll()
        for trigger in get_args(AttemptTrigger):
            turn = turn_of(story)
            attempt = replace(turn.attempts[1], state=state)
            target = ATTEMPT_TRANSITIONS[state].get(trigger)
            if target is None:
                with pytest.raises(IllegalTransition, match=f"{state}/{trigger}"):
                    turn.move_attempt(attempt, trigger)
            else:
                assert turn.move_attempt(attempt, trigger).state == target
