"""Simulated providers: one for all channels, which takes time, refuses, goes silent, and outlives every death of the appliance.

What it does with an attempt is a function of seed, send key and attempt. It keeps a ledger of what it has taken; a message
that was on the wire when the appliance died has arrived or has not, and that is decided at once.
"""

from __future__ import annotations

import random  # noqa: TID251 - drawn from the seed
from collections import Counter
from typing import TYPE_CHECKING, Literal

import msgspec

from dee_appliance.channels.interface import (
    REJECTED,
    Answer,
    Answered,
    CapabilityCard,
    Found,
    HealthReport,
    Message,
    accepted,
    rejected,
    require_permit,
    unknown,
)
from dee_appliance.errors import ChannelError
from dee_appliance.kernel.e1.plan import CALL_OUTCOMES

if TYPE_CHECKING:
    from sim_world import World

    from dee_appliance.kernel.e1.plan import Channel

NO_WAY = ("not_connected", "timeout", "tls_failed", "busy", "disconnected")
REFUSALS = ("deferred", "recipient_refused", "content_refused", "no_such_recipient", "too_large", "auth_failed")
SILENCES = ("no_reply", "connection_lost", "unclear_reply")
Phase = Literal["connect", "refused", "silent", "spot", "taken"]


class Taken(msgspec.Struct, frozen=True):
    """A message that the provider has."""

    send_key: str
    attempt: int
    provider_key: str
    contact: str
    channel: str
    at_ms: int


class Wire(msgspec.Struct, frozen=True, kw_only=True):
    """An attempt on its way: when its bytes arrive (None: never), and what is answered, and when."""

    message: Message
    contact: str
    arrives_ms: int | None
    answer: Answer
    due_ms: int


class Provider:
    """The world beyond the appliance."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.taken: list[Taken] = []
        self.keys: Counter[str] = Counter()
        """By the key that the provider sees."""
        self.attempts: set[tuple[str, int]] = set()
        self.wires: dict[tuple[str, int], Wire] = {}
        self.down_until_ms = 0
        self.submitted = 0

    def begin(self, message: Message, contact: str) -> None:
        """A message is handed over. Raises ChannelError for what is refused on the spot."""
        self.submitted += 1
        world, key = self._world, (message.send_key, message.attempt)
        dice = random.Random(f"{world.case.seed} wire {key}")
        phase = self._phase(dice)
        world.tally[f"provider {phase}"] += 1
        if phase == "spot":
            raise ChannelError("refused on the spot", certain=True, kind="transient", code="not_connected")
        takes_ms = dice.choice((0, 100, 400)) if dice.randrange(100) >= world.temper.slow else dice.randrange(600_000)
        arrives = takes_ms // 2
        answer = accepted(provider_ref=f"ref-{len(self.taken)}", cost_micros=dice.choice((None, None, 90, 250)))
        match phase:
            case "connect":
                answer = rejected(dice.choice(NO_WAY))
            case "refused":
                answer = rejected(dice.choice(REFUSALS))
            case "silent":
                answer = unknown(dice.choice(SILENCES))
            case _ if message.channel == "voice" and dice.random() < 0.5:
                answer = accepted(call_outcome=dice.choice(tuple(CALL_OUTCOMES)))
            case _:
                pass
        there = phase == "taken" or (phase == "silent" and dice.random() < 0.5)
        now = world.now_ms
        self.wires[key] = Wire(
            message=message,
            contact=contact,
            arrives_ms=now + arrives if there else None,
            answer=answer,
            due_ms=now + takes_ms,
        )

    def _phase(self, dice: random.Random) -> Phase:
        temper, drawn = self._world.temper, dice.randrange(100)
        if self._world.now_ms < self.down_until_ms:
            return dice.choice(("connect", "connect", "spot"))
        if drawn < temper.refuses:
            return dice.choice(("connect", "refused", "refused", "spot"))
        return "silent" if drawn < temper.refuses + temper.silent else "taken"

    def answered(self) -> list[Answered]:
        """Let bytes arrive, and return what is answered by now."""
        now = self._world.now_ms
        for wire in list(self.wires.values()):
            if wire.arrives_ms is not None and wire.arrives_ms <= now:
                self._take(wire)
        due = sorted(
            (key for key, wire in self.wires.items() if wire.due_ms <= now), key=lambda key: self.wires[key].due_ms
        )
        return [Answered(*key, self.wires.pop(key).answer) for key in due]

    def next_ms(self) -> int | None:
        """Return when something is answered next."""
        return min((wire.due_ms for wire in self.wires.values()), default=None)

    def hung_up(self) -> None:
        """The appliance has died: what was on the wire has arrived, or never will."""
        for key, wire in self.wires.items():
            dice = random.Random(f"{self._world.case.seed} hung up {key}")
            if wire.arrives_ms is not None and (wire.arrives_ms <= self._world.now_ms or dice.random() < 0.5):
                self._take(wire)
        self.wires.clear()

    def has(self, send_key: str, attempt: int) -> bool:
        """Tell whether it has the message of an attempt."""
        return (send_key, attempt) in self.attempts

    def _take(self, wire: Wire) -> None:
        message = wire.message
        if (message.send_key, message.attempt) in self.attempts:
            return  # taken, and not answered yet
        taken = Taken(
            message.send_key,
            message.attempt,
            message.provider_key,
            wire.contact,
            message.channel,
            self._world.now_ms,
        )
        self.attempts.add((message.send_key, message.attempt))
        self.taken.append(taken)
        self.keys[message.provider_key] += 1
        self._world.say(f"the provider takes {message.channel} {message.send_key[:8]} attempt {message.attempt}")
        if self.keys[message.provider_key] > 1:
            self._world.broken("one contact per send key", f"{message.provider_key} was taken twice")
        self._world.recipients.react(taken)


class SimulatedAdapter:
    """The appliance's end of the wire: dies with the appliance."""

    name = "simulated"
    card = CapabilityCard()

    def __init__(self, world: World, channel: Channel) -> None:
        self._world = world
        self._channel = channel

    def submit(self, permit: object, message: Message) -> None:
        """Take a message; first look whether everything that must come before it has come."""
        require_permit(permit, message)
        self._world.handed_over(permit, message)
        self._world.provider.begin(message, str(getattr(permit, "contact", "")))

    def poll(self, timeout_s: float) -> list[Answered]:
        """Return what was answered; waiting lets time pass."""
        provider, world = self._world.provider, self._world
        world.maybe_killed("poll")
        found = self._mine(provider.answered())
        if not found and timeout_s:
            world.pass_time()
            found = self._mine(provider.answered())
        return found

    def _mine(self, answers: list[Answered]) -> list[Answered]:
        """The provider is one, adapters are three: answers of the others are kept for them."""
        waiting = self._world.answers
        for one in answers:
            channel = self._world.channels[one.send_key]
            waiting.setdefault(channel, []).append(one)
        return waiting.pop(self._channel, [])

    def in_flight(self) -> int:
        """How many attempts were submitted and not yet answered."""
        there = sum(wire.message.channel == self._channel for wire in self._world.provider.wires.values())
        return there + len(self._world.answers.get(self._channel, []))

    def look_up(self, send_key: str, attempt: int) -> Found:  # noqa: ARG002 - the protocol's
        """It has no such question."""
        return "cannot_tell"

    def health(self) -> HealthReport:
        """It is well."""
        return HealthReport(ok=True)

    def peer(self) -> str:
        """Nowhere."""
        return "simulated"

    def is_local(self) -> bool:
        """Nothing leaves this process."""
        return True

    def close(self) -> None:
        """Hang up, and answer truthfully what that did."""
        provider = self._world.provider
        mine = {key: wire for key, wire in provider.wires.items() if wire.message.channel == self._channel}
        for key, wire in mine.items():
            del provider.wires[key]
            if wire.arrives_ms is None or wire.arrives_ms > self._world.now_ms:
                answer = rejected("closed")
            else:
                answer = unknown("no_reply")
            self._world.answers.setdefault(self._channel, []).append(Answered(*key, answer))


assert set(NO_WAY) | set(REFUSALS) <= set(REJECTED)
