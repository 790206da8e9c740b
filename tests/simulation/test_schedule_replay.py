"""The files that random schedules leave behind: each replays byte for byte from its inputs, and verifies without the kernel.

The files lie on the disk and go through the public functions, as a stranger's file would.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import msgspec
import pytest
from schedules import heads_of, perturbed, run_schedule

from dee_appliance.replay.replay import DEFAULT, replay
from dee_appliance.replay.verify import verify

FIRST_SEED = 50_000
SEEDS = 320
PARTS = 4
pytestmark = pytest.mark.slow


def write_schedule(seed: int, path: Path) -> dict[str, tuple[int, str]]:
    """Run the schedule of a seed and leave its file; return its run heads."""
    way = msgspec.structs.replace(perturbed(seed), without_indexes=False)  # a file has them
    with run_schedule(seed, way=way) as history:
        database = history.journal.database
        path.touch(mode=0o600)
        database.copy_pages(path)
        return heads_of(database)


@pytest.mark.parametrize("part", range(PARTS))
def test_every_file_that_a_schedule_leaves_replays_and_verifies(part: int, tmp_path: Path) -> None:
    path = tmp_path / "schedule.db"
    for seed in range(FIRST_SEED + part, FIRST_SEED + SEEDS, PARTS):
        path.unlink(missing_ok=True)
        heads = write_schedule(seed, path)
        report = replay(path, options=msgspec.structs.replace(DEFAULT, reverse_unordered=bool(seed % 2)))
        assert report.same, (seed, str(report.divergence))
        assert report.heads == heads, seed
        found = verify(path)
        assert found.ok, (seed, found.findings)


def test_a_replay_tells_the_run_that_it_was_asked_for(tmp_path: Path) -> None:
    heads = write_schedule(FIRST_SEED, tmp_path / "schedule.db")
    lengths = Counter({run: length for run, (length, _) in heads.items()})
    (run, length), *_ = lengths.most_common(1)
    report = replay(tmp_path / "schedule.db", run=run)
    assert report.run is not None
    assert report.run.recorded == report.run.replayed
    assert len(report.run.recorded) == length
