"""Where a replay first gave something else than what was recorded, and why.

The recorded log is judged first: when verify finds the log, the inputs, the documents or the renderings changed, the
cause is tampering, and the evidence names the row. Only a record that is whole is compared by meaning: which
document, which order, which rule or which engine makes the difference.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from dee_appliance.replay.cause import MEANING, NEXT, Cause, Sides, cause_of
from dee_appliance.replay.difference import ABSENT, Difference, first_difference
from dee_appliance.replay.entry_form import lenient, part
from dee_appliance.replay.finding import Finding

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from dee_appliance.store.journal import InputRow

WINDOW = 64
"""How many entries after the divergence are looked at to see whether the same things happened in another order."""

CONTEXT = 3
"""How many entries before the divergence are shown."""

OUTSIDE_REPLAY = ("ledger-differs", "schema-altered", "rolled-back")
"""Findings about what replay does not read: they do not explain a divergence."""


class CausedBy(msgspec.Struct, frozen=True, kw_only=True):
    """The input whose entries differ. `payload` is as it was recorded; it holds no personal data."""

    seq: int
    tick: int
    received: int
    source: str
    kind: str
    payload: str


class FirstDivergence(msgspec.Struct, frozen=True, kw_only=True):
    """The first difference. `expected` is what was recorded, `actual` what the replay gave; `(absent)` where there is nothing."""

    seq: int
    input: int | None
    run: str | None
    step: str | None
    field: str
    """Path in the entry, such as `core.detail.to`; `(entry)` when one side has no entry at all, `(bytes)` for its form."""
    expected: object
    actual: object
    cause: Cause
    what: str
    recorded: str | None
    replayed: str | None
    evidence: tuple[Finding, ...] = ()
    """What verify found that explains it, the nearest first."""
    caused_by: CausedBy | None = None
    """The input as it stands in the file; None when it is gone, or the entry has none."""
    context: tuple[str, ...] = ()
    """The entries just before, which are the same on both sides, oldest first."""
    next: str = ""
    """What to do now."""

    def __str__(self) -> str:
        place = (
            f"entry {self.seq}" + (f", {self.run}" if self.run else "") + (f", step {self.step}" if self.step else "")
        )
        return (
            f"{place}: {self.field}: recorded {self.expected!r}, replayed {self.actual!r} ({self.cause}: {self.what})"
        )


class Mismatch(msgspec.Struct, frozen=True, kw_only=True):
    """The first pair of entries that are not the same, before its cause is known. `stuck`: why the kernel could not go on."""

    seq: int
    recorded: bytes | None
    replayed: bytes | None
    recorded_leaf: bytes = b""
    replayed_leaf: bytes = b""
    input: int | None = None
    stuck: str = ""


class Surroundings(msgspec.Struct, frozen=True, kw_only=True):
    """What stands around a mismatch: the bodies before and after it on either side, and ways to look things up in the file."""

    before: Sequence[bytes]
    later_recorded: Sequence[bytes]
    later_replayed: Sequence[bytes]
    document: Callable[[str], dict[str, object] | None]
    input: Callable[[int], InputRow | None]


def describe(mismatch: Mismatch, findings: Sequence[Finding], around: Surroundings) -> FirstDivergence:
    """Return the full account of a mismatch."""
    recorded = None if mismatch.recorded is None else lenient(mismatch.recorded)
    replayed = None if mismatch.replayed is None else lenient(mismatch.replayed)
    difference = _difference(mismatch, recorded, replayed)
    about = replayed or recorded or {}
    evidence = relevant(findings, mismatch, about)
    named = part(about, "input").get("seq")
    cause_seq = mismatch.input if mismatch.input is not None else named if isinstance(named, int) else None
    row = None if cause_seq is None else around.input(cause_seq)
    cause: Cause = "engine"
    if evidence:
        cause = "tampering"
    elif recorded is not None and (replayed is not None or mismatch.stuck):
        sides = Sides(
            recorded=recorded,
            replayed=replayed or {},
            input=row,
            later_recorded=around.later_recorded,
            later_replayed=around.later_replayed,
            document=around.document,
        )
        cause = cause_of(difference.path, sides)
    run, step = about.get("run"), part(about, "core").get("step")
    return FirstDivergence(
        seq=mismatch.seq,
        input=cause_seq,
        run=run if isinstance(run, str) else None,
        step=step if isinstance(step, str) else None,
        field=difference.path,
        expected=difference.expected,
        actual=difference.actual,
        cause=cause,
        what=str(evidence[0]) if evidence else (cause == "engine" and mismatch.stuck) or MEANING[cause],
        recorded=_text(mismatch.recorded),
        replayed=_text(mismatch.replayed),
        evidence=tuple(evidence),
        caused_by=caused_by(row),
        context=tuple(body.decode("utf-8", "replace") for body in around.before),
        next=NEXT[cause],
    )


def caused_by(row: InputRow | None) -> CausedBy | None:
    """Return an input as it is shown, None when there is none."""
    return None if row is None else CausedBy(**msgspec.structs.asdict(row))


def _difference(
    mismatch: Mismatch, recorded: dict[str, object] | None, replayed: dict[str, object] | None
) -> Difference:
    if mismatch.recorded is None or mismatch.replayed is None:
        return Difference("(entry)", _summary(mismatch.recorded), mismatch.stuck or _summary(mismatch.replayed))
    if recorded is not None and replayed is not None:
        found = first_difference(recorded, replayed)
        if found is not None:
            return found
    if mismatch.recorded != mismatch.replayed:
        return Difference("(bytes)", _text(mismatch.recorded), _text(mismatch.replayed))
    return Difference("leaf", mismatch.recorded_leaf.hex(), mismatch.replayed_leaf.hex())


def _summary(body: bytes | None) -> str:
    value = None if body is None else lenient(body)
    if value is None:
        return ABSENT if body is None else "(unreadable)"
    core = part(value, "core")
    return f"{core.get('action')} → {core.get('outcome')}"


def relevant(findings: Sequence[Finding], mismatch: Mismatch, about: dict[str, object]) -> list[Finding]:
    """Return the findings that can explain a divergence, the nearest first: those that name it, then those before it."""
    named = part(about, "input").get("seq") if mismatch.input is None else mismatch.input
    digests = {value for value in _strings(part(part(about, "core"), "detail")) if value.startswith("b3:")}

    def distance(finding: Finding) -> tuple[int, int]:
        if finding.seq == mismatch.seq:
            return (0, 0)
        if finding.input is not None and finding.input == named and finding.document is None:
            return (1, 0)
        if finding.document in digests:
            return (2, 0)
        if finding.document is not None:
            return (3, 0)
        return (4, abs((finding.seq if finding.seq is not None else 0) - mismatch.seq))

    return sorted((one for one in findings if one.kind not in OUTSIDE_REPLAY), key=distance)


def _strings(value: object) -> list[str]:
    if isinstance(value, str):
        return [value]
    if isinstance(value, dict):
        return [text for inner in value.values() for text in _strings(inner)]
    if isinstance(value, list):
        return [text for inner in value for text in _strings(inner)]
    return []


def _text(body: bytes | None) -> str | None:
    return None if body is None else body.decode("utf-8", "replace")
