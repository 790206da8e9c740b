"""The harness behind docs/performance.md: what it computes from figures, and that it believes no side that measured nothing."""

from __future__ import annotations

import subprocess
import sys

import pytest

from bench.harness import (
    Comparison,
    Limit,
    Round,
    Side,
    available,
    comparisons_table,
    kept,
    limits_table,
    markdown,
    met,
    ratios,
    run_rounds,
    run_side,
    sides_table,
)
from bench.measure import Figures, Stopwatch

RAW = Side(name="raw", module="bench.raw_apsw", unit="row", n=10, needs=("apsw",))


def figures(name: str, *, n: int = 10, wall_s: float = 1.0, cpu_s: float = 1.0, rss_mb: float = 50.0) -> Figures:
    return Figures(name=name, n=n, wall_s=wall_s, cpu_s=cpu_s, rss_mb=rss_mb)


def rounds(*pairs: tuple[Figures, Figures]) -> list[Round]:
    return [{each.name: each for each in pair} for pair in pairs]


def test_a_ratio_is_taken_per_unit_and_inside_a_round() -> None:
    results = rounds(
        (figures("a", n=10, cpu_s=1.0), figures("b", n=100, cpu_s=50.0)),
        (figures("a", n=10, cpu_s=4.0), figures("b", n=100, cpu_s=80.0)),
    )
    assert ratios(Comparison(side="a", against="b", by="cpu_s"), results) == [5.0, 2.0]


@pytest.mark.parametrize(("goal", "reached"), [(4.0, True), (4.1, False), (None, True)])
def test_a_goal_is_met_by_the_median_ratio(goal: float | None, *, reached: bool) -> None:
    results = rounds(*((figures("a"), figures("b", wall_s=wall_s)) for wall_s in (1.0, 4.0, 9.0)))
    comparison = Comparison(side="a", against="b", by="wall_s", at_least=goal)
    assert met(comparison, results) is reached
    assert ("NO" in comparisons_table([comparison], results)) is not reached


@pytest.mark.parametrize(
    ("limit", "stays"),
    [
        (Limit(side="a", at_most_us=200_000), True),
        (Limit(side="a", at_most_us=199_999), False),
        (Limit(side="a", at_most_rss_mb=90), True),
        (Limit(side="a", at_most_rss_mb=89), False),
    ],
)
def test_a_limit_looks_at_the_median_cost_and_the_largest_memory(limit: Limit, *, stays: bool) -> None:
    taken = ((1.0, 50.0), (2.0, 90.0), (7.0, 60.0))
    results: list[Round] = [{"a": figures("a", cpu_s=cpu_s, rss_mb=rss_mb)} for cpu_s, rss_mb in taken]
    assert kept(limit, results) is stays
    assert ("NO" in limits_table([limit], results)) is not stays


@pytest.mark.slow
def test_a_side_runs_in_a_process_of_its_own_and_reports_what_it_was_asked_for() -> None:
    results = run_rounds([RAW], rounds=1, workflows=400, python=sys.executable, tell=lambda _: None)
    assert (results[0]["raw"].name, results[0]["raw"].n) == ("raw", 10)
    assert "| raw " in sides_table([RAW], results)


def test_a_side_that_fails_ends_the_measurement_with_what_it_said() -> None:
    with pytest.raises(SystemExit, match="--way: invalid choice"):
        run_side(
            Side(name="raw", module="bench.raw_apsw", unit="row", arguments=("--way", "none")),
            n=10,
            python=sys.executable,
        )


def test_a_side_whose_needs_are_not_installed_is_left_out() -> None:
    missing = Side(name="missing", module="bench.missing", unit="row", needs=("no_such_module_anywhere",))
    assert available([RAW, missing], sys.executable) == (RAW,)


@pytest.mark.parametrize("nothing", [{"n": 0}, {"wall_s": 0.0}, {"cpu_s": 0.0}])
def test_figures_of_nothing_are_refused(nothing: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="measured nothing"):
        figures("a", **nothing)  # type: ignore[arg-type]


def test_the_stopwatch_counts_the_cpu_of_finished_children() -> None:
    with Stopwatch() as watch:
        subprocess.run([sys.executable, "-c", "sum(range(2_000_000))"], check=True)
    assert watch.figures("child", 1).cpu_s > 0.01


def test_a_markdown_table_is_aligned() -> None:
    assert markdown(("a", "bcd"), [("long", "x")]) == "| a    | bcd |\n| ---- | --- |\n| long | x   |"
