"""What two plans differ in, in the words of the plan file."""

from __future__ import annotations

from dee_appliance.authoring.plan_diff import plan_diff
from dee_appliance.kernel.e1.plan import (
    Arm,
    AttributeDeclaration,
    Branch,
    Budget,
    Call,
    Case,
    End,
    Enroll,
    Exit,
    Hours,
    Plan,
    PlanPolicy,
    Recover,
    SendEmail,
    Split,
    Step,
    Task,
    Wait,
)

MAIL = SendEmail(id="mail", template="hello", next="wait")
WAIT = Wait(id="wait", for_s=259_200, until="replied()", then="end", next="end")
LAST = End(id="end", outcome="done")


def plan(*steps: Step, **fields: object) -> Plan:
    base: dict[str, object] = {"plan": "p", "version": 1, "purpose": "marketing", "steps": steps or (MAIL, WAIT, LAST)}
    return Plan(**{**base, **fields})  # type: ignore[arg-type]


def lines(old: Plan, new: Plan) -> list[str]:
    return [str(change) for change in plan_diff(old, new)]


def test_a_plan_does_not_differ_from_itself() -> None:
    assert plan_diff(plan(), plan()) == ()


def test_the_place_of_a_step_in_the_file_is_no_difference() -> None:
    assert plan_diff(plan(), plan(MAIL, LAST, WAIT)) == ()


def test_another_first_step_is_one() -> None:
    assert lines(plan(), plan(WAIT, MAIL, LAST)) == ["~ first step: mail → wait"]


def test_a_changed_field_is_named_as_it_is_written() -> None:
    longer = Wait(
        id="wait", for_s=129_600, until="replied()", then="mail", next="end", max_visits=2, after_visits="end"
    )
    assert lines(plan(), plan(MAIL, longer, LAST)) == [
        "~ step wait: for: 3d → 1d12h",
        "~ step wait: then: end → mail",
        "+ step wait: max_visits: 2",
        "+ step wait: after: end",
    ]


def test_added_and_removed_steps_are_summed_up() -> None:
    call = Call(id="call", script="ask", next="end", on={"answered": "end"})
    assert lines(plan(MAIL, WAIT, LAST), plan(MAIL, call, LAST)) == [
        "- step wait: wait, for 3d, until replied(), then end, next end",
        "+ step call: call, script ask, on.answered end, next end, max_duration 5m, ring 2m",
    ]


def test_another_kind_of_step_under_the_same_id_is_shown_field_by_field() -> None:
    task = Task(id="wait", instructions="Look", timeout_s=60, next="end", on={"done": "end"})
    changes = lines(plan(), plan(MAIL, task, LAST))
    assert "~ step wait: do: wait → task" in changes
    assert "- step wait: for: 3d" in changes
    assert "+ step wait: within: 1m" in changes


def test_head_and_policy_are_compared() -> None:
    hours = Hours(weekly=(((32_400, 64_800),), (), (), (), (), (), ()), closed_dates=("2026-12-25",))
    policy = PlanPolicy(
        daily_sends=5,
        budget=Budget(limit_micros=250_000_000, currency="USD"),
        calling_hours=hours,
        on_deny={"consent": "end"},
    )
    new = plan(
        version=2,
        title="T",
        policy=policy,
        enroll=Enroll(reentry="after_exit", min_gap_s=86_400, exclusive=True),
        attributes={"tier": AttributeDeclaration(kind="enum", values=("a", "b"))},
        variables={"code": AttributeDeclaration(kind="int")},
        exits=(Exit(when="unsubscribed()", outcome="gone"),),
    )
    changes = lines(plan(), new)
    assert "~ version: 1 → 2" in changes
    assert "+ title: T" in changes
    assert "~ enroll.reentry: never → after_exit" in changes
    assert "+ enroll.min_gap: 1d" in changes
    assert "+ enroll.exclusive: true" in changes
    assert "+ policy.daily_sends: 5" in changes
    assert "+ policy.budget: 250.00 USD" in changes
    assert "+ policy.calling_hours Mon: 09:00-18:00" in changes
    assert "+ policy.calling_hours Tue: closed" in changes
    assert "+ policy.closed_dates: 2026-12-25" in changes
    assert "+ policy.on_deny.consent: end" in changes
    assert "+ attribute tier: a, b" in changes
    assert "+ variable code: int" in changes
    assert "+ exit when unsubscribed(): gone" in changes
    assert len(changes) == 19


def test_the_order_of_exits_and_cases_and_arms_matters() -> None:
    exits = (Exit(when="a()", outcome="a"), Exit(when="b()", outcome="b"))
    assert lines(plan(exits=exits), plan(exits=exits[::-1])) == ["~ order of exits: a, b → b, a"]
    cases = (Case(when="a()", then="end"), Case(when="b()", then="end"))
    branches = [Branch(id="x", cases=order, otherwise="end") for order in (cases, cases[::-1])]
    assert lines(*(plan(branch, LAST) for branch in branches)) == [
        "~ step x: order of cases: a() / b() → b() / a()",
    ]
    arms = (Arm(name="a", weight=1, then="end"), Arm(name="b", weight=2, then="end"))
    splits = [Split(id="x", arms=order) for order in (arms, arms[::-1])]
    assert lines(*(plan(split, LAST) for split in splits)) == ["~ step x: order of arms: a / b → b / a"]


def test_a_text_that_changed_under_its_name_is_shown() -> None:
    old, new = plan(templates={"hello": "b3:1"}, scripts={"ask": "b3:2"}), plan(templates={"hello": "b3:3"})
    assert lines(old, new) == ["~ template hello: b3:1 → b3:3"]


def test_a_recovery_is_written_out() -> None:
    recover = Recover(on=("transient", "confirmed"), attempts=3, backoff_s=(60, 1_800))
    mail = SendEmail(id="mail", template="hello", next="wait", recover=recover, send_by_s=3_600)
    assert lines(plan(), plan(mail, WAIT, LAST)) == [
        "+ step mail: recover: transient, confirmed: 3 attempts, pauses 1m, 30m",
        "+ step mail: send_by: 1h",
    ]
