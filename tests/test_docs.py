"""The documents under test: what they tell people to type exists, what they point to is there, what they list is all there is.

That the README's commands print what is shown is tests/e2e/test_readme.py; docs/plan-format.md and docs/cli.md have tests of
their own.
"""

from __future__ import annotations

import re
import shlex
import tomllib
from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from itertools import takewhile
from pathlib import Path
from typing import Any, NamedTuple

import click
import msgspec
import pytest
from console_blocks import Names, blocks, steps
from recorded_files import rich_file

from dee_appliance.channels import sandbox, smtp, smtp_connection
from dee_appliance.channels.registry import ADAPTERS
from dee_appliance.cli.main import dee
from dee_appliance.kernel.e1.file_input import SETTINGS
from dee_appliance.kernel.e1.input import INPUTS
from dee_appliance.kernel.e1.run import ATTEMPT_TRANSITIONS, TRANSITIONS
from dee_appliance.kernel.e1.turn import Core
from dee_appliance.replay.entry_form import BODY_KEYS
from dee_appliance.runtime.config import read_config
from dee_appliance.runtime.world import DEFAULT_SHARES
from dee_appliance.store.database import open_reader
from dee_appliance.store.schema import APPEND_ONLY, APPLICATION_ID, newest_format, schema_text

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
DOCS = sorted((ROOT / "docs").rglob("*.md"))
ALL = [README, *DOCS]
WRITTEN = [path for path in ALL if path.name != "cli.md"]  # that one is made from the commands themselves
DECISIONS = sorted((ROOT / "docs/decisions").glob("*.md"))
LEFT_BY_PROGRAMS = {"__pycache__", "build", "demo", "dist", "mutants", "tour"}

FENCE = re.compile(r"^```.*?^```$", re.DOTALL | re.MULTILINE)
SPAN = re.compile(r"(?<!`)`([^`\n]+)`(?!`)")
LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)")


def text_of(path: Path) -> str:
    """A document."""
    return path.read_text(encoding="utf-8")


def named(path: Path) -> str:
    """How a test names a document."""
    return path.relative_to(ROOT).as_posix()


def doc(name: str) -> str:
    """A document of docs/."""
    return text_of(ROOT / "docs" / name)


# -- commands ----------------------------------------------------------------------------------------------------------


class Told(NamedTuple):
    """A command that a document tells somebody to type. `whole`: it stands in a block, with all that it needs."""

    words: tuple[str, ...]
    whole: bool


def told_commands(text: str) -> Iterator[Told]:
    """Every `dee …` of a document, in blocks and in sentences."""
    lines = [line for block in blocks(text, "sh") for line in block.splitlines()]
    lines += [line for step in steps(text) for line in step.command.splitlines()]
    for line in lines:
        yield from _split(line, whole=True)
    for span in SPAN.findall(FENCE.sub("", text)):
        yield from _split(span, whole=False)


def _split(line: str, *, whole: bool) -> Iterator[Told]:
    if not re.search(r"\bdee ", line):
        return
    words: list[str] = []
    for word in [*shlex.split(line, comments=True), "&&"]:
        if word not in ("&&", "||", "|"):
            words.append(word)
            continue
        command = list(takewhile(lambda one: not re.match(r"[12]?>", one), words))
        if command and command[0] in ("dee", ".venv/bin/dee"):
            yield Told(tuple(command[1:]), whole)
        words = []


def faults_of(told: Told) -> Iterator[str]:
    """What is wrong with a command: its name, an option, a choice, or an argument that is not there."""
    context = click.Context(dee, info_name="dee")
    command: click.Command = dee
    words = list(told.words)
    while isinstance(command, click.Group) and words and not words[0].startswith("-"):
        if words[0] in ("COMMAND", "…"):
            return
        found = command.get_command(context, words[0])
        if found is None:
            yield f"there is no `{words[0]}`"
            return
        command, context = found, click.Context(found, parent=context, info_name=words.pop(0))
    try:
        given, left, _ = command.make_parser(context).parse_args(words)
    except click.UsageError as error:
        yield error.format_message()
        return
    for parameter in command.get_params(context):
        value = given.get(str(parameter.name))
        is_given = isinstance(value, str | list) or bool(isinstance(value, tuple) and value)
        if isinstance(parameter.type, click.Choice) and isinstance(value, str) and value not in parameter.type.choices:
            yield f"{parameter.name} cannot be {value}"
        if told.whole and parameter.required and not is_given:
            yield f"{parameter.name} is missing"
    if left:
        yield f"too much: {left}"


@pytest.mark.parametrize("path", WRITTEN, ids=named)
def test_every_command_of_a_document_is_one(path: Path) -> None:
    told = list(told_commands(text_of(path)))
    wrong = {" ".join(one.words): list(faults_of(one)) for one in told}
    assert {command: faults for command, faults in wrong.items() if faults} == {}


def test_the_documents_name_most_commands() -> None:
    mentioned = {one.words[:1] for path in WRITTEN for one in told_commands(text_of(path))}
    assert {(name,) for name in dee.list_commands(click.Context(dee))} - mentioned == set()


@pytest.mark.parametrize(
    "line",
    [
        "dee stauts",
        "dee run lits",
        "dee serve --forever",
        "dee run list --limit",
        "dee run resolve RUN --as lost",
        "dee trial maybe",
        "dee snapshot",
        "dee snapshot a.db b.db",
    ],
)
def test_a_planted_wrong_command_is_found(line: str) -> None:
    (told,) = told_commands(f"```sh\n{line}\n```\n")
    assert list(faults_of(told))


def test_programs_that_a_document_runs_are_there() -> None:
    modules = {module for path in ALL for module in re.findall(r"python3? -m ([a-z_.]+)", text_of(path))} - {"venv"}
    scripts = {
        script for path in ALL for script in re.findall(r"(?:python3?|sh) ((?:\w+/)+[\w.]+|\.ci/\S+)", text_of(path))
    }
    missing = [name for name in modules if not (ROOT / f"{name.replace('.', '/')}.py").is_file()]
    missing += [name for name in scripts if not (ROOT / name.strip("`)")).is_file()]
    assert modules
    assert scripts
    assert missing == []


# -- links and places --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ALL, ids=named)
def test_every_link_resolves(path: Path) -> None:
    links = [link for link in LINK.findall(FENCE.sub("", text_of(path))) if "://" not in link]
    assert [link for link in links if not (path.parent / link).exists()] == []


def test_every_document_can_be_reached_from_the_readme() -> None:
    reached, waiting = {README}, [README]
    while waiting:
        path = waiting.pop()
        for link in LINK.findall(text_of(path)):
            target = (path.parent / link).resolve()
            found = [target] if target.suffix == ".md" else sorted(target.glob("*.md")) if target.is_dir() else []
            waiting += [one for one in found if one not in reached]
            reached.update(found)
    assert set(DOCS) - reached == set()


@pytest.mark.parametrize("path", ALL, ids=named)
def test_no_document_has_line_numbers_which_rot(path: Path) -> None:
    assert re.findall(r"\b[\w/]+\.(?:py|sql|toml|sh|md):\d+|#L\d+", FENCE.sub("", text_of(path))) == []


def test_the_layout_of_the_readme_is_that_of_the_tree() -> None:
    (block,) = blocks(text_of(README), "")
    shown = {line.split("/")[0]: line for line in block.splitlines()}
    there = {path.name for path in ROOT.iterdir() if path.is_dir() and not path.name.startswith(".")}
    there = {name for name in there if not name.endswith(".egg-info")} - LEFT_BY_PROGRAMS
    assert set(shown) == there
    rooms = {path.parent.name for path in (ROOT / "dee_appliance").glob("*/__init__.py")}
    assert set(re.findall(r"(\w+)/", shown["dee_appliance"])) - {"dee_appliance"} == rooms
    kinds = {path.name for path in (ROOT / "tests").iterdir() if path.is_dir() and not path.name.startswith((".", "_"))}
    assert set(re.findall(r"\w+", shown["tests"])) - {"tests"} == kinds


# -- lists that must be whole ------------------------------------------------------------------------------------------


def fields(kind: type) -> set[str]:
    """The names of a struct's fields as they are written."""
    return {field.encode_name for field in msgspec.structs.fields(kind)}


def unnamed(names: AbstractSet[str], text: str) -> set[str]:
    """The names that do not stand in a text."""
    return {name for name in names if not re.search(rf"(?<!\w){re.escape(name)}(?!\w)", text)}


def test_every_option_of_the_configuration_is_explained(tmp_path: Path) -> None:
    text = doc("configuration.md")
    structs = [sandbox.SandboxOptions, sandbox.Rule, smtp.SmtpOptions, smtp_connection.Timeouts]
    wanted = {name for kind in structs for name in fields(kind)} | set(SETTINGS) | set(ADAPTERS) | set(DEFAULT_SHARES)
    assert unnamed(wanted, text) == set()
    configuration, scenario = blocks(text, "toml")
    (tmp_path / "configuration.toml").write_text(configuration, encoding="utf-8")
    (tmp_path / "scenario.toml").write_text(scenario, encoding="utf-8")
    assert set(read_config(tmp_path / "configuration.toml").channel) == {"email", "voice"}
    assert [rule.answer for rule in sandbox.read_scenario(tmp_path / "scenario.toml").rule] == [
        "reject",
        "unknown",
        "accept",
    ]


def test_the_defaults_of_the_configuration_are_the_told_ones() -> None:
    text = doc("configuration.md")
    for name, seconds in msgspec.to_builtins(smtp_connection.Timeouts()).items():
        assert f"`{name}` {seconds:g}" in text
    for name, share in DEFAULT_SHARES.items():
        assert f"`{name}` {share / 100:g}" in text


def test_the_file_format_names_every_table_column_and_kind() -> None:
    text = doc("file-format.md")
    tables = set(re.findall(r"CREATE TABLE (\w+)", schema_text()))
    state = tables - APPEND_ONLY - {"inbox", "reply", "vault"}
    assert unnamed(tables - state, text) == set()
    assert unnamed(set(INPUTS), text) == set()
    assert unnamed(BODY_KEYS | fields(Core), text) == set()
    assert f"`application_id` {APPLICATION_ID}" in text
    assert f"`user_version` {newest_format()}" in text
    assert unnamed({"DISPATCHING", *(mark for mark in ATTEMPT_TRANSITIONS["UNKNOWN"].values())}, text) == set()


def test_the_file_format_explains_every_action_of_a_file_with_a_bit_of_everything(tmp_path: Path) -> None:
    rows = doc("file-format.md").partition("| action | outcomes |")[2].partition("\n\n")[0].splitlines()
    explained = {word for row in rows if row.startswith("|") for word in re.findall(r"`(\w+)`", row.split("|")[1])}
    with open_reader(rich_file(tmp_path)) as database:
        entries = [msgspec.json.decode(row[0]) for row in database.execute("SELECT body FROM audit ORDER BY seq")]
    assert {entry["core"]["action"] for entry in entries} - explained == set()
    values = {key for entry in entries for part in ("saw", "evidence") for key in entry.get(part, {})}
    assert unnamed(values, doc("file-format.md")) == set()


def test_the_architecture_fits_and_names_every_state_and_room() -> None:
    text = doc("architecture.md")
    assert len(text.splitlines()) <= 400
    assert unnamed({*TRANSITIONS, *ATTEMPT_TRANSITIONS}, text) == set()
    rooms = {path.parent.name for path in (ROOT / "dee_appliance").glob("*/__init__.py")} - {"kernel"} | {"kernel/e1"}
    assert unnamed({f"{room}/" for room in rooms}, text) == set()


def test_the_paths_of_the_architecture_are_there() -> None:
    spans = [
        span for span in SPAN.findall(doc("architecture.md")) if re.fullmatch(r"[\w/]+\.(py|sql)", span) and "/" in span
    ]
    assert spans
    assert [span for span in spans if not ((ROOT / span).is_file() or (ROOT / "dee_appliance" / span).is_file())] == []


def test_every_dependency_is_accounted_for_and_no_other() -> None:
    project: dict[str, Any] = tomllib.loads(text_of(ROOT / "pyproject.toml"))
    groups = [project["project"]["dependencies"], *project["dependency-groups"].values()]
    wanted = {re.split(r"[<>=~!\[]", one)[0] for group in groups for one in group if isinstance(one, str)}
    tables = doc("dependencies.md").partition("## Looked at")[0]
    rows = [row.split("|")[1] for row in tables.splitlines() if row.startswith("| `")]
    assert {name for row in rows for name in re.findall(r"`([\w-]+)`", row)} == wanted


@pytest.mark.parametrize("path", DECISIONS, ids=lambda path: path.stem)
def test_a_decision_is_short_and_says_what_was_not_taken(path: Path) -> None:
    text = text_of(path)
    assert len(text.splitlines()) <= 30
    assert text.startswith(f"# {int(path.name[:4])}. ")
    assert all(f"**{part}.**" in text for part in ("Decided", "Not taken", "What follows"))


def test_decisions_are_numbered_without_a_gap() -> None:
    assert [int(path.name[:4]) for path in DECISIONS] == list(range(1, len(DECISIONS) + 1))


# -- the comparison that the tour rests on -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("shown", "printed"),
    [
        (("a", "b"), ["a", "c"]),
        (("a",), ["a", "b"]),
        (("…", "b"), ["a"]),
        (("a", "…", "a"), ["a", "b"]),
        (("237 new",), ["238 new"]),
        (("x … z",), ["x y"]),
        (
            ("run_aaaaaaaaaaaaaaaaaaaa", "run_aaaaaaaaaaaaaaaaaaaa"),
            ["run_bbbbbbbbbbbbbbbbbbbb", "run_cccccccccccccccccccc"],
        ),
    ],
)
def test_output_that_differs_from_what_is_shown_is_found(shown: tuple[str, ...], printed: list[str]) -> None:
    assert Names().missing(shown, printed) is not None


def test_output_may_be_shortened_and_has_ids_and_times_of_its_own() -> None:
    names = Names()
    shown = ("…", "run_aaaaaaaaaaaaaaaaaaaa at 2026-01-05 08:00:00Z …", "2026-11-23 04:00:00 -05:00 (09:00:00Z)  end")
    there = "2026-11-23 19:00:00 -05:00 (2026-11-24 00:00:00Z)  end"
    printed = ["first", "run_bbbbbbbbbbbbbbbbbbbb at 2027-12-31 23:59:59Z more", there]
    assert names.missing(shown, printed) is None
    assert names.told("dee run show run_aaaaaaaaaaaaaaaaaaaa") == "dee run show run_bbbbbbbbbbbbbbbbbbbb"
