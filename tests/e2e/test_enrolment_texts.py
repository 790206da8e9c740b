"""Free texts that come with an enrolment: they are those of its run, whatever enrolments come after it."""

from __future__ import annotations

from pathlib import Path

import pytest
from running_files import POLICY, HandClock, people

from dee_appliance import Engine
from dee_appliance.kernel.e1.encoding import canonical
from dee_appliance.kernel.e1.input import ConsentSet, Enroll, encode_input
from dee_appliance.replay.replay import Options, replay
from dee_appliance.runtime.config import outbox_of
from dee_appliance.runtime.rerender import Rerenderer
from dee_appliance.store.inbox import InboxRow, append_inbox
from dee_appliance.store.state_dir import StateDir
from dee_appliance.store.vault import TEXTS

PLAN = """
plan = "offers"
version = 1
purpose = "transactional"

[variables]
offer = "text"

[enroll]
reentry = "REENTRY"

[[step]]
id = "later"
do = "wait"
for = "1h"

[[step]]
id = "offer"
do = "send_email"
template = "offer"

[[step]]
id = "end"
do = "end"
outcome = "done"
"""


def made(folder: Path, clock: HandClock, reentry: str) -> Engine:
    (folder / "templates").mkdir()
    (folder / "templates" / "offer.eml.j2").write_text("Subject: Offer\n\n{{ var.offer }}\n")
    (folder / "plan.toml").write_text(PLAN.replace("REENTRY", reentry))
    (folder / "policy.toml").write_text(POLICY)
    state = StateDir(folder / "state")
    engine = Engine.create(folder / "own.db", policy=folder / "policy.toml", clock=clock, state_dir=state)
    engine.publish_plan(folder / "plan.toml")
    engine.import_contacts(people(folder, "base", 1))
    engine.arm()
    return engine


def offers(engine: Engine) -> list[str]:
    """What the messages that left offer, the oldest first."""
    files = sorted(outbox_of(engine.path).rglob("*.eml"), key=lambda one: one.stat().st_mtime_ns)
    return [word for file in files for word in ("apples", "pears") if word in file.read_text()]


@pytest.mark.parametrize(
    ("reentry", "second", "left"),
    [("never", {"rejected:already_enrolled": 1}, ["apples"]), ("always", {"done": 1}, ["apples", "pears"])],
)
def test_the_texts_of_another_enrolment_are_not_those_of_this_run(
    tmp_path: Path, reentry: str, second: dict[str, int], left: list[str]
) -> None:
    clock = HandClock(1_795_000_000)
    engine = made(tmp_path, clock, reentry)
    engine.enroll("offers", texts={"offer": "apples"})
    clock.go_on(60)
    assert engine.enroll("offers", texts={"offer": "pears"}).outcomes == second
    for _ in left:
        clock.go_on(3_570)
        engine.serve(until_idle=True)
    assert sorted(offers(engine)) == left
    with engine.view() as view:
        contact = view.contact_ids()[0]
        kept = {field for field, _, _ in view.vault.rows(contact) if "variables" in field}
        runs = [run for (run,) in view.database.execute("SELECT run FROM run ORDER BY run_no")]
        assert b"pears" in view.personal_values(contact)  # an erasure must look for it even if nobody may ever read it
        report = replay(engine.path, options=Options(rerender=Rerenderer(view.database)))
    assert kept == {*(f"variables:{run}" for run in runs), *(["refused:variables"] if len(runs) == 1 else [])}
    assert report.renderer is not None
    assert (report.renderer.checked, report.renderer.differing) == (len(left), 0)


def test_texts_beside_an_input_that_makes_no_run_are_nobodys(tmp_path: Path) -> None:
    """No program of ours writes such a row; whoever does must not change what a live run will say."""
    clock = HandClock(1_795_000_000)
    engine = made(tmp_path, clock, "never")
    with engine.view() as view:
        contact = view.contact_ids()[0]
    beside = [
        ("run.enroll", encode_input(Enroll(contact=contact, plan="offers")), "apples"),
        ("consent.set", encode_input(ConsentSet(contact=contact, channel="email", granted=True)), "pears"),
    ]
    for kind, payload, offer in beside:
        private: dict[str, object] = {"vault": {contact: {TEXTS: canonical({"offer": offer}).decode()}}}
        row = InboxRow(source="test", received=clock.now(), kind=kind, payload=payload, private=private)
        append_inbox(engine.path, [row])
    engine.serve(until_idle=True)
    clock.go_on(3_600)
    engine.serve(until_idle=True)
    assert offers(engine) == ["apples"]
