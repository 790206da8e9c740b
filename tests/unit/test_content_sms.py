"""How many messages a text is billed as."""

from __future__ import annotations

import pytest

from dee_appliance.content.sms import BASIC, EXTENDED, Segments, segments


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", Segments("gsm7", 0, 1)),
        ("a" * 160, Segments("gsm7", 160, 1)),
        ("a" * 161, Segments("gsm7", 161, 2)),
        ("a" * 306, Segments("gsm7", 306, 2)),
        ("a" * 307, Segments("gsm7", 307, 3)),
        ("€" * 80, Segments("gsm7", 160, 1)),
        # 153 is odd: an escaped character does not fit into the last septet of a part.
        ("€" * 153, Segments("gsm7", 306, 3)),
        ("a" + "€" * 76 + "a" * 153, Segments("gsm7", 306, 2)),
        ("ü" * 160, Segments("gsm7", 160, 1)),
        ("ú" * 70, Segments("ucs2", 70, 1)),
        ("ú" * 71, Segments("ucs2", 71, 2)),
        ("’" + "a" * 69, Segments("ucs2", 70, 1)),
        ("😀" * 35, Segments("ucs2", 70, 1)),
        # 67 is odd: a surrogate pair is not split between parts.
        ("😀" * 67, Segments("ucs2", 134, 3)),
        ("é\n" * 80, Segments("gsm7", 160, 1)),
    ],
)
def test_a_text_is_counted_as_it_is_sent(text: str, expected: Segments) -> None:
    assert segments(text) == expected


def test_the_gsm_alphabet_has_its_127_characters_and_the_escape_ten_more() -> None:
    assert len(BASIC) == 127  # 128 codes, one of which is the escape
    assert len(EXTENDED) == 10
    assert not BASIC & EXTENDED
