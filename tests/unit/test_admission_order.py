"""The order in which what waits is admitted: long imports let everybody else go first, and never undo a later word."""

from __future__ import annotations

from pathlib import Path

import pytest
from running_files import make_file, sent

from dee_appliance import Engine
from dee_appliance.kernel.e1.input import KIND_OF, ConsentSet, ContactErase, ContactPut, Event, Input, encode_input
from dee_appliance.runtime.appliance import Appliance, open_appliance
from dee_appliance.runtime.clock import SetClock
from dee_appliance.runtime.importing import ContactReader, Importer
from dee_appliance.runtime.loop import LoopLimits
from dee_appliance.store.inbox import InboxRow, InboxWriter
from dee_appliance.store.state_dir import StateDir
from dee_appliance.store.vault import Vault

START = 1_795_000_000


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    engine = Engine.create(tmp_path / "own.db", clock=SetClock(START), state_dir=StateDir(tmp_path / "state"))
    contacts = tmp_path / "contacts.csv"
    contacts.write_text("email,first_name\nann@example.org,Ann\nbob@example.org,Bob\n", encoding="utf-8")
    engine.import_contacts(contacts)
    return engine


def contacts_of(engine: Engine) -> list[str]:
    with engine.view() as view:
        return view.contact_ids()


def row(value: Input, received: int, private: dict[str, object] | None = None) -> InboxRow:
    kind = KIND_OF[type(value)]
    return InboxRow(source="test", received=received, kind=kind, payload=encode_input(value), private=private)


def imported(engine: Engine, *rows: InboxRow) -> None:
    """Rows of a long import that was finished and is not admitted yet."""
    with InboxWriter(engine.path) as writer:
        writer.stage(7, rows)
        writer.release(7)


def said(engine: Engine, *rows: InboxRow) -> None:
    with InboxWriter(engine.path) as writer:
        writer.append(rows)


def admitted(engine: Engine, limit: int = 500) -> Appliance:
    """Let the loop take what waits, so many rows at a time; the caller closes the file."""
    appliance = open_appliance(
        engine.path, "test", clock=SetClock(START + 100), state_dir=StateDir(engine.path.parent / "state")
    )
    while True:
        with appliance.database.transaction():
            done = appliance.admission.admit(START + 100, limit)
            appliance.journal.flush()
        if not done:
            return appliance


def kinds(appliance: Appliance) -> list[str]:
    rows = appliance.database.execute("SELECT kind FROM input WHERE source = 'test' ORDER BY seq")
    return [kind for (kind,) in rows]


@pytest.mark.parametrize("limit", [1, 500])
def test_what_a_long_import_grants_does_not_undo_a_later_revocation(engine: Engine, limit: int) -> None:
    ann, bob = contacts_of(engine)
    imported(engine, *(row(ConsentSet(contact=one, channel="email", granted=True), START) for one in (ann, bob)))
    said(engine, row(ConsentSet(contact=ann, channel="email", granted=False), START + 10))
    with admitted(engine, limit) as appliance:
        state = appliance.journal.state
        assert [state.contact(one).consents[("email", "*")].granted for one in (ann, bob)] == [False, True]
        assert kinds(appliance) == ["consent.set"] * 3


def test_an_older_revocation_does_not_undo_what_a_long_import_grants_after_it(engine: Engine) -> None:
    ann, _ = contacts_of(engine)
    said(engine, row(ConsentSet(contact=ann, channel="email", granted=False), START))
    imported(engine, row(ConsentSet(contact=ann, channel="email", granted=True), START + 10))
    with admitted(engine) as appliance:
        assert not appliance.database.execute("SELECT 1 FROM inbox")
        assert appliance.journal.state.contact(ann).consents[("email", "*")].granted


def test_a_long_import_does_not_bring_back_who_was_erased_meanwhile(engine: Engine) -> None:
    ann, _ = contacts_of(engine)
    private: dict[str, object] = {"vault": {ann: {"profile": '{"email":"ann.newer@example.org"}'}}}
    imported(engine, row(ContactPut(contact=ann, facts={"present": ["email"]}), START, private))
    with engine.view() as view:
        assert b"ann.newer@example.org" in view.personal_values(ann)
    said(engine, row(ContactErase(contact=ann), START + 10))
    with admitted(engine) as appliance:
        assert appliance.journal.state.contact(ann).erased
        assert Vault(appliance.database).rows(ann) == []
        assert kinds(appliance) == ["contact.put", "contact.erase"]


def test_everything_else_goes_before_a_long_import(engine: Engine) -> None:
    ann, bob = contacts_of(engine)
    imported(engine, row(ConsentSet(contact=bob, channel="email", granted=True), START))
    said(engine, row(Event(name="email.unsubscribed", contact=ann), START + 10))
    said(engine, row(ConsentSet(contact=ann, channel="sms", granted=False), START + 11))
    with admitted(engine) as appliance:
        assert kinds(appliance) == ["event", "consent.set", "consent.set"]


def test_two_imports_of_the_same_people_at_once_make_nobody_twice(engine: Engine, tmp_path: Path) -> None:
    """Each of them was compared with a file in which the other was not admitted yet."""
    contacts = tmp_path / "more.csv"
    contacts.write_text("email,first_name\ncay@example.org,Cay\n", encoding="utf-8")
    with engine.view() as view:
        reader = ContactReader(view.database, view.state)
        importer = Importer(reader, known_zones=frozenset(view.zone_ids()), now=START)
        rows = list(importer.rows(importer.open(contacts)))
    assert importer.report.new == 1
    said(engine, *rows)
    report = engine.import_contacts(contacts)  # its comparison does not see what waits
    assert (report.new, report.refused) == (1, 1)
    with engine.view() as view:
        assert len(view.contact_ids()) == 3
    assert engine.import_contacts(contacts).same == 1


def test_nothing_is_sent_to_whom_a_long_list_of_cancellations_has_not_reached_yet(tmp_path: Path) -> None:
    """The person was told that it is done, or queued: that every run of the list ends is only a question of turns."""
    engine = make_file(tmp_path, contacts=9, clock=SetClock(START))
    engine.arm()
    state = StateDir(tmp_path / "state")
    with open_appliance(engine.path, "the loop", clock=SetClock(START), state_dir=state) as appliance:
        with engine.view() as view:
            runs = [run for (run,) in view.database.execute("SELECT run FROM run ORDER BY run_no")]
        assert engine.operate("cancel", runs).queued == len(runs)
        loop = appliance.loop(limits=LoopLimits(rows=2))
        while loop.turn():
            pass
        loop.finish()
    assert sent(engine.path) == []
