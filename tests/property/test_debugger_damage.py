"""Files in which somebody has changed a row: the debugger walks as far as the past goes, and says where it ends."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import pytest
from debug_checks import check_walk
from hypothesis import given, settings
from hypothesis import strategies as st
from recorded_files import attacker, write_small_file

from dee_appliance.errors import DeeError, Divergence
from dee_appliance.runtime.debugger import Debugger, debug
from dee_appliance.runtime.reading import open_view

COLUMNS = (
    ("input", "payload", "seq"), ("input", "kind", "seq"), ("input", "tick", "seq"), ("input", "received", "seq"),
    ("document", "body", "digest"), ("given", "body", "seq"), ("audit", "body", "seq"), ("run", "body", "run_no"),
    ("setting", "value", "key"),
)  # fmt: skip
NUMBERS = (-1, 0, 1, 60, 86_400, 10**11, 10**15, 2**62)
pytestmark = pytest.mark.slow


class Small(NamedTuple):
    """A short file, and its runs."""

    content: bytes
    runs: list[str]


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Small:
    path = write_small_file(tmp_path_factory.mktemp("small") / "small.db")
    with open_view(path) as view:
        runs = [row[0] for row in view.database.execute("SELECT run FROM run ORDER BY run_no")]
    return Small(path.read_bytes(), runs)


def spoilt(value: object, data: st.DataObject) -> object:
    """A value that is a little or very much another."""
    if isinstance(value, int):
        return data.draw(st.sampled_from(NUMBERS)) + data.draw(st.sampled_from((0, value)))
    assert isinstance(value, str | bytes)
    text = value if isinstance(value, str) else value.decode()
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, min(len(text), start + 12)))
    middle = data.draw(st.sampled_from(["", text[start:end] * 2, "0", "x", '"', "}", "null"]))
    return text[:start] + middle + text[end:]


def walked(path: Path, runs: list[str], *, untrusted: bool) -> Iterator[Debugger]:
    for run in runs:
        with suppress(Divergence):  # before the run's first stop: there is nothing to walk through
            yield debug(path, run, untrusted=untrusted)


@settings(max_examples=15)
@given(data=st.data())
def test_a_changed_row_ends_the_walk_and_nothing_else(
    small: Small, data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("spoilt") / "small.db"
    path.write_bytes(small.content)
    untrusted = data.draw(st.booleans())
    table, column, key = data.draw(st.sampled_from(COLUMNS))
    with attacker(path) as connection:
        rows = connection.execute(f"SELECT {key}, {column} FROM {table} ORDER BY 1").fetchall()
        name, value = data.draw(st.sampled_from(rows))
        change = spoilt(value, data)
        connection.execute(f"UPDATE {table} SET {column} = ? WHERE {key} = ?", (change, name))
    before = path.read_bytes()
    with suppress(DeeError):  # what cannot be opened at all is said
        for debugger in walked(path, small.runs, untrusted=untrusted):
            stops = list(debugger.stops())
            assert all(stop.same for stop in stops[:-1])
            assert stops[-1].same or not debugger.report.same
            check_walk(path, debugger, seed=len(stops), steps=8)
    assert path.read_bytes() == before
