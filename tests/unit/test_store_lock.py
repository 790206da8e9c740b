"""One loop for one file, with real second processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from dee_appliance.errors import HostError
from dee_appliance.store.lock import LoopLock, holder, lock_file

SINCE = "2026-01-02T03:04:05Z"
HOLD = """
import sys
from pathlib import Path
from dee_appliance.store.lock import LoopLock
lock = LoopLock.try_acquire(Path(sys.argv[1]), "dee serve", "2026-01-02T03:04:05Z")
print("held" if lock else "refused", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "own.db"


def take(path: Path) -> LoopLock | None:
    return LoopLock.try_acquire(path, "this test", SINCE)


def start(path: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


def first_line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def stop(process: subprocess.Popen[str]) -> None:
    process.communicate("")


def test_a_second_process_is_refused_and_told_who_holds_it(path: Path) -> None:
    process = start(path)
    try:
        assert first_line(process) == "held"
        assert take(path) is None
        assert str(holder(path)) == f"dee serve (process {process.pid} on {os.uname().nodename}, since {SINCE})"
    finally:
        stop(process)
    assert holder(path) is None
    lock = take(path)
    assert lock is not None
    lock.release()


def test_the_lock_of_a_killed_process_is_free_at_once(path: Path) -> None:
    process = start(path)
    assert first_line(process) == "held"
    process.send_signal(signal.SIGKILL)
    process.wait()
    stop(process)
    assert holder(path) is None, "the text it left behind means nothing"
    with take(path) or pytest.fail("not free"):
        found = holder(path)
        assert found is not None
        assert found.pid == os.getpid()


def test_the_same_process_cannot_take_it_twice(path: Path) -> None:
    with take(path) or pytest.fail("not free"):
        assert take(path) is None
    with take(path) or pytest.fail("not free"):
        pass


def test_opening_and_closing_the_lock_file_elsewhere_does_not_free_it(path: Path) -> None:
    with take(path) or pytest.fail("not free"):
        lock_file(path).read_bytes()
        assert holder(path) is not None
        assert take(path) is None
        process = start(path)
        assert first_line(process) == "refused"
        stop(process)


def test_a_forked_child_neither_frees_nor_keeps_the_lock_of_its_parent(path: Path) -> None:
    lock = take(path)
    assert lock is not None
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        code = 1
        try:
            os.close(writing)
            lock.release()
            code = 0 if take(path) is None and not lock.is_intact() else 2
            os.read(reading, 1)  # lives on until the parent has freed the lock and taken it again
        finally:
            os._exit(code)
    os.close(reading)
    assert take(path) is None
    lock.release()
    again = take(path)
    assert again is not None, "the child must not keep it"
    os.write(writing, b".")
    os.close(writing)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert take(path) is None, "the child's end must not free it"
    again.release()


def test_one_file_has_one_lock_whatever_link_leads_to_it(path: Path) -> None:
    path.touch()
    link = path.with_name("link.db")
    link.symlink_to(path)
    with take(path) or pytest.fail("not free"):
        assert take(link) is None


def test_a_deleted_lock_file_is_noticed_by_its_holder(path: Path) -> None:
    with take(path) or pytest.fail("not free") as lock:
        assert lock.is_intact()
        lock_file(path).unlink()
        assert not lock.is_intact()
        lock_file(path).touch()
        assert not lock.is_intact()


def test_a_free_lock_has_no_holder(path: Path) -> None:
    assert holder(path) is None
    lock = take(path)
    assert lock is not None
    lock.release()
    lock.release()
    assert holder(path) is None
    assert lock_file(path).read_bytes() == b""


def test_a_holder_that_has_not_said_who_it_is_is_still_a_holder(path: Path) -> None:
    with take(path) or pytest.fail("not free"):
        lock_file(path).write_bytes(b"")
        found = holder(path)
        assert found is not None
        assert found.what == "another process"


def test_a_folder_without_room_for_a_lock_is_the_hosts_matter(tmp_path: Path) -> None:
    with pytest.raises(HostError, match="lock file"):
        take(tmp_path / "none" / "own.db")
