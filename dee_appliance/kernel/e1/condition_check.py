"""Conditions, second half: what a plan declares, whether a parsed condition fits it, and what the condition reads.

What lives here: types, names, arguments and the analysis of reads, all at publish. No syntax (`condition_parser`) and no values
at run time (`condition`).

Rules a change must keep:
- Only values of one type are compared, so that no answer depends on how a language orders or converts mixed values. A string
  constant takes the type of what it is compared with and must be a possible value of it, or a slip would be false for ever.
- `Reads` promises: with every required attribute and variable present, no evaluation fails for an absent one, and evaluation asks
  for no fact that is not listed. Enrolment and the prefetch of a snapshot rely on it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, Literal, TypeAlias, assert_never, get_args

import msgspec

from dee_appliance.kernel.e1.civil_time import parse_iso_date
from dee_appliance.kernel.e1.condition_parser import (
    FUNCTIONS,
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
    Signature,
    nearest,
    parse,
)
from dee_appliance.kernel.e1.plan import CALL_OUTCOMES, AttributeDeclaration, Channel

CHANNELS: Final[tuple[str, ...]] = get_args(Channel)
BOUNCE_KINDS: Final = ("hard", "soft")
MESSAGE_STEPS: Final = ("send_email", "send_sms")
CALL_STEPS: Final = ("call",)

_MOST_SHOWN: Final = 12
_ORDERED_KINDS: Final = ("int", "date", "string")
_NOUNS: Final = {
    "bool": "true or false",
    "int": "a number",
    "string": "text",
    "date": "a date",
    "zone": "a time zone",
    "outcome": "the outcome of a call",
    "enum": "one of a set of words",
}


class Scope(msgspec.Struct, frozen=True, kw_only=True):
    """What a plan declares, hence what its conditions may name.

    `steps` maps each step id to its kind, the step's `do` word. A zone may list `values`, the names of the zone table, as an enum
    lists its words; without them any text is taken for a zone.
    """

    attributes: dict[str, AttributeDeclaration]
    variables: dict[str, AttributeDeclaration]
    steps: dict[str, str]

    def declared(self, root: str) -> dict[str, AttributeDeclaration]:
        """The names after `contact.` or after `var.`."""
        return self.attributes if root == "contact" else self.variables


class Reads(msgspec.Struct, frozen=True, kw_only=True):
    """What a condition reads. Every tuple is sorted and free of repeats.

    A read of `contact.x` is guarded when each way of getting to it, from left to right, has already found `has(contact.x)` true.
    `attributes` are those with at least one read that is not guarded: the contact must have them. `optional_attributes` are the
    others that the text mentions. Variables likewise. `facts` are the pairs (function, argument or None).
    """

    attributes: tuple[str, ...]
    optional_attributes: tuple[str, ...]
    variables: tuple[str, ...]
    optional_variables: tuple[str, ...]
    functions: tuple[str, ...]
    facts: tuple[tuple[str, str | None], ...]


class ValueType(msgspec.Struct, frozen=True):
    """The type of any expression; `values`, when there are any, are the only ones possible.

    `string` is that of a string constant by itself, `outcome` that of `call_outcome()`, the others are those of attributes.
    """

    kind: Literal["bool", "int", "date", "zone", "enum", "outcome", "string"]
    values: tuple[str, ...] = ()


_BOOL: Final = ValueType("bool")
# The empty string is the answer while a call has no final outcome.
_OUTCOME: Final = ValueType("outcome", ("", *sorted(CALL_OUTCOMES)))


def check(node: Node, scope: Scope) -> None:
    """See that a parsed condition fits what the plan declares and is true or false as a whole.

    Raises:
        ConditionInvalid: an unknown name, a wrong argument or a wrong type; the first that is met from left to right.
    """
    _require_bool(node, scope, "a condition as a whole")


def type_of_read(node: Read | Has, scope: Scope) -> ValueType:
    """The type of what `contact.name` or `var.name` reads.

    Raises:
        ConditionInvalid: the plan does not declare the name.
    """
    declared = scope.declared(node.root)
    if node.name not in declared:
        near = nearest(node.name, declared)
        what = "attribute" if node.root == "contact" else "variable"
        reason = f"the plan declares no {what} {node.name}"
        raise ConditionInvalid(node.position, reason, f"{node.root}.{near}" if near else None)
    found = declared[node.name]
    return ValueType(found.kind, tuple(sorted(found.values)))


def type_of_call(node: Call, scope: Scope) -> ValueType:
    """The type of what a function gives, once its name and arguments are known to be right.

    Raises:
        ConditionInvalid: an unknown function, a wrong number of arguments, or an argument that names nothing suitable.
    """
    signature = FUNCTIONS.get(node.function)
    if signature is None:
        raise ConditionInvalid(
            node.position, f"there is no function {node.function}()", nearest(node.function, FUNCTIONS)
        )
    _check_arguments(node, signature, scope)
    return _OUTCOME if signature.result == "outcome" else ValueType(signature.result)


def reads_of(node: Node) -> Reads:
    """What a checked condition reads; see `Reads` for the meaning of each part."""
    reads: dict[_Name, bool] = {}
    calls: dict[tuple[str, str], None] = {}
    _collect(node, frozenset(), reads, calls)

    def names(root: str, *, required: bool) -> tuple[str, ...]:
        return tuple(name for at, name in sorted(reads) if at == root and reads[at, name] is required)

    return Reads(
        attributes=names("contact", required=True),
        optional_attributes=names("contact", required=False),
        variables=names("var", required=True),
        optional_variables=names("var", required=False),
        functions=tuple(sorted({function: None for function, _ in calls})),
        facts=tuple((function, argument or None) for function, argument in sorted(calls)),
    )


def is_date(text: str) -> bool:
    """Whether `text` is a day of the calendar, written YYYY-MM-DD."""
    try:
        parse_iso_date(text)
    except ValueError:
        return False
    return True


def _type_of(node: Node, scope: Scope) -> ValueType:
    match node:
        case Constant(value=bool()) | Has() | Not() | Junction() | Compare() | Member():
            _check_inside(node, scope)
            return _BOOL
        case Constant(value=int()):
            return ValueType("int")
        case Constant():
            return ValueType("string")
        case Read():
            return type_of_read(node, scope)
        case Call():
            return type_of_call(node, scope)
        case _:
            assert_never(node)


def _check_inside(node: Constant | Has | Not | Junction | Compare | Member, scope: Scope) -> None:
    match node:
        case Has():
            type_of_read(node, scope)
        case Not(operand=operand):
            _require_bool(operand, scope, "what stands directly after ! (put a comparison in parentheses)")
        case Junction(parts=parts):
            for part in parts:
                _require_bool(part, scope, f"each side of {node.operator}")
        case Compare():
            _check_compare(node, scope)
        case Member(left=left, items=items):
            left_type = _type_of(left, scope)
            for item in items:
                _check_pair(left_type, item, scope, item.position)
        case Constant():
            pass
        case _:
            assert_never(node)


def _require_bool(node: Node, scope: Scope, place: str) -> None:
    found = _type_of(node, scope)
    if found.kind != "bool":
        raise ConditionInvalid(node.position, f"{place} must be true or false, and this is {_described(found)}")


def _check_compare(node: Compare, scope: Scope) -> None:
    left, right = _type_of(node.left, scope), _type_of(node.right, scope)
    if isinstance(node.left, Constant) and not isinstance(node.right, Constant):
        _check_pair(right, node.left, scope, node.position)
        kind = right.kind
    else:
        _check_pair(left, node.right, scope, node.position)
        kind = left.kind
    if node.operator not in ("==", "!=") and kind not in _ORDERED_KINDS:
        raise ConditionInvalid(
            node.position, f"{node.operator} compares numbers, dates or text, not {_described(left)}"
        )


def _check_pair(expected: ValueType, other: Node, scope: Scope, position: int) -> None:
    """Refuse to compare something of type `expected` with `other`, unless they can be equal."""
    if isinstance(other, Constant) and isinstance(other.value, str) and expected.kind not in ("bool", "int"):
        _check_text(expected, other)
        return
    found = _type_of(other, scope)
    if found == expected:
        return
    reason = f"{_described(expected)} cannot be compared with {_described(found)}"
    raise ConditionInvalid(position, reason, _unquoted(other, expected))


def _check_text(expected: ValueType, constant: Constant) -> None:
    text = str(constant.value)
    if expected.kind == "date" and not is_date(text):
        raise ConditionInvalid(constant.position, f"{text!r} is not a date: write YYYY-MM-DD")
    if (expected.kind == "enum" or expected.values) and text not in expected.values:
        reason = f"{text!r} is never found here, only {_listed(expected.values)}"
        raise ConditionInvalid(constant.position, reason, _near_constant(text, expected.values))


def _check_arguments(node: Call, signature: Signature, scope: Scope) -> None:
    call = f"{node.function}()"
    given = len(node.arguments)
    most = 0 if signature.argument == "none" else 1
    if given > most:
        reason = f"{call} takes {'one argument at most' if most else 'no argument'}"
        raise ConditionInvalid(node.arguments[most].position, reason)
    if not given:
        if signature.required:
            raise ConditionInvalid(node.position, f"{call} needs its argument: {_ARGUMENT_NOUNS[signature.argument]}")
        return
    argument = node.arguments[0]
    text = str(argument.value)
    match signature.argument:
        case "message_step":
            _check_step(call, argument, MESSAGE_STEPS, scope)
        case "call_step":
            _check_step(call, argument, CALL_STEPS, scope)
        case "bounce":
            _check_choice(call, argument, BOUNCE_KINDS)
        case "channel":
            _check_choice(call, argument, CHANNELS)
        case "name" | "none":
            if not text:
                raise ConditionInvalid(argument.position, f"{call} needs the name of an event")
        case _:
            assert_never(signature.argument)


_ARGUMENT_NOUNS: Final = {
    "none": "",
    "message_step": "the id of a step that sends",
    "call_step": "the id of a call step",
    "bounce": '"hard" or "soft"',
    "channel": '"email", "sms" or "voice"',
    "name": "the name of an event",
}


def _check_step(call: str, argument: Constant, kinds: tuple[str, ...], scope: Scope) -> None:
    step = str(argument.value)
    fitting = [name for name in sorted(scope.steps) if scope.steps[name] in kinds]
    suggestion = _near_constant(step, fitting)
    if step not in scope.steps:
        raise ConditionInvalid(argument.position, f"the plan has no step {step!r}", suggestion)
    if scope.steps[step] not in kinds:
        reason = f"{call} asks about a step of kind {_listed(kinds)}, and {step!r} is {scope.steps[step]}"
        raise ConditionInvalid(argument.position, reason, suggestion)


def _check_choice(call: str, argument: Constant, choices: tuple[str, ...]) -> None:
    text = str(argument.value)
    if text not in choices:
        reason = f"{call} takes {_listed(choices)}, not {text!r}"
        raise ConditionInvalid(argument.position, reason, _near_constant(text, choices))


def _near_constant(text: str, candidates: Iterable[str]) -> str | None:
    near = nearest(text, candidates)
    return f'"{near}"' if near else None


def _unquoted(node: Node, expected: ValueType) -> str | None:
    """The text of a string constant that would be a constant of type `expected` without its quotes, else None."""
    if not isinstance(node, Constant) or not isinstance(node.value, str):
        return None
    try:
        inner = parse(node.value)
    except ConditionInvalid:
        return None
    kinds: dict[type, str] = {bool: "bool", int: "int"}
    fits = isinstance(inner, Constant) and kinds.get(type(inner.value)) == expected.kind
    return node.value if fits else None


def _described(value_type: ValueType) -> str:
    noun = _NOUNS[value_type.kind]
    return f"{noun} ({_listed(value_type.values)})" if value_type.kind == "enum" else noun


def _listed(words: tuple[str, ...]) -> str:
    shown = ", ".join(word for word in words[:_MOST_SHOWN] if word)
    return f"{shown}, …" if len(words) > _MOST_SHOWN else shown


_Name: TypeAlias = tuple[str, str]
_NONE: Final[frozenset[_Name]] = frozenset()


def _collect(node: Node, known: frozenset[_Name], reads: dict[_Name, bool], calls: dict[tuple[str, str], None]) -> None:
    """Note every read (True: not guarded somewhere) and every call; `known` is what `has()` has found so far on this way."""
    match node:
        case Has(root=root, name=name):
            reads.setdefault((root, name), False)
        case Read(root=root, name=name):
            guarded = (root, name) in known
            reads[root, name] = reads.get((root, name), False) or not guarded
        case Call(function=function, arguments=arguments):
            calls[function, str(arguments[0].value) if arguments else ""] = None
        case Not(operand=inner) | Member(left=inner):
            _collect(inner, known, reads, calls)
        case Compare(left=left, right=right):
            _collect(left, known, reads, calls)
            _collect(right, known, reads, calls)
        case Junction(operator=operator, parts=parts):
            for part in parts:
                _collect(part, known, reads, calls)
                known |= _proven(part, outcome=operator == "&&")
        case Constant():
            pass
        case _:
            assert_never(node)


def _proven(node: Node, *, outcome: bool) -> frozenset[_Name]:
    """The names that certainly have a value whenever `node` has come out as `outcome`."""
    match node:
        case Has(root=root, name=name):
            return frozenset({(root, name)}) if outcome else _NONE
        case Not(operand=operand):
            return _proven(operand, outcome=not outcome)
        case Junction(operator=operator, parts=parts):
            goes_on = operator == "&&"
            so_far = _NONE
            endings: list[frozenset[_Name]] = []
            for part in parts:
                endings.append(so_far | _proven(part, outcome=not goes_on))
                so_far |= _proven(part, outcome=goes_on)
            return so_far if outcome is goes_on else endings[0].intersection(*endings)
        case _:
            return _NONE
