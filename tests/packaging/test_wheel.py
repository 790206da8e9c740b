"""What an installation holds: the package, sql/ and examples/, nothing else, and found by the code however it was installed.

The wheel is built from the checkout and again from the source archive, installed beside an editable install and a bare checkout,
each in an interpreter of its own that sees our dependencies but not the environment's own copy of DEE.
"""

from __future__ import annotations

import json
import subprocess
import sys
import sysconfig
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SHIPPED = {"dee_appliance": "dee_appliance", "sql": "dee_appliance/sql", "examples": "dee_appliance/examples"}
WAYS = ["wheel", "wheel from the source archive", "editable", "bare checkout"]

pytestmark = pytest.mark.slow

LOCATE = """
import json, pathlib, dee_appliance
from dee_appliance.store.schema import sql_root
def walk(node, at=""):
    for child in node.iterdir():
        if child.is_dir():
            yield from walk(child, f"{at}{child.name}/")
        else:
            yield f"{at}{child.name}"
print(json.dumps({
    "package": str(pathlib.Path(dee_appliance.__file__).parent),
    "sql": " ".join(sorted(walk(sql_root()))),
    "schema": sql_root().joinpath("schema.sql").read_text(encoding="utf-8"),
}))
"""


def below(folder: Path) -> list[str]:
    """The files below a folder, as paths inside it."""
    paths = [path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    return sorted(path.relative_to(folder).as_posix() for path in paths)


def run(*command: str | Path, cwd: Path, path: Path | None = None) -> str:
    """What a program prints; its complaints, if it fails, become the test's."""
    environment = {"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"} | ({"PYTHONPATH": str(path)} if path else {})
    done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def built(kind: str, source: Path, into: Path) -> Path:
    """The one file hatchling makes of a source tree."""
    run(sys.executable, "-m", "hatchling", "build", "--target", kind, "--directory", into, cwd=source)
    (made,) = into.iterdir()
    return made


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The source archive, unpacked."""
    folder = tmp_path_factory.mktemp("archive")
    with tarfile.open(built("sdist", ROOT, folder / "made")) as packed:
        packed.extractall(folder / "unpacked", filter="data")
    (tree,) = (folder / "unpacked").iterdir()
    return tree


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory, archive: Path) -> dict[str, Path]:
    """Each kind of wheel pip would install."""
    folder = tmp_path_factory.mktemp("wheels")
    return {
        "wheel": built("wheel", ROOT, folder / "checkout"),
        "wheel from the source archive": built("wheel", archive, folder / "archive"),
        "editable": built("wheel:editable", ROOT, folder / "editable"),
    }


def interpreter(folder: Path) -> Path:
    """A fresh interpreter that sees our dependencies, and DEE only once it is installed there."""
    venv.create(folder, symlinks=True)
    site = Path(sysconfig.get_path("purelib", "venv", {"base": str(folder)}))
    # A path in a .pth file is searched, but the .pth files inside it, such as our own editable install, are not read.
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n", encoding="utf-8")
    return folder / "bin" / "python"


def install(wheel: Path, python: Path, cwd: Path) -> None:
    """Install a wheel, and only it, for an interpreter that has no pip of its own."""
    pip: list[str | Path] = [sys.executable, "-m", "pip", "--python", python, "install", "--quiet"]
    run(*pip, "--no-deps", "--no-index", "--ignore-installed", wheel, cwd=cwd)


def found_by_the_code(python: Path, cwd: Path, path: Path | None) -> dict[str, str]:
    """Where the running code finds itself and its SQL."""
    found: dict[str, str] = json.loads(run(python, "-c", LOCATE, cwd=cwd, path=path))
    return found


def test_the_wheel_holds_exactly_the_package_the_sql_and_the_examples(wheels: dict[str, Path]) -> None:
    with zipfile.ZipFile(wheels["wheel"]) as wheel:
        names = {name for name in wheel.namelist() if ".dist-info/" not in name}
    assert names == {f"{inside}/{name}" for folder, inside in SHIPPED.items() for name in below(ROOT / folder)}


def test_the_source_archive_makes_the_same_wheel(wheels: dict[str, Path]) -> None:
    contents = []
    for way in ("wheel", "wheel from the source archive"):
        with zipfile.ZipFile(wheels[way]) as wheel:
            contents.append({name: wheel.read(name) for name in wheel.namelist()})
    assert contents[0] == contents[1]


def test_the_source_archive_can_be_tested_and_frozen(archive: Path) -> None:
    needed = [
        ".ci/test.sh",
        "packaging/build.sh",
        "packaging/dee.spec",
        "pyproject.toml",
        "README.md",
        "tests/conftest.py",
    ]
    assert [name for name in needed if not (archive / name).is_file()] == []


def test_an_editable_wheel_holds_no_copy_of_ours(wheels: dict[str, Path]) -> None:
    with zipfile.ZipFile(wheels["editable"]) as wheel:
        assert [name for name in wheel.namelist() if ".dist-info/" not in name] == ["_dee_appliance.pth"]


@pytest.mark.parametrize("way", WAYS)
def test_the_sql_is_found_from(way: str, wheels: dict[str, Path], tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    python = interpreter(tmp_path / "venv")
    if way in wheels:
        install(wheels[way], python, elsewhere)
    found = found_by_the_code(python, elsewhere, None if way in wheels else ROOT)
    in_checkout = way in {"editable", "bare checkout"}
    assert Path(found["package"]).is_relative_to(ROOT if in_checkout else tmp_path)
    assert found["sql"].split() == below(ROOT / "sql")
    assert found["schema"] == (ROOT / "sql" / "schema.sql").read_text(encoding="utf-8")


def test_the_console_script_is_the_module(wheels: dict[str, Path], tmp_path: Path) -> None:
    python = interpreter(tmp_path / "venv")
    install(wheels["wheel"], python, tmp_path)
    script = run(tmp_path / "venv" / "bin" / "dee", "--version", cwd=tmp_path)
    assert script == run(python, "-m", "dee_appliance", "--version", cwd=tmp_path)
