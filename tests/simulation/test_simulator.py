"""The simulator in small: some seeds, everything reached, the same story twice, and faults that it must find and make small."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from sim_case import CALM, FAULTS, LAST_WORD, MACHINE, OPERATORS, PEOPLE, Case, command, draw, only
from sim_shrink import shrink
from sim_story import Told, tell

from bench.simulator import command_line
from dee_appliance.kernel.e1 import gate, sending
from dee_appliance.kernel.e1 import policy as policies
from dee_appliance.kernel.e1.input import Answered
from dee_appliance.kernel.e1.rules.question import PASS
from dee_appliance.runtime import loop
from dee_appliance.store import settings
from dee_appliance.store.state_dir import StateDir
from dee_appliance.store.tip import TipFile

pytestmark = [pytest.mark.slow, pytest.mark.breaks_its_file]
ROOT = Path(__file__).parents[2]
DAYS = 10
SEEDS = (17, 500, 503, 505, 506, 520, 561, 781, 1865, 1948, 2340)
"""Chosen so that everything below comes up."""
CANARY_SEEDS = (40, 9, *range(500, 506))
REACHED = (
    "armed again", "copy served", "death of somebody else", "death: kill", "death: power cut (all)", "death: power cut (coin)",
    "death: power cut (none)", "death: power cut (tail)", "ended by a storage error", "older backup refused",
    "second loop refused", "stopped", "storage error of somebody else", "storage fault", "webhook again", "webhook repeated",
    "provider connect", "provider refused", "provider silent", "provider spot", "provider taken",
    "ended CANCELLED", "ended COMPLETED", "ended FAILED", "ended HELD",
    "entry answer late", "entry call confirmed", "entry call unknown", "entry send_email confirmed", "entry send_email unknown",
    "entry send_sms unknown", "entry cancel erased", "entry halt clock_jumped", "entry halt halt",
    "entry hold channel_unavailable", "entry hold daily_limit", "entry hold rate", "entry list used", "entry pack used",
    "entry pause paused", "entry release released", "entry resolve delivered", "entry resolve not-delivered",
    "entry resolve resend", "entry resume resumed", "entry retry retried", "entry skip skipped", "entry suppress added",
    "entry task timed_out", "last word", "entry wait met", "entry zones used",
    *(f"happening {kind}" for kind in (LAST_WORD, *FAULTS, *MACHINE, *OPERATORS, *PEOPLE)),
)  # fmt: skip
"""What must have come up, that the test cannot become harmless unnoticed."""


def test_every_invariant_holds_after_every_step_and_everything_is_reached() -> None:
    seen: Counter[str] = Counter()
    for seed in SEEDS:
        told = tell(draw(seed, DAYS))
        assert not told.invariant, f"{told.fault}\nagain: {command(draw(seed, DAYS))}"
        seen += told.tally
    assert [name for name in REACHED if not seen[name]] == []


def test_the_same_seed_tells_the_same_story_whatever_the_hash_seed() -> None:
    digests = set()
    for hash_seed in ("1", "2"):
        words = [sys.executable, "-m", "bench.simulator", "--seed", "506", "--days", "6"]
        environment = {**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": str(ROOT)}
        said = subprocess.run(words, cwd=ROOT, env=environment, capture_output=True, text=True, check=True).stdout
        assert "every invariant holds" in said
        digests.add(said)
    assert len(digests) == 1


def test_a_file_that_could_not_be_armed_after_a_move_is_armed_at_the_end() -> None:
    case = replace(only(draw(9_136, DAYS), (8, 10, 29)), until=4, people=(0,), temper=CALM)
    told = tell(case)
    assert not told.invariant, told.fault
    assert told.tally["disarmed until armed again"] == told.tally["armed again"] == 1
    assert told.sends


# -- can it fail? --------------------------------------------------------------------------------------------------------


def _sends_before_the_commit(patch: pytest.MonkeyPatch) -> None:
    pull = loop.Loop._pull

    def early(self: loop.Loop, now: int) -> None:
        pull(self, now)
        permits = self._journal.take_permits()
        if permits:
            self._journal.flush()
            self._send(permits, now)

    patch.setattr(loop.Loop, "_pull", early)


def _commits_are_not_synced(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(settings, "_DURABLE", ("PRAGMA synchronous = NORMAL", *settings._DURABLE[1:]))


def _the_tip_is_not_written(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(TipFile, "write", lambda *_: None)


def _suppressions_are_not_asked(patch: pytest.MonkeyPatch) -> None:
    patch.setitem(gate._ASK, policies.SuppressionRule, lambda _rule, _question: PASS)


def _timers_fire_a_tick_early(patch: pytest.MonkeyPatch) -> None:
    fire = loop.Loop._fire
    patch.setattr(loop.Loop, "_fire", lambda self, now: fire(self, now + 1))


def _reservations_are_given_back_twice(patch: pytest.MonkeyPatch) -> None:
    give_back = sending._give_back

    def twice(turn: Any, attempt: Any) -> None:
        give_back(turn, attempt)
        give_back(turn, attempt)

    patch.setattr(sending, "_give_back", twice)


def _what_was_in_flight_counts_as_refused(patch: pytest.MonkeyPatch) -> None:
    def refused(**fields: Any) -> Answered:
        return Answered(**{**fields, "outcome": "rejected", "kind": "transient"})

    patch.setattr(loop, "Answered", refused)


def _every_copy_is_armed(patch: pytest.MonkeyPatch) -> None:
    state = StateDir.arming_state
    patch.setattr(StateDir, "arming_state", lambda self, _, *known: state(self, self.root.with_name("dee.db"), *known))


CANARIES: dict[str, tuple[Callable[[pytest.MonkeyPatch], None], tuple[str, ...]]] = {
    "bytes leave before the commit": (_sends_before_the_commit, ("provider ledger within durable intents",)),
    "commits are not synced": (_commits_are_not_synced, ("provider ledger within durable intents",)),
    "the tip is not written": (_the_tip_is_not_written, ("the tip before the bytes",)),
    "suppressions are not asked": (_suppressions_are_not_asked, ("verdicts", "nothing after an opt-out")),
    "timers fire a tick early": (_timers_fire_a_tick_early, ("ticks",)),
    "reservations are given back twice": (_reservations_are_given_back_twice, ("verdicts",)),
    "what was in flight counts as refused": (
        _what_was_in_flight_counts_as_refused,
        ("one contact per send key", "ledgers agree"),
    ),
    "every copy is armed": (_every_copy_is_armed, ("a copy sends nothing", "it runs")),
}


def _found(seeds: tuple[int, ...]) -> tuple[Case, Told] | None:
    for seed in seeds:
        case = draw(seed, DAYS)
        told = tell(case)
        if told.invariant:
            return case, told
    return None


@pytest.mark.parametrize("canary", CANARIES)
def test_a_fault_put_in_is_found_within_a_few_seeds(canary: str, monkeypatch: pytest.MonkeyPatch) -> None:
    put_in, invariants = CANARIES[canary]
    put_in(monkeypatch)
    found = _found(CANARY_SEEDS)
    assert found is not None
    assert found[1].invariant in invariants, found[1].fault


def test_a_failing_case_is_made_small_and_told_step_by_step(monkeypatch: pytest.MonkeyPatch) -> None:
    _the_tip_is_not_written(monkeypatch)
    found = _found(CANARY_SEEDS)
    assert found is not None
    small, told = shrink(*found, tries=40)
    assert len(small.happenings) <= 3
    assert told.invariant == found[1].invariant
    story = tell(small, verbose=True).story
    assert "BROKEN the tip before the bytes" in story[-1]
    assert len(story) < 150
    assert f"--seed {small.seed} --days {DAYS}" in command(small)


# -- the command line ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("--jobs 0", "argument --jobs: `0` is no whole number from 1 on"),
        ("--seeds 0", "argument --seeds: `0` is no whole number from 1 on"),
        ("--days -1", "argument --days: `-1` is no whole number from 1 on"),
        ("--seed 5 --only 8,x", "argument --only: `8,x` is no list of numbers such as 8,10,29"),
        ("--seeds 5 --only 0 --shrink", "--shrink, --only is about one story: say which, with --seed"),
    ],
)
def test_what_makes_no_sense_is_refused_in_words(words: str, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        command_line(words.split())
    assert ended.value.code == 2
    assert said in capsys.readouterr().err
