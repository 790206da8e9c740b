"""The way in: appending from any process, staging, waiting for replies."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from store_files import new_file

from dee_appliance.errors import HostError, Refused
from dee_appliance.kernel.e1.encoding import NotCanonical
from dee_appliance.store import settings
from dee_appliance.store.database import Database, Row, open_reader, open_writer
from dee_appliance.store.inbox import (
    MAX_ROW_BYTES,
    STAGE_CHUNK,
    InboxRow,
    InboxWriter,
    Reply,
    StagedJob,
    append_inbox,
    append_rows,
    delete_abandoned,
    staged_jobs,
    wait_reply,
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return new_file(tmp_path / "own.db")


@pytest.fixture
def loop(path: Path) -> Iterator[Database]:
    with open_writer(path) as database:
        yield database


def note(number: int = 1, *, received: int = 100, private: dict[str, object] | None = None) -> InboxRow:
    return InboxRow(source="test", received=received, kind="note", payload=b'{"n":%d}' % number, private=private)


def ready(path: Path) -> list[Row]:
    with open_reader(path) as database:
        return database.execute("SELECT id, payload FROM inbox WHERE ready > 0 ORDER BY ready, received, id")


def test_a_row_is_on_the_disk_with_all_its_parts_when_the_call_returns(path: Path) -> None:
    row = InboxRow(
        source="web", dedupe="d1", received=5, kind="event", payload=b'{"a":1}', private={"text": "Grüße", "b": [1]}
    )
    assert append_inbox(path, [row]) == [1]
    with open_reader(path) as database:
        found = database.execute("SELECT id, source, dedupe, received, ready, kind, payload, private FROM inbox")
    assert found == [(1, "web", "d1", 5, 1, "event", '{"a":1}', '{"b":[1],"text":"Grüße"}')]


def test_ids_go_up_and_are_never_given_twice(path: Path, loop: Database) -> None:
    assert append_inbox(path, [note(1), note(2)]) == [1, 2]
    loop.execute("DELETE FROM inbox")
    assert append_inbox(path, [note(3)]) == [3]


def test_rows_of_one_call_appear_together_or_not_at_all(path: Path) -> None:
    with pytest.raises(Refused, match="longer than"):
        append_inbox(path, [note(1), note(2, private={"text": "x" * MAX_ROW_BYTES})])
    with pytest.raises(NotCanonical):
        append_inbox(path, [note(1), note(2, private={"rate": 0.5})])
    assert ready(path) == []


def test_the_loop_itself_appends_within_its_own_transaction(path: Path, loop: Database) -> None:
    with loop.transaction():
        assert append_rows(loop, [note(1)]) == [1]
        assert ready(path) == []
    assert len(ready(path)) == 1


def test_many_processes_append_at_once_and_nothing_is_lost(path: Path) -> None:
    program = """
import sys
from pathlib import Path
from dee_appliance.store.inbox import InboxRow, InboxWriter
with InboxWriter(Path(sys.argv[1])) as writer:
    for number in range(20):
        writer.append([InboxRow(source=sys.argv[2], received=1, kind="note", payload=b"{}", dedupe=str(number))])
"""
    processes = [subprocess.Popen([sys.executable, "-c", program, str(path), str(number)]) for number in range(3)]
    assert [process.wait() for process in processes] == [0, 0, 0]
    with open_reader(path) as database:
        rows = database.execute("SELECT source, dedupe FROM inbox ORDER BY id")
    assert sorted(rows) == sorted((str(source), str(number)) for source in range(3) for number in range(20))


def test_an_append_waits_for_a_busy_loop_and_gives_up_in_the_end(
    path: Path, loop: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = """
import sys
from pathlib import Path
from dee_appliance.store.inbox import InboxRow, InboxWriter
with InboxWriter(Path(sys.argv[1])) as writer:
    print("open", flush=True)
    print(writer.append([InboxRow(source="test", received=1, kind="note", payload=b"{}")]))
"""
    with loop.transaction():
        waiter = subprocess.Popen([sys.executable, "-c", program, str(path)], stdout=subprocess.PIPE, text=True)
        assert waiter.stdout is not None
        assert waiter.stdout.readline() == "open\n"
        monkeypatch.setattr(settings, "BUSY_TIMEOUT_MS", 20)
        with pytest.raises(HostError, match="busy"):
            append_inbox(path, [note(2)])
    assert waiter.communicate()[0] == "[1]\n"


# -- staging -----------------------------------------------------------------------------------------------------------


def test_a_staged_job_is_released_whole(path: Path) -> None:
    rows = [note(number) for number in range(STAGE_CHUNK + 10)]
    with InboxWriter(path) as writer:
        assert writer.stage(7, rows) == len(rows)
        assert writer.append([note(99_999)]) == [len(rows) + 1]
        assert [row[0] for row in ready(path)] == [len(rows) + 1], "the loop must not see a staged row"
        assert writer.release(7) == list(range(1, len(rows) + 1))
        assert writer.release(7) == []
    assert len(ready(path)) == len(rows) + 1


def test_a_job_that_is_given_up_leaves_nothing_and_touches_no_other(path: Path) -> None:
    with InboxWriter(path) as writer:
        writer.stage(7, [note(1), note(2)])
        writer.stage(8, [note(3)])
        assert writer.abandon(7) == 2
        assert writer.release(8) == [3]


def test_jobs_whose_importer_died_are_listed_and_cleared_by_age(path: Path, loop: Database) -> None:
    with InboxWriter(path) as writer:
        writer.stage(8, [note(1, received=50), note(2, received=60)])
        writer.stage(7, [note(3, received=500)])
        writer.append([note(4, received=1)])
    assert staged_jobs(loop) == [StagedJob(job=8, rows=2, received=50), StagedJob(job=7, rows=1, received=500)]
    with loop.transaction():
        assert delete_abandoned(loop, 100) == 2
    assert staged_jobs(loop) == [StagedJob(job=7, rows=1, received=500)]
    assert len(ready(path)) == 1


@pytest.mark.parametrize("job", [0, -1, 2**63])
def test_a_job_number_is_positive(path: Path, job: int) -> None:
    with InboxWriter(path) as writer, pytest.raises(AssertionError):
        writer.stage(job, [note(1)])


# -- replies -----------------------------------------------------------------------------------------------------------


class Sleeper:
    """Counts the sleeps, and lets the loop reply during some of them."""

    def __init__(self, loop: Database, replies: dict[int, list[tuple[int, int | None, str]]]) -> None:
        self.loop = loop
        self.replies = replies
        self.slept = 0

    def __call__(self, seconds: float) -> None:
        assert 0 < seconds < 0.1
        self.slept += 1
        with self.loop.transaction():
            self.loop.many("INSERT INTO reply (inbox, seq, outcome) VALUES (?, ?, ?)", self.replies.get(self.slept, []))


def test_replies_are_awaited(path: Path, loop: Database) -> None:
    sleeper = Sleeper(loop, {2: [(4, None, "duplicate"), (3, 9, "ok")], 5: [(1, 10, "ok")]})
    assert wait_reply(path, [1, 4], 5, sleeper) == [
        Reply(inbox=1, seq=10, outcome="ok"),
        Reply(inbox=4, seq=None, outcome="duplicate"),
    ]
    assert sleeper.slept == 5


def test_replies_that_are_there_already_cost_no_sleep(path: Path, loop: Database) -> None:
    loop.execute("INSERT INTO reply (inbox, seq, outcome) VALUES (1, 2, 'ok')")
    sleeper = Sleeper(loop, {})
    assert wait_reply(path, [1], 5, sleeper) == [Reply(inbox=1, seq=2, outcome="ok")]
    assert wait_reply(path, [], 5, sleeper) == []
    assert sleeper.slept == 0


def test_waiting_ends_with_the_replies_there_are(path: Path, loop: Database) -> None:
    sleeper = Sleeper(loop, {3: [(1, 2, "ok")]})
    assert wait_reply(path, [1, 2], 1, sleeper) == [Reply(inbox=1, seq=2, outcome="ok")]
    assert sleeper.slept == 50
