"""The same run in several files: its trace must be the same as far as both have come.

A run is the same when its contact id, plan name and enrolment ordinal are: its id is a hash of just these. Equal local inputs
give an equal run head in any file, so of two files that both have a run, the head of the shorter trace must be the head that the
longer one had at that length. Only heads that a replay has proven are compared.

Each file's heads lie in a text file, sorted by run; they are merged as streams, so memory does not grow with the runs, but for
those that have come to different lengths.
"""

from __future__ import annotations

from heapq import merge
from itertools import groupby
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from dee_appliance.replay.difference import first_difference
from dee_appliance.replay.reading import queries, read_entries

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from dee_appliance.store.database import Database

DIFFERENCES_KEPT = 100

Core = dict[str, object]


class HeadLine(NamedTuple):
    """How far one run has come in one file: `length` entries, and the hash of the last one. `file` is a position in the list."""

    run: str
    length: int
    head: str
    file: int


class Unlike(NamedTuple):
    """A run whose trace in `shorter` (of so many entries) is not the beginning of its trace in `longer`. Positions of files."""

    run: str
    length: int
    longer: int
    shorter: int


class HeadDifference(msgspec.Struct, frozen=True, kw_only=True):
    """A run that two files tell differently. `rs`: the first entry of the run that differs; `field`: where in its core."""

    run: str
    files: tuple[str, str]
    rs: int
    field: str
    values: tuple[object, object]

    def __str__(self) -> str:
        return (
            f"{self.run}, its entry {self.rs}, {self.field}: {self.values[0]!r} in {self.files[0]},"
            f" {self.values[1]!r} in {self.files[1]}"
        )


class HeadsReport(msgspec.Struct, frozen=True, kw_only=True):
    """What comparing the files gave: `shared` runs are in more than one of them, `differing` of these are told differently.

    `differences` has the first hundred.
    """

    files: int
    shared: int
    differing: int
    differences: tuple[HeadDifference, ...]


class _Run(msgspec.Struct):
    rs: int = 0
    rp: str = ""


class _Core(msgspec.Struct):
    rs: int | None
    rp: str | None


class _Entry(msgspec.Struct):
    core: _Core
    run: str | None


class _Whole(msgspec.Struct):
    core: Core
    run: str | None


_run_decoder = msgspec.json.Decoder(_Run)
_entry_decoder = msgspec.json.Decoder(_Entry)
_whole_decoder = msgspec.json.Decoder(_Whole)


def write_heads(scratch: Database, sql: str, target: Path) -> None:
    """Write the heads of a finished replay, sorted by run. `sql` gives run and body of every run in that order."""
    with target.open("w", encoding="ascii") as stream:
        for run, body in scratch.stream(sql):
            found = _run_decoder.decode(body)
            stream.write(f"{run} {found.rs} {found.rp}\n")


def read_heads(source: Path, file: int) -> Iterator[HeadLine]:
    """Read what write_heads wrote."""
    with source.open(encoding="ascii") as stream:
        for line in stream:
            run, length, head = line.rstrip("\n").split(" ")
            yield HeadLine(run, int(length), head, file)


class Comparison:
    """The first look: runs of equal length are compared at once, for the others the head of the longer one is wanted."""

    def __init__(self) -> None:
        self.shared = 0
        self.unlike: list[Unlike] = []
        self.wanted: dict[int, dict[tuple[str, int], list[HeadLine]]] = {}
        """By file: (run, length) whose head must be that of these lines of other files."""

    def look(self, heads: Sequence[Iterable[HeadLine]]) -> None:
        """Compare streams of heads, each sorted by run."""
        for _, group in groupby(merge(*heads), key=lambda line: line.run):
            lines = sorted(group, key=lambda line: (-line.length, line.file))
            if len(lines) == 1:
                continue
            self.shared += 1
            longest = lines[0]
            for line in lines[1:]:
                if line.length == longest.length:
                    if line.head != longest.head:
                        self._differs(line, longest.file)
                else:
                    wanted = self.wanted.setdefault(longest.file, {})
                    wanted.setdefault((line.run, line.length), []).append(line)

    def found(self, file: int, heads: Mapping[tuple[str, int], str]) -> None:
        """Take the heads that were wanted of a file."""
        for place, lines in self.wanted[file].items():
            for line in lines:
                if heads.get(place) != line.head:
                    self._differs(line, file)

    def _differs(self, line: HeadLine, longer: int) -> None:
        self.unlike.append(Unlike(line.run, line.length, longer, line.file))


def heads_at(database: Database, wanted: Iterable[tuple[str, int]]) -> dict[tuple[str, int], str]:
    """Return the heads that runs had when they had come so far: the entry that came next names it."""
    places = set(wanted)
    found: dict[tuple[str, int], str] = {}
    for row in read_entries(database, queries()):
        entry = _entry_decoder.decode(row.body)
        if entry.run is not None and entry.core.rs is not None and (entry.run, entry.core.rs) in places:
            found[entry.run, entry.core.rs] = entry.core.rp or ""
    return found


def trace_of(database: Database, run: str) -> list[Core]:
    """Return the cores of one run, in the order of the log."""
    rows = database.execute(queries().select_entries_holding, (run.encode(),))
    entries = (_whole_decoder.decode(row[1]) for row in rows)
    return [entry.core for entry in entries if entry.run == run]


def first_unlike(run: str, files: tuple[str, str], traces: tuple[Sequence[Core], Sequence[Core]]) -> HeadDifference:
    """Say where two traces of a run part."""
    for position, (one, other) in enumerate(zip(*traces, strict=False)):
        found = first_difference(one, other)
        if found is not None:
            return HeadDifference(
                run=run, files=files, rs=position, field=found.path, values=(found.expected, found.actual)
            )
    lengths = (len(traces[0]), len(traces[1]))
    return HeadDifference(run=run, files=files, rs=min(lengths), field="(length)", values=lengths)
