"""`dee upgrade` as a person and as a script meet it."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from second_epoch import newer_program
from terminal import Terminal

pytestmark = pytest.mark.breaks_its_file


class Keyboard(io.StringIO):
    """Somebody who types."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def newer(desk: Terminal, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Terminal]:
    """The desk, and a newer program to work at it."""
    with newer_program(tmp_path_factory.mktemp("aside")):
        yield desk


def copies(desk: Terminal) -> list[Path]:
    return sorted(desk.folder.glob("desk.db.before-upgrade-*"))


def test_a_file_of_today_needs_no_upgrade(desk: Terminal) -> None:
    said = desk.ok("upgrade", "--yes")
    assert said.out == "nothing to do: format 1, semantics epoch 1 is the newest that this program has\n"
    assert desk.ok("upgrade").out == said.out, "nobody need say yes to nothing"
    assert desk.ok("upgrade", "--yes", "--json").record()["done"] is False
    assert copies(desk) == []


def test_a_dry_run_shows_what_would_change(newer: Terminal) -> None:
    said = newer.ok("upgrade", "--dry-run").out
    assert "now   format 1, semantics epoch 1\nthen  format 2, semantics epoch 2\n" in said
    assert "under epoch 2: 0 of 0 runs would have come out otherwise" in said
    assert said.endswith("nothing was written\n")
    assert copies(newer) == []


def test_a_script_says_yes_and_finds_the_copy_in_the_record(newer: Terminal) -> None:
    record = newer.ok("upgrade", "--yes", "--actor", "maria", "--json").record()
    assert record["done"] is True
    assert [str(one) for one in copies(newer)] == [record["backup"]["path"]]
    (line,) = [line for line in newer.ok("log").out.splitlines() if "epoch" in line]
    assert "used" in line
    assert newer.ok("log", "--json", "--action", "epoch").record()["detail"] == {"actor": "maria", "from": 1, "to": 2}


def test_nobody_is_asked_where_nobody_can_answer(newer: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(""))
    said = newer.dee("upgrade")
    assert (said.code, copies(newer)) == (2, [])
    assert "dee upgrade --yes" in said.err


@pytest.mark.parametrize(("typed", "code"), [("upgrade\n", 0), ("y\n", 1), ("\n", 1)])
def test_a_person_types_the_word_or_nothing_happens(
    newer: Terminal, monkeypatch: pytest.MonkeyPatch, typed: str, code: int
) -> None:
    monkeypatch.setattr(sys, "stdin", Keyboard(typed))
    said = newer.dee("upgrade")
    assert said.code == code, said
    assert "BLAKE3" in said.out, "what will be done is shown first"
    assert len(copies(newer)) == (1 if code == 0 else 0)
    assert newer.ok("verify", "--state").out.count("whole") == 1
