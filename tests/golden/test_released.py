"""What was released stays: the sources of a released epoch and the statements of a released format, byte for byte.

What is not released yet may change as long as no file of the corpus replays otherwise (test_corpus.py).
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest
from blake3 import blake3

from dee_appliance.kernel import epochs
from dee_appliance.kernel.epochs import EPOCHS
from dee_appliance.store import schema

RELEASED = tomllib.loads((Path(__file__).parent / "released.toml").read_text(encoding="utf-8"))
KERNEL = Path(epochs.__file__).parent


def hash_of_epoch(folder: Path) -> str:
    """BLAKE3 over every source of an epoch's directory, in the order of their names."""
    hasher = blake3()
    for path in sorted(folder.rglob("*.py")):
        source = path.read_bytes()
        hasher.update(f"{path.relative_to(folder).as_posix()} {len(source)}\n".encode() + source)
    return hasher.hexdigest()


def hash_of_format(number: int) -> str:
    """BLAKE3 over the statements that make a file of this format."""
    return blake3(schema.schema_text(number).encode()).hexdigest()


def changed(released: list[dict[str, Any]], now: dict[int, str]) -> list[str]:
    """What is not any more as it was released, in words that say what to do."""
    instead = f"put it back, and make number {max(now) + 1} beside it (docs/versions.md)"
    return [
        f"{one['number']} was released with {one['since']} and has changed: {instead}"
        for one in released
        if now.get(one["number"]) != one["blake3"]
    ]


def test_no_released_epoch_has_changed() -> None:
    now = {number: hash_of_epoch(KERNEL / f"e{number}") for number in EPOCHS}
    assert changed(RELEASED.get("epoch", []), now) == []


def test_no_released_format_has_changed() -> None:
    now = {number: hash_of_format(number) for number in range(schema.FIRST_FORMAT, schema.newest_format() + 1)}
    assert changed(RELEASED.get("format", []), now) == []


def test_an_epoch_is_released_before_the_next_one_is_made() -> None:
    """Otherwise nobody would know which files the older one has decided."""
    assert {number for number in EPOCHS if number < max(EPOCHS)} <= {one["number"] for one in RELEASED.get("epoch", [])}


@pytest.mark.parametrize("what", ["a byte", "a name", "a file more"])
def test_a_changed_epoch_is_noticed_and_told_what_to_do(what: str, tmp_path: Path) -> None:
    for name in ("gate.py", "machine.py"):
        (tmp_path / name).write_text(f"# {name}\n")
    released = [{"number": 1, "since": "1.0", "blake3": hash_of_epoch(tmp_path)}]
    assert changed(released, {1: hash_of_epoch(tmp_path)}) == []
    match what:
        case "a byte":
            (tmp_path / "gate.py").write_text("# gate,py\n")
        case "a name":
            (tmp_path / "gate.py").rename(tmp_path / "gates.py")
        case _:
            (tmp_path / "rules.py").touch()
    (told,) = changed(released, {1: hash_of_epoch(tmp_path)})
    assert told.startswith("1 was released with 1.0 and has changed: put it back, and make number 2 beside it")


def test_every_step_of_the_format_is_a_file_and_every_file_a_step() -> None:
    folder = schema.sql_root().joinpath("migrations")
    files = sorted(entry.name for entry in folder.iterdir() if entry.name.endswith(".sql")) if folder.is_dir() else []
    assert files == schema.STEPS
