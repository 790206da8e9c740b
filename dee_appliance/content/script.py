"""Call scripts: what is said to a person, and what to a machine.

A script is a TOML file; its actions run in file order:

    max_duration_s = 90                    # reserves the cost of a call this long

    [[answered]]
    say = "Hello {{ contact.first_name }}, this is {{ sender.name }}."
    [[answered]]
    hang_up = true

    [[voicemail]]
    leave_voicemail = "Hello {{ contact.first_name }}, please call us back."

Without a `[[voicemail]]` part the call hangs up on a machine. A script says things; it decides nothing, because what follows from
the outcome of a call is the plan's business.
"""

from __future__ import annotations

import re
import tomllib
import unicodedata
from functools import lru_cache
from typing import Final, Literal

import msgspec

from dee_appliance.content.language import Program, RenderFailed, Values, check, longest_value
from dee_appliance.errors import Refused

Do = Literal["say", "leave_voicemail", "hang_up"]

MAX_ACTIONS: Final = 20
MAX_SPOKEN_CHARS: Final = 3_000
MAX_DURATION_S: Final = 3_600
ALLOWED: Final[dict[str, tuple[Do, ...]]] = {
    "answered": ("say", "hang_up"),
    "voicemail": ("leave_voicemail", "hang_up"),
}
HANG_UP: Final[Do] = "hang_up"


class Action(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One thing the caller does; `text` is what is spoken, empty for `hang_up`."""

    do: Do
    text: str = ""


class Script(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A checked script as it is published."""

    name: str
    max_duration_s: int
    answered: tuple[Action, ...]
    voicemail: tuple[Action, ...] = (Action(HANG_UP),)


class RenderedScript(msgspec.Struct, frozen=True, kw_only=True):
    """What one contact is to hear. Personal data: it never enters an append-only row."""

    max_duration_s: int
    answered: tuple[Action, ...]
    voicemail: tuple[Action, ...]


def parse_script(name: str, text: str, *, where: str) -> Script:
    """Read and check one script file. Raises Refused with file and line."""
    text = unicodedata.normalize("NFC", text.removeprefix("\ufeff").replace("\r\n", "\n"))
    lines = _Lines(text, where)
    try:
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise _not_toml(str(error), where) from None
    for key in raw:
        if key not in ("max_duration_s", *ALLOWED):
            hint = "a script has max_duration_s, [[answered]] and [[voicemail]]"
            raise Refused(f"unknown field `{key}`", where=lines.of_key(key), hint=hint)
    duration = raw.get("max_duration_s")
    if type(duration) is not int or not 1 <= duration <= MAX_DURATION_S:
        what = f"max_duration_s must be a whole number of seconds from 1 to {MAX_DURATION_S}"
        raise Refused(what, where=lines.of_key("max_duration_s"), hint="it reserves the cost of the longest call")
    actions = {section: _actions(section, raw.get(section, []), lines) for section in ALLOWED}
    if not any(action.do == "say" for action in actions["answered"]):
        raise Refused(
            "the script says nothing when the call is answered", where=f"{where}:1", hint='add [[answered]] say = "…"'
        )
    return Script(
        name=name,
        max_duration_s=duration,
        answered=actions["answered"],
        voicemail=actions["voicemail"] or (Action(HANG_UP),),
    )


def script_fields(script: Script) -> tuple[str, ...]:
    """The fields the script needs, sorted, as in `contact.first_name`."""
    needed: set[str] = set()
    for source in _sources(script).values():
        needed.update(check(source, where=script.name))
    return tuple(sorted(needed))


def script_to_document(script: Script) -> dict[str, object]:
    """The canonical form (texts, integers, lists), which is stored and pinned by digest."""
    document: dict[str, object] = msgspec.to_builtins(script)
    return document


def script_from_document(document: object) -> Script:
    """Read the canonical form back. Raises Refused when it is not one."""
    try:
        return msgspec.convert(document, Script, strict=True)
    except msgspec.ValidationError as error:
        raise Refused(f"not a script document: {error}") from None


def render_script(script: Script, values: Values) -> RenderedScript:
    """Fill in every spoken text. Raises RenderFailed with a closed code."""
    longest = longest_value(values)
    program = _program(script)
    spoken = {name: program.render(name, values, longest_value_chars=longest) for name in _sources(script)}
    for name, text in spoken.items():
        if len(text) > MAX_SPOKEN_CHARS:
            raise RenderFailed("too_large", name.removesuffix(".txt"))
    return RenderedScript(
        max_duration_s=script.max_duration_s,
        answered=_filled("answered", script.answered, spoken),
        voicemail=_filled("voicemail", script.voicemail, spoken),
    )


def _filled(section: str, actions: tuple[Action, ...], spoken: dict[str, str]) -> tuple[Action, ...]:
    return tuple(Action(action.do, spoken.get(f"{section}-{i}.txt", "")) for i, action in enumerate(actions))


def _sources(script: Script) -> dict[str, str]:
    sections = (("answered", script.answered), ("voicemail", script.voicemail))
    return {
        f"{section}-{i}.txt": action.text
        for section, actions in sections
        for i, action in enumerate(actions)
        if action.text
    }


@lru_cache(maxsize=256)
def _program(script: Script) -> Program:
    return Program(_sources(script))


def _actions(section: str, raw: object, lines: _Lines) -> tuple[Action, ...]:
    if not isinstance(raw, list):
        raise Refused(
            f"`{section}` is a list", where=lines.of_key(section), hint=f"write [[{section}]] before each action"
        )
    if len(raw) > MAX_ACTIONS:
        raise Refused(f"more than {MAX_ACTIONS} actions", where=lines.of_action(section, MAX_ACTIONS))
    actions = tuple(_action(section, index, item, lines) for index, item in enumerate(raw))
    for index, action in enumerate(actions[:-1]):
        if action.do == HANG_UP:
            raise Refused("nothing can follow hang_up", where=lines.of_action(section, index + 1))
    return actions


def _action(section: str, index: int, raw: object, lines: _Lines) -> Action:
    allowed = ALLOWED[section]
    at = lines.of_action(section, index)
    if not isinstance(raw, dict) or len(raw) != 1:
        raise Refused("an action is one line", where=at, hint=f"under [[{section}]] write one of {', '.join(allowed)}")
    ((do, value),) = raw.items()
    known = next((name for name in allowed if name == do), None)
    if known is None:
        raise Refused(f"`{do}` is no action of [[{section}]]", where=at, hint=f"write one of {', '.join(allowed)}")
    if known == HANG_UP:
        if value is not True:
            raise Refused("hang_up can only be true", where=at)
        return Action(HANG_UP)
    if not isinstance(value, str) or not value.strip():
        raise Refused(f"`{known}` needs a text", where=at)
    check(value, where=lines.where, first_line=lines.of_text(section, index))
    return Action(known, value)


def _not_toml(message: str, where: str) -> Refused:
    position = re.search(r" \(at line (\d+), column \d+\)$", message)
    line = position.group(1) if position else "1"
    return Refused(f"not valid TOML: {message[: position.start()] if position else message}", where=f"{where}:{line}")


class _Lines:
    """Finds the line a value stands on: the TOML reader does not tell."""

    def __init__(self, text: str, where: str) -> None:
        self.where = where
        self._lines = text.split("\n")

    def of_key(self, key: str) -> str:
        pattern = re.compile(rf"\s*\[*\s*[\"']?{re.escape(key)}[\"']?\s*[\].=]")
        return f"{self.where}:{next((n for n, line in enumerate(self._lines, 1) if pattern.match(line)), 1)}"

    def of_action(self, section: str, index: int) -> str:
        return f"{self.where}:{self._header(section, index)}"

    def of_text(self, section: str, index: int) -> int:
        """The line the text of an action begins on."""
        header = self._header(section, index)
        for number in range(header, len(self._lines)):
            line = self._lines[number]
            if "=" in line:
                # A text in triple quotes that opens at the end of a line begins on the next one.
                value = line.partition("=")[2].strip()
                return number + (2 if value in ('"""', "'''") else 1)
        return header

    def _header(self, section: str, index: int) -> int:
        found = [n for n, line in enumerate(self._lines, 1) if re.match(rf"\s*\[\[\s*{section}\s*\]\]", line)]
        return found[index] if index < len(found) else 1
