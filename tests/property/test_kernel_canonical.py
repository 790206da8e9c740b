"""Canonical JSON and length-prefixed parts: one form for any value, read back as it was, never the same for two values."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from dee_appliance.kernel.e1.encoding import MAX_INTEGER, canonical, canonical_trusted, decode_canonical, prefixed

KEYS = st.text(st.characters(max_codepoint=127), max_size=8)
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-MAX_INTEGER, MAX_INTEGER)
    | st.text(st.characters(codec="utf-8"), max_size=20)
)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=5) | st.dictionaries(KEYS, inner, max_size=5), max_leaves=25
)


@given(VALUES)
def test_the_canonical_form_is_what_any_json_writer_gives_with_sorted_keys_and_no_space(value: object) -> None:
    expected = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert canonical(value).decode() == expected
    assert canonical_trusted(value).decode() == expected


@given(VALUES)
def test_what_was_written_is_read_back_as_it_was(value: object) -> None:
    assert decode_canonical(canonical(value)) == value


@given(VALUES, st.data())
def test_the_order_in_which_a_dictionary_was_filled_leaves_no_trace(value: object, data: st.DataObject) -> None:
    def shuffled(part: object) -> object:
        if isinstance(part, dict):
            return {key: shuffled(part[key]) for key in data.draw(st.permutations(list(part)))}
        return [shuffled(one) for one in part] if isinstance(part, list) else part

    assert canonical(shuffled(value)) == canonical(value)


PARTS = st.lists(st.binary(max_size=6), max_size=4)


@given(PARTS, PARTS)
def test_no_two_lists_of_parts_give_the_same_bytes(left: list[bytes], right: list[bytes]) -> None:
    assert (prefixed(*left) == prefixed(*right)) == (left == right)
