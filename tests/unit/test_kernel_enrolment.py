"""Who may enter a plan, how often, with what."""

from __future__ import annotations

import pytest
from kernel_builder import DAY_S, EPOCH, HOUR_S, Story, branch, contact_id, email, end, plan_of, wait

from dee_appliance.kernel.e1 import input as inputs
from dee_appliance.kernel.e1 import plan as plans
from dee_appliance.kernel.e1.encoding import run_id

ATTRIBUTES = {
    "tier": plans.AttributeDeclaration(kind="enum", values=("gold", "silver")),
    "vip": plans.AttributeDeclaration(kind="bool"),
    "balance": plans.AttributeDeclaration(kind="int"),
    "renewal": plans.AttributeDeclaration(kind="date"),
    "home": plans.AttributeDeclaration(kind="zone"),
}


def entering(number: int = 0, plan: str = "plan", **more: object) -> inputs.Enroll:
    return inputs.Enroll(contact=contact_id(number), plan=plan, **more)  # type: ignore[arg-type]


def test_a_run_is_known_by_contact_plan_and_ordinal() -> None:
    with Story(plan_of(email(), enroll=plans.Enroll(reentry="always"))) as story:
        runs = [story.enroll() for _ in range(3)]
        assert [run.ordinal for run in runs] == [1, 2, 3]
        assert [run.run for run in runs] == [run_id(contact_id(0), "plan", number) for number in (1, 2, 3)]
        assert story.detail("enroll") == {"digest": runs[0].digest, "ordinal": 3, "to": "mail"}


def test_the_newest_version_is_entered_unless_one_is_named() -> None:
    versions = [
        plan_of(end("end", f"v{number}"), version=number, enroll=plans.Enroll(reentry="always"))
        for number in (1, 2, 10)
    ]
    with Story(*versions) as story:
        assert story.enroll().reason == "v10"
        assert story.enroll(version=2).reason == "v2"
        assert story.admit(entering(version=3)) == "rejected:unknown_plan"


def test_a_live_run_stays_on_its_version() -> None:
    with Story(plan_of(wait(for_s=DAY_S))) as story:
        story.enroll()
        story.publish(plan_of(end("end", "other"), version=2))
        story.later(DAY_S)
        assert story.status() == "COMPLETED(done)"


@pytest.mark.parametrize(
    ("value", "code"),
    [
        (entering(7), "unknown_contact"),
        (entering(plan="nowhere"), "unknown_plan"),
    ],
)
def test_nobody_enters_what_or_as_who_is_not_there(value: inputs.Enroll, code: str) -> None:
    with Story(plan_of(email())) as story:
        assert story.admit(value) == f"rejected:{code}"
        assert story.log(None)[-1] == "- enroll rejected"


def test_an_erased_contact_enters_nothing() -> None:
    with Story(plan_of(email())) as story:
        story.admit(inputs.ContactErase(contact=contact_id(0)))
        assert story.admit(entering()) == "rejected:erased"


def test_a_contact_without_an_attribute_that_the_plan_needs_is_refused() -> None:
    with Story(plan_of(email(), attributes=ATTRIBUTES, required=("tier", "vip")), contacts=0) as story:
        story.put(tier="gold")
        assert story.admit(entering()) == "rejected:missing_attribute"
        story.put(tier="gold", vip=False)
        assert story.admit(entering()) == "done"


@pytest.mark.parametrize(
    ("name", "value", "fits"),
    [
        ("tier", "gold", True),
        ("tier", "bronze", False),
        ("tier", 1, False),
        ("vip", True, True),
        ("vip", 1, False),
        ("balance", 7, True),
        ("balance", True, False),
        ("balance", "7", False),
        ("renewal", "2026-12-31", True),
        ("renewal", "2026-13-31", False),
        ("renewal", 20261231, False),
        ("home", "Europe/London", True),
        ("home", 3, False),
    ],
)
def test_an_attribute_or_variable_has_the_type_that_the_plan_declares(
    name: str, value: inputs.Scalar, fits: bool
) -> None:
    with Story(plan_of(email(), attributes=ATTRIBUTES), contacts=0) as story:
        story.put(0, **{name: value})  # type: ignore[arg-type]
        assert story.admit(entering()) == ("done" if fits else "rejected:attribute_type")
    with Story(plan_of(email(), variables={name: ATTRIBUTES[name]})) as story:
        assert story.admit(entering(variables={name: value})) == ("done" if fits else "rejected:variables")


@pytest.mark.parametrize("variables", [{}, {"amount": 1, "more": 2}, {"amuont": 1}])
def test_exactly_the_declared_variables_are_given(variables: dict[str, int]) -> None:
    with Story(plan_of(email(), variables={"amount": ATTRIBUTES["balance"]})) as story:
        assert story.admit(entering(variables=variables)) == "rejected:variables"


def test_conditions_read_the_variables_of_their_own_run() -> None:
    steps = (branch("which", "var.amount > 100", "much", "end"), end("much", "much"))
    plan = plan_of(*steps, variables={"amount": ATTRIBUTES["balance"]}, enroll=plans.Enroll(reentry="always"))
    with Story(plan) as story:
        assert story.enroll(variables={"amount": 101}).reason == "much"
        assert story.enroll(variables={"amount": 100}).reason == "done"
        assert story.detail("enroll")["variables"] == {"amount": 100}


# -- once, or again ------------------------------------------------------------------------------------------------------


def test_a_plan_takes_a_contact_only_once_unless_it_says_otherwise() -> None:
    with Story(plan_of(end("end", "done"))) as story:
        story.enroll()
        assert story.admit(entering()) == "rejected:already_enrolled"


def test_reentry_after_exit_waits_for_the_end_of_the_earlier_run() -> None:
    with Story(plan_of(wait(for_s=DAY_S), enroll=plans.Enroll(reentry="after_exit"))) as story:
        story.enroll()
        assert story.admit(entering()) == "rejected:still_live"
        story.later(DAY_S)
        assert story.admit(entering()) == "done"


def test_a_failed_run_is_not_an_ended_one() -> None:
    with Story(plan_of(email(), enroll=plans.Enroll(reentry="after_exit"))) as story:
        story.enroll()
        story.answer(story.sent(), "rejected", "permanent")
        assert story.admit(entering()) == "rejected:still_live"
        story.verb("cancel")
        assert story.admit(entering()) == "done"


def test_a_run_that_ends_at_this_tick_has_ended_before_the_enrolment() -> None:
    with Story(plan_of(wait(for_s=DAY_S), enroll=plans.Enroll(reentry="after_exit"))) as story:
        story.enroll()
        story.tick += DAY_S
        assert story.admit(entering()) == "done"
        assert story.status(1) == "COMPLETED(done)"


def test_the_smallest_gap_counts_from_the_last_enrolment() -> None:
    with Story(plan_of(end("end", "done"), enroll=plans.Enroll(reentry="always", min_gap_s=DAY_S))) as story:
        story.enroll()
        story.later(DAY_S - 1)
        assert story.admit(entering()) == "rejected:min_gap"
        story.later(1)
        assert story.admit(entering()) == "done"
        story.later(DAY_S - 1)
        assert story.admit(entering()) == "rejected:min_gap"


def test_a_refused_enrolment_counts_for_nothing() -> None:
    with Story(plan_of(end("end", "done"), enroll=plans.Enroll(reentry="always", min_gap_s=DAY_S))) as story:
        story.enroll()
        story.later(HOUR_S)
        story.admit(entering())
        story.later(DAY_S - HOUR_S)
        assert story.enroll().ordinal == 2


def test_an_exclusive_plan_waits_for_every_other_run_of_its_purpose() -> None:
    other = plan_of(wait(for_s=DAY_S), plan="other", purpose="marketing")
    service = plan_of(wait(for_s=DAY_S), plan="service", purpose="transactional")
    mine = plan_of(email(), purpose="marketing", enroll=plans.Enroll(exclusive=True))
    with Story(other, service, mine) as story:
        story.enroll(plan="service")
        story.enroll(plan="other")
        assert story.admit(entering()) == "rejected:exclusive"
        story.later(DAY_S)
        assert story.admit(entering()) == "done"


def test_only_the_plan_that_says_so_is_exclusive() -> None:
    mine = plan_of(wait(for_s=DAY_S), purpose="marketing", enroll=plans.Enroll(exclusive=True))
    with Story(mine, plan_of(email(), plan="other", purpose="marketing")) as story:
        story.enroll()
        assert story.admit(entering(plan="other")) == "done"


def test_a_scheduled_run_is_live_from_its_enrolment() -> None:
    with Story(plan_of(email(), enroll=plans.Enroll(reentry="after_exit"))) as story:
        story.enroll(start=EPOCH + DAY_S)
        assert story.admit(entering()) == "rejected:still_live"


def test_two_contacts_are_two_stories() -> None:
    with Story(plan_of(email(), enroll=plans.Enroll(exclusive=True)), contacts=2) as story:
        story.enroll(0)
        assert story.admit(entering(1)) == "done"
