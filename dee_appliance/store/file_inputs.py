"""Inputs about the file itself: what the kernel may read of it is fetched, what it decides is written."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from msgspec.structs import replace

from dee_appliance.errors import EvidenceError
from dee_appliance.kernel.e1.file_input import PlainFileInput
from dee_appliance.kernel.e1.file_view import FileView
from dee_appliance.kernel.e1.input import (
    Arm,
    ConfigSet,
    EpochUse,
    FactSet,
    HoldSet,
    ListAdd,
    ListUse,
    PackRetire,
    PackUse,
    PlanPublish,
    PolicySet,
    ZonesUse,
)
from dee_appliance.kernel.e1.rules_input import RulesInput
from dee_appliance.store.rules_in_use import FACT, PACK
from dee_appliance.store.versions import EPOCH, kernel_of

if TYPE_CHECKING:
    from dee_appliance.store.chain import Cause, Chain
    from dee_appliance.store.state import State


class FileInputs:
    """Applies inputs about the file to one open file."""

    def __init__(self, state: State, chain: Chain) -> None:
        self.state = state
        self.chain = chain

    def apply(self, seq: int, tick: int, value: PlainFileInput, cause: Cause) -> str:
        """Decide one input about the file and write what it changes. Returns done or rejected:<code>.

        Raises Newer, before anything is written, for an epoch that this program does not have: what it would decide is unknown.
        """
        if isinstance(value, EpochUse) and value.epoch > self.state.epoch:
            kernel_of(value.epoch, self.state.documents.path)
        decision = self.state.kernel.decide_file(self._view(seq, tick, value), value)
        base = self.chain.next_seq
        for entry in decision.entries:
            self.chain.append(entry, cause.reference, None)
        if decision.holds or decision.released:
            self.state.write_holds(decision.holds, decision.released, base)
        if decision.change:
            self._write(value, base)
        return decision.outcome

    def _write(self, value: PlainFileInput, base: int) -> None:
        match value:
            case PlanPublish():
                self.state.write_plan(value.plan, value.version, value.digest, base)
            case ConfigSet():
                self.state.write_setting(value.key, msgspec.json.decode(value.value), base)
            case Arm():
                self.state.write_setting("incarnation", value.incarnation, base)
            case EpochUse():
                self.state.write_setting(EPOCH, value.epoch, base)
            case HoldSet():
                pass  # what it sets is a hold, which is written with the decision
            case _:
                self._write_rules(value, base)

    def _write_rules(self, value: RulesInput, base: int) -> None:
        match value:
            case PolicySet():
                self.state.write_setting("policy", value.digest, base)
            case PackUse():
                self.state.write_setting(f"{PACK}{value.pack}", value.digest, base)
            case PackRetire():
                self.state.write_setting(f"{PACK}{value.pack}", None, base)
            case FactSet():
                self.state.write_setting(f"{FACT}{value.name}", value.value, base)
            case ListAdd():
                self.state.lists.add(value, base)
            case ListUse():
                self.state.lists.use(value, base)
            case ZonesUse():
                self.state.write_setting("zones", value.digest, base)

    def _view(self, seq: int, tick: int, value: PlainFileInput) -> FileView:
        match value:
            case PlanPublish():
                return self._plan_view(seq, tick, value)
            case HoldSet():
                return FileView(tick=tick, holds=self.state.holds)
            case ConfigSet():
                return FileView(tick=tick, value=_decoded(value.value))
            case Arm():
                incarnation = self.state.settings.get("incarnation", 0)
                return FileView(tick=tick, incarnation=incarnation if isinstance(incarnation, int) else 0)
            case EpochUse():
                return FileView(tick=tick, epoch=self.state.epoch)
            case _:
                return replace(self._rules_view(seq, tick, value), holds=self.state.holds)

    def _plan_view(self, seq: int, tick: int, value: PlanPublish) -> FileView:
        published = self.state.plan_digest(value.plan, value.version)
        if not self._has(value.digest, "plan", seq):
            return FileView(tick=tick, published=published, document=False)
        kernel, body = self.state.kernel, self.state.documents.body(value.digest).encode()
        number = kernel.plan_schema(body)
        if number is not None and number not in kernel.PLAN_SCHEMAS:
            return FileView(tick=tick, published=published, schema_known=False)
        plan = kernel.read_plan(body)
        sound = plan is not None and (plan.plan, plan.version) == (value.plan, value.version)
        return FileView(tick=tick, published=published, sound=sound)

    def _rules_view(self, seq: int, tick: int, value: RulesInput) -> FileView:
        match value:
            case PolicySet():
                return self._policy_view(seq, tick, value)
            case PackUse():
                return self._pack_view(seq, tick, value)
            case PackRetire():
                return FileView(tick=tick, current=self._pack_in_use(value.pack))
            case FactSet():
                return FileView(tick=tick)
            case ListAdd() | ListUse():
                lists = self.state.lists
                version, count = lists.version(value.list), lists.count(value.list, value.version)
                return FileView(tick=tick, version=version, count=count)
            case ZonesUse():
                there = self._has(value.digest, "zones", seq)
                return FileView(tick=tick, document=there, sound=there and self._is_zone_table(value.digest))

    def _policy_view(self, seq: int, tick: int, value: PolicySet) -> FileView:
        if not self._has(value.digest, "policy", seq):
            return FileView(tick=tick, document=False)
        policy = self.state.kernel.read_policy(self.state.documents.body(value.digest).encode())
        if policy is None:
            return FileView(tick=tick, sound=False)
        return FileView(tick=tick, clashes=self._clashes([rule.id for rule in policy.rules], but=""))

    def _pack_view(self, seq: int, tick: int, value: PackUse) -> FileView:
        if not self._has(value.digest, "pack", seq):
            return FileView(tick=tick, document=False)
        pack = self.state.kernel.read_pack(self.state.documents.body(value.digest).encode())
        if pack is None:
            return FileView(tick=tick, sound=False)
        if pack.id != value.pack:
            return FileView(tick=tick, document=False)
        ids = [rule.id for rule in pack.rules]
        policy = {rule.id for rule in self.state.policy()[0].rules} if "policy" in self.state.settings else set[str]()
        clashes = (*self._clashes(ids, but=value.pack), *(one for one in ids if one in policy))
        current = self._pack_in_use(value.pack)
        return FileView(tick=tick, current=current, clashes=clashes)

    def _is_zone_table(self, digest: str) -> bool:
        try:
            self.state.kernel.zone_table(self.state.documents.body(digest).encode())
        except (EvidenceError, msgspec.DecodeError, RecursionError):
            return False
        return True

    def _clashes(self, ids: list[str], *, but: str) -> tuple[str, ...]:
        """Ids that a pack in use has already: an entry names a rule by its id alone."""
        packs = [self.state.documents.pack(digest) for name, digest, _ in self.state.packs if name != but]
        taken = {rule.id for pack in packs for rule in pack.rules}
        return tuple(one for one in ids if one in taken)

    def _pack_in_use(self, pack: str) -> str | None:
        return next((digest for name, digest, _ in self.state.packs if name == pack), None)

    def _has(self, digest: str, kind: str, seq: int) -> bool:
        """Tell whether the document was in the file when this input was applied (a replay has later ones as well)."""
        found = self.state.documents.find(digest)
        return found is not None and found[0] == kind and found[1] <= seq


def _decoded(text: str) -> object:
    try:
        value: object = msgspec.json.decode(text)
    except msgspec.DecodeError:
        return None
    return value
