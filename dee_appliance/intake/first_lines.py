"""What stood in an earlier row of a file: who or what each row is about, and the line where that was seen first.

Rules a change must keep: memory is 24 bytes for each identity and a third more for free places, whatever the rows hold.
"""

from __future__ import annotations

from array import array

from blake3 import blake3


def identity_of(*parts: str) -> bytes:
    """Return the 16 bytes by which something is recognised in the same file; the parts may hold anything but NUL."""
    return blake3("\0".join(parts).encode()).digest(16)


class FirstLines:
    """Where each identity (16 bytes of a hash) was first seen.

    An open-addressing table over arrays, 24 bytes a slot and three quarters full at most: a dict would need three times as
    much, and a file of a million rows has three million identities.
    """

    def __init__(self) -> None:
        self._resize(1 << 12)

    def _resize(self, slots: int) -> None:
        self._mask = slots - 1
        self._used = 0
        self._high = array("Q", bytes(8 * slots))
        self._low = array("Q", bytes(8 * slots))
        self._line = array("L", bytes(array("L").itemsize * slots))  # 0 is an empty slot: lines count from 1

    def line_of(self, identity: bytes) -> int | None:
        """Return the line, or None."""
        return self._line[self._slot(*_halves(identity))] or None

    def add(self, identity: bytes, line: int) -> None:
        """Remember the line of an identity that is not known yet."""
        if self._used * 4 > self._mask * 3:
            self._grow()
        self._put(*_halves(identity), line)

    def _put(self, high: int, low: int, line: int) -> None:
        slot = self._slot(high, low)
        self._high[slot], self._low[slot], self._line[slot] = high, low, line
        self._used += 1

    def _slot(self, high: int, low: int) -> int:
        """Return the slot of this identity, or the empty one where it belongs."""
        slot = low & self._mask
        while self._line[slot] and (self._low[slot] != low or self._high[slot] != high):
            slot = (slot + 1) & self._mask
        return slot

    def _grow(self) -> None:
        entries = zip(self._high, self._low, self._line, strict=True)
        self._resize((self._mask + 1) * 2)
        for high, low, line in entries:
            if line:
                self._put(high, low, line)


def _halves(identity: bytes) -> tuple[int, int]:
    return int.from_bytes(identity[:8], "big"), int.from_bytes(identity[8:], "big")
