"""Copies, and files put back or moved: none of them sends anything until a person arms it again."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from running_files import make_file, marks, people, sent, statuses, why_disarmed

from dee_appliance import Engine
from dee_appliance.errors import DeeError, EvidenceError, HostError, Refused
from dee_appliance.kernel.e1.input import SuppressionSet, encode_input
from dee_appliance.replay.verify import verify
from dee_appliance.runtime.appliance import open_appliance
from dee_appliance.runtime.reports_status import BEHIND
from dee_appliance.store.inbox import InboxRow, append_inbox
from dee_appliance.store.lock import lock_file
from dee_appliance.store.state_dir import StateDir

FIRST = 5
"""Contacts who have got their message before anything is copied."""
LATER = 3
"""Contacts whose message still waits in the queue of the copy."""


@pytest.fixture
def original(tmp_path: Path) -> Engine:
    """An armed file that has sent five messages and has three more in its queue."""
    engine = make_file(tmp_path, contacts=FIRST)
    engine.arm()
    engine.serve(until_idle=True)
    enroll_more(engine)
    assert len(sent(engine.path)) == FIRST
    return engine


def enroll_more(engine: Engine, name: str = "later") -> None:
    engine.import_contacts(people(engine.path.parent, name, LATER))
    assert engine.enroll("notes").outcomes["done"] == LATER


def at(path: Path, original: Engine) -> Engine:
    """Return the engine of a copy on the same host: the memory outside is the same."""
    return Engine(path, state_dir=StateDir(original.path.parent / "state"))


def by_cp(original: Engine, target: Path) -> None:
    shutil.copy(original.path, target)


def by_snapshot(original: Engine, target: Path) -> None:
    original.snapshot(target)


def by_hard_link(original: Engine, target: Path) -> None:
    os.link(original.path, target)


COPIES = pytest.mark.parametrize("copy", [by_cp, by_snapshot, by_hard_link])


@COPIES
def test_a_copy_runs_and_sends_nothing(original: Engine, tmp_path: Path, copy: Callable[[Engine, Path], None]) -> None:
    target = tmp_path / "copy.db"
    copy(original, target)
    reason = why_disarmed(target, tmp_path / "state")
    assert reason == f"this is a copy; the armed file is {original.path}"
    engine = at(target, original)
    engine.serve(until_idle=True)
    assert sent(target) == []
    assert marks(engine)["DISPATCHING"] == FIRST
    assert statuses(engine) == {"WAITING": FIRST, "ACTIVE": LATER}


def test_a_copy_goes_on_living_without_sending(original: Engine, tmp_path: Path) -> None:
    """Its loop admits, fires and decides; only nothing leaves."""
    target = tmp_path / "copy.db"
    original.snapshot(target)
    engine = at(target, original)
    with engine.view() as view:
        contact = view.contact_ids()[0]
    engine.add_event("invoice.paid", contact=contact)
    enroll_more(engine, "copied")
    engine.serve(until_idle=True)
    assert statuses(engine)["ACTIVE"] == 2 * LATER
    assert sent(target) == []
    assert verify(target).ok


def test_a_snapshot_of_a_busy_file_sends_nothing_and_calls_what_was_in_flight_unknown(
    original: Engine, tmp_path: Path
) -> None:
    target = tmp_path / "copy.db"
    with open_appliance(original.path, "a busy loop", state_dir=StateDir(tmp_path / "state")) as busy:
        loop = busy.loop()
        loop.turn()
        original.snapshot(target)
        loop.finish(1.0)
    engine = at(target, original)
    assert engine.serve(until_idle=True).recovered == LATER
    assert sent(target) == []
    assert marks(engine)["UNKNOWN"] == LATER
    assert len(sent(original.path)) == FIRST + LATER
    assert verify(target).ok


def test_a_copy_sends_once_it_is_armed_and_the_original_does_not_any_more(original: Engine, tmp_path: Path) -> None:
    target = tmp_path / "copy.db"
    original.snapshot(target)
    engine = at(target, original)
    engine.arm()
    engine.serve(until_idle=True)
    assert len(sent(target)) == LATER
    assert "this is a copy" in why_disarmed(original.path)
    original.serve(until_idle=True)
    assert len(sent(original.path)) == FIRST


def test_a_copy_cannot_be_armed_while_the_armed_file_is_running(original: Engine, tmp_path: Path) -> None:
    """Both would send the same messages to the same people."""
    target = tmp_path / "copy.db"
    original.snapshot(target)
    with open_appliance(original.path, "dee serve", state_dir=StateDir(tmp_path / "state")):
        with pytest.raises(HostError, match="another process sends for this file"):
            at(target, original).arm()
        assert why_disarmed(original.path) == ""
    at(target, original).arm()


def test_a_file_whose_loop_runs_is_not_armed_under_its_feet(tmp_path: Path) -> None:
    engine = make_file(tmp_path, contacts=LATER)
    with open_appliance(engine.path, "dee serve", state_dir=StateDir(tmp_path / "state")) as running:
        loop = running.loop()
        with pytest.raises(HostError, match="dee serve"):
            engine.arm()
        while loop.turn():
            pass
    assert sent(engine.path) == []
    assert why_disarmed(engine.path) != ""


def test_a_disarmed_loop_sends_nothing_from_that_moment_on(original: Engine, tmp_path: Path) -> None:
    with open_appliance(original.path, "dee serve", state_dir=StateDir(tmp_path / "state")) as running:
        loop = running.loop()
        original.disarm()
        while loop.turn():
            pass
        loop.finish()
    assert len(sent(original.path)) == FIRST


def test_a_loop_whose_lock_was_deleted_sends_nothing_from_that_moment_on(original: Engine, tmp_path: Path) -> None:
    """Another process could take a lock of that name, and both would think that they are alone."""
    with open_appliance(original.path, "dee serve", state_dir=StateDir(tmp_path / "state")) as running:
        loop = running.loop()
        lock_file(original.path).unlink()
        while loop.turn():
            pass
        loop.finish()
    assert len(sent(original.path)) == FIRST
    original.serve(until_idle=True)
    assert len(sent(original.path)) == FIRST + LATER


def test_a_file_that_was_moved_is_disarmed(original: Engine, tmp_path: Path) -> None:
    target = tmp_path / "elsewhere" / "own.db"
    target.parent.mkdir()
    original.path.rename(target)
    assert why_disarmed(target, tmp_path / "state") == f"this is a copy; the armed file is {original.path}"
    engine = at(target, original)
    engine.serve(until_idle=True)
    assert sent(target) == []
    engine.arm()
    engine.serve(until_idle=True)
    assert len(sent(target)) == LATER


def test_a_symbolic_link_is_the_same_file(original: Engine, tmp_path: Path) -> None:
    link = tmp_path / "link.db"
    link.symlink_to(original.path)
    assert why_disarmed(link, tmp_path / "state") == ""


def test_a_file_on_another_host_is_disarmed(original: Engine, tmp_path: Path) -> None:
    """The state directory was copied along, say with a home directory: its host id is another one there."""
    (tmp_path / "state" / "host-id").write_text("0" * 32)
    assert why_disarmed(original.path) == "the arming record was made on another host"
    original.serve(until_idle=True)
    assert len(sent(original.path)) == FIRST


def test_a_file_without_its_memory_outside_is_disarmed(original: Engine, tmp_path: Path) -> None:
    other = tmp_path / "fresh"
    assert why_disarmed(original.path, other) == "this file is not armed on this host"
    Engine(original.path, state_dir=StateDir(other)).serve(until_idle=True)
    assert len(sent(original.path)) == FIRST


def test_a_file_whose_tip_was_lost_is_disarmed(original: Engine, tmp_path: Path) -> None:
    with original.view() as view:
        (tmp_path / "state" / view.lineage.hex() / "tip").unlink()
    assert "tip" in why_disarmed(original.path)
    original.serve(until_idle=True)
    assert len(sent(original.path)) == FIRST


@pytest.mark.parametrize("damage", [b"", b"garbage", b"\0" * 100, b"\xff" * 8192])
def test_a_file_whose_tip_was_damaged_sends_nothing_and_can_be_armed_again(
    original: Engine, tmp_path: Path, damage: bytes
) -> None:
    with original.view() as view:
        (tmp_path / "state" / view.lineage.hex() / "tip").write_bytes(damage)
    with pytest.raises(EvidenceError, match="tip is damaged"):
        original.serve(until_idle=True)
    assert len(sent(original.path)) == FIRST
    with pytest.raises(Refused, match="not the newest state"):
        original.arm()
    original.arm(accept_loss=True)
    original.serve(until_idle=True)
    assert len(sent(original.path)) == FIRST + LATER


# -- an older state put back --


@pytest.fixture
def rolled_back(original: Engine, tmp_path: Path) -> Engine:
    """The armed file, with the state put back that it had before its last three sends."""
    backup = tmp_path / "backup.db"
    shutil.copy(original.path, backup)
    original.serve(until_idle=True)
    assert len(sent(original.path)) == FIRST + LATER
    shutil.copy(backup, original.path)
    return original


def forgotten_keys(engine: Engine) -> set[str]:
    """The send keys of the messages that were sent after the state which the file has now."""
    with engine.view() as view:
        known = {row[0] for row in view.database.execute("SELECT send_key FROM ledger ORDER BY send_key")}
    return {name.partition("-")[0] for name in sent(engine.path)} - known


def test_a_rolled_back_file_does_not_run_and_names_what_it_has_forgotten(rolled_back: Engine) -> None:
    with pytest.raises(EvidenceError) as refused:
        rolled_back.serve(until_idle=True)
    assert len(sent(rolled_back.path)) == FIRST + LATER
    keys = forgotten_keys(rolled_back)
    assert len(keys) == LATER
    told = str(refused.value)
    assert "behind what it had reached" in told
    assert f"{LATER} sends" in told
    assert all(key in told for key in keys)
    assert why_disarmed(rolled_back.path) == BEHIND


def contents(engine: Engine) -> tuple[int, int, int]:
    """How many entries, inputs and waiting rows a file has."""
    with engine.view() as view:
        rows = view.database.execute(
            "SELECT (SELECT count(*) FROM audit), (SELECT count(*) FROM input), (SELECT count(*) FROM inbox)"
        )
    entries, inputs, waiting = rows[0]
    return entries, inputs, waiting


def test_a_rolled_back_file_takes_no_commands(rolled_back: Engine) -> None:
    """What it would decide, it would decide without knowing what it has done."""
    before = contents(rolled_back)
    for command in (rolled_back.halt, lambda: rolled_back.enroll("notes"), rolled_back.release):
        with pytest.raises(DeeError):
            command()
    assert contents(rolled_back) == before


def test_a_rolled_back_file_is_not_armed_by_the_way(rolled_back: Engine) -> None:
    with pytest.raises(Refused, match="accept-loss"):
        rolled_back.arm()
    with pytest.raises(EvidenceError):
        rolled_back.serve(until_idle=True)
    assert len(sent(rolled_back.path)) == FIRST + LATER


def test_a_person_may_accept_the_loss(rolled_back: Engine) -> None:
    """Then what was forgotten is sent again; that is what the person has accepted."""
    rolled_back.arm(accept_loss=True)
    rolled_back.serve(until_idle=True)
    again = [name for name in sent(rolled_back.path) if ".again-" in name]
    assert len(again) == LATER
    assert verify(rolled_back.path).ok


def test_a_rolled_back_file_that_is_disarmed_first_is_found_out_when_it_is_armed(rolled_back: Engine) -> None:
    rolled_back.disarm()
    rolled_back.serve(until_idle=True)
    with pytest.raises(Refused, match="accept-loss"):
        rolled_back.arm()
    assert len(sent(rolled_back.path)) == FIRST + LATER


def test_an_older_copy_armed_elsewhere_is_a_rollback_too(original: Engine, tmp_path: Path) -> None:
    target = tmp_path / "copy.db"
    shutil.copy(original.path, target)
    original.serve(until_idle=True)
    with pytest.raises(Refused, match="accept-loss"):
        at(target, original).arm()
    assert why_disarmed(original.path) == ""


def test_a_file_that_has_forgotten_only_answers_and_opt_outs_is_a_rollback_as_well(
    original: Engine, tmp_path: Path
) -> None:
    """Nothing was dispatched since the copy, but people have said things that an older state does not know."""
    original.serve(until_idle=True)
    backup = tmp_path / "backup.db"
    shutil.copy(original.path, backup)
    with original.view() as view:
        contact = view.contact_ids()[0]
    original.suppress(contact)
    shutil.copy(backup, original.path)
    with pytest.raises(EvidenceError, match="behind"):
        original.serve(until_idle=True)


def test_what_a_loop_learned_without_sending_is_remembered_outside_when_it_rests(
    original: Engine, tmp_path: Path
) -> None:
    backup = tmp_path / "backup.db"
    original.serve(until_idle=True)
    shutil.copy(original.path, backup)
    with original.view() as view:
        opt_out = encode_input(SuppressionSet(subject=view.contact_ids()[0], on=True, reason="opt_out"))
    row = InboxRow(source="webhook", received=original.now(), kind="suppression.set", payload=opt_out)
    append_inbox(original.path, [row])
    original.serve(until_idle=True)
    shutil.copy(backup, original.path)
    with pytest.raises(EvidenceError, match="behind"):
        original.serve(until_idle=True)
