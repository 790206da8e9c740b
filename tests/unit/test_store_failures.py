"""A busy file, a broken disk, a killed process: what the connection does, and what it never does afterwards."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import apsw
import pytest
from store_files import new_file
from store_files import put as put_row

from dee_appliance.errors import EvidenceError, HostError
from dee_appliance.store import settings
from dee_appliance.store.database import Database, StorageFailed, open_reader, open_writer


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return new_file(tmp_path / "own.db")


@pytest.fixture
def writer(path: Path) -> Iterator[Database]:
    with open_writer(path) as database:
        yield database


def put(database: Database, key: str) -> None:
    put_row(database, "setting", key=key)


def keys(path: Path) -> list[str]:
    with open_reader(path) as database:
        return [row[0] for row in database.execute("SELECT key FROM setting ORDER BY key")]


def test_a_file_that_stays_busy_is_the_hosts_matter_and_harms_nothing(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settings, "BUSY_TIMEOUT_MS", 20)
    with open_writer(path) as first, open_writer(path) as second:
        with first.transaction():
            put(first, "a")
            with pytest.raises(HostError, match="busy") as caught, second.transaction():
                put(second, "b")
            assert not isinstance(caught.value, StorageFailed)
            assert second.failure is None
        with second.transaction():
            put(second, "b")
    assert keys(path) == ["a", "b"]


class FailingFile(apsw.VFSFile):
    """A file whose fsync fails when told to."""

    failing = False

    def xSync(self, flags: int) -> None:  # noqa: N802 - SQLite's name
        if FailingFile.failing:
            raise apsw.IOError("the disk is gone")
        super().xSync(flags)


class FailingLayer(apsw.VFS):
    def __init__(self) -> None:
        super().__init__("failing", "", makedefault=True)

    def xOpen(self, name: str | apsw.URIFilename | None, flags: list[int]) -> FailingFile:  # noqa: N802
        return FailingFile("unix", name, flags)


@contextmanager
def failing_layer() -> Iterator[None]:
    before = apsw.vfs_names()[0]
    layer = FailingLayer()
    try:
        yield
    finally:
        FailingFile.failing = False
        apsw.set_default_vfs(before)
        layer.unregister()


def test_after_a_failed_sync_nothing_more_is_committed(path: Path) -> None:
    wal = path.with_name("own.db-wal")
    with failing_layer():
        database = open_writer(path)
        with database.transaction():
            put(database, "before")
        FailingFile.failing = True
        with pytest.raises(StorageFailed), database.transaction():
            put(database, "lost")
        FailingFile.failing = False
        assert database.failure is not None
        with pytest.raises(StorageFailed, match="failed before"), database.transaction():
            put(database, "later")
        with pytest.raises(apsw.ConstraintError):
            put(database, "outside")
        size = wal.stat().st_size
        database.close()
    assert wal.stat().st_size == size > 0, "closing must not move a WAL that may not be on the disk"
    # Whether the transaction whose sync failed is there is for the disk to say; nothing after it may be.
    assert keys(path) in (["before"], ["before", "lost"])


def test_after_a_failed_write_nothing_more_is_committed(path: Path) -> None:
    program = f"""
import resource, signal, sys
from pathlib import Path
from dee_appliance.errors import HostError
from dee_appliance.store.database import StorageFailed, open_writer
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
database = open_writer(Path({str(path)!r}))
insert = "INSERT INTO setting VALUES (?, ?, 0)"
with database.transaction():
    database.execute(insert, ("before", "1"))
soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, hard))
try:
    with database.transaction():
        database.execute(insert, ("lost", "x" * 1_000_000))
except StorageFailed as error:
    print("failed")
resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
try:
    with database.transaction():
        database.execute(insert, ("later", "1"))
except StorageFailed:
    print("refused")
database.close()
"""
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert result.stderr == ""
    assert result.stdout.split() == ["failed", "refused"]
    assert keys(path) == ["before"]


def test_a_page_that_cannot_be_read_stops_the_writer_and_is_evidence_to_a_reader(path: Path) -> None:
    with open_writer(path) as database, database.transaction():
        database.many("INSERT INTO setting VALUES (?, ?, 0)", [(f"k{number:05}", "x" * 50) for number in range(5000)])
    data = bytearray(path.read_bytes())
    data[-40_000:] = b"\xff" * 40_000
    path.write_bytes(data)
    query = "SELECT key, value FROM setting ORDER BY key"
    with open_reader(path) as database, pytest.raises(EvidenceError, match="damaged"):
        database.execute(query)
    with open_reader(path) as database, pytest.raises(EvidenceError, match="damaged"):
        list(database.stream(query))
    with open_writer(path) as database:
        assert database.integrity_check()
        with pytest.raises(StorageFailed):
            database.execute(query)
        with pytest.raises(StorageFailed, match="failed before"), database.transaction():
            put(database, "a")


def test_a_mistake_of_the_program_is_not_dressed_up_as_a_broken_disk(writer: Database) -> None:
    with pytest.raises(apsw.SQLError):
        writer.execute("SELECT nothing FROM nowhere")
    row = ("a", "1", 0)
    with pytest.raises(apsw.ConstraintError), writer.transaction():
        writer.many("INSERT INTO setting VALUES (?, ?, ?)", [row, row])
    assert writer.failure is None


def test_a_killed_writer_loses_nothing_it_had_committed(path: Path) -> None:
    program = f"""
import os, signal
from pathlib import Path
from dee_appliance.store.database import open_writer
database = open_writer(Path({str(path)!r}))
with database.transaction():
    database.execute("INSERT INTO setting VALUES ('committed', '1', 0)")
database.execute("BEGIN IMMEDIATE")
database.execute("INSERT INTO setting VALUES ('open', '1', 0)")
os.kill(os.getpid(), signal.SIGKILL)
"""
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, check=False)
    assert result.returncode == -signal.SIGKILL
    assert path.with_name("own.db-wal").stat().st_size > 0
    assert keys(path) == ["committed"]
    with open_writer(path) as database, database.transaction():
        put(database, "next")
    assert keys(path) == ["committed", "next"]


def test_looking_at_the_header_does_not_drop_the_locks_of_this_process(path: Path, writer: Database) -> None:
    program = f"""
from pathlib import Path
import apsw
connection = apsw.Connection({str(path)!r})
try:
    connection.execute("BEGIN IMMEDIATE")
    print("free")
except apsw.BusyError:
    print("locked")
"""
    with writer.transaction():
        put(writer, "a")
        open_reader(path).close()
        result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert result.stdout.split() == ["locked"]
