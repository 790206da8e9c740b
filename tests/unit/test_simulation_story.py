"""A simulation tells the same story each time, and tells of nothing but itself."""

from __future__ import annotations

from pathlib import Path

import pytest
from running_files import make_file, people

from dee_appliance.engine import Engine
from dee_appliance.runtime.importing import fixed_ids
from dee_appliance.runtime.simulation import Simulated, SimulationOptions, simulate
from dee_appliance.runtime.world import DEFAULT_SHARES, parse_shares

pytestmark = pytest.mark.slow

SHARES = parse_shares("opened=50%,bounced=20%")
NOBODY_REACTS = dict.fromkeys(DEFAULT_SHARES, 0)


def simulated(engine: Engine, contacts: Path | None, *, seed: int = 1, shares: dict[str, int] = SHARES) -> Simulated:
    """Simulate the file's plan from a day after its last entry on."""
    options = SimulationOptions(plan="notes", contacts=contacts, start=engine.now() + 86_400, seed=seed, shares=shares)
    return simulate(engine.path, options)


def test_new_contacts_of_a_simulation_do_the_same_each_time_and_something_else_with_another_seed(
    tmp_path: Path,
) -> None:
    engine = make_file(tmp_path, contacts=0)
    newcomers = people(tmp_path, "newcomers", 60)
    first = simulated(engine, newcomers)
    assert first.forecast.events["email.bounced"] > 0
    assert simulated(engine, newcomers).forecast.events == first.forecast.events
    assert simulated(engine, newcomers, seed=2).forecast.events != first.forecast.events


def test_a_forecast_counts_the_runs_that_move_in_it_and_no_others(tmp_path: Path) -> None:
    engine = make_file(tmp_path, contacts=3)
    with engine.view() as view:
        runs = [row[0] for row in view.database.execute("SELECT run FROM run ORDER BY run_no")]
    engine.operate("cancel", runs)
    again = simulated(engine, None, shares=NOBODY_REACTS).forecast
    assert (again.enrolled, again.outcomes) == (3, {"done": 3})


def test_fixed_ids_are_contact_ids_and_never_repeat() -> None:
    draw = fixed_ids("dee.test.v1", "1")
    drawn = [draw() for _ in range(100)]
    assert len(set(drawn)) == 100
    assert {len(one) for one in drawn} == {28}
    assert all(one.startswith("c_") for one in drawn)
    assert [fixed_ids("dee.test.v1", "1")()] == drawn[:1]
    assert fixed_ids("dee.test.v1", "2")() not in drawn


def test_a_forecast_says_that_the_file_is_halted(tmp_path: Path) -> None:
    engine = make_file(tmp_path, contacts=2)
    engine.halt()
    forecast = simulated(engine, people(tmp_path, "newcomers", 1)).forecast
    assert (forecast.enrolled, forecast.sends, forecast.held) == (1, {}, {"halt": 1})
