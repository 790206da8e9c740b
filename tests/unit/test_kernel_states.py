"""Every state of a run × everything that can happen to it, cell by cell, as tests/golden/kernel_states.txt says it."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

import pytest
from kernel_builder import Story
from kernel_situations import HAPPENINGS, LATE, SITUATIONS, TABLE, outcome_of, send_of

from dee_appliance.kernel.e1.run import ATTEMPT_TRANSITIONS, TRANSITIONS

CELLS = [(situation, happening) for situation in SITUATIONS for happening in HAPPENINGS]


@cache
def expected() -> dict[tuple[str, str], str]:
    """The table as it is written: a block for each situation, a line for each happening."""
    cells: dict[tuple[str, str], str] = {}
    situation = ""
    for line in TABLE.read_text(encoding="utf-8").splitlines():
        if line.startswith("## "):
            situation = line.removeprefix("## ").partition(" = ")[0]
        elif line and not line.startswith("#"):
            happening, _, outcome = line.partition("  ")
            cells[situation, happening] = outcome.strip()
    return cells


@pytest.fixture(scope="module")
def stories() -> Iterator[dict[str, Story]]:
    """Each situation, made once: what is tried on it is undone."""
    made: dict[str, Story] = {}
    yield made
    for story in made.values():
        story.close()


def story_of(stories: dict[str, Story], situation: str) -> Story:
    if situation not in stories:
        stories[situation] = SITUATIONS[situation]()
    return stories[situation]


@pytest.mark.parametrize(("situation", "happening"), CELLS, ids=[f"{a} × {b}" for a, b in CELLS])
def test_in_this_state_this_happens(stories: dict[str, Story], situation: str, happening: str) -> None:
    story = story_of(stories, situation)
    assert outcome_of(story, happening) == expected().get((situation, happening), "the table lacks this cell")


def test_the_table_has_no_cell_for_anything_that_does_not_happen() -> None:
    assert [cell for cell in expected() if cell not in CELLS] == []


def test_every_status_every_block_and_every_state_of_an_attempt_is_in_the_table(stories: dict[str, Story]) -> None:
    runs = [story_of(stories, situation).run() for situation in SITUATIONS]
    assert sorted({run.status for run in runs}) == sorted(TRANSITIONS)
    blocks = {run.paused_block or run.block for run in runs}
    assert blocks == {"start", "wait", "task", "queue", "flight", "call", "hold", "backoff", "failed", "ended"}
    attempts = [story.attempt().state for name in SITUATIONS if send_of(story := story_of(stories, name))]
    assert sorted(set(attempts)) == sorted(ATTEMPT_TRANSITIONS)


def test_an_answer_about_an_attempt_that_another_one_has_followed_changes_nothing() -> None:
    told = [outcome for (_, happening), outcome in expected().items() if happening in LATE and outcome != "-"]
    assert len(told) >= 3 * len(LATE)
    assert set(told) == {"="}


def test_a_refused_verb_changes_no_run_but_its_chain(stories: dict[str, Story]) -> None:
    refused = 0
    for situation, happening in CELLS:
        if expected()[situation, happening].startswith("no: "):
            story = story_of(stories, situation)
            before = story.run()
            with story.trying():
                HAPPENINGS[happening](story)
                after = story.run()
            differing = [name for name in before.__struct_fields__ if getattr(before, name) != getattr(after, name)]
            assert differing in ([], ["rs", "rp"])
            refused += 1
    assert refused > 100
