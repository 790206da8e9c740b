"""The physical limit: rows of the size of audit entries, inserted by apsw in one transaction, and nothing else.

The table is the audit table without its triggers; WAL, FULL sync, the commit is measured. Rows are made before the stopwatch.
`--way many` hands all rows to `executemany`, `--way loop` calls `execute` for each. The median of five transactions, each into a
new file, is reported.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from pathlib import Path
from typing import Final, Literal, cast

import apsw

from bench.measure import Figures, Stopwatch, parse_size

Way = Literal["many", "loop"]
Row = tuple[int, str, bytes]

BODY_CHARS: Final = 600
LEAF_BYTES: Final = 32
REPEATS: Final = 5
CACHE_KIB: Final = 65_536
"""Large enough for the whole transaction: spilling pages into the log early would make the limit look lower than it is."""
TABLE: Final = "CREATE TABLE audit (seq INTEGER PRIMARY KEY, body TEXT, leaf BLOB) STRICT"
INSERT: Final = "INSERT INTO audit (seq, body, leaf) VALUES (?, ?, ?)"


def measure(name: str, n: int, way: Way) -> Figures:
    """The median of five transactions of `n` rows."""
    rows = [_row(seq) for seq in range(n)]
    with tempfile.TemporaryDirectory(prefix="dee-bench-") as folder:
        taken = [_insert(Path(folder) / f"{repeat}.db", rows, way) for repeat in range(REPEATS)]
    return Figures(
        name=name,
        n=n,
        wall_s=statistics.median(each.wall_s for each in taken),
        cpu_s=statistics.median(each.cpu_s for each in taken),
        rss_mb=taken[-1].rss_mb,
    )


def _row(seq: int) -> Row:
    return seq, f"{seq:020d}".ljust(BODY_CHARS, "x"), seq.to_bytes(LEAF_BYTES, "big")


def _insert(path: Path, rows: list[Row], way: Way) -> Figures:
    connection = apsw.Connection(str(path))
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
    connection.execute(TABLE)
    cursor = connection.cursor()
    with Stopwatch() as watch:
        cursor.execute("BEGIN IMMEDIATE")
        if way == "many":
            cursor.executemany(INSERT, rows)
        else:
            for row in rows:
                cursor.execute(INSERT, row)
        cursor.execute("COMMIT")
    found = cursor.execute("SELECT count(*) FROM audit").get
    connection.close()
    if found != len(rows):
        raise SystemExit(f"{found} rows in {path}, expected {len(rows)}")
    return watch.figures(way, len(rows))


def main() -> None:
    """`python -m bench.raw_apsw [--n N] [--way many|loop]`."""
    arguments = argparse.ArgumentParser(description=__doc__)
    parse_size(arguments, unit="row", default=50_000)
    arguments.add_argument("--way", choices=("many", "loop"), default="many")
    arguments.add_argument("--name", default="raw_apsw", help="what the figures are called")
    given = arguments.parse_args()
    measure(given.name, given.n, cast("Way", given.way)).print()


if __name__ == "__main__":
    main()
