"""A file that changes its semantics epoch: what was decided before stays and replays under its own, what comes after does not.

No second epoch ships. The one here is made by the tests (second_epoch.py) in the way that docs/versions.md describes, and is as
real as the first.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from recorded_files import Recorder, attacker, rich_file, write_small_file
from running_files import POLICY, HandClock, make_file, marks
from second_epoch import publish_of_schema_2, second_epoch

from dee_appliance.errors import Newer
from dee_appliance.kernel import epochs
from dee_appliance.kernel.e1 import input as inputs
from dee_appliance.kernel.e1.encoding import canonical
from dee_appliance.kernel.epochs import Kernel, newest_epoch
from dee_appliance.replay.compare_state import verify_state
from dee_appliance.replay.epoch_preview import preview_epoch
from dee_appliance.replay.export import check_export
from dee_appliance.replay.replay import replay
from dee_appliance.replay.verify import verify
from dee_appliance.runtime.debugger import debug
from dee_appliance.runtime.service import Stop
from dee_appliance.runtime.upgrading import versions_of
from dee_appliance.store.database import open_reader, open_writer
from dee_appliance.store.journal import Journal, NoShell

START = 1_795_424_400
A_NIGHT_S = 82_000
pytestmark = pytest.mark.breaks_its_file
"""Not replayed once more after the test: then the second epoch is gone. The tests do it themselves."""


@pytest.fixture
def e2(tmp_path: Path) -> Iterator[Kernel]:
    with second_epoch(tmp_path) as kernel:
        yield kernel


def log_of(path: Path) -> list[str]:
    with open_reader(path, newer=True) as database:
        return [row[0] for row in database.execute("SELECT body FROM audit ORDER BY seq")]


def small(folder: Path) -> Path:
    return write_small_file(folder / "small.db")


def whole(path: Path) -> None:
    """The file verifies, replays, and its state follows from its inputs."""
    assert verify(path).ok
    replayed = replay(path)
    assert replayed.same, replayed.divergence
    state = verify_state(path)
    assert state.ok, state.error()


# -- a whole life ------------------------------------------------------------------------------------------------------


class Limited:
    """A real file in which 40 people want a message and ten a day may leave; a day at a time."""

    def __init__(self, folder: Path) -> None:
        self.clock = HandClock(START)
        self.engine = make_file(folder, contacts=40, clock=self.clock, pause="300d")
        (folder / "limited.toml").write_text(POLICY.replace("limit = 1000000", "limit = 10"))
        self.engine.set_policy(folder / "limited.toml")
        self.engine.arm()

    @property
    def path(self) -> Path:
        return self.engine.path

    def a_day(self) -> int:
        """Serve until nothing may leave any more, sleep until the next day, and return how many messages have left in all."""
        self.engine.serve(until_idle=True, stop=Stop())
        self.clock.go_on(A_NIGHT_S)
        return marks(self.engine).get("ACCEPTED", 0)


def test_a_file_goes_on_under_the_new_epoch_and_keeps_its_past(tmp_path: Path) -> None:
    file = Limited(tmp_path)
    assert file.a_day() == 10
    with second_epoch(tmp_path):
        assert file.a_day() == 20, "a newer program runs the file as it is, under the file's own epoch"
        before = log_of(file.path)
        done = file.engine.upgrade()
        assert done.entry == len(before)
        assert (file.a_day(), file.a_day()) == (25, 30), "five a day under the second epoch"
        after = log_of(file.path)
        assert after[: len(before)] == before, "what was decided before the change stays, byte for byte"
        core = json.loads(after[done.entry])["core"]
        said = {"actor": "operator", "from": 1, "to": 2}
        assert (core["action"], core["outcome"], core["detail"]) == ("epoch", "used", said)
        assert versions_of(file.path).current
        whole(file.path)
        run = json.loads(next(body for body in reversed(after) if '"dispatched"' in body))["run"]
        assert check_export(file.engine.export(run)).ok, "the evidence of a run goes over the change"
    with pytest.raises(Newer, match="semantics epoch 2 decides in this file"):
        replay(file.path)
    assert verify(file.path).ok, "the log needs no kernel"


def test_the_debugger_asks_the_epoch_that_decided(tmp_path: Path) -> None:
    """The entry that holds a whole queue names no ladder: what the rules said is asked once more."""
    file = Limited(tmp_path)
    with second_epoch(tmp_path):
        file.engine.upgrade()
        assert file.a_day() == 5
        with open_reader(file.path) as database:
            ((sixth,),) = database.execute("SELECT run FROM run WHERE run_no = 6")
        moments = [moment for stop in debug(file.path, sixth).stops() for moment in stop.moments]
    (held,) = [moment for moment in moments if moment.action == "hold"]
    assert [rung.rule for rung in held.gate if rung.verdict != "pass"] == ["daily"]


# -- the table ---------------------------------------------------------------------------------------------------------


def test_a_new_file_is_made_under_the_newest_epoch(tmp_path: Path, e2: Kernel) -> None:
    del e2
    path = small(tmp_path)
    assert versions_of(path).epoch == newest_epoch() == 2
    whole(path)


def test_the_epochs_see_the_same_past_and_decide_otherwise(tmp_path: Path) -> None:
    """The first epoch, applied to what it recorded itself, changes nothing; the second halves the limit of the first day."""
    path = rich_file(tmp_path)
    assert preview_epoch(path, 1).changed == 0
    with second_epoch(tmp_path):
        preview = preview_epoch(path, 2)
    assert 0 < preview.changed < preview.runs
    first = preview.first[0]
    assert first.recorded is not None
    assert (first.recorded.action, first.recorded.outcome) == ("send_email", "dispatched")
    assert len(preview.first) <= 20


DECIDES = {
    *(
        "decide",
        "decide_due",
        "decide_file",
        "decide_pull",
        "ask_gate",
        "needed_counters",
        "next_permitted",
        "verdict_on",
        "wait_due",
    ),
    *("hold_released", "nothing_to_do", "malformed", "read_plan", "read_policy", "read_pack"),
}


def test_nobody_asks_an_epoch_past_the_table() -> None:
    """What decides is taken from the file's own kernel: an import of it would decide by epoch 1 for ever."""
    package = Path(epochs.__file__).parents[1]
    sources = [path for path in package.rglob("*.py") if "kernel" not in path.relative_to(package).parts]
    imports = re.compile(r"from dee_appliance\.kernel\.e\d+\.[\w.]+ import (\([^)]*\)|[^\n]*)")
    found = {
        (str(path.relative_to(package)), name)
        for path in sources
        for names in imports.findall(path.read_text(encoding="utf-8"))
        for name in re.findall(r"\w+", names)
        if name in DECIDES
    }
    assert len(sources) > 200
    assert found == set()


def change(recorder: Recorder, epoch: int) -> str:
    return recorder.put(inputs.EpochUse(epoch=epoch, actor="tester"))


def test_there_is_no_way_back_to_an_older_epoch(tmp_path: Path, e2: Kernel) -> None:
    del e2
    recorder = Recorder(tmp_path / "own.db")
    assert recorder.journal.state.epoch == 2
    assert [change(recorder, epoch) for epoch in (1, 2)] == ["rejected:not_newer"] * 2
    recorder.close()


def test_an_unknown_epoch_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path / "own.db")
    with pytest.raises(Newer, match="semantics epoch 7"):
        change(recorder, 7)
    recorder.journal.reload()
    assert recorder.database.execute("SELECT count(*) FROM input") == [(0,)]
    assert change(recorder, 1) == "rejected:not_newer"
    recorder.close()


def admit_and_fail(recorder: Recorder) -> None:
    payload = inputs.encode_input(inputs.EpochUse(epoch=2)).decode()
    with recorder.database.transaction():
        recorder.journal.admit(recorder.tick, recorder.tick, "test", "epoch.use", payload)
        assert recorder.journal.state.epoch == 2
        raise RuntimeError


def test_a_rollback_takes_the_epoch_back(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path / "own.db")
    with second_epoch(tmp_path):
        with pytest.raises(RuntimeError):
            admit_and_fail(recorder)
        recorder.journal.reload()
        assert recorder.journal.state.epoch == 1
        assert change(recorder, 2) == "done"
        recorder.database.close()
        with open_writer(tmp_path / "own.db") as database:
            assert Journal(database, NoShell()).state.epoch == 2


def test_nobody_brings_an_epoch_in_through_the_inbox(tmp_path: Path) -> None:
    engine = make_file(tmp_path, contacts=0)
    submitted = engine.submit(inputs.EpochUse(epoch=2))
    assert [reply.outcome for reply in submitted.replies] == ["rejected:malformed"]
    assert versions_of(engine.path).epoch == 1


def test_an_input_that_was_changed_into_an_epoch_is_tampering(tmp_path: Path) -> None:
    path = small(tmp_path)
    with attacker(path) as connection:
        connection.execute("UPDATE input SET kind = 'epoch.use', payload = '{\"epoch\":9}' WHERE kind = 'run.verb'")
    divergence = replay(path).divergence
    assert divergence is not None
    assert divergence.cause == "tampering"


# -- plan schemas ------------------------------------------------------------------------------------------------------


def test_a_plan_of_an_unknown_schema_is_refused_when_it_is_published(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path / "own.db")
    steps = [{"do": "end", "id": "end", "outcome": "done"}]
    plan = {"plan": "future", "purpose": "transactional", "schema": 2, "steps": steps, "version": 1}
    digest, brought = recorder.document("plan", canonical(plan))
    publish = inputs.PlanPublish(plan="future", version=1, digest=digest)
    assert recorder.put(publish, brought=brought) == "rejected:unknown_schema"
    recorder.close()
    assert replay(tmp_path / "own.db").same, "a refusal is recorded, and comes out the same"


def test_a_policy_or_pack_of_an_unknown_schema_is_not_one_to_keep_to(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path / "own.db")
    policy = {"id": "p", "rules": [], "schema": 2}
    pack = {"as_of": "2026-01-01", "id": "k", "notice": "n", "rules": [], "schema": 2, "version": "1"}
    digest, brought = recorder.document("policy", canonical(policy))
    assert recorder.put(inputs.PolicySet(digest=digest), brought=brought) == "rejected:malformed_document"
    digest, brought = recorder.document("pack", canonical(pack))
    assert recorder.put(inputs.PackUse(pack="k", digest=digest), brought=brought) == "rejected:malformed_document"
    digest, brought = recorder.document("policy", canonical({**policy, "schema": 1}))
    assert recorder.put(inputs.PolicySet(digest=digest), brought=brought) == "done"
    recorder.close()


def test_a_plan_of_an_unknown_schema_stops_every_opening_and_every_replay(tmp_path: Path) -> None:
    path = small(tmp_path)
    publish_of_schema_2(path)
    for look in (replay, open_reader, open_writer, versions_of):
        with pytest.raises(Newer, match="future@1 is written in plan schema 2"):
            look(path)
    assert verify(path).ok
