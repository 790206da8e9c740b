"""The built binary: size, start, every command's help, the demo with the host's time-zone data out of reach, and a file of one's
own, whose mail leaves over TLS.

The build takes a minute or two and is done once, by packaging/build.sh as a user would. DEE_DIST names a folder that build.sh
has filled already. Without Linux or binutils nothing can be built, and the tests say so instead of failing.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import ssl
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
import trustme
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import Envelope

from dee_appliance import __version__

ROOT = Path(__file__).parents[2]
MEGABYTE = 1_000_000
FOLDER_BYTES_MAX = 45 * MEGABYTE
FILE_BYTES_MAX = 22 * MEGABYTE
START_SECONDS_MAX = 0.3
DEMO_SECONDS_MAX = 60
HOST_ZONES = "/usr/share/zoneinfo"
FOLDER = Path("onedir", "dee", "dee")
FILE = Path("onefile", "dee")
PEOPLE = """\
customer_id,first_name,email,phone,tier,company
C-1,Ana,ana@example.com,+1 206 555 0100,free,
C-2,Bea,bea@bücher.example,+44 20 7946 0018,free,Bücher & Söhne
C-3,Cem,nonsense,,free,
"""

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="the binary is built on Linux"),
    pytest.mark.skipif(
        not all(shutil.which(tool) for tool in ("objcopy", "objdump", "strip")),
        reason="PyInstaller needs binutils (objcopy, objdump, strip)",
    ),
]


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What build.sh leaves behind."""
    if given := os.environ.get("DEE_DIST"):
        return Path(given)
    out = tmp_path_factory.mktemp("dist")
    environment = os.environ | {"PYTHON": sys.executable}
    done = subprocess.run(
        ["sh", ROOT / "packaging" / "build.sh", out], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return out


@pytest.fixture
def garbage_zones(tmp_path: Path) -> Path:
    """A folder of time-zone data that breaks whoever reads it."""
    for name in ("UTC", "America/New_York", "America/Los_Angeles", "Europe/Berlin", "Asia/Kolkata"):
        zone = tmp_path / "zones" / name
        zone.parent.mkdir(parents=True, exist_ok=True)
        zone.write_bytes(b"not a time zone")
    return tmp_path / "zones"


def bare(home: Path) -> dict[str, str]:
    """An environment with none of our Python around."""
    return {"PATH": "/usr/bin:/bin:/usr/sbin:/sbin", "LANG": "C.UTF-8", "HOME": str(home), "COLUMNS": "100"}


def run(command: Sequence[str | Path], cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run as a user without any of our Python around."""
    return subprocess.run(
        command, cwd=cwd, env=bare(cwd) | environment, capture_output=True, text=True, check=False, timeout=300
    )


def hiding_host_zones(command: Sequence[str | Path], cwd: Path) -> list[str | Path]:
    """Mount an empty folder over the host's zone data, in a name space of our own; where that is forbidden, only run."""
    hide = ["unshare", "--mount", "sh", "-c", f'mount -t tmpfs none {HOST_ZONES} && exec "$@"', "sh"]
    if os.geteuid() == 0 and run([*hide, "test", "!", "-e", f"{HOST_ZONES}/UTC"], cwd).returncode == 0:
        return [*hide, *command]
    return list(command)


def commands(program: Path, cwd: Path, words: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Every command and sub-command, as the help itself lists them."""
    done = run([program, *words, "--help"], cwd)
    assert done.returncode == 0, (words, done.stderr)
    assert done.stdout.startswith("Usage:"), (words, done.stdout)
    assert done.stderr == ""
    yield words
    _, _, listed = done.stdout.partition("\nCommands:\n")
    for name in re.findall(r"^  ([a-z][a-z0-9-]*)", listed, flags=re.MULTILINE):
        yield from commands(program, cwd, (*words, name))


def test_the_folder_is_at_most_45_megabytes(dist: Path) -> None:
    assert sum(path.lstat().st_size for path in (dist / "onedir" / "dee").rglob("*")) <= FOLDER_BYTES_MAX


def test_the_file_is_at_most_22_megabytes(dist: Path) -> None:
    assert (dist / FILE).stat().st_size <= FILE_BYTES_MAX


@pytest.mark.parametrize("program", [FOLDER, FILE], ids=["folder", "file"])
def test_it_tells_its_version(dist: Path, program: Path, tmp_path: Path) -> None:
    done = run([dist / program, "--version"], tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert __version__ in done.stdout


def test_the_folder_starts_in_under_a_third_of_a_second(dist: Path, tmp_path: Path) -> None:
    seconds = []
    for _ in range(5):
        begun = time.perf_counter()
        run([dist / FOLDER, "--version"], tmp_path)
        seconds.append(time.perf_counter() - begun)
    assert statistics.median(seconds) <= START_SECONDS_MAX, seconds


def test_every_command_has_help(dist: Path, tmp_path: Path) -> None:
    found = set(commands(dist / FOLDER, tmp_path))
    assert {("init",), ("serve",), ("replay",), ("plan", "check"), ("contact", "import"), ("run", "show")} <= found


@pytest.mark.parametrize("program", [FOLDER, FILE], ids=["folder", "file"])
def test_the_demo_runs_on_the_bundled_time_zones(
    dist: Path, program: Path, garbage_zones: Path, tmp_path: Path
) -> None:
    here = tmp_path / "demo"
    here.mkdir()
    begun = time.perf_counter()
    done = run(hiding_host_zones([dist / program, "demo"], here), here, PYTHONTZPATH=str(garbage_zones))
    assert done.returncode == 0, done.stdout + done.stderr
    assert time.perf_counter() - begun <= DEMO_SECONDS_MAX
    assert re.search(r"^verify .* every hash and link as written", done.stdout, flags=re.MULTILINE)
    assert re.search(r"^replay .* byte for byte the same$", done.stdout, flags=re.MULTILINE)
    for proof, last in (("verify", "whole"), ("replay", "identical")):
        proven = run([dist / program, proof, "--db", here / "demo.db"], here)
        assert proven.returncode == 0, proven.stderr
        assert proven.stdout.splitlines()[-1].startswith(last)


class Mailroom:
    """What the mail server has taken, oldest first."""

    def __init__(self) -> None:
        self.taken: list[tuple[str, bytes]] = []

    async def handle_DATA(self, server: object, session: object, envelope: Envelope) -> str:  # noqa: N802, ARG002 - its name
        assert isinstance(envelope.content, bytes)
        self.taken.extend((to, envelope.content) for to in envelope.rcpt_tos)
        return "250 2.0.0 Ok"


class Desk:
    """A folder with a binary, its files and its memory, and a mail server on this machine that speaks TLS."""

    def __init__(self, program: Path, folder: Path, mailroom: Mailroom) -> None:
        self.program = program
        self.folder = folder
        self.mailroom = mailroom

    def dee(self, *words: str | Path) -> str:
        """What a command prints; it must succeed."""
        done = run([self.program, *words], self.folder, DEE_DB="my.db")
        assert done.returncode == 0, (words, done.stdout, done.stderr)
        return done.stdout


@pytest.fixture
def desk(dist: Path, tmp_path: Path) -> Iterator[Desk]:
    """An example copied out of the binary, three people, and mail by TLS to a server whose authority is known."""
    shutil.copytree(
        dist / FOLDER.parent / "_internal/dee_appliance/examples/sales-outreach", tmp_path, dirs_exist_ok=True
    )
    (tmp_path / "people.csv").write_text(PEOPLE, encoding="utf-8")
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "authority.pem")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    mailroom = Mailroom()
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    server = Controller(mailroom, hostname="127.0.0.1", port=port, ssl_context=context)
    options = f'host = "127.0.0.1", port = {port}, tls = "implicit", ca_file = "authority.pem"'
    (tmp_path / "my.db.toml").write_text(f'[channel.email]\nadapter = "smtp"\noptions = {{ {options} }}\n')
    server.start()
    yield Desk(dist / FOLDER, tmp_path, mailroom)
    server.stop()


def begin(desk: Desk) -> None:
    """A file with a plan and two people in it."""
    start = ["--start", "2026-01-05T08:00:00Z", "--assume", "replied=0%,opened=0%"]
    desk.dee("init", "--simulated", *start, "--policy", "policy.toml")
    desk.dee("plan", "publish", "plan.toml")
    desk.dee("contact", "import", "people.csv", "--consent", "email:marketing", "--allow-rejects")


def test_a_plan_runs_to_its_end_and_its_mail_leaves_over_tls(desk: Desk) -> None:
    begin(desk)
    assert "email_syntax" in (desk.folder / "people.csv.rejects.csv").read_text("utf-8")
    assert "Europe/London" in desk.dee("contact", "show", "C-2")  # by the number's metadata
    assert "Hello Bea" in desk.dee("template", "preview", "intro", "--contact", "C-2")
    assert "2 enter" in desk.dee("simulate", "sales-outreach")
    assert "✔ channel email" in desk.dee("health")
    desk.dee("enroll", "sales-outreach", "--all")
    desk.dee("serve", "--until-idle")

    assert [to for to, _ in desk.mailroom.taken].count("bea@xn--bcher-kva.example") == 2
    assert len(desk.mailroom.taken) == 4
    assert all(b"List-Unsubscribe:" in content for _, content in desk.mailroom.taken)
    desk.dee("snapshot", "copy.db")
    desk.dee("verify", "--state")
    assert "C-2" not in desk.dee("contact", "erase", "C-2", "--yes")
    for file in ("my.db", "copy.db"):
        assert desk.dee("verify", "--db", file).splitlines()[-1].startswith("whole")
        assert desk.dee("replay", "--db", file).splitlines()[-1] == "identical"


READING = [
    "budget show",
    "config list",
    "consent show C-1",
    "contact export C-1",
    "contact find example.com",
    "contact timeline C-1",
    "fact list",
    "log --json",
    "plan check plan.toml",
    "plan diff sales-outreach plan.toml",
    "plan graph plan.toml --mermaid",
    "plan graph plan.toml --svg",
    "plan list",
    "plan schema",
    "plan show sales-outreach",
    "policy pack check us-states",
    "policy pack list",
    "policy pack show us-federal",
    "policy report --from 2026-01-01 --to 2026-12-31 --format csv",
    "policy show",
    "run list --json",
    "status",
    "suppress check C-1",
    "suppress list",
    "suppress lists",
    "task list",
    "template check templates/intro.eml.j2 scripts/intro-call.toml",
    "tz show",
    "tz update",
    "what-if --pack us-federal",
    "why C-1",
]


def test_a_file_can_be_read_and_steered_with_what_was_packed(desk: Desk) -> None:
    begin(desk)
    for act in ("halt", "release", "event add meeting.booked --contact C-2", "suppress add C-2"):
        desk.dee(*act.split())
    desk.dee("enroll", "sales-outreach", "--contact", "C-1")
    assert [words for words in READING if not desk.dee(*words.split())] == []
    (run_id,) = re.findall(r"\brun_\w+", desk.dee("run", "list"))
    assert run_id in desk.dee("run", "show", run_id)
    desk.dee("export", run_id, "--out", "run.json")
    desk.dee("verify", "--export", "run.json")


def test_the_folder_ends_cleanly_when_it_is_told_to(desk: Desk) -> None:
    desk.dee("init")
    nobody = "nobody runs the file"
    with subprocess.Popen([desk.program, "serve", "--db", "my.db"], cwd=desk.folder, env=bare(desk.folder)) as loop:
        while loop.poll() is None and nobody in desk.dee("health"):
            pass
        loop.send_signal(signal.SIGTERM)
        assert loop.wait(timeout=30) == 0
    assert [wal for wal in desk.folder.glob("my.db-wal") if wal.stat().st_size > 0] == []
    assert nobody in desk.dee("health")
