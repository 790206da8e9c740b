"""The live shell: renders an attempt when it is pulled, and keeps the finished message for the dispatcher.

Messages are made before the pull's transaction where the queue could be foreseen (`foresee`), inside it where it
could not; the bytes are the same either way, since everything that decides them is in the request.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from dee_appliance.content.rendering import Prepared, RenderRequest, Sender, prepare
from dee_appliance.kernel.e1.plan import Call, SendEmail, SendSms
from dee_appliance.store.vault import Vault

if TYPE_CHECKING:
    from dee_appliance.kernel.e1.compiled import CompiledPlan
    from dee_appliance.kernel.e1.run import Attempt, Given, Run
    from dee_appliance.store.database import Database
    from dee_appliance.store.state import State


class LiveShell:
    """Renders from the vault of one open file."""

    def __init__(self, database: Database, state: State) -> None:
        self._vault = Vault(database)
        self._state = state
        self._prepared: dict[tuple[str, int], Prepared] = {}

    def give(self, seq: int, ordinal: int, attempt: Attempt, run: Run, plan: CompiledPlan) -> Given:
        """Return what rendering the attempt gives; the message waits for its permit."""
        del seq, ordinal
        key = (attempt.send_key, attempt.attempt)
        prepared = self._prepared.get(key)
        if prepared is None:
            prepared = prepare(render_request(self._state, self._vault, attempt, run, plan))
            self._prepared[key] = prepared
        return prepared.given

    def foresee(self, channel: str, n: int) -> None:
        """Render what the next pull will probably take, outside any transaction."""
        for queued in self._state.queue(channel, n):
            run = self._state.run_by_no(queued.run_no)
            attempt = self._state.attempt(queued.send_key, queued.attempt)
            if run is not None and attempt is not None:
                self.give(0, 0, attempt, run, self._state.plan(run.digest))

    def take(self, send_key: str, attempt: int) -> Prepared:
        """Return the finished message of an attempt that got its permit."""
        return self._prepared.pop((send_key, attempt))

    def forget(self) -> None:
        """Drop messages that were made and not dispatched: data they were made from may have changed."""
        self._prepared.clear()


def sender_of(settings: dict[str, object]) -> Sender:
    """Return who sends, as set in the file."""
    known = {field: settings.get(f"sender.{field}", "") for field in Sender.__struct_fields__}
    return msgspec.convert(known, Sender)


def render_request(state: State, vault: Vault, attempt: Attempt, run: Run, plan: CompiledPlan) -> RenderRequest:
    """Collect everything that decides the bytes of an attempt. A replay that checks the renderer asks the same function."""
    step = plan.steps[attempt.step]
    assert isinstance(step, SendEmail | SendSms | Call)
    digest = plan.plan.scripts[step.script] if isinstance(step, Call) else plan.plan.templates[step.template]
    contact = state.contact(attempt.contact)
    book = state.book(plan, attempt.channel)
    return RenderRequest(
        channel=attempt.channel,
        send_key=attempt.send_key,
        attempt=attempt.attempt,
        document=msgspec.json.decode(state.documents.body(digest)),
        digest=digest,
        marketing=plan.plan.purpose == "marketing",
        date_tick=attempt.ready,
        sender=sender_of(state.settings),
        contact={**contact.attributes, **vault.profile(attempt.contact)},
        variables={**run.variables, **vault.variables(run.contact, run.run)},
        plan=plan.plan.plan,
        run=run.run,
        previous=run.previous,
        secret=vault.secret(attempt.contact),
        looks=book.reads_content,
        texts=book.texts,
    )
