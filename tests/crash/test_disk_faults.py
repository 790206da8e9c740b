"""A disk that is full, or fails: nothing leaves any more, the process ends, and afterwards the file goes on."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from crash_seed import SEED, announce
from fault_story import FaultStory
from watched_disk import Fault, Part

POINTS = 25


@pytest.mark.slow
def test_a_failure_of_the_disk_stops_everything_and_loses_nothing(tmp_path: Path) -> None:
    announce()
    story = FaultStory(tmp_path)
    ended: Counter[str] = Counter()
    for number in range(POINTS):
        point = story.tell(story.draw(SEED + number), SEED + number)
        ended[point.ended] += 1
    assert ended.total() - ended[""] > POINTS // 2, "hardly anything failed: the points show nothing"


@pytest.mark.slow
def test_every_kind_of_act_on_every_part_may_fail_the_first_time(tmp_path: Path) -> None:
    story = FaultStory(tmp_path)
    points = story.points()
    assert len(points) > 20
    for kind, part in points:
        met = story.tell(story.first(kind, part), SEED).met
        assert met, f"{kind} of {part} never failed"


@pytest.mark.slow
@pytest.mark.parametrize("part", ["tip", "sends", "records"])
def test_half_a_write_is_no_write(tmp_path: Path, part: Part) -> None:
    """A disk that fills up takes a part, and says nothing before it is asked again."""
    story = FaultStory(tmp_path)
    point = story.tell(Fault(kinds=("write",), parts=(part,), error="full", short=True), SEED)
    assert point.ended
