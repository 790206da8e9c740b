"""What a scenario can make happen: every act of an operator, every answer of a provider, and the times at which they come.

The plan of the desk sends an e-mail, waits two days for a reply, calls, and ends.
"""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import pytest
from scenario_desk import HEAD, PLAN, case, desk, scenario

from dee_appliance import check_scenarios
from dee_appliance.authoring.written_scenario import ActWord
from dee_appliance.scenarios.wording import ALLOWED

POLICY = """
policy   = "desk"
currency = "USD"
[[rule]]
id   = "suppression"
kind = "suppression"
[[rule]]
id       = "consent"
kind     = "consent"
[[rule]]
id      = "registered"
kind    = "fact"
require = [{ fact = "registered" }]
[[rule]]
id    = "day"
kind  = "daily_limit"
limit = 1
channels = ["email"]
[[rule]]
id     = "money"
kind   = "budget"
amount = "1.00"
[[rate]]
channel = "email"
price   = "0.01"
[[rate]]
channel = "voice"
price   = "0.05"
"""


def act(word: str, at: str = "+0s", **said: str) -> str:
    """One act; `as_` is the field `as`."""
    lines = [f"{name.rstrip('_')} = {value}" for name, value in said.items()]
    return "\n".join(["[[case.act]]", f'do = "{word}"', f'at = "{at}"', *lines])


def answer(step: str, **said: str) -> str:
    return "\n".join(["[[case.answer]]", f'step = "{step}"', *(f"{name} = {value}" for name, value in said.items())])


ACTS = {
    "halt and release": (
        (act("halt", scope='"email"'), act("release", "+1d", scope='"email"')),
        ('sends = [{ at = "+1d" }, {}]', 'holds = [{ rule = "halt" }]'),
    ),
    "halt one plan": ((act("halt", scope='"plan:p"'),), ("sends = []", 'step = "intro"')),
    "pause and resume": (
        (act("pause", "+1d"), act("resume", "+5d")),
        ('sends = [{}, { step = "call", at = "+7d" }]', 'status = "COMPLETED"'),
    ),
    "cancel": ((act("cancel", "+1d"),), ('status = "CANCELLED"', "sends = 1")),
    "retry": (
        (answer("intro", attempt="1", answer='"rejected permanent"'), act("retry", "+1h")),
        ('sends = [{ outcome = "rejected" }, { at = "+1h", outcome = "accepted", attempt = 2 }, { step = "call" }]',),
    ),
    "resolve and resume": (
        (answer("intro", answer='"unknown"'), act("resolve", "+1h", as_='"delivered"'), act("resume", "+2h")),
        ('sends = [{ outcome = "unknown" }, { step = "call", at = "+2d2h" }]',),
    ),
    "resend": (
        (answer("intro", attempt="1", answer='"unknown"'), act("resolve", "+1h", as_='"resend"')),
        ('sends = [{ outcome = "unknown" }, { at = "+1h" }, { step = "call" }]',),
    ),
    "skip is not allowed by the plan": ((act("skip", "+1d", refused='"not_skippable"'),), ('outcome = "finished"',)),
    "no task waits": ((act("cancel", "+5d", refused='"illegal_status"'),), ('outcome = "finished"',)),
    "suppress and lift": (
        (act("suppress", "+1d", scope='"voice"'), act("lift", "+36h", scope='"voice"')),
        ("sends = 2", "denials = []"),
    ),
    "suppress": (
        (act("suppress", "+1d"),),
        ("sends = 1", 'denials = [{ step = "call" }]', 'status = "FAILED"'),
    ),
    "revoke": (
        (act("revoke", channel='"voice"'),),
        ("sends = 1", 'denials = [{ step = "call" }]'),
    ),
    "grant again": (
        (act("revoke", channel='"voice"'), act("grant", "+1d", channel='"voice"')),
        ("sends = 2",),
    ),
    "change": (
        (act("change", profile='{ first_name = "Jo", email = "jo@example.com" }'),),
        ('sends = [{ to = "jo@example.com", contains = ["Hello Jo"] }, {}]',),
    ),
    "erase": ((act("erase", "+1d"),), ("sends = 1",)),
    "enroll twice": ((act("enroll", "+1h", refused='"already_enrolled"'),), ("sends = 2",)),
    "setting": (
        (act("setting", name='"sender.name"', value='"Jo Doe"'), act("fact", name='"open"', value="true")),
        ("sends = 2",),
    ),
    "policy, pack and retire": (
        (
            act("policy", file='"policy.toml"'),
            act("pack", file='"us-federal"'),
            act("retire", "+1h", name='"us-federal"'),
            act("fact", "+1h", name='"registered"', value="true"),
        ),
        ('denials = [{ rule = "registered" }]',),
    ),
    "late answers": (
        (answer("intro", late='"3h"'), answer("call", call='"answered"', lasts='"50s"')),
        ('sends = [{ outcome = "accepted" }, { at = "+2d3h", outcome = "answered" }]', 'ends = "+2d3h50s"'),
    ),
}


def test_every_act_has_a_case_here_or_in_the_examples() -> None:
    examples = Path(__file__).parents[2] / "examples"
    written = "".join(path.read_text(encoding="utf-8") for path in examples.glob("*/scenarios/*.toml"))
    written += "".join(part for happens, _ in ACTS.values() for part in happens)
    words = get_args(ActWord)
    assert set(words) == set(ALLOWED)
    assert [word for word in words if f'"{word}"' not in written] == []


def test_acts_and_answers_do_what_they_say(tmp_path: Path) -> None:
    folder = desk(tmp_path)
    (folder / "policy.toml").write_text(POLICY)
    parts = [case(*happens, name=name, expect=expect) for name, (happens, expect) in ACTS.items()]
    report = check_scenarios([scenario(folder, *parts)])
    assert report.passed, str(report)


def test_prices_limits_and_facts_of_a_policy_are_those_of_the_gate(tmp_path: Path) -> None:
    folder = desk(tmp_path)
    (folder / "policy.toml").write_text(POLICY)
    head = 'policy = "policy.toml"\nfacts = { registered = true }\n' + HEAD
    kim = '[contact.kim]\nemail = "kim@example.com"\nprofile = { first_name = "Kim" }\nconsents = ["email"]\n'
    told = [
        kim,
        case(
            answer("call", call='"answered"', cost='"0.07"'),
            expect=[
                'contact = "jane"\ncost = "0.08"',
                '[[case.expect]]\ncontact = "kim"\nsends = [{ at = 2027-01-05T00:00:00Z }]',
            ],
        ),
    ]
    report = check_scenarios([scenario(folder, *told, head=head)])
    assert report.passed, str(report)


def test_contacts_may_enter_late_and_enter_other_plans(tmp_path: Path) -> None:
    folder = desk(tmp_path)
    (folder / "q.toml").write_text(PLAN.replace('plan = "p"', 'plan = "q"'))
    head = 'plans = ["q.toml"]\n' + HEAD
    told = case(
        'contact.kim = { email = "kim@example.com", profile = { first_name = "Kim" }, consents = ["email"], enroll = "+3d" }',
        act("enroll", "+1d", contact='"jane"', plan='"q"'),
        expect=[
            'contact = "jane"\nplan = "q"\nsends = [{ at = "+1d" }, {}]',
            '[[case.expect]]\ncontact = "kim"\nsends = [{ at = "+3d" }]\nvisits = ["intro", "pause", "call"]',
        ],
    )
    report = check_scenarios([scenario(folder, told, head=head)])
    assert report.passed, str(report)


@pytest.mark.parametrize(("until", "status"), [("+0s", "WAITING"), ("+2d", "ACTIVE"), ("+2d30s", "COMPLETED")])
def test_a_case_is_played_up_to_its_end_and_no_further(tmp_path: Path, until: str, status: str) -> None:
    report = check_scenarios([scenario(desk(tmp_path), case(f'until = "{until}"', expect=[f'status = "{status}"']))])
    assert report.passed, str(report)
