"""What must hold of a file and of its provider's memory, after every kill and at the end. Each rule raises AssertionError.

The chain is walked here with hashlib and json alone, so that a fault in the program's own verify cannot hide one in its log.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from pathlib import Path

import msgspec
from running_files import sent

from dee_appliance.replay.compare_state import verify_state
from dee_appliance.replay.verify import verify
from dee_appliance.store.database import Database, open_reader
from dee_appliance.store.state_dir import StateDir


class Summary(msgspec.Struct, kw_only=True):
    """What a story showed in which no rule was broken."""

    kills: int = 0
    sends: int = 0
    """Messages that the provider has taken."""
    attempts: int = 0
    """Attempts that were marked for dispatch."""
    unknown: int = 0
    """Attempts whose outcome was unknown at some time."""
    entries: int = 0
    runs: int = 0
    acknowledged: int = 0

    def add(self, other: Summary) -> None:
        """Add up."""
        for name in self.__struct_fields__:
            setattr(self, name, getattr(self, name) + getattr(other, name))


def provider_keys(ledger: Path) -> Counter[str]:
    """Return how often the provider has taken each send key."""
    if not ledger.exists():
        return Counter()
    return Counter(line.split()[0] for line in ledger.read_text().splitlines())


def sandbox_keys(path: Path) -> Counter[str]:
    """Return how often the sandbox beside a file has taken each send key: one file is one message."""
    return Counter(name.partition("-")[0] for name in sent(path))


class ChainWalk:
    """Follows the log of one file from check to check: what was seen once must stay, and each new entry must continue it."""

    def __init__(self) -> None:
        self.entries = 0
        self._leaf = bytes(32)
        self.inputs = 0

    def go_on(self, database: Database) -> None:
        """Read what is new."""
        if self.entries:
            kept = database.one("SELECT leaf FROM audit WHERE seq = ?", (self.entries - 1,))
            assert kept == (self._leaf,), f"entry {self.entries - 1} is lost or another one"
        for seq, body, leaf in database.execute(
            "SELECT seq, CAST(body AS BLOB), leaf FROM audit WHERE seq >= ? ORDER BY seq", (self.entries,)
        ):
            assert seq == self.entries, f"entry {self.entries} is missing"
            value = json.loads(body)
            assert value["seq"] == seq
            if seq:
                assert value["prev"] == self._leaf.hex(), f"entry {seq} does not continue the one before"
            assert hashlib.sha256(b"\x00" + body).digest() == leaf, f"entry {seq} was changed"
            self._leaf = leaf
            self.entries += 1
        rows = database.execute("SELECT count(*), coalesce(max(seq), 0) FROM input")
        count, last = rows[0]
        assert count == last, f"{count} inputs, the last is {last}"
        assert count >= self.inputs, f"{self.inputs - count} inputs are lost"
        self.inputs = count


def check_sends(database: Database, taken: Counter[str]) -> None:
    """At any instant: nobody got a message twice, and no message left without its mark in the file."""
    twice = {key: count for key, count in taken.items() if count > 1}
    assert not twice, f"sent twice: {twice}"
    marked = {row[0] for row in database.execute("SELECT DISTINCT send_key FROM ledger ORDER BY send_key")}
    unaccounted = sorted(set(taken) - marked)
    assert not unaccounted, f"sent without a mark in the file: {unaccounted}"


def check_after_kill(path: Path, taken: Counter[str], walk: ChainWalk) -> None:
    """What must hold as soon as the process is dead. `taken` was read before: a later message must not look unmarked."""
    with open_reader(path) as database:
        walk.go_on(database)
        check_sends(database, taken)


def check_end(
    path: Path,
    state: Path,
    taken: Counter[str],
    walk: ChainWalk,
    *,
    acknowledged: Path | None = None,
    ended: bool = True,
) -> Summary:
    """What must hold when nothing is on its way any more and, if `ended`, every run has come to its end."""
    check_after_kill(path, taken, walk)
    with open_reader(path) as database:
        assert database.integrity_check() == []
        _nothing_is_left(database, ended=ended)
        _every_message_is_accounted_for(database, taken)
        _every_unknown_failed_its_run(database)
        told = 0 if acknowledged is None else _everything_acknowledged_is_there(database, acknowledged)
        rows = database.execute(
            "SELECT count(*) FILTER (WHERE mark = 'DISPATCHING'), count(*) FILTER (WHERE mark = 'UNKNOWN') FROM ledger"
        )
        runs = database.execute("SELECT count(*) FROM run")[0][0]
        lineage = database.execute("SELECT lineage FROM genesis")[0][0]
    verified = verify(path, tip=StateDir(state).read_tip(lineage))
    assert verified.ok, verified.findings
    compared = verify_state(path)
    assert compared.replay.same, compared.replay.divergence
    assert compared.ok, compared.error()
    return Summary(
        sends=sum(taken.values()),
        attempts=rows[0][0],
        unknown=rows[0][1],
        entries=walk.entries,
        runs=runs,
        acknowledged=told,
    )


def _nothing_is_left(database: Database, *, ended: bool) -> None:
    live = database.execute(
        "SELECT status, count(*) FROM run WHERE status IN ('PENDING', 'ACTIVE', 'WAITING', 'HELD') GROUP BY 1"
    )
    assert not ended or live == [], f"runs that have not ended: {live}"
    open_attempts = database.execute("SELECT state, count(*) FROM attempt WHERE state = 'DISPATCHING' GROUP BY 1")
    assert open_attempts == [], "attempts without an outcome"
    assert database.execute("SELECT id, kind FROM inbox WHERE ready = 1 ORDER BY id") == [], "rows never admitted"


def _every_message_is_accounted_for(database: Database, taken: Counter[str]) -> None:
    """ACCEPTED: the provider has it. Only rejected: it has not. UNKNOWN: either."""
    marks: dict[str, set[str]] = {}
    for key, mark in database.execute("SELECT send_key, mark FROM ledger ORDER BY attempt_no, mark"):
        marks.setdefault(key, set()).add(mark)
    lost = sorted(key for key, found in marks.items() if "ACCEPTED" in found and key not in taken)
    assert not lost, f"recorded as accepted, and the provider has never seen it: {lost}"
    certain = sorted(key for key in taken if not marks[key] & {"ACCEPTED", "UNKNOWN"})
    assert not certain, f"recorded as not sent, and the provider has it: {certain}"
    silent = sorted(key for key, found in marks.items() if found == {"DISPATCHING"})
    assert not silent, f"marked, and nobody knows what became of it: {silent}"
    for run, status, body in database.execute("SELECT run, status, body FROM run ORDER BY run_no"):
        if status != "COMPLETED":
            continue
        sends = database.execute(
            "SELECT DISTINCT a.send_key FROM attempt AS a JOIN run AS r USING (run_no) WHERE r.run = ? AND a.state = 'ACCEPTED'"
            " ORDER BY a.send_key",
            (run,),
        )
        wanted = set(json.loads(body)["visits"]) & {"first", "warm", "cold"}
        assert len(sends) == len(wanted) == 2, f"{run} has completed with {len(sends)} sends"


def _every_unknown_failed_its_run(database: Database) -> None:
    """Nobody resolves anything in these stories, so an unknown outcome stays one; a person may have cancelled the run."""
    rows = database.execute(
        "SELECT r.run, r.status, r.body FROM ledger AS l JOIN attempt AS a USING (attempt_no) JOIN run AS r USING (run_no)"
        " WHERE l.mark = 'UNKNOWN' ORDER BY l.attempt_no"
    )
    for run, status, body in rows:
        reason = json.loads(body).get("reason", "")
        assert status == "CANCELLED" or (status, reason) == ("FAILED", "outcome_unknown"), (run, status, reason)


def _everything_acknowledged_is_there(database: Database, acknowledged: Path) -> int:
    """Whatever somebody was told is durable has become an input, once."""
    if not acknowledged.exists():
        return 0
    lines = [line.split() for line in acknowledged.read_text().splitlines()]
    rows_told = 0
    for kind, *words in lines:
        match kind:
            case "token":
                inbox, token = words
                seen = database.execute("SELECT seq FROM seen WHERE source = 'webhook' AND token = ?", (token,))
                assert len(seen) == 1, f"{token} was acknowledged and is not there"
                assert database.execute("SELECT outcome FROM reply WHERE inbox = ?", (inbox,)), f"no reply to {inbox}"
            case "reply":
                inbox, seq, outcome = words
                found = database.execute("SELECT seq, outcome FROM reply WHERE inbox = ?", (inbox,))
                assert found == [(None if seq == "None" else int(seq), outcome)], (inbox, seq, outcome, found)
            case "inbox":
                assert database.execute("SELECT outcome FROM reply WHERE inbox = ?", (words[0],)), words
            case "enrolled" | "operated":
                rows_told += int(words[0])
            case "imported":
                name, count = words
                like = f'%"{name}-_@example.org"%'
                kept = database.execute("SELECT count(*) FROM vault WHERE field = 'profile' AND value LIKE ?", (like,))
                assert kept == [(int(count),)], f"{count} people of {name} were acknowledged, {kept[0][0]} are there"
            case _:
                assert kind in {"halted", "released"}, kind
    tokens, taken = database.execute(
        "SELECT (SELECT count(*) FROM seen WHERE source = 'webhook'), (SELECT count(*) FROM input WHERE source = 'webhook')"
    )[0]
    assert taken == tokens, f"{tokens} events were delivered, some of them twice, and {taken} were taken"
    for kind, source in (("run.enroll", "enrolled"), ("run.verb", "operated")):
        told = sum(int(words[0]) for name, *words in lines if name == source)
        there = database.execute("SELECT count(*) FROM input WHERE kind = ?", (kind,))[0][0]
        assert there >= told, f"{told} rows of {kind} were acknowledged, {there} are there"
    return len(lines)
