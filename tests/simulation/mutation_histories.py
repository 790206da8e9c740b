"""Small random histories to be mutated: a few contacts, two plans, a policy with prices, a pack, every kind of happening.

Each follows from its seed alone. They are short so that ten thousand mutations of them take minutes.
"""

from __future__ import annotations

import random  # noqa: TID251 - seeded
from pathlib import Path
from tempfile import TemporaryDirectory

from recorded_files import HOUR_S, OFFICE, SMALL_ZONES, Recorder, _contact, _set_up, contact_id

from dee_appliance.kernel.e1 import input as inputs
from dee_appliance.kernel.e1 import policy as policies
from dee_appliance.kernel.e1.encoding import canonical
from dee_appliance.kernel.e1.run import Permit

CONTACTS = (0, 3, 4, 5, 6, 7)
HAPPENINGS = 26

PACK = policies.Pack(
    id="house",
    version="1",
    as_of="2026-11-18",
    notice="Not legal advice.",
    rules=(
        policies.WindowRule(id="house-hours", channels=("voice",), hours=OFFICE),
        policies.CapRule(id="house-cap", channels=("email",), counts=("email",), limit=3, seconds=HOUR_S),
    ),
)


class _History:
    """One history while it is being written."""

    def __init__(self, path: Path, seed: int) -> None:
        self.recorder = Recorder(path)
        self.random = random.Random(seed)
        self.sent: list[Permit] = []
        self.contacts: list[int] = []

    def set_up(self) -> None:
        _set_up(self.recorder, SMALL_ZONES)
        digest, brought = self.recorder.document("pack", canonical(PACK))
        assert self.recorder.put(inputs.PackUse(pack=PACK.id, digest=digest), brought=brought) == "done"
        for number in self.random.sample(CONTACTS, 4):
            self.contacts.append(number)
            self.recorder.put(_contact(number))
            for channel in ("email", "sms", "voice"):
                if number != 3:
                    self.recorder.put(inputs.ConsentSet(contact=contact_id(number), channel=channel, granted=True))
            plan = self.random.choice(("outreach", "outreach", "notice"))
            variables: dict[str, inputs.Scalar] = {"amount": number} if plan == "notice" else {}
            self.recorder.put(inputs.Enroll(contact=contact_id(number), plan=plan, variables=variables))

    def go(self) -> None:
        now_and_then = (self.event, self.event, self.verb, self.consent, self.suppression, self.task)
        choices = (self.pull, self.pull, self.time, self.time, self.time, *now_and_then)
        self.pull()
        for _ in range(HAPPENINGS):
            self.recorder.tick += self.random.randint(1, 900)
            self.random.choice(choices)()

    def pull(self) -> None:
        for channel in ("email", "sms", "voice"):
            if not self.recorder.journal.state.queue(channel, 1) and self.random.random() < 0.9:
                continue
            for permit in self.recorder.pull(channel, 4):
                self.sent.append(permit)
                outcome, kind = self.random.choice(
                    (("accepted", "none"), ("accepted", "none"), ("rejected", "transient"), ("unknown", "none"))
                )
                self.recorder.answer(permit, outcome, kind)
                if channel == "voice":
                    self.recorder.put(inputs.Event(name="call.answered", send_key=permit.send_key, cost_micros=40_000))

    def time(self) -> None:
        self.recorder.go_on(self.random.choice((300, 5 * HOUR_S, 30 * HOUR_S, 75 * HOUR_S)))

    def event(self) -> None:
        if self.sent:
            name = self.random.choice(("email.opened", "email.replied", "email.delivered", "email.bounced"))
            kind = "soft" if name == "email.bounced" else ""
            key = self.random.choice(self.sent).send_key
            self.recorder.put(inputs.Event(name=name, send_key=key, kind=kind))

    def verb(self) -> None:
        run = self.random.choice(self.recorder.database.execute("SELECT run FROM run ORDER BY run_no"))[0]
        self.recorder.put(inputs.Verb(run=run, verb=self.random.choice(("pause", "resume", "retry", "skip"))))

    def consent(self) -> None:
        contact = contact_id(self.random.choice(self.contacts))
        granted = self.random.random() < 0.8
        self.recorder.put(inputs.ConsentSet(contact=contact, channel="email", granted=granted, source="form"))

    def suppression(self) -> None:
        subject = contact_id(self.random.choice(self.contacts))
        self.recorder.put(inputs.SuppressionSet(subject=subject, on=self.random.random() < 0.5, scope="channel:sms"))

    def task(self) -> None:
        for (run,) in self.recorder.database.execute(
            "SELECT run FROM run WHERE status = 'WAITING' ORDER BY run_no LIMIT 1"
        ):
            self.recorder.put(inputs.TaskDone(run=run, outcome="done"))


def write_history(path: Path, seed: int) -> None:
    """Write the history of a seed into a new file."""
    history = _History(path, seed)
    history.set_up()
    history.go()
    history.recorder.close()


def history(seed: int) -> bytes:
    """Return the file of a seed."""
    with TemporaryDirectory(prefix="dee-mutate-") as folder:
        path = Path(folder) / "made.db"
        write_history(path, seed)
        return path.read_bytes()
