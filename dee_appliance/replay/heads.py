"""How far many chains have come, in bounded memory: the newest in a dictionary, the rest in a throw-away database on
the disk.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Self

from dee_appliance.store.database import open_scratch

if TYPE_CHECKING:
    from types import TracebackType

    from dee_appliance.replay.reading import ReplayQueries
    from dee_appliance.store.database import Database

KEPT = 50_000
"""About 15 MB."""

WRITES_TOGETHER = 10_000

Head = tuple[int, str]
"""The length of a chain and the hash of its last link."""


class Heads:
    """A map from a chain's name to its head. A context manager: leaving it deletes what lies on the disk."""

    def __init__(self, names: ReplayQueries, *, folder: Path | None = None, kept: int = KEPT) -> None:
        self._names = names
        self._folder = folder
        self._kept = kept
        self._newest: dict[str, Head] = {}
        self._disk: Database | None = None
        self._writes = 0
        self._place: tempfile.TemporaryDirectory[str] | None = None

    def get(self, name: str) -> Head | None:
        """Return the head of a chain, or None."""
        found = self._newest.get(name)
        if found is None and self._disk is not None:
            row = self._disk.one(self._names.select_head, (name,))
            found = None if row is None else (row[0], row[1])
        return found

    def put(self, name: str, head: Head) -> None:
        """Keep the head of a chain."""
        if len(self._newest) >= self._kept and name not in self._newest:
            self._spill()
        self._newest[name] = head

    def pop(self, name: str) -> Head | None:
        """Return the head of a chain and forget it."""
        found = self._newest.pop(name, None)
        if self._disk is not None:
            if found is None:
                row = self._disk.one(self._names.select_head, (name,))
                found = None if row is None else (row[0], row[1])
            self._write()
            self._disk.execute(self._names.delete_head, (name,))
        return found

    def any(self) -> tuple[str, Head] | None:
        """Return one chain that is there, or None."""
        for name, head in self._newest.items():
            return name, head
        row = None if self._disk is None else self._disk.one(self._names.select_any_head)
        return None if row is None else (row[0], (row[1], row[2]))

    def _write(self) -> None:
        """Be inside a transaction, and not too long in the same one: its undo log lies in memory."""
        assert self._disk is not None
        self._writes += 1
        if self._disk.in_transaction and self._writes % WRITES_TOGETHER == 0:
            self._disk.execute("COMMIT")
        if not self._disk.in_transaction:
            self._disk.execute("BEGIN")

    def _spill(self) -> None:
        if self._disk is None:
            self._place = tempfile.TemporaryDirectory(prefix="dee-", dir=self._folder)
            self._disk = open_scratch(Path(self._place.name) / "heads.db")
        self._write()
        rows = ((name, length, link) for name, (length, link) in self._newest.items())
        self._disk.many(self._names.insert_head, rows)
        self._disk.execute("COMMIT")
        self._newest.clear()

    def close(self) -> None:
        """Forget everything."""
        self._newest.clear()
        if self._disk is not None:
            self._disk.close()
            self._disk = None
        if self._place is not None:
            self._place.cleanup()
            self._place = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
