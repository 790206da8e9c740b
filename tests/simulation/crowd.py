"""One contact with two runs, alone or among a crowd whose timers are all late: played through the real loop on a real file.

The story: both runs begin, the process stops for two and a half days, the crowd's timers become due meanwhile, and so do the
contact's own; two things that happened in between wait in the inbox. Then the loop goes on until nothing is left to do.
"""

from __future__ import annotations

from pathlib import Path

import msgspec
from schedules import heads_of

from dee_appliance import Engine
from dee_appliance.kernel.e1 import input as inputs
from dee_appliance.kernel.e1.encoding import canonical
from dee_appliance.runtime.appliance import Appliance, open_appliance
from dee_appliance.runtime.clock import SetClock
from dee_appliance.runtime.loop import LoopLimits
from dee_appliance.store.inbox import InboxRow, append_rows
from dee_appliance.store.journal import Brought
from dee_appliance.store.state_dir import StateDir

BEGIN = 1_795_000_000
HOUR_S = 3_600
DAY_S = 86_400
LATE = BEGIN + 2 * DAY_S + 12 * HOUR_S
CHUNK = 5_000
ONE = "c_one"
PLANS = {
    "mine": """
[[exit]]
when = 'event("stop")'
outcome = "stopped"

[[step]]
id = "first"
do = "send_email"
template = "note"

[[step]]
id = "pause"
do = "wait"
until = 'event("visit")'
then = "text"
for = "1d"

[[step]]
id = "second"
do = "send_email"
template = "note"
next = "morning"

[[step]]
id = "text"
do = "send_email"
template = "note"

[[step]]
id = "morning"
do = "wait"
at = 09:00:00
on_days = "Mon-Fri"

[[step]]
id = "third"
do = "send_email"
template = "note"

[[step]]
id = "end"
do = "end"
outcome = "done"
""",
    "also-mine": """
[[step]]
id = "pause"
do = "wait"
for = "36h"

[[step]]
id = "which"
do = "branch"
case = [{ when = 'event("visit")', then = "note" }]
else = "end"

[[step]]
id = "note"
do = "send_email"
template = "note"

[[step]]
id = "end"
do = "end"
outcome = "done"
""",
    "crowd": """
[[step]]
id = "end"
do = "end"
outcome = "done"
""",
}


class Played(msgspec.Struct, frozen=True, kw_only=True):
    """What became of the one contact: the head of each of its runs, and the ends of its waits as (run, tick, detail)."""

    heads: dict[str, tuple[int, str]]
    waits: list[tuple[str, int, dict[str, object]]]
    turns: int


def play(folder: Path, *, others: int, limits: LoopLimits, seconds_a_turn: int = 0) -> Played:
    """Play the story. `seconds_a_turn`: how much time the draining of the backlog takes, turn by turn."""
    folder.mkdir()
    path = _made(folder)
    clock = SetClock(BEGIN)
    with open_appliance(path, "test", clock=clock, state_dir=StateDir(folder / "state")) as appliance:
        _begin(appliance, others)
        loop = appliance.loop(limits=limits)
        while clock.now() == BEGIN:
            loop.turn(1.0)
        clock.set(LATE)
        rows = (_happened("visit", BEGIN + DAY_S + 2 * HOUR_S), _happened("nothing", BEGIN + DAY_S + 6 * HOUR_S))
        with appliance.database.transaction() as database:
            append_rows(database, rows)
        turns = 0
        while loop.turn(1.0):
            turns += 1
            clock.set(clock.now() + seconds_a_turn)
        loop.finish()
        assert appliance.journal.state.next_due() is None
        heads = heads_of(appliance.database)
        assert len(heads) == others + 2
        mine = appliance.database.execute("SELECT run FROM run WHERE contact = ? ORDER BY run_no", (ONE,))
        chosen = {run: heads[run] for (run,) in mine}
        return Played(heads=chosen, waits=_waits(appliance, set(chosen)), turns=turns)


def _waits(appliance: Appliance, runs: set[str]) -> list[tuple[str, int, dict[str, object]]]:
    found: list[tuple[str, int, dict[str, object]]] = []
    for (body,) in appliance.database.execute("SELECT body FROM audit ORDER BY seq"):
        entry = msgspec.json.decode(body)
        core = entry["core"]
        if entry["run"] in runs and core["action"] == "wait":
            found.append((entry["run"], core["tick"], core["detail"]))
    return found


def _made(folder: Path) -> Path:
    (folder / "templates").mkdir()
    (folder / "templates" / "note.eml.j2").write_text("Subject: Note\n\nDear {{ contact.first_name }},\n\nhello.\n")
    path = folder / "own.db"
    state = StateDir(folder / "state")
    engine = Engine.create(path, simulated=True, start=BEGIN, state_dir=state)
    for name, steps in PLANS.items():
        file = folder / f"{name}.toml"
        file.write_text(f'plan = "{name}"\nversion = 1\npurpose = "transactional"\n{steps}')
        engine.publish_plan(file)
    return path


def _begin(appliance: Appliance, others: int) -> None:
    """Let the contact in, then the crowd, whose runs start one after the other during the outage."""
    profile = canonical({"email": "one@example.org", "first_name": "One"}).decode()
    vault = {ONE: {"profile": profile, "secret": "11" * 32}}
    facts: dict[str, object] = {"present": ["email"], "zones": {"declared": ["Europe/Berlin"]}}
    one = inputs.ContactPut(contact=ONE, facts=facts, tokens={"email": "one"})
    with appliance.database.transaction():
        _admit(appliance, one, Brought(vault=vault))
        _admit(appliance, inputs.ConsentSet(contact=ONE, channel="email", granted=True))
        _admit(appliance, inputs.Enroll(contact=ONE, plan="mine"))
        _admit(appliance, inputs.Enroll(contact=ONE, plan="also-mine"))
        appliance.journal.flush()
    for first in range(0, others, CHUNK):
        with appliance.database.transaction():
            for number in range(first, min(first + CHUNK, others)):
                start = BEGIN + HOUR_S + number * 7 % (2 * DAY_S)
                _admit(appliance, inputs.ContactPut(contact=f"c_{number}"))
                _admit(appliance, inputs.Enroll(contact=f"c_{number}", plan="crowd", start=start))
            appliance.journal.flush()


def _admit(appliance: Appliance, value: inputs.Input, brought: Brought | None = None) -> None:
    kind, payload = inputs.KIND_OF[type(value)], inputs.encode_input(value).decode()
    _, outcome = appliance.journal.admit(BEGIN, BEGIN, "test", kind, payload, brought=brought)
    assert outcome == "done", (kind, outcome)


def _happened(name: str, received: int) -> InboxRow:
    payload = msgspec.json.encode(inputs.Event(name=name, contact=ONE), order="sorted")
    return InboxRow(source="test", received=received, kind="event", payload=payload)
