"""Making, opening and using the one file: settings, transactions, errors."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import apsw
import pytest
from store_files import bare_connection, everything, fill, new_file
from store_files import put as put_row

from dee_appliance.errors import HostError, Refused
from dee_appliance.store import settings
from dee_appliance.store.database import (
    Database,
    create,
    open_reader,
    open_scratch,
    open_writer,
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return new_file(tmp_path / "own.db")


@pytest.fixture
def writer(path: Path) -> Iterator[Database]:
    with open_writer(path) as database:
        yield database


def put(database: Database, key: str, value: str = "1") -> None:
    put_row(database, "setting", key=key, value=value)


def keys(path: Path) -> list[str]:
    with open_reader(path) as database:
        return [row[0] for row in database.execute("SELECT key FROM setting ORDER BY key")]


# -- making ------------------------------------------------------------------------------------------------------------


def test_a_new_file_lies_alone_is_private_and_is_in_wal_mode(tmp_path: Path) -> None:
    path = tmp_path / "own.db"
    create(path, fill)
    assert [entry.name for entry in path.parent.iterdir()] == ["own.db"]
    assert path.stat().st_mode & 0o777 == 0o600
    with bare_connection(path) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchall() == [("wal",)]


def test_an_existing_file_is_not_replaced(path: Path) -> None:
    before = everything(path.parent)
    with pytest.raises(Refused, match="a file already"):
        create(path, fill)
    assert everything(path.parent) == before


def test_a_file_that_appears_while_ours_is_being_made_is_not_replaced(tmp_path: Path) -> None:
    path = tmp_path / "own.db"

    def fill_and_be_late(database: Database) -> None:
        fill(database)
        path.write_bytes(b"theirs")

    with pytest.raises(Refused, match="a file already"):
        create(path, fill_and_be_late)
    assert everything(tmp_path) == {"own.db": b"theirs"}


def test_a_file_whose_first_rows_cannot_be_written_never_appears(tmp_path: Path) -> None:
    def fail(_database: Database) -> None:
        raise Refused("no first rows")

    with pytest.raises(Refused, match="no first rows"):
        create(tmp_path / "own.db", fail)
    assert everything(tmp_path) == {}


def test_a_folder_that_does_not_exist_is_the_hosts_matter(tmp_path: Path) -> None:
    with pytest.raises(HostError, match="folder"):
        create(tmp_path / "none" / "own.db", fill)


# -- settings ----------------------------------------------------------------------------------------------------------


def pragma(database: Database, name: str) -> object:
    database._connection.authorizer = None
    return database._connection.execute(f"PRAGMA {name}").fetchall()[0][0]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("journal_mode", "wal"),
        ("synchronous", 2),
        ("secure_delete", 1),
        ("recursive_triggers", 1),
        ("foreign_keys", 1),
        ("cell_size_check", 1),
        ("mmap_size", 0),
        ("trusted_schema", 0),
        ("writable_schema", 0),
    ],
)
def test_a_writer_has_our_settings(writer: Database, name: str, value: object) -> None:
    assert pragma(writer, name) == value


@pytest.mark.parametrize(
    ("switch", "value"),
    [
        (apsw.SQLITE_DBCONFIG_DEFENSIVE, 1),
        (apsw.SQLITE_DBCONFIG_DQS_DML, 0),
        (apsw.SQLITE_DBCONFIG_DQS_DDL, 0),
        (apsw.SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 0),
        (apsw.SQLITE_DBCONFIG_ENABLE_VIEW, 0),
        (apsw.SQLITE_DBCONFIG_ENABLE_TRIGGER, 1),
        (apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 0),
    ],
)
def test_a_writer_has_our_switches(writer: Database, switch: int, value: int) -> None:
    assert writer._connection.config(switch, -1) == value


def test_a_value_of_more_than_four_megabytes_is_refused_by_the_connection(writer: Database) -> None:
    with pytest.raises(apsw.TooBigError), writer.transaction():
        put(writer, "long", "x" * (settings.MAX_VALUE_BYTES + 1))


def test_nothing_can_be_attached(writer: Database) -> None:
    assert writer._connection.limit(apsw.SQLITE_LIMIT_ATTACHED) == 0


@pytest.mark.parametrize("version", ["3.53.1", "3.52.9", "3.40.1"])
def test_an_old_sqlite_is_refused(version: str) -> None:
    with pytest.raises(HostError, match=version):
        settings.require_sqlite(version)


def test_the_oldest_good_sqlite_and_every_newer_one_is_accepted() -> None:
    oldest = ".".join(map(str, settings.OLDEST_SQLITE))
    for version in (oldest, "3.54.0", "4.0.0", apsw.sqlite_lib_version()):
        settings.require_sqlite(version)
    assert oldest == "3.53.2"


def test_the_import_leaves_out_the_slow_parts_of_the_driver() -> None:
    program = (
        "import sys, dee_appliance.store.database; print('apsw.ext' in sys.modules, 'platformdirs' in sys.modules)"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert result.stdout.split() == ["False", "False"]


# -- using -------------------------------------------------------------------------------------------------------------


def test_a_transaction_commits_when_its_block_ends(path: Path, writer: Database) -> None:
    with writer.transaction():
        put(writer, "a")
        assert writer.in_transaction
    assert not writer.in_transaction
    assert keys(path) == ["a"]


def test_a_transaction_is_undone_when_its_block_raises(path: Path, writer: Database) -> None:
    def put_and_fail() -> None:
        with writer.transaction():
            put(writer, "a")
            raise Refused("no")

    with pytest.raises(Refused):
        put_and_fail()
    assert keys(path) == []
    with writer.transaction():
        put(writer, "b")
    assert keys(path) == ["b"]


def test_one_gives_a_row_or_none_and_never_hides_a_second_row(writer: Database) -> None:
    assert writer.one("SELECT key FROM setting WHERE key = ?", ("a",)) is None
    with writer.transaction():
        writer.many("INSERT INTO setting VALUES (?, ?, ?)", [("a", "1", 0), ("b", "2", 0)])
    assert writer.one("SELECT value FROM setting WHERE key = ?", ("b",)) == ("2",)
    with pytest.raises(AssertionError, match="more than one row"):
        writer.one("SELECT key FROM setting ORDER BY key")


def test_a_stream_gives_every_row_while_others_are_read(writer: Database) -> None:
    with writer.transaction():
        writer.many("INSERT INTO setting VALUES (?, ?, ?)", [(f"k{number:04}", "1", 0) for number in range(1000)])
    seen = []
    for (key,) in writer.stream("SELECT key FROM setting ORDER BY key"):
        assert writer.one("SELECT value FROM setting WHERE key = ?", (key,)) == ("1",)
        seen.append(key)
    assert seen == [f"k{number:04}" for number in range(1000)]


def test_a_stream_that_is_given_up_holds_nothing_back(writer: Database) -> None:
    rows = writer.stream("SELECT seq FROM audit ORDER BY seq")
    next(rows)
    rows.close()  # type: ignore[attr-defined]  # every generator has it
    with writer.transaction():
        put(writer, "a")
    assert writer.checkpoint_truncate()


def test_rows_without_an_order_can_be_turned_round(path: Path) -> None:
    query = "SELECT seq FROM audit"
    with open_writer(path) as plain, open_writer(path, reverse_unordered=True) as turned:
        assert turned.execute(query) == plain.execute(query)[::-1]


def test_the_data_version_changes_when_somebody_else_commits(path: Path, writer: Database) -> None:
    before = writer.data_version()
    with writer.transaction():
        put(writer, "own")
    assert writer.data_version() == before
    with open_writer(path) as other, other.transaction():
        put(other, "other")
    assert writer.data_version() != before


def test_a_checkpoint_cuts_the_wal_and_gives_way_to_a_reader(path: Path, writer: Database) -> None:
    wal = path.with_name("own.db-wal")
    with writer.transaction():
        put(writer, "a")
    assert wal.stat().st_size > 0
    with open_reader(path) as reader:
        rows = reader.stream("SELECT seq FROM audit ORDER BY seq")
        next(rows)
        with writer.transaction():
            put(writer, "b")
        assert not writer.checkpoint_truncate()
        assert wal.stat().st_size > 0
        rows.close()  # type: ignore[attr-defined]
    assert writer.checkpoint_truncate()
    assert wal.stat().st_size == 0


def test_a_closed_file_has_nothing_beside_it(path: Path) -> None:
    with open_writer(path) as database, database.transaction():
        put(database, "a")
    assert [entry.name for entry in path.parent.iterdir()] == ["own.db"]
    assert keys(path) == ["a"]


def test_closing_twice_is_harmless(path: Path) -> None:
    database = open_writer(path)
    database.close()
    database.close()
    with pytest.raises(apsw.CursorClosedError):
        database.execute("SELECT 1")


def test_a_healthy_file_has_no_faults(writer: Database) -> None:
    assert writer.integrity_check() == []


def test_a_scratch_database_has_the_tables_in_memory_or_in_a_file(tmp_path: Path, path: Path) -> None:
    with open_writer(path) as database:
        wanted = database.fingerprint()
    for place in (None, tmp_path / "scratch.db"):
        with open_scratch(place) as scratch:
            assert scratch.fingerprint() == wanted
            with scratch.transaction():
                fill(scratch)
            assert scratch.execute("SELECT count(*) FROM audit") == [(5,)]


# -- readers -----------------------------------------------------------------------------------------------------------


def test_a_reader_cannot_write(path: Path) -> None:
    with open_reader(path) as database, pytest.raises(apsw.AuthError):
        put(database, "a")


def test_a_reader_sees_what_is_only_in_the_wal(path: Path, writer: Database) -> None:
    with writer.transaction():
        put(writer, "a")
    assert keys(path) == ["a"]


def test_a_reader_without_the_vault_cannot_read_personal_data(path: Path, writer: Database) -> None:
    with writer.transaction():
        writer.execute("INSERT INTO vault VALUES ('c', 'email', 1, 'ann@example.org')")
    with open_reader(path) as database:
        assert database.execute("SELECT value FROM vault") == [("ann@example.org",)]
    with open_reader(path, vault=False) as database:
        for query in ("SELECT value FROM vault", "SELECT count(*) FROM vault", "SELECT private FROM inbox"):
            with pytest.raises(apsw.AuthError):
                database.execute(query)
        assert database.execute("SELECT count(*) FROM audit") == [(5,)]


def test_a_file_is_read_where_nothing_can_be_written(path: Path) -> None:
    folder = Path(tempfile.mkdtemp())
    copy = folder / "a%20copy?#.db"
    copy.write_bytes(path.read_bytes())
    copy.chmod(0o444)
    folder.chmod(0o555)
    try:
        child = os.fork()
        if child == 0:
            code = 1
            try:
                if os.getuid() == 0:
                    os.setuid(65_534)
                with open_reader(copy) as database:
                    code = 0 if database.execute("SELECT count(*) FROM audit") == [(5,)] else 2
            finally:
                os._exit(code)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert [entry.name for entry in folder.iterdir()] == [copy.name]
    finally:
        folder.chmod(0o755)
        copy.unlink()
        folder.rmdir()
