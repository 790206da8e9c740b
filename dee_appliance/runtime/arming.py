"""Arming: the deliberate act by which one file on one host may really send."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dee_appliance.channels.registry import open_adapter
from dee_appliance.errors import EvidenceError, HostError, Refused
from dee_appliance.kernel.e1.input import Arm, encode_input
from dee_appliance.runtime.appliance import OPENING_TRIES, OPENING_WAIT_S, open_appliance
from dee_appliance.runtime.clock import WallClock
from dee_appliance.runtime.commands import admit_waiting, apply_now
from dee_appliance.runtime.config import channel_configs, config_path, read_config
from dee_appliance.runtime.reading import open_view
from dee_appliance.store.inbox import InboxRow
from dee_appliance.store.lock import holder
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
    states = state_dir or StateDir()
    with open_view(path) as view:
        if view.simulated:
            raise Refused("a simulated file can never send", where=str(path), hint="make a real one with `dee init`")
        if not accept_loss and not _is_newest(view, states):
            raise Refused(
                "this file is not the newest state of its log: what it has forgotten may be sent again",
                where=str(path),
                hint="find the newer file, or type `dee arm --accept-loss`",
            )
        _require_own_sender(path, view)
    # Whoever holds the tip is the one sender of this lineage: no loop can run the armed file meanwhile, wherever it lies.
    with states.open_tip(view.lineage) as tip:
        _require_no_loop(path)
        # Until the new record is written nothing is armed: an old record names the old incarnation.
        states.disarm(view.lineage)
        with open_appliance(path, "dee arm", clock=clock, state_dir=states) as appliance:
            # An arming that died may have left its own request behind, which counts as well.
            admit_waiting(appliance)
            incarnation = appliance.incarnation + 1
            row = InboxRow(
                source="operator",
                received=appliance.clock.now(),
                kind="file.arm",
                payload=encode_input(Arm(incarnation=incarnation, actor=actor)),
            )
            (reply,) = apply_now(appliance, [row])
            if reply.outcome != "done":
                raise Refused("the file could not be armed", where=str(path), hint="try again")
            chain = appliance.journal.chain
            tip.restart(Tip(size=chain.next_seq, head=chain.head, incarnation=incarnation))
            states.arm(path, view.lineage, incarnation)
    return incarnation


def _is_newest(view: View, states: StateDir) -> bool:
    try:
        tip = states.read_tip(view.lineage)
    except EvidenceError:
        return False  # nobody can tell any more
    return isinstance(check_tip(view.database, tip), TipAgrees | TipMissing)


def _require_no_loop(path: Path) -> None:
    """Refuse to arm what a loop is running already: it has been told that it may not send, and would not learn otherwise."""
    clock = WallClock()
    for _ in range(OPENING_TRIES):
        if holder(path) is None:
            return
        clock.wait(OPENING_WAIT_S)
    running = holder(path) or "unknown"
    hint = "stop it, arm, and start it again"
    raise HostError(f"another process runs this file: {running}", where=str(path), hint=hint)


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
