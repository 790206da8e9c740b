"""What becomes of rows in the inbox: what was delivered before is no input, and nothing waits longer than it must."""

from __future__ import annotations

from pathlib import Path

import pytest
from running_files import make_file

from dee_appliance import Engine
from dee_appliance.kernel.e1.input import Event, encode_input
from dee_appliance.store.inbox import InboxRow, InboxWriter, append_inbox
from dee_appliance.store.state_dir import StateDir

NAME = "invoice.paid"


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    return make_file(tmp_path, contacts=1)


def somebody(engine: Engine) -> str:
    with engine.view() as view:
        (contact,) = view.contact_ids()
    return contact


def delivered(engine: Engine, contact: str, *tokens: str, source: str = "webhook") -> list[str]:
    """Deliver events with these tokens at once, let the loop take them, and return what became of each."""
    payload = encode_input(Event(name=NAME, contact=contact))
    rows = [
        InboxRow(source=source, dedupe=token, received=engine.now(), kind="event", payload=payload) for token in tokens
    ]
    ids = append_inbox(engine.path, rows)
    engine.serve(until_idle=True)
    with engine.view() as view:
        asked = "SELECT outcome FROM reply WHERE inbox = ? ORDER BY inbox"
        return [str(view.database.execute(asked, (identity,))[0][0]) for identity in ids]


def events(engine: Engine) -> tuple[int, int]:
    """How many events the queue has, and how many entries tell of one."""
    with engine.view() as view:
        inputs = view.database.execute("SELECT count(*) FROM input WHERE kind = 'event'")[0][0]
        entries = view.database.execute('SELECT count(*) FROM audit WHERE body LIKE \'%"action":"event"%\'')[0][0]
    return inputs, entries


def test_an_event_that_is_delivered_again_is_no_input_and_leaves_no_entry(engine: Engine) -> None:
    contact = somebody(engine)
    assert delivered(engine, contact, "a", "b") == ["done", "done"]
    assert delivered(engine, contact, "a") == ["duplicate"]
    assert events(engine) == (2, 2)


def test_an_event_that_is_delivered_twice_at_once_is_one_input(engine: Engine) -> None:
    assert delivered(engine, somebody(engine), "a", "a", "a") == ["done", "duplicate", "duplicate"]
    assert events(engine) == (1, 1)


def test_the_token_of_one_source_says_nothing_about_another(engine: Engine) -> None:
    contact = somebody(engine)
    assert delivered(engine, contact, "a") == ["done"]
    assert delivered(engine, contact, "a", source="mailbox") == ["done"]
    assert events(engine) == (2, 2)


def test_an_erasure_does_not_forget_what_was_delivered(engine: Engine) -> None:
    contact = somebody(engine)
    assert delivered(engine, contact, "a") == ["done"]
    engine.erase_contact(contact)
    before = events(engine)
    assert delivered(engine, contact, "a") == ["duplicate"]
    assert events(engine) == before


def test_a_simulated_clock_does_not_jump_over_a_long_import_that_waits(tmp_path: Path) -> None:
    """Although the row that is for later belongs to the lane that comes first."""
    begin = 1_795_000_000
    engine = Engine.create(tmp_path / "own.db", simulated=True, start=begin, state_dir=StateDir(tmp_path / "state"))
    later, now = (
        InboxRow(source=source, received=at, kind="event", payload=encode_input(Event(name=NAME, contact="c_1")))
        for source, at in (("later", begin + 86_400), ("import", begin))
    )
    append_inbox(engine.path, [later])
    with InboxWriter(engine.path) as writer:
        writer.stage(7, [now])
        writer.release(7, expected=1)
    engine.serve(until_idle=True)
    with engine.view() as view:
        taken = view.database.execute("SELECT source, tick FROM input WHERE kind = 'event' ORDER BY seq")
    assert taken == [("import", begin), ("later", begin + 86_400)]
