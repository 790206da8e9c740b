"""What a start does about what an earlier process left behind."""

from __future__ import annotations

from pathlib import Path

import pytest
from running_files import holds, make_file, marks, statuses, why_disarmed

from dee_appliance import Engine
from dee_appliance.errors import HostError
from dee_appliance.kernel.e1.input import Arm, encode_input
from dee_appliance.runtime.appliance import open_appliance
from dee_appliance.runtime.clock import WallClock
from dee_appliance.runtime.loop import LoopLimits
from dee_appliance.store.inbox import InboxRow, InboxWriter, append_inbox, staged_jobs
from dee_appliance.store.state_dir import StateDir

DAY_S = 86_400


def die_in_flight(engine: Engine) -> int:
    """Do what a process does that dies when its pull has committed and nothing has left. Returns how many were on their way."""
    with open_appliance(engine.path, "a process that dies", state_dir=StateDir(engine.path.parent / "state")) as dying:
        dying.loop(limits=LoopLimits(rows=10_000)).turn()
    return marks(engine)["DISPATCHING"]


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    made = make_file(tmp_path, contacts=100)
    made.arm()
    return made


def test_what_was_in_flight_is_unknown_and_its_run_has_failed(engine: Engine) -> None:
    in_flight = die_in_flight(engine)
    assert in_flight == 32
    served = engine.serve(until_idle=True)
    assert served.recovered == in_flight
    assert marks(engine)["UNKNOWN"] == in_flight
    assert statuses(engine)["FAILED"] == in_flight


def test_a_crash_says_nothing_about_the_channel(engine: Engine) -> None:
    die_in_flight(engine)
    engine.serve(until_idle=True)
    assert holds(engine) == []
    assert marks(engine)["ACCEPTED"] == 68


def staged(engine: Engine) -> list[int]:
    with engine.view() as view:
        return [job.rows for job in staged_jobs(view.database)]


def test_rows_of_an_import_that_died_long_ago_are_removed(engine: Engine) -> None:
    """They hold personal data that no erasure would find."""
    now = WallClock().now()
    with InboxWriter(engine.path) as writer:
        for job, received in ((7, now - 2 * DAY_S), (8, now - 60)):
            row = InboxRow(source="import", received=received, kind="contact.put", payload=b"{}", private={"vault": {}})
            writer.stage(job, [row, row])
    assert staged(engine) == [2, 2]
    engine.serve(until_idle=True)
    assert staged(engine) == [2]


def test_an_import_that_was_taken_for_dead_is_not_half_admitted(engine: Engine) -> None:
    row = InboxRow(source="import", received=1, kind="contact.put", payload=b"{}")
    with InboxWriter(engine.path) as writer:
        writer.stage(7, [row])
        engine.serve(until_idle=True)
        writer.stage(7, [row])
        with pytest.raises(HostError, match="1 of 2"):
            writer.release(7, expected=2)
        assert staged(engine) == [1]


def test_a_provider_that_goes_away_opens_the_breaker_once(engine: Engine) -> None:
    """All 32 in flight fail in a row; that is one fact about the channel, and one entry."""
    scenario = engine.path.parent / "scenario.toml"
    scenario.write_text('[[rule]]\nanswer = "unknown"\nsent = false\n')
    engine.path.with_name("own.db.toml").write_text(f'[channel.email]\noptions = {{ scenario = "{scenario}" }}\n')
    engine.serve(until_idle=True)
    assert holds(engine) == [("channel:email", "channel_unavailable")]
    with engine.view() as view:
        rows = view.database.execute('SELECT count(*) FROM audit WHERE body LIKE \'%"outcome":"channel_unavailable"%\'')
    assert rows == [(1,)]


def test_no_more_is_on_its_way_than_the_channel_has_places(engine: Engine) -> None:
    """The provider takes its time, and the loop goes on turning: a crash could never leave more than this unknown."""
    scenario = engine.path.parent / "scenario.toml"
    scenario.write_text('[[rule]]\nanswer = "accept"\nafter_polls = 1000\n')
    engine.path.with_name("own.db.toml").write_text(
        f'[channel.email]\nconcurrency = 7\noptions = {{ scenario = "{scenario}" }}\n'
    )
    with open_appliance(engine.path, "a loop", state_dir=StateDir(engine.path.parent / "state")) as appliance:
        loop = appliance.loop()
        for _ in range(20):
            loop.turn()
        assert marks(engine) == {"DISPATCHING": 7}


def test_an_arming_that_died_before_its_request_was_admitted_does_not_spoil_the_next_one(engine: Engine) -> None:
    request = encode_input(Arm(incarnation=2, actor="somebody who died"))
    append_inbox(engine.path, [InboxRow(source="operator", received=engine.now(), kind="file.arm", payload=request)])
    assert engine.arm() == 3
    assert why_disarmed(engine.path) == ""
