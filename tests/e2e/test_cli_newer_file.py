"""Every command on a file that a newer DEE has written: nothing is written, the words say "newer", and the exit code is its own.

Newer in its format, in its semantics epoch, or in the schema of a plan. What needs no file works as always, and `dee verify`
checks the log, which needs no kernel.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable
from pathlib import Path

import click
import pytest
from cli_reference import commands
from second_epoch import publish_of_schema_2, second_epoch, second_format
from terminal import Terminal

from dee_appliance import Engine

pytestmark = pytest.mark.breaks_its_file

NEWER = 5
EVERY = [path.removeprefix("dee ") for path, found, _ in commands() if not isinstance(found, click.Group)]
WITHOUT_FILE = {
    "demo",
    "init",
    "plan check",
    "plan diff",
    "plan schema",
    "plan test",
    "policy pack check",
    "policy pack diff",
    "template check",
}
"""Commands that need no file, or make one."""

RUN = "run_aaaaaaaaaaaaaaaaaaaa"
WORDS: dict[str, tuple[str, ...]] = {
    "trial": ("on",),
    "snapshot": ("copy.db",),
    "upgrade": ("--yes",),
    "config set": ("sender.domain", "good.example.com"),
    "policy set": ("policy.toml",),
    "policy report": ("--from", "2026-01-01", "--to", "2026-12-31"),
    "policy pack use": ("uk",),
    "policy pack retire": ("uk",),
    "policy pack show": ("uk",),
    "budget estimate": ("--channel", "email"),
    "plan publish": ("plan.toml",),
    "plan show": ("welcome",),
    "plan graph": ("welcome",),
    "template preview": ("templates/letter.eml.j2", "--contact", "K-1"),
    "contact import": ("contacts.csv",),
    "contact find": ("Ada",),
    "contact show": ("K-1",),
    "contact timeline": ("K-1",),
    "contact export": ("K-1",),
    "contact erase": ("K-1", "--yes"),
    "consent grant": ("K-1", "--channel", "email"),
    "consent revoke": ("K-1", "--channel", "email"),
    "consent import": ("consents.csv",),
    "consent show": ("K-1",),
    "suppress add": ("K-1",),
    "suppress lift": ("K-1",),
    "suppress import": ("suppressions.csv",),
    "suppress check": ("K-1",),
    "fact set": ("registered", "on"),
    "simulate": ("welcome",),
    "enroll": ("welcome", "--all"),
    "run show": (RUN,),
    "run pause": (RUN,),
    "run resume": (RUN,),
    "run cancel": (RUN,),
    "run retry": (RUN,),
    "run resolve": (RUN, "--as", "delivered"),
    "run skip": (RUN,),
    "task done": (RUN, "well"),
    "event add": ("email.replied", "--contact", "K-1"),
    "gate": ("K-1", "--plan", "welcome"),
    "why": ("K-1",),
    "what-if": ("--policy", "policy.toml"),
    "debug": (RUN,),
    "export": (RUN,),
}


def newer_format(desk: Terminal, aside: Path) -> None:
    with second_format(aside):
        Engine(desk.file).upgrade()


def newer_epoch(desk: Terminal, aside: Path) -> None:
    with second_epoch(aside):
        Engine(desk.file).upgrade()


def newer_plan(desk: Terminal, aside: Path) -> None:
    del aside
    publish_of_schema_2(desk.file)


MADE: dict[str, Callable[[Terminal, Path], None]] = {"format": newer_format, "epoch": newer_epoch, "schema": newer_plan}


def state_of(desk: Terminal) -> dict[str, str]:
    """The bytes of the file, of its WAL and of everything that is remembered outside it."""
    files = [desk.file, desk.file.with_name("desk.db-wal"), *sorted((desk.folder / "memory").rglob("*"))]
    return {
        str(one): hashlib.sha256(one.read_bytes()).hexdigest() for one in files if one.is_file() and one.stat().st_size
    }


@pytest.fixture(params=MADE, scope="module")
def newer_files(request: pytest.FixtureRequest, furnished: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A desk whose file a newer DEE has gone on with: armed once, and with memory outside."""
    folder = tmp_path_factory.mktemp("newer") / "desk"
    shutil.copytree(furnished, folder)
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setenv("DEE_STATE_DIR", str(folder / "memory"))
        monkeypatch.setenv("DEE_DB", str(folder / "desk.db"))
        desk = Terminal(folder)
        desk.ok("arm")
        desk.write("consents.csv", "email,channel,obtained\nada@good.example.com,email,2026-01-01\n")
        desk.write("suppressions.csv", "email\nada@good.example.com\n")
        MADE[request.param](desk, folder.parent)
    return folder


@pytest.fixture
def newer_desk(newer_files: Path, monkeypatch: pytest.MonkeyPatch) -> Terminal:
    monkeypatch.setenv("DEE_STATE_DIR", str(newer_files / "memory"))
    monkeypatch.setenv("DEE_DB", str(newer_files / "desk.db"))
    monkeypatch.setenv("USER", "tester")
    return Terminal(newer_files)


def test_every_command_leaves_a_newer_file_alone_and_says_so(newer_desk: Terminal) -> None:
    before = state_of(newer_desk)
    assert len(before) > 3
    told = {}
    for name in EVERY:
        if name in WITHOUT_FILE or name == "verify":
            continue
        said = newer_desk.dee(*name.split(), *WORDS.get(name, ()))
        told[name] = (said.code, "newer DEE" in said.err, state_of(newer_desk) == before)
        assert not said.out.strip(), (name, said)
    assert {name: found for name, found in told.items() if found != (NEWER, True, True)} == {}
    assert not (newer_desk.folder / "copy.db").exists()


def test_a_program_reads_from_the_error_that_the_file_is_newer(newer_desk: Terminal) -> None:
    error = newer_desk.dee("status", "--json").error()
    assert (error["error"], error["code"]) == ("newer", NEWER)
    assert "update DEE" in error["hint"]


def test_the_log_of_a_newer_file_is_checked_with_a_note_of_what_is_not_covered(newer_desk: Terminal) -> None:
    before = state_of(newer_desk)
    said = newer_desk.ok("verify")
    assert "whole: nothing was changed after it was written" in said.out
    assert "a newer DEE" in said.out
    assert "assurance  chain+tip" in said.out, "the tip outside still vouches for it"
    assert newer_desk.ok("verify", "--untrusted").out.count("a newer DEE") == 1
    assert newer_desk.dee("verify", "--state").code == NEWER
    assert state_of(newer_desk) == before


def test_every_command_that_needs_no_file_is_one_of_ours() -> None:
    assert set(EVERY) >= WITHOUT_FILE
    assert set(EVERY) >= set(WORDS)
