"""A desk: a folder with a file that has a plan and contacts, and its memory outside. Furnished once, copied for each test."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from terminal import Terminal, furnish


def _place(monkeypatch: pytest.MonkeyPatch, folder: Path) -> Terminal:
    for name in ("DEE_CONFIG", "DEE_DEBUG", "_DEE_COMPLETE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("DEE_STATE_DIR", str(folder / "memory"))
    monkeypatch.setenv("DEE_DB", str(folder / "desk.db"))
    monkeypatch.setenv("USER", "tester")
    return Terminal(folder)


@pytest.fixture(scope="session")
def furnished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A furnished desk that nobody sits at."""
    folder = tmp_path_factory.mktemp("furnished")
    with pytest.MonkeyPatch.context() as monkeypatch:
        furnish(_place(monkeypatch, folder))
    return folder


@pytest.fixture
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """An empty folder."""
    return _place(monkeypatch, tmp_path)


@pytest.fixture
def desk(furnished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """A furnished desk of one's own."""
    shutil.copytree(furnished, tmp_path, dirs_exist_ok=True)
    return _place(monkeypatch, tmp_path)
