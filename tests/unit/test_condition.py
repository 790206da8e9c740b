"""Conditions, case by case: what they answer, what they fail on, and what they say they read."""

from __future__ import annotations

import itertools
from typing import Any, get_args

import pytest

from dee_appliance.kernel.e1.condition import (
    AttributeType,
    ConditionFailed,
    ConditionInvalid,
    Scope,
    compile_condition,
    compiled,
)
from dee_appliance.kernel.e1.condition_check import BOUNCE_KINDS, CALL_STEPS, CHANNELS, MESSAGE_STEPS
from dee_appliance.kernel.e1.condition_parser import FUNCTIONS, MAX_TEXT_CHARS
from dee_appliance.kernel.e1.input import EVENTS
from dee_appliance.kernel.e1.plan import CALL_OUTCOMES, Channel, Step

SCOPE = Scope(
    attributes={
        "balance": AttributeType(kind="int"),
        "limit": AttributeType(kind="int"),
        "vip": AttributeType(kind="bool"),
        "tier": AttributeType(kind="enum", values=("gold", "silver", "basic")),
        "level": AttributeType(kind="enum", values=("low", "high")),
        "renewal": AttributeType(kind="date"),
        "birthday": AttributeType(kind="date"),
        "home": AttributeType(kind="zone"),
        "office": AttributeType(kind="zone", values=("Europe/Berlin", "Asia/Tokyo")),
    },
    variables={
        "debt": AttributeType(kind="int"),
        "tier": AttributeType(kind="enum", values=("basic", "silver", "gold")),
    },
    steps={"intro": "send_email", "text": "send_sms", "dial": "call", "rest": "wait"},
)

Value = bool | int | str


class Answers:
    """What a run knows, and a list of everything it was asked."""

    def __init__(
        self,
        attributes: dict[str, Any] | None = None,
        variables: dict[str, Any] | None = None,
        facts: dict[tuple[str, str | None], Any] | None = None,
    ) -> None:
        self.attributes = attributes or {}
        self.variables = variables or {}
        self.facts = facts or {}
        self.asked: list[str] = []

    def attribute(self, name: str) -> Value | None:
        self.asked.append(f"contact.{name}")
        value: Value | None = self.attributes.get(name)
        return value

    def variable(self, name: str) -> Value | None:
        self.asked.append(f"var.{name}")
        value: Value | None = self.variables.get(name)
        return value

    def fact(self, function: str, argument: str | None) -> Value:
        self.asked.append(f"{function}({argument or ''})")
        value: Value = self.facts.get((function, argument), False)
        return value


JANE = Answers(
    {
        "balance": 101,
        "limit": 101,
        "vip": True,
        "tier": "gold",
        "renewal": "2026-11-23",
        "birthday": "1990-02-28",
        "home": "Europe/Berlin",
    },
    {"debt": -5, "tier": "gold"},
    {
        ("replied", "intro"): True,
        ("bounced", "hard"): True,
        ("consent", "email"): True,
        ("call_outcome", "dial"): "answered",
        ("count", "order"): 3,
        ("event", "order"): True,
    },
)


def holds(text: str, facts: Answers = JANE) -> bool:
    return compile_condition(text, SCOPE).evaluate(facts)


@pytest.mark.parametrize(
    "text",
    [
        "true",
        "!false",
        "!!true",
        "contact.vip",
        "contact.vip == true",
        "contact.balance == 101",
        "contact.balance != 100",
        "contact.balance > 100",
        "contact.balance >= 101",
        "contact.balance <= 101",
        "contact.balance < 102",
        "100 < contact.balance",
        "contact.balance == contact.limit",
        "var.debt == -5",
        "var.debt < contact.balance",
        "-9223372036854775808 < 9223372036854775807",
        "-0 == 0",
        'contact.tier == "gold"',
        '"gold" == contact.tier',
        "contact.tier == 'gold'",
        "contact.tier == var.tier",
        'contact.tier in ["silver", "gold"]',
        'contact.tier in ["silver", "gold",]',
        '!(contact.tier in ["silver"])',
        "contact.balance in [1, 101, -3]",
        "contact.vip in [true]",
        '"a" in ["b", "a"]',
        'contact.renewal == "2026-11-23"',
        'contact.renewal < "2026-12-01"',
        "contact.birthday < contact.renewal",
        'contact.home == "Europe/Berlin"',
        'contact.home != "Asia/Tokyo"',
        "has(contact.tier)",
        "!has(contact.level)",
        "has(var.debt)",
        'replied("intro")',
        "!replied()",
        'bounced("hard")',
        'consent("email") && !consent("sms")',
        'call_outcome("dial") == "answered"',
        'call_outcome("dial") in ["voicemail", "answered"]',
        'call_outcome("dial") != ""',
        'count("order") >= 3',
        'event("order") && !event("Order Placed")',
        r'"a\"b" == "a\"b"',
        r"'it\'s' == " + '"it\'s"',
        r"'\\' != '\n' && '\t' == " + r'"\t"',
        "'é' < '\U0001f600'",
        '"" < "a"',
        "\n true\t&&\r\n true ",
        "(((true)))",
        "true||contact.balance<1",
        '"a"in["a"]&&!false',
    ],
)
def test_a_condition_holds(text: str) -> None:
    assert holds(text) is True


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("true || false && false", True),
        ("(true || false) && false", False),
        ("false && true || true", True),
        ("false && (true || true)", False),
        ("!false || true", True),
        ("!(false || true)", False),
        ("!contact.vip == false", True),
        ("!(contact.vip == false)", True),
        ("!contact.vip == true", False),
        ("!contact.vip in [true]", False),
        ("false == (1 < 2)", False),
        ("(1 < 2) == (3 < 4)", True),
        ("true && true && false && true", False),
        ("false || false || false", False),
        ("false || false || true || false", True),
    ],
)
def test_operators_bind_as_in_cel(text: str, expected: bool) -> None:
    assert holds(text) is expected


def test_escapes_stand_for_their_characters() -> None:
    answers = Answers(facts={("event", "a\n\t\\\"'b"): True})
    assert holds(r"""event('a\n\t\\\"\'b') && event("a\n\t\\\"\'b")""", answers)


def test_a_long_chain_does_not_nest() -> None:
    count = MAX_TEXT_CHARS // len("true&&")
    assert holds("true&&" * (count - 1) + "true")
    assert not holds("true&&" * (count - 1) + "!true")


# -- evaluation --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "code", "name"),
    [
        ("contact.level == 'low'", "absent_attribute", "level"),
        ("contact.level in ['low']", "absent_attribute", "level"),
        ("contact.level == 'low' || true", "absent_attribute", "level"),
        ("contact.level == 'low' && false", "absent_attribute", "level"),
        ("!(contact.level == 'low')", "absent_attribute", "level"),
        ("false || contact.level == 'low'", "absent_attribute", "level"),
        ("true == (contact.level == 'low')", "absent_attribute", "level"),
        ("var.debt == 1", "absent_variable", "debt"),
        ("has(contact.level) || contact.level == 'low'", "absent_attribute", "level"),
    ],
)
def test_an_absent_value_fails_and_is_never_false(text: str, code: str, name: str) -> None:
    with pytest.raises(ConditionFailed) as caught:
        holds(text, Answers())
    assert (caught.value.code, caught.value.name) == (code, name)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("true || contact.level == 'low'", True),
        ("false && contact.level == 'low'", False),
        ("has(contact.level) && contact.level == 'low'", False),
        ("!has(contact.level) || contact.level == 'low'", True),
    ],
)
def test_a_part_that_is_not_reached_cannot_fail(text: str, expected: bool) -> None:
    assert holds(text, Answers()) is expected


def test_parts_are_asked_from_left_to_right_and_no_further_than_needed() -> None:
    answers = Answers({"balance": 1, "limit": 2}, facts={("count", "a"): 5})
    assert not holds("count('a') == 5 && contact.limit < contact.balance && replied('intro')", answers)
    assert answers.asked == ["count(a)", "contact.limit", "contact.balance"]


@pytest.mark.parametrize(
    ("text", "attributes"),
    [
        ("contact.balance == 1", {"balance": True}),
        ("contact.balance == 1", {"balance": "1"}),
        ("contact.balance == 1", {"balance": 2**63}),
        ("contact.balance == 1", {"balance": -(2**63) - 1}),
        ("contact.vip", {"vip": 1}),
        ("contact.vip", {"vip": "true"}),
        ("contact.tier == 'gold'", {"tier": 1}),
        ("contact.tier == 'gold'", {"tier": "platinum"}),
        ("contact.renewal < '2026-01-01'", {"renewal": "1.1.2025"}),
        ("contact.renewal < '2026-01-01'", {"renewal": 20250101}),
        ("contact.home == 'Europe/Berlin'", {"home": False}),
    ],
)
def test_a_value_of_another_type_than_declared_fails(text: str, attributes: dict[str, Any]) -> None:
    with pytest.raises(ConditionFailed) as caught:
        holds(text, Answers(attributes))
    assert (caught.value.code, caught.value.name) == ("wrong_type", next(iter(attributes)))


@pytest.mark.parametrize(
    ("text", "facts"),
    [
        ("replied()", {("replied", None): 1}),
        ("count('a') == 1", {("count", "a"): True}),
        ("call_outcome('dial') == ''", {("call_outcome", "dial"): False}),
    ],
)
def test_an_answer_of_another_type_fails(text: str, facts: dict[tuple[str, str | None], Any]) -> None:
    with pytest.raises(ConditionFailed) as caught:
        holds(text, Answers(facts=facts))
    assert (caught.value.code, caught.value.name) == ("wrong_type", next(iter(facts))[0])


def test_a_variable_of_another_type_than_declared_fails() -> None:
    with pytest.raises(ConditionFailed) as caught:
        holds("var.debt == 1", Answers(variables={"debt": "1"}))
    assert (caught.value.code, caught.value.name) == ("wrong_type", "debt")


@pytest.mark.parametrize("bound", [2**63 - 1, -(2**63)])
def test_the_whole_range_of_numbers_can_be_used(bound: int) -> None:
    assert holds(f"contact.balance == {bound}", Answers({"balance": bound}))


# -- what a condition says it reads ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "required", "optional"),
    [
        ("contact.vip", ("vip",), ()),
        ("contact.vip && contact.balance > 1 || contact.vip", ("balance", "vip"), ()),
        ("has(contact.vip)", (), ("vip",)),
        ("has(contact.vip) && contact.vip", (), ("vip",)),
        ("contact.vip && has(contact.vip)", ("vip",), ()),
        ("has(contact.vip) || contact.vip", ("vip",), ()),
        ("!has(contact.vip) || contact.vip", (), ("vip",)),
        ("!has(contact.vip) && contact.vip", ("vip",), ()),
        ("!!has(contact.vip) && contact.vip", (), ("vip",)),
        ("!(has(contact.vip) && true) && contact.vip", ("vip",), ()),
        ("!(!has(contact.vip) || false) && contact.vip", (), ("vip",)),
        ("has(contact.vip) && replied() && !(contact.vip || false)", (), ("vip",)),
        ("(has(contact.vip) && replied()) && contact.vip", (), ("vip",)),
        ("(has(contact.vip) || replied()) && contact.vip", ("vip",), ()),
        ("(has(contact.vip) && replied() || has(contact.vip)) && contact.vip", (), ("vip",)),
        ("(has(contact.vip) || has(contact.vip) && true) && contact.vip", (), ("vip",)),
        ("(replied() || has(contact.vip)) && contact.vip", ("vip",), ()),
        ("(!has(contact.vip) && replied()) || contact.vip", ("vip",), ()),
        ("has(contact.vip) && contact.vip || contact.vip", ("vip",), ()),
        ("has(contact.vip) == true && contact.vip", ("vip",), ()),
        ("has(contact.vip) && has(contact.tier) && contact.tier == 'gold'", (), ("tier", "vip")),
        ("has(contact.vip) && (contact.vip == (contact.balance in [1]))", ("balance",), ("vip",)),
        ("has(var.tier) && contact.tier == 'gold'", ("tier",), ()),
        ("true || contact.vip", ("vip",), ()),
    ],
)
def test_an_attribute_is_optional_only_behind_has(
    text: str, required: tuple[str, ...], optional: tuple[str, ...]
) -> None:
    condition = compile_condition(text, SCOPE)
    assert (condition.attributes, condition.optional_attributes) == (required, optional)


def test_variables_are_told_apart_from_attributes_of_the_same_name() -> None:
    condition = compile_condition("has(contact.tier) && var.tier == 'gold' && has(var.debt)", SCOPE)
    assert (condition.attributes, condition.optional_attributes) == ((), ("tier",))
    assert (condition.variables, condition.optional_variables) == (("tier",), ("debt",))


def test_every_question_is_listed_once_and_in_order() -> None:
    text = "replied('text') || replied() || !consent('sms') || count('b') > 1 || replied('text') || replied('intro')"
    condition = compile_condition(text, SCOPE)
    assert condition.functions == ("consent", "count", "replied")
    assert condition.facts == (
        ("consent", "sms"),
        ("count", "b"),
        ("replied", None),
        ("replied", "intro"),
        ("replied", "text"),
    )
    assert condition.text == text


# -- the vocabulary ----------------------------------------------------------------------------------------------------

ARGUMENTS = {
    "none": (),
    "message_step": ("intro", "text"),
    "call_step": ("dial",),
    "bounce": BOUNCE_KINDS,
    "channel": CHANNELS,
    "name": ("order",),
}


@pytest.mark.parametrize("function", sorted(FUNCTIONS))
def test_a_function_passes_its_argument_on_and_its_answer_back(function: str) -> None:
    signature = FUNCTIONS[function]
    truths: dict[str, Value] = {"bool": True, "int": 7, "outcome": "busy"}
    truth = truths[signature.result]
    test = {"bool": "", "int": " == 7", "outcome": " == 'busy'"}[signature.result]
    arguments: list[str | None] = [*ARGUMENTS[signature.argument]]
    if not signature.required:
        arguments.append(None)
    for argument in arguments:
        call = f"{function}({'' if argument is None else repr(argument)}){test}"
        assert holds(call, Answers(facts={(function, argument): truth}))


def test_only_some_functions_need_their_argument() -> None:
    needed = {"call_outcome", "consent", "count", "event"}
    assert {name for name, signature in FUNCTIONS.items() if signature.required} == needed
    assert {name for name, signature in FUNCTIONS.items() if signature.argument == "none"} == {
        "complained",
        "unsubscribed",
    }


@pytest.mark.parametrize("name", ["a", "z", "A", "Z", "_", "a0", "Zz_9"])
def test_a_name_is_made_of_letters_digits_and_underscores(name: str) -> None:
    scope = Scope(attributes={name: AttributeType(kind="bool")}, variables={}, steps={})
    assert compile_condition(f"contact.{name}", scope).evaluate(Answers({name: True}))


def test_the_words_are_those_of_plans_and_events() -> None:
    step_kinds = {struct.__struct_config__.tag for struct in get_args(Step)}
    assert step_kinds.issuperset(MESSAGE_STEPS + CALL_STEPS)
    assert get_args(Channel) == CHANNELS
    assert {meaning.word for meaning in EVENTS.values()} - {""} <= set(FUNCTIONS)
    assert all(holds(f"call_outcome('dial') != '{outcome}' || true") for outcome in CALL_OUTCOMES)


# -- the memory of compiled conditions ---------------------------------------------------------------------------------


def test_equal_scopes_share_a_compiled_condition() -> None:
    again = Scope(
        attributes=dict(reversed(SCOPE.attributes.items())),
        variables=dict(SCOPE.variables),
        steps=dict(reversed(SCOPE.steps.items())),
    )
    assert compiled("contact.vip", SCOPE) is compiled("contact.vip", again)


def test_another_text_or_declaration_is_compiled_anew() -> None:
    none: dict[str, AttributeType] = {}
    flag = {"flag": AttributeType(kind="bool")}
    word = {"flag": AttributeType(kind="enum", values=("true",))}
    scopes = [
        Scope(attributes=flag, variables=none, steps={}),
        Scope(attributes=flag, variables=flag, steps={}),
        Scope(attributes=flag, variables=none, steps={"a": "call"}),
    ]
    for first, second in itertools.combinations(scopes, 2):
        assert compiled("contact.flag", first) is not compiled("contact.flag", second)
    assert compiled("contact.flag", scopes[0]) is not compiled("!contact.flag", scopes[0])
    with pytest.raises(ConditionInvalid):
        compiled("contact.flag", Scope(attributes=word, variables=none, steps={}))
