"""The sandbox: what lies in the folder, and how a scenario answers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest
from channel_servers import BODY, answers, message, submit

from dee_appliance.channels.interface import REJECTED, Answer
from dee_appliance.channels.sandbox import SandboxAdapter, SandboxOptions
from dee_appliance.errors import Refused
from dee_appliance.kernel.e1.plan import Channel


def sandbox(folder: Path, scenario: str = "", *, channel: Channel = "email") -> SandboxAdapter:
    path = ""
    if scenario:
        file = folder / "scenario.toml"
        file.write_text(scenario, "utf-8")
        path = str(file)
    return SandboxAdapter(channel, SandboxOptions(folder=str(folder / "sent"), scenario=path))


def send(adapter: SandboxAdapter, **fields: Any) -> Answer:
    submit(adapter, message(**fields))
    (answered,) = answers(adapter)
    return answered.answer


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in (folder / "sent").glob("*"))


def test_a_mail_is_the_bytes_of_the_message_under_its_key_and_attempt(tmp_path: Path) -> None:
    answer = send(sandbox(tmp_path), number=1, attempt=3)
    key = message(1).send_key
    assert answer.provider_ref == f"sandbox-{key}-3"
    assert files(tmp_path) == [f"{key}-3.eml"]
    assert (tmp_path / "sent" / f"{key}-3.eml").read_bytes() == BODY


@pytest.mark.parametrize(("channel", "part"), [("sms", "text"), ("voice", "script")])
def test_an_sms_and_a_call_are_json(tmp_path: Path, channel: Channel, part: str) -> None:
    sent = message(1, channel=channel, valid_for_s=600, resends=1)
    adapter = sandbox(tmp_path, channel=channel)
    submit(adapter, sent)
    (answered,) = answers(adapter)
    shown = msgspec.json.decode((tmp_path / "sent" / f"{sent.send_key}-1.json").read_bytes())
    assert shown == {
        "attempt": 1,
        "channel": channel,
        "resends": 1,
        "send_key": sent.send_key,
        "sender": sent.sender,
        "to": sent.to,
        "valid_for_s": 600,
        part: getattr(sent, part),
    }
    assert answered.answer.call_outcome == ("answered" if channel == "voice" else None)


def test_a_second_contact_is_never_hidden(tmp_path: Path) -> None:
    for _ in range(3):
        send(sandbox(tmp_path))
    key = message().send_key
    assert files(tmp_path) == [f"{key}-1.again-2.eml", f"{key}-1.again-3.eml", f"{key}-1.eml"]


SCENARIO = """
[[rule]]
to = "Bounce@example.org"
answer = "reject"
code = "no_such_recipient"

[[rule]]
domain = "slow.EXAMPLE"
answer = "accept"
after_polls = 2

[[rule]]
domain = "lost.example"
attempt = 1
answer = "unknown"

[[rule]]
domain = "never.example"
answer = "unknown"
sent = false

[[rule]]
domain = "third.example"
nth = 3
answer = "reject"

[[rule]]
channel = "voice"
to = "+15555550101"
answer = "accept"
call = "voicemail"
cost_micros = 12000
"""


@pytest.mark.parametrize(
    ("to", "attempt", "expected", "written"),
    [
        ("bounce@example.org", 1, ("rejected", "permanent", "no_such_recipient"), 0),
        ("ana@lost.example", 1, ("unknown", "none", "no_reply"), 1),
        ("ana@lost.example", 2, ("accepted", "none", "accepted"), 1),
        ("ana@never.example", 1, ("unknown", "none", "no_reply"), 0),
        ("ana@slow.example", 1, ("accepted", "none", "accepted"), 1),
        ("ana@example.org", 1, ("accepted", "none", "accepted"), 1),
        ("ana@sub.slow.example", 1, ("accepted", "none", "accepted"), 1),
    ],
)
def test_the_first_rule_that_matches_answers(
    tmp_path: Path, to: str, attempt: int, expected: tuple[str, str, str], written: int
) -> None:
    adapter = sandbox(tmp_path, SCENARIO)
    submit(adapter, message(1, to=to, attempt=attempt))
    found = [answered.answer for _ in range(3) for answered in adapter.poll(0)]
    assert [(answer.outcome, answer.kind, answer.code) for answer in found] == [expected]
    assert len(files(tmp_path)) == written


def test_a_rule_can_wait_for_the_nth_message(tmp_path: Path) -> None:
    adapter = sandbox(tmp_path, SCENARIO)
    outcomes = [send(adapter, number=number, to="ana@third.example").outcome for number in range(4)]
    assert outcomes == ["accepted", "accepted", "rejected", "accepted"]


def test_a_call_ends_as_the_scenario_says_and_costs_what_it_says(tmp_path: Path) -> None:
    answer = send(sandbox(tmp_path, SCENARIO, channel="voice"), channel="voice", to="+15555550101")
    assert (answer.call_outcome, answer.cost_micros) == ("voicemail", 12_000)


def test_a_delayed_answer_comes_with_its_poll_and_the_message_is_there_before(tmp_path: Path) -> None:
    adapter = sandbox(tmp_path, SCENARIO)
    submit(adapter, message(to="ana@slow.example"))
    assert adapter.poll(0) == []
    assert len(files(tmp_path)) == 1
    with pytest.raises(ValueError, match="already in flight"):
        submit(adapter, message(to="ana@slow.example"))
    assert adapter.poll(0) == []
    assert [answered.answer.outcome for answered in adapter.poll(0)] == ["accepted"]
    assert adapter.in_flight() == 0


def test_a_crash_before_the_answer_leaves_a_message_that_a_look_up_finds(tmp_path: Path) -> None:
    crashed = sandbox(tmp_path, SCENARIO)
    submit(crashed, message(to="ana@slow.example"))
    assert crashed.poll(0) == []
    after = sandbox(tmp_path, SCENARIO)
    assert after.in_flight() == 0
    assert after.look_up(message().send_key, 1) == "found"
    assert after.look_up(message(2).send_key, 1) == "absent"
    assert after.look_up("../scenario", 1) == "cannot_tell"


def test_a_folder_that_cannot_be_written_is_certain(tmp_path: Path) -> None:
    (tmp_path / "sent").write_text("a file stands where the folder should be", "utf-8")
    adapter = sandbox(tmp_path)
    answer = send(adapter)
    assert (answer.outcome, answer.kind, answer.code) == ("rejected", "transient", "not_written")
    report = adapter.health()
    assert (report.ok, report.code) == (False, "not_written")


def test_a_send_key_cannot_leave_the_folder(tmp_path: Path) -> None:
    adapter = sandbox(tmp_path)
    sly = msgspec.structs.replace(message(), send_key="../../evil")
    with pytest.raises(ValueError, match="cannot be the name of a file"):
        submit(adapter, sly)


@pytest.mark.parametrize(
    ("scenario", "reason"),
    [
        ("rule = 3", "not a scenario"),
        ("[[rule]]\nanswer = 'maybe'", "not a scenario"),
        ("[[rule]]\nanswer = 'accept'\nwhen = 'always'", "not a scenario"),
        ("[[rule]]\nanswer = 'reject'\ncode = 'bored'", "unknown code `bored`"),
        ("[[rule]\n", "not a scenario"),
    ],
)
def test_a_faulty_scenario_is_refused_by_name(tmp_path: Path, scenario: str, reason: str) -> None:
    with pytest.raises(Refused, match=reason) as refused:
        sandbox(tmp_path, scenario)
    assert refused.value.where == str(tmp_path / "scenario.toml")
    with pytest.raises(Refused, match="not a scenario"):
        SandboxAdapter("email", SandboxOptions(folder=str(tmp_path), scenario=str(tmp_path / "missing.toml")))


@pytest.mark.parametrize("code", sorted(REJECTED))
def test_a_scenario_can_show_every_certain_failure(tmp_path: Path, code: str) -> None:
    answer = send(sandbox(tmp_path, f"[[rule]]\nanswer = 'reject'\ncode = '{code}'"))
    assert (answer.outcome, answer.kind, answer.code) == ("rejected", REJECTED[code], code)
    assert files(tmp_path) == []
