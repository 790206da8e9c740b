"""`dee policy report` on the command line: the same facts in every form, nobody's data, and what a forger cannot hide."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import apsw
import pytest
from file_edits import Json, find_entry, rechain
from report_files import CONTACTS, ReportFile, moving_file, report_file
from terminal import Terminal

__all__ = ["moving_file", "report_file"]

PERIOD = ("--from", "2026-11-18", "--to", "2026-11-30")


@pytest.fixture
def past(bare: Terminal, report_file: ReportFile) -> Terminal:
    """A desk with a copy of the file of which reports are told."""
    shutil.copy(report_file.path, bare.file)
    return bare


def told(desk: Terminal, *words: str) -> dict[str, Any]:
    return desk.ok("policy", "report", *(words or PERIOD), "--json").record()


def forge(desk: Terminal, source: Path, needles: tuple[str, ...], old: str, new: str) -> None:
    """Change one entry of a copy and compute every hash anew: what somebody can do who has the whole file."""
    shutil.copy(source, desk.file)
    connection = apsw.Connection(str(desk.file))
    triggers = connection.execute("SELECT name, sql FROM sqlite_schema WHERE type = 'trigger'").fetchall()
    for name, _ in triggers:
        connection.execute(f"DROP TRIGGER {name}")
    seq = find_entry(connection, *needles)

    def change(value: Json) -> None:
        if value["seq"] == seq:
            text = json.dumps(value)
            assert old in text
            value.update(json.loads(text.replace(old, new)))

    rechain(connection, change)
    for _, sql in triggers:
        connection.execute(str(sql))
    connection.close()


# -- the same facts in every form --------------------------------------------------------------------------------------------


def test_a_report_tells_what_was_sent_on_which_consent_and_what_was_refused(past: Terminal) -> None:
    report = told(past)
    assert report["head"]["entries"] == report["verification"]["entries"]
    assert report["verification"]["ok"]
    assert [check["count"] for check in report["checks"]] == [0, 0, 0, 0, 0, 0]
    (sends,) = report["sends"]
    assert (sends["plan"], sends["dispatched"]) == ("welcome@1", 11)
    assert sends["outcomes"] == {"accepted": 8, "rejected": 2, "unknown": 1}
    assert [(row["consent_class"], row["source"], row["sends"]) for row in report["consents"]] == [
        ("express", "import", 11)
    ]
    assert [(row["verdict"], row["rule"], row["cite"]) for row in report["refusals"]][-1] == (
        "hold",
        "night",
        "47 CFR 64.1200(c)(1)",
    )
    assert {row["way"]: row["sends_after"] for row in report["opt_outs"]} == {
        "consent.revoked": 0,
        "email.unsubscribed": 0,
        "erasure": 0,
        "suppression.added": 0,
    }


def test_every_table_stands_in_markdown_csv_and_pdf(past: Terminal) -> None:
    text = past.ok("policy", "report", *PERIOD).out
    table = past.ok("policy", "report", *PERIOD, "--format", "csv").out
    past.ok("policy", "report", *PERIOD, "--format", "pdf", "--out", "report.pdf")
    document = (past.folder / "report.pdf").read_bytes()
    for facts in ("email marketing express import", "hold night window voice", "welcome@1 marketing 11"):
        words = facts.split()
        assert any(all(word in line for word in words) for line in text.splitlines()), facts
        assert any(all(word in line for word in words) for line in table.splitlines()), facts
        assert all(f"({word}) Tj".encode() in document for word in words), facts
    titles = [line.removeprefix("## ") for line in text.splitlines() if line.startswith("## ")]
    assert len(titles) == 23
    assert all(f"({title}) Tj".encode() in document for title in titles)
    assert sum(line.startswith("sends,") for line in table.splitlines()) == 2


def test_equal_files_and_periods_give_equal_bytes(past: Terminal) -> None:
    for form in ("md", "csv", "pdf"):
        written = []
        for name in ("one", "other"):
            past.ok("policy", "report", *PERIOD, "--format", form, "--out", name)
            written.append((past.folder / name).read_bytes())
        assert written[0] == written[1], form


def test_a_report_names_nobody(past: Terminal) -> None:
    whole = "".join(past.ok("policy", "report", *PERIOD, "--format", form).out for form in ("md", "csv"))
    whole += json.dumps(told(past))
    people = [line.split(",") for line in CONTACTS.splitlines()[1:]]
    assert not [field for person in people for field in (person[1], *person[3:5]) if field and field in whole]


def test_only_the_period_is_counted_and_a_day_is_counted_whole(past: Terminal) -> None:
    first, rest = (
        told(past, "--from", "2026-11-18", "--to", "2026-11-18"),
        told(past, "--from", "2026-11-19", "--to", "2026-11-30"),
    )
    assert first["head"]["until"] == "2026-11-19T00:00:00Z"
    assert first["head"]["last"] + 1 == rest["head"]["first"]
    assert sum(row["dispatched"] for row in first["sends"]) == 11
    assert rest["sends"] == []
    assert [row["rule"] for row in rest["refusals"]] == ["address", "night"]
    assert [row["name"] for row in rest["in_force"]] == ["IANA", "reports"]
    assert first["processing"]["contacts"] == rest["processing"]["contacts"] == 11


@pytest.mark.parametrize(
    ("words", "what"),
    [
        (("--from", "2026-11-20", "--to", "2026-11-18"), "the period has no second"),
        (("--from", "soon", "--to", "2026-11-18"), "`soon` is no date and time"),
        ((*PERIOD, "--format", "pdf"), "a PDF is written to a file"),
        (("--from", "2026-11-18"), "Missing option '--to'"),
    ],
)
def test_a_report_that_cannot_be_made_is_refused(past: Terminal, words: tuple[str, ...], what: str) -> None:
    said = past.dee("policy", "report", *words)
    assert said.code == 2
    assert what in said.err


def test_a_report_replaces_no_file_of_ours(past: Terminal) -> None:
    before = past.file.read_bytes()
    assert past.dee("policy", "report", *PERIOD, "--out", "desk.db").code == 1
    assert past.file.read_bytes() == before


def test_an_empty_period_is_told_as_empty(past: Terminal) -> None:
    report = told(past, "--from", "2020-01-01", "--to", "2020-12-31")
    assert (report["head"]["first"], report["head"]["entries"], report["sends"]) == (-1, 0, [])
    assert "no entry in the period" in past.ok("policy", "report", "--from", "2020-01-01", "--to", "2020-12-31").out


# -- what a forger cannot hide -------------------------------------------------------------------------------------------------


def test_a_call_whose_time_was_forged_to_the_night_is_found_outside_its_window(
    bare: Terminal, moving_file: ReportFile
) -> None:
    tick = 1_795_000_000 + 8 * 3_600
    forge(
        bare,
        moving_file.path,
        ('"action":"call"', '"outcome":"dispatched"'),
        f'"tick": {tick}',
        f'"tick": {tick + 9 * 3_600}',
    )
    said = bare.dee("policy", "report", *PERIOD, "--json")
    report = json.loads(said.out)
    assert said.code == 4
    assert [(row["rule"], row["local"], row["why"]) for row in report["outside"]] == [
        ("plan/calling_hours", "2026-11-18T20:06:40-08:00", "outside the hours")
    ]
    assert {check["what"]: check["count"] for check in report["checks"]}["sends outside a window"] == 1


def test_a_report_on_a_changed_log_says_so_and_ends_with_the_code_of_verify(past: Terminal) -> None:
    connection = apsw.Connection(str(past.file))
    ((guard,),) = connection.execute("SELECT sql FROM sqlite_schema WHERE name = 'audit_no_update'")
    connection.execute("DROP TRIGGER audit_no_update")
    connection.execute("""UPDATE audit SET body = replace(body, '"class":"express"', '"class":"written"')""")
    connection.execute(str(guard))
    connection.close()
    said = past.dee("policy", "report", *PERIOD, "--out", "report.md")
    assert said.code == 4
    text = (past.folder / "report.md").read_text(encoding="utf-8")
    assert "FAULTS FOUND" in text
    assert "fault: content-changed" in text
