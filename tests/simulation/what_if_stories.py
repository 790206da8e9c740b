"""Random what-ifs: the file of a random schedule, something that is changed in it, and what must hold whatever that is.

Half of the changes say the same in other words (another title, another name of the policy, another release of the same clocks):
they go the whole way of a change and must leave every run as it was. The others are drawn like the documents of schedules. Of
all of them: no socket, not a byte of the file, the same report twice, every run counted once.
"""

from __future__ import annotations

import hashlib
import random  # noqa: TID251 - a what-if is drawn from its seed
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
from msgspec.structs import replace
from schedule_documents import random_plan, random_policy, zone_document
from schedule_rules import random_rules
from schedules import run_schedule

from dee_appliance.errors import Refused
from dee_appliance.kernel.e1 import policy as policies
from dee_appliance.kernel.e1.civil_time import ZoneDocument
from dee_appliance.kernel.e1.encoding import canonical, document_digest
from dee_appliance.kernel.e1.plan import Plan, decode_plan
from dee_appliance.kernel.e1.policy import Policy, decode_policy
from dee_appliance.replay.changed_history import ChangedHistory
from dee_appliance.replay.changed_rules import ChangedRules
from dee_appliance.replay.what_if import WhatIf, what_if

AGAIN_EVERY = 5
"""Every so many what-ifs are asked twice."""


class Sockets:
    """Everything that this process does to sockets while somebody looks. An audit hook stays as long as the process does."""

    def __init__(self) -> None:
        self.seen: list[str] = []
        self._looking = False
        sys.addaudithook(self._heard)

    def _heard(self, event: str, _: tuple[Any, ...]) -> None:
        if self._looking and event.startswith("socket."):
            self.seen.append(event)

    @contextmanager
    def watched(self) -> Iterator[list[str]]:
        """Give the list of what is done inside."""
        self.seen.clear()
        self._looking = True
        try:
            yield self.seen
        finally:
            self._looking = False


@cache
def sockets() -> Sockets:
    """The one hook of this process."""
    return Sockets()


@dataclass
class Asked:
    """What came of one what-if, or of many."""

    seen: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)


class Recorded(msgspec.Struct, frozen=True, kw_only=True):
    """What a file has that can be changed: plans by name with all their versions, policies, time-zone tables."""

    plans: dict[str, list[Plan]]
    policies: list[Policy]
    zones: list[str]


def ask(seed: int, folder: Path) -> Asked:
    """Make the file of a seed, ask one what-if of it, and say what was wrong with the answer."""
    rng = random.Random(f"what-if {seed}")
    path = folder / f"what-if-{seed}.db"
    recorded = _record(seed, path)
    asked = Asked()
    neutral = rng.random() < 0.5
    kind, change = _neutral(rng, recorded) if neutral else _change(rng, recorded)
    asked.seen[f"what-ifs: {kind}"] += 1
    before = hashlib.sha256(path.read_bytes()).digest()
    with sockets().watched() as made:
        try:
            found = what_if(path, change)
            again = what_if(path, change) if seed % AGAIN_EVERY == 0 else found
        except Refused:
            asked.seen["refused: rules that contradict those of the file"] += 1
            path.unlink()
            return asked
    faults = {
        f"a socket was made: {made}": bool(made),
        "the file was changed": hashlib.sha256(path.read_bytes()).digest() != before,
        "the same question had another answer": again != found,
        "files were left beside the file": [one.name for one in folder.iterdir() if one.name != path.name] != [],
        **_uncounted(found),
    }
    if neutral:
        faults[f"nothing was changed, and yet: {found.shown[:2]} {found.dropped} {found.added}"] = _differs(found)
    asked.faults = [f"seed {seed}, {kind}: {fault}" for fault, so in faults.items() if so]
    _count(asked.seen, found)
    path.unlink()
    return asked


def _record(seed: int, path: Path) -> Recorded:
    with run_schedule(seed) as history:
        path.touch(mode=0o600)
        database = history.journal.database
        database.copy_pages(path)
        documents = database.execute("SELECT kind, body FROM document ORDER BY seq, digest")
    plans: dict[str, list[Plan]] = {}
    for plan in (decode_plan(body.encode()) for kind, body in documents if kind == "plan"):
        plans.setdefault(plan.plan, []).append(plan)
    return Recorded(
        plans=plans,
        policies=[decode_policy(body.encode()) for kind, body in documents if kind == "policy"],
        zones=[body for kind, body in documents if kind == "zones"],
    )


def _neutral(rng: random.Random, recorded: Recorded) -> tuple[str, ChangedHistory]:
    """Say the same in other words, of every document that has one version only."""
    alone = {name: versions[0] for name, versions in recorded.plans.items() if len(versions) == 1}
    plans = {name: replace(plan, title=f"in other words {rng.random()}") for name, plan in alone.items()}
    rules = ChangedRules()
    if len(recorded.policies) == 1:
        rules = ChangedRules(policy=replace(recorded.policies[0], id="in other words"))
    zones = None
    if len(recorded.zones) == 1:
        table = msgspec.json.decode(recorded.zones[0], type=ZoneDocument)
        zones = canonical(replace(table, version="2099z")).decode()
    return "the same in other words", ChangedHistory(plans=plans, rules=rules, zones=zones)


def _change(rng: random.Random, recorded: Recorded) -> tuple[str, ChangedHistory]:
    """Draw one change, or several of different kinds."""
    kinds = rng.sample(list(CHANGES), rng.choice([1, 1, 1, 2, 3]))
    change = ChangedHistory()
    for kind in kinds:
        change = CHANGES[kind](rng, recorded, change)
    return kinds[0] if len(kinds) == 1 else "several", change


def _plan(rng: random.Random, recorded: Recorded, change: ChangedHistory) -> ChangedHistory:
    name = rng.choice(sorted(recorded.plans))
    return replace(change, plans={name: random_plan(rng, name, 1)})


def _policy(rng: random.Random, recorded: Recorded, change: ChangedHistory) -> ChangedHistory:
    del recorded
    return replace(change, rules=replace(change.rules, policy=random_policy(rng)))


def _rates(rng: random.Random, recorded: Recorded, change: ChangedHistory) -> ChangedHistory:
    rates = tuple(replace(rate, micros=rng.randint(0, 400)) for rate in recorded.policies[0].rates)
    return replace(change, rules=replace(change.rules, rates=policies.Policy(id="rates", rates=rates)))


def _pack(rng: random.Random, recorded: Recorded, change: ChangedHistory) -> ChangedHistory:
    del recorded
    rules = random_rules(rng, "what-if/")
    pack = policies.Pack(id="what-if", version="1", as_of="2026-11-18", notice="no advice", rules=rules)
    return replace(change, rules=replace(change.rules, use=(pack,)))


def _retire(rng: random.Random, recorded: Recorded, change: ChangedHistory) -> ChangedHistory:
    del recorded
    return replace(change, rules=replace(change.rules, retire=(rng.choice(["alpha", "beta"]),)))


def _zones(rng: random.Random, recorded: Recorded, change: ChangedHistory) -> ChangedHistory:
    del recorded
    return replace(change, zones=zone_document(moved=rng.random() < 0.8)[1])


def _template(rng: random.Random, recorded: Recorded, change: ChangedHistory) -> ChangedHistory:
    del recorded
    body = canonical({"subject": "Hello", "text": f"Good day {rng.random()}"})
    digest = document_digest("template", body)
    return replace(change, templates={"t": digest}, documents={digest: ("template", body.decode())})


CHANGES = {
    "another plan": _plan,
    "another policy": _policy,
    "another rate card": _rates,
    "a pack more": _pack,
    "a pack less": _retire,
    "another time-zone table": _zones,
    "another template": _template,
}


def _uncounted(found: WhatIf) -> dict[str, bool]:
    counts = found.counts
    beyond = sum(one.runs for one in found.outcomes if one.after == "beyond history")
    return {
        "a run was not counted, or twice": counts.runs != counts.same + counts.changed + counts.beyond,
        "the matrix has another sum": counts.runs != sum(one.runs for one in found.outcomes),
        "the matrix has other runs beyond history": counts.beyond != beyond,
        "nothing is uncertain, and yet runs are beyond history": beyond > 0 and found.uncertain_from is None,
    }


def _differs(found: WhatIf) -> bool:
    pairs = (found.sends, found.held, found.denied, found.failed, found.not_enrolled, found.cost)
    unequal = any(then != now for one in pairs for then, now in one.values())
    return unequal or found.counts.same != found.counts.runs or bool(found.dropped or found.added or found.refused)


def _count(seen: Counter[str], found: WhatIf) -> None:
    seen["inputs decided again"] += found.inputs
    seen["runs"] += found.counts.runs
    seen["runs the same"] += found.counts.same
    seen["runs changed"] += found.counts.changed
    seen["runs beyond history"] += found.counts.beyond
    seen["documents changed"] += len(found.swaps)
    for what, counts in (("dropped", found.dropped), ("refused", found.refused), ("added", found.added)):
        for kind, count in counts.items():
            seen[f"{what}: {kind}"] += count
