"""Two deaths, one behind the other: what the first has left half done must not be relied on when the second takes it away."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from watched_calls import mounted
from watched_disk import Died, Disk, Loss

from dee_appliance import Engine
from dee_appliance.store import lock
from dee_appliance.store.state_dir import StateDir

pytestmark = pytest.mark.breaks_its_file
ACTS_OF_A_COMMIT = 40


def _dies(disk: Disk, act: Callable[[], object], at: int, loss: Loss | None) -> bool:
    disk.die_at(at, loss)
    died = True
    with suppress(Died):
        act()
        died = False
    lock._forget_all()
    return died


def _half_done(disk: Disk, engine: Engine, kept: Path, home: Path, latest: int) -> int:
    """Kill a command when its commit is written, and not synced: before the act that is returned, `latest` or an earlier one."""
    wal = str(home / "dee.db-wal")
    for at in range(latest, 0, -1):
        died = _dies(disk, engine.halt, at, None)
        half_done = died and not disk.is_synced(wal)
        disk.restart()
        if half_done:
            return at
        shutil.rmtree(home)
        shutil.copytree(kept, home)
        disk.forget()
    raise AssertionError("a commit syncs nothing")


def test_a_power_cut_after_a_kill_before_the_sync_of_a_commit_leaves_a_file_that_runs(tmp_path: Path) -> None:
    home, kept = tmp_path / "home", tmp_path / "kept"
    home.mkdir()
    engine = Engine.create(home / "dee.db", state_dir=StateDir(home / "state"))
    engine.arm()
    shutil.copytree(home, kept)
    first, second, dies = ACTS_OF_A_COMMIT, 0, True
    while dies:
        second += 1
        with mounted(Disk(home)) as disk:
            first = _half_done(disk, engine, kept, home, first)
            dies = _dies(disk, lambda: engine.serve(until_idle=True), second, "all")
            disk.restart()
            engine.serve(until_idle=True)
        shutil.rmtree(home)
        shutil.copytree(kept, home)
    assert second > 5
