"""examples/verify_by_hand.py reads a file without a line of ours, and judges it as `dee verify` does."""

from __future__ import annotations

import runpy
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import cast

import pytest
from file_edits import Edit, cause_of, last_seq
from log_edits import LOG_EDITS
from recorded_files import attacker, rich_file
from row_edits import ROW_EDITS

from dee_appliance.replay.verify import verify

PROGRAM = Path(__file__).parents[2] / "examples/verify_by_hand.py"
COVERED = {"input-changed", "input-missing", "input-moved", "input-unanswered", "truncated", "blob-mismatch"}
UNSEEN = "a_policy_seems_to_have_come_later"
"""What it can see of the rows beside the log. Renderings, the ledger, and whether and when a document came are not compared."""

check_by_hand = cast("Callable[..., int]", runpy.run_path(str(PROGRAM))["main"])


def test_it_needs_nothing_but_the_standard_library(tmp_path: Path) -> None:
    path = rich_file(tmp_path)
    # -I -S: no package of this environment can be imported.
    done = subprocess.run(
        [sys.executable, "-I", "-S", PROGRAM, path], capture_output=True, text=True, check=False, timeout=60
    )
    report = verify(path)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [
        f"{report.entries} entries, head {report.entries}:{report.head}",
        "not compared: inputs and documents (no BLAKE3 here)",
        "whole",
    ]


@pytest.mark.parametrize("edit", LOG_EDITS, ids=lambda edit: edit.__name__)
def test_it_finds_every_edit_of_the_log(edit: Edit, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = rich_file(tmp_path)
    with attacker(path) as connection:
        edit(connection)
    assert check_by_hand(str(path)) == 1
    assert "NOT WHOLE" in capsys.readouterr().out


@pytest.mark.parametrize("edit", ROW_EDITS, ids=lambda edit: edit.__name__)
def test_with_blake3_it_finds_changed_inputs_and_documents(edit: Edit, tmp_path: Path) -> None:
    path = rich_file(tmp_path)
    with attacker(path) as connection:
        told = edit(connection)
    covered = bool(COVERED & told.kinds.keys()) and edit.__name__ != UNSEEN
    assert check_by_hand(str(path)) == int(covered)


def test_a_head_that_was_written_down_shows_that_the_end_was_cut_off(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = rich_file(tmp_path)
    head = f"{verify(path).entries}:{verify(path).head}"
    assert check_by_hand(str(path), head) == 0
    with attacker(path) as connection:
        seq = last_seq(connection)
        connection.execute("DELETE FROM input WHERE seq = ?", (cause_of(connection, seq),))
        connection.execute("DELETE FROM audit WHERE seq = ?", (seq,))
    assert check_by_hand(str(path)) == 0
    assert check_by_hand(str(path), head) == 1
    assert f"the log has {seq} entries, it had {seq + 1}" in capsys.readouterr().out
