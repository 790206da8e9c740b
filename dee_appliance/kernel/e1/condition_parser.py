"""Conditions, first half: the words of the language, the tokens and the Pratt parser that turns a text into nodes.

What lives here: syntax only. Types, names and what a plan declares are judged in `condition_check`; values are computed in
`condition`, which is also the only module of the three that others import.

The grammar is a strict subset of the Common Expression Language (CEL, cel-spec, "Language Definition"):

    expression = conjunction { "||" conjunction }
    conjunction = relation { "&&" relation }
    relation   = unary [ ( "==" | "!=" | "<" | "<=" | ">" | ">=" ) unary | "in" list ]
    unary      = "!" unary | "(" expression ")" | constant | read | presence | call
    read       = ( "contact" | "var" ) "." NAME
    presence   = "has" "(" read ")"
    call       = NAME "(" [ STRING { "," STRING } ] ")"
    list       = "[" constant { "," constant } [ "," ] "]"
    constant   = "true" | "false" | [ "-" ] DIGITS | STRING

Rules a change must keep:
- Every text accepted here is accepted by CEL and groups the same way there. One word differs: `var` is reserved in CEL, so the
  same text must be given to a CEL library with `var.` renamed. Where CEL is surprising we refuse: relations do not chain, numbers
  have no leading zeros, strings hold no raw control characters.
- Any text at all ends in a node or in `ConditionInvalid`, within limits on length and nesting, and never in another exception.
- Positions are 0-based offsets in characters, so that the author sees the place in the plan file.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final, Literal, TypeAlias

import msgspec

MAX_TEXT_CHARS: Final = 2000
MAX_DEPTH: Final = 50
INT_MIN: Final = -(2**63)
INT_MAX: Final = 2**63 - 1

ROOTS: Final = ("contact", "var")

ArgumentKind: TypeAlias = Literal["none", "message_step", "call_step", "bounce", "channel", "name"]
ResultKind: TypeAlias = Literal["bool", "int", "outcome"]


class Signature(msgspec.Struct, frozen=True):
    """What a function takes (at most one argument, a string constant) and what it gives."""

    argument: ArgumentKind
    required: bool
    result: ResultKind


FUNCTIONS: Final[dict[str, Signature]] = {
    "auto_replied": Signature("message_step", False, "bool"),
    "bounced": Signature("bounce", False, "bool"),
    "call_outcome": Signature("call_step", True, "outcome"),
    "clicked": Signature("message_step", False, "bool"),
    "complained": Signature("none", False, "bool"),
    "consent": Signature("channel", True, "bool"),
    "count": Signature("name", True, "int"),
    "delivered": Signature("message_step", False, "bool"),
    "event": Signature("name", True, "bool"),
    "opened": Signature("message_step", False, "bool"),
    "replied": Signature("message_step", False, "bool"),
    "suppressed": Signature("channel", False, "bool"),
    "unsubscribed": Signature("none", False, "bool"),
}

_OR, _AND, _RELATION = 1, 2, 3
_POWERS: Final = {
    "||": _OR, "&&": _AND,
    "==": _RELATION, "!=": _RELATION, "<": _RELATION, "<=": _RELATION, ">": _RELATION, ">=": _RELATION, "in": _RELATION,
}  # fmt: skip
_DOUBLES: Final = ("||", "&&", "==", "!=", "<=", ">=")
_SINGLES: Final = "!<>()[],."
_SPACES: Final = " \t\r\n"
_ESCAPES: Final = {"\\": "\\", "'": "'", '"': '"', "n": "\n", "t": "\t"}
# What people write who know another language, and what it is called here: symbols, words before and words after a value.
_FOREIGN_SYMBOLS: Final = {"&": "&&", "|": "||", "=": "==", "<>": "!="}
_FOREIGN_OPERANDS: Final = {"not": "!", "True": "true", "False": "false"}
_FOREIGN_OPERATORS: Final = {"and": "&&", "or": "||"}


class ConditionInvalid(Exception):
    """The text of a condition is refused, when a plan is checked or published.

    `position` is the 0-based offset in characters of the offending part, `reason` says what is wrong in one line, and
    `suggestion` is the text that was probably meant, or None.
    """

    def __init__(self, position: int, reason: str, suggestion: str | None = None) -> None:
        super().__init__(position, reason, suggestion)
        self.position = position
        self.reason = reason
        self.suggestion = suggestion

    def __str__(self) -> str:
        hint = f" (did you mean {self.suggestion}?)" if self.suggestion else ""
        return f"at character {self.position + 1}: {self.reason}{hint}"


class Constant(msgspec.Struct, frozen=True, kw_only=True):
    """A bool, an integer or a string written in the text."""

    value: bool | int | str
    position: int


class Read(msgspec.Struct, frozen=True, kw_only=True):
    """`contact.name` or `var.name`."""

    root: str
    name: str
    position: int


class Has(msgspec.Struct, frozen=True, kw_only=True):
    """`has(contact.name)` or `has(var.name)`: whether there is a value; `position` is that of what stands in parentheses."""

    root: str
    name: str
    position: int


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """A function with its string constants; whether they fit is not known yet."""

    function: str
    arguments: tuple[Constant, ...]
    position: int


class Not(msgspec.Struct, frozen=True, kw_only=True):
    """`!operand`."""

    operand: Node
    position: int


class Junction(msgspec.Struct, frozen=True, kw_only=True):
    """Two or more parts joined by one operator, `&&` or `||`, judged from left to right."""

    operator: str
    parts: tuple[Node, ...]
    position: int


class Compare(msgspec.Struct, frozen=True, kw_only=True):
    """`left operator right`; `position` is that of the operator."""

    operator: str
    left: Node
    right: Node
    position: int


class Member(msgspec.Struct, frozen=True, kw_only=True):
    """`left in [constants]`; `position` is that of `in`."""

    left: Node
    items: tuple[Constant, ...]
    position: int


Node: TypeAlias = Constant | Read | Has | Call | Not | Junction | Compare | Member


class Token(msgspec.Struct, frozen=True):
    """`text` is the operator, the name or the characters as written; `value` is what a number or string stands for."""

    kind: Literal["operator", "name", "integer", "string", "end"]
    text: str
    position: int
    value: int | str = ""


def parse(text: str) -> Node:
    """Read a whole text as one expression.

    Raises:
        ConditionInvalid: the text is too long, nests too deeply or is not in the grammar.
    """
    if len(text) > MAX_TEXT_CHARS:
        raise ConditionInvalid(
            MAX_TEXT_CHARS, f"a condition has at most {MAX_TEXT_CHARS} characters, this has {len(text)}"
        )
    return _Parser(_tokens(text)).whole()


def nearest(word: str, candidates: Iterable[str]) -> str | None:
    """The candidate that `word` probably is a slip of, or None. Equal distances go to the first in alphabetical order."""
    best, limit = None, min(3, (len(word) + 2) // 3) + 1
    for candidate in sorted(candidates):
        if abs(len(candidate) - len(word)) < limit:
            distance = _distance(word.lower(), candidate.lower())
            if distance < limit:
                best, limit = candidate, distance
    return best


def _distance(first: str, second: str) -> int:
    """Edits (insert, delete, replace, swap of neighbours) between two words: optimal string alignment."""
    before: list[int] = []
    row = list(range(len(second) + 1))
    for i, a in enumerate(first, 1):
        before, last, row = row, before, [i]
        for j, b in enumerate(second, 1):
            cost = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (a != b))
            if i > 1 and j > 1 and a == second[j - 2] and b == first[i - 2]:
                cost = min(cost, last[j - 2] + 1)
            row.append(cost)
    return row[-1]


def _is_name_start(char: str) -> bool:
    return "a" <= char <= "z" or "A" <= char <= "Z" or char == "_"


def _is_digit(char: str) -> bool:
    # str.isdigit would also take the digits of other scripts, which CEL does not.
    return "0" <= char <= "9"


def _tokens(text: str) -> list[Token]:
    tokens: list[Token] = []
    at = 0
    while at < len(text):
        char = text[at]
        if char in _SPACES:
            at += 1
            continue
        if char in "\"'":
            token = _string(text, at)
        elif _is_digit(char) or char == "-":
            token = _integer(text, at)
        elif _is_name_start(char):
            end = _name_end(text, at)
            word = text[at:end]
            token = Token("operator" if word == "in" else "name", word, at)
        else:
            token = _operator(text, at)
        tokens.append(token)
        at += len(token.text)
    tokens.append(Token("end", "", len(text)))
    return tokens


def _name_end(text: str, at: int) -> int:
    while at < len(text) and (_is_name_start(text[at]) or _is_digit(text[at])):
        at += 1
    return at


def _operator(text: str, at: int) -> Token:
    pair = text[at : at + 2]
    if pair in _DOUBLES:
        return Token("operator", pair, at)
    char = text[at]
    if pair != "<>" and char in _SINGLES:
        return Token("operator", char, at)
    if char in "+*/%?":
        raise ConditionInvalid(at, f"there is no {char}: a condition compares values and does not compute them")
    symbol = pair if pair in _FOREIGN_SYMBOLS else char
    raise ConditionInvalid(at, f"{symbol!r} is not part of the language", _FOREIGN_SYMBOLS.get(symbol))


def _integer(text: str, at: int) -> Token:
    start = at + (text[at] == "-")
    end = start
    while end < len(text) and _is_digit(text[end]):
        end += 1
    digits = text[start:end]
    if not digits:
        raise ConditionInvalid(at, "a minus stands only directly before a number: there is no arithmetic")
    if end < len(text) and text[end] == ".":
        raise ConditionInvalid(at, "numbers are whole: write money and the like in its smallest unit")
    if end < len(text) and _is_name_start(text[end]):
        raise ConditionInvalid(end, "a number is only digits: no unit, suffix or other base")
    if len(digits) > 1 and digits[0] == "0":
        raise ConditionInvalid(at, "a number has no leading zeros", text[at:start] + (digits.lstrip("0") or "0"))
    # The length is looked at first, because Python refuses to convert very long runs of digits.
    if len(digits) > len(str(INT_MAX)) or not INT_MIN <= (value := int(text[at:end])) <= INT_MAX:
        raise ConditionInvalid(at, f"numbers lie between {INT_MIN} and {INT_MAX}")
    return Token("integer", text[at:end], at, value)


def _string(text: str, start: int) -> Token:
    quote, at = text[start], start + 1
    chars: list[str] = []
    while at < len(text) and text[at] != quote:
        char = text[at]
        if char == "\\":
            at += 1
            if text[at : at + 1] not in _ESCAPES:
                raise ConditionInvalid(at - 1, "the escapes in a string are \\\\ \\' \\\" \\n \\t")
            char = _ESCAPES[text[at]]
        elif char < " " or "\x7f" <= char <= "\x9f" or "\ud800" <= char <= "\udfff":
            raise ConditionInvalid(at, f"a string may not hold {char!r} itself")
        chars.append(char)
        at += 1
    if at >= len(text):
        raise ConditionInvalid(start, f"this string has no closing {quote}")
    return Token("string", text[start : at + 1], start, "".join(chars))


class _Parser:
    """A Pratt parser: one method per place in the grammar, operator strength from the table `_POWERS`."""

    def __init__(self, tokens: list[Token]) -> None:
        self._tokens = tokens
        self._at = 0
        self._depth = 0

    def whole(self) -> Node:
        if len(self._tokens) == 1:
            raise ConditionInvalid(0, "a condition may not be empty")
        node = self._expression(_OR)
        if self._next.kind != "end":
            raise self._unexpected("an operator such as &&")
        return node

    @property
    def _next(self) -> Token:
        return self._tokens[self._at]

    def _take(self) -> Token:
        token = self._tokens[self._at]
        self._at += 1
        return token

    def _sees(self, operator: str) -> bool:
        return self._next.kind == "operator" and self._next.text == operator

    def _expect(self, operator: str) -> Token:
        if not self._sees(operator):
            raise self._unexpected(operator)
        return self._take()

    def _unexpected(self, wanted: str) -> ConditionInvalid:
        token = self._next
        found = "the text ends" if token.kind == "end" else f"there is {token.text}"
        suggestion = _FOREIGN_OPERATORS.get(token.text)
        return ConditionInvalid(token.position, f"{wanted} is expected here, but {found}", suggestion)

    def _expression(self, floor: int) -> Node:
        """An operand and every operator after it that binds at least as strongly as `floor`."""
        left = self._operand()
        related = False
        while self._next.kind == "operator" and (power := _POWERS.get(self._next.text, 0)) >= floor:
            token = self._take()
            if power == _RELATION:
                if related:
                    raise ConditionInvalid(
                        token.position, "comparisons do not chain: join two with &&, or use parentheses"
                    )
                left, related = self._relation(left, token), True
            else:
                left = _joined(left, token, self._expression(power + 1))
        return left

    def _relation(self, left: Node, token: Token) -> Node:
        if token.text == "in":
            return Member(left=left, items=self._items(), position=token.position)
        return Compare(operator=token.text, left=left, right=self._operand(), position=token.position)

    def _operand(self) -> Node:
        token = self._next
        if token.kind in ("integer", "string"):
            return self._constant()
        if token.kind == "name":
            return self._named()
        if self._sees("!"):
            return Not(operand=self._deeper(self._take(), self._operand), position=token.position)
        if self._sees("("):
            node = self._deeper(self._take(), lambda: self._expression(_OR))
            self._expect(")")
            return node
        if self._sees("["):
            raise ConditionInvalid(token.position, "a list stands only after in")
        raise self._unexpected("a value")

    def _deeper(self, opening: Token, inner: Callable[[], Node]) -> Node:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise ConditionInvalid(opening.position, f"parentheses and ! nest at most {MAX_DEPTH} deep")
        node = inner()
        self._depth -= 1
        return node

    def _constant(self) -> Constant:
        token = self._next
        if token.kind == "name" and token.text in ("true", "false"):
            value: bool | int | str = token.text == "true"
        elif token.kind in ("integer", "string"):
            value = token.value
        else:
            raise self._unexpected("a number, a string, true or false")
        self._take()
        return Constant(value=value, position=token.position)

    def _items(self) -> tuple[Constant, ...]:
        """The list after `in`. CEL takes any values there; constants keep a list readable and its check complete."""
        opening = self._expect("[")
        items: list[Constant] = []
        while not self._sees("]"):
            items.append(self._constant())
            if not self._sees("]"):
                self._expect(",")
        self._take()
        if not items:
            raise ConditionInvalid(opening.position, "nothing is in an empty list")
        return tuple(items)

    def _named(self) -> Node:
        token = self._next
        if token.text in ("true", "false"):
            return self._constant()
        self._take()
        if token.text in ROOTS:
            return Read(root=token.text, name=self._member_name(token), position=token.position)
        if not self._sees("("):
            raise _unknown_word(token)
        if token.text == "has":
            return self._has()
        return Call(function=token.text, arguments=self._arguments(token), position=token.position)

    def _member_name(self, root: Token) -> str:
        if not self._sees("."):
            raise ConditionInvalid(root.position, f"{root.text} is not a value itself: write {root.text}.name")
        self._take()
        if self._next.kind != "name" or self._next.text in ("true", "false", "null"):
            raise self._unexpected(f"a name after {root.text}.")
        return self._take().text

    def _has(self) -> Has:
        self._expect("(")
        root = self._next
        if root.kind != "name" or root.text not in ROOTS:
            raise ConditionInvalid(root.position, "has() takes contact.name or var.name")
        self._take()
        node = Has(root=root.text, name=self._member_name(root), position=root.position)
        self._expect(")")
        return node

    def _arguments(self, function: Token) -> tuple[Constant, ...]:
        self._expect("(")
        arguments: list[Constant] = []
        while not self._sees(")"):
            if arguments:
                self._expect(",")
            token = self._next
            if token.kind != "string":
                suggestion = f'"{token.text}"' if token.kind == "name" else None
                raise ConditionInvalid(token.position, f"{function.text}() takes a string in quotes", suggestion)
            arguments.append(self._constant())
        self._take()
        return tuple(arguments)


def _joined(left: Node, token: Token, right: Node) -> Junction:
    """One more part for a run of the same operator, so that a long chain does not nest."""
    if isinstance(left, Junction) and left.operator == token.text:
        return Junction(operator=token.text, parts=(*left.parts, right), position=left.position)
    return Junction(operator=token.text, parts=(left, right), position=token.position)


def _unknown_word(token: Token) -> ConditionInvalid:
    word = token.text
    if word in FUNCTIONS:
        return ConditionInvalid(token.position, f"{word} is a function", f"{word}()")
    if word == "null":
        return ConditionInvalid(token.position, "there is no null: ask has(contact.name) whether there is a value")
    suggestion = _FOREIGN_OPERANDS.get(word) or nearest(word, (*ROOTS, *FUNCTIONS, "has", "true", "false"))
    if suggestion in FUNCTIONS:
        suggestion = f"{suggestion}()"
    return ConditionInvalid(token.position, f"the language has no word {word}", suggestion)
