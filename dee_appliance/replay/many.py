"""Replay of many files: each in a process of its own, then the runs that several of them have are compared.

One file that is broken, or is none of ours, does not stop the others. A file of somebody else is read within limits of memory and
time and without a network, also when it is the only one.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from msgspec.structs import replace

from dee_appliance.replay.child_process import UNLIMITED, Done, Failure, Limits, Told, Work, in_children
from dee_appliance.replay.reading import open_evidence, open_rows
from dee_appliance.replay.replay import Options, ReplayReport, replay
from dee_appliance.replay.run_heads import (
    DIFFERENCES_KEPT,
    Comparison,
    Core,
    HeadsReport,
    first_unlike,
    heads_at,
    read_heads,
    trace_of,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from contextlib import AbstractContextManager

    from dee_appliance.store.database import Database

MEMORY_BYTES = 4 << 30
TIME_LIMIT_S = 3_600

Play = Callable[[Path, Options, Told], ReplayReport]
"""Replays one file; called in the child, so it may open what it likes."""


class FileResult(msgspec.Struct, frozen=True, kw_only=True):
    """One file: its report, or why there is none."""

    path: str
    report: ReplayReport | None = None
    failure: Failure | None = None

    @property
    def same(self) -> bool:
        """Whether the replay gave the recorded entries."""
        return self.report is not None and self.report.same


class ManyReport(msgspec.Struct, frozen=True, kw_only=True):
    """All files in their order, and their runs side by side (None when fewer than two could be replayed)."""

    files: tuple[FileResult, ...]
    heads: HeadsReport | None

    @property
    def same(self) -> bool:
        """Whether every file replays the same, and no run is told differently."""
        return all(one.same for one in self.files) and (self.heads is None or not self.heads.differing)


class ManyOptions(msgspec.Struct, frozen=True, kw_only=True):
    """How to replay many files. `time_limit_s` is of processor time, and of waiting for SQLite, for each untrusted file."""

    jobs: int = 1
    untrusted: bool = False
    run: str | None = None
    time_limit_s: int = TIME_LIMIT_S
    memory_bytes: int = MEMORY_BYTES

    @property
    def limits(self) -> Limits:
        """What a child may use."""
        if not self.untrusted:
            return UNLIMITED
        return Limits(memory_bytes=self.memory_bytes, cpu_s=self.time_limit_s, network=False)


def replay_many(
    paths: Sequence[Path], wanted: ManyOptions, *, play: Play | None = None, progress: Told | None = None
) -> ManyReport:
    """Replay files, at most `wanted.jobs` at a time, and compare the runs that several of them have.

    `play` replays one of them, with the options it is given; `progress` is told inputs done and in all, of all files.
    """
    with tempfile.TemporaryDirectory(prefix="dee-") as place:
        folder = Path(place)
        works = [
            (str(path), partial(_played, path, folder / str(number), wanted, play or _plain(wanted)))
            for number, path in enumerate(paths)
        ]
        outcomes = in_children(works, jobs=wanted.jobs, limits=wanted.limits, progress=progress)
        files = tuple(_result(path, outcome) for path, outcome in zip(paths, outcomes, strict=True))
        heads = _compared(paths, [number for number, one in enumerate(files) if one.same], folder, wanted)
        return ManyReport(files=files, heads=heads)


def _plain(wanted: ManyOptions) -> Play:
    def play(path: Path, options: Options, progress: Told) -> ReplayReport:
        return replay(path, run=wanted.run, progress=progress, options=options)

    return play


def _played(path: Path, folder: Path, wanted: ManyOptions, play: Play, told: Told) -> msgspec.Raw:
    folder.mkdir()
    options = Options(
        untrusted=wanted.untrusted,
        heads=False,
        heads_to=folder / "heads",
        out_of_time=_deadline(wanted),
        scratch=folder if wanted.untrusted else None,
    )
    return msgspec.Raw(msgspec.json.encode(play(path, options, told)))


def _deadline(wanted: ManyOptions) -> Callable[[], bool] | None:
    if not wanted.untrusted:
        return None
    end = time.monotonic() + wanted.time_limit_s
    return lambda: time.monotonic() > end


def _result(path: Path, outcome: Done) -> FileResult:
    if outcome.failure is not None:
        return FileResult(path=str(path), failure=outcome.failure)
    return FileResult(path=str(path), report=msgspec.json.decode(outcome.result, type=ReplayReport))


# ---- the runs that several files have ------------------------------------------------------------------------------------


def _compared(paths: Sequence[Path], sound: list[int], folder: Path, wanted: ManyOptions) -> HeadsReport | None:
    if len(sound) < 2:
        return None
    comparison = Comparison()
    comparison.look([read_heads(folder / str(number) / "heads", number) for number in sound])
    files = sorted(comparison.wanted)
    works = [partial(_heads_at, paths[file], list(comparison.wanted[file]), folder, wanted) for file in files]
    for file, data in zip(files, _in_children(paths, files, works, wanted), strict=True):
        told = msgspec.json.decode(data, type=list[tuple[str, int, str]])
        comparison.found(file, {(run, length): head for run, length, head in told})
    unlike = sorted(comparison.unlike)
    shown = unlike[:DIFFERENCES_KEPT]
    places = sorted({(file, one.run) for one in shown for file in (one.longer, one.shorter)})
    works = [partial(_trace, paths[file], run, folder, wanted) for file, run in places]
    traces = dict(
        zip(places, map(_cores, _in_children(paths, [file for file, _ in places], works, wanted)), strict=True)
    )
    differences = tuple(
        first_unlike(
            one.run,
            (str(paths[one.longer]), str(paths[one.shorter])),
            (traces[one.longer, one.run], traces[one.shorter, one.run]),
        )
        for one in shown
    )
    return HeadsReport(
        files=len(sound), shared=comparison.shared, differing=len({one.run for one in unlike}), differences=differences
    )


def _cores(data: msgspec.Raw) -> list[Core]:
    return msgspec.json.decode(data, type=list[Core])


def _in_children(
    paths: Sequence[Path], files: list[int], works: Sequence[Work], wanted: ManyOptions
) -> Iterator[msgspec.Raw]:
    """Do second looks at files that have been replayed; one that fails now is an error."""
    named = [(str(paths[file]), work) for file, work in zip(files, works, strict=True)]
    for outcome in in_children(named, jobs=wanted.jobs, limits=wanted.limits):
        if outcome.failure is not None:
            raise outcome.failure.error()
        yield outcome.result


def _heads_at(path: Path, places: list[tuple[str, int]], folder: Path, wanted: ManyOptions, told: Told) -> msgspec.Raw:
    del told
    with _open(path, folder, wanted) as database:
        found = heads_at(database, places)
    return msgspec.Raw(msgspec.json.encode([(run, length, head) for (run, length), head in found.items()]))


def _trace(path: Path, run: str, folder: Path, wanted: ManyOptions, told: Told) -> msgspec.Raw:
    del told
    with _open(path, folder, wanted) as database:
        return msgspec.Raw(msgspec.json.encode(trace_of(database, run)))


def _open(path: Path, folder: Path, wanted: ManyOptions) -> AbstractContextManager[Database]:
    if wanted.untrusted:
        return open_rows(path, out_of_time=_deadline(wanted), scratch=folder)
    return _opened(path)


@contextmanager
def _opened(path: Path) -> Iterator[Database]:
    with open_evidence(path) as database:
        yield database


def guarded(path: Path, look: Callable[[Options, Told], object], *, progress: Told | None = None) -> msgspec.Raw:
    """Look into one file of somebody else in a process of its own, within the usual limits and without a network.

    `look` gets the options to replay with; what it returns comes back as JSON. Raises what it raised.
    """
    wanted = ManyOptions(untrusted=True)
    with tempfile.TemporaryDirectory(prefix="dee-") as place:
        options = Options(untrusted=True, heads=False, out_of_time=_deadline(wanted), scratch=Path(place))

        def work(told: Told) -> msgspec.Raw:
            return msgspec.Raw(msgspec.json.encode(look(options, told)))

        (done,) = in_children([(str(path), work)], jobs=1, limits=wanted.limits, progress=progress)
    if done.failure is not None:
        raise done.failure.error()
    return done.result


def alone(path: Path, wanted: ManyOptions, *, progress: Told | None = None) -> ReplayReport:
    """Replay one file of somebody else, within limits. Raises what the replay raised."""
    (done,) = replay_many([path], replace(wanted, jobs=1), progress=progress).files
    if done.report is not None:
        return done.report
    assert done.failure is not None
    raise done.failure.error()
