"""One story of the simulator: a file is made and armed, things happen to it for weeks, then everybody is kind.

At the end nothing is broken any more: the disk is well, the clock right, the provider willing, people have released and resumed.
Then each run has to end, or to say why it does not; and the file is verified, replayed and compared.
"""

from __future__ import annotations

import random  # noqa: TID251 - drawn from the seed
import tempfile
import traceback
from collections import Counter
from functools import partial
from pathlib import Path

import msgspec
from sim_acts import Acts
from sim_case import CALM, DAY_MS, Case, Happening
from sim_documents import set_policy
from sim_machine import Machine
from sim_world import Broken, World, simulated

from dee_appliance import Engine
from dee_appliance.replay.compare_state import verify_state
from dee_appliance.replay.verify import verify
from dee_appliance.store.database import Database, open_reader

SETTLING_DAYS = 45
ATTEMPTS_A_HAPPENING = 5
NEWCOMER = 9_999
"""The number of a person whom no case draws."""
WAITS_FOR_A_PERSON = ("PAUSED", "FAILED")


class Told(msgspec.Struct, kw_only=True):
    """What a story has shown."""

    seed: int
    digest: str = ""
    days: int = 0
    invariant: str = ""
    """The first invariant that did not hold; empty: all did."""
    fault: str = ""
    sends: int = 0
    inputs: int = 0
    entries: int = 0
    tally: Counter[str] = msgspec.field(default_factory=Counter)
    checks: Counter[str] = msgspec.field(default_factory=Counter)
    story: list[str] = []


def tell(case: Case, *, verbose: bool = False) -> Told:
    """Let a case happen."""
    lines: list[str] = []
    with tempfile.TemporaryDirectory(prefix="dee-sim-", dir=_in_memory()) as folder:
        world = World(case, Path(folder), lines if verbose else None)
        told = Told(seed=case.seed)
        try:
            with simulated(world):
                _tell(world)
        except Broken as broken:
            told.invariant, told.fault = broken.invariant, str(broken)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is a fault, and the other stories go on
            told.invariant, told.fault = f"crash: {type(error).__name__}", traceback.format_exc()
        told.digest, told.days = world.watch.digest, world.now_ms // DAY_MS
        told.sends, told.inputs, told.entries = len(world.provider.taken), world.watch.seq, world.watch.entries
        told.tally = world.tally + Counter({f"entry {k}": n for k, n in world.watch.auditor.seen.items()})
        told.checks, told.story = world.watch.checks, lines
    return told


def _in_memory() -> str | None:
    memory = Path("/dev/shm")
    return str(memory) if memory.is_dir() else None


def _tell(world: World) -> None:
    acts, machine = Acts(world), Machine(world)
    _begin(world, acts)
    for one in world.case.happenings:
        if one.at_ms < world.case.until * DAY_MS:
            world.at(one.at_ms, partial(_happen, world, acts, machine, one))
    _run(world, world.case.until * DAY_MS)
    _settle(world, acts, machine)
    _forget(world, acts)
    _end(world)


def _begin(world: World, acts: Acts) -> None:
    """Make the file, with a policy, plans and people, and arm it."""
    dice = random.Random(f"begin {world.case.seed}")
    Engine.create(world.path, start=world.start, clock=world.loop_clock, state_dir=world.state)
    set_policy(world, dice)
    for name in acts.plans:
        acts.publish(name, dice)
    acts.bring(world.case.people)
    world.engine.arm()
    world.look()


def _happen(world: World, acts: Acts, machine: Machine, one: Happening, attempt: int = 1) -> None:
    """Let one happening happen; who could not write tries again later."""
    dice = random.Random(one.dice)
    world.tally[f"happening {one.kind}"] += 1

    def perform() -> None:
        if not machine.perform(one.kind, dice):
            acts.perform(one.kind, dice)

    done = world.somebody(f"#{one.no} {one.kind}", perform)
    if not done and attempt < ATTEMPTS_A_HAPPENING:
        world.at(world.now_ms + attempt * 20 * 60_000, lambda: _happen(world, acts, machine, one, attempt + 1))


def _run(world: World, until_ms: int) -> None:
    """Let the service run, and come back after each death, until then."""
    world.ends_ms = until_ms
    while world.now_ms < until_ms:
        if world.now_ms < world.down_until_ms:
            world.alone(min(world.down_until_ms, until_ms))
        else:
            world.live()
    world.ends_ms = None


def _settle(world: World, acts: Acts, machine: Machine) -> None:
    """Everybody is kind from now on."""
    world.say("everything is well from now on")
    disk = world.disk
    disk.fault, disk.at, disk.loss, world.kill_when = None, 0, None, ""
    world.skew_ms = max(0, (world.watch.tick - world.start) * 1_000 - world.now_ms)
    world.temper, world.provider.down_until_ms, world.down_until_ms = CALM, 0, 0
    end = world.now_ms + SETTLING_DAYS * DAY_MS
    for day in range(4):
        world.at(world.now_ms + day * DAY_MS, lambda: world.somebody("look whether it is armed", machine.arm_if_not))
        world.at(world.now_ms + day * DAY_MS, lambda: world.somebody("release", acts.release_all))
        world.at(world.now_ms + day * DAY_MS, lambda: world.somebody("resume", lambda: _resume(acts)))
    _run(world, end)


def _resume(acts: Acts) -> None:
    paused = acts.runs("PAUSED")
    if paused:
        acts._engine.operate("resume", paused)


def _forget(world: World, acts: Acts) -> None:
    """Somebody comes and is erased while somebody else reads: it is all in the WAL. Then again, when nobody reads."""
    there, found = set(acts.contacts()), []

    def beside_a_reader() -> None:
        with world.engine.view() as view:
            entries = view.database.stream("SELECT seq FROM audit")
            next(entries)
            acts.bring((NEWCOMER,))
            found.extend(sorted(set(acts.contacts()) - there))
            acts.erase(found[0])
            assert list(entries), "somebody has read until now"

    world.somebody("erase beside a reader", beside_a_reader)
    world.somebody("erase again", lambda: acts.erase(found[0]))


# ---- the end -----------------------------------------------------------------------------------------------------------


def _end(world: World) -> None:
    """What must hold when nothing is on its way any more."""
    with open_reader(world.path) as database:
        world.watch.look(database)
        world.watch.compare(database)
        for fault in world.acknowledged.faults(database, ended=True):
            world.broken("acknowledged is durable", fault)
        for fault in _stuck(world, database):
            world.broken("nothing is stuck", fault)
        for fault in _unaccounted(world, database):
            world.broken("ledgers agree", fault)
        lineage = database.execute("SELECT lineage FROM genesis")[0][0]
    verified = verify(world.path, tip=world.state.read_tip(lineage))
    if not verified.ok:
        world.broken("verify", str(verified.findings[:2]))
    compared = verify_state(world.path)
    if not compared.ok:
        world.broken("replay", str(compared.error()))
    for name in ("nothing is stuck", "ledgers agree", "verify", "replay"):
        world.watch.checks[name] += 1


def _stuck(world: World, database: Database) -> list[str]:
    """What should go on, and does not."""
    found = []
    if database.execute("SELECT id FROM inbox WHERE ready > 0 ORDER BY id"):
        found.append("rows of the inbox were never admitted")
    now = world.loop_clock.now()
    for run, due in database.execute(
        "SELECT run, due FROM timer JOIN run USING (run_no) WHERE due <= ? ORDER BY run", (now - 60,)
    ):
        found.append(f"{run} should have woken at {due}, it is {now}")
    for key, attempt in database.execute(
        "SELECT send_key, attempt FROM attempt WHERE state = 'DISPATCHING' ORDER BY attempt_no"
    ):
        found.append(f"{key} attempt {attempt} is still on its way")
    holds = {row[0] for row in database.execute("SELECT scope FROM hold ORDER BY scope, reason")}
    for key, channel, plan in database.execute(
        "SELECT send_key, channel, plan FROM attempt WHERE state = 'INTENDED' ORDER BY attempt_no"
    ):
        if not holds & {"*", f"channel:{channel}", f"plan:{plan}", f"plan:{plan}/{channel}"}:
            found.append(f"{key} of {plan} waits for {channel}, and nothing holds it")
    world.tally.update(f"ended {row[0]}" for row in database.execute("SELECT status FROM run ORDER BY run_no"))
    return found


def _unaccounted(world: World, database: Database) -> list[str]:
    """Accepted: the provider has it. Certainly not sent: it has not. Whatever it has is marked."""
    marks: dict[tuple[str, int], set[str]] = {}
    for key, attempt, mark in database.execute("SELECT send_key, attempt, mark FROM ledger ORDER BY attempt_no, mark"):
        marks.setdefault((key, attempt), set()).add(mark)
    taken = world.provider.attempts
    found = [
        f"{key} is accepted, and the provider has never seen it"
        for key in marks
        if "ACCEPTED" in marks[key] and key not in taken
    ]
    found += [f"{key} was taken, and is not marked" for key in sorted(taken) if key not in marks]
    certain = {"REJECTED", "NOT_SENT"}
    found += [
        f"{key} was taken, and is recorded as not sent" for key in sorted(taken) if marks.get(key, set()) & certain
    ]
    found += [
        f"{key} has no outcome"
        for key in sorted(marks)
        if marks[key] == {"DISPATCHING"} and not _ongoing(database, key)
    ]
    for key, count in sorted(Counter(one.send_key for one in world.provider.taken).items()):
        if count > 1 + world.resent(key):
            found.append(f"{key} was taken {count} times")
    return found


def _ongoing(database: Database, key: tuple[str, int]) -> bool:
    rows = database.execute("SELECT state FROM attempt WHERE send_key = ? AND attempt = ? ORDER BY attempt_no", key)
    return rows == [("ONGOING",)]
