"""What must be true of the stops of any run of any file, and random walks through them."""

from __future__ import annotations

import random  # noqa: TID251 - walks are drawn from their seed
from contextlib import suppress
from pathlib import Path

from run_witness import Witness

from dee_appliance.cli.debug_commands import COMMANDS, PARTS, SHORT, Answer, Prompt
from dee_appliance.errors import Refused
from dee_appliance.runtime.debug_stops import Stop
from dee_appliance.runtime.debugger import Debugger, debug

GARBAGE = ("", "#", "gogo", "goto", "goto tick", "goto tick x", "goto stop 0", "next -1", "next 9999999999999999999", "show",
           "show x", "break", "break rule", "watch", "list some", "back back", "q q", "\x00", "é", "goto tick 99999999999999",
           "goto input 99999999", "continue back", "clear x", ";;", "show snapshot now")  # fmt: skip


def after(stop: Stop) -> dict[str, object]:
    """The picture that a stop left behind."""
    found = dict(stop.snapshot)
    for change in stop.changes:
        if change.after is None:
            found.pop(change.name, None)
        else:
            found[change.name] = change.after
    return found


def check_stops(path: Path, run: str, seen: Witness) -> Debugger:
    """Hold every stop of a run against what the witness saw."""
    debugger = debug(path, run)
    assert debugger.report.same
    stops = list(debugger.stops())
    inputs = [stop.input.seq for stop in stops]
    assert inputs == sorted(set(inputs))
    changed = seen.changed[run]
    assert set(changed) <= set(inputs), "an input touched the run, and is no stop"
    for stop in stops:
        assert stop.input.seq in changed or stop.by == ("gate",), stop.number
    assert [line.hash for stop in stops for line in stop.entries] == seen.entries[run]
    before: dict[str, object] = {}
    for stop in stops:
        own = {name: value for name, value in stop.snapshot.items() if name.startswith(("run.", "attempt."))}
        assert own == before, (stop.number, own, before)
        left = after(stop)
        before = {name: value for name, value in left.items() if name.startswith(("run.", "attempt."))}
        if stop.input.seq in changed:
            row = changed[stop.input.seq]
            assert (left["run.head"], left["run.entries"]) == (row["rp"], row["rs"])
            assert left["run.status"] == row.get("status", "PENDING") == stop.status
            assert left.get("run.step", "") == row.get("step", "")
            due = row.get("due")
            assert left.get("run.due_tick") == (None if due is None else due - debugger.epoch)
    return debugger


def random_line(draw: random.Random, size: int) -> str:
    """A command that may mean something."""
    name = draw.choice([*COMMANDS, *SHORT])
    match SHORT.get(name, name):
        case "next" | "back":
            return f"{name} {draw.randrange(4)}"
        case "goto":
            kind = draw.choice(["tick", "input", "stop"])
            return f"goto {kind} {draw.randrange(1, size * 3) ** (2 if kind == 'tick' else 1)}"
        case "gate" | "fail" | "send" | "continue":
            return f"{name} {draw.choice(['', 'back'])}"
        case "show":
            return f"show {draw.choice(['', *PARTS])}"
        case "break":
            return draw.choice(["break step intro", "break rule daily", "break action send_email", "watch run.status"])
        case "quit":
            return draw.choice(GARBAGE)
        case _:
            return name


def check_walk(path: Path, debugger: Debugger, seed: int, steps: int = 40) -> None:
    """Walk at random, and hold what is shown at the end of each walk against one who walked straight there."""
    draw = random.Random(seed)
    prompt = Prompt(debugger)
    straight = list(debug(path, debugger.stop.run).stops())
    for _ in range(steps):
        line = random_line(draw, len(debugger))
        with suppress(Refused):
            answer = prompt.do(line)
            assert answer is None or isinstance(answer, Answer)
        assert debugger.stop == straight[debugger.stop.number - 1], line
