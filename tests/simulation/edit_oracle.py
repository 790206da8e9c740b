"""What verify must say of an edited file, told from the rows before and after alone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
from random_edits import BESIDE, EVIDENCE, NAMED_AS, STATE, Base, Contents, Edit, Judged, read_contents, text

from dee_appliance.errors import DeeError
from dee_appliance.kernel.e1.encoding import document_digest
from dee_appliance.replay.compare_state import TABLES, StateDifference, verify_state
from dee_appliance.replay.finding import Finding
from dee_appliance.replay.verify import WITHOUT_TIP, VerifyReport, verify

PAGE_BYTES = 4_096


class Changes(msgspec.Struct):
    """The keys of all rows that differ, by table; `schema` and `structure` where the file itself does."""

    rows: dict[str, set[tuple[Any, ...]]]
    schema: bool
    structure: bool

    @property
    def any(self) -> bool:
        return bool(self.rows) or self.schema or self.structure

    def keys(self, table: str) -> set[Any]:
        """The first column of the keys of the rows that differ."""
        return {key[0] for key in self.rows.get(table, ())}


def changes_of(before: Contents, after: Contents) -> Changes:
    """Compare row by row."""
    rows: dict[str, set[tuple[Any, ...]]] = {}
    for table in {**EVIDENCE, **STATE, **BESIDE}:
        left, right = before.tables[table], after.tables.get(table, {})
        differing = {key for key in left.keys() | right.keys() if left.get(key) != right.get(key)}
        if differing:
            rows[table] = differing
    schema = before.schema != after.schema or before.numbers != after.numbers
    return Changes(rows, schema, not after.whole)


def judge(edit: Edit, base: Base, path: Path) -> Judged:
    """Ask verify about an edited file, and say whether it was right."""
    after = read_contents(path)
    changes = changes_of(base.contents, after)
    changes.structure |= path.stat().st_size % PAGE_BYTES != 0
    untouched = path.read_bytes()
    try:
        report = verify(path, tip=base.tip if edit.tip else None)
    except DeeError as error:
        if changes.schema or changes.structure:
            return Judged("found", f"refused: {error}")
        return Judged("misplaced" if changes.any else "false alarm", f"refused: {error}")
    except Exception as error:  # noqa: BLE001 - that nothing else escapes is what is tested
        return Judged("escaped", repr(error))
    if path.read_bytes() != untouched:
        return Judged("escaped", "verify has written to the file")
    if report.ok:
        return _silent(edit, base, path, changes, after, report)
    if not changes.any:
        return Judged("false alarm", str(report.first))
    first = report.first
    assert first is not None
    if not points_at(first, changes, base, after):
        return Judged("misplaced", str(first))
    return Judged("found", str(first))


def points_at(finding: Finding, changes: Changes, base: Base, after: Contents) -> bool:
    """Whether a finding names something that differs."""
    if finding.kind == "schema-altered":
        return changes.schema or changes.structure
    if finding.kind == "genesis-changed":
        return bool(changes.keys("genesis"))
    if finding.kind == "file-corrupt" and changes.structure:
        return True
    entries = changes.keys("audit")
    if finding.seq is not None and entries & set(range(finding.seq, (finding.last or finding.seq) + 1)):
        return True
    if finding.document is not None:
        return finding.document in {text(one) for one in changes.keys("document")}
    if finding.kind.startswith("given"):
        return finding.input in changes.keys("given")
    if finding.kind == "ledger-differs":
        return finding.input in _ledger_inputs(changes, base, after) | _causes(entries, base)
    return finding.input in changes.keys("input")


def _causes(entries: set[int], base: Base) -> set[int]:
    """The inputs of some entries, as they were."""
    log = base.contents.tables["audit"]
    return {json.loads(text(log[(seq,)][1]))["input"]["seq"] for seq in entries if (seq,) in log}


def _ledger_inputs(changes: Changes, base: Base, after: Contents) -> set[int]:
    """The inputs that ledger rows which differ are about, before or after; also those of the sends they name."""
    found: set[int] = set()
    for key in changes.rows.get("ledger", ()):
        for contents in (base.contents, after):
            row = contents.tables["ledger"].get(key)
            if row is not None:
                found.add(row[4])
                found |= {seq for seq, send, attempt in base.sends if (send, attempt) == (text(row[2]), row[3])}
    return found


# ---- when verify is silent ------------------------------------------------------------------------------------------------


def _silent(edit: Edit, base: Base, path: Path, changes: Changes, after: Contents, report: VerifyReport) -> Judged:
    """Nothing was found: then nothing that is covered may differ."""
    if not changes.any:
        return Judged("unchanged", "")
    if changes.structure or (changes.schema and not _newer(base, after, report)):
        return Judged("missed", "the schema or the structure of the file")
    end = _end_only(changes, base, after) and not edit.tip
    covered = sorted(set(changes.rows) & set(EVIDENCE))
    for table in covered:
        if not end and _is_covered(table, changes, base, after):
            return Judged("missed", f"{table}: {sorted(map(str, changes.rows[table]))[:3]}")
        if not end and not _said(report, NAMED_AS[table]):
            return Judged("missed", f"{table} is not among what was not covered")
    if end:
        return Judged(
            "not covered" if WITHOUT_TIP in report.not_covered else "missed", "the end of the log, without a tip"
        )
    for table in sorted(set(changes.rows) & set(BESIDE)):
        if not _said(report, NAMED_AS[table]):
            return Judged("missed", f"{table} is not among what was not covered")
    state = sorted(set(changes.rows) & {*STATE, "ledger"})
    if state and not set(covered) - {"ledger"}:
        return _state(path, changes, base, after, state)
    return _replayed(path, sorted(changes.rows)) if covered else Judged("not covered", ", ".join(changes.rows))


def _newer(base: Base, after: Contents, report: VerifyReport) -> bool:
    """Whether only the number of the format was raised: then verify says that it does not cover what that format adds."""
    (application, number), (_, before) = after.numbers, base.contents.numbers
    same = after.schema == base.contents.schema and application == base.contents.numbers[0]
    return same and number > before and _said(report, f"format {number}")


def _said(report: VerifyReport, word: str) -> bool:
    return any(word in one for one in report.not_covered)


def _end_only(changes: Changes, base: Base, after: Contents) -> bool:
    """Whether the log is as it was up to some entry, and from there on is gone or was written anew: only a tip can tell."""
    log, now = base.contents.tables["audit"], after.tables["audit"]
    differing = changes.keys("audit")
    first = min(differing, default=len(log))
    gone = all(key[0] < first for key in now) and len(now) == first
    hashed = all(seq in differing for seq in range(first, len(log))) or first == len(log) - 1
    inputs = changes.keys("input")
    cause = json.loads(text(log[(first,)][1]))["input"]["seq"] if first < len(log) else 10**9
    return first < len(log) and (gone or hashed) and all(one >= cause for one in inputs)


def _is_covered(table: str, changes: Changes, base: Base, after: Contents) -> bool:
    """Whether verify covers what differs in a table; what only numbers the rows beside the log, it does not."""
    if table not in ("document", "given", "ledger"):
        return True
    left, right = (_without_numbers(table, changes, contents, base) for contents in (base.contents, after))
    if table == "document" and not {row[0] for row in left} & {row[0] for row in right}:
        return any(text(row[0]) in base.in_force or not _hashes(row) for row in (*left, *right))
    return left != right


def _hashes(row: tuple[Any, ...]) -> bool:
    return document_digest(text(row[1]), row[3][1:]) == text(row[0])


def _without_numbers(table: str, changes: Changes, contents: Contents, base: Base) -> list[tuple[Any, ...]]:
    """The rows that differ, without their numbers and without those of which verify knows nothing."""
    rows = [contents.tables[table][key] for key in changes.rows[table] if key in contents.tables[table]]
    if table == "ledger":
        return sorted(row[2:] for row in rows if row[1] == b"'DISPATCHING")
    if table == "document":
        return sorted((row[0], row[1], row[3]) for row in rows)
    return sorted((row[0], _without_words(row[2])) for row in rows if _stands_behind_a_send(row, base))


def _without_words(body: bytes) -> str:
    return json.dumps({key: value for key, value in json.loads(text(body)).items() if key != "features"})


def _stands_behind_a_send(row: tuple[Any, ...], base: Base) -> bool:
    try:
        value = json.loads(text(row[2]))
        return (row[0], value["send_key"], value["attempt"]) in base.sends
    except (ValueError, KeyError, TypeError):
        return False


def _replayed(path: Path, tables: list[str]) -> Judged:
    """Rows of which verify says that it leaves them to replay, which notices unless nothing depends on them."""
    try:
        report = verify_state(path)
    except DeeError as error:
        return Judged("found by replay", f"refused: {error}")
    except Exception as error:  # noqa: BLE001 - that nothing else escapes is what is tested
        return Judged("escaped", repr(error))
    return Judged("not covered" if report.ok else "found by replay", ", ".join(tables))


def _state(path: Path, changes: Changes, base: Base, after: Contents, tables: list[str]) -> Judged:
    """Verify was right to be silent; now the comparison of state must name the first row of each table that differs."""
    try:
        report = verify_state(path)
    except DeeError as error:
        return Judged("found in state", f"refused: {error}")
    except Exception as error:  # noqa: BLE001 - that nothing else escapes is what is tested
        return Judged("escaped", repr(error))
    if report.ok:
        return Judged("missed", f"state: {tables}")
    found = {one.table: one for one in report.differences}
    for table in tables:
        wanted = first_difference(table, changes, base, after)
        if table not in found or (plain(found[table]), found[table].column) != wanted:
            return Judged("misplaced", f"state: {found.get(table)}, wanted {wanted}")
    if set(found) != set(tables):
        return Judged("misplaced", f"state: {sorted(found)} instead of {tables}")
    return Judged("found in state", str(report.differences[0]))


def plain(difference: StateDifference) -> tuple[Any, ...]:
    """The key as the contents have it."""
    return tuple(b"'" + value.encode() if isinstance(value, str) else value for value in difference.key)


def first_difference(table: str, changes: Changes, base: Base, after: Contents) -> tuple[tuple[Any, ...], str]:
    """The first row that differs, in SQLite's order of keys, and its first column that does ("": one side has no such row)."""

    def order(key: tuple[Any, ...]) -> list[tuple[int, Any]]:
        return [(1, value) if isinstance(value, bytes) else (0, value or 0) for value in key]

    key = min(changes.rows[table], key=order)
    left, right = base.contents.tables[table].get(key), after.tables[table].get(key)
    if left is None or right is None:
        return key, ""
    (shape,) = (one for one in TABLES if one.name == table)
    names = shape.columns
    return key, next(name for name, one, other in zip(names, left, right, strict=True) if one != other)
