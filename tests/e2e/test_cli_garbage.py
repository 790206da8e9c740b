"""Whatever a file or a word holds, a command answers with a clear error and never with a fault of the program."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from terminal import CONTACTS, LETTER, PLAN, POLICY, SCENARIO, Terminal

from dee_appliance.store.database import open_reader

SCRIPT = 'max_duration_s = 60\n[[answered]]\nsay = "Hello {{ contact.first_name }}."\n'
CONFIG = '[channel.email]\nadapter = "sandbox"\n'
LIST = "customer_id,x\nK-1,1\nK-2,2\n"
STORY = """plan = "plan.toml"
zone = "America/New_York"
start = 2026-12-21T09:00:00
settings = { "sender.name" = "Jo" }
[contact.ada]
email = "ada@good.example.com"
phone = "+12065550101"
timezone = "America/New_York"
profile = { first_name = "Ada" }
consents = ["email", { channel = "sms", purpose = "marketing", expires = "+9d" }]
variables = { day = 2026-12-24 }
[[case]]
name = "one"
until = "+40d"
[[case.answer]]
step = "letter"
attempt = 1
answer = "accepted"
late = "2m"
[[case.event]]
event = "replied"
after = "letter"
delay = "1h"
text = "STOP"
[[case.act]]
do = "task"
outcome = "well"
at = "+2d"
[[case.expect]]
visits = ["letter", "ring", "happy"]
status = "COMPLETED"
sends = [{ step = "letter", at = "+0s", between = [08:00:00, 21:00:00], contains = ["Ada"] }]
entries = [{ action = "task", detail = { to = "happy" } }]
"""

CASES: dict[str, tuple[str, tuple[str, ...]]] = {
    "plan.toml": (PLAN, ("plan", "check", "plan.toml")),
    "published.toml": (PLAN.replace("version = 1", "version = 2"), ("plan", "publish", "published.toml")),
    "contacts.csv": (CONTACTS, ("contact", "import", "contacts.csv", "--allow-rejects")),
    "policy.toml": (POLICY, ("policy", "set", "policy.toml")),
    "letter.eml.j2": (LETTER, ("template", "preview", "letter.eml.j2", "--contact", "K-1", "--var", "day=x")),
    "call.toml": (SCRIPT, ("template", "check", "call.toml")),
    "list.csv": (LIST, ("enroll", "welcome", "--file", "list.csv", "--var", "day=2026-12-24")),
    "desk.db.toml": (CONFIG, ("health",)),
    "scenario.toml": (SCENARIO, ("health",)),
    "story.scenario.toml": (STORY, ("plan", "test", "story.scenario.toml")),
    "run.json": ('{"version":1}', ("verify", "--export", "run.json")),
}
TOKENS = [
    '"',
    "'",
    "\n",
    "\r",
    ",",
    ";",
    "[",
    "]]",
    "{{",
    "}}",
    "=",
    "\x00",
    "\ufeff",
    "é",
    "\u202e",
    "9" * 400,
    "[" * 200,
    "-1",
    "nan",
]


@st.composite
def damaged(draw: st.DrawFn, text: str) -> bytes:
    """The text with a few pieces cut, doubled, or replaced by what breaks parsers; sometimes not even text."""
    data = text.encode()
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(data)))
        end = min(len(data), start + draw(st.integers(0, 12)))
        middle = draw(st.sampled_from(TOKENS).map(str.encode) | st.binary(max_size=4) | st.just(data[start:end] * 2))
        data = data[:start] + middle + data[end:]
    return data


def outcomes(desk: Terminal) -> list[str]:
    """What the log says of everything that was ever asked."""
    with open_reader(desk.folder / "desk.db") as database:
        rows = database.execute("SELECT body FROM audit ORDER BY seq")
    return [json.loads(body)["core"]["outcome"] for (body,) in rows]


def assert_told_plainly(desk: Terminal, words: tuple[str, ...]) -> None:
    """The command ends with one of our exit codes; if it did not succeed it says why, and nothing was done.

    What only the file can refuse (a second start for somebody who is on the way) is on record as refused.
    """
    before = outcomes(desk)
    said = desk.dee(*words)
    assert said.code in {0, 1, 2, 3, 4}, (words, said)
    assert "fault of the program" not in said.err, (words, said)
    assert "\x1b" not in said.out + said.err
    if said.code != 0:
        assert said.err.startswith("dee: ") or "\ndee: " in said.err, (words, said)
        assert set(outcomes(desk)[len(before) :]) <= {"rejected"}, (words, said)


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_a_damaged_file_is_told_plainly(furnished_terminal: Terminal, name: str) -> None:
    desk = furnished_terminal
    text, words = CASES[name]
    path = desk.folder / name
    desk.write("desk.db.toml", f'[channel.email]\noptions = {{ scenario = "{desk.folder / "scenario.toml"}" }}\n')

    @settings(max_examples=60)
    @given(damaged(text))
    @example(b"")
    @example(b"\xff\xfe\x00")
    @example(b"\x00" * 100)
    def damage(data: bytes) -> None:
        path.write_bytes(data)
        assert_told_plainly(desk, words)

    damage()


COMMANDS = """
plan test
plan test -k
contact show
contact find
contact erase --yes
run show
run pause
run list --contact
run list --reason
run list --to
why
export
log --run
log --from
replay --run
plan show
plan graph
plan diff welcome
suppress add
suppress check
suppress lift
consent show
event add
event add x --contact
event add x --send
enroll --all
enroll welcome --all --var
enroll welcome --var day=2026-12-24 --contact
task done run_x
halt --plan
trial on --guest
config set
config set sender.name
config set sender.email
template preview
template preview letter --contact
init --simulated --start
status --db
--db
"""
WORDS = ["'; DROP TABLE run;--", "%s%n", "../../x", "-", "--", "\x1b[2J", "a@b", "+1", "c_x", "9" * 30]


@pytest.mark.slow
@settings(max_examples=150)
@given(st.sampled_from(COMMANDS.split("\n")[1:-1]), st.text(max_size=30) | st.sampled_from(WORDS))
def test_any_word_is_told_plainly(furnished_terminal: Terminal, command: str, word: str) -> None:
    # No word of a command line can hold a zero byte.
    assert_told_plainly(furnished_terminal, (*command.split(), word.replace("\x00", "\x01")))


@pytest.fixture(scope="module")
def furnished_terminal(furnished: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Terminal]:
    """One desk for all the garbage of this module: what is refused must leave it as it was, so it can be used again."""
    folder = tmp_path_factory.mktemp("garbage")
    shutil.copytree(furnished, folder, dirs_exist_ok=True)
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setenv("DEE_STATE_DIR", str(folder / "memory"))
        monkeypatch.setenv("DEE_DB", str(folder / "desk.db"))
        monkeypatch.delenv("DEE_CONFIG", raising=False)
        yield Terminal(folder)
