"""One change in a recorded history is found by a replay: the first entry, the field, the cause. The long run is a campaign."""

from __future__ import annotations

import random  # noqa: TID251 - seeded
from pathlib import Path

import pytest
from mutation_histories import history
from mutation_record import load
from mutation_trial import Tally, try_one
from mutations import KINDS, NoSuchMutationError

SEEDS = range(1, 331)


@pytest.mark.slow
def test_a_mutation_is_found_at_its_entry_and_field_with_its_cause(tmp_path: Path) -> None:
    tally = Tally()
    for seed in SEEDS:
        tally.add(try_one(seed, tmp_path))
    assert tally.total("mutations") == len(SEEDS)
    for column in ("detected", "entry", "field"):
        assert tally.total(column) == len(SEEDS), (column, tally.misses)
    assert tally.total("cause") >= 0.99 * len(SEEDS), tally.misses
    labels = {name for name, _ in tally.counts}
    assert len(labels) >= 2 * len(KINDS) - 6, sorted(labels)


def test_hashing_a_history_anew_gives_the_history(tmp_path: Path) -> None:
    """Else a forged record would differ from the recorded one by the forger's own mistakes."""
    path = tmp_path / "history.db"
    path.write_bytes(history(3))
    record, again = load(path), load(path)
    again.rehash()
    assert again.rows == record.rows


def test_each_kind_of_mutation_changes_something(tmp_path: Path) -> None:
    path = tmp_path / "history.db"
    path.write_bytes(history(3))
    original = load(path)
    for kind in KINDS:
        for forged in kind.ways:
            changed = 0
            for seed in range(8):
                record = original.copy()
                try:
                    kind.mutate(record, random.Random(seed), forged)
                except NoSuchMutationError:
                    continue
                changed += record.rows != original.rows
            assert changed, (kind, forged)
