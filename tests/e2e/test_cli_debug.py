"""`dee debug`: by a script, from standard input, on a terminal; what it says of files that do not replay."""

from __future__ import annotations

import os
import pty
import subprocess

import pytest
from console_blocks import Names, steps
from recorded_files import attacker
from terminal import PROGRAM, ROOT, Said, Terminal, serve_all

OPERATIONS = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
PATIENCE_S = 60
pytestmark = pytest.mark.slow


@pytest.fixture
def served(desk: Terminal) -> Terminal:
    """A desk whose runs have come as far as they can: Cleo's message may have left, or not."""
    serve_all(desk)
    return desk


def piped(desk: Terminal, script: str, *words: str) -> Said:
    """Debug with a script on standard input."""
    done = subprocess.run(
        [*PROGRAM, "debug", *words],
        input=script,
        cwd=desk.folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    return Said(done.returncode, done.stdout, done.stderr)


def test_a_script_walks_to_the_failure_and_back(served: Terminal) -> None:
    run = served.run_of("K-3")
    before = served.file.read_bytes()
    told = served.ok("debug", run, "--do", "fail; show verdict; back; show diff; g stop 1; n; b").out
    assert "nobody knows whether the e-mail was sent: no_reply" in told
    assert "  then: FAILED(outcome_unknown) at letter" in told
    assert "  attempt.letter/1.1.state: INTENDED → DISPATCHING" in told
    assert told == served.ok("debug", run, "--do", "fail; show verdict; back; show diff; g stop 1; n; b").out
    assert served.file.read_bytes() == before
    served.ok("snapshot", "copy.db")
    assert (
        told
        == served.ok("debug", run, "--db", "copy.db", "--do", "fail; show verdict; back; show diff; g stop 1; n; b").out
    )


def test_the_verdict_is_told_as_why_tells_it(served: Terminal) -> None:
    run = served.run_of("K-1")
    rules = [line for line in served.ok("why", run).out.splitlines() if line.startswith("          ✔")]
    assert len(rules) == 4
    told = served.ok("debug", run, "--do", "gate; show verdict").out.splitlines()
    assert [line for line in told if line in rules] == rules


def test_commands_come_from_standard_input(served: Terminal) -> None:
    run = served.run_of("K-1")
    script = "# where did it go?\n\ngate   # the first question\nshow entries; where\nquit\nnonsense\n"
    said = piped(served, script, run)
    assert (said.code, said.err) == (0, "")
    assert said.out == served.ok("debug", run, "--do", "gate; show entries; where").out
    assert piped(served, script, run).out == said.out


def test_a_wrong_command_ends_a_script_and_says_where(served: Terminal) -> None:
    run = served.run_of("K-1")
    said = piped(served, "gate\n\nshwo input\nend\n", run)
    assert said.code == 2
    assert said.err.splitlines()[:2] == ["dee: there is no command `shwo`: did you mean `show`?", "  where: line 3"]
    assert "next:  next, back, goto" in said.err
    refused = served.dee("debug", run, "--do", "end; goto stop 99", "--json")
    assert refused.code == 1
    assert refused.error()["where"] == "--do, command 2"
    assert [record["command"] for record in refused.records()] == ["", "end"]


def test_json_is_one_object_a_command(served: Terminal) -> None:
    run = served.run_of("K-3")
    script = "gate; show snapshot; show verdict; fail; fail; list; break rule day; watch run.status; continue back; show; help"
    opened, gate, snapshot, verdict, fail, none, around, *rest = served.ok(
        "debug", run, "--do", script, "--json"
    ).records()
    assert opened == {"command": "", "run": run, "stop": 1, "of": 3, "same": True}
    assert (gate["command"], gate["moved"], gate["stop"], gate["by"]) == ("gate", True, 2, ["gate"])
    assert snapshot["snapshot"] == gate["snapshot"]
    assert [rung["rule"] for rung in verdict["verdict"][0]["gate"]] == ["address", "suppression", "day", "send_by"]
    assert (fail["status"], fail["reason"]) == ("FAILED", "outcome_unknown")
    assert (none["moved"], none["stop"]) == (False, 3)
    assert [stop["stop"] for stop in around["stops"]] == [1, 2, 3]
    assert rest[1]["breaks"] == [{"kind": "rule", "name": "day"}, {"kind": "watch", "name": "run.status"}]
    assert rest[2]["stop"] == 1
    assert {"snapshot", "input", "entries", "moments", "changes", "next"} <= set(rest[3])


def test_personal_data_are_shown_when_asked_for_until_they_are_erased(served: Terminal) -> None:
    run = served.run_of("K-1")
    served.ok("event", "add", "email.replied", "--contact", "K-1", "--text", "Ring me on Friday")
    script = "end; show; show input; show personal"
    told = served.ok("debug", run, "--do", script).out
    assert told.count("Ring me on Friday") == 1
    assert told.splitlines()[-1] == "  reply  Ring me on Friday"
    assert served.dee("debug", run, "--untrusted", "--do", "end; show personal").code == 1
    served.ok("contact", "erase", "K-1", "--yes")
    told = served.ok("debug", run, "--do", "goto tick 2027-01-01; back; show personal").out
    assert told.splitlines()[-1] == "no personal data came with this input, or they were erased"


def test_a_file_that_does_not_replay_is_told_and_ends_with_3(served: Terminal) -> None:
    run = served.run_of("K-3")
    last = served.ok("debug", run, "--do", "end", "--json").records()[-1]
    with attacker(served.file) as connection:
        connection.execute("UPDATE input SET tick = tick + 60 WHERE seq = ?", (last["input"]["seq"],))
    for words in ((), ("--untrusted",)):
        said = served.dee("debug", run, *words, "--do", "end; show divergence")
        assert said.code == 3
        assert "✘ this file does not replay: it diverges at entry" in said.out
        assert "this is what the kernel decides today, and not what is recorded" in said.out
        assert "  cause     tampering" in said.out


def test_a_run_that_is_not_there_is_said(served: Terminal) -> None:
    said = served.dee("debug", "run_nobody")
    assert said.code == 1
    assert "there is no run `run_nobody`" in said.err


def test_a_terminal_is_asked_until_it_quits(served: Terminal) -> None:
    keyboard, screen = pty.openpty()
    run = served.run_of("K-3")
    with subprocess.Popen(
        [*PROGRAM, "debug", run],
        cwd=served.folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), "TERM": "dumb"},
        stdin=screen,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        os.close(screen)
        # A wrong command does not end it.
        os.write(keyboard, b"gogo\nfail; w\nhelp\nquit\n")
        out, _ = process.communicate(timeout=PATIENCE_S)
    os.close(keyboard)
    assert process.returncode == 0
    assert "`help` lists the commands" in out
    assert out.count("(dee) ") == 4
    assert "there is no command `gogo`: did you mean `goto`?" in out
    assert out.count("then: FAILED(outcome_unknown) at letter") == 2
    assert "to the next question to the gate" in out


def test_the_session_of_the_operations_page_is_a_real_one(served: Terminal) -> None:
    (shown,) = [step for step in steps(OPERATIONS) if step.command.startswith("dee debug")]
    names, run = Names(), served.run_of("K-3")
    assert names.missing((shown.command.split()[2],), [run]) is None
    command = names.told(shown.command)
    script = command.split('"')[1]
    printed = served.ok("debug", run, "--do", script).out.splitlines()
    assert names.missing(shown.shown, printed) is None, "\n".join(printed)


def test_a_file_that_a_loop_holds_is_debugged(served: Terminal) -> None:
    run = served.run_of("K-1")
    still = served.ok("debug", run, "--do", "list all").out
    with served.start("serve") as process:
        assert process.stderr is not None
        assert "serving" in process.stderr.readline()
        assert served.ok("debug", run, "--do", "list all").out.splitlines()[1:] == still.splitlines()[1:]
        process.terminate()
        process.communicate(timeout=PATIENCE_S)
