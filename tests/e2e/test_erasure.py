"""Erasure, end to end on real files: the bytes are gone, the record still holds, and nobody is written to by mistake.

The scan here is this file's own: it reads the file and its WAL as bytes and knows every form in which a value could lie there.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import unicodedata
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import msgspec
import pytest
from running_files import PLAN, TEMPLATE

from dee_appliance import Engine
from dee_appliance.kernel.e1 import input as inputs
from dee_appliance.kernel.e1.encoding import canonical
from dee_appliance.replay.compare_state import verify_state
from dee_appliance.replay.replay import replay
from dee_appliance.replay.verify import verify
from dee_appliance.store.inbox import staged_jobs
from dee_appliance.store.lock import holder
from dee_appliance.store.state_dir import StateDir

BEGIN = 1_795_000_000
HEADER = "first_name,last_name,email,phone,company,remark,customer_id\n"
ODD = {
    "first_name": 'Zoë "Ж" 👩‍👩‍👧‍👦 Žofie',
    "last_name": "O'Brien\\Nuñez\\u0041",
    "email": "Zoe+odd_tag@exämple.org",
    "phone": "+12065550142",
    "company": 'Ünïted "Quotes"\nZweite Zeile, & Söhne',
    "remark": "\u202eevil\u202c za\u0335lgo %s %00 '; DROP TABLE vault; --",
    "customer_id": "Kunde/№ 4711-Ö",
}
OLDER = {**ODD, "phone": "+12065550199", "remark": "an older note, long since replaced"}
ADDRESS = "zoe+ODD_tag@exämple.org"
"""The same mailbox, as somebody else might write it."""

REMARK = ("note=remark",)
TEXT = 'a gift for "Žofie"\tfrom B\\B'
pytestmark = pytest.mark.slow


def forms(value: str) -> set[bytes]:
    """Every form in which a text could lie in the file: plain, escaped in JSON, and in JSON inside JSON."""
    once = msgspec.json.encode(value)[1:-1]
    twice = msgspec.json.encode(once.decode())[1:-1]
    ascii_only = value.encode("ascii", "backslashreplace")
    return {value.encode(), once, twice, ascii_only, value.encode("utf-16-le"), value.encode("utf-16-be")}


def values_of(*people: dict[str, str]) -> set[str]:
    """Every value of somebody's profile, as it was given and as it is kept."""
    given = {value for one in people for value in one.values()}
    return given | {"Zoe+odd_tag@xn--exmple-cua.org", TEXT}


def left_over(path: Path, values: set[str]) -> list[tuple[str, str]]:
    """Say which values still lie in the file or beside it, and where."""
    found = []
    for suffix in ("", "-wal", "-journal"):
        beside = path.with_name(path.name + suffix)
        content = beside.read_bytes() if beside.exists() else b""
        found += [(beside.name, value) for value in sorted(values) if any(form in content for form in forms(value))]
    return found


def csv_of(folder: Path, name: str, *people: dict[str, str]) -> Path:
    rows = ["\ufeff" + HEADER]
    for one in people:
        cells = [one.get(column, "").replace('"', '""') for column in HEADER.strip().split(",")]
        rows.append(",".join(f'"{cell}"' for cell in cells) + "\n")
    file = folder / name
    file.write_text("".join(rows), encoding="utf-8", newline="")
    return file


def others(count: int) -> list[dict[str, str]]:
    return [
        {"first_name": f"Bystander {number}", "email": f"bystander-{number}@example.org", "company": "Ünïted & Co"}
        for number in range(count)
    ]


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    """A simulated file with a few others, whose plan has begun, and the contact with unusual data."""
    (tmp_path / "templates").mkdir()
    (tmp_path / "templates" / "note.eml.j2").write_text(TEMPLATE)
    (tmp_path / "plan.toml").write_text(PLAN.replace("PAUSE", "1h"))
    made = Engine.create(tmp_path / "own.db", simulated=True, start=BEGIN, state_dir=StateDir(tmp_path / "state"))
    made.publish_plan(tmp_path / "plan.toml")
    assert made.import_contacts(csv_of(tmp_path, "others.csv", *others(30))).new == 30
    assert made.import_contacts(csv_of(tmp_path, "odd.csv", OLDER), mapping=REMARK).new == 1
    assert made.import_contacts(csv_of(tmp_path, "newer.csv", ODD), mapping=REMARK, update=True).changed == 1
    made.enroll("notes")
    made.enroll("notes", [ODD["customer_id"]], texts={"gift": TEXT})
    return made


def contact_of(engine: Engine) -> str:
    with engine.view() as view:
        return view.resolve_contact(ADDRESS)


def heads_of_others(engine: Engine, contact: str) -> dict[str, tuple[int, str]]:
    with engine.view() as view:
        rows = view.database.execute("SELECT run, body FROM run WHERE contact != ? ORDER BY run_no", (contact,))
    bodies = {run: msgspec.json.decode(body) for run, body in rows}
    return {run: (body["rs"], body["rp"]) for run, body in bodies.items()}


def assert_the_record_holds(path: Path) -> None:
    assert verify(path).ok
    assert verify_state(path).ok
    report = replay(path)
    assert report.same, str(report.divergence)


def test_no_form_of_any_value_is_left_in_the_file_or_its_wal(engine: Engine) -> None:
    path, contact = engine.path, contact_of(engine)
    values = values_of(ODD, OLDER)
    there = {value for _, value in left_over(path, values)}
    assert there >= {*OLDER.values()} - {OLDER["email"]}, "what is looked for must be found before"
    report = engine.erase_contact(ADDRESS)
    assert (report.state, report.too_short) == ("done", 0)
    assert left_over(path, values) == []
    with engine.view() as view:
        assert view.database.execute("SELECT field FROM vault WHERE contact = ? ORDER BY field", (contact,)) == []
        assert staged_jobs(view.database) == []


def test_the_proof_covers_older_versions_and_every_way_of_writing(engine: Engine) -> None:
    with engine.view() as view:
        searched = set(view.personal_values(contact_of(engine)))
    kept = {value for one in (ODD, OLDER) for name, value in one.items() if name != "email"} | {TEXT}
    wanted = {form for value in kept for form in (value.encode(), msgspec.json.encode(value)[1:-1])}
    assert wanted - searched == set()


def test_a_customer_key_is_found_however_its_letters_are_put_together(engine: Engine) -> None:
    apart = unicodedata.normalize("NFD", ODD["customer_id"])
    assert apart != ODD["customer_id"]
    with engine.view() as view:
        assert view.resolve_contact(apart) == contact_of(engine)


def test_after_an_erasure_the_file_still_verifies_and_replays_and_the_runs_of_others_go_on(engine: Engine) -> None:
    engine.serve(until_idle=True)
    contact = contact_of(engine)
    before = heads_of_others(engine, contact)
    assert engine.erase_contact(contact).state == "done"
    assert heads_of_others(engine, contact) == before
    assert_the_record_holds(engine.path)


def test_an_erasure_in_the_middle_of_everything_changes_no_other_run(engine: Engine, tmp_path: Path) -> None:
    twin = Engine(tmp_path / "twin.db", state_dir=StateDir(tmp_path / "state"))
    engine.snapshot(twin.path)
    contact = contact_of(engine)
    assert engine.erase_contact(contact).state == "done"
    engine.serve(until_idle=True)
    twin.serve(until_idle=True)
    assert heads_of_others(engine, contact) == heads_of_others(twin, contact)
    assert left_over(engine.path, values_of(ODD, OLDER)) == []
    assert_the_record_holds(engine.path)
    with engine.view() as view:
        rows = view.database.execute("SELECT status, count(*) FROM run WHERE contact = ? GROUP BY status", (contact,))
        permits = view.database.execute(
            "SELECT count(*) FROM ledger JOIN attempt USING (attempt_no) JOIN run USING (run_no) WHERE contact = ?",
            (contact,),
        )
    assert rows == [("CANCELLED", 1)]
    assert permits == [(0,)], "nothing was sent to somebody who is erased"


def test_a_suppressed_address_stays_suppressed_and_is_recognised_when_it_comes_back(
    engine: Engine, tmp_path: Path
) -> None:
    engine.suppress(ADDRESS, reason="complaint")
    contact = contact_of(engine)
    engine.erase_contact(contact)
    again = csv_of(tmp_path, "again.csv", ODD)
    kept = engine.import_contacts(again, mapping=REMARK)
    assert (kept.new, kept.erased) == (0, 1), "the address is known, though nobody can read it any more"
    assert engine.import_contacts(again, mapping=REMARK, update=True).erased == 1, "who was forgotten stays so"
    assert left_over(engine.path, values_of(ODD, OLDER)) == []
    back = engine.import_contacts(again, mapping=REMARK, readmit=True)
    assert (back.new, back.changed) == (0, 1)
    assert contact_of(engine) == contact
    engine.enroll("notes", [contact])
    engine.serve(until_idle=True)
    with engine.view() as view:
        bodies = view.database.execute(
            "SELECT body FROM run WHERE contact = ? ORDER BY run_no DESC LIMIT 1", (contact,)
        )
        assert msgspec.json.decode(bodies[0][0])["reason"] == "denied:suppressed"
        assert view.vault.secret(contact) != bytes(32), "commitments to the new data need a secret of their own"
    assert_the_record_holds(engine.path)


def test_erasing_once_more_is_as_thorough_as_the_first_time(engine: Engine) -> None:
    contact = contact_of(engine)
    values = values_of(ODD, OLDER)
    with engine.view() as reader:
        rows = reader.database.stream("SELECT value FROM vault ORDER BY contact, field, seq")
        next(rows)
        assert engine.erase_contact(contact).state == "pending"
        assert left_over(engine.path, values) != []
        rows.close()  # type: ignore[attr-defined]  # every generator has it
    again = engine.erase_contact(contact)
    assert (again.state, again.compacted) == ("done", True)
    assert left_over(engine.path, values) == []


# ---- while a loop runs in another process ----


@pytest.fixture
def loop(engine: Engine) -> Iterator[subprocess.Popen[bytes]]:
    """`dee serve` on the file, in a process of its own."""
    environment = {**os.environ, "DEE_STATE_DIR": str(engine.path.parent / "state")}
    command = [sys.executable, "-m", "dee_appliance", "--db", str(engine.path), "serve"]
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    assert process.stderr is not None
    try:
        while holder(engine.path) is None:
            with suppress(subprocess.TimeoutExpired):
                pytest.fail(f"the loop ended with {process.wait(0.02)}")
        yield process
    finally:
        process.kill()
        process.wait()
        process.stderr.close()


def test_a_contact_is_erased_while_a_loop_runs_the_file(engine: Engine, loop: subprocess.Popen[bytes]) -> None:
    contact = contact_of(engine)
    values = values_of(ODD, OLDER)
    states = [engine.erase_contact(contact).state]
    while states[-1] == "pending" and len(states) < 20:
        states.append(engine.erase_contact(contact).state)
    assert states[-1] == "done"
    assert loop.poll() is None, "the loop still runs"
    assert holder(engine.path) is not None
    assert left_over(engine.path, values) == []
    loop.send_signal(signal.SIGTERM)
    assert loop.wait(30) == 0
    assert left_over(engine.path, values) == []
    assert_the_record_holds(engine.path)


# ---- what comes in afterwards ----


def test_what_is_said_about_somebody_after_the_erasure_is_not_kept(engine: Engine) -> None:
    contact = contact_of(engine)
    with engine.view() as view:
        run = view.database.execute("SELECT run FROM run WHERE contact = ?", (contact,))[0][0]
    engine.erase_contact(contact)
    note = "550 5.1.1 <Zoe+odd_tag@xn--exmple-cua.org> no such mailbox"
    private: dict[str, object] = {"vault": {contact: {"answer:00:1": canonical({"note": note}).decode()}}}
    answer = inputs.Answered(send_key="00" * 20, attempt=1, outcome="rejected", kind="permanent")
    engine.submit(answer, private=private)
    said: dict[str, object] = {"vault": {contact: {"note": note}}}
    assert engine.submit(inputs.Event(name="email.replied", contact=contact), private=said).replies[0].outcome == "done"
    gift: dict[str, object] = {"vault": {contact: {"variables": canonical({"gift": TEXT}).decode()}}}
    refused = engine.submit(inputs.Enroll(contact=contact, plan="notes"), private=gift)
    assert refused.replies[0].outcome == "rejected:erased"
    with engine.view() as view:
        assert view.vault.rows(contact) == []
        assert view.state.run_by_id(run) is not None
    assert left_over(engine.path, values_of(ODD, OLDER)) == []
    assert_the_record_holds(engine.path)
