"""A file with everything in it that an input can do, written by whatever version of the engine is on the path.

    python tests/golden/corpus_history.py FILE

Run with the tree of a landed state on the path (add_to_corpus.py does that), it writes the file that this state would have
written. It uses no more of the tests than `recorded_files`, and of the engine what every landed state has; a state that lacks
the rules of the gate gets a shorter history.
"""

from __future__ import annotations

import sys
from pathlib import Path

import recorded_files as recorded
from recorded_files import Recorder, contact_id

from dee_appliance.kernel.e1 import input as inputs
from dee_appliance.kernel.e1 import policy as policies
from dee_appliance.kernel.e1.encoding import canonical

HOUR_S = 3_600
DAY_S = 86_400
FIRST, LAST = 1_420_070_400, 2_240_611_200
ZONES: dict[str, object] = {
    "version": "corpus",
    "from": FIRST,
    "until": LAST,
    "functions": [
        [[FIRST, 0]],
        [[FIRST, HOUR_S], [1_806_195_600, 2 * HOUR_S]],
        [[FIRST, -5 * HOUR_S]],
        [[FIRST, 19_800]],
    ],
    "zones": {"America/New_York": 2, "Asia/Kolkata": 3, "Etc/UTC": 0, "Europe/Berlin": 1, "Europe/London": 0},
}


def write(path: Path) -> None:
    """Write the file."""
    if not hasattr(inputs, "PackUse"):
        recorded.write_small_file(path)
        return
    recorder = Recorder(path)
    recorded._set_up(recorder, ZONES)
    recorded._contacts(recorder)
    first = recorded._first_day(recorder)
    recorded._events(recorder, first)
    recorded._operators(recorder)
    recorded._later(recorder)
    _gate(recorder)
    recorder.close()


def _pack(version: str, cap: int) -> policies.Pack:
    rules: tuple[policies.Rule, ...] = (
        policies.SuppressionRule(id="house/list", lists=("registry",), max_age_days=30, purposes=("transactional",)),
        policies.FactRule(id="house/registered", require=(policies.Ground(fact="registered"),), channels=("email",)),
        policies.CapRule(id="house/cap", limit=cap, counts=("email",), seconds=10 * DAY_S, channels=("email",)),
        policies.CapRule(id="house/rest", limit=1, counts=("conversation",), days=7, scope=("address",)),
        policies.ContentRule(id="house/words", require=("unsubscribe_link",), purposes=("marketing",)),
        policies.RatioRule(
            id="house/bounces",
            numerator=("email.bounced",),
            denominator=("email.delivered",),
            max_per_10000=5_000,
            days=3,
            min_denominator=2,
        ),
        policies.RateRule(id="house/rate", limit=4, seconds=60, channels=("email",)),
    )
    return policies.Pack(id="house", version=version, as_of="2026-11-01", notice="Not legal advice.", rules=rules)


def _use(recorder: Recorder, pack: policies.Pack) -> None:
    digest, brought = recorder.document("pack", canonical(pack))
    recorder.put(inputs.PackUse(pack="house", digest=digest, actor="maria"), brought=brought)


def _gate(recorder: Recorder) -> None:
    """Packs, facts, lists, caps, ratios and rates; prices and answers that come late; another time-zone table."""
    _use(recorder, _pack("1", 1))
    _enroll(recorder, range(12))
    recorder.go_on(3 * DAY_S)
    recorder.drain("email")  # the list was never loaded, and nobody has recorded the fact
    recorder.put(inputs.ListAdd(list="registry", version=1, tokens=("mail008", "mail-of-nobody")))
    recorder.put(inputs.ListUse(list="registry", version=1, as_of=recorder.tick - DAY_S, count=2))
    recorder.put(inputs.FactSet(name="registered", value=True, actor="maria"))
    for (run,) in recorder.database.execute("SELECT run FROM run WHERE status = 'FAILED' ORDER BY run_no"):
        recorder.put(inputs.Verb(run=run, verb="retry"))
    for _ in range(6):
        recorder.go_on(DAY_S)
        permits = recorder.pull("email")
        for position, permit in enumerate(permits):
            recorder.answer(permit, ("accepted", "accepted", "unknown")[position % 3])
        for position, permit in enumerate(permits):
            name = ("email.delivered", "email.bounced", "email.replied")[position % 3]
            recorder.put(inputs.Event(name=name, send_key=permit.send_key, cost_micros=900 + position))
            recorder.put(inputs.Answered(send_key=permit.send_key, attempt=permit.attempt, outcome="rejected"))
        _enroll(recorder, range(12))
    recorder.put(inputs.Event(name="contact.conversation", contact=contact_id(0)))
    recorder.put(inputs.ListAdd(list="registry", version=2, tokens=("mail000",)))
    recorder.put(inputs.ListUse(list="registry", version=2, as_of=recorder.tick, count=2))
    recorder.put(inputs.ListUse(list="registry", version=2, as_of=recorder.tick, count=1))
    _use(recorder, _pack("2", 9))
    digest, brought = recorder.document("zones", canonical({**ZONES, "version": "corpus-2"}))
    recorder.put(inputs.ZonesUse(digest=digest), brought=brought)
    recorder.go_on(2 * DAY_S)
    recorder.drain("email")
    recorder.put(inputs.FactSet(name="registered", value=None))
    recorder.put(inputs.PackRetire(pack="house"))
    recorder.put(inputs.PackRetire(pack="house"))
    recorder.put(inputs.ContactErase(contact=contact_id(2)))
    recorder.put(inputs.SuppressionSet(subject="mail001", on=True, scope="*", reason="operator"))
    _enroll(recorder, range(12))
    recorder.go_on(DAY_S)
    recorder.drain("email")


def _enroll(recorder: Recorder, numbers: range) -> None:
    for number in numbers:
        recorder.put(inputs.Enroll(contact=contact_id(number), plan="notice", variables={"amount": number}))


if __name__ == "__main__":
    write(Path(sys.argv[1]))
