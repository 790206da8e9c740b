"""An upgrade that dies before an act on the disk, by SIGKILL and by each kind of power cut: the file is as before or upgraded.

Upgraded is the format and the epoch together; the file that comes back is whole, may send as it might before, and can be
upgraded. The campaign looks at every act (DEE_CRASH_SAMPLE=0), the suite at some, others each time.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from crash_seed import SEED, announce
from running_files import HandClock, make_file, why_disarmed
from second_epoch import newer_program
from watched_calls import mounted
from watched_disk import LOSSES, Died, Disk, Loss

from dee_appliance import Engine
from dee_appliance.replay.compare_state import verify_state
from dee_appliance.replay.verify import verify
from dee_appliance.runtime.upgrading import versions_of
from dee_appliance.store.database import open_reader
from dee_appliance.store.state_dir import StateDir

START = 1_795_424_400
WAYS: tuple[Loss | None, ...] = (None, *LOSSES)
STRIDE = 1 if os.environ.get("DEE_CRASH_SAMPLE") == "0" else 4
"""Every which act is one to die at."""

pytestmark = pytest.mark.breaks_its_file
"""Not replayed once more after the test: then the newer program is gone."""


def died(disk: Disk, at: int, loss: Loss | None, life: Callable[[], object]) -> bool:
    """Let a process live until that act. False when it had ended before."""
    disk.die_at(at, loss)
    try:
        life()
    except Died:
        return True
    disk.die_at(0)
    return False


def log_of(path: Path) -> list[str]:
    with open_reader(path) as database:
        return [row[0] for row in database.execute("SELECT body FROM audit ORDER BY seq")]


@pytest.mark.slow
@pytest.mark.parametrize("way", WAYS, ids=lambda way: way or "kill")
def test_an_upgrade_that_dies_has_done_all_of_it_or_nothing(tmp_path: Path, way: Loss | None) -> None:
    announce()
    folder, kept = tmp_path / "world", tmp_path / "kept"
    folder.mkdir()
    engine = Engine(folder / "own.db", state_dir=StateDir(folder / "state"), clock=HandClock(START))
    make_file(folder, contacts=2, clock=HandClock(START)).arm()
    before = log_of(engine.path)
    shutil.copytree(folder, kept)
    seen = {(1, 1): 0, (2, 2): 0}
    with newer_program(tmp_path):
        for at in range(1 + SEED % STRIDE, 1_000, STRIDE):
            shutil.rmtree(folder)
            shutil.copytree(kept, folder)
            with mounted(Disk(folder, seed=SEED + at)) as disk:
                if not died(disk, at, way, engine.upgrade):
                    break
                disk.restart()
            now = versions_of(engine.path)
            seen[now.file_format, now.epoch] += 1  # a KeyError is a file that is neither
            assert log_of(engine.path)[: len(before)] == before
            assert why_disarmed(engine.path) == ""
            if at % 3 == 0:
                assert verify(engine.path).ok
                engine.upgrade()
                assert versions_of(engine.path).current
                assert verify_state(engine.path).ok
        else:
            raise AssertionError("an upgrade acts more often than anybody would think")
    assert min(seen.values()) >= 2, seen
    assert sum(seen.values()) * STRIDE > 30
