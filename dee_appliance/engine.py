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

from dee_appliance.engine_rules import EngineRules
from dee_appliance.errors import Refused
from dee_appliance.kernel.e1.encoding import canonical
from dee_appliance.kernel.e1.input import (
    KIND_OF,
    ConfigSet,
    ConsentSet,
    ContactErase,
    Enroll,
    Event,
    HoldSet,
    Input,
    PlanPublish,
    Scalar,
    SuppressionSet,
    TaskDone,
    Verb,
    ZonesUse,
    encode_input,
)
from dee_appliance.kernel.e1.plan import Task
from dee_appliance.runtime.clock import Clock, WallClock
from dee_appliance.runtime.commands import Batch, Submitted, submit, submit_many
from dee_appliance.runtime.refusal import refused
from dee_appliance.store.inbox import InboxRow
from dee_appliance.store.vault import TEXTS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from dee_appliance.authoring.checks import CheckedPlan
    from dee_appliance.intake.rejects import Reject
    from dee_appliance.kernel.e1.plan import Channel
    from dee_appliance.runtime.importing import ConsentGrant, ImportReport
    from dee_appliance.runtime.service import Served, Stop
    from dee_appliance.runtime.tz_preview import PendingChange, ZonesPreview
    from dee_appliance.store.erasure import ErasureReport
    from dee_appliance.store.state_dir import StateDir

SOURCE = "operator"
VerbName = Literal["pause", "resume", "cancel", "retry", "resolve", "skip"]
Choice = Literal["", "delivered", "not-delivered", "resend", "abandoned"]


class Engine(EngineRules):
    """One file. Cheap to make: nothing is opened before a verb needs it, and nothing stays open after it."""

    def __init__(
        self,
        path: str | Path,
        *,
        actor: str = "operator",
        clock: Clock | None = None,
        state_dir: StateDir | None = None,
    ) -> None:
        """Name the file. `actor` is recorded with everything that this engine asks for."""
        self.path = Path(path)
        self.actor = actor
        self.queued: list[int] = []
        """Inbox ids of requests that a running loop had not taken within five seconds. They are durable, and will be admitted."""
        self._clock = clock
        self._state_dir = state_dir

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

    # ---- the road of every change ----

    def now(self) -> int:
        """Return the tick at which a request made now arrives."""
        if self._clock is not None:
            return self._clock.now()
        with self.view() as view:
            return view.last_tick if view.simulated else WallClock().now()

    def submit(self, *values: Input, private: dict[str, object] | None = None, dedupe: str | None = None) -> Submitted:
        """Bring inputs into the queue, in this order.

        `private` goes to the vault with the first; `dedupe` makes the first harmless to repeat.
        """
        now = self.now()
        rows = [
            InboxRow(
                # A token is one and the same whoever brings it.
                source=SOURCE if dedupe is not None and position == 0 else self._by(SOURCE),
                dedupe=dedupe if position == 0 else None,
                received=now,
                kind=KIND_OF[type(value)],
                payload=encode_input(value),
                private=private if position == 0 else None,
            )
            for position, value in enumerate(values)
        ]
        submitted = submit(self.path, rows, f"dee {rows[0].kind}", clock=self._clock, state_dir=self._state_dir)
        self.queued += submitted.queued
        return submitted

    def _submit_many(
        self,
        rows: Iterable[InboxRow],
        what: str,
        progress: Callable[[int], None] | None = None,
        *,
        urgent: bool = False,
    ) -> Batch:
        named = (replace(row, source=self._by(row.source)) for row in rows)
        return submit_many(
            self.path, named, what, urgent=urgent, progress=progress, clock=self._clock, state_dir=self._state_dir
        )

    def _by(self, source: str) -> str:
        """Name who asks, beside the way it came: it is recorded with the input, also where the input itself names nobody."""
        return source if self.actor == SOURCE else f"{source}:{self.actor}"

    def _checked(self, submitted: Submitted) -> Submitted:
        """Raise Refused for the first input that was admitted and had no effect."""
        for reply in submitted.replies:
            if reply.outcome.startswith("rejected:"):
                raise refused(reply.outcome.removeprefix("rejected:"), f"input {reply.seq}")
        return submitted

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
        delimiter: str | None = None,
        default_country: str | None = None,
        consents: tuple[ConsentGrant, ...] = (),
        rejects: str | Path | None = None,
        on_reject: Callable[[Reject], None] | None = None,
        progress: Callable[[int], None] | None = None,
        draw_id: Callable[[], str] | None = None,
    ) -> ImportReport:
        """Import contacts from a CSV file, all or nothing unless `allow_rejects`.

        `rejects` names the file for rows that are left out, `on_reject` is told of each. `draw_id` makes the ids of new contacts;
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

    def add_event(
        self, name: str, *, contact: str = "", send_key: str = "", kind: str = "", dedupe: str | None = None
    ) -> Submitted:
        """Tell of something that happened: about one send (by its key) or about a contact."""
        if bool(contact) == bool(send_key):
            raise Refused("an event is about a contact or about a send", hint="give --contact or --send")
        identity = contact and self._resolve(contact)
        return self._checked(
            self.submit(Event(name=name, contact=identity, send_key=send_key, kind=kind), dedupe=dedupe)
        )

    def halt(self, scope: str = "*") -> None:
        """Stop everything that is not yet dispatched in a scope: "*", "channel:NAME" or "plan:NAME"."""
        self._checked(self.submit(HoldSet(scope=scope, on=True, actor=self.actor)))

    def release(self, scope: str = "*") -> None:
        """Let a halted scope move again; also confirms the clock after a jump or a long outage."""
        self._checked(self.submit(HoldSet(scope=scope, on=False, actor=self.actor)))

    # ---- consent and suppression ----

    def set_consent(
        self,
        contact: str,
        channel: Channel,
        *,
        granted: bool,
        purpose: str = "*",
        consent_class: str = "express",
        expires: int | None = None,
        source: str = SOURCE,
    ) -> None:
        """Grant or revoke consent of a contact for a channel and purpose ("*": every purpose)."""
        consent = ConsentSet(
            contact=self._resolve(contact),
            channel=channel,
            purpose=purpose,
            granted=granted,
            consent_class=consent_class,
            expires=expires,
            source=source,
        )
        self._checked(self.submit(consent))

    def suppress(self, subject: str, *, on: bool = True, scope: str = "*", reason: str = "operator") -> None:
        """Suppress a contact or an address (known to the file or not), or lift it."""
        with self.view() as view:
            token = view.suppression_subject(subject)
        self._checked(self.submit(SuppressionSet(subject=token, on=on, scope=scope, reason=reason)))

    def _resolve(self, contact: str) -> str:
        with self.view() as view:
            return view.resolve_contact(contact)

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
