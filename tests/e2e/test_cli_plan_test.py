"""`dee plan test`: a user's scenarios on the command line, as continuous integration runs them."""

from __future__ import annotations

import json
import re
import shlex
import socket
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from scenario_desk import case, desk, scenario
from terminal import ROOT, Terminal

EXAMPLES = ROOT / "examples"
FILES = sorted(EXAMPLES.glob("*/scenarios/*.toml"))
REPLY = ("[[case.event]]", 'event = "replied"', 'after = "intro"', 'delay = "1h"')


@pytest.mark.slow
def test_the_scenarios_of_the_examples_pass_and_use_every_step_way_and_exit(
    bare: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_socket(*words: object, **more: object) -> None:
        raise AssertionError(f"a scenario opens no socket: {words} {more}")

    monkeypatch.setattr(socket, "socket", no_socket)
    said = bare.ok("plan", "test", EXAMPLES, "--fail-uncovered", "--json")
    records = said.records()
    assert {one["file"] for one in records if one["type"] == "case"} == {str(file) for file in FILES}
    assert all(one["passed"] for one in records if one["type"] == "case")
    coverage = [one for one in records if one["type"] == "coverage"]
    assert {one["plan"] for one in coverage} == {"sales-outreach@1", "collections@1", "appointment-reminders@1"}
    assert all(one["uncovered"] == [] for one in coverage)
    assert records[-1]["type"] == "summary"
    assert records[-1]["passed"] == len(records) - len(coverage) - 1


def test_a_failed_case_is_told_with_its_place_its_log_and_what_to_type_next(bare: Terminal) -> None:
    scenario(
        desk(bare.folder / "plans"),
        case(*REPLY, name="a reply"),
        case(name="no reply", expect=['outcome = "finished"', 'branches = { pause = "done" }', "sends = 1"]),
    )
    said = bare.dee("plan", "test", "plans")
    assert said.code == 1
    lines = said.out.splitlines()
    assert lines[0] == "PASSED plans/one.scenario.toml::a reply"
    assert lines[1] == "FAILED plans/one.scenario.toml::no reply"
    text = re.sub(r"hash:\w{4}…", "hash:…", said.out)
    assert "  plans/one.scenario.toml:24\n    expected  1 sends\n    happened  there are 2: intro at 2027" in text
    assert "  the run of jane in p@1:\n    [tick 0] run:run_" in text
    assert "[tick 172800] step:pause → action:wait → outcome:elapsed hash:…" in text
    assert "dee plan test plans/one.scenario.toml -k '::no reply' --keep case.db" in text
    assert lines[-1].startswith("1 failed, 1 passed in ")
    assert said.err.startswith("dee: 1 of 2 cases failed")
    told: list[int] = []
    for words in re.findall(r"^    dee (.*)$", said.out, flags=re.MULTILINE):
        shown = bare.dee(*shlex.split(words), *(["--do", "end"] if words.startswith("debug") else []))
        told.append(shown.code)
    assert told == [1, 0, 0]


def test_the_log_of_a_failure_ends_at_the_entry_that_shows_it(bare: Terminal) -> None:
    scenario(desk(bare.folder / "plans"), case(expect=['sends = [{ to = "kim@example.com" }, {}]']))
    said = bare.dee("plan", "test", "plans")
    shown = [line for line in said.out.splitlines() if "[tick" in line]
    assert "the run of jane in p@1 up to there:" in said.out
    assert "outcome:dispatched" in shown[-1]
    assert len(shown) == 2


def test_a_wrong_scenario_ends_with_two_and_runs_nothing(bare: Terminal) -> None:
    folder = desk(bare.folder / "plans")
    scenario(folder, case(), name="a.scenario.toml")
    scenario(folder, case(expect=['step = "puase"']), name="b.scenario.toml")
    said = bare.dee("plan", "test", "plans", "--junit", "report.xml")
    assert said.code == 2
    assert said.out == ""
    assert (
        'plans/b.scenario.toml:13: refused unknown_target: there is no step `puase` (did you mean "pause"?)' in said.err
    )
    (error,) = ET.parse(bare.folder / "report.xml").iter("error")
    assert (error.get("type"), error.get("message")) == ("unknown_target", "there is no step `puase`")
    told = bare.dee("plan", "test", "plans", "--json")
    assert told.record()["line"] == 13
    assert told.error()["error"] == "usage"
    assert bare.dee("plan", "test", "nowhere").code == 2
    assert bare.dee("plan", "test", "plans/templates").code == 2


def test_a_name_that_leads_nowhere_is_no_failed_case(bare: Terminal) -> None:
    desk(bare.folder / "plans")
    (bare.folder / "plans/latin.scenario.toml").write_bytes(b'plan = "caf\xe9"')
    for name, what in (
        ("plan", "there is no such file or folder"),
        ("plans/templates/hello.eml.j2", "is neither a .toml nor a .json file"),
        ("plans", "is not UTF-8 text"),
    ):
        said = bare.dee("plan", "test", name)
        assert (said.code, said.out) == (2, ""), said
        assert what in said.err


def test_a_report_takes_the_place_of_a_report_and_of_nothing_else(bare: Terminal) -> None:
    scenario(desk(bare.folder / "plans"), case(*REPLY))
    before = {path: path.read_bytes() for path in (bare.folder / "plans").glob("*.toml")}
    for path in before:
        said = bare.dee("plan", "test", "plans", "--junit", path)
        assert said.code == 2
        assert "that file would be overwritten" in said.err
    assert {path: path.read_bytes() for path in before} == before
    for _ in range(2):
        bare.ok("plan", "test", "plans", "--junit", "report.xml")


def test_an_event_after_a_step_that_is_not_there_is_one_mistake(bare: Terminal) -> None:
    event = ("[[case.event]]", 'event = "replied"', 'after = "nowhere"', 'text = "Yes."')
    scenario(desk(bare.folder / "plans"), case(*event))
    said = bare.dee("plan", "test", "plans")
    assert "there is no step `nowhere`" in said.err
    assert "the scenarios have 1 mistake" in said.err


def test_junit_counts_cases_and_failures_by_file(bare: Terminal) -> None:
    folder = desk(bare.folder / "plans")
    scenario(folder, case(*REPLY, name="a & <b>"), name="a.scenario.toml")
    scenario(folder, case(name="one"), case(name="two", expect=["sends = 1"]), name="b.scenario.toml")
    assert bare.dee("plan", "test", "plans", "--junit", "report.xml").code == 1
    root = ET.parse(bare.folder / "report.xml").getroot()
    assert (root.tag, root.get("tests"), root.get("failures"), root.get("errors")) == ("testsuites", "3", "1", "0")
    first, second = root
    assert [(one.tag, one.get("name"), one.get("tests"), one.get("failures")) for one in root] == [
        ("testsuite", "plans/a.scenario.toml", "1", "0"),
        ("testsuite", "plans/b.scenario.toml", "2", "1"),
    ]
    assert [one.get("name") for one in first] == ["a & <b>"]
    passed, failed = second
    assert list(passed) == []
    assert (failed.get("classname"), failed.get("file"), failed.get("line")) == ("plans/b.scenario.toml",) * 2 + ("16",)
    (failure,) = failed
    assert failure.get("type") == "expectation"
    assert failure.get("message", "").startswith("line 18: expected 1 sends; there are 2")
    assert "[tick 0]" in (failure.text or "")
    assert all(re.fullmatch(r"[0-9]+\.[0-9]{3}", one.get("time", "")) for one in root.iter() if one.tag != "failure")
    assert bare.dee("plan", "test", "plans/a.scenario.toml", "--junit", "plans/a.scenario.toml").code != 0
    assert (folder / "a.scenario.toml").read_text().startswith("plan =")


def test_the_file_of_one_case_can_be_kept_and_is_whole(bare: Terminal) -> None:
    scenario(desk(bare.folder / "plans"), case(*REPLY, name="one"), case(name="two"))
    assert bare.dee("plan", "test", "plans", "--keep", "case.db").code == 2
    assert not (bare.folder / "case.db").exists()
    kept = bare.ok("plan", "test", "plans", "-k", "TWO", "--keep", "case.db", "--json").records()[0]
    bare.ok("verify", "--db", "case.db")
    bare.ok("replay", "--db", "case.db")
    (run,) = bare.ok("run", "list", "--db", "case.db", "--json").records()
    assert [one["run"] for one in kept["runs"]] == [run["run"]]
    last = bare.ok("log", "--db", "case.db", "--json", "--limit", "1").record()
    assert last["hash"] == kept["log_head"]
    assert bare.dee("plan", "test", "plans", "-k", "two", "--keep", "case.db").code != 0


def test_what_no_case_uses_is_named_and_can_fail(bare: Terminal) -> None:
    scenario(desk(bare.folder / "plans"), case(*REPLY))
    said = bare.ok("plan", "test", "plans")
    assert "p@1 (plans/plan.toml): 3 of 4 steps, 2 of 4 ways, 0 of 1 exits" in said.out
    assert [line for line in said.out.splitlines() if "not covered" in line] == [
        "  not covered: step call",
        "  not covered: pause → call",
        "  not covered: exit paid",
    ]
    failed = bare.dee("plan", "test", "plans", "--fail-uncovered")
    assert failed.code == 1
    assert failed.err.startswith("dee: 3 steps, ways and exits are used by no case")
    assert bare.dee("plan", "test", "plans", "--fail-uncovered", "-k", "a").code == 2


@pytest.mark.slow
def test_a_scenario_gives_the_same_heads_each_time_alone_or_with_others(bare: Terminal) -> None:
    def heads(*words: object, seed: str) -> dict[tuple[str, str], tuple[list[str], str]]:
        said = bare.program("plan", "test", *words, "--json", PYTHONHASHSEED=seed)
        assert said.code == 0, said
        return {
            (Path(one["file"]).name, one["name"]): ([run["head"] for run in one["runs"]], one["log_head"])
            for one in said.records()
            if one["type"] == "case"
        }

    folder = EXAMPLES / "sales-outreach"
    together = heads(folder, seed="1")
    assert heads(*sorted((folder / "scenarios").glob("*.toml"), reverse=True), seed="2") == together
    name = ("calls.toml", "a call that is declined ends the run")
    assert heads(folder, "-k", name[1], seed="3") == {name: together[name]}


def test_pytest_runs_scenarios_in_three_lines(bare: Terminal) -> None:
    page = (ROOT / "docs" / "plan-tests.md").read_text(encoding="utf-8")
    (program,) = re.findall(r"```python\n(.*?)```", page, flags=re.DOTALL)
    assert len([line for line in program.splitlines() if line and not line.startswith(("from", "def"))]) <= 3
    inside = desk(bare.folder / "plans")
    scenario(inside, case(expect=["sends = 1"]))
    spaces: dict[str, object] = {}
    exec(compile(program.replace("scenarios/", str(inside)), "docs/plan-tests.md", "exec"), spaces)
    test = spaces["test_my_plans"]
    assert callable(test)
    with pytest.raises(AssertionError, match=r"a case: expected 1 sends; there are 2"):
        test()


def test_the_schema_of_scenarios_takes_the_examples(bare: Terminal) -> None:
    schema = json.loads(bare.ok("plan", "schema", "--scenario").out)
    assert schema["title"] == "DEE scenario"
    assert "Written" not in json.dumps(schema)
