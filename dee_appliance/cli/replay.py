"""`dee replay`: the past again, which must come out the same; of one file or of many."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from dee_appliance.cli.command import Session, command
from dee_appliance.errors import DeeError, Divergence, EvidenceError, Usage

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import ExitStack

    from dee_appliance.replay.many import FileResult, ManyOptions, ManyReport
    from dee_appliance.replay.recorded_shell import RendererReport
    from dee_appliance.replay.replay import Options, ReplayReport
    from dee_appliance.replay.run_heads import HeadsReport

SHOWN = 10
CUT = 24
MEGABYTE = 1 << 20


@command()
@click.argument("files", nargs=-1, metavar="[FILE]...", type=click.Path(path_type=Path, readable=False))
@click.option("--run", metavar="RUN", help="Also print the entries of one run, as recorded and as replayed.")
@click.option("--jobs", type=click.IntRange(1, 256), metavar="N", help="Files at the same time. [default: processors]")
@click.option(
    "--untrusted", is_flag=True, help="Somebody else made the files: look at private copies, with every guard."
)
@click.option(
    "--time-limit", type=click.IntRange(1), metavar="SECONDS", help="For each untrusted file. [default: 3600]"
)
@click.option(
    "--memory", type=click.IntRange(256), metavar="MB", help="Address space for each untrusted file. [default: 4096]"
)
@click.option("--skip-rendering", is_flag=True, help="Do not make every message again. [default: make and compare it]")
def replay(  # noqa: PLR0917 - click passes by name
    session: Session,
    files: tuple[Path, ...],
    run: str | None,
    jobs: int | None,
    untrusted: bool,  # noqa: FBT001
    time_limit: int | None,
    memory: int | None,
    skip_rendering: bool,  # noqa: FBT001
) -> None:
    """Decide every input of the file again, under the rules of its time, and compare each entry with the recorded one.

    Nothing is sent and the file is not changed; it may lie on a read-only medium. Exit code 3 at the first divergence, with its
    place, its field, both values, its cause and what to do. Where the personal data are still there, each message is made again
    too; another renderer that makes other bytes is reported, and is no divergence.

    With several files, each is replayed in a process of its own, and one that is broken does not stop the others. Then the runs
    that are in more than one of them are compared: a run is the same when contact id, plan name and enrolment ordinal are, and
    its trace in one file must be the beginning of its trace in the other: equal heads, up to the shorter length. Exit code 0
    when all files replay the same and no run is told differently, 3 when one diverges or is, else the highest of the others.

    --untrusted reads only the rows, from a private copy, in a process without a network and within the limits.

    \b
    Example:
      dee replay
      dee replay --run RUN
      dee replay monday.db tuesday.db --jobs 4
    """
    from dee_appliance.replay.many import MEMORY_BYTES, TIME_LIMIT_S, ManyOptions

    if not untrusted and (time_limit is not None or memory is not None):
        raise Usage("--time-limit and --memory are for files of somebody else", hint="add --untrusted")
    wanted = ManyOptions(
        jobs=jobs or os.cpu_count() or 1,
        untrusted=untrusted,
        run=run,
        time_limit_s=TIME_LIMIT_S if time_limit is None else time_limit,
        memory_bytes=MEMORY_BYTES if memory is None else memory * MEGABYTE,
    )
    rerender = not (untrusted or skip_rendering)
    if len(files) > 1:
        if run is not None:
            raise Usage("--run is of one file", hint="name one FILE")
        _replay_many(session, files, wanted, rerender=rerender)
    else:
        _replay_one(session, files[0] if files else session.path, wanted, rerender=rerender)


# ---- one file ----------------------------------------------------------------------------------------------------------


def _replay_one(session: Session, path: Path, wanted: ManyOptions, *, rerender: bool) -> None:
    from dee_appliance.replay.many import alone
    from dee_appliance.replay.replay import Options

    with session.progress("inputs") as progress:
        if wanted.untrusted:
            report = alone(path, wanted, progress=progress)
        else:
            report = _play(path, Options(heads=False), progress, run=wanted.run, rerender=rerender)
    _show(session, report)
    error = report.error()
    if error is not None:
        raise error


def _play(
    path: Path, options: Options, progress: Callable[[int, int], None], *, run: str | None, rerender: bool
) -> ReplayReport:
    """Replay with everything this machine knows of the file beside it: its personal data, and the tip of its log."""
    from contextlib import ExitStack

    from msgspec.structs import replace

    from dee_appliance.replay.replay import replay as play

    with ExitStack() as opened:
        if not options.untrusted:
            options = replace(options, **_known(path, opened, rerender=rerender))
        return play(path, run=run, progress=progress, options=options)


def _known(path: Path, opened: ExitStack, *, rerender: bool) -> dict[str, object]:
    """What makes messages again, and the tip; nothing for a file that is too damaged to be opened for it."""
    from dee_appliance.runtime.reading import open_view
    from dee_appliance.runtime.rerender import Rerenderer
    from dee_appliance.store.state_dir import StateDir

    try:
        view = opened.enter_context(open_view(path))
        tip = StateDir().read_tip(view.lineage)
    except EvidenceError:
        return {}
    return {"tip": tip, "rerender": Rerenderer(view.database) if rerender else None}


def _record(report: ReplayReport) -> dict[str, object]:
    import msgspec

    told = msgspec.to_builtins(report)
    return {"type": "replay", **{name: value for name, value in told.items() if name != "heads"}}


def _show(session: Session, report: ReplayReport) -> None:
    from dee_appliance.cli.side_by_side import side_by_side

    out = session.out
    out.record(_record(report))
    _show_run(session, report)
    if report.read_from != "the file":
        out.line(f"read from {report.read_from}")
    out.line(f"{report.path}: {report.inputs:,} inputs decided again, {report.entries:,} entries the same")
    if report.renderer is not None:
        _show_rendering(session, report.renderer)
    for one in report.not_covered:
        out.line(f"not covered: {one}")
    if report.divergence is None:
        out.line("identical")
    else:
        for line in side_by_side(report.divergence, report.epoch):
            out.line(line)


def _show_rendering(session: Session, made: RendererReport) -> None:
    from dee_appliance.cli.side_by_side import cut

    if not made.checked and not made.skipped:
        return
    session.out.line(f"{made.checked:,} messages made again, {made.differing:,} differ, {made.skipped:,} erased since")
    for one in made.differences[:SHOWN]:
        session.out.line(
            f"  input {one.input}, {one.run}, step {one.step}: {one.field} differs ({one.cause}):"
            f" {cut(repr(one.expected), CUT)} then, {cut(repr(one.actual), CUT)} today"
        )


def _show_run(session: Session, report: ReplayReport) -> None:
    if report.run is None:
        return
    from itertools import zip_longest

    for recorded, replayed in zip_longest(report.run.recorded, report.run.replayed):
        if recorded == replayed:
            session.out.line(f"  {recorded}")
            continue
        session.out.line(f"- {recorded if recorded is not None else '(absent)'}")
        session.out.line(f"+ {replayed if replayed is not None else '(absent)'}")


# ---- many files --------------------------------------------------------------------------------------------------------


def _replay_many(session: Session, files: tuple[Path, ...], wanted: ManyOptions, *, rerender: bool) -> None:
    from dee_appliance.replay.many import replay_many

    def play(path: Path, options: Options, told: Callable[[int, int], None]) -> ReplayReport:
        return _play(path, options, told, run=None, rerender=rerender)

    with session.progress("inputs") as progress:
        report = replay_many(files, wanted, play=play, progress=progress)
    _show_many(session, report)
    if not report.same:
        raise _worst(report)


def _show_many(session: Session, report: ManyReport) -> None:
    import msgspec

    from dee_appliance.cli.side_by_side import cut

    out = session.out
    for one in report.files:
        if one.report is not None:
            out.record(_record(one.report))
        else:
            out.record({"type": "failed", "path": one.path, **msgspec.to_builtins(one.failure)})
    out.table(("file", "result", "inputs", "entries", "what"), map(_row, report.files), right=frozenset({2, 3}))
    if report.heads is None:
        out.line("no runs compared: fewer than two files replay the same")
        return
    heads = report.heads
    out.record({"type": "heads", **msgspec.to_builtins(heads)})
    for difference in heads.differences[:SHOWN]:
        out.line(cut(f"✘ {difference}", 300))
    same = sum(one.same for one in report.files)
    out.line(f"{same} of {len(report.files)} files identical; {_counted(heads)}")


def _counted(heads: HeadsReport) -> str:
    return f"{heads.shared:,} runs in more than one file, {heads.differing:,} told differently"


def _row(one: FileResult) -> tuple[object, ...]:
    from dee_appliance.cli.side_by_side import cut

    if one.report is None:
        what = "" if one.failure is None else one.failure.what
        return one.path, "not replayed", "", "", cut(what, 60)
    found = one.report.divergence
    if found is None:
        return one.path, "identical", f"{one.report.inputs:,}", f"{one.report.entries:,}", ""
    what = f"entry {found.seq}, {found.field}: {found.cause}"
    return one.path, "diverges", f"{one.report.inputs:,}", f"{one.report.entries:,}", cut(what, 60)


def _worst(report: ManyReport) -> DeeError:
    """The error to stop with: a divergence before all others."""
    from msgspec.structs import replace

    bad = [one for one in report.files if not one.same]
    diverging = [one for one in bad if one.report is not None]
    if diverging or not bad:
        told = [f"{len(diverging)} of {len(report.files)} files diverge"] if diverging else []
        if report.heads is not None and report.heads.differing:
            told.append(f"{report.heads.differing:,} runs are told differently by two files")
        what = "; ".join(told)
        first = diverging[0].path if diverging else None
        return Divergence(what, where=first, hint="replay each of them alone" if diverging else "compare the files")
    what = f"{len(bad)} of {len(report.files)} files could not be replayed"
    worst = max(bad, key=_exit_code)
    assert worst.failure is not None
    return replace(worst.failure, what=what, where=worst.path, hint="look at each of them alone").error()


def _exit_code(one: FileResult) -> int:
    return 0 if one.failure is None else one.failure.exit_code
