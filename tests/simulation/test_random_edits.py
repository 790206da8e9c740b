"""Random edits of recorded files: whatever verify says it covers is found, at its place; of the rest it says that it does not.

What an edit is stands in random_edits, how its verdict is known without verify in edit_oracle. The long campaign is
`python -m bench.file_edit_campaign`.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from edit_oracle import judge
from random_edits import EDITS, GOOD, Base, Judged, draw, make_bases

from dee_appliance.replay import chain_check, compare_state, verify

pytestmark = pytest.mark.breaks_its_file
SEEDS = range(1, 601)


@pytest.fixture(scope="module")
def bases(tmp_path_factory: pytest.TempPathFactory) -> list[Base]:
    """Sound files: one with a bit of everything, and those of four random histories."""
    return make_bases(tmp_path_factory.mktemp("bases"), range(4))


def judge_all(bases: list[Base], path: Path, seeds: range) -> list[tuple[str, str, Judged]]:
    """Kind, description and verdict of each edit."""
    told = []
    for seed in seeds:
        edit, base = draw(seed, bases, path)
        told.append((edit.kind, f"seed {seed}, {base.name}: {edit.told}", judge(edit, base, path)))
    return told


def test_every_edit_of_what_is_covered_is_found_at_its_place(bases: list[Base], tmp_path: Path) -> None:
    told = judge_all(bases, tmp_path / "edited.db", SEEDS)
    assert [(what, found) for _, what, found in told if found.verdict not in GOOD] == []
    found = Counter(kind for kind, _, found in told if found.verdict.startswith("found"))
    assert all(found[kind] > len(SEEDS) / len(EDITS) / 6 for kind in EDITS), found
    assert {found.verdict for _, _, found in told} == set(GOOD)


def test_a_sound_file_is_no_edit(bases: list[Base], tmp_path: Path) -> None:
    """The oracle itself: nothing differs, nothing is found, and that is right."""
    for number, base in enumerate(bases):
        edit, _ = draw(number, bases, tmp_path / "edited.db")
        (tmp_path / "edited.db").write_bytes(base.data)
        assert judge(edit, base, tmp_path / "edited.db") == Judged("unchanged", "")


WEAKER = {
    "links are not compared": (chain_check.ChainCheck, "_settle", lambda *_, **__: None),
    "documents are not hashed": (verify, "_check_document", lambda *_: None),
    "the tip is not compared": (verify, "_tip", lambda *_: None),
    "state is not compared": (compare_state, "_compare", lambda *_: None),
}


@pytest.mark.parametrize("weaker", WEAKER)
def test_a_verify_that_looks_away_is_found_out(
    weaker: str, bases: list[Base], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(*WEAKER[weaker])
    for seed in range(1, 400):
        edit, base = draw(seed, bases, tmp_path / "edited.db")
        if judge(edit, base, tmp_path / "edited.db").verdict not in GOOD:
            return
    pytest.fail("400 edits, and nobody noticed")
