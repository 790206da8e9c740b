"""The commands of the debugger: their table, how a line is read, and what each does. Nothing here prints."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, NamedTuple

from dee_appliance.cli import debug_words as words
from dee_appliance.errors import Usage

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from dee_appliance.runtime.debug_stops import Stop
    from dee_appliance.runtime.debugger import BreakKind, Debugger

BACK = "back"
NEAR = 10
"""How many stops `list` shows on either side."""
MAX_COUNT = 1_000_000_000


class Command(NamedTuple):
    """One command of the table: its short form, what may follow, and what it does in words."""

    short: str
    arguments: str
    help: str


COMMANDS: dict[str, Command] = {
    "next": Command("n", "[COUNT]", "to the next stop, or so many further"),
    "back": Command("b", "[COUNT]", "to the stop before, or so many back"),
    "goto": Command("g", "tick T | input SEQ | stop N", "to the run as it was at a tick or UTC time, to an input, to a stop"),
    "start": Command("s", "", "to the first stop"),
    "end": Command("e", "", "to the last stop"),
    "gate": Command("", "[back]", "to the next question to the gate"),
    "fail": Command("f", "[back]", "to the next stop at which something was refused, failed, or is unknown"),
    "send": Command("", "[back]", "to the next send that was handed over"),
    "break": Command("br", "step ID | rule ID | action A", "stop at a step, where a rule does not pass, at an action of the log"),
    "watch": Command("", "NAME", "stop where a value of the snapshot changes: run.status, contact.consent …"),
    "clear": Command("", "", "forget what break and watch were told"),
    "continue": Command("c", "[back]", "to the next stop that break or watch asked for"),
    "show": Command("", "[PART]", "everything about this stop, or one part of it"),
    "where": Command("w", "", "which stop this is"),
    "list": Command("l", "[all]", "the stops around this one, or all"),
    "help": Command("h", "", "this list"),
    "quit": Command("q", "", "leave"),
}  # fmt: skip
SHORT = {command.short: name for name, command in COMMANDS.items() if command.short}
PARTS = ("snapshot", "input", "verdict", "entries", "diff", "personal", "divergence")
BREAKS: tuple[BreakKind, ...] = ("step", "rule", "action")


class Answer(NamedTuple):
    """What a command gives: lines for people, fields for programs, and whether it was the last one."""

    lines: tuple[str, ...]
    record: dict[str, object]
    last: bool = False


class Prompt:
    """Carries out one command after the other on a debugger."""

    def __init__(self, debugger: Debugger) -> None:
        self._debugger = debugger
        self._does: dict[str, Callable[[list[str]], Answer]] = {
            "next": lambda given: self._step(given, forward=True),
            "back": lambda given: self._step(given, forward=False),
            "goto": self._goto,
            "start": lambda given: self._moved(None if _none(given) else self._debugger.start(), ""),
            "end": lambda given: self._moved(None if _none(given) else self._debugger.end(), ""),
            "gate": lambda given: self._find(given, self._debugger.gate, "no question to the gate"),
            "fail": lambda given: self._find(given, self._debugger.failure, "nothing refused, failed or unknown"),
            "send": lambda given: self._find(given, self._debugger.send, "no send handed over"),
            "break": self._break,
            "watch": self._watch,
            "clear": self._clear,
            "continue": self._continue,
            "show": self._show,
            "where": self._where,
            "list": self._list,
            "help": self._help,
            "quit": self._quit,
        }

    def do(self, line: str) -> Answer | None:
        """Carry out a line; None for an empty one or a comment. Raises Usage for one that is no command, and Refused."""
        given = line.partition("#")[0].split()
        if not given:
            return None
        name, *arguments = given
        found = SHORT.get(name, name)
        if found not in COMMANDS:
            near = difflib.get_close_matches(name, COMMANDS, n=1)
            meant = f": did you mean `{near[0]}`?" if near else ""
            raise Usage(f"there is no command `{name}`{meant}", hint=f"{', '.join(COMMANDS)}")
        answer = self._does[found](arguments)
        return answer._replace(record={"command": " ".join([found, *arguments]), **answer.record})

    # ---- moving ----

    def _step(self, given: list[str], *, forward: bool) -> Answer:
        count = _number(given[0], "COUNT") if _most(given, 1) and given else 1
        debugger = self._debugger
        moved = debugger.next(count) if forward else debugger.back(count)
        return self._moved(moved, f"this is the {'last' if forward else 'first'} stop")

    def _goto(self, given: list[str]) -> Answer:
        from dee_appliance.cli.instant import parse_instant

        usage = "goto tick T, goto input SEQ or goto stop N"
        kind, value = given if len(given) == 2 else ("", "")
        match kind:
            case "tick":
                stop = self._debugger.goto_tick(parse_instant(value, epoch=self._debugger.epoch, where="goto tick"))
            case "input":
                stop = self._debugger.goto_input(_number(value, "SEQ"))
            case "stop":
                stop = self._debugger.goto(_number(value, "N"))
            case _:
                raise Usage("goto what?", hint=usage)
        return self._moved(stop, "")

    def _find(self, given: list[str], find: Callable[..., Stop | None], nothing: str) -> Answer:
        backwards = _is_back(given)
        return self._moved(find(backwards=backwards), f"{nothing} {'before' if backwards else 'after'} this stop")

    def _continue(self, given: list[str]) -> Answer:
        if not self._debugger.breaks:
            raise Usage(
                "nothing was said where to stop", hint="break step ID, break rule ID, break action A, watch NAME"
            )
        asked = ", ".join(f"{one.kind} {one.name}" for one in self._debugger.breaks)
        return self._find(given, self._debugger.proceed, f"no stop for {asked}")

    def _moved(self, stop: Stop | None, why: str) -> Answer:
        import msgspec

        moved = stop is not None
        stop = stop or self._debugger.stop
        if not moved:
            diverged = self._debugger.report.divergence
            lines = [f"{why}: stop {stop.number} of {len(self._debugger)}"]
            if diverged is not None and stop.number == len(self._debugger):
                lines += words.divergence_lines(diverged)
            return Answer(tuple(lines), {"moved": False, "stop": stop.number, "why": why})
        record = {"moved": True, "stop": stop.number, **msgspec.to_builtins(stop)}
        return Answer(tuple(words.where_lines(self._debugger, stop)), record)

    # ---- where to stop ----

    def _break(self, given: list[str]) -> Answer:
        if not given:
            return self._breaks()
        if len(given) != 2 or given[0] not in BREAKS:
            raise Usage("break at what?", hint="break step ID, break rule ID or break action A")
        kind = next(one for one in BREAKS if one == given[0])
        return self._add(kind, given[1])

    def _watch(self, given: list[str]) -> Answer:
        if len(given) != 1:
            raise Usage(
                "watch what?", hint="watch NAME, a name of `show snapshot`: run.status, contact.consent, counter …"
            )
        return self._add("watch", given[0])

    def _add(self, kind: BreakKind, name: str) -> Answer:
        from dee_appliance.runtime.debugger import Break

        self._debugger.breaks.append(Break(kind, name))
        return self._breaks()

    def _clear(self, given: list[str]) -> Answer:
        _none(given)
        self._debugger.breaks.clear()
        return self._breaks()

    def _breaks(self) -> Answer:
        breaks = self._debugger.breaks
        lines = tuple(f"stops at {one.kind} {one.name}" for one in breaks) or ("stops nowhere by itself",)
        return Answer(lines, {"breaks": [{"kind": one.kind, "name": one.name} for one in breaks]})

    # ---- looking ----

    def _show(self, given: list[str]) -> Answer:
        part = given[0] if _most(given, 1) and given else ""
        fitting = [one for one in PARTS if one.startswith(part)]
        if part and len(fitting) != 1:
            raise Usage(f"there is nothing to show that is called `{part}`", hint=f"show {', show '.join(PARTS)}")
        stop = self._debugger.stop
        if not part:
            return self._show_all(stop)
        return self._part(fitting[0], stop)

    def _show_all(self, stop: Stop) -> Answer:
        import msgspec

        epoch = self._debugger.epoch
        lines = [*words.where_lines(self._debugger, stop)]
        for part in (
            words.snapshot_lines(stop, epoch),
            words.input_lines(stop),
            words.verdict_lines(stop),
            words.entry_lines(stop),
            words.diff_lines(stop, epoch),
        ):
            lines += ["", *part]
        return Answer(tuple(lines), {"stop": stop.number, **msgspec.to_builtins(stop)})

    def _part(self, part: str, stop: Stop) -> Answer:
        epoch = self._debugger.epoch
        values: dict[str, object]
        match part:
            case "snapshot":
                values = {"snapshot": stop.snapshot, "since": stop.since}
                lines: Iterable[str] = words.snapshot_lines(stop, epoch)
            case "input":
                values, lines = {"input": stop.input}, words.input_lines(stop)
            case "verdict":
                values, lines = {"verdict": stop.moments}, words.verdict_lines(stop)
            case "entries":
                values, lines = {"entries": stop.entries, "beside": stop.beside}, words.entry_lines(stop)
            case "diff":
                values, lines = {"changes": stop.changes}, words.diff_lines(stop, epoch)
            case "personal":
                found = self._debugger.personal()
                values, lines = {"personal": found}, _personal_lines(found)
            case _:
                diverged = self._debugger.report.divergence
                none = ("the file replays: every entry is as recorded",)
                values = {"divergence": diverged}
                lines = none if diverged is None else words.divergence_lines(diverged)
        return Answer(tuple(lines), {"stop": stop.number, **values})

    def _where(self, given: list[str]) -> Answer:
        _none(given)
        return self._moved(self._debugger.stop, "")

    def _list(self, given: list[str]) -> Answer:
        if given not in ([], ["all"]):
            raise Usage(f"list or list all, not `list {' '.join(given)}`", hint="list all")
        debugger, here = self._debugger, self._debugger.stop.number
        first, last = (1, len(debugger)) if given else (max(1, here - NEAR), min(len(debugger), here + NEAR))
        stops = [debugger.stop_at(number) for number in range(first, last + 1)]
        lines = [words.list_line(stop, here=stop.number == here) for stop in stops]
        record = [
            {"stop": one.number, "input": one.input.seq, "tick": one.at.tick, "utc": one.at.utc, "kind": one.input.kind,
             "status": one.status, "reason": one.reason, "step": one.step, "texts": [told.text for told in one.moments]}
            for one in stops
        ]  # fmt: skip
        return Answer(tuple(lines), {"stop": here, "of": len(debugger), "stops": record})

    def _help(self, given: list[str]) -> Answer:
        del given
        return Answer(tuple(help_lines()), {"commands": list(COMMANDS)})

    def _quit(self, given: list[str]) -> Answer:
        _none(given)
        return Answer((), {}, last=True)


def help_lines() -> Iterator[str]:
    """Write the table of commands."""
    rows = [
        (f"{name}, {command.short}" if command.short else name, command.arguments, command.help)
        for name, command in COMMANDS.items()
    ]
    wide, wider = (max(len(row[column]) for row in rows) for column in (0, 1))
    yield from (f"  {name:<{wide}}  {arguments:<{wider}}  {told}" for name, arguments, told in rows)
    yield f"  parts of a stop: {', '.join(PARTS)}; the first letters will do"


def _personal_lines(found: dict[str, str]) -> Iterator[str]:
    if not found:
        yield "no personal data came with this input, or they were erased"
    for field, value in found.items():
        yield f"  {field}  {value}"


def _none(given: list[str]) -> bool:
    """False, or Usage when something follows a command that takes nothing."""
    _most(given, 0)
    return False


def _most(given: list[str], count: int) -> bool:
    if len(given) > count:
        raise Usage(f"`{given[count]}` is one word too many", hint="help")
    return True


def _is_back(given: list[str]) -> bool:
    if given not in ([], [BACK]):
        raise Usage(f"only `{BACK}` may follow, not `{' '.join(given)}`", hint="help")
    return given == [BACK]


def _number(text: str, name: str) -> int:
    if not (text.isascii() and text.isdigit()):
        raise Usage(f"{name} is a whole number, not `{text}`", hint="help")
    return min(int(text[:20]), MAX_COUNT)
