"""Real files that really run: made, armed and served through the public API, for the tests of crashes and copies."""

from __future__ import annotations

from pathlib import Path

from dee_appliance import Engine
from dee_appliance.runtime.clock import Clock
from dee_appliance.runtime.config import outbox_of
from dee_appliance.runtime.reading import open_view
from dee_appliance.runtime.reports import arming_of
from dee_appliance.store.state_dir import StateDir

RECOVER = 'recover = { on = ["transient"], attempts = 5, backoff = ["1s", "1s", "1s", "1s"] }'
PLAN = f"""
plan = "notes"
version = 1
purpose = "transactional"

[attributes]
tier = "int"

[enroll]
reentry = "after_exit"

[[step]]
id = "first"
do = "send_email"
template = "note"
{RECOVER}

[[step]]
id = "pause"
do = "wait"
for = "PAUSE"

[[step]]
id = "which"
do = "branch"
case = [{{ when = 'opened("first") || (has(contact.tier) && contact.tier > 1)', then = "warm" }}]
else = "cold"

[[step]]
id = "warm"
do = "send_email"
template = "note"
next = "end"
{RECOVER}

[[step]]
id = "cold"
do = "send_email"
template = "note"
{RECOVER}

[[step]]
id = "end"
do = "end"
outcome = "done"
"""
TEMPLATE = "Subject: Note\n\nDear {{ contact.first_name }},\n\nhello.\n"
POLICY = """
policy = "wide"
currency = "USD"

[[rule]]
id = "suppression"
kind = "suppression"

[[rule]]
id = "daily"
kind = "daily_limit"
limit = 1000000
"""


def make_file(
    folder: Path,
    *,
    contacts: int,
    clock: Clock | None = None,
    name: str = "own.db",
    pause: str = "1h",
    plan: str = PLAN,
) -> Engine:
    """Make a file in which that many contacts are enrolled in a plan: send, wait for `pause`, branch, send.

    Its memory outside lies in the folder too; it is not armed.
    """
    state = StateDir(folder / "state")
    (folder / "templates").mkdir(exist_ok=True)
    (folder / "templates" / "note.eml.j2").write_text(TEMPLATE)
    (folder / "plan.toml").write_text(plan.replace("PAUSE", pause))
    (folder / "policy.toml").write_text(POLICY)
    engine = Engine.create(folder / name, policy=folder / "policy.toml", clock=clock, state_dir=state)
    engine.publish_plan(folder / "plan.toml")
    if contacts:
        assert engine.import_contacts(people(folder, "base", contacts)).new == contacts
        assert engine.enroll("notes").outcomes == {"done": contacts}
    return engine


def people(folder: Path, name: str, count: int) -> Path:
    """Write a CSV file with that many new people."""
    file = folder / f"{name}.csv"
    rows = "".join(f"P{number},{name}-{number}@example.org,{number % 3}\n" for number in range(count))
    file.write_text("first_name,email,attribute.tier:int\n" + rows)
    return file


def why_disarmed(path: Path, state: Path | None = None) -> str:
    """Return why a file may not send, "" when it may. Its memory outside is `state`, or the folder beside it."""
    with open_view(path) as view:
        return arming_of(view, StateDir(state or path.parent / "state")).why


def sent(path: Path) -> list[str]:
    """Return the names of the messages in the sandbox beside a file: what really left."""
    return sorted(found.name for found in outbox_of(path).rglob("*.eml"))


def marks(engine: Engine) -> dict[str, int]:
    """Return how many attempts of a file have each mark."""
    with engine.view() as view:
        return dict(view.database.execute("SELECT mark, count(*) FROM ledger GROUP BY mark ORDER BY mark"))


def statuses(engine: Engine) -> dict[str, int]:
    """Return how many runs of a file have each status."""
    with engine.view() as view:
        return dict(view.database.execute("SELECT status, count(*) FROM run GROUP BY status ORDER BY status"))


def holds(engine: Engine) -> list[tuple[str, str]]:
    """Return the shared holds of a file as (scope, reason)."""
    with engine.view() as view:
        return [(hold.scope, hold.reason) for hold in view.state.holds]


class HandClock:
    """A wall clock and a boot clock that a test sets, each by itself, and in any direction."""

    def __init__(self, now: int) -> None:
        self.wall = now
        self.up = 1_000

    def now(self) -> int:
        """Return the wall clock."""
        return self.wall

    def boot(self) -> int:
        """Return the boot clock."""
        return self.up

    def wait(self, seconds: float) -> None:
        """Nothing passes by waiting."""

    def go_on(self, seconds: int) -> None:
        """Let time pass, as it should."""
        self.wall += seconds
        self.up += seconds
