"""docs/python.md: its program runs, and its table has every verb."""

from __future__ import annotations

import contextlib
import inspect
import re
import shutil
from pathlib import Path

import pytest

from dee_appliance import Engine

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "python.md").read_text(encoding="utf-8")


def test_the_program_of_the_page_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(ROOT / "examples" / "sales-outreach", tmp_path, dirs_exist_ok=True)
    monkeypatch.setenv("DEE_STATE_DIR", str(tmp_path / "memory"))
    (program,) = re.findall(r"```python\n(.*?)```", PAGE, flags=re.DOTALL)
    with contextlib.chdir(tmp_path):
        exec(compile(program, "docs/python.md", "exec"), {})
    told = capsys.readouterr().out.splitlines()
    assert told[0] == "237 new, 7 rejected"
    assert told[-2] == "Ben Banerjee"
    assert told[-1].startswith("there is no contact `C-9999`")


def test_the_table_of_the_page_has_every_verb() -> None:
    verbs = {name for name, _ in inspect.getmembers(Engine, inspect.isroutine) if not name.startswith("_")}
    table = "".join(line.split("|")[1] for line in PAGE.splitlines() if line.startswith("| `"))
    assert set(re.findall(r"`(\w+)`", table)) == verbs
    for name in verbs:
        assert inspect.getdoc(getattr(Engine, name)), name
