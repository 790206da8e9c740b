"""The time-zone table on the command line: shown, written out, looked at and brought into use."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import tzdata  # type: ignore[import-untyped]
from terminal import Said, Terminal
from zone_files import HOUR_S, make_zone_file, moved

from dee_appliance.authoring.zone_table import compile_zone_table
from dee_appliance.kernel.e1.encoding import canonical

NEW_YORK = "America/New_York"


@pytest.fixture
def clocks(bare: Terminal, monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """A desk with the file whose runs wait for clocks."""
    make_zone_file(bare.folder)
    monkeypatch.setenv("DEE_DB", str(bare.folder / "clocks.db"))
    return bare


def entries(desk: Terminal) -> int:
    """How long the log is."""
    count: int = desk.ok("status", "--json").record()["entries"]
    return count


def back_an_hour(desk: Terminal) -> Path:
    """A table in which New York's clocks go back an hour."""
    return moved(desk.folder, NEW_YORK, shift_s=-HOUR_S)


def test_the_table_in_use_is_shown_with_its_release_and_the_one_that_this_program_brings(clocks: Terminal) -> None:
    said = clocks.ok("tz", "show")
    assert f"IANA {tzdata.IANA_VERSION}, " in said.out
    assert " zones, 2015-01-01 to 2041-01-01, b3:" in said.out
    assert "log entry 1" in said.out
    assert "this program brings the same table" in said.out
    told = clocks.ok("tz", "show", "--json").record()
    assert told["used"] == told["installed"]
    assert told["same"] is True
    assert told["used"]["zones"] > 590


def test_the_table_is_written_out_as_it_is_stored(clocks: Terminal) -> None:
    told = clocks.ok("tz", "show", "--export", "zones.json", "--json").record()
    body = (clocks.folder / "zones.json").read_bytes()
    assert body == canonical(compile_zone_table())
    assert (told["file"], told["bytes"]) == ("zones.json", len(body))


def test_the_table_is_not_written_over_the_file(clocks: Terminal) -> None:
    said = clocks.dee("tz", "show", "--export", "clocks.db")
    assert (said.code, "would be overwritten" in said.err) == (1, True)
    assert clocks.ok("verify").code == 0


def test_without_yes_it_is_a_look(clocks: Terminal) -> None:
    before = entries(clocks)
    said = clocks.ok("tz", "update", "--from", back_an_hour(clocks))
    assert "nothing was changed; add --yes to do it" in said.out
    assert "zones   1 of 3 that 3 contacts use differ" in said.out
    assert f"  {NEW_YORK}         1  2026-11-18 11:06:40Z  -05:00  -06:00  day" in said.out
    assert "1 of 1 held sends" in said.out
    assert "1 of 3 queued sends" in said.out
    assert "1 of 3 waits for a local time" in said.out
    assert (
        "2026-11-18 14:00:00Z → 2026-11-18 15:00:00Z: is held again when it wakes, until 2026-11-18T15:00:00Z"
        in said.out
    )
    assert entries(clocks) == before


def test_with_yes_the_same_is_said_and_done(clocks: Terminal) -> None:
    table = back_an_hour(clocks)
    look = clocks.ok("tz", "update", "--from", table).out.splitlines()
    did = clocks.ok("tz", "update", "--from", table, "--yes").out.splitlines()
    assert did[:-1] == look[:-1]
    assert did[-1].startswith("the time-zone table 2099z is in use")
    shown = clocks.ok("tz", "show").out
    assert "IANA 2099z" in shown
    assert "dee tz update shows what it would change" in shown
    assert clocks.ok("log", "--action", "zones").out.count("outcome:used") == 2
    assert "identical" in clocks.ok("replay").out


def test_every_run_is_named_with_json_and_the_sum_comes_last(clocks: Terminal) -> None:
    *changes, whole = clocks.ok("tz", "update", "--from", back_an_hour(clocks), "--json").records()
    assert [one["change"]["what"] for one in changes] == ["held", "wait", "queued"]
    assert whole["preview"] is True
    assert whole["changed"] == {"held": 1, "queued": 1, "wait": 1}
    assert whole["offered"]["release"] == "2099z"
    assert [zone["zone"] for zone in whole["zones"]] == [NEW_YORK]
    *_, done = clocks.ok("tz", "update", "--from", back_an_hour(clocks), "--yes", "--json").records()
    assert (done["preview"], done["queued"]) == (False, [])


def test_the_same_table_changes_nothing_and_says_so(clocks: Terminal) -> None:
    before = entries(clocks)
    for words in (
        ("--yes",),
        (),
        ("--from", moved(clocks.folder, shift_s=0, release=tzdata.IANA_VERSION), "--yes"),
    ):
        assert "the file uses this table already" in clocks.ok("tz", "update", *words).out
    assert clocks.ok("tz", "update", "--yes", "--json").record()["same"] is True
    assert entries(clocks) == before


def test_a_table_goes_to_another_machine_in_a_file(clocks: Terminal, tmp_path: Path) -> None:
    clocks.ok("tz", "update", "--from", back_an_hour(clocks), "--yes")
    written = tmp_path / "carried.json"
    clocks.ok("tz", "show", "--export", written)
    other = tmp_path / "other.db"
    clocks.ok("init", "--db", other)
    clocks.ok("tz", "update", "--db", other, "--from", written, "--yes")
    tables = [clocks.ok("tz", "show", "--json", *words).record()["used"] for words in ((), ("--db", other))]
    assert tables[0] == tables[1]


def test_an_older_table_is_called_so(clocks: Terminal) -> None:
    clocks.ok("tz", "update", "--from", back_an_hour(clocks), "--yes")
    assert "OLDER than the one in use" in clocks.ok("tz", "update").out


@pytest.mark.parametrize("text", ["zones", json.dumps({"zones": {}})])
def test_what_is_no_table_is_refused_and_nothing_is_appended(clocks: Terminal, text: str) -> None:
    before = entries(clocks)
    clocks.write("no.json", text)
    said: Said = clocks.dee("tz", "update", "--from", "no.json", "--yes")
    assert said.code == 1
    assert "this is no time-zone table" in said.err
    assert "dee tz show --export FILE" in said.err
    assert entries(clocks) == before


def test_many_differences_are_cut_and_counted(clocks: Terminal) -> None:
    lines = ["customer_id,first_name,email,phone,timezone"]
    lines += [f"M-{number},Mia,mia{number}@example.com,,America/New_York" for number in range(25)]
    clocks.write("more.csv", "\n".join(lines))
    clocks.ok("contact", "import", "more.csv")
    clocks.ok("enroll", "letter", *(word for number in range(25) for word in ("--contact", f"M-{number}")))
    said = clocks.ok("tz", "update", "--from", back_an_hour(clocks))
    assert "26 of 28 queued sends" in said.out
    assert said.out.count(" → ") == 20
    assert "… and 8 other runs: --json names them all" in said.out
