"""Ways to change a recorded file behind the engine's back, each with what verify and replay must say of it.

An edit gets a connection that no trigger stops, changes something and returns what is to be told: the kinds of
findings with their number, the place of the first one of the first kind, and the first divergence of a replay.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, NamedTuple

import apsw

from dee_appliance.kernel.e1.encoding import canonical, core_hash, document_digest, leaf_hash
from dee_appliance.store.journal import InputRow, input_digest


class Told(NamedTuple):
    """What must be said of an edit. `place`: fields of the first finding; `entry` None: the replay is the same."""

    kinds: dict[str, int]
    place: dict[str, object]
    entry: int | None = None
    field: str = ""
    cause: str = "tampering"


Row = tuple[Any, ...]
Edit = Callable[[apsw.Connection], Told]
Json = dict[str, object]


def rows(connection: apsw.Connection, sql: str, args: tuple[object, ...] = ()) -> list[Row]:
    """All rows of a query."""
    return list(connection.execute(sql, args))


# -- finding a row -----------------------------------------------------------------------------------------------------


def body_of(connection: apsw.Connection, seq: int) -> str:
    return str(rows(connection, "SELECT body FROM audit WHERE seq = ?", (seq,))[0][0])


def find_entry(connection: apsw.Connection, *needles: str, after: int = -1) -> int:
    """The first entry whose body holds all of these."""
    for seq, body in rows(connection, "SELECT seq, body FROM audit WHERE seq > ? ORDER BY seq", (after,)):
        if all(needle in body for needle in needles):
            return int(seq)
    raise AssertionError(f"no entry holds {needles}")


def find_alone(connection: apsw.Connection, *, after: int = 20) -> int:
    """An entry that is in no chain but the log's and is the only one of its input."""
    return find_entry(connection, '"action":"input"', '"outcome":"nothing"', after=after)


def cause_of(connection: apsw.Connection, seq: int) -> int:
    return int(json.loads(body_of(connection, seq))["input"]["seq"])


def last_seq(connection: apsw.Connection) -> int:
    return int(rows(connection, "SELECT max(seq) FROM audit")[0][0])


def find_input(connection: apsw.Connection, kind: str, *, skip: int = 0) -> int:
    found = rows(connection, "SELECT seq FROM input WHERE kind = ? ORDER BY seq", (kind,))
    return int(found[skip][0])


def entry_of_input(connection: apsw.Connection, seq: int) -> int:
    return find_entry(connection, f'"seq":{seq}}},"prev"')


def document_of(connection: apsw.Connection, kind: str, needle: str = "") -> tuple[str, str, int]:
    rows = connection.execute("SELECT digest, body, seq FROM document WHERE kind = ? ORDER BY seq, digest", (kind,))
    return next((digest, body, seq) for digest, body, seq in rows if needle in body)


def part(value: Json, key: str) -> Json:
    inner = value[key]
    assert isinstance(inner, dict)
    return inner


# -- writing behind the engine's back ----------------------------------------------------------------------------------


def set_body(connection: apsw.Connection, seq: int, body: str, *, leaf: bool) -> None:
    connection.execute("UPDATE audit SET body = ? WHERE seq = ?", (body, seq))
    if leaf:
        connection.execute("UPDATE audit SET leaf = ? WHERE seq = ?", (leaf_hash(body.encode()), seq))


def replaced(connection: apsw.Connection, seq: int, old: str, new: str, *, leaf: bool = False) -> int:
    body = body_of(connection, seq)
    assert old in body, (old, body)
    set_body(connection, seq, body.replace(old, new, 1), leaf=leaf)
    return seq


def input_row(connection: apsw.Connection, seq: int) -> InputRow:
    row = rows(connection, "SELECT seq, tick, received, source, kind, payload FROM input WHERE seq = ?", (seq,))[0]
    return InputRow(seq=row[0], tick=row[1], received=row[2], source=row[3], kind=row[4], payload=row[5])


def rechain(connection: apsw.Connection, change: Callable[[Json], None] = lambda _: None, *, runs: bool = True) -> None:
    """Compute every digest, link and hash of the log anew, after `change` has had its way with each body.

    `runs`: also the runs' own chains. This is what an attacker without a key can always do.
    """
    leaves: dict[str, str] = {"": ""}
    cores: dict[str, str] = {}
    prev = bytes(32)
    for seq, body, leaf in rows(connection, "SELECT seq, body, leaf FROM audit ORDER BY seq"):
        value = json.loads(body)
        change(value)
        if value["input"]["seq"]:
            value["input"]["digest"] = input_digest(input_row(connection, value["input"]["seq"])).hex()
        if "cp" in value:
            value["cp"] = leaves.get(value["cp"], value["cp"])
        if value["run"] is not None and runs:
            value["core"]["rp"] = cores.get(value["run"], "")
        value["prev"] = prev.hex()
        value["seq"] = seq
        new = canonical(value)
        cores[str(value["run"])] = core_hash(canonical(value["core"]))
        prev = leaf_hash(new)
        leaves[leaf.hex()] = prev.hex()
        connection.execute("UPDATE audit SET body = ?, leaf = ? WHERE seq = ?", (new.decode(), prev, seq))


def swap_document(connection: apsw.Connection, kind: str, old: str, new: str, *, needle: str = "") -> tuple[str, str]:
    """Put another document beside one, under its own right digest, and let the inputs name that one instead."""
    digest, body, brought = document_of(connection, kind, needle or old)
    assert old in body
    other = body.replace(old, new, 1)
    named = document_digest(kind, other.encode())
    connection.execute(
        "INSERT INTO document (digest, kind, seq, body) VALUES (?, ?, ?, ?)", (named, kind, brought, other)
    )
    connection.execute("UPDATE input SET payload = replace(payload, ?, ?)", (digest, named))
    return digest, named
