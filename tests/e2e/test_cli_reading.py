"""The commands that read, as people type them: what they print, in text and as JSON, and how they end."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from report_files import START, ReportFile, made_file, moving_file, report_file, send_key

from dee_appliance import Engine
from dee_appliance.cli.main import COMMANDS, run

__all__ = ["moving_file", "report_file"]

READING = {
    "status": [],
    "log": [],
    "run list": [],
    "run show": ["{run}"],
    "why": ["hana@example.com"],
    "contact find": ["night"],
    "contact show": ["K-8"],
    "contact timeline": ["K-8"],
    "consent show": ["K-8"],
    "suppress check": ["fay@example.com"],
    "suppress list": [],
    "budget show": [],
}
LOG_LINE = re.compile(
    r"\[tick \d+\] (step:[a-z0-9/_-]+|run:run_[a-z2-7]{20}|contact:c_[a-z2-7]{26}|file)"
    r" → action:[a-z_]+ → outcome:[a-z_.:]+ hash:[0-9a-f]{4}…"
)
FAILED_LINE = re.compile(r"\[tick \d+\] run:run_[a-z2-7]{20} → status:FAILED → reason:[a-z_:]+\([a-z-]+\)")


class Terminal:
    """Runs commands on one file in this process."""

    def __init__(self, file: ReportFile, capsys: pytest.CaptureFixture[str]) -> None:
        self.file = file
        self._capsys = capsys
        self.errors = ""

    def text(self, *words: str, code: int = 0) -> str:
        """Run a command, check how it ended, and return what it printed."""
        ended = run([*words, "--db", str(self.file.path)])
        told = self._capsys.readouterr()
        self.errors = told.err
        assert ended == code, told.err
        return told.out

    def json(self, *words: str) -> list[dict[str, object]]:
        """Run a command with --json and return its lines."""
        return [json.loads(line) for line in self.text(*words, "--json").splitlines()]


@pytest.fixture
def dee(report_file: ReportFile, capsys: pytest.CaptureFixture[str]) -> Terminal:
    return Terminal(report_file, capsys)


def words_of(command: str, file: ReportFile) -> list[str]:
    return [*command.split(), *(word.format(run=file.run("hana")) for word in READING[command])]


# -- every command -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", READING)
def test_a_command_prints_text_for_people_and_json_for_programs(dee: Terminal, command: str) -> None:
    words = words_of(command, dee.file)
    text = dee.text(*words)
    assert text.strip()
    assert not text.startswith("{")
    records = dee.json(*words)
    assert records
    assert all(isinstance(record, dict) for record in records)


@pytest.mark.parametrize("command", READING)
def test_a_command_explains_itself_with_an_example(dee: Terminal, command: str) -> None:
    assert run([*command.split(), "--help"]) == 0
    told = dee._capsys.readouterr().out
    assert f"dee {command}" in told.partition("Example:")[2]


@pytest.mark.parametrize("command", READING)
def test_a_command_on_a_file_that_is_not_there_is_refused(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, command: str
) -> None:
    words = [*command.split(), *(word.format(run="run_x") for word in READING[command])]
    assert run([*words, "--db", str(tmp_path / "none.db")]) == 1
    told = capsys.readouterr()
    assert told.out == ""
    assert "there is no such file" in told.err
    assert not (tmp_path / "none.db").exists()


def test_reading_changes_nothing(dee: Terminal) -> None:
    before = {path.name: path.read_bytes() for path in dee.file.path.parent.glob("reports.db")}
    for command in READING:
        dee.text(*words_of(command, dee.file))
    assert {path.name: path.read_bytes() for path in dee.file.path.parent.glob("reports.db")} == before


def test_every_reading_command_is_in_the_table() -> None:
    for command in READING:
        group, _, name = command.partition(" ")
        row = COMMANDS[group]
        assert isinstance(row, str) if not name else name in row[1]


# -- log ---------------------------------------------------------------------------------------------------------------


def test_the_log_has_the_form_of_the_seed(dee: Terminal) -> None:
    lines = dee.text("log").splitlines()
    failed = [position for position, line in enumerate(lines) if FAILED_LINE.fullmatch(line)]
    assert len(failed) == 4
    for position in failed:
        assert LOG_LINE.fullmatch(lines[position - 1])
        assert lines[position + 1].startswith("↳ requires: ")
    rest = [line for at, line in enumerate(lines) if at not in failed and at - 1 not in failed]
    assert [line for line in rest if not LOG_LINE.fullmatch(line)] == []
    assert lines[0].startswith("[tick 0] file → action:genesis → outcome:made hash:")


def test_a_failed_step_says_what_it_requires(dee: Terminal) -> None:
    run_id = dee.file.run("cleo")
    assert dee.text("log", "--run", run_id, "--limit", "1").splitlines()[1:] == [
        f"[tick 0] run:{run_id} → status:FAILED → reason:rejected_permanent(hello)",
        "↳ requires: manual retry or policy resolution",
    ]


def test_entries_outside_runs_name_the_file_or_a_contact(dee: Terminal) -> None:
    halted = dee.text("log", "--action", "halt")
    assert re.fullmatch(r"\[tick 9\] file → action:halt → outcome:halt hash:[0-9a-f]{4}…\n", halted)
    assert f"contact:{dee.file.contacts['jo']} → action:enroll → outcome:rejected" in dee.text(
        "log", "--contact", "K-10"
    )


def test_json_lines_have_what_a_program_needs(dee: Terminal) -> None:
    records = dee.json("log")
    wanted = {"seq", "tick", "utc", "run", "plan", "step", "action", "outcome", "detail", "prev", "hash"}
    assert all(wanted <= record.keys() for record in records)
    assert [record["seq"] for record in records] == list(range(len(records)))
    assert [record["prev"] for record in records[1:]] == [record["hash"] for record in records[:-1]]


@pytest.mark.parametrize(
    ("words", "chosen"),
    [
        (["--from", "2026-11-21"], lambda record: record["utc"] >= "2026-11-21"),
        (["--to", "2026-11-18T11:06:41Z"], lambda record: record["tick"] == 0),
        (["--from", "9", "--to", "10"], lambda record: record["tick"] == 9),
        (["--action", "send_email", "--outcome", "unknown"], lambda record: record["outcome"] == "unknown"),
    ],
)
def test_the_log_is_chosen_by_time_and_action(dee: Terminal, words: list[str], chosen: object) -> None:
    assert callable(chosen)
    whole = dee.json("log")
    assert dee.json("log", *words) == [record for record in whole if chosen(record)] != []


def test_the_long_form_adds_run_time_and_details(dee: Terminal) -> None:
    line = dee.text("log", "--action", "halt", "--long")
    assert "2026-11-18T11:06:49Z" in line
    assert '"scope":"plan:notice"' in line


def test_the_log_can_be_followed_from_another_process(tmp_path: Path) -> None:
    engine = Engine.create(tmp_path / "x.db", simulated=True, start=START)
    program = "from dee_appliance.cli.main import main; main()"
    command = [sys.executable, "-c", program, "log", "--follow", "--limit", "1", "--db", str(engine.path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, encoding="utf-8") as process:
        assert process.stdout is not None
        assert "action:config" in process.stdout.readline()
        engine.halt()
        assert "action:halt" in process.stdout.readline()
        process.terminate()


@pytest.mark.parametrize("words", [["--from", "yesterday"], ["--limit", "-1"], ["--limit", "many"]])
def test_a_wrong_choice_is_a_mistake_of_the_command(dee: Terminal, words: list[str]) -> None:
    dee.text("log", *words, code=2)
    assert dee.errors.startswith("dee: ")


def test_an_unknown_run_is_refused_with_what_to_type_next(dee: Terminal) -> None:
    dee.text("log", "--run", "run_nobody", code=1)
    assert "there is no run `run_nobody`" in dee.errors
    assert "dee run list" in dee.errors


# -- runs --------------------------------------------------------------------------------------------------------------


def test_runs_are_listed_by_status_with_their_reasons(dee: Terminal) -> None:
    lines = dee.text("run", "list", "--status", "FAILED").splitlines()
    assert lines[0].split() == ["run", "plan", "status", "step", "changed", "due", "contact"]
    assert len(lines) == 5
    assert any("FAILED(outcome_unknown)" in line for line in lines)


def test_a_long_list_says_that_there_is_more(dee: Terminal) -> None:
    assert len(dee.text("run", "list", "--limit", "2").splitlines()) == 3
    assert "--limit 0 shows all" in dee.errors
    assert len(dee.json("run", "list", "--limit", "0")) == 12


def test_a_list_without_a_match_says_so(dee: Terminal) -> None:
    assert dee.text("run", "list", "--status", "PENDING") == "no run fits\n"
    assert dee.text("run", "list", "--status", "PENDING", "--json") == ""
    dee.text("run", "list", "--status", "DONE", code=2)


def test_a_run_is_shown_with_both_clocks_its_gate_and_what_is_next(dee: Terminal) -> None:
    text = dee.text("run", "show", dee.file.run("hana"))
    key = send_key(dee.file, "hana")
    assert "HELD(outside_hours) since 2026-11-21 03:06:40 -08:00 (11:06:40Z)" in text
    assert f"message <{key}@example.com>" in text
    assert "‖ 2026-11-21 03:06:40 -08:00 (11:06:40Z)  ring" in text
    assert "night ‖ Mon-Sun 08:00-21:00 in America/Los_Angeles" in text
    assert "next: the gate is asked about ring again, 2026-11-21 09:00:00 -08:00 (17:00:00Z)" in text
    assert f"dee run skip {dee.file.run('hana')}" in text
    assert "chain ok" in text


def test_a_run_that_nobody_can_judge_says_how_to_resolve_it(dee: Terminal) -> None:
    text = dee.text("run", "show", dee.file.run("ben"))
    for choice in ("delivered", "not-delivered", "resend"):
        assert f"dee run resolve {dee.file.run('ben')} --as {choice}" in text
    assert "dee run retry" not in text.replace("`dee run retry` then sends", "")


def test_what_moves_is_shown_too(moving_file: ReportFile, capsys: pytest.CaptureFixture[str]) -> None:
    dee = Terminal(moving_file, capsys)
    for name, plan in (("ana", "welcome"), ("dora", "welcome"), ("hana", "notice"), ("hana", "phone"), ("jo", "phone")):
        assert "  next: " in dee.text("run", "show", moving_file.run(name, plan))


# -- why ---------------------------------------------------------------------------------------------------------------


def test_why_tells_the_run_step_by_step_with_the_gate_and_the_evidence(dee: Terminal) -> None:
    lines = dee.text("why", "hana@example.com", "--plan", "welcome").splitlines()
    run_id = dee.file.run("hana")
    assert lines[0] == f"contact {dee.file.contacts['hana']}  Hana Night  America/Los_Angeles"
    assert any(line.startswith(f"run {run_id}  welcome@1") for line in lines)
    marks = [line.split()[0] for line in lines if line[2:3] in "✔✘‖?·" and line.startswith("  ") and line[3:4] == " "]
    assert marks == ["✔", "✔", "✔", "‖"]
    assert "        gate 7/9" in lines
    ladder = {line.split()[1]: line.split(maxsplit=2) for line in lines if line.startswith("          ")}
    assert ladder["consent"][0] == "✔"
    assert ladder["consent"][2].startswith("voice express (import 2026-11-18, entry ")
    assert ladder["money"] == ["✔", "money", "0.09 USD of 5.00 USD, this send 0.20 USD"]
    assert ladder["night"][0] == "‖"
    assert ladder["night"][2].endswith("(Sat 03:06:40)  [47 CFR 64.1200(c)(1)]")
    assert "chain ok" in lines[-1]


def test_why_tells_what_kept_somebody_out(dee: Terminal) -> None:
    text = dee.text("why", "K-10")
    assert "did not enter welcome@1: missing_attribute" in text
    assert "still missing: tier" in text


def test_why_tells_that_nobody_asked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    engine, _ = made_file(tmp_path, START)
    assert "nobody asked to enrol this contact" in Terminal(ReportFile(engine.path, {}), capsys).text("why", "K-1")


def test_why_tells_of_an_address_that_is_only_suppressed(dee: Terminal) -> None:
    text = dee.text("why", "stranger@example.org")
    assert text.startswith("stranger@example.org is no contact of this file\n")
    assert "everything, do_not_call" in text


def test_why_finds_a_message_by_its_id(dee: Terminal) -> None:
    key = send_key(dee.file, "ana")
    assert f"run {dee.file.run('ana')}" in dee.text("why", f"<{key}@example.com>")
    dee.text("why", f"<{'0' * 40}@example.com>", code=1)


# -- the rest ----------------------------------------------------------------------------------------------------------


def test_the_status_says_what_needs_a_person(dee: Terminal) -> None:
    text = dee.text("status")
    assert "disarmed: simulated files are never armed" in text
    assert "runs      ACTIVE 1 · HELD 1 · PAUSED 1 · FAILED 4 · COMPLETED 4 · CANCELLED 1" in text
    assert "‖ hold    halt (plan:notice) until a person releases it: dee release, 1 send waits" in text
    assert "‖ held    1 × welcome: outside_hours(ring) until 20" in text
    assert "✘ failed  1 × welcome: outcome_unknown(hello), first run_" in text
    assert "0.08 USD settled, 0.01 USD reserved of 5.00 USD, 4.91 USD left" in text


def test_budgets_are_drawn_with_their_limits(dee: Terminal) -> None:
    text = dee.text("budget", "show", "--plan", "welcome")
    assert "plan/daily_sends (welcome): 0 of 50 on 2026-11-21 (Etc/UTC), 50 left, anew 2026-11-22 00:00:00Z" in text
    assert "2026-11-18 9" in text


def test_a_contact_is_shown_by_any_of_its_names(dee: Terminal) -> None:
    text = dee.text("contact", "show", "K-8")
    assert text == dee.text("contact", "show", "+12065550100")
    assert "there it is      2026-11-21 03:06:49 -08:00 (11:06:49Z)" in text
    assert "America/Los_Angeles (declared), America/Los_Angeles (number)" in text


def test_an_erased_contact_says_so(dee: Terminal) -> None:
    assert "ERASED" in dee.text("contact", "show", dee.file.contacts["kim"])


def test_a_contact_that_nobody_is_called_is_not_found(dee: Terminal) -> None:
    assert dee.text("contact", "find", "xyzzy") == "no contact is called xyzzy\n"


def test_a_timeline_names_the_run_of_each_moment(dee: Terminal) -> None:
    lines = dee.text("contact", "timeline", "K-8").splitlines()
    assert any(f"{dee.file.run('hana', 'notice')}  enroll" in line for line in lines)
    assert lines[0].endswith("contact  contact            contact added")


def test_suppression_is_told_for_whoever_is_asked_about(dee: Terminal) -> None:
    assert dee.text("suppress", "check", "fay@example.com").startswith(
        "✘ fay@example.com (Fay Unsubscribed) is suppressed on email"
    )
    assert dee.text("suppress", "check", "ana@example.com") == "✔ ana@example.com (Ana Replied) is not suppressed\n"
    assert (
        dee.text("suppress", "check", "new@example.com")
        == "✔ new@example.com, no contact of this file, is not suppressed\n"
    )
    # The person, and the address: what people say concerns both.
    assert len(dee.text("suppress", "list", "--reason", "unsubscribed").splitlines()) == 3


def test_consent_is_told_with_its_history(dee: Terminal) -> None:
    text = dee.text("consent", "show", "K-5")
    assert "✘ email for every purpose: revoked, from letter-7, entry" in text
    assert "granted email for every purpose (express), from import" in text
