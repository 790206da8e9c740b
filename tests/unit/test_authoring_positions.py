"""The scan that finds the line of every key, checked against what the real parsers read."""

from __future__ import annotations

import datetime
import json
import tomllib
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from dee_appliance.authoring.positions import Path, Positions

# ´ stands for ', so that Python's own quotes can hold the text.
TRICKY = r'''# [[step]] in a comment
title = "# no comment \" [[step]]"     # a comment
"quoted \u0041" = ´literal \´
dotted.´a b´.c = 1

[policy]
hours = { from = 09:00:00, days = "Mon, Tue" }
list = [
    # [policy]
    { a = 1, b = """
[[step]]
"""" },
    "two", [ 3,
      4 ],
]

[[step]]
id = "one"
[[step.case]]
when = """
first
second"""
[[step.case]]
when = ´´´
´quoted´´´´´
[step.on]
x = 1
[[step]]
id = "two"
date = 1979-05-27 07:32:00
on.y = 2
'''.replace("´", "'")


def walked(value: Any, path: Path = ()) -> list[Path]:
    """Return the path of every value in a document."""
    paths = [path] if path else []
    if isinstance(value, dict):
        for key, item in value.items():
            paths += walked(item, (*path, key))
    if isinstance(value, list):
        for index, item in enumerate(value):
            paths += walked(item, (*path, index))
    return paths


def test_every_key_of_a_tricky_file_has_its_line() -> None:
    positions = Positions(TRICKY, "toml")
    expected = {
        ("title",): 2,
        ("quoted A",): 3,
        ("dotted", "a b", "c"): 4,
        ("policy",): 6,
        ("policy", "hours"): 7,
        ("policy", "hours", "days"): 7,
        ("policy", "list"): 8,
        ("policy", "list", 0): 10,
        ("policy", "list", 0, "b"): 10,
        ("policy", "list", 1): 13,
        ("policy", "list", 2, 1): 14,
        ("step", 0): 17,
        ("step", 0, "id"): 18,
        ("step", 0, "case", 0, "when"): 20,
        ("step", 0, "case", 1): 23,
        ("step", 0, "case", 1, "when"): 24,
        ("step", 0, "on"): 26,
        ("step", 0, "on", "x"): 27,
        ("step", 1): 28,
        ("step", 1, "date"): 30,
        ("step", 1, "on", "y"): 31,
    }
    assert {path: positions.line(path) for path in expected} == expected
    assert set(positions.paths()) == set(walked(tomllib.loads(TRICKY)))


def test_a_missing_key_stands_at_the_table_around_it() -> None:
    positions = Positions(TRICKY, "toml")
    assert positions.line(("step", 1, "no-such-key")) == 28
    assert positions.line(("policy", "hours", "to")) == 7
    assert positions.line(("nothing",)) == 1


def test_a_place_inside_a_long_string_has_its_own_line() -> None:
    positions = Positions(TRICKY, "toml")
    text = tomllib.loads(TRICKY)["step"][0]["case"][0]["when"]
    assert positions.line_inside(("step", 0, "case", 0, "when"), text, text.index("second")) == 22
    assert positions.line_inside(("title",), "any\ntext", 5) == 2


def test_json_is_located_too() -> None:
    text = '{\n "a": [1,\n  {"b": "\\"]", "c\\u0041": {}}],\n "d": null\n}'
    positions = Positions(text, "json")
    assert set(positions.paths()) - {()} == set(walked(json.loads(text)))
    assert [positions.line(path) for path in [("a",), ("a", 1, "b"), ("a", 1, "cA"), ("d",)]] == [2, 3, 3, 4]


keys = st.text(max_size=6)
texts = st.text(max_size=12)
leaves = st.one_of(
    texts,
    st.integers(-(2**63), 2**63 - 1),
    st.booleans(),
    st.floats(allow_nan=False),
    st.times().map(lambda time: time.replace(tzinfo=None)),
    st.dates(min_value=datetime.date(1, 1, 1)),
)
values = st.recursive(
    leaves, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=3), max_leaves=8
)
tables = st.dictionaries(keys, values, max_size=4)


@st.composite
def toml_texts(draw: st.DrawFn) -> str:
    """Write a random document with tables, lists of tables, odd keys and odd white space."""
    lines = [_pair(draw, key, value) for key, value in draw(tables).items()]
    for name in draw(st.lists(st.sampled_from(["[tables.a]", "[[many]]", "[[many.b]]", "['x y'. z]"]), max_size=6)):
        if name == "[[many.b]]" and "[[many]]" not in "\n".join(lines):
            continue
        lines += [f" {name} # [not] = this"]
        lines += [_pair(draw, key, value) for key, value in draw(tables).items()]
    return draw(st.sampled_from(["\n", "\n\n", "\n# a = 1\n"])).join(lines)


def _pair(draw: st.DrawFn, key: str, value: Any) -> str:
    return f"{_text(draw, key, one_line=True)}{draw(st.sampled_from([' = ', '=', ' =  ']))}{_value(draw, value)}"


def _text(draw: st.DrawFn, text: str, *, one_line: bool = False) -> str:
    basic = json.dumps(text).replace("\x7f", "\\u007f")
    if not text.isascii():
        basic = '"' + "".join(f"\\U{ord(mark):08x}" for mark in text) + '"'
    forms = [basic]
    plain = all(mark.isprintable() and mark != "'" for mark in text)
    if plain:
        forms.append(f"'{text}'")
    if plain and not one_line:
        forms += [f"'''\n{text}'''", f'"""{basic[1:-1]}"""', f"'''{text}''''" if text else f"'''{text}'''"]
    return draw(st.sampled_from(forms))


def _value(draw: st.DrawFn, value: Any) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case str():
            return _text(draw, value)
        case datetime.date() | datetime.time():
            return value.isoformat()
        case int():
            return str(value)
        case float():
            return repr(value)
        case list():
            comma = draw(st.sampled_from([",", ", ", " ,\n # ]\n"]))
            return "[" + comma.join(_value(draw, item) for item in value) + "]"
        case _:
            return "{ " + ", ".join(_pair(draw, key, item) for key, item in value.items()) + " }"


@given(toml_texts())
def test_the_scan_finds_exactly_the_keys_that_the_parser_reads(text: str) -> None:
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return
    found = set(Positions(text, "toml").paths())
    assert found == set(walked(document))


@given(st.recursive(st.none() | texts | st.integers(), lambda inner: st.lists(inner) | st.dictionaries(keys, inner)))
def test_the_scan_finds_every_key_of_a_json_text(document: Any) -> None:
    text = json.dumps(document, indent=1)
    assert set(Positions(text, "json").paths()) - {()} == set(walked(document))
