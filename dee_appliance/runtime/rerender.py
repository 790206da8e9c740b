"""Rendering again for a replay: each message as it would be made today, from the personal data as they were then.

A difference is no divergence: what was sent is what was recorded. It says that another version of the renderer makes other bytes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from dee_appliance.content.rendering import prepare
from dee_appliance.runtime.shell import render_request
from dee_appliance.store.vault import Vault

if TYPE_CHECKING:
    from dee_appliance.kernel.e1.compiled import CompiledPlan
    from dee_appliance.kernel.e1.run import Attempt, Given, Run
    from dee_appliance.store.database import Database
    from dee_appliance.store.journal import Candidate, InputRow
    from dee_appliance.store.state import State


class PastVault(Vault):
    """The vault as it stood when an input was applied: later values do not count."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self.seq = 0
        self._contact = ""
        self._kept: list[tuple[str, int, str]] = []

    def newest(self, contact: str, field: str) -> str | None:
        """Return the value of a field that counted then, or None."""
        if contact != self._contact:
            self._contact, self._kept = contact, self.rows(contact)
        values = [value for name, seq, value in self._kept if name == field and seq <= self.seq]
        return values[-1] if values else None


class PastMessages:
    """Finds out what messages of the past had in them, when rules ask that nobody asked then. Implements what-if's Messages."""

    def __init__(self, database: Database) -> None:
        self._vault = PastVault(database)

    def look(self, state: State, candidate: Candidate, texts: tuple[str, ...]) -> tuple[str, ...] | None:
        """Return the features of the message as it was, None when the contact's data are no longer there."""
        self._vault.seq = candidate.row.seq
        if self._vault.newest(candidate.attempt.contact, "profile") is None:
            return None
        request = render_request(state, self._vault, candidate.attempt, candidate.run, candidate.plan)
        return prepare(replace(request, looks=True, texts=texts)).given.features


class Rerenderer:
    """Renders attempts of one open file again. Implements replay's Rerender."""

    def __init__(self, database: Database) -> None:
        self._vault = PastVault(database)

    def __call__(self, state: State, row: InputRow, attempt: Attempt, run: Run, plan: CompiledPlan) -> Given | None:
        """Return what rendering gives today, None when the contact's data are no longer there."""
        self._vault.seq = row.seq
        if self._vault.newest(attempt.contact, "profile") is None:
            return None
        return prepare(render_request(state, self._vault, attempt, run, plan)).given
