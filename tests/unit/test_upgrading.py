"""`dee upgrade` on real files: what it says, what it leaves, and that nothing is written when nobody wants it."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import apsw
import pytest
from blake3 import blake3
from recorded_files import rich_file
from running_files import HandClock, make_file, why_disarmed
from second_epoch import newer_program, second_format

from dee_appliance import Engine
from dee_appliance.errors import EvidenceError, HostError, Newer, Refused
from dee_appliance.replay.compare_state import verify_state
from dee_appliance.replay.replay import replay
from dee_appliance.replay.verify import verify
from dee_appliance.runtime import upgrading
from dee_appliance.runtime.appliance import Appliance, open_appliance
from dee_appliance.runtime.upgrading import Upgrade, versions_of
from dee_appliance.store import schema
from dee_appliance.store.database import open_reader, open_writer
from dee_appliance.store.inbox import InboxRow, append_inbox
from dee_appliance.store.state_dir import StateDir

pytestmark = pytest.mark.breaks_its_file
"""Not replayed once more after the test: then the newer program is gone."""

START = 1_795_424_400


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a file that the program of today has made."""
    folder = tmp_path_factory.mktemp("made")
    make_file(folder, contacts=5, clock=HandClock(START))
    return folder


@pytest.fixture
def engine(made: Path, tmp_path: Path) -> Engine:
    """A copy of that file, armed."""
    folder = tmp_path / "desk"
    shutil.copytree(made, folder)
    engine = Engine(folder / "own.db", clock=HandClock(START), state_dir=StateDir(folder / "state"))
    engine.arm()
    return engine


@pytest.fixture
def newer(engine: Engine, tmp_path: Path) -> Iterator[None]:
    """From here on the program is a newer one."""
    del engine
    with newer_program(tmp_path):
        yield


def everything(folder: Path) -> dict[str, str]:
    """Every file of a folder with the hash of its bytes; not the empty ones that SQLite puts beside a file that is only read."""
    files = (
        path
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.suffix != ".db-shm" and path.stat().st_size
    )
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def numbers(path: Path) -> tuple[int, int]:
    versions = versions_of(path)
    return versions.file_format, versions.epoch


def test_there_is_nothing_to_upgrade_in_a_file_of_today(engine: Engine) -> None:
    before = everything(engine.path.parent)
    done = engine.upgrade()
    assert (done.done, done.versions.current, done.backup, done.preview) == (False, True, None, None)
    assert everything(engine.path.parent) == before


@pytest.mark.usefixtures("newer")
def test_a_dry_run_says_everything_and_writes_nothing(engine: Engine) -> None:
    before = everything(engine.path.parent)
    looked = engine.upgrade(dry_run=True)
    assert everything(engine.path.parent) == before
    assert (looked.done, looked.backup, looked.entry) == (False, None, None)
    assert looked.preview is not None
    assert (looked.preview.epoch, looked.preview.runs, looked.preview.changed) == (2, 5, 0)
    assert (looked.versions.newest_format, looked.versions.newest_epoch) == (2, 2)


@pytest.mark.usefixtures("newer")
def test_an_upgrade_makes_a_copy_and_then_does_all_of_it(engine: Engine) -> None:
    before = engine.path.read_bytes()
    shown: list[Upgrade] = []

    def confirm(planned: Upgrade) -> bool:
        assert numbers(engine.path) == (1, 1), "nothing is done before somebody has confirmed it"
        shown.append(planned)
        return True

    done = engine.upgrade(confirm=confirm)
    (planned,) = shown
    assert (planned.backup, planned.preview) == (done.backup, done.preview)
    assert done.backup is not None
    backup = Path(done.backup.path)
    assert backup.name == f"own.db.before-upgrade-{done.entry}"
    assert done.backup.digest == blake3(backup.read_bytes()).hexdigest()
    assert (numbers(backup), numbers(engine.path)) == ((1, 1), (2, 2))
    assert why_disarmed(backup, engine.path.parent / "state").startswith("this is a copy")
    assert why_disarmed(engine.path) == "", "the upgraded file is as armed as it was"
    assert len(before) > 0
    assert verify(engine.path).ok
    assert verify_state(engine.path).ok
    assert replay(backup).same


@pytest.mark.usefixtures("newer")
def test_an_upgraded_file_has_the_tables_of_a_new_one(engine: Engine) -> None:
    engine.upgrade()
    fresh = Engine.create(engine.path.with_name("fresh.db"), clock=HandClock(START))
    with open_reader(engine.path) as upgraded, open_reader(fresh.path) as made:
        assert upgraded.fingerprint() == made.fingerprint()
        assert upgraded.file_format() == made.file_format() == 2
        assert "note_of_the_tests" in {name for _, name, _, _ in schema.expected_objects()}


@pytest.mark.usefixtures("newer")
def test_an_older_file_is_run_read_and_replayed_as_it_is(engine: Engine) -> None:
    engine.halt()
    engine.release()
    assert numbers(engine.path) == (1, 1)
    assert verify(engine.path).ok
    assert verify_state(engine.path).ok


def test_a_format_can_move_while_the_epoch_stays(engine: Engine, tmp_path: Path) -> None:
    with second_format(tmp_path):
        log = verify(engine.path).entries
        done = engine.upgrade()
        assert (done.done, done.entry, done.preview) == (True, None, None)
        assert numbers(engine.path) == (2, 1)
        assert verify(engine.path).entries == log, "a format is no input"
        assert verify_state(engine.path).ok


@pytest.mark.usefixtures("newer")
def test_who_does_not_confirm_keeps_the_file_as_it_was(engine: Engine) -> None:
    before = everything(engine.path.parent)
    with pytest.raises(Refused, match="nobody confirmed"):
        engine.upgrade(confirm=lambda _: False)
    assert everything(engine.path.parent) == before


@pytest.mark.usefixtures("newer")
@pytest.mark.parametrize("place", ["confirm", "progress"])
def test_who_breaks_off_leaves_no_copy(engine: Engine, place: str) -> None:
    """Pressing Ctrl-C is no answer; nor does a look ahead that fails leave a file of that size behind."""
    before = sorted(path.name for path in engine.path.parent.iterdir())

    def break_off(*_: object) -> bool:
        raise KeyboardInterrupt

    answers: dict[str, Any] = {place: break_off}
    with pytest.raises(KeyboardInterrupt):
        engine.upgrade(**answers)
    assert sorted(path.name for path in engine.path.parent.iterdir()) == before
    assert numbers(engine.path) == (1, 1)


@pytest.mark.usefixtures("newer")
def test_of_two_who_upgrade_at_once_the_second_has_nothing_to_do(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It had looked before the first was done, and gets the lock when that is over."""
    first: list[Upgrade] = []

    def beaten(*about: Any, **options: Any) -> Appliance:
        monkeypatch.undo()
        first.append(engine.upgrade())
        return open_appliance(*about, **options)

    monkeypatch.setattr(upgrading, "open_appliance", beaten)
    second = engine.upgrade()
    assert ([one.done for one in first], second.done, second.backup) == ([True], False, None)
    assert verify_state(engine.path).ok


@pytest.mark.usefixtures("newer")
def test_what_waited_was_there_first_and_is_decided_by_the_old_epoch(engine: Engine) -> None:
    row = InboxRow(source="operator", received=START, kind="hold.set", payload=b'{"on":true,"scope":"*"}')
    append_inbox(engine.path, [row])
    done = engine.upgrade()
    with open_reader(engine.path) as database:
        bodies = [json.loads(row[0])["core"] for row in database.execute("SELECT body FROM audit ORDER BY seq")]
    assert done.entry is not None
    assert [bodies[at]["action"] for at in (done.entry - 1, done.entry)] == ["halt", "epoch"]
    assert verify_state(engine.path).ok


@pytest.mark.usefixtures("newer")
def test_a_file_that_runs_is_not_upgraded(engine: Engine) -> None:
    state = StateDir(engine.path.parent / "state")
    with (
        open_appliance(engine.path, "dee serve", clock=HandClock(START), state_dir=state),
        pytest.raises(HostError, match="another process runs this file: dee serve"),
    ):
        engine.upgrade()
    assert numbers(engine.path) == (1, 1)


@pytest.mark.usefixtures("newer")
def test_the_second_upgrade_has_nothing_to_do(engine: Engine) -> None:
    engine.upgrade()
    before = everything(engine.path.parent)
    assert not engine.upgrade().done
    assert everything(engine.path.parent) == before


def test_a_rich_past_is_looked_at_run_by_run(tmp_path: Path) -> None:
    path = rich_file(tmp_path)
    with newer_program(tmp_path):
        looked = Engine(path, state_dir=StateDir(tmp_path / "state")).upgrade(dry_run=True)
    assert looked.preview is not None
    assert 0 < looked.preview.changed < looked.preview.runs
    assert all(one.recorded != one.other for one in looked.preview.first)


# -- files that say one thing and are another ---------------------------------------------------------------------------


@pytest.mark.usefixtures("newer")
def test_a_file_that_only_says_that_it_is_newer_is_altered(engine: Engine) -> None:
    connection = apsw.Connection(str(engine.path))
    connection.execute("PRAGMA user_version = 2")
    connection.close()
    with pytest.raises(EvidenceError, match="note_of_the_tests_by_text is missing"):
        open_writer(engine.path)


@pytest.mark.usefixtures("newer")
def test_a_table_of_the_next_format_does_not_belong_into_this_one(engine: Engine) -> None:
    connection = apsw.Connection(str(engine.path))
    connection.execute(schema.step_text(2))
    connection.execute("PRAGMA user_version = 1")
    connection.close()
    with pytest.raises(EvidenceError, match="note_of_the_tests_by_text is not ours"):
        open_writer(engine.path)


def test_a_format_that_is_only_in_the_write_ahead_log_is_seen(engine: Engine, tmp_path: Path) -> None:
    connection = apsw.Connection(str(engine.path))
    connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
    with second_format(tmp_path):
        connection.execute(f"BEGIN; {schema.step_text(2)} COMMIT")
        connection.close()
        assert numbers(engine.path) == (2, 1)
    for opening in (open_reader, open_writer):
        with pytest.raises(Newer, match="format 2"):
            opening(engine.path)
    assert verify(engine.path).ok
