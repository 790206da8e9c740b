"""The dispatcher: hands permitted messages to adapters, and turns their answers into inbox rows.

The only place that catches ChannelError.

Nothing comes here before the pull that made the permit has been committed with a full sync and the tip has been
written. An answer that is lost on the way (a crash) leaves the attempt DISPATCHING, and the next start records it as
unknown.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dee_appliance.channels.interface import Answer, Kind, Message
from dee_appliance.errors import ChannelError
from dee_appliance.kernel.e1.encoding import canonical
from dee_appliance.kernel.e1.input import Answered, Event, encode_input
from dee_appliance.store.inbox import InboxRow

if TYPE_CHECKING:
    from dee_appliance.channels.interface import Adapter
    from dee_appliance.content.rendering import Prepared
    from dee_appliance.kernel.e1.plan import Channel
    from dee_appliance.kernel.e1.run import Permit

SOURCE = "adapter"
MAX_NOTE_CHARS = 2_000


class Dispatcher:
    """The adapters of one open file.

    `places` bounds the attempts in flight per channel. `simulated`: recipients are simulated elsewhere, so what an
    adapter says of a call's outcome does not count.
    """

    def __init__(
        self, adapters: dict[Channel, Adapter], places: dict[Channel, int], *, simulated: bool = False
    ) -> None:
        self._simulated = simulated
        self._adapters = adapters
        self._places = places
        self._refused: list[InboxRow] = []
        self._contacts: dict[tuple[str, int], str] = {}

    def channels(self) -> list[Channel]:
        """Return the channels that have an adapter, in a fixed order."""
        return sorted(self._adapters)

    def free(self, channel: Channel) -> int:
        """Return how many more attempts the channel may have in flight."""
        return max(self._places[channel] - self._adapters[channel].in_flight(), 0)

    def in_flight(self) -> int:
        """Return how many attempts wait for an answer."""
        return sum(adapter.in_flight() for adapter in self._adapters.values()) + len(self._refused)

    def submit(self, permit: Permit, prepared: Prepared, now: int) -> None:
        """Hand one message to its adapter. A refusal on the spot becomes an answer like any other."""
        message = Message(
            channel=permit.channel,
            send_key=permit.send_key,
            attempt=permit.attempt,
            to=prepared.to,
            sender=prepared.sender,
            body=prepared.body,
            text=prepared.text,
            script=prepared.script,
            resends=permit.resends,
        )
        self._contacts[(permit.send_key, permit.attempt)] = permit.contact
        try:
            self._adapters[permit.channel].submit(permit, message)
        except ChannelError as error:
            answer = Answer(outcome="rejected" if error.certain else "unknown", kind=_kind(error.kind), code=error.code)
            self._refused.extend(self._rows(permit.send_key, permit.attempt, answer, now))

    def answers(self, now: int, timeout_s: float) -> list[InboxRow]:
        """Move everything in flight on and return what was answered as inbox rows, waiting at most `timeout_s` for the first."""
        rows, self._refused = self._refused, []
        waiting = [channel for channel in self.channels() if self._adapters[channel].in_flight()]
        for position, channel in enumerate(waiting):
            patience = timeout_s if position == 0 and not rows else 0.0
            for send_key, attempt, answer in self._adapters[channel].poll(patience):
                rows.extend(self._rows(send_key, attempt, answer, now))
        return rows

    def close(self, now: int) -> list[InboxRow]:
        """Stop every adapter and return the answers that came with it as inbox rows."""
        for channel in self.channels():
            self._adapters[channel].close()
        return self.answers(now, 0.0)

    def _rows(self, send_key: str, attempt: int, answer: Answer, now: int) -> list[InboxRow]:
        contact = self._contacts.pop((send_key, attempt), "")
        outcome = Answered(
            send_key=send_key,
            attempt=attempt,
            outcome=answer.outcome,
            kind=answer.kind,
            code=answer.code,
            cost_micros=answer.cost_micros,
        )
        private: dict[str, object] | None = None
        kept = {
            name: text[:MAX_NOTE_CHARS] for name, text in (("ref", answer.provider_ref), ("note", answer.note)) if text
        }
        if kept and contact:
            # The provider's text may name the recipient: it stays in the vault until the contact is erased.
            private = {"vault": {contact: {f"answer:{send_key}:{attempt}": canonical(kept).decode()}}}
        payload = encode_input(outcome)
        rows = [InboxRow(source=SOURCE, received=now, kind="attempt.answered", payload=payload, private=private)]
        if answer.call_outcome is not None and not self._simulated:
            name = f"call.{answer.call_outcome}"
            event = Event(name=name, send_key=send_key, cost_micros=answer.cost_micros, source=SOURCE)
            rows.append(InboxRow(source=SOURCE, received=now, kind="event", payload=encode_input(event)))
        return rows


def _kind(text: str) -> Kind:
    match text:
        case "transient" | "permanent" | "config":
            return text
        case _:
            return "none"
