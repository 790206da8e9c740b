"""SMS segments: how many messages a text is sent and billed as.

Lives here: the GSM 7-bit alphabet (3GPP TS 23.038 section 6.2.1) and the two ways of counting. Integers only; no text is
changed: a curly quote makes the whole message UCS-2, and the count says so.
"""

from __future__ import annotations

from typing import Final, Literal

import msgspec

BASIC: Final = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
EXTENDED: Final = frozenset("\f^{}\\[~]|€")
"""Two septets each: an escape and a character, which are never split between segments."""


class Segments(msgspec.Struct, frozen=True):
    """How a text is sent: its alphabet, its length in that alphabet's units (septets or UTF-16 code units), its messages."""

    encoding: Literal["gsm7", "ucs2"]
    units: int
    count: int


def segments(text: str) -> Segments:
    """Count the messages a text needs (an empty text is one message).

    A single message holds 160 septets or 70 code units; a part of a longer one 153 or 67, because of its header.
    """
    if all(character in BASIC or character in EXTENDED for character in text):
        widths = [2 if character in EXTENDED else 1 for character in text]
        return Segments("gsm7", sum(widths), _parts(widths, 160, 153))
    widths = [2 if ord(character) > 0xFFFF else 1 for character in text]
    return Segments("ucs2", sum(widths), _parts(widths, 70, 67))


def _parts(widths: list[int], single: int, part: int) -> int:
    if sum(widths) <= single:
        return 1
    count, used = 1, 0
    for width in widths:
        if used + width > part:
            count, used = count + 1, 0
        used += width
    return count
