"""The one canonical encoding, and every digest and derived id made from it.

Canonical JSON is RFC 8785 restricted until no choice is left: keys are ASCII and sorted at every depth, numbers are
integers within ±(2^53 - 1), strings are stored as given, there is no white space. Byte strings that are hashed
together are length-prefixed and domain-separated, so that no two different lists of parts can give the same bytes.

A changed byte here changes every chain: the golden tests hold this file still.
"""

from __future__ import annotations

import hashlib

import msgspec
from blake3 import blake3

MAX_INTEGER = 2**53 - 1
_sorted_encoder = msgspec.json.Encoder(order="sorted")
# Sorts dictionaries and leaves structs in the order of their fields, which are declared in ASCII order: half the time.
_trusted_encoder = msgspec.json.Encoder(order="deterministic")


class NotCanonical(ValueError):
    """A value has no canonical form: a float, a key that is not ASCII text, an integer out of range."""


def canonical(value: object) -> bytes:
    """Return the canonical JSON of plain values and structs. Raises NotCanonical."""
    plain = msgspec.to_builtins(value) if isinstance(value, msgspec.Struct) else value
    _require_plain(plain)
    return _sorted_encoder.encode(plain)


def canonical_trusted(value: object) -> bytes:
    """Return the canonical JSON of a value the kernel itself built from integers, strings, booleans, lists and ASCII keys.

    The hot path: it leaves the check of `canonical` to verify, which demands that re-encoding gives the stored bytes.
    """
    return _trusted_encoder.encode(value)


def decode_canonical(body: bytes | str) -> object:
    """Decode canonical JSON. Raises NotCanonical unless encoding the value again gives exactly these bytes."""
    raw = body.encode() if isinstance(body, str) else body
    try:
        value: object = msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise NotCanonical("the bytes are not JSON") from error
    if canonical(value) != raw:
        raise NotCanonical("the JSON is not in canonical form")
    return value


def _require_characters(text: str) -> None:
    if text.isascii():
        return
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise NotCanonical("a string holds a lone surrogate") from error


def _require_key(key: object) -> None:
    if not (isinstance(key, str) and key.isascii()):
        raise NotCanonical(f"a key is not ASCII text: {key!r}")


def _require_plain(value: object, depth: int = 0) -> None:
    if depth > 64:
        raise NotCanonical("nested deeper than 64 levels")
    match value:
        case None | bool():
            return
        case int():
            if not -MAX_INTEGER <= value <= MAX_INTEGER:
                raise NotCanonical(f"integer out of range: {value}")
        case str():
            _require_characters(value)
        case list() | tuple():
            for part in value:
                _require_plain(part, depth + 1)
        case dict():
            for key, part in value.items():
                _require_key(key)
                _require_plain(part, depth + 1)
        case _:
            raise NotCanonical(f"{type(value).__name__} has no canonical form")


SHORT = 512
_LENGTHS = tuple(length.to_bytes(8, "little") for length in range(SHORT))


def prefixed(*parts: bytes) -> bytes:
    """Join byte strings so that the result tells them apart: the count, then each length and the bytes (little endian 64 bit)."""
    pieces = [len(parts).to_bytes(8, "little")]
    for part in parts:
        length = len(part)
        pieces += (_LENGTHS[length] if length < SHORT else length.to_bytes(8, "little"), part)
    return b"".join(pieces)


def derived(domain: str, *parts: bytes) -> bytes:
    """Return the 32-byte BLAKE3 of length-prefixed parts under a domain name: the way every id is made."""
    return blake3(prefixed(domain.encode(), *parts)).digest()


def document_digest(kind: str, body: bytes) -> str:
    """Name a document (plan, template, script, policy, zones) by its content."""
    return "b3:" + derived("dee.document.v1", kind.encode(), body).hex()


_BASE32 = "abcdefghijklmnopqrstuvwxyz234567"


def base32(data: bytes, characters: int) -> str:
    """Return the first `characters` lowercase base32 characters of data (5 bits each, RFC 4648 alphabet, no padding)."""
    bits = int.from_bytes(data, "big")
    width = len(data) * 8
    if characters * 5 > width:
        raise ValueError("not enough bytes")
    return "".join(_BASE32[(bits >> (width - 5 * (index + 1))) & 31] for index in range(characters))


def run_id(contact: str, plan: str, ordinal: int) -> str:
    """Return the id of the run with this reference (contact id, plan name, enrolment ordinal)."""
    return "run_" + base32(derived("dee.run.v1", contact.encode(), plan.encode(), str(ordinal).encode()), 20)


def send_key(lineage: bytes, run: str, step: str, visit: int) -> str:
    """Return the key of one intended send: the same over every attempt, different for every step visit and file lineage."""
    return derived("dee.send.v1", lineage, run.encode(), step.encode(), str(visit).encode())[:20].hex()


def share_of(domain: str, parts: tuple[str, ...], modulus: int) -> int:
    """Return a number in [0, modulus) that depends on nothing but the parts: split arms and jitter come from here."""
    return int.from_bytes(derived(domain, *(part.encode() for part in parts))[:16], "big") % modulus


CORE_PREFIX = b"dee.core.v1\x00"
LEAF_PREFIX = b"\x00"
GENESIS_LEAF = bytes(32)


def core_hash(core: bytes) -> str:
    """Return the hash of one canonical core: what the run's next core names as `rp`."""
    return hashlib.sha256(CORE_PREFIX + core).hexdigest()


def leaf_hash(body: bytes) -> bytes:
    """Return the entry hash of one canonical body, which is also its RFC 6962 Merkle leaf hash."""
    return hashlib.sha256(LEAF_PREFIX + body).digest()
