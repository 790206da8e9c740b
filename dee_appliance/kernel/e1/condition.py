"""Conditions: the small language in which a plan asks about a contact and a run, compiled to closures.

    !replied("intro") && contact.tier in ["gold", "silver"] && (!has(contact.renewal) || contact.renewal < "2027-01-01")

What lives here: the public names of the language and evaluation. The grammar is in `condition_parser`, types and the analysis of
reads in `condition_check`; nothing else imports those two.

The language is a strict subset of the Common Expression Language (CEL, cel-spec): where a condition gives a value, CEL gives the
same one. It has no arithmetic, no clock, no patterns and no way to loop, and it is typed when a plan is published.

Rules a change must keep:
- Left to right. `&&` and `||` stop at the first part that decides. An error in a part that was reached fails the run; it is never
  taken for false, and a later part never hides it, although CEL would let `error || true` be true.
- A value that is not of its declared type is an error as well, so a wrong row cannot steer a run.
- Evaluation reads only what `Facts` answers, and asks only what `Condition` lists.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any, Final, Literal, Protocol, TypeAlias, assert_never

import msgspec

from dee_appliance.kernel.e1.condition_check import (
    Scope,
    ValueType,
    check,
    is_date,
    reads_of,
    type_of_call,
    type_of_read,
)
from dee_appliance.kernel.e1.condition_parser import (
    INT_MAX,
    INT_MIN,
    Call,
    Compare,
    ConditionInvalid,
    Constant,
    Has,
    Junction,
    Member,
    Node,
    Not,
    Read,
    parse,
)
from dee_appliance.kernel.e1.plan import AttributeDeclaration

__all__ = [
    "AttributeType",
    "Condition",
    "ConditionFailed",
    "ConditionInvalid",
    "FailureCode",
    "Facts",
    "Scope",
    "compile_condition",
    "compiled",
]

AttributeType: TypeAlias = AttributeDeclaration
FailureCode: TypeAlias = Literal["absent_attribute", "absent_variable", "wrong_type"]
_Value: TypeAlias = bool | int | str
_Evaluator: TypeAlias = Callable[["Facts"], _Value]


class Facts(Protocol):
    """What a run can answer. The answers do not change during one evaluation.

    Step functions speak of the latest visit of the step in this run, or of any step when the argument is None; consent and
    suppression are the contact's. `call_outcome` gives the empty string while the call has no final outcome.
    """

    def attribute(self, name: str) -> bool | int | str | None:
        """The contact's attribute, None when there is none."""

    def variable(self, name: str) -> bool | int | str | None:
        """The variable given at enrolment, None when there is none."""

    def fact(self, function: str, argument: str | None) -> bool | int | str:
        """The answer of one function of the language, of the type the language gives it."""


class ConditionFailed(Exception):
    """A condition could not be evaluated, so the run fails: `code` is from a closed set, `name` is what was read.

    `absent_attribute`, `absent_variable`: there is no value and no `has()` guarded the read. `wrong_type`: the value is not
    one of the declared type, which says that the snapshot is wrong.
    """

    def __init__(self, code: FailureCode, name: str) -> None:
        super().__init__(code, name)
        self.code: FailureCode = code
        self.name = name


class Condition(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """A condition that fits its plan, ready to be evaluated. Every tuple is sorted and free of repeats.

    A read of `contact.x` is guarded when each way of getting to it, from left to right, has already found `has(contact.x)` true.
    `attributes` are those with at least one read that is not guarded: with all of them present, no evaluation fails for an absent
    attribute. `optional_attributes` are the others that the text mentions. `variables` and `optional_variables` likewise.
    `facts` are all pairs (function, argument or None) that an evaluation may ask; `functions` are their names.
    """

    text: str
    attributes: tuple[str, ...]
    optional_attributes: tuple[str, ...]
    variables: tuple[str, ...]
    optional_variables: tuple[str, ...]
    functions: tuple[str, ...]
    facts: tuple[tuple[str, str | None], ...]
    rule: Callable[[Facts], bool | int | str]

    def evaluate(self, facts: Facts) -> bool:
        """Whether the condition holds.

        Raises:
            ConditionFailed: a value that was needed is absent or of the wrong type.
        """
        return self.rule(facts) is True


def compile_condition(text: str, scope: Scope) -> Condition:
    """Parse, check and compile a condition against what a plan declares.

    Raises:
        ConditionInvalid: the text is not in the language, or does not fit `scope`.
    """
    node = parse(text)
    check(node, scope)
    reads = reads_of(node)
    return Condition(
        text=text,
        attributes=reads.attributes,
        optional_attributes=reads.optional_attributes,
        variables=reads.variables,
        optional_variables=reads.optional_variables,
        functions=reads.functions,
        facts=reads.facts,
        rule=_closure(node, scope),
    )


def compiled(text: str, scope: Scope) -> Condition:
    """`compile_condition`, remembered by text and by the contents of `scope`.

    Making the key costs a few microseconds, so what evaluates often keeps the `Condition` itself.

    Raises:
        ConditionInvalid: as `compile_condition`.
    """
    attributes, variables = (
        tuple((name, declared[name]) for name in sorted(declared)) for declared in (scope.attributes, scope.variables)
    )
    return _compiled(text, attributes, variables, tuple(sorted(scope.steps.items())))


_Declared: TypeAlias = tuple[tuple[str, AttributeType], ...]


@lru_cache(maxsize=1024)
def _compiled(text: str, attributes: _Declared, variables: _Declared, steps: tuple[tuple[str, str], ...]) -> Condition:
    scope = Scope(attributes=dict(attributes), variables=dict(variables), steps=dict(steps))
    return compile_condition(text, scope)


# The checker has seen that both sides are of one type, so Python's comparisons are those of CEL: strings by code point, which
# is also the order of their UTF-8 bytes.
_COMPARISONS: Final[dict[str, Callable[[Any, Any], bool]]] = {
    "==": lambda left, right: left == right,
    "!=": lambda left, right: left != right,
    "<": lambda left, right: left < right,
    "<=": lambda left, right: left <= right,
    ">": lambda left, right: left > right,
    ">=": lambda left, right: left >= right,
}


def _closure(node: Node, scope: Scope) -> _Evaluator:
    match node:
        case Constant(value=value):
            return lambda _facts: value
        case Read():
            return _read(node, _acceptor(type_of_read(node, scope)))
        case Has():
            return _has(node)
        case Call():
            return _call(node, _acceptor(type_of_call(node, scope)))
        case Not(operand=operand):
            inner = _closure(operand, scope)
            return lambda facts: not inner(facts)
        case Junction(operator=operator, parts=parts):
            return _junction(tuple(_closure(part, scope) for part in parts), stops_at=operator == "||")
        case Compare(operator=operator, left=left, right=right):
            return _compare(_COMPARISONS[operator], _closure(left, scope), _closure(right, scope))
        case Member(left=left, items=items):
            # Only ever asked for membership: a set has no order to rely on.
            return _member(_closure(left, scope), frozenset(item.value for item in items))
        case _:
            assert_never(node)


def _read(node: Read, accepts: Callable[[object], bool]) -> _Evaluator:
    name = node.name

    def attribute(facts: Facts) -> _Value:
        value = facts.attribute(name)
        if value is None:
            raise ConditionFailed("absent_attribute", name)
        if not accepts(value):
            raise ConditionFailed("wrong_type", name)
        return value

    def variable(facts: Facts) -> _Value:
        value = facts.variable(name)
        if value is None:
            raise ConditionFailed("absent_variable", name)
        if not accepts(value):
            raise ConditionFailed("wrong_type", name)
        return value

    return attribute if node.root == "contact" else variable


def _has(node: Has) -> _Evaluator:
    name = node.name
    if node.root == "contact":
        return lambda facts: facts.attribute(name) is not None
    return lambda facts: facts.variable(name) is not None


def _call(node: Call, accepts: Callable[[object], bool]) -> _Evaluator:
    function = node.function
    argument = str(node.arguments[0].value) if node.arguments else None

    def call(facts: Facts) -> _Value:
        value = facts.fact(function, argument)
        if not accepts(value):
            raise ConditionFailed("wrong_type", function)
        return value

    return call


def _junction(parts: tuple[_Evaluator, ...], *, stops_at: bool) -> _Evaluator:
    def junction(facts: Facts) -> bool:
        for part in parts:
            if part(facts) is stops_at:
                return stops_at
        return not stops_at

    return junction


def _compare(holds: Callable[[Any, Any], bool], left: _Evaluator, right: _Evaluator) -> _Evaluator:
    return lambda facts: holds(left(facts), right(facts))


def _member(left: _Evaluator, items: frozenset[_Value]) -> _Evaluator:
    return lambda facts: left(facts) in items


def _acceptor(value_type: ValueType) -> Callable[[object], bool]:
    """Whether a value at run time is one of the declared type. `type(...) is` keeps True and False apart from 1 and 0."""
    match value_type.kind:
        case "bool":
            return lambda value: type(value) is bool
        case "int":
            return lambda value: type(value) is int and INT_MIN <= value <= INT_MAX
        case "date":
            return lambda value: type(value) is str and is_date(value)
        case "enum":
            values = frozenset(value_type.values)
            return lambda value: type(value) is str and value in values
        case _:
            return lambda value: type(value) is str
