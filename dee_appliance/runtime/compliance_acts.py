"""What people did: halts and releases, resolutions, changes of rules, consents and suppressions recorded, erasures.

Actors are named as the log names them. Inputs that the appliance makes itself (a hold whose time has come) are nobody's act.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from dee_appliance.kernel.e1.civil_time import format_utc
from dee_appliance.runtime.compliance_log import Words

if TYPE_CHECKING:
    from dee_appliance.kernel.e1.input import ConsentSet
    from dee_appliance.runtime.compliance_log import Cause, Line

MOST_LISTED = 1_000
ACTS = ("halt", "release", "policy", "pack", "fact", "list", "zones", "config", "publish", "arm")
"""Actions about the file that somebody has done; each is listed."""
TOLD = ("scope", "key", "value", "pack", "plan", "version", "fact", "list", "count", "incarnation", "digest")


class Act(msgspec.Struct, frozen=True, kw_only=True):
    """One act about the file."""

    entry: int
    utc: str
    act: str
    what: str
    actor: str


class VerbRow(msgspec.Struct, kw_only=True):
    """Acts on single runs: how often, by whom."""

    act: str
    outcome: str
    actor: str
    count: int = 0


class ErasureRow(msgspec.Struct, frozen=True, kw_only=True):
    """One erasure: when it was asked for, and when it was taken in."""

    entry: int
    received: str
    utc: str
    basis: str


class PermissionRow(msgspec.Struct, kw_only=True):
    """Consents granted, revoked or kept, and suppressions added or lifted; `of` is the class or the scope."""

    act: str
    outcome: str
    of: str
    reason: str
    count: int = 0


class Acts:
    """Acts of a period that begins at tick `first`."""

    def __init__(self, first: int) -> None:
        self._first = first
        self.acts: list[Act] = []
        self.count = 0
        self.verbs: dict[tuple[str, ...], VerbRow] = {}
        self.erasures: list[ErasureRow] = []
        self.erased = 0
        self.permissions: dict[tuple[str, ...], PermissionRow] = {}
        self._actors, self._outcomes, self._reasons = Words(), Words(), Words()

    def file(self, line: Line, cause: Cause) -> None:
        """An entry about the file."""
        automatic = line.core.action == "release" and line.core.outcome == "due"
        if line.core.tick < self._first or line.core.action not in ACTS or automatic:
            return
        self.count += 1
        if len(self.acts) < MOST_LISTED:
            detail = line.core.detail
            # The value of a setting may be an address of the sender: the entry has it.
            names = [name for name in TOLD if name in detail and (name, line.core.action) != ("value", "config")]
            told = " ".join(f"{name}={_short(detail[name])}" for name in names)
            actor = str(detail.get("actor") or cause.source)
            what = f"{line.core.outcome} {told}".strip()
            self.acts.append(
                Act(entry=line.seq, utc=format_utc(line.core.tick), act=line.core.action, what=what, actor=actor)
            )

    def verb(self, line: Line) -> None:
        """An entry about one run that a person has acted on. Cancelling by an erasure or an exit is no act of its own."""
        actor = line.core.detail.get("actor")
        if line.core.tick < self._first or actor is None:
            return
        named = self._actors.kept(str(actor))
        outcome = str(line.core.detail.get("code", "")) if line.core.outcome == "rejected" else line.core.outcome
        outcome = self._outcomes.kept(outcome)
        key = (line.core.action, outcome, named)
        self.verbs.setdefault(key, VerbRow(act=key[0], outcome=key[1], actor=key[2])).count += 1

    def erasure(self, line: Line, cause: Cause) -> None:
        """A contact was erased."""
        if line.core.tick < self._first:
            return
        self.erased += 1
        if len(self.erasures) < MOST_LISTED:
            self.erasures.append(
                ErasureRow(
                    entry=line.seq,
                    received=format_utc(cause.received),
                    utc=format_utc(line.core.tick),
                    basis=str(line.core.detail.get("basis", "")),
                )
            )

    def consent(self, line: Line, value: ConsentSet) -> None:
        """Consent was granted, revoked, or a stronger one kept."""
        self._permission(line, f"{value.channel} {value.consent_class if value.granted else ''}".strip(), value.source)

    def suppressed(self, line: Line) -> None:
        """A suppression was added or lifted."""
        detail = line.core.detail
        self._permission(line, str(detail.get("scope", "")), str(detail.get("reason", "")))

    def _permission(self, line: Line, of: str, reason: str) -> None:
        if line.core.tick < self._first:
            return
        named = self._reasons.kept(reason)
        key = (line.core.action, line.core.outcome, of, named)
        row = self.permissions.get(key)
        if row is None:
            row = self.permissions[key] = PermissionRow(act=key[0], outcome=key[1], of=of, reason=named)
        row.count += 1


def _short(value: object) -> str:
    text = str(value)
    return text[:15] if text.startswith("b3:") else text
