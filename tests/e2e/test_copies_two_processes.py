"""Two processes on one file: one loop only, and what the other is told; commands reach a running loop within a second."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from running_files import holds, make_file, marks, people, sent

from dee_appliance import Engine
from dee_appliance.errors import HostError
from dee_appliance.replay.verify import verify

ROOT = Path(__file__).parents[2]
PATIENCE_S = 30.0
POLL_S = 0.01


def dee(engine: Engine, *words: str) -> subprocess.Popen[str]:
    """Start `dee` on the file, with its memory outside."""
    environment = {**os.environ, "DEE_STATE_DIR": str(engine.path.parent / "state"), "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(
        [sys.executable, "-m", "dee_appliance", "--db", str(engine.path), *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    )


def until(condition: Callable[[], bool]) -> None:
    """Wait until a function says yes."""
    end = time.monotonic() + PATIENCE_S
    pause = threading.Event()
    while not condition() and not pause.wait(POLL_S):
        assert time.monotonic() < end, "it does not happen"


@contextmanager
def serving(engine: Engine) -> Iterator[subprocess.Popen[str]]:
    """Run `dee serve` in another process, until the block is done; it must end by itself when asked to."""
    process = dee(engine, "serve")
    try:
        assert process.stderr is not None
        assert "serving" in process.stderr.readline()
        yield process
        process.send_signal(signal.SIGTERM)
        out, said = process.communicate(timeout=PATIENCE_S)
        assert process.returncode == 0, said
        assert "stopped" in out
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    made = make_file(tmp_path, contacts=0)
    made.arm()
    return made


def enroll(engine: Engine, name: str, count: int) -> None:
    engine.import_contacts(people(engine.path.parent, name, count))
    with engine.view() as view:
        enrolled = {row[0] for row in view.database.execute("SELECT contact FROM enrolment ORDER BY contact")}
        new = [one for one in view.contact_ids() if one not in enrolled]
    batch = engine.enroll("notes", new)
    assert batch.rows == count
    assert batch.queued == 0


@pytest.mark.slow
def test_a_second_loop_is_told_who_holds_the_file(engine: Engine) -> None:
    with serving(engine) as first:
        second = dee(engine, "serve")
        _, said = second.communicate(timeout=PATIENCE_S)
        assert second.returncode == 1
        assert f"dee serve (process {first.pid} on {os.uname().nodename}" in said
        with pytest.raises(HostError, match=f"process {first.pid}"):
            engine.serve()


@pytest.mark.slow
def test_a_loop_starts_as_soon_as_a_command_is_done(engine: Engine) -> None:
    """A command holds the file for milliseconds; that is no reason for a service not to start."""
    commands = [dee(engine, "event", "add", "invoice.paid", "--contact", "nobody@example.org") for _ in range(3)]
    with serving(engine):
        for command in commands:
            _, said = command.communicate(timeout=PATIENCE_S)
            assert "there is no contact `nobody@example.org`" in said


STOPPED_AT_ONCE = """
import os, signal, sys
from dee_appliance.cli import main, output

told = output.Output.note

def note(self, text):
    told(self, text)
    if text.startswith("serving"):
        os.kill(os.getpid(), signal.SIGTERM)

output.Output.note = note
main.main()
"""


def test_a_loop_that_is_ended_the_moment_it_says_that_it_serves_ends_cleanly(engine: Engine) -> None:
    words = [sys.executable, "-c", STOPPED_AT_ONCE, "serve", "--db", str(engine.path)]
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=PATIENCE_S)
    assert (done.returncode, done.stdout.splitlines()[0]) == (0, "stopped"), done.stderr


@pytest.mark.slow
def test_requests_reach_a_running_loop_within_a_second(engine: Engine) -> None:
    slowest = 0.0
    with serving(engine):
        enroll(engine, "first", 3)
        until(lambda: len(sent(engine.path)) == 3)
        with engine.view() as view:
            contact = view.contact_ids()[0]
        for verb in (
            engine.halt,
            engine.release,
            lambda: engine.add_event("invoice.paid", contact=contact),
            lambda: engine.suppress(contact),
            lambda: engine.set_consent(contact, "email", granted=False),
        ):
            began = time.monotonic()
            verb()
            slowest = max(slowest, time.monotonic() - began)
            assert engine.queued == []
    assert slowest < 1.0, f"{slowest:.3f} s"


@pytest.mark.slow
def test_nothing_is_dispatched_after_a_halt_was_acknowledged(engine: Engine) -> None:
    """While hundreds of sends are in the queue."""
    with serving(engine):
        enroll(engine, "many", 600)
        until(lambda: marks(engine).get("DISPATCHING", 0) >= 32)
        began = time.monotonic()
        engine.halt()
        took = time.monotonic() - began
        marked = marks(engine)["DISPATCHING"]
        until(lambda: len(sent(engine.path)) == marked)
        enroll(engine, "more", 5)
        assert marks(engine)["DISPATCHING"] == marked
        assert len(sent(engine.path)) == marked < 605
        assert took < 1.0, f"{took:.3f} s"
        assert holds(engine) == [("*", "halt")]
        engine.release()
        until(lambda: len(sent(engine.path)) == 605)
    assert verify(engine.path).ok


@pytest.mark.slow
def test_many_processes_append_at_once_and_nothing_is_lost(engine: Engine) -> None:
    enroll(engine, "first", 4)
    with engine.view() as view:
        contacts = view.contact_ids()
    with serving(engine):
        commands = [dee(engine, "event", "add", "invoice.paid", "--contact", contact) for contact in contacts]
        for command in commands:
            _, said = command.communicate(timeout=PATIENCE_S)
            assert command.returncode == 0, said
    with engine.view() as view:
        rows = view.database.execute(
            "SELECT count(*) FROM input WHERE kind = 'event' AND payload LIKE '%invoice.paid%'"
        )
    assert rows == [(len(contacts),)]


@pytest.mark.slow
def test_a_loop_that_is_stopped_waits_for_what_is_on_its_way(engine: Engine) -> None:
    with serving(engine):
        enroll(engine, "many", 100)
    found = marks(engine)
    assert found["DISPATCHING"] == found["ACCEPTED"] == len(sent(engine.path))
