"""Garbage from outside changes nothing that it should not, and never breaks what comes after it.

A row that somebody wrote straight into the inbox is admitted as a rejected input or not at all: the loop goes on,
and the file still verifies and replays.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st
from running_files import PLAN, TEMPLATE
from store_files import bare_connection

from dee_appliance import Engine
from dee_appliance.replay.compare_state import verify_state
from dee_appliance.replay.replay import replay
from dee_appliance.replay.verify import verify
from dee_appliance.store.state_dir import StateDir

BEGIN = 1_795_000_000
PEOPLE = 6


@cache
def made() -> tuple[bytes, dict[str, list[str]]]:
    """A simulated file in the middle of its work, as bytes, and the names of what is in it."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "templates").mkdir()
        (folder / "templates" / "note.eml.j2").write_text(TEMPLATE)
        (folder / "plan.toml").write_text(PLAN.replace("PAUSE", "40d"))
        rows = "".join(f"P{number},p{number}@example.org,K{number}\n" for number in range(PEOPLE))
        (folder / "people.csv").write_text("first_name,email,customer_id\n" + rows)
        engine = Engine.create(folder / "own.db", simulated=True, start=BEGIN, state_dir=StateDir(folder / "state"))
        engine.publish_plan(folder / "plan.toml")
        engine.import_contacts(folder / "people.csv")
        engine.enroll("notes", [f"K{number}" for number in range(PEOPLE - 1)])
        with engine.view() as view:
            rows_of = view.database.execute
            names = {
                "contact": view.contact_ids(),
                "run": [row[0] for row in rows_of("SELECT run FROM run ORDER BY run_no")],
                "token": [row[0] for row in rows_of("SELECT token FROM address ORDER BY token")],
                "send_key": [row[0] for row in rows_of("SELECT send_key FROM attempt ORDER BY attempt_no")],
                "digest": [row[0] for row in rows_of("SELECT digest FROM document ORDER BY digest")],
            }
        return (folder / "own.db").read_bytes(), names


# ---- rows that no program of ours writes ----

NASTY: tuple[Any, ...] = (
    None, True, 0, -1, 2**53, 2**63, -(2**63), 2**200, 1.5, float("nan"), float("inf"), "", " ", "é\u0000", "\u202e",
    "x" * 70_000, [], ["a", 1], {}, {"ключ": 1}, {"a": 1.0}, {"a": {"b": [1, 2]}}, "2026-02-30", "America/Atlantis",
    "-0", "00" * 20,
)  # fmt: skip
RAW = (
    "", "{", "null", "[]", "1", '"x"', "{}{}", '{"limit":1,"limit":2}', '{"contact":"\\ud800"}', "[" * 5_000, '{"a":' * 3_000,
    "\ufeff{}", "{}\u0000", "{'a':1}", '{"contact":"c_1",}', "NaN", "-", "\n\n",
)  # fmt: skip
Row = tuple[str, str | None, int, int, str, str, str | None]
"""source, dedupe, received, ready, kind, payload, private"""


def sensible(names: dict[str, list[str]]) -> dict[str, dict[str, Any]]:
    """A payload of every kind that would do something."""
    contact, token = names["contact"][0], names["token"][0]
    run, send_key, digest = names["run"][0], names["send_key"][0], names["digest"][0]
    facts = {"present": ["email"], "zones": {"declared": ["Europe/Berlin"], "number": []}, "phone_prefix": "+1206"}
    return {
        "contact.put": {"contact": contact, "attributes": {"tier": 2}, "facts": facts, "tokens": {"email": token}},
        "contact.erase": {"contact": contact},
        "consent.set": {"contact": contact, "channel": "email", "granted": True, "expires": BEGIN + 9, "purpose": "*"},
        "suppression.set": {"subject": token, "on": True, "scope": "channel:email", "reason": "x"},
        "run.enroll": {
            "contact": names["contact"][-1],
            "plan": "notes",
            "version": 1,
            "variables": {},
            "start": BEGIN + 60,
        },
        "event": {"name": "email.bounced", "send_key": send_key, "kind": "hard", "cost_micros": 5},
        "run.verb": {"run": run, "verb": "pause", "choice": "", "actor": "x"},
        "task.done": {"run": run, "outcome": "yes"},
        "attempt.answered": {
            "send_key": send_key,
            "attempt": 1,
            "outcome": "accepted",
            "kind": "none",
            "cost_micros": 5,
        },
        "clock": {"limit": 5},
        "dispatch.pull": {"channel": "email", "n": 2},
        "plan.publish": {"plan": "other", "version": 1, "digest": digest},
        "policy.set": {"digest": digest},
        "zones.use": {"digest": digest},
        "hold.set": {"scope": "plan:other", "on": True, "reason": "halt"},
        "config.set": {"key": "breaker.threshold", "value": "5"},
        "file.arm": {"incarnation": 1},
        "malformed": {},
        "no.such.kind": {"a": 1},
        "": {},
    }


@st.composite
def payloads(draw: st.DrawFn, good: dict[str, Any]) -> str:
    """The good payload with one thing wrong, or something that is none at all."""
    value = json.loads(json.dumps(good))
    places = _places(value)
    match draw(st.sampled_from(["good", "replace", "replace", "replace", "drop", "add", "raw"])):
        case "replace" if places:
            holder, key = draw(st.sampled_from(places))
            holder[key] = draw(st.sampled_from(NASTY))
        case "drop" if value:
            del value[draw(st.sampled_from(sorted(value)))]
        case "add":
            value[draw(st.sampled_from(["x", "", "ключ", "tick", "contact"]))] = draw(st.sampled_from(NASTY))
        case "raw":
            return draw(st.sampled_from(RAW))
        case _:
            pass
    return json.dumps(value)


def _places(value: dict[str, Any]) -> list[tuple[Any, Any]]:
    found: list[tuple[Any, Any]] = []
    for key, part in value.items():
        found.append((value, key))
        if isinstance(part, dict):
            found += _places(part)
        elif isinstance(part, list):
            found += [(part, index) for index in range(len(part))]
    return found


@st.composite
def privates(draw: st.DrawFn, names: dict[str, list[str]]) -> str | None:
    """What comes beside a payload, mostly nothing."""
    contact = names["contact"][0]
    odd = (
        "", "{", "[]", '{"vault":1}', '{"vault":{"c_stranger":{"profile":"{}"}}}', '{"vault":{"":{"secret":"00"}}}', '{"x":1}',
        json.dumps({"vault": {contact: {"profile": "no JSON at all", "secret": "no hex"}}}),
        json.dumps({"vault": {contact: {"profile": '{"email":7}'}}}),
        json.dumps({"documents": {"b3:" + "0" * 64: ["plan", "{}"]}}),
        json.dumps({"documents": {names["digest"][0]: ["template", "{}"]}}),
        json.dumps({"documents": {"b3:x": ["no such kind", "\x00"]}}),
    )  # fmt: skip
    return draw(st.sampled_from([None, None, None, *odd]))


@st.composite
def rows(draw: st.DrawFn) -> Row:
    names = made()[1]
    good = sensible(names)
    kind = draw(st.sampled_from(sorted(good)))
    source = draw(st.sampled_from(["api", "loop", "adapter", "world", "operator", "", "\x00", "ö" * 200]))
    dedupe = draw(st.sampled_from([None, None, "", "t1", "\x00"]))
    received = draw(st.sampled_from([BEGIN, BEGIN + 60, 0, -5, BEGIN + 86_400, 2**53, 2**62, -(2**63), 2**63 - 1]))
    ready = draw(st.sampled_from([1, 1, 1, 2, 0, 3, -7]))
    return source, dedupe, received, ready, kind, draw(payloads(good[kind])), draw(privates(names))


def placed(folder: Path) -> Engine:
    """A copy of the file of one's own."""
    path = folder / "own.db"
    path.write_bytes(made()[0])
    path.chmod(0o600)
    return Engine(path, state_dir=StateDir(folder / "state"))


def slip_in(path: Path, *slipped: Row) -> None:
    """Write rows into the inbox as another program would, with none of our checks."""
    insert = "INSERT INTO inbox (source, dedupe, received, ready, kind, payload, private) VALUES (?, ?, ?, ?, ?, ?, ?)"
    with bare_connection(path) as connection:
        connection.executemany(insert, slipped)


def assert_whole(path: Path) -> None:
    """The file is what an honest run would have left."""
    report = replay(path)
    assert report.same, str(report.divergence)
    found = verify(path)
    assert found.ok, found.findings
    state = verify_state(path)
    assert state.ok, state


FAR = "SELECT max(tick) FROM input"
YEAR_10000 = 253_402_300_800


@settings(max_examples=120)
@given(st.lists(rows(), min_size=1, max_size=6))
@example([("api", None, BEGIN, 1, "dispatch.pull", '{"channel":"email","n":2}', None)])
@example([("api", None, 2**62, 1, "event", '{"name":"x","contact":"c_1"}', None)])
@example([("api", None, BEGIN, 1, "event", '{"name":"x"}', json.dumps({"documents": {"b3:x": ["plan", "{}"]}}))])
def test_rows_slipped_into_the_inbox_break_nothing(slipped: list[Row]) -> None:
    with TemporaryDirectory() as name:
        engine = placed(Path(name))
        slip_in(engine.path, *slipped)
        engine.serve(until_idle=True)
        assert_whole(engine.path)
        with engine.view() as view:
            assert view.database.execute(FAR)[0][0] < YEAR_10000
            waiting = view.database.execute(
                "SELECT count(*) FROM inbox WHERE ready IN (1, 2) AND received < ?", (2**40,)
            )
            assert waiting == [(0,)], "what could be admitted was"
        engine.halt("channel:email")
        engine.release("channel:email")
        assert_whole(engine.path)
