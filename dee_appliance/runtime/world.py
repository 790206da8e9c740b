"""The simulated world: recipients that open, click, reply, bounce, unsubscribe and answer the phone.

What a recipient does about a send is a function of (seed, run, step, visit, attempt) and of the assumed shares, never of the
order in which things happen; it becomes inbox rows that arrive at later ticks. A file made with `--simulated` and
`dee simulate` use it; a real file never does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from dee_appliance.errors import Usage
from dee_appliance.kernel.e1.encoding import share_of
from dee_appliance.kernel.e1.input import Event, encode_input
from dee_appliance.kernel.e1.plan import CALL_OUTCOMES
from dee_appliance.store.inbox import InboxRow

if TYPE_CHECKING:
    from dee_appliance.kernel.e1.run import Permit

SOURCE = "world"
WHOLE = 10_000
"""Shares are parts of ten thousand."""


class Reaction(msgspec.Struct, frozen=True):
    """A thing that a recipient may do: the event, its kind, and between which seconds after the send it arrives."""

    event: str
    kind: str
    earliest_s: int
    latest_s: int


EMAIL_REACTIONS: dict[str, Reaction] = {
    "bounced": Reaction("email.bounced", "hard", 2, 60),
    "soft_bounced": Reaction("email.bounced", "soft", 2, 3_600),
    "delivered": Reaction("email.delivered", "", 1, 120),
    "opened": Reaction("email.opened", "", 120, 86_400),
    "clicked": Reaction("email.clicked", "", 180, 90_000),
    "auto_reply": Reaction("email.auto_reply", "", 30, 600),
    "replied": Reaction("email.replied", "", 600, 172_800),
    "unsubscribed": Reaction("email.unsubscribed", "", 300, 172_800),
    "complained": Reaction("email.complained", "", 300, 172_800),
}
SMS_REACTIONS: dict[str, Reaction] = {
    "delivered": Reaction("sms.delivered", "", 1, 30),
    "replied": Reaction("sms.replied", "", 60, 86_400),
    "stop": Reaction("sms.stop", "", 60, 86_400),
}
DEFAULT_SHARES: dict[str, int] = {
    "delivered": 9_700,
    "bounced": 150,
    "soft_bounced": 100,
    "opened": 3_500,
    "clicked": 600,
    "auto_reply": 200,
    "replied": 400,
    "unsubscribed": 80,
    "complained": 10,
    "stop": 100,
    "answered": 3_500,
    "voicemail": 2_500,
    "no_answer": 2_500,
    "busy": 700,
    "declined": 500,
    "failed": 300,
}


def parse_shares(text: str) -> dict[str, int]:
    """Read `replied=4%,bounced=1.5%` into parts of ten thousand. Raises Usage."""
    shares: dict[str, int] = {}
    for part in filter(None, (piece.strip() for piece in text.split(","))):
        name, equals, share = part.partition("=")
        if not equals or name not in DEFAULT_SHARES:
            known = ", ".join(sorted(DEFAULT_SHARES))
            raise Usage(f"`{part}` is no assumption", where="--assume", hint=f"NAME=SHARE%, NAME one of {known}")
        shares[name] = _share(share, part)
    return shares


def _share(text: str, part: str) -> int:
    whole, _, fraction = text.removesuffix("%").partition(".")
    digits = whole + fraction
    if not text.endswith("%") or not digits.isascii() or not digits.isdigit() or len(fraction) > 2:
        raise Usage(
            f"`{part}`: a share is a percentage like 4% or 1.5%", where="--assume", hint="replied=4%,bounced=1%"
        )
    share = int(whole or "0") * 100 + int(fraction.ljust(2, "0") or "0")
    if share > WHOLE:
        raise Usage(f"`{part}` is more than 100 %", where="--assume", hint="replied=4%,bounced=1%")
    return share


class SimulatedWorld:
    """Recipients with these shares (parts of ten thousand), on top of the defaults."""

    def __init__(self, seed: int, shares: dict[str, int] | None = None) -> None:
        self._seed = str(seed)
        self._shares = {**DEFAULT_SHARES, **(shares or {})}

    def reactions(self, permit: Permit, now: int) -> list[InboxRow]:
        """Return what the recipient of this send does, each row with the tick at which it arrives."""
        if permit.channel == "voice":
            return [self._call(permit, now)]
        table = EMAIL_REACTIONS if permit.channel == "email" else SMS_REACTIONS
        if permit.channel == "email":
            for bounce in ("bounced", "soft_bounced"):
                if self._does(permit, bounce):
                    return [self._row(permit, table[bounce], bounce, now)]
        names = [name for name in table if name not in ("bounced", "soft_bounced")]
        return [self._row(permit, table[name], name, now) for name in names if self._does(permit, name)]

    def _draw(self, permit: Permit, what: str, modulus: int) -> int:
        again = (str(permit.visit),) if permit.visit > 1 else ()
        parts = (self._seed, permit.run, permit.step, str(permit.attempt), what, *again)
        return share_of("dee.world.v1", parts, modulus)

    def _does(self, permit: Permit, name: str) -> bool:
        return self._draw(permit, name, WHOLE) < self._shares[name]

    def _row(self, permit: Permit, reaction: Reaction, name: str, now: int) -> InboxRow:
        spread = self._draw(permit, f"{name}.when", reaction.latest_s - reaction.earliest_s)
        return self._event(permit, reaction.event, reaction.kind, now + reaction.earliest_s + spread)

    def _event(self, permit: Permit, name: str, kind: str, tick: int) -> InboxRow:
        event = Event(name=name, send_key=permit.send_key, kind=kind, source=SOURCE)
        return InboxRow(source=SOURCE, received=tick, kind="event", payload=encode_input(event))

    def _call(self, permit: Permit, now: int) -> InboxRow:
        total = sum(self._shares[name] for name in CALL_OUTCOMES)
        drawn = self._draw(permit, "outcome", max(total, 1))
        outcome = "no_answer"
        for name in CALL_OUTCOMES:
            if drawn < self._shares[name]:
                outcome = name
                break
            drawn -= self._shares[name]
        return self._event(permit, f"call.{outcome}", "", now + 5 + self._draw(permit, "call.when", 90))
