"""What a seed of the simulator draws: the people, how good or bad the world is, and what happens to the appliance, and when.

A case is complete before it begins. Each happening has dice of its own, so that one can be left out and the others stay what they
are: that is how a failing case is made small.
"""

from __future__ import annotations

import random  # noqa: TID251 - a case is drawn from its seed

import msgspec
from msgspec.structs import replace

DAY_MS = 86_400_000
HOUR_MS = 3_600_000
DAYS = 30

PEOPLE = {
    "import": 3, "import again": 1, "enroll": 10, "event": 5, "consent": 3, "suppress": 2, "lift": 1, "erase": 1,
}  # fmt: skip
OPERATORS = {
    "halt": 2, "release": 4, "pause": 2, "resume": 2, "cancel": 1, "retry": 3, "resolve": 3, "resend": 1, "skip": 1, "task": 2,
    "policy": 1, "plan": 1, "pack": 1, "retire pack": 1, "fact": 1, "zones": 1, "list": 1,
}  # fmt: skip
MACHINE = {"restart": 3, "second loop": 2, "copy": 2, "older backup": 1, "moved": 1, "reader": 1}
FAULTS = {
    "kill": 8, "kill while idle": 2, "kill while sending": 8, "power cut": 8, "kill and power cut": 3, "disk full": 5,
    "i/o error": 8, "clock jumps": 2, "suspend": 2, "outage": 2, "provider down": 3, "others die": 4,
}  # fmt: skip


LAST_WORD = "last word"
"""People say no at the very moment at which the loop is about to send to them."""


class Happening(msgspec.Struct, frozen=True):
    """Something that happens at a moment (milliseconds from the beginning); `dice` seeds what is left to chance in it."""

    no: int
    at_ms: int
    kind: str
    dice: int


class Temper(msgspec.Struct, frozen=True, kw_only=True):
    """How the world is, in parts of a hundred."""

    refuses: int
    """How often the provider refuses, or cannot be reached."""
    silent: int
    """How often nobody can say whether it has the message."""
    slow: int
    talks: int
    """How much recipients do."""
    repeats: int
    """How often a webhook is delivered again, or late."""


CALM = Temper(refuses=0, silent=0, slow=0, talks=0, repeats=0)


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """One story before it happens."""

    seed: int
    days: int
    until: int
    """The day after which nothing more happens."""
    people: tuple[int, ...]
    plans: int
    temper: Temper
    happenings: tuple[Happening, ...]


def draw(seed: int, days: int = DAYS) -> Case:
    """Draw the case of a seed."""
    rng = random.Random(f"case {seed}")
    storm = rng.choice((0.0, 0.2, 0.6, 1.0, 1.5, 3.0))
    life = rng.choice((0.3, 1.0, 3.0))
    kinds: list[str] = []
    for table, rate in ((PEOPLE, life), (OPERATORS, life * 0.6), (MACHINE, 0.15), (FAULTS, storm * 0.5)):
        kinds += rng.choices(list(table), list(table.values()), k=round(days * rate))
    happenings = [(rng.randrange(days * DAY_MS), kind, rng.randrange(2**32)) for kind in kinds]
    happenings += [(HOUR_MS, "enroll", rng.randrange(2**32)), (6 * HOUR_MS, "enroll", rng.randrange(2**32))]
    trouble = rng.choice((0, 1, 1, 3))
    temper = Temper(
        refuses=trouble * rng.choice((3, 8)),
        silent=trouble * rng.choice((2, 5)),
        slow=rng.choice((5, 30, 60)),
        talks=rng.choice((10, 40, 80)),
        repeats=rng.choice((0, 10, 40)),
    )
    happenings.sort()
    happenings += _last_words(seed, days)
    return Case(
        seed=seed,
        days=days,
        until=days,
        people=tuple(range(rng.choice((3, 8, 20)))),
        plans=rng.choice((1, 2, 3)),
        temper=temper,
        happenings=tuple(Happening(no, *one) for no, one in enumerate(happenings, start=1)),
    )


def _last_words(seed: int, days: int) -> list[tuple[int, str, int]]:
    """Draw how often people say no at the last moment; whatever else a seed draws stays what it is."""
    rng = random.Random(f"last words {seed}")
    count = round(days * rng.choice((0.0, 0.2, 0.5, 1.0)))
    return [(rng.randrange(days * DAY_MS), LAST_WORD, rng.randrange(2**32)) for _ in range(count)]


def only(case: Case, numbers: tuple[int, ...]) -> Case:
    """The same case with these happenings alone."""
    return replace(case, happenings=tuple(one for one in case.happenings if one.no in numbers))


def command(case: Case) -> str:
    """What to type to see this case again."""
    whole = draw(case.seed, case.days)
    words = [f"python -m bench.simulator --seed {case.seed} --days {case.days}"]
    if case.until != whole.until:
        words.append(f"--until {case.until}")
    if case.people != whole.people:
        words.append(f"--people {','.join(map(str, case.people))}")
    if case.temper != whole.temper:
        words.append("--calm")
    if case.happenings != whole.happenings:
        words.append(f"--only {','.join(str(one.no) for one in case.happenings) or '0'}")
    return " ".join([*words, "--verbose"])
