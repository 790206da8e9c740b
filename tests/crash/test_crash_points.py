"""Death before the nth act on the disk, for all n or a sample: by SIGKILL, and by a power cut that loses what was not synced."""

from __future__ import annotations

import json
import os
import random  # noqa: TID251 - a seed draws the sample
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

import pytest
from crash_checks import ChainWalk, check_after_kill, check_end, sandbox_keys
from crash_seed import SEED, announce
from running_files import holds, make_file, marks, people, sent, statuses, why_disarmed
from watched_disk import LOSSES

from dee_appliance import Engine
from dee_appliance.store.state_dir import StateDir

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
CONTACTS = 40
SAMPLE = int(os.environ.get("DEE_CRASH_SAMPLE", "12"))
"""Deaths looked at in each test; the campaign looks at every one (0)."""
HOW = ("kill", "power")


class Graveyard:
    """The process whose children die (crash_points.py), and the folder that each of them is given as it was."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._kept = folder.with_name("kept")
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join((str(ROOT), str(ROOT / "tests")))}
        self._process = subprocess.Popen(
            [sys.executable, str(HERE / "crash_points.py")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *of: object) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()

    @property
    def path(self) -> Path:
        """The file."""
        return self.folder / "own.db"

    @property
    def state(self) -> Path:
        """Its memory outside."""
        return self.folder / "state"

    def engine(self) -> Engine:
        """Return an engine for the file."""
        return Engine(self.path, state_dir=StateDir(self.state))

    def keep(self) -> None:
        """From here on every child finds the folder as it is now."""
        shutil.rmtree(self._kept, ignore_errors=True)
        shutil.copytree(self.folder, self._kept)

    def restore(self) -> None:
        """Put the folder back, under its old name."""
        shutil.rmtree(self.folder)
        shutil.copytree(self._kept, self.folder)

    def order(self, act: str, *, at: int = 0, how: str = "kill", **more: Any) -> dict[str, Any]:
        """Let a child act. Returns how it ended; a child that nobody killed must have done its work."""
        order = {"act": act, "file": str(self.path), "state": str(self.state), "at": at, "how": how, "seed": SEED + at}
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({**order, **more}) + "\n")
        self._process.stdin.flush()
        result: dict[str, Any] = json.loads(self._process.stdout.readline())
        assert result["died"] or not result["error"], result["error"]
        return result

    def deaths(self, act: str, how: str, *, sample: int = SAMPLE, **more: Any) -> Iterator[int]:
        """Give the folder after each death, at every act or at a sample of them. "power": with some loss or other."""
        self.keep()
        acts = self.order(act, how="kill" if how == "kill" else "coin", **more)["acts"]
        assert acts > 10, f"only {acts} acts: nothing was done"
        points = range(1, acts + 1)
        # The last act but one is always among them: by then what was to be done is done.
        chosen = sorted({acts - 1, *random.Random(SEED).sample(points, min(sample, acts))}) if sample else list(points)
        died = 0
        for at in chosen:
            self.restore()
            loss = "kill" if how == "kill" else random.Random(SEED + at).choice(LOSSES)
            died += self.order(act, at=at, how=loss, **more)["died"]
            yield at
        # Times differ from run to run, and so does the number of acts, a little.
        assert died >= 0.8 * len(chosen)


@pytest.fixture
def graveyard(tmp_path: Path) -> Iterator[Graveyard]:
    announce()
    folder = tmp_path / "folder"
    folder.mkdir()
    with Graveyard(folder) as made:
        yield made


def check_to_the_end(graveyard: Graveyard) -> None:
    """Look at what death has left, start again, and look at everything."""
    walk = ChainWalk()
    check_after_kill(graveyard.path, sandbox_keys(graveyard.path), walk)
    graveyard.engine().serve(until_idle=True)
    check_end(graveyard.path, graveyard.state, sandbox_keys(graveyard.path), walk, ended=False)


@pytest.mark.slow
def test_nothing_leaves_before_the_commit_and_then_the_tip_are_on_the_disk(graveyard: Graveyard) -> None:
    """Looked at from inside the adapter, for every message: the WAL is synced, the mark committed, the tip written and synced."""
    make_file(graveyard.folder, contacts=3 * CONTACTS).arm()
    result = graveyard.order("serve", how="coin", strict=True)
    assert result["passed"] == 3 * CONTACTS == len(sent(graveyard.path))


@pytest.mark.slow
@pytest.mark.parametrize("how", HOW)
def test_no_message_is_sent_twice_or_lost_wherever_a_loop_dies(graveyard: Graveyard, how: str) -> None:
    make_file(graveyard.folder, contacts=CONTACTS).arm()
    unknown = 0
    for at in graveyard.deaths("serve", how):
        check_to_the_end(graveyard)
        found = marks(graveyard.engine())
        unknown += found.get("UNKNOWN", 0)
        assert found["DISPATCHING"] == CONTACTS, at
        assert len(sent(graveyard.path)) + found.get("UNKNOWN", 0) >= CONTACTS, at
    assert unknown, "no death between the mark and the answer: the sample shows nothing"


@pytest.mark.slow
@pytest.mark.parametrize("how", HOW)
def test_a_recovery_that_dies_is_recovered_from(graveyard: Graveyard, how: str) -> None:
    """32 are in flight when the first process dies; then the second dies at some act of its own."""
    make_file(graveyard.folder, contacts=CONTACTS).arm()
    graveyard.keep()
    at = 5
    while marks(graveyard.engine()).get("DISPATCHING", 0) == 0:
        graveyard.restore()
        at += 1
        assert graveyard.order("serve", at=at)["died"]
    assert sent(graveyard.path) == []
    for _ in graveyard.deaths("serve", how):
        check_to_the_end(graveyard)
        assert marks(graveyard.engine())["UNKNOWN"] >= 32


@pytest.mark.slow
@pytest.mark.parametrize("how", HOW)
def test_a_file_is_armed_or_disarmed_and_never_in_between(graveyard: Graveyard, how: str) -> None:
    make_file(graveyard.folder, contacts=3)
    seen = set()
    for _ in graveyard.deaths("arm", how):
        armed = why_disarmed(graveyard.path) == ""
        seen.add(armed)
        graveyard.engine().serve(until_idle=True)
        assert len(sent(graveyard.path)) == (3 if armed else 0)
        graveyard.engine().arm()
        check_to_the_end(graveyard)
        assert len(sent(graveyard.path)) == 3
    assert seen == {True, False}


@pytest.mark.slow
@pytest.mark.parametrize("how", HOW)
def test_arming_anew_that_dies_leaves_the_file_disarmed(graveyard: Graveyard, how: str) -> None:
    make_file(graveyard.folder, contacts=3).arm()
    for _ in graveyard.deaths("arm", how):
        armed = why_disarmed(graveyard.path) == ""
        graveyard.engine().serve(until_idle=True)
        assert len(sent(graveyard.path)) == (3 if armed else 0)
        graveyard.engine().arm()
        check_to_the_end(graveyard)
        assert len(sent(graveyard.path)) == 3


@pytest.mark.slow
@pytest.mark.parametrize("how", HOW)
def test_an_import_is_whole_or_not_there(graveyard: Graveyard, how: str) -> None:
    make_file(graveyard.folder, contacts=2)
    csv = people(graveyard.folder, "more", 8)
    seen = set()
    for _ in graveyard.deaths("import", how, csv=str(csv)):
        graveyard.engine().serve(until_idle=True)
        with graveyard.engine().view() as view:
            count = len(view.contact_ids())
        seen.add(count)
        assert count in {2, 10}
        assert graveyard.engine().import_contacts(csv).new == 10 - count
        check_to_the_end(graveyard)
    assert seen == {2, 10}


@pytest.mark.slow
@pytest.mark.parametrize("how", HOW)
def test_a_bulk_enrolment_is_whole_or_not_there(graveyard: Graveyard, how: str) -> None:
    make_file(graveyard.folder, contacts=0)
    engine = graveyard.engine()
    engine.import_contacts(people(graveyard.folder, "more", 8))
    for _ in graveyard.deaths("enroll", how):
        graveyard.engine().serve(until_idle=True)
        assert sum(statuses(graveyard.engine()).values()) in {0, 8}
        check_to_the_end(graveyard)


@pytest.mark.slow
@pytest.mark.parametrize("how", HOW)
def test_a_file_is_made_whole_or_not_at_all(graveyard: Graveyard, how: str) -> None:
    for _ in graveyard.deaths("make", how):
        if graveyard.path.exists():
            check_to_the_end(graveyard)
        else:
            graveyard.order("make")


@pytest.mark.slow
def test_a_snapshot_appears_whole_or_not_at_all(graveyard: Graveyard) -> None:
    make_file(graveyard.folder, contacts=3).arm()
    target = graveyard.folder / "copy.db"
    for _ in graveyard.deaths("snapshot", "kill", target=str(target)):
        if target.exists():
            check_end(target, graveyard.state, sandbox_keys(target), ChainWalk(), ended=False)
        check_to_the_end(graveyard)


@pytest.mark.slow
@pytest.mark.parametrize("how", HOW)
def test_an_erasure_that_dies_is_finished_by_erasing_again(graveyard: Graveyard, how: str) -> None:
    """Whatever it had done by then: nothing was called done, and the second time the bytes are gone."""
    make_file(graveyard.folder, contacts=20)
    graveyard.engine().import_contacts(people(graveyard.folder, "forget", 1))
    with graveyard.engine().view() as view:
        contact = view.resolve_contact("forget-0@example.org")
    erased = set()
    for _ in graveyard.deaths("erase", how, contact=contact):
        with graveyard.engine().view() as view:
            erased.add(view.state.contact(contact).erased)
        assert graveyard.engine().erase_contact(contact).state == "done"
        wal = graveyard.path.with_name("own.db-wal")
        left = graveyard.path.read_bytes() + (wal.read_bytes() if wal.exists() else b"")
        assert b"forget-0" not in left
        check_to_the_end(graveyard)
    assert erased == {True, False}


@pytest.mark.slow
@pytest.mark.parametrize("how", HOW)
def test_a_halt_is_there_or_not(graveyard: Graveyard, how: str) -> None:
    make_file(graveyard.folder, contacts=3).arm()
    seen = set()
    for _ in graveyard.deaths("halt", how):
        halted = ("*", "halt") in holds(graveyard.engine())
        graveyard.engine().serve(until_idle=True)
        # What had only got as far as the inbox takes effect before anything leaves.
        stands = ("*", "halt") in holds(graveyard.engine())
        seen.add(stands)
        assert stands or not halted
        assert len(sent(graveyard.path)) == (0 if stands else 3)
        check_to_the_end(graveyard)
    assert seen == {True, False}
