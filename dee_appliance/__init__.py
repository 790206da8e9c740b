"""DEE, a deterministic execution engine for outbound communication: one program, one SQLite file, provable sends."""

from __future__ import annotations

__version__ = "0.1.0"
