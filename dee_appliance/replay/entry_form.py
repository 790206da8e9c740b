"""The form of a log entry as the file format defines it: what every body holds, whatever its entry means.

Enough to check links and references without a kernel, hence without the code of the epoch that wrote the entry.
"""

from __future__ import annotations

from typing import TypeGuard

import msgspec

from dee_appliance.kernel.e1.encoding import NotCanonical, canonical_trusted, core_hash, decode_canonical

VERSION = 1
BODY_KEYS = frozenset({"core", "cp", "cs", "evidence", "input", "prev", "run", "saw", "seq"})
REQUIRED_KEYS = frozenset({"core", "input", "prev", "run", "seq"})
CORE_KEYS = frozenset({"action", "detail", "outcome", "plan", "rp", "rs", "step", "tick", "v", "visit"})
CAUSE_KEYS = frozenset({"digest", "seq"})


class Form(msgspec.Struct, frozen=True):
    """The parts of a body that verify reads. `core` and `evidence` are plain JSON objects."""

    core: dict[str, object]
    evidence: dict[str, object]
    saw: dict[str, object]
    cause: int
    cause_digest: str
    prev: str
    run: str | None
    seq: int
    rs: int | None
    rp: str | None
    cs: int | None
    cp: str | None

    @property
    def core_hash(self) -> str:
        """What the run's next core names as `rp`."""
        return core_hash(canonical_trusted(self.core))

    @property
    def detail(self) -> dict[str, object]:
        """The entry's own values; empty when it has none."""
        return part(self.core, "detail")


def read_body(body: bytes) -> tuple[dict[str, object] | None, bool]:
    """Return the JSON object of a body (None when it is none) and whether its bytes are canonical."""
    try:
        value = decode_canonical(body)
    except NotCanonical:
        return lenient(body), False
    return (value, True) if _is_object(value) else (None, True)


def lenient(body: bytes) -> dict[str, object] | None:
    """Return the JSON object of a body in whatever form it is written, or None."""
    try:
        value: object = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return value if _is_object(value) else None


def read_form(value: dict[str, object]) -> Form | None:
    """Return the parts of a body, or None when it has not the form that this version knows."""
    keys = value.keys()
    core, cause, run = value.get("core"), value.get("input"), value.get("run")
    if not (keys <= BODY_KEYS and keys >= REQUIRED_KEYS and _is_object(core) and _is_object(cause)):
        return None
    if core.keys() != CORE_KEYS or cause.keys() != CAUSE_KEYS or core["v"] != VERSION:
        return None
    about, digest, prev, seq = cause["seq"], cause["digest"], value["prev"], value["seq"]
    rs, rp, cs, cp = core["rs"], core["rp"], value.get("cs"), value.get("cp")
    if not (_is_count(about) and isinstance(digest, str) and isinstance(prev, str) and _is_count(seq)):
        return None
    if not (
        (run is None and rs is None and rp is None) or (isinstance(run, str) and _is_count(rs) and isinstance(rp, str))
    ):
        return None
    if not ((cs is None and cp is None) or (_is_count(cs) and isinstance(cp, str))):
        return None
    return Form(
        core=core,
        evidence=part(value, "evidence"),
        saw=part(value, "saw"),
        cause=about,
        cause_digest=digest,
        prev=prev,
        run=_text(run),
        seq=seq,
        rs=_count(rs),
        rp=_text(rp),
        cs=_count(cs),
        cp=_text(cp),
    )


def part(value: dict[str, object], key: str) -> dict[str, object]:
    """Return an object inside an object, an empty one when there is none."""
    inner = value.get(key)
    return inner if _is_object(inner) else {}


def _is_object(value: object) -> TypeGuard[dict[str, object]]:
    return isinstance(value, dict)


def _is_count(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _count(value: object) -> int | None:
    return value if isinstance(value, int) else None


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None
