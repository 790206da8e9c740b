"""Plan versions of an open file: listed, found by name, and what their templates need."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from dee_appliance.content.script import script_fields, script_from_document
from dee_appliance.content.template import fields, from_document
from dee_appliance.errors import Refused
from dee_appliance.store.queries import load_queries

if TYPE_CHECKING:
    from dee_appliance.kernel.e1.plan import Plan
    from dee_appliance.runtime.reading import View

SHORTEST_DIGEST = 4


class PublishedQueries(msgspec.Struct, frozen=True, kw_only=True):
    """sql/queries/published.sql."""

    select_published: str


class PlanVersion(msgspec.Struct, frozen=True, kw_only=True):
    """One published version of a plan, and when it was published."""

    plan: str
    version: int
    digest: str
    tick: int

    @property
    def label(self) -> str:
        """Name and version, as people write them."""
        return f"{self.plan}@{self.version}"


def plan_versions(view: View) -> list[PlanVersion]:
    """Return every plan version, by name and version."""
    queries = load_queries(PublishedQueries, "published")
    rows = view.database.execute(queries.select_published)
    return [PlanVersion(plan=row[0], version=row[1], digest=row[2], tick=row[3]) for row in rows]


def find_version(view: View, text: str) -> PlanVersion:
    """Return the version that `NAME` (the newest), `NAME@3` or `NAME@` and the start of a digest names. Raises Refused."""
    name, _, wanted = text.partition("@")
    versions = [one for one in plan_versions(view) if one.plan == name]
    if not versions:
        raise Refused(f"there is no plan `{name}`", where=str(view.database.path), hint="dee plan list")
    if not wanted:
        return versions[-1]
    matching = [one for one in versions if str(one.version) == wanted]
    if not matching and len(wanted) >= SHORTEST_DIGEST:
        matching = [one for one in versions if one.digest.removeprefix("b3:").startswith(wanted.removeprefix("b3:"))]
    if len(matching) != 1:
        there = ", ".join(str(one.version) for one in versions)
        raise Refused(f"there is no version {wanted} of {name}", hint=f"published versions: {there}")
    return matching[0]


def fields_needed(view: View, plan: Plan) -> dict[str, tuple[str, ...]]:
    """Return what each template and script of a plan reads, as in `contact.first_name`, by its name."""
    needed: dict[str, tuple[str, ...]] = {}
    for name, digest in sorted(plan.templates.items()):
        needed[name] = fields(from_document(_document(view, digest)))
    for name, digest in sorted(plan.scripts.items()):
        needed[name] = script_fields(script_from_document(_document(view, digest)))
    return needed


def _document(view: View, digest: str) -> object:
    decoded: object = msgspec.json.decode(view.state.documents.body(digest))
    return decoded
