"""Proof of absence: after personal data was deleted, make sure that its bytes are gone, and say so only then.

Deleting is not enough. The bytes stay in the WAL until it is moved into the file and cut; and although `secure_delete` overwrites
what is freed, SQLite leaves copies of moved cells between the rows of a page when it balances a tree (measured). So: cut the WAL,
look at the file and the WAL byte by byte, write the file anew when something is left, look again.

The -shm file is not looked at: it holds page numbers, no content, and closing a descriptor on it would drop this process's locks.
Old copies and snapshots of the file are out of reach.

Rules a change must keep: `done` is only said after a scan that found nothing; memory is bounded whatever the size of the file.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import msgspec

from dee_appliance.errors import HostError
from dee_appliance.store.database import Database, StorageFailed
from dee_appliance.store.header import size_or_zero, wal_of
from dee_appliance.store.queries import load_queries

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

SHORTEST_NEEDLE = 6
"""Shorter values are found everywhere by chance, so they prove nothing."""

BLOCK_BYTES = 1 << 20
MOST_PLACES = 20


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """Where a needle lies: in the file or in its WAL, at which byte."""

    wal: bool
    offset: int


class ErasureReport(msgspec.Struct, frozen=True, kw_only=True):
    """How far an erasure has come.

    `done`: file and WAL were searched and hold none of the needles. `pending`: a reader or writer was in the way; call again.
    `remains`: the bytes are still there after the file was written anew, at `places`.
    """

    state: Literal["done", "pending", "remains"]
    searched: int
    """Needles searched for."""
    shared: int
    """Needles not searched for, because rows of others hold the same value."""
    too_short: int
    """Needles not searched for, because they are shorter than SHORTEST_NEEDLE."""
    compacted: bool
    """Whether the file had to be written anew."""
    places: tuple[Place, ...]


class _Queries(msgspec.Struct, frozen=True, kw_only=True):
    select_holding: str
    delete_staged_holding: str


def finish_erasure(
    database: Database, needles: Sequence[bytes], *, anew: bool = False, wait_ms: int = 250
) -> ErasureReport:
    """Make sure that the needles are in neither file nor WAL. Call it after the deleting transaction has committed.

    `needles`: the erased values in every form in which they may lie there. `anew`: write the file anew whatever is found, for
    when nobody knows the values any more. `wait_ms`: how long to wait for readers. Raises StorageFailed.
    """
    long_enough = sorted({needle for needle in needles if len(needle) >= SHORTEST_NEEDLE})
    queries = load_queries(_Queries, "erasure")
    with database.transaction():
        # Nobody's yet. An import that has died never brings them in; one that is still at work misses them, and is refused.
        for needle in long_enough:
            database.execute(queries.delete_staged_holding, (needle,))
    wanted = [needle for needle in long_enough if database.one(queries.select_holding, (needle, needle)) == (0,)]

    def report(
        state: Literal["done", "pending", "remains"], *, compacted: bool, places: tuple[Place, ...]
    ) -> ErasureReport:
        return ErasureReport(
            state=state,
            searched=len(wanted),
            shared=len(long_enough) - len(wanted),
            too_short=len(set(needles)) - len(long_enough),
            compacted=compacted,
            places=places,
        )

    if not database.checkpoint_truncate(wait_ms=wait_ms):
        return report("pending", compacted=False, places=())
    places = find_bytes(database, wanted)
    if not places and not anew:
        return report("done", compacted=False, places=())
    if not _compacted(database) or not database.checkpoint_truncate(wait_ms=wait_ms):
        return report("pending", compacted=False, places=places)
    places = find_bytes(database, wanted)
    return report("remains" if places else "done", compacted=True, places=places)


def _compacted(database: Database) -> bool:
    try:
        database.compact()
    except StorageFailed:
        raise
    except HostError:  # busy: another process is writing
        return False
    return True


def find_bytes(database: Database, needles: Sequence[bytes]) -> tuple[Place, ...]:
    """Return the first places where the needles lie in the file and its WAL, at most MOST_PLACES. Reads both whole."""
    places: list[Place] = []
    if not needles:
        return ()
    overlap = max(len(needle) for needle in needles) - 1
    for wal, size in ((False, size_or_zero(database.path)), (True, size_or_zero(wal_of(database.path)))):
        for start, block in _blocks(database, wal=wal, size=size, overlap=overlap):
            for needle in needles:
                found = block.find(needle)
                if found >= 0:
                    places.append(Place(wal=wal, offset=start + found))
                    if len(places) == MOST_PLACES:
                        return tuple(places)
    return tuple(places)


def _blocks(database: Database, *, wal: bool, size: int, overlap: int) -> Iterator[tuple[int, bytes]]:
    """Give blocks with their offset; each begins with the last bytes of the one before, so that nothing lies on a border."""
    tail = b""
    for offset in range(0, size, BLOCK_BYTES):
        block = database.read_bytes(wal=wal, offset=offset, count=min(BLOCK_BYTES, size - offset))
        yield offset - len(tail), tail + block
        tail = (tail + block)[-overlap:] if overlap else b""
