"""The half of the Python API that only reads: reports, explanations, proofs, and what a plan would do.

Every method opens the file for as long as it needs it and changes nothing; a running loop is not disturbed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dee_appliance.runtime import reports
from dee_appliance.runtime.clock import WallClock
from dee_appliance.runtime.reading import View, open_view

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from dee_appliance.replay.compare_state import StateReport
    from dee_appliance.replay.export import Export
    from dee_appliance.replay.replay import ReplayReport
    from dee_appliance.replay.verify import VerifyReport
    from dee_appliance.runtime.clock import Clock
    from dee_appliance.runtime.compliance_report import ComplianceReport
    from dee_appliance.runtime.debugger import Debugger
    from dee_appliance.runtime.reports_contact_export import ContactExport
    from dee_appliance.runtime.simulation import Simulated, SimulationOptions
    from dee_appliance.runtime.tz_table import ZonesReport
    from dee_appliance.store.state_dir import StateDir


class EngineReading:
    """The reading verbs of an Engine."""

    path: Path
    _state_dir: StateDir | None
    _clock: Clock | None

    def now(self) -> int:
        """Return the tick at which a request made now arrives."""
        if self._clock is not None:
            return self._clock.now()
        with self.view() as view:
            return view.last_tick if view.simulated else WallClock().now()

    def view(self) -> View:
        """Open the file for reading: a context manager with everything that reports and explanations need."""
        return open_view(self.path)

    def status(self) -> reports.StatusReport:
        """Say whether the file is armed, whether it moves, and what needs a person."""
        with self.view() as view:
            return reports.status(view, state_dir=self._state_dir)

    def runs(self, wanted: reports.RunFilter | None = None) -> list[reports.RunRow]:
        """List runs by status, plan, contact, reason and time, in the order of enrolment."""
        with self.view() as view:
            return list(reports.select_runs(view, wanted))

    def run(self, run: str) -> reports.RunReport:
        """Explain one run: timeline, next action and why, evidence. Raises Refused for a run that is not there."""
        with self.view() as view:
            return reports.run_show(view, run, disarmed=reports.disarmed_reason(view, self._state_dir))

    def why(self, subject: str, *, step: str = "", plan: str = "") -> reports.Why:
        """Explain why somebody did or did not get something: a run, a contact, an address, a Message-ID or a send key."""
        with self.view() as view:
            disarmed = reports.disarmed_reason(view, self._state_dir)
            return reports.why(view, subject, step=step, plan=plan, disarmed=disarmed)

    def consent(self, contact: str) -> reports.ConsentReport:
        """Show the consent of a contact: what is in force and how it came about, with the evidence. Raises Refused."""
        with self.view() as view:
            return reports.consent_show(view, contact)

    def suppression(self, subject: str) -> reports.SuppressionCheck:
        """Say whether a contact or an address (known to the file or not) is suppressed, by what, and on which lists it is."""
        with self.view() as view:
            return reports.suppress_check(view, subject, now=self.now())

    def suppression_lists(self) -> tuple[reports.ListRow, ...]:
        """Show the suppression lists in use and those that rules in force ask for, with their age."""
        with self.view() as view:
            return reports.suppression_lists(view, self.now())

    def facts(self) -> tuple[reports.FactRow, ...]:
        """Show the recorded facts and those that rules in force ask for."""
        with self.view() as view:
            return reports.facts(view, self.now())

    def log(self, wanted: reports.LogFilter | None = None) -> list[reports.LogLine]:
        """List entries of the log by run, contact, action and time; with a limit the newest, oldest first."""
        with self.view() as view:
            return list(reports.log(view, wanted))

    def budgets(self, *, plan: str = "") -> reports.BudgetReport:
        """Show what the budgets and daily limits have left."""
        with self.view() as view:
            return reports.budget_show(view, plan=plan)

    def contact_export(self, contact: str) -> ContactExport:
        """Give everything that the file has about a contact, as they may ask for it. Raises Refused for an unknown one."""
        from dee_appliance.runtime.reports_contact_export import contact_export  # noqa: PLC0415 - slow, and only used here

        with self.view() as view:
            return contact_export(view, contact)

    def zones(self) -> ZonesReport:
        """Say which time-zone table is in use, since when, and which one the installed program brings."""
        from dee_appliance.runtime.tz_table import tz_show  # noqa: PLC0415 - slow, and only used here

        with self.view() as view:
            return tz_show(view)

    def compliance_report(self, since: int, until: int) -> ComplianceReport:
        """Report on the ticks [since, until) from the log alone: sends, consents relied on, hours, opt-outs, duties, acts."""
        from dee_appliance.runtime.compliance_report import compliance_report  # noqa: PLC0415 - only used here
        from dee_appliance.store.state_dir import StateDir  # noqa: PLC0415

        with self.view() as view:
            tip = (self._state_dir or StateDir()).read_tip(view.lineage)
            return compliance_report(view, since, until, tip=tip)[0]

    def verify(self, *, untrusted: bool = False, progress: Callable[[int, int], None] | None = None) -> VerifyReport:
        """Check every hash, link and document, and the tip outside the file. The report says what it did not cover."""
        from dee_appliance.replay.verify import verify  # noqa: PLC0415 - slow, and only used here
        from dee_appliance.store.state_dir import StateDir  # noqa: PLC0415

        tip = None
        if not untrusted:
            with self.view() as view:
                tip = (self._state_dir or StateDir()).read_tip(view.lineage)
        return verify(self.path, tip=tip, untrusted=untrusted, progress=progress)

    def verify_state(self, *, progress: Callable[[int, int], None] | None = None) -> StateReport:
        """Replay the file and compare every table of state with what follows from the inputs."""
        from dee_appliance.replay.compare_state import verify_state  # noqa: PLC0415 - slow, and only used here

        return verify_state(self.path, progress=progress)

    def replay(self, *, run: str | None = None, progress: Callable[[int, int], None] | None = None) -> ReplayReport:
        """Execute every input again and compare every entry; with `run` the report also holds that run's entries."""
        from dee_appliance.replay.replay import replay  # noqa: PLC0415 - slow, and only used here

        return replay(self.path, run=run, progress=progress)

    def debug(
        self, run: str, *, untrusted: bool = False, progress: Callable[[int, int], None] | None = None
    ) -> Debugger:
        """Replay the file once, and walk one run forward and backward, input by input. Raises Refused without such a run."""
        from dee_appliance.runtime.debugger import debug  # noqa: PLC0415 - slow, and only used here

        return debug(self.path, run, untrusted=untrusted, progress=progress)

    def export(self, run: str) -> Export:
        """Take the evidence of one run out of the file: its entries, their inputs and the documents they name."""
        from dee_appliance.replay.export import export_run  # noqa: PLC0415 - slow, and only used here

        return export_run(self.path, run)

    def simulate(self, options: SimulationOptions, *, progress: Callable[[int], None] | None = None) -> Simulated:
        """Show what a plan would do, on a private copy of the file with invented recipients and a clock that jumps."""
        from dee_appliance.runtime.simulation import simulate  # noqa: PLC0415 - slow, and only used here

        return simulate(self.path, options, progress=progress)
