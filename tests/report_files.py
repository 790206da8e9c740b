"""One file for the tests of reports: a week of two plans, with everything in it that a person may ask about.

Made once per session by the engine itself on a simulated clock; recipients do nothing but what is told here. Whoever a contact is
called after says what becomes of them.
"""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from dee_appliance import Engine
from dee_appliance.runtime.importing import ConsentGrant
from dee_appliance.runtime.reports import RunFilter, select_runs
from dee_appliance.runtime.service import Stop

START = 1_795_000_000
"""2026-11-18T11:06:40Z, a Wednesday; three days later it is night in Los Angeles."""
DAY_S = 86_400
NIGHT = START + 3 * DAY_S + 9
"""When the last of them has waited three days; Hana's call is held until the morning."""

POLICY = """
policy   = "reports"
currency = "USD"
[[rule]]
id   = "suppression"
kind = "suppression"
[[rule]]
id       = "consent"
kind     = "consent"
purposes = ["marketing"]
[[rule]]
id       = "night"
kind     = "window"
channels = ["voice"]
hours    = { days = "Mon-Sun", from = 08:00:00, to = 21:00:00 }
cite     = "47 CFR 64.1200(c)(1)"
[[rule]]
id    = "day"
kind  = "daily_limit"
limit = 100
zone  = "America/New_York"
[[rule]]
id     = "money"
kind   = "budget"
amount = "5.00"
[[rate]]
channel = "email"
price   = "0.01"
[[rate]]
channel = "sms"
price   = "0.05"
[[rate]]
channel = "voice"
price   = "0.10"
"""

WELCOME = """
plan    = "welcome"
version = 1
purpose = "marketing"
[attributes]
tier = ["free", "paid"]
[enroll]
reentry = "never"
[policy]
daily_sends   = 50
calling_hours = { days = "Mon-Sun", from = 09:00:00, to = 18:00:00 }
on_deny       = { suppression = "end" }
[[exit]]
when    = "unsubscribed()"
outcome = "opted_out"
[[step]]
id       = "hello"
do       = "send_email"
template = "hello"
recover  = { on = ["transient"], attempts = 2, backoff = ["9s"] }   # too short for any jitter
[[step]]
id    = "listen"
do    = "wait"
until = 'replied("hello")'
then  = "won"
for   = "3d"
[[step]]
id   = "worth"
do   = "branch"
case = [{ when = 'contact.tier == "paid"', then = "ring" }]
else = "lost"
[[step]]
id     = "ring"
do     = "call"
script = "ring"
on     = { answered = "won" }
next   = "lost"
skippable = true
[[step]]
id      = "won"
do      = "end"
outcome = "won"
[[step]]
id      = "lost"
do      = "end"
outcome = "lost"
"""

NOTICE = """
plan    = "notice"
version = 1
purpose = "transactional"
[enroll]
reentry = "always"
[[step]]
id       = "text"
do       = "send_sms"
template = "text"
[[step]]
id           = "check"
do           = "task"
instructions = "Look whether the account is right."
within       = "10d"
on           = { good = "done" }
next         = "done"
[[step]]
id      = "done"
do      = "end"
outcome = "noticed"
"""

PHONE = """
plan    = "phone"
version = 1
purpose = "transactional"
[enroll]
reentry = "always"
[policy]
calling_hours = { days = "Mon-Sun", from = 09:00:00, to = 18:00:00 }
[[step]]
id     = "ring"
do     = "call"
script = "ring"
[[step]]
id      = "done"
do      = "end"
outcome = "rung"
"""

HELLO = """Subject: Hello

Hello {{ contact.first_name }}, this is {{ sender.name }}. {{ unsubscribe_link }}
"""
RING = 'max_duration_s = 120\n[[answered]]\nsay = "Hello, this is {{ sender.name }}."\n'
TEXT = "{{ sender.name }}: your account is open."

CONTACTS = """customer_id,first_name,last_name,email,phone,timezone,country,tier
K-1,Ana,Replied,ana@example.com,,America/New_York,US,free
K-2,Ben,Unknown,ben@unknown.example,,America/New_York,US,free
K-3,Cleo,Rejected,cleo@rejected.example,,Europe/London,GB,free
K-4,Dora,Retried,dora@later.example,,Europe/London,GB,free
K-5,Evan,Unasked,evan@example.com,,Europe/London,GB,free
K-6,Fay,Unsubscribed,fay@example.com,,Europe/London,GB,free
K-7,Gil,Paused,gil@example.com,,Europe/London,GB,free
K-8,Hana,Night,hana@example.com,+1 206 555 0100,America/Los_Angeles,US,paid
K-9,Ivy,Phoneless,ivy@example.com,,America/New_York,US,paid
K-10,Jo,Untiered,jo@example.com,+1 212 555 0163,America/New_York,US,
K-11,Kim,Erased,kim@example.com,,Europe/London,GB,free
K-12,Zoë,Müller,zoe@example.com,,,,free
"""

SCENARIO = """
[[rule]]
domain = "unknown.example"
answer = "unknown"
[[rule]]
domain = "rejected.example"
answer = "reject"
code   = "no_such_recipient"
[[rule]]
domain  = "later.example"
attempt = 1
answer  = "reject"
code    = "deferred"
"""

NOTHING_BY_ITSELF = ",".join(
    f"{name}=0%"
    for name in (
        *("delivered", "bounced", "soft_bounced", "opened", "clicked"),
        *("auto_reply", "replied", "unsubscribed", "complained"),
    )
)


def made_file(folder: Path, start: int) -> tuple[Engine, dict[str, str]]:
    """Make a file with plans and contacts, and nobody enrolled yet."""
    write_sources(folder)
    path = folder / "reports.db"
    engine = Engine.create(path, simulated=True, start=start, assume=NOTHING_BY_ITSELF, policy=folder / "policy.toml")
    for plan in ("welcome", "notice", "phone"):
        engine.publish_plan(folder / f"{plan}.toml")
    engine.import_contacts(
        folder / "contacts.csv", consents=(ConsentGrant(channel="email"), ConsentGrant(channel="voice"))
    )
    people = [line.split(",") for line in CONTACTS.splitlines()[1:]]
    with engine.view() as view:
        return engine, {fields[1].lower(): view.resolve_contact(fields[0]) for fields in people}


class ReportFile(msgspec.Struct, frozen=True):
    """The file, and the ids of its contacts by first name."""

    path: Path
    contacts: dict[str, str]

    def engine(self) -> Engine:
        """Return an engine of the file. Only for reading: the file is shared."""
        return Engine(self.path)

    def run(self, name: str, plan: str = "welcome") -> str:
        """Return the newest run of a contact."""
        with self.engine().view() as view:
            return [row.run for row in select_runs(view, RunFilter(contact=self.contacts[name], plan=plan))][-1]


def serve_until(engine: Engine, tick: int) -> None:
    """Let the file's clock come at least this far, and no further than the next thing that happens."""
    stop = Stop()

    def look(now: int) -> None:
        stop.asked = now >= tick

    engine.serve(until_idle=True, stop=stop, progress=look)


def write_sources(folder: Path) -> None:
    """Write policy, plans, templates, scripts, contacts and the sandbox's configuration."""
    texts = {
        "policy.toml": POLICY,
        "welcome.toml": WELCOME,
        "notice.toml": NOTICE,
        "phone.toml": PHONE,
        "templates/hello.eml.j2": HELLO,
        "templates/text.sms.j2": TEXT,
        "scripts/ring.toml": RING,
        "contacts.csv": CONTACTS,
        "scenario.toml": SCENARIO,
    }
    for name, text in texts.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    options = f'options = {{ fsync = false, scenario = "{folder / "scenario.toml"}" }}'
    configuration = "\n".join(
        f'[channel.{channel}]\nadapter = "sandbox"\n{options}' for channel in ("email", "sms", "voice")
    )
    (folder / "reports.db.toml").write_text(configuration, encoding="utf-8")


def make_report_file(folder: Path) -> ReportFile:
    """Make the file."""
    engine, contacts = made_file(folder, START)
    engine.set_consent(contacts["evan"], "email", granted=False, source="letter-7")
    engine.enroll("welcome")
    serve_until(engine, START + 9)
    hold_some(engine, contacts)
    serve_until(engine, NIGHT)
    return ReportFile(engine.path, contacts)


def hold_some(engine: Engine, contacts: dict[str, str]) -> None:
    """What people and recipients do on the first day."""
    file = ReportFile(engine.path, contacts)
    engine.add_event("email.replied", send_key=send_key(file, "ana"))
    engine.add_event("email.unsubscribed", send_key=send_key(file, "fay"))
    engine.operate("pause", [file.run("gil")])
    engine.enroll("welcome", [contacts["ana"]])
    engine.suppress("stranger@example.org", reason="do_not_call")
    engine.suppress(contacts["ivy"], scope="plan:notice", reason="complaint")
    engine.halt("plan:notice")
    engine.enroll("notice", [contacts["hana"]])
    engine.erase_contact(contacts["kim"])


def send_key(file: ReportFile, name: str, plan: str = "welcome") -> str:
    """Return the key of the send that a contact's run is at or was at."""
    with file.engine().view() as view:
        rows = view.database.execute(
            "SELECT send_key FROM attempt WHERE run_no = (SELECT run_no FROM run WHERE run = ?)",
            (file.run(name, plan),),
        )
    return str(rows[0][0])


def make_moving_file(folder: Path) -> ReportFile:
    """Make a file in the first second after everybody was enrolled, in the middle of an American day."""
    start = START + 8 * 3_600
    engine, contacts = made_file(folder, start)
    engine.enroll("welcome")
    engine.enroll("notice", [contacts["hana"]])
    engine.enroll("phone", [contacts["hana"]])
    engine.enroll("phone", [contacts["jo"]], start=start + DAY_S)
    serve_until(engine, start)
    return ReportFile(engine.path, contacts)


_made: dict[str, ReportFile] = {}


@pytest.fixture(scope="session")
def report_file(tmp_path_factory: pytest.TempPathFactory) -> ReportFile:
    """The file, made once however many test modules ask for it."""
    if "file" not in _made:
        _made["file"] = make_report_file(tmp_path_factory.mktemp("reports"))
    return _made["file"]


@pytest.fixture(scope="session")
def moving_file(tmp_path_factory: pytest.TempPathFactory) -> ReportFile:
    """The file in which everything is on its way."""
    if "moving" not in _made:
        _made["moving"] = make_moving_file(tmp_path_factory.mktemp("moving"))
    return _made["moving"]
