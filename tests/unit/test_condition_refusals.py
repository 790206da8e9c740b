"""Conditions that are refused when a plan is checked: the place, the reason and what is proposed instead."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from dee_appliance.kernel.e1.condition import AttributeType, ConditionInvalid, Scope, compile_condition
from dee_appliance.kernel.e1.condition_parser import MAX_DEPTH, MAX_TEXT_CHARS, nearest

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


def refusal(text: str, scope: Scope = SCOPE) -> ConditionInvalid:
    with pytest.raises(ConditionInvalid) as caught:
        compile_condition(text, scope)
    return caught.value


def accepted(text: str) -> bool:
    return compile_condition(text, SCOPE).text == text


@pytest.mark.parametrize(
    ("text", "position", "reason", "suggestion"),
    [
        ("", 0, "may not be empty", None),
        ("  \n", 0, "may not be empty", None),
        ("(true", 5, ") is expected here, but the text ends", None),
        ("true)", 4, "an operator", None),
        ("true true", 5, "an operator", None),
        ("true &&", 7, "a value is expected", None),
        ("&& true", 0, "a value is expected", None),
        ("true & true", 5, "'&'", "&&"),
        ("true | true", 5, "'|'", "||"),
        ("contact.balance = 5", 16, "'='", "=="),
        ("contact.balance <> 5", 16, "'<>'", "!="),
        ("true and true", 5, "an operator", "&&"),
        ("true or true", 5, "an operator", "||"),
        ("not true", 0, "no word not", "!"),
        ("True", 0, "no word True", "true"),
        ("ture", 0, "no word ture", "true"),
        ("contcat.tier == 'gold'", 0, "no word contcat", "contact"),
        ("null", 0, "has(contact.name)", None),
        ("replied", 0, "is a function", "replied()"),
        ("oppened && true", 0, "no word oppened", "opened()"),
        ("repleid()", 0, "no function repleid()", "replied"),
        ("zzzzzzz()", 0, "no function zzzzzzz()", None),
        ("size('a') == 1", 0, "no function size()", None),
        ("contact", 0, "write contact.name", None),
        ("contact['tier'] == 'gold'", 0, "write contact.name", None),
        ("contact.in == 1", 8, "a name after contact.", None),
        ("contact.true", 8, "a name after contact.", None),
        ("contact.tier.x == 1", 12, "an operator", None),
        ("contact.teir == 'gold'", 0, "no attribute teir", "contact.tier"),
        ("true && var.dept > 1", 8, "no variable dept", "var.debt"),
        ("has(contact.teir)", 4, "no attribute teir", "contact.tier"),
        ("has(tier)", 4, "contact.name or var.name", None),
        ("has('tier')", 4, "contact.name or var.name", None),
        ("has(contact.tier, var.tier)", 16, ") is expected", None),
        ("has()", 4, "contact.name or var.name", None),
        ("1 < 2 < 3", 6, "do not chain", None),
        ("1 == 1 == true", 7, "do not chain", None),
        ("contact.vip in [true] == true", 22, "do not chain", None),
        ("contact.balance + 1 == 2", 16, "there is no +", None),
        ("true ? true : false", 5, "there is no ?", None),
        ("contact.balance - 1 == 2", 16, "a minus", None),
        ("contact.balance -1", 16, "an operator", None),
        ("- 5 == 5", 0, "a minus", None),
        ("--5 == 5", 0, "a minus", None),
        ("1.5 > 1", 0, "whole", None),
        ("1e3 > 1", 1, "only digits", None),
        ("0x10 == 16", 1, "only digits", None),
        ("5u == 5", 1, "only digits", None),
        ("007 == 7", 0, "leading zeros", "7"),
        ("-00 == 0", 0, "leading zeros", "-0"),
        ("9223372036854775808 > 0", 0, "numbers lie between", None),
        ("-9223372036854775809 < 0", 0, "numbers lie between", None),
        ("1" * 1999, 0, "numbers lie between", None),
        ("'abc", 0, "no closing '", None),
        ('"abc\\"', 0, 'no closing "', None),
        ("'a\\", 2, "escapes", None),
        (r"'a\x41' == 'a'", 2, "escapes", None),
        ("'a\nb' == 'a'", 2, "may not hold", None),
        ("'a\tb' == 'a'", 2, "may not hold", None),
        ("'\x00' == 'a'", 1, "may not hold", None),
        ("'\ud800' == 'a'", 1, "may not hold", None),
        ("r'a' == 'a'", 0, "no word r", None),
        ("'a' 'b' == 'ab'", 4, "an operator", None),
        ('"""a""" == "a"', 2, "an operator", None),
        ("true // why", 5, "there is no /", None),
        ("true\ufeff", 4, "not part of the language", None),
        ("１ == 1", 0, "not part of the language", None),
        ("contact.tier in []", 16, "empty list", None),
        ("contact.tier in 'gold'", 16, "[ is expected", None),
        ("contact.tier in ['gold'", 23, "the text ends", None),
        ("contact.tier in ['gold' 'silver']", 24, ", is expected", None),
        ("contact.tier in [var.tier]", 17, "a number, a string, true or false", None),
        ("contact.tier in [,]", 17, "a number, a string, true or false", None),
        ("contact.tier == ['gold']", 16, "only after in", None),
        ("contact.tier not in ['gold']", 13, "an operator", None),
    ],
)
def test_a_text_outside_the_language_is_refused(text: str, position: int, reason: str, suggestion: str | None) -> None:
    error = refusal(text)
    assert (error.position, error.suggestion) == (position, suggestion)
    assert reason in error.reason


@pytest.mark.parametrize(
    ("text", "position", "reason", "suggestion"),
    [
        ("contact.tier", 0, "as a whole must be true or false", None),
        ("5", 0, "as a whole must be true or false", None),
        ("call_outcome('dial')", 0, "as a whole must be true or false", None),
        ("true && contact.balance", 8, "each side of &&", None),
        ("'a' || true", 0, "each side of ||", None),
        ("!contact.balance", 1, "directly after !", None),
        ("!contact.tier == 'gold'", 1, "directly after !", None),
        ("!5 == 5", 1, "directly after !", None),
        ("contact.balance == '101'", 16, "a number cannot be compared with text", "101"),
        ("contact.vip == 'true'", 12, "true or false cannot be compared with text", "true"),
        ("contact.balance == 'many'", 16, "a number cannot be compared with text", None),
        ("contact.vip == 1", 12, "cannot be compared", None),
        ("contact.balance == true", 16, "cannot be compared", None),
        ("contact.tier == 1", 13, "cannot be compared", None),
        ("1 == 'a'", 2, "cannot be compared", None),
        ("'a' == 1", 4, "cannot be compared", None),
        ("contact.tier == contact.level", 13, "cannot be compared", None),
        ("contact.tier == contact.home", 13, "cannot be compared", None),
        ("contact.renewal == contact.home", 16, "cannot be compared", None),
        ("contact.tier == call_outcome('dial')", 13, "cannot be compared", None),
        ("contact.tier == 'glod'", 16, "'glod' is never found here", '"gold"'),
        ("'platinum' == contact.tier", 0, "only basic, gold, silver", None),
        ("contact.tier in ['gold', 'bronze']", 25, "'bronze' is never found here", None),
        ("contact.office == 'Asia/Tokio'", 18, "never found here", '"Asia/Tokyo"'),
        ("call_outcome('dial') == 'anwsered'", 24, "never found here", '"answered"'),
        ("contact.renewal == '2026-02-30'", 19, "YYYY-MM-DD", None),
        ("contact.renewal < 'soon'", 18, "YYYY-MM-DD", None),
        ("'2026-2-3' < contact.renewal", 0, "YYYY-MM-DD", None),
        ("contact.renewal in ['2026-01-01', '']", 34, "YYYY-MM-DD", None),
        ("contact.balance in [1, '2']", 23, "cannot be compared", "2"),
        ("contact.balance in [true]", 20, "cannot be compared", None),
        ("contact.vip < true", 12, "< compares numbers", None),
        ("contact.tier >= 'gold'", 13, ">= compares numbers", None),
        ("contact.home < 'Z'", 13, "< compares numbers", None),
        ("'voicemail' > call_outcome('dial')", 12, "> compares numbers", None),
        ("(1 < 2) <= true", 8, "<= compares numbers", None),
    ],
)
def test_a_type_error_is_refused(text: str, position: int, reason: str, suggestion: str | None) -> None:
    error = refusal(text)
    assert (error.position, error.suggestion) == (position, suggestion)
    assert reason in error.reason


@pytest.mark.parametrize(
    ("text", "position", "reason", "suggestion"),
    [
        ("replied('intr')", 8, "no step 'intr'", '"intro"'),
        ("replied('nowhere')", 8, "no step 'nowhere'", None),
        ("replied('')", 8, "no step ''", None),
        ("replied('dial')", 8, "'dial' is call", None),
        ("opened('rest')", 7, "'rest' is wait", '"text"'),
        ("call_outcome('intro') == 'busy'", 13, "'intro' is send_email", None),
        ("call_outcome() == 'busy'", 0, "needs its argument", None),
        ("replied(intro)", 8, "a string in quotes", '"intro"'),
        ("replied(contact.tier)", 8, "a string in quotes", '"contact"'),
        ("replied(1)", 8, "a string in quotes", None),
        ("replied('intro', 'text')", 17, "one argument at most", None),
        ("replied('intro',)", 16, "a string in quotes", None),
        ("replied('intro' 'text')", 16, ", is expected", None),
        ("replied(", 8, "a string in quotes", None),
        ("complained('intro')", 11, "no argument", None),
        ("unsubscribed('email')", 13, "no argument", None),
        ("bounced('medium')", 8, "takes hard, soft", None),
        ("bounced('Hard')", 8, "takes hard, soft", '"hard"'),
        ("consent()", 0, '"email", "sms" or "voice"', None),
        ("consent('mail')", 8, "takes email, sms, voice", '"email"'),
        ("suppressed('phone')", 11, "takes email, sms, voice", None),
        ("event()", 0, "needs its argument", None),
        ("event('')", 6, "the name of an event", None),
        ("count('') > 1", 6, "the name of an event", None),
        ("count('a')", 0, "as a whole", None),
    ],
)
def test_a_wrong_argument_is_refused(text: str, position: int, reason: str, suggestion: str | None) -> None:
    error = refusal(text)
    assert (error.position, error.suggestion) == (position, suggestion)
    assert reason in error.reason


def test_a_refusal_reads_as_one_line() -> None:
    assert str(refusal("contact.tier == 'glod'")) == (
        "at character 17: 'glod' is never found here, only basic, gold, silver (did you mean \"gold\"?)"
    )


def test_a_slip_with_no_near_name_proposes_nothing() -> None:
    empty = Scope(attributes={}, variables={}, steps={})
    assert refusal("contact.tier == 'gold'", empty).suggestion is None


def test_the_limits_of_published_plans_stay() -> None:
    assert (MAX_TEXT_CHARS, MAX_DEPTH) == (2000, 50)


def test_length_is_limited() -> None:
    longest = "true".ljust(MAX_TEXT_CHARS)
    assert accepted(longest)
    assert refusal(longest + " ").position == MAX_TEXT_CHARS


@pytest.mark.parametrize("nest", [lambda n: "(" * n + "true" + ")" * n, lambda n: "!" * n + "true"])
def test_nesting_is_limited(nest: Callable[[int], str]) -> None:
    assert accepted(nest(MAX_DEPTH))
    error = refusal(nest(MAX_DEPTH + 1))
    assert error.position == MAX_DEPTH
    assert "nest" in error.reason


def test_parentheses_and_negations_share_one_limit() -> None:
    assert accepted("!(" * (MAX_DEPTH // 2) + "true" + ")" * (MAX_DEPTH // 2))
    assert refusal("!(" * (MAX_DEPTH // 2) + "(true)" + ")" * (MAX_DEPTH // 2)).position == MAX_DEPTH


def test_parentheses_side_by_side_do_not_nest() -> None:
    assert accepted(" && ".join(["(true)"] * (MAX_DEPTH + 1)))


def test_parentheses_that_are_closed_leave_no_room_for_deeper_ones() -> None:
    assert refusal("(true) && (true) && " + "(" * (MAX_DEPTH + 1)).position == 20 + MAX_DEPTH


@pytest.mark.parametrize("code", [0x00, 0x1F, 0x7F, 0x9F, 0xD800, 0xDFFF])
def test_a_string_holds_no_control_characters(code: int) -> None:
    assert refusal(f"'a{chr(code)}' == 'a'").position == 2


@pytest.mark.parametrize("char", [" ", "~", "\xa0", "\ud7ff", "\ue000", "\U0010ffff"])
def test_a_string_holds_any_other_character(char: str) -> None:
    assert accepted(f"'a{char}' == 'a'")


@pytest.mark.parametrize(
    ("word", "candidate", "near"),
    [
        ("gold", "gold", True),
        ("GOLD", "gold", True),
        ("glod", "gold", True),
        ("god", "gold", True),
        ("goold", "gold", True),
        ("gelt", "gold", True),
        ("gilet", "gold", False),
        ("a", "b", True),
        ("a", "bc", False),
        ("ab", "cd", False),
        ("ab", "ba", True),
        ("replid", "replied", True),
        ("repyl", "replied", False),
        ("unsubscribe", "unsubscribed", True),
        ("unsubs", "unsubscribed", False),
        ("unsubscr", "unsubscribed", False),
        ("unsubscri", "unsubscribed", True),
    ],
)
def test_a_near_word_differs_in_a_third_of_its_letters_and_three_at_most(word: str, candidate: str, near: bool) -> None:
    assert nearest(word, [candidate]) == (candidate if near else None)


def test_the_nearest_of_several_words_wins_and_the_first_of_equals() -> None:
    assert nearest("intr", ["into", "intro", "outro"]) == "into"
    assert nearest("intro", ["intra", "intro"]) == "intro"


SENTENCES = Path(__file__).with_name("condition_refusals.txt").read_text(encoding="utf-8").splitlines()


@pytest.mark.parametrize("line", SENTENCES)
def test_a_refusal_is_one_whole_sentence(line: str) -> None:
    text, _, sentence = line.partition("  →  ")
    assert str(refusal(text)) == sentence
