"""Commands while a loop runs: taken within a second, or queued and told so."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from terminal import Terminal
from zone_files import moved

from dee_appliance.runtime.clock import WallClock
from dee_appliance.store.lock import LoopLock


@contextmanager
def loop(desk: Terminal) -> Iterator[subprocess.Popen[str]]:
    """A real loop in a process of its own, which is well until it is told to end."""
    with desk.start("serve", "--json") as process:
        assert process.stderr is not None
        while desk.ok("status", "--json").record()["loop"] == "":
            assert process.poll() is None, process.stderr.read()
        yield process
        process.terminate()
        out, err = process.communicate(timeout=60)
        assert (process.returncode, err) == (0, "")
        assert json.loads(out)["stopped"] is True


@pytest.mark.slow
def test_everything_works_while_a_loop_runs(desk: Terminal) -> None:
    desk.ok("arm")
    desk.write("more.csv", "customer_id,first_name,email\nK-5,Eve,eve@good.example.com\nK-6,Fay,fay@good.example.com\n")
    with loop(desk):
        told = desk.ok("contact", "import", "more.csv", "--json").record()
        assert (told["new"], told["queued"]) == (2, 0)
        assert desk.ok("halt", "--json").record()["queued"] == []
        told = desk.ok("enroll", "welcome", "--all", "--var", "day=2026-12-24", "--json").record()
        assert (told["enrolled"], told["queued"]) == (6, 0)
        assert desk.dee("plan", "publish", "plan.toml", "--json").record()["queued"] == []
        refused = desk.dee("run", "skip", desk.run_of("K-5"))
        assert (refused.code, "not_skippable" in refused.err) == (1, True)
        desk.ok("release")
        assert any({row["status"] for row in desk.runs()} == {"WAITING", "FAILED"} for _ in range(5_000))
        assert desk.dee("serve", "--until-idle").code == 1
        assert desk.ok("contact", "erase", "K-4", "--yes", "--json").record()["state"] == "done"
    assert len(list((desk.folder / "desk.db.outbox" / "email").glob("*.eml"))) == 5


@pytest.mark.slow
def test_a_loop_that_runs_the_file_takes_another_zone_table(desk: Terminal) -> None:
    table = moved(desk.folder, "America/New_York", shift_s=-3_600)
    with loop(desk):
        *_, told = desk.ok("tz", "update", "--from", table, "--yes", "--json").records()
        assert (told["preview"], told["queued"]) == (False, [])
        assert desk.ok("tz", "show", "--json").record()["used"]["release"] == "2099z"


@pytest.fixture
def held(desk: Terminal, monkeypatch: pytest.MonkeyPatch) -> Iterator[Terminal]:
    """A desk whose file is held by a process that takes nothing."""
    monkeypatch.setattr(WallClock, "wait", lambda *_: None)
    lock = LoopLock.try_acquire(desk.file, "a busy loop", "2026-11-23T09:00:00Z")
    assert lock is not None
    with lock:
        yield desk


def test_what_is_not_taken_in_time_is_queued_and_told_so(held: Terminal) -> None:
    said = held.ok("halt")
    assert said.out.startswith("queued as ")
    told = held.ok("release", "--json").record()
    assert len(told["queued"]) == 1
    assert held.ok("status", "--json").record()["inbox"]["ready"] == 2


def test_queued_rows_are_counted_and_taken_later(held: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    held.write("more.csv", "customer_id,first_name,email\nK-5,Eve,eve@good.example.com\n")
    assert held.ok("contact", "import", "more.csv", "--json").record()["queued"] == 1
    assert "queued: 1 requests wait" in held.ok("enroll", "welcome", "--contact", "K-1", "--var", "day=2026-12-24").out
    assert "queued: 4 requests wait" in held.ok("enroll", "welcome", "--all", "--var", "day=2026-12-24").out
    monkeypatch.undo()


def test_an_erasure_that_is_only_queued_is_not_called_done(held: Terminal) -> None:
    said = held.dee("contact", "erase", "K-4", "--yes")
    assert said.code == 1
    assert '"state":"pending"' in held.dee("contact", "erase", "K-3", "--yes", "--json").out


def test_queued_requests_are_admitted_by_the_next_process(desk: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(WallClock, "wait", lambda *_: None)
        lock = LoopLock.try_acquire(desk.file, "a busy loop", "2026-11-23T09:00:00Z")
        assert lock is not None
        with lock:
            desk.ok("enroll", "welcome", "--contact", "K-1", "--var", "day=2026-12-24")
    assert desk.runs() == []
    desk.ok("serve", "--until-idle")
    assert len(desk.runs()) == 1
