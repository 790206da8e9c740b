"""The template language: the part of Jinja syntax that can neither compute nor grow without bound.

Lives here: `check` (is this text a template, and which fields does it need?) and `Program` (render it). What a template file
looks like is `template`, what a script looks like is `script`.

Rules a change must keep:
- minijinja alone bounds instructions, not memory: `'x' * 10**9`, `range`, `indent`, and doubling through `set`, macros or `~`
  all pass it, and enough `not` or `elif` in a row overflow its stack. So what is not in the lists below is refused at publish,
  before minijinja sees it. Adding a filter means asking whether it can make its output much longer than its input.
- A template reads names and nothing else: no function, method, clock, random number, file or Python object is reachable.
- A name that has no value is an error, never an empty string.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import Final, Literal, TypeAlias

import msgspec
from minijinja import Environment, TemplateError

from dee_appliance.errors import HostError, Refused

REVISION: Final = 1
"""Ours: goes up when the same template and values give other bytes than before (here, in `header` or in `mime`)."""

ROOTS: Final = ("contact", "sender", "previous", "run", "var")
"""Names that need a second part: `contact.first_name`."""
SCALARS: Final = ("unsubscribe_link", "plan")
"""Names that stand alone."""
FILTERS: Final = frozenset(
    (
        *("capitalize", "count", "d", "default", "e", "escape", "first", "join", "last", "length", "lower", "title"),
        *("trim", "upper", "urlencode"),
    )
)
TESTS: Final = frozenset(("defined", "undefined"))
TAGS: Final = frozenset(("if", "elif", "else", "endif", "for", "endfor"))
KEYWORDS: Final = frozenset(("and", "or", "not", "in", "is", "if", "else", "true", "false", "True", "False"))

MAX_SOURCE_CHARS: Final = 256 * 1024
MAX_TAG_CHARS: Final = 500
MAX_DEPTH: Final = 50
MAX_VALUE_CHARS: Final = 32 * 1024
MAX_FUEL: Final = 30_000
MAX_WORK_CHARS: Final = 32 * 1024 * 1024
"""Fuel times the longest thing one instruction can write never exceeds this, so a render needs tens of MB at the very worst."""

Value: TypeAlias = "str | int | bool | dict[str, Value] | list[Value]"
Values: TypeAlias = Mapping[str, Value]
RenderCode: TypeAlias = Literal["undefined_field", "fuel", "too_large", "syntax", "header_injection", "bad_value"]

_OPEN = re.compile(r"\{\{|\{%|\{#")
_TOKEN = re.compile(
    r"""(?P<space>\s+)|(?P<close>-?%\}|-?\}\})|(?P<string>"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*')|(?P<number>[0-9]+)"""
    r"""|(?P<name>[A-Za-z_][A-Za-z0-9_]*)|(?P<op>==|!=|<=|>=|[=<>().,|\[\]])"""
)
_LOOPS = re.compile(r"\{%-?\s*for\b.*\{%-?\s*endfor\b", re.DOTALL)
_ANY_TAG = re.compile(r"\{[{%#].*?[}%#]\}", re.DOTALL)
_HANDLEBARS = re.compile(r"\{\{\s*([#/^>!&{])\s*([A-Za-z_]*)")
_LIQUID = re.compile(r"\|\s*([a-z_]+)\s*:")
_SAFE_PATH = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,99}", re.ASCII)


class RenderFailed(Refused):
    """A template could not be rendered with these values; nothing was sent.

    `code` is closed, `field` names the template field or header concerned and never holds a contact's data.
    """

    def __init__(self, code: RenderCode, field: str = "", *, where: str | None = None) -> None:
        super().__init__(_SENTENCE[code].format(field=field or "?"), where=where, hint=_NEXT.get(code))
        self.code: RenderCode = code
        self.field = field


_SENTENCE: Final[dict[RenderCode, str]] = {
    "undefined_field": "`{field}` has no value for this contact",
    "fuel": "the template runs too long",
    "too_large": "`{field}` becomes too large",
    "syntax": "the template cannot be rendered (`{field}`)",
    "header_injection": "header `{field}` would hold a line break, a control character or a malformed address",
    "bad_value": "`{field}` is not plain text, number, truth value, list or mapping, or is too long",
}
_NEXT: Final[dict[RenderCode, str]] = {
    "undefined_field": 'give the contact the field, or write {{ name | default("…") }} in the template',
    "fuel": "shorten its loops",
}


class Token(msgspec.Struct, frozen=True):
    """One word of a tag: `kind` is string, number, name or op."""

    kind: str
    text: str


@cache
def renderer() -> str:
    """Who made the bytes, `minijinja/3.0.5 dee-content/1`: recorded with every rendering, so that replay can blame a difference
    on a change of renderer. Raises HostError when the program was packaged without the version of its template engine.
    """
    try:
        return f"minijinja/{version('minijinja')} dee-content/{REVISION}"
    except PackageNotFoundError:
        raise HostError("the version of minijinja is not known", hint="package its metadata with the program") from None


def check(source: str, *, where: str, first_line: int = 1) -> tuple[str, ...]:
    """Check one template text and return the fields it needs, as sorted names like `contact.first_name`.

    Raises Refused with file and line for everything that is not in the language. A program checks its text too, because the
    file it comes from may be a stranger's: so the language may grow, and a release that takes something out of it fails the
    templates that use it (code `syntax`), which needs a new REVISION.
    """
    if len(source) > MAX_SOURCE_CHARS:
        raise Refused(f"the template is longer than {MAX_SOURCE_CHARS} characters", where=f"{where}:{first_line}")
    reader = _Reader(source, where, first_line)
    reader.read()
    try:
        _compile({"check.txt": source})
    except TemplateError as error:
        at = f"{where}:{first_line + (error.line or 1) - 1}"
        raise Refused(f"not a valid template: {error.detail or error.kind}", where=at) from None
    return tuple(sorted(reader.fields))


class Program:
    """Checked template texts, compiled once and rendered many times.

    A part whose name ends in `.html` escapes what it inserts.
    """

    def __init__(self, parts: Mapping[str, str]) -> None:
        try:
            for source in parts.values():
                check(source, where="template")
        except Refused:
            raise RenderFailed("syntax") from None
        self._environment = _compile(parts)
        self._longest_loop_chars = max((_longest_loop_chars(source) for source in parts.values()), default=0)

    def render(self, part: str, values: Values, *, longest_value_chars: int) -> str:
        """The text of one part. Raises RenderFailed. `longest_value_chars` comes from `longest_value`."""
        longest = max(self._longest_loop_chars, longest_value_chars, 1)
        self._environment.fuel = min(MAX_FUEL, MAX_WORK_CHARS // longest)
        try:
            return self._environment.render_template(part, **values)
        except TemplateError as error:
            raise _render_failed(error) from None


def longest_value(values: Values) -> int:
    """Length of the longest text among the values. Raises RenderFailed(bad_value) for anything that is not plain data."""
    return max((_longest(value, name, depth=0) for name, value in values.items()), default=0)


def _longest(value: object, field: str, *, depth: int) -> int:
    # Exact types only: a subclass could carry methods or `__html__`, which minijinja would honour.
    kind = type(value)
    if kind is str:
        assert isinstance(value, str)
        if len(value) > MAX_VALUE_CHARS or not (value.isascii() or _encodes(value)):
            raise RenderFailed("bad_value", field)
        return len(value)
    if kind is bool or kind is int:
        return 20
    if depth > 4:
        raise RenderFailed("bad_value", field)
    if kind is dict:
        assert isinstance(value, dict)
        sizes = [_longest(item, f"{field}.{key}", depth=depth + 1) for key, item in value.items()]
        # A root is never written whole, anything below it can be.
        return max(sizes, default=0) if depth == 0 else sum(sizes) + sum(map(len, value))
    if kind is list:
        assert isinstance(value, list)
        return sum(_longest(item, field, depth=depth + 1) for item in value)
    raise RenderFailed("bad_value", field)


def _encodes(text: str) -> bool:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _longest_loop_chars(source: str) -> int:
    """The longest literal piece a loop may repeat: what stands between the first `for` and the last `endfor`."""
    loops = _LOOPS.search(source)
    return max(map(len, _ANY_TAG.split(loops.group()))) if loops else 0


def _compile(parts: Mapping[str, str]) -> Environment:
    environment = Environment(undefined_behavior="strict", pycompat=False, keep_trailing_newline=True)
    for name in tuple(environment.globals):
        environment.remove_global(name)
    for name, source in parts.items():
        environment.add_template(name, source)
    return environment


def _render_failed(error: TemplateError) -> RenderFailed:
    if error.kind == "OutOfFuel":
        return RenderFailed("fuel")
    path = ""
    if error.detail is not None and error.detail.startswith("`"):
        path = error.detail[1:].split("`", 1)[0].replace("['", ".").replace("']", "")
    field = path if _SAFE_PATH.fullmatch(path) else ""
    return RenderFailed("undefined_field" if error.kind == "UndefinedError" else "syntax", field)


class _Reader:
    """Walks a template text tag by tag and refuses what the language does not have."""

    def __init__(self, source: str, where: str, first_line: int) -> None:
        self.fields: set[str] = set()
        self._source = source
        self._where = where
        self._first_line = first_line
        self._position = 0
        self._loop_names: list[tuple[str, ...]] = []
        self._open: list[int] = []  # for each open block, how deeply the engine nests it

    def read(self) -> None:
        while (opening := _OPEN.search(self._source, self._position)) is not None:
            start = self._position = opening.start()
            if opening.group() == "{#":
                end = self._source.find("#}", start + 2)
                if end < 0:
                    raise self._refused("a comment `{#` is not closed by `#}`")
                self._position = end + 2
                continue
            if (handlebars := _HANDLEBARS.match(self._source, start)) is not None:
                raise self._handlebars(*handlebars.groups())
            tokens, end = self._tokens(start + 2, "%}" if opening.group() == "{%" else "}}")
            if opening.group() == "{%":
                self._tag(tokens)
            else:
                self._expression(tokens)
            self._position = end

    def _tokens(self, position: int, closing: str) -> tuple[list[Token], int]:
        start = position
        if self._source.startswith("-", position):
            position += 1
        tokens: list[Token] = []
        while (match := _TOKEN.match(self._source, position)) is not None:
            position = match.end()
            if position - start > MAX_TAG_CHARS:
                raise self._refused(f"a tag is longer than {MAX_TAG_CHARS} characters")
            kind = match.lastgroup or ""
            if kind == "close":
                if not match.group().endswith(closing):
                    raise self._refused(f"a tag is closed by `{match.group()}` instead of `{closing}`")
                return tokens, position
            if kind != "space":
                tokens.append(Token(kind, match.group()))
        raise self._stopped(position, closing)

    def _stopped(self, position: int, closing: str) -> Refused:
        if position >= len(self._source):
            return self._refused(f"a tag is not closed by `{closing}`")
        character = self._source[position]
        if (liquid := _LIQUID.search(self._source, self._position, position + 1)) is not None:
            name = liquid.group(1)
            return self._refused(f"`| {name}:` is Liquid", hint=f'write `| {name}("…")`')
        if character in "+-*/%~":
            return self._refused(
                f"`{character}` in a tag: templates do not calculate",
                hint='a name with a hyphen is written previous["day-3"]',
            )
        return self._refused(f"unexpected {character!r} in a tag")

    def _tag(self, tokens: list[Token]) -> None:
        word = tokens[0].text if tokens else ""
        if word not in TAGS:
            known = ", ".join(sorted(TAGS))
            raise self._refused(
                f"there is no tag `{word}`", hint=f"tags are {known}; everything else stands in {{{{ }}}}"
            )
        self._nest(word)
        if word == "for":
            self._for(tokens)
        elif word in ("if", "elif"):
            self._expression(tokens[1:])
        elif len(tokens) > 1:
            raise self._refused(f"`{word}` stands alone in its tag")
        elif word == "endfor" and self._loop_names:
            self._loop_names.pop()

    def _nest(self, word: str) -> None:
        # The engine reads an `elif` as an `if` inside the `else`, and recurses without a limit of its own there.
        if word in ("if", "for"):
            self._open.append((self._open[-1] if self._open else 0) + 1)
        elif word == "elif" and self._open:
            self._open[-1] += 1
        elif word in ("endif", "endfor") and self._open:
            self._open.pop()
        if self._open and self._open[-1] > MAX_DEPTH:
            raise self._refused(f"conditions and loops are nested more than {MAX_DEPTH} deep")

    def _for(self, tokens: list[Token]) -> None:
        split = next((i for i, token in enumerate(tokens) if token.text == "in"), 0)
        names = tuple(token.text for token in tokens[1:split] if token.text != ",")
        if not names or any(token.kind != "name" and token.text != "," for token in tokens[1:split]):
            raise self._refused("a loop is written {% for item in var.items %}")
        taken = [name for name in names if name in ROOTS or name in SCALARS or name in KEYWORDS or name == "loop"]
        if taken:
            raise self._refused(f"a loop cannot use the name `{taken[0]}`")
        # Only a plain name may be looped over: a list built in the tag could double itself at every nesting.
        if self._path(tokens, split + 1) != len(tokens) or split + 1 == len(tokens):
            raise self._refused("a loop goes over a plain name", hint="write {% for item in var.items %}")
        self._loop_names.append((*names, "loop"))

    def _expression(self, tokens: list[Token]) -> None:
        index = 0
        operand = False  # whether the token before was a complete value
        while index < len(tokens):
            token, before = tokens[index], tokens[index - 1].text if index else ""
            tested = before == "is" or (before == "not" and index > 1 and tokens[index - 2].text == "is")
            if token.kind == "name" and before == "|":
                self._listed(token.text, FILTERS, "filter")
                if index + 1 < len(tokens) and tokens[index + 1].text == "(":
                    index += 1
                operand = index < len(tokens) and tokens[index].text != "("
            elif token.kind == "name" and tested and token.text != "not":
                self._listed(token.text, TESTS, "test")
                operand = True
            elif token.kind == "name" and token.text not in KEYWORDS:
                index = self._path(tokens, index) - 1
                operand = True
            elif operand and token.text in ("(", "[", "."):
                raise self._refused(f"`{token.text}` after a value: templates call nothing")
            else:
                operand = token.kind in ("string", "number") or token.text in (
                    ")",
                    "]",
                    "true",
                    "false",
                    "True",
                    "False",
                )
            index += 1

    def _path(self, tokens: list[Token], index: int) -> int:
        """Read `name.name["name"]` from `index` on, note the field, return the index behind it."""
        if index >= len(tokens) or tokens[index].kind != "name" or tokens[index].text in KEYWORDS:
            return index
        parts = [tokens[index].text]
        index += 1
        while index < len(tokens) and tokens[index].text in (".", "["):
            if tokens[index].text == "." and index + 1 < len(tokens) and tokens[index + 1].kind == "name":
                parts.append(tokens[index + 1].text)
                index += 2
            elif index + 2 < len(tokens) and tokens[index + 1].kind == "string" and tokens[index + 2].text == "]":
                parts.append(tokens[index + 1].text[1:-1])
                index += 3
            else:
                raise self._refused(f'after `{".".join(parts)}` only .name or ["name"] may follow')
        if index < len(tokens) and tokens[index].text == "(":
            raise self._refused(f"`{'.'.join(parts)}(` calls something: templates call nothing")
        self._note(parts)
        return index

    def _note(self, parts: list[str]) -> None:
        root = parts[0]
        if any(root in names for names in self._loop_names):
            return
        if root in SCALARS and len(parts) == 1:
            self.fields.add(root)
        elif root in ROOTS and len(parts) > 1:
            self.fields.add(f"{root}.{parts[1]}")
        elif root in ROOTS:
            raise self._refused(
                f"`{root}` needs a name behind it, like {root}.{'email' if root == 'sender' else 'name'}"
            )
        else:
            known = ", ".join([f"{name}.…" for name in ROOTS] + list(SCALARS))
            raise self._refused(f"there is no `{'.'.join(parts)}`", hint=f"templates know {known}")

    def _listed(self, name: str, known: frozenset[str], what: str) -> None:
        if name not in known:
            raise self._refused(f"there is no {what} `{name}`", hint=f"{what}s are {', '.join(sorted(known))}")

    def _handlebars(self, sign: str, word: str) -> Refused:
        shown = f"`{{{{{sign}{word}` is Handlebars"
        if (sign, word) in (("#", "if"), ("/", "if"), ("#", "unless"), ("/", "unless")):
            return self._refused(shown, hint="write {% if contact.x %} … {% else %} … {% endif %}")
        if word == "each":
            return self._refused(shown, hint="write {% for item in var.items %} … {% endfor %}")
        if sign == "!":
            return self._refused(shown, hint="a comment is written {# … #}")
        return self._refused(
            shown, hint="a value is written {{ contact.x }}, a condition {% if contact.x %} … {% endif %}"
        )

    def _refused(self, what: str, *, hint: str | None = None) -> Refused:
        line = self._first_line + self._source.count("\n", 0, self._position)
        return Refused(what, where=f"{self._where}:{line}", hint=hint)
