"""The watched disk takes what a power cut could take, and nothing else: otherwise the tests that use it would prove nothing."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path

import apsw
import pytest
from watched_calls import mounted
from watched_disk import Died, Disk, Fault, Loss, Part, part_of

from dee_appliance.store.durable import sync, write_record


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    folder = tmp_path / "disk"
    folder.mkdir()
    with mounted(Disk(folder, seed=1)) as made:
        yield made


def put(path: Path, text: bytes, *, synced: bool) -> None:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT)
    os.pwrite(descriptor, text, 0)
    if synced:
        os.fsync(descriptor)
    os.close(descriptor)


def cut(disk: Disk, loss: Loss) -> None:
    with pytest.raises(Died):
        disk.die(loss)
    disk.restart()


def rows(path: Path) -> list[int]:
    connection = apsw.Connection(str(path))
    try:
        return [row[0] for row in connection.execute("SELECT x FROM t ORDER BY x")]
    finally:
        connection.close()


def table(path: Path) -> apsw.Connection:
    connection = apsw.Connection(str(path))
    connection.execute("PRAGMA journal_mode = WAL").fetchall()
    connection.execute("CREATE TABLE t (x)")
    connection.close()
    connection = apsw.Connection(str(path))
    connection.execute("PRAGMA synchronous = FULL")
    return connection


def test_what_is_not_synced_is_lost_and_what_is_synced_stays(disk: Disk) -> None:
    path = Path(disk.root) / "file"
    put(path, b"old", synced=True)
    sync(path.parent)
    put(path, b"newer", synced=False)
    cut(disk, "all")
    assert path.read_bytes() == b"old"


def test_a_power_cut_may_take_nothing(disk: Disk) -> None:
    path = Path(disk.root) / "file"
    put(path, b"old", synced=True)
    put(path, b"newer", synced=False)
    cut(disk, "none")
    assert path.read_bytes() == b"newer"


def test_a_file_whose_folder_was_not_synced_has_no_name_afterwards(disk: Disk) -> None:
    path = Path(disk.root) / "file"
    put(path, b"old", synced=True)
    cut(disk, "all")
    assert not path.exists()


def test_what_was_deleted_or_renamed_over_comes_back_until_the_folder_is_synced(disk: Disk) -> None:
    one, two = Path(disk.root) / "one", Path(disk.root) / "two"
    for path in (one, two):
        put(path, path.name.encode(), synced=True)
    sync(one.parent)
    one.rename(two)
    two.unlink()
    cut(disk, "all")
    assert (one.read_bytes(), two.read_bytes()) == (b"one", b"two")
    one.rename(two)
    sync(two.parent)
    cut(disk, "all")
    assert (one.exists(), two.read_bytes()) == (False, b"one")


def test_a_record_is_there_once_it_is_written(disk: Disk) -> None:
    path = Path(disk.root) / "folder" / "record"
    write_record(path, b"one", replace=False)
    write_record(path, b"two", replace=True)
    cut(disk, "all")
    assert path.read_bytes() == b"two"


def test_in_order_means_that_nothing_later_than_a_moment_stays(disk: Disk) -> None:
    path = Path(disk.root) / "file"
    put(path, bytes(20), synced=True)
    sync(path.parent)
    seen = set()
    for _ in range(40):
        put(path, bytes(20), synced=True)
        descriptor = os.open(path, os.O_RDWR)
        for place in range(20):
            os.pwrite(descriptor, b"x", place)
        os.close(descriptor)
        cut(disk, "tail")
        seen.add(path.read_bytes().rstrip(b"\0"))
    assert all(set(one) <= {ord("x")} for one in seen)
    assert len(seen) > 8


def test_a_coin_takes_writes_from_the_middle_and_tears_some(disk: Disk) -> None:
    path = Path(disk.root) / "file"
    put(path, bytes(40), synced=True)
    sync(path.parent)
    descriptor = os.open(path, os.O_RDWR)
    for place in range(10):
        os.pwrite(descriptor, b"abcd", 4 * place)
    os.close(descriptor)
    cut(disk, "coin")
    found = path.read_bytes()
    pieces = {found[at : at + 4] for at in range(0, 40, 4)}
    assert {b"abcd", bytes(4)} < pieces
    assert all(b"abcd".startswith(one.rstrip(b"\0")) for one in pieces)


def test_a_commit_that_is_synced_outlives_every_power_cut_and_one_that_is_not_does_not(disk: Disk) -> None:
    path = Path(disk.root) / "file.db"
    connection = table(path)
    connection.execute("INSERT INTO t VALUES (1)")
    connection.execute("PRAGMA synchronous = OFF")
    connection.execute("INSERT INTO t VALUES (2)")
    cut(disk, "all")
    assert rows(path) == [1]


def test_the_dead_do_nothing_any_more_and_the_next_one_lives(disk: Disk) -> None:
    path = Path(disk.root) / "file.db"
    connection = table(path)
    connection.execute("INSERT INTO t VALUES (1)")
    disk.die_at(2)
    with pytest.raises(Died):
        connection.execute("INSERT INTO t VALUES (2)")
    with pytest.raises(Died):
        put(path.with_name("other"), b"", synced=False)
    disk.restart()
    with pytest.raises(apsw.ConnectionClosedError):
        connection.execute("INSERT INTO t VALUES (3)")
    assert rows(path) == [1]
    assert not path.with_name("other").exists()


def test_a_kill_loses_nothing_and_a_later_power_cut_loses_what_was_never_synced(disk: Disk) -> None:
    path = Path(disk.root) / "file"
    put(path, b"old", synced=True)
    sync(path.parent)
    put(path, b"new", synced=False)
    with pytest.raises(Died):
        disk.die(None)
    disk.restart()
    assert path.read_bytes() == b"new"
    cut(disk, "all")
    assert path.read_bytes() == b"old"


def test_a_lock_goes_with_the_dead(disk: Disk) -> None:
    path = Path(disk.root) / "file.db"
    connection = table(path)
    connection.execute("BEGIN IMMEDIATE")
    disk.die_at(1)
    with pytest.raises(Died):
        connection.execute("INSERT INTO t VALUES (1); COMMIT")
    disk.restart()
    other = apsw.Connection(str(path))
    other.execute("INSERT INTO t VALUES (2)")
    assert rows(path) == [2]
    other.close()


def test_a_full_disk_takes_half_a_write_and_then_nothing(disk: Disk) -> None:
    path = Path(disk.root) / "file"
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT)
    disk.fail(Fault(kinds=("write",), error="full", short=True, count=1))
    assert os.write(descriptor, b"abcd") == 2
    disk.fail(Fault(kinds=("write",), error="full"))
    with pytest.raises(OSError, match="No space") as full:
        os.write(descriptor, b"cd")
    assert full.value.errno == errno.ENOSPC
    os.close(descriptor)


def test_faults_reach_sqlite_as_its_own(disk: Disk) -> None:
    path = Path(disk.root) / "file.db"
    connection = table(path)
    for fault, error in (
        (Fault(kinds=("write",), error="full"), apsw.FullError),
        (Fault(kinds=("sync",), parts=("wal",)), apsw.IOError),
    ):
        disk.fail(fault)
        with pytest.raises(error):
            connection.execute("INSERT INTO t VALUES (1)")
        assert disk.faults_met >= 1
    disk.fault = None
    connection.close()


def test_a_sync_that_failed_is_never_made_good(disk: Disk) -> None:
    """The system forgets that the pages were to be written; a later sync succeeds and says nothing about them."""
    path = Path(disk.root) / "file"
    put(path, b"old", synced=True)
    sync(path.parent)
    descriptor = os.open(path, os.O_RDWR)
    os.pwrite(descriptor, b"new", 0)
    disk.fail(Fault(kinds=("sync",), count=1))
    with pytest.raises(OSError, match="Input/output"):
        os.fsync(descriptor)
    os.fsync(descriptor)
    os.close(descriptor)
    assert not disk.is_synced(str(path))
    cut(disk, "all")
    assert path.read_bytes() == b"old"


def test_the_folder_of_a_provider_is_on_another_disk(disk: Disk) -> None:
    path = Path(disk.root) / "own.db.outbox" / "message"
    path.parent.mkdir()
    disk.fail(Fault(kinds=("write", "create"), error="full"))
    put(path, b"here", synced=False)
    cut(disk, "all")
    assert path.read_bytes() == b"here"


def test_what_a_failed_sync_has_left_is_lost_until_its_pages_are_written_anew(disk: Disk) -> None:
    path = Path(disk.root) / "file"
    put(path, bytes(8_192), synced=True)
    sync(path.parent)
    descriptor = os.open(path, os.O_RDWR)
    os.pwrite(descriptor, b"lost" + b"l" * 5_000, 0)
    disk.fail(Fault(kinds=("sync",), count=1))
    with pytest.raises(OSError, match="error"):
        os.fsync(descriptor)
    os.pwrite(descriptor, b"kept", 4_096)
    os.fsync(descriptor)
    os.close(descriptor)
    assert not disk.is_synced(str(path))
    cut(disk, "all")
    assert path.read_bytes() == bytes(4_096) + b"kept" + b"l" * 904 + bytes(3_188)


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("own.db", "database"),
        (".own.db.k3j2_abc.new", "database"),
        ("own.db-wal", "wal"),
        ("own.db.lock", "records"),
        ("own.db.toml", "records"),
        (".arming.dbk3j2ab.new", "records"),
        ("tip", "tip"),
        ("sends.1", "sends"),
    ],
)
def test_each_file_is_a_part_of_the_appliance(name: str, part: Part) -> None:
    assert part_of(f"/folder/{name}") == part
