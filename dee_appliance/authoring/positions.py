"""Where in a TOML or JSON text each key stands, so that every finding can name a line.

Neither tomllib nor json says where a value came from. This light scan goes over a text that they have already accepted, so it
judges nothing: it only skips values and notes lines. A path is what leads to a value: ("step", 2, "case", 0, "when").
"""

from __future__ import annotations

import json
import tomllib
from bisect import bisect_right
from typing import Literal

Key = str | int
Path = tuple[Key, ...]

_BARE = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-")


class Positions:
    """The lines (from 1) of the keys, tables and list items of one text."""

    def __init__(self, text: str, kind: Literal["toml", "json"]) -> None:
        scan = _Scan(text)
        if kind == "toml":
            scan.toml()
        else:
            scan.value((), "json")
        self._lines = scan.lines
        self._inner_lines = scan.inner_lines

    def line(self, path: Path) -> int:
        """Return the line of the key or item at `path`, or of the nearest table around it."""
        for length in range(len(path), 0, -1):
            found = self._lines.get(path[:length])
            if found is not None:
                return found
        return 1

    def line_inside(self, path: Path, text: str, position: int) -> int:
        """Return the line of the character at `position` of the string `text` at `path`; differs for multi-line strings."""
        first = self._inner_lines.get(path)
        return self.line(path) if first is None else first + text.count("\n", 0, position)

    def paths(self) -> tuple[Path, ...]:
        """Return every path that has a line, in order of discovery."""
        return tuple(self._lines)


class _Scan:
    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.lines: dict[Path, int] = {}
        self.inner_lines: dict[Path, int] = {}
        self._starts = [0, *(index + 1 for index, character in enumerate(text) if character == "\n")]
        self._counts: dict[Path, int] = {}

    def toml(self) -> None:
        base: Path = ()
        while self._skip_blank():
            if self.text[self.at] == "[":
                base = self._header()
            else:
                self._pair(base, "=")

    def value(self, path: Path, kind: Literal["toml", "json"]) -> None:
        """Skip one value, noting the lines of what is in it."""
        self._skip_blank()
        self.lines.setdefault(path, self._line())
        match self.text[self.at]:
            case "[":
                self._array(path, kind)
            case "{":
                self._table(path, kind)
            case '"' | "'":
                self._string(path)
            case _:
                while self.at < len(self.text) and self.text[self.at] not in ",]}\n#":
                    self.at += 1

    def _line(self) -> int:
        return bisect_right(self._starts, self.at)

    def _skip_blank(self) -> bool:
        """Go to the next character that is neither white space nor comment; return whether there is one."""
        while self.at < len(self.text):
            if self.text[self.at] == "#":
                end = self.text.find("\n", self.at)
                self.at = len(self.text) if end < 0 else end
            elif self.text[self.at] not in " \t\r\n":
                return True
            else:
                self.at += 1
        return False

    def _header(self) -> Path:
        line, many = self._line(), self.text.startswith("[[", self.at)
        self.at += 2 if many else 1
        keys = self._keys()
        self._skip_blank()
        self.at += 2 if many else 1
        path = (*self._resolved(keys[:-1], line), keys[-1])
        if many:
            index = self._counts.get(path, 0)
            self._counts[path] = index + 1
            self.lines.setdefault(path, line)
            path = (*path, index)
        self.lines.setdefault(path, line)
        return path

    def _resolved(self, keys: tuple[str, ...], line: int) -> Path:
        """Return the path of a header's parents, which it may be the first to name; a list of tables means its last one."""
        path: Path = ()
        for key in keys:
            path = (*path, key)
            self.lines.setdefault(path, line)
            if path in self._counts:
                path = (*path, self._counts[path] - 1)
        return path

    def _pair(self, base: Path, separator: Literal["=", ":"]) -> None:
        line = self._line()
        path = base
        for key in self._keys() if separator == "=" else (self._key("json"),):
            path = (*path, key)
            self.lines.setdefault(path, line)
        self._skip_blank()
        self.at += 1
        self.value(path, "toml" if separator == "=" else "json")

    def _keys(self) -> tuple[str, ...]:
        keys = []
        while True:
            self._skip_blank()
            keys.append(self._key("toml"))
            self._skip_blank()
            if self.text[self.at] != ".":
                return tuple(keys)
            self.at += 1

    def _key(self, kind: Literal["toml", "json"]) -> str:
        start = self.at
        if self.text[start] in "\"'":
            self._string(None)
            raw = self.text[start : self.at]
            return str(json.loads(raw)) if kind == "json" else str(tomllib.loads(f"key = {raw}")["key"])
        while self.text[self.at] in _BARE:
            self.at += 1
        return self.text[start : self.at]

    def _array(self, path: Path, kind: Literal["toml", "json"]) -> None:
        self.at += 1
        index = 0
        while self._skip_blank() and self.text[self.at] != "]":
            if self.text[self.at] == ",":
                self.at += 1
                continue
            self.value((*path, index), kind)
            index += 1
        self.at += 1

    def _table(self, path: Path, kind: Literal["toml", "json"]) -> None:
        self.at += 1
        while self._skip_blank() and self.text[self.at] != "}":
            if self.text[self.at] == ",":
                self.at += 1
                continue
            self._pair(path, "=" if kind == "toml" else ":")
        self.at += 1

    def _string(self, path: Path | None) -> None:
        quote = self.text[self.at]
        if self.text.startswith(quote * 3, self.at):
            self._long_string(path, quote)
            return
        self.at += 1
        while self.text[self.at] != quote:
            self.at += 2 if quote == '"' and self.text[self.at] == "\\" else 1
        self.at += 1

    def _long_string(self, path: Path | None, quote: str) -> None:
        self.at += 3
        if path is not None:
            # The newline right after the opening quotes is not part of the string.
            self.inner_lines[path] = self._line() + (self.text[self.at : self.at + 2].lstrip("\r")[:1] == "\n")
        while not self.text.startswith(quote * 3, self.at):
            self.at += 2 if quote == '"' and self.text[self.at] == "\\" else 1
        self.at += 3
        # Up to two quotes may stand right before the closing three.
        while self.at < len(self.text) and self.text[self.at] == quote:
            self.at += 1
