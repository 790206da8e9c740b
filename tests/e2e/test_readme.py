"""The README as a newcomer reads it: every command is typed in order, and prints what is shown.

The package is not installed for it (but for the slow test of the first command); a `dee` in the folder of the virtual environment
runs the checkout. The one thing that is replaced is the mail server of the last part: a local one takes its place.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from console_blocks import Names, Shell, Step, blocks, steps

from dee_appliance.runtime.mail_server import LOOPBACK, MailServer

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "README.md").read_text(encoding="utf-8")
DEMO, _, TOUR = TEXT.partition("## Five minutes of your own")
NEEDED = ("README.md", "dee_appliance", "examples", "pyproject.toml", "sql")
NO_REGISTRY = ("No matching distribution", "Could not find a version", "ConnectionError", "NewConnectionError")

pytestmark = pytest.mark.slow


def newcomer(folder: Path) -> dict[str, str]:
    """A checkout with DEE installed, as far as commands can see; returns the environment of a shell in it."""
    (folder / "examples").symlink_to(ROOT / "examples")
    program = folder / ".venv/bin/dee"
    program.parent.mkdir(parents=True)
    program.write_text(
        f'#!/bin/sh\nPYTHONPATH="{ROOT}" exec "{sys.executable}" -m dee_appliance "$@"\n', encoding="utf-8"
    )
    program.chmod(0o755)
    kept = {name: os.environ[name] for name in ("HOME", "TMPDIR") if name in os.environ}
    path = f"{program.parent}:{Path(sys.executable).parent}:/usr/bin:/bin"
    # Unbuffered, so that output and errors come in the order in which a terminal shows them.
    return {**kept, "PATH": path, "LANG": "C.UTF-8", "PYTHONUNBUFFERED": "1", "DEE_STATE_DIR": str(folder / "state")}


def type_in(shell: Shell, step: Step, names: Names) -> None:
    """Run one step and compare what it prints with what is shown."""
    code, printed = shell.run(names.told(step.command))
    refused = any(line.startswith("dee: ") for line in step.shown)
    assert code == int(refused), (step.command, printed)
    if step.shown:
        assert names.missing(step.shown, printed) is None, "\n".join([step.command, *printed])


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """What `dee demo` prints from a checkout."""
    folder = tmp_path_factory.mktemp("demo")
    (step,) = steps(DEMO)
    with Shell(folder, newcomer(folder)) as shell:
        code, printed = shell.run(step.command)
    assert code == 0, printed
    return printed


def story(printed: list[str]) -> list[str]:
    """What everybody's demo has in common: how the runs ended, and the entries and the head of one of them."""
    return [next(line for line in printed if word in line) for word in ("outcomes:", "evidence:")]


def test_the_demo_tells_the_shown_story(demo: list[str]) -> None:
    (step,) = steps(DEMO)
    assert Names().missing(step.shown, demo) is None, "\n".join(demo)
    for line in step.shown:  # moments and ids to the letter
        assert "…" in line or line in demo
    assert story(demo)[0] in step.shown


def test_every_command_of_the_tour_prints_what_is_shown(tmp_path: Path) -> None:
    names = Names()
    mailbox = tmp_path / "mailbox"
    with MailServer(mailbox) as server, Shell(tmp_path, newcomer(tmp_path)) as shell:
        for step in steps(TOUR):
            local = f'options = {{ host = "{LOOPBACK}", port = {server.port}, tls = "none" }}'
            command = re.sub(r'^options = \{ host = "smtp\..*$', local, step.command, flags=re.MULTILINE)
            type_in(shell, Step(command, step.shown), names)
        assert server.count == 1
    (letter,) = mailbox.iterdir()
    assert b"To: ana.abbott.1@example.com" in letter.read_bytes()


def test_the_first_command_sets_itself_up_and_tells_the_same_story(tmp_path: Path, demo: list[str]) -> None:
    (block,) = blocks(TEXT, "sh")
    first, second = [line for line in block.splitlines() if line and not line.startswith("#")]
    for name in NEEDED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, tmp_path / name)
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin"}
    done = subprocess.run(first, shell=True, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    if done.returncode and any(sign in done.stderr for sign in NO_REGISTRY):
        pytest.skip("no package registry can be reached from here")
    assert done.returncode == 0, done.stderr
    assert "byte for byte the same" in done.stdout
    assert story(done.stdout.splitlines()) == story(demo)
    assert second == "sh .ci/test.sh"
    assert (ROOT / ".ci/test.sh").is_file()


def test_the_python_example_runs(tmp_path: Path) -> None:
    (block,) = blocks(TEXT, "python")
    shutil.copytree(ROOT / "examples/sales-outreach", tmp_path, dirs_exist_ok=True)
    told = f"{block}\nwith engine.view() as view:\n    print(view.log_size)\n"
    environment = {**newcomer(tmp_path), "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", told], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 237
