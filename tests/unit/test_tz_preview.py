"""Another time-zone table: what it would change is foreseen run by run, and comes true; what knows less is refused."""

from __future__ import annotations

import shutil
from pathlib import Path

import msgspec
import pytest
from report_files import serve_until
from zone_files import HOUR_S, NINE_THERE, START, make_zone_file, moved, previewed, run_of, write_table

from dee_appliance import Engine
from dee_appliance.authoring.zone_table import compile_zone_table
from dee_appliance.errors import Refused
from dee_appliance.kernel.e1.civil_time import Offsets, ZoneDocument, ZoneTable, format_utc
from dee_appliance.kernel.e1.encoding import canonical
from dee_appliance.runtime.reports import LogFilter, log
from dee_appliance.runtime.tz_preview import PendingChange, first_difference
from dee_appliance.runtime.tz_table import installed_table, read_table

NEW_YORK, LONDON, KOLKATA = "America/New_York", "Europe/London", "Asia/Kolkata"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file, made once."""
    return make_zone_file(tmp_path_factory.mktemp("clocks")).path.parent


@pytest.fixture
def engine(made: Path, tmp_path: Path) -> Engine:
    """A copy of the file."""
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
    return Engine(tmp_path / "clocks.db")


def answers(change: PendingChange) -> tuple[str, ...]:
    """What a change is about and what the two tables say, in UTC."""
    told = (one.reason if one.at is None else one.at.utc for one in (change.before, change.after))
    return change.what, change.plan, *told


def utc(tick: int) -> str:
    return format_utc(tick)


# -- the preview -------------------------------------------------------------------------------------------------------


def test_clocks_that_go_back_an_hour_hold_longer_and_wait_longer(engine: Engine, tmp_path: Path) -> None:
    preview, changes = previewed(engine, moved(tmp_path, NEW_YORK, shift_s=-HOUR_S))
    assert [answers(change) for change in changes] == [
        ("held", "ring@1", utc(NINE_THERE), utc(NINE_THERE + HOUR_S)),
        ("wait", "morning@1", utc(NINE_THERE), utc(NINE_THERE + HOUR_S)),
        ("queued", "letter@1", utc(START), utc(START - 400 + HOUR_S)),
    ]
    assert [change.effect for change in changes] == [
        f"is held again when it wakes, until {utc(NINE_THERE + HOUR_S)}",
        f"waits on when it wakes, until {utc(NINE_THERE + HOUR_S)}",
        f"is held until {utc(START - 400 + HOUR_S)}",
    ]
    assert preview.pending == {"held": 1, "queued": 3, "wait": 3}
    assert preview.changed == {"held": 1, "queued": 1, "wait": 1}


def test_clocks_that_go_forward_an_hour_make_it_late_and_open_nothing_earlier(engine: Engine, tmp_path: Path) -> None:
    preview, changes = previewed(engine, moved(tmp_path, NEW_YORK, shift_s=HOUR_S))
    assert [(change.what, change.effect) for change in changes] == [
        ("held", "may go when it wakes"),
        ("wait", "ends when it wakes, 1h late"),
    ]
    assert {None if change.wakes is None else change.wakes.utc for change in changes} == {utc(NINE_THERE)}
    assert preview.changed["queued"] == 0


def test_answers_are_told_on_the_contacts_clock_of_each_table(engine: Engine, tmp_path: Path) -> None:
    _, (held, *_) = previewed(engine, moved(tmp_path, NEW_YORK, shift_s=-HOUR_S))
    assert held.zones == (NEW_YORK,)
    for answer, local in ((held.before, "2026-11-18T09:00:00-05:00"), (held.after, "2026-11-18T09:00:00-06:00")):
        assert answer.at is not None
        assert answer.at.local == local


def test_the_zones_that_contacts_and_rules_use_are_compared_to_the_tables_end(engine: Engine, tmp_path: Path) -> None:
    later = START + 400 * 86_400
    preview, changes = previewed(engine, moved(tmp_path, NEW_YORK, KOLKATA, "Asia/Tokyo", shift_s=1_800, since=later))
    assert changes == []
    assert [(zone.zone, zone.contacts, zone.rules, zone.first.utc) for zone in preview.zones] == [
        (NEW_YORK, 1, ("day",), utc(later)),
        (KOLKATA, 1, (), utc(later)),
    ]
    assert [(zone.before_s, zone.after_s) for zone in preview.zones] == [(-18_000, -16_200), (19_800, 21_600)]
    assert (preview.contacts, preview.zones_used) == (3, 3)


def test_what_only_changes_the_past_concerns_no_zone(engine: Engine, tmp_path: Path) -> None:
    def other_past(table: ZoneDocument) -> ZoneDocument:
        (start, offset), *rest = table.functions[table.zones[NEW_YORK]]
        functions = (*table.functions, ((start, offset + 60), *rest))
        return msgspec.structs.replace(table, functions=functions, zones={**table.zones, NEW_YORK: len(functions) - 1})

    preview, changes = previewed(engine, write_table(tmp_path / "past.json", other_past))
    assert not preview.same
    assert (preview.zones, changes) == ((), [])


def test_another_release_with_the_same_clocks_changes_no_run(engine: Engine, tmp_path: Path) -> None:
    preview, changes = previewed(engine, moved(tmp_path, shift_s=0))
    assert (preview.same, preview.offered.release, preview.zones, changes) == (False, "2099z", (), [])


def test_hours_that_never_come_are_foreseen_as_a_refusal(engine: Engine, tmp_path: Path) -> None:
    def always_night(table: ZoneDocument) -> ZoneDocument:
        midnight = START // 86_400 * 86_400
        turns = range(midnight, midnight + 20 * 86_400, 3 * HOUR_S)  # every three hours it is midnight again
        functions = (*table.functions, ((table.from_utc, 0), *((turn, -(turn % 86_400)) for turn in turns)))
        return msgspec.structs.replace(table, functions=functions, zones={**table.zones, NEW_YORK: len(functions) - 1})

    table = write_table(tmp_path / "night.json", always_night)
    held, wait, queued = previewed(engine, table)[1]
    assert (held.after.at, held.effect) == (None, "is refused when it wakes: never_open")
    assert wait.after.at is not None
    assert wait.after.at.tick > 19 * 86_400
    assert (queued.after.reason, queued.effect) == ("never_open", "is refused: never_open")
    engine.update_zones(table)
    serve_until(engine, NINE_THERE)
    assert engine.run(held.run).reason == engine.run(queued.run).reason == "denied:never_open"


@pytest.mark.slow
@pytest.mark.parametrize("shift_s", [-2 * HOUR_S, -HOUR_S, HOUR_S, 2 * HOUR_S])
def test_what_was_foreseen_comes_true_and_replays(engine: Engine, tmp_path: Path, shift_s: int) -> None:
    table = moved(tmp_path, NEW_YORK, LONDON, shift_s=shift_s)
    _, changes = previewed(engine, table)
    assert changes
    engine.update_zones(table)
    for plan in ("ring", "morning"):
        due = run_of(engine, plan).due
        assert due is not None
        assert due.utc == utc(NINE_THERE), "a change of the table touches no run"
    engine.serve(until_idle=True)
    for change in changes:
        moments = {moment.outcome: moment for moment in engine.run(change.run).timeline}
        assert engine.run(change.run).status == "COMPLETED"
        assert change.after.at is not None
        left = moments["elapsed" if change.what == "wait" else "dispatched"].at.tick
        assert left == max(change.after.at.tick, change.wakes.tick if change.wakes else 0), change
    assert engine.replay().same
    assert engine.verify_state().ok
    assert engine.verify().ok


# -- bringing it into use ----------------------------------------------------------------------------------------------


def test_the_table_in_use_is_not_used_again(engine: Engine) -> None:
    with engine.view() as view:
        before = view.log_size
    assert engine.update_zones().same
    with engine.view() as view:
        assert view.log_size == before


def test_a_look_changes_nothing(engine: Engine, tmp_path: Path) -> None:
    with engine.view() as view:
        before = view.log_size
    engine.update_zones(moved(tmp_path, NEW_YORK, shift_s=HOUR_S), dry_run=True)
    with engine.view() as view:
        assert view.log_size == before


@pytest.mark.slow
def test_holds_before_and_after_replay_and_each_names_the_table_that_it_was_asked_under(
    engine: Engine, tmp_path: Path
) -> None:
    first = engine.zones().used.digest
    engine.update_zones(moved(tmp_path, NEW_YORK, shift_s=-HOUR_S))
    serve_until(engine, NINE_THERE)
    second = engine.zones().used.digest
    engine.update_zones()
    engine.serve(until_idle=True)
    run = run_of(engine, "ring").run
    with engine.view() as view:
        seen = [line.saw["zones"] for line in log(view, LogFilter(run=run, action="call")) if "zones" in line.saw]
    assert seen == [first, second, first]
    assert engine.replay().same
    assert engine.verify_state().ok


def test_since_when_a_table_is_in_use_is_told(engine: Engine, tmp_path: Path) -> None:
    assert (engine.zones().entry, engine.zones().same) == (1, True)
    engine.update_zones(moved(tmp_path, NEW_YORK, shift_s=HOUR_S))
    report = engine.zones()
    assert (report.used.release, report.installed.release, report.same) == (
        "2099z",
        installed_table().table.version,
        False,
    )
    with engine.view() as view:
        assert report.entry == view.log_size - 1


# -- what is no table, or a lesser one ---------------------------------------------------------------------------------


def test_every_year_from_2015_to_2040_is_covered() -> None:
    table = installed_table().table
    assert (format_utc(table.from_utc), format_utc(table.until_utc)) == ("2015-01-01T00:00:00Z", "2041-01-01T00:00:00Z")
    for zone in table.zones():
        clock = table.offsets_of(zone)
        assert (clock.starts[0], clock.starts[-1]) == (table.from_utc, table.until_utc)
    summer = {start // (365 * 86_400) for start in table.offsets_of(LONDON).starts[1:-1]}
    assert len(summer) >= 26, "London's clocks change in every year"


def without(*zones: str) -> ZoneDocument:
    table = msgspec.convert(compile_zone_table(), ZoneDocument)
    return msgspec.structs.replace(table, zones={zone: at for zone, at in table.zones.items() if zone not in zones})


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"zones": without("Asia/Tokyo").zones}, "does not have Asia/Tokyo, which the one in use has"),
        ({"zones": {"Etc/UTC": 0}}, "and 592 others"),
        ({"until_utc": 2_209_032_000}, "the table covers 2015-01-01 to 2040-01-01"),
    ],
)
def test_a_table_that_knows_less_is_refused(
    engine: Engine, tmp_path: Path, change: dict[str, object], why: str
) -> None:
    def lesser(table: ZoneDocument) -> ZoneDocument:
        cut = msgspec.structs.replace(table, **change)
        functions = tuple(tuple(row for row in rows if row[0] < cut.until_utc) for rows in cut.functions)
        return msgspec.structs.replace(cut, functions=functions)

    with pytest.raises(Refused, match=why):
        engine.update_zones(write_table(tmp_path / "lesser.json", lesser))


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "not JSON"),
        ("[" * 10_000, "not JSON"),
        ("{}", "malformed"),
        ('{"version":"1","from":0,"until":9,"functions":[[[0,90000]]],"zones":{"UTC":0}}', "malformed"),
        ('{"version":"1","from":0,"until":9,"functions":[[[0,0]]],"zones":{"UTC":1}}', "malformed"),
        ('{"version":"1","from":0,"until":9,"functions":[[[0,0]]],"zones":{"UTC":0},"more":1}', "malformed"),
        ('{"version":"1","from":0,"until":9,"functions":[[[0,1.5]]],"zones":{"UTC":0}}', "malformed"),
        ('{"version":"","from":0,"until":9,"functions":[[[0,0]]],"zones":{"UTC":0}}', "no release"),
        ('{"version":"a\\nb","from":0,"until":9,"functions":[[[0,0]]],"zones":{"UTC":0}}', "no release"),
    ],
)
def test_what_is_no_table_is_refused(tmp_path: Path, text: str, why: str) -> None:
    path = tmp_path / "zones.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(Refused, match=why):
        read_table(path)


def test_a_table_made_pretty_is_the_same_table(tmp_path: Path) -> None:
    path = write_table(tmp_path / "pretty.json", lambda table: table)
    assert (read_table(path).body, read_table(path).table.digest) == (
        canonical(compile_zone_table()),
        installed_table().table.digest,
    )


# -- two clocks --------------------------------------------------------------------------------------------------------


def clock(*rows: tuple[int, int], end: int = 100) -> Offsets:
    return Offsets((*(start for start, _ in rows), end), tuple(offset for _, offset in rows))


@pytest.mark.parametrize(
    ("one", "other", "first"),
    [
        (clock((0, 1)), clock((0, 1)), None),
        (clock((0, 1)), clock((0, 1), (50, 1)), None),
        (clock((0, 1)), clock((0, 1), (50, 2)), 50),
        (clock((0, 2), (5, 1)), clock((0, 1)), None),
        (clock((0, 2), (11, 1)), clock((0, 1)), 10),
        (clock((0, 1), (10, 2)), clock((0, 1), (10, 2)), None),
        (clock((0, 1), (30, 2)), clock((0, 1), (20, 2)), 20),
        (clock((0, 1), (90, 2)), clock((0, 1)), None),
    ],
)
def test_the_first_difference_of_two_clocks_from_10_to_90(one: Offsets, other: Offsets, first: int | None) -> None:
    assert first_difference(one, other, 10, 90) == first
    assert first_difference(other, one, 10, 90) == first
    shown = (second for second in range(10, 90) if at(one, second) != at(other, second))
    assert first == next(shown, None)


def at(offsets: Offsets, second: int) -> int:
    return next(
        offset
        for start, offset in reversed(list(zip(offsets.starts, offsets.offsets, strict=False)))
        if start <= second
    )


def test_there_is_no_difference_in_an_empty_span() -> None:
    assert first_difference(clock((0, 1)), clock((0, 2)), 10, 10) is None


def test_a_table_is_compared_as_the_kernel_reads_it() -> None:
    table = ZoneTable(compile_zone_table())
    assert first_difference(table.offsets_of(LONDON), table.offsets_of("Europe/Dublin"), START, table.until_utc) is None
    assert (
        first_difference(table.offsets_of(LONDON), table.offsets_of("Etc/UTC"), START, table.until_utc) == 1_806_195_600
    )
