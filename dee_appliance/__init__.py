"""DEE, a deterministic execution engine for outbound communication: one program, one SQLite file, provable sends."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dee_appliance.engine import Engine

__version__ = "0.1.0"
__all__ = ["Engine", "__version__"]


def __getattr__(name: str) -> object:
    """Import Engine when it is first asked for: `dee --version` must not load a database library."""
    if name == "Engine":
        from dee_appliance.engine import Engine  # noqa: PLC0415 - see above

        return Engine
    raise AttributeError(name)
