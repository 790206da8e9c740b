"""A run's trace depends on nothing but its own local inputs: not on other runs, not on batch sizes, not on the file it is in."""

from __future__ import annotations

from pathlib import Path

import pytest
from crowd import BEGIN, HOUR_S, LATE, Played, play
from schedules import heads_of, run_schedule

from dee_appliance.runtime.loop import LoopLimits

FIRST_SEED = 70_000
SEEDS = 240
CROWD = 100_000
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Played:
    return play(tmp_path_factory.mktemp("alone") / "file", others=0, limits=LoopLimits())


def test_the_one_contact_has_a_story_worth_comparing(alone: Played) -> None:
    late = [detail["late"] for _, tick, detail in alone.waits if tick <= LATE and "late" in detail]
    assert [length for length, _ in alone.heads.values()] == [17, 9]
    assert late, "some of its own timers must be late as well"


def test_a_contact_among_a_hundred_thousand_late_timers_of_others_has_the_same_run_heads(
    alone: Played, tmp_path: Path
) -> None:
    crowded = play(tmp_path / "crowd", others=CROWD, limits=LoopLimits(rows=10_000, timers=10_000))
    assert crowded.heads == alone.heads


@pytest.mark.parametrize(("rows", "timers"), [(1, 1), (1, 10_000), (10_000, 1), (10_000, 10_000)])
def test_batch_sizes_do_not_change_run_heads(alone: Played, tmp_path: Path, rows: int, timers: int) -> None:
    batched = play(tmp_path / "batched", others=150, limits=LoopLimits(rows=rows, timers=timers))
    assert batched.heads == alone.heads


def test_late_timers_fire_at_the_tick_at_which_their_draining_began_however_long_it_takes(
    alone: Played, tmp_path: Path
) -> None:
    slow = play(tmp_path / "slow", others=150, limits=LoopLimits(timers=1), seconds_a_turn=2)
    before = [one for one in alone.waits if one[1] <= LATE]
    assert slow.turns > 150
    assert [one for one in slow.waits if one[1] <= LATE] == before
    assert [tick for _, tick, _ in before] == [BEGIN + 26 * HOUR_S, LATE]


@pytest.mark.parametrize("part", range(4))
def test_neither_the_batches_of_the_clock_nor_the_file_change_a_run_head(part: int) -> None:
    for seed in range(FIRST_SEED + part, FIRST_SEED + SEEDS, 4):
        with run_schedule(seed, clock_limit=10_000) as history:
            heads = heads_of(history.journal.database)
        with run_schedule(seed, clock_limit=1, lineage=bytes(range(16))) as history:
            assert heads_of(history.journal.database) == heads, seed
