"""What all commands have in common: help, exit codes, errors, JSON, and a terminal that cannot be tricked."""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import signal
import subprocess
from pathlib import Path
from types import SimpleNamespace

import click
import pytest
from cli_reference import REFERENCE, commands, reference
from terminal import PROGRAM, ROOT, Terminal

from dee_appliance import __version__
from dee_appliance.cli import main
from dee_appliance.cli.instant import parse_instant
from dee_appliance.cli.output import Output, Progress, clean, json_line
from dee_appliance.errors import ChannelError, Divergence, EvidenceError, HostError, Refused, Usage

EVERY = [(path, found, text) for path, found, text in commands() if not isinstance(found, click.Group)]
NAMES = [path for path, _, _ in EVERY]
WITHOUT_FILE = {"dee plan schema", "dee plan test", "dee template check", "dee demo"}


# -- help --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("path", "found", "text"), EVERY, ids=NAMES)
def test_every_command_explains_itself_with_an_example(path: str, found: click.Command, text: str) -> None:
    assert found.help is not None
    assert re.search(rf"Example: .*\b{path}\b", " ".join(text.split())), text
    assert "--json" in text
    assert ("--db" in text) == (path not in WITHOUT_FILE)
    for option in found.params:
        assert not isinstance(option, click.Option) or option.help or option.required, option.name


def test_the_reference_is_what_the_commands_say() -> None:
    assert REFERENCE.read_text(encoding="utf-8") == reference(), "run: python tests/e2e/cli_reference.py"


def test_help_lists_every_command_with_its_first_sentence(bare: Terminal) -> None:
    said = bare.ok("--help")
    listed = re.findall(r"^  ([a-z-]+)  ", said.out.partition("\nCommands:\n")[2], flags=re.MULTILINE)
    assert listed == list(main.COMMANDS)
    assert "..." not in said.out.partition("\nCommands:\n")[2]


def test_version_needs_none_of_the_heavy_libraries(bare: Terminal) -> None:
    program = "import sys\nfrom dee_appliance.cli.main import run\ncode = run(['--version'])\n"
    heavy = {"apsw", "blake3", "minijinja", "msgspec", "phonenumbers", "platformdirs", "ssl"}
    program += f"print({heavy} & set(sys.modules))\nsys.exit(code)"
    done = subprocess.run([PROGRAM[0], "-c", program], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, f"dee {__version__}\nset()\n", "")
    assert bare.ok("--version").out == f"dee {__version__}\n"


# -- exit codes and errors -----------------------------------------------------------------------------------------------


def test_nothing_to_do_is_answered_with_help_and_code_2(bare: Terminal) -> None:
    for words in ((), ("run",)):
        said = bare.dee(*words)
        assert (said.code, said.out) == (2, "")
        assert said.err.startswith("Usage: dee")


@pytest.mark.parametrize(
    ("words", "meant"),
    [(("serv",), "`serve`"), (("run", "lst"), "`list`"), (("plan", "chekc"), "`check`"), (("qqq",), "")],
)
def test_an_unknown_command_names_the_nearest(bare: Terminal, words: tuple[str, ...], meant: str) -> None:
    said = bare.dee(*words)
    assert said.code == 2
    assert f"there is no command `{words[-1]}`" in said.err
    assert meant in said.err


def test_an_unknown_option_is_a_usage_error(bare: Terminal) -> None:
    assert bare.dee("serve", "--no-such").code == 2
    told = bare.dee("serve", "--no-such", "--json").error()
    assert told["error"] == "usage"
    assert told["code"] == 2
    assert told["hint"] == "dee serve --help"


def test_a_file_that_is_named_without_its_option_is_told_the_option(bare: Terminal) -> None:
    path = bare.folder / "a file.db"
    path.touch()
    assert bare.dee("verify", str(path), "--json").error()["hint"] == f"dee verify --db '{path}'"
    assert bare.dee("verify", "nothing.db", "--json").error()["hint"] == "dee verify --help"


def test_an_error_says_what_where_and_what_to_type_next(bare: Terminal) -> None:
    said = bare.dee("status")
    assert (said.code, said.out) == (1, "")
    assert said.err.splitlines() == [
        "dee: there is no such file",
        f"  where: {bare.file}",
        "  next:  make one with `dee init`",
    ]
    assert bare.dee("status", "--json").error() == {
        "error": "refused",
        "code": 1,
        "what": "there is no such file",
        "where": str(bare.file),
        "hint": "make one with `dee init`",
    }


def failing(error: BaseException) -> click.Command:
    """A command that fails in one way."""

    @click.command()
    @click.option("--json", "as_json", is_flag=True)
    def fail(*, as_json: bool) -> None:
        """Fail."""
        del as_json
        raise error

    return fail


@pytest.mark.parametrize(
    ("error", "code", "word"),
    [
        (Refused("no"), 1, "refused"),
        (Usage("no"), 2, "usage"),
        (HostError("no"), 1, "host"),
        (ChannelError("no", certain=True, kind="none", code="x"), 1, "channel"),
        (Divergence("no"), 3, "divergence"),
        (EvidenceError("no"), 4, "integrity"),
        (OSError(28, "No space left on device"), 1, "host"),
        (PermissionError(13, "Permission denied", "plan.toml"), 1, "host"),
        (click.UsageError("no"), 2, "usage"),
        (click.ClickException("no"), 1, "refused"),
        (KeyboardInterrupt(), 130, "interrupted"),
        (click.Abort(), 130, "interrupted"),
        (ZeroDivisionError("no"), 1, "unexpected"),
        (RecursionError(), 1, "unexpected"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else None,
)
def test_every_error_has_its_exit_code_and_word(
    bare: Terminal, monkeypatch: pytest.MonkeyPatch, error: BaseException, code: int, word: str
) -> None:
    monkeypatch.setattr(main.LazyGroup, "get_command", lambda *_: failing(error))
    plain, told = bare.dee("status"), bare.dee("status", "--json")
    assert plain.code == told.code == code
    assert plain.err.startswith("dee: ")
    assert "Traceback" not in plain.err + told.err
    assert (told.error()["error"], told.error()["code"]) == (word, code)


def test_a_fault_of_the_program_says_how_to_report_it(bare: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(main.LazyGroup, "get_command", lambda *_: failing(ZeroDivisionError("1/0")))
    assert "DEE_DEBUG=1" in bare.dee("status").err
    monkeypatch.setenv("DEE_DEBUG", "1")
    with pytest.raises(ZeroDivisionError):
        bare.dee("status")


@pytest.mark.slow
def test_a_fault_in_front_of_a_terminal_is_no_traceback_unless_asked_for(desk: Terminal) -> None:
    broken = desk.write(
        "broken/sitecustomize.py", "import dee_appliance.engine\ndel dee_appliance.engine.Engine.halt\n"
    )
    path = os.pathsep.join([str(broken.parent), str(Path(main.__file__).parents[2])])
    quiet, loud = (desk.program("halt", PYTHONPATH=path, DEE_DEBUG=debug) for debug in ("", "1"))
    assert (quiet.code, loud.code) == (1, 1)
    assert "Traceback" not in quiet.err
    assert quiet.err.startswith("dee: unexpected AttributeError")
    assert "Traceback" in loud.err


def test_bytes_that_are_no_text_are_refused(bare: Terminal) -> None:
    said = bare.dee("contact", "find", b"\xff".decode("utf-8", "surrogateescape"))
    assert said.code == 2
    assert "not UTF-8" in said.err


def test_a_reader_that_goes_away_ends_the_command_quietly(desk: Terminal) -> None:
    with desk.start("plan", "schema") as process:
        assert process.stdout is not None
        process.stdout.close()
        assert process.stderr is not None
        assert (process.wait(timeout=60), process.stderr.read()) == (141, "")


# -- common options --------------------------------------------------------------------------------------------------------


def test_the_file_is_named_before_or_after_the_command_or_by_the_environment(
    desk: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DEE_DB", "nowhere.db")
    assert desk.dee("plan", "list").code == 1
    by_option = desk.ok("plan", "list", "--db", desk.file)
    assert desk.ok("--db", desk.file, "plan", "list") == by_option
    assert desk.ok("--db", "nowhere.db", "plan", "list", "--db", desk.file) == by_option
    monkeypatch.setenv("DEE_DB", str(desk.file))
    assert desk.ok("plan", "list") == by_option


def test_without_a_name_the_file_is_in_the_data_folder(bare: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DEE_DB")
    monkeypatch.setenv("XDG_DATA_HOME", str(bare.folder / "data"))
    assert str(bare.folder / "data" / "dee" / "dee.db") in bare.dee("status").err


def test_who_acts_is_recorded(desk: Terminal) -> None:
    desk.ok("halt")
    desk.ok("release", "--actor", "ann")
    told = desk.ok("log", "--json").records()
    assert [line["detail"]["actor"] for line in told if line["action"] in {"halt", "release"}] == ["tester", "ann"]
    assert desk.dee("halt", "--actor", "x" * 65).code == 2
    assert desk.dee("halt", "--actor", "a\x1bb").code == 2


# -- output ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "shown"),
    [
        ("plain", "plain"),
        ("Zoë 東京 ✔", "Zoë 東京 ✔"),
        ("\x1b[2Jgone", "\\x1b[2Jgone"),
        ("\x9b31m", "\\x9b31m"),
        ("a\nb\tc\rd", "a b c d"),
        ("left\u202eright", "left\\u202eright"),
        ("bell\x07", "bell\\x07"),
        ("tag\U000e0041", "tag\\U000e0041"),
        ("\u2028", "\\u2028"),
        ("\ud800", "\\ud800"),
        (42, "42"),
    ],
)
def test_data_cannot_command_the_terminal(data: object, shown: str) -> None:
    assert clean(data) == shown


def test_json_is_ascii_on_one_line() -> None:
    line = json_line({"text": "Zoë\n\x1b\u202e", "bytes": b"\x01\xff"})
    assert line.isascii()
    assert line.isprintable()
    assert json.loads(line) == {"text": "Zoë\n\x1b\u202e", "bytes": "01ff"}


def test_a_table_is_as_wide_as_its_cells(capsys: pytest.CaptureFixture[str]) -> None:
    Output(as_json=False).table(("name", "n"), [("a\x1b", 1), ("longer", 1000)], right=frozenset({1}))
    assert capsys.readouterr().out == "name       n\na\\x1b      1\nlonger  1000\n"


def test_text_and_json_exclude_one_another(capsys: pytest.CaptureFixture[str]) -> None:
    for as_json in (True, False):
        out = Output(as_json=as_json)
        out.line("text")
        out.lines("more\ntext")
        out.table(("head",), [("cell",)])
        out.note("note")
        out.record({"n": 1})
    said = capsys.readouterr()
    assert said.out == '{"n":1}\ntext\nmore\ntext\nhead\ncell\n'
    assert said.err == "note\n"


class Screen(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def test_progress_is_drawn_on_a_terminal_and_taken_away_again() -> None:
    screen, pipe = Screen(), io.StringIO()
    for stream in (screen, pipe):
        with contextlib.closing(stream), Progress("contacts\x1b", 200, stream) as progress:
            progress(50)
            drawn = stream.getvalue()
            bar = "██████░░░░░░░░░░░░░░░░░░ 25 % of 200"
            assert drawn == (f"\r\x1b[Kcontacts\\x1b {bar}" if stream is screen else "")


def test_progress_says_how_long_the_rest_takes_once_that_can_be_told(monkeypatch: pytest.MonkeyPatch) -> None:
    screen, now = Screen(), [100.0]
    monkeypatch.setattr("dee_appliance.cli.output.time", SimpleNamespace(monotonic=lambda: now[0]))
    with Progress("inputs", 200, screen) as progress:
        progress(10)
        assert "left" not in screen.getvalue()
        now[0] += 90
        progress(50)
        assert screen.getvalue().endswith("25 % of 200, 4:30 left")
        now[0] += 1
        progress(200)
        assert screen.getvalue().endswith("████████████████████████ 100 % of 200")


@pytest.mark.parametrize(
    ("text", "tick"),
    [
        ("2026-11-23T09:00:00Z", 1_795_424_400),
        ("2026-11-23 09:00", 1_795_424_400),
        ("2026-11-23T10:00:00+01:00", 1_795_424_400),
        ("2026-11-23", 1_795_392_000),
        ("1795424400", 1_795_424_400),
        ("400", 1_795_000_400),
    ],
)
def test_a_moment_is_a_date_in_utc_or_a_tick(text: str, tick: int) -> None:
    assert parse_instant(text, epoch=1_795_000_000) == tick


@pytest.mark.parametrize("text", ["", "tomorrow", "2026-13-01", "-5", "1e9", "9" * 40, "1969-12-31", "²"])
def test_what_is_no_moment_is_refused(text: str) -> None:
    with pytest.raises(Usage):
        parse_instant(text)


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_loop_cleanly(desk: Terminal, number: signal.Signals) -> None:
    with desk.start("serve", "--json") as process:
        assert process.stderr is not None
        while desk.dee("status", "--json").record()["loop"] == "":
            assert process.poll() is None, process.stderr.read()
        process.send_signal(number)
        out, err = process.communicate(timeout=60)
    told = json.loads(out)
    assert (process.returncode, err, told["stopped"], told["idle"]) == (0, "", True, False)


@pytest.mark.slow
@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_a_closed_stream_is_no_fault_of_the_program(desk: Terminal, closed: str) -> None:
    program = f"{' '.join(PROGRAM)} status {closed}"
    done = subprocess.run(
        ["sh", "-c", program],
        cwd=desk.folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert (b"entries" in done.stdout) == (">&-" not in closed.replace("2>&-", ""))
