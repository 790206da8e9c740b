"""The audit appender alone: encode core and body, both hashes, insert under the triggers of the real schema, one transaction."""

from __future__ import annotations

import argparse
import statistics
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from bench.measure import Figures, Stopwatch, parse_size
from dee_appliance.kernel.e1.encoding import canonical_trusted, core_hash
from dee_appliance.kernel.e1.run import Entry
from dee_appliance.store.chain import Chain, ChainQueries, cause_bytes
from dee_appliance.store.database import create, open_writer
from dee_appliance.store.journal import Genesis, write_genesis
from dee_appliance.store.queries import load_queries

if TYPE_CHECKING:
    from dee_appliance.store.database import Database

REPEATS = 5
GATE = [["address", "pass"], ["suppression", "pass"], ["consent", "pass", {"class": "express"}], ["daily", "pass"]]


def _append(database: Database, n: int) -> None:
    chain = Chain(database, load_queries(ChainQueries, "chain"))
    cause = cause_bytes(1, bytes(32))
    head = ""
    with database.transaction():
        for position in range(n):
            core = canonical_trusted(
                {
                    "v": 1,
                    "rs": position,
                    "rp": head,
                    "tick": 1_795_000_000 + position,
                    "plan": "bench@1",
                    "step": "first",
                    "visit": 1,
                    "action": "send_email",
                    "outcome": "dispatched",
                    "detail": {"attempt": 1, "gate": GATE},
                }
            )
            head = core_hash(core)
            chain.append(Entry(core=core, run="run_jpq5dthdqv2oie3xfjmq", saw={"consent": position}), cause, None)
        chain.flush()


def measure(name: str, n: int) -> Figures:
    """The median of five transactions of `n` entries."""
    taken: list[Figures] = []
    for _ in range(REPEATS):
        with tempfile.TemporaryDirectory(prefix="dee-bench-") as folder:
            path = Path(folder) / "bench.db"
            genesis = Genesis(lineage=bytes(16), epoch=0, clock="real")
            create(path, lambda database, first=genesis: write_genesis(database, first))
            with open_writer(path) as database:
                with Stopwatch() as stopwatch:
                    _append(database, n)
                taken.append(stopwatch.figures(name, n))
    return Figures(
        name=name,
        n=n,
        wall_s=statistics.median(one.wall_s for one in taken),
        cpu_s=statistics.median(one.cpu_s for one in taken),
        rss_mb=taken[-1].rss_mb,
    )


def main() -> None:
    """Measure and print."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--name", default="audit_appender")
    parse_size(arguments, unit="entry", default=50_000)
    given = arguments.parse_args()
    measure(given.name, given.n).print()


if __name__ == "__main__":
    main()
