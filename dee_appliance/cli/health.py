"""`dee health`: whether this machine is fit to run this file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dee_appliance.cli.command import Session, command
from dee_appliance.errors import DeeError, Newer, Refused

if TYPE_CHECKING:
    from dee_appliance.runtime.health import Health


@command()
def health(session: Session) -> None:
    """Check the file, its folder, the clock, every adapter and the certificates. Nothing is changed or sent.

    \b
    Example:
      dee health
    """
    import msgspec

    from dee_appliance.runtime.health import CHECKS

    bad = 0
    for name in CHECKS:
        for found in _looked(session, name):
            bad += not found.ok
            session.out.record(msgspec.structs.asdict(found))
            session.out.line(f"{'✔' if found.ok else '✘'} {found.what:<16} {found.note}")
    if bad:
        raise Refused("1 check failed" if bad == 1 else f"{bad} checks failed", where=str(session.path))


def _looked(session: Session, name: str) -> list[Health]:
    """Run one check; one that cannot even look has failed. A file of a newer DEE is not this program's to judge."""
    from dee_appliance.runtime.health import CHECKS, Health

    try:
        return list(CHECKS[name](session.path))
    except Newer:
        raise
    except DeeError as error:
        hint = f" ({error.hint})" if error.hint else ""
        return [Health(what=name, ok=False, note=f"{error.what}{hint}")]
