"""Clocks that jump, stop and disagree: ticks never go back, nothing fires early, nothing leaves while in doubt."""

from __future__ import annotations

from pathlib import Path

import pytest
from clock_history import ClockHistory, ClockTally
from crash_seed import SEED, announce

HISTORIES = 150


@pytest.mark.slow
def test_no_clock_makes_a_tick_go_back_or_a_wait_end_early_or_a_message_leave_in_doubt(tmp_path: Path) -> None:
    announce()
    total = ClockTally()
    for number in range(HISTORIES):
        total.add(ClockHistory(tmp_path, SEED + number).tell())
    assert total.doubts > HISTORIES, "the clocks were hardly ever in doubt: the histories show nothing"
    assert total.dispatched > HISTORIES
    assert total.waits > HISTORIES
