"""A file whose runs wait for the clocks of three zones, and time-zone tables in which a parliament has moved them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import msgspec
from report_files import serve_until

from dee_appliance import Engine
from dee_appliance.authoring.zone_table import compile_zone_table
from dee_appliance.kernel.e1.civil_time import ZoneDocument
from dee_appliance.runtime.reports import RunFilter, RunRow
from dee_appliance.runtime.tz_preview import PendingChange, ZonesPreview

START = 1_795_000_000
"""2026-11-18T11:06:40Z, a Wednesday: 06:06:40 in New York, 11:06:40 in London, 16:36:40 in Kolkata."""
HOUR_S = 3_600
NINE_THERE = START - 40_000 + 14 * HOUR_S
"""Nine in New York on that day."""

POLICY = """
policy   = "clocks"
currency = "USD"
[[rule]]
id       = "night"
kind = "window"
channels = ["voice"]
hours    = { days = "Mon-Sun", from = 09:00:00, to = 18:00:00 }
[[rule]]
id       = "letters"
kind = "window"
channels = ["email"]
hours    = { days = "Mon-Sun", from = 06:00:00, to = 20:00:00 }
[[rule]]
id    = "day"
kind  = "daily_limit"
limit = 100
zone  = "America/New_York"
"""
RING = """
plan    = "ring"
version = 1
purpose = "transactional"
[[step]]
id     = "ring"
do     = "call"
script = "ring"
[[step]]
id      = "done"
do      = "end"
outcome = "rung"
"""
LETTER = """
plan    = "letter"
version = 1
purpose = "transactional"
[[step]]
id       = "letter"
do       = "send_email"
template = "letter"
[[step]]
id      = "done"
do      = "end"
outcome = "written"
"""
MORNING = """
plan    = "morning"
version = 1
purpose = "transactional"
[[step]]
id = "nine"
do = "wait"
at = 09:00:00
[[step]]
id      = "done"
do      = "end"
outcome = "woken"
"""
CONTACTS = """customer_id,first_name,email,phone,timezone
K-1,Ann,ann@example.com,+12125550163,America/New_York
K-2,Lou,lou@example.com,,Europe/London
K-3,Kai,kai@example.com,,Asia/Kolkata
"""
TEXTS = {
    "policy.toml": POLICY,
    "ring.toml": RING,
    "letter.toml": LETTER,
    "morning.toml": MORNING,
    "contacts.csv": CONTACTS,
    "scripts/ring.toml": 'max_duration_s = 60\n[[answered]]\nsay = "Hello, this is {{ sender.name }}."\n',
    "templates/letter.eml.j2": "Subject: Hello\n\nHello {{ contact.first_name }}.\n",
}


def make_zone_file(folder: Path) -> Engine:
    """Make the file: Ann's call is held until nine, everybody waits for nine, everybody's letter is queued."""
    for name, text in TEXTS.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    channels = "\n".join(
        f'[channel.{one}]\nadapter = "sandbox"\noptions = {{ fsync = false }}' for one in ("email", "voice")
    )
    (folder / "clocks.db.toml").write_text(channels, encoding="utf-8")
    engine = Engine.create(
        folder / "clocks.db", simulated=True, start=START, assume="answered=100%", policy=folder / "policy.toml"
    )
    for plan in ("ring", "letter", "morning"):
        engine.publish_plan(folder / f"{plan}.toml")
    engine.import_contacts(folder / "contacts.csv")
    engine.enroll("ring", ["K-1"])
    engine.enroll("morning")
    serve_until(engine, START)
    engine.enroll("letter")
    return engine


def run_of(engine: Engine, plan: str, contact: str = "K-1") -> RunRow:
    """The only run of a contact in a plan."""
    (row,) = engine.runs(RunFilter(plan=plan, contact=contact))
    return row


def moved(folder: Path, *zones: str, shift_s: int, release: str = "2099z", since: int = START) -> Path:
    """Write a table in which these zones' clocks are moved from an instant on (no zone: the same clocks, another release)."""

    def change(table: ZoneDocument) -> ZoneDocument:
        functions, ids = list(table.functions), dict(table.zones)
        for zone in zones:
            rows = table.functions[ids[zone]]
            at = next(offset for start, offset in reversed(rows) if start <= since)
            past = tuple((start, offset) for start, offset in rows if start < since)
            future = tuple((start, offset + shift_s) for start, offset in rows if start > since)
            ids[zone] = len(functions)
            functions.append((*past, (since, at + shift_s), *future))
        return msgspec.structs.replace(table, version=release, functions=tuple(functions), zones=ids)

    return write_table(folder / f"zones-{release}-{shift_s}.json", change)


def write_table(path: Path, change: Callable[[ZoneDocument], ZoneDocument]) -> Path:
    """Write the table of the installed package with something changed."""
    table = change(msgspec.convert(compile_zone_table(), ZoneDocument))
    path.write_text(json.dumps(msgspec.to_builtins(table), indent=1), encoding="utf-8")
    return path


def previewed(engine: Engine, table: Path) -> tuple[ZonesPreview, list[PendingChange]]:
    """What a table would change, with every run that it concerns."""
    changes: list[PendingChange] = []
    return engine.update_zones(table, dry_run=True, on_change=changes.append), changes
