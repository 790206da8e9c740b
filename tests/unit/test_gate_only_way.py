"""Only through the gate: when it denies or holds, no verb and no road leads to a permit; and nothing else makes one."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from kernel_builder import (
    DAY_S,
    HOUR_S,
    MINUTE_S,
    Story,
    call,
    contact_id,
    email,
    plan_of,
    policy_of,
    recover,
    task,
    text,
    wait,
)
from kernel_situations import HAPPENINGS, SITUATIONS, possible

import dee_appliance
from dee_appliance.kernel.e1 import input as inputs
from dee_appliance.kernel.e1 import plan as plans
from dee_appliance.kernel.e1 import policy as policies
from dee_appliance.store.journal import Journal

CHANNELS: tuple[plans.Channel, ...] = ("email", "sms", "voice")
SOURCES = Path(dee_appliance.__file__).parent


def permits(story: Story) -> int:
    return sum(len(story.pull(channel)) for channel in CHANNELS)


# -- how the gate closes -------------------------------------------------------------------------------------------------


def _suppressed(story: Story) -> None:
    story.policy(policy_of(policies.SuppressionRule(id="suppression")))
    story.suppress(contact_id(0))


def _without_consent(story: Story) -> None:
    story.policy(policy_of(policies.ConsentRule(id="consent")))


def _emergency(story: Story) -> None:
    rule = policies.FactRule(id="emergency", require=(policies.Ground(fact="over"),), on_fail="hold")
    story.policy(policy_of(rule))


def _halted(story: Story) -> None:
    story.hold("*")


def _capped(story: Story) -> None:
    """Whatever was sent to this contact, and something that is certain to have happened, keeps the next one back for a year."""
    story.policy(policy_of(policies.CapRule(id="cap", limit=1, counts=("refusal",), days=365)))
    story.event("contact.refused")


def _spent(story: Story) -> None:
    rules: list[policies.Rule] = [
        policies.BudgetRule(id="none", limit_micros=0, currency="USD"),
        policies.DailyLimitRule(id="zero", limit=0),
    ]
    story.policy(policy_of(*rules))


CLOSED: dict[str, Callable[[Story], None]] = {
    "denied: suppressed": _suppressed,
    "denied: no consent": _without_consent,
    "held: an emergency": _emergency,
    "held: a cool-down": _capped,
    "held: nothing is left": _spent,
    "halted": _halted,
}


def ways_to_a_permit(close: Callable[[Story], None]) -> tuple[list[str], int]:
    """Let everything happen in every situation of a run, each time with two days in which every timer fires.

    Returns what has led to a permit, and how much was tried.
    """
    found, tried = [], 0
    for situation, make in SITUATIONS.items():
        with make() as story:
            close(story)
            for happening, happens in HAPPENINGS.items():
                if happening != "pull" and possible(story, happening):
                    with story.trying():
                        happens(story)
                        tried += 1
                        sent = permits(story)
                        story.later(2 * DAY_S)
                        if sent + permits(story):
                            found.append(f"{situation}: {happening}")
    return found, tried


@pytest.mark.slow
@pytest.mark.parametrize("closing", CLOSED)
def test_no_verb_and_no_event_in_any_state_gets_past_a_closed_gate(closing: str) -> None:
    found, tried = ways_to_a_permit(CLOSED[closing])
    assert found == []
    assert tried > 600


@pytest.mark.slow
def test_through_an_open_gate_many_of_the_same_ways_lead() -> None:
    found, _ = ways_to_a_permit(lambda story: story.policy(policy_of()))
    assert len(found) > 60


# -- roads that lead to a send -------------------------------------------------------------------------------------------

AGAIN = plans.Enroll(reentry="always")
PLAN = plan_of(email("mail", "text", recover=recover("transient", "confirmed", attempts=4)), text("text"), enroll=AGAIN)


def _retry(story: Story) -> None:
    story.answer(story.sent(), "rejected", "permanent")
    CLOSED["denied: suppressed"](story)
    story.verb("retry")


def _resend(story: Story) -> None:
    story.answer(story.sent(), "unknown")
    CLOSED["denied: suppressed"](story)
    story.verb("resolve", "resend")


def _confirmed(story: Story) -> None:
    """The plan goes on to its next send when an unknown outcome is confirmed."""
    permit = story.sent()
    story.answer(permit, "unknown")
    CLOSED["denied: suppressed"](story)
    story.event("email.delivered", permit)
    assert story.run().step == "text"


def _resolved(story: Story) -> None:
    story.answer(story.sent(), "unknown")
    CLOSED["denied: suppressed"](story)
    story.verb("resolve", "delivered")
    assert story.run().step == "text"


def _backoff(story: Story) -> None:
    story.answer(story.sent(), "rejected", "transient")
    CLOSED["denied: suppressed"](story)
    story.later(HOUR_S)


def _answered(story: Story) -> None:
    permit = story.sent()
    CLOSED["denied: suppressed"](story)
    story.answer(permit)
    assert story.run().step == "text"


def _resumed(story: Story) -> None:
    story.verb("pause")
    CLOSED["denied: suppressed"](story)
    story.verb("resume")


def _released(story: Story) -> None:
    story.hold("*")
    CLOSED["denied: suppressed"](story)
    story.release("*")


def _again(story: Story) -> None:
    CLOSED["denied: suppressed"](story)
    story.enroll()


def _restarted(story: Story) -> None:
    """A process that has died with a message in flight, and another one that finds it."""
    story.sent()
    CLOSED["denied: suppressed"](story)
    story.journal = Journal(story.journal.database, story.shell)
    for key, attempt in story.journal.state.dispatching():
        story.admit(inputs.Answered(send_key=key, attempt=attempt, outcome="unknown", code="crash"))
    story.verb("resolve", "resend")


def _limit_over(story: Story) -> None:
    story.policy(policy_of(policies.DailyLimitRule(id="daily", limit=0)))
    assert permits(story) == 0
    story.policy(policy_of(policies.ConsentRule(id="consent")))


def _bulk(story: Story) -> None:
    CLOSED["denied: suppressed"](story)
    for verb in ("pause", "resume", "retry", "skip"):
        story.admit(inputs.Verb(run=story.run().run, verb=verb, job="bulk"))


ROADS: dict[str, Callable[[Story], None]] = {
    "retry": _retry,
    "resolve --as resend": _resend,
    "resolve --as delivered leads to the next send": _resolved,
    "a plan that recovers when the outcome is confirmed": _confirmed,
    "a plan that tries again": _backoff,
    "the answer to the send before": _answered,
    "resume": _resumed,
    "the release of a halt": _released,
    "another enrolment": _again,
    "a restart and resend": _restarted,
    "the end of a limit": _limit_over,
    "bulk verbs": _bulk,
}


@pytest.mark.parametrize("road", ROADS)
def test_every_road_to_a_send_passes_the_gate(road: str) -> None:
    with Story(PLAN, policy=policy_of()) as story:
        story.enroll()
        ROADS[road](story)
        assert [run.status for run in _runs(story) if run.block == "queue"] != [], "the road leads to no send"
        assert permits(story) == 0
        story.later(2 * DAY_S)
        assert permits(story) == 0
        assert any("denied" in line or "held" in line for line in story.log(None)[-6:])


def _runs(story: Story) -> Iterator[Any]:
    for number in range(1, story.journal.state.next_run_no):
        yield story.run(number)


def test_the_outcome_of_a_task_and_the_skipping_of_a_step_lead_to_the_gate() -> None:
    plan = plan_of(
        task("look", "end", on={"yes": "mail"}, skippable=True),
        email("mail", "later"),
        wait("later", "ring", for_s=60, skippable=True),
        call("ring"),
    )
    with Story(plan, policy=policy_of()) as story:
        story.enroll()
        _without_consent(story)
        story.admit(inputs.TaskDone(run=story.run().run, outcome="yes"))
        assert (story.run().step, permits(story)) == ("mail", 0)
    with Story(plan, policy=policy_of()) as story:
        story.enroll()
        story.admit(inputs.TaskDone(run=story.run().run, outcome="yes"))
        story.answer(story.sent())
        _without_consent(story)
        story.verb("skip")
        assert (story.run().step, permits(story)) == ("ring", 0)
    with Story(plan, policy=policy_of()) as story:
        story.enroll()
        story.admit(inputs.TaskDone(run=story.run().run, outcome="yes"))
        story.answer(story.sent())
        _without_consent(story)
        story.later(MINUTE_S)
        assert (story.run().step, permits(story)) == ("ring", 0)


def test_a_pull_that_comes_twice_gives_one_permit() -> None:
    with Story(PLAN, policy=policy_of()) as story:
        story.enroll()
        assert [permits(story), permits(story)] == [1, 0]
        story.journal = Journal(story.journal.database, story.shell)
        assert permits(story) == 0


def test_an_opt_out_between_two_sends_of_one_pull_stops_the_second() -> None:
    """The second run of the contact is asked on the facts that the first has left."""
    rules = policy_of(policies.SuppressionRule(id="suppression"))
    with Story(PLAN, plan_of(email(), plan="other"), policy=rules) as story:
        story.enroll()
        permit = story.sent()
        story.enroll(0, "other")
        story.event("email.unsubscribed", permit)
        assert permits(story) == 0


# -- nothing else can ----------------------------------------------------------------------------------------------------


def _calls(of: Callable[[ast.Call], bool]) -> list[str]:
    """The modules of the program with a call like this."""
    found = []
    for path in sorted(SOURCES.rglob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        name = path.relative_to(SOURCES).as_posix()
        found += [name for node in ast.walk(tree) if isinstance(node, ast.Call) and of(node)]
    return found


def _named(node: ast.Call) -> str:
    """What is called, as far as its name goes: Permit, or self._adapters[...].submit."""
    return ast.unparse(node.func)


def test_only_the_gate_makes_a_permit() -> None:
    assert _calls(lambda node: _named(node).rpartition(".")[2] == "Permit") == ["kernel/e1/gate.py"]
    assert _calls(lambda node: _named(node).rpartition(".")[2] == "permit_for") == ["kernel/e1/sending.py"]


def test_a_permit_is_made_only_where_the_gate_has_just_said_allow() -> None:
    tree = ast.parse((SOURCES / "kernel/e1/sending.py").read_text(encoding="utf-8"))
    functions = {node.name: ast.unparse(node) for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
    assert [name for name, body in functions.items() if "permit_for(" in body] == ["_dispatch"]
    assert [name for name, body in functions.items() if "_dispatch(" in body and name != "_dispatch"] == ["pull"]
    assert "if verdict.result == 'allow':\n        _dispatch(" in functions["pull"]


def test_only_the_dispatcher_hands_messages_to_adapters() -> None:
    adapters = _calls(lambda node: "adapter" in _named(node).lower() and _named(node).endswith(".submit"))
    assert adapters == ["runtime/dispatcher.py"]
    assert _calls(lambda node: _named(node).endswith("_dispatcher.submit")) == ["runtime/loop.py"]
    takers = _calls(lambda node: _named(node).endswith(".take_permits"))
    assert [one for one in takers if not one.startswith("replay/")] == ["runtime/loop.py"], (
        "the room replay reaches no adapter"
    )


def test_every_adapter_asks_for_the_permit_first() -> None:
    asking = {
        path.name: ast.unparse(node.body[1])
        for path in sorted((SOURCES / "channels").glob("*.py"))
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef) and node.name == "submit" and len(node.body) > 1
    }
    assert {"null.py", "sandbox.py", "smtp.py"} <= set(asking)
    assert set(asking.values()) == {"require_permit(permit, message)"}
