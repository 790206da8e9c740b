"""Whatever a test lets the engine write is replayed when the test is over: same entries, same state, chain sound.

A plugin of the whole suite (tests/conftest.py names it). It notes every file that an appliance closes, and every story of the
kernel tests. What somebody else has touched since is left alone: such tests damage files on purpose, and say themselves what must
come of it. Of the hundreds of files and stories that one property makes, a few are looked at.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import wraps
from pathlib import Path

import msgspec
import pytest
from kernel_builder import Story

from dee_appliance.kernel.e1.compiled import CompiledPlan
from dee_appliance.kernel.e1.run import Attempt, Given, Run
from dee_appliance.replay.compare_state import TABLES, verify_state
from dee_appliance.replay.verify import verify
from dee_appliance.runtime.appliance import Appliance
from dee_appliance.store.database import Database, open_scratch
from dee_appliance.store.journal import InputRow, Journal, write_genesis

FILES_A_TEST = 12
STORIES_A_TEST = 3
COLUMNS = InputRow.__struct_fields__
REPLAYED = ("input", "given", "audit", *(table.name for table in TABLES))

Look = tuple[int, int, int]
"""Size, time of the last change and inode: equal while nobody else has written."""

_closed: dict[Path, Look] = {}
_counted = {"files": 0, "stories": 0, "stories of this test": 0}
"""How many were replayed in this process."""


def _look(path: Path) -> Look:
    found = path.stat()
    return found.st_size, found.st_mtime_ns, found.st_ino


def pytest_configure() -> None:
    """Let appliances and stories tell what they have written."""
    close, end = Appliance.close, Story.close

    @wraps(close)
    def closing(self: Appliance) -> None:
        close(self)
        if self.database.failure is None and self.path.exists():
            _closed[self.path] = _look(self.path)

    @wraps(end)
    def ending(self: Story) -> None:
        if _counted["stories of this test"] < STORIES_A_TEST:
            _replay_story(self)
        end(self)

    Appliance.close = closing  # type: ignore[method-assign]
    Story.close = ending  # type: ignore[method-assign]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item) -> Iterator[None]:
    """Replay the files that the test has left, when everybody has closed them."""
    try:
        yield
    finally:
        files = list(_closed.items())[-FILES_A_TEST:]
        _closed.clear()
        _counted["stories of this test"] = 0
    if item.get_closest_marker("breaks_its_file"):
        return
    for path, look in files:
        if path.exists() and _look(path) == look:
            _counted["files"] += 1
            _replay(path)


class Recorded:
    """A shell that gives what was given the first time."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def give(self, seq: int, ordinal: int, attempt: Attempt, run: Run, plan: CompiledPlan) -> Given:
        """Read the record."""
        del attempt, run, plan
        row = self._database.one("SELECT body FROM given WHERE seq = ? AND ordinal = ?", (seq, ordinal))
        assert row is not None
        return msgspec.json.decode(row[0], type=Given)


def _replay_story(story: Story) -> None:
    """Apply the inputs again. Not by the command: the templates that a story's plans name exist nowhere."""
    first = story.journal.database
    if first.in_transaction:
        return
    _counted["stories"] += 1
    _counted["stories of this test"] += 1
    with open_scratch(reverse_unordered=True) as database:
        with database.transaction():
            write_genesis(database, story.journal.genesis)
            database.many(
                "INSERT INTO document VALUES (?, ?, ?, ?)", first.execute("SELECT * FROM document ORDER BY 1")
            )
            journal = Journal(database, Recorded(first))
            for row in first.execute(f"SELECT {', '.join(COLUMNS)} FROM input ORDER BY seq"):
                journal.apply(InputRow(**dict(zip(COLUMNS, row, strict=True))))
            journal.flush()
        for table in REPLAYED:
            rows = f"SELECT * FROM {table} ORDER BY 1, 2"
            assert database.execute(rows) == first.execute(rows), (
                f"{table} of what this test has done replays otherwise"
            )


def _replay(path: Path) -> None:
    compared = verify_state(path)
    assert compared.replay.same, f"what this test has written replays otherwise: {compared.replay.divergence}"
    assert compared.ok, f"what this test has written has another state than its replay: {compared.error()}"
    verified = verify(path)
    assert verified.ok, f"what this test has written does not verify: {verified.findings}"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say how many (without workers: each counts for itself)."""
    if _counted["files"] or _counted["stories"]:
        terminalreporter.write_line(f"replayed: {_counted['files']} files, {_counted['stories']} stories")
