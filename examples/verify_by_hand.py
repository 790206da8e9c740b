#!/usr/bin/env python3
"""Check the log of a DEE file without DEE, with nothing but Python's standard library. docs/file-format.md explains each line.

    python3 verify_by_hand.py FILE.db
    python3 verify_by_hand.py FILE.db SIZE:HEAD     the log must still go through the head that somebody wrote down at that size

Inputs and documents are named by BLAKE3, which the standard library has not: they are checked where the package `blake3` is
installed. Not covered: the tables of state, personal data, and whether the end was cut off unless SIZE:HEAD is given.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

try:
    from blake3 import blake3
except ImportError:
    blake3 = None  # type: ignore[assignment,misc]

CORE = {"action", "detail", "outcome", "plan", "rp", "rs", "step", "tick", "v", "visit"}
BODY = {"core", "input", "prev", "run", "seq"}
BODY_MAY_HAVE = {"cp", "cs", "evidence", "saw"}


def canonical(value: object) -> bytes:
    """Sorted keys, no white space, UTF-8: the one way to write a value."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def prefixed(*parts: bytes) -> bytes:
    """Byte strings that are hashed together: how many, then the length and the bytes of each."""
    return len(parts).to_bytes(8, "little") + b"".join(len(part).to_bytes(8, "little") + part for part in parts)


class Log:
    """The place in the log: the head, and the heads of the chains inside it."""

    def __init__(self, inputs: dict[int, list[Any]]) -> None:
        self.size, self.head, self.inputs, self.cause = 0, "00" * 32, inputs, 0
        self.runs: dict[str, tuple[int, str]] = {}  # run: how many entries it has, hash of its newest core
        self.contacts: dict[str, int] = {}  # hash of the newest entry in a contact's own chain: its number there

    def entry(self, seq: int, text: bytes, stored: bytes) -> Iterator[str]:
        """Yield what is wrong with the next entry."""
        if seq != self.size:
            yield f"entries {self.size} to {seq - 1} are missing"
        before, self.size, self.head = self.head, seq + 1, hashlib.sha256(b"\0" + text).hexdigest()
        if self.head != stored.hex():
            yield "the body does not give the hash"
        body = json.loads(text)
        core, cause = body["core"], body["input"]
        if canonical(body) != text:
            yield "the body is not in canonical form"
        if not BODY <= body.keys() <= BODY | BODY_MAY_HAVE or core.keys() != CORE or core["v"] != 1:
            yield "the entry is not of version 1"
        if (body["seq"], body["prev"]) != (seq, before):
            yield "the entry does not follow from the one before it"
        if (run := body["run"]) is not None:
            if (core["rs"], core["rp"]) != self.runs.get(run, (0, "")):
                yield f"the entry does not follow from the one before it in its run {run}"
            self.runs[run] = core["rs"] + 1, hashlib.sha256(b"dee.core.v1\0" + canonical(core)).hexdigest()
        if "cs" in body:
            if body["cs"] != self.contacts.pop(body["cp"], -1) + 1:
                yield "the entry does not follow from the one before it in its contact's chain"
            self.contacts[self.head] = body["cs"]
        yield from self.named(cause["seq"], cause["digest"])

    def named(self, seq: int, digest: str) -> Iterator[str]:
        """Yield what is wrong with the input that an entry names: the same as the entry before it, or the next."""
        if seq not in (self.cause, self.cause + 1) or (seq not in self.inputs and self.size > 1):
            yield f"input {seq} is gone or out of order"
        elif blake3 and seq and blake3(b"dee.input.v1\0" + canonical(self.inputs[seq])).hexdigest() != digest:
            yield f"input {seq} is not the one that the entry names"
        self.cause = seq


def check(database: sqlite3.Connection, log: Log, size: int, head: str) -> Iterator[str]:
    """Yield everything that is wrong with the file, in the order of its log."""
    database.text_factory = lambda raw: raw.decode(
        "utf-8", "replace"
    )  # what is no text does not give its digest either
    rows = database.execute("SELECT seq, tick, received, source, kind, payload FROM input ORDER BY seq")
    log.inputs.update((row[0], list(row)) for row in rows)
    for seq, text, stored in database.execute("SELECT seq, CAST(body AS BLOB), leaf FROM audit ORDER BY seq"):
        try:
            yield from (f"entry {seq}: {fault}" for fault in log.entry(seq, text, stored))
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as problem:
            yield f"entry {seq}: the body cannot be read: {problem!r}"
        if log.size == size and log.head != head:
            yield f"entry {seq}: this is not the head that was written down"
    if log.size < size:
        yield f"the log has {log.size} entries, it had {size}"
    if log.cause != max(log.inputs, default=0):
        yield f"the inputs after {log.cause} have no entry: the end of the log is gone"
    for digest, kind, text in database.execute("SELECT digest, kind, CAST(body AS BLOB) FROM document ORDER BY digest"):
        if blake3 and digest != "b3:" + blake3(prefixed(b"dee.document.v1", kind.encode(), text)).hexdigest():
            yield f"document {digest}: another one stands in its place"


def main(file: str, remembered: str = "0:") -> int:
    """Print every fault and where the log stands. Returns 0 when nothing is wrong, 1 when something is."""
    size, _, head = remembered.partition(":")
    log = Log({})
    with closing(sqlite3.connect(f"{Path(file).resolve().as_uri()}?mode=ro", uri=True)) as database:
        faults = list(check(database, log, int(size), head))
    for fault in faults:
        print(fault)
    print(f"{log.size} entries, head {log.size}:{log.head}")
    print("not compared: inputs and documents (no BLAKE3 here)" if blake3 is None else "inputs and documents compared")
    print(f"NOT WHOLE: {len(faults)} faults" if faults else "whole")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
