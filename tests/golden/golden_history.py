"""Recorded histories as text: a file's evidence in JSON lines, to be read by people and replayed by every later version.

A history is never edited. `python tests/golden/golden_history.py NAME` writes a new one from the small test file; an old one that
no longer replays means that its files, in the hands of users, no longer do.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

FOLDER = Path(__file__).parent / "histories"
sys.path[:0] = [str(FOLDER.parents[2]), str(FOLDER.parents[1])]

from dee_appliance.kernel.e1.encoding import leaf_hash  # noqa: E402 - also run as a script
from dee_appliance.store import database as databases  # noqa: E402

TABLES: dict[str, tuple[str, ...]] = {
    "genesis": ("lineage", "epoch", "semantics", "clock", "seed"),
    "document": ("digest", "kind", "seq", "body"),
    "input": ("seq", "tick", "received", "source", "kind", "payload"),
    "given": ("seq", "ordinal", "body"),
    "ledger": ("attempt_no", "mark", "send_key", "attempt", "seq", "tick"),
    "audit": ("seq", "body"),
}
KEYS = {"genesis": "one", "document": "digest", "ledger": "attempt_no, mark", "given": "seq, ordinal"}


def write_history(source: Path, target: Path) -> None:
    """Write the evidence of a file as text."""
    lines = []
    with databases.open_reader(source) as database:
        for table, columns in TABLES.items():
            sql = f"SELECT {', '.join(columns)} FROM {table} ORDER BY {KEYS.get(table, 'seq')}"
            for row in database.execute(sql):
                values = [value.hex() if isinstance(value, bytes) else value for value in row]
                lines.append(json.dumps({table: dict(zip(columns, values, strict=True))}, ensure_ascii=False))
    target.write_text("\n".join(lines) + "\n", encoding="utf-8")


def read_history(history: Path, target: Path) -> Path:
    """Make a file again from its history; the hashes of the entries are computed, everything else is as it was."""

    def fill(database: databases.Database) -> None:
        for line in history.read_text(encoding="utf-8").splitlines():
            ((table, values),) = json.loads(line).items()
            if table == "genesis":
                values = {"one": 1, **values, "lineage": bytes.fromhex(values["lineage"])}
            if table == "audit":
                values = {**values, "leaf": leaf_hash(values["body"].encode())}
            marks = ", ".join("?" * len(values))
            database.execute(f"INSERT INTO {table} ({', '.join(values)}) VALUES ({marks})", tuple(values.values()))

    databases.create(target, fill)
    return target


if __name__ == "__main__":
    from recorded_files import write_small_file

    with TemporaryDirectory() as folder:
        write_history(write_small_file(Path(folder) / "small.db"), FOLDER / f"{sys.argv[1]}.jsonl")
