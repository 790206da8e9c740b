"""Copies: a consistent, disarmed copy of the file at any time, also while a loop is writing to it.

A plain copy of a busy file loses what is still in its WAL, or mixes two states. A snapshot is one state. It keeps the lineage and
the incarnation; it is disarmed because the arming record outside names the path of the original.

Rules a change must keep: the source is only read (its WAL is neither moved nor cut); an existing target is never replaced; the
target appears whole and synced, or not at all.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from dee_appliance.errors import Refused
from dee_appliance.store.database import open_reader, remove_database
from dee_appliance.store.durable import draft_beside, publish

if TYPE_CHECKING:
    from collections.abc import Callable


def snapshot(source: Path, target: Path, progress: Callable[[int, int], None] | None = None) -> None:
    """Copy a DEE file. `progress` gets the pages done and the pages in all.

    Raises Refused when the target exists, HostError when it cannot be written, and what opening the source raises.
    """
    target = Path(os.path.realpath(target))
    if os.path.lexists(target):
        raise Refused("there is a file already", where=str(target), hint="choose another name for the snapshot")
    with open_reader(source) as database:
        draft = draft_beside(target)
        try:
            database.copy_pages(draft, progress)
            publish(draft, target)
        finally:
            remove_database(draft)
