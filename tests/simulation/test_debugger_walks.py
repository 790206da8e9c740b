"""The debugger on files that random schedules leave behind: every stop is one that a witness saw, and no way to it matters."""

from __future__ import annotations

from pathlib import Path

import pytest
from debug_checks import check_stops, check_walk
from run_witness import witness
from test_schedule_replay import write_schedule

FIRST_SEED = 70_000
FILES = 6
RUNS_A_FILE = 5
pytestmark = pytest.mark.slow


@pytest.mark.parametrize("seed", range(FIRST_SEED, FIRST_SEED + FILES))
def test_the_stops_of_a_random_file_are_what_happened_to_the_run(seed: int, tmp_path: Path) -> None:
    path = tmp_path / "schedule.db"
    write_schedule(seed, path)
    seen = witness(path)
    longest = sorted(seen.changed, key=lambda run: (-len(seen.changed[run]), run))
    for run in longest[:RUNS_A_FILE]:
        check_walk(path, check_stops(path, run, seen), seed)
