"""Codes and references: what may stand in the log for ever, because it says nothing about a person.

Lives here: which texts are codes. Does not live here: the closed codes of rejects (invalid.py).
Rules a change must keep: no space and no letter beyond ASCII, so that no sentence gets through; texts about people go to the
vault.
"""

from __future__ import annotations

from typing import Final

CODE_CHARACTERS: Final = 100
CODE_ALPHABET: Final = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-:/#")
CODE_HINT: Final = "letters, digits and . _ - : / #, as in form-2026-08-02"


def is_code(text: str) -> bool:
    """Tell whether a text is a code or a reference, such as form-2026-08-02."""
    return 0 < len(text) <= CODE_CHARACTERS and CODE_ALPHABET.issuperset(text)
