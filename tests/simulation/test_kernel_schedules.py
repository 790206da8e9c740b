"""Random schedules, looked at after each step: nobody is stuck, every counter adds up, every input has left an entry."""

from __future__ import annotations

import msgspec
import pytest
import schedules
from kernel_invariants import faults_of_file
from schedule_happenings import step
from schedule_history import History

SEEDS = range(40)
MANY_SEEDS = range(40, 340)


def faults_after_each_step(seed: int, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Play the schedule of a seed and look at the file after each step."""
    found: list[str] = []

    def watched(history: History) -> None:
        step(history)
        history.journal.flush()
        found.extend(f"seed {seed}: {fault}" for fault in faults_of_file(history.journal))

    with monkeypatch.context() as patch:
        patch.setattr(schedules, "step", watched)
        with schedules.run_schedule(seed) as history:
            rows = history.journal.database.execute("SELECT body FROM audit ORDER BY seq")
            inputs = history.journal.database.execute("SELECT seq FROM input ORDER BY seq")
            named = {msgspec.json.decode(row[0])["input"]["seq"] for row in rows}
            found.extend(f"seed {seed}: input {row[0]} left no entry" for row in inputs if row[0] not in named)
    return found


@pytest.mark.slow
@pytest.mark.parametrize("seed", SEEDS)
def test_after_each_step_of_a_schedule_the_file_is_sound(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    assert faults_after_each_step(seed, monkeypatch) == []


@pytest.mark.campaign
@pytest.mark.parametrize("seed", MANY_SEEDS)
def test_after_each_step_of_many_schedules_the_file_is_sound(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    assert faults_after_each_step(seed, monkeypatch) == []
