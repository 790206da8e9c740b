"""SIGKILL at random instants of a real `dee serve`, while others use the file, against a provider that survives it all."""

from __future__ import annotations

from pathlib import Path

import pytest
from crash_seed import SEED, announce
from crash_story import tell

KILLS = 24


@pytest.mark.slow
@pytest.mark.parametrize("number", range(3))
def test_nothing_is_sent_twice_lost_or_forgotten_however_often_a_busy_file_dies(tmp_path: Path, number: int) -> None:
    announce()
    summary = tell(tmp_path, SEED + number, kills=KILLS, contacts=700, others=True)
    assert summary.kills == KILLS
    assert summary.unknown, "nothing was on its way when it died: the story shows nothing"
    assert summary.acknowledged, "nobody was told that anything is durable: the story shows nothing"
