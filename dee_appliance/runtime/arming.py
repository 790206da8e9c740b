"""Arming: the deliberate act by which one file on one host may really send."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dee_appliance.channels.registry import open_adapter
from dee_appliance.errors import Refused
from dee_appliance.kernel.e1.input import Arm, encode_input
from dee_appliance.runtime.commands import submit
from dee_appliance.runtime.config import channel_configs, config_path, read_config
from dee_appliance.runtime.reading import open_view
from dee_appliance.store.inbox import InboxRow
from dee_appliance.store.state_dir import StateDir
from dee_appliance.store.tip import Tip, TipAgrees, TipMissing, check_tip

if TYPE_CHECKING:
    from pathlib import Path

    from dee_appliance.runtime.clock import Clock
    from dee_appliance.runtime.reading import View

EXAMPLE_DOMAIN = "@example.com"
"""That of the sender which a new file starts with (RFC 2606): nobody can answer it."""


def arm(
    path: Path, actor: str, *, accept_loss: bool = False, clock: Clock | None = None, state_dir: StateDir | None = None
) -> int:
    """Raise the file's incarnation by an input, then record file, host and tip outside. Returns the incarnation.

    The order matters: a crash in between leaves the file disarmed. Raises Refused for a simulated file, for one whose mail would
    leave this machine from the example address, and for one that is not what its tip remembers unless `accept_loss`.
    """
    from dee_appliance.runtime.clock import WallClock  # noqa: PLC0415 - only used here at run time

    states = state_dir or StateDir()
    with open_view(path) as view:
        if view.simulated:
            raise Refused("a simulated file can never send", where=str(path), hint="make a real one with `dee init`")
        agreement = check_tip(view.database, states.read_tip(view.lineage))
        if not isinstance(agreement, TipAgrees | TipMissing) and not accept_loss:
            raise Refused(
                "this file is not the newest state of its log: what it has forgotten may be sent again",
                where=str(path),
                hint="find the newer file, or type `dee arm --accept-loss`",
            )
        _require_own_sender(path, view)
        incarnation = view.incarnation + 1
    # Until the new record is written nothing is armed: an old record names the old incarnation.
    states.disarm(view.lineage)
    row = InboxRow(
        source="operator",
        received=(clock or WallClock()).now(),
        kind="file.arm",
        payload=encode_input(Arm(incarnation=incarnation, actor=actor)),
    )
    submitted = submit(path, [row], "dee arm", clock=clock, state_dir=states)
    if submitted.queued or submitted.replies[0].outcome != "done":
        raise Refused(
            "the file could not be armed", where=str(path), hint="stop the loop that runs on it and try again"
        )
    with open_view(path) as after:
        tip = states.open_tip(after.lineage)
        try:
            tip.restart(Tip(size=after.log_size, head=after.log_head, incarnation=incarnation))
        finally:
            tip.close()
    states.arm(path, after.lineage, incarnation)
    return incarnation


def _require_own_sender(path: Path, view: View) -> None:
    """Refuse to send mail beyond this machine from the example address that every new file starts with."""
    sender = str(view.state.settings.get("sender.email", ""))
    if not sender.endswith(EXAMPLE_DOMAIN):
        return
    adapter = open_adapter("email", channel_configs(read_config(config_path(path)), path, local_only=False)["email"])
    local = adapter.is_local()
    adapter.close()
    if not local:
        raise Refused(
            f"mail would leave this machine from {sender}",
            where=str(path),
            hint="dee config set sender.email, sender.domain and sender.unsubscribe to your own",
        )
