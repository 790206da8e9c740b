"""The half of the Python API that changes something, at its root: the road of every request into the ordered queue."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from msgspec.structs import replace

from dee_appliance.engine_reading import EngineReading
from dee_appliance.kernel.e1.input import KIND_OF, Input, encode_input
from dee_appliance.runtime.commands import Batch, Submitted, submit, submit_many
from dee_appliance.runtime.refusal import refused
from dee_appliance.store.inbox import InboxRow

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from dee_appliance.runtime.clock import Clock
    from dee_appliance.store.state_dir import StateDir

SOURCE = "operator"


class EngineQueue(EngineReading):
    """One file, and how requests get into it."""

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

    def submit(self, *values: Input, private: dict[str, object] | None = None, dedupe: str | None = None) -> Submitted:
        """Bring inputs into the queue, in this order.

        `private` goes to the vault with the first; `dedupe` makes the first harmless to repeat.
        """
        now = self.now()
        rows = [
            self._row(
                value,
                now,
                dedupe=dedupe if position == 0 else None,
                private=private if position == 0 else None,
            )
            for position, value in enumerate(values)
        ]
        return self._submit_rows(rows)

    def _row(
        self, value: Input, now: int, *, dedupe: str | None = None, private: dict[str, object] | None = None
    ) -> InboxRow:
        return InboxRow(
            source=self._by(SOURCE, dedupe=dedupe),
            dedupe=dedupe,
            received=now,
            kind=KIND_OF[type(value)],
            payload=encode_input(value),
            private=private,
        )

    def _submit_rows(self, rows: Sequence[InboxRow]) -> Submitted:
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
        named = (replace(row, source=self._by(row.source, dedupe=row.dedupe)) for row in rows)
        return submit_many(
            self.path, named, what, urgent=urgent, progress=progress, clock=self._clock, state_dir=self._state_dir
        )

    def _by(self, source: str, *, dedupe: str | None = None) -> str:
        """Name who asks, beside the way it came: it is recorded with the input, also where the input itself names nobody.

        Not beside a dedupe token: that is one and the same whoever brings it.
        """
        return source if self.actor == SOURCE or dedupe is not None else f"{source}:{self.actor}"

    def _checked(self, submitted: Submitted) -> Submitted:
        """Raise Refused for the first input that was admitted and had no effect."""
        for reply in submitted.replies:
            if reply.outcome.startswith("rejected:"):
                raise refused(reply.outcome.removeprefix("rejected:"), f"input {reply.seq}")
        return submitted

    def _resolve(self, contact: str) -> str:
        with self.view() as view:
            return view.resolve_contact(contact)
