"""Copies of a file that is in use."""

from __future__ import annotations

from pathlib import Path

import pytest
from store_files import LINEAGE, add_entries, everything, new_file

from dee_appliance.errors import EvidenceError, HostError, Refused
from dee_appliance.store import database as database_module
from dee_appliance.store.database import open_reader, open_writer
from dee_appliance.store.snapshot import snapshot
from dee_appliance.store.state_dir import Armed, Disarmed, StateDir


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / "here").mkdir()
    (tmp_path / "there").mkdir()
    return new_file(tmp_path / "here" / "own.db")


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "there" / "copy.db"


def size(path: Path) -> int:
    with open_reader(path) as database:
        count: int = database.execute("SELECT count(*) FROM audit")[0][0]
        return count


def test_a_copy_holds_everything_lies_alone_and_is_private(path: Path, target: Path) -> None:
    snapshot(path, target)
    assert [entry.name for entry in target.parent.iterdir()] == ["copy.db"]
    assert target.stat().st_mode & 0o777 == 0o600
    with open_reader(target) as copy, open_reader(path) as own:
        assert copy.integrity_check() == []
        assert copy.fingerprint() == own.fingerprint()
        for table in ("genesis", "audit", "input", "sqlite_sequence"):
            query = f"SELECT * FROM {table} ORDER BY 1"
            assert copy.execute(query) == own.execute(query)


def test_a_copy_holds_what_is_only_in_the_wal_and_leaves_that_wal_alone(path: Path, target: Path) -> None:
    with open_writer(path) as database:
        with database.transaction():
            add_entries(database, 20)
        wal = path.with_name("own.db-wal")
        before = (path.read_bytes(), wal.read_bytes())
        snapshot(path, target)
        assert (path.read_bytes(), wal.read_bytes()) == before
        assert before[1]
    assert size(target) == 25


def test_a_copy_made_during_a_transaction_holds_what_was_committed_before_it(path: Path, target: Path) -> None:
    with open_writer(path) as database, database.transaction():
        add_entries(database, 20)
        snapshot(path, target)
    assert size(target) == 5
    assert size(path) == 25


def test_a_copy_is_one_state_although_the_file_changes_while_it_is_made(
    path: Path, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database_module, "COPY_PAGES", 20)
    with open_writer(path) as database:
        with database.transaction():
            add_entries(database, 2_000)
        steps = []

        def write(done: int, pages: int) -> None:
            steps.append((done, pages))
            with database.transaction():
                add_entries(database, 100)

        snapshot(path, target, write)
    assert len(steps) > 1
    assert steps[-1][0] == steps[-1][1]
    assert size(target) == 2_005
    with open_reader(target) as copy:
        assert copy.integrity_check() == []


def test_a_copy_can_be_written_to_and_goes_back_to_wal_mode(path: Path, target: Path) -> None:
    snapshot(path, target)
    with open_writer(target) as database:
        with database.transaction():
            add_entries(database, 1)
        assert target.with_name("copy.db-wal").stat().st_size > 0
    assert size(target) == 6
    assert size(path) == 5


def test_a_copy_keeps_the_lineage_and_is_disarmed(path: Path, target: Path, tmp_path: Path) -> None:
    state = StateDir(tmp_path / "state")
    state.arm(path, LINEAGE, 1)
    snapshot(path, target)
    with open_reader(target) as copy:
        assert copy.execute("SELECT lineage FROM genesis") == [(LINEAGE,)]
    assert state.arming_state(path, LINEAGE, 1) == Armed()
    assert isinstance(state.arming_state(target, LINEAGE, 1), Disarmed)


@pytest.mark.parametrize("kind", ["file", "folder", "dangling link", "itself"])
def test_nothing_that_exists_is_replaced(path: Path, target: Path, kind: str) -> None:
    if kind == "file":
        target.write_bytes(b"theirs")
    elif kind == "folder":
        target.mkdir()
    elif kind == "dangling link":
        target.with_name("elsewhere").write_bytes(b"theirs")
        target.symlink_to(target.with_name("elsewhere"))
    else:
        target = path
    before = {name: data for name, data in everything(path.parent).items() if not name.endswith(("-shm", "-wal"))}
    with pytest.raises(Refused, match="a file already"):
        snapshot(path, target)
    assert before == {
        name: data for name, data in everything(path.parent).items() if not name.endswith(("-shm", "-wal"))
    }
    assert not list(target.parent.glob(".*"))


def test_a_folder_that_is_not_there_is_the_hosts_matter(path: Path, target: Path) -> None:
    with pytest.raises(HostError, match="folder"):
        snapshot(path, target.parent / "none" / "copy.db")


def test_a_file_that_is_not_ours_is_not_copied(path: Path, target: Path) -> None:
    with pytest.raises(Refused, match="no such file"):
        snapshot(path.with_name("none.db"), target)
    path.write_bytes(path.read_bytes()[:-5000])
    with pytest.raises(EvidenceError, match="cut short"):
        snapshot(path, target)
    assert list(target.parent.iterdir()) == []
