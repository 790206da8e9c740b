"""Memory outside the file: host id, arming, tip."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from store_files import LINEAGE, add_entries, new_file

from dee_appliance.errors import EvidenceError, HostError
from dee_appliance.kernel.e1.encoding import GENESIS_LEAF
from dee_appliance.store.database import Database, StorageFailed, open_scratch, open_writer
from dee_appliance.store.state_dir import Armed, Disarmed, StateDir, default_root
from dee_appliance.store.tip import (
    Tip,
    TipAgrees,
    TipAhead,
    TipDiverged,
    TipFile,
    TipMissing,
    check_tip,
    read_tip,
)

STRIDE = 4096


@pytest.fixture
def state(tmp_path: Path) -> StateDir:
    return StateDir(tmp_path / "state" / "dee")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "own.db"
    path.touch()
    return path


def reason_of(found: Armed | Disarmed) -> str:
    assert isinstance(found, Disarmed)
    return found.reason


# -- where -------------------------------------------------------------------------------------------------------------


def test_the_folder_is_the_one_named_or_the_users_own(tmp_path: Path) -> None:
    assert default_root({"DEE_STATE_DIR": str(tmp_path)}) == tmp_path
    assert default_root({}).name == "dee"


def test_the_host_id_is_drawn_once(state: StateDir) -> None:
    first = state.host_id()
    assert StateDir(state.root).host_id() == first
    assert StateDir(state.root.with_name("elsewhere")).host_id() != first


@pytest.mark.parametrize("text", [b"", b"short", b"g" * 32, b"a" * 33, b"\xff" * 32])
def test_a_damaged_host_id_is_not_replaced_by_itself(state: StateDir, text: bytes) -> None:
    state.host_id()
    (state.root / "host-id").write_bytes(text)
    with pytest.raises(HostError, match="host id"):
        state.host_id()
    assert (state.root / "host-id").read_bytes() == text


def test_what_is_kept_is_private(state: StateDir, path: Path) -> None:
    state.arm(path, LINEAGE, 1)
    state.open_tip(LINEAGE).close()
    for entry in state.root.rglob("*"):
        assert entry.stat().st_mode & 0o077 == 0, entry
    assert state.root.stat().st_mode & 0o077 == 0
    assert {entry.name for entry in state.root.rglob("*")} == {LINEAGE.hex(), "arming", "host-id", "tip"}


def test_a_folder_that_cannot_be_written_is_a_storage_failure(tmp_path: Path, path: Path) -> None:
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(StorageFailed):
        StateDir(tmp_path / "taken" / "dee").arm(path, LINEAGE, 1)


# -- arming ------------------------------------------------------------------------------------------------------------


def test_a_file_is_disarmed_until_it_is_armed(state: StateDir, path: Path) -> None:
    assert "not armed" in reason_of(state.arming_state(path, LINEAGE, 1))
    state.arm(path, LINEAGE, 1)
    assert state.arming_state(path, LINEAGE, 1) == Armed()
    state.disarm(LINEAGE)
    assert "not armed" in reason_of(state.arming_state(path, LINEAGE, 1))
    state.disarm(LINEAGE)


def test_a_copy_is_disarmed(state: StateDir, path: Path) -> None:
    state.arm(path, LINEAGE, 1)
    copy = path.with_name("copy.db")
    shutil.copy(path, copy)
    assert str(path) in reason_of(state.arming_state(copy, LINEAGE, 1))


def test_a_moved_file_is_disarmed_and_a_link_to_the_armed_one_is_not(state: StateDir, path: Path) -> None:
    link = path.with_name("link.db")
    link.symlink_to(path)
    state.arm(link, LINEAGE, 1)
    assert state.arming_state(path, LINEAGE, 1) == Armed()
    moved = path.rename(path.with_name("moved.db"))
    assert isinstance(state.arming_state(moved, LINEAGE, 1), Disarmed)


def test_an_older_or_newer_incarnation_is_disarmed(state: StateDir, path: Path) -> None:
    state.arm(path, LINEAGE, 2)
    for incarnation in (1, 3):
        assert "incarnation 2 is armed" in reason_of(state.arming_state(path, LINEAGE, incarnation))


def test_another_lineage_is_disarmed(state: StateDir, path: Path) -> None:
    state.arm(path, LINEAGE, 1)
    other = bytes(16)
    assert "not armed" in reason_of(state.arming_state(path, other, 1))
    shutil.copytree(state.root / LINEAGE.hex(), state.root / other.hex())
    assert "another file" in reason_of(state.arming_state(path, other, 1))


def test_a_record_from_another_host_is_disarmed(state: StateDir, path: Path) -> None:
    state.arm(path, LINEAGE, 1)
    elsewhere = StateDir(state.root.with_name("elsewhere"))
    elsewhere.host_id()
    shutil.copytree(state.root / LINEAGE.hex(), elsewhere.root / LINEAGE.hex())
    assert "another host" in reason_of(elsewhere.arming_state(path, LINEAGE, 1))


@pytest.mark.parametrize("text", [b"", b"{", b"[]", b'{"lineage":"00"}', b"\xff\xfe"])
def test_a_damaged_record_is_disarmed(state: StateDir, path: Path, text: bytes) -> None:
    state.arm(path, LINEAGE, 1)
    (state.root / LINEAGE.hex() / "arming").write_bytes(text)
    assert "damaged" in reason_of(state.arming_state(path, LINEAGE, 1))


# -- tip ---------------------------------------------------------------------------------------------------------------


def head(number: int) -> bytes:
    return number.to_bytes(32, "big")


def test_the_newest_tip_is_read_back(state: StateDir) -> None:
    assert state.read_tip(LINEAGE) is None
    with state.open_tip(LINEAGE) as tip:
        assert tip.tip is None
        assert state.read_tip(LINEAGE) is None, "made, but never written"
        for number in range(1, 6):
            tip.write(number, head(number), 1)
            assert state.read_tip(LINEAGE) == Tip(size=number, head=head(number), incarnation=1) == tip.tip
    with state.open_tip(LINEAGE) as tip:
        assert tip.tip == Tip(size=5, head=head(5), incarnation=1)
        tip.write(6, head(6), 1)
    assert state.read_tip(LINEAGE) == Tip(size=6, head=head(6), incarnation=1)


def test_a_tip_never_goes_back_by_itself(state: StateDir) -> None:
    with state.open_tip(LINEAGE) as tip:
        tip.write(10, head(10), 2)
        for size, incarnation in ((9, 2), (20, 1)):
            with pytest.raises(EvidenceError, match="fewer than the 10"):
                tip.write(size, head(size), incarnation)
        tip.write(3, head(3), 3)
        tip.restart(Tip(size=1, head=head(1), incarnation=1))
    assert state.read_tip(LINEAGE) == Tip(size=1, head=head(1), incarnation=1)


@settings(max_examples=30)
@given(torn=st.integers(0, 127), writes=st.integers(2, 5))
def test_a_write_torn_at_any_byte_leaves_the_tip_before_it(
    tmp_path_factory: pytest.TempPathFactory, torn: int, writes: int
) -> None:
    path = tmp_path_factory.mktemp("tip") / "tip"
    with TipFile(path) as tip:
        for number in range(1, writes):
            tip.write(number, head(number), 1)
        before = path.read_bytes()
        tip.write(writes, head(writes), 1)
    after = path.read_bytes()
    start = (writes & 1) * STRIDE
    path.write_bytes(before[:start] + after[start : start + torn] + before[start + torn :])
    found = read_tip(path)
    assert found is not None
    assert found.size in ({writes - 1} if before[start + torn :] != after[start + torn :] else {writes})
    with TipFile(path) as tip:
        tip.write(writes + 1, head(writes + 1), 1)
    assert read_tip(path) == Tip(size=writes + 1, head=head(writes + 1), incarnation=1)


@pytest.mark.parametrize("data", [b"", b"x" * 100, bytes(STRIDE), b"\x01" + bytes(2 * STRIDE - 1)])
def test_a_tip_damaged_in_both_slots_is_not_taken_for_missing(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "tip"
    path.write_bytes(data)
    with pytest.raises(EvidenceError, match="tip is damaged"):
        read_tip(path)


def test_writing_a_tip_needs_no_more_than_one_write_and_one_sync(
    state: StateDir, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[str] = []
    real = os.pwrite

    def pwrite(descriptor: int, data: bytes, offset: int) -> int:
        calls.append(f"pwrite {len(data)}")
        return real(descriptor, data, offset)

    with state.open_tip(LINEAGE) as tip:
        monkeypatch.setattr(os, "pwrite", pwrite)
        tip.write(1, head(1), 1)
    assert calls == ["pwrite 96"]
    assert (state.root / LINEAGE.hex() / "tip").stat().st_size == 2 * STRIDE


# -- file and tip ------------------------------------------------------------------------------------------------------


def log(entries: int, *, first_note: str = "") -> Database:
    database = open_scratch()
    if first_note:
        database.execute("INSERT INTO audit VALUES (0, ?, x'00')", (first_note,))
    add_entries(database, entries)
    return database


def tip_of(database: Database, size: int) -> Tip:
    leaf = database.execute("SELECT leaf FROM audit WHERE seq = ?", (size - 1,))[0][0] if size else GENESIS_LEAF
    return Tip(size=size, head=leaf, incarnation=1)


def test_a_tip_that_is_a_prefix_of_the_log_agrees() -> None:
    with log(8) as database:
        for size in range(9):
            assert check_tip(database, tip_of(database, size)) == TipAgrees()


def test_a_log_without_a_tip_is_not_remembered() -> None:
    with log(1) as database:
        assert check_tip(database, None) == TipMissing()


def test_a_file_behind_its_tip_has_forgotten_entries() -> None:
    with log(8) as longer, log(5) as older, log(0) as empty:
        tip = tip_of(longer, 8)
        assert check_tip(older, tip) == TipAhead(first=5, last=7)
        assert check_tip(empty, tip) == TipAhead(first=0, last=7)


def test_another_history_of_the_same_length_diverges() -> None:
    with log(8) as ours, log(9, first_note="{}") as theirs:
        found = check_tip(theirs, tip_of(ours, 8))
        assert isinstance(found, TipDiverged)
        assert found.seq == 7
        assert found.remembered != found.found


def test_a_body_changed_under_its_stored_hash_diverges(tmp_path: Path) -> None:
    path = new_file(tmp_path / "own.db")
    with open_writer(path) as database:
        tip = tip_of(database, 5)
        database._connection.authorizer = None
        database._connection.execute("DROP TRIGGER audit_no_update; UPDATE audit SET body = '{}' WHERE seq = 4")
        assert isinstance(check_tip(database, tip), TipDiverged)
