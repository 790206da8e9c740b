"""Conditions against two independent CEL libraries, and what must hold for any text and any condition.

Expressions are written at random from the grammar, some of them damaged afterwards. Wherever a condition is accepted and gives a
value, both libraries accept the same text and give the same value. Where a condition fails, CEL may still give a value, since it
lets `error || true` be true. One word is translated: `var` is reserved in CEL, so the libraries get `vars`.
"""

from __future__ import annotations

import importlib
import random  # noqa: TID251 -- seeded: every run writes the same expressions
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dee_appliance.kernel.e1.condition import (
    AttributeType,
    Condition,
    ConditionFailed,
    ConditionInvalid,
    Scope,
    compile_condition,
)
from dee_appliance.kernel.e1.condition_parser import FUNCTIONS, nearest
from dee_appliance.kernel.e1.plan import CALL_OUTCOMES

Value = bool | int | str
Tokens = list[str]

TIERS = ("basic", "gold", "silver")
DATES = ("2026-02-28", "2026-03-01", "2027-01-01")
ZONES = ("America/Phoenix", "Asia/Tokyo")
NUMBERS = (-(2**63), -1, 0, 1, 7, 2**63 - 1)
KINDS: dict[str, AttributeType] = {
    "vip": AttributeType(kind="bool"),
    "owes": AttributeType(kind="bool"),
    "balance": AttributeType(kind="int"),
    "visits": AttributeType(kind="int"),
    "tier": AttributeType(kind="enum", values=TIERS),
    "past_tier": AttributeType(kind="enum", values=TIERS),
    "renewal": AttributeType(kind="date"),
    "since": AttributeType(kind="date"),
    "home": AttributeType(kind="zone"),
}
POOLS: dict[str, tuple[Value, ...]] = {
    "bool": (True, False),
    "int": NUMBERS,
    "enum": TIERS,
    "date": DATES,
    "zone": ZONES,
    "outcome": ("", *CALL_OUTCOMES),
    "string": ("", "a", "B", "é", "\U0001f600", "it's", '"', "\\", "a\n\t"),
}
SCOPE = Scope(attributes=KINDS, variables=KINDS, steps={"intro": "send_email", "text": "send_sms", "dial": "call"})
ARGUMENTS: dict[str, tuple[str, ...]] = {
    "none": (),
    "message_step": ("intro", "text"),
    "call_step": ("dial",),
    "bounce": ("hard", "soft"),
    "channel": ("email", "sms", "voice"),
    "name": ("order", "a'b", "Größe"),
}


class Answers:
    """What a run knows; it also writes down which facts it was asked."""

    def __init__(self, attributes: dict[str, Value], variables: dict[str, Value], seed: int) -> None:
        self.attributes = attributes
        self.variables = variables
        self.seed = seed
        self.asked: set[tuple[str, str | None]] = set()

    def attribute(self, name: str) -> Value | None:
        return self.attributes.get(name)

    def variable(self, name: str) -> Value | None:
        return self.variables.get(name)

    def fact(self, function: str, argument: str | None) -> Value:
        self.asked.add((function, argument))
        pool = POOLS[FUNCTIONS[function].result]
        return random.Random(f"{self.seed} {function} {argument}").choice(pool)


def random_answers(rng: random.Random, *, present: float) -> Answers:
    def row() -> dict[str, Value]:
        return {name: rng.choice(POOLS[kind.kind]) for name, kind in KINDS.items() if rng.random() < present}

    return Answers(row(), row(), rng.randrange(1000))


# -- writing expressions -----------------------------------------------------------------------------------------------

OR, AND, RELATION, UNARY = 1, 2, 3, 4


class Writer:
    """Writes well-typed conditions.

    A piece is its tokens and how strongly it binds; parentheses come where they must, and elsewhere by chance.
    """

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng

    def condition(self, depth: int) -> Tokens:
        return self.bool_at(OR, depth)

    def bool_at(self, floor: int, depth: int) -> Tokens:
        """A condition that can stand where `floor` is the weakest binding that needs no parentheses."""
        tokens, strength = self.bool_piece(depth)
        if strength < floor or self.rng.random() < 0.08:
            return ["(", *tokens, ")"]
        return tokens

    def bool_piece(self, depth: int) -> tuple[Tokens, int]:
        leaf = depth <= 0
        kind = self.rng.choice("rrhcckMC" if leaf else "!&&&|||CCMMEr")
        match kind:
            case "r":
                return self.read("bool"), UNARY
            case "h":
                return ["has", "(", *self.read(self.rng.choice(["bool", "int", "enum", "date", "zone"])), ")"], UNARY
            case "c":
                return self.call("bool"), UNARY
            case "k":
                return self.constant("bool"), UNARY
            case "!":
                return ["!", *self.bool_at(UNARY, depth - 1)], UNARY
            case "&":
                return self.joined("&&", AND, depth), AND
            case "|":
                return self.joined("||", OR, depth), OR
            case "E":
                left, right = self.bool_at(UNARY, depth - 1), self.bool_at(UNARY, depth - 1)
                return [*left, self.rng.choice(["==", "!="]), *right], RELATION
            case "M":
                return self.member(), RELATION
            case _:
                return self.comparison(), RELATION

    def joined(self, operator: str, strength: int, depth: int) -> Tokens:
        tokens = self.bool_at(strength + 1, depth - 1)
        for _ in range(self.rng.choice([1, 1, 1, 2, 3])):
            tokens += [operator, *self.bool_at(strength + 1, depth - 1)]
        return tokens

    def comparison(self) -> Tokens:
        kind = self.rng.choice(["int", "int", "enum", "date", "zone", "outcome", "string"])
        ordered = ["<", "<=", ">", ">="] if kind in ("int", "date", "string") else []
        sides = [self.operand(kind), self.constant(kind) if self.rng.random() < 0.7 else self.operand(kind)]
        self.rng.shuffle(sides)
        return [*sides[0], self.rng.choice(["==", "!=", *ordered]), *sides[1]]

    def member(self) -> Tokens:
        kind = self.rng.choice(["bool", "int", "enum", "date", "zone", "outcome", "string"])
        tokens = [*self.operand(kind), "in", "["]
        for _ in range(self.rng.randrange(1, 5)):
            tokens += [*self.constant(kind), ","]
        return [*tokens[: None if self.rng.random() < 0.2 else -1], "]"]

    def operand(self, kind: str) -> Tokens:
        if kind == "outcome":
            return self.call(kind)
        if kind == "string":
            return self.constant(kind)
        return self.call(kind) if kind == "int" and self.rng.random() < 0.3 else self.read(kind)

    def read(self, kind: str) -> Tokens:
        name = self.rng.choice([name for name in KINDS if KINDS[name].kind == kind])
        return [self.rng.choice(["contact", "contact", "var"]), ".", name]

    def call(self, result: str) -> Tokens:
        function = self.rng.choice([name for name in FUNCTIONS if FUNCTIONS[name].result == result])
        arguments = ARGUMENTS[FUNCTIONS[function].argument]
        if not arguments or (not FUNCTIONS[function].required and self.rng.random() < 0.5):
            return [function, "(", ")"]
        return [function, "(", self.string(self.rng.choice(arguments)), ")"]

    def constant(self, kind: str) -> Tokens:
        value = self.rng.choice(POOLS[kind])
        if isinstance(value, str):
            return [self.string(value)]
        return [str(value).lower()]

    def string(self, value: str) -> str:
        quote = self.rng.choice("\"'")
        escapes = {"\\": "\\\\", "\n": "\\n", "\t": "\\t", quote: f"\\{quote}"}
        return quote + "".join(escapes.get(char, char) for char in value) + quote


def spaced(rng: random.Random, tokens: Tokens) -> str:
    """The tokens as a text, with spaces where two words would run together and by chance elsewhere."""
    text = ""
    for token in tokens:
        must = text[-1:].isalnum() and (token[0].isalnum() or token[0] == "_")
        text += (" " if must else rng.choice(["", "", " ", " ", "\n", "\t "])) + token
    return text


# Tokens of CEL and of other languages that a condition does not have, or has elsewhere.
STRAY = [
    "!", "&&", "||", "==", "!=", "<", "<=", ">", ">=", "in", "(", ")", "[", "]", ",", ".", "-", "+", "?", ":", "true", "null",
    "1", "-1", "01", "0x1", "1u", "1.0", "''", '""', "'a'", "r'a'", "b'a'", "contact", "var", "has", "vip", "tier", "replied",
    "//", "{", "}", "'intro'", "'gold'", "a", "contact.vip", "var.vip",
]  # fmt: skip


OPERATORS = ["&&", "||", "==", "!=", "<", "<=", ">", ">="]


def damaged(rng: random.Random, tokens: Tokens) -> Tokens:
    """The same tokens after one or two slips of the hand."""
    tokens = list(tokens)
    for _ in range(rng.choice([1, 1, 2])):
        at = rng.randrange(len(tokens))
        match rng.choice("dscrixooopp"):
            case "d" if len(tokens) > 1:
                del tokens[at]
            case "s":
                other = rng.randrange(len(tokens))
                tokens[at], tokens[other] = tokens[other], tokens[at]
            case "c":
                tokens.insert(rng.randrange(len(tokens)), tokens[at])
            case "r":
                tokens[at] = rng.choice(STRAY)
            case "o":
                places = [place for place, token in enumerate(tokens) if token in OPERATORS]
                if places:
                    tokens[rng.choice(places)] = rng.choice(OPERATORS)
            case "p":
                start, end = sorted([at, rng.randrange(len(tokens))])
                tokens[start : end + 1] = ["(", *tokens[start : end + 1], ")"]
            case "x" if len(tokens[at]) > 1:
                cut = rng.randrange(len(tokens[at]))
                tokens[at] = tokens[at][:cut] + tokens[at][cut + 1 :]
            case _:
                tokens.insert(at, rng.choice(STRAY))
    return tokens


# -- the libraries -----------------------------------------------------------------------------------------------------

Judge = Callable[[str, Answers], bool | None]
"""Evaluates a text in CEL: a bool, or None for an error at run time. Raises what the library raises for a text it refuses."""


def library(module: str, package: str) -> Any:
    try:
        return importlib.import_module(module)
    except ImportError as error:
        pytest.fail(f"{package} is needed to compare conditions with CEL; install the dev dependencies ({error})")


def cpp_judge() -> Judge:
    """The reference implementation in C++, with a type checker."""
    cel = library("cel_expr_python.cel", "cel-expr-python")
    types = {"bool": cel.Type.BOOL, "int": cel.Type.INT, "outcome": cel.Type.STRING}
    now: list[Answers] = []

    def asking(function: str) -> Callable[..., Value]:
        return lambda *arguments: now[0].fact(function, *(arguments or (None,)))

    declarations = []
    for name, signature in FUNCTIONS.items():
        shapes = [[cel.Type.STRING]] if signature.argument != "none" else []
        shapes += [] if signature.required else [[]]
        overloads = [
            cel.Overload(f"{name}_{len(shape)}", types[signature.result], shape, impl=asking(name)) for shape in shapes
        ]
        declarations.append(cel.FunctionDecl(name, overloads))
    row = cel.Type.Map(cel.Type.STRING, cel.Type.DYN)
    environment = cel.NewEnv(variables={"contact": row, "vars": row}, functions=declarations)

    def judge(text: str, answers: Answers) -> bool | None:
        now[:] = [answers]
        result = environment.compile(text).eval(data={"contact": answers.attributes, "vars": answers.variables})
        return None if result.type() == cel.Type.ERROR else result.value()

    return judge


def rust_judge() -> Judge:
    """An implementation in Rust that shares no code with the other."""
    cel = library("cel", "common-expression-language")

    def judge(text: str, answers: Answers) -> bool | None:
        program = cel.compile(text)

        def asking(function: str) -> Callable[..., Value]:
            return lambda *arguments: answers.fact(function, *(arguments or (None,)))

        rows = {"contact": answers.attributes, "vars": answers.variables}
        try:
            value: bool = program.execute(cel.Context(rows, {name: asking(name) for name in FUNCTIONS}))
        except (KeyError, TypeError, ValueError, RuntimeError):
            return None
        return value

    return judge


@pytest.fixture(scope="module", params=[cpp_judge, rust_judge], ids=["cpp", "rust"])
def judge(request: pytest.FixtureRequest) -> Judge:
    made: Judge = request.param()
    return made


def outcome_of(condition: Condition, answers: Answers) -> bool | None:
    try:
        return condition.evaluate(answers)
    except ConditionFailed:
        return None


def in_cel(tokens: Tokens) -> Tokens:
    return [token.replace("var", "vars") if token in ("var", "var.vip") else token for token in tokens]


def random_tokens(seed: int, count: int, *, deepest: int = 4) -> Iterator[tuple[random.Random, Tokens]]:
    for number in range(count):
        rng = random.Random(f"{seed} {number}")
        yield rng, Writer(rng).condition(rng.randrange(1, deepest + 1))


# -- the comparison ----------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_where_a_condition_gives_a_value_cel_gives_the_same(judge: Judge) -> None:
    seen: Counter[bool | None] = Counter()
    for rng, tokens in random_tokens(1, 2500):
        spacing = rng.randrange(1000)
        text, cel_text = (spaced(random.Random(spacing), words) for words in (tokens, in_cel(tokens)))
        condition = compile_condition(text, SCOPE)
        for present in (1.0, 0.6):
            answers = random_answers(rng, present=present)
            value = outcome_of(condition, answers)
            seen[value] += 1
            if value is not None:
                assert judge(cel_text, answers) is value, (text, answers.attributes, answers.variables)
    # The comparison says something only while each answer is common.
    assert min(seen[True], seen[False]) > 1000
    assert seen[None] > 200


@pytest.mark.slow
def test_what_is_accepted_after_damage_is_accepted_by_cel(judge: Judge) -> None:
    accepted: set[str] = set()
    for rng, tokens in random_tokens(2, 8000, deepest=3):
        broken = damaged(rng, tokens)
        spacing = rng.randrange(1000)
        text, cel_text = (spaced(random.Random(spacing), words) for words in (broken, in_cel(broken)))
        try:
            condition = compile_condition(text, SCOPE)
        except ConditionInvalid:
            continue
        if broken != tokens:
            accepted.add(text)
        answers = random_answers(rng, present=0.9)
        theirs = judge(cel_text, answers)
        value = outcome_of(condition, answers)
        assert value is None or theirs is value, (text, answers.attributes, answers.variables)
    assert len(accepted) > 500


# -- what holds for any condition --------------------------------------------------------------------------------------


@pytest.mark.slow
def test_with_every_required_value_present_no_evaluation_fails() -> None:
    needed = 0
    for rng, tokens in random_tokens(3, 2000):
        condition = compile_condition(spaced(rng, tokens), SCOPE)
        full, sparse = random_answers(rng, present=1.0), random_answers(rng, present=0.0)
        sparse.attributes.update({name: full.attributes[name] for name in condition.attributes})
        sparse.variables.update({name: full.variables[name] for name in condition.variables})
        assert condition.evaluate(full) in (True, False)
        assert condition.evaluate(sparse) in (True, False)
        needed += bool(condition.attributes or condition.variables)
    assert needed > 1000


@pytest.mark.slow
def test_an_evaluation_asks_only_what_the_condition_lists() -> None:
    asked = 0
    for rng, tokens in random_tokens(4, 1000):
        condition = compile_condition(spaced(rng, tokens), SCOPE)
        answers = random_answers(rng, present=0.8)
        outcome_of(condition, answers)
        assert answers.asked <= set(condition.facts)
        assert {function for function, _ in condition.facts} == set(condition.functions)
        asked += len(answers.asked)
    assert asked > 300


@given(st.one_of(st.text(max_size=60), st.lists(st.sampled_from([*STRAY, " ", "\\", "é"]), max_size=60).map("".join)))
def test_any_text_is_compiled_or_refused_within_itself(text: str) -> None:
    refused: ConditionInvalid | None = None
    try:
        compile_condition(text, SCOPE)
    except ConditionInvalid as error:
        refused = error
    assert refused is None or (0 <= refused.position <= len(text) and refused.reason)


@given(st.sampled_from("([!-'\"\\ "), st.integers(1, 2100))
def test_a_run_of_one_character_is_refused(char: str, length: int) -> None:
    with pytest.raises(ConditionInvalid):
        compile_condition(char * length, SCOPE)


@given(st.text("abcd", max_size=12), st.lists(st.text("abcd", max_size=12), max_size=6))
def test_the_nearest_word_does_not_depend_on_the_order_of_candidates(word: str, candidates: list[str]) -> None:
    found = nearest(word, candidates)
    assert found == nearest(word, list(reversed(candidates)))
    if word in candidates:
        assert found == word
