"""The null adapter: accepts everything at once and keeps nothing. For measurements, where a provider would be the noise."""

from __future__ import annotations

from typing import Final

from dee_appliance.channels.interface import (
    Answered,
    CapabilityCard,
    Found,
    HealthReport,
    Message,
    accepted,
    require_permit,
)
from dee_appliance.kernel.e1.plan import Channel

_ACCEPTED: Final = accepted()
_CALL_ANSWERED: Final = accepted(call_outcome="answered")


class NullAdapter:
    """Keeps the contract of an adapter and sends nothing."""

    name = "null"
    card = CapabilityCard()

    def __init__(self, channel: Channel) -> None:
        self._answer = _CALL_ANSWERED if channel == "voice" else _ACCEPTED
        self._waiting: dict[tuple[str, int], None] = {}

    def submit(self, permit: object, message: Message) -> None:
        """Take a message. Raises TypeError or ValueError without the permit for it."""
        require_permit(permit, message)
        key = (message.send_key, message.attempt)
        if key in self._waiting:
            raise ValueError("this attempt is already in flight")
        self._waiting[key] = None

    def poll(self, timeout_s: float) -> list[Answered]:  # noqa: ARG002 - there is never anything to wait for
        """Accept everything submitted since the last poll."""
        answers = [Answered(send_key, attempt, self._answer) for send_key, attempt in self._waiting]
        self._waiting.clear()
        return answers

    def in_flight(self) -> int:
        """How many attempts were submitted and not yet answered."""
        return len(self._waiting)

    def look_up(self, send_key: str, attempt: int) -> Found:  # noqa: ARG002 - it keeps nothing to look into
        """Nothing is kept that could be looked into."""
        return "cannot_tell"

    def health(self) -> HealthReport:
        """It is always well."""
        return HealthReport(ok=True, peer=self.peer())

    def peer(self) -> str:
        """Nobody."""
        return "nowhere"

    def is_local(self) -> bool:
        """Nothing leaves, because nothing goes anywhere."""
        return True

    def close(self) -> None:
        """Nothing is open."""
