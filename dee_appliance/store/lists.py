"""Suppression lists that were loaded from outside: which version of each is in use, and who is on it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dee_appliance.kernel.e1.run import ListInUse

if TYPE_CHECKING:
    from dee_appliance.kernel.e1.input import ListAdd, ListUse
    from dee_appliance.store.database import Database
    from dee_appliance.store.state_queries import StateQueries


class Lists:
    """The suppression lists of one open file."""

    def __init__(self, database: Database, queries: StateQueries) -> None:
        self._database = database
        self._queries = queries
        self.in_use: dict[str, ListInUse] = {}

    def reload(self) -> None:
        """Read which lists are in use, at the start and after a rollback."""
        rows = self._database.execute(self._queries.select_lists)
        self.in_use = {
            name: ListInUse(version=version, as_of=as_of, entry=entry) for name, version, as_of, entry in rows
        }

    def version(self, name: str) -> int:
        """Return the version of a list that is in use; 0 if there is none."""
        return self.in_use[name].version if name in self.in_use else 0

    def count(self, name: str, version: int) -> int:
        """Return how many addresses have been added to a version."""
        row = self._database.one(self._queries.select_list_version, (name, version))
        return 0 if row is None else int(row[0])

    def newest(self, name: str) -> int:
        """Return the highest version of a list that anything was added to, in use or not; 0 if there is none."""
        row = self._database.one(self._queries.select_newest_list_version, (name,))
        return 0 if row is None else int(row[0])

    def on(self, token: str) -> tuple[str, ...]:
        """Return the lists in use that an address is on."""
        rows = self._database.execute(self._queries.select_listed, (token,))
        return tuple(name for name, version in rows if self.version(name) == version)

    def add(self, added: ListAdd, entry: int) -> None:
        """Add addresses to a version."""
        self._database.many(self._queries.insert_listed, [(token, added.list, added.version) for token in added.tokens])
        count = self.count(added.list, added.version) + len(added.tokens)
        self._database.execute(self._queries.insert_list_version, (added.list, added.version, count, None, entry))

    def use(self, used: ListUse, entry: int) -> None:
        """Bring a version into use, and forget the earlier ones."""
        self._database.execute(
            self._queries.insert_list_version, (used.list, used.version, used.count, used.as_of, entry)
        )
        self._database.execute(self._queries.delete_listed, (used.list, used.version))
        self._database.execute(self._queries.delete_list_versions, (used.list, used.version))
        self.reload()
