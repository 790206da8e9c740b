"""Each cause of a divergence is reached, and told in two columns that a person can read."""

from __future__ import annotations

import random  # noqa: TID251 - seeded
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from mutation_histories import history
from mutation_oracle import expected_place
from mutation_record import Record, load, write
from mutation_trial import render_again
from mutations import (
    Mutator,
    NoSuchMutationError,
    a_number,
    document,
    entry_field,
    input_dropped,
    input_time,
    inputs_swapped,
    rendering,
    template,
)

from dee_appliance.cli.side_by_side import WIDTH, cut, side_by_side
from dee_appliance.replay import replay as module
from dee_appliance.replay.cause import MEANING, NEXT
from dee_appliance.replay.divergence import FirstDivergence
from dee_appliance.replay.replay import Options, ReplayReport, replay
from dee_appliance.store.journal import InputRow, Journal
from dee_appliance.store.tip import Tip

FORGED: dict[str, Mutator] = {
    "plan": document("plan", "plan", a_number("steps"), "plan"),
    "template": template,
    "policy": document("policy", "policy", a_number("rules"), "policy"),
    "rate_card": document("policy", "rate_card", a_number("rates"), "rate card"),
    "pack": document("pack", "pack", a_number("rules"), "pack"),
    "zones": document("zones", "zones", a_number("functions"), "zones"),
    "event_order": inputs_swapped,
}


def changed(tmp_path: Path, change: Callable[[Record], bool]) -> Path:
    """A history with a change, hashed anew when `change` says so."""
    file, path = history(1), tmp_path / "history.db"
    path.write_bytes(file)
    original = load(path)
    record = original.copy()
    if change(record):
        record.rehash()
    write(record, original, file, tmp_path / "changed.db")
    return tmp_path / "changed.db"


def forged(mutate: Mutator, seed: int) -> Callable[[Record], bool]:
    def change(record: Record) -> bool:
        mutate(record, random.Random(seed), True)
        return True

    return change


def found(path: Path, **options: object) -> FirstDivergence:
    divergence = replay(path, options=Options(**options)).divergence  # type: ignore[arg-type]
    assert divergence is not None
    return divergence


@pytest.mark.parametrize("cause", FORGED)
def test_a_record_that_was_hashed_anew_is_told_by_what_its_entries_cite(cause: str, tmp_path: Path) -> None:
    divergence = found(changed(tmp_path, forged(FORGED[cause], 2)))
    assert divergence.cause == cause, divergence
    assert divergence.what == MEANING[divergence.cause]
    assert divergence.next == NEXT[divergence.cause]
    assert divergence.evidence == ()


@pytest.mark.parametrize("mutate", [input_time, input_dropped])
def test_an_input_at_another_time_or_one_less_is_another_order_of_events(mutate: Mutator, tmp_path: Path) -> None:
    assert found(changed(tmp_path, forged(mutate, 5))).cause == "event_order"


def test_a_forged_entry_is_the_engine_unless_the_tip_knows_better(tmp_path: Path) -> None:
    def change(record: Record) -> bool:
        value = record.body(40)
        value["core"]["detail"]["extra"] = 1
        record.set_body(40, value)
        return True

    file = tmp_path / "whole.db"
    file.write_bytes(history(1))
    whole = load(file)
    tip = Tip(size=len(whole.entries), head=whole.entries[-1][2], incarnation=1)
    path = changed(tmp_path, change)
    divergence = found(path)
    assert (divergence.seq, divergence.field, divergence.cause) == (40, "core.detail.extra", "engine")
    divergence = found(path, tip=tip)
    assert (divergence.cause, [one.kind for one in divergence.evidence]) == ("tampering", ["forked"])
    assert replay(file, options=Options(tip=tip)).same


def test_a_rendering_that_its_entry_describes_falsely_is_tampering_and_one_that_agrees_is_the_renderer(
    tmp_path: Path,
) -> None:
    def raw(record: Record) -> bool:
        for row in record.given:
            row[2] = row[2].replace('"bytes":280', '"bytes":281')
        return False

    assert found(changed(tmp_path, raw)).cause == "tampering"
    report = replay(changed(tmp_path, forged(rendering, 3)), options=Options(rerender=render_again))
    assert report.same
    assert report.renderer is not None
    assert [one.cause for one in report.renderer.differences] == ["renderer"]


def test_a_machine_that_gives_two_answers_is_itself_the_cause(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = 0

    class Flaky(Journal):
        def apply(self, row: InputRow) -> str:
            nonlocal calls
            calls += 1
            if calls == 20:
                raise ArithmeticError
            return super().apply(row)

    path = tmp_path / "whole.db"
    path.write_bytes(history(1))
    monkeypatch.setattr(module, "Journal", Flaky)
    assert found(path).cause == "runtime"
    calls = 0
    assert found(path, twice=False).cause == "engine"


def test_what_led_to_it_is_told(tmp_path: Path) -> None:
    divergence = found(changed(tmp_path, forged(entry_field, 4)))
    assert len(divergence.context) == 3
    before = [msgspec.json.decode(body)["seq"] for body in divergence.context]
    assert before == [divergence.seq - 3, divergence.seq - 2, divergence.seq - 1]
    assert divergence.caused_by is not None
    assert divergence.caused_by.seq == divergence.input


# ---- two columns -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(12))
def test_a_divergence_fits_the_page_and_marks_the_field(seed: int, tmp_path: Path) -> None:
    def change(record: Record) -> bool:
        for mutate in (*FORGED.values(), entry_field, input_time):
            try:
                mutate(record, random.Random(seed), True)
            except NoSuchMutationError:
                continue
            if seed % 9 == (*FORGED.values(), entry_field, input_time).index(mutate):
                break
        return seed % 2 == 0

    path = changed(tmp_path, change)
    if expected_place(load(path)) is None:
        pytest.skip("this seed changes nothing")
    lines = side_by_side(found(path), 1_795_000_000)
    assert max(map(len, lines)) <= WIDTH, lines
    assert len([line for line in lines if line.startswith("> ")]) == 1, lines
    assert lines[0].startswith("first divergence at entry")
    assert any(line.startswith("  cause ") for line in lines)
    assert any(line.startswith("  next ") for line in lines)


def test_values_that_differ_in_their_type_alone_are_told_apart(tmp_path: Path) -> None:
    def change(record: Record) -> bool:
        value = record.body(9)
        value["core"]["detail"]["code"] = 5
        record.set_body(9, value)
        return True

    path = changed(tmp_path, change)
    report = replay(path)
    assert report.divergence is not None
    same_word = msgspec.structs.replace(report.divergence, expected=5, actual="5", replayed=_with_text(report))
    (marked,) = [line for line in side_by_side(same_word) if line.startswith("> ")]
    assert marked.split() == [">", "core.detail.code", "5", "'5'"]


def _with_text(report: ReplayReport) -> str:
    assert report.divergence is not None
    assert report.divergence.recorded is not None
    return report.divergence.recorded.replace('"code":5', '"code":"5"')


@pytest.mark.parametrize("width", [1, 2, 7, 20])
def test_a_long_text_loses_its_middle(width: int) -> None:
    text = "0123456789" * 5
    short = cut(text, width)
    assert len(short) == width
    assert "…" in short
    assert text.startswith(short.partition("…")[0])
    assert text.endswith(short.partition("…")[2])
    assert cut("short", 5) == "short"
    assert cut("a\x1b[2J", 20) == "a\\x1b[2J"
