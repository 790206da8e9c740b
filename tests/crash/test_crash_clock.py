"""A clock that cannot be trusted stops everything from leaving, until a person says that it is right."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from running_files import HandClock, holds, make_file, people, sent

from dee_appliance import Engine
from dee_appliance.kernel.e1.input import Event, SuppressionSet, encode_input
from dee_appliance.runtime.appliance import open_appliance
from dee_appliance.runtime.loop import Loop, LoopLimits
from dee_appliance.store.inbox import InboxRow, append_inbox
from dee_appliance.store.state_dir import StateDir

START = 1_795_000_000
ASKS = """
plan = "notes"
version = 1
purpose = "transactional"

[attributes]
tier = "int"

[[step]]
id = "first"
do = "send_email"
template = "note"

[[step]]
id = "answer"
do = "wait"
until = 'replied("first")'
then = "won"
for = "1h"

[[step]]
id = "lost"
do = "end"
outcome = "silence"

[[step]]
id = "won"
do = "end"
outcome = "replied"
"""
DAY_S = 86_400
HOUR_S = 3_600


@pytest.fixture
def clock() -> HandClock:
    return HandClock(START)


@pytest.fixture
def engine(tmp_path: Path, clock: HandClock) -> Engine:
    """A file in which three sends wait, and three more will be due after an hour."""
    made = make_file(tmp_path, contacts=3, clock=clock)
    made.arm()
    return made


@contextmanager
def running(engine: Engine, clock: HandClock, limits: LoopLimits | None = None) -> Iterator[Callable[[], None]]:
    """Open the file as a loop does, and give a function that lets the loop do all it can now."""
    state = StateDir(engine.path.parent / "state")
    with open_appliance(engine.path, "a loop", clock=clock, state_dir=state) as appliance:
        loop: Loop = appliance.loop(limits=limits)
        loop.recover()

        def turn_until_quiet() -> None:
            while loop.turn():
                pass

        yield turn_until_quiet
        loop.finish()


def test_a_wall_clock_that_jumps_ahead_stops_what_is_queued(engine: Engine, clock: HandClock) -> None:
    with running(engine, clock) as go:
        clock.wall += 2 * HOUR_S
        go()
        assert sent(engine.path) == []
    assert holds(engine) == [("*", "clock_jumped")]


def test_a_person_confirms_a_clock_that_was_set_right(engine: Engine, clock: HandClock) -> None:
    with running(engine, clock) as go:
        clock.wall += 2 * HOUR_S
        go()
    engine.release()
    engine.serve(until_idle=True)
    assert len(sent(engine.path)) == 3


def test_a_clock_that_jumps_while_others_keep_writing_is_noticed_at_once(engine: Engine, clock: HandClock) -> None:
    """Work that waits must not keep the loop from looking at the clock."""
    with running(engine, clock) as go:
        clock.wall += 2 * HOUR_S
        with engine.view() as view:
            contact = view.contact_ids()[0]
        event = encode_input(Event(name="invoice.paid", contact=contact))
        append_inbox(engine.path, [InboxRow(source="test", received=clock.wall, kind="event", payload=event)])
        go()
    assert sent(engine.path) == []


def test_a_wall_clock_that_jumps_back_moves_no_tick_and_sends_nothing(engine: Engine, clock: HandClock) -> None:
    with running(engine, clock) as go:
        clock.wall -= 2 * HOUR_S
        go()
        assert sent(engine.path) == []
    assert holds(engine) == [("*", "clock_jumped")]
    with engine.view() as view:
        assert view.last_tick == START


def test_nothing_leaves_before_the_time_that_the_log_has_reached(engine: Engine, clock: HandClock) -> None:
    """Also after a release: a message would carry a date that has not come."""
    clock.wall -= 2 * HOUR_S
    engine.serve(until_idle=True)
    engine.release()
    engine.serve(until_idle=True)
    assert sent(engine.path) == []
    clock.go_on(2 * HOUR_S)
    engine.release()
    engine.serve(until_idle=True)
    assert len(sent(engine.path)) == 3


def test_a_small_step_of_the_clock_disturbs_nobody(engine: Engine, clock: HandClock) -> None:
    with running(engine, clock) as go:
        clock.wall += 50
        go()
    assert len(sent(engine.path)) == 3
    assert holds(engine) == []


def test_a_sleep_of_the_machine_is_no_jump(engine: Engine, clock: HandClock) -> None:
    with running(engine, clock) as go:
        clock.go_on(8 * HOUR_S)
        go()
    assert len(sent(engine.path)) == 3


def test_an_outage_of_an_hour_is_made_up_for(engine: Engine, clock: HandClock) -> None:
    clock.go_on(HOUR_S)
    engine.serve(until_idle=True)
    assert len(sent(engine.path)) == 3


def test_a_long_outage_needs_a_person(engine: Engine, clock: HandClock) -> None:
    clock.go_on(3 * DAY_S)
    engine.serve(until_idle=True)
    assert holds(engine) == [("*", "long_outage")]
    assert sent(engine.path) == []
    engine.release()
    engine.serve(until_idle=True)
    assert len(sent(engine.path)) == 3


def test_a_long_outage_needs_a_person_also_when_messages_were_in_flight(engine: Engine, clock: HandClock) -> None:
    """The recovery is a turn like any other, and must not pull before the outage is on the record."""
    state = StateDir(engine.path.parent / "state")
    with open_appliance(engine.path, "a process that dies", clock=clock, state_dir=state) as dying:
        dying.loop().turn()
    engine.import_contacts(people(engine.path.parent, "more", 2))
    engine.enroll("notes")
    clock.go_on(3 * DAY_S)
    engine.serve(until_idle=True)
    assert holds(engine) == [("*", "long_outage")]
    assert sent(engine.path) == []


def test_a_command_after_a_long_outage_does_not_hide_it(engine: Engine, clock: HandClock) -> None:
    """The command moves the log's tick to now; what it does not do is confirm anything."""
    clock.go_on(3 * DAY_S)
    engine.import_contacts(people(engine.path.parent, "late", 1))
    engine.serve(until_idle=True)
    assert holds(engine) == [("*", "long_outage")]
    assert sent(engine.path) == []


def test_an_outage_without_anything_to_make_up_for_disturbs_nobody(tmp_path: Path, clock: HandClock) -> None:
    """A file made on Friday and first used on Monday has nothing that could burst."""
    engine = make_file(tmp_path, contacts=0, clock=clock)
    engine.arm()
    clock.go_on(3 * DAY_S)
    engine.import_contacts(people(tmp_path, "base", 2))
    engine.enroll("notes")
    engine.serve(until_idle=True)
    assert holds(engine) == []
    assert len(sent(engine.path)) == 2


def test_replies_that_came_during_an_outage_are_older_than_the_timeouts(tmp_path: Path, clock: HandClock) -> None:
    """Also when there are more of them than one turn admits."""
    engine = make_file(tmp_path, contacts=20, clock=clock, plan=ASKS)
    engine.arm()
    engine.serve(until_idle=True)
    with engine.view() as view:
        keys = [row[0] for row in view.database.execute("SELECT send_key FROM attempt ORDER BY attempt_no")]
    replies = [encode_input(Event(name="email.replied", send_key=key)) for key in keys]
    at = clock.now() + HOUR_S // 2
    append_inbox(engine.path, [InboxRow(source="test", received=at, kind="event", payload=reply) for reply in replies])
    clock.go_on(3 * HOUR_S)
    with running(engine, clock, LoopLimits(rows=3, timers=4)) as go:
        go()
    with engine.view() as view:
        rows = view.database.execute("SELECT DISTINCT json_extract(body, '$.reason') FROM run ORDER BY 1")
    assert rows == [("replied",)]


def test_an_opt_out_from_a_second_that_has_not_come_wins_all_the_same(engine: Engine, clock: HandClock) -> None:
    """It was acknowledged before the pull; that the clock was set back a little since then is no reason to send."""
    with engine.view() as view:
        subjects = view.contact_ids()
    stops = [encode_input(SuppressionSet(subject=one, on=True, reason="opt_out")) for one in subjects]
    at = clock.now() + 20
    append_inbox(
        engine.path, [InboxRow(source="test", received=at, kind="suppression.set", payload=stop) for stop in stops]
    )
    engine.serve(until_idle=True)
    assert sent(engine.path) == []


def test_nothing_leaves_at_the_tick_of_a_backlog_that_took_long_to_drain(engine: Engine, clock: HandClock) -> None:
    """The gate would be asked about a time that is over: about hours that have closed, a day that has ended."""
    engine.serve(until_idle=True)
    clock.go_on(2 * HOUR_S)
    state = StateDir(engine.path.parent / "state")
    with open_appliance(engine.path, "a slow loop", clock=clock, state_dir=state) as appliance:
        loop = appliance.loop(limits=LoopLimits(timers=1))
        while loop.turn():
            clock.go_on(600)
        loop.finish()
    with engine.view() as view:
        rows = view.database.execute("SELECT tick FROM input WHERE kind = 'dispatch.pull' AND tick > ?", (START,))
    assert len(sent(engine.path)) == 6
    assert min(tick for (tick,) in rows) >= START + 2 * HOUR_S + 3 * 600  # three timers, one a turn


def test_an_opt_out_that_waits_behind_more_rows_than_one_turn_admits_wins_all_the_same(
    engine: Engine, clock: HandClock
) -> None:
    """Nothing is pulled while anything waits that was acknowledged before."""
    with engine.view() as view:
        subjects = view.contact_ids()
    stops = [encode_input(SuppressionSet(subject=one, on=True, reason="opt_out")) for one in subjects]
    append_inbox(
        engine.path,
        [InboxRow(source="test", received=clock.now(), kind="suppression.set", payload=stop) for stop in stops],
    )
    with running(engine, clock, LoopLimits(rows=1)) as go:
        go()
    assert sent(engine.path) == []
