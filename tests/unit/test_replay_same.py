"""A replay gives the recorded entries, from the inputs alone, wherever and however it is done."""

from __future__ import annotations

import json
from pathlib import Path
from time import process_time

import apsw
import pytest
from recorded_files import Recorder, attacker, contact_id, rich_file, write_plain_file

from dee_appliance.errors import Divergence, EvidenceError, Newer, Refused
from dee_appliance.kernel.e1 import input as inputs
from dee_appliance.kernel.e1.compiled import CompiledPlan
from dee_appliance.kernel.e1.run import Attempt, Given, Run
from dee_appliance.replay import replay as module
from dee_appliance.replay.replay import Options, replay
from dee_appliance.replay.verify import verify
from dee_appliance.store.journal import InputRow
from dee_appliance.store.lock import LoopLock
from dee_appliance.store.state import State

STATE = (
    "contact", "address", "consent", "suppression", "plan", "enrolment", "run", "timer", "attempt", "counter", "hold", "setting",
    "breaker", "run_trail", "contact_trail", "ledger", "vault", "seen", "inbox", "reply",
)  # fmt: skip


def heads_in(path: Path) -> dict[str, tuple[int, str]]:
    """Length and head of every run's chain as the file's own table has them."""
    with attacker(path) as connection:
        bodies = [json.loads(body) for (body,) in connection.execute("SELECT body FROM run ORDER BY run_no")]
    return {body["run"]: (body["rs"], body["rp"]) for body in bodies}


def test_a_replay_gives_the_recorded_entries_and_run_heads(tmp_path: Path) -> None:
    path = rich_file(tmp_path)
    report = replay(path)
    assert report.same
    assert report.error() is None
    assert report.divergence is None
    assert report.entries == verify(path).entries
    assert report.inputs == verify(path).inputs
    assert report.heads == heads_in(path)
    assert report.given > 30


def test_the_recorded_file_has_a_bit_of_everything(tmp_path: Path) -> None:
    """What the other tests say holds only for what is in this file: every action and status of interest is."""
    path = rich_file(tmp_path)
    with attacker(path) as connection:
        bodies = [json.loads(body)["core"] for (body,) in connection.execute("SELECT body FROM audit ORDER BY seq")]
        marks = {mark for (mark,) in connection.execute("SELECT DISTINCT mark FROM ledger ORDER BY mark")}
    seen = {(core["action"], core["outcome"]) for core in bodies}
    assert seen >= {
        ("send_email", "accepted"), ("send_email", "rejected"), ("send_email", "unknown"), ("send_email", "confirmed"),
        ("send_email", "denied"), ("send_email", "not_rendered"), ("send_sms", "held"), ("call", "ongoing"),
        ("call", "no_answer"),
        ("wait", "met"), ("wait", "elapsed"), ("branch", "taken"), ("split", "a"), ("split", "b"), ("task", "done"),
        ("exit", "opted_out"), ("pause", "paused"), ("resume", "resumed"), ("cancel", "cancelled"), ("cancel", "erased"),
        ("retry", "retried"), ("resolve", "resend"), ("skip", "skipped"), ("hold", "daily_limit"), ("halt", "halt"),
        ("hold", "channel_unavailable"), ("release", "due"), ("enroll", "scheduled"), ("input", "nothing"), ("input", "rejected"),
    }  # fmt: skip
    assert marks == {"DISPATCHING", "ACCEPTED", "REJECTED", "UNKNOWN", "NOT_SENT", "ABANDONED"}


def test_rows_in_another_order_change_nothing(tmp_path: Path) -> None:
    assert replay(rich_file(tmp_path), options=Options(reverse_unordered=True)).same


def test_the_size_of_a_batch_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BATCH", 1)
    assert replay(rich_file(tmp_path)).same


def test_a_large_file_is_replayed_on_the_disk_and_leaves_nothing_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "IN_MEMORY_BYTES", 0)
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    assert replay(rich_file(tmp_path), options=Options(scratch=scratch)).same
    assert list(scratch.iterdir()) == []


def test_a_replay_needs_no_vault_and_no_table_of_state(tmp_path: Path) -> None:
    """The proof that replay reads the first row, the inputs, the documents and the renderings only: nothing else is there."""
    whole = replay(rich_file(tmp_path, "whole.db"))
    bare = rich_file(tmp_path, "bare.db")
    with attacker(bare) as connection:
        for table in STATE:
            connection.execute(f"DELETE FROM {table}")
    report = replay(bare)
    assert report.same
    assert report.heads == whole.heads


def test_a_replay_on_another_machine_needs_only_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    path = rich_file(elsewhere)
    path.chmod(0o400)
    for variable in ("HOME", "DEE_STATE_DIR", "DEE_DB", "TZ", "LANG"):
        monkeypatch.setenv(variable, "/nowhere")
    monkeypatch.chdir(elsewhere)
    assert replay(path).same


def test_a_replay_changes_no_byte_of_the_file(tmp_path: Path) -> None:
    path = rich_file(tmp_path)
    before = path.read_bytes()
    replay(path)
    verify(path)
    assert path.read_bytes() == before


def test_a_busy_file_is_read_from_a_copy(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path / "busy.db")
    lock = LoopLock.try_acquire(recorder.database.path, "test", "now")
    assert lock is not None
    with lock:
        recorder.put(inputs.HoldSet(scope="*", on=True))
        assert verify(recorder.database.path).ok
        report = replay(recorder.database.path)
        assert report.same
        assert report.inputs == 1
    recorder.close()


def test_rows_that_are_still_in_the_wal_are_read(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path / "wal.db")
    recorder.put(inputs.HoldSet(scope="*", on=True))
    assert verify(recorder.database.path).inputs == 1
    assert replay(recorder.database.path, options=Options(untrusted=True)).inputs == 1
    recorder.close()


def test_progress_is_told_to_the_end(tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    report = replay(rich_file(tmp_path), progress=lambda done, total: told.append((done, total)))
    assert told[-1] == (report.inputs, report.inputs)
    told.clear()
    verify(rich_file(tmp_path), progress=lambda done, total: told.append((done, total)))
    assert told[-1] == (report.entries, report.entries)


def test_an_empty_file_replays(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path / "empty.db")
    recorder.close()
    report = replay(tmp_path / "empty.db")
    assert (report.same, report.entries, report.inputs) == (True, 1, 0)
    assert verify(tmp_path / "empty.db").ok


# -- one run -----------------------------------------------------------------------------------------------------------


def test_one_run_is_shown_on_both_sides(tmp_path: Path) -> None:
    path = rich_file(tmp_path)
    for run, (length, _) in list(replay(path).heads.items())[:5]:
        trace = replay(path, run=run).run
        assert trace is not None
        assert trace.recorded == trace.replayed
        assert len(trace.recorded) == length
        assert all(json.loads(body)["run"] == run for body in trace.recorded)


def test_a_run_that_diverges_is_shown_as_recorded_and_as_replayed(tmp_path: Path) -> None:
    path = rich_file(tmp_path)
    with attacker(path) as connection:
        sql = 'SELECT seq, body FROM audit WHERE body LIKE \'%"outcome":"no_answer"%\' ORDER BY seq LIMIT 1'
        seq, body = next(connection.execute(sql))
        changed = str(body).replace('"outcome":"no_answer"', '"outcome":"no_reply"')
        connection.execute("UPDATE audit SET body = ? WHERE seq = ?", (changed, seq))
    run = json.loads(changed)["run"]
    report = replay(path, run=run)
    assert report.divergence is not None
    assert report.divergence.run == run
    assert report.run is not None
    assert len(report.run.recorded) == len(report.run.replayed)
    assert changed in report.run.recorded
    assert changed not in report.run.replayed


def test_a_run_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="there is no run run_nobody"):
        replay(rich_file(tmp_path), run="run_nobody")


# -- a divergence is an error with its own exit code ---------------------------------------------------------------------


def test_a_divergence_says_what_to_do_and_has_its_own_exit_code(tmp_path: Path) -> None:
    path = rich_file(tmp_path)
    with attacker(path) as connection:
        connection.execute("UPDATE input SET received = 1 WHERE seq = 7")
    error = replay(path).error()
    assert isinstance(error, Divergence)
    assert error.exit_code == 3
    assert error.hint is not None
    assert "run `dee verify`" in error.hint
    assert "input 7" in error.what
    found = verify(path).error()
    assert found is not None
    assert found.exit_code == 4


# -- rendering again -----------------------------------------------------------------------------------------------------


class Again:
    """A renderer of today: the same, another template, another length, or nothing where the data are gone."""

    def __init__(self, path: Path) -> None:
        with attacker(path) as connection:
            bodies = [
                json.loads(body) for (body,) in connection.execute("SELECT body FROM given ORDER BY seq, ordinal")
            ]
        self.recorded = {(body["send_key"], body["attempt"], body["code"]): body for body in bodies}
        self.asked = 0
        self.change: dict[str, object] = {}

    def __call__(self, state: State, row: InputRow, attempt: Attempt, run: Run, plan: CompiledPlan) -> Given | None:
        assert state.run_by_no(run.no) == run
        assert plan.digest == run.digest
        assert row.kind == "dispatch.pull"
        self.asked += 1
        if attempt.contact == contact_id(1):
            return None
        code = "missing_field" if attempt.contact == contact_id(5) else "ok"
        return Given(**{**self.recorded[(attempt.send_key, attempt.attempt, code)], **self.change})


def test_rendering_again_gives_the_same_messages(tmp_path: Path) -> None:
    path = rich_file(tmp_path)
    again = Again(path)
    report = replay(path, options=Options(rerender=again))
    assert report.same
    assert report.renderer is not None
    assert report.renderer.differing == 0
    assert report.renderer.skipped > 0
    assert report.renderer.checked + report.renderer.skipped == again.asked == report.given


@pytest.mark.parametrize(
    ("change", "cause"),
    [({"bytes": 7}, "renderer"), ({"template": "b3:other"}, "template"), ({"renderer": "x"}, "renderer")],
)
def test_another_renderer_is_reported_and_is_no_divergence(
    change: dict[str, object], cause: str, tmp_path: Path
) -> None:
    path = rich_file(tmp_path)
    again = Again(path)
    again.change = change
    report = replay(path, options=Options(rerender=again))
    assert report.same
    assert report.renderer is not None
    first = report.renderer.differences[0]
    field, value = next(iter(change.items()))
    assert (first.field, first.actual, first.cause) == (field, value, cause)
    assert report.renderer.differing == report.renderer.checked


# -- files that cannot be replayed ---------------------------------------------------------------------------------------


def test_an_unknown_epoch_is_left_to_a_newer_version(tmp_path: Path) -> None:
    path = rich_file(tmp_path)
    with attacker(path) as connection:
        connection.execute("UPDATE genesis SET semantics = 2")
        body = str(next(connection.execute("SELECT body FROM audit WHERE seq = 0"))[0])
        body = body.replace('"semantics":1', '"semantics":2')
        from dee_appliance.kernel.e1.encoding import leaf_hash  # noqa: PLC0415 - one forger needs it

        connection.execute("UPDATE audit SET body = ?, leaf = ? WHERE seq = 0", (body, leaf_hash(body.encode())))
    with pytest.raises(Newer, match="epoch 2"):
        replay(path)


def test_a_file_of_another_program_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "other.db"
    connection = apsw.Connection(str(path))
    connection.execute("CREATE TABLE t (x); INSERT INTO t VALUES (1)")
    connection.close()
    for read in (replay, verify):
        with pytest.raises(Refused, match="another program"):
            read(path)


def test_no_file_and_no_database_are_refused(tmp_path: Path) -> None:
    (tmp_path / "text.db").write_text("hello")
    for name in ("nothing.db", "text.db"):
        for read in (replay, verify):
            with pytest.raises(Refused):
                read(tmp_path / name)


def test_a_newer_file_is_left_to_a_newer_version(tmp_path: Path) -> None:
    path = rich_file(tmp_path)
    with attacker(path) as connection:
        connection.execute("PRAGMA user_version = 99")
    with pytest.raises(Newer, match="newer DEE"):
        replay(path)
    report = verify(path)
    assert report.ok, "the log can be checked by a program of any version"
    assert "what format 99 adds: a newer DEE made the file" in report.not_covered


def test_a_file_that_was_cut_short_is_named(tmp_path: Path) -> None:
    path = rich_file(tmp_path)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    for read in (replay, verify):
        with pytest.raises(EvidenceError, match="cut short"):
            read(path)


def test_a_file_with_altered_tables_is_not_replayed(tmp_path: Path) -> None:
    path = rich_file(tmp_path)
    with attacker(path) as connection:
        connection.execute("DROP TRIGGER audit_no_update")
    with pytest.raises(EvidenceError, match="trigger audit_no_update is missing"):
        replay(path)


@pytest.mark.slow
def test_many_runs_are_verified_and_replayed(tmp_path: Path) -> None:
    path = write_plain_file(tmp_path / "plain.db", 300)
    report = replay(path)
    assert report.same
    assert len(report.heads) == 300
    assert verify(path).ok


@pytest.mark.slow
def test_verify_reads_well_over_ten_thousand_entries_in_a_second_of_processor_time(tmp_path: Path) -> None:
    """A guard against a slip of several times; the figures themselves are measured in bench/."""
    path = write_plain_file(tmp_path / "plain.db", 1_000)
    before = process_time()
    report = verify(path)
    assert report.ok
    assert report.entries / (process_time() - before) > 10_000


def test_reading_a_file_of_somebody_else_leaves_nothing_beside_it(tmp_path: Path) -> None:
    folder, scratch = tmp_path / "there", tmp_path / "scratch"
    folder.mkdir()
    scratch.mkdir()
    path = rich_file(folder)
    verify(path, untrusted=True, scratch=scratch)
    replay(path, options=Options(untrusted=True, scratch=scratch))
    assert [one.name for one in folder.iterdir()] == [path.name]
    assert list(scratch.iterdir()) == []
