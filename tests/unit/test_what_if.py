"""What other rules would have said of the recorded past, and what they would say of the sends that wait."""

from __future__ import annotations

import hashlib
import shutil
import socket
from pathlib import Path
from typing import NoReturn

import pytest
from gate_files import EIGHT_IN_NEW_YORK, POLICY, make_gate_file
from report_files import START, serve_until

from dee_appliance import Engine
from dee_appliance.errors import Refused
from dee_appliance.replay.changed_rules import FlipSummary
from dee_appliance.replay.rule_flips import RecordedFlip
from dee_appliance.replay.what_if import WhatIf, WhatIfOptions
from dee_appliance.runtime.changed_documents import ChangedFiles
from dee_appliance.runtime.reports import LogFilter, RunFilter, log, select_runs
from dee_appliance.runtime.rules_preview import PendingFlip, RulesPreview

HOUSE = "house.toml"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file that sent a letter to each of four people, without any pack."""
    engine = make_gate_file(tmp_path_factory.mktemp("past"), policy=POLICY.replace("limit = 3", "limit = 4"))
    engine.enroll("letter")
    engine.serve(until_idle=True)
    return engine.path.parent


@pytest.fixture
def engine(made: Path, tmp_path: Path) -> Engine:
    """A copy of the file."""
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
    return Engine(tmp_path / "gate.db")


def beside(engine: Engine, name: str) -> str:
    return str(engine.path.parent / name)


def with_policy(engine: Engine, old: str, new: str) -> str:
    """Write a policy that differs from the file's in one place."""
    text = (engine.path.parent / "policy.toml").read_text("utf-8")
    assert old in text
    (engine.path.parent / "other.toml").write_text(text.replace(old, new), "utf-8")
    return beside(engine, "other.toml")


def asked(
    engine: Engine, *, packs: tuple[str, ...] = (), retire: tuple[str, ...] = (), policy: str | None = None
) -> tuple[WhatIf, list[RecordedFlip]]:
    flips: list[RecordedFlip] = []
    change = engine.changed_history(ChangedFiles(packs=packs, retire=retire, policy=policy))
    found = engine.what_if(change, options=WhatIfOptions(on_flip=flips.append))
    assert found.flips is not None
    return found, flips


def summary(found: WhatIf) -> FlipSummary:
    assert found.flips is not None
    return found.flips


def previewed(engine: Engine, **change: object) -> tuple[RulesPreview, list[PendingFlip]]:
    flips: list[PendingFlip] = []
    return engine.preview_rules(engine.changed_rules(**change), on_flip=flips.append), flips  # type: ignore[arg-type]


def contact_of(engine: Engine, key: str) -> str:
    with engine.view() as view:
        return view.resolve_contact(key)


def verdicts(engine: Engine, flips: list[RecordedFlip]) -> dict[str, tuple[str, str, int | None]]:
    keys = {contact_of(engine, key): key for key in ("K-1", "K-2", "K-3", "K-4", "K-5")}
    return {keys[flip.contact]: (flip.after.label, flip.after.reason, flip.after.until) for flip in flips}


def status_of(engine: Engine, key: str) -> tuple[str, str]:
    with engine.view() as view:
        (row,) = select_runs(view, RunFilter(contact=view.resolve_contact(key), plan="letter"))
    return row.status, row.reason


# -- what-if -----------------------------------------------------------------------------------------------------------


def test_a_pack_says_which_entries_would_have_got_another_verdict(engine: Engine) -> None:
    found, flips = asked(engine, packs=(beside(engine, HOUSE),))
    assert (summary(found).asked, summary(found).flips, found.unseen, found.uncounted) == (5, 2, 0, ())
    assert verdicts(engine, flips) == {
        "K-1": ("hold house/florida-hours", "outside_hours", EIGHT_IN_NEW_YORK),
        "K-3": ("deny house/florida-hours", "unknown_jurisdiction", None),
    }
    assert {flip.before.label for flip in flips} == {"allow"}
    assert [(one.before, one.after, one.count) for one in summary(found).changes] == [
        ("allow", "deny house/florida-hours", 1),
        ("allow", "hold house/florida-hours", 1),
    ]
    assert (summary(found).by_plan, summary(found).by_channel) == ({"letter": 2}, {"email": 2})


def test_a_flip_names_the_entry_in_which_the_verdict_stands(engine: Engine) -> None:
    _, flips = asked(engine, packs=(beside(engine, HOUSE),))
    with engine.view() as view:
        lines = {line.seq: line for line in log(view, LogFilter(action="send_email"))}
    assert [(lines[one.entry].outcome, lines[one.entry].run, one.tick) for one in flips] == [
        ("dispatched", one.run, START) for one in flips
    ]


def test_what_it_says_is_what_a_file_with_the_pack_does(engine: Engine, tmp_path: Path) -> None:
    (tmp_path / "twin").mkdir()
    twin = make_gate_file(tmp_path / "twin", policy=POLICY.replace("limit = 3", "limit = 4"))
    twin.use_pack(beside(engine, HOUSE))
    twin.enroll("letter")
    with twin.view() as view:
        entries = view.log_size
    twin.serve(until_idle=True)
    keys = {contact_of(twin, key): key for key in ("K-1", "K-2", "K-3", "K-4", "K-5")}
    told: dict[str, str] = {}
    with twin.view() as view:
        for line in log(view, LogFilter(first=entries)):
            if line.run is not None and "gate" in line.detail:
                run = view.state.run_by_id(line.run)
                assert run is not None
                verdict = {"dispatched": "allow", "held": "hold"}.get(line.outcome, "deny")
                told.setdefault(keys[run.contact], f"{verdict} {line.detail.get('rule', '')}".rstrip())
    _, flips = asked(engine, packs=(beside(engine, HOUSE),))
    expected = {key: label for key, (label, _, _) in verdicts(engine, flips).items()}
    assert {key: verdict for key, verdict in told.items() if key in expected} == expected
    assert all(told[key] == "allow" for key in ("K-2", "K-4"))


def test_the_rules_in_use_change_nothing(engine: Engine) -> None:
    found, flips = asked(engine, policy=beside(engine, "policy.toml"))
    assert (flips, summary(found).asked, summary(found).otherwise) == ([], 5, 0)


def test_a_pack_that_was_in_use_can_be_left_out(engine: Engine) -> None:
    engine.use_pack(beside(engine, HOUSE))
    engine.enroll("letter", ["K-3"])
    engine.serve(until_idle=True)
    assert status_of_all(engine, "K-3")[-1] == ("FAILED", "denied:unknown_jurisdiction")
    found, flips = asked(engine, retire=("house",))
    assert summary(found).flips == 1
    assert (flips[0].before.label, flips[0].after.label) == ("deny house/florida-hours", "hold day")


def status_of_all(engine: Engine, key: str) -> list[tuple[str, str]]:
    with engine.view() as view:
        rows = list(select_runs(view, RunFilter(contact=view.resolve_contact(key))))
    return [(row.status, row.reason) for row in rows]


def test_a_limit_is_asked_with_what_it_had_counted_then(engine: Engine) -> None:
    other = with_policy(
        engine, 'id    = "day"\nkind  = "daily_limit"\nlimit = 4', 'id    = "day"\nkind  = "daily_limit"\nlimit = 1'
    )
    found, flips = asked(engine, policy=other)
    assert (found.uncounted, [flip.after.label for flip in flips]) == ((), ["hold day"] * 3)


def test_a_limit_that_did_not_exist_is_not_asked_and_is_named(engine: Engine) -> None:
    other = with_policy(
        engine, 'id    = "day"\nkind  = "daily_limit"\nlimit = 4', 'id    = "other"\nkind  = "daily_limit"\nlimit = 1'
    )
    found, flips = asked(engine, policy=other)
    assert (found.uncounted, flips) == (("other",), [])


def test_a_message_is_made_again_to_look_into_it_unless_its_data_are_gone(engine: Engine) -> None:
    found, flips = asked(engine, packs=("us-federal",))
    assert "deny us-federal/can-spam-content" in {flip.after.label for flip in flips}
    assert "FAILED(denied:content)" in {one.after for one in found.shown}
    for key in ("K-1", "K-2"):
        engine.erase_contact(key)
    found, flips = asked(engine, packs=("us-federal",))
    assert (found.unseen, found.unmade) == (2, 2)
    assert "FAILED(denied:content)" not in {one.after for one in found.shown}
    assert "deny us-federal/can-spam-content" not in {flip.after.label for flip in flips}


def test_it_changes_no_byte_and_makes_no_socket(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> NoReturn:
        raise AssertionError("a socket was made")

    monkeypatch.setattr(socket, "socket", refuse)
    before = hashlib.sha256(engine.path.read_bytes()).digest()
    found, _ = asked(engine, packs=("us-federal", "us-states"))
    assert summary(found).flips > 0
    assert hashlib.sha256(engine.path.read_bytes()).digest() == before


def test_a_listener_that_goes_away_is_no_divergence(engine: Engine) -> None:
    def closed(_: RecordedFlip) -> None:
        raise BrokenPipeError("nobody reads any more")

    change = engine.changed_history(ChangedFiles(packs=(beside(engine, HOUSE),)))
    with pytest.raises(BrokenPipeError):
        engine.what_if(change, options=WhatIfOptions(on_flip=closed))


def test_rules_that_contradict_each_other_are_refused(engine: Engine) -> None:
    clash = with_policy(engine, 'id   = "stop"', 'id   = "house/florida-hours"')
    with pytest.raises(Refused, match="house/florida-hours stands in the policy and in house"):
        asked(engine, packs=(beside(engine, HOUSE),), policy=clash)


def test_two_packs_of_the_same_past_are_asked_together(engine: Engine) -> None:
    alone, _ = asked(engine, packs=(beside(engine, HOUSE),))
    both, _ = asked(engine, packs=(beside(engine, HOUSE), "gmail-yahoo-bulk"))
    assert summary(both).flips >= summary(alone).flips
    assert any("gmail-yahoo-bulk/" in one.after for one in summary(both).changes)


# -- sends that wait ---------------------------------------------------------------------------------------------------


@pytest.fixture
def waiting(tmp_path: Path) -> Engine:
    """A file whose letters are queued behind a halt."""
    engine = make_gate_file(tmp_path, policy=POLICY.replace("limit = 3", "limit = 9"))
    engine.halt("channel:email")
    engine.enroll("letter")
    return engine


def test_a_preview_comes_true_when_the_pack_is_used(waiting: Engine) -> None:
    found, flips = previewed(waiting, packs=(beside(waiting, HOUSE),))
    assert (found.queued, found.held, found.flips.asked, found.flips.flips) == (5, 0, 5, 2)
    told = {flip.contact: (flip.what, flip.before.verdict, flip.after.verdict, flip.after.rule) for flip in flips}
    assert told == {
        contact_of(waiting, "K-1"): ("queued", "allow", "hold", "house/florida-hours"),
        contact_of(waiting, "K-3"): ("queued", "allow", "deny", "house/florida-hours"),
    }
    waiting.use_pack(beside(waiting, HOUSE))
    held = previewed(waiting, retire=("house",))[1]
    assert {flip.after.verdict for flip in held} == {"allow"}
    waiting.release("channel:email")
    waiting.serve(until_idle=True)
    assert status_of(waiting, "K-3") == ("FAILED", "denied:unknown_jurisdiction")
    assert status_of(waiting, "K-4") == ("COMPLETED", "done")


def test_a_held_send_is_previewed_too(waiting: Engine) -> None:
    waiting.use_pack(beside(waiting, HOUSE))
    waiting.release("channel:email")
    serve_until(waiting, START)
    assert status_of(waiting, "K-1")[0] == "HELD"
    found, flips = previewed(waiting, retire=("house",))
    assert (found.held, [flip.what for flip in flips]) == (1, ["held"])
    assert (flips[0].before.rule, flips[0].after.verdict) == ("house/florida-hours", "allow")
    assert flips[0].before.until is not None
    assert flips[0].before.until.local == "2026-11-18T08:00:00-05:00"


def test_a_preview_changes_nothing(waiting: Engine) -> None:
    digest = hashlib.sha256(waiting.path.read_bytes()).digest()
    previewed(waiting, packs=("us-federal",), policy=beside(waiting, "policy.toml"))
    assert hashlib.sha256(waiting.path.read_bytes()).digest() == digest


def test_a_message_that_cannot_be_made_is_no_flip(waiting: Engine) -> None:
    waiting.set_setting("sender.unsubscribe", "")
    found, _ = previewed(waiting, packs=("us-federal",))
    assert (found.unmade, found.flips.asked) == (4, 1)
