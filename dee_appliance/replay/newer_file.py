"""A replay that meets what only a newer DEE knows: that is no divergence, unless somebody has changed the file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dee_appliance.errors import Newer
from dee_appliance.replay.entry_form import lenient, part
from dee_appliance.replay.reading import queries, read_document
from dee_appliance.store.versions import newer_schema

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from dee_appliance.replay.divergence import Mismatch
    from dee_appliance.replay.finding import Finding
    from dee_appliance.store.database import Database


def newer_here(error: Newer, path: Path) -> Newer:
    """Return the error with the file that is replayed as its place, not the throw-away database."""
    return Newer(error.what, where=str(path), hint=error.hint)


def refuse_newer_plan(mismatch: Mismatch, source: Database, findings: Callable[[], list[Finding]]) -> None:
    """Raise Newer when a plan was published that is of a schema which the epoch in force does not have."""
    replayed, recorded = (lenient(body or b"") or {} for body in (mismatch.replayed, mismatch.recorded))
    code = part(part(replayed, "core"), "detail").get("code")
    if code != "unknown_schema" or part(recorded, "core").get("outcome") != "published" or findings():
        return
    detail = part(part(recorded, "core"), "detail")
    label, digest = f"{detail.get('plan')}@{detail.get('version')}", str(detail.get("digest"))
    body = read_document(source, queries(), digest)
    schema = (lenient(body.body) or {}).get("schema") if body is not None else None
    raise newer_schema(label, schema if isinstance(schema, int) else 0, source.path)
