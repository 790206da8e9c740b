"""The built binary: size, start, every command's help, and the demo with the host's time-zone data out of reach.

The build takes a minute or two and is done once, by packaging/build.sh as a user would. DEE_DIST names a folder that build.sh
has filled already. Without Linux or binutils nothing can be built, and the tests say so instead of failing.
"""

from __future__ import annotations

import os
import re
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from dee_appliance import __version__

ROOT = Path(__file__).parents[2]
MEGABYTE = 1_000_000
FOLDER_BYTES_MAX = 45 * MEGABYTE
FILE_BYTES_MAX = 22 * MEGABYTE
START_SECONDS_MAX = 0.3
DEMO_SECONDS_MAX = 60
HOST_ZONES = "/usr/share/zoneinfo"

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


def run(command: Sequence[str | Path], cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run as a user without any of our Python around."""
    bare = {"PATH": "/usr/bin:/bin:/usr/sbin:/sbin", "LANG": "C.UTF-8", "HOME": str(cwd), "COLUMNS": "100"}
    return subprocess.run(
        command, cwd=cwd, env=bare | environment, capture_output=True, text=True, check=False, timeout=300
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
    assert (dist / "onefile" / "dee").stat().st_size <= FILE_BYTES_MAX


@pytest.mark.parametrize("program", ["onedir/dee/dee", "onefile/dee"])
def test_it_tells_its_version(dist: Path, program: str, tmp_path: Path) -> None:
    done = run([dist / program, "--version"], tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert __version__ in done.stdout


def test_the_folder_starts_in_under_a_third_of_a_second(dist: Path, tmp_path: Path) -> None:
    seconds = []
    for _ in range(5):
        begun = time.perf_counter()
        run([dist / "onedir" / "dee" / "dee", "--version"], tmp_path)
        seconds.append(time.perf_counter() - begun)
    assert statistics.median(seconds) <= START_SECONDS_MAX, seconds


def test_every_command_has_help(dist: Path, tmp_path: Path) -> None:
    found = set(commands(dist / "onedir" / "dee" / "dee", tmp_path))
    assert {("init",), ("serve",), ("replay",), ("plan", "check"), ("contact", "import"), ("run", "show")} <= found


@pytest.mark.parametrize("program", ["onedir/dee/dee", "onefile/dee"])
def test_the_demo_runs_on_the_bundled_time_zones(dist: Path, program: str, garbage_zones: Path, tmp_path: Path) -> None:
    here = tmp_path / "demo"
    here.mkdir()
    begun = time.perf_counter()
    done = run(hiding_host_zones([dist / program, "demo"], here), here, PYTHONTZPATH=str(garbage_zones))
    assert done.returncode == 0, done.stdout + done.stderr
    assert time.perf_counter() - begun <= DEMO_SECONDS_MAX
