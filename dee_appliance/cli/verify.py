"""Proof: is the file what was written, do its entries follow from its inputs, and the evidence of one run taken out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from dee_appliance.cli.command import Session, command
from dee_appliance.errors import EvidenceError, Newer

if TYPE_CHECKING:
    from dee_appliance.replay.compare_state import StateReport
    from dee_appliance.replay.finding import Finding
    from dee_appliance.replay.reading import Progress
    from dee_appliance.replay.replay import Options
    from dee_appliance.replay.verify import VerifyReport
    from dee_appliance.store.tip import Tip

SHOWN = 20


@command()
@click.option("--state", is_flag=True, help="Also replay, and compare every table of state.")
@click.option(
    "--untrusted", is_flag=True, help="Somebody else made the file: look at a private copy, with every guard."
)
@click.option(
    "--export", "export_file", type=click.Path(path_type=Path), metavar="FILE", help="Check an export of one run."
)
def verify(session: Session, *, state: bool, untrusted: bool, export_file: Path | None) -> None:
    """Check that the file is what was written: every hash, every link, every document, and the tip outside the file.

    With --state also that the tables are what a replay makes of the inputs, that runs and sends add up, and that each send
    rests on the policy, packs and consent that were in force then.

    It says what it did not cover and what its assurance rests on. Exit code 4 when something was changed, 3 when the entries do
    not follow from the inputs (--state).

    \b
    Example:
      dee verify
      dee verify --state --db copy-of-somebody.db --untrusted
    """
    if export_file is not None:
        _verify_export(session, export_file)
        return
    from dee_appliance.replay.verify import verify as check

    if untrusted:
        report = _guarded_check(session)
    else:
        with session.progress("entries") as progress:
            report = check(session.path, tip=remembered(session), progress=progress)
    compared: StateReport | None = None
    try:
        if state and report.ok:
            compared = _compared(session, untrusted=untrusted)
    finally:
        _show(session, report, compared=compared is not None)
    error = report.error()
    if error is not None:
        raise error
    if compared is not None:
        _show_state(session, compared)
        error = compared.error()
        if error is not None:
            raise error


def _guarded_check(session: Session) -> VerifyReport:
    import msgspec

    from dee_appliance.replay.many import guarded
    from dee_appliance.replay.verify import VerifyReport
    from dee_appliance.replay.verify import verify as check

    path = session.path

    def look(options: Options, told: Progress) -> VerifyReport:
        return check(path, untrusted=True, progress=told, out_of_time=options.out_of_time, scratch=options.scratch)

    with session.progress("entries") as progress:
        return msgspec.json.decode(guarded(path, look, progress=progress), type=VerifyReport)


def remembered(session: Session) -> Tip | None:
    """Return the tip of this file on this machine; a file too damaged to be opened has none."""
    from dee_appliance.store.state_dir import StateDir

    try:
        with session.view() as view:
            return StateDir().read_tip(view.lineage)
    except Newer:
        from dee_appliance.replay.verify import lineage_of

        return StateDir().read_tip(lineage_of(session.path))
    except EvidenceError:
        return None


def _show(session: Session, report: VerifyReport, *, compared: bool) -> None:
    import msgspec

    # --state replays as well, and says so below.
    uncovered = [one for one in report.not_covered if not (compared and "run `dee" in one)]
    session.out.record({"type": "verify", **msgspec.to_builtins(report), "not_covered": uncovered})
    out = session.out
    out.line(f"{report.path}: {report.entries:,} entries, {report.inputs:,} inputs, {report.documents:,} documents")
    out.line(f"head       {report.head}")
    remembered = "" if report.remembered is None else f" (the tip remembers {report.remembered:,} entries)"
    out.line(f"assurance  {report.assurance}{remembered}")
    _show_findings(session, report.findings)
    for one in uncovered:
        out.line(f"not covered: {one}")
    if report.ok:
        out.line("whole: nothing was changed after it was written")


def _show_findings(session: Session, findings: tuple[Finding, ...]) -> None:
    for finding in findings[:SHOWN]:
        session.out.line(f"✘ {finding}")
    if len(findings) > SHOWN:
        session.out.line(f"… and {len(findings) - SHOWN} more")


def _compared(session: Session, *, untrusted: bool) -> StateReport:
    import msgspec

    from dee_appliance.replay.compare_state import StateReport, verify_state
    from dee_appliance.replay.many import guarded
    from dee_appliance.replay.replay import Options

    path = session.path
    with session.progress("inputs") as progress:
        if not untrusted:
            return verify_state(path, progress=progress, options=Options(heads=False))
        told = guarded(
            path, lambda options, told: verify_state(path, progress=told, options=options), progress=progress
        )
        return msgspec.json.decode(told, type=StateReport)


def _show_state(session: Session, report: StateReport) -> None:
    import msgspec

    session.out.record(
        {
            "type": "state",
            "ok": report.ok,
            "differences": msgspec.to_builtins(report.differences),
            "conservation": msgspec.to_builtins(report.conservation),
            "permissions": msgspec.to_builtins(report.permissions),
        }
    )
    for difference in report.differences:
        session.out.line(f"✘ {difference}")
    kept = report.conservation
    if kept is None:
        return
    for fault in kept.faults:
        session.out.line(f"✘ {fault}")
    session.out.line(
        f"runs: {kept.enrolled:,} enrolled = {kept.live:,} live + {kept.completed:,} completed"
        f" + {kept.failed:,} failed + {kept.cancelled:,} cancelled"
    )
    session.out.line(f"sends: {kept.dispatched:,} dispatched, {kept.accepted:,} accepted")
    _show_permissions(session, report)
    if report.ok:
        session.out.line("every table of state is what the inputs give")


def _show_permissions(session: Session, report: StateReport) -> None:
    found = report.permissions
    if found is None:
        return
    for fault in found.faults:
        session.out.line(f"✘ {fault}")
    if not found.wrong:
        session.out.line(
            f"permissions: {found.sends:,} sends cite the policy of their time; {found.by_consent:,} rest on a consent that held"
        )


def _verify_export(session: Session, file: Path) -> None:
    import msgspec

    from dee_appliance.replay.export import check_export, decode_export

    report = check_export(decode_export(file.read_bytes()))
    session.out.record({"type": "export", **msgspec.to_builtins(report)})
    session.out.line(f"{report.run}: {report.entries:,} entries")
    _show_findings(session, report.findings)
    for one in report.not_covered:
        session.out.line(f"not covered: {one}")
    if not report.ok:
        raise EvidenceError(str(report.findings[0]), where=str(file), hint="ask for the export again")
    session.out.line("whole: nothing was changed after it was taken out")
