"""Files of somebody else, hostile or damaged: refused with words, read within limits, never touched."""

from __future__ import annotations

import itertools
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import apsw
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from store_files import add_entries, bare_connection, everything, fill, new_file, put

from dee_appliance.errors import DeeError, EvidenceError, HostError, Newer, Refused
from dee_appliance.store import untrusted
from dee_appliance.store.database import StorageFailed, create, open_reader, open_writer
from dee_appliance.store.lock import LoopLock
from dee_appliance.store.untrusted import open_untrusted


@pytest.fixture
def scratch(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "scratch"
    folder.mkdir()
    yield folder
    assert list(folder.iterdir()) == [], "every private copy is gone"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / "theirs").mkdir()
    return new_file(tmp_path / "theirs" / "their file?#%.db")


def size(path: Path, scratch: Path) -> int:
    with open_untrusted(path, scratch=scratch) as database:
        count: int = database.execute("SELECT count(*) FROM audit")[0][0]
        return count


def beside(path: Path, suffix: str) -> Path:
    return path.with_name(path.name + suffix)


# -- good files --------------------------------------------------------------------------------------------------------


def test_an_idle_file_is_read_and_nothing_near_it_changes(path: Path, scratch: Path) -> None:
    before, times = everything(path.parent), path.stat().st_mtime_ns
    assert size(path, scratch) == 5
    assert everything(path.parent) == before
    assert path.stat().st_mtime_ns == times


def test_what_is_only_in_the_wal_is_read_and_the_wal_stays(path: Path, scratch: Path) -> None:
    abandoned = path.with_name("abandoned.db")
    with open_writer(path) as database:
        with database.transaction():
            add_entries(database, 7)
        shutil.copy(path, abandoned)
        shutil.copy(beside(path, "-wal"), beside(abandoned, "-wal"))
    before = everything(path.parent)
    assert size(abandoned, scratch) == 12
    assert everything(path.parent) == before


def test_a_copy_without_its_wal_is_whole_but_older(path: Path, scratch: Path) -> None:
    alone = path.with_name("alone.db")
    with open_writer(path) as database:
        with database.transaction():
            add_entries(database, 7)
        shutil.copy(path, alone)
    assert size(alone, scratch) == 5


def test_a_file_with_a_loop_is_read_from_one_of_its_states(path: Path, scratch: Path) -> None:
    with LoopLock.try_acquire(path, "loop", "now") or pytest.fail("not free"), open_writer(path) as database:
        with database.transaction():
            add_entries(database, 7)
        with database.transaction():
            add_entries(database, 1)
            assert size(path, scratch) == 12
        assert size(path, scratch) == 13


def test_a_file_that_keeps_changing_is_read_from_one_of_its_states(
    path: Path, scratch: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy_bytes = untrusted._copy_bytes
    copies = itertools.count(1)
    made = []
    with open_writer(path) as database:

        def copy_and_write(source: Path, copy: Path) -> None:
            copy_bytes(source, copy)
            made.append(next(copies))
            with database.transaction():
                add_entries(database, 100)
            database.checkpoint_truncate()

        monkeypatch.setattr(untrusted, "_copy_bytes", copy_and_write)
        assert size(path, scratch) == 5 + 100 * untrusted.ATTEMPTS
    assert len(made) == untrusted.ATTEMPTS


def test_our_own_open_file_keeps_its_locks(path: Path, scratch: Path) -> None:
    with open_writer(path) as database, database.transaction():
        add_entries(database, 1)
        assert size(path, scratch) == 5
        with bare_connection(path) as other, pytest.raises(apsw.BusyError):
            other.execute("BEGIN IMMEDIATE")


def test_nothing_can_be_written_to_the_copy(path: Path, scratch: Path) -> None:
    with open_untrusted(path, scratch=scratch) as database:
        for statement in (
            "DELETE FROM hold",
            "CREATE TABLE x (a)",
            "PRAGMA user_version = 3",
            "ATTACH ':memory:' AS x",
        ):
            with pytest.raises(apsw.AuthError):
                database.execute(statement)


# -- hostile files -----------------------------------------------------------------------------------------------------

HOSTILE = {
    "a view in place of a table": "DROP TABLE hold; CREATE VIEW hold AS SELECT 1 AS scope",
    "a virtual table in place of a table": "DROP TABLE hold; CREATE VIRTUAL TABLE hold USING fts5(scope)",
    "a generated column of 800 MB": "ALTER TABLE hold ADD COLUMN bomb TEXT AS (hex(zeroblob(400000000)))",
    "an endless view": "CREATE VIEW v AS WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT x FROM c",
    "a trigger": "CREATE TRIGGER t AFTER INSERT ON inbox BEGIN DELETE FROM hold; END",
    "no append-only trigger": "DROP TRIGGER audit_no_delete",
    "another table": "CREATE TABLE sqlean (x INTEGER)",
    "a table that is not strict": "DROP TABLE hold; CREATE TABLE hold (scope TEXT, reason TEXT, until INTEGER, entry INTEGER)",
    "an index on an expression": "CREATE INDEX i ON hold (length(hex(zeroblob(400000000))))",
    "statistics": "ANALYZE",
    "a costly check": "DROP TABLE hold; CREATE TABLE hold (s TEXT CHECK (length(zeroblob(400000000)) > 0)) STRICT",
}


@pytest.mark.parametrize("attack", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_hostile_schema_is_refused_before_a_row_is_read(path: Path, scratch: Path, attack: str) -> None:
    with bare_connection(path) as connection:
        connection.execute(attack)
    before = everything(path.parent)
    with pytest.raises(EvidenceError, match=r"altered|damaged"):
        open_untrusted(path, scratch=scratch)
    assert everything(path.parent) == before


def test_a_caller_may_ask_for_the_differences_himself(path: Path, scratch: Path) -> None:
    with bare_connection(path) as connection:
        connection.execute(
            "DROP TRIGGER audit_no_delete; CREATE TABLE bomb (s TEXT CHECK (length(zeroblob(400000000)) > 0))"
        )
        connection.execute("PRAGMA ignore_check_constraints = ON").fetchall()
        connection.execute("INSERT INTO bomb VALUES ('x')")
    with open_untrusted(path, scratch=scratch, schema=False) as database:
        assert database.schema_differences() == ["trigger audit_no_delete is missing", "table bomb is not ours"]
        assert database.execute("SELECT count(*) FROM audit") == [(5,)]


def test_rows_that_break_the_tables_own_rules_are_found(path: Path, scratch: Path) -> None:
    with bare_connection(path) as connection:
        connection.execute("PRAGMA ignore_check_constraints = ON").fetchall()
        put(connection, "ledger", mark="INVENTED")
    with pytest.raises(EvidenceError, match="CHECK"):
        open_untrusted(path, scratch=scratch)
    open_untrusted(path, scratch=scratch, integrity=False).close()


def test_a_text_that_is_not_utf8_is_evidence_to_a_reader_and_stops_a_writer(path: Path, scratch: Path) -> None:
    with bare_connection(path) as connection:
        connection.execute("INSERT INTO setting (key, value, entry) VALUES ('k', CAST(x'ff41' AS TEXT), 0)")
    query = "SELECT value FROM setting ORDER BY key"
    with open_untrusted(path, scratch=scratch) as database:
        for read in (database.execute, lambda sql: list(database.stream(sql))):
            with pytest.raises(EvidenceError, match="damaged"):
                read(query)
    with open_writer(path) as database, pytest.raises(StorageFailed):
        database.execute(query)


def test_a_value_beyond_our_limits_is_evidence(path: Path, scratch: Path) -> None:
    with bare_connection(path) as connection:
        connection.execute("INSERT INTO setting VALUES ('k', hex(zeroblob(3000000)), 0)")
    with pytest.raises(EvidenceError):  # noqa: SIM117 - opening or reading, both are right
        with open_untrusted(path, scratch=scratch) as database:
            database.execute("SELECT value FROM setting ORDER BY key")


def test_time_runs_out_while_reading(path: Path, scratch: Path) -> None:
    with bare_connection(path) as connection:
        connection.execute("BEGIN")
        connection.executemany("INSERT INTO setting VALUES (?, '', 0)", ((f"k{number}",) for number in range(5_000)))
        connection.execute("COMMIT")
    asked = itertools.count(1)
    with open_untrusted(path, scratch=scratch, out_of_time=lambda: next(asked) > 200) as database:
        with pytest.raises(EvidenceError, match="too long"):
            database.execute("SELECT count(*) FROM setting AS a, setting AS b WHERE a.key < b.key || 'x'")
        assert next(asked) == 202


def test_a_file_that_is_too_large_is_not_copied(path: Path, scratch: Path) -> None:
    os.truncate(path, 10 << 30)  # sparse
    with pytest.raises(Refused, match="larger than"):
        open_untrusted(path, scratch=scratch, max_bytes=1 << 30)


def test_a_rollback_journal_is_not_taken_along(path: Path, scratch: Path) -> None:
    beside(path, "-journal").write_bytes(b"\xd9\xd5\x05\xf9\x20\xa1\x63\xd7" + b"\xff" * 504)
    assert size(path, scratch) == 5
    assert beside(path, "-journal").exists()


def test_a_scratch_folder_that_is_not_there_is_the_hosts_matter(path: Path, tmp_path: Path) -> None:
    with pytest.raises(HostError):
        open_untrusted(path, scratch=tmp_path / "none")


# -- damaged files -----------------------------------------------------------------------------------------------------

OPENINGS: list[Callable[[Path], object]] = [open_writer, open_reader, open_untrusted]


def text(path: Path) -> None:
    path.write_text("name,email\n" * 100)


def foreign(path: Path) -> None:
    path.unlink()
    with bare_connection(path) as connection:
        connection.execute("CREATE TABLE t (a); INSERT INTO t VALUES (1)")


def folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def cut(count: int) -> Callable[[Path], None]:
    return lambda path: os.truncate(path, count)


def overwrite(offset: int, data: bytes) -> Callable[[Path], None]:
    def change(path: Path) -> None:
        old = path.read_bytes()
        path.write_bytes(old[:offset] + data + old[offset + len(data) :])

    return change


def spoil_definition(path: Path) -> None:
    data = path.read_bytes()
    path.write_bytes(data.replace(b"audit is append-only", b"audit is \xffppend-only"))


BROKEN = {
    "no file": (Path.unlink, Refused, "no such file"),
    "empty": (cut(0), Refused, "not a DEE file"),
    "a few bytes": (cut(50), Refused, "not a DEE file"),
    "text": (text, Refused, "not a DEE file"),
    "a folder": (folder, Refused, "not a file"),
    "a pipe": (pipe, Refused, "not a file"),
    "another program's database": (foreign, Refused, "another program"),
    "another application id": (overwrite(68, b"\0\0\0\1"), Refused, "another program"),
    "format 0": (overwrite(60, b"\0\0\0\0"), Refused, "another program"),
    "cut inside the first page": (cut(1000), EvidenceError, "cut short"),
    "cut after some pages": (cut(3 * 4096), EvidenceError, "cut short"),
    "cut by one byte": (lambda path: cut(path.stat().st_size - 1)(path), EvidenceError, "cut short"),
    "a strange page size": (overwrite(16, b"\x12\x34"), EvidenceError, r"damaged|cut short"),
    "a schema format of the future": (overwrite(44, b"\0\0\0\x09"), EvidenceError, "damaged"),
    "a definition that is not UTF-8": (spoil_definition, EvidenceError, r"damaged|altered"),
    "a schema page of rubbish": (overwrite(100, b"\xff" * 3000), EvidenceError, r"damaged|altered"),
}


@pytest.mark.parametrize("opening", OPENINGS, ids=["writer", "reader", "untrusted"])
@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_file_is_refused_in_words_and_no_byte_changes(
    path: Path, case: str, opening: Callable[[Path], object]
) -> None:
    change, kind, words = BROKEN[case]
    change(path)
    state = path.lstat() if path.exists() else None
    before = everything(path.parent) if path.is_file() else None
    with pytest.raises(kind, match=words) as caught:
        opening(path)
    assert caught.value.where == str(path)
    assert caught.value.hint
    if before is not None and state is not None:
        after = everything(path.parent)
        assert {name: after[name] for name in before} == before
        assert path.stat().st_mtime_ns == state.st_mtime_ns


def test_a_newer_file_is_opened_only_to_check_its_log(path: Path) -> None:
    with bare_connection(path) as connection:
        connection.execute("PRAGMA user_version = 2; CREATE TABLE of_the_future (x INTEGER) STRICT")
    for opening in OPENINGS:
        with pytest.raises(Newer, match="newer DEE"):
            opening(path)
    with open_untrusted(path, schema=False, newer=True) as database:
        assert database.execute("SELECT count(*) FROM audit") == [(5,)]
        assert database.schema_differences() == []


def test_a_refused_file_keeps_its_wal(path: Path) -> None:
    with bare_connection(path) as connection:
        connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
        connection.execute("CREATE TABLE extra (x INTEGER)")
    before = (path.read_bytes(), beside(path, "-wal").read_bytes())
    assert before[1]
    for opening in OPENINGS:
        with pytest.raises(EvidenceError, match="altered"):
            opening(path)
        assert (path.read_bytes(), beside(path, "-wal").read_bytes()) == before


@pytest.fixture(scope="module")
def healthy(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("healthy") / "own.db"
    create(path, fill)
    with open_writer(path) as database, database.transaction():
        add_entries(database, 200)
    return path.read_bytes()


# The first pages hold header and schema, where damage does the most; the rest is spread evenly. A place is a share of its region.
CHANGES = st.lists(
    st.tuples(st.sampled_from([100, 4096, 16_384, None]), st.integers(0, 2**16 - 1), st.integers(0, 255)),
    min_size=1,
    max_size=8,
)


@settings(max_examples=60)
@given(changes=CHANGES)
def test_a_mutated_file_is_read_or_refused_and_nothing_else_happens(
    healthy: bytes, changes: list[tuple[int | None, int, int]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    mutated = bytearray(healthy)
    for region, share, byte in changes:
        mutated[(region or len(healthy)) * share >> 16] = byte
    path = tmp_path_factory.mktemp("mutated") / "own.db"
    path.write_bytes(mutated)
    try:
        with open_untrusted(path) as database:
            rows = list(database.stream("SELECT seq, body, leaf FROM audit ORDER BY seq"))
    except DeeError:
        rows = []
    assert all(isinstance(row[0], int) for row in rows)
    assert path.read_bytes() == mutated
    assert [entry.name for entry in path.parent.iterdir()] == ["own.db"]
