"""Whether this machine is fit to run this file: one check for each thing that must be well before a loop is started.

Nothing is changed and nothing is sent. A check yields what it found, or raises DeeError when it cannot even look.
"""

from __future__ import annotations

import os
import shutil
import ssl
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from dee_appliance.channels.registry import open_adapter
from dee_appliance.kernel.e1.civil_time import format_utc
from dee_appliance.runtime.clock import MAX_SKEW_S, WallClock
from dee_appliance.runtime.config import channel_configs, config_path, read_config
from dee_appliance.runtime.doubts import longest_outage, undone_since
from dee_appliance.runtime.reading import open_view
from dee_appliance.runtime.reports_status import BEHIND, arming_of
from dee_appliance.store.lock import holder
from dee_appliance.store.state_dir import StateDir

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from dee_appliance.runtime.clock import Clock

LEAST_FREE_BYTES = 256 << 20
"""A full disk stops the loop; a warning at a quarter of a gigabyte leaves time to act."""


class Health(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that was looked at. `what` names it, `note` says what was found."""

    what: str
    ok: bool
    note: str


def check_file(path: Path) -> Iterator[Health]:
    """The file opens, its tables are ours, and whether it may send from here."""
    with open_view(path) as view:
        yield Health(what="file", ok=True, note=f"{view.log_size:,} entries, {path.stat().st_size:,} bytes")
        if view.simulated:
            yield Health(what="armed", ok=True, note="simulated: it never sends")
        else:
            arming = arming_of(view)
            # A file that is not armed has no fault, it is looked at before it is. One that was put back from a backup has.
            yield Health(what="armed", ok=arming.why != BEHIND, note="yes" if arming.armed else f"no: {arming.why}")
    running = holder(path)
    yield Health(what="loop", ok=True, note="nobody runs the file" if running is None else str(running))


def check_places(path: Path) -> Iterator[Health]:
    """The folder of the file and the state directory can be written to and have room."""
    root = StateDir().root
    for what, folder in (("folder", path.resolve().parent), ("state directory", root)):
        there = next((one for one in (folder, *folder.parents) if one.is_dir()), folder)
        free = shutil.disk_usage(there).free
        writable = os.access(there, os.W_OK | os.X_OK)
        note = f"{folder}: {free >> 20:,} MB free" if writable else f"{folder}: may not be written by this user"
        yield Health(what=what, ok=writable and free >= LEAST_FREE_BYTES, note=note)


def check_clock(path: Path, clock: Clock | None = None) -> Iterator[Health]:
    """The wall clock is not behind the file, and no outage waits to be confirmed."""
    now = (clock or WallClock()).now()
    with open_view(path) as view:
        if view.simulated:
            yield Health(what="clock", ok=True, note=f"simulated, at {format_utc(view.last_tick)}")
            return
        behind = view.last_tick - now
        undone = undone_since(view.state)
        if behind > MAX_SKEW_S:
            note = f"{behind} s behind the file's last entry: nothing is sent until it has caught up"
        elif undone is not None and now - max(view.last_tick, undone) > longest_outage(view.state):
            note = f"sends or waits are overdue since {format_utc(undone)}: the loop will wait for `dee release`"
        else:
            note = format_utc(now)
        yield Health(what="clock", ok=behind <= MAX_SKEW_S, note=note)


def check_channels(path: Path) -> Iterator[Health]:
    """Every adapter would take a message now; and certificates can be checked where they must be."""
    config = read_config(config_path(path))
    with open_view(path) as view:
        simulated = view.simulated
    encrypted = False
    for channel, one in channel_configs(config, path, local_only=simulated).items():
        adapter = open_adapter(channel, one)
        report = adapter.health()
        adapter.close()
        note = " ".join(
            part for part in (one.adapter, report.peer, "" if report.ok else report.code, report.note) if part
        )
        yield Health(what=f"channel {channel}", ok=report.ok, note=note)
        trusts_machine = one.options.get("tls", "starttls") != "none" and not one.options.get("ca_file")
        encrypted = encrypted or (one.adapter == "smtp" and trusts_machine)
    if encrypted:
        yield _authorities()


def _authorities() -> Health:
    """Certificate authorities of this machine; a folder of them is read when a connection is made, so it only must have some."""
    paths = ssl.get_default_verify_paths()
    count = ssl.create_default_context().cert_store_stats()["x509_ca"]
    # Typed as always there, and None where there is no such folder.
    place = Path(paths.capath or "")
    folder = bool(paths.capath) and place.is_dir() and any(place.iterdir())
    note = f"{count} certificate authorities" if count else f"in {paths.capath}" if folder else "none on this machine"
    return Health(what="certificates", ok=bool(count) or folder, note=note)


CHECKS: dict[str, Callable[[Path], Iterator[Health]]] = {
    "file": check_file,
    "places": check_places,
    "clock": check_clock,
    "channels": check_channels,
}
"""Every check by the name under which a failure to look is reported."""
