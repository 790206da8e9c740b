"""Erased bytes are gone from file and WAL, or the report says that they are not."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import apsw
import pytest
from store_files import bare_connection, new_file

from dee_appliance.store import erasure
from dee_appliance.store.database import Database, open_reader, open_writer
from dee_appliance.store.erasure import find_bytes, finish_erasure

NEEDLE = b"ann.example@example.org"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return new_file(tmp_path / "own.db")


@pytest.fixture
def writer(path: Path) -> Iterator[Database]:
    with open_writer(path) as database:
        yield database


def remember(database: Database, contact: str, value: str, field: str = "email") -> None:
    with database.transaction():
        database.execute("INSERT INTO vault (contact, field, seq, value) VALUES (?, ?, 1, ?)", (contact, field, value))


def forget(database: Database, contact: str) -> None:
    with database.transaction():
        database.execute("DELETE FROM vault WHERE contact = ?", (contact,))


def on_disk(path: Path, needle: bytes) -> bool:
    wal = path.with_name(path.name + "-wal")
    return needle in path.read_bytes() + b"\n" + (wal.read_bytes() if wal.exists() else b"")


def test_an_erased_value_is_in_neither_file_nor_wal(path: Path, writer: Database) -> None:
    remember(writer, "c1", NEEDLE.decode())
    forget(writer, "c1")
    assert find_bytes(writer, [NEEDLE]), "before the checkpoint it is in the WAL"
    report = finish_erasure(writer, [NEEDLE])
    assert (report.state, report.searched, report.shared, report.too_short) == ("done", 1, 0, 0)
    assert not on_disk(path, NEEDLE)


def test_a_reader_makes_it_pending_and_the_next_try_finishes_it(path: Path, writer: Database) -> None:
    remember(writer, "c1", NEEDLE.decode())
    with open_reader(path) as reader:
        rows = reader.stream("SELECT value FROM vault ORDER BY contact, field, seq")
        next(rows)
        forget(writer, "c1")
        assert finish_erasure(writer, [NEEDLE], wait_ms=10).state == "pending"
        assert on_disk(path, NEEDLE)
        rows.close()  # type: ignore[attr-defined]  # every generator has it
    assert finish_erasure(writer, [NEEDLE]).state == "done"
    assert not on_disk(path, NEEDLE)


def test_a_value_that_others_hold_too_is_told_apart(writer: Database) -> None:
    remember(writer, "c1", "Example Trading Ltd")
    remember(writer, "c2", "Example Trading Ltd")
    remember(writer, "c1", NEEDLE.decode(), "second")
    forget(writer, "c1")
    report = finish_erasure(writer, [b"Example Trading Ltd", NEEDLE])
    assert (report.state, report.searched, report.shared, report.compacted) == ("done", 1, 1, False)


def test_a_value_still_waiting_in_the_inbox_is_told_apart(writer: Database) -> None:
    writer.execute(
        "INSERT INTO inbox (source, received, kind, payload, private) VALUES ('t', 1, 'k', '{}', ?)", (NEEDLE.decode(),)
    )
    report = finish_erasure(writer, [NEEDLE])
    assert (report.searched, report.shared) == (0, 1)


def test_an_import_that_was_never_finished_keeps_nothing_of_whom_is_erased(path: Path, writer: Database) -> None:
    insert = (
        "INSERT INTO inbox (source, received, ready, kind, payload, private) VALUES ('import', 1, -7, 'k', '{}', ?)"
    )
    for address in (NEEDLE.decode(), "somebody.else@example.org"):
        writer.execute(insert, (address,))
    report = finish_erasure(writer, [NEEDLE])
    assert (report.state, report.searched, report.shared) == ("done", 1, 0)
    assert not on_disk(path, NEEDLE)
    assert writer.execute("SELECT private FROM inbox ORDER BY id") == [("somebody.else@example.org",)]


def test_values_too_short_to_prove_anything_are_counted(writer: Database) -> None:
    report = finish_erasure(writer, [b"Ann", b"", b"Ann"])
    assert (report.state, report.searched, report.too_short) == ("done", 0, 2)


def test_a_value_outside_the_vault_remains_and_is_located(writer: Database) -> None:
    with writer.transaction():
        writer.execute("INSERT INTO setting VALUES ('leak', ?, 0)", (NEEDLE.decode(),))
    report = finish_erasure(writer, [NEEDLE])
    assert (report.state, report.compacted) == ("remains", True)
    place = report.places[0]
    assert not place.wal
    assert writer.read_bytes(wal=False, offset=place.offset, count=len(NEEDLE)) == NEEDLE


@pytest.mark.parametrize("shift", range(-2, 3))
def test_a_value_on_the_border_of_two_blocks_is_found(
    writer: Database, monkeypatch: pytest.MonkeyPatch, shift: int
) -> None:
    with writer.transaction():
        writer.execute("INSERT INTO setting VALUES ('leak', ?, 0)", (NEEDLE.decode(),))
    writer.checkpoint_truncate()
    offset = find_bytes(writer, [NEEDLE])[0].offset
    monkeypatch.setattr(erasure, "BLOCK_BYTES", (offset + len(NEEDLE) // 2 + shift) // 7)
    assert find_bytes(writer, [b"not there at all", NEEDLE])[0].offset == offset
    assert find_bytes(writer, []) == ()


def test_what_another_program_left_in_free_space_goes_when_the_file_is_written_anew(
    path: Path, writer: Database
) -> None:
    remember(writer, "c1", NEEDLE.decode())
    remember(writer, "c2", "kept.example@example.org")
    with bare_connection(path) as careless:
        careless.execute("PRAGMA secure_delete = OFF").fetchall()
        careless.execute("DELETE FROM vault WHERE contact = 'c1'")
    report = finish_erasure(writer, [NEEDLE])
    assert (report.state, report.compacted) == ("done", True)
    assert not on_disk(path, NEEDLE)
    assert on_disk(path, b"kept.example@example.org")
    assert writer.integrity_check() == []
    for statement in ("VACUUM", "ATTACH ':memory:' AS other"):
        with pytest.raises(apsw.AuthError):
            writer.execute(statement)


def test_a_busy_file_puts_the_rewriting_off(path: Path, writer: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    with writer.transaction():
        writer.execute("INSERT INTO setting VALUES ('leak', ?, 0)", (NEEDLE.decode(),))
    with open_writer(path) as other:
        compact = Database.compact

        def compact_too_late(database: Database) -> None:
            with other.transaction():
                database._connection.set_busy_timeout(10)
                compact(database)

        monkeypatch.setattr(Database, "compact", compact_too_late)
        report = finish_erasure(writer, [NEEDLE])
    assert (report.state, report.compacted, len(report.places)) == ("pending", False, 1)


@pytest.mark.parametrize("seed", range(3))
def test_nothing_is_left_between_rows_of_uneven_length(path: Path, writer: Database, seed: int) -> None:
    # SQLite leaves stale copies of cells that balancing moved, in spite of secure_delete; this is how they come about.
    gone = [f"needle-{seed}-{number:05}!" for number in range(120)]
    kept = [f"kept-{seed}-{number:05}!" for number in range(120)]
    with writer.transaction():
        for number in range(120):
            fill = "x" * (20, 60, 200, 900, 5000)[(number * 7919 + seed) % 5]
            for contact, value in ((f"g{number * 31 % 97}", gone[number]), (f"k{number * 17 % 89}", kept[number])):
                row = (contact, f"f{number}", number, value + fill + value)
                writer.execute("INSERT INTO vault (contact, field, seq, value) VALUES (?, ?, ?, ?)", row)
    for digit in range(10):
        with writer.transaction():
            writer.execute("DELETE FROM vault WHERE contact >= ? AND contact < ?", (f"g{digit}", f"g{digit}z"))
    assert finish_erasure(writer, [value.encode() for value in gone]).state == "done"
    data = path.read_bytes()
    assert not [value for value in gone if value.encode() in data]
    assert all(value.encode() in data for value in kept)
