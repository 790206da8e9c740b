"""Whatever stands in a plan file, checking it ends in a plan or in findings with a line, and never in anything else."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dee_appliance.authoring.checks import CheckedPlan, check_plan
from dee_appliance.authoring.graph import graph_of, mermaid
from dee_appliance.authoring.graph_svg import svg
from dee_appliance.errors import Refused
from dee_appliance.kernel.e1.encoding import document_digest
from dee_appliance.kernel.e1.plan import MAX_STEPS, decode_plan, targets_of

EXAMPLES = Path(__file__).parents[2] / "examples"
NAMES = ("sales-outreach", "appointment-reminders", "collections")
TEXTS = {name: (EXAMPLES / name / "plan.toml").read_text(encoding="utf-8") for name in NAMES}
TOKEN = re.compile(r"(?P<comment>#[^\n]*)|\"[^\"\n]*\"|'[^'\n]*'|[A-Za-z0-9_:.-]+|\[\[|\]\]|[\[\]{}=,]")
HEADER = re.compile(r"\s*\[")


class Token(msgspec.Struct, frozen=True):
    """One word of an example and where it stands."""

    text: str
    start: int
    line: int


def tokens(text: str) -> Iterator[Token]:
    for match in TOKEN.finditer(text):
        if match["comment"] is None:
            yield Token(match[0], match.start(), text.count("\n", 0, match.start()) + 1)


TOKENS = {name: tuple(tokens(text)) for name, text in TEXTS.items()}


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Return one folder for each example, with links to its templates and scripts."""
    made = {}
    for name in NAMES:
        made[name] = tmp_path_factory.mktemp(name)
        for part in ("templates", "scripts"):
            (made[name] / part).symlink_to(EXAMPLES / name / part)
    return made


def check(folder: Path, body: bytes | str, ending: str = "toml") -> CheckedPlan | None:
    """Check a file with this content; None if it was refused as a whole."""
    path = folder / f"plan.{ending}"
    path.write_bytes(body if isinstance(body, bytes) else body.encode("utf-8", "surrogatepass"))
    try:
        checked = check_plan(path)
    except Refused:
        return None
    assert_sane(checked, path.read_bytes().count(b"\n") + 1)
    return checked


def assert_sane(checked: CheckedPlan, lines: int) -> None:
    refused = [finding for finding in checked.findings if finding.severity == "refused"]
    assert (checked.plan is None) == bool(refused)
    for finding in checked.findings:
        assert finding.reason
        assert finding.line >= 1
        if finding.file == checked.file:
            assert finding.line <= lines
    if checked.plan is not None:
        ids = [step.id for step in checked.plan.steps]
        assert 1 <= len(ids) == len(set(ids)) <= MAX_STEPS
        assert {target for step in checked.plan.steps for target in targets_of(step)} <= set(ids)
        assert decode_plan(checked.body) == checked.plan
        assert document_digest("plan", checked.body) == checked.digest
        assert svg(graph_of(checked.plan)).endswith("</svg>\n")
        assert mermaid(graph_of(checked.plan)).isprintable() is False


# -- any bytes ---------------------------------------------------------------------------------------------------------


@given(st.binary(max_size=300), st.sampled_from(["toml", "json"]))
def test_any_bytes_are_refused_in_order(folders: dict[str, Path], body: bytes, ending: str) -> None:
    checked = check(folders["collections"], body, ending)
    assert checked is None or checked.plan is None


@given(st.data(), st.sampled_from(NAMES))
def test_an_example_with_bytes_knocked_out_is_refused_or_still_a_plan(
    folders: dict[str, Path], data: st.DataObject, name: str
) -> None:
    body = bytearray(TEXTS[name].encode())
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(body) - 1))
        body[at : at + data.draw(st.integers(0, 6))] = data.draw(st.binary(max_size=4))
    check(folders[name], bytes(body))


# -- any values in the shape of a plan ---------------------------------------------------------------------------------

WORDS = (
    *(
        "intro",
        "won",
        "end",
        "wait",
        "branch",
        "split",
        "task",
        "call",
        "send_email",
        "send_sms",
        "3d",
        "-2d",
        "Mon-Fri",
    ),
    *(
        "09:00:00",
        "2026-12-25",
        "250.00",
        "USD",
        "replied()",
        'opened("intro")',
        "contact.tier",
        "int",
        "date",
        "never",
    ),
    *("", "\x00", "\ud800", "e\u0301", "💶", "a" * 2_001, "../x", "1e999"),
)
FIELDS = (
    *(
        "id",
        "do",
        "next",
        "on",
        "for",
        "until",
        "then",
        "at",
        "on_days",
        "date",
        "offset",
        "case",
        "when",
        "else",
        "arms",
    ),
    *(
        "name",
        "weight",
        "within",
        "recover",
        "attempts",
        "backoff",
        "max_visits",
        "after",
        "step",
        "exit",
        "policy",
        "nil",
    ),
)
leaves = st.one_of(
    st.sampled_from(WORDS),
    st.text(max_size=8),
    st.integers(),
    st.sampled_from([2**53, 2**64, -(2**70), 10**400]),
    st.floats(),
    st.booleans(),
    st.none(),
)
values = st.recursive(
    leaves,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(FIELDS), inner, max_size=5),
    max_leaves=12,
)


def places_in(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the path of everything in a document, tables before what is in them."""
    items: Any = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for key, item in items for place in places_in(item, (*path, key)))]


@given(st.data(), st.sampled_from(NAMES))
def test_any_values_in_place_of_others_are_refused_or_still_a_plan(
    folders: dict[str, Path], data: st.DataObject, name: str
) -> None:
    document: Any = json.loads(json.dumps(tomllib.loads(TEXTS[name]), default=str))
    for _ in range(data.draw(st.integers(1, 3))):
        *path, last = data.draw(st.sampled_from([place for place in places_in(document) if place]))
        inside = document
        for key in path:
            inside = inside[key]
        change = data.draw(st.sampled_from(["replace", "remove", "add"]))
        if change == "remove":
            del inside[last]
        elif change == "replace" or isinstance(inside, list):
            inside[last] = data.draw(values)
        else:
            inside[data.draw(st.sampled_from(FIELDS))] = data.draw(values)
    check(folders[name], json.dumps(document), "json")


# -- one word at a time ------------------------------------------------------------------------------------------------


def changed(name: str, token: Token, new: str) -> str:
    text = TEXTS[name]
    return text[: token.start] + new + text[token.start + len(token.text) :]


def table_around(text: str, line: int) -> range:
    """Return the lines from the header above `line` to the one before the next header."""
    headers = [number for number, written in enumerate(text.split("\n"), 1) if HEADER.match(written)]
    above = max((number for number in headers if number <= line), default=1)
    below = min((number for number in headers if number > line), default=text.count("\n") + 2)
    return range(above, below)


def assert_right_place(name: str, token: Token, new: str, checked: CheckedPlan | None) -> None:
    """Something is found in the table that was touched, or speaks of the word that was there or is there now."""
    assert checked is not None
    refused = [finding for finding in checked.findings if finding.severity == "refused"]
    if not refused:
        return
    if refused[0].code == "syntax":
        assert refused[0].line >= token.line
        return
    around = table_around(TEXTS[name], token.line)
    words = [word for word in (token.text.strip("\"'"), new.strip("\"'")) if word]
    assert any(finding.line in around or any(word in finding.reason for word in words) for finding in refused), (
        "\n".join(str(finding) for finding in refused)
    )


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("change", ["left out", "doubled", "misspelt"])
def test_every_single_word_that_is_wrong_is_found_in_its_place(
    folders: dict[str, Path], name: str, change: str
) -> None:
    found = 0
    for token in TOKENS[name]:
        misspelt = f"{token.text[:-1]}q{token.text[-1]}" if token.text[-1] in "\"'" else f"{token.text}q"
        new = {"left out": "", "doubled": f"{token.text} {token.text}", "misspelt": misspelt}[change]
        checked = check(folders[name], changed(name, token, new))
        assert_right_place(name, token, new, checked)
        found += checked is not None and checked.plan is None
    assert found > len(TOKENS[name]) // 2


@given(st.data(), st.sampled_from(NAMES))
def test_a_word_in_place_of_another_is_found_in_its_place(
    folders: dict[str, Path], data: st.DataObject, name: str
) -> None:
    token = data.draw(st.sampled_from(TOKENS[name]))
    new = data.draw(st.sampled_from(sorted({other.text for other in TOKENS[name]})))
    assert_right_place(name, token, new, check(folders[name], changed(name, token, new)))
