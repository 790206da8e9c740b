"""The demo: a whole life of a file in a minute, on this machine only.

A simulated file, the sales example, real mail over SMTP to a server on loopback, recipients who open, reply and bounce. The clock
jumps from event to event, so eleven days take seconds; everything else is what a real file does.

The rule a change must keep: start, seed and contact ids are fixed, so everybody's demo ends with the same counts, and the README
shows them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from dee_appliance.engine import Engine
from dee_appliance.errors import Refused
from dee_appliance.runtime.config import config_path
from dee_appliance.runtime.examples import example
from dee_appliance.runtime.forecast import Forecast, read_forecast
from dee_appliance.runtime.importing import ConsentGrant, ImportReport, fixed_ids
from dee_appliance.runtime.mail_server import LOOPBACK, MailServer
from dee_appliance.runtime.reports_runs import RunFilter, select_runs

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

START = 1_767_600_000
"""Monday 2026-01-05 08:00 UTC: every demo tells the same story."""
PLAN = "sales-outreach"
ASSUME = "replied=8%,opened=40%,bounced=3%,unsubscribed=2%"
MAIL_FOLDER = "mailbox"
TOLD_OUTCOME = "talked"
"""The demo shows the first run that ended like this: it has an e-mail, a wait, a hold until the calling hours, and a call."""


class Demo(msgspec.Struct, frozen=True, kw_only=True):
    """What the demo did."""

    file: str
    imported: ImportReport
    enrolled: int
    messages: int
    forecast: Forecast
    told: str
    """A run worth looking at."""


def run_demo(folder: Path, say: Callable[[str], None], progress: Callable[[int], None] | None = None) -> Demo:
    """Run the demo in an empty or new folder. Raises Refused when something is in it."""
    if folder.exists() and any(folder.iterdir()):
        raise Refused("the folder is not empty", where=str(folder), hint="dee demo in an empty folder, or dee demo NEW")
    folder.mkdir(parents=True, exist_ok=True)
    source = example(PLAN)
    file = folder / "demo.db"
    say(f"making {file}: a simulated file, which can never send outside this machine")
    engine = Engine.create(file, simulated=True, start=START, assume=ASSUME, policy=source / "policy.toml")
    say(f"publishing {source / 'plan.toml'}")
    engine.publish_plan(source / "plan.toml")
    say(f"importing {source / 'contacts.csv'}")
    imported = engine.import_contacts(
        source / "contacts.csv",
        allow_rejects=True,
        rejects=folder / "contacts.rejects.csv",
        draw_id=fixed_ids("dee.demo.v1"),
        consents=(ConsentGrant(channel="email", source="demo"), ConsentGrant(channel="voice", source="demo")),
    )
    enrolled = engine.enroll(PLAN).rows
    with MailServer(folder / MAIL_FOLDER) as server:
        say(f"an SMTP server listens on {LOOPBACK}:{server.port}; running the plan to its end")
        _configure(file, server.port)
        engine.serve(until_idle=True, progress=progress)
        messages = server.count
    with engine.view() as view:
        forecast = read_forecast(view, 0, PLAN, {})
        told = next(row.run for row in select_runs(view, RunFilter(status="COMPLETED", reason=TOLD_OUTCOME)))
    return Demo(file=str(file), imported=imported, enrolled=enrolled, messages=messages, forecast=forecast, told=told)


def _configure(file: Path, port: int) -> None:
    """Write the configuration beside the file: e-mail goes to the local server, calls to the sandbox."""
    config_path(file, {}).write_text(
        "# Written by `dee demo`: e-mail goes to a server on this machine that is gone now; calls to the sandbox.\n"
        "[channel.email]\n"
        'adapter = "smtp"\n'
        f'options = {{ host = "{LOOPBACK}", port = {port}, tls = "none" }}\n',
        "utf-8",
    )
