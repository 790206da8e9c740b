"""Making a file: genesis, the time-zone table, a policy and the settings that a message cannot do without."""

from __future__ import annotations

import os
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

import msgspec

from dee_appliance.authoring.policy_file import check_policy, settable
from dee_appliance.authoring.zone_table import compile_zone_table
from dee_appliance.kernel.e1.encoding import canonical, document_digest
from dee_appliance.kernel.e1.input import KIND_OF, ConfigSet, Input, PolicySet, ZonesUse, encode_input
from dee_appliance.store.database import Database, create
from dee_appliance.store.journal import Brought, Genesis, Journal, NoShell, write_genesis
from dee_appliance.store.vault import FILE

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SOURCE = "init"
SANDBOX_SENDER = {
    "sender.name": "Example Sender",
    "sender.email": "sender@example.com",
    "sender.phone": "+12025550100",
    "sender.domain": "example.com",
    "sender.unsubscribe": "unsubscribe@example.com",
}
"""A sender that cannot exist (RFC 2606), so that the sandbox works at once; a real adapter wants your own."""


class FileOptions(msgspec.Struct, frozen=True, kw_only=True):
    """How to make a file. `start` is the first tick; `seed` is that of simulated recipients."""

    start: int
    simulated: bool = False
    seed: int = 1
    assume: str = ""
    policy: str | None = None
    """Path of a policy file; None is the strict default."""


def make_file(path: Path, options: FileOptions, draw: Callable[[int], bytes] | None = None) -> None:
    """Make a new file, ready for plans and contacts. Raises Refused when there is one already or the policy has mistakes.

    `draw` gives so many bytes for lineage and secret; only a file that is thrown away may have others than random ones.
    """
    draw = draw or os.urandom  # noqa: TID251 - the lineage and the file's secret are drawn here and recorded
    zones = _installed_zones()
    policy_path = files("dee_appliance").joinpath("data/strict.toml") if options.policy is None else None
    checked = check_policy(_as_path(policy_path, options.policy))
    settable(checked)
    inputs: list[tuple[Input, Brought | None]] = [
        (ZonesUse(digest=document_digest("zones", zones)), _document("zones", zones)),
        (PolicySet(digest=checked.digest), _document("policy", checked.body)),
    ]
    settings: dict[str, object] = dict(SANDBOX_SENDER)
    if options.assume:
        settings["simulation.assume"] = options.assume
    inputs += [
        (ConfigSet(key=key, value=canonical(settings[key]).decode(), actor=SOURCE), None) for key in sorted(settings)
    ]
    genesis = Genesis(
        lineage=draw(16),
        epoch=options.start,
        clock="simulated" if options.simulated else "real",
        seed=options.seed if options.simulated else 0,
    )
    secret = Brought(vault={FILE: {"secret": draw(32).hex()}})
    path.parent.mkdir(parents=True, exist_ok=True)
    create(path, lambda database: _fill(database, genesis, inputs, secret))


@cache
def _installed_zones() -> bytes:
    return canonical(compile_zone_table())


def _as_path(packaged: object, given: str | None) -> Path:
    from pathlib import Path  # noqa: PLC0415 - only used here at run time

    return Path(str(packaged)) if given is None else Path(given)


def _document(kind: str, body: bytes) -> Brought:
    return Brought(documents={document_digest(kind, body): (kind, body.decode())})


def _fill(database: Database, genesis: Genesis, inputs: list[tuple[Input, Brought | None]], secret: Brought) -> None:
    write_genesis(database, genesis)
    journal = Journal(database, NoShell())
    for position, (value, brought) in enumerate(inputs):
        carried = brought
        if position == 0 and brought is not None:
            carried = Brought(vault=secret.vault, documents=brought.documents)
        kind, payload = KIND_OF[type(value)], encode_input(value).decode()
        _, outcome = journal.admit(genesis.epoch, genesis.epoch, SOURCE, kind, payload, brought=carried)
        assert outcome == "done", outcome
    journal.flush()
