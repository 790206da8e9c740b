"""SIGKILL at random instants of a real `dee serve` that has the file for itself, so that it recovers from the WAL it left."""

from __future__ import annotations

from pathlib import Path

import pytest
from crash_seed import SEED, announce
from crash_story import tell

KILLS = 25


@pytest.mark.slow
@pytest.mark.parametrize(("number", "worst_ms"), [(0, 5), (1, 60), (2, 60), (3, 150)])
def test_nothing_is_sent_twice_or_lost_however_often_a_loop_dies(tmp_path: Path, number: int, worst_ms: int) -> None:
    announce()
    summary = tell(tmp_path, SEED + 100 + number, kills=KILLS, contacts=900, others=False, worst_ms=worst_ms)
    assert summary.kills == KILLS
    assert summary.unknown, "nothing was on its way when it died: the story shows nothing"
