"""Whatever stands in a pack file, checking it ends in a pack or in findings with a line, and never in anything else."""

from __future__ import annotations

import json
import tomllib
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dee_appliance.authoring.pack_diff import pack_diff
from dee_appliance.authoring.pack_file import check_pack
from dee_appliance.errors import Refused
from dee_appliance.kernel.e1.encoding import document_digest
from dee_appliance.kernel.e1.policy import decode_pack

PACKS = files("dee_appliance").joinpath("data/packs")
NAMES = ("france", "gmail-yahoo-bulk", "uk", "us-reg-f")
TEXTS = {name: PACKS.joinpath(f"{name}.toml").read_text(encoding="utf-8") for name in NAMES}

leaves = st.one_of(
    st.sampled_from(
        ["24h", "0s", "2026-12-25", "09:00:00", "closed", "US-FL", "EU", "written", "\x00", "\ud800", "e\u0301"]
    ),
    st.text(max_size=8),
    st.integers(),
    st.sampled_from([2**64, 10**400]),
    st.floats(),
    st.booleans(),
    st.none(),
)
fields = st.sampled_from(["id", "kind", "hours", "days", "from", "to", "within", "closed", "unless", "fact", "require"])
values = st.recursive(
    leaves,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(fields, inner, max_size=4),
    max_leaves=8,
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("packs")


def check(folder: Path, body: bytes, ending: str = "toml") -> None:
    path = folder / f"pack.{ending}"
    path.write_bytes(body)
    try:
        checked = check_pack(path)
    except Refused:
        return
    refused = [finding for finding in checked.findings if finding.severity == "refused"]
    assert (checked.pack is None) == bool(refused)
    lines = body.count(b"\n") + 1
    assert all(finding.reason and 1 <= finding.line <= lines for finding in checked.findings)
    if checked.pack is not None:
        assert decode_pack(checked.body) == checked.pack
        assert document_digest("pack", checked.body) == checked.digest
        assert pack_diff(checked.pack, checked.pack) == ()


def places_in(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The path of everything in a document, tables before what is in them."""
    items: Any = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for key, item in items for place in places_in(item, (*path, key)))]


@given(st.data(), st.sampled_from(NAMES))
def test_a_pack_with_bytes_knocked_out_is_refused_or_still_a_pack(folder: Path, data: st.DataObject, name: str) -> None:
    body = bytearray(TEXTS[name].encode())
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(body) - 1))
        body[at : at + data.draw(st.integers(0, 6))] = data.draw(st.binary(max_size=4))
    check(folder, bytes(body))


@given(st.data(), st.sampled_from(NAMES))
def test_any_values_in_place_of_others_are_refused_or_still_a_pack(
    folder: Path, data: st.DataObject, name: str
) -> None:
    document: Any = json.loads(json.dumps(tomllib.loads(TEXTS[name]), default=str))
    for _ in range(data.draw(st.integers(1, 3))):
        *way, last = data.draw(st.sampled_from(places_in(document)[1:]))
        inside = document
        for key in way:
            inside = inside[key]
        inside[last] = data.draw(values)
    check(folder, json.dumps(document).encode("utf-8", "surrogatepass"), "json")


@given(st.data(), st.sampled_from(NAMES))
def test_lines_left_out_are_refused_or_still_a_pack(folder: Path, data: st.DataObject, name: str) -> None:
    rows = TEXTS[name].split("\n")
    for _ in range(data.draw(st.integers(1, 3))):
        del rows[data.draw(st.integers(0, len(rows) - 1))]
    check(folder, "\n".join(rows).encode())
