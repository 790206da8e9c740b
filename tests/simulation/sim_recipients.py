"""Simulated recipients: what they do about a message, as webhooks that come late, twice, and in any order.

A function of seed, send key and attempt. A webhook is delivered through the public API by a process of its own; when that dies,
or cannot write, the provider delivers it again.
"""

from __future__ import annotations

import random  # noqa: TID251 - drawn from the seed
from functools import partial
from typing import TYPE_CHECKING

import msgspec

from dee_appliance.kernel.e1.plan import CALL_OUTCOMES

if TYPE_CHECKING:
    from sim_provider import Taken
    from sim_world import World

MINUTE_MS, HOUR_MS, DAY_MS = 60_000, 3_600_000, 86_400_000
EMAIL = (
    ("email.delivered", "", MINUTE_MS, 90),
    ("email.bounced", "hard", MINUTE_MS, 4),
    ("email.bounced", "soft", HOUR_MS, 4),
    ("email.opened", "", DAY_MS, 40),
    ("email.clicked", "", DAY_MS, 15),
    ("email.auto_reply", "", HOUR_MS, 5),
    ("email.replied", "", 2 * DAY_MS, 15),
    ("email.unsubscribed", "", 2 * DAY_MS, 6),
    ("email.complained", "", 2 * DAY_MS, 2),
)
SMS = (
    ("sms.delivered", "", MINUTE_MS, 90),
    ("sms.replied", "", DAY_MS, 25),
    ("sms.stop", "", DAY_MS, 5),
    ("sms.start", "", 3 * DAY_MS, 3),
)
WORDS = ("STOP", "Stop please", "yes", "START", "HELP", "who is this?")


class Webhook(msgspec.Struct, frozen=True):
    """One thing that a provider tells."""

    name: str
    kind: str
    send_key: str
    contact: str
    text: str
    token: str


class Recipients:
    """Everybody who gets something."""

    def __init__(self, world: World) -> None:
        self._world = world

    def react(self, taken: Taken) -> None:
        """Decide what becomes of a message, and when one hears of it."""
        world = self._world
        dice = random.Random(f"{world.case.seed} reacts {taken.send_key} {taken.attempt}")
        if taken.channel == "voice":
            told = [(f"call.{dice.choice(tuple(CALL_OUTCOMES))}", "", 10 * MINUTE_MS)] if dice.random() < 0.9 else []
        else:
            talks = world.temper.talks
            table = EMAIL if taken.channel == "email" else SMS
            told = [
                (name, kind, spread) for name, kind, spread, share in table if dice.randrange(8_000) < share * talks
            ]
        for number, (name, kind, spread) in enumerate(told):
            text = dice.choice(WORDS) if name == "sms.replied" and dice.random() < 0.5 else ""
            token = f"{taken.send_key[:12]}-{taken.attempt}-{number}"
            hook = Webhook(name, kind, taken.send_key, taken.contact, text, token)
            delay = dice.randrange(1_000, spread)
            for _ in range(1 + (dice.randrange(100) < world.temper.repeats)):
                late = dice.randrange(3 * DAY_MS) if dice.randrange(100) < world.temper.repeats // 4 else 0
                world.at(world.now_ms + delay + late, partial(self.deliver, hook))
                delay += dice.randrange(HOUR_MS)

    def deliver(self, hook: Webhook, wait_ms: int = 5 * MINUTE_MS) -> None:
        """Tell the appliance, and again after a longer and longer while as long as nobody takes it."""
        world = self._world
        if not world.somebody(f"webhook {hook.name} about {hook.send_key[:8]}", lambda: self._tell(hook)):
            world.tally["webhook again"] += 1
            world.at(world.now_ms + wait_ms, partial(self.deliver, hook, min(2 * wait_ms, 6 * HOUR_MS)))

    def _tell(self, hook: Webhook) -> None:
        world = self._world
        world.engine.add_event(hook.name, send_key=hook.send_key, kind=hook.kind, text=hook.text, dedupe=hook.token)
        if hook.token in world.acknowledged.tokens:
            world.tally["webhook repeated"] += 1
            return  # a repetition says nothing new
        world.acknowledged.tokens.add(hook.token)
        if hook.name in ("email.unsubscribed", "email.complained"):
            world.acknowledged.said_no(hook.contact, "email")
        elif hook.name == "sms.stop" or hook.text == "STOP":
            world.acknowledged.said_no(hook.contact, "sms")
        elif hook.name == "sms.start" or hook.text == "START":
            world.acknowledged.said_yes(hook.contact)
