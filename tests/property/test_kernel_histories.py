"""Any history of a few contacts: nobody is stuck, nothing is sent twice, others leave no trace in a run's own chain."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kernel_builder import (
    DAY_S,
    HOUR_S,
    LINEAGE,
    MINUTE_S,
    Kind,
    Outcome,
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
    wait,
)
from kernel_invariants import faults_of_file

from dee_appliance.kernel.e1 import input as inputs
from dee_appliance.kernel.e1 import plan as plans
from dee_appliance.kernel.e1 import policy as policies
from dee_appliance.kernel.e1.run import Permit, Run

TIER = {"tier": plans.AttributeDeclaration(kind="int")}
LONG = plan_of(
    email("mail", "pause", recover=recover("transient", "confirmed", attempts=3), skippable=True, send_by_s=DAY_S),
    wait("pause", "ring", for_s=HOUR_S, until='replied("mail")', then="won", skippable=True),
    call(
        "ring", "look", on={"answered": "won", "voicemail": "mail"}, max_duration_s=60, max_visits=3, after_visits="end"
    ),
    task("look", "morning", on={"yes": "won"}, timeout_s=HOUR_S),
    wait("morning", "which", at_s=9 * HOUR_S, weekdays=(0, 1, 2, 3, 4)),
    branch("which", "contact.tier > 4", "text", "end", max_visits=5, after_visits="end"),
    text("text", "end", on={"rejected": "won"}),
    end("won", "won"),
    attributes=TIER,
    exits=(leave('unsubscribed() || bounced("hard")', "opted_out"), leave("contact.tier > 8", "rich")),
    enroll=plans.Enroll(reentry="after_exit"),
)
SHORT = plan_of(text("text"), plan="short", enroll=plans.Enroll(reentry="always"))
RULES = policy_of(
    policies.SuppressionRule(id="suppression"),
    policies.WindowRule(id="hours", channels=("sms", "voice"), hours=hours(8 * HOUR_S, 20 * HOUR_S)),
)
"""Rules about the contact only: what is shared, a limit or a budget, may hold a run up."""

CONTACTS = 3


@dataclass(frozen=True)
class Act:
    """Something that happens to one contact, or (contact None) to nobody in particular."""

    what: str
    contact: int
    choice: int


ACTS = (
    "enroll", "enroll short", "answer", "answer", "answer", "event", "event", "contact event", "verb", "verb", "verb", "task",
    "put", "consent", "suppress", "late answer",
)  # fmt: skip
MOMENTS = st.lists(
    st.tuples(
        st.sampled_from([0, 0, 1, MINUTE_S, HOUR_S, 9 * HOUR_S, 2 * DAY_S]),
        st.lists(st.builds(Act, st.sampled_from(ACTS), st.integers(0, CONTACTS - 1), st.integers(0, 99)), max_size=4),
    ),
    max_size=14,
)


class Played(Story):
    """A file in which acts are played; `only` leaves out everything that is not about that contact."""

    def __init__(self, only: int | None = None, *, clock_limit: int = 1_000, lineage: bytes = LINEAGE) -> None:
        super().__init__(LONG, SHORT, policy=RULES, contacts=0, lineage=lineage)
        self._only = only
        self._clock_limit = clock_limit
        self.permits: list[Permit] = []
        self.open: dict[int, list[Permit]] = {number: [] for number in range(CONTACTS)}
        for number in range(CONTACTS):
            if only in (None, number):
                self.put(number, tier=1 + number)
                self.enroll(number)

    def play(self, moments: list[tuple[int, list[Act]]]) -> None:
        for pause, acts in moments:
            self._pass(pause)
            for act in acts:
                if self._only in (None, act.contact):
                    self._play(act)
            for channel in ("email", "sms", "voice"):
                for permit in self.pull(channel):
                    self.permits.append(permit)
                    self.open[int(permit.contact.removeprefix("c_"))].append(permit)

    def _pass(self, seconds: int) -> None:
        """Time passes second by second as far as timers go: each fires at its own tick, with everybody else's."""
        until = self.tick + seconds
        while (due := self.journal.state.next_due()) is not None and due <= until:
            self.tick = max(self.tick, due)
            self.admit(inputs.Clock(limit=self._clock_limit))
        self.tick = until

    def runs_of(self, number: int) -> list[Run]:
        rows = self.journal.database.execute(
            "SELECT run_no FROM run WHERE contact = ? ORDER BY run_no", (contact_id(number),)
        )
        return [self.run(row[0]) for row in rows]

    def _play(self, act: Act) -> None:
        number, choice, runs = act.contact, act.choice, self.runs_of(act.contact)
        match act.what:
            case "enroll" | "enroll short":
                plan = "plan" if act.what == "enroll" else "short"
                start = self.tick + DAY_S if choice % 7 == 0 else None
                self.admit(inputs.Enroll(contact=contact_id(number), plan=plan, start=start))
            case "verb" if runs:
                self._verb(runs[choice % len(runs)], choice)
            case "task" if runs:
                self.admit(inputs.TaskDone(run=runs[-1].run, outcome="yes"))
            case "put" | "consent" | "suppress":
                self._change(act)
            case _:
                self._hear(act)

    def _change(self, act: Act) -> None:
        number, choice = act.contact, act.choice
        if act.what == "put":
            attributes: dict[str, Any] = {} if choice % 3 == 0 else {"tier": choice % 10}
            self.put(number, zone=("America/New_York", "Europe/London", None)[choice % 3], **attributes)
        elif act.what == "consent":
            self.consent(number=number, granted=choice % 2 == 0)
        else:
            self.suppress(contact_id(number), on=choice % 2 == 0, scope="channel:voice")

    def _hear(self, act: Act) -> None:
        number, choice, flying = act.contact, act.choice, self.open[act.contact]
        mine = [permit for permit in self.permits if permit.contact == contact_id(number)]
        names = sorted(inputs.EVENTS)
        match act.what:
            case "answer" if flying:
                self._answer(flying.pop(choice % len(flying)), choice)
            case "late answer" if mine:
                self.answer(mine[choice % len(mine)], "rejected", "permanent")
            case "event" if mine:
                self.event(names[choice % len(names)], mine[choice % len(mine)])
            case "contact event":
                self.event(("meeting", "email.replied", "email.unsubscribed", "visit")[choice % 4], number=number)
            case _:
                pass

    def _answer(self, permit: Permit, choice: int) -> None:
        outcomes: tuple[Outcome, ...] = ("accepted", "accepted", "accepted", "rejected", "unknown")
        kinds: tuple[Kind, ...] = ("transient", "permanent", "config")
        outcome = outcomes[choice % 5]
        self.answer(permit, outcome, kinds[choice % 3] if outcome == "rejected" else "none")

    def _verb(self, run: Run, choice: int) -> None:
        verbs: tuple[Any, ...] = ("pause", "resume", "resume", "retry", "resolve", "skip", "cancel")
        choices: tuple[Any, ...] = ("delivered", "not-delivered", "resend", "abandoned")
        verb = verbs[choice % 7]
        self.admit(inputs.Verb(run=run.run, verb=verb, choice=choices[choice % 4] if verb == "resolve" else ""))

    def heads(self, number: int) -> list[tuple[str, int, str]]:
        return [(run.run, run.rs, run.rp) for run in self.runs_of(number)]


@pytest.mark.slow
@given(MOMENTS)
@settings(max_examples=40)
def test_nobody_is_ever_stuck_and_every_counter_adds_up(moments: list[tuple[int, list[Act]]]) -> None:
    with Played() as story:
        for moment in moments:
            story.play([moment])
            assert list(faults_of_file(story.journal)) == []


@pytest.mark.slow
@given(MOMENTS)
@settings(max_examples=40)
def test_a_message_is_handed_over_again_only_after_a_certain_failure_or_by_a_persons_resend(
    moments: list[tuple[int, list[Act]]],
) -> None:
    with Played() as story:
        story.play(moments)
        handed = Counter((permit.send_key, permit.attempt) for permit in story.permits)
        assert all(count == 1 for count in handed.values())
        by_send: dict[str, list[str]] = {}
        rows = story.journal.database.execute("SELECT send_key, attempt FROM attempt ORDER BY attempt_no")
        for key, ordinal in rows:
            attempt = story.journal.state.attempt(key, ordinal)
            assert attempt is not None
            by_send.setdefault(key, []).append(attempt.state)
        for states in by_send.values():
            assert all(state in ("REJECTED", "NOT_SENT", "ABANDONED", "CANCELLED") for state in states[:-1])


@pytest.mark.slow
@given(MOMENTS, st.integers(1, 3))
@settings(max_examples=40)
def test_one_contact_alone_and_among_others_leaves_the_same_heads(
    moments: list[tuple[int, list[Act]]], clock_limit: int
) -> None:
    with Played(clock_limit=clock_limit) as crowd, Played(only=0) as alone:
        crowd.play(moments)
        alone.play(moments)
        assert crowd.heads(0) == alone.heads(0)


@pytest.mark.slow
@given(MOMENTS)
@settings(max_examples=20)
def test_a_file_of_another_lineage_leaves_the_same_heads(moments: list[tuple[int, list[Act]]]) -> None:
    with Played() as here, Played(lineage=bytes(16)) as there:
        here.play(moments)
        there.play(moments)
        assert [here.heads(number) for number in range(CONTACTS)] == [there.heads(number) for number in range(CONTACTS)]
        assert len(here.permits) == len(there.permits)
        assert not {permit.send_key for permit in there.permits} & {permit.send_key for permit in here.permits}
