"""A terminal for tests of the command line: `dee` in this process for speed, or as a program of its own where that matters."""

from __future__ import annotations

import contextlib
import io
import json
import os
import shlex
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec

from dee_appliance.cli.main import run

ROOT = Path(__file__).parents[1]
PROGRAM = (sys.executable, "-m", "dee_appliance")

POLICY = """
policy   = "desk"
currency = "USD"
[[rule]]
id   = "suppression"
kind = "suppression"
[[rule]]
id    = "day"
kind  = "daily_limit"
limit = 100
[[rate]]
channel = "email"
price   = "0.01"
"""
PLAN = """
plan    = "welcome"
version = 1
purpose = "transactional"
title   = "A letter, a task, a good-bye"

[variables]
day = "date"

[enroll]
reentry = "after_exit"

[[step]]
id       = "letter"
do       = "send_email"
template = "letter"

[[step]]
id           = "ring"
do           = "task"
instructions = "Ring and ask how it went."
within       = "30d"
on           = { well = "happy", badly = "sad" }
next         = "sad"
skippable    = true

[[step]]
id      = "sad"
do      = "end"
outcome = "sad"

[[step]]
id      = "happy"
do      = "end"
outcome = "happy"
"""
LETTER = """Subject: Your visit

Dear {{ contact.first_name }},

see you on {{ var.day }}.
--- html ---
<p>Dear {{ contact.first_name }}</p>
"""
CONTACTS = """customer_id,first_name,email,phone
K-1,Ada,ada@good.example.com,+12065550101
K-2,Ben,ben@good.example.com,
K-3,Cleo,cleo@unknown.example.com,
K-4,Dov,dov@reject.example.com,
"""
SCENARIO = """
[[rule]]
domain = "unknown.example.com"
answer = "unknown"
[[rule]]
domain = "reject.example.com"
answer = "reject"
"""


class Said(msgspec.Struct, frozen=True):
    """What a command printed, and its exit code."""

    code: int
    out: str
    err: str

    def records(self) -> list[dict[str, Any]]:
        """The JSON objects on standard output, one a line."""
        return [json.loads(line) for line in self.out.splitlines()]

    def record(self) -> dict[str, Any]:
        """The only JSON object on standard output."""
        (record,) = self.records()
        return record

    def error(self) -> dict[str, Any]:
        """The JSON object on standard error."""
        (line,) = self.err.splitlines()
        told: dict[str, Any] = json.loads(line)
        return told


class Terminal:
    """A folder with one file in it, and its memory outside."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.file = folder / "desk.db"

    def write(self, name: str, text: str) -> Path:
        """Write a text file into the folder."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    def dee(self, *words: object) -> Said:
        """Run a command in this process, on the file of this folder."""
        out, err = io.StringIO(), io.StringIO()
        # `dee serve` takes the signals of its process, which here is the test's.
        kept = [(number, signal.getsignal(number)) for number in (signal.SIGINT, signal.SIGTERM)]
        with contextlib.chdir(self.folder), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = run([str(word) for word in words])
        for number, handler in kept:
            signal.signal(number, handler)
        return Said(code, out.getvalue(), err.getvalue())

    def ok(self, *words: object) -> Said:
        """Run a command that must succeed."""
        said = self.dee(*words)
        assert said.code == 0, (words, said)
        return said

    def start(self, *words: object, **environment: str) -> subprocess.Popen[str]:
        """Start a command as a program of its own."""
        return subprocess.Popen(
            [*PROGRAM, *map(str, words)],
            cwd=self.folder,
            env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def program(self, *words: object, **environment: str) -> Said:
        """Run a command as a program of its own, to its end."""
        with self.start(*words, **environment) as process:
            out, err = process.communicate(timeout=60)
            return Said(process.returncode, out, err)

    def with_files_no_longer_than(self, blocks: int, *words: object) -> Said:
        """Run a command whose files cannot grow beyond so many blocks of 512 bytes: a disk that fills up."""
        command = shlex.join([*PROGRAM, *map(str, words)])
        done = subprocess.run(
            ["sh", "-c", f"ulimit -f {blocks}; {command}"],
            cwd=self.folder,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            check=False,
        )
        return Said(done.returncode, done.stdout, done.stderr)

    def runs(self, *words: object) -> list[dict[str, Any]]:
        """The runs of the file."""
        return self.ok("run", "list", "--json", *words).records()

    def run_of(self, contact: str) -> str:
        """The only run of a contact."""
        (row,) = self.runs("--contact", contact)
        return str(row["run"])


def furnish(desk: Terminal) -> None:
    """Make a file with a plan and four contacts: two good addresses, one that answers in doubt, one that is rejected."""
    desk.write("plan.toml", PLAN)
    desk.write("templates/letter.eml.j2", LETTER)
    desk.write("policy.toml", POLICY)
    desk.write("contacts.csv", CONTACTS)
    scenario = desk.write("scenario.toml", SCENARIO)
    desk.write("desk.db.toml", f'[channel.email]\nadapter = "sandbox"\noptions = {{ scenario = "{scenario}" }}\n')
    desk.ok("init", "--policy", "policy.toml")
    desk.ok("plan", "publish", "plan.toml")
    desk.ok("contact", "import", "contacts.csv")


def serve_all(desk: Terminal) -> None:
    """Arm the file, enrol everybody and serve until nothing is left to do now."""
    desk.ok("arm")
    desk.ok("enroll", "welcome", "--all", "--var", "day=2026-12-24")
    desk.ok("serve", "--until-idle")
