"""Files of every landed state that changed the format or the epoch: each is read, verified and replayed by the program of today.

How a state is added: docs/versions.md. What a file says must not change, so what stands here of it is not changed either.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from add_to_corpus import CORPUS, read
from second_epoch import newer_program

from dee_appliance import Engine
from dee_appliance.errors import Refused
from dee_appliance.replay.compare_state import verify_state
from dee_appliance.replay.replay import replay
from dee_appliance.replay.verify import verify
from dee_appliance.runtime.upgrading import versions_of
from dee_appliance.store.database import open_reader, open_writer
from dee_appliance.store.state_dir import StateDir

HEADS = {"e0c30a5-gate": "e6b5931e022e239e584b3407b1ecc5493959c6b70e595d519ec932bfbf024a7f"}
"""Every state whose files must be read for ever, with the head of its log."""

REFUSED = ("993200f-before-format-1",)
"""Landed states from before the format was fixed: their files are told apart in words."""


def test_every_file_of_the_corpus_is_spoken_for() -> None:
    assert {path.name.removesuffix(".db.xz") for path in CORPUS.iterdir()} == {*HEADS, *REFUSED}


@pytest.mark.parametrize("name", HEADS)
def test_a_file_of_a_landed_state_verifies_and_replays(name: str, tmp_path: Path) -> None:
    path = read(name, tmp_path / "landed.db")
    report = verify(path)
    assert report.ok, report.findings
    assert report.head == HEADS[name]
    state = verify_state(path)
    assert state.replay.same, state.replay.divergence
    assert state.ok, state.error()
    assert state.replay.entries == report.entries > 500


@pytest.mark.parametrize("name", HEADS)
@pytest.mark.breaks_its_file
def test_a_file_of_a_landed_state_goes_on_and_can_be_upgraded(name: str, tmp_path: Path) -> None:
    path = read(name, tmp_path / "landed.db")
    engine = Engine(path, state_dir=StateDir(tmp_path / "state"))
    engine.halt()
    assert verify_state(path).ok
    with newer_program(tmp_path):
        assert engine.upgrade().done
        assert versions_of(path).current
        assert verify_state(path).ok


@pytest.mark.parametrize("name", REFUSED)
def test_a_file_from_before_the_format_was_fixed_is_refused_in_words(name: str, tmp_path: Path) -> None:
    path = read(name, tmp_path / "old.db")
    before = hashlib.sha256(path.read_bytes()).hexdigest()
    for look in (open_reader, open_writer, verify, replay, verify_state, versions_of):
        with pytest.raises(Refused, match="made before the file format was fixed") as refusal:
            look(path)
        assert "dee init" in str(refusal.value)
    assert hashlib.sha256(path.read_bytes()).hexdigest() == before
