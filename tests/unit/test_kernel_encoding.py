"""The canonical encoding and everything derived from it: values that no release may ever change, and what is refused."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from blake3 import blake3

from dee_appliance.kernel.e1 import encoding
from dee_appliance.kernel.e1.encoding import NotCanonical, canonical, decode_canonical
from dee_appliance.kernel.e1.turn import Core, file_core

GOLDEN = Path(__file__).parents[1] / "golden" / "kernel_encoding.jsonl"
VECTORS = [json.loads(line) for line in GOLDEN.read_text(encoding="ascii").splitlines()]

FUNCTIONS: dict[str, Callable[..., object]] = {
    "canonical": lambda value: canonical(value).decode(),
    "prefixed": lambda *parts: encoding.prefixed(*(part.encode() for part in parts)).hex(),
    "derived": lambda domain, *parts: encoding.derived(domain, *(part.encode() for part in parts)).hex(),
    "document_digest": lambda kind, body: encoding.document_digest(kind, body.encode()),
    "run_id": encoding.run_id,
    "send_key": lambda lineage, *rest: encoding.send_key(bytes.fromhex(lineage), *rest),
    "share_of": lambda domain, parts, modulus: encoding.share_of(domain, tuple(parts), modulus),
    "base32": lambda data, characters: encoding.base32(bytes.fromhex(data), characters),
    "file_core": lambda *core: file_core(*core).decode(),
    "core_hash": lambda core: encoding.core_hash(core.encode()),
    "leaf_hash": lambda body: encoding.leaf_hash(body.encode()).hex(),
}


@pytest.mark.parametrize("vector", VECTORS, ids=[f"{one['of']} {number}" for number, one in enumerate(VECTORS)])
def test_a_value_of_the_first_release_is_still_the_same(vector: dict[str, Any]) -> None:
    assert FUNCTIONS[vector["of"]](*vector["given"]) == vector["gives"]


def test_every_function_has_golden_values() -> None:
    assert {one["of"] for one in VECTORS} == set(FUNCTIONS)


# -- the definitions, written again with nothing but the standard library and BLAKE3 ---------------------------------------


def prefixed(*parts: bytes) -> bytes:
    return len(parts).to_bytes(8, "little") + b"".join(len(part).to_bytes(8, "little") + part for part in parts)


def test_ids_are_the_blake3_of_length_prefixed_parts_under_their_domain() -> None:
    run = blake3(prefixed(b"dee.run.v1", b"c_1", b"plan", b"3")).digest()
    digits = f"{int.from_bytes(run[:13], 'big'):0104b}"[:100]
    letters = "".join("abcdefghijklmnopqrstuvwxyz234567"[int(digits[at : at + 5], 2)] for at in range(0, 100, 5))
    assert encoding.run_id("c_1", "plan", 3) == f"run_{letters}"
    send = blake3(prefixed(b"dee.send.v1", bytes(16), b"run_x", b"mail", b"2")).digest()
    assert encoding.send_key(bytes(16), "run_x", "mail", 2) == send[:20].hex()
    drawn = blake3(prefixed(b"dee.split.v1", b"a", b"b")).digest()
    assert encoding.share_of("dee.split.v1", ("a", "b"), 97) == int.from_bytes(drawn[:16], "big") % 97
    document = blake3(prefixed(b"dee.document.v1", b"plan", b"{}")).hexdigest()
    assert encoding.document_digest("plan", b"{}") == f"b3:{document}"


def test_entries_are_hashed_with_what_every_verifier_has() -> None:
    assert encoding.core_hash(b"{}") == hashlib.sha256(b"dee.core.v1\x00{}").hexdigest()
    assert encoding.leaf_hash(b"{}") == hashlib.sha256(b"\x00{}").digest()  # RFC 6962, section 2.1


def test_long_parts_are_prefixed_like_short_ones() -> None:
    for length in (0, 1, 511, 512, 513, 70_000):
        assert encoding.prefixed(b"x" * length) == prefixed(b"x" * length)


# -- the canonical form ----------------------------------------------------------------------------------------------------


def test_a_core_is_canonical_although_its_fields_are_not_sorted_again() -> None:
    assert list(Core.__struct_fields__) == sorted(Core.__struct_fields__)
    core = file_core(7, "x", "y", {"b": [{"d": 1, "c": 2}], "a": "é"})
    decode_canonical(core)
    assert msgspec.json.decode(core)["tick"] == 7


@pytest.mark.parametrize(
    "value",
    [
        1.0,
        float("nan"),
        2**53,
        -(2**53),
        {1: 2},
        {"é": 1},
        {"a": {"ü": 1}},
        [0.5],
        b"bytes",
        {"a"},
        "\ud800",
        object(),
        [[[1.5]]],
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_has_no_canonical_form_is_refused(value: object) -> None:
    with pytest.raises(NotCanonical):
        canonical(value)


def nested(depth: int) -> list[object]:
    value: list[object] = []
    for _ in range(depth):
        value = [value]
    return value


def test_what_is_nested_without_end_is_refused() -> None:
    assert canonical(nested(64)) == b"[" * 65 + b"]" * 65
    with pytest.raises(NotCanonical):
        canonical(nested(65))


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (1.0, "float has no canonical form"),
        (b"bytes", "bytes has no canonical form"),
        ("\ud800", "a string holds a lone surrogate"),
        ({"é": 1}, "a key is not ASCII text: 'é'"),
        ({1: 2}, "a key is not ASCII text: 1"),
    ],
)
def test_a_value_without_a_canonical_form_is_told_why(value: object, reason: str) -> None:
    with pytest.raises(NotCanonical) as caught:
        canonical(value)
    assert str(caught.value) == reason


@pytest.mark.parametrize(
    "text",
    [
        "{} ",
        " {}",
        '{"b":1,"a":2}',
        '{"a":1,"a":2}',
        '{"a": 1}',
        "[1,\n2]",
        '"\\u0061"',
        '"\\/"',
        "1.0",
        "1e2",
        "-0",
        "01",
        "9007199254740992",
        '"\\ud800"',
        '{"é":1}',
        "nul",
        "",
        "[" * 200_000,
        '"\x80"',
    ],
    ids=lambda text: text[:20],
)
def test_bytes_that_are_not_in_canonical_form_are_refused(text: str) -> None:
    with pytest.raises(NotCanonical):
        decode_canonical(text.encode("latin-1") if text == '"\x80"' else text)


def test_base32_gives_no_more_characters_than_there_are_bits() -> None:
    with pytest.raises(ValueError, match="not enough bytes"):
        encoding.base32(b"\x00", 2)
