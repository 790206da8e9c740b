"""What a replay of a changed record must find, worked out without the code that replays.

The inputs of the changed record go through the Journal into an empty database; the entries that come out are compared with the
recorded ones as plain dictionaries.
"""

from __future__ import annotations

import json
from typing import Any

import msgspec
from mutation_record import Json, Record, input_rows

from dee_appliance.kernel.e1.compiled import CompiledPlan
from dee_appliance.kernel.e1.run import Attempt, Given, Run
from dee_appliance.store.database import open_scratch
from dee_appliance.store.journal import Journal, write_genesis

Place = tuple[int, str]
"""An entry and a field of it."""


class _Gone(Exception):
    """The record has no rendering for this send."""


class _Shell:
    def __init__(self, record: Record) -> None:
        self._rows = {(row[0], row[1]): row[2] for row in record.given}
        self.used: set[tuple[int, int]] = set()

    def give(self, seq: int, ordinal: int, attempt: Attempt, run: Run, plan: CompiledPlan) -> Given:
        del run, plan
        given = msgspec.json.decode(self._rows[seq, ordinal], type=Given)
        if (given.send_key, given.attempt) != (attempt.send_key, attempt.attempt):
            raise _Gone
        self.used.add((seq, ordinal))
        return given


def expected_place(record: Record) -> Place | None:
    """Return the first entry that the inputs do not give, and the first field of it; None when they give every one."""
    recorded = {row[0]: (row[1], row[2]) for row in record.entries}
    produced, stuck = _produced(record)
    for seq, body, leaf in produced:
        there = recorded.get(seq)
        if there is None:
            return seq, "(entry)"
        if there != (body, leaf):
            return seq, _field(there[0], body)
    if stuck:
        return len(produced), "(entry)"
    extra = sorted(seq for seq in recorded if seq >= len(produced))
    return (extra[0], "(entry)") if extra else None


def _produced(record: Record) -> tuple[list[tuple[int, str, bytes]], bool]:
    """The entries that the inputs give, and whether the kernel could not go on."""
    produced: list[tuple[int, str, bytes]] = []
    with open_scratch() as scratch, scratch.transaction():
        write_genesis(scratch, record.genesis)
        produced += scratch.execute("SELECT seq, body, leaf FROM audit ORDER BY seq")
        scratch.many("INSERT INTO document (digest, kind, seq, body) VALUES (?, ?, ?, ?)", record.documents)
        journal = Journal(scratch, _Shell(record))
        stuck = False
        for row in input_rows(record):
            try:
                journal.apply(row)
            except Exception:  # noqa: BLE001 - a changed record can make the kernel raise anything
                stuck = True
            produced += journal.chain.pending()
            journal.chain.pending().clear()
            if stuck:
                break
    return produced, stuck


def _field(recorded: str, produced: str) -> str:
    try:
        before: Json = json.loads(recorded)
    except ValueError:
        return "(bytes)"
    found = first_field(before, json.loads(produced), "")
    if found:
        return found
    return "(bytes)" if recorded != produced else "leaf"


def first_field(one: Any, other: Any, path: str) -> str:
    """The path of the first difference, keys taken in sorted order; empty when there is none."""
    if type(one) is not type(other):
        return path
    if isinstance(one, dict):
        for key in sorted(set(one) | set(other)):
            inner = f"{path}.{key}".lstrip(".")
            if (key in one) != (key in other):
                return inner
            found = first_field(one[key], other[key], inner)
            if found:
                return found
        return ""
    if isinstance(one, list):
        for position in range(max(len(one), len(other))):
            inner = f"{path}[{position}]"
            if position >= min(len(one), len(other)):
                return inner
            found = first_field(one[position], other[position], inner)
            if found:
                return found
        return ""
    return "" if one == other else path
