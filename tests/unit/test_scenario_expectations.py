"""An expectation that does not hold fails at its line, and says what was expected and what happened.

Each case below has one thing that is not so; what stands beside it is the line and a part of what is said.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from scenario_desk import case, desk, scenario

from dee_appliance import check_scenarios
from dee_appliance.scenarios.testing import CaseReport, ScenarioReport


def played(folder: Path, *parts: str) -> ScenarioReport:
    return check_scenarios([scenario(desk(folder), *parts)])


def only(report: ScenarioReport) -> CaseReport:
    (found,) = report.cases
    return found


WRONG = {
    "visits": (
        'visits = ["intro", "pause", "done"]',
        "visit 3 is done",
        "it is call; the run visited intro, pause, call, done",
    ),
    "too many visits": ('visits = ["intro", "pause", "call", "done", "done"]', "visit 5 is done", "ended after 4"),
    "too few visits": ('visits = ["intro"]', "1 visits and no more", "it is pause"),
    "status": ('status = "FAILED"', "the run is FAILED", "it is COMPLETED finished, at done"),
    "outcome": ('outcome = "paid"', "the outcome is paid", "COMPLETED finished"),
    "reason": ('status = "COMPLETED"\nreason = "gone"', "the reason is gone", "COMPLETED finished"),
    "step": ('step = "call"', "the run is at call", "it is at done"),
    "branches": ('branches = { pause = "done" }', "pause goes to done", "it went to call"),
    "number of sends": ("sends = 1", "1 sends", "there are 2: intro at 2027-01-04T09:00:00-05:00"),
    "no sends": ("sends = []", "0 sends", "there are 2"),
    "step of a send": ('sends = [{}, { step = "intro" }]', "step intro", "step call"),
    "channel": ('sends = [{ channel = "sms" }, {}]', "channel sms", "channel email"),
    "address": ('sends = [{ to = "kim@example.com" }, {}]', "to kim@example.com", "to jane@example.com"),
    "time": ('sends = [{ at = "+1s" }, {}]', "sent at 2027-01-04T09:00:01-05:00 (1s after the start)", "(0s after"),
    "not before": ('sends = [{ after = "+1s" }, {}]', "sent after 2027-01-04T09:00:01", "sent at 2027-01-04T09:00:00"),
    "not after": ('sends = [{ before = "+0s" }, {}]', "sent before", "sent at"),
    "hours": ("sends = [{ between = [10:00:00, 18:00:00] }, {}]", "on the clock of the contact", "T09:00:00-05:00"),
    "outcome of a send": ('sends = [{ outcome = "rejected" }, {}]', "outcome rejected", "outcome accepted"),
    "subject": ('sends = [{ subject = "Hi" }, {}]', "subject Hi", "subject Hello"),
    "text": ('sends = [{ text = "Hello" }, {}]', "the message is: Hello", "Hello Jane, how are you?"),
    "contains": ('sends = [{ contains = ["Hello", "Kim"] }, {}]', 'contains "Kim"', "Hello Jane"),
    "lacks": ('sends = [{ lacks = ["Jane"] }, {}]', 'does not contain "Jane"', "Hello Jane"),
    "holds": ('holds = [{ step = "call" }]', "1 holds", "there are 0: none"),
    "denials": ("denials = [{}]", "1 denials", "there are 0"),
    "entries": (
        'entries = [{ action = "wait" }, { action = "send_email" }]',
        "an entry send_email after wait",
        "there is call dispatched",
    ),
    "detail": ('entries = [{ detail = { to = "nowhere" } }]', "with to nowhere", "enroll enrolled"),
    "cost": ('cost = "1.00"', "the run costs 1.00 USD", "nothing: no budget prices its sends"),
    "end": ('ends = "+1d"', "last entry is at 2027-01-05T09:00:00-05:00", "last entry is at 2027-01-06T09:00:"),
    "head": ('head = "00000000"', "the run head is 00000000", "it is "),
    "refused": ('refused = "min_gap"', "the enrolment is refused: min_gap", "there is a run, COMPLETED at done"),
    "another run": ("run = 2\nsends = 3", "a run 2", "nobody tried to enrol it"),
}


@pytest.fixture(scope="module")
def wrong(tmp_path_factory: pytest.TempPathFactory) -> dict[str, CaseReport]:
    """All of them in one file."""
    parts = [case(name=name, expect=[line]) for name, (line, _, _) in WRONG.items()]
    return {one.name: one for one in played(tmp_path_factory.mktemp("wrong"), *parts).cases}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_not_so_fails_at_its_line(wrong: dict[str, CaseReport], name: str) -> None:
    line, expected, happened = WRONG[name]
    (failure,) = wrong[name].failures
    shown = Path(wrong[name].file).read_text(encoding="utf-8").splitlines()[failure.line - 1]
    assert shown in (line.splitlines()[-1], "[[case.expect]]")
    assert expected in failure.expected
    assert happened in failure.happened


RIGHT = (
    'visits = ["intro", "pause", "call", "done"]',
    'status = "COMPLETED"\noutcome = "finished"\nstep = "done"',
    'branches = { pause = "call", call = "done" }',
    'sends = [{ step = "intro", to = "jane@example.com", attempt = 1, visit = 1 }, {}]',
    'sends = [{ at = "+0s", after = "+0s", before = "+1s" }, {}]',
    'sends = [{ subject = "Hello", contains = ["Hello Jane"], lacks = ["Kim"], text = "Hello Jane, how are you?" }, {}]',
    "sends = [{ between = [22:00:00, 09:00:01] }, { between = [09:00:00, 18:00:00] }]",
    'sends = [{}, { channel = "voice", outcome = "no_answer", contains = ["Hello"], at = "+2d" }]',
    "sends = 2\nholds = []\ndenials = []",
    'entries = [{ action = "enroll" }, { step = "pause", outcome = "elapsed", at = "+2d", detail = { to = "call" } }]',
    "ends = 2027-01-06T09:00:30",
)


def test_what_is_so_passes(tmp_path: Path) -> None:
    report = played(tmp_path, *(case("settled = true", name=f"{at}", expect=[one]) for at, one in enumerate(RIGHT)))
    assert report.passed, str(report)


def test_a_failure_names_the_entry_that_shows_it(tmp_path: Path) -> None:
    found = only(played(tmp_path, case(expect=['sends = [{}, { step = "intro" }]'])))
    (run,) = found.runs
    shown = next(line for line in run.lines if line.seq == found.failures[0].entry)
    assert (found.failures[0].run, shown.action, shown.outcome) == (run.run, "call", "dispatched")


def test_something_that_waits_at_the_end_is_found(tmp_path: Path) -> None:
    report = played(
        tmp_path,
        case("settled = true", 'until = "+1d"', name="too early", expect=['status = "WAITING"\nstep = "pause"']),
        case("settled = false", name="too late"),
    )
    early, late = report.cases
    assert "p@1 is WAITING at pause until 2027-01-06" in early.failures[0].happened
    assert late.failures[0].expected == "something waits at the end"


def test_what_cannot_be_done_fails_at_its_line(tmp_path: Path) -> None:
    report = played(
        tmp_path,
        case("[[case.event]]", 'event = "answered"', 'step = "call"', 'at = "+1h"', name="no call yet"),
        case("[[case.act]]", 'do = "resume"', 'at = "+1h"', name="not paused"),
        case("[[case.act]]", 'do = "pause"', 'at = "+1h"', 'refused = "illegal_status"', name="it can"),
        case("[[case.act]]", 'do = "resume"', 'at = "+1h"', 'refused = "min_gap"', name="another reason"),
    )
    told = [(one.name, one.failures[0].expected, one.failures[0].happened) for one in report.cases]
    assert told[0] == ("no call yet", "a send of call that jane can react to", "nothing was sent there")
    assert told[1] == ("not paused", "it can be done", "refused: illegal_status")
    assert told[2] == ("it can", "refused: illegal_status", "it was done")
    assert told[3] == ("another reason", "refused: min_gap", "refused: illegal_status")


def test_two_contacts_with_one_address_fail_where_the_second_stands(tmp_path: Path) -> None:
    parts = ['[contact.kim]\nemail = "jane@example.com"\n', case(expect=['contact = "jane"\nstatus = "COMPLETED"'])]
    (failure,) = only(played(tmp_path, *parts)).failures
    assert "another contact has this address" in failure.happened


def test_a_run_that_never_was_is_said_so(tmp_path: Path) -> None:
    answers = check_scenarios(
        [
            scenario(
                desk(tmp_path),
                case("[[case.act]]", 'do = "enroll"', 'at = "+1d"', 'refused = "already_enrolled"', name="once only"),
                case(
                    'contact.kim = { email = "kim@example.com", enroll = false }',
                    name="not enrolled",
                    expect=['contact = "kim"\nsends = 0'],
                ),
            )
        ]
    )
    assert answers.passed, str(answers)
