"""Where a replay first gave something else than what was recorded, and why.

The recorded log is judged first: when verify finds the log, the inputs, the documents or the renderings changed, the
cause is tampering, and the evidence names the row. Only a record that is whole is compared by meaning: which
document, which order, which rule or which engine makes the difference.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import msgspec

from dee_appliance.replay.difference import ABSENT, Difference, first_difference
from dee_appliance.replay.entry_form import lenient, part
from dee_appliance.replay.finding import Finding

if TYPE_CHECKING:
    from collections.abc import Sequence

Cause = Literal["plan", "template", "policy", "zones", "event_order", "engine", "renderer", "tampering"]

WINDOW = 64
"""How many entries after the divergence are looked at to see whether the same things happened in another order."""

OUTSIDE_REPLAY = ("ledger-differs", "schema-altered", "rolled-back", "forked")
"""Findings about what replay does not read: they do not explain a divergence."""


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


def describe(
    mismatch: Mismatch,
    findings: Sequence[Finding],
    later_recorded: Sequence[bytes],
    later_replayed: Sequence[bytes],
) -> FirstDivergence:
    """Return the full account of a mismatch. `later_*`: the bodies that follow on either side."""
    recorded = None if mismatch.recorded is None else lenient(mismatch.recorded)
    replayed = None if mismatch.replayed is None else lenient(mismatch.replayed)
    difference = _difference(mismatch, recorded, replayed)
    about = replayed or recorded or {}
    evidence = relevant(findings, mismatch, about)
    cause: Cause
    if evidence:
        cause, what = "tampering", str(evidence[0])
    elif mismatch.stuck:
        cause, what = "engine", mismatch.stuck
    else:
        cause = _cause(difference.path, recorded, replayed, later_recorded, later_replayed)
        what = _MEANING[cause]
    run, step = about.get("run"), part(about, "core").get("step")
    named = part(about, "input").get("seq")
    return FirstDivergence(
        seq=mismatch.seq,
        input=mismatch.input if mismatch.input is not None else named if isinstance(named, int) else None,
        run=run if isinstance(run, str) else None,
        step=step if isinstance(step, str) else None,
        field=difference.path,
        expected=difference.expected,
        actual=difference.actual,
        cause=cause,
        what=what,
        recorded=_text(mismatch.recorded),
        replayed=_text(mismatch.replayed),
        evidence=tuple(evidence),
    )


_MEANING: dict[Cause, str] = {
    "plan": "the recorded entries follow another plan",
    "template": "another template was rendered",
    "policy": "the recorded entries follow another policy",
    "zones": "the recorded entries follow other time-zone rules",
    "event_order": "the same things happened in another order or at another time",
    "engine": "another engine, or another version of it, wrote the recorded entries",
    "renderer": "the renderer gives another message today",
    "tampering": "the record was changed",
}


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


def _cause(
    path: str,
    recorded: dict[str, object] | None,
    replayed: dict[str, object] | None,
    later_recorded: Sequence[bytes],
    later_replayed: Sequence[bytes],
) -> Cause:
    if recorded is None or replayed is None:
        return "engine"
    by_document = _document_cause(path, recorded, replayed)
    if by_document is not None:
        return by_document
    if path in {"core.tick", "input.seq"} or _reordered(recorded, replayed, later_recorded, later_replayed):
        return "event_order"
    return "engine"


def _document_cause(path: str, recorded: dict[str, object], replayed: dict[str, object]) -> Cause | None:
    """Tell which document differs when the entries name it, or show values that only it decides."""
    action = part(recorded, "core").get("action")
    if action == part(replayed, "core").get("action"):
        if path == "core.detail.digest" and action in {"publish", "enroll", "policy", "zones"}:
            return {"publish": "plan", "enroll": "plan", "policy": "policy", "zones": "zones"}[str(action)]  # type: ignore[return-value]
        if path == "saw.zones":
            return "zones"
        if path.startswith(
            ("core.detail.gate", "core.detail.rule", "core.detail.why", "saw.policy", "saw.counters", "saw.estimate")
        ):
            return "policy"
    if path == "evidence.given.template":
        return "template"
    if path in {"evidence.given.renderer", "evidence.given.bytes", "evidence.commitment"}:
        return "renderer"
    return "plan" if path == "core.plan" else None


def _reordered(
    recorded: dict[str, object],
    replayed: dict[str, object],
    later_recorded: Sequence[bytes],
    later_replayed: Sequence[bytes],
) -> bool:
    """Tell whether each side has, a little later, what the other has here."""
    happened_here, given_here = _happening(recorded), _happening(replayed)
    return happened_here in map(_happening_of, later_replayed) and given_here in map(_happening_of, later_recorded)


def _happening_of(body: bytes) -> bytes:
    return _happening(lenient(body) or {})


def _happening(value: dict[str, object]) -> bytes:
    """What happened to whom, without when and where in the log."""
    core = part(value, "core")
    chosen = [
        value.get("run"),
        *(core.get(field) for field in ("plan", "step", "visit", "action", "outcome", "detail")),
    ]
    return msgspec.json.encode(chosen, order="sorted")


def _text(body: bytes | None) -> str | None:
    return None if body is None else body.decode("utf-8", "replace")
