"""What people did, in a history with something changed: pauses and tasks."""

from __future__ import annotations

from pathlib import Path

from report_files import START, serve_until
from test_what_if_courses import DAY_S, HOUR_S, PLAN, asked, beside, ends, make, standings, tell

from dee_appliance import Engine
from dee_appliance.replay.what_if import BEYOND
from dee_appliance.runtime.clock import SetClock
from dee_appliance.runtime.reports import RunFilter

TWO_WAITS = ('for   = "3d"', 'for   = "12h"\nnext  = "more"\n[[step]]\nid    = "more"\ndo    = "wait"\nfor   = "60h"')
"""Half a day for a reply, and two days and a half for nothing: the second letter goes at the same second."""


def test_a_pause_ends_in_both_courses_wherever_the_run_stood(tmp_path: Path) -> None:
    engine = make(tmp_path)
    (run,) = engine.runs(RunFilter(contact="cleo"))
    Engine(engine.path, clock=SetClock(START + DAY_S)).operate("pause", [run.run])
    Engine(engine.path, clock=SetClock(START + 2 * DAY_S)).operate("resume", [run.run])
    engine.serve(until_idle=True)
    found, told = asked(engine, plans=(beside(engine, "plan.toml", *TWO_WAITS),))
    cleo = told["cleo"]
    assert (cleo.before, cleo.after, cleo.beyond) == ("COMPLETED(no_reply)", "COMPLETED(no_reply)", None)
    assert (found.dropped, found.sends) == ({}, {"send_email": (6, 6)})


TASK = """
id      = "visit"
do      = "task"
instructions = "Visit them"
within  = "1d"
next    = "lost"
on      = { done = "won" }
[[step]]
"""


def test_nobody_knows_what_people_would_have_done_with_a_task_that_they_were_not_given(tmp_path: Path) -> None:
    engine = tell(make(tmp_path))
    plan = beside(engine, "plan.toml", 'id      = "lost"', TASK.strip() + '\nid      = "lost"')
    found, told = asked(engine, plans=(plan,))
    assert ends(told) == {"cleo": BEYOND}
    assert told["cleo"].beyond is not None
    assert told["cleo"].beyond.step == "visit"
    assert found.uncertain_from == told["cleo"].beyond.tick


def test_a_task_that_was_given_at_that_second_is_done_as_it_was_done(tmp_path: Path) -> None:
    engine = make(tmp_path, plan=PLAN.replace('id      = "lost"', TASK.strip() + '\nid      = "lost"'))
    (run,) = engine.runs(RunFilter(contact="cleo"))
    serve_until(engine, START + 3 * DAY_S)
    Engine(engine.path, clock=SetClock(START + 3 * DAY_S + HOUR_S)).finish_task(run.run, "done")
    engine.serve(until_idle=True)
    assert standings(engine)["cleo"] == "COMPLETED(replied)"
    _, told = asked(engine, plans=(beside(engine, "plan.toml", '"no_reply"', '"silence"'),))
    assert ends(told) == dict.fromkeys(("ann", "ben"), "COMPLETED(silence)"), "who was not visited in time"
