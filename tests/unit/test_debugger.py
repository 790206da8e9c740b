"""The debugger: one run of a recorded file, walked forward and backward."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import NoReturn

import apsw
import pytest
from debug_checks import GARBAGE, after, check_stops
from recorded_files import EPOCH, attacker, contact_id, rich_file, write_small_file
from run_witness import witness

from dee_appliance import Engine
from dee_appliance.cli.debug_commands import Prompt
from dee_appliance.errors import Divergence, Refused
from dee_appliance.runtime import debugger
from dee_appliance.runtime.debugger import Break, Debugger, debug
from dee_appliance.runtime.reading import open_view
from dee_appliance.runtime.reports import LogFilter, log, run_show
from dee_appliance.store.lock import LoopLock


def run_of(path: Path, contact: int, plan: str = "outreach") -> str:
    with open_view(path) as view:
        sql = "SELECT run FROM run WHERE contact = ? AND plan = ? ORDER BY run_no"
        return str(view.database.execute(sql, (contact_id(contact), plan))[0][0])


def all_runs(path: Path) -> list[str]:
    with open_view(path) as view:
        return [row[0] for row in view.database.execute("SELECT run FROM run ORDER BY run_no")]


@pytest.fixture
def rich(tmp_path: Path) -> Path:
    return rich_file(tmp_path)


def first(path: Path) -> Debugger:
    """The run of the first contact: refused, tried again, paused, held behind a queue, ended."""
    return debug(path, run_of(path, 0))


def found_of_kind(path: Path, outcome: str) -> Debugger:
    """A run with an entry of this outcome."""
    with open_view(path) as view:
        run = next(line.run for line in log(view) if line.outcome == outcome and line.run)
    return debug(path, run)


@pytest.mark.slow
def test_the_stops_of_every_run_are_what_a_witness_saw(rich: Path) -> None:
    seen = witness(rich)
    runs = all_runs(rich)
    assert len(runs) > 25
    for run in runs:
        check_stops(rich, run, seen)


def test_the_last_stop_leaves_what_the_file_has(tmp_path: Path) -> None:
    path = write_small_file(tmp_path / "small.db")
    for run in all_runs(path):
        debugger = debug(path, run)
        left = after(debugger.end())
        with open_view(path) as view:
            found = view.state.run_by_id(run)
            assert found is not None
            attempts = view.database.execute(
                "SELECT body FROM attempt WHERE run_no = ? ORDER BY attempt_no", (found.no,)
            )
            lines = [line.hash for line in log(view, LogFilter(run=run))]
        assert (left["run.status"], left["run.head"], left["run.entries"]) == (found.status, found.rp, found.rs)
        states = [value for name, value in left.items() if name.startswith("attempt.") and name.endswith(".state")]
        assert states == [json.loads(body).get("state", "INTENDED") for (body,) in attempts]
        assert [line.hash for stop in debugger.stops() for line in stop.entries] == lines


@pytest.mark.slow
def test_a_stop_is_told_in_the_words_of_why(rich: Path) -> None:
    for run in all_runs(rich)[:12]:
        told = [
            (one.seq, one.text, one.gate) for stop in debug(rich, run).stops() for one in stop.moments if one.run == run
        ]
        with open_view(rich) as view:
            shown = [(one.seq, one.text, one.gate) for one in run_show(view, run).timeline]
        assert told == shown


@pytest.mark.slow
def test_a_question_that_stops_the_whole_queue_has_its_ladder(rich: Path) -> None:
    for run in all_runs(rich):
        for stop in debug(rich, run).stops():
            if stop.by == ("gate",) and not stop.entries:
                (hold,) = stop.moments
                assert (hold.action, stop.status) == ("hold", "ACTIVE")
                daily = next(rung for rung in hold.gate if rung.rule == "daily")
                assert (daily.verdict, daily.values) == ("hold", "16 of 16 on 2026-11-18")
                assert [line.action for line in stop.beside] == ["hold"]
                assert any(change.name.startswith("hold.") for change in stop.changes)
                return
    raise AssertionError("no queue was held by a question")


def test_it_walks_forward_and_back_and_stays_at_the_ends(rich: Path) -> None:
    debugger = first(rich)
    assert debugger.stop.number == 1
    assert debugger.back() is None
    second = debugger.next()
    assert second is not None
    assert second.number == 2
    assert debugger.next(1000) == debugger.stop == debugger.end()
    assert debugger.next() is None
    assert debugger.stop.number == len(debugger)
    assert debugger.back(len(debugger)) == debugger.start()
    assert debugger.next() == second


def test_it_goes_to_questions_failures_and_sends(rich: Path) -> None:
    debugger = first(rich)
    gate = debugger.gate()
    assert gate is not None
    assert gate.snapshot["counter.daily[2026-11-18]"] == "0 settled, 0 reserved"
    assert gate.sent
    failure = debugger.failure()
    assert failure is not None
    assert failure.moments[0].text.startswith("e-mail not sent: transient")
    again = debugger.send()
    assert again is not None
    assert again.moments[0].text == "e-mail handed to the provider (attempt 2)"
    assert debugger.send() is None
    assert debugger.stop == again
    assert debugger.send(backwards=True) == gate


def test_it_goes_to_a_tick_and_to_an_input(rich: Path) -> None:
    debugger = first(rich)
    for stop in list(debugger.stops()):
        assert debugger.goto_input(stop.input.seq) == stop
        assert debugger.goto_tick(EPOCH + stop.at.tick).at == stop.at
    last = debugger.end()
    assert debugger.goto_tick(EPOCH + 10**8) == last
    assert debugger.goto_tick(EPOCH + last.at.tick - 1).number == last.number - 1
    assert debugger.goto_input(last.input.seq - 1).number == last.number - 1
    for go in (debugger.goto_tick, debugger.goto_input, debugger.goto):
        with pytest.raises(Refused):
            go(0)


def test_it_stops_where_it_was_told_to(rich: Path) -> None:
    debugger = found_of_kind(rich, "held")
    debugger.breaks = [Break("rule", "hours")]
    held = debugger.proceed()
    assert held is not None
    assert any(rung.rule == "hours" and rung.verdict == "hold" for one in held.moments for rung in one.gate)
    debugger.start()
    debugger.breaks = [Break("step", "again")]
    assert debugger.proceed() is not None
    assert debugger.stop.step == "again" or "again" in {line.step for line in debugger.stop.entries}
    debugger.breaks = [Break("action", "enroll")]
    assert debugger.proceed() is None
    assert debugger.proceed(backwards=True) == debugger.stop_at(1)
    debugger.breaks = [Break("watch", "run.status")]
    changed = debugger.proceed()
    assert changed is not None
    assert "run.status" in {change.name for change in changed.changes}


def test_what_other_inputs_changed_stands_at_the_next_stop(rich: Path) -> None:
    """A new address, a wider policy, a queue that was let go: none of them touches the run, and its next decision reads them."""
    since = [change for stop in debug(rich, run_of(rich, 9)).stops() for change in stop.since]
    assert ("contact.token.email", "mail009", "mail909") in [(one.name, one.before, one.after) for one in since]
    assert any(one.name.startswith("hold.") for one in since)


# ---- the file ----


@pytest.mark.parametrize("untrusted", [False, True])
def test_the_file_is_not_changed_wherever_it_lies(rich: Path, tmp_path: Path, *, untrusted: bool) -> None:
    run = run_of(rich, 0)
    before, names = rich.read_bytes(), sorted(tmp_path.iterdir())
    stops = list(debug(rich, run, untrusted=untrusted).stops())
    assert rich.read_bytes() == before
    assert sorted(tmp_path.iterdir()) == names
    copy = tmp_path / "copy.db"
    shutil.copyfile(rich, copy)
    copy.chmod(0o400)
    assert list(debug(copy, run, untrusted=untrusted).stops()) == stops
    assert copy.read_bytes() == before


def test_a_file_that_is_being_written_is_debugged_as_it_is_now(rich: Path) -> None:
    run = run_of(rich, 0)
    whole = len(debug(rich, run))
    connection = apsw.Connection(str(rich))
    lock = LoopLock.try_acquire(rich, "a loop", "2026-11-23")
    assert lock is not None
    with lock:
        connection.execute("PRAGMA journal_mode = WAL").fetchall()
        connection.execute("INSERT INTO inbox (source, received, kind, payload) VALUES ('test', 1, 'event', '{}')")
        assert len(debug(rich, run)) == whole
    connection.close()


def test_a_run_that_is_not_there_is_refused(rich: Path) -> None:
    for untrusted in (False, True):
        with pytest.raises(Refused, match="there is no run `run_nobody_x`"):
            debug(rich, "run_nobody_x", untrusted=untrusted)


def spoil(path: Path, seq: int) -> None:
    """Change one input as somebody who may write the file would."""
    with attacker(path) as connection:
        connection.execute("UPDATE input SET tick = tick + 1 WHERE seq = ?", (seq,))


def test_where_the_file_does_not_replay_the_stops_end(rich: Path) -> None:
    run = run_of(rich, 0)
    whole = list(debug(rich, run).stops())
    spoil(rich, whole[3].input.seq)
    debugger = debug(rich, run)
    assert list(debugger.stops())[:3] == whole[:3]
    assert debugger.report.divergence is not None
    assert debugger.report.divergence.input == whole[3].input.seq
    assert isinstance(debugger.divergence, Divergence)
    assert [stop.same for stop in debugger.stops()] == [True] * 3 + [False] * (len(debugger) - 3)
    assert len(debugger) in (3, 4)


def test_a_stop_that_is_not_as_recorded_says_so(rich: Path) -> None:
    run = run_of(rich, 0)
    whole = list(debug(rich, run).stops())
    assert whole[8].entries
    spoil(rich, whole[8].input.seq)
    debugger = debug(rich, run)
    last = debugger.end()
    assert (last.number, last.same) == (9, False)
    assert last.entries[0].hash != whole[8].entries[0].hash
    told = Prompt(debugger).do("show divergence")
    assert told is not None
    assert told.lines[0].startswith("✘ this file does not replay: it diverges at entry")
    assert any(line.startswith("  recorded entry") for line in told.lines)


def test_a_file_that_diverges_before_the_run_begins_has_nothing_to_walk(rich: Path) -> None:
    run = run_of(rich, 0)
    spoil(rich, 20)
    with pytest.raises(Divergence):
        debug(rich, run)


# ---- commands ----


def test_no_line_makes_the_prompt_crash(rich: Path) -> None:
    prompt = Prompt(first(rich))
    refusals = []
    for line in GARBAGE:
        try:
            answer = prompt.do(line)
        except Refused as refused:
            refusals.append(str(refused))
        else:
            assert answer is None or answer.record["command"]
    assert len(refusals) > 15


def test_the_engine_debugs_as_the_command_does(rich: Path) -> None:
    run = run_of(rich, 0)
    debugger = Engine(rich).debug(run)
    assert debugger.failure() == debug(rich, run).failure()
    with pytest.raises(IndexError):
        debugger.stop_at(0)


def test_somebody_elses_file_is_replayed_in_a_process_of_its_own(rich: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> NoReturn:
        raise Refused(f"replayed by {os.getpid()}")

    monkeypatch.setattr(debugger, "replay", refuse)
    with pytest.raises(Refused, match="replayed by") as told:
        debug(rich, "run_nobody_x", untrusted=True)
    assert told.value.what != f"replayed by {os.getpid()}"
