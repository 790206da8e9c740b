"""`python -m bench.speed --rounds 5 --n 400`: every side that can run here, interleaved, with ratios and goals.

Lives here: the lists of sides, comparisons and limits, and the command. Running and comparing is `harness`. A new side is one
module that prints `measure.Figures`, and a row in SIDES. docs/performance.md says what each figure means and what it does not.

Exit code 0 when every goal is met, 1 when one is missed.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from bench.harness import (
    Comparison,
    Contention,
    Limit,
    Round,
    Side,
    available,
    comparisons_table,
    kept,
    limits_table,
    machine,
    met,
    run_rounds,
    sides_table,
)

SIDES: Final = (
    Side(name="dbos", module="bench.peer_dbos", unit="workflow", needs=("dbos",)),
    Side(name="dbos_queue", module="bench.peer_dbos", unit="workflow", arguments=("--way", "queue"), needs=("dbos",)),
    Side(
        name="dbos_branch_step",
        module="bench.peer_dbos",
        unit="workflow",
        arguments=("--branch", "step"),
        needs=("dbos",),
    ),
    Side(name="dbos_wal", module="bench.peer_dbos", unit="workflow", arguments=("--wal",), needs=("dbos",)),
    Side(name="raw_apsw", module="bench.raw_apsw", unit="row", n=50_000, needs=("apsw",)),
    Side(
        name="raw_apsw_loop",
        module="bench.raw_apsw",
        unit="row",
        n=50_000,
        arguments=("--way", "loop"),
        needs=("apsw",),
    ),
    Side(
        name="engine", module="bench.engine_workflows", unit="workflow", n=2_000, needs=("dee_appliance.runtime.loop",)
    ),
    Side(name="replay", module="bench.replay_speed", unit="workflow", n=2_000, needs=("dee_appliance.replay.replay",)),
    Side(name="audit_appender", module="bench.audit_appender", unit="entry", n=50_000, needs=("dee_appliance.store",)),
    Side(name="steps_1k", module="bench.steps_at_scale", unit="workflow", n=1_000, arguments=("--live", "1000")),
    Side(name="steps_100k", module="bench.steps_at_scale", unit="workflow", n=1_000, arguments=("--live", "100000")),
    Side(name="start_time", module="bench.start_time", unit="start", n=10, needs=("dee_appliance.cli",)),
    Side(name="mime", module="bench.mime_speed", unit="message", n=5_000, needs=("dee_appliance.content.mime",)),
)

COMPARISONS: Final = (
    Comparison(side="engine", against="dbos_queue", by="wall_s", at_least=50),
    Comparison(side="engine", against="dbos", by="wall_s", at_least=50),
    Comparison(side="engine", against="dbos_branch_step", by="wall_s"),
    Comparison(side="engine", against="dbos", by="cpu_s"),
    Comparison(side="audit_appender", against="raw_apsw", by="cpu_s", at_least=0.25),
    Comparison(side="replay", against="engine", by="cpu_s", at_least=1),
    Comparison(side="steps_100k", against="steps_1k", by="cpu_s", at_least=1 / 1.3),
    Comparison(side="dbos_branch_step", against="dbos", by="cpu_s"),
    Comparison(side="dbos_wal", against="dbos", by="wall_s"),
    Comparison(side="raw_apsw_loop", against="raw_apsw", by="cpu_s"),
)

LIMITS: Final = (
    Limit(side="engine", at_most_us=400),
    Limit(side="mime", at_most_us=500),
    Limit(side="start_time", by="wall_s", at_most_us=300_000),
    Limit(side="steps_100k", at_most_rss_mb=200),
)


def main() -> int:
    """Measure, print the tables, and say whether the goals are met."""
    given = _arguments().parse_args()
    wanted = tuple(side for side in SIDES if not given.side or side.name in given.side)
    sides = available(wanted, given.python)
    names = {side.name for side in sides}
    comparisons = tuple(each for each in COMPARISONS if {each.side, each.against} <= names)
    limits = tuple(each for each in LIMITS if each.side in names)
    left_out = [side.name for side in wanted if side.name not in names]
    if left_out:
        print(f"left out, because what they need is not installed: {', '.join(left_out)}", file=sys.stderr)
    if not sides:
        print("nothing to measure", file=sys.stderr)
        return 1
    contention = Contention()
    results = run_rounds(
        sides,
        rounds=given.rounds,
        workflows=given.n,
        python=given.python,
        tell=lambda line: print(line, file=sys.stderr, flush=True),
    )
    if given.raw is not None:
        _write_raw(given.raw, results)
    print(f"{machine(given.python)}\n{given.rounds} interleaved rounds, medians with ranges; {contention.describe()}")
    print(f"\n{sides_table(sides, results)}")
    if comparisons:
        print(f"\n{comparisons_table(comparisons, results)}")
    if limits:
        print(f"\n{limits_table(limits, results)}")
    return 0 if all(met(each, results) for each in comparisons) and all(kept(each, results) for each in limits) else 1


def _write_raw(path: Path, results: Sequence[Round]) -> None:
    lines = [
        json.dumps({"round": number, **dataclasses.asdict(figures)})
        for number, each in enumerate(results, 1)
        for figures in each.values()
    ]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _arguments() -> argparse.ArgumentParser:
    arguments = argparse.ArgumentParser(
        prog="python -m bench.speed", description="Measure DEE and its peers side by side."
    )
    arguments.add_argument("--rounds", type=int, default=5, help="how often every side runs (default 5)")
    arguments.add_argument("--n", type=int, default=400, help="workflows per side and round (default 400)")
    arguments.add_argument(
        "--side", action="append", choices=[side.name for side in SIDES], help="only this one; may be repeated"
    )
    arguments.add_argument(
        "--python", default=sys.executable, help="interpreter that runs the sides (default: this one)"
    )
    arguments.add_argument("--raw", type=Path, metavar="FILE", help="write every single figure there, as JSON lines")
    return arguments


if __name__ == "__main__":
    sys.exit(main())
