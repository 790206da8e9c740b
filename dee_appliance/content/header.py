"""Values of mail headers: what may stand in one, and how it is written in ASCII.

Lives here: the one check against header injection, mailboxes (`Name <address>`), and encoded words. Which headers a message has
is `mime`.

Rules a change must keep: no value reaches a message without passing `is_clean`; a value that would not read back the same when
written as it is becomes encoded words, whose length limit (RFC 2047 section 2: 75 characters) also does the folding.
"""

from __future__ import annotations

import re
from binascii import b2a_base64
from typing import Final, NamedTuple

MAX_ADDRESS_CHARS: Final = 254
MAX_LINE_CHARS: Final = 76

_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_ADDRESS = re.compile(
    r"[^\s@<>()\[\],;:\\\"\x00-\x20\x7f-\x9f]{1,64}@(?:\[[0-9A-Za-z.:]+\]|[^\s@<>()\[\],;:\\\"\x00-\x20\x7f-\x9f]{1,253})"
)
_ATOMS = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~ -]+")


class Mailbox(NamedTuple):
    """A display name, perhaps empty, and an address."""

    name: str
    address: str


def is_clean(value: str) -> bool:
    """True when the value holds no line break and no control character, so it cannot start another header."""
    return _CONTROL.search(value) is None


def is_address(text: str) -> bool:
    """True for one plain `local@domain`: no quoting, comment, route or list, so it can mean only one mailbox."""
    return len(text) <= MAX_ADDRESS_CHARS and _ADDRESS.fullmatch(text) is not None


def parse_mailbox(text: str) -> Mailbox | None:
    """Read `address` or `Name <address>`; None when it is neither or is not clean.

    The name may hold anything printable but `<` and `>`: `a@b, c <d@e>` is one mailbox with a strange name, never a list.
    """
    text = text.strip()
    name, bracket, rest = text.rpartition("<")
    address = rest.removesuffix(">") if bracket else text
    if not is_clean(text) or not is_address(address) or (bracket and not rest.endswith(">")) or set("<>") & set(name):
        return None
    name = name.strip()
    if len(name) > 1 and name.startswith('"') and name.endswith('"'):
        name = name[1:-1].replace('\\"', '"').replace("\\\\", "\\")
    return Mailbox(name, address)


def encode_text(value: str, *, first_line_chars: int) -> str:
    """An unstructured value (a subject), folded, for a header whose name takes `first_line_chars` of the first line."""
    plain = value.isascii() and "=?" not in value and value == value.strip() and "  " not in value
    if plain and first_line_chars + len(value) <= MAX_LINE_CHARS:
        return value
    return _encoded_words(value, first_line_chars)


def encode_mailbox(mailbox: Mailbox, *, first_line_chars: int) -> str:
    """`Name <address>` with the name quoted or encoded where needed. A non-ASCII address stays as it is (RFC 6532)."""
    name, address = mailbox
    if not name:
        return address
    if not name.isascii() or "=?" in name or len(name) > 40 or name != name.strip() or "  " in name:
        return f"{_encoded_words(name, first_line_chars)}\r\n <{address}>"
    shown = name if _ATOMS.fullmatch(name) else _quoted(name)
    separator = " " if first_line_chars + len(shown) + len(address) + 3 <= MAX_LINE_CHARS else "\r\n "
    return f"{shown}{separator}<{address}>"


def _quoted(name: str) -> str:
    return '"' + name.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _encoded_words(value: str, first_line_chars: int) -> str:
    words: list[str] = []
    room = _bytes_that_fit(MAX_LINE_CHARS - first_line_chars)
    chunk = b""
    for character in value:
        encoded = character.encode("utf-8")
        if len(chunk) + len(encoded) > room:
            words.append(_word(chunk))
            chunk, room = b"", _bytes_that_fit(MAX_LINE_CHARS - 1)
        chunk += encoded
    if chunk or not words:
        words.append(_word(chunk))
    return "\r\n ".join(words)


def _bytes_that_fit(line_chars: int) -> int:
    # `=?utf-8?b?` and `?=` take twelve characters; base64 writes three bytes as four; a character takes at most four bytes.
    return max(4, (min(line_chars, 75) - 12) // 4 * 3)


def _word(chunk: bytes) -> str:
    return f"=?utf-8?b?{b2a_base64(chunk, newline=False).decode('ascii')}?="
