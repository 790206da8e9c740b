"""Random edits of recorded files behind the engine's back, and an oracle that says what verify must find of each.

An edit is drawn from a seed: a flipped bit anywhere in the file, a changed value, rows deleted, swapped or added, a file cut
short or put back to an older state, a trigger or table of the schema removed or added, a log forged and hashed anew.

The oracle knows nothing of verify: it reads every table with bare SQL before and after, and compares. Whatever differs in what
verify covers must be found, and the first finding must point at something that differs. What verify does not cover must be among
the things of which it says so. Where nothing differs, it must find nothing.
"""

from __future__ import annotations

import json
import random  # noqa: TID251 - a seed decides what is edited
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import apsw
import msgspec
from file_edits import Json, part, rechain
from file_edits import rows as rows_of
from recorded_files import attacker, rich_file
from schedules import run_schedule

from dee_appliance.kernel.e1.encoding import leaf_hash
from dee_appliance.replay.compare_state import TABLES
from dee_appliance.store.tip import Tip

Rows = dict[tuple[Any, ...], tuple[Any, ...]]

EVIDENCE = {"genesis": 1, "input": 1, "document": 1, "given": 2, "ledger": 2, "audit": 1}
"""Tables that verify reads, and how many of their first columns are the key."""
STATE = {table.name: table.keys for table in TABLES if table.name != "ledger"}
BESIDE = {"seen": 2, "inbox": 1, "reply": 1, "vault": 3}
"""Tables that neither verify nor the comparison of state covers."""
NAMED_AS = {
    "seen": "table seen", "inbox": "inbox", "reply": "table reply", "vault": "vault",
    "given": "renderings", "document": "documents", "ledger": "marks of the ledger",
}  # fmt: skip
"""The word by which verify must name such a table among what it did not cover."""
HEADER_BYTES = 100
SCHEDULE_STEPS = 60


class Contents(msgspec.Struct):
    """All that can be read of a file with bare SQL. `whole` False: SQLite finds its structure damaged, or cannot read it."""

    tables: dict[str, Rows]
    schema: list[tuple[Any, ...]]
    whole: bool
    numbers: tuple[int, int] = (0, 0)
    """application_id and user_version."""


class Base(msgspec.Struct):
    """A sound file: its bytes, what is in it, its tip, the sends that passed, and its bytes at earlier times."""

    name: str
    data: bytes
    contents: Contents
    tip: Tip
    sends: set[tuple[int, str, int]]
    in_force: set[str]
    """Digests of the documents that some entry put in force, and of what their plans pin."""
    older: list[bytes] = []


class Edit(NamedTuple):
    """What was done to a file. `tip`: whether verify is given the tip of the sound file."""

    kind: str
    seed: int
    base: str
    told: str
    tip: bool


class Judged(NamedTuple):
    """What came of it: found, not covered, unchanged; or missed, misplaced, false alarm, escaped."""

    verdict: str
    why: str


GOOD = ("found", "found by replay", "found in state", "not covered", "unchanged")


# ---- reading without the program ------------------------------------------------------------------------------------------


def read_contents(path: Path) -> Contents:
    """Read every row of every table, as far as it can be read."""
    contents = Contents({}, [], True)
    connection = apsw.Connection(f"file:{path}?immutable=1", flags=apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI)
    try:
        with _noting_damage(contents):
            found = rows_of(connection, "PRAGMA integrity_check(1)")
            contents.whole = contents.whole and found == [("ok",)]
        with _noting_damage(contents):
            contents.numbers = (connection.pragma("application_id"), connection.pragma("user_version"))
            contents.schema = rows_of(connection, "SELECT type, name, sql, tbl_name FROM sqlite_schema ORDER BY 1, 2")
        for table, keys in {**EVIDENCE, **STATE, **BESIDE}.items():
            contents.tables[table] = {}
            with _noting_damage(contents):
                for row in connection.execute(_sql(connection, table)):
                    contents.tables[table][row[:keys]] = row
    finally:
        connection.close()
    return contents


@contextmanager
def _noting_damage(contents: Contents) -> Iterator[None]:
    try:
        yield
    except (apsw.Error, UnicodeDecodeError):
        contents.whole = False


_statements: dict[str, str] = {}


def _sql(connection: apsw.Connection, table: str) -> str:
    """Texts as their bytes with a mark before them, since damaged ones need not be UTF-8."""
    if table not in _statements:
        there = [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]
        if not there:
            raise apsw.CorruptError(table)
        columns = next((one.columns for one in TABLES if one.name == table), there)
        each = (f"CASE typeof({one}) WHEN 'text' THEN CAST(x'27' || {one} AS BLOB) ELSE {one} END" for one in columns)
        _statements[table] = f"SELECT {', '.join(each)} FROM {table}"
    return _statements[table]


def text(value: object) -> str:
    """A text as the contents hold it, as a string again."""
    assert isinstance(value, bytes)
    return value[1:].decode()


def make_base(name: str, path: Path, older: list[bytes]) -> Base:
    """Read a sound file."""
    contents = read_contents(path)
    assert contents.whole
    size = len(contents.tables["audit"])
    sends, in_force = set(), set()
    for row in contents.tables["audit"].values():
        value = json.loads(text(row[1]))
        if value["core"]["outcome"] == "dispatched":
            sends.add((value["input"]["seq"], value["evidence"]["send"], value["evidence"]["attempt"]))
        if value["core"]["outcome"] in ("published", "set", "used"):
            in_force.add(value["core"]["detail"].get("digest"))
    for digest in [one for one in in_force if one]:
        plan = json.loads(text(contents.tables["document"][(b"'" + digest.encode(),)][3]))
        in_force |= {*plan.get("templates", {}).values(), *plan.get("scripts", {}).values()}
    tip = Tip(size=size, head=contents.tables["audit"][(size - 1,)][2], incarnation=1)
    return Base(
        name=name, data=path.read_bytes(), contents=contents, tip=tip, sends=sends, in_force=in_force, older=older
    )


def make_bases(folder: Path, seeds: range) -> list[Base]:
    """A file with a bit of everything, and the files of random histories, each also as it was earlier."""
    rich = rich_file(folder)
    bases = [make_base("rich", rich, [])]
    for seed in seeds:
        older = [_schedule_bytes(folder, seed, steps) for steps in (10, 25, 40)]
        path = folder / "base.db"
        path.write_bytes(_schedule_bytes(folder, seed, SCHEDULE_STEPS))
        bases.append(make_base(f"schedule {seed}", path, older))
    return bases


def _schedule_bytes(folder: Path, seed: int, steps: int) -> bytes:
    path = folder / "schedule.db"
    path.unlink(missing_ok=True)
    with run_schedule(seed, steps=steps) as history:
        path.touch(mode=0o600)
        history.journal.database.copy_pages(path)
    return path.read_bytes()


# ---- drawing an edit -------------------------------------------------------------------------------------------------------


def _some_row(connection: apsw.Connection, dice: random.Random, tables: list[str]) -> tuple[str, list[str], int]:
    """A table that has rows, its columns, and the offset of one row in the order of its key."""
    while True:
        table = dice.choice(tables)
        count = rows_of(connection, f"SELECT count(*) FROM {table}")[0][0]
        if count:
            columns = [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]
            return table, columns, dice.randrange(count)


def _where(connection: apsw.Connection, table: str, columns: list[str], offset: int) -> tuple[str, tuple[Any, ...]]:
    keys = columns[: {**EVIDENCE, **STATE, **BESIDE}[table]]
    order = ", ".join(keys)
    (row,) = rows_of(connection, f"SELECT {order} FROM {table} ORDER BY {order} LIMIT 1 OFFSET ?", (offset,))
    return " AND ".join(f"{key} IS ?" for key in keys), row


def flip_a_bit(path: Path, dice: random.Random, base: Base) -> str:
    data = bytearray(base.data)
    place = dice.randrange(HEADER_BYTES) if dice.random() < 0.02 else dice.randrange(len(data))
    bit = dice.randrange(8)
    data[place] ^= 1 << bit
    path.write_bytes(data)
    return f"bit {bit} of byte {place} is flipped"


def change_a_value(path: Path, dice: random.Random, base: Base) -> str:
    del base
    with attacker(path) as connection:
        table, columns, offset = _some_row(connection, dice, list(EVIDENCE))
        where, key = _where(connection, table, columns, offset)
        column = dice.choice(columns)
        (old,) = rows_of(connection, f"SELECT {column} FROM {table} WHERE {where}", key)[0]
        new = _another(dice, old)
        connection.execute(f"UPDATE OR REPLACE {table} SET {column} = ? WHERE {where}", (new, *key))
    return f"{table}{key}.{column}: {str(old)[:40]!r} becomes {str(new)[:40]!r}"


def _another(dice: random.Random, old: Any) -> Any:
    if isinstance(old, str) and old:
        place = dice.randrange(len(old))
        return old[:place] + chr(ord("a") + dice.randrange(26)) + old[place + dice.randrange(2) :]
    if isinstance(old, bytes) and old:
        place = dice.randrange(len(old))
        return old[:place] + bytes([old[place] ^ (1 << dice.randrange(8))]) + old[place + 1 :]
    return (old or 0) + dice.choice((-1, 1, 1_000)) if old is None or isinstance(old, int) else old


def delete_rows(path: Path, dice: random.Random, base: Base) -> str:
    del base
    with attacker(path) as connection:
        table, columns, offset = _some_row(connection, dice, list(EVIDENCE))
        keys = ", ".join(columns[: EVIDENCE[table]])
        count = 1 if dice.random() < 0.7 else dice.randrange(2, 8)
        chosen = f"SELECT {keys} FROM {table} ORDER BY {keys} LIMIT {count} OFFSET {offset}"
        connection.execute(f"DELETE FROM {table} WHERE ({keys}) IN ({chosen})")
    return f"{count} rows of {table} from the {offset}th on are deleted"


def swap_rows(path: Path, dice: random.Random, base: Base) -> str:
    del base
    with attacker(path) as connection:
        table, columns, offset = _some_row(connection, dice, ["audit", "input", "document", "given", "ledger"])
        rest = columns[EVIDENCE[table] :]
        one = _where(connection, table, columns, offset)
        other = _where(connection, table, columns, _some_row(connection, dice, [table])[2])
        named = ", ".join(rest)
        rows = [rows_of(connection, f"SELECT {named} FROM {table} WHERE {w}", key)[0] for w, key in (one, other)]
        for (where, key), row in zip((other, one), rows, strict=True):
            settings = ", ".join(f"{column} = ?" for column in rest)
            connection.execute(f"UPDATE {table} SET {settings} WHERE {where}", (*row, *key))
    return f"rows {one[1]} and {other[1]} of {table} change places"


def add_a_row(path: Path, dice: random.Random, base: Base) -> str:
    del base
    with attacker(path) as connection:
        table, columns, offset = _some_row(connection, dice, ["audit", "input", "document", "given", "ledger"])
        where, key = _where(connection, table, columns, offset)
        row = list(rows_of(connection, f"SELECT * FROM {table} WHERE {where}", key)[0])
        last = EVIDENCE[table] - 1
        if table == "ledger":
            row[0] += 100_000
        elif isinstance(row[last], int):
            highest = rows_of(connection, f"SELECT max({columns[last]}) FROM {table}")[0][0]
            row[last] = highest + dice.choice((1, 1, 5))
        else:
            row[last] = _another(dice, row[last])
        connection.execute(f"INSERT OR REPLACE INTO {table} VALUES ({', '.join('?' * len(row))})", row)
    return f"{table} gets another row, {tuple(row[: last + 1])}, like {key}"


def cut_the_file(path: Path, dice: random.Random, base: Base) -> str:
    length = dice.randrange(len(base.data))
    if dice.random() < 0.5:
        path.write_bytes(base.data[:length])
        return f"the file ends after {length} bytes"
    path.write_bytes(base.data[:length].ljust(len(base.data), b"\0"))
    return f"the file is zeros from byte {length} on"


def cut_the_log(path: Path, dice: random.Random, base: Base) -> str:
    entries = len(base.contents.tables["audit"])
    first = entries - dice.randrange(1, min(entries - 1, 40))
    with attacker(path) as connection:
        cause = json.loads(rows_of(connection, "SELECT body FROM audit WHERE seq = ?", (first,))[0][0])["input"]["seq"]
        connection.execute("DELETE FROM audit WHERE seq >= ?", (first,))
        if dice.random() < 0.6:
            for table in ("input", "given", "ledger"):
                connection.execute(f"DELETE FROM {table} WHERE seq >= ?", (cause,))
    return f"the log ends before entry {first}"


def put_an_older_file_back(path: Path, dice: random.Random, base: Base) -> str:
    if not base.older:
        return cut_the_log(path, dice, base)
    number = dice.randrange(len(base.older))
    path.write_bytes(base.older[number])
    return f"the file is what it was at its {number}th earlier time"


def alter_the_schema(path: Path, dice: random.Random, base: Base) -> str:
    kinds = [(kind, name) for kind, name, sql, _ in base.contents.schema if sql]
    kind, name = dice.choice(kinds)
    table = dice.choice(list({**EVIDENCE, **STATE, **BESIDE}))
    statement = dice.choice(
        (
            f"DROP {kind} {name}" if kind != "table" else f"ALTER TABLE {table} ADD COLUMN more",
            f"DROP TRIGGER {dice.choice([one for what, one in kinds if what == 'trigger'])}",
            "CREATE TABLE more (more)",
            f"CREATE TRIGGER more AFTER INSERT ON {table} BEGIN SELECT 1; END",
            f"CREATE VIEW more AS SELECT * FROM {table}",
            f"CREATE INDEX more ON {table} (1)",
            "PRAGMA user_version = 77",
            "PRAGMA application_id = 77",
        )
    )
    with attacker(path) as connection:
        connection.execute(statement)
    return statement


def forge_an_entry(path: Path, dice: random.Random, base: Base) -> str:
    """A forger who knows the hashes: one leaf, or from there to the end."""
    seq = dice.randrange(1, len(base.contents.tables["audit"]))
    whole = dice.random() < 0.3
    with attacker(path) as connection:
        if whole:

            def forge(value: Json) -> None:
                if value["seq"] == seq:
                    value["core"] = {**part(value, "core"), "outcome": "forged"}

            rechain(connection, forge)
        else:
            body = rows_of(connection, "SELECT body FROM audit WHERE seq = ?", (seq,))[0][0]
            body = body.replace('"outcome":"', '"outcome":"x', 1)
            connection.execute(
                "UPDATE audit SET body = ?, leaf = ? WHERE seq = ?", (body, leaf_hash(body.encode()), seq)
            )
    return f"entry {seq} says something else, " + (
        "and everything is hashed anew" if whole else "and its hash is right"
    )


def edit_the_state(path: Path, dice: random.Random, base: Base) -> str:
    del base
    with attacker(path) as connection:
        table, columns, offset = _some_row(connection, dice, [*STATE, *BESIDE])
        where, key = _where(connection, table, columns, offset)
        if dice.random() < 0.3:
            connection.execute(f"DELETE FROM {table} WHERE {where}", key)
            return f"row {key} of {table} is deleted"
        column = dice.choice(columns)
        (old,) = rows_of(connection, f"SELECT {column} FROM {table} WHERE {where}", key)[0]
        new = _another(dice, old)
        connection.execute(f"UPDATE OR REPLACE {table} SET {column} = ? WHERE {where}", (new, *key))
    return f"{table}{key}.{column}: {str(old)[:40]!r} becomes {str(new)[:40]!r}"


EDITS: dict[str, Callable[[Path, random.Random, Base], str]] = {
    "flipped bit": flip_a_bit,
    "changed value": change_a_value,
    "deleted rows": delete_rows,
    "swapped rows": swap_rows,
    "added row": add_a_row,
    "cut file": cut_the_file,
    "cut log": cut_the_log,
    "older file": put_an_older_file_back,
    "schema": alter_the_schema,
    "forged entry": forge_an_entry,
    "edited state": edit_the_state,
}


def draw(seed: int, bases: list[Base], path: Path) -> tuple[Edit, Base]:
    """Write the edited file of a seed. The same seed and the same bases give the same file."""
    dice = random.Random(seed)
    base = bases[seed % len(bases)]
    kind = list(EDITS)[seed // len(bases) % len(EDITS)]
    path.write_bytes(base.data)
    path.chmod(0o600)
    told = ""
    while not told:
        try:
            told = EDITS[kind](path, dice, base)
        except (apsw.ConstraintError, apsw.SQLError):  # the schema has its own rules; what it refuses is no edit
            path.write_bytes(base.data)
    for beside in ("-wal", "-shm"):
        path.with_name(path.name + beside).unlink(missing_ok=True)
    return Edit(kind=kind, seed=seed, base=base.name, told=told, tip=dice.random() < 0.5), base
