"""What a reader of an HTML part gets to see: its text, and the links that can be clicked.

A comment, the head, and what is hidden where it stands (the attribute hidden, or a style that shows nothing) are not seen.
What a style sheet, colours or an image do is not found out: that is for whoever writes the template.
"""

from __future__ import annotations

from html.parser import HTMLParser
from typing import Final

import msgspec

_VOID: Final = frozenset({
    "area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "param", "source", "track", "wbr",
})  # fmt: skip
_NOT_SHOWN: Final = frozenset({"head", "noframes", "object", "script", "style", "template", "textarea", "title"})
_INLINE: Final = frozenset({
    "a", "abbr", "b", "bdi", "bdo", "big", "cite", "code", "dfn", "em", "font", "i", "kbd", "mark", "q", "s", "samp", "small",
    "span", "strong", "sub", "sup", "tt", "u", "var", "wbr",
})  # fmt: skip
_HIDING: Final = {"display": "none", "mso-hide": "all", "visibility": "hidden"}
_SIZES: Final = ("font-size", "max-height", "opacity")


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """The text of an HTML part, and where its links lead that have something to click on."""

    text: str
    links: tuple[str, ...]


def seen_of(html: str) -> Seen:
    """Return what is seen of an HTML part."""
    reader = _Reader()
    reader.feed(html)
    reader.close()
    return Seen(text="".join(reader.text), links=tuple(reader.links))


class _Element(msgspec.Struct):
    """An element that is open: whether it hides what it holds, where it leads, and whether anything in it was shown."""

    tag: str
    hides: bool
    leads: str = ""
    shows: bool = False


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.text: list[str] = []
        self.links: list[str] = []
        self._open: list[_Element] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """An element begins."""
        if tag not in _INLINE:
            self.text.append(" ")
        given = {name: value or "" for name, value in attrs}
        hides = tag in _NOT_SHOWN or "hidden" in given or _style_hides(given.get("style", ""))
        if tag in _VOID:
            if tag == "img" and not hides:
                self._show()
            return
        self._open.append(_Element(tag, hides, given.get("href", "") if tag == "a" else ""))

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """HTML knows no elements that end where they begin: a browser reads the slash of any other than a void one away."""
        self.handle_starttag(tag, attrs)

    def handle_endtag(self, tag: str) -> None:
        """An element ends, and with it what was left open in it."""
        if tag not in _INLINE:
            self.text.append(" ")
        if all(one.tag != tag for one in self._open):
            return
        while self._open:
            ended = self._open.pop()
            if ended.leads and ended.shows:
                self.links.append(ended.leads.strip())
            if ended.tag == tag:
                return

    def handle_data(self, data: str) -> None:
        """Text."""
        if any(one.hides for one in self._open):
            return
        self.text.append(data)
        if data.strip():
            self._show()

    def _show(self) -> None:
        if not any(one.hides for one in self._open):
            for one in self._open:
                one.shows = True


def _style_hides(style: str) -> bool:
    for declaration in style.casefold().split(";"):
        name, _, value = declaration.partition(":")
        name, value = name.strip(), value.replace("!important", "").strip()
        if _HIDING.get(name) == value or (name in _SIZES and _is_nothing(value)):
            return True
    return False


def _is_nothing(value: str) -> bool:
    """Tell whether a size is zero, in whatever unit."""
    number = value.rstrip("abcdefghijklmnopqrstuvwxyz%")
    return bool(number) and not number.strip("0.+-")
