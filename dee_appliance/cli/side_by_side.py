"""A divergence for a person to read: what led to it, both entries in two columns with what differs marked, and what to do.

Nothing is wider than WIDTH columns: long values are cut in the middle, where digests and ids differ least.
"""

from __future__ import annotations

from textwrap import wrap
from typing import TYPE_CHECKING

import msgspec

from dee_appliance.cli.output import clean
from dee_appliance.replay.cause import MEANING
from dee_appliance.replay.difference import ABSENT
from dee_appliance.replay.entry_form import lenient, part

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dee_appliance.replay.divergence import FirstDivergence

WIDTH = 100
PATH_WIDTH = 30
VALUE_WIDTH = (WIDTH - PATH_WIDTH - 6) // 2
ROWS = 24
"""So many fields are shown of a pair of entries; those that differ come before those that do not."""

IDENTITY = ("core.action", "core.outcome", "core.plan", "core.step", "core.visit", "core.tick", "run", "input.seq")
"""Fields that say what an entry is about: shown on both sides even when they are the same."""

LINKS = frozenset({"prev", "core.rp", "core.rs", "cp", "cs", "seq", "input.digest"})
"""Fields that follow from other entries: left out unless nothing else differs."""


def side_by_side(found: FirstDivergence, epoch: int = 0) -> list[str]:
    """Return the lines of a divergence. `epoch`: the UTC second that counts as tick 0."""
    lines = [f"first divergence at entry {found.seq}" + (f", input {found.input}" if found.input is not None else "")]
    lines += _input(found, epoch)
    if found.run:
        lines.append(f"  run       {found.run}" + (f", step {found.step}" if found.step else ""))
    lines.append(f"  field     {cut(found.field, WIDTH - 12)}")
    lines += _before(found, epoch)
    lines += ["", *_columns(found), ""]
    lines += _told("cause", f"{found.cause}: {MEANING[found.cause] if found.evidence else found.what}")
    for evidence in found.evidence[:ROWS]:
        lines += _told("evidence", str(evidence))
    lines += _told("next", found.next)
    return lines


def cut(text: str, width: int) -> str:
    """Return a text as one safe line of at most so many characters: what is too much is taken out of its middle."""
    text = clean(text)
    if len(text) <= width:
        return text
    left = (width - 1) // 2
    return f"{text[:left]}…{text[len(text) - (width - 1 - left) :]}"


def _told(word: str, text: str) -> list[str]:
    parts = wrap(clean(text), WIDTH - 12, break_on_hyphens=False) or [""]
    return [f"  {word:<9} {parts[0]}", *(f"  {'':<9} {one}" for one in parts[1:])]


def _input(found: FirstDivergence, epoch: int) -> Iterator[str]:
    row = found.caused_by
    if row is None:
        return
    yield cut(f"  input     {row.kind} from {row.source} at tick {row.tick - epoch}", WIDTH)
    yield cut(f"            {row.payload}", WIDTH)


def _before(found: FirstDivergence, epoch: int) -> Iterator[str]:
    if not found.context:
        return
    yield "  before it, the same on both sides:"
    for body in found.context:
        value = lenient(body.encode()) or {}
        core = part(value, "core")
        tick = core.get("tick")
        at = tick - epoch if isinstance(tick, int) else "?"
        step = f" {core.get('step')}" if core.get("step") else ""
        run = f" {value.get('run')}" if value.get("run") else ""
        line = f"    entry {value.get('seq')} [tick {at}]{run}{step}: {core.get('action')} → {core.get('outcome')}"
        yield cut(line, WIDTH)


def _columns(found: FirstDivergence) -> Iterator[str]:
    yield f"  {'':<{PATH_WIDTH}}  {'recorded':<{VALUE_WIDTH}}  replayed"
    recorded, replayed = _flat(found.recorded), _flat(found.replayed)
    if found.field not in recorded and found.field not in replayed:
        yield _row(">", found.field, _word(found.expected), _word(found.actual))
    kept = _chosen(found, recorded, replayed)
    for path in kept[:ROWS]:
        before, after = recorded.get(path, ABSENT), replayed.get(path, ABSENT)
        if path == found.field and before == after:  # they differ in their type
            before, after = repr(found.expected), repr(found.actual)
        yield _row(">" if path == found.field else "*" if before != after else " ", path, before, after)
    if len(kept) > ROWS:
        yield f"  … and {len(kept) - ROWS} more fields that differ"


def _chosen(found: FirstDivergence, recorded: dict[str, str], replayed: dict[str, str]) -> list[str]:
    """Fields in the order in which they are shown: what the entry is about, the first that differs, the others that do."""
    paths = sorted({*recorded, *replayed})
    about = [path for path in IDENTITY if path in paths and path != found.field]
    first = [found.field] if found.field in paths else []
    differing = [path for path in paths if recorded.get(path) != replayed.get(path) and path not in LINKS]
    if found.recorded is None or found.replayed is None:
        differing = [path for path in paths if path.startswith("core.detail")]
    return [*about, *first, *(path for path in differing if path not in (*about, *first))]


def _row(mark: str, path: str, before: str, after: str) -> str:
    cells = f"{cut(before, VALUE_WIDTH):<{VALUE_WIDTH}}  {cut(after, VALUE_WIDTH)}"
    return f"{mark} {cut(path, PATH_WIDTH):<{PATH_WIDTH}}  {cells}".rstrip()


def _flat(body: str | None) -> dict[str, str]:
    """Every value of an entry by its path."""
    value = None if body is None else lenient(body.encode())
    return {} if value is None else dict(_leaves("", value))


def _leaves(path: str, value: object) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict) and value:
        for key in sorted(value):
            yield from _leaves(f"{path}.{key}" if path else str(key), value[key])
    elif isinstance(value, list) and value:
        for position, one in enumerate(value):
            yield from _leaves(f"{path}[{position}]", one)
    else:
        yield path, _word(value)


def _word(value: object) -> str:
    """A value as it is written in the entry; a text without its quotes when nothing is lost by that."""
    if isinstance(value, str) and value:
        return value
    return msgspec.json.encode(value, order="sorted").decode()
