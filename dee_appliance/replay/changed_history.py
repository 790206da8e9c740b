"""What a what-if changes, and the recorded inputs and documents as they would have been with it.

A document that is changed comes in where the recorded one came in: the input that brought a plan version, the policy or the
time-zone table brings the other one, and everything that names the old digest names the new one. Packs that are used count from
the first policy on; the recorded inputs about a pack that is used or retired fall away.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from msgspec.structs import replace

from dee_appliance.errors import Refused
from dee_appliance.kernel.e1.encoding import canonical, document_digest
from dee_appliance.kernel.e1.input import (
    PackRetire,
    PackUse,
    PlanPublish,
    PolicySet,
    UnknownInput,
    ZonesUse,
    decode_input,
    encode_input,
)
from dee_appliance.kernel.e1.plan import Plan, decode_plan
from dee_appliance.kernel.e1.policy import Pack, Policy, decode_policy
from dee_appliance.replay.changed_rules import ChangedRules
from dee_appliance.replay.reading import DocumentRow, read_documents

if TYPE_CHECKING:
    from dee_appliance.replay.reading import ReplayQueries
    from dee_appliance.store.database import Database
    from dee_appliance.store.journal import InputRow

SUBSTITUTED = ("plan.publish", "policy.set", "zones.use", "pack.use", "pack.retire")


class ChangedHistory(msgspec.Struct, frozen=True, kw_only=True):
    """What is changed in the recorded history; what is not named stays as it was.

    `plans` by name: each takes the place of every version of its name. `templates` and `scripts`: digests by the name under which
    plans pin them. `zones` is the body of a time-zone table. `documents` are the templates and scripts that all this names, by
    digest as (kind, body).
    """

    plans: dict[str, Plan] = {}
    templates: dict[str, str] = {}
    scripts: dict[str, str] = {}
    rules: ChangedRules = ChangedRules()
    zones: str | None = None
    documents: dict[str, tuple[str, str]] = {}


class Swap(msgspec.Struct, frozen=True, kw_only=True):
    """One document in the place of another, by digests ("": none). `what` names it: `plan outreach@3`, `policy`, `pack house`."""

    what: str
    before: str
    after: str


class Substitution:
    """The changed documents of one file, and the inputs that bring them. Raises Refused for what the file does not have."""

    def __init__(self, change: ChangedHistory, source: Database, names: ReplayQueries) -> None:
        self._change = change
        self._made: dict[str, DocumentRow] = {}
        """The documents that stand for recorded ones, by the digests of these."""
        self._texts: dict[str, str] = {}
        self._brought: dict[int, list[DocumentRow]] = {}
        self._packs = [(pack.id, document_digest("pack", body), body) for pack, body in _bodies(change.rules.use)]
        self._gone = (*change.rules.retire, *(pack for pack, _, _ in self._packs))
        self.swaps: list[Swap] = [Swap(what=f"pack {pack}", before="", after=digest) for pack, digest, _ in self._packs]
        found: dict[str, None] = {}
        for row in read_documents(source, names):
            self._brought.setdefault(row.seq, []).append(row)
            found |= self._substitute(row)
        self._require(found, str(source.path))
        self.swaps.sort(key=lambda swap: (swap.what, swap.before))

    @property
    def anything(self) -> bool:
        """Whether the what-if differs from the record in anything."""
        return bool(self.swaps)

    def brought(self, seq: int) -> list[DocumentRow]:
        """Return the documents that an input brought."""
        return self._brought.get(seq, [])

    def changed(self, seq: int) -> list[DocumentRow]:
        """Return the documents that stand for those that an input brought."""
        return [self._made[row.digest] for row in self.brought(seq) if row.digest in self._made]

    def first_documents(self) -> list[DocumentRow]:
        """Return the templates, scripts and packs of the change, which no recorded input brings."""
        texts = self._change.documents.items()
        rows = [DocumentRow(digest, kind, 0, body.encode()) for digest, (kind, body) in sorted(texts)]
        return rows + [DocumentRow(digest, "pack", 0, body) for _, digest, body in self._packs]

    def packs(self) -> list[PackUse]:
        """Return the inputs that bring the packs of the change into use."""
        return [PackUse(pack=pack, digest=digest, actor="what-if") for pack, digest, _ in self._packs]

    def row(self, row: InputRow) -> InputRow | None:
        """Return the input as it would have been, None when it would not have been."""
        if row.kind not in SUBSTITUTED:
            return row
        try:
            value = decode_input(row.kind, row.payload)
        except UnknownInput:
            return row
        match value:
            case PackUse() | PackRetire() if value.pack in self._gone:
                return None
            case PlanPublish() | PolicySet() | ZonesUse() if value.digest in self._made:
                changed = replace(value, digest=self._made[value.digest].digest)
                return replace(row, payload=encode_input(changed).decode())
            case _:
                return row

    def same_text(self, recorded: str, other: str) -> bool:
        """Tell whether a message of this template or script counts as the recorded one: it is the same, or stands for it."""
        return self._texts.get(recorded, recorded) == other

    def require_sound(self, policy: Policy, packs: tuple[Pack, ...]) -> None:
        """Raise Refused when the change and the rules in use have a rule of the same id."""
        self._change.rules.applied(policy, packs)

    # ---- making the documents ----

    def _substitute(self, row: DocumentRow) -> dict[str, None]:
        """Make what stands for a recorded document. Returns what of the change has been found."""
        rules = self._change.rules
        match row.kind:
            case "plan":
                return self._plan(row)
            case "policy" if rules.policy is not None or rules.rates is not None:
                self._put(row, "policy", canonical(rules.changed_policy(decode_policy(row.body))))
            case "zones" if self._change.zones is not None:
                self._put(row, "time-zone table", self._change.zones.encode())
            case _:
                pass
        return {}

    def _plan(self, row: DocumentRow) -> dict[str, None]:
        recorded = decode_plan(row.body)
        plan = recorded
        found: dict[str, None] = {}
        if recorded.plan in self._change.plans:
            found[f"plan {recorded.plan}"] = None
            plan = replace(self._change.plans[recorded.plan], version=recorded.version)
        templates, scripts = dict(plan.templates), dict(plan.scripts)
        for what, pinned, wanted in (
            ("template", templates, self._change.templates),
            ("script", scripts, self._change.scripts),
        ):
            for name in [name for name in wanted if name in pinned]:
                found[f"{what} {name}"] = None
                self._texts[pinned[name]] = wanted[name]
                pinned[name] = wanted[name]
        self._put(
            row,
            f"plan {recorded.plan}@{recorded.version}",
            canonical(replace(plan, templates=templates, scripts=scripts)),
        )
        return found

    def _put(self, row: DocumentRow, what: str, body: bytes) -> None:
        digest = document_digest(row.kind, body)
        if digest != row.digest:
            self._made[row.digest] = DocumentRow(digest, row.kind, row.seq, body)
            self.swaps.append(Swap(what=what, before=row.digest, after=digest))

    def _require(self, found: dict[str, None], where: str) -> None:
        change = self._change
        wanted = [f"plan {name}" for name in change.plans] + [f"template {name}" for name in change.templates]
        for one in wanted + [f"script {name}" for name in change.scripts]:
            if one not in found:
                raise Refused(
                    f"the file has no {one}, so there is nothing to change", where=where, hint="dee plan list"
                )
        for pack in change.rules.retire:
            self.swaps.append(Swap(what=f"pack {pack}", before="in use", after=""))


def _bodies(packs: tuple[Pack, ...]) -> list[tuple[Pack, bytes]]:
    return [(pack, canonical(pack)) for pack in packs]
