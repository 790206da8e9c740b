"""Every history that was ever recorded here is replayed, entry for entry; and a history of another engine is told apart."""

from __future__ import annotations

from pathlib import Path

import pytest
from golden_history import FOLDER, read_history, write_history
from recorded_files import write_small_file

from dee_appliance.replay.replay import replay
from dee_appliance.replay.verify import verify

HISTORIES = sorted(FOLDER.glob("*.jsonl"))


@pytest.mark.parametrize("history", HISTORIES, ids=lambda path: path.stem)
def test_a_recorded_history_verifies_and_replays(history: Path, tmp_path: Path) -> None:
    path = read_history(history, tmp_path / "history.db")
    report = verify(path)
    assert report.ok, report.findings
    replayed = replay(path)
    assert replayed.same, str(replayed.divergence)
    assert replayed.entries == report.entries > 50
    assert len(replayed.heads) == 4


def test_the_newest_history_is_what_this_version_writes(tmp_path: Path) -> None:
    """When this fails, entries of the same inputs have changed: that is a new semantics epoch, not a new history."""
    written = tmp_path / "now.jsonl"
    write_history(write_small_file(tmp_path / "small.db"), written)
    assert written.read_text(encoding="utf-8") == HISTORIES[-1].read_text(encoding="utf-8")


def test_a_history_with_one_word_changed_diverges_there(tmp_path: Path) -> None:
    lines = HISTORIES[-1].read_text(encoding="utf-8").splitlines()
    at = next(number for number, line in enumerate(lines) if "assigned" in line)
    lines[at] = lines[at].replace("assigned", "resigned")
    changed = tmp_path / "changed.jsonl"
    changed.write_text("\n".join(lines), encoding="utf-8")
    found = replay(read_history(changed, tmp_path / "changed.db")).divergence
    assert found is not None
    assert (found.field, found.expected, found.actual) == ("core.outcome", "resigned", "assigned")
    assert found.seq == at - sum(not line.startswith('{"audit"') for line in lines)
