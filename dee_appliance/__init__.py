"""DEE, a deterministic execution engine for outbound communication: one program, one SQLite file, provable sends."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dee_appliance.engine import Engine
    from dee_appliance.scenarios.testing import check_scenarios

__version__ = "0.1.0"
__all__ = ["Engine", "__version__", "check_scenarios"]


def __getattr__(name: str) -> object:
    """Import what is asked for when it is first asked for: `dee --version` must not load a database library."""
    if name == "Engine":
        from dee_appliance.engine import Engine  # noqa: PLC0415 - see above

        return Engine
    if name == "check_scenarios":
        from dee_appliance.scenarios.testing import check_scenarios  # noqa: PLC0415 - see above

        return check_scenarios
    raise AttributeError(name)
