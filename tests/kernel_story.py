"""One story with something of everything: the cores it leaves are golden, so that no entry changes without somebody reading it.

`python tests/kernel_story.py` writes tests/golden/kernel_story.jsonl anew.
"""

from __future__ import annotations

from pathlib import Path

from kernel_builder import (
    DAY_S,
    HOUR_S,
    MINUTE_S,
    Story,
    branch,
    call,
    contact_id,
    email,
    end,
    hours,
    leave,
    plan_of,
    policy_of,
    recover,
    task,
    text,
    token_of,
    wait,
)

from dee_appliance.kernel.e1 import input as inputs
from dee_appliance.kernel.e1 import plan as plans
from dee_appliance.kernel.e1 import policy as policies

GOLDEN = Path(__file__).parent / "golden" / "kernel_story.jsonl"

PLAN = plan_of(
    email("mail", "pause", recover=recover("transient", attempts=2)),
    wait("pause", "half", for_s=DAY_S, until='replied("mail")', then="won"),
    plans.Split(
        id="half", arms=(plans.Arm(name="a", weight=1, then="which"), plans.Arm(name="b", weight=1, then="which"))
    ),
    branch("which", "contact.tier > 4", "text", "ring"),
    text("text", "morning"),
    wait("morning", "ring", at_s=9 * HOUR_S, weekdays=(0, 1, 2, 3, 4)),
    call("ring", "look", on={"answered": "won"}, max_duration_s=60, ring_s=30),
    task("look", "lost", on={"yes": "won"}),
    end("won", "won"),
    end("lost", "lost"),
    attributes={"tier": plans.AttributeDeclaration(kind="int")},
    variables={"amount": plans.AttributeDeclaration(kind="int")},
    exits=(leave("unsubscribed()", "opted_out"),),
    enroll=plans.Enroll(reentry="after_exit"),
)
POLICY = policy_of(
    policies.SuppressionRule(id="suppression"),
    policies.ConsentRule(id="consent", channels=("email",)),
    policies.WindowRule(id="hours", channels=("voice",), hours=hours()),
    policies.DailyLimitRule(id="daily", limit=4),
    policies.BudgetRule(id="budget", limit_micros=100_000, currency="USD"),
)


def tell() -> Story:
    """Tell it."""
    story = Story(PLAN, policy=POLICY, contacts=0)
    story.put(0, tier=9)
    story.admit(inputs.Enroll(contact=contact_id(0), plan="plan"))
    story.consent(consent_class="express", source="form")
    story.enroll(variables={"amount": 7}, start=story.tick + HOUR_S)
    story.later(HOUR_S)
    story.answer(story.sent(), "rejected", "transient", code="greylisted")
    story.later(2 * MINUTE_S)
    permit = story.sent()
    story.answer(permit, code="250", cost_micros=120)
    story.event("email.opened", permit)
    story.verb("pause")
    story.later(MINUTE_S)
    story.verb("resume")
    story.later(DAY_S)
    story.answer(story.sent("sms"), "unknown", code="timeout")
    story.verb("retry")
    story.verb("resolve", "resend")
    story.answer(story.sent("sms"))
    story.zones(shift_s=-HOUR_S)
    story.later(DAY_S)
    story.pull("voice")
    story.later(4 * HOUR_S)
    story.answer(story.sent("voice"))
    story.downtime(HOUR_S)
    story.verb("resolve", "not-delivered")
    story.verb("retry")
    ring = story.sent("voice")
    story.event("call.no_answer", ring, cost_micros=3)
    story.hold("plan:plan")
    story.release("plan:plan")
    story.admit(inputs.TaskDone(run=story.run().run, outcome="perhaps"))
    story.later(HOUR_S)
    story.enroll(variables={"amount": 8})
    story.suppress(token_of("phone", 0), scope="channel:voice", reason="operator")
    story.event("email.unsubscribed", permit)
    story.admit(inputs.ContactErase(contact=contact_id(0)))
    return story


def cores(story: Story) -> str:
    """Every core of the file, in order, as it stands in the log."""
    rows = story.journal.database.execute("SELECT body FROM audit ORDER BY seq")
    bodies = (row[0] for row in rows)
    return "".join(f"{_core(body)}\n" for body in bodies)


def _core(body: str) -> str:
    """The text of the core inside a body: what stands before the next field of the body."""
    start, depth = body.index('{"action"'), 0
    for at in range(start, len(body)):
        depth += {"{": 1, "}": -1}.get(body[at], 0)
        if depth == 0:
            return body[start : at + 1]
    raise AssertionError("a core has an end")


if __name__ == "__main__":
    with tell() as told:
        GOLDEN.write_text(cores(told), encoding="utf-8")
