"""Finishing an erasure: it is done only when the bytes are in neither the file nor its WAL."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dee_appliance.runtime.appliance import try_open_appliance
from dee_appliance.store.database import open_writer
from dee_appliance.store.erasure import ErasureReport, finish_erasure

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from dee_appliance.runtime.clock import Clock
    from dee_appliance.store.state_dir import StateDir


def erase(
    path: Path, values: Sequence[bytes], *, clock: Clock | None = None, state_dir: StateDir | None = None
) -> ErasureReport:
    """Empty the WAL and look for the values; with none to look for, write the file anew.

    An erasure that was `pending` is finished by erasing again, and by then the vault has nothing left to look for. While a loop
    runs this waits for its readers only; `pending` says that they were in the way.
    """
    appliance = try_open_appliance(path, "dee contact erase", clock=clock, state_dir=state_dir)
    if appliance is not None:
        with appliance:
            return finish_erasure(appliance.database, values, anew=not values)
    with open_writer(path) as database:
        return finish_erasure(database, values, anew=not values)
