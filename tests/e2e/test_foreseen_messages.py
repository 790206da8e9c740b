"""Messages that are rendered before their pull: what happens in between must not leave them as they were."""

from __future__ import annotations

from pathlib import Path

from running_files import HandClock, make_file, sent

from dee_appliance.kernel.e1.input import Verb, encode_input
from dee_appliance.replay.replay import Options, replay
from dee_appliance.runtime.rerender import Rerenderer
from dee_appliance.store.inbox import InboxRow, append_inbox


def test_a_message_of_a_run_that_was_paused_and_resumed_in_the_same_turn_has_its_new_date(tmp_path: Path) -> None:
    clock = HandClock(1_795_000_000)
    engine = make_file(tmp_path, contacts=1, clock=clock)
    engine.arm()
    with engine.view() as view:
        run = view.database.execute("SELECT run FROM run")[0][0]
    clock.go_on(500)
    verbs = (encode_input(Verb(run=run, verb="pause")), encode_input(Verb(run=run, verb="resume")))
    rows = [InboxRow(source="test", received=clock.now(), kind="run.verb", payload=verb) for verb in verbs]
    append_inbox(engine.path, rows)
    engine.serve(until_idle=True)
    assert len(sent(engine.path)) == 1
    with engine.view() as view:
        report = replay(engine.path, options=Options(rerender=Rerenderer(view.database))).renderer
    assert report is not None
    assert (report.checked, report.differing) == (1, 0)
