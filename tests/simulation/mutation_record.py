"""The rows of a recorded file as plain Python values: loaded, changed, hashed anew, and written over the rows of a copy."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import apsw
import msgspec

from dee_appliance.kernel.e1.encoding import canonical, core_hash, leaf_hash
from dee_appliance.store.journal import Genesis, InputRow, input_digest

Json = dict[str, Any]

TABLES = {
    "input": ("seq", "tick", "received", "source", "kind", "payload"),
    "document": ("digest", "kind", "seq", "body"),
    "given": ("seq", "ordinal", "body"),
    "audit": ("seq", "body", "leaf"),
}


class Record:
    """Inputs, documents, renderings and entries, each as a list of its columns."""

    def __init__(self, genesis: Genesis, rows: dict[str, list[list[Any]]]) -> None:
        self.genesis = genesis
        self.rows = rows

    @property
    def inputs(self) -> list[list[Any]]:
        return self.rows["input"]

    @property
    def documents(self) -> list[list[Any]]:
        return self.rows["document"]

    @property
    def given(self) -> list[list[Any]]:
        return self.rows["given"]

    @property
    def entries(self) -> list[list[Any]]:
        return self.rows["audit"]

    def copy(self) -> Record:
        return Record(self.genesis, copy.deepcopy(self.rows))

    def payload(self, position: int) -> Json:
        return dict(json.loads(self.inputs[position][5]))

    def set_payload(self, position: int, value: Json) -> None:
        self.inputs[position][5] = canonical(value).decode()

    def body(self, position: int) -> Json:
        return dict(json.loads(self.entries[position][1]))

    def set_body(self, position: int, value: Json) -> None:
        self.entries[position][1] = canonical(value).decode()

    def rehash(self, *, runs: bool = True) -> None:
        """Compute every digest, link and hash of the log anew: what somebody without a key can always do.

        `runs`: also the links of the runs' own chains.
        """
        digests = {
            row[0]: input_digest(InputRow(**dict(zip(TABLES["input"], row, strict=True)))) for row in self.inputs
        }
        leaves: dict[str, str] = {}
        cores: dict[str, str] = {}
        prev = bytes(32)
        for row in self.entries:
            value = json.loads(row[1])
            named = digests.get(value["input"]["seq"])
            if named is not None:
                value["input"]["digest"] = named.hex()
            if "cp" in value:
                value["cp"] = leaves.get(value["cp"], value["cp"])
            if value["run"] is not None:
                if runs and value["core"]["rp"] is not None:
                    value["core"]["rp"] = cores.get(value["run"], "")
                cores[value["run"]] = core_hash(canonical(value["core"]))
            value["prev"] = prev.hex()
            body = canonical(value)
            prev = leaf_hash(body)
            leaves[row[2].hex()] = prev.hex()
            row[1], row[2] = body.decode(), prev


def load(path: Path) -> Record:
    """Read a file at rest."""
    connection = apsw.Connection(f"file:{path}?immutable=1", flags=apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI)
    try:
        first: Any = connection.execute("SELECT lineage, epoch, clock, seed, semantics FROM genesis").fetchall()[0]
        genesis = Genesis(lineage=first[0], epoch=first[1], clock=first[2], seed=first[3], semantics=first[4])
        rows = {
            table: [list(row) for row in connection.execute(f"SELECT {', '.join(columns)} FROM {table} ORDER BY 1, 2")]
            for table, columns in TABLES.items()
        }
        return Record(genesis, rows)
    finally:
        connection.close()


def write(record: Record, original: Record, file: bytes, path: Path) -> None:
    """Write the original file with the rows of a changed record in their place."""
    path.write_bytes(file)
    connection = apsw.Connection(str(path))
    connection.config(apsw.SQLITE_DBCONFIG_ENABLE_TRIGGER, 0)
    connection.execute("PRAGMA synchronous = OFF")
    with connection:
        for table, columns in TABLES.items():
            if record.rows[table] == original.rows[table]:
                continue
            connection.execute(f"DELETE FROM {table}")
            marks = ", ".join("?" for _ in columns)
            connection.executemany(f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({marks})", record.rows[table])
    connection.close()


def input_rows(record: Record) -> list[InputRow]:
    """The inputs as the journal takes them."""
    return [msgspec.convert(dict(zip(TABLES["input"], row, strict=True)), InputRow) for row in record.inputs]
