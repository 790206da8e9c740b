"""Many deaths, one after the other, in the life of one file; and death before any act of a short run."""

from __future__ import annotations

from pathlib import Path

import pytest
from crash_seed import SEED, announce
from death_story import DeathStory, Way
from every_act import WAYS, EveryAct

STORIES = 7
DEATHS = 20


@pytest.mark.slow
@pytest.mark.parametrize("way", ["power", "signal"])
def test_whoever_dies_however_often_nothing_is_sent_twice_or_lost(tmp_path: Path, way: Way) -> None:
    announce()
    unknown = 0
    for number in range(STORIES):
        story = DeathStory(tmp_path / "story", SEED + number, way)
        summary = story.tell(DEATHS)
        assert summary.kills == DEATHS
        unknown += summary.unknown
    assert unknown, "nothing was on its way when it died: the stories show nothing"


@pytest.mark.slow
def test_death_before_any_act_of_a_short_run_loses_nothing_whatever_the_power_cut_takes(tmp_path: Path) -> None:
    """Every twenty-fifth act; the campaign dies before every one."""
    announce()
    run = EveryAct(tmp_path)
    assert run.acts > 300, f"only {run.acts} acts: nothing was done"
    unknown = 0
    for at in range(1 + SEED % 25, run.acts, 25):
        for loss in WAYS:
            unknown += run.die(at, loss).unknown
    assert unknown, "nothing was on its way when it died: the acts show nothing"
