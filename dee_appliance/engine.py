"""The public Python API: one Engine for one file, with the verbs of the command line.

    from dee_appliance import Engine

    engine = Engine.create("outreach.db", simulated=True)
    engine.publish_plan("plan.toml")
    engine.import_contacts("contacts.csv")
    engine.enroll("sales-outreach")
    engine.serve(until_idle=True)

Every verb that changes something goes through the ordered queue: applied at once when no loop runs on the file, else taken by
the loop within a second. Times are ticks (UTC seconds), money is in micro-units. Errors are those of `dee_appliance.errors`.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from msgspec.structs import replace

from dee_appliance.engine_people import EnginePeople
from dee_appliance.engine_queue import SOURCE
from dee_appliance.engine_rules import EngineRules
from dee_appliance.errors import Refused
from dee_appliance.kernel.e1.encoding import canonical
from dee_appliance.kernel.e1.input import (
    ConfigSet,
    ContactErase,
    Enroll,
    HoldSet,
    Input,
    PlanPublish,
    Scalar,
    TaskDone,
    Verb,
    ZonesUse,
    encode_input,
)
from dee_appliance.kernel.e1.plan import Task
from dee_appliance.runtime.clock import Clock, WallClock
from dee_appliance.runtime.commands import Batch
from dee_appliance.runtime.refusal import refused
from dee_appliance.store.inbox import InboxRow
from dee_appliance.store.vault import TEXTS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from dee_appliance.authoring.checks import CheckedPlan
    from dee_appliance.intake.rejects import Reject
    from dee_appliance.runtime.importing import ConsentGrant, ImportReport
    from dee_appliance.runtime.service import Served, Stop
    from dee_appliance.runtime.tz_preview import PendingChange, ZonesPreview
    from dee_appliance.runtime.upgrading import Upgrade
    from dee_appliance.store.erasure import ErasureReport
    from dee_appliance.store.state_dir import StateDir

VerbName = Literal["pause", "resume", "cancel", "retry", "resolve", "skip"]
Choice = Literal["", "delivered", "not-delivered", "resend", "abandoned"]


class Engine(EngineRules, EnginePeople):
    """One file. Cheap to make: nothing is opened before a verb needs it, and nothing stays open after it."""

    @classmethod
    def create(
        cls,
        path: str | Path,
        *,
        simulated: bool = False,
        start: int | None = None,
        seed: int = 1,
        assume: str = "",
        policy: str | Path | None = None,
        clock: Clock | None = None,
        state_dir: StateDir | None = None,
    ) -> Engine:
        """Make a file. A simulated file jumps from event to event and can never send outside this machine.

        `start` is its first tick (default: now). Raises Refused when the file exists or the policy has mistakes.
        """
        from dee_appliance.runtime.making import FileOptions, make_file  # noqa: PLC0415 - slow, and only used here

        first = (clock or WallClock()).now() if start is None else start
        options = FileOptions(
            start=first,
            simulated=simulated,
            seed=seed,
            assume=assume,
            policy=None if policy is None else str(policy),
        )
        make_file(Path(path), options)
        return cls(path, clock=clock, state_dir=state_dir)

    # ---- plans, settings ----

    def publish_plan(self, path: str | Path) -> CheckedPlan:
        """Check a plan file and publish it. Raises Refused that lists every mistake with file and line."""
        from dee_appliance.authoring.checks import check_plan, publishable  # noqa: PLC0415 - slow, and only used here

        checked = check_plan(Path(path), policy_covers_voice=self.policy_covers_voice())
        plan = publishable(checked)
        kinds = {**dict.fromkeys(plan.templates.values(), "template"), **dict.fromkeys(plan.scripts.values(), "script")}
        documents = {digest: (kinds[digest], body.decode()) for digest, body in checked.documents.items()}
        documents[checked.digest] = ("plan", checked.body.decode())
        publish = PlanPublish(plan=plan.plan, version=plan.version, digest=checked.digest)
        self._checked(self.submit(publish, private={"documents": documents}))
        return checked

    def update_zones(
        self,
        path: str | Path | None = None,
        *,
        dry_run: bool = False,
        on_change: Callable[[PendingChange], None] | None = None,
    ) -> ZonesPreview:
        """Use the time-zone table of a file, or (None) that of this program, from now on; no run is touched by it.

        Returns what it changes, told run by run to `on_change` before it is done. The table in use is not used again. Raises
        Refused for a table that lacks a zone or a year of the one in use.
        """
        from dee_appliance.runtime.tz_preview import preview_table  # noqa: PLC0415 - slow, and only used here
        from dee_appliance.runtime.tz_table import installed_table, read_table  # noqa: PLC0415

        offered = installed_table() if path is None else read_table(Path(path))
        now = self.now()
        with self.view() as view:
            preview = preview_table(view, offered, now, on_change)
        if not dry_run and not preview.same:
            digest = preview.offered.digest
            self._checked(
                self.submit(ZonesUse(digest=digest), private={"documents": {digest: ("zones", offered.body.decode())}})
            )
        return preview

    def set_setting(self, key: str, value: object) -> None:
        """Change a setting that verdicts or messages read, such as `sender.domain` or `trial.guests`."""
        self._checked(self.submit(ConfigSet(key=key, value=canonical(value).decode(), actor=self.actor)))

    def trial(self, *, on: bool, guests: tuple[str, ...] = ()) -> None:
        """Trial mode: the real engine, but only the guests' addresses (e-mail or phone) pass the gate."""
        from dee_appliance.intake.facts import address_token  # noqa: PLC0415 - slow, and only used here

        pairs = [_kind_and_address(guest) for guest in guests]
        with self.view() as view:
            secret = view.file_secret()
        tokens = {address_token(secret, kind, address) for kind, address in pairs}
        changes: list[Input] = []
        if guests or not on:
            changes.append(ConfigSet(key="trial.guests", value=canonical(sorted(tokens)).decode(), actor=self.actor))
        changes.append(ConfigSet(key="trial", value=canonical(on).decode(), actor=self.actor))
        self._checked(self.submit(*changes))

    # ---- contacts ----

    def import_contacts(
        self,
        path: str | Path,
        *,
        mapping: Iterable[str] = (),
        dry_run: bool = False,
        allow_rejects: bool = False,
        update: bool = False,
        readmit: bool = False,
        delimiter: str | None = None,
        default_country: str | None = None,
        consents: tuple[ConsentGrant, ...] = (),
        rejects: str | Path | None = None,
        on_reject: Callable[[Reject], None] | None = None,
        progress: Callable[[int], None] | None = None,
        draw_id: Callable[[], str] | None = None,
    ) -> ImportReport:
        """Import contacts from a CSV file, all or nothing unless `allow_rejects`.

        Contacts that were erased stay so, unless `readmit` takes them back. `rejects` names the file for rows that are left out,
        `on_reject` is told of each. `draw_id` makes the ids of new contacts;
        without it they are random. Raises Refused when the file cannot be an import, or has rejects that are not allowed.
        """
        from dee_appliance.intake.column_mapping import parse_mapping  # noqa: PLC0415 - slow, and only used here
        from dee_appliance.runtime.importing import ContactReader, Importer, scan_rejects  # noqa: PLC0415
        from dee_appliance.store.header import refuse_to_replace  # noqa: PLC0415

        if rejects is not None:
            refuse_to_replace(Path(rejects), Path(path), self.path)
        now = self.now()
        with self.view() as view:
            importer = Importer(
                ContactReader(view.database, view.state),
                known_zones=frozenset(view.zone_ids()),
                now=now,
                mapping=parse_mapping(mapping),
                delimiter=delimiter,
                default_country=default_country,
                update=update,
                readmit=readmit,
                consents=consents,
                job=f"import:{now}",
                draw_id=draw_id,
            )
            plan = importer.open(Path(path))
            rejected = scan_rejects(plan, None if rejects is None else Path(rejects), on_reject)
            if not dry_run:
                plan.refuse_unless(allow_rejects=allow_rejects)
                batch = self._submit_many(importer.rows(plan), "dee contact import", progress)
                importer.report.queued, importer.report.refused = batch.queued, batch.refused
            else:
                for _ in importer.rows(plan):
                    pass
        if rejects is not None and rejected:
            importer.report.rejects_file = str(rejects)
        return importer.report

    def erase_contact(self, contact: str, *, basis: str = "request") -> ErasureReport:
        """Erase a contact's personal data from the file; suppression and dedupe stay. Raises Refused for an unknown contact."""
        from dee_appliance.runtime.erasing import erase  # noqa: PLC0415 - slow, and only used here
        from dee_appliance.store.erasure import ErasureReport  # noqa: PLC0415

        with self.view() as view:
            identity = view.resolve_contact(contact)
            values = view.personal_values(identity)
        submitted = self._checked(self.submit(ContactErase(contact=identity, basis=basis)))
        if submitted.queued:
            return ErasureReport(state="pending", searched=0, shared=0, too_short=0, compacted=False, places=())
        return erase(self.path, values, clock=self._clock, state_dir=self._state_dir)

    # ---- runs ----

    def enroll(
        self,
        plan: str,
        contacts: Iterable[str] | None = None,
        *,
        variables: dict[str, Scalar] | None = None,
        texts: dict[str, str] | None = None,
        start: int | None = None,
        progress: Callable[[int], None] | None = None,
    ) -> Batch:
        """Enrol contacts (all, if None) in the newest version of a plan. `texts` are variables that only templates may read.

        Returns how many were enrolled (`done`) and how many were refused, by reason; each refusal is in the log.
        """
        now = self.now()
        with self.view() as view:
            if view.state.plan_digest(plan, None) is None:
                raise Refused(f"there is no plan `{plan}`", where=str(self.path), hint="dee plan list")
            chosen = view.contact_ids() if contacts is None else [view.resolve_contact(one) for one in contacts]
        wanted = Enroll(contact="", plan=plan, variables=variables or {}, start=start, job=f"enroll:{now}")
        rows = (_enrolment(now, replace(wanted, contact=contact), texts) for contact in chosen)
        return self._submit_many(rows, "dee enroll", progress)

    def operate(
        self,
        verb: VerbName,
        runs: Iterable[str],
        *,
        choice: Choice = "",
        progress: Callable[[int], None] | None = None,
    ) -> Batch:
        """Apply an operator's verb to runs, one input each, all of them in the queue or none.

        Returns how many it was done to and how many refused it, by reason; each is in the log, tied together by a job.
        """
        now = self.now()
        job = f"{verb}:{now}"
        verbs = (Verb(run=run, verb=verb, choice=choice, actor=self.actor, job=job) for run in self._known(runs))
        rows = (InboxRow(source=SOURCE, received=now, kind="run.verb", payload=encode_input(one)) for one in verbs)
        batch = self._submit_many(rows, f"dee run {verb}", progress, urgent=True)
        if not batch.rows:
            raise Refused("no run matches", where=str(self.path), hint="dee run list")
        return batch

    def _known(self, runs: Iterable[str]) -> Iterator[str]:
        """Pass the runs that are there. Raises Refused for another, so that nothing a person mistyped gets into the log."""
        with self.view() as view:
            for run in runs:
                if view.state.run_by_id(run) is None:
                    raise refused("unknown_run", run)
                yield run

    def finish_task(self, run: str, outcome: str) -> None:
        """Report the outcome of the task that a run waits for. Raises Refused when the run has no such task or outcome."""
        with self.view() as view:
            known = view.state.run_by_id(run)
            if known is None:
                raise refused("unknown_run", run)
            step = view.state.plan(known.digest).steps.get(known.step)
        if isinstance(step, Task) and outcome not in step.on:
            raise Refused(
                f"the task {step.id} has no outcome `{outcome}`", where=run, hint=f"one of {', '.join(step.on)}"
            )
        self._checked(self.submit(TaskDone(run=run, outcome=outcome, actor=self.actor)))

    def halt(self, scope: str = "*") -> None:
        """Stop everything that is not yet dispatched in a scope: "*", "channel:NAME" or "plan:NAME"."""
        self._checked(self.submit(HoldSet(scope=scope, on=True, actor=self.actor)))

    def release(self, scope: str = "*") -> None:
        """Let a halted scope move again; also confirms the clock after a jump or a long outage."""
        self._checked(self.submit(HoldSet(scope=scope, on=False, actor=self.actor)))

    # ---- the file ----

    def serve(
        self,
        *,
        until_idle: bool = False,
        stop: Stop | None = None,
        progress: Callable[[int], None] | None = None,
    ) -> Served:
        """Run the loop: until stopped, or until nothing is left to do. Raises HostError when another process runs the file."""
        from dee_appliance.runtime.appliance import open_appliance  # noqa: PLC0415 - slow, and only used here
        from dee_appliance.runtime.service import serve  # noqa: PLC0415

        with open_appliance(self.path, "dee serve", clock=self._clock, state_dir=self._state_dir) as appliance:
            return serve(appliance, until_idle=until_idle, stop=stop, progress=progress)

    def arm(self, *, accept_loss: bool = False) -> int:
        """Let this file, on this host, really send. Returns the new incarnation.

        `accept_loss` is needed when the file is behind what it had reached: what it has forgotten may be sent again.
        """
        from dee_appliance.runtime.arming import arm  # noqa: PLC0415 - slow, and only used here

        return arm(self.path, self.actor, accept_loss=accept_loss, clock=self._clock, state_dir=self._state_dir)

    def disarm(self) -> None:
        """Forget that this file may send on this host."""
        from dee_appliance.store.state_dir import StateDir  # noqa: PLC0415 - slow, and only used here

        with self.view() as view:
            (self._state_dir or StateDir()).disarm(view.lineage)

    def upgrade(
        self,
        *,
        dry_run: bool = False,
        confirm: Callable[[Upgrade], bool] | None = None,
        progress: Callable[[int, int], None] | None = None,
    ) -> Upgrade:
        """Bring the file to the newest format and semantics epoch, after a copy and a look at what would have changed.

        `confirm` is shown what will be done and says whether to; without it, it is done. Nothing to upgrade: nothing is written.
        """
        from dee_appliance.runtime.upgrading import UpgradeOptions, upgrade  # noqa: PLC0415 - slow, and only used here

        options = UpgradeOptions(actor=self.actor, dry_run=dry_run, confirm=confirm, progress=progress)
        return upgrade(self.path, options, clock=self._clock, state_dir=self._state_dir)

    def snapshot(self, target: str | Path, *, progress: Callable[[int, int], None] | None = None) -> None:
        """Make a consistent copy, which is disarmed, at any time."""
        from dee_appliance.store.snapshot import snapshot  # noqa: PLC0415 - slow, and only used here

        snapshot(self.path, Path(target), progress)


def _enrolment(now: int, wanted: Enroll, texts: dict[str, str] | None) -> InboxRow:
    private: dict[str, object] | None = None
    if texts:
        private = {"vault": {wanted.contact: {TEXTS: canonical(texts).decode()}}}
    return InboxRow(source=SOURCE, received=now, kind="run.enroll", payload=encode_input(wanted), private=private)


def _kind_and_address(text: str) -> tuple[Literal["email", "phone"], str]:
    from dee_appliance.intake.addresses import normalise_email, normalise_phone  # noqa: PLC0415 - slow, only used here
    from dee_appliance.intake.invalid import InvalidValue  # noqa: PLC0415

    try:
        return ("email", normalise_email(text)) if "@" in text else ("phone", normalise_phone(text, None))
    except InvalidValue as error:
        raise Refused(
            f"`{text}`: {error.reason}", hint="an e-mail address, or a phone number like +12025550123"
        ) from error
