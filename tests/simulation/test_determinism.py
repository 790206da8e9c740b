"""Thousands of random histories, each run twice in different surroundings: not one byte of the file may differ.

The other process has another hash seed, time zone, locale and working folder; rows without an ORDER BY come the other way round,
or as they come without any index; many inputs share a transaction, some transactions are rolled back and done again, the journal
is opened again in between, and its caches hold next to nothing. Compared are all entry hashes, run heads and every state table.
More seeds: `python -m bench.determinism_campaign`.
"""

from __future__ import annotations

import pytest
from schedule_compare import Compared, Side, both_sides, compare, explain
from schedule_tally import LEAST
from schedules import STATE_TABLES, digest_of, run_branches, run_schedule

from dee_appliance.store.database import open_scratch

SEEDS = 2_000
NOT_COMPARED = ("document", "genesis", "inbox", "reply", "seen", "vault")
"""The same by construction (documents by digest, the first row), or not written by what these histories use."""

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def sides(tmp_path_factory: pytest.TempPathFactory) -> tuple[Side, Side]:
    return both_sides(tmp_path_factory.mktemp("elsewhere"))


@pytest.fixture(scope="module")
def compared(sides: tuple[Side, Side]) -> Compared:
    return compare(sides, 0, SEEDS)


def test_two_thousand_histories_give_the_same_bytes_in_different_surroundings(
    compared: Compared, sides: tuple[Side, Side]
) -> None:
    failing = sorted({*compared.differing, *compared.errors})
    assert compared.seeds == SEEDS
    assert failing == [], "\n".join(explain(sides, seed) for seed in failing[:3])


def test_the_two_processes_really_live_in_different_surroundings(compared: Compared) -> None:
    plain, other = compared.worlds
    assert [name for name in plain if plain[name] == other[name]] == []


def test_everything_that_can_happen_has_happened(compared: Compared) -> None:
    rare = {name: (compared.tally[name], least) for name, least in LEAST.items() if compared.tally[name] < least}
    assert rare == {}


def test_what_leaks_from_a_process_into_the_file_is_found_and_its_history_made_short(sides: tuple[Side, Side]) -> None:
    leaky = [Side(variables=one.variables, folder=one.folder, arguments=(*one.arguments, "--leaky")) for one in sides]
    pair = (leaky[0], leaky[1])
    found = compare(pair, 0, 12)
    assert len(found.differing) > 6
    seed = found.differing[0]
    told = explain(pair, seed)
    steps = int(told.split("fails after ")[1].split(" ")[0])
    assert compare(pair, seed, 1, steps=steps).differing == [seed]
    assert compare(pair, seed, 1, steps=steps - 1).differing == []
    assert "given, audit" in told
    assert told.count(f"--first {seed} --steps {steps}") == 2


def test_every_way_in_which_a_history_goes_on_gives_the_same_bytes(sides: tuple[Side, Side]) -> None:
    found = compare(sides, 200_000, 6, steps=25, branches=100)
    assert (found.differing, found.errors) == ([], {}), [
        explain(sides, seed, steps=25, branches=100) for seed in found.differing
    ]


def test_a_leak_in_one_way_to_go_on_is_found_and_named(sides: tuple[Side, Side]) -> None:
    leaky = [Side(variables=one.variables, folder=one.folder, arguments=(*one.arguments, "--leaky")) for one in sides]
    found = compare((leaky[0], leaky[1]), 200_000, 3, steps=2, branches=20)
    assert found.differing
    assert "branch " in explain((leaky[0], leaky[1]), found.differing[0], steps=2, branches=20)


def test_branches_begin_where_the_history_ended_and_leave_nothing_behind() -> None:
    with run_schedule(200_000, steps=25) as history:
        before = digest_of(history.journal.database)
        together = list(run_branches(history, 200_000, 12, steps=5))
        assert digest_of(history.journal.database) == before
        assert list(run_branches(history, 200_000, 12, steps=5)) == together
    assert len(set(together)) > 8


def test_the_digest_speaks_of_every_table_and_every_table_is_filled_by_some_history() -> None:
    with open_scratch() as database:
        rows = database.execute(
            "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite%' ORDER BY 1"
        )
        empty = digest_of(database)
    filled = set()
    for seed in range(12):
        with run_schedule(seed) as history:
            found = digest_of(history.journal.database)
        filled |= {table for table in found if found[table] != empty[table]}
    assert sorted({*STATE_TABLES, *NOT_COMPARED}) == [name for (name,) in rows]
    assert filled == set(STATE_TABLES)
