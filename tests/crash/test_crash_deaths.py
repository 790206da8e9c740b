"""Many deaths, one after the other, in the life of one file; and a death of the machine after a death of the process."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from crash_seed import SEED, announce
from death_story import DeathStory, Way
from every_act import WAYS, EveryAct
from running_files import HandClock, make_file, why_disarmed
from watched_calls import mounted
from watched_disk import Died, Disk, Loss

from dee_appliance import Engine
from dee_appliance.store.state_dir import StateDir

STORIES = 7
DEATHS = 20


def died(disk: Disk, at: int, loss: Loss | None, life: Callable[[], object]) -> bool:
    """Let a process live until that act. False when it had ended before."""
    disk.die_at(at, loss)
    try:
        life()
    except Died:
        return True
    disk.die_at(0)
    return False


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


@pytest.mark.slow
def test_what_a_killed_process_left_unsynced_is_durable_before_the_tip_says_so(tmp_path: Path) -> None:
    """Else a power cut takes the commit back, and the file looks like an older copy that somebody has put back."""
    folder, kept = tmp_path / "world", tmp_path / "kept"
    folder.mkdir()
    engine = Engine(folder / "own.db", state_dir=StateDir(folder / "state"), clock=HandClock(1_795_000_000))
    make_file(folder, contacts=2, clock=HandClock(1_795_000_000)).arm()
    engine.serve(until_idle=True)
    shutil.copytree(folder, kept)

    def serve() -> None:
        engine.serve(until_idle=True)

    tried = 0
    for kill in range(1, 100):
        for cut in range(1, 100):
            shutil.rmtree(folder)
            shutil.copytree(kept, folder)
            with mounted(Disk(folder)) as disk:
                if not died(disk, kill, None, engine.halt):
                    assert tried > 20, "no kill left anything unsynced: nothing was tried"
                    return
                unsynced = not disk.is_synced(f"{disk.root}/own.db-wal")
                disk.restart()
                if not unsynced or not died(disk, cut, "all", serve):
                    break
                disk.restart()
                tried += 1
                engine.serve(until_idle=True)
                assert why_disarmed(engine.path) == ""
    raise AssertionError("a halt acts more often than anybody would think")
