"""Copies, older states and lost memories in random combinations: only the original sends, and only while it is left alone."""

from __future__ import annotations

from pathlib import Path

import pytest
from copy_story import CopyStory, CopyTally
from crash_seed import SEED, announce

STORIES = 30


@pytest.mark.slow
def test_nothing_but_the_original_sends_whatever_was_copied_moved_or_put_back(tmp_path: Path) -> None:
    announce()
    total = CopyTally()
    for number in range(STORIES):
        total.add(CopyStory(tmp_path, SEED + number).tell())
    assert total.served > STORIES, "hardly anything was served that must not send: the stories show nothing"
    assert total.originals, "no original has sent: the stories show nothing"
