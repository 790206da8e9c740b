"""Who looks on while a file is replayed, input by input: the debugger is the one that does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from dee_appliance.store.journal import Follower as JournalFollower

if TYPE_CHECKING:
    from dee_appliance.store.chain import Linked
    from dee_appliance.store.journal import InputRow, Journal


class Follower(JournalFollower, Protocol):
    """Follows a replay input by input; the throw-away database then has the log as well."""

    def begin(self, journal: Journal) -> None:
        """Be told what will apply the inputs: the state is that of a new file."""

    def applied(self, row: InputRow, entries: tuple[Linked, ...], *, same: bool) -> None:
        """Be told what an input wrote, as (seq, body, leaf). May flush the journal.

        The first input that is not the `same` as recorded is the last that is told.
        """
